//! The design system: each component looks as `frontend/style/components.css` says, and `/styleguide` shows them all.

mod badge;
mod banner;
mod button;
mod card;
mod chart;
mod confirm;
mod dialog;
mod empty;
mod field;
mod icon;
mod logo;
mod moment;
mod notice;
mod pagination;
mod preference;
mod preflight;
mod proof;
mod qr;
mod skeleton;
mod spark;
mod stepper;
mod table;
mod tabs;
mod timeline;
mod toast;
mod why;

pub(crate) use self::badge::{Badge, OrderBadge};
pub(crate) use self::banner::Banner;
pub(crate) use self::button::{Look, Submit};
pub(crate) use self::card::Card;
pub(crate) use self::chart::{Band, Chart, Series, Target};
pub(crate) use self::confirm::Confirm;
pub(crate) use self::dialog::Dialog;
pub(crate) use self::empty::{Empty, Failure};
pub(crate) use self::field::{Field, FormError, LinkToken, NewPasswordField, NextPage, PasswordField, t_error};
pub(crate) use self::icon::{Icon, href};
pub(crate) use self::logo::Logo;
pub(crate) use self::moment::Moment;
pub(crate) use self::notice::Notice;
pub(crate) use self::pagination::Pagination;
pub(crate) use self::preference::{LanguageSwitch, ThemeSwitch};
pub(crate) use self::preflight::{Check, Preflight, Verdict};
pub(crate) use self::proof::{AskPasskey, ProofFirst};
pub(crate) use self::qr::Qr;
pub(crate) use self::skeleton::Skeleton;
pub(crate) use self::spark::Spark;
pub(crate) use self::stepper::Stepper;
pub(crate) use self::table::{CellHead, Column, Table};
pub(crate) use self::tabs::{Tab, Tabs};
pub(crate) use self::timeline::{Event, Timeline};
pub(crate) use self::toast::Toast;
pub(crate) use self::why::{Fact, Why};

/// The seven moods of a mark; the class sets text, ground and solid color at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    /// Nothing happened yet.
    Waiting,
    /// Under way.
    Sending,
    /// Done, and good.
    Delivered,
    /// Done for good.
    Redeemed,
    /// Waits for a person.
    Review,
    /// Went wrong.
    Exception,
    /// Over, without more to say.
    Closed,
    /// The product's own color, for what is no state.
    Brand,
}

impl Tone {
    /// Returns the class that colors.
    pub(crate) const fn class(self) -> &'static str {
        match self {
            Self::Waiting => "s-waiting",
            Self::Sending => "s-sending",
            Self::Delivered => "s-delivered",
            Self::Redeemed => "s-redeemed",
            Self::Review => "s-review",
            Self::Exception => "s-exception",
            Self::Closed => "s-closed",
            Self::Brand => "s-brand",
        }
    }
}
