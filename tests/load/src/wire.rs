//! A load generator that costs little: requests signed ahead, raw keep-alive sockets, several requests on their way.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use anyhow::{Context as _, Result, bail};
use kamiflow_pinduoduo::sign::sign;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// The application and the shop that calls are signed for.
pub(crate) struct Signer<'a> {
    pub(crate) client_id: &'a str,
    pub(crate) client_secret: &'a str,
    pub(crate) access_token: &'a str,
    /// UNIX seconds; the platform takes ten minutes around its own clock.
    pub(crate) timestamp_s: i64,
}

impl Signer<'_> {
    /// Returns a whole HTTP request.
    pub(crate) fn request(&self, api: &str, fields: &[(&str, &str)]) -> Result<Vec<u8>> {
        let mut parameters: BTreeMap<String, String> = [
            ("type", api),
            ("client_id", self.client_id),
            ("access_token", self.access_token),
            ("data_type", "JSON"),
            ("timestamp", &self.timestamp_s.to_string()),
        ]
        .iter()
        .chain(fields)
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
        let signature = sign(&parameters, self.client_secret);
        parameters.insert("sign".to_owned(), signature);
        let body = serde_json::to_string(&parameters)?;
        let head = format!(
            "POST /api/router HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        Ok([head.as_bytes(), body.as_bytes()].concat())
    }
}

/// How to send.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) connections: usize,
    /// Requests of one connection on their way at once.
    pub(crate) depth: usize,
}

/// Sends every request once and counts the answers that refuse.
pub(crate) async fn drive(address: &str, requests: Arc<Vec<Vec<u8>>>, shape: Shape) -> Result<u64> {
    let next = Arc::new(AtomicUsize::new(0));
    let refused = Arc::new(AtomicU64::new(0));
    let mut lanes = Vec::new();
    for _ in 0..shape.connections {
        let mut stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (requests, next, refused) = (Arc::clone(&requests), Arc::clone(&next), Arc::clone(&refused));
        lanes.push(tokio::spawn(async move {
            let mut answers = Answers::default();
            loop {
                let first = next.fetch_add(shape.depth, Ordering::Relaxed);
                let Some(window) = requests.get(first..requests.len().min(first + shape.depth)) else { break };
                if window.is_empty() {
                    break;
                }
                stream.write_all(&window.concat()).await?;
                refused.fetch_add(answers.take(&mut stream, window.len()).await?, Ordering::Relaxed);
            }
            Ok::<(), anyhow::Error>(())
        }));
    }
    for lane in lanes {
        lane.await??;
    }
    Ok(refused.load(Ordering::Relaxed))
}

/// Reads answers, looking at no more of them than length and first word.
#[derive(Default)]
struct Answers {
    buffer: Vec<u8>,
    start: usize,
}

impl Answers {
    /// Reads so many answers; returns how many of them are errors.
    async fn take(&mut self, stream: &mut TcpStream, count: usize) -> Result<u64> {
        let mut refused = 0;
        for _ in 0..count {
            let length = loop {
                if let Some(length) = self.head()? {
                    break length;
                }
                self.fill(stream).await?;
            };
            while self.buffer.len() < self.start + length {
                self.fill(stream).await?;
            }
            let body = self.buffer.get(self.start..self.start + length).unwrap_or_default();
            refused += u64::from(body.starts_with(b"{\"error_response\""));
            self.start += length;
        }
        Ok(refused)
    }

    /// Steps over the head of an answer, if all of it is there; returns the length of its body.
    fn head(&mut self) -> Result<Option<usize>> {
        let rest = self.buffer.get(self.start..).unwrap_or_default();
        let Some(end) = find(rest, b"\r\n\r\n") else { return Ok(None) };
        let head = rest.get(..end).unwrap_or_default();
        if !head.starts_with(b"HTTP/1.1 200") {
            bail!("the sandbox answered {}", String::from_utf8_lossy(head));
        }
        let name = b"content-length: ";
        let at = find(head, name).context("an answer without a length")? + name.len();
        let digits = head.get(at..).unwrap_or_default().iter().take_while(|byte| byte.is_ascii_digit());
        let length = digits.fold(0, |length, digit| length * 10 + usize::from(digit - b'0'));
        self.start += end + 4;
        Ok(Some(length))
    }

    async fn fill(&mut self, stream: &mut TcpStream) -> io::Result<()> {
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        self.buffer.reserve(64 * 1024);
        if stream.read_buf(&mut self.buffer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(())
    }
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}
