//! Columns for people: aligned by display width, because a Chinese character is two columns wide.

use unicode_width::UnicodeWidthStr as _;

use super::{Console, Tone};

/// Rows of cells that end up under each other.
#[derive(Debug, Default)]
pub(crate) struct Table {
    rows: Vec<Vec<Cell>>,
}

#[derive(Debug)]
struct Cell {
    text: String,
    tone: Option<Tone>,
}

impl Table {
    /// Returns a table with a heading.
    pub(crate) fn new(heading: &[&str]) -> Self {
        let mut table = Self::default();
        table.add(heading.iter().map(|text| ((*text).to_owned(), Some(Tone::Faint))));
        table
    }

    /// Adds a row.
    pub(crate) fn row<const N: usize>(&mut self, cells: [(String, Option<Tone>); N]) {
        self.add(cells);
    }

    /// Returns whether there is nothing below the heading.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.len() <= 1
    }

    /// Prints the table, each line after an indentation of two.
    pub(crate) fn print(&self, console: Console) {
        for line in self.lines(|tone, text| console.toned(tone, text)) {
            console.print(format_args!("  {line}"));
        }
    }

    fn add(&mut self, cells: impl IntoIterator<Item = (String, Option<Tone>)>) {
        self.rows.push(cells.into_iter().map(|(text, tone)| Cell { text, tone }).collect());
    }

    fn lines(&self, paint: impl Fn(Tone, &str) -> String) -> Vec<String> {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.text.width()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let line = |row: &Vec<Cell>| {
            let mut line = String::new();
            for (cell, width) in row.iter().zip(&widths) {
                line.push_str(&cell.tone.map_or_else(|| cell.text.clone(), |tone| paint(tone, &cell.text)));
                // Spaces after the color code, so that the escape sequence does not count as width.
                line.extend(std::iter::repeat_n(' ', width.saturating_sub(cell.text.width()) + 2));
            }
            line.trim_end().to_owned()
        };
        self.rows.iter().map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_align_by_display_width() {
        let mut table = Table::new(&["shop", "state"]);
        table.row([("卡店".to_owned(), None), ("live".to_owned(), Some(Tone::Good))]);
        table.row([("abcdef".to_owned(), None), ("stopped".to_owned(), Some(Tone::Bad))]);
        let lines = table.lines(|tone, text| if tone == Tone::Bad { format!("!{text}!") } else { text.to_owned() });
        assert_eq!(lines, ["shop    state", "卡店    live", "abcdef  !stopped!"]);
    }
}
