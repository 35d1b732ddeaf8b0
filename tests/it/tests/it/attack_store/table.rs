//! Every function of the store that takes a merchant's transaction, called about another merchant's rows.

use std::fmt::Debug;

use chrono::TimeDelta;
use futures_util::future::BoxFuture;
use kamiflow_kernel::{
    AttemptState, BatchId, CardUseState, GatewayKind, LineId, MailId, MerchantCode, OrderState, ReasonCode,
    RedemptionState, RuleId, ShopId,
};
use kamiflow_store::coverage::CoverageKind;
use kamiflow_store::pauses::{PauseScope, PausedLevels, PausedWork};
use kamiflow_store::{
    StoreError, TenantTx, account_recoveries, api_requests, api_tokens, application_return, applications, attempts,
    audit, authorization_links, authorization_requests, backlog, card_claims, card_pools, card_uses, cards,
    charge_requests, coverage, coverage_repair, credentials, dashboard, deliveries, delivery_lines, exceptions,
    exports, handled_outside, held_work, jobs, ledger_roots, mailed_notices, mails, merchant_end, merchants,
    notification_addresses, order_events, order_hints, order_list, order_progress, orders, outbox, own_applications,
    pauses, platform_looks, platform_stock, platform_uploads, products, redemptions, refunds, reseal, restored_shops,
    rollups, rules, ship_by, shop_sync, shops, sign_ups, sku_lookup, startup, stock_waits, take_overs, team,
    token_lives, told, trial_orders, verification_pictures, verifications, wizard_places,
};
use serde_json::json;
use uuid::Uuid;

use super::arguments::{
    ANSWER, STAFF, address, application, approval, asked, batch, bytes, call, change, claim, claim_of_token, deadlines,
    decision, fenced, hint, look, new_attempt, new_authorization, new_delivery, new_exception, new_hints,
    new_invitation, new_link, new_picture, new_recovery, new_redemption, new_sign_up, new_token, new_verification,
    nothing_paused, order, outside, place, postponed, refund, seat, secret, shop, span, started_delivery, sync_change,
    tokens, voided,
};
use super::target::Target;

/// Makes one call and tells what it returned.
pub(super) type Attack = for<'a> fn(&'a mut TenantTx, &'a Target) -> BoxFuture<'a, Result<String, StoreError>>;

struct Told<'a, T>(&'a T);

/// What can be shown is shown; rows that hold secrets cannot, and are counted.
trait Shown {
    fn told(&self) -> String;
}

impl<T: Debug> Shown for Told<'_, T> {
    fn told(&self) -> String {
        format!("{:?}", self.0)
    }
}

trait Counted {
    fn told(&self) -> String;
}

impl<T> Counted for &Told<'_, Vec<T>> {
    fn told(&self) -> String {
        format!("{} rows", self.0.len())
    }
}

impl<T> Counted for &Told<'_, Option<T>> {
    fn told(&self) -> String {
        format!("{} rows", usize::from(self.0.is_some()))
    }
}

impl Counted for &Told<'_, shop_sync::ShopSyncRow> {
    fn told(&self) -> String {
        "a row".to_owned()
    }
}

impl Counted for &Told<'_, shops::AccessRow> {
    fn told(&self) -> String {
        "a row".to_owned()
    }
}

impl Counted for &Told<'_, shops::Standing> {
    fn told(&self) -> String {
        "a row".to_owned()
    }
}

macro_rules! attacks {
    ($name:ident, $t:ident: $($($path:ident)::+($($argument:expr),* $(,)?);)+) => {
        pub(super) const $name: &[(&str, Attack)] = &[$((
            stringify!($($path)::+),
            |tx, $t| Box::pin(async move {
                let _unused = $t;
                let value = $($path)::+(tx $(, $argument)*).await?;
                Ok((&Told(&value)).told())
            }),
        )),+];
    };
}

attacks! { API, t:
    api_tokens::insert(&new_token(t));
    api_tokens::list();
    api_tokens::list_used(t.member, t.now - TimeDelta::days(1));
    api_tokens::update_used(t.token, "x", t.now);
    api_tokens::update_revoked(t.token, t.now);
    api_requests::insert(asked(t), &[9; 32], t.now);
    api_requests::lock(asked(t));
    api_requests::update_answered(asked(t), t.now - TimeDelta::hours(1), &ANSWER);
    api_requests::update_begun(asked(t), &[9; 32], t.now);
    api_requests::delete(asked(t), t.now);
    api_requests::delete_old(t.token, t.now);
}

attacks! { SHOPS, t:
    TenantTx::data_key_by_id(t.data_key);
    application_return::resolve_exceptions(&[t.shop], ReasonCode::UnmappedSku, "x");
    application_return::revive_refused(&[t.shop], t.now);
    application_return::bring_forward(&[t.shop], &[json!([])], t.now);
    application_return::is_told(ShopId::generate(), ReasonCode::UnmappedSku, &t.client_id);
    applications::insert(&application(t));
    applications::find_by_client(GatewayKind::Sandbox, &t.client_id);
    applications::fetch(t.application);
    applications::list();
    applications::report_stop(t.shop, 10002, t.now);
    applications::report_denied_api(t.shop, "pdd.order.list.get", t.now);
    applications::resume(t.application, applications::Resumption::Person, t.now);
    applications::update_probed(t.application);
    applications::update(&application(t));
    credentials::insert(t.shop, &tokens(t));
    credentials::fetch(t.shop);
    credentials::update_authorized(t.shop, &tokens(t));
    credentials::claim_refresh(&claim_of_token(t));
    credentials::update_refreshed(&claim_of_token(t), &tokens(t), None);
    credentials::update_refresh_ended(&claim_of_token(t), credentials::RefreshEnd::Unknown);
    credentials::update_needs_reauthorization(t.shop, 1, t.now);
    credentials::update_dead(t.shop, 1, "x");
    credentials::update_reminded(t.shop, "x");
    coverage::extend(t.shop, &span(t), t.now);
    coverage::list_gaps(t.shop, CoverageKind::Orders, t.now - TimeDelta::hours(3));
    coverage_repair::record(t.shop, Some(t.coverage), &span(t), t.now);
    coverage_repair::covers(t.shop, CoverageKind::Orders, (t.now - TimeDelta::minutes(100), t.now - TimeDelta::minutes(80)), t.now - TimeDelta::days(1));
    products::upsert_products(t.shop, &[products::ProductChange { goods_id: t.goods, name: "x", image_url: "", on_sale: true }], t.now);
    products::upsert_skus(t.shop, &[products::SkuChange { goods_id: t.goods, sku_id: t.platform_sku, outer_id: "x", spec: "", quantity: 1, on_sale: true }], t.now);
    products::update_details(t.shop, &[products::DetailChange { goods_id: t.goods, goods_type: Some(1), delivery_type: None, cat_id: None }]);
    products::list_without_detail(t.shop, 10);
    products::update_unseen(t.shop, t.now + TimeDelta::days(1));
    products::list_skus(t.shop, None, 10);
    products::fetch_sku(t.sku);
    products::find_sku(t.shop, t.platform_sku);
    products::upsert_mapping(&products::NewMapping { sku: t.sku, handling: products::Handling::Skip, settings: json!({}) }, t.now);
    products::delete_mapping(t.sku);
    products::undecide_orders(t.sku, t.now);
    restored_shops::find(t.shop);
    restored_shops::clear_restored(t.shop, (t.now - TimeDelta::days(2), t.now), t.now);
    restored_shops::stock::list();
    restored_shops::stock::release(t.pool, 0, t.now);
    shop_sync::fetch(t.shop);
    shop_sync::update(t.shop, &sync_change(t));
    shop_sync::rewind(t.shop, CoverageKind::Orders, t.now - TimeDelta::days(1));
    shop_sync::update_due(t.shop, t.now + TimeDelta::days(1));
    shop_sync::commit_lazily();
    shops::fetch_access(t.shop);
    shops::insert(&shop(t, ShopId::generate()));
    shops::fetch(t.shop);
    shops::lock(t.shop);
    shops::find_by_mall(GatewayKind::Sandbox, t.mall);
    shops::list(None, 10);
    shops::list_framed(t.now, 10);
    shops::update_state(t.shop, &shops::ShopChange::Stop { reason: "x" });
    shops::update_authorized(t.shop, (t.merchant, t.application), "x");
    shops::update_due(t.shop, t.now + TimeDelta::days(1));
    shops::share_standing(t.shop);
    sku_lookup::list(t.shop, &[t.platform_sku.0]);
}

attacks! { STOCK, t:
    card_claims::claim(&claim(t));
    card_claims::claim_waiting(&claim(t));
    card_claims::list_held(&[t.delivery], &[], t.now);
    card_claims::move_held(&[t.delivery], card_claims::HeldMove { from: CardUseState::Reserved, to: CardUseState::Sent, cause: "sent", exposes: true, lets_go: false }, t.now);
    card_pools::insert(&card_pools::NewPool { id: t.pool, name: "x", gateway: GatewayKind::Sandbox, min_validity_s: 0, low_stock_at: 0 });
    card_pools::fetch(t.pool);
    card_pools::find_by_name("pool");
    card_pools::list(None, 10);
    card_pools::update(&card_pools::NewPool { id: t.pool, name: "x", gateway: GatewayKind::Sandbox, min_validity_s: 0, low_stock_at: 0 });
    card_pools::lock(&[t.pool]);
    card_pools::update_low(t.pool, t.now);
    card_pools::find_low(t.pool, t.now);
    card_pools::list_served(&[t.pool]);
    card_pools::list_of_gateway(&[t.pool], GatewayKind::Sandbox);
    card_pools::count_stock(t.pool, t.now);
    card_uses::transition(&voided(t));
    card_uses::update_pool(&[t.free], t.pool, t.now);
    card_uses::lock_of_cards(&[t.card]);
    card_uses::list_pools(&[t.card]);
    card_uses::check_chains(None, Some(t.free), 100);
    card_uses::count_broken_chains();
    cards::insert_batch(&batch(t, t.batch));
    cards::insert_batch(&batch(t, BatchId::generate()));
    cards::find_batch(&t.batch_key);
    cards::fetch_batch(t.batch);
    cards::update_batch(t.batch, 5, 5);
    cards::list_known_hashes(&[&t.hash]);
    cards::list_of_batch(t.batch, (None, 10), None);
    cards::find_by_hash(&t.hash);
    cards::list_sealed(&[t.card]);
    ledger_roots::list_heads(t.now, None, 10);
    ledger_roots::find(t.order.day);
    ledger_roots::list_latest(10);
    ledger_roots::insert(t.order.day, &ledger_roots::RootRow { uses: 9, root: vec![9] });
    platform_stock::list(t.pool, 10);
    platform_stock::list_by_hash(t.pool, &[t.hash]);
    platform_stock::insert_lines(t.delivery, &[platform_stock::LinkedLine { id: LineId::generate(), line_no: 2, card_use: Some(t.stocked), code: None }]);
    platform_stock::find_top_up(t.sku);
    platform_stock::update_top_up(t.sku, Some(platform_stock::TopUp { below: 1, to: 2 }));
    platform_stock::find_level(t.sku);
    platform_uploads::lock_available(&platform_uploads::Wanted { pool: t.pool, valid_after: t.now, paused_batches: Vec::new(), limit: 10 });
    platform_uploads::start(&platform_uploads::NewUpload { id: Uuid::now_v7(), shop: t.shop, sku: t.sku, uses: vec![t.free], now: t.now, deadline: t.now });
    platform_uploads::end(t.upload, platform_uploads::UploadEnd::Succeeded, Some(1), t.now);
    platform_uploads::lock_stale(t.sku, t.now);
    platform_uploads::list_uses(t.upload);
    platform_uploads::find_target(t.sku);
    platform_uploads::list_cards(&[t.stocked]);
    stock_waits::insert(&[stock_waits::NewWait { delivery: t.delivery, pool: t.pool, shop: t.shop, cards: 1, since: t.now }]);
    stock_waits::insert(&[stock_waits::NewWait { delivery: t.waiting, pool: t.pool, shop: t.shop, cards: 5, since: t.now }]);
    stock_waits::delete(&[t.waiting]);
    stock_waits::list(t.pool, 10);
    stock_waits::wake(t.pool, t.now);
    stock_waits::take_missed(t.shop, t.now);
    stock_waits::list_pools();
}

pub(super) const CARDS: &[(&str, Attack)] = &[("cards::insert", |tx, t| Box::pin(insert_cards(tx, t)))];

/// Cards are sealed with a key first: the caller's own, while the row names the other merchant's.
async fn insert_cards(tx: &mut TenantTx, t: &Target) -> Result<String, StoreError> {
    let key = tx.data_key().await?;
    let card = cards::SealedCard::seal(&key, secret(), None, None)?;
    let place = cards::CardPlace {
        pool: t.pool,
        batch: t.batch,
        key: t.data_key,
        uses_permitted: 1,
        event: "imported",
        at: t.now,
    };
    Ok(format!("{} rows", cards::insert(tx, &place, &[card]).await?.len()))
}

attacks! { ORDERS, t:
    attempts::start(&[new_attempt(t)], t.now, t.now + TimeDelta::seconds(5));
    attempts::end(&[attempts::AttemptEnd { id: t.attempt, fence: 0, state: AttemptState::Failed, outcome: json!({}) }], t.now);
    attempts::resolve_open(t.delivery, AttemptState::ResolvedDelivered, &json!({}), t.now);
    attempts::list(&[t.delivery]);
    attempts::count(&[t.attempt]);
    attempts::has_unknown(t.delivery);
    attempts::expire_started(t.delivery, t.now);
    audit::insert(&audit::NewAudit { actor: "x", action: "x", target: "x", request_id: "", ip: "", detail: json!({}), at: t.now });
    audit::count_since((&["a".to_owned()], "b"), t.now - TimeDelta::days(1));
    audit::list(&audit::AuditFilter::ALL, 10);
    audit::find_break();
    backlog::list(t.shop, 10);
    backlog::release(&backlog::Release { shop: t.shop, orders: std::slice::from_ref(&t.sn), paid_since: t.now - TimeDelta::days(9) });
    backlog::hint_seen(t.shop, t.now);
    backlog::hint_unmapped(t.shop, t.now);
    charge_requests::list(&[t.charge]);
    charge_requests::insert(&[(t.delivery, "x".to_owned())], t.now);
    charge_requests::insert(&[(t.charge, "x".to_owned())], t.now);
    charge_requests::answer(t.charge, charge_requests::Charged::Yes, &json!({}), t.now);
    charge_requests::list_waiting(10);
    deliveries::plan(t.shop, &[new_delivery(t)]);
    deliveries::insert_started(t.shop, &[started_delivery(t, &new_delivery(t))]);
    deliveries::lock_by_sn(t.shop, &[t.sn.as_str()]);
    deliveries::lock_waiting(t.shop, &["odd"]);
    deliveries::find_by_sn(t.shop, t.sn.as_str());
    deliveries::list_of_shops(&[(t.shop, t.sn.as_str())]);
    deliveries::due::list_due(t.shop, t.now, &nothing_paused(), 10);
    deliveries::due::put_off_paused(t.shop, t.now, &PausedLevels { everything: true, ..nothing_paused() }, t.now + TimeDelta::hours(1));
    deliveries::due::next_due(t.shop);
    deliveries::update_fenced(&[fenced(t)]);
    deliveries::due::reschedule(t.shop, &[t.sn.as_str()], Some(t.now + TimeDelta::days(1)));
    deliveries::due::revive(t.shop, &[t.sn.as_str(), "odd"], t.now);
    deliveries::due::postpone(t.shop, &[t.sn.as_str()], t.now + TimeDelta::days(1));
    delivery_lines::insert(&[delivery_lines::NewLine { id: LineId::generate(), delivery: t.delivery, line_no: 2, card_use: None }]);
    delivery_lines::insert(&[delivery_lines::NewLine { id: LineId::generate(), delivery: t.delivery, line_no: 3, card_use: Some(t.held) }]);
    delivery_lines::list_live(&[t.delivery]);
    delivery_lines::end(&[t.delivery]);
    exceptions::open(&[new_exception(t, ReasonCode::UnmappedSku)]);
    exceptions::open(&[new_exception(t, ReasonCode::OutOfStock)]);
    exceptions::resolve(t.shop, &[t.sn.as_str()], &[ReasonCode::UnmappedSku], "x");
    exceptions::list_open(t.shop, &[t.sn.as_str()]);
    jobs::insert(&jobs::NewJob { name: "job", key: "key", payload: json!({}), due_at: t.now });
    jobs::insert_or_replace_parked(&jobs::NewJob { name: "job", key: "key", payload: json!({}), due_at: t.now });
    jobs::find(t.job);
    jobs::delete(t.job);
    jobs::update_due(t.job, t.now + TimeDelta::days(1));
    jobs::update_failed(t.job, "x", t.now, 5);
    jobs::list(10);
    merchants::insert(&merchants::NewMerchant { name: "x", poll_floor_s: 15 });
    merchants::find();
    merchants::update_poll_floor(20);
    order_events::append(t.now, &[order_events::NewEvent { order: t.order, kind: "state", detail: json!({}) }]);
    order_events::list(t.order);
    dashboard::sums(&[t.shop], &["delivered"], t.now - TimeDelta::hours(1));
    dashboard::to_ship(&[t.shop], t.now);
    dashboard::need_person(&[t.shop]);
    order_list::newest(&[t.shop], (order_list::Window::until_month_of(t.order.day), order_list::Part::Recent), order_list::Place::start());
    order_list::of_states(&[t.shop], (order_list::Window::until_month_of(t.order.day), order_list::Part::Recent), order_list::Place::start(), OrderState::ALL);
    order_list::need_person(&[t.shop], order_list::Place::start());
    order_list::by_number(&[t.shop], &t.sn);
    order_hints::upsert(t.shop, std::slice::from_ref(&t.sn), new_hints(t));
    order_hints::list_due(t.shop, t.now, 10);
    order_hints::list_among(t.shop, std::slice::from_ref(&t.sn));
    order_hints::clear_read(t.shop, std::slice::from_ref(&t.sn), t.now);
    order_hints::defer(t.shop, &hint(t), t.now + TimeDelta::days(1));
    order_progress::list(t.shop, std::slice::from_ref(&t.sn));
    orders::lock_by_sn(t.shop, std::slice::from_ref(&t.sn));
    orders::find_by_sn(t.shop, &t.sn);
    orders::insert_new(t.shop, &[order(t, t.order.id.as_uuid())]);
    orders::insert_new(t.shop, &[order(t, Uuid::now_v7())]);
    orders::update_content(&[order(t, t.order.id.as_uuid())]);
    orders::transition(&[t.order], &[OrderState::HeldBacklog], OrderState::Seen, "released_backlog");
    outbox::push("x", json!({}));
    pauses::keep();
    pauses::lock();
    pauses::upsert(&pauses::NewPause { scope: PauseScope::Shop(t.shop), work: PausedWork::Delivery, reason: "x", ends_at: None, at: t.now });
    pauses::delete(PauseScope::Shop(t.shop), PausedWork::Delivery);
    pauses::list_active(t.now);
    pauses::make_due(PausedWork::Redemption, &[t.shop], t.now);
    rollups::add(t.shop, t.now, &[("delivered", 1)]);
    told::write(told::Told { shop: t.shop, at: t.now, events: &[order_events::NewEvent { order: t.order, kind: "state", detail: json!({}) }], sums: &[("delivered", 1)], outbox: Some(("x", json!({}))) });
    ship_by::list_untold(t.shop, t.now + TimeDelta::hours(1), t.now, 10);
    ship_by::update_past(t.shop, &[t.sn.as_str()]);
    ship_by::resolve_settled(t.shop, t.now, t.now);
}

attacks! { REDEMPTION, t:
    redemptions::insert(&[new_redemption(t, "new".to_owned())], t.now);
    redemptions::insert(&[new_redemption(t, t.trans_no.clone())], t.now);
    redemptions::change(RedemptionState::Waiting, &[change(t)], t.now);
    redemptions::lock_progress(&[t.delivery]);
    redemptions::wake_orders(t.shop, std::slice::from_ref(&t.sn), t.now);
    redemptions::wake_all(t.now);
    redemptions::acts::list(t.shop, std::slice::from_ref(&t.sn));
    redemptions::acts::approve(redemptions::acts::Decision { shop: t.shop, order_sn: &t.sn, now: t.now }, "x", &json!([]));
    redemptions::acts::stop(t.shop, std::slice::from_ref(&t.sn), &json!([]));
    redemptions::acts::withdraw_approval(t.shop, std::slice::from_ref(&t.sn));
    redemptions::acts::lock_orders(&[t.order]);
    redemptions::acts::record_use(t.order, t.now);
    redemptions::acts::record_seen(t.order, t.now);
    redemptions::acts::list_lines_with_cards(t.delivery);
    redemptions::acts::list_platform_lines(t.delivery);
    redemptions::acts::set_platform_code(t.line, b"x");
    redemptions::calls::start(&[call(t)], deadlines(t));
    redemptions::calls::take_over(&[(t.redemption, 0)], t.now, t.now);
    redemptions::calls::postpone(&[postponed(t)]);
    redemptions::calls::count_by_rule(t.now - TimeDelta::days(1));
    redemptions::calls::lock_rules(&[t.rule]);
    redemptions::due::list(t.shop, t.now, t.now - TimeDelta::days(1), 10);
    redemptions::due::next_at(t.shop);
    redemptions::list::newest(&[t.shop], None, (None, 10));
    redemptions::past::list(Some(t.shop), None, 10);
    redemptions::past::list(None, None, 10);
    refunds::upsert(t.shop, &[refund(t)], t.now);
    refunds::list_news(t.shop, &[refund(t)]);
    reseal::count_left();
    reseal::count_wrapped_otherwise();
    reseal::settle();
    reseal::renew();
    reseal::rewrap();
    reseal::reseal(&reseal::PLACES[0], Uuid::nil(), 10);
    reseal::reseal(&reseal::PLACES[1], Uuid::nil(), 10);
    reseal::reseal(&reseal::PLACES[2], Uuid::nil(), 10);
    rules::list();
    rules::insert(RuleId::generate(), "x", &json!({}));
    rules::insert(t.rule, "x", &json!({}));
    rules::update(&rules::RuleRow { id: t.rule, position: 1, name: "x".to_owned(), body: json!({}), enabled: false });
    rules::delete(t.rule);
    rules::update_order(&[t.rule]);
    startup::list_data_keys();
}

attacks! { VERIFICATION, t:
    account_recoveries::insert(&new_recovery(t));
    account_recoveries::lock(t.recovery);
    account_recoveries::update_approved(t.recovery, &approval(t));
    account_recoveries::update_rejected(t.recovery, ("x", "y"), t.now);
    account_recoveries::update_forgotten(t.member, t.now);
    account_recoveries::update_ended(t.recovery, account_recoveries::RecoveryEnd::Stopped, t.now);
    verifications::insert(&new_verification(t));
    verifications::list(10);
    verifications::find_approved();
    verifications::exists_claimed_by(STAFF.id);
    verifications::lock(t.verification);
    verifications::update_claimed(t.verification, STAFF, t.now);
    verifications::update_decided(t.verification, &decision(t));
    verifications::update_asked_again("new_owner", t.now);
    verifications::update_destroyed(t.approved, t.now);
    verification_pictures::insert(&new_picture(t));
    verification_pictures::find(t.verification, 1);
    verification_pictures::count(t.verification);
    verification_pictures::insert_look(t.verification, 1, STAFF, t.now);
    verification_pictures::list_looks(t.now + TimeDelta::days(1), 10);
    authorization_links::insert(&new_link(t));
    authorization_links::lock(t.link);
    authorization_links::update_session(t.link, b"stolen");
    authorization_links::update_used(t.link, t.now);
    authorization_requests::insert(&new_authorization(t));
    authorization_requests::lock_by_state(&t.hash);
    authorization_requests::update_used(t.authorization, t.now);
    own_applications::upsert_proved(t.application, t.now);
    own_applications::update_activated(t.application, t.now);
    own_applications::find(t.application);
    wizard_places::upsert(t.member, &place(t));
    wizard_places::find(t.member);
    wizard_places::delete(t.member);
    take_overs::ask(t.authorization, GatewayKind::Sandbox, t.mall, t.now);
    take_overs::list_open(10);
    take_overs::update_answered(t.take_over, "released", t.now);
    handled_outside::insert(t.shop, &outside(t));
    handled_outside::count_since(t.shop, t.now - TimeDelta::days(1));
    handled_outside::list(t.shop, 10);
    handled_outside::list_warnings(&[t.shop]);
    notification_addresses::upsert(&address(), t.now + TimeDelta::days(1));
    notification_addresses::find();
    mailed_notices::claim(("shop_stopped", "stolen"), t.now, t.now);
    exports::list_deliveries(t.shop, "", 10);
    exports::list_orders(t.shop, order_list::Place::start(), 10);
    exports::list_redemptions(t.shop, &[t.delivery]);
    platform_looks::upsert(t.shop, &look(t));
    platform_looks::find(t.shop);
    token_lives::list(Some(t.shop), 10);
    token_lives::count_waiting(&[t.shop]);
    trial_orders::list(t.shop, None, 10);
    held_work::count(held_work::HeldBy { shop: Some(t.shop), ..held_work::HeldBy::default() });
    held_work::list_next(held_work::HeldBy { shop: Some(t.shop), ..held_work::HeldBy::default() }, 10);
    cards::list_batches(t.pool, 10);
}

attacks! { TEAM, t:
    merchants::update_code(&MerchantCode::try_from("stolen".to_owned()).unwrap());
    merchants::fetch_code();
    merchants::update_closes_at(Some(t.now));
    merchants::update_name("stolen");
    merchant_end::update_ended(t.now + TimeDelta::days(1));
    merchant_end::destroy_credentials();
    merchant_end::destroy_applications(t.now);
    merchant_end::revoke_tokens(t.now);
    merchant_end::revoke_invitations(t.now);
    merchant_end::delete_seats();
    merchant_end::delete_address();
    merchant_end::destroy_verifications("stolen", t.now);
    mails::insert(MailId::generate(), &bytes(), t.now, t.now);
    mails::find(t.mail);
    mails::delete(t.mail);
    sign_ups::insert(&new_sign_up(t));
    sign_ups::lock_by_token(&t.hash, t.now);
    sign_ups::lock_latest(&t.login, t.now);
    sign_ups::update_token(t.sign_up, &[9; 32], t.now);
    sign_ups::delete(&t.login);
    team::invitations::insert(&new_invitation(t));
    team::invitations::lock_by_token(&t.hash, t.now);
    team::invitations::update_accepted(t.invitation, t.member, t.now);
    team::invitations::update_revoked(t.invitation, t.now);
    team::invitations::update_forgotten((t.member, &"invited@example.com".parse().unwrap()), t.now);
    team::invitations::list(t.now);
    team::members::insert(&seat(t), t.now);
    team::members::lock(t.member);
    team::members::update(&seat(t));
    team::members::delete(t.member);
    team::members::count_owners();
    team::members::list();
    team::members::list_own_shops(&[t.shop]);
}
