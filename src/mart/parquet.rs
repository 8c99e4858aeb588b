//! Rows as a Parquet file that is written while it is sent
//! (<https://parquet.apache.org/docs/file-format/>). Types are those of the mart's columns.

use std::io::{self, Write};
use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::{Schema, SchemaRef};
use parking_lot::Mutex;
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;
use remit_fhir::{Error, Result};
use remit_sof::{Column, Value};

use crate::column::{Growing, Shape};
use crate::query::Rows;

/// Rows of a row group: what is held before bytes leave.
const GROUP_ROWS: usize = 65_536;
/// Bytes of a row group, whatever its rows.
const GROUP_BYTES: usize = 16 << 20;

/// What was written and not yet taken.
#[derive(Clone, Debug, Default)]
struct Out(Arc<Mutex<Vec<u8>>>);

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes rows as Parquet, row group by row group.
#[derive(Debug)]
pub struct ParquetWriter {
    schema: SchemaRef,
    columns: Vec<Growing>,
    /// `None` once the end is written.
    writer: Option<ArrowWriter<Out>>,
    out: Out,
    /// Rows of batches in the open row group.
    open_rows: usize,
}

impl ParquetWriter {
    /// For rows of a view.
    pub fn of_columns(columns: &[Column]) -> Result<ParquetWriter> {
        let shapes: Vec<Shape> = columns.iter().map(Shape::of).collect();
        let fields: Vec<_> =
            columns.iter().zip(&shapes).map(|(column, shape)| shape.field(&column.name)).collect();
        let growing = shapes.into_iter().map(Growing::new).collect();
        ParquetWriter::new(Arc::new(Schema::new(fields)), growing)
    }

    /// For rows of a query.
    pub fn of_rows(rows: &Rows) -> Result<ParquetWriter> {
        ParquetWriter::new(rows.schema().clone(), Vec::new())
    }

    fn new(schema: SchemaRef, columns: Vec<Growing>) -> Result<ParquetWriter> {
        let out = Out::default();
        let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
        let writer = ArrowWriter::try_new(out.clone(), schema.clone(), Some(properties)).map_err(refused)?;
        Ok(ParquetWriter { schema, columns, writer: Some(writer), out, open_rows: 0 })
    }

    /// Adds a row of a view.
    pub fn push(&mut self, row: &[&Value<'_>]) -> Result<()> {
        for (column, value) in self.columns.iter_mut().zip(row) {
            column.push(value);
        }
        let rows = self.columns.first().map_or(0, Growing::rows);
        let is_large = rows >= GROUP_ROWS
            || (rows.is_multiple_of(1024)
                && self.columns.iter().map(Growing::bytes).sum::<usize>() >= GROUP_BYTES);
        if is_large { self.write_group() } else { Ok(()) }
    }

    /// Adds rows of a query.
    pub fn batch(&mut self, batch: &RecordBatch) -> Result<()> {
        let Some(writer) = &mut self.writer else { return Ok(()) };
        writer.write(batch).map_err(refused)?;
        self.open_rows += batch.num_rows();
        if self.open_rows >= GROUP_ROWS || writer.in_progress_size() >= GROUP_BYTES {
            self.open_rows = 0;
            writer.flush().map_err(refused)?;
        }
        Ok(())
    }

    fn write_group(&mut self) -> Result<()> {
        let rows = self.columns.first().map_or(0, Growing::rows);
        let Some(writer) = self.writer.as_mut().filter(|_| rows > 0) else { return Ok(()) };
        let arrays = self.columns.iter_mut().map(Growing::take).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let batch =
            RecordBatch::try_new_with_options(self.schema.clone(), arrays, &options).map_err(refused)?;
        writer.write(&batch).map_err(refused)?;
        writer.flush().map_err(refused)
    }

    /// The bytes since the last call.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut *self.out.0.lock())
    }

    /// Writes what is left and the end of the file.
    pub fn finish(&mut self) -> Result<()> {
        self.write_group()?;
        match self.writer.take() {
            Some(writer) => writer.close().map(drop).map_err(refused),
            None => Ok(()),
        }
    }
}

fn refused(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::unprocessable("The rows cannot be written as Parquet; ask for another format.").because(error)
}
