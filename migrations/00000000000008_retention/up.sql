-- Partitions ahead of time, and the end of what nobody needs any more (ADR 0010).
--
-- What the application may have removed is written here, not decided by it: each class has a least age by the
-- database's own clock, so neither a wrong setting nor a wrong clock nor plain SQL as the application removes anything
-- younger. What was never anybody's record but a trace (events, outbox, proofs, sums) goes by functions it may call.
-- History (orders, audit log) goes by a function that only the owner may call.

-- ── Month partitions ────────────────────────────────────────────────────────────────────────────────────────

-- One at a time deals with partitions; the others wait for it, and afterwards ask for tables with little patience, so that
-- nobody's work queues behind them.
CREATE FUNCTION take_partitions_lock() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('lock_timeout', '15s', true), set_config('app.migration', 'on', true);
    PERFORM pg_advisory_xact_lock(hashtext('kamiflow.partitions'));
    PERFORM set_config('lock_timeout', '2s', true);
END
$$;
REVOKE ALL ON FUNCTION take_partitions_lock() FROM PUBLIC;

-- Creates one month's partition unless it is there. Rows that came while it was missing lie in the default partition
-- and would keep it from being attached for ever, so they are moved. Nothing waits long: attaching takes a lock on the
-- default partition, and gives up after two seconds rather than let everybody queue behind it.
CREATE FUNCTION make_month_partition(parent text, month date) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    start date := date_trunc('month', month);
    finish date := start + interval '1 month';
    part text := format('%s_%s', parent, to_char(start, 'YYYYMM'));
    place text := CASE parent WHEN 'orders' THEN 'order_day' ELSE 'at' END;
    span text := format('%I >= %L AND %I < %L', place, start, place, finish);
    own text;
BEGIN
    IF to_regclass('public.' || quote_ident(part)) IS NOT NULL THEN
        RETURN NULL;
    END IF;
    -- Two at once: the second finds it made.
    PERFORM take_partitions_lock();
    -- A query, not to_regclass: that may remember from before the lock that there was no such table.
    IF EXISTS (SELECT FROM pg_class c WHERE c.relname = part AND c.relnamespace = 'public'::regnamespace) THEN
        RETURN NULL;
    END IF;
    EXECUTE format('CREATE TABLE public.%I (LIKE %I INCLUDING ALL)', part, parent);
    IF parent = 'orders' THEN
        -- Orders change several times within minutes: room for that on their own pages.
        EXECUTE format('ALTER TABLE public.%I SET (fillfactor = 60)', part);
    END IF;
    EXECUTE format('LOCK TABLE %I IN ACCESS EXCLUSIVE MODE', parent || '_default');
    -- Through the parent: its policies let the owner see rows, a partition alone has none.
    -- Generated columns are made anew.
    SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) INTO own FROM pg_attribute a
     WHERE a.attrelid = parent::regclass AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '';
    EXECUTE format('INSERT INTO public.%I (%s) SELECT %s FROM %I WHERE %s', part, own, own, parent, span);
    EXECUTE format('DELETE FROM %I WHERE %s', parent, span);
    EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', parent, part, start, finish);
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', part);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', part);
    CALL public.plan_for_large_merchants(format('public.%I', part)::regclass);
    -- pg_dump reads partitions by themselves.
    CALL public.backup_reads(format('public.%I', part)::regclass);
    RETURN part;
END
$$;
REVOKE ALL ON FUNCTION make_month_partition(text, date) FROM PUBLIC;

-- Makes the partitions that should be there: orders four months back, because the platform is asked about 90 days, and
-- everything three months ahead. Returns what it made. The caller's clock may differ from the database's by a year.
CREATE FUNCTION retention_make_partitions(today date) RETURNS SETOF text
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF today NOT BETWEEN current_date - 370 AND current_date + 370 THEN
        RAISE EXCEPTION 'today is not %', today USING ERRCODE = 'check_violation';
    END IF;
    RETURN QUERY
        SELECT made.part
          FROM (VALUES ('orders', -4), ('order_events', 0), ('outbox', 0), ('audit_log', 0)) p (parent, first),
               generate_series(p.first, 3) n,
               LATERAL make_month_partition(p.parent, (today + make_interval(months => n))::date) made (part)
         WHERE made.part IS NOT NULL;
END
$$;
REVOKE ALL ON FUNCTION retention_make_partitions(date) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION retention_make_partitions(date) TO kamiflow_app;

-- The least age of what may go, days. The platform is asked about 90 days; an after-sale may come later.
CREATE FUNCTION retention_floor(class text) RETURNS integer LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE class
        WHEN 'outbox' THEN 7 WHEN 'order_hints' THEN 7 WHEN 'payloads' THEN 30 WHEN 'coverage' THEN 100
        WHEN 'order_events' THEN 180 WHEN 'rollups' THEN 180 WHEN 'orders' THEN 365 WHEN 'audit_log' THEN 365 END
$$;
REVOKE ALL ON FUNCTION retention_floor(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION retention_floor(text) TO kamiflow_app, kamiflow_system;

-- Month partitions that lie before a moment, and before the least age of their class, oldest first. Reads the catalog.
CREATE FUNCTION retention_old_partitions(parent text, before date)
    RETURNS TABLE (partition text, bytes bigint)
    LANGUAGE sql STABLE SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT c.relname::text, pg_total_relation_size(c.oid)
      FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
     WHERE i.inhparent = to_regclass('public.' || quote_ident(parent))
       AND c.relname ~ ('^' || parent || '_[0-9]{6}$')
       AND to_date(right(c.relname, 6), 'YYYYMM') + interval '1 month'
           <= least(before, current_date - retention_floor(parent))
     ORDER BY c.relname
$$;
REVOKE ALL ON FUNCTION retention_old_partitions(text, date) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION retention_old_partitions(text, date) TO kamiflow_app;

-- Orders that something is still to happen about. Whatever belongs to one of them stays.
CREATE VIEW unsettled_orders WITH (security_invoker = true) AS
    SELECT o.merchant_id, o.order_day, o.id AS order_id FROM orders o
     WHERE o.state NOT IN ('skipped', 'redeemed', 'done', 'shipped_elsewhere', 'closed_refunded', 'closed_cancelled')
    UNION
    SELECT e.merchant_id, e.order_day, e.order_id FROM exceptions e
     WHERE e.resolved_at IS NULL AND e.order_id IS NOT NULL
    UNION
    SELECT d.merchant_id, d.order_day, d.order_id FROM deliveries d
     WHERE d.state IN ('pending', 'reserved', 'handing_over')
    UNION
    SELECT d.merchant_id, d.order_day, d.order_id
      FROM delivery_attempts a JOIN deliveries d ON d.merchant_id = a.merchant_id AND d.id = a.delivery_id
     WHERE a.state IN ('planned', 'started', 'unknown')
    UNION
    SELECT r.merchant_id, r.order_day, r.order_id FROM redemptions r
     WHERE r.state IN ('waiting', 'awaiting_approval', 'calling')
    UNION
    SELECT d.merchant_id, d.order_day, d.order_id
      FROM charge_requests c JOIN deliveries d ON d.merchant_id = c.merchant_id AND d.id = c.delivery_id
     WHERE c.state = 'waiting';
GRANT SELECT ON unsettled_orders TO kamiflow_system;

-- Drops one old partition of events. Events of unsettled orders are kept: they move to the default partition, and go
-- from there when their order is settled. What is kept is read before anything is locked (nobody writes so far back),
-- so the lock on the parent lasts for moments. A partition with more of them than a transaction should move stays.
CREATE FUNCTION drop_event_partition(part text, OUT kept bigint, OUT stays boolean) LANGUAGE plpgsql AS $$
DECLARE
    start date := to_date(right(part, 6), 'YYYYMM');
    living order_events[];
BEGIN
    -- Through the parent: a partition alone has no policies, and forced row-level security hides all of it.
    SELECT array_agg(e) INTO living
      FROM order_events e JOIN unsettled_orders u
        ON u.order_day = e.order_day AND u.order_id = e.order_id AND u.merchant_id = e.merchant_id
     WHERE e.at >= start AND e.at < start + interval '1 month';
    kept := coalesce(cardinality(living), 0);
    stays := kept > 200000;
    IF stays THEN
        RETURN;
    END IF;
    EXECUTE format('ALTER TABLE order_events DETACH PARTITION %I', part);
    INSERT INTO order_events SELECT k.* FROM unnest(living) k;
    EXECUTE format('DROP TABLE %I', part);
END
$$;
REVOKE ALL ON FUNCTION drop_event_partition(text) FROM PUBLIC;

-- Drops the oldest partition of traces that is due and lies behind one; returns its name, how many rows were kept, and
-- whether all of it stays because they are too many; or nothing.
CREATE FUNCTION retention_drop_traces(parent text, before date, after text)
    RETURNS TABLE (partition text, kept bigint, stays boolean)
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF parent NOT IN ('order_events', 'outbox') THEN
        RAISE EXCEPTION 'partitions of % are dropped by the owner only', parent USING ERRCODE = 'insufficient_privilege';
    END IF;
    PERFORM take_partitions_lock();
    SELECT o.partition INTO partition FROM retention_old_partitions(parent, before) o WHERE o.partition > after LIMIT 1;
    IF partition IS NULL THEN
        RETURN;
    END IF;
    IF parent = 'order_events' THEN
        SELECT d.kept, d.stays INTO kept, stays FROM drop_event_partition(partition) d;
    ELSE
        -- Live pages were told, or have read the state since.
        EXECUTE format('ALTER TABLE outbox DETACH PARTITION %I', partition);
        EXECUTE format('DROP TABLE %I', partition);
        kept := 0;
        stays := false;
    END IF;
    RETURN NEXT;
END
$$;
REVOKE ALL ON FUNCTION retention_drop_traces(text, date, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION retention_drop_traces(text, date, text) TO kamiflow_app;

-- Events that were kept for an order which is settled now. Nothing else old is in the default partition.
CREATE FUNCTION retention_drop_kept_events(before timestamptz, max_rows integer) RETURNS bigint
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    gone bigint;
BEGIN
    PERFORM set_config('app.migration', 'on', true);
    WITH due AS (
        SELECT e.at, e.id FROM order_events e
         WHERE e.tableoid = 'order_events_default'::regclass AND e.at < least(before, now() - make_interval(days => retention_floor('order_events')))
           AND NOT EXISTS (SELECT FROM unsettled_orders u WHERE u.order_day = e.order_day AND u.order_id = e.order_id
                              AND u.merchant_id = e.merchant_id)
         LIMIT max_rows)
    DELETE FROM order_events e USING due WHERE e.at = due.at AND e.id = due.id;
    GET DIAGNOSTICS gone = ROW_COUNT;
    RETURN gone;
END
$$;
REVOKE ALL ON FUNCTION retention_drop_kept_events(timestamptz, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION retention_drop_kept_events(timestamptz, integer) TO kamiflow_app;

-- Drops the oldest partition of history that is due. Orders go only when all of the month's are settled; otherwise the
-- partition stays, and `kept` says how many are not. Only the owner can call it, and only the owner's rights do it.
CREATE FUNCTION retention_drop_history(parent text, before date, after text)
    RETURNS TABLE (partition text, kept bigint, stays boolean)
    LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    start date;
BEGIN
    IF parent NOT IN ('orders', 'audit_log') THEN
        RAISE EXCEPTION '% is not history', parent USING ERRCODE = 'check_violation';
    END IF;
    PERFORM take_partitions_lock();
    SELECT o.partition INTO partition FROM retention_old_partitions(parent, before) o WHERE o.partition > after LIMIT 1;
    IF partition IS NULL THEN
        RETURN;
    END IF;
    kept := 0;
    IF parent = 'orders' THEN
        -- The lock keeps an order of the month from becoming unsettled meanwhile.
        EXECUTE format('LOCK TABLE %I IN SHARE ROW EXCLUSIVE MODE', partition);
        start := to_date(right(partition, 6), 'YYYYMM');
        SELECT count(*) INTO kept
          FROM orders o JOIN unsettled_orders u
            ON u.order_day = o.order_day AND u.order_id = o.id AND u.merchant_id = o.merchant_id
         WHERE o.order_day >= start AND o.order_day < start + interval '1 month';
    END IF;
    stays := kept > 0;
    IF NOT stays THEN
        EXECUTE format('ALTER TABLE %I DETACH PARTITION %I', parent, partition);
        EXECUTE format('DROP TABLE %I', partition);
    END IF;
    RETURN NEXT;
END
$$;
REVOKE ALL ON FUNCTION retention_drop_history(text, date, text) FROM PUBLIC;

-- ── Rows ────────────────────────────────────────────────────────────────────────────────────────────────────
-- Each removes at most so many rows, or with `apply` false only counts them, and returns how many.

GRANT DELETE ON coverage, rollups_hourly, order_hints TO kamiflow_system;

-- Proofs of what was read, older than the platform answers. The latest span of a shop stays, and all spans of a shop
-- with an open gap: it shows between its neighbors only. Index coverage_of_shop.
CREATE FUNCTION system_prune_coverage(before timestamptz, max_rows integer, apply boolean) RETURNS bigint
    LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    WITH due AS (
        SELECT c.id FROM coverage c
         WHERE c.to_at < least(before, now() - make_interval(days => retention_floor('coverage')))
           AND EXISTS (SELECT FROM coverage later WHERE later.shop_id = c.shop_id AND later.kind = c.kind
                          AND later.from_at > c.from_at)
           AND NOT EXISTS (SELECT FROM exceptions e WHERE e.merchant_id = c.merchant_id AND e.shop_id = c.shop_id
                              AND e.code = 'coverage_gap' AND e.resolved_at IS NULL)
         LIMIT max_rows),
    gone AS (DELETE FROM coverage c USING due WHERE apply AND c.id = due.id RETURNING 1)
    SELECT CASE WHEN apply THEN (SELECT count(*) FROM gone) ELSE (SELECT count(*) FROM due) END
$$;
CALL system_function('system_prune_coverage(timestamptz, integer, boolean)');

CREATE FUNCTION system_prune_rollups(before timestamptz, max_rows integer, apply boolean) RETURNS bigint
    LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    WITH due AS (
        SELECT r.merchant_id, r.shop_id, r.metric, r.hour FROM rollups_hourly r
         WHERE r.hour < least(before, now() - make_interval(days => retention_floor('rollups'))) LIMIT max_rows),
    gone AS (DELETE FROM rollups_hourly r USING due
              WHERE apply AND (r.merchant_id, r.shop_id, r.metric, r.hour)
                            = (due.merchant_id, due.shop_id, due.metric, due.hour) RETURNING 1)
    SELECT CASE WHEN apply THEN (SELECT count(*) FROM gone) ELSE (SELECT count(*) FROM due) END
$$;
CALL system_function('system_prune_rollups(timestamptz, integer, boolean)');

-- Hints of disconnected shops: nobody will ever read those orders.
CREATE FUNCTION system_prune_hints(before timestamptz, max_rows integer, apply boolean) RETURNS bigint
    LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    WITH due AS (
        SELECT h.shop_id, h.order_sn FROM order_hints h JOIN shops s ON s.id = h.shop_id
         WHERE s.state = 'disconnected'
           AND h.dirty_since < least(before, now() - make_interval(days => retention_floor('order_hints')))
         LIMIT max_rows),
    gone AS (DELETE FROM order_hints h USING due
              WHERE apply AND h.shop_id = due.shop_id AND h.order_sn = due.order_sn RETURNING 1)
    SELECT CASE WHEN apply THEN (SELECT count(*) FROM gone) ELSE (SELECT count(*) FROM due) END
$$;
CALL system_function('system_prune_hints(timestamptz, integer, boolean)');

-- Empties the sealed payload of attempts that can never be sent again: the delivery is delivered, all of its attempts
-- have an outcome, and nothing is open about its order. The payload's hash stays.
CREATE FUNCTION system_forget_payloads(before timestamptz, max_rows integer, apply boolean) RETURNS bigint
    LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    WITH due AS (
        SELECT a.merchant_id, a.id FROM delivery_attempts a
          JOIN deliveries d ON d.id = a.delivery_id AND d.merchant_id = a.merchant_id
         WHERE a.created_at < least(before, now() - make_interval(days => retention_floor('payloads')))
           AND octet_length(a.payload_sealed) > 0
           AND d.state = 'delivered' AND d.delivered_at < least(before, now() - make_interval(days => retention_floor('payloads')))
           AND NOT EXISTS (SELECT FROM delivery_attempts b WHERE b.merchant_id = d.merchant_id AND b.delivery_id = d.id
                              AND b.state IN ('planned', 'started', 'unknown'))
           AND NOT EXISTS (SELECT FROM exceptions e WHERE e.merchant_id = d.merchant_id AND e.shop_id = d.shop_id
                              AND e.order_sn = d.order_sn AND e.resolved_at IS NULL)
           AND NOT EXISTS (SELECT FROM orders o WHERE o.merchant_id = d.merchant_id AND o.order_day = d.order_day
                              AND o.id = d.order_id AND o.state NOT IN
                              ('redeemed', 'done', 'shipped_elsewhere', 'closed_refunded', 'closed_cancelled'))
         LIMIT max_rows),
    gone AS (UPDATE delivery_attempts a SET payload_sealed = '' FROM due
              WHERE apply AND a.merchant_id = due.merchant_id AND a.id = due.id RETURNING 1)
    SELECT CASE WHEN apply THEN (SELECT count(*) FROM gone) ELSE (SELECT count(*) FROM due) END
$$;
CALL system_sees('delivery_attempts', 'SELECT');
GRANT UPDATE (payload_sealed) ON delivery_attempts TO kamiflow_system;
CALL system_function('system_forget_payloads(timestamptz, integer, boolean)');
-- Finds them without reading what was emptied before.
CREATE INDEX delivery_attempts_with_payload ON delivery_attempts (created_at) WHERE octet_length(payload_sealed) > 0;
