//! Sparklines: decoration beside a number.

use leptos::prelude::*;

/// A line of a dozen points without axes; the number beside it carries the meaning.
#[component]
pub(crate) fn Spark(
    points: Vec<f64>,
    /// A color token, such as `--color-primary`.
    #[prop(default = "--color-primary")]
    color: &'static str,
) -> AnyView {
    let line = path(&points);
    let paint = format!("var({color})");
    view! {
        <svg class="w-full block h-9" viewBox="0 0 160 34" preserveAspectRatio="none" aria-hidden="true">
            <path d=format!("{line}L160 34L0 34Z") fill=paint.clone() opacity=".1"></path>
            <path d=line fill="none" stroke=paint stroke-width="1.5" stroke-linejoin="round" vector-effect="non-scaling-stroke"></path>
        </svg>
    }
    .into_any()
}

/// Draws points from left to right, the least at the bottom.
fn path(points: &[f64]) -> String {
    let least = points.iter().copied().fold(f64::INFINITY, f64::min);
    let most = points.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let spread = if most > least { most - least } else { 1.0 };
    let step = 160.0 / super::chart::number(points.len().saturating_sub(1).max(1));
    let mut line = String::new();
    for (index, value) in points.iter().enumerate() {
        let (x, y) = (step * super::chart::number(index), 31.0 - (value - least) / spread * 27.0);
        line.push_str(&format!("{}{x:.1} {y:.1}", if index == 0 { 'M' } else { 'L' }));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_is_at_the_bottom_and_a_flat_line_is_drawn() {
        assert_eq!(path(&[1.0, 2.0]), "M0.0 31.0L160.0 4.0");
        assert_eq!(path(&[3.0, 3.0]), "M0.0 31.0L160.0 31.0");
        assert_eq!(path(&[]), "");
    }
}
