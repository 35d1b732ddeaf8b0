//! Merchants, their pools and cards, arranged through the use cases themselves.

use std::io::Cursor;
use std::time::Duration;

use anyhow::{Result, ensure};
use kamiflow_domain::ctx::{Actor, Ctx};
use kamiflow_domain::engine::Engine;
use kamiflow_domain::import_cards::{FileChoices, ImportCards, ImportMode, ImportedCards, import_cards};
use kamiflow_kernel::{MerchantId, PoolId, SecretBytes};
use kamiflow_store::card_pools::{self, NewPool};
use kamiflow_store::merchants::{self, NewMerchant};
use kamiflow_store::{KeyRing, Store, StoreConfig};
use uuid::Uuid;

/// The master key of every bench; workers are given it too.
pub(crate) const MASTER_KEY: [u8; 32] = *b"a key for figures, never secrets";
/// Its id.
pub(crate) const MASTER_KEY_ID: &str = "bench";

/// Returns a store on a database.
pub(crate) fn store(url: String, connections: usize) -> Result<Store> {
    let ring = KeyRing::new([(MASTER_KEY_ID.to_owned(), SecretBytes::new(MASTER_KEY.to_vec()))], MASTER_KEY_ID)?;
    let config = StoreConfig { url, pool_size: connections, wait: Duration::from_secs(30) };
    Ok(Store::new(&config, ring)?)
}

/// Returns the circumstances of an act of a merchant's operator.
pub(crate) fn act(engine: &Engine, merchant: MerchantId) -> Ctx {
    Ctx { actor: Actor::Operator, merchant, request_id: "bench".to_owned(), now: engine.now() }
}

/// Signs a merchant up.
pub(crate) async fn sign_up(store: &Store, name: &str, poll_floor_s: i32) -> Result<MerchantId> {
    let id = MerchantId::generate();
    let mut tx = store.tenant_tx(id).await?;
    merchants::insert(&mut tx, &NewMerchant { name, poll_floor_s }).await?;
    tx.commit().await?;
    Ok(id)
}

/// Makes an empty pool.
pub(crate) async fn pool(store: &Store, merchant: MerchantId) -> Result<PoolId> {
    let id = PoolId::generate();
    let mut tx = store.tenant_tx(merchant).await?;
    card_pools::insert(&mut tx, &NewPool { id, name: "cards", min_validity_s: 0, low_stock_at: 0 }).await?;
    tx.commit().await?;
    Ok(id)
}

/// Returns a file of so many cards, each with a number and a secret.
pub(crate) fn card_file(count: usize) -> String {
    use std::fmt::Write as _;
    let stem = Uuid::now_v7().simple().to_string();
    let stem = stem.get(20..).unwrap_or_default();
    (0..count).fold(String::with_capacity(count * 40), |mut file, n| {
        // Writing to a text cannot fail.
        let _ = writeln!(file, "KF{stem}{n:07},{:016}", n * 7_919);
        file
    })
}

/// Imports a file.
pub(crate) async fn import(engine: &Engine, merchant: MerchantId, pool: PoolId, file: String) -> Result<ImportedCards> {
    let request = ImportCards {
        pool,
        caller_id: Uuid::now_v7().simple().to_string(),
        file_name: "cards.txt".to_owned(),
        file: Cursor::new(file.into_bytes()),
        choices: FileChoices::default(),
        uses_permitted: 1,
        mode: ImportMode::AllOrNothing,
    };
    let imported = import_cards(engine, &act(engine, merchant), request).await?;
    ensure!(imported.rejected == 0, "{} lines of the file were refused", imported.rejected);
    Ok(imported)
}
