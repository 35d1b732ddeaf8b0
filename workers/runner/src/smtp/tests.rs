//! Mail over a real socket, to a server that says what a test wants.

use kamiflow_domain::accounts::mailer::{Mail, MailError, Mailer};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::{SmtpError, SmtpMailer};

fn mail() -> Mail {
    Mail {
        to: "li@example.com".parse().unwrap(),
        subject: "确认邮箱".to_owned(),
        text: "text with https://kamiflow.test/confirm?token=T".to_owned(),
        html: "<p>html</p>".to_owned(),
    }
}

/// Serves one conversation; answers a recipient with `recipient`. Returns the URL and what the client said.
async fn server(recipient: &'static str) -> (String, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("smtp://{}", listener.local_addr().unwrap());
    let served = tokio::spawn(async move {
        let (socket, _) = listener.accept().await.unwrap();
        let (read, mut write) = socket.into_split();
        let mut lines = BufReader::new(read).lines();
        let (mut said, mut in_data) = (String::new(), false);
        write.write_all(b"220 test\r\n").await.unwrap();
        while let Ok(Some(line)) = lines.next_line().await {
            said.push_str(&line);
            said.push('\n');
            let answer = match line.split(' ').next().unwrap_or_default() {
                "." if in_data => {
                    in_data = false;
                    "250 taken"
                }
                _ if in_data => continue,
                "RCPT" => recipient,
                "DATA" => {
                    in_data = true;
                    "354 go on"
                }
                "QUIT" => "221 bye",
                _ => "250 fine",
            };
            if write.write_all(format!("{answer}\r\n").as_bytes()).await.is_err() || answer.starts_with("221") {
                break;
            }
            if answer == "250 taken" {
                break;
            }
        }
        said
    });
    (url, served)
}

fn mailer(url: &str) -> SmtpMailer {
    SmtpMailer::new(&url.into(), "Kamiflow <noreply@kamiflow.test>").unwrap()
}

#[tokio::test]
async fn a_mail_arrives_with_both_parts() {
    let (url, served) = server("250 fine").await;
    mailer(&url).send(&mail()).await.unwrap();
    let said = served.await.unwrap();
    assert!(said.contains("RCPT TO:<li@example.com>"), "{said}");
    assert!(said.contains("From: \"Kamiflow\"") || said.contains("From: Kamiflow"), "{said}");
    assert!(said.contains("multipart/alternative") && said.contains("text/html"), "{said}");
    assert!(said.contains("Subject: =?utf-8?"), "{said}");
}

#[tokio::test]
async fn a_refusal_for_good_is_told_from_one_for_now() {
    let (url, _served) = server("550 no such user").await;
    assert!(matches!(mailer(&url).send(&mail()).await, Err(MailError::Refused(_))));
    let (url, _served) = server("451 try again later").await;
    assert!(matches!(mailer(&url).send(&mail()).await, Err(MailError::Later(_))));
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("smtp://{}", closed.local_addr().unwrap());
    drop(closed);
    assert!(matches!(mailer(&url).send(&mail()).await, Err(MailError::Later(_))));
}

#[test]
fn what_cannot_be_configured_is_refused_with_its_cure() {
    assert!(matches!(SmtpMailer::new(&"http://mail".into(), "a@example.com"), Err(SmtpError::Url(_))));
    let from = SmtpMailer::new(&"smtp://mail".into(), "nobody at all").err().unwrap();
    assert!(from.to_string().contains("noreply@example.com"), "{from}");
}
