//! Rows that lie still: as they are while there is room, else as Parquet in memory, which takes a tenth.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::Compression;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use remit_fhir::{Error, Result};

/// The rows of one block.
#[derive(Clone, Debug)]
pub(crate) enum Rows {
    Plain(RecordBatch),
    Packed { bytes: Bytes, rows: usize, schema: SchemaRef },
}

impl Rows {
    /// Packs rows. What Parquet cannot hold stays as it is.
    pub(crate) fn packed(batch: RecordBatch) -> Rows {
        match pack(&batch) {
            Ok(bytes) => Rows::Packed { bytes, rows: batch.num_rows(), schema: batch.schema() },
            Err(_) => Rows::Plain(batch),
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        match self {
            Rows::Plain(batch) => batch.get_array_memory_size(),
            Rows::Packed { bytes, .. } => bytes.len(),
        }
    }

    pub(crate) fn schema(&self) -> SchemaRef {
        match self {
            Rows::Plain(batch) => batch.schema(),
            Rows::Packed { schema, .. } => schema.clone(),
        }
    }

    /// The rows as they were.
    pub(crate) fn read(&self) -> Result<Vec<RecordBatch>> {
        match self {
            Rows::Plain(batch) => Ok(vec![batch.clone()]),
            Rows::Packed { bytes, rows, schema } => {
                let builder =
                    ParquetRecordBatchReaderBuilder::try_new(bytes.clone()).map_err(Error::internal)?;
                let reader = builder.with_batch_size((*rows).max(1)).build().map_err(Error::internal)?;
                let same = |batch: RecordBatch| {
                    RecordBatch::try_new(schema.clone(), batch.columns().to_vec()).map_err(Error::internal)
                };
                reader.map(|batch| batch.map_err(Error::internal).and_then(same)).collect()
            }
        }
    }
}

fn pack(batch: &RecordBatch) -> parquet::errors::Result<Bytes> {
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_statistics_enabled(EnabledStatistics::None)
        .build();
    let mut out = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut out, batch.schema(), Some(properties))?;
    writer.write(batch)?;
    writer.close()?;
    out.shrink_to_fit();
    Ok(out.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ByBlocks, Change, Config, Links, Mart, Query};
    use arrow::array::{
        ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int32Array, Int64Array,
        NullArray, StringArray, TimestampMicrosecondArray, TimestampNanosecondArray,
    };
    use remit_sof::View;
    use remit_spec::Definitions;
    use std::sync::Arc;

    #[test]
    fn rows_come_out_as_they_went_in() {
        let texts = StringArray::from(vec![Some("a"), None, Some("")]);
        let decimals = Decimal128Array::from(vec![Some(-1), None, Some(10_i128.pow(37))]);
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("text", Arc::new(texts)),
            ("whole", Arc::new(Int64Array::from(vec![None, Some(i64::MIN), Some(i64::MAX)]))),
            ("small", Arc::new(Int32Array::from(vec![None, Some(-1), Some(7)]))),
            ("amount", Arc::new(decimals.with_precision_and_scale(38, 6).expect("it fits"))),
            ("day", Arc::new(Date32Array::from(vec![Some(-719_528), None, Some(2_932_896)]))),
            (
                "at",
                Arc::new(TimestampMicrosecondArray::from(vec![Some(-1), None, Some(1)]).with_timezone("UTC")),
            ),
            ("fine", Arc::new(TimestampNanosecondArray::from(vec![Some(-1), None, Some(1)]))),
            ("is", Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)]))),
            ("float", Arc::new(Float64Array::from(vec![Some(0.1), None, Some(-0.0)]))),
            ("nothing", Arc::new(NullArray::new(3))),
        ];
        let batch = RecordBatch::try_from_iter(columns).expect("columns of one length");
        for batch in [batch.clone(), batch.slice(1, 2)] {
            let rows = Rows::packed(batch.clone());
            assert!(matches!(rows, Rows::Packed { .. }), "it can be packed");
            assert_eq!(rows.read().expect("it can be read"), [batch]);
        }
        let none = Rows::packed(batch.slice(0, 0));
        assert_eq!(none.read().expect("it can be read").iter().map(RecordBatch::num_rows).sum::<usize>(), 0);
    }

    const VIEW: &str = r#"{"name":"item","resource":"Claim","select":[
        {"column":[{"name":"claim_id","path":"getResourceKey()"}]},
        {"forEach":"item","column":[{"name":"sequence","path":"sequence"}]}]}"#;

    fn mart(plain_bytes: usize) -> Mart {
        let document = remit_fhir::json::parse(VIEW.to_owned()).expect("the test writes JSON");
        let view = View::parse(document.root(), Definitions::r4()).expect("the view is valid");
        let links = Links::parse(r#"{"views":[{"view":"item","links":[["claim_id"]]}]}"#);
        let links = Arc::new(links.expect("the links can be read"));
        Mart::open(Config { links, block_rows: 999, plain_bytes, ..Config::default() }, vec![view])
            .expect("it opens")
    }

    fn apply(mart: &Mart, position: i64, items: usize) {
        let items: Vec<String> = (0..items).map(|n| format!(r#"{{"sequence":{}}}"#, n + 1)).collect();
        // Every seventh claim comes again.
        let id = format!("c{}", position % 7 * position % 50);
        let body = format!(r#"{{"resourceType":"Claim","id":"{id}","item":[{}]}}"#, items.join(","));
        let change = Change {
            position,
            tenant: 1,
            resource_type: "Claim",
            id: &id,
            version: position,
            at_us: position,
            body: Some(body.into()),
        };
        mart.apply(&[change]).expect("it fits");
    }

    #[tokio::test]
    async fn chunks_that_are_packed_answer_as_those_that_are_not() {
        let marts = [mart(0), mart(usize::MAX)];
        for position in 1..=90 {
            for mart in &marts {
                apply(mart, position, 400 + position as usize);
            }
            if position % 15 > 0 {
                continue;
            }
            for by_blocks in [ByBlocks::Answer, ByBlocks::Nothing] {
                let mut answers = Vec::new();
                for (mart, known_at) in
                    marts.iter().flat_map(|mart| [(mart, None), (mart, Some(position / 2))])
                {
                    let sql = "select i.claim_id, sum(i.sequence) as s from item i group by i.claim_id";
                    let query = Query { by_blocks, known_at, ..Query::new(1, sql) };
                    let rows = mart.query(query).await.expect("it runs").rows().expect("plain values");
                    let mut rows: Vec<String> = rows.iter().map(|row| format!("{row:?}")).collect();
                    rows.sort();
                    answers.push(rows);
                }
                assert_eq!(answers[0], answers[2], "now, after {position}");
                assert_eq!(answers[1], answers[3], "then, after {position}");
            }
        }
        assert!(marts[0].bytes() < marts[1].bytes() / 2, "{} of {}", marts[0].bytes(), marts[1].bytes());
    }
}
