//! The connection is lost during COMMIT, before or after the database took it: every use case that writes finds out
//! which, by its own key, and the end is the same.

use std::io::Cursor;
use std::time::Duration;

use chrono::TimeDelta;
use kamiflow_domain::card_pattern::CardPattern;
use kamiflow_domain::engine::Engine;
use kamiflow_domain::generate_cards::{GenerateCards, GenerateCardsError, GeneratedBatch, generate_cards};
use kamiflow_domain::import_cards::{
    FileChoices, ImportCards, ImportCardsError, ImportMode, ImportedCards, import_cards,
};
use kamiflow_domain::redemption_rules::{Conditions, Rule, RuleAction, RuleSet};
use kamiflow_domain::{deliver, redeem, save_rules};
use kamiflow_kernel::{DeliveryMethod, OrderSn, RedemptionMethod, RuleId};
use kamiflow_store::{Store, StoreConfig, StoreError};
use kamiflow_test_support::{Cut, PgProxy, TestApp, World, numbered};

const BOTH: [Cut; 2] = [Cut::Before, Cut::After];
/// Past every send deadline and the time after which an attempt may be resolved.
const LONG_AFTER: TimeDelta = TimeDelta::seconds(21);

/// A world, and an engine of it whose way to Postgres can be cut.
struct Scene {
    world: World,
    proxy: PgProxy,
    engine: Engine,
}

impl Scene {
    async fn start() -> Self {
        let world = World::start().await;
        let url = world.database.url("kamiflow_app");
        let proxy = PgProxy::start(&url).await;
        let config = StoreConfig { url: proxy.url(&url), pool_size: 4, wait: Duration::from_secs(10) };
        let store = Store::new(&config, TestApp::key_ring(&["m1"], "m1")).unwrap();
        let engine = Engine { store, ..world.engine.clone() };
        Self { world, proxy, engine }
    }

    async fn count(&self, statement: &str) -> i64 {
        self.world.sql().await.count(statement, &[]).await.unwrap()
    }

    async fn import(&self) -> Result<ImportedCards, ImportCardsError> {
        let request = ImportCards {
            pool: self.world.vouchers,
            caller_id: "the one import".to_owned(),
            file_name: "cards.txt".to_owned(),
            choices: FileChoices::default(),
            mode: ImportMode::AllOrNothing,
            uses_permitted: 1,
            file: Cursor::new(numbered("W", 3).into_bytes()),
        };
        import_cards(&self.engine, &self.world.ctx(), request).await
    }

    async fn generate(&self) -> Result<GeneratedBatch, GenerateCardsError> {
        let request = GenerateCards {
            pool: self.world.vouchers,
            caller_id: "the one generation".to_owned(),
            number: "N{9:9}".parse::<CardPattern>().unwrap(),
            secret: Some("{X:16}".parse().unwrap()),
            count: 3,
            expires_at: None,
            uses_permitted: 1,
        };
        generate_cards(&self.engine, &self.world.ctx(), &request).await
    }

    /// One voucher of the order took effect, from one attempt and one card, and nothing is left to do.
    async fn delivered_once(&self, order: &OrderSn, cut: Cut) {
        assert_eq!(self.world.state(order).await, "delivered", "{cut:?}");
        assert_eq!(self.world.vouchers_sent().await[order.as_str()], ["V000001"], "{cut:?}");
        assert_eq!(self.count("SELECT count(*) FROM delivery_attempts").await, 1, "{cut:?}");
        assert_eq!(self.count("SELECT count(*) FROM card_uses WHERE state = 'sent'").await, 1, "{cut:?}");
        assert_eq!(self.count("SELECT count(*) FROM card_uses WHERE state = 'available'").await, 19, "{cut:?}");
        assert_eq!(self.count("SELECT count(*) FROM card_ledger WHERE event = 'sent'").await, 1, "{cut:?}");
        assert_eq!(self.proxy.fallen(), 1, "the cut fell");
    }
}

#[tokio::test]
async fn an_import_whose_commit_was_lost_is_there_once() {
    let batches = "SELECT count(*) FROM card_batches WHERE idempotency_key LIKE 'the one import:%'";
    for cut in BOTH {
        let scene = Scene::start().await;
        scene.proxy.cut_commit_of("INSERT INTO card_batches", cut);
        let first = scene.import().await;
        assert_eq!(scene.proxy.fallen(), 1);
        match cut {
            Cut::After => {
                let imported = first.unwrap();
                assert_eq!((imported.accepted, imported.rejected), (3, 0));
                assert_eq!(imported.report.unwrap().accepted(), 3);
            }
            Cut::Before => {
                let Err(ImportCardsError::NotStored(StoreError::CommitUnknown(_))) = first else { panic!("{first:?}") };
                assert_eq!(scene.count(batches).await, 0);
            }
        }
        // Whoever did not hear the answer asks again: with the same key and file that is the same import.
        let again = scene.import().await.unwrap();
        assert_eq!((again.accepted, again.rejected), (3, 0), "{cut:?}");
        assert_eq!(scene.count(batches).await, 1, "{cut:?}");
        assert_eq!(scene.count("SELECT count(*) FROM cards").await, 23, "{cut:?}");
        let written = "SELECT count(*) FROM audit_log WHERE action = 'cards.import' AND detail->>'accepted' = '3'";
        assert_eq!(scene.count(written).await, 1, "{cut:?}");
    }
}

#[tokio::test]
async fn a_generation_whose_commit_was_lost_is_there_once() {
    let batches = "SELECT count(*) FROM card_batches WHERE source = 'generate'";
    for cut in BOTH {
        let scene = Scene::start().await;
        scene.proxy.cut_commit_of("INSERT INTO card_batches", cut);
        let first = scene.generate().await;
        assert_eq!(scene.proxy.fallen(), 1);
        match &first {
            Ok(made) => assert_eq!((cut, made.made), (Cut::After, 3)),
            Err(GenerateCardsError::NotStored(StoreError::CommitUnknown(_))) => {
                assert_eq!((cut, scene.count(batches).await), (Cut::Before, 0));
            }
            Err(other) => panic!("{cut:?}: {other:?}"),
        }
        let again = scene.generate().await.unwrap();
        assert_eq!(again.made, 3, "{cut:?}");
        if let Ok(made) = first {
            assert_eq!(again.batch, made.batch);
        }
        assert_eq!(scene.count(batches).await, 1, "{cut:?}");
        assert_eq!(scene.count("SELECT count(*) FROM cards").await, 23, "{cut:?}");
    }
}

#[tokio::test]
async fn a_start_whose_commit_was_lost_is_sent_once_by_whoever_finds_it() {
    for cut in BOTH {
        let scene = Scene::start().await;
        let order = scene.world.one_order("VOUCHER").await;
        scene.world.push(&order).await;
        scene.proxy.cut_commit_of("INSERT INTO delivery_attempts", cut);
        let tick = deliver::tick(&scene.engine, scene.world.merchant, scene.world.shop).await;
        match cut {
            // Read back on a fresh connection: the attempt is there under our fence, so it is ours to send.
            Cut::After => drop(tick.unwrap()),
            Cut::Before => {
                assert!(tick.is_err(), "nothing was stored, and nothing may be sent");
                assert!(scene.world.vouchers_sent().await.is_empty());
                assert_eq!(scene.count("SELECT count(*) FROM delivery_attempts").await, 0);
                deliver::tick(&scene.engine, scene.world.merchant, scene.world.shop).await.unwrap();
            }
        }
        scene.delivered_once(&order, cut).await;
    }
}

#[tokio::test]
async fn a_settlement_whose_commit_was_lost_is_written_once() {
    for cut in BOTH {
        let scene = Scene::start().await;
        let order = scene.world.one_order("VOUCHER").await;
        scene.world.push(&order).await;
        scene.proxy.cut_commit_of("UPDATE delivery_attempts", cut);
        deliver::tick(&scene.engine, scene.world.merchant, scene.world.shop).await.unwrap();
        scene.delivered_once(&order, cut).await;
        let told = "SELECT count(*) FROM outbox WHERE topic = 'order.delivered'";
        assert_eq!(scene.count(told).await, 1, "{cut:?}");
        let counted = "SELECT coalesce(sum(n), 0)::bigint FROM rollup_deltas WHERE metric = 'delivered'";
        assert_eq!(scene.count(counted).await, 1, "{cut:?}");
    }
}

/// A world whose one rule redeems at once, with an order of a code that the platform made.
async fn awaiting_redemption() -> (Scene, OrderSn) {
    let scene = Scene::start().await;
    let world = &scene.world;
    let rule = Rule {
        id: RuleId::generate(),
        name: "at once".to_owned(),
        enabled: true,
        conditions: Conditions::default(),
        action: RuleAction::Redeem,
    };
    save_rules::save(&world.engine, &world.ctx(), &RuleSet::new(vec![rule]).unwrap()).await.unwrap();
    world.map("OTA", DeliveryMethod::PlatformCodes, None, RedemptionMethod::Ota).await;
    let order = world.one_order("OTA").await;
    world.deliver_all(std::slice::from_ref(&order)).await;
    assert_eq!(world.state(&order).await, "awaiting_redemption");
    (scene, order)
}

/// Ticks as time passes, until the order is redeemed; one use took effect then.
async fn redeemed_once(scene: &Scene, order: &OrderSn, cut: Cut) {
    for _ in 0..10 {
        if scene.world.state(order).await == "redeemed" {
            break;
        }
        scene.world.clock.advance(LONG_AFTER);
        let ctx = scene.engine.ctx("redeem", scene.world.merchant);
        redeem::tick(&scene.engine, &ctx, scene.world.shop).await.unwrap();
    }
    assert_eq!(scene.world.state(order).await, "redeemed", "{cut:?}");
    let ledger = scene.world.ledger().await;
    assert_eq!(ledger["verifications"].as_array().unwrap().len(), 1, "{cut:?}: {ledger:#}");
    assert_eq!(scene.count("SELECT count(*) FROM redemptions WHERE state = 'done'").await, 1, "{cut:?}");
    assert_eq!(scene.count("SELECT count(*) FROM order_events WHERE kind = 'redemption_done'").await, 1, "{cut:?}");
    assert_eq!(scene.proxy.fallen(), 1, "the cut fell");
}

#[tokio::test]
async fn a_redemption_whose_settlement_was_lost_is_written_once() {
    for cut in BOTH {
        let (scene, order) = awaiting_redemption().await;
        scene.proxy.cut_commit_of("UPDATE redemptions r SET state = i.state", cut);
        let ctx = scene.engine.ctx("redeem", scene.world.merchant);
        redeem::tick(&scene.engine, &ctx, scene.world.shop).await.unwrap();
        assert_eq!(scene.world.state(&order).await, "redeemed", "{cut:?}: no look-up was needed");
        redeemed_once(&scene, &order, cut).await;
    }
}

#[tokio::test]
async fn a_redemption_whose_start_was_lost_takes_one_use() {
    for cut in BOTH {
        let (scene, order) = awaiting_redemption().await;
        scene.proxy.cut_commit_of("UPDATE redemptions r SET state = 'calling'", cut);
        let ctx = scene.engine.ctx("redeem", scene.world.merchant);
        let tick = redeem::tick(&scene.engine, &ctx, scene.world.shop).await;
        assert!(tick.is_err(), "{cut:?}: whether it may be called is not known, so it is not");
        assert!(scene.world.ledger().await["verifications"].as_array().unwrap().is_empty());
        redeemed_once(&scene, &order, cut).await;
    }
}

#[tokio::test]
async fn connections_that_end_or_hang_all_at_once_stop_nobody_for_good() {
    let scene = Scene::start().await;
    let order = scene.world.one_order("VOUCHER").await;
    scene.world.push(&order).await;
    let tick = || deliver::tick(&scene.engine, scene.world.merchant, scene.world.shop);
    // A connection of the pool is there to be severed.
    drop(scene.engine.store.tenant_tx(scene.world.merchant).await.unwrap());
    scene.proxy.pause();
    let hanging = tokio::time::timeout(Duration::from_millis(200), tick()).await;
    assert!(hanging.is_err(), "nothing passes a paused proxy");
    scene.proxy.sever_all();
    scene.proxy.resume();
    // Whatever the pool still held fails once; the pool then connects anew.
    let mut tries = 0;
    while let Err(error) = tick().await {
        tries += 1;
        assert!(tries < 8, "{error}");
    }
    assert_eq!(scene.world.state(&order).await, "delivered");
    assert_eq!(scene.world.vouchers_sent().await[order.as_str()].len(), 1);
}
