//! What the compiler cannot see: catalogs that lack a text, icons outside of the sprite. Words outside of the catalogs are
//! looked for in `words.rs`.
#![cfg(feature = "ssr")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a source that cannot be read is a test that fails")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path, extension));
        } else if path.extension().is_some_and(|found| found == extension) {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Returns `area.key` with the sorted placeholders of each text.
fn catalog(locale: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut texts = BTreeMap::new();
    for path in files(&root("locales").join(locale), "json") {
        let area = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let json: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        for (key, text) in json {
            let text = text.get("other").unwrap_or(&text).as_str().unwrap().to_owned();
            assert!(!text.trim().is_empty(), "{locale} {area}.{key} says nothing");
            let names = text.split('{').skip(1).map(|part| part.split('}').next().unwrap().to_owned()).collect();
            texts.insert(format!("{area}.{key}"), names);
        }
    }
    texts
}

#[test]
fn every_text_is_there_in_both_languages_with_the_same_placeholders() {
    let (chinese, english) = (catalog("zh-CN"), catalog("en"));
    assert!(chinese.len() > 300, "the catalogs were found");
    for (key, names) in &chinese {
        assert_eq!(english.get(key), Some(names), "{key} in English");
    }
    for key in english.keys() {
        assert!(chinese.contains_key(key), "{key} in Chinese");
    }
}

#[test]
fn the_sprite_holds_the_icons_that_are_named_and_no_others() {
    let sprite = fs::read_to_string(root("../style/icons.svg")).unwrap();
    let drawn: BTreeSet<&str> =
        sprite.split("<symbol id=\"").skip(1).map(|part| part.split('"').next().unwrap()).collect();
    let sources: String = files(&root("src"), "rs").iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    for name in &drawn {
        assert!(sources.contains(&format!("\"{name}\"")), "nothing shows the icon {name}");
    }
    for mark in ["Icon name=\"", "icon=\"", "href(\""] {
        for name in sources.split(mark).skip(1).map(|part| part.split('"').next().unwrap()) {
            assert!(drawn.contains(name), "frontend/style/icons.svg lacks {name}");
        }
    }
}
