//! What a 277CA says: which claims a payer or clearinghouse took in, and which it rejected.

use crate::guide::Kind;
use crate::model::common::{Amount, Dated, Number, Reference, Service, maybe, money};
use crate::model::own::Own;
use crate::model::party::Party;
use crate::raw::Raw;
use crate::tree::{Loop, Tree};
use crate::value::{Date, Decimal, Span};

/// A 277CA: one transaction set.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct StatusReport {
    /// ST02.
    pub control: String,
    /// BHT03.
    pub reference: String,
    /// BHT04.
    pub date: Option<Date>,
    /// BHT05.
    pub time: String,
    /// Loop 2100A: who reports.
    pub source: Party,
    /// Loop 2100B: who sent the claims.
    pub receiver: Party,
    /// TRN02 of loop 2200B: BHT03 of the claims.
    pub batch: Option<String>,
    /// STC of loop 2200B: of all claims together.
    pub statuses: Vec<Status>,
    /// QTY of loop 2200B: `90` accepted, `AA` rejected.
    pub quantities: Vec<Number>,
    /// AMT of loop 2200B: `YU` accepted, `YY` rejected.
    pub amounts: Vec<Amount>,
    /// Loops 2000C.
    pub providers: Vec<ProviderStatus>,
}

/// Loop 2000C.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct ProviderStatus {
    /// Loop 2100C.
    pub provider: Party,
    /// TRN02 of loop 2200C.
    pub trace: Option<String>,
    /// STC of loop 2200C.
    pub statuses: Vec<Status>,
    /// Loops 2000D.
    pub patients: Vec<PatientStatus>,
}

/// Loop 2000D.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct PatientStatus {
    /// Loop 2100D.
    pub patient: Party,
    /// Loops 2200D.
    pub claims: Vec<ClaimStatus>,
}

/// Loop 2200D.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct ClaimStatus {
    /// TRN02: the provider's number of the claim, CLM01.
    pub id: String,
    /// STC.
    pub statuses: Vec<Status>,
    /// REF: `1K` the payer's number, `D9` the clearinghouse's, `BLT` type of bill.
    pub references: Vec<Reference>,
    /// DTP.
    pub dates: Vec<Dated>,
    /// Loops 2220D.
    pub lines: Vec<LineStatus>,
    /// Segments that have no field.
    pub other: Vec<Raw>,
}

/// Loop 2220D.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct LineStatus {
    /// SVC01.
    pub service: Service,
    /// SVC02.
    pub charge: Decimal,
    /// REF*FJ: the line's number in the claim.
    pub control: Option<String>,
    /// STC.
    pub statuses: Vec<Status>,
    /// DTP*472.
    pub services: Option<Span>,
}

/// STC: up to three codes with one action.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Status {
    /// Category, status and entity codes.
    pub codes: Vec<(String, String, Option<String>)>,
    /// STC02.
    pub date: Option<Date>,
    /// STC03: `WQ` accepted, `U` rejected.
    pub action: Option<String>,
    /// STC04.
    pub amount: Option<Decimal>,
    /// STC12.
    pub message: Option<String>,
}

/// What a status means for a claim.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Acceptance {
    /// Category A1 or A2 (or A0, A5: passed on).
    Accepted,
    /// Category A3, A4, A6, A7 or A8: it never entered adjudication.
    Rejected,
    /// Anything else.
    Other,
}

impl Status {
    /// What the first category means; STC03 decides nothing that the category does not.
    pub fn acceptance(&self) -> Acceptance {
        let category = self.codes.first().map_or("", |code| code.0.as_str());
        match category {
            "A0" | "A1" | "A2" | "A5" => Acceptance::Accepted,
            "A3" | "A4" | "A6" | "A7" | "A8" => Acceptance::Rejected,
            _ => Acceptance::Other,
        }
    }

    fn read(stc: &Raw) -> Status {
        let codes = [1, 10, 11].into_iter().filter(|n| !stc.element(*n).is_empty()).map(|n| {
            let part = |m: usize| stc.component(n, m).to_owned();
            (part(1), part(2), Some(part(3)).filter(|entity| !entity.is_empty()))
        });
        Status {
            codes: codes.collect(),
            date: Date::parse(stc.element(2).as_bytes()),
            action: stc.option(3),
            amount: maybe(stc, 4),
            message: stc.option(12),
        }
    }
}

impl ClaimStatus {
    /// Rejected as soon as one status says so, at the claim or a line.
    pub fn acceptance(&self) -> Acceptance {
        let lines = self.lines.iter().flat_map(|line| &line.statuses);
        let mut all = self.statuses.iter().chain(lines).map(Status::acceptance);
        let first = self.statuses.first().map_or(Acceptance::Other, Status::acceptance);
        if all.any(|one| one == Acceptance::Rejected) { Acceptance::Rejected } else { first }
    }

    /// The value of the first reference of a qualifier.
    pub fn reference(&self, qualifier: &str) -> Option<&str> {
        let found = self.references.iter().find(|reference| reference.qualifier == qualifier);
        found.map(|reference| reference.value.as_str())
    }

    fn read(inside: &Loop<'_, '_, '_>) -> ClaimStatus {
        let mut own = Own::of(inside);
        ClaimStatus {
            id: own.take("TRN").unwrap_or_default().element(2).into(),
            statuses: own.take_all("STC", |raw| Some(Status::read(raw))),
            references: own.take_all("REF", Reference::read),
            dates: own.take_all("DTP", Dated::read_dtp),
            lines: inside.loops("2220D").map(|line| LineStatus::read(&line)).collect(),
            other: own.rest(),
        }
    }
}

impl LineStatus {
    fn read(inside: &Loop<'_, '_, '_>) -> LineStatus {
        let mut own = Own::of(inside);
        let svc = own.take("SVC").unwrap_or_default();
        LineStatus {
            service: Service::read(&svc, 1),
            charge: money(&svc, 2),
            control: own.take_qualified("REF", "FJ").and_then(|raw| raw.option(2)),
            statuses: own.take_all("STC", |raw| Some(Status::read(raw))),
            services: own.take_qualified("DTP", "472").and_then(|raw| Span::parse(raw.element(3).as_bytes())),
        }
    }
}

/// The party that begins a loop inside.
fn party(around: &Loop<'_, '_, '_>, id: &'static str) -> Party {
    around.find(id).map(|inner| Party::read(&inner)).unwrap_or_default()
}

/// TRN02 and STC of a loop.
fn trace(inside: Option<Loop<'_, '_, '_>>) -> (Option<String>, Vec<Status>, Vec<Number>, Vec<Amount>) {
    let Some(inside) = inside else { return Default::default() };
    let mut own = Own::of(&inside);
    (
        own.take("TRN").and_then(|raw| raw.option(2)),
        own.take_all("STC", |raw| Some(Status::read(raw))),
        own.take_all("QTY", Number::read),
        own.take_all("AMT", Amount::read),
    )
}

impl StatusReport {
    /// The report of a tree; `None` when it is no 277CA. A set has one source and one receiver.
    pub fn read(tree: &Tree<'_, '_>) -> Option<StatusReport> {
        if tree.guide.kind != Kind::ClaimAcknowledgement {
            return None;
        }
        let root = tree.root();
        let mut own = Own::of(&root);
        let bht = own.take("BHT").unwrap_or_default();
        let source = root.find("2000A");
        let receiver = source.and_then(|level| level.find("2000B"));
        let (batch, statuses, quantities, amounts) = trace(receiver.and_then(|level| level.find("2200B")));
        Some(StatusReport {
            control: own.take("ST").unwrap_or_default().element(2).into(),
            reference: bht.element(3).into(),
            date: Date::parse(bht.element(4).as_bytes()),
            time: bht.element(5).into(),
            source: source.map(|level| party(&level, "2100A")).unwrap_or_default(),
            receiver: receiver.map(|level| party(&level, "2100B")).unwrap_or_default(),
            batch,
            statuses,
            quantities,
            amounts,
            providers: tree.loops("2000C").map(|level| ProviderStatus::read(&level)).collect(),
        })
    }

    /// All claims that the report speaks of, each with its patient.
    pub fn claims(&self) -> impl Iterator<Item = (&PatientStatus, &ClaimStatus)> {
        let patients = self.providers.iter().flat_map(|provider| &provider.patients);
        patients.flat_map(|patient| patient.claims.iter().map(move |claim| (patient, claim)))
    }
}

impl ProviderStatus {
    fn read(level: &Loop<'_, '_, '_>) -> ProviderStatus {
        let (trace, statuses, _, _) = trace(level.find("2200C"));
        let patients = level.loops("2000D").map(|inner| PatientStatus {
            patient: party(&inner, "2100D"),
            claims: inner.loops("2200D").map(|claim| ClaimStatus::read(&claim)).collect(),
        });
        ProviderStatus { provider: party(level, "2100C"), trace, statuses, patients: patients.collect() }
    }
}
