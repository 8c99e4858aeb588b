//! Claims from the loops of an 837.

use std::sync::Arc;

use crate::model::claim::{Billing, Claim, ClaimSet, Code, Patient, Subscriber};
use crate::model::common::{Amount, Dated, Note, Reference, money};
use crate::model::coverage::OtherCoverage;
use crate::model::line::Line;
use crate::model::own::Own;
use crate::model::party::Party;
use crate::raw::Raw;
use crate::tree::{Loop, Tree};
use crate::value::{Date, Span};

impl ClaimSet {
    /// The claims of a tree; `None` when it is no 837.
    pub fn read(tree: &Tree<'_, '_>) -> Option<ClaimSet> {
        if !tree.guide.kind.is_claim() {
            return None;
        }
        let root = tree.root();
        let mut own = Own::of(&root);
        let st = own.take("ST").unwrap_or_default();
        own.take("SE");
        let bht = own.take("BHT").unwrap_or_default();
        let version = st.option(3).unwrap_or_else(|| tree.guide.id.to_owned());
        let party = |id: &'static str| root.find(id).map(|l| Party::read(&l)).unwrap_or_default();
        let mut claims = Vec::new();
        root.loops("2000A").for_each(|level| of_billing(&level, &mut claims));
        Some(ClaimSet {
            kind: tree.guide.kind,
            version,
            control: st.element(2).into(),
            purpose: bht.element(2).into(),
            reference: bht.element(3).into(),
            date: Date::parse(bht.element(4).as_bytes()),
            time: bht.element(5).into(),
            use_code: bht.element(6).into(),
            submitter: party("1000A"),
            receiver: party("1000B"),
            claims,
            other: own.rest(),
        })
    }
}

fn of_billing(level: &Loop<'_, '_, '_>, claims: &mut Vec<Claim>) {
    let mut own = Own::of(level);
    own.take("HL");
    let taxonomies = own.take_all("PRV", |raw| {
        (raw.len() == 3 && raw.element(1) == "BI" && raw.element(2) == "PXC")
            .then(|| raw.element(3).to_owned())
    });
    let currency = own.take_qualified("CUR", "85").and_then(|raw| raw.option(2));
    let party = |id: &'static str| level.find(id).map(|l| Party::read(&l));
    let mut provider = party("2010AA").unwrap_or_default();
    provider.taxonomy = taxonomies.into_iter().next();
    let (pay_to, pay_to_plan) = (party("2010AB"), party("2010AC"));
    let billing = Arc::new(Billing { provider, currency, pay_to, pay_to_plan, other: own.rest() });
    for inner in level.loops("2000B") {
        of_subscriber(&inner, &billing, claims);
    }
}

fn of_subscriber(level: &Loop<'_, '_, '_>, billing: &Arc<Billing>, claims: &mut Vec<Claim>) {
    let mut own = Own::of(level);
    own.take("HL");
    let sbr = own.take("SBR").unwrap_or_default();
    let party = |id: &'static str| level.find(id).map(|l| Party::read(&l)).unwrap_or_default();
    let subscriber = Arc::new(Subscriber {
        sequence: sbr.element(1).into(),
        relationship: sbr.option(2),
        group_number: sbr.option(3),
        group_name: sbr.option(4),
        insurance_type: sbr.option(5),
        coordination: sbr.option(6),
        filing: sbr.option(9),
        party: party("2010BA"),
        payer: party("2010BB"),
        other: own.rest(),
    });
    let whose = |claim: Claim, patient: Option<Arc<Patient>>| Claim {
        billing: billing.clone(),
        subscriber: subscriber.clone(),
        patient,
        ..claim
    };
    for inner in level.children() {
        match inner.id() {
            "2300" => claims.push(whose(Claim::read(&inner), None)),
            "2000C" => {
                let patient = Arc::new(of_patient(&inner));
                let own = inner.loops("2300").map(|l| whose(Claim::read(&l), Some(patient.clone())));
                claims.extend(own);
            }
            _ => {}
        }
    }
}

fn of_patient(level: &Loop<'_, '_, '_>) -> Patient {
    let mut own = Own::of(level);
    own.take("HL");
    // PAT with more than the relationship stays whole.
    let mut relationships = own.take_all("PAT", |raw| (raw.len() == 1).then(|| raw.element(1).to_owned()));
    let other = own.rest();
    let whole = other.iter().find(|raw| raw.id() == "PAT").map(|raw| raw.element(1).to_owned());
    Patient {
        relationship: relationships.pop().or(whole).unwrap_or_default(),
        party: level.find("2010CA").map(|l| Party::read(&l)).unwrap_or_default(),
        other,
    }
}

impl Claim {
    /// Loop 2300 without what stands around it.
    fn read(inside: &Loop<'_, '_, '_>) -> Claim {
        let mut own = Own::of(inside);
        let mut claim = Claim::header(&own.take("CLM").unwrap_or_default());
        let admissions =
            own.take_all("CL1", |raw| (raw.len() <= 3).then(|| [1, 2, 3].map(|n| raw.element(n).to_owned())));
        claim.admission = admissions.into_iter().next();
        claim.dates = own.take_all("DTP", Dated::read_dtp);
        claim.references = own.take_all("REF", Reference::read);
        claim.amounts = own.take_all("AMT", Amount::read);
        claim.notes = own.take_all("NTE", Note::read);
        claim.attachments = own.take_all("PWK", |raw| Some(raw.clone()));
        claim.codes = own.take_all("HI", |raw| Some((1..=raw.len()).map(|n| Code::read(raw, n)).collect()));
        claim.other = own.rest();
        for inner in inside.children() {
            match inner.id() {
                "2320" => claim.coverages.push(OtherCoverage::read(&inner)),
                "2400" => claim.lines.push(Line::read(&inner)),
                _ => claim.providers.push(Party::read(&inner)),
            }
        }
        claim
    }

    fn header(clm: &Raw) -> Claim {
        let part = |n: usize, m: usize| clm.component(n, m).to_owned();
        let option = |n: usize, m: usize| Some(part(n, m)).filter(|text| !text.is_empty());
        Claim {
            id: clm.element(1).into(),
            total: money(clm, 2),
            facility_code: part(5, 1),
            frequency: part(5, 3),
            provider_signature: clm.option(6),
            assignment: clm.option(7),
            benefits_assignment: clm.option(8),
            release: clm.option(9),
            patient_signature: clm.option(10),
            causes: (1..=3).filter_map(|m| option(11, m)).collect(),
            accident_state: option(11, 4),
            accident_country: option(11, 5),
            special_program: clm.option(12),
            submission_reason: clm.option(19),
            delay_reason: clm.option(20),
            ..Claim::default()
        }
    }
}

impl Code {
    fn read(hi: &Raw, n: usize) -> Code {
        let part = |m: usize| hi.component(n, m).to_owned();
        let option = |m: usize| Some(part(m)).filter(|text| !text.is_empty());
        let number = |m: usize| crate::value::decimal(hi.component(n, m).as_bytes());
        Code {
            qualifier: part(1),
            code: part(2),
            span: Span::parse(hi.component(n, 4).as_bytes()),
            amount: number(5),
            quantity: number(6),
            version: option(7),
            last_code: option(8),
            on_admission: option(9),
        }
    }
}
