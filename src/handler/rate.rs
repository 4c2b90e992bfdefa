//! So many requests a minute, on average.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::error::{Error, Kind};

const MINUTE_US: i64 = 60_000_000;

/// Integrations and tokens are named apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SenderKind {
    /// By a routing key.
    Integration,
    /// By an API token.
    Token,
}

/// The generic cell rate algorithm: one number per sender, the time at which all its requests so far would have been
/// due had they come evenly. A minute's worth may come at once. There are as many entries as integrations and
/// tokens have been configured.
#[derive(Debug, Default)]
pub struct RateLimits {
    due_us: Mutex<HashMap<(SenderKind, String), i64>>,
}

impl RateLimits {
    /// Counts a request of `sender`, who may send `per_minute`; 0: any number.
    ///
    /// # Errors
    /// `rate_limited`, with the seconds to wait; the request was not counted.
    pub fn check(&self, kind: SenderKind, sender: &str, per_minute: u32, now_ms: i64) -> Result<(), Error> {
        if per_minute == 0 {
            return Ok(());
        }
        let now_us = now_ms * 1000;
        let mut all = self.due_us.lock().unwrap_or_else(PoisonError::into_inner);
        let due = all.entry((kind, sender.to_owned())).or_insert(now_us);
        // Not before now, nor further ahead than a minute: the clock may have gone back.
        *due = (*due).clamp(now_us, now_us + MINUTE_US);
        let next = *due + MINUTE_US / i64::from(per_minute);
        let wait_us = next - now_us - MINUTE_US;
        if wait_us > 0 {
            let wait_s = wait_us.unsigned_abs().div_ceil(1_000_000);
            let message = format!("more than {per_minute} requests a minute; try again in {wait_s} s");
            let mut error = Error::new(Kind::RateLimited, message);
            error.retry_after_s = Some(wait_s);
            return Err(error);
        }
        *due = next;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minutes_worth_may_come_at_once_and_then_evenly() {
        let limits = RateLimits::default();
        let passed =
            |now_ms| (0..100).filter(|_| limits.check(SenderKind::Token, "a", 6, now_ms).is_ok()).count();
        assert_eq!(passed(0), 6);
        assert_eq!(limits.check(SenderKind::Token, "a", 6, 0).unwrap_err().retry_after_s, Some(10));
        assert_eq!(passed(10_000), 1);
        assert_eq!(passed(70_000), 6);
        assert!(limits.check(SenderKind::Token, "b", 6, 0).is_ok(), "each sender has its own");
        assert_eq!(passed(0), 0, "a clock that went back does not lock anybody out for longer than a minute");
        assert_eq!(passed(60_000), 6);
    }
}
