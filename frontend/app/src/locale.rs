//! Which language the page under way speaks.

use kamiflow_kernel::Locale;

use crate::context;

/// Returns the language of the page that is being rendered.
pub(crate) fn current() -> Locale {
    context::page().locale
}
