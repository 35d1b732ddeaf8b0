//! The reader itself: rows of a file into cards and refusals, one at a time.

use std::collections::HashMap;
use std::collections::VecDeque;
use std::fmt;
use std::io::Read;

use chrono::{DateTime, Utc};
use kamiflow_kernel::SecretText;
use sha2::{Digest, Sha256};
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::layout::{Field, Layout, Placed, SAMPLE};
use super::lines::{FIRST_CHUNK, Lines, RawLine, first_chunk};
use super::sheet::{self, Cell, Row};
use super::split::OpenQuote;
use super::{CardFileError, CardLine, CardRow, FileKind, Limits, ReadOptions, Reason, RejectedLine, expiry};

/// The key under which card numbers are hashed while a file is read.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct NumberHashKey([u8; 32]);

impl NumberHashKey {
    /// Wraps random bytes.
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Returns 128 bits of a keyed hash: enough to tell a few million numbers apart, and no way back to them.
    pub(crate) fn fingerprint(&self, number: &str) -> [u8; 16] {
        let digest = Sha256::new().chain_update(self.0).chain_update(number).finalize();
        let mut short = [0; 16];
        short.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
        short
    }
}

impl fmt::Debug for NumberHashKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NumberHashKey(…)")
    }
}

/// Reads a card file; an iterator of rows that ends after the first error.
pub struct CardFileReader<R> {
    source: Source<R>,
    layout: Layout,
    /// Where numbers were first seen.
    seen: HashMap<[u8; 16], u64>,
    /// Rows that are known already: the lines of a quoted field that ran over several.
    ready: VecDeque<RejectedLine>,
    rows: u64,
    finished: bool,
    hash_key: NumberHashKey,
    now: DateTime<Utc>,
    limits: Limits,
}

enum Source<R> {
    Text(Lines<R>),
    Sheet(std::vec::IntoIter<Row>),
    /// A sheet whose only column holds whole lines, as somebody pasted a text file.
    Pasted(VecDeque<RawLine>),
}

impl<R> fmt::Debug for CardFileReader<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CardFileReader").field("layout", &self.layout).field("rows", &self.rows).finish_non_exhaustive()
    }
}

impl<R: Read> CardFileReader<R> {
    /// Looks at the beginning of a file and gets ready to read it.
    ///
    /// # Errors
    /// When the file as a whole cannot be understood; see [`CardFileError`].
    pub fn open(mut reader: R, options: ReadOptions) -> Result<Self, CardFileError> {
        let first = first_chunk(&mut reader)?;
        if first.starts_with(b"\xD0\xCF\x11\xE0") {
            return Err(CardFileError::OldWorkbook);
        }
        let (source, layout) = if first.starts_with(b"PK\x03\x04") {
            open_workbook(first, reader, &options)?
        } else if options.kind == Some(FileKind::Xlsx) {
            return Err(CardFileError::NotAWorkbook);
        } else {
            open_text(first, reader, &options)?
        };
        let mut opened = Self {
            source,
            layout,
            seen: HashMap::new(),
            ready: VecDeque::new(),
            rows: 0,
            finished: false,
            hash_key: options.hash_key,
            now: options.now,
            limits: options.limits,
        };
        if opened.layout.header {
            opened.skip_header()?;
        }
        Ok(opened)
    }

    fn skip_header(&mut self) -> Result<(), CardFileError> {
        if let Source::Sheet(rows) = &mut self.source {
            rows.next();
        } else {
            while let Some(line) = self.source.next_line()? {
                if !is_blank(&line) {
                    break;
                }
            }
        }
        self.rows = 1;
        Ok(())
    }

    fn next_row(&mut self) -> Result<Option<CardRow>, CardFileError> {
        if let Some(rejected) = self.ready.pop_front() {
            return Ok(Some(CardRow::Rejected(rejected)));
        }
        if let Source::Sheet(rows) = &mut self.source {
            let Some(row) = rows.next() else { return Ok(None) };
            self.count_row()?;
            let result = self.layout.place_row(&row.cells).and_then(|placed| self.card(row.line, placed));
            return Ok(Some(self.finish(row.line, result)));
        }
        loop {
            let Some(line) = self.source.next_line()? else { return Ok(None) };
            if !is_blank(&line) {
                self.count_row()?;
                return self.text_row(line).map(Some);
            }
        }
    }

    fn count_row(&mut self) -> Result<(), CardFileError> {
        self.rows += 1;
        if self.rows > self.limits.max_rows {
            return Err(CardFileError::TooManyRows { limit: self.limits.max_rows });
        }
        Ok(())
    }

    fn text_row(&mut self, line: RawLine) -> Result<CardRow, CardFileError> {
        let text = match line.text {
            Ok(text) => text,
            Err(reason) => return Ok(self.finish(line.line, Err(reason))),
        };
        match self.layout.place(&text) {
            Ok(placed) => {
                let result = placed.and_then(|placed| self.card(line.line, placed));
                Ok(self.finish(line.line, result))
            }
            Err(OpenQuote) => {
                let reason = self.look_for_closing_quote(&text)?;
                Ok(self.finish(line.line, Err(reason)))
            }
        }
    }

    /// Reads on while the quote stays open. A field over several lines is refused line by line; a quote that never
    /// closes costs its own line only, and the lines looked at are given back.
    fn look_for_closing_quote(&mut self, first: &str) -> Result<Reason, CardFileError> {
        let mut joined = zeroize::Zeroizing::new(first.to_owned());
        let mut looked_at: Vec<RawLine> = Vec::new();
        while joined.len() < self.limits.max_line_bytes {
            let Some(line) = self.source.next_line()? else { break };
            let Ok(text) = &line.text else {
                looked_at.push(line);
                break;
            };
            joined.push('\n');
            joined.push_str(text);
            looked_at.push(line);
            if self.layout.place(&joined).is_ok() {
                for line in looked_at.into_iter().filter(|line| !is_blank(line)) {
                    self.count_row()?;
                    self.ready.push_back(RejectedLine { line: line.line, reason: Reason::LineBreakInField });
                }
                return Ok(Reason::LineBreakInField);
            }
        }
        self.source.give_back(looked_at);
        Ok(Reason::UnclosedQuote)
    }

    /// Checks the fields of one row. Takes the number into the set of known ones only when everything else is right.
    fn card(&self, line: u64, placed: Placed<'_>) -> Result<CardLine, Reason> {
        let limit = self.limits.max_field_chars;
        let number = placed.number.map(|field| code(field, limit)).transpose()?.ok_or(Reason::EmptyNumber)?;
        let secret = placed.secret.map(|field| code(field, limit)).transpose()?;
        if secret.is_none() && self.layout.expects_secret {
            return Err(Reason::MissingSecret);
        }
        let expires_at = match placed.expiry {
            None => None,
            Some(Field::Text(text)) => expiry::parse(&text, self.now)?,
            Some(Field::Date(at)) => {
                let at = if at.time() == chrono::NaiveTime::MIN { expiry::end_of_day(at.date()) } else { at };
                Some(expiry::from_local(at, self.now)?)
            }
            Some(Field::Inexact | Field::Error) => return Err(Reason::BadExpiry),
        };
        Ok(CardLine { line, number, secret, expires_at })
    }

    fn finish(&mut self, line: u64, result: Result<CardLine, Reason>) -> CardRow {
        let reason = match result {
            Err(reason) => reason,
            Ok(card) => match self.seen.entry(self.hash_key.fingerprint(card.number.expose())) {
                std::collections::hash_map::Entry::Vacant(free) => {
                    free.insert(line);
                    return CardRow::Card(card);
                }
                std::collections::hash_map::Entry::Occupied(first) => {
                    Reason::DuplicateInFile { first_line: *first.get() }
                }
            },
        };
        CardRow::Rejected(RejectedLine { line, reason })
    }
}

impl<R: Read> Iterator for CardFileReader<R> {
    type Item = Result<CardRow, CardFileError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.finished {
            return None;
        }
        let row = self.next_row().transpose();
        self.finished = !matches!(row, Some(Ok(_)));
        row
    }
}

impl<R: Read> Source<R> {
    fn next_line(&mut self) -> Result<Option<RawLine>, CardFileError> {
        match self {
            Self::Text(lines) => lines.next(),
            Self::Pasted(lines) => Ok(lines.pop_front()),
            Self::Sheet(_) => Ok(None),
        }
    }

    fn give_back(&mut self, lines: Vec<RawLine>) {
        match self {
            Self::Text(source) => source.give_back(lines.into_iter()),
            Self::Pasted(source) => lines.into_iter().rev().for_each(|line| source.push_front(line)),
            Self::Sheet(_) => {}
        }
    }
}

fn open_text<R: Read>(first: Vec<u8>, rest: R, options: &ReadOptions) -> Result<(Source<R>, Layout), CardFileError> {
    let mut lines = Lines::new(first, rest, options.encoding, options.limits.max_line_bytes)?;
    let mut sample = Vec::new();
    let (mut filled, mut bytes) = (0, 0);
    // Blank lines are kept, so that they come again with their numbers; their count is bounded by the chunk size.
    while filled < SAMPLE && bytes < FIRST_CHUNK {
        let Some(line) = lines.next()? else { break };
        bytes += line.text.as_ref().map_or(1, |text| text.len() + 1);
        filled += usize::from(!is_blank(&line));
        sample.push(line);
    }
    let layout = layout_of(sample.iter(), options)?;
    lines.give_back(sample.into_iter());
    Ok((Source::Text(lines), layout))
}

fn layout_of<'a>(lines: impl Iterator<Item = &'a RawLine>, options: &ReadOptions) -> Result<Layout, CardFileError> {
    let texts = lines.filter(|line| !is_blank(line)).filter_map(|line| line.text.as_ref().ok());
    let texts: Vec<&str> = texts.map(|text| text.as_str()).take(SAMPLE).collect();
    Layout::of_lines(&texts, options.separator, options.kind)
}

fn open_workbook<R: Read>(
    mut bytes: Vec<u8>,
    rest: R,
    options: &ReadOptions,
) -> Result<(Source<R>, Layout), CardFileError> {
    let limit = options.limits.max_workbook_bytes;
    rest.take(limit).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > limit {
        return Err(CardFileError::TooLarge { limit });
    }
    let rows = sheet::rows(bytes, options.sheet.as_deref(), &options.limits)?;
    let sample = rows.get(..SAMPLE).unwrap_or(&rows);
    let one_column = |row: &Row| matches!(row.cells.as_slice(), [Cell::Text(_)]);
    if !sample.is_empty() && rows.iter().all(one_column) {
        let lines: VecDeque<RawLine> = rows.into_iter().filter_map(pasted_line).collect();
        let layout = layout_of(lines.iter(), options)?;
        return Ok((Source::Pasted(lines), layout));
    }
    let layout = Layout::of_rows(sample)?;
    Ok((Source::Sheet(rows.into_iter()), layout))
}

fn pasted_line(row: Row) -> Option<RawLine> {
    let line = row.line;
    row.cells.into_iter().find_map(|cell| match cell {
        Cell::Text(text) => Some(RawLine { line, text: Ok(text) }),
        Cell::Date(_) | Cell::Inexact | Cell::Error => None,
    })
}

fn is_blank(line: &RawLine) -> bool {
    line.text.as_ref().is_ok_and(|text| text.trim().is_empty())
}

/// Returns a number or secret, or why it cannot be one.
fn code(field: Field<'_>, limit: usize) -> Result<SecretText, Reason> {
    let text = match field {
        Field::Text(text) => text,
        Field::Date(_) => return Err(Reason::DateCell),
        Field::Inexact => return Err(Reason::NumericPrecision),
        Field::Error => return Err(Reason::CellError),
    };
    if text.chars().count() > limit {
        return Err(Reason::TooLong { limit });
    }
    if text.chars().any(is_invisible) {
        return Err(Reason::ControlCharacters);
    }
    if is_scientific(&text) {
        return Err(Reason::NumericPrecision);
    }
    Ok(SecretText::new(text.into_owned()))
}

/// Control characters, and those that print nothing or turn the direction of writing: a buyer could not type the code.
fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// Returns whether a text is what spreadsheets make of a long number, such as `6.22202E+18`.
///
/// A sign or a point is asked for: `12E5` is a code like any other.
fn is_scientific(text: &str) -> bool {
    let Some((mantissa, exponent)) = text.split_once(['E', 'e']) else { return false };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, fraction) = mantissa.split_once('.').map_or((mantissa, None), |(whole, rest)| (whole, Some(rest)));
    let unsigned = exponent.trim_start_matches(['+', '-']);
    let marked = fraction.is_some() || unsigned.len() + 1 == exponent.len();
    marked && digits(whole.trim_start_matches('-')) && fraction.is_none_or(digits) && digits(unsigned)
}
