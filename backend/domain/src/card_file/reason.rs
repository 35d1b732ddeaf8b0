//! Why a line of a card file is refused: a stable code, and a sentence in Chinese and in English.

/// Why one line was refused. Codes are API: add, never rename.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// The line has no card number.
    EmptyNumber,
    /// Most lines have a secret and this one has none.
    MissingSecret,
    /// A field is longer than the limit, in characters.
    TooLong {
        /// The most characters a field may have.
        limit: usize,
    },
    /// The line itself is longer than the limit, in bytes.
    LineTooLong {
        /// The most bytes a line may have.
        limit: usize,
    },
    /// The number stands on an earlier line of the file.
    DuplicateInFile {
        /// The line that was accepted.
        first_line: u64,
    },
    /// The number is in stock, or was; found by the caller, who knows the stock.
    DuplicateInStock,
    /// The expiry is not a date.
    BadExpiry,
    /// The card has expired already.
    Expired,
    /// A numeric cell, or a text in scientific form, that lost digits.
    NumericPrecision,
    /// The spreadsheet turned the field into a date.
    DateCell,
    /// The cell holds an error such as `#N/A`.
    CellError,
    /// A field contains control or invisible characters.
    ControlCharacters,
    /// A quoted field runs over several lines.
    LineBreakInField,
    /// A quoted field is never closed.
    UnclosedQuote,
    /// The line has more columns than the file.
    TooManyColumns,
    /// The bytes are not text in the file's encoding.
    Undecodable,
    /// A label that is none of number, secret or expiry, or a line without labels in a file that has them.
    UnknownLabel {
        /// The label, empty where the line has none.
        label: String,
    },
    /// The same label stands twice on the line.
    RepeatedLabel,
}

impl Reason {
    /// Returns the stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::EmptyNumber => "card_file.empty_number",
            Self::MissingSecret => "card_file.missing_secret",
            Self::TooLong { .. } => "card_file.too_long",
            Self::LineTooLong { .. } => "card_file.line_too_long",
            Self::DuplicateInFile { .. } => "card_file.duplicate_in_file",
            Self::DuplicateInStock => "card_file.duplicate_in_stock",
            Self::BadExpiry => "card_file.bad_expiry",
            Self::Expired => "card_file.expired",
            Self::NumericPrecision => "card_file.numeric_precision",
            Self::DateCell => "card_file.date_cell",
            Self::CellError => "card_file.cell_error",
            Self::ControlCharacters => "card_file.control_characters",
            Self::LineBreakInField => "card_file.line_break_in_field",
            Self::UnclosedQuote => "card_file.unclosed_quote",
            Self::TooManyColumns => "card_file.too_many_columns",
            Self::Undecodable => "card_file.undecodable",
            Self::UnknownLabel { .. } => "card_file.unknown_label",
            Self::RepeatedLabel => "card_file.repeated_label",
        }
    }

    /// Returns the reason as a Chinese sentence that says what to do.
    #[must_use]
    pub fn zh(&self) -> String {
        match self {
            Self::EmptyNumber => "卡号为空".to_owned(),
            Self::MissingSecret => "缺少卡密：文件中其他行都有卡密".to_owned(),
            Self::TooLong { limit } => format!("内容超过 {limit} 个字符"),
            Self::LineTooLong { limit } => format!("整行超过 {limit} 字节"),
            Self::DuplicateInFile { first_line } => format!("与第 {first_line} 行的卡号重复"),
            Self::DuplicateInStock => "该卡号已在库存中".to_owned(),
            Self::BadExpiry => "有效期无法识别，请写成 2026-12-31 或 2026-12-31 23:59:59".to_owned(),
            Self::Expired => "卡已过期".to_owned(),
            Self::NumericPrecision => {
                "数字超过 15 位或为科学计数法，末尾几位已丢失；请把单元格格式设为“文本”后重新填写".to_owned()
            }
            Self::DateCell => "表格把内容变成了日期；请把单元格格式设为“文本”后重新填写".to_owned(),
            Self::CellError => "单元格是错误值（如 #N/A）".to_owned(),
            Self::ControlCharacters => "含有不可见字符或控制字符".to_owned(),
            Self::LineBreakInField => "引号内的内容跨了多行".to_owned(),
            Self::UnclosedQuote => "引号没有结束".to_owned(),
            Self::TooManyColumns => "列数多于文件的其他行".to_owned(),
            Self::Undecodable => "含有无法解码的字节，请将文件另存为 UTF-8".to_owned(),
            Self::UnknownLabel { label } if label.is_empty() => "缺少“卡号：”或“卡密：”标签".to_owned(),
            Self::UnknownLabel { label } => format!("无法识别的标签“{label}”"),
            Self::RepeatedLabel => "同一行中标签重复".to_owned(),
        }
    }

    /// Returns the reason as an English sentence that says what to do.
    #[must_use]
    pub fn en(&self) -> String {
        match self {
            Self::EmptyNumber => "the card number is empty".to_owned(),
            Self::MissingSecret => "the secret is missing, while other lines of the file have one".to_owned(),
            Self::TooLong { limit } => format!("a field is longer than {limit} characters"),
            Self::LineTooLong { limit } => format!("the line is longer than {limit} bytes"),
            Self::DuplicateInFile { first_line } => format!("the number is the same as on line {first_line}"),
            Self::DuplicateInStock => "the number is in stock already".to_owned(),
            Self::BadExpiry => "the expiry is not a date such as 2026-12-31 or 2026-12-31 23:59:59".to_owned(),
            Self::Expired => "the card has expired".to_owned(),
            Self::NumericPrecision => {
                "a number of over 15 digits or in scientific form has lost digits; format the cells as text and fill \
                 them in again"
                    .to_owned()
            }
            Self::DateCell => {
                "the spreadsheet made a date of it; format the cells as text and fill them in again".to_owned()
            }
            Self::CellError => "the cell holds an error such as #N/A".to_owned(),
            Self::ControlCharacters => "it contains invisible or control characters".to_owned(),
            Self::LineBreakInField => "a quoted field runs over several lines".to_owned(),
            Self::UnclosedQuote => "a quote is not closed".to_owned(),
            Self::TooManyColumns => "it has more columns than the other lines of the file".to_owned(),
            Self::Undecodable => "it contains bytes that cannot be decoded; save the file as UTF-8".to_owned(),
            Self::UnknownLabel { label } if label.is_empty() => "it has no label such as 卡号： or 卡密：".to_owned(),
            Self::UnknownLabel { label } => format!("the label `{label}` is not known"),
            Self::RepeatedLabel => "a label stands twice on the line".to_owned(),
        }
    }
}

/// A line that was refused. It holds no part of the card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RejectedLine {
    /// The line in the file, or the row in the sheet, from 1.
    pub line: u64,
    /// Why.
    pub reason: Reason,
}
