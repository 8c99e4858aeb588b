//! What an 835 can say beside a plain payment: reversals and corrections, forwarded claims, corrected
//! people, split lines, interest, several payers, what a payer takes and gives beside its claims.

use crate::cedar_files::{SENT, claim, remittance_of};
use crate::database::Database;
use crate::http::Client;
use crate::server::{Server, remit};
use crate::x12::{count, process, resources};
use serde_json::{Value, json};

/// C1: one line of 200.00, billed to P2.
fn first_claim() -> String {
    claim(&SENT[0], 100).text()
}

/// C3: lines of 300.00 and 200.00, billed to P1.
fn third_claim() -> String {
    claim(&SENT[2], 102).text()
}

fn p2(day: &str, control: u32, paid: &str, segments: &[&str]) -> String {
    let segments = segments.iter().map(|one| (*one).to_owned()).collect();
    remittance_of("P2", day, control, paid, segments).text()
}

/// A decision on C1 without lines.
fn decided(status: &str, number: &str, charge: &str, paid: &str, reasons: &str) -> [String; 3] {
    [
        format!("CLP*C1*{status}*{charge}*{paid}**12*{number}*11*1"),
        format!("CAS*{reasons}"),
        "NM1*QC*1*FERN*ADA".to_owned(),
    ]
}

fn of(day: &str, control: u32, paid: &str, all: &[[String; 3]]) -> String {
    let segments: Vec<&str> = all.iter().flatten().map(String::as_str).collect();
    p2(day, control, paid, &segments)
}

/// The explanations: payer's number and status, in the order of numbers.
fn explanations(client: &mut Client) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut all: Vec<(String, String)> = resources(client, "ExplanationOfBenefit?_count=100")
        .iter()
        .map(|one| (text(&one["identifier"][0]["value"]), text(&one["status"])))
        .collect();
    all.sort();
    all
}

fn pairs(all: &[(&str, &str)]) -> Vec<(String, String)> {
    all.iter().map(|(number, status)| ((*number).to_owned(), (*status).to_owned())).collect()
}

#[test]
fn one_explanation_stands_whatever_comes_first() {
    let denied = of("20260123", 301, "0", &[decided("1", "A1", "200", "0", "CO*197*200")]);
    let corrected = of(
        "20260302",
        302,
        "150",
        &[decided("22", "A1", "-200", "0", "CO*197*-200"), decided("1", "A2", "200", "150", "CO*45*50")],
    );
    let files = [first_claim(), denied, corrected];
    for database in Database::both() {
        for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2], [0, 2, 1], [2, 0, 1], [1, 2, 0]] {
            let own = Database::new(database.kind()).expect("a database");
            let server = Server::start(&own, &[]);
            let mut client = server.client();
            for place in order {
                process(&mut client, &files[place], 200);
            }
            let found = explanations(&mut client);
            assert_eq!(found, pairs(&[("A1", "cancelled"), ("A2", "active")]), "{order:?}");
            assert_eq!(count(&mut client, "ClaimResponse"), 3, "{order:?}");
            assert_eq!(count(&mut client, "ClaimResponse?_tag=awaits-reversed-response"), 0, "{order:?}");
            // Nothing is cancelled again.
            for file in &files {
                process(&mut client, file, 200);
            }
            assert_eq!(explanations(&mut client), found, "{order:?}");
        }
        let server = Server::start(&database, &[]);
        let mut client = server.client();
        process(&mut client, &files.concat(), 200);
        assert_eq!(explanations(&mut client), pairs(&[("A1", "cancelled"), ("A2", "active")]), "in one file");
    }
}

#[test]
fn what_a_reversal_takes_back_may_never_come() {
    let reversal = of("20260302", 302, "-120", &[decided("22", "A1", "-200", "-120", "CO*45*-80")]);
    for database in Database::both() {
        let server = Server::start(&database, &[]);
        let mut client = server.client();
        process(&mut client, &first_claim(), 200);
        // The payer forwards what it could not take.
        let reversal = reversal
            .replace("BPR*I*-120*", "BPR*I*0*")
            .replace("NM1*QC*1*FERN*ADA~\n", "NM1*QC*1*FERN*ADA~\nPLB*1234567893*20261231*FB:NEXT*-120~\n");
        let reversal = reversal.replace("SE*15*", "SE*16*");
        process(&mut client, &reversal, 200);
        assert_eq!(count(&mut client, "ClaimResponse?_tag=awaits-reversed-response"), 1);
        assert_eq!(count(&mut client, "ExplanationOfBenefit"), 0);
        let payment = &resources(&mut client, "PaymentReconciliation")[0];
        assert_eq!(payment["paymentAmount"]["value"].to_string(), "0.00");
        assert_eq!(payment["detail"][0]["predecessor"]["value"], "A1");
        let forwarded = &payment["detail"][1];
        assert_eq!(forwarded["type"]["coding"][1]["code"], "FB");
        assert_eq!(
            (forwarded["amount"]["value"].to_string(), &forwarded["request"]),
            ("120.00".into(), &Value::Null)
        );
    }
}

#[test]
fn a_forwarded_claim_awaits_the_next_payer() {
    let segments = [
        "CLP*C1*19*200*120*30*12*A1*11*1",
        "CAS*CO*45*50",
        "CAS*PR*2*30",
        "NM1*QC*1*FERN*ADA",
        "NM1*TT*2*SUPPLEMENT OF THE CEDARS*****PI*P3",
    ];
    for database in Database::both() {
        let server = Server::start(&database, &[]);
        let mut client = server.client();
        process(&mut client, &first_claim(), 200);
        process(&mut client, &p2("20260121", 303, "120", &segments), 200);
        let tasks = resources(&mut client, "Task?code=crossover");
        assert_eq!(tasks.len(), 1);
        let response = &resources(&mut client, "ClaimResponse")[0];
        let focus = format!("ClaimResponse/{}", response["id"].as_str().expect("an id"));
        assert_eq!(
            (&tasks[0]["focus"]["reference"], &tasks[0]["status"]),
            (&json!(focus), &json!("requested"))
        );
        let text = tasks[0]["description"].as_str().expect("a sentence");
        assert!(text.contains("SUPPLEMENT OF THE CEDARS") && text.contains("do not send it again"), "{text}");
        assert_eq!((&response["outcome"], explanations(&mut client).len()), (&json!("complete"), 1));
    }
}

#[test]
fn people_whom_the_payer_knows_otherwise_are_compared_by_people() {
    let segments = [
        "CLP*C1*1*200*150**12*A1*11*1",
        "CAS*CO*45*50",
        "NM1*QC*1*FERN1*ADA****MI*P2M1",
        "NM1*74*1*FIRN*ADA****C*P2M9",
    ];
    for database in Database::both() {
        let server = Server::start(&database, &[]);
        let mut client = server.client();
        process(&mut client, &first_claim(), 200);
        process(&mut client, &p2("20260121", 304, "150", &segments), 200);
        let tasks = resources(&mut client, "Task?code=corrected-party");
        assert_eq!(tasks.len(), 1);
        assert!(tasks[0]["focus"]["reference"].as_str().is_some_and(|one| one.starts_with("ClaimResponse/")));
        // The record itself is left to people.
        assert_eq!(resources(&mut client, "Patient")[0]["name"][0]["family"], "FERN1");
    }
}

#[test]
fn a_line_that_the_payer_splits_is_answered_twice() {
    // The first line is paid as two, the second under another code.
    let segments = [
        "CLP*C3*1*500*310*40*12*A3*11*1",
        "NM1*QC*1*FERN*ADA",
        "SVC*HC:90031*200*150**1",
        "CAS*CO*45*50",
        "REF*6R*C3L1",
        "SVC*HC:90031*100*60**1",
        "CAS*PR*1*40",
        "REF*6R*C3L1",
        "SVC*HC:90099*200*100**1*HC:90032",
        "CAS*CO*222*100",
        "REF*6R*C3L2",
    ]
    .map(str::to_owned);
    for database in Database::both() {
        let server = Server::start(&database, &[]);
        let mut client = server.client();
        process(&mut client, &third_claim(), 200);
        process(&mut client, &remittance_of("P1", "20260121", 305, "310", segments.to_vec()).text(), 200);
        let response = &resources(&mut client, "ClaimResponse")[0];
        let sequences: Vec<&Value> = response["addItem"]
            .as_array()
            .expect("lines")
            .iter()
            .map(|one| &one["itemSequence"][0])
            .collect();
        assert_eq!(
            (response["item"].as_array().map(Vec::len), sequences),
            (Some(1), vec![&json!(1), &json!(2)])
        );
        assert_eq!(response["addItem"][1]["productOrService"]["coding"][0]["code"], "90099");
        // Both lines count once with all that was decided on them: a cut of units denies a part.
        let query = "Measure/rcm-initial-denial-rate/$evaluate-measure?periodStart=2026-01-01&periodEnd=2026-01-31&asOf=2026-03-31";
        let report = client.get(query).expect(200).json();
        let of = |code: &str| {
            let groups = report["group"].as_array().into_iter().flatten();
            let mut found = groups.filter(|group| group["code"]["coding"][0]["code"] == code);
            let group = found.next().expect("a group");
            let denied = &group["population"].as_array().expect("populations")[1];
            (
                group["measureScore"]["value"].to_string(),
                denied["extension"][0]["valueMoney"]["value"].to_string(),
            )
        };
        assert_eq!(of("volume").0.parse::<f64>(), Ok(1.0));
        assert_eq!(of("dollars-line").0.parse::<f64>(), Ok(0.4), "{report}");
        let money = client.get(&query.replace("rcm-initial-denial-rate", "rcm-money")).expect(200).json();
        let paid = money["group"]
            .as_array()
            .into_iter()
            .flatten()
            .find(|one| one["code"]["coding"][0]["code"] == "payments");
        assert_eq!(paid.map(|one| one["measureScore"]["value"].to_string().parse::<f64>()), Some(Ok(310.0)));
    }
}

#[test]
fn interest_is_cash_and_is_not_allowed() {
    let segments = [
        "CLP*C1*1*200*155**12*A1*11*1",
        "NM1*QC*1*FERN*ADA",
        "AMT*I*5",
        "SVC*HC:90011*200*155**1",
        "CAS*CO*45*50**225*-5",
        "REF*6R*C1L1",
    ];
    for database in Database::both() {
        let server = Server::start(&database, &[]);
        let mut client = server.client();
        process(&mut client, &first_claim(), 200);
        process(&mut client, &p2("20260121", 306, "155", &segments), 200);
        let response = &resources(&mut client, "ClaimResponse")[0];
        let rows = response["item"][0]["adjudication"].as_array().expect("rows");
        let amount = |code: &str| {
            let mut of_code = rows.iter().filter(|row| row["category"]["coding"][0]["code"] == code);
            of_code.next().map(|row| row["amount"]["value"].to_string())
        };
        assert_eq!(
            (amount("benefit").as_deref(), amount("eligible").as_deref()),
            (Some("155.00"), Some("150.00"))
        );
        let totals = response["total"].as_array().expect("totals");
        let interest = totals.iter().find(|one| one["category"]["coding"][0]["code"] == "interest");
        assert_eq!(interest.map(|one| one["amount"]["value"].to_string()).as_deref(), Some("5.00"));
    }
}

#[test]
fn a_file_may_be_of_several_payers() {
    let one =
        p2("20260121", 307, "150", &["CLP*C1*1*200*150**12*A1*11*1", "CAS*CO*45*50", "NM1*QC*1*FERN*ADA"]);
    let segments = ["CLP*C3*1*500*500**12*A3*11*1", "NM1*QC*1*FERN*ADA"].map(str::to_owned).to_vec();
    let other = remittance_of("P1", "20260121", 307, "500", segments).text();
    for database in Database::both() {
        let server = Server::start(&database, &[]);
        let mut client = server.client();
        process(&mut client, &[first_claim(), third_claim()].concat(), 200);
        process(&mut client, &[one.as_str(), other.as_str()].concat(), 200);
        for (number, name, paid) in [("C1", "BIRCH MUTUAL", "150.00"), ("C3", "ASPEN HEALTH PLAN", "500.00")]
        {
            let claim = &resources(&mut client, &format!("Claim?identifier={number}"))[0];
            let payer = claim["insurer"]["reference"].as_str().expect("a payer").to_owned();
            assert_eq!(client.get(&payer).expect(200).json()["name"], name);
            let query = format!("PaymentReconciliation?payment-issuer={payer}");
            let payments = resources(&mut client, &query);
            assert_eq!(payments.len(), 1, "{number}");
            assert_eq!(payments[0]["paymentAmount"]["value"].to_string(), paid);
            let request = format!("Claim/{}", claim["id"].as_str().expect("an id"));
            assert_eq!(payments[0]["detail"][0]["request"]["reference"], request);
        }
    }
}

#[test]
fn what_a_payer_takes_and_gives_beside_claims_is_in_the_payment_alone() {
    // 150 − 25 taken back + 3 interest + 40 that was forwarded before − 10 for an authorized return.
    let segments = [
        "CLP*C1*1*200*150**12*A1*11*1",
        "CAS*CO*45*50",
        "NM1*QC*1*FERN*ADA",
        "PLB*1234567893*20261231*WO:OLD*25*L6:INT*-3*FB:LAST*-40*72:RET*10",
    ];
    for database in Database::both() {
        let server = Server::start(&database, &[]);
        let mut client = server.client();
        process(&mut client, &first_claim(), 200);
        process(&mut client, &p2("20260121", 308, "159", &segments), 422);
        assert_eq!(count(&mut client, "PaymentReconciliation"), 0);
        process(&mut client, &p2("20260121", 308, "158", &segments), 200);
        let payment = &resources(&mut client, "PaymentReconciliation")[0];
        let details: Vec<(String, String)> = payment["detail"].as_array().expect("details")[1..]
            .iter()
            .map(|one| {
                let code = one["type"]["coding"][1]["code"].as_str().unwrap_or_default();
                (code.to_owned(), one["amount"]["value"].to_string())
            })
            .collect();
        assert_eq!(details, pairs(&[("WO", "-25.00"), ("L6", "3.00"), ("FB", "40.00"), ("72", "-10.00")]));
        assert_eq!(
            resources(&mut client, "ClaimResponse")[0]["payment"]["amount"]["value"].to_string(),
            "150.00"
        );
    }
}

#[test]
fn the_status_of_a_claim_denies_nothing_by_itself() {
    for database in Database::both() {
        for (status, uses, explained, denied) in
            [("4", "claim", 1, "0"), ("23", "claim", 1, "0"), ("25", "predetermination", 0, "")]
        {
            let own = Database::new(database.kind()).expect("a database");
            let server = Server::start(&own, &[]);
            let mut client = server.client();
            process(&mut client, &first_claim(), 200);
            // All of it contractual: nothing is denied, whatever the status says.
            let file = of("20260121", 309, "0", &[decided(status, "A1", "200", "0", "CO*45*200")]);
            process(&mut client, &file, 200);
            let response = &resources(&mut client, "ClaimResponse")[0];
            assert_eq!(
                (&response["use"], &response["extension"][0]["valueCode"]),
                (&json!(uses), &json!(status))
            );
            assert_eq!(count(&mut client, "ExplanationOfBenefit"), explained, "{status}");
            let query = "Measure/rcm-remittance-denial-rate/$evaluate-measure?periodStart=2026-01-01&periodEnd=2026-01-31&asOf=2026-03-31";
            let report = client.get(query).expect(200).json();
            let score = &report["group"][0]["measureScore"]["value"];
            let found = score.as_number().map(ToString::to_string).unwrap_or_default();
            assert_eq!(
                found.trim_end_matches(['0', '.']),
                denied.trim_end_matches('0'),
                "{status}: {report}"
            );
        }
    }
}

#[test]
fn the_practice_of_the_demo_comes_as_files_and_its_figures_are_known() {
    for database in Database::both() {
        let url = database.url();
        let arguments = ["demo", "--database", url.as_str(), "--claims", "300", "--no-serve"];
        // Twice: what is there is left as it is.
        for _ in 0..2 {
            let (code, out, error) = remit(&arguments);
            assert_eq!(code, 0, "{out}{error}");
            for word in ["(837)", "(277CA)", "(835)", "Blue Mesa Health Plan", "rcm-days-in-ar"] {
                assert!(out.contains(word), "{word}: {out}");
            }
        }
        let server = Server::start(&database, &[]);
        let mut client = server.client();
        for tag in ["awaits-original", "awaits-prior-response"] {
            assert_eq!(count(&mut client, &format!("Claim?_tag={tag}")), 0, "{tag}");
        }
        for tag in ["awaits-claim", "awaits-reversed-response"] {
            assert_eq!(count(&mut client, &format!("ClaimResponse?_tag={tag}")), 0, "{tag}");
        }
        // Nobody and nothing was made twice.
        for (ty, at_most) in [("Organization", 4), ("Practitioner", 5), ("Location", 2)] {
            assert_eq!(count(&mut client, ty), at_most, "{ty}");
        }
        assert_eq!(count(&mut client, "Patient"), count(&mut client, "Coverage"));
        // The file behind a payment is the one that it came in.
        let payments = resources(&mut client, "PaymentReconciliation?payment-issuer:missing=false&_count=1");
        let file = payments[0]["extension"]
            .as_array()
            .expect("extensions")
            .iter()
            .find_map(|one| one["valueReference"]["reference"].as_str());
        let binary = client.get(file.expect("a file")).expect(200);
        let text = String::from_utf8_lossy(&binary.body).into_owned();
        let trace = payments[0]["paymentIdentifier"]["value"].as_str().expect("a trace");
        let data =
            serde_json::from_str::<Value>(&text).ok().and_then(|one| Some(one["data"].as_str()?.to_owned()));
        let data = data
            .and_then(|data| remit_fhir::base64::decode(&data))
            .map_or(text, |data| String::from_utf8_lossy(&data).into_owned());
        assert!(data.contains(trace), "{trace} is not in {data}");
    }
}
