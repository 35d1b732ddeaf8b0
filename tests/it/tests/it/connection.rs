//! Connecting malls: authorizations and their links, own keys, take-overs, lives of tokens, and sandbox shops.

use chrono::TimeDelta;
use kamiflow_domain::authorization::{
    BegunAuthorization, CompleteAuthorization, CompleteAuthorizationError, CompletedAuthorization, View,
    begin_authorization, complete_authorization, merchant_of_state,
};
use kamiflow_domain::authorization_link::{LinkError, begin_by_link, ctx_of_link, make_link, open_link};
use kamiflow_domain::connect_shop::{ConnectShopError, Purpose};
use kamiflow_domain::connection_own_keys::{
    EnterOwnKeys, EnterOwnKeysError, OwnKeysStanding, enter_own_keys, show_own_keys,
};
use kamiflow_domain::connection_routes::{Granted, NEEDED};
use kamiflow_domain::connection_sandbox::{SandboxShopError, create_sandbox_shop, simulate_buyer};
use kamiflow_domain::connection_take_over::{Answer, answer_take_over, disconnect_shop, list_take_overs};
use kamiflow_domain::connection_tokens::{Urgency, list_token_lives};
use kamiflow_domain::ctx::Ctx;
use kamiflow_domain::deliver;
use kamiflow_domain::engine::Engine;
use kamiflow_domain::shop_access;
use kamiflow_kernel::{ApplicationId, GatewayKind, MallId, MerchantId, SecretText, ShopState};
use kamiflow_pinduoduo::api::catalog;
use kamiflow_sandbox::Scenario;
use kamiflow_store::merchants::{self, NewMerchant};
use kamiflow_store::{applications, shops};
use kamiflow_test_support::{World, WorldOptions};
use serde_json::json;

/// A world with a second mall that nobody has connected.
async fn two_malls() -> World {
    let options = WorldOptions::default();
    let scenario = Scenario { malls: Scenario::demo(2).malls, ..options.scenario };
    World::with(WorldOptions { scenario, ..options }).await
}

const SECOND: i64 = 100_000_002;

async fn application(world: &World) -> ApplicationId {
    applications::list(&mut world.tx().await).await.unwrap()[0].id
}

/// Clicks on the platform's page; returns what the redirect brings.
async fn click(world: &World, begun: &BegunAuthorization, mall: i64) -> CompleteAuthorization {
    let made =
        world.control("POST", "/tokens/authorize", &json!({ "client_id": begun.client_id, "mall_id": mall })).await;
    CompleteAuthorization { state: begun.state.clone(), code: made["code"].as_str().unwrap().into() }
}

fn browser(name: &str) -> SecretText {
    name.into()
}

async fn begin(world: &World, session: &SecretText, purpose: Purpose) -> BegunAuthorization {
    let application = application(world).await;
    begin_authorization(&world.engine, &world.ctx(), session, (application, purpose)).await.unwrap()
}

async fn complete(
    world: &World,
    session: &SecretText,
    returned: &CompleteAuthorization,
) -> Result<CompletedAuthorization, CompleteAuthorizationError> {
    complete_authorization(&world.engine, &world.ctx(), session, returned).await
}

/// Signs another merchant up in the same world.
async fn another_merchant(world: &World) -> Ctx {
    let merchant = MerchantId::generate();
    let mut tx = world.engine.store.tenant_tx(merchant).await.unwrap();
    merchants::insert(&mut tx, &NewMerchant { name: "另一商家", poll_floor_s: 15 }).await.unwrap();
    tx.commit().await.unwrap();
    Ctx { merchant, ..world.ctx() }
}

/// Has the platform know another application, and enters its keys.
async fn own_keys(world: &World, ctx: &Ctx, client_id: &str) -> ApplicationId {
    world.control("POST", "/applications", &json!({ "client_id": client_id, "client_secret": "a-secret-0002" })).await;
    enter_own_keys(&world.engine, ctx, &keys(client_id, "a-secret-0002")).await.unwrap().0
}

fn keys(client_id: &str, secret: &str) -> EnterOwnKeys {
    EnterOwnKeys {
        gateway: GatewayKind::Sandbox,
        client_id: client_id.to_owned(),
        client_secret: secret.into(),
        app_type: "商家后台系统".to_owned(),
    }
}

#[tokio::test]
async fn what_comes_back_was_begun_here_in_this_browser_once_and_in_time() {
    let world = two_malls().await;
    let mine = browser("session-1");
    let begun = begin(&world, &mine, Purpose::Connect).await;
    assert_eq!(merchant_of_state(begun.state.expose()), Some(world.merchant));
    let query = begun.query("https://kamiflow.example/callback", View::Phone);
    assert_eq!(query.last(), Some(&("view", "h5".to_owned())));
    let returned = click(&world, &begun, SECOND).await;
    let forged = CompleteAuthorization { state: "made-up".into(), ..returned.clone() };
    assert!(matches!(complete(&world, &mine, &forged).await, Err(CompleteAuthorizationError::StateUnknown)));
    let elsewhere = complete(&world, &browser("session-2"), &returned).await;
    assert!(matches!(elsewhere, Err(CompleteAuthorizationError::OtherSession)));
    let stranger = another_merchant(&world).await;
    let foreign = complete_authorization(&world.engine, &stranger, &mine, &returned).await;
    assert!(matches!(foreign, Err(CompleteAuthorizationError::StateUnknown)));
    let done = complete(&world, &mine, &returned).await.unwrap();
    assert_eq!((done.connected.mall, done.connected.reauthorized, done.by_link), (MallId(SECOND), false, false));
    let replayed = complete(&world, &mine, &returned).await;
    assert!(matches!(replayed, Err(CompleteAuthorizationError::AlreadyUsed)));
    let late = begin(&world, &mine, Purpose::Connect).await;
    let returned = click(&world, &late, SECOND).await;
    world.clock.advance(TimeDelta::minutes(31));
    assert!(matches!(complete(&world, &mine, &returned).await, Err(CompleteAuthorizationError::Expired)));
    let states = "SELECT count(*) FROM authorization_requests WHERE encode(state_hash, 'escape') LIKE '%' || $1 || '%'";
    assert_eq!(world.sql().await.count(states, &[&begun.state.expose()]).await.unwrap(), 0);
}

#[tokio::test]
async fn two_redirects_with_one_state_are_one_try() {
    let world = two_malls().await;
    let mine = browser("session-1");
    let begun = begin(&world, &mine, Purpose::Connect).await;
    let returned = click(&world, &begun, SECOND).await;
    let (one, two) = tokio::join!(complete(&world, &mine, &returned), complete(&world, &mine, &returned));
    assert_eq!(usize::from(one.is_ok()) + usize::from(two.is_ok()), 1, "{one:?} {two:?}");
}

#[tokio::test]
async fn the_result_lists_every_api_granted_or_missing_and_the_real_lives_are_kept() {
    let world = two_malls().await;
    for (api, _) in NEEDED {
        assert!(catalog::find(api).is_some(), "the client knows no `{api}`");
    }
    let narrow = json!({ "client_id": "narrow", "client_secret": "narrow-secret", "type": "打单",
                         "packages": ["订单信息查询权限包", "商品查询"] });
    world.control("POST", "/applications", &narrow).await;
    let (application, _) = enter_own_keys(&world.engine, &world.ctx(), &keys("narrow", "narrow-secret")).await.unwrap();
    let mine = browser("s");
    let request = (application, Purpose::Connect);
    let begun = begin_authorization(&world.engine, &world.ctx(), &mine, request).await.unwrap();
    let done = complete(&world, &mine, &click(&world, &begun, SECOND).await).await.unwrap();
    let granted = |api: &str| done.apis.iter().find(|grant| grant.api == api).unwrap().granted;
    assert_eq!(done.apis.len(), NEEDED.len());
    assert_eq!(granted("pdd.order.information.get"), Granted::Yes);
    assert_eq!(granted("pdd.refund.list.increment.get"), Granted::Missing);
    assert_eq!(granted("pdd.voucher.ota.card.verification"), Granted::Missing);
    let lives = list_token_lives(&world.engine, &world.ctx()).await.unwrap();
    let life = lives.iter().find(|life| life.shop == done.connected.shop).unwrap();
    assert_eq!(lives.first().map(|first| first.shop), Some(done.connected.shop), "the shortest life comes first");
    let (left, levels) = (life.expires_at - world.engine.now(), life.levels);
    assert!((TimeDelta::hours(23)..=TimeDelta::hours(24)).contains(&left), "{left}");
    assert_eq!([levels.r1, levels.r2, levels.w1, levels.w2], [Some(life.expires_at); 4]);
    let urgency = async || {
        let lives = list_token_lives(&world.engine, &world.ctx()).await.unwrap();
        lives.iter().find(|life| life.shop == done.connected.shop).unwrap().urgency
    };
    assert_eq!(urgency().await, Urgency::None);
    for (hours, expected) in [(20, Urgency::Soon), (3, Urgency::Now), (1, Urgency::Expired)] {
        world.clock.advance(TimeDelta::hours(hours));
        assert_eq!(urgency().await, expected);
    }
}

#[tokio::test]
async fn own_keys_are_proved_pending_and_active() {
    let world = two_malls().await;
    let enter = async |request: EnterOwnKeys| enter_own_keys(&world.engine, &world.ctx(), &request).await;
    assert!(matches!(enter(keys("nobody-0001", "secret-0001")).await, Err(EnterOwnKeysError::ClientUnknown)));
    assert!(matches!(enter(keys("sandbox-client", "another")).await, Err(EnterOwnKeysError::SecretWrong)));
    assert!(matches!(enter(keys("a b", "secret")).await, Err(EnterOwnKeysError::Shape)));
    let shut = json!({ "client_id": "shut-0001", "client_secret": "shut-secret", "ip_allow": ["192.0.2.1"] });
    world.control("POST", "/applications", &shut).await;
    assert!(matches!(enter(keys("shut-0001", "shut-secret")).await, Err(EnterOwnKeysError::AddressRefused)));
    let stored = world.sql().await.count("SELECT count(*) FROM applications", &[]).await.unwrap();
    assert_eq!(stored, 1, "what was not proved is not stored");
    let application = own_keys(&world, &world.ctx(), "own-0001").await;
    let standing = async || show_own_keys(&world.engine, &world.ctx(), application).await.unwrap();
    assert!(matches!(standing().await, OwnKeysStanding::Pending { .. }));
    let mine = browser("s");
    let request = (application, Purpose::Connect);
    let begun = begin_authorization(&world.engine, &world.ctx(), &mine, request).await.unwrap();
    complete(&world, &mine, &click(&world, &begun, SECOND).await).await.unwrap();
    assert!(matches!(standing().await, OwnKeysStanding::Active { .. }));
    let stranger = another_merchant(&world).await;
    let taken = enter_own_keys(&world.engine, &stranger, &keys("own-0001", "a-secret-0002")).await;
    assert!(matches!(taken, Err(EnterOwnKeysError::TakenElsewhere)));
    assert!(show_own_keys(&world.engine, &stranger, application).await.is_err());
}

#[tokio::test]
async fn a_link_is_signed_bound_to_its_mall_kept_by_one_browser_and_used_once() {
    let world = two_malls().await;
    let request = (application(&world).await, Purpose::Reauthorize(world.shop));
    let link = make_link(&world.engine, &world.ctx(), request, TimeDelta::hours(72)).await.unwrap().token;
    let characters: Vec<char> = link.expose().chars().collect();
    for at in (0..characters.len()).step_by(3) {
        let mut changed = characters.clone();
        changed[at] = if changed[at] == 'A' { 'B' } else { 'A' };
        let changed = SecretText::from(changed.into_iter().collect::<String>());
        assert!(matches!(open_link(&world.engine, &changed).await, Err(LinkError::Invalid)), "at {at}");
    }
    // Whatever chat program looks at the page uses nothing up.
    for _ in 0..2 {
        let opened = open_link(&world.engine, &link).await.unwrap();
        assert_eq!(opened.mall, Some((MallId(world.mall), "演练店1".to_owned())));
        assert_eq!((opened.merchant, opened.merchant_name.as_str()), (world.merchant, "测试商家"));
    }
    let (phone, other) = (browser("phone"), browser("other"));
    let begun = begin_by_link(&world.engine, &phone, &link).await.unwrap();
    assert!(matches!(begin_by_link(&world.engine, &other, &link).await, Err(LinkError::OtherBrowser)));
    let ctx = ctx_of_link(&world.engine, merchant_of_state(begun.state.expose()).unwrap(), "r");
    let complete = async |begun: &BegunAuthorization, mall: i64| {
        complete_authorization(&world.engine, &ctx, &phone, &click(&world, begun, mall).await).await
    };
    let refused = complete(&begun, SECOND).await.unwrap_err();
    let CompleteAuthorizationError::Connect(ConnectShopError::OtherMall { expected_name, given_name, .. }) = &refused
    else {
        panic!("{refused:?}")
    };
    assert_eq!((expected_name.as_str(), given_name.as_str()), ("演练店1", "演练店2"));
    // The owner had chosen the wrong mall: the same browser may try again.
    let again = begin_by_link(&world.engine, &phone, &link).await.unwrap();
    let open = begin_by_link(&world.engine, &phone, &link).await.unwrap();
    let done = complete(&again, world.mall).await.unwrap();
    assert!(done.by_link && done.connected.reauthorized && done.connected.shop == world.shop);
    assert!(matches!(begin_by_link(&world.engine, &phone, &link).await, Err(LinkError::Used)));
    assert!(matches!(open_link(&world.engine, &link).await, Err(LinkError::Used)));
    assert!(matches!(complete(&open, world.mall).await, Err(CompleteAuthorizationError::AlreadyUsed)));
    let short = make_link(&world.engine, &world.ctx(), request, TimeDelta::minutes(5)).await.unwrap().token;
    world.clock.advance(TimeDelta::minutes(6));
    assert!(matches!(open_link(&world.engine, &short).await, Err(LinkError::Expired)));
}

#[tokio::test]
async fn a_mall_of_another_merchant_is_refused_and_its_merchant_asked_to_release_it() {
    let world = two_malls().await;
    let asking = another_merchant(&world).await;
    let application = own_keys(&world, &asking, "own-0001").await;
    let mine = browser("s");
    let connect = async || {
        let request = (application, Purpose::Connect);
        let begun = begin_authorization(&world.engine, &asking, &mine, request).await.unwrap();
        let returned = click(&world, &begun, world.mall).await;
        complete_authorization(&world.engine, &asking, &mine, &returned).await
    };
    for _ in 0..2 {
        let refused = connect().await.unwrap_err();
        assert!(matches!(refused, CompleteAuthorizationError::TakeOverAsked(mall) if mall.0 == world.mall));
    }
    let asked = list_take_overs(&world.engine, &world.ctx()).await.unwrap();
    assert_eq!(asked.len(), 1, "asked twice is one request");
    assert_eq!((asked[0].shop, asked[0].asked_by_name.as_str()), (world.shop, "另一商家"));
    assert!(list_take_overs(&world.engine, &asking).await.unwrap().is_empty());
    let answer = async |ctx: &Ctx, answer| answer_take_over(&world.engine, ctx, asked[0].id, answer).await;
    // Not hers to answer.
    answer(&asking, Answer::Release).await.unwrap_err();
    answer(&world.ctx(), Answer::Refuse).await.unwrap();
    assert_eq!(world.shop_state().await.0, "live");
    answer(&world.ctx(), Answer::Release).await.unwrap_err();
    assert_eq!(world.shop_state().await.0, "live", "answered once");
    connect().await.unwrap_err();
    let asked = list_take_overs(&world.engine, &world.ctx()).await.unwrap();
    answer_take_over(&world.engine, &world.ctx(), asked[0].id, Answer::Release).await.unwrap();
    assert_eq!(world.shop_state().await.0, "disconnected");
    let connected = connect().await.unwrap().connected;
    let mut tx = world.engine.store.tenant_tx(asking.merchant).await.unwrap();
    assert_eq!(shops::fetch(&mut tx, connected.shop).await.unwrap().state, ShopState::TrialRun);
}

#[tokio::test]
async fn a_disconnected_shop_works_no_more_and_keeps_its_history() {
    let world = World::start().await;
    let (sent, unsent) = (world.one_order("VOUCHER").await, world.one_order("VOUCHER").await);
    world.deliver_all(std::slice::from_ref(&sent)).await;
    disconnect_shop(&world.engine, &world.ctx(), world.shop).await.unwrap();
    assert!(disconnect_shop(&world.engine, &world.ctx(), world.shop).await.is_err());
    world.push(&unsent).await;
    deliver::tick(&world.engine, world.merchant, world.shop).await.unwrap();
    assert_eq!(world.vouchers_sent().await.into_keys().collect::<Vec<_>>(), [sent.to_string()]);
    assert!(["delivered", "done"].contains(&world.state(&sent).await.as_str()));
}

#[tokio::test]
async fn orders_wait_for_a_dead_token_and_are_delivered_after_the_new_authorization() {
    let world = World::start().await;
    let order = world.one_order("VOUCHER").await;
    world.sync().await;
    world.control("POST", "/tokens/revoke", &json!({})).await;
    world.deliver_all(std::slice::from_ref(&order)).await;
    assert_eq!(world.shop_state().await, ("stopped".to_owned(), Some("reauthorization_needed".to_owned())));
    let life = list_token_lives(&world.engine, &world.ctx()).await.unwrap().remove(0);
    assert_eq!((life.urgency, life.state), (Urgency::Expired, ShopState::Stopped));
    let mine = browser("s");
    let begun = begin(&world, &mine, Purpose::Reauthorize(world.shop)).await;
    complete(&world, &mine, &click(&world, &begun, world.mall).await).await.unwrap();
    assert_eq!(world.shop_state().await.0, "live");
    // What failed for want of a token was put off.
    world.time_passes(120).await;
    world.deliver_all(std::slice::from_ref(&order)).await;
    world.deliver().await;
    assert_eq!(world.vouchers_sent().await.len(), 1);
    assert_eq!(list_token_lives(&world.engine, &world.ctx()).await.unwrap()[0].waiting, 0);
}

#[tokio::test]
async fn an_authorization_for_the_wrong_one_of_two_malls_is_refused_and_costs_neither_its_tokens() {
    let world = two_malls().await;
    let mine = browser("s");
    let begun = begin(&world, &mine, Purpose::Connect).await;
    let second = complete(&world, &mine, &click(&world, &begun, SECOND).await).await.unwrap().connected.shop;
    let begun = begin(&world, &mine, Purpose::Reauthorize(world.shop)).await;
    let refused = complete(&world, &mine, &click(&world, &begun, SECOND).await).await.unwrap_err();
    let CompleteAuthorizationError::Connect(error) = &refused else { panic!("{refused:?}") };
    let told = "the authorization is for `演练店2` (mall 100000002), it must be for `演练店1` (mall 100000001)";
    assert_eq!(error.to_string(), told);
    // The platform knows only the latest tokens of each mall.
    for shop in [world.shop, second] {
        let opened = shop_access::open(&world.tx().await, shop).await.unwrap();
        world.engine.market.mall(&opened.access).await.unwrap();
    }
}

#[tokio::test]
async fn a_sandbox_shop_is_made_in_one_go_and_delivers_what_a_buyer_orders() {
    let world = World::start().await;
    let merchant = another_merchant(&world).await;
    let application = own_keys(&world, &merchant, "demo-0001").await;
    let control = world.hands();
    let (engine, ctx): (&Engine, &Ctx) = (&world.engine, &merchant);
    let made = create_sandbox_shop(engine, ctx, &control, application).await.unwrap();
    let sql = world.sql_of(merchant.merchant).await;
    assert_eq!(sql.count("SELECT count(*) FROM card_uses WHERE state = 'available'", &[]).await.unwrap(), 200);
    let (order, _wake) = simulate_buyer(engine, ctx, &control, (made.shop, None, 3)).await.unwrap();
    deliver::tick(engine, merchant.merchant, made.shop).await.unwrap();
    let sent = world.vouchers_sent().await;
    assert_eq!(sent.get(order.as_str()).map(Vec::len), Some(3), "{sent:?}");
    assert!(sent[order.as_str()].iter().all(|number| number.starts_with("DEMO-")));
    let foreign = simulate_buyer(engine, &world.ctx(), &control, (made.shop, None, 1)).await;
    assert!(matches!(foreign, Err(SandboxShopError::ShopUnknown)));
    for _ in 0..4 {
        create_sandbox_shop(engine, ctx, &control, application).await.unwrap();
    }
    let one_more = create_sandbox_shop(engine, ctx, &control, application).await;
    assert!(matches!(one_more, Err(SandboxShopError::TooMany)));
}
