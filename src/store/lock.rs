//! One serving process per store: two exclusive locks, held as long as the process lives. The one on a file beside the
//! store names its holder; the one on the store itself holds under whatever name it is reached, also through a hard link,
//! after it was renamed, and where the file beside it was deleted.
//!
//! They are of flock(2), which SQLite's locks, of fcntl(2), have nothing to do with: on Linux. On the BSDs and macOS each
//! kind keeps the other out, so there the store itself goes without.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;

use super::OpenError;
use super::file_place::beside;

/// The locks; dropping them, or dying, releases them. The file beside stays: removing it would race with the next holder.
///
/// To be taken before SQLite opens the store, and dropped after it has closed it: when a process closes any descriptor
/// of a file, it loses all its locks of fcntl(2) on it.
#[derive(Debug)]
pub struct Lock {
    _beside: File,
    _store: Option<File>,
}

impl Lock {
    /// Takes the locks of the store at `store`, which exists.
    ///
    /// # Errors
    /// When another process holds one of them (it is named, if that is known), or a file cannot be made or opened.
    pub fn take(store: &Path) -> Result<Self, OpenError> {
        let path = beside(store, ".lock");
        let failed = |error: std::io::Error| {
            OpenError(format!(
                "cannot open {}: {error}; Firebell must be able to write in that folder",
                path.display()
            ))
        };
        let mut options = OpenOptions::new();
        let mut beside =
            options.read(true).write(true).create(true).truncate(false).open(&path).map_err(failed)?;
        match beside.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(held(store, &holder(beside))),
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        let named = beside.set_len(0).and_then(|()| write!(beside, "{}", std::process::id()));
        named.and_then(|()| beside.rewind()).map_err(failed)?;
        if !cfg!(target_os = "linux") {
            return Ok(Self { _beside: beside, _store: None });
        }
        let cannot_lock = |error: std::io::Error| {
            OpenError(format!("cannot lock {}: {error}; check its permissions", store.display()))
        };
        let file = File::open(store).map_err(cannot_lock)?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _beside: beside, _store: Some(file) }),
            Err(TryLockError::WouldBlock) => {
                Err(held(store, "another process, under another name or since its lock file was deleted"))
            }
            Err(TryLockError::Error(error)) => Err(cannot_lock(error)),
        }
    }
}

/// Whoever holds the lock. Best effort: without the process id the refusal is still right.
fn holder(mut beside: File) -> String {
    let mut id = String::new();
    match beside.read_to_string(&mut id) {
        Ok(1..) => format!("process {}", id.trim()),
        _ => "another process".to_owned(),
    }
}

fn held(store: &Path, holder: &str) -> OpenError {
    OpenError(format!(
        "{} is already served by {holder}; stop that one first, or give this one another `[store] path`",
        store.display()
    ))
}
