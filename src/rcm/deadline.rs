//! Until when a payer takes something: the rules of the contracts with it (extension `rcm-deadline`), and
//! the days that follow from them. Days are business days as they are written, `2026-01-24`.

use super::library::items;
use remit_fhir::date::{Moment, Precision, civil_from_days, days_from_civil};
use serde_json::Value as Json;

const URL: &str = "https://remit.example/fhir/rcm/StructureDefinition/rcm-deadline";

/// Contracts of these statuses bind nobody.
const VOID: [&str; 5] = ["entered-in-error", "cancelled", "rejected", "revoked", "terminated"];

/// A limit is not longer: fifty years in days. Beyond it a date would leave the calendar of four digits.
const MAX_LENGTH: i64 = 18_300;

/// What a limit is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DeadlineKind {
    /// A first claim.
    TimelyFiling,
    /// A replacement.
    CorrectedClaim,
    /// An appeal against a denial.
    Appeal,
    /// A dispute of what was paid.
    Dispute,
}

impl DeadlineKind {
    fn of(code: &str) -> Option<DeadlineKind> {
        Some(match code {
            "timely-filing" => DeadlineKind::TimelyFiling,
            "corrected-claim" => DeadlineKind::CorrectedClaim,
            "appeal" => DeadlineKind::Appeal,
            "dispute" => DeadlineKind::Dispute,
            _ => return None,
        })
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Unit {
    Days,
    Months,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Length {
    number: i64,
    unit: Unit,
}

impl Length {
    fn read(duration: &Json) -> Option<Length> {
        let number: i64 = duration["value"].as_number()?.to_string().parse().ok()?;
        let (number, unit) = match duration["code"].as_str().or_else(|| duration["unit"].as_str())? {
            "d" | "day" | "days" => (number, Unit::Days),
            "wk" | "week" | "weeks" => (number.checked_mul(7)?, Unit::Days),
            "mo" | "month" | "months" => (number, Unit::Months),
            "a" | "year" | "years" => (number.checked_mul(12)?, Unit::Months),
            _ => return None,
        };
        (0..=MAX_LENGTH).contains(&number).then_some(Length { number, unit })
    }

    fn after(self, days: i64) -> i64 {
        match self.unit {
            Unit::Days => days + self.number,
            Unit::Months => {
                let (year, month, day) = civil_from_days(days);
                let months = year * 12 + i64::from(month) - 1 + self.number;
                let first = |months: i64| {
                    days_from_civil(months.div_euclid(12), (months.rem_euclid(12) + 1) as u32, 1)
                };
                let last = first(months + 1) - 1;
                (first(months) + i64::from(day) - 1).min(last)
            }
        }
    }
}

/// What the days of a limit count from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum From {
    Service,
    Notice,
    Receipt,
}

/// One limit of one contract.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeadlineRule {
    /// The contract, `Contract/…`.
    pub contract: String,
    payers: Vec<String>,
    kind: DeadlineKind,
    limit: Length,
    from: From,
    presumed: Length,
    level: Option<String>,
    start: Option<String>,
    end: Option<String>,
}

/// The days of a claim that limits count from; empty when there is none.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Days<'d> {
    /// When the service was rendered.
    pub service: &'d str,
    /// When the payer decided.
    pub notice: &'d str,
}

impl DeadlineRule {
    /// The limits of a contract. One that cannot be read is none.
    pub fn of(contract: &Json) -> Vec<DeadlineRule> {
        if contract["status"].as_str().is_some_and(|status| VOID.contains(&status)) {
            return Vec::new();
        }
        items(&contract["extension"])
            .filter(|extension| extension["url"] == URL)
            .filter_map(|extension| DeadlineRule::read(contract, extension))
            .collect()
    }

    fn read(contract: &Json, extension: &Json) -> Option<DeadlineRule> {
        let part = |name: &str| items(&extension["extension"]).find(|part| part["url"] == name);
        let code = |name: &str| part(name).and_then(|part| part["valueCode"].as_str());
        let kind = DeadlineKind::of(code("kind")?)?;
        let from = match code("from") {
            Some("service") => From::Service,
            Some("notice") => From::Notice,
            Some("receipt") => From::Receipt,
            Some(_) => return None,
            None if matches!(kind, DeadlineKind::Appeal | DeadlineKind::Dispute) => From::Notice,
            None => From::Service,
        };
        let presumed = match part("presumedReceipt") {
            Some(part) => Length::read(&part["valueDuration"])?,
            None => Length { number: 0, unit: Unit::Days },
        };
        let day = |name: &str| {
            contract["applies"][name].as_str().and_then(|text| text.get(..10)).map(str::to_owned)
        };
        Some(DeadlineRule {
            contract: format!("Contract/{}", contract["id"].as_str().unwrap_or_default()),
            payers: items(&contract["subject"])
                .filter_map(|subject| subject["reference"].as_str())
                .map(str::to_owned)
                .collect(),
            kind,
            limit: Length::read(&part("limit")?["valueDuration"])?,
            from,
            presumed,
            level: code("level").map(str::to_owned),
            start: day("start"),
            end: day("end"),
        })
    }

    /// What it is for.
    pub fn kind(&self) -> DeadlineKind {
        self.kind
    }

    /// The payers that it binds, `Organization/…`.
    pub fn payers(&self) -> impl Iterator<Item = &str> {
        self.payers.iter().map(String::as_str)
    }

    /// Whether its days count from the service.
    pub fn is_from_service(&self) -> bool {
        self.from == From::Service
    }

    /// First and last day of service that its contract is for.
    pub fn in_force(&self) -> (Option<&str>, Option<&str>) {
        (self.start.as_deref(), self.end.as_deref())
    }

    /// The last day of service whose own last day is before a day, all in days since 1970-01-01.
    pub fn service_before(&self, day: i64) -> Option<i64> {
        // A last day never falls when the day of service rises, and a month has at most 31 days.
        let (mut low, mut high) = (day - self.limit.number * 31 - 62, day);
        if self.limit.after(low) >= day {
            return None;
        }
        while low + 1 < high {
            let middle = low + (high - low) / 2;
            match self.limit.after(middle) < day {
                true => low = middle,
                false => high = middle,
            }
        }
        Some(low)
    }

    /// The last day.
    fn last_day(&self, days: Days<'_>) -> Option<String> {
        let from = if self.from == From::Service { days.service } else { days.notice };
        let from = day_number(from)?;
        let received = if self.from == From::Receipt { self.presumed.after(from) } else { from };
        Some(day_text(self.limit.after(received)))
    }

    fn is_for(&self, payer: &str, kind: DeadlineKind, level: Option<&str>, service: &str) -> bool {
        self.kind == kind
            && self.payers.iter().any(|own| own == payer)
            && (self.level.is_none() || self.level.as_deref() == level)
            && (service.is_empty()
                || (self.start.as_deref().is_none_or(|start| start <= service)
                    && self.end.as_deref().is_none_or(|end| end >= service)))
    }
}

/// The last day that the rules of a payer leave, and the contract that says so. A limit of the level asked
/// for goes before one of all levels; of several the shortest counts, so that nothing comes too late.
pub fn deadline<'r>(
    rules: &'r [DeadlineRule],
    payer: &str,
    kind: DeadlineKind,
    level: Option<&str>,
    days: Days<'_>,
) -> Option<(String, &'r str)> {
    let fitting = rules.iter().filter(|rule| rule.is_for(payer, kind, level, days.service));
    let all: Vec<(bool, String, &str)> = fitting
        .filter_map(|rule| Some((rule.level.is_none(), rule.last_day(days)?, rule.contract.as_str())))
        .collect();
    all.into_iter().min().map(|(_, day, contract)| (day, contract))
}

/// Days since 1970-01-01 of a written day.
pub fn day_number(text: &str) -> Option<i64> {
    let moment = Moment::parse(text.get(..10)?)?;
    (moment.precision == Precision::Day).then(|| moment.low.div_euclid(86_400_000_000))
}

/// A day as it is written.
pub fn day_text(days: i64) -> String {
    let (year, month, day) = civil_from_days(days);
    format!("{year:04}-{month:02}-{day:02}")
}

/// The business day of a dateTime: an instant in the time zone of the practice, else the day as written.
pub fn business_day(text: &str, zone: Option<&str>) -> String {
    let instant = Moment::parse(text).filter(|moment| moment.offset_minutes.is_some());
    let zone = zone.and_then(|zone| jiff::tz::TimeZone::get(zone).ok());
    let local = instant.zip(zone).and_then(|(moment, zone)| {
        Some(jiff::Timestamp::from_microsecond(moment.low).ok()?.to_zoned(zone).date())
    });
    local.map_or_else(|| text.get(..10).unwrap_or_default().to_owned(), |day| day.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn rule(kind: &str, limit: (i64, &str), more: &[Json]) -> Json {
        let mut parts = vec![
            json!({ "url": "kind", "valueCode": kind }),
            json!({ "url": "limit", "valueDuration": { "value": limit.0, "code": limit.1 } }),
        ];
        parts.extend(more.iter().cloned());
        json!({ "url": URL, "extension": parts })
    }

    fn contract(payer: &str, rules: &[Json]) -> Json {
        json!({ "resourceType": "Contract", "id": "c", "status": "executed",
            "subject": [{ "reference": payer }], "extension": rules })
    }

    fn receipt(days: i64) -> [Json; 2] {
        [
            json!({ "url": "from", "valueCode": "receipt" }),
            json!({ "url": "presumedReceipt", "valueDuration": { "value": days, "code": "d" } }),
        ]
    }

    #[test]
    fn last_days_follow_from_the_contract() {
        let presumed = receipt(5);
        let cases = [
            // 120 days from receipt, presumed five days after the notice.
            (rule("appeal", (120, "d"), &presumed), "2026-01-24", "2026-05-29"),
            (rule("appeal", (120, "d"), &presumed), "2022-05-15", "2022-09-17"),
            // 90 days from the notice.
            (rule("appeal", (90, "d"), &[]), "2026-01-23", "2026-04-23"),
            (rule("appeal", (90, "d"), &[]), "2026-02-18", "2026-05-19"),
            (rule("appeal", (2, "wk"), &[]), "2026-02-18", "2026-03-04"),
            (rule("appeal", (1, "mo"), &[]), "2026-01-31", "2026-02-28"),
            (rule("appeal", (1, "a"), &[]), "2024-02-29", "2025-02-28"),
        ];
        for (rule, notice, expected) in cases {
            let rules = DeadlineRule::of(&contract("Organization/p1", &[rule]));
            let days = Days { service: "2022-01-01", notice };
            let found = deadline(&rules, "Organization/p1", DeadlineKind::Appeal, None, days);
            assert_eq!(found, Some((expected.to_owned(), "Contract/c")), "{notice}");
        }
    }

    #[test]
    fn a_level_has_its_own_limit_and_the_shortest_counts() {
        let level = json!({ "url": "level", "valueCode": "reconsideration" });
        let rules = DeadlineRule::of(&contract(
            "Organization/p1",
            &[
                rule("appeal", (120, "d"), &[]),
                rule("appeal", (100, "d"), &[]),
                rule("appeal", (180, "d"), &[level]),
                rule("timely-filing", (365, "d"), &[]),
            ],
        ));
        let days = Days { service: "2026-01-01", notice: "2026-02-01" };
        let last = |kind, level| deadline(&rules, "Organization/p1", kind, level, days).map(|found| found.0);
        assert_eq!(last(DeadlineKind::Appeal, None).as_deref(), Some("2026-05-12"));
        assert_eq!(last(DeadlineKind::Appeal, Some("reconsideration")).as_deref(), Some("2026-07-31"));
        assert_eq!(last(DeadlineKind::TimelyFiling, None).as_deref(), Some("2027-01-01"));
        assert_eq!(last(DeadlineKind::Dispute, None), None);
        assert_eq!(deadline(&rules, "Organization/p2", DeadlineKind::Appeal, None, days), None);
    }

    #[test]
    fn days_of_service_are_told_by_their_last_days() {
        for (number, unit) in [(0, "d"), (1, "d"), (90, "d"), (365, "d"), (1, "mo"), (6, "mo"), (1, "a")] {
            let rules =
                DeadlineRule::of(&contract("Organization/p1", &[rule("timely-filing", (number, unit), &[])]));
            for day in (19_000..19_800).step_by(7) {
                let service = rules[0].service_before(day).unwrap();
                let last = |service: i64| rules[0].limit.after(service);
                assert!(last(service) < day && last(service + 1) >= day, "{number} {unit} {day}");
            }
        }
    }

    #[test]
    fn what_does_not_apply_is_no_rule() {
        let fine = rule("appeal", (90, "d"), &[]);
        let mut ended = contract("Organization/p1", std::slice::from_ref(&fine));
        ended["applies"] = json!({ "start": "2020-01-01", "end": "2025-12-31" });
        let rules = DeadlineRule::of(&ended);
        let at = |service| {
            let days = Days { service, notice: "2026-01-01" };
            deadline(&rules, "Organization/p1", DeadlineKind::Appeal, None, days).is_some()
        };
        assert!(at("2025-12-31") && !at("2026-01-01") && !at("2019-12-31"));
        let mut void = contract("Organization/p1", std::slice::from_ref(&fine));
        void["status"] = json!("terminated");
        assert!(DeadlineRule::of(&void).is_empty());
        for broken in [
            rule("appeals", (90, "d"), &[]),
            rule("appeal", (90, "h"), &[]),
            rule("appeal", (-1, "d"), &[]),
            rule("appeal", (99_999_999, "d"), &[]),
            rule("appeal", (9, "d"), &[json!({ "url": "from", "valueCode": "noon" })]),
        ] {
            assert!(
                DeadlineRule::of(&contract("Organization/p1", std::slice::from_ref(&broken))).is_empty(),
                "{broken}"
            );
        }
    }

    #[test]
    fn the_business_day_is_that_of_the_practice() {
        for (text, zone, day) in [
            ("2026-01-24T01:00:00Z", Some("America/Denver"), "2026-01-23"),
            ("2026-01-24T08:00:00-07:00", Some("America/Denver"), "2026-01-24"),
            ("2026-01-24", Some("America/Denver"), "2026-01-24"),
            ("2026-01-24T01:00:00Z", None, "2026-01-24"),
            ("2026-01-24T01:00:00Z", Some("Nowhere/Land"), "2026-01-24"),
            ("", None, ""),
        ] {
            assert_eq!(business_day(text, zone), day, "{text} {zone:?}");
        }
    }
}
