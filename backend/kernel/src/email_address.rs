//! E-mail addresses, and the names people log in with.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An address mail can be sent to: one spelling per mailbox as far as that can be known, which is lower case.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EmailAddress(String);

/// A text that is no e-mail address. Does not repeat the text: it goes into answers and logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is not an e-mail address: write something like name@example.com")]
pub struct EmailAddressError;

impl EmailAddress {
    /// Longest address, in bytes (RFC 5321, 4.5.3.1.3).
    pub const MAX_LENGTH: usize = 254;

    /// Returns the address as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the address with most of its name hidden, for pages that anybody may see: `m***@example.com`.
    #[must_use]
    pub fn masked(&self) -> String {
        let (local, domain) = self.0.split_once('@').unwrap_or_default();
        let first: String = local.chars().take(1).collect();
        format!("{first}***@{domain}")
    }
}

impl TryFrom<String> for EmailAddress {
    type Error = EmailAddressError;

    /// Accepts what a mail server will take without quoting; blanks around it are cut off.
    fn try_from(text: String) -> Result<Self, Self::Error> {
        let text = text.trim().to_ascii_lowercase();
        let (local, domain) = text.rsplit_once('@').ok_or(EmailAddressError)?;
        let in_local = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~.".contains(&byte);
        let dots_are_inside = !local.starts_with('.') && !local.ends_with('.') && !local.contains("..");
        let is_label = |label: &str| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        let is_local = (1..=64).contains(&local.len()) && local.bytes().all(in_local) && dots_are_inside;
        let is_domain = domain.contains('.') && domain.split('.').all(is_label);
        if text.len() > Self::MAX_LENGTH || !is_local || !is_domain {
            return Err(EmailAddressError);
        }
        Ok(Self(text))
    }
}

impl std::str::FromStr for EmailAddress {
    type Err = EmailAddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::try_from(text.to_owned())
    }
}

impl fmt::Display for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<EmailAddress> for String {
    fn from(address: EmailAddress) -> Self {
        address.0
    }
}

/// What somebody types to log in: an e-mail address, or `name@merchant-code` for staff without one.
///
/// A code has no dot and the domain of an address has one, so none is ever taken for the other.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LoginName(String);

/// A text that nobody can log in with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is neither an e-mail address nor a name of the form name@merchant-code")]
pub struct LoginNameError;

impl LoginName {
    /// Returns the name of a staff member within a merchant.
    ///
    /// # Errors
    /// When the name is not 2 to 32 of `a-z`, `0-9`, `.`, `_` and `-`.
    pub fn of_staff(name: &str, merchant: &MerchantCode) -> Result<Self, LoginNameError> {
        let name = name.trim().to_ascii_lowercase();
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        if !(2..=32).contains(&name.len()) || !name.bytes().all(allowed) {
            return Err(LoginNameError);
        }
        Ok(Self(format!("{name}@{merchant}")))
    }

    /// Returns the name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the e-mail address, if it is one.
    #[must_use]
    pub fn as_email(&self) -> Option<EmailAddress> {
        self.0.parse().ok()
    }
}

impl TryFrom<String> for LoginName {
    type Error = LoginNameError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if let Ok(email) = EmailAddress::try_from(text.clone()) {
            return Ok(Self(email.0));
        }
        let (name, code) = text.trim().rsplit_once('@').ok_or(LoginNameError)?;
        let code = MerchantCode::try_from(code.to_ascii_lowercase()).map_err(|_code| LoginNameError)?;
        Self::of_staff(name, &code)
    }
}

impl std::str::FromStr for LoginName {
    type Err = LoginNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::try_from(text.to_owned())
    }
}

impl From<EmailAddress> for LoginName {
    fn from(email: EmailAddress) -> Self {
        Self(email.0)
    }
}

impl From<LoginName> for String {
    fn from(name: LoginName) -> Self {
        name.0
    }
}

impl fmt::Display for LoginName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A merchant's short public name, behind the `@` of staff's log-in names.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MerchantCode(String);

/// A text that is no merchant code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a merchant code is 4 to 20 of a-z, 0-9 and `-`, beginning with a letter")]
pub struct MerchantCodeError;

impl MerchantCode {
    /// Returns the code as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for MerchantCode {
    type Error = MerchantCodeError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let begins = text.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase());
        if !(4..=20).contains(&text.len()) || !begins || !text.bytes().all(allowed) {
            return Err(MerchantCodeError);
        }
        Ok(Self(text))
    }
}

impl From<MerchantCode> for String {
    fn from(code: MerchantCode) -> Self {
        code.0
    }
}

impl fmt::Display for MerchantCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_mailbox_has_one_spelling() {
        let address: EmailAddress = " Li.Wei+Shop@Example.COM ".parse().unwrap();
        assert_eq!(address.as_str(), "li.wei+shop@example.com");
        assert_eq!(address.masked(), "l***@example.com");
    }

    #[test]
    fn what_could_inject_a_header_or_reach_nobody_is_refused() {
        let long = format!("{}@example.com", "a".repeat(65));
        for text in [
            "",
            "a",
            "a@b",
            "@example.com",
            "a@",
            "a@example.com\r\nBcc: x@example.com",
            "a b@example.com",
            "a@-x.com",
            "a@x-.com",
            "a..b@example.com",
            ".a@example.com",
            "a@example..com",
            "<a@example.com>",
            "a@例子.com",
            &long,
        ] {
            assert!(text.parse::<EmailAddress>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn staff_names_and_addresses_never_meet() {
        let code = MerchantCode::try_from("taoshop".to_owned()).unwrap();
        let staff = LoginName::of_staff("Kefu01", &code).unwrap();
        assert_eq!(staff.as_str(), "kefu01@taoshop");
        assert_eq!(staff.as_email(), None);
        assert_eq!("KEFU01@taoshop".parse::<LoginName>().unwrap(), staff);
        assert!("a.b@c.d".parse::<LoginName>().unwrap().as_email().is_some());
        for bad in ["x@ab", "kefu 1@taoshop", "kefu@1abc", "kefu", "@taoshop"] {
            assert!(bad.parse::<LoginName>().is_err(), "{bad}");
        }
    }
}
