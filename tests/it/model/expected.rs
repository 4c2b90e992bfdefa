//! The model: what the contract says of dedup, updates, lifecycle and numbers, as plainly as it can be said.

use std::collections::{BTreeMap, HashMap};

use firebell::clock::rfc3339;
use serde_json::{Value, json};

use super::ops::{Alert, Op};
use crate::server::{DAY, HOUR};

/// An answer.
#[derive(Clone, Debug)]
pub struct Expected {
    pub status: u16,
    pub code: &'static str,
    /// The members that are compared; warnings as sorted codes.
    pub data: Value,
    pub replayed: bool,
}

fn done(status: u16, data: Value) -> Expected {
    Expected { status, code: "", data, replayed: false }
}

fn refused(status: u16, code: &'static str) -> Expected {
    Expected { status, code, data: Value::Null, replayed: false }
}

#[derive(Clone, Debug)]
pub struct Incident {
    pub sequence: u32,
    pub title: String,
    pub description: Option<String>,
    pub severity: String,
    pub status: &'static str,
    pub services: Vec<&'static str>,
    pub integration: Option<&'static str>,
    pub key: Option<String>,
    pub last_seen: i64,
    holds: bool,
    metadata: BTreeMap<&'static str, u8>,
    occurrences: i64,
    assigned_to: Option<String>,
    acknowledged: Option<i64>,
    resolved: Option<(i64, String)>,
    closed: Option<i64>,
    created: i64,
    updated: i64,
    /// What a person set.
    kept: Vec<&'static str>,
    timeline: Vec<(&'static str, i64, String)>,
}

impl Incident {
    pub fn number(&self) -> String {
        format!("INC-2026-{:03}", self.sequence)
    }

    pub fn view(&self) -> Value {
        let time = |time: Option<i64>| time.map(rfc3339);
        json!({
            "title": self.title, "description": self.description, "severity": self.severity, "status": self.status,
            "service_ids": self.services, "integration": self.integration, "dedup_key": self.key,
            "metadata": self.metadata, "occurrences": self.occurrences, "assigned_to": self.assigned_to,
            "acknowledged_at": time(self.acknowledged), "acknowledged_by": self.acknowledged.map(|_| "local"),
            "resolved_at": time(self.resolved.as_ref().map(|one| one.0)),
            "resolved_by": self.resolved.as_ref().map(|one| &one.1), "closed_at": time(self.closed),
            "created_at": rfc3339(self.created), "updated_at": rfc3339(self.updated),
            "last_seen_at": rfc3339(self.last_seen), "timeline_total": self.timeline.len(), "timeline": self.timeline,
        })
    }

    fn is_open(&self) -> bool {
        !matches!(self.status, "resolved" | "closed")
    }

    fn reopen(&mut self, status: &'static str) {
        self.status = status;
        self.acknowledged = None;
        self.resolved = None;
        self.kept.clear();
    }

    fn tell(&mut self, kind: &'static str, actor: &str, now: i64) {
        self.updated = now;
        self.timeline.push((kind, 1, actor.into()));
    }
}

#[derive(Clone, Debug)]
pub struct Model {
    now: i64,
    pub incidents: Vec<Incident>,
    /// By integration and key: when, the body, the answer.
    idempotency: HashMap<(bool, u8), (i64, String, Expected)>,
}

impl Model {
    pub fn new(now: i64) -> Self {
        Self { now, incidents: Vec::new(), idempotency: HashMap::new() }
    }

    /// The incident that is so many before the newest.
    pub fn back(&self, back: usize) -> Option<&Incident> {
        self.incidents.iter().rev().nth(back)
    }

    /// Closes what has been resolved for a day.
    pub fn advance(&mut self, by_ms: i64) {
        self.now += by_ms;
        let now = self.now;
        for incident in self.incidents.iter_mut().filter(|one| one.status == "resolved") {
            if incident.resolved.as_ref().is_some_and(|(at, _)| *at <= now - DAY) {
                (incident.status, incident.holds, incident.closed) = ("closed", false, Some(now));
                incident.tell("closed", "system", now);
            }
        }
    }

    pub fn apply(&mut self, op: &Op, body: &str) -> Expected {
        match op {
            Op::Post { to_new, alert, dry_run: true, idempotency } => {
                let mut trial = self.clone();
                let mut expected = match trial.replay(*to_new, *idempotency, body) {
                    Some(replayed) => return replayed,
                    None => trial.post(*to_new, alert),
                };
                if expected.status == 201 {
                    expected.status = 200;
                    expected.data["incident_number"] = Value::Null;
                }
                expected
            }
            Op::Post { to_new, alert, idempotency, .. } => {
                if let Some(replayed) = self.replay(*to_new, *idempotency, body) {
                    return replayed;
                }
                let expected = self.post(*to_new, alert);
                if let (Some(key), 200..300) = (idempotency, expected.status) {
                    self.idempotency.insert((*to_new, *key), (self.now, body.into(), expected.clone()));
                }
                expected
            }
            Op::Create { title, services, severity } => self.create(title, services, *severity),
            Op::Patch { back, title, description, severity, assigned_to } => {
                if title.is_none() && description.is_none() && severity.is_none() && assigned_to.is_none() {
                    return refused(400, "validation_error");
                }
                self.patch(*back, *title, *description, *severity, *assigned_to)
            }
            Op::Status { back, to } => self.set_status(*back, to),
            Op::Acknowledge { back } => self.acknowledge(*back),
            Op::Comment { back } => {
                let (now, incident) = self.at(*back);
                incident.tell("comment", "local", now);
                done(201, json!({ "kind": "comment", "actor": "local", "message": "seen", "count": 1 }))
            }
            Op::Again | Op::Clock { .. } | Op::Restart => unreachable!("no request"),
        }
    }

    fn at(&mut self, back: usize) -> (i64, &mut Incident) {
        (self.now, self.incidents.iter_mut().rev().nth(back).unwrap())
    }

    fn replay(&self, to_new: bool, key: Option<u8>, body: &str) -> Option<Expected> {
        let (at, first, answer) = self.idempotency.get(&(to_new, key?))?;
        if *at <= self.now - 24 * HOUR {
            return None;
        }
        Some(match first == body {
            true => Expected { replayed: true, ..answer.clone() },
            false => refused(409, "idempotency_conflict"),
        })
    }

    fn post(&mut self, to_new: bool, alert: &Alert) -> Expected {
        let integration = if to_new { "new" } else { "prod" };
        let status = alert.status.unwrap_or("new");
        let service = match alert.service {
            "web" | "SER-00001" => Ok("SER-00001"),
            "db" => Ok("SER-00002"),
            "old" => Err("inactive_service"),
            _ => Err("unknown_service"),
        };
        let holds = |one: &&mut Incident| {
            one.holds && one.integration == Some(integration) && one.key.as_deref() == alert.key
        };
        let (now, count) = (self.now, self.incidents.len());
        let holder = self.incidents.iter_mut().find(holds);
        let (outcome, incident, mut warnings) = match holder {
            Some(incident) => {
                let (outcome, warnings) = update(incident, alert, status, service, now);
                if incident.status == "resolved" && to_new {
                    incident.holds = false;
                }
                (outcome, &*incident, warnings)
            }
            None if status == "resolved" && alert.key.is_some() && to_new => {
                let data = json!({ "outcome": "ignored", "incident_number": null, "occurrences": 0, "warnings": [] });
                return done(200, data);
            }
            None => {
                let Ok(service) = service else { return refused(400, "validation_error") };
                let by = format!("integration:{integration}");
                let resolved = status == "resolved";
                self.incidents.push(Incident {
                    sequence: count as u32 + 1,
                    title: alert.title.into(),
                    description: alert.description.map(Into::into),
                    severity: alert.severity.unwrap_or("SEV2").into(),
                    status,
                    services: vec![service],
                    integration: Some(integration),
                    key: alert.key.map(Into::into),
                    holds: alert.key.is_some(),
                    metadata: alert
                        .metadata
                        .into_iter()
                        .filter_map(|(key, value)| Some((key, value?)))
                        .collect(),
                    occurrences: 1,
                    assigned_to: None,
                    acknowledged: None,
                    resolved: resolved.then(|| (now, by.clone())),
                    closed: None,
                    created: now,
                    updated: now,
                    last_seen: now,
                    kept: vec![],
                    timeline: vec![("created", 1, by)],
                });
                ("created", &self.incidents[count], vec![])
            }
        };
        warnings.sort_unstable();
        let data = json!({
            "outcome": outcome, "incident_number": incident.number(), "status": incident.status,
            "severity": incident.severity, "service_id": incident.services[0], "dedup_key": incident.key,
            "occurrences": incident.occurrences, "warnings": warnings,
        });
        done(if outcome == "created" { 201 } else { 200 }, data)
    }

    fn create(&mut self, title: &str, services: &[&'static str], severity: Option<&str>) -> Expected {
        let id = |service: &&'static str| if *service == "web" { "SER-00001" } else { "SER-00002" };
        self.incidents.push(Incident {
            sequence: self.incidents.len() as u32 + 1,
            title: title.into(),
            description: None,
            severity: severity.unwrap_or("SEV2").into(),
            status: "new",
            services: services.iter().map(id).collect(),
            integration: None,
            key: None,
            holds: false,
            metadata: BTreeMap::new(),
            occurrences: 1,
            assigned_to: None,
            acknowledged: None,
            resolved: None,
            closed: None,
            created: self.now,
            updated: self.now,
            last_seen: self.now,
            kept: vec![],
            timeline: vec![("created", 1, "local".into())],
        });
        done(201, self.incidents.last().map(said).unwrap())
    }

    fn patch(
        &mut self,
        back: usize,
        title: Option<&'static str>,
        description: Option<Option<&'static str>>,
        severity: Option<&'static str>,
        assigned_to: Option<Option<&'static str>>,
    ) -> Expected {
        let (now, incident) = self.at(back);
        if incident.status == "closed" {
            return refused(409, "invalid_transition");
        }
        let before = incident.clone();
        if let Some(title) = title {
            incident.title = title.into();
            incident.kept.push("title");
        }
        if let Some(description) = description {
            incident.description = description.map(Into::into);
            incident.kept.push("description");
        }
        if let Some(severity) = severity {
            incident.severity = severity.into();
            incident.kept.push("severity");
        }
        if let Some(assigned_to) = assigned_to {
            incident.assigned_to = assigned_to.map(Into::into);
        }
        let told = |one: &Incident| (one.title.clone(), one.description.clone(), one.severity.clone());
        if told(&before) != told(incident) {
            incident.tell("updated", "local", now);
        } else if before.assigned_to != incident.assigned_to {
            incident.tell("assigned", "local", now);
        }
        done(200, said(incident))
    }

    fn set_status(&mut self, back: usize, to: &'static str) -> Expected {
        let all = self.incidents.clone();
        let (now, incident) = self.at(back);
        let from = incident.status;
        let allowed = match (from, to) {
            ("closed", _) | (_, "new") => false,
            ("resolved", to) => matches!(to, "investigating" | "closed"),
            (from, to) => from != to,
        };
        let same_key = |one: &Incident| {
            one.holds
                && one.integration == incident.integration
                && one.key == incident.key
                && one.key.is_some()
        };
        let taken =
            from == "resolved" && to == "investigating" && !incident.holds && all.iter().any(same_key);
        if !allowed || taken {
            return refused(409, "invalid_transition");
        }
        match to {
            "resolved" => {
                incident.status = to;
                incident.resolved = Some((now, "local".into()));
                incident.holds &= incident.integration != Some("new");
                incident.tell("resolved", "local", now);
            }
            "closed" => {
                (incident.status, incident.holds, incident.closed) = (to, false, Some(now));
                incident.tell("closed", "local", now);
            }
            _ if from == "resolved" => {
                incident.reopen(to);
                incident.holds = incident.key.is_some();
                incident.tell("reopened", "local", now);
            }
            _ => {
                incident.status = to;
                incident.tell("status_changed", "local", now);
            }
        }
        done(200, said(incident))
    }

    fn acknowledge(&mut self, back: usize) -> Expected {
        let (now, incident) = self.at(back);
        if !incident.is_open() {
            return refused(409, "invalid_transition");
        }
        if incident.acknowledged.is_some() {
            return refused(409, "already_acknowledged");
        }
        incident.acknowledged = Some(now);
        incident.assigned_to.get_or_insert_with(|| "local".into());
        if incident.status == "new" {
            incident.status = "investigating";
        }
        incident.tell("acknowledged", "local", now);
        done(200, said(incident))
    }
}

/// What a request to change an incident answers.
fn said(incident: &Incident) -> Value {
    let mut view = incident.view();
    view.as_object_mut().unwrap().retain(|name, _| !name.starts_with("timeline"));
    view["incident_number"] = incident.number().into();
    view
}

/// An alert that comes to the incident that holds its key.
fn update(
    incident: &mut Incident,
    alert: &Alert,
    status: &'static str,
    service: Result<&'static str, &'static str>,
    now: i64,
) -> (&'static str, Vec<&'static str>) {
    let before = incident.clone();
    let mut warnings = vec![];
    match (incident.status, status) {
        ("resolved", "resolved") => {}
        ("resolved", status) => incident.reopen(status),
        (_, "resolved") => {
            incident.status = status;
            incident.resolved = Some((now, format!("integration:{}", incident.integration.unwrap())));
        }
        ("new", "investigating") => incident.status = status,
        _ => {}
    }
    let mut may_set = |field: &str, differs: bool| {
        let kept = incident.kept.contains(&field);
        if differs && kept {
            warnings.push("kept");
        }
        differs && !kept
    };
    if may_set("title", incident.title != alert.title) {
        incident.title = alert.title.into();
    }
    let description = alert.description.map(String::from);
    if may_set("description", description.is_some() && incident.description != description) {
        incident.description = description;
    }
    let severity = alert.severity.unwrap_or(&before.severity);
    if may_set("severity", incident.severity != severity) {
        incident.severity = severity.into();
    }
    match service {
        Ok(service) => incident.services = vec![service],
        Err(code) => warnings.push(code),
    }
    match alert.metadata {
        Some((key, Some(value))) => drop(incident.metadata.insert(key, value)),
        Some((key, None)) => drop(incident.metadata.remove(key)),
        None => {}
    }
    incident.occurrences += 1;
    incident.last_seen = now;
    let told = |one: &Incident| {
        let fields = (one.title.clone(), one.description.clone(), one.severity.clone());
        (one.status, fields, one.services.clone(), one.metadata.clone())
    };
    let by = format!("integration:{}", incident.integration.unwrap());
    let (outcome, kind) = match (before.status, incident.status) {
        ("resolved", status) if status != "resolved" => ("reopened", "reopened"),
        (before, "resolved") if before != "resolved" => ("resolved", "resolved"),
        _ if told(&before) == told(incident) => {
            match incident.timeline.last_mut() {
                Some((kind, count, _)) if *kind == "repeated" => *count += 1,
                _ => incident.timeline.push(("repeated", 1, by)),
            }
            return ("repeated", warnings);
        }
        (before, now) if before != now => ("updated", "status_changed"),
        _ => ("updated", "updated"),
    };
    incident.tell(kind, &by, now);
    (outcome, warnings)
}
