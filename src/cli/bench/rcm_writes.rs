//! What `remit bench rcm` writes while it asks: claims of patients of the practice, and remittances that
//! pay a part of each.

use super::phases::{ask, post_bundle};
use crate::cli::load::Client;
use crate::demo::Practice;
use bytes::Bytes;
use hyper::Method;
use remit_fhir::{Error, Result};
use rust_decimal::Decimal;
use serde_json::{Value as Json, json};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

const BASE: &str = "https://remit.example/fhir/rcm";
const HL7: &str = "http://terminology.hl7.org/CodeSystem";
const X12: &str = "https://x12.org/codes";
/// Claims that wait for their remittances.
const CLAIMS: usize = 80;
/// What each remittance pays, of a charge of 100.
pub(super) const PAID: Decimal = Decimal::from_parts(6025, 0, 0, false, 2);

/// Claims of one run and how many of them were answered.
pub(super) struct Writes {
    /// `demo-123456`
    tag: String,
    run: String,
    answered: AtomicUsize,
}

impl Writes {
    pub(super) fn of(practice: &Practice) -> Writes {
        let payer = practice.answers.by_payer.keys().find_map(|key| key.strip_prefix("Organization/"));
        let tag = payer.and_then(|id| id.rsplit_once("-payer-")).map_or("demo", |(tag, _)| tag).to_owned();
        let run = uuid::Uuid::new_v4().simple().to_string()[..8].to_owned();
        Writes { tag, run, answered: AtomicUsize::new(0) }
    }

    fn id(&self, number: usize) -> String {
        format!("bench-{}-{number}", self.run)
    }

    /// Submits the claims, each for another patient of the practice.
    pub(super) async fn claims(&self, client: &Client) -> Result<()> {
        let entry = |number: usize| {
            let resource = self.claim(number);
            let url = format!("Claim/{}", self.id(number));
            json!({ "resource": resource, "request": { "method": "PUT", "url": url } })
        };
        let entries: Vec<Json> = (0..CLAIMS).map(entry).collect();
        let bundle = json!({ "resourceType": "Bundle", "type": "transaction", "entry": entries });
        post_bundle(client, Bytes::from(bundle.to_string()), CLAIMS).await.map_err(Error::unprocessable)
    }

    fn claim(&self, number: usize) -> Json {
        let (tag, patient) = (&self.tag, format!("{}-p{:06}", self.tag, number / 4 + 1));
        json!({
            "resourceType": "Claim", "id": self.id(number), "status": "active", "use": "claim",
            "type": coding(&format!("{HL7}/claim-type"), "professional"),
            "patient": { "reference": format!("Patient/{patient}") }, "created": "2026-06-15",
            "provider": { "reference": format!("Organization/{tag}-practice") },
            "priority": coding(&format!("{HL7}/processpriority"), "normal"),
            "insurance": [{ "sequence": 1, "focal": true,
                "coverage": { "reference": format!("Coverage/{patient}-coverage") } }],
            "item": [{ "sequence": 1, "productOrService": { "text": "a service" },
                "servicedDate": "2026-06-14", "net": dollars(100.0) }],
            "total": dollars(100.0),
        })
    }

    /// Answers the next claim that waits.
    pub(super) async fn remittance(&self, client: &Client) -> Result<()> {
        let number = self.answered.fetch_add(1, Relaxed);
        if number >= CLAIMS {
            return Err(Error::internal("more remittances than claims"));
        }
        let (id, patient) = (self.id(number), format!("{}-p{:06}", self.tag, number / 4 + 1));
        let paid = json!({ "category": coding(&format!("{HL7}/adjudication"), "benefit"), "amount": dollars(60.25) });
        let cut = json!({
            "category": coding(&format!("{X12}/claim-adjustment-group-codes"), "CO"),
            "reason": coding(&format!("{X12}/claim-adjustment-reason-codes"), "45"), "amount": dollars(39.75),
        });
        let response = json!({
            "resourceType": "ClaimResponse", "id": id, "status": "active", "use": "claim", "outcome": "complete",
            "type": coding(&format!("{HL7}/claim-type"), "professional"),
            "patient": { "reference": format!("Patient/{patient}") }, "created": "2026-06-20",
            "insurer": { "reference": format!("Organization/{}-payer-1", self.tag) },
            "request": { "reference": format!("Claim/{id}") },
            "extension": [{ "url": format!("{BASE}/StructureDefinition/rcm-claim-status-code"), "valueCode": "1" }],
            "item": [{ "itemSequence": 1, "adjudication": [paid, cut] }],
        });
        let target = format!("ClaimResponse/{id}");
        let answer = ask(client, Method::PUT, &target, Bytes::from(response.to_string()), 201).await;
        answer.map(drop).map_err(Error::unprocessable)
    }
}

fn coding(system: &str, code: &str) -> Json {
    json!({ "coding": [{ "system": system, "code": code }] })
}

fn dollars(value: f64) -> Json {
    json!({ "value": value, "currency": "USD" })
}

/// The money of a population of a report's first group.
pub(super) fn decimal_of(report: &Json, code: &str) -> Option<Decimal> {
    let mut populations = report["group"][0]["population"].as_array()?.iter();
    let population = populations.find(|population| population["code"]["coding"][0]["code"] == code)?;
    let mut extensions = population["extension"].as_array()?.iter();
    extensions.find_map(|e| e["valueMoney"].get("value")?.to_string().parse().ok())
}
