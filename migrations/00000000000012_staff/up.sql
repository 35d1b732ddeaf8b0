-- The operator's staff: accounts, sessions, and what their queue shows (docs/adr/0017-staff.md).

-- Staff and customers are two realms of people: one address may be in both, and nothing of one opens anything of the other.
ALTER TABLE users
    ADD COLUMN realm text NOT NULL DEFAULT 'customers' CONSTRAINT users_realm CHECK (realm IN ('customers', 'staff')),
    DROP CONSTRAINT users_login_once,
    ADD CONSTRAINT users_login_once UNIQUE (realm, login);

CREATE TABLE staff (
    user_id uuid PRIMARY KEY REFERENCES users (id),
    role text NOT NULL CONSTRAINT staff_role CHECK (role IN ('reviewer', 'support', 'admin')),
    created_at timestamptz NOT NULL,
    -- When password and second factor were chosen by a link; nobody logs in before.
    enrolled_at timestamptz,
    disabled_at timestamptz
);
CALL account_table('staff', 'SELECT, INSERT, UPDATE (role, enrolled_at, disabled_at)');

-- Short, and never renewed: the hash of a token that the browser keeps.
CREATE TABLE staff_sessions (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES staff (user_id),
    token_hash bytea NOT NULL CONSTRAINT staff_sessions_hash CHECK (octet_length(token_hash) = 32),
    user_agent text NOT NULL CONSTRAINT staff_sessions_user_agent_length CHECK (char_length(user_agent) <= 300),
    ip_prefix text NOT NULL CONSTRAINT staff_sessions_ip_prefix_length CHECK (char_length(ip_prefix) <= 64),
    created_at timestamptz NOT NULL,
    last_used_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    ended_at timestamptz,
    CONSTRAINT staff_sessions_once UNIQUE (token_hash)
);
CREATE INDEX staff_sessions_of_user ON staff_sessions (user_id);
CALL account_table('staff_sessions', 'SELECT, INSERT, UPDATE (last_used_at, ended_at)');

ALTER TABLE one_time_tokens
    DROP CONSTRAINT one_time_tokens_purpose,
    ADD CONSTRAINT one_time_tokens_purpose CHECK (purpose IN ('reset_password', 'change_email', 'second_step',
        'enroll_passkey', 'sudo_passkey', 'staff_enroll', 'staff_step', 'recover_account'));

-- ── Before it is known who somebody is ──────────────────────────────────────────────────────────────────────

CALL system_sees('staff', 'SELECT');
CALL system_sees('staff_sessions', 'SELECT');

-- What customers log in with finds customers only, and a session of theirs is nobody else's.
SET LOCAL ROLE kamiflow_system;
CREATE OR REPLACE FUNCTION system_find_login(of_login text) RETURNS TABLE (user_id uuid, password_hash text, merchant_id uuid)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT u.id, u.password_hash,
           (SELECT b.merchant_id FROM memberships b WHERE b.user_id = u.id
             ORDER BY (SELECT max(s.last_used_at) FROM sessions s
                        WHERE s.user_id = u.id AND s.active_merchant = b.merchant_id) DESC NULLS LAST, b.created_at LIMIT 1)
      FROM users u WHERE u.realm = 'customers' AND u.login = of_login AND u.closed_at IS NULL
$$;
CREATE OR REPLACE FUNCTION system_authenticate(of_user uuid, of_session uuid, at timestamptz)
    RETURNS TABLE (login text, name text, locale text, theme text, must_change_password boolean, sudo_until timestamptz,
                   second_factor_at timestamptz, has_second_factor boolean, merchant_id uuid, merchant_name text,
                   merchant_code text, closes_at timestamptz, role text, all_shops boolean, shops uuid[],
                   works_elsewhere boolean)
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT u.login, u.name, u.locale, u.theme, u.must_change_password, s.sudo_until, s.second_factor_at,
           EXISTS (SELECT FROM second_factors f WHERE f.user_id = u.id AND f.confirmed_at IS NOT NULL),
           b.merchant_id, m.name, m.code, m.closes_at, b.role, b.all_shops,
           ARRAY(SELECT h.shop_id FROM membership_shops h
                  WHERE h.merchant_id = b.merchant_id AND h.user_id = u.id ORDER BY 1),
           EXISTS (SELECT FROM memberships o WHERE o.user_id = u.id AND o.merchant_id IS DISTINCT FROM s.active_merchant)
      FROM sessions s JOIN users u ON u.id = s.user_id
      LEFT JOIN memberships b ON b.merchant_id = s.active_merchant AND b.user_id = u.id
      LEFT JOIN merchants m ON m.id = b.merchant_id
     WHERE s.id = of_session AND s.user_id = of_user AND s.ended_at IS NULL AND s.expires_at > at
       AND u.closed_at IS NULL AND u.realm = 'customers';
END
$$;
RESET ROLE;

-- Whose a staff address is, among those who have enrolled and are not disabled. Index users_login_once.
CREATE FUNCTION system_find_staff(of_login text) RETURNS TABLE (user_id uuid, password_hash text)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT u.id, u.password_hash FROM users u JOIN staff f ON f.user_id = u.id
     WHERE u.realm = 'staff' AND u.login = of_login AND f.enrolled_at IS NOT NULL AND f.disabled_at IS NULL
$$;
CALL system_function('system_find_staff(text)');

-- All that a request of the staff must know; no row for a session that has ended, was idle for too long, or whose owner is
-- disabled. Index staff_sessions_once.
CREATE FUNCTION system_authenticate_staff(of_hash bytea, at timestamptz, idle_s integer)
    RETURNS TABLE (user_id uuid, session_id uuid, name text, role text, last_used_at timestamptz)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT u.id, s.id, u.name, f.role, s.last_used_at
      FROM staff_sessions s JOIN staff f ON f.user_id = s.user_id JOIN users u ON u.id = s.user_id
     WHERE s.token_hash = of_hash AND s.ended_at IS NULL AND s.expires_at > at
       AND s.last_used_at > at - make_interval(secs => idle_s)
       AND f.enrolled_at IS NOT NULL AND f.disabled_at IS NULL AND u.realm = 'staff'
$$;
CALL system_function('system_authenticate_staff(bytea, timestamptz, integer)');

-- Who is in the staff, for the operator's command line.
CREATE FUNCTION system_staff()
    RETURNS TABLE (user_id uuid, login text, name text, role text, created_at timestamptz, enrolled_at timestamptz,
                   disabled_at timestamptz, last_used_at timestamptz)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT u.id, u.login, u.name, f.role, f.created_at, f.enrolled_at, f.disabled_at,
           (SELECT max(s.last_used_at) FROM staff_sessions s WHERE s.user_id = u.id)
      FROM staff f JOIN users u ON u.id = f.user_id ORDER BY f.created_at, u.id
$$;
CALL system_function('system_staff()');

-- ── The queue of verifications ──────────────────────────────────────────────────────────────────────────────

-- What waits for a decision, the oldest first, who has it, and in how many merchants its number stands; nothing of what
-- was submitted. Indexes verifications_queue, verifications_by_number.
DROP FUNCTION system_verification_queue(integer);
CREATE FUNCTION system_verification_queue(max_rows integer)
    RETURNS TABLE (merchant_id uuid, verification_id uuid, kind text, last4 text, submitted_at timestamptz,
                   claimed_by uuid, claimed_name text, claimed_at timestamptz, merchants_with_number bigint)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT v.merchant_id, v.id, v.kind, v.last4, v.submitted_at, v.claimed_by, v.claimed_name, v.claimed_at,
           system_count_identity(v.number_hash)
      FROM verifications v WHERE v.state = 'submitted' ORDER BY v.submitted_at LIMIT max_rows
$$;
CALL system_function('system_verification_queue(integer)');

-- What was decided, the latest first. Index verifications_decided.
CREATE INDEX verifications_decided ON verifications (decided_at DESC) WHERE state <> 'submitted';
CREATE FUNCTION system_verification_decisions(max_rows integer)
    RETURNS TABLE (merchant_id uuid, verification_id uuid, kind text, last4 text, state text, decided_name text,
                   decided_at timestamptz, reason text, merchants_with_number bigint)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT v.merchant_id, v.id, v.kind, v.last4, v.state, v.decided_name, v.decided_at, v.reason,
           v.merchants_with_number
      FROM verifications v WHERE v.state <> 'submitted' ORDER BY v.decided_at DESC LIMIT max_rows
$$;
CALL system_function('system_verification_decisions(integer)');

-- ── Recovery of an owner who lost everything ────────────────────────────────────────────────────────────────

-- Asked for by somebody who knows the number that the merchant was verified with; approved by the staff; a link is sent
-- three days later unless somebody of the team stops it.
CREATE TABLE account_recoveries (
    id uuid NOT NULL,
    merchant_id uuid NOT NULL REFERENCES merchants (id),
    -- Whose account it is.
    owner uuid NOT NULL,
    state text NOT NULL DEFAULT 'asked' CONSTRAINT account_recoveries_state
        CHECK (state IN ('asked', 'approved', 'rejected', 'stopped', 'linked', 'done')),
    -- Where the link goes; emptied when it is over.
    contact text NOT NULL CONSTRAINT account_recoveries_contact_length CHECK (char_length(contact) <= 254),
    -- What links begin with.
    site text NOT NULL,
    -- SHA-256 of the tokens in the mails that stop it: of the request, and of the approval.
    stop_hashes bytea[] NOT NULL CONSTRAINT account_recoveries_stop_hashes CHECK (cardinality(stop_hashes) BETWEEN 1 AND 2),
    asked_at timestamptz NOT NULL,
    decided_name text,
    decided_at timestamptz,
    reason text NOT NULL DEFAULT '' CONSTRAINT account_recoveries_reason_length CHECK (char_length(reason) <= 500),
    -- The link goes out then, not before.
    link_at timestamptz,
    ended_at timestamptz,
    PRIMARY KEY (merchant_id, id),
    -- Whoever is no member any more has nothing to recover; the audit log keeps that it was asked for.
    FOREIGN KEY (merchant_id, owner) REFERENCES memberships (merchant_id, user_id) ON DELETE CASCADE,
    CONSTRAINT account_recoveries_approved_waits CHECK (state NOT IN ('approved', 'linked', 'done') OR link_at IS NOT NULL)
);
CREATE UNIQUE INDEX account_recoveries_one_open ON account_recoveries (merchant_id, owner) WHERE state IN ('asked', 'approved');
CREATE INDEX account_recoveries_by_stop ON account_recoveries USING gin (stop_hashes);
CREATE INDEX account_recoveries_latest ON account_recoveries (asked_at DESC);
CALL tenant_table('account_recoveries', 'SELECT, INSERT, UPDATE');
CALL system_sees('account_recoveries', 'SELECT');

-- Of which merchant somebody is an owner who herself was verified with a number, as a person: the number of a company is
-- printed on its invoices. Whoever submitted it for somebody else, or for an owner before, proves nothing about this one.
-- Who asks must hold the platform's key. Indexes
-- users_login_once, memberships_of_user, verifications_of_merchant.
CREATE FUNCTION system_find_recoverable(of_login text, of_hash bytea) RETURNS TABLE (user_id uuid, merchant_id uuid)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT u.id, b.merchant_id FROM users u JOIN memberships b ON b.user_id = u.id AND b.role = 'owner'
     WHERE u.realm = 'customers' AND u.login = of_login AND u.email IS NOT NULL AND u.closed_at IS NULL
       AND EXISTS (SELECT FROM (SELECT v.number_hash, v.kind, v.submitted_by, v.asked_again FROM verifications v
                                 WHERE v.merchant_id = b.merchant_id AND v.state = 'approved'
                                 ORDER BY v.submitted_at DESC, v.id DESC LIMIT 1) AS latest
                    WHERE latest.number_hash = of_hash AND latest.kind = 'person' AND latest.asked_again IS NULL
                      AND latest.submitted_by = 'usr_' || replace(u.id::text, '-', ''))
     ORDER BY b.created_at LIMIT 1
$$;
CALL system_function('system_find_recoverable(text, bytea)');

-- Which recovery a link stops. Index account_recoveries_by_stop.
CREATE FUNCTION system_find_recovery(of_hash bytea) RETURNS TABLE (merchant_id uuid, recovery_id uuid)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT r.merchant_id, r.id FROM account_recoveries r WHERE r.stop_hashes @> ARRAY[of_hash] LIMIT 1
$$;
CALL system_function('system_find_recovery(bytea)');

-- The staff's list, what waits for a decision first; no address is in it. Index account_recoveries_latest.
CREATE FUNCTION system_recoveries(max_rows integer)
    RETURNS TABLE (merchant_id uuid, recovery_id uuid, state text, asked_at timestamptz, decided_name text, link_at timestamptz)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT l.* FROM (SELECT r.merchant_id, r.id, r.state, r.asked_at, r.decided_name, r.link_at
                       FROM account_recoveries r ORDER BY r.asked_at DESC LIMIT max_rows) l
     ORDER BY l.state <> 'asked', l.asked_at
$$;
CALL system_function('system_recoveries(integer)');

-- ── What is good for nothing any more ───────────────────────────────────────────────────────────────────────

-- As before, authorizations that were begun a week ago with the links they came by, and places in the wizard: they are
-- promised to be gone after 30 days, and this runs once a day.
CALL system_sees('authorization_links', 'SELECT, DELETE');
GRANT DELETE ON authorization_requests TO kamiflow_system;
SET LOCAL ROLE kamiflow_system;
CREATE OR REPLACE FUNCTION system_prune_accounts(before timestamptz, max_rows integer, apply boolean) RETURNS bigint
    LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    WITH ended AS (SELECT least(before, now() - interval '7 days') AS at),
    tokens AS (SELECT t.id FROM one_time_tokens t, ended WHERE t.expires_at < ended.at LIMIT max_rows),
    signs AS (SELECT u.id FROM sign_ups u, ended WHERE u.expires_at < ended.at LIMIT max_rows),
    letters AS (SELECT m.id FROM mails m, ended WHERE m.expires_at < ended.at LIMIT max_rows),
    requests AS (SELECT r.merchant_id, r.id FROM authorization_requests r, ended WHERE r.expires_at < ended.at LIMIT max_rows),
    links AS (SELECT l.merchant_id, l.id FROM authorization_links l, ended WHERE l.expires_at < ended.at
                 AND NOT EXISTS (SELECT FROM authorization_requests r WHERE r.merchant_id = l.merchant_id AND r.link_id = l.id)
               LIMIT max_rows),
    places AS (SELECT p.merchant_id, p.user_id FROM wizard_places p WHERE p.kept_at < now() - interval '29 days' LIMIT max_rows),
    a AS (DELETE FROM one_time_tokens t USING tokens d WHERE apply AND t.id = d.id RETURNING 1),
    b AS (DELETE FROM sign_ups u USING signs d WHERE apply AND u.id = d.id RETURNING 1),
    c AS (DELETE FROM mails m USING letters d WHERE apply AND m.id = d.id RETURNING 1),
    e AS (DELETE FROM authorization_requests r USING requests d
           WHERE apply AND r.merchant_id = d.merchant_id AND r.id = d.id RETURNING 1),
    f AS (DELETE FROM authorization_links l USING links d
           WHERE apply AND l.merchant_id = d.merchant_id AND l.id = d.id RETURNING 1),
    g AS (DELETE FROM wizard_places p USING places d
           WHERE apply AND p.merchant_id = d.merchant_id AND p.user_id = d.user_id RETURNING 1)
    SELECT CASE WHEN apply THEN (SELECT count(*) FROM a) + (SELECT count(*) FROM b) + (SELECT count(*) FROM c)
                                + (SELECT count(*) FROM e) + (SELECT count(*) FROM f) + (SELECT count(*) FROM g)
                ELSE (SELECT count(*) FROM tokens) + (SELECT count(*) FROM signs) + (SELECT count(*) FROM letters)
                     + (SELECT count(*) FROM requests) + (SELECT count(*) FROM links) + (SELECT count(*) FROM places) END
$$;
RESET ROLE;
