//! Writes to a merchant about what needs a person: shops that stopped, malls that are asked for, looks at cards that
//! grow, pools that run low.
//!
//! ```text
//! transaction: state + outbox row + job `mail_notice.v1` ──commit──► jobs pool: who, which language ─► mails, sealed
//! ```
//! The outbox row moves open pages and may find nobody; the job is what reaches somebody. It stands in the transaction
//! that does what it tells, so neither is without the other, and what happens a hundred times a second pays nothing.
//!
//! **Once.** The mails are planned in one transaction with the note that they were, so a job that is run twice plans
//! once. The same note keeps a mailbox readable: about one shop, one kind of news is written at most once in
//! [`QUIET`]. A shop that stops and goes on all night is one mail an hour, and the console shows the rest. Of a pool that
//! runs low one mail is written for each fall ([`crate::stock_watch`]), however long it lasts.
//!
//! **To whom.** The merchant's address for it, else every owner; looks at cards concern who leads, whatever the address
//! is. Sandbox shops are for trying and alarm nobody.
//!
//! To add a kind: a variant, what it is called and is about, where it leads, and its words in `letter::words::notice`.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use kamiflow_kernel::{EmailAddress, GatewayKind, Locale, MerchantId, PoolId, ReasonCode, Role, ShopId};
use kamiflow_store::jobs::NewJob;
use kamiflow_store::shops::ShopRow;
use kamiflow_store::team::members::{self, MemberRow};
use kamiflow_store::{
    StoreError, TenantTx, api_tokens, card_pools, jobs, mailed_notices, merchants, notification_addresses, outbox,
    shops,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::accounts::letter::{Addressed, Letter, News};
use crate::accounts::send_mail;
use crate::ctx::{Actor, Ctx};
use crate::engine::{Engine, Wake};

/// Name of the job that plans the mails; its payload is a [`Notice`].
pub const NAME: &str = "mail_notice.v1";
/// How long nothing more of a kind is written about the same shop.
const QUIET: TimeDelta = TimeDelta::hours(1);
/// What needs a person is worth reading for a week.
const USEFUL_FOR: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// What a merchant is told that needs a person: ids only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Notice {
    /// A shop stopped.
    ShopStopped {
        /// Which.
        shop: ShopId,
        /// Why.
        reason: ReasonCode,
    },
    /// The platform stopped an application; told once for all shops on it.
    ApplicationStopped {
        /// The shop that met it first.
        shop: ShopId,
        /// Which application.
        application: String,
    },
    /// Several orders were handled outside within an hour.
    AnotherToolAtWork {
        /// In which shop.
        shop: ShopId,
        /// How many.
        orders: i64,
    },
    /// Somebody else wants a mall that is connected here.
    TakeOverAsked {
        /// Which.
        shop: ShopId,
    },
    /// A shop was disconnected.
    ShopDisconnected {
        /// Which.
        shop: ShopId,
    },
    /// Somebody has looked at most of the cards that one may look at in a day.
    RevealsNearQuota {
        /// Who, as the audit log names them.
        member: String,
        /// In which shop the latest were.
        shop: ShopId,
        /// Of how many orders one may look at cards in a day.
        most: u32,
    },
    /// The merchant must be verified again.
    VerificationAskedAgain {
        /// Why.
        cause: String,
        /// Until when.
        renew_by: DateTime<Utc>,
    },
    /// A pool for real shops has few cards left.
    LowStock {
        /// Which.
        pool: PoolId,
        /// Since when, which tells one fall from the next.
        since: DateTime<Utc>,
    },
}

impl Notice {
    const fn kind(&self) -> &'static str {
        match self {
            Self::ShopStopped { .. } => "shop_stopped",
            Self::ApplicationStopped { .. } => "application_stopped",
            Self::AnotherToolAtWork { .. } => "another_tool_at_work",
            Self::TakeOverAsked { .. } => "take_over_asked",
            Self::ShopDisconnected { .. } => "shop_disconnected",
            Self::RevealsNearQuota { .. } => "reveals_near_quota",
            Self::VerificationAskedAgain { .. } => "verification_asked_again",
            Self::LowStock { .. } => "low_stock",
        }
    }

    const fn shop(&self) -> Option<ShopId> {
        match self {
            Self::ShopStopped { shop, .. }
            | Self::ApplicationStopped { shop, .. }
            | Self::AnotherToolAtWork { shop, .. }
            | Self::TakeOverAsked { shop }
            | Self::ShopDisconnected { shop }
            | Self::RevealsNearQuota { shop, .. } => Some(*shop),
            Self::VerificationAskedAgain { .. } | Self::LowStock { .. } => None,
        }
    }

    /// What is told at most once in [`QUIET`]. Of two members who look at many cards both are told, and so is a shop that
    /// stops for another reason, which asks for something else.
    fn about(&self, merchant: MerchantId) -> String {
        match self {
            Self::ShopStopped { shop, reason } => format!("{shop}:{}", reason.as_str()),
            Self::RevealsNearQuota { member, .. } => member.clone(),
            Self::LowStock { pool, .. } => pool.to_string(),
            other => other.shop().map_or_else(|| merchant.to_string(), |shop| shop.to_string()),
        }
    }

    /// After which moment it must not have been told before.
    fn quiet_since(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        match self {
            // Told in this very moment counts as told.
            Self::LowStock { since, .. } => *since - TimeDelta::microseconds(1),
            _ => now - QUIET,
        }
    }

    /// The page where a person does something about it.
    fn page(&self) -> String {
        match self {
            Self::ShopStopped { reason: ReasonCode::VerificationNeeded, .. } | Self::VerificationAskedAgain { .. } => {
                "/console/verification".to_owned()
            }
            Self::ShopStopped { shop, .. } | Self::ApplicationStopped { shop, .. } => format!("/console/shops/{shop}"),
            Self::AnotherToolAtWork { shop, .. } => format!("/console/shops/{shop}/outside"),
            Self::TakeOverAsked { .. } | Self::ShopDisconnected { .. } => "/console/shops".to_owned(),
            Self::RevealsNearQuota { .. } => "/console/audit?area=cards".to_owned(),
            Self::LowStock { pool, .. } => format!("/console/pools/{pool}"),
        }
    }
}

/// Tells a merchant something, in the transaction in which it happens.
///
/// # Errors
/// When the connection is lost.
pub async fn tell(tx: &mut TenantTx, now: DateTime<Utc>, notice: &Notice) -> Result<(), StoreError> {
    let payload: Value = json!(notice);
    outbox::push(tx, "notify", payload.clone()).await?;
    let key = format!("{}:{}", notice.kind(), notice.about(tx.merchant()));
    // One that failed for good is old news, and must not keep what happens now from being told.
    jobs::insert_or_replace_parked(tx, &NewJob { name: NAME, key: &key, payload, due_at: now }).await?;
    Ok(())
}

/// Plans the mails about a notice; returns whom to wake for them.
///
/// # Errors
/// When the store fails; [`StoreError::NotFound`] when what it is about is gone.
pub async fn run(engine: &Engine, ctx: &Ctx, notice: Notice) -> Result<Vec<Wake>, StoreError> {
    // Without an address of the site a mail could not say where to go.
    let Some(site) = &engine.config.site else { return Ok(Vec::new()) };
    let mut tx = engine.store.tenant_tx(ctx.merchant).await?;
    let shop = match notice.shop() {
        Some(shop) => Some(shops::fetch(&mut tx, shop).await?),
        None => None,
    };
    if shop.as_ref().is_some_and(|shop| shop.gateway == GatewayKind::Sandbox) {
        return Ok(Vec::new());
    }
    let about = notice.about(ctx.merchant);
    if !mailed_notices::claim(&mut tx, (notice.kind(), &about), ctx.now, notice.quiet_since(ctx.now)).await? {
        return Ok(Vec::new());
    }
    let team = members::list(&mut tx).await?;
    let merchant = merchants::find(&mut tx).await?.map_or_else(String::new, |row| row.name);
    let link = format!("{site}{}", notice.page());
    let receivers = match notice {
        Notice::RevealsNearQuota { .. } => reachable(&team, &[Role::Owner, Role::Admin]),
        _ => receivers(&mut tx).await?,
    };
    let Some(news) = news(&mut tx, ctx.now, notice, (shop, &team)).await? else { return Ok(Vec::new()) };
    let mut wakes = Vec::new();
    for (to, locale) in receivers {
        let letter = Letter::NeedsPerson { merchant: merchant.clone(), news: news.clone(), link: link.clone() };
        wakes.push(send_mail::plan(&mut tx, &Addressed { to, locale, letter }, ctx.now, USEFUL_FOR).await?);
    }
    tx.commit().await?;
    Ok(wakes)
}

/// Returns where a merchant is told what needs a person, and in which language: the address for it, else every owner.
pub(crate) async fn receivers(tx: &mut TenantTx) -> Result<Vec<(EmailAddress, Locale)>, StoreError> {
    let team = members::list(tx).await?;
    let owners = reachable(&team, &[Role::Owner]);
    let Some(address) = notification_addresses::find(tx).await? else { return Ok(owners) };
    // A member's own address is read in the member's language, any other one in the owners'.
    let reader = team.iter().find(|member| member.login == address.as_str());
    let locale = reader.map(|member| member.locale).or(owners.first().map(|(_, locale)| *locale));
    Ok(vec![(address, locale.unwrap_or_default())])
}

fn reachable(team: &[MemberRow], roles: &[Role]) -> Vec<(EmailAddress, Locale)> {
    let led = team.iter().filter(|member| roles.contains(&member.role));
    led.filter_map(|member| Some((member.login.parse().ok()?, member.locale))).collect()
}

/// Returns what is written; none when it is true no more.
async fn news(
    tx: &mut TenantTx,
    now: DateTime<Utc>,
    notice: Notice,
    (shop, team): (Option<ShopRow>, &[MemberRow]),
) -> Result<Option<News>, StoreError> {
    let shop = shop.map_or_else(String::new, |row| row.name);
    Ok(Some(match notice {
        Notice::ShopStopped { reason, .. } => News::ShopStopped { shop, reason },
        Notice::ApplicationStopped { .. } => News::ApplicationStopped { shop },
        Notice::AnotherToolAtWork { orders, .. } => News::AnotherToolAtWork { shop, orders },
        Notice::TakeOverAsked { .. } => News::TakeOverAsked { shop },
        Notice::ShopDisconnected { .. } => News::ShopDisconnected { shop },
        Notice::RevealsNearQuota { member, most, .. } => {
            News::RevealsNearQuota { member: called(tx, team, member).await?, most }
        }
        Notice::VerificationAskedAgain { renew_by, .. } => News::VerificationAskedAgain { renew_by },
        Notice::LowStock { pool, since } => {
            let low = card_pools::find_low(tx, pool, now).await?.filter(|low| low.low_since == since);
            let Some(low) = low else { return Ok(None) };
            News::LowStock { pool: low.name, left: low.left, at: low.low_stock_at }
        }
    }))
}

/// Returns what the team calls who acts under a name of the audit log.
async fn called(tx: &mut TenantTx, team: &[MemberRow], actor: String) -> Result<String, StoreError> {
    if let Some(member) = team.iter().find(|member| member.user.to_string() == actor) {
        return Ok(member.name.clone());
    }
    let token = api_tokens::list(tx).await?.into_iter().find(|token| Actor::name_of_token(token.id) == actor);
    Ok(token.map_or(actor, |token| format!("API · {}", token.name)))
}
