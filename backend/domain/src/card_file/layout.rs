//! How a file is laid out, decided once by its first lines and kept for all of them.

use std::borrow::Cow;

use chrono::NaiveDateTime;

use super::columns::{self, Column};
use super::sheet::{Cell, Row};
use super::split::{self, Labeled};
use super::{CardFileError, FileKind, Reason, Separator, expiry};

/// How many lines decide.
pub(super) const SAMPLE: usize = 100;

/// The layout of a file.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) separator: Separator,
    /// Whether the first line that is not blank is a header.
    pub(super) header: bool,
    /// Whether a card without a secret is refused.
    pub(super) expects_secret: bool,
    columns: Vec<Option<Column>>,
    /// Whether "no separator" was found out and not chosen: then a line that has one does not fit.
    guessed_single: bool,
    /// Whether the labels name secrets only, which then identify the cards.
    secret_is_number: bool,
}

/// One field before it is checked.
#[derive(Debug, PartialEq)]
pub(super) enum Field<'a> {
    Text(Cow<'a, str>),
    Date(NaiveDateTime),
    Inexact,
    Error,
}

/// The fields of a line by what they mean.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Placed<'a> {
    pub(super) number: Option<Field<'a>>,
    pub(super) secret: Option<Field<'a>>,
    pub(super) expiry: Option<Field<'a>>,
}

impl Field<'_> {
    fn is_blank(&self) -> bool {
        matches!(self, Self::Text(text) if text.trim().is_empty())
    }
}

impl Layout {
    /// Decides by lines of text that are not blank.
    pub(super) fn of_lines(
        sample: &[&str],
        chosen: Option<Separator>,
        kind: Option<FileKind>,
    ) -> Result<Self, CardFileError> {
        let separator = chosen.unwrap_or_else(|| detect(sample, kind));
        let mut layout = Self {
            separator,
            header: false,
            expects_secret: false,
            columns: columns::DEFAULT.map(Some).to_vec(),
            guessed_single: separator == Separator::None && chosen.is_none(),
            secret_is_number: false,
        };
        if separator == Separator::Labels {
            let found: Vec<Labeled<'_>> = sample.iter().filter_map(|line| split::labeled(line).ok()).collect();
            layout.secret_is_number = found.iter().all(|line| line.number.is_none());
            let with_secret = found.iter().filter(|line| line.secret.is_some()).count();
            layout.expects_secret = !layout.secret_is_number && is_half(with_secret, found.len());
            return Ok(layout);
        }
        let split: Vec<Vec<Cow<'_, str>>> =
            sample.iter().filter_map(|line| split::fields(line, separator).ok()).collect();
        let texts: Vec<Vec<&str>> = split.iter().map(|fields| fields.iter().map(Cow::as_ref).collect()).collect();
        layout.read_columns(&texts)?;
        Ok(layout)
    }

    /// Decides by rows of a sheet.
    pub(super) fn of_rows(sample: &[Row]) -> Result<Self, CardFileError> {
        let mut layout = Self {
            separator: Separator::None,
            header: false,
            expects_secret: false,
            columns: columns::DEFAULT.map(Some).to_vec(),
            guessed_single: false,
            secret_is_number: false,
        };
        let texts = sample.iter().map(|row| row.cells.iter().map(cell_text).collect()).collect::<Vec<Vec<&str>>>();
        layout.read_columns(&texts)?;
        Ok(layout)
    }

    fn read_columns(&mut self, lines: &[Vec<&str>]) -> Result<(), CardFileError> {
        let mut lines = lines;
        if let Some((first, rest)) = lines.split_first()
            && let Some(named) = columns::header(first)?
        {
            self.header = true;
            self.columns = named;
            lines = rest;
        }
        let Some(secret) = self.columns.iter().position(|column| *column == Some(Column::Secret)) else {
            return Ok(());
        };
        let secrets: Vec<&str> =
            lines.iter().filter_map(|line| line.get(secret).copied()).filter(|text| !text.is_empty()).collect();
        // A date in place of a secret would be handed to a buyer as the secret.
        let dates = secrets.iter().filter(|text| text.len() > 8 && expiry::is_date(text)).count();
        if !self.header && dates > 0 && dates == secrets.len() {
            return Err(CardFileError::DateAsSecret);
        }
        self.expects_secret = is_half(secrets.len(), lines.len());
        Ok(())
    }

    /// Returns the fields of a line. A quote left open is the caller's to deal with.
    pub(super) fn place<'a>(&self, text: &'a str) -> Result<Result<Placed<'a>, Reason>, split::OpenQuote> {
        if self.separator == Separator::Labels {
            return Ok(self.place_labeled(text));
        }
        if self.guessed_single && Separator::ALL.iter().any(|separator| contains(text, *separator)) {
            return Ok(Err(Reason::TooManyColumns));
        }
        let fields = split::fields(text, self.separator)?;
        Ok(self.place_fields(fields.into_iter().map(Field::Text)))
    }

    /// Returns the fields of a row.
    pub(super) fn place_row<'a>(&self, cells: &'a [Cell]) -> Result<Placed<'a>, Reason> {
        self.place_fields(cells.iter().map(|cell| match cell {
            Cell::Text(text) => Field::Text(Cow::Borrowed(text.as_str())),
            Cell::Date(at) => Field::Date(*at),
            Cell::Inexact => Field::Inexact,
            Cell::Error => Field::Error,
        }))
    }

    fn place_fields<'a>(&self, fields: impl Iterator<Item = Field<'a>>) -> Result<Placed<'a>, Reason> {
        let mut placed = Placed::default();
        for (at, field) in fields.enumerate().filter(|(_, field)| !field.is_blank()) {
            let slot = match self.columns.get(at).copied().flatten() {
                Some(Column::Number) => &mut placed.number,
                Some(Column::Secret) => &mut placed.secret,
                Some(Column::Expiry) => &mut placed.expiry,
                None => return Err(Reason::TooManyColumns),
            };
            *slot = Some(field);
        }
        Ok(placed)
    }

    fn place_labeled<'a>(&self, text: &'a str) -> Result<Placed<'a>, Reason> {
        let found = split::labeled(text)?;
        let field = |text: Option<&'a str>| text.filter(|text| !text.is_empty()).map(|text| Field::Text(text.into()));
        let (number, secret) = if self.secret_is_number { (found.secret, None) } else { (found.number, found.secret) };
        Ok(Placed { number: field(number), secret: field(secret), expiry: field(found.expiry) })
    }
}

/// Returns the text of a cell, or something that is no header and no date for a cell of another type.
fn cell_text(cell: &Cell) -> &str {
    match cell {
        Cell::Text(text) => text.as_str(),
        Cell::Date(_) | Cell::Inexact | Cell::Error => "?",
    }
}

/// Returns the first separator that at least half of the lines have.
fn detect(sample: &[&str], kind: Option<FileKind>) -> Separator {
    let claimed = match kind {
        Some(FileKind::Csv) => Some(Separator::Comma),
        Some(FileKind::Tsv) => Some(Separator::Tab),
        Some(FileKind::Txt | FileKind::Xlsx) | None => None,
    };
    let common =
        |separator: &Separator| is_half(sample.iter().filter(|line| contains(line, *separator)).count(), sample.len());
    claimed.iter().chain(Separator::ALL).copied().find(common).unwrap_or(Separator::None)
}

fn contains(text: &str, separator: Separator) -> bool {
    match separator {
        Separator::Labels => split::has_label(text),
        Separator::FourDashes => text.contains("----"),
        Separator::Tab => text.trim().contains('\t'),
        Separator::Comma => text.contains(','),
        Separator::Pipe => text.contains('|'),
        Separator::Spaces => text.trim().contains(char::is_whitespace),
        Separator::None => false,
    }
}

const fn is_half(count: usize, total: usize) -> bool {
    count > 0 && count.saturating_mul(2) >= total
}
