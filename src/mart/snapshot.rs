//! Snapshots: Parquet files with the rows of each view, and a manifest that binds them.
//! <https://parquet.apache.org/docs/file-format/>
//!
//! The manifest names every file with its checksum and the position that all of them stand for. It
//! is written last and renamed into place, so a crash leaves the one before it. A file that is
//! torn, changed or of another store or view is discarded, aloud, and its rows come again from the
//! change log.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch, StringArray, UInt32Array};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, UInt32Type};
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::Compression;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use remit_fhir::{Error, Result};
use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};

use crate::mart::{Mart, Position};
use crate::packed::Rows;
use crate::stored::{Named, Stored, Views};
use crate::table::Table;
use crate::tenant::{Shard, Tenant, Versions};

/// What the files look like; another number is another form and is not read.
const FORMAT: u64 = 1;
const MANIFEST: &str = "manifest.json";
/// Rows of a batch that is read; it becomes a chunk of the table.
const READ_ROWS: usize = 16_384;

/// What has been written: for each tenant and resource type the number of versions and its part of
/// the manifest, so that what has not changed is not written again.
#[derive(Debug, Default)]
pub(crate) struct State {
    saved: HashMap<(i32, Arc<str>), Saved>,
    generation: u64,
}

/// One shard as it was written: how many versions of which views, and its part of the manifest.
#[derive(Debug)]
struct Saved {
    versions: usize,
    views: Vec<String>,
    entry: Json,
}

/// The views of a shard, told from others of the same names.
fn views_of<'v>(views: impl Iterator<Item = &'v Arc<Named>>) -> Vec<String> {
    views.map(|view| format!("{} {}", view.key, fingerprint(view))).collect()
}

/// What a snapshot gave.
#[derive(Debug, Default)]
pub(crate) struct Restored {
    pub(crate) tenants: HashMap<i32, Tenant>,
    pub(crate) position: Position,
    pub(crate) state: State,
}

/// The views that tenants have of their own.
pub(crate) type AllStored = HashMap<i32, BTreeMap<Arc<str>, Stored>>;

/// Why a snapshot, or a part of it, is not used.
type Unusable = String;

fn unusable(error: impl std::fmt::Display) -> Unusable {
    error.to_string()
}

impl Mart {
    /// Writes a snapshot without keeping the caller's thread busy.
    pub async fn snapshot(self: &Arc<Self>) -> Result<()> {
        let mart = self.clone();
        tokio::task::spawn_blocking(move || mart.write_snapshot()).await.map_err(Error::internal)?
    }

    /// Forgets what a folder holds, so that a mart that is opened there begins with nothing.
    pub fn discard(folder: &Path) -> Result<()> {
        match fs::remove_file(folder.join(MANIFEST)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::internal(error)),
            _ => Ok(()),
        }
    }

    /// Writes a snapshot; changes may be applied and queries run meanwhile. Without a folder
    /// nothing is done.
    pub fn write_snapshot(&self) -> Result<()> {
        let Some(folder) = &self.config.folder else { return Ok(()) };
        let mut state = self.snapshots.lock();
        // What is written may be later than this position; applying it again changes nothing.
        let position = self.position();
        fs::create_dir_all(folder).map_err(Error::internal)?;
        state.generation += 1;
        let tenants: Vec<_> = self.tenants.read().iter().map(|(id, tenant)| (*id, tenant.clone())).collect();
        let mut kept = HashSet::new();
        for (id, tenant) in tenants {
            let types: Vec<Arc<str>> = tenant.read().shards.keys().cloned().collect();
            for resource_type in types {
                let capture = match tenant.read().shards.get(&resource_type) {
                    Some(shard) => Capture::of(shard),
                    None => continue,
                };
                let key = (id, resource_type.clone());
                let views = views_of(capture.tables.iter().map(|(view, _)| view));
                let is_same = |saved: &Saved| saved.versions == capture.count && saved.views == views;
                kept.insert(key.clone());
                if state.saved.get(&key).is_some_and(is_same) {
                    continue;
                }
                let writing = Writing { folder, position, source: &self.config.source, tenant: id };
                let entry =
                    writing.shard(&resource_type, &capture, state.generation).map_err(Error::internal)?;
                state.saved.insert(key, Saved { versions: capture.count, views, entry });
            }
        }
        // A type that no view reads any more has no shard.
        state.saved.retain(|key, _| kept.contains(key));
        let shards: Vec<&Json> = state.saved.values().map(|saved| &saved.entry).collect();
        let manifest = json!({
            "format": FORMAT, "source": self.config.source, "position": position,
            "generation": state.generation, "views": fingerprints(&self.views), "shards": shards,
        });
        write_atomically(folder, MANIFEST, manifest.to_string().as_bytes()).map_err(Error::internal)?;
        remove_others(folder, &manifest);
        Ok(())
    }
}

fn fingerprints(views: &Views) -> Json {
    views.by_name.iter().map(|(name, view)| (name.clone(), json!(fingerprint(view)))).collect()
}

/// Two views with the same fingerprint make the same rows.
fn fingerprint(view: &Named) -> String {
    hex(&Sha256::digest(view.meaning().as_bytes()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A shard as it is at one moment.
struct Capture {
    count: usize,
    versions: RecordBatch,
    tables: Vec<(Arc<Named>, Vec<Rows>)>,
}

impl Capture {
    fn of(shard: &Shard) -> Capture {
        let versions = &shard.versions;
        let mut fields = vec![
            Field::new("id", DataType::Utf8, false),
            Field::new("version", DataType::Int64, false),
            Field::new("known_from", DataType::Int64, false),
            Field::new("known_to", DataType::Int64, false),
        ];
        let mut columns: Vec<ArrayRef> = vec![
            Arc::new(StringArray::from_iter_values(versions.ids.iter().map(|id| &**id))),
            Arc::new(Int64Array::from(versions.version.clone())),
            Arc::new(Int64Array::from(versions.known_from.clone())),
            Arc::new(Int64Array::from(versions.known_to.clone())),
        ];
        let mut tables = Vec::new();
        for table in &shard.tables {
            fields.push(Field::new(ends_column(&table.view), DataType::UInt32, false));
            columns.push(Arc::new(UInt32Array::from(table.ends().to_vec())));
            tables.push((table.view.clone(), table.stored()));
        }
        let versions = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
            .expect("each column has a value for each version");
        Capture { count: versions.num_rows(), versions, tables }
    }
}

fn ends_column(view: &Named) -> String {
    format!("ends:{}", view.key)
}

struct Writing<'w> {
    folder: &'w Path,
    position: Position,
    source: &'w str,
    tenant: i32,
}

impl Writing<'_> {
    fn shard(&self, resource_type: &str, capture: &Capture, generation: u64) -> io::Result<Json> {
        let tenant = self.tenant;
        let versions = self.file(
            &format!("{tenant}-{resource_type}-{generation}.versions.parquet"),
            &[Rows::Plain(capture.versions.clone())],
            "",
        )?;
        let mut views = Vec::new();
        for (view, batches) in &capture.tables {
            // A key of a stored view has a slash; a file has none.
            let (name, file) = (&*view.key, view.key.replace('/', "."));
            let fingerprint = fingerprint(view);
            let mut entry = match batches.is_empty() {
                true => json!({}),
                false => {
                    self.file(&format!("{tenant}-{file}-{generation}.parquet"), batches, &fingerprint)?
                }
            };
            entry["name"] = json!(name);
            entry["fingerprint"] = json!(fingerprint);
            views.push(entry);
        }
        Ok(json!({ "tenant": tenant, "type": resource_type, "versions": versions, "views": views }))
    }

    /// Writes one file and gives its part of the manifest.
    fn file(&self, name: &str, stored: &[Rows], fingerprint: &str) -> io::Result<Json> {
        let facts = [
            ("remit.format", FORMAT.to_string()),
            ("remit.source", self.source.to_owned()),
            ("remit.tenant", self.tenant.to_string()),
            ("remit.position", self.position.to_string()),
            ("remit.view", fingerprint.to_owned()),
        ];
        let facts = facts.map(|(key, value)| KeyValue::new(key.to_owned(), value));
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_key_value_metadata(Some(facts.to_vec()))
            .build();
        let Some(first) = stored.first() else { return Ok(json!({})) };
        let mut hashing = Hashing { file: File::create(self.folder.join(name))?, hash: Sha256::new() };
        let mut writer =
            ArrowWriter::try_new(&mut hashing, first.schema(), Some(properties)).map_err(io::Error::other)?;
        let mut rows = 0;
        // One after the other: packed rows are not all in memory as they were.
        for stored in stored {
            for batch in stored.read().map_err(io::Error::other)? {
                writer.write(&batch).map_err(io::Error::other)?;
                rows += batch.num_rows();
            }
        }
        writer.close().map_err(io::Error::other)?;
        hashing.file.sync_all()?;
        Ok(json!({ "file": name, "rows": rows, "sha256": hex(&hashing.hash.finalize()) }))
    }
}

/// A file that is hashed as it is written.
struct Hashing {
    file: File,
    hash: Sha256,
}

impl Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hash.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

fn write_atomically(folder: &Path, name: &str, content: &[u8]) -> io::Result<()> {
    let temporary = folder.join(format!("{name}.new"));
    let mut file = File::create(&temporary)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&temporary, folder.join(name))?;
    // The rename, and the names of the files it speaks of, are durable when their folder is.
    File::open(folder)?.sync_all()
}

/// Removes the snapshot files that the manifest does not name. What cannot be removed now is
/// removed by the next snapshot.
fn remove_others(folder: &Path, manifest: &Json) {
    let named = files(manifest);
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.ends_with(".parquet") && !named.contains(&name.as_str()) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

fn files(manifest: &Json) -> Vec<&str> {
    let shards = manifest["shards"].as_array().into_iter().flatten();
    let entries = shards.flat_map(|shard| {
        let views = shard["views"].as_array().into_iter().flatten();
        views.chain([&shard["versions"]])
    });
    entries.filter_map(|entry| entry["file"].as_str()).collect()
}

/// Reads what a folder holds. Whatever cannot be used is left out, and then the position is 0.
pub(crate) fn restore(folder: &Path, source: &str, views: &Views, stored: &AllStored) -> Restored {
    match restore_manifest(folder, source, views, stored) {
        Ok(Some(restored)) => restored,
        Ok(None) => Restored::default(),
        Err(reason) => {
            tracing::error!(folder = %folder.display(), reason, "the snapshot of the mart is discarded; all is rebuilt");
            Restored::default()
        }
    }
}

fn restore_manifest(
    folder: &Path,
    source: &str,
    views: &Views,
    stored: &AllStored,
) -> std::result::Result<Option<Restored>, Unusable> {
    let text = match fs::read(folder.join(MANIFEST)) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unusable(error)),
    };
    let manifest: Json = serde_json::from_slice(&text).map_err(unusable)?;
    if manifest["format"].as_u64() != Some(FORMAT) {
        return Err("it has another format".to_owned());
    }
    if manifest["source"].as_str() != Some(source) {
        return Err("it belongs to another store".to_owned());
    }
    let mut restored = Restored {
        position: manifest["position"].as_i64().ok_or("it has no position")?,
        state: State { generation: manifest["generation"].as_u64().unwrap_or(0), ..State::default() },
        ..Restored::default()
    };
    if manifest["views"] != fingerprints(views) {
        tracing::warn!("the views have changed since the snapshot of the mart; what they make is rebuilt");
        restored.position = 0;
    }
    for entry in manifest["shards"].as_array().ok_or("it names no shards")? {
        match restore_shard(folder, entry, views, stored) {
            Ok(Found::Shard(tenant, resource_type, shard)) => {
                let saved = Saved {
                    versions: shard.versions.len(),
                    views: views_of(shard.tables.iter().map(|table| &table.view)),
                    entry: entry.clone(),
                };
                restored.state.saved.insert((tenant, resource_type.clone()), saved);
                restored.tenants.entry(tenant).or_default().shards.insert(resource_type, *shard);
            }
            Ok(Found::Unread) => {}
            Ok(Found::Stale) => restored.position = 0,
            Err(reason) => {
                let (tenant, resource_type) = (&entry["tenant"], &entry["type"]);
                tracing::error!(%tenant, %resource_type, reason, "a part of the mart's snapshot is discarded and rebuilt");
                restored.position = 0;
            }
        }
    }
    Ok(Some(restored))
}

/// What became of a shard.
enum Found {
    Shard(i32, Arc<str>, Box<Shard>),
    /// No view reads its type any more.
    Unread,
    /// A view that comes with the program is another now.
    Stale,
}

/// One shard.
fn restore_shard(
    folder: &Path,
    entry: &Json,
    views: &Views,
    stored: &AllStored,
) -> std::result::Result<Found, Unusable> {
    let tenant =
        entry["tenant"].as_i64().and_then(|id| i32::try_from(id).ok()).ok_or("it names no tenant")?;
    let resource_type = entry["type"].as_str().ok_or("it names no resource type")?;
    let shipped = views.by_type.get(resource_type).map_or(&[][..], Vec::as_slice);
    let own = stored.get(&tenant);
    let own = own.into_iter().flat_map(BTreeMap::values).filter_map(|stored| stored.view.as_ref());
    let own = own.filter(|view| view.resource_name() == resource_type);
    let written = entry["views"].as_array().ok_or("it names no views")?;
    // What is written and still so; of those that come with the program none may be missing.
    let mut kept = Vec::new();
    for view in shipped.iter().chain(own) {
        let fingerprint = json!(fingerprint(view));
        let same = written.iter().find(|w| w["name"] == *view.key && w["fingerprint"] == fingerprint);
        match same {
            Some(written) => kept.push((written, view)),
            None if view.key.contains('/') => {}
            None => return Ok(Found::Stale),
        }
    }
    if kept.is_empty() {
        return Ok(Found::Unread);
    }
    let batches = read(folder, &entry["versions"])?;
    let versions = versions(&batches)?;
    let mut tables = Vec::new();
    for (written, view) in kept {
        tables.push(table(folder, written, view, &batches)?);
    }
    let shard = Shard::restored(versions, tables).ok_or("its files do not fit each other")?;
    Ok(Found::Shard(tenant, resource_type.into(), Box::new(shard)))
}

fn table(
    folder: &Path,
    stored: &Json,
    view: &Arc<Named>,
    versions: &[RecordBatch],
) -> std::result::Result<Table, Unusable> {
    let mut ends: Vec<u32> = Vec::new();
    for batch in versions {
        let column = batch.column_by_name(&ends_column(view)).ok_or("a column is missing")?;
        ends.extend(column.as_primitive_opt::<UInt32Type>().ok_or("a column has another type")?.values());
    }
    let mut table = Table::new(view.clone());
    let rows = if stored["file"].is_null() { Vec::new() } else { read(folder, stored)? };
    let count: usize = rows.iter().map(RecordBatch::num_rows).sum();
    if ends.last().copied().unwrap_or(0) as usize != count || !ends.is_sorted() {
        return Err("its rows do not fit its versions".to_owned());
    }
    if rows.iter().any(|batch| batch.schema().fields() != table.schema.fields()) {
        return Err("its columns are others than the view's".to_owned());
    }
    table.restore(ends, rows);
    Ok(table)
}

fn versions(batches: &[RecordBatch]) -> std::result::Result<Versions, Unusable> {
    let mut versions = Versions::default();
    for batch in batches {
        let column = |name: &str| batch.column_by_name(name).ok_or("a column is missing");
        let numbers = |name: &str| -> std::result::Result<Vec<i64>, Unusable> {
            let column = column(name)?.as_primitive_opt::<Int64Type>().ok_or("a column has another type")?;
            Ok(column.values().to_vec())
        };
        let ids = column("id")?.as_string_opt::<i32>().ok_or("a column has another type")?;
        versions.ids.extend(ids.iter().flatten().map(Box::from));
        versions.version.extend(numbers("version")?);
        versions.known_from.extend(numbers("known_from")?);
        versions.known_to.extend(numbers("known_to")?);
    }
    let count = versions.len();
    let is_whole =
        versions.ids.len() == count && versions.known_from.len() == count && versions.known_to.len() == count;
    if is_whole { Ok(versions) } else { Err("a version lacks a fact".to_owned()) }
}

/// Reads a file that the manifest names, and checks that it is the one that was written.
fn read(folder: &Path, entry: &Json) -> std::result::Result<Vec<RecordBatch>, Unusable> {
    let name = entry["file"].as_str().ok_or("the manifest names no file")?;
    if name.contains(['/', '\\']) {
        return Err("the manifest names a file elsewhere".to_owned());
    }
    let content = fs::read(folder.join(name)).map_err(unusable)?;
    if entry["sha256"].as_str() != Some(hex(&Sha256::digest(&content)).as_str()) {
        return Err(format!("the file {name} is not what was written"));
    }
    let reader = ParquetRecordBatchReaderBuilder::try_new(Bytes::from(content)).map_err(unusable)?;
    let reader = reader.with_batch_size(READ_ROWS).build().map_err(unusable)?;
    let batches: Vec<RecordBatch> = reader.collect::<std::result::Result<_, _>>().map_err(unusable)?;
    let rows: usize = batches.iter().map(|batch| batch.num_rows()).sum();
    if entry["rows"].as_u64() != u64::try_from(rows).ok() {
        return Err(format!("the file {name} has another number of rows than was written"));
    }
    Ok(batches)
}
