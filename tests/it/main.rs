//! What a client may rely on, held against the real server over real sockets.
//!
//! Every test has a server of its own, in this process, with a file and a clock of its own. Every answer is checked for
//! what all answers have ([`http`]) and against `openapi.json` ([`document`]); every file is checked for what must hold of it after any history ([`file`]); every
//! log line is checked for what must never be in one ([`log`]).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "it is all tests")]

#[path = "../support/http.rs"]
#[allow(dead_code, reason = "shared with other test binaries")]
mod http;

#[path = "../support/document.rs"]
mod document;
mod file;
mod log;
mod server;

mod access;
mod answers;
mod browsers;
mod channels;
mod checkpoints;
mod comments;
mod concurrency;
mod create;
mod dedup;
mod deliveries;
mod dry_run;
mod edits;
mod export;
mod fields;
mod filters;
mod gotify;
mod heartbeats;
mod idempotency;
mod json;
mod lifecycle;
mod links;
mod lists;
mod many;
mod mapping;
mod metadata;
mod metrics;
mod model;
mod notify;
mod ntfy;
mod numbers;
mod openapi;
mod order;
mod overview;
mod pagerduty;
mod pages;
mod presets;
mod protocol;
mod ranges;
mod rates;
#[path = "../support/receiver.rs"]
#[allow(dead_code, reason = "shared with other test binaries")]
mod receiver;
mod registry;
mod reload;
mod replays;
mod resume;
mod retention;
mod search;
mod services;
mod sessions;
mod signatures;
mod silence_requests;
mod silences;
mod sns;
mod sorts;
mod stream;
mod timeline;
mod updates;
mod watchdog;
