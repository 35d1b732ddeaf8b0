//! A proxy in front of Postgres that loses connections at the worst moment: during COMMIT.
//!
//! ```text
//! store ──► PgProxy ──► Postgres
//!             │ reads enough of the protocol to know a COMMIT, and what its transaction ran
//!             ├ Cut::Before   the COMMIT is not passed on: the transaction is rolled back
//!             ├ Cut::After    it is, and its answer is not: the transaction took place, and nobody was told
//!             ├ sever_all     every connection ends, wherever it is
//!             └ pause         nothing passes until resume, and nothing ends
//! ```
//! Clients must not ask for TLS; a URL of [`PgProxy::url`] does not.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_postgres::config::Host;

/// Code of a first message that asks for TLS or for GSS encryption instead of starting a session.
const ENCRYPTION_REQUESTS: [[u8; 4]; 2] = [80_877_103_u32.to_be_bytes(), 80_877_104_u32.to_be_bytes()];
/// Nothing our statements bind comes near; a length beyond it means that the proxy lost its place.
const LONGEST_MESSAGE: usize = 1 << 30;

/// On which side of the database's work a connection is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// The COMMIT does not arrive.
    Before,
    /// The transaction is committed; its answer does not arrive.
    After,
}

/// A running proxy; dropped, it ends with all its connections.
#[derive(Debug)]
pub struct PgProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    upstream: Upstream,
    armed: Mutex<VecDeque<Armed>>,
    fallen: AtomicUsize,
    gate: watch::Sender<Gate>,
}

#[derive(Debug, Clone)]
enum Upstream {
    Tcp(String, u16),
    Unix(PathBuf),
}

#[derive(Debug)]
struct Armed {
    /// Part of a statement that the transaction must have run.
    statement: String,
    cut: Cut,
}

#[derive(Debug, Clone, Copy, Default)]
struct Gate {
    paused: bool,
    /// Raised by [`PgProxy::sever_all`]; connections of an earlier one end.
    generation: u64,
}

impl PgProxy {
    /// Starts one in front of the server that a URL names.
    ///
    /// # Panics
    /// When the URL is none, or no port can be had.
    pub async fn start(upstream_url: &str) -> Self {
        let config: tokio_postgres::Config = upstream_url.parse().expect("the upstream's URL cannot be read");
        let port = config.get_ports().first().copied().unwrap_or(5432);
        let upstream = match config.get_hosts().first().expect("the upstream's URL has no host") {
            Host::Tcp(host) => Upstream::Tcp(host.clone(), port),
            Host::Unix(folder) => Upstream::Unix(folder.join(format!(".s.PGSQL.{port}"))),
        };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("the proxy found no port");
        let address = listener.local_addr().expect("a bound listener has an address");
        let shared = Arc::new(Shared {
            upstream,
            armed: Mutex::default(),
            fallen: AtomicUsize::new(0),
            gate: watch::Sender::new(Gate::default()),
        });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Self { address, shared, accepting }
    }

    /// Returns a URL of the server with this proxy as its address.
    #[must_use]
    pub fn url(&self, upstream_url: &str) -> String {
        let (scheme, rest) = upstream_url.split_once("://").expect("the upstream's URL has a scheme");
        let (user, place) = rest.split_once('@').expect("the upstream's URL has a user");
        let database = place.split_once('/').map_or("", |(_host, database)| database);
        format!("{scheme}://{user}@{}/{database}", self.address)
    }

    /// Cuts the connection of the next COMMIT, whatever it commits. Several cuts fall one after another.
    pub fn cut_next_commit(&self, cut: Cut) {
        self.cut_commit_of("", cut);
    }

    /// Cuts the connection of the next COMMIT whose transaction ran a statement with this text in it.
    pub fn cut_commit_of(&self, statement: &str, cut: Cut) {
        self.shared.armed().push_back(Armed { statement: statement.to_owned(), cut });
    }

    /// Returns how many cuts have fallen: a test that expects one shows by it that it tested something.
    #[must_use]
    pub fn fallen(&self) -> usize {
        self.shared.fallen.load(Ordering::SeqCst)
    }

    /// Ends every connection, wherever it is.
    pub fn sever_all(&self) {
        self.shared.gate.send_modify(|gate| gate.generation += 1);
    }

    /// Lets nothing pass any more; connections stay open, and new ones are accepted.
    pub fn pause(&self) {
        self.shared.gate.send_modify(|gate| gate.paused = true);
    }

    /// Lets everything pass again.
    pub fn resume(&self) {
        self.shared.gate.send_modify(|gate| gate.paused = false);
    }
}

impl Drop for PgProxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.sever_all();
    }
}

impl Shared {
    fn armed(&self) -> std::sync::MutexGuard<'_, VecDeque<Armed>> {
        self.armed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the cut that falls on a COMMIT of these statements.
    fn cut(&self, statements: &[String]) -> Option<Cut> {
        let mut armed = self.armed();
        let falls = armed.front().is_some_and(|armed| {
            armed.statement.is_empty() || statements.iter().any(|text| text.contains(&armed.statement))
        });
        let cut = falls.then(|| armed.pop_front()).flatten()?.cut;
        self.fallen.fetch_add(1, Ordering::SeqCst);
        Some(cut)
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((client, _from)) = listener.accept().await {
        let shared = Arc::clone(&shared);
        // A connection that fails is what its client sees; nobody else is to hear of it.
        tokio::spawn(async move {
            let _ended = match shared.upstream.clone() {
                Upstream::Tcp(host, port) => match TcpStream::connect((host.as_str(), port)).await {
                    Ok(server) => serve(client, server.into_split(), &shared).await,
                    Err(error) => Err(error),
                },
                Upstream::Unix(path) => match UnixStream::connect(path).await {
                    Ok(server) => serve(client, server.into_split(), &shared).await,
                    Err(error) => Err(error),
                },
            };
        });
    }
}

/// Serves one connection until either side, a cut or a severing ends it; both sockets are closed then.
async fn serve<R, W>(client: TcpStream, (from_server, to_server): (R, W), shared: &Shared) -> io::Result<()>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    client.set_nodelay(true)?;
    let (from_client, to_client) = client.into_split();
    let mut gate = shared.gate.subscribe();
    let generation = gate.borrow().generation;
    let (withhold, withheld) = watch::channel(false);
    let requests = pass_requests(from_client, to_server, shared, withhold);
    let answers = pass_answers(from_server, to_client, shared, withheld);
    tokio::select! {
        ended = requests => ended,
        ended = answers => ended,
        _ = gate.wait_for(|gate| gate.generation != generation) => Ok(()),
    }
}

async fn pass_requests(
    mut client: impl AsyncRead + Unpin,
    mut server: impl AsyncWrite + Unpin,
    shared: &Shared,
    withhold: watch::Sender<bool>,
) -> io::Result<()> {
    let mut gate = shared.gate.subscribe();
    let startup = read_startup(&mut client).await?;
    open(&mut gate).await;
    server.write_all(&startup).await?;
    let mut session = Session::default();
    loop {
        let message = read_message(&mut client).await?;
        open(&mut gate).await;
        if session.commits(&message) {
            match shared.cut(&session.statements) {
                Some(Cut::Before) => return Ok(()),
                Some(Cut::After) => {
                    withhold.send_replace(true);
                }
                None => {}
            }
        }
        server.write_all(&message).await?;
        server.flush().await?;
    }
}

async fn pass_answers(
    mut server: impl AsyncRead + Unpin,
    mut client: impl AsyncWrite + Unpin,
    shared: &Shared,
    withheld: watch::Receiver<bool>,
) -> io::Result<()> {
    let mut gate = shared.gate.subscribe();
    loop {
        let message = read_message(&mut server).await?;
        if *withheld.borrow() {
            if tells_the_end(&message) {
                return Ok(());
            }
            continue;
        }
        open(&mut gate).await;
        client.write_all(&message).await?;
        client.flush().await?;
    }
}

/// Whether an answer says that the transaction has ended, whichever way.
fn tells_the_end(answer: &[u8]) -> bool {
    let body = &answer[5..];
    answer[0] == b'E' || answer[0] == b'C' && (body.starts_with(b"COMMIT") || body.starts_with(b"ROLLBACK"))
}

async fn open(gate: &mut watch::Receiver<Gate>) {
    // The sender lives as long as the proxy; without it there is nothing to wait for.
    let _open = gate.wait_for(|gate| !gate.paused).await;
}

/// What a session has prepared, and what its transaction has run.
#[derive(Default)]
struct Session {
    prepared: HashMap<Vec<u8>, String>,
    /// Portals and the texts of their statements.
    bound: HashMap<Vec<u8>, String>,
    statements: Vec<String>,
}

impl Session {
    /// Takes notice of a message; returns whether it commits.
    fn commits(&mut self, message: &[u8]) -> bool {
        let (kind, body) = (message[0], &message[5..]);
        match kind {
            b'Q' => {
                let text = text_of(split_zero(body).0);
                self.run(text)
            }
            b'P' => {
                let (name, rest) = split_zero(body);
                self.prepared.insert(name.to_vec(), text_of(split_zero(rest).0));
                false
            }
            b'B' => {
                let (portal, rest) = split_zero(body);
                let statement = self.prepared.get(split_zero(rest).0).cloned().unwrap_or_default();
                self.bound.insert(portal.to_vec(), statement);
                false
            }
            b'E' => {
                let text = self.bound.get(split_zero(body).0).cloned().unwrap_or_default();
                self.run(text)
            }
            _ => false,
        }
    }

    fn run(&mut self, text: String) -> bool {
        let word = text.trim_start().split(|letter: char| !letter.is_ascii_alphabetic()).next().unwrap_or_default();
        if word.eq_ignore_ascii_case("BEGIN") {
            self.statements.clear();
        }
        let commits = word.eq_ignore_ascii_case("COMMIT");
        self.statements.push(text);
        commits
    }
}

fn split_zero(bytes: &[u8]) -> (&[u8], &[u8]) {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    (&bytes[..end], bytes.get(end + 1..).unwrap_or_default())
}

fn text_of(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Reads the message without a kind that starts a session.
async fn read_startup(client: &mut (impl AsyncRead + Unpin)) -> io::Result<Vec<u8>> {
    let mut message = Vec::new();
    read_rest(client, &mut message).await?;
    if ENCRYPTION_REQUESTS.iter().any(|code| message[4..].starts_with(code)) {
        return Err(io::Error::new(io::ErrorKind::Unsupported, "the proxy reads along, so it cannot encrypt"));
    }
    Ok(message)
}

/// Reads a message: its kind, its length, its body.
async fn read_message(from: &mut (impl AsyncRead + Unpin)) -> io::Result<Vec<u8>> {
    let mut message = vec![from.read_u8().await?];
    read_rest(from, &mut message).await?;
    Ok(message)
}

/// Appends a length, which counts itself, and as many bytes as it says.
async fn read_rest(from: &mut (impl AsyncRead + Unpin), message: &mut Vec<u8>) -> io::Result<()> {
    let length = from.read_u32().await?;
    let size = usize::try_from(length).unwrap_or(usize::MAX);
    if !(4..=LONGEST_MESSAGE).contains(&size) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "this is not the protocol of Postgres"));
    }
    message.extend_from_slice(&length.to_be_bytes());
    let start = message.len();
    message.resize(start + size - 4, 0);
    from.read_exact(&mut message[start..]).await?;
    Ok(())
}
