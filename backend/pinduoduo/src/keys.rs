//! What a call is signed and authorized with.

use std::sync::Arc;

use kamiflow_kernel::{MallId, SecretText};

/// An application's id and secret. Cheap to clone; `Debug` shows only the id.
#[derive(Debug, Clone)]
pub struct AppKeys {
    client_id: Arc<str>,
    client_secret: Arc<SecretText>,
}

impl AppKeys {
    /// Wraps an application's id and secret.
    #[must_use]
    pub fn new(client_id: &str, client_secret: SecretText) -> Self {
        Self { client_id: client_id.into(), client_secret: Arc::new(client_secret) }
    }

    /// Returns the application's public id.
    #[must_use]
    pub fn client_id(&self) -> &str {
        &self.client_id
    }

    pub(crate) fn client_secret(&self) -> &str {
        self.client_secret.expose()
    }
}

/// A mall's access token. Cheap to clone; `Debug` shows only the mall.
#[derive(Debug, Clone)]
pub struct MallToken {
    mall: MallId,
    token: Arc<SecretText>,
}

impl MallToken {
    /// Wraps the token of a mall.
    #[must_use]
    pub fn new(mall: MallId, token: SecretText) -> Self {
        Self { mall, token: Arc::new(token) }
    }

    /// Returns the mall the token belongs to.
    #[must_use]
    pub const fn mall(&self) -> MallId {
        self.mall
    }

    pub(crate) fn expose(&self) -> &str {
        self.token.expose()
    }
}
