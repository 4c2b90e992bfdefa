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
    /// A person said something with it.
    pub has_message: bool,
    pub count: i64,
    pub last_at: i64,
    pub changes: Vec<Change>,
}

/// Merges `entries` (oldest first) until `target` are left, oldest runs first, and returns those. The first and the
/// newest entry stay as they are: the one tells how it began, the other may yet be counted up.
///
/// Runs of `updated` and `repeated` by one actor are merged first. An incident that flaps has none: then neighbours of
/// any kind are, since the bound must hold for it too, and what people said goes last.
#[must_use]
pub fn merge(entries: Vec<Run>, target: usize) -> Vec<Run> {
    let quiet =
        |entry: &Run| matches!(entry.kind, EntryKind::Updated | EntryKind::Repeated) && !entry.has_message;
    let entries =
        merge_runs(entries, target, |run, next| quiet(run) && quiet(next) && run.actor == next.actor);
    let entries = merge_runs(entries, target, |run, next| !run.has_message && !next.has_message);
    merge_runs(entries, target, |_, _| true)
}

fn merge_runs(entries: Vec<Run>, target: usize, may_join: impl Fn(&Run, &Run) -> bool) -> Vec<Run> {
    let mut excess = entries.len().saturating_sub(target);
    let newest = entries.len().saturating_sub(1);
    let mut kept: Vec<Run> = Vec::with_capacity(entries.len());
    for (position, entry) in entries.into_iter().enumerate() {
        match kept.last_mut() {
            Some(run) if position > 1 && position < newest && excess > 0 && may_join(run, &entry) => {
                absorb(run, &entry);
                excess -= 1;
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
    run.has_message |= next.has_message;
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
            has_message: false,
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
        let left = merge(entries.clone(), 6);
        assert_eq!(left.iter().map(|run| run.id).collect::<Vec<_>>(), [1, 2, 5, 6, 7, 8]);
        let run = &left[1];
        assert_eq!((run.at, run.last_at, run.count, run.kind), (2, 4, 3, EntryKind::Updated));
        let changes = entry(0, EntryKind::Updated, &[("title", "1", "3"), ("severity", "a", "b")]).changes;
        assert_eq!(run.changes, changes);
        assert_eq!(left[2..], entries[4..]);
    }

    #[test]
    fn a_flapping_incident_keeps_to_the_bound_and_what_people_said() {
        let flap = |id: i64| Run {
            has_message: id % 3 == 0,
            ..match id % 2 {
                0 => entry(id, EntryKind::Resolved, &[("status", "n", "r")]),
                _ => entry(id, EntryKind::Reopened, &[("status", "r", "n")]),
            }
        };
        let entries: Vec<_> =
            std::iter::once(entry(0, EntryKind::Created, &[])).chain((1..1001).map(flap)).collect();
        let said = |entries: &[Run]| entries.iter().filter(|entry| entry.has_message).count();
        let left = merge(entries.clone(), 900);
        assert_eq!((left.len(), said(&left)), (900, said(&entries)));
        assert_eq!(left.iter().map(|run| run.count).sum::<i64>(), 1001);
        assert_eq!((left[0].clone(), left[899].clone()), (entries[0].clone(), entries[1000].clone()));
        assert_eq!(merge(entries, 300).len(), 300, "the bound comes before what people said");
    }
}
