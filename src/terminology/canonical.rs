//! Canonical references, and which of several versions one means
//! (<https://hl7.org/fhir/R4/references.html#canonical>).

use std::cmp::Ordering;
use std::fmt;

/// The URL of a definition, and its business version where one is asked for.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Canonical {
    /// The URL.
    pub url: Box<str>,
    /// `|version`
    pub version: Option<Box<str>>,
}

impl Canonical {
    /// Reads `url` or `url|version`. A fragment names a part of the definition, and is left out.
    pub fn parse(text: &str) -> Canonical {
        let (url, version) = match text.split_once('|') {
            Some((url, version)) => (url, Some(version)),
            None => (text, None),
        };
        let plain = |text: &str| text.split('#').next().unwrap_or_default().into();
        Canonical { url: plain(url), version: version.filter(|v| !v.is_empty()).map(plain) }
    }

    /// The URL with a version from an element of its own. `*` stands for every version, and whichever
    /// is newest holds as much as we know.
    pub(crate) fn of(url: &str, version: Option<&str>) -> Canonical {
        let version = version.filter(|version| !matches!(*version, "" | "*"));
        Canonical { url: url.into(), version: version.map(Into::into) }
    }

    /// Whether a definition with this version is one that is meant.
    pub fn takes(&self, version: Option<&str>) -> bool {
        self.version.as_deref().is_none_or(|wanted| version == Some(wanted))
    }
}

impl fmt::Display for Canonical {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.version {
            Some(version) => write!(f, "{}|{version}", self.url),
            None => f.write_str(&self.url),
        }
    }
}

/// Where a definition stands among others of the same URL; the greatest is the one to take. Active
/// ones are above drafts and these above retired ones, then the version decides, then the date.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rank {
    status: u8,
    version: Box<str>,
    date: Box<str>,
}

impl Rank {
    /// The place of a definition with these elements.
    pub fn of(status: &str, version: Option<&str>, date: Option<&str>) -> Rank {
        let status = match status {
            "active" => 3,
            "draft" => 2,
            "retired" => 0,
            _ => 1,
        };
        Rank { status, version: version.unwrap_or_default().into(), date: date.unwrap_or_default().into() }
    }
}

impl Ord for Rank {
    fn cmp(&self, other: &Rank) -> Ordering {
        self.status
            .cmp(&other.status)
            .then_with(|| compare_versions(&self.version, &other.version))
            .then_with(|| self.date.cmp(&other.date))
            // Two spellings of one number are not the same version.
            .then_with(|| self.version.cmp(&other.version))
    }
}

impl PartialOrd for Rank {
    fn partial_cmp(&self, other: &Rank) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Compares part by part: numbers by value, other parts as text and before any number, so that `2.10`
/// is after `2.9`, `1.0` after `1.0-draft`, and dates stand in their order.
fn compare_versions(a: &str, b: &str) -> Ordering {
    let parts = |text| str::split(text, ['.', '-', '+', '_', 'T', ':']);
    let (mut a, mut b) = (parts(a), parts(b));
    loop {
        let order = match (a.next(), b.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(rest)) => {
                if is_number(rest) {
                    Ordering::Less
                } else {
                    Ordering::Greater
                }
            }
            (Some(rest), None) => {
                if is_number(rest) {
                    Ordering::Greater
                } else {
                    Ordering::Less
                }
            }
            (Some(a), Some(b)) => compare_parts(a, b),
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

fn compare_parts(a: &str, b: &str) -> Ordering {
    match (is_number(a), is_number(b)) {
        (true, true) => {
            let (a, b) = (a.trim_start_matches('0'), b.trim_start_matches('0'));
            // Without leading zeros the longer number is the greater one, however long.
            a.len().cmp(&b.len()).then_with(|| a.cmp(b))
        }
        (false, false) => a.cmp(b),
        (a, b) => a.cmp(&b),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_stands_behind_a_bar() {
        for (text, url, version) in [
            ("http://a", "http://a", None),
            ("http://a|1", "http://a", Some("1")),
            ("http://a|", "http://a", None),
            ("http://a|1#part", "http://a", Some("1")),
            ("urn:oid:1.2.3", "urn:oid:1.2.3", None),
        ] {
            let canonical = Canonical::parse(text);
            assert_eq!((&*canonical.url, canonical.version.as_deref()), (url, version), "{text}");
        }
    }

    #[test]
    fn the_newest_active_version_stands_highest() {
        let rank = Rank::of;
        for (low, high) in [
            (rank("active", Some("2.9"), None), rank("active", Some("2.10"), None)),
            (rank("draft", Some("3"), None), rank("active", Some("2"), None)),
            (rank("retired", Some("3"), None), rank("draft", None, None)),
            (rank("active", None, None), rank("active", Some("1"), None)),
            (rank("active", Some("1.0-draft"), None), rank("active", Some("1.0"), None)),
            (rank("active", Some("1.0"), None), rank("active", Some("1.0.1"), None)),
            (rank("active", Some("2019-12-31"), None), rank("active", Some("2020-01-01"), None)),
            (rank("active", Some("20191231"), None), rank("active", Some("20200101"), None)),
            (rank("active", Some("1"), Some("2020")), rank("active", Some("1"), Some("2021-01"))),
            (
                rank("active", Some("99999999999999999999"), None),
                rank("active", Some("100000000000000000000"), None),
            ),
        ] {
            assert!(low < high, "{low:?} {high:?}");
        }
    }
}
