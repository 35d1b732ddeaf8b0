//! One order with everything known about it, for people: cards masked, nothing of the buyer.

use chrono::{DateTime, Utc};
use kamiflow_kernel::{
    Action, DeliveryId, DeliveryState, OrderId, OrderSn, Permission, ReasonCode, SecretBytes, ShopId, ShopState,
};
use kamiflow_store::deliveries::{self, DeliveryRow};
use kamiflow_store::orders::{self, OrderRow};
use kamiflow_store::redemptions::acts;
use kamiflow_store::{
    StoreError, TenantTx, applications, attempts, cards, delivery_lines, exceptions, order_events, shops,
};
use serde::Serialize;
use serde_json::Value;

use crate::ctx::{ActError, Ctx};
use crate::engine::Engine;
use crate::pause_check::Paused;

/// An order with all that belongs to it.
#[derive(Debug, Clone, Serialize)]
pub struct OrderView {
    /// Its id.
    pub order: OrderId,
    /// Its shop.
    pub shop: ShopId,
    /// Its number.
    pub order_sn: String,
    /// Where it is.
    pub state: String,
    /// What brought it there.
    pub state_cause: String,
    /// Whether it is ours to deliver, and why.
    pub verdict: String,
    /// What keeps the whole shop from being worked for, if something does.
    pub shop_standing: Option<StandingView>,
    /// Whether its delivery is paused.
    pub paused: bool,
    /// What was bought.
    pub item: ItemView,
    /// What the platform said last.
    pub platform: PlatformView,
    /// Its delivery, if it is ours to deliver.
    pub delivery: Option<DeliveryView>,
    /// Its redemptions.
    pub redemptions: Vec<RedemptionLine>,
    /// What is open about it.
    pub exceptions: Vec<ExceptionView>,
    /// What happened, oldest first.
    pub events: Vec<EventView>,
}

impl OrderView {
    /// Returns whether a retry may be offered: it answers something open, and nothing open forbids it.
    #[must_use]
    pub fn offers_retry(&self) -> bool {
        let holds = |open: &&ExceptionView| open.blocking || open.needs_review;
        self.exceptions.iter().any(|open| open.allows(Action::Retry))
            && self.exceptions.iter().filter(holds).all(|open| open.allows(Action::Retry))
    }

    /// Returns whether giving the hand-over up may be offered.
    #[must_use]
    pub fn offers_release(&self) -> bool {
        let held = [DeliveryState::HandingOver.as_str(), DeliveryState::Reserved.as_str()];
        self.delivery.as_ref().is_some_and(|delivery| held.contains(&delivery.state.as_str()))
            && self.exceptions.iter().any(|open| open.allows(Action::ReleaseQuarantined))
    }

    /// Returns whether cards of ours may have left us for its buyer, so that there is something to reveal.
    #[must_use]
    pub fn has_sent_cards(&self) -> bool {
        let left = [DeliveryState::HandingOver.as_str(), DeliveryState::Delivered.as_str()];
        self.delivery.as_ref().is_some_and(|delivery| {
            left.contains(&delivery.state.as_str()) && delivery.lines.iter().any(|line| line.card.is_some())
        })
    }
}

/// Why a whole shop stands still, or cannot do everything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StandingView {
    /// `application`, `api` or `shop`: whatever names the widest.
    pub level: &'static str,
    /// The platform's code, the denied APIs, or the shop's reason.
    pub reason: String,
    /// Since when, where that is known.
    pub since: Option<DateTime<Utc>>,
    /// For people.
    pub text: String,
}

/// What was bought.
#[derive(Debug, Clone, Serialize)]
pub struct ItemView {
    /// The product's number.
    pub goods_id: i64,
    /// The SKU's number.
    pub sku_id: i64,
    /// The product's name.
    pub name: String,
    /// The SKU's name.
    pub spec: String,
    /// How many.
    pub quantity: i32,
    /// What was paid, in fen.
    pub paid_fen: i64,
}

/// What the platform said last (protocol 3.1).
#[derive(Debug, Clone, Serialize)]
pub struct PlatformView {
    /// 1 to ship, 2 shipped, 3 received.
    pub order_status: i16,
    /// 1 none, 2 to 4 in progress to refunded.
    pub refund_status: i16,
    /// 1 made.
    pub confirm_status: i16,
    /// 1 under review.
    pub risk_control_status: i16,
    /// See protocol 3.1.
    pub after_sales_status: i16,
    /// When it was paid.
    pub paid_at: Option<DateTime<Utc>>,
    /// The latest shipping time.
    pub last_ship_at: Option<DateTime<Utc>>,
    /// The platform's last change.
    pub updated_at: DateTime<Utc>,
    /// When we read it.
    pub read_at: DateTime<Utc>,
}

/// A delivery.
#[derive(Debug, Clone, Serialize)]
pub struct DeliveryView {
    /// Its id.
    pub delivery: DeliveryId,
    /// Where it is.
    pub state: String,
    /// How it is handed over.
    pub method: String,
    /// Lines a full hand-over has.
    pub lines_expected: i32,
    /// When the engine looks again; none: not by itself.
    pub due_at: Option<DateTime<Utc>>,
    /// Classified failures in a row.
    pub failures: i32,
    /// When it was delivered.
    pub delivered_at: Option<DateTime<Utc>>,
    /// What the buyer gets.
    pub lines: Vec<LineView>,
    /// What was tried.
    pub attempts: Vec<AttemptView>,
}

/// A line of a delivery.
#[derive(Debug, Clone, Serialize)]
pub struct LineView {
    /// From 1.
    pub line_no: i32,
    /// The card's number, masked; none for lines without a card of ours.
    pub card: Option<String>,
}

/// An attempt to hand over.
#[derive(Debug, Clone, Serialize)]
pub struct AttemptView {
    /// From 1.
    pub n: i32,
    /// Where it is.
    pub state: String,
    /// Our stable number towards the platform.
    pub idempotency_key: String,
    /// When it started.
    pub started_at: Option<DateTime<Utc>>,
    /// The order as the gate saw it.
    pub evidence: Value,
    /// What the platform said, without contents.
    pub outcome: Value,
}

/// A redemption of one line.
#[derive(Debug, Clone, Serialize)]
pub struct RedemptionLine {
    /// Where it is.
    pub state: String,
    /// How it is declared.
    pub method: String,
    /// When the engine looks again.
    pub due_at: Option<DateTime<Utc>>,
    /// What it waits for, or why it ended.
    pub explanation: Value,
    /// When it was done.
    pub done_at: Option<DateTime<Utc>>,
}

/// Something open about the order.
#[derive(Debug, Clone, Serialize)]
pub struct ExceptionView {
    /// Why.
    pub code: String,
    /// Whether the order stands still until it is resolved.
    pub blocking: bool,
    /// Whether only a person can go on.
    pub needs_review: bool,
    /// What the engine does by itself.
    pub automatic: &'static str,
    /// What a person may do.
    pub safe: Vec<&'static str>,
    /// What would risk a second card, a lost card or a false report.
    pub forbidden: Vec<&'static str>,
    /// More.
    pub detail: Value,
}

impl ExceptionView {
    /// Returns whether a person may do something about it without risk.
    #[must_use]
    pub fn allows(&self, action: Action) -> bool {
        self.safe.contains(&action.as_str())
    }
}

/// Something that happened.
#[derive(Debug, Clone, Serialize)]
pub struct EventView {
    /// When.
    pub at: DateTime<Utc>,
    /// What.
    pub kind: String,
    /// Particulars.
    pub detail: Value,
}

/// Reads an order of a shop; none if it was never seen.
///
/// # Errors
/// When the actor may not see orders, or the store fails.
pub async fn show(engine: &Engine, ctx: &Ctx, shop: ShopId, order_sn: &OrderSn) -> Result<Option<OrderView>, ActError> {
    ctx.require(Permission::ShowOrders)?;
    if ctx.sees(shop).is_err() {
        return Ok(None);
    }
    let mut tx = engine.store.tenant_tx(ctx.merchant).await?;
    let Some(row) = orders::find_by_sn(&mut tx, shop, order_sn).await? else { return Ok(None) };
    let (mut delivery, mut paused) = (None, false);
    if let Some(row) = deliveries::find_by_sn(&mut tx, shop, order_sn.as_str()).await? {
        paused = Paused::load(&tx, ctx.now).await?.delivery_of(shop, &row);
        delivery = Some(delivery_view(&mut tx, row).await?);
    }
    let redemptions = redemptions(&mut tx, shop, order_sn).await?;
    let exceptions = open_exceptions(&mut tx, shop, order_sn).await?;
    let events = order_events::list(&mut tx, row.key()).await?;
    let standing = standing(&mut tx, shop).await?;
    tx.commit().await?;
    let events = events.into_iter().map(|event| EventView { at: event.at, kind: event.kind, detail: event.detail });
    let view = order_view(shop, row, (delivery, redemptions, exceptions, events.collect()));
    Ok(Some(OrderView { shop_standing: standing, paused, ..view }))
}

/// Returns what keeps the whole shop from being worked for; the widest reason, because it must end first.
async fn standing(tx: &mut TenantTx, shop: ShopId) -> Result<Option<StandingView>, StoreError> {
    let row = shops::fetch(tx, shop).await?;
    let application = applications::fetch(tx, row.application).await?;
    let view = |level, reason: String, since, text: &str| StandingView { level, reason, since, text: text.to_owned() };
    if let Some(code) = application.stop_reason {
        let text = "the platform refuses the application; no shop calls through it until it is resumed";
        return Ok(Some(view("application", code, application.stopped_at, text)));
    }
    if row.state == ShopState::Stopped {
        let text = "the shop is stopped";
        return Ok(Some(view("shop", row.stop_reason.unwrap_or_default(), None, text)));
    }
    if !application.denied_apis.is_empty() {
        let text = "the application was told that it may not call these APIs; what needs them waits";
        return Ok(Some(view("api", application.denied_apis.join(" "), None, text)));
    }
    Ok(None)
}

type Belongings = (Option<DeliveryView>, Vec<RedemptionLine>, Vec<ExceptionView>, Vec<EventView>);

fn order_view(shop: ShopId, row: OrderRow, belongings: Belongings) -> OrderView {
    let (delivery, redemptions, exceptions, events) = belongings;
    OrderView {
        order: row.key().id,
        shop,
        shop_standing: None,
        paused: false,
        item: ItemView {
            goods_id: row.goods_id,
            sku_id: row.platform_sku_id,
            name: row.goods_name,
            spec: row.goods_spec,
            quantity: row.goods_count,
            paid_fen: row.pay_amount_fen,
        },
        platform: PlatformView {
            order_status: row.order_status,
            refund_status: row.refund_status,
            confirm_status: row.confirm_status,
            risk_control_status: row.risk_control_status,
            after_sales_status: row.after_sales_status,
            paid_at: row.paid_at,
            last_ship_at: row.last_ship_at,
            updated_at: row.updated_at,
            read_at: row.read_at,
        },
        order_sn: row.order_sn,
        state: row.state,
        state_cause: row.state_cause,
        verdict: row.verdict,
        delivery,
        redemptions,
        exceptions,
        events,
    }
}

async fn delivery_view(tx: &mut TenantTx, row: DeliveryRow) -> Result<DeliveryView, StoreError> {
    let mut lines = Vec::new();
    for line in delivery_lines::list_live(tx, &[row.id()]).await? {
        let card = match (line.data_key(), line.card_id, &line.number_sealed) {
            (Some(key), Some(card), Some(sealed)) => {
                Some(masked(&tx.data_key_by_id(key).await?.open(cards::NUMBER, card, sealed)?))
            }
            _ => None,
        };
        lines.push(LineView { line_no: line.line_no, card });
    }
    let mut tried = Vec::new();
    for attempt in attempts::list(tx, &[row.id()]).await? {
        tried.push(AttemptView {
            n: attempt.n,
            state: attempt.state()?.to_string(),
            idempotency_key: attempt.idempotency_key,
            started_at: attempt.started_at,
            evidence: attempt.evidence,
            outcome: attempt.outcome,
        });
    }
    Ok(DeliveryView {
        delivery: row.id(),
        state: row.state()?.to_string(),
        method: row.method()?.to_string(),
        lines_expected: row.lines_expected,
        due_at: row.due_at,
        failures: row.failures,
        delivered_at: row.delivered_at,
        lines,
        attempts: tried,
    })
}

fn masked(number: &SecretBytes) -> String {
    std::str::from_utf8(number.expose()).map_or_else(|_not_text| "****".to_owned(), cards::mask)
}

async fn redemptions(tx: &mut TenantTx, shop: ShopId, order_sn: &OrderSn) -> Result<Vec<RedemptionLine>, StoreError> {
    let rows = acts::list(tx, shop, std::slice::from_ref(order_sn)).await?;
    let line = |row: acts::RedemptionRow| {
        Ok(RedemptionLine {
            state: row.state()?.to_string(),
            method: row.method()?.to_string(),
            due_at: row.due_at,
            explanation: row.explanation,
            done_at: row.done_at,
        })
    };
    rows.into_iter().map(line).collect()
}

async fn open_exceptions(
    tx: &mut TenantTx,
    shop: ShopId,
    order_sn: &OrderSn,
) -> Result<Vec<ExceptionView>, StoreError> {
    let open = exceptions::list_open(tx, shop, &[order_sn.as_str()]).await?;
    let words = |actions: &'static [Action]| actions.iter().map(|action| action.as_str()).collect::<Vec<_>>();
    let views = open.into_iter().map(|row| {
        let recovery = row.code.parse::<ReasonCode>().ok().map(ReasonCode::recovery);
        ExceptionView {
            blocking: row.blocking,
            needs_review: row.needs_review,
            automatic: recovery.map_or("", |recovery| recovery.automatic),
            safe: recovery.map_or_else(Vec::new, |recovery| words(recovery.safe)),
            forbidden: recovery.map_or_else(Vec::new, |recovery| words(recovery.forbidden)),
            code: row.code,
            detail: row.detail,
        }
    });
    Ok(views.collect())
}
