-- Outbox, rollups, audit log, jobs, and the functions that look across merchants.

-- Follow-up work of a transaction. The relay deletes in batches with SKIP LOCKED, never by high-water mark.
CREATE TABLE outbox (
    id uuid NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    merchant_id uuid NOT NULL,
    topic text NOT NULL,
    -- Ids only.
    payload jsonb NOT NULL,
    PRIMARY KEY (at, id)
) PARTITION BY RANGE (at);
CREATE TABLE outbox_default PARTITION OF outbox DEFAULT;
CALL tenant_table('outbox', 'SELECT, INSERT');
CALL system_sees('outbox', 'SELECT, DELETE');
ALTER TABLE outbox_default ENABLE ROW LEVEL SECURITY;
ALTER TABLE outbox_default FORCE ROW LEVEL SECURITY;
CALL backup_reads('outbox_default');

CREATE TABLE rollup_deltas (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    merchant_id uuid NOT NULL,
    shop_id uuid NOT NULL,
    hour timestamptz NOT NULL,
    metric text NOT NULL,
    n bigint NOT NULL
);
CALL tenant_table('rollup_deltas', 'SELECT, INSERT');
GRANT SELECT ON SEQUENCE rollup_deltas_id_seq TO kamiflow_backup;
CALL system_sees('rollup_deltas', 'SELECT, DELETE');

CREATE TABLE rollups_hourly (
    merchant_id uuid NOT NULL,
    shop_id uuid NOT NULL,
    hour timestamptz NOT NULL,
    metric text NOT NULL,
    n bigint NOT NULL,
    PRIMARY KEY (merchant_id, shop_id, metric, hour),
    FOREIGN KEY (merchant_id, shop_id) REFERENCES shops (merchant_id, id)
);
CALL tenant_table('rollups_hourly', 'SELECT');
CALL system_sees('rollups_hourly', 'SELECT, INSERT, UPDATE');

-- Append-only for the application.
CREATE TABLE audit_log (
    id uuid NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    merchant_id uuid NOT NULL,
    actor text NOT NULL,
    action text NOT NULL,
    target text NOT NULL,
    request_id text NOT NULL DEFAULT '',
    detail jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (at, id)
) PARTITION BY RANGE (at);
CREATE TABLE audit_log_default PARTITION OF audit_log DEFAULT;
CREATE INDEX audit_log_of_merchant ON audit_log (merchant_id, at DESC);
CALL tenant_table('audit_log', 'SELECT, INSERT');
ALTER TABLE audit_log_default ENABLE ROW LEVEL SECURITY;
ALTER TABLE audit_log_default FORCE ROW LEVEL SECURITY;
CALL backup_reads('audit_log_default');

-- Work for the jobs pool: payload = ids, names are versioned (`refresh_token.v1`).
CREATE TABLE jobs (
    id uuid PRIMARY KEY,
    merchant_id uuid NOT NULL REFERENCES merchants (id),
    name text NOT NULL,
    -- At most one open job of a name and key.
    key text NOT NULL,
    payload jsonb NOT NULL DEFAULT '{}',
    due_at timestamptz NOT NULL,
    failures integer NOT NULL DEFAULT 0,
    last_error text,
    parked boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (merchant_id, id),
    CONSTRAINT jobs_once UNIQUE (merchant_id, name, key)
);
CREATE INDEX jobs_due ON jobs (due_at) WHERE NOT parked;
CALL tenant_table('jobs', 'SELECT, INSERT, UPDATE, DELETE');

-- ── Across merchants: ids, times and counts, never contents ─────────────────────────────────────────────────

CALL system_sees('merchants', 'SELECT');
CALL system_sees('shops', 'SELECT');
CALL system_sees('shop_sync', 'SELECT');
CALL system_sees('applications', 'SELECT');
CALL system_sees('credentials', 'SELECT');
CALL system_sees('deliveries', 'SELECT');
CALL system_sees('redemptions', 'SELECT');
CALL system_sees('order_hints', 'SELECT');
CALL system_sees('jobs', 'SELECT, INSERT, UPDATE');
CALL system_sees('stock_waits', 'SELECT');
CALL system_sees('exceptions', 'SELECT');
CALL system_sees('coverage', 'SELECT');

-- Shops that work is due for, per pool: what seeds Redis and what the sweep compares with it. Shops of a stopped
-- application are due for nothing; whoever resumes it wakes them.
CREATE FUNCTION system_due_shops(before timestamptz, max_rows integer)
    RETURNS TABLE (pool text, merchant_id uuid, shop_id uuid, due_at timestamptz)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    (SELECT 'sync', y.merchant_id, y.shop_id, y.next_due_at
       FROM shop_sync y JOIN shops s ON s.id = y.shop_id
       JOIN applications a ON a.id = s.application_id AND a.state = 'active'
      WHERE s.state IN ('trial_run', 'live') AND y.next_due_at <= before
      ORDER BY y.next_due_at LIMIT max_rows)
    UNION ALL
    (SELECT 'deliver', w.merchant_id, w.shop_id, min(w.due_at)
       FROM (SELECT d.merchant_id, d.shop_id, d.due_at FROM deliveries d WHERE d.due_at <= before
             UNION ALL
             SELECT h.merchant_id, h.shop_id, h.due_at FROM order_hints h WHERE h.due_at <= before) w
       JOIN shops s ON s.id = w.shop_id
       JOIN applications a ON a.id = s.application_id AND a.state = 'active'
      WHERE s.state IN ('trial_run', 'live')
      GROUP BY w.merchant_id, w.shop_id LIMIT max_rows)
    UNION ALL
    (SELECT 'redeem', r.merchant_id, r.shop_id, min(r.due_at)
       FROM redemptions r JOIN shops s ON s.id = r.shop_id
       JOIN applications a ON a.id = s.application_id AND a.state = 'active'
      WHERE r.due_at <= before AND s.state = 'live'
      GROUP BY r.merchant_id, r.shop_id LIMIT max_rows)
$$;
CALL system_function('system_due_shops(timestamptz, integer)');

CREATE FUNCTION system_due_jobs(before timestamptz, max_rows integer)
    RETURNS TABLE (merchant_id uuid, job_id uuid, due_at timestamptz)
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT j.merchant_id, j.id, j.due_at FROM jobs j
    WHERE NOT j.parked AND j.due_at <= before ORDER BY j.due_at LIMIT max_rows;
END
$$;
CALL system_function('system_due_jobs(timestamptz, integer)');

-- Whose malls push messages are about.
CREATE FUNCTION system_shops_of_malls(of_gateway text, of_malls bigint[])
    RETURNS TABLE (mall_id bigint, merchant_id uuid, shop_id uuid)
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT s.mall_id, s.merchant_id, s.id FROM shops s
    WHERE s.gateway = of_gateway AND s.mall_id = ANY (of_malls) AND s.state IN ('trial_run', 'live');
END
$$;
CALL system_function('system_shops_of_malls(text, bigint[])');

-- Which shop an operator means by its id.
CREATE FUNCTION system_merchant_of_shop(of_shop uuid) RETURNS uuid
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT s.merchant_id FROM shops s WHERE s.id = of_shop
$$;
CALL system_function('system_merchant_of_shop(uuid)');

-- Where an order is, for an operator who has only its number.
CREATE FUNCTION system_find_order(of_order_sn text)
    RETURNS TABLE (merchant_id uuid, shop_id uuid)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT o.merchant_id, o.shop_id FROM orders o WHERE o.order_sn = of_order_sn
    UNION SELECT h.merchant_id, h.shop_id FROM order_hints h WHERE h.order_sn = of_order_sn
$$;
CALL system_sees('orders', 'SELECT');
CALL system_function('system_find_order(text)');

-- Applications that have shops to listen for.
CREATE FUNCTION system_push_applications()
    RETURNS TABLE (merchant_id uuid, application_id uuid, gateway text)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT a.merchant_id, a.id, a.gateway FROM applications a
    WHERE a.state = 'active' AND EXISTS (
        SELECT FROM shops s WHERE s.application_id = a.id AND s.state IN ('trial_run', 'live'))
$$;
CALL system_function('system_push_applications()');

-- Tokens that come to their end.
CREATE FUNCTION system_expiring_credentials(before timestamptz, max_rows integer)
    RETURNS TABLE (merchant_id uuid, shop_id uuid, expires_at timestamptz)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT c.merchant_id, c.shop_id, c.expires_at FROM credentials c JOIN shops s ON s.id = c.shop_id
    WHERE c.dead_reason IS NULL AND c.expires_at <= before AND s.state IN ('trial_run', 'live')
    ORDER BY c.expires_at LIMIT max_rows
$$;
CALL system_function('system_expiring_credentials(timestamptz, integer)');

-- Pools somebody waits for.
CREATE FUNCTION system_pools_with_waits(max_rows integer)
    RETURNS TABLE (merchant_id uuid, pool_id uuid)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT w.merchant_id, w.pool_id FROM stock_waits w GROUP BY w.merchant_id, w.pool_id LIMIT max_rows
$$;
CALL system_function('system_pools_with_waits(integer)');

-- Pools for real shops that have become low since they were looked at, or are low no more. No more of each is read than tells.
-- Index card_uses_available. `store::card_pools::update_low` says the same about one pool.
CREATE FUNCTION system_pools_turned(at timestamptz, max_rows integer)
    RETURNS TABLE (merchant_id uuid, pool_id uuid)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT p.merchant_id, p.id
      FROM card_pools p,
           LATERAL (SELECT count(*) AS cards
                      FROM (SELECT FROM card_uses u
                             WHERE u.merchant_id = p.merchant_id AND u.pool_id = p.id AND u.state = 'available'
                               AND (u.expires_at IS NULL OR u.expires_at > at + make_interval(secs => p.min_validity_s))
                             LIMIT p.low_stock_at::bigint + 1) few) stock
     WHERE p.gateway = 'production' AND (p.low_since IS NULL) = (stock.cards <= p.low_stock_at)
     LIMIT max_rows
$$;
CALL system_sees('card_pools', 'SELECT');
CALL system_function('system_pools_turned(timestamptz, integer)');

-- Shops with orders whose latest shipping time nears or has passed and that nobody was told of, or with open
-- exceptions about orders that this is no longer true of. `store::ship_by` says the same about one shop.
-- Indexes orders_ship_by, exceptions_open_of_code.
CREATE FUNCTION system_ship_by_shops(near timestamptz, at timestamptz, max_rows integer)
    RETURNS TABLE (merchant_id uuid, shop_id uuid)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    (SELECT o.merchant_id, o.shop_id
       FROM orders o JOIN shops s ON s.id = o.shop_id
      WHERE o.to_ship
        AND o.last_ship_at <= near
        AND o.confirm_status = 1 AND o.refund_status = 1 AND o.risk_control_status = 0
        AND s.state IN ('live', 'stopped') AND s.deliver_from IS NOT NULL
        AND NOT EXISTS (SELECT FROM exceptions e
                         WHERE e.shop_id = o.shop_id AND e.order_sn = o.order_sn AND e.code = 'ship_by_near'
                           AND (o.last_ship_at > at OR e.needs_review))
      GROUP BY o.merchant_id, o.shop_id)
    UNION
    (SELECT e.merchant_id, e.shop_id FROM exceptions e
      WHERE e.code = 'ship_by_near' AND e.resolved_at IS NULL
        AND NOT EXISTS (SELECT FROM orders o
                         WHERE o.merchant_id = e.merchant_id AND o.order_day = e.order_day AND o.id = e.order_id
                           AND o.last_ship_at <= near
                           AND o.to_ship
                           AND o.confirm_status = 1 AND o.refund_status = 1 AND o.risk_control_status = 0)
      GROUP BY e.merchant_id, e.shop_id)
    LIMIT max_rows
$$;
CALL system_function('system_ship_by_shops(timestamptz, timestamptz, integer)');

-- Imports into the platform's stock whose sender is gone. Index platform_uploads_one_open.
CREATE FUNCTION system_stale_uploads(before timestamptz, max_rows integer)
    RETURNS TABLE (merchant_id uuid, sku_id uuid)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT u.merchant_id, u.sku_id FROM platform_uploads u
    WHERE u.state = 'started' AND u.send_deadline < before ORDER BY u.send_deadline LIMIT max_rows
$$;
CALL system_sees('platform_uploads', 'SELECT');
CALL system_function('system_stale_uploads(timestamptz, integer)');

-- How many of our cards the platform may still hand out for a SKU, as far as we know: imported for it and not linked to
-- an order, less the lines of orders it served with cards of which we could not tell which.
CREATE FUNCTION platform_stock(of_merchant uuid, of_sku uuid, of_pool uuid) RETURNS bigint
    LANGUAGE sql STABLE SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT (SELECT count(*) FROM card_uses u
             WHERE u.merchant_id = of_merchant AND u.pool_id = of_pool AND u.state IN ('uploading', 'at_platform')
               AND EXISTS (SELECT FROM platform_upload_uses x
                             JOIN platform_uploads p ON p.id = x.upload_id AND p.merchant_id = x.merchant_id
                            WHERE x.merchant_id = of_merchant AND x.card_use_id = u.id AND p.sku_id = of_sku
                              AND p.state <> 'failed'))
         - (SELECT coalesce(sum((e.detail ->> 'lines')::bigint - (e.detail ->> 'known')::bigint), 0)::bigint
              FROM exceptions e
              JOIN deliveries d ON d.merchant_id = e.merchant_id AND d.shop_id = e.shop_id AND d.order_sn = e.order_sn
             WHERE e.merchant_id = of_merchant AND e.code = 'link_unresolved' AND e.resolved_at IS NULL
               AND d.sku_id = of_sku AND d.pool_id = of_pool)
$$;
GRANT EXECUTE ON FUNCTION platform_stock(uuid, uuid, uuid) TO kamiflow_app, kamiflow_system;

-- SKUs whose platform stock is to be filled up by itself and is low, while nothing is under way about it and no import
-- into the shop's stock has an unknown outcome. Index sku_mappings_top_up_by_itself.
CREATE FUNCTION system_low_platform_stock(job_name text, max_rows integer)
    RETURNS TABLE (merchant_id uuid, sku_id uuid)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT m.merchant_id, m.sku_id
      FROM sku_mappings m JOIN skus k ON k.id = m.sku_id JOIN shops s ON s.id = k.shop_id
     WHERE m.top_up_below IS NOT NULL AND s.state = 'live'
       AND NOT EXISTS (SELECT FROM jobs j
                        WHERE j.merchant_id = m.merchant_id AND j.name = job_name AND j.key = m.sku_id::text)
       AND NOT EXISTS (SELECT FROM platform_uploads u WHERE u.sku_id = m.sku_id AND u.state = 'started')
       AND NOT EXISTS (SELECT FROM exceptions e
                        WHERE e.code = 'upload_unknown' AND e.shop_id = s.id AND e.resolved_at IS NULL)
       AND EXISTS (SELECT FROM card_uses u WHERE u.pool_id = m.pool_id AND u.state = 'available')
       AND platform_stock(m.merchant_id, m.sku_id, m.pool_id) < m.top_up_below
     LIMIT max_rows
$$;
CALL system_sees('sku_mappings', 'SELECT');
CALL system_sees('skus', 'SELECT');
CALL system_sees('card_uses', 'SELECT');
CALL system_sees('platform_upload_uses', 'SELECT');
CALL system_function('system_low_platform_stock(text, integer)');

CREATE FUNCTION system_merchants() RETURNS TABLE (merchant_id uuid)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT m.id FROM merchants m WHERE m.id <> '00000000-0000-0000-0000-000000000000' ORDER BY m.id
$$;
CALL system_function('system_merchants()');

-- Takes the oldest outbox rows; they are gone when the relay's transaction commits.
-- How many are taken is not known when it is planned: a tenth of all is assumed, for which every portion would read the
-- whole backlog. So the planner is left the way by index only.
CREATE FUNCTION system_outbox_take(max_rows integer)
    RETURNS TABLE (id uuid, at timestamptz, merchant_id uuid, topic text, payload jsonb)
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
    SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    DELETE FROM outbox o USING (
        SELECT p.at, p.id FROM outbox p ORDER BY p.at, p.id LIMIT max_rows FOR UPDATE SKIP LOCKED) taken
    WHERE o.at = taken.at AND o.id = taken.id
    RETURNING o.id, o.at, o.merchant_id, o.topic, o.payload;
END
$$;
-- FOR UPDATE asks for the right to update.
GRANT UPDATE ON outbox TO kamiflow_system;
CALL system_function('system_outbox_take(integer)');

-- Folds deltas into hourly sums; returns how many deltas were folded.
CREATE FUNCTION system_fold_rollups(max_rows integer) RETURNS bigint
    LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
    SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off AS $$
    WITH taken AS (
        DELETE FROM rollup_deltas d USING (
            SELECT p.id FROM rollup_deltas p ORDER BY p.id LIMIT max_rows FOR UPDATE SKIP LOCKED) t
        WHERE d.id = t.id RETURNING d.merchant_id, d.shop_id, d.hour, d.metric, d.n
    ), folded AS (
        INSERT INTO rollups_hourly AS r (merchant_id, shop_id, hour, metric, n)
        SELECT t.merchant_id, t.shop_id, t.hour, t.metric, sum(t.n) FROM taken t
        GROUP BY t.merchant_id, t.shop_id, t.hour, t.metric ORDER BY 1, 2, 4, 3
        ON CONFLICT (merchant_id, shop_id, metric, hour) DO UPDATE SET n = r.n + excluded.n
        RETURNING 1
    )
    SELECT (SELECT count(*) FROM taken) + 0 * (SELECT count(*) FROM folded)
$$;
GRANT UPDATE ON rollup_deltas TO kamiflow_system;
CALL system_function('system_fold_rollups(integer)');

-- Which master keys wrap data keys, how many each, and one of them to try it on.
CREATE FUNCTION system_master_keys() RETURNS TABLE (master_key_id text, n bigint, merchant_id uuid, data_key_id uuid)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT DISTINCT ON (k.master_key_id) k.master_key_id, count(*) OVER (PARTITION BY k.master_key_id), k.merchant_id, k.id
      FROM data_keys k ORDER BY k.master_key_id, k.created_at DESC
$$;
CALL system_sees('data_keys', 'SELECT');
CALL system_function('system_master_keys()');

-- Counts for `kamiflow status`.
CREATE FUNCTION system_status(at timestamptz)
    RETURNS TABLE (name text, n bigint)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT 'shops_' || s.state, count(*) FROM shops s GROUP BY s.state
    UNION ALL SELECT 'shops_overdue', count(*) FROM shop_sync y JOIN shops s ON s.id = y.shop_id
        JOIN applications a ON a.id = s.application_id AND a.state = 'active'
        WHERE s.state IN ('trial_run', 'live') AND y.next_due_at < at - interval '60 seconds'
          AND coalesce(y.breaker_until, at) <= at
    UNION ALL SELECT 'shops_in_breaker', count(*) FROM shop_sync y WHERE y.breaker_until > at
    UNION ALL SELECT 'hints_due', count(*) FROM order_hints h WHERE h.due_at <= at
    UNION ALL SELECT 'deliveries_due', count(*) FROM deliveries d WHERE d.due_at <= at
    UNION ALL SELECT 'redemptions_due', count(*) FROM redemptions r WHERE r.due_at <= at
    UNION ALL SELECT 'stock_waits', count(*) FROM stock_waits
    UNION ALL SELECT 'jobs_parked', count(*) FROM jobs j WHERE j.parked
    UNION ALL SELECT 'applications_stopped', count(*) FROM applications a WHERE a.state = 'stopped'
    UNION ALL SELECT 'applications_denied', count(*) FROM applications a WHERE a.denied_apis <> '{}'
    UNION ALL SELECT 'outbox', count(*) FROM outbox
    UNION ALL SELECT 'tokens_expired', count(*) FROM credentials c WHERE c.expires_at <= at
    UNION ALL SELECT 'tokens_expire_6h', count(*) FROM credentials c WHERE c.expires_at > at AND c.expires_at <= at + interval '6 hours'
    UNION ALL SELECT 'exceptions_' || e.code, count(*) FROM exceptions e WHERE e.resolved_at IS NULL GROUP BY e.code
    UNION ALL SELECT 'needs_review', count(*) FROM exceptions e WHERE e.resolved_at IS NULL AND e.needs_review
$$;
CALL system_function('system_status(timestamptz)');

-- ── Applications: what one shop learns counts for all shops of the application ─────────────────────────────

-- A merchant's transaction cannot write the row of a hosted application. What the platform says about it through
-- one of her shops goes through the two functions below, and nothing else does. They take the shop and find the
-- application themselves, so nobody can name one that no shop of hers is connected through; they take a code and
-- never a text, because other merchants read it; they leave an entry in the owner's audit log that says who told.
-- Nobody can resume through them. What remains is written in docs/adr/0009.
GRANT UPDATE (state, stop_reason, stopped_at, probes, denied_apis) ON applications TO kamiflow_system;
CREATE POLICY system ON audit_log FOR INSERT TO kamiflow_system WITH CHECK (true);
GRANT INSERT ON audit_log TO kamiflow_system;

-- The application of a shop of the transaction's merchant.
CREATE FUNCTION application_of_own_shop(of_shop uuid) RETURNS uuid
    LANGUAGE sql STABLE SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT s.application_id FROM shops s
    WHERE s.id = of_shop AND s.merchant_id = current_merchant() AND s.state IN ('trial_run', 'live')
$$;
REVOKE ALL ON FUNCTION application_of_own_shop(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION application_of_own_shop(uuid) TO kamiflow_system;

-- Stops the application of a shop and plans its first probe: a minute after the first stop, later and later while
-- it is stopped again within an hour of being resumed. Returns whether it was active.
CREATE FUNCTION system_stop_application(of_shop uuid, code integer, at timestamptz) RETURNS boolean
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    stopped applications;
BEGIN
    IF code NOT BETWEEN 1 AND 999999 THEN
        RETURN false;
    END IF;
    UPDATE applications a
       SET state = 'stopped', stop_reason = code::text, stopped_at = at,
           probes = CASE WHEN a.resumed_at > at - interval '1 hour' THEN a.probes + 1 ELSE 0 END
     WHERE a.id = application_of_own_shop(of_shop) AND a.state = 'active'
    RETURNING a.* INTO stopped;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    INSERT INTO jobs AS j (id, merchant_id, name, key, payload, due_at)
    VALUES (gen_random_uuid(), stopped.merchant_id, 'watch_application.v1', stopped.id::text,
            jsonb_build_object('application', stopped.id),
            least(at, now() + interval '1 hour') + least(60 * 2 ^ least(stopped.probes, 6), 3600) * interval '1 second')
    ON CONFLICT ON CONSTRAINT jobs_once DO UPDATE
       SET due_at = excluded.due_at, failures = 0, parked = false;
    INSERT INTO audit_log (id, at, merchant_id, actor, action, target, detail)
    VALUES (gen_random_uuid(), at, stopped.merchant_id, 'engine', 'application.stop', stopped.id::text,
            jsonb_build_object('code', code, 'told_by_merchant', current_merchant(), 'told_by_shop', of_shop));
    RETURN true;
END
$$;
CALL system_function('system_stop_application(uuid, integer, timestamptz)');

-- Remembers that the application of a shop may not call an API. A token may be narrower than its application, so
-- for a hosted application only a shop whose token is known to name the API can tell. Returns whether it is new.
CREATE FUNCTION system_deny_api(of_shop uuid, api text, at timestamptz) RETURNS boolean
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    denied applications;
BEGIN
    IF api !~ '^pdd(\.[a-z0-9_]+){1,8}$' OR length(api) > 100 THEN
        RETURN false;
    END IF;
    UPDATE applications a SET denied_apis = a.denied_apis || api
     WHERE a.id = application_of_own_shop(of_shop) AND NOT a.denied_apis @> ARRAY[api]
       AND cardinality(a.denied_apis) < 64
       AND EXISTS (
            SELECT FROM credentials c WHERE c.shop_id = of_shop AND c.merchant_id = current_merchant()
               AND (c.scopes @> ARRAY[api] OR (c.scopes = '{}' AND a.merchant_id = current_merchant())))
    RETURNING a.* INTO denied;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    INSERT INTO audit_log (id, at, merchant_id, actor, action, target, detail)
    VALUES (gen_random_uuid(), at, denied.merchant_id, 'engine', 'application.deny_api', denied.id::text,
            jsonb_build_object('api', api, 'told_by_merchant', current_merchant(), 'told_by_shop', of_shop));
    RETURN true;
END
$$;
CALL system_function('system_deny_api(uuid, text, timestamptz)');

-- Whom a resumed application wakes.
CREATE FUNCTION system_shops_of_application(of_application uuid)
    RETURNS TABLE (merchant_id uuid, shop_id uuid)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT s.merchant_id, s.id FROM shops s
    WHERE s.application_id = of_application AND s.state IN ('trial_run', 'live') ORDER BY s.merchant_id, s.id
$$;
CALL system_function('system_shops_of_application(uuid)');

-- Applications of all merchants, for the operator.
CREATE FUNCTION system_applications()
    RETURNS TABLE (merchant_id uuid, application_id uuid, gateway text, client_id text, state text, stop_reason text,
                   stopped_at timestamptz, denied_apis text[], shops bigint)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT a.merchant_id, a.id, a.gateway, a.client_id, a.state, a.stop_reason, a.stopped_at, a.denied_apis,
           (SELECT count(*) FROM shops s WHERE s.application_id = a.id AND s.state <> 'disconnected')
    FROM applications a ORDER BY a.merchant_id, a.created_at, a.id
$$;
CALL system_function('system_applications()');

-- Whether the partitions reach as far ahead as they must; names what is missing.
CREATE FUNCTION missing_partitions(months integer) RETURNS TABLE (partition text)
    LANGUAGE sql STABLE SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT p.parent || '_' || to_char(date_trunc('month', now()) + make_interval(months => n), 'YYYYMM')
    FROM (VALUES ('orders'), ('order_events'), ('outbox'), ('audit_log')) p (parent), generate_series(0, months) n
    WHERE to_regclass(p.parent || '_' || to_char(date_trunc('month', now()) + make_interval(months => n), 'YYYYMM')) IS NULL
$$;
GRANT EXECUTE ON FUNCTION missing_partitions(integer) TO kamiflow_app;
