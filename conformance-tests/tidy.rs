//! The rules of the house that a machine can keep: direction of rooms, sizes, headers, who may use what.
//!
//! The table of rooms is that of `src/ARCHITECTURE.md`, and a test compares the two. Change it with a
//! reason only.

use std::path::{Path, PathBuf};

/// Rooms from top to bottom, as in `src/ARCHITECTURE.md`. A room uses rooms of rows below its own;
/// rooms of the same row never use each other, but for the first row.
const ROOMS: [&[&str]; 18] = [
    &["main", "cli"],
    &["app"],
    &["http"],
    &["billing", "work"],
    &["sql", "edi"],
    &["rcm", "demo"],
    &["operation"],
    &["rest"],
    &["mart"],
    &["sof"],
    &["store"],
    &["validate"],
    &["search"],
    &["x12"],
    &["fhirpath"],
    &["xml"],
    &["terminology"],
    &["spec"],
];

/// The last row, which everybody may use.
const GROUND: &str = "fhir";

/// Crates that only some rooms may name.
const KEPT: [(&str, &[&str]); 6] = [
    ("axum", &["http"]),
    ("rusqlite", &["store"]),
    ("tokio_postgres", &["store"]),
    ("deadpool_postgres", &["store"]),
    ("datafusion", &["mart"]),
    ("parquet", &["mart"]),
];

/// Folders of data and the rooms that may compile them in.
const DATA: [(&str, &[&str]); 3] =
    [("profiles/", &["spec", "rcm"]), ("terminology/", &["spec", "rcm"]), ("migrations/", &["store"])];

const MAX_FILE_LINES: usize = 600;
const MAX_FUNCTION_LINES: usize = 70;

/// Files that are tables more than code, with the reason why they may be long.
const TABLES: [(&str, &str); 0] = [];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Rust files below a folder: path from the root of the repository, and text.
fn sources(folder: &str) -> Vec<(String, String)> {
    fn walk(path: &Path, found: &mut Vec<PathBuf>) {
        let Ok(entries) = std::fs::read_dir(path) else { return };
        for entry in entries {
            let path = entry.expect("an entry of a folder").path();
            match path.is_dir() {
                true => walk(&path, found),
                false if path.extension().is_some_and(|e| e == "rs") => found.push(path),
                false => {}
            }
        }
    }
    let mut paths = Vec::new();
    walk(&root().join(folder), &mut paths);
    paths.sort();
    let read = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).expect("a source that can be read");
        let name = path.strip_prefix(root()).expect("a path below the root").display().to_string();
        (name, text)
    };
    paths.into_iter().map(read).collect()
}

fn all_sources() -> Vec<(String, String)> {
    ["src", "conformance-tests", "fuzz"].iter().flat_map(|folder| sources(folder)).collect()
}

/// The room of a file in `src/`; `None` for the file that only lists the rooms.
fn room(name: &str) -> Option<&str> {
    let rest = name.strip_prefix("src/")?;
    let room = rest.split('/').next()?;
    let room = room.strip_suffix(".rs").unwrap_or(room);
    (room != "lib").then_some(room)
}

/// Whether a file is compiled for tests only: these may compare with rooms above their own, and hold
/// tables of cases.
fn is_test(name: &str) -> bool {
    name.contains("/tests/")
        || name.ends_with("/tests.rs")
        || name.ends_with("/suite.rs")
        || name.contains("/tests_")
}

fn row(room: &str) -> Option<usize> {
    if room == GROUND {
        return Some(ROOMS.len());
    }
    ROOMS.iter().position(|rooms| rooms.contains(&room))
}

/// Words that follow a prefix in code: `crate::` gives modules, `remit_` gives crates.
fn words_after<'t>(text: &'t str, prefix: &'t str) -> impl Iterator<Item = &'t str> {
    let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.flat_map(move |line| {
        line.match_indices(prefix).filter_map(move |(at, _)| {
            // `remit_store` in a file name or a word of its own that ends in `remit_` is no crate.
            let before = line[..at].chars().next_back();
            let rest = &line[at + prefix.len()..];
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
            let stands_alone =
                before.is_none_or(|c| !c.is_ascii_alphanumeric() && !matches!(c, '_' | '"' | '-'));
            (stands_alone && end > 0).then(|| &rest[..end])
        })
    })
}

fn report(faults: Vec<String>) {
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn the_table_of_rooms_is_that_of_the_architecture() {
    let text = std::fs::read_to_string(root().join("src/ARCHITECTURE.md")).expect("src/ARCHITECTURE.md");
    let rows = text.lines().filter(|line| line.starts_with("| `"));
    let names = |line: &str| {
        let first = line.split('|').nth(1).unwrap_or_default().to_owned();
        first.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>()
    };
    let written: Vec<_> = rows.map(names).collect();
    let mut kept: Vec<Vec<_>> =
        ROOMS.iter().map(|row| row.iter().map(|r| (*r).to_owned()).collect()).collect();
    kept.push(vec![GROUND.to_owned()]);
    assert_eq!(written, kept);
}

#[test]
fn rooms_use_only_rooms_below_them() {
    let mut faults = Vec::new();
    for (name, text) in sources("src").into_iter().filter(|(name, _)| !is_test(name)) {
        let Some(own) = room(&name) else { continue };
        let Some(own_row) = row(own) else {
            faults.push(format!("{name}: {own} is no room of the table"));
            continue;
        };
        // In a crate of its own `crate::` means the room itself.
        let is_crate = root().join("src").join(own).join("Cargo.toml").exists();
        let modules = words_after(&text, "crate::").filter(|_| !is_crate);
        let used = modules.chain(words_after(&text, "remit_"));
        for other in used.filter(|other| *other != own) {
            let Some(other_row) = row(other) else { continue };
            if other_row < own_row || (other_row == own_row && own_row > 0) {
                faults.push(format!("{name}: {own} may not use {other}"));
            }
        }
    }
    faults.dedup();
    report(faults);
}

#[test]
fn databases_servers_and_engines_are_known_to_one_room_each() {
    let mut faults = Vec::new();
    for (name, text) in sources("src").into_iter().filter(|(name, _)| !is_test(name)) {
        let Some(own) = room(&name) else { continue };
        for (crate_name, rooms) in KEPT {
            let path = format!("{crate_name}::");
            let is_used = words_after(&text, &path).next().is_some();
            if is_used && !rooms.contains(&own) {
                faults.push(format!("{name}: only {rooms:?} may use {crate_name}"));
            }
        }
        for line in text.lines().filter(|line| line.contains("include_")) {
            for (folder, rooms) in DATA {
                if line.contains(folder) && !rooms.contains(&own) {
                    faults.push(format!("{name}: only {rooms:?} may read {folder}"));
                }
            }
        }
    }
    report(faults);
}

#[test]
fn files_and_functions_are_short_and_say_what_they_are() {
    let mut faults = Vec::new();
    for (name, text) in all_sources() {
        if !text.starts_with("//!") && !is_test(&name) {
            faults.push(format!("{name}: does not begin with //! and what it is"));
        }
        let lines: Vec<_> = text.lines().collect();
        if lines.len() > MAX_FILE_LINES && !TABLES.iter().any(|(table, _)| *table == name) {
            faults.push(format!("{name}: {} lines", lines.len()));
        }
        for (function, length) in functions(&lines) {
            if length > MAX_FUNCTION_LINES && !is_test(&name) {
                faults.push(format!("{name}: fn {function} has {length} lines"));
            }
        }
    }
    report(faults);
}

/// Names and lengths of functions. The code is formatted, so a function ends at the brace that stands
/// as far in as its beginning.
fn functions<'l>(lines: &[&'l str]) -> Vec<(&'l str, usize)> {
    let mut found = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let code = line.trim_start();
        let words = code.split(" fn ").next().unwrap_or_default();
        let begins = code.starts_with("fn ")
            || (code.contains(" fn ")
                && words
                    .split(' ')
                    .all(|w| w.starts_with("pub") || matches!(w, "async" | "const" | "unsafe" | "super)")));
        if !begins || code.ends_with(';') || code.ends_with('}') {
            continue;
        }
        let indent = &line[..line.len() - code.len()];
        let is_end = |other: &&str| other.strip_prefix(indent).is_some_and(|rest| matches!(rest, "}" | "};"));
        let Some(length) = lines[start..].iter().position(is_end) else { continue };
        let name = code.split("fn ").nth(1).and_then(|rest| rest.split(['(', '<']).next());
        found.push((name.unwrap_or_default(), length + 1));
    }
    found
}

#[test]
fn nothing_speaks_of_the_machine_it_was_written_on() {
    let mut faults = Vec::new();
    let mut texts = all_sources();
    for name in ["README.md", "src/ARCHITECTURE.md", "conformance-tests/INTERPRETATIONS.md", "Cargo.toml"] {
        if let Ok(text) = std::fs::read_to_string(root().join(name)) {
            texts.push((name.to_owned(), text));
        }
    }
    for (name, text) in texts {
        if name.ends_with("tidy.rs") {
            continue;
        }
        for (number, line) in text.lines().enumerate() {
            for path in ["/root/", "/home/", "/Users/"] {
                if line.contains(path) {
                    faults.push(format!("{name}:{}: {path}", number + 1));
                }
            }
        }
    }
    report(faults);
}

#[test]
fn lints_are_not_silenced_without_a_reason() {
    let mut faults = Vec::new();
    for (name, text) in all_sources() {
        for (number, line) in text.lines().enumerate() {
            let code = line.trim_start();
            if code.starts_with("#[allow(") || code.starts_with("#![allow(") {
                faults.push(format!("{name}:{}: use #[expect(…, reason = …)]", number + 1));
            }
        }
    }
    report(faults);
}
