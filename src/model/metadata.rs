//! Metadata of an incident: a JSON object kept as text, so that numbers read back exactly as they were sent.

use super::Change;
use crate::json::{self, Json, push_quoted};

/// What merging an alert's metadata into an incident's came to.
#[derive(Debug, PartialEq, Eq)]
pub struct MergedMetadata {
    /// The object after it.
    pub metadata: String,
    /// One change per key.
    pub changes: Vec<Change>,
    /// Stored keys that had to go.
    pub dropped: Vec<String>,
}

/// The metadata of a new incident.
#[must_use]
pub fn of_new(sent: &[(String, Option<String>)]) -> String {
    let pairs = sent.iter().filter_map(|(key, value)| Some((key.as_str(), value.as_deref()?)));
    to_object(pairs)
}

/// Merges `sent` into the stored object key by key; a sent `None` removes its key. Where more than `most` keys would
/// result, stored ones that were not sent are dropped, oldest first. `None`: nothing changes.
#[must_use]
pub fn merge(stored: &str, sent: &[(String, Option<String>)], most: usize) -> Option<MergedMetadata> {
    if sent.is_empty() || of_new(sent) == stored {
        return None;
    }
    let mut pairs: Vec<(String, String)> = read(stored);
    let mut changes = Vec::new();
    for (key, value) in sent {
        let position = pairs.iter().position(|(known, _)| known == key);
        match (position, value) {
            (Some(at), Some(new)) if pairs[at].1 != *new => {
                changes.push(change(key, Some(&pairs[at].1), Some(new)));
                pairs[at].1.clone_from(new);
            }
            (Some(at), None) => {
                changes.push(change(key, Some(&pairs.remove(at).1), None));
            }
            (None, Some(new)) => {
                changes.push(change(key, None, Some(new)));
                pairs.push((key.clone(), new.clone()));
            }
            (Some(_), Some(_)) | (None, None) => {}
        }
    }
    let mut dropped = Vec::new();
    while pairs.len() > most {
        let unsent = |(key, _): &(String, String)| !sent.iter().any(|(named, _)| named == key);
        let Some(at) = pairs.iter().position(unsent) else { break };
        let (key, value) = pairs.remove(at);
        changes.push(change(&key, Some(&value), None));
        dropped.push(key);
    }
    if changes.is_empty() {
        return None;
    }
    let metadata = to_object(pairs.iter().map(|(key, value)| (key.as_str(), value.as_str())));
    Some(MergedMetadata { metadata, changes, dropped })
}

fn read(stored: &str) -> Vec<(String, String)> {
    match json::parse(stored.as_bytes()) {
        Ok(Json::Object(members)) => {
            members.into_iter().map(|(key, value)| (key.into_owned(), value.to_compact())).collect()
        }
        _ => Vec::new(),
    }
}

fn to_object<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let mut out = String::with_capacity(128);
    out.push('{');
    for (key, value) in pairs {
        if out.len() > 1 {
            out.push(',');
        }
        push_quoted(&mut out, key);
        out.push(':');
        out.push_str(value);
    }
    out.push('}');
    out
}

fn change(key: &str, from: Option<&str>, to: Option<&str>) -> Change {
    let json = |value: Option<&str>| value.unwrap_or("null").to_owned();
    Change { field: format!("metadata.{key}"), from: json(from), to: json(to) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(pairs: &[(&str, Option<&str>)]) -> Vec<(String, Option<String>)> {
        pairs.iter().map(|(key, value)| ((*key).into(), value.map(Into::into))).collect()
    }

    #[test]
    fn keys_are_added_replaced_and_removed() {
        let alert = sent(&[("a", Some("1.10")), ("b", None), ("c", Some("\"x\"")), ("gone", None)]);
        let merged = merge(r#"{"a":1.1,"b":[2],"d":4}"#, &alert, 10).unwrap();
        assert_eq!(merged.metadata, r#"{"a":1.10,"d":4,"c":"x"}"#);
        let fields: Vec<_> =
            merged.changes.iter().map(|c| (c.field.as_str(), c.from.as_str(), c.to.as_str())).collect();
        assert_eq!(
            fields,
            [("metadata.a", "1.1", "1.10"), ("metadata.b", "[2]", "null"), ("metadata.c", "null", "\"x\"")]
        );
        assert!(merged.dropped.is_empty());
    }

    #[test]
    fn what_changes_nothing_is_no_change() {
        assert_eq!(merge(r#"{"a":1}"#, &[], 10), None);
        assert_eq!(merge(r#"{"a":1}"#, &sent(&[("a", Some("1"))]), 10), None);
        assert_eq!(merge(r#"{"b":2,"a":1}"#, &sent(&[("a", Some("1")), ("x", None)]), 10), None);
    }

    #[test]
    fn beyond_the_limit_the_oldest_unnamed_keys_go() {
        let alert = sent(&[("c", Some("4")), ("d", Some("5")), ("e", Some("6"))]);
        let merged = merge(r#"{"a":1,"b":2,"c":3}"#, &alert, 3).unwrap();
        assert_eq!(merged.metadata, r#"{"c":4,"d":5,"e":6}"#);
        assert_eq!(merged.dropped, ["a", "b"]);
    }

    #[test]
    fn a_new_incident_starts_without_removed_keys() {
        assert_eq!(of_new(&sent(&[("a", None), ("b\"", Some("1e400"))])), r#"{"b\"":1e400}"#);
    }
}
