-- Deliveries, their lines and attempts, waits for stock, and charge orders that somebody must fulfil.

-- See orders: what is written to often has its values checked by types.
CREATE DOMAIN delivery_method AS text CONSTRAINT deliveries_method CHECK (VALUE IN
    ('voucher_send', 'platform_pool', 'platform_codes', 'charge_notify', 'pickup_page'));
CREATE DOMAIN delivery_redemption_method AS text CONSTRAINT deliveries_redemption_method CHECK (VALUE IN
    ('report_card', 'ota', 'realtime', 'none'));
CREATE DOMAIN delivery_state AS text CONSTRAINT deliveries_state CHECK (VALUE IN
    ('pending', 'reserved', 'handing_over', 'delivered', 'released'));
CREATE DOMAIN delivery_attempt_state AS text CONSTRAINT delivery_attempts_state CHECK (VALUE IN
    ('planned', 'started', 'succeeded', 'failed', 'unknown', 'resolved_delivered', 'resolved_not_delivered'));
CREATE DOMAIN line_count AS integer CONSTRAINT deliveries_lines_expected CHECK (VALUE BETWEEN 1 AND 10000);

CREATE TABLE deliveries (
    id uuid NOT NULL,
    merchant_id uuid NOT NULL,
    shop_id uuid NOT NULL,
    -- No foreign key: orders are partitioned and dropped by partition, deliveries are not.
    order_day date NOT NULL,
    order_id uuid NOT NULL,
    order_sn text NOT NULL,
    sku_id uuid NOT NULL,
    method delivery_method NOT NULL,
    redemption_method delivery_redemption_method NOT NULL,
    pool_id uuid,
    -- Lines a full hand-over has: cards for quantity × cards per unit, or one line per unit without cards.
    lines_expected line_count NOT NULL,
    state delivery_state NOT NULL DEFAULT 'pending',
    -- When the deliver pool is to look at it; NULL: nothing to do by itself.
    due_at timestamptz,
    last_ship_at timestamptz,
    -- Raised by whoever takes the delivery over; every later write says AND fence = mine.
    fence bigint NOT NULL DEFAULT 0,
    -- Classified failures in a row; restarts do not count.
    failures integer NOT NULL DEFAULT 0,
    -- Fixed by the first attempt: a delivery never has a second payload.
    payload_hash bytea,
    created_at timestamptz NOT NULL DEFAULT now(),
    delivered_at timestamptz,
    -- The id in front: while a table is young every index costs the planner the same, and one that leads with the merchant
    -- serves any statement, by reading all of a merchant's rows. Such a plan is kept until the next ANALYZE.
    PRIMARY KEY (id, merchant_id),
    CONSTRAINT deliveries_once UNIQUE (shop_id, order_sn),
    CONSTRAINT deliveries_delivered_has_time CHECK ((state = 'delivered') = (delivered_at IS NOT NULL)),
    CONSTRAINT deliveries_pool_where_needed CHECK (
        (method IN ('voucher_send', 'platform_pool', 'pickup_page')) = (pool_id IS NOT NULL)),
    FOREIGN KEY (merchant_id, shop_id) REFERENCES shops (merchant_id, id),
    FOREIGN KEY (merchant_id, sku_id) REFERENCES skus (merchant_id, id),
    FOREIGN KEY (merchant_id, pool_id) REFERENCES card_pools (merchant_id, id)
) WITH (fillfactor = 80);
CREATE INDEX deliveries_due ON deliveries (merchant_id, shop_id, due_at) WHERE due_at IS NOT NULL;
CALL tenant_table('deliveries', 'SELECT, INSERT, UPDATE');

CREATE TABLE delivery_lines (
    id uuid NOT NULL,
    merchant_id uuid NOT NULL,
    delivery_id uuid NOT NULL,
    item_no ordinal NOT NULL,
    line_no ordinal NOT NULL,
    -- NULL for methods that claim no card.
    card_use_id uuid,
    -- False once released: the use may be claimed by another line.
    live boolean NOT NULL DEFAULT true,
    -- A code the platform made (platform_codes), sealed; known only after it was read.
    data_key_id uuid,
    platform_code_sealed bytea,
    PRIMARY KEY (merchant_id, id),
    CONSTRAINT delivery_lines_code_has_key CHECK ((platform_code_sealed IS NULL) = (data_key_id IS NULL)),
    FOREIGN KEY (merchant_id, delivery_id) REFERENCES deliveries (merchant_id, id),
    FOREIGN KEY (merchant_id, card_use_id) REFERENCES card_uses (merchant_id, id),
    FOREIGN KEY (merchant_id, data_key_id) REFERENCES data_keys (merchant_id, id)
);
-- A released line stays as history and its place may be filled anew.
CREATE UNIQUE INDEX delivery_lines_once ON delivery_lines (merchant_id, delivery_id, item_no, line_no) WHERE live;
CREATE UNIQUE INDEX delivery_lines_use_once ON delivery_lines (merchant_id, card_use_id)
    WHERE live AND card_use_id IS NOT NULL;
CALL tenant_table('delivery_lines', 'SELECT, INSERT, UPDATE');

CREATE FUNCTION deliveries_guard() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    lines integer;
BEGIN
    IF NEW.fence < OLD.fence THEN
        RAISE EXCEPTION 'the fence of delivery % cannot go back', OLD.id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'deliveries_fence_forward';
    END IF;
    IF OLD.payload_hash IS NOT NULL AND NEW.payload_hash IS DISTINCT FROM OLD.payload_hash THEN
        RAISE EXCEPTION 'delivery % cannot have a second payload', OLD.id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'deliveries_one_payload';
    END IF;
    IF NEW.state = OLD.state THEN
        RETURN NEW;
    END IF;
    IF (OLD.state, NEW.state) NOT IN (
        ('pending', 'reserved'), ('pending', 'handing_over'), ('pending', 'released'), ('pending', 'delivered'),
        ('reserved', 'handing_over'), ('reserved', 'pending'), ('reserved', 'released'), ('reserved', 'delivered'),
        ('handing_over', 'reserved'), ('handing_over', 'delivered'), ('handing_over', 'released'),
        ('released', 'pending')) THEN
        RAISE EXCEPTION 'delivery % may not go from % to %', OLD.id, OLD.state, NEW.state
            USING ERRCODE = 'check_violation', CONSTRAINT = 'deliveries_transition';
    END IF;
    -- What is held is held in full: exactly the lines of the order's quantity, never fewer, never more.
    IF NEW.state IN ('reserved', 'handing_over', 'delivered') THEN
        SELECT count(*) INTO lines FROM delivery_lines l
        WHERE l.delivery_id = NEW.id AND l.merchant_id = NEW.merchant_id AND l.live;
        IF lines <> NEW.lines_expected THEN
            RAISE EXCEPTION 'delivery % has % lines, its order asks for %', NEW.id, lines, NEW.lines_expected
                USING ERRCODE = 'check_violation', CONSTRAINT = 'deliveries_lines_complete';
        END IF;
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER deliveries_guard BEFORE UPDATE ON deliveries FOR EACH ROW EXECUTE FUNCTION deliveries_guard();

-- A new order may be stored as it is handed over: its delivery comes first and its lines after it, all before the COMMIT.
CREATE FUNCTION deliveries_born_complete() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    lines integer;
BEGIN
    SELECT count(*) INTO lines FROM public.delivery_lines l
    WHERE l.delivery_id = NEW.id AND l.merchant_id = NEW.merchant_id AND l.live;
    IF lines <> NEW.lines_expected THEN
        RAISE EXCEPTION 'delivery % has % lines, its order asks for %', NEW.id, lines, NEW.lines_expected
            USING ERRCODE = 'check_violation', CONSTRAINT = 'deliveries_born_complete';
    END IF;
    RETURN NULL;
END
$$;
CREATE CONSTRAINT TRIGGER deliveries_born_complete AFTER INSERT ON deliveries DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.state IN ('reserved', 'handing_over', 'delivered'))
    EXECUTE FUNCTION deliveries_born_complete();

CREATE TABLE delivery_attempts (
    id uuid NOT NULL,
    merchant_id uuid NOT NULL,
    delivery_id uuid NOT NULL,
    n ordinal NOT NULL,
    method text NOT NULL,
    -- out_biz_no and the like: derived from the delivery, the same for every attempt.
    idempotency_key text NOT NULL,
    data_key_id uuid NOT NULL,
    -- The exact business parameters that are sent, sealed; sha256 of them.
    payload_sealed bytea NOT NULL,
    payload_hash bytea NOT NULL,
    -- The order, refund and risk state that the gate was opened on, and when it was read.
    evidence jsonb NOT NULL,
    evidence_at timestamptz NOT NULL,
    state delivery_attempt_state NOT NULL DEFAULT 'planned',
    fence bigint NOT NULL,
    started_at timestamptz,
    send_deadline timestamptz,
    ended_at timestamptz,
    outcome jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (merchant_id, id),
    CONSTRAINT delivery_attempts_once UNIQUE (merchant_id, delivery_id, n),
    CONSTRAINT delivery_attempts_started_has_deadline CHECK (state = 'planned' OR state = 'failed'
        OR (started_at IS NOT NULL AND send_deadline IS NOT NULL)),
    -- Evidence read at most 2 s before the start is the gate.
    CONSTRAINT delivery_attempts_evidence_is_fresh CHECK (started_at IS NULL OR
        (evidence_at <= started_at AND started_at - evidence_at <= interval '2 seconds')),
    FOREIGN KEY (merchant_id, delivery_id) REFERENCES deliveries (merchant_id, id),
    FOREIGN KEY (merchant_id, data_key_id) REFERENCES data_keys (merchant_id, id)
);
-- At most one attempt of a delivery is under way at a time; earlier ones may still be unknown.
CREATE UNIQUE INDEX delivery_attempts_one_open ON delivery_attempts (merchant_id, delivery_id)
    WHERE state IN ('planned', 'started');
CALL tenant_table('delivery_attempts', 'SELECT, INSERT, UPDATE');

CREATE FUNCTION delivery_attempts_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF EXISTS (SELECT FROM deliveries d WHERE d.id = NEW.delivery_id AND d.merchant_id = NEW.merchant_id
                   AND d.payload_hash IS DISTINCT FROM NEW.payload_hash) THEN
            RAISE EXCEPTION 'an attempt of delivery % must send the delivery''s one payload', NEW.delivery_id
                USING ERRCODE = 'check_violation', CONSTRAINT = 'delivery_attempts_one_payload';
        END IF;
        RETURN NEW;
    END IF;
    IF NEW.payload_hash <> OLD.payload_hash OR NEW.payload_sealed <> OLD.payload_sealed AND NEW.data_key_id = OLD.data_key_id
          -- Retention empties what can never be sent again; system_forget_payloads says what that is.
          AND NOT (NEW.payload_sealed = '' AND current_user = 'kamiflow_system'
                   AND OLD.state IN ('succeeded', 'failed', 'resolved_delivered', 'resolved_not_delivered'))
       OR NEW.delivery_id <> OLD.delivery_id OR NEW.n <> OLD.n THEN
        RAISE EXCEPTION 'attempt % cannot become another request', OLD.id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'delivery_attempts_identity';
    END IF;
    IF NEW.state <> OLD.state AND (OLD.state, NEW.state) NOT IN (
        ('planned', 'started'), ('planned', 'failed'),
        ('started', 'succeeded'), ('started', 'failed'), ('started', 'unknown'),
        ('started', 'resolved_delivered'), ('started', 'resolved_not_delivered'),
        ('unknown', 'resolved_delivered'), ('unknown', 'resolved_not_delivered')) THEN
        RAISE EXCEPTION 'attempt % may not go from % to %', OLD.id, OLD.state, NEW.state
            USING ERRCODE = 'check_violation', CONSTRAINT = 'delivery_attempts_transition';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER delivery_attempts_guard BEFORE INSERT OR UPDATE ON delivery_attempts
    FOR EACH ROW EXECUTE FUNCTION delivery_attempts_guard();

-- A card goes back into stock only if no attempt of its delivery ever left 'planned', or each ended in a certain failure.
CREATE FUNCTION card_uses_release_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.state = 'reserved' AND NEW.state = 'available' AND EXISTS (
        SELECT FROM delivery_lines l JOIN delivery_attempts a ON a.delivery_id = l.delivery_id AND a.merchant_id = l.merchant_id
        WHERE l.id = OLD.line_id AND l.merchant_id = OLD.merchant_id AND a.state NOT IN ('planned', 'failed')) THEN
        RAISE EXCEPTION 'card use % may have left us and can never be available again', OLD.id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'card_uses_release_never_sent';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER card_uses_release_guard BEFORE UPDATE ON card_uses
    FOR EACH ROW WHEN (OLD.state = 'reserved' AND NEW.state = 'available')
    EXECUTE FUNCTION card_uses_release_guard();

-- Orders that wait for cards, oldest first. Inserted under the pool's lock only.
CREATE TABLE stock_waits (
    delivery_id uuid NOT NULL,
    merchant_id uuid NOT NULL,
    pool_id uuid NOT NULL,
    shop_id uuid NOT NULL,
    cards integer NOT NULL CONSTRAINT stock_waits_cards CHECK (cards >= 1),
    since timestamptz NOT NULL,
    -- When stock covered it while somebody held its delivery; the shop's next look makes it due.
    missed_at timestamptz,
    -- The other way round than elsewhere: a merchant has few of them at most times, and then the planner would rather look
    -- through all of hers than for the ones that are named.
    PRIMARY KEY (delivery_id, merchant_id),
    FOREIGN KEY (merchant_id, delivery_id) REFERENCES deliveries (merchant_id, id),
    FOREIGN KEY (merchant_id, pool_id) REFERENCES card_pools (merchant_id, id),
    FOREIGN KEY (merchant_id, shop_id) REFERENCES shops (merchant_id, id)
);
CREATE INDEX stock_waits_of_pool ON stock_waits (pool_id, since, delivery_id);
CREATE INDEX stock_waits_missed ON stock_waits (shop_id) WHERE missed_at IS NOT NULL;
CALL tenant_table('stock_waits', 'SELECT, INSERT, UPDATE, DELETE');

-- The fulfiller's queue: a charge somebody must make before SUCCESS may be reported.
CREATE TABLE charge_requests (
    delivery_id uuid NOT NULL,
    merchant_id uuid NOT NULL,
    state text NOT NULL DEFAULT 'waiting' CONSTRAINT charge_requests_state CHECK (state IN ('waiting', 'charged', 'failed')),
    outer_order_sn text NOT NULL,
    proof jsonb NOT NULL DEFAULT '{}',
    asked_at timestamptz NOT NULL DEFAULT now(),
    answered_at timestamptz,
    PRIMARY KEY (merchant_id, delivery_id),
    CONSTRAINT charge_requests_answer_has_time CHECK ((state = 'waiting') = (answered_at IS NULL)),
    FOREIGN KEY (merchant_id, delivery_id) REFERENCES deliveries (merchant_id, id)
);
CALL tenant_table('charge_requests', 'SELECT, INSERT, UPDATE');

-- Imports of our cards into the platform's own stock (pdd.voucher.virtual.card.batch.add).
CREATE TABLE platform_uploads (
    id uuid PRIMARY KEY,
    merchant_id uuid NOT NULL,
    shop_id uuid NOT NULL,
    sku_id uuid NOT NULL,
    state text NOT NULL CONSTRAINT platform_uploads_state CHECK (state IN ('started', 'succeeded', 'failed', 'unknown')),
    platform_batch_id bigint,
    started_at timestamptz NOT NULL,
    send_deadline timestamptz NOT NULL,
    ended_at timestamptz,
    outcome jsonb NOT NULL DEFAULT '{}',
    UNIQUE (merchant_id, id),
    FOREIGN KEY (merchant_id, shop_id) REFERENCES shops (merchant_id, id),
    FOREIGN KEY (merchant_id, sku_id) REFERENCES skus (merchant_id, id)
);
CREATE UNIQUE INDEX platform_uploads_one_open ON platform_uploads (sku_id) WHERE state = 'started';
CALL tenant_table('platform_uploads', 'SELECT, INSERT, UPDATE');

CREATE TABLE platform_upload_uses (
    upload_id uuid NOT NULL,
    card_use_id uuid NOT NULL,
    merchant_id uuid NOT NULL,
    PRIMARY KEY (upload_id, card_use_id),
    FOREIGN KEY (merchant_id, upload_id) REFERENCES platform_uploads (merchant_id, id),
    FOREIGN KEY (merchant_id, card_use_id) REFERENCES card_uses (merchant_id, id)
);
-- Which SKU a card in the platform's stock was imported for.
CREATE INDEX platform_upload_uses_of_use ON platform_upload_uses (card_use_id);
CALL tenant_table('platform_upload_uses', 'SELECT, INSERT');
