//! The practice is the same every time, believable, whole, and its ledger holds together.

use super::*;
use rust_decimal::Decimal;
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::LazyLock;

fn reference() -> Date {
    jiff::civil::date(2026, 1, 31)
}

fn demo() -> &'static Practice {
    static DEMO: LazyLock<Practice> = LazyLock::new(|| Practice::generate(Options::demo(42, reference())));
    &DEMO
}

fn bundles() -> &'static [String] {
    static BUNDLES: LazyLock<Vec<String>> = LazyLock::new(|| demo().bundles().collect());
    &BUNDLES
}

fn resources() -> &'static [Value] {
    static RESOURCES: LazyLock<Vec<Value>> =
        LazyLock::new(|| bundles().iter().flat_map(|text| resources_of(text)).collect());
    &RESOURCES
}

fn resources_of(text: &str) -> Vec<Value> {
    let mut bundle: Value = serde_json::from_str(text).unwrap();
    let entries = bundle["entry"].as_array_mut().unwrap();
    entries.iter_mut().map(|entry| entry["resource"].take()).collect()
}

#[test]
fn the_same_seed_is_the_same_practice_and_another_is_another() {
    let make = |seed| Practice::generate(Options { patients: 3, ..Options::demo(seed, reference()) });
    let (a, b, other) = (make(42), make(42), make(43));
    assert!(a.bundles().eq(b.bundles()));
    assert_eq!(a.answers, b.answers);
    assert_ne!(a.answers.total, other.answers.total);
    let ids = |practice: &Practice| -> BTreeSet<String> {
        practice
            .bundles()
            .flat_map(|text| resources_of(&text))
            .map(|resource| resource["id"].to_string())
            .collect()
    };
    assert!(ids(&a).is_disjoint(&ids(&other)));
    // A larger practice of the same seed begins with the same patients.
    assert!(a.bundles().eq(bundles().iter().take(4).cloned()));
}

#[test]
fn the_practice_is_believable() {
    let answers = &demo().answers;
    let total = &answers.total;
    assert!((1_050..1_350).contains(&total.claims), "{total:?}");
    assert_eq!((answers.by_payer.len(), answers.by_provider.len(), answers.by_facility.len()), (4, 5, 2));
    assert!((12..=13).contains(&answers.by_month.len()));
    let rate = total.gross_collection_rate().unwrap();
    assert!(rate > Decimal::new(45, 2) && rate < Decimal::new(70, 2), "{rate}");
    let denied = Decimal::from(total.denied_episodes) / Decimal::from(total.episodes);
    assert!(denied > Decimal::new(5, 2) && denied < Decimal::new(16, 2), "{denied}");
    assert!(total.credits > Decimal::ZERO && total.credits < total.open, "{total:?}");
}

#[test]
fn every_charge_is_paid_adjusted_or_open() {
    for seed in 0..20 {
        let answers = Practice::generate(Options::with_claims(seed, reference(), 400)).answers;
        let maps = [&answers.by_payer, &answers.by_month, &answers.by_provider, &answers.by_facility];
        for map in maps {
            for (key, t) in map {
                // Credits of voided claims are no collection of any charge.
                let rest = t.charges - t.payments - t.contractual - t.write_offs - t.open;
                assert!(
                    rest >= Decimal::ZERO - t.credits && rest <= Decimal::ZERO,
                    "{seed} {key} {rest} {t:?}"
                );
            }
            let sum = |field: fn(&Tally) -> Decimal| map.values().map(field).sum::<Decimal>();
            assert_eq!(sum(|t| t.charges), answers.total.charges);
            assert_eq!(sum(|t| t.payments), answers.total.payments);
            assert_eq!(map.values().map(|t| t.claims).sum::<u64>(), answers.total.claims);
        }
    }
}

#[test]
fn the_slow_payer_is_slower_in_autumn() {
    let practice = Practice::generate(Options::with_claims(5, reference(), 6_000));
    let mut days = [(0, 0); 2];
    for episode in (0..practice.options.patients).flat_map(|patient| practice.episodes(patient)) {
        if episode.payer != Some(1) {
            continue;
        }
        for answer in episode.answers.iter().filter(|a| a.kind == episode::Kind::Final) {
            let sent = episode.submissions[answer.submission].day;
            let season = usize::from((9..=11).contains(&calendar::month_of_year(sent)));
            days[season] = (days[season].0 + answer.day - sent, days[season].1 + 1);
        }
    }
    let mean = days.map(|(sum, count)| sum / count);
    assert!(mean[1] > mean[0] + 12, "{mean:?}");
}

#[test]
fn nothing_lies_after_the_reference_date_but_deadlines() {
    for resource in resources() {
        let mut resource = resource.clone();
        let kind = resource["resourceType"].as_str().unwrap_or_default().to_owned();
        if kind == "Contract" {
            continue;
        }
        resource["restriction"] = Value::Null;
        let text = resource.to_string();
        let late = ["\"2026-02", "\"2026-03", "\"2026-04", "\"2027"].iter().find(|date| text.contains(*date));
        assert_eq!(late, None, "{text}");
    }
}

#[test]
fn every_kind_of_event_happens() {
    let all = bundles().concat();
    for word in [
        "\"outcome\":\"error\"",
        "\"valueCode\":\"22\"",
        "\"code\":\"overturned\"",
        "\"code\":\"upheld\"",
        "\"code\":\"7\"",
        "\"code\":\"8\"",
        "denial-write-off",
        "bad-debt",
        "\"resourceType\":\"ChargeItem\"",
        "T23:30:00",
        "\"code\":\"denial-work\"",
        "\"value\":-",
    ] {
        assert!(all.contains(word), "{word}");
    }
}

#[test]
fn ids_are_unique_and_every_reference_leads_to_a_resource() {
    let resources = resources();
    let mut known = BTreeSet::new();
    for resource in resources {
        let id = resource["id"].as_str().unwrap();
        assert!(remit_fhir::is_id(id), "{id}");
        let path = format!("{}/{id}", resource["resourceType"].as_str().unwrap());
        assert!(known.insert(path.clone()), "{path} stands twice");
    }
    let mut waiting: Vec<&Value> = resources.iter().collect();
    while let Some(value) = waiting.pop() {
        match value {
            Value::Object(object) => {
                if let Some(Value::String(reference)) = object.get("reference") {
                    assert!(known.contains(reference), "{reference} leads nowhere");
                }
                waiting.extend(object.values());
            }
            Value::Array(items) => waiting.extend(items),
            _ => {}
        }
    }
}

#[test]
fn the_resources_add_up_to_the_known_answers() {
    let money = |value: &Value| value["value"].to_string().parse::<Decimal>().unwrap();
    let (mut claims, mut paid, mut open_claims) = (0, Decimal::ZERO, BTreeSet::new());
    for r in resources() {
        match r["resourceType"].as_str().unwrap() {
            "Claim" => {
                claims += 1;
                open_claims.insert(r["id"].to_string());
                let lines = r["item"].as_array().unwrap();
                assert!((1..=6).contains(&lines.len()));
                assert_eq!(lines.iter().map(|line| money(&line["net"])).sum::<Decimal>(), money(&r["total"]));
            }
            "PaymentReconciliation" => {
                let details = r["detail"].as_array().unwrap();
                let sum: Decimal = details.iter().map(|detail| money(&detail["amount"])).sum();
                let is_adjustment = r.to_string().contains("rcm-adjustment");
                assert!(is_adjustment || sum == money(&r["paymentAmount"]), "{r}");
                paid += if is_adjustment { Decimal::ZERO } else { sum };
            }
            "ClaimResponse" if r["outcome"] == "complete" => check_balanced(r, money),
            _ => {}
        }
    }
    let total = &demo().answers.total;
    assert_eq!(claims, total.claims);
    // All cash is applied or a credit; voided visits gave theirs back.
    assert_eq!(paid, total.payments + total.credits);
}

/// Each line: charge = paid + every adjustment.
fn check_balanced(response: &Value, money: impl Fn(&Value) -> Decimal) {
    for item in response["item"].as_array().unwrap() {
        let rows = item["adjudication"].as_array().unwrap();
        let is = |row: &Value, text: &str| row["category"]["coding"][0].to_string().contains(text);
        let sum = |text: &str| {
            rows.iter().filter(|row| is(row, text)).map(|row| money(&row["amount"])).sum::<Decimal>()
        };
        let explained = sum("\"benefit\"") + sum("claim-adjustment-group-codes");
        assert_eq!(sum("\"submitted\""), explained, "{item}");
    }
}

#[test]
fn every_resource_keeps_to_the_definitions() {
    let defs = remit_spec::Definitions::r4();
    for text in bundles() {
        let document = remit_fhir::json::parse(bytes::Bytes::from_static(text.as_bytes())).unwrap();
        let issues = remit_validate::structure(document.root(), defs, &remit_validate::Limits::default());
        assert!(issues.is_empty(), "{:?}", &issues[..issues.len().min(5)]);
    }
}

#[test]
fn sizes_out_of_range_are_brought_into_it() {
    let options = Options { seed: 1, reference: reference(), patients: 0, visits: 0, more_lines: 0 };
    let practice = Practice::generate(options);
    assert_eq!(practice.bundles().count(), practice.bundle_count());
    assert_eq!(practice.bundle_count(), 2);
}
