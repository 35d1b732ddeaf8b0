//! The same once more for members of one shop, where two shops share a pool: they see its stock, and of everything else
//! what belongs to their own shop's orders.

use std::io::{Cursor, Read as _};

use futures_util::FutureExt as _;
use kamiflow_kernel::{Reach, Role};
use kamiflow_test_support::{ApiClient, Browser, TestSite, between};
use reqwest::{Method, Response};
use serde_json::{Value, json};

use super::{ABSENT, For, Ids, LINES, filled, ids, key, status};

/// Two shops that sell from one pool: an order of the one, two of the other.
struct Shared<'a> {
    owner: Browser<'a>,
    one: String,
    other: String,
    /// Of the one, and then of the other.
    sold: Vec<String>,
    /// What belongs to the other shop, by its names: none of it is a member's of the one.
    foreign: Vec<String>,
}

impl<'a> Shared<'a> {
    async fn at(site: &'a TestSite) -> Self {
        let owner = Browser::signed_up_as(site, "owner@example.com").await;
        let (one, other) = (owner.another_shop().await, owner.another_shop().await);
        let sql = site.world.sql_as_superuser().await;
        let plain = |id: &str| id.trim_start_matches("shop_").to_owned();
        let shares = "UPDATE sku_mappings m SET pool_id = (
                SELECT n.pool_id FROM sku_mappings n JOIN skus k ON k.id = n.sku_id
                 WHERE replace(k.shop_id::text, '-', '') = $1 AND n.pool_id IS NOT NULL LIMIT 1)
             FROM skus s WHERE s.id = m.sku_id AND replace(s.shop_id::text, '-', '') = $2 AND m.pool_id IS NOT NULL";
        assert!(sql.execute(shares, &[&plain(&one), &plain(&other)]).await.unwrap() > 0);
        let mut sold = Vec::new();
        for (n, shop) in (1..).zip([&one, &other, &other]) {
            let order = owner.does(&format!("/console/shops/{shop}/buyer"), &[]).await;
            sold.push(order.rsplit('/').next().unwrap().to_owned());
            site.world.until_as(&sql, "SELECT count(*) FROM orders WHERE state = 'delivered'", n).await;
        }
        let masks = "SELECT c.number_mask, replace(d.shop_id::text, '-', '') = $1 FROM deliveries d
              JOIN delivery_lines l ON l.delivery_id = d.id JOIN card_uses u ON u.id = l.card_use_id
              JOIN cards c ON c.id = u.card_id";
        let masks: Vec<(String, bool)> =
            sql.query(masks, &[&plain(&one)]).await.unwrap().iter().map(|row| (row.get(0), row.get(1))).collect();
        let names = "SELECT name FROM shops WHERE replace(id::text, '-', '') = $1";
        let mut foreign = vec![other.clone(), sql.query(names, &[&plain(&other)]).await.unwrap()[0].get(0)];
        foreign.extend(sold.iter().skip(1).cloned());
        let own: Vec<&String> = masks.iter().filter(|(_, is_own)| *is_own).map(|(mask, _)| mask).collect();
        foreign.extend(masks.iter().filter(|(mask, _)| !own.contains(&mask)).map(|(mask, _)| mask.clone()));
        Self { owner, one, other, sold, foreign }
    }

    async fn member(&self, site: &'a TestSite, role: &str) -> Browser<'a> {
        let member = Browser::signed_up_as(site, &format!("{role}@example.com")).await;
        member.joins(&self.owner, role, &[&self.one]).await;
        member
    }

    /// Returns what of the other shop a text tells.
    fn told(&self, text: &str) -> Vec<&str> {
        self.foreign.iter().map(String::as_str).filter(|name| text.contains(name)).collect()
    }
}

/// Tries every route as a member of the one shop, with the ids of both; returns what is answered otherwise than it should.
async fn wrong_answers(
    shared: &Shared<'_>,
    (role, member): (Role, &Browser<'_>),
    (own, others): (&Ids, &Ids),
) -> Vec<String> {
    let mut wrong = Vec::new();
    for line in LINES {
        let For(permission) = line.asks else { continue };
        let is_granted = permission.is_granted_to(role) && permission.reach() == Reach::Shop;
        let here = status(member, line, own).await;
        let fits = match is_granted {
            true if ABSENT.contains(&line.path) => here == 404,
            true => here == 200 || here == 303,
            false => here == 403,
        };
        if !fits {
            wrong.push(format!("{role}: {} is answered {here}", key(line)));
        }
        if is_granted && ["{shop}", "{target}"].iter().any(|name| line.path.contains(name) || line.body.contains(name))
        {
            let there = status(member, line, others).await;
            if there != 404 {
                wrong.push(format!("{role}: {} of the other shop is answered {there}", key(line)));
            }
        }
        if is_granted && line.method == Method::GET {
            let page = member.get(&filled(line.path, own)).await.body;
            wrong.extend(shared.told(&page).iter().map(|name| format!("{role}: {} tells {name}", line.path)));
        }
    }
    wrong
}

#[tokio::test]
async fn members_of_one_shop_do_there_what_their_role_may_and_see_of_the_shared_pool_its_stock() {
    let mut site = TestSite::start().await;
    site.work();
    let shared = Shared::at(&site).await;
    let own = ids(&site, &shared.owner, (&shared.one, &shared.sold[0])).await;
    let others = ids(&site, &shared.owner, (&shared.other, &shared.sold[1])).await;
    assert_eq!(own["pool"], others["pool"], "both sell from one pool");
    let mut own = own;
    own.insert("user", own["owner"].clone());
    let mut team = Vec::new();
    for role in [Role::Viewer, Role::Finance, Role::Operator] {
        team.push((role, shared.member(&site, role.as_str()).await));
    }
    // A fresh proof would let things be done that cannot be undone.
    site.world.clock.advance(chrono::TimeDelta::minutes(11));
    let mut wrong = Vec::new();
    let (pool, foreign_sn) = (format!("/console/pools/{}", own["pool"]), &shared.sold[1]);
    for (role, member) in &team {
        let stock = member.sees(&pool).await;
        assert!(stock.contains("197") && stock.contains('—'), "{role}: {stock}");
        assert!(shared.owner.sees(&pool).await.contains("197"));
        for page in [format!("/console/pauses/{}", own["pool"]), format!("/console/orders?shop={}", shared.one)] {
            let shown = member.sees(&page).await;
            wrong.extend(shared.told(&shown).iter().map(|name| format!("{role}: {page} tells {name}")));
        }
        // What is searched for stands in the field; no order of that number is found.
        let found = member.sees(&format!("/console/orders?q={foreign_sn}")).await;
        assert!(!found.contains(&format!("/orders/{foreign_sn}")), "{role}: {found}");
        assert!(
            member
                .sees(&format!("/console/orders?q={}", shared.sold[0]))
                .await
                .contains(&format!("/orders/{}", shared.sold[0]))
        );
        for page in ["orders", "products"] {
            let elsewhere = member.get(&format!("/console/{page}?shop={}", shared.other)).await;
            assert!(elsewhere.status == 404 || shared.told(&elsewhere.body).is_empty(), "{role}: {}", elsewhere.body);
        }
        // What is the merchant's is not there at all, which is less than a zero.
        let menu = member.sees("/console").await;
        for hidden in ["/console/team", "/console/audit", "/console/api", "/console/rules", "/console/verification"] {
            assert!(!menu.contains(&format!("href=\"{hidden}\"")), "{role} is led to {hidden}");
        }
        wrong.extend(wrong_answers(&shared, (*role, member), (&own, &others)).await);
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    drop(team);
    drop(shared);
    site.stop().await;
}

async fn follow(site: &TestSite, browser: &Browser<'_>) -> Response {
    let stream = site.get("/live").header("cookie", browser.cookies()).send().await.unwrap();
    assert_eq!(stream.status(), 200);
    stream
}

/// Reads until the page is told to look again.
async fn moves(stream: &mut Response) {
    let mut heard = String::new();
    while !heard.contains("event: moved") {
        let chunk = tokio::time::timeout(std::time::Duration::from_secs(60), stream.chunk()).await.unwrap().unwrap();
        heard.push_str(std::str::from_utf8(&chunk.expect("the stream goes on")).unwrap());
    }
}

/// What the first page counts as delivered today.
async fn figure(browser: &Browser<'_>) -> String {
    let page = browser.sees("/console").await;
    let tile = page.split("href=\"/console/orders?state=delivered\"").nth(1).expect("figures are shown");
    between(tile, "whitespace-nowrap\">", "</div>").to_owned()
}

/// Returns the files of an archive, one after the other, and that of the pools.
fn unpacked(archive: Vec<u8>) -> (String, String) {
    let mut archive = zip::ZipArchive::new(Cursor::new(archive)).unwrap();
    let (mut all, mut pools) = (String::new(), String::new());
    for n in 0..archive.len() {
        let mut file = archive.by_index(n).unwrap();
        let (is_pools, mut text) = (file.name().unwrap() == "pools.csv", String::new());
        file.read_to_string(&mut text).unwrap();
        all.push_str(&text);
        if is_pools {
            pools = text;
        }
    }
    (all, pools)
}

/// Returns the first fifty cards of an import, as a program sees them.
async fn cards(client: &ApiClient<'_>, batch: &str) -> Vec<Value> {
    client.get(&format!("/batches/{batch}/cards?limit=50")).await.ok()["cards"].as_array().unwrap().clone()
}

#[tokio::test]
async fn sums_files_events_and_tokens_of_one_shop_leave_the_other_of_a_shared_pool_out() {
    let mut site = TestSite::start().await;
    site.work();
    let shared = Shared::at(&site).await;
    let member = shared.member(&site, "operator").await;
    assert_eq!((figure(&shared.owner).await.as_str(), figure(&member).await.as_str()), ("3", "1"));

    let (mut all, mut few) = (follow(&site, &shared.owner).await, follow(&site, &member).await);
    shared.owner.does(&format!("/console/shops/{}/buyer", shared.other), &[]).await;
    moves(&mut all).await;
    let heard = few.chunk().now_or_never().map(|chunk| chunk.unwrap().unwrap_or_default()).unwrap_or_default();
    assert!(
        !String::from_utf8_lossy(&heard).contains("moved"),
        "a card that goes to the other shop moves nothing here"
    );
    shared.owner.does(&format!("/console/shops/{}/buyer", shared.one), &[]).await;
    moves(&mut few).await;

    member.proves().await;
    let (file, pools) = unpacked(member.download("/console/export", &[]).await);
    assert!(file.contains(&shared.sold[0]) && shared.told(&file).is_empty(), "{:?}", shared.told(&file));
    let counts: Vec<&str> = pools.lines().nth(1).unwrap().split(',').skip(2).collect();
    assert!(
        counts.len() == 2 || counts.iter().skip(2).all(|count| count.is_empty()),
        "stock and nothing else: {pools}"
    );
    for (path, fields) in [("/console/audit/csv", vec![]), ("/console/notifications", vec![("email", "a@example.com")])]
    {
        assert_eq!(member.send(path, &fields).await.status, 403, "{path}");
    }

    shared.owner.proves().await;
    let whole = ApiClient::of(&site, &shared.owner).await;
    let token = ApiClient::new(&site, &shared.owner.api_token("test", &[], &[&shared.one]).await);
    let sql = site.world.sql_as_superuser().await;
    let batch = "SELECT 'bat_' || replace(c.batch_id::text, '-', '') FROM deliveries d
          JOIN delivery_lines l ON l.delivery_id = d.id JOIN card_uses u ON u.id = l.card_use_id
          JOIN cards c ON c.id = u.card_id WHERE d.order_sn = $1";
    let batch: String = sql.query(batch, &[&shared.sold[0]]).await.unwrap()[0].get(0);
    let pool = token.get("/pools").await.ok()["pools"][0].clone();
    assert!(pool["available"].as_i64().unwrap() > 0, "{pool}");
    for count in ["reserved", "at_platform", "sent", "quarantined", "burned", "void"] {
        assert_eq!(pool[count], Value::Null, "{count} of a shared pool");
    }
    site.world.until_as(&sql, "SELECT count(*) FROM orders WHERE state = 'delivered'", 5).await;
    assert_eq!(
        (cards(&whole, &batch).await.len(), cards(&token, &batch).await.len()),
        (50, 2),
        "cards of the own orders only"
    );
    let paths = ["/shops", "/orders", "/redemptions", "/pools"].map(str::to_owned).into_iter();
    let paths = paths.chain([format!("/batches/{batch}/cards"), format!("/orders?order_sn={}", shared.sold[1])]);
    for path in paths {
        let shown = token.get(&path).await.ok().to_string();
        assert!(shared.told(&shown).is_empty(), "{path} tells {:?}", shared.told(&shown));
    }
    let card = cards(&whole, &batch).await[0]["id"].as_str().unwrap().to_owned();
    for path in [format!("/cards/{card}/void"), format!("/pools/{}/cards", pool["id"].as_str().unwrap())] {
        assert_eq!(token.post(&path, &json!({ "text": "a----b" })).await.status, 403, "{path}");
    }
    drop((whole, token));
    drop((member, shared));
    site.stop().await;
}
