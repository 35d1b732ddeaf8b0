//! Why a card file is refused as a whole.

/// Why a file cannot be read. Each message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum CardFileError {
    /// The bytes stopped coming.
    #[error("the file could not be read")]
    Read(#[from] std::io::Error),
    /// UTF-16 text.
    #[error("the file is UTF-16 text; save it as \"CSV UTF-8\" or as UTF-8 text and upload it again")]
    Utf16,
    /// Bytes that are no text.
    #[error("the file is not text; upload CSV, TSV or TXT in UTF-8, or XLSX")]
    NotText,
    /// An XLS workbook of Excel 97 to 2003, or a workbook with a password, which has the same outside.
    #[error("the file is an old XLS workbook or has a password; save it as XLSX without a password")]
    OldWorkbook,
    /// A workbook with a password.
    #[error("the workbook has a password; save it without one")]
    Encrypted,
    /// The name says XLSX, the contents do not.
    #[error("the file is not an XLSX workbook, although its name says so; save it again as XLSX")]
    NotAWorkbook,
    /// A workbook that cannot be read.
    #[error("the workbook cannot be read ({detail}); save it again as XLSX")]
    BrokenWorkbook {
        /// What the library says, for support.
        detail: String,
    },
    /// The chosen sheet is not there.
    #[error("the workbook has no sheet `{name}`")]
    NoSuchSheet {
        /// The sheet that was asked for.
        name: String,
    },
    /// More than one sheet has rows.
    #[error("both sheets `{first}` and `{second}` have rows; choose one, or delete the other")]
    SeveralSheets {
        /// The first sheet with rows.
        first: String,
        /// The second.
        second: String,
    },
    /// The file is larger than the limit, packed or unpacked.
    #[error("the file is larger than {limit} bytes; split it")]
    TooLarge {
        /// The limit, in bytes.
        limit: u64,
    },
    /// Too many lines.
    #[error("the file has more than {limit} rows; split it")]
    TooManyRows {
        /// The limit.
        limit: u64,
    },
    /// The header names a column that is not known.
    #[error("the column `{name}` is not known; name the columns 卡号, 卡密 and 有效期, or delete it")]
    UnknownColumn {
        /// The name, cut to 40 characters.
        name: String,
    },
    /// The header names a column twice.
    #[error("the header names a column twice")]
    RepeatedColumn,
    /// The header names no number.
    #[error("the header has no column for the card number; name it 卡号")]
    NoNumberColumn,
    /// Without a header, two columns are number and secret, but all "secrets" are dates.
    #[error("the second column holds dates; add a header line such as 卡号,有效期")]
    DateAsSecret,
}

impl CardFileError {
    /// Returns the stable code. Codes are API: add, never rename.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Read(_) => "card_file.read_failed",
            Self::Utf16 => "card_file.utf16",
            Self::NotText => "card_file.not_text",
            Self::OldWorkbook => "card_file.old_workbook",
            Self::Encrypted => "card_file.encrypted",
            Self::NotAWorkbook => "card_file.not_a_workbook",
            Self::BrokenWorkbook { .. } => "card_file.broken_workbook",
            Self::NoSuchSheet { .. } => "card_file.no_such_sheet",
            Self::SeveralSheets { .. } => "card_file.several_sheets",
            Self::TooLarge { .. } => "card_file.too_large",
            Self::TooManyRows { .. } => "card_file.too_many_rows",
            Self::UnknownColumn { .. } => "card_file.unknown_column",
            Self::RepeatedColumn => "card_file.repeated_column",
            Self::NoNumberColumn => "card_file.no_number_column",
            Self::DateAsSecret => "card_file.date_as_secret",
        }
    }

    /// Returns the error as a Chinese sentence that says what to do.
    #[must_use]
    pub fn zh(&self) -> String {
        match self {
            Self::Read(_) => "文件读取失败，请重试".to_owned(),
            Self::Utf16 => "文件是 UTF-16 编码，请另存为“CSV UTF-8”或 UTF-8 文本后再上传".to_owned(),
            Self::NotText => "文件不是文本，请上传 UTF-8 的 CSV、TSV、TXT，或 XLSX".to_owned(),
            Self::OldWorkbook => "文件是旧版 XLS 或设有密码，请另存为不带密码的 XLSX".to_owned(),
            Self::Encrypted => "工作簿设有密码，请去掉密码后再上传".to_owned(),
            Self::NotAWorkbook => "文件名是 XLSX，但内容不是，请重新另存为 XLSX".to_owned(),
            Self::BrokenWorkbook { detail } => format!("工作簿无法读取（{detail}），请重新另存为 XLSX"),
            Self::NoSuchSheet { name } => format!("工作簿中没有工作表“{name}”"),
            Self::SeveralSheets { first, second } => {
                format!("工作表“{first}”和“{second}”都有内容，请选择一个或删除另一个")
            }
            Self::TooLarge { limit } => format!("文件超过 {limit} 字节，请拆分"),
            Self::TooManyRows { limit } => format!("文件超过 {limit} 行，请拆分"),
            Self::UnknownColumn { name } => format!("无法识别的列“{name}”，请命名为 卡号、卡密、有效期，或删除该列"),
            Self::RepeatedColumn => "表头中有重复的列".to_owned(),
            Self::NoNumberColumn => "表头中没有卡号列，请命名为“卡号”".to_owned(),
            Self::DateAsSecret => "第二列都是日期，请在首行写明列名，例如 卡号,有效期".to_owned(),
        }
    }
}
