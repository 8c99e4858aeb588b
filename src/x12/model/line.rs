//! Loop 2400: a service line of a claim.

use crate::model::common::{Adjustment, Amount, Dated, Note, Number, Reference, Service, maybe, money};
use crate::model::own::Own;
use crate::model::party::Party;
use crate::raw::Raw;
use crate::tree::Loop;
use crate::value::{Decimal, Span};

/// A service line.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Line {
    /// LX01.
    pub number: String,
    /// Procedure, modifiers, text.
    pub service: Service,
    /// SV201: revenue code of an institution's line.
    pub revenue: Option<String>,
    /// The charge.
    pub charge: Decimal,
    /// `UN`, `MJ`, `DA`.
    pub unit: Option<String>,
    /// Number of units.
    pub quantity: Option<Decimal>,
    /// SV105, SV303: place of service where it differs from the claim's.
    pub place: Option<String>,
    /// SV107, SV311: diagnoses, counted from 1.
    pub pointers: Vec<String>,
    /// SV109.
    pub emergency: Option<String>,
    /// SV111.
    pub epsdt: Option<String>,
    /// SV112.
    pub family_planning: Option<String>,
    /// SV115.
    pub copay_status: Option<String>,
    /// SV207.
    pub not_covered: Option<Decimal>,
    /// SV304: areas of the mouth.
    pub cavities: Vec<String>,
    /// SV305: `I` initial, `R` replacement.
    pub prosthesis: Option<String>,
    /// TOO.
    pub teeth: Vec<Tooth>,
    /// DTP.
    pub dates: Vec<Dated>,
    /// REF; `6R` is the number that remittances repeat.
    pub references: Vec<Reference>,
    /// AMT.
    pub amounts: Vec<Amount>,
    /// QTY.
    pub quantities: Vec<Number>,
    /// NTE.
    pub notes: Vec<Note>,
    /// PWK.
    pub attachments: Vec<Raw>,
    /// Loop 2410.
    pub drug: Option<Drug>,
    /// Loops 2420.
    pub providers: Vec<Party>,
    /// Loops 2430.
    pub decisions: Vec<Decision>,
    /// Loops 2440.
    pub forms: Vec<Form>,
    /// Segments that have no field: SV5, CR1, MEA, HCP …
    pub other: Vec<Raw>,
}

/// TOO: a tooth and its surfaces.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Tooth {
    /// TOO01.
    pub qualifier: String,
    /// TOO02.
    pub code: String,
    /// TOO03.
    pub surfaces: Vec<String>,
}

/// Loop 2410.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Drug {
    /// LIN02, `N4`.
    pub qualifier: String,
    /// LIN03, an NDC.
    pub code: String,
    /// CTP04.
    pub quantity: Option<Decimal>,
    /// CTP05-1.
    pub unit: Option<String>,
    /// REF.
    pub references: Vec<Reference>,
    /// Segments that have no field.
    pub other: Vec<Raw>,
}

/// Loop 2430: what another payer decided on the line.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Decision {
    /// SVD01: the payer, as in NM109 of loop 2330B.
    pub payer: String,
    /// SVD02.
    pub paid: Decimal,
    /// SVD03.
    pub service: Service,
    /// SVD04.
    pub revenue: Option<String>,
    /// SVD05.
    pub quantity: Option<Decimal>,
    /// SVD06: the line it was bundled into.
    pub bundled_line: Option<String>,
    /// CAS.
    pub adjustments: Vec<Adjustment>,
    /// DTP.
    pub dates: Vec<Dated>,
    /// AMT.
    pub amounts: Vec<Amount>,
    /// Segments that have no field.
    pub other: Vec<Raw>,
}

/// Loop 2440: a form's questions and answers.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Form {
    /// LQ and FRM segments.
    pub segments: Vec<Raw>,
}

impl Line {
    /// The day or days of a date qualifier; `472` is the service.
    pub fn span(&self, qualifier: &str) -> Option<Span> {
        self.dates.iter().find(|dated| dated.qualifier == qualifier)?.span()
    }

    /// The value of the first reference of a qualifier.
    pub fn reference(&self, qualifier: &str) -> Option<&str> {
        let found = self.references.iter().find(|reference| reference.qualifier == qualifier);
        found.map(|reference| reference.value.as_str())
    }

    pub(crate) fn read(inside: &Loop<'_, '_, '_>) -> Line {
        let mut own = Own::of(inside);
        let number = own.take("LX").unwrap_or_default().element(1).into();
        let mut line = Line { number, ..Line::default() };
        line.read_service(&mut own);
        line.teeth = own.take_all("TOO", |raw| {
            let [qualifier, code] = [1, 2].map(|n| raw.element(n).to_owned());
            Some(Tooth { qualifier, code, surfaces: raw.composite(3) })
        });
        line.dates = own.take_all("DTP", Dated::read_dtp);
        line.references = own.take_all("REF", Reference::read);
        line.amounts = own.take_all("AMT", Amount::read);
        line.quantities = own.take_all("QTY", Number::read);
        line.notes = own.take_all("NTE", Note::read);
        line.attachments = own.take_all("PWK", |raw| Some(raw.clone()));
        line.other = own.rest();
        for inner in inside.children() {
            match inner.id() {
                "2410" => line.drug = Some(Drug::read(&inner)),
                "2430" => line.decisions.push(Decision::read(&inner)),
                "2440" => {
                    line.forms.push(Form { segments: inner.segments().map(|s| Raw::of(&s)).collect() });
                }
                _ => line.providers.push(Party::read(&inner)),
            }
        }
        line
    }

    fn read_service(&mut self, own: &mut Own) {
        if let Some(sv1) = own.take("SV1") {
            self.service = Service::read(&sv1, 1);
            (self.charge, self.unit, self.quantity) = (money(&sv1, 2), sv1.option(3), maybe(&sv1, 4));
            (self.place, self.pointers) = (sv1.option(5), sv1.composite(7));
            (self.emergency, self.epsdt) = (sv1.option(9), sv1.option(11));
            (self.family_planning, self.copay_status) = (sv1.option(12), sv1.option(15));
        } else if let Some(sv2) = own.take("SV2") {
            (self.revenue, self.service) = (sv2.option(1), Service::read(&sv2, 2));
            (self.charge, self.unit, self.quantity) = (money(&sv2, 3), sv2.option(4), maybe(&sv2, 5));
            self.not_covered = maybe(&sv2, 7);
        } else if let Some(sv3) = own.take("SV3") {
            (self.service, self.charge) = (Service::read(&sv3, 1), money(&sv3, 2));
            (self.place, self.cavities) = (sv3.option(3), sv3.composite(4));
            (self.prosthesis, self.quantity) = (sv3.option(5), maybe(&sv3, 6));
            self.pointers = sv3.composite(11);
        }
    }
}

impl Drug {
    fn read(inside: &Loop<'_, '_, '_>) -> Drug {
        let mut own = Own::of(inside);
        let lin = own.take("LIN").unwrap_or_default();
        let ctp = own.take("CTP").unwrap_or_default();
        Drug {
            qualifier: lin.element(2).into(),
            code: lin.element(3).into(),
            quantity: maybe(&ctp, 4),
            unit: Some(ctp.component(5, 1).to_owned()).filter(|unit| !unit.is_empty()),
            references: own.take_all("REF", Reference::read),
            other: own.rest(),
        }
    }
}

impl Decision {
    fn read(inside: &Loop<'_, '_, '_>) -> Decision {
        let mut own = Own::of(inside);
        let svd = own.take("SVD").unwrap_or_default();
        Decision {
            payer: svd.element(1).into(),
            paid: money(&svd, 2),
            service: Service::read(&svd, 3),
            revenue: svd.option(4),
            quantity: maybe(&svd, 5),
            bundled_line: svd.option(6),
            adjustments: own.take_all("CAS", Adjustment::read).into_iter().flatten().collect(),
            dates: own.take_all("DTP", Dated::read_dtp),
            amounts: own.take_all("AMT", Amount::read),
            other: own.rest(),
        }
    }
}
