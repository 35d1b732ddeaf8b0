//! What mails say, in both languages, as text and as HTML.
//!
//! A letter is stored sealed with the values it needs and is worded when it is sent. To add one: a variant, its words in
//! both languages, and it is done; there is one layout.

mod layout;
mod words;

use chrono::{DateTime, Utc};
use kamiflow_kernel::{EmailAddress, Locale, ReasonCode, Role};
use serde::{Deserialize, Serialize};

use super::mailer::Mail;

/// A letter and its envelope, as it is sealed.
#[derive(Clone, Serialize, Deserialize)]
pub struct Addressed {
    /// To whom.
    pub to: EmailAddress,
    /// In which language.
    pub locale: Locale,
    /// What.
    pub letter: Letter,
}

/// What a mail says. Links carry one-time tokens, so nothing of it is ever logged.
#[derive(Clone, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Letter {
    /// Nothing: what is written for an address that nobody has, so that the work is the same.
    Nothing {
        /// As long as a link would be.
        filler: String,
    },
    /// Confirm that the address is yours.
    ConfirmEmail {
        /// Where.
        link: String,
    },
    /// Somebody signed up with your address, and you have an account.
    KnownAddress {
        /// Where to log in.
        link: String,
    },
    /// Choose a new password.
    ResetPassword {
        /// Where.
        link: String,
    },
    /// Your password was changed.
    PasswordChanged {
        /// When.
        at: DateTime<Utc>,
    },
    /// Somebody logged in with a browser that was not seen before.
    NewDevice {
        /// When.
        at: DateTime<Utc>,
        /// What the browser calls itself.
        browser: String,
        /// Where from.
        place: String,
        /// Where to see and end sessions.
        link: String,
    },
    /// A second factor was added or removed.
    FactorsChanged {
        /// When.
        at: DateTime<Utc>,
        /// Where to look.
        link: String,
    },
    /// Your account is deleted.
    AccountDeleted {
        /// When.
        at: DateTime<Utc>,
    },
    /// Confirm, from the old address, that mail goes to another one.
    LeaveEmail {
        /// The new address.
        to: EmailAddress,
        /// Where.
        link: String,
    },
    /// Confirm the new address.
    EnterEmail {
        /// Where.
        link: String,
    },
    /// Join a team.
    Invitation {
        /// Who invites.
        by: String,
        /// Into whose team.
        merchant: String,
        /// As what.
        role: Role,
        /// Where.
        link: String,
    },
    /// A mall's authorization ends: its main account can renew it by a link.
    TokenEnding {
        /// The shop.
        shop: String,
        /// When.
        ends_at: DateTime<Utc>,
        /// Where, once.
        link: String,
    },
    /// The staff decided about a merchant's identity: what every owner is told.
    VerificationDecided {
        /// The merchant.
        merchant: String,
        /// Why it was rejected; nothing for an approval.
        refused: Option<String>,
    },
    /// Somebody says she is an owner who lost everything: what every owner and admin is told.
    AccountRecovery {
        /// The merchant.
        merchant: String,
        /// Whose account, with most of the address hidden.
        account: String,
        /// How far it is.
        step: RecoveryStep,
        /// When.
        at: DateTime<Utc>,
        /// Where to stop it, as long as that is possible.
        link: Option<String>,
    },
    /// Begin anew: what the owner who lost everything is sent at last.
    RecoveryLink {
        /// Where.
        link: String,
    },
    /// The staff did not believe it.
    RecoveryRefused {
        /// Why.
        reason: String,
    },
    /// Owners of a merchant changed, or it will close: what every owner and admin is told.
    MerchantChanged {
        /// The merchant.
        merchant: String,
        /// What happened.
        what: MerchantChange,
        /// When.
        at: DateTime<Utc>,
    },
    /// Something needs a person: what is told where the merchant wants to hear it.
    NeedsPerson {
        /// The merchant.
        merchant: String,
        /// What.
        news: News,
        /// The page where something is done about it.
        link: String,
    },
}

/// What needs a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "news", rename_all = "snake_case")]
pub enum News {
    /// A shop stopped.
    ShopStopped {
        /// Its name.
        shop: String,
        /// Why.
        reason: ReasonCode,
    },
    /// The platform stopped the application of a shop, and of others perhaps.
    ApplicationStopped {
        /// The shop's name.
        shop: String,
    },
    /// Several orders of a shop were handled outside within an hour.
    AnotherToolAtWork {
        /// The shop's name.
        shop: String,
        /// How many.
        orders: i64,
    },
    /// Somebody else wants a shop's mall.
    TakeOverAsked {
        /// The shop's name.
        shop: String,
    },
    /// A shop was disconnected.
    ShopDisconnected {
        /// The shop's name.
        shop: String,
    },
    /// Somebody looked at the cards of many orders.
    RevealsNearQuota {
        /// What the team calls them.
        member: String,
        /// How many it may be in a day.
        most: u32,
    },
    /// The merchant must be verified again.
    VerificationAskedAgain {
        /// Until when.
        renew_by: DateTime<Utc>,
    },
    /// A pool has few cards left.
    LowStock {
        /// Its name.
        pool: String,
        /// How many.
        left: i64,
        /// From how few on the merchant wants to be told.
        at: i32,
    },
}

/// What happened to a merchant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MerchantChange {
    /// It has another owner.
    Transferred,
    /// It will close in 30 days.
    Closing,
    /// It will not close after all.
    Reopened,
    /// It has another name.
    Renamed {
        /// What it was called.
        before: String,
    },
    /// It has closed for good.
    Ended,
}

/// How far the recovery of an account is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecoveryStep {
    /// Asked for; the staff looks at it.
    Asked,
    /// Approved; in three days a link is sent.
    Approved,
    /// Not approved.
    Rejected,
    /// Stopped by a member of the team.
    Stopped,
    /// Password and second factor are new.
    Done,
}

/// The parts of a mail, before they are laid out.
pub(super) struct Worded {
    pub(super) subject: String,
    pub(super) paragraphs: Vec<String>,
    /// What the button says and where it leads.
    pub(super) action: Option<(&'static str, String)>,
    /// What to do if it was not you.
    pub(super) otherwise: &'static str,
}

impl Addressed {
    /// Returns the mail, or nothing where nothing is to be sent.
    #[must_use]
    pub fn rendered(&self) -> Option<Mail> {
        let worded = words::of(&self.letter, self.locale)?;
        Some(Mail {
            to: self.to.clone(),
            // One line, whatever a name holds.
            subject: worded.subject.chars().filter(|c| !c.is_control()).collect(),
            text: layout::text(&worded, self.locale),
            html: layout::html(&worded, self.locale),
        })
    }
}

#[cfg(test)]
mod tests;
