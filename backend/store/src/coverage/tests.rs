//! The merge over any sequence of windows, without a database.

use proptest::prelude::*;

use super::*;

fn at(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_795_000_000 + second, 0).unwrap()
}

fn read(from: i64, to: i64, found: i32) -> ReadSpan {
    ReadSpan {
        kind: CoverageKind::Orders,
        source: CoverageSource::Window,
        from: at(from),
        to: at(to),
        found,
        announced: 0,
        fresh: 0,
    }
}

/// Applies the merge the way [`extend`] does.
fn apply(rows: &mut Vec<SpanRow>, read: &ReadSpan, now: DateTime<Utc>) {
    let last = rows.iter().enumerate().max_by_key(|(_, row)| row.from_at).map(|(at, _)| at);
    match merge(last.map(|at| &rows[at]), read, now) {
        Merge::Extend { to, close } => {
            let row = &mut rows[last.unwrap()];
            assert!(to >= row.to_at, "a span never shrinks");
            row.to_at = to;
            row.closed = close;
        }
        Merge::Open { close } => rows.push(SpanRow {
            id: Uuid::now_v7(),
            from_at: read.from,
            to_at: read.to,
            source: read.source.as_str().to_owned(),
            opened_at: now,
            closed: close,
        }),
    }
}

fn covered(rows: &[SpanRow], second: i64) -> bool {
    rows.iter().any(|row| (row.from_at..=row.to_at).contains(&at(second)))
}

proptest! {
    /// Whatever windows are read, in whatever order, rewound or not: a second is covered exactly if a window read it.
    #[test]
    fn the_spans_cover_what_was_read_and_nothing_else(
        windows in prop::collection::vec((0..3_000i64, 1..400i64, 0..3i32, 0..600i64), 1..60)
    ) {
        let mut rows = Vec::new();
        let mut now = at(0);
        for &(from, length, found, pause) in &windows {
            now += TimeDelta::seconds(pause);
            apply(&mut rows, &read(from, from + length, found - 1), now);
        }
        for second in 0..3_500 {
            let was_read = windows.iter().any(|&(from, length, _, _)| (from..=from + length).contains(&second));
            prop_assert_eq!(covered(&rows, second), was_read, "second {}", second);
        }
    }
}

#[test]
fn an_idle_day_costs_28_rows() {
    for (kind, expected) in [(CoverageKind::Orders, 24), (CoverageKind::Refunds, 4)] {
        let mut rows = Vec::new();
        for minute in 0..24 * 60 {
            let mut window = read(minute * 60 - 120, minute * 60 + 60, 0);
            window.kind = kind;
            apply(&mut rows, &window, at(minute * 60 + 60));
        }
        assert_eq!(rows.len(), expected, "{kind:?}");
    }
}

#[test]
fn a_span_closes_when_something_was_found_and_is_not_extended_after_that() {
    let mut rows = Vec::new();
    apply(&mut rows, &read(0, 60, 0), at(60));
    apply(&mut rows, &read(0, 120, 3), at(120));
    apply(&mut rows, &read(0, 180, 0), at(180));
    assert_eq!(rows.iter().map(|row| row.closed).collect::<Vec<_>>(), [true, false]);
    let reconcile = ReadSpan { source: CoverageSource::Reconcile, ..read(10, 20, 0) };
    apply(&mut rows, &reconcile, at(190));
    assert!(rows.last().unwrap().closed && rows.len() == 3, "a reconciliation is a span of its own");
}
