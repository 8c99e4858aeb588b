//! Sending: parcels in parallel, repeats after passing failures, doubts settled, everything noted.

use super::Report;
use super::answer::{self, Fate, fates, no_outcome};
use super::journal::Journal;
use super::parcel::{Item, Packer, Parcel, bundle, probes};
use super::progress::Progress;
use super::rejects::Rejects;
use super::source::{self, Files, Pass, Piece};
use super::target::{Reply, Target, is_passing};
use bytes::Bytes;
use remit_fhir::{Error, Result};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;

/// How often a parcel is sent before the load gives up: with the pauses between, about a minute.
const MAX_TRIES: u32 = 9;
/// The pause after the first failure; doubled each time.
const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// What the reader hands over.
enum Message {
    Parcel(Parcel),
    /// A text that cannot be sent: place, reason, text.
    Unreadable(String, Error, Bytes),
    /// Everything before must be settled before anything after it is sent.
    Barrier,
}

/// What the senders share.
struct Load {
    target: Target,
    progress: Arc<Progress>,
    sends_doubtful: bool,
    books: Mutex<Books>,
}

/// What has been noted.
struct Books {
    journal: Journal,
    rejects: Rejects,
    loaded: u64,
    skipped: u64,
}

/// What is loaded, and how.
pub(super) struct Order {
    pub(super) files: Files,
    pub(super) target: Target,
    pub(super) journal: Journal,
    pub(super) rejects: Rejects,
    /// Parcels on their way at once.
    pub(super) jobs: usize,
    /// Whether creations are repeated that may have happened and cannot be looked up.
    pub(super) sends_doubtful: bool,
}

/// Loads all files.
pub(super) async fn all(order: Order) -> Result<Report> {
    let Order { files, target, journal, rejects, jobs, sends_doubtful } = order;
    let progress = Arc::new(Progress::new(files.bytes()));
    let ignored = files.ignored;
    let stop = Arc::new(AtomicBool::new(false));
    let (sender, mut receiver) = mpsc::channel(jobs);
    let reader = {
        let (progress, stop) = (progress.clone(), stop.clone());
        tokio::task::spawn_blocking(move || read(&files, &progress, &stop, &sender))
    };
    let books = Mutex::new(Books { journal, rejects, loaded: 0, skipped: 0 });
    let load = Arc::new(Load { target, progress, sends_doubtful, books });
    let result = dispatch(&load, &mut receiver, jobs, &stop).await;
    receiver.close();
    drop(receiver);
    reader.await.map_err(Error::internal)?;
    load.progress.end();
    result?;
    let books = load.books.lock().await;
    Ok(Report {
        loaded: books.loaded,
        skipped: books.skipped,
        rejected: books.rejects.count(),
        ignored,
        is_stopped: stop.load(Relaxed),
        seconds: load.progress.seconds(),
    })
}

/// Reads files and hands over what is in them, until it is told to stop.
fn read(files: &Files, progress: &Arc<Progress>, stop: &AtomicBool, sender: &mpsc::Sender<Message>) {
    let send = |message| !stop.load(Relaxed) && sender.blocking_send(message).is_ok();
    for pass in [Pass::Shared, Pass::Others] {
        let mut packer = Packer::default();
        let mut go_on = true;
        source::read(files, pass, progress, &mut |(place, text): Piece| {
            let taken = text.map_err(|e| (e, Bytes::new())).and_then(|text| {
                let text = Bytes::from(text);
                packer.take(&place, text.clone()).map_err(|e| (e, text))
            });
            go_on = match taken {
                Ok(parcels) => parcels.into_iter().all(|parcel| send(Message::Parcel(parcel))),
                Err((error, text)) => send(Message::Unreadable(place, error, text)),
            };
            go_on
        });
        let rest = packer.rest().is_none_or(|parcel| send(Message::Parcel(parcel)));
        if !go_on || !rest || !send(Message::Barrier) {
            return;
        }
    }
}

async fn dispatch(
    load: &Arc<Load>,
    receiver: &mut mpsc::Receiver<Message>,
    jobs: usize,
    stop: &AtomicBool,
) -> Result<()> {
    let mut running = JoinSet::new();
    let mut interrupt = std::pin::pin!(tokio::signal::ctrl_c());
    loop {
        let message = tokio::select! {
            message = receiver.recv() => message,
            _ = &mut interrupt => {
                stop.store(true, Relaxed);
                eprintln!("Stopping; what is on its way is finished first.");
                None
            }
        };
        match message {
            None => break,
            Some(Message::Barrier) => settle_all(&mut running).await?,
            Some(Message::Unreadable(place, error, text)) => {
                let reason = error.outcome().to_string();
                load.books.lock().await.rejects.text(&place, &reason, &text)?;
                load.progress.settled(0, 1);
            }
            Some(Message::Parcel(parcel)) => {
                while running.len() >= jobs {
                    next(&mut running).await?;
                }
                let load = load.clone();
                running.spawn(async move { load.parcel(parcel).await });
            }
        }
    }
    settle_all(&mut running).await
}

async fn settle_all(running: &mut JoinSet<Result<()>>) -> Result<()> {
    while !running.is_empty() {
        next(running).await?;
    }
    Ok(())
}

async fn next(running: &mut JoinSet<Result<()>>) -> Result<()> {
    match running.join_next().await {
        Some(done) => done.map_err(Error::internal)?,
        None => Ok(()),
    }
}

impl Load {
    /// Sees a parcel through: every item of it is noted as loaded, skipped or rejected.
    async fn parcel(&self, parcel: Parcel) -> Result<()> {
        let (parcel, mut doubtful) = self.without_known(parcel).await?;
        let mut tries = 0;
        let mut parcel = self.settle_doubts(parcel, &doubtful).await?;
        while !parcel.items().is_empty() {
            let creations: Vec<_> = parcel.items().iter().filter(|i| i.creates).map(|i| i.hash).collect();
            if !creations.is_empty() && tries == 0 {
                self.books.lock().await.journal.sending(&creations).await?;
            }
            match self.attempt(parcel).await? {
                None => return Ok(()),
                Some((rest, error)) => {
                    tries += 1;
                    if tries == MAX_TRIES {
                        return Err(error);
                    }
                    tokio::time::sleep(FIRST_PAUSE * 2u32.pow(tries - 1)).await;
                    doubtful = rest.items().iter().map(|item| item.creates).collect();
                    parcel = self.settle_doubts(rest, &doubtful).await?;
                }
            }
        }
        Ok(())
    }

    /// Leaves out what earlier runs have loaded; says which of the rest an earlier run may have loaded.
    async fn without_known(&self, parcel: Parcel) -> Result<(Parcel, Vec<bool>)> {
        let mut books = self.books.lock().await;
        let mut doubtful = Vec::new();
        let mut keep = |item: &Item| {
            if books.journal.take_done(&item.hash) {
                books.skipped += item.resources;
                return false;
            }
            doubtful.push(item.creates && books.journal.take_doubt(&item.hash));
            true
        };
        let parcel = retain(parcel, &mut keep);
        Ok((parcel, doubtful))
    }

    /// Looks up what may have been loaded already.
    async fn settle_doubts(&self, parcel: Parcel, doubtful: &[bool]) -> Result<Parcel> {
        let mut open = Vec::with_capacity(doubtful.len());
        for (item, doubtful) in parcel.items().iter().zip(doubtful) {
            open.push(!doubtful || self.is_open(item).await?);
        }
        let mut open = open.into_iter();
        Ok(retain(parcel, &mut |_| open.next().unwrap_or(true)))
    }

    /// Whether an item in doubt is to be sent; notes what became of it if not.
    async fn is_open(&self, item: &Item) -> Result<bool> {
        let probes = probes(item);
        for probe in &probes {
            if !self.target.finds(probe).await? {
                return Ok(true);
            }
        }
        if !probes.is_empty() {
            self.done(item, "").await?;
            return Ok(false);
        }
        if self.sends_doubtful {
            return Ok(true);
        }
        let reason = no_outcome(
            "It was sent by a load that was interrupted before the answer came, and holds no identifier to \
             look it up by: look whether it is there; if not, repeat the load with --send-doubtful.",
        );
        // The doubt stays in the journal.
        self.books.lock().await.rejects.item(item, 409, &reason)?;
        self.progress.settled(0, 1);
        Ok(false)
    }

    /// Sends a parcel once. What has to be sent again comes back with the reason.
    async fn attempt(&self, parcel: Parcel) -> Result<Option<(Parcel, Error)>> {
        match parcel {
            Parcel::Transaction(item) => match self.target.send(&item.text).await {
                Reply::Lost(error) => Ok(Some((Parcel::Transaction(item), error))),
                Reply::Refused(status, reason) => self.rejected(&item, status, &reason).await.map(|()| None),
                Reply::Done(body) => {
                    let first = answer::parse(body).map(|answer| fates(&answer)).unwrap_or_default();
                    let witness = first.into_iter().find_map(|fate| match fate {
                        Fate::Done(location) if !location.is_empty() => Some(location),
                        _ => None,
                    });
                    self.done(&item, &witness.unwrap_or_default()).await.map(|()| None)
                }
            },
            Parcel::Entries { items, together } => self.entries(items, together).await,
        }
    }

    async fn entries(&self, items: Vec<Item>, together: bool) -> Result<Option<(Parcel, Error)>> {
        let kind = if together { "transaction" } else { "batch" };
        let mut again = Vec::new();
        let mut reason = None;
        match self.target.send(&bundle(kind, items.iter())).await {
            Reply::Lost(error) => return Ok(Some((Parcel::Entries { items, together }, error))),
            // One of them is at fault; each for itself tells which.
            Reply::Refused(..) if together && items.len() > 1 => {
                return Box::pin(self.entries(items, false)).await;
            }
            Reply::Refused(status, reason) => {
                for item in &items {
                    self.rejected(item, status, &reason).await?;
                }
            }
            Reply::Done(body) => {
                let mut fates =
                    answer::parse(body).map(|answer| fates(&answer)).unwrap_or_default().into_iter();
                for item in items {
                    match fates.next() {
                        Some(Fate::Done(location)) => self.done(&item, &location).await?,
                        Some(Fate::Refused(status, _)) if is_passing(status) => {
                            reason = Some(Error::unavailable(format!("An entry was answered {status}.")));
                            again.push(item);
                        }
                        Some(Fate::Refused(status, reason)) => self.rejected(&item, status, &reason).await?,
                        // A transaction that was answered well is done as a whole, told or not.
                        None if together => self.done(&item, "").await?,
                        None => {
                            self.rejected(&item, 0, &no_outcome("The answer holds no entry for it.")).await?
                        }
                    }
                }
            }
        }
        Ok(reason.map(|error| (Parcel::Entries { items: again, together: false }, error)))
    }

    async fn done(&self, item: &Item, location: &str) -> Result<()> {
        let mut books = self.books.lock().await;
        books.journal.acknowledged(&item.hash, location)?;
        books.loaded += item.resources;
        self.progress.settled(item.resources, 0);
        Ok(())
    }

    async fn rejected(&self, item: &Item, status: u16, reason: &str) -> Result<()> {
        let mut books = self.books.lock().await;
        if item.creates {
            books.journal.refused(&item.hash)?;
        }
        books.rejects.item(item, status, reason)?;
        self.progress.settled(0, 1);
        Ok(())
    }
}

/// The parcel with those items that are to be kept.
fn retain(parcel: Parcel, keep: &mut dyn FnMut(&Item) -> bool) -> Parcel {
    match parcel {
        Parcel::Transaction(item) if keep(&item) => Parcel::Transaction(item),
        Parcel::Transaction(_) => Parcel::Entries { items: Vec::new(), together: false },
        Parcel::Entries { mut items, together } => {
            items.retain(|item| keep(item));
            Parcel::Entries { items, together }
        }
    }
}
