//! The bodies of the fuzz targets as property tests: over the committed inputs, over changed ones, and over any bytes.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "an arrangement that fails is a test that fails, at the line that says why"
)]

use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use kamiflow_fuzz_bodies::{card_import, gateway_answer, push_frame, rule_evaluation};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{Config, TestRunner};

/// What readers look for; changed inputs get these where chance would not find them.
const TOKENS: &[&str] = &[
    "\"",
    "\n",
    "\r\n",
    "\r",
    ",",
    "\t",
    "|",
    "----",
    " ",
    "卡号",
    "卡密：",
    "有效期",
    "2026-12-31",
    "永久",
    "1E20",
    "\u{200b}",
    "\u{3000}",
    "\u{feff}",
    "=1+1",
    "{",
    "}",
    "[",
    "]",
    ":",
    "null",
    "true",
    "false",
    "-1",
    "0",
    "9223372036854775808",
    "1e999",
    "\\u0000",
    "\\ud800",
    "\"id\":",
    "\"error_response\":",
    "\"commandType\":",
    "\"Common\"",
    "\"message\":",
    "\"content\":",
    "\"mallID\":",
    "\"is_success\":",
    "\"version\":1",
    "\"rules\":",
    "\"action\":\"redeem\"",
    "PK\u{3}\u{4}",
];

/// A second or two.
const FEWEST_CASES: u32 = 3000;

#[derive(Debug, Clone)]
enum Edit {
    Set(Index, u8),
    Insert(Index, &'static str),
    Remove(Index, u8),
    Double(Index, u8),
    Cut(Index),
}

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let edit = prop_oneof![
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Edit::Set(at, byte)),
        (any::<Index>(), select(TOKENS)).prop_map(|(at, token)| Edit::Insert(at, token)),
        (any::<Index>(), 1..20_u8).prop_map(|(at, n)| Edit::Remove(at, n)),
        (any::<Index>(), 1..40_u8).prop_map(|(at, n)| Edit::Double(at, n)),
        any::<Index>().prop_map(Edit::Cut),
    ];
    prop::collection::vec(edit, 1..6)
}

fn apply(edits: &[Edit], input: &mut Vec<u8>) {
    for edit in edits {
        let place = |at: &Index| at.index(input.len() + 1);
        let end = |from: usize, n: u8| (from + usize::from(n)).min(input.len());
        match edit {
            Edit::Set(at, byte) => {
                let at = place(at);
                if let Some(slot) = input.get_mut(at) {
                    *slot = *byte;
                }
            }
            Edit::Insert(at, token) => {
                let at = place(at);
                input.splice(at..at, token.bytes());
            }
            Edit::Remove(at, n) => {
                let at = place(at);
                input.drain(at..end(at, *n));
            }
            Edit::Double(at, n) => {
                let at = place(at);
                let part = input[at..end(at, *n)].to_vec();
                input.splice(at..at, part);
            }
            Edit::Cut(at) => input.truncate(place(at)),
        }
    }
}

fn corpus(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target);
    let mut inputs: Vec<(PathBuf, Vec<u8>)> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.clone(), std::fs::read(path).unwrap()))
        .collect();
    inputs.sort();
    assert!(inputs.len() >= 12, "{target}: {} inputs are committed", inputs.len());
    inputs
}

/// Runs a body over its committed inputs, then over what chance makes of them, of tokens and of nothing.
/// PROPTEST_CASES asks for more of them.
fn holds(target: &str, head: usize, body: fn(&[u8])) {
    let seeds = corpus(target);
    for (path, input) in &seeds {
        assert!(catch_unwind(|| body(input)).is_ok(), "{} breaks a property", path.display());
    }
    let inputs: Vec<Vec<u8>> = seeds.into_iter().map(|(_, input)| input).collect();
    let changed = (select(inputs), edits()).prop_map(|(mut input, edits)| {
        apply(&edits, &mut input);
        input
    });
    let tokens = (prop::collection::vec(any::<u8>(), head), prop::collection::vec(select(TOKENS), 0..40))
        .prop_map(|(head, tokens)| [head, tokens.concat().into_bytes()].concat());
    let any_bytes = prop::collection::vec(any::<u8>(), 0..400);
    let usual = Config::default();
    // Found inputs belong into the corpus, where fuzzing starts from them too.
    let config = Config { cases: usual.cases.max(FEWEST_CASES), failure_persistence: None, ..usual };
    let strategy = prop_oneof![4 => changed, 1 => tokens, 2 => any_bytes];
    TestRunner::new(config)
        .run(&strategy, |input| {
            body(&input);
            Ok(())
        })
        .unwrap();
}

#[test]
fn card_files_of_any_bytes_are_read_line_by_line() {
    holds("card_import", 3, card_import::run);
}

#[test]
fn only_a_whole_success_of_the_gateway_is_one() {
    holds("gateway_answer", 2, gateway_answer::run);
}

#[test]
fn push_frames_of_any_text_are_read_or_passed_over() {
    holds("push_frame", 1, push_frame::run);
}

#[test]
fn every_order_gets_one_verdict_with_reasons() {
    holds("rule_evaluation", 15, rule_evaluation::run);
}
