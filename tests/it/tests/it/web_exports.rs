//! Data that is taken out over HTTP: whose it is, who may, and what a spreadsheet makes of it.

use std::io::{Cursor, Read as _};

use kamiflow_test_support::{Browser, TestSite};

/// Returns the files of an archive by name.
fn unpacked(archive: Vec<u8>) -> Vec<(String, String)> {
    let mut archive = zip::ZipArchive::new(Cursor::new(archive)).unwrap();
    (0..archive.len())
        .map(|n| {
            let mut file = archive.by_index(n).unwrap();
            let (name, mut text) = (file.name().unwrap().into_owned(), String::new());
            file.read_to_string(&mut text).unwrap();
            (name, text)
        })
        .collect()
}

fn file<'f>(files: &'f [(String, String)], name: &str) -> &'f str {
    &files.iter().find(|(of, _)| of == name).unwrap_or_else(|| panic!("no {name}")).1
}

#[tokio::test]
async fn an_export_holds_what_the_member_sees_and_no_card() {
    let mut site = TestSite::start().await;
    site.work();
    let owner = Browser::signed_up_as(&site, "owner@example.com").await;
    let (mine, _mall) = owner.sandbox_shop().await;
    let other = owner.another_shop().await;
    let mut bought = Vec::new();
    for shop in [&mine, &other] {
        let page = owner.does(&format!("/console/shops/{shop}/buyer"), &[]).await;
        bought.push(page.rsplit('/').next().unwrap().to_owned());
    }
    let sql = site.world.sql_as_superuser().await;
    site.world.until_as(&sql, "SELECT count(*) FROM orders WHERE state = 'delivered'", 2).await;

    let planned = "INSERT INTO redemptions (id, merchant_id, shop_id, delivery_id, line_id, use_no, order_day, order_id, order_sn,
                 method, state, trans_no)
         SELECT gen_random_uuid(), d.merchant_id, d.shop_id, d.id, l.id, 1, d.order_day, d.order_id, d.order_sn,
                'report_card', 'awaiting_approval', 'T' || d.order_sn
           FROM deliveries d JOIN delivery_lines l ON l.merchant_id = d.merchant_id AND l.delivery_id = d.id";
    assert_eq!(sql.execute(planned, &[]).await.unwrap(), 2);

    assert!(owner.does("/console/export", &[]).await.starts_with("/account/sudo?next="));
    owner.proves().await;
    let files = unpacked(owner.download("/console/export", &[]).await);
    let orders = file(&files, "orders.csv");
    assert!(bought.iter().all(|sn| orders.contains(sn.as_str())), "{orders}");
    assert!(orders.starts_with("\u{feff}shop,order_sn,state,"), "{orders}");
    let deliveries = file(&files, "deliveries.csv");
    assert!(deliveries.starts_with("\u{feff}shop,order_sn,state,method,pool,cards,"), "{deliveries}");
    let redemptions = file(&files, "redemptions.csv");
    assert!(redemptions.starts_with("\u{feff}shop,order_sn,item,line,use,method,state,"), "{redemptions}");
    for (shop, sn) in [&mine, &other].into_iter().zip(&bought) {
        assert!(deliveries.contains(&format!("{shop},{sn},delivered,voucher_send,pool_")), "{deliveries}");
        assert!(redemptions.contains(&format!("{shop},{sn},1,1,1,report_card,")), "{redemptions}");
    }
    assert_eq!(deliveries.lines().count(), 1 + 2);
    assert!(file(&files, "members.csv").contains("owner@example.com"));
    assert!(file(&files, "audit.csv").contains("export.start"), "even this act is in it");
    assert_eq!(file(&files, "skus.csv").lines().count(), 1 + 6);
    let sent = site.world.vouchers_sent().await;
    for card in sent.values().flatten() {
        assert!(files.iter().all(|(name, text)| !text.contains(card.as_str()) || name.is_empty()), "{card}");
    }

    let member = Browser::signed_up_as(&site, "member@example.com").await;
    member.joins(&owner, "finance", &[&mine]).await;
    assert!(member.sees("/console/export").await.contains("你只能看部分店铺"));
    member.proves().await;
    let files = unpacked(member.download("/console/export", &[]).await);
    let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["shops.csv", "skus.csv", "pools.csv", "orders.csv", "deliveries.csv", "redemptions.csv"]);
    let all: String = files.iter().map(|(_, text)| text.as_str()).collect();
    assert_eq!(file(&files, "deliveries.csv").lines().count(), 1 + 1);
    assert!(all.contains(&bought[0]) && !all.contains(&bought[1]) && !all.contains(&other), "{all}");

    member.becomes("viewer").await;
    assert_eq!(member.get("/console/export").await.status, 403);
    assert_eq!(member.send("/console/export", &[]).await.status, 403);
    drop((owner, member));
    site.stop().await;
}

#[tokio::test]
async fn a_process_makes_four_files_at_once_and_asks_the_next_to_come_again() {
    let site = TestSite::start().await;
    let owner = Browser::arranged(&site).await;
    owner.proves().await;
    let ask = || site.post("/console/export", "").header("cookie", owner.cookies()).send();
    // Nobody gets to the pools, so that no file comes to its end.
    let holding = site.world.sql_as_superuser().await;
    holding.execute("BEGIN", &[]).await.unwrap();
    holding.execute("LOCK TABLE card_pools IN ACCESS EXCLUSIVE MODE", &[]).await.unwrap();
    let mut begun = Vec::new();
    for _ in 0..4 {
        let answer = ask().await.unwrap();
        assert_eq!(answer.status(), 200);
        begun.push(answer);
    }
    let refused = ask().await.unwrap();
    assert_eq!(refused.status(), 503);
    assert_eq!(refused.headers()["retry-after"], "30");
    assert!(refused.text().await.unwrap().contains("暂时忙不过来"), "said on a page");
    holding.execute("ROLLBACK", &[]).await.unwrap();
    for answer in begun {
        assert!(answer.bytes().await.unwrap().starts_with(b"PK"), "whoever was taken gets a whole file");
    }
    assert!(!owner.download("/console/export", &[]).await.is_empty(), "and then it is the next one's turn");
    drop(owner);
    site.stop().await;
}

#[tokio::test]
async fn the_audit_log_is_filtered_by_member_and_day_and_taken_out_the_same() {
    let mut site = TestSite::start().await;
    site.work();
    let owner = Browser::signed_up_as(&site, "owner@example.com").await;
    let member = Browser::signed_up_as(&site, "member@example.com").await;
    member.joins(&owner, "operator", &[]).await;
    owner.proves().await;
    // A name that a spreadsheet would compute.
    owner.does("/console/pools", &[("name", "=HYPERLINK(1)"), ("low_stock_at", "")]).await;
    member.does("/console/pools", &[("name", "of the member"), ("low_stock_at", "")]).await;
    let all = owner.sees("/console/audit").await;
    let user = |name: &str| {
        let (before, _) = all.split_once(&format!(">{name}</option>")).unwrap();
        before.rsplit("value=\"").next().unwrap().split('"').next().unwrap().to_owned()
    };
    let of_member = format!("/console/audit?area=cards&member={}", user("member"));
    let shown = owner.sees(&of_member).await;
    assert!(shown.contains("of the member") && !shown.contains("HYPERLINK"), "{shown}");
    let day = kamiflow_kernel::format_platform_time(site.world.engine.now())[..10].to_owned();
    assert!(owner.sees(&format!("{of_member}&from={day}&to={day}")).await.contains("of the member"));
    assert!(!owner.sees(&format!("{of_member}&from=2001-01-01&to=2001-01-02")).await.contains("of the member"));
    let odd = owner.sees("/console/audit?area=%22%3E%3Cscript&from=x&member=y").await;
    assert!(!odd.contains("<script>") && odd.contains("cards.pool_create"), "what is no choice is none: {odd}");

    // Areas and acts in words, what changed line by line, and staff as somebody to ask for.
    assert!(all.contains(">卡密</a>") && all.contains(">核销规则</a>") && all.contains("新建卡库"), "{all}");
    owner.does("/console/notifications", &[("email", "alarm@example.com")]).await;
    let changed = owner.sees("/console/audit?area=notification").await;
    assert!(changed.contains("更改通知邮箱") && changed.contains("— → a***@example.com"), "{changed}");
    assert!(!changed.contains("alarm@example.com") && !changed.contains("of the member"), "{changed}");
    let of_staff = owner.sees("/console/audit?member=staff").await;
    assert!(of_staff.contains("平台工作人员") && of_staff.contains("还没有记录"), "{of_staff}");

    let text = String::from_utf8(owner.download("/console/audit/csv", &[("area", "cards")]).await).unwrap();
    assert!(text.starts_with("\u{feff}seq,at,actor,"), "{text}");
    assert_eq!(text.lines().count(), 3, "{text}");
    assert!(text.lines().skip(1).all(|line| line.contains("cards.pool_create")), "{text}");
    assert_eq!(member.send("/console/audit/csv", &[]).await.status, 403);
    drop((owner, member));
    site.stop().await;
}
