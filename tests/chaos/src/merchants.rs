//! The merchants of a phase: connected, mapped and live through the use cases, with exactly as many cards as ordered.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use kamiflow_domain::engine::{Engine, Wake};
use kamiflow_domain::import_cards::{ImportCardsError, import_cards};
use kamiflow_kernel::{MerchantId, PoolId};
use kamiflow_test_support::fleet::{self, Fleet, Mall};
use uuid::Uuid;

/// Merchants, each with an application.
pub(crate) const MERCHANTS: usize = 2;
/// What they and their malls are called.
pub(crate) const FLEET: Fleet =
    Fleet { name: "chaos", master_key: *b"a key for chaos, never a secret.", first_mall: 800_000_000 };
/// Fastest polling: what push has lost is found by it.
const POLL_FLOOR_S: i32 = 5;
/// How long an import is tried again while Postgres is struck.
const IMPORT_TRIES: u32 = 120;
const TRY_AGAIN: Duration = Duration::from_millis(500);

/// A merchant with a pool.
#[derive(Clone, Copy)]
pub(crate) struct Merchant {
    pub(crate) id: MerchantId,
    pool: PoolId,
}

/// Signs the merchants up and connects their malls.
pub(crate) async fn set_up(engine: &Engine, malls: &[Mall]) -> Result<Vec<Merchant>> {
    let mut all = Vec::with_capacity(MERCHANTS);
    for number in 0..MERCHANTS {
        let owner = FLEET.sign_up(engine, number, POLL_FLOOR_S).await?;
        let pool = fleet::empty_pool(&engine.store, owner.id, "cards").await?;
        for mall in malls.iter().filter(|mall| mall.owner == number) {
            let shop = FLEET.connect(engine, owner, *mall).await.context("a shop cannot be connected")?;
            FLEET.make_live(engine, owner, shop, pool).await.context("a shop cannot go live")?;
        }
        all.push(Merchant { id: owner.id, pool });
    }
    Ok(all)
}

/// Loads cards with numbers of their own; returns whom that wakes. While Postgres is struck the same import is repeated, as its caller would.
pub(crate) async fn stock(engine: &Engine, merchant: &Merchant, cards: usize) -> Result<Vec<Wake>> {
    if cards == 0 {
        return Ok(Vec::new());
    }
    let caller = Uuid::now_v7().simple().to_string();
    let file: String = (0..cards).map(|n| format!("{caller}{n:07}\n")).collect();
    for _ in 0..IMPORT_TRIES {
        let request = fleet::cards(merchant.pool, caller.clone(), file.clone());
        match import_cards(engine, &FLEET.act(engine, merchant.id), request).await {
            Ok(imported) if imported.rejected == 0 => return Ok(imported.wakes),
            Ok(imported) => bail!("{} lines of the file were refused", imported.rejected),
            Err(ImportCardsError::Store(_) | ImportCardsError::NotStored(_)) => tokio::time::sleep(TRY_AGAIN).await,
            Err(error) => return Err(error.into()),
        }
    }
    bail!("cards could not be imported in {IMPORT_TRIES} tries")
}
