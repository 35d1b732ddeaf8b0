//! One line into fields: by a separator, with quotes where spreadsheets write them, or by labels.

use std::borrow::Cow;

use super::columns::{Column, NAMES};
use super::{Reason, Separator, expiry};

/// A quote that opens a field and does not close on the line.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct OpenQuote;

/// Returns the trimmed fields of a line.
pub(super) fn fields(text: &str, separator: Separator) -> Result<Vec<Cow<'_, str>>, OpenQuote> {
    let plain = |field| Cow::Borrowed(str::trim(field));
    match separator {
        Separator::FourDashes => Ok(text.split("----").map(plain).collect()),
        Separator::Pipe => Ok(text.split('|').map(plain).collect()),
        Separator::Tab => quoted(text, '\t'),
        Separator::Comma => quoted(text, ','),
        Separator::Spaces => Ok(spaced(text)),
        Separator::None | Separator::Labels => Ok(vec![plain(text)]),
    }
}

/// Splits at white space; a date and a time that follow each other at the end are one field.
fn spaced(text: &str) -> Vec<Cow<'_, str>> {
    let mut fields: Vec<Cow<'_, str>> = text.split_whitespace().map(Cow::Borrowed).collect();
    if let [.., date, time] = fields.as_slice()
        && expiry::is_date(date)
        && expiry::is_time(time)
    {
        let joined = format!("{date} {time}");
        fields.truncate(fields.len().saturating_sub(2));
        fields.push(Cow::Owned(joined));
    }
    fields
}

/// Splits as RFC 4180 says. A quote inside a field that did not start with one is data: secrets contain quotes.
fn quoted(text: &str, separator: char) -> Result<Vec<Cow<'_, str>>, OpenQuote> {
    let mut fields = Vec::new();
    let mut rest = text;
    loop {
        let start = rest.trim_start_matches(|c: char| c.is_whitespace() && c != separator);
        let Some(inside) = start.strip_prefix('"') else {
            let Some((field, after)) = rest.split_once(separator) else {
                fields.push(Cow::Borrowed(rest.trim()));
                return Ok(fields);
            };
            fields.push(Cow::Borrowed(field.trim()));
            rest = after;
            continue;
        };
        let (field, after) = closing_quote(inside, separator).ok_or(OpenQuote)?;
        fields.push(Cow::Owned(field.trim().replace("\"\"", "\"")));
        let Some(after) = after else { return Ok(fields) };
        rest = after;
    }
}

/// Returns the text up to the quote that closes a field, and what follows its separator.
fn closing_quote(inside: &str, separator: char) -> Option<(&str, Option<&str>)> {
    let mut from = 0;
    loop {
        let at = from + inside.get(from..)?.find('"')?;
        let after = inside.get(at + 1..)?;
        if after.starts_with('"') {
            from = at + 2;
            continue;
        }
        let trimmed = after.trim_start_matches(|c: char| c.is_whitespace() && c != separator);
        let field = inside.get(..at)?;
        if trimmed.is_empty() {
            return Some((field, None));
        }
        if let Some(next) = trimmed.strip_prefix(separator) {
            return Some((field, Some(next)));
        }
        from = at + 1;
    }
}

/// The fields of a line of labels.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Labeled<'a> {
    pub(super) number: Option<&'a str>,
    pub(super) secret: Option<&'a str>,
    pub(super) expiry: Option<&'a str>,
}

struct Label<'a> {
    name: &'a str,
    column: Option<Column>,
    start: usize,
    value: usize,
}

/// Returns whether a line has a known label.
pub(super) fn has_label(text: &str) -> bool {
    labels(text).iter().any(|label| label.column.is_some())
}

/// Returns what each label of a line names.
pub(super) fn labeled(text: &str) -> Result<Labeled<'_>, Reason> {
    let labels = labels(text);
    let before = labels.first().map_or(text, |label| text.get(..label.start).unwrap_or(text));
    if !before.trim().is_empty() || labels.is_empty() {
        return Err(Reason::UnknownLabel { label: String::new() });
    }
    let mut found = Labeled::default();
    for (at, label) in labels.iter().enumerate() {
        let next = labels.get(at + 1);
        let value = text.get(label.value..next.map_or(text.len(), |next| next.start)).unwrap_or_default().trim();
        // Only between two labels is punctuation a separator; at the end of the line it belongs to the secret.
        let value = if next.is_some() { value.trim_end_matches(PUNCTUATION).trim_end_matches("----") } else { value };
        let slot = match label.column {
            Some(Column::Number) => &mut found.number,
            Some(Column::Secret) => &mut found.secret,
            Some(Column::Expiry) => &mut found.expiry,
            None => return Err(Reason::UnknownLabel { label: label.name.to_owned() }),
        };
        if slot.replace(value.trim()).is_some() {
            return Err(Reason::RepeatedLabel);
        }
    }
    Ok(found)
}

const PUNCTUATION: [char; 6] = [',', '，', ';', '；', '|', '、'];

fn labels(text: &str) -> Vec<Label<'_>> {
    text.char_indices().filter(|(_, c)| matches!(c, ':' | '：')).filter_map(|(at, c)| label(text, at, c)).collect()
}

/// Returns the label that ends at a colon, if what stands before the colon is one.
fn label(text: &str, colon: usize, sign: char) -> Option<Label<'_>> {
    let before = text.get(..colon)?.trim_end();
    let lower = before.to_ascii_lowercase();
    let value = colon + sign.len_utf8();
    for (name, column) in NAMES {
        let Some(head) = lower.strip_suffix(name) else { continue };
        if bounded(head, name) {
            let start = head.len();
            return Some(Label { name: before.get(start..)?, column: Some(*column), start, value });
        }
    }
    // A short Chinese word before a colon is meant as a label; anything else, a URL say, is part of a value.
    let start = before.char_indices().rev().take_while(|(_, c)| is_chinese(*c)).last().map(|(at, _)| at)?;
    let name = before.get(start..)?;
    (name.chars().count() <= 8).then_some(Label { name, column: None, start, value })
}

fn bounded(head: &str, name: &str) -> bool {
    let Some(last) = head.chars().next_back() else { return true };
    let chinese = name.chars().next().is_some_and(is_chinese);
    last.is_whitespace() || PUNCTUATION.contains(&last) || (chinese && !is_chinese(last)) || head.ends_with("----")
}

fn is_chinese(c: char) -> bool {
    ('\u{4e00}'..='\u{9fff}').contains(&c)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn split(text: &str, separator: Separator) -> Vec<String> {
        fields(text, separator).unwrap().into_iter().map(Cow::into_owned).collect()
    }

    #[test]
    fn separators_split() {
        assert_eq!(split("A1----p,q|r", Separator::FourDashes), ["A1", "p,q|r"]);
        assert_eq!(split(" A1 | p ", Separator::Pipe), ["A1", "p"]);
        assert_eq!(split("A1\t\tx", Separator::Tab), ["A1", "", "x"]);
        assert_eq!(split("A1   p\u{3000}2026-12-31 10:00", Separator::Spaces), ["A1", "p", "2026-12-31 10:00"]);
        assert_eq!(split(r#"A1,"p,""q""" ,x"#, Separator::Comma), ["A1", "p,\"q\"", "x"]);
        assert_eq!(split(r#"A"1,p""#, Separator::Comma), ["A\"1", "p\""]);
        assert_eq!(split(r#""A"1",p"#, Separator::Comma), ["A\"1", "p"]);
        assert_eq!(fields(r#"A1,"p"#, Separator::Comma), Err(OpenQuote));
    }

    #[test]
    fn labels_split_with_either_colon_and_without_spaces() {
        let expected = Labeled { number: Some("A1"), secret: Some("p:1"), expiry: None };
        for text in [
            "卡号：A1 卡密：p:1",
            "卡号:A1，卡密:p:1",
            "卡号：A1卡密：p:1",
            "Number: A1 secret: p:1",
            "卡密: p:1 卡号: A1",
        ] {
            assert_eq!(labeled(text).as_ref(), Ok(&expected), "{text}");
        }
        assert_eq!(labeled("卡密：https://a.example/x,").unwrap().secret, Some("https://a.example/x,"));
        assert_eq!(labeled("卡号：A1 有效期至：2026-12-31 10:20").unwrap().expiry, Some("2026-12-31 10:20"));
        assert_eq!(labeled("卡号：A1 备注：x"), Err(Reason::UnknownLabel { label: "备注".to_owned() }));
        assert_eq!(labeled("A1 卡密：x"), Err(Reason::UnknownLabel { label: String::new() }));
        assert_eq!(labeled("卡号：A1 卡号：A2"), Err(Reason::RepeatedLabel));
    }

    proptest! {
        #[test]
        fn fields_written_by_a_csv_library_come_back(
            row in prop::collection::vec("[a-zA-Z0-9,\" |-]{1,12}", 1..4)
        ) {
            let mut writer = csv::Writer::from_writer(Vec::new());
            writer.write_record(&row).unwrap();
            let line = String::from_utf8(writer.into_inner().unwrap()).unwrap();
            let expected: Vec<_> = row.iter().map(|field| field.trim().to_owned()).collect();
            // The library quotes only where it must, so blank edges are ours to trim on both sides.
            prop_assert_eq!(split(line.trim_end_matches(['\r', '\n']), Separator::Comma), expected);
        }

        #[test]
        fn any_line_is_split_without_a_panic(text in "\\PC{0,60}", label in 0..3_usize) {
            let text = format!("{}{text}", ["", "卡号：", "\""].get(label).unwrap());
            for separator in Separator::ALL {
                let _fields = fields(&text, *separator);
            }
            let _labeled = labeled(&text);
        }
    }
}
