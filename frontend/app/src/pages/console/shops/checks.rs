//! A pre-flight in words: what passes is folded, what fails has the one link that cures it.

use kamiflow_domain::preflight::{About, Check as Found, CheckCode, Cure, Preflight as Report};
use kamiflow_kernel::{Permission, ShopId};

use crate::components::{Check, Verdict};
use crate::{context, t};

/// Returns the rows: first what fails, in the order somebody would cure it, then what passes, one row per subject.
pub(super) fn rows(shop: ShopId, report: &Report) -> Vec<Check> {
    let failing = report.checks.iter().filter_map(|check| Some(failed(shop, check, check.cure?)));
    let mut rows: Vec<Check> = failing.collect();
    let mut subjects: Vec<(&'static str, &'static str, u64)> = Vec::new();
    for check in report.checks.iter().filter(|check| check.cure.is_none()) {
        let (subject, finding) = (subject(check.code), passed(check.code));
        match subjects.iter_mut().find(|(known, ..)| *known == subject) {
            Some((.., count)) => *count += 1,
            None => subjects.push((subject, finding, 1)),
        }
    }
    rows.extend(subjects.into_iter().map(|(subject, finding, count)| Check {
        verdict: Verdict::Pass,
        subject: subject.to_owned(),
        finding: if count == 1 { finding.to_owned() } else { t::preflight::several(finding, count) },
        cure: None,
    }));
    rows
}

fn failed(shop: ShopId, check: &Found, cure: Cure) -> Check {
    let (finding, label) = words(check, cure);
    Check {
        verdict: Verdict::Blocked,
        subject: subject(check.code).to_owned(),
        finding,
        cure: may_open(cure).then(|| (href(shop, check, cure), label.to_owned())),
    }
}

/// Whether the member may open the page of a cure; who may not is told what is missing, and somebody else cures it.
fn may_open(cure: Cure) -> bool {
    let asks = match cure {
        Cure::Reauthorize | Cure::EnterKeys => Permission::ManageShops,
        Cure::ApplyForPackage | Cure::LookAtShop | Cure::TryAgain => Permission::ShowShops,
        Cure::SetClock | Cure::AskOperator => return true,
        Cure::SyncProducts | Cure::MapSku => Permission::ShowProducts,
        Cure::AddStock => Permission::ShowStock,
        Cure::ChooseRule => Permission::ManageRules,
        Cure::SetAddress => Permission::ManageIntegrations,
        Cure::Verify => Permission::Verify,
    };
    context::page().session.as_ref().is_some_and(|session| session.permissions.contains(&asks))
}

const fn is_token(code: CheckCode) -> bool {
    use CheckCode::{TokenLife, TokenR1, TokenR2, TokenW1, TokenW2};
    matches!(code, TokenLife | TokenR1 | TokenR2 | TokenW1 | TokenW2)
}

fn subject(code: CheckCode) -> &'static str {
    match code {
        CheckCode::Shop => t::preflight::shop(),
        CheckCode::Application => t::preflight::application(),
        CheckCode::Credentials => t::preflight::credentials(),
        CheckCode::Api => t::preflight::api(),
        CheckCode::Clock => t::preflight::clock(),
        CheckCode::Products => t::preflight::products(),
        CheckCode::Mapping => t::preflight::mapping(),
        CheckCode::Stock => t::preflight::stock(),
        CheckCode::Rule => t::preflight::rule(),
        CheckCode::NotificationAddress => t::preflight::address(),
        CheckCode::Verification => t::preflight::verification(),
        code if is_token(code) => t::preflight::token(),
        _ => t::preflight::shop(),
    }
}

fn passed(code: CheckCode) -> &'static str {
    match code {
        CheckCode::Shop => t::preflight::shop_passed(),
        CheckCode::Application => t::preflight::application_passed(),
        CheckCode::Credentials => t::preflight::credentials_passed(),
        CheckCode::Api => t::preflight::api_passed(),
        CheckCode::Clock => t::preflight::clock_passed(),
        CheckCode::Products => t::preflight::products_passed(),
        CheckCode::Mapping => t::preflight::mapping_passed(),
        CheckCode::Stock => t::preflight::stock_passed(),
        CheckCode::Rule => t::preflight::rule_passed(),
        CheckCode::NotificationAddress => t::preflight::address_passed(),
        CheckCode::Verification => t::preflight::verification_passed(),
        code if is_token(code) => t::preflight::token_passed(),
        _ => t::preflight::shop_passed(),
    }
}

/// Says what is wrong, and what the cure is called.
fn words(check: &Found, cure: Cure) -> (String, &'static str) {
    let name = match &check.about {
        About::Shop => "",
        About::Api(api) => api,
        About::Sku { name, .. } | About::Pool { name, .. } => name,
    };
    match cure {
        Cure::Reauthorize => (t::preflight::reauthorize_why().to_owned(), t::preflight::reauthorize()),
        Cure::EnterKeys => (t::preflight::enter_keys_why().to_owned(), t::preflight::enter_keys()),
        Cure::AskOperator => (t::preflight::ask_operator_why().to_owned(), t::preflight::ask_operator()),
        Cure::ApplyForPackage => (t::preflight::apply_why(name), t::preflight::apply()),
        Cure::LookAtShop => (t::preflight::look_why().to_owned(), t::preflight::look()),
        Cure::TryAgain => (t::preflight::try_again_why().to_owned(), t::preflight::try_again()),
        Cure::SetClock => (t::preflight::set_clock_why().to_owned(), t::preflight::set_clock()),
        Cure::SyncProducts => (t::preflight::sync_products_why().to_owned(), t::preflight::sync_products()),
        Cure::MapSku => (t::preflight::map_sku_why(name), t::preflight::map_sku()),
        Cure::AddStock => (t::preflight::add_stock_why(name), t::preflight::add_stock()),
        Cure::ChooseRule => (t::preflight::choose_rule_why().to_owned(), t::preflight::choose_rule()),
        Cure::SetAddress => (t::preflight::set_address_why().to_owned(), t::preflight::set_address()),
        Cure::Verify => (t::preflight::verify_why().to_owned(), t::preflight::verify()),
    }
}

fn href(shop: ShopId, check: &Found, cure: Cure) -> String {
    match cure {
        Cure::Reauthorize => format!("/console/shops/authorize?shop={shop}"),
        Cure::EnterKeys => format!("/console/shops/{shop}/keys"),
        Cure::ApplyForPackage => format!("/console/shops/{shop}/connected"),
        Cure::LookAtShop | Cure::TryAgain => format!("/console/shops/{shop}"),
        Cure::SetClock | Cure::AskOperator => "/help#operator".to_owned(),
        Cure::SyncProducts | Cure::MapSku => format!("/console/products?shop={shop}"),
        Cure::AddStock => match &check.about {
            About::Pool { pool, .. } => format!("/console/pools/{pool}"),
            About::Shop | About::Api(_) | About::Sku { .. } => "/console/pools".to_owned(),
        },
        Cure::ChooseRule => "/console/rules".to_owned(),
        Cure::SetAddress => "/console/notifications".to_owned(),
        Cure::Verify => "/console/verification".to_owned(),
    }
}
