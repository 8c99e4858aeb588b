//! One visit and what becomes of it: submissions, answers, payments, write-offs, and the sums of them.
//!
//! The sums are the truth that the known answers are made of; nothing here reads a resource.

use super::calendar::Day;
use super::catalogue::{Reason, SERVICES};

/// Who pays: a place in the payers' table, or nobody but the patient.
pub(super) type PayerIndex = Option<usize>;

/// A charge line.
#[derive(Clone, Debug)]
pub(super) struct Line {
    /// Place in [`SERVICES`].
    pub service: usize,
    pub units: i64,
    /// The diagnosis pointed to, from 1.
    pub diagnosis: usize,
}

impl Line {
    /// Fee times units, in cents.
    pub(super) fn charge(&self) -> i64 {
        SERVICES[self.service].fee * self.units
    }
}

/// A Claim that was sent.
#[derive(Clone, Debug)]
pub(super) struct Submission {
    pub day: Day,
    pub minute: i64,
    /// 1 original, 7 replacement, 8 void.
    pub frequency: u8,
    /// The submission that this one follows.
    pub follows: Option<usize>,
    pub lines: Vec<Line>,
}

impl Submission {
    pub(super) fn total(&self) -> i64 {
        self.lines.iter().map(Line::charge).sum()
    }
}

/// What a payer says of one line, in cents. Everything but a denied line adds up:
/// charge = contractual + deductible + copay + coinsurance + paid.
#[derive(Clone, Default, Debug)]
pub(super) struct LineAnswer {
    pub charge: i64,
    pub allowed: i64,
    pub deductible: i64,
    pub copay: i64,
    pub coinsurance: i64,
    pub paid: i64,
    /// The line is denied; the charge is the amount of the adjustment.
    pub denied: Option<Reason>,
}

impl LineAnswer {
    pub(super) fn contractual(&self) -> i64 {
        if self.denied.is_some() { 0 } else { self.charge - self.allowed }
    }

    pub(super) fn patient_share(&self) -> i64 {
        self.deductible + self.copay + self.coinsurance
    }

    /// The mirror row of a reversal.
    fn negated(&self) -> LineAnswer {
        LineAnswer {
            charge: -self.charge,
            allowed: -self.allowed,
            deductible: -self.deductible,
            copay: -self.copay,
            coinsurance: -self.coinsurance,
            paid: -self.paid,
            denied: self.denied,
        }
    }
}

/// What kind of answer a ClaimResponse is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// Refused at the front end; never adjudicated.
    Rejected,
    /// Adjudicated.
    Final,
    /// Takes an earlier adjudication back.
    Reversal,
}

/// A ClaimResponse.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub submission: usize,
    pub day: Day,
    pub kind: Kind,
    pub lines: Vec<LineAnswer>,
}

impl Answer {
    pub(super) fn paid(&self) -> i64 {
        self.lines.iter().map(|line| line.paid).sum()
    }
}

/// Money of the patient; a refund is negative.
#[derive(Clone, Debug)]
pub(super) struct PatientPayment {
    pub day: Day,
    pub amount: i64,
}

/// An adjustment by the practice.
#[derive(Clone, Debug)]
pub(super) struct WriteOff {
    pub day: Day,
    pub kind: &'static str,
    pub amount: i64,
}

/// Work on a denial.
#[derive(Clone, Debug)]
pub(super) struct Work {
    /// `appeal` or `denial-work`.
    pub code: &'static str,
    pub submission: usize,
    pub day: Day,
    pub due: Day,
    pub done: Option<Day>,
    /// Of a decided appeal: whether it was won.
    pub overturned: Option<bool>,
    pub amount: i64,
}

/// A visit with everything that followed up to the reference date.
#[derive(Clone, Debug)]
pub(super) struct Episode {
    pub payer: PayerIndex,
    pub provider: usize,
    pub facility: usize,
    pub day: Day,
    pub minute: i64,
    /// Places in the diagnoses' table.
    pub diagnoses: Vec<usize>,
    pub lines: Vec<Line>,
    pub submissions: Vec<Submission>,
    pub answers: Vec<Answer>,
    pub payments: Vec<PatientPayment>,
    pub write_offs: Vec<WriteOff>,
    pub work: Vec<Work>,
}

impl Episode {
    /// The gross charge: of the newest answered replacement, else of the first submission, none
    /// after a void. A visit without insurance is charged when it happens.
    pub(super) fn charge(&self) -> i64 {
        if self.payer.is_none() {
            return self.lines.iter().map(Line::charge).sum();
        }
        if self.submissions.iter().any(|submission| submission.frequency == 8) {
            return 0;
        }
        let is_answered =
            |place: usize| self.answers.iter().any(|a| a.submission == place && a.kind != Kind::Rejected);
        let mut replacements = self.submissions.iter().enumerate().rev();
        let standing = replacements.find(|(place, s)| s.frequency == 7 && is_answered(*place));
        standing.map(|(_, submission)| submission).or(self.submissions.first()).map_or(0, Submission::total)
    }

    fn answered_lines(&self) -> impl Iterator<Item = &LineAnswer> {
        self.answers.iter().flat_map(|answer| &answer.lines)
    }

    pub(super) fn insurer_paid(&self) -> i64 {
        self.answered_lines().map(|line| line.paid).sum()
    }

    pub(super) fn contractual(&self) -> i64 {
        self.answered_lines().map(LineAnswer::contractual).sum()
    }

    pub(super) fn patient_paid(&self) -> i64 {
        self.payments.iter().map(|payment| payment.amount).sum()
    }

    pub(super) fn patient_share(&self) -> i64 {
        self.answered_lines().map(LineAnswer::patient_share).sum()
    }

    pub(super) fn written_off(&self) -> i64 {
        self.write_offs.iter().map(|write_off| write_off.amount).sum()
    }

    /// What is still owed; negative when too much was paid.
    pub(super) fn balance(&self) -> i64 {
        self.charge() - self.contractual() - self.written_off() - self.insurer_paid() - self.patient_paid()
    }

    /// Whether the first adjudication denied a line.
    pub(super) fn is_denied(&self) -> bool {
        let first = self.answers.iter().find(|answer| answer.kind == Kind::Final);
        first.is_some_and(|answer| answer.lines.iter().any(|line| line.denied.is_some()))
    }

    /// Records that an answer was taken back.
    pub(super) fn reverse(&mut self, place: usize, day: Day) {
        let Some(answer) = self.answers.get(place) else { return };
        let lines = answer.lines.iter().map(LineAnswer::negated).collect();
        self.answers.push(Answer { submission: answer.submission, day, kind: Kind::Reversal, lines });
    }
}
