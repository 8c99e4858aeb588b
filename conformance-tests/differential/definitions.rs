//! Random code systems and value sets over the codes that resources use
//! (<https://hl7.org/fhir/R4/codesystem.html>, <https://hl7.org/fhir/R4/valueset.html>).

use super::pool::{CODES, SYSTEMS};
use super::random::Random;
use serde_json::{Value, json};

/// The code systems that are stored: all that can be without a filter or a hierarchy stays outside.
pub(super) const STORED: [&str; 2] = [SYSTEMS[2], SYSTEMS[3]];
/// How many value sets are made.
const SETS: usize = 12;

/// The addresses of the value sets.
pub(super) fn sets() -> Vec<String> {
    (0..SETS).map(|n| format!("http://sets.org/{n}")).collect()
}

/// A code system in which each code stands inside of an earlier one, says one as its parent, or has none.
fn code_system(random: &mut Random, place: usize) -> Value {
    let mut concepts: Vec<Value> = Vec::new();
    for code in CODES {
        let kind = *random.pick(&["x", "y"]);
        let mut concept =
            json!({"code": code, "display": code, "property": [{"code": "kind", "valueString": kind}]});
        let earlier: Vec<usize> = (0..concepts.len()).collect();
        match random.below(3) {
            0 if !earlier.is_empty() => {
                let above = *random.pick(&earlier);
                let inside = concepts[above]["concept"].as_array().cloned().unwrap_or_default();
                concepts[above]["concept"] = [inside, vec![concept]].concat().into();
            }
            1 if !earlier.is_empty() => {
                let parent = concepts[*random.pick(&earlier)]["code"].clone();
                let property = concept["property"].as_array().cloned().unwrap_or_default();
                let says = json!({"code": "parent", "valueCode": parent});
                concept["property"] = [property, vec![says]].concat().into();
                concepts.push(concept);
            }
            _ => concepts.push(concept),
        }
    }
    json!({
        "resourceType": "CodeSystem", "id": format!("c{place}"), "url": STORED[place], "status": "active",
        "content": "complete", "caseSensitive": true, "hierarchyMeaning": "is-a", "concept": concepts,
        "property": [
            {"code": "parent", "uri": "http://hl7.org/fhir/concept-properties#parent", "type": "code"},
            {"code": "kind", "type": "string"},
        ],
    })
}

fn filter(random: &mut Random) -> Value {
    let op = *random.pick(&["is-a", "descendent-of", "is-not-a", "generalizes", "in", "="]);
    let code = *random.pick(&CODES);
    match op {
        "in" => json!({"property": "concept", "op": op, "value": random.pick(&["a,b,active", "A", "b,ä"])}),
        "=" => json!({"property": "kind", "op": op, "value": random.pick(&["x", "y"])}),
        _ => json!({"property": "concept", "op": op, "value": code}),
    }
}

/// One `include` or `exclude`; it draws from the sets before this one only.
fn part(random: &mut Random, place: usize) -> Value {
    let import = |random: &mut Random| format!("http://sets.org/{}", random.below(place.max(1)));
    if place > 0 && random.percent(20) {
        return json!({"valueSet": [import(random)]});
    }
    let mut part = match random.below(4) {
        0 | 1 => {
            let listed: Vec<Value> = (0..3).map(|_| json!({"code": random.pick(&CODES)})).collect();
            json!({"system": random.pick(&SYSTEMS), "concept": listed})
        }
        2 => {
            let filters: Vec<Value> = (0..1 + random.below(2)).map(|_| filter(random)).collect();
            json!({"system": random.pick(&STORED), "filter": filters})
        }
        _ => json!({"system": random.pick(&STORED)}),
    };
    if place > 0 && random.percent(15) {
        part["valueSet"] = json!([import(random)]);
    }
    part
}

/// All code systems and value sets.
pub(super) fn all(random: &mut Random) -> Vec<Value> {
    let mut made: Vec<Value> = (0..STORED.len()).map(|place| code_system(random, place)).collect();
    for (place, url) in sets().into_iter().enumerate() {
        let include: Vec<Value> = (0..1 + random.below(2)).map(|_| part(random, place)).collect();
        let mut compose = json!({"include": include});
        if random.percent(40) {
            compose["exclude"] = json!([part(random, place)]);
        }
        let id = format!("s{place}");
        made.push(
            json!({"resourceType": "ValueSet", "id": id, "url": url, "status": "active", "compose": compose}),
        );
    }
    made
}
