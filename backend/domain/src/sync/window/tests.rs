//! A platform whose pages shift between any two reads.

use std::collections::HashSet;

use proptest::prelude::*;

use super::*;

const SIZE: usize = 100;

/// Reads a window while `change` alters the list before every answer; returns the end and every number seen.
fn read(list: &mut Vec<u32>, max: Option<u32>, mut change: impl FnMut(&mut Vec<u32>)) -> (Step, HashSet<u32>) {
    let mut window = WindowRead::begin(max);
    let mut seen = HashSet::new();
    for _page in 0..10_000 {
        let Step::Ask(page) = window.step() else { return (window.step(), seen) };
        change(list);
        let start = (usize::try_from(page.number).unwrap() - 1) * SIZE;
        let numbers: Vec<u32> = list.iter().skip(start).take(SIZE).copied().collect();
        seen.extend(&numbers);
        let total = page.with_total.then(|| u32::try_from(list.len()).unwrap());
        window.accept(Seen { numbers: numbers.iter().map(u32::to_string).collect(), nameless: 0, total });
    }
    panic!("the read does not end");
}

proptest! {
    /// Orders that are updated again leave the window at any place, any number of them before each page: none of
    /// those that stay is missed, and the read ends in one pass.
    #[test]
    fn no_order_is_missed_while_others_leave_the_window(
        size in 0..900u32, leaving in prop::collection::vec(prop::collection::vec(any::<prop::sample::Index>(), 0..40), 12)
    ) {
        let mut list: Vec<u32> = (0..size).collect();
        let mut leaving = leaving.into_iter();
        let (end, seen) = read(&mut list, None, |list| {
            for index in leaving.next().unwrap_or_default() {
                if !list.is_empty() {
                    list.remove(index.index(list.len()));
                }
            }
        });
        prop_assert!(matches!(end, Step::Complete), "{:?}", end);
        prop_assert!(list.iter().all(|order| seen.contains(order)));
    }

    /// Orders that the platform shows late appear anywhere: a read that counts as complete has seen all of them.
    #[test]
    fn a_complete_read_has_seen_what_appeared_late(
        size in 0..500u32, late in prop::collection::vec(prop::option::of(any::<prop::sample::Index>()), 12)
    ) {
        let mut list: Vec<u32> = (0..size).collect();
        let mut late = late.into_iter();
        let mut number = 100_000;
        let (end, seen) = read(&mut list, None, |list| {
            if let Some(Some(index)) = late.next() {
                number += 1;
                list.insert(index.index(list.len() + 1), number);
            }
        });
        match end {
            Step::Complete => prop_assert!(list.iter().all(|order| seen.contains(order))),
            Step::Again => {}
            other => prop_assert!(false, "{:?}", other),
        }
    }
}

#[test]
fn an_order_that_a_late_one_pushed_onto_a_page_already_read_makes_the_window_be_read_again() {
    let mut list: Vec<u32> = (0..150).collect();
    let mut answers = 0;
    let (end, seen) = read(&mut list, None, |list| {
        answers += 1;
        if answers == 3 {
            // Page 2 was read. Number 99 now moves from page 1 to page 2.
            list.insert(0, 1_000);
        }
    });
    assert!(matches!(end, Step::Again), "{end:?}");
    assert!(seen.contains(&99), "the first look at page 1 stores its orders all the same");
}

#[test]
fn one_page_takes_one_question_and_too_many_are_refused_at_once() {
    for (size, max, questions) in [(0, 2_000, 1), (100, 2_000, 1), (101, 2_000, 3), (2_001, 2_000, 1)] {
        let mut list: Vec<u32> = (0..size).collect();
        let mut asked = 0;
        let (end, _) = read(&mut list, Some(max), |_| asked += 1);
        assert_eq!(asked, questions, "{size} orders");
        assert_eq!(matches!(end, Step::TooMany), size > max, "{size} orders");
    }
}

#[test]
fn an_unreadable_entry_counts_and_an_answer_without_a_total_does_not_end_a_window() {
    let mut window = WindowRead::begin(None);
    window.accept(Seen { numbers: vec!["a".to_owned()], nameless: 1, total: Some(2) });
    assert!(matches!(window.step(), Step::Complete));
    let mut window = WindowRead::begin(None);
    window.accept(Seen { numbers: Vec::new(), nameless: 0, total: Some(101) });
    window.accept(Seen::default());
    window.accept(Seen::default());
    assert!(matches!(window.step(), Step::Again));
}
