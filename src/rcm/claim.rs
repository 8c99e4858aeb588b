//! What a Claim says of itself, read as the shipped views read it (`profiles/rcm/views/claim.json`).

use super::library::items;
use serde_json::Value as Json;

const FREQUENCY: &str = "https://remit.example/fhir/rcm/CodeSystem/rcm-claim-frequency";
const SUPPORTING: &str = "https://remit.example/fhir/rcm/CodeSystem/rcm-supporting-info";
const ZONE: &str = "http://hl7.org/fhir/StructureDefinition/timezone";

/// The frequency of a claim (837 CLM05-3): `1` original, `7` replacement, `8` void. Without one it is 1.
pub fn frequency(claim: &Json) -> &str {
    let is_frequency = |info: &&Json| {
        items(&info["category"]["coding"])
            .any(|coding| coding["system"] == SUPPORTING && coding["code"] == "claim-frequency")
    };
    items(&claim["supportingInfo"])
        .filter(is_frequency)
        .flat_map(|info| items(&info["code"]["coding"]))
        .find(|coding| coding["system"] == FREQUENCY)
        .and_then(|coding| coding["code"].as_str())
        .unwrap_or("1")
}

/// First and last day of service: of the lines, else of the whole claim. Days are as they are written.
pub fn service_days(claim: &Json) -> Option<(&str, &str)> {
    fn day(value: &Json) -> Option<&str> {
        value.as_str()?.get(..10)
    }
    let mut all: Vec<&str> = Vec::new();
    for item in items(&claim["item"]) {
        let period = &item["servicedPeriod"];
        let end = day(&period["end"]).or(day(&period["start"]));
        all.extend([day(&item["servicedDate"]), day(&period["start"]), end].into_iter().flatten());
    }
    if all.is_empty() {
        let period = &claim["billablePeriod"];
        all.extend([day(&period["start"]), day(&period["end"])].into_iter().flatten());
    }
    Some((all.iter().min()?, all.iter().max()?))
}

/// The time zone that a Location or an Organization tells, a name of the IANA database.
pub fn timezone(place: &Json) -> Option<&str> {
    items(&place["extension"]).find(|extension| extension["url"] == ZONE)?["valueCode"].as_str()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_frequency_is_that_of_our_category_and_code_system() {
        let info = |category: &str, system: &str| {
            json!({ "supportingInfo": [{
                "category": { "coding": [{ "system": SUPPORTING, "code": category }] },
                "code": { "coding": [{ "system": system, "code": "7" }] },
            }] })
        };
        assert_eq!(frequency(&info("claim-frequency", FREQUENCY)), "7");
        for other in [info("onset", FREQUENCY), info("claim-frequency", "urn:other"), json!({})] {
            assert_eq!(frequency(&other), "1");
        }
    }

    #[test]
    fn days_are_those_of_the_lines_else_those_of_the_claim() {
        let lines = json!({ "billablePeriod": { "start": "2020-01-01" }, "item": [
            { "servicedDate": "2026-01-05" },
            { "servicedPeriod": { "start": "2026-01-03T10:00:00Z", "end": "2026-01-09" } },
        ] });
        assert_eq!(service_days(&lines), Some(("2026-01-03", "2026-01-09")));
        let whole = json!({ "billablePeriod": { "start": "2020-01-01", "end": "2020-01-02" } });
        assert_eq!(service_days(&whole), Some(("2020-01-01", "2020-01-02")));
        assert_eq!(service_days(&json!({ "item": [{ "sequence": 1 }] })), None);
    }
}
