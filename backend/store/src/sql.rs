//! Hand-written SQL whose prepared statement is cached.
//!
//! `diesel::sql_query` marks its text as unsafe to cache, so every call would be parsed and planned anew and cost
//! a second round trip. Statements on the hot path are fixed texts with binds, so caching them is right; diesel
//! keys its cache by the text. Placeholders are `$1` … `$9`, `$10` …, and each may occur several times.

use std::borrow::Cow;
use std::marker::PhantomData;
use std::str::FromStr;

use diesel::QueryResult;
use diesel::pg::Pg;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::serialize::ToSql;
use diesel::sql_types::{HasSqlType, Untyped};
use kamiflow_kernel::ShopId;
use uuid::Uuid;

use crate::error::StoreError;

/// Returns a statement with this text.
pub(crate) fn sql<'a>(text: impl Into<Cow<'static, str>>) -> Sql<'a> {
    Sql { text: text.into(), binds: Vec::new() }
}

/// Returns shops as Postgres takes them.
pub(crate) fn uuids(shops: &[ShopId]) -> Vec<Uuid> {
    shops.iter().map(|shop| shop.as_uuid()).collect()
}

/// A statement, whose text is one of few, and its binds.
pub(crate) struct Sql<'a> {
    text: Cow<'static, str>,
    binds: Vec<Box<dyn Bind + Send + 'a>>,
}

impl<'a> Sql<'a> {
    /// Binds the next placeholder.
    pub(crate) fn bind<ST, V>(mut self, value: V) -> Self
    where
        ST: Send + 'a,
        Pg: HasSqlType<ST>,
        V: ToSql<ST, Pg> + Send + 'a,
    {
        self.binds.push(Box::new(Typed(value, PhantomData::<fn() -> ST>)));
        self
    }
}

trait Bind {
    fn push<'b>(&'b self, out: AstPass<'_, 'b, Pg>) -> QueryResult<()>;
}

struct Typed<ST, V>(V, PhantomData<fn() -> ST>);

impl<ST, V> Bind for Typed<ST, V>
where
    Pg: HasSqlType<ST>,
    V: ToSql<ST, Pg>,
{
    fn push<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_bind_param::<ST, V>(&self.0)
    }
}

impl QueryFragment<Pg> for Sql<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let mut parts = self.text.split('$');
        out.push_sql(parts.next().unwrap_or_default());
        for part in parts {
            let digits = part.bytes().take_while(u8::is_ascii_digit).count();
            let (number, rest) = part.split_at(digits);
            let bind = number.parse::<usize>().ok().and_then(|n| self.binds.get(n.checked_sub(1)?));
            let Some(bind) = bind else {
                return Err(diesel::result::Error::QueryBuilderError(
                    format!("placeholder ${number} has no bind in: {}", self.text).into(),
                ));
            };
            bind.push(out.reborrow())?;
            out.push_sql(rest);
        }
        Ok(())
    }
}

impl QueryId for Sql<'_> {
    type QueryId = ();
    // The cache is keyed by the text and not by this type, which all statements share.
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl Query for Sql<'_> {
    type SqlType = Untyped;
}

/// Returns how many rows a statement is about, for the LIMIT that tells the planner that they are few.
pub(crate) fn at_most<T>(rows: &[T]) -> i64 {
    i64::try_from(rows.len()).unwrap_or(i64::MAX)
}

/// Returns a stored text as the enum it names.
pub(crate) fn parsed<T>(text: &str) -> Result<T, StoreError>
where
    T: FromStr,
    T::Err: std::fmt::Display,
{
    text.parse().map_err(|unknown: T::Err| StoreError::Corrupt(unknown.to_string()))
}
