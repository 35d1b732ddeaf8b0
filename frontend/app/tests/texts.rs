//! What the compiler cannot see: catalogs that lack a text, words outside of the catalogs, icons outside of the sprite.
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

/// Attributes that people read or hear.
const SPOKEN: &[&str] = &["title=", "alt=", "placeholder=", "aria-label=", "label="];

/// Returns the words of one line that stand in the source instead of a catalog.
fn words_in(line: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = line;
    while let Some(start) = rest.find('"') {
        let Some(length) = rest[start + 1..].find('"') else { break };
        let (before, text) = (rest[..start].trim_end(), &rest[start + 1..start + 1 + length]);
        // Alone on its line it is a text of a view, unless it is one of several arguments.
        let is_argument = rest[start + length + 2..].trim_start().starts_with([',', ')']);
        let is_text = (before.is_empty() && !is_argument) || before.ends_with('>') || before.ends_with('}');
        let is_spoken = SPOKEN.iter().any(|attribute| before.ends_with(attribute));
        let says_something = text.chars().filter(|letter| letter.is_alphabetic()).count() > 1;
        let is_chinese = text.chars().any(|letter| ('\u{3400}'..='\u{9fff}').contains(&letter));
        if is_chinese || (says_something && (is_spoken || is_text) && !text.starts_with('/')) {
            found.push(text.to_owned());
        }
        rest = &rest[start + length + 2..];
    }
    found
}

#[test]
fn no_page_says_anything_that_is_not_in_the_catalogs() {
    let mut found = Vec::new();
    for folder in ["src/pages", "src/layouts", "src/components", "src/islands"] {
        for path in files(&root(folder), "rs") {
            let source = fs::read_to_string(&path).unwrap();
            let shown = source.split("#[cfg(test)]").next().unwrap();
            // Only what stands in a view is shown; outside of one, a literal at the start of a line is a match arm's.
            for (index, line) in shown.lines().enumerate() {
                let code = line.split("//").next().unwrap();
                if code.contains("=>") || code.trim_start().starts_with("#[") {
                    continue;
                }
                found
                    .extend(words_in(code).into_iter().map(|text| format!("{}:{}: {text}", path.display(), index + 1)));
            }
        }
    }
    assert_eq!(found, [""; 0], "move them to locales/");
}

#[test]
fn the_search_for_words_finds_them() {
    for line in [
        r#"<p>"Hello"</p>"#,
        r#"<p>{name}" is here"</p>"#,
        r#"<img alt="A picture"/>"#,
        r#"<button aria-label="Close">"#,
        r#"let title = "你好";"#,
        r#"    "Standing alone""#,
    ] {
        assert_eq!(words_in(line).len(), 1, "{line}");
    }
    for line in [
        r#"    "circle-alert","#,
        r#"<p class="card">{t::site::name()}</p>"#,
        r#"<a href="/pricing">" "</a>"#,
        r#"icon="eye""#,
    ] {
        assert_eq!(words_in(line), [""; 0], "{line}");
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
