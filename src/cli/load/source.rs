//! Finding files and reading them piece by piece. Nothing is unpacked whole: an archive is a stream.
//!
//! Bundles of a generator refer to hospitals and practitioners by identifier, so these must be there
//! first. Everything is read in two passes: first the files whose first resource is of a type that
//! belongs to no patient (it is not in the Patient compartment), then the others; by path within each.

use super::file_error;
use super::progress::Progress;
use flate2::read::MultiGzDecoder;
use remit_fhir::{Error, Result};
use remit_spec::Definitions;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Largest single JSON document or line. A year of a hospital as one Bundle is some 100 MiB; more
/// should be NDJSON.
const MAX_PIECE_BYTES: u64 = 512 << 20;
/// How far into a file its first resource is looked for.
const HEAD_BYTES: usize = 64 << 10;
/// The folder in which all files of a FHIR package lie.
const PACKAGE: &str = "package";
/// Folders inside each other; a loop of links ends here.
const MAX_FOLDER_DEPTH: usize = 32;

/// Which of the two passes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Pass {
    /// What belongs to no patient.
    Shared,
    /// Everything else.
    Others,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Json,
    Lines,
    Archive,
}

#[derive(Clone, Debug)]
struct Found {
    path: PathBuf,
    kind: Kind,
    is_packed: bool,
    bytes: u64,
}

/// The files to load.
#[derive(Debug, Default)]
pub(super) struct Files {
    found: Vec<Found>,
    /// Files in folders that are of no kind that is known.
    pub(super) ignored: u64,
}

impl Files {
    /// Bytes that will be read; archives are read in both passes.
    pub(super) fn bytes(&self) -> u64 {
        self.found.iter().map(|file| file.bytes * if file.kind == Kind::Archive { 2 } else { 1 }).sum()
    }
}

/// What a name says of a file.
fn kind(path: &Path) -> Option<(Kind, bool)> {
    let name = path.file_name()?.to_str()?.to_ascii_lowercase();
    if name.starts_with('.') {
        return None;
    }
    let unpacked = name.strip_suffix(".gz");
    match unpacked.unwrap_or(&name).rsplit_once('.')?.1 {
        "json" => Some((Kind::Json, unpacked.is_some())),
        "ndjson" | "jsonl" => Some((Kind::Lines, unpacked.is_some())),
        "tar" => Some((Kind::Archive, unpacked.is_some())),
        "tgz" => Some((Kind::Archive, true)),
        _ => None,
    }
}

/// Finds the files that the user names, folders with all below them, in order of their paths.
pub(super) fn find(paths: &[PathBuf]) -> Result<Files> {
    let mut files = Files::default();
    for path in paths {
        let facts = std::fs::metadata(path)
            .map_err(|e| Error::invalid(format!("{} cannot be read.", path.display())).because(e))?;
        if facts.is_dir() {
            folder(path, 0, &mut files)?;
            continue;
        }
        let Some((kind, is_packed)) = kind(path) else {
            return Err(Error::invalid(format!(
                "{} is of no kind that can be loaded; the kinds are .json, .ndjson, .jsonl (each also .gz), .tar and .tgz.",
                path.display()
            )));
        };
        files.found.push(Found { path: path.clone(), kind, is_packed, bytes: facts.len() });
    }
    Ok(files)
}

fn folder(path: &Path, depth: usize, files: &mut Files) -> Result<()> {
    let fault = |e| file_error(path, "cannot be read", e);
    if depth == MAX_FOLDER_DEPTH {
        return Err(Error::invalid(format!("{} lies too deep in folders.", path.display())));
    }
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(path).map_err(fault)? {
        paths.push(entry.map_err(fault)?.path());
    }
    paths.sort();
    for path in paths {
        let facts = std::fs::metadata(&path).map_err(fault)?;
        match kind(&path) {
            _ if facts.is_dir() => folder(&path, depth + 1, files)?,
            Some((kind, is_packed)) => files.found.push(Found { path, kind, is_packed, bytes: facts.len() }),
            None => files.ignored += 1,
        }
    }
    Ok(())
}

/// A piece of the input: one document with its place, or why there is none.
pub(super) type Piece = (String, Result<Vec<u8>>);

/// Reads all pieces of a pass. `each` returns whether to go on.
pub(super) fn read(files: &Files, pass: Pass, progress: &Arc<Progress>, each: &mut dyn FnMut(Piece) -> bool) {
    for file in &files.found {
        let place = file.path.display().to_string();
        let go_on = match read_file(file, &place, pass, progress, each) {
            Ok(go_on) => go_on,
            // A file that cannot be read does not keep the others from being loaded.
            Err(e) => each((place, Err(file_error(&file.path, "cannot be read to its end", e)))),
        };
        if !go_on {
            break;
        }
    }
}

fn read_file(
    file: &Found,
    place: &str,
    pass: Pass,
    progress: &Arc<Progress>,
    each: &mut dyn FnMut(Piece) -> bool,
) -> io::Result<bool> {
    let counted = Counted { inner: File::open(&file.path)?, progress: progress.clone() };
    if file.kind == Kind::Archive {
        return match file.is_packed {
            true => archive(MultiGzDecoder::new(BufReader::new(counted)), place, pass, each),
            false => archive(BufReader::new(counted), place, pass, each),
        };
    }
    if pass_of(&head(&mut unpacked(File::open(&file.path)?, file.is_packed))?) != pass {
        return Ok(true);
    }
    pieces(unpacked(counted, file.is_packed), file.kind, place, each)
}

fn unpacked<'r>(file: impl Read + 'r, is_packed: bool) -> Box<dyn Read + 'r> {
    match is_packed {
        true => Box::new(MultiGzDecoder::new(BufReader::new(file))),
        false => Box::new(file),
    }
}

fn archive(
    stream: impl Read,
    place: &str,
    pass: Pass,
    each: &mut dyn FnMut(Piece) -> bool,
) -> io::Result<bool> {
    let mut archive = tar::Archive::new(stream);
    let mut is_package = None;
    for entry in archive.entries()? {
        let mut entry = entry?;
        let path = entry.path()?.into_owned();
        // The first entry tells, for all of a package lies in one folder.
        if *is_package.get_or_insert_with(|| path.starts_with(PACKAGE)) && !is_in_package(&path) {
            continue;
        }
        let Some((kind, is_packed)) = kind(&path).filter(|(kind, _)| *kind != Kind::Archive) else {
            continue;
        };
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let mut content = unpacked(&mut entry, is_packed);
        let head = head(&mut content)?;
        if pass_of(&head) == pass
            && !pieces(head.as_slice().chain(content), kind, &format!("{place}:{}", path.display()), each)?
        {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether a file of a FHIR package is one of its resources: these lie side by side, beside the file that
/// describes the package. Folders hold examples and what is made for other programs
/// (<https://hl7.org/fhir/R4/downloads.html>).
fn is_in_package(path: &Path) -> bool {
    path.parent() == Some(Path::new(PACKAGE)) && path.file_name().is_some_and(|name| name != "package.json")
}

/// The pieces of one stream.
fn pieces(
    stream: impl Read,
    kind: Kind,
    place: &str,
    each: &mut dyn FnMut(Piece) -> bool,
) -> io::Result<bool> {
    let too_large = || {
        Error::invalid(format!(
            "It is larger than {} MiB; split it, or make it NDJSON.",
            MAX_PIECE_BYTES >> 20
        ))
    };
    if kind == Kind::Json {
        let mut text = Vec::new();
        stream.take(MAX_PIECE_BYTES + 1).read_to_end(&mut text)?;
        let piece = if text.len() as u64 > MAX_PIECE_BYTES { Err(too_large()) } else { Ok(text) };
        return Ok(each((place.to_owned(), piece)));
    }
    let mut stream = BufReader::with_capacity(HEAD_BYTES, stream);
    for number in 1u64.. {
        let mut line = Vec::new();
        let read = (&mut stream).take(MAX_PIECE_BYTES + 1).read_until(b'\n', &mut line)?;
        let place = format!("{place}:{number}");
        if read == 0 {
            break;
        }
        if line.len() as u64 > MAX_PIECE_BYTES {
            // The rest of the file would be read as if it began here.
            return Ok(each((place, Err(too_large()))));
        }
        if !line.trim_ascii().is_empty() && !each((place, Ok(line))) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The first bytes of a stream.
fn head(stream: &mut dyn Read) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    stream.take(HEAD_BYTES as u64).read_to_end(&mut head)?;
    Ok(head)
}

/// The pass of a file that begins like this.
fn pass_of(head: &[u8]) -> Pass {
    let defs = Definitions::r4();
    let Some(ty) = first_type(head).and_then(|name| defs.resource_named(name)) else { return Pass::Others };
    let patients = defs.compartment("Patient");
    match patients.is_some_and(|patients| !patients.parameters(ty).is_empty()) {
        true => Pass::Others,
        false => Pass::Shared,
    }
}

/// The first `resourceType` in a text that is not Bundle.
fn first_type(head: &[u8]) -> Option<&str> {
    const NAME: &[u8] = b"\"resourceType\"";
    let mut rest = head;
    loop {
        let at = rest.windows(NAME.len()).position(|window| window == NAME)?;
        rest = &rest[at + NAME.len()..];
        let value = rest.trim_ascii_start().strip_prefix(b":")?.trim_ascii_start().strip_prefix(b"\"")?;
        let end = value.iter().position(|b| *b == b'"')?;
        let name = std::str::from_utf8(&value[..end]).ok()?;
        if name != "Bundle" {
            return Some(name);
        }
    }
}

/// Counts what is read of a file.
struct Counted {
    inner: File,
    progress: Arc<Progress>,
}

impl Read for Counted {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buf)?;
        self.progress.read(read as u64);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_what_a_file_is() {
        let cases = [
            ("a.json", Some((Kind::Json, false))),
            ("a.JSON.gz", Some((Kind::Json, true))),
            ("a.ndjson", Some((Kind::Lines, false))),
            ("Patient.000.ndjson.gz", Some((Kind::Lines, true))),
            ("a.tgz", Some((Kind::Archive, true))),
            ("a.tar.gz", Some((Kind::Archive, true))),
            ("a.tar", Some((Kind::Archive, false))),
            ("a.txt", None),
            ("json", None),
            (".index.json", None),
        ];
        for (name, expected) in cases {
            assert_eq!(kind(Path::new(name)), expected, "{name}");
        }
    }

    #[test]
    fn of_a_package_its_resources_are_loaded() {
        for (name, expected) in [
            ("package/SearchParameter-us-core-race.json", true),
            ("package/package.json", false),
            ("package/example/Patient-child-example.json", false),
            ("package/other/ImplementationGuide.json", false),
            ("elsewhere/a.json", false),
        ] {
            assert_eq!(is_in_package(Path::new(name)), expected, "{name}");
        }
    }

    #[test]
    fn what_belongs_to_no_patient_comes_first() {
        let cases = [
            (
                r#"{"resourceType":"Bundle","type":"batch","entry":[{"resource":{"resourceType": "Organization"}}]}"#,
                Pass::Shared,
            ),
            (
                r#"{"resourceType":"Bundle","entry":[{"resource":{"resourceType" : "Patient"}}]}"#,
                Pass::Others,
            ),
            (r#"{"resourceType":"Practitioner"}"#, Pass::Shared),
            (r#"{"resourceType":"Observation"}"#, Pass::Others),
            (r#"{"resourceType":"Bundle"}"#, Pass::Others),
            ("{}", Pass::Others),
            ("", Pass::Others),
        ];
        for (text, expected) in cases {
            assert_eq!(pass_of(text.as_bytes()), expected, "{text}");
        }
    }
}
