//! TA1 and 999 for what was received.

use super::{CLAIM, REMITTANCE, each_tree, findings};
use crate::compose::{Address, Group, Interchange, LineEnd, Usage, write};
use crate::model::Acknowledgement;
use crate::{Answers, Delimiters, Document, Level, answers};

fn answer(text: &str) -> Answers {
    let mut all = answers(&Document::parse(text.as_bytes()), Level::Situation);
    assert_eq!(all.len(), 1);
    all.remove(0)
}

/// The interchange that carries the answers.
fn written(answers: &Answers) -> Vec<u8> {
    let address = |id: &str| Address { qualifier: "ZZ".into(), id: id.into() };
    let sets = answers.groups.iter().map(Acknowledgement::write).collect();
    let group = Group {
        functional: "FA".into(),
        sender: "PAYER2".into(),
        receiver: "CEDAR".into(),
        control: 7,
        version: "005010X231A1".into(),
        sets,
    };
    let interchange = Interchange {
        sender: address("PAYER2"),
        receiver: address("CEDAR"),
        date: "20260108".into(),
        time: "1000".into(),
        control: 7,
        usage: Usage::Test,
        delimiters: Delimiters::default(),
        line_end: LineEnd::None,
        acknowledgements: vec![answers.interchange.write()],
        groups: vec![group],
    };
    write(&interchange).expect("no delimiter in any value")
}

fn text_of(answers: &Answers) -> String {
    let segments = answers.groups.iter().flat_map(Acknowledgement::write);
    segments.map(|raw| raw.to_string()).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_correct_file_is_accepted() {
    for text in [CLAIM, REMITTANCE] {
        let answers = answer(text);
        assert_eq!((answers.interchange.result.as_str(), answers.interchange.note.as_str()), ("A", "000"));
        let group = &answers.groups[0];
        assert_eq!((group.result.as_str(), group.received, group.accepted), ("A", 1, 1));
        assert_eq!(group.sets[0].result, "A");
    }
}

#[test]
fn errors_are_answered_with_their_places() {
    let text = CLAIM.replace("DENVER*CO*80203", "DENVER*COLO*80203").replace("REF*6R*C1L1", "ZZZ*1");
    let answers = answer(&text);
    let expected = "ST*999*0001*005010X231A1
AK1*HC*101*005010X222A1
AK2*837*0001*005010X222A1
IK3*N4*16*2010*8
IK4*2**5*COLO
IK3*ZZZ*26*2400*1
IK5*R*5
AK9*R*1*1*0
SE*9*0001";
    assert_eq!(text_of(&answers), expected);
    assert_eq!(answers.interchange.result, "A");
}

#[test]
fn warnings_are_accepted_with_errors_named() {
    let answers = answer(&CLAIM.replace("XX*1245319599", "XX*1245319590"));
    let set = &answers.groups[0].sets[0];
    assert_eq!((set.result.as_str(), set.errors.len()), ("E", 1));
    assert_eq!(answers.groups[0].result, "E");
    assert_eq!(answers.groups[0].accepted, 1);
}

#[test]
fn broken_envelopes_are_rejected() {
    for (old, new, result, note) in [
        ("IEA*1*000000101", "IEA*1*000000102", "R", "001"),
        ("IEA*1*000000101", "IEA*3*000000101", "R", "021"),
        ("IEA*1*000000101~\n", "", "R", "023"),
    ] {
        let answers = answer(&CLAIM.replace(old, new));
        assert_eq!((answers.interchange.result.as_str(), answers.interchange.note.as_str()), (result, note));
    }
    let answers = answer(&CLAIM.replace("GE*1*101", "GE*1*102"));
    assert_eq!(
        (answers.groups[0].result.as_str(), answers.groups[0].codes.as_slice()),
        ("R", &["4".to_owned()][..])
    );
    let answers = answer(&CLAIM.replace("SE*31*0001", "SE*3*0001"));
    let set = &answers.groups[0].sets[0];
    assert_eq!((set.result.as_str(), set.codes.as_slice()), ("R", &["4".to_owned()][..]));
}

#[test]
fn answers_are_correct_files_and_are_read_again() {
    let text = CLAIM.replace("DENVER*CO*80203", "DENVER*COLO*80203").replace("1***1:2~", "1***1:3~");
    let answers = answer(&text);
    let file = written(&answers);
    assert_eq!(findings(&file), []);
    let mut read = Vec::new();
    each_tree(&file, |tree| read.extend(Acknowledgement::read(tree)));
    assert_eq!(read, answers.groups);
}

#[test]
fn a_delimiter_in_a_value_is_refused_with_its_place() {
    let mut answers = answer(CLAIM);
    answers.interchange.note = "0~0".into();
    let set = [answers.interchange.write()];
    let refused = crate::compose::write_segments(&set, Delimiters::default()).expect_err("a tilde");
    assert_eq!(refused.place.expression(), "TA1[1]-05");
}

/// A claim acknowledgement: C4 rejected, C5 taken in.
const STATUS: &str = "ISA*00*          *00*          *ZZ*PAYER2         *ZZ*CEDAR          *260121*0200*^*00501*000000301*0*T*:~
GS*HN*PAYER2*CEDAR*20260121*0200*301*X*005010X214~
ST*277*0001*005010X214~
BHT*0085*08*ACK1*20260121*0200*TH~
HL*1**20*1~
NM1*PR*2*SUMMIT HEALTH*****PI*PAYER2~
TRN*1*T301~
DTP*050*D8*20260120~
DTP*009*D8*20260121~
HL*2*1*21*1~
NM1*41*2*CEDAR CLINIC*****46*CEDAR~
TRN*2*B101~
STC*A1:19:PR*20260121*WQ*350~
QTY*90*1~
QTY*AA*1~
HL*3*2*19*1~
NM1*85*2*CEDAR CLINIC*****XX*1234567893~
HL*4*3*PT~
NM1*QC*1*FERN*ADA****MI*M100~
TRN*2*C4~
STC*A7:562:85*20260121*U*150********NPI NOT ON FILE~
REF*1K*P2-4~
DTP*472*D8*20260108~
TRN*2*C5~
STC*A2:20*20260121*WQ*200~
DTP*472*D8*20260109~
SE*25*0001~
GE*1*301~
IEA*1*000000301~
";

#[test]
fn a_claim_acknowledgement_says_what_was_rejected() {
    use crate::Decimal;
    use crate::model::{Acceptance, StatusReport};
    assert_eq!(findings(STATUS.as_bytes()), []);
    let mut report = None;
    each_tree(STATUS.as_bytes(), |tree| report = StatusReport::read(tree));
    let report = report.expect("a 277CA");
    assert_eq!(report.batch.as_deref(), Some("B101"));
    assert_eq!(report.quantities.len(), 2);
    let claims: Vec<_> = report.claims().map(|(_, c)| (c.id.as_str(), c.acceptance())).collect();
    assert_eq!(claims, [("C4", Acceptance::Rejected), ("C5", Acceptance::Accepted)]);
    let (patient, claim) = report.claims().next().expect("a claim");
    assert_eq!(patient.patient.name, "FERN");
    let status = &claim.statuses[0];
    assert_eq!(status.codes, [("A7".to_owned(), "562".to_owned(), Some("85".to_owned()))]);
    assert_eq!(
        (status.message.as_deref(), status.amount),
        (Some("NPI NOT ON FILE"), Some(Decimal::from(150)))
    );
    assert_eq!(claim.reference("1K"), Some("P2-4"));
}
