//! Fills the rows of new views from the change log, beside everything else: one view at a time, in
//! batches, with its progress told as a job (<https://hl7.org/fhir/R4/async.html>).

use super::feed::{BATCH, of_store};
use remit_fhir::{Error, Result};
use remit_mart::{Fill, Mart};
use remit_search::AccessPlan;
use remit_spec::{Definitions, TypeId};
use remit_store::{Changes, Position, Store};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;

/// How often the progress of a job is written down: often enough to watch it, seldom enough to cost
/// nothing.
const TELL: Duration = Duration::from_millis(500);

/// How long a fill waits after a fault of the database before it tries again.
const AFTER_FAULT: Duration = Duration::from_secs(1);

/// The name of the job that fills a version of a view. It follows from them, so that whoever stored the
/// view can ask for it, and so that a process that takes the work up again tells of the same job.
pub(super) fn job_id(tenant: i32, key: &str, version: i64) -> String {
    let hash = Sha256::digest(format!("{tenant} {key} {version}").as_bytes());
    let text: String = hash.iter().take(14).map(|byte| format!("{byte:02x}")).collect();
    format!("view-{text}")
}

/// A fill that is as far as its worker brings it.
struct Filled {
    fill: Fill,
    reached: Position,
}

/// The fills of one mart.
pub(super) struct Fills {
    store: Store,
    mart: Arc<Mart>,
    wake: Arc<Notify>,
    /// Tells this process from others and from its earlier lives.
    owner: String,
    sender: mpsc::UnboundedSender<Option<Filled>>,
    done: mpsc::UnboundedReceiver<Option<Filled>>,
    is_working: bool,
}

impl Fills {
    pub(super) fn new(store: Store, mart: Arc<Mart>, wake: Arc<Notify>) -> Fills {
        let (sender, done) = mpsc::unbounded_channel();
        let owner = uuid::Uuid::new_v4().to_string();
        Fills { store, mart, wake, owner, sender, done, is_working: false }
    }

    /// Puts in what is done and begins what is needed. The mart is at `position` and stays there
    /// meanwhile.
    pub(super) async fn tend(&mut self, position: Position) -> Result<()> {
        while let Ok(filled) = self.done.try_recv() {
            self.is_working = false;
            if let Some(filled) = filled {
                self.install(filled, position).await?;
            }
        }
        if !self.is_working
            && let Some(fill) = self.mart.needed_fills().into_iter().next()
        {
            self.is_working = true;
            let worker = self.worker();
            tokio::spawn(async move {
                let filled = worker.run(fill).await;
                let wake = worker.wake.clone();
                // The receiver is gone when the server ends.
                let _ = worker.sender.send(filled);
                wake.notify_one();
            });
        }
        Ok(())
    }

    /// Fills all that is needed before it returns.
    pub(super) async fn finish(&mut self, position: Position) -> Result<()> {
        while let Some(fill) = self.mart.needed_fills().into_iter().next() {
            if let Some(filled) = self.worker().run(fill).await {
                self.install(filled, position).await?;
            }
        }
        Ok(())
    }

    fn worker(&self) -> Worker {
        Worker {
            store: self.store.clone(),
            mart: self.mart.clone(),
            wake: self.wake.clone(),
            owner: self.owner.clone(),
            sender: self.sender.clone(),
        }
    }

    /// Brings a fill to the position of the mart and puts its tables in.
    async fn install(&self, filled: Filled, position: Position) -> Result<()> {
        let worker = self.worker();
        let Filled { mut fill, mut reached } = filled;
        let Some(ty) = Definitions::r4().resource_named(&fill.resource_type) else { return Ok(()) };
        let (tenant, jobs, views) = (fill.tenant, worker.jobs(&fill), fill.views.clone());
        while reached < position {
            let mut batch = worker.read(tenant, ty, reached).await?;
            let is_last = batch.entries.len() < BATCH;
            batch.entries.retain(|change| change.position <= position);
            reached = if is_last { position } else { batch.reached };
            match worker.take(fill, batch).await? {
                Ok(taken) => fill = taken,
                Err(reason) => {
                    self.mart.refuse_views(tenant, &views, &reason);
                    return worker.close(tenant, &jobs, Some(&reason)).await;
                }
            }
        }
        let versions = fill.versions();
        match self.mart.install(fill) {
            Ok(()) => {
                tracing::info!(tenant, views = views.len(), versions, "the rows of stored views are there");
                worker.close(tenant, &jobs, None).await
            }
            Err(error) => {
                tracing::error!(cause = ?error.cause, "the rows of a view do not fit; remit verify tells more");
                self.mart.refuse_views(tenant, &views, "The rows of the view do not fit the change log.");
                worker.close(tenant, &jobs, Some("The rows do not fit the change log.")).await
            }
        }
    }
}

/// What works on one fill.
struct Worker {
    store: Store,
    mart: Arc<Mart>,
    wake: Arc<Notify>,
    owner: String,
    sender: mpsc::UnboundedSender<Option<Filled>>,
}

impl Worker {
    /// Reads the log up to its end; `None` when nobody wants the rows any more or they are refused.
    async fn run(&self, fill: Fill) -> Option<Filled> {
        let ty = Definitions::r4().resource_named(&fill.resource_type)?;
        let (tenant, jobs, views) = (fill.tenant, self.jobs(&fill), fill.views.clone());
        match self.fill(fill, ty, &jobs).await {
            Ok(Ok(filled)) => Some(filled),
            Ok(Err(reason)) => {
                self.mart.refuse_views(tenant, &views, &reason);
                if let Err(error) = self.close(tenant, &jobs, Some(&reason)).await {
                    tracing::warn!(%error, "the end of a job could not be written down");
                }
                None
            }
            Err(error) => {
                tracing::warn!(%error, "the rows of a view cannot be made now");
                tokio::time::sleep(AFTER_FAULT).await;
                None
            }
        }
    }

    /// The error inside says why the rows are not kept.
    async fn fill(
        &self,
        mut fill: Fill,
        ty: TypeId,
        jobs: &[String],
    ) -> Result<std::result::Result<Filled, String>> {
        let tenant = fill.tenant;
        let total = self.store.change_count(&self.plan(), tenant, ty).await?;
        for job in jobs {
            self.store.open_job(tenant, "view", job, &self.owner, total).await?;
        }
        let mut told = Instant::now();
        let mut batch = self.read(tenant, ty, Position::default()).await?;
        loop {
            let (reached, is_last) = (batch.reached, batch.entries.len() < BATCH);
            if !self.mart.is_wanted(&fill) {
                return Ok(Err("The view has changed.".to_owned()));
            }
            // The next batch is read while this one is worked on.
            let taken = self.take(fill, batch);
            let next = match is_last {
                true => Ok(None),
                false => self.read(tenant, ty, reached).await.map(Some),
            };
            fill = match taken.await? {
                Ok(fill) => fill,
                Err(reason) => return Ok(Err(reason)),
            };
            let Some(next) = next? else { return Ok(Ok(Filled { fill, reached })) };
            batch = next;
            if told.elapsed() > TELL {
                told = Instant::now();
                if !self.tell(&fill, jobs).await? {
                    return Ok(Err("The work on the rows of this view was called off.".to_owned()));
                }
            }
        }
    }

    /// Tells how far a fill is; `false` when its job was called off.
    async fn tell(&self, fill: &Fill, jobs: &[String]) -> Result<bool> {
        let done = i64::try_from(fill.versions()).unwrap_or(i64::MAX);
        for job in jobs {
            if !self.store.tell_job(fill.tenant, job, &self.owner, done).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn close(&self, tenant: i32, jobs: &[String], failure: Option<&str>) -> Result<()> {
        for job in jobs {
            self.store.close_job(tenant, job, &self.owner, failure).await?;
        }
        Ok(())
    }

    fn jobs(&self, fill: &Fill) -> Vec<String> {
        fill.views.iter().map(|(key, version)| job_id(fill.tenant, key, *version)).collect()
    }

    fn plan(&self) -> AccessPlan {
        AccessPlan::system(0, "the rows of a view are made")
    }

    async fn read(&self, tenant: i32, ty: TypeId, after: Position) -> Result<Changes> {
        self.store.changes_of(&self.plan(), tenant, ty, after, BATCH).await
    }

    /// Takes a batch into a fill, beginning at once on another thread; the error inside is the reason why
    /// it does not fit.
    fn take(
        &self,
        mut fill: Fill,
        batch: Changes,
    ) -> impl Future<Output = Result<std::result::Result<Fill, String>>> + use<> {
        let mart = self.mart.clone();
        let work = move || {
            let changes: Vec<_> = batch.entries.iter().map(of_store).collect();
            match mart.fill(&mut fill, &changes) {
                Ok(()) => Ok(fill),
                Err(error) => Err(error.to_string()),
            }
        };
        let working = tokio::task::spawn_blocking(work);
        async { working.await.map_err(Error::internal) }
    }
}
