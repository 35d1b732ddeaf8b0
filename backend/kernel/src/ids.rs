//! Typed ids: UUIDv7 inside, prefixed text outside (`mer_…`), so that no id is taken for another.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A text that is not an id of the expected kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not an id of the form {prefix}_<32 hexadecimal digits>")]
pub struct IdParseError {
    /// The prefix that was expected.
    pub prefix: &'static str,
    /// The text that was given.
    pub text: String,
}

macro_rules! typed_ids {
    ($($(#[$meta:meta])* $name:ident => $prefix:literal),+ $(,)?) => {$(
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(into = "String", try_from = "String")]
        pub struct $name(Uuid);

        impl $name {
            /// The prefix in front of the id wherever a person or a program reads it.
            pub const PREFIX: &'static str = $prefix;

            /// Returns a new time-ordered id.
            #[must_use]
            pub fn generate() -> Self { Self(Uuid::now_v7()) }

            /// Wraps an id read from the database.
            #[must_use]
            pub const fn from_uuid(id: Uuid) -> Self { Self(id) }

            /// Returns the id as the database stores it.
            #[must_use]
            pub const fn as_uuid(self) -> Uuid { self.0 }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "_{}"), self.0.simple())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { fmt::Display::fmt(self, f) }
        }

        impl FromStr for $name {
            type Err = IdParseError;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.strip_prefix(concat!($prefix, "_"))
                    .filter(|rest| rest.len() == 32)
                    .and_then(|rest| Uuid::try_parse(rest).ok())
                    .map(Self)
                    .ok_or_else(|| IdParseError { prefix: $prefix, text: text.to_owned() })
            }
        }

        // Rows of the store are read with it.
        impl From<Uuid> for $name {
            fn from(id: Uuid) -> Self { Self(id) }
        }

        impl TryFrom<String> for $name {
            type Error = IdParseError;
            fn try_from(text: String) -> Result<Self, Self::Error> { text.parse() }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self { id.to_string() }
        }
    )+};
}

typed_ids! {
    /// A merchant: the tenant.
    MerchantId => "mer",
    /// A connected shop of a merchant.
    ShopId => "shop",
    /// An application on the Open Platform (client id and secret).
    ApplicationId => "app",
    /// The tokens of one shop.
    CredentialId => "cred",
    /// A data key that seals one merchant's secrets.
    DataKeyId => "key",
    /// A synced product.
    ProductId => "prod",
    /// A synced SKU.
    SkuId => "sku",
    /// A card pool.
    PoolId => "pool",
    /// One import or generation of cards.
    BatchId => "bat",
    /// A card.
    CardId => "card",
    /// One permitted use of a card.
    CardUseId => "use",
    /// An order.
    OrderId => "ord",
    /// The delivery of one order.
    DeliveryId => "dlv",
    /// One line of a delivery: one card use, or one unit without a card.
    LineId => "line",
    /// One attempt to hand a delivery over.
    AttemptId => "att",
    /// A redemption of one line's use.
    RedemptionId => "red",
    /// A redemption rule.
    RuleId => "rule",
    /// An exception: something about an order or a shop that needs recovery or a person.
    ExceptionId => "exc",
    /// One entry of an order's event log.
    EventId => "evt",
    /// A span of the coverage ledger.
    CoverageId => "cov",
    /// A background job.
    JobId => "job",
    /// An identity check of a merchant.
    VerificationId => "ver",
    /// A link that lets a mall's owner authorize.
    AuthorizationLinkId => "link",
    /// A merchant's wish to take a mall over from another.
    TakeOverId => "take",
    /// A person's account.
    UserId => "usr",
    /// A request to let an owner who lost everything in again.
    RecoveryId => "rcv",
    /// A session: one device that somebody logged in on.
    SessionId => "ses",
    /// A second factor.
    FactorId => "fac",
    /// An invitation into a team.
    InvitationId => "inv",
    /// A sign-up that is not confirmed yet.
    SignUpId => "sup",
    /// A mail to send.
    MailId => "mail",
    /// A token of the API.
    ApiTokenId => "tok",
}

macro_rules! platform_ids {
    ($($(#[$meta:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub i64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { self.0.fmt(f) }
        }
    )+};
}

platform_ids! {
    /// The platform's number of a mall (`mall_id`, `owner_id`).
    MallId,
    /// The platform's number of a product (`goods_id`).
    GoodsId,
    /// The platform's number of a SKU (`sku_id`).
    PlatformSkuId,
}

impl MerchantId {
    /// The owner of what belongs to the operator and not to a merchant: hosted applications, system keys.
    pub const PLATFORM: Self = Self(Uuid::nil());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_survives_its_text_and_refuses_another_kind() {
        let id = ShopId::generate();
        assert_eq!(id.to_string().parse::<ShopId>().unwrap(), id);
        assert!(id.to_string().parse::<MerchantId>().is_err());
        assert!("shop_".parse::<ShopId>().is_err());
    }
}
