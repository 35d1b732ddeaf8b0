//! The cards of one order in clear: the answer to a form, shown once, kept by nobody.

use kamiflow_domain::reveal_cards::RevealedCard;
use leptos::prelude::*;

use crate::components::{Banner, Card, Column, Look, Table, Tone, href};
use crate::context;
use crate::islands::CopyButton;
use crate::layouts::Section;
use crate::pages::console::ConsolePage;
use crate::t;
use crate::views::orders::RevealedPage;

/// The cards.
#[component]
pub(crate) fn Revealed() -> AnyView {
    let Some(data) = context::data::<RevealedPage>() else { return ().into_any() };
    let order = format!("/console/shops/{}/orders/{}", data.shop.shop, data.order_sn);
    let trail = ("/console/orders".to_owned(), t::console::orders().to_owned());
    let reveals = data.revealed.reveals;
    let is_near = reveals.left() * 5 <= reveals.most;
    let all: Vec<String> = data.revealed.cards.iter().map(plain).collect();
    let back = view! { <a class=Look::Quiet.class() href=order>{t::order::revealed_back()}</a> };
    let copy = view! {
        <CopyButton
            text=all.join("\n")
            label=t::order::copy_all().to_owned()
            done=t::order::copied().to_owned()
            icon=href("copy")
        />
    };
    let columns = vec![
        Column::words(t::order::card_no()),
        Column::words(t::order::card_number()),
        Column::words(t::order::revealed_secret()),
    ];
    view! {
        <ConsolePage
            section=Section::Orders
            title=t::order::revealed_title(&data.order_sn)
            context=data.shop.name.clone()
            trail=trail
            acts=back.into_any()
        >
            <Banner tone=Tone::Sending icon="eye">{t::order::revealed_text(reveals.left())}</Banner>
            {is_near.then(|| view! { <Banner tone=Tone::Review icon="circle-alert">{t::order::revealed_near()}</Banner> })}
            <Card title=t::order::card_title() acts=copy.into_any() class="overflow-hidden">
                <Table caption=t::order::card_title() columns=columns>
                    {data.revealed.cards.iter().map(row).collect_view()}
                </Table>
            </Card>
        </ConsolePage>
    }
    .into_any()
}

/// Returns a card as it is pasted into a message.
fn plain(card: &RevealedCard) -> String {
    match &card.secret {
        Some(secret) => format!("{} {}", card.number.expose(), secret.expose()),
        None => card.number.expose().to_owned(),
    }
}

fn row(card: &RevealedCard) -> AnyView {
    let secret = card.secret.as_ref().map(|secret| secret.expose().to_owned());
    view! {
        <tr>
            <td>{t::order::card_line(card.line_no)}</td>
            <td class="full"><span class="mono select-all break-all">{card.number.expose().to_owned()}</span></td>
            <td class="full"><span class="mono select-all break-all">{secret}</span></td>
        </tr>
    }
    .into_any()
}
