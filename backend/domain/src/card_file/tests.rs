//! Card files of every shape are read line by line, and no line is lost or logged.

use std::io::Read;

use kamiflow_kernel::{format_platform_time, parse_platform_time};
use proptest::prelude::*;
use rust_xlsxwriter::{Format, Formula, Workbook};

use super::*;

fn options(name: &str) -> ReadOptions {
    let now = parse_platform_time("2026-11-22 12:00:00").unwrap();
    ReadOptions { kind: FileKind::from_file_name(name), ..ReadOptions::new(now, NumberHashKey::new([7; 32])) }
}

fn read_with(bytes: &[u8], options: ReadOptions) -> Result<Vec<String>, CardFileError> {
    let show = |row: CardRow| match row {
        CardRow::Card(card) => {
            let mut text = format!("{} {}", card.line, card.number.expose());
            if let Some(secret) = &card.secret {
                text.push_str(&format!(" {}", secret.expose()));
            }
            if let Some(at) = card.expires_at {
                text.push_str(&format!(" until {}", format_platform_time(at)));
            }
            text
        }
        CardRow::Rejected(line) => format!("{} !{}", line.line, line.reason.code().trim_start_matches("card_file.")),
    };
    CardFileReader::open(bytes, options)?.map(|row| row.map(show)).collect()
}

fn read(name: &str, bytes: impl AsRef<[u8]>) -> Vec<String> {
    read_with(bytes.as_ref(), options(name)).unwrap()
}

fn refused(name: &str, bytes: impl AsRef<[u8]>) -> &'static str {
    read_with(bytes.as_ref(), options(name)).unwrap_err().code()
}

#[test]
fn every_separator_is_found() {
    let expected = ["1 A1 p1 until 2026-12-31 23:59:59", "2 A2 p2", "4 A3 p3"];
    for (name, sign) in [
        ("a.txt", "----"),
        ("a.tsv", "\t"),
        ("a.csv", ","),
        ("a.txt", "|"),
        ("a.txt", " "),
        ("a.csv", "----"),
        ("a", "\t"),
    ] {
        let text = format!("A1{sign}p1{sign}2026-12-31\nA2{sign}p2\n\nA3{sign}p3\n");
        assert_eq!(read(name, text), expected, "{name} {sign:?}");
    }
    assert_eq!(read("a.txt", "卡号：A1 卡密：p1 有效期：2026-12-31\n卡号:A2 卡密:p2\n\n卡号：A3，卡密：p3"), expected);
    assert_eq!(read("a.txt", "A1\r\nA2\rA3"), ["1 A1", "2 A2", "3 A3"]);
}

#[test]
fn the_separator_holds_for_the_whole_file() {
    let mut text = "A----b,c|d\n".to_owned();
    text.push_str("B,x\nC----y\n");
    assert_eq!(read("a.txt", &text), ["1 A b,c|d", "2 !missing_secret", "3 C y"]);
    assert_eq!(read("a.txt", "A1\nA2\nA3\nA4----p4\nA5"), ["1 A1", "2 A2", "3 A3", "4 !too_many_columns", "5 A5"]);
    let chosen = ReadOptions { separator: Some(Separator::None), ..options("a.csv") };
    assert_eq!(read_with(b"A 1,x\nA 2,y", chosen).unwrap(), ["1 A 1,x", "2 A 2,y"]);
}

#[test]
fn a_header_names_the_columns_in_any_order() {
    assert_eq!(
        read("a.csv", "有效期,*卡密（必填）,卡号\n2026-12-31,p1,A1\n,p2,A2\n"),
        ["2 A1 p1 until 2026-12-31 23:59:59", "3 A2 p2"]
    );
    assert_eq!(read("a.csv", "\nNumber,Expiry\nA1,20261231\n"), ["3 A1 until 2026-12-31 23:59:59"]);
    assert_eq!(read("a.txt", "卡密\nA1\n"), ["2 A1"]);
    assert_eq!(refused("a.csv", "卡号,备注\nA1,x\n"), "card_file.unknown_column");
    assert_eq!(refused("a.csv", "卡号,卡号\nA1,x\n"), "card_file.repeated_column");
    assert_eq!(refused("a.csv", "有效期,expiry\n"), "card_file.repeated_column");
    assert_eq!(refused("a.csv", "有效期\n2026-12-31\n"), "card_file.no_number_column");
    assert_eq!(refused("a.csv", "A1,2026-12-31\nA2,2027-01-01\n"), "card_file.date_as_secret");
}

#[test]
fn every_bad_line_is_refused_with_its_number_and_reason() {
    let long = "x".repeat(501);
    let text = format!(
        "A1,p1\n,p2\nA3\nA1,p4\nA5,p5,31/12/2026\nA6,p6,2026-11-21\n6.22202E+18,p7\nA8,1.5E10\nA9,p\u{7}9\nA10,p,,x\n\
         {long},p11\nA12,\"p\nA13,p\u{200b}\n=1+1,12E5\n{},p15\nA16,p16\n",
        "y".repeat(5000)
    );
    assert_eq!(
        read("a.csv", text),
        [
            "1 A1 p1",
            "2 !empty_number",
            "3 !missing_secret",
            "4 !duplicate_in_file",
            "5 !bad_expiry",
            "6 !expired",
            "7 !numeric_precision",
            "8 !numeric_precision",
            "9 !control_characters",
            "10 !too_many_columns",
            "11 !too_long",
            "12 !unclosed_quote",
            "13 !control_characters",
            "14 =1+1 12E5",
            "15 !line_too_long",
            "16 A16 p16",
        ]
    );
}

#[test]
fn a_duplicate_names_the_line_that_was_accepted() {
    let rows: Vec<_> = CardFileReader::open(&b"A1,x,2020-01-01\nA1,x\nA1,y\n"[..], options("a.csv")).unwrap().collect();
    let Some(Ok(CardRow::Rejected(line))) = rows.get(2) else { panic!("{rows:?}") };
    assert_eq!(line.reason, Reason::DuplicateInFile { first_line: 2 });
}

#[test]
fn a_quoted_field_over_several_lines_is_refused_line_by_line() {
    assert_eq!(
        read("a.csv", "A1,p1\nA2,\"p\n2\"\nA3,\"p,3\"\nA4,p4\n"),
        ["1 A1 p1", "2 !line_break_in_field", "3 !line_break_in_field", "4 A3 p,3", "5 A4 p4"]
    );
}

#[test]
fn labels_that_are_not_known_are_refused() {
    assert_eq!(
        read("a.txt", "卡号：A1 卡密：p1\n账户：x 卡密：p2\nA3 p3\n卡号：A4\n卡密：p5\n卡号：A6 卡密：p6"),
        ["1 A1 p1", "2 !unknown_label", "3 !unknown_label", "4 !missing_secret", "5 !empty_number", "6 A6 p6"]
    );
    assert_eq!(read("a.txt", "卡密：p1\n卡密：p2"), ["1 p1", "2 p2"]);
}

#[test]
fn encodings_are_recognized() {
    let text = "卡号,卡密\n甲1,乙1\n甲2,乙2\n";
    let expected = ["2 甲1 乙1", "3 甲2 乙2"];
    let (gb18030, _, _) = encoding_rs::GB18030.encode(text);
    assert_eq!(read("a.csv", text), expected);
    assert_eq!(read("a.csv", format!("\u{feff}{text}")), expected);
    assert_eq!(read("a.csv", &gb18030), expected);
    let utf16: Vec<u8> = format!("\u{feff}{text}").encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(refused("a.csv", utf16), "card_file.utf16");
    let bare: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(refused("a.csv", bare), "card_file.not_text");
    assert_eq!(read("a.csv", b"\xE7\x94\xB2,p1\nA\xFF,p2\nA3,p3\n"), ["1 甲 p1", "2 !undecodable", "3 A3 p3"]);
}

#[test]
fn bytes_that_turn_up_after_the_first_chunk_are_refused_line_by_line() {
    let mut file = Vec::new();
    for number in 0..6000 {
        file.extend_from_slice(format!("CARD-{number:05},p{number}\n").as_bytes());
    }
    assert!(file.len() > lines::FIRST_CHUNK);
    file.extend_from_slice(b"A\xB1\xB1,p\nLAST,p\n");
    let rows = read("a.csv", &file);
    assert_eq!(rows.len(), 6002);
    assert_eq!(rows[6000..], ["6001 !undecodable", "6002 LAST p"]);
}

#[test]
fn limits_are_errors_of_the_whole_file() {
    let mut few = options("a.csv");
    few.limits.max_rows = 2;
    let rows: Vec<_> = CardFileReader::open(&b"A1\nA2\nA3\nA4\n"[..], few).unwrap().collect();
    assert_eq!(rows.len(), 3, "it ends after the error");
    assert!(matches!(rows[2], Err(CardFileError::TooManyRows { limit: 2 })));
    assert_eq!(refused("a.xlsx", "A1,p1"), "card_file.not_a_workbook");
    assert_eq!(refused("a.xls", b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1rest"), "card_file.old_workbook");
    assert_eq!(refused("a.xlsx", b"PK\x03\x04 not really"), "card_file.broken_workbook");
    assert!(read("a.txt", "").is_empty());
}

/// Gives one byte at a time and fails in the end: nothing may depend on how bytes arrive.
struct Dribble<'a>(&'a [u8]);

impl Read for Dribble<'_> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let Some((first, rest)) = self.0.split_first() else { return Err(std::io::Error::other("cut off")) };
        self.0 = rest;
        into[0] = *first;
        Ok(1)
    }
}

#[test]
fn a_file_that_is_cut_off_is_an_error_and_not_a_short_file() {
    let failed = CardFileReader::open(Dribble(b"A1,p1\r\nA2,p2"), options("a.csv")).unwrap_err();
    assert_eq!(failed.code(), "card_file.read_failed");
}

fn workbook(fill: impl FnOnce(&mut Workbook)) -> Vec<u8> {
    let mut book = Workbook::new();
    fill(&mut book);
    book.save_to_buffer().unwrap()
}

#[test]
fn a_workbook_is_read_cell_by_cell() {
    let bytes = workbook(|book| {
        let date = Format::new().set_num_format("yyyy-mm-dd");
        let padded = Format::new().set_num_format("000000");
        let sheet = book.add_worksheet();
        for (column, name) in ["卡号", "卡密", "有效期"].into_iter().enumerate() {
            sheet.write(0, u16::try_from(column).unwrap(), name).unwrap();
        }
        let row = |sheet: &mut rust_xlsxwriter::Worksheet, row, number: &str, secret: &str| {
            sheet.write(row, 0, number).unwrap();
            sheet.write(row, 1, secret).unwrap();
        };
        row(sheet, 1, "A1", "p,1");
        let day = rust_xlsxwriter::ExcelDateTime::from_ymd(2026, 12, 31).unwrap();
        sheet.write_with_format(1, 2, &day, &date).unwrap();
        row(sheet, 2, "123456789012345", "p2");
        sheet.write(2, 0, 123_456_789_012_345.0).unwrap();
        sheet.write(2, 2, 20_261_231).unwrap();
        row(sheet, 4, "", "p3");
        sheet.write(4, 0, 6.222_021_234_567_89e18).unwrap();
        row(sheet, 5, "", "p4");
        sheet.write_with_format(5, 0, 1234, &padded).unwrap();
        row(sheet, 6, "A7", "");
        sheet.write_formula(6, 1, Formula::new("=\"x\"&\"y\"").set_result("xy")).unwrap();
        row(sheet, 7, "A8", "");
        sheet.write_with_format(7, 1, &day, &date).unwrap();
        row(sheet, 8, "=1+1", "p9");
        row(sheet, 9, "A10", "p10");
        sheet.write(9, 5, "extra").unwrap();
        row(sheet, 10, "A1", "p11");
        sheet.write(11, 1, "p12").unwrap();
        row(sheet, 12, "6.22202E+18", "p13");
    });
    assert_eq!(
        read("a.xlsx", bytes),
        [
            "2 A1 p,1 until 2026-12-31 23:59:59",
            "3 123456789012345 p2 until 2026-12-31 23:59:59",
            "5 !numeric_precision",
            "6 001234 p4",
            "7 A7 xy",
            "8 !date_cell",
            "9 =1+1 p9",
            "10 !too_many_columns",
            "11 !duplicate_in_file",
            "12 !empty_number",
            "13 !numeric_precision",
        ]
    );
}

#[test]
fn lines_pasted_into_one_column_of_a_sheet_are_split() {
    let bytes = workbook(|book| {
        let sheet = book.add_worksheet();
        for (row, text) in ["A1----p1", "A2----p2"].into_iter().enumerate() {
            sheet.write(u32::try_from(row).unwrap(), 0, text).unwrap();
        }
    });
    assert_eq!(read("cards.csv", bytes), ["1 A1 p1", "2 A2 p2"], "the contents decide, not the name");
}

#[test]
fn only_one_sheet_may_have_rows_unless_one_is_chosen() {
    let bytes = workbook(|book| {
        for name in ["甲", "乙"] {
            book.add_worksheet().set_name(name).unwrap().write(0, 0, format!("{name}1")).unwrap();
        }
        book.add_worksheet();
    });
    assert_eq!(refused("a.xlsx", &bytes), "card_file.several_sheets");
    let chosen = |name: &str| ReadOptions { sheet: Some(name.to_owned()), ..options("a.xlsx") };
    assert_eq!(read_with(&bytes, chosen("乙")).unwrap(), ["1 乙1"]);
    assert_eq!(read_with(&bytes, chosen("丙")).unwrap_err().code(), "card_file.no_such_sheet");
}

#[test]
fn a_workbook_that_lies_about_its_size_is_refused_before_it_is_read() {
    let bytes = workbook(|book| {
        let sheet = book.add_worksheet();
        for row in 0..20_000 {
            sheet.write(row, 0, "the same long text again and again").unwrap();
        }
    });
    let mut tight = options("a.xlsx");
    tight.limits.max_unpacked_bytes = 200_000;
    assert!(matches!(read_with(&bytes, tight).unwrap_err(), CardFileError::TooLarge { limit: 200_000 }));

    let lying = repacked(&bytes, "sharedStrings.xml", |part| {
        part.replace("uniqueCount=\"1\"", "uniqueCount=\"9000000000000000000\"")
    });
    assert_eq!(refused("a.xlsx", lying), "card_file.broken_workbook");
}

fn repacked(bytes: &[u8], name: &str, change: impl Fn(String) -> String) -> Vec<u8> {
    use std::io::Write;
    let mut from = zip::ZipArchive::new(std::io::Cursor::new(bytes)).unwrap();
    let mut to = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for at in 0..from.len() {
        let mut part = from.by_index(at).unwrap();
        let own_name = part.name().unwrap().into_owned();
        let mut text = String::new();
        part.read_to_string(&mut text).unwrap();
        if own_name.ends_with(name) {
            let changed = change(text.clone());
            assert_ne!(changed, text);
            text = changed;
        }
        to.start_file(own_name.as_str(), zip::write::SimpleFileOptions::default()).unwrap();
        to.write_all(text.as_bytes()).unwrap();
    }
    to.finish().unwrap().into_inner()
}

#[test]
fn nothing_of_a_card_is_in_what_is_logged_or_reported() {
    let mut reader = CardFileReader::open(&b"TOPSECRET,HIDDEN\nTOPSECRET,HIDDEN\n"[..], options("a.csv")).unwrap();
    let mut report = ImportReport::default();
    let mut seen = format!("{reader:?}");
    for row in &mut reader {
        let row = row.unwrap();
        report.record(&row);
        seen.push_str(&format!("{row:?}"));
    }
    seen.push_str(&report.to_csv().unwrap());
    assert!(!seen.contains("TOPSECRET") && !seen.contains("HIDDEN"), "{seen}");
    assert_eq!((report.accepted(), report.rejected_count()), (1, 1));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn what_is_written_is_read_back(
        cards in prop::collection::btree_map("[A-Z]{3}-[A-Z0-9]{2,10}", "[a-z][a-z0-9#@!]{3,12}", 1..40),
        sign in prop::sample::select(vec!["----", "\t", ",", "|", " "]),
        end in prop::sample::select(vec!["\n", "\r\n", "\r"]),
        header in any::<bool>(),
    ) {
        let mut text = if header { format!("卡号{sign}卡密{end}") } else { String::new() };
        let mut expected = Vec::new();
        for (at, (number, secret)) in cards.iter().enumerate() {
            text.push_str(&format!("{number}{sign}{secret}{end}"));
            expected.push(format!("{} {number} {secret}", at + 1 + usize::from(header)));
        }
        prop_assert_eq!(read("cards.txt", &text), expected.clone());
        let (gb18030, _, _) = encoding_rs::GB18030.encode(&text);
        prop_assert_eq!(read("cards.txt", &gb18030), expected);
    }

    #[test]
    fn every_line_that_is_not_blank_comes_out_once(
        lines in prop::collection::vec("[A-Z0-9,|\" \t-]{0,20}", 0..60),
        separator in prop::sample::select(Separator::ALL),
    ) {
        let text = lines.join("\n");
        let chosen = ReadOptions { separator: Some(separator), ..options("a.txt") };
        let rows = read_with(text.as_bytes(), chosen).unwrap();
        let numbers: Vec<u64> = rows.iter().map(|row| row.split(' ').next().unwrap().parse().unwrap()).collect();
        let expected: Vec<u64> = (1_u64..)
            .zip(&lines)
            .filter(|(_, line)| !line.trim().is_empty())
            .map(|(at, _)| at)
            .collect();
        prop_assert_eq!(numbers, expected);
    }

    #[test]
    fn any_bytes_end_in_rows_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        for name in ["a.csv", "a.xlsx", "a"] {
            let _outcome = read_with(&bytes, options(name));
        }
    }
}
