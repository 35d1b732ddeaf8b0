//! Authorization codes and tokens.
//!
//! A code lives ten minutes and works once. Authorizing again kills the mall's earlier code and
//! tokens for that application. Whether a refresh gives a later expiry is the application's switch.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, RwLock},
};

use serde::Serialize;

use super::{application::Application, lock, read, write};
use crate::{dice::Dice, scenario};

const CODE_LIFETIME_MS: i64 = 600_000;
const TEN_YEARS_S: i64 = 10 * 365 * 86_400;

/// One issued access token with its refresh token.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Token {
    pub(crate) access_token: String,
    pub(crate) refresh_token: String,
    pub(crate) client_id: String,
    pub(crate) mall_id: u64,
    pub(crate) expires_ms: i64,
    pub(crate) refresh_expires_ms: i64,
}

/// Why no token was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenRefusal {
    /// Unknown, of another application, or killed.
    Unknown,
    /// Too late.
    Expired,
}

#[derive(Debug)]
struct Code {
    client_id: String,
    mall_id: u64,
    expires_ms: i64,
}

/// All codes and tokens.
#[derive(Debug, Default)]
pub(crate) struct TokenBook {
    by_access: RwLock<HashMap<String, Arc<Token>>>,
    /// Applications per mall, with their access token, for pushes.
    by_mall: RwLock<HashMap<u64, Vec<(String, String)>>>,
    codes: Mutex<HashMap<String, Code>>,
}

impl TokenBook {
    pub(crate) fn find(&self, access_token: &str) -> Option<Arc<Token>> {
        read(&self.by_access).get(access_token).cloned()
    }

    pub(crate) fn list(&self) -> Vec<Arc<Token>> {
        read(&self.by_access).values().cloned().collect()
    }

    pub(crate) fn add_fixed(&self, fixed: &scenario::FixedToken, mall_id: u64, now_ms: i64) {
        let expires_ms = now_ms + fixed.expires_in.unwrap_or(TEN_YEARS_S).saturating_mul(1000);
        self.insert(Token {
            access_token: fixed.access_token.clone(),
            refresh_token: fixed.refresh_token.clone().unwrap_or_else(|| format!("{}-refresh", fixed.access_token)),
            client_id: fixed.client_id.clone(),
            mall_id,
            expires_ms,
            refresh_expires_ms: expires_ms,
        });
    }

    /// Returns the applications with a live token for a mall.
    pub(crate) fn clients_of(&self, mall_id: u64, now_ms: i64) -> Vec<String> {
        let tokens = read(&self.by_access);
        let is_live = |access: &String| tokens.get(access).is_some_and(|t| t.expires_ms > now_ms);
        let mut clients: Vec<String> = read(&self.by_mall)
            .get(&mall_id)
            .into_iter()
            .flatten()
            .filter(|(_, access)| is_live(access))
            .map(|(client_id, _)| client_id.clone())
            .collect();
        clients.sort();
        clients.dedup();
        clients
    }

    /// Returns the malls that authorized an application, also those whose code is not traded yet.
    pub(crate) fn malls_of(&self, client_id: &str, now_ms: i64) -> Vec<u64> {
        let mut malls: Vec<u64> = read(&self.by_access)
            .values()
            .filter(|token| token.client_id == client_id)
            .map(|token| token.mall_id)
            .collect();
        malls.extend(
            lock(&self.codes)
                .values()
                .filter(|code| code.client_id == client_id && code.expires_ms > now_ms)
                .map(|code| code.mall_id),
        );
        malls.sort_unstable();
        malls.dedup();
        malls
    }

    /// Authorizes an application anew: earlier codes and tokens of the pair die.
    pub(crate) fn authorize(&self, client_id: &str, mall_id: u64, dice: &Dice, now_ms: i64) -> String {
        self.revoke(|token| token.client_id == client_id && token.mall_id == mall_id);
        let mut codes = lock(&self.codes);
        codes.retain(|_, code| code.client_id != client_id || code.mall_id != mall_id);
        let code = dice.token();
        let expires_ms = now_ms + CODE_LIFETIME_MS;
        codes.insert(code.clone(), Code { client_id: client_id.to_owned(), mall_id, expires_ms });
        code
    }

    /// Trades a code for a token.
    pub(crate) fn create(
        &self,
        application: &Application,
        code: &str,
        dice: &Dice,
        now_ms: i64,
    ) -> Result<Arc<Token>, TokenRefusal> {
        let client_id = &application.config.client_id;
        let mut codes = lock(&self.codes);
        let known = codes.get(code).is_some_and(|found| found.client_id == *client_id);
        let found = known.then(|| codes.remove(code)).flatten().ok_or(TokenRefusal::Unknown)?;
        if found.expires_ms <= now_ms {
            return Err(TokenRefusal::Expired);
        }
        let config = &application.config;
        Ok(self.insert(Token {
            access_token: dice.token(),
            refresh_token: dice.token(),
            client_id: client_id.clone(),
            mall_id: found.mall_id,
            expires_ms: now_ms + config.token_lifetime_s.saturating_mul(1000),
            refresh_expires_ms: now_ms + config.refresh_lifetime_s.saturating_mul(1000),
        }))
    }

    /// Refreshes: a new expiry where the application's switch says so, else the same one again.
    ///
    /// The texts stay the same (the platform documents neither), so a client that lost the answer
    /// may simply ask again.
    pub(crate) fn refresh(
        &self,
        application: &Application,
        refresh_token: &str,
        now_ms: i64,
    ) -> Result<Arc<Token>, TokenRefusal> {
        let config = &application.config;
        let found = read(&self.by_access)
            .values()
            .find(|token| token.refresh_token == refresh_token && token.client_id == config.client_id)
            .cloned()
            .ok_or(TokenRefusal::Unknown)?;
        if found.refresh_expires_ms <= now_ms {
            return Err(TokenRefusal::Expired);
        }
        if !config.refresh_extends {
            return Ok(found);
        }
        let mut extended = Token::clone(&found);
        extended.expires_ms = now_ms + config.token_lifetime_s.saturating_mul(1000);
        extended.refresh_expires_ms = now_ms + config.refresh_lifetime_s.saturating_mul(1000);
        Ok(self.insert(extended))
    }

    /// Ends the lifetime of matching tokens now; returns how many.
    pub(crate) fn expire(&self, matches: impl Fn(&Token) -> bool, now_ms: i64) -> usize {
        let mut tokens = write(&self.by_access);
        let mut count = 0;
        for token in tokens.values_mut().filter(|token| matches(token)) {
            Arc::make_mut(token).expires_ms = now_ms;
            count += 1;
        }
        count
    }

    /// Kills matching tokens; returns how many.
    pub(crate) fn revoke(&self, matches: impl Fn(&Token) -> bool) -> usize {
        let mut tokens = write(&self.by_access);
        let before = tokens.len();
        tokens.retain(|_, token| !matches(token));
        let live = |access: &String| tokens.contains_key(access);
        for entries in write(&self.by_mall).values_mut() {
            entries.retain(|(_, access)| live(access));
        }
        before - tokens.len()
    }

    fn insert(&self, token: Token) -> Arc<Token> {
        let token = Arc::new(token);
        let entry = (token.client_id.clone(), token.access_token.clone());
        // Lock order: tokens before malls, as in `clients_of` and `revoke`.
        let mut tokens = write(&self.by_access);
        tokens.insert(token.access_token.clone(), Arc::clone(&token));
        let mut by_mall = write(&self.by_mall);
        let entries = by_mall.entry(token.mall_id).or_default();
        if !entries.contains(&entry) {
            entries.push(entry);
        }
        token
    }
}
