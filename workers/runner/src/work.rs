//! Which use case a turn of each pool is.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use kamiflow_domain::accounts::mailer::Mailer;
use kamiflow_domain::engine::{Engine, TickOutcome};
use kamiflow_domain::{deliver, redeem, sync};
use kamiflow_kernel::MerchantId;
use kamiflow_queue::Entry;

use crate::jobs;
use crate::pools::PoolKind;
use crate::turns::{Work, WorkError};

/// Returns what a turn of the pool does.
pub(crate) fn of_pool(kind: PoolKind, engine: &Engine, mailer: Option<Arc<dyn Mailer>>) -> Work {
    let engine = engine.clone();
    Arc::new(move |entry| {
        let (engine, mailer) = (engine.clone(), mailer.clone());
        async move { turn(kind, &engine, mailer.as_deref(), &entry).await }.boxed()
    })
}

async fn turn(
    kind: PoolKind,
    engine: &Engine,
    mailer: Option<&dyn Mailer>,
    entry: &Entry,
) -> Result<TickOutcome, WorkError> {
    let merchant: MerchantId = entry.group().parse()?;
    let ctx = engine.ctx(kind.as_str(), merchant);
    let use_case: BoxFuture<'_, _> = match kind {
        PoolKind::Sync => sync::tick(engine, merchant, entry.member().parse()?).boxed(),
        PoolKind::Deliver => deliver::tick(engine, merchant, entry.member().parse()?).boxed(),
        PoolKind::Redeem => redeem::tick(engine, &ctx, entry.member().parse()?).boxed(),
        PoolKind::Jobs => jobs::run(engine, mailer, merchant, entry.member().parse()?).boxed(),
    };
    Ok(use_case.await?)
}
