//! Loop 2320: another payer of the same claim, what it decided, and whose coverage it is.

use crate::compose::LoopText;
use crate::model::common::{Adjustment, Amount};
use crate::model::own::Own;
use crate::model::party::Party;
use crate::raw::Raw;
use crate::tree::Loop;

/// Another payer's coverage.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct OtherCoverage {
    /// SBR01: `P`, `S`, `T`.
    pub sequence: String,
    /// SBR02.
    pub relationship: Option<String>,
    /// SBR03.
    pub group_number: Option<String>,
    /// SBR04.
    pub group_name: Option<String>,
    /// SBR05.
    pub insurance_type: Option<String>,
    /// SBR09.
    pub filing: Option<String>,
    /// CAS of the whole claim.
    pub adjustments: Vec<Adjustment>,
    /// AMT: `D` paid, `A8` not covered, `EAF` what the patient still owes.
    pub amounts: Vec<Amount>,
    /// OI03.
    pub benefits_assignment: Option<String>,
    /// OI04.
    pub patient_signature: Option<String>,
    /// OI06.
    pub release: Option<String>,
    /// Loop 2330A.
    pub subscriber: Option<Party>,
    /// Loop 2330B.
    pub payer: Option<Party>,
    /// Loops 2330C and further.
    pub providers: Vec<Party>,
    /// Segments that have no field: MIA, MOA.
    pub other: Vec<Raw>,
}

impl OtherCoverage {
    /// The first amount of a qualifier.
    pub fn amount(&self, qualifier: &str) -> Option<crate::value::Decimal> {
        self.amounts.iter().find(|amount| amount.qualifier == qualifier).map(|amount| amount.value)
    }

    pub(crate) fn read(inside: &Loop<'_, '_, '_>) -> OtherCoverage {
        let mut own = Own::of(inside);
        let sbr = own.take("SBR").unwrap_or_default();
        let oi = own.take("OI").unwrap_or_default();
        let mut coverage = OtherCoverage {
            sequence: sbr.element(1).into(),
            relationship: sbr.option(2),
            group_number: sbr.option(3),
            group_name: sbr.option(4),
            insurance_type: sbr.option(5),
            filing: sbr.option(9),
            adjustments: own.take_all("CAS", Adjustment::read).into_iter().flatten().collect(),
            amounts: own.take_all("AMT", Amount::read),
            benefits_assignment: oi.option(3),
            patient_signature: oi.option(4),
            release: oi.option(6),
            other: own.rest(),
            ..OtherCoverage::default()
        };
        for inner in inside.children() {
            let party = Party::read(&inner);
            match inner.id() {
                "2330A" => coverage.subscriber = Some(party),
                "2330B" => coverage.payer = Some(party),
                _ => coverage.providers.push(party),
            }
        }
        coverage
    }

    pub(crate) fn write(&self, provider_loop: impl Fn(&Party) -> &'static str) -> LoopText {
        let sbr = Raw::new("SBR")
            .with(&self.sequence)
            .with_option(self.relationship.as_ref())
            .with_option(self.group_number.as_ref())
            .with_option(self.group_name.as_ref())
            .with_option(self.insurance_type.as_ref())
            .skip(3)
            .with_option(self.filing.as_ref())
            .trimmed();
        let mut segments = vec![sbr];
        segments.extend(Adjustment::write(&self.adjustments));
        segments.extend(self.amounts.iter().map(Amount::write));
        let oi = Raw::new("OI")
            .skip(2)
            .with_option(self.benefits_assignment.as_ref())
            .with_option(self.patient_signature.as_ref())
            .skip(1)
            .with_option(self.release.as_ref())
            .trimmed();
        segments.extend(Some(oi).filter(|oi| !oi.is_empty()));
        segments.extend(self.other.iter().cloned());
        let mut text = LoopText::new("2320", segments);
        text.loops.extend(self.subscriber.iter().map(|party| party.write("2330A")));
        text.loops.extend(self.payer.iter().map(|party| party.write("2330B")));
        text.loops.extend(self.providers.iter().map(|party| party.write(provider_loop(party))));
        text
    }
}
