//! Made-up ledgers: the figures of the server are those of a second, plain computation from the events
//! themselves, and the books balance: what is open by age adds up, and charges less adjustments less
//! payments is what is open less what is credit.

use crate::database::Database;
use crate::differential::random::Random;
use crate::http::Client;
use crate::server::Server;
use rust_decimal::Decimal;
use serde_json::{Value, json};

const BASE: &str = "https://remit.example/fhir/rcm";
const HL7: &str = "http://terminology.hl7.org/CodeSystem";
const X12: &str = "https://x12.org/codes";
const EPISODES: usize = 60;

/// What happened to one claim, in cents, and the resources that tell of it.
#[derive(Default)]
struct Ledger {
    resources: Vec<Value>,
    submissions: i64,
    rejected: i64,
    denied: i64,
    charges: i64,
    contractual: i64,
    written_off: i64,
    paid: i64,
    open: i64,
    credit: i64,
    /// Open amounts by the upper bound of their age.
    by_age: [i64; 5],
}

fn coding(system: &str, code: &str) -> Value {
    json!({ "coding": [{ "system": system, "code": code }] })
}

fn money(cents: i64) -> Value {
    let text = Decimal::new(cents, 2).to_string();
    json!({ "value": serde_json::from_str::<Value>(&text).expect("a number"), "currency": "USD" })
}

fn day(number: usize) -> String {
    format!("2026-{:02}-{:02}", 1 + number / 28, 1 + number % 28)
}

fn claim(id: &str, number: usize, cents: i64, frequency: Option<&str>, prior: Option<&str>) -> Value {
    let mut claim = json!({
        "resourceType": "Claim", "id": id, "status": "active", "use": "claim",
        "type": coding(&format!("{HL7}/claim-type"), "professional"),
        "patient": { "reference": "Patient/p" }, "created": day(number), "provider": { "display": "us" },
        "insurer": { "reference": "Organization/payer" }, "priority": coding(&format!("{HL7}/processpriority"), "normal"),
        "insurance": [{ "sequence": 1, "focal": true, "coverage": { "display": "a plan" } }],
        "item": [{ "sequence": 1, "productOrService": { "text": "x" }, "servicedDate": day(number - 1), "net": money(cents) }],
        "total": money(cents),
    });
    if let Some(code) = frequency {
        claim["supportingInfo"] = json!([{ "sequence": 1,
            "category": coding(&format!("{BASE}/CodeSystem/rcm-supporting-info"), "claim-frequency"),
            "code": coding(&format!("{BASE}/CodeSystem/rcm-claim-frequency"), code) }]);
    }
    if let Some(prior) = prior {
        claim["related"] = json!([{ "claim": { "reference": format!("Claim/{prior}") },
            "relationship": coding(&format!("{HL7}/ex-relatedclaimrelationship"), "prior") }]);
    }
    claim
}

fn response(
    id: &str,
    claim: &str,
    number: usize,
    status: &str,
    paid: i64,
    adjustments: &[(&str, &str, i64)],
) -> Value {
    let mut rows =
        vec![json!({ "category": coding(&format!("{HL7}/adjudication"), "benefit"), "amount": money(paid) })];
    rows.extend(adjustments.iter().map(|(group, reason, cents)| {
        json!({ "category": coding(&format!("{X12}/claim-adjustment-group-codes"), group),
            "reason": coding(&format!("{X12}/claim-adjustment-reason-codes"), reason), "amount": money(*cents) })
    }));
    json!({ "resourceType": "ClaimResponse", "id": id, "status": "active", "use": "claim", "outcome": "complete",
        "type": coding(&format!("{HL7}/claim-type"), "professional"), "patient": { "reference": "Patient/p" },
        "created": day(number), "insurer": { "reference": "Organization/payer" },
        "request": { "reference": format!("Claim/{claim}") },
        "extension": [{ "url": format!("{BASE}/StructureDefinition/rcm-claim-status-code"), "valueCode": status }],
        "item": [{ "itemSequence": 1, "adjudication": rows }] })
}

fn detail(id: &str, claim: &str, number: usize, adjustment: Option<&str>, cents: i64) -> Value {
    let mut kind =
        coding(&format!("{HL7}/payment-type"), if adjustment.is_some() { "adjustment" } else { "payment" });
    if let (Some(code), Some(list)) = (adjustment, kind["coding"].as_array_mut()) {
        list.push(json!({ "system": format!("{BASE}/CodeSystem/rcm-adjustment"), "code": code }));
    }
    let mut payment = json!({ "resourceType": "PaymentReconciliation", "id": id, "status": "active", "created": day(number),
        "paymentDate": day(number), "paymentAmount": money(if adjustment.is_some() { 0 } else { cents }),
        "detail": [{ "type": kind, "request": { "reference": format!("Claim/{claim}") }, "amount": money(cents) }] });
    if adjustment.is_none() {
        payment["extension"] = json!([{
            "url": "http://hl7.org/fhir/5.0/StructureDefinition/extension-PaymentReconciliation.paymentIssuer",
            "valueReference": { "reference": "Patient/p" } }]);
    }
    payment
}

impl Ledger {
    fn made(random: &mut Random) -> Ledger {
        let mut ledger = Ledger::default();
        for number in 0..EPISODES {
            ledger.episode(random, number);
        }
        ledger
    }

    /// One episode: perhaps rejected, denied, corrected, paid, taken back, written off or void.
    fn episode(&mut self, random: &mut Random, number: usize) {
        let mut put = |resource: Value| self.resources.push(resource);
        let start = 2 + random.below(80);
        let mut cents = 100 + random.below(100_000) as i64;
        let id = format!("c{number}");
        put(claim(&id, start, cents, None, None));
        let is_rejected = random.percent(15);
        let mut current = id.clone();
        if is_rejected {
            let mut no = response(&format!("r{number}x"), &id, start, "1", 0, &[]);
            no["outcome"] = json!("error");
            no["error"] = json!([{ "code": { "text": "A7" } }]);
            no.as_object_mut().expect("a resource").remove("item");
            put(no);
            current = format!("c{number}b");
            put(claim(&current, start + 1, cents, None, Some(&id)));
        }
        let is_void = random.percent(6);
        if is_void {
            put(claim(&format!("c{number}v"), start + 2, cents, Some("8"), Some(&current)));
        }
        let is_denied = !is_void && random.percent(25);
        let (mut contractual, mut paid, mut written_off) = (0, 0, 0);
        if is_denied {
            put(response(&format!("r{number}d"), &current, start + 3, "1", 0, &[("CO", "16", cents)]));
            if random.percent(50) {
                let corrected = format!("c{number}r");
                put(claim(&corrected, start + 4, cents + 1_000, Some("7"), Some(&current)));
                cents += 1_000;
                current = corrected;
                let discount = cents / 5;
                put(response(
                    &format!("r{number}r"),
                    &current,
                    start + 5,
                    "1",
                    cents - discount,
                    &[("CO", "45", discount)],
                ));
                (contractual, paid) = (discount, cents - discount);
            } else if random.percent(50) {
                written_off = cents;
                put(detail(&format!("w{number}"), &current, start + 6, Some("denial-write-off"), cents));
            }
        } else if !is_void && random.percent(80) {
            let (discount, share) = (cents / 4, cents / 10);
            let benefit = cents - discount - share;
            let rows = [("CO", "45", discount), ("PR", "2", share)];
            put(response(&format!("r{number}p"), &current, start + 3, "1", benefit, &rows));
            (contractual, paid) = (discount, benefit);
            if random.percent(50) {
                let by_patient = if random.percent(20) { 2 * share } else { share };
                put(detail(&format!("p{number}"), &current, start + 6, None, by_patient));
                paid += by_patient;
            }
            if random.percent(10) {
                let back = [("CO", "45", -discount), ("PR", "2", -share)];
                put(response(&format!("r{number}q"), &current, start + 7, "22", -benefit, &back));
                (contractual, paid) = (contractual - discount, paid - benefit);
            }
        }
        let charge = if is_void { 0 } else { cents };
        if !is_void {
            self.submissions += 1;
            self.rejected += i64::from(is_rejected);
            self.denied += i64::from(is_denied);
        }
        self.add(start, [charge, contractual, written_off, paid]);
    }

    /// Adds an episode to the sums.
    fn add(&mut self, start: usize, [charge, contractual, written_off, paid]: [i64; 4]) {
        self.charges += charge;
        self.contractual += contractual;
        self.written_off += written_off;
        self.paid += paid;
        let balance = charge - contractual - written_off - paid;
        self.open += balance.max(0);
        self.credit += (-balance).max(0);
        let age = days_to_the_end(start - 1);
        let place = [30, 60, 90, 120].iter().position(|bound| age <= *bound).unwrap_or(4);
        self.by_age[place] += balance.max(0);
    }
}

/// Days from a day to 2026-04-30, counted on the calendar.
fn days_to_the_end(number: usize) -> usize {
    let in_year = |month: usize, day: usize| [0, 31, 59, 90, 120][month - 1] + day;
    in_year(4, 30) - in_year(1 + number / 28, 1 + number % 28)
}

fn group(client: &mut Client, measure: &str, name: &str) -> Value {
    let period = "periodStart=2026-01-01&periodEnd=2026-04-30&asOf=2026-04-30";
    let report = client.get(&format!("Measure/{measure}/$evaluate-measure?{period}")).expect(200).json();
    let groups = report["group"].as_array().into_iter().flatten();
    let mut found = groups.filter(|group| group["code"]["coding"][0]["code"] == name);
    found.next().cloned().unwrap_or_else(|| panic!("{measure} has no {name}"))
}

fn cents(figure: &Value) -> i64 {
    let value: Decimal = figure["measureScore"]["value"].to_string().parse().expect("a score");
    (value * Decimal::from(100)).try_into().expect("cents")
}

fn count(group: &Value, side: &str) -> i64 {
    let populations = group["population"].as_array().into_iter().flatten();
    let mut found = populations.filter(|population| population["code"]["coding"][0]["code"] == side);
    found.next().and_then(|population| population["count"].as_i64()).unwrap_or(-1)
}

#[test]
fn random_ledgers_balance_and_agree_with_a_second_computation() {
    let mut random = Random::new(4_711);
    for round in 0..2 {
        let ledger = Ledger::made(&mut random);
        for database in Database::both() {
            let server = Server::start(&database, &[]);
            let mut client = server.client();
            for part in ledger.resources.chunks(100) {
                let entries = part.iter().map(|r| {
                    let url =
                        format!("{}/{}", r["resourceType"].as_str().unwrap(), r["id"].as_str().unwrap());
                    json!({ "resource": r, "request": { "method": "PUT", "url": url } })
                });
                let batch = json!({ "resourceType": "Bundle", "type": "batch", "entry": entries.collect::<Vec<_>>() });
                client.post("", &batch).expect(200);
            }
            let money = |client: &mut Client, name: &str| cents(&group(client, "rcm-money", name));
            let charges = money(&mut client, "charges");
            assert_eq!(charges, ledger.charges, "round {round}: charges");
            assert_eq!(money(&mut client, "contractual"), ledger.contractual, "round {round}: contractual");
            assert_eq!(
                money(&mut client, "denial-write-off"),
                ledger.written_off,
                "round {round}: write-offs"
            );
            assert_eq!(
                money(&mut client, "payments"),
                ledger.paid - ledger.credit,
                "round {round}: payments"
            );
            let (open, credits) = (
                group(&mut client, "rcm-ar-aging", "open-balance"),
                group(&mut client, "rcm-ar-aging", "credits"),
            );
            assert_eq!(
                (cents(&open), cents(&credits)),
                (ledger.open, ledger.credit),
                "round {round}: balances"
            );
            let ages: Vec<i64> =
                open["stratifier"][0]["stratum"].as_array().into_iter().flatten().map(cents).collect();
            assert_eq!(ages, ledger.by_age, "round {round}: ages");
            assert_eq!(ages.iter().sum::<i64>(), ledger.open, "round {round}: ages add up");
            let left = ledger.charges - ledger.contractual - ledger.written_off - ledger.paid;
            assert_eq!(left, ledger.open - ledger.credit, "round {round}: the books balance");
            let denials = group(&mut client, "rcm-initial-denial-rate", "volume");
            assert_eq!(
                (count(&denials, "numerator"), count(&denials, "denominator")),
                (ledger.denied, ledger.submissions),
                "round {round}: denials"
            );
            let clean = group(&mut client, "rcm-clean-claim-rate", "clean-claim-rate");
            assert_eq!(
                count(&clean, "numerator"),
                ledger.submissions - ledger.rejected,
                "round {round}: clean claims"
            );
        }
    }
}
