//! The `firebell` command; all of it is in the library.

use std::process::ExitCode;

/// What one thread allocates the other frees: the system's allocator takes a lock for each of them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    firebell::cli::run()
}
