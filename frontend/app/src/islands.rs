//! What reacts in the browser. Each island is small, gets its texts as plain values, and is never the only way.
//!
//! `frontend/style/boot.js` calls the function that bears an island's name; what is not an island stays HTML.

mod copy;
mod dismiss;
mod reveal;
mod theme;

pub use self::copy::CopyButton;
pub use self::dismiss::DismissButton;
pub use self::reveal::RevealSwitch;
pub use self::theme::ThemeButton;
