//! Lists of orders, newest first, page by page: as pages and programs ask for them, with what is open about each.
//!
//! ```text
//!   shop 1  … orders_of_shop: (seen_at, id) below the cursor, the first few ─┐
//!   shop 2  …                                                               ─┼─► the first few of all of them
//!   shop 3  …                                                               ─┘
//! ```
//! Each shop is read by its own index in the months' partitions and never further than a page, so a page costs the same
//! with a thousand orders as with a million. No index knows the state: it changes too often. A list of some states looks
//! at the last [`LOOKED_AT`] orders of each shop and tells where it stopped, so that who wants to goes on from there.
//!
//! **Recent months first.** What costs is to open a partition of every month for every shop, though the newest orders are
//! in one or two. So orders of two months come first, and those of all others behind them ([`Window`]): who looks at the
//! first page opens two partitions. Only orders that were read long after they were made stand elsewhere than by the
//! moment they were seen.

use std::borrow::Cow;

use chrono::{DateTime, Datelike as _, Months, NaiveDate, TimeDelta, Utc};
use diesel::QueryableByName;
use diesel::sql_types::{Array, BigInt, Bool, Date, Integer, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use kamiflow_kernel::{OrderSn, OrderState, ShopId};
use uuid::Uuid;

use crate::error::StoreError;
use crate::orders::partition_day;
use crate::sql::{sql, uuids};
use crate::tx::TenantTx;

/// Rows of one page.
pub const PAGE: usize = 50;
/// Orders of a shop that a list of some states looks at before it asks whether to go on.
pub const LOOKED_AT: i64 = 1_000;
/// Months of a window.
const MONTHS: u32 = 2;
/// Where a statement may say of which days it is.
const OF_THESE_DAYS: &str = "/* of these days */";

/// A place in the list: of the last order of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// When the order was seen.
    pub seen_at: DateTime<Utc>,
    /// Its id.
    pub id: Uuid,
}

impl Place {
    /// Returns the place in front of every order: later than any, and within what Postgres can hold.
    #[must_use]
    pub fn start() -> Self {
        let far = DateTime::from_timestamp(253_402_300_799, 0).unwrap_or(DateTime::<Utc>::MAX_UTC);
        Self { seen_at: far, id: Uuid::max() }
    }
}

/// The months whose orders a list shows first: two, by the day in the order number. Their bounds stand in the statements'
/// texts, so that the planner sees two partitions; there are as many texts as months.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    last_month: NaiveDate,
}

/// A part of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Orders of the window's months.
    Recent,
    /// All others.
    Other,
}

impl Window {
    /// Returns the window of a moment, with the orders of the next two days: clocks differ, and zones do.
    #[must_use]
    pub fn at(now: DateTime<Utc>) -> Self {
        let day = now.checked_add_signed(TimeDelta::days(2)).unwrap_or(now).date_naive();
        Self { last_month: first_of(day) }
    }

    /// Returns the window that ends with the month of a day.
    #[must_use]
    pub fn until_month_of(day: NaiveDate) -> Self {
        Self { last_month: first_of(day) }
    }

    /// Returns the first day of its last month.
    #[must_use]
    pub const fn last_month(self) -> NaiveDate {
        self.last_month
    }

    /// Returns the part in which an order of this day is.
    #[must_use]
    pub fn part_of(self, day: NaiveDate) -> Part {
        let is_recent = self.bounds().is_some_and(|(from, until)| (from..until).contains(&day));
        if is_recent { Part::Recent } else { Part::Other }
    }

    fn bounds(self) -> Option<(NaiveDate, NaiveDate)> {
        let until = self.last_month.checked_add_months(Months::new(1))?;
        Some((until.checked_sub_months(Months::new(MONTHS))?, until))
    }

    fn only(self, part: Part, text: &'static str) -> Cow<'static, str> {
        let days = match (self.bounds(), part) {
            (Some((from, until)), Part::Recent) => format!("AND o.order_day >= '{from}' AND o.order_day < '{until}'"),
            (Some((from, until)), Part::Other) => format!("AND (o.order_day < '{from}' OR o.order_day >= '{until}')"),
            // At the ends of time there are no months, and all days are others.
            (None, Part::Recent) => "AND false".to_owned(),
            (None, Part::Other) => return Cow::Borrowed(text),
        };
        Cow::Owned(text.replacen(OF_THESE_DAYS, &days, 1))
    }
}

fn first_of(day: NaiveDate) -> NaiveDate {
    day.with_day(1).unwrap_or(day)
}

/// An order in a list.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
#[expect(missing_docs, reason = "the fields are the columns of the schema, described there")]
pub struct ListedOrder {
    #[diesel(sql_type = SqlUuid)]
    pub id: Uuid,
    #[diesel(sql_type = SqlUuid, deserialize_as = Uuid)]
    pub shop_id: ShopId,
    #[diesel(sql_type = Date)]
    pub order_day: NaiveDate,
    #[diesel(sql_type = Text)]
    pub order_sn: String,
    #[diesel(sql_type = Text)]
    pub state: String,
    #[diesel(sql_type = Text)]
    pub state_cause: String,
    #[diesel(sql_type = Text)]
    pub goods_name: String,
    #[diesel(sql_type = Text)]
    pub goods_spec: String,
    #[diesel(sql_type = Integer)]
    pub goods_count: i32,
    #[diesel(sql_type = BigInt)]
    pub pay_amount_fen: i64,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub paid_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub last_ship_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub delivered_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Timestamptz)]
    pub seen_at: DateTime<Utc>,
    /// The reason that is open about it and says most, if one is.
    #[diesel(sql_type = Nullable<Text>)]
    pub open_code: Option<String>,
    /// Whether that waits for a person.
    #[diesel(sql_type = Bool)]
    pub needs_person: bool,
    /// How many orders were looked at down to this one.
    #[diesel(sql_type = BigInt)]
    pub looked_at: i64,
}

impl ListedOrder {
    /// Returns its place in the list.
    #[must_use]
    pub const fn place(&self) -> Place {
        Place { seen_at: self.seen_at, id: self.id }
    }
}

/// What is read of each order `o`; naming no more than is shown makes sorting and passing on cheaper by a fifth.
macro_rules! columns {
    () => {
        "o.id, o.shop_id, o.order_day, o.order_sn, o.state, o.state_cause, o.goods_name, o.goods_spec, o.goods_count,
         o.pay_amount_fen, o.paid_at, o.last_ship_at, o.delivered_at, o.seen_at"
    };
}

/// What is listed about each order `o`, with what is open about it. Index exceptions_one_open.
macro_rules! listed {
    ($looked_at:literal, $from:expr, $order:literal) => {
        concat!(
            "SELECT ",
            columns!(),
            ", e.code AS open_code, coalesce(e.blocking OR e.needs_review, false) AS needs_person, ",
            $looked_at,
            " AS looked_at FROM ",
            $from,
            " LEFT JOIN LATERAL (SELECT e.code, e.blocking, e.needs_review FROM exceptions e
                                  WHERE e.merchant_id = $1 AND e.shop_id = o.shop_id AND e.order_sn = o.order_sn
                                    AND e.resolved_at IS NULL
                                  ORDER BY e.blocking OR e.needs_review DESC, e.opened_at LIMIT 1) AS e ON true ",
            $order
        )
    };
}

/// The newest orders of shops behind a place: so many of each shop, and then of all of them.
macro_rules! newest {
    ($limit:literal) => {
        concat!(
            "(SELECT o.* FROM unnest($2::uuid[]) AS s (id)
               CROSS JOIN LATERAL (SELECT ",
            columns!(),
            "                        FROM orders o
                                    WHERE o.merchant_id = $1 AND o.shop_id = s.id AND (o.seen_at, o.id) < ($3, $4)
                                          /* of these days */
                                    ORDER BY o.seen_at DESC, o.id DESC LIMIT ",
            $limit,
            ") AS o ORDER BY o.seen_at DESC, o.id DESC LIMIT ",
            $limit,
            ")"
        )
    };
}

pub(crate) const NEWEST: &str =
    listed!("0::bigint", concat!(newest!("51"), " AS o"), "ORDER BY o.seen_at DESC, o.id DESC");

/// Lists the newest orders of shops in a part of a list, behind a place, one more than a page holds. Index orders_of_shop.
///
/// # Errors
/// When the statement fails.
pub async fn newest(
    tx: &TenantTx,
    shops: &[ShopId],
    (window, part): (Window, Part),
    after: Place,
) -> Result<Vec<ListedOrder>, StoreError> {
    let merchant = tx.merchant();
    Ok(sql(window.only(part, NEWEST))
        .bind::<SqlUuid, _>(merchant.as_uuid())
        .bind::<Array<SqlUuid>, _>(uuids(shops))
        .bind::<Timestamptz, _>(after.seen_at)
        .bind::<SqlUuid, _>(after.id)
        .load(&mut tx.shared()?)
        .await?)
}

// The last order that was looked at comes along whatever its state, to tell where to go on.
pub(crate) const OF_STATES: &str = listed!(
    "o.n",
    concat!(
        "(SELECT * FROM (SELECT o.*, row_number() OVER (ORDER BY o.seen_at DESC, o.id DESC) AS n FROM ",
        newest!("1000"),
        " AS o) AS o WHERE o.state = ANY ($5) OR o.n = 1000 ORDER BY o.n LIMIT 52) AS o"
    ),
    "ORDER BY o.n"
);

/// Lists the orders in some states among the newest of shops in a part of a list, behind a place, one more than a page
/// holds, and with it the last one that was looked at if there are more behind it. Index orders_of_shop.
///
/// # Errors
/// When the statement fails.
pub async fn of_states(
    tx: &TenantTx,
    shops: &[ShopId],
    (window, part): (Window, Part),
    after: Place,
    states: &[OrderState],
) -> Result<Vec<ListedOrder>, StoreError> {
    let merchant = tx.merchant();
    Ok(sql(window.only(part, OF_STATES))
        .bind::<SqlUuid, _>(merchant.as_uuid())
        .bind::<Array<SqlUuid>, _>(uuids(shops))
        .bind::<Timestamptz, _>(after.seen_at)
        .bind::<SqlUuid, _>(after.id)
        .bind::<Array<Text>, _>(states.iter().map(|state| state.as_str()).collect::<Vec<_>>())
        .load(&mut tx.shared()?)
        .await?)
}

pub(crate) const NEED_PERSON: &str = listed!(
    "0::bigint",
    "(SELECT o.* FROM (SELECT DISTINCT e.order_day, e.order_id FROM exceptions e
                        WHERE e.merchant_id = $1 AND e.shop_id = ANY ($2) AND e.resolved_at IS NULL
                          AND (e.blocking OR e.needs_review) AND e.order_id IS NOT NULL) AS w
       CROSS JOIN LATERAL (SELECT * FROM orders o
                            WHERE o.merchant_id = $1 AND o.order_day = w.order_day AND o.id = w.order_id LIMIT 1) AS o
      WHERE (o.seen_at, o.id) < ($3, $4) ORDER BY o.seen_at DESC, o.id DESC LIMIT 51) AS o",
    "ORDER BY o.seen_at DESC, o.id DESC"
);

/// Lists the orders of shops that wait for a person, behind a place, one more than a page holds. Indexes
/// exceptions_one_open, of which few rows are open, and orders_pkey.
///
/// # Errors
/// When the statement fails.
pub async fn need_person(tx: &TenantTx, shops: &[ShopId], after: Place) -> Result<Vec<ListedOrder>, StoreError> {
    let merchant = tx.merchant();
    Ok(sql(NEED_PERSON)
        .bind::<SqlUuid, _>(merchant.as_uuid())
        .bind::<Array<SqlUuid>, _>(uuids(shops))
        .bind::<Timestamptz, _>(after.seen_at)
        .bind::<SqlUuid, _>(after.id)
        .load(&mut tx.shared()?)
        .await?)
}

pub(crate) const BY_NUMBER: &str = listed!(
    "0::bigint",
    "(SELECT o.* FROM orders o WHERE o.merchant_id = $1 AND o.shop_id = ANY ($2) AND o.order_sn = $3 AND o.order_day = $4
       ORDER BY o.seen_at DESC, o.id DESC LIMIT 51) AS o",
    "ORDER BY o.seen_at DESC, o.id DESC"
);

/// Lists the orders of a number; each of several shops may have one. Index orders_once.
///
/// # Errors
/// When the statement fails.
pub async fn by_number(tx: &TenantTx, shops: &[ShopId], order_sn: &OrderSn) -> Result<Vec<ListedOrder>, StoreError> {
    let merchant = tx.merchant();
    let day: NaiveDate = partition_day(order_sn);
    Ok(sql(BY_NUMBER)
        .bind::<SqlUuid, _>(merchant.as_uuid())
        .bind::<Array<SqlUuid>, _>(uuids(shops))
        .bind::<Text, _>(order_sn.as_str())
        .bind::<Date, _>(day)
        .load(&mut tx.shared()?)
        .await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on(day: &str) -> NaiveDate {
        day.parse().unwrap()
    }

    #[test]
    fn a_window_is_two_months_and_the_days_right_ahead() {
        let window = |at: &str| Window::at(at.parse().unwrap());
        let november = window("2026-11-23T04:00:00Z");
        assert_eq!(november, Window::until_month_of(on("2026-11-05")));
        let parts = ["2026-09-30", "2026-10-01", "2026-11-30", "2026-12-01"].map(|day| november.part_of(on(day)));
        assert_eq!(parts, [Part::Other, Part::Recent, Part::Recent, Part::Other]);
        // An order of the first of December, in a shop whose clock is ahead.
        assert_eq!(window("2026-11-30T15:59:59Z").part_of(on("2026-12-01")), Part::Recent);
        // Without a readable day.
        assert_eq!(november.part_of(NaiveDate::default()), Part::Other);
    }

    #[test]
    fn both_parts_together_are_all_days() {
        let window = Window::until_month_of(on("2026-01-31"));
        for text in [NEWEST, OF_STATES] {
            let recent = window.only(Part::Recent, text);
            assert!(recent.contains("AND o.order_day >= '2025-12-01' AND o.order_day < '2026-02-01'"), "{recent}");
            let other = window.only(Part::Other, text);
            assert!(other.contains("AND (o.order_day < '2025-12-01' OR o.order_day >= '2026-02-01')"), "{other}");
        }
        let never = Window::until_month_of(NaiveDate::MAX);
        assert!(never.only(Part::Recent, NEWEST).contains("AND false"));
        assert_eq!(never.only(Part::Other, NEWEST), NEWEST);
    }
}
