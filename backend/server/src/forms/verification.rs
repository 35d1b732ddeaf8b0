//! `POST /console/verification`: an identity with one or two pictures.
//!
//! Pictures are read into memory, never into files of ours: what is stored is encrypted. Whoever may not submit is
//! refused before a byte of the body is read, and reading ends at the first byte too many.

use std::collections::HashMap;

use actix_multipart::{Field, Multipart};
use actix_web::HttpResponse;
use actix_web::web::{self, ServiceConfig};
use futures_util::StreamExt as _;
use kamiflow_app::context::FormOutcome;
use kamiflow_domain::verification::{
    Subject, SubjectError, SubmitVerification, SubmitVerificationError, submit_verification,
};
use kamiflow_domain::verification_picture::{MOST_BYTES, PictureError};
use kamiflow_kernel::Permission;
use zeroize::Zeroizing;

use super::door::{Desk, Refused};
use super::flash;
use super::upload::contents;

const PAGE: &str = "/console/verification";
const COMPANY: &str = "/console/verification?kind=company";
/// Longest text of a field, bytes.
const LONGEST_TEXT: usize = 1_024;
/// Fields of the form, and some that a browser may add.
const MOST_FIELDS: usize = 10;

/// Adds the route.
pub(super) fn configure(services: &mut ServiceConfig) {
    services.route(PAGE, web::post().to(submit));
}

/// What was sent.
#[derive(Default)]
struct Sent {
    texts: HashMap<String, Zeroizing<String>>,
    pictures: Vec<Vec<u8>>,
}

impl Sent {
    fn text(&self, name: &str) -> &str {
        self.texts.get(name).map_or("", |text| text.as_str())
    }

    fn is_company(&self) -> bool {
        self.text("kind") == "company"
    }
}

/// Submits the identity.
async fn submit(desk: Desk, body: Multipart) -> HttpResponse {
    if let Err(denied) = desk.ctx.require(Permission::Verify).and_then(|()| desk.ctx.require_sudo()) {
        return desk.refuse(PAGE, denied.into(), FormOutcome::default());
    }
    let sent = match read(body).await {
        Ok(sent) => sent,
        Err(refused) => return desk.refuse(PAGE, refused, FormOutcome::default()),
    };
    let page = if sent.is_company() { COMPANY } else { PAGE };
    match take(&desk, sent).await {
        Ok(()) => flash::told(&desk.site, PAGE, "verification.submitted"),
        // What was typed identifies a person: it is not given back through a cookie.
        Err(refused) => desk.refuse(page, refused, FormOutcome::default()),
    }
}

async fn take(desk: &Desk, sent: Sent) -> Result<(), Refused> {
    let subject = if sent.is_company() {
        Subject::company(sent.text("name"), sent.text("number"), sent.text("legal"))
    } else {
        Subject::person(sent.text("name"), sent.text("number"), desk.ctx.now)
    };
    let request = SubmitVerification { subject: subject.map_err(wrong_subject)?, pictures: sent.pictures };
    let done = submit_verification(&desk.product.engine, &desk.ctx, request).await.map_err(refused)?;
    desk.product.waker.wake(desk.ctx.merchant, &done.wakes).await;
    Ok(())
}

/// Reads the fields; a file that was not chosen is sent as an empty one.
async fn read(mut body: Multipart) -> Result<Sent, Refused> {
    let unreadable = || Refused::Field("", "verification.unreadable");
    let mut sent = Sent::default();
    for _ in 0..MOST_FIELDS {
        let Some(field) = body.next().await else { return Ok(sent) };
        let mut field = field.map_err(|_error| unreadable())?;
        match field.name().map(str::to_owned).as_deref() {
            Some(name @ ("picture1" | "picture2")) => {
                let slot = if name == "picture1" { "picture1" } else { "picture2" };
                let file = bytes(&mut field, MOST_BYTES).await?;
                let file = file.ok_or(Refused::Field(slot, "verification.too_large"))?;
                if !file.is_empty() {
                    sent.pictures.push(file);
                }
            }
            Some(name @ ("kind" | "name" | "number" | "legal")) => {
                let text = bytes(&mut field, LONGEST_TEXT).await?.ok_or_else(unreadable)?;
                let text = String::from_utf8(text).map_err(|_bytes| unreadable())?;
                sent.texts.insert(name.to_owned(), Zeroizing::new(text));
            }
            Some(_) | None => {
                bytes(&mut field, LONGEST_TEXT).await?.ok_or_else(unreadable)?;
            }
        }
    }
    Err(unreadable())
}

async fn bytes(field: &mut Field, most: usize) -> Result<Option<Vec<u8>>, Refused> {
    contents(field, most).await.map_err(|_error| Refused::Field("", "verification.unreadable"))
}

fn wrong_subject(error: SubjectError) -> Refused {
    match error {
        SubjectError::Name => Refused::Field("name", "verification.name"),
        SubjectError::LegalRepresentative => Refused::Field("legal", "verification.name"),
        SubjectError::ResidentId(_) => Refused::Field("number", "verification.resident_id"),
        SubjectError::CreditCode(_) => Refused::Field("number", "verification.credit_code"),
    }
}

fn refused(error: SubmitVerificationError) -> Refused {
    match error {
        SubmitVerificationError::Denied(denied) => denied.into(),
        SubmitVerificationError::PictureCount(_) => Refused::Field("picture1", "verification.pictures"),
        SubmitVerificationError::Picture { position, reason } => {
            let field = if position == 1 { "picture1" } else { "picture2" };
            Refused::Field(field, picture_code(reason))
        }
        SubmitVerificationError::UnderReview => Refused::Field("", "verification.under_review"),
        SubmitVerificationError::AlreadyApproved => Refused::Field("", "verification.approved"),
        SubmitVerificationError::Store(error) => error.into(),
    }
}

const fn picture_code(reason: PictureError) -> &'static str {
    match reason {
        PictureError::TooLarge => "verification.too_large",
        PictureError::OtherFormat => "verification.format",
        PictureError::TooManyPixels => "verification.pixels",
        PictureError::TooSmall => "verification.too_small",
        PictureError::Damaged => "verification.damaged",
    }
}
