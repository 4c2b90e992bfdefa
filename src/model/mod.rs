//! What Firebell is about, and nothing else: alerts, deliveries, incidents, severities, statuses and their rules. Pure:
//! no I/O, no clock, no SQL, no HTTP.

mod alert;
mod delivery;
mod fields;
mod heartbeat;
mod incident;
mod link;
pub mod metadata;
mod native;
mod notification;
mod number;
mod overview;
mod session;
mod severity;
mod status;
pub mod timeline;
mod words;

pub use alert::{Alert, AlertLimits, is_web_url};
pub use delivery::{Delivery, DeliverySummary, KeptRequest};
pub use fields::{Fields, TextRule, Warning};
pub use heartbeat::{BRIEF_GAP_MS, Beat, Heartbeat, HeartbeatState, Ping, Signal};
pub use incident::{Change, Entry, EntryKind, Incident, Outcome, Report, ServiceName, TIMELINE_ENTRIES};
pub use link::{ActLink, LinkAction, LinkKey};
pub use native::{NativeAlert, Services};
pub use notification::{Answer, Held, Message, MessageId, Notification, Owing, Part, Reason, Standing};
pub use number::Number;
pub use overview::{Buckets, Loud, NoisyKey, Overview, Recorded, Tally, Took};
pub use session::Session;
pub use severity::Severity;
pub use status::Status;
pub use words::{Wanted, words};
