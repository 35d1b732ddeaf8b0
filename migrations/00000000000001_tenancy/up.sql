-- Merchants, their data keys, and the machinery every tenant table shares.

REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO kamiflow_app, kamiflow_system, kamiflow_backup;
-- ALTER FUNCTION … OWNER TO needs it; nothing can log in as kamiflow_system.
GRANT CREATE ON SCHEMA public TO kamiflow_system;

-- Which merchant the transaction belongs to. After a transaction the setting is '' and not NULL.
CREATE FUNCTION current_merchant() RETURNS uuid
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$ SELECT nullif(current_setting('app.merchant_id', true), '')::uuid $$;
GRANT EXECUTE ON FUNCTION current_merchant() TO kamiflow_app, kamiflow_system;

-- Plans are made for a merchant, and a shop, that has a hundredth of all rows, not for the average one: to read all rows
-- of an average merchant looks cheaper than a probe per row that is wanted, and is ruin for a large one. A prepared
-- statement's plan serves both.
CREATE PROCEDURE plan_for_large_merchants(target regclass) LANGUAGE plpgsql AS $$
DECLARE
    owner name;
BEGIN
    FOR owner IN SELECT a.attname FROM pg_attribute a WHERE a.attrelid = target AND a.attname IN ('merchant_id', 'shop_id') LOOP
        EXECUTE format('ALTER TABLE %s ALTER COLUMN %I SET (n_distinct = 100, n_distinct_inherited = 100)', target, owner);
    END LOOP;
END
$$;
REVOKE ALL ON PROCEDURE plan_for_large_merchants(regclass) FROM PUBLIC;

-- Makes a table a tenant's: row-level security, forced, for its owner too; the application sees the
-- transaction's merchant, the backup sees everything, a data migration runs as owner under app.migration = 'on'.
CREATE PROCEDURE tenant_table(target regclass, app_grants text) LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', target);
    EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', target);
    EXECUTE format('CREATE POLICY tenant ON %s TO kamiflow_app
        USING (merchant_id = (SELECT current_merchant())) WITH CHECK (merchant_id = (SELECT current_merchant()))', target);
    EXECUTE format('CREATE POLICY data_migration ON %s TO kamiflow_owner
        USING (current_setting(''app.migration'', true) = ''on'') WITH CHECK (current_setting(''app.migration'', true) = ''on'')', target);
    EXECUTE format('CREATE POLICY backup ON %s FOR SELECT TO kamiflow_backup USING (true)', target);
    EXECUTE format('GRANT SELECT ON %s TO kamiflow_backup', target);
    EXECUTE format('GRANT %s ON %s TO kamiflow_app', app_grants, target);
    CALL plan_for_large_merchants(target);
END
$$;
REVOKE ALL ON PROCEDURE tenant_table(regclass, text) FROM PUBLIC;

-- Lets the backup read a partition by itself, as pg_dump does: policies and grants of the parent do not reach it.
CREATE PROCEDURE backup_reads(target regclass) LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('CREATE POLICY backup ON %s FOR SELECT TO kamiflow_backup USING (true)', target);
    EXECUTE format('GRANT SELECT ON %s TO kamiflow_backup', target);
END
$$;
REVOKE ALL ON PROCEDURE backup_reads(regclass) FROM PUBLIC;

-- Lets kamiflow_system's functions see a table, with the commands named.
CREATE PROCEDURE system_sees(target regclass, commands text) LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('CREATE POLICY system ON %s TO kamiflow_system USING (true) WITH CHECK (true)', target);
    EXECUTE format('GRANT %s ON %s TO kamiflow_system', commands, target);
END
$$;
REVOKE ALL ON PROCEDURE system_sees(regclass, text) FROM PUBLIC;

-- Hands a function to kamiflow_system: it runs with that role's rights, callable by the application only.
-- One that runs with every request or many times a second is PL/pgSQL, which plans once per connection: the body of a SQL
-- function is planned anew by each statement that calls it, and that takes longer than a look into an index.
CREATE PROCEDURE system_function(target regprocedure) LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', target);
    EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO kamiflow_app', target);
    EXECUTE format('ALTER FUNCTION %s OWNER TO kamiflow_system', target);
END
$$;
REVOKE ALL ON PROCEDURE system_function(regprocedure) FROM PUBLIC;

-- One row: which incarnation of the data this is. A restore raises the epoch, for people: two restores of one backup
-- have the same. The incarnation is drawn anew by each.
CREATE TABLE instance (
    only_row boolean PRIMARY KEY DEFAULT true CONSTRAINT instance_one_row CHECK (only_row),
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    epoch bigint NOT NULL DEFAULT 1,
    incarnation uuid NOT NULL DEFAULT gen_random_uuid(),
    created_at timestamptz NOT NULL DEFAULT now(),
    -- The latest restore: the moment the backup shows, and when it was restored.
    restored_snapshot_at timestamptz,
    restored_at timestamptz,
    CONSTRAINT instance_restored_has_snapshot CHECK ((restored_at IS NULL) = (restored_snapshot_at IS NULL))
);
INSERT INTO instance DEFAULT VALUES;
GRANT SELECT ON instance TO kamiflow_app, kamiflow_backup;

CREATE TABLE merchants (
    id uuid PRIMARY KEY,
    -- Equal to id: every tenant table has the column, so that one policy fits all.
    merchant_id uuid GENERATED ALWAYS AS (id) STORED,
    name text NOT NULL CONSTRAINT merchants_name_length CHECK (char_length(name) BETWEEN 1 AND 120),
    poll_floor_s integer NOT NULL DEFAULT 15 CONSTRAINT merchants_poll_floor CHECK (poll_floor_s BETWEEN 1 AND 300),
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (merchant_id, id)
);
CALL tenant_table('merchants', 'SELECT, INSERT, UPDATE');

-- Owner of hosted applications and system keys (MerchantId::PLATFORM).
SET LOCAL app.migration = 'on';
INSERT INTO merchants (id, name) VALUES ('00000000-0000-0000-0000-000000000000', 'platform');

-- One live data key per merchant seals its secrets; master keys of the key ring wrap data keys.
CREATE TABLE data_keys (
    id uuid PRIMARY KEY,
    merchant_id uuid NOT NULL REFERENCES merchants (id),
    master_key_id text NOT NULL,
    -- The master key that was active when the key was made: a re-seal exchanges keys made under another one, once.
    made_under text NOT NULL DEFAULT '',
    wrapped bytea NOT NULL,
    active boolean NOT NULL DEFAULT true,
    created_at timestamptz NOT NULL DEFAULT now(),
    rewrapped_at timestamptz,
    UNIQUE (merchant_id, id)
);
CREATE UNIQUE INDEX data_keys_one_active ON data_keys (merchant_id) WHERE active;
CALL tenant_table('data_keys', 'SELECT, INSERT, UPDATE');
-- Hosted applications are sealed with the platform's key, which every merchant's worker must unwrap.
CREATE POLICY platform_keys ON data_keys FOR SELECT TO kamiflow_app
    USING (merchant_id = '00000000-0000-0000-0000-000000000000');

-- Pauses take effect before the next hand-over; a row is a pause, its end is a deletion that the audit log keeps.
CREATE TABLE pauses (
    id uuid PRIMARY KEY,
    merchant_id uuid NOT NULL REFERENCES merchants (id),
    scope text NOT NULL CONSTRAINT pauses_scope CHECK (scope IN ('merchant', 'shop', 'sku', 'pool', 'batch')),
    -- The merchant itself, or the shop, SKU, pool or batch.
    target_id uuid NOT NULL,
    work text NOT NULL CONSTRAINT pauses_work CHECK (work IN ('delivery', 'redemption')),
    reason text NOT NULL CONSTRAINT pauses_reason_length CHECK (char_length(reason) <= 500),
    ends_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (merchant_id, id),
    CONSTRAINT pauses_once UNIQUE (merchant_id, scope, target_id, work)
);
CALL tenant_table('pauses', 'SELECT, INSERT, UPDATE, DELETE');
