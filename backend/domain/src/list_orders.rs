//! Lists orders of the shops a member sees, newest first.

use chrono::{DateTime, NaiveDate, Utc};
use kamiflow_kernel::{OrderSn, OrderState, Permission, ShopId};
pub use kamiflow_store::order_list::ListedOrder;
pub use kamiflow_store::order_list::PAGE;
use kamiflow_store::order_list::{self, Part, Place, Window};
use kamiflow_store::{StoreError, TenantTx};
use uuid::Uuid;

use crate::ctx::{ActError, Ctx};
use crate::engine::Engine;

/// Which orders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// All.
    All,
    /// Those in some states.
    In(&'static [OrderState]),
    /// Those that wait for a person.
    NeedPerson,
    /// Those of a number.
    Number(OrderSn),
}

/// A place in the list, as it travels in an address: the month with which the list begins, the part of it, microseconds and
/// an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    window: Window,
    part: Part,
    place: Place,
}

impl Cursor {
    fn start(now: DateTime<Utc>) -> Self {
        Self { window: Window::at(now), part: Part::Recent, place: Place::start() }
    }

    /// Returns the place of an order in the same list.
    fn of(self, order: &ListedOrder) -> Self {
        Self { part: self.window.part_of(order.order_day), place: order.place(), ..self }
    }
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let month = self.window.last_month().format("%Y%m");
        let part = match self.part {
            Part::Recent => "recent",
            Part::Other => "other",
        };
        write!(f, "{month}-{part}-{}-{}", self.place.seen_at.timestamp_micros(), self.place.id.simple())
    }
}

impl std::str::FromStr for Cursor {
    type Err = BadCursor;

    fn from_str(text: &str) -> Result<Self, BadCursor> {
        let mut words = text.splitn(3, '-');
        let month = words.next().filter(|month| month.len() == 6).ok_or(BadCursor)?;
        let month = NaiveDate::parse_from_str(&format!("{month}01"), "%Y%m%d").map_err(|_no_month| BadCursor)?;
        let part = match words.next() {
            Some("recent") => Part::Recent,
            Some("other") => Part::Other,
            _ => return Err(BadCursor),
        };
        let (micros, id) = words.next().and_then(|place| place.rsplit_once('-')).ok_or(BadCursor)?;
        let seen_at = micros.parse().ok().and_then(DateTime::<Utc>::from_timestamp_micros).ok_or(BadCursor)?;
        let id = Uuid::try_parse(id).map_err(|_no_id| BadCursor)?;
        Ok(Self { window: Window::until_month_of(month), part, place: Place { seen_at, id } })
    }
}

/// A text that is no place in a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is no place in the list; begin at the newest order")]
pub struct BadCursor;

/// The request.
#[derive(Debug, Clone, Copy)]
pub struct ListOrders<'a> {
    /// Of these shops, as far as the actor sees them.
    pub shops: &'a [ShopId],
    /// Which orders.
    pub wanted: &'a Wanted,
    /// Behind this place.
    pub after: Option<Cursor>,
    /// So many at most, never more than [`PAGE`].
    pub limit: usize,
}

/// A page of orders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderPage {
    /// The orders.
    pub orders: Vec<ListedOrder>,
    /// Where the next page begins; none at the end.
    pub next: Option<Cursor>,
}

/// Lists a page of orders.
///
/// # Errors
/// When the actor may not see orders, or the store fails.
pub async fn list_orders(engine: &Engine, ctx: &Ctx, request: &ListOrders<'_>) -> Result<OrderPage, ActError> {
    ctx.require(Permission::ShowOrders)?;
    let ListOrders { shops, wanted, after, limit } = *request;
    let shops: Vec<ShopId> = shops.iter().copied().filter(|shop| ctx.sees(*shop).is_ok()).collect();
    let from = after.unwrap_or_else(|| Cursor::start(ctx.now));
    let found = engine.store.list(ctx.merchant, async |tx| read(tx, &shops, wanted, from).await).await?;
    Ok(page(found, wanted, from, limit.clamp(1, PAGE)))
}

/// Reads on from a place, into the other months where the recent ones do not fill a page.
async fn read(
    tx: &TenantTx,
    shops: &[ShopId],
    wanted: &Wanted,
    Cursor { window, part, place }: Cursor,
) -> Result<Vec<ListedOrder>, StoreError> {
    let mut found = match wanted {
        Wanted::All => order_list::newest(tx, shops, (window, part), place).await?,
        Wanted::In(states) => order_list::of_states(tx, shops, (window, part), place, states).await?,
        // Those few are read whatever their month.
        Wanted::NeedPerson => return order_list::need_person(tx, shops, place).await,
        Wanted::Number(order_sn) => return order_list::by_number(tx, shops, order_sn).await,
    };
    let is_enough = found.len() > PAGE || found.last().is_some_and(looked_at_enough);
    if part == Part::Recent && !is_enough {
        let others = (window, Part::Other);
        found.extend(match wanted {
            Wanted::In(states) => order_list::of_states(tx, shops, others, Place::start(), states).await?,
            _ => order_list::newest(tx, shops, others, Place::start()).await?,
        });
    }
    Ok(found)
}

fn looked_at_enough(last: &ListedOrder) -> bool {
    last.looked_at >= order_list::LOOKED_AT
}

/// Cuts a page out of what was found: what is one too many, or was looked at last, says that there is more.
fn page(mut found: Vec<ListedOrder>, wanted: &Wanted, from: Cursor, limit: usize) -> OrderPage {
    let looked_at_last = found.last().filter(|last| looked_at_enough(last)).map(|last| from.of(last));
    if let Wanted::In(states) = wanted {
        found.retain(|order| states.iter().any(|state| state.as_str() == order.state));
    }
    let has_more = found.len() > limit;
    found.truncate(limit);
    let next = if has_more { found.last().map(|last| from.of(last)) } else { looked_at_last };
    OrderPage { orders: found, next }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(state: OrderState, looked_at: i64) -> ListedOrder {
        ListedOrder {
            id: Uuid::now_v7(),
            shop_id: ShopId::generate(),
            order_day: NaiveDate::default(),
            order_sn: String::new(),
            state: state.to_string(),
            state_cause: String::new(),
            goods_name: String::new(),
            goods_spec: String::new(),
            goods_count: 1,
            pay_amount_fen: 0,
            paid_at: None,
            last_ship_at: None,
            delivered_at: None,
            seen_at: DateTime::UNIX_EPOCH,
            open_code: None,
            needs_person: false,
            looked_at,
        }
    }

    fn start() -> Cursor {
        Cursor::start("2026-11-23T04:00:00Z".parse().unwrap())
    }

    #[test]
    fn a_place_survives_its_text_and_nonsense_is_refused() {
        let recent = ListedOrder { order_day: "2026-10-01".parse().unwrap(), ..order(OrderState::Seen, 0) };
        for cursor in [start(), start().of(&recent), start().of(&order(OrderState::Seen, 0))] {
            assert_eq!(cursor.to_string().parse(), Ok(cursor), "{cursor}");
        }
        assert!(start().of(&recent).to_string().starts_with("202611-recent-0-"));
        assert!(start().of(&order(OrderState::Seen, 0)).to_string().starts_with("202611-other-0-"));
        let id = "018f0000000070008000000000000000";
        for bad in ["", "-", "1-018f", "x-recent-1-018f", "202613-recent-1-", "202611-none-1-", "+2611x-recent-1-"] {
            assert_eq!(format!("{bad}{id}").parse::<Cursor>(), Err(BadCursor), "{bad}");
        }
        assert_eq!(format!("202611-recent-99999999999999999999-{id}").parse::<Cursor>(), Err(BadCursor));
    }

    #[test]
    fn a_full_page_goes_on_behind_its_last_order() {
        let found: Vec<_> = (0..=PAGE).map(|_| order(OrderState::Seen, 0)).collect();
        let last_shown = start().of(&found[PAGE - 1]);
        let cut = page(found, &Wanted::All, start(), PAGE);
        assert_eq!((cut.orders.len(), cut.next), (PAGE, Some(last_shown)));
        assert_eq!(page(vec![order(OrderState::Seen, 0)], &Wanted::All, start(), PAGE).next, None);
        let two = page(vec![order(OrderState::Seen, 0), order(OrderState::Seen, 0)], &Wanted::All, start(), 1);
        assert_eq!(two.next, two.orders.first().map(|order| start().of(order)));
    }

    #[test]
    fn a_look_that_ended_early_goes_on_behind_what_it_saw_last() {
        let wanted = Wanted::In(&[OrderState::Redeemed]);
        let last = order(OrderState::Delivered, order_list::LOOKED_AT);
        let place = start().of(&last);
        let cut = page(vec![order(OrderState::Redeemed, 3), last], &wanted, start(), PAGE);
        assert_eq!((cut.orders.len(), cut.next), (1, Some(place)));
        let all_seen = page(vec![order(OrderState::Redeemed, 3)], &wanted, start(), PAGE);
        assert_eq!(all_seen.next, None);
    }
}
