//! Reads card files: CSV, TSV, plain text and XLSX, as merchants have them.
//!
//! The picture: [`CardFileReader::open`] looks at the first bytes (kind of file, encoding) and at the first hundred
//! lines (separator or labels, header, whether cards have secrets), then yields one [`CardRow`] per line. The layout is
//! decided once and holds for the whole file; a line that does not fit it is refused, never guessed at.
//!
//! Guarantees:
//! - Text is streamed; memory is bounded by the longest line, plus 24 bytes or so per card to find duplicates. A
//!   workbook is bounded by [`Limits::max_unpacked_bytes`].
//! - Every line that is not blank and not the header comes out once, as a card or as a refusal with its line number.
//! - Refusals and errors hold no part of a card, and duplicates are found through keyed hashes.
//! - What cannot be understood as a whole (UTF-16, old XLS, an unknown column) fails at [`CardFileReader::open`], with
//!   an error that says what to do.
//!
//! To accept another shape of file, add a [`Separator`] or a name in `columns.rs`; the rest follows from there.

mod columns;
mod error;
mod expiry;
mod layout;
mod lines;
mod reader;
mod reason;
mod report;
mod sheet;
mod split;

use chrono::{DateTime, Utc};
use kamiflow_kernel::SecretText;

pub use error::CardFileError;
pub use reader::{CardFileReader, NumberHashKey};
pub use reason::{Reason, RejectedLine};
pub use report::{ImportReport, KEPT_REJECTIONS, formula_safe};

/// A card as a file has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CardLine {
    /// The line in the file, or the row in the sheet, from 1.
    pub line: u64,
    /// The card number, or the only code.
    pub number: SecretText,
    /// The secret that belongs to it.
    pub secret: Option<SecretText>,
    /// When it expires; in the future when it was read.
    pub expires_at: Option<DateTime<Utc>>,
}

/// What one line of a file became.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CardRow {
    /// A card.
    Card(CardLine),
    /// A refusal.
    Rejected(RejectedLine),
}

/// The kind of a card file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// Comma-separated text; the separator is still looked for.
    Csv,
    /// Tab-separated text; the separator is still looked for.
    Tsv,
    /// Plain text.
    Txt,
    /// An Excel workbook.
    Xlsx,
}

impl FileKind {
    /// Returns the kind a file name's ending claims; the contents decide in the end.
    #[must_use]
    pub fn from_file_name(name: &str) -> Option<Self> {
        let (_, ending) = name.rsplit_once('.')?;
        match ending.to_ascii_lowercase().as_str() {
            "csv" => Some(Self::Csv),
            "tsv" | "tab" => Some(Self::Tsv),
            "txt" | "text" => Some(Self::Txt),
            "xlsx" | "xlsm" => Some(Self::Xlsx),
            _ => None,
        }
    }
}

/// What stands between the fields of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Separator {
    /// Labels in front of the fields: `卡号：A 卡密：B`.
    Labels,
    /// Four dashes.
    FourDashes,
    /// A tab, with quotes as spreadsheets write them.
    Tab,
    /// A comma, with quotes as spreadsheets write them.
    Comma,
    /// A vertical bar.
    Pipe,
    /// Any run of white space.
    Spaces,
    /// Nothing: the whole line is the number.
    None,
}

impl Separator {
    /// Every separator, in the order they are looked for.
    pub const ALL: &'static [Self] =
        &[Self::Labels, Self::FourDashes, Self::Tab, Self::Comma, Self::Pipe, Self::Spaces, Self::None];
}

/// The encoding of a text file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextEncoding {
    /// UTF-8, with or without a byte order mark.
    Utf8,
    /// GB18030, which includes GBK and GB2312.
    Gb18030,
}

/// How large a file and its parts may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Lines that are not blank, the header included.
    pub max_rows: u64,
    /// Bytes of one line of text.
    pub max_line_bytes: usize,
    /// Characters of one field.
    pub max_field_chars: usize,
    /// Bytes of a workbook as it is uploaded; text has no such limit here.
    pub max_workbook_bytes: u64,
    /// Bytes of a workbook when it is unpacked.
    pub max_unpacked_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_rows: 200_000,
            max_line_bytes: 4096,
            max_field_chars: 500,
            max_workbook_bytes: 32 * 1024 * 1024,
            max_unpacked_bytes: 128 * 1024 * 1024,
        }
    }
}

/// How to read a file. What is `None` is found out from the file.
#[derive(Debug, Clone)]
pub struct ReadOptions {
    /// The moment against which expiries are checked.
    pub now: DateTime<Utc>,
    /// The key under which numbers are hashed to find duplicates; any random key will do.
    pub hash_key: NumberHashKey,
    /// The kind of file, usually from its name.
    pub kind: Option<FileKind>,
    /// The separator.
    pub separator: Option<Separator>,
    /// The encoding of a text file.
    pub encoding: Option<TextEncoding>,
    /// The sheet of a workbook.
    pub sheet: Option<String>,
    /// How large the file may be.
    pub limits: Limits,
}

impl ReadOptions {
    /// Returns options that find out everything from the file.
    #[must_use]
    pub fn new(now: DateTime<Utc>, hash_key: NumberHashKey) -> Self {
        Self { now, hash_key, kind: None, separator: None, encoding: None, sheet: None, limits: Limits::default() }
    }
}

#[cfg(test)]
mod tests;
