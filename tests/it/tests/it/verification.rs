//! Identity checks: submitting, reviewing, what is kept and for how long, and what waits for them.

use std::io::Cursor;

use chrono::TimeDelta;
use image::{DynamicImage, GrayImage, ImageFormat};
use kamiflow_domain::connect_shop::{ConnectShop, Grant, Purpose, connect_shop};
use kamiflow_domain::ctx::Ctx;
use kamiflow_domain::engine::{Engine, EngineConfig};
use kamiflow_domain::go_live::{GoLive, GoLiveError, go_live};
use kamiflow_domain::register_application::{ApplicationOwner, RegisterApplication, register_application};
use kamiflow_domain::tokens;
use kamiflow_domain::verification::renewal::{self, AskedAgain, ask_again};
use kamiflow_domain::verification::review::{
    self, Case, ReviewError, Reviewer, Verdict, claim_case, decide_case, list_decisions, list_queue, look_at_picture,
};
use kamiflow_domain::verification::{
    Approval, Standing, Subject, SubmitVerification, SubmitVerificationError, Unverified, destruction,
    show_verification, submit_verification,
};
use kamiflow_domain::verification_picture::PictureError;
use kamiflow_kernel::{Clock, GatewayKind, MallId, ReasonCode, ShopId, ShopState, UserId, VerificationId};
use kamiflow_store::exceptions::NewException;
use kamiflow_store::{credentials, exceptions, shops};
use kamiflow_test_support::{Merchant, TestApp, refused_by};
use serde_json::json;
use uuid::Uuid;

const PERSON: &str = "11010519491231002X";
const COMPANY: &str = "91350100M000100Y43";

fn picture() -> Vec<u8> {
    let mut file = Cursor::new(Vec::new());
    DynamicImage::from(GrayImage::new(640, 400)).write_to(&mut file, ImageFormat::Png).unwrap();
    file.into_inner()
}

fn person(app: &TestApp) -> Subject {
    Subject::person("李小明", PERSON, app.clock.now()).unwrap()
}

fn reviewer(name: &str) -> Reviewer {
    Reviewer { id: Uuid::now_v7(), name: name.to_owned() }
}

async fn submit(app: &TestApp, merchant: &Merchant<'_>) -> VerificationId {
    let request = SubmitVerification { subject: person(app), pictures: vec![picture(), picture()] };
    submit_verification(&app.engine, &merchant.ctx(), request).await.unwrap().id
}

async fn decide(app: &TestApp, merchant: &Merchant<'_>, id: VerificationId, verdict: Verdict) {
    let by = reviewer("审核员");
    claim_case(&app.engine, &merchant.ctx(), &by, id).await.unwrap();
    decide_case(&app.engine, &merchant.ctx(), &by, (id, &verdict)).await.unwrap();
}

fn rejected() -> Verdict {
    Verdict::Reject { reason: "照片不清晰".to_owned() }
}

/// Connects a mall of the real platform.
async fn production_shop(app: &TestApp, merchant: &Merchant<'_>, mall: i64) -> ShopId {
    authorize(app, merchant, mall, Purpose::Connect).await
}

async fn authorize(app: &TestApp, merchant: &Merchant<'_>, mall: i64, purpose: Purpose) -> ShopId {
    let register = RegisterApplication {
        owner: ApplicationOwner::Own,
        gateway: GatewayKind::Production,
        client_id: format!("client-{}", Uuid::now_v7().simple()),
        client_secret: "secret".into(),
        app_type: String::new(),
        packages: Vec::new(),
    };
    let request = ConnectShop {
        application: register_application(&app.engine, &merchant.ctx(), &register).await.unwrap(),
        grant: Grant::Tokens(Box::new(merchant.tokens(MallId(mall), "p", TimeDelta::days(300)))),
        purpose,
        look_back: std::time::Duration::ZERO,
    };
    connect_shop(&app.engine, &merchant.ctx(), &request).await.unwrap().shop
}

async fn goes_live(app: &TestApp, merchant: &Merchant<'_>, shop: ShopId) -> Result<(), GoLiveError> {
    let request = GoLive::from_now(shop, app.clock.now());
    go_live(&app.engine, &merchant.ctx(), &request).await.map(|_went| ())
}

async fn state(merchant: &Merchant<'_>, shop: ShopId) -> ShopState {
    shops::fetch(&mut merchant.tx().await, shop).await.unwrap().state
}

#[tokio::test]
async fn a_submission_is_sealed_and_its_number_is_nowhere_in_clear() {
    let app = TestApp::new().await;
    let merchant = app.merchant().await;
    let id = submit(&app, &merchant).await;
    let sql = app.sql_as_superuser().await;
    let tables =
        "SELECT c.relname::text FROM pg_class c WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace";
    for row in sql.query(tables, &[]).await.unwrap() {
        let table: String = row.get(0);
        for clear in [PERSON, "19491231", "李小明"] {
            let hex: String = clear.bytes().map(|byte| format!("{byte:02x}")).collect();
            let found =
                format!("SELECT count(*) FROM {table} t WHERE t::text LIKE '%{clear}%' OR t::text LIKE '%{hex}%'");
            assert_eq!(sql.count(&found, &[]).await.unwrap(), 0, "{table} shows {clear}");
        }
    }
    let view = show_verification(&app.engine, &merchant.ctx()).await.unwrap();
    assert_eq!((view.standing, view.may_go_live), (Standing::Submitted, false));
    let shown = &view.submissions[0];
    assert_eq!((shown.id, shown.last4.as_str(), shown.kind.as_str()), (id, "002X", "person"));
    assert_eq!(shown.expected_by, Some(app.clock.now() + TimeDelta::hours(24)));
    let plain = "SELECT count(*) FROM verifications WHERE number_hash = sha256(convert_to($1, 'UTF8'))";
    assert_eq!(sql.count(plain, &[&PERSON]).await.unwrap(), 0, "the hash has a key");
}

#[tokio::test]
async fn what_cannot_be_taken_is_refused_with_what_to_do() {
    let app = TestApp::new().await;
    let merchant = app.merchant().await;
    let run = async |pictures: Vec<Vec<u8>>| {
        let request = SubmitVerification { subject: person(&app), pictures };
        submit_verification(&app.engine, &merchant.ctx(), request).await.unwrap_err()
    };
    assert!(matches!(run(vec![]).await, SubmitVerificationError::PictureCount(0)));
    assert!(matches!(run(vec![picture(), picture(), picture()]).await, SubmitVerificationError::PictureCount(3)));
    let refused = run(vec![picture(), b"<svg/>".to_vec()]).await;
    assert!(matches!(refused, SubmitVerificationError::Picture { position: 2, reason: PictureError::OtherFormat }));
    assert!(Subject::person("x", PERSON, app.clock.now()).is_err());
    assert!(Subject::person("<b>李</b>", PERSON, app.clock.now()).is_err());
    assert!(Subject::company("某某公司", "91350100M000100Y44", "李小明").is_err());
    assert_eq!(format!("{:?}", Subject::company("某某公司", COMPANY, "李小明").unwrap()), "Subject(company, …0Y43)");
    assert_eq!(show_verification(&app.engine, &merchant.ctx()).await.unwrap().standing, Standing::None);
    submit(&app, &merchant).await;
    assert!(matches!(run(vec![picture()]).await, SubmitVerificationError::UnderReview));
}

#[tokio::test]
async fn a_case_is_one_reviewers_and_every_look_is_shown_to_the_merchant() {
    let app = TestApp::new().await;
    let merchant = app.merchant().await;
    let id = submit(&app, &merchant).await;
    let queue = review::list_queue(&app.engine, 10).await.unwrap();
    assert_eq!((queue[0].merchant, queue[0].verification, queue[0].claimed_by), (merchant.id, id, None));
    let (first, second) = (reviewer("甲"), reviewer("乙"));
    let ctx = || merchant.ctx();
    let look = async |by: &Reviewer, position| look_at_picture(&app.engine, &ctx(), by, (id, position)).await;
    assert!(matches!(look(&first, 1).await, Err(ReviewError::NotClaimed)));
    let case: Case = claim_case(&app.engine, &ctx(), &first, id).await.unwrap();
    assert_eq!((case.name.expose(), case.number.expose(), case.pictures), ("李小明", PERSON, 2));
    assert!(!case.flagged && !format!("{case:?}").contains(PERSON));
    let taken = claim_case(&app.engine, &ctx(), &second, id).await;
    assert!(matches!(taken, Err(ReviewError::ClaimedBy { name, .. }) if name == "甲"));
    assert!(matches!(look(&second, 1).await, Err(ReviewError::NotClaimed)));
    assert!(matches!(look(&first, 3).await, Err(ReviewError::PictureUnknown)));
    let seen = look(&first, 2).await.unwrap();
    assert_eq!(seen.media_type, "image/jpeg");
    assert_eq!(image::load_from_memory(seen.file.expose()).unwrap().width(), 640);
    let looks = show_verification(&app.engine, &ctx()).await.unwrap().looks;
    assert_eq!(looks.len(), 1);
    assert_eq!((looks[0].position, looks[0].reviewer_name.as_str()), (2, "甲"));
    let approve = Verdict::Approve;
    let foreign = decide_case(&app.engine, &ctx(), &second, (id, &approve)).await;
    assert!(matches!(foreign, Err(ReviewError::NotClaimed)));
    // A case that its reviewer forgot.
    app.clock.advance(TimeDelta::minutes(61));
    claim_case(&app.engine, &ctx(), &second, id).await.unwrap();
    assert!(matches!(look(&first, 1).await, Err(ReviewError::NotClaimed)));
    let without = Verdict::Reject { reason: " ".to_owned() };
    assert!(matches!(decide_case(&app.engine, &ctx(), &second, (id, &without)).await, Err(ReviewError::Reason)));
    decide_case(&app.engine, &ctx(), &second, (id, &rejected())).await.unwrap();
    assert!(matches!(look(&second, 1).await, Err(ReviewError::Decided)));
    assert!(matches!(claim_case(&app.engine, &ctx(), &first, id).await, Err(ReviewError::Decided)));
    let view = show_verification(&app.engine, &ctx()).await.unwrap();
    let shown = (view.standing, view.submissions[0].reason.as_str(), view.submissions[0].decided_by.as_deref());
    assert_eq!(shown, (Standing::Rejected, "照片不清晰", Some("乙")));
    let stranger = app.merchant().await;
    let unknown = claim_case(&app.engine, &stranger.ctx(), &first, id).await;
    assert!(matches!(unknown, Err(ReviewError::CaseUnknown)));
    let looked = "SELECT actor FROM audit_log WHERE action = 'verification.look'";
    let actors = merchant.sql().await.query(looked, &[]).await.unwrap();
    assert_eq!(actors[0].get::<_, String>(0), format!("staff:{}", UserId::from_uuid(first.id)));
}

#[tokio::test]
async fn only_going_live_on_the_real_platform_waits_for_the_approval() {
    let app = TestApp::new().await;
    let merchant = app.merchant().await;
    let shop = production_shop(&app, &merchant, 7).await;
    merchant.shop().await.goes_live().await;
    let waits = |refused: Result<(), GoLiveError>, standing| {
        assert!(
            matches!(&refused, Err(GoLiveError::NotVerified(Unverified { standing: now, .. })) if *now == standing),
            "{refused:?}"
        );
    };
    waits(goes_live(&app, &merchant, shop).await, Standing::None);
    let id = submit(&app, &merchant).await;
    waits(goes_live(&app, &merchant, shop).await, Standing::Submitted);
    decide(&app, &merchant, id, rejected()).await;
    waits(goes_live(&app, &merchant, shop).await, Standing::Rejected);
    assert_eq!(state(&merchant, shop).await, ShopState::TrialRun);
    let id = submit(&app, &merchant).await;
    decide(&app, &merchant, id, Verdict::Approve).await;
    goes_live(&app, &merchant, shop).await.unwrap();
    assert_eq!(state(&merchant, shop).await, ShopState::Live);
    let again = SubmitVerification { subject: person(&app), pictures: vec![picture()] };
    let refused = submit_verification(&app.engine, &merchant.ctx(), again).await;
    assert!(matches!(refused, Err(SubmitVerificationError::AlreadyApproved)));
}

#[tokio::test]
async fn thirty_days_after_the_decision_only_kind_last_four_decision_and_reviewer_are_left() {
    let app = TestApp::new().await;
    let merchant = app.merchant().await;
    let id = submit(&app, &merchant).await;
    let payload = || serde_json::from_value(json!({ "verification": id })).unwrap();
    let destroy = async || destruction::run(&app.engine, &merchant.ctx(), payload()).await.unwrap();
    let sql = merchant.sql().await;
    let left = async || {
        let n = "SELECT (SELECT count(*) FROM verification_pictures WHERE octet_length(picture_sealed) > 0)
                      + (SELECT count(*) FROM verifications WHERE octet_length(subject_sealed) > 0)";
        sql.count(n, &[]).await.unwrap()
    };
    app.clock.advance(TimeDelta::days(40));
    destroy().await;
    assert_eq!(left().await, 3, "not decided yet");
    decide(&app, &merchant, id, Verdict::Approve).await;
    let due = "SELECT count(*) FROM jobs WHERE name = 'destroy_verification.v1' AND due_at = $1";
    assert_eq!(sql.count(due, &[&(app.clock.now() + TimeDelta::days(30))]).await.unwrap(), 1);
    app.clock.advance(TimeDelta::days(29));
    destroy().await;
    assert_eq!(left().await, 3, "not yet");
    app.clock.advance(TimeDelta::days(1));
    destroy().await;
    destroy().await;
    assert_eq!(left().await, 0);
    assert_eq!(
        sql.count("SELECT count(*) FROM audit_log WHERE action = 'verification.destroy'", &[]).await.unwrap(),
        1
    );
    let view = show_verification(&app.engine, &merchant.ctx()).await.unwrap();
    let kept = &view.submissions[0];
    assert_eq!((kept.kind.as_str(), kept.last4.as_str(), kept.standing), ("person", "002X", Standing::Approved));
    assert_eq!((kept.decided_by.as_deref(), kept.destroyed_at), (Some("审核员"), Some(app.clock.now())));
    assert!(view.may_go_live);
}

#[tokio::test]
async fn one_number_in_more_than_three_merchants_is_flagged_without_saying_whose() {
    let app = TestApp::new().await;
    let by = reviewer("甲");
    for n in 1..=4 {
        let merchant = app.merchant().await;
        let id = submit(&app, &merchant).await;
        let case = claim_case(&app.engine, &merchant.ctx(), &by, id).await.unwrap();
        assert_eq!((case.merchants_with_number, case.flagged), (n, n > 3));
    }
    // The queue says so before anybody takes a case, and what was true at the decision stays.
    let queue = list_queue(&app.engine, 10).await.unwrap();
    assert_eq!(queue.iter().map(|row| row.merchants_with_number).collect::<Vec<_>>(), [4; 4]);
    let first = Ctx { merchant: queue[0].merchant, ..app.merchant().await.ctx() };
    decide_case(&app.engine, &first, &by, (queue[0].verification, &Verdict::Approve)).await.unwrap();
    let admin = app.sql_as_superuser().await;
    let left =
        "UPDATE verifications SET state = 'rejected', reason = 'x', decided_at = now() WHERE state = 'submitted'";
    admin.execute(left, &[]).await.unwrap();
    let decided = list_decisions(&app.engine, 10).await.unwrap();
    let approved = decided.iter().find(|row| row.state == "approved").unwrap();
    assert_eq!(approved.merchants_with_number, Some(4));
    // A rejected number counts no more, and a company's code is another thing.
    let rejecting = app.merchant().await;
    let company = Subject::company("某某公司", COMPANY, "李小明").unwrap();
    let request = SubmitVerification { subject: company, pictures: vec![picture()] };
    let id = submit_verification(&app.engine, &rejecting.ctx(), request).await.unwrap().id;
    assert_eq!(claim_case(&app.engine, &rejecting.ctx(), &by, id).await.unwrap().merchants_with_number, 1);
}

#[tokio::test]
async fn a_new_owner_is_asked_again_and_running_shops_go_on_for_seven_days() {
    let app = TestApp::new().await;
    let merchant = app.merchant().await;
    let (running, prepared) = (production_shop(&app, &merchant, 7).await, production_shop(&app, &merchant, 8).await);
    let rehearsal = merchant.shop().await;
    rehearsal.goes_live().await;
    let first = submit(&app, &merchant).await;
    decide(&app, &merchant, first, Verdict::Approve).await;
    goes_live(&app, &merchant, running).await.unwrap();
    let asked = async || {
        let mut tx = merchant.tx().await;
        ask_again(&mut tx, &merchant.ctx(), AskedAgain::NewOwner).await.unwrap();
        tx.commit().await.unwrap();
    };
    asked().await;
    let renew_by = app.clock.now() + TimeDelta::days(7);
    app.clock.advance(TimeDelta::days(2));
    // Asked twice, the first end stays.
    asked().await;
    let view = show_verification(&app.engine, &merchant.ctx()).await.unwrap();
    assert_eq!((view.may_go_live, view.renew_by), (false, Some(renew_by)));
    assert!(matches!(goes_live(&app, &merchant, prepared).await, Err(GoLiveError::NotVerified(_))));
    goes_live(&app, &merchant, running).await.unwrap();
    let step = async || renewal::step(&app.engine, &merchant.ctx()).await.unwrap();
    assert_eq!(step().await, Some(renew_by));
    assert_eq!(state(&merchant, running).await, ShopState::Live);
    app.clock.advance(TimeDelta::days(5));
    assert_eq!(step().await, None);
    assert_eq!(state(&merchant, running).await, ShopState::Stopped);
    assert_eq!(state(&merchant, prepared).await, ShopState::TrialRun);
    assert_eq!(state(&merchant, rehearsal.id).await, ShopState::Live);
    let second = submit(&app, &merchant).await;
    decide(&app, &merchant, second, Verdict::Approve).await;
    assert_eq!(state(&merchant, running).await, ShopState::Live);
    assert_eq!(step().await, None);
    let view = show_verification(&app.engine, &merchant.ctx()).await.unwrap();
    assert_eq!((view.may_go_live, view.renew_by), (true, None));
    goes_live(&app, &merchant, prepared).await.unwrap();
}

#[tokio::test]
async fn a_submission_that_was_made_under_the_former_name_is_asked_again_although_it_is_approved() {
    let app = TestApp::new().await;
    let merchant = app.merchant().await;
    let shop = production_shop(&app, &merchant, 7).await;
    let pending = submit(&app, &merchant).await;
    let mut tx = merchant.tx().await;
    assert_eq!(ask_again(&mut tx, &merchant.ctx(), AskedAgain::NewName).await.unwrap().len(), 1);
    tx.commit().await.unwrap();
    decide(&app, &merchant, pending, Verdict::Approve).await;
    let view = show_verification(&app.engine, &merchant.ctx()).await.unwrap();
    assert_eq!((view.may_go_live, view.renew_by), (false, Some(app.clock.now() + TimeDelta::days(7))));
    assert!(matches!(goes_live(&app, &merchant, shop).await, Err(GoLiveError::NotVerified(_))));
}

#[tokio::test]
async fn new_tokens_are_no_way_around_the_verification_that_a_shop_waits_for() {
    let app = TestApp::new().await;
    let merchant = app.merchant().await;
    let (lapsed, stopped) = (production_shop(&app, &merchant, 7).await, production_shop(&app, &merchant, 8).await);
    let first = submit(&app, &merchant).await;
    decide(&app, &merchant, first, Verdict::Approve).await;
    for shop in [lapsed, stopped] {
        goes_live(&app, &merchant, shop).await.unwrap();
    }
    let loses_tokens = async |shop| {
        let mut tx = merchant.tx().await;
        tokens::stop(&mut tx, merchant.ctx().now, shop, ReasonCode::ReauthorizationNeeded).await.unwrap();
        tx.commit().await.unwrap();
    };
    let waits_for = async |shop| {
        let row = shops::fetch(&mut merchant.tx().await, shop).await.unwrap();
        assert_eq!(row.state, ShopState::Stopped);
        row.stop_reason.unwrap()
    };
    let mut tx = merchant.tx().await;
    ask_again(&mut tx, &merchant.ctx(), AskedAgain::NewOwner).await.unwrap();
    tx.commit().await.unwrap();
    // One shop is stopped already when the time is up, the other is stopped for it and then loses its tokens too.
    loses_tokens(lapsed).await;
    app.clock.advance(TimeDelta::days(7));
    renewal::step(&app.engine, &merchant.ctx()).await.unwrap();
    assert_eq!(waits_for(lapsed).await, ReasonCode::ReauthorizationNeeded.as_str());
    loses_tokens(stopped).await;
    assert_eq!(waits_for(stopped).await, ReasonCode::VerificationNeeded.as_str());

    for (shop, mall) in [(lapsed, 7), (stopped, 8)] {
        authorize(&app, &merchant, mall, Purpose::Reauthorize(shop)).await;
        assert_eq!(waits_for(shop).await, ReasonCode::VerificationNeeded.as_str());
    }
    let second = submit(&app, &merchant).await;
    decide(&app, &merchant, second, Verdict::Approve).await;
    assert_eq!((state(&merchant, lapsed).await, state(&merchant, stopped).await), (ShopState::Live, ShopState::Live));
}

#[tokio::test]
async fn an_approval_lets_no_shop_go_on_that_lost_its_tokens_or_whose_owner_was_asked_again_and_is_late() {
    let app = TestApp::new().await;
    let merchant = app.merchant().await;
    let (running, lapsed) = (production_shop(&app, &merchant, 7).await, production_shop(&app, &merchant, 8).await);
    let first = submit(&app, &merchant).await;
    decide(&app, &merchant, first, Verdict::Approve).await;
    for shop in [running, lapsed] {
        goes_live(&app, &merchant, shop).await.unwrap();
    }
    let asked = async |cause| {
        let mut tx = merchant.tx().await;
        ask_again(&mut tx, &merchant.ctx(), cause).await.unwrap();
        tx.commit().await.unwrap();
        app.clock.now() + TimeDelta::days(7)
    };
    let step = async || renewal::step(&app.engine, &merchant.ctx()).await.unwrap();
    asked(AskedAgain::NewOwner).await;
    let second = submit(&app, &merchant).await;
    app.clock.advance(TimeDelta::days(2));
    let second_ends = asked(AskedAgain::NewName).await;
    app.clock.advance(TimeDelta::days(5));
    assert_eq!(step().await, None);
    let mut tx = merchant.tx().await;
    // One loses its tokens. The other is only reminded of theirs, and its application was stopped, which ends by itself.
    credentials::update_dead(&mut tx, lapsed, 1, "refused by the platform").await.unwrap();
    let reminded = |code, detail| NewException { shop: running, order: None, code, needs_review: true, detail };
    let noted = [
        reminded(ReasonCode::ReauthorizationNeeded, json!({})),
        reminded(ReasonCode::StoppedByPlatform, json!({ "level": "application" })),
    ];
    exceptions::open(&mut tx, &noted).await.unwrap();
    tx.commit().await.unwrap();

    app.clock.advance(TimeDelta::days(1));
    let sql = app.sql_as_superuser().await;
    sql.execute("DELETE FROM jobs WHERE name = $1", &[&renewal::NAME]).await.unwrap();
    decide(&app, &merchant, second, Verdict::Approve).await;
    assert_eq!(
        (state(&merchant, running).await, state(&merchant, lapsed).await),
        (ShopState::Live, ShopState::Stopped)
    );
    let row = shops::fetch(&mut merchant.tx().await, lapsed).await.unwrap();
    assert_eq!(row.stop_reason.as_deref(), Some(ReasonCode::ReauthorizationNeeded.as_str()));
    let planned = "SELECT count(*) FROM jobs WHERE name = $1 AND due_at = $2";
    assert_eq!(sql.count(planned, &[&renewal::NAME, &second_ends]).await.unwrap(), 1);
    assert_eq!(step().await, Some(second_ends));
    app.clock.advance(TimeDelta::days(1));
    assert_eq!(step().await, None);
    assert_eq!(state(&merchant, running).await, ShopState::Stopped);

    let third = submit(&app, &merchant).await;
    asked(AskedAgain::NewName).await;
    app.clock.advance(TimeDelta::days(8));
    decide(&app, &merchant, third, Verdict::Approve).await;
    assert_eq!(state(&merchant, running).await, ShopState::Stopped, "what was approved is late already");
}

#[tokio::test]
async fn nobody_is_approved_by_a_program_outside_of_a_demonstration() {
    assert!(Approval::automatic(GatewayKind::Production).is_err());
    assert_eq!(EngineConfig::default().approval, Approval::by_staff());
    let app = TestApp::new().await;
    let merchant = app.merchant().await;
    let config =
        EngineConfig { approval: Approval::automatic(GatewayKind::Sandbox).unwrap(), ..EngineConfig::default() };
    let demo = Engine { config: config.into(), ..app.engine.clone() };
    let request = SubmitVerification { subject: person(&app), pictures: vec![picture()] };
    submit_verification(&demo, &merchant.ctx(), request).await.unwrap();
    let view = show_verification(&app.engine, &merchant.ctx()).await.unwrap();
    assert_eq!((view.standing, view.submissions[0].decided_by.clone()), (Standing::Approved, None));
}

#[tokio::test]
async fn the_database_keeps_decisions_and_refuses_halves() {
    let app = TestApp::new().await;
    let merchant = app.merchant().await;
    let id = submit(&app, &merchant).await;
    decide(&app, &merchant, id, rejected()).await;
    let sql = merchant.sql().await;
    let refusals = [
        ("UPDATE verifications SET state = 'approved'", "verifications_decision_stands"),
        ("UPDATE verifications SET last4 = '0000'", "verifications_decision_stands"),
        ("UPDATE verifications SET subject_sealed = ''", "verifications_destroyed_is_empty"),
        ("UPDATE verifications SET renew_by = now()", "verifications_asked_again_has_end"),
        ("UPDATE verifications SET claimed_by = NULL", "verifications_claim_is_whole"),
    ];
    for (statement, constraint) in refusals {
        assert_eq!(refused_by(sql.execute(statement, &[]).await), constraint, "{statement}");
    }
    for kept in
        ["UPDATE verification_looks SET at = now()", "DELETE FROM verifications", "DELETE FROM verification_looks"]
    {
        assert!(sql.execute(kept, &[]).await.is_err(), "{kept}");
    }
}
