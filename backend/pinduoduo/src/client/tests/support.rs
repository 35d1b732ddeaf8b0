//! A platform of a few lines: reads requests off real sockets and answers each as the test says.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use url::Url;

/// How a request is answered.
#[derive(Debug, Clone)]
pub(super) enum Reply {
    /// HTTP 200 with this JSON; the connection stays open.
    Json(String),
    /// These bytes, then the connection closes.
    Raw(String),
    /// The connection closes without a byte.
    Drop,
    /// Nothing, until the client gives up.
    Hang,
}

impl Reply {
    pub(super) fn json(body: &str) -> Self {
        Self::Json(body.to_owned())
    }

    pub(super) fn raw(bytes: &str) -> Self {
        Self::Raw(bytes.to_owned())
    }
}

#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) head: String,
    pub(super) body: Vec<u8>,
}

#[derive(Default)]
struct Seen {
    requests: Mutex<Vec<Request>>,
    connections: AtomicUsize,
}

pub(super) struct Platform {
    port: u16,
    seen: Arc<Seen>,
    task: JoinHandle<()>,
}

impl Platform {
    pub(super) async fn start(answer: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(Seen::default());
        let (answer, recorder) = (Arc::new(answer), Arc::clone(&seen));
        let task = tokio::spawn(async move {
            while let Ok((socket, _peer)) = listener.accept().await {
                recorder.connections.fetch_add(1, Ordering::SeqCst);
                let (answer, recorder) = (Arc::clone(&answer), Arc::clone(&recorder));
                tokio::spawn(async move { serve(socket, &recorder, &*answer).await });
            }
        });
        Self { port, seen, task }
    }

    pub(super) fn url(&self) -> Url {
        format!("http://127.0.0.1:{}/api/router", self.port).parse().unwrap()
    }

    pub(super) fn requests(&self) -> Vec<Request> {
        self.seen.requests.lock().unwrap().clone()
    }

    pub(super) fn connections(&self) -> usize {
        self.seen.connections.load(Ordering::SeqCst)
    }

    /// Closes the port and returns the address nobody listens at any more.
    pub(super) async fn stop(self) -> Url {
        let url = self.url();
        self.task.abort();
        assert!(self.task.await.unwrap_err().is_cancelled());
        url
    }
}

async fn serve(mut socket: TcpStream, seen: &Seen, answer: &(impl Fn(&Request) -> Reply + Sync)) {
    let mut buffer = Vec::new();
    while let Some(request) = read_request(&mut socket, &mut buffer).await {
        let reply = answer(&request);
        seen.requests.lock().unwrap().push(request);
        match reply {
            Reply::Json(body) => {
                let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length:";
                // A client that refuses a long answer may hang up before it is written.
                let _hung_up = socket.write_all(format!("{head} {}\r\n\r\n{body}", body.len()).as_bytes()).await;
            }
            Reply::Raw(bytes) => return socket.write_all(bytes.as_bytes()).await.unwrap(),
            Reply::Drop => return,
            Reply::Hang => {
                // Ends when the client hangs up.
                let _hung_up = socket.read(&mut [0; 1]).await;
                return;
            }
        }
    }
}

async fn read_request(socket: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<Request> {
    loop {
        if let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8(buffer[..end + 4].to_vec()).unwrap();
            let length = head.to_lowercase().lines().find_map(|line| {
                line.strip_prefix("content-length:").map(|digits| digits.trim().parse::<usize>().unwrap())
            });
            let whole = end + 4 + length.unwrap_or(0);
            if buffer.len() >= whole {
                let body = buffer[end + 4..whole].to_vec();
                buffer.drain(..whole);
                return Some(Request { head, body });
            }
        }
        if socket.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
}
