//! A Claim with what it refers to as a claim of an 837, the way back of [`super::claims`].

use std::sync::Arc;

use serde_json::Value;

use super::claim::{CLAIM_TYPE, type_code};
use super::info::{AMOUNTS, CODES, DATES, REFERENCES};
use super::lines::{PLACE, REVENUE, SURFACE, TOOTH};
use super::parties_back::{code_in, filing, party, relationship, role, sequence};
use super::{LINE_CONTROL, claim_response::code_system, day_of, decimal_of, list};
use crate::guide::{Guide, Kind};
use crate::model::{
    Amount, Billing, Claim, ClaimSet, Code, Dated, Drug, Identifier, Line, Note, OtherCoverage, Party,
    Patient, Reference, Service, Subscriber, Tooth,
};
use crate::value::{Decimal, Span};

/// What a claim refers to, by the text of the reference.
pub type Resolve<'r> = dyn Fn(&str) -> Option<Value> + 'r;

/// The set with this one claim. An error names what of the claim is missing.
pub(super) fn claim_set(base: &str, claim: &Value, resolve: &Resolve<'_>) -> Result<ClaimSet, String> {
    let kind = kind(claim)?;
    let find = |reference: &Value| reference["reference"].as_str().and_then(resolve);
    let provider = find(&claim["provider"]).ok_or("Claim.provider cannot be read here")?;
    let mut billing = Billing { provider: party(&provider, "85"), ..Billing::default() };
    // Who can be asked stands with the submitter; with the provider only where that is another.
    let contacts = std::mem::take(&mut billing.provider.contacts);
    billing.currency = claim["total"]["currency"].as_str().filter(|code| *code != "USD").map(str::to_owned);
    let insured = focal(claim).ok_or("Claim.insurance has no focal coverage")?;
    let coverage = find(&insured["coverage"]).ok_or("the focal coverage cannot be read here")?;
    let person = find(&claim["patient"]).ok_or("Claim.patient cannot be read here")?;
    let (subscriber, patient) = insured_by(&coverage, &person, claim, resolve)?;
    let payer = subscriber.payer.clone();
    let billing = Arc::new(billing);
    let mut own = header(base, claim, kind);
    own.patient = patient.map(Arc::new);
    own.providers = providers(claim, resolve);
    own.coverages = others(claim, resolve, &person);
    own.lines = list(claim, "item")
        .map(|item| Line { providers: line_providers(claim, item, resolve), ..line(base, kind, claim, item) })
        .collect();
    (own.billing, own.subscriber) = (billing.clone(), Arc::new(subscriber));
    let submitter = Party {
        address: None,
        references: Vec::new(),
        taxonomy: None,
        id: billing
            .provider
            .id
            .as_ref()
            .map(|id| Identifier { qualifier: "46".into(), value: id.value.clone() }),
        role: "41".into(),
        contacts,
        ..billing.provider.clone()
    };
    let receiver = Party {
        id: payer.id.as_ref().map(|id| Identifier { qualifier: "46".into(), value: id.value.clone() }),
        role: "40".into(),
        address: None,
        contacts: Vec::new(),
        references: Vec::new(),
        ..payer
    };
    Ok(ClaimSet {
        kind,
        version: Guide::of_kind(kind).id.to_owned(),
        control: "0001".into(),
        purpose: "00".into(),
        reference: own.id.clone(),
        date: claim["created"].as_str().and_then(day_of),
        time: claim["created"].as_str().and_then(clock).unwrap_or_else(|| "0000".into()),
        use_code: "CH".into(),
        submitter,
        receiver,
        claims: vec![own],
        other: Vec::new(),
    })
}

/// `HHMM` of an instant, as its zone's clock shows it.
fn clock(instant: &str) -> Option<String> {
    let (hour, minute) = (instant.get(11..13)?, instant.get(14..16)?);
    Some(format!("{hour}{minute}"))
}

fn kind(claim: &Value) -> Result<Kind, String> {
    let code = code_in(&claim["type"], CLAIM_TYPE).unwrap_or_default();
    let kinds = [Kind::Professional, Kind::Institutional, Kind::Dental];
    kinds.into_iter().find(|kind| type_code(*kind) == code).ok_or_else(|| {
        "Claim.type must be professional, institutional or oral: other claims are not sent as 837".to_owned()
    })
}

fn focal(claim: &Value) -> Option<&Value> {
    list(claim, "insurance").find(|one| one["focal"] == true)
}

/// Loop 2000B, and 2000C where the patient is somebody else.
fn insured_by(
    coverage: &Value,
    person: &Value,
    claim: &Value,
    resolve: &Resolve<'_>,
) -> Result<(Subscriber, Option<Patient>), String> {
    let payer = coverage["payor"][0]["reference"].as_str().and_then(resolve);
    let payer = payer.or_else(|| claim["insurer"]["reference"].as_str().and_then(resolve));
    let payer = payer.ok_or("neither Coverage.payor nor Claim.insurer can be read here")?;
    let relationship = relationship(coverage);
    let is_self = relationship == "18";
    let holder = coverage["subscriber"]["reference"].as_str().and_then(resolve);
    let mut subscriber = match (is_self, holder) {
        (true, _) => party(person, "IL"),
        (false, Some(holder)) => party(&holder, "IL"),
        (false, None) => display_party(coverage["subscriber"]["display"].as_str().unwrap_or_default()),
    };
    subscriber.id = coverage["subscriberId"]
        .as_str()
        .map(|id| Identifier { qualifier: "MI".into(), value: id.to_owned() });
    (subscriber.references, subscriber.contacts) = (Vec::new(), Vec::new());
    let group = list(coverage, "class").find(|one| code_in(&one["type"], "") == Some("group"));
    let order = coverage["order"].as_u64().or_else(|| focal(claim)?["sequence"].as_u64()).unwrap_or(1);
    let own = Subscriber {
        sequence: sequence(order),
        relationship: is_self.then(|| "18".to_owned()),
        group_number: group.and_then(|one| one["value"].as_str()).map(str::to_owned),
        group_name: group.and_then(|one| one["name"].as_str()).map(str::to_owned),
        filing: filing(coverage).or_else(|| Some("ZZ".to_owned())),
        party: subscriber,
        payer: as_payer(&payer),
        ..Subscriber::default()
    };
    let patient = (!is_self).then(|| {
        let party = Party { id: None, references: Vec::new(), contacts: Vec::new(), ..party(person, "QC") };
        Patient { relationship: relationship.to_owned(), party, other: Vec::new() }
    });
    Ok((own, patient))
}

fn as_payer(resource: &Value) -> Party {
    let mut payer = party(resource, "PR");
    if let Some(id) = &mut payer.id {
        id.qualifier = "PI".into();
    }
    Party { contacts: Vec::new(), ..payer }
}

/// `ADA FERN`: the last word is the family name.
fn display_party(text: &str) -> Party {
    match text.rsplit_once(' ') {
        Some((first, last)) => Party::person("IL", last, first, "", ""),
        None => Party::person("IL", text, "", "", ""),
    }
}

/// Loop 2300 without loops inside.
fn header(base: &str, claim: &Value, kind: Kind) -> Claim {
    let number = list(claim, "identifier").find_map(|one| one["value"].as_str());
    let code = |category: &'static str| info_code(claim, category);
    let bill = code("typeofbill").map(|bill| bill.trim_start_matches('0'));
    let place = list(claim, "item").find_map(|item| code_in(&item["locationCodeableConcept"], PLACE));
    let facility = match kind {
        Kind::Institutional => bill.and_then(|bill| bill.get(..2)),
        _ => place,
    };
    let payee = code_in(&claim["payee"]["type"], "").unwrap_or("provider");
    let admission = ["admission-type", "admission-source", "discharge-status"]
        .map(|category| code(category).unwrap_or_default().to_owned());
    let mut own = Claim {
        id: number.or(claim["id"].as_str()).unwrap_or_default().to_owned(),
        total: decimal_of(&claim["total"]["value"]).unwrap_or_else(|| sum(claim)),
        facility_code: facility.unwrap_or(if kind == Kind::Institutional { "13" } else { "11" }).to_owned(),
        frequency: code("claim-frequency").unwrap_or("1").to_owned(),
        provider_signature: (kind != Kind::Institutional).then(|| "Y".into()),
        assignment: Some("A".into()),
        benefits_assignment: Some(if payee == "provider" { "Y" } else { "N" }.into()),
        release: Some("Y".into()),
        admission: Some(admission).filter(|all| all.iter().any(|code| !code.is_empty())),
        dates: dates(claim, kind),
        amounts: amounts(claim),
        notes: notes(claim),
        codes: codes(claim),
        ..Claim::default()
    };
    accident(claim, &mut own);
    own.references = references(base, claim);
    own
}

fn sum(claim: &Value) -> Decimal {
    list(claim, "item").filter_map(|item| decimal_of(&item["net"]["value"])).sum()
}

/// Supporting information of a category.
fn info<'c>(claim: &'c Value, category: &'c str) -> impl Iterator<Item = &'c Value> {
    list(claim, "supportingInfo").filter(move |one| code_in(&one["category"], "") == Some(category))
}

/// The first code of a category.
fn info_code<'c>(claim: &'c Value, category: &'static str) -> Option<&'c str> {
    info(claim, category).find_map(|one| code_in(&one["code"], ""))
}

fn span_of(value: &Value, day: &str, period: &str) -> Option<Span> {
    if let Some(day) = value[day].as_str() {
        return Some(Span { from: day_of(day)?, to: None });
    }
    let from = day_of(value[period]["start"].as_str()?)?;
    let to = value[period]["end"].as_str().and_then(day_of);
    Some(Span { from, to })
}

fn dates(claim: &Value, kind: Kind) -> Vec<Dated> {
    let own = DATES.iter().flat_map(|(qualifier, category)| {
        info(claim, category)
            .filter_map(|one| span_of(one, "timingDate", "timingPeriod"))
            .map(|span| Dated::span_of(qualifier, span))
    });
    let mut all: Vec<Dated> = own.collect();
    let period = span_of(&claim["billablePeriod"], "none", "").or_else(|| {
        let from = day_of(claim["billablePeriod"]["start"].as_str()?)?;
        Some(Span { from, to: claim["billablePeriod"]["end"].as_str().and_then(day_of).or(Some(from)) })
    });
    if kind == Kind::Institutional && !all.iter().any(|one| one.qualifier == "434") {
        all.extend(
            period.map(|span| Dated::span_of("434", Span { to: span.to.or(Some(span.from)), ..span })),
        );
    }
    all
}

fn references(base: &str, claim: &Value) -> Vec<Reference> {
    let reference =
        |qualifier: &str, value: &str| Reference { qualifier: qualifier.into(), value: value.into() };
    let mut all: Vec<Reference> = REFERENCES
        .iter()
        .flat_map(|(qualifier, category)| {
            info(claim, category)
                .filter_map(|one| one["valueString"].as_str())
                .map(move |value| reference(qualifier, value))
        })
        .collect();
    let system = format!("{base}/payer-claim-control-number");
    let follows =
        list(claim, "related").map(|one| &one["reference"]).filter(|one| one["system"] == system.as_str());
    all.extend(follows.filter_map(|one| one["value"].as_str()).map(|value| reference("F8", value)));
    let authorized = focal(claim).into_iter().flat_map(|one| list(one, "preAuthRef"));
    all.extend(authorized.filter_map(Value::as_str).map(|value| reference("G1", value)));
    all
}

fn amounts(claim: &Value) -> Vec<Amount> {
    let all = AMOUNTS.iter().flat_map(|(qualifier, category)| {
        info(claim, category)
            .filter_map(|one| decimal_of(&one["valueQuantity"]["value"]))
            .map(|value| Amount { qualifier: (*qualifier).into(), value })
    });
    all.collect()
}

fn notes(claim: &Value) -> Vec<Note> {
    let all = info(claim, "note").filter_map(|one| one["valueString"].as_str());
    all.map(|text| Note { code: "ADD".into(), text: text.into() }).collect()
}

/// HI segments: principal diagnosis and the others together, the rest by their kind.
fn codes(claim: &Value) -> Vec<Vec<Code>> {
    let plain = |qualifier: &str, code: &str| Code {
        qualifier: qualifier.into(),
        code: code.replace('.', ""),
        ..Code::default()
    };
    let mut own = Vec::new();
    let mut more: Vec<Vec<Code>> = Vec::new();
    for (n, one) in list(claim, "diagnosis").enumerate() {
        let Some(code) = code_in(&one["diagnosisCodeableConcept"], "") else { continue };
        let is_old = one["diagnosisCodeableConcept"]["coding"][0]["system"]
            .as_str()
            .is_some_and(|s| s.contains("icd-9"));
        let kind = one["type"][0]["coding"][0]["code"].as_str();
        let qualifier = match (kind, is_old) {
            (Some("admitting"), false) => "ABJ",
            (Some("admitting"), true) => "BJ",
            (Some("patientreasonforvisit"), _) => "APR",
            (Some("principal"), false) => "ABK",
            (Some("principal"), true) => "BK",
            (_, false) if n == 0 => "ABK",
            (_, false) => "ABF",
            (_, true) => "BF",
        };
        let on_admission = code_in(&one["onAdmission"], "").map(str::to_uppercase);
        let code = Code { on_admission, ..plain(qualifier, code) };
        match qualifier {
            "ABK" | "BK" | "ABF" | "BF" => own.push(code),
            _ => more.push(vec![code]),
        }
    }
    let procedures = list(claim, "procedure").enumerate().filter_map(|(n, one)| {
        let code = code_in(&one["procedureCodeableConcept"], "")?;
        let span = one["date"].as_str().and_then(day_of).map(|from| Span { from, to: None });
        Some(Code { span, ..plain(if n == 0 { "BBR" } else { "BBQ" }, code) })
    });
    more.extend(procedures.map(|code| vec![code]));
    let drg = info(claim, "drg").filter_map(|one| code_in(&one["code"], ""));
    more.extend(drg.map(|code| vec![plain("DR", code)]));
    for (qualifier, category, _) in CODES {
        let all = info(claim, category).filter_map(|one| {
            Some(Code {
                span: span_of(one, "timingDate", "timingPeriod"),
                amount: decimal_of(&one["valueQuantity"]["value"]),
                ..plain(qualifier, code_in(&one["code"], "")?)
            })
        });
        more.push(all.collect());
    }
    std::iter::once(own).chain(more).filter(|codes| !codes.is_empty()).collect()
}

fn accident(claim: &Value, own: &mut Claim) {
    let Some(day) = claim["accident"]["date"].as_str().and_then(day_of) else { return };
    let cause = match code_in(&claim["accident"]["type"], "") {
        Some("MVA") => "AA",
        Some("WPA" | "WPL") => "EM",
        _ => "OA",
    };
    own.causes = vec![cause.into()];
    own.accident_state = claim["accident"]["locationAddress"]["state"].as_str().map(str::to_owned);
    own.dates.push(Dated::day("439", day));
}

/// Loops 2310: the care team, and where the service was. A person who bills is not named again.
fn providers(claim: &Value, resolve: &Resolve<'_>) -> Vec<Party> {
    let of_lines: Vec<u64> = list(claim, "item")
        .flat_map(|item| list(item, "careTeamSequence"))
        .filter_map(Value::as_u64)
        .collect();
    let team = list(claim, "careTeam").filter(|member| {
        let is_of_lines = member["sequence"].as_u64().is_some_and(|n| of_lines.contains(&n));
        !is_of_lines && member["provider"]["reference"] != claim["provider"]["reference"]
    });
    let mut all: Vec<Party> = team.filter_map(|one| member(one, resolve)).collect();
    let facility = claim["facility"]["reference"].as_str().and_then(resolve);
    all.extend(facility.map(|one| party(&one, "77")));
    all
}

/// Loops 2420: members of the care team that a line names.
fn line_providers(claim: &Value, item: &Value, resolve: &Resolve<'_>) -> Vec<Party> {
    let numbers: Vec<u64> = list(item, "careTeamSequence").filter_map(Value::as_u64).collect();
    let is_named = |one: &&Value| one["sequence"].as_u64().is_some_and(|n| numbers.contains(&n));
    list(claim, "careTeam").filter(is_named).filter_map(|one| member(one, resolve)).collect()
}

/// A member of the care team in its role.
fn member(member: &Value, resolve: &Resolve<'_>) -> Option<Party> {
    let resource = resolve(member["provider"]["reference"].as_str()?)?;
    let own = Party { address: None, contacts: Vec::new(), ..party(&resource, role(member)) };
    let taxonomy = code_in(&member["qualification"], "").map(str::to_owned);
    Some(Party { taxonomy, references: Vec::new(), ..own })
}

/// Loops 2320 and 2330: the other coverages.
fn others(claim: &Value, resolve: &Resolve<'_>, person: &Value) -> Vec<OtherCoverage> {
    let all = list(claim, "insurance").filter(|one| one["focal"] != true);
    all.filter_map(|one| {
        let coverage = resolve(one["coverage"]["reference"].as_str()?)?;
        let (own, _) = insured_by(&coverage, person, claim, resolve).ok()?;
        let order = coverage["order"].as_u64().or(one["sequence"].as_u64()).unwrap_or(1);
        Some(OtherCoverage {
            sequence: sequence(order),
            relationship: Some(relationship(&coverage).to_owned()),
            group_number: own.group_number,
            group_name: own.group_name,
            filing: own.filing,
            benefits_assignment: Some("Y".into()),
            release: Some("Y".into()),
            subscriber: Some(Party { birth_date: None, gender: None, ..own.party }),
            payer: Some(own.payer),
            ..OtherCoverage::default()
        })
    })
    .collect()
}

/// Loop 2400.
fn line(base: &str, kind: Kind, claim: &Value, item: &Value) -> Line {
    let url = format!("{base}/StructureDefinition/{LINE_CONTROL}");
    let control = list(item, "extension").filter(|one| one["url"] == url.as_str());
    let place = code_in(&item["locationCodeableConcept"], PLACE);
    let first = list(claim, "item").find_map(|item| code_in(&item["locationCodeableConcept"], PLACE));
    let numbers = |name: &'static str| list(item, name).filter_map(Value::as_u64).map(|n| n.to_string());
    let services = span_of(item, "servicedDate", "servicedPeriod");
    Line {
        number: item["sequence"].as_u64().unwrap_or_default().to_string(),
        service: service(kind, item),
        revenue: code_in(&item["revenue"], REVENUE).map(str::to_owned),
        charge: decimal_of(&item["net"]["value"]).unwrap_or_default(),
        unit: (kind != Kind::Dental).then(|| unit(&item["quantity"]).unwrap_or("UN").to_owned()),
        quantity: decimal_of(&item["quantity"]["value"])
            .or(Some(Decimal::ONE).filter(|_| kind != Kind::Dental)),
        place: place.filter(|place| Some(*place) != first).map(str::to_owned),
        pointers: numbers("diagnosisSequence").collect(),
        epsdt: list(item, "programCode").next().map(|_| "Y".to_owned()),
        teeth: teeth(item),
        dates: services.map(|span| Dated::span_of("472", span)).into_iter().collect(),
        references: control
            .filter_map(|one| one["valueString"].as_str())
            .map(|value| Reference { qualifier: "6R".into(), value: value.into() })
            .collect(),
        drug: list(item, "detail").find_map(drug),
        ..Line::default()
    }
}

fn service(kind: Kind, item: &Value) -> Service {
    let coding = list(&item["productOrService"], "coding").find(|one| one["system"] != REVENUE);
    let Some(code) = coding.and_then(|one| one["code"].as_str()) else { return Service::default() };
    Service {
        qualifier: if kind == Kind::Dental { "AD" } else { "HC" }.into(),
        code: code.into(),
        modifiers: list(item, "modifier").filter_map(|one| code_in(one, "")).map(str::to_owned).collect(),
        description: item["productOrService"]["text"].as_str().map(str::to_owned),
        last_code: None,
    }
}

/// Units that an 837 knows; others are words for people.
fn unit(quantity: &Value) -> Option<&str> {
    quantity["unit"].as_str().filter(|unit| ["UN", "MJ", "DA", "F2", "GR", "ME", "ML"].contains(unit))
}

fn teeth(item: &Value) -> Vec<Tooth> {
    let Some(code) = code_in(&item["bodySite"], TOOTH) else { return Vec::new() };
    let surfaces = list(item, "subSite").filter_map(|one| code_in(one, SURFACE)).map(str::to_owned).collect();
    vec![Tooth { qualifier: "JP".into(), code: code.into(), surfaces }]
}

fn drug(detail: &Value) -> Option<Drug> {
    let code = code_in(&detail["productOrService"], code_system("N4", "")?)?;
    Some(Drug {
        qualifier: "N4".into(),
        code: code.into(),
        quantity: decimal_of(&detail["quantity"]["value"]),
        unit: unit(&detail["quantity"]).map(str::to_owned),
        ..Drug::default()
    })
}
