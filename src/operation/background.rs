//! `Prefer: respond-async`: an operation that changes nothing, or that may be called again without a second
//! effect, is run in the background, and its answer is kept for the caller
//! (<https://hl7.org/fhir/R4/async.html>).
//!
//! What is wrong with a request shows soon and is told at once. The work is done with the rights of the
//! caller, which only this process knows: when it ends before the work does, the request has failed, and
//! its address says so.

use super::{Invocation, Parameters, Run, Target};
use crate::rest::{Answer, Context, Settings, accepted};
use remit_fhir::{Error, Kind, Result};
use remit_search::AccessPlan;
use remit_spec::{Definitions, TypeId};
use remit_store::Store;
use std::sync::{Arc, LazyLock};
use std::time::Duration;
use tokio::sync::{Semaphore, oneshot};

/// Requests of all callers that are worked on at once; the others wait. The mart answers no more either.
const AT_ONCE: usize = 4;
/// How long a request waits for its turn and works.
const LONGEST: Duration = Duration::from_secs(3_600);
/// How long the caller waits to hear that the request is wrong.
const FIRST_LOOK: Duration = Duration::from_millis(100);
/// Bytes of an answer that are kept.
const MAX_ANSWER_BYTES: usize = 32 << 20;

static TURNS: Semaphore = Semaphore::const_new(AT_ONCE);
/// Two processes on one machine differ in it, and so do two lives of one process.
static OWNER: LazyLock<String> = LazyLock::new(|| uuid::Uuid::new_v4().to_string());

/// A call with everything of its own.
struct Call {
    store: Store,
    plan: AccessPlan,
    defs: &'static Definitions,
    base: String,
    settings: Settings,
    target: OwnTarget,
    parameters: Parameters,
}

enum OwnTarget {
    System,
    Type(TypeId),
    Instance(TypeId, String),
    Version(TypeId, String, String),
}

impl Call {
    fn of(call: Invocation<'_>) -> Call {
        let Context { store, plan, defs, base, settings } = call.cx;
        let target = match call.target {
            Target::System => OwnTarget::System,
            Target::Type(ty) => OwnTarget::Type(ty),
            Target::Instance(ty, id) => OwnTarget::Instance(ty, id.to_owned()),
            Target::Version(ty, id, version) => OwnTarget::Version(ty, id.to_owned(), version.to_owned()),
        };
        Call {
            store: store.clone(),
            plan: plan.clone(),
            defs,
            base: base.to_owned(),
            settings: settings.clone(),
            target,
            parameters: call.parameters,
        }
    }

    async fn run(&self, run: &Run) -> Result<Answer> {
        let target = match &self.target {
            OwnTarget::System => Target::System,
            OwnTarget::Type(ty) => Target::Type(*ty),
            OwnTarget::Instance(ty, id) => Target::Instance(*ty, id),
            OwnTarget::Version(ty, id, version) => Target::Version(*ty, id, version),
        };
        let cx = Context {
            store: &self.store,
            plan: &self.plan,
            defs: self.defs,
            base: &self.base,
            settings: &self.settings,
        };
        run(Invocation { cx, target, parameters: self.parameters.clone() }).await
    }
}

/// Starts a call in the background: 202 with the address to ask, or what is wrong with it.
///
/// # Errors
/// 429 when the caller has too many such requests; those of the operation that show at once.
pub async fn start(run: Arc<Run>, call: Invocation<'_>) -> Result<Answer> {
    let id = call.cx.store.open_asked(call.cx.plan, &OWNER).await?;
    let answer = accepted(&call.cx, &id);
    let (call, own_id) = (Call::of(call), id.clone());
    let (store, plan) = (call.store.clone(), call.plan.clone());
    let (sender, mut receiver) = oneshot::channel();
    tokio::spawn(async move { work(&*run, &call, &own_id, sender).await });
    // Silence means that it is worked on, or that it went well.
    let told = match tokio::time::timeout(FIRST_LOOK, &mut receiver).await {
        Ok(told) => told.ok(),
        Err(_) => {
            receiver.close();
            receiver.try_recv().ok()
        }
    };
    let Some(error) = told else { return Ok(answer) };
    store.end_asked(&plan, &id).await?;
    Err(error)
}

async fn work(run: &Run, call: &Call, id: &str, told: oneshot::Sender<Error>) {
    let answered = tokio::select! {
        answered = tokio::time::timeout(LONGEST, in_turn(run, call)) => answered.unwrap_or_else(|_| Err(too_long())),
        // It was called off: what is dropped here ends.
        () = kept(&call.store, id) => return,
    };
    let (status, body) = match answered.and_then(shown) {
        Ok(shown) => shown,
        Err(error) => {
            // The caller may still be there to hear of it.
            let error = match told.send(error) {
                Ok(()) => return,
                Err(error) => error,
            };
            if let (500.., Some(cause)) = (error.status(), &error.cause) {
                tracing::error!(status = error.status(), %cause, "a request in the background failed");
            }
            (error.status(), error.outcome().to_string())
        }
    };
    if let Err(error) = call.store.answer_asked(id, &OWNER, status, &body).await {
        tracing::error!(%error, "the answer to a request in the background could not be kept");
    }
}

async fn in_turn(run: &Run, call: &Call) -> Result<Answer> {
    let _turn = TURNS.acquire().await.map_err(Error::internal)?;
    call.run(run).await
}

/// Says from time to time that the request is worked on; ends when it was called off.
async fn kept(store: &Store, id: &str) {
    loop {
        tokio::time::sleep(Store::lease() / 5).await;
        match store.keep_asked(id, &OWNER).await {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => tracing::warn!(%error, "a request in the background cannot be told of now"),
        }
    }
}

/// Status and body of an answer that is a resource.
fn shown(answer: Answer) -> Result<(u16, String)> {
    let body = answer.body.filter(|_| answer.content_type.is_none() && answer.stream.is_none());
    let body = body.ok_or_else(|| Error::internal("an answer in the background is no resource"))?;
    if body.len() > MAX_ANSWER_BYTES {
        let text = format!(
            "The answer has over {} MiB, more than is kept; ask for less at a time or without respond-async.",
            MAX_ANSWER_BYTES >> 20
        );
        return Err(Error::unprocessable(text).coded(remit_fhir::IssueType::TooCostly));
    }
    let body = String::from_utf8(body.to_vec()).map_err(Error::internal)?;
    Ok((answer.status, body))
}

fn too_long() -> Error {
    let minutes = LONGEST.as_secs() / 60;
    Error::new(Kind::TimedOut, format!("The work took over {minutes} minutes and was given up."))
}
