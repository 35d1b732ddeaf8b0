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

use super::door::{Desk, Refused};
use crate::console::audit_page;

const EXPORT: &str = "/console/export";
const AUDIT: &str = "/console/audit";
/// Files of one merchant at once: each reads all there is.
const AT_ONCE: u32 = 5;

/// Adds the routes.
pub(super) fn configure(services: &mut ServiceConfig) {
    services.route(EXPORT, web::post().to(everything)).route("/console/audit/csv", web::post().to(audit));
}

/// Hands out all that the member sees.
async fn everything(desk: Desk) -> HttpResponse {
    let begun = async {
        pass(&desk, Permission::Export).await?;
        export(&desk.product.engine, &desk.product.accounts, &desk.ctx).await.map_err(Refused::from)
    };
    match begun.await {
        Ok(download) => file(&desk, ("kamiflow", "zip", "application/zip"), download),
        Err(refused) => desk.refuse(EXPORT, refused, FormOutcome::default()),
    }
}

/// Hands out the acts that the page's choices find.
async fn audit(desk: Desk, form: web::Form<Vec<(String, String)>>) -> HttpResponse {
    let value = |name: &str| form.iter().find(|(of, _)| of == name).map(|(_, value)| value.as_str());
    let page = audit_page(value);
    let begun = async {
        pass(&desk, Permission::ShowAudit).await?;
        export_audit(&desk.product.engine, &desk.ctx, &page).await.map_err(Refused::from)
    };
    match begun.await {
        Ok(download) => file(&desk, ("audit", "csv", "text/csv; charset=utf-8"), download),
        Err(refused) => desk.refuse(AUDIT, refused, FormOutcome::default()),
    }
}

async fn pass(desk: &Desk, permission: Permission) -> Result<(), Refused> {
    // Who may not is not counted.
    desk.ctx.require(permission)?;
    desk.ctx.require_sudo()?;
    match desk.product.accounts.throttle.pass(&of_merchant("export", desk.ctx.merchant, AT_ONCE)).await {
        Ok(Passage::Open) => Ok(()),
        Ok(Passage::Wait(_)) => Err(Refused::Field("", "limited")),
        Err(down) => Err(Refused::Failed(Box::new(down))),
    }
}

/// Answers with a file that no browser keeps for itself and none shows as a page.
fn file(desk: &Desk, (name, ending, kind): (&str, &str, &'static str), mut download: Download) -> HttpResponse {
    let day: String = format_platform_time(desk.ctx.now).chars().take(10).collect();
    let blocks = poll_fn(move |task| download.poll_recv(task)).map(|block| block.map(Bytes::from).map_err(Error::from));
    HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, kind))
        .insert_header((header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}-{day}.{ending}\"")))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .streaming(blocks)
}
