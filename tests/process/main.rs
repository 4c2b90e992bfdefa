//! The real binary, as a process, with real sockets and real files: what only a whole process can keep or break.
//!
//! Nothing here sleeps: tests wait for a line on standard error, an answer, or the end of a process.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "it is all tests")]

mod acting;
mod alertmanager;
mod audit;
mod bodies;
mod channels;
mod check;
mod commands;
mod deliveries;
#[allow(dead_code, reason = "shared with the other test binary")]
#[path = "../support/document.rs"]
mod document;
mod export;
mod full;
mod harness;
mod heartbeats;
#[allow(dead_code, reason = "shared with the other test binaries; each uses a part of it")]
#[path = "../support/http.rs"]
mod http;
mod init;
mod kill;
mod layers;
mod limits;
mod mail;
mod moved;
mod outbox;
mod outgoing;
mod packaging;
mod programs;
mod readme;
#[path = "../support/receiver.rs"]
#[allow(dead_code, reason = "shared with the other test binary")]
mod receiver;
mod receivers;
mod reload;
mod requests;
mod scripted;
mod shipped;
mod silences;
mod sources;
mod startup;
mod terminal;
mod terminate;
mod usage;
mod watch;
mod watched;
