//! Orders that nobody has delivered: made by Postgres, as many as are wanted, in all states that lists show.

use anyhow::Result;
use kamiflow_test_support::program::note;
use tokio_postgres::Client;

/// Orders that are made by one statement.
const PER_STEP: i64 = 100_000;
/// Days they lie back, at most: the months whose partitions are there.
const DAYS: i64 = 110;

/// Orders `$1` to `$2` of `$3`, the first the oldest: spread evenly over the days, shops in turn, ids in the order of time.
/// One of twenty is to be handed over, one of fifty was refunded, and what else there is was delivered or redeemed.
const MAKE: &str = "
    INSERT INTO orders (id, order_day, merchant_id, shop_id, order_sn, state, state_cause, order_status, refund_status,
            confirm_status, group_status, risk_control_status, after_sales_status, trade_type, is_lucky_flag, goods_id,
            platform_sku_id, goods_name, goods_spec, goods_count, pay_amount_fen, paid_at, last_ship_at, updated_at,
            content_hash, read_at, seen_at, delivered_at)
    SELECT (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7' || substr(md5(n::text), 14))::uuid,
           at::date, s.merchant_id, s.id, to_char(at, 'YYMMDD') || '-' || lpad(n::text, 15, '0'), o.state, 'seen',
           CASE WHEN o.state = 'seen' THEN 1 ELSE 2 END, 1, 1, 1, 0, 0, 0, 1, s.mall_id * 10, s.mall_id * 100,
           '视频会员月卡 官方直充 ' || s.mall_id, '标准', 1 + n % 3, 990 * (1 + n % 3), at - interval '3 seconds',
           at + interval '1 day', at, sha256(n::text::bytea), at, at,
           CASE WHEN o.state IN ('delivered', 'redeemed') THEN at + interval '2 seconds' END
      FROM (SELECT n, now() - ($3::bigint - n) * interval '110 days' / $3::bigint AS at,
                   CASE WHEN n % 20 = 0 AND n > $3::bigint - 2000 THEN 'seen' WHEN n % 50 = 0 THEN 'closed_refunded'
                        WHEN n % 3 = 0 THEN 'redeemed' ELSE 'delivered' END AS state
              FROM generate_series($1::bigint, $2::bigint) n) o
      JOIN (SELECT *, row_number() OVER (ORDER BY mall_id) - 1 AS place, count(*) OVER () AS shops FROM shops) s
        ON s.place = o.n % s.shops";
/// One of a hundred of the newest is open, and waits for a person.
const OPEN: &str = "
    INSERT INTO exceptions (id, merchant_id, shop_id, order_day, order_id, order_sn, code, blocking, needs_review)
    SELECT gen_random_uuid(), merchant_id, shop_id, order_day, id, order_sn, 'out_of_stock', true, false
      FROM (SELECT * FROM orders ORDER BY seen_at DESC LIMIT 10000) o WHERE right(order_sn, 2) = '00'";

/// Makes them; the connection is a superuser's, for whom no trigger runs.
pub(super) async fn make(client: &Client, orders: usize) -> Result<()> {
    note(format_args!("Making {orders} orders over {DAYS} days"));
    client.batch_execute("SET session_replication_role = replica; SET synchronous_commit = off").await?;
    let all = i64::try_from(orders)?;
    let mut first = 1;
    while first <= all {
        let last = (first + PER_STEP - 1).min(all);
        client.execute(MAKE, &[&first, &last, &all]).await?;
        first = last + 1;
    }
    client.execute(OPEN, &[]).await?;
    note("Vacuuming and analyzing");
    client.batch_execute("VACUUM (ANALYZE)").await?;
    Ok(client.batch_execute("CHECKPOINT").await?)
}
