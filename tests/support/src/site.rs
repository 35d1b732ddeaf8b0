//! The web application on a socket of its own, over a world with a sandbox, with built files that are made up.

use std::collections::HashMap;
use std::fs;
use std::ops::RangeInclusive;
use std::sync::Arc;

use kamiflow_domain::accounts::Accounts;
use kamiflow_domain::accounts::mailer::Mailer;
use kamiflow_domain::accounts::staff::make::{CreateStaff, create_staff};
use kamiflow_domain::ctx::Ctx;
use kamiflow_domain::deliver;
use kamiflow_domain::register_application::{ApplicationOwner, RegisterApplication, register_application};
use kamiflow_kernel::{ApplicationId, GatewayKind, MerchantId, ShopId, StaffRole};
use kamiflow_queue::Queue;
use kamiflow_runner::{Liveness, PoolKind, PushSettings, Runner, RunnerConfig, RunnerHandle, Waker, queue_config};
use kamiflow_runtime::config::{self, Ui};
use kamiflow_runtime::health::Health;
use kamiflow_runtime::telemetry::Metrics;
use kamiflow_sandbox::SandboxHandle;
use kamiflow_server::{
    ApiLimits, Application, AuthorizationPages, Dependencies, PlatformPages, Product, SandboxDesk, Site,
};
use reqwest::header::{ACCEPT, HeaderMap, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};
use tokio::sync::OnceCell;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::accounts::{Mailbox, Owner, accounts, owner, send_mails, visit};
use crate::servers::Servers;
use crate::world::{World, WorldOptions};

/// A process has one recorder, its tests may be many.
static METRICS: OnceCell<Metrics> = OnceCell::const_new();
/// The application that sandbox shops are connected through.
/// More than a test asks for.
const GENEROUS: ApiLimits = ApiLimits { requests_per_minute: 60_000, burst: 1_000 };
const CLIENT_ID: &str = "hosted-client";
const CLIENT_SECRET: &str = "a-hosted-secret-01";

/// `kamiflow serve`, in this process; `kamiflow work` beside it where a test asks for it.
pub struct TestSite {
    /// Where it listens: `http://127.0.0.1:PORT`.
    pub base: String,
    /// What was mailed.
    pub mailbox: Arc<Mailbox>,
    accounts: Accounts,
    queue: Queue,
    workers: Option<RunnerHandle>,
    client: Client,
    shutdown: CancellationToken,
    served: JoinHandle<std::io::Result<()>>,
    /// What it works with; last, so that connections end before the database is dropped.
    pub world: World,
    _folder: tempfile::TempDir,
}

impl TestSite {
    /// Starts one as it is configured in production.
    pub async fn start() -> Self {
        Self::with(|_settings| {}).await
    }

    /// Starts one whose configuration is changed.
    pub async fn with(change: impl FnOnce(&mut Ui)) -> Self {
        Self::with_limits(change, GENEROUS).await
    }

    /// Starts one that connects shops on the real platform, which a sandbox of its own plays, and makes sandbox shops
    /// beside; returns that platform too.
    pub async fn beside_production() -> (Self, SandboxHandle) {
        let mut world = Self::world().await;
        let production = world.reach_production().await;
        let site = Self::over(world, Some(&production), |_settings| {}, GENEROUS).await;
        (site, production)
    }

    /// Starts one that lets tokens of the API through so often.
    pub async fn with_limits(change: impl FnOnce(&mut Ui), api: ApiLimits) -> Self {
        Self::over(Self::world().await, None, change, api).await
    }

    async fn world() -> World {
        World::with(WorldOptions { cards: 0, live: false, ..WorldOptions::default() }).await
    }

    async fn over(
        world: World,
        production: Option<&SandboxHandle>,
        change: impl FnOnce(&mut Ui),
        api: ApiLimits,
    ) -> Self {
        let folder = Self::built_files();
        let mut settings = Ui { folder: folder.path().to_owned(), ..Ui::default() };
        change(&mut settings);
        let prefix = format!("site-{}", Uuid::now_v7().simple());
        let queue = Queue::connect(queue_config(&Servers::get().await.redis_url, &prefix, 4)).await.unwrap();
        let dependencies = Dependencies {
            store: world.engine.store.clone(),
            queue: queue.clone(),
            health: Health::new(),
            metrics: METRICS.get_or_init(async || Metrics::install().unwrap()).await.clone(),
        };
        let sandbox = SandboxDesk { control: Arc::new(world.hands()), application: hosted(&world).await };
        let (store, clock) = (world.engine.store.clone(), Arc::clone(&world.engine.clock));
        let arranged = accounts(store.clone(), Arc::clone(&clock), &queue, "http://localhost");
        arranged.prepare().await.unwrap();
        let pages = |sandbox: &SandboxHandle| AuthorizationPages { web: sandbox.auth_url(), phone: sandbox.auth_url() };
        let mut authorization = HashMap::from([(GatewayKind::Sandbox, pages(&world.sandbox))]);
        authorization.extend(production.map(|platform| (GatewayKind::Production, pages(platform))));
        let product = |base_url: &str| Product {
            accounts: accounts(store, clock, &queue, base_url),
            engine: world.engine.clone(),
            waker: Waker::new(&queue),
            platform: PlatformPages {
                gateway: production.map_or(GatewayKind::Sandbox, |_platform| GatewayKind::Production),
                authorization,
                egress_ips: settings.egress_ips.clone(),
            },
            api,
            sandbox: Some(sandbox),
            inbox: None,
        };
        let server = config::Server { listen: "127.0.0.1:0".parse().unwrap(), metrics_token: None };
        let files = Site::load(&settings).unwrap();
        let application = Application::bind_site(&server, dependencies, &files, product).unwrap();
        let base = format!("http://{}", application.addr());
        let shutdown = CancellationToken::new();
        let served = tokio::spawn(application.run(shutdown.clone()));
        // As a default, so that a request can ask for something else: `header` adds a second one.
        let accept = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static("text/html,*/*;q=0.8"))]);
        let client = Client::builder().redirect(Policy::none()).default_headers(accept).build().unwrap();
        let mailbox = Arc::new(Mailbox::default());
        Self {
            world,
            base,
            mailbox,
            accounts: arranged,
            queue,
            workers: None,
            client,
            shutdown,
            served,
            _folder: folder,
        }
    }

    /// Starts workers beside it: orders are delivered, and mails come.
    pub fn work(&mut self) {
        self.work_with(self.mailbox.clone());
    }

    /// Starts workers beside it that hand mails to a mailer of the test's choice.
    pub fn work_with(&mut self, mailer: Arc<dyn Mailer>) {
        let push = PushSettings::new(GatewayKind::Sandbox, self.world.sandbox.push_url().parse().unwrap());
        let config = RunnerConfig {
            pools: PoolKind::ALL.map(|kind| (kind, 2)).to_vec(),
            push: Some(push),
            mailer: Some(mailer),
        };
        let stop = CancellationToken::new();
        let workers = Runner::start(&config, &self.world.engine, &self.queue, &Liveness::unobserved(), &stop);
        self.workers = Some(workers.unwrap());
    }

    /// Has somebody sign up and confirm; call it before [`TestSite::work`].
    pub async fn owner(&self, email: &str) -> Owner {
        owner(&self.accounts, &self.mailbox, &visit(self.world.engine.now()), email).await
    }

    /// Runs one deliver tick of a shop, where no workers do.
    pub async fn deliver(&self, merchant: MerchantId, shop: ShopId) {
        deliver::tick(&self.world.engine, merchant, shop).await.unwrap();
    }

    /// Copies an order under other numbers, as if so many had come; `seen` says when, by `n`. Returns how many.
    pub async fn copy_order(&self, order_sn: &str, numbers: RangeInclusive<i32>, seen: &str) -> u64 {
        let copy = format!(
            "INSERT INTO orders (id, order_day, merchant_id, shop_id, order_sn, state, order_status, refund_status,
                 confirm_status, group_status, risk_control_status, after_sales_status, trade_type, is_lucky_flag,
                 goods_id, platform_sku_id, goods_count, updated_at, content_hash, read_at, seen_at)
             SELECT gen_random_uuid(), o.order_day, o.merchant_id, o.shop_id,
                    left(o.order_sn, 7) || lpad(n::text, 15, '0'), 'redeemed', o.order_status, o.refund_status,
                    o.confirm_status, o.group_status, o.risk_control_status, o.after_sales_status, o.trade_type,
                    o.is_lucky_flag, o.goods_id, o.platform_sku_id, o.goods_count, o.updated_at, o.content_hash,
                    o.read_at, o.seen_at {seen}
               FROM orders o, generate_series($2::int, $3::int) n WHERE o.order_sn = $1"
        );
        let sql = self.world.sql_as_superuser().await;
        sql.execute(&copy, &[&order_sn, numbers.start(), numbers.end()]).await.unwrap()
    }

    /// Lets buyers order the voucher of a sandbox shop; returns the orders' numbers.
    pub async fn order(&self, mall: i64, more: Value) -> Vec<String> {
        let mut body = json!({ "mall_id": mall, "sku_id": mall * 1_000 + 1 });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let made = self.world.control("POST", "/orders", &body).await;
        made["order_sns"].as_array().unwrap().iter().map(|sn| sn.as_str().unwrap().to_owned()).collect()
    }

    /// Makes a member of the staff, as the operator does; returns the path of the link to enroll by.
    pub async fn staff(&self, email: &str, name: &str, role: StaffRole) -> String {
        let Accounts { store, hasher, .. } = &self.accounts;
        let request = CreateStaff { email: email.parse().unwrap(), name: name.to_owned(), role };
        let link = create_staff(store, hasher, &request, self.world.engine.now()).await.unwrap();
        link.path.expose().to_owned()
    }

    /// Sends the mails of a merchant that wait, where no workers do.
    pub async fn send_mails(&self, merchant: MerchantId) {
        send_mails(&self.accounts.store, &self.mailbox, merchant, self.world.engine.now()).await;
    }

    /// Makes a folder such as `cargo dev build-ui` writes.
    pub fn built_files() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let roles = [
            ("style", "css"),
            ("boot", "js"),
            ("passkey", "js"),
            ("module", "js"),
            ("wasm", "wasm"),
            ("icons", "svg"),
            ("mark", "svg"),
        ];
        let mut manifest = serde_json::Map::new();
        for (role, extension) in roles {
            let name = format!("{role}.0123456789abcdef.{extension}");
            for (suffix, contents) in [("", "plain"), (".br", "brotli"), (".gz", "gzip")] {
                fs::write(folder.path().join(format!("{name}{suffix}")), format!("{role} {contents}")).unwrap();
            }
            manifest.insert(role.to_owned(), name.into());
        }
        fs::write(folder.path().join("manifest.json"), serde_json::Value::Object(manifest).to_string()).unwrap();
        folder
    }

    /// Returns a request as a browser starts it: it asks for a page, and follows no redirection.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.base))
    }

    /// Returns a request for a page.
    pub fn get(&self, path: &str) -> RequestBuilder {
        self.request(Method::GET, path)
    }

    /// Returns a form sent from a page of the site.
    pub fn post(&self, path: &str, body: &str) -> RequestBuilder {
        self.request(Method::POST, path)
            .header("origin", &self.base)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body.to_owned())
    }

    /// Stops it, so that its connections end before its database is dropped.
    pub async fn stop(self) {
        if let Some(workers) = self.workers {
            workers.stop(std::time::Duration::from_secs(10)).await;
        }
        self.shutdown.cancel();
        self.served.await.unwrap().unwrap();
    }
}

/// Hosts an application for all merchants.
async fn hosted(world: &World) -> ApplicationId {
    let keys = json!({ "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET });
    world.control("POST", "/applications", &keys).await;
    let ctx = Ctx { merchant: MerchantId::PLATFORM, ..world.ctx() };
    let request = RegisterApplication {
        owner: ApplicationOwner::Hosted,
        gateway: GatewayKind::Sandbox,
        client_id: CLIENT_ID.to_owned(),
        client_secret: CLIENT_SECRET.into(),
        app_type: String::new(),
        packages: Vec::new(),
    };
    register_application(&world.engine, &ctx, &request).await.unwrap()
}
