//! The rules that exactly-once rests on, broken on purpose by SQL as the application role.

use kamiflow_test_support::{Merchant, RawSql, TestApp, refused_by};
use uuid::Uuid;

/// A merchant with three cards in stock and a pending delivery of two.
struct Scene {
    sql: RawSql,
    merchant: Uuid,
    delivery: Uuid,
    uses: Vec<Uuid>,
}

impl Scene {
    async fn set(merchant: &Merchant<'_>) -> Self {
        let shop = merchant.shop().await;
        let sku = shop.sku(7, Some(1), Some(0)).await;
        let pool = merchant.pool("pool").await.with_cards(3).await;
        let sql = merchant.sql().await;
        let delivery = Uuid::now_v7();
        sql.execute(
            "INSERT INTO deliveries (id, merchant_id, shop_id, order_day, order_id, order_sn, sku_id, method,
                                     redemption_method, pool_id, lines_expected)
             VALUES ($1, $2, $3, '2026-11-22', $4, '261122-100000000000001', $5, 'voucher_send', 'none', $6, 2)",
            &[
                &delivery,
                &merchant.id.as_uuid(),
                &shop.id.as_uuid(),
                &Uuid::now_v7(),
                &sku.as_uuid(),
                &pool.id.as_uuid(),
            ],
        )
        .await
        .unwrap();
        let uses = sql.query("SELECT id FROM card_uses ORDER BY id", &[]).await.unwrap();
        Self { sql, merchant: merchant.id.as_uuid(), delivery, uses: uses.iter().map(|row| row.get(0)).collect() }
    }

    /// Changes a use as a writer should: with its place in the ledger.
    async fn change(&self, card_use: Uuid, what: &str) -> Result<u64, tokio_postgres::Error> {
        let statement = format!("UPDATE card_uses SET {what}, ledger_seq = ledger_seq + 1 WHERE id = $1");
        self.sql.execute(&statement, &[&card_use]).await
    }

    async fn line(&self, line_no: i32, card_use: Uuid) -> Result<Uuid, tokio_postgres::Error> {
        let line = Uuid::now_v7();
        let statement = "INSERT INTO delivery_lines (id, merchant_id, delivery_id, item_no, line_no, card_use_id)
                         VALUES ($1, $2, $3, 1, $4::integer, $5)";
        let parameters: [&(dyn tokio_postgres::types::ToSql + Sync); 5] =
            [&line, &self.merchant, &self.delivery, &line_no, &card_use];
        self.sql.execute(statement, &parameters).await?;
        Ok(line)
    }

    async fn reserve(&self, line_no: i32, card_use: Uuid) -> Uuid {
        let line = self.line(line_no, card_use).await.unwrap();
        self.change(card_use, &format!("state = 'reserved', state_cause = 'claimed', line_id = '{line}'"))
            .await
            .unwrap();
        line
    }

    async fn delivery(&self, what: &str) -> Result<u64, tokio_postgres::Error> {
        self.sql.execute(&format!("UPDATE deliveries SET {what} WHERE id = $1"), &[&self.delivery]).await
    }

    /// Plans an attempt; the delivery's payload is fixed by it.
    async fn attempt(&self, n: i32) -> Uuid {
        let id = Uuid::now_v7();
        self.delivery("payload_hash = '\\x01'").await.unwrap();
        self.insert_attempt(id, n, "\\x01").await.unwrap();
        id
    }

    async fn insert_attempt(&self, id: Uuid, n: i32, hash: &str) -> Result<u64, tokio_postgres::Error> {
        let statement = format!(
            "INSERT INTO delivery_attempts (id, merchant_id, delivery_id, n, method, idempotency_key, data_key_id,
                                            payload_sealed, payload_hash, evidence, evidence_at, fence)
             SELECT $1, $2, $3, $4::integer, 'voucher_send', 'k', k.id, '\\x00', '{hash}', '{{}}', now(), 0 FROM data_keys k
              WHERE k.merchant_id = $2"
        );
        self.sql.execute(&statement, &[&id, &self.merchant, &self.delivery, &n]).await
    }

    async fn attempt_goes(&self, attempt: Uuid, what: &str) -> Result<u64, tokio_postgres::Error> {
        self.sql.execute(&format!("UPDATE delivery_attempts SET {what} WHERE id = $1"), &[&attempt]).await
    }
}

const STARTED: &str = "state = 'started', started_at = evidence_at, send_deadline = evidence_at + interval '5 s'";

#[tokio::test]
async fn a_card_that_may_have_left_us_is_never_available_again() {
    let app = TestApp::new().await;
    let merchant = app.merchant().await;
    let scene = Scene::set(&merchant).await;
    let card_use = scene.uses[0];
    scene.reserve(1, card_use).await;
    scene.change(card_use, "state = 'quarantined', state_cause = 'may_have_left', exposed = true").await.unwrap();
    scene.change(card_use, "state = 'void', state_cause = 'voided', line_id = NULL").await.unwrap();
    let back = scene.change(card_use, "state = 'available', state_cause = 'restored'").await;
    assert_eq!(refused_by(back), "card_uses_exposed_never_available");
    let forgotten = scene.change(card_use, "exposed = false").await;
    assert_eq!(refused_by(forgotten), "card_uses_exposed_stays");
    let both = scene.change(card_use, "state = 'available', state_cause = 'restored', exposed = false").await;
    assert_eq!(refused_by(both), "card_uses_exposed_stays");
}

#[tokio::test]
async fn a_card_goes_back_to_stock_only_while_every_attempt_is_certain_not_to_have_left() {
    let app = TestApp::new().await;
    let merchant = app.merchant().await;
    let scene = Scene::set(&merchant).await;
    let (first, second) = (scene.uses[0], scene.uses[1]);
    let line = scene.reserve(1, first).await;
    scene.reserve(2, second).await;
    scene.delivery("state = 'reserved'").await.unwrap();
    let released = "state = 'available', state_cause = 'released', line_id = NULL";
    let attempt = scene.attempt(1).await;
    scene.attempt_goes(attempt, STARTED).await.unwrap();
    assert_eq!(refused_by(scene.change(first, released).await), "card_uses_release_never_sent");
    scene.attempt_goes(attempt, "state = 'unknown'").await.unwrap();
    assert_eq!(refused_by(scene.change(first, released).await), "card_uses_release_never_sent");
    scene.attempt_goes(attempt, "state = 'resolved_not_delivered'").await.unwrap();
    assert_eq!(refused_by(scene.change(first, released).await), "card_uses_release_never_sent");
    assert_eq!(scene.change(second, "state_cause = state_cause").await.unwrap(), 1);
    // A second attempt that failed for certain does not wash the first one.
    scene.attempt_goes(attempt, "outcome = '{}'").await.unwrap();
    let again = scene.attempt(2).await;
    scene.attempt_goes(again, "state = 'failed'").await.unwrap();
    assert_eq!(refused_by(scene.change(first, released).await), "card_uses_release_never_sent");
    let held = scene.sql.count("SELECT count(*) FROM card_uses WHERE line_id = $1", &[&line]).await.unwrap();
    assert_eq!(held, 1);
}

#[tokio::test]
async fn a_card_goes_back_to_stock_after_a_certain_failure() {
    let app = TestApp::new().await;
    let merchant = app.merchant().await;
    let scene = Scene::set(&merchant).await;
    scene.reserve(1, scene.uses[0]).await;
    scene.reserve(2, scene.uses[1]).await;
    scene.delivery("state = 'reserved'").await.unwrap();
    let attempt = scene.attempt(1).await;
    scene.attempt_goes(attempt, STARTED).await.unwrap();
    scene.attempt_goes(attempt, "state = 'failed'").await.unwrap();
    let released = "state = 'available', state_cause = 'released', line_id = NULL";
    assert_eq!(scene.change(scene.uses[0], released).await.unwrap(), 1);
}

#[tokio::test]
async fn a_use_moves_only_along_the_table_and_only_with_an_entry_in_the_ledger() {
    let app = TestApp::new().await;
    let merchant = app.merchant().await;
    let scene = Scene::set(&merchant).await;
    let card_use = scene.uses[0];
    let leap = scene.change(card_use, "state = 'sent', state_cause = 'sent'").await;
    assert_eq!(refused_by(leap), "card_uses_transition");
    let wrong_cause = scene.change(card_use, "state = 'void', state_cause = 'claimed'").await;
    assert_eq!(refused_by(wrong_cause), "card_uses_transition");
    let silent = "UPDATE card_uses SET state = 'void', state_cause = 'voided' WHERE id = $1";
    assert_eq!(refused_by(scene.sql.execute(silent, &[&card_use]).await), "card_uses_ledger_follows");
    let skipping = "UPDATE card_uses SET state = 'void', state_cause = 'voided', ledger_seq = 9 WHERE id = $1";
    assert_eq!(refused_by(scene.sql.execute(skipping, &[&card_use]).await), "card_uses_ledger_follows");
    let reserved = scene.change(card_use, "state = 'reserved', state_cause = 'claimed'").await;
    assert_eq!(refused_by(reserved), "card_uses_reserved_has_line");
    let held = scene.change(card_use, &format!("line_id = '{}'", Uuid::now_v7())).await;
    assert_eq!(refused_by(held), "card_uses_available_is_free");
    let other = scene.change(card_use, "use_no = 2").await;
    assert_eq!(refused_by(other), "card_uses_identity");
}

#[tokio::test]
async fn a_card_is_held_by_one_line_and_a_place_by_one_card() {
    let app = TestApp::new().await;
    let merchant = app.merchant().await;
    let scene = Scene::set(&merchant).await;
    scene.line(1, scene.uses[0]).await.unwrap();
    assert_eq!(refused_by(scene.line(2, scene.uses[0]).await), "delivery_lines_use_once");
    assert_eq!(refused_by(scene.line(1, scene.uses[1]).await), "delivery_lines_once");
}

#[tokio::test]
async fn a_delivery_is_reserved_with_exactly_its_lines() {
    let app = TestApp::new().await;
    let merchant = app.merchant().await;
    let scene = Scene::set(&merchant).await;
    assert_eq!(refused_by(scene.delivery("state = 'reserved'").await), "deliveries_lines_complete");
    scene.reserve(1, scene.uses[0]).await;
    assert_eq!(refused_by(scene.delivery("state = 'reserved'").await), "deliveries_lines_complete");
    scene.reserve(2, scene.uses[1]).await;
    scene.reserve(3, scene.uses[2]).await;
    assert_eq!(refused_by(scene.delivery("state = 'reserved'").await), "deliveries_lines_complete");
    scene.sql.execute("UPDATE delivery_lines SET live = false WHERE line_no = 3", &[]).await.unwrap();
    assert_eq!(scene.delivery("state = 'reserved'").await.unwrap(), 1);
}

#[tokio::test]
async fn a_delivery_has_one_row_one_payload_and_a_fence_that_only_rises() {
    let app = TestApp::new().await;
    let merchant = app.merchant().await;
    let scene = Scene::set(&merchant).await;
    scene.delivery("fence = 3").await.unwrap();
    assert_eq!(refused_by(scene.delivery("fence = 2").await), "deliveries_fence_forward");
    let unfixed = scene.insert_attempt(Uuid::now_v7(), 1, "\\x01").await;
    assert_eq!(refused_by(unfixed), "delivery_attempts_one_payload");
    let attempt = scene.attempt(1).await;
    assert_eq!(refused_by(scene.delivery("payload_hash = '\\x02'").await), "deliveries_one_payload");
    assert_eq!(refused_by(scene.delivery("payload_hash = NULL").await), "deliveries_one_payload");
    let another = scene.attempt_goes(attempt, "payload_hash = '\\x02'").await;
    assert_eq!(refused_by(another), "delivery_attempts_identity");
    let sealed = scene.attempt_goes(attempt, "payload_sealed = '\\x02'").await;
    assert_eq!(refused_by(sealed), "delivery_attempts_identity");
    let copy = "INSERT INTO deliveries (id, merchant_id, shop_id, order_day, order_id, order_sn, sku_id, method,
                                        redemption_method, pool_id, lines_expected)
                SELECT $1, merchant_id, shop_id, order_day, order_id, order_sn, sku_id, method, redemption_method,
                       pool_id, lines_expected FROM deliveries";
    assert_eq!(refused_by(scene.sql.execute(copy, &[&Uuid::now_v7()]).await), "deliveries_once");
    let born = "INSERT INTO deliveries (id, merchant_id, shop_id, order_day, order_id, order_sn, sku_id, method,
                                        redemption_method, pool_id, lines_expected, state, payload_hash)
                SELECT $1, merchant_id, shop_id, order_day, order_id, 'born', sku_id, method, redemption_method,
                       pool_id, lines_expected, 'handing_over', '\\x01' FROM deliveries";
    assert_eq!(refused_by(scene.sql.execute(born, &[&Uuid::now_v7()]).await), "deliveries_born_complete");
    scene.delivery("state = 'released'").await.unwrap();
    assert_eq!(refused_by(scene.delivery("state = 'handing_over'").await), "deliveries_transition");
    assert_eq!(refused_by(scene.delivery("delivered_at = now()").await), "deliveries_delivered_has_time");
}

#[tokio::test]
async fn an_attempt_starts_on_fresh_evidence_once_and_alone() {
    let app = TestApp::new().await;
    let merchant = app.merchant().await;
    let scene = Scene::set(&merchant).await;
    let attempt = scene.attempt(1).await;
    assert_eq!(refused_by(scene.insert_attempt(Uuid::now_v7(), 2, "\\x01").await), "delivery_attempts_one_open");
    let stale = "state = 'started', started_at = evidence_at + interval '2.1 s', send_deadline = now()";
    assert_eq!(refused_by(scene.attempt_goes(attempt, stale).await), "delivery_attempts_evidence_is_fresh");
    let ahead = "state = 'started', started_at = evidence_at - interval '1 ms', send_deadline = now()";
    assert_eq!(refused_by(scene.attempt_goes(attempt, ahead).await), "delivery_attempts_evidence_is_fresh");
    let timeless = scene.attempt_goes(attempt, "state = 'started'").await;
    assert_eq!(refused_by(timeless), "delivery_attempts_started_has_deadline");
    assert_eq!(refused_by(scene.attempt_goes(attempt, "state = 'succeeded'").await), "delivery_attempts_transition");
    scene.attempt_goes(attempt, STARTED).await.unwrap();
    assert_eq!(refused_by(scene.attempt_goes(attempt, "state = 'planned'").await), "delivery_attempts_transition");
    scene.attempt_goes(attempt, "state = 'succeeded'").await.unwrap();
    assert_eq!(refused_by(scene.attempt_goes(attempt, "state = 'failed'").await), "delivery_attempts_transition");
    assert_eq!(refused_by(scene.insert_attempt(Uuid::now_v7(), 1, "\\x01").await), "delivery_attempts_once");
}

#[tokio::test]
async fn a_card_that_is_held_or_was_sent_cannot_be_moved_to_another_pool() {
    let app = TestApp::new().await;
    let merchant = app.merchant().await;
    let scene = Scene::set(&merchant).await;
    let other = merchant.pool("other").await;
    scene.reserve(1, scene.uses[0]).await;
    let moved = scene.change(scene.uses[0], &format!("pool_id = '{}'", other.id.as_uuid())).await;
    assert_eq!(refused_by(moved), "card_uses_move_never_exposed");
    let silent = format!("UPDATE card_uses SET pool_id = '{}' WHERE id = $1", other.id.as_uuid());
    assert_eq!(refused_by(scene.sql.execute(&silent, &[&scene.uses[1]]).await), "card_uses_ledger_follows");
}
