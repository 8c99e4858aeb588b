//! How fast this machine reads X12: a made-up file of any size, and the speed of each step over it.

use std::io::Write;
use std::time::Instant;

use crate::document::{Document, for_each_part};
use crate::finding::Level;
use crate::model::{ClaimSet, Remittance};
use crate::parts::Part;
use crate::tree::{Tree, guide_of};

/// Claims of one transaction set; guides advise at most 5,000.
const CLAIMS_PER_SET: usize = 5_000;

/// Megabytes a second of each step, alone on one core.
#[derive(Clone, Copy, Debug)]
pub struct Speed {
    /// Segments and envelopes.
    pub scan: f64,
    /// Segments, envelopes and the loops of every set.
    pub parse: f64,
    /// The same with all checks to SNIP 4.
    pub check: f64,
    /// Parse and typed models.
    pub model: f64,
    /// Claims read a second with their models.
    pub claims: f64,
}

/// A remittance file of at least `bytes` bytes: claims of two lines each, balanced.
pub fn remittances(bytes: usize) -> Vec<u8> {
    let mut text = Vec::with_capacity(bytes + 4_000_000);
    text.extend(
        b"ISA*00*          *00*          *ZZ*PAYER          *ZZ*PRACTICE       *260121*0200*^*00501*000000201*0*T*:~\
          GS*HP*PAYER*PRACTICE*20260121*0200*201*X*005010X221A1~",
    );
    let mut sets = 0;
    while text.len() < bytes {
        sets += 1;
        remittance(&mut text, sets);
    }
    text.extend(format!("GE*{sets}*201~IEA*1*000000201~").into_bytes());
    text
}

fn remittance(text: &mut Vec<u8>, number: usize) {
    let paid = 120 * CLAIMS_PER_SET;
    let mut put = |part: String| text.extend(part.into_bytes());
    put(format!(
        "ST*835*{number:04}~BPR*I*{paid}*C*CHK************20260121~TRN*1*EFT{number}*1512345678~\
         DTM*405*20260120~N1*PR*SUMMIT HEALTH*XV*PAYER2~N3*1 SUMMIT PLAZA~N4*DENVER*CO*80202~\
         PER*BL*EDI*TE*3035550199~N1*PE*CEDAR CLINIC*XX*1234567893~REF*TJ*841234567~LX*1~"
    ));
    for claim in 0..CLAIMS_PER_SET {
        put(format!(
            "CLP*C{number}-{claim}*1*200*120*30*12*P{claim}*11*1~NM1*QC*1*FERN*ADA****MI*M{claim}~\
             SVC*HC:99213:25*120*70**1~DTM*472*20260105~CAS*CO*45*30~CAS*PR*2*20~REF*6R*L1~AMT*B6*90~\
             SVC*HC:87880*80*50**1~DTM*472*20260105~CAS*CO*45*20~CAS*PR*2*10~REF*6R*L2~AMT*B6*60~LQ*HE*N130~"
        ));
    }
    put(format!("SE*{}*{number:04}~", 12 + 15 * CLAIMS_PER_SET));
}

/// Calls `each` with every set of a file.
fn each_set(text: &[u8], mut each: impl FnMut(&Tree<'_, '_>)) {
    for_each_part(text, |event| {
        if let Part::Transaction(set) = &event.part
            && let Ok(guide) = guide_of(set)
        {
            each(&Tree::build(set, guide));
        }
    });
}

/// Measures one file, once.
pub fn measure(text: &[u8]) -> Speed {
    let megabytes = text.len() as f64 / 1e6;
    let timed = |step: &mut dyn FnMut()| {
        let start = Instant::now();
        step();
        start.elapsed().as_secs_f64()
    };
    let scan = timed(&mut || {
        std::hint::black_box(Document::parse(text));
    });
    let parse = timed(&mut || {
        each_set(text, |tree| {
            std::hint::black_box(tree.root());
        });
    });
    let check = timed(&mut || {
        each_set(text, |tree| drop(std::hint::black_box(crate::check_tree(tree, Level::Situation))));
    });
    let mut claims = 0;
    let model = timed(&mut || {
        each_set(text, |tree| {
            claims += Remittance::read(tree).map_or(0, |remittance| remittance.claims.len());
            claims += ClaimSet::read(tree).map_or(0, |set| set.claims.len());
        });
    });
    Speed {
        scan: megabytes / scan,
        parse: megabytes / parse,
        check: megabytes / check,
        model: megabytes / model,
        claims: claims as f64 / model,
    }
}

impl Speed {
    /// A line for people.
    pub fn print(&self, out: &mut impl Write) -> std::io::Result<()> {
        writeln!(
            out,
            "scan {:.0} MB/s, parse {:.0} MB/s, parse and check {:.0} MB/s, parse and model {:.0} MB/s ({:.0} claims/s)",
            self.scan, self.parse, self.check, self.model, self.claims
        )
    }
}
