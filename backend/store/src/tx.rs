//! Transactions that own their connection: bound to one merchant, or to none.
//!
//! **Statements that do not need one another's answers are sent together.** A round trip to Postgres wakes two processes,
//! and for a batch of one order that costs more than most statements do. Functions that take `&TenantTx` instead of
//! `&mut TenantTx` may be joined:
//!
//! ```text
//! let (orders, deliveries) = try_join!(orders::lock_by_sn(&tx, …), deliveries::lock_waiting(&tx, …))?;
//! ```
//! They run one after the other, in the order they are named, each seeing what those before it did, so locks are taken in
//! that order too: `try_join!` of `futures_util` polls in order, and the client sends whatever is polled first, also where
//! it has to prepare a statement before. If one fails, those after it fail because of it, and its error is the one
//! returned. COMMIT is among them only where nothing is written ([`crate::Store::read_at_once`]). What runs several statements
//! itself is not joined with what writes: their statements would interleave.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use diesel::sql_types::{Bytea, Text, Uuid as SqlUuid};
use diesel::{OptionalExtension, QueryableByName};
use diesel_async::pooled_connection::deadpool::Object;
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use futures_util::try_join;
use kamiflow_kernel::{DataKeyId, MerchantId, UserId};
use uuid::Uuid;

use crate::error::StoreError;
use crate::keys::{DataKey, KeyRing};
use crate::pauses;
use crate::pool::Keys;
use crate::sql::sql;

/// How a transaction of [`crate::Store::listing_tx`] is planned.
pub(crate) const LISTING: &str = "SET LOCAL plan_cache_mode = force_generic_plan; SET LOCAL enable_sort = off";

/// A connection inside a transaction. Dropped without a commit, it rolls back and returns the connection.
struct Open {
    conn: Option<Object<AsyncPgConnection>>,
    /// Not where the transaction is of one statement.
    is_begun: bool,
    /// COMMIT was sent behind other statements, and nothing may be sent behind it.
    is_ending: AtomicBool,
}

impl Open {
    /// Takes a connection whose transaction begins with the first statement that is sent to it.
    const fn to_begin(conn: Object<AsyncPgConnection>) -> Self {
        Self { conn: Some(conn), is_begun: true, is_ending: AtomicBool::new(false) }
    }

    async fn begin(mut conn: Object<AsyncPgConnection>, statement: &str) -> Result<Self, StoreError> {
        match conn.batch_execute(statement).await {
            Ok(()) => Ok(Self::to_begin(conn)),
            Err(error) => {
                // Whatever state it is in, nobody else shall meet it.
                drop(Object::take(conn));
                Err(error.into())
            }
        }
    }

    fn is_ending(&self) -> bool {
        AtomicBool::load(&self.is_ending, Ordering::Relaxed)
    }

    async fn commit(mut self) -> Result<(), StoreError> {
        let Some(mut conn) = self.conn.take().filter(|_| self.is_begun) else { return Ok(()) };
        match conn.batch_execute("COMMIT").await {
            Ok(()) => Ok(()),
            Err(error) => {
                drop(Object::take(conn));
                Err(StoreError::of_commit(error))
            }
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let Some(mut conn) = self.conn.take().filter(|_| self.is_begun) else { return };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            drop(Object::take(conn));
            return;
        };
        runtime.spawn(async move {
            if conn.batch_execute("ROLLBACK").await.is_err() {
                drop(Object::take(conn));
            }
        });
    }
}

/// A transaction that sees and writes one merchant's rows only.
pub struct TenantTx {
    open: Open,
    keys: Arc<Keys>,
    merchant: MerchantId,
    /// The key that this transaction seals with, from its first use on: what a row is sealed with and the key that the
    /// row names must be one, also while the merchant's key is exchanged.
    sealing: Option<Arc<DataKey>>,
}

impl TenantTx {
    pub(crate) async fn begin(
        conn: Object<AsyncPgConnection>,
        keys: Arc<Keys>,
        merchant: MerchantId,
    ) -> Result<Self, StoreError> {
        Ok(Self { open: Open::begin(conn, &beginning(merchant)).await?, keys, merchant, sealing: None })
    }

    /// Begins, reads and ends in one round trip: see [`crate::Store::read_at_once`].
    pub(crate) async fn read_at_once<T>(
        conn: Object<AsyncPgConnection>,
        keys: Arc<Keys>,
        merchant: MerchantId,
        read: impl AsyncFnOnce(&Self) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut tx = Self { open: Open::to_begin(conn), keys, merchant, sealing: None };
        let begin = beginning(merchant);
        let ((), found, ()) = try_join!(tx.send(&begin), read(&tx), tx.end())?;
        tx.open.is_begun = false;
        Ok(found)
    }

    /// Ends the transaction behind the statements that were sent, and refuses all others. COMMIT is a prepared statement
    /// here, because it has to wait for those that are being prepared.
    async fn end(&self) -> Result<(), StoreError> {
        let mut conn = self.shared()?;
        self.open.is_ending.store(true, Ordering::Relaxed);
        sql("COMMIT").execute(&mut conn).await?;
        Ok(())
    }

    /// Begins for what is listed page by page: see [`crate::Store::listing_tx`].
    pub(crate) async fn begin_listing(
        conn: Object<AsyncPgConnection>,
        keys: Arc<Keys>,
        merchant: MerchantId,
    ) -> Result<Self, StoreError> {
        Ok(Self { open: Open::begin(conn, &beginning_of_list(merchant)).await?, keys, merchant, sealing: None })
    }

    /// Begins as [`TenantTx::begin_listing`] does and reads in the same round trip: see [`crate::Store::list`].
    pub(crate) async fn begin_list<T>(
        conn: Object<AsyncPgConnection>,
        keys: Arc<Keys>,
        merchant: MerchantId,
        read: impl AsyncFnOnce(&Self) -> Result<T, StoreError>,
    ) -> Result<(Self, T), StoreError> {
        let tx = Self { open: Open::to_begin(conn), keys, merchant, sealing: None };
        let begin = beginning_of_list(merchant);
        let ((), read) = try_join!(tx.send(&begin), read(&tx))?;
        Ok((tx, read))
    }

    /// Sends what begins the transaction, ahead of what is joined with it. A statement behind one that failed sees no
    /// merchant, hence no rows.
    async fn send(&self, begin: &str) -> Result<(), StoreError> {
        Ok(self.shared()?.batch_execute(begin).await?)
    }

    /// Begins and takes the lock of [`crate::pauses::keep`], in the same round trip.
    pub(crate) async fn begin_keeping_pauses(
        conn: Object<AsyncPgConnection>,
        keys: Arc<Keys>,
        merchant: MerchantId,
    ) -> Result<Self, StoreError> {
        let id = merchant.as_uuid();
        let begin = format!(
            "BEGIN; SET LOCAL app.merchant_id = '{id}'; \
             SELECT pg_advisory_xact_lock_shared(hashtextextended('{id}', {}))",
            pauses::LOCK_SPACE
        );
        Ok(Self { open: Open::begin(conn, &begin).await?, keys, merchant, sealing: None })
    }

    /// Returns the merchant this transaction is bound to.
    #[must_use]
    pub const fn merchant(&self) -> MerchantId {
        self.merchant
    }

    /// Ends the transaction.
    ///
    /// # Errors
    /// [`StoreError::CommitUnknown`] when the connection was lost on the way.
    pub async fn commit(self) -> Result<(), StoreError> {
        self.open.commit().await
    }

    /// Sets a point that [`TenantTx::roll_back_to_savepoint`] returns to, releasing locks taken since.
    ///
    /// # Errors
    /// When the connection is lost.
    pub async fn savepoint(&mut self) -> Result<(), StoreError> {
        Ok(self.conn()?.batch_execute("SAVEPOINT step").await?)
    }

    /// Returns to the latest savepoint, which stays set.
    ///
    /// # Errors
    /// When the connection is lost.
    pub async fn roll_back_to_savepoint(&mut self) -> Result<(), StoreError> {
        // A key that was made since is gone.
        self.sealing = None;
        Ok(self.conn()?.batch_execute("ROLLBACK TO SAVEPOINT step").await?)
    }

    pub(crate) fn conn(&mut self) -> Result<&mut AsyncPgConnection, StoreError> {
        self.open.conn.as_deref_mut().ok_or_else(|| StoreError::Unavailable("the transaction has ended".to_owned()))
    }

    /// Returns the connection for statements that are sent together: see the module.
    pub(crate) fn shared(&self) -> Result<&AsyncPgConnection, StoreError> {
        let conn = self.open.conn.as_deref().filter(|_| !self.open.is_ending());
        conn.ok_or_else(|| StoreError::Unavailable("the transaction has ended".to_owned()))
    }

    /// Returns the merchant's active data key, making one for a merchant that has none.
    ///
    /// # Errors
    /// When the key cannot be read, or its master key is not in the ring.
    pub async fn data_key(&mut self) -> Result<Arc<DataKey>, StoreError> {
        if let Some(key) = &self.sealing {
            return Ok(Arc::clone(key));
        }
        let key = self.active_data_key().await?;
        self.sealing = Some(Arc::clone(&key));
        Ok(key)
    }

    pub(crate) fn ring(&self) -> &KeyRing {
        &self.keys.ring
    }

    async fn active_data_key(&mut self) -> Result<Arc<DataKey>, StoreError> {
        let merchant = self.merchant;
        if let Some(key) = self.keys.active_of(merchant) {
            return Ok(key);
        }
        let found = sql("SELECT id, master_key_id, wrapped FROM data_keys WHERE merchant_id = $1 AND active")
            .bind::<SqlUuid, _>(merchant.as_uuid())
            .get_result::<WrappedKey>(self.conn()?)
            .await
            .optional()?;
        if let Some(row) = found {
            return self.opened(row, true);
        }
        let (key, wrapped) = self.keys.ring.generate(merchant)?;
        let master = self.keys.ring.active_id().to_owned();
        sql("INSERT INTO data_keys (id, merchant_id, master_key_id, made_under, wrapped) VALUES ($1, $2, $3, $3, $4)")
            .bind::<SqlUuid, _>(key.id().as_uuid())
            .bind::<SqlUuid, _>(merchant.as_uuid())
            .bind::<Text, _>(master)
            .bind::<Bytea, _>(wrapped)
            .execute(self.conn()?)
            .await?;
        // Not remembered: the key exists only if this transaction commits. The next one reads it.
        Ok(Arc::new(key))
    }

    /// Returns the data key a stored row names; the platform's own keys are readable to every merchant's workers.
    ///
    /// # Errors
    /// When there is no such key, or its master key is not in the ring.
    pub async fn data_key_by_id(&self, id: DataKeyId) -> Result<Arc<DataKey>, StoreError> {
        // The process remembers every merchant's keys; a policy guards the rows only.
        let may_have = |key: &Arc<DataKey>| [self.merchant, MerchantId::PLATFORM].contains(&key.merchant());
        if let Some(key) = self.keys.opened_by(id).filter(may_have) {
            return Ok(key);
        }
        let row = sql("SELECT id, master_key_id, wrapped, merchant_id AS owner FROM data_keys
                       WHERE id = $1 AND merchant_id IN ($2, '00000000-0000-0000-0000-000000000000')")
        .bind::<SqlUuid, _>(id.as_uuid())
        .bind::<SqlUuid, _>(self.merchant.as_uuid())
        .get_result::<OwnedKey>(&mut self.shared()?)
        .await
        .optional()?
        .ok_or(StoreError::NotFound("data key"))?;
        let owner = MerchantId::from_uuid(row.owner);
        let key = self.keys.ring.unwrap(id, owner, &row.master_key_id, &row.wrapped)?;
        Ok(self.keys.remember(owner, key, false))
    }

    fn opened(&self, row: WrappedKey, active: bool) -> Result<Arc<DataKey>, StoreError> {
        let id = DataKeyId::from_uuid(row.id);
        let key = self.keys.ring.unwrap(id, self.merchant, &row.master_key_id, &row.wrapped)?;
        Ok(self.keys.remember(self.merchant, key, active))
    }
}

#[derive(QueryableByName)]
struct WrappedKey {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = Text)]
    master_key_id: String,
    #[diesel(sql_type = Bytea)]
    wrapped: Vec<u8>,
}

#[derive(QueryableByName)]
struct OwnedKey {
    #[diesel(sql_type = SqlUuid)]
    owner: Uuid,
    #[diesel(sql_type = Text)]
    master_key_id: String,
    #[diesel(sql_type = Bytea)]
    wrapped: Vec<u8>,
}

/// A transaction of one merchant, or of the platform, that sees and writes one user's own rows as well.
pub struct UserTx {
    tenant: TenantTx,
    user: UserId,
}

impl UserTx {
    /// Returns the transaction of the merchant, for statements that are sent together.
    #[must_use]
    pub const fn shared_tenant(&self) -> &TenantTx {
        &self.tenant
    }

    pub(crate) async fn begin(
        conn: Object<AsyncPgConnection>,
        keys: Arc<Keys>,
        merchant: MerchantId,
        user: UserId,
    ) -> Result<Self, StoreError> {
        let begin = format!("{}; SET LOCAL app.user_id = '{}'", beginning(merchant), user.as_uuid());
        let tenant = TenantTx { open: Open::begin(conn, &begin).await?, keys, merchant, sealing: None };
        Ok(Self { tenant, user })
    }

    /// Returns the user this transaction is bound to.
    #[must_use]
    pub const fn user(&self) -> UserId {
        self.user
    }

    /// Returns the transaction of the merchant, for what is hers.
    pub const fn tenant(&mut self) -> &mut TenantTx {
        &mut self.tenant
    }

    /// Ends the transaction.
    ///
    /// # Errors
    /// [`StoreError::CommitUnknown`] when the connection was lost on the way.
    pub async fn commit(self) -> Result<(), StoreError> {
        self.tenant.commit().await
    }

    pub(crate) fn conn(&mut self) -> Result<&mut AsyncPgConnection, StoreError> {
        self.tenant.conn()
    }
}

/// What begins a merchant's transaction. A uuid has no quotes to escape; one round trip instead of two.
fn beginning(merchant: MerchantId) -> String {
    format!("BEGIN; SET LOCAL app.merchant_id = '{}'", merchant.as_uuid())
}

fn beginning_of_list(merchant: MerchantId) -> String {
    format!("{}; {LISTING}", beginning(merchant))
}

/// A transaction that belongs to no merchant: it sees no tenant row, only what the `system_*` functions return.
pub struct SystemTx {
    open: Open,
}

impl SystemTx {
    /// Begins nothing: for one statement, which Postgres makes a transaction of.
    pub(crate) const fn of_one_statement(conn: Object<AsyncPgConnection>) -> Self {
        Self { open: Open { conn: Some(conn), is_begun: false, is_ending: AtomicBool::new(false) } }
    }

    pub(crate) async fn begin(conn: Object<AsyncPgConnection>) -> Result<Self, StoreError> {
        Ok(Self { open: Open::begin(conn, "BEGIN").await? })
    }

    /// Ends the transaction.
    ///
    /// # Errors
    /// [`StoreError::CommitUnknown`] when the connection was lost on the way.
    pub async fn commit(self) -> Result<(), StoreError> {
        self.open.commit().await
    }

    pub(crate) fn conn(&mut self) -> Result<&mut AsyncPgConnection, StoreError> {
        self.open.conn.as_deref_mut().ok_or_else(|| StoreError::Unavailable("the transaction has ended".to_owned()))
    }
}
