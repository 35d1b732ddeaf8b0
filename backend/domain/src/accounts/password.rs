//! Hashing of passwords: argon2id with the configured cost, a few at a time.

use std::sync::Arc;

use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, PasswordHasher as _, PasswordVerifier as _, Version};
use kamiflow_kernel::{NewPassword, PasswordError, SecretText};
use tokio::sync::Semaphore;

use super::frequent_passwords;

/// What hashing one password costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HashCost {
    /// Memory, KiB.
    pub memory_kib: u32,
    /// Passes over the memory.
    pub iterations: u32,
    /// Lanes.
    pub lanes: u32,
}

impl Default for HashCost {
    /// OWASP's choice for argon2id: 19 MiB, two passes, one lane.
    fn default() -> Self {
        Self { memory_kib: 19 * 1024, iterations: 2, lanes: 1 }
    }
}

/// Why a password is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PasswordRefused {
    /// Its length.
    #[error(transparent)]
    Form(#[from] PasswordError),
    /// It is one of the first that everybody tries.
    #[error("this password is one of the 10,000 most common ones")]
    Common,
}

/// Hashing failed: no memory, or a stored hash that is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a password could not be hashed")]
pub struct HashError;

/// Hashes and compares. Bounded, so that a crowd at the door cannot use all memory.
pub struct PasswordHasher {
    cost: Params,
    turns: Arc<Semaphore>,
    /// What the passwords of nobody are compared with.
    nobodys: String,
}

impl PasswordHasher {
    /// Returns a hasher that works on at most `at_once` passwords at the same time.
    ///
    /// # Errors
    /// When the cost is none that argon2 accepts.
    pub fn new(cost: HashCost, at_once: usize) -> Result<Self, HashError> {
        let cost = Params::new(cost.memory_kib, cost.iterations, cost.lanes, None).map_err(|_error| HashError)?;
        let nobodys = hash(&cost, "nobody has this password")?;
        Ok(Self { cost, turns: Arc::new(Semaphore::new(at_once.max(1))), nobodys })
    }

    /// Hashes a password.
    ///
    /// # Errors
    /// When there is no memory for it.
    pub async fn hash(&self, password: &SecretText) -> Result<SecretText, HashError> {
        let (cost, password) = (self.cost.clone(), password.clone());
        self.blocking(move || hash(&cost, password.expose())).await.map(SecretText::new)
    }

    /// Returns whether a password is the one that was hashed; for `None` the answer is no, after the same work.
    ///
    /// # Errors
    /// When there is no memory for it.
    pub async fn verify(&self, password: &SecretText, stored: Option<&SecretText>) -> Result<bool, HashError> {
        let password = password.clone();
        let (is_somebodys, stored) = match stored {
            Some(stored) => (true, stored.clone()),
            None => (false, SecretText::new(self.nobodys.clone())),
        };
        let matches = self.blocking(move || {
            let parsed = PasswordHash::new(stored.expose()).map_err(|_error| HashError)?;
            Ok(Argon2::default().verify_password(password.expose().as_bytes(), &parsed).is_ok())
        });
        Ok(matches.await? && is_somebodys)
    }

    /// Returns whether a stored hash was made with other parameters than today's.
    #[must_use]
    pub fn is_outdated(&self, stored: &SecretText) -> bool {
        PasswordHash::new(stored.expose())
            .ok()
            .and_then(|parsed| Params::try_from(&parsed).ok())
            .is_none_or(|params| cost_of(&params) != cost_of(&self.cost))
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, HashError> + Send + 'static,
    ) -> Result<T, HashError> {
        let _turn = self.turns.acquire().await.map_err(|_closed| HashError)?;
        tokio::task::spawn_blocking(work).await.map_err(|_gone| HashError)?
    }
}

fn cost_of(params: &Params) -> (u32, u32, u32) {
    (params.m_cost(), params.t_cost(), params.p_cost())
}

fn hash(cost: &Params, password: &str) -> Result<String, HashError> {
    let mut salt = [0_u8; 16];
    rand::fill(&mut salt);
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, cost.clone());
    let hashed = argon2.hash_password_with_salt(password.as_bytes(), &salt).map_err(|_error| HashError)?;
    Ok(hashed.to_string())
}

/// Checks a password that somebody chose.
///
/// # Errors
/// When it is too short, too long or too common.
pub(super) fn check(password: SecretText) -> Result<NewPassword, PasswordRefused> {
    let password = NewPassword::new(password)?;
    if frequent_passwords::contains(password.secret().expose()) {
        return Err(PasswordRefused::Common);
    }
    Ok(password)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHEAP: HashCost = HashCost { memory_kib: 64, iterations: 1, lanes: 1 };

    #[tokio::test]
    async fn a_password_matches_its_own_hash_only() {
        let hasher = PasswordHasher::new(CHEAP, 2).unwrap();
        let stored = hasher.hash(&"correct horse battery".into()).await.unwrap();
        assert!(stored.expose().starts_with("$argon2id$v=19$m=64,t=1,p=1$"), "{}", stored.expose());
        assert!(hasher.verify(&"correct horse battery".into(), Some(&stored)).await.unwrap());
        assert!(!hasher.verify(&"correct horse batter".into(), Some(&stored)).await.unwrap());
        assert!(!hasher.verify(&"nobody has this password".into(), None).await.unwrap());
    }

    #[tokio::test]
    async fn a_hash_of_another_cost_is_outdated_and_still_matches() {
        let (old, new) = (PasswordHasher::new(CHEAP, 1).unwrap(), PasswordHasher::new(HashCost::default(), 1).unwrap());
        let stored = old.hash(&"correct horse battery".into()).await.unwrap();
        assert!(new.is_outdated(&stored) && !old.is_outdated(&stored));
        assert!(new.verify(&"correct horse battery".into(), Some(&stored)).await.unwrap());
    }

    #[test]
    fn frequent_passwords_are_refused_in_any_case() {
        assert_eq!(check("qwertyuiop".into()).unwrap_err(), PasswordRefused::Common);
        assert_eq!(check("QwertyUIOP".into()).unwrap_err(), PasswordRefused::Common);
        assert!(check("no-list-has-this-one".into()).is_ok());
    }
}
