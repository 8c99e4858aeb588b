//! A full disk: 507 or 503, nothing acknowledged is lost, and writing goes on once there is room.

use crate::database::{Database, is_root};
use crate::server::Server;
use serde_json::json;
use std::path::PathBuf;
use std::process::Command;

/// Enough for an empty database, little enough to be filled quickly.
const DISK_MIB: usize = 24;

/// A small disk in memory.
struct Disk(PathBuf);

impl Disk {
    fn mount() -> Option<Disk> {
        let folder = std::env::temp_dir().join(format!("remit-disk-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let size = format!("size={DISK_MIB}m");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(&folder).status();
        if !is_root() || !mounted.is_ok_and(|status| status.success()) {
            eprintln!("SKIPPED: the test of a full disk needs root and a mount of tmpfs.");
            return None;
        }
        Some(Disk(folder))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
        let _ = std::fs::remove_dir(&self.0);
    }
}

#[test]
fn a_full_disk_loses_nothing_and_passes() {
    let Some(disk) = Disk::mount() else { return };
    let folder = disk.0.join("data");
    std::fs::create_dir(&folder).expect("room for a folder");
    let ballast = disk.0.join("ballast");
    std::fs::write(&ballast, vec![1u8; 6 << 20]).expect("room for the ballast");
    let database = Database::Sqlite(folder);
    let server = Server::start(&database, &[]);
    let mut client = server.client();
    let text = "x".repeat(20_000);
    let patient = |id: &str| json!({ "resourceType": "Patient", "id": id, "name": [{ "text": text }] });
    let mut written = 0;
    let refused = loop {
        let answer = client.put(&format!("Patient/p{written}"), &patient(&format!("p{written}")));
        match answer.status {
            201 => written += 1,
            _ => break answer,
        }
        assert!(written < 10_000, "the disk never gets full");
    };
    assert!(matches!(refused.status, 503 | 507), "{}: {}", refused.status, refused.text());
    assert_eq!(refused.json()["resourceType"], "OperationOutcome");
    // Reading goes on, and what was acknowledged is there.
    for n in [0, written / 2, written - 1] {
        client.get(&format!("Patient/p{n}")).expect(200);
    }
    std::fs::remove_file(&ballast).expect("the ballast can be thrown away");
    client.put("Patient/after", &patient("after")).expect(201);
    for n in 0..written {
        client.get(&format!("Patient/p{n}")).expect(200);
    }
    assert_eq!(client.count("Patient"), written + 1);
    server.kill();
    let server = Server::start(&database, &[]);
    assert_eq!(server.client().count("Patient"), written + 1);
}
