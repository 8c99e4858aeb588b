//! What the operations are called with: a Binary with a file, and how to take it.

use crate::operation::Invocation;
use remit_fhir::{Error, IssueType, Kind, Node, Result, base64};

/// How a file that does not balance is taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Mode {
    /// Nothing of the file is posted.
    Strict,
    /// What balances is posted; of a payment that differs from its claims alone the difference is
    /// flagged; the rest is held.
    PostAndFlag,
}

/// A file and how to take it.
pub(super) struct Request {
    /// The file.
    pub(super) bytes: Vec<u8>,
    /// How it is taken when it does not balance.
    pub(super) mode: Mode,
    /// Only say what would be done.
    pub(super) is_dry_run: bool,
    /// The one set that the file may have, `835`.
    pub(super) expect: Option<String>,
}

/// The sets that a file can be expected to have.
const SETS: [&str; 5] = ["835", "837", "277", "999", "TA1"];

impl Request {
    /// Reads the parameters; `content` is the name of the one with the file.
    pub(super) fn read(call: &Invocation<'_>, content: &str) -> Result<Request> {
        call.parameters.only(&[content, "mode", "dryRun", "expect"])?;
        let mode = match call.parameters.get("mode").as_deref() {
            None | Some("strict") => Mode::Strict,
            Some("post-and-flag") => Mode::PostAndFlag,
            Some(_) => return Err(Error::invalid("mode is strict or post-and-flag.").at("mode")),
        };
        let is_dry_run = call.parameters.flag("dryRun")?;
        let expect = call.parameters.get("expect");
        if expect.as_deref().is_some_and(|set| !SETS.contains(&set)) {
            return Err(Error::invalid(format!("expect is one of {}.", SETS.join(", "))).at("expect"));
        }
        Ok(Request { bytes: file(call, content)?, mode, is_dry_run, expect })
    }
}

/// The bytes of the Binary in a parameter, or of the Binary that is the whole body.
pub(super) fn file(call: &Invocation<'_>, name: &str) -> Result<Vec<u8>> {
    let is_binary = |node: &Node<'_>| node.resource_type().as_deref() == Some("Binary");
    let named = call.parameters.resource(name);
    let alone = || call.parameters.body().map(|body| body.root()).filter(is_binary);
    let binary = named.or_else(alone).ok_or_else(|| {
        Error::invalid(format!("The parameter {name} must be a Binary with the file in its data."))
            .coded(IssueType::Required)
            .at(name)
    })?;
    if !is_binary(&binary) {
        return Err(Error::invalid(format!("The parameter {name} must be a Binary.")).at(name));
    }
    let data = binary.get_str("data").ok_or_else(|| {
        Error::invalid("The Binary has no data.").coded(IssueType::Required).at(format!("{name}.data"))
    })?;
    let bytes = base64::decode(&data)
        .ok_or_else(|| Error::invalid("The data of the Binary is no base64.").at(format!("{name}.data")))?;
    if bytes.is_empty() {
        return Err(Error::new(Kind::Invalid, "The file is empty.").at(format!("{name}.data")));
    }
    Ok(bytes)
}
