-- Redemption rules and redemptions, exceptions.

CREATE TABLE redemption_rules (
    id uuid PRIMARY KEY,
    merchant_id uuid NOT NULL REFERENCES merchants (id),
    position integer NOT NULL,
    name text NOT NULL CONSTRAINT redemption_rules_name_length CHECK (char_length(name) BETWEEN 1 AND 120),
    -- domain::redemption_rules::Rule without id and name; versioned.
    body jsonb NOT NULL,
    enabled boolean NOT NULL DEFAULT true,
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (merchant_id, id),
    CONSTRAINT redemption_rules_position_once UNIQUE (merchant_id, position) DEFERRABLE INITIALLY DEFERRED
);
CALL tenant_table('redemption_rules', 'SELECT, INSERT, UPDATE, DELETE');

CREATE TABLE redemptions (
    id uuid PRIMARY KEY,
    merchant_id uuid NOT NULL,
    shop_id uuid NOT NULL,
    delivery_id uuid NOT NULL,
    line_id uuid NOT NULL,
    use_no integer NOT NULL,
    order_day date NOT NULL,
    order_id uuid NOT NULL,
    order_sn text NOT NULL,
    method text NOT NULL CONSTRAINT redemptions_method CHECK (method IN ('report_card', 'ota', 'realtime')),
    state text NOT NULL DEFAULT 'waiting' CONSTRAINT redemptions_state CHECK (state IN
        ('waiting', 'awaiting_approval', 'calling', 'done', 'stopped')),
    -- When the redeem pool is to look at it; NULL: nothing to do by itself.
    due_at timestamptz,
    rule_id uuid,
    explanation jsonb NOT NULL DEFAULT '[]',
    approved_by text,
    -- Stable for every call about this use: out_trans_no or serial_no.
    trans_no text NOT NULL,
    fence bigint NOT NULL DEFAULT 0,
    attempts integer NOT NULL DEFAULT 0,
    failures integer NOT NULL DEFAULT 0,
    -- OTA: what prepare said before the call.
    remain_times_before integer,
    started_at timestamptz,
    send_deadline timestamptz,
    -- When the use took place, fixed by the first call: a repeated call says the same.
    used_at timestamptz,
    -- The card's expiry: the earliest is redeemed first.
    deadline_at timestamptz,
    evidence jsonb,
    evidence_at timestamptz,
    outcome jsonb NOT NULL DEFAULT '{}',
    done_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (merchant_id, id),
    CONSTRAINT redemptions_once UNIQUE (merchant_id, line_id, use_no),
    CONSTRAINT redemptions_trans_no_once UNIQUE (merchant_id, trans_no),
    CONSTRAINT redemptions_done_has_time CHECK ((state = 'done') = (done_at IS NOT NULL)),
    CONSTRAINT redemptions_evidence_is_fresh CHECK (started_at IS NULL OR evidence_at IS NULL OR
        (evidence_at <= started_at AND started_at - evidence_at <= interval '2 seconds')),
    FOREIGN KEY (merchant_id, shop_id) REFERENCES shops (merchant_id, id),
    FOREIGN KEY (merchant_id, delivery_id) REFERENCES deliveries (merchant_id, id),
    FOREIGN KEY (merchant_id, line_id) REFERENCES delivery_lines (merchant_id, id)
) WITH (fillfactor = 80);
CREATE INDEX redemptions_due ON redemptions (merchant_id, shop_id, due_at) WHERE due_at IS NOT NULL;
-- Lists of a shop, the newest first.
CREATE INDEX redemptions_of_shop ON redemptions (merchant_id, shop_id, id);
CREATE INDEX redemptions_of_delivery ON redemptions (merchant_id, delivery_id);
-- Daily caps count what a rule has started.
CREATE INDEX redemptions_of_rule ON redemptions (merchant_id, started_at, rule_id)
    WHERE rule_id IS NOT NULL AND state IN ('calling', 'done');
-- A code with several uses loses one per call: what a call did is only readable while no other call is open.
CREATE UNIQUE INDEX redemptions_one_calling ON redemptions (merchant_id, line_id) WHERE state = 'calling';
CALL tenant_table('redemptions', 'SELECT, INSERT, UPDATE');

-- Declared used cannot be undone.
CREATE FUNCTION redemptions_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.state <> NEW.state AND (OLD.state, NEW.state) NOT IN (
        ('waiting', 'awaiting_approval'), ('waiting', 'calling'), ('waiting', 'stopped'), ('waiting', 'done'),
        ('awaiting_approval', 'waiting'), ('awaiting_approval', 'stopped'),
        ('calling', 'done'), ('calling', 'waiting'), ('calling', 'stopped'),
        ('stopped', 'waiting')) THEN
        RAISE EXCEPTION 'redemption % may not go from % to %', OLD.id, OLD.state, NEW.state
            USING ERRCODE = 'check_violation', CONSTRAINT = 'redemptions_transition';
    END IF;
    IF NEW.fence < OLD.fence THEN
        RAISE EXCEPTION 'the fence of redemption % cannot go back', OLD.id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'redemptions_fence_forward';
    END IF;
    IF NEW.state = 'calling' AND (NEW.started_at IS NULL OR NEW.send_deadline IS NULL OR NEW.evidence_at IS NULL) THEN
        RAISE EXCEPTION 'redemption % may not be called without evidence and a deadline', OLD.id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'redemptions_gate_before_call';
    END IF;
    IF NEW.trans_no <> OLD.trans_no THEN
        RAISE EXCEPTION 'the number of redemption % is stable', OLD.id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'redemptions_trans_no_stable';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER redemptions_guard BEFORE UPDATE ON redemptions FOR EACH ROW EXECUTE FUNCTION redemptions_guard();

-- Exceptions and reviews are rows, not states, so nothing forgets where the order was.
CREATE TABLE exceptions (
    id uuid PRIMARY KEY,
    merchant_id uuid NOT NULL REFERENCES merchants (id),
    shop_id uuid,
    order_day date,
    order_id uuid,
    order_sn text NOT NULL DEFAULT '',
    code text NOT NULL,
    blocking boolean NOT NULL,
    -- Whether only a person can go on.
    needs_review boolean NOT NULL,
    detail jsonb NOT NULL DEFAULT '{}',
    opened_at timestamptz NOT NULL DEFAULT now(),
    resolved_at timestamptz,
    resolution text,
    UNIQUE (merchant_id, id),
    CONSTRAINT exceptions_resolution CHECK ((resolved_at IS NULL) = (resolution IS NULL)),
    FOREIGN KEY (merchant_id, shop_id) REFERENCES shops (merchant_id, id)
);
-- One open exception of a kind per order (or per shop where there is no order).
CREATE UNIQUE INDEX exceptions_one_open ON exceptions (merchant_id, shop_id, order_sn, code) WHERE resolved_at IS NULL;
CREATE INDEX exceptions_of_order ON exceptions (shop_id, order_sn);
-- What is open of one kind, over all shops: few rows.
CREATE INDEX exceptions_open_of_code ON exceptions (code, shop_id) WHERE resolved_at IS NULL;
CALL tenant_table('exceptions', 'SELECT, INSERT, UPDATE');
