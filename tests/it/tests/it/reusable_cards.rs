//! A card with several permitted uses: each buyer has a line of their own, and each line is redeemed once.

use std::io::Cursor;

use kamiflow_domain::import_cards::{FileChoices, ImportCards, ImportMode, import_cards};
use kamiflow_domain::redemption_rules::{Conditions, Rule, RuleAction, RuleSet};
use kamiflow_domain::{redeem, save_rules};
use kamiflow_kernel::{DeliveryMethod, RedemptionMethod, RuleId};
use kamiflow_test_support::{World, WorldOptions};
use serde_json::json;

#[tokio::test]
async fn two_buyers_of_one_reusable_card_are_two_lines_each_redeemed_once() {
    let world = World::with(WorldOptions { cards: 0, ..WorldOptions::default() }).await;
    let request = ImportCards {
        pool: world.vouchers,
        caller_id: "reusable".to_owned(),
        file_name: "cards.txt".to_owned(),
        choices: FileChoices::default(),
        mode: ImportMode::AllOrNothing,
        uses_permitted: 2,
        file: Cursor::new(b"R000001\n".to_vec()),
    };
    import_cards(&world.engine, &world.ctx(), request).await.unwrap();
    world.map("VOUCHER", DeliveryMethod::VoucherSend, Some(world.vouchers), RedemptionMethod::Realtime).await;
    let rule = Rule {
        id: RuleId::generate(),
        name: "at once".to_owned(),
        enabled: true,
        conditions: Conditions::default(),
        action: RuleAction::Redeem,
    };
    save_rules::save(&world.engine, &world.ctx(), &RuleSet::new(vec![rule]).unwrap()).await.unwrap();

    let orders = world.order("VOUCHER", json!({ "count": 3 })).await;
    world.deliver_all(&orders).await;
    let sent = world.vouchers_sent().await;
    assert_eq!(sent.len(), 2, "a card of two uses serves two");
    assert!(sent.values().all(|codes| codes == &["R000001"]), "{sent:?}");

    let ctx = world.engine.ctx("redeem", world.merchant);
    for _ in 0..2 {
        redeem::tick(&world.engine, &ctx, world.shop).await.unwrap();
    }
    for order_sn in sent.keys() {
        assert_eq!(world.state(&order_sn.parse().unwrap()).await, "redeemed");
    }
    let declared = world.ledger().await["verifications"].as_array().unwrap().len();
    assert_eq!(declared, 2, "each line once, however many uses its card permits");

    let rows = world
        .sql()
        .await
        .query(
            "SELECT r.use_no, u.use_no, r.trans_no FROM redemptions r
               JOIN delivery_lines l ON l.id = r.line_id JOIN card_uses u ON u.id = l.card_use_id ORDER BY u.use_no",
            &[],
        )
        .await
        .unwrap();
    let numbers: Vec<(i32, i32)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    assert_eq!(numbers, [(1, 1), (1, 2)], "the first use of each line, of another use of the card each");
    assert_ne!(rows[0].get::<_, String>(2), rows[1].get::<_, String>(2));
}
