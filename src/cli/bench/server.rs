//! The server that a bench starts for itself: this program, on an empty database.

use crate::cli::load::{Client, Url};
use bytes::Bytes;
use hyper::Method;
use remit_fhir::{Error, Result};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a new database may take to be made.
const START_TIMEOUT: Duration = Duration::from_secs(30);

/// A server that ends with the bench.
pub(super) struct Server {
    child: Child,
    /// Its FHIR base.
    pub(super) base: Url,
    pub(super) database: String,
    folder: Option<PathBuf>,
}

impl Server {
    /// Starts it and waits for its first answer.
    pub(super) async fn start(database: Option<&str>) -> Result<Server> {
        let folder = match database {
            Some(_) => None,
            None => Some(temporary_folder()?),
        };
        let own = folder.as_ref().map(|folder| format!("sqlite:{}", folder.join("bench.db").display()));
        let database = database.map(str::to_owned).or(own).unwrap_or_default();
        let address =
            TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).map_err(Error::internal)?;
        let child = spawn(&address.to_string(), &database)?;
        let base: Url = format!("http://{address}/fhir").parse().map_err(|e: String| Error::internal(e))?;
        let mut server = Server { child, base, database, folder };
        server.wait().await?;
        Ok(server)
    }

    /// Ends it as an operator does and starts it again on the same database and address; gives the
    /// moment of the start.
    pub(super) async fn restart(&mut self) -> Result<Instant> {
        let pid = self.child.id().to_string();
        Command::new("kill").args(["-TERM", &pid]).status().map_err(Error::internal)?;
        self.child.wait().map_err(Error::internal)?;
        let address = self.base.to_string();
        let address = address.trim_start_matches("http://").trim_end_matches("/fhir").to_owned();
        let begun = Instant::now();
        self.child = spawn(&address, &self.database)?;
        self.wait().await?;
        Ok(begun)
    }

    async fn wait(&mut self) -> Result<()> {
        let client = Client::new(self.base.clone());
        let until = Instant::now() + START_TIMEOUT;
        while Instant::now() < until {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(Error::unprocessable(format!("The server ended at its start ({status}).")));
            }
            if client.send(Method::GET, "metadata", &[], Bytes::new()).await.is_ok_and(|a| a.status == 200) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Err(Error::unprocessable("The server did not answer in time after its start."))
    }

    /// What its database is.
    pub(super) fn database_kind(&self) -> &'static str {
        if self.database.starts_with("sqlite:") { "SQLite" } else { "PostgreSQL" }
    }

    /// Memory of the process, shared pages counted in proportion.
    pub(super) fn memory_mib(&self) -> Option<f64> {
        let text = std::fs::read_to_string(format!("/proc/{}/smaps_rollup", self.child.id())).ok()?;
        let line = text.lines().find(|line| line.starts_with("Pss:"))?;
        let kib: f64 = line.split_ascii_whitespace().nth(1)?.parse().ok()?;
        Some(kib / 1024.0)
    }
}

fn spawn(address: &str, database: &str) -> Result<Child> {
    Command::new(std::env::current_exe().map_err(Error::internal)?)
        .args(["serve", "--listen", address, "--database", database, "--log-level", "warn"])
        .stdin(Stdio::null())
        .spawn()
        .map_err(Error::internal)
}

impl Drop for Server {
    fn drop(&mut self) {
        // The database is thrown away; there is nothing to wait for.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(folder) = &self.folder {
            let _ = std::fs::remove_dir_all(folder);
        }
    }
}

fn temporary_folder() -> Result<PathBuf> {
    let folder = std::env::temp_dir().join(format!("remit-bench-{}", uuid::Uuid::new_v4()));
    std::fs::create_dir(&folder).map_err(|e| {
        Error::unprocessable(format!("The folder {} cannot be made.", folder.display())).because(e)
    })?;
    Ok(folder)
}
