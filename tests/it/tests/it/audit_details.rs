//! The audit log says what was before and what is after, of every act that changes something, and never a secret.

use chrono::TimeDelta;
use kamiflow_domain::connection_take_over::disconnect_shop;
use kamiflow_domain::go_live::return_to_trial_run;
use kamiflow_domain::map_sku::{MapSku, map_sku};
use kamiflow_domain::notification_address::set_notification_address;
use kamiflow_domain::pause::{Pause, pause, resume};
use kamiflow_domain::redemption_rules::{Conditions, Rule, RuleAction, RuleSet};
use kamiflow_domain::register_application::{ApplicationOwner, RegisterApplication, register_application};
use kamiflow_domain::save_rules;
use kamiflow_domain::top_up::{self, SetTopUp};
use kamiflow_kernel::{Clock, DeliveryMethod, GatewayKind, RedemptionMethod, RuleId};
use kamiflow_store::pauses::{PauseScope, PausedWork};
use kamiflow_store::platform_stock::TopUp;
use kamiflow_store::products::Handling;
use kamiflow_test_support::{Merchant, TestApp};
use serde_json::{Value, json};

/// What the log says of an act, the oldest first.
async fn details(merchant: &Merchant<'_>, action: &str) -> Vec<Value> {
    let read = "SELECT detail::text FROM audit_log WHERE action = $1 ORDER BY seq";
    let rows = merchant.sql().await.query(read, &[&action]).await.unwrap();
    rows.iter().map(|row| serde_json::from_str(row.get(0)).unwrap()).collect()
}

/// Checks what stands before and after in each row of an act.
async fn says(merchant: &Merchant<'_>, action: &str, expected: &[(Value, Value)]) {
    let found = details(merchant, action).await;
    let pairs: Vec<_> = found.iter().map(|detail| (detail["before"].clone(), detail["after"].clone())).collect();
    assert_eq!(pairs, expected, "{action}");
    assert!(found.iter().all(|detail| detail.get("before").is_some() && detail.get("after").is_some()), "{action}");
}

#[tokio::test]
async fn goods_and_rules_are_told_before_and_after() {
    let app = TestApp::new().await;
    let (engine, merchant) = (&app.engine, app.merchant().await);
    let ctx = merchant.ctx();
    let shop = merchant.shop().await;
    let sku = shop.sku(1, Some(15), None).await;
    let pool = merchant.pool("cards").await;
    let deliver = Handling::Deliver {
        method: DeliveryMethod::PlatformPool,
        pool: Some(pool.id),
        redemption: RedemptionMethod::None,
        cards_per_unit: 2,
    };
    for handling in [Handling::Skip, deliver] {
        map_sku(engine, &ctx, &MapSku { sku, handling, settings: json!({}) }).await.unwrap();
    }
    let skip = json!({ "method": "skip" });
    let mapped = json!({
        "method": "platform_pool", "pool": pool.id, "redemption": "none", "cards_per_unit": 2, "settings": {},
    });
    says(&merchant, "sku.map", &[(Value::Null, skip.clone()), (skip, mapped.clone())]).await;
    map_sku(engine, &ctx, &MapSku { sku, handling: Handling::Skip, settings: json!({}) }).await.unwrap();
    assert_eq!(details(&merchant, "sku.map").await[2]["before"], mapped, "told in the same words");

    let deliver = Handling::Deliver {
        method: DeliveryMethod::PlatformPool,
        pool: Some(pool.id),
        redemption: RedemptionMethod::None,
        cards_per_unit: 1,
    };
    map_sku(engine, &ctx, &MapSku { sku, handling: deliver, settings: json!({}) }).await.unwrap();
    for top_up in [Some(TopUp { below: 5, to: 9 }), None] {
        top_up::set(engine, &ctx, SetTopUp { sku, top_up }).await.unwrap();
    }
    let filled = json!({ "below": 5, "to": 9 });
    says(&merchant, "sku.top_up", &[(Value::Null, filled.clone()), (filled, Value::Null)]).await;

    let rule = |name: &str, enabled| Rule {
        id: RuleId::generate(),
        name: name.to_owned(),
        enabled,
        conditions: Conditions::default(),
        action: RuleAction::Redeem,
    };
    let kept = rule("kept", true);
    let gone = rule("gone", true);
    let (kept_id, gone_id) = (kept.id.to_string(), gone.id.to_string());
    let changed = Rule { enabled: false, ..kept.clone() };
    for rules in [vec![kept, gone], vec![changed]] {
        save_rules::save(engine, &ctx, &RuleSet::new(rules).unwrap()).await.unwrap();
    }
    let saved = details(&merchant, "redemption_rules.save").await;
    assert_eq!(saved[0]["before"], json!({}));
    assert_eq!(saved[1]["before"], saved[0]["after"]);
    assert_eq!(
        (&saved[1]["before"][&kept_id]["enabled"], &saved[1]["after"][&kept_id]["enabled"]),
        (&json!(true), &json!(false))
    );
    assert_eq!((&saved[1]["before"][&gone_id]["name"], &saved[1]["after"][&gone_id]), (&json!("gone"), &Value::Null));
}

#[tokio::test]
async fn shops_pauses_and_the_address_are_told_before_and_after() {
    let app = TestApp::new().await;
    let (engine, merchant) = (&app.engine, app.merchant().await);
    let ctx = merchant.ctx();
    for address in ["first@example.com", "second@example.com"] {
        set_notification_address(engine, &ctx, &address.parse().unwrap()).await.unwrap();
    }
    let (first, second) = (json!("f***@example.com"), json!("s***@example.com"));
    says(&merchant, "notification_address.set", &[(Value::Null, first.clone()), (first, second)]).await;

    let ends_at = app.clock.now() + TimeDelta::hours(1);
    let (scope, work) = (PauseScope::Merchant, PausedWork::Delivery);
    for (reason, ends_at) in [("one", None), ("two", Some(ends_at))] {
        pause(engine, &ctx, &Pause { scope, work, reason: reason.to_owned(), ends_at }).await.unwrap();
    }
    resume(engine, &ctx, scope, work).await.unwrap();
    let (one, two) = (json!({ "reason": "one", "ends_at": null }), json!({ "reason": "two", "ends_at": ends_at }));
    says(&merchant, "pause.set", &[(Value::Null, one.clone()), (one, two.clone())]).await;
    says(&merchant, "pause.end", &[(two, Value::Null)]).await;

    let shop = merchant.shop().await;
    shop.goes_live().await;
    return_to_trial_run(engine, &ctx, shop.id).await.unwrap();
    disconnect_shop(engine, &ctx, shop.id).await.unwrap();
    let states = |at: usize, action: &'static str| {
        let merchant = &merchant;
        async move {
            let detail = details(merchant, action).await.swap_remove(at);
            (detail["before"]["state"].clone(), detail["after"]["state"].clone())
        }
    };
    assert_eq!(states(0, "shop.go_live").await, (json!("trial_run"), json!("live")));
    assert_eq!(states(0, "shop.trial_run").await, (json!("live"), json!("trial_run")));
    assert_eq!(states(0, "shop.disconnect").await, (json!("trial_run"), json!("disconnected")));
}

#[tokio::test]
async fn keys_are_told_to_be_new_kept_or_exchanged_and_never_which() {
    let app = TestApp::new().await;
    let merchant = app.merchant().await;
    for secret in ["app-secret-1", "app-secret-1", "app-secret-2"] {
        let request = RegisterApplication {
            owner: ApplicationOwner::Own,
            gateway: GatewayKind::Sandbox,
            client_id: "client-1".to_owned(),
            client_secret: secret.into(),
            app_type: secret.replace("app-secret-", "type-"),
            packages: Vec::new(),
        };
        register_application(&app.engine, &merchant.ctx(), &request).await.unwrap();
    }
    let told = details(&merchant, "application.register").await;
    let secrets: Vec<_> = told.iter().map(|detail| detail["secret"].as_str().unwrap()).collect();
    assert_eq!(secrets, ["new", "kept", "exchanged"]);
    assert_eq!((&told[2]["before"]["app_type"], &told[2]["after"]["app_type"]), (&json!("type-1"), &json!("type-2")));
    assert!(told.iter().all(|detail| !detail.to_string().contains("app-secret")), "{told:?}");
}
