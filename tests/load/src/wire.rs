//! A load generator that costs little: requests signed ahead, raw keep-alive sockets, several requests on their way.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

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

/// Sends one request again and again over so many connections for a time; returns how long each answer took, in
/// milliseconds.
pub(crate) async fn hammer(address: &str, request: &[u8], connections: usize, time: Duration) -> Result<Vec<f64>> {
    let end = Instant::now() + time;
    let lanes = (0..connections).map(|_| lane(address.to_owned(), request.to_vec(), end));
    let lanes: Vec<_> = lanes.map(tokio::spawn).collect();
    let mut took = Vec::new();
    for lane in lanes {
        took.extend(lane.await??);
    }
    Ok(took)
}

async fn lane(address: String, request: Vec<u8>, end: Instant) -> Result<Vec<f64>> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (mut answers, mut took) = (Answers::default(), Vec::new());
    while Instant::now() < end {
        let began = Instant::now();
        stream.write_all(&request).await?;
        answers.take(&mut stream, 1).await?;
        took.push(began.elapsed().as_secs_f64() * 1_000.0);
    }
    Ok(took)
}

/// How the end of an answer is known.
enum Body {
    Bytes(usize),
    Chunks,
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
            let body = loop {
                if let Some(body) = self.head()? {
                    break body;
                }
                self.fill(stream).await?;
            };
            match body {
                Body::Bytes(length) => {
                    let body = self.part(stream, length).await?;
                    refused += u64::from(body.starts_with(b"{\"error_response\""));
                }
                Body::Chunks => self.chunks(stream).await?,
            }
        }
        Ok(refused)
    }

    /// Reads so many bytes.
    async fn part(&mut self, stream: &mut TcpStream, length: usize) -> Result<&[u8]> {
        while self.buffer.len() < self.start + length {
            self.fill(stream).await?;
        }
        let start = self.start;
        self.start += length;
        Ok(self.buffer.get(start..self.start).unwrap_or_default())
    }

    /// Reads a body of which only each part says how long it is; the last one is empty.
    async fn chunks(&mut self, stream: &mut TcpStream) -> Result<()> {
        loop {
            let end = loop {
                match find(self.buffer.get(self.start..).unwrap_or_default(), b"\r\n") {
                    Some(end) => break end,
                    None => self.fill(stream).await?,
                }
            };
            let size = std::str::from_utf8(self.part(stream, end).await?)?.to_owned();
            let size = usize::from_str_radix(&size, 16).context("a part of an answer without a length")?;
            // Two bytes end the line of the length, and two the part.
            self.part(stream, size + 4).await?;
            if size == 0 {
                return Ok(());
            }
        }
    }

    /// Steps over the head of an answer, if all of it is there; returns how its body ends.
    fn head(&mut self) -> Result<Option<Body>> {
        let rest = self.buffer.get(self.start..).unwrap_or_default();
        let Some(end) = find(rest, b"\r\n\r\n") else { return Ok(None) };
        let head = rest.get(..end).unwrap_or_default();
        if !head.starts_with(b"HTTP/1.1 200") {
            bail!("the server answered {}", String::from_utf8_lossy(head));
        }
        if find(head, b"transfer-encoding: chunked").is_some() {
            self.start += end + 4;
            return Ok(Some(Body::Chunks));
        }
        let name = b"content-length: ";
        let at = find(head, name).context("an answer without a length")? + name.len();
        let digits = head.get(at..).unwrap_or_default().iter().take_while(|byte| byte.is_ascii_digit());
        let length = digits.fold(0, |length, digit| length * 10 + usize::from(digit - b'0'));
        self.start += end + 4;
        Ok(Some(Body::Bytes(length)))
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
