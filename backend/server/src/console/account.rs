//! `/account/…`: what somebody sees of the own account.

use kamiflow_app::views::account::{
    Deletion, Factor, Merchants, NewPassword, Orphan, Proofs, SeatWith, Security, Session,
};
use kamiflow_domain::accounts::Account;
use kamiflow_domain::accounts::delete_account::list_orphans;
use kamiflow_domain::accounts::passkey;
use kamiflow_domain::accounts::remove_factor::list_factors;
use kamiflow_domain::accounts::sessions::list_sessions;
use kamiflow_domain::accounts::switch_merchant::list_merchants;
use kamiflow_kernel::EmailAddress;

use super::{Loaded, Stop, shown};
use crate::product::Product;
use crate::visitor::Visitor;

/// Which loader is whose; `None` for a page that shows nothing but its form. None of them needs a seat anywhere.
pub(super) async fn load(
    product: &Product,
    visitor: &Visitor,
    account: &Account,
    page: &str,
) -> Result<Option<Loaded>, Stop> {
    Ok(Some(match page {
        "delete" => deletion(product, account).await?,
        "password" => shown(NewPassword { is_temporary: account.must_change_password }),
        "merchants" => merchants(product, visitor, account).await?,
        "security" => security(product, visitor, account).await?,
        "sudo" => proofs(product, account).await?,
        _ => return Ok(None),
    }))
}

/// Says what stands before the deletion of the account.
async fn deletion(product: &Product, account: &Account) -> Result<Loaded, Stop> {
    let present = account.seat.as_ref().map(|seat| seat.merchant);
    let orphans = list_orphans(&product.accounts, account).await?;
    Ok(shown(Deletion {
        login: account.login.to_string(),
        is_sub_account: account.login.as_str().parse::<EmailAddress>().is_err(),
        orphans: orphans
            .into_iter()
            .map(|row| Orphan { is_present: present == Some(row.merchant), name: row.name, live: row.live })
            .collect(),
    }))
}

/// Reads by what somebody may prove herself.
async fn proofs(product: &Product, account: &Account) -> Result<Loaded, Stop> {
    let (factors, _codes) = list_factors(&product.accounts, account).await?;
    Ok(shown(Proofs { passkey: factors.iter().any(|factor| factor.kind == "passkey") }))
}

/// Reads devices and second factors.
async fn security(product: &Product, visitor: &Visitor, account: &Account) -> Result<Loaded, Stop> {
    let accounts = &product.accounts;
    let sessions = list_sessions(accounts, &visitor.visit, account).await?;
    let (factors, codes_left) = list_factors(accounts, account).await?;
    Ok(shown(Security {
        sessions: sessions
            .into_iter()
            .map(|row| Session {
                id: row.id,
                is_this: row.id == account.session,
                browser: row.user_agent,
                place: row.ip_prefix,
                last_used_at: row.last_used_at,
            })
            .collect(),
        factors: factors
            .into_iter()
            .map(|row| Factor {
                id: row.id,
                kind: row.kind,
                name: row.name,
                created_at: row.created_at,
                last_used_at: row.last_used_at,
            })
            .collect(),
        codes_left,
        has_passkeys: passkey::are_possible(&accounts.config),
    }))
}

/// Lists the merchants somebody has a seat with; the page is there without any.
async fn merchants(product: &Product, visitor: &Visitor, account: &Account) -> Result<Loaded, Stop> {
    let present = account.seat.as_ref().map(|seat| seat.merchant);
    let seats = list_merchants(&product.accounts, account).await?;
    Ok(shown(Merchants {
        seats: seats
            .into_iter()
            .map(|seat| SeatWith {
                has_closed: seat.closes_at.is_some_and(|at| at <= visitor.visit.now),
                is_present: present == Some(seat.merchant),
                merchant: seat.merchant,
                name: seat.merchant_name,
                code: seat.merchant_code,
                role: seat.role,
                closes_at: seat.closes_at,
            })
            .collect(),
        may_open: account.login.as_str().parse::<EmailAddress>().is_ok(),
    }))
}
