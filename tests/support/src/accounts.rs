//! People at the door: accounts over a real Postgres and Redis, a mailbox, and visitors with browsers.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};

use chrono::{DateTime, Utc};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use kamiflow_domain::accounts::access_token::AccessKeys;
use kamiflow_domain::accounts::authenticate::{AuthenticateError, authenticate};
use kamiflow_domain::accounts::confirm_email::{Confirmed, confirm_email};
use kamiflow_domain::accounts::log_in::{LogIn, LogInError, LoggedIn, log_in};
use kamiflow_domain::accounts::mailer::{Mail, MailError, Mailer};
use kamiflow_domain::accounts::password::{HashCost, PasswordHasher};
use kamiflow_domain::accounts::send_mail::{self, SendMail};
use kamiflow_domain::accounts::sign_up::{SignUp, sign_up};
use kamiflow_domain::accounts::{Account, Accounts, AccountsConfig, NewSession, Visit};
use kamiflow_domain::ctx::{Actor, Ctx};
use kamiflow_kernel::{Clock, Locale, MerchantId, SecretBytes, SecretText, UserId};
use kamiflow_queue::{Queue, QueueConfig};
use kamiflow_runner::{SharedThrottle, Waker};
use kamiflow_store::{Store, jobs};
use tokio::sync::Notify;

use crate::app::TestApp;

/// The password of everybody who has not chosen another one.
pub const PASSWORD: &str = "correct horse battery staple";

/// Keeps what was sent.
#[derive(Debug, Default)]
pub struct Mailbox {
    mails: Mutex<Vec<Mail>>,
    arrived: Notify,
}

impl Mailer for Mailbox {
    fn send<'a>(&'a self, mail: &'a Mail) -> BoxFuture<'a, Result<(), MailError>> {
        self.mails.lock().unwrap().push(mail.clone());
        self.arrived.notify_waiters();
        async { Ok(()) }.boxed()
    }
}

impl Mailbox {
    /// Takes the oldest mail to an address, as soon as there is one.
    pub async fn take(&self, address: &str) -> Mail {
        loop {
            let arrives = self.arrived.notified();
            if let Some(mail) = self.find(address) {
                return mail;
            }
            arrives.await;
        }
    }

    /// Takes the oldest mail to an address, if there is one.
    pub fn find(&self, address: &str) -> Option<Mail> {
        let mut mails = self.mails.lock().unwrap();
        let place = mails.iter().position(|mail| mail.to.to_string() == address)?;
        Some(mails.remove(place))
    }
}

/// The product with accounts.
pub struct AccountsApp {
    /// What use cases of accounts take.
    pub accounts: Accounts,
    /// What was sent.
    pub mailbox: Mailbox,
    /// The rest; last, so that connections end before the database is dropped.
    pub app: TestApp,
}

/// Returns a request from the usual address.
#[must_use]
pub fn visit(now: DateTime<Utc>) -> Visit {
    Visit {
        request_id: "request-1".to_owned(),
        now,
        ip: Ipv4Addr::new(203, 0, 113, 7).into(),
        user_agent: "Firefox on Linux".to_owned(),
        locale: Locale::En,
    }
}

/// Returns what use cases of accounts take, with hashes that cost little.
#[must_use]
pub fn accounts(store: Store, clock: Arc<dyn Clock>, queue: &Queue, base_url: &str) -> Accounts {
    let seed = SecretBytes::new(vec![3; 32]);
    let cost = HashCost { memory_kib: 64, iterations: 1, lanes: 1 };
    Accounts {
        store,
        clock,
        throttle: Arc::new(SharedThrottle::new(queue)),
        wakes: Arc::new(Waker::new(queue)),
        keys: AccessKeys::new([("k1".to_owned(), seed)], "k1").unwrap(),
        hasher: Arc::new(PasswordHasher::new(cost, 4).unwrap()),
        config: Arc::new(AccountsConfig {
            base_url: base_url.to_owned(),
            hash_cost: cost,
            ..AccountsConfig::default()
        }),
    }
}

/// An owner with a merchant, signed up and confirmed.
pub struct Owner {
    /// Her account.
    pub user: UserId,
    /// Her merchant.
    pub merchant: MerchantId,
    /// Her address.
    pub email: String,
}

impl AccountsApp {
    /// Starts one with hashes that cost little.
    pub async fn new() -> Self {
        let app = TestApp::new().await;
        let (url, prefix) = app.redis().await;
        let queue = Queue::connect(QueueConfig::new(url, format!("{prefix}:"))).await.unwrap();
        let accounts = accounts(app.store().clone(), app.clock.clone(), &queue, "https://kamiflow.test");
        accounts.prepare().await.unwrap();
        Self { accounts, mailbox: Mailbox::default(), app }
    }

    /// Returns the present moment.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        self.app.clock.now()
    }

    /// Returns a request from an address.
    #[must_use]
    pub fn visit_from(&self, ip: &str) -> Visit {
        Visit { ip: ip.parse().unwrap(), ..self.visit() }
    }

    /// Returns a request from the usual address.
    #[must_use]
    pub fn visit(&self) -> Visit {
        visit(self.now())
    }

    /// Sends every mail that waits, of the platform and of these merchants; returns them by recipient.
    pub async fn mails(&self, merchants: &[MerchantId]) -> HashMap<String, Vec<Mail>> {
        for merchant in merchants.iter().chain([&MerchantId::PLATFORM]) {
            send_mails(&self.accounts.store, &self.mailbox, *merchant, self.now()).await;
        }
        let mut by_recipient: HashMap<String, Vec<Mail>> = HashMap::new();
        for mail in self.mailbox.mails.lock().unwrap().drain(..) {
            by_recipient.entry(mail.to.to_string()).or_default().push(mail);
        }
        by_recipient
    }

    /// Signs somebody up, without confirming.
    pub async fn signs_up(&self, email: &str) {
        let request =
            SignUp { email: email.to_owned(), password: PASSWORD.into(), merchant_name: "测试商家".to_owned() };
        sign_up(&self.accounts, &self.visit(), request).await.unwrap();
    }

    /// Signs somebody up and confirms the address.
    pub async fn owner(&self, email: &str) -> Owner {
        self.signs_up(email).await;
        let mails = self.mails(&[]).await;
        let token = token_in(mails[email].last().unwrap());
        let Confirmed { user, merchant, .. } = confirm_email(&self.accounts, &self.visit(), &token).await.unwrap();
        Owner { user, merchant, email: email.to_owned() }
    }

    /// Tries to log in.
    ///
    /// # Errors
    /// What [`log_in`] says.
    pub async fn tries(
        &self,
        visit: &Visit,
        login: &str,
        password: &str,
        device: Option<&SecretText>,
    ) -> Result<LoggedIn, LogInError> {
        let request = LogIn { login: login.to_owned(), password: password.into(), device: device.cloned() };
        log_in(&self.accounts, visit, request).await
    }

    /// Logs in with the usual password from the usual address.
    pub async fn logs_in(&self, login: &str) -> NewSession {
        match self.tries(&self.visit(), login, PASSWORD, None).await.unwrap() {
            LoggedIn::Done(session) => *session,
            LoggedIn::SecondStep(step) => panic!("a second step is asked for: {step:?}"),
        }
    }

    /// Says who an access token belongs to.
    ///
    /// # Errors
    /// What [`authenticate`] says.
    pub async fn asks(&self, access: &SecretText) -> Result<Account, AuthenticateError> {
        authenticate(&self.accounts, &self.visit(), access.expose()).await
    }

    /// Logs in and returns the account.
    pub async fn account(&self, login: &str) -> Account {
        self.asks(&self.logs_in(login).await.access).await.unwrap()
    }
}

/// Sends the mails of a merchant that wait, as a worker does.
pub(crate) async fn send_mails(store: &Store, mailbox: &Mailbox, merchant: MerchantId, now: DateTime<Utc>) {
    let mut tx = store.tenant_tx(merchant).await.unwrap();
    let waiting = jobs::list(&mut tx, 1000).await.unwrap();
    tx.commit().await.unwrap();
    let ctx = Ctx { actor: Actor::Engine("jobs"), merchant, request_id: String::new(), now };
    for job in waiting.into_iter().filter(|job| job.name == send_mail::NAME) {
        let request: SendMail = serde_json::from_value(job.payload).unwrap();
        send_mail::send_mail(store, mailbox, &ctx, request).await.unwrap();
        let mut tx = store.tenant_tx(merchant).await.unwrap();
        jobs::delete(&mut tx, job.id).await.unwrap();
        tx.commit().await.unwrap();
    }
}

/// Signs somebody up and confirms the address, without workers.
pub async fn owner(accounts: &Accounts, mailbox: &Mailbox, visit: &Visit, email: &str) -> Owner {
    let request =
        SignUp { email: email.to_owned(), password: PASSWORD.into(), merchant_name: "测试商家".to_owned() };
    sign_up(accounts, visit, request).await.unwrap();
    send_mails(&accounts.store, mailbox, MerchantId::PLATFORM, visit.now).await;
    let token = token_in(&mailbox.take(email).await);
    let Confirmed { user, merchant, .. } = confirm_email(accounts, visit, &token).await.unwrap();
    Owner { user, merchant, email: email.to_owned() }
}

/// Returns the token in a mail's link.
#[must_use]
pub fn token_in(mail: &Mail) -> SecretText {
    let (_, rest) = mail.text.split_once("token=").unwrap_or_else(|| panic!("no link: {}", mail.text));
    rest.split_whitespace().next().unwrap().into()
}

/// Returns what an authenticator with this `otpauth://` seed shows.
#[must_use]
pub fn code_of(url: &SecretText, now: DateTime<Utc>) -> SecretText {
    let (_, secret) = url.expose().split_once("secret=").unwrap();
    let secret = totp_rs::Secret::try_from_base32(secret.split('&').next().unwrap()).unwrap();
    let totp = totp_rs::Builder::new().with_secret(secret.as_bytes().to_vec()).build().unwrap();
    let code: String = totp.generate(u64::try_from(now.timestamp()).unwrap()).to_string();
    SecretText::new(code.chars().filter(char::is_ascii_digit).collect())
}
