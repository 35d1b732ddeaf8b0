//! Redemption rules of any bytes; what must hold is said in tests/fuzz-bodies.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| kamiflow_fuzz_bodies::rule_evaluation::run(input));
