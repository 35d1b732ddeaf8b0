//! What the schema promises about merchants' rows, read from the catalog: a policy that was dropped by hand shows here.

use kamiflow_store::catalog::{self, DefinerFunction, Role, TenantTable};
use kamiflow_store::migrate::{self, SchemaState};
use kamiflow_store::startup::Obstacle;
use kamiflow_store::{Store, StoreError};

use super::Finding;

/// The windows that are cut into the wall between merchants on purpose (docs/ARCHITECTURE.md, Tenancy).
const WINDOWS: &[(&str, &str)] = &[("applications", "hosted"), ("data_keys", "platform_keys")];
/// Who owns what looks across merchants.
const SYSTEM: &str = "kamiflow_system";
/// What only the tables' owner can do: make and drop partitions. Forced policies hide rows from it.
const AS_OWNER: &[&str] = &["retention_make_partitions", "retention_drop_traces", "retention_drop_kept_events"];
const OWNER: &str = "kamiflow_owner";
/// The role that serves and works.
const APP: &str = "kamiflow_app";
const REPAIR: &str = "restore the definition in migrations/, as kamiflow_owner";

/// Looks whether the schema is this program's.
///
/// # Errors
/// When the store fails.
pub async fn schema(store: &Store) -> Result<Vec<Finding>, StoreError> {
    // Which migrations were applied; no tenant's rows.
    let mut tx = store.system_tx().await?;
    let state = migrate::fetch_state(&mut tx).await?;
    tx.commit().await?;
    if state == SchemaState::Current {
        return Ok(vec![Finding::ok("database.schema", "up to date")]);
    }
    let obstacle = Obstacle::Schema(state);
    Ok(vec![Finding::fail("database.schema", obstacle.to_string(), obstacle.cure())])
}

/// Looks whether each table of merchants' rows is behind its policy, and behind no hole in it.
///
/// # Errors
/// When the store fails.
pub async fn policies(store: &Store) -> Result<Vec<Finding>, StoreError> {
    // The catalog only.
    let mut tx = store.system_tx().await?;
    let tables = catalog::list_tenant_tables(&mut tx).await?;
    tx.commit().await?;
    let wrong: Vec<Finding> = tables
        .iter()
        .filter_map(|table| {
            let text = format!("{}: {}", table.name, hole(table)?);
            Some(Finding::fail("database.policies", text, REPAIR))
        })
        .collect();
    if !wrong.is_empty() {
        return Ok(wrong);
    }
    if tables.is_empty() {
        return Ok(vec![Finding::fail("database.policies", "there are no tables", "run `kamiflow migrate`")]);
    }
    Ok(vec![Finding::ok("database.policies", format!("{} tables show a merchant only her own rows", tables.len()))])
}

fn hole(table: &TenantTable) -> Option<String> {
    let windows = table.windows.iter().filter(|window| !WINDOWS.contains(&(&table.name, window)));
    let windows: Vec<&str> = windows.map(String::as_str).collect();
    match table {
        TenantTable { enabled: false, .. } => Some("row-level security is off".to_owned()),
        TenantTable { forced: false, .. } => Some("row-level security is not forced for the owner".to_owned()),
        // Without a policy of its own a partition shows nothing when asked directly.
        TenantTable { is_partition: false, bound: false, .. } => {
            Some("the policy `tenant` is missing or changed".to_owned())
        }
        _ if !windows.is_empty() => Some(format!("further policies show rows: {}", windows.join(", "))),
        _ => None,
    }
}

/// Looks whether the roles can do what they are for and no more.
///
/// # Errors
/// When the store fails.
pub async fn roles(store: &Store) -> Result<Vec<Finding>, StoreError> {
    // The catalog only.
    let mut tx = store.system_tx().await?;
    let roles = catalog::list_roles(&mut tx).await?;
    tx.commit().await?;
    let wrong: Vec<Finding> = roles.iter().flat_map(faults).collect();
    let missing = [OWNER, APP, SYSTEM, "kamiflow_backup"]
        .into_iter()
        .filter(|name| !roles.iter().any(|role| role.name == *name))
        .map(|name| {
            let cure = "run migrations/bootstrap.sql in this database as a superuser";
            Finding::fail("roles.missing", format!("{name} does not exist"), cure)
        });
    let wrong: Vec<Finding> = wrong.into_iter().chain(missing).collect();
    if wrong.is_empty() {
        return Ok(vec![Finding::ok("roles", "none is a superuser, none passes policies by")]);
    }
    Ok(wrong)
}

fn faults(role: &Role) -> Vec<Finding> {
    let name = &role.name;
    let mut found = Vec::new();
    if role.superuser {
        let cure = format!("ALTER ROLE {name} NOSUPERUSER, or connect as another role");
        found.push(Finding::fail("roles.superuser", format!("{name} is a superuser, whom no policy binds"), cure));
    }
    if role.bypasses {
        let text = format!("{name} has BYPASSRLS, so it sees every merchant's rows");
        found.push(Finding::fail("roles.bypass", text, format!("ALTER ROLE {name} NOBYPASSRLS")));
    }
    if role.is_ours && name != APP {
        let cure = "name kamiflow_app in KAMIFLOW_DATABASE_URL";
        found.push(Finding::fail("roles.connected", format!("processes connect as {name}, not as {APP}"), cure));
    }
    if name == SYSTEM && role.logs_in {
        let text = format!("{SYSTEM} can log in, and looks across merchants");
        found.push(Finding::fail("roles.login", text, format!("ALTER ROLE {SYSTEM} NOLOGIN")));
    }
    // The owner hands functions over to the system role and inherits nothing of it.
    let allowed = |group: &String| name == OWNER && group == SYSTEM;
    let groups: Vec<&str> = role
        .member_of
        .iter()
        .filter(|group| !allowed(group) && !group.starts_with("pg_"))
        .map(String::as_str)
        .collect();
    if name == APP && !groups.is_empty() {
        let text = format!("{APP} is a member of {}, and may take on what they may", groups.join(", "));
        found.push(Finding::fail("roles.member", text, format!("REVOKE {} FROM {APP}", groups.join(", "))));
    }
    found
}

/// Looks whether what looks across merchants belongs to the role that can do nothing else, and finds its own tables.
///
/// # Errors
/// When the store fails.
pub async fn functions(store: &Store) -> Result<Vec<Finding>, StoreError> {
    // The catalog only.
    let mut tx = store.system_tx().await?;
    let functions = catalog::list_definer_functions(&mut tx).await?;
    tx.commit().await?;
    let wrong: Vec<Finding> = functions
        .iter()
        .filter_map(|function| {
            let text = format!("{}: {}", function.name, fault(function)?);
            Some(Finding::fail("database.functions", text, REPAIR))
        })
        .collect();
    if !wrong.is_empty() {
        return Ok(wrong);
    }
    let text = format!("{} functions run with more rights than ours, each with no more than it needs", functions.len());
    Ok(vec![Finding::ok("database.functions", text)])
}

fn fault(function: &DefinerFunction) -> Option<String> {
    let name = function.name.split('(').next().unwrap_or_default();
    let may_be_owners = function.owner == OWNER && AS_OWNER.contains(&name);
    if function.owner != SYSTEM && !may_be_owners {
        return Some(format!("it runs with the rights of {}", function.owner));
    }
    if function.public {
        return Some("everybody may call it".to_owned());
    }
    let path: Vec<&str> = function.search_path.as_deref().unwrap_or_default().split(',').map(str::trim).collect();
    if path.first() != Some(&"pg_catalog") || path.last() != Some(&"pg_temp") {
        return Some("its search_path lets a temporary object stand in for ours".to_owned());
    }
    None
}

/// Looks whether the application can change history.
///
/// # Errors
/// When the store fails.
pub async fn rights(store: &Store) -> Result<Vec<Finding>, StoreError> {
    // The catalog only.
    let mut tx = store.system_tx().await?;
    let excessive = catalog::list_excessive_rights(&mut tx).await?;
    tx.commit().await?;
    if excessive.is_empty() {
        return Ok(vec![Finding::ok("roles.rights", "ledgers and the audit log can be added to, not changed")]);
    }
    let text = format!("{APP} has rights it must not have: {}", excessive.join(", "));
    Ok(vec![Finding::fail("roles.rights", text, format!("REVOKE them from {APP}, as kamiflow_owner"))])
}
