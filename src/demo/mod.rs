//! A made-up practice with a year of visits, for `remit demo`, for benchmarks and for tests that need
//! to know the truth: three payers with contracts and habits (one gets slower in autumn), five
//! providers, two places; claims, rejections, denials, appeals, corrections, voids, underpayments,
//! copays, payments in part and twice, write-offs, and visits without insurance.
//!
//! The same [`Options`] give the same bytes on every machine. Nothing is read: no clock, no file.
//! Patients do not depend on each other, so bundles are made one at a time in constant memory.
//! All people, places and companies are invented.

mod answers;
mod bundle;
mod calendar;
mod catalogue;
mod claim;
mod episode;
mod files;
mod life;
mod money;
mod place;
mod random;
#[cfg(test)]
mod tests;

pub use answers::{KnownAnswers, Tally};
pub use files::File;

use bundle::Names;
use calendar::Day;
use catalogue::{PAYERS, PRACTITIONERS};
use episode::Episode;
use jiff::civil::Date;
use life::Insured;
use random::Random;

/// Days of the practice before the reference date.
const DAYS: i64 = 365;
/// Days before an autumn that it is compared with.
const AUTUMN_DAYS: i64 = 91;
/// Patients of the practice that `remit demo` makes.
const DEMO_PATIENTS: u32 = 60;
/// Visits a patient has in the year.
const DEMO_VISITS: u32 = 19;
/// Patients at most: twenty million claims, and numbers in ids keep their width.
const MAX_PATIENTS: u32 = 999_999;
/// Visits a patient has at most; one a working day.
const MAX_VISITS: u32 = 250;
/// Every so-many-th patient has no insurance.
const UNINSURED: u32 = 20;

/// What practice to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Another seed, another practice; ids differ too, so that two can be loaded side by side.
    pub seed: u64,
    /// The last day: what would happen later is left out.
    pub reference: Date,
    /// How many patients.
    pub patients: u32,
    /// Visits of each patient in the year, more or less two.
    pub visits: u32,
    /// Lines a claim has beside those that it has by itself.
    pub more_lines: u32,
}

impl Options {
    /// The practice of `remit demo`: about 60 patients and 1,200 claims.
    pub fn demo(seed: u64, reference: Date) -> Options {
        Options { seed, reference, patients: DEMO_PATIENTS, visits: DEMO_VISITS, more_lines: 0 }
    }

    /// A practice with about so many claims.
    pub fn with_claims(seed: u64, reference: Date, claims: u32) -> Options {
        Options { patients: claims.div_ceil(DEMO_VISITS + 1), ..Options::demo(seed, reference) }
    }
}

/// A practice that can be written as transaction Bundles, and the truth about it.
#[derive(Clone, Debug)]
pub struct Practice {
    options: Options,
    names: Names,
    /// The known answers.
    pub answers: KnownAnswers,
}

impl Practice {
    /// Makes the practice. The answers are ready at once; bundles are written on the way.
    pub fn generate(options: Options) -> Practice {
        let options = Options {
            patients: options.patients.clamp(1, MAX_PATIENTS),
            visits: options.visits.clamp(1, MAX_VISITS),
            ..options
        };
        let names = Names::new(options.seed);
        let mut practice = Practice { options, names, answers: KnownAnswers::default() };
        let mut answers = KnownAnswers::default();
        for patient in 0..practice.options.patients {
            for episode in practice.episodes(patient) {
                let names = &practice.names;
                let payer = episode.payer.map_or_else(|| "SELF".to_owned(), |payer| names.payer(payer));
                let (provider, facility) =
                    (names.practitioner(episode.provider), names.location(episode.facility));
                answers.add(&episode, payer, provider, facility);
            }
        }
        for (place, payer) in PAYERS.iter().enumerate() {
            answers.names.insert(practice.names.payer(place), payer.name.to_owned());
        }
        for (place, (given, family, suffix)) in PRACTITIONERS.iter().enumerate() {
            answers.names.insert(practice.names.practitioner(place), format!("{given} {family}, {suffix}"));
        }
        practice.answers = answers;
        practice
    }

    /// The practice as JSON texts of transaction Bundles: first the places, people, payers and
    /// contracts, then one Bundle a patient. Every entry is a PUT with an id of ours: loading twice
    /// changes nothing.
    pub fn bundles(&self) -> impl Iterator<Item = String> + '_ {
        let first = std::iter::once_with(|| place::bundle(&self.names, self.first_day(), self.last_day()));
        let patients = (0..self.options.patients).map(|patient| self.patient_bundle(patient));
        first.chain(patients)
    }

    /// The practice without its billing: places, people, payers, contracts, visits.
    pub fn clinical_bundles(&self) -> impl Iterator<Item = String> + '_ {
        let first = std::iter::once_with(|| place::bundle(&self.names, self.first_day(), self.last_day()));
        let of_patient = |patient| bundle::transaction(self.clinical(patient, &self.episodes(patient)));
        first.chain((0..self.options.patients).map(of_patient))
    }

    /// The billing as X12 files in the order of their days: claims as 837, what was taken in and what
    /// was rejected as 277CA, payments as 835.
    pub fn x12_files(&self) -> Vec<files::File> {
        files::all(self)
    }

    /// What the practice and its patients did besides, to be written when the claims of the files are
    /// there: it names them by their numbers.
    pub fn book_bundles(&self) -> impl Iterator<Item = String> + '_ {
        (0..self.options.patients).filter_map(|patient| {
            let episodes = self.episodes(patient);
            let mut resources = Vec::new();
            bundle::visits(&self.names, patient, &episodes)
                .for_each(|visit| claim::own_books(&visit, &mut resources));
            resources.iter_mut().for_each(files::by_number);
            (!resources.is_empty()).then(|| bundle::transaction(resources))
        })
    }

    /// How many bundles there are.
    pub fn bundle_count(&self) -> usize {
        self.options.patients as usize + 1
    }

    /// First and last day that services were given, as `YYYY-MM-DD`: the period to ask for.
    pub fn period(&self) -> (String, String) {
        (calendar::date(self.first_day()), calendar::date(self.last_day()))
    }

    /// Two stretches of submissions to compare: before the autumn in which one payer got slower, and
    /// that autumn, as far as it lies in the year.
    pub fn autumn(&self) -> [(String, String); 2] {
        let autumn = |day: &Day| (9..=11).contains(&calendar::month_of_year(*day));
        let days = || self.first_day()..=self.last_day();
        let start = days().find(autumn).unwrap_or(self.first_day());
        let end = (start..=self.last_day()).take_while(autumn).last().unwrap_or(start);
        let before = (start - AUTUMN_DAYS).max(self.first_day());
        [(before, (start - 1).max(before)), (start, end)].map(|(a, b)| (calendar::date(a), calendar::date(b)))
    }

    fn last_day(&self) -> Day {
        let date = self.options.reference;
        remit_fhir::date::days_from_civil(date.year().into(), date.month() as u32, date.day() as u32)
    }

    fn first_day(&self) -> Day {
        self.last_day() - DAYS + 1
    }

    fn random(&self, patient: u32) -> Random {
        Random::new(self.options.seed, u64::from(patient) + 1)
    }

    /// Spread evenly by the payers' weights, which add up to a hundred, so that a small practice has
    /// its share of each.
    fn insurance(&self, patient: u32) -> episode::PayerIndex {
        let mut left = (u64::from(patient) * 61 + self.options.seed % 100) as i64 % 100;
        let payer = PAYERS.iter().position(|payer| {
            left -= payer.weight;
            left < 0
        });
        payer.filter(|_| patient % UNINSURED != UNINSURED - 1)
    }

    /// The patient's visits of the year, in order of time.
    fn episodes(&self, patient: u32) -> Vec<Episode> {
        let mut random = self.random(patient);
        let mut insured = Insured::new(self.insurance(patient));
        let usual = random.between(0, PRACTITIONERS.len() as i64 - 1) as usize;
        let visits = (i64::from(self.options.visits) + random.between(-2, 2)).max(1);
        let mut days: Vec<Day> =
            (0..visits).map(|_| self.first_day() + random.between(0, DAYS - 1)).collect();
        days.sort_unstable();
        let visit = |day: Day| {
            let provider = if random.chance(850) {
                usual
            } else {
                random.between(0, PRACTITIONERS.len() as i64 - 1) as usize
            };
            let more = self.options.more_lines as usize;
            life::live(&mut random, &mut insured, provider, day, self.last_day(), more)
        };
        days.into_iter().map(visit).collect()
    }

    fn patient_bundle(&self, patient: u32) -> String {
        let episodes = self.episodes(patient);
        let mut resources = self.clinical(patient, &episodes);
        for visit in bundle::visits(&self.names, patient, &episodes) {
            claim::billing(&visit, &mut resources);
            claim::own_books(&visit, &mut resources);
        }
        bundle::transaction(resources)
    }

    fn clinical(&self, patient: u32, episodes: &[Episode]) -> Vec<serde_json::Value> {
        bundle::clinical(&self.names, patient, self.insurance(patient), self.first_day(), episodes)
    }
}
