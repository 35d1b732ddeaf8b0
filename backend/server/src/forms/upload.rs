//! Files that are sent, read into memory and nowhere else: what is in them is kept encrypted or not at all.

use actix_multipart::{Field, MultipartError};
use futures_util::StreamExt as _;

/// Returns a field's contents, or nothing when there are more than `most` bytes: reading ends at the first one too many.
pub(super) async fn contents(field: &mut Field, most: usize) -> Result<Option<Vec<u8>>, MultipartError> {
    let mut contents = Vec::new();
    while let Some(part) = field.next().await {
        let part = part?;
        if contents.len() + part.len() > most {
            return Ok(None);
        }
        contents.extend_from_slice(&part);
    }
    Ok(Some(contents))
}
