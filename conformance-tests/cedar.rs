//! The Cedar Clinic: a practice whose every figure was worked out by hand (`cedar/expected.json`). The
//! figures hold on both databases, whatever the order of arrival; what was known earlier can be asked
//! again; and every number leads to the claims that it is made of.

use crate::database::Database;
use crate::differential::random::Random;
use crate::http::Client;
use crate::server::Server;
use rust_decimal::Decimal;
use serde_json::{Value, json};

pub(crate) const PRACTICE: &str = include_str!("cedar/practice.json");
pub(crate) const JANUARY: &str = include_str!("cedar/january.json");
pub(crate) const LATER: &str = include_str!("cedar/later.json");
const EXPECTED: &str = include_str!("cedar/expected.json");

pub(crate) fn parsed(text: &str) -> Value {
    serde_json::from_str(text).expect("a file of the tests is JSON")
}

/// Loads Bundles; gives the last instant that something of them was written at.
pub(crate) fn load(client: &mut Client, bundles: &[&str]) -> String {
    let mut last = String::new();
    for bundle in bundles {
        let answer = client.post("", &parsed(bundle)).expect(200).json();
        let times = items(&answer, "entry").filter_map(|entry| entry["response"]["lastModified"].as_str());
        last = times.map(str::to_owned).max().unwrap_or_default().max(last);
    }
    last
}

/// The report for inputs, asked with POST as a dashboard does.
pub(crate) fn report(client: &mut Client, measure: &str, ask: &Value) -> Value {
    let mut outer = vec![json!({ "name": "reportType", "valueCode": "population" })];
    let mut inner = Vec::new();
    for (name, value) in ask.as_object().expect("inputs by name") {
        match name.as_str() {
            "periodStart" | "periodEnd" => outer.push(json!({ "name": name, "valueDate": value })),
            "knownAt" => inner.push(json!({ "name": name, "valueInstant": value })),
            _ => inner.push(json!({ "name": name, "valueString": value })),
        }
    }
    let inner = json!({ "resourceType": "Parameters", "parameter": inner });
    outer.push(json!({ "name": "parameters", "resource": inner }));
    let body = json!({ "resourceType": "Parameters", "parameter": outer });
    client.post(&format!("Measure/{measure}/$evaluate-measure"), &body).expect(200).json()
}

pub(crate) fn items<'v>(value: &'v Value, name: &str) -> impl Iterator<Item = &'v Value> {
    value[name].as_array().into_iter().flatten()
}

fn code(value: &Value) -> &str {
    value["coding"][0]["code"].as_str().unwrap_or_default()
}

/// The group of a report, or the stratum of it in which all these keys stand.
pub(crate) fn figure<'v>(report: &'v Value, group: &str, stratum: &Value) -> Option<&'v Value> {
    let group = items(report, "group").find(|found| code(&found["code"]) == group)?;
    let Some(wanted) = stratum.as_object() else { return Some(group) };
    let keys: Vec<(&str, &str)> =
        wanted.iter().map(|(code, key)| (code.as_str(), key.as_str().expect("a key"))).collect();
    let stratifier = items(group, "stratifier").find(|stratifier| {
        let codes: Vec<&str> = items(stratifier, "code").map(code).collect();
        codes.len() == keys.len() && keys.iter().all(|(wanted, _)| codes.contains(wanted))
    })?;
    items(stratifier, "stratum").find(|stratum| match keys.as_slice() {
        [(_, key)] => code(&stratum["value"]) == *key,
        _ => keys.iter().all(|(wanted, key)| {
            items(stratum, "component").any(|c| code(&c["code"]) == *wanted && code(&c["value"]) == *key)
        }),
    })
}

fn decimal(value: &Value) -> Option<Decimal> {
    match value {
        Value::Number(number) => number.to_string().parse().ok(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

/// What of a figure is not as expected.
pub(crate) fn differences(found: &Value, expected: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    if let Some(score) = decimal(&expected["score"]) {
        let given = decimal(&found["measureScore"]["value"]);
        // As many decimals as were worked out by hand.
        if given.map(|given| given.round_dp(score.scale()) != score) != Some(false) {
            faults.push(format!("score {given:?} instead of {score}"));
        }
    }
    for side in ["numerator", "denominator"] {
        let population = items(found, "population").find(|p| code(&p["code"]) == side);
        let count = population.and_then(|p| p["count"].as_i64());
        if expected[side]["count"].is_i64() && expected[side]["count"].as_i64() != count {
            faults.push(format!("{side} {count:?} instead of {}", expected[side]["count"]));
        }
        let amount = population.and_then(|p| decimal(&p["extension"][0]["valueMoney"]["value"]));
        if expected[side]["amount"].is_string() && decimal(&expected[side]["amount"]) != amount {
            faults.push(format!("{side} {amount:?} instead of {}", expected[side]["amount"]));
        }
    }
    faults
}

pub(crate) fn check_every_value(client: &mut Client, what: &str) {
    let mut faults = Vec::new();
    for expected in parsed(EXPECTED).as_array().expect("a list") {
        let measure = expected["measure"].as_str().expect("a measure");
        let report = report(client, measure, &expected["ask"]);
        let group = expected["group"].as_str().expect("a group");
        let name = expected["what"].as_str().unwrap_or_default();
        match figure(&report, group, &expected["stratum"]) {
            None => faults.push(format!("{name}: there is no such figure")),
            Some(found) => {
                faults
                    .extend(differences(found, expected).into_iter().map(|fault| format!("{name}: {fault}")));
            }
        }
    }
    assert!(faults.is_empty(), "{what}:\n{}", faults.join("\n"));
}

/// All reports as text, without the instants that they were made at.
pub(crate) fn all_reports(client: &mut Client, known_at: Option<&str>) -> Vec<(String, String)> {
    let mut reports = Vec::new();
    for expected in parsed(EXPECTED).as_array().expect("a list") {
        let measure = expected["measure"].as_str().expect("a measure");
        let mut ask = expected["ask"].clone();
        if let Some(known_at) = known_at {
            ask["knownAt"] = json!(known_at);
        }
        let mut report = report(client, measure, &ask);
        // When it was made, and what was asked.
        (report["date"], report["extension"]) = (Value::Null, Value::Null);
        reports.push((expected["what"].to_string(), report.to_string()));
    }
    reports
}

#[test]
fn every_figure_of_the_cedar_clinic_is_as_worked_out_by_hand() {
    for database in Database::both() {
        let server = Server::start(&database, &[]);
        let mut client = server.client();
        load(&mut client, &[PRACTICE, JANUARY, LATER]);
        check_every_value(&mut client, "in the order of events");
    }
}

#[test]
fn the_order_of_arrival_changes_no_figure() {
    let bundles = [PRACTICE, JANUARY, LATER].map(parsed);
    let mut entries: Vec<Value> = bundles.iter().flat_map(|b| items(b, "entry").cloned()).collect();
    let mut random = Random::new(20_260_331);
    for round in 0..3 {
        for database in Database::both() {
            for place in (1..entries.len()).rev() {
                entries.swap(place, random.below(place + 1));
            }
            let server = Server::start(&database, &[]);
            let mut client = server.client();
            for part in entries.chunks(7) {
                let batch = json!({ "resourceType": "Bundle", "type": "batch", "entry": part });
                client.post("", &batch).expect(200);
            }
            check_every_value(&mut client, &format!("shuffled, round {round}"));
        }
    }
}

#[test]
fn what_was_known_earlier_is_answered_again() {
    for database in Database::both() {
        let server = Server::start(&database, &[]);
        let mut client = server.client();
        let known = load(&mut client, &[PRACTICE, JANUARY]);
        let before = all_reports(&mut client, None);
        std::thread::sleep(std::time::Duration::from_millis(5));
        load(&mut client, &[LATER]);
        let gone = client.get("Claim/C9").expect(200).json();
        client.delete("Claim/C9").expect(204);
        let again = all_reports(&mut client, Some(&known));
        assert_eq!(before.len(), again.len());
        for (was, is) in before.iter().zip(&again) {
            assert_eq!(was, is);
        }
        client.put("Claim/C9", &gone);
        check_every_value(&mut client, "with all of it again");
    }
}

#[test]
fn short_names_answer_as_their_measures_do() {
    for database in Database::both() {
        let server = Server::start(&database, &[]);
        let mut client = server.client();
        load(&mut client, &[PRACTICE, JANUARY, LATER]);
        let mut same = |short: &str, measure: &str, ask: Value| {
            let mut one = client.get(short).expect(200).json();
            let mut other = report(&mut client, measure, &ask);
            (one["date"], other["date"]) = (Value::Null, Value::Null);
            assert_eq!(one, other, "{short}");
        };
        let day = json!({ "periodStart": "2026-03-31", "periodEnd": "2026-03-31", "groupBy": "payer" });
        same("$ar-aging?asOf=2026-03-31&groupBy=payer", "rcm-ar-aging", {
            let mut ask = day.clone();
            ask["asOf"] = json!("2026-03-31");
            ask
        });
        let mut ask = day;
        ask["asOf"] = json!("2026-03-31");
        ask["basis"] = json!("responsible-party");
        ask["buckets"] = json!("30,90");
        same(
            "$ar-aging?asOf=2026-03-31&groupBy=holder&ageBasis=responsible-party&buckets=30,90",
            "rcm-ar-aging",
            ask,
        );
        let ask = json!({ "periodStart": "2026-01-01", "periodEnd": "2026-03-31", "groupBy": "month" });
        same(
            "$denial-trends?periodStart=2026-01-01&periodEnd=2026-03-31&interval=month",
            "rcm-initial-denial-rate",
            ask,
        );
        for (bad, at) in [
            ("$ar-aging", "asOf"),
            ("$ar-aging?asOf=2026-13-01", "asOf"),
            ("$ar-aging?asOf=2026-03-31&buckets=60,30", "buckets"),
            ("$ar-aging?asOf=2026-03-31&ageBasis=any-line", "ageBasis"),
            ("$ar-aging?asOf=2026-03-31&groupBy=moon", "groupBy"),
            ("$denial-trends?periodStart=2026-01-01&periodEnd=2026-03-31&interval=day", "interval"),
            ("$denial-trends?periodStart=2026-01-01", "periodEnd"),
        ] {
            let answer = client.get(bad).expect(400).json();
            assert_eq!(answer["issue"][0]["expression"][0], at, "{bad}");
        }
    }
}

/// All entries of a list, page by page, with what each adds.
pub(crate) fn drill(client: &mut Client, target: &str) -> Vec<(String, i64, Option<Decimal>)> {
    let mut all = Vec::new();
    let mut next = Some(target.to_owned());
    while let Some(target) = next {
        let page = client.get(&target).expect(200).json();
        for entry in items(&page, "entry") {
            let parts = &entry["search"]["extension"][0]["extension"];
            let resource = &entry["resource"];
            let id = format!(
                "{}/{}",
                resource["resourceType"].as_str().expect("a type"),
                resource["id"].as_str().expect("an id")
            );
            all.push((
                id,
                parts[0]["valueInteger"].as_i64().expect("a number"),
                decimal(&parts[1]["valueMoney"]["value"]),
            ));
        }
        let link = items(&page, "link").find(|link| link["relation"] == "next");
        let url = link.and_then(|link| link["url"].as_str()).map(str::to_owned);
        if url.is_none() {
            assert_eq!(page["total"].as_u64(), Some(all.len() as u64), "{target}");
        }
        next = url.and_then(|url| url.split_once("/fhir/").map(|(_, rest)| rest.to_owned()));
    }
    all
}

#[test]
fn every_number_leads_to_the_claims_behind_it() {
    let period = "periodStart=2026-01-01&periodEnd=2026-01-31&asOf=2026-03-31";
    let denials = format!("Measure/rcm-initial-denial-rate/$rcm-drilldown?{period}");
    let ageing = format!("Measure/$rcm-drilldown?measure=rcm-ar-aging&{period}");
    let cases: [(String, &[&str]); 9] = [
        (format!("{denials}&population=numerator"), &["Claim/C10", "Claim/C2", "Claim/C3", "Claim/C5"]),
        (format!("{denials}&population=volume-full&_count=1"), &["Claim/C10", "Claim/C2", "Claim/C5"]),
        (
            format!("{denials}&population=denominator&stratum=payer%7COrganization/P1&_count=2"),
            &["Claim/C3", "Claim/C5", "Claim/C9"],
        ),
        (format!("{denials}&population=numerator&payer=Organization/P2"), &["Claim/C10", "Claim/C2"]),
        (
            format!("{ageing}&population=open-balance&stratum=bucket%7C61-90"),
            &["Claim/C5", "Claim/C8", "Claim/C9"],
        ),
        (format!("{ageing}&population=open-balance&stratum=bucket%7C%3E120"), &["Claim/CO1"]),
        (
            format!("{ageing}&population=open-balance&stratum=bucket%7C61-90&stratum=payer%7Cpatient"),
            &["Claim/C5", "Claim/C8"],
        ),
        (format!("{ageing}&population=credits"), &["Claim/C1"]),
        (
            format!("Measure/rcm-bad-debt/$rcm-drilldown?{period}&population=bad-debt"),
            &["Encounter/visit-s1"],
        ),
    ];
    for database in Database::both() {
        let server = Server::start(&database, &[]);
        let mut client = server.client();
        load(&mut client, &[PRACTICE, JANUARY, LATER]);
        for (target, expected) in &cases {
            let found: Vec<String> = drill(&mut client, target).into_iter().map(|(id, ..)| id).collect();
            assert_eq!(found, *expected, "{target}");
        }
        let open = drill(&mut client, &format!("{ageing}&population=open-balance&stratum=bucket%7C61-90"));
        assert_eq!(open.iter().filter_map(|(.., amount)| *amount).sum::<Decimal>(), Decimal::from(964));
        for (bad, status) in [
            (format!("{denials}&population=moon"), 422),
            (denials.clone(), 400),
            (format!("{denials}&population=numerator&stratum=moon%7C1"), 422),
            (format!("{denials}&population=numerator&stratum=payer"), 400),
            (format!("{denials}&population=numerator&_count=0"), 400),
            (format!("Measure/rcm-dashboard/$rcm-drilldown?{period}&population=numerator"), 422),
            (format!("Measure/none/$rcm-drilldown?{period}&population=numerator"), 404),
        ] {
            client.get(&bad).expect(status);
        }
    }
}

/// One change to the record, and what a figure must then be.
#[test]
fn broken_rules_show() {
    let ask = json!({ "periodStart": "2026-01-01", "periodEnd": "2026-01-31", "asOf": "2026-03-31" });
    for database in Database::both() {
        let server = Server::start(&database, &[]);
        let mut client = server.client();
        load(&mut client, &[PRACTICE, JANUARY, LATER]);
        let is = |client: &mut Client, measure: &str, group: &str, expected: Value| {
            let report = report(client, measure, &ask);
            let found = figure(&report, group, &Value::Null).expect("the group");
            let faults = differences(found, &expected);
            assert!(faults.is_empty(), "{measure} {group}: {}", faults.join(", "));
        };
        // The same instant written in UTC is the same business day.
        let mut claim = client.get("Claim/C10").expect(200).json();
        claim["created"] = json!("2026-02-01T06:30:00Z");
        client.put("Claim/C10", &claim).expect(200);
        is(&mut client, "rcm-initial-denial-rate", "volume", json!({ "score": "0.5000" }));
        // A claim that does not say what it follows is an episode of its own.
        let mut claim = client.get("Claim/C4b").expect(200).json();
        claim.as_object_mut().expect("a resource").remove("related");
        client.put("Claim/C4b", &claim).expect(200);
        is(
            &mut client,
            "rcm-initial-denial-rate",
            "volume",
            json!({ "score": "0.4444", "denominator": { "count": 9 } }),
        );
        claim["related"] = json!([{ "claim": { "reference": "Claim/C4" }, "relationship": { "coding": [{
            "system": "http://terminology.hl7.org/CodeSystem/ex-relatedclaimrelationship", "code": "prior" }] } }]);
        client.put("Claim/C4b", &claim).expect(200);
        // Without its reversal the denial and the correction of a claim both stand: two adjudications.
        client.delete("ClaimResponse/R2v").expect(204);
        is(&mut client, "rcm-gross-collection-rate", "gross-collection-rate", json!({ "score": "0.4295" }));
        // What was entered in error is as if it had never been.
        let mut claim = client.get("Claim/C9").expect(200).json();
        claim["status"] = json!("entered-in-error");
        client.put("Claim/C9", &claim).expect(200);
        is(
            &mut client,
            "rcm-initial-denial-rate",
            "volume",
            json!({ "score": "0.5714", "denominator": { "count": 7 } }),
        );
        is(&mut client, "rcm-money", "charges", json!({ "score": "2450" }));
        // A payer's own rule: P2's CO-96 is contractual.
        let rule = json!({ "resourceType": "ConceptMap", "id": "rule-p2", "status": "active",
            "useContext": [{ "code": { "system": "https://remit.example/fhir/rcm/CodeSystem/rcm-context", "code": "payer" },
                "valueReference": { "reference": "Organization/P2" } }],
            "group": [{ "source": "https://x12.org/codes/claim-adjustment-reason-codes",
                "target": "https://remit.example/fhir/rcm/CodeSystem/rcm-denial-class",
                "element": [{ "code": "96", "target": [{ "code": "contractual", "equivalence": "equivalent" }] }] }] });
        client.put("ConceptMap/rule-p2", &rule).expect(201);
        is(&mut client, "rcm-initial-denial-rate", "volume", json!({ "numerator": { "count": 3 } }));
        is(&mut client, "rcm-money", "contractual", json!({ "score": "650" }));
    }
}

#[test]
fn nothing_gives_no_score_and_small_cells_are_masked() {
    for database in Database::both() {
        let server = Server::start(&database, &[]);
        let mut client = server.client();
        load(&mut client, &[PRACTICE, JANUARY, LATER]);
        let ask = json!({ "periodStart": "2030-01-01", "periodEnd": "2030-01-31" });
        for measure in
            ["rcm-clean-claim-rate", "rcm-net-collection-rate", "rcm-days-to-payment", "rcm-underpayment"]
        {
            for group in items(&report(&mut client, measure, &ask), "group") {
                assert!(group["measureScore"]["value"].is_null(), "{measure}: {group}");
                assert_eq!(group["measureScore"]["extension"][0]["valueCode"], "not-applicable", "{measure}");
            }
        }
        let ask = json!({ "periodStart": "2026-01-01", "periodEnd": "2026-01-31", "asOf": "2026-03-31",
            "groupBy": "payer", "minCell": "4" });
        let report = report(&mut client, "rcm-initial-denial-rate", &ask);
        let of =
            |payer: &str| figure(&report, "volume", &json!({ "payer": payer })).expect("the stratum").clone();
        assert_eq!(of("Organization/P1")["measureScore"]["extension"][0]["valueCode"], "masked");
        assert!(of("Organization/P1")["population"].is_null());
        assert!(differences(&of("Organization/P2"), &json!({ "score": "0.4000" })).is_empty());
    }
}

#[test]
fn a_change_is_explained_by_its_cells() {
    let target = "$rcm-variance?measure=rcm-initial-denial-rate&periodAStart=2026-01-01&periodAEnd=2026-01-15\
                  &periodBStart=2026-01-16&periodBEnd=2026-01-31&asOf=2026-03-31";
    for database in Database::both() {
        let server = Server::start(&database, &[]);
        let mut client = server.client();
        load(&mut client, &[PRACTICE, JANUARY, LATER]);
        let answer = client.get(&format!("{target}&dimension=payer")).expect(200).json();
        let value = |name: &str| {
            let mut found = items(&answer, "parameter").filter(|p| p["name"] == name);
            found.next().and_then(|p| decimal(&p["valueDecimal"]))
        };
        let of = |text: &str| text.parse::<Decimal>().ok();
        assert_eq!((value("before"), value("after"), value("change")), (of("0.75"), of("0.25"), of("-0.5")));
        let cells: Vec<(String, Decimal)> = items(&answer, "parameter")
            .filter(|p| p["name"] == "cell")
            .map(|cell| {
                let part =
                    |name: &str| items(cell, "part").find(|part| part["name"] == name).expect("a part");
                let key = part("dimension")["part"][1]["valueString"].as_str().unwrap_or_default().to_owned();
                (key, decimal(&part("contribution")["valueDecimal"]).expect("a number"))
            })
            .collect();
        let expected = [("Organization/P1", "-0.5"), ("Organization/P2", "0")];
        assert_eq!(cells, expected.map(|(key, part)| (key.to_owned(), of(part).expect("a number"))));
        for (bad, status) in [
            (target.replace("periodAEnd=2026-01-15", "periodAEnd=x"), 400),
            (target.replace("&periodBEnd=2026-01-31", ""), 400),
            (format!("{target}&dimension=moon"), 400),
            (format!("{target}&group=moon"), 422),
            (target.replace("rcm-initial-denial-rate", "rcm-claim-lag"), 422),
            (target.replace("rcm-initial-denial-rate", "none"), 404),
        ] {
            client.get(&bad).expect(status);
        }
    }
}

#[test]
fn a_payer_has_a_scorecard() {
    for database in Database::both() {
        let server = Server::start(&database, &[]);
        let mut client = server.client();
        load(&mut client, &[PRACTICE, JANUARY, LATER]);
        let period = "periodStart=2026-01-01&periodEnd=2026-01-31&asOf=2026-03-31";
        let card = client.get(&format!("Organization/P1/$payer-scorecard?{period}")).expect(200).json();
        let score = |group: &str| {
            let found = figure(&card, group, &Value::Null).unwrap_or_else(|| panic!("no {group}"));
            decimal(&found["measureScore"]["value"]).map(|score| score.round_dp(4).to_string())
        };
        assert_eq!(score("rcm-initial-denial-rate").as_deref(), Some("0.6667"));
        assert_eq!(score("rcm-ar-over-90").as_deref(), Some("0.4695"));
        assert_eq!(score("rcm-days-to-payment").as_deref(), Some("26.0000"));
        client.get(&format!("Organization/cedar-clinic/$payer-scorecard?{period}")).expect(404);
        client.get(&format!("Organization/none/$payer-scorecard?{period}")).expect(404);
    }
}
