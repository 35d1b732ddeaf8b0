//! CSV that a spreadsheet may open: what merchants, buyers or strangers named never becomes a formula.

use csv::WriterBuilder;

use crate::card_file::formula_safe;

/// What tells spreadsheets that the file is UTF-8.
const MARK: &str = "\u{feff}";

/// Returns a file's first line.
pub(crate) fn head(names: &[&str]) -> Vec<u8> {
    let mut file = MARK.as_bytes().to_vec();
    file.extend(lines([names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()]));
    file
}

/// Returns lines of cells.
pub(crate) fn lines(rows: impl IntoIterator<Item = Vec<String>>) -> Vec<u8> {
    let mut writer = WriterBuilder::new().flexible(true).from_writer(Vec::new());
    for row in rows {
        // Memory refuses nothing.
        let _written = writer.write_record(row.iter().map(|cell| formula_safe(cell).into_owned()));
    }
    writer.into_inner().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_never_a_formula_and_never_another_cell() {
        let cells = ["=1+1", "+1", "-1", "@x", "\tx", "＝1", "plain", "a,b", "a\"b", "a\nb", ""];
        let text = String::from_utf8(lines([cells.map(str::to_owned).to_vec()])).unwrap();
        assert_eq!(text, "'=1+1,'+1,'-1,'@x,'\tx,'＝1,plain,\"a,b\",\"a\"\"b\",\"a\nb\",\n");
        let read = csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes()).into_records().count();
        assert_eq!(read, 1);
    }

    #[test]
    fn a_file_begins_with_the_mark_of_its_encoding() {
        assert_eq!(head(&["at", "谁"]), "\u{feff}at,谁\n".as_bytes());
    }
}
