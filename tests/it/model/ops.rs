//! What can happen, and the request that makes it happen.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::expected::Model;
use crate::server::HOUR;

/// One thing that happens.
#[derive(Clone, Debug)]
pub enum Op {
    /// An alert, to `prod` or to `new`.
    Post { to_new: bool, alert: Alert, dry_run: bool, idempotency: Option<u8> },
    /// The last alert comes again.
    Again,
    /// A person makes an incident.
    Create { title: &'static str, services: Vec<&'static str>, severity: Option<&'static str> },
    /// A person changes one; which one is counted from the newest.
    Patch {
        back: usize,
        title: Option<&'static str>,
        description: Option<Option<&'static str>>,
        severity: Option<&'static str>,
        assigned_to: Option<Option<&'static str>>,
    },
    /// A person moves one.
    Status { back: usize, to: &'static str },
    /// A person takes one.
    Acknowledge { back: usize },
    /// A person says something to one.
    Comment { back: usize },
    /// The clock moves, and the store looks after itself.
    Clock { by_ms: i64 },
    /// The server stops and starts again.
    Restart,
}

/// What an alert says.
#[derive(Clone, Debug)]
pub struct Alert {
    pub key: Option<&'static str>,
    pub status: Option<&'static str>,
    pub severity: Option<&'static str>,
    pub title: &'static str,
    pub description: Option<&'static str>,
    pub metadata: Option<(&'static str, Option<u8>)>,
    pub service: &'static str,
}

impl Alert {
    fn body(&self) -> Value {
        let mut body = json!({ "title": self.title, "service_id": self.service });
        let optional = [
            ("dedup_key", self.key),
            ("status", self.status),
            ("severity", self.severity),
            ("description", self.description),
        ];
        for (name, value) in optional {
            if let Some(value) = value {
                body[name] = value.into();
            }
        }
        if let Some((key, value)) = self.metadata {
            body["metadata"] = json!({ key: value });
        }
        body
    }
}

type Request = (&'static str, String, Vec<(&'static str, String)>, Value);

impl Op {
    /// Method, path, headers and body; `None` if there is no incident to do it to.
    pub fn request(&self, model: &Model) -> Option<Request> {
        let incident = |back: usize, rest: &str| {
            let number = model.back(back)?.number();
            Some(format!("/api/v1/incidents/{number}{rest}"))
        };
        Some(match self {
            Self::Post { to_new, alert, dry_run, idempotency } => {
                let key = if *to_new { "HUSH-new-key-00002" } else { "HUSH-prod-key-0001" };
                let query = if *dry_run { "?dry_run=1" } else { "" };
                let idempotency = idempotency.map(|key| ("Idempotency-Key", key.to_string()));
                ("POST", format!("/webhooks/{key}{query}"), idempotency.into_iter().collect(), alert.body())
            }
            Self::Create { title, services, severity } => {
                let mut body = json!({ "title": title, "service_ids": services });
                if let Some(severity) = severity {
                    body["severity"] = (*severity).into();
                }
                ("POST", "/api/v1/incidents".into(), vec![], body)
            }
            Self::Patch { back, title, description, severity, assigned_to } => {
                let mut body = json!({});
                if let Some(title) = title {
                    body["title"] = (*title).into();
                }
                if let Some(description) = description {
                    body["description"] = (*description).into();
                }
                if let Some(severity) = severity {
                    body["severity"] = (*severity).into();
                }
                if let Some(assigned_to) = assigned_to {
                    body["assigned_to"] = (*assigned_to).into();
                }
                ("PATCH", incident(*back, "")?, vec![], body)
            }
            Self::Status { back, to } => {
                ("POST", incident(*back, "/status")?, vec![], json!({ "status": to }))
            }
            Self::Acknowledge { back } => ("POST", incident(*back, "/acknowledge")?, vec![], json!({})),
            Self::Comment { back } => {
                ("POST", incident(*back, "/events")?, vec![], json!({ "comment": "seen" }))
            }
            Self::Clock { .. } | Self::Restart | Self::Again => return None,
        })
    }
}

/// The same with what comes again spelt out.
pub fn spelt_out(ops: &[Op]) -> Vec<Op> {
    let mut last = None;
    let mut spelt = Vec::with_capacity(ops.len());
    for op in ops {
        match op {
            Op::Again => spelt.extend(last.clone()),
            Op::Post { to_new, alert, .. } => {
                let (to_new, alert) = (*to_new, alert.clone());
                last = Some(Op::Post { to_new, alert, dry_run: false, idempotency: None });
                spelt.push(op.clone());
            }
            other => spelt.push(other.clone()),
        }
    }
    spelt
}

const TITLES: [&str; 3] = ["Disk", "Töne", "三磁盘"];
const SEVERITIES: [&str; 3] = ["SEV0", "SEV1", "SEV2"];

fn maybe(values: &'static [&'static str]) -> impl Strategy<Value = Option<&'static str>> {
    prop::option::of(prop::sample::select(values))
}

fn any_alert() -> impl Strategy<Value = Alert> {
    (
        prop::option::weighted(0.9, prop::sample::select(&["k0", "k1"][..])),
        maybe(&["new", "investigating", "resolved"]),
        maybe(&SEVERITIES),
        prop::sample::select(&TITLES[..]),
        maybe(&["one", "two"]),
        prop::option::of((prop::sample::select(&["a", "b"][..]), prop::option::of(0..3_u8))),
        prop::sample::select(&["web", "web", "SER-00001", "db", "old", "nope"][..]),
    )
        .prop_map(|(key, status, severity, title, description, metadata, service)| Alert {
            key,
            status,
            severity,
            title,
            description,
            metadata,
            service,
        })
}

pub fn any_op() -> impl Strategy<Value = Op> {
    let services = prop::sample::subsequence(vec!["db", "web"], 1..=2);
    let post = (any::<bool>(), any_alert(), prop::bool::weighted(0.1), prop::option::weighted(0.2, 0..2_u8));
    let patch = (
        0..3_usize,
        maybe(&TITLES),
        prop::option::of(maybe(&["one", "two"])),
        maybe(&SEVERITIES),
        prop::option::of(maybe(&["ann", "bob"])),
    );
    let statuses =
        &["new", "investigating", "investigating", "fixing", "monitoring", "resolved", "resolved", "closed"]
            [..];
    let steps = &[1000, HOUR, 20 * HOUR, 20 * HOUR, -HOUR][..];
    prop_oneof![
        10 => post.prop_map(|(to_new, alert, dry_run, idempotency)| Op::Post { to_new, alert, dry_run, idempotency }),
        6 => Just(Op::Again),
        1 => (prop::sample::select(&TITLES[..]), services, maybe(&SEVERITIES))
            .prop_map(|(title, services, severity)| Op::Create { title, services, severity }),
        3 => patch.prop_map(|(back, title, description, severity, assigned_to)| Op::Patch {
            back, title, description, severity, assigned_to
        }),
        3 => (0..3_usize, prop::sample::select(statuses)).prop_map(|(back, to)| Op::Status { back, to }),
        1 => (0..3_usize).prop_map(|back| Op::Acknowledge { back }),
        1 => (0..3_usize).prop_map(|back| Op::Comment { back }),
        2 => prop::sample::select(steps).prop_map(|by_ms| Op::Clock { by_ms }),
        1 => Just(Op::Restart),
    ]
}
