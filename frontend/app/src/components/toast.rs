//! Toasts: what was done, in passing. What must not be missed is a banner.

use leptos::prelude::*;

use super::Tone;
use super::icon::{Icon, href};
use crate::islands::DismissButton;
use crate::t;

/// A small note; an error stays, anything else goes by itself where scripts run.
#[component]
pub(crate) fn Toast(
    tone: Tone,
    icon: &'static str,
    #[prop(into)] title: String,
    #[prop(optional, into)] detail: Option<String>,
    /// Where more is, and what that is called.
    #[prop(optional)]
    act: Option<(String, String)>,
    /// Whether it stays even if it is no error, as on the style guide.
    #[prop(optional)]
    stays: bool,
) -> AnyView {
    let stays = stays || tone == Tone::Exception;
    view! {
        <div class=format!("toastbox {}", tone.class()) role="status">
            <span class="solid"><Icon name=icon size="l"/></span>
            <div class="flex-1 min-w-0">
                <div class="font-medium">{title}</div>
                {detail.map(|detail| view! { <div class="sub">{detail}</div> })}
            </div>
            {act.map(|(href, label)| view! { <a class="lnk text-xs whitespace-nowrap" href=href>{label}</a> })}
            <DismissButton
                label=t::site::close().to_owned()
                icon=href("x")
                seconds=if stays { 0 } else { 5 }
            />
        </div>
    }
    .into_any()
}
