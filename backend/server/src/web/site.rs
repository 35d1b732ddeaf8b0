//! The built files and the addresses the site answers to.

use std::collections::HashMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use actix_web::web::Bytes;
use ipnet::IpNet;
use kamiflow_app::context::Assets;
use kamiflow_runtime::config::Ui;

/// Why the built files cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum SiteError {
    /// There is no complete folder.
    #[error("the pages' files are not built: {} is missing: run `cargo dev build-ui`, or set KAMIFLOW_UI_FOLDER to where they are", .0.display())]
    NotBuilt(PathBuf),
    /// The folder was built by another version.
    #[error("{} does not name the file `{role}`: run `cargo dev build-ui` of this version", .manifest.display())]
    Incomplete {
        /// The list of files.
        manifest: PathBuf,
        /// What it lacks.
        role: &'static str,
    },
    /// A file that is listed cannot be read.
    #[error("cannot read {}: run `cargo dev build-ui` again", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// A file as it is sent: plain, and compressed beforehand.
pub(super) struct File {
    pub(super) content_type: &'static str,
    pub(super) plain: Bytes,
    pub(super) brotli: Bytes,
    pub(super) gzip: Bytes,
}

/// The web application's files and settings. Cheap to clone.
#[derive(Clone)]
pub struct Site {
    pub(super) files: Arc<HashMap<String, File>>,
    pub(super) assets: Arc<Assets>,
    settings: Arc<Ui>,
}

impl Site {
    /// Reads the built files into memory; they are a few hundred kilobytes.
    ///
    /// # Errors
    /// When they are not all there, with the cure.
    pub fn load(settings: &Ui) -> Result<Self, SiteError> {
        let path = settings.folder.join("manifest.json");
        let names = fs::read(&path).ok().and_then(|text| serde_json::from_slice(&text).ok());
        let names: HashMap<String, String> = names.ok_or_else(|| SiteError::NotBuilt(path.clone()))?;
        let address = |role: &'static str| match names.get(role) {
            Some(name) => Ok(format!("/assets/{name}")),
            None => Err(SiteError::Incomplete { manifest: path.clone(), role }),
        };
        let assets = Assets {
            style: address("style")?,
            boot: address("boot")?,
            passkey: address("passkey")?,
            module: address("module")?,
            wasm: address("wasm")?,
            icons: address("icons")?,
            mark: address("mark")?,
        };
        let files = names.into_values().map(|name| Ok((name.clone(), read(&settings.folder, &name)?)));
        let files = files.collect::<Result<_, SiteError>>()?;
        Ok(Self { files: Arc::new(files), assets: Arc::new(assets), settings: Arc::new(settings.clone()) })
    }

    /// Whether pages for developers are there.
    pub(super) fn is_development(&self) -> bool {
        self.settings.development
    }

    /// Whether people reach the site over TLS.
    pub(crate) fn is_secure(&self) -> bool {
        self.settings.public_url.as_ref().is_some_and(|url| url.starts_with("https://"))
    }

    /// Returns a cookie's full name: with `__Host-` a browser refuses one that another host of the domain has set, and
    /// that needs https.
    pub(crate) fn cookie_name(&self, name: &str) -> String {
        if self.is_secure() { format!("__Host-{name}") } else { name.to_owned() }
    }

    /// Returns what links in mails begin with, without a slash at its end.
    pub(crate) fn base_url(&self, bound: SocketAddr) -> String {
        self.settings.base_url(bound.port())
    }

    /// Who is believed about a client's address.
    pub(super) fn trusted_proxies(&self) -> &[IpNet] {
        &self.settings.trusted_proxies
    }

    /// Returns the hosts that are answered and the origins that forms may come from.
    pub(crate) fn addresses(&self, bound: SocketAddr) -> Addresses {
        let mut hosts = self.settings.hosts.clone();
        let scheme = if self.is_secure() { "https" } else { "http" };
        match &self.settings.public_url {
            Some(url) => hosts.extend(url.split_once("://").map(|(_, host)| host.to_owned())),
            None => hosts.extend([
                bound.to_string(),
                format!("localhost:{}", bound.port()),
                format!("127.0.0.1:{}", bound.port()),
            ]),
        }
        let origins = hosts.iter().map(|host| format!("{scheme}://{host}")).collect();
        Addresses { hosts, origins }
    }
}

/// Where the site is.
pub(crate) struct Addresses {
    pub(super) hosts: Vec<String>,
    pub(super) origins: Vec<String>,
}

fn read(folder: &Path, name: &str) -> Result<File, SiteError> {
    let contents = |name: &str| {
        let path = folder.join(name);
        fs::read(&path).map(Bytes::from).map_err(|source| SiteError::Unreadable { path, source })
    };
    Ok(File {
        content_type: content_type(name),
        plain: contents(name)?,
        brotli: contents(&format!("{name}.br"))?,
        gzip: contents(&format!("{name}.gz"))?,
    })
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("wasm") => "application/wasm",
        _ => "application/octet-stream",
    }
}
