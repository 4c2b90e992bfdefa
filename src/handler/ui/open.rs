//! How much is open.

use std::sync::{Arc, Mutex, PoisonError};

use super::super::Handler;
use super::Visit;
use crate::error::Error;
use crate::model::{Severity, Status};
use crate::registry::Scope;
use crate::reply::Page;

/// How many incidents are not closed, by severity, status and service.
#[derive(Debug, Default)]
pub struct OpenCounts(Vec<(Severity, Status, String, i64)>);

impl OpenCounts {
    /// All that are open.
    pub fn total(&self) -> i64 {
        self.count(|_, status| status.is_open())
    }

    /// Those that are counted.
    pub fn count(&self, counted: impl Fn(Severity, Status) -> bool) -> i64 {
        let all = self.0.iter().filter(|(severity, status, _, _)| counted(*severity, *status));
        all.map(|(_, _, _, count)| count).sum()
    }

    /// Those that are open and whose first service it is.
    pub fn about(&self, service: &str) -> i64 {
        let all = self.0.iter().filter(|(_, status, id, _)| status.is_open() && id == service);
        all.map(|(_, _, _, count)| count).sum()
    }
}

/// The last counts, and the newest timeline entry that there was before they were made: as long as there is no newer
/// one, they are right.
#[derive(Debug, Default)]
pub struct LastCounts(Mutex<Option<(i64, Arc<OpenCounts>)>>);

impl Handler {
    /// `GET /open`: how many incidents are open, for pages of which nothing else follows.
    pub(super) async fn open_page(&self, visit: &Visit<'_>) -> Result<Page, Error> {
        visit.check(Scope::IncidentsRead)?;
        let body = self.open_incidents().await?.total().to_string().into();
        Ok(Page { status: 200, content_type: "text/plain; charset=utf-8", headers: Vec::new(), body })
    }

    /// What is open now. Counting walks over all of it, so it is done once for each change at most.
    pub(super) async fn open_incidents(&self) -> Result<Arc<OpenCounts>, Error> {
        let newest = self.store.newest_entry();
        let last = self.open_counts.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((_, counts)) = last.filter(|(counted, _)| *counted == newest) {
            return Ok(counts);
        }
        let counts = Arc::new(OpenCounts(self.store.census().await?.not_closed));
        let known = (newest, Arc::clone(&counts));
        *self.open_counts.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(known);
        Ok(counts)
    }
}
