//! Turns the catalogs under `locales/` into one function per text, so that a wrong key does not compile.
//!
//! `locales/zh-CN/landing.json` and `locales/en/landing.json` become the module `t::landing`. A text is a string, with
//! `{name}` for what is filled in, or `{"one": …, "other": …}` where the number `{count}` changes the words. A text that
//! one language lacks, or that is filled in differently there, ends the build; a text nobody shows is dead code.

use std::collections::BTreeSet;
use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use serde_json::{Map, Value};

/// The default comes first; its placeholders give the arguments their order.
const LOCALES: [&str; 2] = ["zh-CN", "en"];

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    println!("cargo::rerun-if-changed=locales");
    println!("cargo::rerun-if-changed=build.rs");
    let mut code = String::new();
    for area in areas()? {
        let [default, other] = LOCALES.map(|locale| read(locale, &area));
        let (default, other) = (default?, other?);
        write!(code, "/// Texts of `{area}.json`.\npub(crate) mod {area} {{\n")?;
        for (key, text) in &default {
            let translated = other.get(key).ok_or_else(|| format!("locales/en/{area}.json lacks `{key}`"))?;
            code.push_str(&function(&area, key, text, translated)?);
        }
        if let Some(key) = other.keys().find(|key| !default.contains_key(*key)) {
            return Err(format!("locales/zh-CN/{area}.json lacks `{key}`").into());
        }
        code.push_str("}\n");
    }
    #[expect(clippy::disallowed_methods, reason = "cargo tells build scripts through the environment where to write")]
    let out = std::env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?;
    fs::write(Path::new(&out).join("texts.rs"), code)?;
    Ok(())
}

/// Lists the names of the catalogs of any language.
fn areas() -> Outcome<BTreeSet<String>> {
    let mut areas = BTreeSet::new();
    for locale in LOCALES {
        for entry in fs::read_dir(Path::new("locales").join(locale))? {
            let name = entry?.file_name().into_string().map_err(|name| format!("{} is not UTF-8", name.display()))?;
            areas.extend(name.strip_suffix(".json").map(str::to_owned));
        }
    }
    Ok(areas)
}

fn read(locale: &str, area: &str) -> Outcome<Map<String, Value>> {
    let path = format!("locales/{locale}/{area}.json");
    let text = fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
    serde_json::from_str(&text).map_err(|error| format!("{path}: {error}").into())
}

/// Returns the function that gives one text.
fn function(area: &str, key: &str, default: &Value, other: &Value) -> Outcome<String> {
    let names = placeholders(default);
    if names.iter().collect::<BTreeSet<_>>() != placeholders(other).iter().collect() {
        return Err(format!("{area}.{key} is filled in differently by language").into());
    }
    let counted = default.is_object() || other.is_object();
    let arguments: Vec<String> = names
        .iter()
        .map(|name| {
            let kind = if counted && name == "count" { "u64" } else { "impl std::fmt::Display" };
            format!("{name}: {kind}")
        })
        .collect();
    let (kind, [zh, en]) = if names.is_empty() {
        ("&'static str", [format!("{:?}", plain(default)), format!("{:?}", plain(other))])
    } else {
        ("String", [formatted(default), formatted(other)])
    };
    Ok(format!(
        "    /// {doc}\n    pub(crate) fn {key}({arguments}) -> {kind} {{\n        match crate::locale::current() {{\n            \
         kamiflow_kernel::Locale::Zh => {zh},\n            kamiflow_kernel::Locale::En => {en},\n        }}\n    }}\n",
        doc = plain(default).replace('\n', " "),
        arguments = arguments.join(", "),
    ))
}

/// Returns a text, or the form that most numbers take.
fn plain(text: &Value) -> &str {
    let form = text.get("other").unwrap_or(text);
    form.as_str().unwrap_or_default()
}

/// Returns the expression that fills a text in.
fn formatted(text: &Value) -> String {
    let of = |text: &str| format!("format!({text:?})");
    match text.get("one").and_then(Value::as_str) {
        Some(one) if one != plain(text) => format!("if count == 1 {{ {} }} else {{ {} }}", of(one), of(plain(text))),
        _ => of(plain(text)),
    }
}

/// Lists what is filled in, in the order of its first mention.
fn placeholders(text: &Value) -> Vec<String> {
    let mut names = Vec::new();
    for part in plain(text).split('{').skip(1) {
        let name = part.split('}').next().unwrap_or_default().to_owned();
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}
