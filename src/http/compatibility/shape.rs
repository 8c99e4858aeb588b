//! The figures of a FHIR answer under the names of a compatibility route. Nothing is computed: numbers are
//! those of the answer, digit by digit, and `null` where it has none.

use super::routes::{Figure, Source};
use remit_fhir::{Error, Result};
use serde_json::{Map, Value as Json, json};

/// The members of an answer.
pub(super) fn members(answer: &Json, members: &[(&str, Source)]) -> Result<Json> {
    let mut shown = Map::new();
    for (name, source) in members {
        shown.insert((*name).to_owned(), value(answer, source)?);
    }
    Ok(Json::Object(shown))
}

fn value(answer: &Json, source: &Source) -> Result<Json> {
    let group = |code: &str| items(answer, "group").find(|group| code_of(&group["code"]) == code);
    Ok(match source {
        Source::At(place) => at(answer, place),
        Source::Score(code) => group(code).map_or(Json::Null, score),
        Source::Amount(code, population) => group(code).map_or(Json::Null, |g| amount(g, population)),
        Source::Scores(code, stratifier) => {
            let found = group(code).into_iter().flat_map(|group| items(group, "stratifier"));
            let strata = found.filter(|s| name_of(s) == *stratifier).flat_map(|s| items(s, "stratum"));
            Json::Object(strata.map(|stratum| (key(stratum), score(stratum))).collect())
        }
        Source::Strata(code, figures) => {
            let found = group(code).into_iter().flat_map(|group| items(group, "stratifier"));
            Json::Object(found.map(|s| (name_of(s), strata(s, figures))).collect())
        }
        Source::Found(place) => {
            let found = items(answer, "entry").find(|entry| entry["search"]["mode"] == "match");
            let found = found.ok_or_else(|| Error::not_found("There is no resource of this id here."))?;
            at(&found["resource"], place)
        }
        Source::Beside(kind, members) => {
            let resources = items(answer, "entry").map(|entry| &entry["resource"]);
            let of_kind = resources.filter(|resource| resource["resourceType"] == *kind);
            let shown = |resource: &Json| -> Map<String, Json> {
                members.iter().map(|(name, place)| ((*name).to_owned(), at(resource, place))).collect()
            };
            of_kind.map(shown).collect()
        }
    })
}

fn strata(stratifier: &Json, figures: &[(&str, Figure)]) -> Json {
    let one = |stratum: &Json| {
        let mut shown = Map::new();
        shown.insert("key".to_owned(), json!(key(stratum)));
        for (name, figure) in figures {
            let value = match figure {
                Figure::Score => score(stratum),
                Figure::Count(code) => population(stratum, code).map_or(Json::Null, |p| p["count"].clone()),
                Figure::Amount(code) => amount(stratum, code),
            };
            shown.insert((*name).to_owned(), value);
        }
        Json::Object(shown)
    };
    items(stratifier, "stratum").map(one).collect()
}

fn items<'j>(json: &'j Json, name: &str) -> impl Iterator<Item = &'j Json> {
    json[name].as_array().into_iter().flatten()
}

fn at(json: &Json, place: &str) -> Json {
    json.pointer(place).cloned().unwrap_or_default()
}

fn code_of(concept: &Json) -> &str {
    concept["coding"][0]["code"].as_str().unwrap_or_default()
}

fn score(of: &Json) -> Json {
    at(of, "/measureScore/value")
}

fn population<'j>(of: &'j Json, code: &str) -> Option<&'j Json> {
    items(of, "population").find(|population| code_of(&population["code"]) == code)
}

fn amount(of: &Json, code: &str) -> Json {
    population(of, code).map_or(Json::Null, |population| at(population, "/extension/0/valueMoney/value"))
}

/// The codes of a stratifier: `payer`, or `payer_bucket` where both tell apart.
fn name_of(stratifier: &Json) -> String {
    items(stratifier, "code").map(code_of).collect::<Vec<_>>().join("_")
}

/// The key of a stratum, or its keys.
fn key(stratum: &Json) -> String {
    match items(stratum, "component").next() {
        None => code_of(&stratum["value"]).to_owned(),
        Some(_) => items(stratum, "component").map(|c| code_of(&c["value"])).collect::<Vec<_>>().join(" "),
    }
}
