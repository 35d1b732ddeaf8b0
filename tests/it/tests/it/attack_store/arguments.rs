//! What the calls of the table are given: the rows that the store's functions take, filled with a target's names.

use std::sync::LazyLock;

use chrono::TimeDelta;
use kamiflow_kernel::{
    ApiScope, ApiTokenId, AttemptId, AuthorizationLinkId, BatchId, CardUseState, DeliveryId, DeliveryMethod,
    DeliveryState, EmailAddress, Fen, GatewayKind, InvitationId, LineId, ReasonCode, RedemptionId, RedemptionMethod,
    RedemptionState, Role, SecretBytes, SecretText, ShopId, ShopScope, SignUpId,
};
use kamiflow_store::coverage::{CoverageKind, CoverageSource, ReadSpan};
use kamiflow_store::pauses::PausedLevels;
use kamiflow_store::team::{invitations, members};
use kamiflow_store::{
    account_recoveries, api_requests, api_tokens, applications, attempts, authorization_links, authorization_requests,
    card_claims, card_uses, cards, credentials, deliveries, exceptions, handled_outside, order_hints, orders,
    platform_looks, redemptions, refunds, shop_sync, shops, sign_ups, verification_pictures, verifications,
    wizard_places,
};
use serde_json::json;
use uuid::Uuid;

use super::target::Target;

pub(super) fn application(t: &Target) -> applications::NewApplication<'_> {
    applications::NewApplication {
        id: t.application,
        gateway: GatewayKind::Sandbox,
        client_id: &t.client_id,
        client_secret: secret(),
        app_type: "",
        packages: &[],
    }
}

pub(super) fn secret() -> &'static SecretText {
    static SECRET: LazyLock<SecretText> = LazyLock::new(|| "stolen".into());
    &SECRET
}

pub(super) fn tokens(t: &Target) -> credentials::NewTokens<'static> {
    let expires_at = t.now + TimeDelta::days(30);
    credentials::NewTokens {
        access_token: secret(),
        refresh_token: secret(),
        expires_at,
        refresh_expires_at: expires_at,
        scopes: &[],
        issued_at: t.now,
        levels: credentials::TokenLevels::default(),
    }
}

pub(super) fn claim_of_token(t: &Target) -> credentials::RefreshClaim {
    let deadline = t.now + TimeDelta::seconds(30);
    credentials::RefreshClaim { shop: t.shop, version: 1, holder: Uuid::nil(), now: t.now, deadline }
}

pub(super) fn span(t: &Target) -> ReadSpan {
    ReadSpan {
        kind: CoverageKind::Orders,
        source: CoverageSource::Window,
        from: t.now - TimeDelta::hours(1),
        to: t.now,
        found: 1,
        announced: 1,
        fresh: 1,
    }
}

pub(super) fn sync_change(t: &Target) -> shop_sync::SyncChange<'static> {
    shop_sync::SyncChange {
        orders_watermark: t.now,
        refunds_watermark: t.now,
        interval_ms: 1,
        next_due_at: t.now,
        failures: 1,
        breaker_until: None,
        last_peek_at: None,
        last_window_at: None,
        last_ok_at: None,
        last_error: Some("x"),
    }
}

pub(super) fn shop(t: &Target, id: ShopId) -> shops::NewShop<'static> {
    shops::NewShop {
        id,
        application_owner: t.merchant,
        application: t.application,
        gateway: GatewayKind::Production,
        mall: t.mall,
        name: "x",
        connected_at: t.now,
        watermark: t.now,
        interval_ms: 15_000,
    }
}

pub(super) fn claim(t: &Target) -> card_claims::Claim {
    let lines = vec![(LineId::generate(), t.delivery)];
    card_claims::Claim { pool: t.pool, lines, paused_batches: Vec::new(), at: t.now }
}

pub(super) fn voided(t: &Target) -> card_uses::Transition<'_> {
    card_uses::Transition {
        uses: std::slice::from_ref(&t.free),
        from: CardUseState::Available,
        to: CardUseState::Void,
        cause: "voided",
        event: "voided",
        delivery: None,
        line: card_uses::LineChange::Keep,
        at: t.now,
    }
}

pub(super) fn batch(t: &Target, id: BatchId) -> cards::NewBatch<'_> {
    cards::NewBatch {
        id,
        pool: t.pool,
        source: cards::BatchSource::Import,
        idempotency_key: &t.batch_key,
        file_name: "x",
        file_hash: None,
        at: t.now,
    }
}

pub(super) fn new_attempt(t: &Target) -> attempts::NewAttempt {
    attempts::NewAttempt {
        id: AttemptId::generate(),
        delivery: t.delivery,
        n: 2,
        method: "voucher_send",
        idempotency_key: "x".to_owned(),
        data_key: t.data_key,
        payload_sealed: vec![1],
        payload_hash: b"h".to_vec(),
        evidence: json!({}),
        evidence_at: t.now,
        fence: 0,
    }
}

pub(super) fn nothing_paused() -> PausedLevels {
    PausedLevels { everything: false, skus: Vec::new(), pools: Vec::new(), batches: Vec::new() }
}

pub(super) fn new_delivery(t: &Target) -> deliveries::NewDelivery {
    deliveries::NewDelivery {
        order: t.order,
        order_sn: t.sn.to_string(),
        sku: t.sku.as_uuid(),
        method: DeliveryMethod::VoucherSend,
        redemption: RedemptionMethod::None,
        pool: Some(t.pool),
        lines_expected: 1,
        due_at: None,
        last_ship_at: None,
    }
}

pub(super) fn started_delivery<'a>(t: &Target, new: &'a deliveries::NewDelivery) -> deliveries::StartedDelivery<'a> {
    deliveries::StartedDelivery { id: DeliveryId::generate(), new, fence: 1, due_at: t.now, payload_hash: &[1] }
}

pub(super) fn fenced(t: &Target) -> deliveries::DeliveryChange {
    deliveries::DeliveryChange {
        id: t.delivery,
        fence: 0,
        next_fence: 1,
        state: DeliveryState::HandingOver,
        due_at: None,
        failures: 0,
        payload_hash: None,
        delivered_at: None,
    }
}

pub(super) fn new_exception(t: &Target, code: ReasonCode) -> exceptions::NewException {
    let order = Some((t.order, t.sn.to_string()));
    exceptions::NewException { shop: t.shop, order, code, needs_review: true, detail: json!({}) }
}

pub(super) fn new_hints(t: &Target) -> order_hints::NewHints {
    order_hints::NewHints { dirty_since: t.now, due_at: t.now, source: order_hints::HintSource::Push }
}

pub(super) fn hint(t: &Target) -> order_hints::HintRow {
    let at = t.now - TimeDelta::minutes(1);
    let order_sn = t.sn.to_string();
    order_hints::HintRow { order_sn, dirty_since: at, due_at: at, tries: 0, source: "push".to_owned() }
}

pub(super) fn order(t: &Target, id: Uuid) -> orders::OrderRow {
    orders::OrderRow {
        id,
        order_day: t.order.day,
        order_sn: t.sn.to_string(),
        state: "seen".to_owned(),
        state_cause: "seen".to_owned(),
        verdict: "x".to_owned(),
        order_status: 2,
        refund_status: 1,
        confirm_status: 1,
        group_status: 1,
        risk_control_status: 0,
        after_sales_status: 0,
        trade_type: 0,
        step_trade_status: None,
        is_lucky_flag: 1,
        goods_id: t.goods.0,
        platform_sku_id: t.platform_sku.0,
        outer_id: String::new(),
        goods_name: "x".to_owned(),
        goods_spec: String::new(),
        goods_count: 1,
        item_count: 1,
        pay_amount_fen: 1,
        platform_created_at: None,
        paid_at: None,
        confirmed_at: None,
        last_ship_at: None,
        shipped_at: None,
        received_at: None,
        updated_at: t.now,
        content_hash: vec![9],
        read_at: t.now,
        source: "window".to_owned(),
    }
}

pub(super) fn new_redemption(t: &Target, trans_no: String) -> redemptions::NewRedemption<'_> {
    redemptions::NewRedemption {
        id: RedemptionId::generate(),
        trans_no,
        shop: t.shop,
        delivery: t.delivery,
        line: t.line,
        use_no: 3,
        order: t.order,
        order_sn: t.sn.as_str(),
        method: RedemptionMethod::Ota,
    }
}

pub(super) fn change(t: &Target) -> redemptions::Change {
    redemptions::Change {
        id: t.redemption,
        fence: 0,
        to: RedemptionState::Stopped,
        due_at: None,
        rule: None,
        explanation: json!([]),
        failures: 0,
        outcome: None,
    }
}

pub(super) fn call(t: &Target) -> redemptions::calls::Start {
    redemptions::calls::Start {
        id: t.redemption,
        fence: 0,
        rule: Some(t.rule),
        used_at: t.now,
        remain_times: None,
        evidence: json!({}),
        evidence_at: t.now,
    }
}

pub(super) fn deadlines(t: &Target) -> redemptions::calls::Deadlines {
    redemptions::calls::Deadlines { started_at: t.now, send_deadline: t.now, resolve_at: t.now }
}

pub(super) fn postponed(t: &Target) -> redemptions::calls::Postponed {
    let due_at = Some(t.now + TimeDelta::days(1));
    redemptions::calls::Postponed { id: t.redemption, fence: 0, due_at, explanation: json!([]), failures: 9 }
}

pub(super) fn refund(t: &Target) -> refunds::NewRefund<'_> {
    refunds::NewRefund {
        after_sales_id: t.refund,
        order_sn: &t.sn,
        status: 5,
        kind: 1,
        amount: Fen(1),
        created_at: None,
        updated_at: t.now + TimeDelta::minutes(5),
    }
}

pub(super) fn new_verification(t: &Target) -> verifications::NewVerification<'static> {
    static SUBJECT: LazyLock<SecretBytes> = LazyLock::new(|| SecretBytes::new(b"x".to_vec()));
    verifications::NewVerification {
        id: t.verification,
        kind: "person",
        subject: &SUBJECT,
        last4: "002X",
        number_hash: [9; 32],
        submitted_by: "x",
        submitted_at: t.now,
    }
}

pub(super) fn new_recovery(t: &Target) -> account_recoveries::NewRecovery<'static> {
    static CONTACT: LazyLock<EmailAddress> = LazyLock::new(|| "c@example.com".parse().unwrap());
    account_recoveries::NewRecovery {
        id: t.recovery,
        owner: t.member,
        contact: &CONTACT,
        site: "s",
        stop_hash: &[9; 32],
        at: t.now,
    }
}

pub(super) fn approval(t: &Target) -> account_recoveries::Approval<'static> {
    account_recoveries::Approval { by: "x", at: t.now, link_at: t.now, stop_hash: &[9; 32] }
}

pub(super) fn new_picture(t: &Target) -> verification_pictures::NewPicture<'static> {
    let picture = new_verification(t).subject;
    verification_pictures::NewPicture { verification: t.verification, position: 2, media_type: "image/png", picture }
}

pub(super) const STAFF: verifications::Staff<'static> = verifications::Staff { id: Uuid::nil(), name: "x" };

pub(super) fn decision(t: &Target) -> verifications::Decision<'static> {
    verifications::Decision { approved: true, reason: "", by: Some(STAFF), at: t.now }
}

pub(super) fn look(t: &Target) -> platform_looks::PlatformLook {
    let looked_at = t.now + TimeDelta::minutes(1);
    platform_looks::PlatformLook { looked_at, token_version: 2, credentials: None, clock: None }
}

pub(super) fn new_link(t: &Target) -> authorization_links::NewLink<'static> {
    authorization_links::NewLink {
        id: AuthorizationLinkId::generate(),
        application: (t.merchant, t.application),
        shop: Some(t.shop),
        made_by: "x",
        made_at: t.now,
        expires_at: t.now,
    }
}

pub(super) fn new_authorization(t: &Target) -> authorization_requests::NewRequest<'static> {
    authorization_requests::NewRequest {
        state_hash: b"new",
        session_hash: b"new",
        application: (t.merchant, t.application),
        shop: Some(t.shop),
        link: Some(t.link),
        began_at: t.now,
        expires_at: t.now,
    }
}

pub(super) fn outside(t: &Target) -> Vec<handled_outside::HandledOutside> {
    vec![handled_outside::HandledOutside { order_sn: "new".to_owned(), cause: "shipped".to_owned(), at: t.now }]
}

pub(super) fn address() -> EmailAddress {
    EmailAddress::try_from("new@example.com".to_owned()).unwrap()
}

pub(super) fn place(t: &Target) -> wizard_places::NewPlace<'static> {
    wizard_places::NewPlace { sold: None, own_keys: true, application: None, kept_at: t.now + TimeDelta::days(1) }
}

pub(super) fn bytes() -> SecretBytes {
    SecretBytes::new(b"x".to_vec())
}

pub(super) fn new_sign_up(t: &Target) -> sign_ups::NewSignUp<'_> {
    static CONTENTS: LazyLock<SecretBytes> = LazyLock::new(bytes);
    sign_ups::NewSignUp {
        id: SignUpId::generate(),
        login: &t.login,
        token_hash: &t.hash,
        contents: &CONTENTS,
        at: t.now,
        expires_at: t.now + TimeDelta::days(1),
    }
}

pub(super) fn new_token(t: &Target) -> api_tokens::NewApiToken<'_> {
    api_tokens::NewApiToken {
        id: ApiTokenId::generate(),
        name: "x",
        token_hash: &t.hash,
        hint: "abcd",
        is_test: false,
        scopes: &[ApiScope::ShopsRead],
        shops: &ShopScope::All,
        made_by: t.member,
        at: t.now,
        expires_at: t.now + TimeDelta::days(1),
    }
}

pub(super) fn asked(t: &Target) -> api_requests::RequestKey<'static> {
    api_requests::RequestKey { token: t.token, key: "key" }
}

pub(super) const ANSWER: api_requests::KeptAnswer<'static> =
    api_requests::KeptAnswer { status: 200, content_type: "x", body: b"x" };

pub(super) fn new_invitation(t: &Target) -> invitations::NewInvitation<'_> {
    invitations::NewInvitation {
        id: InvitationId::generate(),
        email: None,
        role: Role::Viewer,
        shops: &ShopScope::All,
        token_hash: &t.hash,
        invited_by: t.member,
        at: t.now,
        expires_at: t.now + TimeDelta::days(1),
    }
}

pub(super) fn seat(t: &Target) -> members::MembershipRow {
    members::MembershipRow { user: t.member, role: Role::Viewer, shops: ShopScope::Only([t.shop].into()) }
}
