//! Requests of FHIR endpoints: from path, headers and body to the interaction that answers
//! (<https://hl7.org/fhir/R4/http.html>).

use super::access::Tenant;
use super::ask::{self, Ask, text};
use super::binary;
use super::body::{Received, blocking, receive};
use super::capability::capability;
use super::format::{Content, Format};
use super::handle::Note;
use super::{App, respond};
use crate::operation::{self, Invocation, Parameters, Target};
use crate::rest::capability::Mode;
use crate::rest::route::Route;
use crate::rest::subset::Subset;
use crate::rest::url::{Pair, decode_query};
use crate::rest::{self, Answer, Context, Held, Patch, Preference, Tags};
use axum::body::Body;
use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::{ALLOW, CONTENT_TYPE, HOST, HeaderMap, HeaderValue, IF_MATCH, IF_NONE_MATCH};
use hyper::http::request::Parts;
use hyper::{Method, Response};
use remit_fhir::{Document, Error, Kind, Result, json};
use remit_search::Handling;
use std::future::Future;

/// What a path says before the interaction: the tenant, and the rest below the endpoint.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Endpoint<'p> {
    tenant: Option<&'p str>,
    rest: &'p str,
}

impl<'p> Endpoint<'p> {
    /// Reads `/fhir/…` and `/t/NAME/fhir/…`; `None` is no path of FHIR.
    pub(super) fn of(path: &'p str) -> Option<Endpoint<'p>> {
        let (tenant, rest) = match path.strip_prefix("/t/").and_then(|rest| rest.split_once('/')) {
            Some((tenant, rest)) => (Some(tenant), rest.strip_prefix("fhir")?),
            None => (None, path.strip_prefix("/fhir")?),
        };
        match rest.strip_prefix('/') {
            Some(rest) => Some(Endpoint { tenant, rest }),
            None => rest.is_empty().then_some(Endpoint { tenant, rest }),
        }
    }
}

/// A request whose parts were read.
struct Call<'r> {
    app: &'r App,
    cx: Context<'r>,
    method: &'r Method,
    route: Route<'r>,
    /// The query as sent, for conditions.
    query: &'r str,
    pairs: Vec<Pair>,
    headers: &'r HeaderMap,
    handling: Handling,
    /// A Binary is asked for, and not in a format of FHIR.
    is_native: bool,
}

/// The value of a parameter.
fn of_name<'p>(pairs: &'p [Pair], name: &str) -> Option<&'p str> {
    pairs.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

/// Answers a request to a FHIR endpoint.
pub(super) async fn respond_to(
    app: &App,
    endpoint: Endpoint<'_>,
    parts: &Parts,
    body: Incoming,
    note: &mut Note,
) -> Response<Body> {
    let mut ask = Ask::plain(&parts.method);
    match answer(app, endpoint, parts, body, note, &mut ask).await {
        Ok(response) => response,
        Err(error) => {
            let mut headers = HeaderMap::new();
            if error.kind == Kind::MethodNotAllowed
                && let Ok(route) = Route::parse(app.defs, endpoint.rest)
                && let Ok(allow) = HeaderValue::from_str(&route.methods().join(", "))
            {
                headers.insert(ALLOW, allow);
            }
            respond::error(app, &ask, &error, headers).await
        }
    }
}

async fn answer(
    app: &App,
    endpoint: Endpoint<'_>,
    parts: &Parts,
    body: Incoming,
    note: &mut Note,
    ask: &mut Ask,
) -> Result<Response<Body>> {
    let limit = app.settings.max_url_bytes;
    let query = parts.uri.query().unwrap_or("");
    let pairs = match parts.uri.path_and_query() {
        Some(text) if text.as_str().len() > limit => Err(Error::new(
            Kind::UriTooLong,
            format!("The URL is longer than {limit} bytes; send a long search as POST to _search."),
        )),
        _ => decode_query(query.as_bytes()),
    };
    let pairs = pairs.inspect_err(|_| {
        // The error is told in the format of the header at least; a fault in that one adds nothing.
        let _ = ask.read(&parts.headers, &[]);
    })?;
    let asked = ask.read(&parts.headers, &pairs);
    let route = Route::parse(app.defs, endpoint.rest);
    // The content of a Binary may be of any type.
    let is_native =
        route.as_ref().is_ok_and(|route| binary::wants_native(app.defs, route, &parts.headers, &pairs));
    // So may the rows of an operation that chooses its format itself.
    let has_formats = route.as_ref().is_ok_and(|route| has_formats(app, route));
    match asked {
        Err(error) if !((is_native || has_formats) && error.kind == Kind::NotAcceptable) => {
            return Err(error);
        }
        _ => {}
    }
    let route = route?;
    note.route(app, &route, &parts.method);
    let tenant = app.tenants.find(&app.store, endpoint.tenant).await?;
    if !route.methods().contains(&parts.method.as_str()) {
        return Err(not_allowed(&parts.method, &route));
    }
    let base = base(app, parts, &tenant)?;
    let cx =
        Context { store: &app.store, plan: &tenant.plan, defs: app.defs, base: &base, settings: &app.rules };
    let handling = ask.prefer.handling.unwrap_or_default();
    let (method, headers) = (&parts.method, &parts.headers);
    let call = Call { app, cx, method, route, query, pairs, headers, handling, is_native };
    match *method {
        Method::GET | Method::HEAD => in_time(app, call.get(ask)).await,
        Method::DELETE => {
            let answer = in_time(app, call.delete()).await?;
            Ok(respond::write(app, ask, &cx, answer).await)
        }
        Method::OPTIONS => call.metadata(ask).await,
        _ => {
            let received = receive(body, headers, &app.settings, &app.budget).await?;
            note.received(received.bytes.len());
            call.with_body(ask, received).await
        }
    }
}

/// Gives work up at the time limit. A write may still be carried out by then, and the answer says so.
pub(super) async fn in_time<T>(app: &App, work: impl Future<Output = Result<T>>) -> Result<T> {
    match tokio::time::timeout(app.settings.request_timeout, work).await {
        Ok(result) => result,
        Err(_) => Err(Error::new(
            Kind::TimedOut,
            "The request took too long and was given up; if it was a write, look whether it was carried out.",
        )),
    }
}

fn not_allowed(method: &Method, route: &Route<'_>) -> Error {
    let allowed = route.methods().join(", ");
    // An unknown method is the caller's text; it is not repeated.
    let known = [
        Method::GET,
        Method::POST,
        Method::PUT,
        Method::DELETE,
        Method::PATCH,
        Method::HEAD,
        Method::OPTIONS,
    ];
    let name = if known.contains(method) { method.as_str() } else { "This method" };
    let hint = match (method.as_str(), route) {
        ("POST", Route::Instance(..)) => " To change the resource use PUT; to create one, POST to its type.",
        _ => "",
    };
    Error::new(
        Kind::MethodNotAllowed,
        format!("{name} is not possible here; this path takes {allowed}.{hint}"),
    )
}

/// The address of the endpoint, as the client sees it.
pub(super) fn base(app: &App, parts: &Parts, tenant: &Tenant) -> Result<String> {
    if let Some(url) = &app.settings.public_url {
        return Ok([url.trim_end_matches('/'), &tenant.path].concat());
    }
    let of_header = || text(&parts.headers, HOST, "Host");
    let host = match parts.uri.authority() {
        Some(authority) => authority.as_str(),
        None => of_header()?.ok_or_else(|| Error::invalid("The request has no Host header."))?,
    };
    let is_host = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b':' | b'[' | b']');
    if host.is_empty() || !host.bytes().all(is_host) {
        return Err(Error::invalid("The Host header is no host name."));
    }
    Ok(["http://", host, &tenant.path].concat())
}

impl Call<'_> {
    async fn get(&self, ask: &Ask) -> Result<Response<Body>> {
        let cx = &self.cx;
        match &self.route {
            Route::Metadata => return self.metadata(ask).await,
            // The hot path: nothing but the resource is asked for.
            Route::Instance(ty, id) if self.pairs.is_empty() && !self.is_native => {
                let answer = rest::read(cx, *ty, id, &ask::held(self.headers)?).await?;
                return Ok(respond::answer(self.app, ask, cx, answer).await);
            }
            _ => {}
        }
        let held = ask::held(self.headers)?;
        let answer = perform(
            self.app,
            cx,
            operation::Method::Get,
            &self.route,
            &self.pairs,
            None,
            &held,
            self.handling,
            ask::accept(self.headers)?,
            ask.prefer.is_async && !ask.is_head,
        );
        let answer = answer.await?;
        if self.is_native
            && let Some(body) = answer.body.clone()
        {
            let (headers, len) = (self.headers.clone(), body.len());
            let native = blocking(len, move || binary::native(&headers, body)).await?;
            if let Some(native) = native {
                return Ok(respond::native(ask, cx, &answer, native));
            }
        }
        Ok(respond::answer(self.app, ask, cx, answer).await)
    }

    async fn metadata(&self, ask: &Ask) -> Result<Response<Body>> {
        let mode = of_name(&self.pairs, "mode");
        let mode = mode.map_or(Ok(Mode::Full), Mode::parse)?;
        let mut subset = Subset::default();
        for (name, value) in &self.pairs {
            subset.take(name, value)?;
        }
        if subset.is_whole() && !ask.is_pretty {
            let text = capability(self.app, &self.cx, mode, ask.format).await?;
            return Ok(respond::ready(self.app, ask, text).await);
        }
        let text = subset.of(self.app.defs, &capability(self.app, &self.cx, mode, Format::Json).await?)?;
        Ok(respond::answer(self.app, ask, &self.cx, Answer::of(text)).await)
    }

    async fn delete(&self) -> Result<Answer> {
        let if_match = self.tags(IF_MATCH, "If-Match")?;
        match &self.route {
            Route::Instance(ty, id) => rest::delete(&self.cx, *ty, id, if_match.as_ref()).await,
            Route::Type(ty) => {
                rest::delete_conditional(&self.cx, *ty, &self.criteria(), if_match.as_ref()).await
            }
            Route::Job(id) => rest::end_job(&self.cx, id).await,
            route => Err(not_allowed(self.method, route)),
        }
    }

    async fn with_body(&self, ask: &Ask, received: Received) -> Result<Response<Body>> {
        if let Some(uploaded) = self.upload(&received.bytes).await? {
            let answer = in_time(self.app, self.store(ask, uploaded)).await?;
            return Ok(respond::write(self.app, ask, &self.cx, answer).await);
        }
        let content = Content::parse(text(self.headers, CONTENT_TYPE, "Content-Type")?)?;
        let is_search =
            matches!(self.route, Route::SystemSearch | Route::TypeSearch(_) | Route::CompartmentSearch(..));
        let is_operation = matches!(
            self.route,
            Route::SystemOperation(_)
                | Route::TypeOperation(..)
                | Route::InstanceOperation(..)
                | Route::VersionOperation(..)
        );
        let bytes = received.bytes.clone();
        if is_search || (is_operation && (bytes.is_empty() || content == Content::Form)) {
            let mut pairs = self.pairs.clone();
            pairs.extend(self.form(content, &bytes)?);
            let mut ask = *ask;
            // `_format` and the like may stand in the form too.
            match ask.read(self.headers, &pairs) {
                Err(error) if !(has_formats(self.app, &self.route) && error.kind == Kind::NotAcceptable) => {
                    return Err(error);
                }
                _ => {}
            }
            let (method, held) = (operation::Method::Post, Held::default());
            let accept = ask::accept(self.headers)?;
            let is_async = ask.prefer.is_async;
            let (app, cx, route, handling) = (self.app, &self.cx, &self.route, self.handling);
            let work = perform(app, cx, method, route, &pairs, None, &held, handling, accept, is_async);
            let answer = in_time(self.app, work).await?;
            return Ok(respond::answer(self.app, &ask, &self.cx, answer).await);
        }
        if is_operation {
            let document = match content {
                Content::Graphql => graphql(&bytes)?,
                _ => document(self.app, content, bytes).await?,
            };
            let (method, held) = (operation::Method::Post, Held::default());
            let work = perform(
                self.app,
                &self.cx,
                method,
                &self.route,
                &self.pairs,
                Some(document),
                &held,
                self.handling,
                ask::accept(self.headers)?,
                ask.prefer.is_async,
            );
            let answer = in_time(self.app, work).await?;
            return Ok(respond::answer(self.app, ask, &self.cx, answer).await);
        }
        let answer = in_time(self.app, self.write(ask, content, bytes)).await?;
        Ok(match self.route {
            Route::System => respond::bundle(self.app, ask, &self.cx, answer).await,
            _ => respond::write(self.app, ask, &self.cx, answer).await,
        })
    }

    /// The parameters of a form; an empty body has none, whatever its type.
    fn form(&self, content: Content, bytes: &Bytes) -> Result<Vec<Pair>> {
        match content {
            Content::Form => decode_query(bytes),
            _ if bytes.is_empty() => Ok(Vec::new()),
            _ => Err(super::format::unsupported(
                "A search is posted as a form: Content-Type application/x-www-form-urlencoded.",
            )),
        }
    }

    /// The Binary that the body is the content of.
    async fn upload(&self, bytes: &Bytes) -> Result<Option<Document>> {
        let is_write = matches!(self.route, Route::Type(_) | Route::Instance(..));
        if *self.method == Method::PATCH || !is_write || !binary::is_binary(self.app.defs, &self.route) {
            return Ok(None);
        }
        let id = match &self.route {
            Route::Instance(_, id) => Some(id.to_string()),
            _ => None,
        };
        let (headers, bytes) = (self.headers.clone(), bytes.clone());
        blocking(bytes.len(), move || binary::upload(&headers, id.as_deref(), &bytes)).await
    }

    async fn write(&self, ask: &Ask, content: Content, bytes: Bytes) -> Result<Answer> {
        if *self.method == Method::PATCH {
            return self.patch(content, bytes).await;
        }
        self.store(ask, document(self.app, content, bytes).await?).await
    }

    async fn store(&self, ask: &Ask, body: Document) -> Result<Answer> {
        let cx = &self.cx;
        let if_match = self.tags(IF_MATCH, "If-Match")?;
        let if_none_match = self.tags(IF_NONE_MATCH, "If-None-Match")?;
        match (&self.route, self.method) {
            (Route::System, _) => {
                let preference = ask.prefer.result.unwrap_or(Preference::Minimal);
                let run = |request| self.run(request);
                rest::bundle(cx, body, preference, &run).await
            }
            (Route::Type(ty), &Method::POST) => {
                let if_none_exist = text(self.headers, "if-none-exist", "If-None-Exist")?;
                rest::create(cx, *ty, body, if_none_exist).await
            }
            (Route::Type(ty), _) => {
                let (criteria, if_match) = (self.criteria(), if_match.as_ref());
                rest::update_conditional(cx, *ty, &criteria, body, if_match, if_none_match.as_ref()).await
            }
            (Route::Instance(ty, id), _) => {
                rest::update(cx, *ty, id, body, if_match.as_ref(), if_none_match.as_ref()).await
            }
            (route, method) => Err(not_allowed(method, route)),
        }
    }

    async fn patch(&self, content: Content, bytes: Bytes) -> Result<Answer> {
        let patch = match content {
            Content::JsonPatch => Patch::Json(parse_json(bytes).await?),
            Content::Resource(_) => Patch::FhirPath(document(self.app, content, bytes).await?),
            Content::Form => return Err(super::format::unsupported("A form is no patch.")),
            Content::Graphql => return Err(super::format::unsupported("A GraphQL query is no patch.")),
        };
        let if_match = self.tags(IF_MATCH, "If-Match")?;
        match &self.route {
            Route::Instance(ty, id) => rest::patch(&self.cx, *ty, id, &patch, if_match.as_ref()).await,
            Route::Type(ty) => {
                rest::patch_conditional(&self.cx, *ty, &self.criteria(), &patch, if_match.as_ref()).await
            }
            route => Err(not_allowed(self.method, route)),
        }
    }

    /// Runs an entry of a batch that does not write by itself.
    fn run(&self, request: rest::Request) -> rest::Running<'_> {
        Box::pin(async move {
            let route = Route::parse(self.app.defs, &request.path)?;
            let pairs = decode_query(request.query.unwrap_or_default().as_bytes())?;
            let since = request.if_modified_since.as_deref().and_then(remit_fhir::date::Moment::parse);
            let held = Held {
                if_none_match: request.if_none_match.as_deref(),
                modified_since_us: since.map(|moment| moment.low),
            };
            let method = match request.method {
                rest::Method::Post => operation::Method::Post,
                _ => operation::Method::Get,
            };
            let answer = self.perform_entry(method, &route, &pairs, request.body, &held).await?;
            match answer.content_type {
                None => Ok(answer),
                Some(_) => Err(Error::new(
                    Kind::Unprocessable,
                    "The answer to this request is no resource and cannot stand in a Bundle; send it by itself.",
                )
                .coded(remit_fhir::IssueType::NotSupported)),
            }
        })
    }

    async fn perform_entry(
        &self,
        method: operation::Method,
        route: &Route<'_>,
        pairs: &[Pair],
        body: Option<Document>,
        held: &Held<'_>,
    ) -> Result<Answer> {
        perform(self.app, &self.cx, method, route, pairs, body, held, self.handling, None, false).await
    }

    /// The criteria of a conditional interaction: the query without what says how to answer.
    fn criteria(&self) -> String {
        let kept = self.query.split('&').filter(|part| {
            let name = part.split('=').next().unwrap_or_default();
            !rest::is_general(name)
        });
        kept.collect::<Vec<_>>().join("&")
    }

    fn tags(&self, name: hyper::header::HeaderName, shown: &str) -> Result<Option<Tags>> {
        text(self.headers, name, shown)?.map(Tags::parse).transpose()
    }
}

/// Performs what does not write by itself: reads, searches, histories, the capability statement and
/// operations.
#[expect(
    clippy::too_many_arguments,
    reason = "these are the parts of a request, and HTTP and batches bring them apart"
)]
pub(super) async fn perform(
    app: &App,
    cx: &Context<'_>,
    method: operation::Method,
    route: &Route<'_>,
    pairs: &[Pair],
    body: Option<Document>,
    held: &Held<'_>,
    handling: Handling,
    accept: Option<String>,
    is_async: bool,
) -> Result<Answer> {
    let (name, target) = match route {
        Route::SystemOperation(name) => (name, Target::System),
        Route::TypeOperation(ty, name) => (name, Target::Type(*ty)),
        Route::InstanceOperation(ty, id, name) => (name, Target::Instance(*ty, id)),
        Route::VersionOperation(ty, id, version, name) => (name, Target::Version(*ty, id, version)),
        Route::Metadata => return capability(app, cx, Mode::Full, Format::Json).await.map(Answer::of),
        _ if method == operation::Method::Get => return rest::get(cx, route, pairs, held, handling).await,
        _ => return rest::searched(cx, route, pairs, handling).await,
    };
    let code = name.strip_prefix('$').unwrap_or(name);
    let run = app.operations.find(app.defs, code, &target, method)?;
    let has_formats = app.operations.have_formats(code);
    let is_read = |name: &str| !rest::is_general(name) || (has_formats && name == "_format");
    let pairs = pairs.iter().filter(|(name, _)| is_read(name)).cloned().collect();
    let parameters = Parameters::new(pairs, body).accepting(accept.filter(|_| has_formats));
    let call = Invocation { cx: *cx, target, parameters };
    match is_async && app.operations.may_wait(code) {
        true => operation::in_background(run, call).await,
        false => run(call).await,
    }
}

/// Whether a path names an operation that chooses the format of its answer itself.
fn has_formats(app: &App, route: &Route<'_>) -> bool {
    match route {
        Route::SystemOperation(name)
        | Route::TypeOperation(_, name)
        | Route::InstanceOperation(_, _, name)
        | Route::VersionOperation(_, _, _, name) => {
            app.operations.have_formats(name.strip_prefix('$').unwrap_or(name))
        }
        _ => false,
    }
}

/// The resource in a body, in JSON whatever it came in.
pub(super) async fn document(app: &App, content: Content, bytes: Bytes) -> Result<Document> {
    match content {
        Content::Resource(_) if bytes.is_empty() => {
            Err(Error::invalid("The request has no body; it must be a resource."))
        }
        Content::Resource(Format::Json) => parse_json(bytes).await,
        Content::Resource(Format::Xml) => {
            let (defs, len) = (app.defs, bytes.len());
            let work = move || {
                let json = remit_xml::to_json(&bytes, defs, &remit_xml::Limits::default())?;
                Ok(json::parse(json)?)
            };
            blocking(len, work).await
        }
        Content::JsonPatch => Err(super::format::unsupported("A JSON Patch is sent with the method PATCH.")),
        Content::Graphql => {
            Err(super::format::unsupported("A GraphQL query is sent to $graphql and nowhere else."))
        }
        Content::Form => Err(super::format::unsupported(
            "A form is sent to _search only; a resource is sent as JSON or XML.",
        )),
    }
}

/// A GraphQL query by itself, as the JSON that it stands for.
fn graphql(bytes: &Bytes) -> Result<Document> {
    let query = std::str::from_utf8(bytes).map_err(|_| Error::invalid("The query is not UTF-8."))?;
    Ok(json::parse(format!("{{\"query\":{}}}", json::quote(query)))?)
}

async fn parse_json(bytes: Bytes) -> Result<Document> {
    blocking(bytes.len(), move || rest::spelled(json::parse(bytes)?)).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_told_from_other_paths() {
        let at = |tenant, rest| Some(Endpoint { tenant, rest });
        let cases = [
            ("/fhir", at(None, "")),
            ("/fhir/", at(None, "")),
            ("/fhir/Patient/1", at(None, "Patient/1")),
            ("/fhir//", at(None, "/")),
            ("/fhirx", None),
            ("/t/a/fhir", at(Some("a"), "")),
            ("/t/a/fhir/Patient", at(Some("a"), "Patient")),
            ("/t/a/fhirx", None),
            ("/t/a", None),
            ("/t//fhir", at(Some(""), "")),
            ("/", None),
            ("/metrics", None),
        ];
        for (path, expected) in cases {
            assert_eq!(Endpoint::of(path), expected, "{path}");
        }
    }
}
