//! Fields of forms: label above, hint below, and an error in the hint's place that says what to do. A form that was refused
//! opens at the first field that is wrong, wherever on its page that is.

use leptos::prelude::*;

use super::icon::{Icon, href};
use super::{Banner, Tone};
use crate::islands::RevealSwitch;
use crate::{context, t};

/// A line of text.
#[component]
pub(crate) fn Field(
    /// The field's name in the form, and its id.
    name: &'static str,
    #[prop(into)] label: String,
    #[prop(optional, into)] hint: Option<String>,
    #[prop(default = "text")] kind: &'static str,
    #[prop(optional)] autocomplete: Option<&'static str>,
    #[prop(default = 200)] max_length: u16,
    #[prop(optional)] optional: bool,
) -> AnyView {
    let outcome = context::page().outcome.clone().unwrap_or_default();
    let error = outcome.error(name).map(t_error);
    let value = outcome.value(name).unwrap_or_default().to_owned();
    let invalid = error.is_some();
    view! {
        <div class="field" class:err=invalid>
            <label for=name>{label}</label>
            <input
                id=name
                name=name
                class="input"
                type=kind
                value=value
                autocomplete=autocomplete
                maxlength=max_length
                required=!optional
                aria-invalid=invalid.then_some("true")
                aria-describedby=format!("{name}-note")
                autofocus=invalid
            />
            <FieldNote name=name error=error hint=hint/>
        </div>
    }
    .into_any()
}

/// A password, with a switch that shows it where scripts run. It is never filled in again.
#[component]
pub(crate) fn PasswordField(
    name: &'static str,
    #[prop(into)] label: String,
    #[prop(optional, into)] hint: Option<String>,
    /// `current-password` or `new-password`.
    autocomplete: &'static str,
    /// Where somebody who forgot it goes.
    #[prop(optional)]
    forgotten: Option<&'static str>,
    #[prop(optional)] min_length: Option<u16>,
) -> AnyView {
    let outcome = context::page().outcome.clone().unwrap_or_default();
    let error = outcome.error(name).map(t_error);
    let invalid = error.is_some();
    view! {
        <div class="field" class:err=invalid>
            <div class="flex justify-between gap-3">
                <label class="lab" for=name>{label}</label>
                {forgotten.map(|href| view! { <a class="lnk text-xs" href=href>{t::accounts::forgotten()}</a> })}
            </div>
            <div class="relative">
                <input
                    id=name
                    name=name
                    class="input pr-11"
                    type="password"
                    autocomplete=autocomplete
                    minlength=min_length
                    maxlength="200"
                    required=true
                    aria-invalid=invalid.then_some("true")
                    aria-describedby=format!("{name}-note")
                    autofocus=invalid
                />
                <RevealSwitch field=name.to_owned() label=t::accounts::show_password().to_owned() icon=href("eye")/>
            </div>
            <FieldNote name=name error=error hint=hint/>
        </div>
    }
    .into_any()
}

/// Another password, with what is asked of one.
#[component]
pub(crate) fn NewPasswordField() -> AnyView {
    view! {
        <PasswordField
            name="password"
            label=t::accounts::new_password()
            hint=t::accounts::password_hint()
            autocomplete="new-password"
            min_length=10
        />
    }
    .into_any()
}

#[component]
fn FieldNote(name: &'static str, error: Option<String>, hint: Option<String>) -> AnyView {
    let id = format!("{name}-note");
    match (error, hint) {
        (Some(error), _) => {
            view! { <span class="errtext" id=id><Icon name="circle-alert" size="s"/>{error}</span> }.into_any()
        }
        (None, Some(hint)) => view! { <span class="hint" id=id>{hint}</span> }.into_any(),
        (None, None) => view! { <span class="sr-only" id=id></span> }.into_any(),
    }
}

/// Carries along where the visitor wanted to go: typed before, or from the address.
#[component]
pub(crate) fn NextPage() -> AnyView {
    let page = context::page();
    let typed = page.outcome.as_ref().and_then(|outcome| outcome.value("next"));
    let next = typed.or_else(|| page.query.get("next").map(String::as_str)).unwrap_or_default().to_owned();
    view! { <input type="hidden" name="next" value=next/> }.into_any()
}

/// Carries along a link's token, which only its own page knows.
#[component]
pub(crate) fn LinkToken() -> AnyView {
    let token = context::page().query.get("token").cloned().unwrap_or_default();
    view! { <input type="hidden" name="token" value=token/> }.into_any()
}

/// What is wrong with the form as a whole, first thing in it.
#[component]
pub(crate) fn FormError() -> AnyView {
    let error = context::page().outcome.as_ref().and_then(|outcome| outcome.error("").map(t_error));
    error.map(|error| view! { <Banner tone=Tone::Exception icon="circle-alert">{error}</Banner> }).into_any()
}

/// Returns the words of an error code; a code that is not known here still says that something is wrong.
pub(crate) fn t_error(code: &str) -> String {
    let known = match code {
        "required" => t::errors::required(),
        "email.invalid" => t::errors::email_invalid(),
        "password.too_short" => t::errors::password_too_short(),
        "password.too_long" => t::errors::password_too_long(),
        "password.too_common" => t::errors::password_too_common(),
        "merchant.enough" => t::errors::merchant_enough(),
        "merchant.invalid" => t::errors::merchant_invalid(),
        "log_in.refused" => t::errors::log_in_refused(),
        "log_in.too_late" => t::errors::log_in_too_late(),
        "link.refused" => t::errors::link_refused(),
        "code.refused" => t::errors::code_refused(),
        "password.wrong" => t::errors::password_wrong(),
        "password.same" => t::errors::password_same(),
        "sandbox.none" => t::errors::sandbox_none(),
        "sandbox.too_many" => t::errors::sandbox_too_many(),
        "sandbox.nothing_on_sale" => t::errors::sandbox_nothing_on_sale(),
        "team.not_governed" => t::errors::team_not_governed(),
        "team.oneself" => t::errors::team_oneself(),
        "team.limited" => t::errors::team_limited(),
        "team.shops" => t::errors::team_shops(),
        "team.needs_address" => t::errors::team_needs_address(),
        "team.no_shop" => t::errors::team_no_shop(),
        "team.scope" => t::errors::team_scope(),
        "team.only_owner" => t::errors::team_only_owner(),
        "team.taken" => t::errors::team_taken(),
        "team.name" => t::errors::team_name(),
        "team.not_ours" => t::errors::team_not_ours(),
        "join.other_address" => t::errors::join_other_address(),
        "join.member" => t::errors::join_member(),
        "email.none" => t::errors::email_none(),
        "recovery.number" => t::errors::recovery_number(),
        "account.not_confirmed" => t::errors::account_not_confirmed(),
        "account.orphans" => t::errors::account_orphans(),
        "account.sub" => t::errors::account_sub(),
        "passkey.enough" => t::errors::passkey_enough(),
        "passkey.name" => t::errors::passkey_name(),
        "passkey.none" => t::errors::passkey_none(),
        "passkey.not_here" => t::errors::passkey_not_here(),
        "passkey.refused" => t::errors::passkey_refused(),
        "passkey.taken" => t::errors::passkey_taken(),
        "limited" => t::errors::limited(),
        "unavailable" => t::errors::unavailable(),
        _ => t_work_error(code),
    };
    known.to_owned()
}

/// Words of what is refused about shops, orders, stock and reviews.
fn t_work_error(code: &str) -> &'static str {
    match code {
        "keys.address_refused" => t::errors::keys_address_refused(),
        "keys.client_unknown" => t::errors::keys_client_unknown(),
        "keys.market" => t::errors::keys_market(),
        "keys.secret_wrong" => t::errors::keys_secret_wrong(),
        "keys.shape" => t::errors::keys_shape(),
        "keys.taken" => t::errors::keys_taken(),
        "links.expired" => t::errors::links_expired(),
        "links.invalid" => t::errors::links_invalid(),
        "links.other_browser" => t::errors::links_other_browser(),
        "links.used" => t::errors::links_used(),
        "shops.before_restore" => t::errors::shops_before_restore(),
        "shops.closing" => t::errors::shops_closing(),
        "shops.hours" => t::errors::shops_hours(),
        "shops.not_reconciled" => t::errors::shops_not_reconciled(),
        "shops.not_releasable" => t::errors::shops_not_releasable(),
        "shops.not_verified" => t::errors::shops_not_verified(),
        "shops.reason_too_long" => t::errors::shops_reason_too_long(),
        "shops.stopped" => t::errors::shops_stopped(),
        "shops.work" => t::errors::shops_work(),
        "verification.approved" => t::errors::verification_approved(),
        "verification.credit_code" => t::errors::verification_credit_code(),
        "verification.damaged" => t::errors::verification_damaged(),
        "verification.format" => t::errors::verification_format(),
        "verification.name" => t::errors::verification_name(),
        "verification.pictures" => t::errors::verification_pictures(),
        "verification.pixels" => t::errors::verification_pixels(),
        "verification.resident_id" => t::errors::verification_resident_id(),
        "verification.too_large" => t::errors::verification_too_large(),
        "verification.too_small" => t::errors::verification_too_small(),
        "verification.under_review" => t::errors::verification_under_review(),
        "verification.unreadable" => t::errors::verification_unreadable(),
        "order.not_safe" => t::errors::order_not_safe(),
        "order.moved_on" => t::errors::order_moved_on(),
        "order.nothing_sent" => t::errors::order_nothing_sent(),
        "order.quota_used" => t::errors::order_quota_used(),
        "pools.name" => t::errors::pool_name(),
        "cards.empty" => t::errors::cards_empty(),
        "cards.too_large" => t::errors::cards_too_large(),
        "cards.unreadable_file" => t::errors::cards_unreadable_file(),
        "cards.unreadable" => t::errors::cards_unreadable(),
        "api.name" => t::errors::api_name(),
        "api.scopes" => t::errors::api_scopes(),
        "api.shops" => t::errors::api_shops(),
        "api.life" => t::errors::api_life(),
        "api.too_many" => t::errors::api_too_many(),
        "skus.refused" => t::errors::sku_refused(),
        "skus.pool_of_other_mode" => t::errors::sku_pool_of_other_mode(),
        "products.unread" => t::errors::products_unread(),
        "staff.claimed_by_another" => t::errors::staff_claimed_by_another(),
        "staff.knows_identity" => t::errors::staff_knows_identity(),
        "staff.not_claimed" => t::errors::staff_not_claimed(),
        "staff.decided_already" => t::errors::staff_decided_already(),
        "staff.reason" => t::errors::staff_reason(),
        _ => t::errors::unknown(),
    }
}
