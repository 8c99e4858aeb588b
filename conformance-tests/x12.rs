//! X12 into the record: a practice's claims, acknowledgements and remittances as files, in any order,
//! twice, and twice at once.

use crate::database::Database;
use crate::http::Client;
use crate::server::Server;
use rust_decimal::Decimal;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// A file of one interchange and one set.
pub(crate) struct File<'f> {
    pub(crate) sender: &'f str,
    pub(crate) receiver: &'f str,
    pub(crate) control: u32,
    /// Functional group, set and version.
    pub(crate) kind: [&'f str; 3],
    pub(crate) day: String,
    /// Segments between ST and SE.
    pub(crate) body: Vec<String>,
}

impl File<'_> {
    pub(crate) fn text(&self) -> String {
        let [group, set, version] = self.kind;
        let (day, control) = (&self.day, self.control);
        let short = &day[2..];
        let count = self.body.len() + 2;
        let body: String = self.body.iter().map(|segment| format!("{segment}~\n")).collect();
        let version_of_set = if set == "835" { String::new() } else { format!("*{version}") };
        format!(
            "ISA*00*          *00*          *ZZ*{:<15}*ZZ*{:<15}*{short}*0930*^*00501*{control:09}*0*P*:~\n\
             GS*{group}*{}*{}*{day}*0930*{control}*X*{version}~\nST*{set}*0001{version_of_set}~\n{body}\
             SE*{count}*0001~\nGE*1*{control}~\nIEA*1*{control:09}~\n",
            self.sender, self.receiver, self.sender, self.receiver
        )
    }
}

pub(crate) fn binary(text: &str) -> Value {
    let data = remit_fhir::base64::encode(text.as_bytes());
    json!({ "resourceType": "Binary", "contentType": "application/EDI-X12", "data": data })
}

fn parameters(name: &str, text: &str) -> Value {
    json!({ "resourceType": "Parameters", "parameter": [{ "name": name, "resource": binary(text) }] })
}

pub(crate) fn process(client: &mut Client, text: &str, status: u16) -> Value {
    client.post("$process-x12", &parameters("content", text)).expect(status).json()
}

/// The locations of an answer, without versions.
fn locations(answer: &Value) -> BTreeSet<String> {
    let entries = answer["entry"].as_array().into_iter().flatten();
    let places = entries.filter_map(|entry| entry["response"]["location"].as_str());
    places.map(|place| place.split("/_history").next().unwrap_or_default().to_owned()).collect()
}

fn count(client: &mut Client, query: &str) -> u64 {
    let join = if query.contains('?') { "&" } else { "?" };
    let answer = client.get(&format!("{query}{join}_summary=count")).expect(200).json();
    answer["total"].as_u64().expect("a total")
}

/// A claim of Cedar Clinic: number, patient, payer, day of service and of sending, charge, frequency,
/// number that it follows.
struct Sent<'s>(&'s str, u32, &'s str, &'s str, &'s str, &'s [&'s str], &'s str, &'s str);

const PAYERS: [(&str, &str); 3] = [("P1", "ALPINE MUTUAL"), ("P2", "SUMMIT HEALTH"), ("P3", "PEAK CARE")];

fn payer_name(id: &str) -> &'static str {
    PAYERS.iter().find(|one| one.0 == id).map_or("", |one| one.1)
}

fn claim(sent: &Sent<'_>, control: u32) -> File<'static> {
    let Sent(number, patient, payer, service, day, charges, frequency, follows) = *sent;
    let total: Decimal = charges.iter().map(|charge| charge.parse::<Decimal>().expect("money")).sum();
    let name = payer_name(payer);
    let is_second = payer == "P3";
    let mut body = vec![
        format!("BHT*0019*00*B{number}*{day}*0930*CH"),
        "NM1*41*2*CEDAR CLINIC*****46*CEDAR".into(),
        "PER*IC*BILLING*TE*3035550100".into(),
        format!("NM1*40*2*{name}*****46*{payer}"),
        "HL*1**20*1".into(),
        "NM1*85*2*CEDAR CLINIC*****XX*1234567893".into(),
        "N3*12 CEDAR STREET".into(),
        "N4*DENVER*CO*802020001".into(),
        "REF*EI*841234567".into(),
        "HL*2*1*22*0".into(),
        format!("SBR*{}*18*******CI", if is_second { "S" } else { "P" }),
        format!("NM1*IL*1*FERN{patient}*ADA****MI*{payer}M{patient}"),
        "N3*5 OAK ROAD".into(),
        "N4*DENVER*CO*80203".into(),
        "DMG*D8*19800214*F".into(),
        format!("NM1*PR*2*{name}*****PI*{payer}"),
        format!("CLM*{number}*{total}***11:B:{frequency}*Y*A*Y*Y"),
    ];
    if !follows.is_empty() {
        body.push(format!("REF*F8*{follows}"));
    }
    body.push("HI*ABK:J029".into());
    body.push("NM1*82*1*MOSS*IVAN****XX*1245319599".into());
    if is_second {
        body.extend([
            "SBR*P*18*******CI".to_owned(),
            "AMT*D*240".to_owned(),
            "OI***Y***Y".to_owned(),
            format!("NM1*IL*1*FERN{patient}*ADA****MI*P1M{patient}"),
            "NM1*PR*2*ALPINE MUTUAL*****PI*P1".to_owned(),
        ]);
    }
    for (n, charge) in charges.iter().enumerate() {
        let line = n + 1;
        body.extend([
            format!("LX*{line}"),
            format!("SV1*HC:9921{line}*{charge}*UN*1***1"),
            format!("DTP*472*D8*{service}"),
            format!("REF*6R*{number}L{line}"),
        ]);
    }
    let receiver = PAYERS.iter().find(|one| one.0 == payer).map_or("", |one| one.0);
    let day = day.to_owned();
    File { sender: "CEDAR", receiver, control, kind: ["HC", "837", "005010X222A1"], day, body }
}

/// A decision: number, status, payer's number, patient's share, and for each line charge, paid and CAS.
struct Decided<'d>(&'d str, &'d str, &'d str, &'d str, &'d [(&'d str, &'d str, &'d [&'d str])]);

fn remittance(
    payer: &'static str,
    day: &'static str,
    control: u32,
    paid: &str,
    all: &[Decided<'_>],
    plb: &str,
) -> File<'static> {
    let name = payer_name(payer);
    let mut body = vec![
        format!("BPR*I*{paid}*C*CHK************{day}"),
        format!("TRN*1*EFT{control}*1{payer}5678901"),
        format!("DTM*405*{day}"),
        format!("N1*PR*{name}*XV*{payer}"),
        "N3*1 PLAZA".into(),
        "N4*DENVER*CO*80202".into(),
        "PER*BL*EDI*TE*3035550199".into(),
        "N1*PE*CEDAR CLINIC*XX*1234567893".into(),
        "REF*TJ*841234567".into(),
        "LX*1".into(),
    ];
    for Decided(number, status, own, share, lines) in all {
        let sum = |n: usize| -> Decimal {
            let of = |line: &(&str, &str, &[&str])| [line.0, line.1][n].parse::<Decimal>().expect("money");
            lines.iter().map(of).sum()
        };
        body.push(format!("CLP*{number}*{status}*{}*{}*{share}*12*{own}*11*1", sum(0), sum(1)));
        body.push("NM1*QC*1*FERN*ADA".into());
        for (n, (charge, paid, reasons)) in lines.iter().enumerate() {
            let line = n + 1;
            body.push(format!("SVC*HC:9921{line}*{charge}*{paid}**1"));
            body.extend(reasons.iter().map(|reason| format!("CAS*{reason}")));
            body.push(format!("REF*6R*{number}L{line}"));
        }
    }
    if !plb.is_empty() {
        body.push(format!("PLB*1234567893*20261231*{plb}"));
    }
    File {
        sender: payer,
        receiver: "CEDAR",
        control,
        kind: ["HP", "835", "005010X221A1"],
        day: day.to_owned(),
        body,
    }
}

/// C4 was rejected.
fn rejection() -> File<'static> {
    let body = [
        "BHT*0085*08*ACK4*20260121*0200*TH",
        "HL*1**20*1",
        "NM1*PR*2*SUMMIT HEALTH*****PI*P2",
        "TRN*1*T301",
        "DTP*050*D8*20260121",
        "DTP*009*D8*20260121",
        "HL*2*1*21*1",
        "NM1*41*2*CEDAR CLINIC*****46*CEDAR",
        "TRN*2*BC4",
        "STC*A1:19:PR*20260121*WQ*150",
        "HL*3*2*19*1",
        "NM1*85*2*CEDAR CLINIC*****XX*1234567893",
        "HL*4*3*PT",
        "NM1*QC*1*FERN4*ADA****MI*P2M4",
        "TRN*2*C4",
        "STC*A7:562:85*20260121*U*150********BILLING PROVIDER NPI",
    ];
    File {
        sender: "P2",
        receiver: "CEDAR",
        control: 900,
        kind: ["HN", "277", "005010X214"],
        day: "20260121".to_owned(),
        body: body.iter().map(|segment| (*segment).to_owned()).collect(),
    }
}

/// The claims of the Cedar Clinic in the order of their sending.
const SENT: [Sent<'_>; 14] = [
    Sent("C1", 1, "P2", "20260105", "20260107", &["200"], "1", ""),
    Sent("C2", 2, "P2", "20260106", "20260108", &["300"], "1", ""),
    Sent("C3", 3, "P1", "20260107", "20260109", &["300", "200"], "1", ""),
    Sent("C6", 6, "P2", "20260113", "20260115", &["250"], "1", ""),
    Sent("C5", 5, "P1", "20260112", "20260114", &["400"], "1", ""),
    Sent("C7", 7, "P1", "20260115", "20260116", &["0"], "1", ""),
    Sent("C6V", 6, "P2", "20260113", "20260119", &["250"], "8", "C6"),
    Sent("C4", 4, "P2", "20260108", "20260120", &["150"], "1", ""),
    Sent("C8", 8, "P2", "20260120", "20260122", &["600"], "1", ""),
    Sent("C4", 4, "P2", "20260108", "20260123", &["150"], "1", ""),
    Sent("C3S", 3, "P3", "20260107", "20260126", &["300", "200"], "1", ""),
    Sent("C9", 9, "P1", "20260126", "20260128", &["800"], "1", ""),
    Sent("C10", 10, "P2", "20260130", "20260131", &["180"], "1", ""),
    Sent("C5R", 5, "P1", "20260112", "20260205", &["420"], "7", "P1-5"),
];

/// The files of Cedar Clinic in the order of their days.
fn cedar() -> Vec<String> {
    let mut files: Vec<File<'_>> =
        SENT.iter().enumerate().map(|(n, one)| claim(one, 100 + u32::try_from(n).expect("few"))).collect();
    files.push(rejection());
    let e1: &[(&str, &str, &[&str])] = &[("200", "120", &["CO*45*50", "PR*2*30"])];
    files.push(remittance("P2", "20260121", 201, "120", &[Decided("C1", "1", "P2-1", "30", e1)], ""));
    files.push(remittance(
        "P2",
        "20260123",
        202,
        "0",
        &[Decided("C2", "1", "P2-2", "", &[("300", "0", &["CO*197*300"])])],
        "",
    ));
    let e3: &[(&str, &str, &[&str])] =
        &[("300", "200", &["CO*45*60", "PR*1*40"]), ("200", "0", &["CO*50*200"])];
    files.push(remittance("P1", "20260124", 203, "200", &[Decided("C3", "19", "P1-3", "40", e3)], ""));
    files.push(remittance(
        "P1",
        "20260130",
        204,
        "0",
        &[Decided("C5", "1", "P1-5", "", &[("400", "0", &["CO*16*400"])])],
        "",
    ));
    files.push(remittance(
        "P1",
        "20260131",
        205,
        "0",
        &[Decided("C7", "1", "P1-7", "", &[("0", "0", &[])])],
        "",
    ));
    let e4: &[(&str, &str, &[&str])] = &[("150", "100", &["CO*45*30", "PR*3*20"])];
    files.push(remittance(
        "P2",
        "20260206",
        206,
        "75",
        &[Decided("C4", "1", "P2-4", "20", e4)],
        "WO:OLD25*25",
    ));
    let e8: &[(&str, &str, &[&str])] = &[("600", "350", &["CO*45*150", "PR*1*100"])];
    files.push(remittance("P2", "20260208", 207, "350", &[Decided("C8", "1", "P2-8", "100", e8)], ""));
    let e3s: &[(&str, &str, &[&str])] = &[("300", "40", &["OA*23*260"]), ("200", "0", &["OA*23*200"])];
    files.push(remittance("P3", "20260212", 208, "40", &[Decided("C3S", "2", "P3-3", "", e3s)], ""));
    files.push(remittance(
        "P2",
        "20260218",
        209,
        "0",
        &[Decided("C10", "1", "P2-10", "", &[("180", "0", &["CO*96*180"])])],
        "",
    ));
    let e5: &[(&str, &str, &[&str])] = &[("420", "256", &["CO*45*100", "PR*2*64"])];
    files.push(remittance("P1", "20260220", 210, "256", &[Decided("C5R", "1", "P1-55", "64", e5)], ""));
    let appealed = [
        Decided("C2", "22", "P2-2", "", &[("-300", "0", &["CO*197*-300"])]),
        Decided("C2", "1", "P2-22", "", &[("300", "220", &["CO*45*80"])]),
    ];
    files.push(remittance("P2", "20260302", 211, "220", &appealed, ""));
    files.iter().map(File::text).collect()
}

/// Numerator and denominator of the gross collection rate of January.
fn collected(client: &mut Client) -> (String, String) {
    let query = "Measure/rcm-gross-collection-rate/$evaluate-measure?periodStart=2026-01-01&periodEnd=2026-01-31&asOf=2026-03-31";
    let report = client.get(query).expect(200).json();
    let money = |name: &str| {
        let populations = report["group"][0]["population"].as_array().into_iter().flatten();
        let of_name = populations.filter(|one| one["code"]["coding"][0]["code"] == name);
        let quantity = of_name.flat_map(|one| one["extension"].as_array().into_iter().flatten());
        let mut values =
            quantity.filter_map(|one| one["valueMoney"]["value"].as_number().map(ToString::to_string));
        values.next_back().unwrap_or_else(|| panic!("no {name} in {report}"))
    };
    (money("numerator"), money("denominator"))
}

fn resources(client: &mut Client, query: &str) -> Vec<Value> {
    let bundle = client.get(query).expect(200).json();
    bundle["entry"].as_array().into_iter().flatten().map(|entry| entry["resource"].clone()).collect()
}

#[test]
fn a_practice_comes_in_as_files_in_any_order() {
    for database in Database::both() {
        let files = cedar();
        let backwards: Vec<String> = files.iter().rev().cloned().collect();
        for (n, order) in [files, backwards].into_iter().enumerate() {
            let another = if n == 0 { None } else { Database::new(database.kind()) };
            let server = Server::start(another.as_ref().unwrap_or(&database), &[]);
            let mut client = server.client();
            for file in &order {
                process(&mut client, file, 200);
            }
            assert_eq!(collected(&mut client), ("1286.00".to_owned(), "3150.00".to_owned()), "{n}");
            assert_eq!(count(&mut client, "Patient"), 10);
            assert_eq!(count(&mut client, "ClaimResponse?outcome=error"), 1);
            assert_eq!(count(&mut client, "PaymentReconciliation"), 11);
            let secondary = resources(&mut client, "Claim?identifier=C3S");
            let insurance = &secondary[0]["insurance"];
            assert!(insurance[0]["claimResponse"]["reference"].is_string(), "{n}: {insurance}");
            assert_eq!((&insurance[0]["focal"], &insurance[1]["focal"]), (&json!(false), &json!(true)));
            for (number, original) in [("C5R", "C5"), ("C6V", "C6")] {
                let claims = resources(&mut client, &format!("Claim?identifier={number}"));
                let found = resources(&mut client, &format!("Claim?identifier={original}"));
                let expected = format!("Claim/{}", found[0]["id"].as_str().expect("an id"));
                assert_eq!(claims[0]["related"][0]["claim"]["reference"], expected, "{n} {number}");
            }
            let waiting = count(&mut client, "ClaimResponse?_tag=awaits-claim");
            assert_eq!(waiting, 0, "{n}");
        }
    }
}

#[test]
fn the_same_file_twice_at_once_is_posted_once() {
    for database in Database::both() {
        let server = Server::start(&database, &[]);
        let files = cedar();
        let text = files.last().expect("files").clone();
        let answers: Vec<Value> = std::thread::scope(|scope| {
            let posts: Vec<_> = (0..4)
                .map(|_| {
                    let (text, mut client) = (&text, server.client());
                    scope.spawn(move || process(&mut client, text, 200))
                })
                .collect();
            posts.into_iter().map(|post| post.join().expect("an answer")).collect()
        });
        let first = locations(&answers[0]);
        assert!(first.iter().any(|one| one.starts_with("PaymentReconciliation/")), "{first:?}");
        for other in &answers[1..] {
            assert_eq!(locations(other), first);
        }
        let mut client = server.client();
        assert_eq!(count(&mut client, "PaymentReconciliation"), 1);
        assert_eq!(count(&mut client, "ClaimResponse"), 2);
        // The same set in another envelope is the same payment.
        let again = text
            .replace("000000211", "000000999")
            .replace("*211*X", "*999*X")
            .replace("GE*1*211", "GE*1*999");
        let payments = |answer: &Value| -> BTreeSet<String> {
            locations(answer).into_iter().filter(|one| !one.starts_with("Task/")).collect()
        };
        assert_eq!(payments(&process(&mut client, &again, 200)), payments(&answers[0]));
        assert_eq!(count(&mut client, "PaymentReconciliation"), 1);
        // Other content under the same trace number is refused, and so is other content under the same
        // control number.
        let other = again.replace("000000999", "000000998").replace("P2-22", "P2-23");
        process(&mut client, &other, 409);
        process(&mut client, &text.replace("EFT211", "EFT212"), 409);
        assert_eq!(count(&mut client, "PaymentReconciliation"), 1);
    }
}

#[test]
fn what_does_not_balance_is_held_and_nothing_is_posted() {
    for database in Database::both() {
        let server = Server::start(&database, &[]);
        let mut client = server.client();
        let text = cedar().last().expect("files").clone();
        for (old, new) in [
            ("BPR*I*220*", "BPR*I*221*"),
            ("CAS*CO*45*80", "CAS*CO*45*81"),
            ("SVC*HC:99211*300*220", "SVC*HC:99211*300*221"),
        ] {
            let wrong = text.replace(old, new);
            assert_ne!(wrong, text);
            let before = count(&mut client, "Task?status=on-hold");
            let outcome = process(&mut client, &wrong, 422);
            assert_eq!(outcome["resourceType"], "OperationOutcome");
            process(&mut client, &wrong, 422);
            assert_eq!(count(&mut client, "Task?status=on-hold"), before + 1, "{new}");
            for ty in ["PaymentReconciliation", "ClaimResponse", "ExplanationOfBenefit"] {
                assert_eq!(count(&mut client, ty), 0, "{ty} after {new}");
            }
        }
        // The whole file is one transaction: a good set beside a bad one is not posted either.
        let good = cedar()[cedar().len() - 2].clone();
        let both = format!("{good}{}", text.replace("BPR*I*220*", "BPR*I*221*"));
        process(&mut client, &both, 422);
        assert_eq!(count(&mut client, "PaymentReconciliation"), 0);
        // Unless the sender asks to post what balances.
        let mut asked = parameters("content", &both);
        let mode = json!({ "name": "mode", "valueCode": "post-and-flag" });
        asked["parameter"].as_array_mut().expect("parameters").push(mode);
        client.post("$process-x12", &asked).expect(200);
        assert_eq!(count(&mut client, "PaymentReconciliation"), 2);
        let flagged = count(&mut client, "Task?code=payment-difference");
        assert_eq!(flagged, 1);
    }
}

#[test]
fn a_claim_goes_out_as_it_came_in() {
    for database in Database::both() {
        let server = Server::start(&database, &[]);
        let mut client = server.client();
        let text = cedar()[0].clone();
        process(&mut client, &text, 200);
        let claims = resources(&mut client, "Claim?identifier=C1");
        let id = claims[0]["id"].as_str().expect("an id");
        let binary = client.get(&format!("Claim/{id}/$to-x12")).expect(200).json();
        let data = remit_fhir::base64::decode(binary["data"].as_str().expect("data")).expect("base64");
        let written = String::from_utf8(data).expect("text");
        let envelope = ["ISA", "GS*", "ST*", "BHT", "NM1*41", "PER", "SE*", "GE*", "IEA"];
        for segment in text.lines() {
            if !envelope.iter().any(|start| segment.starts_with(start)) {
                assert!(written.contains(segment.trim_end()), "{segment} is not in {written}");
            }
        }
        let outcome = client.post("$validate-x12", &parameters("content", &written)).expect(200).json();
        assert_eq!(outcome["issue"][0]["severity"], "information", "{outcome}");
    }
}

#[test]
fn what_the_other_side_refused_is_a_rejection_of_its_claims_alone() {
    for database in Database::both() {
        let server = Server::start(&database, &[]);
        let mut client = server.client();
        // Names of partners may hold what separates values in a search.
        for (sender, number) in [("CE,DAR|$", 0), ("CE", 1), ("DAR|$", 3)] {
            process(&mut client, &File { sender, ..claim(&SENT[number], 100) }.text(), 200);
        }
        let refused = |control, body: &[&str]| File {
            sender: "P2",
            receiver: "CE,DAR|$",
            control,
            kind: ["FA", "999", "005010X231A1"],
            day: "20260109".into(),
            body: body.iter().map(|segment| (*segment).to_owned()).collect(),
        };
        let set = ["AK1*HC*100*005010X222A1", "AK2*837*0001*005010X222A1", "IK5*R*5", "AK9*R*1*1*0"];
        let text = refused(900, &set).text();
        process(&mut client, &text, 200);
        process(&mut client, &text, 200);
        let rejections = resources(&mut client, "ClaimResponse?outcome=error");
        assert_eq!(rejections.len(), 1, "{rejections:?}");
        let claim = rejections[0]["request"]["reference"].as_str().expect("a claim").to_owned();
        assert_eq!(client.get(&claim).expect(200).json()["identifier"][0]["value"], "C1");
        // The same said of the whole interchange.
        let text = refused(901, &[]).text();
        let (isa, rest) = text.split_once('\n').expect("lines");
        let end = &rest[rest.find("IEA").expect("an end")..];
        let answer = format!("{isa}\nTA1*000000100*260107*0930*R*006~\n{}", end.replace("IEA*1*", "IEA*0*"));
        process(&mut client, &answer, 200);
        let rejections = resources(&mut client, "ClaimResponse?outcome=error");
        let claims: BTreeSet<&str> =
            rejections.iter().filter_map(|one| one["request"]["reference"].as_str()).collect();
        assert_eq!((rejections.len(), claims.len()), (2, 1), "{rejections:?}");
    }
}

fn files_below(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        match entry.path() {
            path if path.is_dir() => found.extend(files_below(&path)),
            path => found.push(path),
        }
    }
    found.sort();
    found
}

#[test]
fn every_public_example_is_taken_in_or_refused_with_a_finding() {
    let Some(folder) = crate::data::path("x12") else { return };
    let database = Database::both().into_iter().next().expect("a database");
    let server = Server::start(&database, &[]);
    let mut client = server.client();
    let mut taken = 0;
    for path in files_below(&folder) {
        let name = path.display().to_string();
        if name.contains("pyx12-maps") || name.contains("LICENSE") {
            continue;
        }
        let text = std::fs::read(&path).expect("a file");
        let data = remit_fhir::base64::encode(&text);
        let body = json!({ "resourceType": "Binary", "contentType": "application/EDI-X12", "data": data });
        let body =
            json!({ "resourceType": "Parameters", "parameter": [{ "name": "content", "resource": body }] });
        for operation in ["$validate-x12", "$process-x12"] {
            let answer = client.post(operation, &body);
            let allowed: &[u16] = if operation == "$validate-x12" { &[200] } else { &[200, 400, 409, 422] };
            assert!(
                allowed.contains(&answer.status),
                "{name} {operation}: {} {}",
                answer.status,
                answer.text()
            );
            if answer.status != 200 {
                assert!(answer.json()["issue"][0]["diagnostics"].is_string(), "{name}");
            } else if operation == "$process-x12" {
                taken += 1;
            }
        }
    }
    // Most of them share their control numbers, or hold sets that are not read here.
    assert!(taken > 5, "only {taken} were taken in");
}
