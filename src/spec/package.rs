//! Reads the published package of definitions, packed or unpacked, and the files of the official build.
//! <https://hl7.org/fhir/R4/downloads.html>

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::build::BuildError;

/// The largest definition file; the official bundle of types is about 5 MiB when unpacked.
const MAX_FILE_BYTES: u64 = 64 << 20;
/// The largest package in all; the R4 package is about 70 MiB when unpacked.
const MAX_PACKAGE_BYTES: u64 = 1 << 30;
/// The kinds of definition that are derived from; the rest of the package is not kept in memory.
const WANTED: [&str; 6] = [
    "StructureDefinition",
    "SearchParameter",
    "OperationDefinition",
    "CompartmentDefinition",
    "ValueSet",
    "CodeSystem",
];

/// A package of definitions in memory.
pub(crate) struct Package {
    /// `hl7.fhir.r4.core`.
    pub(crate) name: String,
    pub(crate) version: String,
    /// Of the packed file; of an unpacked folder, of the names and contents of its files.
    pub(crate) sha256: String,
    files: BTreeMap<String, Vec<u8>>,
}

impl Package {
    /// Opens a `.tgz` file or an unpacked folder.
    pub(crate) fn open(path: &Path) -> Result<Package, BuildError> {
        let (files, sha256) = if path.is_dir() { read_folder(path)? } else { read_archive(path)? };
        let manifest = files
            .get("package.json")
            .ok_or_else(|| BuildError::new(format!("{} has no package.json", path.display())))?;
        let manifest = parse(manifest, "package.json")?;
        let field = |name: &str| manifest.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let name = field("name");
        let name = name.rsplit('/').next().unwrap_or_default().to_owned();
        Ok(Package { name, version: field("version"), sha256, files })
    }

    /// The definitions of one resource type, in the order of their file names.
    pub(crate) fn all(&self, resource_type: &str) -> Result<Vec<Value>, BuildError> {
        let prefix = format!("{resource_type}-");
        let own = self.files.iter().filter(|(name, _)| name.starts_with(&prefix));
        own.map(|(name, bytes)| parse(bytes, name)).collect()
    }
}

/// A file of the official build: the resources of its bundle, and its checksum.
pub(crate) fn read_bundle(path: &Path) -> Result<(Vec<Value>, String), BuildError> {
    let packed = fs::read(path).map_err(|error| BuildError::file(path, error))?;
    let text = bounded(GzDecoder::new(packed.as_slice()), path)?;
    let mut bundle = parse(&text, &path.display().to_string())?;
    let entries = match bundle.get_mut("entry").map(Value::take) {
        Some(Value::Array(entries)) => entries,
        _ => return Err(BuildError::new(format!("{} is not a bundle with entries", path.display()))),
    };
    let resources =
        entries.into_iter().filter_map(|mut entry| entry.get_mut("resource").map(Value::take)).collect();
    Ok((resources, hex(&Sha256::digest(&packed))))
}

type Files = BTreeMap<String, Vec<u8>>;

fn is_wanted(name: &str) -> bool {
    name == "package.json"
        || name.ends_with(".json") && name.split_once('-').is_some_and(|(kind, _)| WANTED.contains(&kind))
}

fn read_archive(path: &Path) -> Result<(Files, String), BuildError> {
    let packed = fs::read(path).map_err(|error| BuildError::file(path, error))?;
    let mut archive = tar::Archive::new(GzDecoder::new(packed.as_slice()).take(MAX_PACKAGE_BYTES));
    let mut files = Files::new();
    for entry in archive.entries().map_err(|error| BuildError::file(path, error))? {
        let entry = entry.map_err(|error| BuildError::file(path, error))?;
        let inner = entry.path().map_err(|error| BuildError::file(path, error))?.into_owned();
        let name = inner.strip_prefix("package").unwrap_or(&inner).to_string_lossy().into_owned();
        if is_wanted(&name) {
            files.insert(name, bounded(entry, &inner)?);
        }
    }
    Ok((files, hex(&Sha256::digest(&packed))))
}

fn read_folder(path: &Path) -> Result<(Files, String), BuildError> {
    let inner = path.join("package");
    let folder: PathBuf = if inner.is_dir() { inner } else { path.to_owned() };
    let mut files = Files::new();
    for entry in fs::read_dir(&folder).map_err(|error| BuildError::file(&folder, error))? {
        let entry = entry.map_err(|error| BuildError::file(&folder, error))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if is_wanted(&name) {
            let file =
                fs::File::open(entry.path()).map_err(|error| BuildError::file(&entry.path(), error))?;
            files.insert(name, bounded(file, &entry.path())?);
        }
    }
    let mut digest = Sha256::new();
    for (name, bytes) in &files {
        digest.update(name.as_bytes());
        digest.update([0]);
        digest.update(Sha256::digest(bytes));
    }
    Ok((files, hex(&digest.finalize())))
}

fn bounded(reader: impl Read, path: &Path) -> Result<Vec<u8>, BuildError> {
    let mut bytes = Vec::new();
    let read = reader.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes);
    let length = read.map_err(|error| BuildError::file(path, error))?;
    if length as u64 > MAX_FILE_BYTES {
        return Err(BuildError::new(format!("{} is larger than {MAX_FILE_BYTES} bytes", path.display())));
    }
    Ok(bytes)
}

fn parse(bytes: &[u8], name: &str) -> Result<Value, BuildError> {
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    serde_json::from_slice(bytes).map_err(|error| BuildError::new(format!("{name} is not JSON: {error}")))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a string cannot fail");
        text
    })
}
