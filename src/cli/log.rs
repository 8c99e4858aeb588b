//! Log lines to standard error. Lines of requests are gathered and written many at a time, because a
//! system call for each would cost more than reading a resource; warnings and errors go out at once.

use super::{LogArgs, LogFormat};
use parking_lot::Mutex;
use remit_fhir::{Error, Result};
use std::io::{BufWriter, IsTerminal, Stderr, Write};
use std::sync::Arc;
use std::time::Duration;
use tracing::{Level, Metadata};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

/// How long a gathered line waits at most.
const PAUSE: Duration = Duration::from_millis(200);

/// Bytes that are gathered at most.
const BUFFER: usize = 64 << 10;

/// Standard error, shared by all threads.
#[derive(Clone)]
struct Lines(Arc<Mutex<BufWriter<Stderr>>>);

/// One line on its way.
struct Line {
    lines: Lines,
    is_urgent: bool,
}

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let mut lines = self.lines.0.lock();
        lines.write_all(bytes)?;
        if self.is_urgent {
            lines.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.lines.0.lock().flush()
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Line;

    fn make_writer(&'a self) -> Line {
        Line { lines: self.clone(), is_urgent: true }
    }

    fn make_writer_for(&'a self, metadata: &Metadata<'_>) -> Line {
        Line { lines: self.clone(), is_urgent: *metadata.level() <= Level::WARN }
    }
}

/// Writes what is still gathered when the program ends.
pub(super) struct Flush(Lines);

impl Drop for Flush {
    fn drop(&mut self) {
        // There is nobody left to tell.
        let _ = self.0.0.lock().flush();
    }
}

/// Starts logging.
pub(super) fn start(args: &LogArgs) -> Result<Flush> {
    let levels = EnvFilter::try_new(&args.log_level).map_err(|e| {
        Error::invalid("The log level cannot be read; write e.g. info or info,remit_store=debug.").because(e)
    })?;
    let lines = Lines(Arc::new(Mutex::new(BufWriter::with_capacity(BUFFER, std::io::stderr()))));
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(levels)
        .with_writer(lines.clone())
        .with_ansi(std::io::stderr().is_terminal());
    // Set directly, not by `init`: that would also take in what libraries write through `log`, and the
    // PostgreSQL client writes the parameters of statements there, which are health information.
    match args.log {
        LogFormat::Text => tracing::subscriber::set_global_default(subscriber.compact().finish()),
        LogFormat::Json => {
            tracing::subscriber::set_global_default(subscriber.json().flatten_event(true).finish())
        }
    }
    .map_err(Error::internal)?;
    let gathered = lines.clone();
    let flush = move || {
        loop {
            std::thread::sleep(PAUSE);
            let _ = gathered.0.lock().flush();
        }
    };
    std::thread::Builder::new().name("log".to_owned()).spawn(flush).map_err(Error::internal)?;
    crate::http::log_panics();
    Ok(Flush(lines))
}
