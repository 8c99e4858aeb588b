//! Fresh databases: a SQLite file in a temporary folder, or a database of its own on a PostgreSQL
//! server that lives as long as the test run.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// Which database.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Sqlite,
    Postgres,
}

/// A database of its own for one test.
pub(crate) enum Database {
    Sqlite(PathBuf),
    Postgres(String),
}

impl Database {
    /// Makes an empty one; `None` when PostgreSQL is left out on purpose.
    pub(crate) fn new(kind: Kind) -> Option<Database> {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("remit_{}_{number}", std::process::id());
        match kind {
            Kind::Sqlite => {
                let folder = std::env::temp_dir().join(name);
                std::fs::create_dir_all(&folder).expect("a temporary folder");
                Some(Database::Sqlite(folder))
            }
            Kind::Postgres => {
                let server = postgres()?;
                let create = format!(
                    "create database {name} encoding 'UTF8' lc_collate 'C' lc_ctype 'C' template template0"
                );
                execute(&format!("{server}/postgres"), &create);
                Some(Database::Postgres(format!("{server}/{name}")))
            }
        }
    }

    /// Both kinds, as far as they are there.
    pub(crate) fn both() -> Vec<Database> {
        [Kind::Sqlite, Kind::Postgres].into_iter().filter_map(Database::new).collect()
    }

    pub(crate) fn sqlite() -> Database {
        Database::new(Kind::Sqlite).expect("SQLite is compiled in")
    }

    /// The address as the user writes it.
    pub(crate) fn url(&self) -> String {
        match self {
            Database::Sqlite(folder) => format!("sqlite:{}", folder.join("remit.db").display()),
            Database::Postgres(url) => url.clone(),
        }
    }

    /// Runs statements beside the program, to break what it keeps.
    pub(crate) fn execute(&self, sql: &str) {
        match self {
            Database::Sqlite(folder) => {
                let connection = rusqlite::Connection::open(folder.join("remit.db")).expect("the file opens");
                connection.execute_batch(sql).unwrap_or_else(|e| panic!("{sql}: {e}"));
            }
            Database::Postgres(url) => execute(url, sql),
        }
    }

    /// The one number that a statement gives.
    pub(crate) fn number(&self, sql: &str) -> i64 {
        match self {
            Database::Sqlite(folder) => {
                let connection = rusqlite::Connection::open(folder.join("remit.db")).expect("the file opens");
                connection.query_row(sql, [], |row| row.get(0)).unwrap_or_else(|e| panic!("{sql}: {e}"))
            }
            Database::Postgres(url) => number(url, sql),
        }
    }

    pub(crate) fn kind(&self) -> Kind {
        match self {
            Database::Sqlite(_) => Kind::Sqlite,
            Database::Postgres(_) => Kind::Postgres,
        }
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        match self {
            Database::Sqlite(folder) => drop(std::fs::remove_dir_all(folder)),
            Database::Postgres(url) => {
                if let Some((server, name)) = url.rsplit_once('/') {
                    execute(
                        &format!("{server}/postgres"),
                        &format!("drop database if exists {name} with (force)"),
                    );
                }
            }
        }
    }
}

/// Runs a statement on PostgreSQL.
pub(crate) fn execute(url: &str, sql: &str) {
    connected(url, async |client| {
        client.batch_execute(sql).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
    });
}

fn number(url: &str, sql: &str) -> i64 {
    connected(url, async |client| {
        client.query_one(sql, &[]).await.unwrap_or_else(|e| panic!("{sql}: {e}")).get(0)
    })
}

fn connected<T>(url: &str, work: impl AsyncFnOnce(&tokio_postgres::Client) -> T) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls)
            .await
            .unwrap_or_else(|e| panic!("PostgreSQL at {url}: {e}"));
        let driver = tokio::spawn(connection);
        let done = work(&client).await;
        drop(client);
        let _ = driver.await;
        done
    })
}

/// Address of the PostgreSQL server of this test run, without a database.
fn postgres() -> Option<String> {
    static SERVER: OnceLock<Option<String>> = OnceLock::new();
    static CLUSTER: Mutex<Option<Cluster>> = Mutex::new(None);
    let address = SERVER.get_or_init(|| {
        if let Ok(url) = std::env::var("REMIT_TEST_POSTGRES") {
            return Some(url.trim_end_matches('/').to_owned());
        }
        if std::env::var("REMIT_TEST_SKIP_POSTGRES").is_ok_and(|v| v == "1") {
            return None;
        }
        let cluster = Cluster::start();
        let url = cluster.url();
        *CLUSTER.lock().expect("nothing panics while it holds this lock") = Some(cluster);
        Some(url)
    });
    if address.is_none() {
        eprintln!("SKIPPED: PostgreSQL, because REMIT_TEST_SKIP_POSTGRES=1.");
    }
    address.clone()
}

/// A PostgreSQL server of our own, which ends with this process however that ends.
pub(crate) struct Cluster {
    folder: PathBuf,
    port: u16,
    guard: Option<Child>,
}

impl Cluster {
    pub(crate) fn start() -> Cluster {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("remit_postgres_{}_{number}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a temporary folder");
        if let Some((uid, gid)) = unprivileged() {
            std::os::unix::fs::chown(&folder, Some(uid), Some(gid)).expect("root may give a folder away");
        }
        let data = folder.join("data");
        let made = as_owner(&program("initdb"))
            .args(["--username=remit", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync", "-D"])
            .arg(&data)
            .current_dir(&folder)
            .output()
            .expect("initdb starts");
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        let mut cluster = Cluster { folder, port: crate::server::free_address().port(), guard: None };
        cluster.go();
        cluster
    }

    /// Address without a database.
    pub(crate) fn url(&self) -> String {
        format!("postgres://remit@127.0.0.1:{}", self.port)
    }

    /// Starts the server on its data. A shell holds it: when its input ends because this process has
    /// ended, it stops the server and removes its data.
    pub(crate) fn go(&mut self) {
        const HOLD: &str = r#""$@" </dev/null >server.log 2>&1 & pid=$!
            word=$(cat); kill -s QUIT $pid; wait $pid; [ "$word" = keep ] || rm -rf "$PWD""#;
        let mut shell = as_owner(Path::new("/bin/sh"));
        shell.args(["-c", HOLD, "sh"]).arg(program("postgres")).arg("-D").arg(self.folder.join("data"));
        // Durability is the server's business under test, not of this throw-away cluster.
        for setting in [
            format!("port={}", self.port),
            "listen_addresses=127.0.0.1".to_owned(),
            "unix_socket_directories=".to_owned(),
            "fsync=off".to_owned(),
            "max_connections=200".to_owned(),
        ] {
            shell.args(["-c", &setting]);
        }
        shell.current_dir(&self.folder).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        self.guard = Some(shell.spawn().expect("a shell"));
        let until = Instant::now() + Duration::from_secs(60);
        while !self.answers() {
            let log = std::fs::read_to_string(self.folder.join("server.log")).unwrap_or_default();
            assert!(Instant::now() < until, "PostgreSQL does not start:\n{log}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn answers(&self) -> bool {
        let ready = Command::new(program("pg_isready"))
            .args(["-q", "-h", "127.0.0.1", "-p", &self.port.to_string()])
            .status();
        ready.is_ok_and(|status| status.success())
    }

    /// Stops the server as if it had crashed.
    pub(crate) fn stop(&mut self) {
        if let Some(mut guard) = self.guard.take() {
            let asked = guard.stdin.take().map(|mut input| input.write_all(b"keep"));
            assert!(asked.is_some_and(|written| written.is_ok()), "the shell that holds PostgreSQL is gone");
            let _ = guard.wait();
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.stop();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// The user that may run PostgreSQL, when we are root: it refuses to run as root.
fn unprivileged() -> Option<(u32, u32)> {
    if !is_root() {
        return None;
    }
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let of = |name: &str| {
        let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut fields = line.split(':').skip(2);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    };
    of("postgres").or_else(|| of("nobody"))
}

/// Whether the tests run as root.
pub(crate) fn is_root() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().any(|line| line.starts_with("Uid:\t0\t"))
}

fn as_owner(program: &Path) -> Command {
    let mut command = Command::new(program);
    if let Some((uid, gid)) = unprivileged() {
        command.uid(uid).gid(gid);
    }
    command
}

/// A program of PostgreSQL.
fn program(name: &str) -> PathBuf {
    let versions = ["15", "16", "17", "18", "14"];
    let places = versions.iter().map(|v| PathBuf::from(format!("/usr/lib/postgresql/{v}/bin")));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found =
        places.chain(std::env::split_paths(&path)).map(|dir| dir.join(name)).find(|file| file.exists());
    found.unwrap_or_else(|| {
        panic!(
            "PostgreSQL is not installed ({name} is missing). Every suite runs on both databases: install \
             PostgreSQL 15 (apt-get install postgresql-15), or name a server in REMIT_TEST_POSTGRES, or \
             leave it out with REMIT_TEST_SKIP_POSTGRES=1."
        )
    })
}
