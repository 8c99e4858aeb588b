//! What transaction sets say, as types: read from loops, written back as segments.
//!
//! Segments that have no field of their own stay in `other` of the loop they stand in, so nothing is
//! lost. Amounts are exact decimals, days are [`Date`](crate::value::Date)s.

mod acknowledgement;
mod claim;
mod claim_read;
mod claim_write;
mod common;
mod coverage;
mod line;
mod line_write;
mod own;
mod party;
mod remittance;
mod remittance_read;
mod remittance_write;
mod status;

pub use acknowledgement::{
    Acknowledgement, ElementError, InterchangeAnswer, SegmentError, SetAnswer, SetName,
};
pub use claim::{Billing, Claim, ClaimSet, Code, Patient, Subscriber};
pub use common::{Adjustment, Amount, Dated, Note, Number, Reference, Service};
pub use coverage::OtherCoverage;
pub use line::{Decision, Drug, Form, Line, Tooth};
pub use party::{Address, Contact, Entity, Identifier, Party};
pub(crate) use remittance::allowed_besides;
pub use remittance::{
    Account, ClaimGroup, Payment, ProviderAdjustment, Remark, Remittance, RemittanceClaim, RemittanceLine,
    Trace,
};
pub use status::{Acceptance, ClaimStatus, LineStatus, PatientStatus, ProviderStatus, Status, StatusReport};
