//! The `remit` program: reads the command line and hands over to the library.

use mimalloc::MiMalloc;

// Many small, short-lived allocations on several threads: measurably faster than the system's allocator.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> std::process::ExitCode {
    remit::cli::main()
}
