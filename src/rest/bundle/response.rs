//! The response Bundle of a batch or transaction
//! (<https://hl7.org/fhir/R4/http.html#transaction-response>), written as text, because the bodies in
//! it are texts already.

use remit_fhir::date::instant;
use remit_fhir::json::quote;
use remit_fhir::{Error, Issue, Result, operation_outcome};

use super::Preference;
use super::entry::Method;
use crate::rest::{Answer, Context, etag};

/// The answer to one entry.
pub(super) struct Reply {
    pub(super) method: Option<Method>,
    pub(super) result: Result<Answer>,
}

/// The response Bundle. `kind` is `batch-response` or `transaction-response`.
pub(super) fn render(cx: &Context<'_>, kind: &str, preference: Preference, replies: &[Reply]) -> Answer {
    let bodies: usize =
        replies.iter().filter_map(|r| r.result.as_ref().ok()?.body.as_ref()).map(|b| b.len()).sum();
    let shown = if preference == Preference::Representation { bodies } else { 0 };
    let mut out = String::with_capacity(64 + replies.len() * 200 + shown);
    out.push_str(&format!("{{\"resourceType\":\"Bundle\",\"type\":\"{kind}\""));
    for (at, reply) in replies.iter().enumerate() {
        out.push_str(if at == 0 { ",\"entry\":[" } else { "," });
        match &reply.result {
            Ok(answer) => entry(cx, preference, reply.method, answer, &mut out),
            Err(error) => fault(error, &mut out),
        }
    }
    if !replies.is_empty() {
        out.push(']');
    }
    out.push('}');
    Answer::of(out)
}

fn entry(
    cx: &Context<'_>,
    preference: Preference,
    method: Option<Method>,
    answer: &Answer,
    out: &mut String,
) {
    out.push('{');
    let writes =
        matches!(method, Some(Method::Put | Method::Patch | Method::Delete)) || answer.location.is_some();
    let shows = method != Some(Method::Head) && (!writes || preference == Preference::Representation);
    if let Some(body) =
        answer.body.as_deref().filter(|_| shows).and_then(|body| std::str::from_utf8(body).ok())
    {
        if let Some((ty, id)) = &answer.location {
            let url = format!("{}/{}/{id}", cx.base, cx.defs.name(*ty));
            out.push_str(&format!("\"fullUrl\":{},", quote(&url)));
        }
        out.push_str("\"resource\":");
        out.push_str(body);
        out.push(',');
    }
    out.push_str(&format!("\"response\":{{\"status\":\"{}\"", status(answer.status)));
    if let (Some((ty, id)), Some(version)) = (&answer.location, answer.version) {
        out.push_str(&format!(",\"location\":\"{}/{id}/_history/{version}\"", cx.defs.name(*ty)));
    }
    if let Some(version) = answer.version {
        out.push_str(&format!(",\"etag\":{}", quote(&etag(version))));
    }
    if let Some(at) = answer.updated_us {
        out.push_str(&format!(",\"lastModified\":\"{}\"", instant(at)));
    }
    let wanted = writes && preference == Preference::OperationOutcome;
    if wanted || !answer.issues.is_empty() {
        out.push_str(",\"outcome\":");
        out.push_str(&outcome(cx, answer));
    }
    out.push_str("}}");
}

fn outcome(cx: &Context<'_>, answer: &Answer) -> String {
    if !answer.issues.is_empty() {
        return operation_outcome(&answer.issues).to_string();
    }
    let what = match answer.status {
        201 => "was created",
        204 => "Deleted, or there was nothing to delete",
        _ => "is stored",
    };
    let text = match (&answer.location, answer.version) {
        (Some((ty, id)), Some(version)) => format!("{}/{id} {what} as version {version}.", cx.defs.name(*ty)),
        _ => format!("{what}."),
    };
    operation_outcome(&[Issue::information(text)]).to_string()
}

fn fault(error: &Error, out: &mut String) {
    let (status, outcome) = (status(error.status()), error.outcome());
    out.push_str(&format!("{{\"response\":{{\"status\":\"{status}\",\"outcome\":{outcome}}}}}"));
}

/// Status code and the phrase that HTTP gives it.
fn status(code: u16) -> String {
    let phrase = match code {
        200 => "OK",
        201 => "Created",
        204 => "No Content",
        304 => "Not Modified",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        409 => "Conflict",
        410 => "Gone",
        412 => "Precondition Failed",
        413 => "Content Too Large",
        415 => "Unsupported Media Type",
        422 => "Unprocessable Content",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        507 => "Insufficient Storage",
        _ => return code.to_string(),
    };
    format!("{code} {phrase}")
}
