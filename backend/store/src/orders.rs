//! Orders: what the platform said last, and where the engine is with each.

use std::borrow::Cow;

use chrono::{DateTime, Datelike, Months, NaiveDate, Utc};
use diesel::QueryableByName;
use diesel::sql_types::{Array, BigInt, Bytea, Date, Integer, Nullable, SmallInt, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use kamiflow_kernel::{OrderId, OrderSn, OrderState, ShopId};
use uuid::Uuid;

use crate::error::StoreError;
use crate::sql::{at_most, parsed, sql};
use crate::tx::TenantTx;

/// The key of an order: its partition's day, and its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OrderKey {
    /// The day in the number, 1970-01-01 without one.
    pub day: NaiveDate,
    /// The id.
    pub id: OrderId,
}

/// Returns the partition day of an order number.
#[must_use]
pub fn partition_day(order_sn: &OrderSn) -> NaiveDate {
    order_sn.day().unwrap_or_default()
}

/// An order as the engine knows it.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
#[expect(missing_docs, reason = "the fields are the columns of the schema, described there")]
pub struct OrderRow {
    #[diesel(sql_type = SqlUuid)]
    pub id: Uuid,
    #[diesel(sql_type = Date)]
    pub order_day: NaiveDate,
    #[diesel(sql_type = Text)]
    pub order_sn: String,
    #[diesel(sql_type = Text)]
    pub state: String,
    #[diesel(sql_type = Text)]
    pub state_cause: String,
    #[diesel(sql_type = Text)]
    pub verdict: String,
    #[diesel(sql_type = SmallInt)]
    pub order_status: i16,
    #[diesel(sql_type = SmallInt)]
    pub refund_status: i16,
    #[diesel(sql_type = SmallInt)]
    pub confirm_status: i16,
    #[diesel(sql_type = SmallInt)]
    pub group_status: i16,
    #[diesel(sql_type = SmallInt)]
    pub risk_control_status: i16,
    #[diesel(sql_type = SmallInt)]
    pub after_sales_status: i16,
    #[diesel(sql_type = SmallInt)]
    pub trade_type: i16,
    #[diesel(sql_type = Nullable<SmallInt>)]
    pub step_trade_status: Option<i16>,
    #[diesel(sql_type = SmallInt)]
    pub is_lucky_flag: i16,
    #[diesel(sql_type = BigInt)]
    pub goods_id: i64,
    #[diesel(sql_type = BigInt)]
    pub platform_sku_id: i64,
    #[diesel(sql_type = Text)]
    pub outer_id: String,
    #[diesel(sql_type = Text)]
    pub goods_name: String,
    #[diesel(sql_type = Text)]
    pub goods_spec: String,
    #[diesel(sql_type = Integer)]
    pub goods_count: i32,
    #[diesel(sql_type = SmallInt)]
    pub item_count: i16,
    #[diesel(sql_type = BigInt)]
    pub pay_amount_fen: i64,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub platform_created_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub paid_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub confirmed_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub last_ship_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub shipped_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub received_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Timestamptz)]
    pub updated_at: DateTime<Utc>,
    #[diesel(sql_type = Bytea)]
    pub content_hash: Vec<u8>,
    #[diesel(sql_type = Timestamptz)]
    pub read_at: DateTime<Utc>,
    #[diesel(sql_type = Text)]
    pub source: String,
}

impl OrderRow {
    /// Returns the order's key.
    #[must_use]
    pub const fn key(&self) -> OrderKey {
        OrderKey { day: self.order_day, id: OrderId::from_uuid(self.id) }
    }

    /// Returns where the engine is with it.
    ///
    /// # Errors
    /// When the stored text is unknown to this program.
    pub fn state(&self) -> Result<OrderState, StoreError> {
        parsed(&self.state)
    }
}

macro_rules! with_columns {
    ($before:literal, $after:literal) => {
        concat!(
            $before,
            "o.id, o.order_day, o.order_sn, o.state, o.state_cause, o.verdict, o.order_status, o.refund_status, \
             o.confirm_status, o.group_status, o.risk_control_status, o.after_sales_status, o.trade_type, \
             o.step_trade_status, o.is_lucky_flag, o.goods_id, o.platform_sku_id, o.outer_id, o.goods_name, \
             o.goods_spec, o.goods_count, o.item_count, o.pay_amount_fen, o.platform_created_at, o.paid_at, \
             o.confirmed_at, o.last_ship_at, o.shipped_at, o.received_at, o.updated_at, o.content_hash, o.read_at, \
             o.source",
            $after
        )
    };
}

// The inner LIMIT keeps the planner from joining: it plans for a shop of average size, and of that it would rather read
// every order of the shop, in every partition, than probe for each number. The outer one makes the plan that knows the
// numbers no cheaper in its eyes than the one that does not, so that it stops planning anew for every batch.
pub(crate) const LOCK_BY_SN: &str = with_columns!(
    "SELECT ",
    " FROM (SELECT day, sn FROM unnest($3::date[], $4::text[]) AS n (day, sn) ORDER BY sn LIMIT $5) AS i
          CROSS JOIN LATERAL (SELECT * FROM orders o WHERE o.merchant_id = $1 AND o.shop_id = $2 AND o.order_sn = i.sn
                                 AND o.order_day = i.day /* in one month */ LIMIT 1 FOR UPDATE) AS o
         ORDER BY o.order_sn"
);

/// Locks the orders of a shop that exist, by number. Index orders_once, one probe per number.
///
/// # Errors
/// When the connection is lost or a lock is not to be had.
pub async fn lock_by_sn(tx: &TenantTx, shop: ShopId, sns: &[OrderSn]) -> Result<Vec<OrderRow>, StoreError> {
    let merchant = tx.merchant().as_uuid();
    let days: Vec<NaiveDate> = sns.iter().map(partition_day).collect();
    let texts: Vec<&str> = sns.iter().map(OrderSn::as_str).collect();
    Ok(sql(in_one_month(LOCK_BY_SN, &days))
        .bind::<SqlUuid, _>(merchant)
        .bind::<SqlUuid, _>(shop.as_uuid())
        .bind::<Array<Date>, _>(days)
        .bind::<Array<Text>, _>(texts)
        .bind::<BigInt, _>(at_most(sns))
        .load(&mut tx.shared()?)
        .await?)
}

pub(crate) const FIND_BY_SN: &str = with_columns!(
    "SELECT ",
    " FROM orders o WHERE o.merchant_id = $1 AND o.shop_id = $2 AND o.order_sn = $3 AND o.order_day = $4 \
     /* in one month */"
);

/// Finds one order of a shop by its number.
///
/// # Errors
/// When the connection is lost.
pub async fn find_by_sn(tx: &mut TenantTx, shop: ShopId, sn: &OrderSn) -> Result<Option<OrderRow>, StoreError> {
    let merchant = tx.merchant().as_uuid();
    let day = partition_day(sn);
    let rows: Vec<OrderRow> = sql(in_one_month(FIND_BY_SN, &[day]))
        .bind::<SqlUuid, _>(merchant)
        .bind::<SqlUuid, _>(shop.as_uuid())
        .bind::<Text, _>(sn.as_str())
        .bind::<Date, _>(day)
        .load(tx.conn()?)
        .await?;
    Ok(rows.into_iter().next())
}

pub(crate) const INSERT_NEW: &str =
    "INSERT INTO orders (merchant_id, shop_id, id, order_day, order_sn, state, state_cause, verdict, order_status,
                refund_status, confirm_status, group_status, risk_control_status, after_sales_status, trade_type,
                step_trade_status, is_lucky_flag, goods_id, platform_sku_id, outer_id, goods_name, goods_spec,
                goods_count, item_count, pay_amount_fen, platform_created_at, paid_at, confirmed_at, last_ship_at,
                shipped_at, received_at, updated_at, content_hash, read_at, source)
             SELECT $1, $2, i.* FROM unnest($3::uuid[], $4::date[], $5::text[], $6::text[], $7::text[], $8::text[],
                $9::smallint[], $10::smallint[], $11::smallint[], $12::smallint[], $13::smallint[], $14::smallint[],
                $15::smallint[], $16::smallint[], $17::smallint[], $18::bigint[], $19::bigint[], $20::text[],
                $21::text[], $22::text[], $23::integer[], $24::smallint[], $25::bigint[], $26::timestamptz[],
                $27::timestamptz[], $28::timestamptz[], $29::timestamptz[], $30::timestamptz[], $31::timestamptz[],
                $32::timestamptz[], $33::bytea[], $34::timestamptz[], $35::text[]) AS i
             ON CONFLICT (shop_id, order_sn, order_day) DO NOTHING
             RETURNING order_sn";

/// Inserts orders that were not there; a row that somebody else inserted meanwhile is left alone.
/// Returns the numbers that were inserted.
///
/// # Errors
/// When the connection is lost or a constraint refuses.
pub async fn insert_new(tx: &TenantTx, shop: ShopId, rows: &[OrderRow]) -> Result<Vec<String>, StoreError> {
    #[derive(QueryableByName)]
    struct Inserted {
        #[diesel(sql_type = Text)]
        order_sn: String,
    }
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let inserted: Vec<Inserted> = with_content(
        sql(INSERT_NEW).bind::<SqlUuid, _>(tx.merchant().as_uuid()).bind::<SqlUuid, _>(shop.as_uuid()),
        rows,
    )
    .load(&mut tx.shared()?)
    .await?;
    Ok(inserted.into_iter().map(|row| row.order_sn).collect())
}

// The LIMIT is for the planner, see TRANSITION.
pub(crate) const UPDATE_CONTENT: &str =
    "UPDATE orders o SET state = i.state, state_cause = i.state_cause, verdict = i.verdict,
                order_status = i.order_status, refund_status = i.refund_status, confirm_status = i.confirm_status,
                group_status = i.group_status, risk_control_status = i.risk_control_status,
                after_sales_status = i.after_sales_status, trade_type = i.trade_type,
                step_trade_status = i.step_trade_status, is_lucky_flag = i.is_lucky_flag, goods_id = i.goods_id,
                platform_sku_id = i.platform_sku_id, outer_id = i.outer_id, goods_name = i.goods_name,
                goods_spec = i.goods_spec, goods_count = i.goods_count, item_count = i.item_count,
                pay_amount_fen = i.pay_amount_fen, platform_created_at = i.platform_created_at, paid_at = i.paid_at,
                confirmed_at = i.confirmed_at, last_ship_at = i.last_ship_at, shipped_at = i.shipped_at,
                received_at = i.received_at, updated_at = i.updated_at, content_hash = i.content_hash,
                read_at = i.read_at
             FROM (SELECT * FROM unnest($2::uuid[], $3::date[], $4::text[], $5::text[], $6::text[], $7::text[],
                $8::smallint[], $9::smallint[], $10::smallint[], $11::smallint[], $12::smallint[], $13::smallint[],
                $14::smallint[], $15::smallint[], $16::smallint[], $17::bigint[], $18::bigint[], $19::text[],
                $20::text[], $21::text[], $22::integer[], $23::smallint[], $24::bigint[], $25::timestamptz[],
                $26::timestamptz[], $27::timestamptz[], $28::timestamptz[], $29::timestamptz[], $30::timestamptz[],
                $31::timestamptz[], $32::bytea[], $33::timestamptz[], $34::text[])
               AS u (id, order_day, order_sn, state, state_cause, verdict, order_status, refund_status,
                confirm_status, group_status, risk_control_status, after_sales_status, trade_type, step_trade_status,
                is_lucky_flag, goods_id, platform_sku_id, outer_id, goods_name, goods_spec, goods_count, item_count,
                pay_amount_fen, platform_created_at, paid_at, confirmed_at, last_ship_at, shipped_at, received_at,
                updated_at, content_hash, read_at, source) LIMIT $35) AS i
             WHERE o.merchant_id = $1 AND o.order_day = i.order_day AND o.id = i.id /* in one month */";

/// Writes what a newer read said about orders that are locked.
///
/// # Errors
/// When the connection is lost or the table of transitions refuses a state.
pub async fn update_content(tx: &TenantTx, rows: &[OrderRow]) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    let days = column(rows, |row| row.order_day);
    with_content(sql(in_one_month(UPDATE_CONTENT, &days)).bind::<SqlUuid, _>(tx.merchant().as_uuid()), rows)
        .bind::<BigInt, _>(at_most(rows))
        .execute(&mut tx.shared()?)
        .await?;
    Ok(())
}

// LIMIT makes the planner count with one row, as it does for a limit it does not know, and so probe the key. It would
// otherwise join by hash while the partition is young, reading all of a merchant's orders, and the plan is kept.
pub(crate) const TRANSITION: &str = "UPDATE orders o SET state = $5, state_cause = $6,
                delivered_at = CASE WHEN $5 = 'delivered' THEN now() ELSE o.delivered_at END,
                redeemed_at = CASE WHEN $5 = 'redeemed' THEN now() ELSE o.redeemed_at END
              FROM (SELECT * FROM unnest($2::date[], $3::uuid[]) AS u (day, id) LIMIT $7) AS i
             WHERE o.merchant_id = $1 AND o.order_day = i.day AND o.id = i.id AND o.state = ANY ($4) /* in one month */";

/// Moves orders to a state; rows that are in none of the states `from` are left alone. Returns how many moved.
///
/// # Errors
/// When the table of transitions does not know the way.
pub async fn transition(
    tx: &TenantTx,
    keys: &[OrderKey],
    from: &[OrderState],
    to: OrderState,
    cause: &str,
) -> Result<usize, StoreError> {
    if keys.is_empty() {
        return Ok(0);
    }
    if let Some(from) = from.iter().find(|from| !from.may_become(to, cause)) {
        return Err(StoreError::Corrupt(format!("an order may not go from {from} to {to} by {cause}")));
    }
    let days: Vec<NaiveDate> = keys.iter().map(|key| key.day).collect();
    let ids: Vec<Uuid> = keys.iter().map(|key| key.id.as_uuid()).collect();
    Ok(sql(in_one_month(TRANSITION, &days))
        .bind::<SqlUuid, _>(tx.merchant().as_uuid())
        .bind::<Array<Date>, _>(days)
        .bind::<Array<SqlUuid>, _>(ids)
        .bind::<Array<Text>, _>(from.iter().map(|from| from.as_str()).collect::<Vec<_>>())
        .bind::<Text, _>(to.as_str())
        .bind::<Text, _>(cause)
        .bind::<BigInt, _>(at_most(keys))
        .execute(&mut tx.shared()?)
        .await?)
}

/// Where a statement about orders `o` may say that they are all of one month.
const IN_ONE_MONTH: &str = "/* in one month */";

/// Returns the statement for orders of these days. If they share a month, which a batch nearly always does, the text
/// names it: the planner then sees one partition. A parameter would leave all of them in the plan, and opening twenty
/// partitions costs more than moving an order does. There are as many texts as months with orders.
fn in_one_month(text: &'static str, days: &[NaiveDate]) -> Cow<'static, str> {
    let bounds = days.iter().min().zip(days.iter().max()).and_then(|(first, last)| {
        let from = first.with_day(1)?;
        let until = from.checked_add_months(Months::new(1))?;
        (*last < until).then_some((from, until))
    });
    let Some((from, until)) = bounds else { return Cow::Borrowed(text) };
    let months = format!("AND o.order_day >= '{from}' AND o.order_day < '{until}'");
    Cow::Owned(text.replacen(IN_ONE_MONTH, &months, 1))
}

fn with_content<'a>(statement: crate::sql::Sql<'a>, rows: &'a [OrderRow]) -> crate::sql::Sql<'a> {
    statement
        .bind::<Array<SqlUuid>, _>(column(rows, |row| row.id))
        .bind::<Array<Date>, _>(column(rows, |row| row.order_day))
        .bind::<Array<Text>, _>(column(rows, |row| row.order_sn.as_str()))
        .bind::<Array<Text>, _>(column(rows, |row| row.state.as_str()))
        .bind::<Array<Text>, _>(column(rows, |row| row.state_cause.as_str()))
        .bind::<Array<Text>, _>(column(rows, |row| row.verdict.as_str()))
        .bind::<Array<SmallInt>, _>(column(rows, |row| row.order_status))
        .bind::<Array<SmallInt>, _>(column(rows, |row| row.refund_status))
        .bind::<Array<SmallInt>, _>(column(rows, |row| row.confirm_status))
        .bind::<Array<SmallInt>, _>(column(rows, |row| row.group_status))
        .bind::<Array<SmallInt>, _>(column(rows, |row| row.risk_control_status))
        .bind::<Array<SmallInt>, _>(column(rows, |row| row.after_sales_status))
        .bind::<Array<SmallInt>, _>(column(rows, |row| row.trade_type))
        .bind::<Array<Nullable<SmallInt>>, _>(column(rows, |row| row.step_trade_status))
        .bind::<Array<SmallInt>, _>(column(rows, |row| row.is_lucky_flag))
        .bind::<Array<BigInt>, _>(column(rows, |row| row.goods_id))
        .bind::<Array<BigInt>, _>(column(rows, |row| row.platform_sku_id))
        .bind::<Array<Text>, _>(column(rows, |row| row.outer_id.as_str()))
        .bind::<Array<Text>, _>(column(rows, |row| row.goods_name.as_str()))
        .bind::<Array<Text>, _>(column(rows, |row| row.goods_spec.as_str()))
        .bind::<Array<Integer>, _>(column(rows, |row| row.goods_count))
        .bind::<Array<SmallInt>, _>(column(rows, |row| row.item_count))
        .bind::<Array<BigInt>, _>(column(rows, |row| row.pay_amount_fen))
        .bind::<Array<Nullable<Timestamptz>>, _>(column(rows, |row| row.platform_created_at))
        .bind::<Array<Nullable<Timestamptz>>, _>(column(rows, |row| row.paid_at))
        .bind::<Array<Nullable<Timestamptz>>, _>(column(rows, |row| row.confirmed_at))
        .bind::<Array<Nullable<Timestamptz>>, _>(column(rows, |row| row.last_ship_at))
        .bind::<Array<Nullable<Timestamptz>>, _>(column(rows, |row| row.shipped_at))
        .bind::<Array<Nullable<Timestamptz>>, _>(column(rows, |row| row.received_at))
        .bind::<Array<Timestamptz>, _>(column(rows, |row| row.updated_at))
        .bind::<Array<Bytea>, _>(column(rows, |row| row.content_hash.as_slice()))
        .bind::<Array<Timestamptz>, _>(column(rows, |row| row.read_at))
        .bind::<Array<Text>, _>(column(rows, |row| row.source.as_str()))
}

fn column<'a, T>(rows: &'a [OrderRow], value: impl Fn(&'a OrderRow) -> T) -> Vec<T> {
    rows.iter().map(value).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on(day: &str) -> NaiveDate {
        day.parse().unwrap()
    }

    #[test]
    fn a_statement_names_the_month_that_all_of_its_orders_share() {
        let december = "o.order_day >= '2026-12-01' AND o.order_day < '2027-01-01'";
        for text in [LOCK_BY_SN, FIND_BY_SN, UPDATE_CONTENT, TRANSITION] {
            assert!(in_one_month(text, &[on("2026-12-31"), on("2026-12-01")]).contains(december), "{text}");
            // Orders of several months, or none, or without a day in their number: what is left is right for all days.
            assert_eq!(in_one_month(text, &[on("2026-12-31"), on("2027-01-01")]), text);
            assert_eq!(in_one_month(text, &[]), text);
            let without = in_one_month(text, &[NaiveDate::default()]);
            assert!(without.contains("o.order_day >= '1970-01-01' AND o.order_day < '1970-02-01'"), "{without}");
        }
    }
}
