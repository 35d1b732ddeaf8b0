//! The languages, and which one the page under way speaks.

use crate::context;

/// A language of the pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Locale {
    /// Simplified Chinese, the default.
    #[default]
    Zh,
    /// English.
    En,
}

impl Locale {
    /// Every language, the default first.
    pub const ALL: [Self; 2] = [Self::Zh, Self::En];

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
        Self::ALL.into_iter().find(|locale| {
            let known = locale.tag().split('-').next().unwrap_or_default();
            known.eq_ignore_ascii_case(language)
        })
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

/// Returns the language of the page that is being rendered.
pub(crate) fn current() -> Locale {
    context::page().locale
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
