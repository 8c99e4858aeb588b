//! `$reindex` and the task that does its work, batch by batch, until nothing is left. Any number of
//! processes on one database may run it; each job is done by one of them at a time.

use super::App;
use crate::operation::{Operation, Target};
use crate::rest;
use remit_fhir::{Error, IssueType, Kind, Result};
use remit_search::AccessPlan;
use remit_store::{Job, Progress, ReindexRequest, Store};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

const DEFINITION: &str = "https://remit.example/fhir/OperationDefinition/reindex";

/// How long the worker rests when there is nothing to do. Another process may bring work.
const REST: Duration = Duration::from_secs(2);

/// The same between batches, so that requests come first on a small machine.
const BREATH: Duration = Duration::from_millis(1);

/// How long it waits after a fault of the database.
const AFTER_FAULT: Duration = Duration::from_secs(1);

impl App {
    /// The operation, bound to this server's store.
    pub(super) fn reindex(&self) -> Operation {
        let (store, wake) = (self.store.clone(), self.jobs.clone());
        Operation::new(DEFINITION, move |invocation| {
            let (store, wake) = (store.clone(), wake.clone());
            Box::pin(async move {
                let cx = invocation.cx;
                if !cx.plan.is_unrestricted() {
                    return Err(Error::new(
                        Kind::Forbidden,
                        "Only who may see everything may index it again.",
                    ));
                }
                debug_assert_eq!(invocation.target, Target::System);
                let request = request(&cx, &invocation.parameters)?;
                let id = store.start_reindex(cx.plan, &request).await?;
                wake.notify_one();
                Ok(rest::accepted(&cx, &id))
            })
        })
    }

    /// Starts the work on jobs. `public_url` is the address that references below count as local.
    pub fn work(&self, public_url: Option<&str>) {
        let (store, wake) = (self.store.clone(), self.jobs.clone());
        let url = public_url.unwrap_or_default().trim_end_matches('/').to_owned();
        tokio::spawn(work(store, wake, url));
    }
}

fn request(cx: &rest::Context<'_>, parameters: &crate::operation::Parameters) -> Result<ReindexRequest> {
    let place = |name: &str| format!("Parameters.parameter.where(name='{name}')");
    if let Some(name) = parameters.names().into_iter().find(|n| !matches!(n.as_str(), "type" | "parameter")) {
        let shown: String = name.chars().take(80).collect();
        return Err(Error::invalid(format!(
            "$reindex takes the parameters type and parameter, not '{shown}'."
        )));
    }
    let mut types = Vec::new();
    for name in parameters.all("type") {
        let ty = cx.defs.resource_named(&name).ok_or_else(|| {
            Error::invalid("The type is no resource type.").coded(IssueType::CodeInvalid).at(place("type"))
        })?;
        types.push(ty);
    }
    Ok(ReindexRequest { types, parameters: parameters.all("parameter") })
}

async fn work(store: Store, wake: Arc<Notify>, public_url: String) {
    // Two processes on one machine differ in it, and so do two lives of one process.
    let owner = uuid::Uuid::new_v4().to_string();
    let plan = AccessPlan::system(0, "index rows are filled in and taken away");
    loop {
        match turn(&store, &plan, &owner, &public_url).await {
            Ok(true) => {}
            Ok(false) => {
                // A wake-up that comes before this line is kept by Notify.
                let _ = tokio::time::timeout(REST, wake.notified()).await;
            }
            Err(error) => {
                tracing::warn!(%error, "work in the background cannot go on now");
                tokio::time::sleep(AFTER_FAULT).await;
            }
        }
    }
}

/// One job, or some rows of a parameter that is gone; `false` when there is nothing to do.
async fn turn(store: &Store, plan: &AccessPlan, owner: &str, public_url: &str) -> Result<bool> {
    let Some(mut job) = store.claim_job(owner).await? else { return store.sweep_parameters(plan).await };
    let base = base(store, &job, public_url).await?;
    loop {
        match store.reindex_step(plan, &mut job, &base).await {
            Ok(Progress::More) => tokio::time::sleep(BREATH).await,
            Ok(Progress::Done) => {
                tracing::info!(job = job.id, resources = job.done, "search parameters are indexed");
                return Ok(true);
            }
            Ok(Progress::Lost) => return Ok(true),
            // The database may be away; the job goes on later.
            Err(error) if error.status() >= 500 => return Err(error),
            Err(error) => {
                store.fail_job(&job, &error.to_string()).await?;
                return Ok(true);
            }
        }
    }
}

/// The FHIR base of the job's tenant; none without a public URL.
async fn base(store: &Store, job: &Job, public_url: &str) -> Result<String> {
    if public_url.is_empty() {
        return Ok(String::new());
    }
    let tenants = store.tenants().await?;
    let tenant = tenants.into_iter().find(|tenant| tenant.id == job.tenant);
    Ok(tenant.map_or(String::new(), |tenant| format!("{public_url}{}", tenant.path())))
}
