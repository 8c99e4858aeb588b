//! A claim as 837P, 837I and 837D say it. Each claim carries its billing provider, subscriber and
//! patient; the writer puts neighbours that share them under one level.

use std::sync::Arc;

use crate::guide::Kind;
use crate::model::common::{Amount, Dated, Note, Reference};
use crate::model::coverage::OtherCoverage;
use crate::model::line::Line;
use crate::model::party::Party;
use crate::raw::Raw;
use crate::value::{Date, Decimal, Span};

/// An 837: one transaction set.
#[derive(Clone, PartialEq, Debug)]
pub struct ClaimSet {
    /// 837P, 837I or 837D.
    pub kind: Kind,
    /// ST03 or GS08.
    pub version: String,
    /// ST02.
    pub control: String,
    /// BHT02: `00` original, `18` reissue.
    pub purpose: String,
    /// BHT03.
    pub reference: String,
    /// BHT04.
    pub date: Option<Date>,
    /// BHT05.
    pub time: String,
    /// BHT06: `CH` chargeable, `RP` reporting.
    pub use_code: String,
    /// Loop 1000A.
    pub submitter: Party,
    /// Loop 1000B.
    pub receiver: Party,
    /// The claims in order.
    pub claims: Vec<Claim>,
    /// Segments of the set that have no field.
    pub other: Vec<Raw>,
}

/// Loop 2000A.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Billing {
    /// Loop 2010AA; its taxonomy is that of the level's PRV.
    pub provider: Party,
    /// CUR02.
    pub currency: Option<String>,
    /// Loop 2010AB.
    pub pay_to: Option<Party>,
    /// Loop 2010AC.
    pub pay_to_plan: Option<Party>,
    /// Segments of the level that have no field.
    pub other: Vec<Raw>,
}

/// Loop 2000B.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Subscriber {
    /// SBR01: `P`, `S`, `T`: which payer this is.
    pub sequence: String,
    /// SBR02: `18` when the subscriber is the patient.
    pub relationship: Option<String>,
    /// SBR03.
    pub group_number: Option<String>,
    /// SBR04.
    pub group_name: Option<String>,
    /// SBR05.
    pub insurance_type: Option<String>,
    /// SBR06: coordination of benefits, used by dentists.
    pub coordination: Option<String>,
    /// SBR09: claim filing indicator.
    pub filing: Option<String>,
    /// Loop 2010BA.
    pub party: Party,
    /// Loop 2010BB.
    pub payer: Party,
    /// Segments of the level that have no field (PAT).
    pub other: Vec<Raw>,
}

/// Loop 2000C: the patient, where that is not the subscriber.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Patient {
    /// PAT01: relationship to the subscriber.
    pub relationship: String,
    /// Loop 2010CA.
    pub party: Party,
    /// Segments of the level that have no field.
    pub other: Vec<Raw>,
}

/// One composite of an HI segment: a diagnosis, procedure, occurrence, value or condition.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Code {
    /// `ABK` principal diagnosis, `ABF` other diagnosis, `BE` value, `BH` occurrence …
    pub qualifier: String,
    /// The code.
    pub code: String,
    /// Day or days.
    pub span: Option<Span>,
    /// Amount of a value code.
    pub amount: Option<Decimal>,
    /// Quantity.
    pub quantity: Option<Decimal>,
    /// Version.
    pub version: Option<String>,
    /// Last code of a range.
    pub last_code: Option<String>,
    /// Present on admission: `Y`, `N`, `U`, `W`.
    pub on_admission: Option<String>,
}

/// Loop 2300.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Claim {
    /// Loop 2000A.
    pub billing: Arc<Billing>,
    /// Loop 2000B.
    pub subscriber: Arc<Subscriber>,
    /// Loop 2000C; absent when the subscriber is the patient.
    pub patient: Option<Arc<Patient>>,
    /// CLM01: patient control number.
    pub id: String,
    /// CLM02.
    pub total: Decimal,
    /// CLM05-1: place of service, or facility part of the type of bill.
    pub facility_code: String,
    /// CLM05-3: `1` original, `7` replacement, `8` void.
    pub frequency: String,
    /// CLM06.
    pub provider_signature: Option<String>,
    /// CLM07.
    pub assignment: Option<String>,
    /// CLM08.
    pub benefits_assignment: Option<String>,
    /// CLM09.
    pub release: Option<String>,
    /// CLM10.
    pub patient_signature: Option<String>,
    /// CLM11-1 to 3: `AA` auto accident, `EM` employment, `OA` other accident.
    pub causes: Vec<String>,
    /// CLM11-4.
    pub accident_state: Option<String>,
    /// CLM11-5.
    pub accident_country: Option<String>,
    /// CLM12.
    pub special_program: Option<String>,
    /// CLM19.
    pub submission_reason: Option<String>,
    /// CLM20.
    pub delay_reason: Option<String>,
    /// CL101 to CL103: type and source of admission, status of the patient.
    pub admission: Option<[String; 3]>,
    /// DTP.
    pub dates: Vec<Dated>,
    /// REF.
    pub references: Vec<Reference>,
    /// AMT.
    pub amounts: Vec<Amount>,
    /// NTE.
    pub notes: Vec<Note>,
    /// PWK.
    pub attachments: Vec<Raw>,
    /// HI: one list for each segment.
    pub codes: Vec<Vec<Code>>,
    /// Loops 2310: each has its role.
    pub providers: Vec<Party>,
    /// Loops 2320.
    pub coverages: Vec<OtherCoverage>,
    /// Loops 2400.
    pub lines: Vec<Line>,
    /// Segments that have no field: CR1, CRC, HCP, K3, DN1 …
    pub other: Vec<Raw>,
}

impl Claim {
    /// The patient: the party of loop 2010CA, or the subscriber.
    pub fn patient_party(&self) -> &Party {
        self.patient.as_ref().map_or(&self.subscriber.party, |patient| &patient.party)
    }

    /// The value of the first reference of a qualifier.
    pub fn reference(&self, qualifier: &str) -> Option<&str> {
        let found = self.references.iter().find(|reference| reference.qualifier == qualifier);
        found.map(|reference| reference.value.as_str())
    }

    /// The first provider of a role: `82`, `71`, `77`.
    pub fn provider(&self, role: &str) -> Option<&Party> {
        self.providers.iter().find(|party| party.role == role)
    }

    /// The day or days of a date qualifier.
    pub fn span(&self, qualifier: &str) -> Option<Span> {
        self.dates.iter().find(|dated| dated.qualifier == qualifier)?.span()
    }

    /// Diagnoses in the order that lines point to.
    pub fn diagnoses(&self) -> impl Iterator<Item = &Code> {
        let qualifiers = ["ABK", "BK", "ABF", "BF", "TQ"];
        self.codes.iter().flatten().filter(move |code| qualifiers.contains(&code.qualifier.as_str()))
    }

    /// First and last day of services: of the lines, else of the claim.
    pub fn services(&self) -> Option<Span> {
        let of_lines: Vec<Span> = self.lines.iter().filter_map(|line| line.span("472")).collect();
        let from = of_lines.iter().map(|span| span.from).min();
        let to = of_lines.iter().map(Span::last).max();
        match (from, to) {
            (Some(from), Some(to)) => Some(Span { from, to: Some(to).filter(|to| *to != from) }),
            _ => self.span("434").or_else(|| self.span("472")),
        }
    }
}
