//! Reading back one incident and its timeline.

use rusqlite::{Connection, OptionalExtension, Row};

use crate::model::{Entry, Incident, Number, ServiceName};

const INCIDENT: &str = "SELECT incident.id, incident.title, incident.description, incident.severity, incident.status,
        service.key, service.name, integration.name, incident.source_url, incident.dedup_key, incident.metadata,
        incident.occurrences, incident.assigned_to, incident.acknowledged_at, incident.acknowledged_by,
        incident.resolved_at, incident.resolved_by, incident.created_at, incident.updated_at,
        incident.last_seen_at, incident.closed_at
    FROM incident JOIN service ON service.id = incident.service
        LEFT JOIN integration ON integration.id = incident.integration
    WHERE incident.id = ?1";

/// One incident.
pub fn incident(connection: &Connection, number: Number) -> rusqlite::Result<Option<Incident>> {
    listed(connection, number).optional()
}

/// One incident that is there.
pub fn listed(connection: &Connection, number: Number) -> rusqlite::Result<Incident> {
    let id = number.to_row_id();
    let mut incident = connection.prepare_cached(INCIDENT)?.query_row([id], incident_from)?;
    let sql = "SELECT key, name FROM further_service JOIN service ON service.id = service
               WHERE incident = ?1 ORDER BY position";
    let mut statement = connection.prepare_cached(sql)?;
    let further = |row: &Row<'_>| Ok(ServiceName { service_key: row.get(0)?, name: row.get(1)? });
    for service in statement.query_map([id], further)? {
        incident.services.push(service?);
    }
    Ok(incident)
}

fn incident_from(row: &Row<'_>) -> rusqlite::Result<Incident> {
    Ok(Incident {
        number: Number::from_row_id(row.get(0)?),
        title: row.get(1)?,
        description: row.get(2)?,
        severity: row.get(3)?,
        status: row.get(4)?,
        services: vec![ServiceName { service_key: row.get(5)?, name: row.get(6)? }],
        integration: row.get(7)?,
        source_url: row.get(8)?,
        dedup_key: row.get(9)?,
        metadata: row.get(10)?,
        occurrences: row.get(11)?,
        assigned_to: row.get(12)?,
        acknowledged_at: row.get(13)?,
        acknowledged_by: row.get(14)?,
        resolved_at: row.get(15)?,
        resolved_by: row.get(16)?,
        created_at: row.get(17)?,
        updated_at: row.get(18)?,
        last_seen_at: row.get(19)?,
        closed_at: row.get(20)?,
        silenced_until: None,
    })
}

/// Up to `most` entries of an incident's timeline, newest first, behind the first `offset` of them; and how many there
/// are in all.
pub fn timeline(
    connection: &Connection,
    number: Number,
    offset: usize,
    most: usize,
) -> rusqlite::Result<(Vec<Entry>, i64)> {
    let sql = "SELECT event.id, event.at, event.kind, coalesce(event.actor, 'integration:' || integration.name, 'system'),
                      event.message, coalesce(event.changes, '[]'),
                      iif(event.id IS incident.repeat_event, incident.repeats, event.count),
                      iif(event.id IS incident.repeat_event, incident.last_seen_at, coalesce(event.last_at, event.at))
               FROM event JOIN incident ON incident.id = event.incident
                   LEFT JOIN integration ON integration.id = incident.integration
               WHERE event.incident = ?1 ORDER BY event.id DESC LIMIT ?2 OFFSET ?3";
    let entry = |row: &Row<'_>| {
        Ok(Entry {
            id: row.get(0)?,
            at: row.get(1)?,
            kind: row.get(2)?,
            actor: row.get(3)?,
            message: row.get(4)?,
            changes: row.get(5)?,
            count: row.get(6)?,
            last_at: row.get(7)?,
        })
    };
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map([number.to_row_id(), most as i64, offset as i64], entry)?;
    let entries = rows.collect::<rusqlite::Result<_>>()?;
    let total = "SELECT entries FROM incident WHERE id = ?1";
    let total = connection.prepare_cached(total)?.query_row([number.to_row_id()], |row| row.get(0))?;
    Ok((entries, total))
}

/// The incidents that were recorded before and after one.
pub fn neighbours(
    connection: &Connection,
    number: Number,
) -> rusqlite::Result<(Option<Number>, Option<Number>)> {
    let find = |sql: &str| {
        let id = |row: &Row<'_>| row.get(0).map(|id: Option<i64>| id.map(Number::from_row_id));
        connection.prepare_cached(sql)?.query_row([number.to_row_id()], id)
    };
    Ok((
        find("SELECT max(id) FROM incident WHERE id < ?1")?,
        find("SELECT min(id) FROM incident WHERE id > ?1")?,
    ))
}
