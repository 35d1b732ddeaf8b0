//! Cards: import, generation, void, restore and move.

use std::io::Cursor;

use chrono::TimeDelta;
use kamiflow_domain::card_file::Reason;
use kamiflow_domain::engine::Wake;
use kamiflow_domain::generate_cards::{GenerateCards, GenerateCardsError, generate_cards};
use kamiflow_domain::import_cards::{FileChoices, ImportCards, ImportCardsError, ImportMode, import_cards};
use kamiflow_domain::manage_cards::{CardAction, ManageCards, ManageCardsError, Unchanged, manage_cards};
use kamiflow_kernel::{CardId, CardUseState, GatewayKind, PoolId};
use kamiflow_store::stock_waits::{self, NewWait};
use kamiflow_store::{card_pools, card_uses};
use kamiflow_test_support::{Merchant, TestApp, refused_by};
use uuid::Uuid;

fn import_of(pool: PoolId, caller_id: &str, file: &str, mode: ImportMode) -> ImportCards<Cursor<Vec<u8>>> {
    ImportCards {
        pool,
        caller_id: caller_id.to_owned(),
        file_name: "cards.csv".to_owned(),
        file: Cursor::new(file.as_bytes().to_vec()),
        choices: FileChoices::default(),
        uses_permitted: 1,
        mode,
    }
}

async fn assert_ledgers_hold(merchant: &Merchant<'_>) {
    let mut tx = merchant.tx().await;
    assert_eq!(card_uses::count_broken_chains(&mut tx).await.unwrap(), 0);
}

#[tokio::test]
async fn imported_cards_are_in_stock_and_open_to_their_owner() {
    let app = TestApp::new().await;
    let merchant = app.merchant().await;
    let pool = merchant.pool("月卡").await;
    let imported = pool.import("卡号：A0001 卡密：s1\n卡号：A0002 卡密：s2\n").await;
    assert_eq!((imported.accepted, imported.rejected), (2, 0));
    assert_eq!(pool.stock().await.available, 2);
    let secret = |text: &str| Some(text.to_owned());
    assert_eq!(pool.contents().await, [("A0001".to_owned(), secret("s1")), ("A0002".to_owned(), secret("s2"))]);
    assert_ledgers_hold(&merchant).await;
}

#[tokio::test]
async fn nothing_of_a_card_is_readable_in_the_database() {
    let app = TestApp::new().await;
    let merchant = app.merchant().await;
    merchant.pool("p").await.import("PLAINNUMBER0001,PLAINSECRET0001\n").await;
    let rows = merchant.sql().await.query("SELECT to_jsonb(c)::text FROM cards c", &[]).await.unwrap();
    let row: String = rows[0].get(0);
    assert!(row.contains("PL*********0001"), "{row}");
    assert!(!row.contains("PLAINNUMBER") && !row.contains("PLAINSECRET"));
    let hidden = "SELECT count(*) FROM cards WHERE position('PLAIN'::bytea in number_sealed) > 0
                     OR position('PLAIN'::bytea in secret_sealed) > 0";
    assert_eq!(merchant.sql().await.count(hidden, &[]).await.unwrap(), 0);
}

#[tokio::test]
async fn duplicates_in_the_file_and_in_stock_are_reported_by_line_and_skipped() {
    let app = TestApp::new().await;
    let merchant = app.merchant().await;
    let (pool, other) = (merchant.pool("p").await, merchant.pool("q").await);
    other.import("A0001,s\nA0002,s\n").await;
    let imported = pool.import("B0001,s\nA0002,s\nB0001,t\nB0002,s\n").await;
    assert_eq!((imported.accepted, imported.rejected), (2, 2));
    let report = imported.report.unwrap();
    let mut reasons: Vec<_> = report.rejected().iter().map(|line| (line.line, line.reason.clone())).collect();
    reasons.sort_by_key(|(line, _)| *line);
    assert_eq!(reasons, [(2, Reason::DuplicateInStock), (3, Reason::DuplicateInFile { first_line: 1 })]);
    assert_eq!((pool.stock().await.available, other.stock().await.available), (2, 2));
}

#[tokio::test]
async fn the_same_number_of_another_merchant_is_no_duplicate() {
    let app = TestApp::new().await;
    let (one, two) = (app.merchant().await, app.merchant().await);
    assert_eq!(one.pool("p").await.import("A0001,s\n").await.accepted, 1);
    assert_eq!(two.pool("p").await.import("A0001,s\n").await.accepted, 1);
}

#[tokio::test]
async fn all_or_nothing_imports_nothing_of_a_file_with_one_bad_line_and_reports_every_one() {
    let app = TestApp::new().await;
    let merchant = app.merchant().await;
    let pool = merchant.pool("p").await;
    pool.import("OLD,s\n").await;
    // More lines than one statement takes, so that cards were inserted before the first bad line is met.
    let mut file: String = (0..6_000).map(|n| format!("N{n:06},s\n")).collect();
    file.push_str("OLD,s\nN000001,s\nLAST,s\n");
    let request = import_of(pool.id, "i1", &file, ImportMode::AllOrNothing);
    let refused = import_cards(&app.engine, &merchant.ctx(), request).await.unwrap();
    assert_eq!((refused.batch, refused.accepted, refused.rejected), (None, 0, 2));
    let report = refused.report.unwrap();
    let mut lines: Vec<u64> = report.rejected().iter().map(|line| line.line).collect();
    lines.sort_unstable();
    assert_eq!(lines, [6_001, 6_002]);
    assert_eq!(pool.stock().await.available, 1);
    let good = import_of(pool.id, "i1", "X1,s\nX2,s\n", ImportMode::AllOrNothing);
    assert_eq!(import_cards(&app.engine, &merchant.ctx(), good).await.unwrap().accepted, 2);
}

#[tokio::test]
async fn a_repeated_import_finds_the_first_one_and_another_file_is_another_import() {
    let app = TestApp::new().await;
    let merchant = app.merchant().await;
    let pool = merchant.pool("p").await;
    let run = async |file: &str| {
        let request = import_of(pool.id, "same", file, ImportMode::SkipBad);
        import_cards(&app.engine, &merchant.ctx(), request).await.unwrap()
    };
    let first = run("A1,s\nA2,s\nA2,s\n").await;
    let second = run("A1,s\nA2,s\nA2,s\n").await;
    assert_eq!((second.batch, second.accepted, second.rejected), (first.batch, 2, 1));
    assert!(first.report.is_some() && second.report.is_none());
    assert_eq!(run("A3,s\n").await.accepted, 1);
    assert_eq!(pool.stock().await.available, 3);
}

#[tokio::test]
async fn an_import_that_runs_twice_at_once_takes_place_once() {
    let app = TestApp::new().await;
    let merchant = app.merchant().await;
    let pool = merchant.pool("p").await;
    let file: String = (0..2_000).map(|n| format!("N{n:06},s\n")).collect();
    let ctx = merchant.ctx();
    let run = || import_cards(&app.engine, &ctx, import_of(pool.id, "same", &file, ImportMode::SkipBad));
    let (one, two) = tokio::join!(run(), run());
    let (one, two) = (one.unwrap(), two.unwrap());
    assert_eq!((one.batch, one.accepted, two.accepted), (two.batch, 2_000, 2_000));
    assert_eq!(pool.stock().await.available, 2_000);
}

#[tokio::test]
async fn two_imports_of_the_same_numbers_share_them_without_loss() {
    let app = TestApp::new().await;
    let merchant = app.merchant().await;
    let (pool, other) = (merchant.pool("p").await, merchant.pool("q").await);
    let file: String = (0..2_000).map(|n| format!("N{n:06},s\n")).collect();
    let ctx = merchant.ctx();
    let (one, two) = tokio::join!(
        import_cards(&app.engine, &ctx, import_of(pool.id, "1", &file, ImportMode::SkipBad)),
        import_cards(&app.engine, &ctx, import_of(other.id, "2", &file, ImportMode::SkipBad)),
    );
    let (one, two) = (one.unwrap(), two.unwrap());
    assert_eq!((one.accepted + two.accepted, one.rejected + two.rejected), (2_000, 2_000));
    assert_eq!(pool.stock().await.available + other.stock().await.available, 2_000);
}

#[tokio::test]
async fn files_that_cannot_be_imported_say_why() {
    let app = TestApp::new().await;
    let merchant = app.merchant().await;
    let pool = merchant.pool("p").await;
    let foreign = app.merchant().await.pool("p").await;
    let run = async |pool, file: &str| {
        let request = import_of(pool, "x", file, ImportMode::SkipBad);
        import_cards(&app.engine, &merchant.ctx(), request).await.unwrap_err()
    };
    assert!(matches!(run(pool.id, "\n\n").await, ImportCardsError::Empty));
    assert!(matches!(run(pool.id, "\u{0}\u{1}\u{2}").await, ImportCardsError::File(_)));
    assert!(matches!(run(foreign.id, "A1,s\n").await, ImportCardsError::PoolUnknown));
    let mut request = import_of(pool.id, "x", "A1,s\n", ImportMode::SkipBad);
    request.uses_permitted = 1001;
    let refused = import_cards(&app.engine, &merchant.ctx(), request).await.unwrap_err();
    assert!(matches!(refused, ImportCardsError::UsesPermitted(1001)));
}

#[tokio::test]
async fn the_same_file_into_another_pool_is_another_import() {
    let app = TestApp::new().await;
    let merchant = app.merchant().await;
    let (one, other) = (merchant.pool("one").await, merchant.pool("other").await);
    let run = async |pool| {
        let request = import_of(pool, "console", "A1,s\n", ImportMode::SkipBad);
        import_cards(&app.engine, &merchant.ctx(), request).await.unwrap()
    };
    assert_eq!(run(one.id).await.accepted, 1);
    assert!(run(one.id).await.report.is_none(), "a repetition finds the first import");
    let second = run(other.id).await;
    assert_eq!((second.batch, second.accepted, second.rejected), (None, 0, 1), "the card is in stock already");
    assert_eq!(other.stock().await.available, 0);
}

#[tokio::test]
async fn a_reusable_card_is_in_stock_once_per_permitted_use() {
    let app = TestApp::new().await;
    let merchant = app.merchant().await;
    let pool = merchant.pool("p").await;
    let mut request = import_of(pool.id, "x", "A1,s\nA2,s\n", ImportMode::SkipBad);
    request.uses_permitted = 3;
    import_cards(&app.engine, &merchant.ctx(), request).await.unwrap();
    assert_eq!((pool.stock().await.available, pool.cards().await.len()), (6, 2));
    assert_ledgers_hold(&merchant).await;
}

#[tokio::test]
async fn cards_are_generated_exactly_as_many_as_asked_for_even_when_numbers_collide() {
    let app = TestApp::new().await;
    let merchant = app.merchant().await;
    let pool = merchant.pool("p").await;
    let generation = |caller_id: &str, count| GenerateCards {
        pool: pool.id,
        caller_id: caller_id.to_owned(),
        number: "N{9:5}".parse().unwrap(),
        secret: Some("{X:16}".parse().unwrap()),
        count,
        expires_at: Some(app.clock.now_plus(TimeDelta::days(30))),
        uses_permitted: 1,
    };
    let ctx = merchant.ctx();
    let first = generate_cards(&app.engine, &ctx, &generation("a", 1_000)).await.unwrap();
    // One number in ten is taken by now, so collisions are certain.
    for caller_id in ["b", "c", "d", "e", "f", "g", "h", "i", "j"] {
        assert_eq!(generate_cards(&app.engine, &ctx, &generation(caller_id, 1_000)).await.unwrap().made, 1_000);
    }
    let again = generate_cards(&app.engine, &ctx, &generation("a", 1_000)).await.unwrap();
    assert_eq!((again.batch, again.made), (first.batch, 1_000));
    assert_eq!(pool.stock().await.available, 10_000);
    assert_ledgers_hold(&merchant).await;
    let guessable = GenerateCards { secret: None, ..generation("z", 10) };
    let refused = generate_cards(&app.engine, &ctx, &guessable).await.unwrap_err();
    assert!(matches!(refused, GenerateCardsError::Generation(_)));
}

async fn manage(
    app: &TestApp,
    merchant: &Merchant<'_>,
    cards: &[CardId],
    action: CardAction,
) -> (usize, Vec<Unchanged>) {
    let request = ManageCards { cards: cards.to_vec(), action };
    let managed = manage_cards(&app.engine, &merchant.ctx(), &request).await.unwrap();
    (managed.changed.len(), managed.unchanged.into_iter().map(|(_, reason)| reason).collect())
}

#[tokio::test]
async fn cards_are_voided_restored_and_moved_with_an_entry_in_the_ledger_each() {
    let app = TestApp::new().await;
    let merchant = app.merchant().await;
    let pool = merchant.pool("p").await.with_cards(3).await;
    let other = merchant.pool("q").await;
    let cards = pool.cards().await;
    assert_eq!(manage(&app, &merchant, &cards[..2], CardAction::Void).await, (2, vec![]));
    assert_eq!((pool.stock().await.available, pool.stock().await.void), (1, 2));
    assert_eq!(manage(&app, &merchant, &cards[..1], CardAction::Void).await, (0, vec![Unchanged::Already]));
    let elsewhere = CardAction::Move(other.id);
    let held = Unchanged::InState(CardUseState::Void);
    assert_eq!(manage(&app, &merchant, &cards[..2], elsewhere).await, (0, vec![held, held]));
    assert_eq!(manage(&app, &merchant, &cards[..2], CardAction::Restore).await, (2, vec![]));
    assert_eq!(manage(&app, &merchant, &cards, elsewhere).await, (3, vec![]));
    assert_eq!((pool.stock().await.available, other.stock().await.available), (0, 3));
    assert_eq!(other.cards().await.len(), 3);
    assert_ledgers_hold(&merchant).await;
    let sql = merchant.sql().await;
    let rows = sql.query("SELECT event FROM card_ledger ORDER BY card_use_id, seq", &[]).await.unwrap();
    let events: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    assert_eq!(events[..4], ["imported", "voided", "restored", "moved"]);
    assert_eq!(events[8..], ["imported", "moved"]);
    let acts = sql.query("SELECT action FROM audit_log ORDER BY at, id", &[]).await.unwrap();
    let acts: Vec<String> = acts.iter().map(|row| row.get(0)).collect();
    assert!(
        acts.ends_with(&["cards.void", "cards.move", "cards.restore", "cards.move"].map(str::to_owned)),
        "{acts:?}"
    );
}

#[tokio::test]
async fn a_sample_card_is_never_moved_to_a_pool_of_real_shops() {
    let app = TestApp::new().await;
    let merchant = app.merchant().await;
    let samples = merchant.pool("samples").await.with_cards(2).await;
    let real = merchant.pool_at("real", GatewayKind::Production).await;
    let request = ManageCards { cards: samples.cards().await, action: CardAction::Move(real.id) };
    let refused = manage_cards(&app.engine, &merchant.ctx(), &request).await;
    assert!(matches!(refused, Err(ManageCardsError::OtherPlatform)));
    let moved = "UPDATE card_uses SET pool_id = $1, ledger_seq = ledger_seq + 1";
    let moved = merchant.sql().await.execute(moved, &[&real.id.as_uuid()]).await;
    assert_eq!(refused_by(moved), "card_uses_move_within_gateway");
    assert_eq!((samples.stock().await.available, real.stock().await.available), (2, 0));
}

#[tokio::test]
async fn a_card_that_may_have_left_us_is_neither_voided_nor_moved_nor_restored() {
    let app = TestApp::new().await;
    let merchant = app.merchant().await;
    let pool = merchant.pool("p").await.with_cards(1).await;
    let other = merchant.pool("q").await;
    let sql = merchant.sql().await;
    sql.transaction(
        "UPDATE card_uses SET state = 'uploading', state_cause = 'upload_started', ledger_seq = ledger_seq + 1;
         UPDATE card_uses SET state = 'quarantined', state_cause = 'upload_unknown', exposed = true,
                              ledger_seq = ledger_seq + 1",
    )
    .await
    .unwrap();
    let cards = pool.cards().await;
    for action in [CardAction::Void, CardAction::Restore, CardAction::Move(other.id)] {
        assert_eq!(manage(&app, &merchant, &cards, action).await, (0, vec![Unchanged::Exposed]));
    }
    let thief = app.merchant().await;
    assert_eq!(manage(&app, &thief, &cards, CardAction::Void).await, (0, vec![Unchanged::Unknown]));
}

#[tokio::test]
async fn a_changed_ledger_entry_is_found() {
    let app = TestApp::new().await;
    let merchant = app.merchant().await;
    let pool = merchant.pool("p").await.with_cards(2).await;
    manage(&app, &merchant, &pool.cards().await, CardAction::Void).await;
    assert_ledgers_hold(&merchant).await;
    let admin = app.sql_as_superuser().await;
    for tampering in [
        "UPDATE card_ledger SET event = 'sent' WHERE seq = 1",
        "UPDATE card_uses SET ledger_head = '\\x00'",
        "DELETE FROM card_ledger WHERE seq = 2",
    ] {
        admin.transaction(&format!("CREATE TABLE kept AS TABLE card_ledger; {tampering}")).await.unwrap();
        let mut tx = merchant.tx().await;
        assert_eq!(card_uses::count_broken_chains(&mut tx).await.unwrap(), 2, "{tampering}");
        tx.commit().await.unwrap();
        admin
            .transaction(
                "UPDATE card_uses u SET ledger_head = k.hash FROM kept k WHERE k.card_use_id = u.id AND k.seq = 2;
             DELETE FROM card_ledger; INSERT INTO card_ledger TABLE kept; DROP TABLE kept",
            )
            .await
            .unwrap();
        assert_ledgers_hold(&merchant).await;
    }
}

/// Inserts pending deliveries of a pool that wait for so many cards each, the oldest first.
async fn waits(merchant: &Merchant<'_>, pool: PoolId, wanted: &[i32]) -> Vec<Uuid> {
    let shop = merchant.shop().await;
    // Stock wakes the waiters of shops that deliver.
    shop.goes_live().await;
    let sku = shop.sku(7, Some(1), Some(0)).await;
    let sql = merchant.sql().await;
    let mut tx = merchant.tx().await;
    card_pools::lock(&mut tx, &[pool]).await.unwrap();
    let mut ids = Vec::new();
    for (n, cards) in (0i64..).zip(wanted) {
        let id = Uuid::now_v7();
        sql.execute(
            "INSERT INTO deliveries (id, merchant_id, shop_id, order_day, order_id, order_sn, sku_id, method,
                                     redemption_method, pool_id, lines_expected)
             VALUES ($1, $2, $3, '1970-01-01', $1, $4, $5, 'voucher_send', 'none', $6, $7::integer)",
            &[
                &id,
                &merchant.id.as_uuid(),
                &shop.id.as_uuid(),
                &format!("o{n}"),
                &sku.as_uuid(),
                &pool.as_uuid(),
                cards,
            ],
        )
        .await
        .unwrap();
        let since = merchant.ctx().now + TimeDelta::seconds(n);
        let delivery = kamiflow_kernel::DeliveryId::from_uuid(id);
        stock_waits::insert(&mut tx, &[NewWait { delivery, pool, shop: shop.id, cards: *cards, since }]).await.unwrap();
        ids.push(id);
    }
    tx.commit().await.unwrap();
    ids
}

async fn due(merchant: &Merchant<'_>) -> Vec<Uuid> {
    let sql = merchant.sql().await;
    let rows = sql.query("SELECT id FROM deliveries WHERE due_at IS NOT NULL ORDER BY id", &[]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

#[tokio::test]
async fn arriving_stock_wakes_the_oldest_waiters_it_covers_and_no_more() {
    let app = TestApp::new().await;
    let merchant = app.merchant().await;
    let pool = merchant.pool("p").await;
    let ids = waits(&merchant, pool.id, &[2, 5, 1, 1]).await;
    let imported = pool.import("A1,s\nA2,s\nA3,s\n").await;
    assert_eq!(imported.wakes.len(), 1);
    assert!(matches!(imported.wakes[0], Wake::Deliver(_)));
    // Two for the oldest; the next needs five and keeps its place; one for the third; nothing is left.
    assert_eq!(due(&merchant).await, [ids[0], ids[2]]);
}

#[tokio::test]
async fn restored_and_moved_cards_wake_waiters_and_expired_ones_do_not() {
    let app = TestApp::new().await;
    let merchant = app.merchant().await;
    let (pool, other) = (merchant.pool("p").await, merchant.pool("q").await.with_cards(1).await);
    let ids = waits(&merchant, pool.id, &[1]).await;
    let soon = (app.clock.now_plus(TimeDelta::days(2))).format("%Y-%m-%d");
    pool.import(&format!("卡号,卡密,有效期\nE1,s,{soon}\n")).await;
    let sql = merchant.sql().await;
    assert_eq!(due(&merchant).await, ids);
    sql.execute("UPDATE deliveries SET due_at = NULL", &[]).await.unwrap();
    app.clock.advance(TimeDelta::days(4));
    // The card in stock has expired by now.
    assert_eq!(manage(&app, &merchant, &pool.cards().await, CardAction::Void).await.0, 1);
    assert_eq!(manage(&app, &merchant, &pool.cards().await, CardAction::Restore).await.0, 1);
    assert_eq!(due(&merchant).await, Vec::<Uuid>::new());
    assert_eq!(manage(&app, &merchant, &other.cards().await, CardAction::Move(pool.id)).await.0, 1);
    assert_eq!(due(&merchant).await, ids);
}
