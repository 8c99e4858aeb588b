//! Work in the background, told and called off under its own address: the asynchronous pattern of FHIR
//! (<https://hl7.org/fhir/R4/async.html>).

use super::{Answer, Context};
use remit_fhir::date::http_date;
use remit_fhir::{Error, Kind, Result};
use remit_store::{Asked, JobState};
use serde_json::json;

/// Seconds after which it is worth asking again.
const ASK_AGAIN: &str = "1";

/// The answer to a request whose work has been put on the list: 202 with the address to ask.
pub fn accepted(cx: &Context<'_>, id: &str) -> Answer {
    let headers = vec![
        ("content-location", format!("{}/job/{id}", cx.base)),
        ("preference-applied", "respond-async".to_owned()),
    ];
    Answer { headers, ..Answer::empty(202) }
}

/// A request that is answered in the background: 202 until then, and then its answer, while it is kept.
fn asked(asked: Asked) -> Answer {
    match asked.state {
        JobState::Active => {
            let headers = vec![("x-progress", "in work".to_owned()), ("retry-after", ASK_AGAIN.to_owned())];
            Answer { headers, ..Answer::empty(202) }
        }
        JobState::Done => {
            let headers = vec![("expires", http_date(asked.expires_us))];
            Answer { status: asked.status, headers, ..Answer::of(asked.answer) }
        }
        JobState::Failed | JobState::Cancelled => {
            let lost = Error::unavailable(
                "The server was stopped before this was answered, and the request is lost; send it again.",
            );
            Answer { status: lost.status(), ..Answer::of(lost.outcome().to_string()) }
        }
    }
}

/// How far a job is: 202 with `X-Progress`, then 200.
pub async fn job(cx: &Context<'_>, id: &str) -> Result<Answer> {
    if let Some(found) = cx.store.asked(cx.plan, id).await? {
        return Ok(asked(found));
    }
    let job = cx.store.job(cx.plan.tenant(), id).await?.ok_or_else(no_job)?;
    match job.state {
        JobState::Active => {
            let progress = match job.total {
                Some(total) => format!("{} of {total} resources", job.done),
                None => "waiting".to_owned(),
            };
            let headers = vec![("x-progress", progress), ("retry-after", ASK_AGAIN.to_owned())];
            Ok(Answer { headers, ..Answer::empty(202) })
        }
        JobState::Done => Ok(Answer::of(
            json!({ "resourceType": "Parameters", "parameter": [{ "name": "resources", "valueInteger": job.done }] })
                .to_string(),
        )),
        JobState::Failed => Err(Error::new(Kind::Unprocessable, job.message)),
        JobState::Cancelled => Err(no_job()),
    }
}

/// Calls a job off; one that has ended is forgotten.
pub async fn end_job(cx: &Context<'_>, id: &str) -> Result<Answer> {
    if cx.store.end_asked(cx.plan, id).await? {
        return Ok(Answer::empty(202));
    }
    match cx.store.end_job(cx.plan.tenant(), id).await? {
        true => Ok(Answer::empty(202)),
        false => Err(no_job()),
    }
}

fn no_job() -> Error {
    Error::not_found("There is no job of this name; it was called off, or never was.")
}
