//! Every text a person reads, one function each, made by `build.rs` from `locales/`.

include!(concat!(env!("OUT_DIR"), "/texts.rs"));
