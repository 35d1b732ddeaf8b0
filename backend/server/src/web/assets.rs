//! Built files: their names hold a hash, so a browser that has one never asks again.

use actix_web::http::header::{self, AcceptEncoding, Encoding, Header as _};
use actix_web::{HttpRequest, HttpResponse, web};

use super::refusal::refuse;
use super::site::Site;

pub(super) async fn asset(request: HttpRequest, name: web::Path<String>, site: web::Data<Site>) -> HttpResponse {
    let Some(file) = site.files.get(name.as_str()) else {
        return refuse(&request, actix_web::http::StatusCode::NOT_FOUND, "route.unknown");
    };
    // Browsers list what they take without a preference; ours is the smallest.
    let accepted = AcceptEncoding::parse(&request).ok();
    let takes = |encoding: &Encoding| {
        accepted.as_ref().and_then(|accepted| accepted.negotiate(std::iter::once(encoding))).as_ref() == Some(encoding)
    };
    let (encoding, body) = if takes(&Encoding::brotli()) {
        ("br", &file.brotli)
    } else if takes(&Encoding::gzip()) {
        ("gzip", &file.gzip)
    } else {
        ("identity", &file.plain)
    };
    HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, file.content_type))
        .insert_header((header::CONTENT_ENCODING, encoding))
        .insert_header((header::CACHE_CONTROL, "public, max-age=31536000, immutable"))
        .insert_header((header::VARY, "Accept-Encoding"))
        .body(body.clone())
}
