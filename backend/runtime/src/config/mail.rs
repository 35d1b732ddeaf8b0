//! Section MAIL: the server that mail goes to.

use kamiflow_kernel::SecretText;

use super::reader::Reader;
use super::section::{Section, SectionReference};
use super::variable::{Kind, Preset, Variable};

static URL: Variable = Variable {
    name: "KAMIFLOW_MAIL_URL",
    kind: Kind::Url(&["smtp", "smtps"]),
    preset: Preset::Optional,
    doc: "The mail server: `smtps://user:password@host` for TLS from the start, `smtp://user:password@host:587?tls=required` \
          for STARTTLS, `smtp://host:25` without. Without it mails wait in the database.",
    secret: true,
    used_by: &["work"],
};

static FROM: Variable = Variable {
    name: "KAMIFLOW_MAIL_FROM",
    kind: Kind::Text,
    preset: Preset::Value("Kamiflow <noreply@localhost>"),
    doc: "The sender of all mail.",
    secret: false,
    used_by: &["work"],
};

static INBOX: Variable = Variable {
    name: "KAMIFLOW_MAIL_INBOX_URL",
    kind: Kind::Url(&["http", "https"]),
    preset: Preset::Optional,
    doc: "Where mails can be read, if the mail server only catches them, as in the demo: pages that say that a mail is on \
          its way link to it. Leave it out where mails are really sent.",
    secret: false,
    used_by: &["serve"],
};

pub(super) const REFERENCE: SectionReference = SectionReference {
    title: "Mail",
    about: "Mails are written down sealed and sent by the pool `jobs`.",
    variables: &[&URL, &FROM, &INBOX],
};

/// The server that mail goes to.
#[derive(Debug)]
pub struct Mail {
    /// `smtp://…` or `smtps://…`, with the password; none means that mail waits.
    pub url: Option<SecretText>,
    /// The sender.
    pub from: String,
    /// Where mails that are only caught can be read.
    pub inbox: Option<String>,
}

impl Section for Mail {
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let url = reader.optional_url(&URL);
        let from = reader.text(&FROM);
        let inbox = reader.optional_url(&INBOX);
        Some(Self { url: url?.map(SecretText::new), from: from?, inbox: inbox? })
    }
}
