//! One connection to Postgres: where it goes, and how the way there is protected.
//!
//! # TLS
//! The URL says it, in the words of libpq, so that `pg_dump` and `psql` understand the same URL:
//!
//! | `sslmode` | encrypted | certificate's issuer checked | its name checked |
//! | --- | --- | --- | --- |
//! | none, `disable` | no | | |
//! | `require`, `verify-ca` with `sslrootcert` | yes | yes | no |
//! | `require`, `verify-ca` without | yes | yes | yes |
//! | `verify-full` | yes | yes | yes |
//!
//! Issuers are those of the file `sslrootcert`, else the public ones compiled in. Unlike libpq, `require` never trusts
//! an unknown issuer, because encryption for whoever happens to answer protects from nobody; and where everybody can
//! be issued a certificate by a public authority, only the name tells a server apart. `prefer` and `allow` promise
//! nothing and are refused. A unix socket needs no TLS and gets none.

use std::error::Error;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use diesel::ConnectionError;
use diesel_async::AsyncPgConnection;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio_postgres::config::{Config, Host, SslMode};
use tokio_postgres::{NoTls, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::error::StoreError;

/// Limits every session has (engine.md, Postgres). Nothing is compiled just in time: statements are short, and compiling
/// one takes seconds where the planner's costs are no times ([`crate::Store::listing_tx`]). Nothing is merge-joined: who
/// asks about a few rows must not read two indexes from their beginning, as is planned while tables are young.
pub(crate) const SESSION: &str = "-c statement_timeout=30s -c lock_timeout=5s -c idle_in_transaction_session_timeout=15s \
     -c TimeZone=UTC -c jit=off -c enable_mergejoin=off";
/// `sslrootcert` with this value means the public authorities, as with libpq.
const SYSTEM_ROOTS: &str = "system";

/// Where a connection goes.
#[derive(Clone)]
pub(crate) struct Target {
    config: Config,
    tls: Option<MakeRustlsConnect>,
}

/// What the URL asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Protection {
    Plain,
    Issuer,
    IssuerAndName,
}

impl Target {
    /// Reads a URL; `session` are settings that each session begins with.
    pub(crate) fn parse(url: &str, session: &str) -> Result<Self, StoreError> {
        let (plain_url, mode, root) = split(url);
        // The library's own message never repeats the URL.
        let mut config: Config = plain_url
            .parse()
            .map_err(|error: tokio_postgres::Error| unusable(&format!("the database's URL: {}", told(&error))))?;
        let given = config.get_options().unwrap_or_default().to_owned();
        config
            .options(format!("{session} {given}").trim())
            .application_name("kamiflow")
            .connect_timeout(Duration::from_secs(5))
            .tcp_user_timeout(Duration::from_secs(20))
            .keepalives_idle(Duration::from_secs(10));
        let is_local = config.get_hosts().iter().all(|host| matches!(host, Host::Unix(_)));
        let protection = if is_local { Protection::Plain } else { protection(mode.as_deref(), root.as_deref())? };
        let tls = match protection {
            Protection::Plain => None,
            asked => Some(MakeRustlsConnect::new(client_config(asked, root.as_deref())?)),
        };
        config.ssl_mode(if tls.is_some() { SslMode::Require } else { SslMode::Disable });
        Ok(Self { config, tls })
    }

    /// Returns `user@host:port/database`, without any password.
    pub(crate) fn place(&self) -> String {
        let mut place = format!("{}@", self.config.get_user().unwrap_or("?"));
        for (n, host) in self.config.get_hosts().iter().enumerate() {
            let ports = self.config.get_ports();
            let port = ports.get(n).or(ports.first()).copied().unwrap_or(5432);
            let comma = if n > 0 { "," } else { "" };
            let _ = match host {
                Host::Tcp(name) => write!(place, "{comma}{name}:{port}"),
                Host::Unix(folder) => write!(place, "{comma}{}", folder.display()),
            };
        }
        let database = self.config.get_dbname().or(self.config.get_user()).unwrap_or("?");
        let _ = write!(place, "/{database}");
        place
    }

    /// Connects.
    pub(crate) async fn connect(&self) -> Result<AsyncPgConnection, ConnectionError> {
        match &self.tls {
            None => self.connect_with(NoTls).await,
            Some(tls) => self.connect_with(tls.clone()).await,
        }
    }

    async fn connect_with<T>(&self, tls: T) -> Result<AsyncPgConnection, ConnectionError>
    where
        T: tokio_postgres::tls::MakeTlsConnect<Socket>,
        T::Stream: Send + 'static,
    {
        let refuse = |error: tokio_postgres::Error| {
            ConnectionError::BadConnection(format!("{}: {}", self.place(), told(&error)))
        };
        let (client, connection) = self.config.connect(tls).await.map_err(refuse)?;
        AsyncPgConnection::try_from_client_and_connection(client, connection).await
    }
}

/// Returns the URL without what the client library does not know, and the two parameters taken out of it.
fn split(url: &str) -> (String, Option<String>, Option<String>) {
    let Some((place, query)) = url.split_once('?') else { return (url.to_owned(), None, None) };
    let (mut mode, mut root, mut rest) = (None, None, Vec::new());
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        match pair.split_once('=') {
            Some(("sslmode", value)) => mode = Some(value.to_owned()),
            Some(("sslrootcert", value)) => root = Some(percent_decode(value)),
            _ => rest.push(pair),
        }
    }
    let query = if rest.is_empty() { String::new() } else { format!("?{}", rest.join("&")) };
    (format!("{place}{query}"), mode, root.filter(|root| root != SYSTEM_ROOTS))
}

fn protection(mode: Option<&str>, root: Option<&str>) -> Result<Protection, StoreError> {
    match (mode, root) {
        (None | Some("disable"), None) => Ok(Protection::Plain),
        // Whoever names an authority wants it to be asked.
        (Some("verify-full"), _) | (None, Some(_)) | (Some("require" | "verify-ca"), None) => {
            Ok(Protection::IssuerAndName)
        }
        (Some("require" | "verify-ca"), Some(_)) => Ok(Protection::Issuer),
        (Some("disable"), Some(_)) => Err(unusable("sslmode=disable beside a CA file: leave one of the two out")),
        (Some(other), _) => {
            Err(unusable(&format!("sslmode={other} is not known: write disable, require, verify-ca or verify-full")))
        }
    }
}

fn client_config(protection: Protection, root: Option<&str>) -> Result<ClientConfig, StoreError> {
    let roots = Arc::new(roots(root)?);
    // Named, so that it does not depend on what else is linked into the process.
    let provider = Arc::new(ring::default_provider());
    let wrong = |error: &dyn Error| unusable(&format!("TLS: {}", told(error)));
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| wrong(&error))?;
    let config = match protection {
        Protection::Issuer => {
            let inner =
                WebPkiServerVerifier::builder_with_provider(roots, provider).build().map_err(|error| wrong(&error))?;
            builder.dangerous().with_custom_certificate_verifier(Arc::new(IssuerOnly(inner))).with_no_client_auth()
        }
        Protection::Plain | Protection::IssuerAndName => builder.with_root_certificates(roots).with_no_client_auth(),
    };
    Ok(config)
}

fn roots(file: Option<&str>) -> Result<RootCertStore, StoreError> {
    let Some(file) = file else { return Ok(webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect()) };
    let unreadable = |error: &dyn Error| unusable(&format!("the CA file {file}: {}", told(error)));
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(file).map_err(|error| unreadable(&error))? {
        let certificate = certificate.map_err(|error| unreadable(&error))?;
        roots.add(certificate).map_err(|error| unreadable(&error))?;
    }
    if roots.is_empty() {
        return Err(unusable(&format!("the CA file {file} holds no certificate in PEM form")));
    }
    Ok(roots)
}

/// Checks everything about a certificate but the name in it, for `verify-ca`.
#[derive(Debug)]
struct IssuerOnly(Arc<WebPkiServerVerifier>);

impl ServerCertVerifier for IssuerOnly {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        match self.0.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
            // The name is looked at last, so everything else was right.
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

fn unusable(what: &str) -> StoreError {
    StoreError::Unavailable(what.to_owned())
}

/// Joins an error and its causes; the library's own texts stop at "error connecting to server".
pub(crate) fn told(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string().replace('\n', "; ");
        if !text.contains(&more) {
            let _ = write!(text, ": {more}");
        }
        cause = error.source();
    }
    text
}

fn percent_decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        let digits = tail.split_at_checked(2).and_then(|(digits, after)| {
            let digits = std::str::from_utf8(digits).ok()?;
            Some((u8::from_str_radix(digits, 16).ok()?, after))
        });
        match (byte, digits) {
            (b'%', Some((decoded, after))) => {
                bytes.push(decoded);
                rest = after;
            }
            _ => {
                bytes.push(byte);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parameters_of_tls_are_taken_out_of_the_url() {
        let url = "postgres://a:b@db/k?sslmode=verify-full&options=-c%20x%3Dy&sslrootcert=%2Fetc%2Fca.pem";
        let (rest, mode, root) = split(url);
        assert_eq!(rest, "postgres://a:b@db/k?options=-c%20x%3Dy");
        assert_eq!((mode.as_deref(), root.as_deref()), (Some("verify-full"), Some("/etc/ca.pem")));
        assert_eq!(split("postgres://db/k?sslrootcert=system").2, None);
    }

    #[test]
    fn protection_is_never_less_than_what_was_asked_for() {
        use Protection::{Issuer, IssuerAndName, Plain};
        for (mode, root, expected) in [
            (None, None, Plain),
            (Some("disable"), None, Plain),
            (None, Some("ca"), IssuerAndName),
            (Some("require"), None, IssuerAndName),
            (Some("verify-ca"), None, IssuerAndName),
            (Some("require"), Some("ca"), Issuer),
            (Some("verify-ca"), Some("ca"), Issuer),
            (Some("verify-full"), None, IssuerAndName),
            (Some("verify-full"), Some("ca"), IssuerAndName),
        ] {
            assert_eq!(protection(mode, root).unwrap(), expected, "{mode:?} {root:?}");
        }
        for mode in ["prefer", "allow", "verify_full", ""] {
            assert!(protection(Some(mode), None).is_err(), "{mode}");
        }
        assert!(protection(Some("disable"), Some("ca")).is_err());
    }

    #[test]
    fn places_and_errors_never_show_a_password() {
        let target = Target::parse("postgres://app:hunter2@db.example:6432/kamiflow", "").unwrap();
        assert_eq!(target.place(), "app@db.example:6432/kamiflow");
        let target = Target::parse("postgres://app:hunter2@%2Frun%2Fpg/kamiflow?sslmode=verify-full", "").unwrap();
        assert_eq!(target.place(), "app@/run/pg/kamiflow");
        for url in [
            "postgres://app:hunter2@db:port/kamiflow",
            "postgres://app:hunter2@db/kamiflow?sslmode=prefer",
            "postgres://app:hunter2@db/kamiflow?sslmode=require&sslrootcert=/nowhere/ca.pem",
        ] {
            let Err(error) = Target::parse(url, "") else { panic!("{url} was accepted") };
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
        }
    }
}
