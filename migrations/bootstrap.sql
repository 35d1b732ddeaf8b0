-- Run once by a superuser inside the new database, before the first `kamiflow migrate`. Safe to run again.
--
-- kamiflow_owner   owns the schema; runs migrations. Forced row-level security hides tenants' rows from it too.
-- kamiflow_app     the server and the workers. Sees one merchant per transaction.
-- kamiflow_system  no log-in; owns the few SECURITY DEFINER functions that look across merchants.
-- kamiflow_backup  reads everything through explicit policies; used by pg_dump.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'kamiflow_owner') THEN
        CREATE ROLE kamiflow_owner LOGIN NOINHERIT NOSUPERUSER NOBYPASSRLS;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'kamiflow_app') THEN
        CREATE ROLE kamiflow_app LOGIN NOINHERIT NOSUPERUSER NOBYPASSRLS;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'kamiflow_system') THEN
        CREATE ROLE kamiflow_system NOLOGIN NOINHERIT NOSUPERUSER NOBYPASSRLS;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'kamiflow_backup') THEN
        CREATE ROLE kamiflow_backup LOGIN NOINHERIT NOSUPERUSER NOBYPASSRLS;
    END IF;
END
$$;

-- The owner hands functions over to kamiflow_system; NOINHERIT keeps it from seeing what that role sees.
GRANT kamiflow_system TO kamiflow_owner;

-- Through pg_database_owner the schema would be out of reach for a role that inherits nothing.
ALTER SCHEMA public OWNER TO kamiflow_owner;

-- A temporary table could stand in for a table of ours inside a function that looks it up by its bare name.
DO $$
BEGIN
    EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC', current_database());
END
$$;
