//! The one TLS configuration of calls and push connections.

use std::sync::{Arc, OnceLock};

use rustls::{ClientConfig, RootCertStore};

/// Makes ring the process's rustls provider, unless one is installed already. Safe to call again.
///
/// Two providers can be linked into one binary, and then rustls refuses to guess.
pub fn install_crypto_provider() {
    // An error only says that a provider is installed already, which is the wanted state.
    let _already = rustls::crypto::ring::default_provider().install_default();
}

/// Returns the shared configuration: Mozilla's roots, no client certificate, HTTP/1.1.
///
/// A root store takes some 30 KB, so thousands of push connections must not each own one.
pub(crate) fn config() -> Arc<ClientConfig> {
    static CONFIG: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    let build = || {
        install_crypto_provider();
        let roots: RootCertStore = webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect();
        Arc::new(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth())
    };
    Arc::clone(CONFIG.get_or_init(build))
}
