//! What Firebell is about, and nothing else: alerts, incidents, severities, statuses and their rules. Pure: no I/O,
//! no clock, no SQL, no HTTP.

mod severity;
mod status;

pub use severity::Severity;
pub use status::Status;
