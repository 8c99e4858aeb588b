//! The file of rejects: one JSON object a line with `where`, `status`, `reason` (an OperationOutcome)
//! and `item`, so that it can be read, mended and loaded again.

use super::file_error;
use super::parcel::Item;
use remit_fhir::json::quote;
use remit_fhir::{Result, json};
use std::fs::File;
use std::io::Write;
use std::path::PathBuf;

/// Written from the first reject on; a load without rejects leaves no file.
#[derive(Debug)]
pub(super) struct Rejects {
    path: PathBuf,
    file: Option<File>,
    count: u64,
}

impl Rejects {
    pub(super) fn new(path: PathBuf) -> Rejects {
        Rejects { path, file: None, count: 0 }
    }

    /// How many there are.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// Notes a refused item.
    pub(super) fn item(&mut self, item: &Item, status: u16, reason: &str) -> Result<()> {
        self.line(&item.place, status, reason, &item.text)
    }

    /// Notes a text that could not be read.
    pub(super) fn text(&mut self, place: &str, reason: &str, text: &[u8]) -> Result<()> {
        // What is no JSON travels as a string, so that the line is JSON all the same.
        let item = match json::parse(text.to_vec()) {
            Ok(document) => document.into_compact().text().to_owned(),
            Err(_) => quote(&String::from_utf8_lossy(text)),
        };
        self.line(place, 400, reason, &item)
    }

    fn line(&mut self, place: &str, status: u16, reason: &str, item: &str) -> Result<()> {
        let fault = |path: &PathBuf| {
            let path = path.clone();
            move |e| file_error(&path, "cannot be written", e)
        };
        if self.file.is_none() {
            self.file = Some(File::create(&self.path).map_err(fault(&self.path))?);
        }
        // The reason of another server may be anything.
        let reason = match json::parse(reason.to_owned()) {
            Ok(document) => document.into_compact().text().to_owned(),
            Err(_) => quote(reason),
        };
        let line = format!(
            "{{\"where\":{},\"status\":{status},\"reason\":{reason},\"item\":{item}}}\n",
            quote(place)
        );
        if let Some(file) = &mut self.file {
            file.write_all(line.as_bytes()).map_err(fault(&self.path))?;
        }
        self.count += 1;
        Ok(())
    }
}
