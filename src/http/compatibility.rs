//! Compatibility routes: paths and names that dashboards before FHIR used, each a façade of a FHIR request
//! that is run as if the caller had sent it, with the same rights. The table of routes is data
//! (`routes.rs`); nothing is computed here.

mod routes;
mod shape;

use super::App;
use super::ask::{self, Ask};
use super::body::receive;
use super::fhir::{base, document, in_time, perform};
use super::format::Content;
use super::handle::Note;
use super::respond;
use crate::operation;
use crate::rest::route::Route;
use crate::rest::url::{Pair, decode, decode_query};
use crate::rest::{Answer, Context, Held};
use axum::body::Body;
use hyper::body::Incoming;
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderMap, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Response};
use remit_fhir::date::{Moment, civil_from_days};
use remit_fhir::{Error, IssueType, Kind, Result};
use remit_search::Handling;
use remit_store::system_clock;
use routes::{Facade, INPUTS, ROUTES, Shape};

const DAY_US: i64 = 86_400_000_000;

/// A path below `/api`, of the default tenant or of another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Place<'p> {
    tenant: Option<&'p str>,
    rest: &'p str,
}

impl<'p> Place<'p> {
    /// Reads `/api/…` and `/t/NAME/api/…`; `None` is another path.
    pub(super) fn of(path: &'p str) -> Option<Place<'p>> {
        let (tenant, rest) = match path.strip_prefix("/t/").and_then(|rest| rest.split_once('/')) {
            Some((tenant, rest)) => (Some(tenant), rest.strip_prefix("api")?),
            None => (None, path.strip_prefix("/api")?),
        };
        match rest.strip_prefix('/') {
            Some(rest) => Some(Place { tenant, rest: rest.trim_end_matches('/') }),
            None => rest.is_empty().then_some(Place { tenant, rest }),
        }
    }
}

/// Answers a request to a compatibility route.
pub(super) async fn respond_to(
    app: &App,
    place: Place<'_>,
    parts: &Parts,
    body: Incoming,
    note: &mut Note,
) -> Response<Body> {
    let mut ask = Ask::plain(&parts.method);
    match answer(app, place, parts, body, note, &mut ask).await {
        Ok(response) => response,
        Err(error) => {
            let mut headers = HeaderMap::new();
            if error.kind == Kind::MethodNotAllowed {
                let allowed: Vec<&str> = matching(app, place.rest).map(|(facade, _)| facade.method).collect();
                headers.extend(HeaderValue::from_str(&allowed.join(", ")).ok().map(|allow| (ALLOW, allow)));
            }
            respond::error(app, &ask, &error, headers).await
        }
    }
}

/// The routes of a path, with what stands in the place of names in braces.
fn matching<'p>(app: &App, path: &'p str) -> impl Iterator<Item = (&'static Facade, Vec<Named<'p>>)> {
    let is_there = move |facade: &&Facade| {
        let operation = facade.request.split_once('$').map(|(_, code)| code);
        operation.is_none_or(|code| app.operations.definitions().any(|known| known.code == code))
    };
    let all = ROUTES.iter().filter(move |_| app.settings.compatibility);
    all.filter(is_there).filter_map(move |facade| Some((facade, fit(facade.path, path)?)))
}

type Named<'p> = (&'static str, &'p str);

fn fit<'p>(template: &'static str, path: &'p str) -> Option<Vec<Named<'p>>> {
    let mut named = Vec::new();
    let (mut wanted, mut given) = (template.split('/'), path.split('/'));
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return Some(named),
            (Some(wanted), Some(given)) => {
                match wanted.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
                    Some(name) => named.push((name, given)),
                    None if wanted == given => {}
                    None => return None,
                }
            }
            _ => return None,
        }
    }
}

/// The route of a path and a method; 404 and 405 where there is none.
fn find<'p>(app: &App, path: &'p str, method: &Method) -> Result<(&'static Facade, Vec<Named<'p>>)> {
    let method = if *method == Method::HEAD { "GET" } else { method.as_str() };
    let mut found = matching(app, path).peekable();
    if found.peek().is_none() {
        return Err(Error::not_found(
            "There is no compatibility route at this path; the FHIR endpoint is /fhir.",
        ));
    }
    found
        .find(|(facade, _)| facade.method == method)
        .ok_or_else(|| Error::new(Kind::MethodNotAllowed, "This path takes another method."))
}

async fn answer(
    app: &App,
    place: Place<'_>,
    parts: &Parts,
    body: Incoming,
    note: &mut Note,
    ask: &mut Ask,
) -> Result<Response<Body>> {
    let (facade, named) = find(app, place.rest, &parts.method)?;
    note.facade(facade.path);
    let query = parts.uri.query().unwrap_or("");
    if parts.uri.path().len() + query.len() > app.settings.max_url_bytes {
        let limit = app.settings.max_url_bytes;
        return Err(Error::new(Kind::UriTooLong, format!("The URL is longer than {limit} bytes.")));
    }
    let pairs = decode_query(query.as_bytes())?;
    // What is shown under other names is JSON; rows come in formats of their own.
    if let Err(error) = ask.read(&parts.headers, &pairs)
        && error.kind != Kind::NotAcceptable
    {
        return Err(error);
    }
    let (path, pairs) = request(facade, named, pairs)?;
    let tenant = app.tenants.find(&app.store, place.tenant).await?;
    let base = base(app, parts, &tenant)?;
    let cx =
        Context { store: &app.store, plan: &tenant.plan, defs: app.defs, base: &base, settings: &app.rules };
    // What was received holds its share of the memory for bodies until the end.
    let received = match facade.method {
        "POST" => Some(receive(body, &parts.headers, &app.settings, &app.budget).await?),
        _ => None,
    };
    let given = match &received {
        Some(received) if !received.bytes.is_empty() => {
            note.received(received.bytes.len());
            let content = Content::parse(ask::text(&parts.headers, CONTENT_TYPE, "Content-Type")?)?;
            Some(document(app, content, received.bytes.clone()).await?)
        }
        _ => None,
    };
    let route = Route::parse(app.defs, &path)?;
    let method = if facade.method == "POST" { operation::Method::Post } else { operation::Method::Get };
    let (held, handling, accept) = (Held::default(), Handling::Strict, ask::accept(&parts.headers)?);
    let work = perform(app, &cx, method, &route, &pairs, given, &held, handling, accept, false);
    let answer = in_time(app, work).await?;
    let answer = shown(facade, answer)?;
    Ok(respond::answer(app, ask, &cx, answer).await)
}

/// The FHIR request behind a route: its path below the base, and its inputs.
fn request(facade: &Facade, named: Vec<Named<'_>>, given: Vec<Pair>) -> Result<(String, Vec<Pair>)> {
    let mut path = facade.request.to_owned();
    let mut pairs: Vec<Pair> = facade.fixed.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
    for (name, value) in named {
        let value = decode(value)?;
        let place = format!("{{{name}}}");
        match path.contains(&place) {
            true => path = path.replace(&place, id(name, &value)?),
            false => pairs.push((name.to_owned(), id(name, &value)?.to_owned())),
        }
    }
    let mut renamed = Vec::new();
    for (name, value) in given {
        let place = format!("{{{name}}}");
        match path.contains(&place) {
            true => path = path.replace(&place, id(&name, &value)?),
            false => renamed.push(rename(name, value)),
        }
    }
    if let Some((_, rest)) = path.split_once('{') {
        let name = rest.split('}').next().unwrap_or_default();
        return Err(Error::invalid("Give the id that this request is about.")
            .coded(IssueType::Required)
            .at(name.to_owned()));
    }
    check_period(&renamed)?;
    if !facade.usual.iter().any(|(name, _)| renamed.iter().any(|(given, _)| given == name)) {
        let today = system_clock().div_euclid(DAY_US);
        pairs.extend(facade.usual.iter().map(|(name, ago)| ((*name).to_owned(), day(today - ago))));
    }
    pairs.extend(renamed);
    Ok((path, pairs))
}

fn id<'v>(name: &str, value: &'v str) -> Result<&'v str> {
    match remit_fhir::is_id(value) {
        true => Ok(value),
        false => Err(Error::invalid("This is no id of a resource.").at(name.to_owned())),
    }
}

/// An input by its name in FHIR; ids become references.
fn rename(name: String, value: String) -> Pair {
    let Some((_, known, target)) = INPUTS.iter().find(|(own, ..)| *own == name) else { return (name, value) };
    let Some(target) = target else { return ((*known).to_owned(), value) };
    let whole = |one: &str| match one.contains('/') {
        true => one.to_owned(),
        false => format!("{target}/{one}"),
    };
    let values: Vec<String> = value.split(',').map(whole).collect();
    ((*known).to_owned(), values.join(","))
}

/// Periods of these routes end after they start; in FHIR both may be one day.
fn check_period(pairs: &[Pair]) -> Result<()> {
    let of = |name: &str| {
        let (_, value) = pairs.iter().find(|(given, _)| given == name)?;
        Moment::parse(value)
    };
    match (of("periodStart"), of("periodEnd")) {
        (Some(start), Some(end)) if end.low <= start.low => {
            Err(Error::invalid("The end must come after the start.")
                .coded(IssueType::Invariant)
                .at("periodEnd"))
        }
        _ => Ok(()),
    }
}

fn day(days: i64) -> String {
    let (year, month, day) = civil_from_days(days);
    format!("{year:04}-{month:02}-{day:02}")
}

/// The answer as the route shows it.
fn shown(facade: &Facade, answer: Answer) -> Result<Answer> {
    let Shape::Members(members) = &facade.shape else { return Ok(answer) };
    let body = answer.body.ok_or_else(|| Error::internal("a façade's answer has no body"))?;
    let json: serde_json::Value = serde_json::from_slice(&body).map_err(Error::internal)?;
    let shown = shape::members(&json, members)?;
    Ok(Answer { content_type: Some("application/json"), ..Answer::of(shown.to_string()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_below_api_is_told_from_others() {
        let at = |tenant, rest| Some(Place { tenant, rest });
        let cases = [
            ("/api", at(None, "")),
            ("/api/ar/aging", at(None, "ar/aging")),
            ("/api/ar/aging/", at(None, "ar/aging")),
            ("/t/a/api/ar/aging", at(Some("a"), "ar/aging")),
            ("/apix", None),
            ("/fhir/api", None),
        ];
        for (path, expected) in cases {
            assert_eq!(Place::of(path), expected, "{path}");
        }
    }

    #[test]
    fn a_route_becomes_a_request_with_the_names_of_fhir() {
        let of = |path: &str, query: &str| {
            let mut all = ROUTES.iter().filter_map(|f| Some((f, fit(f.path, path)?)));
            let (facade, named) = all.next().expect("a route");
            let found = request(facade, named, decode_query(query.as_bytes()).expect("a query"));
            let text = |pairs: Vec<Pair>| {
                let pairs: Vec<String> = pairs.into_iter().map(|(n, v)| format!("{n}={v}")).collect();
                pairs.join("&")
            };
            found
                .map(|(path, pairs)| format!("{path}?{}", text(pairs)))
                .map_err(|e| (e.status(), e.issues[0].expression.first().cloned().unwrap_or_default()))
        };
        let cases = [
            (
                "dashboard/kpis",
                "start=2026-01-01&end=2026-01-31&facility_ids=a,Location/b&provider_ids=x",
                Ok(
                    "Measure/rcm-dashboard/$evaluate-measure?periodStart=2026-01-01&periodEnd=2026-01-31&facility=Location/a,Location/b&practitioner=Practitioner/x",
                ),
            ),
            ("dashboard/kpis", "start=2026-01-01&end=2026-01-01", Err((400, "periodEnd"))),
            ("dashboard/kpis", "start=2026-01-02&end=2026-01-01", Err((400, "periodEnd"))),
            ("ar/aging", "asOf=2026-03-31", Ok("$ar-aging?asOf=2026-03-31")),
            ("v1/kpis/rcm-money", "", Ok("Measure/rcm-money/$evaluate-measure?")),
            ("v1/kpis/a b", "", Err((400, "id"))),
            ("v1/claims/C1/status", "", Ok("Claim?_revinclude=ClaimResponse:request&_id=C1")),
            ("v1/claims/C1/appeal", "", Ok("Claim/C1/$rcm-appeal?")),
            ("v1/claims/generate", "encounter=e1", Ok("Encounter/e1/$generate-claim?")),
            ("v1/claims/generate", "", Err((400, "encounter"))),
        ];
        for (path, query, expected) in cases {
            let expected = expected.map(str::to_owned).map_err(|(status, at)| (status, at.to_owned()));
            assert_eq!(of(path, query), expected, "{path}?{query}");
        }
        assert!(ROUTES.iter().all(|facade| fit(facade.path, "nothing").is_none()));
    }
}
