//! Edits: the rules that a claim should pass before it is sent, as a PlanDefinition of
//! event-condition-action rules (<https://hl7.org/fhir/R4/plandefinition.html>).
//!
//! An action is a rule. Its code of the system `rcm-claim-edit` is its name, its code of
//! `issue-severity` says how bad a finding is, its condition is FHIRPath that gives what is at fault.
//! Later sets replace rules of the same name; one without a condition is switched off.

use super::BASE;
use super::artefacts::artefacts_of;
use super::library::items;
use remit_fhir::Severity;
use serde_json::Value as Json;
use std::collections::HashMap;
use std::sync::LazyLock;

/// The topic of a PlanDefinition that holds edits, in the system `rcm-topic`.
pub const TOPIC: &str = "claim-edits";

const SEVERITY: &str = "http://hl7.org/fhir/issue-severity";

/// One rule.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Edit {
    /// Its name.
    pub code: String,
    /// How bad a finding is.
    pub severity: Severity,
    /// What is wrong when it finds something.
    pub title: String,
    /// What to do about it.
    pub fix: String,
    /// FHIRPath over the claim: the elements at fault. `None` switches the rule off.
    pub condition: Option<String>,
    /// Canonical of the set that it comes from.
    pub source: String,
}

/// Rules that belong together.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Edits {
    /// Canonical URL and version, or the id of a set without one.
    pub source: String,
    /// The payer that they are for, `Organization/…`; all payers when absent.
    pub payer: Option<String>,
    /// The rules in order.
    pub list: Vec<Edit>,
}

static SHIPPED: LazyLock<Edits> = LazyLock::new(|| {
    let artefact = artefacts_of("PlanDefinition").next().expect("edits are shipped; a test reads them");
    let json = serde_json::from_str(artefact.json).expect("shipped edits are JSON; a test reads them");
    Edits::read(&json).expect("shipped edits are whole; a test reads them")
});

impl Edits {
    /// The rules that come with the program.
    pub fn shipped() -> &'static Edits {
        &SHIPPED
    }

    /// Reads a PlanDefinition; the error says what is missing and where.
    pub fn read(json: &Json) -> Result<Edits, (String, String)> {
        let version = json["version"].as_str().map(|version| format!("|{version}")).unwrap_or_default();
        let source = match json["url"].as_str() {
            Some(url) => format!("{url}{version}"),
            None => format!("PlanDefinition/{}", json["id"].as_str().unwrap_or("given")),
        };
        let is_payer = |one: &&Json| one["code"]["code"] == "payer";
        let payer = items(&json["useContext"]).find(is_payer);
        let payer = payer.and_then(|one| one["valueReference"]["reference"].as_str()).map(str::to_owned);
        let mut list = Vec::new();
        for (n, action) in items(&json["action"]).enumerate() {
            list.push(
                read_edit(action, &source).map_err(|text| (text, format!("PlanDefinition.action[{n}]")))?,
            );
        }
        Ok(Edits { source, payer, list })
    }

    /// The rules that hold after each set has changed those before it, without the ones switched off.
    pub fn layered<'e>(sets: impl IntoIterator<Item = &'e Edits>) -> Vec<&'e Edit> {
        let mut all: Vec<&Edit> = Vec::new();
        let mut places: HashMap<&str, usize> = HashMap::new();
        for edit in sets.into_iter().flat_map(|set| &set.list) {
            match places.get(edit.code.as_str()) {
                Some(place) => all[*place] = edit,
                None => {
                    places.insert(&edit.code, all.len());
                    all.push(edit);
                }
            }
        }
        all.retain(|edit| edit.condition.is_some());
        all
    }
}

fn read_edit(action: &Json, source: &str) -> Result<Edit, String> {
    let codings = || items(&action["code"]).flat_map(|concept| items(&concept["coding"]));
    let system = format!("{BASE}/CodeSystem/rcm-claim-edit");
    let code = codings().find(|one| one["system"] == system.as_str()).and_then(|one| one["code"].as_str());
    let code = code.ok_or_else(|| format!("A rule has a code of the system {system}: its name."))?;
    let severity = codings().find(|one| one["system"] == SEVERITY).and_then(|one| one["code"].as_str());
    let severity = match severity.unwrap_or("error") {
        "error" => Severity::Error,
        "warning" => Severity::Warning,
        "information" => Severity::Information,
        _ => return Err("The severity of a rule is error, warning or information.".to_owned()),
    };
    let mut conditions = items(&action["condition"]);
    let condition = match (conditions.next(), conditions.next()) {
        (None, _) => None,
        (Some(_), Some(_)) => return Err("A rule has one condition.".to_owned()),
        (Some(one), None) if one["expression"]["language"] != "text/fhirpath" => {
            return Err("The condition of a rule is of the language text/fhirpath.".to_owned());
        }
        (Some(one), None) => {
            let text = one["expression"]["expression"].as_str();
            Some(text.ok_or("The condition of a rule has an expression.")?.to_owned())
        }
    };
    let text = |name: &str| action[name].as_str().unwrap_or_default().to_owned();
    let title = Some(text("title")).filter(|title| !title.is_empty()).unwrap_or_else(|| code.to_owned());
    let (code, source) = (code.to_owned(), source.to_owned());
    Ok(Edit { code, severity, title, fix: text("description"), condition, source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn set(code: &str, severity: &str, condition: Option<&str>) -> Json {
        let mut action = json!({ "title": "T", "code": [
            { "coding": [{ "system": format!("{BASE}/CodeSystem/rcm-claim-edit"), "code": code }] },
            { "coding": [{ "system": SEVERITY, "code": severity }] },
        ] });
        if let Some(text) = condition {
            action["condition"] = json!([{ "kind": "applicability", "expression": { "language": "text/fhirpath", "expression": text } }]);
        }
        json!({ "resourceType": "PlanDefinition", "id": "own", "action": [action] })
    }

    #[test]
    fn a_later_set_replaces_a_rule_adds_one_or_switches_one_off() {
        let shipped = Edits::shipped();
        let severe = Edits::read(&set("timely-filing", "error", Some("item"))).unwrap();
        let own = Edits::read(&set("own-rule", "warning", Some("item"))).unwrap();
        let off = Edits::read(&set("duplicate", "error", None)).unwrap();
        let all = Edits::layered([shipped, &severe, &own, &off]);
        assert_eq!(all.len(), shipped.list.len());
        let named = |code: &str| all.iter().find(|edit| edit.code == code);
        assert_eq!(named("timely-filing").unwrap().severity, Severity::Error);
        assert_eq!(named("own-rule").unwrap().source, "PlanDefinition/own");
        assert!(named("duplicate").is_none());
    }

    #[test]
    fn a_rule_without_a_name_or_of_another_severity_is_refused() {
        for broken in [set("x", "fatal", None), json!({ "action": [{ "title": "no name" }] })] {
            assert_eq!(Edits::read(&broken).unwrap_err().1, "PlanDefinition.action[0]");
        }
    }

    #[test]
    fn shipped_rules_have_distinct_names_and_say_what_to_do() {
        let list = &Edits::shipped().list;
        let names: std::collections::BTreeSet<&str> = list.iter().map(|edit| edit.code.as_str()).collect();
        assert_eq!(names.len(), list.len());
        assert!(
            list.iter()
                .all(|edit| edit.condition.is_some() && edit.title.ends_with('.') && edit.fix.ends_with('.'))
        );
    }
}
