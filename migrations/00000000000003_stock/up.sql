-- Products, SKUs and their mappings; card pools, batches, cards, their permitted uses and the card ledger.

CREATE TABLE card_pools (
    id uuid PRIMARY KEY,
    merchant_id uuid NOT NULL REFERENCES merchants (id),
    name text NOT NULL CONSTRAINT card_pools_name_length CHECK (char_length(name) BETWEEN 1 AND 120),
    -- Shops of which platform it serves: sample cards never reach a real buyer, real ones never a sandbox.
    gateway text NOT NULL CONSTRAINT card_pools_gateway CHECK (gateway IN ('production', 'sandbox')),
    -- A card must be valid for at least this long when it is handed out.
    min_validity_s integer NOT NULL DEFAULT 0 CONSTRAINT card_pools_min_validity CHECK (min_validity_s >= 0),
    low_stock_at integer NOT NULL DEFAULT 0 CONSTRAINT card_pools_low_stock CHECK (low_stock_at >= 0),
    -- Since when no more cards can be handed out than that; NULL while there are more. A pool begins empty, which is no fall.
    low_since timestamptz DEFAULT now(),
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (merchant_id, id),
    CONSTRAINT card_pools_name_once UNIQUE (merchant_id, name)
);
CALL tenant_table('card_pools', 'SELECT, INSERT, UPDATE');

-- Everything that judges a pool by its platform may read it without a lock.
CREATE FUNCTION card_pools_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'card pool % stays on its platform', OLD.id
        USING ERRCODE = 'check_violation', CONSTRAINT = 'card_pools_gateway_stays';
END
$$;
CREATE TRIGGER card_pools_guard BEFORE UPDATE ON card_pools FOR EACH ROW
    WHEN (OLD.gateway <> NEW.gateway) EXECUTE FUNCTION card_pools_guard();

CREATE TABLE products (
    id uuid PRIMARY KEY,
    merchant_id uuid NOT NULL,
    shop_id uuid NOT NULL,
    goods_id bigint NOT NULL,
    name text NOT NULL,
    -- The platform's numbers (protocol 4.1); NULL until pdd.goods.detail.get was read.
    goods_type integer,
    delivery_type integer,
    cat_id bigint,
    on_sale boolean NOT NULL DEFAULT true,
    image_url text NOT NULL DEFAULT '',
    synced_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (merchant_id, id),
    CONSTRAINT products_once UNIQUE (shop_id, goods_id),
    FOREIGN KEY (merchant_id, shop_id) REFERENCES shops (merchant_id, id)
);
CALL tenant_table('products', 'SELECT, INSERT, UPDATE');

CREATE TABLE skus (
    id uuid PRIMARY KEY,
    merchant_id uuid NOT NULL,
    shop_id uuid NOT NULL,
    product_id uuid NOT NULL,
    platform_sku_id bigint NOT NULL,
    outer_id text NOT NULL DEFAULT '',
    spec text NOT NULL DEFAULT '',
    quantity bigint,
    group_price_fen bigint,
    single_price_fen bigint,
    on_sale boolean NOT NULL DEFAULT true,
    synced_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (merchant_id, id),
    CONSTRAINT skus_once UNIQUE (shop_id, platform_sku_id),
    FOREIGN KEY (merchant_id, shop_id) REFERENCES shops (merchant_id, id),
    FOREIGN KEY (merchant_id, product_id) REFERENCES products (merchant_id, id)
);
CALL tenant_table('skus', 'SELECT, INSERT, UPDATE');

-- What to do with an order of a SKU. No row: never guessed, an exception asks for one.
CREATE TABLE sku_mappings (
    id uuid PRIMARY KEY,
    merchant_id uuid NOT NULL,
    sku_id uuid NOT NULL,
    -- 'skip' is a decision too: not ours to deliver.
    delivery_method text NOT NULL CONSTRAINT sku_mappings_delivery_method CHECK (delivery_method IN
        ('skip', 'voucher_send', 'platform_pool', 'platform_codes', 'charge_notify', 'pickup_page')),
    pool_id uuid,
    redemption_method text NOT NULL DEFAULT 'none' CONSTRAINT sku_mappings_redemption_method CHECK (redemption_method IN
        ('report_card', 'ota', 'realtime', 'none')),
    -- Cards for one unit bought.
    cards_per_unit integer NOT NULL DEFAULT 1 CONSTRAINT sku_mappings_cards_per_unit CHECK (cards_per_unit BETWEEN 1 AND 100),
    -- Method settings: voucher text form, store for OTA, charge address, logistics id.
    settings jsonb NOT NULL DEFAULT '{}',
    -- The platform's own stock of the SKU: with fewer cards than the first it is filled up to the second. NULL: by hand.
    top_up_below integer,
    top_up_to integer,
    updated_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (merchant_id, id),
    CONSTRAINT sku_mappings_once UNIQUE (sku_id),
    CONSTRAINT sku_mappings_top_up CHECK (
        (top_up_below IS NULL AND top_up_to IS NULL)
        OR (delivery_method = 'platform_pool' AND top_up_below IS NOT NULL AND top_up_to IS NOT NULL
            AND top_up_below BETWEEN 1 AND top_up_to AND top_up_to <= 100000)),
    CONSTRAINT sku_mappings_pool_where_needed CHECK (
        (delivery_method IN ('voucher_send', 'platform_pool', 'pickup_page')) = (pool_id IS NOT NULL)),
    FOREIGN KEY (merchant_id, sku_id) REFERENCES skus (merchant_id, id),
    FOREIGN KEY (merchant_id, pool_id) REFERENCES card_pools (merchant_id, id)
);
CREATE INDEX sku_mappings_of_pool ON sku_mappings (merchant_id, pool_id);
CREATE INDEX sku_mappings_top_up_by_itself ON sku_mappings (sku_id) WHERE top_up_below IS NOT NULL;
CALL tenant_table('sku_mappings', 'SELECT, INSERT, UPDATE, DELETE');

-- A SKU takes cards of its own shop's platform only.
CREATE FUNCTION sku_mappings_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM public.card_pools p, public.skus k
                 JOIN public.shops s ON s.merchant_id = k.merchant_id AND s.id = k.shop_id
                WHERE p.merchant_id = NEW.merchant_id AND p.id = NEW.pool_id
                  AND k.merchant_id = NEW.merchant_id AND k.id = NEW.sku_id AND s.gateway <> p.gateway) THEN
        RAISE EXCEPTION 'card pool % serves shops of another platform', NEW.pool_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'sku_mappings_pool_of_its_gateway';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER sku_mappings_guard BEFORE INSERT OR UPDATE ON sku_mappings FOR EACH ROW
    WHEN (NEW.pool_id IS NOT NULL) EXECUTE FUNCTION sku_mappings_guard();

CREATE TABLE card_batches (
    id uuid PRIMARY KEY,
    merchant_id uuid NOT NULL,
    pool_id uuid NOT NULL,
    source text NOT NULL CONSTRAINT card_batches_source CHECK (source IN ('import', 'generate')),
    -- The caller's id and the file's hash: an import whose COMMIT was lost is found again by them.
    idempotency_key text NOT NULL,
    file_name text NOT NULL DEFAULT '',
    file_hash bytea,
    accepted integer NOT NULL DEFAULT 0,
    rejected integer NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (merchant_id, id),
    CONSTRAINT card_batches_once UNIQUE (merchant_id, idempotency_key),
    FOREIGN KEY (merchant_id, pool_id) REFERENCES card_pools (merchant_id, id)
);
CALL tenant_table('card_batches', 'SELECT, INSERT, UPDATE');

CREATE TABLE cards (
    id uuid NOT NULL,
    merchant_id uuid NOT NULL,
    pool_id uuid NOT NULL,
    batch_id uuid NOT NULL,
    data_key_id uuid NOT NULL,
    number_sealed bytea NOT NULL,
    secret_sealed bytea,
    -- HMAC under HKDF(data key, 'card-hash', version): finds duplicates without opening anything.
    number_hash bytea NOT NULL CONSTRAINT cards_number_hash_length CHECK (octet_length(number_hash) = 32),
    hash_version smallint NOT NULL DEFAULT 1,
    -- First and last characters with the middle hidden, for people and for mask matching.
    number_mask text NOT NULL,
    expires_at timestamptz,
    uses_permitted integer NOT NULL DEFAULT 1 CONSTRAINT cards_uses_permitted CHECK (uses_permitted BETWEEN 1 AND 1000),
    created_at timestamptz NOT NULL DEFAULT now(),
    -- One index for identity and for references to it: each costs an import a tenth of its time.
    PRIMARY KEY (merchant_id, id),
    CONSTRAINT cards_number_once UNIQUE (merchant_id, hash_version, number_hash),
    FOREIGN KEY (merchant_id, data_key_id) REFERENCES data_keys (merchant_id, id)
);
CREATE INDEX cards_of_batch ON cards (batch_id);
CALL tenant_table('cards', 'SELECT, INSERT, UPDATE');

-- Stands in for foreign keys to pool and batch. Thousands of cards of one statement share both, and foreign keys would
-- look them up for each card, which takes a fifth of an import's time (docs/performance.md). Pools and batches are never
-- deleted by the application, and a pool with uses in it is held by their foreign key.
CREATE FUNCTION cards_parents() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    place record;
BEGIN
    FOR place IN SELECT DISTINCT merchant_id, pool_id, batch_id FROM fresh LOOP
        PERFORM FROM public.card_pools p
          WHERE p.merchant_id = place.merchant_id AND p.id = place.pool_id FOR KEY SHARE;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'cards are in a pool that their merchant does not have'
                USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'cards_pool';
        END IF;
        PERFORM FROM public.card_batches b
          WHERE b.merchant_id = place.merchant_id AND b.id = place.batch_id FOR KEY SHARE;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'cards are of a batch that their merchant does not have'
                USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'cards_batch';
        END IF;
    END LOOP;
    RETURN NULL;
END
$$;
CREATE TRIGGER cards_parents AFTER INSERT ON cards REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION cards_parents();
CREATE TRIGGER cards_parents_moved AFTER UPDATE ON cards REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION cards_parents();

-- Counts places, from one on.
CREATE DOMAIN ordinal AS integer CONSTRAINT ordinal_from_one CHECK (VALUE >= 1);
CREATE DOMAIN card_use_state AS text CONSTRAINT card_uses_state CHECK (VALUE IN
    ('available', 'reserved', 'uploading', 'at_platform', 'sent', 'quarantined', 'burned', 'void'));

-- Stock: one row per permitted use.
CREATE TABLE card_uses (
    id uuid NOT NULL,
    merchant_id uuid NOT NULL,
    card_id uuid NOT NULL,
    use_no ordinal NOT NULL,
    pool_id uuid NOT NULL,
    expires_at timestamptz,
    state card_use_state NOT NULL DEFAULT 'available',
    state_cause text NOT NULL DEFAULT 'imported',
    -- The live delivery line that claimed it. Set exactly while a line holds the use.
    line_id uuid,
    -- True from the moment the use may have left us; never goes back.
    exposed boolean NOT NULL DEFAULT false,
    -- Head of this use's hash chain in card_ledger.
    ledger_seq integer NOT NULL DEFAULT 1,
    ledger_head bytea NOT NULL,
    PRIMARY KEY (merchant_id, id),
    -- Whatever refers to a row by an id that is unique within its merchant only leads with the merchant: by the id alone
    -- another merchant could take its place.
    CONSTRAINT card_uses_once UNIQUE (merchant_id, card_id, use_no),
    CONSTRAINT card_uses_available_is_free CHECK (state <> 'available' OR (line_id IS NULL AND NOT exposed)),
    CONSTRAINT card_uses_reserved_has_line CHECK (state <> 'reserved' OR line_id IS NOT NULL),
    FOREIGN KEY (merchant_id, card_id) REFERENCES cards (merchant_id, id),
    FOREIGN KEY (merchant_id, pool_id) REFERENCES card_pools (merchant_id, id)
) WITH (fillfactor = 80);
-- The claim's index: expiry first, then age.
-- It leads with the merchant, as indexes of hot statements do: the planner takes merchant and pool for independent, and
-- would rather intersect two indexes and sort the whole pool than read this one in its order.
CREATE INDEX card_uses_available ON card_uses (merchant_id, pool_id, expires_at NULLS LAST, id) WHERE state = 'available';
CREATE INDEX card_uses_of_line ON card_uses (line_id) WHERE line_id IS NOT NULL;
-- What the platform may hand out of a pool: few rows, counted each minute.
CREATE INDEX card_uses_at_platform ON card_uses (pool_id, id) WHERE state IN ('uploading', 'at_platform');
CALL tenant_table('card_uses', 'SELECT, INSERT, UPDATE');

-- The only ways a use may go. A way back to 'available' is allowed only for uses that were never exposed.
CREATE TABLE card_use_transitions (
    from_state text NOT NULL,
    to_state text NOT NULL,
    cause text NOT NULL,
    PRIMARY KEY (from_state, to_state, cause)
);
GRANT SELECT ON card_use_transitions TO kamiflow_app, kamiflow_backup;
INSERT INTO card_use_transitions (from_state, to_state, cause) VALUES
    ('available', 'reserved', 'claimed'),
    ('available', 'uploading', 'upload_started'),
    ('available', 'void', 'voided'),
    -- What a backup shows as stock may have been handed out since; a person takes it out of quarantine.
    ('available', 'quarantined', 'restored_stock'),
    ('quarantined', 'available', 'cleared_by_person'),
    ('reserved', 'available', 'released'),
    ('reserved', 'sent', 'sent'),
    ('reserved', 'quarantined', 'may_have_left'),
    ('reserved', 'void', 'voided'),
    ('uploading', 'available', 'upload_refused'),
    ('uploading', 'at_platform', 'uploaded'),
    ('uploading', 'quarantined', 'upload_unknown'),
    ('at_platform', 'sent', 'handed_out'),
    ('at_platform', 'quarantined', 'may_have_left'),
    ('at_platform', 'void', 'voided'),
    ('sent', 'burned', 'refunded'),
    ('sent', 'quarantined', 'replaced'),
    ('quarantined', 'burned', 'destroyed'),
    ('quarantined', 'sent', 'confirmed_delivered'),
    ('quarantined', 'at_platform', 'confirmed_uploaded'),
    ('quarantined', 'void', 'voided'),
    ('void', 'available', 'restored');

CREATE FUNCTION card_uses_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.exposed AND NOT NEW.exposed THEN
        RAISE EXCEPTION 'card use % was exposed and stays exposed', OLD.id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'card_uses_exposed_stays';
    END IF;
    IF OLD.card_id <> NEW.card_id OR OLD.use_no <> NEW.use_no THEN
        RAISE EXCEPTION 'card use % cannot become another use', OLD.id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'card_uses_identity';
    END IF;
    IF OLD.pool_id <> NEW.pool_id AND (OLD.state <> 'available' OR OLD.exposed) THEN
        RAISE EXCEPTION 'only a card in stock that never left can be moved'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'card_uses_move_never_exposed';
    END IF;
    -- Two steps: most changes leave the pool, and none of those pays for the look.
    IF OLD.pool_id <> NEW.pool_id THEN
        IF EXISTS (SELECT FROM public.card_pools f, public.card_pools t
                    WHERE f.merchant_id = OLD.merchant_id AND f.id = OLD.pool_id
                      AND t.merchant_id = NEW.merchant_id AND t.id = NEW.pool_id AND f.gateway <> t.gateway) THEN
            RAISE EXCEPTION 'card use % cannot be moved to another platform', OLD.id
                USING ERRCODE = 'check_violation', CONSTRAINT = 'card_uses_move_within_gateway';
        END IF;
    END IF;
    IF NEW.ledger_seq <> OLD.ledger_seq + 1 AND (OLD.state <> NEW.state OR OLD.pool_id <> NEW.pool_id) THEN
        RAISE EXCEPTION 'card use % changed without an entry in the ledger', OLD.id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'card_uses_ledger_follows';
    END IF;
    IF OLD.state <> NEW.state THEN
        IF NOT EXISTS (SELECT FROM public.card_use_transitions t
                       WHERE t.from_state = OLD.state AND t.to_state = NEW.state AND t.cause = NEW.state_cause) THEN
            RAISE EXCEPTION 'card use % may not go from % to % by %', OLD.id, OLD.state, NEW.state, NEW.state_cause
                USING ERRCODE = 'check_violation', CONSTRAINT = 'card_uses_transition';
        END IF;
        IF NEW.state = 'available' AND NEW.exposed THEN
            RAISE EXCEPTION 'card use % may have left us and can never be available again', OLD.id
                USING ERRCODE = 'check_violation', CONSTRAINT = 'card_uses_exposed_never_available';
        END IF;
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER card_uses_guard BEFORE UPDATE ON card_uses FOR EACH ROW EXECUTE FUNCTION card_uses_guard();

-- Provenance: append-only, hash-chained per use. hash = sha256(prev_hash || the entry's own text).
CREATE TABLE card_ledger (
    card_use_id uuid NOT NULL,
    seq integer NOT NULL,
    merchant_id uuid NOT NULL,
    event text NOT NULL,
    pool_id uuid NOT NULL,
    delivery_id uuid,
    at timestamptz NOT NULL DEFAULT now(),
    prev_hash bytea NOT NULL,
    hash bytea NOT NULL,
    PRIMARY KEY (merchant_id, card_use_id, seq),
    FOREIGN KEY (merchant_id, card_use_id) REFERENCES card_uses (merchant_id, id)
);
CALL tenant_table('card_ledger', 'SELECT, INSERT');

-- The one definition of an entry's hash, used by every writer and by the check. STABLE, as what it calls is declared,
-- so that the planner puts its body where it is called; IMMUTABLE would be a function call with a plan of its own.
CREATE FUNCTION card_ledger_hash(prev bytea, use_id uuid, entry_seq integer, event text, pool uuid, delivery uuid, at timestamptz)
    RETURNS bytea LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT sha256(prev || convert_to(concat_ws('|', use_id::text, entry_seq::text, event, pool::text,
        coalesce(delivery::text, '-'), (extract(epoch FROM at) * 1000000)::bigint::text), 'UTF8'))
$$;
GRANT EXECUTE ON FUNCTION card_ledger_hash(bytea, uuid, integer, text, uuid, uuid, timestamptz) TO kamiflow_app, kamiflow_system;

-- Merkle root over the heads of a merchant's chains, once a day, checked by `kamiflow doctor`.
CREATE TABLE card_ledger_roots (
    merchant_id uuid NOT NULL REFERENCES merchants (id),
    day date NOT NULL,
    uses bigint NOT NULL,
    root bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (merchant_id, day)
);
CALL tenant_table('card_ledger_roots', 'SELECT, INSERT');
