//! Columns that grow by one cell at a time and become Arrow arrays without a copy.
//!
//! Written here because Arrow's own builders cannot take back the cells of a resource whose later
//! row turns out to be faulty.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, Int64Array, StringArray, TimestampMicrosecondArray,
};
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{DataType, Field, TimeUnit};
use remit_fhir::date::Moment;
use remit_sof::{Column, ColumnType, Value};

use crate::decimal;

/// Digits of a decimal column: all that 128 bits hold.
pub(crate) const PRECISION: u8 = 38;
/// Fraction digits of a decimal column whose view does not ask for others. Money has at most four.
const SCALE: i8 = 6;
/// The longest text of one cell. It keeps the 32-bit offsets of a chunk far from their end.
const MAX_TEXT_BYTES: usize = 16 << 20;
const DAY_MICROS: i64 = 86_400_000_000;

/// What became of a cell that could not be kept as it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fate {
    /// Kept as it is.
    Kept,
    /// A decimal has more fraction digits than the column; it was rounded to even.
    Rounded,
    /// Not a value of the column's type, or too large for it; the cell is null.
    Dropped,
}

/// What a column holds in Arrow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Shape {
    Boolean,
    Integer,
    Decimal(i8),
    /// The date as written; of a partial date its first day.
    Date,
    /// The instant in UTC; of a partial dateTime its first microsecond.
    Micros,
    Text,
}

impl Shape {
    /// The shape of a view's column. Collections and complex values are kept as JSON text.
    pub(crate) fn of(column: &Column) -> Shape {
        if column.is_collection {
            return Shape::Text;
        }
        match column.ty {
            ColumnType::Boolean => Shape::Boolean,
            ColumnType::Integer => Shape::Integer,
            ColumnType::Decimal => {
                Shape::Decimal(column.sql_type.as_deref().and_then(decimal::scale_of_type).unwrap_or(SCALE))
            }
            ColumnType::Date => Shape::Date,
            ColumnType::DateTime | ColumnType::Instant => Shape::Micros,
            ColumnType::Time | ColumnType::String | ColumnType::Any => Shape::Text,
        }
    }

    /// The field of a table.
    pub(crate) fn field(self, name: &str) -> Field {
        let ty = match self {
            Shape::Boolean => DataType::Boolean,
            Shape::Integer => DataType::Int64,
            Shape::Decimal(scale) => DataType::Decimal128(PRECISION, scale),
            Shape::Date => DataType::Date32,
            Shape::Micros => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Shape::Text => DataType::Utf8,
        };
        Field::new(name, ty, true)
    }
}

#[derive(Clone, Debug)]
enum Data {
    Boolean(Vec<bool>),
    Integer(Vec<i64>),
    Decimal(Vec<i128>, i8),
    Date(Vec<i32>),
    Micros(Vec<i64>),
    Text { ends: Vec<i32>, bytes: Vec<u8> },
}

/// A column that grows.
#[derive(Clone, Debug)]
pub(crate) struct Growing {
    data: Data,
    valid: Vec<bool>,
}

impl Growing {
    pub(crate) fn new(shape: Shape) -> Growing {
        let data = match shape {
            Shape::Boolean => Data::Boolean(Vec::new()),
            Shape::Integer => Data::Integer(Vec::new()),
            Shape::Decimal(scale) => Data::Decimal(Vec::new(), scale),
            Shape::Date => Data::Date(Vec::new()),
            Shape::Micros => Data::Micros(Vec::new()),
            Shape::Text => Data::Text { ends: vec![0], bytes: Vec::new() },
        };
        Growing { data, valid: Vec::new() }
    }

    /// Rows.
    pub(crate) fn rows(&self) -> usize {
        self.valid.len()
    }

    /// Bytes in use.
    pub(crate) fn bytes(&self) -> usize {
        let rows = self.valid.len();
        rows + match &self.data {
            Data::Boolean(_) => rows,
            Data::Date(_) => rows * 4,
            Data::Integer(_) | Data::Micros(_) => rows * 8,
            Data::Decimal(..) => rows * 16,
            Data::Text { bytes, .. } => rows * 4 + bytes.len(),
        }
    }

    /// Takes back all rows from `rows` on.
    pub(crate) fn truncate(&mut self, rows: usize) {
        self.valid.truncate(rows);
        match &mut self.data {
            Data::Boolean(values) => values.truncate(rows),
            Data::Integer(values) | Data::Micros(values) => values.truncate(rows),
            Data::Decimal(values, _) => values.truncate(rows),
            Data::Date(values) => values.truncate(rows),
            Data::Text { ends, bytes } => {
                ends.truncate(rows + 1);
                bytes.truncate(ends.last().map_or(0, |end| *end as usize));
            }
        }
    }

    /// Adds one cell.
    pub(crate) fn push(&mut self, value: &Value<'_>) -> Fate {
        let (valid, fate) = if matches!(value, Value::Null) {
            self.push_default();
            (false, Fate::Kept)
        } else {
            match self.push_value(value) {
                Some(fate) => (true, fate),
                None => {
                    self.push_default();
                    (false, Fate::Dropped)
                }
            }
        };
        self.valid.push(valid);
        fate
    }

    fn push_default(&mut self) {
        match &mut self.data {
            Data::Boolean(values) => values.push(false),
            Data::Integer(values) | Data::Micros(values) => values.push(0),
            Data::Decimal(values, _) => values.push(0),
            Data::Date(values) => values.push(0),
            Data::Text { ends, bytes } => ends.push(bytes.len() as i32),
        }
    }

    fn push_value(&mut self, value: &Value<'_>) -> Option<Fate> {
        match (&mut self.data, value) {
            (Data::Boolean(values), Value::Boolean(value)) => values.push(*value),
            (Data::Integer(values), Value::Integer(value)) => values.push(*value),
            (Data::Decimal(values, scale), Value::Decimal(text)) => {
                let (unscaled, is_exact) = decimal::parse(text, *scale)?;
                values.push(unscaled);
                return Some(if is_exact { Fate::Kept } else { Fate::Rounded });
            }
            (Data::Date(values), Value::Text(text)) => values.push(day(text)?),
            (Data::Micros(values), Value::Text(text)) => values.push(Moment::parse(text)?.low),
            (Data::Text { ends, bytes }, value) => {
                let start = bytes.len();
                match value {
                    Value::Text(text) | Value::Decimal(text) | Value::Json(text) => {
                        bytes.extend_from_slice(text.as_bytes());
                    }
                    other => other.write_json(bytes),
                }
                match i32::try_from(bytes.len()) {
                    Ok(end) if bytes.len() - start <= MAX_TEXT_BYTES => ends.push(end),
                    _ => {
                        bytes.truncate(start);
                        return None;
                    }
                }
            }
            _ => return None,
        }
        Some(Fate::Kept)
    }

    /// The rows as an array, and an empty column in their place.
    pub(crate) fn take(&mut self) -> ArrayRef {
        let empty = Growing::new(self.shape());
        std::mem::replace(self, empty).into_array()
    }

    fn shape(&self) -> Shape {
        match &self.data {
            Data::Boolean(_) => Shape::Boolean,
            Data::Integer(_) => Shape::Integer,
            Data::Decimal(_, scale) => Shape::Decimal(*scale),
            Data::Date(_) => Shape::Date,
            Data::Micros(_) => Shape::Micros,
            Data::Text { .. } => Shape::Text,
        }
    }

    /// The rows as an array.
    pub(crate) fn into_array(self) -> ArrayRef {
        let has_null = self.valid.iter().any(|valid| !valid);
        let nulls = has_null.then(|| NullBuffer::from(self.valid));
        match self.data {
            Data::Boolean(values) => Arc::new(BooleanArray::new(BooleanBuffer::from(values), nulls)),
            Data::Integer(values) => Arc::new(Int64Array::new(buffer(values), nulls)),
            Data::Decimal(values, scale) => Arc::new(
                Decimal128Array::new(buffer(values), nulls)
                    .with_precision_and_scale(PRECISION, scale)
                    .expect("a scale is at most the precision"),
            ),
            Data::Date(values) => Arc::new(Date32Array::new(buffer(values), nulls)),
            Data::Micros(values) => {
                Arc::new(TimestampMicrosecondArray::new(buffer(values), nulls).with_timezone("UTC"))
            }
            Data::Text { ends, mut bytes } => {
                bytes.shrink_to_fit();
                let offsets = OffsetBuffer::new(buffer(ends));
                Arc::new(
                    StringArray::try_new(offsets, Buffer::from_vec(bytes), nulls)
                        .expect("cells are whole texts, and their ends rise"),
                )
            }
        }
    }
}

fn buffer<T: arrow::datatypes::ArrowNativeType>(mut values: Vec<T>) -> ScalarBuffer<T> {
    values.shrink_to_fit();
    ScalarBuffer::from(values)
}

/// Days since 1970-01-01 of the date as written; a time after it is left out, not shifted to UTC.
fn day(text: &str) -> Option<i32> {
    let date = text.split_once('T').map_or(text, |(date, _)| date);
    i32::try_from(Moment::parse(date)?.low.div_euclid(DAY_MICROS)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Array, AsArray};
    use arrow::datatypes::{Date32Type, TimestampMicrosecondType};

    #[test]
    fn cells_that_do_not_fit_are_null_and_counted() {
        let text = |t: &'static str| Value::Text(t.into());
        let decimal = |t: &'static str| Value::Decimal(t.into());
        let cases = [
            (Shape::Date, text("2024"), Fate::Kept, false),
            (Shape::Date, text("2024-05-06T23:30:00-05:00"), Fate::Kept, false),
            (Shape::Date, text("2024-13"), Fate::Dropped, true),
            (Shape::Micros, text("2024-05"), Fate::Kept, false),
            (Shape::Micros, text("yesterday"), Fate::Dropped, true),
            (Shape::Decimal(6), decimal("1.10"), Fate::Kept, false),
            (Shape::Decimal(6), decimal("1.1234567"), Fate::Rounded, false),
            (Shape::Decimal(6), decimal("1e40"), Fate::Dropped, true),
            (Shape::Integer, text("1"), Fate::Dropped, true),
            (Shape::Text, Value::Boolean(true), Fate::Kept, false),
            (Shape::Text, Value::List(vec![text("a"), Value::Integer(1)]), Fate::Kept, false),
            (Shape::Boolean, Value::Null, Fate::Kept, true),
        ];
        for (shape, value, fate, is_null) in cases {
            let mut column = Growing::new(shape);
            assert_eq!(column.push(&value), fate, "{shape:?} {value:?}");
            assert_eq!(column.take().is_null(0), is_null, "{shape:?} {value:?}");
        }
    }

    #[test]
    fn partial_dates_are_their_first_day_and_times_are_utc() {
        let mut column = Growing::new(Shape::Date);
        for text in ["1970-02", "1970-01-02T23:59:59-05:00"] {
            column.push(&Value::Text(text.into()));
        }
        assert_eq!(column.take().as_primitive::<Date32Type>().values(), &[31, 1]);
        let mut column = Growing::new(Shape::Micros);
        column.push(&Value::Text("1970-01-01T01:00:00+01:00".into()));
        assert_eq!(column.take().as_primitive::<TimestampMicrosecondType>().values(), &[0]);
    }

    #[test]
    fn truncation_takes_back_exactly_the_rows_after_it() {
        let mut column = Growing::new(Shape::Text);
        for text in ["a", "bb", "ccc"] {
            column.push(&Value::Text(text.into()));
        }
        column.truncate(1);
        column.push(&Value::Text("d".into()));
        let array = column.take();
        let texts: Vec<_> = array.as_string::<i32>().iter().flatten().collect();
        assert_eq!(texts, ["a", "d"]);
    }
}
