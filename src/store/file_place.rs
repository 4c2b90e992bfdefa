//! Where the store's file is: what is written to a file that somebody moved away or deleted is not kept.

use std::fs::{Metadata, metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::OpenError;

/// The path of an open file, and the file itself by its identity.
#[derive(Debug)]
pub struct FilePlace {
    path: PathBuf,
    identity: (u64, u64),
}

impl FilePlace {
    /// The file that is at `path` now.
    ///
    /// # Errors
    /// When it cannot be looked at.
    pub fn of(path: &Path) -> Result<Self, OpenError> {
        let found = metadata(path)
            .map_err(|error| OpenError(format!("cannot look at the store {}: {error}", path.display())))?;
        Ok(Self { path: path.to_owned(), identity: identity(&found) })
    }

    /// Whether the same file is still there.
    pub fn is_kept(&self) -> bool {
        metadata(&self.path).is_ok_and(|found| identity(&found) == self.identity)
    }
}

fn identity(found: &Metadata) -> (u64, u64) {
    (found.dev(), found.ino())
}
