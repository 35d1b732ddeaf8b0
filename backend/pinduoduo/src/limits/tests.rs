//! The limits stay below the platform's at every level.

use std::time::Duration;

use kamiflow_kernel::{GatewayKind, MallId};

use super::table::{Level, PLATFORM};
use super::{Bucket, Caller, LimitPolicy};
use crate::api::catalog;

const CALLER: Caller<'_> = Caller { gateway: GatewayKind::Production, client_id: "app1", mall: Some(MallId(7)) };

fn buckets(policy: LimitPolicy, api: &str) -> Vec<Bucket> {
    policy.buckets(catalog::find(api).unwrap().meta, CALLER)
}

#[test]
fn every_bucket_stays_below_the_platforms_limit_in_any_window() {
    for limit in PLATFORM {
        let found = buckets(LimitPolicy::default(), limit.api);
        let prefix = match limit.level {
            Level::Mall => "production:mall:7:app1:",
            Level::Application => "production:app:app1:",
            Level::Total => "production:api:",
        };
        let suffix = if limit.outside_cloud_only { ":outside" } else { "" };
        let key = format!("{prefix}{}{suffix}", limit.api);
        let bucket = found.iter().find(|bucket| bucket.key == key).unwrap_or_else(|| panic!("{key} in {found:?}"));
        let window = Duration::from_secs(limit.seconds).as_millis();
        let steady = u128::from(bucket.permits) * window / bucket.per.as_millis();
        let most = steady + u128::from(bucket.burst) - 1;
        assert!(most < u128::from(limit.permits).max(2), "{bucket:?} against {limit:?}");
        assert!(bucket.permits >= 1 && bucket.burst >= 1, "{bucket:?}");
    }
}

#[test]
fn every_limit_names_an_api_of_this_client() {
    for limit in PLATFORM {
        assert!(catalog::find(limit.api).is_some(), "{}", limit.api);
    }
}

#[test]
fn redemption_of_platform_cards_is_one_a_second_for_everybody() {
    let found = buckets(LimitPolicy::default(), "pdd.voucher.ota.card.verification");
    let expected = Bucket {
        key: "production:api:pdd.voucher.ota.card.verification".to_owned(),
        permits: 1,
        per: Duration::from_secs(1),
        burst: 1,
    };
    assert_eq!(found, [expected]);
}

#[test]
fn decryption_outside_the_cloud_is_once_in_ten_seconds() {
    let outside = buckets(LimitPolicy::default(), "pdd.open.decrypt.batch");
    assert!(outside.iter().any(|bucket| bucket.key.ends_with(":outside") && bucket.per > Duration::from_secs(10)));
    let inside =
        buckets(LimitPolicy { inside_platform_cloud: true, ..LimitPolicy::default() }, "pdd.open.decrypt.batch");
    assert!(inside.iter().all(|bucket| !bucket.key.ends_with(":outside")) && !inside.is_empty());
}

#[test]
fn an_api_without_documented_limit_is_held_back_per_mall_all_the_same() {
    let found = buckets(LimitPolicy::default(), "pdd.order.basic.list.get");
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].permits, found[0].per), (600, Duration::from_mins(1)));
}

#[test]
fn a_scaled_platform_scales_the_buckets() {
    let policy = LimitPolicy { scale_down: 1000, ..LimitPolicy::default() };
    let found = buckets(policy, "pdd.voucher.voucher.info.send");
    assert_eq!((found[0].permits, found[0].per, found[0].burst), (2, Duration::from_mins(1), 1));
    let found = buckets(policy, "pdd.refund.list.increment.get");
    // 100 per 10 s at 80 % and a thousandth is one call in 125 s.
    assert_eq!((found[0].permits, found[0].per), (1, Duration::from_secs(125)));
}
