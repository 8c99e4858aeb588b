//! Diagnoses, procedures and everything of a claim that FHIR keeps as supporting information.

use serde_json::{Value, json};

use super::claim_response::without_nulls;
use super::{concept, number};
use crate::guide::Kind;
use crate::model::{Claim, Code};
use crate::value::{Decimal, Span};

const ICD_10: &str = "http://hl7.org/fhir/sid/icd-10-cm";
const ICD_9: &str = "http://hl7.org/fhir/sid/icd-9-cm";
const ICD_10_PROCEDURES: &str = "http://www.cms.gov/Medicare/Coding/ICD10";
const DIAGNOSIS_TYPE: &str = "http://terminology.hl7.org/CodeSystem/ex-diagnosistype";
const ON_ADMISSION: &str = "http://terminology.hl7.org/CodeSystem/ex-diagnosis-on-admission";

/// Dates of the whole claim: qualifier and the category that they become.
pub(crate) const DATES: [(&str, &str); 9] = [
    ("431", "onset"),
    ("454", "initial-treatment"),
    ("304", "last-seen"),
    ("484", "last-menstrual-period"),
    ("435", "admission"),
    ("096", "discharge"),
    ("434", "statement"),
    ("297", "last-worked"),
    ("296", "return-to-work"),
];

/// References of the whole claim.
pub(crate) const REFERENCES: [(&str, &str); 7] = [
    ("EA", "medical-record-number"),
    ("D9", "clearinghouse-number"),
    ("X4", "clia-number"),
    ("9F", "referral-number"),
    ("9A", "repriced-number"),
    ("P4", "demonstration-project"),
    ("4N", "authorization-exception"),
];

/// Amounts of the whole claim.
pub(crate) const AMOUNTS: [(&str, &str); 2] = [("F5", "patient-paid"), ("F3", "patient-responsibility")];

/// Codes of HI that are neither diagnoses nor procedures.
pub(crate) const CODES: [(&str, &str, &str); 4] = [
    ("BE", "value-code", "https://www.nubc.org/CodeSystem/ValueCodes"),
    ("BG", "condition-code", "https://www.nubc.org/CodeSystem/ConditionCodes"),
    ("BH", "occurrence-code", "https://www.nubc.org/CodeSystem/OccurrenceCodes"),
    ("BI", "occurrence-span-code", "https://www.nubc.org/CodeSystem/OccurrenceSpanCodes"),
];

/// A list under construction.
pub(crate) struct Info<'b> {
    base: &'b str,
    list: Vec<Value>,
}

impl Info<'_> {
    /// The supporting information of a claim; `None` when there is none.
    pub(crate) fn of(base: &str, kind: Kind, claim: &Claim, currency: &str) -> Option<Vec<Value>> {
        let mut info = Info { base, list: Vec::new() };
        if !matches!(claim.frequency.as_str(), "" | "1") {
            let system = format!("{base}/CodeSystem/rcm-claim-frequency");
            info.add("claim-frequency", json!({ "code": concept(&system, &claim.frequency) }));
        }
        info.institution(kind, claim);
        for (qualifier, category) in DATES {
            if let Some(span) = claim.span(qualifier) {
                info.add(category, timing(span));
            }
        }
        for (qualifier, category) in REFERENCES {
            if let Some(value) = claim.reference(qualifier) {
                info.add(category, json!({ "valueString": value }));
            }
        }
        for (qualifier, category) in AMOUNTS {
            for amount in claim.amounts.iter().filter(|amount| amount.qualifier == qualifier) {
                info.add(category, json!({ "valueQuantity": money(amount.value, currency) }));
            }
        }
        for code in claim.codes.iter().flatten() {
            info.code(code, currency);
        }
        for note in &claim.notes {
            info.add("note", json!({ "valueString": note.text }));
        }
        Some(info.list).filter(|list| !list.is_empty())
    }

    fn add(&mut self, category: &str, more: Value) {
        let system = format!("{}/CodeSystem/rcm-supporting-info", self.base);
        let mut entry = json!({ "sequence": self.list.len() + 1, "category": concept(&system, category) });
        if let (Some(entry), Value::Object(more)) = (entry.as_object_mut(), more) {
            entry.extend(more);
        }
        self.list.push(without_nulls(entry));
    }

    fn institution(&mut self, kind: Kind, claim: &Claim) {
        if kind == Kind::Institutional && !claim.facility_code.is_empty() {
            let bill = format!("0{}{}", claim.facility_code, claim.frequency);
            self.add(
                "typeofbill",
                json!({
                    "code": concept("https://www.nubc.org/CodeSystem/TypeOfBill", &bill),
                }),
            );
        }
        let Some(admission) = &claim.admission else { return };
        let systems = [
            ("admission-type", "https://www.nubc.org/CodeSystem/PriorityTypeOfAdmitOrVisit"),
            ("admission-source", "https://www.nubc.org/CodeSystem/PointOfOrigin"),
            ("discharge-status", "https://www.nubc.org/CodeSystem/PatDischargeStatus"),
        ];
        for ((category, system), code) in systems.into_iter().zip(admission) {
            if !code.is_empty() {
                self.add(category, json!({ "code": concept(system, code) }));
            }
        }
    }

    fn code(&mut self, code: &Code, currency: &str) {
        let Some((_, category, system)) = CODES.into_iter().find(|one| one.0 == code.qualifier) else {
            if code.qualifier == "DR" {
                let system = "https://www.cms.gov/Medicare/Medicare-Fee-for-Service-Payment/AcuteInpatientPPS/MS-DRG-Classifications-and-Software";
                self.add("drg", json!({ "code": concept(system, &code.code) }));
            }
            return;
        };
        let mut more = json!({
            "code": concept(system, &code.code),
            "valueQuantity": code.amount.map(|amount| money(amount, currency)),
        });
        if let (Some(span), Some(more)) = (code.span, more.as_object_mut())
            && let Value::Object(timing) = timing(span)
        {
            more.extend(timing);
        }
        self.add(category, more);
    }
}

fn money(amount: Decimal, currency: &str) -> Value {
    json!({ "value": number(amount, 2), "system": "urn:iso:std:iso:4217", "code": currency })
}

fn timing(span: Span) -> Value {
    match span.to {
        None => json!({ "timingDate": span.from.to_string() }),
        Some(to) => json!({ "timingPeriod": { "start": span.from.to_string(), "end": to.to_string() } }),
    }
}

/// ICD codes have a point behind the third character, which X12 leaves out.
pub(crate) fn with_point(code: &str) -> String {
    match (code.get(..3), code.get(3..)) {
        (Some(head), Some(tail)) if !tail.is_empty() && !code.contains('.') => format!("{head}.{tail}"),
        _ => code.to_owned(),
    }
}

/// Diagnoses in the order that lines point to, then reasons for the visit and of admission.
pub(crate) fn diagnoses(claim: &Claim) -> Option<Vec<Value>> {
    let own = claim.diagnoses();
    let more = claim
        .codes
        .iter()
        .flatten()
        .filter(|code| matches!(code.qualifier.as_str(), "ABJ" | "BJ" | "APR" | "PR"));
    let one = |(n, code): (usize, &Code)| {
        let kind = match code.qualifier.as_str() {
            "ABK" | "BK" => Some("principal"),
            "ABJ" | "BJ" => Some("admitting"),
            "APR" | "PR" => Some("patientreasonforvisit"),
            _ => None,
        };
        let system = match code.qualifier.as_str() {
            "BK" | "BF" | "BJ" | "PR" => ICD_9,
            _ => ICD_10,
        };
        without_nulls(json!({
            "sequence": n + 1,
            "diagnosisCodeableConcept": concept(system, &with_point(&code.code)),
            "type": kind.map(|kind| vec![concept(DIAGNOSIS_TYPE, kind)]),
            "onAdmission": code.on_admission.as_ref().map(|code| concept(ON_ADMISSION, &code.to_lowercase())),
        }))
    };
    let list: Vec<Value> = own.chain(more).enumerate().map(one).collect();
    Some(list).filter(|list| !list.is_empty())
}

/// Procedures of an institution's claim.
pub(crate) fn procedures(claim: &Claim) -> Option<Vec<Value>> {
    let all = claim.codes.iter().flatten().filter(|code| matches!(code.qualifier.as_str(), "BBR" | "BBQ"));
    let one = |(n, code): (usize, &Code)| {
        without_nulls(json!({
            "sequence": n + 1,
            "date": code.span.map(|span| span.from.to_string()),
            "procedureCodeableConcept": concept(ICD_10_PROCEDURES, &code.code),
        }))
    };
    let list: Vec<Value> = all.enumerate().map(one).collect();
    Some(list).filter(|list| !list.is_empty())
}
