//! `POST /preferences`: language and colors.

use actix_web::cookie::time::Duration;
use actix_web::cookie::{Cookie, SameSite};
use actix_web::{HttpResponse, web};
use kamiflow_app::context::FormOutcome;
use kamiflow_domain::accounts::switch_merchant::save_settings;
use kamiflow_kernel::{Locale, Theme};
use kamiflow_store::accounts::users::Settings;
use serde::Deserialize;

use super::door::Door;
use super::flash;
use crate::web::Site;

/// The cookie of the language. Neither is a secret, and the second is written by an island too.
pub(crate) const LANGUAGE: &str = "kamiflow_language";
/// The cookie of the colors.
pub(crate) const THEME: &str = "kamiflow_theme";

/// What the switches of every page send.
#[derive(Deserialize)]
pub(crate) struct Preferences {
    pub(crate) language: Option<String>,
    theme: Option<String>,
    pub(crate) return_to: Option<String>,
}

/// Keeps a choice and goes back to the page it was made on. Whoever is logged in finds the language again elsewhere.
pub(crate) async fn change(door: Door, form: web::Form<Preferences>) -> HttpResponse {
    let page = local_path(form.return_to.as_deref());
    let (locale, theme) = (
        form.language.as_deref().and_then(Locale::from_tag),
        form.theme.as_deref().and_then(|theme| theme.parse::<Theme>().ok()),
    );
    if let (Some(account), true) = (&door.visitor.account, locale.is_some() || theme.is_some()) {
        let settings = Settings {
            name: &account.name,
            locale: locale.unwrap_or(account.locale),
            theme: theme.unwrap_or(account.theme),
        };
        if let Err(error) = save_settings(&door.product.accounts, account, &settings).await {
            return door.refuse(page, error.into(), FormOutcome::default());
        }
    }
    let mut answer = flash::done(page);
    if let Some(locale) = locale {
        let _kept = answer.add_cookie(&kept(&door.site, LANGUAGE, locale.tag()));
    }
    if let Some(theme) = theme {
        let _kept = answer.add_cookie(&kept(&door.site, THEME, theme.as_str()));
    }
    answer
}

/// Returns the cookie that keeps a choice for a year.
pub(crate) fn kept(site: &Site, name: &'static str, value: &'static str) -> Cookie<'static> {
    Cookie::build(name, value)
        .path("/")
        .secure(site.is_secure())
        .same_site(SameSite::Lax)
        .max_age(Duration::days(365))
        .finish()
}

/// Returns a path of this site, or the start page: nobody is sent elsewhere by what a request says.
pub(crate) fn local_path(wanted: Option<&str>) -> &str {
    let is_local = |path: &&str| {
        path.starts_with('/')
            && path.len() <= 512
            && !path.starts_with("//")
            && path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/-_.~%?=&".contains(&byte))
    };
    wanted.filter(is_local).unwrap_or("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_of_this_site_are_gone_back_to() {
        for fine in ["/", "/pricing", "/console/orders/ord_1", "/a.b~c/%20"] {
            assert_eq!(local_path(Some(fine)), fine);
        }
        for foreign in [
            "https://evil.example",
            "//evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "/\t/evil.example",
            "javascript:alert(1)",
            "evil",
            "/a\r\nSet-Cookie: x=y",
            "/?next=https://evil.example",
            "",
        ] {
            assert_eq!(local_path(Some(foreign)), "/", "{foreign:?}");
        }
        assert_eq!(local_path(None), "/");
    }
}
