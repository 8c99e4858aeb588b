//! The rows themselves, with what is known of them: for `verify` and for comparison in tests.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use remit_fhir::{Error, Result};

use crate::mart::Mart;
use crate::table::{Part, Table};
use crate::tenant::{OPEN, Shard};

impl Mart {
    /// All rows of a view for a tenant, superseded ones included, in the order in which they came.
    /// Before the columns of the view stand `_id`, `_version`, `_known_from` and `_known_to`; the
    /// last is null while the row is current.
    pub fn rows(&self, tenant: i32, view: &str) -> Result<Vec<RecordBatch>> {
        let found = self.tenants.read().get(&tenant).cloned();
        let is_stored = found.as_ref().is_some_and(|tenant| tenant.read().stored.contains_key(view));
        if !is_stored && !self.views.by_name.contains_key(view) {
            return Err(Error::not_found(format!("There is no view '{view}' in the mart.")));
        }
        let Some(tenant) = found else { return Ok(Vec::new()) };
        let tenant = tenant.read();
        let Some((shard, table)) = tenant.table(view) else { return Ok(Vec::new()) };
        Ok(table.parts().iter().map(|part| with_facts(shard, table, part)).collect())
    }
}

fn with_facts(shard: &Shard, table: &Table, part: &Part) -> RecordBatch {
    let utc = || DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let facts = [
        Field::new("_id", DataType::Utf8, false),
        Field::new("_version", DataType::Int64, false),
        Field::new("_known_from", utc(), false),
        Field::new("_known_to", utc(), true),
    ];
    let versions = &shard.versions;
    let known_from = shard.each_row(table, part, &versions.known_from);
    let known_to =
        shard.each_row(table, part, &versions.known_to).into_iter().map(|at| (at != OPEN).then_some(at));
    let columns: [ArrayRef; 4] = [
        Arc::new(shard.ids(table, part)),
        Arc::new(Int64Array::from(shard.each_row(table, part, &versions.version))),
        Arc::new(TimestampMicrosecondArray::from(known_from).with_timezone("UTC")),
        Arc::new(known_to.collect::<TimestampMicrosecondArray>().with_timezone("UTC")),
    ];
    let fields = facts.into_iter().map(Arc::new).chain(table.schema.fields().iter().cloned());
    let schema = Schema::new(fields.collect::<Vec<_>>());
    let columns = columns.into_iter().chain(part.batch.columns().iter().cloned()).collect();
    RecordBatch::try_new(Arc::new(schema), columns).expect("each fact has a value for each row")
}
