//! `Account/[id]/$statement`: what the patient owes by the layers that the measures stand on, set out as
//! a document.

use super::layers;
use crate::app::App;
use crate::billing::statement::{REDUCTIONS, Statement, Unit};
use crate::operation::{Invocation, Operation, Target};
use crate::rcm::{self, Library, MeasureRequest, Rows};
use crate::rest::{Answer, Context, reader};
use remit_fhir::{Error, IssueType, Result, date};
use remit_mart::{ByBlocks, Limits, Parameter, Query};
use remit_search::Handling;
use remit_store::system_clock;
use rust_decimal::Decimal;
use serde_json::Value as Json;
use std::collections::HashMap;

const DEFINITION: &str = "https://remit.example/fhir/rcm/OperationDefinition/account-statement";
const LIBRARY: &str = "https://remit.example/fhir/rcm/Library/q-statement";

/// Accounts of a patient that are looked at for whether there is another: two say it.
const ACCOUNTS: usize = 2;

impl App {
    /// The operation, bound to this server's store and mart.
    pub(super) fn statement(&self) -> Operation {
        let app = self.clone();
        Operation::new(DEFINITION, move |call| {
            let app = app.clone();
            Box::pin(async move { app.state(&call).await })
        })
    }

    async fn state(&self, call: &Invocation<'_>) -> Result<Answer> {
        let cx = &call.cx;
        let (as_of, timezone) = inputs(call)?;
        let Target::Instance(ty, id) = &call.target else {
            return Err(Error::internal("a statement is of one Account"));
        };
        let stored = cx.store.read(cx.plan, *ty, id).await?;
        let own = format!("Account/{id}");
        let account: Json = parsed(stored.body.as_deref())?;
        let patient = patient(cx, &account)?;
        self.feed.catch_up(&self.store, &self.mart).await?;
        let rows = self.rows(statement_query(cx, &as_of, &timezone, &patient, &own).await?).await?;
        let units = of_account(cx, &rows, &own, &patient).await?;
        pending(&units)?;
        let units: Vec<Unit> = units.into_iter().map(|(unit, _)| unit).collect();
        let owner = account["owner"]["reference"].as_str().map(|name| local(cx, name).to_owned());
        let names: Vec<String> = std::iter::once(patient.clone()).chain(owner.clone()).collect();
        let known = read(cx, &names).await?;
        let person = known.get(&patient).ok_or_else(|| {
            Error::unprocessable("The patient of the account is not in the record, or not yours to read.")
                .at("Account.subject")
        })?;
        let document = Statement {
            base: cx.base,
            account: (&own, &account),
            patient: (&patient, person),
            owner: owner.as_deref().and_then(|name| Some((name, known.get(name)?))),
            as_of: &as_of,
            units: &units,
            now: system_clock(),
        }
        .document();
        Ok(Answer::of(document.to_string()))
    }
}

fn parsed(body: Option<&[u8]>) -> Result<Json> {
    serde_json::from_slice(body.unwrap_or_default()).map_err(Error::internal)
}

/// The day and the time zone.
fn inputs(call: &Invocation<'_>) -> Result<(String, String)> {
    let pairs = super::inputs(call)?;
    let refuse = |name: &str, code, text: &str| Err(Error::invalid(text).coded(code).at(name));
    let mut as_of = date::instant(system_clock())[..10].to_owned();
    let mut timezone = String::new();
    for (name, value) in pairs {
        match name.as_str() {
            "asOf" if MeasureRequest::is_day(&value) => as_of = value,
            "asOf" => return refuse("asOf", IssueType::Value, "This is not a date such as 2026-03-31."),
            "timezone" if jiff::tz::TimeZone::get(&value).is_ok() => timezone = value,
            "timezone" => {
                return refuse("timezone", IssueType::Value, "This is no time zone such as America/Denver.");
            }
            _ => {
                return refuse(
                    &name,
                    IssueType::NotSupported,
                    "$statement has the parameters asOf and timezone.",
                );
            }
        }
    }
    Ok((as_of, timezone))
}

/// A reference without the address of this server before it.
fn local<'r>(cx: &Context<'_>, reference: &'r str) -> &'r str {
    reference.strip_prefix(cx.base).and_then(|rest| rest.strip_prefix('/')).unwrap_or(reference)
}

/// The patient that the account is of.
fn patient(cx: &Context<'_>, account: &Json) -> Result<String> {
    let subjects = account["subject"].as_array().into_iter().flatten();
    let names = subjects.filter_map(|one| one["reference"].as_str()).map(|one| local(cx, one));
    let patients: Vec<&str> = names.filter(|name| name.starts_with("Patient/")).collect();
    match patients.as_slice() {
        [only] => Ok((*only).to_owned()),
        _ => Err(Error::unprocessable("A statement is sent for an account of exactly one patient.")
            .coded(IssueType::BusinessRule)
            .at("Account.subject")),
    }
}

/// The question, over the rows that the caller may see.
async fn statement_query(
    cx: &Context<'_>,
    as_of: &str,
    timezone: &str,
    patient: &str,
    account: &str,
) -> Result<Query> {
    let library =
        Library::find(LIBRARY).ok_or_else(|| Error::internal("the SQL of statements is not shipped"))?;
    let relations = layers::relations(library)?;
    let texts = [("timezone", timezone), ("patient", patient), ("account", account)];
    let mut parameters: std::collections::BTreeMap<String, Parameter> =
        texts.into_iter().map(|(name, text)| (name.to_owned(), Parameter::Text(text.to_owned()))).collect();
    let day = super::evaluate::parameter(rcm::Parameter::Date(as_of.to_owned()))?;
    parameters.insert("as_of".to_owned(), day);
    Ok(Query {
        relations: Some(relations.tables.clone()),
        parameters,
        rule: crate::sql::access_rule(cx, &relations.types).await?,
        limits: Limits {
            memory: super::evaluate::QUESTION_BYTES,
            time: super::evaluate::QUESTION_TIME,
            ..Limits::default()
        },
        by_blocks: ByBlocks::Layers,
        ..Query::new(cx.plan.tenant(), &library.sql)
    })
}

/// The rows that belong to the account, each with what is open of it.
async fn of_account(
    cx: &Context<'_>,
    rows: &Rows,
    account: &str,
    patient: &str,
) -> Result<Vec<(Unit, Decimal)>> {
    let visits: Vec<String> = rows
        .rows
        .iter()
        .filter_map(|row| text(rows, row, "encounter_id"))
        .filter(|name| name.starts_with("Encounter/"))
        .map(str::to_owned)
        .collect();
    let visits = read(cx, &visits).await?;
    let is_only = is_only_account(cx, account, patient).await?;
    let mut units = Vec::new();
    for row in &rows.rows {
        let visit = text(rows, row, "encounter_id").and_then(|name| visits.get(name));
        let accounts = visit.and_then(|visit| visit["account"].as_array()).into_iter().flatten();
        let named: Vec<&str> =
            accounts.filter_map(|one| one["reference"].as_str()).map(|one| local(cx, one)).collect();
        let charged = amount(rows, row, "of_account");
        let is_own = match (named.is_empty(), charged) {
            (false, _) => named.contains(&account),
            (true, Some(of_account)) => of_account == Decimal::ONE,
            (true, None) => is_only,
        };
        if is_own {
            units.push(unit(rows, row));
        }
    }
    Ok(units)
}

fn unit(rows: &Rows, row: &[rcm::Value]) -> (Unit, Decimal) {
    let of = |name: &str| amount(rows, row, name).unwrap_or_default();
    let word = |name: &str| text(rows, row, name).unwrap_or_default().to_owned();
    let reference = text(rows, row, "claim_id").map_or_else(|| word("unit_id"), str::to_owned);
    let unit = Unit {
        reference,
        day: word("service_date"),
        currency: word("currency"),
        charge: of("charge"),
        reductions: REDUCTIONS.iter().map(|(name, _)| (*name, of(name))).collect(),
        due: of("patient_amount"),
        credit: of("credit_amount"),
    };
    (unit, of("open_amount"))
}

/// Whether the patient has no other active account.
async fn is_only_account(cx: &Context<'_>, account: &str, patient: &str) -> Result<bool> {
    let Some(ty) = cx.defs.resource_named("Account") else { return Ok(true) };
    let reader = reader(cx, cx.store.registry(), Handling::Strict);
    let mut criteria = Vec::new();
    for (name, value) in [("patient", patient), ("status", "active")] {
        criteria.push(remit_search::condition(&[ty], name, value, &reader)?);
    }
    let query =
        remit_search::Query { types: vec![ty], criteria, count: ACCOUNTS, ..remit_search::Query::default() };
    let (found, _) = cx.store.matches(cx.plan, &query).await?;
    Ok(found.iter().all(|one| format!("Account/{}", one.stored.id) == account))
}

/// 409 while somebody else owes a part of what is open.
fn pending(units: &[(Unit, Decimal)]) -> Result<()> {
    let waiting: Vec<&str> = units
        .iter()
        .filter(|(unit, open)| *open > unit.due)
        .map(|(unit, _)| unit.reference.as_str())
        .collect();
    if waiting.is_empty() {
        return Ok(());
    }
    let shown = waiting.iter().take(20).copied().collect::<Vec<_>>().join(", ");
    Err(Error::conflict(format!(
        "Insurance still owes a part of {} claims ({shown}); a statement is sent when that is settled.",
        waiting.len()
    ))
    .coded(IssueType::BusinessRule)
    .at("Account"))
}

/// The resources that the caller may read, by their references.
async fn read(cx: &Context<'_>, names: &[String]) -> Result<HashMap<String, Json>> {
    let mut targets = Vec::new();
    for name in names {
        if let Some((ty, id)) = name.split_once('/')
            && let Some(ty) = cx.defs.resource_named(ty)
        {
            targets.push((ty, Box::from(id)));
        }
    }
    targets.sort_unstable();
    targets.dedup();
    let mut found = HashMap::new();
    for one in cx.store.by_id(cx.plan, &targets).await? {
        let name = format!("{}/{}", cx.defs.name(one.stored.ty), one.stored.id);
        found.insert(name, parsed(one.stored.body.as_deref())?);
    }
    Ok(found)
}

fn cell<'r>(rows: &Rows, row: &'r [rcm::Value], name: &str) -> Option<&'r rcm::Value> {
    row.get(rows.columns.iter().position(|column| column == name)?)
}

fn text<'r>(rows: &Rows, row: &'r [rcm::Value], name: &str) -> Option<&'r str> {
    match cell(rows, row, name)? {
        rcm::Value::Text(text) => Some(text),
        _ => None,
    }
}

fn amount(rows: &Rows, row: &[rcm::Value], name: &str) -> Option<Decimal> {
    match cell(rows, row, name)? {
        rcm::Value::Decimal(amount) => Some(*amount),
        rcm::Value::Integer(amount) => Some(Decimal::from(*amount)),
        _ => None,
    }
}
