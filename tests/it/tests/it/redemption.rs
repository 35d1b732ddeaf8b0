//! Redemption over a real Postgres: what the rules, the gate, lost answers and people make of delivered orders.

mod platform;
mod sandbox;
mod scene;

use std::collections::HashSet;

use chrono::TimeDelta;
use kamiflow_domain::approve_redemption;
use kamiflow_domain::marketplace::{ErrorClass, Redeem};
use kamiflow_domain::redemption_dry_run::{self, DryRunPage};
use kamiflow_domain::redemption_rules::{Conditions, RuleAction, RuleSet, Verdict};
use kamiflow_domain::report_use::{self, ReportUse};
use kamiflow_kernel::{OrderSn, RedemptionMethod};
use kamiflow_store::redemptions;
use platform::Fate;
use scene::Scene;

const OTA: RedemptionMethod = RedemptionMethod::Ota;

fn minutes(n: i64) -> TimeDelta {
    TimeDelta::minutes(n)
}

async fn wake(scene: &Scene, sn: &OrderSn) {
    let mut tx = scene.engine.store.tenant_tx(scene.merchant).await.unwrap();
    redemptions::wake_orders(&mut tx, scene.shop, std::slice::from_ref(sn), scene.engine.now()).await.unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn every_method_declares_each_line_once_and_the_order_is_redeemed() {
    let scene = Scene::new().await;
    for method in [RedemptionMethod::ReportCard, RedemptionMethod::Ota, RedemptionMethod::Realtime] {
        let before = scene.platform.ledger().len();
        let (sn, codes) = scene.delivered(method, 3).await;
        scene.run_for(minutes(1)).await;
        assert_eq!(scene.states(&sn).await, ["done"; 3], "{method}");
        assert_eq!(scene.order_state(&sn).await, "redeemed");
        let ledger: HashSet<String> = scene.platform.ledger().split_off(before).into_iter().collect();
        assert_eq!(ledger.len(), 3, "{method}: one effect per line");
        if method != RedemptionMethod::Realtime {
            assert!(codes.iter().all(|code| ledger.iter().any(|entry| entry.ends_with(code.as_str()))), "{ledger:?}");
        }
        let events = scene.events(&sn).await;
        assert_eq!(events.iter().filter(|kind| *kind == "redemption_done").count(), 3, "{events:?}");
        assert_eq!(events.iter().filter(|kind| *kind == "state").count(), 1, "{events:?}");
        // Nothing is left to do, and nothing is done again.
        let calls = scene.platform.calls().len();
        scene.run_for(minutes(60)).await;
        assert_eq!(scene.platform.calls().len(), calls);
    }
}

#[tokio::test]
async fn a_batch_costs_one_order_read_per_order() {
    let scene = Scene::new().await;
    for _ in 0..4 {
        scene.delivered(RedemptionMethod::ReportCard, 2).await;
    }
    scene.run_for(minutes(1)).await;
    assert_eq!(scene.platform.ledger().len(), 8);
    assert_eq!(scene.platform.order_reads(), 4);
}

#[tokio::test]
async fn no_rule_means_no_redemption_until_one_is_saved() {
    let scene = Scene::without_rules().await;
    let (sn, _) = scene.delivered(OTA, 1).await;
    scene.run_for(minutes(600)).await;
    assert_eq!(scene.platform.calls().len(), 0);
    let view = &scene.redemptions(&sn).await[0];
    assert!(view.explanation.to_string().contains("no rule applies"), "{}", view.explanation);
    scene.rules([(RuleAction::Redeem, Conditions::default())]).await;
    scene.run_for(minutes(1)).await;
    assert_eq!(scene.order_state(&sn).await, "redeemed");
}

#[tokio::test]
async fn a_rule_waits_until_its_time_and_says_so() {
    let scene = Scene::without_rules().await;
    let delay = Conditions { delay_after_delivery_minutes: Some(30), ..Conditions::default() };
    scene.rules([(RuleAction::Redeem, delay)]).await;
    let (sn, _) = scene.delivered(OTA, 1).await;
    scene.run_for(minutes(29)).await;
    assert_eq!(scene.states(&sn).await, ["waiting"]);
    assert!(scene.redemptions(&sn).await[0].explanation.to_string().contains("waits until"));
    assert_eq!(scene.platform.order_reads() + scene.platform.prepares(), 0, "waiting costs no calls");
    scene.run_for(minutes(2)).await;
    assert_eq!(scene.order_state(&sn).await, "redeemed");
}

#[tokio::test]
async fn a_held_order_is_redeemed_when_a_person_approves() {
    let scene = Scene::without_rules().await;
    scene.rules([(RuleAction::Hold, Conditions::default())]).await;
    let (sn, _) = scene.delivered(OTA, 1).await;
    scene.run_for(minutes(600)).await;
    assert_eq!(scene.states(&sn).await, ["awaiting_approval"]);
    assert_eq!(scene.open_exceptions(&sn).await, ["approval_needed"]);
    approve_redemption::approve(&scene.engine, &scene.ctx(), scene.shop, &sn).await.unwrap();
    assert!(scene.open_exceptions(&sn).await.is_empty());
    scene.run_for(minutes(1)).await;
    assert_eq!(scene.order_state(&sn).await, "redeemed");
    assert_eq!(scene.redemptions(&sn).await[0].approved_by.as_deref(), Some("operator"));
}

#[tokio::test]
async fn never_ends_the_order_without_a_call_and_a_person_may_still_approve() {
    let scene = Scene::without_rules().await;
    scene.rules([(RuleAction::Never, Conditions::default())]).await;
    let (sn, _) = scene.delivered(OTA, 2).await;
    scene.run_for(minutes(1)).await;
    assert_eq!(scene.states(&sn).await, ["stopped"; 2]);
    assert_eq!(scene.order_state(&sn).await, "done");
    assert!(scene.platform.calls().is_empty());
    approve_redemption::approve(&scene.engine, &scene.ctx(), scene.shop, &sn).await.unwrap();
    scene.run_for(minutes(1)).await;
    assert_eq!(scene.order_state(&sn).await, "redeemed");
}

#[tokio::test]
async fn a_person_stops_a_redemption() {
    let scene = Scene::without_rules().await;
    let (sn, _) = scene.delivered(OTA, 2).await;
    approve_redemption::stop(&scene.engine, &scene.ctx(), scene.shop, &sn).await.unwrap();
    assert_eq!(scene.order_state(&sn).await, "done");
    scene.rules([(RuleAction::Redeem, Conditions::default())]).await;
    scene.run_for(minutes(60)).await;
    assert_eq!(scene.states(&sn).await, ["stopped"; 2]);
    assert!(scene.platform.calls().is_empty());
}

#[tokio::test]
async fn a_time_out_after_the_effect_takes_no_second_use() {
    let scene = Scene::new().await;
    for method in [RedemptionMethod::ReportCard, RedemptionMethod::Ota, RedemptionMethod::Realtime] {
        let before = scene.platform.ledger().len();
        let (sn, _) = scene.delivered(method, 1).await;
        scene.platform.next_calls([Fate::EffectWithoutAnswer]);
        scene.tick().await.unwrap();
        assert_eq!(scene.states(&sn).await, ["calling"], "{method}");
        scene.run_for(minutes(30)).await;
        assert_eq!(scene.states(&sn).await, ["done"], "{method}");
        assert_eq!(scene.platform.ledger().len(), before + 1, "{method}");
    }
}

#[tokio::test]
async fn a_lost_ota_call_is_made_again_only_after_a_look_up() {
    let scene = Scene::new().await;
    let (sn, codes) = scene.delivered(OTA, 1).await;
    scene.platform.change_code(&codes[0], |card| card.remain_times = 3);
    scene.platform.next_calls([Fate::Lost, Fate::EffectWithoutAnswer]);
    scene.run_for(minutes(30)).await;
    assert_eq!(scene.states(&sn).await, ["done"]);
    assert_eq!(scene.platform.calls().len(), 2);
    // Before each call once, and after each unknown outcome once.
    assert_eq!(scene.platform.prepares(), 4);
    assert_eq!(scene.platform.ledger().len(), 1, "one use of three was taken");
}

#[tokio::test]
async fn nobody_resolves_a_call_before_its_time() {
    let scene = Scene::new().await;
    scene.delivered(OTA, 1).await;
    scene.platform.next_calls([Fate::Lost]);
    scene.tick().await.unwrap();
    let prepares = scene.platform.prepares();
    scene.advance(TimeDelta::seconds(19));
    scene.tick().await.unwrap();
    assert_eq!(scene.platform.prepares(), prepares);
    scene.advance(TimeDelta::seconds(1));
    scene.tick().await.unwrap();
    assert!(scene.platform.prepares() > prepares);
}

#[tokio::test]
async fn status_99_is_looked_up_until_it_is_settled() {
    let scene = Scene::new().await;
    let (sn, _) = scene.delivered(OTA, 1).await;
    scene.platform.next_calls([Fate::InProgress]);
    scene.run_for(minutes(60)).await;
    assert_eq!(scene.order_state(&sn).await, "redeemed");
    assert_eq!((scene.platform.calls().len(), scene.platform.ledger().len()), (1, 1));
}

#[tokio::test]
async fn uses_that_nobody_explains_are_left_to_a_person() {
    let scene = Scene::new().await;
    let (sn, codes) = scene.delivered(OTA, 1).await;
    scene.platform.next_calls([Fate::Lost]);
    scene.tick().await.unwrap();
    scene.platform.change_code(&codes[0], |card| card.remain_times = 5);
    scene.run_for(minutes(600)).await;
    assert_eq!(scene.platform.calls().len(), 1, "no second call");
    assert_eq!(scene.open_exceptions(&sn).await, ["redemption_unknown"]);
    // The person had it corrected and asks for another look.
    scene.platform.change_code(&codes[0], |card| card.remain_times = 1);
    approve_redemption::approve(&scene.engine, &scene.ctx(), scene.shop, &sn).await.unwrap();
    scene.run_for(minutes(1)).await;
    assert_eq!(scene.order_state(&sn).await, "redeemed");
    assert_eq!(scene.platform.ledger().len(), 1);
}

#[tokio::test]
async fn sub_code_1000010_is_tried_again_and_60010_is_success() {
    let scene = Scene::new().await;
    let (first, _) = scene.delivered(OTA, 1).await;
    scene.platform.next_calls([Fate::Refused(ErrorClass::RetryLater, "1000010")]);
    scene.tick().await.unwrap();
    assert_eq!(scene.states(&first).await, ["waiting"]);
    scene.run_for(minutes(10)).await;
    assert_eq!(scene.order_state(&first).await, "redeemed");

    let (second, _) = scene.delivered(OTA, 1).await;
    scene.platform.next_calls([Fate::Refused(ErrorClass::AlreadyDone, "60010")]);
    scene.run_for(minutes(1)).await;
    assert_eq!(scene.order_state(&second).await, "redeemed");
}

#[tokio::test]
async fn a_refusal_asks_a_person_and_calls_no_more() {
    let scene = Scene::new().await;
    let (wrong, _) = scene.delivered(OTA, 1).await;
    scene.platform.next_calls([Fate::Refused(ErrorClass::Rejected, "100007")]);
    scene.run_for(minutes(600)).await;
    assert_eq!(scene.states(&wrong).await, ["waiting"]);
    assert_eq!(scene.open_exceptions(&wrong).await, ["redemption_refused"]);
    assert_eq!(scene.platform.calls().len(), 1);

    let (expired, _) = scene.delivered(OTA, 1).await;
    scene.platform.next_calls([Fate::Refused(ErrorClass::Rejected, "1000012")]);
    scene.run_for(minutes(600)).await;
    assert_eq!(scene.states(&expired).await, ["stopped"]);
    assert_eq!(scene.order_state(&expired).await, "done");
}

#[tokio::test]
async fn a_redemption_that_fails_forever_is_left_to_a_person() {
    let scene = Scene::new().await;
    let (sn, _) = scene.delivered(OTA, 1).await;
    scene.platform.next_calls(std::iter::repeat_n(Fate::Refused(ErrorClass::RetryLater, "100005"), 40));
    scene.run_for(minutes(24 * 60)).await;
    assert_eq!(scene.open_exceptions(&sn).await, ["poisoned"]);
    assert_eq!(scene.platform.calls().len(), 12);
}

#[tokio::test]
async fn an_after_sale_that_opens_stops_redemption_at_once() {
    let scene = Scene::new().await;
    let (sn, _) = scene.delivered(OTA, 1).await;
    // Not known to us yet: only the read before the call shows it.
    scene.platform.change_order(&sn, |order| {
        order.after_sales_status = 2;
        order.refund_status = 2;
        order.updated_at += minutes(1);
    });
    scene.run_for(minutes(700)).await;
    assert!(scene.platform.calls().is_empty());
    assert_eq!(scene.states(&sn).await, ["waiting"]);
    // The buyer withdrew it.
    scene.platform.change_order(&sn, |order| {
        order.after_sales_status = 11;
        order.refund_status = 1;
        order.updated_at += minutes(1);
    });
    scene
        .execute("UPDATE orders SET refund_status = 1, after_sales_status = 11 WHERE order_sn = $1", &[&sn.as_str()])
        .await;
    wake(&scene, &sn).await;
    scene.run_for(minutes(1)).await;
    assert_eq!(scene.order_state(&sn).await, "redeemed");
}

#[tokio::test]
async fn an_approval_does_not_outlive_an_after_sale() {
    let scene = Scene::without_rules().await;
    scene.rules([(RuleAction::Hold, Conditions::default())]).await;
    let (sn, _) = scene.delivered(OTA, 1).await;
    scene.tick().await.unwrap();
    approve_redemption::approve(&scene.engine, &scene.ctx(), scene.shop, &sn).await.unwrap();
    scene.execute("UPDATE orders SET after_sales_status = 2 WHERE order_sn = $1", &[&sn.as_str()]).await;
    scene.tick().await.unwrap();
    scene.execute("UPDATE orders SET after_sales_status = 11 WHERE order_sn = $1", &[&sn.as_str()]).await;
    wake(&scene, &sn).await;
    scene.run_for(minutes(1)).await;
    assert_eq!(scene.states(&sn).await, ["awaiting_approval"]);
    assert!(scene.platform.calls().is_empty());
}

#[tokio::test]
async fn a_refunded_order_is_never_redeemed() {
    let scene = Scene::new().await;
    let (sn, _) = scene.delivered(OTA, 2).await;
    scene.platform.change_order(&sn, |order| {
        order.after_sales_status = 10;
        order.refund_status = 4;
        order.updated_at += minutes(1);
    });
    scene.run_for(minutes(700)).await;
    assert!(scene.platform.calls().is_empty());
    assert_eq!(scene.states(&sn).await, ["stopped"; 2]);
    let refused = approve_redemption::approve(&scene.engine, &scene.ctx(), scene.shop, &sn).await;
    assert!(matches!(refused, Err(approve_redemption::ApproveRedemptionError::Refund)), "{refused:?}");
}

#[tokio::test]
async fn a_listed_refund_that_the_order_does_not_show_is_waited_for() {
    let scene = Scene::new().await;
    let (sn, _) = scene.delivered(OTA, 1).await;
    scene.platform.list_refund(&sn);
    scene.run_for(minutes(5)).await;
    assert!(scene.platform.calls().is_empty());
    assert!(scene.redemptions(&sn).await[0].explanation.to_string().contains("lists a refund"));
}

#[tokio::test]
async fn unused_codes_are_never_declared_used() {
    let scene = Scene::without_rules().await;
    scene.rules([(RuleAction::Redeem, Conditions { use_reported: true, ..Conditions::default() })]).await;
    let (unused, _) = scene.delivered(OTA, 1).await;
    let (used, _) = scene.delivered(OTA, 1).await;
    scene.advance(minutes(5));
    let report = ReportUse {
        shop: scene.shop,
        order_sn: used.clone(),
        used_at: scene.engine.now() - minutes(1),
        codes: Vec::new(),
    };
    assert_eq!(report_use::report(&scene.engine, &scene.ctx(), &report).await.unwrap().len(), 1);
    assert!(report_use::report(&scene.engine, &scene.ctx(), &report).await.unwrap().is_empty(), "once");
    scene.run_for(minutes(24 * 60)).await;
    assert_eq!(scene.order_state(&used).await, "redeemed");
    assert_eq!(scene.states(&unused).await, ["waiting"]);
    assert_eq!(scene.platform.ledger().len(), 1);
}

#[tokio::test]
async fn an_order_with_an_unknown_code_is_redeemed_when_the_code_is_told() {
    let scene = Scene::new().await;
    let (sn, codes) = scene.delivered_knowing(OTA, 2, 1).await;
    scene.run_for(minutes(10)).await;
    assert_eq!(scene.states(&sn).await, ["done"]);
    assert_eq!(scene.order_state(&sn).await, "awaiting_redemption", "one line is still open");
    let tell = |codes: &[String]| ReportUse {
        shop: scene.shop,
        order_sn: sn.clone(),
        used_at: scene.engine.now(),
        codes: codes.iter().map(|code| code.as_str().into()).collect(),
    };
    let refused = report_use::report(&scene.engine, &scene.ctx(), &tell(&["X1".to_owned(), "X2".to_owned()])).await;
    assert!(matches!(refused, Err(report_use::ReportUseError::TooManyCodes { room: 1 })), "{refused:?}");
    // The whole order's codes, and twice: what is known already is no news.
    for _ in 0..2 {
        report_use::report(&scene.engine, &scene.ctx(), &tell(&codes)).await.unwrap();
    }
    scene.run_for(minutes(10)).await;
    assert_eq!(scene.order_state(&sn).await, "redeemed");
    assert_eq!(scene.platform.ledger().len(), 2);
}

#[tokio::test]
async fn a_use_in_the_future_is_refused() {
    let scene = Scene::without_rules().await;
    let (sn, _) = scene.delivered(OTA, 1).await;
    let used_at = scene.engine.now() + minutes(1);
    let report = ReportUse { shop: scene.shop, order_sn: sn, used_at, codes: Vec::new() };
    let refused = report_use::report(&scene.engine, &scene.ctx(), &report).await;
    assert!(matches!(refused, Err(report_use::ReportUseError::InFuture)), "{refused:?}");
}

#[tokio::test]
async fn a_repeated_report_carries_the_same_number_and_time() {
    let scene = Scene::new().await;
    scene.delivered(RedemptionMethod::ReportCard, 1).await;
    scene.platform.next_calls([Fate::Lost, Fate::Refused(ErrorClass::RetryLater, "100005"), Fate::Lost]);
    scene.run_for(minutes(60)).await;
    let calls: HashSet<String> = scene
        .platform
        .calls()
        .iter()
        .map(|call| match call {
            Redeem::ReportCard { out_trans_no, at, .. } => format!("{out_trans_no} {at}"),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(scene.platform.calls().len(), 4);
    assert_eq!(calls.len(), 1, "{calls:?}");
}

#[tokio::test]
async fn a_daily_cap_counts_orders_and_the_rest_waits_for_tomorrow() {
    let scene = Scene::without_rules().await;
    scene.day_begins();
    scene.rules([(RuleAction::Redeem, Conditions { daily_cap: Some(2), ..Conditions::default() })]).await;
    let mut orders = Vec::new();
    for _ in 0..3 {
        orders.push(scene.delivered(RedemptionMethod::ReportCard, 2).await.0);
    }
    scene.run_for(minutes(60)).await;
    let mut redeemed = 0;
    for sn in &orders {
        redeemed += usize::from(scene.order_state(sn).await == "redeemed");
    }
    assert_eq!(redeemed, 2);
    assert_eq!(scene.platform.ledger().len(), 4);
    scene.run_for(minutes(24 * 60)).await;
    assert_eq!(scene.platform.ledger().len(), 6);
}

#[tokio::test]
async fn a_pause_holds_redemptions_back_until_it_ends() {
    let scene = Scene::new().await;
    let (sn, _) = scene.delivered(OTA, 1).await;
    scene.execute(
        "INSERT INTO pauses (id, merchant_id, scope, target_id, work, reason) VALUES (gen_random_uuid(), $1, 'shop', $2, 'redemption', 'x')",
        &[&scene.merchant.as_uuid(), &scene.shop.as_uuid()],
    )
    .await;
    scene.run_for(minutes(30)).await;
    assert!(scene.platform.calls().is_empty());
    assert!(scene.redemptions(&sn).await[0].explanation.to_string().contains("paused"));
    scene.execute("DELETE FROM pauses", &[]).await;
    scene.run_for(minutes(2)).await;
    assert_eq!(scene.order_state(&sn).await, "redeemed");
}

#[tokio::test]
async fn a_dead_token_ends_the_tick_and_takes_no_use() {
    let scene = Scene::new().await;
    let (sn, _) = scene.delivered(OTA, 1).await;
    scene.platform.next_calls([Fate::Refused(ErrorClass::Reauthorize, "")]);
    assert!(scene.tick().await.is_err());
    assert_eq!(scene.states(&sn).await, ["waiting"]);
    scene.run_for(minutes(10)).await;
    assert_eq!(scene.order_state(&sn).await, "redeemed");
}

#[tokio::test]
async fn a_dry_run_says_what_would_happen_and_changes_nothing() {
    let scene = Scene::without_rules().await;
    for _ in 0..3 {
        scene.delivered(OTA, 1).await;
    }
    let rule = kamiflow_domain::redemption_rules::Preset::Immediately.rule(kamiflow_kernel::RuleId::generate());
    let rules = RuleSet::new(vec![rule]).unwrap();
    let page = DryRunPage { shop: Some(scene.shop), after: None, size: 2 };
    let first = redemption_dry_run::run(&scene.engine, &scene.ctx(), &rules, page).await.unwrap();
    assert_eq!((first.orders.len(), first.counts.all.redeem), (2, 2));
    assert!(first.orders.iter().all(|order| order.verdict == Verdict::Redeem));
    let page = DryRunPage { after: first.next, ..page };
    let second = redemption_dry_run::run(&scene.engine, &scene.ctx(), &rules, page).await.unwrap();
    assert_eq!((second.orders.len(), second.next), (1, None));
    let seen: HashSet<_> = first.orders.iter().chain(&second.orders).map(|order| &order.order_sn).collect();
    assert_eq!(seen.len(), 3);
    assert!(scene.platform.calls().is_empty());
}

#[tokio::test]
async fn two_workers_at_once_take_one_use() {
    let scene = Scene::new().await;
    for _ in 0..5 {
        scene.delivered(OTA, 2).await;
    }
    let (a, b, c) = tokio::join!(scene.tick(), scene.tick(), scene.tick());
    for outcome in [a, b, c] {
        outcome.unwrap();
    }
    scene.run_for(minutes(10)).await;
    let ledger = scene.platform.ledger();
    let distinct: HashSet<&String> = ledger.iter().collect();
    assert_eq!((ledger.len(), distinct.len()), (10, 10), "every code was used exactly once");
}
