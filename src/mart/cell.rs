//! An answer as plain values, for callers that know nothing of Arrow.

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Int32Type, Int64Type, TimeUnit, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType, UInt64Type,
};
use arrow::util::display::array_value_to_string;
use remit_fhir::{Error, Result};
use remit_sof::ColumnType;

use crate::query::{Answer, Rows};

/// One value of an answer.
#[derive(Clone, PartialEq, Debug)]
pub enum Cell {
    /// No value
    Null,
    /// Text
    Text(String),
    /// A truth value
    Boolean(bool),
    /// A whole number
    Integer(i64),
    /// An exact number: digits without a point, and how many of them stand behind it
    Decimal(i128, u32),
    /// A binary fraction
    Real(f64),
    /// Days since 1970-01-01
    Date(i32),
    /// Microseconds since 1970
    Instant(i64),
}

impl Answer {
    /// Names of the columns.
    pub fn columns(&self) -> Vec<String> {
        self.schema.fields().iter().map(|field| field.name().clone()).collect()
    }

    /// All rows, value by value.
    ///
    /// # Errors
    /// When a column is of a type that has no plain value, such as a list.
    pub fn rows(&self) -> Result<Vec<Vec<Cell>>> {
        let mut rows = Vec::new();
        for batch in &self.batches {
            rows.extend(cells(batch)?);
        }
        Ok(rows)
    }
}

impl Rows {
    /// Names of the columns and what they hold.
    pub fn columns(&self) -> Vec<(String, ColumnType)> {
        let ty = |ty: &DataType| match ty {
            DataType::Boolean => ColumnType::Boolean,
            DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => ColumnType::Integer,
            DataType::UInt8 | DataType::UInt16 | DataType::UInt32 | DataType::UInt64 => ColumnType::Integer,
            DataType::Decimal128(..) | DataType::Float64 => ColumnType::Decimal,
            DataType::Date32 => ColumnType::Date,
            DataType::Timestamp(..) => ColumnType::Instant,
            _ => ColumnType::String,
        };
        self.schema().fields().iter().map(|field| (field.name().clone(), ty(field.data_type()))).collect()
    }
}

/// The rows of a batch, value by value.
///
/// # Errors
/// When a column is of a type that has no plain value, such as a list.
pub fn cells(batch: &RecordBatch) -> Result<Vec<Vec<Cell>>> {
    let row = |row| batch.columns().iter().map(|column| cell(column, row)).collect::<Result<_>>();
    (0..batch.num_rows()).map(row).collect()
}

fn cell(column: &dyn Array, row: usize) -> Result<Cell> {
    if column.is_null(row) {
        return Ok(Cell::Null);
    }
    Ok(match column.data_type() {
        DataType::Null => Cell::Null,
        DataType::Boolean => Cell::Boolean(column.as_boolean().value(row)),
        DataType::Int32 => Cell::Integer(column.as_primitive::<Int32Type>().value(row).into()),
        DataType::Int64 => Cell::Integer(column.as_primitive::<Int64Type>().value(row)),
        DataType::UInt64 => {
            let value = column.as_primitive::<UInt64Type>().value(row);
            Cell::Integer(i64::try_from(value).map_err(Error::internal)?)
        }
        DataType::Float64 => Cell::Real(column.as_primitive::<arrow::datatypes::Float64Type>().value(row)),
        DataType::Decimal128(_, scale) => {
            let scale = u32::try_from(*scale).map_err(Error::internal)?;
            Cell::Decimal(column.as_primitive::<Decimal128Type>().value(row), scale)
        }
        DataType::Date32 => Cell::Date(column.as_primitive::<Date32Type>().value(row)),
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            Cell::Instant(column.as_primitive::<TimestampMicrosecondType>().value(row))
        }
        DataType::Timestamp(TimeUnit::Nanosecond, _) => {
            Cell::Instant(column.as_primitive::<TimestampNanosecondType>().value(row).div_euclid(1_000))
        }
        DataType::Timestamp(TimeUnit::Millisecond, _) => {
            Cell::Instant(column.as_primitive::<TimestampMillisecondType>().value(row).saturating_mul(1_000))
        }
        DataType::Timestamp(TimeUnit::Second, _) => {
            Cell::Instant(column.as_primitive::<TimestampSecondType>().value(row).saturating_mul(1_000_000))
        }
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Dictionary(..) => {
            Cell::Text(array_value_to_string(column, row).map_err(Error::internal)?)
        }
        // What is left has a text, such as an interval or a time of day.
        other if !other.is_nested() => {
            Cell::Text(array_value_to_string(column, row).map_err(Error::internal)?)
        }
        other => {
            return Err(Error::unprocessable(format!(
                "A column of the answer is of type {other}, which has no plain value."
            )));
        }
    })
}
