//! Names, compresses and lists the files.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use sha2::{Digest as _, Sha256};

use super::FOLDER;
use super::programs::Islands;
use crate::repository::Repository;

const MANIFEST: &str = "manifest.json";
const SOURCES: &str = "sources";

/// Returns whether the folder holds what these sources make.
pub(super) fn is_current(repository: &Repository, sources: &str) -> bool {
    let folder = repository.path(FOLDER);
    folder.join(MANIFEST).is_file() && fs::read_to_string(folder.join(SOURCES)).is_ok_and(|text| text == sources)
}

/// Replaces the folder.
pub(super) fn publish(repository: &Repository, sources: &str, islands: Islands, style: Vec<u8>) -> Result<()> {
    let folder = repository.path(FOLDER);
    let next = repository.path(&format!("{FOLDER}.new"));
    let _gone = fs::remove_dir_all(&next);
    fs::create_dir_all(&next).with_context(|| format!("could not create {}", next.display()))?;
    let plain = |name: &str| fs::read(repository.path("frontend/style").join(name));
    let files = [
        ("style", "css", style),
        ("boot", "js", plain("boot.js")?),
        ("passkey", "js", plain("passkey.js")?),
        ("module", "js", islands.module),
        ("wasm", "wasm", islands.wasm),
        ("icons", "svg", plain("icons.svg")?),
        ("mark", "svg", plain("mark.svg")?),
    ];
    let mut manifest = BTreeMap::new();
    for (role, extension, contents) in files {
        let name = format!("{role}.{}.{extension}", hash(&contents).get(..16).unwrap_or_default());
        write_compressed(&next, &name, &contents)?;
        manifest.insert(role, name);
    }
    fs::write(next.join(SOURCES), sources)?;
    fs::write(next.join(MANIFEST), as_json(&manifest))?;
    let _gone = fs::remove_dir_all(&folder);
    fs::rename(&next, &folder).with_context(|| format!("could not write {}", folder.display()))
}

/// Writes a file with its two compressed copies. It is done once for many downloads, hence the highest levels.
fn write_compressed(folder: &Path, name: &str, contents: &[u8]) -> Result<()> {
    fs::write(folder.join(name), contents)?;
    let mut brotli = brotli::CompressorWriter::new(fs::File::create(folder.join(format!("{name}.br")))?, 4096, 11, 22);
    brotli.write_all(contents)?;
    brotli.flush()?;
    drop(brotli);
    let gzip = fs::File::create(folder.join(format!("{name}.gz")))?;
    let mut gzip = flate2::write::GzEncoder::new(gzip, flate2::Compression::best());
    gzip.write_all(contents)?;
    gzip.finish()?;
    Ok(())
}

/// Names are roles and hashes, which need no escaping.
fn as_json(manifest: &BTreeMap<&str, String>) -> String {
    let rows: Vec<String> = manifest.iter().map(|(role, name)| format!("  \"{role}\": \"{name}\"")).collect();
    format!("{{\n{}\n}}\n", rows.join(",\n"))
}

/// Returns a hash in hexadecimal.
pub(super) fn hash(contents: &[u8]) -> String {
    use std::fmt::Write as _;
    Sha256::digest(contents).iter().fold(String::new(), |mut text, byte| {
        let _infallible = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_changes_with_the_contents() {
        assert_eq!(hash(b"a"), hash(b"a"));
        assert_ne!(hash(b"a"), hash(b"b"));
        assert_eq!(hash(b"a").len(), 64);
    }

    #[test]
    fn the_manifest_is_json() {
        let manifest = BTreeMap::from([("boot", "boot.1.js".to_owned()), ("wasm", "wasm.2.wasm".to_owned())]);
        assert_eq!(as_json(&manifest), "{\n  \"boot\": \"boot.1.js\",\n  \"wasm\": \"wasm.2.wasm\"\n}\n");
    }
}
