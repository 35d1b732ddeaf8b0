//! A mail server of a test's own: keeps what it is handed, byte for byte and with the envelope it came in.

use std::sync::{Arc, Mutex};

use kamiflow_runner::SmtpMailer;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// A mail as it came over the line.
#[derive(Debug, Clone, Default)]
pub struct Caught {
    /// To whom the envelope is addressed.
    pub recipients: Vec<String>,
    /// Headers and body, a line per line.
    pub lines: Vec<String>,
}

impl Caught {
    /// Returns names, in lower case, and values of the headers; a line that begins with a blank goes on with the one above.
    #[must_use]
    pub fn headers(&self) -> Vec<(String, String)> {
        let mut headers: Vec<(String, String)> = Vec::new();
        for line in self.lines.iter().take_while(|line| !line.is_empty()) {
            match (line.starts_with([' ', '\t']), line.split_once(':')) {
                (true, _) => headers.last_mut().expect("a header is begun").1.push_str(line),
                (false, Some((name, value))) => headers.push((name.to_lowercase(), value.trim().to_owned())),
                (false, None) => panic!("no header: {line}"),
            }
        }
        headers
    }
}

/// Takes every mail.
pub struct MailCatcher {
    url: String,
    caught: Arc<Mutex<Vec<Caught>>>,
    arrived: Arc<Notify>,
    serves: JoinHandle<()>,
}

impl MailCatcher {
    /// Starts one.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("smtp://{}", listener.local_addr().unwrap());
        let (caught, arrived) = (Arc::<Mutex<Vec<Caught>>>::default(), Arc::<Notify>::default());
        let (keeps, tells) = (Arc::clone(&caught), Arc::clone(&arrived));
        let serves = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(converse(socket, Arc::clone(&keeps), Arc::clone(&tells)));
            }
        });
        Self { url, caught, arrived, serves }
    }

    /// Returns what hands mails to it, as `kamiflow work` does.
    #[must_use]
    pub fn mailer(&self) -> SmtpMailer {
        SmtpMailer::new(&self.url.as_str().into(), "Kamiflow <noreply@kamiflow.test>").unwrap()
    }

    /// Waits for a mail to an address; returns all that have come until then.
    pub async fn until(&self, address: &str) -> Vec<Caught> {
        loop {
            let arrives = self.arrived.notified();
            let caught = self.caught.lock().unwrap().clone();
            if caught.iter().any(|mail| mail.recipients.iter().any(|recipient| recipient == address)) {
                return caught;
            }
            arrives.await;
        }
    }
}

impl Drop for MailCatcher {
    fn drop(&mut self) {
        self.serves.abort();
    }
}

/// Speaks as much SMTP as a client needs; ends when the client does.
async fn converse(socket: TcpStream, caught: Arc<Mutex<Vec<Caught>>>, arrived: Arc<Notify>) {
    let (read, mut write) = socket.into_split();
    let mut lines = BufReader::new(read).lines();
    let (mut mail, mut is_data) = (Caught::default(), false);
    let _greeted = write.write_all(b"220 catcher\r\n").await;
    while let Ok(Some(line)) = lines.next_line().await {
        let answer = match line.split([' ', ':']).next().unwrap_or_default().to_uppercase().as_str() {
            "." if is_data => {
                is_data = false;
                caught.lock().unwrap().push(std::mem::take(&mut mail));
                arrived.notify_waiters();
                "250 taken"
            }
            _ if is_data => {
                mail.lines.push(line);
                continue;
            }
            "RCPT" => {
                let address = line.split(['<', '>']).nth(1).unwrap_or_default();
                mail.recipients.push(address.to_owned());
                "250 fine"
            }
            "DATA" => {
                is_data = true;
                "354 go on"
            }
            "QUIT" => "221 bye",
            _ => "250 fine",
        };
        if write.write_all(format!("{answer}\r\n").as_bytes()).await.is_err() || answer.starts_with("221") {
            return;
        }
    }
}
