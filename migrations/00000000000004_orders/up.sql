-- Orders (partitioned by the day in their number), hints, events, and the one table of state transitions.

CREATE TABLE order_transitions (
    from_state text NOT NULL,
    to_state text NOT NULL,
    cause text NOT NULL,
    PRIMARY KEY (from_state, to_state, cause)
);
GRANT SELECT ON order_transitions TO kamiflow_app, kamiflow_backup;
INSERT INTO order_transitions (from_state, to_state, cause) VALUES
    ('seen', 'skipped', 'not_virtual'),
    ('seen', 'held_backlog', 'backlog'),
    -- A person had released it before the backup; it may have been delivered since.
    ('seen', 'held_backlog', 'restored'),
    ('seen', 'awaiting_cards', 'shortage'),
    ('seen', 'reserved', 'claimed'),
    -- Claimed and started in one transaction: the usual way.
    ('seen', 'handing_over', 'started'),
    ('awaiting_cards', 'handing_over', 'started'),
    ('seen', 'shipped_elsewhere', 'shipped_elsewhere'),
    ('seen', 'closed_refunded', 'refunded'),
    ('seen', 'closed_cancelled', 'cancelled'),
    ('seen', 'delivered', 'platform_delivered'),
    ('skipped', 'seen', 'mapped'),
    ('held_backlog', 'seen', 'released_backlog'),
    ('held_backlog', 'delivered', 'platform_delivered'),
    ('held_backlog', 'shipped_elsewhere', 'shipped_elsewhere'),
    ('held_backlog', 'closed_refunded', 'refunded'),
    ('held_backlog', 'closed_cancelled', 'cancelled'),
    ('awaiting_cards', 'seen', 'remapped'),
    ('awaiting_cards', 'held_backlog', 'restored'),
    ('awaiting_cards', 'reserved', 'claimed'),
    ('awaiting_cards', 'delivered', 'platform_delivered'),
    ('awaiting_cards', 'shipped_elsewhere', 'shipped_elsewhere'),
    ('awaiting_cards', 'closed_refunded', 'refunded'),
    ('awaiting_cards', 'closed_cancelled', 'cancelled'),
    ('reserved', 'handing_over', 'started'),
    ('reserved', 'seen', 'released'),
    ('reserved', 'shipped_elsewhere', 'shipped_elsewhere'),
    ('reserved', 'closed_refunded', 'refunded'),
    ('reserved', 'closed_cancelled', 'cancelled'),
    ('reserved', 'done', 'given_up_by_person'),
    ('handing_over', 'reserved', 'certain_failure'),
    ('handing_over', 'delivered', 'acknowledged'),
    ('handing_over', 'delivered', 'evidence'),
    ('handing_over', 'delivered', 'confirmed_by_person'),
    ('handing_over', 'closed_refunded', 'refund_raced'),
    ('handing_over', 'done', 'given_up_by_person'),
    ('delivered', 'awaiting_redemption', 'redemption_planned'),
    ('delivered', 'done', 'nothing_to_redeem'),
    ('delivered', 'closed_refunded', 'refunded'),
    ('awaiting_redemption', 'redeemed', 'redeemed'),
    ('awaiting_redemption', 'done', 'redemption_stopped'),
    ('awaiting_redemption', 'closed_refunded', 'refunded'),
    ('done', 'awaiting_redemption', 'redemption_reopened'),
    ('redeemed', 'closed_refunded', 'refunded'),
    ('done', 'closed_refunded', 'refunded'),
    ('shipped_elsewhere', 'closed_refunded', 'refunded'),
    ('skipped', 'closed_refunded', 'refunded'),
    ('skipped', 'closed_cancelled', 'cancelled');

-- Values of one column are checked by its type. Postgres reads the text of every CHECK of a table anew for each statement
-- that writes to it, whatever it writes: that was two fifths of an update of an order. A type's are read once per
-- connection, and asked about what is written only. What ties columns to one another stays a CHECK, or is a trigger where it
-- is about what never changes.
CREATE DOMAIN order_number AS text CONSTRAINT order_number_length CHECK (char_length(VALUE) BETWEEN 1 AND 64);
CREATE DOMAIN order_state AS text CONSTRAINT orders_state CHECK (VALUE IN
        ('seen', 'skipped', 'held_backlog', 'awaiting_cards', 'reserved', 'handing_over', 'delivered',
         'awaiting_redemption', 'redeemed', 'done', 'shipped_elsewhere', 'closed_refunded', 'closed_cancelled'));
CREATE DOMAIN goods_count AS integer CONSTRAINT orders_goods_count CHECK (VALUE >= 0);

CREATE TABLE orders (
    id uuid NOT NULL,
    -- The day in the order number (Asia/Shanghai); 1970-01-01 for a number without a readable one.
    order_day date NOT NULL,
    merchant_id uuid NOT NULL,
    shop_id uuid NOT NULL,
    order_sn order_number NOT NULL,
    state order_state NOT NULL DEFAULT 'seen',
    state_cause text NOT NULL DEFAULT 'seen',
    -- The verdict on "is it ours to deliver" and its reason, for people.
    verdict text NOT NULL DEFAULT '',
    -- What the platform said last (protocol 3.1).
    order_status smallint NOT NULL,
    refund_status smallint NOT NULL,
    confirm_status smallint NOT NULL,
    group_status smallint NOT NULL,
    risk_control_status smallint NOT NULL,
    after_sales_status smallint NOT NULL,
    trade_type smallint NOT NULL,
    step_trade_status smallint,
    is_lucky_flag smallint NOT NULL,
    goods_id bigint NOT NULL,
    platform_sku_id bigint NOT NULL,
    outer_id text NOT NULL DEFAULT '',
    goods_name text NOT NULL DEFAULT '',
    goods_spec text NOT NULL DEFAULT '',
    goods_count goods_count NOT NULL,
    item_count smallint NOT NULL DEFAULT 1,
    pay_amount_fen bigint NOT NULL DEFAULT 0,
    platform_created_at timestamptz,
    paid_at timestamptz,
    confirmed_at timestamptz,
    last_ship_at timestamptz,
    shipped_at timestamptz,
    received_at timestamptz,
    updated_at timestamptz NOT NULL,
    content_hash bytea NOT NULL,
    -- When the read that brought this content started; the later of two reads with equal updated_at wins ties.
    read_at timestamptz NOT NULL,
    seen_at timestamptz NOT NULL DEFAULT now(),
    source text NOT NULL DEFAULT 'window',
    delivered_at timestamptz,
    redeemed_at timestamptz,
    seen_by_buyer_at timestamptz,
    use_reported_at timestamptz,
    -- What partial indexes ask for. The state itself in their conditions would make every change of state write all
    -- indexes of the row anew; these two seldom change, so most changes of state stay on their page.
    held_back boolean NOT NULL GENERATED ALWAYS AS (state = 'held_backlog') STORED,
    to_ship boolean NOT NULL GENERATED ALWAYS AS (
        order_status = 1 AND state IN ('seen', 'awaiting_cards', 'reserved', 'handing_over')) STORED,
    PRIMARY KEY (merchant_id, order_day, id),
    -- Leads with the number, so that an operator who has nothing else finds the order too.
    CONSTRAINT orders_once UNIQUE (order_sn, shop_id, order_day),
    FOREIGN KEY (merchant_id, shop_id) REFERENCES shops (merchant_id, id)
) PARTITION BY RANGE (order_day);
CREATE TABLE orders_default PARTITION OF orders DEFAULT;
-- Lists, newest first: each shop is read by itself, so that a member of a small shop never reads a large one's orders. The
-- one index in this order: one of all of a merchant's orders would tempt the planner to look for a shop's among them.
CREATE INDEX orders_of_shop ON orders (shop_id, seen_at DESC, id DESC);
CREATE INDEX orders_backlog ON orders (shop_id, paid_at) WHERE held_back;
-- What is to be handed over and is not yet, by the moment until which it must be: of a shop, and of all of them, of which
-- the watch reads the whole index.
CREATE INDEX orders_ship_by ON orders (shop_id, last_ship_at) WHERE to_ship;
CALL tenant_table('orders', 'SELECT, INSERT, UPDATE');
ALTER TABLE orders_default ENABLE ROW LEVEL SECURITY;
ALTER TABLE orders_default FORCE ROW LEVEL SECURITY;
CALL backup_reads('orders_default');

CREATE FUNCTION orders_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.state <> NEW.state AND NOT EXISTS (
        SELECT FROM public.order_transitions t
        WHERE t.from_state = OLD.state AND t.to_state = NEW.state AND t.cause = NEW.state_cause) THEN
        RAISE EXCEPTION 'order % may not go from % to % by %', OLD.order_sn, OLD.state, NEW.state, NEW.state_cause
            USING ERRCODE = 'check_violation', CONSTRAINT = 'orders_transition';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER orders_guard BEFORE UPDATE OF state, state_cause ON orders
    FOR EACH ROW EXECUTE FUNCTION orders_guard();

-- An order is in the partition of the day in its number; one without a readable day in the default partition. No time zone
-- and no locale takes part.
CREATE FUNCTION orders_day_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.order_day = DATE '1970-01-01' THEN
        RETURN NEW;
    END IF;
    IF NEW.order_sn ~ '^[0-9]{6}-[0-9]{15}$' THEN
        IF NEW.order_day = make_date(2000 + substr(NEW.order_sn, 1, 2)::integer, substr(NEW.order_sn, 3, 2)::integer,
                                     substr(NEW.order_sn, 5, 2)::integer) THEN
            RETURN NEW;
        END IF;
    END IF;
    RAISE EXCEPTION 'order % is not of %', NEW.order_sn, NEW.order_day
        USING ERRCODE = 'check_violation', CONSTRAINT = 'orders_day_is_in_the_number';
END
$$;
CREATE TRIGGER orders_day_guard BEFORE INSERT OR UPDATE OF order_sn, order_day ON orders
    FOR EACH ROW EXECUTE FUNCTION orders_day_guard();

-- "Read this order again": push is a hint, never the truth.
CREATE TABLE order_hints (
    shop_id uuid NOT NULL,
    order_sn order_number NOT NULL,
    merchant_id uuid NOT NULL,
    -- Cleared only by a read that started after it.
    dirty_since timestamptz NOT NULL,
    due_at timestamptz NOT NULL,
    tries smallint NOT NULL DEFAULT 0,
    source text NOT NULL,
    PRIMARY KEY (shop_id, order_sn),
    FOREIGN KEY (merchant_id, shop_id) REFERENCES shops (merchant_id, id)
) WITH (fillfactor = 70);
CREATE INDEX order_hints_due ON order_hints (shop_id, due_at);
CALL tenant_table('order_hints', 'SELECT, INSERT, UPDATE, DELETE');

-- What happened to an order, in order; partitioned by month and dropped by partition.
CREATE TABLE order_events (
    id uuid NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    merchant_id uuid NOT NULL,
    order_day date NOT NULL,
    order_id uuid NOT NULL,
    kind text NOT NULL,
    -- Never secrets, never buyer data.
    detail jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (at, id)
) PARTITION BY RANGE (at);
CREATE TABLE order_events_default PARTITION OF order_events DEFAULT;
CREATE INDEX order_events_of_order ON order_events (order_id, at, id);
CALL tenant_table('order_events', 'SELECT, INSERT');
ALTER TABLE order_events_default ENABLE ROW LEVEL SECURITY;
ALTER TABLE order_events_default FORCE ROW LEVEL SECURITY;
CALL backup_reads('order_events_default');

-- After-sales as the refund windows show them.
CREATE TABLE refunds (
    id uuid PRIMARY KEY,
    merchant_id uuid NOT NULL,
    shop_id uuid NOT NULL,
    after_sales_id bigint NOT NULL,
    order_sn text NOT NULL,
    after_sales_status smallint NOT NULL,
    after_sales_type smallint NOT NULL,
    refund_fen bigint NOT NULL DEFAULT 0,
    platform_created_at timestamptz,
    updated_at timestamptz NOT NULL,
    seen_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (merchant_id, id),
    CONSTRAINT refunds_once UNIQUE (shop_id, after_sales_id),
    FOREIGN KEY (merchant_id, shop_id) REFERENCES shops (merchant_id, id)
);
CREATE INDEX refunds_of_order ON refunds (shop_id, order_sn);
CALL tenant_table('refunds', 'SELECT, INSERT, UPDATE');
