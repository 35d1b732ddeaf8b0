//! What areas and acts of the audit log are called.

use crate::t::acts;

/// Returns what an area is called; nothing for one that is not known here.
pub(super) fn area(name: &str) -> Option<&'static str> {
    Some(match name {
        "shop" => acts::area_shop(),
        "take_over" => acts::area_take_over(),
        "application" => acts::area_application(),
        "pause" => acts::area_pause(),
        "order" => acts::area_order(),
        "cards" => acts::area_cards(),
        "sku" => acts::area_sku(),
        "redemption" => acts::area_redemption(),
        "rules" => acts::area_rules(),
        "charge" => acts::area_charge(),
        "team" => acts::area_team(),
        "merchant" => acts::area_merchant(),
        "verification" => acts::area_verification(),
        "api_token" => acts::area_api_token(),
        "notification" => acts::area_notification(),
        "export" => acts::area_export(),
        "account" => acts::area_account(),
        "platform" => acts::area_platform(),
        _ => return None,
    })
}

/// Returns what an act is called; nothing for one that is not known here: the log keeps those of former programs too.
pub(super) fn act(action: &str) -> Option<&'static str> {
    of_shops(action).or_else(|| of_goods(action)).or_else(|| of_teams(action)).or_else(|| of_accounts(action))
}

fn of_shops(action: &str) -> Option<&'static str> {
    Some(match action {
        "shop.connect" => acts::shop_connect(),
        "shop.reauthorize" => acts::shop_reauthorize(),
        "shop.disconnect" => acts::shop_disconnect(),
        "shop.go_live" => acts::shop_go_live(),
        "shop.trial_run" => acts::shop_trial_run(),
        "shop.reconcile" => acts::shop_reconcile(),
        "shop.outside_resolve" => acts::shop_outside_resolve(),
        "shop.take_over_asked" => acts::shop_take_over_asked(),
        "take_over.release" => acts::take_over_release(),
        "take_over.refuse" => acts::take_over_refuse(),
        "application.register" => acts::application_register(),
        "application.resume" => acts::application_resume(),
        "application.stop" => acts::application_stop(),
        "application.deny_api" => acts::application_deny_api(),
        "authorization_link.make" => acts::authorization_link_make(),
        "pause.set" => acts::pause_set(),
        "pause.end" => acts::pause_end(),
        _ => return None,
    })
}

fn of_goods(action: &str) -> Option<&'static str> {
    Some(match action {
        "order.process" => acts::order_process(),
        "order.retry" => acts::order_retry(),
        "order.release" => acts::order_release(),
        "card.reveal" => acts::card_reveal(),
        "cards.pool_create" => acts::cards_pool_create(),
        "cards.import" => acts::cards_import(),
        "cards.generate" => acts::cards_generate(),
        "cards.upload" => acts::cards_upload(),
        "cards.void" => acts::cards_void(),
        "cards.restore" => acts::cards_restore(),
        "cards.move" => acts::cards_move(),
        "stock.release_restored" => acts::stock_release_restored(),
        "sku.map" => acts::sku_map(),
        "sku.top_up" => acts::sku_top_up(),
        "redemption.approve" => acts::redemption_approve(),
        "redemption.stop" => acts::redemption_stop(),
        "redemption.report_use" => acts::redemption_report_use(),
        "redemption_rules.save" => acts::redemption_rules_save(),
        "charge.report" => acts::charge_report(),
        _ => return None,
    })
}

fn of_teams(action: &str) -> Option<&'static str> {
    Some(match action {
        "team.invite" => acts::team_invite(),
        "team.invitation_revoke" => acts::team_invitation_revoke(),
        "team.join" => acts::team_join(),
        "team.leave" => acts::team_leave(),
        "team.member_change" => acts::team_member_change(),
        "team.member_remove" => acts::team_member_remove(),
        "team.sub_account_create" => acts::team_sub_account_create(),
        "team.sub_account_reset" => acts::team_sub_account_reset(),
        "team.second_factor_reset" => acts::team_second_factor_reset(),
        "team.transfer" => acts::team_transfer(),
        "merchant.open" => acts::merchant_open(),
        "merchant.rename" => acts::merchant_rename(),
        "merchant.close" => acts::merchant_close(),
        "merchant.reopen" => acts::merchant_reopen(),
        "merchant.end" => acts::merchant_end(),
        "verification.submit" => acts::verification_submit(),
        "verification.claim" => acts::verification_claim(),
        "verification.look" => acts::verification_look(),
        "verification.decide" => acts::verification_decide(),
        "verification.destroy" => acts::verification_destroy(),
        "verification.ask_again" => acts::verification_ask_again(),
        "api_token.create" => acts::api_token_create(),
        "api_token.revoke" => acts::api_token_revoke(),
        "notification_address.set" => acts::notification_address_set(),
        "export.start" => acts::export_start(),
        "audit.export" => acts::audit_export(),
        _ => return None,
    })
}

fn of_accounts(action: &str) -> Option<&'static str> {
    Some(match action {
        "account.create" => acts::account_create(),
        "account.delete" => acts::account_delete(),
        "account.log_in" => acts::account_log_in(),
        "account.sign_out" => acts::account_sign_out(),
        "account.sign_out_others" => acts::account_sign_out_others(),
        "account.session_reuse" => acts::account_session_reuse(),
        "account.sudo" => acts::account_sudo(),
        "account.merchant_switch" => acts::account_merchant_switch(),
        "account.email_change_request" => acts::account_email_change_request(),
        "account.email_change" => acts::account_email_change(),
        "account.password_change" => acts::account_password_change(),
        "account.password_reset" => acts::account_password_reset(),
        "account.totp_add" => acts::account_totp_add(),
        "account.passkey_add" => acts::account_passkey_add(),
        "account.passkey_copied" => acts::account_passkey_copied(),
        "account.factor_remove" => acts::account_factor_remove(),
        "account.recovery_codes_renew" => acts::account_recovery_codes_renew(),
        "account.recovery_ask" => acts::account_recovery_ask(),
        "account.recovery_look" => acts::account_recovery_look(),
        "account.recovery_decide" => acts::account_recovery_decide(),
        "account.recovery_link" => acts::account_recovery_link(),
        "account.recovery_stop" => acts::account_recovery_stop(),
        "account.recovered" => acts::account_recovered(),
        "staff.create" => acts::staff_create(),
        "staff.renew" => acts::staff_renew(),
        "staff.disable" => acts::staff_disable(),
        "staff.enroll" => acts::staff_enroll(),
        "staff.log_in" => acts::staff_log_in(),
        "staff.sign_out" => acts::staff_sign_out(),
        "staff.session_end" => acts::staff_session_end(),
        "staff.password_change" => acts::staff_password_change(),
        "keys.rotate" => acts::keys_rotate(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use kamiflow_domain::audit_areas::AREAS;

    use super::*;

    #[test]
    fn every_area_and_every_act_has_words() {
        for known in AREAS {
            assert!(area(known.name).is_some(), "{}", known.name);
            let wordless: Vec<_> = known.actions.iter().filter(|action| act(action).is_none()).collect();
            assert!(wordless.is_empty(), "{wordless:?}");
        }
    }
}
