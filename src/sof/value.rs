//! The value of a cell and the type of a column.
//! <https://sql-on-fhir.org/ig/2.0.0/StructureDefinition-ViewDefinition.html#type-hinting-with-tags>

use std::borrow::Cow;

/// What a column holds, as far as a table is concerned. FHIR's many text types are one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ColumnType {
    /// `boolean`
    Boolean,
    /// `integer`, `integer64`, `positiveInt`, `unsignedInt`
    Integer,
    /// `decimal`; exact
    Decimal,
    /// `date`
    Date,
    /// `dateTime`
    DateTime,
    /// `instant`
    Instant,
    /// `time`
    Time,
    /// `string`, `code`, `uri` and all else that is text
    String,
    /// No type is stated and none follows from the path: values keep the form they have.
    Any,
}

/// The canonical prefix that a type may be written with.
const TYPE_URL: &str = "http://hl7.org/fhir/StructureDefinition/";
/// The same for the types of FHIRPath itself.
const SYSTEM_URL: &str = "http://hl7.org/fhirpath/System.";

impl ColumnType {
    /// The column type for a FHIR type: its code or its canonical URL. `None` when it is not a
    /// primitive type.
    pub fn of(name: &str) -> Option<ColumnType> {
        let name = name.strip_prefix(TYPE_URL).or_else(|| name.strip_prefix(SYSTEM_URL)).unwrap_or(name);
        Some(match name {
            "boolean" | "Boolean" => ColumnType::Boolean,
            "integer" | "integer64" | "positiveInt" | "unsignedInt" | "Integer" => ColumnType::Integer,
            "decimal" | "Decimal" => ColumnType::Decimal,
            "date" | "Date" => ColumnType::Date,
            "dateTime" | "DateTime" => ColumnType::DateTime,
            "instant" => ColumnType::Instant,
            "time" | "Time" => ColumnType::Time,
            "string" | "String" | "code" | "id" | "uri" | "url" | "canonical" | "oid" | "uuid"
            | "markdown" | "base64Binary" | "xhtml" => ColumnType::String,
            _ => return None,
        })
    }
}

/// The content of a cell. Numbers and times keep the text that the resource has.
#[derive(Clone, PartialEq, Debug)]
pub enum Value<'a> {
    /// Nothing was found.
    Null,
    /// A truth value.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// A decimal as written: `1.10` keeps its zero.
    Decimal(Cow<'a, str>),
    /// Text; also dates and times, in their FHIR form.
    Text(Cow<'a, str>),
    /// A complex value as JSON.
    Json(Cow<'a, str>),
    /// The values of a column with `collection: true`.
    List(Vec<Value<'a>>),
}

impl Value<'_> {
    /// Appends the value as JSON.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        match self {
            Value::Null => out.extend_from_slice(b"null"),
            Value::Boolean(true) => out.extend_from_slice(b"true"),
            Value::Boolean(false) => out.extend_from_slice(b"false"),
            Value::Integer(number) => out.extend_from_slice(number.to_string().as_bytes()),
            Value::Decimal(text) | Value::Json(text) => out.extend_from_slice(text.as_bytes()),
            Value::Text(text) => out.extend_from_slice(remit_fhir::json::quote(text).as_bytes()),
            Value::List(items) => {
                out.push(b'[');
                for (n, item) in items.iter().enumerate() {
                    if n > 0 {
                        out.push(b',');
                    }
                    item.write_json(out);
                }
                out.push(b']');
            }
        }
    }
}
