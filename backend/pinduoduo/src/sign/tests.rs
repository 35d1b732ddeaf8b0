//! The signature against every captured, published and derived request.

use std::collections::BTreeMap;
use std::path::PathBuf;

use proptest::prelude::*;
use serde_json::Value;

use super::{push_digest, sign};

fn vectors() -> Vec<(String, Value)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors");
    let mut found: Vec<(String, Value)> = std::fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .map(|path| {
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            (name, serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap())
        })
        .collect();
    found.sort_by(|left, right| left.0.cmp(&right.0));
    found
}

#[test]
fn every_vector_recomputes() {
    let mut signed = 0;
    for (name, vector) in vectors() {
        let Some(params) = vector.get("params_as_sent").or_else(|| vector.get("params")) else { continue };
        let params: BTreeMap<String, String> = params
            .as_object()
            .unwrap()
            .iter()
            .filter(|(key, _)| *key != "sign")
            .map(|(key, value)| (key.clone(), value.as_str().unwrap().to_owned()))
            .collect();
        let expected = vector.get("sign_sent").or_else(|| vector.get("sign")).unwrap().as_str().unwrap();
        assert_eq!(sign(&params, vector["client_secret"].as_str().unwrap()), expected, "{name}");
        signed += 1;
    }
    assert!(signed >= 10, "only {signed} signed vectors were found");
}

#[test]
fn the_push_digest_is_the_published_one() {
    let (_, vector) = vectors().into_iter().find(|(name, _)| name == "pmc-digest").unwrap();
    let digest = push_digest(
        vector["client_id"].as_str().unwrap(),
        vector["timestamp_ms"].as_i64().unwrap(),
        vector["client_secret"].as_str().unwrap(),
    );
    assert_eq!(digest, vector["digest"].as_str().unwrap());
}

proptest! {
    #[test]
    fn the_order_of_insertion_does_not_matter(
        pairs in proptest::collection::btree_map("[a-z_]{1,12}", "[ -~卡券]{1,20}", 0..12),
        seed in any::<u64>(),
    ) {
        let mut shuffled: Vec<_> = pairs.clone().into_iter().collect();
        shuffled.sort_by_key(|(key, _)| key.bytes().fold(seed, |hash, byte| hash.rotate_left(7) ^ u64::from(byte).wrapping_mul(0x9E37_79B9)));
        let reinserted: BTreeMap<_, _> = shuffled.into_iter().collect();
        prop_assert_eq!(sign(&pairs, "secret"), sign(&reinserted, "secret"));
    }
}
