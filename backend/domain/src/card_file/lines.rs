//! Lines out of bytes: the encoding is settled on the first chunk, memory is bounded by the longest allowed line.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Chain, Cursor, Read};

use encoding_rs::{Encoding, GB18030, UTF_8};
use zeroize::Zeroizing;

use super::{CardFileError, Reason, TextEncoding};

/// How much of a file decides about its encoding, in bytes.
pub(super) const FIRST_CHUNK: usize = 64 * 1024;
const UTF8_MARK: &[u8] = b"\xEF\xBB\xBF";

/// A line of the file with its number from 1, or why it is no text.
#[derive(Debug)]
pub(super) struct RawLine {
    pub(super) line: u64,
    pub(super) text: Result<Zeroizing<String>, Reason>,
}

/// Reads lines that end with LF, CR LF or CR.
#[derive(Debug)]
pub(super) struct Lines<R> {
    reader: BufReader<Chain<Cursor<Vec<u8>>, R>>,
    encoding: &'static Encoding,
    max_bytes: usize,
    line: u64,
    after_cr: bool,
    returned: VecDeque<RawLine>,
}

/// Reads up to `FIRST_CHUNK` bytes, fewer only at the end of the file.
pub(super) fn first_chunk(reader: &mut impl Read) -> std::io::Result<Vec<u8>> {
    let mut chunk = Vec::with_capacity(FIRST_CHUNK);
    let limit = u64::try_from(FIRST_CHUNK).unwrap_or(u64::MAX);
    reader.by_ref().take(limit).read_to_end(&mut chunk)?;
    Ok(chunk)
}

impl<R: Read> Lines<R> {
    /// Goes on after the first chunk, which was read to look at it.
    pub(super) fn new(
        first: Vec<u8>,
        rest: R,
        encoding: Option<TextEncoding>,
        max_bytes: usize,
    ) -> Result<Self, CardFileError> {
        if first.starts_with(b"\xFF\xFE") || first.starts_with(b"\xFE\xFF") {
            return Err(CardFileError::Utf16);
        }
        if first.contains(&0) {
            return Err(CardFileError::NotText);
        }
        let marked = first.starts_with(UTF8_MARK);
        let encoding = match encoding {
            Some(TextEncoding::Utf8) => UTF_8,
            Some(TextEncoding::Gb18030) => GB18030,
            None if marked => UTF_8,
            None => detect(&first),
        };
        let mut first = Cursor::new(first);
        if marked {
            first.set_position(3);
        }
        let reader = BufReader::with_capacity(FIRST_CHUNK, first.chain(rest));
        Ok(Self { reader, encoding, max_bytes, line: 0, after_cr: false, returned: VecDeque::new() })
    }

    /// Returns the next line, `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<RawLine>, CardFileError> {
        if let Some(line) = self.returned.pop_front() {
            return Ok(Some(line));
        }
        let Some(bytes) = self.next_bytes()? else { return Ok(None) };
        self.line += 1;
        let text = bytes.and_then(|bytes| {
            let decoded = self.encoding.decode_without_bom_handling_and_without_replacement(&bytes);
            decoded.map(|text| Zeroizing::new(text.into_owned())).ok_or(Reason::Undecodable)
        });
        Ok(Some(RawLine { line: self.line, text }))
    }

    /// Gives lines back that were looked at ahead of their turn; they come next, in this order.
    pub(super) fn give_back(&mut self, lines: impl DoubleEndedIterator<Item = RawLine>) {
        for line in lines.rev() {
            self.returned.push_front(line);
        }
    }

    /// Returns the bytes of a line without its end; a line that is too long is read to its end and not kept.
    #[expect(clippy::type_complexity, reason = "the end, a refusal and a failure are three different things")]
    fn next_bytes(&mut self) -> Result<Option<Result<Zeroizing<Vec<u8>>, Reason>>, CardFileError> {
        let mut kept = Zeroizing::new(Vec::new());
        let mut started = false;
        let mut too_long = false;
        loop {
            let available = self.reader.fill_buf()?;
            if std::mem::take(&mut self.after_cr) && available.first() == Some(&b'\n') {
                self.reader.consume(1);
                continue;
            }
            if available.is_empty() {
                let refused = Reason::LineTooLong { limit: self.max_bytes };
                return Ok(started.then_some(if too_long { Err(refused) } else { Ok(kept) }));
            }
            started = true;
            let end = available.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
            let part = available.get(..end.unwrap_or(available.len())).unwrap_or(available);
            too_long |= kept.len() + part.len() > self.max_bytes;
            if !too_long {
                kept.extend_from_slice(part);
            }
            let used = part.len();
            let Some(end) = end else {
                self.reader.consume(used);
                continue;
            };
            self.after_cr = available.get(end) == Some(&b'\r');
            self.reader.consume(used + 1);
            let refused = Reason::LineTooLong { limit: self.max_bytes };
            return Ok(Some(if too_long { Err(refused) } else { Ok(kept) }));
        }
    }
}

/// Decides by the lines of the first chunk that are not plain ASCII.
///
/// Chinese in GB18030 is hardly ever valid UTF-8, while UTF-8 often looks like GB18030: so whole UTF-8 wins, mostly
/// UTF-8 wins too (its bad lines are refused one by one), and GB18030 is taken only where it explains more lines.
fn detect(first: &[u8]) -> &'static Encoding {
    // The chunk may end inside a line, even inside a character: only whole lines count, unless there is just one.
    let whole = match first.iter().rposition(|byte| matches!(byte, b'\n' | b'\r')) {
        Some(end) if first.len() >= FIRST_CHUNK => first.get(..end).unwrap_or(first),
        _ => first,
    };
    let (mut utf8, mut not_utf8, mut not_gb18030) = (0_usize, 0_usize, 0_usize);
    for line in whole.split(|byte| matches!(byte, b'\n' | b'\r')).filter(|line| !line.is_ascii()) {
        if std::str::from_utf8(line).is_ok() {
            utf8 += 1;
        } else {
            not_utf8 += 1;
            let readable = GB18030.decode_without_bom_handling_and_without_replacement(line).is_some();
            not_gb18030 += usize::from(!readable);
        }
    }
    if not_utf8 > utf8 && not_gb18030 < not_utf8 { GB18030 } else { UTF_8 }
}
