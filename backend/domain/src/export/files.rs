//! The files of an export, page by page.

use std::time::Duration;

use kamiflow_kernel::{Permission, ShopScope, format_platform_time};
use kamiflow_store::exports;
use kamiflow_store::order_list::Place;
use kamiflow_store::{StoreError, TenantTx, products};
use tokio::sync::mpsc;

use crate::accounts::Accounts;
use crate::csv_lines;
use crate::ctx::{ActError, Ctx};
use crate::engine::Engine;
use crate::list_audit::{self, AuditPage};
use crate::list_shops::{ShopSummary, list_shops};
use crate::stock_pages::list_pools;
use crate::teams::show_team::show_team;
use crate::teams::{self, TeamError};

/// The longest an export takes, however slowly it is downloaded.
const LONGEST: Duration = Duration::from_secs(30 * 60);
/// Rows of a page.
const PAGE: i64 = 1_000;
/// Deliveries whose redemptions are a page: each has one per card and use.
const DELIVERIES_AT_ONCE: i64 = 200;

/// A part of the archive.
pub(super) enum Piece {
    /// Another file begins.
    File(&'static str),
    /// Lines of the file that began last.
    Lines(Vec<u8>),
    /// All was sent.
    End,
}

/// Why an export broke off.
#[derive(Debug, thiserror::Error)]
pub(super) enum Broken {
    /// The store failed, or the actor's seat is another one by now.
    #[error("an export could not be read")]
    Act(#[from] ActError),
    /// The team could not be read.
    #[error("an export could not be read")]
    Team(#[from] TeamError),
    /// The store failed.
    #[error("an export could not be read")]
    Store(#[from] StoreError),
    /// Nobody downloads any more.
    #[error("nobody downloads any more")]
    Gone,
    /// It is downloaded too slowly.
    #[error("an export took too long")]
    Late,
}

type Pieces = mpsc::Sender<Result<Piece, Broken>>;

/// Sends all files the actor may take out, and the end.
pub(super) async fn send(engine: &Engine, accounts: &Accounts, ctx: &Ctx, pieces: Pieces) {
    let sent = tokio::time::timeout(LONGEST, send_all(engine, accounts, ctx, &pieces)).await;
    if let Err(broken) = sent.unwrap_or(Err(Broken::Late)) {
        let _gone = pieces.try_send(Err(broken));
    }
}

/// Begins the transaction of a page; the seat that the export began with must be there still.
async fn page_tx(engine: &Engine, ctx: &Ctx) -> Result<TenantTx, Broken> {
    let mut tx = engine.store.listing_tx(ctx.merchant).await?;
    teams::keeps_seat(&mut tx, ctx).await?;
    Ok(tx)
}

async fn send_all(engine: &Engine, accounts: &Accounts, ctx: &Ctx, pieces: &Pieces) -> Result<(), Broken> {
    let shops = list_shops(engine, ctx).await?;
    send_shops(&shops, pieces).await?;
    send_skus(engine, ctx, &shops, pieces).await?;
    send_pools(engine, ctx, pieces).await?;
    send_orders(engine, ctx, &shops, pieces).await?;
    send_deliveries(engine, ctx, &shops, pieces).await?;
    if ctx.may(Permission::ShowRedemptions) {
        send_redemptions(engine, ctx, &shops, pieces).await?;
    }
    if ctx.may(Permission::ShowTeam) {
        send_members((engine, accounts), ctx, pieces).await?;
    }
    if ctx.may(Permission::ShowAudit) {
        begin(pieces, "audit.csv", list_audit::COLUMNS).await?;
        let names = list_audit::names(engine, ctx).await?;
        let mut before_seq = None;
        loop {
            page_tx(engine, ctx).await?.commit().await?;
            let page = AuditPage { before_seq, ..AuditPage::default() };
            let acts = list_audit::list_audit(engine, ctx, &page).await?;
            let Some(last) = acts.last() else { break };
            before_seq = Some(last.seq);
            lines(pieces, acts.iter().map(|act| list_audit::cells(act, &names)).collect()).await?;
        }
    }
    pieces.send(Ok(Piece::End)).await.map_err(|_gone| Broken::Gone)
}

async fn begin(pieces: &Pieces, name: &'static str, columns: &[&str]) -> Result<(), Broken> {
    pieces.send(Ok(Piece::File(name))).await.map_err(|_gone| Broken::Gone)?;
    pieces.send(Ok(Piece::Lines(csv_lines::head(columns)))).await.map_err(|_gone| Broken::Gone)
}

async fn lines(pieces: &Pieces, rows: Vec<Vec<String>>) -> Result<(), Broken> {
    pieces.send(Ok(Piece::Lines(csv_lines::lines(rows)))).await.map_err(|_gone| Broken::Gone)
}

async fn send_shops(shops: &[ShopSummary], pieces: &Pieces) -> Result<(), Broken> {
    begin(pieces, "shops.csv", &["shop", "name", "mall", "platform", "state", "connected_at"]).await?;
    let row = |shop: &ShopSummary| {
        vec![
            shop.shop.to_string(),
            shop.name.clone(),
            shop.mall.to_string(),
            shop.gateway.to_string(),
            shop.state.to_string(),
            format_platform_time(shop.connected_at),
        ]
    };
    lines(pieces, shops.iter().map(row).collect()).await
}

async fn send_skus(engine: &Engine, ctx: &Ctx, shops: &[ShopSummary], pieces: &Pieces) -> Result<(), Broken> {
    let columns = ["shop", "sku", "goods_id", "platform_sku_id", "outer_id", "goods", "spec", "on_sale", "handling"];
    begin(pieces, "skus.csv", &columns).await?;
    for shop in shops {
        let mut after = None;
        loop {
            let mut tx = page_tx(engine, ctx).await?;
            let page = products::list_skus(&mut tx, shop.shop, after, PAGE).await?;
            tx.commit().await?;
            let Some(last) = page.last() else { break };
            after = Some(last.id);
            let row = |sku: products::SkuRow| {
                vec![
                    shop.shop.to_string(),
                    sku.id.to_string(),
                    sku.goods_id.to_string(),
                    sku.platform_sku_id.to_string(),
                    sku.outer_id,
                    sku.goods_name,
                    sku.spec,
                    sku.on_sale.to_string(),
                    sku.delivery_method.unwrap_or_default(),
                ]
            };
            lines(pieces, page.into_iter().map(row).collect()).await?;
        }
    }
    Ok(())
}

async fn send_pools(engine: &Engine, ctx: &Ctx, pieces: &Pieces) -> Result<(), Broken> {
    let columns = ["pool", "name", "available", "expired", "reserved", "at_platform", "sent", "quarantined", "void"];
    begin(pieces, "pools.csv", &columns).await?;
    page_tx(engine, ctx).await?.commit().await?;
    let rows = list_pools(engine, ctx).await?.into_iter().map(|pool| {
        // Of a pool that other shops share nothing but what is in stock.
        let stock = pool.stock;
        let counts = match pool.is_whole {
            false => vec![stock.available, stock.expired],
            true => vec![
                stock.available,
                stock.expired,
                stock.reserved,
                stock.at_platform,
                stock.sent,
                stock.quarantined,
                stock.void,
            ],
        };
        let mut row = vec![pool.pool.to_string(), pool.name];
        row.extend(counts.iter().map(ToString::to_string));
        row
    });
    lines(pieces, rows.collect()).await
}

async fn send_orders(engine: &Engine, ctx: &Ctx, shops: &[ShopSummary], pieces: &Pieces) -> Result<(), Broken> {
    let columns = [
        "shop",
        "order_sn",
        "state",
        "verdict",
        "goods",
        "spec",
        "quantity",
        "pay_amount_fen",
        "refund_status",
        "paid_at",
        "last_ship_at",
        "delivered_at",
        "received_at",
        "redeemed_at",
        "seen_at",
    ];
    begin(pieces, "orders.csv", &columns).await?;
    for shop in shops {
        let mut after = Place::start();
        loop {
            let mut tx = page_tx(engine, ctx).await?;
            let page = exports::list_orders(&mut tx, shop.shop, after, PAGE).await?;
            tx.commit().await?;
            let Some(last) = page.last() else { break };
            after = last.place();
            lines(pieces, page.into_iter().map(|order| of_shop(shop, order.cells)).collect()).await?;
        }
    }
    Ok(())
}

async fn send_deliveries(engine: &Engine, ctx: &Ctx, shops: &[ShopSummary], pieces: &Pieces) -> Result<(), Broken> {
    let columns =
        ["shop", "order_sn", "state", "method", "pool", "cards", "last_ship_at", "planned_at", "delivered_at"];
    begin(pieces, "deliveries.csv", &columns).await?;
    for shop in shops {
        let mut after = String::new();
        loop {
            let mut tx = page_tx(engine, ctx).await?;
            let page = exports::list_deliveries(&mut tx, shop.shop, &after, PAGE).await?;
            tx.commit().await?;
            let Some(last) = page.last() else { break };
            after.clone_from(&last.order_sn);
            lines(pieces, page.into_iter().map(|delivery| of_shop(shop, delivery.cells)).collect()).await?;
        }
    }
    Ok(())
}

async fn send_redemptions(engine: &Engine, ctx: &Ctx, shops: &[ShopSummary], pieces: &Pieces) -> Result<(), Broken> {
    let columns =
        ["shop", "order_sn", "item", "line", "use", "method", "state", "trans_no", "planned_at", "used_at", "done_at"];
    begin(pieces, "redemptions.csv", &columns).await?;
    for shop in shops {
        let mut after = String::new();
        loop {
            let mut tx = page_tx(engine, ctx).await?;
            let page = exports::list_deliveries(&mut tx, shop.shop, &after, DELIVERIES_AT_ONCE).await?;
            let Some(last) = page.last() else { break };
            after.clone_from(&last.order_sn);
            let ids: Vec<_> = page.iter().map(|delivery| delivery.id).collect();
            let rows = exports::list_redemptions(&mut tx, shop.shop, &ids).await?;
            tx.commit().await?;
            lines(pieces, rows.into_iter().map(|cells| of_shop(shop, cells)).collect()).await?;
        }
    }
    Ok(())
}

/// Returns a line that begins with its shop.
fn of_shop(shop: &ShopSummary, cells: Vec<String>) -> Vec<String> {
    let mut row = vec![shop.shop.to_string()];
    row.extend(cells);
    row
}

async fn send_members((engine, accounts): (&Engine, &Accounts), ctx: &Ctx, pieces: &Pieces) -> Result<(), Broken> {
    begin(pieces, "members.csv", &["user", "name", "login", "role", "all_shops", "since"]).await?;
    page_tx(engine, ctx).await?.commit().await?;
    let team = show_team(accounts, ctx).await?;
    let rows = team.members.into_iter().map(|member| {
        vec![
            member.user.to_string(),
            member.name,
            member.login,
            member.role.to_string(),
            (member.shops == ShopScope::All).to_string(),
            format_platform_time(member.created_at),
        ]
    });
    lines(pieces, rows.collect()).await
}
