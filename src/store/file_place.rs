//! Where the store's files are: what is written to a file that somebody moved away or deleted is not kept.

use std::fs::{Metadata, metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::OpenError;

/// The store and its write-ahead log, while they are open.
#[derive(Debug)]
pub struct FilePlace {
    store: OpenFile,
    log: OpenFile,
}

/// The path of an open file, and the file itself by its identity.
#[derive(Debug)]
struct OpenFile {
    path: PathBuf,
    identity: (u64, u64),
}

impl FilePlace {
    /// The files of the store at `path`, where they are now.
    ///
    /// # Errors
    /// When they cannot be looked at.
    pub fn of(path: &Path) -> Result<Self, OpenError> {
        let failed =
            |error: io::Error| OpenError(format!("cannot look at the store {}: {error}", path.display()));
        let store = OpenFile::at(path.to_owned()).map_err(failed)?;
        Ok(Self { store, log: OpenFile::at(log_of(path)).map_err(failed)? })
    }

    /// Whether the same files are still there.
    pub fn is_kept(&self) -> bool {
        self.store.is_kept() && self.log.is_kept()
    }
}

impl OpenFile {
    fn at(path: PathBuf) -> io::Result<Self> {
        let identity = identity(&metadata(&path)?);
        Ok(Self { path, identity })
    }

    fn is_kept(&self) -> bool {
        metadata(&self.path).is_ok_and(|found| identity(&found) == self.identity)
    }
}

/// The write-ahead log of a store.
pub fn log_of(store: &Path) -> PathBuf {
    beside(store, "-wal")
}

/// The file whose name is the store's and `suffix`, beside the store itself, wherever symbolic links to it are: SQLite keeps
/// its own there, too, and two links to one store meet there.
pub fn beside(store: &Path, suffix: &str) -> PathBuf {
    let real = store.canonicalize().unwrap_or_else(|_| store.to_owned());
    let mut name = real.into_os_string();
    name.push(suffix);
    PathBuf::from(name)
}

fn identity(found: &Metadata) -> (u64, u64) {
    (found.dev(), found.ino())
}
