//! How the store keeps what has a name: as small numbers, which `schema.sql` lists.

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ValueRef};

use crate::model::{EntryKind, Held, Reason, Severity, Standing, Status};

macro_rules! from_stored {
    ($($kind:ty),*) => {$(
        impl FromSql for $kind {
            fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
                let stored = value.as_i64()?;
                Self::from_stored(stored).ok_or(FromSqlError::OutOfRange(stored))
            }
        }
    )*};
}

from_stored!(EntryKind, Held, Reason, Severity, Standing, Status);
