//! What became of every line of an import: exact counts, and the first refused lines with their reasons.

use super::{CardRow, RejectedLine};

/// How many refused lines a report names; beyond that it only counts, so that a wrong file cannot fill the memory.
pub const KEPT_REJECTIONS: usize = 10_000;

/// The outcome of an import. Holds no card.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImportReport {
    accepted: u64,
    rejected_count: u64,
    rejected: Vec<RejectedLine>,
}

impl ImportReport {
    /// Counts one row of the file.
    pub fn record(&mut self, row: &CardRow) {
        match row {
            CardRow::Card(_) => self.accepted += 1,
            CardRow::Rejected(line) => self.reject(line.clone()),
        }
    }

    /// Counts a line as accepted.
    pub const fn accept(&mut self) {
        self.accepted += 1;
    }

    /// Counts a line as refused.
    pub fn reject(&mut self, line: RejectedLine) {
        self.rejected_count += 1;
        if self.rejected.len() < KEPT_REJECTIONS {
            self.rejected.push(line);
        }
    }

    /// Turns a line counted as accepted into a refused one: the stock, or the database, said no.
    pub fn reject_accepted(&mut self, line: RejectedLine) {
        self.accepted = self.accepted.saturating_sub(1);
        self.reject(line);
    }

    /// Returns how many cards were accepted.
    #[must_use]
    pub const fn accepted(&self) -> u64 {
        self.accepted
    }

    /// Returns how many lines were refused, named or not.
    #[must_use]
    pub const fn rejected_count(&self) -> u64 {
        self.rejected_count
    }

    /// Returns the refused lines that are named, in the order they were found.
    #[must_use]
    pub fn rejected(&self) -> &[RejectedLine] {
        &self.rejected
    }

    /// Returns the report as CSV in UTF-8 with a byte order mark, which Excel needs to show Chinese.
    ///
    /// Every cell is guarded against being run as a formula; the file holds line numbers and reasons, no card.
    ///
    /// # Errors
    /// When the writer fails, which memory does not.
    pub fn to_csv(&self) -> Result<String, csv::Error> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(["行号 line", "代码 code", "原因", "reason"])?;
        for rejected in &self.rejected {
            let line = rejected.line.to_string();
            let (code, zh, en) = (rejected.reason.code(), rejected.reason.zh(), rejected.reason.en());
            writer.write_record([&*line, code, &*formula_safe(&zh), &*formula_safe(&en)])?;
        }
        let kept = u64::try_from(self.rejected.len()).unwrap_or(u64::MAX);
        let unnamed = self.rejected_count.saturating_sub(kept);
        if unnamed > 0 {
            let (zh, en) = (format!("另有 {unnamed} 行未列出"), format!("{unnamed} more lines are not listed"));
            writer.write_record(["", "card_file.more", &*zh, &*en])?;
        }
        let bytes = writer.into_inner().map_err(|failed| failed.into_error())?;
        Ok(format!("\u{feff}{}", String::from_utf8_lossy(&bytes)))
    }
}

/// Returns a cell that a spreadsheet shows as text: one that would start a formula gets an apostrophe in front.
#[must_use]
pub fn formula_safe(cell: &str) -> std::borrow::Cow<'_, str> {
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠']) {
        return format!("'{cell}").into();
    }
    cell.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::card_file::Reason;

    #[test]
    fn counts_stay_exact_beyond_the_kept_lines() {
        let mut report = ImportReport::default();
        for line in 1..=10_003 {
            report.record(&CardRow::Rejected(RejectedLine { line, reason: Reason::Expired }));
        }
        assert_eq!((report.rejected_count(), report.rejected().len()), (10_003, KEPT_REJECTIONS));
        let csv = report.to_csv().unwrap();
        assert!(csv.starts_with('\u{feff}'));
        assert_eq!(csv.lines().count(), 10_002);
        assert!(csv.lines().last().unwrap().contains("3 more lines"));
    }

    #[test]
    fn no_cell_of_the_report_starts_a_formula() {
        for text in ["=1+1", "+1", "-1", "@a", "\tx", "\rx"] {
            assert!(formula_safe(text).starts_with('\''), "{text:?}");
        }
        assert_eq!(formula_safe("plain = text"), "plain = text");
    }

    #[test]
    fn a_line_refused_by_the_stock_is_no_longer_accepted() {
        let mut report = ImportReport { accepted: 2, ..ImportReport::default() };
        report.reject_accepted(RejectedLine { line: 4, reason: Reason::DuplicateInStock });
        assert_eq!((report.accepted(), report.rejected_count()), (1, 1));
        assert!(report.to_csv().unwrap().contains("4,card_file.duplicate_in_stock"));
    }
}
