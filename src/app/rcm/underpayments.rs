//! `$rcm-underpayments`: the lines that payers allowed less than their contracts let expect, with the claims
//! and the last day to dispute. The SQL stands on the layer of the measure `rcm-underpayment`.

use super::listing::{Common, Row, amount, day, each, invalid, number, over, part, question};
use crate::app::App;
use crate::edi::denial::money;
use crate::edi::find::{self, Found};
use crate::edi::{identity, rules};
use crate::operation::{Invocation, Operation};
use crate::rcm::{self, BASE, Days, DeadlineKind, deadline};
use crate::rest::url::encode_query;
use crate::rest::{Answer, Context};
use remit_fhir::{Error, Issue, IssueType, Kind, Result};
use remit_mart::{Parameter, Query};
use rust_decimal::Decimal;
use serde_json::{Value as Json, json};

const DEFINITION: &str = "https://remit.example/fhir/rcm/OperationDefinition/rcm-underpayments";
const LINES: &str = "https://remit.example/fhir/rcm/Library/q-underpaid-lines";
const PAYERS: &str = "https://remit.example/fhir/rcm/Library/q-payer-contracts";

/// Lines of a page when none is asked for.
const DEFAULT_COUNT: usize = 50;
/// Lines of a page at most.
const MAX_COUNT: usize = 1_000;
/// Payers that can be asked for.
const MAX_PAYERS: usize = 200;

const KNOWN: &[&str] = &[
    "period",
    "periodStart",
    "periodEnd",
    "payer",
    "tolerance",
    "minTotal",
    "asOf",
    "knownAt",
    "currency",
    "timezone",
    "_count",
    "_after",
];

impl App {
    /// The operation, bound to this server's store and mart.
    pub(super) fn underpayments(&self) -> Operation {
        let app = self.clone();
        Operation::new(DEFINITION, move |call| {
            let app = app.clone();
            Box::pin(async move { app.underpaid(&call).await })
        })
    }

    async fn underpaid(&self, call: &Invocation<'_>) -> Result<Answer> {
        let request = Request::read(call)?;
        self.caught_up().await?;
        let without = self.without_contract(&call.cx, &request).await?;
        let query = question(&call.cx, LINES, &request.common, request.bind()).await?;
        let page = self.rows(request.page(&query)).await?;
        let sum = self.rows(request.sum(&query)).await?;
        let more = page.rows.len() > request.count;
        let rows: Vec<Row<'_>> = each(&page).take(request.count).collect();
        let mut claims: Vec<String> = rows.iter().map(|row| row.text("claim_id").to_owned()).collect();
        claims.sort_unstable();
        claims.dedup();
        let claims = find::read(&call.cx, &claims).await?;
        let rules = rules::rules(&call.cx, rows.iter().map(|row| row.text("payer_id"))).await?;
        let next = rows.last().filter(|_| more).map(After::of);
        let mut entries = vec![json!({ "resource": request.summary(each(&sum).next().as_ref(), &without) })];
        entries.extend(rows.iter().map(|row| issue(row, &request, &rules)));
        entries.extend(claims.iter().map(|claim| entry(&call.cx, claim)));
        let bundle = json!({
            "resourceType": "Bundle", "type": "collection", "link": links(call, next), "entry": entries,
        });
        Ok(Answer::of(bundle.to_string()))
    }

    /// The payers of the period that no contract has prices for; 422 when these are all that is asked.
    async fn without_contract(&self, cx: &Context<'_>, request: &Request) -> Result<Vec<(String, String)>> {
        let query = question(cx, PAYERS, &request.common, request.bind()).await?;
        let rows = self.rows(query).await?;
        let (with, others): (Vec<Row<'_>>, Vec<Row<'_>>) =
            each(&rows).partition(|row| row.integer("has_contract") == 1);
        let with: Vec<&str> = with.iter().map(|row| row.text("payer_id")).collect();
        let asked = request.payers.iter().filter(|payer| !with.contains(&payer.as_str()));
        let without: Vec<(String, String)> = match request.payers.is_empty() {
            true => others
                .iter()
                .map(|row| (row.text("payer_id").to_owned(), row.text("payer_display").to_owned()))
                .collect(),
            false => asked.map(|payer| (payer.clone(), String::new())).collect(),
        };
        let is_refused = !without.is_empty() && (!request.payers.is_empty() || with.is_empty());
        if !is_refused {
            return Ok(without);
        }
        let issues = without.iter().map(|(payer, _)| {
            let text = format!(
                "No contract has prices in {} for {payer} (Contract.subject, term.asset.valuedItem).",
                request.common.currency()
            );
            Issue::error(IssueType::BusinessRule, text).at("payer")
        });
        Err(Error::with_issues(Kind::Unprocessable, issues.collect()))
    }
}

/// Where a page goes on: behind the last line of the one before.
struct After {
    total: String,
    claim: String,
    line: i64,
}

impl After {
    fn of(row: &Row<'_>) -> After {
        After {
            total: row.decimal("claim_underpaid").unwrap_or_default().normalize().to_string(),
            claim: row.text("claim_id").to_owned(),
            line: row.integer("line_no"),
        }
    }

    fn parse(text: &str) -> Option<After> {
        let mut parts = text.splitn(3, ',');
        let (total, line, claim) = (parts.next()?, parts.next()?, parts.next()?);
        total.parse::<Decimal>().ok()?;
        Some(After { total: total.to_owned(), claim: claim.to_owned(), line: line.parse().ok()? })
    }

    fn text(&self) -> String {
        format!("{},{},{}", self.total, self.line, self.claim)
    }
}

/// What is asked.
struct Request {
    common: Common,
    start: String,
    end: String,
    payers: Vec<String>,
    tolerance: Decimal,
    tolerance_percent: Decimal,
    min_total: Decimal,
    count: usize,
    after: Option<After>,
}

impl Request {
    fn read(call: &Invocation<'_>) -> Result<Request> {
        call.parameters.only(KNOWN)?;
        let (start, end) = period(call)?;
        let mut common = Common::read(call)?;
        let (mut tolerance, mut tolerance_percent) = (Decimal::ZERO, Decimal::ZERO);
        let mut money = |name: &str, unit: Option<String>| match unit {
            Some(unit) if common.currency.get_or_insert_with(|| unit.clone()) != &unit => {
                Err(invalid(name, IssueType::Value, "All amounts of one call are in one currency."))
            }
            _ => Ok(()),
        };
        match amount(call, "tolerance")? {
            Some((percent, Some(unit))) if unit == "%" => tolerance_percent = percent,
            Some((given, unit)) => {
                money("tolerance", unit)?;
                tolerance = given;
            }
            None => {}
        }
        let mut min_total = Decimal::ZERO;
        match amount(call, "minTotal")? {
            Some((_, Some(unit))) if unit == "%" => {
                return Err(invalid("minTotal", IssueType::Value, "This is an amount, not a share."));
            }
            Some((given, unit)) => {
                money("minTotal", unit)?;
                min_total = given;
            }
            None => {}
        }
        let wrong = || invalid("_after", IssueType::Value, "Take it from the link next of the page before.");
        let after = call.parameters.get("_after").map(|text| After::parse(&text).ok_or_else(wrong));
        Ok(Request {
            common,
            start,
            end,
            payers: payers(call)?,
            tolerance,
            tolerance_percent,
            min_total,
            count: number(call, "_count", DEFAULT_COUNT, MAX_COUNT)?,
            after: after.transpose()?,
        })
    }

    fn bind(&self) -> Vec<(&'static str, rcm::Parameter)> {
        vec![
            ("period_start", rcm::Parameter::Date(self.start.clone())),
            ("period_end", rcm::Parameter::Date(self.end.clone())),
            ("tolerance", rcm::Parameter::Decimal(self.tolerance.to_string())),
            ("tolerance_percent", rcm::Parameter::Decimal(self.tolerance_percent.to_string())),
            ("min_total", rcm::Parameter::Decimal(self.min_total.to_string())),
        ]
    }

    /// The condition on payers, with its parameters.
    fn of_payers(&self) -> (String, Vec<(String, Parameter)>) {
        if self.payers.is_empty() {
            return ("1 = 1".to_owned(), Vec::new());
        }
        let names: Vec<String> = (0..self.payers.len()).map(|n| format!("payer_{n}")).collect();
        let list: Vec<String> = names.iter().map(|name| format!(":{name}")).collect();
        let values = self.payers.iter().map(|payer| Parameter::Text(payer.clone()));
        (format!("f.payer_id IN ({})", list.join(", ")), names.into_iter().zip(values).collect())
    }

    fn page(&self, query: &Query) -> Query {
        let (mut conditions, mut parameters) = self.of_payers();
        if let Some(after) = &self.after {
            conditions.push_str(
                " AND (f.claim_underpaid < :after_total OR (f.claim_underpaid = :after_total \
                 AND (f.claim_id > :after_claim OR (f.claim_id = :after_claim AND f.line_no > :after_line))))",
            );
            parameters.push(("after_total".to_owned(), Parameter::Decimal(after.total.clone())));
            parameters.push(("after_claim".to_owned(), Parameter::Text(after.claim.clone())));
            parameters.push(("after_line".to_owned(), Parameter::Integer(after.line)));
        }
        let sql = format!(
            "SELECT f.claim_id, f.claim_response_id, f.line_no, f.product_code, f.expected, f.allowed, f.paid, \
             f.underpaid, f.contract_id, f.clause_number, f.clause_text, f.posted_date, f.payer_id, \
             f.service_date, f.claim_underpaid FROM found f WHERE {conditions} \
             ORDER BY f.claim_underpaid DESC, f.claim_id, f.line_no LIMIT {}",
            self.count + 1
        );
        over(query, sql, parameters)
    }

    fn sum(&self, query: &Query) -> Query {
        let (conditions, parameters) = self.of_payers();
        let sql = format!(
            "SELECT COUNT(f.line_no) AS lines, COUNT(DISTINCT f.claim_id) AS claims, \
             SUM(f.underpaid) AS underpaid, SUM(f.expected) AS expected FROM found f WHERE {conditions}"
        );
        over(query, sql, parameters)
    }

    fn summary(&self, sum: Option<&Row<'_>>, without: &[(String, String)]) -> Json {
        let currency = self.common.currency();
        let of = |name: &str| sum.and_then(|row| row.decimal(name)).unwrap_or_default();
        let count = |name: &str| sum.map_or(0, |row| row.integer(name));
        let mut parts = vec![
            part("period", "valuePeriod", json!({ "start": self.start, "end": self.end })),
            part("claims", "valueInteger", count("claims")),
            part("lines", "valueInteger", count("lines")),
            part("expected", "valueMoney", money(of("expected"), currency)),
            part("underpaid", "valueMoney", money(of("underpaid"), currency)),
        ];
        parts.extend(without.iter().map(|(payer, name)| {
            let mut reference = json!({ "reference": payer });
            if !name.is_empty() {
                reference["display"] = json!(name);
            }
            part("withoutContract", "valueReference", reference)
        }));
        json!({ "resourceType": "Parameters", "parameter": parts })
    }
}

/// The days of the period: a Period, or two dates.
fn period(call: &Invocation<'_>) -> Result<(String, String)> {
    let of_period = call.parameters.named("period").next().map(|parameter| {
        let period = parameter.get("valuePeriod");
        let day = |name: &str| period.and_then(|period| period.get_str(name).map(|text| text.into_owned()));
        (day("start"), day("end"))
    });
    let is_period = of_period.is_some();
    let (start, end) =
        of_period.unwrap_or_else(|| (call.parameters.get("periodStart"), call.parameters.get("periodEnd")));
    let read = |text: Option<String>, name: &str| {
        let name = if is_period { "period" } else { name };
        let text = text.ok_or_else(|| {
            invalid(name, IssueType::Required, "Give the period: a start and an end such as 2026-01-31.")
        })?;
        day(&text, name)
    };
    let (start, end) = (read(start, "periodStart")?, read(end, "periodEnd")?);
    if end < start {
        let name = if is_period { "period" } else { "periodEnd" };
        return Err(invalid(name, IssueType::Value, "The period ends before it starts."));
    }
    Ok((start, end))
}

fn payers(call: &Invocation<'_>) -> Result<Vec<String>> {
    let of_references = call
        .parameters
        .named("payer")
        .filter_map(|parameter| Some(parameter.get("valueReference")?.get_str("reference")?.into_owned()));
    let mut payers: Vec<String> = call.parameters.all("payer").into_iter().chain(of_references).collect();
    payers.sort_unstable();
    payers.dedup();
    let is_payer = |text: &String| text.strip_prefix("Organization/").is_some_and(remit_fhir::is_id);
    match payers.len() <= MAX_PAYERS && payers.iter().all(is_payer) {
        true => Ok(payers),
        false => {
            let sentence =
                format!("payer is a reference such as Organization/1; at most {MAX_PAYERS} are read.");
            Err(invalid("payer", IssueType::Value, sentence))
        }
    }
}

/// A line as a DetectedIssue. It is made for the answer and not stored; the same line has the same id.
fn issue(row: &Row<'_>, request: &Request, rules: &rules::Rules) -> Json {
    let currency = request.common.currency();
    let line = row.integer("line_no");
    let of = |name: &str| money(row.decimal(name).unwrap_or_default(), currency);
    let days = Days { service: row.text("service_date"), notice: row.text("posted_date") };
    let limit = deadline(&rules.deadlines, row.text("payer_id"), DeadlineKind::Dispute, None, days);
    let mut parts = Vec::new();
    let mut put = |url: &str, kind: &str, value: Json| {
        let mut part = json!({ "url": url });
        part[kind] = value;
        parts.push(part);
    };
    put("line", "valuePositiveInt", json!(line));
    put("expected", "valueMoney", of("expected"));
    put("allowed", "valueMoney", of("allowed"));
    put("paid", "valueMoney", of("paid"));
    put("difference", "valueMoney", of("underpaid"));
    let clause =
        [row.text("clause_number"), row.text("clause_text")].into_iter().find(|text| !text.is_empty());
    if let Some(clause) = clause {
        put("clause", "valueString", json!(clause));
    }
    if let Some((day, _)) = limit {
        put("disputeBy", "valueDate", json!(day));
    }
    let words = [row.text("claim_response_id"), &line.to_string(), row.text("contract_id")];
    let id = identity::id("underpayment", &words);
    let issue = json!({
        "resourceType": "DetectedIssue",
        "id": id,
        "extension": [{ "url": format!("{BASE}/StructureDefinition/rcm-underpayment"), "extension": parts }],
        "status": "preliminary",
        "code": { "coding": [{ "system": format!("{BASE}/CodeSystem/rcm-detected-issue"), "code": "underpayment" }] },
        "identifiedDateTime": row.text("posted_date"),
        "implicated": [
            { "reference": row.text("claim_id") },
            { "reference": row.text("claim_response_id") },
            { "reference": row.text("contract_id") },
        ],
        "detail": format!(
            "Line {line} ({}) was allowed {} less than the contract lets expect.",
            row.text("product_code"), of("underpaid")["value"]
        ),
    });
    json!({ "fullUrl": format!("urn:uuid:{id}"), "resource": issue })
}

fn entry(cx: &Context<'_>, claim: &Found) -> Json {
    json!({ "fullUrl": format!("{}/{}", cx.base, claim.reference), "resource": claim.resource })
}

/// This page, and the next where there is one. A question asked with a body goes on as a query.
fn links(call: &Invocation<'_>, next: Option<After>) -> Json {
    let mut pairs: Vec<(String, String)> = Vec::new();
    for name in KNOWN.iter().filter(|name| **name != "_after") {
        let texts = match *name {
            "period" => Vec::new(),
            "periodStart" | "periodEnd" => {
                let found = period(call).ok();
                let text = found.map(|(start, end)| if *name == "periodStart" { start } else { end });
                text.into_iter().collect()
            }
            "payer" => payers(call).unwrap_or_default(),
            "tolerance" | "minTotal" => written(call, name).into_iter().collect(),
            _ => call.parameters.all(name),
        };
        pairs.extend(texts.into_iter().map(|text| ((*name).to_owned(), text)));
    }
    let currency = Common::read(call).ok().and_then(|common| common.currency);
    if currency.is_none()
        && let Some(unit) = ["tolerance", "minTotal"].iter().find_map(|name| amount(call, name).ok()??.1)
        && unit != "%"
    {
        pairs.push(("currency".to_owned(), unit));
    }
    let url = |after: Option<String>| {
        let mut pairs = pairs.clone();
        pairs.extend(after.map(|after| ("_after".to_owned(), after)));
        format!(
            "{}/$rcm-underpayments?{}",
            call.cx.base,
            encode_query(pairs.iter().map(|(name, text)| (name.as_str(), text.as_str())))
        )
    };
    let mut links = vec![json!({ "relation": "self", "url": url(call.parameters.get("_after")) })];
    links.extend(next.map(|next| json!({ "relation": "next", "url": url(Some(next.text())) })));
    json!(links)
}

/// An amount as it stands in a query.
fn written(call: &Invocation<'_>, name: &str) -> Option<String> {
    let (number, unit) = amount(call, name).ok()??;
    Some(if unit.as_deref() == Some("%") { format!("{number}%") } else { number.to_string() })
}
