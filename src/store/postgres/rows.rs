//! Values to and from the wire.

use super::error::from_postgres;
use crate::value::{Row, Value};
use bytes::BytesMut;
use remit_fhir::{Error, Result};
use tokio_postgres::Client;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};

impl ToSql for Value {
    fn to_sql(
        &self,
        ty: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match (self, ty) {
            (Value::Null, _) => Ok(IsNull::Yes),
            (Value::Int(n), &Type::INT4) => i32::try_from(*n)?.to_sql(ty, out),
            (Value::Int(n), &Type::FLOAT8) => (*n as f64).to_sql(ty, out),
            (Value::Int(n), _) => n.to_sql(&Type::INT8, out),
            (Value::Real(n), _) => n.to_sql(&Type::FLOAT8, out),
            (Value::Text(text), _) => text.as_str().to_sql(&Type::TEXT, out),
            (Value::List(texts), _) => {
                let texts: Vec<&str> = texts.iter().map(|text| &**text).collect();
                texts.to_sql(&Type::TEXT_ARRAY, out)
            }
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

/// The type under which a value is bound.
pub(super) fn type_of(value: &Value) -> Type {
    match value {
        Value::Int(_) => Type::INT8,
        Value::Real(_) => Type::FLOAT8,
        Value::Text(_) | Value::Null => Type::TEXT,
        Value::List(_) => Type::TEXT_ARRAY,
    }
}

/// Runs a statement that is planned for these arguments.
pub(super) async fn query_raw(
    client: &Client,
    sql: &str,
    args: &[Value],
) -> Result<Vec<tokio_postgres::Row>, tokio_postgres::Error> {
    let args: Vec<(&(dyn ToSql + Sync), Type)> =
        args.iter().map(|arg| (arg as &(dyn ToSql + Sync), type_of(arg))).collect();
    client.query_typed(sql, &args).await
}

/// Reads all columns of a row.
pub(super) fn read(row: &tokio_postgres::Row) -> Result<Row> {
    let mut values = Vec::with_capacity(row.len());
    for (n, column) in row.columns().iter().enumerate() {
        let value = match *column.type_() {
            Type::INT4 => {
                row.try_get::<_, Option<i32>>(n).map(|v| v.map_or(Value::Null, |v| Value::Int(v.into())))
            }
            Type::INT8 => row.try_get::<_, Option<i64>>(n).map(|v| v.map_or(Value::Null, Value::Int)),
            Type::FLOAT8 => row.try_get::<_, Option<f64>>(n).map(|v| v.map_or(Value::Null, Value::Real)),
            Type::TEXT | Type::VARCHAR => {
                row.try_get::<_, Option<String>>(n).map(|v| v.map_or(Value::Null, Value::Text))
            }
            ref other => return Err(Error::internal(format!("a column has the unexpected type {other}"))),
        };
        values.push(value.map_err(from_postgres)?);
    }
    Ok(Row(values.into_iter()))
}
