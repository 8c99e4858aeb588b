//! Random files: nothing panics, nothing is lost, what is written is read.

use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;

use super::{CLAIM, REMITTANCE, each_tree, findings};
use crate::compose::write_segments;
use crate::model::{
    Acknowledgement, Adjustment, ClaimGroup, ClaimSet, Entity, Identifier, Party, Payment,
    ProviderAdjustment, Remittance, RemittanceClaim, RemittanceLine, Service, StatusReport, Trace,
};
use crate::parts::Parts;
use crate::{Decimal, Delimiters, Document, Reader};

/// Pieces of a file that is read in windows which grow by `step` bytes.
fn by_windows(text: &[u8], step: usize) -> Vec<u8> {
    let mut parts = Parts::new();
    let (mut start, mut end) = (0, 0);
    let mut out = Vec::new();
    loop {
        match parts.next(&text[start..end], end == text.len()) {
            Some(event) => {
                event.part.pieces().into_iter().for_each(|piece| out.extend_from_slice(piece));
                start += event.consumed;
            }
            None if end == text.len() => return out,
            None => end = (end + step).min(text.len()),
        }
    }
}

/// Everything that can be done with a file.
fn exercise(text: &[u8]) {
    let document = Document::parse(text);
    assert_eq!(document.emit(), text);
    findings(text);
    crate::answers(&document, crate::Level::Situation);
    each_tree(text, |tree| {
        let _ = (ClaimSet::read(tree), Remittance::read(tree));
        let _ = (StatusReport::read(tree), Acknowledgement::read(tree));
    });
}

/// Noise of the letters that files are made of, so that it comes near to being one.
fn noise() -> impl Strategy<Value = Vec<u8>> {
    let word = prop_oneof![
        Just("ISA"),
        Just("GS"),
        Just("ST"),
        Just("SE"),
        Just("GE"),
        Just("IEA"),
        Just("CLP"),
        Just("HL"),
        Just("NM1"),
        Just("*"),
        Just("~"),
        Just(":"),
        Just("^"),
        Just("\n"),
        Just("1"),
        Just("-"),
        Just("837"),
        Just("835"),
        Just("005010X221A1"),
        Just("\u{1d}"),
        Just("é"),
        Just(&CLAIM[..106]),
        Just(&CLAIM[..212]),
    ];
    vec(word, 0..60).prop_map(|words| words.concat().into_bytes())
}

/// A correct file with some bytes changed, cut out, or doubled.
fn damaged() -> impl Strategy<Value = Vec<u8>> {
    let change = (any::<prop::sample::Index>(), 0_usize..40, any::<u8>(), 0_u8..4);
    (any::<bool>(), vec(change, 1..8)).prop_map(|(is_claim, changes)| {
        let mut text = if is_claim { CLAIM } else { REMITTANCE }.as_bytes().to_vec();
        for (index, length, byte, how) in changes {
            let at = index.index(text.len().max(1)).min(text.len().saturating_sub(1));
            let end = (at + length).min(text.len());
            match how {
                0 if !text.is_empty() => text[at] = byte,
                1 => drop(text.drain(at..end)),
                2 => {
                    let piece = text[at..end].to_vec();
                    drop(text.splice(at..at, piece));
                }
                _ => text.truncate(end.max(200.min(text.len()))),
            }
        }
        text
    })
}

fn amount() -> impl Strategy<Value = Decimal> {
    (0_i64..2_000_000).prop_map(|cents| Decimal::new(cents, 2))
}

fn line() -> impl Strategy<Value = RemittanceLine> {
    let reason = (prop_oneof![Just("CO"), Just("PR"), Just("OA")], 1_u32..250, amount());
    ("[0-9]{5}", amount(), vec(reason, 0..9)).prop_map(|(code, paid, reasons)| {
        let adjustments: Vec<Adjustment> = reasons
            .into_iter()
            .map(|(group, reason, amount)| Adjustment {
                group: group.into(),
                reason: reason.to_string(),
                amount,
                quantity: None,
            })
            .collect();
        let charge = paid + adjustments.iter().map(|a| a.amount).sum::<Decimal>();
        let service = Service { qualifier: "HC".into(), code, ..Service::default() };
        RemittanceLine { service, charge, paid, adjustments, ..RemittanceLine::default() }
    })
}

fn claim() -> impl Strategy<Value = RemittanceClaim> {
    ("[A-Z0-9]{1,12}", vec(line(), 1..6)).prop_map(|(id, lines)| {
        let patient = Party::person("QC", "FERN", "ADA", "MI", "M100");
        let group = ClaimGroup { number: "1".into(), other: Vec::new() };
        let mut claim = RemittanceClaim {
            group: Some(Arc::new(group)),
            id,
            status: "1".into(),
            charge: lines.iter().map(|line| line.charge).sum(),
            paid: lines.iter().map(|line| line.paid).sum(),
            filing: Some("12".into()),
            payer_claim: Some("P1".into()),
            parties: vec![patient],
            lines,
            ..RemittanceClaim::default()
        };
        let share = claim.all_adjustments().filter(|a| a.group == "PR").map(|a| a.amount).sum();
        claim.patient_share = Some(share);
        claim
    })
}

fn remittance() -> impl Strategy<Value = Remittance> {
    (vec(claim(), 1..6), vec(amount(), 0..8)).prop_map(|(claims, taken)| {
        let adjustments: Vec<ProviderAdjustment> = taken
            .into_iter()
            .map(|amount| ProviderAdjustment {
                provider: "1234567893".into(),
                year_end: crate::Date::new(2026, 12, 31),
                reason: "WO".into(),
                reference: Some("R1".into()),
                amount,
            })
            .collect();
        let party = |role: &str, name: &str, qualifier: &str, id: &str| Party {
            role: role.into(),
            entity: Entity::Unsaid,
            name: name.into(),
            id: Some(Identifier { qualifier: qualifier.into(), value: id.into() }),
            ..Party::default()
        };
        let mut all = Remittance {
            version: "005010X221A1".into(),
            control: "0001".into(),
            trace: Trace {
                kind: "1".into(),
                number: "T1".into(),
                payer: Some("1512345678".into()),
                ..Trace::default()
            },
            produced: crate::Date::new(2026, 1, 20),
            payer: party("PR", "SUMMIT", "XV", "PAYER2"),
            payee: party("PE", "CEDAR", "XX", "1234567893"),
            claims,
            adjustments,
            ..Remittance::default()
        };
        let amount = all.claims_paid() - all.adjusted();
        all.payment = Payment {
            handling: "I".into(),
            amount,
            direction: "C".into(),
            method: "CHK".into(),
            date: crate::Date::new(2026, 1, 21),
            ..Payment::default()
        };
        all
    })
}

proptest! {
    #[test]
    fn any_bytes_are_emitted_as_they_came(text in vec(any::<u8>(), 0..400)) {
        exercise(&text);
    }

    #[test]
    fn noise_is_emitted_as_it_came_whatever_the_windows(text in noise(), step in 1_usize..50) {
        exercise(&text);
        prop_assert_eq!(by_windows(&text, step), text);
    }

    #[test]
    fn damaged_files_are_read_without_loss(text in damaged(), step in 1_usize..400) {
        exercise(&text);
        prop_assert_eq!(by_windows(&text, step), text);
    }

    #[test]
    fn elements_joined_are_the_segment(text in "[A-Z0-9*:^][A-Z0-9*:^ ]{0,60}") {
        let file = format!("{}{text}~", &CLAIM[..106]);
        let document = Document::parse(file.as_bytes());
        for part in &document.parts {
            if let crate::Part::Stray(segment) = part {
                let elements: Vec<_> = segment.elements().map(|e| e.string()).collect();
                let joined = std::iter::once(segment.name()).chain(elements).collect::<Vec<_>>().join("*");
                prop_assert_eq!(&joined, &text);
            }
        }
    }

    #[test]
    fn delimiters_change_nothing(
        marks in Just(vec![b'|', b'>', b'!', b'\n', 0x1D, 0x1C, b';', b'~']).prop_shuffle()
    ) {
        let swap = |b: u8| match b {
            b'*' => marks[0], b':' => marks[1], b'^' => marks[2], b'~' => marks[3], other => other,
        };
        let plain = CLAIM.replace('\n', "");
        let text: Vec<u8> = plain.bytes().map(swap).collect();
        prop_assert!(findings(&text).is_empty(), "{:?}", findings(&text));
        let read = |text: &[u8]| {
            let mut claims = None;
            each_tree(text, |tree| claims = ClaimSet::read(tree));
            claims
        };
        prop_assert_eq!(read(&text), read(CLAIM.as_bytes()));
    }

    #[test]
    fn remittances_are_written_balanced_and_read_again(remittance in remittance()) {
        let delimiters = Delimiters::default();
        let set = write_segments(&remittance.write(), delimiters).expect("no delimiter in any value");
        let file = [&REMITTANCE.as_bytes()[..107], b"GS*HP*A1*B1*20260121*0200*201*X*005010X221A1~", &set, b"GE*1*201~IEA*1*000000201~"].concat();
        let faults: Vec<_> = findings(&file).into_iter().filter(|f| f.level == crate::Level::Balance || f.code.starts_with("segment-u")).collect();
        prop_assert!(faults.is_empty(), "{faults:?}");
        let mut read = None;
        each_tree(&file, |tree| read = Remittance::read(tree));
        prop_assert_eq!(read, Some(remittance));
    }
}

#[test]
fn a_stream_is_read_like_a_file() {
    let text = CLAIM.repeat(20_000 / 100);
    let mut out = Vec::new();
    let read = Reader::new(text.as_bytes()).for_each(|event| {
        assert!(event.findings.is_empty());
        event.part.pieces().into_iter().for_each(|piece| out.extend_from_slice(piece));
    });
    read.expect("memory can be read");
    assert_eq!(out, text.as_bytes());
}

#[test]
fn floods_end_in_bounded_lists() {
    for flood in ["A~", "ST~", "ISAISA", "GS~", "\u{0}", "ST*837*1*005010X222A1~CLM~"] {
        let text = [&CLAIM.as_bytes()[..107], flood.repeat(200_000).as_bytes()].concat();
        let document = Document::parse(&text);
        assert_eq!(document.emit(), text);
        assert!(document.parts.len() < 30_000, "{flood}: {}", document.parts.len());
        assert!(document.findings.list().len() <= crate::limits::MAX_FINDINGS + 1);
    }
}
