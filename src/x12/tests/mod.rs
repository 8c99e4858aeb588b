//! Tests over whole files: the public examples, broken ones, random ones, and those of a practice.

mod answers;
mod broken;
mod cedar;
pub(crate) mod corpus;
mod property;

use crate::{Document, Finding, Level, Raw, Tree, check, guide_of};

/// A correct professional claim with delimiters that can be replaced.
pub(crate) const CLAIM: &str = "ISA*00*          *00*          *ZZ*CEDAR          *ZZ*PAYER2         *260108*0930*^*00501*000000101*0*T*:~
GS*HC*CEDAR*PAYER2*20260108*0930*101*X*005010X222A1~
ST*837*0001*005010X222A1~
BHT*0019*00*B101*20260108*0930*CH~
NM1*41*2*CEDAR CLINIC*****46*CEDAR~
PER*IC*BILLING*TE*3035550100~
NM1*40*2*SUMMIT HEALTH*****46*PAYER2~
HL*1**20*1~
PRV*BI*PXC*207Q00000X~
NM1*85*2*CEDAR CLINIC*****XX*1234567893~
N3*12 CEDAR STREET~
N4*DENVER*CO*802020001~
REF*EI*841234567~
HL*2*1*22*0~
SBR*P*18*G77*SUMMIT GOLD*****CI~
NM1*IL*1*FERN*ADA****MI*M100~
N3*5 OAK ROAD~
N4*DENVER*CO*80203~
DMG*D8*19800214*F~
NM1*PR*2*SUMMIT HEALTH*****PI*PAYER2~
CLM*C1*200***11:B:1*Y*A*Y*Y~
HI*ABK:J029*ABF:R509~
NM1*82*1*MOSS*IVAN****XX*1245319599~
PRV*PE*PXC*207Q00000X~
LX*1~
SV1*HC:99213:25*120*UN*1***1:2~
DTP*472*D8*20260105~
REF*6R*C1L1~
LX*2~
SV1*HC:87880*80*UN*1***1~
DTP*472*D8*20260105~
REF*6R*C1L2~
SE*31*0001~
GE*1*101~
IEA*1*000000101~
";

/// A correct remittance that pays that claim.
pub(crate) const REMITTANCE: &str = "ISA*00*          *00*          *ZZ*PAYER2         *ZZ*CEDAR          *260121*0200*^*00501*000000201*0*T*:~
GS*HP*PAYER2*CEDAR*20260121*0200*201*X*005010X221A1~
ST*835*0001~
BPR*I*95*C*ACH*CCP*01*111000025*DA*123456*1512345678**01*222000111*DA*987654*20260121~
TRN*1*EFT1001*1512345678~
DTM*405*20260120~
N1*PR*SUMMIT HEALTH*XV*PAYER2~
N3*1 SUMMIT PLAZA~
N4*DENVER*CO*80202~
PER*BL*EDI*TE*3035550199~
N1*PE*CEDAR CLINIC*XX*1234567893~
REF*TJ*841234567~
LX*1~
CLP*C1*1*200*120*30*12*P2-778*11*1~
NM1*QC*1*FERN*ADA****MI*M100~
SVC*HC:99213:25*120*70**1~
DTM*472*20260105~
CAS*CO*45*30~
CAS*PR*2*20~
REF*6R*C1L1~
AMT*B6*90~
SVC*HC:87880*80*50**1~
DTM*472*20260105~
CAS*CO*45*20~
CAS*PR*2*10~
REF*6R*C1L2~
AMT*B6*60~
LQ*HE*N130~
PLB*1234567893*20261231*WO:OLD25*25~
SE*28*0001~
GE*1*201~
IEA*1*000000201~
";

/// All findings of a file, in the order of envelopes and sets.
pub(crate) fn findings(text: &[u8]) -> Vec<Finding> {
    let document = Document::parse(text);
    let sets: Vec<Finding> =
        document.transactions().flat_map(|set| check(set.transaction, Level::Situation)).collect();
    let mut all = document.findings.clone().into_sorted();
    all.extend(sets);
    all
}

/// Calls `each` with the tree of every set that a guide reads.
pub(crate) fn each_tree(text: &[u8], mut each: impl FnMut(&Tree<'_, '_>)) {
    let document = Document::parse(text);
    for set in document.transactions() {
        if let Ok(guide) = guide_of(set.transaction) {
            each(&Tree::build(set.transaction, guide));
        }
    }
}

/// Segments ST to SE of a tree, without what may be written in two ways.
pub(crate) fn canonical(segments: impl IntoIterator<Item = Raw>) -> Vec<String> {
    let mut all: Vec<String> = segments.into_iter().flat_map(|raw| one(&raw)).collect();
    all.sort();
    all
}

/// One reason for each CAS; numbers without zeros behind; the count of SE left out.
fn one(raw: &Raw) -> Vec<String> {
    let number = |text: &str| {
        let plain = !text.starts_with('0') || text.contains('.');
        let value = crate::value::decimal(text.as_bytes()).filter(|_| plain && text.contains('.'));
        value.map_or_else(|| text.to_owned(), crate::value::write_decimal)
    };
    let text = |raw: &Raw| {
        let elements =
            (1..=raw.len()).map(|n| raw.composite(n).iter().map(|c| number(c)).collect::<Vec<_>>());
        let joined: Vec<String> = elements.map(|parts| parts.join(":")).collect();
        format!("{}*{}", raw.id(), joined.join("*"))
    };
    match raw.id() {
        "SE" => vec!["SE".into()],
        "CAS" => (2..=17)
            .step_by(3)
            .filter(|n| !raw.element(*n).is_empty())
            .map(|n| {
                let quantity = raw.element(n + 2);
                format!(
                    "CAS*{}*{}*{}*{}",
                    raw.element(1),
                    raw.element(n),
                    number(raw.element(n + 1)),
                    number(quantity)
                )
            })
            .collect(),
        _ => vec![text(raw)],
    }
}
