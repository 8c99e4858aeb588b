//! A remittance as the 835 says it: one payment, the claims it pays, and what the payer takes or gives
//! besides.

use std::sync::Arc;

use crate::model::common::{Adjustment, Amount, Dated, Number, Reference, Service};
use crate::model::party::{Contact, Party};
use crate::raw::Raw;
use crate::value::{Date, Decimal, Span};

/// An 835: one transaction set.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Remittance {
    /// ST03 or GS08.
    pub version: String,
    /// ST02.
    pub control: String,
    /// BPR.
    pub payment: Payment,
    /// TRN: what reassociates the payment with the bank's.
    pub trace: Trace,
    /// CUR02.
    pub currency: Option<String>,
    /// REF: `EV` receiver, `F2` version.
    pub references: Vec<Reference>,
    /// DTM*405.
    pub produced: Option<Date>,
    /// Loop 1000A.
    pub payer: Party,
    /// Loop 1000B.
    pub payee: Party,
    /// Claims in order.
    pub claims: Vec<RemittanceClaim>,
    /// PLB: one entry for each reason. Positive takes away from the payment.
    pub adjustments: Vec<ProviderAdjustment>,
    /// Segments of the set that have no field.
    pub other: Vec<Raw>,
}

/// BPR.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Payment {
    /// BPR01: `I` with the remittance, `H` notification only.
    pub handling: String,
    /// BPR02.
    pub amount: Decimal,
    /// BPR03: `C` credit, `D` debit.
    pub direction: String,
    /// BPR04: `ACH`, `CHK`, `NON`, `FWT`, `BOP`.
    pub method: String,
    /// BPR05.
    pub format: Option<String>,
    /// BPR06 to BPR09.
    pub sender: Option<Account>,
    /// BPR10.
    pub originator: Option<String>,
    /// BPR11.
    pub originator_code: Option<String>,
    /// BPR12 to BPR15.
    pub receiver: Option<Account>,
    /// BPR16: when the money is there.
    pub date: Option<Date>,
}

/// A bank account.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Account {
    /// Kind of the bank's number, `01`.
    pub bank_qualifier: String,
    /// The bank's number.
    pub bank: String,
    /// Kind of account, `DA`.
    pub qualifier: String,
    /// The account.
    pub number: String,
}

/// TRN.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Trace {
    /// TRN01.
    pub kind: String,
    /// TRN02: check or EFT number.
    pub number: String,
    /// TRN03: the payer's identifier.
    pub payer: Option<String>,
    /// TRN04.
    pub subdivision: Option<String>,
}

/// Loop 2000: claims under one header.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ClaimGroup {
    /// LX01.
    pub number: String,
    /// TS2 and TS3.
    pub other: Vec<Raw>,
}

/// Loop 2100.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct RemittanceClaim {
    /// Loop 2000; absent in files without LX.
    pub group: Option<Arc<ClaimGroup>>,
    /// CLP01: the provider's number of the claim.
    pub id: String,
    /// CLP02: `1` primary, `2` secondary, `3` tertiary, `4` denied, `19` to `21` forwarded, `22` reversal.
    pub status: String,
    /// CLP03.
    pub charge: Decimal,
    /// CLP04.
    pub paid: Decimal,
    /// CLP05.
    pub patient_share: Option<Decimal>,
    /// CLP06.
    pub filing: Option<String>,
    /// CLP07: the payer's number of the claim.
    pub payer_claim: Option<String>,
    /// CLP08.
    pub facility_code: Option<String>,
    /// CLP09.
    pub frequency: Option<String>,
    /// CLP11.
    pub drg: Option<String>,
    /// CLP12.
    pub drg_weight: Option<Decimal>,
    /// CLP13.
    pub discharge_fraction: Option<Decimal>,
    /// CAS of the claim.
    pub adjustments: Vec<Adjustment>,
    /// NM1: `QC` patient, `IL` insured, `74` corrected, `82` provider, `TT` crossover, `PR`, `GB`.
    pub parties: Vec<Party>,
    /// MIA.
    pub inpatient: Option<Raw>,
    /// MOA.
    pub outpatient: Option<Raw>,
    /// REF.
    pub references: Vec<Reference>,
    /// DTM.
    pub dates: Vec<Dated>,
    /// PER.
    pub contacts: Vec<Contact>,
    /// AMT: `AU` covered, `I` interest, `F5` patient paid.
    pub amounts: Vec<Amount>,
    /// QTY.
    pub quantities: Vec<Number>,
    /// Loops 2110.
    pub lines: Vec<RemittanceLine>,
    /// Segments that have no field.
    pub other: Vec<Raw>,
}

/// Loop 2110.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct RemittanceLine {
    /// SVC01: what was decided on.
    pub service: Service,
    /// SVC02.
    pub charge: Decimal,
    /// SVC03.
    pub paid: Decimal,
    /// SVC04.
    pub revenue: Option<String>,
    /// SVC05: units paid.
    pub units: Option<Decimal>,
    /// SVC06: what was submitted, where the payer changed it.
    pub submitted: Option<Service>,
    /// SVC07: units submitted.
    pub submitted_units: Option<Decimal>,
    /// DTM.
    pub dates: Vec<Dated>,
    /// CAS.
    pub adjustments: Vec<Adjustment>,
    /// REF: `6R` is the line's number in the claim.
    pub references: Vec<Reference>,
    /// AMT: `B6` allowed.
    pub amounts: Vec<Amount>,
    /// QTY.
    pub quantities: Vec<Number>,
    /// LQ.
    pub remarks: Vec<Remark>,
    /// Segments that have no field.
    pub other: Vec<Raw>,
}

/// LQ: a remark code.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Remark {
    /// `HE` remark code, `RX` code of NCPDP.
    pub qualifier: String,
    /// `N130`.
    pub code: String,
}

/// One reason of a PLB.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProviderAdjustment {
    /// PLB01.
    pub provider: String,
    /// PLB02: end of the fiscal year.
    pub year_end: Option<Date>,
    /// `WO`, `FB`, `L6`, `72`.
    pub reason: String,
    /// The payer's reference.
    pub reference: Option<String>,
    /// Positive takes away from the payment.
    pub amount: Decimal,
}

impl Remittance {
    /// Σ CLP04.
    pub fn claims_paid(&self) -> Decimal {
        self.claims.iter().map(|claim| claim.paid).sum()
    }

    /// Σ PLB amounts.
    pub fn adjusted(&self) -> Decimal {
        self.adjustments.iter().map(|adjustment| adjustment.amount).sum()
    }
}

impl RemittanceClaim {
    /// Whether it takes back an earlier decision.
    pub fn is_reversal(&self) -> bool {
        self.status == "22"
    }

    /// The first party of a role.
    pub fn party(&self, role: &str) -> Option<&Party> {
        self.parties.iter().find(|party| party.role == role)
    }

    /// The first amount of a qualifier.
    pub fn amount(&self, qualifier: &str) -> Option<Decimal> {
        self.amounts.iter().find(|amount| amount.qualifier == qualifier).map(|amount| amount.value)
    }

    /// Interest, AMT*I.
    pub fn interest(&self) -> Option<Decimal> {
        self.amount("I")
    }

    /// Remark codes of MIA and MOA.
    pub fn remarks(&self) -> Vec<&str> {
        let inpatient = self.inpatient.iter().flat_map(|mia| [5, 20, 21, 22, 23].map(|n| mia.element(n)));
        let outpatient = self.outpatient.iter().flat_map(|moa| [3, 4, 5, 6, 7].map(|n| moa.element(n)));
        inpatient.chain(outpatient).filter(|code| !code.is_empty()).collect()
    }

    /// First and last day of the services.
    pub fn services(&self) -> Option<Span> {
        let of_lines: Vec<Span> = self.lines.iter().filter_map(RemittanceLine::services).collect();
        let from = day(&self.dates, "232").or(of_lines.iter().map(|span| span.from).min())?;
        let to = day(&self.dates, "233").or(of_lines.iter().map(Span::last).max());
        Some(Span { from, to: to.filter(|to| *to != from) })
    }

    /// All adjustments, those of lines too.
    pub fn all_adjustments(&self) -> impl Iterator<Item = &Adjustment> {
        self.adjustments.iter().chain(self.lines.iter().flat_map(|line| &line.adjustments))
    }
}

impl RemittanceLine {
    /// Day or days of the service.
    pub fn services(&self) -> Option<Span> {
        let from = day(&self.dates, "472").or_else(|| day(&self.dates, "150"))?;
        Some(Span { from, to: day(&self.dates, "151").filter(|to| *to != from) })
    }

    /// The line's number in the claim, REF*6R.
    pub fn control(&self) -> Option<&str> {
        let found = self.references.iter().find(|reference| reference.qualifier == "6R");
        found.map(|reference| reference.value.as_str())
    }

    /// What the payer allows: AMT*B6, else what is paid without interest and what is the patient's.
    pub fn allowed(&self) -> Decimal {
        let said = self.amounts.iter().find(|amount| amount.qualifier == "B6").map(|amount| amount.value);
        said.unwrap_or_else(|| self.paid + allowed_besides(&self.adjustments))
    }
}

/// CARC of interest and penalties paid by the payer, as a negative adjustment.
const INTEREST: &str = "225";

/// What is allowed beside the amount paid: the patient's share, less interest, which is paid and not
/// allowed.
pub(crate) fn allowed_besides(adjustments: &[Adjustment]) -> Decimal {
    let counts = |one: &&Adjustment| one.group == "PR" || one.reason == INTEREST;
    adjustments.iter().filter(counts).map(|one| one.amount).sum()
}

fn day(dates: &[Dated], qualifier: &str) -> Option<Date> {
    Some(dates.iter().find(|dated| dated.qualifier == qualifier)?.span()?.from)
}
