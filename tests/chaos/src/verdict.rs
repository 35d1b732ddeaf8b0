//! What is compared when the dust has settled: the sandbox's ledger, Postgres, and the card ledger.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use anyhow::{Context as _, Result};
use kamiflow_domain::engine::Engine;
use kamiflow_kernel::{CardId, MerchantId};
use kamiflow_store::cards;
use tokio_postgres::Client;
use uuid::Uuid;

use crate::platform::Sold;

/// Cards whose numbers are opened at once.
const PORTION: usize = 1_000;
/// What a person is asked when nobody can know whether the buyer has the cards.
const UNKNOWN_OUTCOME: &str = "unknown_outcome";

/// What must not be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Wrong {
    /// The books say delivered, or know nothing of the order, and the buyer has not got what was paid for.
    Lost,
    /// A buyer has more than was paid for.
    Duplicate,
    /// A card went to two orders, or would.
    Oversold,
    /// Nothing will happen any more, and no person is asked for a true reason.
    Stuck,
}

/// Something that must not be, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) wrong: Wrong,
    pub(crate) what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.wrong, self.what)
    }
}

/// The judgment of a phase.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    pub(crate) findings: Vec<Finding>,
    /// Orders that a person is asked about for a true reason.
    pub(crate) review: usize,
}

impl Verdict {
    fn add(&mut self, wrong: Wrong, what: impl fmt::Display) {
        self.findings.push(Finding { wrong, what: what.to_string() });
    }

    /// Counts findings of a kind.
    pub(crate) fn count(&self, wrong: Wrong) -> usize {
        self.findings.iter().filter(|finding| finding.wrong == wrong).count()
    }
}

/// What our books say of an order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Booked {
    pub(crate) state: String,
    pub(crate) delivery: String,
    /// Whether nobody stored the outcome of one of its attempts.
    pub(crate) has_unknown: bool,
    /// Open exceptions that need a person.
    pub(crate) review: Vec<String>,
    /// Numbers of the cards on its lines.
    pub(crate) cards: Vec<String>,
}

impl Booked {
    fn is_delivered(&self) -> bool {
        matches!(self.state.as_str(), "delivered" | "done")
    }
}

/// What must be true of stock and ledger: what is wrong otherwise, and how many are.
const BOOKS: &[(Wrong, &str, &str)] = &[
    (
        Wrong::Stuck,
        "cards are held, and no order is open for them",
        "SELECT count(*) FROM card_uses u WHERE u.state NOT IN ('available', 'sent') AND NOT EXISTS (
             SELECT FROM delivery_lines l JOIN deliveries d ON d.id = l.delivery_id
              WHERE l.card_use_id = u.id AND l.live AND d.state IN ('reserved', 'handing_over'))",
    ),
    (
        Wrong::Lost,
        "cards are sent, and no delivered order has them",
        "SELECT count(*) FROM card_uses u WHERE u.state = 'sent' AND NOT EXISTS (
             SELECT FROM delivery_lines l JOIN deliveries d ON d.id = l.delivery_id
              WHERE l.card_use_id = u.id AND l.live AND d.state = 'delivered')",
    ),
    (
        Wrong::Oversold,
        "cards were sent more than once, or never, by the card ledger",
        "SELECT count(*) FROM card_uses u WHERE (u.state = 'sent')::int <>
             (SELECT count(*) FROM card_ledger l
               WHERE l.merchant_id = u.merchant_id AND l.card_use_id = u.id AND l.event = 'sent')",
    ),
    (
        Wrong::Oversold,
        "chains of the card ledger are broken",
        "SELECT count(DISTINCT l.card_use_id) FROM (
             SELECT l.*, lag(hash) OVER chain AS earlier, lag(seq) OVER chain AS place FROM card_ledger l
             WINDOW chain AS (PARTITION BY card_use_id ORDER BY seq)) l JOIN card_uses u ON u.id = l.card_use_id
          WHERE l.hash <> card_ledger_hash(l.prev_hash, l.card_use_id, l.seq, l.event, l.pool_id, l.delivery_id, l.at)
             OR l.prev_hash <> coalesce(l.earlier, sha256(uuid_send(u.card_id))) OR l.seq <> coalesce(l.place, 0) + 1",
    ),
    (
        Wrong::Oversold,
        "cards do not stand at the end of their chain",
        "SELECT count(*) FROM card_uses u LEFT JOIN LATERAL (
             SELECT l.seq, l.hash FROM card_ledger l
              WHERE l.merchant_id = u.merchant_id AND l.card_use_id = u.id ORDER BY l.seq DESC LIMIT 1) l ON true
          WHERE (l.seq, l.hash) IS DISTINCT FROM (u.ledger_seq, u.ledger_head)",
    ),
];

/// Compares everything.
pub(crate) async fn judge(
    engine: &Engine,
    client: &Client,
    sold: &BTreeMap<String, Sold>,
    resend_safe: bool,
) -> Result<Verdict> {
    let mut verdict = Verdict::default();
    let booked = booked(engine, client).await?;
    for (order_sn, sold) in sold {
        judge_order(&mut verdict, (order_sn, sold), booked.get(order_sn), resend_safe);
    }
    judge_cards(&mut verdict, sold);
    judge_stock(&mut verdict, (engine, client), sold).await?;
    judge_shops(&mut verdict, client).await?;
    Ok(verdict)
}

fn judge_order(verdict: &mut Verdict, (sn, sold): (&str, &Sold), booked: Option<&Booked>, resend_safe: bool) {
    let (has, paid) = (sold.vouchers.len(), sold.quantity);
    if has > paid {
        verdict.add(Wrong::Duplicate, format_args!("order {sn}: {has} vouchers for {paid} pieces"));
    }
    let Some(booked) = booked else {
        return verdict.add(Wrong::Lost, format_args!("order {sn} was never seen"));
    };
    if booked.is_delivered() {
        let sent: BTreeSet<&String> = sold.vouchers.iter().collect();
        let lines: BTreeSet<&String> = booked.cards.iter().collect();
        if has < paid {
            verdict.add(Wrong::Lost, format_args!("order {sn} is delivered, with {has} vouchers for {paid} pieces"));
        } else if sent != lines {
            verdict.add(Wrong::Lost, format_args!("order {sn}: the buyer has other cards than its lines"));
        }
        return;
    }
    // Nobody knows how the hand-over ended; what of it reached the buyer is of these cards all the same.
    if sold.vouchers.iter().any(|number| !booked.cards.contains(number)) {
        verdict.add(Wrong::Oversold, format_args!("order {sn}: the buyer has cards that are not on its lines"));
    }
    match untrue(sold, booked, resend_safe) {
        None => verdict.review += 1,
        Some(why) => verdict.add(
            Wrong::Stuck,
            format_args!(
                "order {sn} is {} (delivery {}, review {:?}): {why}; the buyer has {has} of {paid}, status {}",
                booked.state, booked.delivery, booked.review, sold.status
            ),
        ),
    }
}

/// Returns why an order that is not delivered has no true reason for it.
fn untrue(sold: &Sold, booked: &Booked, resend_safe: bool) -> Option<&'static str> {
    if booked.review.is_empty() {
        return Some("nobody is asked");
    }
    if booked.review.iter().any(|code| code != UNKNOWN_OUTCOME) {
        return Some("no fault of this run is a reason for that");
    }
    if !booked.has_unknown {
        return Some("the outcome of every attempt is known");
    }
    if resend_safe {
        return Some("the identical request could be sent again");
    }
    (sold.status >= 2).then_some("the order is shipped, which proves the delivery")
}

/// No card went to two orders.
fn judge_cards(verdict: &mut Verdict, sold: &BTreeMap<String, Sold>) {
    let mut went: BTreeMap<&str, &str> = BTreeMap::new();
    for (order_sn, sold) in sold {
        for number in &sold.vouchers {
            match went.insert(number, order_sn) {
                Some(other) if other != order_sn => {
                    verdict.add(Wrong::Oversold, format_args!("one card went to the orders {other} and {order_sn}"));
                }
                _ => {}
            }
        }
    }
}

/// No card that a buyer has is for sale, none is held by nobody, and every chain of the card ledger holds.
async fn judge_stock(
    verdict: &mut Verdict,
    (engine, client): (&Engine, &Client),
    sold: &BTreeMap<String, Sold>,
) -> Result<()> {
    let bought: BTreeSet<&String> = sold.values().flat_map(|sold| &sold.vouchers).collect();
    let free = client.query("SELECT merchant_id, card_id FROM card_uses WHERE state = 'available'", &[]).await?;
    let free: Vec<(MerchantId, CardId)> = free.iter().map(|row| (merchant(row, 0), card(row, 1))).collect();
    for number in open(engine, &free).await?.values().filter(|number| bought.contains(number)) {
        let shown = number.get(number.len().saturating_sub(7)..).unwrap_or_default();
        verdict.add(Wrong::Oversold, format_args!("card …{shown} is for sale, and a buyer has it"));
    }
    for (wrong, what, statement) in BOOKS {
        let count: i64 = client.query_one(*statement, &[]).await?.get(0);
        if count > 0 {
            verdict.add(*wrong, format_args!("{count} {what}"));
        }
    }
    Ok(())
}

/// Every shop is live, and no person is asked about one: no fault is a reason to stop.
async fn judge_shops(verdict: &mut Verdict, client: &Client) -> Result<()> {
    let shops =
        client.query("SELECT mall_id, state, stop_reason FROM shops WHERE state <> 'live' ORDER BY 1", &[]).await?;
    for row in shops {
        let (mall, state): (i64, String) = (row.get(0), row.get(1));
        let why: Option<String> = row.get(2);
        verdict.add(Wrong::Stuck, format_args!("mall {mall} is {state}: {}", why.unwrap_or_default()));
    }
    let asked = "SELECT DISTINCT code FROM exceptions WHERE order_sn = '' AND needs_review AND resolved_at IS NULL";
    for row in client.query(asked, &[]).await? {
        verdict.add(Wrong::Stuck, format_args!("a person is asked about a shop: {}", row.get::<_, String>(0)));
    }
    Ok(())
}

/// Reads our books.
async fn booked(engine: &Engine, client: &Client) -> Result<BTreeMap<String, Booked>> {
    let rows = client
        .query(
            "SELECT o.order_sn, o.state, coalesce(d.state, ''),
                    EXISTS (SELECT FROM delivery_attempts a WHERE a.delivery_id = d.id AND a.state = 'unknown'),
                    ARRAY(SELECT e.code FROM exceptions e WHERE e.shop_id = o.shop_id AND e.order_sn = o.order_sn
                           AND e.needs_review AND e.resolved_at IS NULL ORDER BY 1)
               FROM orders o LEFT JOIN deliveries d ON d.shop_id = o.shop_id AND d.order_sn = o.order_sn",
            &[],
        )
        .await?;
    let mut booked: BTreeMap<String, Booked> = rows
        .iter()
        .map(|row| {
            let order = Booked {
                state: row.get(1),
                delivery: row.get(2),
                has_unknown: row.get(3),
                review: row.get(4),
                cards: Vec::new(),
            };
            (row.get(0), order)
        })
        .collect();
    let lines = client
        .query(
            "SELECT d.order_sn, u.merchant_id, u.card_id FROM delivery_lines l
               JOIN deliveries d ON d.id = l.delivery_id JOIN card_uses u ON u.id = l.card_use_id WHERE l.live",
            &[],
        )
        .await?;
    let held: Vec<(MerchantId, CardId)> = lines.iter().map(|row| (merchant(row, 1), card(row, 2))).collect();
    let numbers = open(engine, &held).await?;
    for row in &lines {
        let (order_sn, number) = (row.get::<_, &str>(0), numbers.get(&card(row, 2)));
        let order = booked.get_mut(order_sn).with_context(|| format!("a delivery of {order_sn}, which is no order"))?;
        order.cards.push(number.cloned().unwrap_or_default());
    }
    Ok(booked)
}

/// Opens the numbers of cards.
async fn open(engine: &Engine, wanted: &[(MerchantId, CardId)]) -> Result<BTreeMap<CardId, String>> {
    let mut by_merchant: BTreeMap<Uuid, Vec<CardId>> = BTreeMap::new();
    for (merchant, card) in wanted {
        by_merchant.entry(merchant.as_uuid()).or_default().push(*card);
    }
    let mut numbers = BTreeMap::new();
    for (merchant, all) in by_merchant {
        for portion in all.chunks(PORTION) {
            let mut tx = engine.store.tenant_tx(MerchantId::from_uuid(merchant)).await?;
            for row in cards::list_sealed(&mut tx, portion).await? {
                let key = tx.data_key_by_id(row.data_key_id).await?;
                let number = key.open(cards::NUMBER, row.id.as_uuid(), &row.number_sealed)?;
                numbers.insert(row.id, String::from_utf8(number.expose().to_vec())?);
            }
        }
    }
    Ok(numbers)
}

fn merchant(row: &tokio_postgres::Row, column: usize) -> MerchantId {
    MerchantId::from_uuid(row.get(column))
}

fn card(row: &tokio_postgres::Row, column: usize) -> CardId {
    CardId::from_uuid(row.get(column))
}

#[cfg(test)]
mod tests {
    use kamiflow_test_support::{World, WorldOptions};

    use super::*;

    fn sold(quantity: usize, status: i64, vouchers: &[&str]) -> Sold {
        Sold { quantity, status, vouchers: vouchers.iter().map(|number| (*number).to_owned()).collect() }
    }

    fn booked(state: &str, review: &[&str], cards: &[&str]) -> Booked {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        Booked {
            state: state.to_owned(),
            delivery: String::new(),
            has_unknown: true,
            review: owned(review),
            cards: owned(cards),
        }
    }

    fn judged(sold: &Sold, booked: Option<&Booked>, resend_safe: bool) -> (Vec<Wrong>, usize) {
        let mut verdict = Verdict::default();
        judge_order(&mut verdict, ("sn", sold), booked, resend_safe);
        (verdict.findings.iter().map(|finding| finding.wrong).collect(), verdict.review)
    }

    #[test]
    fn an_order_is_right_only_when_the_buyer_has_what_its_lines_say() {
        let delivered = booked("delivered", &[], &["a", "b"]);
        assert_eq!(judged(&sold(2, 2, &["b", "a"]), Some(&delivered), true), (vec![], 0));
        assert_eq!(judged(&sold(2, 2, &["a"]), Some(&delivered), true), (vec![Wrong::Lost], 0));
        assert_eq!(judged(&sold(2, 2, &["a", "c"]), Some(&delivered), true), (vec![Wrong::Lost], 0));
        assert_eq!(judged(&sold(2, 2, &["a", "b", "a", "b"]), Some(&delivered), true), (vec![Wrong::Duplicate], 0));
        assert_eq!(judged(&sold(1, 1, &[]), None, true), (vec![Wrong::Lost], 0));
        assert_eq!(judged(&sold(1, 1, &[]), Some(&booked("reserved", &[], &["a"])), true), (vec![Wrong::Stuck], 0));
    }

    #[test]
    fn a_review_is_right_only_for_a_true_reason() {
        let asked = booked("handing_over", &[UNKNOWN_OUTCOME], &["a"]);
        assert_eq!(judged(&sold(1, 1, &["a"]), Some(&asked), false), (vec![], 1));
        assert_eq!(judged(&sold(1, 1, &["b"]), Some(&asked), false), (vec![Wrong::Oversold], 1));
        assert_eq!(judged(&sold(1, 1, &[]), Some(&asked), false), (vec![], 1));
        assert_eq!(judged(&sold(1, 1, &["a"]), Some(&asked), true), (vec![Wrong::Stuck], 0));
        assert_eq!(judged(&sold(1, 2, &["a"]), Some(&asked), false), (vec![Wrong::Stuck], 0));
        let refused = booked("reserved", &["hand_over_refused"], &["a"]);
        assert_eq!(judged(&sold(1, 1, &[]), Some(&refused), false), (vec![Wrong::Stuck], 0));
        let known = Booked { has_unknown: false, ..asked };
        assert_eq!(judged(&sold(1, 1, &["a"]), Some(&known), false), (vec![Wrong::Stuck], 0));
    }

    #[tokio::test]
    async fn a_chain_that_was_cut_off_or_changed_is_found() {
        let world = World::with(WorldOptions { cards: 4, ..WorldOptions::default() }).await;
        let order = world.one_order("VOUCHER").await;
        world.deliver_all(std::slice::from_ref(&order)).await;
        let sql = world.sql_as_superuser().await;
        let found = async || {
            let mut found = Vec::new();
            for (_, what, statement) in BOOKS {
                found.extend((sql.count(statement, &[]).await.unwrap() > 0).then_some(*what));
            }
            found
        };
        assert_eq!(found().await, [""; 0]);
        let sent = "card_use_id = (SELECT id FROM card_uses WHERE state = 'sent')";
        let unsold = "card_use_id = (SELECT min(id::text)::uuid FROM card_uses WHERE state = 'available')";
        for (tampering, tells) in [
            (format!("DELETE FROM card_ledger WHERE event = 'sent' AND {sent}"), "cards do not stand at the end of"),
            (format!("DELETE FROM card_ledger WHERE {unsold}"), "cards do not stand at the end of"),
            (
                format!("DELETE FROM card_ledger WHERE event = 'imported' AND {sent}"),
                "chains of the card ledger are broken",
            ),
            (format!("UPDATE card_ledger SET delivery_id = NULL WHERE {sent}"), "chains of the card ledger are broken"),
            (format!("UPDATE card_ledger SET prev_hash = hash WHERE {unsold}"), "chains of the card ledger are broken"),
        ] {
            let kept = "CREATE TABLE kept AS SELECT * FROM card_ledger";
            sql.transaction(&format!("{kept}; SET LOCAL session_replication_role = replica; {tampering}"))
                .await
                .unwrap();
            let found = found().await;
            assert!(found.iter().any(|what| what.starts_with(tells)), "{tampering}: {found:?}");
            let back = "SET LOCAL session_replication_role = replica; DELETE FROM card_ledger;
                        INSERT INTO card_ledger SELECT * FROM kept; DROP TABLE kept";
            sql.transaction(back).await.unwrap();
        }
    }

    #[test]
    fn a_card_of_two_orders_is_found() {
        let mut verdict = Verdict::default();
        let all = BTreeMap::from([
            ("1".to_owned(), sold(1, 1, &["a"])),
            ("2".to_owned(), sold(2, 1, &["b", "a"])),
            ("3".to_owned(), sold(1, 1, &["c", "c"])),
        ]);
        judge_cards(&mut verdict, &all);
        assert_eq!(verdict.count(Wrong::Oversold), 1);
    }
}
