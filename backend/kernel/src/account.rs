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
