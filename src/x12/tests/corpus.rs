//! Public example files, whole and broken: read, emitted, checked, and written again by the models.

use std::path::{Path, PathBuf};

use super::{canonical, each_tree, findings};
use crate::model::{Acknowledgement, ClaimSet, Remittance, StatusReport};
use crate::{Document, Raw};

/// The folder of the test data; without it there is nothing to compare with.
fn folder() -> Option<PathBuf> {
    let data = std::env::var_os("REMIT_TEST_DATA").map(PathBuf::from);
    let data =
        data.unwrap_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data")));
    let folder = data.join("x12");
    folder.is_dir().then_some(folder)
}

pub(crate) fn files() -> Vec<(String, Vec<u8>)> {
    fn walk(path: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(path).into_iter().flatten().flatten() {
            let path = entry.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            match path.is_dir() {
                true if name == "pyx12-maps" => {}
                true => walk(&path, found),
                false if name.starts_with("LICENSE") => {}
                false => found.push(path),
            }
        }
    }
    let Some(folder) = folder() else { return Vec::new() };
    let mut paths = Vec::new();
    walk(&folder, &mut paths);
    paths.sort();
    let name = |path: &Path| path.strip_prefix(&folder).unwrap_or(path).display().to_string();
    paths.iter().map(|path| (name(path), std::fs::read(path).expect("a file that can be read"))).collect()
}

#[test]
fn every_file_is_emitted_as_it_came() {
    let files = files();
    assert!(files.is_empty() || files.len() > 60);
    for (name, text) in files {
        let document = Document::parse(&text);
        assert_eq!(document.emit(), text, "{name}");
        assert!(document.transactions().next().is_some(), "{name}");
    }
}

/// Findings of the files that guides here read, but for wrong check digits of invented NPIs.
const EXPECTED: &str = include_str!("corpus.txt");

#[test]
fn every_file_has_the_findings_that_were_reviewed() {
    let mut lines = Vec::new();
    for (name, text) in files() {
        for finding in findings(&text).iter().filter(|f| f.code != "npi" && f.code != "set-not-supported") {
            lines.push(format!(
                "{name} {} {} {}",
                finding.level as u8,
                finding.code,
                finding.place.expression()
            ));
        }
    }
    if lines.is_empty() {
        return;
    }
    let found = lines.join("\n");
    if std::env::var_os("UPDATE").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpus.txt");
        return std::fs::write(path, found + "\n").expect("the list can be written");
    }
    for (found, expected) in lines.iter().zip(EXPECTED.lines()) {
        assert_eq!(found, expected);
    }
    assert_eq!(lines.len(), EXPECTED.lines().count());
}

/// Files whose segments the models cannot give again, and why.
const LOSSY: [(&str, &str); 12] = [
    ("managed-care.835", "BPR16 is no date"),
    ("example_5010_835/sample2.txt", "BPR16 is no date"),
    ("demo.ambulance.example5.837", "CLM05-2 is missing"),
    ("demo.cob.2ndary.example4.837", "CLM05 has a mark that is not the component separator"),
    ("demo.example11.837", "CLM05 has a mark that is not the component separator"),
    ("demo.example12.837", "CLM05 has a mark that is not the component separator"),
    ("demo.example6.837", "CLM05 has a mark that is not the component separator"),
    ("demo.example9.837", "CLM05 has a mark that is not the component separator"),
    ("out-of-network-repriced-claim.837i", "CLM05 has a mark that is not the component separator"),
    ("ppo-repriced-claim.837i", "CLM05 has a mark that is not the component separator"),
    ("example_5010_837p/sample.txt", "neighbours with the same subscriber share one level"),
    ("_5010.999.txt", "acknowledgements are written in the current version"),
];

#[test]
fn models_give_every_segment_again() {
    let mut wrong = Vec::new();
    for (name, text) in files() {
        each_tree(&text, |tree| {
            let written: Option<Vec<Raw>> = ClaimSet::read(tree)
                .map(|set| set.write())
                .or_else(|| Remittance::read(tree).map(|remittance| remittance.write()))
                .or_else(|| Acknowledgement::read(tree).map(|answer| answer.write()));
            let Some(written) = written else { return };
            let before = canonical(tree.segments.iter().map(Raw::of));
            let after = canonical(written);
            let lost: Vec<_> = before.iter().filter(|line| !after.contains(line)).collect();
            let new: Vec<_> = after.iter().filter(|line| !before.contains(line)).collect();
            let is_listed = LOSSY.iter().any(|(file, _)| name.contains(file));
            if is_listed != (before != after) {
                wrong.push(format!("{name}\n  lost {lost:?}\n  new  {new:?}"));
            }
        });
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn models_read_what_they_wrote() {
    for (name, text) in files() {
        each_tree(&text, |tree| {
            let Some(set) = ClaimSet::read(tree) else { return };
            assert!(!set.claims.is_empty(), "{name}");
            let written = crate::compose::write_segments(&set.write(), tree.segments[0].delimiters());
            let isa = text.iter().take(106).copied().collect::<Vec<_>>();
            let file = [isa, written.expect("values came from such a file")].concat();
            each_tree(&file, |again| {
                let again = ClaimSet::read(again).expect("it is a claim again");
                assert_eq!(again.claims, set.claims, "{name}");
            });
        });
        each_tree(&text, |tree| assert!(StatusReport::read(tree).is_none() || name.contains("277")));
    }
}
