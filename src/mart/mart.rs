//! The mart: a columnar mirror of views, kept in step with the change log of the store.

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::{Mutex, RwLock};
use remit_fhir::date::Micros;
use remit_fhir::{Error, Kind, Result, json};
use remit_sof::View;
use tokio::sync::watch;

use crate::blocks::BLOCK_ROWS;
use crate::engine::Engine;
use crate::kept::Kept;
use crate::links::Links;
use crate::query::Layer;
use crate::snapshot;
use crate::standing::Standings;
use crate::stored::{Stored, StoredView, ViewState, Views};
use crate::table::Losses;
use crate::tenant::{Shard, Tenant};

/// A place in the change log of the store; a later change has a greater one.
pub type Position = i64;

/// Bytes that rows take as they are, of views and as many of layers, before more are packed.
const PLAIN_BYTES: usize = 256 << 20;

/// One line of the change log with the body that it wrote.
#[derive(Clone, Debug)]
pub struct Change<'a> {
    /// Where it stands in the log.
    pub position: Position,
    /// Whose resource it is.
    pub tenant: i32,
    /// `Claim`
    pub resource_type: &'a str,
    /// The logical id.
    pub id: &'a str,
    /// The version that the change made; a deletion makes one too.
    pub version: i64,
    /// When the version became known, in microseconds since 1970.
    pub at_us: Micros,
    /// The resource as JSON; `None` when the change deleted it.
    pub body: Option<Bytes>,
}

/// How a mart is kept.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where snapshots lie; `None` keeps nothing beyond the process.
    pub folder: Option<PathBuf>,
    /// Names the store that the changes come from. A snapshot of another store is not taken.
    pub source: String,
    /// Bytes that rows may take in memory. Past it no change is taken in and every wait for one
    /// fails, until the limit is raised.
    pub memory_limit: usize,
    /// How many queries run at a time; each may take the memory that its limits allow.
    pub concurrent_queries: usize,
    /// What ties rows of views together; without any, every query reads all rows.
    pub links: Arc<Links>,
    /// Rows of the first view that a block takes in before the next is begun.
    pub block_rows: usize,
    /// Bytes that rows of views may take as they are, and as many those of layers; more are packed.
    pub plain_bytes: usize,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            folder: None,
            source: String::new(),
            memory_limit: 2 << 30,
            concurrent_queries: 4,
            links: Arc::default(),
            block_rows: BLOCK_ROWS,
            plain_bytes: PLAIN_BYTES,
        }
    }
}

/// What the mart holds of one view for one tenant.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Holding {
    /// Whose rows.
    pub tenant: i32,
    /// The view.
    pub view: String,
    /// Rows of all versions.
    pub rows: u64,
    /// Bytes in memory.
    pub bytes: usize,
    /// What could not be kept as it was.
    pub losses: Losses,
}

/// How far the mart is, and why it goes no further when it does not.
#[derive(Clone, Debug)]
struct Progress {
    position: Position,
    stopped: Option<Arc<str>>,
}

/// A columnar mirror of views. All methods may be called from many threads.
#[derive(Debug)]
pub struct Mart {
    pub(crate) config: Config,
    pub(crate) views: Arc<Views>,
    pub(crate) tenants: RwLock<HashMap<i32, Arc<RwLock<Tenant>>>>,
    progress: watch::Sender<Progress>,
    replay_from: Position,
    pub(crate) applying: Mutex<()>,
    pub(crate) held_bytes: AtomicUsize,
    pub(crate) snapshots: Mutex<snapshot::State>,
    pub(crate) engine: Arc<Engine>,
    pub(crate) kept: Arc<Kept>,
    pub(crate) standings: Arc<Standings>,
}

impl Mart {
    /// Opens a mart: what the snapshot holds is there, and [`replay_from`](Self::replay_from) says
    /// which changes must be applied again.
    pub fn open(config: Config, views: Vec<View>) -> Result<Mart> {
        Mart::open_with(config, views, Vec::new())
    }

    /// Opens a mart that also holds the views that tenants have stored. Those that the snapshot has no
    /// rows of are filled in later: see [`needed_fills`](Self::needed_fills).
    pub fn open_with(config: Config, views: Vec<View>, stored: Vec<StoredView>) -> Result<Mart> {
        let engine = Arc::new(Engine::new(config.concurrent_queries));
        Mart::made(config, views, stored, engine)
    }

    /// A mart for one question, without a folder: it shares the turns and threads of this one. All
    /// that it shall know must be applied to it.
    pub fn beside(&self, memory_limit: usize, stored: Vec<StoredView>) -> Result<Mart> {
        let config = Config { folder: None, memory_limit, links: Arc::default(), ..self.config.clone() };
        Mart::made(config, Vec::new(), stored, self.engine.clone())
    }

    fn made(config: Config, views: Vec<View>, stored: Vec<StoredView>, engine: Arc<Engine>) -> Result<Mart> {
        let views = Views::new(views)?;
        let mut all: snapshot::AllStored = HashMap::new();
        for stored in stored {
            let tenant = all.entry(stored.tenant).or_default();
            tenant.extend([Stored::of(stored)]);
        }
        let mut restored = match &config.folder {
            Some(folder) => snapshot::restore(folder, &config.source, &views, &all),
            None => snapshot::Restored::default(),
        };
        let replay_from = restored.position;
        for (id, stored) in all {
            let tenant = restored.tenants.entry(id).or_default();
            tenant.stored = stored;
            tenant.settle(replay_from == 0);
        }
        let held_bytes = restored.tenants.values().map(Tenant::bytes).sum();
        let tenants: HashMap<i32, _> =
            restored.tenants.into_iter().map(|(id, tenant)| (id, Arc::new(RwLock::new(tenant)))).collect();
        Ok(Mart {
            engine,
            kept: Arc::default(),
            standings: Arc::new(Standings::new(&config, &views)),
            config,
            views: Arc::new(views),
            tenants: RwLock::new(tenants),
            progress: watch::Sender::new(Progress { position: replay_from, stopped: None }),
            replay_from,
            applying: Mutex::new(()),
            held_bytes: AtomicUsize::new(held_bytes),
            snapshots: Mutex::new(restored.state),
        })
    }

    /// Names the layers that questions read. They are made together where one of them is wanted.
    pub fn keep(&self, layers: Vec<Arc<Layer>>) {
        self.standings.keep(layers);
    }

    /// The position after which changes must be applied since the mart was opened: 0 when there is
    /// no snapshot or a part of it could not be used. Changes that are in already cost next to
    /// nothing when they are applied again.
    pub fn replay_from(&self) -> Position {
        self.replay_from
    }

    /// The resource types that some view reads. Changes of other types may be left out, as long as
    /// [`advance`](Self::advance) tells the position.
    pub fn resource_types(&self) -> BTreeSet<Arc<str>> {
        let mut types: BTreeSet<Arc<str>> = self.views.by_type.keys().cloned().collect();
        let tenants: Vec<_> = self.tenants.read().values().cloned().collect();
        for tenant in tenants {
            let tenant = tenant.read();
            types.extend(tenant.shards.keys().cloned());
            let ready = tenant.stored.values().filter(|stored| stored.state == ViewState::Ready);
            types.extend(ready.filter_map(|stored| Some(stored.view.as_ref()?.resource_name().into())));
        }
        types
    }

    /// Takes in changes in the order of the log. What is in already is left alone, so a batch may
    /// be applied again. All changes of a tenant in one batch become visible together.
    ///
    /// Fails when the memory limit is reached; nothing after that change is in, the position
    /// stays, and whoever waits for a later one learns why.
    pub fn apply(&self, changes: &[Change<'_>]) -> Result<()> {
        let _one_at_a_time = self.applying.lock();
        let mut rest = changes;
        while let Some(first) = rest.first() {
            let count = rest.iter().take_while(|change| change.tenant == first.tenant).count();
            let (same, others) = rest.split_at(count);
            // A view that is given up makes room for the others; what is in already is passed over.
            while !self.apply_to(first.tenant, same) {
                if !self.evict() {
                    return Err(self.stop());
                }
            }
            rest = others;
        }
        if let Some(position) = changes.iter().map(|change| change.position).max() {
            self.advance(position);
        }
        Ok(())
    }

    /// Says that all changes up to a position are in, or concern no view.
    pub fn advance(&self, position: Position) {
        self.progress.send_if_modified(|progress| {
            let is_news = position > progress.position;
            progress.position = progress.position.max(position);
            is_news
        });
    }

    /// Takes in changes of one tenant; `false` when the memory limit is reached.
    fn apply_to(&self, id: i32, changes: &[Change<'_>]) -> bool {
        let tenant = self.tenants.write().entry(id).or_default().clone();
        let mut tenant = tenant.write();
        // Changes are applied one batch at a time, so what other tenants hold stays as it is.
        let others = self.held_bytes.load(Ordering::Relaxed).saturating_sub(tenant.bytes());
        let mut fits = true;
        for (n, change) in changes.iter().enumerate() {
            // Adding up is cheap, but not free.
            if n % 64 == 0 && others + tenant.bytes() > self.config.memory_limit {
                fits = false;
                break;
            }
            self.apply_one(&mut tenant, change);
        }
        if others + tenant.bytes() > self.config.plain_bytes {
            tenant.pack();
        }
        self.held_bytes.store(others + tenant.bytes(), Ordering::Relaxed);
        fits
    }

    fn apply_one(&self, tenant: &mut Tenant, change: &Change<'_>) {
        if !tenant.shards.contains_key(change.resource_type) {
            let shipped = self.views.by_type.get(change.resource_type);
            let shipped = shipped.map_or(&[][..], Vec::as_slice);
            let views: Vec<_> =
                shipped.iter().chain(tenant.ready_on(change.resource_type)).cloned().collect();
            if views.is_empty() {
                return;
            }
            tenant.shards.insert(change.resource_type.into(), Shard::new(&views));
        }
        if let Some(shard) = tenant.shards.get_mut(change.resource_type) {
            push(shard, change);
        }
    }

    fn stop(&self) -> Error {
        let mib = self.config.memory_limit >> 20;
        let reason =
            format!("The analytics mart has reached its memory limit of {mib} MiB and takes in no changes.");
        self.progress.send_if_modified(|progress| {
            let is_news = progress.stopped.is_none();
            if is_news {
                tracing::error!(limit_mib = mib, "{reason}");
                progress.stopped = Some(reason.as_str().into());
            }
            is_news
        });
        Error::new(Kind::Unavailable, reason)
    }

    /// The position up to which all changes are in.
    pub fn position(&self) -> Position {
        self.progress.borrow().position
    }

    /// Waits until all changes up to a position are in. Fails when that does not happen in time.
    pub async fn wait_for(&self, position: Position, timeout: Duration) -> Result<()> {
        let mut progress = self.progress.subscribe();
        let reached =
            progress.wait_for(|progress| progress.position >= position || progress.stopped.is_some());
        let outcome = match tokio::time::timeout(timeout, reached).await {
            Ok(Ok(progress)) => progress.clone(),
            Ok(Err(_)) | Err(_) => {
                return Err(Error::unavailable(
                    "The figures do not contain the latest changes yet; try again.",
                ));
            }
        };
        match outcome.stopped {
            Some(reason) if outcome.position < position => Err(Error::new(Kind::Unavailable, &*reason)),
            _ => Ok(()),
        }
    }

    /// Bytes that rows take in memory.
    pub fn bytes(&self) -> usize {
        self.held_bytes.load(Ordering::Relaxed)
    }

    /// What is held, view by view.
    pub fn holdings(&self) -> Vec<Holding> {
        let tenants: Vec<_> = self.tenants.read().iter().map(|(id, tenant)| (*id, tenant.clone())).collect();
        let mut holdings = Vec::new();
        for (tenant, content) in tenants {
            let content = content.read();
            for table in content.shards.values().flat_map(|shard| &shard.tables) {
                holdings.push(Holding {
                    tenant,
                    view: table.view.key.to_string(),
                    rows: table.rows().into(),
                    bytes: table.bytes(),
                    losses: table.losses,
                });
            }
        }
        holdings.sort_by(|a, b| (a.tenant, &a.view).cmp(&(b.tenant, &b.view)));
        holdings
    }
}

/// Adds the version that a change made, unless it is there.
pub(crate) fn push(shard: &mut Shard, change: &Change<'_>) {
    if shard.has(change.id, change.version) {
        return;
    }
    let document = match change.body.clone().map(json::parse) {
        None => None,
        Some(Ok(document)) => Some(document),
        Some(Err(error)) => {
            tracing::error!(position = change.position, %error, "a stored resource is no JSON; it has no rows");
            None
        }
    };
    shard.push(change.id, change.version, change.at_us, document.as_ref().map(|document| document.root()));
}
