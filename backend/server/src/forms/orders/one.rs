//! What a person may do about one order: try it again, give it up, look at its cards.

use actix_web::{HttpResponse, web};
use kamiflow_app::context::FormOutcome;
use kamiflow_app::routes::AnswerPage;
use kamiflow_app::views::orders::RevealedPage;
use kamiflow_domain::approve_redemption::ApproveRedemptionError;
use kamiflow_domain::release_order::{self, ReleaseOrderError};
use kamiflow_domain::retry_order::{self, RetryOrderError};
use kamiflow_domain::reveal_cards::{RevealCardsError, reveal_cards};
use kamiflow_kernel::{OrderSn, ShopId};

use crate::forms::door::{Desk, Refused};

/// What the address names.
type Named = web::Path<(ShopId, OrderSn)>;

fn page(shop: ShopId, order_sn: &OrderSn) -> String {
    format!("/console/shops/{shop}/orders/{order_sn}")
}

/// Lets an order be tried again.
pub(super) async fn retry(desk: Desk, named: Named) -> HttpResponse {
    let (shop, order_sn) = named.into_inner();
    let done = match retry_order::retry(&desk.product.engine, &desk.ctx, shop, &order_sn).await {
        Ok(retried) => {
            desk.product.waker.wake(desk.ctx.merchant, &retried.wakes).await;
            Ok(())
        }
        Err(error) => Err(not_retried(error)),
    };
    desk.told(&page(shop, &order_sn), done, "order.retried")
}

/// Gives a hand-over up.
pub(super) async fn release(desk: Desk, named: Named) -> HttpResponse {
    let (shop, order_sn) = named.into_inner();
    let released = release_order::release(&desk.product.engine, &desk.ctx, shop, &order_sn).await;
    desk.told(&page(shop, &order_sn), released.map(|_cards| ()).map_err(not_released), "order.released")
}

/// Shows the cards of an order, once.
pub(super) async fn reveal(desk: Desk, named: Named) -> HttpResponse {
    let (shop, order_sn) = named.into_inner();
    match reveal_cards(&desk.product.engine, &desk.ctx, shop, &order_sn).await {
        Ok(revealed) => {
            let view = |shops: Vec<_>| {
                let shop =
                    shops.into_iter().find(|known: &kamiflow_domain::list_shops::ShopSummary| known.shop == shop)?;
                Some(RevealedPage { shop, order_sn, revealed })
            };
            desk.show(AnswerPage::RevealedCards, view).await
        }
        Err(error) => desk.refuse(&page(shop, &order_sn), not_revealed(error), FormOutcome::default()),
    }
}

fn not_retried(error: RetryOrderError) -> Refused {
    match error {
        RetryOrderError::NotFound => Refused::NotFound,
        RetryOrderError::NotSafe { .. } => Refused::Field("", "order.not_safe"),
        RetryOrderError::Redemption(error) => match error {
            ApproveRedemptionError::Denied(denied) => denied.into(),
            ApproveRedemptionError::Store(error) => error.into(),
            ApproveRedemptionError::NotFound => Refused::NotFound,
            ApproveRedemptionError::NothingOpen | ApproveRedemptionError::Refund | ApproveRedemptionError::Ended(_) => {
                Refused::Field("", "order.moved_on")
            }
        },
        RetryOrderError::Denied(denied) => denied.into(),
        RetryOrderError::Store(error) => error.into(),
    }
}

fn not_released(error: ReleaseOrderError) -> Refused {
    match error {
        ReleaseOrderError::NotFound => Refused::NotFound,
        ReleaseOrderError::NotOpen { .. } | ReleaseOrderError::State(_) => Refused::Field("", "order.moved_on"),
        ReleaseOrderError::Denied(denied) => denied.into(),
        ReleaseOrderError::Store(error) => error.into(),
    }
}

fn not_revealed(error: RevealCardsError) -> Refused {
    match error {
        RevealCardsError::NotFound => Refused::NotFound,
        RevealCardsError::NothingSent => Refused::Field("", "order.nothing_sent"),
        RevealCardsError::QuotaUsed(_) => Refused::Field("", "order.quota_used"),
        RevealCardsError::Denied(denied) => denied.into(),
        RevealCardsError::Store(error) => error.into(),
    }
}
