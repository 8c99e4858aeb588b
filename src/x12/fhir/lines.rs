//! Service lines of a claim as items.

use serde_json::{Value, json};

use super::claim::Team;
use super::claim_response::{MODIFIERS, code_system, without_nulls};
use super::entries::Entries;
use super::{LINE_CONTROL, concept, number};
use crate::guide::Kind;
use crate::model::{Claim, Line};
use crate::value::Span;

pub(crate) const PLACE: &str = "https://www.cms.gov/Medicare/Coding/place-of-service-codes";
pub(crate) const REVENUE: &str = "https://www.nubc.org/CodeSystem/RevenueCodes";
pub(crate) const TOOTH: &str = "http://terminology.hl7.org/CodeSystem/ex-tooth";
pub(crate) const SURFACE: &str = "http://terminology.hl7.org/CodeSystem/FDI-surface";

/// The items of a claim.
pub(crate) fn items(
    base: &str,
    kind: Kind,
    claim: &Claim,
    currency: &str,
    team: &mut Team,
    entries: &mut Entries,
) -> Vec<Value> {
    let numbers: Vec<u32> = claim.lines.iter().filter_map(|line| line.number.parse().ok()).collect();
    let mut distinct = numbers.clone();
    distinct.sort_unstable();
    distinct.dedup();
    // Numbers that are missing or repeated are given anew.
    let has_numbers = distinct.len() == claim.lines.len() && distinct.first() != Some(&0);
    let mut all = Vec::with_capacity(claim.lines.len());
    for (n, line) in claim.lines.iter().enumerate() {
        let sequence = if has_numbers { numbers[n] as usize } else { n + 1 };
        let members: Vec<usize> =
            line.providers.iter().filter_map(|party| team.add(base, entries, party)).collect();
        all.push(item(base, kind, (claim, line), sequence, &members, currency));
    }
    all
}

fn item(
    base: &str,
    kind: Kind,
    (claim, line): (&Claim, &Line),
    sequence: usize,
    members: &[usize],
    currency: &str,
) -> Value {
    let place = line.place.as_deref().unwrap_or(&claim.facility_code);
    let place = Some(place).filter(|place| !place.is_empty() && kind != Kind::Institutional);
    let control = line.reference("6R").map(|value| {
        json!([{ "url": format!("{base}/StructureDefinition/{LINE_CONTROL}"), "valueString": value }])
    });
    let known = claim.diagnoses().count();
    let pointers: Vec<usize> =
        line.pointers.iter().filter_map(|one| one.parse().ok()).filter(|n| (1..=known).contains(n)).collect();
    let modifiers: Vec<Value> = line.service.modifiers.iter().map(|code| concept(MODIFIERS, code)).collect();
    let mut item = json!({
        "extension": control,
        "sequence": sequence,
        "careTeamSequence": some(members),
        "diagnosisSequence": some(&pointers),
        "revenue": line.revenue.as_ref().map(|code| concept(REVENUE, code)),
        "productOrService": product(line),
        "modifier": Some(modifiers).filter(|list| !list.is_empty()),
        "programCode": line.epsdt.as_ref().map(|_| vec![json!({ "text": "EPSDT" })]),
        "locationCodeableConcept": place.map(|code| concept(PLACE, code)),
        "quantity": line.quantity.map(|units| json!({ "value": number(units, 0), "unit": line.unit })),
        "net": { "value": number(line.charge, 2), "currency": currency },
        "bodySite": line.teeth.first().map(|tooth| concept(TOOTH, &tooth.code)),
        "subSite": line.teeth.first().filter(|tooth| !tooth.surfaces.is_empty()).map(|tooth| {
            tooth.surfaces.iter().map(|code| concept(SURFACE, code)).collect::<Vec<_>>()
        }),
        "detail": line.drug.as_ref().map(|drug| json!([{
            "sequence": 1,
            "productOrService": match code_system(&drug.qualifier, &drug.code) {
                Some(system) => concept(system, &drug.code),
                None => json!({ "text": drug.code }),
            },
            "quantity": drug.quantity.map(|units| json!({ "value": number(units, 0), "unit": drug.unit })),
        }])),
    });
    let span = line.span("472").or_else(|| claim.span("472")).or_else(|| claim.span("434"));
    if let Some(span) = span {
        served(&mut item, span);
    }
    without_nulls(item)
}

fn served(item: &mut Value, span: Span) {
    match span.to {
        None => item["servicedDate"] = json!(span.from.to_string()),
        Some(to) => item["servicedPeriod"] = json!({ "start": span.from.to_string(), "end": to.to_string() }),
    }
}

fn some(list: &[usize]) -> Option<&[usize]> {
    Some(list).filter(|list| !list.is_empty())
}

/// The procedure; an institution's line may have a revenue code alone.
fn product(line: &Line) -> Value {
    let code = &line.service.code;
    let mut product = match (code_system(&line.service.qualifier, code), &line.revenue) {
        (_, Some(revenue)) if code.is_empty() => concept(REVENUE, revenue),
        (Some(system), _) if !code.is_empty() => concept(system, code),
        _ if code.is_empty() => json!({ "text": "not told" }),
        _ => json!({ "text": code }),
    };
    if let Some(text) = &line.service.description {
        product["text"] = json!(text);
    }
    product
}
