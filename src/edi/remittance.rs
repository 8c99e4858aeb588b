//! Remittances into the record: for each claim of an 835 a ClaimResponse and, where the claim is known,
//! an ExplanationOfBenefit; for the payment a PaymentReconciliation; for what people must look at, Tasks.
//!
//! A payment is known by payer, payee, trace number, day and amount, whatever envelope it comes in.

use super::choice::{self, PAYMENT_URL, Said};
use super::file::Set;
use super::find::{self, Found, KnownClaim, items};
use super::identity;
use super::late::{AWAITS_CLAIM, Answered, Kind};
use super::payers::{self, Organizations};
use super::record::{Record, reference, tag};
use super::reversals::explanation_id;
use super::task::{self, Work};
use crate::rcm::BASE;
use crate::rest::Context;
use remit_fhir::{Error, Issue, IssueType, Result};
use remit_x12::Decimal;
use remit_x12::fhir::{self, Known};
use remit_x12::model::{Party, Remittance, RemittanceClaim};
use serde_json::{Value, json};
use std::collections::HashMap;

/// The system under which a payment keeps the digest of what it was made from.
const DIGEST_SYSTEM: &str = "https://remit.example/fhir/rcm/x12-content-sha-256";

/// The extension of a payment with the file that it came in.
const FILE_URL: &str = "https://remit.example/fhir/rcm/StructureDefinition/rcm-x12-file";

/// A remittance to be posted.
pub(super) struct Posting<'f> {
    pub(super) set: &'f Set,
    pub(super) remittance: &'f Remittance,
    /// The id of its PaymentReconciliation.
    pub(super) id: String,
}

impl<'f> Posting<'f> {
    pub(super) fn new(set: &'f Set, remittance: &'f Remittance) -> Posting<'f> {
        let payment = &remittance.payment;
        let words = [
            payer_key(remittance),
            party_key(&remittance.payee),
            remittance.trace.number.clone(),
            payment.date.map(|day| day.compact()).unwrap_or_default(),
            payment.amount.normalize().to_string(),
        ];
        let id = identity::id("payment", &words.each_ref().map(String::as_str));
        Posting { set, remittance, id }
    }
}

/// Who pays: TRN03, else the identifier or name of N1*PR.
fn payer_key(remittance: &Remittance) -> String {
    remittance.trace.payer.clone().unwrap_or_else(|| party_key(&remittance.payer))
}

fn party_key(party: &Party) -> String {
    party.id.as_ref().map_or_else(|| party.name.clone(), |id| id.value.clone())
}

/// What the record knows of the claims and parties of all remittances of a file.
pub(super) struct Knowledge {
    claims: HashMap<String, Vec<KnownClaim>>,
    organizations: Organizations,
}

/// Asks for everything that the remittances name.
pub(super) async fn knowledge(
    cx: &Context<'_>,
    record: &Record,
    postings: &[Posting<'_>],
) -> Result<Knowledge> {
    let numbers = postings.iter().flat_map(|one| one.remittance.claims.iter().map(|claim| claim.id.as_str()));
    let claims = find::claims(cx, record, numbers.collect()).await?;
    let parties: Vec<&Party> =
        postings.iter().flat_map(|one| [&one.remittance.payer, &one.remittance.payee]).collect();
    let traces: Vec<&str> = postings.iter().filter_map(|one| one.remittance.trace.payer.as_deref()).collect();
    let organizations = Organizations::find(cx, &parties, &traces).await?;
    Ok(Knowledge { claims, organizations })
}

/// What of the postings is in the record already, by the ids of the payments.
pub(super) async fn posted(cx: &Context<'_>, postings: &[Posting<'_>]) -> Result<HashMap<String, Found>> {
    let references: Vec<String> =
        postings.iter().map(|one| reference("PaymentReconciliation", &one.id)).collect();
    let found = find::read(cx, &references).await?;
    Ok(found.into_iter().map(|one| (one.stored.id.clone(), one)).collect())
}

/// The references that a posted payment led to. 409 when it was made from other content.
pub(super) fn same_payment(posting: &Posting<'_>, found: &Found) -> Result<Vec<String>> {
    let digests = items(&found.resource, "identifier").filter(|one| one["system"] == DIGEST_SYSTEM);
    if digests.filter_map(|one| one["value"].as_str()).any(|known| known == posting.set.digest) {
        let mut all: Vec<String> = items(&found.resource, "detail")
            .filter_map(|detail| detail["response"]["reference"].as_str())
            .map(str::to_owned)
            .collect();
        all.push(found.reference.clone());
        return Ok(all);
    }
    Err(Error::conflict(format!(
        "A payment of this payer with the trace number {} of this day and amount was posted before from other content, as {}.",
        posting.remittance.trace.number, found.reference
    ))
    .coded(IssueType::Duplicate)
    .at("TRN-02"))
}

/// Adds a remittance to what will be written. `file` is the reference of the file that it came in.
pub(super) fn add(
    cx: &Context<'_>,
    record: &mut Record,
    posting: &Posting<'_>,
    (knowledge, file): (&Knowledge, &str),
    now: i64,
) -> Result<()> {
    let remittance = posting.remittance;
    let chosen: Vec<Option<&KnownClaim>> =
        remittance.claims.iter().map(|claim| choose(knowledge, remittance, claim)).collect();
    let context = context(knowledge, remittance, &chosen);
    let mut links = Vec::with_capacity(remittance.claims.len());
    let waits = chosen.iter().any(Option::is_none);
    for (n, (claim, found)) in remittance.claims.iter().zip(&chosen).enumerate() {
        links.push(add_claim(cx, record, posting, &context, (n, claim, *found), now)?);
    }
    let mut payment = fhir::payment_reconciliation(&context, remittance, &links);
    payment["identifier"] = json!([{ "system": DIGEST_SYSTEM, "value": posting.set.digest }]);
    let extensions = payment["extension"].as_array_mut();
    extensions
        .into_iter()
        .for_each(|all| all.push(json!({ "url": FILE_URL, "valueReference": { "reference": file } })));
    if waits {
        tag(&mut payment, AWAITS_CLAIM, true);
    }
    let answered = remittance.claims.iter().zip(&chosen).zip(&links);
    // A predetermination is no answer that anything follows from.
    let answered = answered.filter(|((claim, _), _)| claim.status != "25");
    record.answered.extend(answered.filter_map(|((claim, found), (_, response))| {
        let found = (*found)?;
        Some(Answered {
            response: response.clone(),
            claim: found.1.clone(),
            claim_reference: found.0.clone(),
            number: claim.payer_claim.clone(),
            kind: if claim.is_reversal() { Kind::Reversal } else { Kind::Decision },
        })
    }));
    let reference = record.create(cx, &posting.id, payment)?;
    record.issues.extend(posting.set.warnings.iter().map(|finding| finding.issue()));
    let difference = remittance.claims_paid() - remittance.adjusted() - remittance.payment.amount;
    if difference != Decimal::ZERO {
        let text = format!(
            "Posted although the payment differs from its claims less provider adjustments by {difference}."
        );
        let task = task::work(Work::Difference, &text, Some(&reference), now);
        record.create(cx, &identity::id("difference", &[&posting.id]), task)?;
    }
    record.balances.push(balance(remittance, &reference));
    Ok(())
}

/// The references of payer and payee: those of the record, else what the claims say, else the words of
/// the remittance.
fn context(knowledge: &Knowledge, remittance: &Remittance, chosen: &[Option<&KnownClaim>]) -> fhir::Context {
    let same = |name: &str| {
        let mut all = chosen.iter().flatten().map(|found| &found.1[name]).filter(|one| one.is_object());
        let first = all.next()?;
        all.all(|other| other == first).then(|| first.clone())
    };
    let organizations = &knowledge.organizations;
    let trace = remittance.trace.payer.as_deref();
    let insurer = organizations.one(&remittance.payer, trace).or_else(|| same("insurer"));
    let requestor = organizations.one(&remittance.payee, None).or_else(|| same("provider"));
    fhir::Context {
        base: BASE.to_owned(),
        currency: "USD".to_owned(),
        insurer: insurer.unwrap_or_else(|| payers::words(&remittance.payer, trace)),
        requestor: requestor.unwrap_or_else(|| payers::words(&remittance.payee, None)),
    }
}

/// The claim that a decision is about.
fn choose<'k>(
    knowledge: &'k Knowledge,
    remittance: &Remittance,
    claim: &RemittanceClaim,
) -> Option<&'k KnownClaim> {
    let insurer = knowledge.organizations.one(&remittance.payer, remittance.trace.payer.as_deref());
    let day = remittance.produced.or(remittance.payment.date).map(|day| day.to_string()).unwrap_or_default();
    let service = claim.services().map(|span| span.from.to_string());
    let said = Said {
        service: service.as_deref(),
        insurer: insurer.as_ref().and_then(|one| one["reference"].as_str()),
        charge: Some(claim.charge.abs()),
        day: &day,
    };
    choice::choose(knowledge.claims.get(&claim.id)?, &said)
}

/// One CLP. Gives the references to Claim and ClaimResponse.
fn add_claim(
    cx: &Context<'_>,
    record: &mut Record,
    posting: &Posting<'_>,
    context: &fhir::Context,
    (n, claim, found): (usize, &RemittanceClaim, Option<&KnownClaim>),
    now: i64,
) -> Result<(Option<String>, String)> {
    let known = match found {
        Some((reference, resource)) => Known::of(BASE, reference.clone(), resource),
        None => Known::of_party(claim.party("QC")),
    };
    let mut response = fhir::claim_response(context, posting.remittance, claim, &known);
    if found.is_none() {
        tag(&mut response, AWAITS_CLAIM, true);
    }
    let number = n.to_string();
    let id = |what: &str| identity::id(what, &[&posting.id, &number]);
    let payment = json!({ "url": PAYMENT_URL, "valueReference": {
        "reference": reference("PaymentReconciliation", &posting.id),
    } });
    response["extension"].as_array_mut().into_iter().for_each(|all| all.push(payment.clone()));
    let own = reference("ClaimResponse", &id("response"));
    let explanation = found.and_then(|(reference, resource)| {
        fhir::explanation_of_benefit((&own, &response), (reference, resource))
    });
    let response = record.create(cx, &id("response"), response)?;
    if let Some(explanation) = explanation {
        record.create(cx, &explanation_id(&own), explanation)?;
    }
    if found.is_none() {
        let text = format!(
            "No claim with the control number {} is in the record; its payment waits for it.",
            claim.id
        );
        record.issues.push(Issue::warning(IssueType::NotFound, text.clone()).at("CLP-01"));
        let task = task::work(Work::UnknownClaim, &text, Some(&response), now);
        record.create(cx, &id("unknown-claim"), task)?;
    }
    for (work, text) in exceptions(claim) {
        let task = task::work(work, &text, Some(&response), now);
        record.create(cx, &id(&format!("{work:?}")), task)?;
    }
    Ok((known.claim, response))
}

/// Adds the explanation of an answer on a known claim.
pub(super) fn explain(
    cx: &Context<'_>,
    record: &mut Record,
    response: (&str, &Value),
    claim: (&str, &Value),
) -> Result<()> {
    if let Some(explanation) = fhir::explanation_of_benefit(response, claim) {
        record.create(cx, &explanation_id(response.0), explanation)?;
    }
    Ok(())
}

/// What else people must look at.
fn exceptions(claim: &RemittanceClaim) -> Vec<(Work, String)> {
    let mut all = Vec::new();
    if claim.party("74").is_some() {
        let text = "The payer knows the patient or insured by a corrected name or number; compare and correct the record.";
        all.push((Work::CorrectedParty, text.to_owned()));
    }
    if matches!(claim.status.as_str(), "19" | "20" | "21") {
        let next = claim.party("TT").map(|party| format!(" to {}", party.name)).unwrap_or_default();
        let text = format!("The payer sent the claim on{next}; await that answer and do not send it again.");
        all.push((Work::Crossover, text));
    }
    all
}

/// The sums of a payment.
fn balance(remittance: &Remittance, payment: &str) -> Value {
    let money = |amount: Decimal| {
        let mut amount = amount.normalize();
        amount.rescale(amount.scale().max(2));
        let value: Value = serde_json::from_str(&amount.to_string()).unwrap_or_default();
        json!({ "value": value, "currency": remittance.currency.as_deref().unwrap_or("USD") })
    };
    let (paid, adjusted) = (remittance.claims_paid(), remittance.adjusted());
    let lines: usize = remittance.claims.iter().map(|claim| claim.lines.len()).sum();
    json!({ "resourceType": "Parameters", "parameter": [
        { "name": "payment", "valueReference": { "reference": payment } },
        { "name": "traceNumber", "valueString": remittance.trace.number },
        { "name": "claims", "valueInteger": remittance.claims.len() },
        { "name": "lines", "valueInteger": lines },
        { "name": "claimsPaid", "valueMoney": money(paid) },
        { "name": "providerAdjustments", "valueMoney": money(-adjusted) },
        { "name": "paymentAmount", "valueMoney": money(remittance.payment.amount) },
        { "name": "difference", "valueMoney": money(paid - adjusted - remittance.payment.amount) },
    ] })
}
