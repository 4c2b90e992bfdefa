//! Keeping a timeline short: the oldest runs of updates and repeats become one entry with a count.

use super::{Change, EntryKind};

/// An entry as far as merging it concerns.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are those of an entry")]
pub struct Run {
    pub id: i64,
    pub at: i64,
    pub kind: EntryKind,
    /// `None`: the incident's integration.
    pub actor: Option<String>,
    pub count: i64,
    pub last_at: i64,
    pub changes: Vec<Change>,
}

/// What [`merge`] decided.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Merged {
    /// Entries that now stand for others too.
    pub rewritten: Vec<Run>,
    /// Entries that another one now stands for.
    pub deleted: Vec<i64>,
    /// How many entries are left.
    pub remaining: i64,
}

/// Merges `entries` (oldest first) until `target` are left, oldest runs first. The first and the newest entry stay as
/// they are: the one tells how it began, the other may yet be counted up.
///
/// Runs of `updated` and `repeated` by one actor are merged first. An incident that flaps has none: then neighbours of
/// any kind but comments are, since the bound must hold for it too.
#[must_use]
pub fn merge(entries: Vec<Run>, target: usize) -> Merged {
    let mut left = entries.len();
    let mut merged = Merged::default();
    let quiet = |run: &Run, next: &Run| {
        let mergeable = |entry: &Run| matches!(entry.kind, EntryKind::Updated | EntryKind::Repeated);
        mergeable(run) && mergeable(next) && run.actor == next.actor
    };
    let entries = merge_runs(entries, target, &mut left, &mut merged, quiet);
    let any = |run: &Run, next: &Run| run.kind != EntryKind::Comment && next.kind != EntryKind::Comment;
    let entries = merge_runs(entries, target, &mut left, &mut merged, any);
    // The second round may delete what the first one rewrote.
    merged.rewritten.retain(|run| !merged.deleted.contains(&run.id));
    merged.rewritten.sort_by_key(|run| run.id);
    merged.rewritten.dedup_by_key(|run| run.id);
    merged.remaining = i64::try_from(entries.len()).unwrap_or(i64::MAX);
    merged
}

fn merge_runs(
    entries: Vec<Run>,
    target: usize,
    left: &mut usize,
    merged: &mut Merged,
    may_join: impl Fn(&Run, &Run) -> bool,
) -> Vec<Run> {
    let newest = entries.len().saturating_sub(1);
    let mut kept: Vec<Run> = Vec::with_capacity(entries.len());
    for (position, entry) in entries.into_iter().enumerate() {
        match kept.last_mut() {
            Some(run) if position > 1 && position < newest && *left > target && may_join(run, &entry) => {
                absorb(run, &entry);
                merged.deleted.push(entry.id);
                merged.rewritten.retain(|earlier| earlier.id != run.id);
                merged.rewritten.push(run.clone());
                *left -= 1;
            }
            _ => kept.push(entry),
        }
    }
    kept
}

/// Makes `run` stand for `next` too: one change per field, from its first value to its last.
fn absorb(run: &mut Run, next: &Run) {
    if run.actor != next.actor {
        run.actor = Some("system".into());
    }
    run.count += next.count;
    run.last_at = next.last_at;
    for change in &next.changes {
        match run.changes.iter_mut().find(|earlier| earlier.field == change.field) {
            Some(earlier) => earlier.to.clone_from(&change.to),
            None => run.changes.push(change.clone()),
        }
    }
    run.changes.retain(|change| change.from != change.to);
    run.kind = if run.changes.is_empty() { EntryKind::Repeated } else { EntryKind::Updated };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(id: i64, kind: EntryKind, changes: &[(&str, &str, &str)]) -> Run {
        let change = |(field, from, to): &(&str, &str, &str)| Change {
            field: (*field).into(),
            from: (*from).into(),
            to: (*to).into(),
        };
        Run {
            id,
            at: id,
            kind,
            actor: None,
            count: 1,
            last_at: id,
            changes: changes.iter().map(change).collect(),
        }
    }

    #[test]
    fn the_oldest_run_becomes_one_entry_from_first_to_last_value() {
        let entries = vec![
            entry(1, EntryKind::Created, &[]),
            entry(2, EntryKind::Updated, &[("title", "1", "2")]),
            entry(3, EntryKind::Repeated, &[]),
            entry(4, EntryKind::Updated, &[("title", "2", "3"), ("severity", "a", "b")]),
            entry(5, EntryKind::Comment, &[]),
            entry(6, EntryKind::Updated, &[("title", "3", "4")]),
            entry(7, EntryKind::Updated, &[("title", "4", "5")]),
            entry(8, EntryKind::Repeated, &[]),
        ];
        let merged = merge(entries, 6);
        assert_eq!((merged.deleted, merged.remaining), (vec![3, 4], 6));
        assert_eq!(merged.rewritten.len(), 1);
        let run = &merged.rewritten[0];
        assert_eq!((run.id, run.at, run.last_at, run.count, run.kind), (2, 2, 4, 3, EntryKind::Updated));
        assert_eq!(
            run.changes,
            entry(0, EntryKind::Updated, &[("title", "1", "3"), ("severity", "a", "b")]).changes
        );
    }

    #[test]
    fn a_flapping_incident_keeps_to_the_bound_too() {
        let flap = |id| match id % 2 {
            0 => entry(id, EntryKind::Resolved, &[("status", "n", "r")]),
            _ => entry(id, EntryKind::Reopened, &[("status", "r", "n")]),
        };
        let entries: Vec<_> =
            std::iter::once(entry(0, EntryKind::Created, &[])).chain((1..1001).map(flap)).collect();
        let total: i64 = entries.iter().map(|entry| entry.count).sum();
        let merged = merge(entries.clone(), 900);
        assert_eq!(merged.remaining, 900);
        let rewritten: i64 = merged.rewritten.iter().map(|run| run.count - 1).sum();
        assert_eq!(merged.remaining + rewritten, total);
        assert!(!merged.deleted.contains(&0) && !merged.deleted.contains(&1000));
    }
}
