//! The mart: a columnar mirror of views, kept in step with the change log of the store.

use std::collections::{BTreeMap, HashMap};
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

use crate::engine::Engine;
use crate::snapshot;
use crate::table::Losses;
use crate::tenant::{Shard, Tenant};

/// A place in the change log of the store; a later change has a greater one.
pub type Position = i64;

/// One line of the change log with the body that it wrote.
#[derive(Clone, Copy, Debug)]
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
    pub body: Option<&'a [u8]>,
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
}

impl Default for Config {
    fn default() -> Self {
        Config { folder: None, source: String::new(), memory_limit: 2 << 30, concurrent_queries: 4 }
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
    applying: Mutex<()>,
    held_bytes: AtomicUsize,
    pub(crate) snapshots: Mutex<snapshot::State>,
    pub(crate) engine: Engine,
}

/// The views of a mart, by name and by the resource type that they read.
#[derive(Debug, Default)]
pub(crate) struct Views {
    pub(crate) by_name: BTreeMap<String, Arc<View>>,
    pub(crate) by_type: HashMap<Arc<str>, Vec<Arc<View>>>,
}

impl Views {
    fn new(views: Vec<View>) -> Result<Views> {
        let mut all = Views::default();
        for view in views {
            let view = Arc::new(view);
            let Some(name) = view.name().map(str::to_owned) else {
                return Err(Error::invalid("A view of the mart has no name, so SQL cannot ask for it."));
            };
            let name_in_sql = name.to_ascii_lowercase();
            if name_in_sql != name {
                return Err(Error::invalid(format!(
                    "The view '{name}' must have a name in lower case: SQL reads names so unless they are quoted."
                )));
            }
            all.by_type.entry(view.resource_name().into()).or_default().push(view.clone());
            if all.by_name.insert(name.clone(), view).is_some() {
                return Err(Error::invalid(format!("Two views of the mart have the name '{name}'.")));
            }
        }
        Ok(all)
    }
}

impl Mart {
    /// Opens a mart: what the snapshot holds is there, and [`replay_from`](Self::replay_from) says
    /// which changes must be applied again.
    pub fn open(config: Config, views: Vec<View>) -> Result<Mart> {
        let views = Views::new(views)?;
        let restored = match &config.folder {
            Some(folder) => snapshot::restore(folder, &config.source, &views),
            None => snapshot::Restored::default(),
        };
        let replay_from = restored.position;
        let held_bytes = restored.tenants.values().map(Tenant::bytes).sum();
        let tenants: HashMap<i32, _> =
            restored.tenants.into_iter().map(|(id, tenant)| (id, Arc::new(RwLock::new(tenant)))).collect();
        Ok(Mart {
            engine: Engine::new(config.concurrent_queries),
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

    /// The position after which changes must be applied since the mart was opened: 0 when there is
    /// no snapshot or a part of it could not be used. Changes that are in already cost next to
    /// nothing when they are applied again.
    pub fn replay_from(&self) -> Position {
        self.replay_from
    }

    /// The resource types that some view reads. Changes of other types may be left out, as long as
    /// [`advance`](Self::advance) tells the position.
    pub fn resource_types(&self) -> impl Iterator<Item = &str> {
        self.views.by_type.keys().map(|name| &**name)
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
            if same.iter().any(|change| self.views.by_type.contains_key(change.resource_type)) {
                self.apply_to(first.tenant, same)?;
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

    fn apply_to(&self, id: i32, changes: &[Change<'_>]) -> Result<()> {
        let tenant = self.tenants.write().entry(id).or_default().clone();
        let mut tenant = tenant.write();
        // Changes are applied one batch at a time, so what other tenants hold stays as it is.
        let others = self.held_bytes.load(Ordering::Relaxed).saturating_sub(tenant.bytes());
        let mut outcome = Ok(());
        for (n, change) in changes.iter().enumerate() {
            // Adding up is cheap, but not free.
            if n % 64 == 0 && others + tenant.bytes() > self.config.memory_limit {
                outcome = Err(self.stop());
                break;
            }
            self.apply_one(&mut tenant, change);
        }
        self.held_bytes.store(others + tenant.bytes(), Ordering::Relaxed);
        outcome
    }

    fn apply_one(&self, tenant: &mut Tenant, change: &Change<'_>) {
        let Some((name, views)) = self.views.by_type.get_key_value(change.resource_type) else { return };
        let shard = tenant.shards.entry(name.clone()).or_insert_with(|| Shard::new(views));
        if shard.has(change.id, change.version) {
            return;
        }
        let document = match change.body.map(|body| json::parse(Bytes::copy_from_slice(body))) {
            None => None,
            Some(Ok(document)) => Some(document),
            Some(Err(error)) => {
                tracing::error!(position = change.position, %error, "a stored resource is no JSON; it has no rows");
                None
            }
        };
        shard.push(
            change.id,
            change.version,
            change.at_us,
            document.as_ref().map(|document| document.root()),
        );
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
                    view: table.view.name().unwrap_or_default().to_owned(),
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
