//! Text forms of the platform: Beijing time, yuan, hexadecimal and JSON written without a tree.

const BEIJING_OFFSET_S: i64 = 8 * 3600;
const DAY_S: i64 = 86_400;

/// Calendar fields of an instant in Beijing.
struct Civil {
    year: i64,
    month: i64,
    day: i64,
    second_of_day: i64,
}

/// Days-to-civil after Howard Hinnant; chrono's formatting is ten times slower and order lists
/// carry hundreds of these texts.
fn civil(at_ms: i64) -> Civil {
    let local_s = at_ms.div_euclid(1000) + BEIJING_OFFSET_S;
    let shifted = local_s.div_euclid(DAY_S) + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_index = (5 * day_of_year + 2) / 153;
    let month = if month_index < 10 { month_index + 3 } else { month_index - 9 };
    Civil {
        year: year_of_era + era * 400 + i64::from(month <= 2),
        month,
        day: day_of_year - (153 * month_index + 2) / 5 + 1,
        second_of_day: local_s.rem_euclid(DAY_S),
    }
}

/// Returns `yyyy-MM-dd HH:mm:ss` in Beijing.
pub(crate) fn beijing(at_ms: i64) -> String {
    let Civil { year, month, day, second_of_day } = civil(at_ms);
    let (hour, minute, second) = (second_of_day / 3600, second_of_day / 60 % 60, second_of_day % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
}

/// Returns an order number: `YYMMDD-` and 15 digits made of the millisecond of the day and a count.
///
/// The millisecond keeps numbers apart when a restarted sandbox counts from one again.
pub(crate) fn order_sn(at_ms: i64, count: u64) -> String {
    let Civil { year, month, day, second_of_day } = civil(at_ms);
    let millisecond_of_day = second_of_day * 1000 + at_ms.rem_euclid(1000);
    format!("{:02}{month:02}{day:02}-{millisecond_of_day:08}{:07}", year % 100, count % 10_000_000)
}

/// Returns yuan with two decimals, as the refund list sends them.
pub(crate) fn yuan_text(fen: i64) -> String {
    format!("{}{}.{:02}", if fen < 0 { "-" } else { "" }, (fen / 100).abs(), (fen % 100).abs())
}

/// Returns yuan as a JSON number with as few decimals as it needs, at least one (`9.9`, `0.0`).
pub(crate) fn yuan_number(fen: i64) -> String {
    let full = yuan_text(fen);
    full.strip_suffix('0').map_or_else(|| full.clone(), ToOwned::to_owned)
}

/// Returns lower-case hexadecimal.
pub(crate) fn hex_lower(bytes: &[u8]) -> String {
    bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(|n| digit(n, b'a')).collect()
}

/// Returns upper-case hexadecimal.
pub(crate) fn hex_upper(bytes: &[u8]) -> String {
    bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(|n| digit(n, b'A')).collect()
}

fn digit(nibble: u8, ten: u8) -> char {
    char::from(if nibble < 10 { b'0' + nibble } else { ten + nibble - 10 })
}

/// Returns `text` with everything but its ends replaced by stars.
pub(crate) fn masked(text: &str) -> String {
    let letters: Vec<char> = text.chars().collect();
    let keep = if letters.len() >= 8 { 2 } else { usize::from(letters.len() > 2) };
    let head: String = letters.iter().take(keep).collect();
    let tail: String = letters.iter().skip(letters.len().saturating_sub(keep)).collect();
    format!("{head}****{tail}")
}

/// Returns whether `name` matches `pattern`, in which `*` stands for any run of characters.
pub(crate) fn glob_matches(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|head| name.strip_prefix(head)) else {
        return false;
    };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        let Some(at) = rest.find(part) else { return false };
        rest = rest.get(at + part.len()..).unwrap_or("");
    }
    true
}

/// Writes one JSON text front to back. Commas follow from the last byte written.
#[derive(Debug, Default)]
pub(crate) struct JsonWriter {
    out: Vec<u8>,
}

impl JsonWriter {
    pub(crate) fn object(size_hint: usize) -> Self {
        let mut out = Vec::with_capacity(size_hint);
        out.push(b'{');
        Self { out }
    }

    fn separate(&mut self) {
        if !matches!(self.out.last(), None | Some(b'{' | b'[' | b':')) {
            self.out.push(b',');
        }
    }

    fn key(&mut self, name: &str) {
        self.separate();
        self.out.push(b'"');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
    }

    pub(crate) fn open_object(&mut self, name: &str) {
        self.key(name);
        self.out.push(b'{');
    }

    pub(crate) fn open_array(&mut self, name: &str) {
        self.key(name);
        self.out.push(b'[');
    }

    pub(crate) fn open_element(&mut self) {
        self.separate();
        self.out.push(b'{');
    }

    pub(crate) fn close_object(&mut self) {
        self.out.push(b'}');
    }

    pub(crate) fn close_array(&mut self) {
        self.out.push(b']');
    }

    pub(crate) fn string(&mut self, name: &str, value: &str) {
        self.key(name);
        self.quoted(value);
    }

    pub(crate) fn integer(&mut self, name: &str, value: i64) {
        self.key(name);
        self.out.extend_from_slice(value.to_string().as_bytes());
    }

    pub(crate) fn flag(&mut self, name: &str, value: bool) {
        self.key(name);
        self.out.extend_from_slice(if value { b"true" } else { b"false" });
    }

    pub(crate) fn null(&mut self, name: &str) {
        self.key(name);
        self.out.extend_from_slice(b"null");
    }

    /// Writes fen as a yuan decimal.
    pub(crate) fn yuan(&mut self, name: &str, fen: i64) {
        self.key(name);
        self.out.extend_from_slice(yuan_number(fen).as_bytes());
    }

    /// Writes a Beijing time text, or null.
    pub(crate) fn time(&mut self, name: &str, at_ms: Option<i64>) {
        match at_ms {
            Some(at_ms) => self.string(name, &beijing(at_ms)),
            None => self.null(name),
        }
    }

    /// Writes an id as a string or a number.
    pub(crate) fn id(&mut self, name: &str, value: u64, as_text: bool) {
        self.key(name);
        let digits = value.to_string();
        if as_text {
            self.quoted(&digits);
        } else {
            self.out.extend_from_slice(digits.as_bytes());
        }
    }

    /// Writes a prepared run of `"name":value` pairs.
    pub(crate) fn fields(&mut self, prepared: &str) {
        self.separate();
        self.out.extend_from_slice(prepared.as_bytes());
    }

    fn quoted(&mut self, value: &str) {
        if value.bytes().all(|byte| byte >= 0x20 && byte != b'"' && byte != b'\\') {
            self.out.push(b'"');
            self.out.extend_from_slice(value.as_bytes());
            self.out.push(b'"');
        } else {
            let text = serde_json::Value::from(value).to_string();
            self.out.extend_from_slice(text.as_bytes());
        }
    }

    /// Closes the outermost object and returns the bytes.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.out.push(b'}');
        self.out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_beijing_text() {
        assert_eq!(beijing(1_795_371_800_999), "2026-11-23 02:23:20");
        assert_eq!(beijing(0), "1970-01-01 08:00:00");
        assert_eq!(beijing(951_782_400_000), "2000-02-29 08:00:00");
    }

    #[test]
    fn an_order_number_is_a_date_and_fifteen_digits() {
        assert_eq!(order_sn(1_795_371_800_123, 42), "261123-086001230000042");
    }

    #[test]
    fn yuan_has_as_few_decimals_as_the_platform_shows() {
        assert_eq!(yuan_number(990), "9.9");
        assert_eq!(yuan_number(0), "0.0");
        assert_eq!(yuan_number(1234), "12.34");
        assert_eq!(yuan_text(990), "9.90");
        assert_eq!(yuan_text(-5), "-0.05");
    }

    #[test]
    fn globs_match_names() {
        assert!(glob_matches("*", "pdd.time.get"));
        assert!(glob_matches("pdd.order.*", "pdd.order.list.get"));
        assert!(glob_matches("pdd.*.get", "pdd.order.list.get"));
        assert!(!glob_matches("pdd.order.*", "pdd.goods.list.get"));
        assert!(!glob_matches("pdd.time", "pdd.time.get"));
    }

    #[test]
    fn written_json_is_json() {
        let mut writer = JsonWriter::object(16);
        writer.string("name", "a\"b\\\n卡");
        writer.open_array("list");
        writer.open_element();
        writer.yuan("fee", 990);
        writer.close_object();
        writer.open_element();
        writer.id("id", 7, true);
        writer.close_object();
        writer.close_array();
        writer.null("none");
        let parsed: serde_json::Value = serde_json::from_slice(&writer.finish()).unwrap();
        assert_eq!(parsed, serde_json::json!({"name":"a\"b\\\n卡","list":[{"fee":9.9},{"id":"7"}],"none":null}));
    }
}
