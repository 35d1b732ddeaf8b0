//! Every request as the protocol writes it, every documented example as it is read.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use kamiflow_kernel::{Fen, GoodsId, MallId, OrderSn, PlatformSkuId, SecretText};
use serde::de::DeserializeOwned;

use super::charge::{ChargeCertificate, ChargeNotify, ChargeStatus};
use super::decrypt::{DecryptBatch, Decrypted, Encrypted};
use super::goods::{
    GoodsDetail, GoodsFilter, GoodsListGet, GoodsPage, GoodsQuantityUpdate, QuantityChange, SkuPrice, SkuPriceUpdate,
};
use super::logistics::{LogisticsOnlineSend, Redelivery};
use super::mall::MallStores;
use super::order::{
    ALL, NoteTag, OrderIncrementGet, OrderListGet, OrderNoteUpdate, OrderPage, OrderStatusGet, OrderStatuses, Page,
    Rest,
};
use super::pmc::{PmcUserFound, PmcUserPermit};
use super::refund::{RefundAgree, RefundIncrementGet, RefundPage, RefundStatusCheck, RefundStatuses};
use super::voucher::{
    CardBatchAdd, CardState, CardVerification, ImportedCard, OtaPrepare, OtaPrepared, OtaVerification,
    RealtimeVerifySync, VerifiedCards, VoucherChange,
};
use super::{Api, catalog};
use crate::params::Params;
use crate::wire::CipherShape;

fn params(request: &impl Api) -> BTreeMap<String, String> {
    let mut params = Params::default();
    request.params(&mut params);
    params.into_values().unwrap()
}

#[track_caller]
fn sends(request: &impl Api, expected: &[(&str, &str)]) {
    let sent = params(request);
    let sent: Vec<_> = sent.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    assert_eq!(sent, expected);
}

fn parse<T: DeserializeOwned>(json: &str) -> T {
    serde_json::from_str(json).unwrap()
}

fn sn() -> OrderSn {
    "261122-100000000000017".parse().unwrap()
}

fn at() -> DateTime<Utc> {
    DateTime::from_timestamp(1_795_371_800, 0).unwrap()
}

#[test]
fn the_catalog_names_every_api_once_with_the_documented_key() {
    for (index, entry) in catalog::ALL.iter().enumerate() {
        assert!(entry.meta.name.starts_with("pdd."));
        assert!(catalog::ALL.iter().skip(index + 1).all(|other| other.meta.name != entry.meta.name), "{entry:?}");
        assert_ne!(entry.meta.response_key, Some(""), "{entry:?}");
    }
    let key = |name| catalog::find(name).unwrap().meta.response_key;
    // The keys that nobody would guess (protocol 1.5).
    assert_eq!(key("pdd.order.number.list.increment.get"), Some("order_sn_increment_get_response"));
    assert_eq!(key("pdd.voucher.virtual.card.verification"), Some("voucher_voucher_info_verify_response"));
    assert_eq!(key("pdd.mall.info.store.get"), Some("res"));
    assert_eq!(key("pdd.pmc.user.cancel"), Some("tmc_user_cancel_response"));
    assert_eq!(key("pdd.pmc.accrue.query"), Some("pmc_user_get_response"));
    assert_eq!(key("pdd.refund.information.get"), None);
    assert_eq!(key("pdd.voucher.realtime.verify.sync"), None);
    let without_token: Vec<_> =
        catalog::ALL.iter().filter(|entry| !entry.meta.needs_token).map(|entry| entry.meta.name).collect();
    let expected = [
        "pdd.pop.auth.token.create",
        "pdd.pop.auth.token.refresh",
        "pdd.time.get",
        "pdd.logistics.companies.get",
        "pdd.pmc.user.get",
        "pdd.pmc.user.cancel",
        "pdd.pmc.accrue.query",
    ];
    assert_eq!(without_token, expected);
}

#[test]
fn orders_are_asked_for() {
    let page = Page { number: 2, size: 100, rest: Rest::HasNext };
    let until = at() + TimeDelta::minutes(25);
    sends(
        &OrderIncrementGet { from: at(), until, page, order_status: ALL, refund_status: ALL },
        &[
            ("end_updated_at", "1795373300"),
            ("is_lucky_flag", "0"),
            ("order_status", "5"),
            ("page", "2"),
            ("page_size", "100"),
            ("refund_status", "5"),
            ("start_updated_at", "1795371800"),
            ("use_has_next", "true"),
        ],
    );
    let page = Page { number: 1, size: 50, rest: Rest::Count };
    sends(
        &OrderListGet { from: at(), until, page, order_status: 1, refund_status: 1 },
        &[
            ("end_confirm_at", "1795373300"),
            ("order_status", "1"),
            ("page", "1"),
            ("page_size", "50"),
            ("refund_status", "1"),
            ("start_confirm_at", "1795371800"),
            ("use_has_next", "false"),
        ],
    );
    let other: OrderSn = "261122-2".parse().unwrap();
    sends(&OrderStatusGet { order_sns: vec![sn(), other] }, &[("order_sns", "261122-100000000000017,261122-2")]);
    let tag = Some(NoteTag { color: 3, name: "已发".to_owned() });
    sends(
        &OrderNoteUpdate { order_sn: sn(), note: "备注".to_owned(), tag },
        &[("note", "备注"), ("order_sn", "261122-100000000000017"), ("tag", "3"), ("tag_name", "已发")],
    );
}

#[test]
fn the_documented_order_is_read_without_its_buyer() {
    let page: OrderPage = parse(include_str!("tests/order_list.json"));
    assert_eq!(page.total_count, Some(1));
    assert!(page.orders.unreadable.is_empty(), "{:?}", page.orders.unreadable);
    let order = &page.orders.items[0];
    assert_eq!(order.order_sn, sn());
    let gate = [order.confirm_status, order.order_status, order.refund_status, order.risk_control_status];
    assert_eq!(gate, [Some(1), Some(1), Some(1), Some(0)]);
    assert_eq!((order.after_sales_status, order.trade_type, order.is_lucky_flag), (Some(0), Some(0), Some(1)));
    assert_eq!((order.pay_amount, order.discount_amount), (Some(Fen(990)), Some(Fen(0))));
    assert_eq!(order.last_ship_time.unwrap().to_rfc3339(), "2026-11-24T02:00:06+00:00");
    assert_eq!((order.shipping_time, order.cat_id_3), (None, Some(8929)));
    let item = &order.item_list[0];
    assert_eq!((item.goods_id, item.sku_id), (Some(GoodsId(2_557_644_875)), Some(PlatformSkuId(55_533_589_398))));
    assert_eq!(
        (item.outer_id.as_deref(), item.goods_count, item.goods_price),
        (Some("CARD-30D"), Some(1), Some(Fen(990)))
    );
    let card = &order.card_info_list[0];
    assert_eq!(card.card_no.as_ref().unwrap().shape(), CipherShape::Simple);
    assert_eq!(order.step_order_info.unwrap().step_trade_status, Some(2));
    assert_eq!(order.order_tag_list[0].name.as_deref(), Some("trade_in_national_subsidy"));
    let shown = format!("{page:?}");
    for private in ["张三", "13800000000", "某路", "口味", "Q0FSRA"] {
        assert!(!shown.contains(private), "{private} in {shown}");
    }
}

#[test]
fn the_increment_and_the_states_are_read() {
    let page: OrderPage =
        parse(r#"{"has_next":true,"order_sn_list":[{"order_sn":"261122-100000000000017","item_list":null}]}"#);
    assert_eq!((page.has_next, page.total_count, page.orders.items.len()), (Some(true), None, 1));
    let states: OrderStatuses =
        parse(r#"{"order_status_list":[{"orderSn":"261122-100000000000017","order_status":2,"refund_status":"1"}]}"#);
    assert_eq!(
        (states.order_status_list[0].order_status, states.order_status_list[0].refund_status),
        (Some(2), Some(1))
    );
}

#[test]
fn cards_are_imported_reported_and_redeemed() {
    let card = ImportedCard { card_no: SecretText::from("C0001"), encrypt_password: SecretText::from("QUJD") };
    let import = CardBatchAdd {
        goods_id: GoodsId(2_557_644_875),
        sku_id: PlatformSkuId(55_533_589_398),
        charge_address: Some("https://redeem.example/".to_owned()),
        cards: vec![card],
    };
    sends(
        &import,
        &[(
            "data",
            r#"{"goodsId":2557644875,"skuId":55533589398,"chargeAddress":"https://redeem.example/","dataList":[{"cardNo":"C0001","encryptPassword":"QUJD"}]}"#,
        )],
    );

    let change = VoucherChange {
        out_trans_no: "T1".to_owned(),
        at: at(),
        state: CardState::Destroyed,
        voucher_no: SecretText::from("NO-1/a+b"),
    };
    sends(
        &CardVerification { order_sn: sn(), changes: vec![change] },
        &[
            ("order_sn", "261122-100000000000017"),
            (
                "voucher_data_list",
                r#"[{"out_trans_no":"T1","voucher_time":1795371800000,"voucher_status":2,"voucher_no":"NO-1/a+b"}]"#,
            ),
        ],
    );
    sends(
        &OtaPrepare { card_no: SecretText::from("A1B2-卡"), store_id: Some(1001) },
        &[("request", r#"{"card_no":"A1B2-卡","store_id":1001}"#)],
    );
    sends(
        &OtaVerification {
            card_no: SecretText::from("123456787890"),
            store_id: 9001,
            store_name: "总店".to_owned(),
            order_sn: None,
        },
        &[("card_no", "123456787890"), ("store_id", "9001"), ("store_name", "总店")],
    );
    let sync = RealtimeVerifySync {
        order_sn: sn(),
        serial_no: "S1".to_owned(),
        verified_at: at(),
        out_voucher_id: "V1".to_owned(),
        remark: None,
        shop_name: None,
        shop_no: Some("7".to_owned()),
    };
    sends(
        &sync,
        &[(
            "request",
            r#"{"order_sn":"261122-100000000000017","serial_no":"S1","verify_time":1795371800000,"out_voucher_id":"V1","shop_no":"7"}"#,
        )],
    );
}

#[test]
fn the_documented_answers_about_cards_are_read() {
    let found: OtaPrepared = parse(
        r#"{"success":true,"errorCode":1000000,"errorMsg":"","result":{"card_vo":{"available_start_time":1795363200,"available_end_time":1797955200,"mask_card_no":"12****7890","remain_times":1,"total_times":1,"status":1,"status_tips":""},"order_goods_vo":{"goods_name":"会员月卡","goods_number":1},"order_vo":{"order_sn":"261122-100000000000017","order_amount_fen":990}}}"#,
    );
    let found = found.result.unwrap();
    let card = found.card_vo.unwrap();
    assert_eq!((card.remain_times, card.status, card.status_tips), (Some(1), Some(1), None));
    assert_eq!(card.available_start_time.unwrap().timestamp(), 1_795_363_200);
    assert_eq!(found.order_vo.unwrap().order_amount, Some(Fen(990)));

    let reported: VerifiedCards = parse(
        r#"{"order_sn":"261122-100000000000017","goods_id":2557644875,"sku_id":55533589398,"mall_id":100000001,"voucher_list":[{"card_no":"C0001","card_code":"","mark_password":"****","status":2,"refund_status":1,"verification_at":1795371800000}]}"#,
    );
    assert_eq!((reported.mall_id, reported.voucher_list[0].status), (Some(MallId(100_000_001)), Some(2)));
    assert_eq!(reported.voucher_list[0].verification_at, Some(at()));
    assert!(!format!("{reported:?}").contains("C0001"));

    let plain: Decrypted = parse(
        r#"{"data_decrypt_list":[{"data_tag":"261122-100000000000017","data_type":2,"encrypted_data":"~Q0FSRA==~1~","decrypted_data":"C0001","error_code":0,"error_msg":"","virtual_number_type":0,"virtual_identify_number":""}]}"#,
    );
    assert_eq!(plain.data_decrypt_list[0].decrypted_data.as_ref().unwrap().expose(), "C0001");
    assert!(!format!("{plain:?}").contains("C0001"));
    let stores: MallStores =
        parse(r#"{"mallStoreVOList":[{"store_id":9001,"store_name":"总店","audit_status":2,"mall_id":100000001}]}"#);
    assert_eq!(stores.stores[0].store_id, Some(9001));
}

#[test]
fn shipments_and_charges_are_told() {
    let mut shipment =
        LogisticsOnlineSend { order_sn: sn(), logistics_id: 999, tracking_number: String::new(), redelivery: None };
    sends(&shipment, &[("logistics_id", "999"), ("order_sn", "261122-100000000000017")]);
    shipment.redelivery = Some(Redelivery::Modify);
    assert_eq!(params(&shipment).get("redelivery_type").map(String::as_str), Some("2"));

    let certificate = ChargeCertificate {
        amount: Some(Fen(5000)),
        charged_at: Some(at()),
        mobile: Some(SecretText::from("13800000000")),
        mobile_tail: None,
        charge_order_sn: None,
        text: None,
        merchant_outer_id: None,
    };
    assert!(!format!("{certificate:?}").contains("13800000000"));
    sends(
        &ChargeNotify {
            order_sn: sn(),
            outer_order_sn: "O1".to_owned(),
            status: ChargeStatus::Success,
            ele_invoice: None,
            certificates: vec![certificate],
        },
        &[
            (
                "charge_certi",
                r#"[{"charge_certi_amount":5000,"charge_certi_date":"2026-11-23 02:23:20","charge_certi_mobile":"13800000000"}]"#,
            ),
            ("order_sn", "261122-100000000000017"),
            ("outer_order_sn", "O1"),
            ("status", "SUCCESS"),
        ],
    );
}

#[test]
fn products_are_asked_for_changed_and_read() {
    let list = GoodsListGet { page: 1, page_size: 100, filter: GoodsFilter::OnSale(true) };
    sends(&list, &[("is_onsale", "1"), ("page", "1"), ("page_size", "100")]);
    let change =
        GoodsQuantityUpdate { goods_id: GoodsId(1), sku_id: PlatformSkuId(2), change: QuantityChange::Add(-3) };
    sends(&change, &[("goods_id", "1"), ("quantity", "-3"), ("sku_id", "2"), ("update_type", "2")]);
    let price = SkuPrice { sku_id: PlatformSkuId(2), group_price: Some(Fen(990)), single_price: None };
    let update =
        SkuPriceUpdate { goods_id: GoodsId(1), prices: vec![price], market_price: None, sync_goods_operate: Some(1) };
    sends(
        &update,
        &[("goods_id", "1"), ("sku_price_list", r#"[{"sku_id":2,"group_price":990}]"#), ("sync_goods_operate", "1")],
    );
    let page: GoodsPage = parse(
        r#"{"total_count":1,"goods_list":[{"goods_id":2557644875,"goods_name":"会员月卡","goods_quantity":100,"is_more_sku":0,"is_onsale":1,"created_at":1795000000,"sku_list":[{"sku_id":55533589398,"spec":"30天","sku_quantity":100,"outer_id":"CARD-30D","outer_goods_id":"CARD","is_sku_onsale":1,"spec_details":[]}]}]}"#,
    );
    assert_eq!(page.goods.items[0].sku_list[0].outer_id.as_deref(), Some("CARD-30D"));
    let detail: GoodsDetail = parse(
        r#"{"goods_id":2557644875,"goods_name":"会员月卡","cat_id":8929,"goods_type":15,"delivery_type":0,"elec_goods_attributes":{"time_type":3,"days_time":30},"status":1,"market_price":1990,"sku_list":[{"sku_id":55533589398,"out_sku_sn":"CARD-30D","quantity":100,"price":1090,"multi_price":990,"is_onsale":1,"spec":[{"parent_id":1216,"parent_name":"时长","spec_id":3811,"spec_name":"30天"}]}]}"#,
    );
    assert_eq!((detail.goods_type, detail.delivery_type), (Some(15), Some(0)));
    assert_eq!(detail.elec_goods_attributes.unwrap().days_time, Some(30));
    assert_eq!((detail.sku_list[0].group_price, detail.sku_list[0].single_price), (Some(Fen(990)), Some(Fen(1090))));
}

#[test]
fn after_sales_are_asked_for_and_read() {
    let list = RefundIncrementGet {
        from: at(),
        until: at(),
        after_sales_status: 1,
        after_sales_type: 1,
        page: 1,
        page_size: 100,
    };
    assert_eq!(params(&list).get("after_sales_status").map(String::as_str), Some("1"));
    sends(
        &RefundAgree { order_sn: sn(), after_sales_id: 600_001, operate_desc: None },
        &[("request", r#"{"order_sn":"261122-100000000000017","after_sales_id":600001}"#)],
    );
    sends(&RefundStatusCheck { order_sns: vec![sn()] }, &[("order_sns", "261122-100000000000017")]);
    let page: RefundPage = parse(
        r#"{"total_count":1,"refund_list":[{"id":600001,"order_sn":"261122-100000000000017","after_sales_status":2,"after_sales_type":2,"after_sale_reason":"不想要了","created_time":"2026-11-22 11:00:00","updated_time":"2026-11-22 11:00:00","order_amount":"9.90","refund_amount":"9.90","goods_number":"1","goods_id":2557644875,"sku_id":"55533589398"}]}"#,
    );
    let refund = &page.refunds.items[0];
    assert_eq!((refund.id, refund.refund_amount, refund.goods_number), (Some(600_001), Some(Fen(990)), Some(1)));
    let checked: RefundStatuses = parse(r#"{"order_sns_exists_refund":[]}"#);
    assert_eq!(checked.order_sns_exists_refund, Some(Vec::new()));
    assert_eq!(parse::<RefundStatuses>("{}").order_sns_exists_refund, None);
}

#[test]
fn push_permissions_and_decryption_are_asked_for() {
    sends(&PmcUserPermit::default(), &[]);
    let topics = vec!["pdd_trade_TradeConfirmed".to_owned(), "pdd_refund_RefundCreated".to_owned()];
    sends(&PmcUserPermit { topics }, &[("topics", "pdd_trade_TradeConfirmed,pdd_refund_RefundCreated")]);
    let user: PmcUserFound =
        parse(r#"{"pmc_user":{"owner_id":"100000001","created":"2026-11-22 10:00:00","is_expire":0,"topics":[]}}"#);
    let user = user.pmc_user.unwrap();
    assert_eq!((user.mall, user.expired), (Some(MallId(100_000_001)), Some(false)));
    let text = Encrypted {
        data_tag: "261122-100000000000017".to_owned(),
        encrypted_data: crate::wire::CipherText::new("~Q0FSRA==~1~".to_owned()),
    };
    sends(
        &DecryptBatch { texts: vec![text] },
        &[("data_list", r#"[{"data_tag":"261122-100000000000017","encrypted_data":"~Q0FSRA==~1~"}]"#)],
    );
}
