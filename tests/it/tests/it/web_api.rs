//! The API over HTTP: tokens and their page, what each operation does, what a token does not reach, and writes sent twice.

mod operations;
mod tokens;
mod walls;
mod writes;

use kamiflow_test_support::{ApiClient, Browser, TestSite};
use serde_json::Value;

/// An owner who has just proved who she is, with a sandbox shop whose first order is delivered.
struct Sold<'a> {
    browser: Browser<'a>,
    shop: String,
    order_sn: String,
}

impl<'a> Sold<'a> {
    async fn at(site: &'a TestSite) -> Self {
        let browser = Browser::signed_up(site).await;
        browser.proves().await;
        let (shop, _mall) = browser.sandbox_shop().await;
        let order = browser.does(&format!("/console/shops/{shop}/buyer"), &[]).await;
        let order_sn = order.rsplit('/').next().unwrap().to_owned();
        let sql = site.world.sql_as_superuser().await;
        let delivered = format!(
            "SELECT count(*) FROM orders WHERE order_sn = '{order_sn}' AND state NOT IN ('seen', 'reserved', 'handing_over')"
        );
        site.world.until_as(&sql, &delivered, 1).await;
        Self { browser, shop, order_sn }
    }

    /// Where its order is.
    fn order(&self) -> String {
        format!("/shops/{}/orders/{}", self.shop, self.order_sn)
    }
}

/// Returns the only pool that a program sees.
async fn pool(client: &ApiClient<'_>) -> String {
    let pools = client.get("/pools").await.ok();
    assert_eq!(pools["pools"].as_array().unwrap().len(), 1, "{pools}");
    pools["pools"][0]["id"].as_str().unwrap().to_owned()
}

/// Every operation of the document: its method, its path below `/api/v1`, and the scope it asks for.
async fn described(site: &TestSite) -> Vec<(String, String, String)> {
    let document = site.get("/api/v1/openapi.json").send().await.unwrap();
    let document: Value = serde_json::from_str(&document.text().await.unwrap()).unwrap();
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let scope = operation["security"][0]["token"][0].as_str().unwrap().to_owned();
            operations.push((method.to_uppercase(), path.trim_start_matches("/api/v1").to_owned(), scope));
        }
    }
    assert_eq!(operations.len(), 14);
    operations
}
