//! The draft, made of what was gathered. Pure: amounts are exact, references as they were found.

use super::charges::{ICD_10, ICD_10_PROCEDURES, quantity};
use crate::billing::request::{cents, code_of, day, has_code, number};
use crate::edi::find::{Found, items};
use crate::edi::identity;
use crate::edi::record::own_code;
use crate::rcm::BASE;
use remit_fhir::{Error, Issue, IssueType, Result, date};
use rust_decimal::Decimal;
use serde_json::{Value, json};

const CLAIM_TYPE: &str = "http://terminology.hl7.org/CodeSystem/claim-type";
const ROLE: &str = "http://hl7.org/fhir/us/carin-bb/CodeSystem/C4BBClaimCareTeamRole";
const PLACE: &str = "https://www.cms.gov/Medicare/Coding/place-of-service-codes";
const REVENUE: &str = "https://www.nubc.org/CodeSystem/RevenueCodes";
const BILL: &str = "https://www.nubc.org/CodeSystem/TypeOfBill";

/// Diagnoses that a line may point to.
const MAX_POINTERS: usize = 4;

/// Classes of a visit that are a stay.
const STAYS: [&str; 3] = ["IMP", "ACUTE", "NONAC"];

/// What kind of claim.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Professional,
    Institutional,
    Oral,
}

impl Kind {
    /// The kind that is asked for, else that of the class of the visit.
    pub(super) fn of(asked: Option<&str>, encounter: &Value) -> Result<Kind> {
        match asked {
            None if is_stay(encounter) => Ok(Kind::Institutional),
            None | Some("professional") => Ok(Kind::Professional),
            Some("institutional") => Ok(Kind::Institutional),
            Some("oral") => Ok(Kind::Oral),
            Some(_) => Err(Error::invalid("claimType is professional, institutional or oral.")
                .coded(IssueType::CodeInvalid)
                .at("claimType")),
        }
    }

    fn code(self) -> &'static str {
        match self {
            Kind::Professional => "professional",
            Kind::Institutional => "institutional",
            Kind::Oral => "oral",
        }
    }
}

fn is_stay(encounter: &Value) -> bool {
    encounter["class"]["code"].as_str().is_some_and(|class| STAYS.contains(&class))
}

/// A ChargeItem with what it costs.
pub(super) struct Charge {
    pub(super) found: Found,
    pub(super) net: Decimal,
    pub(super) currency: String,
    /// References of the people who did it.
    pub(super) people: Vec<String>,
}

impl Charge {
    /// The first day.
    pub(super) fn start(&self) -> Option<&str> {
        let item = &self.found.resource;
        day(&item["occurrenceDateTime"]).or(day(&item["occurrencePeriod"]["start"]))
    }

    /// The last day.
    pub(super) fn end(&self) -> Option<&str> {
        day(&self.found.resource["occurrencePeriod"]["end"]).or(self.start())
    }

    /// References of who did it.
    pub(super) fn performers(&self) -> impl Iterator<Item = &str> {
        items(&self.found.resource, "performer").filter_map(|one| one["actor"]["reference"].as_str())
    }
}

/// A diagnosis with its code of ICD-10-CM.
pub(super) struct Diagnosis {
    pub(super) code: String,
    pub(super) concept: Value,
    pub(super) reference: String,
}

/// Where the visit was, and who bills for it.
pub(super) struct Place {
    pub(super) facility: Option<String>,
    pub(super) provider: Option<Value>,
    /// Place of service.
    pub(super) service: Option<String>,
    /// Whether the location tells it, or the class of the visit.
    pub(super) is_told: bool,
}

/// All that a claim is made of.
pub(super) struct Visit {
    pub(super) encounter: Found,
    pub(super) kind: Kind,
    pub(super) charges: Vec<Charge>,
    pub(super) days: Option<(String, String)>,
    pub(super) coverages: Vec<Found>,
    pub(super) diagnoses: Vec<Diagnosis>,
    pub(super) procedures: Vec<Value>,
    pub(super) place: Place,
    pub(super) team: Vec<(String, &'static str)>,
}

impl Visit {
    /// The draft under an id.
    pub(super) fn claim(&self, id: &str, now: i64, issues: &mut Vec<Issue>) -> Result<Value> {
        let Some(provider) = &self.place.provider else {
            let text = "Nobody bills for the visit: give Encounter.serviceProvider, or a location with a managing organization.";
            return Err(Error::unprocessable(text)
                .coded(IssueType::BusinessRule)
                .at("Encounter.serviceProvider"));
        };
        let currency = self.charges.first().map_or("USD", |one| one.currency.as_str());
        let total: Decimal = self.charges.iter().map(|one| one.net).sum();
        let payor = self.coverages.first().map(|one| one.resource["payor"][0].clone());
        let digest = identity::digest([id.as_bytes()]).to_uppercase();
        let mut claim = json!({
            "resourceType": "Claim",
            "id": id,
            "identifier": [{ "system": format!("{BASE}/patient-control-number"), "value": &digest[..16] }],
            "status": "draft",
            "type": { "coding": [{ "system": CLAIM_TYPE, "code": self.kind.code() }] },
            "use": "claim",
            "patient": self.encounter.resource["subject"],
            "created": date::instant(now),
            "provider": provider,
            "priority": { "coding": [{ "system": "http://terminology.hl7.org/CodeSystem/processpriority", "code": "normal" }] },
            "insurance": self.insurance(),
            "item": self.items(issues),
            "total": { "value": number(total), "currency": currency },
        });
        if let Some(payor) = payor {
            claim["insurer"] = payor;
        }
        if let Some((first, last)) = &self.days {
            claim["billablePeriod"] = json!({ "start": first, "end": last });
        }
        if let Some(facility) = &self.place.facility {
            claim["facility"] = json!({ "reference": facility });
        }
        let lists = [
            ("careTeam", self.care_team()),
            ("diagnosis", self.diagnosis()),
            ("procedure", self.procedure()),
            ("supportingInfo", self.information()),
        ];
        for (name, list) in lists {
            if !list.is_empty() {
                claim[name] = Value::Array(list);
            }
        }
        Ok(claim)
    }

    fn insurance(&self) -> Vec<Value> {
        let one = |(n, coverage): (usize, &Found)| json!({ "sequence": n + 1, "focal": n == 0, "coverage": { "reference": coverage.reference } });
        self.coverages.iter().enumerate().map(one).collect()
    }

    fn care_team(&self) -> Vec<Value> {
        let one = |(n, (provider, role)): (usize, &(String, &str))| {
            json!({
                "sequence": n + 1,
                "provider": { "reference": provider },
                "role": { "coding": [{ "system": ROLE, "code": role }] },
            })
        };
        self.team.iter().enumerate().map(one).collect()
    }

    fn diagnosis(&self) -> Vec<Value> {
        let one = |(n, diagnosis): (usize, &Diagnosis)| {
            let kind = if n == 0 { "principal" } else { "secondary" };
            let system = match n {
                0 => "http://terminology.hl7.org/CodeSystem/ex-diagnosistype",
                _ => "http://hl7.org/fhir/us/carin-bb/CodeSystem/C4BBClaimDiagnosisType",
            };
            let mut concept = diagnosis.concept.clone();
            concept["coding"] =
                json!([items(&diagnosis.concept, "coding").find(|one| one["system"] == ICD_10)]);
            json!({
                "sequence": n + 1,
                "extension": [{
                    "url": format!("{BASE}/StructureDefinition/rcm-condition"),
                    "valueReference": { "reference": diagnosis.reference },
                }],
                "diagnosisCodeableConcept": concept,
                "type": [{ "coding": [{ "system": system, "code": kind }] }],
            })
        };
        self.diagnoses.iter().enumerate().map(one).collect()
    }

    fn procedure(&self) -> Vec<Value> {
        let one = |(n, procedure): (usize, &Value)| {
            let code = code_of(&procedure["code"], ICD_10_PROCEDURES);
            let mut entry = json!({
                "sequence": n + 1,
                "procedureCodeableConcept": { "coding": [{ "system": ICD_10_PROCEDURES, "code": code }] },
            });
            let performed =
                day(&procedure["performedDateTime"]).or(day(&procedure["performedPeriod"]["start"]));
            if let Some(day) = performed {
                entry["date"] = json!(day);
            }
            entry
        };
        self.procedures.iter().enumerate().map(one).collect()
    }

    /// What only the claim of an institution tells: type of bill, admission, discharge.
    fn information(&self) -> Vec<Value> {
        if self.kind != Kind::Institutional {
            return Vec::new();
        }
        let encounter = &self.encounter.resource;
        let bill = if is_stay(encounter) { "0111" } else { "0131" };
        let mut list = vec![json!({
            "sequence": 1, "category": own_code("rcm-supporting-info", "typeofbill"),
            "code": { "coding": [{ "system": BILL, "code": bill }] },
        })];
        if is_stay(encounter)
            && let Some(start) = day(&encounter["period"]["start"])
        {
            list.push(json!({
                "sequence": 2, "category": own_code("rcm-supporting-info", "admission"), "timingDate": start,
            }));
        }
        list
    }

    fn items(&self, issues: &mut Vec<Issue>) -> Vec<Value> {
        if self.kind != Kind::Institutional && !self.place.is_told {
            let text = match &self.place.service {
                Some(code) => format!(
                    "The location tells no place of service; {code} was taken from the class of the visit."
                ),
                None => {
                    "Neither the location nor the class of the visit tells a place of service.".to_owned()
                }
            };
            issues.push(Issue::warning(IssueType::BusinessRule, text).at("Claim.item.location"));
        }
        self.charges.iter().enumerate().map(|(n, charge)| self.item(n, charge)).collect()
    }

    fn item(&self, n: usize, charge: &Charge) -> Value {
        let source = &charge.found.resource;
        let money = |value: Decimal| json!({ "value": number(value), "currency": charge.currency });
        let quantity = quantity(source);
        let mut service = source["code"].clone();
        let codings: Vec<&Value> =
            items(&source["code"], "coding").filter(|one| one["system"] != REVENUE).collect();
        if !codings.is_empty() {
            service["coding"] = json!(codings);
        }
        let mut item = json!({
            "sequence": n + 1,
            "extension": [{
                "url": format!("{BASE}/StructureDefinition/rcm-charge-item"),
                "valueReference": { "reference": charge.found.reference },
            }],
            "productOrService": service,
            "quantity": { "value": number(quantity) },
            "net": money(charge.net),
            "encounter": [{ "reference": self.encounter.reference }],
        });
        if let Some(code) = code_of(&source["code"], REVENUE) {
            item["revenue"] = json!({ "coding": [{ "system": REVENUE, "code": code }] });
        }
        if let Some(unit) = unit_price(charge.net, quantity) {
            item["unitPrice"] = money(unit);
        }
        let members = self.members(charge);
        if !members.is_empty() {
            item["careTeamSequence"] = json!(members);
        }
        self.serviced(charge, &mut item);
        let pointers = self.pointers(source);
        if !pointers.is_empty() {
            item["diagnosisSequence"] = json!(pointers);
        }
        if let Some(place) = self.place.service.as_ref().filter(|_| self.kind != Kind::Institutional) {
            item["locationCodeableConcept"] = json!({ "coding": [{ "system": PLACE, "code": place }] });
        }
        item
    }

    /// Who did the work of a line, where lines differ in it; else the care team is that of the claim.
    fn members(&self, charge: &Charge) -> Vec<usize> {
        let numbered = self.team.iter().enumerate().map(|(n, (name, role))| (n + 1, name, *role));
        let all: Vec<(usize, &String)> =
            numbered.filter(|(_, _, role)| *role == "rendering").map(|(n, name, _)| (n, name)).collect();
        if all.len() < 2 {
            return Vec::new();
        }
        all.into_iter().filter(|(_, name)| charge.people.contains(name)).map(|(n, _)| n).collect()
    }

    /// The day of a line; that of the visit where the charge tells none.
    fn serviced(&self, charge: &Charge, item: &mut Value) {
        let own = day(&self.encounter.resource["period"]["start"]);
        match (charge.start().or(own), charge.end()) {
            (Some(start), Some(end)) if start != end => {
                item["servicedPeriod"] = json!({ "start": start, "end": end });
            }
            (Some(start), _) => item["servicedDate"] = json!(start),
            (None, _) => {}
        }
    }

    /// The diagnoses that a charge gives as its reason, else the first of the visit.
    fn pointers(&self, source: &Value) -> Vec<usize> {
        let is_reason = |one: &Diagnosis| items(source, "reason").any(|reason| has_code(reason, &one.code));
        let numbered = || self.diagnoses.iter().enumerate();
        let own: Vec<usize> =
            numbered().filter(|(_, one)| is_reason(one)).map(|(n, _)| n + 1).take(MAX_POINTERS).collect();
        match own.is_empty() {
            false => own,
            true => numbered().map(|(n, _)| n + 1).take(MAX_POINTERS).collect(),
        }
    }
}

/// The price of a unit, where it is a whole number of cents.
fn unit_price(net: Decimal, quantity: Decimal) -> Option<Decimal> {
    let unit = cents(net.checked_div(quantity)?);
    (unit.checked_mul(quantity)? == net).then_some(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_price_is_told_only_where_it_is_exact() {
        let decimal = |text: &str| text.parse::<Decimal>().unwrap();
        for (net, quantity, expected) in [
            ("120.00", "1", Some("120.00")),
            ("100.00", "3", None),
            ("90.30", "3", Some("30.10")),
            ("10.00", "0", None),
        ] {
            assert_eq!(
                unit_price(decimal(net), decimal(quantity)),
                expected.map(decimal),
                "{net} / {quantity}"
            );
        }
    }

    #[test]
    fn a_stay_in_hospital_is_billed_by_the_institution() {
        let of = |class: &str| json!({ "class": { "code": class } });
        assert_eq!(Kind::of(None, &of("IMP")).unwrap(), Kind::Institutional);
        assert_eq!(Kind::of(None, &of("AMB")).unwrap(), Kind::Professional);
        assert_eq!(Kind::of(Some("oral"), &of("IMP")).unwrap(), Kind::Oral);
        assert_eq!(Kind::of(Some("dental"), &of("AMB")).unwrap_err().status(), 400);
    }
}
