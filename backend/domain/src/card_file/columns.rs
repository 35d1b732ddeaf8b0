//! The three columns of a card file, and the names merchants give them in headers and labels.

use super::CardFileError;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Column {
    Number,
    Secret,
    Expiry,
}

/// The order without a header.
pub(super) const DEFAULT: [Column; 3] = [Column::Number, Column::Secret, Column::Expiry];

/// Every known name in lower case; a longer name stands before one it ends with.
pub(super) const NAMES: &[(&str, Column)] = &[
    ("card number", Column::Number),
    ("card_number", Column::Number),
    ("cardnumber", Column::Number),
    ("card no", Column::Number),
    ("card_no", Column::Number),
    ("cardno", Column::Number),
    ("number", Column::Number),
    ("card", Column::Number),
    ("cdkey", Column::Number),
    ("cdk", Column::Number),
    ("code", Column::Number),
    ("卡号码", Column::Number),
    ("卡号", Column::Number),
    ("券号", Column::Number),
    ("券码", Column::Number),
    ("兑换码", Column::Number),
    ("激活码", Column::Number),
    ("序列号", Column::Number),
    ("账号", Column::Number),
    ("帐号", Column::Number),
    ("card_secret", Column::Secret),
    ("card secret", Column::Secret),
    ("secret", Column::Secret),
    ("password", Column::Secret),
    ("pwd", Column::Secret),
    ("pin", Column::Secret),
    ("卡密码", Column::Secret),
    ("卡密", Column::Secret),
    ("密码", Column::Secret),
    ("expires_at", Column::Expiry),
    ("expires at", Column::Expiry),
    ("valid until", Column::Expiry),
    ("expires", Column::Expiry),
    ("expiry", Column::Expiry),
    ("有效期至", Column::Expiry),
    ("有效期", Column::Expiry),
    ("到期时间", Column::Expiry),
    ("到期日期", Column::Expiry),
    ("过期时间", Column::Expiry),
    ("截止日期", Column::Expiry),
];

/// Returns the column a header cell names. `*卡号（必填）` names 卡号.
pub(super) fn named(cell: &str) -> Option<Column> {
    let bare = bare_name(cell);
    NAMES.iter().find(|(name, _)| *name == bare).map(|(_, column)| *column)
}

fn bare_name(cell: &str) -> String {
    let cell = cell.split(['(', '（', ':', '：']).next().unwrap_or_default();
    cell.trim().trim_start_matches('*').trim().to_ascii_lowercase()
}

/// Returns the columns a first line names, `None` when it is a line of cards.
///
/// One known name makes it a header; then a name that is not known is an error, because a column must not vanish.
pub(super) fn header(cells: &[&str]) -> Result<Option<Vec<Option<Column>>>, CardFileError> {
    let found: Vec<Option<Column>> = cells.iter().map(|cell| named(cell)).collect();
    if found.iter().all(Option::is_none) {
        return Ok(None);
    }
    let unknown = cells.iter().zip(&found).find(|(cell, column)| column.is_none() && !cell.trim().is_empty());
    if let Some((cell, _)) = unknown {
        return Err(CardFileError::UnknownColumn { name: cell.trim().chars().take(40).collect() });
    }
    for column in DEFAULT {
        if found.iter().filter(|found| **found == Some(column)).count() > 1 {
            return Err(CardFileError::RepeatedColumn);
        }
    }
    if found.contains(&Some(Column::Number)) {
        return Ok(Some(found));
    }
    // Many products have one code only, and merchants call it 卡密: it is what identifies the card.
    let promoted = |column| if column == Some(Column::Secret) { Some(Column::Number) } else { column };
    let found: Vec<_> = found.into_iter().map(promoted).collect();
    if found.contains(&Some(Column::Number)) { Ok(Some(found)) } else { Err(CardFileError::NoNumberColumn) }
}
