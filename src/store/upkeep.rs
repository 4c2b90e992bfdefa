//! What the store does without being asked: closing what has long been resolved, forgetting idempotency keys and
//! deliveries, and keeping a pulse.

use rusqlite::Connection;

use super::delivery;
use super::idempotency;
use super::job::Done;
use super::lifecycle;
use super::outbox;
use super::silence;
use super::tx::{Failure, Tx};
use crate::config::{DeliveryLimits, NotifyLimits};
use crate::model::Number;

/// Incidents closed, and idempotency keys and deliveries forgotten, in one transaction: short, so that no POST waits long for it.
const ROUND: i64 = 200;

/// A leap of the clock beyond this is not believed at once.
const LEAP_MS: i64 = 24 * 60 * 60 * 1000;

/// For how long a clock that leapt must agree with itself.
const PROBATION_MS: i64 = 10 * 60 * 1000;

/// Judges whether the clock may be trusted with what cannot be undone.
#[derive(Debug)]
pub struct ClockWatch {
    last_ms: i64,
    distrusted_until_ms: Option<i64>,
}

impl ClockWatch {
    /// `last_ms`: the last time known, 0 if none is.
    pub const fn new(last_ms: i64) -> Self {
        Self { last_ms, distrusted_until_ms: None }
    }

    /// Notes the time, and says whether it is to be trusted: not for ten minutes after a leap of more than a day, be
    /// it the clock's own or that of a machine that was off.
    pub fn trusts(&mut self, now_ms: i64) -> bool {
        let leapt = self.last_ms != 0 && (now_ms - self.last_ms).abs() > LEAP_MS;
        self.last_ms = now_ms;
        if leapt {
            tracing::warn!(
                "the clock leapt by more than a day; closing waits until it was steady for ten minutes"
            );
            self.distrusted_until_ms = Some(now_ms + PROBATION_MS);
        }
        self.distrusted_until_ms = self.distrusted_until_ms.filter(|until| now_ms < *until);
        self.distrusted_until_ms.is_none()
    }
}

/// The last time that is written in the store.
pub fn last_pulse(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("SELECT at FROM pulse", [], |row| row.get(0))
}

/// Proves that the store can be written.
pub fn pulse_tx(tx: &Tx<'_>) -> Result<(), Failure> {
    tx.connection.prepare_cached("UPDATE pulse SET beats = beats + 1")?.execute([])?;
    Ok(())
}

/// One round; [`Done::More`] if there is as much to do again.
pub fn upkeep_tx(
    tx: &mut Tx<'_>,
    watch: &mut ClockWatch,
    close_resolved_after_ms: i64,
    deliveries: &DeliveryLimits,
    notify: &NotifyLimits,
) -> Result<Done, Failure> {
    if !watch.trusts(tx.now_ms) {
        return Ok(Done::Written);
    }
    // Only a time that is trusted: a restart must not make good what has just been doubted.
    tx.connection.prepare_cached("UPDATE pulse SET at = ?1")?.execute([tx.now_ms])?;
    let closed = close_resolved_tx(tx, close_resolved_after_ms)?;
    let forgotten = idempotency::forget_expired_tx(tx, ROUND)?;
    let more = delivery::forget_tx(tx, deliveries, ROUND)?
        | outbox::forget_tx(tx, notify, ROUND)?
        | silence::forget_tx(tx, notify, ROUND)?;
    Ok(if closed == ROUND || forgotten == ROUND || more { Done::More } else { Done::Written })
}

fn close_resolved_tx(tx: &mut Tx<'_>, after_ms: i64) -> Result<i64, Failure> {
    let sql = "SELECT id FROM incident WHERE status = 4 AND resolved_at <= ?1 ORDER BY resolved_at LIMIT ?2";
    let due = {
        let mut statement = tx.connection.prepare_cached(sql)?;
        let rows = statement.query_map([tx.now_ms - after_ms, ROUND], |row| row.get::<_, i64>(0))?;
        rows.collect::<rusqlite::Result<Vec<_>>>()?
    };
    for id in &due {
        lifecycle::close_tx(tx, Number::from_row_id(*id))?;
    }
    Ok(due.len() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_leapt_is_trusted_after_ten_steady_minutes() {
        let day = 24 * 60 * 60 * 1000;
        let minute = 60 * 1000;
        let mut watch = ClockWatch::new(0);
        assert!(watch.trusts(1_000_000), "a new store knows no time to compare with");
        assert!(watch.trusts(1_000_000 + day));
        let leapt = 1_000_000 + 10 * day;
        assert!(!watch.trusts(leapt));
        assert!(!watch.trusts(leapt + 9 * minute));
        assert!(watch.trusts(leapt + 10 * minute));
        assert!(!ClockWatch::new(1).trusts(2 * day), "a leap while nothing ran is one too");
    }
}
