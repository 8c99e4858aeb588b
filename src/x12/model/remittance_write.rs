//! An 835 from a remittance.

use crate::compose::{LoopText, transaction};
use crate::guide::{Guide, Kind};
use crate::model::common::{Adjustment, Amount, Dated, Number, Reference};
use crate::model::party::{Contact, Party};
use crate::model::remittance::{
    Account, Payment, ProviderAdjustment, Remittance, RemittanceClaim, RemittanceLine, Trace,
};
use crate::raw::Raw;
use crate::value::write_decimal;

impl Remittance {
    /// The segments, ST to SE. The version stands in GS08; ST03 is not used by this set.
    pub fn write(&self) -> Vec<Raw> {
        let mut segments = vec![self.payment.write(), self.trace.write()];
        segments.extend(self.currency.iter().map(|code| Raw::new("CUR").with("PR").with(code)));
        segments.extend(self.references.iter().map(Reference::write));
        segments.extend(self.produced.map(|day| Raw::new("DTM").with("405").with(day.compact())));
        segments.extend(ProviderAdjustment::write(&self.adjustments));
        segments.extend(self.other.iter().cloned());
        let mut body = LoopText::new("", segments);
        body.loops.push(self.payer.write("1000A"));
        body.loops.push(self.payee.write("1000B"));
        for claims in self.claims.chunk_by(|a, b| a.group == b.group) {
            let group = claims.first().and_then(|claim| claim.group.as_deref());
            let number = group.map_or("1", |group| group.number.as_str());
            let mut header = LoopText::new("2000", vec![Raw::new("LX").with(number)]);
            header.segments.extend(group.iter().flat_map(|group| group.other.iter().cloned()));
            header.loops.extend(claims.iter().map(RemittanceClaim::write));
            body.loops.push(header);
        }
        transaction(Guide::of_kind(Kind::Remittance), &self.control, "", body)
    }
}

impl Payment {
    fn write(&self) -> Raw {
        let raw = Raw::new("BPR")
            .with(&self.handling)
            .with(write_decimal(self.amount))
            .with(&self.direction)
            .with(&self.method)
            .with_option(self.format.as_ref());
        let raw = account(raw, self.sender.as_ref())
            .with_option(self.originator.as_ref())
            .with_option(self.originator_code.as_ref());
        let raw = account(raw, self.receiver.as_ref());
        raw.with_option(self.date.map(|date| date.compact())).trimmed()
    }
}

fn account(raw: Raw, account: Option<&Account>) -> Raw {
    match account {
        None => raw.skip(4),
        Some(a) => raw.with(&a.bank_qualifier).with(&a.bank).with(&a.qualifier).with(&a.number),
    }
}

impl Trace {
    fn write(&self) -> Raw {
        let raw = Raw::new("TRN").with(&self.kind).with(&self.number).with_option(self.payer.as_ref());
        raw.with_option(self.subdivision.as_ref()).trimmed()
    }
}

impl ProviderAdjustment {
    /// PLB segments: neighbours of one provider and year share a segment, six at most.
    fn write(list: &[ProviderAdjustment]) -> Vec<Raw> {
        let is_same = |a: &ProviderAdjustment, b: &ProviderAdjustment| {
            a.provider == b.provider && a.year_end == b.year_end
        };
        let groups = list.chunk_by(is_same).flat_map(|group| group.chunks(6));
        let segment = |group: &[ProviderAdjustment]| {
            let provider = group.first().map_or("", |first| first.provider.as_str());
            let year_end = group.first().and_then(|first| first.year_end).map(|date| date.compact());
            let start = Raw::new("PLB").with(provider).with_option(year_end);
            group.iter().fold(start, |raw, one| {
                let reference = one.reference.as_deref().unwrap_or_default();
                raw.with_composite([one.reason.as_str(), reference]).with(write_decimal(one.amount))
            })
        };
        groups.map(segment).collect()
    }
}

impl RemittanceClaim {
    fn write(&self) -> LoopText {
        let clp = Raw::new("CLP")
            .with(&self.id)
            .with(&self.status)
            .with(write_decimal(self.charge))
            .with(write_decimal(self.paid))
            .with_option(self.patient_share.map(write_decimal))
            .with_option(self.filing.as_ref())
            .with_option(self.payer_claim.as_ref())
            .with_option(self.facility_code.as_ref())
            .with_option(self.frequency.as_ref())
            .skip(1)
            .with_option(self.drg.as_ref())
            .with_option(self.drg_weight.map(write_decimal))
            .with_option(self.discharge_fraction.map(write_decimal))
            .trimmed();
        let mut segments = vec![clp];
        segments.extend(Adjustment::write(&self.adjustments));
        segments.extend(self.parties.iter().map(Party::write_name));
        segments.extend(self.inpatient.clone());
        segments.extend(self.outpatient.clone());
        segments.extend(self.references.iter().map(Reference::write));
        segments.extend(self.dates.iter().map(Dated::write_dtm));
        segments.extend(self.contacts.iter().map(Contact::write));
        segments.extend(self.amounts.iter().map(Amount::write));
        segments.extend(self.quantities.iter().map(Number::write));
        segments.extend(self.other.iter().cloned());
        let mut text = LoopText::new("2100", segments);
        text.loops.extend(self.lines.iter().map(RemittanceLine::write));
        text
    }
}

impl RemittanceLine {
    fn write(&self) -> LoopText {
        let submitted = self.submitted.as_ref().map(|service| service.write()).unwrap_or_default();
        let svc = Raw::new("SVC")
            .with_composite(self.service.write())
            .with(write_decimal(self.charge))
            .with(write_decimal(self.paid))
            .with_option(self.revenue.as_ref())
            .with_option(self.units.map(write_decimal))
            .with_composite(submitted)
            .with_option(self.submitted_units.map(write_decimal))
            .trimmed();
        let mut segments = vec![svc];
        segments.extend(self.dates.iter().map(Dated::write_dtm));
        segments.extend(Adjustment::write(&self.adjustments));
        segments.extend(self.references.iter().map(Reference::write));
        segments.extend(self.amounts.iter().map(Amount::write));
        segments.extend(self.quantities.iter().map(Number::write));
        let remarks = self.remarks.iter().map(|r| Raw::new("LQ").with(&r.qualifier).with(&r.code));
        segments.extend(remarks);
        segments.extend(self.other.iter().cloned());
        LoopText::new("2110", segments)
    }
}
