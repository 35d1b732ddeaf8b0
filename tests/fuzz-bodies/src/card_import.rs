//! Card files: every line is accepted or refused with its number and reason, however the bytes arrive.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

use chrono::{DateTime, Utc};
use kamiflow_domain::card_file::{
    CardFileReader, CardLine, CardRow, FileKind, ImportReport, Limits, NumberHashKey, ReadOptions, Reason, Separator,
    TextEncoding,
};
use kamiflow_kernel::{SecretText, format_platform_time, parse_platform_time};

use crate::bytes::Bytes;

const KINDS: [Option<FileKind>; 5] =
    [None, Some(FileKind::Csv), Some(FileKind::Tsv), Some(FileKind::Txt), Some(FileKind::Xlsx)];
const ENCODINGS: [Option<TextEncoding>; 3] = [None, Some(TextEncoding::Utf8), Some(TextEncoding::Gb18030)];
const LONGEST_FIELD: usize = 40;

/// Gives out at most so many bytes at a time, as a network does.
struct Portions<'a> {
    rest: &'a [u8],
    most: usize,
}

impl Read for Portions<'_> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let wanted = into.len().min(self.most);
        let (now, later) = self.rest.split_at(wanted.min(self.rest.len()));
        self.rest = later;
        into.get_mut(..now.len()).expect("a portion fits").copy_from_slice(now);
        Ok(now.len())
    }
}

/// All rows, and the code of the error that ended them, if one did.
type Outcome = (Vec<CardRow>, Option<&'static str>);

/// Reads a file whose first three bytes choose kind, separator and encoding.
pub fn run(input: &[u8]) {
    let mut choices = Bytes::new(input);
    let kind = choices.one_of(&KINDS);
    let separator = Separator::ALL.get(usize::from(choices.below(14))).copied();
    let byte = choices.byte();
    let encoding = ENCODINGS.get(usize::from(byte) % 6).copied().flatten();
    let most = 1 + usize::from(byte >> 3);
    let file = choices.rest();
    let options = || ReadOptions { kind, separator, encoding, limits: small(), ..ReadOptions::new(now(), key()) };

    let (rows, error) = read(Portions { rest: file, most: usize::MAX }, options());
    let again = read(Portions { rest: file, most }, options());
    assert_eq!((&rows, error), (&again.0, again.1), "portions of {most} bytes read another file");
    each_row_is_sound(&rows);
    counts_add_up(&rows);
    if error.is_none() && !file.starts_with(b"PK\x03\x04") {
        no_line_is_lost(file, &rows);
    }
    let cards: Vec<CardLine> = rows
        .into_iter()
        .filter_map(|row| match row {
            CardRow::Card(card) => Some(card),
            CardRow::Rejected(_) => None,
        })
        .collect();
    let (with, without): (Vec<_>, Vec<_>) = cards.into_iter().partition(|card| card.secret.is_some());
    is_read_back(&with);
    is_read_back(&without);
}

fn now() -> DateTime<Utc> {
    parse_platform_time("2026-11-22 12:00:00").expect("the time is one")
}

const fn key() -> NumberHashKey {
    NumberHashKey::new([7; 32])
}

/// Small enough that inputs reach every limit.
fn small() -> Limits {
    Limits {
        max_rows: 200,
        max_line_bytes: 256,
        max_field_chars: LONGEST_FIELD,
        max_workbook_bytes: 256 * 1024,
        max_unpacked_bytes: 1024 * 1024,
    }
}

fn read(file: impl Read, options: ReadOptions) -> Outcome {
    let reader = match CardFileReader::open(file, options) {
        Ok(reader) => reader,
        Err(error) => {
            assert!(!error.to_string().is_empty() && !error.zh().is_empty());
            return (Vec::new(), Some(error.code()));
        }
    };
    let mut rows = Vec::new();
    for row in reader {
        match row {
            Ok(row) => rows.push(row),
            Err(error) => return (rows, Some(error.code())),
        }
    }
    (rows, None)
}

const fn line_of(row: &CardRow) -> u64 {
    match row {
        CardRow::Card(card) => card.line,
        CardRow::Rejected(refused) => refused.line,
    }
}

fn each_row_is_sound(rows: &[CardRow]) {
    let mut last = 0;
    let mut numbers: BTreeMap<u64, &str> = BTreeMap::new();
    let mut known: BTreeSet<&str> = BTreeSet::new();
    for row in rows {
        assert!(line_of(row) > last, "line {} after line {last}", line_of(row));
        last = line_of(row);
        match row {
            CardRow::Card(card) => {
                let number = card.number.expose();
                assert!(known.insert(number), "line {last} was accepted twice");
                numbers.insert(last, number);
                for field in [Some(&card.number), card.secret.as_ref()].into_iter().flatten() {
                    let text = field.expose();
                    assert!(!text.is_empty() && text.trim() == text, "line {last} has blank edges");
                    assert!(text.chars().count() <= LONGEST_FIELD, "line {last} is too long");
                    assert!(!text.chars().any(char::is_control), "line {last} has control characters");
                }
                assert!(card.expires_at.is_none_or(|at| at > now()), "line {last} has expired");
                let hidden = SecretText::from("x".repeat(number.len()));
                assert_eq!(format!("{:?}", card.number), format!("{hidden:?}"), "line {last} shows its number");
            }
            CardRow::Rejected(refused) => {
                let reason = &refused.reason;
                assert!(reason.code().starts_with("card_file."));
                assert!(!reason.zh().is_empty() && !reason.en().is_empty());
                if let Reason::DuplicateInFile { first_line } = reason {
                    assert!(*first_line < last && numbers.contains_key(first_line), "line {last} repeats no card");
                }
            }
        }
    }
}

fn counts_add_up(rows: &[CardRow]) {
    let mut report = ImportReport::default();
    rows.iter().for_each(|row| report.record(row));
    let cards = rows.iter().filter(|row| matches!(row, CardRow::Card(_))).count();
    assert_eq!(report.accepted(), u64::try_from(cards).expect("a count fits"));
    assert_eq!(report.accepted() + report.rejected_count(), u64::try_from(rows.len()).expect("a count fits"));
    let named: Vec<u64> = report.rejected().iter().map(|refused| refused.line).collect();
    let refused: Vec<u64> = rows.iter().filter(|row| matches!(row, CardRow::Rejected(_))).map(line_of).collect();
    assert_eq!(named, refused);
    let text = report.to_csv().expect("memory takes every report");
    let mut csv = csv::Reader::from_reader(text.trim_start_matches('\u{feff}').as_bytes());
    assert_eq!(csv.records().filter(Result::is_ok).count(), refused.len());
}

/// Counts lines in a way of its own. At most one line, the first that is not blank, may be a header.
fn no_line_is_lost(file: &[u8], rows: &[CardRow]) {
    let text = file.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(file);
    let mut lines: Vec<&[u8]> = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')).unwrap_or(rest.len());
        let (line, ending) = rest.split_at(end);
        lines.push(line);
        rest = ending.strip_prefix(b"\r\n").or_else(|| ending.get(1..)).unwrap_or_default();
    }
    let told: BTreeSet<u64> = rows.iter().map(line_of).collect();
    let mut first = true;
    for (line, number) in lines.iter().zip(1_u64..) {
        if line.iter().any(u8::is_ascii_alphanumeric) {
            assert!(told.contains(&number) || first, "line {number} of {} is lost", lines.len());
            first = false;
        } else if line.iter().all(u8::is_ascii_whitespace) {
            assert!(!told.contains(&number), "line {number} is blank");
        } else {
            // A line of signs may be blank in some encoding, and may be the header only if it comes first.
            first &= !told.contains(&number);
        }
    }
    assert!(told.last().is_none_or(|last| *last <= lines.len().try_into().expect("a count fits")));
}

/// What was accepted is accepted again, and is the same, from a file written by a library.
fn is_read_back(cards: &[CardLine]) {
    let Some(first) = cards.first() else { return };
    let mut writer = csv::WriterBuilder::new().quote_style(csv::QuoteStyle::Always).from_writer(Vec::new());
    let secrets = first.secret.is_some();
    let header: &[&str] = if secrets { &["卡号", "卡密", "有效期"] } else { &["卡号", "有效期"] };
    writer.write_record(header).expect("memory takes a line");
    for card in cards {
        let expiry = card.expires_at.map(format_platform_time).unwrap_or_default();
        let secret = card.secret.as_ref().map(|secret| secret.expose());
        let fields = [Some(card.number.expose()), secret, Some(&*expiry)].into_iter().flatten();
        writer.write_record(fields).expect("memory takes a line");
    }
    let file = writer.into_inner().expect("memory takes a file");
    let options = ReadOptions {
        separator: Some(Separator::Comma),
        encoding: Some(TextEncoding::Utf8),
        ..ReadOptions::new(now(), key())
    };
    let (rows, error) = read(&*file, options);
    assert_eq!(error, None, "a written file is not read");
    let content = |number: &str, secret: Option<&str>, at: Option<DateTime<Utc>>| {
        (number.to_owned(), secret.map(str::to_owned), at.map(format_platform_time))
    };
    let of = |card: &CardLine| content(card.number.expose(), card.secret.as_ref().map(|s| s.expose()), card.expires_at);
    let read: Vec<_> = rows
        .iter()
        .map(|row| match row {
            CardRow::Card(card) => of(card),
            CardRow::Rejected(refused) => panic!("line {} is refused now: {}", refused.line, refused.reason.code()),
        })
        .collect();
    assert_eq!(read, cards.iter().map(of).collect::<Vec<_>>());
}
