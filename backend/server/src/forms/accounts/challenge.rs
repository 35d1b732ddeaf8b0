//! The cookie that proves the first step of a log-in, while the second one is made.

use actix_web::cookie::time::Duration;
use actix_web::cookie::{Cookie, SameSite};
use kamiflow_kernel::SecretText;

use crate::forms::door::Door;
use crate::web::Site;

/// As long as the challenge itself.
const MINUTES: i64 = 10;

/// A cookie by its name.
pub(in crate::forms) struct Challenge(pub(in crate::forms) &'static str);

impl Challenge {
    /// Returns the cookie.
    pub(in crate::forms) fn cookie(&self, site: &Site, challenge: &SecretText) -> Cookie<'static> {
        Cookie::build(site.cookie_name(self.0), challenge.expose().to_owned())
            .path("/")
            .http_only(true)
            .secure(site.is_secure())
            .same_site(SameSite::Strict)
            .max_age(Duration::minutes(MINUTES))
            .finish()
    }

    /// Returns the cookie to remove.
    pub(in crate::forms) fn removal(&self, site: &Site) -> Cookie<'static> {
        let mut cookie = self.cookie(site, &SecretText::from(""));
        cookie.make_removal();
        cookie
    }

    /// Returns what the browser presents.
    pub(in crate::forms) fn of(&self, door: &Door) -> Option<SecretText> {
        let cookie = door.request.cookie(&door.site.cookie_name(self.0))?;
        Some(SecretText::from(cookie.value()))
    }
}
