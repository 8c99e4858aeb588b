//! What of a claim has no place in FHIR: the claim as it came stays beside the Claim, and comes back
//! when it is written again, wherever the Claim still says what it said.

use std::collections::HashMap;

use serde_json::Value;

use super::claim_back::{Resolve, claim_set};
use super::entries::Entries;
use crate::compose::write_segments;
use crate::delimiters::Delimiters;
use crate::model::{Claim, ClaimSet};
use crate::parts::{Part, Transaction};
use crate::raw::Raw;
use crate::tree::{Tree, guide_of};

/// The name of the Binary that keeps it.
pub const RESIDUAL: &str = "x12-residual";

/// Segments of the envelope of a set and of its levels, which say nothing of the claim itself.
const AROUND: [&str; 4] = ["ST", "SE", "BHT", "HL"];

/// The text of a claim (one transaction set) and how many of its segments a Claim cannot say; `None`
/// when it can say all.
pub fn residual(set: &ClaimSet, claim: &Claim) -> Option<(Vec<u8>, usize)> {
    let own = alone(set, claim);
    let back = there_and_back(&own);
    let after = back.map(|back| counted(&back.write())).unwrap_or_default();
    let before = counted(&own.write());
    let lost: usize = before.iter().map(|(raw, n)| n - after.get(raw).copied().unwrap_or(0).min(*n)).sum();
    let changed = lost > 0 || before.values().sum::<usize>() != after.values().sum::<usize>();
    let text = changed.then(|| write_segments(&own.write(), Delimiters::default()).ok()).flatten()?;
    Some((text, lost.max(1)))
}

/// The set with this claim alone. The others are not copied: they may be thousands, and this is asked for
/// each of them.
fn alone(set: &ClaimSet, claim: &Claim) -> ClaimSet {
    ClaimSet {
        kind: set.kind,
        version: set.version.clone(),
        control: set.control.clone(),
        purpose: set.purpose.clone(),
        reference: set.reference.clone(),
        date: set.date,
        time: set.time.clone(),
        use_code: set.use_code.clone(),
        submitter: set.submitter.clone(),
        receiver: set.receiver.clone(),
        claims: vec![claim.clone()],
        other: set.other.clone(),
    }
}

/// How often each segment stands in a set; who sends it to whom is not the claim's.
fn counted(segments: &[Raw]) -> HashMap<String, usize> {
    let mut counts = HashMap::new();
    let body = segments.iter().skip_while(|raw| raw.id() != "HL").filter(|raw| !AROUND.contains(&raw.id()));
    for raw in body {
        *counts.entry(raw.to_string()).or_insert(0) += 1;
    }
    counts
}

const BASE: &str = "urn:x12";

/// A claim as FHIR and back.
fn there_and_back(own: &ClaimSet) -> Option<ClaimSet> {
    let mut entries = Entries::default();
    let claim = super::claims(BASE, own, &mut entries).into_iter().next()?.resource;
    let find = |key: &str| entries.list.iter().find(|one| one.key == key).map(|one| one.resource.clone());
    claim_set(BASE, &claim, &find).ok()
}

/// The set that a Claim is written as, with what is kept beside it.
pub fn to_claim_set(base: &str, claim: &Value, resolve: &Resolve<'_>) -> Result<ClaimSet, String> {
    let now = claim_set(base, claim, resolve)?;
    let kept = super::list(claim, "contained").find(|one| one["id"] == RESIDUAL);
    let Some(data) = kept.and_then(|one| one["data"].as_str()) else { return Ok(now) };
    let text =
        remit_fhir::base64::decode(data).ok_or("the data of the contained x12-residual is no base64")?;
    let kept = parsed(&text).ok_or("the contained x12-residual is no claim of an 837")?;
    match there_and_back(&kept) {
        Some(then) => Ok(merged(now, then, kept)),
        None => Ok(now),
    }
}

/// Reads a set that stands without envelopes.
fn parsed(text: &[u8]) -> Option<ClaimSet> {
    let set = ClaimSetText(text);
    set.read()
}

struct ClaimSetText<'t>(&'t [u8]);

impl ClaimSetText<'_> {
    fn read(&self) -> Option<ClaimSet> {
        let header = "ISA*00*          *00*          *ZZ*A              *ZZ*B              *260101*0000*^*00501*000000001*0*T*:~";
        let whole = [header.as_bytes(), self.0].concat();
        let mut found = None;
        crate::for_each_part(&whole, |event| {
            if let Part::Transaction(transaction) = &event.part {
                found = found.take().or_else(|| of(transaction));
            }
        });
        found
    }
}

fn of(transaction: &Transaction<'_>) -> Option<ClaimSet> {
    let guide = guide_of(transaction).ok()?;
    ClaimSet::read(&Tree::build(transaction, guide)).filter(|set| set.claims.len() == 1)
}

/// What the Claim says now where it differs from what it said then, else what was kept.
fn merged(now: ClaimSet, then: ClaimSet, kept: ClaimSet) -> ClaimSet {
    let (Some(now_claim), Some(then_claim), Some(kept_claim)) =
        (now.claims.first(), then.claims.first(), kept.claims.first())
    else {
        return now;
    };
    let mut claim = kept_claim.clone();
    macro_rules! take_changed {
        ($($field:ident),*) => { $(
            if now_claim.$field != then_claim.$field {
                claim.$field = now_claim.$field.clone();
            }
        )* };
    }
    take_changed!(
        billing,
        subscriber,
        patient,
        id,
        total,
        facility_code,
        frequency,
        benefits_assignment,
        causes,
        accident_state,
        admission,
        dates,
        references,
        amounts,
        notes,
        codes,
        providers,
        coverages
    );
    let has_same_lines =
        now_claim.lines.len() == then_claim.lines.len() && kept_claim.lines.len() == now_claim.lines.len();
    if has_same_lines {
        for (n, line) in claim.lines.iter_mut().enumerate() {
            if now_claim.lines[n] != then_claim.lines[n] {
                *line = now_claim.lines[n].clone();
            }
        }
    } else {
        claim.lines.clone_from(&now_claim.lines);
    }
    ClaimSet { claims: vec![claim], ..now }
}
