//! What is wrong with a file, and exactly where: the level of the check (WEDI SNIP types 1 to 7), the
//! place, a code of ours, a sentence, and the codes that a 999 or TA1 reports it by.

use remit_fhir::{Issue, IssueType};

/// How bad a finding is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Gravity {
    /// Worth knowing; the transaction set is accepted.
    Warning,
    /// The transaction set breaks a rule.
    Error,
}

/// Levels of checking that are made here (WEDI SNIP types).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Level {
    /// Type 1: syntax, envelopes, counts, types and lengths.
    Syntax = 1,
    /// Type 2: what the guide requires, forbids and lists.
    Guide = 2,
    /// Type 3: sums that must agree.
    Balance = 3,
    /// Type 4: what one segment makes necessary in another.
    Situation = 4,
}

/// Where in the file.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Place {
    /// Byte of the file, counted from 0.
    pub offset: u64,
    /// Number of the segment in its transaction set; ST is 1. 0 outside of one.
    pub segment: u64,
    /// Its identifier, `CLM`.
    pub id: String,
    /// The loop it stands in, `2300`.
    pub loop_id: String,
    /// Element, counted from 1; 0 when the whole segment is meant.
    pub element: u16,
    /// Component of a composite, counted from 1; 0 when there is none.
    pub component: u16,
    /// Repetition, counted from 1; 0 when there is only one.
    pub repeat: u16,
}

/// How an acknowledgement names a finding.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer {
    /// Note code of TA1 (TA105).
    Interchange(&'static str),
    /// Code of AK9 (AK905).
    Group(&'static str),
    /// Code of IK5 (IK502).
    Transaction(&'static str),
    /// Code of IK3 (IK304).
    Segment(&'static str),
    /// Code of IK4 (IK403).
    Element(&'static str),
    /// Nothing that the acknowledgements have a code for.
    None,
}

/// One thing that is wrong.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// Which kind of check found it.
    pub level: Level,
    /// How bad it is.
    pub gravity: Gravity,
    /// Our code, stable: `segment-missing`.
    pub code: &'static str,
    /// Where.
    pub place: Place,
    /// A sentence that a person can act on.
    pub message: String,
    /// How an acknowledgement says it.
    pub answer: Answer,
    /// The wrong value, short, where a 999 may repeat it.
    pub value: Option<String>,
}

impl Finding {
    /// An error.
    pub fn new(level: Level, code: &'static str, place: Place, message: impl Into<String>) -> Finding {
        Finding {
            level,
            gravity: Gravity::Error,
            code,
            place,
            message: message.into(),
            answer: Answer::None,
            value: None,
        }
    }

    /// The same with the code of an acknowledgement.
    #[must_use]
    pub fn answered(mut self, answer: Answer) -> Finding {
        self.answer = answer;
        self
    }

    /// The same as a warning.
    #[must_use]
    pub fn warning(mut self) -> Finding {
        self.gravity = Gravity::Warning;
        self
    }

    /// The same with the value that is wrong.
    #[must_use]
    pub fn with_value(mut self, bytes: &[u8]) -> Finding {
        self.value = Some(crate::segment::quoted(bytes));
        self
    }

    /// Whether it is an error.
    pub fn is_error(&self) -> bool {
        self.gravity == Gravity::Error
    }

    /// As an issue of an OperationOutcome; the expression is the place in the file.
    pub fn issue(&self) -> Issue {
        let kind = match self.level {
            Level::Syntax => IssueType::Structure,
            Level::Guide => IssueType::Required,
            Level::Balance | Level::Situation => IssueType::BusinessRule,
        };
        let text = format!("{} ({}): {}", self.place, self.code, self.message);
        let mut issue = match self.gravity {
            Gravity::Error => Issue::error(kind, text),
            Gravity::Warning => Issue::warning(kind, text),
        };
        // Bytes outside every segment have no name; the text says where they are.
        issue.expression.extend(Some(self.place.expression()).filter(|place| !place.is_empty()));
        issue
    }
}

impl Place {
    /// `2300/CLM[12]-05-1`: loop, segment with its number, element, component.
    pub fn expression(&self) -> String {
        let mut text = String::new();
        if !self.loop_id.is_empty() {
            text.push_str(&self.loop_id);
            text.push('/');
        }
        text.push_str(&self.id);
        if self.segment > 0 {
            text.push_str(&format!("[{}]", self.segment));
        }
        if self.element > 0 {
            text.push_str(&format!("-{:02}", self.element));
        }
        if self.component > 0 {
            text.push_str(&format!("-{}", self.component));
        }
        text
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.expression() {
            none if none.is_empty() => write!(f, "At byte {}", self.offset),
            place => write!(f, "{place} at byte {}", self.offset),
        }
    }
}

/// Findings up to a bound.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    list: Vec<Finding>,
    errors: usize,
}

impl Findings {
    /// Adds one; over the bound only counts it.
    pub fn push(&mut self, finding: Finding) {
        self.errors += usize::from(finding.is_error());
        let limit = crate::limits::MAX_FINDINGS;
        if self.list.len() < limit {
            self.list.push(finding);
        } else if self.list.len() == limit {
            let message = format!("More than {limit} findings; the rest is not listed.");
            self.list.push(Finding::new(Level::Syntax, "too-many-findings", finding.place, message));
        }
    }

    /// Adds all of another list.
    pub fn extend(&mut self, other: impl IntoIterator<Item = Finding>) {
        other.into_iter().for_each(|finding| self.push(finding));
    }

    /// Whether there is an error.
    pub fn has_errors(&self) -> bool {
        self.errors > 0
    }

    /// The findings.
    pub fn list(&self) -> &[Finding] {
        &self.list
    }

    /// The findings, in the order of the file.
    pub fn into_sorted(mut self) -> Vec<Finding> {
        self.list.sort_by_key(|f| (f.place.offset, f.place.element, f.place.component));
        self.list
    }
}
