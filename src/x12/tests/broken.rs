//! Broken files and what is said about them: level, code, place.

use super::{CLAIM, REMITTANCE, findings};

/// A file, what is changed in it, and what must be found: level, code, place.
struct Case(
    &'static str,
    &'static [(&'static str, &'static str)],
    &'static [(u8, &'static str, &'static str)],
);

const CASES: &[Case] = &[
    // Envelopes.
    Case(CLAIM, &[("SE*31*0001", "SE*30*0001")], &[(1, "segment-count", "SE[31]-01")]),
    Case(CLAIM, &[("SE*31*0001", "SE*31*0002")], &[(1, "transaction-control-mismatch", "SE[31]-02")]),
    Case(CLAIM, &[("GE*1*101", "GE*2*101")], &[(1, "group-count", "GE-01")]),
    Case(CLAIM, &[("GE*1*101", "GE*1*102")], &[(1, "group-control-mismatch", "GE-02")]),
    Case(CLAIM, &[("IEA*1*000000101", "IEA*2*000000101")], &[(1, "interchange-count", "IEA-01")]),
    Case(CLAIM, &[("IEA*1*000000101", "IEA*1*000000102")], &[(1, "interchange-control-mismatch", "IEA-02")]),
    Case(CLAIM, &[("SE*31*0001~\n", "")], &[(1, "se-missing", "ST[1]")]),
    Case(CLAIM, &[("GE*1*101~\n", "")], &[(1, "ge-missing", "GE")]),
    Case(CLAIM, &[("IEA*1*000000101~\n", "")], &[(1, "iea-missing", "IEA")]),
    Case(CLAIM, &[("GS*HC", "ZZ*1~\nGS*HC")], &[(1, "segment-outside", "ZZ")]),
    Case(CLAIM, &[("*0*T*:~", "*0*X*:~")], &[(1, "isa-value", "ISA-15")]),
    Case(CLAIM, &[("CEDAR          ", "CEDAR")], &[(1, "isa-width", "ISA")]),
    Case(
        CLAIM,
        &[("837*0001*005010X222A1", "837*0001*005010X222A2")],
        &[(2, "version-mismatch", "ST[1]-03")],
    ),
    Case(CLAIM, &[("005010X222A1", "004010X098A1")], &[(1, "set-not-supported", "ST[1]-03")]),
    Case(CLAIM, &[("ST*837*", "ST*835*")], &[(1, "set-mismatch", "ST[1]-01")]),
    // Loops.
    Case(CLAIM, &[("REF*6R*C1L1~", "ZZZ*1~")], &[(1, "segment-unknown", "2400/ZZZ[26]")]),
    Case(CLAIM, &[("REF*6R*C1L1~", "CLP*1*1*1*1~")], &[(1, "segment-not-in-set", "2400/CLP[26]")]),
    Case(CLAIM, &[("REF*6R*C1L1~", "SBR*P~")], &[(1, "segment-unexpected", "2400/SBR[26]")]),
    Case(
        CLAIM,
        &[("NM1*82*", "DTP*431*D8*20260104~\nNM1*82*"), ("SE*31", "SE*32")],
        &[(1, "segment-sequence", "2300/DTP[21]")],
    ),
    Case(CLAIM, &[("REF*6R*C1L1~", "REF*QQ*C1L1~")], &[(2, "qualifier-unknown", "2400/REF[26]-01")]),
    Case(CLAIM, &[("NM1*82*1*MOSS", "NM1*Q9*1*MOSS")], &[(2, "qualifier-unknown", "2300/NM1[21]-01")]),
    Case(
        CLAIM,
        &[("HI*ABK:J029*ABF:R509~\n", ""), ("*1:2~", "*~"), ("1***1~", "1~"), ("SE*31", "SE*30")],
        &[
            (2, "segment-missing", "2300/HI[19]"),
            (1, "trailing-separator", "2400/SV1[23]"),
            (2, "element-required", "2400/SV1[23]-07"),
            (2, "element-required", "2400/SV1[27]-07"),
        ],
    ),
    Case(
        CLAIM,
        &[("DTP*472*D8*20260105~\nREF*6R*C1L2", "REF*6R*C1L2"), ("SE*31", "SE*30")],
        &[(2, "segment-missing", "2400/DTP[27]")],
    ),
    Case(CLAIM, &[("REF*6R*C1L1~", "DTP*472*D8*20260106~")], &[(2, "segment-repeated", "2400/DTP[26]")]),
    Case(CLAIM, &[("HL*2*1*22*0", "HL*3*1*22*0")], &[(1, "level-number", "2000B/HL[12]-01")]),
    Case(CLAIM, &[("HL*2*1*22*0", "HL*2*9*22*0")], &[(1, "level-parent", "2000B/HL[12]-02")]),
    // Elements.
    Case(
        CLAIM,
        &[("CLM*C1*200*", "CLM*C1*2,00*")],
        &[(1, "decimal", "2300/CLM[19]-02"), (3, "balance-total", "2300/CLM[19]-02")],
    ),
    Case(CLAIM, &[("D8*19800214", "D8*19800231")], &[(1, "date", "2010BA/DMG[17]-02")]),
    Case(CLAIM, &[("*802020001", "*80")], &[(1, "too-short", "2010AA/N4[10]-03")]),
    Case(CLAIM, &[("DENVER*CO*80203", "DENVER*COLO*80203")], &[(1, "too-long", "2010BA/N4[16]-02")]),
    Case(
        CLAIM,
        &[("*MI*M100", "**M100")],
        &[(1, "syntax-note", "2010BA/NM1[14]-08"), (2, "element-required", "2010BA/NM1[14]-08")],
    ),
    Case(CLAIM, &[("HI*ABK:J029", "HI*ABK")], &[(1, "component-missing", "2300/HI[20]-01-2")]),
    Case(CLAIM, &[("LX*1~", "LX*1*2~")], &[(1, "too-many-elements", "2400/LX[23]-02")]),
    Case(CLAIM, &[("LX*1~", "LX*A~")], &[(1, "number", "2400/LX[23]-01")]),
    Case(CLAIM, &[("LX*1~", "LX~")], &[(1, "element-missing", "2400/LX[23]-01")]),
    Case(CLAIM, &[("11:B:1", "11:B:1:9")], &[(1, "too-many-components", "2300/CLM[19]-05-4")]),
    Case(CLAIM, &[("11:B:1", "11:C:1")], &[(2, "code", "2300/CLM[19]-05-2")]),
    Case(CLAIM, &[("*FERN*ADA", "*FERN^OAK*ADA")], &[(1, "too-many-repetitions", "2010BA/NM1[14]-03")]),
    Case(CLAIM, &[("*FERN*ADA", "*FE\tRN*ADA")], &[(1, "character", "2010BA/NM1[14]-03")]),
    Case(CLAIM, &[("SBR*P*18*", "SBR*X*18*")], &[(2, "code", "2000B/SBR[13]-01")]),
    // Sums.
    Case(CLAIM, &[("CLM*C1*200*", "CLM*C1*200.01*")], &[(3, "balance-total", "2300/CLM[19]-02")]),
    Case(REMITTANCE, &[("BPR*I*95*", "BPR*I*120*")], &[(3, "balance-transaction", "BPR[2]-02")]),
    Case(
        REMITTANCE,
        &[("CAS*CO*45*30", "CAS*CO*45*29.99")],
        &[(3, "balance-claim", "2100/CLP[12]-04"), (3, "balance-line", "2110/SVC[14]-03")],
    ),
    Case(
        REMITTANCE,
        &[("CLP*C1*1*200*120*30*", "CLP*C1*1*200*120*31*")],
        &[(3, "balance-patient-share", "2100/CLP[12]-05")],
    ),
    Case(
        REMITTANCE,
        &[("CLP*C1*1*200*120*", "CLP*C1*1*210*120*")],
        &[(3, "balance-claim", "2100/CLP[12]-04"), (3, "balance-lines", "2100/CLP[12]-03")],
    ),
    Case(
        REMITTANCE,
        &[("PER*BL*EDI*TE*3035550199~\n", ""), ("SE*28", "SE*27")],
        &[(2, "segment-missing", "1000A/PER[5]")],
    ),
    // Situations.
    Case(CLAIM, &[("11:B:1", "11:B:7")], &[(4, "original-reference-missing", "2300/CLM[19]-05")]),
    Case(
        CLAIM,
        &[("*Y*A*Y*Y~", "*Y*A*Y*Y**AA~")],
        &[(4, "accident-date-missing", "2300/CLM[19]-11"), (4, "accident-state-missing", "2300/CLM[19]-11")],
    ),
    Case(CLAIM, &[("1***1:2~", "1***1:3~")], &[(4, "diagnosis-pointer", "2400/SV1[24]-07-2")]),
    Case(CLAIM, &[("XX*1245319599", "XX*1245319590")], &[(4, "npi", "2310B/NM1[21]-09")]),
    Case(CLAIM, &[("SBR*P*18*", "SBR*P**")], &[(4, "subscriber-not-patient", "2000B/HL[12]")]),
    Case(
        CLAIM,
        &[("DMG*D8*19800214*F~\n", ""), ("SE*31", "SE*30")],
        &[(4, "demographics-missing", "2010BA/NM1[14]")],
    ),
    Case(CLAIM, &[("22*0", "22*1")], &[(4, "level-children", "2000B/HL[12]-04")]),
];

#[test]
fn correct_files_have_no_findings() {
    for text in [CLAIM, REMITTANCE] {
        assert_eq!(findings(text.as_bytes()), []);
    }
}

#[test]
fn every_fault_is_found_at_its_place() {
    let mut wrong = Vec::new();
    for Case(base, changes, expected) in CASES {
        let mut text = (*base).to_owned();
        for (old, new) in *changes {
            assert!(text.contains(old), "{old} is not in the file");
            text = text.replacen(old, new, if *old == "005010X222A1" { 9 } else { 1 });
        }
        let found: Vec<_> = findings(text.as_bytes())
            .into_iter()
            .map(|f| (f.level as u8, f.code, f.place.expression()))
            .collect();
        let mut expected: Vec<_> = expected.iter().map(|(l, c, p)| (*l, *c, (*p).to_owned())).collect();
        let mut sorted = found.clone();
        sorted.sort();
        expected.sort();
        if sorted != expected {
            wrong.push(format!("{changes:?}\n  expected {expected:?}\n  found    {sorted:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn offsets_lead_to_the_bytes() {
    let text = CLAIM.replace("DENVER*CO*80203", "DENVER*COLO*80203");
    let found = findings(text.as_bytes());
    let offset = found[0].place.offset as usize;
    assert!(text[offset..].starts_with("COLO*"));
    assert_eq!(found[0].value.as_deref(), Some("COLO"));
}

#[test]
fn messages_are_sentences() {
    for Case(base, changes, _) in CASES {
        let mut text = (*base).to_owned();
        for (old, new) in *changes {
            text = text.replacen(old, new, 1);
        }
        for finding in findings(text.as_bytes()) {
            assert!(finding.message.ends_with('.'), "{}", finding.message);
            let first = finding.message.chars().next();
            assert!(first.is_some_and(|c| c.is_uppercase() || c == '`'), "{}", finding.message);
            assert!(!finding.issue().diagnostics.is_empty());
        }
    }
}

#[test]
fn what_is_no_interchange_is_said_once() {
    for text in ["", "\n \n", "hello", "hello ISA there ISA", "ISA*short~", "MSH|^~\\&|"] {
        let found = findings(text.as_bytes());
        assert_eq!(found.len(), 1, "{text}: {found:?}");
    }
}
