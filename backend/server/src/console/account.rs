//! `/account/…`: what somebody sees of the own account.

use kamiflow_app::views::account::{Factor, Security, Session};
use kamiflow_domain::accounts::remove_factor::list_factors;
use kamiflow_domain::accounts::sessions::list_sessions;

use super::{Asked, Loaded, Stop, shown};

/// Reads devices and second factors.
pub(super) async fn security(asked: &Asked<'_>) -> Result<Loaded, Stop> {
    let accounts = &asked.product.accounts;
    let sessions = list_sessions(accounts, asked.visit, asked.account).await?;
    let (factors, codes_left) = list_factors(accounts, asked.account).await?;
    Ok(shown(Security {
        sessions: sessions
            .into_iter()
            .map(|row| Session {
                id: row.id,
                is_this: row.id == asked.account.session,
                browser: row.user_agent,
                place: row.ip_prefix,
                last_used_at: row.last_used_at,
            })
            .collect(),
        factors: factors
            .into_iter()
            .map(|row| Factor { id: row.id, kind: row.kind, name: row.name, created_at: row.created_at })
            .collect(),
        codes_left,
    }))
}
