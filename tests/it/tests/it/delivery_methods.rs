//! What is delivered by other ways than a voucher: charges, and the platform's own stock.

use kamiflow_domain::{charge, upload_cards};
use kamiflow_kernel::{DeliveryMethod, OrderSn, RedemptionMethod};
use kamiflow_store::charge_requests::Charged;
use kamiflow_test_support::World;
use serde_json::json;

use crate::delivery::uses;

#[tokio::test]
async fn a_charge_is_reported_only_after_somebody_made_it() {
    let world = World::start().await;
    world.map("CHARGE", DeliveryMethod::ChargeNotify, None, RedemptionMethod::None).await;
    let orders = world.order("CHARGE", json!({ "count": 2 })).await;
    world.deliver_all(&orders).await;
    assert!(world.ledger().await["charges"].as_array().unwrap().is_empty(), "SUCCESS for a charge nobody made");
    assert_eq!(world.exceptions(&orders[0]).await, ["awaiting_fulfiller"]);

    let report = |order: &OrderSn, charged| charge::ReportCharge {
        shop: world.shop,
        order_sn: order.clone(),
        charged,
        proof: json!({ "transaction": "T1" }),
    };
    charge::report(&world.engine, &world.ctx(), &report(&orders[0], Charged::Yes)).await.unwrap();
    charge::report(&world.engine, &world.ctx(), &report(&orders[1], Charged::No)).await.unwrap();
    world.deliver().await;
    assert_eq!(world.state(&orders[0]).await, "delivered");
    assert_eq!(world.exceptions(&orders[1]).await, ["awaiting_fulfiller", "charge_failed"]);
    let charges = world.ledger().await["charges"].as_array().unwrap().clone();
    assert_eq!(charges.len(), 1, "FAIL, which refunds, is never sent by itself");
    assert_eq!(charges[0]["status"], "SUCCESS");
}

#[tokio::test]
async fn the_platform_hands_out_what_was_imported_and_the_card_is_told_by_its_number() {
    let world = World::start().await;
    let pool = world.pool("platform").await;
    world.import(pool, "Q000001----pw1\nQ000002----pw2\nQ000003----pw3\n").await;
    world.map("POOL", DeliveryMethod::PlatformPool, Some(pool), RedemptionMethod::None).await;
    let request = upload_cards::UploadCards { sku: world.skus["POOL"].0, count: 2 };
    let report = upload_cards::upload_cards(&world.engine, &world.ctx(), request).await.unwrap();
    assert_eq!(report.uploaded, 2);
    assert_eq!(uses(&world, "at_platform").await, 2);

    let order = world.one_order("POOL").await;
    world.deliver_all(std::slice::from_ref(&order)).await;
    assert_eq!(world.state(&order).await, "delivered");
    let issued = world.ledger().await["issued_cards"].as_array().unwrap().clone();
    assert_eq!(issued.len(), 1);
    let linked = "SELECT count(*) FROM delivery_lines l JOIN card_uses u ON u.id = l.card_use_id WHERE u.state = 'sent' AND u.pool_id = $1";
    assert_eq!(world.sql().await.count(linked, &[&pool.as_uuid()]).await.unwrap(), 1);
    assert!(world.exceptions(&order).await.is_empty());
}

#[tokio::test]
async fn an_upload_of_unknown_outcome_is_quarantined_and_never_sent_again() {
    let world = World::start().await;
    let pool = world.pool("platform").await;
    world.import(pool, "Q000001----pw1\nQ000002----pw2\n").await;
    world.map("POOL", DeliveryMethod::PlatformPool, Some(pool), RedemptionMethod::None).await;
    world
        .fault(json!({ "api": "pdd.voucher.virtual.card.batch.add", "kind": "timeout_after_effect", "remaining": 1 }))
        .await;
    let request = upload_cards::UploadCards { sku: world.skus["POOL"].0, count: 2 };
    let unknown = upload_cards::upload_cards(&world.engine, &world.ctx(), request).await.unwrap_err();
    assert!(matches!(unknown, upload_cards::UploadError::Unknown(_)), "{unknown}");
    assert_eq!(uses(&world, "quarantined").await, 2);
    let again = upload_cards::upload_cards(&world.engine, &world.ctx(), request).await.unwrap_err();
    assert!(matches!(again, upload_cards::UploadError::NoStock), "{again}");
}
