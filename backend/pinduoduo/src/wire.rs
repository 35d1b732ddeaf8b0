//! Reading what the platform writes: ids as number or text, yuan decimals, Beijing times.
//!
//! Every reader takes the literal JSON text of the value, so that no amount passes through floating
//! point and no long id loses digits. `null`, an absent field and an empty text all read as `None`.

use std::fmt;

use chrono::{DateTime, Utc};
use kamiflow_kernel::{Fen, GoodsId, MallId, PlatformSkuId, parse_platform_time};
use serde::de::{Deserialize, DeserializeOwned, Deserializer, Error};
use serde_json::value::RawValue;

const ZERO_TIME: &str = "0000-00-00 00:00:00";

/// A list of which some elements may not be readable: one odd order must not hide the page around it.
#[derive(Debug, Clone)]
pub struct Listing<T> {
    /// What could be read, in the platform's order.
    pub items: Vec<T>,
    /// What could not.
    pub unreadable: Vec<Unreadable>,
}

impl<T> Default for Listing<T> {
    fn default() -> Self {
        Self { items: Vec::new(), unreadable: Vec::new() }
    }
}

/// An element of a list that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// The order number in it, when at least that could be read.
    pub order_sn: Option<String>,
    /// Why the rest could not; names the field's type and position, never its value.
    pub reason: String,
}

/// Text the platform encrypted (protocol 9.2). Opaque; `Debug` shows only its shape.
#[derive(Clone, PartialEq, Eq)]
pub struct CipherText(String);

/// The documented shapes of encrypted text (protocol 9.2, inferred from SDK helpers).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CipherShape {
    /// `~cipher~version~`
    Simple,
    /// `~cipher~index~version~~`
    Searchable,
    /// `$cipher$version$`
    Phone,
    /// `$index$cipher$version$$`
    SearchablePhone,
    /// `#cipher#version#`
    IdNumber,
    /// `#index#cipher#version##`
    SearchableIdNumber,
    /// None of them: perhaps already plain, perhaps new.
    Unrecognized,
}

impl CipherText {
    /// Wraps a text the platform sent as encrypted.
    #[must_use]
    pub const fn new(text: String) -> Self {
        Self(text)
    }

    /// Returns the text as sent, for a decrypt call.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns which documented shape the text has.
    #[must_use]
    pub fn shape(&self) -> CipherShape {
        let shape = |mark: char, plain: CipherShape, searchable: CipherShape| {
            let body = self.0.strip_prefix(mark)?;
            let double = format!("{mark}{mark}");
            let (body, parts, shape) = match body.strip_suffix(double.as_str()) {
                Some(rest) => (rest, 3, searchable),
                None => (body.strip_suffix(mark)?, 2, plain),
            };
            let found = body.split(mark).collect::<Vec<_>>();
            (found.len() == parts && found.iter().all(|part| !part.is_empty())).then_some(shape)
        };
        shape('~', CipherShape::Simple, CipherShape::Searchable)
            .or_else(|| shape('$', CipherShape::Phone, CipherShape::SearchablePhone))
            .or_else(|| shape('#', CipherShape::IdNumber, CipherShape::SearchableIdNumber))
            .unwrap_or(CipherShape::Unrecognized)
    }
}

impl fmt::Debug for CipherText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CipherText({:?})", self.shape())
    }
}

/// The text of a scalar; `None` for `null` and `""`.
fn scalar<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let raw = <&RawValue>::deserialize(deserializer)?;
    scalar_text(raw.get()).map_err(D::Error::custom)
}

fn scalar_text(raw: &str) -> Result<Option<String>, &'static str> {
    match raw.as_bytes().first() {
        Some(b'"') => {
            let text: String = serde_json::from_str(raw).map_err(|_escape| "text is not valid UTF-8")?;
            Ok((!text.is_empty()).then_some(text))
        }
        Some(b'{' | b'[') => Err("a text or number was expected, found an object or a list"),
        _ if raw == "null" => Ok(None),
        _ => Ok(Some(raw.to_owned())),
    }
}

pub(crate) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    scalar(deserializer)
}

pub(crate) fn cipher<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<CipherText>, D::Error> {
    Ok(scalar(deserializer)?.map(CipherText))
}

pub(crate) fn secret<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<kamiflow_kernel::SecretText>, D::Error> {
    Ok(scalar(deserializer)?.map(kamiflow_kernel::SecretText::new))
}

pub(crate) fn int<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    let Some(text) = scalar(deserializer)? else { return Ok(None) };
    match text.trim() {
        "true" => Ok(Some(1)),
        "false" => Ok(Some(0)),
        digits => digits
            .parse()
            .map(Some)
            .map_err(|_digits| D::Error::custom("a whole number of at most 64 bits was expected")),
    }
}

pub(crate) fn flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<bool>, D::Error> {
    let Some(text) = scalar(deserializer)? else { return Ok(None) };
    match text.trim() {
        "true" | "1" => Ok(Some(true)),
        "false" | "0" => Ok(Some(false)),
        _ => Err(D::Error::custom("true, false, 1 or 0 was expected")),
    }
}

pub(crate) fn goods_id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<GoodsId>, D::Error> {
    Ok(int(deserializer)?.map(GoodsId))
}

pub(crate) fn sku_id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<PlatformSkuId>, D::Error> {
    Ok(int(deserializer)?.map(PlatformSkuId))
}

pub(crate) fn mall_id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<MallId>, D::Error> {
    Ok(int(deserializer)?.map(MallId))
}

/// An amount written as a yuan decimal, number or text.
pub(crate) fn yuan<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Fen>, D::Error> {
    let Some(text) = scalar(deserializer)? else { return Ok(None) };
    let plain = plain_decimal(text.trim()).ok_or_else(|| D::Error::custom("an amount in yuan was expected"))?;
    Fen::from_yuan(&plain)
        .map(Some)
        .map_err(|_text| D::Error::custom("an amount in yuan with at most two decimals was expected"))
}

/// An amount written as a whole number of fen.
pub(crate) fn fen<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Fen>, D::Error> {
    Ok(int(deserializer)?.map(Fen))
}

/// A Beijing time `yyyy-MM-dd HH:mm:ss`.
pub(crate) fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<DateTime<Utc>>, D::Error> {
    match scalar(deserializer)?.as_deref().map(str::trim) {
        None | Some("" | ZERO_TIME) => Ok(None),
        Some(text) => parse_platform_time(text)
            .map(Some)
            .map_err(|_text| D::Error::custom("a time of the form 2026-11-22 10:20:30 was expected")),
    }
}

/// A moment as UNIX milliseconds; 0 reads as `None`.
pub(crate) fn millis<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<DateTime<Utc>>, D::Error> {
    moment(int(deserializer)?, DateTime::from_timestamp_millis)
}

/// A moment as UNIX seconds; 0 reads as `None`.
pub(crate) fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<DateTime<Utc>>, D::Error> {
    moment(int(deserializer)?, |seconds| DateTime::from_timestamp(seconds, 0))
}

fn moment<E: Error>(
    number: Option<i64>,
    convert: impl Fn(i64) -> Option<DateTime<Utc>>,
) -> Result<Option<DateTime<Utc>>, E> {
    match number {
        None | Some(0) => Ok(None),
        Some(number) => convert(number).map(Some).ok_or_else(|| E::custom("a moment is out of range")),
    }
}

/// A list that may be `null`.
pub(crate) fn list<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    Ok(Option::<Vec<T>>::deserialize(deserializer)?.unwrap_or_default())
}

/// A list read element by element, so that one odd element does not spoil the others.
pub(crate) fn each<'de, D: Deserializer<'de>, T: DeserializeOwned>(deserializer: D) -> Result<Listing<T>, D::Error> {
    #[derive(serde::Deserialize)]
    struct Number {
        #[serde(default, deserialize_with = "text")]
        order_sn: Option<String>,
    }
    let raws = Option::<Vec<&RawValue>>::deserialize(deserializer)?.unwrap_or_default();
    let mut listing = Listing { items: Vec::with_capacity(raws.len()), unreadable: Vec::new() };
    for raw in raws {
        match serde_json::from_str(raw.get()) {
            Ok(item) => listing.items.push(item),
            Err(error) => {
                let order_sn = serde_json::from_str::<Number>(raw.get()).ok().and_then(|number| number.order_sn);
                // serde quotes the offending value after the first quotation mark; values may be private.
                let reason = error.to_string().split('"').next().unwrap_or_default().to_owned();
                listing.unreadable.push(Unreadable { order_sn, reason });
            }
        }
    }
    Ok(listing)
}

/// Writes a decimal without exponent: Java writes doubles from ten million on as `1.2E7`.
fn plain_decimal(text: &str) -> Option<String> {
    let Some((mantissa, exponent)) = text.split_once(['e', 'E']) else { return Some(text.to_owned()) };
    let exponent: i32 = exponent.parse().ok()?;
    // Far beyond any amount; keeps a hostile exponent from allocating.
    if exponent.unsigned_abs() > 18 {
        return None;
    }
    let (sign, digits) = mantissa.strip_prefix('-').map_or(("", mantissa), |rest| ("-", rest));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let shift = usize::try_from(exponent.unsigned_abs()).ok()?;
    let (whole, fraction) = if exponent >= 0 {
        let padded = format!("{fraction:0<shift$}");
        let (moved, rest) = padded.split_at_checked(shift)?;
        (format!("{whole}{moved}"), rest.to_owned())
    } else {
        let padded = format!("{whole:0>width$}", width = shift + 1);
        let (rest, moved) = padded.split_at_checked(padded.len().checked_sub(shift)?)?;
        (rest.to_owned(), format!("{moved}{fraction}"))
    };
    Some(if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") })
}

#[cfg(test)]
mod tests;
