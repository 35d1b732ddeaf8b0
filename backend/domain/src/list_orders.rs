//! Lists orders of the shops a member sees, newest first.

use chrono::{DateTime, Utc};
use kamiflow_kernel::{Permission, ShopId};
use kamiflow_store::order_list::{self, Asked, Place};
pub use kamiflow_store::order_list::{ListedOrder, PAGE, Wanted};
use uuid::Uuid;

use crate::ctx::{ActError, Ctx};
use crate::engine::Engine;

/// A place in the list, as it travels in an address: microseconds and an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor(Place);

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.0.seen_at.timestamp_micros(), self.0.id.simple())
    }
}

impl std::str::FromStr for Cursor {
    type Err = BadCursor;

    fn from_str(text: &str) -> Result<Self, BadCursor> {
        let (micros, id) = text.rsplit_once('-').ok_or(BadCursor)?;
        let seen_at = micros.parse().ok().and_then(DateTime::<Utc>::from_timestamp_micros).ok_or(BadCursor)?;
        let id = Uuid::try_parse(id).map_err(|_no_id| BadCursor)?;
        Ok(Self(Place { seen_at, id }))
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
    let after = after.map_or_else(Place::start, |cursor| cursor.0);
    let asked = Asked { merchant: ctx.merchant, shops, wanted: wanted.clone(), after };
    let found = order_list::list(&engine.store, &asked).await?;
    Ok(page(found, wanted, limit.clamp(1, PAGE)))
}

/// Cuts a page out of what was found: what is one too many, or was looked at last, says that there is more.
fn page(mut found: Vec<ListedOrder>, wanted: &Wanted, limit: usize) -> OrderPage {
    let looked_at_last = found.last().filter(|last| last.looked_at >= order_list::LOOKED_AT).map(ListedOrder::place);
    if let Wanted::In(states) = wanted {
        found.retain(|order| states.iter().any(|state| state.as_str() == order.state));
    }
    let has_more = found.len() > limit;
    found.truncate(limit);
    let next = if has_more { found.last().map(ListedOrder::place) } else { looked_at_last };
    OrderPage { orders: found, next: next.map(Cursor) }
}

#[cfg(test)]
mod tests {
    use kamiflow_kernel::OrderState;

    use super::*;

    fn order(state: OrderState, looked_at: i64) -> ListedOrder {
        ListedOrder {
            id: Uuid::now_v7(),
            shop_id: ShopId::generate(),
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

    #[test]
    fn a_place_survives_its_text_and_nonsense_is_refused() {
        let cursor = Cursor(order(OrderState::Seen, 0).place());
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
        for bad in ["", "-", "1-", "x-018f", "99999999999999999999-018f0000000070008000000000000000"] {
            assert_eq!(bad.parse::<Cursor>(), Err(BadCursor), "{bad}");
        }
    }

    #[test]
    fn a_full_page_goes_on_behind_its_last_order() {
        let found: Vec<_> = (0..=PAGE).map(|_| order(OrderState::Seen, 0)).collect();
        let last_shown = found[PAGE - 1].place();
        let cut = page(found, &Wanted::All, PAGE);
        assert_eq!((cut.orders.len(), cut.next), (PAGE, Some(Cursor(last_shown))));
        assert_eq!(page(vec![order(OrderState::Seen, 0)], &Wanted::All, PAGE).next, None);
        let two = page(vec![order(OrderState::Seen, 0), order(OrderState::Seen, 0)], &Wanted::All, 1);
        assert_eq!(two.next, two.orders.first().map(|order| Cursor(order.place())));
    }

    #[test]
    fn a_look_that_ended_early_goes_on_behind_what_it_saw_last() {
        let wanted = Wanted::In(&[OrderState::Redeemed]);
        let last = order(OrderState::Delivered, order_list::LOOKED_AT);
        let place = last.place();
        let cut = page(vec![order(OrderState::Redeemed, 3), last], &wanted, PAGE);
        assert_eq!((cut.orders.len(), cut.next), (1, Some(Cursor(place))));
        let all_seen = page(vec![order(OrderState::Redeemed, 3)], &wanted, PAGE);
        assert_eq!(all_seen.next, None);
    }
}
