//! What the page is compared with: the query of the order list and nothing else, as JSON.

use actix_web::{App, HttpResponse, HttpServer, web};
use anyhow::{Context as _, Result};
use chrono::{DateTime, Utc};
use clap::Args;
use kamiflow_kernel::{Clock as _, MerchantId, ShopId};
use kamiflow_runtime::clock::SystemClock;
use kamiflow_store::order_list::{self, ListedOrder, Part, Place, Window};
use kamiflow_store::{Store, StoreError, TenantTx};
use kamiflow_test_support::program;
use serde::Serialize;
use serde_json::json;

use crate::fleet::FLEET;
use crate::process::SITE_POOL_SIZE;

/// Options of the bare handler.
#[derive(Args)]
pub(crate) struct Options {
    /// Postgres as the application role.
    #[arg(long)]
    url: String,

    /// Whose orders.
    #[arg(long)]
    merchant: MerchantId,

    /// Of which shops.
    #[arg(long, value_delimiter = ',')]
    shops: Vec<ShopId>,
}

struct Asked {
    store: Store,
    merchant: MerchantId,
    shops: Vec<ShopId>,
}

/// An order of the list, with all that the query has read.
#[derive(Serialize)]
struct Order {
    id: uuid::Uuid,
    shop: String,
    order_sn: String,
    state: String,
    state_cause: String,
    goods_name: String,
    goods_spec: String,
    goods_count: i32,
    pay_amount_fen: i64,
    paid_at: Option<DateTime<Utc>>,
    last_ship_at: Option<DateTime<Utc>>,
    delivered_at: Option<DateTime<Utc>>,
    seen_at: DateTime<Utc>,
    open_code: Option<String>,
    needs_person: bool,
}

impl From<ListedOrder> for Order {
    fn from(row: ListedOrder) -> Self {
        Self {
            id: row.id,
            shop: row.shop_id.to_string(),
            order_sn: row.order_sn,
            state: row.state,
            state_cause: row.state_cause,
            goods_name: row.goods_name,
            goods_spec: row.goods_spec,
            goods_count: row.goods_count,
            pay_amount_fen: row.pay_amount_fen,
            paid_at: row.paid_at,
            last_ship_at: row.last_ship_at,
            delivered_at: row.delivered_at,
            seen_at: row.seen_at,
            open_code: row.open_code,
            needs_person: row.needs_person,
        }
    }
}

/// Serves until it is told to end.
pub(crate) async fn run(options: &Options) -> Result<()> {
    let store = FLEET.store(options.url.clone(), SITE_POOL_SIZE)?;
    let asked = web::Data::new(Asked { store, merchant: options.merchant, shops: options.shops.clone() });
    let server = HttpServer::new(move || App::new().app_data(asked.clone()).route("/orders", web::get().to(orders)));
    let server = server.bind(("127.0.0.1", 0))?;
    program::show(&json!({ "listen": server.addrs().first().context("it listens nowhere")? }), true)?;
    Ok(server.run().await?)
}

async fn orders(asked: web::Data<Asked>) -> HttpResponse {
    match list(&asked).await {
        Ok(rows) => HttpResponse::Ok().json(rows.into_iter().map(Order::from).collect::<Vec<_>>()),
        Err(error) => HttpResponse::InternalServerError().body(error.to_string()),
    }
}

async fn list(asked: &Asked) -> Result<Vec<ListedOrder>, StoreError> {
    let recent = (Window::at(SystemClock.now()), Part::Recent);
    let read = async |tx: &TenantTx| order_list::newest(tx, &asked.shops, recent, Place::start()).await;
    asked.store.list(asked.merchant, read).await
}
