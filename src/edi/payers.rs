//! Organizations that a file names, found by their identifiers, else by their names.

use super::find::{self, Found};
use crate::rest::Context;
use remit_fhir::Result;
use remit_x12::model::Party;
use serde_json::{Value, json};

/// The organizations of the record that a file may mean.
pub(super) struct Organizations(Vec<Found>);

/// References that identify an organization beside its own identifier.
const REFERENCES: [&str; 7] = ["2U", "EO", "HI", "NF", "TJ", "EI", "PQ"];

/// All identifiers that a party gives.
fn identifiers<'p>(party: &'p Party, more: Option<&'p str>) -> Vec<&'p str> {
    let own = party.id.iter().map(|id| id.value.as_str());
    let references = party.references.iter().filter(|one| REFERENCES.contains(&one.qualifier.as_str()));
    // TRN03 is `1` and the employer's number.
    let without_prefix = more.filter(|more| more.len() == 10).and_then(|more| more.strip_prefix('1'));
    own.chain(references.map(|one| one.value.as_str())).chain(more).chain(without_prefix).collect()
}

impl Organizations {
    /// Asks for all that these parties may be.
    pub(super) async fn find(cx: &Context<'_>, parties: &[&Party], traces: &[&str]) -> Result<Organizations> {
        let mut values: Vec<&str> = parties.iter().flat_map(|party| identifiers(party, None)).collect();
        values.extend(traces.iter().copied());
        values.extend(traces.iter().filter_map(|trace| trace.strip_prefix('1')));
        let mut found = find::by(cx, "Organization", "identifier", values).await?;
        let names: Vec<&str> = parties.iter().map(|party| party.name.as_str()).collect();
        let titles: Vec<String> = names.iter().map(|name| name.to_lowercase()).collect();
        let by_name = find::by(cx, "Organization", "name", titles.iter().map(String::as_str)).await?;
        found.extend(by_name.into_iter().filter(|one| titles.contains(&name_of(&one.resource))));
        found.sort_by(|a, b| a.reference.cmp(&b.reference));
        found.dedup_by(|a, b| a.reference == b.reference);
        Ok(Organizations(found))
    }

    /// The one organization that a party is; `None` when there is none or it is not sure.
    pub(super) fn one(&self, party: &Party, trace: Option<&str>) -> Option<Value> {
        let values = identifiers(party, trace);
        let has_identifier =
            |one: &&Found| find::identifiers(&one.resource).any(|value| values.contains(&value));
        let has_name =
            |one: &&Found| !party.name.is_empty() && name_of(&one.resource) == party.name.to_lowercase();
        let by_identifier: Vec<&Found> = self.0.iter().filter(has_identifier).collect();
        let found: Vec<&Found> = match by_identifier.len() {
            0 => self.0.iter().filter(has_name).collect(),
            1 => by_identifier,
            _ => by_identifier.into_iter().filter(|one| has_name(one)).collect(),
        };
        match found.as_slice() {
            [only] => Some(json!({ "reference": only.reference })),
            _ => None,
        }
    }
}

fn name_of(organization: &Value) -> String {
    organization["name"].as_str().unwrap_or_default().to_lowercase()
}

/// A party that is not in the record, as a reference by its words.
pub(super) fn words(party: &Party, trace: Option<&str>) -> Value {
    let mut reference = json!({ "type": "Organization" });
    let value = party.id.as_ref().map(|id| id.value.as_str()).filter(|value| !value.is_empty()).or(trace);
    if let Some(value) = value {
        reference["identifier"] = match party.npi() {
            Some(npi) => json!({ "system": "http://hl7.org/fhir/sid/us-npi", "value": npi }),
            None => json!({ "value": value }),
        };
    }
    if !party.name.is_empty() {
        reference["display"] = json!(party.name);
    }
    reference
}
