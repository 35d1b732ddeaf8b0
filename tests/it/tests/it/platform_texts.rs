//! What the platform says is kept and shown; what it repeats of a call is not.

use kamiflow_domain::upload_cards::{UploadCards, upload_cards};
use kamiflow_kernel::{DeliveryMethod, RedemptionMethod};
use kamiflow_test_support::World;
use serde_json::json;

/// Tables and columns that keep texts of the platform.
const KEPT: [(&str, &str); 7] = [
    ("exceptions", "detail::text || coalesce(resolution, '')"),
    ("order_events", "detail::text"),
    ("delivery_attempts", "outcome::text || evidence::text"),
    ("redemptions", "outcome::text || explanation::text"),
    ("platform_uploads", "outcome::text"),
    ("jobs", "coalesce(last_error, '')"),
    ("shop_sync", "coalesce(last_error, '')"),
];

/// Whether some table repeats a text.
async fn kept(world: &World, text: &str) -> Vec<&'static str> {
    let sql = world.sql().await;
    let mut found = Vec::new();
    for (table, column) in KEPT {
        let count = format!("SELECT count(*) FROM {table} WHERE position($1 in ({column})) > 0");
        if sql.count(&count, &[&text]).await.unwrap() > 0 {
            found.push(table);
        }
    }
    found
}

#[tokio::test]
async fn a_refusal_that_repeats_the_code_is_kept_without_it() {
    let world = World::start().await;
    let order = world.one_order("VOUCHER").await;
    let careless = json!({
        "api": "pdd.voucher.voucher.info.send", "kind": "code", "code": 50001, "sub_code": "60001",
        "message": "券码不合法: ", "echo": "voucher_list", "remaining": 1,
    });
    world.fault(careless).await;
    world.deliver_all(std::slice::from_ref(&order)).await;
    assert_eq!(world.exceptions(&order).await, ["hand_over_refused"]);
    let tables = kept(&world, "券码不合法").await;
    assert!(tables.contains(&"exceptions") && tables.contains(&"delivery_attempts"), "{tables:?}");
    assert!(!kept(&world, "***").await.is_empty());
    assert_eq!(kept(&world, "V000001").await, [""; 0]);
}

#[tokio::test]
async fn a_refusal_that_repeats_the_token_is_kept_without_it() {
    let world = World::start().await;
    let order = world.one_order("VOUCHER").await;
    let careless = json!({
        "api": "pdd.voucher.voucher.info.send", "kind": "code", "code": 50001, "sub_code": "60001",
        "message": "调用者: ", "echo": "access_token", "remaining": 1,
    });
    world.fault(careless).await;
    world.deliver_all(std::slice::from_ref(&order)).await;
    assert!(!kept(&world, "调用者").await.is_empty());
    assert_eq!(kept(&world, "sandbox-token").await, [""; 0]);
}

#[tokio::test]
async fn neither_number_nor_password_of_a_refused_import_is_told() {
    let world = World::start().await;
    let pool = world.pool("platform").await;
    world.import(pool, "Q000001----secret-pw-1\n").await;
    world.map("POOL", DeliveryMethod::PlatformPool, Some(pool), RedemptionMethod::None).await;
    let careless = json!({
        "api": "pdd.voucher.virtual.card.batch.add", "kind": "code", "code": 50001, "sub_code": "60001",
        "message": "卡密有误 secret-pw-1: ", "echo": "data", "remaining": 1,
    });
    world.fault(careless).await;
    let request = UploadCards { sku: world.skus["POOL"].0, count: 1 };
    let error = upload_cards(&world.engine, &world.ctx(), request).await.unwrap_err();
    let told = format!("{error:?} {error}");
    assert!(told.contains("卡密有误 ***") && !told.contains("Q000001") && !told.contains("secret-pw-1"), "{told}");
}
