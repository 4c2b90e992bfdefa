//! Where to look for what a filter lets through: the index that leads to the fewest rows, and what is left to check on
//! each of them.

use rusqlite::Connection;

use super::conditions::{
    ALWAYS, ANY_MINUTE, Conditions, Facet, IN_NOT_CLOSED, MOST_LISTED, NotClosed, ids_of_span,
};
use super::walk::{End, FETCH, READ, Source, Walk, count};
use super::{Filter, Place, Sort};
use crate::model::{Number, Severity, Status};
use crate::store::search::{self, Question};

/// Up to here it is counted how many rows an index leads to.
const MOST_COUNTED: i64 = 10_000;

/// How the incidents of a filter are found.
pub struct Plan<'c> {
    connection: &'c Connection,
    filter: &'c Filter,
    sort: Sort,
    conditions: Conditions,
    /// No other row ids need be looked at.
    ids: (i64, i64),
    driver: Driver,
}

enum Driver {
    /// Every row is looked at.
    Rows,
    /// An index over each value of a facet, for open and closed incidents alike.
    Index { facet: Facet, arms: Vec<Arm> },
    /// What was resolved in a span.
    Listed(Vec<i64>),
    /// An index over closed incidents, and what is not closed.
    Split { closed: Option<(Facet, Vec<Arm>)>, not_closed: Vec<NotClosed> },
    /// The index of words, as far as it goes.
    Text { question: Question, fts: String, changed: Vec<i64>, up_to: i64 },
}

/// A part of a statement that leads to candidates in the order of their ids.
struct Arm {
    from: String,
    condition: String,
    /// The severity that all of its rows have, if it is of one.
    severity: Option<Severity>,
}

impl Arm {
    fn new(from: impl Into<String>, condition: impl Into<String>) -> Self {
        Self { from: from.into(), condition: condition.into(), severity: None }
    }

    fn indexed(index: &str, condition: impl Into<String>) -> Self {
        Self::new(format!("incident INDEXED BY {index}"), condition)
    }
}

impl<'c> Plan<'c> {
    /// Finds the way.
    pub fn new(connection: &'c Connection, filter: &'c Filter, sort: Sort) -> rusqlite::Result<Self> {
        let (least, greatest, exact) = ids_of_span(connection, filter)?;
        let conditions = Conditions::of(connection, filter, exact)?;
        let ids = (least, greatest);
        let mut plan = Self { connection, filter, sort, conditions, ids, driver: Driver::Rows };
        plan.driver = plan.choose()?;
        Ok(plan)
    }

    fn choose(&mut self) -> rusqlite::Result<Driver> {
        if !self.filter.wanted.is_empty() {
            return self.by_text();
        }
        for (facet, arms) in [
            (Facet::DedupKey, self.dedup_key_arms()),
            (Facet::AssignedTo, self.text_arms(Facet::AssignedTo)),
            (Facet::ResolvedBy, self.text_arms(Facet::ResolvedBy)),
        ] {
            if self.conditions.has(facet) {
                return Ok(Driver::Index { facet, arms });
            }
        }
        if self.conditions.has(Facet::Resolved)
            && let Some(listed) = self.resolved_then()?
        {
            return Ok(Driver::Listed(listed));
        }
        let by_facet = IN_NOT_CLOSED.into_iter().any(|facet| self.conditions.has(facet));
        if by_facet || self.sort == Sort::Severity { self.split() } else { Ok(Driver::Rows) }
    }

    fn by_text(&mut self) -> rusqlite::Result<Driver> {
        let Some(changed) = search::changed(self.connection, &self.filter.wanted)? else {
            let up_to = search::up_to(self.connection)?;
            return Ok(Driver::Text {
                question: Question::None,
                fts: String::new(),
                changed: Vec::new(),
                up_to,
            });
        };
        let question = search::question(self.connection, &self.filter.wanted)?;
        let fts = match &question {
            Question::Exact(expression) | Question::Loose(expression) => self.conditions.bind(expression),
            Question::None | Question::Nothing => String::new(),
        };
        Ok(Driver::Text { question, fts, changed, up_to: search::up_to(self.connection)? })
    }

    fn dedup_key_arms(&mut self) -> Vec<Arm> {
        let mut arms = Vec::new();
        for key in &self.filter.dedup_keys {
            let key = self.conditions.bind(key);
            arms.push(Arm::new(
                "(SELECT id AS holder FROM integration) CROSS JOIN incident INDEXED BY incident_by_held_key",
                format!("integration = holder AND dedup_key = {key} AND holds_key = 1"),
            ));
            let released = format!("holds_key = 0 AND dedup_key = {key}");
            arms.push(Arm::indexed("incident_by_released_key", released));
        }
        arms
    }

    fn text_arms(&mut self, facet: Facet) -> Vec<Arm> {
        let (index, column, values) = match facet {
            Facet::AssignedTo => ("incident_by_assignee", "assigned_to", &self.filter.assigned_to),
            _ => ("incident_by_resolver", "resolved_by", &self.filter.resolved_by),
        };
        let arm = |value: &String| Arm::indexed(index, format!("{column} = {}", self.conditions.bind(value)));
        values.iter().map(arm).collect()
    }

    /// What was resolved in the span, in the order of the list; `None` if that is too much.
    fn resolved_then(&self) -> rusqlite::Result<Option<Vec<i64>>> {
        let (from, to) = self.filter.resolved.bounds();
        let sql = "SELECT id FROM incident INDEXED BY incident_by_resolution
                   WHERE status IN (4, 5) AND resolved_at BETWEEN ?1 AND ?2 LIMIT ?3";
        let mut statement = self.connection.prepare_cached(sql)?;
        let ids = statement.query_map([from, to, MOST_COUNTED + 1], |row| row.get(0))?;
        let mut ids = ids.collect::<rusqlite::Result<Vec<i64>>>()?;
        self.put_in_order(&mut ids);
        Ok((ids.len() as i64 <= MOST_COUNTED).then_some(ids))
    }

    fn put_in_order(&self, ids: &mut [i64]) {
        ids.sort_unstable();
        if self.sort != Sort::Oldest {
            ids.reverse();
        }
    }

    fn split(&self) -> rusqlite::Result<Driver> {
        let mut not_closed =
            self.conditions.not_closed(self.connection, self.ids, ANY_MINUTE, MOST_LISTED + 1)?;
        if not_closed.len() > MOST_LISTED {
            return Ok(Driver::Rows);
        }
        not_closed.sort_unstable_by_key(|one| one.id);
        if self.sort != Sort::Oldest {
            not_closed.reverse();
        }
        let statuses = &self.filter.statuses;
        let closed = statuses.is_empty() || statuses.contains(&Status::Closed);
        Ok(Driver::Split { closed: if closed { Some(self.closed_arms()?) } else { None }, not_closed })
    }

    /// The index over closed incidents that leads to the fewest of them.
    fn closed_arms(&self) -> rusqlite::Result<(Facet, Vec<Arm>)> {
        let Conditions { services, integrations, .. } = &self.conditions;
        let each = |column: &str, values: &[i64]| -> Vec<Arm> {
            let index = format!("incident_closed_by_{column}");
            let arm = |value: &i64| Arm::indexed(&index, format!("status = 5 AND {column} = {value}"));
            values.iter().map(arm).collect()
        };
        let mut ways = Vec::new();
        if self.conditions.has(Facet::Service) {
            let mut arms = each("service", services);
            if self.conditions.further_services {
                let further = |service: &i64| {
                    Arm::new(
                        "(SELECT incident AS about, service AS further FROM further_service) CROSS JOIN incident",
                        format!("id = about AND further = {service} AND status = 5"),
                    )
                };
                arms.extend(services.iter().map(further));
            }
            ways.push((Facet::Service, arms));
        }
        if self.conditions.has(Facet::Integration) {
            ways.push((Facet::Integration, each("integration", integrations)));
        }
        if self.conditions.has(Facet::Severity) || ways.is_empty() || self.sort == Sort::Severity {
            let asked = &self.filter.severities;
            let severities = Severity::ALL.into_iter().filter(|one| asked.is_empty() || asked.contains(one));
            let arms = severities.map(|severity| Arm {
                severity: Some(severity),
                ..Arm::indexed(
                    "incident_closed_by_severity",
                    format!("status = 5 AND severity = {}", severity.to_stored()),
                )
            });
            ways.push((Facet::Severity, arms.collect()));
        }
        if ways.len() > 1 {
            let counted = ways.into_iter().map(|way| Ok((self.count(&way.1)?, way)));
            let mut counted = counted.collect::<rusqlite::Result<Vec<_>>>()?;
            counted.sort_by_key(|(count, _)| *count);
            ways = counted.into_iter().map(|(_, way)| way).collect();
        }
        Ok(ways.swap_remove(0))
    }

    fn count(&self, arms: &[Arm]) -> rusqlite::Result<i64> {
        let Some(sql) = self.select("id", arms, ALWAYS) else { return Ok(0) };
        let sql = format!("SELECT count(*) FROM (SELECT 1 FROM ({sql}) LIMIT {MOST_COUNTED})");
        count(self.connection, &sql, self.ids, &self.conditions.own)
    }

    fn select<'a>(
        &self,
        columns: &str,
        arms: impl IntoIterator<Item = &'a Arm>,
        condition: &str,
    ) -> Option<String> {
        let arm = |arm: &Arm| {
            let Arm { from, condition: own, .. } = arm;
            format!("SELECT {columns}, {condition} FROM {from} WHERE {own} AND id BETWEEN ?1 AND ?2")
        };
        let arms: Vec<_> = arms.into_iter().map(arm).collect();
        (!arms.is_empty()).then(|| arms.join(" UNION ALL "))
    }

    fn ordered(&self, select: String) -> String {
        format!("{select} ORDER BY 1 {}", if self.sort == Sort::Oldest { "ASC" } else { "DESC" })
    }

    /// Shows what matches, in order and behind `after`, to `visit` until it says no. `skips`: many are only passed by.
    pub fn walk(
        &self,
        after: Option<Place>,
        skips: bool,
        visit: &mut dyn FnMut(Place) -> bool,
    ) -> rusqlite::Result<End<Place>> {
        let ascending = self.sort == Sort::Oldest;
        let wanted = &self.filter.wanted;
        let mut walk = Walk::new(self.connection, &self.conditions.own, wanted, ascending, skips);
        if self.sort != Sort::Severity {
            return self.walk_one(&mut walk, None, after.map(|place| place.number), visit);
        }
        let asked = &self.filter.severities;
        for severity in Severity::ALL.into_iter().filter(|one| asked.is_empty() || asked.contains(one)) {
            let rank = severity.to_stored();
            let after = match after {
                Some(after) if rank < after.rank => continue,
                Some(after) if rank == after.rank => Some(after.number),
                _ => None,
            };
            let end = self.walk_one(&mut walk, Some(severity), after, visit)?;
            if end != End::Exhausted {
                return Ok(end);
            }
        }
        Ok(End::Exhausted)
    }

    fn walk_one(
        &self,
        walk: &mut Walk<'_>,
        severity: Option<Severity>,
        after: Option<Number>,
        visit: &mut dyn FnMut(Place) -> bool,
    ) -> rusqlite::Result<End<Place>> {
        let (mut low, mut high) = self.ids;
        match after.map(Number::to_row_id) {
            Some(id) if walk.ascending => low = low.max(id + 1),
            Some(id) => high = high.min(id - 1),
            None => {}
        }
        let rank = severity.map_or(0, Severity::to_stored);
        let place = |id| Place { rank, number: Number::from_row_id(id) };
        for source in self.sources(severity) {
            match walk.go(&source, (low, high), &mut |id| visit(place(id)))? {
                End::Exhausted => {}
                End::Stopped => return Ok(End::Stopped),
                End::CutShort(id) => return Ok(End::CutShort(place(id))),
            }
        }
        Ok(End::Exhausted)
    }

    fn sources(&self, severity: Option<Severity>) -> Vec<Source> {
        let every_row = vec![Arm::new("incident", ALWAYS)];
        let all = self.conditions.but(&[], severity);
        let mut source = Source { ids: self.ids, listed_condition: all.clone(), ..Source::default() };
        match &self.driver {
            Driver::Rows => {
                source.sql = self.select("id", &every_row, &all).map(|sql| self.ordered(sql));
                source.cost = 1;
            }
            Driver::Index { facet, arms } => self.read_arms(&mut source, arms, &[*facet], severity),
            Driver::Listed(ids) => {
                source.listed.clone_from(ids);
                source.listed_condition = self.conditions.but(&[Facet::Resolved], severity);
            }
            Driver::Split { closed, not_closed } => {
                let of_severity =
                    not_closed.iter().filter(|one| severity.is_none_or(|only| only == one.severity));
                source.listed = of_severity.map(|one| one.id).collect();
                source.listed_condition = self.conditions.but(&IN_NOT_CLOSED, None);
                if let Some((facet, arms)) = closed {
                    let arms = arms.iter().filter(|arm| {
                        severity.is_none() || arm.severity.is_none() || arm.severity == severity
                    });
                    self.read_arms(&mut source, arms, &[*facet, Facet::Status], severity);
                }
            }
            Driver::Text { question, fts, changed, up_to } => {
                return self.text_sources(source, question, fts, changed, *up_to, severity);
            }
        }
        vec![source]
    }

    fn read_arms<'a>(
        &self,
        source: &mut Source,
        arms: impl IntoIterator<Item = &'a Arm>,
        guaranteed: &[Facet],
        severity: Option<Severity>,
    ) {
        let condition = self.conditions.but(guaranteed, severity);
        source.sql = self.select("id", arms, &condition).map(|sql| self.ordered(sql));
        source.cost = if condition == ALWAYS { 1 } else { FETCH };
    }

    /// What is indexed, and what is not yet.
    fn text_sources(
        &self,
        mut indexed: Source,
        question: &Question,
        fts: &str,
        changed: &[i64],
        up_to: i64,
        severity: Option<Severity>,
    ) -> Vec<Source> {
        const TEXTS: &str = "title, description";
        let all = self.conditions.but(&[], severity);
        let rows = |ids: (i64, i64)| {
            let sql = format!("SELECT id, {all}, {TEXTS} FROM incident WHERE id BETWEEN ?1 AND ?2");
            Source { ids, sql: Some(self.ordered(sql)), cost: 1 + READ, text: true, ..Source::default() }
        };
        if *question == Question::None {
            return vec![rows(self.ids)];
        }
        indexed.ids.1 = indexed.ids.1.min(up_to);
        indexed.listed = changed.to_vec();
        self.put_in_order(&mut indexed.listed);
        indexed.windows = true;
        indexed.text = matches!(question, Question::Loose(_));
        if *question != Question::Nothing {
            let join = if all == ALWAYS && !indexed.text {
                ""
            } else {
                "CROSS JOIN incident ON id = incident_text.rowid"
            };
            let texts = if indexed.text { format!(", {TEXTS}") } else { String::new() };
            let sql = format!(
                "SELECT incident_text.rowid, {all}{texts} FROM incident_text {join}
                 WHERE incident_text MATCH {fts} AND incident_text.rowid BETWEEN ?1 AND ?2
                     AND incident_text.rowid NOT IN (SELECT incident FROM search_changed)"
            );
            indexed.sql = Some(self.ordered(sql));
            indexed.cost = match (join.is_empty(), indexed.text) {
                (true, _) => 1,
                (false, false) => FETCH,
                (false, true) => FETCH + READ,
            };
        }
        let backlog = rows((self.ids.0.max(up_to + 1), self.ids.1));
        if self.sort == Sort::Oldest { vec![indexed, backlog] } else { vec![backlog, indexed] }
    }
}
