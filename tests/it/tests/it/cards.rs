//! Cards: import, generation, void, restore and move.

use kamiflow_test_support::TestApp;

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
}
