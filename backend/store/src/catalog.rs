//! What the database says about itself: roles, policies, functions, settings, its clock. For `kamiflow doctor`.
//!
//! Everything here is read from Postgres' catalog, which hides no rows; no tenant's row is touched.

use chrono::{DateTime, Utc};
use diesel::QueryableByName;
use diesel::sql_types::{Array, Bool, Integer, Nullable, Text, Timestamptz};
use diesel_async::RunQueryDsl;

use crate::error::StoreError;
use crate::sql::sql;
use crate::tx::SystemTx;

/// What a table that holds merchants' rows is protected by.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
pub struct TenantTable {
    /// The table.
    #[diesel(sql_type = Text)]
    pub name: String,
    /// Whether it is a part of another one, whose policies then hold.
    #[diesel(sql_type = Bool)]
    pub is_partition: bool,
    /// Whether row-level security is on.
    #[diesel(sql_type = Bool)]
    pub enabled: bool,
    /// Whether it holds for the table's owner as well.
    #[diesel(sql_type = Bool)]
    pub forced: bool,
    /// Whether the policy `tenant` binds this session's role to its merchant, for reading and for writing.
    #[diesel(sql_type = Bool)]
    pub bound: bool,
    /// Other policies that show rows to this session's role.
    #[diesel(sql_type = Array<Text>)]
    pub windows: Vec<String>,
}

/// A role of the product.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
pub struct Role {
    /// Its name.
    #[diesel(sql_type = Text)]
    pub name: String,
    /// Whether this session is it.
    #[diesel(sql_type = Bool)]
    pub is_ours: bool,
    /// Whether it may do everything.
    #[diesel(sql_type = Bool)]
    pub superuser: bool,
    /// Whether policies do not bind it.
    #[diesel(sql_type = Bool)]
    pub bypasses: bool,
    /// Whether it can log in.
    #[diesel(sql_type = Bool)]
    pub logs_in: bool,
    /// The roles it is a member of.
    #[diesel(sql_type = Array<Text>)]
    pub member_of: Vec<String>,
}

/// A function that runs with its owner's rights.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
pub struct DefinerFunction {
    /// The function with its arguments.
    #[diesel(sql_type = Text)]
    pub name: String,
    /// Whose rights it has.
    #[diesel(sql_type = Text)]
    pub owner: String,
    /// Where it looks names up, if it says so.
    #[diesel(sql_type = Nullable<Text>)]
    pub search_path: Option<String>,
    /// Whether everybody may call it.
    #[diesel(sql_type = Bool)]
    pub public: bool,
}

/// The server.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
pub struct Server {
    /// Its version, 150004 for 15.4.
    #[diesel(sql_type = Integer)]
    pub version: i32,
    /// Its clock.
    #[diesel(sql_type = Timestamptz)]
    pub now: DateTime<Utc>,
    /// Settings that let a crash forget commits.
    #[diesel(sql_type = Array<Text>)]
    pub forgetful: Vec<String>,
}

/// Lists the tables that have a merchant's column, and their partitions.
///
/// # Errors
/// When the statement fails.
pub async fn list_tenant_tables(tx: &mut SystemTx) -> Result<Vec<TenantTable>, StoreError> {
    Ok(sql("SELECT c.relname::text AS name, c.relispartition AS is_partition, c.relrowsecurity AS enabled,
                   c.relforcerowsecurity AS forced,
                   EXISTS (SELECT FROM pg_policies p
                            WHERE p.schemaname = 'public' AND p.tablename = c.relname AND p.policyname = 'tenant'
                              AND p.permissive = 'PERMISSIVE' AND p.cmd = 'ALL' AND p.roles = ARRAY[current_user]
                              AND p.qual = '(merchant_id = ( SELECT current_merchant() AS current_merchant))'
                              AND p.with_check = p.qual) AS bound,
                   ARRAY(SELECT p.policyname::text FROM pg_policies p
                          WHERE p.schemaname = 'public' AND p.tablename = c.relname AND p.policyname <> 'tenant'
                            AND p.permissive = 'PERMISSIVE' AND p.roles && ARRAY[current_user, 'public']
                          ORDER BY 1) AS windows
              FROM pg_class c
             WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
               AND EXISTS (SELECT FROM pg_attribute a
                            WHERE a.attrelid = c.oid AND a.attname = 'merchant_id' AND NOT a.attisdropped)
             ORDER BY c.relname")
    .load(tx.conn()?)
    .await?)
}

/// Lists the roles of the product, and this session's own.
///
/// # Errors
/// When the statement fails.
pub async fn list_roles(tx: &mut SystemTx) -> Result<Vec<Role>, StoreError> {
    Ok(sql("SELECT r.rolname::text AS name, r.rolname = current_user AS is_ours, r.rolsuper AS superuser,
                   r.rolbypassrls AS bypasses, r.rolcanlogin AS logs_in,
                   ARRAY(SELECT g.rolname::text FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid
                          WHERE m.member = r.oid ORDER BY 1) AS member_of
              FROM pg_roles r
             WHERE r.rolname IN ('kamiflow_owner', 'kamiflow_app', 'kamiflow_system', 'kamiflow_backup', current_user)
             ORDER BY r.rolname")
    .load(tx.conn()?)
    .await?)
}

/// Lists the functions that run with their owner's rights.
///
/// # Errors
/// When the statement fails.
pub async fn list_definer_functions(tx: &mut SystemTx) -> Result<Vec<DefinerFunction>, StoreError> {
    Ok(sql("SELECT p.oid::regprocedure::text AS name, pg_get_userbyid(p.proowner)::text AS owner,
                   (SELECT substr(s, 13) FROM unnest(p.proconfig) s WHERE s LIKE 'search_path=%') AS search_path,
                   EXISTS (SELECT FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
                            WHERE a.grantee = 0) AS public
              FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace AND p.prosecdef ORDER BY 1")
    .load(tx.conn()?)
    .await?)
}

/// Lists rights that this session's role has and must not: to change history, or to empty any table.
///
/// # Errors
/// When the statement fails.
pub async fn list_excessive_rights(tx: &mut SystemTx) -> Result<Vec<String>, StoreError> {
    #[derive(QueryableByName)]
    struct Right {
        #[diesel(sql_type = Text)]
        right: String,
    }
    let rows: Vec<Right> = sql("SELECT w.what || ' on ' || c.relname AS right
              FROM pg_class c
              CROSS JOIN LATERAL (VALUES ('UPDATE'), ('DELETE'), ('TRUNCATE')) w (what)
             WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
               AND (w.what = 'TRUNCATE' OR c.relname IN ('card_ledger', 'card_ledger_roots', 'audit_log', 'order_events',
                                                         'instance', 'card_use_transitions', 'order_transitions',
                                                         'verification_looks', 'audit_heads'))
               AND has_table_privilege(c.oid, w.what)
             ORDER BY 1")
    .load(tx.conn()?)
    .await?;
    Ok(rows.into_iter().map(|row| row.right).collect())
}

/// Reads the server's version, clock, and how much it forgets.
///
/// # Errors
/// When the statement fails.
pub async fn fetch_server(tx: &mut SystemTx) -> Result<Server, StoreError> {
    Ok(sql("SELECT current_setting('server_version_num')::integer AS version, clock_timestamp() AS now,
                   ARRAY(SELECT s.name || ' = ' || s.setting FROM pg_settings s
                          WHERE s.name IN ('fsync', 'full_page_writes', 'synchronous_commit') AND s.setting = 'off'
                          ORDER BY 1) AS forgetful")
    .get_result(tx.conn()?)
    .await?)
}
