//! An 837 from claims: levels are numbered, neighbours with the same provider, subscriber or patient
//! share one.

use crate::compose::{LoopText, transaction};
use crate::guide::{Guide, Kind, What};
use crate::model::claim::{Billing, Claim, ClaimSet, Code, Patient, Subscriber};
use crate::model::common::{Amount, Dated, Note, Reference};
use crate::model::party::Party;
use crate::raw::Raw;
use crate::value::write_decimal;

impl ClaimSet {
    /// The segments, ST to SE.
    pub fn write(&self) -> Vec<Raw> {
        let guide = Guide::of_kind(self.kind);
        let bht = Raw::new("BHT")
            .with("0019")
            .with(&self.purpose)
            .with(&self.reference)
            .with_option(self.date.map(|date| date.compact()))
            .with(&self.time)
            .with(&self.use_code)
            .trimmed();
        let mut body = LoopText::new("", vec![bht]);
        body.segments.extend(self.other.iter().cloned());
        body.loops.push(self.submitter.write("1000A"));
        body.loops.push(self.receiver.write("1000B"));
        let mut number = 0;
        for group in self.claims.chunk_by(|a, b| a.billing == b.billing) {
            body.loops.push(self.billing(group, &mut number));
        }
        transaction(guide, &self.control, &self.version, body)
    }

    fn billing(&self, claims: &[Claim], number: &mut usize) -> LoopText {
        let Some(billing) = claims.first().map(|claim| &claim.billing) else { return LoopText::default() };
        let hl = level(number, None, "20", true);
        let own = *number;
        let mut text = LoopText::new("2000A", vec![hl]);
        text.segments.extend(billing.own_segments());
        let provider = Party { taxonomy: None, ..billing.provider.clone() };
        text.loops.push(provider.write("2010AA"));
        text.loops.extend(billing.pay_to.iter().map(|party| party.write("2010AB")));
        text.loops.extend(billing.pay_to_plan.iter().map(|party| party.write("2010AC")));
        for group in claims.chunk_by(|a, b| a.subscriber == b.subscriber) {
            text.loops.push(self.subscriber(group, own, number));
        }
        text
    }

    fn subscriber(&self, claims: &[Claim], parent: usize, number: &mut usize) -> LoopText {
        let Some(subscriber) = claims.first().map(|claim| &claim.subscriber) else {
            return LoopText::default();
        };
        let has_patients = claims.iter().any(|claim| claim.patient.is_some());
        let hl = level(number, Some(parent), "22", has_patients);
        let own = *number;
        let mut text = LoopText::new("2000B", vec![hl, subscriber.sbr()]);
        text.segments.extend(subscriber.other.iter().cloned());
        text.loops.push(subscriber.party.write("2010BA"));
        text.loops.push(subscriber.payer.write("2010BB"));
        for group in claims.chunk_by(|a, b| a.patient == b.patient) {
            let loops = group.iter().map(|claim| claim.write(self.kind));
            match group.first().and_then(|claim| claim.patient.as_ref()) {
                None => text.loops.extend(loops),
                Some(patient) => {
                    let mut inner = patient.level(own, number);
                    inner.loops.extend(loops);
                    text.loops.push(inner);
                }
            }
        }
        text
    }
}

/// HL with the next number.
fn level(number: &mut usize, parent: Option<usize>, code: &str, has_children: bool) -> Raw {
    *number += 1;
    let parent = parent.map(|parent| parent.to_string());
    let children = if has_children { "1" } else { "0" };
    Raw::new("HL").with(number.to_string()).with_option(parent).with(code).with(children)
}

impl Billing {
    fn own_segments(&self) -> Vec<Raw> {
        let mut segments = Vec::new();
        if let Some(taxonomy) = &self.provider.taxonomy {
            segments.push(Raw::new("PRV").with("BI").with("PXC").with(taxonomy));
        }
        if let Some(currency) = &self.currency {
            segments.push(Raw::new("CUR").with("85").with(currency));
        }
        segments.extend(self.other.iter().cloned());
        segments
    }
}

impl Subscriber {
    fn sbr(&self) -> Raw {
        Raw::new("SBR")
            .with(&self.sequence)
            .with_option(self.relationship.as_ref())
            .with_option(self.group_number.as_ref())
            .with_option(self.group_name.as_ref())
            .with_option(self.insurance_type.as_ref())
            .with_option(self.coordination.as_ref())
            .skip(2)
            .with_option(self.filing.as_ref())
            .trimmed()
    }
}

impl Patient {
    fn level(&self, parent: usize, number: &mut usize) -> LoopText {
        let mut text = LoopText::new("2000C", vec![level(number, Some(parent), "23", false)]);
        if !self.other.iter().any(|raw| raw.id() == "PAT") {
            text.segments.push(Raw::new("PAT").with(&self.relationship));
        }
        text.segments.extend(self.other.iter().cloned());
        text.loops.push(self.party.write("2010CA"));
        text
    }
}

/// The loop inside `around` that a party of this role begins.
fn loop_of(guide: &'static Guide, around: &str, role: &str) -> &'static str {
    let Some(spec) = guide.find_loop(around) else { return "" };
    let item = spec.items.iter().find(|item| {
        matches!(item.what, What::Loop(_)) && item.takes(b"NM1", role.as_bytes()) && !item.keys.is_empty()
    });
    match item.map(|item| item.what) {
        Some(What::Loop(number)) => guide.loops[number].id,
        _ => "",
    }
}

impl Claim {
    fn write(&self, kind: Kind) -> LoopText {
        let guide = Guide::of_kind(kind);
        let mut segments = vec![self.clm(kind)];
        segments.extend(self.dates.iter().map(Dated::write_dtp));
        if let Some([kind, source, status]) = &self.admission {
            segments.push(Raw::new("CL1").with(kind).with(source).with(status).trimmed());
        }
        segments.extend(self.attachments.iter().cloned());
        segments.extend(self.amounts.iter().map(Amount::write));
        segments.extend(self.references.iter().map(Reference::write));
        segments.extend(self.notes.iter().map(Note::write));
        segments.extend(self.codes.iter().filter(|codes| !codes.is_empty()).map(|codes| hi(codes)));
        segments.extend(self.other.iter().cloned());
        let mut text = LoopText::new("2300", segments);
        let of_claim = |party: &Party| loop_of(guide, "2300", &party.role);
        text.loops.extend(self.providers.iter().map(|party| party.write(of_claim(party))));
        let of_other = |party: &Party| loop_of(guide, "2320", &party.role);
        text.loops.extend(self.coverages.iter().map(|coverage| coverage.write(of_other)));
        let of_line = |party: &Party| loop_of(guide, "2400", &party.role);
        text.loops.extend(self.lines.iter().map(|line| line.write(kind, of_line)));
        text
    }

    fn clm(&self, kind: Kind) -> Raw {
        let facility = if kind == Kind::Institutional { "A" } else { "B" };
        let mut causes = self.causes.clone();
        if self.accident_state.is_some() || self.accident_country.is_some() {
            causes.resize(3, String::new());
            causes.push(self.accident_state.clone().unwrap_or_default());
            causes.push(self.accident_country.clone().unwrap_or_default());
        }
        Raw::new("CLM")
            .with(&self.id)
            .with(write_decimal(self.total))
            .skip(2)
            .with_composite([self.facility_code.as_str(), facility, self.frequency.as_str()])
            .with_option(self.provider_signature.as_ref())
            .with_option(self.assignment.as_ref())
            .with_option(self.benefits_assignment.as_ref())
            .with_option(self.release.as_ref())
            .with_option(self.patient_signature.as_ref())
            .with_composite(causes)
            .with_option(self.special_program.as_ref())
            .skip(6)
            .with_option(self.submission_reason.as_ref())
            .with_option(self.delay_reason.as_ref())
            .trimmed()
    }
}

fn hi(codes: &[Code]) -> Raw {
    codes.iter().take(12).fold(Raw::new("HI"), |raw, code| raw.with_composite(code.write()))
}

impl Code {
    fn write(&self) -> [String; 9] {
        let (format, span) = self.span.map(|span| span.compact()).unwrap_or_default();
        let number = |value: Option<crate::value::Decimal>| value.map(write_decimal).unwrap_or_default();
        [
            self.qualifier.clone(),
            self.code.clone(),
            format.to_owned(),
            span,
            number(self.amount),
            number(self.quantity),
            self.version.clone().unwrap_or_default(),
            self.last_code.clone().unwrap_or_default(),
            self.on_admission.clone().unwrap_or_default(),
        ]
    }
}
