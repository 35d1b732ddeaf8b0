//! Moments: short on the page, exact on hover and for programs.

use chrono::{DateTime, Utc};
use kamiflow_kernel::format_platform_time;
use leptos::prelude::*;

use crate::format;

/// A moment to the minute, in the platform's time.
#[component]
pub(crate) fn Moment(at: DateTime<Utc>) -> AnyView {
    let exact = at.to_rfc3339();
    view! { <time class="whitespace-nowrap" datetime=exact title=format_platform_time(at)>{format::moment(at)}</time> }
        .into_any()
}
