-- Identity checks of merchants, authorizations of malls, and what others do to orders of a connected mall.

-- ── Verification ───────────────────────────────────────────────────────────────────────────────────────────

-- One row per submission: the latest says where the merchant is.
CREATE TABLE verifications (
    id uuid NOT NULL,
    merchant_id uuid NOT NULL REFERENCES merchants (id),
    kind text NOT NULL CONSTRAINT verifications_kind CHECK (kind IN ('person', 'company')),
    state text NOT NULL DEFAULT 'submitted'
        CONSTRAINT verifications_state CHECK (state IN ('submitted', 'approved', 'rejected')),
    -- Name, number and legal representative; emptied with the pictures, 30 days after the decision.
    data_key_id uuid NOT NULL,
    subject_sealed bytea NOT NULL,
    -- What stays: which card it was, for people; and a hash under the platform's key, equal for equal numbers.
    last4 text NOT NULL CONSTRAINT verifications_last4_length CHECK (char_length(last4) = 4),
    number_hash bytea NOT NULL CONSTRAINT verifications_number_hash_length CHECK (octet_length(number_hash) = 32),
    submitted_by text NOT NULL,
    submitted_at timestamptz NOT NULL,
    -- Who of the staff looks at it; names are kept as they were.
    claimed_by uuid,
    claimed_name text,
    claimed_at timestamptz,
    -- NULL with a decision: nobody looked (the demo).
    decided_by uuid,
    decided_name text,
    decided_at timestamptz,
    reason text NOT NULL DEFAULT '' CONSTRAINT verifications_reason_length CHECK (char_length(reason) <= 500),
    -- In how many merchants the number stood when it was decided, this one among them.
    merchants_with_number bigint,
    -- Somebody or something else owns the merchant now: until then running shops go on without a new approval.
    asked_again text CONSTRAINT verifications_asked_again CHECK (asked_again IN ('new_owner', 'new_name')),
    renew_by timestamptz,
    destroyed_at timestamptz,
    PRIMARY KEY (merchant_id, id),
    CONSTRAINT verifications_decided_has_moment CHECK ((state = 'submitted') = (decided_at IS NULL)),
    CONSTRAINT verifications_rejected_has_reason CHECK (state <> 'rejected' OR reason <> ''),
    CONSTRAINT verifications_claim_is_whole CHECK (
        (claimed_by IS NULL) = (claimed_at IS NULL) AND (claimed_by IS NULL) = (claimed_name IS NULL)),
    CONSTRAINT verifications_asked_again_has_end CHECK ((asked_again IS NULL) = (renew_by IS NULL)),
    CONSTRAINT verifications_destroyed_is_empty CHECK ((destroyed_at IS NULL) = (octet_length(subject_sealed) > 0)),
    CONSTRAINT verifications_destroyed_is_decided CHECK (destroyed_at IS NULL OR decided_at IS NOT NULL),
    FOREIGN KEY (merchant_id, data_key_id) REFERENCES data_keys (merchant_id, id)
);
CREATE UNIQUE INDEX verifications_one_open ON verifications (merchant_id) WHERE state = 'submitted';
CREATE INDEX verifications_of_merchant ON verifications (merchant_id, submitted_at DESC);
CREATE INDEX verifications_by_number ON verifications (number_hash);
CREATE INDEX verifications_queue ON verifications (submitted_at) WHERE state = 'submitted';
CALL tenant_table('verifications', 'SELECT, INSERT, UPDATE');

-- A decision stands: who was rejected submits anew, in another row.
CREATE FUNCTION verifications_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.state <> 'submitted' AND (NEW.state, NEW.decided_by, NEW.decided_name, NEW.decided_at, NEW.reason, NEW.merchants_with_number)
        IS DISTINCT FROM (OLD.state, OLD.decided_by, OLD.decided_name, OLD.decided_at, OLD.reason, OLD.merchants_with_number)
       OR (NEW.kind, NEW.last4, NEW.number_hash, NEW.submitted_at)
        IS DISTINCT FROM (OLD.kind, OLD.last4, OLD.number_hash, OLD.submitted_at) THEN
        RAISE EXCEPTION 'verification % is decided', OLD.id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'verifications_decision_stands';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER verifications_guard BEFORE UPDATE ON verifications
    FOR EACH ROW EXECUTE FUNCTION verifications_guard();

CREATE TABLE verification_pictures (
    id uuid NOT NULL,
    merchant_id uuid NOT NULL,
    verification_id uuid NOT NULL,
    position smallint NOT NULL CONSTRAINT verification_pictures_position CHECK (position IN (1, 2)),
    media_type text NOT NULL
        CONSTRAINT verification_pictures_media_type CHECK (media_type IN ('image/jpeg', 'image/png')),
    data_key_id uuid NOT NULL,
    -- Decoded and written anew, so without anything that came with it; emptied 30 days after the decision.
    picture_sealed bytea NOT NULL,
    PRIMARY KEY (merchant_id, id),
    CONSTRAINT verification_pictures_once UNIQUE (merchant_id, verification_id, position),
    FOREIGN KEY (merchant_id, verification_id) REFERENCES verifications (merchant_id, id),
    FOREIGN KEY (merchant_id, data_key_id) REFERENCES data_keys (merchant_id, id)
);
-- Ciphertext does not shrink.
ALTER TABLE verification_pictures ALTER COLUMN picture_sealed SET STORAGE EXTERNAL;
CALL tenant_table('verification_pictures', 'SELECT, INSERT, UPDATE');

-- Each look of the staff at a picture, written before the picture is given out; the merchant reads it.
CREATE TABLE verification_looks (
    id uuid NOT NULL,
    merchant_id uuid NOT NULL,
    verification_id uuid NOT NULL,
    position smallint NOT NULL,
    reviewer uuid NOT NULL,
    reviewer_name text NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (merchant_id, id),
    FOREIGN KEY (merchant_id, verification_id) REFERENCES verifications (merchant_id, id)
);
CREATE INDEX verification_looks_of_merchant ON verification_looks (merchant_id, at DESC);
CALL tenant_table('verification_looks', 'SELECT, INSERT');

-- What the staff's queue shows: whose case waits since when, and who has it.
CREATE FUNCTION system_verification_queue(max_rows integer)
    RETURNS TABLE (merchant_id uuid, verification_id uuid, submitted_at timestamptz, claimed_by uuid, claimed_at timestamptz)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT v.merchant_id, v.id, v.submitted_at, v.claimed_by, v.claimed_at FROM verifications v
    WHERE v.state = 'submitted' ORDER BY v.submitted_at LIMIT max_rows
$$;
CALL system_sees('verifications', 'SELECT');
CALL system_function('system_verification_queue(integer)');

-- In how many merchants a number stands; who asks must hold the platform's key. Index verifications_by_number.
CREATE FUNCTION system_count_identity(of_hash bytea) RETURNS bigint
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT count(DISTINCT v.merchant_id) FROM verifications v WHERE v.number_hash = of_hash AND v.state <> 'rejected'
$$;
CALL system_function('system_count_identity(bytea)');

-- Which other merchants have had a number that stands in a case of one merchant. Index verifications_by_number.
CREATE FUNCTION system_merchants_of_identity(of_merchant uuid) RETURNS SETOF uuid
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT DISTINCT other.merchant_id FROM verifications own
      JOIN verifications other ON other.number_hash = own.number_hash AND other.merchant_id <> own.merchant_id
     WHERE own.merchant_id = of_merchant
$$;
CALL system_function('system_merchants_of_identity(uuid)');

-- ── Authorization ──────────────────────────────────────────────────────────────────────────────────────────

-- Links for whoever holds the mall's main account: one browser, one authorization.
CREATE TABLE authorization_links (
    id uuid NOT NULL,
    merchant_id uuid NOT NULL,
    application_merchant_id uuid NOT NULL,
    application_id uuid NOT NULL,
    -- Set when the link is for this shop's mall and no other.
    shop_id uuid,
    made_by text NOT NULL,
    made_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    -- The first browser that uses the link keeps it.
    session_hash bytea,
    used_at timestamptz,
    PRIMARY KEY (merchant_id, id),
    CONSTRAINT authorization_links_application_is_ours CHECK (
        application_merchant_id IN (merchant_id, '00000000-0000-0000-0000-000000000000')),
    FOREIGN KEY (application_merchant_id, application_id) REFERENCES applications (merchant_id, id),
    FOREIGN KEY (merchant_id, shop_id) REFERENCES shops (merchant_id, id)
);
CALL tenant_table('authorization_links', 'SELECT, INSERT, UPDATE');

-- Authorizations that were begun: what came back from the platform must be one of them, in the same browser, once.
CREATE TABLE authorization_requests (
    id uuid NOT NULL,
    merchant_id uuid NOT NULL,
    state_hash bytea NOT NULL,
    session_hash bytea NOT NULL,
    application_merchant_id uuid NOT NULL,
    application_id uuid NOT NULL,
    shop_id uuid,
    link_id uuid,
    began_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    used_at timestamptz,
    PRIMARY KEY (merchant_id, id),
    CONSTRAINT authorization_requests_state_once UNIQUE (merchant_id, state_hash),
    CONSTRAINT authorization_requests_application_is_ours CHECK (
        application_merchant_id IN (merchant_id, '00000000-0000-0000-0000-000000000000')),
    FOREIGN KEY (application_merchant_id, application_id) REFERENCES applications (merchant_id, id),
    FOREIGN KEY (merchant_id, shop_id) REFERENCES shops (merchant_id, id),
    FOREIGN KEY (merchant_id, link_id) REFERENCES authorization_links (merchant_id, id)
);
CALL tenant_table('authorization_requests', 'SELECT, INSERT, UPDATE');

-- How far a merchant's own keys are: proved by a signed call, active when a mall's authorization worked with them.
CREATE TABLE own_applications (
    merchant_id uuid NOT NULL,
    application_id uuid NOT NULL,
    proved_at timestamptz NOT NULL,
    activated_at timestamptz,
    PRIMARY KEY (merchant_id, application_id),
    FOREIGN KEY (merchant_id, application_id) REFERENCES applications (merchant_id, id)
);
CALL tenant_table('own_applications', 'SELECT, INSERT, UPDATE');

-- Where a member stopped in the wizard that connects shops, so that another device goes on there.
CREATE TABLE wizard_places (
    merchant_id uuid NOT NULL,
    user_id uuid NOT NULL,
    sold text CONSTRAINT wizard_places_sold CHECK (sold IN ('merchant_cards', 'platform_cards', 'direct_charge', 'plain_virtual')),
    own_keys boolean NOT NULL,
    -- What was about to be authorized.
    application_merchant_id uuid,
    application_id uuid,
    kept_at timestamptz NOT NULL,
    PRIMARY KEY (merchant_id, user_id),
    CONSTRAINT wizard_places_application_has_owner CHECK ((application_id IS NULL) = (application_merchant_id IS NULL)),
    CONSTRAINT wizard_places_application_is_ours CHECK (
        application_merchant_id IN (merchant_id, '00000000-0000-0000-0000-000000000000')),
    FOREIGN KEY (merchant_id, user_id) REFERENCES memberships (merchant_id, user_id) ON DELETE CASCADE,
    FOREIGN KEY (application_merchant_id, application_id) REFERENCES applications (merchant_id, id)
);
CALL tenant_table('wizard_places', 'SELECT, INSERT, UPDATE, DELETE');
CALL system_sees('wizard_places', 'SELECT, DELETE');

-- Life of a token: reminders come at shares of it. The platform's permission levels end by themselves (protocol 2.2).
ALTER TABLE credentials
    ADD COLUMN issued_at timestamptz,
    ADD COLUMN r1_expires_at timestamptz,
    ADD COLUMN r2_expires_at timestamptz,
    ADD COLUMN w1_expires_at timestamptz,
    ADD COLUMN w2_expires_at timestamptz;

-- Somebody whom a mall's owner has authorized wants the mall that this merchant has connected.
CREATE TABLE take_over_requests (
    id uuid NOT NULL,
    merchant_id uuid NOT NULL,
    shop_id uuid NOT NULL,
    asked_by uuid NOT NULL,
    asked_by_name text NOT NULL,
    asked_at timestamptz NOT NULL,
    answer text CONSTRAINT take_over_requests_answer CHECK (answer IN ('released', 'refused')),
    answered_at timestamptz,
    PRIMARY KEY (merchant_id, id),
    CONSTRAINT take_over_requests_answer_has_moment CHECK ((answer IS NULL) = (answered_at IS NULL)),
    FOREIGN KEY (merchant_id, shop_id) REFERENCES shops (merchant_id, id)
);
CREATE UNIQUE INDEX take_over_requests_one_open ON take_over_requests (merchant_id, shop_id, asked_by) WHERE answer IS NULL;
CALL tenant_table('take_over_requests', 'SELECT, UPDATE');
CALL system_sees('take_over_requests', 'SELECT, INSERT');
GRANT INSERT ON outbox TO kamiflow_system;

-- Asks whoever has connected a mall to let it go. The asker is the transaction's merchant and cannot be another, and must
-- have come back from the platform's own page a moment ago; what she learns here is nothing.
CREATE FUNCTION system_ask_take_over(of_request uuid, of_gateway text, of_mall bigint, at timestamptz) RETURNS void
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    wanted shops;
    asked uuid;
BEGIN
    SELECT s.* INTO wanted FROM shops s
     WHERE s.gateway = of_gateway AND s.mall_id = of_mall AND s.state <> 'disconnected' AND s.merchant_id <> current_merchant()
       AND EXISTS (SELECT FROM authorization_requests r
                    WHERE r.id = of_request AND r.merchant_id = current_merchant() AND r.used_at > at - interval '1 hour');
    IF NOT FOUND THEN
        RETURN;
    END IF;
    INSERT INTO take_over_requests (id, merchant_id, shop_id, asked_by, asked_by_name, asked_at)
    SELECT gen_random_uuid(), wanted.merchant_id, wanted.id, m.id, m.name, at FROM merchants m WHERE m.id = current_merchant()
    ON CONFLICT DO NOTHING
    RETURNING id INTO asked;
    IF asked IS NULL THEN
        RETURN;
    END IF;
    INSERT INTO outbox (id, merchant_id, topic, payload)
    VALUES (gen_random_uuid(), wanted.merchant_id, 'notify', jsonb_build_object(
        'kind', 'take_over_asked', 'request', 'take_' || replace(asked::text, '-', ''),
        'shop', 'shop_' || replace(wanted.id::text, '-', '')));
    -- As domain::notices does for what happens in a merchant's own transaction.
    INSERT INTO jobs (id, merchant_id, name, key, payload, due_at)
    VALUES (gen_random_uuid(), wanted.merchant_id, 'mail_notice.v1', 'take_over_asked:shop_' || replace(wanted.id::text, '-', ''),
            jsonb_build_object('kind', 'take_over_asked', 'shop', 'shop_' || replace(wanted.id::text, '-', '')), at)
    ON CONFLICT ON CONSTRAINT jobs_once DO NOTHING;
    INSERT INTO audit_log (id, at, merchant_id, actor, action, target, detail)
    VALUES (gen_random_uuid(), at, wanted.merchant_id, 'another merchant', 'shop.take_over_asked',
            'shop_' || replace(wanted.id::text, '-', ''), '{}');
END
$$;
CALL system_sees('authorization_requests', 'SELECT');
CALL system_function('system_ask_take_over(uuid, text, bigint, timestamptz)');

-- ── Around go-live ─────────────────────────────────────────────────────────────────────────────────────────

-- Orders that somebody else shipped, or put cards of their own on.
CREATE TABLE handled_outside (
    merchant_id uuid NOT NULL,
    shop_id uuid NOT NULL,
    order_sn text NOT NULL CONSTRAINT handled_outside_sn_length CHECK (char_length(order_sn) BETWEEN 1 AND 64),
    cause text NOT NULL CONSTRAINT handled_outside_cause CHECK (cause IN ('shipped', 'foreign_cards')),
    -- When it was done there, as far as the platform tells.
    at timestamptz NOT NULL,
    PRIMARY KEY (merchant_id, shop_id, order_sn),
    FOREIGN KEY (merchant_id, shop_id) REFERENCES shops (merchant_id, id)
);
CREATE INDEX handled_outside_of_shop ON handled_outside (merchant_id, shop_id, at DESC);
CALL tenant_table('handled_outside', 'SELECT, INSERT');

-- Where a merchant is told what needs a person.
CREATE TABLE notification_addresses (
    merchant_id uuid PRIMARY KEY REFERENCES merchants (id),
    email text NOT NULL CONSTRAINT notification_addresses_length CHECK (char_length(email) BETWEEN 3 AND 254),
    changed_at timestamptz NOT NULL
);
CALL tenant_table('notification_addresses', 'SELECT, INSERT, UPDATE, DELETE');

-- When a merchant was last written to about what needs a person: a mailbox that is flooded is read by nobody.
CREATE TABLE mailed_notices (
    merchant_id uuid NOT NULL REFERENCES merchants (id),
    kind text NOT NULL CONSTRAINT mailed_notices_kind_length CHECK (char_length(kind) BETWEEN 1 AND 64),
    -- A shop, or a member.
    about text NOT NULL CONSTRAINT mailed_notices_about_length CHECK (char_length(about) BETWEEN 1 AND 64),
    at timestamptz NOT NULL,
    PRIMARY KEY (merchant_id, kind, about)
);
CALL tenant_table('mailed_notices', 'SELECT, INSERT, UPDATE');
