//! Rows out of an XLSX workbook. What a workbook may unpack to is bounded before the library reads a byte of it.
//!
//! An XLSX file is a ZIP archive, so a few kilobytes can claim gigabytes, and the shared-string table announces its own
//! size, which the library reserves. Both are checked first. The rows are then kept, without styles and markup, because
//! the library's cell reader borrows the workbook; that is less than the string table it holds anyway.

use std::io::{Cursor, Read};

use calamine::{Cell as SheetCell, DataRef, ExcelDateTime, Reader, SheetType, SheetVisible, Xlsx};
use chrono::{NaiveDate, NaiveDateTime};
use zeroize::Zeroizing;

use super::{CardFileError, Limits};

/// More cells than any card file has; a row that goes on is refused as a whole.
const MOST_COLUMNS: usize = 16;
/// The first number with 16 digits: spreadsheets keep 15.
const FIRST_INEXACT: f64 = 1e15;

/// A cell, as far as a card needs it.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Cell {
    Text(Zeroizing<String>),
    Date(NaiveDateTime),
    /// A number whose last digits the spreadsheet has lost.
    Inexact,
    Error,
}

/// A row with its number from 1; empty rows are left out.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) line: u64,
    pub(super) cells: Vec<Cell>,
}

/// Returns the rows of the chosen sheet, or of the only visible sheet that has any.
pub(super) fn rows(bytes: Vec<u8>, chosen: Option<&str>, limits: &Limits) -> Result<Vec<Row>, CardFileError> {
    check_unpacked(&bytes, limits.max_unpacked_bytes)?;
    let mut book: Xlsx<_> = Xlsx::new(Cursor::new(bytes)).map_err(broken)?;
    let names: Vec<String> = match chosen {
        Some(name) => vec![name.to_owned()],
        None => {
            let sheets = book.sheets_metadata().iter();
            let visible = sheets.filter(|s| s.typ == SheetType::WorkSheet && s.visible == SheetVisible::Visible);
            visible.map(|sheet| sheet.name.clone()).collect()
        }
    };
    let mut found: Option<(String, Vec<Row>)> = None;
    for name in names {
        let rows = sheet_rows(&mut book, &name, limits)?;
        if rows.is_empty() {
            continue;
        }
        if let Some((first, _)) = found {
            return Err(CardFileError::SeveralSheets { first, second: name });
        }
        found = Some((name, rows));
    }
    Ok(found.map(|(_, rows)| rows).unwrap_or_default())
}

fn sheet_rows(book: &mut Xlsx<Cursor<Vec<u8>>>, name: &str, limits: &Limits) -> Result<Vec<Row>, CardFileError> {
    let mut reader = book.worksheet_cells_reader(name).map_err(broken)?;
    let padding: Vec<usize> = reader.styles().iter().map(zero_padding).collect();
    let mut rows: Vec<Row> = Vec::new();
    while let Some((cell, style)) = reader.next_cell_with_style_id().map_err(broken)? {
        let Some(value) = convert(&cell, padding.get(style).copied().unwrap_or(0)) else { continue };
        let (row, column) = cell.get_position();
        let line = u64::from(row) + 1;
        if rows.last().is_none_or(|last| last.line != line) {
            if u64::try_from(rows.len()).unwrap_or(u64::MAX) > limits.max_rows {
                return Err(CardFileError::TooManyRows { limit: limits.max_rows });
            }
            rows.push(Row { line, cells: Vec::new() });
        }
        let Some(last) = rows.last_mut() else { continue };
        let column = usize::try_from(column).unwrap_or(usize::MAX).min(MOST_COLUMNS);
        if last.cells.len() <= column {
            last.cells.resize(column + 1, Cell::Text(Zeroizing::default()));
        }
        if let Some(slot) = last.cells.get_mut(column) {
            *slot = value;
        }
    }
    Ok(rows)
}

/// Returns the value of a cell; a formula has the value the spreadsheet stored with it. `None` for an empty cell.
fn convert(cell: &SheetCell<DataRef<'_>>, padding: usize) -> Option<Cell> {
    let text = |text: &str| (!text.trim().is_empty()).then(|| Cell::Text(Zeroizing::new(text.trim().to_owned())));
    match cell.get_value() {
        DataRef::Empty => None,
        DataRef::String(value) => text(value),
        DataRef::SharedString(value) => text(value),
        DataRef::Bool(value) => text(if *value { "TRUE" } else { "FALSE" }),
        DataRef::Int(value) if value.unsigned_abs() >= 1_000_000_000_000_000 => Some(Cell::Inexact),
        DataRef::Int(value) => text(&format!("{value:0padding$}")),
        DataRef::Float(value) if !value.is_finite() || value.abs() >= FIRST_INEXACT => Some(Cell::Inexact),
        DataRef::Float(value) => {
            let written = format!("{value:0padding$}");
            let digits = written.bytes().filter(u8::is_ascii_digit).count();
            if digits > 15 && value.fract() != 0.0 { Some(Cell::Inexact) } else { text(&written) }
        }
        DataRef::DateTime(value) => Some(moment(*value).map_or(Cell::Error, Cell::Date)),
        DataRef::DateTimeIso(value) | DataRef::DurationIso(value) => {
            let at = value
                .parse()
                .or_else(|_no_time| value.parse::<NaiveDate>().map(|day| day.and_time(chrono::NaiveTime::MIN)));
            Some(at.map_or(Cell::Error, Cell::Date))
        }
        DataRef::Error(_) => Some(Cell::Error),
    }
}

fn moment(value: ExcelDateTime) -> Option<NaiveDateTime> {
    if !value.is_datetime() || value.as_f64() < 1.0 {
        return None;
    }
    let (year, month, day, hour, minute, second, _) = value.to_ymd_hms_milli();
    let day = NaiveDate::from_ymd_opt(i32::from(year), u32::from(month), u32::from(day))?;
    day.and_hms_opt(u32::from(hour), u32::from(minute), u32::from(second))
}

/// Returns to how many digits a format such as `000000` fills up with zeros: the person who typed 001234 sees them, so
/// they are part of the card.
fn zero_padding(style: &calamine::Style) -> usize {
    let Some(format) = &style.number_format else { return 0 };
    let code = format.format_code.as_str();
    if code.len() <= 64 && code.bytes().all(|byte| byte == b'0') { code.len() } else { 0 }
}

/// Unpacks every part once, into nothing, and gives up at the limit.
fn check_unpacked(bytes: &[u8], limit: u64) -> Result<(), CardFileError> {
    let unreadable = |failed: zip::result::ZipError| CardFileError::BrokenWorkbook { detail: failed.to_string() };
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).map_err(unreadable)?;
    let mut left = limit;
    let mut buffer = vec![0_u8; 64 * 1024];
    for at in 0..archive.len() {
        let mut part = archive.by_index(at).map_err(unreadable)?;
        let strings = part.name().map_err(unreadable)?.to_ascii_lowercase().ends_with("sharedstrings.xml");
        let mut announced = AnnouncedCount::default();
        let mut size = 0_u64;
        loop {
            let read = part
                .read(&mut buffer)
                .map_err(|failed| CardFileError::BrokenWorkbook { detail: failed.to_string() })?;
            let Some(chunk) = buffer.get(..read).filter(|chunk| !chunk.is_empty()) else { break };
            let length = u64::try_from(read).unwrap_or(u64::MAX);
            size += length;
            left = left.checked_sub(length).ok_or(CardFileError::TooLarge { limit })?;
            if strings {
                announced.scan(chunk);
            }
        }
        // Each string needs five bytes at least (`<si/>`), so a higher count is a lie; a zero byte means UTF-16, in
        // which this search sees nothing.
        if strings && (announced.zero_byte || announced.highest > size / 5) {
            return Err(CardFileError::BrokenWorkbook { detail: "the string table is malformed".to_owned() });
        }
    }
    Ok(())
}

/// Finds the highest number any attribute of the part has, wherever chunks are cut.
#[derive(Default)]
struct AnnouncedCount {
    matched: usize,
    number: Option<u64>,
    highest: u64,
    zero_byte: bool,
}

impl AnnouncedCount {
    const NAME: &'static [u8] = b"uniqueCount";

    fn scan(&mut self, chunk: &[u8]) {
        for byte in chunk {
            self.zero_byte |= *byte == 0;
            if self.matched == Self::NAME.len() {
                self.scan_value(*byte);
            } else if Self::NAME.get(self.matched) == Some(byte) {
                self.matched += 1;
            } else {
                self.matched = usize::from(Self::NAME.first() == Some(byte));
            }
        }
    }

    fn scan_value(&mut self, byte: u8) {
        match (byte, self.number) {
            (b'0'..=b'9', number) => {
                let digit = u64::from(byte - b'0');
                let number = number.unwrap_or(0).saturating_mul(10).saturating_add(digit);
                self.highest = self.highest.max(number);
                self.number = Some(number);
            }
            (b'=' | b'"' | b'\'' | b'+' | b' ' | b'\t' | b'\r' | b'\n', None) => {}
            _ => (self.matched, self.number) = (0, None),
        }
    }
}

fn broken(failed: calamine::XlsxError) -> CardFileError {
    match failed {
        calamine::XlsxError::Password => CardFileError::Encrypted,
        calamine::XlsxError::WorksheetNotFound(name) => CardFileError::NoSuchSheet { name },
        other => CardFileError::BrokenWorkbook { detail: other.to_string() },
    }
}
