//! How a visit goes on: dice, delays and habits of payers and patients, up to the reference date.
//! What would happen later is left out, which is why the newest claims are open.

use super::calendar::{Day, month_of_year, next_weekday, working_day, year};
use super::catalogue::{
    DIAGNOSES, LOCATIONS, PAYERS, PRACTITIONERS, Payer, Reason, SERVICES, VISITS, contract_price,
};
use super::episode::{
    Answer, Episode, Kind, Line, LineAnswer, PatientPayment, PayerIndex, Submission, Work, WriteOff,
};
use super::random::Random;

/// Lines a claim has beside the visit, at most.
const MAX_OTHER_LINES: usize = 5;
/// Below this, in cents, a balance is not pursued.
const SMALL_BALANCE: i64 = 500;

/// A patient's insurance as time passes.
pub(super) struct Insured {
    pub payer: PayerIndex,
    /// What is left of the deductible in `year`.
    left: i64,
    year: i64,
}

impl Insured {
    pub(super) fn new(payer: PayerIndex) -> Insured {
        Insured { payer, left: 0, year: i64::MIN }
    }

    /// Takes from the deductible of the year.
    fn deductible(&mut self, payer: &Payer, day: Day, allowed: i64) -> i64 {
        if self.year != year(day) {
            (self.year, self.left) = (year(day), payer.deductible);
        }
        let taken = allowed.min(self.left);
        self.left -= taken;
        taken
    }
}

/// One visit in the making.
pub(super) struct Life<'a> {
    random: &'a mut Random,
    insured: &'a mut Insured,
    today: Day,
    episode: Episode,
}

/// Makes a visit of that day and lets it run to `today`.
pub(super) fn live(
    random: &mut Random,
    insured: &mut Insured,
    provider: usize,
    day: Day,
    today: Day,
    more_lines: usize,
) -> Episode {
    let day = working_day(day).min(today);
    // Two of five work at the second place.
    let facility = usize::from(provider >= PRACTITIONERS.len() - 2) % LOCATIONS.len();
    let diagnoses = diagnoses(random);
    let episode = Episode {
        payer: insured.payer,
        provider,
        facility,
        day,
        minute: 8 * 60 + 15 * random.between(0, 35),
        lines: lines(random, diagnoses.len(), more_lines),
        diagnoses,
        submissions: Vec::new(),
        answers: Vec::new(),
        payments: Vec::new(),
        write_offs: Vec::new(),
        work: Vec::new(),
    };
    let payer = insured.payer.and_then(|place| PAYERS.get(place));
    let mut life = Life { random, insured, today, episode };
    match payer {
        Some(payer) => life.bill(payer),
        None => life.pay_at_the_desk(),
    }
    life.episode
}

fn diagnoses(random: &mut Random) -> Vec<usize> {
    let mut chosen = Vec::new();
    for _ in 0..random.between(1, 3) {
        let place = random.between(0, DIAGNOSES.len() as i64 - 1) as usize;
        if !chosen.contains(&place) {
            chosen.push(place);
        }
    }
    chosen
}

/// A visit and up to five other services, or so many more; a service stands on one line.
fn lines(random: &mut Random, diagnoses: usize, more: usize) -> Vec<Line> {
    let visit = random.weighted([10, 20, 40, 22, 8].into_iter());
    let mut lines = vec![Line { service: visit, units: 1, diagnosis: 1 }];
    let others = random.weighted([34, 30, 18, 10, 5, 3].into_iter()).min(MAX_OTHER_LINES);
    for _ in 0..others + more {
        let service = random.between(VISITS as i64, SERVICES.len() as i64 - 1) as usize;
        if !lines.iter().any(|line| line.service == service) {
            let units = random.between(1, SERVICES[service].max_units);
            let diagnosis = random.between(1, diagnoses as i64) as usize;
            lines.push(Line { service, units, diagnosis });
        }
    }
    lines
}

impl Life<'_> {
    /// The whole way of a claim.
    fn bill(&mut self, payer: &'static Payer) {
        let visit = self.episode.day;
        if self.random.chance(700) {
            self.patient_pays(visit, payer.copay);
        }
        let lag = self.random.between(0, 5);
        let lines = self.episode.lines.clone();
        let Some(mut current) = self.submit(working_day(visit + lag), 1, None, lines.clone()) else { return };
        if self.random.chance(12) {
            return self.void(current);
        }
        if self.random.chance(30) {
            let day = self.submitted(current) + 1;
            self.answer(current, day, Kind::Rejected, Vec::new());
            let Some(again) = self.submit(working_day(day + 2), 1, Some(current), lines) else { return };
            current = again;
        }
        let day = self.remittance_day(payer, self.submitted(current));
        if self.random.chance(payer.denied) {
            return self.deny(payer, current, day);
        }
        let denied = self.random.chance(payer.line_denied).then(|| self.reason(payer));
        self.adjudicate(payer, current, day, denied);
    }

    fn submitted(&self, place: usize) -> Day {
        self.episode.submissions.get(place).map_or(self.episode.day, |submission| submission.day)
    }

    fn submit(&mut self, day: Day, frequency: u8, follows: Option<usize>, lines: Vec<Line>) -> Option<usize> {
        if day > self.today {
            return None;
        }
        // Some bill at half past eleven in the evening: the day is the practice's, not Greenwich's.
        let minute = if self.random.chance(40) { 23 * 60 + 30 } else { self.random.between(9 * 60, 18 * 60) };
        self.episode.submissions.push(Submission { day, minute, frequency, follows, lines });
        Some(self.episode.submissions.len() - 1)
    }

    fn answer(&mut self, submission: usize, day: Day, kind: Kind, lines: Vec<LineAnswer>) -> Option<usize> {
        if day > self.today {
            return None;
        }
        self.episode.answers.push(Answer { submission, day, kind, lines });
        Some(self.episode.answers.len() - 1)
    }

    fn patient_pays(&mut self, day: Day, amount: i64) {
        if day <= self.today && amount != 0 {
            self.episode.payments.push(PatientPayment { day, amount });
        }
    }

    fn write_off(&mut self, day: Day, kind: &'static str, amount: i64) {
        if day <= self.today && amount > 0 {
            self.episode.write_offs.push(WriteOff { day, kind, amount });
        }
    }

    fn reason(&mut self, payer: &Payer) -> Reason {
        let place = self.random.weighted(payer.reasons.iter().map(|reason| reason.3));
        payer.reasons[place]
    }

    fn remittance_day(&mut self, payer: &Payer, submitted: Day) -> Day {
        let slow = if (9..=11).contains(&month_of_year(submitted)) { payer.autumn_days } else { 0 };
        next_weekday(submitted + slow + self.random.between(payer.days.0, payer.days.1), payer.weekday)
    }

    /// Billed by mistake: taken back before the payer answers, and the copay returned.
    fn void(&mut self, place: usize) {
        let lines = self.episode.lines.clone();
        let day = working_day(self.submitted(place) + 2);
        if self.submit(day, 8, Some(place), lines).is_some() {
            self.patient_pays(working_day(day + 7), -self.episode.patient_paid());
        }
    }

    /// The payer pays, perhaps all lines but the last.
    fn adjudicate(&mut self, payer: &Payer, place: usize, day: Day, denied: Option<Reason>) {
        if day > self.today {
            return;
        }
        let underpaid = self.random.chance(payer.underpaid);
        let lines = self.priced(payer, place, denied, underpaid);
        self.answer(place, day, Kind::Final, lines);
        if denied.is_some() {
            self.work_on_line(payer, place, day);
        }
        self.settle_with_patient(day);
    }

    fn priced(
        &mut self,
        payer: &Payer,
        place: usize,
        denied: Option<Reason>,
        underpaid: bool,
    ) -> Vec<LineAnswer> {
        let lines =
            self.episode.submissions.get(place).map_or(Vec::new(), |submission| submission.lines.clone());
        let last = lines.len().saturating_sub(1);
        let service_day = self.episode.day;
        let answers = lines.iter().enumerate().map(|(number, line)| {
            let charge = line.charge();
            if let Some(reason) = denied.filter(|_| number == last && number > 0) {
                return LineAnswer { charge, denied: Some(reason), ..LineAnswer::default() };
            }
            let service = &SERVICES[line.service];
            let contract = (contract_price(payer, service) * line.units).min(charge);
            let allowed = if underpaid { contract * 88 / 100 } else { contract };
            let deductible = self.insured.deductible(payer, service_day, allowed);
            let copay = if service.visit { payer.copay.min(allowed - deductible) } else { 0 };
            let coinsurance = (allowed - deductible - copay) * payer.coinsurance / 100;
            let paid = allowed - deductible - copay - coinsurance;
            LineAnswer { charge, allowed, deductible, copay, coinsurance, paid, denied: None }
        });
        answers.collect()
    }

    /// One line is denied: worked on, mostly given up.
    fn work_on_line(&mut self, payer: &Payer, place: usize, day: Day) {
        let answer = self.episode.answers.last();
        let lines = answer.into_iter().flat_map(|answer| &answer.lines);
        let amount: i64 = lines.filter(|line| line.denied.is_some()).map(|line| line.charge).sum();
        if amount == 0 {
            return;
        }
        let given_up = working_day(day + self.random.between(25, 60));
        let done = self.random.chance(650).then_some(given_up);
        self.work("denial-work", place, day, payer, amount, done, None);
        if let Some(day) = done {
            self.write_off(day, "denial-write-off", amount);
        }
    }

    /// The payer denies the whole claim. What then: appeal, correction, write-off, or nothing yet.
    fn deny(&mut self, payer: &'static Payer, place: usize, day: Day) {
        let reason = self.reason(payer);
        let submission = self.episode.submissions.get(place).cloned();
        let Some(submission) = submission else { return };
        let refused =
            |line: &Line| LineAnswer { charge: line.charge(), denied: Some(reason), ..LineAnswer::default() };
        let lines = submission.lines.iter().map(refused).collect();
        let Some(denial) = self.answer(place, day, Kind::Final, lines) else { return };
        let amount = submission.total();
        match self.random.between(0, 99) {
            0..40 => self.appeal(payer, place, denial, day, amount),
            40..65 => self.correct(payer, place, denial, day, amount),
            65..85 => {
                let given_up = working_day(day + self.random.between(40, 75));
                self.work("denial-work", place, day, payer, amount, Some(given_up), None);
                self.write_off(given_up, "denial-write-off", self.episode.balance());
            }
            _ => self.work("denial-work", place, day, payer, amount, None, None),
        }
    }

    fn appeal(&mut self, payer: &Payer, place: usize, denial: usize, day: Day, amount: i64) {
        let filed = working_day(day + self.random.between(4, 20));
        let decided = next_weekday(filed + self.random.between(25, 60), payer.weekday);
        let won = self.random.chance(600);
        self.work("denial-work", place, day, payer, amount, Some(filed), None);
        self.work("appeal", place, filed, payer, amount, Some(decided), Some(won));
        if decided > self.today {
            return;
        }
        if won {
            self.episode.reverse(denial, decided);
            let lines = self.priced(payer, place, None, false);
            self.answer(place, decided, Kind::Final, lines);
            self.settle_with_patient(decided);
        } else {
            self.write_off(working_day(decided + 10), "denial-write-off", self.episode.balance());
        }
    }

    /// A replacement claim, sometimes with fewer units, that the payer takes.
    fn correct(&mut self, payer: &Payer, place: usize, denial: usize, day: Day, amount: i64) {
        let sent = working_day(day + self.random.between(5, 16));
        self.work("denial-work", place, day, payer, amount, Some(sent), None);
        let mut lines = self.episode.lines.clone();
        if let Some(line) = lines.iter_mut().find(|line| line.units > 1) {
            line.units -= 1;
        }
        let Some(replacement) = self.submit(sent, 7, Some(place), lines) else { return };
        let paid = self.remittance_day(payer, sent);
        if paid <= self.today {
            self.episode.reverse(denial, paid);
            self.adjudicate(payer, replacement, paid, None);
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of a Task, said once at each call")]
    fn work(
        &mut self,
        code: &'static str,
        submission: usize,
        day: Day,
        payer: &Payer,
        amount: i64,
        done: Option<Day>,
        overturned: Option<bool>,
    ) {
        if day > self.today {
            return;
        }
        let done = done.filter(|day| *day <= self.today);
        let overturned = overturned.filter(|_| done.is_some());
        let due = if code == "appeal" { day + 60 } else { day + payer.appeal_days };
        self.episode.work.push(Work { code, submission, day, due, done, overturned, amount });
    }

    /// The patient's share: paid, paid in part, paid twice, or not.
    fn settle_with_patient(&mut self, day: Day) {
        let due = self.episode.patient_share() - self.episode.patient_paid();
        if due <= 0 {
            return;
        }
        let paid = day + self.random.between(12, 45);
        match self.random.between(0, 99) {
            0..62 => self.patient_pays(paid, due),
            62..64 => {
                self.patient_pays(paid, due);
                let again = paid + self.random.between(5, 20);
                self.patient_pays(again, due);
            }
            64..78 => self.patient_pays(paid, due / 2),
            _ => {}
        }
        let left = self.episode.patient_share() - self.episode.patient_paid();
        if (1..SMALL_BALANCE).contains(&left) {
            self.write_off(day + 60, "small-balance", left);
        } else if left > 0 && self.random.chance(450) {
            self.write_off(day + 120, "bad-debt", left);
        }
    }

    /// A patient without insurance pays at the visit, in part, or not.
    fn pay_at_the_desk(&mut self) {
        let (day, charge) = (self.episode.day, self.episode.charge());
        match self.random.between(0, 99) {
            0..55 => self.patient_pays(day, charge),
            55..85 => self.patient_pays(day, charge * 2 / 5),
            _ => {}
        }
        let left = charge - self.episode.patient_paid();
        if self.random.chance(400) {
            self.write_off(day + 90, "bad-debt", left);
        }
    }
}
