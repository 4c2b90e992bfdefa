//! One serving process per store: an exclusive lock on a file beside it, held as long as the process lives.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

use super::OpenError;

/// The lock; dropping it, or dying, releases it. The file stays: removing it would race with the next holder.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock of the store at `store`.
    ///
    /// # Errors
    /// When another process holds it (it is named), or the file cannot be made.
    pub fn take(store: &Path) -> Result<Self, OpenError> {
        let path = lock_path(store);
        let failed = |error: std::io::Error| {
            OpenError(format!(
                "cannot open {}: {error}; Firebell must be able to write in that folder",
                path.display()
            ))
        };
        let mut options = OpenOptions::new();
        let mut file =
            options.read(true).write(true).create(true).truncate(false).open(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(held(store, file)),
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        let named = file.set_len(0).and_then(|()| write!(file, "{}", std::process::id()));
        named.and_then(|()| file.rewind()).map_err(failed)?;
        Ok(Self { _file: file })
    }
}

/// Beside the file itself, so that two symbolic links to one store meet at one lock.
fn lock_path(store: &Path) -> PathBuf {
    let real = store.canonicalize().unwrap_or_else(|_| store.to_owned());
    let mut name = real.into_os_string();
    name.push(".lock");
    PathBuf::from(name)
}

fn held(store: &Path, mut file: File) -> OpenError {
    let mut holder = String::new();
    // Best effort: without the process id the refusal is still right.
    let holder = match file.read_to_string(&mut holder) {
        Ok(1..) => format!("process {}", holder.trim()),
        _ => "another process".to_owned(),
    };
    OpenError(format!(
        "{} is already served by {holder}; stop that one first, or give this one another `[store] path`",
        store.display()
    ))
}
