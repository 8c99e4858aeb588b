//! X12: how fast a large file is read, how fast claims come in as 837, and how fast the remittances on
//! them are posted. Every answer is checked by what it says was posted.

use super::phases::Bench;
use super::table::Row;
use super::views::timed;
use bytes::Bytes;
use hyper::Method;
use remit_fhir::{Error, Result, base64};
use remit_x12::throughput::{measure, remittances};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Bytes of the file that is read.
const PARSED: usize = 100_000_000;

/// Claims of one file, as a payer's remittance of a day may have.
const CLAIMS: usize = 1_000;

impl Bench {
    /// Reading alone, then claims in and their remittances, `files` files of each.
    pub(super) async fn x12(&self, files: usize) -> Result<Vec<Row>> {
        let mut rows = tokio::task::spawn_blocking(read).await.map_err(Error::internal)?;
        let (mut sent, mut posted) = (Vec::new(), Vec::new());
        for n in 0..files {
            sent.push(self.file("$process-x12", "content", &claims(n), "Claim", CLAIMS).await?);
        }
        for n in 0..files {
            let file = remittance(n);
            posted
                .push(self.file("$process-remittance", "remittance", &file, "ClaimResponse", CLAIMS).await?);
        }
        rows.push(timed("837, claims", files * CLAIMS, &sent));
        rows.push(timed("835 posting, claims", files * CLAIMS, &posted));
        Ok(rows)
    }

    /// Sends a file; its answer must name so many resources of a type as created.
    async fn file(&self, path: &str, name: &str, text: &str, ty: &str, count: usize) -> Result<Duration> {
        let binary = json!({ "resourceType": "Binary", "contentType": "application/EDI-X12",
            "data": base64::encode(text.as_bytes()) });
        let body =
            json!({ "resourceType": "Parameters", "parameter": [{ "name": name, "resource": binary }] });
        let body = Bytes::from(body.to_string());
        let begun = Instant::now();
        let answer = self.ask(Method::POST, path, body, 200).await?;
        let took = begun.elapsed();
        let answer: Value = serde_json::from_slice(&answer).map_err(Error::internal)?;
        let entries = answer["entry"].as_array().into_iter().flatten();
        let of_type = |entry: &&Value| {
            let location = entry["response"]["location"].as_str().unwrap_or_default();
            location.starts_with(ty)
                && location[ty.len()..].starts_with('/')
                && entry["response"]["status"] == "201 Created"
        };
        let found = entries.filter(of_type).count();
        match found == count {
            true => Ok(took),
            false => Err(Error::unprocessable(format!("{path} made {found} of {count} {ty} resources."))),
        }
    }
}

/// Megabytes a second of each step of reading, on one core.
fn read() -> Vec<Row> {
    let text = remittances(PARSED);
    let megabytes = text.len() as f64 / 1e6;
    let speed = measure(&text);
    let row = |name: &str, per_s: f64| {
        let ms = megabytes / per_s * 1e3;
        Row { name: name.to_owned(), per_s, p50_ms: ms, p95_ms: ms, p99_ms: ms, wrong: 0, fault: None }
    };
    vec![
        row("X12 scan, MB", speed.scan),
        row("X12 parse, MB", speed.parse),
        row("X12 parse+check, MB", speed.check),
        row("X12 parse+model, MB", speed.model),
    ]
}

/// An interchange of one set.
fn interchange(n: usize, kind: [&str; 3], sides: [&str; 2], body: &str) -> String {
    let [group, set, version] = kind;
    let [sender, receiver] = sides;
    let control = n + 1;
    let convention = if set == "837" { format!("*{version}") } else { String::new() };
    format!(
        "ISA*00*          *00*          *ZZ*{sender:<15}*ZZ*{receiver:<15}*260121*0200*^*00501*{control:09}*0*P*:~\
         GS*{group}*{sender}*{receiver}*20260121*0200*{control}*X*{version}~ST*{set}*0001{convention}~{body}\
         SE*{}*0001~GE*1*{control}~IEA*1*{control:09}~",
        body.matches('~').count() + 2,
    )
}

/// Claims of `LINES` lines, each of a patient of its own.
fn claims(n: usize) -> String {
    let mut body = format!(
        "BHT*0019*00*BATCH{n}*20260107*0930*CH~NM1*41*2*BENCH CLINIC*****46*BENCH~PER*IC*BILLING*TE*3035550100~\
         NM1*40*2*BENCH PAYER*****46*BENCHPAYER~HL*1**20*1~NM1*85*2*BENCH CLINIC*****XX*1234567893~\
         N3*1 BENCH STREET~N4*DENVER*CO*802020001~REF*EI*841234567~"
    );
    for claim in 0..CLAIMS {
        let (level, day) = (claim + 2, 1 + claim % 28);
        body += &format!(
            "HL*{level}*1*22*0~SBR*P*18*******CI~NM1*IL*1*FAMILY{claim}*GIVEN****MI*M{n}-{claim}~N3*5 OAK ROAD~\
             N4*DENVER*CO*80203~DMG*D8*198002{day:02}*F~NM1*PR*2*BENCH PAYER*****PI*BENCHPAYER~\
             CLM*C{n}-{claim}*200***11:B:1*Y*A*Y*Y~HI*ABK:J029~NM1*82*1*MOSS*IVAN****XX*1245319599~\
             LX*1~SV1*HC:99213*120*UN*1***1~DTP*472*D8*20260105~REF*6R*{claim}L1~\
             LX*2~SV1*HC:87880*80*UN*1***1~DTP*472*D8*20260105~REF*6R*{claim}L2~"
        );
    }
    interchange(n, ["HC", "837", "005010X222A1"], ["BENCH", "BENCHPAYER"], &body)
}

/// What is paid for these claims.
fn remittance(n: usize) -> String {
    let mut body = format!(
        "BPR*I*{}*C*CHK************20260121~TRN*1*EFT{n}*1512345678~DTM*405*20260121~\
         N1*PR*BENCH PAYER*XV*BENCHPAYER~N3*1 PLAZA~N4*DENVER*CO*80202~PER*BL*EDI*TE*3035550199~\
         N1*PE*BENCH CLINIC*XX*1234567893~REF*TJ*841234567~LX*1~",
        120 * CLAIMS
    );
    for claim in 0..CLAIMS {
        body += &format!(
            "CLP*C{n}-{claim}*1*200*120*30*12*P{n}-{claim}*11*1~NM1*QC*1*FAMILY{claim}*GIVEN****MI*M{n}-{claim}~\
             SVC*HC:99213*120*70**1~DTM*472*20260105~CAS*CO*45*30~CAS*PR*2*20~REF*6R*{claim}L1~AMT*B6*90~\
             SVC*HC:87880*80*50**1~DTM*472*20260105~CAS*CO*45*20~CAS*PR*2*10~REF*6R*{claim}L2~AMT*B6*60~LQ*HE*N130~"
        );
    }
    interchange(n, ["HP", "835", "005010X221A1"], ["BENCHPAYER", "BENCH"], &body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use remit_x12::{Document, Level, check};

    #[test]
    fn the_files_are_sound() {
        for text in [claims(0), remittance(0)] {
            let document = Document::parse(text.as_bytes());
            assert!(document.findings.list().is_empty(), "{:?}", document.findings.list());
            let found: Vec<_> =
                document.transactions().flat_map(|one| check(one.transaction, Level::Situation)).collect();
            assert!(found.is_empty(), "{:?}", found.first());
            assert_eq!(text.matches("~LX*").count().max(text.matches("~SVC*").count()), 2 * CLAIMS);
        }
    }
}
