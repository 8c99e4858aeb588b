//! The real binary as a child process.

use crate::database::Database;
use crate::http::Client;
use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// The command under test.
pub(crate) const REMIT: &str = env!("CARGO_BIN_EXE_remit");

/// Start-up of an unoptimised build on a busy machine.
const START_TIMEOUT: Duration = Duration::from_secs(60);

static LOGS: AtomicU32 = AtomicU32::new(0);

/// A running server; killed when dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
    log: PathBuf,
    own: Option<Database>,
}

impl Server {
    /// Starts a server on an SQLite database that goes away with it.
    pub(crate) fn fresh(args: &[&str]) -> Server {
        let database = Database::sqlite();
        let mut server = Server::start(&database, args);
        server.own = Some(database);
        server
    }

    /// Starts a server and waits until it is ready.
    pub(crate) fn start(database: &Database, args: &[&str]) -> Server {
        let mut server = Server::launch(database, args);
        server.wait_until_ready();
        server
    }

    /// Starts a server and does not wait. `{address}` in an argument is where it listens.
    pub(crate) fn launch(database: &Database, args: &[&str]) -> Server {
        let address = free_address();
        let number = LOGS.fetch_add(1, Ordering::Relaxed);
        let log = std::env::temp_dir().join(format!("remit-conformance-{}-{number}.log", std::process::id()));
        let stderr = File::create(&log).expect("a log file in the temporary folder");
        let child = Command::new(REMIT)
            .args(["serve", "--listen", &address.to_string(), "--database", &database.url(), "--log", "json"])
            .args(args.iter().map(|arg| arg.replace("{address}", &address.to_string())))
            .stdin(Stdio::null())
            .stdout(stderr.try_clone().expect("a second handle of the log file"))
            .stderr(stderr)
            .spawn()
            .expect("the binary starts");
        Server { child, address, log, own: None }
    }

    /// Waits for `/health/ready`.
    pub(crate) fn wait_until_ready(&mut self) {
        let until = Instant::now() + START_TIMEOUT;
        loop {
            if let Some(status) = self.child.try_wait().expect("a child to wait for") {
                panic!("the server ended at start, {status}:\n{}", self.log());
            }
            let answer = Client::new(self.address, "").send("GET", "/health/ready", &[], b"");
            if answer.is_ok_and(|a| a.status == 200) {
                return;
            }
            assert!(Instant::now() < until, "the server does not get ready:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// A client of the default tenant.
    pub(crate) fn client(&self) -> Client {
        Client::new(self.address, "/fhir")
    }

    /// A client of a tenant.
    pub(crate) fn client_of(&self, tenant: &str) -> Client {
        Client::new(self.address, &format!("/t/{tenant}/fhir"))
    }

    /// Address of the FHIR endpoint.
    pub(crate) fn base(&self) -> String {
        format!("http://{}/fhir", self.address)
    }

    /// What the server has written to its log.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Sends a signal by name.
    pub(crate) fn signal(&self, name: &str) {
        signal(self.child.id(), name);
    }

    /// SIGKILL: the process gets no chance to do anything.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("a child to kill");
        self.child.wait().expect("a child to wait for");
    }

    /// Waits for the end of the process.
    pub(crate) fn wait(&mut self, timeout: Duration) -> Option<ExitStatus> {
        wait(&mut self.child, timeout)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = self.log();
            let tail: Vec<_> = log.lines().rev().take(20).collect();
            eprintln!("the last lines of the server's log:");
            tail.iter().rev().for_each(|line| eprintln!("  {line}"));
        }
        let _ = std::fs::remove_file(&self.log);
        drop(self.own.take());
    }
}

/// Sends a signal to a process.
pub(crate) fn signal(pid: u32, name: &str) {
    let status = Command::new("kill").args(["-s", name, &pid.to_string()]).status();
    assert!(status.is_ok_and(|s| s.success()), "no signal {name} for {pid}");
}

/// Waits for the end of a child.
pub(crate) fn wait(child: &mut Child, timeout: Duration) -> Option<ExitStatus> {
    let until = Instant::now() + timeout;
    while Instant::now() < until {
        if let Some(status) = child.try_wait().expect("a child to wait for") {
            return Some(status);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    None
}

/// An address on loopback that was free a moment ago.
pub(crate) fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("the address of a listener")
}

/// Runs a command of the binary to its end: exit code, standard output, standard error.
pub(crate) fn remit(args: &[&str]) -> (i32, String, String) {
    let done = Command::new(REMIT).args(args).stdin(Stdio::null()).output().expect("the binary starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (done.status.code().unwrap_or(-1), text(&done.stdout), text(&done.stderr))
}
