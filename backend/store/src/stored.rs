//! Reads a text column as the enum it names, so that rows hold enums and not texts.

use std::error::Error;
use std::str::FromStr;

use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::pg::{Pg, PgValue};
use diesel::sql_types::Text;
use kamiflow_kernel::{CardUseState, GatewayKind, ShopState};

/// A stored text, read as what it names: `deserialize_as = Stored<ShopState>`.
#[derive(Debug, FromSqlRow)]
pub(crate) struct Stored<T>(T);

impl<T> FromSql<Text, Pg> for Stored<T>
where
    T: FromStr,
    T::Err: Error + Send + Sync + 'static,
{
    fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
        let text = <String as FromSql<Text, Pg>>::from_sql(value)?;
        Ok(Self(text.parse()?))
    }
}

macro_rules! read_as {
    ($($name:ident),+) => {$(
        impl From<Stored<$name>> for $name {
            fn from(stored: Stored<$name>) -> Self { stored.0 }
        }
    )+};
}

read_as!(CardUseState, GatewayKind, ShopState);
