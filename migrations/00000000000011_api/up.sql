-- Tokens of the API, and the answers its writes were given (docs/adr/0016-api-tokens-and-idempotency.md).

-- Tokens of the API that somebody made before are good for nothing, in every merchant: the account was reset or recovered.
ALTER TABLE users ADD COLUMN tokens_void_before timestamptz;
GRANT UPDATE (tokens_void_before) ON users TO kamiflow_app;

CREATE TABLE api_tokens (
    id uuid NOT NULL,
    merchant_id uuid NOT NULL REFERENCES merchants (id),
    name text NOT NULL CONSTRAINT api_tokens_name_length CHECK (char_length(name) BETWEEN 1 AND 60),
    -- SHA-256 of 256 random bits with their prefix.
    token_hash bytea NOT NULL CONSTRAINT api_tokens_hash CHECK (octet_length(token_hash) = 32),
    -- The last characters, by which people know it again.
    hint text NOT NULL CONSTRAINT api_tokens_hint_length CHECK (char_length(hint) = 4),
    -- Sees sandbox shops only; one that is not sees all others only.
    is_test boolean NOT NULL,
    scopes text[] NOT NULL CONSTRAINT api_tokens_scopes CHECK (cardinality(scopes) > 0 AND scopes <@ ARRAY[
        'shops:read', 'orders:read', 'orders:write', 'cards:read', 'cards:write', 'cards:reveal', 'redemptions:write',
        'uses:write']),
    all_shops boolean NOT NULL,
    shops uuid[] NOT NULL DEFAULT '{}',
    -- Whose seat it acts with, and with which it ends.
    made_by uuid NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    last_used_at timestamptz,
    last_used_from text,
    revoked_at timestamptz,
    PRIMARY KEY (merchant_id, id),
    CONSTRAINT api_tokens_limited_names_shops CHECK (all_shops = (cardinality(shops) = 0)),
    CONSTRAINT api_tokens_expire CHECK (expires_at > created_at),
    FOREIGN KEY (merchant_id, made_by) REFERENCES memberships (merchant_id, user_id) ON DELETE CASCADE
);
CREATE INDEX api_tokens_by_hash ON api_tokens (token_hash);
CREATE INDEX api_tokens_of_maker ON api_tokens (merchant_id, made_by);
CALL tenant_table('api_tokens', 'SELECT, INSERT, UPDATE (last_used_at, last_used_from, revoked_at)');

-- A revoked token never comes back to life.
CREATE FUNCTION api_tokens_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.revoked_at IS NOT NULL AND NEW.revoked_at IS DISTINCT FROM OLD.revoked_at THEN
        RAISE EXCEPTION 'a token that was revoked' USING ERRCODE = 'check_violation', CONSTRAINT = 'api_tokens_revoked_stays';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER api_tokens_guard BEFORE UPDATE ON api_tokens FOR EACH ROW EXECUTE FUNCTION api_tokens_guard();

-- What a token is worth now: its merchant, its maker's seat, and the shops that token, seat and mode leave. One row, or none
-- for a token that is revoked, has ended, or whose maker may not work for the merchant. Indexes api_tokens_by_hash,
-- memberships_pkey, users_pkey, membership_shops_pkey.
CREATE FUNCTION system_find_api_token(of_hash bytea, at timestamptz)
    RETURNS TABLE (id uuid, merchant_id uuid, made_by uuid, is_test boolean, scopes text[], role text, all_shops boolean,
                   shops uuid[], last_used_at timestamptz)
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT t.id, t.merchant_id, t.made_by, t.is_test, t.scopes, b.role, t.all_shops AND b.all_shops,
           ARRAY(SELECT s.id FROM shops s
                  WHERE s.merchant_id = t.merchant_id AND (s.gateway = 'sandbox') = t.is_test
                    AND (t.all_shops OR s.id = ANY (t.shops))
                    AND (b.all_shops OR EXISTS (SELECT FROM membership_shops h WHERE h.merchant_id = t.merchant_id
                                                   AND h.user_id = t.made_by AND h.shop_id = s.id))
                  ORDER BY 1),
           t.last_used_at
      FROM api_tokens t
      JOIN memberships b ON b.merchant_id = t.merchant_id AND b.user_id = t.made_by
      JOIN users u ON u.id = t.made_by
      JOIN merchants m ON m.id = t.merchant_id
     WHERE t.token_hash = of_hash AND t.revoked_at IS NULL AND t.expires_at > at
       AND t.created_at >= coalesce(u.tokens_void_before, '-infinity')
       AND u.closed_at IS NULL AND NOT u.must_change_password AND (m.closes_at IS NULL OR m.closes_at > at);
END
$$;
CALL system_sees('api_tokens', 'SELECT');
CALL system_function('system_find_api_token(bytea, timestamptz)');

-- The merchant's tokens that are good for nothing although nobody revoked them: their maker has no seat any more, chose a
-- new password for want of the former one, or must choose one.
CREATE FUNCTION merchant_void_tokens() RETURNS SETOF uuid
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT t.id FROM api_tokens t
      JOIN users u ON u.id = t.made_by
      LEFT JOIN memberships b ON b.merchant_id = t.merchant_id AND b.user_id = t.made_by
     WHERE t.merchant_id = current_merchant()
       AND (b.user_id IS NULL OR t.created_at < u.tokens_void_before OR u.closed_at IS NOT NULL OR u.must_change_password)
$$;
CALL system_function('merchant_void_tokens()');

-- What a token asked to be written, by the key that it chose: the same again is given the same answer.
CREATE TABLE api_requests (
    merchant_id uuid NOT NULL,
    token_id uuid NOT NULL,
    key text NOT NULL CONSTRAINT api_requests_key_length CHECK (char_length(key) BETWEEN 1 AND 255),
    request_hash bytea NOT NULL CONSTRAINT api_requests_hash CHECK (octet_length(request_hash) = 32),
    began_at timestamptz NOT NULL,
    -- NULL while it is being done. Answers hold no secret.
    status smallint CONSTRAINT api_requests_status CHECK (status BETWEEN 200 AND 499),
    content_type text,
    body bytea,
    PRIMARY KEY (merchant_id, token_id, key),
    CONSTRAINT api_requests_answer_is_whole CHECK (
        (status IS NULL) = (body IS NULL) AND (status IS NULL) = (content_type IS NULL)),
    FOREIGN KEY (merchant_id, token_id) REFERENCES api_tokens (merchant_id, id) ON DELETE CASCADE
);
CREATE INDEX api_requests_by_age ON api_requests (merchant_id, token_id, began_at);
CALL tenant_table('api_requests', 'SELECT, INSERT, UPDATE, DELETE');
CALL system_sees('api_requests', 'SELECT, DELETE');

-- An answer is given again for a day. A token clears away behind itself; this is for those that fell silent.
CREATE FUNCTION system_prune_api_requests(before timestamptz, max_rows integer, apply boolean) RETURNS bigint
    LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    WITH old AS (SELECT r.merchant_id, r.token_id, r.key FROM api_requests r
                  WHERE r.began_at < least(before, now() - interval '1 day') LIMIT max_rows),
    gone AS (DELETE FROM api_requests r USING old o
              WHERE apply AND r.merchant_id = o.merchant_id AND r.token_id = o.token_id AND r.key = o.key RETURNING 1)
    SELECT CASE WHEN apply THEN (SELECT count(*) FROM gone) ELSE (SELECT count(*) FROM old) END
$$;
CALL system_function('system_prune_api_requests(timestamptz, integer, boolean)');
