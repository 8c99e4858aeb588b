//! The practice's billing as X12 files: each week the claims to each payer as an 837 with what the payer
//! took in or rejected as a 277CA, and an 835 for each day that a payer remits. They say what the Bundles
//! say, to the cent.

use super::Practice;
use super::bundle::{Person, Visit, visits};
use super::calendar::{Day, date};
use super::catalogue::{DIAGNOSES, LOCATIONS, PAYERS, PRACTITIONERS, SERVICES};
use super::episode::{Answer, Episode, Kind, LineAnswer, Submission};
use super::place::{PRACTICE, location_npi, payer_id, practice_npi, practitioner_npi};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// From when on a claim is sent at night, in minutes.
const EVENING: i64 = 20 * 60;
/// Claims of so many days go in one file: fewer than any payer takes to pay.
const DAYS_OF_A_FILE: i64 = 7;
/// Days from sending a claim to its acknowledgement.
const ACKNOWLEDGED: i64 = 1;

/// An X12 file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct File {
    /// `837`, `277`, `835`.
    pub set: &'static str,
    /// The day of it, `2026-01-31`.
    pub day: String,
    /// The file.
    pub text: String,
}

/// A claim with whom it is for.
struct Sent<'a> {
    visit: &'a Visit<'a>,
    person: &'a Person,
    place: usize,
}

/// An answer with its claim.
struct Answered<'a> {
    visit: &'a Visit<'a>,
    answer: &'a Answer,
}

impl Sent<'_> {
    fn submission(&self) -> &Submission {
        &self.visit.episode.submissions[self.place]
    }
}

/// The control number of a claim.
fn number(visit: &Visit<'_>, place: usize) -> String {
    visit.id(&format!("-c{}", place + 1))
}

/// The payer's number of a claim.
fn payer_number(visit: &Visit<'_>, place: usize) -> String {
    visit.id(&format!("-c{}-icn", place + 1))
}

/// Puts conditional references in the place of references to claims, whose ids the server gives.
pub(super) fn by_number(resource: &mut Value) {
    match resource {
        Value::Object(members) => {
            for (name, value) in members {
                match value
                    .as_str()
                    .and_then(|text| text.strip_prefix("Claim/"))
                    .filter(|_| name == "reference")
                {
                    Some(number) => *value = json!(format!("Claim?identifier={number}")),
                    None => by_number(value),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(by_number),
        _ => {}
    }
}

/// All files, in the order of their days.
pub(super) fn all(practice: &Practice) -> Vec<File> {
    let patients: Vec<(u32, Person, Vec<Episode>)> = (0..practice.options.patients)
        .map(|patient| {
            let payer = practice.insurance(patient);
            let person = Person::of(&practice.names, patient + 1, payer, practice.first_day());
            (patient, person, practice.episodes(patient))
        })
        .collect();
    let visits: Vec<(&Person, Vec<Visit<'_>>)> = patients
        .iter()
        .map(|(patient, person, episodes)| (person, visits(&practice.names, *patient, episodes).collect()))
        .collect();
    let mut weeks: BTreeMap<(Day, usize), Vec<Sent<'_>>> = BTreeMap::new();
    let mut days: BTreeMap<(Day, usize), Vec<Answered<'_>>> = BTreeMap::new();
    for (person, visits) in &visits {
        for visit in visits {
            let Some(payer) = visit.episode.payer else { continue };
            for (place, submission) in visit.episode.submissions.iter().enumerate() {
                let week = submission.day.div_euclid(DAYS_OF_A_FILE);
                weeks.entry((week, payer)).or_default().push(Sent { visit, person, place });
            }
            let decided = visit.episode.answers.iter().filter(|answer| answer.kind != Kind::Rejected);
            for answer in decided {
                days.entry((answer.day, payer)).or_default().push(Answered { visit, answer });
            }
        }
    }
    let mut writer = Writer { practice, control: 0 };
    let mut files = Vec::new();
    for ((_, payer), sent) in &mut weeks {
        sent.sort_by_key(|one| (one.submission().day, one.submission().minute >= EVENING));
        files.push(writer.claims(*payer, sent));
        files.extend(writer.acknowledgement(*payer, sent));
    }
    files.extend(days.iter().map(|((day, payer), answered)| writer.remittance(*payer, *day, answered)));
    // Of one day the claims come first.
    files.sort_by(|a, b| (&a.day, order(a.set)).cmp(&(&b.day, order(b.set))));
    files
}

fn order(set: &str) -> usize {
    ["837", "277", "835"].iter().position(|one| *one == set).unwrap_or_default()
}

fn compact(day: Day) -> String {
    date(day).replace('-', "")
}

/// An amount in cents, as X12 writes it.
fn amount(cents: i64) -> String {
    let sign = if cents < 0 { "-" } else { "" };
    let (whole, rest) = (cents.abs() / 100, cents.abs() % 100);
    match rest {
        0 => format!("{sign}{whole}"),
        rest if rest % 10 == 0 => format!("{sign}{whole}.{}", rest / 10),
        rest => format!("{sign}{whole}.{rest:02}"),
    }
}

struct Writer<'a> {
    practice: &'a Practice,
    control: u32,
}

impl Writer<'_> {
    fn payer_id(&self, payer: usize) -> String {
        payer_id(&self.practice.names, payer)
    }

    /// An interchange; each body is a set.
    fn interchange(
        &mut self,
        kind: [&'static str; 3],
        day: Day,
        payer: usize,
        bodies: &[Vec<String>],
    ) -> File {
        let [group, set, version] = kind;
        self.control += 1;
        let (control, full) = (self.control, compact(day));
        // Whose names are longer than an ISA takes are shortened: the seed and the number stay.
        let short = |text: String| text.replace("demo-", "").replace("payer-", "").replace("practice", "own");
        let (own, theirs) = (short(self.practice.names.id("practice")), short(self.payer_id(payer)));
        let (sender, receiver) = if set == "837" { (own, theirs) } else { (theirs, own) };
        let mut text = format!(
            "ISA*00*          *00*          *ZZ*{sender:<15}*ZZ*{receiver:<15}*{}*1200*^*00501*{control:09}*0*P*:~\n\
             GS*{group}*{sender}*{receiver}*{full}*1200*{control}*X*{version}~\n",
            &full[2..]
        );
        for (n, body) in bodies.iter().enumerate() {
            let convention = if set == "835" { String::new() } else { format!("*{version}") };
            text += &format!("ST*{set}*{:04}{convention}~\n", n + 1);
            body.iter().for_each(|segment| {
                text += segment;
                text += "~\n";
            });
            text += &format!("SE*{}*{:04}~\n", body.len() + 2, n + 1);
        }
        text += &format!("GE*{}*{control}~\nIEA*1*{control:09}~\n", bodies.len());
        File { set, day: date(day), text }
    }

    /// A week's claims to a payer: a set for each time of sending.
    fn claims(&mut self, payer: usize, sent: &[Sent<'_>]) -> File {
        let mut bodies: Vec<Vec<String>> = Vec::new();
        let moment = |one: &Sent<'_>| (one.submission().day, one.submission().minute >= EVENING);
        for some in sent.chunk_by(|a, b| moment(a) == moment(b)) {
            let (day, is_late) = moment(&some[0]);
            let mut body = self.header(payer, day, is_late);
            for (n, one) in some.iter().enumerate() {
                self.claim(payer, n + 2, one, &mut body);
            }
            bodies.push(body);
        }
        let last = sent.last().map_or(0, |one| one.submission().day);
        self.interchange(["HC", "837", "005010X222A1"], last, payer, &bodies)
    }

    fn header(&self, payer: usize, day: Day, is_late: bool) -> Vec<String> {
        let (id, name) = (self.payer_id(payer), PAYERS[payer].name.to_uppercase());
        let practice = PRACTICE.to_uppercase();
        let (_, line, postal_code) = LOCATIONS[0];
        let time = if is_late { "2330" } else { "1200" };
        vec![
            format!("BHT*0019*00*{id}-{}-{time}*{}*{time}*CH", compact(day), compact(day)),
            format!("NM1*41*2*{practice}*****46*{}", practice_npi(&self.practice.names)),
            "PER*IC*BILLING*TE*7205550100".to_owned(),
            format!("NM1*40*2*{name}*****46*{id}"),
            "HL*1**20*1".to_owned(),
            format!("NM1*85*2*{practice}*****XX*{}", practice_npi(&self.practice.names)),
            format!("N3*{}", line.to_uppercase()),
            format!("N4*JUNIPER RIDGE*CO*{postal_code}0001"),
            "REF*EI*840000000".to_owned(),
        ]
    }

    fn claim(&self, payer: usize, level: usize, sent: &Sent<'_>, body: &mut Vec<String>) {
        let (names, episode, person) = (&self.practice.names, sent.visit.episode, sent.person);
        let submission = sent.submission();
        let member = person.member.as_deref().unwrap_or_default();
        let (given, family, _) = PRACTITIONERS[episode.provider];
        let (place, line, postal_code) = LOCATIONS[episode.facility];
        let number = number(sent.visit, sent.place);
        body.extend([
            format!("HL*{level}*1*22*0"),
            "SBR*P*18*******CI".to_owned(),
            format!(
                "NM1*IL*1*{}*{}****MI*{member}",
                person.family.to_uppercase(),
                person.given.to_uppercase()
            ),
            format!("N3*{}", person.street().to_uppercase()),
            "N4*JUNIPER RIDGE*CO*80999".to_owned(),
            format!("DMG*D8*{}*{}", compact(person.birth), if person.gender == "female" { "F" } else { "M" }),
            format!("NM1*PR*2*{}*****PI*{}", PAYERS[payer].name.to_uppercase(), self.payer_id(payer)),
            format!("CLM*{number}*{}***11:B:{}*Y*A*Y*Y", amount(submission.total()), submission.frequency),
        ]);
        if let Some(earlier) = submission.follows {
            body.push(format!("REF*F8*{}", payer_number(sent.visit, earlier)));
        }
        let codes = episode.diagnoses.iter().enumerate().map(|(n, place)| {
            let qualifier = if n == 0 { "ABK" } else { "ABF" };
            format!("*{qualifier}:{}", DIAGNOSES[*place].0.replace('.', ""))
        });
        body.push(format!("HI{}", codes.collect::<String>()));
        body.extend([
            format!(
                "NM1*82*1*{}*{}****XX*{}",
                family.to_uppercase(),
                given.to_uppercase(),
                practitioner_npi(names, episode.provider)
            ),
            format!("NM1*77*2*{}*****XX*{}", place.to_uppercase(), location_npi(names, episode.facility)),
            format!("N3*{}", line.to_uppercase()),
            format!("N4*JUNIPER RIDGE*CO*{postal_code}0001"),
        ]);
        for (n, line) in submission.lines.iter().enumerate() {
            body.extend([
                format!("LX*{}", n + 1),
                format!(
                    "SV1*HC:{}*{}*UN*{}***{}",
                    SERVICES[line.service].code,
                    amount(line.charge()),
                    line.units,
                    line.diagnosis
                ),
                format!("DTP*472*D8*{}", compact(episode.day)),
                format!("REF*6R*{number}-{}", n + 1),
            ]);
        }
    }

    /// What became of the claims of a week at the payer's door, unless that is known only later.
    fn acknowledgement(&mut self, payer: usize, sent: &[Sent<'_>]) -> Option<File> {
        let today = self.practice.last_day();
        let mut bodies: Vec<Vec<String>> = Vec::new();
        let mut last = 0;
        for some in sent.chunk_by(|a, b| a.submission().day == b.submission().day) {
            let day = some[0].submission().day + ACKNOWLEDGED;
            if day > today {
                continue;
            }
            last = day;
            bodies.push(self.acknowledged(payer, day, some));
        }
        (!bodies.is_empty()).then(|| self.interchange(["HN", "277", "005010X214"], last, payer, &bodies))
    }

    fn acknowledged(&self, payer: usize, day: Day, sent: &[Sent<'_>]) -> Vec<String> {
        let (id, name) = (self.payer_id(payer), PAYERS[payer].name.to_uppercase());
        let (practice, npi, full) =
            (PRACTICE.to_uppercase(), practice_npi(&self.practice.names), compact(day));
        let mut body = vec![
            format!("BHT*0085*08*ACK{full}*{full}*0200*TH"),
            "HL*1**20*1".to_owned(),
            format!("NM1*PR*2*{name}*****PI*{id}"),
            format!("TRN*1*ACK{full}"),
            format!("DTP*050*D8*{full}"),
            format!("DTP*009*D8*{full}"),
            "HL*2*1*21*1".to_owned(),
            format!("NM1*41*2*{practice}*****46*{npi}"),
            format!("TRN*2*{id}-{full}"),
            format!(
                "STC*A1:19:PR*{full}*WQ*{}",
                amount(sent.iter().map(|one| one.submission().total()).sum())
            ),
            "HL*3*2*19*1".to_owned(),
            format!("NM1*85*2*{practice}*****XX*{npi}"),
        ];
        for (n, one) in sent.iter().enumerate() {
            let is_rejected =
                |answer: &&Answer| answer.submission == one.place && answer.kind == Kind::Rejected;
            let rejected = one.visit.episode.answers.iter().find(is_rejected);
            let total = amount(one.submission().total());
            let member = one.person.member.as_deref().unwrap_or_default();
            let (family, given) = (one.person.family.to_uppercase(), one.person.given.to_uppercase());
            let status = match rejected {
                Some(_) => format!("STC*A7:164:IL*{full}*U*{total}"),
                None => format!("STC*A2:20:PR*{full}*WQ*{total}"),
            };
            body.extend([
                format!("HL*{}*3*PT", n + 4),
                format!("NM1*QC*1*{family}*{given}****MI*{member}"),
                format!("TRN*2*{}", number(one.visit, one.place)),
                status,
                format!("REF*1K*{}", payer_number(one.visit, one.place)),
            ]);
        }
        body
    }

    /// What a payer paid on a day.
    fn remittance(&mut self, payer: usize, day: Day, answered: &[Answered<'_>]) -> File {
        let (id, full) = (self.payer_id(payer), compact(day));
        let paid: i64 = answered.iter().map(|one| one.answer.paid()).sum();
        let mut body = vec![
            format!("BPR*I*{}*C*CHK************{full}", amount(paid.max(0))),
            format!("TRN*1*{id}-{full}*1512345678"),
            format!("DTM*405*{full}"),
            format!("N1*PR*{}*XV*{id}", PAYERS[payer].name.to_uppercase()),
            "N3*1 PLAZA".to_owned(),
            "N4*DENVER*CO*80202".to_owned(),
            "PER*BL*EDI*TE*3035550199".to_owned(),
            format!("N1*PE*{}*XX*{}", PRACTICE.to_uppercase(), practice_npi(&self.practice.names)),
            "REF*TJ*840000000".to_owned(),
            "LX*1".to_owned(),
        ];
        answered.iter().for_each(|one| decision(one, &mut body));
        if paid < 0 {
            // More was taken back than paid: the payer carries it on.
            body.push(format!(
                "PLB*{}*{}1231*FB:NEXT*{}",
                practice_npi(&self.practice.names),
                &full[..4],
                amount(paid)
            ));
        }
        self.interchange(["HP", "835", "005010X221A1"], day, payer, &[body])
    }
}

fn decision(answered: &Answered<'_>, body: &mut Vec<String>) {
    let Answered { visit, answer } = answered;
    let sum = |of: fn(&LineAnswer) -> i64| -> i64 { answer.lines.iter().map(of).sum() };
    let status = if answer.kind == Kind::Reversal { "22" } else { "1" };
    let number = number(visit, answer.submission);
    body.push(format!(
        "CLP*{number}*{status}*{}*{}*{}*12*{}*11*1",
        amount(sum(|line| line.charge)),
        amount(answer.paid()),
        amount(sum(share)),
        payer_number(visit, answer.submission)
    ));
    body.push("NM1*QC*1*PATIENT".to_owned());
    let submitted = &visit.episode.submissions[answer.submission].lines;
    for (n, (line, own)) in answer.lines.iter().zip(submitted).enumerate() {
        body.push(format!(
            "SVC*HC:{}*{}*{}**{}",
            SERVICES[own.service].code,
            amount(line.charge),
            amount(line.paid),
            own.units
        ));
        body.push(format!("DTM*472*{}", compact(visit.episode.day)));
        for (group, reason, cents) in [
            ("CO", "45", line.contractual()),
            ("PR", "1", line.deductible),
            ("PR", "2", line.coinsurance),
            ("PR", "3", line.copay),
        ] {
            if cents != 0 {
                body.push(format!("CAS*{group}*{reason}*{}", amount(cents)));
            }
        }
        if let Some((group, reason, ..)) = line.denied {
            body.push(format!("CAS*{group}*{reason}*{}", amount(line.charge)));
        }
        body.push(format!("REF*6R*{number}-{}", n + 1));
        if line.denied.is_none() {
            body.push(format!("AMT*B6*{}", amount(line.allowed)));
        }
        body.extend(line.denied.and_then(|reason| reason.2).map(|remark| format!("LQ*HE*{remark}")));
    }
}

/// What is the patient's of a line, in CLP05.
fn share(line: &LineAnswer) -> i64 {
    let denied = line.denied.filter(|reason| reason.0 == "PR").map_or(0, |_| line.charge);
    line.patient_share() + denied
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::Options;
    use remit_x12::{Document, Level, check};

    #[test]
    fn amounts_have_no_needless_digits() {
        for (cents, text) in [(0, "0"), (12_300, "123"), (12_350, "123.5"), (-5, "-0.05"), (-1_200, "-12")] {
            assert_eq!(amount(cents), text);
        }
    }

    #[test]
    fn every_file_is_sound_and_balances() {
        let practice = Practice::generate(Options::with_claims(7, jiff::civil::date(2026, 1, 31), 400));
        let files = practice.x12_files();
        for set in ["837", "277", "835"] {
            assert!(files.iter().filter(|file| file.set == set).count() > 20, "{set}");
        }
        for file in &files {
            let document = Document::parse(file.text.as_bytes());
            assert!(document.findings.list().is_empty(), "{:?}\n{}", document.findings.list(), file.text);
            for one in document.transactions() {
                let faults: Vec<_> = check(one.transaction, Level::Situation)
                    .into_iter()
                    .filter(remit_x12::Finding::is_error)
                    .collect();
                assert!(faults.is_empty(), "{faults:?}\n{}", file.text);
            }
        }
    }
}
