//! `POST /console/export` and `POST /console/audit/csv`: files that are made while they are downloaded.

use actix_web::http::header;
use actix_web::web::{self, Bytes, ServiceConfig};
use actix_web::{Error, HttpResponse};
use futures_util::StreamExt as _;
use futures_util::stream::poll_fn;
use kamiflow_app::context::FormOutcome;
use kamiflow_domain::accounts::throttle::{Passage, of_merchant};
use kamiflow_domain::export::{Download, export};
use kamiflow_domain::list_audit::export_audit;
use kamiflow_kernel::{Permission, format_platform_time};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::door::{Desk, Refused};
use crate::console::audit_page;

const EXPORT: &str = "/console/export";
const AUDIT: &str = "/console/audit";
/// Files of one merchant in short order: each reads all there is.
const IN_A_ROW: u32 = 5;
/// Files that this process makes at once, whoever asks: each holds a thread and a connection for as long as it is downloaded.
const AT_ONCE: usize = 4;
/// When somebody who came too many may try again, seconds.
const AGAIN_AFTER: u64 = 30;
static TURNS: Semaphore = Semaphore::const_new(AT_ONCE);

/// A file's turn; it ends with the download.
type Turn = SemaphorePermit<'static>;

/// Adds the routes.
pub(super) fn configure(services: &mut ServiceConfig) {
    services.route(EXPORT, web::post().to(everything)).route("/console/audit/csv", web::post().to(audit));
}

/// Hands out all that the member sees.
async fn everything(desk: Desk) -> HttpResponse {
    let begun = async {
        let turn = pass(&desk, Permission::Export).await?;
        let download = export(&desk.product.engine, &desk.product.accounts, &desk.ctx).await?;
        Ok::<_, Refused>((download, turn))
    };
    match begun.await {
        Ok(begun) => file(&desk, ("kamiflow", "zip", "application/zip"), begun),
        Err(refused) => desk.refuse(EXPORT, refused, FormOutcome::default()),
    }
}

/// Hands out the acts that the page's choices find.
async fn audit(desk: Desk, form: web::Form<Vec<(String, String)>>) -> HttpResponse {
    let value = |name: &str| form.iter().find(|(of, _)| of == name).map(|(_, value)| value.as_str());
    let page = audit_page(value);
    let begun = async {
        let turn = pass(&desk, Permission::ShowAudit).await?;
        let download = export_audit(&desk.product.engine, &desk.ctx, &page).await?;
        Ok::<_, Refused>((download, turn))
    };
    match begun.await {
        Ok(begun) => file(&desk, ("audit", "csv", "text/csv; charset=utf-8"), begun),
        Err(refused) => desk.refuse(AUDIT, refused, FormOutcome::default()),
    }
}

async fn pass(desk: &Desk, permission: Permission) -> Result<Turn, Refused> {
    // Who may not is not counted, and who came too many is not slowed down for it.
    desk.ctx.require(permission)?;
    desk.ctx.require_sudo()?;
    let turn = TURNS.try_acquire().map_err(|_none_left| Refused::Busy(AGAIN_AFTER))?;
    match desk.product.accounts.throttle.pass(&of_merchant("export", desk.ctx.merchant, IN_A_ROW)).await {
        Ok(Passage::Open) => Ok(turn),
        Ok(Passage::Wait(_)) => Err(Refused::Field("", "limited")),
        Err(down) => Err(Refused::Failed(Box::new(down))),
    }
}

/// Answers with a file that no browser keeps for itself and none shows as a page.
fn file(desk: &Desk, (name, ending, kind): (&str, &str, &'static str), begun: (Download, Turn)) -> HttpResponse {
    let day: String = format_platform_time(desk.ctx.now).chars().take(10).collect();
    let (mut download, turn) = begun;
    let blocks = poll_fn(move |task| {
        let _kept = &turn;
        download.poll_recv(task)
    });
    let blocks = blocks.map(|block| block.map(Bytes::from).map_err(Error::from));
    HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, kind))
        .insert_header((header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}-{day}.{ending}\"")))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .streaming(blocks)
}
