//! A service line as segments.

use crate::compose::LoopText;
use crate::guide::Kind;
use crate::model::common::{Adjustment, Amount, Dated, Note, Number, Reference, Service};
use crate::model::line::{Decision, Drug, Line, Tooth};
use crate::model::party::Party;
use crate::raw::Raw;
use crate::value::write_decimal;

impl Line {
    pub(crate) fn write(&self, kind: Kind, provider_loop: impl Fn(&Party) -> &'static str) -> LoopText {
        let mut segments = vec![Raw::new("LX").with(&self.number), self.write_service(kind)];
        segments.extend(self.teeth.iter().map(Tooth::write));
        segments.extend(self.attachments.iter().cloned());
        segments.extend(self.dates.iter().map(Dated::write_dtp));
        segments.extend(self.quantities.iter().map(Number::write));
        segments.extend(self.references.iter().map(Reference::write));
        segments.extend(self.amounts.iter().map(Amount::write));
        segments.extend(self.notes.iter().map(Note::write));
        segments.extend(self.other.iter().cloned());
        let mut text = LoopText::new("2400", segments);
        text.loops.extend(self.drug.iter().map(Drug::write));
        text.loops.extend(self.providers.iter().map(|party| party.write(provider_loop(party))));
        text.loops.extend(self.decisions.iter().map(Decision::write));
        let forms = self.forms.iter().map(|form| LoopText::new("2440", form.segments.clone()));
        text.loops.extend(forms);
        text
    }

    fn write_service(&self, kind: Kind) -> Raw {
        let quantity = self.quantity.map(write_decimal);
        let charge = write_decimal(self.charge);
        let raw = match kind {
            Kind::Institutional => Raw::new("SV2")
                .with_option(self.revenue.as_ref())
                .with_composite(service(&self.service))
                .with(charge)
                .with_option(self.unit.as_ref())
                .with_option(quantity)
                .skip(1)
                .with_option(self.not_covered.map(write_decimal)),
            Kind::Dental => Raw::new("SV3")
                .with_composite(service(&self.service))
                .with(charge)
                .with_option(self.place.as_ref())
                .with_composite(&self.cavities)
                .with_option(self.prosthesis.as_ref())
                .with_option(quantity)
                .skip(4)
                .with_composite(&self.pointers),
            _ => Raw::new("SV1")
                .with_composite(service(&self.service))
                .with(charge)
                .with_option(self.unit.as_ref())
                .with_option(quantity)
                .with_option(self.place.as_ref())
                .skip(1)
                .with_composite(&self.pointers)
                .skip(1)
                .with_option(self.emergency.as_ref())
                .skip(1)
                .with_option(self.epsdt.as_ref())
                .with_option(self.family_planning.as_ref())
                .skip(2)
                .with_option(self.copay_status.as_ref()),
        };
        raw.trimmed()
    }
}

fn service(service: &Service) -> Vec<String> {
    if service.is_empty() { Vec::new() } else { service.write() }
}

impl Tooth {
    fn write(&self) -> Raw {
        Raw::new("TOO").with(&self.qualifier).with(&self.code).with_composite(&self.surfaces).trimmed()
    }
}

impl Drug {
    fn write(&self) -> LoopText {
        let lin = Raw::new("LIN").skip(1).with(&self.qualifier).with(&self.code);
        let ctp = Raw::new("CTP").skip(3).with_option(self.quantity.map(write_decimal));
        let mut segments = vec![lin, ctp.with_composite(&self.unit).trimmed()];
        segments.extend(self.references.iter().map(Reference::write));
        segments.extend(self.other.iter().cloned());
        segments.retain(|raw| !raw.is_empty());
        LoopText::new("2410", segments)
    }
}

impl Decision {
    fn write(&self) -> LoopText {
        let svd = Raw::new("SVD")
            .with(&self.payer)
            .with(write_decimal(self.paid))
            .with_composite(service(&self.service))
            .with_option(self.revenue.as_ref())
            .with_option(self.quantity.map(write_decimal))
            .with_option(self.bundled_line.as_ref())
            .trimmed();
        let mut segments = vec![svd];
        segments.extend(Adjustment::write(&self.adjustments));
        segments.extend(self.dates.iter().map(Dated::write_dtp));
        segments.extend(self.amounts.iter().map(Amount::write));
        segments.extend(self.other.iter().cloned());
        LoopText::new("2430", segments)
    }
}
