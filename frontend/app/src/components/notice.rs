//! What was just done, said once.

use leptos::prelude::*;

use super::{Banner, Tone};
use crate::{context, t};

/// Says what the form of this page did, if it did something.
#[component]
pub(crate) fn Notice() -> AnyView {
    let notice = context::page().outcome.as_ref().and_then(|outcome| outcome.notice.as_deref().map(t_notice));
    notice.map(|notice| view! { <Banner tone=Tone::Delivered icon="check">{notice}</Banner> }).into_any()
}

/// Returns the words of a code; a code that is not known here still says that something was done.
fn t_notice(code: &str) -> String {
    let known = match code {
        "accounts.confirmed" => t::notices::confirmed(),
        "accounts.sent_again" => t::notices::sent_again(),
        "accounts.reset_sent" => t::notices::reset_sent(),
        "accounts.password_changed" => t::notices::password_changed(),
        "accounts.email_asked" => t::notices::email_asked(),
        "accounts.recovery_asked" => t::notices::recovery_asked(),
        "accounts.recovery_stopped" => t::notices::recovery_stopped(),
        "accounts.email_half" => t::notices::email_half(),
        "accounts.email_changed" => t::notices::email_changed(),
        "accounts.proven" => t::notices::proven(),
        "accounts.signed_out" => t::notices::signed_out(),
        "accounts.passkey_added" => t::notices::passkey_added(),
        "accounts.deleted" => t::notices::account_deleted(),
        "accounts.factor_removed" => t::notices::factor_removed(),
        "team.invited" => t::notices::invited(),
        "team.revoked" => t::notices::revoked(),
        "team.seat_changed" => t::notices::seat_changed(),
        "team.handed_over" => t::notices::handed_over(),
        "merchant.closing" => t::notices::merchant_closing(),
        "merchant.renamed" => t::notices::merchant_renamed(),
        "merchant.reopened" => t::notices::merchant_reopened(),
        "merchant.opened" => t::notices::merchant_opened(),
        "team.removed" => t::notices::removed(),
        "team.factor_reset" => t::notices::factor_reset(),
        "team.joined" => t::notices::joined(),
        "order.retried" => t::notices::order_retried(),
        "order.released" => t::notices::order_released(),
        "pools.made" => t::notices::pool_made(),
        "cards.taken" => t::notices::cards_taken(),
        "skus.saved" => t::notices::sku_saved(),
        "products.read" => t::notices::products_read(),
        "notifications.saved" => t::notices::address_saved(),
        "api.revoked" => t::notices::api_revoked(),
        "sandbox.made" => t::notices::sandbox_made(),
        "shops.disconnected" => t::notices::shops_disconnected(),
        "shops.keys_proved" => t::notices::shops_keys_proved(),
        "shops.secret_exchanged" => t::notices::shops_secret_exchanged(),
        "shops.outside_resolved" => t::notices::shops_outside_resolved(),
        "shops.live" => t::notices::shops_live(),
        "pauses.set" => t::notices::shops_paused(),
        "pauses.ended" => t::notices::shops_resumed(),
        "shops.trial_run" => t::notices::shops_trial_run(),
        "rules.saved" => t::notices::rules_saved(),
        "take_over.released" => t::notices::take_over_released(),
        "take_over.refused" => t::notices::take_over_refused(),
        "staff.claimed" => t::notices::staff_claimed(),
        "staff.decided" => t::notices::staff_decided(),
        "verification.submitted" => t::notices::verification_submitted(),
        _ => t::notices::done(),
    };
    known.to_owned()
}
