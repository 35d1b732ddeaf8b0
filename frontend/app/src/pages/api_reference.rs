//! `/help/api`: the API, as its own document describes it.

use kamiflow_kernel::ApiScope;
use leptos::prelude::*;

use super::console::scope_name;
use crate::components::Badge;
use crate::components::Tone;
use crate::document::PageTitle;
use crate::layouts::PublicLayout;
use crate::views::api::{Member, Operation, Reference, Shape};
use crate::{context, t};

/// How to ask, what may be asked, and the shapes of what is sent.
#[component]
pub(crate) fn ApiReference() -> AnyView {
    let reference = context::data::<Reference>().unwrap_or_default();
    let rule = |title: &'static str, text: &'static str| {
        view! { <div class="card p-4"><h2 class="font-semibold">{title}</h2><p class="text-ink2 text-sm leading-6 mt-1">{text}</p></div> }
    };
    let contents = reference.operations.iter().map(|operation| {
        let href = format!("#{}", operation.id);
        view! { <li><a class="lnk inline-block py-0.5" href=href>{operation_title(operation)}</a></li> }
    });
    let contents = contents.collect_view();
    let operations = reference.operations.iter().map(operation).collect_view();
    let shapes = reference.shapes.iter().map(shape).collect_view();
    view! {
        <PageTitle name=t::api::reference()/>
        <PublicLayout>
            <section class="wide py-14">
                <h1 class="text-3xl font-semibold">{t::api::reference()}</h1>
                <p class="text-ink2 mt-2 leading-6 max-w-[44em]">{t::api::lead()}</p>
                <pre class="card p-4 mt-6 mono text-sm whitespace-pre-wrap break-all">{EXAMPLE}</pre>
                <div class="grid md:grid-cols-2 gap-3 mt-6">
                    {rule(t::api::tokens(), t::api::rule_tokens())}
                    {rule(t::api::rule_errors_title(), t::api::rule_errors())}
                    {rule(t::api::rule_pages_title(), t::api::rule_pages())}
                    {rule(t::api::rule_keys_title(), t::api::rule_keys())}
                    {rule(t::api::rule_limits_title(), t::api::rule_limits())}
                    {rule(t::api::rule_modes_title(), t::api::rule_modes())}
                </div>
                <p class="mt-6"><a class="lnk inline-block py-0.5" href="/api/v1/openapi.json">{t::api::document()}</a></p>
                <h2 class="text-xl font-semibold mt-10 mb-4">{t::api::operations()}</h2>
                <ul class="grid sm:grid-cols-2 gap-x-6 gap-y-1.5 mb-6">{contents}</ul>
                <div class="grid gap-4">{operations}</div>
                <h2 class="text-xl font-semibold mt-10 mb-4">{t::api::shapes()}</h2>
                <div class="grid gap-4">{shapes}</div>
            </section>
        </PublicLayout>
    }
    .into_any()
}

/// A first request, the same in every language.
const EXAMPLE: &str = "curl https://…/api/v1/orders?state=delivered \\\n  -H 'Authorization: Bearer kf_live_…'";

fn operation(operation: &Operation) -> impl IntoView + use<> {
    let (scope, means) = (operation.scope.clone(), operation.scope.parse::<ApiScope>().ok().map(scope_name));
    // The key of writes is explained once, above.
    let parameters: Vec<&Member> = operation.parameters.iter().filter(|member| member.place != "header").collect();
    let rows = (!parameters.is_empty()).then(|| members(&parameters));
    let link = |label: &'static str, name: &Option<String>| {
        name.clone().map(|name| {
            let href = format!("#{name}");
            view! { <p class="text-sm text-ink2">{label}" "<a class="lnk mono inline-block min-w-6 text-center" href=href>{name}</a></p> }
        })
    };
    view! {
        <section class="card p-4 grid gap-2" id=operation.id.clone()>
            <h3 class="font-semibold">{operation_title(operation)}</h3>
            <p class="mono text-sm break-all"><b>{operation.method.clone()}</b>" "{operation.path.clone()}</p>
            <p class="flex gap-2 items-center flex-wrap text-sm">
                <Badge tone=Tone::Brand icon="key-round">{scope}</Badge>
                {means}
            </p>
            {rows}
            {link(t::api::takes(), &operation.takes)}
            {link(t::api::gives(), &operation.gives)}
        </section>
    }
}

fn shape(shape: &Shape) -> impl IntoView + use<> {
    let example = shape.example.clone().map(|example| {
        view! { <pre class="mono text-sm whitespace-pre-wrap break-all text-ink2">{example}</pre> }
    });
    view! {
        <section class="card p-4 grid gap-2" id=shape.name.clone()>
            <h3 class="font-semibold mono">{shape.name.clone()}</h3>
            {members(&shape.members.iter().collect::<Vec<_>>())}
            {example}
        </section>
    }
}

/// Fields and parameters. The page has more than a hundred of them, so how they look is in the style sheet.
fn members(members: &[&Member]) -> impl IntoView + use<> {
    let row = |member: &&Member| {
        let marks =
            [(!member.place.is_empty()).then(|| place_name(&member.place)), member.is_required.then(t::api::required)];
        let marks = marks.into_iter().flatten().collect::<Vec<_>>().join(t::api::and());
        let marks = (!marks.is_empty()).then(|| view! { <small>{marks}</small> });
        let kind = match &member.shape {
            Some(name) => view! { <a href=format!("#{name}")>{member.kind.clone()}</a> }.into_any(),
            None => view! { <i>{member.kind.clone()}</i> }.into_any(),
        };
        view! { <dt><b>{member.name.clone()}</b>{kind}{marks}</dt><dd>{member.text.clone()}</dd> }
    };
    view! { <dl class="fields">{members.iter().map(row).collect_view()}</dl> }
}

fn place_name(place: &str) -> &'static str {
    if place == "path" { t::api::in_path() } else { t::api::in_query() }
}

/// Returns what an operation does; one that no catalog knows yet says it in the document's words.
fn operation_title(operation: &Operation) -> String {
    let known = match operation.id.as_str() {
        "list_shops" => t::api::op_list_shops(),
        "show_shop" => t::api::op_show_shop(),
        "list_orders" => t::api::op_list_orders(),
        "show_order" => t::api::op_show_order(),
        "retry_order" => t::api::op_retry_order(),
        "reveal_cards" => t::api::op_reveal_cards(),
        "list_redemptions" => t::api::op_list_redemptions(),
        "approve_redemption" => t::api::op_approve_redemption(),
        "report_use" => t::api::op_report_use(),
        "list_pools" => t::api::op_list_pools(),
        "show_pool" => t::api::op_show_pool(),
        "import_cards" => t::api::op_import_cards(),
        "list_cards" => t::api::op_list_cards(),
        "void_card" => t::api::op_void_card(),
        _ => &operation.summary,
    };
    known.to_owned()
}
