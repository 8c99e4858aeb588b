//! `metadata`: the capability statement, kept in the form it is sent
//! (<https://hl7.org/fhir/R4/http.html#capabilities>).

use super::App;
use super::format::Format;
use super::respond::to_xml;
use crate::rest::Context;
use crate::rest::capability::{Mode, Server, statement};
use bytes::Bytes;
use parking_lot::Mutex;
use remit_fhir::Result;
use remit_xml::Layout;
use std::collections::HashMap;

/// Statements kept. The address of the server is a part of them and, where none is configured, comes
/// from the request, so their number must have a bound.
const MAX_KEPT: usize = 32;

/// Address, mode and format of a statement, and the count of changes of the tenant's search parameters.
type Key = (Box<str>, Mode, Format, i64);

/// The statements that were asked for.
#[derive(Debug, Default)]
pub(super) struct Cache {
    kept: Mutex<HashMap<Key, Bytes>>,
}

/// The statement of the endpoint at `cx.base`.
pub(super) async fn capability(app: &App, cx: &Context<'_>, mode: Mode, format: Format) -> Result<Bytes> {
    let epoch = app.store.current_registry(cx.plan.tenant()).await?.epoch();
    let key = (Box::from(cx.base), mode, format, epoch);
    if let Some(text) = app.capabilities.kept.lock().get(&key) {
        return Ok(text.clone());
    }
    let operations: Vec<_> = app.operations.definitions().collect();
    let json = statement(cx, &Server { operations: &operations, started_us: app.started_us }, mode);
    let text = match format {
        Format::Json => json,
        Format::Xml => to_xml(cx.defs, json, Layout::Compact)?,
    };
    let mut kept = app.capabilities.kept.lock();
    if kept.len() >= MAX_KEPT {
        kept.clear();
    }
    kept.insert(key, text.clone());
    Ok(text)
}
