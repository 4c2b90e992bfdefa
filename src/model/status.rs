//! Where an incident stands, and where it may go from there.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The status of an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs, reason = "the names are the meaning")]
pub enum Status {
    New,
    Investigating,
    Fixing,
    Monitoring,
    Resolved,
    Closed,
}

impl Status {
    /// Every status, in the order of an incident's life.
    pub const ALL: [Self; 6] =
        [Self::New, Self::Investigating, Self::Fixing, Self::Monitoring, Self::Resolved, Self::Closed];

    /// The name that clients read and write.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Investigating => "investigating",
            Self::Fixing => "fixing",
            Self::Monitoring => "monitoring",
            Self::Resolved => "resolved",
            Self::Closed => "closed",
        }
    }

    /// The status of exactly that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == name)
    }

    /// Neither resolved nor closed.
    #[must_use]
    pub const fn is_open(self) -> bool {
        !matches!(self, Self::Resolved | Self::Closed)
    }

    /// Whether a person may move an incident from here to `to`.
    ///
    /// | from | to |
    /// |---|---|
    /// | new | investigating, fixing, monitoring, resolved, closed |
    /// | investigating, fixing, monitoring | each other, resolved, closed |
    /// | resolved | investigating (re-open), closed |
    /// | closed | nothing |
    #[must_use]
    pub const fn may_become(self, to: Self) -> bool {
        use Status::{Closed, Fixing, Investigating, Monitoring, New, Resolved};
        match (self, to) {
            (Closed, _) | (_, New) | (Resolved, Resolved) => false,
            (Resolved, to) => matches!(to, Investigating | Closed),
            (Investigating, Investigating) | (Fixing, Fixing) | (Monitoring, Monitoring) => false,
            (New | Investigating | Fixing | Monitoring, _) => true,
        }
    }

    /// All that [`Status::may_become`] allows from here.
    #[must_use]
    pub fn allowed(self) -> Vec<Self> {
        Self::ALL.into_iter().filter(|to| self.may_become(*to)).collect()
    }

    /// The number that the store keeps: 0 for `new`, 5 for `closed`.
    #[must_use]
    pub const fn to_stored(self) -> i64 {
        self as i64
    }

    /// The status that the store kept as `stored`.
    #[must_use]
    pub fn from_stored(stored: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.to_stored() == stored)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::Status;

    #[test]
    fn the_machine_is_the_contracts() {
        let allowed =
            |from: Status| from.allowed().into_iter().map(Status::as_str).collect::<Vec<_>>().join(" ");
        assert_eq!(allowed(Status::New), "investigating fixing monitoring resolved closed");
        assert_eq!(allowed(Status::Investigating), "fixing monitoring resolved closed");
        assert_eq!(allowed(Status::Fixing), "investigating monitoring resolved closed");
        assert_eq!(allowed(Status::Monitoring), "investigating fixing resolved closed");
        assert_eq!(allowed(Status::Resolved), "investigating closed");
        assert_eq!(allowed(Status::Closed), "");
    }

    #[test]
    fn stored_numbers_are_the_schemas() {
        for (stored, status) in Status::ALL.into_iter().enumerate() {
            assert_eq!(status.to_stored(), i64::try_from(stored).unwrap());
            assert_eq!(Status::from_stored(status.to_stored()), Some(status));
            assert_eq!(Status::parse(status.as_str()), Some(status));
        }
    }
}
