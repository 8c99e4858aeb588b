//! The journal: what was sent and what was acknowledged, one line each, by a hash of the content.
//!
//! `sent HASH` is on disk before a creation leaves; `done HASH LOCATION` follows its acknowledgement,
//! `void HASH` its refusal.
//! Counts matter: an input that holds the same content twice loads it twice, and a second run skips it
//! twice. A journal whose resources are not in the target belongs to another database (the file was
//! deleted and made anew) and is put aside.

use super::file_error;
use super::target::Target;
use remit_fhir::{Error, Result};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::sync::Arc;

/// The first half of the SHA-256 of an item; among 2^32 items the chance of a clash is 2^-65.
pub(super) type Hash = [u8; 16];

/// Hash of an item's text.
pub(super) fn hash(text: &[u8]) -> Hash {
    let mut hash = Hash::default();
    hash.copy_from_slice(&Sha256::digest(text)[..16]);
    hash
}

/// Where the journal of a target lies, unless the user says.
pub(super) fn default_path(target: &str) -> PathBuf {
    let name = hex(&hash(target.as_bytes()));
    PathBuf::from(format!("remit-load-{}.journal", &name[..12]))
}

/// What earlier runs did, and the file that this one adds to.
#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    file: Option<Arc<File>>,
    done: HashMap<Hash, u32>,
    sent: HashMap<Hash, u32>,
}

impl Journal {
    /// Reads the journal, when there is one that belongs to the target.
    pub(super) async fn open(path: PathBuf, target: &Target) -> Result<Journal> {
        let mut journal = Journal { path, file: None, done: HashMap::new(), sent: HashMap::new() };
        if !journal.path.exists() {
            return Ok(journal);
        }
        let witness = journal.read()?;
        let known = match &witness {
            Some(location) => target.knows(location).await?,
            None => true,
        };
        if !known {
            let aside = journal.path.with_extension("journal.old");
            std::fs::rename(&journal.path, &aside)
                .map_err(|e| file_error(&journal.path, "cannot be renamed", e))?;
            eprintln!(
                "The journal {} is of another database ({} is not in this one); it is now {}.",
                journal.path.display(),
                witness.unwrap_or_default(),
                aside.display()
            );
            (journal.done, journal.sent) = (HashMap::new(), HashMap::new());
        }
        Ok(journal)
    }

    /// Takes in what the file says; gives the last resource that it names.
    fn read(&mut self) -> Result<Option<String>> {
        let fault = |e| file_error(&self.path, "cannot be read", e);
        let file = File::open(&self.path).map_err(fault)?;
        let mut witness = None;
        for line in BufReader::new(file).lines() {
            let line = line.map_err(fault)?;
            let mut words = line.split(' ');
            // A line that a crash cut short says nothing.
            let (Some(what), Some(hash)) = (words.next(), words.next().and_then(unhex)) else { continue };
            match (what, words.next()) {
                ("sent", None) => *self.sent.entry(hash).or_default() += 1,
                ("void", None) => drop(take(&mut self.sent, &hash)),
                ("done", Some(location)) => {
                    *self.done.entry(hash).or_default() += 1;
                    if location.contains('/') {
                        witness = Some(location.to_owned());
                    }
                }
                _ => {}
            }
        }
        for (hash, sent) in &mut self.sent {
            *sent = sent.saturating_sub(self.done.get(hash).copied().unwrap_or_default());
        }
        Ok(witness)
    }

    /// Whether an earlier run has loaded this content; each `true` uses up one of its times.
    pub(super) fn take_done(&mut self, hash: &Hash) -> bool {
        take(&mut self.done, hash)
    }

    /// Whether an earlier run has sent this content and does not know what became of it.
    pub(super) fn take_doubt(&mut self, hash: &Hash) -> bool {
        take(&mut self.sent, hash)
    }

    /// Notes that creations are about to be sent; returns when that is on disk.
    pub(super) async fn sending(&mut self, hashes: &[Hash]) -> Result<()> {
        let lines: String = hashes.iter().map(|hash| format!("sent {}\n", hex(hash))).collect();
        let file = self.write(&lines)?;
        let synced = tokio::task::spawn_blocking(move || file.sync_data()).await;
        synced.map_err(Error::internal)?.map_err(|e| file_error(&self.path, "cannot be written", e))
    }

    /// Notes that an item was acknowledged. A note that a crash of the machine takes along leaves a
    /// doubt, no duplicate.
    pub(super) fn acknowledged(&mut self, hash: &Hash, location: &str) -> Result<()> {
        let location = if location.is_empty() { "-" } else { location };
        self.write(&format!("done {} {location}\n", hex(hash))).map(drop)
    }

    /// Notes that an item was refused, so that there is no doubt about it.
    pub(super) fn refused(&mut self, hash: &Hash) -> Result<()> {
        self.write(&format!("void {}\n", hex(hash))).map(drop)
    }

    fn write(&mut self, text: &str) -> Result<Arc<File>> {
        let file = match &self.file {
            Some(file) => file.clone(),
            None => {
                let opened = File::options().create(true).append(true).open(&self.path);
                let file = Arc::new(opened.map_err(|e| file_error(&self.path, "cannot be written", e))?);
                file.try_lock().map_err(|_| {
                    Error::conflict(format!("Another load is writing the journal {}.", self.path.display()))
                })?;
                // Ends a line that a crash cut short.
                (&*file).write_all(b"\n").map_err(|e| file_error(&self.path, "cannot be written", e))?;
                self.file = Some(file.clone());
                file
            }
        };
        file.as_ref()
            .write_all(text.as_bytes())
            .map_err(|e| file_error(&self.path, "cannot be written", e))?;
        Ok(file)
    }
}

fn take(counts: &mut HashMap<Hash, u32>, hash: &Hash) -> bool {
    match counts.get_mut(hash) {
        Some(count) if *count > 0 => {
            *count -= 1;
            true
        }
        _ => false,
    }
}

fn hex(hash: &Hash) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Hash> {
    let mut hash = Hash::default();
    if text.len() != 32 || !text.is_ascii() {
        return None;
    }
    for (at, byte) in hash.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(at * 2..at * 2 + 2)?, 16).ok()?;
    }
    Some(hash)
}
