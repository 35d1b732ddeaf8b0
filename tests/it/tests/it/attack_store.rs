//! A merchant calls every function of the store about another merchant's rows, and learns and changes nothing.
//!
//! Each function is called with the names of another merchant's rows, and with names of nobody's: whatever it answers,
//! and whatever refuses it, is the same. Nothing of the other merchant has changed afterwards. That the names are
//! right is shown by the owner, for whom most of the same calls do answer something else.

mod arguments;
mod table;
mod target;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use kamiflow_kernel::Clock;
use kamiflow_store::{StoreError, TenantTx};
use kamiflow_test_support::TestApp;
use table::Attack;
use target::Target;

/// Functions of a merchant's transaction that need no attack. Only ever shorter.
const NOT_ATTACKED: &[&str] = &[];

/// Calls whose refusal tells whoever knows the random id of another merchant's row that the row is there: the row's
/// key is unique without its merchant (`attack_catalog` lists those keys), and Postgres looks at unique indexes before
/// it looks at foreign keys. The ids have 74 random bits and are told to their owner only. Only ever shorter.
const TELLS_WHO_KNOWS_THE_ID: &[&str] = &[
    "applications::insert",
    "card_pools::insert",
    "cards::insert_batch",
    "credentials::insert",
    "deliveries::insert_started",
    "deliveries::plan",
    "order_hints::upsert",
    "orders::insert_new",
    "platform_uploads::start",
    "products::upsert_mapping",
    "products::upsert_products",
    "refunds::upsert",
    "rules::insert",
    "team::members::insert",
];

/// Upserts that nothing but the policy keeps from the row of a parent whose random id one knows. Only ever shorter.
const BY_POLICY_ALONE: &[&str] = &["order_hints::upsert", "products::upsert_products", "refunds::upsert"];

/// Calls that do the same for the owner as for a stranger in this arrangement: locks, settings, and what finds nothing
/// to do. Only ever fewer.
const MOST_WITHOUT_EFFECT: usize = 54;

fn attacks() -> impl Iterator<Item = (String, Attack)> {
    [
        table::API,
        table::SHOPS,
        table::STOCK,
        table::CARDS,
        table::ORDERS,
        table::REDEMPTION,
        table::VERIFICATION,
        table::TEAM,
    ]
    .concat()
    .into_iter()
    .map(|(name, attack)| (name.replace(' ', ""), attack))
}

/// What a call came to: its answer, or what refused it.
fn told(outcome: Result<String, StoreError>) -> Result<String, String> {
    outcome.map_err(|error| match &error {
        StoreError::Constraint { constraint, .. } => format!("refused by {constraint}"),
        StoreError::Query(source) => format!("refused: {source}"),
        other => format!("refused: {other}"),
    })
}

/// A digest of all rows of a merchant, by table.
async fn rows_of(app: &TestApp, target: &Target) -> Vec<String> {
    let sql = app.sql_as_superuser().await;
    let tables = sql
        .query(
            "SELECT c.relname::text FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
              WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relnamespace = 'public'::regnamespace
                AND a.attname = 'merchant_id' AND NOT a.attisdropped ORDER BY 1",
            &[],
        )
        .await
        .unwrap();
    let digests: Vec<String> = tables
        .iter()
        .map(|row| {
            let table: String = row.get(0);
            format!(
                "SELECT '{table} ' || count(*) || ' ' || coalesce(md5(string_agg(t::text, '|' ORDER BY t::text)), '')
                   FROM {table} t WHERE merchant_id = $1"
            )
        })
        .collect();
    let rows = sql.query(&digests.join(" UNION ALL "), &[&target.merchant.as_uuid()]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

/// Calls about a target and takes everything back.
async fn tried(tx: &mut TenantTx, attack: Attack, target: &Target) -> Result<String, String> {
    tx.savepoint().await.unwrap();
    let outcome = told(attack(tx, target).await);
    tx.roll_back_to_savepoint().await.unwrap();
    let shown = |text: String| target.without_names(&text);
    outcome.map(shown).map_err(shown)
}

#[tokio::test]
async fn no_function_of_the_store_reads_writes_counts_or_refers_across_merchants() {
    let app = TestApp::new().await;
    let (mut theirs, nobodys) = (Target::nobodys(1, app.clock.now()), Target::nobodys(2, app.clock.now()));
    theirs.is_arranged(&app).await;
    let thief = app.merchant().await;
    thief.pool("mine").await.with_cards(1).await;
    let before = rows_of(&app, &theirs).await;
    assert!(before.iter().all(|table| !table.contains(" 0 ")), "a table has no row to steal: {before:?}");
    let mut telling = BTreeSet::new();
    for (name, attack) in attacks() {
        let mut tx = thief.tx().await;
        let about_nobody = tried(&mut tx, attack, &nobodys).await;
        let about_them = tried(&mut tx, attack, &theirs).await;
        if about_them != about_nobody {
            let answers = about_them.is_ok() && about_nobody.is_ok();
            assert!(!answers, "{name} answers {about_them:?} about theirs, {about_nobody:?} about nobody's");
            telling.insert(name);
        }
    }
    let listed: BTreeSet<String> = TELLS_WHO_KNOWS_THE_ID.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(telling, listed);
    // Once more, and now it is meant: each is committed, if it can be.
    for (name, attack) in attacks() {
        let mut tx = thief.tx().await;
        if attack(&mut tx, &theirs).await.is_ok() {
            // What is refused at the end is refused as well.
            let _committed = tx.commit().await;
            let after = rows_of(&app, &theirs).await;
            let changed: Vec<_> = before.iter().zip(&after).filter(|(before, after)| before != after).collect();
            assert!(changed.is_empty(), "{name} changed {changed:?}");
        }
    }
    assert_eq!(before, rows_of(&app, &theirs).await);
}

/// The statements' own conditions, which indexes need anyway, are a second wall behind the policies.
#[tokio::test]
async fn no_function_of_the_store_writes_across_merchants_even_without_policies() {
    let app = TestApp::new().await;
    let mut theirs = Target::nobodys(1, app.clock.now());
    theirs.is_arranged(&app).await;
    let thief = app.merchant().await;
    thief.pool("mine").await.with_cards(1).await;
    let open = "DO $$ DECLARE t regclass; BEGIN
        FOR t IN SELECT c.oid::regclass FROM pg_class c
                  WHERE c.relrowsecurity AND c.relnamespace = 'public'::regnamespace LOOP
            EXECUTE format('ALTER TABLE %s DISABLE ROW LEVEL SECURITY', t);
        END LOOP; END $$";
    app.sql_as_superuser().await.execute(open, &[]).await.unwrap();
    let mut reached = BTreeSet::new();
    for (name, attack) in attacks() {
        let before = rows_of(&app, &theirs).await;
        let mut tx = thief.tx().await;
        if attack(&mut tx, &theirs).await.is_ok() && tx.commit().await.is_ok() && before != rows_of(&app, &theirs).await
        {
            reached.insert(name);
        }
    }
    assert_eq!(reached, BY_POLICY_ALONE.iter().map(|name| (*name).to_owned()).collect());
}

#[tokio::test]
async fn the_same_calls_reach_the_owners_rows() {
    let app = TestApp::new().await;
    let (mut theirs, nobodys) = (Target::nobodys(1, app.clock.now()), Target::nobodys(2, app.clock.now()));
    theirs.is_arranged(&app).await;
    let mut silent = Vec::new();
    for (name, attack) in attacks() {
        let mut tx = app.store().tenant_tx(theirs.merchant).await.unwrap();
        if tried(&mut tx, attack, &nobodys).await == tried(&mut tx, attack, &theirs).await {
            silent.push((name, attack));
        }
    }
    // Many answer nothing at all: what they do shows in the rows.
    let mut without_effect = Vec::new();
    for (name, attack) in silent {
        let before = rows_of(&app, &theirs).await;
        let mut tx = app.store().tenant_tx(theirs.merchant).await.unwrap();
        let committed = attack(&mut tx, &theirs).await.is_ok() && tx.commit().await.is_ok();
        if !committed || before == rows_of(&app, &theirs).await {
            without_effect.push(name);
        }
    }
    let n = without_effect.len();
    assert!(n <= MOST_WITHOUT_EFFECT, "{n} calls show nothing: {without_effect:#?}");
}

#[test]
fn every_function_of_a_merchants_transaction_is_attacked() {
    let store = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../backend/store/src");
    let mut found = BTreeSet::new();
    functions_in(&store, &store, &mut found);
    assert!(found.contains("TenantTx::data_key_by_id"), "methods are looked for as well");
    assert!(found.len() > 190, "only {} functions were found", found.len());
    let attacked: BTreeSet<String> = attacks().map(|(name, _)| name).collect();
    let excepted: BTreeSet<String> = NOT_ATTACKED.iter().map(|name| (*name).to_owned()).collect();
    let missing: Vec<_> = found.iter().filter(|name| !attacked.contains(*name) && !excepted.contains(*name)).collect();
    assert!(missing.is_empty(), "add a line to attack_store/table.rs for each of {missing:?}");
    let needless: Vec<_> = excepted.iter().filter(|name| attacked.contains(*name) || !found.contains(*name)).collect();
    assert!(needless.is_empty(), "no exception is needed for {needless:?}");
}

fn functions_in(folder: &Path, root: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path: PathBuf = entry.unwrap().path();
        if path.is_dir() {
            functions_in(&path, root, found);
            continue;
        }
        let module = path.strip_prefix(root).unwrap().with_extension("").to_string_lossy().replace('/', "::");
        let text = std::fs::read_to_string(&path).unwrap();
        // Not what is on one line decides: signatures are broken where they are long.
        for (at, _) in text.match_indices("pub async fn ") {
            let signature = text[at..].split('{').next().unwrap();
            let name = signature["pub async fn ".len()..].split(['(', '<']).next().unwrap();
            if signature.contains("tx: &mut TenantTx") || signature.contains("tx: &TenantTx") {
                found.insert(format!("{module}::{name}"));
            }
        }
        // Its own methods, as far as they are told what to look for.
        for (at, _) in text.match_indices("\nimpl TenantTx {") {
            let methods = text[at..].split("\n}").next().unwrap();
            for method in methods.split("pub async fn ").skip(1) {
                let signature = method.split('{').next().unwrap();
                if signature.contains("&mut self, ") || signature.contains("&self, ") {
                    found.insert(format!("TenantTx::{}", signature.split(['(', '<']).next().unwrap()));
                }
            }
        }
    }
}
