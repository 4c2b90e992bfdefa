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
        let look = || {
            // SQLite keeps the log beside the file itself, wherever symbolic links to it are.
            let mut log = path.canonicalize()?.into_os_string();
            log.push("-wal");
            Ok(Self { store: OpenFile::at(path.to_owned())?, log: OpenFile::at(log.into())? })
        };
        look().map_err(|error: io::Error| {
            OpenError(format!("cannot look at the store {}: {error}", path.display()))
        })
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

fn identity(found: &Metadata) -> (u64, u64) {
    (found.dev(), found.ino())
}
