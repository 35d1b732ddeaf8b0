//! Line charts, drawn by the server: one sentence as label, the same numbers as a table behind.

use leptos::prelude::*;

use crate::t;

const WIDTH: f64 = 1120.0;
const LEFT: f64 = 34.0;
const RIGHT: f64 = 1030.0;
const TOP: f64 = 22.0;
const BOTTOM: f64 = 204.0;
/// Hairlines above zero.
const LINES: usize = 4;

/// One line of a chart. Lines differ by dash as well as by color.
pub(crate) struct Series {
    /// Its name at the line's end.
    pub(crate) name: &'static str,
    /// A color token.
    pub(crate) color: &'static str,
    /// Its dashes; empty for a solid line.
    pub(crate) dash: &'static str,
    /// Its values, evenly spaced.
    pub(crate) values: Vec<f64>,
}

/// What the values should stay under.
pub(crate) struct Target {
    /// Its name.
    pub(crate) name: String,
    /// The value.
    pub(crate) value: f64,
}

/// A stretch of time that something happened in.
pub(crate) struct Band {
    /// What happened.
    pub(crate) name: String,
    /// Where it begins and ends, from 0 to 1.
    pub(crate) span: (f64, f64),
}

/// The chart.
#[component]
pub(crate) fn Chart(
    /// The sentence that a screen reader says instead.
    #[prop(into)]
    summary: String,
    /// The unit on the ticks.
    unit: &'static str,
    /// The words under the axis, evenly spaced; also the table's rows.
    ticks: Vec<String>,
    series: Vec<Series>,
    #[prop(optional)] target: Option<Target>,
    #[prop(optional)] band: Option<Band>,
) -> AnyView {
    let most = series.iter().flat_map(|series| series.values.iter().copied()).fold(0.0_f64, f64::max);
    let top = ceiling(most.max(target.as_ref().map_or(0.0, |target| target.value)));
    let table = as_table(&ticks, &series);
    let lines = series.iter().map(|series| line(series, top)).collect_view();
    view! {
        <div class="overflow-x-auto" tabindex="0">
            <svg class="chart w-full min-w-[44rem] h-auto block" viewBox=format!("0 0 {WIDTH} 230") role="img" aria-label=summary>
                {band.map(shade)}
                {(0..=LINES).map(|index| hairline(index, top, unit)).collect_view()}
                {axis(&ticks)}
                {target.map(|target| dotted(target, top))}
                {lines}
            </svg>
        </div>
        <details class="px-1 pt-2"><summary class="lnk text-xs">{t::site::show_table()}</summary>{table}</details>
    }
    .into_any()
}

/// Converts a count into a coordinate; charts have dozens of points.
pub(crate) fn number(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

/// Returns the least round number that is not below a value.
fn ceiling(value: f64) -> f64 {
    let mut step = 1.0;
    while step * 8.0 < value {
        step *= 10.0;
    }
    [1.0, 2.0, 4.0, 8.0].into_iter().map(|factor| factor * step).find(|top| *top >= value).unwrap_or(step * 10.0)
}

fn height(value: f64, top: f64) -> f64 {
    BOTTOM - value / top * (BOTTOM - TOP)
}

fn across(index: usize, count: usize) -> f64 {
    LEFT + (RIGHT - LEFT) * number(index) / number(count.saturating_sub(1).max(1))
}

fn hairline(index: usize, top: f64, unit: &'static str) -> impl IntoView {
    let value = top * number(index) / number(LINES);
    let y = height(value, top);
    view! {
        <line class="g" x1=LEFT x2=RIGHT y1=y y2=y></line>
        <text x=LEFT - 8.0 y=y + 4.0 text-anchor="end">{format!("{value}{unit}")}</text>
    }
}

fn axis(ticks: &[String]) -> impl IntoView + use<> {
    let count = ticks.len();
    let tick = |(index, words): (usize, &String)| {
        let anchor = match index {
            0 => "start",
            _ if index + 1 == count => "end",
            _ => "middle",
        };
        view! { <text x=across(index, count) y="224" text-anchor=anchor>{words.clone()}</text> }
    };
    ticks.iter().enumerate().map(tick).collect_view()
}

fn dotted(target: Target, top: f64) -> impl IntoView {
    let y = height(target.value, top);
    view! {
        <line class="target" x1=LEFT x2=RIGHT y1=y y2=y></line>
        <text x=RIGHT + 8.0 y=y + 4.0>{target.name}</text>
    }
}

fn shade(band: Band) -> impl IntoView {
    let (from, to) = (LEFT + (RIGHT - LEFT) * band.span.0, LEFT + (RIGHT - LEFT) * band.span.1);
    view! {
        <rect class="band" x=from y=TOP width=to - from height=BOTTOM - TOP></rect>
        <text class="band-name" x=to y="14" text-anchor="end">{band.name}</text>
    }
}

fn line(series: &Series, top: f64) -> impl IntoView + use<> {
    let count = series.values.len();
    let mut path = String::new();
    let (mut x, mut y) = (LEFT, BOTTOM);
    for (index, value) in series.values.iter().enumerate() {
        (x, y) = (across(index, count), height(*value, top));
        path.push_str(&format!("{}{x:.1} {y:.1}", if index == 0 { 'M' } else { 'L' }));
    }
    let last = series.values.last().copied().unwrap_or_default();
    let paint = format!("var({})", series.color);
    view! {
        <path d=path fill="none" stroke=paint.clone() stroke-width="2" stroke-dasharray=series.dash></path>
        <circle cx=x cy=y r="3" fill=paint></circle>
        <text class="end" x=x + 8.0 y=y + 4.0>{format!("{} {last:.1}", series.name)}</text>
    }
}

/// The same numbers for who does not see the picture: one row per tick.
fn as_table(ticks: &[String], series: &[Series]) -> impl IntoView + use<> {
    let rows = ticks.iter().enumerate().map(|(row, tick)| {
        let cells = series.iter().map(|series| {
            let last = number(series.values.len().saturating_sub(1));
            let at = last * number(row) / number(ticks.len().saturating_sub(1).max(1));
            let value = series.values.iter().enumerate().find(|(index, _)| number(*index) >= at.floor());
            view! { <td class="r">{value.map_or_else(String::new, |(_, value)| format!("{value:.1}"))}</td> }
        });
        view! { <tr><td>{tick.clone()}</td>{cells.collect_view()}</tr> }
    });
    let heads = series.iter().map(|series| view! { <th scope="col" class="r">{series.name}</th> }).collect_view();
    view! {
        <table class="tb mt-2">
            <thead><tr><th scope="col">{t::site::time()}</th>{heads}</tr></thead>
            <tbody>{rows.collect_view()}</tbody>
        </table>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_axis_ends_at_a_round_number_that_no_value_exceeds() {
        for (most, top) in [(0.0, 1.0), (1.0, 1.0), (1.2, 2.0), (6.4, 8.0), (8.1, 10.0), (31.0, 40.0), (799.0, 800.0)] {
            assert_eq!(ceiling(most), top, "{most}");
        }
    }

    #[test]
    fn zero_is_at_the_bottom_and_the_ceiling_at_the_top() {
        assert_eq!(height(0.0, 8.0), BOTTOM);
        assert_eq!(height(8.0, 8.0), TOP);
        assert_eq!(across(0, 5), LEFT);
        assert_eq!(across(4, 5), RIGHT);
    }
}
