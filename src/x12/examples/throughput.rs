//! Prints how fast X12 is read here: `cargo run --release -p remit-x12 --example throughput -- MEGABYTES`

use remit_x12::throughput::{measure, remittances};

fn main() -> std::io::Result<()> {
    let megabytes = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(100);
    let text = remittances(megabytes * 1_000_000);
    measure(&text).print(&mut std::io::stdout())
}
