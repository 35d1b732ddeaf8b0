//! Every shape the platform is known to write.

use chrono::{DateTime, Utc};
use kamiflow_kernel::{Fen, GoodsId};
use proptest::prelude::*;
use serde::Deserialize;

use super::{CipherShape, CipherText, Listing};

#[derive(Debug, Deserialize)]
struct Sample {
    #[serde(default, deserialize_with = "super::goods_id")]
    goods_id: Option<GoodsId>,
    #[serde(default, deserialize_with = "super::yuan")]
    amount: Option<Fen>,
    #[serde(default, deserialize_with = "super::time")]
    at: Option<DateTime<Utc>>,
    #[serde(default, deserialize_with = "super::int")]
    number: Option<i64>,
    #[serde(default, deserialize_with = "super::flag")]
    flag: Option<bool>,
}

fn read(json: &str) -> Result<Sample, serde_json::Error> {
    serde_json::from_str(json)
}

#[test]
fn ids_are_numbers_or_texts_and_keep_every_digit() {
    for json in [r#"{"goods_id":9007199254740993}"#, r#"{"goods_id":"9007199254740993"}"#] {
        assert_eq!(read(json).unwrap().goods_id, Some(GoodsId(9_007_199_254_740_993)), "{json}");
    }
    for json in ["{}", r#"{"goods_id":null}"#, r#"{"goods_id":""}"#] {
        assert_eq!(read(json).unwrap().goods_id, None, "{json}");
    }
    for json in [r#"{"goods_id":1.5}"#, r#"{"goods_id":"a"}"#, r#"{"goods_id":{}}"#, r#"{"goods_id":[1]}"#] {
        assert!(read(json).is_err(), "{json}");
    }
}

#[test]
fn yuan_become_fen_without_floating_point() {
    for (amount, fen) in [
        ("9.9", 990),
        ("0.1", 10),
        ("\"9.90\"", 990),
        ("0.29", 29),
        ("1.13", 113),
        ("4.35", 435),
        ("0", 0),
        ("0.0", 0),
        ("1.2345678E7", 1_234_567_800),
        ("1.0E-2", 1),
        ("-3.5", -350),
        ("\"-1E1\"", -1000),
        ("90071992547409.93", 9_007_199_254_740_993),
    ] {
        assert_eq!(read(&format!("{{\"amount\":{amount}}}")).unwrap().amount, Some(Fen(fen)), "{amount}");
    }
    for amount in ["1.005", "\"abc\"", "true", "1e99", "1E-3", "[]"] {
        assert!(read(&format!("{{\"amount\":{amount}}}")).is_err(), "{amount}");
    }
    assert_eq!(read(r#"{"amount":null}"#).unwrap().amount, None);
}

#[test]
fn times_are_beijing_and_empty_ones_are_absent() {
    let at = read(r#"{"at":"2026-11-22 10:00:06"}"#).unwrap().at.unwrap();
    assert_eq!(at.to_rfc3339(), "2026-11-22T02:00:06+00:00");
    for json in [r#"{"at":""}"#, r#"{"at":null}"#, r#"{"at":"0000-00-00 00:00:00"}"#, "{}"] {
        assert_eq!(read(json).unwrap().at, None, "{json}");
    }
    assert!(read(r#"{"at":"yesterday"}"#).is_err());
}

#[test]
fn numbers_and_flags_come_in_several_spellings() {
    for json in [r#"{"number":"1","flag":true}"#, r#"{"number":1,"flag":1}"#, r#"{"number":true,"flag":"true"}"#] {
        let sample = read(json).unwrap();
        assert_eq!((sample.number, sample.flag), (Some(1), Some(true)), "{json}");
    }
    assert!(read(r#"{"flag":2}"#).is_err());
}

#[test]
fn one_odd_element_does_not_hide_the_others_and_shows_no_value() {
    #[derive(Deserialize)]
    struct Page {
        #[serde(default, deserialize_with = "super::each")]
        list: Listing<crate::api::order::Order>,
    }
    let page: Page = serde_json::from_str(
        r#"{"list":[{"order_sn":"261122-100000000000017"},
                    {"order_sn":"261122-100000000000018","item_list":"private words"},
                    {"pay_amount":1}]}"#,
    )
    .unwrap();
    assert_eq!(page.list.items.len(), 1);
    assert_eq!(page.list.unreadable.len(), 2);
    assert_eq!(page.list.unreadable[0].order_sn.as_deref(), Some("261122-100000000000018"));
    assert_eq!(page.list.unreadable[1].order_sn, None);
    assert!(page.list.unreadable.iter().all(|odd| !odd.reason.contains("private")), "{:?}", page.list.unreadable);
    let empty: Page = serde_json::from_str(r#"{"list":null}"#).unwrap();
    assert!(empty.list.items.is_empty());
}

#[test]
fn encrypted_texts_show_their_shape_and_nothing_else() {
    for (text, shape) in [
        ("~Q0FSRA==~1~", CipherShape::Simple),
        ("~Q0FSRA==~aWR4~1~~", CipherShape::Searchable),
        ("$Q0FSRA==$1$", CipherShape::Phone),
        ("$aWR4$Q0FSRA==$1$$", CipherShape::SearchablePhone),
        ("#Q0FSRA==#1#", CipherShape::IdNumber),
        ("#aWR4#Q0FSRA==#1##", CipherShape::SearchableIdNumber),
        ("C0001", CipherShape::Unrecognized),
        ("~~", CipherShape::Unrecognized),
        ("~a~", CipherShape::Unrecognized),
        ("", CipherShape::Unrecognized),
    ] {
        let cipher = CipherText::new(text.to_owned());
        assert_eq!(cipher.shape(), shape, "{text}");
        assert!(!format!("{cipher:?}").contains("Q0FSRA"));
    }
}

proptest! {
    #[test]
    fn any_amount_survives_the_wire(fen in -1_000_000_000_000i64..1_000_000_000_000) {
        let text = Fen(fen).to_string();
        for json in [format!("{{\"amount\":{text}}}"), format!("{{\"amount\":\"{text}\"}}")] {
            prop_assert_eq!(read(&json).unwrap().amount, Some(Fen(fen)));
        }
    }

    #[test]
    fn no_scalar_makes_a_reader_panic(text in ".{0,30}") {
        let quoted = serde_json::to_string(&text).unwrap();
        let _refused = read(&format!(r#"{{"amount":{quoted},"at":{quoted},"number":{quoted},"flag":{quoted}}}"#));
    }
}
