//! A merchant with a row in every table, and what names those rows.

use chrono::{DateTime, NaiveDate, SubsecRound, TimeDelta, Utc};
use kamiflow_kernel::{
    ApiTokenId, ApplicationId, AttemptId, AuthorizationLinkId, BatchId, CardId, CardUseId, CoverageId, CredentialId,
    DataKeyId, DeliveryId, GoodsId, InvitationId, JobId, LineId, LoginName, MailId, MallId, MerchantId, OrderId,
    OrderSn, PlatformSkuId, PoolId, ProductId, RecoveryId, RedemptionId, RuleId, ShopId, SignUpId, SkuId, TakeOverId,
    UserId, VerificationId,
};
use kamiflow_store::merchants::{self, NewMerchant};
use kamiflow_store::orders::OrderKey;
use kamiflow_test_support::TestApp;
use uuid::Uuid;

/// Names of rows, all that an attacker could know of a merchant.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) merchant: MerchantId,
    pub(super) application: ApplicationId,
    pub(super) client_id: String,
    pub(super) data_key: DataKeyId,
    pub(super) shop: ShopId,
    pub(super) mall: MallId,
    pub(super) credential: CredentialId,
    pub(super) coverage: CoverageId,
    pub(super) product: ProductId,
    pub(super) goods: GoodsId,
    pub(super) sku: SkuId,
    pub(super) platform_sku: PlatformSkuId,
    pub(super) pool: PoolId,
    pub(super) batch: BatchId,
    pub(super) batch_key: String,
    pub(super) card: CardId,
    pub(super) hash: [u8; 32],
    /// Of a card in stock.
    pub(super) free: CardUseId,
    /// Of a card that a delivery holds.
    pub(super) held: CardUseId,
    /// Of a card in the platform's stock.
    pub(super) stocked: CardUseId,
    pub(super) order: OrderKey,
    pub(super) sn: OrderSn,
    pub(super) delivery: DeliveryId,
    pub(super) line: LineId,
    pub(super) attempt: AttemptId,
    /// Of an order that waits for cards.
    pub(super) waiting: DeliveryId,
    /// Of a charge that somebody must make.
    pub(super) charge: DeliveryId,
    pub(super) upload: Uuid,
    pub(super) redemption: RedemptionId,
    pub(super) trans_no: String,
    pub(super) rule: RuleId,
    pub(super) job: JobId,
    pub(super) refund: i64,
    /// Under review.
    pub(super) verification: VerificationId,
    pub(super) approved: VerificationId,
    pub(super) link: AuthorizationLinkId,
    pub(super) authorization: Uuid,
    pub(super) take_over: TakeOverId,
    pub(super) member: UserId,
    pub(super) login: LoginName,
    pub(super) token: ApiTokenId,
    pub(super) invitation: InvitationId,
    pub(super) sign_up: SignUpId,
    pub(super) mail: MailId,
    pub(super) recovery: RecoveryId,
    pub(super) now: DateTime<Utc>,
}

impl Target {
    /// Names of nobody's rows, told apart by a number.
    pub(super) fn nobodys(number: u8, now: DateTime<Utc>) -> Self {
        let n = i64::from(number);
        let now = now.trunc_subsecs(0);
        let day = (now + TimeDelta::hours(8)).date_naive();
        Self {
            merchant: MerchantId::generate(),
            application: ApplicationId::generate(),
            client_id: format!("client-{number}"),
            data_key: DataKeyId::generate(),
            shop: ShopId::generate(),
            mall: MallId(900_000 + n),
            credential: CredentialId::generate(),
            coverage: CoverageId::generate(),
            product: ProductId::generate(),
            goods: GoodsId(7_000 + n),
            sku: SkuId::generate(),
            platform_sku: PlatformSkuId(70_000 + n),
            pool: PoolId::generate(),
            batch: BatchId::generate(),
            batch_key: format!("batch-{number}"),
            card: CardId::generate(),
            hash: [number; 32],
            free: CardUseId::generate(),
            held: CardUseId::generate(),
            stocked: CardUseId::generate(),
            order: OrderKey { day, id: OrderId::generate() },
            sn: order_sn(day, number),
            delivery: DeliveryId::generate(),
            line: LineId::generate(),
            attempt: AttemptId::generate(),
            waiting: DeliveryId::generate(),
            charge: DeliveryId::generate(),
            upload: Uuid::now_v7(),
            redemption: RedemptionId::generate(),
            trans_no: format!("trans-{number}"),
            rule: RuleId::generate(),
            job: JobId::generate(),
            refund: 500 + n,
            verification: VerificationId::generate(),
            approved: VerificationId::generate(),
            link: AuthorizationLinkId::generate(),
            authorization: Uuid::now_v7(),
            take_over: TakeOverId::generate(),
            member: UserId::generate(),
            login: format!("member{number}@example.com").parse().unwrap(),
            token: ApiTokenId::generate(),
            invitation: InvitationId::generate(),
            sign_up: SignUpId::generate(),
            mail: MailId::generate(),
            recovery: RecoveryId::generate(),
            now,
        }
    }

    /// Replaces what names this target's rows, so that answers about two targets can be compared.
    pub(super) fn without_names(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for id in self.ids() {
            text = text.replace(&id.to_string(), "ID").replace(&id.simple().to_string(), "ID");
        }
        text = without_new_ids(&text);
        for (name, as_what) in [
            (self.sn.as_str().to_owned(), "SN"),
            (self.client_id.clone(), "CLIENT"),
            (self.mall.to_string(), "MALL"),
            (self.platform_sku.to_string(), "PLATFORM_SKU"),
            (self.goods.to_string(), "GOODS"),
            (self.refund.to_string(), "REFUND"),
        ] {
            text = text.replace(&name, as_what);
        }
        text
    }

    fn ids(&self) -> Vec<Uuid> {
        vec![
            self.merchant.as_uuid(),
            self.application.as_uuid(),
            self.data_key.as_uuid(),
            self.shop.as_uuid(),
            self.credential.as_uuid(),
            self.coverage.as_uuid(),
            self.product.as_uuid(),
            self.sku.as_uuid(),
            self.pool.as_uuid(),
            self.batch.as_uuid(),
            self.card.as_uuid(),
            self.free.as_uuid(),
            self.held.as_uuid(),
            self.stocked.as_uuid(),
            self.order.id.as_uuid(),
            self.delivery.as_uuid(),
            self.line.as_uuid(),
            self.attempt.as_uuid(),
            self.waiting.as_uuid(),
            self.charge.as_uuid(),
            self.upload,
            self.redemption.as_uuid(),
            self.rule.as_uuid(),
            self.job.as_uuid(),
            self.verification.as_uuid(),
            self.approved.as_uuid(),
            self.link.as_uuid(),
            self.authorization,
            self.take_over.as_uuid(),
            self.member.as_uuid(),
            self.token.as_uuid(),
            self.invitation.as_uuid(),
            self.sign_up.as_uuid(),
            self.mail.as_uuid(),
            self.recovery.as_uuid(),
        ]
    }

    /// Writes a row of every table under these names. What triggers demand of a history is no matter here.
    pub(super) async fn is_arranged(&mut self, app: &TestApp) {
        let mut tx = app.store().tenant_tx(self.merchant).await.unwrap();
        merchants::insert(&mut tx, &NewMerchant { name: "other", poll_floor_s: 15 }).await.unwrap();
        self.data_key = tx.data_key().await.unwrap().id();
        tx.commit().await.unwrap();
        // The process has it in its memory from here on: a cache is no way across either.
        let tx = app.store().tenant_tx(self.merchant).await.unwrap();
        tx.data_key_by_id(self.data_key).await.unwrap();
        drop(tx);
        let mut statements = ROWS.to_owned();
        for (name, value) in self.values() {
            statements = statements.replace(&format!(":{name}:"), &value);
        }
        let whole = format!("SET LOCAL session_replication_role = replica; {statements}");
        app.sql_as_superuser().await.transaction(&whole).await.unwrap_or_else(|error| panic!("{error:?}"));
    }

    fn values(&self) -> Vec<(&'static str, String)> {
        let id = |id: Uuid| format!("'{id}'");
        vec![
            ("m", id(self.merchant.as_uuid())),
            ("application", id(self.application.as_uuid())),
            ("client", format!("'{}'", self.client_id)),
            ("key", id(self.data_key.as_uuid())),
            ("shop", id(self.shop.as_uuid())),
            ("mall", self.mall.to_string()),
            ("credential", id(self.credential.as_uuid())),
            ("coverage", id(self.coverage.as_uuid())),
            ("product", id(self.product.as_uuid())),
            ("goods", self.goods.to_string()),
            ("sku", id(self.sku.as_uuid())),
            ("platform_sku", self.platform_sku.to_string()),
            ("pool", id(self.pool.as_uuid())),
            ("batch", id(self.batch.as_uuid())),
            ("batch_key", format!("'{}'", self.batch_key)),
            ("card", id(self.card.as_uuid())),
            ("hash", format!("decode('{}', 'hex')", format!("{:02x}", self.hash[0]).repeat(32))),
            ("free", id(self.free.as_uuid())),
            ("held", id(self.held.as_uuid())),
            ("stocked", id(self.stocked.as_uuid())),
            ("order", id(self.order.id.as_uuid())),
            ("day", format!("'{}'", self.order.day)),
            ("sn", format!("'{}'", self.sn)),
            ("delivery", id(self.delivery.as_uuid())),
            ("line", id(self.line.as_uuid())),
            ("attempt", id(self.attempt.as_uuid())),
            ("waiting", id(self.waiting.as_uuid())),
            ("charge", id(self.charge.as_uuid())),
            ("upload", id(self.upload)),
            ("redemption", id(self.redemption.as_uuid())),
            ("trans", format!("'{}'", self.trans_no)),
            ("rule", id(self.rule.as_uuid())),
            ("job", id(self.job.as_uuid())),
            ("refund", self.refund.to_string()),
            ("verification", id(self.verification.as_uuid())),
            ("approved", id(self.approved.as_uuid())),
            ("link", id(self.link.as_uuid())),
            ("authorization", id(self.authorization)),
            ("take_over", id(self.take_over.as_uuid())),
            ("member", id(self.member.as_uuid())),
            ("login", format!("'{}'", self.login)),
            ("token", id(self.token.as_uuid())),
            ("invitation", id(self.invitation.as_uuid())),
            ("sign_up", id(self.sign_up.as_uuid())),
            ("mail", id(self.mail.as_uuid())),
            ("recovery", id(self.recovery.as_uuid())),
            ("now", format!("'{}'::timestamptz", self.now.to_rfc3339())),
        ]
    }
}

/// Ids are made with every row, so that no two answers with one are equal.
fn without_new_ids(text: &str) -> String {
    let is_hex = |word: &str| word.len() == 32 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    text.split_inclusive(|c: char| !c.is_ascii_alphanumeric())
        .map(|word| {
            let id = word.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
            if is_hex(id) { word.replace(id, "NEW") } else { word.to_owned() }
        })
        .collect()
}

fn order_sn(day: NaiveDate, number: u8) -> OrderSn {
    format!("{}-{:015}", day.format("%y%m%d"), 100_000 + u32::from(number)).parse().unwrap()
}

const ROWS: &str = "
    INSERT INTO applications (id, merchant_id, gateway, client_id, data_key_id, client_secret_sealed)
        VALUES (:application:, :m:, 'sandbox', :client:, :key:, 's');
    INSERT INTO shops (id, merchant_id, application_merchant_id, application_id, gateway, mall_id, name, state, deliver_from)
        VALUES (:shop:, :m:, :m:, :application:, 'sandbox', :mall:, 'shop', 'live', :now: - interval '1 day');
    INSERT INTO shop_sync (shop_id, merchant_id, orders_watermark, refunds_watermark, next_due_at, last_ok_at)
        VALUES (:shop:, :m:, :now:, :now:, :now:, :now:);
    INSERT INTO credentials (id, merchant_id, shop_id, data_key_id, access_token_sealed, refresh_token_sealed, expires_at, refresh_expires_at)
        VALUES (:credential:, :m:, :shop:, :key:, 'a', 'r', :now: + interval '1 day', :now: + interval '1 day');
    INSERT INTO coverage (id, merchant_id, shop_id, kind, source, from_at, to_at)
        VALUES (:coverage:, :m:, :shop:, 'orders', 'window', :now: - interval '2 hours', :now: - interval '1 hour');
    INSERT INTO products (id, merchant_id, shop_id, goods_id, name) VALUES (:product:, :m:, :shop:, :goods:, 'goods');
    INSERT INTO skus (id, merchant_id, shop_id, product_id, platform_sku_id)
        VALUES (:sku:, :m:, :shop:, :product:, :platform_sku:);
    INSERT INTO card_pools (id, merchant_id, name, gateway) VALUES (:pool:, :m:, 'pool', 'sandbox');
    INSERT INTO sku_mappings (id, merchant_id, sku_id, delivery_method, pool_id, top_up_below, top_up_to)
        VALUES (gen_random_uuid(), :m:, :sku:, 'platform_pool', :pool:, 5, 9);
    INSERT INTO card_batches (id, merchant_id, pool_id, source, idempotency_key)
        VALUES (:batch:, :m:, :pool:, 'import', :batch_key:);
    INSERT INTO cards (id, merchant_id, pool_id, batch_id, data_key_id, number_sealed, secret_sealed, number_hash, number_mask, uses_permitted)
        VALUES (:card:, :m:, :pool:, :batch:, :key:, 'n', 's', :hash:, 'A***9', 9);
    INSERT INTO card_uses (id, merchant_id, card_id, use_no, pool_id, state, ledger_head) VALUES
        (:free:, :m:, :card:, 1, :pool:, 'available', 'h');
    INSERT INTO card_uses (id, merchant_id, card_id, use_no, pool_id, state, line_id, ledger_head) VALUES
        (:held:, :m:, :card:, 2, :pool:, 'reserved', :line:, 'h');
    INSERT INTO card_uses (id, merchant_id, card_id, use_no, pool_id, state, exposed, ledger_head) VALUES
        (:stocked:, :m:, :card:, 3, :pool:, 'at_platform', true, 'h'),
        (gen_random_uuid(), :m:, :card:, 4, :pool:, 'quarantined', true, 'h');
    INSERT INTO card_ledger (card_use_id, seq, merchant_id, event, pool_id, prev_hash, hash, at)
        SELECT u.id, 1, u.merchant_id, 'imported', u.pool_id, '', 'h', :now: - interval '3 days' FROM card_uses u WHERE u.merchant_id = :m:;
    INSERT INTO card_ledger_roots (merchant_id, day, uses, root) VALUES (:m:, :day:, 1, 'r');
    INSERT INTO orders (id, order_day, merchant_id, shop_id, order_sn, state, order_status, refund_status, confirm_status, group_status,
            risk_control_status, after_sales_status, trade_type, is_lucky_flag, goods_id, platform_sku_id, goods_count, paid_at,
            last_ship_at, updated_at, content_hash, read_at)
        VALUES (:order:, :day:, :m:, :shop:, :sn:, 'held_backlog', 1, 1, 1, 1, 0, 0, 0, 1, :goods:, :platform_sku:, 1, :now:,
            :now: + interval '1 minute', :now:, 'c', :now:);
    INSERT INTO orders (id, order_day, merchant_id, shop_id, order_sn, state, order_status, refund_status, confirm_status, group_status,
            risk_control_status, after_sales_status, trade_type, is_lucky_flag, goods_id, platform_sku_id, goods_count, paid_at,
            last_ship_at, updated_at, content_hash, read_at)
        VALUES (gen_random_uuid(), '1970-01-01', :m:, :shop:, 'odd', 'seen', 1, 1, 1, 1, 0, 0, 0, 1, :goods:, :platform_sku:, 1, :now:,
            :now: + interval '1 minute', :now:, 'c', :now:);
    INSERT INTO order_hints (shop_id, order_sn, merchant_id, dirty_since, due_at, source)
        VALUES (:shop:, :sn:, :m:, :now: - interval '1 minute', :now: - interval '1 minute', 'push');
    INSERT INTO order_events (id, at, merchant_id, order_day, order_id, kind) VALUES (gen_random_uuid(), :now:, :m:, :day:, :order:, 'state');
    INSERT INTO refunds (id, merchant_id, shop_id, after_sales_id, order_sn, after_sales_status, after_sales_type, updated_at)
        VALUES (gen_random_uuid(), :m:, :shop:, :refund:, :sn:, 1, 1, :now:);
    INSERT INTO deliveries (id, merchant_id, shop_id, order_day, order_id, order_sn, sku_id, method, redemption_method, pool_id,
            lines_expected, state, due_at) VALUES
        (:delivery:, :m:, :shop:, :day:, :order:, :sn:, :sku:, 'platform_pool', 'ota', :pool:, 1, 'reserved', :now: - interval '1 minute'),
        (:waiting:, :m:, :shop:, :day:, gen_random_uuid(), 'odd', :sku:, 'platform_pool', 'ota', :pool:, 1, 'pending', NULL),
        (:charge:, :m:, :shop:, :day:, gen_random_uuid(), 'charge', :sku:, 'charge_notify', 'none', NULL, 1, 'handing_over', NULL);
    INSERT INTO delivery_lines (id, merchant_id, delivery_id, item_no, line_no, card_use_id) VALUES (:line:, :m:, :delivery:, 1, 1, :held:);
    INSERT INTO delivery_attempts (id, merchant_id, delivery_id, n, method, idempotency_key, data_key_id, payload_sealed, payload_hash,
            evidence, evidence_at, state, fence, started_at, send_deadline)
        VALUES (:attempt:, :m:, :delivery:, 1, 'voucher_send', 'k', :key:, 'p', 'h', '{}', :now:, 'started', 0, :now:, :now: - interval '1 second');
    INSERT INTO delivery_attempts (id, merchant_id, delivery_id, n, method, idempotency_key, data_key_id, payload_sealed, payload_hash,
            evidence, evidence_at, state, fence, started_at, send_deadline)
        VALUES (gen_random_uuid(), :m:, :delivery:, 9, 'voucher_send', 'k', :key:, 'p', 'h', '{}', :now:, 'unknown', 0, :now:, :now:);
    INSERT INTO delivery_lines (id, merchant_id, delivery_id, item_no, line_no, data_key_id, platform_code_sealed)
        VALUES (gen_random_uuid(), :m:, :delivery:, 2, 1, :key:, 'p');
    INSERT INTO stock_waits (delivery_id, merchant_id, pool_id, shop_id, cards, since, missed_at)
        VALUES (:waiting:, :m:, :pool:, :shop:, 1, :now:, :now:);
    INSERT INTO charge_requests (delivery_id, merchant_id, outer_order_sn) VALUES (:charge:, :m:, 'outer');
    INSERT INTO platform_uploads (id, merchant_id, shop_id, sku_id, state, started_at, send_deadline)
        VALUES (:upload:, :m:, :shop:, :sku:, 'started', :now: - interval '1 hour', :now: - interval '1 hour');
    INSERT INTO platform_upload_uses (upload_id, card_use_id, merchant_id) VALUES (:upload:, :stocked:, :m:);
    INSERT INTO redemption_rules (id, merchant_id, position, name, body) VALUES (:rule:, :m:, 1, 'rule', '{}');
    INSERT INTO redemptions (id, merchant_id, shop_id, delivery_id, line_id, use_no, order_day, order_id, order_sn, method, state, due_at,
            trans_no, rule_id, fence, started_at)
        VALUES (:redemption:, :m:, :shop:, :delivery:, :line:, 1, :day:, :order:, :sn:, 'ota', 'waiting', :now: - interval '1 minute',
            :trans:, :rule:, 0, NULL);
    INSERT INTO redemptions (id, merchant_id, shop_id, delivery_id, line_id, use_no, order_day, order_id, order_sn, method, state, due_at,
            trans_no, rule_id, fence, started_at, done_at)
        VALUES (gen_random_uuid(), :m:, :shop:, :delivery:, :line:, 2, :day:, :order:, :sn:, 'ota', 'done', NULL, 'done', :rule:, 0, :now:, :now:);
    INSERT INTO exceptions (id, merchant_id, shop_id, order_day, order_id, order_sn, code, blocking, needs_review)
        VALUES (gen_random_uuid(), :m:, :shop:, :day:, :order:, :sn:, 'unmapped_sku', true, false);
    INSERT INTO exceptions (id, merchant_id, shop_id, code, blocking, needs_review, detail)
        VALUES (gen_random_uuid(), :m:, :shop:, 'unmapped_sku', true, false, jsonb_build_object('application', :client:));
    INSERT INTO pauses (id, merchant_id, scope, target_id, work, reason)
        VALUES (gen_random_uuid(), :m:, 'shop', :shop:, 'delivery', 'r');
    INSERT INTO outbox (id, at, merchant_id, topic, payload) VALUES (gen_random_uuid(), :now:, :m:, 't', '{}');
    INSERT INTO rollup_deltas (merchant_id, shop_id, hour, metric, n) VALUES (:m:, :shop:, :now:, 'delivered', 1);
    INSERT INTO rollups_hourly (merchant_id, shop_id, hour, metric, n) VALUES (:m:, :shop:, :now:, 'delivered', 1);
    INSERT INTO audit_log (id, at, merchant_id, actor, action, target) VALUES (gen_random_uuid(), :now:, :m:, 'a', 'b', 'c');
    INSERT INTO verifications (id, merchant_id, kind, data_key_id, subject_sealed, last4, number_hash, submitted_by, submitted_at)
        VALUES (:verification:, :m:, 'person', :key:, 's', '002X', :hash:, 'x', :now:);
    INSERT INTO verifications (id, merchant_id, kind, state, data_key_id, subject_sealed, last4, number_hash, submitted_by, submitted_at, decided_at)
        VALUES (:approved:, :m:, 'person', 'approved', :key:, 's', '002X', :hash:, 'x', :now: - interval '1 day', :now:);
    INSERT INTO verification_pictures (id, merchant_id, verification_id, position, media_type, data_key_id, picture_sealed)
        VALUES (gen_random_uuid(), :m:, :verification:, 1, 'image/jpeg', :key:, 'p');
    INSERT INTO verification_looks (id, merchant_id, verification_id, position, reviewer, reviewer_name, at)
        VALUES (gen_random_uuid(), :m:, :verification:, 1, gen_random_uuid(), 'x', :now:);
    INSERT INTO authorization_links (id, merchant_id, application_merchant_id, application_id, made_by, made_at, expires_at)
        VALUES (:link:, :m:, :m:, :application:, 'x', :now:, :now: + interval '1 day');
    INSERT INTO authorization_requests (id, merchant_id, state_hash, session_hash, application_merchant_id, application_id, began_at, expires_at)
        VALUES (:authorization:, :m:, :hash:, 's', :m:, :application:, :now:, :now: + interval '1 hour');
    INSERT INTO own_applications (merchant_id, application_id, proved_at) VALUES (:m:, :application:, :now: - interval '1 day');
    INSERT INTO take_over_requests (id, merchant_id, shop_id, asked_by, asked_by_name, asked_at)
        VALUES (:take_over:, :m:, :shop:, gen_random_uuid(), 'x', :now:);
    INSERT INTO handled_outside (merchant_id, shop_id, order_sn, cause, at) VALUES (:m:, :shop:, :sn:, 'shipped', :now:);
    INSERT INTO notification_addresses (merchant_id, email, changed_at) VALUES (:m:, 'they@example.com', :now:);
    INSERT INTO mailed_notices (merchant_id, kind, about, at) VALUES (:m:, 'shop_stopped', 'theirs', :now:);
    INSERT INTO platform_looks (merchant_id, shop_id, looked_at, token_version) VALUES (:m:, :shop:, :now:, 1);
    INSERT INTO users (id, login, email, name, password_hash, confirmed_at)
        VALUES (:member:, :login:, :login:, 'x', '$argon2id$', :now:);
    INSERT INTO memberships (merchant_id, user_id, role, all_shops, created_at)
        VALUES (:m:, :member:, 'viewer', false, :now:), (:m:, gen_random_uuid(), 'owner', true, :now:);
    INSERT INTO membership_shops (merchant_id, user_id, shop_id) VALUES (:m:, :member:, :shop:);
    INSERT INTO wizard_places (merchant_id, user_id, own_keys, kept_at) VALUES (:m:, :member:, false, :now:);
    INSERT INTO invitations (id, merchant_id, role, all_shops, token_hash, invited_by, created_at, expires_at)
        VALUES (:invitation:, :m:, 'viewer', true, :hash:, :member:, :now:, :now: + interval '1 day');
    INSERT INTO api_tokens (id, merchant_id, name, token_hash, hint, is_test, scopes, all_shops, made_by, created_at, expires_at)
        VALUES (:token:, :m:, 'x', :hash:, 'abcd', false, '{shops:read}', true, :member:, :now:, :now: + interval '1 day');
    INSERT INTO api_requests (merchant_id, token_id, key, request_hash, began_at)
        VALUES (:m:, :token:, 'key', :hash:, :now: - interval '1 hour'), (:m:, :token:, 'old', :hash:, :now: - interval '1 hour');
    INSERT INTO account_recoveries (id, merchant_id, owner, contact, site, stop_hashes, asked_at)
        VALUES (:recovery:, :m:, :member:, 'c@example.com', 's', ARRAY[:hash:], :now:);
    INSERT INTO sign_ups (id, merchant_id, login, token_hash, data_key_id, contents_sealed, created_at, expires_at)
        VALUES (:sign_up:, :m:, :login:, :hash:, :key:, 's', :now:, :now: + interval '1 day');
    INSERT INTO mails (id, merchant_id, data_key_id, contents_sealed, created_at, expires_at)
        VALUES (:mail:, :m:, :key:, 's', :now:, :now: + interval '1 day');
    INSERT INTO audit_heads (merchant_id, seq, hash) VALUES (:m:, 1, 'h');
    INSERT INTO jobs (id, merchant_id, name, key, due_at) VALUES (:job:, :m:, 'job', 'key', :now:)";
