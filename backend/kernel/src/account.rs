//! Settings of an account.

use crate::text_enum::text_enum;

text_enum! {
    /// The language a person reads.
    Locale("language") {
        /// Chinese, simplified.
        Zh => "zh",
        /// English.
        En => "en",
    }
}

text_enum! {
    /// How pages look.
    Theme("theme") {
        /// As the person's system does.
        System => "system",
        /// Light.
        Light => "light",
        /// Dark.
        Dark => "dark",
    }
}

impl Default for Locale {
    /// Chinese: nearly all who come are merchants there.
    fn default() -> Self {
        Self::Zh
    }
}

impl Locale {
    /// Returns the language's tag, as in `lang` and `Accept-Language`.
    #[must_use]
    pub const fn tag(self) -> &'static str {
        match self {
            Self::Zh => "zh-CN",
            Self::En => "en",
        }
    }

    /// Returns the language of a tag, whatever its region: `zh-Hans-CN` is Chinese.
    #[must_use]
    pub fn from_tag(tag: &str) -> Option<Self> {
        let language = tag.split(['-', '_']).next().unwrap_or_default();
        Self::ALL.iter().copied().find(|locale| locale.as_str().eq_ignore_ascii_case(language))
    }

    /// Returns the language to change to.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Zh => Self::En,
            Self::En => Self::Zh,
        }
    }
}

impl Default for Theme {
    /// Nobody has chosen yet.
    fn default() -> Self {
        Self::System
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_known_by_its_language() {
        for tag in ["zh", "zh-CN", "zh-Hans-CN", "ZH_tw"] {
            assert_eq!(Locale::from_tag(tag), Some(Locale::Zh), "{tag}");
        }
        assert_eq!(Locale::from_tag("en-GB"), Some(Locale::En));
        assert_eq!(Locale::from_tag("fr"), None);
        assert_eq!(Locale::from_tag(""), None);
    }
}
