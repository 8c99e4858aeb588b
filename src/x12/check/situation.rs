//! SNIP 4: what one segment makes necessary in another, as far as it is public knowledge.

use crate::check::hierarchy::has_children;
use crate::check::is_npi;
use crate::finding::{Answer, Finding, Findings, Level, Place};
use crate::segment::{Segment, quoted};
use crate::tree::{Loop, Tree};
use crate::value::Span;

/// Checks the situations of a tree.
pub(crate) fn check(tree: &Tree<'_, '_>, findings: &mut Findings) {
    npis(tree, findings);
    match tree.guide.set {
        "837" => {
            tree.loops("2000B").for_each(|subscriber| subscriber_rules(&subscriber, findings));
            tree.loops("2300").for_each(|claim| claim_rules(&claim, findings));
        }
        "835" => reversals(tree, findings),
        _ => {}
    }
}

fn fault(place: Place, code: &'static str, message: impl Into<String>) -> Finding {
    Finding::new(Level::Situation, code, place, message).answered(Answer::Segment("I6"))
}

fn at(tree: &Tree<'_, '_>, number: usize, segment: &Segment<'_>, element: u16) -> Place {
    Place { element, offset: segment.element(element.into()).offset, ..tree.place(number) }
}

/// Identifiers qualified as NPI must be NPIs.
fn npis(tree: &Tree<'_, '_>, findings: &mut Findings) {
    for (number, segment) in tree.segments.iter().enumerate() {
        let (qualifier, element) = match segment.id() {
            b"NM1" => (8, 9),
            b"N1" => (3, 4),
            _ => continue,
        };
        let value = segment.bytes(element);
        if segment.bytes(qualifier) == b"XX" && !is_npi(value) {
            let message =
                format!("`{}` is no National Provider Identifier: its check digit fails.", quoted(value));
            let finding = fault(at(tree, number, segment, element as u16), "npi", message);
            findings.push(finding.answered(Answer::Element("7")).with_value(value).warning());
        }
    }
}

/// The patient is the subscriber or stands below: one of them has the claims.
fn subscriber_rules(subscriber: &Loop<'_, '_, '_>, findings: &mut Findings) {
    let Some(hl) = subscriber.segment("HL") else { return };
    let announces = hl.bytes(4) == b"1";
    let is_self = subscriber.segment("SBR").is_some_and(|sbr| sbr.bytes(2) == b"18");
    let has_claims = subscriber.find("2300").is_some();
    let place = |element: u16| Place { element, ..subscriber.place() };
    if announces != has_children(subscriber) && !hl.bytes(4).is_empty() {
        let message = match announces {
            true => "HL04 announces a patient level below the subscriber, and there is none.",
            false => "HL04 says that there is no level below, but a patient follows.",
        };
        findings.push(fault(place(4), "level-children", message));
    }
    if is_self && !has_claims {
        let message = "The subscriber is the patient (SBR02 is 18), but has no claim.";
        findings.push(fault(place(0), "claim-missing", message));
    }
    if !is_self && has_claims {
        let message =
            "Claims stand at the subscriber, but SBR02 does not say 18, that the subscriber is the patient.";
        findings.push(fault(place(0), "subscriber-not-patient", message));
    }
    if is_self && let Some(name) = subscriber.find("2010BA") {
        let is_person = name.segment("NM1").is_some_and(|nm1| nm1.bytes(2) == b"1");
        if is_person && name.segment("DMG").is_none() {
            let message = "A subscriber who is the patient needs birth date and gender (DMG).";
            findings.push(fault(name.place(), "demographics-missing", message));
        }
        if is_person && name.segment("N3").is_none() {
            let message = "A subscriber who is the patient needs an address (N3, N4).";
            findings.push(fault(name.place(), "address-missing", message));
        }
    }
}

fn claim_rules(claim: &Loop<'_, '_, '_>, findings: &mut Findings) {
    let Some(clm) = claim.segment("CLM") else { return };
    let place = |element: u16| Place { element, offset: clm.element(element.into()).offset, ..claim.place() };
    let frequency = clm.element(5).component(3);
    if matches!(frequency.bytes(), b"7" | b"8") && claim.qualified("REF", "F8").is_none() {
        let message = format!(
            "Frequency {} replaces or voids a claim: the payer's number of that claim (REF*F8) is missing.",
            quoted(frequency.bytes())
        );
        findings.push(fault(place(5), "original-reference-missing", message));
    }
    let causes = clm.element(11);
    let is_accident = causes.components().take(3).any(|c| matches!(c.bytes(), b"AA" | b"OA"));
    if is_accident && claim.qualified("DTP", "439").is_none() && claim.tree().guide.functional == "HC" {
        let message = "An accident is the cause (CLM11): its date (DTP*439) is missing.";
        findings.push(fault(place(11), "accident-date-missing", message));
    }
    if causes.components().take(3).any(|c| c.bytes() == b"AA") && causes.component(4).is_empty() {
        let message = "An auto accident needs the state where it happened (CLM11-4).";
        findings.push(fault(place(11), "accident-state-missing", message));
    }
    let diagnoses = diagnosis_count(claim);
    for line in claim.loops("2400") {
        line_rules(&line, diagnoses, findings);
    }
    service_dates(claim, findings);
}

/// Diagnoses that a line can point to, in the order of the HI segments.
fn diagnosis_count(claim: &Loop<'_, '_, '_>) -> usize {
    let codes: [&[u8]; 5] = [b"ABK", b"BK", b"ABF", b"BF", b"TQ"];
    let all = claim.all("HI").flat_map(|hi| hi.elements());
    all.filter(|element| codes.contains(&element.component(1).bytes())).count()
}

fn line_rules(line: &Loop<'_, '_, '_>, diagnoses: usize, findings: &mut Findings) {
    let pointers = [("SV1", 7), ("SV3", 11)];
    for (id, element) in pointers {
        let Some((number, segment)) = line.numbered().find(|(_, s)| s.id() == id.as_bytes()) else {
            continue;
        };
        for (n, pointer) in segment.element(element).components().enumerate() {
            let text = pointer.bytes();
            let value = std::str::from_utf8(text).ok().and_then(|text| text.parse::<usize>().ok());
            if !text.is_empty() && value.is_none_or(|value| value == 0 || value > diagnoses) {
                let message =
                    format!("The line points to diagnosis {}, but the claim has {diagnoses}.", quoted(text));
                let place = at(line.tree(), number, &segment, element as u16);
                let place = Place { component: n as u16 + 1, offset: pointer.offset, ..place };
                let finding = fault(place, "diagnosis-pointer", message);
                findings.push(finding.answered(Answer::Element("7")).with_value(text));
            }
        }
    }
}

/// Services come after birth and not after the statement's end.
fn service_dates(claim: &Loop<'_, '_, '_>, findings: &mut Findings) {
    let Some(statement) = claim.qualified("DTP", "434").and_then(|dtp| Span::parse(dtp.bytes(3))) else {
        return;
    };
    for line in claim.loops("2400") {
        let Some((number, dtp)) = line.numbered().find(|(_, s)| s.id() == b"DTP" && s.bytes(1) == b"472")
        else {
            continue;
        };
        let Some(service) = Span::parse(dtp.bytes(3)) else { continue };
        if service.from < statement.from || service.last() > statement.last() {
            let message = format!(
                "The service date is outside of the statement's {} to {}.",
                statement.from,
                statement.last()
            );
            findings.push(fault(at(line.tree(), number, &dtp, 3), "service-date", message).warning());
        }
    }
}

/// A reversal comes before the correction of the same claim.
fn reversals(tree: &Tree<'_, '_>, findings: &mut Findings) {
    let mut decided: std::collections::HashSet<Vec<u8>> = std::collections::HashSet::new();
    for claim in tree.loops("2100") {
        let Some(clp) = claim.segment("CLP") else { continue };
        let is_reversal = clp.bytes(2) == b"22";
        if is_reversal && decided.contains(clp.bytes(1)) {
            let message = "The reversal follows a decision on the same claim; it should come before it.";
            findings.push(fault(claim.place(), "reversal-order", message).warning());
        }
        if !is_reversal {
            decided.insert(clp.bytes(1).to_vec());
        }
    }
}
