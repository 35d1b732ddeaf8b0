//! Cards that come into a pool: pasted, or as a file.
//!
//! Cards are secrets: they are read into memory, never into files of ours, and never given back. What is told of a line
//! that was refused is its number and why.

use std::io::Cursor;

use actix_multipart::Multipart;
use actix_web::HttpResponse;
use actix_web::web::{self, FormConfig, ServiceConfig};
use futures_util::StreamExt as _;
use kamiflow_app::context::FormOutcome;
use kamiflow_app::routes::AnswerPage;
use kamiflow_app::views::stock::ImportResult;
use kamiflow_domain::import_cards::{
    FileChoices, ImportCards, ImportCardsError, ImportMode, ImportedCards, import_cards,
};
use kamiflow_kernel::{Permission, PoolId};
use serde::Deserialize;

use crate::forms::door::{Desk, Refused};
use crate::forms::flash;
use crate::forms::upload::contents;

/// What may be pasted at once: some fifty thousand cards.
const PASTED: usize = 4 * 1024 * 1024;
/// The name pasted cards have as a file.
const PASTED_NAME: &str = "pasted.txt";
/// Largest file.
const LARGEST: usize = 16 * 1024 * 1024;
/// Longest text of a field, bytes.
const LONGEST_TEXT: usize = 1_024;
/// Fields of the form, and some that a browser may add.
const MOST_FIELDS: usize = 6;
/// Longest name of a file that is kept, characters.
const LONGEST_NAME: usize = 120;
/// Refused lines that a page names.
const MOST_LINES: usize = 200;

/// Adds the routes.
pub(super) fn configure(services: &mut ServiceConfig) {
    services
        .service(
            web::resource("/console/pools/{pool}/import")
                .app_data(FormConfig::default().limit(PASTED))
                .route(web::post().to(paste)),
        )
        .route("/console/pools/{pool}/file", web::post().to(upload));
}

/// What the form of pasted cards sends. The cards are not given back: they are secrets.
#[derive(Deserialize)]
struct PasteForm {
    cards: String,
    skip_bad: Option<String>,
}

/// A file, wherever it comes from.
struct Sent {
    name: String,
    file: Vec<u8>,
    skip_bad: bool,
}

async fn paste(desk: Desk, pool: web::Path<PoolId>, form: web::Form<PasteForm>) -> HttpResponse {
    let form = form.into_inner();
    let skip_bad = form.skip_bad.is_some();
    take(desk, *pool, Sent { name: PASTED_NAME.to_owned(), file: form.cards.into_bytes(), skip_bad }).await
}

async fn upload(desk: Desk, pool: web::Path<PoolId>, body: Multipart) -> HttpResponse {
    let page = page_of(*pool);
    // Who may not is refused before a byte of the body is read.
    if let Err(denied) = desk.ctx.require(Permission::ManageCards) {
        return desk.refuse(&page, denied.into(), FormOutcome::default());
    }
    match read(body).await {
        Ok(sent) => take(desk, *pool, sent).await,
        Err(refused) => desk.refuse(&page, refused, FormOutcome::default()),
    }
}

/// Reads the fields.
async fn read(mut body: Multipart) -> Result<Sent, Refused> {
    let unreadable = || Refused::Field("", "cards.unreadable_file");
    let mut sent = Sent { name: String::new(), file: Vec::new(), skip_bad: false };
    for _ in 0..MOST_FIELDS {
        let Some(field) = body.next().await else { return Ok(sent) };
        let mut field = field.map_err(|_error| unreadable())?;
        if field.name() == Some("file") {
            let name = field.content_disposition().and_then(|place| place.get_filename()).unwrap_or_default();
            sent.name = name.chars().filter(|c| !c.is_control()).take(LONGEST_NAME).collect();
            let file = contents(&mut field, LARGEST).await.map_err(|_error| unreadable())?;
            sent.file = file.ok_or(Refused::Field("file", "cards.too_large"))?;
        } else {
            sent.skip_bad |= field.name() == Some("skip_bad");
            contents(&mut field, LONGEST_TEXT).await.map_err(|_error| unreadable())?.ok_or_else(unreadable)?;
        }
    }
    Err(unreadable())
}

async fn take(desk: Desk, pool: PoolId, sent: Sent) -> HttpResponse {
    let page = page_of(pool);
    let request = ImportCards {
        pool,
        // The same file sent twice is one import.
        caller_id: "console".to_owned(),
        file_name: sent.name,
        file: Cursor::new(sent.file),
        choices: FileChoices::default(),
        uses_permitted: 1,
        mode: if sent.skip_bad { ImportMode::SkipBad } else { ImportMode::AllOrNothing },
    };
    match import_cards(&desk.product.engine, &desk.ctx, request).await {
        Ok(done) => {
            desk.product.waker.wake(desk.ctx.merchant, &done.wakes).await;
            tell(&desk, pool, done).await
        }
        Err(error) => {
            let refused = match error {
                ImportCardsError::Empty => Refused::Field("", "cards.empty"),
                ImportCardsError::File(_) => Refused::Field("", "cards.unreadable"),
                ImportCardsError::PoolUnknown => Refused::NotFound,
                ImportCardsError::Denied(denied) => denied.into(),
                other => Refused::Failed(Box::new(other)),
            };
            desk.refuse(&page, refused, FormOutcome::default())
        }
    }
}

/// Tells what was taken; where lines were refused, which and why.
async fn tell(desk: &Desk, pool: PoolId, done: ImportedCards) -> HttpResponse {
    if done.rejected == 0 {
        return flash::told(&desk.site, &page_of(pool), "cards.taken");
    }
    let lines = done.report.iter().flat_map(|report| report.rejected()).take(MOST_LINES).cloned().collect();
    let result = ImportResult { pool, taken: done.accepted, rejected: done.rejected, lines };
    desk.show(AnswerPage::ImportResult, |_shops| Some(result)).await
}

fn page_of(pool: PoolId) -> String {
    format!("/console/pools/{pool}")
}
