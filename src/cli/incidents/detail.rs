//! `firebell incidents show`: all there is to know of one incident, as lines for a person. Pure: it prints nothing.

use serde_json::value::RawValue;

use super::data::{Entry, Incident, time};
use crate::cli::cells::{clean, fit, pad, width, wrap};
use crate::cli::outbox::Notification;
use crate::cli::text::in_severity_colour;
use crate::model::Severity;

/// Where the values of facts begin.
const VALUES: usize = 17;
/// A window less wide has no room to set what was said apart from when.
const WIDE: usize = 60;
/// With less room than this, a text begins on a line of its own.
const LEAST_ROOM: usize = 8;
/// What is shown of an old or a new value in a window: a description may have thousands of characters.
const MOST_OF_A_VALUE: usize = 80;

/// The lines of an incident in a window; without one (a pipe) no line is wrapped or cut.
pub fn lines(incident: &Incident, window: Option<usize>, colours: bool) -> Vec<String> {
    let severity =
        in_severity_colour(&clean(&incident.severity), Severity::parse(&incident.severity), colours);
    let number = clean(&incident.incident_number);
    let mut lines = vec![format!("{number}  {severity}  {}", clean(&incident.status))];
    lines.extend(wrap(&incident.title, window));
    for line in incident.description.as_deref().unwrap_or_default().lines() {
        lines.extend(behind("  ", line, 2, window));
    }
    for (name, value) in facts(incident) {
        // A metadata key may be longer than any name of ours.
        let name = format!("  {} ", pad(&name, VALUES - 3, false));
        let start = match window {
            Some(most) if width(&name) > most => format!("  {}", fit(&name, most.saturating_sub(2))),
            _ => name,
        };
        lines.extend(behind(&start, &value, VALUES, window));
    }
    let (shown, total) = (incident.timeline.len(), incident.timeline_total);
    let newest = if usize::try_from(total) == Ok(shown) { String::new() } else { format!("{shown} of ") };
    let entries = plural(total, "entry", "entries");
    lines.extend(wrap(&format!("timeline, newest first ({newest}{total} {entries})"), window));
    for entry in &incident.timeline {
        let start = format!("  {}  ", time(&entry.at));
        let indent = if window.is_some_and(|most| most < WIDE) { 4 } else { width(&start) };
        lines.extend(behind(&start, &told(entry, window.is_some()), indent, window));
    }
    lines
}

/// Who was told of it, or is yet to be; `total` counts those too that are not among them.
pub fn told_lines(notifications: &[Notification], total: u64, window: Option<usize>) -> Vec<String> {
    if notifications.is_empty() {
        return Vec::new();
    }
    let newest = if total == notifications.len() as u64 {
        String::new()
    } else {
        format!("{} of ", notifications.len())
    };
    let mut lines = wrap(&format!("notifications, newest first ({newest}{total})"), window);
    for one in notifications {
        let start = format!("  {}  ", time(one.shown_at()));
        let indent = if window.is_some_and(|most| most < WIDE) { 4 } else { width(&start) };
        lines.extend(behind(&start, &one.sentence(), indent, window));
    }
    lines
}

fn plural<'a>(count: i64, one: &'a str, many: &'a str) -> &'a str {
    if count == 1 { one } else { many }
}

/// `start` and `text` behind it; where the window is too narrow for them, further lines that begin at `indent`.
fn behind(start: &str, text: &str, indent: usize, window: Option<usize>) -> Vec<String> {
    let mut rest = clean(text);
    let Some(most) = window else { return vec![format!("{start}{rest}")] };
    let indent = indent.min(most / 2);
    let room = most.saturating_sub(width(start));
    let mut first = start.to_owned();
    if room >= LEAST_ROOM {
        let head = wrap(&rest, Some(room)).swap_remove(0);
        rest = rest.split_at(head.len()).1.trim_start().to_owned();
        first += &head;
    }
    let mut lines = vec![first];
    if !rest.is_empty() {
        let further = wrap(&rest, Some(most - indent));
        lines.extend(further.iter().map(|line| format!("{}{line}", " ".repeat(indent))));
    }
    lines
}

fn facts(incident: &Incident) -> Vec<(String, String)> {
    let stamped = |at: &Option<String>, by: &Option<String>| {
        let by = by.as_ref().map(|by| format!(" by {by}")).unwrap_or_default();
        at.as_ref().map(|at| format!("{}{by}", time(at)))
    };
    let service = |(key, name): (&String, &String)| format!("{key} ({name})");
    let services = incident.services.iter().map(|one| service((&one.service_key, &one.name)));
    let known = [
        (
            plural(incident.services.len() as i64, "service", "services"),
            Some(services.collect::<Vec<_>>().join(", ")),
        ),
        ("integration", incident.integration.clone()),
        ("dedup key", incident.dedup_key.clone()),
        ("source", incident.source_url.clone()),
        ("occurrences", Some(incident.occurrences.to_string())),
        ("created", Some(time(&incident.created_at))),
        ("last seen", Some(time(&incident.last_seen_at))),
        ("assigned to", incident.assigned_to.clone()),
        ("acknowledged", stamped(&incident.acknowledged_at, &incident.acknowledged_by)),
        ("resolved", stamped(&incident.resolved_at, &incident.resolved_by)),
        ("closed", stamped(&incident.closed_at, &None)),
    ];
    let known = known.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    let metadata = incident.metadata.iter().map(|(key, value)| (key.clone(), value.get().to_owned()));
    known.chain(metadata).collect()
}

/// An entry as a person reads it: `severity SEV3 → SEV1 by integration:grafana`.
fn told(entry: &Entry, cut: bool) -> String {
    let value = |json: &RawValue| {
        let value = value(json);
        if cut { fit(&value, MOST_OF_A_VALUE) } else { value }
    };
    let changes = entry.changes.iter();
    let changes = changes
        .map(|one| format!("{} {} → {}", one.field.replace('_', " "), value(&one.from), value(&one.to)))
        .collect::<Vec<_>>()
        .join(", ");
    let by = format!("by {}", entry.actor);
    let many =
        (entry.count > 1).then(|| format!("{} times, {}", entry.count, between(&entry.at, &entry.last_at)));
    let mut told = match (entry.kind.as_str(), changes.as_str()) {
        // Who repeats it is who reported it.
        ("repeated", _) => many.map_or_else(|| "repeated".into(), |many| format!("repeated {many}")),
        // The change says it all.
        ("updated" | "status_changed" | "assigned", changes) if !changes.is_empty() => {
            let many = many.map(|many| format!(", {many}")).unwrap_or_default();
            format!("{changes} {by}{many}")
        }
        (kind, changes) => {
            let what = if changes.is_empty() { String::new() } else { format!(": {changes}") };
            format!("{} {by}{what}", kind.replace('_', " "))
        }
    };
    if let Some(message) = &entry.message {
        told += &format!(": {message}");
    }
    told
}

/// A word as it is, all else as JSON.
fn value(json: &RawValue) -> String {
    match serde_json::from_str::<Option<String>>(json.get()) {
        Ok(None) => "nothing".into(),
        Ok(Some(word)) if !word.is_empty() && !word.contains(char::is_whitespace) => word,
        _ => json.get().to_owned(),
    }
}

/// `08:00–09:10`, the times being RFC 3339 in UTC; with the last day where it is another.
fn between(first: &str, last: &str) -> String {
    let day = |time: &str| time.get(..10).unwrap_or(time).to_owned();
    let minute = |time: &str| time.get(11..16).unwrap_or(time).to_owned();
    if first.get(..16) == last.get(..16) {
        return format!("at {}", minute(first));
    }
    let last_day = if day(first) == day(last) { String::new() } else { format!("{} ", day(last)) };
    format!("{}–{last_day}{}", minute(first), minute(last))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn entry(value: Value) -> String {
        told(&serde_json::from_str(&value.to_string()).unwrap(), true)
    }

    #[test]
    fn entries_read_as_sentences() {
        let changes = json!([{ "field": "severity", "from": "SEV3", "to": "SEV1" }]);
        let grafana = "integration:grafana";
        assert_eq!(
            entry(json!({ "kind": "updated", "actor": grafana, "changes": changes, "count": 1 })),
            "severity SEV3 → SEV1 by integration:grafana"
        );
        let (at, last_at) = ("2026-11-23T08:00:00.000Z", "2026-11-23T09:10:59.999Z");
        assert_eq!(
            entry(json!({ "kind": "repeated", "actor": grafana, "count": 43, "at": at, "last_at": last_at })),
            "repeated 43 times, 08:00–09:10"
        );
        let tomorrow = "2026-11-24T09:10:00.000Z";
        assert_eq!(
            entry(
                json!({ "kind": "updated", "actor": grafana, "changes": changes, "count": 3, "at": at, "last_at": tomorrow })
            ),
            "severity SEV3 → SEV1 by integration:grafana, 3 times, 08:00–2026-11-24 09:10"
        );
        let taken = json!([
            { "field": "status", "from": "new", "to": "investigating" },
            { "field": "assigned_to", "from": null, "to": "ops" },
        ]);
        assert_eq!(
            entry(json!({ "kind": "acknowledged", "actor": "ops", "changes": taken, "count": 1 })),
            "acknowledged by ops: status new → investigating, assigned to nothing → ops"
        );
        let title = json!([{ "field": "title", "from": "It is slow", "to": "Down" }]);
        assert_eq!(
            entry(
                json!({ "kind": "updated", "actor": "ops", "changes": title, "count": 1, "message": "Why?" })
            ),
            "title \"It is slow\" → Down by ops: Why?"
        );
        assert_eq!(entry(json!({ "kind": "repeated", "actor": grafana, "count": 1 })), "repeated");
        assert_eq!(
            entry(json!({ "kind": "comment", "actor": "ops", "message": "On it" })),
            "comment by ops: On it"
        );
    }

    #[test]
    fn an_incident_fits_its_window_and_keeps_every_word() {
        let text = "数据库连接池耗尽 and \u{1b}[31mmore words than any window is wide ".repeat(5);
        let incident = json!({
            "incident_number": "INC-2026-001", "title": text, "description": format!("{text}\n  {text}"),
            "severity": "SEV1", "status": "new", "dedup_key": "k".repeat(255),
            "services": [{ "service_key": "SER-00001", "name": "Website" }],
            "metadata": { "a key that is much longer than a name of ours could be": text, "big": 1 },
            "timeline": [{ "at": "2026-11-23T08:00:00.000Z", "kind": "comment", "actor": "ops", "message": text }],
            "timeline_total": 143
        });
        let incident: Incident = serde_json::from_str(&incident.to_string()).unwrap();
        for window in 24..120 {
            for line in lines(&incident, Some(window), false) {
                assert!(width(&line) <= window, "{window}: {line}");
                assert!(!line.contains('\u{1b}'), "{line:?}");
            }
        }
        let words = |lines: &[String]| lines.concat().replace(' ', "");
        let title = words(&lines(&incident, Some(33), false));
        assert!(title.contains(&clean(&text).replace(' ', "")), "{title}");
        let piped = lines(&incident, None, false);
        assert!(piped.contains(&format!("  dedup key      {}", "k".repeat(255))), "{piped:#?}");
        assert!(piped.contains(&"timeline, newest first (1 of 143 entries)".into()), "{piped:#?}");
    }
}
