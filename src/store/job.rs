//! What the writer is asked to do, and what comes of it.

use std::sync::Arc;

use super::create::{self, Create};
use super::delivery::{self, Keep};
use super::edit::{self, Comment, Edit};
use super::heartbeat::{self, CheckHeartbeats, HeartbeatsDone, TakePing};
use super::ingest::{self, Ingest};
use super::lifecycle::{self, Acknowledge, SetStatus};
use super::outbox::{self, Attempted, NextMessage, Take};
use super::session::{self, SessionChange};
use super::silence::{self, SilenceChange};
use super::tx::{Failure, Names, Tx};
use super::upkeep::{self, ClockWatch};
use crate::config::{DeliveryLimits, NotifyLimits};
use crate::model::{Entry, Incident, Report};
use crate::routing::Silence;

/// What the writer is asked to do. Each is run on a borrowed value, since a failed batch is run again.
#[derive(Debug)]
pub enum Job {
    /// The alerts of one body.
    Ingest(Ingest),
    /// A person moves an incident.
    SetStatus(SetStatus),
    /// A person takes an incident.
    Acknowledge(Acknowledge),
    /// A person makes an incident.
    Create(Create),
    /// A person changes an incident.
    Edit(Edit),
    /// A person says something to an incident.
    Comment(Comment),
    /// What senders delivered.
    Keep(Keep),
    /// Services and integrations as the configuration now names them.
    Learn(Names),
    /// A session begins or ends.
    Session(SessionChange),
    /// A silence is made, changed or ended.
    Silence(SilenceChange),
    /// The next message for a channel.
    Take(Take),
    /// What came of a message.
    Attempted(Attempted),
    /// A heartbeat reports.
    TakePing(TakePing),
    /// Heartbeats may be missed.
    CheckHeartbeats(Arc<CheckHeartbeats>),
    /// Proof that a write reaches the disk.
    Pulse,
    /// A round of what nobody asked for: closing, forgetting.
    Upkeep {
        /// How long after its resolution an incident is closed.
        close_resolved_after_ms: i64,
        /// How many deliveries are kept, and how long.
        deliveries: DeliveryLimits,
        /// How much of what people were told is kept, and how long.
        notify: NotifyLimits,
    },
}

impl Job {
    /// Nothing of it is to stay.
    pub fn is_dry_run(&self) -> bool {
        matches!(self, Self::Ingest(body) if body.dry_run)
    }

    /// Does it in an open transaction.
    pub fn run_tx(
        &self,
        tx: &mut Tx<'_>,
        watch: &mut ClockWatch,
        idempotency_keys: u32,
    ) -> Result<Done, Failure> {
        match self {
            Self::Ingest(body) => ingest::ingest_tx(tx, body, idempotency_keys),
            Self::SetStatus(change) => lifecycle::set_status_tx(tx, change),
            Self::Acknowledge(acknowledge) => lifecycle::acknowledge_tx(tx, acknowledge),
            Self::Create(create) => create::create_tx(tx, create, idempotency_keys),
            Self::Edit(change) => edit::edit_tx(tx, change),
            Self::Comment(comment) => edit::comment_tx(tx, comment),
            Self::Keep(keep) => delivery::keep_tx(tx, keep),
            Self::Learn(names) => tx.learn(names),
            Self::Session(change) => session::change_tx(tx, change).map(|()| Done::Written),
            Self::Silence(change) => silence::change_tx(tx, change),
            Self::Take(take) => outbox::take_tx(tx, take),
            Self::Attempted(attempted) => outbox::attempted_tx(tx, attempted),
            Self::TakePing(take) => heartbeat::take_tx(tx, take),
            Self::CheckHeartbeats(check) => heartbeat::check_tx(tx, &check.registry),
            Self::Pulse => upkeep::pulse_tx(tx).map(|()| Done::Written),
            Self::Upkeep { close_resolved_after_ms, deliveries, notify } => {
                upkeep::upkeep_tx(tx, watch, *close_resolved_after_ms, deliveries, notify)
            }
        }
    }
}

/// What came of a job.
#[derive(Debug)]
pub enum Done {
    /// A report per alert, and whether they are those of an earlier request with the same idempotency key.
    Ingested {
        /// In the order of the alerts.
        reports: Vec<Report>,
        /// Nothing was written now.
        replayed: bool,
    },
    /// The incident as it now is.
    Incident(Box<Incident>),
    /// A new incident, and whether it is that of an earlier request with the same idempotency key.
    Created {
        /// As it was when it was made.
        incident: Box<Incident>,
        /// Nothing was written now.
        replayed: bool,
    },
    /// A new timeline entry.
    Entry(Entry),
    /// A silence as it now is.
    Silence(Box<Silence>),
    /// What a channel has to tell.
    Next(NextMessage),
    /// Heartbeats are as they should be.
    Heartbeats(HeartbeatsDone),
    /// It is on disk.
    Written,
    /// As [`Done::Written`], and there is as much to do again.
    More,
}
