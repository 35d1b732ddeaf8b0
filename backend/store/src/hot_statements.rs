//! The statements that every order meets, with what each may read by: the list that EXPLAIN is asked about.
//!
//! A statement is hot when its cost is paid per order, per card or per turn of a worker. The texts are the ones that
//! the functions themselves run; `tests/it` plans each of them over a large database as the application role. What is
//! added to a hot path belongs here with its index; inserts that look nothing up need not. The bodies of `system_*`
//! functions are in the schema, where the same test reads them.

use crate::tx::LISTING;
use crate::{
    attempts, card_claims, coverage, deliveries, delivery_lines, exceptions, exports, jobs, order_hints, order_list,
    orders, redemptions, shop_sync, sku_lookup, stock_waits,
};

/// A hot statement.
#[derive(Debug, Clone, Copy)]
pub struct HotStatement {
    /// The function that runs it and, where it runs several, which of them.
    pub name: &'static str,
    /// Its text.
    pub sql: &'static str,
    /// The SQL types of its parameters as they are bound, in order, as PREPARE takes them.
    pub parameters: &'static str,
    /// The indexes it rests on; for a partitioned table the parent's.
    pub indexes: &'static [&'static str],
}

const fn hot(
    name: &'static str,
    sql: &'static str,
    parameters: &'static str,
    indexes: &'static [&'static str],
) -> HotStatement {
    HotStatement { name, sql, parameters, indexes }
}

/// Parameters that end with an order's whole content.
macro_rules! with_content {
    ($before:literal) => {
        concat!(
            $before,
            "uuid[], date[], text[], text[], text[], text[], smallint[], smallint[], smallint[], \
             smallint[], smallint[], smallint[], smallint[], smallint[], smallint[], bigint[], bigint[], text[], \
             text[], text[], integer[], smallint[], bigint[], timestamptz[], timestamptz[], timestamptz[], \
             timestamptz[], timestamptz[], timestamptz[], timestamptz[], bytea[], timestamptz[], text[]"
        )
    };
}

/// Every hot statement.
pub const HOT_STATEMENTS: &[HotStatement] = &[
    hot("attempts::count", attempts::COUNT, "uuid, uuid[]", &["delivery_attempts_one_open"]),
    hot(
        "attempts::end",
        attempts::END,
        "uuid, timestamptz, uuid[], bigint[], text[], jsonb[], bigint",
        &["delivery_attempts_pkey"],
    ),
    hot("attempts::list", attempts::LIST, "uuid, uuid[]", &["delivery_attempts_once"]),
    hot(
        "card_claims::claim",
        card_claims::CLAIM,
        "uuid, uuid, uuid[], uuid[], uuid[], bigint, timestamptz",
        &["card_uses_available", "card_uses_pkey", "cards_pkey"],
    ),
    hot(
        "card_claims::claim_waiting",
        card_claims::CLAIM_WAITING,
        "uuid, uuid, uuid[], uuid[], uuid[], bigint, timestamptz",
        &["card_uses_available", "card_uses_pkey", "cards_pkey"],
    ),
    hot(
        "card_claims::list_held",
        card_claims::LIST_HELD,
        "uuid, uuid[], timestamptz, uuid[]",
        &["delivery_lines_once", "card_uses_pkey", "cards_pkey"],
    ),
    hot(
        "card_claims::move_held",
        card_claims::MOVE_HELD,
        "uuid, uuid[], text, text, text, boolean, boolean, timestamptz",
        &["delivery_lines_once", "card_uses_pkey"],
    ),
    hot(
        "coverage::extend, its end",
        coverage::EXTEND,
        "uuid, uuid, timestamptz, integer, integer, integer, boolean",
        &["coverage_pkey"],
    ),
    hot("coverage::extend, the latest span", coverage::LATEST, "uuid, uuid, text", &["coverage_of_shop"]),
    // With every page of the console.
    hot(
        "deliveries::due::list_due",
        deliveries::due::LIST_DUE,
        "uuid, uuid, timestamptz, boolean, uuid[], uuid[], uuid[], bigint",
        &["deliveries_due"],
    ),
    hot("deliveries::list_of_shops", deliveries::LIST_OF_SHOPS, "uuid, uuid[], text[], bigint", &["deliveries_once"]),
    hot("deliveries::lock_by_sn", deliveries::LOCK_BY_SN, "uuid, uuid, text[]", &["deliveries_once"]),
    hot("deliveries::lock_waiting", deliveries::LOCK_WAITING, "uuid, uuid, text[]", &["deliveries_once"]),
    hot("deliveries::due::next_due", deliveries::due::NEXT_DUE, "uuid, uuid", &["deliveries_due", "order_hints_due"]),
    hot(
        "deliveries::plan",
        deliveries::PLAN,
        "uuid, uuid, uuid[], date[], uuid[], text[], uuid[], text[], text[], uuid[], integer[], timestamptz[], timestamptz[]",
        &["deliveries_once"],
    ),
    hot(
        "deliveries::due::put_off_paused",
        deliveries::due::PUT_OFF_PAUSED,
        "uuid, uuid, timestamptz, boolean, uuid[], uuid[], uuid[], timestamptz, bigint",
        &["deliveries_due", "deliveries_pkey"],
    ),
    hot(
        "deliveries::due::reschedule",
        deliveries::due::RESCHEDULE,
        "uuid, uuid, text[], timestamptz",
        &["deliveries_once"],
    ),
    hot(
        "deliveries::update_fenced",
        deliveries::UPDATE_FENCED,
        "uuid, uuid[], bigint[], bigint[], text[], timestamptz[], integer[], bytea[], timestamptz[], bigint",
        &["deliveries_pkey"],
    ),
    hot(
        "delivery_lines::list_live",
        delivery_lines::LIST_LIVE,
        "uuid, uuid[]",
        &["delivery_lines_once", "card_uses_pkey", "cards_pkey"],
    ),
    hot("exceptions::resolve", exceptions::RESOLVE, "uuid, uuid, text[], text[], text", &["exceptions_one_open"]),
    hot("jobs::delete", jobs::DELETE, "uuid, uuid", &["jobs_pkey"]),
    hot("jobs::find", jobs::FIND, "uuid, uuid", &["jobs_pkey"]),
    hot("order_hints::clear_read", order_hints::CLEAR_READ, "uuid, uuid, text[], timestamptz", &["order_hints_pkey"]),
    hot("order_hints::list_among", order_hints::LIST_AMONG, "uuid, uuid, text[]", &["order_hints_pkey"]),
    hot("order_hints::list_due", order_hints::LIST_DUE, "uuid, uuid, timestamptz, bigint", &["order_hints_due"]),
    hot(
        "order_hints::upsert",
        order_hints::UPSERT,
        "uuid, uuid, text[], timestamptz, timestamptz, text, integer",
        &["order_hints_pkey"],
    ),
    hot("orders::find_by_sn", orders::FIND_BY_SN, "uuid, uuid, text, date", &["orders_once"]),
    hot("orders::insert_new", orders::INSERT_NEW, with_content!("uuid, uuid, "), &["orders_once"]),
    hot("orders::lock_by_sn", orders::LOCK_BY_SN, "uuid, uuid, date[], text[], bigint", &["orders_once"]),
    hot("orders::transition", orders::TRANSITION, "uuid, date[], uuid[], text[], text, text, bigint", &["orders_pkey"]),
    hot(
        "orders::update_content",
        orders::UPDATE_CONTENT,
        concat!(with_content!("uuid, "), ", bigint"),
        &["orders_pkey"],
    ),
    hot(
        "redemptions::change",
        redemptions::CHANGE,
        "uuid, text, timestamptz, uuid[], bigint[], text[], timestamptz[], uuid[], jsonb[], integer[], jsonb[]",
        &["redemptions_pkey"],
    ),
    hot(
        "redemptions::lock_progress, the count",
        redemptions::COUNT_PROGRESS,
        "uuid, uuid[]",
        &["redemptions_of_delivery"],
    ),
    hot(
        "redemptions::wake_orders",
        redemptions::WAKE_ORDERS,
        "uuid, uuid, text[], timestamptz",
        &["deliveries_once", "redemptions_of_delivery"],
    ),
    hot(
        "redemptions::calls::start",
        redemptions::calls::START,
        "uuid, timestamptz, timestamptz, timestamptz, uuid[], bigint[], uuid[], timestamptz[], integer[], jsonb[], timestamptz[]",
        &["redemptions_pkey"],
    ),
    hot(
        "redemptions::due::list",
        redemptions::due::LIST,
        "uuid, uuid, timestamptz, timestamptz, bigint",
        &["redemptions_due", "orders_pkey"],
    ),
    hot("redemptions::due::next_at", redemptions::due::NEXT_AT, "uuid, uuid", &["redemptions_due"]),
    hot("shop_sync::fetch", shop_sync::FETCH, "uuid, uuid", &["shop_sync_pkey"]),
    hot(
        "shop_sync::update",
        shop_sync::UPDATE,
        "uuid, uuid, timestamptz, timestamptz, integer, timestamptz, integer, timestamptz, timestamptz, timestamptz, timestamptz, text",
        &["shop_sync_pkey"],
    ),
    hot("sku_lookup::list", sku_lookup::LIST, "uuid, uuid, bigint[]", &["skus_once"]),
    hot(
        "stock_waits::count_claimable",
        stock_waits::COUNT_CLAIMABLE,
        "uuid, uuid, timestamptz, bigint",
        &["card_uses_available"],
    ),
    hot("stock_waits::delete", stock_waits::DELETE, "uuid, uuid[]", &["stock_waits_pkey"]),
    hot(
        "stock_waits::insert",
        stock_waits::INSERT,
        "uuid, uuid[], uuid[], uuid[], integer[], timestamptz[]",
        &["stock_waits_pkey"],
    ),
    hot(
        "stock_waits::list_deliverable",
        stock_waits::LIST_DELIVERABLE,
        "uuid, uuid, timestamptz, bigint",
        &["stock_waits_of_pool", "deliveries_pkey"],
    ),
    hot("stock_waits::make_due", stock_waits::MAKE_DUE, "uuid, uuid[], timestamptz", &["deliveries_pkey"]),
    hot(
        "stock_waits::take_missed",
        stock_waits::TAKE_MISSED,
        "uuid, uuid, timestamptz",
        &["stock_waits_missed", "deliveries_pkey"],
    ),
];

/// What is read page by page in a transaction of [`crate::Store::listing_tx`], whose settings come first.
pub const LISTINGS: (&str, &[HotStatement]) = (
    LISTING,
    &[
        hot("exports::list_deliveries", exports::DELIVERIES, "uuid, uuid, text, bigint", &["deliveries_once"]),
        hot("exports::list_orders", exports::LIST, "uuid, uuid, timestamptz, uuid, bigint", &["orders_of_shop"]),
        hot(
            "exports::list_redemptions",
            exports::REDEMPTIONS,
            "uuid, uuid, uuid[]",
            &["redemptions_of_delivery", "delivery_lines_pkey"],
        ),
        hot(
            "order_list::by_number",
            order_list::BY_NUMBER,
            "uuid, uuid[], text, date",
            &["orders_once", "exceptions_one_open"],
        ),
        hot(
            "order_list::need_person",
            order_list::NEED_PERSON,
            "uuid, uuid[], timestamptz, uuid",
            &["orders_pkey", "exceptions_one_open"],
        ),
        hot(
            "order_list::newest",
            order_list::NEWEST,
            "uuid, uuid[], timestamptz, uuid",
            &["orders_of_shop", "exceptions_one_open"],
        ),
        hot(
            "order_list::of_states",
            order_list::OF_STATES,
            "uuid, uuid[], timestamptz, uuid, text[]",
            &["orders_of_shop", "exceptions_one_open"],
        ),
    ],
);
