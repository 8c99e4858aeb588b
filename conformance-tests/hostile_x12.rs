//! X12 files that nobody would send on purpose: whole files of every kind, broken in each of many ways.
//! Every one is taken in whole, or refused with a finding that says where and why; what is refused leaves
//! nothing behind, and nothing breaks the server.

use crate::cedar_files::{File, SENT, claim, remittance_of};
use crate::database::Database;
use crate::differential::random::Random;
use crate::http::Client;
use crate::server::Server;
use remit_fhir::base64;
use serde_json::json;

/// Files with random damage, of each kind.
const RANDOM: usize = 60;

/// Places at which each file is cut off.
const CUTS: usize = 24;

/// Everything that a file may lead to but the note that it is held.
const POSTED: &str = "Claim,ClaimResponse,ExplanationOfBenefit,PaymentReconciliation,Patient,Coverage,Organization,Practitioner,Location";

fn segments(text: &[&str]) -> Vec<String> {
    text.iter().map(|one| (*one).to_owned()).collect()
}

/// The professional claim with other loops 2300 and 2400.
fn other_claim(control: u32, version: &'static str, loops: &[&str]) -> File<'static> {
    let mut file = claim(&SENT[0], control);
    let start = file.body.iter().position(|one| one.starts_with("CLM")).expect("a claim");
    file.body.truncate(start);
    file.body.extend(segments(loops));
    file.kind[2] = version;
    file
}

/// A sound file of every kind that is taken in, under a control number.
fn sound(control: u32) -> [File<'static>; 5] {
    let institutional = [
        "CLM*I1*500***13:A:1**A*Y*Y",
        "DTP*434*RD8*20260107-20260107",
        "CL1*1**01",
        "HI*ABK:J029",
        "NM1*71*1*OAK*TEST****XX*1245319599",
        "LX*1",
        "SV2*0305*HC:80050*500*UN*1",
        "DTP*472*D8*20260107",
    ];
    let dental = [
        "CLM*D1*90***11:B:1*Y*A*Y*Y",
        "NM1*82*1*OAK*TEST****XX*1245319599",
        "LX*1",
        "SV3*AD:D1110*90",
        "DTP*472*D8*20260107",
    ];
    let paid = [
        "CLP*C1*1*200*120*30*12*A1*11*1",
        "NM1*QC*1*FERN*ADA",
        "SVC*HC:90011*200*120**1",
        "DTM*472*20260105",
        "CAS*CO*45*50",
        "CAS*PR*2*30",
        "REF*6R*C1L1",
        "LQ*HE*N130",
        "PLB*1234567893*20261231*WO:OLD*20",
    ];
    let taken = [
        "BHT*0085*08*ACK*20260121*0200*TH",
        "HL*1**20*1",
        "NM1*PR*2*BIRCH MUTUAL*****PI*P2",
        "TRN*1*T1",
        "DTP*050*D8*20260121",
        "DTP*009*D8*20260121",
        "HL*2*1*21*1",
        "NM1*41*2*CEDAR CLINIC*****46*CEDAR",
        "TRN*2*B1",
        "STC*A1:19:PR*20260121*WQ*200",
        "HL*3*2*19*1",
        "NM1*85*2*CEDAR CLINIC*****XX*1234567893",
        "HL*4*3*PT",
        "NM1*QC*1*FERN1*ADA****MI*P2M1",
        "TRN*2*C1",
        "STC*A2:20:PR*20260121*WQ*200",
    ];
    [
        claim(&SENT[0], control),
        other_claim(control, "005010X223A2", &institutional),
        other_claim(control, "005010X224A2", &dental),
        remittance_of("P2", "20260121", control, "100", segments(&paid)),
        File {
            sender: "P2",
            receiver: "CEDAR",
            control,
            kind: ["HN", "277", "005010X214"],
            day: "20260121".to_owned(),
            body: segments(&taken),
        },
    ]
}

/// What must become of a file.
#[derive(Clone, Copy, PartialEq)]
enum Fate {
    Taken,
    Refused,
    Either,
}

/// A damaged file with a word on the damage.
type Damaged = (String, Vec<u8>, Fate);

/// The file in each way that leaves it what it is.
fn harmless(text: &str) -> Vec<Damaged> {
    let one = |name: &str, text: String| (name.to_owned(), text.into_bytes(), Fate::Taken);
    let other = |from: [&str; 4], text: &str| {
        let place = |c: char| match c {
            '*' => from[0].to_owned(),
            ':' => from[1].to_owned(),
            '^' => from[2].to_owned(),
            '~' => from[3].to_owned(),
            other => other.to_string(),
        };
        text.replace('\n', "").chars().map(place).collect::<String>()
    };
    vec![
        one("as it is", text.to_owned()),
        one("no line ends", text.replace('\n', "")),
        one("CRLF", text.replace('\n', "\r\n")),
        one("other delimiters", other(["|", ">", "!", "\u{1c}"], text)),
        one("a line end as the terminator", other(["*", ":", "^", "\n"], text)),
        one("line ends behind it", format!("{text}\n\r\n")),
    ]
}

/// The file with one segment missing, doubled, before its neighbour, or with an element emptied or odd.
fn by_segment(text: &str) -> Vec<Damaged> {
    let all: Vec<&str> = text.split_inclusive("~\n").collect();
    let mut damaged = Vec::new();
    let mut push = |name: String, pieces: Vec<String>| {
        damaged.push((name, pieces.concat().into_bytes(), Fate::Either));
    };
    let owned = || all.iter().map(|one| (*one).to_owned()).collect::<Vec<String>>();
    for n in 0..all.len() {
        let name = all[n].split('*').next().unwrap_or_default();
        let mut pieces = owned();
        pieces.remove(n);
        push(format!("without {name} {n}"), pieces);
        let mut pieces = owned();
        pieces.insert(n, all[n].to_owned());
        push(format!("{name} {n} twice"), pieces);
        if n + 1 < all.len() {
            let mut pieces = owned();
            pieces.swap(n, n + 1);
            push(format!("{name} {n} too late"), pieces);
        }
        if n == 0 {
            continue;
        }
        let elements: Vec<&str> = all[n].trim_end_matches("~\n").split('*').collect();
        for odd in ["", "ZZZ", "-9999999999999999999999", "1.2.3", "É"] {
            // One element of each segment, another for each odd value.
            let at = 1 + (n + odd.len()) % elements.len().saturating_sub(1).max(1);
            let mut changed: Vec<&str> = elements.clone();
            if let Some(element) = changed.get_mut(at) {
                *element = odd;
            }
            let mut pieces = owned();
            pieces[n] = format!("{}~\n", changed.join("*"));
            push(format!("{name} {n} with `{odd}` as element {at}"), pieces);
        }
    }
    damaged
}

/// The file broken as a whole.
fn as_a_whole(text: &str) -> Vec<Damaged> {
    let start = text.find("ST*").expect("a set");
    let end = text.find("GE*").expect("an end");
    let reference = "REF*EI*841234567~\n";
    let one = |name: &str, text: String, fate: Fate| (name.to_owned(), text.into_bytes(), fate);
    let mut all = vec![
        one("lowercase", text.to_lowercase(), Fate::Refused),
        one(
            "an empty group",
            format!("{}{}", &text[..start], text[end..].replacen("GE*1*", "GE*0*", 1)),
            Fate::Refused,
        ),
        one("a version of long ago", text.replace("005010X", "004010X"), Fate::Refused),
        one("a version to come", text.replace("005010X", "009990X"), Fate::Refused),
        one("garbage before it", format!("garbage {text}"), Fate::Either),
        one("garbage behind it", format!("{text}garbage"), Fate::Either),
        one("a byte order mark", format!("\u{feff}{text}"), Fate::Either),
        one("a set twice", format!("{}{}{}", &text[..end], &text[start..end], &text[end..]), Fate::Refused),
        one(
            "a reference five thousand times",
            text.replacen(reference, &reference.repeat(5_000), 1),
            Fate::Either,
        ),
        one("a nameless ISA", text.replacen("CEDAR          ", "               ", 1), Fate::Either),
        one("nulls", text.replace('\n', "\0"), Fate::Either),
        one("a long element", text.replacen("CEDAR CLINIC", &"C".repeat(100_000), 1), Fate::Either),
        one("a second ISA inside", format!("{}{text}", &text[..end]), Fate::Refused),
    ];
    for (name, wrong) in [("SE*", "SE*999*"), ("GE*1*", "GE*7*"), ("IEA*1*", "IEA*5*")] {
        let replaced = match name {
            "SE*" => {
                let at = text.find("SE*").expect("an end");
                let rest = text[at + 3..].split_once('*').expect("a count").1;
                format!("{}{wrong}{rest}", &text[..at])
            }
            name => text.replacen(name, wrong, 1),
        };
        all.push(one(&format!("a wrong count in {name}"), replaced, Fate::Refused));
    }
    let mut bytes = text.as_bytes().to_vec();
    let at = text.find("CEDAR CLINIC").or(text.find("BIRCH")).expect("a name");
    bytes[at] = 0xff;
    all.push(("a byte that is no text".to_owned(), bytes, Fate::Either));
    for cut in 1..CUTS {
        let end = text.len() * cut / CUTS;
        all.push((format!("cut off at byte {end}"), text.as_bytes()[..end].to_vec(), Fate::Refused));
    }
    all
}

fn at_random(text: &str, random: &mut Random) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len());
        let end = (at + random.below(60)).min(bytes.len());
        match random.below(4) {
            0 => bytes[at] = u8::try_from(random.below(256)).expect("a byte"),
            1 => drop(bytes.drain(at..end)),
            2 => {
                let piece = bytes[at..end].to_vec();
                drop(bytes.splice(at..at, piece));
            }
            _ => bytes[at..end].reverse(),
        }
    }
    bytes
}

fn total(client: &mut Client, types: &str) -> u64 {
    let answer = client.get(&format!("?_type={types}&_summary=count")).expect(200).json();
    answer["total"].as_u64().expect("a total")
}

/// Sends a file; says what is wrong with the answer.
fn fault(client: &mut Client, (name, bytes, fate): &Damaged) -> Option<String> {
    let binary = json!({ "resourceType": "Binary", "contentType": "application/EDI-X12", "data": base64::encode(bytes) });
    let body =
        json!({ "resourceType": "Parameters", "parameter": [{ "name": "content", "resource": binary }] });
    let all = format!("{POSTED},Task,Binary");
    let (before, before_with_held) = (total(client, POSTED), total(client, &all));
    let answer = client.post("$process-x12", &body);
    let status = answer.status;
    if ![200, 400, 409, 422].contains(&status) {
        return Some(format!("{name}: {status} {}", answer.text()));
    }
    if (status == 200 && *fate == Fate::Refused) || (status != 200 && *fate == Fate::Taken) {
        return Some(format!("{name}: {status} {}", answer.text()));
    }
    if status == 200 {
        return None;
    }
    let outcome = answer.json();
    let issue = &outcome["issue"][0];
    let text = issue["diagnostics"].as_str().unwrap_or_default();
    let is_placed = issue["expression"][0].is_string() || text.contains("byte");
    let is_sentence = text.ends_with('.') && !text.contains("(loop )") && text.len() > 20;
    if !(is_sentence && (is_placed || text == "The file has no transaction set.")) {
        return Some(format!("{name}: {outcome}"));
    }
    let (after, after_with_held) = (total(client, POSTED), total(client, &all));
    if after != before || (status != 422 && after_with_held != before_with_held) {
        return Some(format!("{name}: {status}, and something was written: {outcome}"));
    }
    None
}

#[test]
fn damaged_files_are_refused_whole_and_with_a_reason() {
    let mut random = Random::new(20_260_121);
    for database in Database::both() {
        let server = Server::start(&database, &[]);
        let mut client = server.client();
        let mut faults = Vec::new();
        let mut control = 1_000;
        for kind in 0..sound(0).len() {
            // Each file has numbers of its own, so that it is not refused for those of another.
            let mut next = || {
                control += 1;
                sound(control)[kind].text()
            };
            let how_many = (harmless(&next()).len(), by_segment(&next()).len(), as_a_whole(&next()).len());
            for n in 0..how_many.0 {
                faults.extend(fault(&mut client, &harmless(&next())[n]));
            }
            for n in 0..how_many.1 {
                faults.extend(fault(&mut client, &by_segment(&next())[n]));
            }
            for n in 0..how_many.2 {
                faults.extend(fault(&mut client, &as_a_whole(&next())[n]));
            }
            for n in 0..RANDOM {
                let bytes = at_random(&next(), &mut random);
                faults.extend(fault(&mut client, &(format!("random {n}"), bytes, Fate::Either)));
            }
        }
        // Several interchanges of several kinds in one file, with and without line ends.
        let all: String = (0..5).map(|kind| sound(control + 10 + kind)[kind as usize].text()).collect();
        faults.extend(fault(&mut client, &("all kinds in one".into(), all.into_bytes(), Fate::Taken)));
        // One of them broken: none is taken in.
        let all: String = (0..5).map(|kind| sound(control + 20 + kind)[kind as usize].text()).collect();
        let broken = all.replacen("CLP*C1*1*200*", "CLP*C1*1*201*", 1);
        faults.extend(fault(&mut client, &("one of five broken".into(), broken.into_bytes(), Fate::Refused)));
        assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults[..faults.len().min(20)].join("\n"));
    }
}
