//! Regular expressions of `matches`, `matchesFull` and `replaceMatches`
//! (<https://hl7.org/fhirpath/N1/#matchesregex-string-boolean>).
//!
//! The engine is linear in the text, so no pattern can hang; it knows no look-around and no back
//! references, and says so.

use regex::{Regex, RegexBuilder};

use crate::error::{EvaluationError, MAX_REGEX_BYTES};

/// The steps that compiling a pattern costs: it takes up to a millisecond or two.
pub(crate) const COMPILE_STEPS: usize = 20_000;

/// Digits of the number of a group: no pattern has more than 999.
const MAX_GROUP_DIGITS: usize = 3;

/// The longest pattern. Reading a pattern takes time before its size is known; nobody writes one of
/// this length.
const MAX_PATTERN_BYTES: usize = 4096;

/// How many compiled patterns one evaluation keeps; a pattern is mostly a literal.
const KEPT: usize = 8;

/// The patterns that one evaluation has compiled.
#[derive(Default)]
pub(crate) struct Patterns {
    kept: Vec<(String, bool, Regex)>,
}

impl Patterns {
    /// Whether a pattern would have to be compiled.
    pub(crate) fn is_new(&self, pattern: &str, is_whole: bool) -> bool {
        !self.kept.iter().any(|(text, whole, _)| text == pattern && *whole == is_whole)
    }

    /// Compiles a pattern, or finds it. `is_whole` anchors it at both ends.
    pub(crate) fn get(&mut self, pattern: &str, is_whole: bool) -> Result<&Regex, EvaluationError> {
        let known = self.kept.iter().position(|(text, whole, _)| text == pattern && *whole == is_whole);
        let place = match known {
            Some(place) => place,
            None => {
                let regex = compile(pattern, is_whole)?;
                if self.kept.len() >= KEPT {
                    self.kept.remove(0);
                }
                self.kept.push((pattern.to_owned(), is_whole, regex));
                self.kept.len() - 1
            }
        };
        Ok(&self.kept[place].2)
    }
}

fn compile(pattern: &str, is_whole: bool) -> Result<Regex, EvaluationError> {
    if pattern.len() > MAX_PATTERN_BYTES {
        return Err(EvaluationError::limit(format!(
            "The regular expression is longer than {MAX_PATTERN_BYTES} bytes"
        )));
    }
    let text = if is_whole { format!("^(?:{pattern})$") } else { pattern.to_owned() };
    RegexBuilder::new(&text)
        // A dot matches a line break: the text is one line.
        .dot_matches_new_line(true)
        .size_limit(MAX_REGEX_BYTES)
        .nest_limit(64)
        .build()
        .map_err(|error| match error {
            regex::Error::CompiledTooBig(most) => {
                EvaluationError::limit(format!("The regular expression takes more than {most} bytes"))
            }
            _ => EvaluationError::new(
                "The regular expression is not understood; look-around and back references are not supported",
            ),
        })
}

/// The steps that a search costs. A search visits, at worst, each state of the pattern for each byte
/// of the text, and counted repetitions multiply the states.
pub(crate) fn search_steps(pattern: &str, text: &str) -> usize {
    let counts = pattern.split('{').skip(1).map(|after| {
        let digits = after.split('}').next().unwrap_or_default().rsplit(',').next().unwrap_or_default();
        digits.trim().parse::<usize>().unwrap_or(1).max(1)
    });
    let states = counts.fold(pattern.len(), usize::saturating_mul);
    100 + text.len() / 4 + text.len().saturating_mul(states) / 256
}

/// `$1x` of FHIRPath means group 1 and then an x; the engine would read a group named `1x`. Digits belong
/// to the number as long as there is such a group: `$12` is group 1 and then a 2 where there are but two.
pub(crate) fn replacement(text: &str, groups: usize) -> String {
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        let most = after.bytes().take_while(u8::is_ascii_digit).count();
        let is_group = |digits: &usize| after[..*digits].parse().is_ok_and(|number: usize| number < groups);
        let digits = (1..=most.min(MAX_GROUP_DIGITS)).rev().find(is_group).unwrap_or(most.min(1));
        result.push_str(before);
        match digits {
            0 => result.push('$'),
            _ => result.push_str(&format!("${{{}}}", &after[..digits])),
        }
        rest = &after[digits..];
    }
    result + rest
}
