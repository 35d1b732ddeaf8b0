//! The client and the sandbox, written apart from one another, mean the same.

use kamiflow_domain::marketplace::{ErrorClass, PageRequest, TimeSpan};
use kamiflow_domain::shop_access::{self, Shop};
use kamiflow_kernel::OrderSn;
use kamiflow_test_support::World;
use serde_json::json;

async fn open(world: &World) -> Shop {
    shop_access::open(&world.tx().await, world.shop).await.unwrap()
}

fn recent(world: &World) -> TimeSpan {
    let now = world.engine.now();
    TimeSpan { from: now - chrono::TimeDelta::minutes(2), to: now + chrono::TimeDelta::minutes(2) }
}

#[tokio::test]
async fn an_order_reads_the_same_alone_and_in_a_list_with_ids_as_text_or_number() {
    let world = World::start().await;
    let memo = "请发到 \"备用\" 号\n100% & more=1 😀";
    let order = world.order("VOUCHER", json!({ "quantity": 2, "buyer_memo": memo })).await.remove(0);
    let shop = open(&world).await;
    let mut reads = Vec::new();
    for ids_as in ["string", "number"] {
        world.control("PATCH", "/switches", &json!({ "ids_as": ids_as })).await;
        reads.push(world.engine.market.order(&shop.access, &order).await.unwrap());
        let page = PageRequest { number: 1, size: 100, with_total: true };
        let listed = world.engine.market.orders_updated(&shop.access, recent(&world), page).await.unwrap();
        assert_eq!((listed.total, listed.unreadable.len()), (Some(1), 0), "{ids_as}");
        reads.extend(listed.orders);
    }
    assert_eq!(reads.len(), 4);
    assert!(reads.iter().all(|read| *read == reads[0]), "{reads:#?}");
    assert_eq!(reads[0].items[0].sku_id.0, world.skus["VOUCHER"].1);
    assert_eq!(reads[0].items[0].count, 2);
}

#[tokio::test]
async fn pages_with_and_without_the_total_hold_every_order_once() {
    let world = World::start().await;
    let mut made = world.order("VOUCHER", json!({ "count": 25 })).await;
    made.sort();
    let shop = open(&world).await;
    for with_total in [true, false] {
        let mut listed: Vec<OrderSn> = Vec::new();
        for number in 1.. {
            let page = PageRequest { number, size: 10, with_total };
            let page = world.engine.market.orders_updated(&shop.access, recent(&world), page).await.unwrap();
            assert_eq!(page.total, with_total.then_some(25));
            let more = if with_total { listed.len() + page.orders.len() < 25 } else { page.has_next };
            listed.extend(page.orders.into_iter().map(|order| order.order_sn));
            if !more {
                break;
            }
        }
        listed.sort();
        assert_eq!(listed, made, "with the total: {with_total}");
    }
}

#[tokio::test]
async fn an_unknown_order_is_not_found_and_not_a_reason_to_stop() {
    let world = World::start().await;
    let order = world.one_order("VOUCHER").await;
    let unknown: OrderSn = order.as_str().chars().rev().collect::<String>().parse().unwrap();
    let error = world.engine.market.order(&open(&world).await.access, &unknown).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::NotFound, "{error}");
    world.deliver_all(&[unknown, order.clone()]).await;
    assert_eq!(world.state(&order).await, "delivered");
    assert_eq!(world.shop_state().await.0, "live");
}

#[tokio::test]
async fn answers_that_are_no_answers_are_read_again_and_nothing_is_lost() {
    for kind in ["http_502_html", "truncated_body", "drop_connection", "timeout_before_effect"] {
        let world = World::start().await;
        let order = world.one_order("VOUCHER").await;
        world.fault(json!({ "api": "pdd.order.information.get", "kind": kind, "probability": 1.0 })).await;
        world.deliver_all(std::slice::from_ref(&order)).await;
        assert_eq!(world.state_or_none(&order).await, None, "{kind}");
        world.control("DELETE", "/faults", &json!({})).await;
        world.clock.advance(chrono::TimeDelta::minutes(3));
        world.deliver().await;
        assert_eq!(world.state(&order).await, "delivered", "{kind}");
        assert_eq!(world.vouchers_sent().await[order.as_str()].len(), 1, "{kind}");
    }
}
