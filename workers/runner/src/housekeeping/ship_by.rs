//! Tells of orders whose latest shipping time nears or is past while nothing was handed over.

use std::time::Duration;

use kamiflow_domain::engine::Engine;
use kamiflow_domain::order_watch;
use tracing::{debug, warn};

use super::Chore;
use crate::step::{StepError, Turn};

/// Looks for late orders.
pub struct ShipByWatch {
    engine: Engine,
}

impl ShipByWatch {
    /// Shops of one turn; more follow at once.
    const MOST: i32 = 500;

    /// Returns a watch.
    #[must_use]
    pub const fn new(engine: Engine) -> Self {
        Self { engine }
    }
}

impl Chore for ShipByWatch {
    const NAME: &'static str = "ship-by-watch";
    const EVERY: Duration = Duration::from_secs(60);

    async fn turn(&mut self) -> Result<Turn, StepError> {
        let shops = order_watch::list_shops(&self.engine, Self::MOST).await?;
        let mut changed = 0;
        for owned in &shops {
            let (shop, ctx) = (owned.shop, self.engine.ctx(Self::NAME, owned.merchant));
            match order_watch::look(&self.engine, &ctx, shop).await {
                Ok(told) => {
                    changed += told.near + told.past + told.settled;
                    if told.past > 0 {
                        warn!(shop.id = %shop, "{} orders of shop `{shop}` are past their shipping time", told.past);
                    }
                }
                Err(error) if error.is_connection_lost() => return Err(error.into()),
                // What keeps one shop from being looked at must not keep the others.
                Err(error) => debug!(shop.id = %shop, %error, "A shop's late orders were passed over"),
            }
        }
        let full = i32::try_from(shops.len()).is_ok_and(|listed| listed >= Self::MOST);
        Ok(if full && changed > 0 { Turn::More } else { Turn::Rest })
    }
}
