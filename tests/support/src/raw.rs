//! Plain SQL as the application role: what an attacker, or a mistake of ours, could send.

use kamiflow_kernel::MerchantId;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Error, Row};

/// A connection of `kamiflow_app`, bound to a merchant or to none, outside of the store.
pub struct RawSql {
    client: Client,
}

impl RawSql {
    pub(crate) async fn bound(client: Client, merchant: Option<MerchantId>) -> Self {
        let setting = merchant.map(|merchant| merchant.as_uuid().to_string()).unwrap_or_default();
        client.batch_execute(&format!("SET app.merchant_id = '{setting}'")).await.expect("the setting was refused");
        Self { client }
    }

    /// Runs one statement; returns how many rows it touched.
    ///
    /// # Errors
    /// What Postgres says.
    pub async fn execute(&self, statement: &str, parameters: &[&(dyn ToSql + Sync)]) -> Result<u64, Error> {
        self.client.execute(statement, parameters).await
    }

    /// Runs several statements as one transaction.
    ///
    /// # Errors
    /// What Postgres says; the transaction is rolled back.
    pub async fn transaction(&self, statements: &str) -> Result<(), Error> {
        let outcome = self.client.batch_execute(&format!("BEGIN; {statements}; COMMIT")).await;
        if outcome.is_err() {
            self.client.batch_execute("ROLLBACK").await.expect("a failed transaction did not end");
        }
        outcome
    }

    /// Runs a query.
    ///
    /// # Errors
    /// What Postgres says.
    pub async fn query(&self, statement: &str, parameters: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, Error> {
        self.client.query(statement, parameters).await
    }

    /// Runs a query that returns one number.
    ///
    /// # Errors
    /// What Postgres says.
    pub async fn count(&self, statement: &str, parameters: &[&(dyn ToSql + Sync)]) -> Result<i64, Error> {
        Ok(self.client.query_one(statement, parameters).await?.get(0))
    }
}

/// Returns what refused a statement: the constraint's name, or the error's code where it has none.
#[must_use]
pub fn refused_by<T>(outcome: Result<T, Error>) -> String {
    let Err(error) = outcome else { return "nothing: the statement went through".to_owned() };
    match error.as_db_error() {
        Some(database) => database.constraint().unwrap_or_else(|| database.code().code()).to_owned(),
        None => error.to_string(),
    }
}
