-- Accounts of people, teams of merchants, mails, and the audit log's chain (docs/adr/0014-accounts.md).
--
-- Users belong to no merchant. Their tables are bound to one user per transaction (app.user_id) as tenants' tables are to
-- one merchant; what log-in must find before it knows who somebody is goes through narrow functions.

CREATE FUNCTION current_account() RETURNS uuid
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$ SELECT nullif(current_setting('app.user_id', true), '')::uuid $$;
GRANT EXECUTE ON FUNCTION current_account() TO kamiflow_app, kamiflow_system;

-- Makes a table a user's: forced row-level security that shows the transaction's user her own rows.
CREATE PROCEDURE account_table(target regclass, app_grants text) LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', target);
    EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', target);
    EXECUTE format('CREATE POLICY account ON %s TO kamiflow_app
        USING (user_id = (SELECT current_account())) WITH CHECK (user_id = (SELECT current_account()))', target);
    EXECUTE format('CREATE POLICY data_migration ON %s TO kamiflow_owner
        USING (current_setting(''app.migration'', true) = ''on'') WITH CHECK (current_setting(''app.migration'', true) = ''on'')', target);
    EXECUTE format('CREATE POLICY backup ON %s FOR SELECT TO kamiflow_backup USING (true)', target);
    EXECUTE format('GRANT SELECT ON %s TO kamiflow_backup', target);
    EXECUTE format('GRANT %s ON %s TO kamiflow_app', app_grants, target);
END
$$;
REVOKE ALL ON PROCEDURE account_table(regclass, text) FROM PUBLIC;

-- ── Merchants ───────────────────────────────────────────────────────────────────────────────────────────────

-- Staff without e-mail log in as name@code. Merchants that nobody signed up get one by chance.
ALTER TABLE merchants
    ADD COLUMN code text NOT NULL DEFAULT 'm' || substr(md5(gen_random_uuid()::text), 1, 9)
        CONSTRAINT merchants_code_form CHECK (code ~ '^[a-z][a-z0-9-]{3,19}$'),
    -- The end of the days of grace after its owner closed it.
    ADD COLUMN closes_at timestamptz,
    -- When those days were over and nothing was left to go on with; there is no way back.
    ADD COLUMN ended_at timestamptz,
    ADD CONSTRAINT merchants_ended_was_closed CHECK (ended_at IS NULL OR closes_at IS NOT NULL),
    ADD CONSTRAINT merchants_code_once UNIQUE (code);

-- ── Users ───────────────────────────────────────────────────────────────────────────────────────────────────

CREATE TABLE users (
    id uuid PRIMARY KEY,
    -- Equal to id: every table of a user has the column, so that one policy fits all.
    user_id uuid GENERATED ALWAYS AS (id) STORED,
    -- An e-mail address in lower case, or name@merchant-code; a code has no dot, a domain has one.
    login text NOT NULL CONSTRAINT users_login_once UNIQUE
        CONSTRAINT users_login_form CHECK (login = lower(login) AND login LIKE '_%@_%' AND char_length(login) <= 254),
    email text CONSTRAINT users_email_is_the_login CHECK (email = login),
    -- Of staff without e-mail: the merchant that made the account, whose owner resets it.
    home_merchant uuid REFERENCES merchants (id),
    name text NOT NULL CONSTRAINT users_name_length CHECK (char_length(name) BETWEEN 1 AND 80),
    -- Argon2id, as a PHC string. No role but kamiflow_system and the backup reads it.
    password_hash text NOT NULL CONSTRAINT users_password_is_argon2id CHECK (password_hash LIKE '$argon2id$%'),
    password_changed_at timestamptz NOT NULL DEFAULT now(),
    must_change_password boolean NOT NULL DEFAULT false,
    locale text NOT NULL DEFAULT 'zh' CONSTRAINT users_locale CHECK (locale IN ('zh', 'en')),
    theme text NOT NULL DEFAULT 'system' CONSTRAINT users_theme CHECK (theme IN ('system', 'light', 'dark')),
    confirmed_at timestamptz NOT NULL,
    closed_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT users_mail_or_home CHECK ((email IS NULL) = (home_merchant IS NOT NULL))
);
CALL account_table('users', 'SELECT (id, user_id, login, email, home_merchant, name, password_changed_at, must_change_password,
        locale, theme, confirmed_at, closed_at, created_at), INSERT,
    UPDATE (login, email, name, password_hash, password_changed_at, must_change_password, locale, theme, closed_at)');

-- One device that somebody logged in on: a family of refresh tokens of which the latest is good.
CREATE TABLE sessions (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users (id),
    refresh_hash bytea NOT NULL CONSTRAINT sessions_refresh_hash CHECK (octet_length(refresh_hash) = 32),
    -- The one before: within seconds it is another request of the same browser, later it is a thief or the robbed.
    previous_hash bytea,
    rotated_at timestamptz NOT NULL,
    active_merchant uuid REFERENCES merchants (id),
    user_agent text NOT NULL CONSTRAINT sessions_user_agent_length CHECK (char_length(user_agent) <= 300),
    ip_prefix text NOT NULL CONSTRAINT sessions_ip_prefix_length CHECK (char_length(ip_prefix) <= 64),
    created_at timestamptz NOT NULL,
    last_used_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    -- When a second factor was proved; NULL if none was asked for.
    second_factor_at timestamptz,
    sudo_until timestamptz,
    ended_at timestamptz,
    end_reason text,
    CONSTRAINT sessions_end CHECK ((ended_at IS NULL) = (end_reason IS NULL)),
    CONSTRAINT sessions_end_reason CHECK (end_reason IN ('signed_out', 'reuse', 'password_changed', 'reset', 'closed'))
);
CREATE INDEX sessions_of_user ON sessions (user_id, last_used_at DESC);
CALL account_table('sessions', 'SELECT, INSERT, UPDATE');

-- An ended session never comes back to life.
CREATE FUNCTION sessions_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.ended_at IS NOT NULL AND NEW.ended_at IS NULL THEN
        RAISE EXCEPTION 'a session that has ended' USING ERRCODE = 'check_violation', CONSTRAINT = 'sessions_end_stays';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER sessions_guard BEFORE UPDATE ON sessions FOR EACH ROW EXECUTE FUNCTION sessions_guard();

CREATE TABLE one_time_tokens (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users (id),
    purpose text NOT NULL CONSTRAINT one_time_tokens_purpose
        CHECK (purpose IN ('reset_password', 'change_email', 'second_step', 'enroll_passkey', 'sudo_passkey')),
    -- SHA-256 of 256 random bits.
    token_hash bytea NOT NULL CONSTRAINT one_time_tokens_hash CHECK (octet_length(token_hash) = 32),
    -- What the token is for; never a secret.
    payload jsonb NOT NULL DEFAULT '{}',
    tries integer NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    used_at timestamptz,
    CONSTRAINT one_time_tokens_once UNIQUE (token_hash)
);
CREATE INDEX one_time_tokens_of_user ON one_time_tokens (user_id, purpose);
CALL account_table('one_time_tokens', 'SELECT, INSERT, UPDATE, DELETE');

CREATE TABLE second_factors (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users (id),
    kind text NOT NULL CONSTRAINT second_factors_kind CHECK (kind IN ('totp', 'passkey')),
    name text NOT NULL CONSTRAINT second_factors_name_length CHECK (char_length(name) BETWEEN 1 AND 80),
    -- The platform's key: users belong to no merchant.
    data_key_owner uuid NOT NULL GENERATED ALWAYS AS ('00000000-0000-0000-0000-000000000000'::uuid) STORED,
    data_key_id uuid,
    secret_sealed bytea,
    -- A passkey's public part.
    credential_id bytea,
    credential jsonb,
    -- The latest step a code was taken for: no code is good twice.
    last_step bigint NOT NULL DEFAULT 0,
    confirmed_at timestamptz,
    created_at timestamptz NOT NULL,
    last_used_at timestamptz,
    CONSTRAINT second_factors_contents CHECK (CASE kind
        WHEN 'totp' THEN data_key_id IS NOT NULL AND secret_sealed IS NOT NULL AND credential IS NULL
        ELSE credential_id IS NOT NULL AND credential IS NOT NULL AND secret_sealed IS NULL END),
    CONSTRAINT second_factors_credential_once UNIQUE (credential_id),
    CONSTRAINT second_factors_data_key FOREIGN KEY (data_key_owner, data_key_id) REFERENCES data_keys (merchant_id, id)
);
CREATE INDEX second_factors_of_user ON second_factors (user_id);
CREATE UNIQUE INDEX second_factors_one_totp ON second_factors (user_id) WHERE kind = 'totp' AND confirmed_at IS NOT NULL;
CALL account_table('second_factors', 'SELECT, INSERT, UPDATE, DELETE');

CREATE TABLE recovery_codes (
    user_id uuid NOT NULL REFERENCES users (id),
    -- SHA-256 of 80 random bits.
    code_hash bytea NOT NULL CONSTRAINT recovery_codes_hash CHECK (octet_length(code_hash) = 32),
    created_at timestamptz NOT NULL,
    used_at timestamptz,
    PRIMARY KEY (user_id, code_hash)
);
CALL account_table('recovery_codes', 'SELECT, INSERT, UPDATE, DELETE');

-- Browsers somebody logged in with; a log-in from another one is told by mail.
CREATE TABLE known_devices (
    user_id uuid NOT NULL REFERENCES users (id),
    device_hash bytea NOT NULL CONSTRAINT known_devices_hash CHECK (octet_length(device_hash) = 32),
    user_agent text NOT NULL CONSTRAINT known_devices_user_agent_length CHECK (char_length(user_agent) <= 300),
    first_seen_at timestamptz NOT NULL,
    last_seen_at timestamptz NOT NULL,
    PRIMARY KEY (user_id, device_hash)
);
CALL account_table('known_devices', 'SELECT, INSERT, UPDATE, DELETE');

-- ── Teams ───────────────────────────────────────────────────────────────────────────────────────────────────

CREATE TABLE memberships (
    merchant_id uuid NOT NULL REFERENCES merchants (id),
    user_id uuid NOT NULL REFERENCES users (id),
    role text NOT NULL CONSTRAINT memberships_role CHECK (role IN ('owner', 'admin', 'operator', 'finance', 'viewer')),
    all_shops boolean NOT NULL DEFAULT true,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (merchant_id, user_id),
    CONSTRAINT memberships_leaders_see_all CHECK (all_shops OR role NOT IN ('owner', 'admin'))
);
CREATE INDEX memberships_of_user ON memberships (user_id);
CALL tenant_table('memberships', 'SELECT, INSERT, UPDATE, DELETE');

CREATE TABLE membership_shops (
    merchant_id uuid NOT NULL,
    user_id uuid NOT NULL,
    shop_id uuid NOT NULL,
    PRIMARY KEY (merchant_id, user_id, shop_id),
    FOREIGN KEY (merchant_id, user_id) REFERENCES memberships (merchant_id, user_id) ON DELETE CASCADE,
    FOREIGN KEY (merchant_id, shop_id) REFERENCES shops (merchant_id, id)
);
CALL tenant_table('membership_shops', 'SELECT, INSERT, DELETE');

-- A merchant keeps an owner. Whoever takes one away waits for the others who do.
CREATE FUNCTION memberships_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.role = 'owner' AND (TG_OP = 'DELETE' OR NEW.role <> 'owner') THEN
        PERFORM FROM merchants WHERE merchant_id = OLD.merchant_id FOR UPDATE;
        IF NOT EXISTS (SELECT FROM memberships m WHERE m.merchant_id = OLD.merchant_id AND m.role = 'owner'
                          AND m.user_id <> OLD.user_id) THEN
            RAISE EXCEPTION 'the only owner' USING ERRCODE = 'check_violation', CONSTRAINT = 'memberships_keep_an_owner';
        END IF;
    END IF;
    RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END
$$;
CREATE TRIGGER memberships_guard BEFORE UPDATE OR DELETE ON memberships FOR EACH ROW EXECUTE FUNCTION memberships_guard();

CREATE TABLE invitations (
    id uuid PRIMARY KEY,
    merchant_id uuid NOT NULL REFERENCES merchants (id),
    -- Whom it was mailed to; NULL for a link that is handed over otherwise.
    email text,
    role text NOT NULL CONSTRAINT invitations_role CHECK (role IN ('owner', 'admin', 'operator', 'finance', 'viewer')),
    all_shops boolean NOT NULL,
    shops uuid[] NOT NULL DEFAULT '{}',
    token_hash bytea NOT NULL CONSTRAINT invitations_hash CHECK (octet_length(token_hash) = 32),
    invited_by uuid NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    accepted_at timestamptz,
    accepted_by uuid,
    revoked_at timestamptz,
    UNIQUE (merchant_id, id),
    CONSTRAINT invitations_leaders_see_all CHECK (all_shops OR role NOT IN ('owner', 'admin')),
    CONSTRAINT invitations_end_once CHECK (accepted_at IS NULL OR revoked_at IS NULL)
);
CREATE INDEX invitations_by_hash ON invitations (token_hash);
CREATE INDEX invitations_of_merchant ON invitations (merchant_id, created_at DESC);
CALL tenant_table('invitations', 'SELECT, INSERT, UPDATE');

-- ── Sign-ups and mails ──────────────────────────────────────────────────────────────────────────────────────

-- Nothing of an account exists before its address is confirmed. Rows are the platform's: there is no merchant yet.
CREATE TABLE sign_ups (
    id uuid PRIMARY KEY,
    merchant_id uuid NOT NULL REFERENCES merchants (id),
    login text NOT NULL,
    token_hash bytea NOT NULL CONSTRAINT sign_ups_hash CHECK (octet_length(token_hash) = 32),
    data_key_id uuid NOT NULL,
    -- The password's hash, the merchant's name, the language.
    contents_sealed bytea NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    UNIQUE (merchant_id, id),
    FOREIGN KEY (merchant_id, data_key_id) REFERENCES data_keys (merchant_id, id)
);
CREATE INDEX sign_ups_by_hash ON sign_ups (merchant_id, token_hash);
CREATE INDEX sign_ups_by_login ON sign_ups (merchant_id, login, created_at);
CALL tenant_table('sign_ups', 'SELECT, INSERT, UPDATE, DELETE');

-- A mail that is not sent yet: to whom, what, with which link. Gone when it was sent.
CREATE TABLE mails (
    id uuid PRIMARY KEY,
    merchant_id uuid NOT NULL REFERENCES merchants (id),
    data_key_id uuid NOT NULL,
    contents_sealed bytea NOT NULL,
    created_at timestamptz NOT NULL,
    -- From then on it says nothing worth reading.
    expires_at timestamptz NOT NULL,
    UNIQUE (merchant_id, id),
    FOREIGN KEY (merchant_id, data_key_id) REFERENCES data_keys (merchant_id, id)
);
CALL tenant_table('mails', 'SELECT, INSERT, UPDATE, DELETE');

-- ── Before it is known who somebody is ──────────────────────────────────────────────────────────────────────

CALL system_sees('users', 'SELECT');
CALL system_sees('sessions', 'SELECT');
CALL system_sees('one_time_tokens', 'SELECT, DELETE');
CALL system_sees('second_factors', 'SELECT');
CALL system_sees('memberships', 'SELECT');
CALL system_sees('membership_shops', 'SELECT');
CALL system_sees('invitations', 'SELECT');
CALL system_sees('sign_ups', 'SELECT, DELETE');
CALL system_sees('mails', 'SELECT, DELETE');

-- Whose log-in name it is, what the password is compared with, and the merchant whose work was done last.
-- Indexes users_login_once, memberships_of_user, sessions_of_user.
CREATE FUNCTION system_find_login(of_login text) RETURNS TABLE (user_id uuid, password_hash text, merchant_id uuid)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT u.id, u.password_hash,
           (SELECT b.merchant_id FROM memberships b WHERE b.user_id = u.id
             ORDER BY (SELECT max(s.last_used_at) FROM sessions s
                        WHERE s.user_id = u.id AND s.active_merchant = b.merchant_id) DESC NULLS LAST, b.created_at LIMIT 1)
      FROM users u WHERE u.login = of_login AND u.closed_at IS NULL
$$;
CALL system_function('system_find_login(text)');

-- The transaction's user's own hash, for those who say their password once more.
CREATE FUNCTION account_password() RETURNS text
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT u.password_hash FROM users u WHERE u.id = current_account()
$$;
CALL system_function('account_password()');

-- Whose a session is. Index sessions_pkey.
CREATE FUNCTION system_user_of_session(of_session uuid) RETURNS uuid
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT s.user_id FROM sessions s WHERE s.id = of_session
$$;
CALL system_function('system_user_of_session(uuid)');

-- Whose a one-time token is. Index one_time_tokens_once.
CREATE FUNCTION system_user_of_token(of_hash bytea) RETURNS uuid
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT t.user_id FROM one_time_tokens t WHERE t.token_hash = of_hash
$$;
CALL system_function('system_user_of_token(bytea)');

-- Into whose team an invitation is. Index invitations_by_hash.
CREATE FUNCTION system_merchant_of_invitation(of_hash bytea) RETURNS TABLE (merchant_id uuid, merchant_name text)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT i.merchant_id, m.name FROM invitations i JOIN merchants m ON m.id = i.merchant_id WHERE i.token_hash = of_hash
$$;
CALL system_function('system_merchant_of_invitation(bytea)');

-- All that a request must know: whether the session lives, and the seat in the merchant it works for. One row, or none
-- for a session that has ended. Indexes sessions_pkey, users_pkey, memberships_pkey, membership_shops_pkey,
-- memberships_of_user.
CREATE FUNCTION system_authenticate(of_user uuid, of_session uuid, at timestamptz)
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
       AND u.closed_at IS NULL;
END
$$;
CALL system_function('system_authenticate(uuid, uuid, timestamptz)');

-- The transaction's user's seats in all merchants. Index memberships_of_user.
CREATE FUNCTION account_seats()
    RETURNS TABLE (merchant_id uuid, merchant_name text, merchant_code text, closes_at timestamptz, role text, all_shops boolean)
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT b.merchant_id, m.name, m.code, m.closes_at, b.role, b.all_shops
      FROM memberships b JOIN merchants m ON m.id = b.merchant_id
     WHERE b.user_id = current_account() ORDER BY b.created_at, b.merchant_id;
END
$$;
CALL system_function('account_seats()');

-- Who is in the transaction's merchant's team. Nothing of a user beyond that team.
CREATE FUNCTION merchant_team()
    RETURNS TABLE (user_id uuid, login text, name text, role text, all_shops boolean, shops uuid[], home boolean,
                   second_factor boolean, last_used_at timestamptz, created_at timestamptz, locale text)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT u.id, u.login, u.name, b.role, b.all_shops,
           ARRAY(SELECT h.shop_id FROM membership_shops h
                  WHERE h.merchant_id = b.merchant_id AND h.user_id = u.id ORDER BY 1),
           u.home_merchant IS NOT DISTINCT FROM b.merchant_id,
           EXISTS (SELECT FROM second_factors f WHERE f.user_id = u.id AND f.confirmed_at IS NOT NULL),
           (SELECT max(s.last_used_at) FROM sessions s WHERE s.user_id = u.id AND s.active_merchant = b.merchant_id),
           b.created_at, u.locale
      FROM memberships b JOIN users u ON u.id = b.user_id
     WHERE b.merchant_id = current_merchant() ORDER BY b.created_at, u.id
$$;
CALL system_function('merchant_team()');

-- Which merchant has a code.
CREATE FUNCTION system_code_exists(of_code text) RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT EXISTS (SELECT FROM merchants m WHERE m.code = of_code)
$$;
CALL system_function('system_code_exists(text)');

-- Seeds of codes that a former key seals, for those who exchange keys: sealed as they are, and for the platform only.
GRANT UPDATE (data_key_id, secret_sealed) ON second_factors TO kamiflow_system;
CREATE FUNCTION system_factors_to_reseal(owner uuid, after uuid, active uuid, max_rows bigint)
    RETURNS TABLE (id uuid, data_key_id uuid, secret_sealed bytea)
    LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT f.id, f.data_key_id, f.secret_sealed FROM second_factors f
     WHERE owner = '00000000-0000-0000-0000-000000000000' AND f.id > after AND f.data_key_id <> active
       AND f.secret_sealed IS NOT NULL
     ORDER BY f.id LIMIT max_rows FOR NO KEY UPDATE SKIP LOCKED
$$;
CALL system_function('system_factors_to_reseal(uuid, uuid, uuid, bigint)');

CREATE FUNCTION system_reseal_factors(owner uuid, active uuid, ids uuid[], sealed bytea[]) RETURNS SETOF uuid
    LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    UPDATE second_factors f SET data_key_id = active, secret_sealed = i.sealed
      FROM unnest(ids, sealed) AS i (id, sealed)
     WHERE owner = '00000000-0000-0000-0000-000000000000' AND f.id = i.id AND f.secret_sealed IS NOT NULL
    RETURNING f.id
$$;
CALL system_function('system_reseal_factors(uuid, uuid, uuid[], bytea[])');

-- Tokens, sign-ups and mails that are good for nothing since a week. Jobs of mails that are gone are done.
CREATE FUNCTION system_prune_accounts(before timestamptz, max_rows integer, apply boolean) RETURNS bigint
    LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    WITH ended AS (SELECT least(before, now() - interval '7 days') AS at),
    tokens AS (SELECT t.id FROM one_time_tokens t, ended WHERE t.expires_at < ended.at LIMIT max_rows),
    signs AS (SELECT u.id FROM sign_ups u, ended WHERE u.expires_at < ended.at LIMIT max_rows),
    letters AS (SELECT m.id FROM mails m, ended WHERE m.expires_at < ended.at LIMIT max_rows),
    a AS (DELETE FROM one_time_tokens t USING tokens d WHERE apply AND t.id = d.id RETURNING 1),
    b AS (DELETE FROM sign_ups u USING signs d WHERE apply AND u.id = d.id RETURNING 1),
    c AS (DELETE FROM mails m USING letters d WHERE apply AND m.id = d.id RETURNING 1)
    SELECT CASE WHEN apply THEN (SELECT count(*) FROM a) + (SELECT count(*) FROM b) + (SELECT count(*) FROM c)
                ELSE (SELECT count(*) FROM tokens) + (SELECT count(*) FROM signs) + (SELECT count(*) FROM letters) END
$$;
CALL system_function('system_prune_accounts(timestamptz, integer, boolean)');

-- ── The audit log's chain ───────────────────────────────────────────────────────────────────────────────────

ALTER TABLE audit_log
    -- Where from, as far as is kept: an address without its last part.
    ADD COLUMN ip text NOT NULL DEFAULT '',
    ADD COLUMN seq bigint NOT NULL DEFAULT 0,
    ADD COLUMN prev_hash bytea NOT NULL DEFAULT '',
    ADD COLUMN hash bytea NOT NULL DEFAULT '';
CREATE INDEX audit_log_chain ON audit_log (merchant_id, seq);

-- The end of each merchant's chain, so that cutting it off shows as well. Only the trigger writes it.
CREATE TABLE audit_heads (
    merchant_id uuid PRIMARY KEY REFERENCES merchants (id),
    seq bigint NOT NULL,
    hash bytea NOT NULL
);
CALL tenant_table('audit_heads', 'SELECT');
CALL system_sees('audit_heads', 'SELECT, INSERT, UPDATE');

CREATE FUNCTION audit_hash(prev bytea, merchant uuid, seq bigint, id uuid, at timestamptz, actor text, action text, target text,
                           request_id text, ip text, detail jsonb) RETURNS bytea LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT sha256(prev || convert_to(jsonb_build_array(merchant, seq, id, (extract(epoch FROM at) * 1000000)::bigint, actor,
        action, target, request_id, ip, detail)::text, 'UTF8'))
$$;
REVOKE ALL ON FUNCTION audit_hash(bytea, uuid, bigint, uuid, timestamptz, text, text, text, text, text, jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION audit_hash(bytea, uuid, bigint, uuid, timestamptz, text, text, text, text, text, jsonb)
    TO kamiflow_app, kamiflow_system;

-- Acts of a merchant stand in one line, so the lock on its end is held until they commit: acts of people are few, and each
-- is recorded last.
CREATE FUNCTION audit_log_chain() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    head audit_heads;
BEGIN
    INSERT INTO audit_heads AS h (merchant_id, seq, hash) VALUES (NEW.merchant_id, 0, '')
        ON CONFLICT (merchant_id) DO UPDATE SET seq = h.seq RETURNING h.* INTO head;
    NEW.seq := head.seq + 1;
    NEW.prev_hash := head.hash;
    NEW.hash := audit_hash(head.hash, NEW.merchant_id, NEW.seq, NEW.id, NEW.at, NEW.actor, NEW.action, NEW.target,
        NEW.request_id, NEW.ip, NEW.detail);
    UPDATE audit_heads h SET seq = NEW.seq, hash = NEW.hash WHERE h.merchant_id = NEW.merchant_id;
    RETURN NEW;
END
$$;
CREATE TRIGGER audit_log_chain BEFORE INSERT ON audit_log FOR EACH ROW EXECUTE FUNCTION audit_log_chain();
CALL system_function('audit_log_chain()');
-- Each new partition gets the trigger, and who makes it must be allowed to call the function.
SET LOCAL ROLE kamiflow_system;
GRANT EXECUTE ON FUNCTION audit_log_chain() TO kamiflow_owner;
RESET ROLE;
