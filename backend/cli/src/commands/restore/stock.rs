//! `kamiflow restore stock`: what a restore has quarantined, and its way back.

use anyhow::Result;
use clap::Args;
use kamiflow_domain::ctx::{Actor, Ctx};
use kamiflow_domain::restore_stock::{self, ReleaseStock, suggested_keep};
use kamiflow_kernel::{Clock as _, MerchantId, PoolId};
use kamiflow_runtime::clock::SystemClock;
use kamiflow_runtime::config::{self, Database, ProcessEnv};
use kamiflow_store::Store;
use serde_json::json;

use crate::connect;
use crate::console::{Console, Table, Tone};
use crate::exit::{Exit, NotFound, Refused, WrongUsage};

pub(crate) const EXAMPLES: &str = "\
Examples:
  kamiflow restore stock --merchant mer_…                              # how many to keep back
  kamiflow restore stock --merchant mer_… --pool pool_… --keep 150     # the others are sold again
  kamiflow restore stock --merchant mer_… --pool pool_… --keep all --json

Cards are handed out in one order: the soonest to expire first, then the oldest. Those that may
have been handed out between the backup and the loss lie at the front of a pool. --keep is how
many of them stay in quarantine for good; it must be at least as many as orders can have taken. By
it you confirm that since the backup nothing was mapped to the pool anew, no shop was connected
that takes from it, none of its cards were moved, voided, exported or uploaded to the platform,
and no batch of it was paused. When you do not know, keep all: import new cards instead.";

/// Options of `kamiflow restore stock`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The merchant.
    #[arg(long, value_name = "MERCHANT")]
    merchant: MerchantId,

    /// Puts this pool's quarantined stock back, all but the first --keep cards.
    #[arg(long, value_name = "POOL", requires = "keep")]
    pool: Option<PoolId>,

    /// How many cards at the pool's front stay in quarantine, or `all`.
    #[arg(long, value_name = "CARDS", requires = "pool")]
    keep: Option<Keep>,
}

#[derive(Debug, Clone, Copy)]
enum Keep {
    All,
    First(u32),
}

impl std::str::FromStr for Keep {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "all" => Ok(Self::All),
            count => count.parse().map(Self::First).map_err(|_not_a_count| "give a number, or `all`".to_owned()),
        }
    }
}

pub(super) async fn run(options: Options, console: Console) -> Result<Exit> {
    let database: Database = config::load(&ProcessEnv)?;
    let store = connect::store_without_keys(&database)?;
    let ctx = Ctx {
        actor: Actor::Operator,
        merchant: options.merchant,
        request_id: format!("restore-stock-{}", uuid::Uuid::now_v7().simple()),
        now: SystemClock.now(),
    };
    match (options.pool, options.keep) {
        (Some(pool), Some(Keep::First(keep))) => release(&store, &ctx, pool, i64::from(keep), console).await,
        (Some(_), Some(Keep::All)) => {
            console.note("nothing changes: all of it stays in quarantine");
            show(&store, &ctx, console).await
        }
        (None, None) => show(&store, &ctx, console).await,
        (Some(_), None) | (None, Some(_)) => Err(WrongUsage("give --pool and --keep together".to_owned()).into()),
    }
}

async fn show(store: &Store, ctx: &Ctx, console: Console) -> Result<Exit> {
    let pools = restore_stock::list(store, ctx).await?;
    if console.is_json() {
        let rows: Vec<_> = pools
            .iter()
            .map(|row| {
                json!({ "pool": row.pool.to_string(), "name": row.name, "quarantined": row.quarantined,
                        "wanted_since": row.wanted_since, "reconciled": row.reconciled, "uploads": row.uploads,
                        "suggested_keep": suggested_keep(row) })
            })
            .collect();
        console.print_json(&rows)?;
        return Ok(Exit::Done);
    }
    let mut table = Table::new(&["pool", "name", "quarantined", "wanted since", "keep at least"]);
    for row in &pools {
        let keep = match suggested_keep(row) {
            Some(keep) => (keep.to_string(), None),
            None if row.uploads => ("unknown: uploaded to the platform".to_owned(), Some(Tone::Warn)),
            None => ("unknown: reconcile its shops first".to_owned(), Some(Tone::Warn)),
        };
        let number = |n: i64| (n.to_string(), None);
        let (pool, name) = ((row.pool.to_string(), None), (row.name.clone(), None));
        table.row([pool, name, number(row.quarantined), number(row.wanted_since), keep]);
    }
    if table.is_empty() {
        console.print(format_args!("no stock is quarantined by a restore"));
    } else {
        table.print(console);
    }
    Ok(Exit::Done)
}

async fn release(store: &Store, ctx: &Ctx, pool: PoolId, keep: i64, console: Console) -> Result<Exit> {
    let pools = restore_stock::list(store, ctx).await?;
    let Some(row) = pools.iter().find(|row| row.pool == pool) else {
        return Err(NotFound(format!("pool {pool} holds no stock that a restore has quarantined")).into());
    };
    if !row.reconciled {
        return Err(Refused(
            "reconcile the shops that take from the pool first: what they sold is not known".to_owned(),
        )
        .into());
    }
    if keep < row.wanted_since {
        let wanted = row.wanted_since;
        return Err(
            Refused(format!("orders since the backup may have taken {wanted} cards: keep at least so many")).into()
        );
    }
    let (released, wakes) = restore_stock::release(store, ctx, ReleaseStock { pool, keep }).await?;
    if console.is_json() {
        console.print_json(&json!({ "released": released, "kept": keep, "woken": wakes.len() }))?;
    } else {
        console.print(format_args!("{} {released} cards; {keep} stay", console.toned(Tone::Good, "back in stock:")));
    }
    Ok(Exit::Done)
}
