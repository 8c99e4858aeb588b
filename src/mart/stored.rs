//! The views of a mart: those that come with the program, which every tenant has, and those that a
//! tenant has stored. The latter come and go while others are asked.
//!
//! A new view needs the rows of versions that were taken in before it. They come from the change log
//! again, into a [`Fill`] beside everything else; once that is as far as the mart, its tables are put
//! where the others are. Versions come in the order of the log both times, so they fit.

use std::collections::{BTreeMap, HashMap};
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use remit_fhir::{Error, Kind, Result};
use remit_sof::View;

use crate::engine::no_view;
use crate::mart::{Change, Mart, push};
use crate::table::Table;
use crate::tenant::{Shard, Tenant};

/// Views that one tenant may keep in columns. Each costs time in every write of its type.
const MAX_STORED: usize = 200;

/// A view under its name in a mart: that of a shipped view, or `ViewDefinition/id`.
#[derive(Debug)]
pub(crate) struct Named {
    pub(crate) key: Arc<str>,
    pub(crate) view: View,
}

impl Deref for Named {
    type Target = View;

    fn deref(&self) -> &View {
        &self.view
    }
}

/// The views that every tenant has, by name and by the resource type that they read.
#[derive(Debug, Default)]
pub(crate) struct Views {
    pub(crate) by_name: BTreeMap<String, Arc<Named>>,
    pub(crate) by_type: HashMap<Arc<str>, Vec<Arc<Named>>>,
}

impl Views {
    pub(crate) fn new(views: Vec<View>) -> Result<Views> {
        let mut all = Views::default();
        for view in views {
            let Some(name) = view.name().map(str::to_owned) else {
                return Err(Error::invalid("A view of the mart has no name, so SQL cannot ask for it."));
            };
            let view = Arc::new(Named { key: name.as_str().into(), view });
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

/// A ViewDefinition as a tenant stores it.
#[derive(Debug)]
pub struct StoredView {
    /// Whose.
    pub tenant: i32,
    /// The logical id of the ViewDefinition.
    pub id: String,
    /// Its version.
    pub version: i64,
    /// The view; `None` when the version deletes it or cannot be run.
    pub view: Option<View>,
}

impl StoredView {
    /// The name of a stored view in the mart.
    pub fn key(id: &str) -> String {
        format!("ViewDefinition/{id}")
    }
}

/// Whether the rows of a stored view are kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ViewState {
    /// All versions up to the position of the mart are in.
    Ready,
    /// The rows of what was there before are made.
    Filling,
    /// They are not kept, for this reason.
    Refused(Arc<str>),
}

/// A stored view in a mart.
#[derive(Clone, Debug)]
pub struct ViewStatus {
    /// The logical id of the ViewDefinition.
    pub id: String,
    /// Its version.
    pub version: i64,
    /// Whether its rows are kept.
    pub state: ViewState,
    /// Rows, superseded ones included.
    pub rows: u64,
}

#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) version: i64,
    pub(crate) view: Option<Arc<Named>>,
    pub(crate) state: ViewState,
}

impl Stored {
    pub(crate) fn of(stored: StoredView) -> (Arc<str>, Stored) {
        let key: Arc<str> = StoredView::key(&stored.id).into();
        let view = stored.view.map(|view| Arc::new(Named { key: key.clone(), view }));
        (key, Stored { version: stored.version, view, state: ViewState::Filling })
    }
}

impl Tenant {
    /// A stored view whose rows are all there.
    pub(crate) fn ready(&self, key: &str) -> Result<&Arc<Named>> {
        let stored = self.stored.get(key).ok_or_else(|| no_view(key))?;
        let view = stored.view.as_ref().ok_or_else(|| no_view(key))?;
        match &stored.state {
            ViewState::Ready => Ok(view),
            ViewState::Filling => {
                Err(Error::unavailable("The rows of a view are being made at this moment; try again."))
            }
            ViewState::Refused(reason) => Err(Error::unprocessable(&**reason)),
        }
    }

    /// The views whose rows a new shard of this type holds.
    pub(crate) fn ready_on<'t>(&'t self, resource_type: &'t str) -> impl Iterator<Item = &'t Arc<Named>> {
        let ready = self.stored.values().filter(|stored| stored.state == ViewState::Ready);
        let views = ready.filter_map(|stored| stored.view.as_ref());
        views.filter(move |view| view.resource_name() == resource_type)
    }

    /// Takes the rows of a stored view away.
    fn forget(&mut self, key: &str) {
        for shard in self.shards.values_mut() {
            shard.tables.retain(|table| &*table.view.key != key);
        }
        self.shards.retain(|_, shard| !shard.tables.is_empty());
    }

    /// What is known of a view of this version, when nothing newer is.
    fn pending(&mut self, key: &str, version: i64) -> Option<&mut Stored> {
        self.stored.get_mut(key).filter(|s| s.version == version && s.state == ViewState::Filling)
    }

    /// Decides which of the stored views have all their rows when a mart is opened. Without a shard
    /// everything comes from the log, when all of it comes.
    pub(crate) fn settle(&mut self, all_comes: bool) {
        for (key, stored) in &mut self.stored {
            let Some(view) = &stored.view else { continue };
            let shard = self.shards.get(view.resource_name());
            let has_rows = shard.is_some_and(|shard| shard.tables.iter().any(|t| t.view.key == *key));
            if has_rows || (shard.is_none() && all_comes) {
                stored.state = ViewState::Ready;
            }
        }
    }
}

/// The rows of new views, as they are made.
#[derive(Debug)]
pub struct Fill {
    /// Whose.
    pub tenant: i32,
    /// The resource type that the views read.
    pub resource_type: Arc<str>,
    /// The keys of the views and their versions.
    pub views: Vec<(Arc<str>, i64)>,
    shard: Shard,
}

impl Fill {
    /// Versions that are in.
    pub fn versions(&self) -> usize {
        self.shard.versions.len()
    }
}

impl Mart {
    /// Takes in a version of a ViewDefinition. An older one than is known changes nothing.
    pub fn define(&self, stored: StoredView) {
        let _one_at_a_time = self.applying.lock();
        let tenant = self.tenants.write().entry(stored.tenant).or_default().clone();
        let mut tenant = tenant.write();
        let (key, mut new) = Stored::of(stored);
        let is_new = !tenant.stored.contains_key(&key);
        if let Some(known) = tenant.stored.get_mut(&key) {
            if known.version >= new.version {
                return;
            }
            let meaning = |stored: &Stored| stored.view.as_ref().map(|view| view.meaning());
            if known.view.is_some() && meaning(known) == meaning(&new) {
                // Title, date and the like change no row.
                known.version = new.version;
                return;
            }
        }
        let kept = tenant.stored.values().filter(|stored| stored.view.is_some()).count();
        if is_new && kept >= MAX_STORED {
            let reason =
                format!("Rows of at most {MAX_STORED} views are kept; this one is made when it is asked.");
            new.state = ViewState::Refused(reason.into());
        }
        tenant.forget(&key);
        tenant.stored.insert(key, new);
        drop(tenant);
        self.count_bytes();
    }

    /// The views of a tenant that are stored.
    pub fn statuses(&self, tenant: i32) -> Vec<ViewStatus> {
        let Some(tenant) = self.tenants.read().get(&tenant).cloned() else { return Vec::new() };
        let tenant = tenant.read();
        let of = |(key, stored): (&Arc<str>, &Stored)| {
            stored.view.as_ref()?;
            let id = key.split_once('/').map_or(&**key, |(_, id)| id).to_owned();
            let rows = tenant.table(key).map_or(0, |(_, table)| u64::from(table.rows()));
            Some(ViewStatus { id, version: stored.version, state: stored.state.clone(), rows })
        };
        tenant.stored.iter().filter_map(of).collect()
    }

    /// The fills that are needed: one for each tenant and type with views that have no rows yet.
    pub fn needed_fills(&self) -> Vec<Fill> {
        let mut fills: Vec<Fill> = Vec::new();
        let tenants: Vec<_> = self.tenants.read().iter().map(|(id, tenant)| (*id, tenant.clone())).collect();
        for (id, tenant) in tenants {
            let tenant = tenant.read();
            let mut by_type: BTreeMap<&str, Vec<(Arc<Named>, i64)>> = BTreeMap::new();
            for stored in tenant.stored.values().filter(|stored| stored.state == ViewState::Filling) {
                if let Some(view) = &stored.view {
                    by_type.entry(view.resource_name()).or_default().push((view.clone(), stored.version));
                }
            }
            fills.extend(by_type.into_iter().map(|(resource_type, views)| Fill {
                tenant: id,
                resource_type: resource_type.into(),
                shard: Shard::new(&views.iter().map(|(view, _)| view.clone()).collect::<Vec<_>>()),
                views: views.into_iter().map(|(view, version)| (view.key.clone(), version)).collect(),
            }));
        }
        fills
    }

    /// Whether somebody still wants what a fill makes.
    pub fn is_wanted(&self, fill: &Fill) -> bool {
        let Some(tenant) = self.tenants.read().get(&fill.tenant).cloned() else { return false };
        let mut tenant = tenant.write();
        fill.views.iter().any(|(key, version)| tenant.pending(key, *version).is_some())
    }

    /// Takes changes of the log into a fill. Fails at the memory limit, and then the fill is of no use.
    pub fn fill(&self, fill: &mut Fill, changes: &[Change<'_>]) -> Result<()> {
        for change in changes {
            push(&mut fill.shard, change);
        }
        let limit = self.config.memory_limit;
        if self.bytes() + fill.shard.bytes() > limit {
            return Err(Error::new(Kind::Unprocessable, full(limit)));
        }
        Ok(())
    }

    /// Gives up the fill of these views: they have no rows here.
    pub fn refuse_views(&self, tenant: i32, views: &[(Arc<str>, i64)], reason: &str) {
        let Some(tenant) = self.tenants.read().get(&tenant).cloned() else { return };
        let mut tenant = tenant.write();
        for (key, version) in views {
            if let Some(stored) = tenant.pending(key, *version) {
                stored.state = ViewState::Refused(reason.into());
            }
        }
    }

    /// Puts the tables of a fill beside the others. It must be as far as the mart is; the follower of
    /// the log does this between two batches.
    pub fn install(&self, fill: Fill) -> Result<()> {
        let _one_at_a_time = self.applying.lock();
        let Some(tenant) = self.tenants.read().get(&fill.tenant).cloned() else { return Ok(()) };
        let mut tenant = tenant.write();
        let Fill { views, shard, resource_type, .. } = fill;
        let (versions, mut tables) = shard.into_parts();
        let wanted = |table: &Table, tenant: &mut Tenant| {
            let mut views = views.iter().filter(|(key, _)| *key == table.view.key);
            views.any(|(key, version)| tenant.pending(key, *version).is_some())
        };
        tables.retain(|table| wanted(table, &mut tenant));
        if tables.is_empty() {
            return Ok(());
        }
        if let Some(shipped) = self.views.by_type.get(&resource_type)
            && !tenant.shards.contains_key(&resource_type)
        {
            // Its first change is still to come.
            tenant.shards.insert(resource_type.clone(), Shard::new(shipped));
        }
        match tenant.shards.get_mut(&resource_type) {
            Some(shard) if shard.versions.are(&versions) => shard.tables.extend(tables),
            Some(_) => {
                return Err(Error::internal("the change log gave other versions than it gave before"));
            }
            None => {
                let shard = Shard::restored(versions, tables)
                    .ok_or_else(|| Error::internal("a fill has tables that do not fit its versions"))?;
                tenant.shards.insert(resource_type, shard);
            }
        }
        for (key, version) in &views {
            if let Some(stored) = tenant.pending(key, *version) {
                stored.state = ViewState::Ready;
            }
        }
        drop(tenant);
        self.count_bytes();
        Ok(())
    }

    /// Gives up the largest stored view, of whatever tenant; `false` when there is none with rows.
    pub(crate) fn evict(&self) -> bool {
        let tenants: Vec<_> = self.tenants.read().values().cloned().collect();
        let largest = tenants.iter().filter_map(|tenant| {
            let held = tenant.read();
            let tables = held.shards.values().flat_map(|shard| &shard.tables);
            let stored = tables.filter(|table| held.stored.contains_key(&table.view.key));
            let largest = stored.map(|table| (table.bytes(), table.view.key.clone())).max();
            largest.map(|(bytes, key)| (bytes, key, tenant.clone()))
        });
        let Some((_, key, tenant)) = largest.max_by_key(|(bytes, ..)| *bytes) else { return false };
        let reason = full(self.config.memory_limit);
        tracing::warn!(view = &*key, "{reason} The rows of the largest stored view are given up");
        let mut tenant = tenant.write();
        tenant.forget(&key);
        if let Some(stored) = tenant.stored.get_mut(&key) {
            stored.state = ViewState::Refused(reason.into());
        }
        drop(tenant);
        self.count_bytes();
        true
    }

    /// Adds up what is held.
    pub(crate) fn count_bytes(&self) {
        let tenants: Vec<_> = self.tenants.read().values().cloned().collect();
        let bytes = tenants.iter().map(|tenant| tenant.read().bytes()).sum();
        self.held_bytes.store(bytes, Ordering::Relaxed);
    }
}

fn full(limit: usize) -> String {
    format!("The analytics mart has reached its memory limit of {} MiB.", limit >> 20)
}
