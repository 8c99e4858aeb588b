//! Rows as bytes: lines of JSON, a JSON array, CSV (RFC 4180), Parquet, or a Parameters resource.
//!
//! Texts, dates and decimals of views leave as the resources have them. Bytes go to the one who sends
//! them through a channel of few parts, so that a slow reader slows the work down and memory is bounded;
//! an answer that breaks off is told apart from one that is whole.

use super::format::Format;
use super::request::Request;
use crate::rest::{Answer, Stream};
use bytes::Bytes;
use remit_fhir::{Error, IssueType, Result, json};
use remit_mart::{Batch, Cell, ParquetWriter, Rows};
use remit_sof::{ColumnType, Value, View};
use remit_spec::{Definitions, Kind};
use std::collections::HashSet;
use std::fmt::Write as _;
use tokio::sync::mpsc;

/// Parts that wait for a slow reader.
const PARTS_AHEAD: usize = 4;
/// Bytes of a Parameters resource. It is one JSON document, and is held as a whole.
const MAX_RESOURCE_BYTES: usize = 32 << 20;

/// Some bytes of an answer; `None` is its end.
pub(super) type Part = Result<Option<Bytes>>;
pub(super) type Sender = mpsc::Sender<Part>;

pub(super) fn channel() -> (Sender, mpsc::Receiver<Part>) {
    mpsc::channel(PARTS_AHEAD)
}

/// The answer whose bytes come through a channel. It begins once the first of them are there, so that
/// what fails at once is told as an error.
pub(super) async fn answer(format: Format, mut parts: mpsc::Receiver<Part>) -> Result<Answer> {
    let first = next(&mut parts).await?;
    let Some(content_type) = format.content_type() else {
        let mut bytes = Vec::new();
        let mut part = first;
        while let Some(some) = part {
            bytes.extend_from_slice(&some);
            if bytes.len() > MAX_RESOURCE_BYTES {
                let mib = MAX_RESOURCE_BYTES >> 20;
                let text = format!(
                    "The rows make a resource of over {mib} MiB; ask for another format or for fewer rows."
                );
                return Err(Error::unprocessable(text).coded(IssueType::TooCostly).at("_format"));
            }
            part = next(&mut parts).await?;
        }
        return Ok(Answer::of(bytes));
    };
    let rest =
        futures_util::stream::unfold((Some(first), parts, false), |(first, mut parts, is_over)| async move {
            if is_over {
                return None;
            }
            let part = match first {
                Some(first) => Ok(first),
                None => next(&mut parts).await,
            };
            match part {
                Ok(Some(bytes)) => Some((Ok(bytes), (None, parts, false))),
                Ok(None) => None,
                Err(error) => Some((Err(error), (None, parts, true))),
            }
        });
    Ok(Answer { content_type: Some(content_type), stream: Some(Stream::new(rest)), ..Answer::empty(200) })
}

async fn next(parts: &mut mpsc::Receiver<Part>) -> Part {
    match parts.recv().await {
        Some(part) => part,
        None => Err(Error::internal("the rows of an answer broke off")),
    }
}

/// A column as it is written.
struct Head {
    name: String,
    /// `"name":`
    json: String,
    /// What follows `value` in a Parameters resource, for texts.
    fhir: String,
}

enum Form {
    Ndjson,
    Json,
    Csv,
    Fhir,
    Parquet(Box<ParquetWriter>),
}

/// Writes rows.
pub(super) struct Writer {
    form: Form,
    heads: Vec<Head>,
    out: Vec<u8>,
    rows: usize,
    limit: Option<usize>,
}

impl Writer {
    /// For the rows of a view.
    pub(super) fn of_view(view: &View, request: &Request) -> Result<Writer> {
        let heads = view.columns().iter().map(|column| {
            let stated = column.fhir_type.as_deref().map(|ty| ty.rsplit(['/', '.']).next().unwrap_or(ty));
            head(&column.name, stated, column.ty)
        });
        let parquet = || ParquetWriter::of_columns(view.columns());
        Writer::new(heads.collect(), request, parquet)
    }

    /// For the rows of a query: 422 when two columns have one name.
    pub(super) fn of_rows(rows: &Rows, request: &Request) -> Result<Writer> {
        let columns = rows.columns();
        let mut names = HashSet::new();
        if let Some((name, _)) = columns.iter().find(|(name, _)| !names.insert(name.as_str())) {
            let text = format!(
                "Two columns of the answer have the name '{name}'; give them names of their own with AS."
            );
            return Err(Error::unprocessable(text));
        }
        let heads = columns.iter().map(|(name, ty)| head(name, None, *ty)).collect();
        Writer::new(heads, request, || ParquetWriter::of_rows(rows))
    }

    fn new(
        heads: Vec<Head>,
        request: &Request,
        parquet: impl FnOnce() -> Result<ParquetWriter>,
    ) -> Result<Writer> {
        let form = match request.format {
            Format::Ndjson => Form::Ndjson,
            Format::Json => Form::Json,
            Format::Csv => Form::Csv,
            Format::Fhir => Form::Fhir,
            Format::Parquet => Form::Parquet(Box::new(parquet()?)),
        };
        let mut writer = Writer { form, heads, out: Vec::new(), rows: 0, limit: request.limit };
        match writer.form {
            Form::Csv if request.header => writer.csv_header(),
            Form::Json => writer.out.push(b'['),
            _ => {}
        }
        Ok(writer)
    }

    /// Whether all rows that were asked for are there.
    pub(super) fn is_full(&self) -> bool {
        self.limit.is_some_and(|limit| self.rows >= limit)
    }

    /// Writes a row; one past the limit is left out.
    pub(super) fn row(&mut self, row: &[&Value<'_>]) -> Result<()> {
        if self.is_full() {
            return Ok(());
        }
        match &mut self.form {
            Form::Ndjson => self.json_row(row, "\n"),
            Form::Json => {
                if self.rows > 0 {
                    self.out.extend_from_slice(b",\n");
                }
                self.json_row(row, "");
            }
            Form::Csv => self.csv_row(row),
            Form::Fhir => self.fhir_row(row),
            Form::Parquet(parquet) => parquet.push(row)?,
        }
        self.rows += 1;
        Ok(())
    }

    /// Writes rows of a query.
    pub(super) fn batch(&mut self, batch: &Batch) -> Result<()> {
        let left = self.limit.map_or(usize::MAX, |limit| limit - self.rows.min(limit));
        if let Form::Parquet(parquet) = &mut self.form {
            let count = batch.num_rows().min(left);
            parquet.batch(&batch.slice(0, count))?;
            self.rows += count;
            return Ok(());
        }
        for row in remit_mart::cells(batch)?.into_iter().take(left) {
            let values: Vec<Value<'static>> = row.into_iter().map(value).collect();
            self.row(&values.iter().collect::<Vec<_>>())?;
        }
        Ok(())
    }

    /// Passes on what is written; `false` when nobody listens any more.
    pub(super) async fn pass_on(&mut self, sender: &Sender) -> bool {
        let mut bytes = std::mem::take(&mut self.out);
        if let Form::Parquet(parquet) = &mut self.form {
            bytes.extend(parquet.take());
        }
        match bytes.is_empty() {
            true => !sender.is_closed(),
            false => sender.send(Ok(Some(bytes.into()))).await.is_ok(),
        }
    }

    /// Writes the end and passes it on.
    pub(super) async fn end(mut self, sender: Sender) {
        let rows = self.rows;
        let finished = match &mut self.form {
            Form::Ndjson | Form::Csv => Ok(()),
            Form::Json => {
                self.out.extend_from_slice(b"]\n");
                Ok(())
            }
            Form::Fhir if rows == 0 => {
                self.out.extend_from_slice(br#"{"resourceType":"Parameters"}"#);
                Ok(())
            }
            Form::Fhir => {
                self.out.extend_from_slice(b"]}");
                Ok(())
            }
            Form::Parquet(parquet) => parquet.finish(),
        };
        let last = match finished {
            // When nobody listens any more, nobody misses the end.
            Ok(()) if self.pass_on(&sender).await => Ok(None),
            Ok(()) => return,
            Err(error) => Err(error),
        };
        let _ = sender.send(last).await;
    }

    fn json_row(&mut self, row: &[&Value<'_>], end: &str) {
        self.out.push(b'{');
        for (n, (head, value)) in self.heads.iter().zip(row).enumerate() {
            if n > 0 {
                self.out.push(b',');
            }
            self.out.extend_from_slice(head.json.as_bytes());
            value.write_json(&mut self.out);
        }
        self.out.push(b'}');
        self.out.extend_from_slice(end.as_bytes());
    }

    fn csv_header(&mut self) {
        for (n, head) in self.heads.iter().enumerate() {
            if n > 0 {
                self.out.push(b',');
            }
            csv_text(&head.name, &mut self.out);
        }
        self.out.extend_from_slice(b"\r\n");
    }

    fn csv_row(&mut self, row: &[&Value<'_>]) {
        for (n, value) in row.iter().enumerate() {
            if n > 0 {
                self.out.push(b',');
            }
            match value {
                Value::Null => {}
                Value::Text(text) => csv_text(text, &mut self.out),
                Value::Json(_) | Value::List(_) => {
                    let mut json = Vec::new();
                    value.write_json(&mut json);
                    csv_text(&String::from_utf8_lossy(&json), &mut self.out);
                }
                plain => plain.write_json(&mut self.out),
            }
        }
        self.out.extend_from_slice(b"\r\n");
    }

    /// A parameter for the row, with a part for each value. What is null has no part.
    fn fhir_row(&mut self, row: &[&Value<'_>]) {
        let start: &[u8] = match self.rows {
            0 => br#"{"resourceType":"Parameters","parameter":["#,
            _ => b",",
        };
        self.out.extend_from_slice(start);
        self.out.extend_from_slice(br#"{"name":"row","part":["#);
        let before = self.out.len();
        for (head, value) in self.heads.iter().zip(row) {
            fhir_parts(head, value, before, &mut self.out);
        }
        if self.out.len() == before
            && let Some(head) = self.heads.first()
        {
            // A parameter may not be empty.
            let name = json::quote(&head.name);
            let absent = r#"{"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/data-absent-reason","valueCode":"unknown"}]}"#;
            let text = format!(r#"{{"name":{name},"_valueString":{absent}}}"#);
            self.out.extend_from_slice(text.as_bytes());
        }
        self.out.extend_from_slice(b"]}");
    }
}

fn head(name: &str, stated: Option<&str>, ty: ColumnType) -> Head {
    let definitions = Definitions::r4();
    let is_primitive =
        |ty: &&str| definitions.type_named(ty).is_some_and(|ty| definitions.ty(ty).kind == Kind::Primitive);
    let fhir = stated.filter(is_primitive).unwrap_or(match ty {
        ColumnType::Boolean => "boolean",
        ColumnType::Integer => "integer",
        ColumnType::Decimal => "decimal",
        ColumnType::Date => "date",
        ColumnType::DateTime => "dateTime",
        ColumnType::Instant => "instant",
        ColumnType::Time => "time",
        ColumnType::String | ColumnType::Any => "string",
    });
    let mut letters = fhir.chars();
    let fhir = letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect();
    Head { name: name.to_owned(), json: format!("{}:", json::quote(name)), fhir }
}

fn fhir_parts(head: &Head, value: &Value<'_>, before: usize, out: &mut Vec<u8>) {
    let (kind, mut json) = (fhir_kind(head, value), Vec::new());
    match value {
        Value::Null => return,
        // FHIR has no empty text.
        Value::Text(text) if text.is_empty() => return,
        Value::List(items) => return items.iter().for_each(|item| fhir_parts(head, item, before, out)),
        Value::Json(text) => json.extend_from_slice(json::quote(text).as_bytes()),
        value => value.write_json(&mut json),
    }
    if out.len() > before {
        out.push(b',');
    }
    let mut text = format!(r#"{{"name":{},"value{kind}":"#, json::quote(&head.name));
    let _ = write!(text, "{}}}", String::from_utf8_lossy(&json));
    out.extend_from_slice(text.as_bytes());
}

/// The type of a value: that of its column where the value fits it.
fn fhir_kind<'h>(head: &'h Head, value: &Value<'_>) -> &'h str {
    let is_text =
        !matches!(head.fhir.as_str(), "Boolean" | "Integer" | "Decimal" | "PositiveInt" | "UnsignedInt");
    match value {
        Value::Boolean(_) => "Boolean",
        Value::Integer(number) if i32::try_from(*number).is_err() => "Decimal",
        Value::Integer(_) if matches!(head.fhir.as_str(), "PositiveInt" | "UnsignedInt") => &head.fhir,
        Value::Integer(_) => "Integer",
        Value::Decimal(_) => "Decimal",
        Value::Text(_) if is_text => &head.fhir,
        _ => "String",
    }
}

/// A field of CSV, in quotes where it needs them. An empty text is told from nothing.
fn csv_text(text: &str, out: &mut Vec<u8>) {
    let needs = text.is_empty() || text.contains(['"', ',', '\r', '\n']);
    if !needs {
        return out.extend_from_slice(text.as_bytes());
    }
    out.push(b'"');
    out.extend_from_slice(text.replace('"', "\"\"").as_bytes());
    out.push(b'"');
}

/// A value of a query as one of a view.
fn value(cell: Cell) -> Value<'static> {
    match cell {
        Cell::Null => Value::Null,
        Cell::Text(text) => Value::Text(text.into()),
        Cell::Boolean(value) => Value::Boolean(value),
        Cell::Integer(number) => Value::Integer(number),
        Cell::Decimal(digits, scale) => Value::Decimal(decimal(digits, scale).into()),
        // JSON has no name for what is no number.
        Cell::Real(number) if !number.is_finite() => Value::Null,
        Cell::Real(number) => Value::Decimal(number.to_string().into()),
        Cell::Date(days) => {
            let (year, month, day) = remit_fhir::date::civil_from_days(days.into());
            Value::Text(format!("{year:04}-{month:02}-{day:02}").into())
        }
        Cell::Instant(at) => Value::Text(remit_fhir::date::instant(at).into()),
    }
}

/// A decimal without the zeros that only its column asks for.
fn decimal(digits: i128, scale: u32) -> String {
    let scale = scale as usize;
    let sign = if digits < 0 { "-" } else { "" };
    let text = format!("{:0>width$}", digits.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = text.split_at(text.len() - scale);
    match fraction.trim_end_matches('0') {
        "" => format!("{sign}{whole}"),
        fraction => format!("{sign}{whole}.{fraction}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_written_without_padding() {
        let cases = [
            (0, 6, "0"),
            (1_100_000, 6, "1.1"),
            (-50_000, 6, "-0.05"),
            (3014, 0, "3014"),
            (-1, 2, "-0.01"),
            (170_000, 2, "1700"),
        ];
        for (digits, scale, expected) in cases {
            assert_eq!(decimal(digits, scale), expected);
        }
    }

    #[test]
    fn fields_of_csv_are_quoted_where_they_must_be() {
        let cases =
            [("a", "a"), ("a,b", "\"a,b\""), ("a\"b", "\"a\"\"b\""), ("", "\"\""), ("a\nb", "\"a\nb\"")];
        for (text, expected) in cases {
            let mut out = Vec::new();
            csv_text(text, &mut out);
            assert_eq!(String::from_utf8_lossy(&out), expected);
        }
    }
}
