//! SNIP 3: sums that must agree.
//!
//! Remittance: charge less adjustments is payment, at line, claim and transaction; lines add up to the
//! claim. Claim: lines add up to the total; what a prior payer paid and adjusted adds up to the charge.

use crate::finding::{Finding, Findings, Level};
use crate::segment::Segment;
use crate::tree::{Loop, Tree};
use crate::value::{Decimal, decimal, write_decimal};

/// Groups of six: reason, amount, quantity begin at these elements of CAS.
const CAS_AMOUNTS: [usize; 6] = [3, 6, 9, 12, 15, 18];

/// Amounts of PLB.
const PLB_AMOUNTS: [usize; 6] = [4, 6, 8, 10, 12, 14];

/// Checks the sums of a tree.
pub(crate) fn check(tree: &Tree<'_, '_>, findings: &mut Findings) {
    match tree.guide.set {
        "835" => remittance(tree, findings),
        "837" => tree.loops("2300").for_each(|claim| claim_sums(&claim, findings)),
        _ => {}
    }
}

fn amount(segment: &Segment<'_>, element: usize) -> Decimal {
    decimal(segment.bytes(element)).unwrap_or_default()
}

fn adjustments(inside: &Loop<'_, '_, '_>) -> Decimal {
    inside.all("CAS").flat_map(|cas| CAS_AMOUNTS.map(|n| amount(&cas, n))).sum()
}

fn patient_share(inside: &Loop<'_, '_, '_>) -> Decimal {
    let shares = inside.all("CAS").filter(|cas| cas.bytes(1) == b"PR");
    shares.flat_map(|cas| CAS_AMOUNTS.map(|n| amount(&cas, n))).sum()
}

fn fault(at: &Loop<'_, '_, '_>, element: u16, code: &'static str, message: String) -> Finding {
    let mut place = at.place();
    if let Some(first) = at.segments().next() {
        place.offset = first.element(element.into()).offset;
    }
    place.element = element;
    Finding::new(Level::Balance, code, place, message)
}

fn remittance(tree: &Tree<'_, '_>, findings: &mut Findings) {
    let mut paid = Decimal::ZERO;
    for claim in tree.loops("2100") {
        let Some(clp) = claim.segment("CLP") else { continue };
        paid += amount(&clp, 4);
        remittance_claim(&claim, &clp, findings);
    }
    let root = tree.root();
    let Some(bpr) = root.segment("BPR") else { return };
    let taken: Decimal = root.all("PLB").flat_map(|plb| PLB_AMOUNTS.map(|n| amount(&plb, n))).sum();
    let expected = paid - taken;
    if amount(&bpr, 2) != expected {
        let message = format!(
            "The payment BPR02 is {}, but claims paid {} less provider adjustments {} are {}.",
            write_decimal(amount(&bpr, 2)),
            write_decimal(paid),
            write_decimal(taken),
            write_decimal(expected)
        );
        let at = root.numbered().find(|(_, segment)| segment.id() == b"BPR").map_or(0, |(n, _)| n);
        let mut place = tree.place(at);
        (place.element, place.offset) = (2, bpr.element(2).offset);
        findings.push(Finding::new(Level::Balance, "balance-transaction", place, message));
    }
}

fn remittance_claim(claim: &Loop<'_, '_, '_>, clp: &Segment<'_>, findings: &mut Findings) {
    let (charge, payment) = (amount(clp, 3), amount(clp, 4));
    let mut taken = adjustments(claim);
    let mut share = patient_share(claim);
    let (mut charged, mut has_lines) = (Decimal::ZERO, false);
    for line in claim.loops("2110") {
        let Some(svc) = line.segment("SVC") else { continue };
        let less = adjustments(&line);
        has_lines = true;
        charged += amount(&svc, 2);
        taken += less;
        share += patient_share(&line);
        if amount(&svc, 2) - less != amount(&svc, 3) {
            let message = format!(
                "The line's charge {} less its adjustments {} is not its payment {}.",
                write_decimal(amount(&svc, 2)),
                write_decimal(less),
                write_decimal(amount(&svc, 3))
            );
            findings.push(fault(&line, 3, "balance-line", message));
        }
    }
    if charge - taken != payment {
        let message = format!(
            "The claim's charge {} less all adjustments {} is not its payment {}.",
            write_decimal(charge),
            write_decimal(taken),
            write_decimal(payment)
        );
        findings.push(fault(claim, 4, "balance-claim", message));
    }
    if has_lines && charged != charge {
        let (charged, charge) = (write_decimal(charged), write_decimal(charge));
        let message = format!("The lines' charges {charged} are not the claim's charge {charge}.");
        findings.push(fault(claim, 3, "balance-lines", message));
    }
    if !clp.bytes(5).is_empty() && amount(clp, 5) != share {
        let (said, share) = (write_decimal(amount(clp, 5)), write_decimal(share));
        let message = format!("The patient's share CLP05 is {said}, the PR adjustments are {share}.");
        findings.push(fault(claim, 5, "balance-patient-share", message).warning());
    }
}

/// The segment of a line that has the charge, and the element.
fn charge_of(line: &Loop<'_, '_, '_>) -> Option<Decimal> {
    let charges = [("SV1", 2), ("SV2", 3), ("SV3", 2)];
    charges.into_iter().find_map(|(id, n)| line.segment(id).map(|segment| amount(&segment, n)))
}

fn claim_sums(claim: &Loop<'_, '_, '_>, findings: &mut Findings) {
    let Some(clm) = claim.segment("CLM") else { return };
    let total = amount(&clm, 2);
    let lines: Decimal = claim.loops("2400").filter_map(|line| charge_of(&line)).sum();
    if total != lines {
        let (total, lines) = (write_decimal(total), write_decimal(lines));
        let message = format!("The claim's total CLM02 is {total}, but its lines add up to {lines}.");
        findings.push(fault(claim, 2, "balance-total", message));
    }
    for other in claim.loops("2320") {
        prior_payer(claim, &other, total, findings);
    }
}

/// What a prior payer decided must explain the whole charge. Senders that give only part of the
/// decision are common, so this is a warning.
fn prior_payer(claim: &Loop<'_, '_, '_>, other: &Loop<'_, '_, '_>, total: Decimal, findings: &mut Findings) {
    let payer = other.find("2330B").and_then(|payer| payer.segment("NM1")).map(|nm1| nm1.string(9));
    let (Some(paid), Some(payer)) = (other.qualified("AMT", "D"), payer) else { return };
    let mut explained = amount(&paid, 2) + adjustments(other);
    for line in claim.loops("2400") {
        let decisions: Vec<_> = line
            .loops("2430")
            .filter(|decided| decided.segment("SVD").is_some_and(|svd| svd.string(1) == payer))
            .collect();
        explained += decisions.iter().map(adjustments).sum::<Decimal>();
        if let ([decided], Some(charge)) = (decisions.as_slice(), charge_of(&line)) {
            line_decision(decided, charge, findings);
        }
    }
    if explained != total {
        let (explained, total) = (write_decimal(explained), write_decimal(total));
        let message =
            format!("What payer {payer} paid and adjusted is {explained}, the claim's total is {total}.");
        findings.push(fault(other, 1, "balance-prior-payer", message).warning());
    }
}

fn line_decision(decided: &Loop<'_, '_, '_>, charge: Decimal, findings: &mut Findings) {
    let Some(svd) = decided.segment("SVD") else { return };
    let explained = amount(&svd, 2) + adjustments(decided);
    if explained != charge {
        let (explained, charge) = (write_decimal(explained), write_decimal(charge));
        let message = format!("The prior payer paid and adjusted {explained} of a line of {charge}.");
        findings.push(fault(decided, 2, "balance-prior-line", message).warning());
    }
}
