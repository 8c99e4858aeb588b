//! What is wrong with an XML text: the list of faults, and the one that ends the reading.

use remit_fhir::{Error, Issue, IssueType, Path, Severity};

/// The list of faults, bounded.
#[derive(Debug)]
pub(crate) struct Faults {
    pub(crate) issues: Vec<Issue>,
    limit: usize,
    omitted: usize,
}

impl Faults {
    pub(crate) fn new(limit: usize) -> Faults {
        Faults { issues: Vec::new(), limit, omitted: 0 }
    }

    /// Notes a fault; `sentence` has no full stop yet.
    pub(crate) fn note(
        &mut self,
        text: &str,
        offset: usize,
        path: Option<&Path<'_>>,
        sentence: std::fmt::Arguments<'_>,
    ) {
        if self.issues.len() >= self.limit {
            self.omitted += 1;
            return;
        }
        let (line, column) = position(text, offset);
        let issue = Issue::error(IssueType::Structure, format!("{sentence} (line {line}, column {column})."));
        self.issues.push(match path {
            Some(path) => issue.at(path.to_string()),
            None => issue,
        });
    }

    /// The faults, and how many more there are.
    pub(crate) fn finish(mut self) -> Vec<Issue> {
        if self.omitted > 0 {
            let more = format!("{} more faults are left out.", self.omitted);
            self.issues.push(Issue::error(IssueType::Incomplete, more));
        }
        self.issues
    }
}

/// A text that is no XML, or XML that is not read further.
#[derive(Debug)]
pub(crate) struct Fatal {
    pub(crate) offset: usize,
    pub(crate) sentence: String,
}

impl Fatal {
    /// The error for the client.
    pub(crate) fn into_error(self, text: &str) -> Error {
        let (line, column) = position(text, self.offset);
        let mut error = Error::invalid(format!(
            "The XML cannot be read: {} at line {line}, column {column}.",
            self.sentence
        ))
        .coded(IssueType::Structure);
        for issue in &mut error.issues {
            issue.severity = Severity::Fatal;
        }
        error
    }
}

/// Line and column of a byte offset, from 1, the column in characters.
fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = text.as_bytes().get(..offset).unwrap_or(text.as_bytes());
    let line_start = memchr::memrchr(b'\n', before).map_or(0, |at| at + 1);
    let line = memchr::memchr_iter(b'\n', before).count() + 1;
    let column = before[line_start..].iter().filter(|&&b| b & 0xc0 != 0x80).count() + 1;
    (line, column)
}
