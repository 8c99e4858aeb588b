//! `$validate-x12`: what is wrong with a file, by the levels of SNIP, each finding with its place; and on
//! request the TA1 and 999 that a receiver would answer. Nothing is written.

use super::interchange::MEDIA_TYPE;
use super::request::file;
use crate::operation::Invocation;
use crate::rcm::BASE;
use crate::rest::{Answer, heavy};
use remit_fhir::{Error, Issue, IssueType, Result, base64, operation_outcome};
use remit_x12::{Document, Level, check};
use serde_json::json;

/// Findings told.
const MAX_TOLD: usize = 1_000;

/// The levels that are checked here, in order.
const LEVELS: [Level; 4] = [Level::Syntax, Level::Guide, Level::Balance, Level::Situation];

pub(super) async fn run(call: Invocation<'_>) -> Result<Answer> {
    call.parameters.only(&["content", "level", "partner"])?;
    let asked = level(call.parameters.get("level").as_deref())?;
    let bytes = file(&call, "content")?;
    let level = LEVELS[asked.min(LEVELS.len()) - 1];
    let (mut issues, answers) = heavy(|| findings(&bytes, level));
    if asked > LEVELS.len() {
        issues.push(Issue::information(format!(
            "Levels 5 to 7 (external code lists, lines of business, partners) need lists and rules that are licensed or agreed on; levels 1 to {} were checked.",
            LEVELS.len()
        )));
    }
    if call.parameters.get("partner").is_some() {
        issues.push(Issue::information(
            "No rules are kept for a single partner; those of the guides were applied.",
        ));
    }
    let mut outcome = operation_outcome(&issues);
    if let Some(answers) = answers {
        outcome["contained"] = json!([{
            "resourceType": "Binary", "id": "acknowledgement", "contentType": MEDIA_TYPE,
            "data": base64::encode(&answers),
        }]);
        outcome["extension"] = json!([{
            "url": format!("{BASE}/StructureDefinition/rcm-acknowledgement"),
            "valueReference": { "reference": "#acknowledgement" },
        }]);
    }
    Ok(Answer::of(outcome.to_string()))
}

fn level(text: Option<&str>) -> Result<usize> {
    let Some(text) = text else { return Ok(LEVELS.len()) };
    text.parse().ok().filter(|level| (1..=7).contains(level)).ok_or_else(|| {
        Error::invalid("level is a whole number from 1 to 7.").coded(IssueType::Value).at("level")
    })
}

/// The findings of envelopes and sets, in the order of the file, and the acknowledgement.
fn findings(bytes: &[u8], level: Level) -> (Vec<Issue>, Option<Vec<u8>>) {
    let document = Document::parse(bytes);
    let mut all = document.findings.clone().into_sorted();
    for one in document.transactions() {
        all.extend(check(one.transaction, level));
    }
    all.sort_by_key(|finding| finding.place.offset);
    let mut issues: Vec<Issue> = all.iter().take(MAX_TOLD).map(|finding| finding.issue()).collect();
    if all.len() > MAX_TOLD {
        issues.push(Issue::information(format!("{} findings more are not listed.", all.len() - MAX_TOLD)));
    }
    (issues, super::answer_file::of(&document, level))
}
