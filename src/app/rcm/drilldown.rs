//! `$rcm-drilldown`: from a number to the claims behind it, a page at a time. The SQL is that of the
//! number itself, asked for each episode, so the list adds up to it.

use super::definition::Definition;
use super::evaluate::{Asker, of_measure, question, rows_of};
use super::inputs;
use crate::app::App;
use crate::operation::{Invocation, Operation, Target};
use crate::rcm::{self, Drill, Library, MeasureRequest};
use crate::rest::{Answer, Context, reader};
use remit_fhir::{Error, Result};
use remit_mart::{ByBlocks, Layer, Parameter, Query, Source};
use remit_search::Handling;
use serde_json::{Value as Json, json};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

const DEFINITION: &str = "https://remit.example/fhir/rcm/OperationDefinition/rcm-drilldown";

impl App {
    /// The operation, bound to this server's store and mart.
    pub(super) fn drilldown(&self) -> Operation {
        let app = self.clone();
        Operation::new(DEFINITION, move |call| {
            let app = app.clone();
            Box::pin(async move { app.drill(&call).await })
        })
    }

    async fn drill(&self, call: &Invocation<'_>) -> Result<Answer> {
        let pairs = inputs(call)?;
        let (definition, asked) = kept_or_asked(call, &pairs).await?;
        let measure = definition.measure();
        let (drill, rest) = Drill::read(measure, &asked)?;
        let request = MeasureRequest::parse(measure, &rest)?.of_population()?;
        let request = drill.request(MeasureRequest { by_episode: true, ..request });
        self.feed.catch_up(&self.store, &self.mart).await?;
        let library = drill.library()?;
        let asker = Asker::Caller(&call.cx);
        let (page, sum) = match definition.document(library) {
            Some(document) => {
                let asked = self.stored_question(asker, measure, (library, document), &request).await?;
                let list = List::of(&asked.query, &drill, library, &request);
                let page = rows_of(&asked.mart, list.page(&drill)).await.map_err(of_measure)?;
                (page, rows_of(&asked.mart, list.length(&drill)).await.map_err(of_measure)?)
            }
            None => {
                let query = question(asker, measure, library, &request).await?;
                let list = List::of(&query, &drill, library, &request);
                (self.rows(list.page(&drill)).await?, self.rows(list.length(&drill)).await?)
            }
        };
        let found = Found::of(&page, drill.count)?;
        let resources = read(&call.cx, &found.units).await?;
        let total = sum.rows.first().and_then(|row| row.first());
        let bundle = bundle(call, &pairs, &found, resources, total, &request);
        Ok(Answer::of(bundle.to_string()))
    }
}

/// The measure and its inputs: those of the call, or those of the kept report that it names.
async fn kept_or_asked(
    call: &Invocation<'_>,
    pairs: &[(String, String)],
) -> Result<(Definition, Vec<(String, String)>)> {
    let mut reports = pairs.iter().filter(|(name, _)| name == "report");
    let Some((_, reference)) = reports.next() else {
        return Ok((Definition::of_call(call, pairs).await?, pairs.to_vec()));
    };
    const BESIDE: &[&str] = &["report", "measure", "population", "group", "stratum", "_count", "_after"];
    let further = pairs.iter().find(|(name, _)| !BESIDE.contains(&name.as_str()));
    if let Some((name, _)) = further.or(reports.next()) {
        let text = "A report says itself what was asked; give it once, and none of its inputs.";
        return Err(Error::invalid(text).at(name.clone()));
    }
    let report = report(&call.cx, reference).await?;
    let canonical = rcm::measure_of(&report)?;
    let definition = Definition::of_name(&call.cx, canonical).await?;
    let definition = definition
        .ok_or_else(|| Error::unprocessable("The measure of the report is not known here.").at("report"))?;
    let named = match &call.target {
        Target::Instance(_, id) => Some(*id),
        _ => pairs.iter().find(|(name, _)| name == "measure").map(|(_, value)| value.as_str()),
    };
    if named.is_some_and(|named| !definition.measure().is_named(named)) {
        return Err(Error::unprocessable("The report is of another measure.").at("report"));
    }
    let mut asked = rcm::question_of(&report)?;
    asked.extend(pairs.iter().filter(|(name, _)| name != "report" && name != "measure").cloned());
    Ok((definition, asked))
}

/// A MeasureReport that the caller may read.
async fn report(cx: &Context<'_>, reference: &str) -> Result<Json> {
    let local = reference.strip_prefix(cx.base).map_or(reference, |rest| rest.trim_start_matches('/'));
    let id = local.strip_prefix("MeasureReport/").unwrap_or(local);
    if !remit_fhir::is_id(id) {
        return Err(Error::invalid("Give a reference such as MeasureReport/123.").at("report"));
    }
    let ty = cx.defs.resource_named("MeasureReport");
    let ty = ty.ok_or_else(|| Error::internal("R4 has MeasureReport"))?;
    let stored = cx.store.read(cx.plan, ty, id).await.map_err(|error| error.at("report"))?;
    let body = stored.body.ok_or_else(|| Error::internal("a resource that was read has no body"))?;
    serde_json::from_slice(&body).map_err(Error::internal)
}

/// The list as a question: that of the number, with the statement of the list above it.
struct List(Query);

impl List {
    fn of(query: &Query, drill: &Drill<'_>, library: &Library, request: &MeasureRequest) -> List {
        let figures = Layer::new(&query.sql, query.relations.clone().unwrap_or_default());
        let (sql, parameters) = drill.list(library, request);
        List(above(query, "figures", figures, &sql, parameters))
    }

    fn page(&self, drill: &Drill<'_>) -> Query {
        let (sql, parameters) = drill.page();
        self.read(&sql, parameters)
    }

    fn length(&self, drill: &Drill<'_>) -> Query {
        self.read(drill.length(), Vec::new())
    }

    /// A statement over the list. Where figures are kept by blocks its rows are, too, so that the next
    /// page need not make them.
    fn read(&self, sql: &str, parameters: Vec<(String, rcm::Parameter)>) -> Query {
        let below = Layer::new(&self.0.sql, self.0.relations.clone().unwrap_or_default());
        let below = if self.0.keeps() == ByBlocks::Nothing { below } else { below.kept() };
        above(&self.0, "list", below, sql, parameters)
    }
}

fn above(query: &Query, name: &str, below: Layer, sql: &str, own: Vec<(String, rcm::Parameter)>) -> Query {
    let mut parameters = query.parameters.clone();
    parameters.extend(own.into_iter().map(|(name, value)| (name, drill_parameter(value))));
    Query {
        sql: sql.to_owned(),
        relations: Some(BTreeMap::from([(name.to_owned(), Source::Sql(Arc::new(below)))])),
        parameters,
        ..query.clone()
    }
}

fn drill_parameter(value: rcm::Parameter) -> Parameter {
    match value {
        rcm::Parameter::Integer(number) => Parameter::Integer(number),
        rcm::Parameter::Decimal(text) => Parameter::Decimal(text),
        rcm::Parameter::Text(text) | rcm::Parameter::Date(text) => Parameter::Text(text),
    }
}

/// The episodes of a page, each by its first claim or its encounter, with what it adds to the number.
struct Found {
    units: Vec<(String, i64, Option<rust_decimal::Decimal>)>,
    next: Option<String>,
}

impl Found {
    fn of(rows: &rcm::Rows, count: usize) -> Result<Found> {
        let mut units = Vec::new();
        for row in &rows.rows {
            let [rcm::Value::Text(unit), rcm::Value::Integer(count), amount] = row.as_slice() else {
                return Err(Error::internal("a row of a drilldown has another shape"));
            };
            let amount = match amount {
                rcm::Value::Decimal(amount) => Some(*amount),
                rcm::Value::Integer(amount) => Some((*amount).into()),
                _ => None,
            };
            units.push((unit.clone(), *count, amount));
        }
        let more = units.len() > count;
        units.truncate(count);
        let next = if more { units.last().map(|(unit, ..)| unit.clone()) } else { None };
        Ok(Found { units, next })
    }
}

/// The resources that the caller may read, by their references: one search for each type.
async fn read(
    cx: &Context<'_>,
    units: &[(String, i64, Option<rust_decimal::Decimal>)],
) -> Result<HashMap<String, Json>> {
    let mut found = HashMap::new();
    let mut kinds: Vec<&str> = units.iter().filter_map(|(unit, ..)| Some(unit.split_once('/')?.0)).collect();
    kinds.sort_unstable();
    kinds.dedup();
    for kind in kinds {
        let ids: Vec<&str> = units
            .iter()
            .filter_map(|(unit, ..)| unit.strip_prefix(kind)?.strip_prefix('/'))
            .filter(|id| remit_fhir::is_id(id))
            .collect();
        let Some(ty) = cx.defs.resource_named(kind).filter(|_| !ids.is_empty()) else { continue };
        let reader = reader(cx, cx.store.registry(), Handling::Strict);
        let criterion = remit_search::condition(&[ty], "_id", &ids.join(","), &reader)?;
        let query = remit_search::Query {
            types: vec![ty],
            criteria: vec![criterion],
            count: ids.len(),
            ..remit_search::Query::default()
        };
        let (matches, _) = cx.store.matches(cx.plan, &query).await?;
        for one in matches {
            let Some(body) = one.stored.body else { continue };
            let resource = serde_json::from_slice(&body).map_err(Error::internal)?;
            found.insert(format!("{kind}/{}", one.stored.id), resource);
        }
    }
    Ok(found)
}

fn bundle(
    call: &Invocation<'_>,
    pairs: &[(String, String)],
    found: &Found,
    mut resources: HashMap<String, Json>,
    total: Option<&rcm::Value>,
    request: &MeasureRequest,
) -> Json {
    let base = call.cx.base;
    let url = |after: Option<&str>| {
        let path = match &call.target {
            crate::operation::Target::Instance(_, id) => format!("Measure/{id}/$rcm-drilldown"),
            _ => "Measure/$rcm-drilldown".to_owned(),
        };
        let kept = pairs.iter().filter(|(name, _)| name != "_after");
        let pairs = kept.map(|(name, value)| (name.as_str(), value.as_str()));
        let all = pairs.chain(after.map(|after| ("_after", after)));
        let query: Vec<String> = all.map(|(name, value)| format!("{name}={}", encoded(value))).collect();
        format!("{base}/{path}?{}", query.join("&"))
    };
    let after = pairs.iter().find(|(name, _)| name == "_after").map(|(_, value)| value.as_str());
    let mut links = vec![json!({ "relation": "self", "url": url(after) })];
    if let Some(next) = &found.next {
        links.push(json!({ "relation": "next", "url": url(Some(next)) }));
    }
    let mut entries = Vec::new();
    let mut withheld = 0;
    for (unit, count, amount) in &found.units {
        let Some(resource) = resources.remove(unit) else {
            withheld += 1;
            continue;
        };
        let extension = rcm::contribution(*count, *amount, &request.currency);
        entries.push(json!({
            "fullUrl": format!("{base}/{unit}"),
            "resource": resource,
            "search": { "extension": extension, "mode": "match" },
        }));
    }
    if withheld > 0 {
        entries.push(json!({
            "resource": { "resourceType": "OperationOutcome", "issue": [{
                "severity": "information", "code": "suppressed",
                "diagnostics": format!("{withheld} of this page are not shown: they are deleted since, or not yours to read."),
            }] },
            "search": { "mode": "outcome" },
        }));
    }
    let mut bundle = json!({ "resourceType": "Bundle", "type": "searchset" });
    if let Some(rcm::Value::Integer(total)) = total {
        bundle["total"] = json!(total);
    }
    bundle["link"] = Json::Array(links);
    if !entries.is_empty() {
        bundle["entry"] = Json::Array(entries);
    }
    bundle
}

/// A value as it stands in a query.
fn encoded(value: &str) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(value.len());
    for byte in value.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                text.push(char::from(byte))
            }
            // Writing to a String never fails.
            _ => drop(write!(text, "%{byte:02X}")),
        }
    }
    text
}
