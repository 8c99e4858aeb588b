//! Checking the index rows: every resource is indexed again and compared with what is stored.
//!
//! Rows of a resource are summed as hashes, because index tables are not kept by resource: one walk of
//! each table, one walk of the resources, and a few bytes of memory for each.

use crate::value::{Row, Value};
use crate::{Database, Store};
use remit_fhir::{Error, Kind, Result, json};
use remit_search::{AccessPlan, IndexRows, contained_number, container_of, extract, words_of};
use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

/// What a check found.
#[derive(Clone, Debug, Default)]
pub struct Verified {
    /// Current resources that were indexed again.
    pub resources: u64,
    /// Index rows that they have.
    pub rows: u64,
    /// Resources (`Type/id`, with the tenant's number in front) whose index rows are not what they
    /// should be, at most [`Verified::LISTED`] of them.
    pub wrong: Vec<String>,
    /// How many are wrong in all.
    pub wrong_count: u64,
    /// Numbers of all that are wrong.
    pub(crate) rids: Vec<i64>,
}

impl Verified {
    /// More than these are counted only; a person looks at a few.
    pub const LISTED: usize = 100;
}

/// Sum of the hashes of a resource's rows, and their number.
type Sum = (u64, u32);

/// One column of an index row as both sides can make it.
#[derive(Clone, Copy, Hash)]
enum Cell<'a> {
    Int(i64),
    Real(u64),
    Text(&'a str),
}

fn hash<'a>(table: usize, cells: impl IntoIterator<Item = Cell<'a>>) -> u64 {
    let mut hasher = DefaultHasher::new();
    table.hash(&mut hasher);
    cells.into_iter().for_each(|cell| cell.hash(&mut hasher));
    hasher.finish()
}

/// Tables with their columns after `rid`, in the order in which [`Expected`] hashes them.
pub(crate) const TABLES: [(&str, &str); 10] = [
    ("ix_token", "tenant, param, code, system"),
    ("ix_reference", "tenant, param, target"),
    ("ix_uri", "tenant, param, uri"),
    ("ix_string", "tenant, param, norm, exact"),
    ("ix_date", "tenant, param, low, high"),
    ("ix_number", "tenant, param, low, high"),
    ("ix_quantity", "tenant, param, low, high, system, code, canonical, canonical_low, canonical_high"),
    ("ix_composite", "tenant, param, code, system, code2, system2, low, high, low2, high2"),
    ("ix_position", "tenant, param, latitude, longitude"),
    ("ix_text", "tenant, param, norm"),
];

/// Where the rows of `contained` and the words are hashed.
const CONTAINED_TABLE: usize = TABLES.len();
const WORDS_TABLE: usize = TABLES.len() + 1;

/// Numbers that turn texts of rows into what the tables hold.
struct Expected {
    symbols: HashMap<String, i64>,
    rids: HashMap<(i64, i64, String), i64>,
}

impl Expected {
    fn symbol(&self, uri: &str) -> Cell<'static> {
        Cell::Int(if uri.is_empty() { 0 } else { self.symbols.get(uri).copied().unwrap_or(-1) })
    }

    /// The rows of a resource and of those that it contains.
    fn sum(&self, store: &Store, tenant: i64, rid: i64, rows: &IndexRows) -> Sum {
        let mut sum = self.sum_of(store, tenant, rid, rid, rows);
        for (place, rows) in &rows.inside {
            let number = contained_number(rid, *place);
            sum = plus(sum, self.sum_of(store, tenant, rid, number, rows));
            for r in &rows.contained {
                let kind = Cell::Int(store.inner.number_of(r.ty).into());
                let cells = [Cell::Int(number), Cell::Int(tenant), kind, Cell::Text(&r.id)];
                sum = plus(sum, (hash(CONTAINED_TABLE, cells), 1));
            }
        }
        sum
    }

    fn sum_of(&self, store: &Store, tenant: i64, container: i64, rid: i64, rows: &IndexRows) -> Sum {
        let mut sum: Sum = (0, 0);
        let mut add = |table: usize, param: i32, rest: &[Cell<'_>]| {
            let key = [Cell::Int(rid), Cell::Int(tenant), Cell::Int(param.into())];
            sum = plus(sum, (hash(table, key.into_iter().chain(rest.iter().copied())), 1));
        };
        let real = |r: remit_search::Real| Cell::Real(r.0.to_bits());
        for r in &rows.tokens {
            add(0, r.param, &[Cell::Text(&r.code), self.symbol(&r.system)]);
        }
        for r in &rows.references {
            let key = (tenant, i64::from(store.inner.number_of(r.ty)), r.id.to_string());
            add(1, r.param, &[Cell::Int(self.rids.get(&key).copied().unwrap_or(-1))]);
        }
        for r in &rows.inner {
            let target = r.place.map_or(container, |place| contained_number(container, place));
            add(1, r.param, &[Cell::Int(target)]);
        }
        for r in &rows.uris {
            add(2, r.param, &[Cell::Text(&r.uri)]);
        }
        for r in &rows.strings {
            add(3, r.param, &[Cell::Text(&r.norm), Cell::Text(&r.exact)]);
        }
        for r in &rows.dates {
            add(4, r.param, &[Cell::Int(r.low), Cell::Int(r.high)]);
        }
        for r in &rows.numbers {
            add(5, r.param, &[real(r.low), real(r.high)]);
        }
        for r in &rows.quantities {
            let cells = [
                real(r.low),
                real(r.high),
                self.symbol(&r.system),
                Cell::Text(&r.code),
                self.symbol(&r.canonical),
                real(r.canonical_low),
                real(r.canonical_high),
            ];
            add(6, r.param, &cells);
        }
        for r in &rows.composites {
            let (first, second) = (self.symbol(&r.system), self.symbol(&r.system2));
            let ranges = (real(r.low), real(r.high), real(r.low2), real(r.high2));
            let (code, code2) = (Cell::Text(&r.code), Cell::Text(&r.code2));
            add(7, r.param, &[code, first, code2, second, ranges.0, ranges.1, ranges.2, ranges.3]);
        }
        for r in &rows.positions {
            add(8, r.param, &[real(r.latitude), real(r.longitude)]);
        }
        for r in &rows.texts {
            add(9, r.param, &[Cell::Text(&r.norm)]);
        }
        for r in &rows.words {
            let words = words_of(tenant as i32, r);
            for word in words.split(' ') {
                sum = plus(sum, (hash(WORDS_TABLE, [Cell::Int(rid), Cell::Text(word)]), 1));
            }
        }
        sum
    }
}

fn plus(a: Sum, b: Sum) -> Sum {
    (a.0.wrapping_add(b.0), a.1 + b.1)
}

/// What cannot be compared, because it is being filled in or taken away.
struct Unfinished {
    params: HashSet<i32>,
    /// Tenants of which not all resources have their words.
    words: HashSet<i64>,
    /// Tenants of which not all contained resources have their rows.
    contained: HashSet<i64>,
}

impl Unfinished {
    fn leave_out(&self, tenant: i64, rows: &mut IndexRows) {
        rows.leave_out(&self.params);
        if self.contained.contains(&tenant) {
            rows.inside.clear();
            rows.inner.clear();
        }
        if self.words.contains(&tenant) {
            rows.words.clear();
            rows.inside.iter_mut().for_each(|(_, rows)| rows.words.clear());
        }
    }

    /// Whether a stored row is left out: its number, its columns, and whether these end in a target.
    fn has(&self, rid: i64, columns: &[Value], is_reference: bool) -> bool {
        let [Value::Int(tenant), Value::Int(param), rest @ ..] = columns else { return false };
        let param = *param as i32;
        let is_inner =
            matches!(rest, [Value::Int(target)] if is_reference && (*target < 0 || *target == rid));
        self.params.contains(&param)
            || (rid < 0 && self.params.contains(&!param))
            || ((rid < 0 || is_inner) && self.contained.contains(tenant))
    }
}

impl Store {
    /// Indexes every current resource of every tenant again and compares. The plan must be a system
    /// plan. `public_url` is the one that the server was given, or empty. Writes that are made meanwhile can look wrong; run it on a quiet server.
    pub async fn verify(
        &self,
        plan: &AccessPlan,
        public_url: &str,
        mut progress: impl FnMut(u64),
    ) -> Result<Verified> {
        if plan.reason().is_none() {
            return Err(Error::new(Kind::Forbidden, "Only the server itself may check the index."));
        }
        let bases = self.bases(public_url).await?;
        let unfinished = self.unfinished().await?;
        let mut sums = self.stored_sums(&unfinished).await?;
        let expected = self.expected().await?;
        let mut verified = Verified::default();
        let mut after = 0;
        loop {
            let rows = self.some_resources(after).await?;
            if rows.is_empty() {
                break;
            }
            for mut row in rows {
                let (rid, tenant, number, id) = (row.int()?, row.int()?, row.int()?, row.text()?);
                after = rid;
                let Some(ty) = self.inner.registry.type_numbered(number as i32) else { continue };
                let sum = match row.text_or_null()? {
                    Some(text) => {
                        let document = json::parse(text)?;
                        let base = bases.get(&tenant).map_or("", String::as_str);
                        let mut rows = extract(document.root(), ty, &self.registry_of(tenant as i32), base)?;
                        unfinished.leave_out(tenant, &mut rows);
                        verified.resources += 1;
                        verified.rows += rows.len() as u64;
                        expected.sum(self, tenant, rid, &rows)
                    }
                    None => (0, 0),
                };
                if sums.remove(&rid).unwrap_or_default() != sum {
                    let name = self.inner.registry.definitions().name(ty);
                    verified.note(rid, format!("{tenant}: {name}/{id}"));
                }
            }
            progress(verified.resources);
        }
        sums.keys().for_each(|rid| verified.note(*rid, format!("rows of {rid}, which is no resource")));
        Ok(verified)
    }

    /// The FHIR base of each tenant; none without a public URL.
    pub(crate) async fn bases(&self, public_url: &str) -> Result<HashMap<i64, String>> {
        if public_url.is_empty() {
            return Ok(HashMap::new());
        }
        let tenants = self.tenants().await?.into_iter();
        Ok(tenants.map(|t| (t.id.into(), format!("{public_url}{}", t.path()))).collect())
    }

    async fn some_resources(&self, after: i64) -> Result<Vec<Row>> {
        /// Resources read at once.
        const PAGE: i64 = 1000;
        let body = self.inner.database.body("r");
        let sql = format!(
            "select r.rid, r.tenant, r.type, r.id, {body} from resource r where r.rid > $1 order by r.rid limit $2"
        );
        self.inner.database.scan(&sql, &[Value::Int(after), Value::Int(PAGE)]).await
    }

    async fn expected(&self) -> Result<Expected> {
        let mut symbols = HashMap::new();
        self.each("select id, uri from symbol", |mut row| {
            let id = row.int()?;
            symbols.insert(row.text()?, id);
            Ok(())
        })
        .await?;
        let mut rids = HashMap::new();
        self.each("select rid, tenant, type, id from resource", |mut row| {
            let rid = row.int()?;
            rids.insert((row.int()?, row.int()?, row.text()?), rid);
            Ok(())
        })
        .await?;
        Ok(Expected { symbols, rids })
    }

    async fn unfinished(&self) -> Result<Unfinished> {
        let ids = async |sql: &str| {
            let rows = self.inner.database.point(sql, &[]).await?;
            rows.into_iter().map(|mut row| row.int()).collect::<Result<Vec<i64>>>()
        };
        let params = ids("select id from custom_parameter where state <> 1").await?;
        Ok(Unfinished {
            params: params.into_iter().map(|id| id as i32).collect(),
            words: ids("select id from tenant where words_ready = 0").await?.into_iter().collect(),
            contained: ids("select id from tenant where contained_ready = 0").await?.into_iter().collect(),
        })
    }

    /// Sums of the stored rows of each resource with those of the resources that it contains.
    async fn stored_sums(&self, unfinished: &Unfinished) -> Result<HashMap<i64, Sum>> {
        let mut sums: HashMap<i64, Sum> = HashMap::new();
        let mut add = |table: usize, rid: i64, values: &[Value]| {
            let cells = values.iter().map(|value| match value {
                Value::Int(n) => Cell::Int(*n),
                Value::Real(n) => Cell::Real(n.to_bits()),
                Value::Text(text) => Cell::Text(text),
                // No column holds a list.
                Value::Null | Value::List(_) => Cell::Text(""),
            });
            let owner = container_of(rid).map_or(rid, |(container, _)| container);
            let sum = sums.entry(owner).or_default();
            *sum = plus(*sum, (hash(table, std::iter::once(Cell::Int(rid)).chain(cells)), 1));
        };
        for (table, (name, columns)) in TABLES.iter().enumerate() {
            self.each(&format!("select rid, {columns} from {name}"), |mut row| {
                let rid = row.int()?;
                let values: Vec<Value> = row.rest().into_iter().collect();
                if !unfinished.has(rid, &values, *name == "ix_reference") {
                    add(table, rid, &values);
                }
                Ok(())
            })
            .await?;
        }
        self.each("select rid, tenant, type, id from contained", |mut row| {
            let rid = row.int()?;
            let values: Vec<Value> = row.rest().into_iter().collect();
            let is_left_out =
                matches!(values[..], [Value::Int(tenant), ..] if unfinished.contained.contains(&tenant));
            if !is_left_out {
                add(CONTAINED_TABLE, rid, &values);
            }
            Ok(())
        })
        .await?;
        self.each(self.stored_words(), |mut row| {
            let (rid, word) = (row.int()?, row.text()?);
            let digits = word.find(|c: char| !c.is_ascii_digit()).unwrap_or(word.len());
            let tenant: i64 = word.get(..digits).and_then(|digits| digits.parse().ok()).unwrap_or_default();
            let is_left_out =
                unfinished.words.contains(&tenant) || (rid < 0 && unfinished.contained.contains(&tenant));
            if !is_left_out {
                add(WORDS_TABLE, rid, &[Value::Text(word)]);
            }
            Ok(())
        })
        .await?;
        Ok(sums)
    }

    /// Every word of every resource: the number of the resource, and the word as it is kept.
    fn stored_words(&self) -> &'static str {
        match &self.inner.database {
            Database::Sqlite(_) => "select doc, term from ix_words_kept",
            Database::Postgres(_) => "select rid, unnest(tsvector_to_array(words)) from ix_words",
        }
    }

    async fn each(&self, sql: &str, visit: impl FnMut(Row) -> Result<()> + Send) -> Result<()> {
        match &self.inner.database {
            Database::Sqlite(sqlite) => sqlite.each(sql, visit).await,
            Database::Postgres(postgres) => postgres.each(sql, visit).await,
        }
    }
}

impl Verified {
    fn note(&mut self, rid: i64, what: String) {
        self.wrong_count += 1;
        self.rids.push(rid);
        if self.wrong.len() < Verified::LISTED {
            self.wrong.push(what);
        }
    }
}
