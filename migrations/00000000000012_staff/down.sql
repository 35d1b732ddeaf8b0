SET LOCAL ROLE kamiflow_system;
CREATE OR REPLACE FUNCTION system_prune_accounts(before timestamptz, max_rows integer, apply boolean) RETURNS bigint
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
RESET ROLE;
REVOKE DELETE ON authorization_requests FROM kamiflow_system;
REVOKE SELECT, DELETE ON authorization_links FROM kamiflow_system;
DROP POLICY system ON authorization_links;
DROP FUNCTION system_recoveries(integer);
DROP FUNCTION system_find_recovery(bytea);
DROP FUNCTION system_find_recoverable(text, bytea);
DROP TABLE account_recoveries;
DROP FUNCTION system_verification_decisions(integer);
DROP INDEX verifications_decided;
DROP FUNCTION system_verification_queue(integer);
CREATE FUNCTION system_verification_queue(max_rows integer)
    RETURNS TABLE (merchant_id uuid, verification_id uuid, submitted_at timestamptz, claimed_by uuid, claimed_at timestamptz)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT v.merchant_id, v.id, v.submitted_at, v.claimed_by, v.claimed_at FROM verifications v
    WHERE v.state = 'submitted' ORDER BY v.submitted_at LIMIT max_rows
$$;
CALL system_function('system_verification_queue(integer)');
DROP FUNCTION system_staff();
DROP FUNCTION system_authenticate_staff(bytea, timestamptz, integer);
DROP FUNCTION system_find_staff(text);
SET LOCAL ROLE kamiflow_system;
CREATE OR REPLACE FUNCTION system_find_login(of_login text) RETURNS TABLE (user_id uuid, password_hash text, merchant_id uuid)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT u.id, u.password_hash,
           (SELECT b.merchant_id FROM memberships b WHERE b.user_id = u.id
             ORDER BY (SELECT max(s.last_used_at) FROM sessions s
                        WHERE s.user_id = u.id AND s.active_merchant = b.merchant_id) DESC NULLS LAST, b.created_at LIMIT 1)
      FROM users u WHERE u.login = of_login AND u.closed_at IS NULL
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
       AND u.closed_at IS NULL;
END
$$;
RESET ROLE;
-- Staff without a table of staff would be customers.
SET LOCAL app.migration = 'on';
DELETE FROM one_time_tokens WHERE user_id IN (SELECT user_id FROM staff) OR purpose IN ('staff_enroll', 'staff_step', 'recover_account');
DELETE FROM second_factors WHERE user_id IN (SELECT user_id FROM staff);
DELETE FROM recovery_codes WHERE user_id IN (SELECT user_id FROM staff);
DROP TABLE staff_sessions;
DROP TABLE staff;
DELETE FROM users WHERE realm = 'staff';
ALTER TABLE one_time_tokens
    DROP CONSTRAINT one_time_tokens_purpose,
    ADD CONSTRAINT one_time_tokens_purpose
        CHECK (purpose IN ('reset_password', 'change_email', 'second_step', 'enroll_passkey', 'sudo_passkey'));
ALTER TABLE users DROP CONSTRAINT users_login_once, ADD CONSTRAINT users_login_once UNIQUE (login), DROP COLUMN realm;
