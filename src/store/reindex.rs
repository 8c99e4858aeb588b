//! Filling in the index rows of parameters for resources that are there already, batch by batch, while
//! reads and writes go on; and taking away the rows of parameters that are gone.
//!
//! Writes make the rows of a new parameter from the commit of its definition on, because a write whose
//! rows were made without it is refused. So it is enough to walk the resources of each type once, in
//! order of their numbers: what comes behind the cursor has its rows already.

use crate::job::LEASE_US;
use crate::parameters::count_on;
use crate::side::{Side, Step};
use crate::value::{Row, Value};
use crate::verify::TABLES;
use crate::{Action, Database, Job, Store, Write, WriteError, WriteSet};
use remit_fhir::{Error, Kind, Result, json};
use remit_search::{
    AccessPlan, CONTAINED, IndexRows, Registry, State, WORDS, contained_number, container_of, extract,
};
use remit_spec::TypeId;

/// Resources of one batch: one transaction of some milliseconds, so that writers hardly notice.
const BATCH: usize = 200;

/// Index rows of a gone parameter that one statement takes away.
const SWEEP: i64 = 5_000;

/// How long rows of a gone parameter stay: a search that began before it went may run so long. Twice
/// the longest time that a statement gets by default.
const GRACE_US: i64 = 120_000_000;

/// What shall be filled in again. Empty lists name everything.
#[derive(Clone, Debug, Default)]
pub struct ReindexRequest {
    /// Resource types.
    pub types: Vec<TypeId>,
    /// Canonical URLs of search parameters. None: those of the tenant that are not usable yet.
    pub parameters: Vec<String>,
}

/// What a step came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Progress {
    /// There is more to do.
    More,
    /// The job is done.
    Done,
    /// The job is not this process's any more: it was cancelled, or taken over.
    Lost,
}

impl Store {
    /// Puts the request on the list of jobs; gives the job's name. 422 names a parameter that there is
    /// not.
    pub async fn start_reindex(&self, plan: &AccessPlan, request: &ReindexRequest) -> Result<String> {
        let work = self.reindex_work(plan, request).await?;
        self.add_job(plan.tenant(), "reindex", &work).await
    }

    async fn reindex_work(
        &self,
        plan: &AccessPlan,
        request: &ReindexRequest,
    ) -> Result<Vec<(i32, Vec<i32>)>> {
        let registry = self.current_registry(plan.tenant()).await?;
        let mut found = vec![false; request.parameters.len()];
        let mut wanted = |url: &str| {
            let mut is = false;
            for (place, canonical) in request.parameters.iter().enumerate() {
                if canonical.split('|').next() == Some(url) {
                    (found[place], is) = (true, true);
                }
            }
            is
        };
        let mut work = Vec::new();
        for ty in registry.definitions().resource_types() {
            let own = registry.custom().filter(|(c, _)| c.ty == ty);
            let mut numbers: Vec<i32> = own
                .filter(|(c, state)| match request.parameters.is_empty() {
                    true => *state == State::Filling,
                    false => wanted(c.parameter.definition.url),
                })
                .map(|(c, _)| c.parameter.number)
                .collect();
            let standard = registry.parameters(ty).filter(|p| wanted(p.definition.url));
            numbers.extend(standard.map(|p| p.number));
            numbers.sort_unstable();
            numbers.dedup();
            if !numbers.is_empty() && (request.types.is_empty() || request.types.contains(&ty)) {
                let number = self.inner.number_of(ty);
                // Those of the type that are contained in others come after it.
                work.extend([(number, numbers.clone()), (-number, numbers)]);
            }
        }
        // The words of a tenant, and its contained resources, become usable all at once.
        if request.types.is_empty() && request.parameters.is_empty() {
            let all = || registry.definitions().resource_types().map(|ty| self.inner.number_of(ty));
            if registry.text().1 == State::Filling {
                add_to_all(&mut work, WORDS, all());
            }
            if registry.contained() == State::Filling {
                add_to_all(&mut work, CONTAINED, all());
            }
        }
        if let Some(place) = found.iter().position(|is| !is) {
            return Err(Error::unprocessable("There is no search parameter with this canonical URL here.")
                .coded(remit_fhir::IssueType::NotFound)
                .at(format!("Parameters.parameter.where(name='parameter')[{place}].value")));
        }
        Ok(work)
    }

    /// Does the next batch of a job that this process has claimed. `base` is the FHIR base of the
    /// tenant when the server was given a public URL, else empty. The plan must be a system plan.
    pub async fn reindex_step(&self, plan: &AccessPlan, job: &mut Job, base: &str) -> Result<Progress> {
        if plan.reason().is_none() {
            return Err(Error::new(Kind::Forbidden, "Only the server itself works on jobs."));
        }
        if job.total.is_none() {
            job.total = Some(self.reindex_total(job).await?);
        }
        let Some((ty, params)) = job.work.get(job.place).cloned() else {
            return self.finish_reindex(job).await;
        };
        // A resource that changes all the time makes a batch stale; alone it passes.
        let mut size = BATCH;
        loop {
            let registry = self.current_registry(job.tenant).await?;
            let (fills, read, last) = self.reindex_batch(&registry, job, ty, &params, base, size).await?;
            let whole = read < size;
            let (place, cursor) = if whole { (job.place + 1, 0) } else { (job.place, last) };
            let step = self.advance(job, place, cursor, job.done + read as i64);
            let side = Side { epoch: registry.epoch(), changes_parameters: false, steps: vec![step], fills };
            match self.apply(job.tenant, WriteSet::default(), Vec::new(), side).await {
                Ok(_) => {
                    (job.place, job.cursor, job.done) = (place, cursor, job.done + read as i64);
                    return Ok(Progress::More);
                }
                Err(WriteError::Failed(error)) => return Err(error),
                Err(WriteError::Stale) => {
                    let now = self.job(job.tenant, &job.id).await?;
                    if now.is_none_or(|now| now.owner != job.owner || now.state != crate::JobState::Active) {
                        return Ok(Progress::Lost);
                    }
                    size = (size / 4).max(1);
                }
            }
        }
    }

    /// Index rows of the next resources, how many resources those are, and the number of the last.
    async fn reindex_batch(
        &self,
        registry: &Registry,
        job: &Job,
        ty: i32,
        params: &[i32],
        base: &str,
        size: usize,
    ) -> Result<(Vec<Write>, usize, i64)> {
        let found = self.reindexed(job, ty, size).await?;
        let (read, mut last) = (found.len(), job.cursor);
        let mut fills = Vec::new();
        for mut row in found {
            let rid = row.int()?;
            // A container stands for all of the type that it holds.
            let rid = container_of(rid).map_or(rid, |(container, _)| container);
            if rid == std::mem::replace(&mut last, rid) {
                continue;
            }
            let kind = registry.type_numbered(row.int()? as i32);
            let (id, version) = (row.text()?, row.int()?);
            let Some(kind) = kind else { continue };
            let document = json::parse(row.text()?)?;
            let mut rows = extract(document.root(), kind, registry, base)?;
            rows.keep(params);
            if !rows.is_empty() {
                fills.push(fill(kind, id, version, rows));
            }
        }
        Ok((fills, read, last))
    }

    /// The next resources of a type, or the next that contain one of a type: that is a number below 0.
    async fn reindexed(&self, job: &Job, ty: i32, size: usize) -> Result<Vec<Row>> {
        let body = self.inner.database.body("r");
        let (sql, after) = if ty > 0 {
            let sql = format!(
                "select r.rid, r.type, r.id, r.version, {body} from resource r where r.tenant = $1 \
                 and r.type = $2 and r.deleted = 0 and r.rid > $3 order by r.rid limit $4"
            );
            (sql, job.cursor)
        } else {
            let sql = format!(
                "select r.rid, r.container_type, r.container_id, r.version, {body} from contained_resource r \
                 where r.tenant = $1 and r.type = $2 and r.deleted = 0 and r.rid > $3 order by r.rid limit $4"
            );
            (sql, contained_number(job.cursor, 0))
        };
        let args =
            [Value::from(job.tenant), Value::from(ty.abs()), Value::Int(after), Value::Int(size as i64)];
        self.inner.database.scan(&sql, &args).await
    }

    async fn reindex_total(&self, job: &Job) -> Result<i64> {
        let mut total = 0;
        for (ty, _) in &job.work {
            let sql = match *ty > 0 {
                true => {
                    "select count(*) from resource r where r.tenant = $1 and r.type = $2 and r.deleted = 0"
                }
                false => "select count(*) from contained c where c.tenant = $1 and c.type = $2",
            };
            let args = [Value::from(job.tenant), Value::from(ty.abs())];
            let rows = self.inner.database.scan(sql, &args).await?;
            total += rows.into_iter().next().map_or(Ok(0), |mut row| row.int())?;
        }
        Ok(total)
    }

    fn advance(&self, job: &Job, place: usize, cursor: i64, done: i64) -> Step {
        let sql = "update job set place = $3, cursor = $4, done = $5, total = $6, lease_us = $7 \
                   where id = $1 and owner = $2 and state = 0 returning 1";
        let args = vec![
            Value::from(job.id.as_str()),
            Value::from(job.owner.as_str()),
            Value::Int(place as i64),
            Value::Int(cursor),
            Value::Int(done),
            Value::Int(job.total.unwrap_or(-1)),
            Value::Int((self.inner.clock)() + LEASE_US),
        ];
        Step::holds(sql, args)
    }

    /// All rows are there: the parameters become usable.
    async fn finish_reindex(&self, job: &Job) -> Result<Progress> {
        let now = (self.inner.clock)();
        loop {
            let registry = self.current_registry(job.tenant).await?;
            let sql = "update job set state = 1, ended_us = $3, total = $4 \
                       where id = $1 and owner = $2 and state = 0 returning 1";
            let args = vec![
                Value::from(job.id.as_str()),
                Value::from(job.owner.as_str()),
                Value::Int(now),
                Value::Int(job.total.unwrap_or(0)),
            ];
            let mut steps = vec![Step::holds(sql, args)];
            for number in job.work.iter().flat_map(|(_, params)| params) {
                let sql = "update custom_parameter set state = 1, since_us = $3 where id = $1 and tenant = $2 and state = 0";
                let args = vec![Value::from(*number), Value::from(job.tenant), Value::Int(now)];
                steps.push(Step::new(sql, args));
            }
            if job.work.iter().any(|(_, params)| params.contains(&WORDS)) {
                let sql = "update tenant set words_ready = 1 where id = $1";
                steps.push(Step::new(sql, vec![Value::from(job.tenant)]));
            }
            if job.work.iter().any(|(_, params)| params.contains(&CONTAINED)) {
                let sql = "update tenant set contained_ready = 1 where id = $1";
                steps.push(Step::new(sql, vec![Value::from(job.tenant)]));
            }
            steps.push(count_on(job.tenant));
            let side = Side { epoch: registry.epoch(), changes_parameters: true, steps, fills: Vec::new() };
            match self.apply(job.tenant, WriteSet::default(), Vec::new(), side).await {
                Ok(_) => return Ok(Progress::Done),
                Err(WriteError::Failed(error)) => return Err(error),
                Err(WriteError::Stale) => {
                    let now = self.job(job.tenant, &job.id).await?;
                    if now.is_none_or(|now| now.owner != job.owner || now.state != crate::JobState::Active) {
                        return Ok(Progress::Lost);
                    }
                }
            }
        }
    }

    /// Takes away some index rows of parameters that are gone; whether there may be more. The plan must
    /// be a system plan.
    pub async fn sweep_parameters(&self, plan: &AccessPlan) -> Result<bool> {
        if plan.reason().is_none() {
            return Err(Error::new(Kind::Forbidden, "Only the server itself clears the index."));
        }
        let sql =
            "select id, tenant from custom_parameter where state = 2 and since_us < $1 order by id limit 1";
        let before = Value::Int((self.inner.clock)() - GRACE_US);
        let Some(mut row) = self.inner.database.point(sql, &[before]).await?.into_iter().next() else {
            return Ok(false);
        };
        let (number, tenant) = (row.int()?, row.int()?);
        for sql in self.sweeps() {
            // Rows of contained resources stand under the complement.
            for param in [number, !number] {
                let args = vec![Value::Int(param), Value::Int(tenant), Value::Int(SWEEP)];
                if !self.administer(sql.clone(), args).await?.is_empty() {
                    return Ok(true);
                }
            }
        }
        let sql = "delete from custom_parameter where id = $1 and tenant = $2 and state = 2";
        self.administer(sql, vec![Value::Int(number), Value::Int(tenant)]).await?;
        Ok(true)
    }

    /// One statement for each index table: parameter, tenant, how many.
    fn sweeps(&self) -> Vec<String> {
        let one = |(table, columns): &(&str, &str)| match &self.inner.database {
            Database::Sqlite(_) => format!(
                "delete from {table} where tenant = $2 and param = $1 and (rid, {columns}) in \
                 (select rid, {columns} from {table} where tenant = $2 and param = $1 limit $3) returning 1"
            ),
            Database::Postgres(_) => format!(
                "delete from {table} where ctid = any(array(select ctid from {table} \
                 where tenant = $2 and param = $1 limit $3)) returning 1"
            ),
        };
        TABLES.iter().map(one).collect()
    }
}

/// Adds what is filled in for every type.
fn add_to_all(work: &mut Vec<(i32, Vec<i32>)>, what: i32, types: impl Iterator<Item = i32>) {
    for ty in types {
        match work.iter_mut().find(|(number, _)| *number == ty) {
            Some((_, params)) => params.push(what),
            None => work.push((ty, vec![what])),
        }
    }
}

fn fill(ty: TypeId, id: String, version: i64, rows: IndexRows) -> Write {
    Write { ty, id, action: Action::Update, follows: version, body: None, add: rows.clone(), remove: rows }
}
