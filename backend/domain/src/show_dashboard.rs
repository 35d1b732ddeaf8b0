//! The figures of the console's first page, of the shops a member sees.

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::try_join;
use kamiflow_kernel::{Permission, ShopId, platform_day_start};
pub use kamiflow_store::dashboard::ToShip;
use kamiflow_store::dashboard::{self, HourSum};

use crate::ctx::{ActError, Ctx};
use crate::engine::Engine;

/// Hours of the lines beside the figures, the present one included.
const HOURS: usize = 24;
const DELIVERED: &str = "delivered";
const CARDS: &str = "cards_sent";
/// Those of the delivered that the platform handed out by itself, of which nobody measured a wait.
const BY_PLATFORM: &str = "delivered_by_platform";
const WAITED_MS: &str = "seen_to_delivered_ms";
const REDEEMED: &str = "redeemed";

/// One figure: of today, of the whole day before, and hour by hour, the present hour last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Figure {
    /// Since midnight in Shanghai.
    pub today: i64,
    /// The day before, from midnight to midnight.
    pub yesterday: i64,
    /// The last hours, oldest first.
    pub hours: Vec<i64>,
}

/// The figures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dashboard {
    /// Orders handed over.
    pub delivered: Figure,
    /// Cards sent with them.
    pub cards: Figure,
    /// Orders redeemed.
    pub redeemed: Figure,
    /// From an order being seen to its voucher, on average over today's, milliseconds; none when we handed nothing over.
    pub average_ms: Option<i64>,
    /// Orders that are to be handed over.
    pub to_ship: ToShip,
    /// Orders that wait for a person.
    pub need_person: i64,
}

/// Reads the figures of shops, as far as the actor sees them.
///
/// # Errors
/// When the actor may not see orders, or the store fails.
pub async fn show_dashboard(engine: &Engine, ctx: &Ctx, shops: &[ShopId]) -> Result<Dashboard, ActError> {
    ctx.require(Permission::ShowOrders)?;
    let shops: Vec<ShopId> = shops.iter().copied().filter(|shop| ctx.sees(*shop).is_ok()).collect();
    let yesterday = platform_day_start(ctx.now) - TimeDelta::days(1);
    let metrics = [DELIVERED, BY_PLATFORM, CARDS, WAITED_MS, REDEEMED];
    let tx = engine.store.tenant_tx(ctx.merchant).await?;
    let (sums, to_ship, need_person) = try_join!(
        dashboard::sums(&tx, &shops, &metrics, yesterday),
        dashboard::to_ship(&tx, &shops, ctx.now),
        dashboard::need_person(&tx, &shops),
    )?;
    tx.commit().await?;
    let [delivered, by_platform, cards, waited_ms, redeemed] = metrics.map(|metric| figure(&sums, metric, ctx.now));
    let average_ms = waited_ms.today.checked_div(delivered.today - by_platform.today);
    Ok(Dashboard { delivered, cards, redeemed, average_ms, to_ship, need_person })
}

/// Adds up a metric. Hours of the world and of Shanghai begin at the same moments.
fn figure(sums: &[HourSum], metric: &str, now: DateTime<Utc>) -> Figure {
    let today = platform_day_start(now);
    let mut figure = Figure { today: 0, yesterday: 0, hours: vec![0; HOURS] };
    for sum in sums.iter().filter(|sum| sum.metric == metric) {
        if sum.hour >= today {
            figure.today += sum.n;
        } else {
            figure.yesterday += sum.n;
        }
        let age = usize::try_from((now - sum.hour).num_hours()).unwrap_or_default();
        let place = HOURS.checked_sub(age + 1).and_then(|index| figure.hours.get_mut(index));
        if let Some(hour) = place {
            *hour += sum.n;
        }
    }
    figure
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_belong_to_their_day_in_shanghai_and_the_present_one_stands_last() {
        // 01:30 in Shanghai: today is two hours old.
        let now: DateTime<Utc> = "2026-11-22T17:30:00Z".parse().unwrap();
        let sum = |hour: &str, metric: &str, n| HourSum { hour: hour.parse().unwrap(), metric: metric.to_owned(), n };
        let sums = [
            sum("2026-11-21T16:00:00Z", DELIVERED, 1_000),
            sum("2026-11-22T15:00:00Z", DELIVERED, 100),
            sum("2026-11-22T16:00:00Z", DELIVERED, 10),
            sum("2026-11-22T17:00:00Z", DELIVERED, 1),
            sum("2026-11-22T17:00:00Z", CARDS, 7),
        ];
        let found = figure(&sums, DELIVERED, now);
        assert_eq!((found.today, found.yesterday), (11, 1_100));
        assert_eq!(found.hours[HOURS - 3..], [100, 10, 1]);
        assert_eq!(found.hours.iter().sum::<i64>(), 111, "the oldest is further back than the line");
        assert_eq!(figure(&sums, CARDS, now).today, 7);
    }
}
