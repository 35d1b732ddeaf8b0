//! Pools, cards and uses.

use chrono::{DateTime, Utc};
use kamiflow_domain::stock_pages::{CardRow, PoolSummary};
use kamiflow_kernel::{BatchId, CardId, PoolId, SecretText};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A card pool with what is in it. What has left the stock is null for tokens limited to shops: it would say what others sell.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Pool {
    /// Its id.
    #[schema(value_type = String, pattern = "^pool_[0-9a-f]{32}$", example = "pool_01936f0e8a7c7d20b1f3c5d7e9a0b2c4")]
    id: PoolId,
    /// Its name.
    #[schema(example = "视频会员月卡")]
    name: String,
    /// At so few available cards the merchant is warned; 0: when none is left.
    low_stock_at: i32,
    /// In stock, whether still valid or not.
    #[schema(minimum = 0)]
    available: i64,
    /// Of those, no longer valid for long enough to be handed out.
    #[schema(minimum = 0)]
    expired: i64,
    /// Claimed by an order.
    #[schema(minimum = 0)]
    reserved: Option<i64>,
    /// On the way to, or in, the platform's own stock.
    #[schema(minimum = 0)]
    at_platform: Option<i64>,
    /// Sent.
    #[schema(minimum = 0)]
    sent: Option<i64>,
    /// May have left us; held until a person decides.
    #[schema(minimum = 0)]
    quarantined: Option<i64>,
    /// Left us and worth nothing.
    #[schema(minimum = 0)]
    burned: Option<i64>,
    /// Taken out by a person or a program.
    #[schema(minimum = 0)]
    void: Option<i64>,
}

impl From<PoolSummary> for Pool {
    fn from(pool: PoolSummary) -> Self {
        let stock = pool.stock;
        let whole = |count: i64| pool.is_whole.then_some(count);
        Self {
            id: pool.pool,
            name: pool.name,
            low_stock_at: pool.low_stock_at,
            available: stock.available,
            expired: stock.expired,
            reserved: whole(stock.reserved),
            at_platform: whole(stock.at_platform),
            sent: whole(stock.sent),
            quarantined: whole(stock.quarantined),
            burned: whole(stock.burned),
            void: whole(stock.void),
        }
    }
}

/// A page of pools.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PoolList {
    /// The pools, the oldest first.
    pub(crate) pools: Vec<Pool>,
    /// The cursor of the next page; null at the end.
    pub(crate) next: Option<String>,
}

/// Cards to import: a list, or a text; exactly one of both.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "cards": [{ "number": "A1B2C3D4E5", "secret": "9f8e7d6c", "expires_at": "2027-12-31" }] }))]
pub(crate) struct Import {
    /// The cards, one by one.
    #[schema(value_type = Vec<NewCard>, required = false, nullable = false, min_items = 1, max_items = 50_000)]
    pub(crate) cards: Option<Vec<NewCard>>,
    /// The cards as a file has them: one a line, with `----`, a comma, a tab or spaces between number and secret.
    #[schema(value_type = String, required = false, nullable = false, min_length = 1)]
    pub(crate) text: Option<SecretText>,
    /// What becomes of lines that cannot be taken: `all_or_nothing` (without) imports nothing then, `skip_bad` the rest.
    #[serde(default)]
    #[schema(inline)]
    pub(crate) mode: Mode,
    /// How often each card may be used.
    #[serde(default = "once")]
    #[schema(minimum = 1, maximum = 1000, default = 1)]
    pub(crate) uses_permitted: i32,
}

const fn once() -> i32 {
    1
}

/// What becomes of lines that cannot be taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Mode {
    /// One bad line, and nothing is imported.
    #[default]
    AllOrNothing,
    /// Bad lines are reported, the others are imported.
    SkipBad,
}

/// A card to import.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewCard {
    /// Its number, or its only code.
    #[schema(value_type = String, min_length = 1, max_length = 500, example = "A1B2C3D4E5")]
    pub(crate) number: SecretText,
    /// Its secret, if it has one.
    #[schema(value_type = String, required = false, nullable = false, max_length = 500, example = "9f8e7d6c")]
    pub(crate) secret: Option<SecretText>,
    /// When it expires: a day, which it lasts to the end of, or a day and a time, in Shanghai.
    #[schema(required = false, nullable = false, max_length = 30, example = "2027-12-31")]
    pub(crate) expires_at: Option<String>,
}

/// What became of an import.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Imported {
    /// The batch, whose cards can be listed.
    #[schema(value_type = String, pattern = "^bat_[0-9a-f]{32}$")]
    pub(crate) batch: BatchId,
    /// Cards imported.
    pub(crate) accepted: u64,
    /// Lines refused.
    pub(crate) rejected: u64,
    /// The first hundred of them, with why.
    pub(crate) lines: Vec<crate::problem::RejectedLine>,
}

/// A card in stock or once in it; its number is masked.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Card {
    /// Its id.
    #[schema(value_type = String, pattern = "^card_[0-9a-f]{32}$")]
    id: CardId,
    /// Its pool.
    #[schema(value_type = String, pattern = "^pool_[0-9a-f]{32}$")]
    pool: PoolId,
    /// Its number with the middle hidden.
    number_mask: String,
    /// When it expires; null: never.
    expires_at: Option<DateTime<Utc>>,
    /// How often it may be used.
    #[schema(minimum = 1)]
    uses_permitted: i32,
    /// How many of its uses are in stock.
    #[schema(minimum = 0)]
    available: i64,
}

impl From<CardRow> for Card {
    fn from(row: CardRow) -> Self {
        Self {
            id: row.id,
            pool: row.pool,
            number_mask: row.number_mask,
            expires_at: row.expires_at,
            uses_permitted: row.uses_permitted,
            available: row.available,
        }
    }
}

/// A page of cards.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CardList {
    /// The cards, the oldest first.
    pub(crate) cards: Vec<Card>,
    /// The cursor of the next page; null at the end.
    pub(crate) next: Option<String>,
}

/// A card that is out of stock.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Voided {
    /// Which.
    #[schema(value_type = String, pattern = "^card_[0-9a-f]{32}$")]
    pub(crate) card: CardId,
}

/// That an order's codes were used.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Use {
    /// When; never later than now. Now without.
    #[schema(required = false, nullable = false)]
    pub(crate) used_at: Option<DateTime<Utc>>,
    /// Codes that the platform made and the buyer showed, where there are such.
    #[serde(default)]
    #[schema(value_type = Vec<String>, required = false, max_items = 100)]
    pub(crate) codes: Vec<SecretText>,
}

/// That something about an order was written down.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Noted {
    /// The order's number.
    #[schema(value_type = String, example = "261122-100000000000017")]
    pub(crate) order_sn: kamiflow_kernel::OrderSn,
}
