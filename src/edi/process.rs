//! `$process-x12` and `$process-remittance`: a file into the record, in one transaction.
//!
//! What is there already is looked up, what is missing is written under ids made of what the file says.
//! When another request wrote in between, nothing of ours was written, and we look again: so the same
//! file sent twice at once is posted once, and both are answered alike.

use super::acknowledge::{self, Sides};
use super::answer;
use super::claims;
use super::denial;
use super::file::{self, Content, File, Interchange, Set, refuse};
use super::find::Found;
use super::held;
use super::identity::digest;
use super::interchange;
use super::late;
use super::record::Record;
use super::remittance::{self, Posting};
use super::request::{Mode, Request};
use super::reversals;
use super::status;
use crate::operation::Invocation;
use crate::rest::{Answer, Attempting, Context, heavy};
use remit_fhir::{Issue, IssueType, Kind, Result};
use remit_store::system_clock;
use std::collections::{HashMap, HashSet};

/// `$process-x12`
pub(super) async fn any(call: Invocation<'_>) -> Result<Answer> {
    let request = Request::read(&call, "content")?;
    run(&call.cx, &request).await
}

/// `$process-remittance`
pub(super) async fn remittance(call: Invocation<'_>) -> Result<Answer> {
    let request = Request::read(&call, "remittance")?;
    run(&call.cx, &Request { expect: Some("835".to_owned()), ..request }).await
}

/// Takes a file into the record as `$process-x12` does.
pub(super) async fn take_in(cx: &Context<'_>, bytes: Vec<u8>) -> Result<Answer> {
    run(cx, &Request { bytes, mode: Mode::Strict, is_dry_run: false, expect: None }).await
}

async fn run(cx: &Context<'_>, request: &Request) -> Result<Answer> {
    let file = heavy(|| file::read(&request.bytes))?;
    if let Some(set) = &request.expect {
        file.expect(set)?;
    }
    interchange::distinct(&file)?;
    let mut attempts = Attempting::default();
    loop {
        let notes = interchange::notes(cx, &file).await?;
        // Who comes again is told what there is, before anything is looked at.
        if notes.iter().any(Option::is_none) {
            balanced(cx, &file, request).await?;
        }
        let record = plan(cx, &file, &notes, request.mode).await?;
        if request.is_dry_run {
            return Ok(answer::planned(cx, &record));
        }
        if record.drafts.is_empty() {
            return answer::written(cx, &record, &[]).await;
        }
        if let Some(written) = attempts.write(cx, &record.drafts).await? {
            return answer::written(cx, &record, &written).await;
        }
    }
}

/// 422 when sums do not agree and nothing of such a file is posted; the file is held then.
async fn balanced(cx: &Context<'_>, file: &File<'_>, request: &Request) -> Result<()> {
    let wrong: Vec<&Set> = file.sets().filter(|set| !set.unbalanced.is_empty()).collect();
    let is_held = wrong.iter().any(|set| must_be_held(set, request.mode));
    let is_all_held = file.sets().all(|set| must_be_held(set, request.mode));
    if !is_held || (request.mode == Mode::PostAndFlag && !is_all_held) {
        return Ok(());
    }
    let mut error = refuse(Kind::Unprocessable, wrong.iter().flat_map(|set| &set.unbalanced));
    if !request.is_dry_run {
        let now = system_clock();
        let digest = digest([request.bytes.as_slice()]);
        let task = held::write(cx, &request.bytes, &digest, &wrong, now).await?;
        error.issues.push(Issue::information(format!("Nothing was posted. The file is held as {task}.")));
    }
    Err(error)
}

/// Whether a set is not posted: its sums are wrong, and not only that of the payment as a whole where
/// that is waived.
fn must_be_held(set: &Set, mode: Mode) -> bool {
    let is_waived = |code: &str| mode == Mode::PostAndFlag && code == "balance-transaction";
    set.unbalanced.iter().any(|finding| !is_waived(finding.code))
}

/// Everything that the file leads to. Claims come first wherever they stand in it, so that what answers
/// them finds them.
async fn plan(cx: &Context<'_>, file: &File<'_>, notes: &[Option<Found>], mode: Mode) -> Result<Record> {
    let now = system_clock();
    let mut record = Record::default();
    let mut new: Vec<(&Interchange<'_>, Vec<String>)> = Vec::new();
    for (one, note) in file.interchanges.iter().zip(notes) {
        match note {
            Some(note) => record.outcome.extend(interchange::outcome(note).map(str::to_owned)),
            // The same interchange twice in one file is taken in once.
            None if new.iter().any(|(other, _)| other.digest == one.digest) => {}
            None => new.push((one, Vec::new())),
        }
    }
    let is_claims = |set: &Set| matches!(set.content, Content::Claims(_));
    for (one, led_to) in &mut new {
        let before = record.outcome.len();
        for set in one.sets.iter().filter(|set| is_claims(set)) {
            self::claims(cx, &mut record, one, set, (mode, now)).await?;
        }
        led_to.extend_from_slice(record.outcome.get(before..).unwrap_or_default());
    }
    late::sent(cx, &mut record).await?;
    let interchanges: Vec<&Interchange<'_>> = new.iter().map(|(one, _)| *one).collect();
    let payments = Payments::of(cx, &record, &interchanges, mode).await?;
    for (one, led_to) in &mut new {
        let before = record.outcome.len();
        for set in one.sets.iter().filter(|set| !is_claims(set)) {
            answer_set(cx, &mut record, one, set, (&payments, mode, now)).await?;
        }
        led_to.extend_from_slice(record.outcome.get(before..).unwrap_or_default());
        let mut seen = HashSet::new();
        led_to.retain(|reference| seen.insert(reference.clone()));
        interchange::add_note(cx, &mut record, one, led_to, now)?;
    }
    record.distinct();
    let answered = std::mem::take(&mut record.answered);
    late::claims(cx, &mut record, &answered).await?;
    reversals::settle(cx, &mut record, &answered).await?;
    record.distinct();
    denial::work(cx, &mut record, &answered, now).await?;
    record.revive(cx).await?;
    Ok(record)
}

/// The remittances of the new interchanges, with what the record knows of them.
struct Payments<'f> {
    postings: Vec<Posting<'f>>,
    knowledge: remittance::Knowledge,
    posted: HashMap<String, Found>,
}

impl<'f> Payments<'f> {
    async fn of(
        cx: &Context<'_>,
        record: &Record,
        new: &[&'f Interchange<'_>],
        mode: Mode,
    ) -> Result<Payments<'f>> {
        let sets = new.iter().flat_map(|one| &one.sets).filter(|set| !must_be_held(set, mode));
        let postings: Vec<Posting<'f>> = sets
            .filter_map(|set| match &set.content {
                Content::Remittance(remittance) => Some(Posting::new(set, remittance)),
                _ => None,
            })
            .collect();
        let posted = remittance::posted(cx, &postings).await?;
        let knowledge = remittance::knowledge(cx, record, &postings).await?;
        Ok(Payments { postings, knowledge, posted })
    }

    fn posting(&self, set: &Set) -> Option<&Posting<'f>> {
        self.postings.iter().find(|one| std::ptr::eq(one.set, set))
    }

    /// An earlier set of the same file that is the same payment.
    fn earlier(&self, posting: &Posting<'_>) -> Option<&Posting<'f>> {
        let mut before = self.postings.iter().take_while(|one| !std::ptr::eq(one.set, posting.set));
        before.find(|one| one.id == posting.id)
    }
}

/// A set of claims.
async fn claims(
    cx: &Context<'_>,
    record: &mut Record,
    one: &Interchange<'_>,
    set: &Set,
    (mode, now): (Mode, i64),
) -> Result<()> {
    match &set.content {
        _ if must_be_held(set, mode) => hold(cx, record, one, set, now).await,
        Content::Claims(claims) => claims::add(cx, record, set, claims).await,
        _ => Ok(()),
    }
}

/// A set that answers something.
async fn answer_set(
    cx: &Context<'_>,
    record: &mut Record,
    one: &Interchange<'_>,
    set: &Set,
    (payments, mode, now): (&Payments<'_>, Mode, i64),
) -> Result<()> {
    if must_be_held(set, mode) {
        return hold(cx, record, one, set, now).await;
    }
    match &set.content {
        Content::Remittance(_) => post(cx, record, set, (payments, &interchange::file_reference(one)), now),
        Content::Status(report) => status::add(cx, record, set, report, now).await,
        Content::Acknowledgement(answer) => {
            let sides = Sides { sender: &set.control[1], receiver: &set.control[0], key: key(one, set) };
            acknowledge::group(cx, record, answer, &sides, now).await
        }
        Content::Interchange(answer) => {
            let sides = Sides { sender: &one.receiver, receiver: &one.sender, key: key(one, set) };
            acknowledge::of_interchange(cx, record, answer, &sides, now).await
        }
        Content::Claims(_) => Ok(()),
    }
}

fn key(one: &Interchange<'_>, set: &Set) -> String {
    [&one.sender, &one.receiver, &one.control, &set.name, &set.control[2], &set.control[3]]
        .map(String::as_str)
        .join("|")
}

fn post(
    cx: &Context<'_>,
    record: &mut Record,
    set: &Set,
    (payments, file): (&Payments<'_>, &str),
    now: i64,
) -> Result<()> {
    let Some(posting) = payments.posting(set) else { return Ok(()) };
    if let Some(found) = payments.posted.get(&posting.id) {
        record.outcome.extend(remittance::same_payment(posting, found)?);
        return Ok(());
    }
    if let Some(earlier) = payments.earlier(posting) {
        if earlier.set.digest == set.digest {
            return Ok(());
        }
        return Err(remit_fhir::Error::conflict(
            "Two remittances of the file are the same payment (payer, trace number, day, amount) with other content.",
        )
        .coded(IssueType::Duplicate)
        .at("TRN-02"));
    }
    heavy(|| remittance::add(cx, record, posting, (&payments.knowledge, file), now))
}

/// A set that is held while others of its file are posted.
async fn hold(
    cx: &Context<'_>,
    record: &mut Record,
    one: &Interchange<'_>,
    set: &Set,
    now: i64,
) -> Result<()> {
    if let Some(task) = held::known(cx, &set.digest).await? {
        record.outcome.push(task);
        return Ok(());
    }
    let (held, task) = held::drafts(cx, one.bytes, &set.digest, &[set], now)?;
    record.issues.extend(
        set.unbalanced
            .iter()
            .map(|finding| Issue { severity: remit_fhir::Severity::Warning, ..finding.issue() }),
    );
    record.absorb(held);
    record.outcome.push(task);
    Ok(())
}
