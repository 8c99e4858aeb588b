//! The gross collection rate computed a second time, plainly: resources in, a table out. Independent
//! of the views and the SQL; it reads the words of `Measure/rcm-gross-collection-rate` only.

use rust_decimal::{Decimal, RoundingStrategy};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// What is asked.
#[derive(Clone, Debug)]
pub(crate) struct Question<'a> {
    /// First day of service, `YYYY-MM-DD`.
    pub period_start: &'a str,
    /// Last day of service, inclusive.
    pub period_end: &'a str,
    /// Last day whose events count.
    pub as_of: &'a str,
    /// ISO 4217.
    pub currency: &'a str,
}

/// The figures of a stratum, exact and unrounded.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Figures {
    /// Episodes with a charge.
    pub episodes: i64,
    /// Episodes with an applied payment.
    pub paid_episodes: i64,
    /// Gross charges.
    pub charges: Decimal,
    /// Applied payments.
    pub payments: Decimal,
}

impl Figures {
    fn add(&mut self, charge: Decimal, payment: Decimal) {
        self.episodes += 1;
        self.paid_episodes += i64::from(payment > Decimal::ZERO);
        self.charges += charge;
        self.payments += payment;
    }

    /// Charges and payments to the cent, half up.
    pub(crate) fn cents(&self) -> (Decimal, Decimal) {
        let round = |d: Decimal| d.round_dp_with_strategy(2, RoundingStrategy::MidpointAwayFromZero);
        (round(self.charges), round(self.payments))
    }
}

/// The whole answer.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Table {
    /// Everything.
    pub total: Figures,
    /// By relative reference of the payer, by its name where there is no reference, or `SELF`.
    pub by_payer: BTreeMap<String, Figures>,
    /// By month of service.
    pub by_month: BTreeMap<String, Figures>,
}

/// The types that the figure depends on.
pub(crate) const TYPES: &[&str] = &[
    "Account",
    "ChargeItem",
    "Claim",
    "ClaimResponse",
    "Coverage",
    "ExplanationOfBenefit",
    "PaymentReconciliation",
];

/// The table for these resources.
pub(crate) fn recompute(resources: impl IntoIterator<Item = Value>, question: &Question<'_>) -> Table {
    let mut record = Record::default();
    for resource in resources {
        let kind = text(&resource["resourceType"]).to_owned();
        let id = format!("{kind}/{}", text(&resource["id"]));
        let targets = [&resource["request"]["reference"], &resource["claim"]["reference"]];
        let details = items(&resource["detail"]).map(|detail| &detail["request"]["reference"]);
        let targets: BTreeSet<&str> = targets.into_iter().chain(details).map(text).collect();
        for target in targets {
            record.about.entry((target.to_owned(), kind.clone())).or_default().push(id.clone());
        }
        record.by_type.entry(kind).or_default().insert(id, resource);
    }
    let mut table = Table::default();
    for episode in record.claim_episodes(question).into_iter().chain(record.self_pay_visits(question)) {
        let in_period = question.period_start <= &*episode.day && &*episode.day <= question.period_end;
        if !in_period || episode.charge <= Decimal::ZERO {
            continue;
        }
        let balance = episode.charge - episode.adjusted - episode.paid;
        let payment = episode.paid - (-balance).max(Decimal::ZERO);
        table.total.add(episode.charge, payment);
        table.by_payer.entry(episode.payer).or_default().add(episode.charge, payment);
        table.by_month.entry(episode.day[..7].to_owned()).or_default().add(episode.charge, payment);
    }
    table
}

struct Episode {
    day: String,
    payer: String,
    charge: Decimal,
    paid: Decimal,
    adjusted: Decimal,
}

#[derive(Default)]
struct Record {
    by_type: BTreeMap<String, BTreeMap<String, Value>>,
    /// What refers to a claim or an encounter: target and type to ids.
    about: BTreeMap<(String, String), Vec<String>>,
}

const CONTRACTUAL: &[&str] = &[
    "24", "44", "45", "59", "90", "91", "94", "131", "144", "161", "187", "223", "225", "237", "246", "253",
];

impl Record {
    fn all(&self, kind: &str) -> impl Iterator<Item = (&String, &Value)> {
        self.by_type.get(kind).into_iter().flatten()
    }

    fn about(&self, target: &str, kind: &str) -> impl Iterator<Item = &Value> {
        let ids = self.about.get(&(target.to_owned(), kind.to_owned())).into_iter().flatten();
        let of_type = self.by_type.get(kind);
        ids.filter_map(move |id| of_type?.get(id))
    }

    fn get(&self, reference: &Value) -> Option<&Value> {
        let path = text(reference);
        self.by_type.get(path.split('/').next()?)?.get(path)
    }

    fn claim_episodes(&self, question: &Question<'_>) -> Vec<Episode> {
        let mut groups: BTreeMap<String, Vec<(&String, &Value)>> = BTreeMap::new();
        for (id, claim) in self.all("Claim") {
            if claim["use"] == "claim"
                && claim["status"] == "active"
                && day(&claim["created"]) <= question.as_of
            {
                groups.entry(self.root(id, claim)).or_default().push((id, claim));
            }
        }
        groups.into_values().filter_map(|claims| self.claim_episode(&claims, question)).collect()
    }

    /// The first claim of the chain, followed link by link.
    fn root(&self, id: &str, claim: &Value) -> String {
        let (mut root, mut seen) = (id.to_owned(), BTreeSet::from([id.to_owned()]));
        let mut current = Some(claim);
        while let Some(claim) = current {
            let Some(earlier) = self.earlier(claim) else { break };
            if !seen.insert(earlier.clone()) {
                break;
            }
            current = self.by_type.get("Claim").and_then(|claims| claims.get(&earlier));
            root = earlier;
        }
        root
    }

    fn earlier(&self, claim: &Value) -> Option<String> {
        let prior =
            items(&claim["related"]).filter(|related| has_code(&related["relationship"], None, "prior"));
        let prior = prior.filter_map(|related| related["claim"]["reference"].as_str().map(str::to_owned));
        let answers = items(&claim["insurance"]).filter_map(|i| self.get(&i["claimResponse"]["reference"]));
        prior.chain(answers.filter_map(|a| a["request"]["reference"].as_str().map(str::to_owned))).min()
    }

    fn claim_episode(&self, claims: &[(&String, &Value)], question: &Question<'_>) -> Option<Episode> {
        let mut ordered: Vec<_> = claims
            .iter()
            .map(|(id, claim)| {
                let created = text(&claim["created"]);
                let at = remit_fhir::date::Moment::parse(created).map_or(i64::MAX, |moment| moment.low);
                (at, *id, *claim)
            })
            .collect();
        ordered.sort_by_key(|(at, id, _)| (*at, *id));
        let is_primary =
            |claim: &Value| items(&claim["insurance"]).all(|i| i["claimResponse"]["reference"].is_null());
        let (_, _, first) =
            ordered.iter().find(|(_, _, c)| is_primary(c) && !matches!(frequency(c), "7" | "8"))?;
        if charge_of(first).1 != question.currency || ordered.iter().any(|(_, _, c)| frequency(c) == "8") {
            return None;
        }
        let standing = ordered.iter().rev().find(|(_, id, c)| {
            is_primary(c) && frequency(c) == "7" && self.answers(id, question).next().is_some()
        });
        let (mut paid, mut adjusted) = (Decimal::ZERO, Decimal::ZERO);
        for (id, _) in claims {
            let (p, a) = self.insurer_money(id, question);
            let (q, b) = self.practice_money(id, question);
            paid += p + q;
            adjusted += a + b;
        }
        let charge = standing.map_or(first, |(_, _, claim)| claim);
        Some(Episode {
            day: service_day(first),
            payer: self.payer(first),
            charge: charge_of(charge).0,
            paid,
            adjusted,
        })
    }

    /// The ClaimResponses of a claim that bear money.
    fn answers<'a>(&'a self, claim: &'a str, question: &'a Question<'_>) -> impl Iterator<Item = &'a Value> {
        self.about(claim, "ClaimResponse")
            .filter(move |answer| answer["request"]["reference"] == claim && bears_money(answer, question))
    }

    fn insurer_money(&self, claim: &str, question: &Question<'_>) -> (Decimal, Decimal) {
        let (mut paid, mut adjusted, mut answered) = (Decimal::ZERO, Decimal::ZERO, false);
        for answer in self.answers(claim, question) {
            let (p, a) = answer_money(answer, question.currency);
            paid += p;
            adjusted += a;
            answered = true;
        }
        if !answered {
            let told = self
                .about(claim, "ExplanationOfBenefit")
                .filter(|e| e["claim"]["reference"] == claim && bears_money(e, question));
            paid += told.map(|e| explained_payment(e, question.currency)).sum::<Decimal>();
        }
        (paid, adjusted)
    }

    /// Patient payments and adjustments of the practice for a claim or an encounter.
    fn practice_money(&self, target: &str, question: &Question<'_>) -> (Decimal, Decimal) {
        let (mut paid, mut adjusted) = (Decimal::ZERO, Decimal::ZERO);
        for payment in self.about(target, "PaymentReconciliation") {
            if payment["status"] != "active" || day(&payment["paymentDate"]) > question.as_of {
                continue;
            }
            let by_patient = items(&payment["extension"]).any(|extension| {
                text(&extension["url"]).ends_with("extension-PaymentReconciliation.paymentIssuer")
                    && text(&extension["valueReference"]["reference"]).starts_with("Patient/")
            });
            for detail in items(&payment["detail"]).filter(|detail| detail["request"]["reference"] == target)
            {
                let Some(amount) = money(&detail["amount"], question.currency) else { continue };
                let mut systems = items(&detail["type"]["coding"]).map(|coding| text(&coding["system"]));
                if systems.any(|system| system.ends_with("/CodeSystem/rcm-adjustment")) {
                    adjusted += amount;
                } else if by_patient {
                    paid += amount;
                }
            }
        }
        (paid, adjusted)
    }

    fn payer(&self, claim: &Value) -> String {
        let focal = items(&claim["insurance"]).find(|insurance| insurance["focal"] == true);
        let coverage_link = focal.map_or(&Value::Null, |insurance| &insurance["coverage"]);
        let coverage = self.get(&coverage_link["reference"]).unwrap_or(&Value::Null);
        if is_self_pay(coverage) {
            return "SELF".to_owned();
        }
        let payor = items(&coverage["payor"]).next().unwrap_or(&Value::Null);
        let reference = [payor, &claim["insurer"]].into_iter().map(|link| text(&link["reference"]));
        let display =
            [payor, &claim["insurer"], coverage_link].into_iter().map(|link| text(&link["display"]));
        let mut names = reference.filter(|name| name.starts_with("Organization/")).chain(display);
        names.find(|name| !name.is_empty()).unwrap_or("SELF").to_owned()
    }

    fn self_pay_visits(&self, question: &Question<'_>) -> Vec<Episode> {
        let mut visits: BTreeMap<String, Episode> = BTreeMap::new();
        for (id, item) in self.all("ChargeItem") {
            let is_charged = matches!(text(&item["status"]), "planned" | "billable" | "billed");
            let is_self_pay =
                items(&item["account"]).filter_map(|account| self.get(&account["reference"])).any(|a| {
                    items(&a["coverage"])
                        .any(|c| self.get(&c["coverage"]["reference"]).is_some_and(is_self_pay))
                });
            let when =
                [&item["occurrenceDateTime"], &item["occurrencePeriod"]["start"], &item["enteredDate"]];
            let when = when.into_iter().map(day).find(|day| !day.is_empty()).unwrap_or_default();
            let Some(price) = money(&item["priceOverride"], question.currency) else { continue };
            if !is_charged || !is_self_pay || when > question.as_of {
                continue;
            }
            let visit = item["context"]["reference"].as_str().unwrap_or(id);
            let (paid, adjusted) = self.practice_money(visit, question);
            let episode = visits.entry(visit.to_owned()).or_insert_with(|| Episode {
                day: when.to_owned(),
                payer: "SELF".to_owned(),
                charge: Decimal::ZERO,
                paid,
                adjusted,
            });
            episode.charge += price;
            episode.day = episode.day.clone().min(when.to_owned());
        }
        visits.into_values().collect()
    }
}

fn bears_money(answer: &Value, question: &Question<'_>) -> bool {
    answer["status"] == "active"
        && answer["use"] == "claim"
        && matches!(text(&answer["outcome"]), "complete" | "partial")
        && day(&answer["created"]) <= question.as_of
}

/// Paid and contractual of a ClaimResponse.
fn answer_money(answer: &Value, currency: &str) -> (Decimal, Decimal) {
    let of_lines: Vec<&Value> = items(&answer["item"])
        .chain(items(&answer["addItem"]))
        .flat_map(|l| items(&l["adjudication"]))
        .collect();
    let of_claim: Vec<&Value> = items(&answer["adjudication"]).collect();
    let benefit = |rows: &[&Value]| {
        let amounts = rows.iter().filter(|row| has_code(&row["category"], Some(ADJUDICATION), "benefit"));
        sum(amounts.filter_map(|row| money(&row["amount"], currency)))
    };
    let total =
        items(&answer["total"]).find(|total| has_code(&total["category"], Some(ADJUDICATION), "benefit"));
    let paid = benefit(&of_lines)
        .or_else(|| benefit(&of_claim))
        .or_else(|| total.and_then(|total| money(&total["amount"], currency)))
        .or_else(|| money(&answer["payment"]["amount"], currency));
    let contractual = of_lines.iter().chain(&of_claim).filter(|row| {
        let group = items(&row["category"]["coding"])
            .find(|c| text(&c["system"]).ends_with("adjustment-group-codes"));
        let reason =
            items(&row["reason"]["coding"]).find(|c| text(&c["system"]).ends_with("adjustment-reason-codes"));
        group.is_some_and(|g| g["code"] != "PR")
            && reason.is_some_and(|r| CONTRACTUAL.contains(&text(&r["code"])))
    });
    let contractual = sum(contractual.filter_map(|row| money(&row["amount"], currency)));
    (paid.unwrap_or_default(), contractual.unwrap_or_default())
}

const ADJUDICATION: &str = "http://terminology.hl7.org/CodeSystem/adjudication";

fn explained_payment(explanation: &Value, currency: &str) -> Decimal {
    let is_paid = |row: &&Value| {
        has_code(&row["category"], None, "paidtoprovider")
            || has_code(&row["category"], Some(ADJUDICATION), "benefit")
    };
    let total = items(&explanation["total"]).find(is_paid);
    let lines = items(&explanation["item"]).flat_map(|line| items(&line["adjudication"])).filter(is_paid);
    money(&explanation["payment"]["amount"], currency)
        .or_else(|| total.and_then(|total| money(&total["amount"], currency)))
        .or_else(|| sum(lines.filter_map(|row| money(&row["amount"], currency))))
        .unwrap_or_default()
}

fn is_self_pay(coverage: &Value) -> bool {
    has_code(&coverage["type"], Some("http://terminology.hl7.org/CodeSystem/coverage-selfpay"), "pay")
        || items(&coverage["payor"]).any(|payor| {
            let reference = text(&payor["reference"]);
            reference.starts_with("Patient/") || reference.starts_with("RelatedPerson/")
        })
}

/// The charge of a claim and its currency.
fn charge_of(claim: &Value) -> (Decimal, &str) {
    if let Some(amount) = decimal(&claim["total"]["value"]) {
        return (amount, text(&claim["total"]["currency"]));
    }
    let currency = items(&claim["item"]).map(|item| text(&item["net"]["currency"])).find(|c| !c.is_empty());
    let nets = items(&claim["item"]).filter_map(|item| decimal(&item["net"]["value"]));
    (nets.sum(), currency.unwrap_or_default())
}

fn frequency(claim: &Value) -> &str {
    let info =
        items(&claim["supportingInfo"]).find(|info| has_code(&info["category"], None, "claim-frequency"));
    info.map_or("1", |info| text(&info["code"]["coding"][0]["code"]))
}

fn service_day(claim: &Value) -> String {
    let days = items(&claim["item"])
        .map(|item| day(&item["servicedDate"]).max(day(&item["servicedPeriod"]["start"])));
    let first = days.filter(|day| !day.is_empty()).min();
    let others = [day(&claim["billablePeriod"]["start"]), day(&claim["created"])];
    first.or_else(|| others.into_iter().find(|day| !day.is_empty())).unwrap_or_default().to_owned()
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// The calendar day as written.
fn day(value: &Value) -> &str {
    text(value).get(..10).unwrap_or_default()
}

fn has_code(concept: &Value, system: Option<&str>, code: &str) -> bool {
    items(&concept["coding"]).any(|c| c["code"] == code && system.is_none_or(|system| c["system"] == system))
}

fn decimal(value: &Value) -> Option<Decimal> {
    let text = value.is_number().then(|| value.to_string())?;
    text.parse().or_else(|_| Decimal::from_scientific(&text)).ok()
}

fn money(value: &Value, currency: &str) -> Option<Decimal> {
    decimal(&value["value"]).filter(|_| value["currency"] == currency)
}

/// `None` when there is nothing to add.
fn sum(amounts: impl Iterator<Item = Decimal>) -> Option<Decimal> {
    amounts.fold(None, |sum, amount| Some(sum.unwrap_or_default() + amount))
}
