//! The headers that tell a browser what our pages never do.

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage as _, web};

use super::pages::Nonce;
use super::refusal;
use super::site::Site;

/// What holds for every answer. Scripts, styles, pictures and connections are ours, frames are nobody's.
const FIXED: &[(&str, &str)] = &[
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "same-origin"),
    (
        "permissions-policy",
        "accelerometer=(), browsing-topics=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), \
         magnetometer=(), microphone=(), midi=(), payment=(), usb=(), clipboard-write=(self), \
         publickey-credentials-create=(self), publickey-credentials-get=(self)",
    ),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
];

/// Two years, as browsers ask of sites they list.
const STAY_ON_HTTPS: &str = "max-age=63072000; includeSubDomains";

/// Sets them on every answer.
pub(crate) async fn dress(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let is_secure = request.app_data::<web::Data<Site>>().is_some_and(|site| site.is_secure());
    match next.call(request).await {
        Ok(mut answer) => {
            let nonce = answer.request().extensions().get::<Nonce>().map(|nonce| nonce.0.clone());
            set(answer.headers_mut(), is_secure, nonce.as_deref());
            Ok(answer)
        }
        Err(error) => Err(refusal::with_headers(error, |headers| set(headers, is_secure, None))),
    }
}

fn set(headers: &mut HeaderMap, is_secure: bool, nonce: Option<&str>) {
    for (name, value) in FIXED {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    if is_secure {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static(STAY_ON_HTTPS));
    }
    set_policy(headers, nonce);
}

/// `wasm-unsafe-eval` permits to compile wasm, which comes from `self`; it permits no text to run as a script.
fn set_policy(headers: &mut HeaderMap, nonce: Option<&str>) {
    let nonce = nonce.map(|nonce| format!(" 'nonce-{nonce}'")).unwrap_or_default();
    let policy = format!(
        "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'{nonce}; style-src 'self'; img-src 'self'; \
         connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    );
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
}
