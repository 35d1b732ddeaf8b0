//! Every page and form behind the log-in, tried by every role and with the ids of another merchant.
//!
//! What is to be expected is the kernel's matrix; which routes there are is read from the sources, so that a route
//! without a line fails. A line says what a route asks for; everything else follows.

mod shared_pool;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use kamiflow_kernel::{Permission, Reach, Role};
use kamiflow_test_support::{Browser, TestSite, between};
use reqwest::Method;

/// What a route asks of whoever is logged in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asks {
    /// For a permission.
    For(Permission),
    /// For nothing: it is about the own account or session.
    Nothing,
    /// Nobody need be logged in; not tried here.
    Public,
    /// For nothing, and it changes too much to be tried by everybody.
    Untried,
    /// To be of the staff, who have a log-in of their own; `web_staff` tries that it opens to nobody else.
    OfStaff,
}

use Asks::{For, Nothing, OfStaff, Public, Untried};

struct Line {
    method: Method,
    path: &'static str,
    asks: Asks,
    /// What a form sends; ids stand in braces.
    body: &'static str,
}

const fn get(path: &'static str, asks: Asks) -> Line {
    Line { method: Method::GET, path, asks, body: "" }
}

const fn post(path: &'static str, asks: Asks, body: &'static str) -> Line {
    Line { method: Method::POST, path, asks, body }
}

/// One line per route.
const LINES: &[Line] = &[
    get("/", Public),
    get("/pricing", Public),
    get("/help", Public),
    get("/status", Public),
    get("/terms", Public),
    get("/privacy", Public),
    get("/sign-up", Public),
    get("/sign-up/sent", Public),
    get("/confirm", Public),
    get("/log-in", Public),
    get("/log-in/second-step", Public),
    get("/reset-password", Public),
    get("/reset", Public),
    get("/change-email", Public),
    get("/join", Public),
    get("/authorize/{token}", Public),
    get("/styleguide", Public),
    get("/styleguide/console", Public),
    get("/help/api", Public),
    get("/recover", Public),
    get("/recover/finish", Public),
    get("/recover/stop", Public),
    get("/staff/account", OfStaff),
    get("/staff/enroll", Public),
    get("/staff/log-in", Public),
    get("/staff/log-in/second-step", Public),
    get("/staff/recoveries", OfStaff),
    get("/staff/recoveries/{merchant}/{recovery}", OfStaff),
    get("/staff/verifications", OfStaff),
    get("/staff/verifications/{merchant}/{case}", OfStaff),
    get("/account/delete", Nothing),
    get("/account/email", Nothing),
    get("/account/merchants", Nothing),
    get("/account/password", Nothing),
    get("/account/security", Nothing),
    get("/account/sudo", Nothing),
    get("/console", For(Permission::ShowShops)),
    get("/console/api", For(Permission::ManageIntegrations)),
    get("/console/audit", For(Permission::ShowAudit)),
    get("/console/export", For(Permission::Export)),
    get("/console/merchant", For(Permission::ManageMerchant)),
    get("/console/notifications", For(Permission::ManageIntegrations)),
    get("/console/orders", For(Permission::ShowOrders)),
    get("/console/pauses", For(Permission::ShowShops)),
    get("/console/pauses/{target}", For(Permission::ShowShops)),
    get("/console/pools", For(Permission::ShowStock)),
    get("/console/pools/{pool}", For(Permission::ShowStock)),
    get("/console/products", For(Permission::ShowProducts)),
    get("/console/rules", For(Permission::ManageRules)),
    get("/console/shops", For(Permission::ShowShops)),
    get("/console/shops/authorize", For(Permission::ManageShops)),
    get("/console/shops/callback", Untried),
    get("/console/shops/new", For(Permission::ManageShops)),
    get("/console/shops/tokens", For(Permission::ShowShops)),
    get("/console/shops/{shop}", For(Permission::ShowShops)),
    get("/console/shops/{shop}/connected", For(Permission::ShowShops)),
    get("/console/shops/{shop}/disconnect", For(Permission::ManageShops)),
    get("/console/shops/{shop}/keys", For(Permission::ManageShops)),
    get("/console/shops/{shop}/orders/{order_sn}", For(Permission::ShowOrders)),
    get("/console/shops/{shop}/outside", For(Permission::ShowOrders)),
    get("/console/shops/{shop}/trial", For(Permission::ShowShops)),
    get("/console/team", For(Permission::ShowTeam)),
    get("/console/team/leave", Nothing),
    get("/console/team/{user}", For(Permission::ManageTeam)),
    get("/console/verification", For(Permission::Verify)),
    post("/sign-up", Public, ""),
    post("/sign-up/sent", Public, ""),
    post("/confirm", Public, ""),
    post("/log-in", Public, ""),
    post("/log-in/second-step", Public, ""),
    post("/log-in/second-step/passkey", Public, ""),
    post("/log-in/second-step/passkey/answer", Public, ""),
    post("/log-out", Public, ""),
    post("/reset-password", Public, ""),
    post("/reset", Public, ""),
    post("/change-email", Public, ""),
    post("/join", Public, ""),
    post("/preferences", Public, ""),
    post("/authorize/{token}", Public, ""),
    post("/recover", Public, ""),
    post("/recover/finish", Public, ""),
    post("/recover/finish/confirm", Public, ""),
    post("/recover/stop", Public, ""),
    post("/staff/enroll", Public, ""),
    post("/staff/enroll/confirm", Public, ""),
    post("/staff/log-in", Public, ""),
    post("/staff/log-in/second-step", Public, ""),
    post("/staff/account/password", OfStaff, ""),
    post("/staff/account/session", OfStaff, ""),
    post("/staff/preferences", OfStaff, ""),
    post("/staff/log-out", OfStaff, ""),
    post("/staff/recoveries/{merchant}/{recovery}/decision", OfStaff, ""),
    post("/account/delete", Nothing, "login=somebody%40example.com"),
    post("/account/email", Nothing, "email=new%40example.com"),
    post("/account/password", Untried, ""),
    post("/account/security/totp", Nothing, ""),
    post("/account/security/totp/confirm", Nothing, "code=000000"),
    post("/account/security/codes", Nothing, ""),
    post("/account/security/passkey", Nothing, ""),
    post("/account/security/passkey/answer", Nothing, "token=x&credential=x&name=x"),
    post("/account/security/factor", Untried, ""),
    post("/account/security/session", Untried, ""),
    post("/account/security/others", Nothing, ""),
    post("/account/merchants", Untried, ""),
    post("/account/merchants/open", Untried, ""),
    post("/account/sudo", Untried, ""),
    post("/account/sudo/passkey", Nothing, "next=%2Fconsole"),
    post("/account/sudo/passkey/answer", Nothing, "token=x&credential=x"),
    post("/console/mode", Nothing, "mode=test"),
    post("/console/api", For(Permission::ManageIntegrations), "name=x&mode=test&scope=shops%3Aread&days=30"),
    post("/console/api/revoke", For(Permission::ManageIntegrations), "token={token}"),
    post("/console/audit/csv", For(Permission::ShowAudit), ""),
    post("/console/export", For(Permission::Export), ""),
    post("/console/merchant/close", For(Permission::ManageMerchant), ""),
    post("/console/merchant/name", For(Permission::ManageMerchant), "merchant=new+name"),
    post("/console/merchant/reopen", For(Permission::ManageMerchant), ""),
    post("/console/notifications", For(Permission::ManageIntegrations), "email=alarm%40example.com"),
    post("/console/pauses/{target}", For(Permission::Pause), "work=redemption&reason=x&hours=1"),
    post("/console/pauses/{target}/end", For(Permission::Pause), "work=redemption"),
    post("/console/pools", For(Permission::ManageCards), "name=&low_stock_at="),
    post("/console/pools/{pool}/file", For(Permission::ManageCards), ""),
    post("/console/pools/{pool}/import", For(Permission::ManageCards), "cards=x"),
    post("/console/products", For(Permission::MapSkus), "shop={shop}&sku={sku}&handling=skip"),
    post("/console/products/read", For(Permission::MapSkus), "shop={shop}"),
    post("/console/rules", For(Permission::ManageRules), "rule=none"),
    post("/console/shops/authorize", For(Permission::ManageShops), "application={application}&shop={shop}"),
    post("/console/shops/keys", For(Permission::ManageShops), "client_id=x&client_secret=y&app_type="),
    post("/console/shops/link", For(Permission::ManageShops), "application={application}&shop={shop}"),
    post("/console/shops/new", For(Permission::ManageShops), ""),
    post("/console/shops/sandbox", For(Permission::ManageShops), ""),
    post("/console/shops/{shop}/buyer", For(Permission::HandleOrders), ""),
    post("/console/shops/{shop}/disconnect", For(Permission::ManageShops), ""),
    post("/console/shops/{shop}/keys", For(Permission::ManageShops), "client_secret=secret"),
    post("/console/shops/{shop}/live", For(Permission::GoLive), "start=now"),
    post("/console/shops/{shop}/outside", For(Permission::HandleOrders), ""),
    post("/console/shops/{shop}/trial", For(Permission::GoLive), ""),
    post("/console/shops/{shop}/orders/{order_sn}/cards", For(Permission::RevealCards), ""),
    post("/console/shops/{shop}/orders/{order_sn}/release", For(Permission::HandleOrders), ""),
    post("/console/shops/{shop}/orders/{order_sn}/retry", For(Permission::HandleOrders), ""),
    post("/console/take-overs/{request}", For(Permission::ManageShops), "answer=refuse"),
    post("/console/team/invite", For(Permission::ManageTeam), "role=viewer&scope=all"),
    post("/console/team/leave", Untried, ""),
    post("/console/team/revoke", For(Permission::ManageTeam), "invitation={invitation}"),
    post("/console/team/sub-account", For(Permission::ManageTeam), "name=x&display_name=&role=viewer&scope=all"),
    post("/console/team/remove", For(Permission::ManageTeam), "user={owner}"),
    post("/console/team/password", For(Permission::ManageTeam), "user={user}"),
    post("/console/team/factor", For(Permission::ManageTeam), "user={user}"),
    post("/console/team/{user}", For(Permission::ManageTeam), "role=viewer&scope=all"),
    post("/console/team/{user}/owner", For(Permission::ManageMerchant), ""),
    post("/console/verification", For(Permission::Verify), ""),
];

/// An upload with a file that is of no use.
const UPLOAD: &[u8] = b"--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"x.csv\"\r\n\r\n,\r\n--b--\r\n";

/// Lines whose ids are of things that this arrangement has none of: who may is answered 404, as everybody is.
const ABSENT: &[&str] = &["/console/api/revoke", "/console/take-overs/{request}", "/console/team/revoke"];

fn key(line: &Line) -> String {
    format!("{} {}", line.method, line.path)
}

/// Returns what stands between quotes after each mark, with placeholders as forms write them.
fn quoted<'t>(text: &'t str, mark: &str) -> impl Iterator<Item = String> + use<'t> {
    let parts: Vec<&'t str> = text.split(mark).skip(1).collect();
    parts.into_iter().filter_map(|rest| rest.split('"').next()).map(|path| {
        let segments = path.split('/').map(|part| match part.strip_prefix(':') {
            Some(name) => format!("{{{name}}}"),
            None => part.to_owned(),
        });
        segments.collect::<Vec<_>>().join("/")
    })
}

fn sources(folder: &Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else {
            found.push(std::fs::read_to_string(&path).unwrap());
        }
    }
}

/// Reads which pages and forms there are: pages from their routes, forms from where they are configured, by path or by
/// the name of a constant.
fn routes() -> BTreeSet<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let pages = std::fs::read_to_string(root.join("frontend/app/src/routes.rs")).unwrap();
    let mut found: BTreeSet<String> = quoted(&pages, "path!(\"").map(|path| format!("GET {path}")).collect();
    let mut files = vec![std::fs::read_to_string(root.join("backend/server/src/forms.rs")).unwrap()];
    sources(&root.join("backend/server/src/forms"), &mut files);
    for file in &files {
        let constants: BTreeMap<&str, &str> = file
            .split("const ")
            .skip(1)
            .filter_map(|rest| rest.split_once(": &str = \""))
            .map(|(name, rest)| (name, rest.split('"').next().unwrap()))
            .collect();
        let named = file.split(".route(").skip(1).filter_map(|rest| rest.split_once(',')).filter_map(|(name, rest)| {
            rest.trim_start().starts_with("web::post()").then_some(())?;
            constants.get(name.trim()).map(|path| (*path).to_owned())
        });
        found.extend(named.map(|path| format!("POST {path}")));
        found.extend(quoted(file, ".route(\"").map(|path| format!("POST {path}")));
        found.extend(quoted(file, "web::resource(\"").map(|path| format!("POST {path}")));
    }
    found
}

#[test]
fn every_route_has_one_line() {
    let listed: BTreeSet<String> = LINES.iter().map(key).collect();
    assert_eq!(listed.len(), LINES.len(), "a route has two lines");
    let found = routes();
    let missing: Vec<_> = found.difference(&listed).collect();
    let needless: Vec<_> = listed.difference(&found).collect();
    assert!(missing.is_empty() && needless.is_empty(), "without a line {missing:?}, without a route {needless:?}");
}

/// What ids stand for.
type Ids = BTreeMap<&'static str, String>;

fn filled(text: &str, ids: &Ids) -> String {
    ids.iter().fold(text.to_owned(), |text, (name, id)| text.replace(&format!("{{{name}}}"), id))
}

async fn status(browser: &Browser<'_>, line: &Line, ids: &Ids) -> u16 {
    let path = filled(line.path, ids);
    if line.path.ends_with("/file") || (line.path == "/console/verification" && line.method == Method::POST) {
        return browser.post_body(&path, "multipart/form-data; boundary=b", UPLOAD.to_vec()).await.status;
    }
    if line.method == Method::GET {
        return browser.get(&path).await.status;
    }
    browser.post(&path, &filled(line.body, ids)).await.status
}

/// Returns the ids of a merchant with a sandbox shop, an order and a member beside its owner.
async fn ids(site: &TestSite, owner: &Browser<'_>, (shop, order_sn): (&str, &str)) -> Ids {
    let sql = site.world.sql_as_superuser().await;
    let text = async |statement: &str| -> String { sql.query(statement, &[]).await.unwrap()[0].get(0) };
    let plain = shop.trim_start_matches("shop_");
    let of_shop = format!("replace(s.shop_id::text, '-', '') = '{plain}'");
    // One that takes no cards: what is done with it changes nothing about who sees the pool.
    let sku = format!(
        "SELECT 'sku_' || replace(s.id::text, '-', '') FROM skus s JOIN sku_mappings m ON m.sku_id = s.id
          WHERE {of_shop} AND m.pool_id IS NULL LIMIT 1"
    );
    let pool = format!(
        "SELECT 'pool_' || replace(m.pool_id::text, '-', '') FROM skus s JOIN sku_mappings m ON m.sku_id = s.id
          WHERE {of_shop} AND m.pool_id IS NOT NULL LIMIT 1"
    );
    let application = format!(
        "SELECT 'app_' || replace(h.application_id::text, '-', '') FROM shops h
          WHERE replace(h.id::text, '-', '') = '{plain}'"
    );
    let own = format!("SELECT 'usr_' || replace(id::text, '-', '') FROM users WHERE login = '{}'", owner.email);
    let (sku, pool, application, own) =
        (text(&sku).await, text(&pool).await, text(&application).await, text(&own).await);
    let nobody = "0".repeat(32);
    BTreeMap::from([
        ("shop", shop.to_owned()),
        ("target", shop.to_owned()),
        ("order_sn", order_sn.to_owned()),
        ("sku", sku),
        ("pool", pool),
        ("application", application),
        ("owner", own),
        ("request", format!("take_{nobody}")),
        ("invitation", format!("inv_{nobody}")),
        ("token", format!("tok_{nobody}")),
    ])
}

/// Makes a sandbox shop with a delivered order.
async fn shop_with_order(site: &TestSite, owner: &Browser<'_>, delivered: i64) -> (String, String) {
    let shop = owner.another_shop().await;
    let page = owner.does(&format!("/console/shops/{shop}/buyer"), &[]).await;
    let sql = site.world.sql_as_superuser().await;
    site.world.until_as(&sql, "SELECT count(*) FROM orders WHERE state = 'delivered'", delivered).await;
    (shop, page.rsplit('/').next().unwrap().to_owned())
}

#[tokio::test]
async fn every_route_answers_each_role_as_the_matrix_says() {
    let mut site = TestSite::start().await;
    site.work();
    let owner = Browser::signed_up_as(&site, "owner@example.com").await;
    let (shop, order_sn) = shop_with_order(&site, &owner, 1).await;
    let (other, other_sn) = shop_with_order(&site, &owner, 2).await;
    let mut team: Vec<(Role, Browser<'_>)> = Vec::new();
    for role in [Role::Viewer, Role::Finance, Role::Operator, Role::Admin] {
        let member = Browser::signed_up_as(&site, &format!("{role}@example.com")).await;
        member.joins(&owner, role.as_str(), &[]).await;
        team.push((role, member));
    }
    let limited = Browser::signed_up_as(&site, "limited@example.com").await;
    limited.joins(&owner, "operator", &[&shop]).await;
    // A seat that others are tried on.
    let bystander = Browser::signed_up_as(&site, "bystander@example.com").await;
    bystander.joins(&owner, "viewer", &[]).await;
    let mut mine = ids(&site, &owner, (&shop, &order_sn)).await;
    let page = owner.sees("/console/team").await;
    let user = page.split("bystander@example.com").nth(1).unwrap();
    mine.insert("user", format!("usr_{}", between(user, "href=\"/console/team/usr_", "\"")));
    let others = ids(&site, &owner, (&other, &other_sn)).await;
    // A fresh proof would let things be done that cannot be undone.
    site.world.clock.advance(chrono::TimeDelta::minutes(11));
    team.push((Role::Owner, owner));

    let mut wrong = Vec::new();
    for (role, browser) in &team {
        for line in LINES {
            let answered = match line.asks {
                Public | Untried | OfStaff => continue,
                Nothing | For(_) => status(browser, line, &mine).await,
            };
            let is_granted = match line.asks {
                For(permission) => permission.is_granted_to(*role),
                Nothing | Public | Untried | OfStaff => true,
            };
            let is_absent = ABSENT.contains(&line.path);
            let fits = match (is_granted, is_absent) {
                (true, true) => answered == 404,
                (true, false) => answered == 200 || answered == 303,
                (false, _) => answered == 403,
            };
            if !fits {
                wrong.push(format!("{role}: {} is answered {answered}", key(line)));
            }
        }
    }
    for line in LINES {
        let For(permission) = line.asks else { continue };
        let names_shop = ["{shop}", "{target}"].iter().any(|name| line.path.contains(name) || line.body.contains(name));
        let is_granted = permission.is_granted_to(Role::Operator) && permission.reach() == Reach::Shop;
        let here = status(&limited, line, &mine).await;
        let fits = if is_granted { here == 200 || here == 303 } else { here == 403 };
        if !fits {
            wrong.push(format!("one shop: {} is answered {here}", key(line)));
        }
        if is_granted && names_shop {
            let there = status(&limited, line, &others).await;
            if there != 404 {
                wrong.push(format!("one shop: {} of another shop is answered {there}", key(line)));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    drop((team, limited, bystander));
    site.stop().await;
}

#[tokio::test]
async fn every_route_that_names_an_id_answers_404_to_another_merchant() {
    let mut site = TestSite::start().await;
    site.work();
    let owner = Browser::signed_up_as(&site, "owner@example.com").await;
    let (shop, order_sn) = shop_with_order(&site, &owner, 1).await;
    let member = Browser::signed_up_as(&site, "member@example.com").await;
    member.joins(&owner, "viewer", &[]).await;
    let mut theirs = ids(&site, &owner, (&shop, &order_sn)).await;
    let page = owner.sees("/console/team").await;
    theirs.insert("user", format!("usr_{}", between(&page, "href=\"/console/team/usr_", "\"")));
    let stranger = Browser::signed_up_as(&site, "stranger@example.com").await;
    // With a shop of her own, and the proof that would be asked for.
    shop_with_order(&site, &stranger, 2).await;
    stranger.proves().await;
    let sql = site.world.sql_as_superuser().await;
    let rows = "SELECT count(*) FROM audit_log WHERE merchant_id = (SELECT merchant_id FROM memberships
                 WHERE role = 'owner' AND user_id = (SELECT id FROM users WHERE login = 'owner@example.com'))";
    let before = sql.count(rows, &[]).await.unwrap();
    let mut wrong = Vec::new();
    for line in LINES {
        let names_id = line.path.contains('{') || line.body.contains('{');
        if matches!(line.asks, For(_)) && names_id {
            let answered = status(&stranger, line, &theirs).await;
            if answered != 404 {
                wrong.push(format!("{} is answered {answered}", key(line)));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(sql.count(rows, &[]).await.unwrap(), before, "nothing was done, so nothing was written down");
    drop((owner, member, stranger));
    site.stop().await;
}

/// Returns the addresses below the console and the account that a page links to.
fn links(page: &str) -> BTreeSet<String> {
    let found = page.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next());
    let ours = found.filter(|path| path.starts_with("/console") || path.starts_with("/account"));
    ours.map(|path| path.replace("&amp;", "&")).collect()
}

#[tokio::test]
async fn nobody_is_shown_the_way_to_a_page_that_refuses_them() {
    let mut site = TestSite::start().await;
    site.work();
    let owner = Browser::signed_up_as(&site, "owner@example.com").await;
    let (shop, order_sn) = shop_with_order(&site, &owner, 1).await;
    let pages =
        ["/console".to_owned(), "/console/orders".to_owned(), "/console/shops".to_owned(), "/console/pools".to_owned()]
            .into_iter()
            .chain(["", "/trial", &format!("/orders/{order_sn}")].map(|rest| format!("/console/shops/{shop}{rest}")));
    let pages: Vec<String> = pages.collect();
    let mut members = Vec::new();
    for (role, shops) in
        [("viewer", vec![]), ("finance", vec![]), ("operator", vec![]), ("operator", vec![shop.as_str()])]
    {
        let member = Browser::signed_up_as(&site, &format!("{role}-{}@example.com", shops.len())).await;
        member.joins(&owner, role, &shops).await;
        members.push(member);
    }
    let (mut wrong, mut followed) = (BTreeSet::new(), 0);
    for member in &members {
        for page in &pages {
            for link in links(&member.sees(page).await) {
                let answered = member.get(&link).await.status;
                followed += 1;
                if answered != 200 {
                    wrong.insert(format!("{}: {page} leads to {link}, which is answered {answered}", member.email));
                }
            }
        }
    }
    assert!(followed > 100, "{followed} links were followed");
    assert!(wrong.is_empty(), "{wrong:#?}");
    drop((owner, members));
    site.stop().await;
}
