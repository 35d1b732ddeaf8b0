//! Which spans of update time are read next. Pure.
//!
//! All moments are whole seconds: the platform takes seconds and includes both ends, so spans that share an end leave
//! nothing between them.

use std::time::Duration;

use chrono::{DateTime, DurationRound, TimeDelta, Utc};

use crate::marketplace::TimeSpan;

/// The longest span the platform answers (protocol 3.3, 6.1).
pub const MAX_SPAN: TimeDelta = TimeDelta::minutes(30);
/// How far a window reaches back before the watermark.
pub const OVERLAP: TimeDelta = TimeDelta::seconds(120);
/// How far a peek reaches back before the one before it. Less than a window's: a peek only saves time.
const PEEK_OVERLAP: TimeDelta = TimeDelta::seconds(30);
/// How far back the platform answers (protocol 3.1: 90 days), less a day for a slow catch-up.
pub const DEPTH: TimeDelta = TimeDelta::days(89);
/// Windows are read this often at most.
const LONGEST_STEP: Duration = Duration::from_secs(60);

/// Returns a moment without its fraction of a second.
#[must_use]
pub fn whole_second(at: DateTime<Utc>) -> DateTime<Utc> {
    at.duration_trunc(TimeDelta::seconds(1)).unwrap_or(at)
}

/// Returns how much must be new before a window is read.
///
/// The peek finds orders; the window proves that none was missed, and is behind by the lag anyway. Reading it at a
/// third of the lag (at most a minute) delays the proof by less than it is late already, and spares a shop that is
/// polled every 15 s three of four window reads.
#[must_use]
pub fn window_step(lag: Duration) -> TimeDelta {
    let step = (lag / 3).min(LONGEST_STEP).max(Duration::from_secs(1));
    TimeDelta::from_std(step).unwrap_or(TimeDelta::seconds(60))
}

/// Returns the window after a watermark, or `None` while less than a step is new.
///
/// It starts before the watermark, ends at most [`MAX_SPAN`] later and never after `end`. `end` is the platform's
/// clock less the gateway's lag.
#[must_use]
pub fn next_window(watermark: DateTime<Utc>, end: DateTime<Utc>, step: TimeDelta) -> Option<TimeSpan> {
    let end = whole_second(end);
    if end - watermark < step.max(TimeDelta::seconds(1)) {
        return None;
    }
    // What is older than the platform answers can only be given up; the ledger shows the gap.
    let from = whole_second(watermark - OVERLAP).max(end - DEPTH);
    Some(TimeSpan { from, to: (from + MAX_SPAN).min(end) })
}

/// Returns the halves of a span, earlier first, or `None` for one that is too short to be split.
#[must_use]
pub fn bisect(span: TimeSpan) -> Option<(TimeSpan, TimeSpan)> {
    let middle = whole_second(span.from + (span.to - span.from) / 2);
    (span.from < middle && middle < span.to)
        .then_some((TimeSpan { from: span.from, to: middle }, TimeSpan { from: middle, to: span.to }))
}

/// Returns what a peek at `now` (the platform's clock) looks at.
#[must_use]
pub fn peek_span(last_peek: Option<DateTime<Utc>>, watermark: DateTime<Utc>, now: DateTime<Utc>) -> Option<TimeSpan> {
    let to = whole_second(now);
    let from = last_peek.map_or(watermark, |last| last - PEEK_OVERLAP);
    let from = whole_second(from).max(to - MAX_SPAN);
    (from < to).then_some(TimeSpan { from, to })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_795_000_000 + second, 0).unwrap()
    }

    proptest! {
        /// However long the pauses and whatever the lag, the windows follow one another without a gap, never reach
        /// beyond what is allowed, and always make progress.
        #[test]
        fn any_sequence_of_polls_leaves_no_gap(
            pauses in prop::collection::vec((1..9_000i64, 0..1_000u32), 1..60), lag in 2..600u64
        ) {
            let step = window_step(Duration::from_secs(lag));
            let start = at(0);
            let (mut watermark, mut now, mut read_to) = (start, start, start - OVERLAP);
            for (pause, millis) in pauses {
                now += TimeDelta::seconds(pause) + TimeDelta::milliseconds(i64::from(millis));
                let end = now - TimeDelta::seconds(i64::try_from(lag).unwrap());
                while let Some(span) = next_window(watermark, end, step) {
                    prop_assert!(span.from <= read_to, "a gap before {:?}", span);
                    prop_assert!(span.to - span.from <= MAX_SPAN && span.to <= end && span.to > watermark);
                    read_to = read_to.max(span.to);
                    watermark = span.to;
                }
                prop_assert!(whole_second(end) - watermark < step);
            }
        }

        #[test]
        fn halves_join_and_bisection_ends(length in 0..2_000i64) {
            let mut stack = vec![TimeSpan { from: at(0), to: at(length) }];
            let mut reached = at(0);
            while let Some(span) = stack.pop() {
                match bisect(span) {
                    Some((early, late)) => stack.extend([late, early]),
                    None => {
                        prop_assert_eq!(span.from, reached);
                        prop_assert!(span.to - span.from <= TimeDelta::seconds(1));
                        reached = span.to;
                    }
                }
            }
            prop_assert_eq!(reached, at(length));
        }

        #[test]
        fn peeks_join_unless_they_are_more_than_half_an_hour_apart(gap in 1..4_000i64) {
            let span = peek_span(Some(at(0)), at(-500), at(gap)).unwrap();
            prop_assert!(span.to - span.from <= MAX_SPAN);
            prop_assert!(span.from <= at(0) || gap > 1_800);
        }
    }

    #[test]
    fn nothing_is_read_before_a_step_is_new() {
        let step = window_step(Duration::from_secs(180));
        assert_eq!(step, TimeDelta::seconds(60));
        assert_eq!(next_window(at(0), at(59), step), None);
        assert_eq!(next_window(at(0), at(60), step), Some(TimeSpan { from: at(-120), to: at(60) }));
        // The platform's clock stood still or went back.
        assert_eq!(next_window(at(0), at(-5), step), None);
        assert_eq!(peek_span(Some(at(100)), at(0), at(50)), None);
    }
}
