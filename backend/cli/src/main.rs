//! The kamiflow binary.
fn main() {}
