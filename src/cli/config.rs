//! Settings from a TOML file. They become flags in front of those that the user wrote, unless the
//! environment sets them; so precedence, types and messages are clap's.

use remit_fhir::{Error, Result};
use std::ffi::OsString;
use std::path::Path;

/// The arguments with those of the file that `--config` or `REMIT_CONFIG` names put in.
pub(super) fn with_file(arguments: Vec<OsString>) -> Result<Vec<OsString>> {
    let Some(path) = path_of(&arguments) else { return Ok(arguments) };
    let path = Path::new(&path);
    let text = std::fs::read_to_string(path).map_err(|e| {
        Error::invalid(format!("The settings file {} cannot be read.", path.display())).because(e)
    })?;
    let table: toml::Table = text.parse().map_err(|e: toml::de::Error| {
        Error::invalid(format!("The settings file {} is not TOML.", path.display())).because(e)
    })?;
    let mut flags = Vec::new();
    for (key, value) in table {
        let variable = format!("REMIT_{}", key.to_ascii_uppercase().replace('-', "_"));
        if std::env::var_os(variable).is_some() {
            continue;
        }
        let text = match value {
            toml::Value::String(text) => text,
            toml::Value::Integer(number) => number.to_string(),
            toml::Value::Float(number) => number.to_string(),
            toml::Value::Boolean(true) => {
                flags.push(OsString::from(format!("--{}", key.replace('_', "-"))));
                continue;
            }
            toml::Value::Boolean(false) => continue,
            _ => {
                return Err(Error::invalid(format!(
                    "The setting {key} in {} must be a text, a number or true/false.",
                    path.display()
                )));
            }
        };
        flags.push(OsString::from(format!("--{}={text}", key.replace('_', "-"))));
    }
    // After the command's name, before what the user wrote: later flags win.
    let command = arguments.iter().skip(1).position(|a| !a.to_string_lossy().starts_with('-'));
    let place = command.map_or(arguments.len(), |at| at + 2).min(arguments.len());
    let mut all = arguments;
    all.splice(place..place, flags);
    Ok(all)
}

fn path_of(arguments: &[OsString]) -> Option<OsString> {
    let mut rest = arguments.iter().skip(1);
    while let Some(argument) = rest.next() {
        let text = argument.to_string_lossy();
        if text == "--config" {
            return rest.next().cloned();
        }
        if let Some(path) = text.strip_prefix("--config=") {
            return Some(path.into());
        }
    }
    std::env::var_os("REMIT_CONFIG")
}
