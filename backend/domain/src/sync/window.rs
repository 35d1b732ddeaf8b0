//! Reading one window to its end: which page is asked for next, and when the window counts as read. No I/O.
//!
//! The list is sorted by update time, latest first, and changes while it is read. An order that is updated again
//! leaves the window (its new update time is later than the window's end), and whatever stood behind it moves towards
//! page 1. So pages are read from the last to the first: what moves, moves to a page that is still to be read.
//!
//! The first question is page 1 with the total, which says how many pages there are. If that is the only page, its
//! orders and its total are one answer and the window is read. Otherwise the pages are read down to page 1, which is
//! asked for with the total again: the window is read only if at least so many distinct numbers were seen on the way.
//! An order that the platform shows late pushes others towards pages that were read already; then the count is
//! short, and the window is read again.

use std::collections::HashSet;

use crate::marketplace::PageRequest;

/// Entries per page, the platform's most.
pub const PAGE_SIZE: u32 = 100;

/// What to do next about a window.
#[derive(Debug, Clone, Copy)]
pub enum Step {
    /// Ask for this page and report it to [`WindowRead::accept`].
    Ask(PageRequest),
    /// It holds more than a window may; split it.
    TooMany,
    /// It changed while it was read; read it again.
    Again,
    /// It was read in full.
    Complete,
}

/// A page, as far as completeness is concerned.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// Numbers on the page.
    pub numbers: Vec<String>,
    /// Entries without a readable number.
    pub nameless: usize,
    /// How many the platform counts in the window, if it was asked.
    pub total: Option<u32>,
}

/// One pass over a window.
#[derive(Debug)]
pub struct WindowRead {
    max: Option<u32>,
    at: At,
    distinct: HashSet<String>,
    nameless: usize,
}

#[derive(Debug, Clone, Copy)]
enum At {
    First,
    Page(u32),
    Ended(Step),
}

impl WindowRead {
    /// Begins a pass; `max` is the most a window may hold, `None` for one that cannot be split any further.
    #[must_use]
    pub fn begin(max: Option<u32>) -> Self {
        Self { max, at: At::First, distinct: HashSet::new(), nameless: 0 }
    }

    /// Returns what to do next.
    #[must_use]
    pub const fn step(&self) -> Step {
        match self.at {
            At::First => Step::Ask(PageRequest { number: 1, size: PAGE_SIZE, with_total: true }),
            At::Page(number) => Step::Ask(PageRequest { number, size: PAGE_SIZE, with_total: number == 1 }),
            At::Ended(step) => step,
        }
    }

    /// Takes the page that was asked for.
    pub fn accept(&mut self, page: Seen) {
        if matches!(self.step(), Step::Ask(asked) if asked.with_total) && page.total.is_none() {
            // An answer without the total proves nothing.
            self.at = At::Ended(Step::Again);
            return;
        }
        let total = page.total.unwrap_or_default();
        match self.at {
            At::First if self.max.is_some_and(|max| total > max) => self.at = At::Ended(Step::TooMany),
            // This page will be asked for again as the last one; only that answer counts.
            At::First if total > PAGE_SIZE => self.at = At::Page(total.div_ceil(PAGE_SIZE)),
            At::First | At::Page(0 | 1) => {
                self.count(page);
                let complete = self.found() >= usize::try_from(total).unwrap_or(usize::MAX);
                self.at = At::Ended(if complete { Step::Complete } else { Step::Again });
            }
            At::Page(number) => {
                self.count(page);
                self.at = At::Page(number - 1);
            }
            At::Ended(_) => {}
        }
    }

    /// Returns how many distinct numbers were seen.
    #[must_use]
    pub fn found(&self) -> usize {
        self.distinct.len() + self.nameless
    }

    fn count(&mut self, page: Seen) {
        self.distinct.extend(page.numbers);
        self.nameless += page.nameless;
    }
}

#[cfg(test)]
mod tests;
