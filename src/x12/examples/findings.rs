//! Prints the findings of X12 files: `cargo run -p remit-x12 --example findings -- FILE…`

use remit_x12::{Document, Level, check};

fn main() -> std::io::Result<()> {
    for path in std::env::args().skip(1) {
        let text = std::fs::read(&path)?;
        let document = Document::parse(&text);
        println!("{path}");
        for finding in document.findings.list() {
            println!("  {} {} {} {}", finding.level as u8, finding.code, finding.place, finding.message);
        }
        for set in document.transactions() {
            for finding in check(set.transaction, Level::Situation) {
                println!("  {} {} {} {}", finding.level as u8, finding.code, finding.place, finding.message);
            }
        }
    }
    Ok(())
}
