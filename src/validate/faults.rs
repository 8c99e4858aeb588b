//! The list of faults, bounded. Texts are made only when a fault is noted.

use remit_fhir::{Issue, IssueType, Node, Path};
use std::borrow::Cow;
use std::fmt;

/// What a client sent, cut to what an error should repeat.
const MAX_SHOWN: usize = 40;

#[derive(Debug)]
pub(crate) struct Faults {
    issues: Vec<Issue>,
    limit: usize,
    omitted: usize,
}

impl Faults {
    pub(crate) fn new(limit: usize) -> Faults {
        Faults { issues: Vec::new(), limit, omitted: 0 }
    }

    #[cold]
    pub(crate) fn note(&mut self, path: &Path<'_>, code: IssueType, sentence: fmt::Arguments<'_>) {
        if self.issues.len() >= self.limit {
            self.omitted += 1;
            return;
        }
        self.issues.push(Issue::error(code, sentence.to_string()).at(path.to_string()));
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

/// The beginning of a text, without control characters' effect on a log: it is shown, not run.
pub(crate) fn short(text: &str) -> &str {
    text.char_indices().nth(MAX_SHOWN).map_or(text, |(at, _)| text.get(..at).unwrap_or_default())
}

/// A primitive value as an error shows it: short ones whole, long ones cut, others by their kind.
pub(crate) fn shown(value: Node<'_>) -> String {
    let text = value.scalar().unwrap_or(Cow::Borrowed("a value"));
    let clean: String = short(&text).chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    let more = if text.chars().nth(MAX_SHOWN).is_some() { "…" } else { "" };
    format!("'{clean}{more}'")
}
