//! Fields of a `multipart/form-data` body, which the official PHP SDK sends for every call.

use super::Param;
use crate::envelope::GatewayError;

/// Appends the fields of `body`; file parts are not parameters and not signed.
pub(super) fn read(content_type: &str, body: &[u8], found: &mut Vec<Param>) -> Result<(), GatewayError> {
    let boundary = attribute(content_type, "boundary").ok_or_else(|| GatewayError::common("body"))?;
    let delimiter = format!("--{boundary}");
    let mut rest = after(body, delimiter.as_bytes()).ok_or_else(|| GatewayError::common("body"))?;
    let delimiter = format!("\r\n{delimiter}");
    while let Some(part) = rest.strip_prefix(b"\r\n") {
        let end = find(part, delimiter.as_bytes()).ok_or_else(|| GatewayError::common("body"))?;
        let (content, tail) = part.split_at(end);
        rest = tail.get(delimiter.len()..).unwrap_or_default();
        let headers_end = find(content, b"\r\n\r\n").ok_or_else(|| GatewayError::common("body"))?;
        let (headers, value) = content.split_at(headers_end);
        let headers = String::from_utf8_lossy(headers);
        let Some(disposition) =
            headers.lines().find(|line| line.to_ascii_lowercase().starts_with("content-disposition:"))
        else {
            continue;
        };
        let Some(key) = attribute(disposition, "name") else { continue };
        if attribute(disposition, "filename").is_none() {
            let value = value.get(4..).unwrap_or_default();
            let text = String::from_utf8_lossy(value).into_owned();
            found.push(Param { key: key.to_owned(), text, as_received: None });
        }
    }
    Ok(())
}

fn attribute<'a>(header: &'a str, name: &str) -> Option<&'a str> {
    header.split(';').skip(1).find_map(|part| {
        let (key, value) = part.trim().split_once('=')?;
        key.eq_ignore_ascii_case(name).then(|| value.trim_matches('"'))
    })
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len().max(1)).position(|window| window == needle)
}

fn after<'a>(haystack: &'a [u8], needle: &[u8]) -> Option<&'a [u8]> {
    haystack.get(find(haystack, needle)? + needle.len()..)
}
