//! Sums by group that follow their parts: what a block gave is taken away, what it gives now is added.
//! Only whole numbers and exact decimals, so taking away undoes adding to the last digit.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Decimal128Builder, Int64Builder, RecordBatch, RecordBatchOptions,
};
use arrow::datatypes::{DataType, Decimal128Type, Int64Type, SchemaRef};
use arrow::row::{RowConverter, SortField};
use remit_fhir::{Error, Result};

/// Which columns of an answer are added up; the others tell its groups apart.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Merge {
    pub(crate) sums: Vec<usize>,
}

impl Merge {
    fn keys(&self, schema: &SchemaRef) -> Vec<usize> {
        (0..schema.fields().len()).filter(|column| !self.sums.contains(column)).collect()
    }

    /// Whether columns of these types can be added up exactly.
    pub(crate) fn fits(&self, schema: &SchemaRef) -> bool {
        let is_exact = |column: &usize| {
            matches!(schema.field(*column).data_type(), DataType::Int64 | DataType::Decimal128(..))
        };
        self.sums.iter().all(is_exact)
    }
}

/// One group: how many parts have it, and for each sum the total with how many parts have a value.
#[derive(Clone, Debug)]
struct Group {
    parts: i64,
    cells: Vec<(i128, i64)>,
}

/// The sums of all parts.
#[derive(Debug)]
pub(crate) struct Sums {
    merge: Merge,
    schema: SchemaRef,
    converter: Option<RowConverter>,
    groups: BTreeMap<Box<[u8]>, Group>,
}

fn too_large() -> Error {
    Error::unprocessable("A number of the query is too large.")
}

impl Sums {
    pub(crate) fn new(merge: Merge, schema: SchemaRef) -> Result<Sums> {
        let keys = merge.keys(&schema);
        let fields = keys.iter().map(|key| SortField::new(schema.field(*key).data_type().clone())).collect();
        let converter = match keys.is_empty() {
            true => None,
            false => Some(RowConverter::new(fields).map_err(Error::internal)?),
        };
        Ok(Sums { merge, schema, converter, groups: BTreeMap::new() })
    }

    /// Adds the groups of a part (`sign` 1) or takes them away (-1).
    pub(crate) fn add(&mut self, part: &RecordBatch, sign: i64) -> Result<()> {
        let keys: Vec<ArrayRef> =
            self.merge.keys(&self.schema).into_iter().map(|key| part.column(key).clone()).collect();
        let rows = match &self.converter {
            Some(converter) => Some(converter.convert_columns(&keys).map_err(Error::internal)?),
            None => None,
        };
        for row in 0..part.num_rows() {
            let key = rows.as_ref().map_or_else(Box::default, |rows| rows.row(row).as_ref().into());
            let count = self.merge.sums.len();
            let group =
                self.groups.entry(key).or_insert_with(|| Group { parts: 0, cells: vec![(0, 0); count] });
            group.parts += sign;
            for (cell, column) in group.cells.iter_mut().zip(&self.merge.sums) {
                if let Some(value) = value(part.column(*column), row) {
                    let change = value.checked_mul(sign.into()).ok_or_else(too_large)?;
                    *cell = (cell.0.checked_add(change).ok_or_else(too_large)?, cell.1 + sign);
                }
            }
        }
        if sign < 0 {
            self.groups.retain(|_, group| group.parts != 0);
        }
        Ok(())
    }

    /// The answer.
    pub(crate) fn batch(&self) -> Result<RecordBatch> {
        let mut columns: Vec<Option<ArrayRef>> = vec![None; self.schema.fields().len()];
        if let Some(converter) = &self.converter {
            let parser = converter.parser();
            let rows = self.groups.keys().map(|key| parser.parse(key));
            let keys = converter.convert_rows(rows).map_err(Error::internal)?;
            for (place, column) in self.merge.keys(&self.schema).into_iter().zip(keys) {
                columns[place] = Some(column);
            }
        }
        for (n, place) in self.merge.sums.iter().enumerate() {
            let cells = self.groups.values().map(|group| group.cells.get(n).filter(|cell| cell.1 > 0));
            columns[*place] = Some(array(self.schema.field(*place).data_type(), cells)?);
        }
        let columns: Option<Vec<ArrayRef>> = columns.into_iter().collect();
        let columns = columns.ok_or_else(|| Error::internal("a column is neither key nor sum"))?;
        let options = RecordBatchOptions::new().with_row_count(Some(self.groups.len()));
        RecordBatch::try_new_with_options(self.schema.clone(), columns, &options).map_err(Error::internal)
    }

    pub(crate) fn bytes(&self) -> usize {
        let keys: usize = self.groups.keys().map(|key| key.len()).sum();
        let cells: usize = self.groups.values().map(|group| group.cells.len() * 32 + 96).sum();
        keys + cells
    }
}

fn value(column: &ArrayRef, row: usize) -> Option<i128> {
    if column.is_null(row) {
        return None;
    }
    match column.data_type() {
        DataType::Int64 => Some(column.as_primitive::<Int64Type>().value(row).into()),
        DataType::Decimal128(..) => Some(column.as_primitive::<Decimal128Type>().value(row)),
        _ => None,
    }
}

fn array<'c>(ty: &DataType, cells: impl Iterator<Item = Option<&'c (i128, i64)>>) -> Result<ArrayRef> {
    Ok(match ty {
        DataType::Decimal128(precision, scale) => {
            let mut builder = Decimal128Builder::new();
            cells.for_each(|cell| builder.append_option(cell.map(|cell| cell.0)));
            let array = builder.finish().with_precision_and_scale(*precision, *scale);
            let array = array.map_err(Error::internal)?;
            array.validate_decimal_precision(*precision).map_err(|_| too_large())?;
            Arc::new(array)
        }
        _ => {
            let mut builder = Int64Builder::new();
            for cell in cells {
                let value = cell.map(|cell| i64::try_from(cell.0)).transpose();
                builder.append_option(value.map_err(|_| too_large())?);
            }
            Arc::new(builder.finish())
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Decimal128Array, Int64Array, StringArray};
    use arrow::datatypes::{Field, Schema};
    use proptest::prelude::*;

    type Row = (u8, Option<i64>, Option<i64>);

    fn schema() -> SchemaRef {
        Arc::new(Schema::new(vec![
            Field::new("payer", DataType::Utf8, true),
            Field::new("claims", DataType::Int64, true),
            Field::new("amount", DataType::Decimal128(38, 6), true),
        ]))
    }

    fn batch(rows: &[Row]) -> RecordBatch {
        let payers: StringArray = rows.iter().map(|row| (row.0 > 0).then(|| row.0.to_string())).collect();
        let counts: Int64Array = rows.iter().map(|row| row.1).collect();
        let amounts: Decimal128Array = rows.iter().map(|row| row.2.map(i128::from)).collect();
        let amounts = amounts.with_precision_and_scale(38, 6).unwrap();
        RecordBatch::try_new(schema(), vec![Arc::new(payers), Arc::new(counts), Arc::new(amounts)]).unwrap()
    }

    fn plain(parts: &[&[Row]]) -> Vec<(Option<String>, Option<i128>, Option<i128>)> {
        let mut groups: BTreeMap<u8, (Option<i128>, Option<i128>)> = BTreeMap::new();
        let add = |sum: &mut Option<i128>, value: Option<i64>| {
            *sum = value.map(|value| sum.unwrap_or(0) + i128::from(value)).or(*sum);
        };
        for row in parts.iter().flat_map(|part| part.iter()) {
            let group = groups.entry(row.0).or_default();
            add(&mut group.0, row.1);
            add(&mut group.1, row.2);
        }
        groups.into_iter().map(|(key, sums)| ((key > 0).then(|| key.to_string()), sums.0, sums.1)).collect()
    }

    fn read(sums: &Sums) -> Vec<(Option<String>, Option<i128>, Option<i128>)> {
        let batch = sums.batch().unwrap();
        let keys = batch.column(0).as_string::<i32>();
        let key = |row: usize| keys.is_valid(row).then(|| keys.value(row).to_owned());
        let cell = |column: usize, row: usize| value(batch.column(column), row);
        let mut rows: Vec<_> =
            (0..batch.num_rows()).map(|row| (key(row), cell(1, row), cell(2, row))).collect();
        rows.sort();
        rows
    }

    fn part() -> impl Strategy<Value = Vec<Row>> {
        let cents = || prop::option::of(-1_000_i64..1_000);
        prop::collection::vec((0_u8..4, cents(), cents()), 0..6)
    }

    proptest! {
        #[test]
        fn what_is_taken_away_leaves_no_trace(one in part(), two in part(), three in part()) {
            let mut sums = Sums::new(Merge { sums: vec![1, 2] }, schema()).unwrap();
            for (rows, sign) in [(&one, 1), (&two, 1), (&one, -1), (&three, 1)] {
                sums.add(&batch(rows), sign).unwrap();
            }
            prop_assert_eq!(read(&sums), plain(&[&two, &three]));
        }
    }
}
