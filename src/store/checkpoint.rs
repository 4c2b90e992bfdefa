//! Moving the write-ahead log into the file, which takes two more waits for the disk: on a thread of its own, so that no
//! answer waits for them.
//!
//! Beside a busy writer a checkpoint never catches up, and only behind one that did the log starts over. So once the log
//! is long the writer does what is left itself, between two batches. How much it has to do is known to its own
//! connection alone, hence the hook.

use std::cell::Cell;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use rusqlite::Connection;

use super::{OpenError, schema};

/// After so many more pages in the log it is moved into the file again. A quarter of SQLite's default: what is left to
/// the writer is then never much.
const EVERY: i32 = 250;

/// A log of so many pages, 8 MiB, is not left to the other thread any more.
const LONG: i32 = 2000;

thread_local! {
    /// Pages in the log of the connection that this thread writes with, at its last COMMIT.
    static PAGES: Cell<i32> = const { Cell::new(0) };
}

/// Says when, and does it or has it done.
#[derive(Debug)]
pub struct Checkpoints {
    bell: SyncSender<()>,
    thread: JoinHandle<()>,
    /// Pages in the log when the next one is due.
    due: i32,
}

impl Checkpoints {
    /// Starts the thread, for the store at `path`.
    ///
    /// # Errors
    /// When the store cannot be opened a second time.
    pub fn start(path: &Path) -> Result<Self, OpenError> {
        let connection = schema::open_for_checkpoints(path)?;
        // Rung twice while it works, it works once more.
        let (bell, rung) = sync_channel(1);
        let thread = std::thread::Builder::new().name("checkpoint".into());
        let thread = thread.spawn(move || run_when_rung(&connection, &rung));
        let thread = thread.map_err(|error| OpenError(format!("cannot start a thread: {error}")))?;
        Ok(Self { bell, thread, due: EVERY })
    }

    /// Makes this thread's `connection` tell how long the log is, instead of moving it within COMMIT.
    pub fn watch(connection: &Connection) {
        connection.wal_hook(Some(|_, pages| {
            PAGES.set(pages);
            Ok(())
        }));
    }

    /// To be called between two batches, on the thread of the connection that wrote them.
    pub fn look(&mut self, connection: &Connection) {
        let pages = PAGES.get();
        if pages + EVERY < self.due {
            // The log has started over.
            self.due = EVERY;
        }
        if pages < self.due {
            return;
        }
        self.due = pages + EVERY;
        if pages < LONG {
            // Full: it is about to look anyway. Disconnected: it has died, and the writer does it all when it is long.
            self.bell.try_send(()).ok();
        } else {
            run(connection);
        }
    }

    /// Ends the thread.
    pub fn stop(self) {
        drop(self.bell);
        if self.thread.join().is_err() {
            tracing::error!("the thread for checkpoints had died of a bug");
        }
    }
}

fn run_when_rung(connection: &Connection, rung: &Receiver<()>) {
    while rung.recv().is_ok() {
        run(connection);
    }
}

/// Moves what no reader needs any more. What is refused now, since the other thread is at it, or the disk is full, stays
/// in the log, where nothing is lost.
pub fn run(connection: &Connection) {
    if let Err(error) = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())) {
        tracing::warn!(%error, "the write-ahead log was not moved into the store's file; it is tried again");
    }
}
