//! Attempts pass at once, then wait longer and longer, and each line by itself.

use std::time::Duration;

use futures_util::future::join_all;

use super::support::TestRedis;
use crate::{Decision, Line};

const HOUR: Duration = Duration::from_secs(3600);

fn line(name: &str, free: u32) -> Line {
    let (first_delay, longest_delay) = (Duration::from_secs(10), Duration::from_secs(60));
    Line { name: name.to_owned(), free, first_delay, longest_delay, forgotten_after: HOUR }
}

#[tokio::test]
async fn of_many_attempts_at_once_only_the_free_ones_pass() {
    let redis = TestRedis::start();
    let throttle = redis.queue().await.throttle();
    let lines = [line("a", 5)];
    let answers = join_all((0..50).map(|_| throttle.pass(&lines))).await;
    let passed = answers.iter().filter(|answer| *answer.as_ref().unwrap() == Decision::Granted).count();
    assert_eq!(passed, 5);
    let Decision::RetryAfter(wait) = throttle.pass(&lines).await.unwrap() else { panic!("it passed") };
    assert!(wait > Duration::from_secs(5) && wait <= Duration::from_secs(10), "{wait:?}");
}

#[tokio::test]
async fn a_closed_line_counts_nothing_in_the_others_and_hinders_nobody_else() {
    let redis = TestRedis::start();
    let throttle = redis.queue().await.throttle();
    assert_eq!(throttle.pass(&[line("closed", 1)]).await.unwrap(), Decision::Granted);
    for _ in 0..20 {
        assert_ne!(throttle.pass(&[line("open", 2), line("closed", 1)]).await.unwrap(), Decision::Granted);
    }
    assert_eq!(throttle.pass(&[line("open", 2)]).await.unwrap(), Decision::Granted, "20 refused ones were counted");
    assert_eq!(throttle.pass(&[line("open", 2)]).await.unwrap(), Decision::Granted);
}

#[tokio::test]
async fn an_attempt_that_went_well_is_forgiven() {
    let redis = TestRedis::start();
    let throttle = redis.queue().await.throttle();
    assert_eq!(throttle.pass(&[line("a", 1)]).await.unwrap(), Decision::Granted);
    assert_ne!(throttle.pass(&[line("a", 1)]).await.unwrap(), Decision::Granted);
    throttle.forgive(&["a"]).await.unwrap();
    assert_eq!(throttle.pass(&[line("a", 1)]).await.unwrap(), Decision::Granted);
}

#[tokio::test]
async fn the_delay_doubles_up_to_the_longest() {
    let redis = TestRedis::start();
    let throttle = redis.queue().await.throttle();
    let short = Line {
        name: "short".to_owned(),
        free: 1,
        first_delay: Duration::from_millis(1),
        longest_delay: Duration::from_secs(60),
        forgotten_after: HOUR,
    };
    let mut longest = Duration::ZERO;
    // 1, 2, 4, 8 … ms: each is waited for by asking again.
    for _ in 0..8 {
        while let Decision::RetryAfter(wait) = throttle.pass(std::slice::from_ref(&short)).await.unwrap() {
            longest = longest.max(wait);
        }
    }
    assert!(longest >= Duration::from_millis(60), "the seventh delay is 64 ms, not {longest:?}");
}
