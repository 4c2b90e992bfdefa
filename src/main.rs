//! The `firebell` command; all of it is in the library.

use std::process::ExitCode;

/// Two threads allocate at once: measured against the system's allocator, and worth it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    firebell::cli::run()
}
