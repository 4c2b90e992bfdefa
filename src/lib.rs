//! Firebell turns any HTTP POST into a deduplicated incident in one SQLite file, answers 2xx only once that is on
//! disk, lets people see it and act on it, and tells them.
//!
//! # Invariants
//! 1. No success answer, and no event to anyone, before COMMIT returned with `synchronous=FULL`.
//! 2. An incident's row, its timeline entry, its idempotency record and what people are owed for it are one transaction.
//! 3. Only the writer thread of the one serving process opens write transactions (an exclusive lock stands beside the
//!    store); reads use read-only pooled connections and keep no statement open between pages.
//! 4. Dropping any request's future (a client that went away) leaves no partial state.
//! 5. Routing keys, tokens, secrets and bodies never reach a log, a metric or an error text.
//! 6. Everything queued, buffered or retried has a bound; those that depend on the machine are in `config.toml`.
//! 7. A dry run and the real path are the same code: a command that the writer rolls back.
//!
//! # A webhook, start to finish
//! [`server`] reads a request's head and gives it an id; [`handler`] finds its [`route`] and, by the routing key, its
//! integration in the [`registry`] (PagerDuty's key is in the body); [`server`] reads the body; [`handler`] checks the signature; [`source`] turns bytes
//! into alerts, which [`model`] validates; [`store`] queues them for the writer, which runs all that wait in one
//! transaction and answers after COMMIT; [`source`] words the outcome and [`reply`] puts it in its envelope.
//! [`handler`] tells those who watch what was committed, and keeps the request itself, without its secrets, to be looked
//! at and sent again. [`notify`] delivers what the [`routing`] of the configuration owes to people, by [`channel`]s.
//!
//! # A heartbeat
//! A ping goes the same way as far as the writer, which keeps what is known of each heartbeat, and sends an alert about one
//! that failed or is back into the same deduplication, in the same transaction. [`app`] has those that are missed looked
//! for about every second. Deadlines count only time in which pings could be taken.
//!
//! # A silence
//! [`store`] writes what people would be told as due when the silence ends, in the same transaction as ever, and records what
//! was silenced. When a message is taken, what is silenced by then is held back: silences come and go meanwhile.
//!
//! # Layers
//! A module uses those of lower layers, and of its own without a cycle; a test reads the `use` lines.
//!
//! | layer | modules |
//! |---|---|
//! | 0 | [`clock`], [`error`], [`hex`], [`json`], [`outbound`], [`redact`], [`route`] |
//! | 1 | [`metrics`], [`model`], [`reply`] |
//! | 2 | [`source`], [`channel`], [`registry`], [`routing`], [`config`], [`store`] |
//! | 3 | [`handler`], [`notify`] |
//! | 4 | [`server`] |
//! | 5 | [`app`] |
//! | 6 | [`cli`] |

pub mod app;
pub mod channel;
pub mod cli;
pub mod clock;
pub mod config;
pub mod error;
pub mod handler;
pub mod hex;
pub mod json;
pub mod metrics;
pub mod model;
pub mod notify;
pub mod outbound;
pub mod redact;
pub mod registry;
pub mod reply;
pub mod route;
pub mod routing;
pub mod server;
pub mod source;
pub mod store;
