//! Incident numbers: `INC-2026-001`.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Sequences a year has room for; the store's row id is `year × 10^10 + sequence`.
const SEQUENCES: i64 = 10_000_000_000;

/// The number of an incident: the UTC year and a sequence that starts at 1 in every year.
///
/// Numbers order as incidents were recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Number {
    /// The UTC year.
    pub year: i16,
    /// The place in that year, from 1.
    pub sequence: i64,
}

impl Number {
    /// The number that `text` writes: `INC-`, the year, `-`, at least three digits without further leading zeros.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (year, sequence) = text.strip_prefix("INC-")?.split_once('-')?;
        let number = Self { year: year.parse().ok()?, sequence: sequence.parse().ok()? };
        // What does not read back the same (`INC-2026-0001`, `INC-+2026-1`) is another text, not this number.
        (number.to_string() == text && (1..SEQUENCES).contains(&number.sequence)).then_some(number)
    }

    /// The row id that the store keeps the incident under.
    #[must_use]
    pub const fn to_row_id(self) -> i64 {
        self.year as i64 * SEQUENCES + self.sequence
    }

    /// The number of the incident that the store keeps under `row_id`.
    #[must_use]
    pub const fn from_row_id(row_id: i64) -> Self {
        Self { year: (row_id / SEQUENCES) as i16, sequence: row_id % SEQUENCES }
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "INC-{}-{:03}", self.year, self.sequence)
    }
}

#[cfg(test)]
mod tests {
    use super::Number;

    #[test]
    fn a_number_reads_back() {
        for text in ["INC-2026-001", "INC-2026-999", "INC-2026-1000", "INC-2031-9999999999"] {
            let number = Number::parse(text).unwrap();
            assert_eq!(number.to_string(), text);
            assert_eq!(Number::from_row_id(number.to_row_id()), number);
        }
        for text in
            ["", "INC-2026", "INC-2026-1", "INC-2026-0001", "INC-2026-000", "inc-2026-001", "INC-26-x"]
        {
            assert_eq!(Number::parse(text), None, "{text}");
        }
    }

    #[test]
    fn numbers_order_as_they_were_given_out() {
        let id = |text| Number::parse(text).unwrap().to_row_id();
        assert!(id("INC-2026-999") < id("INC-2026-1000"));
        assert!(id("INC-2026-1000") < id("INC-2027-001"));
    }
}
