//! Which incidents: the filters of the API's lists, as flags. `incidents` and `export` share them.

use clap::Args;
use jiff::{Span, SpanRelativeTo};

use crate::clock::{Clock, parse_rfc3339, rfc3339};
use crate::model::Status;

/// Filters. Those given all have to match; one given several times matches any of its values.
#[derive(Clone, Debug, Default, PartialEq, Args)]
#[command(next_help_heading = "Filters (repeat one to match any of its values)")]
pub struct Filters {
    /// new, investigating, fixing, monitoring, resolved or closed
    #[arg(long, value_name = "STATUS")]
    status: Vec<String>,
    /// The four statuses that are neither resolved nor closed
    #[arg(long)]
    open: bool,
    /// SEV0 (worst) to SEV4
    #[arg(long, value_name = "SEVERITY")]
    severity: Vec<String>,
    /// A service, by id or alias
    #[arg(long, short, value_name = "SERVICE")]
    service: Vec<String>,
    /// The integration that reported it
    #[arg(long, short, value_name = "NAME")]
    integration: Vec<String>,
    /// Who has it
    #[arg(long, value_name = "WHO")]
    assigned_to: Vec<String>,
    /// Who resolved it: a person, `integration:NAME` or `system`
    #[arg(long, value_name = "WHO")]
    resolved_by: Vec<String>,
    /// The key that its alerts carry
    #[arg(long, short = 'k', value_name = "KEY")]
    dedup_key: Vec<String>,
    /// Words of its title or description
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
    /// 2026-11-23T08:00:00Z, or how long ago: 90m, 2h, 3d
    #[arg(long, value_name = "TIME", value_parser = instant)]
    created_after: Option<String>,
    /// The same, the other way round
    #[arg(long, value_name = "TIME", value_parser = instant)]
    created_before: Option<String>,
    /// When it was resolved, in the same ways
    #[arg(long, value_name = "TIME", value_parser = instant)]
    resolved_after: Option<String>,
    /// The same, the other way round
    #[arg(long, value_name = "TIME", value_parser = instant)]
    resolved_before: Option<String>,
}

/// The filters that only the server can apply, which a live view therefore cannot have.
pub const ONLY_IN_LISTS: [&str; 5] =
    ["search", "created_after", "created_before", "resolved_after", "resolved_before"];

/// A time as it is, or a span back from now as a time.
fn instant(text: &str) -> Result<String, &'static str> {
    if parse_rfc3339(text).is_some() {
        return Ok(text.to_owned());
    }
    let span = text.parse::<Span>().and_then(|span| span.to_duration(SpanRelativeTo::days_are_24_hours()));
    let past = |span: jiff::SignedDuration| {
        let ms = Clock::System.now_ms().checked_sub(i64::try_from(span.as_millis()).ok()?)?;
        span.is_positive().then(|| rfc3339(ms))
    };
    span.ok()
        .and_then(past)
        .ok_or("neither a time, as 2026-11-23T08:00:00Z, nor how long ago, as 90m, 2h, 3d")
}

impl Filters {
    fn statuses(&self) -> Vec<&str> {
        let open = Status::ALL.into_iter().filter(|status| self.open && status.is_open());
        self.status.iter().map(String::as_str).chain(open.map(|status| status.as_str())).collect()
    }

    /// As parameters of the API.
    pub fn parameters(&self) -> Vec<(&'static str, &str)> {
        let mut parameters: Vec<_> = self.statuses().into_iter().map(|status| ("status", status)).collect();
        for (name, values) in [
            ("severity", &self.severity),
            ("service_id", &self.service),
            ("integration", &self.integration),
            ("assigned_to", &self.assigned_to),
            ("resolved_by", &self.resolved_by),
            ("dedup_key", &self.dedup_key),
        ] {
            parameters.extend(values.iter().map(|value| (name, value.as_str())));
        }
        for (name, value) in [
            ("search", &self.search),
            ("created_after", &self.created_after),
            ("created_before", &self.created_before),
            ("resolved_after", &self.resolved_after),
            ("resolved_before", &self.resolved_before),
        ] {
            parameters.extend(value.iter().map(|value| (name, value.as_str())));
        }
        parameters
    }

    /// The same with services by id, where `id_of` knows the alias: live incidents have no aliases.
    pub fn with_service_ids(&self, id_of: impl Fn(&str) -> String) -> Self {
        Self { service: self.service.iter().map(|given| id_of(given)).collect(), ..self.clone() }
    }

    /// Whether a list with these filters would have `incident`, as far as a client can tell; not by
    /// [`ONLY_IN_LISTS`].
    pub fn match_live(&self, incident: &super::incidents::Incident) -> bool {
        let is = |wanted: &[String], value: Option<&str>| {
            wanted.is_empty() || wanted.iter().any(|wanted| Some(wanted.as_str()) == value)
        };
        let statuses = self.statuses();
        (statuses.is_empty() || statuses.contains(&incident.status.as_str()))
            && (self.severity.is_empty()
                || self.severity.iter().any(|wanted| wanted.eq_ignore_ascii_case(&incident.severity)))
            && (self.service.is_empty() || self.service.iter().any(|id| incident.service_ids.contains(id)))
            && is(&self.integration, incident.integration.as_deref())
            && is(&self.assigned_to, incident.assigned_to.as_deref())
            && is(&self.resolved_by, incident.resolved_by.as_deref())
            && is(&self.dedup_key, incident.dedup_key.as_deref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::incidents::Incident;

    #[test]
    fn spans_count_back_from_now_and_times_are_left_as_they_are() {
        let now = Clock::System.now_ms();
        for (span, ms) in [("90m", 5_400_000), ("2h", 7_200_000), ("3d", 259_200_000), ("1w", 604_800_000)] {
            let time = instant(span).unwrap();
            let earliest = rfc3339(now - ms);
            assert!(time >= earliest && time <= rfc3339(Clock::System.now_ms() - ms), "{span}: {time}");
        }
        assert_eq!(instant("2026-11-23T08:00:00+01:00").as_deref(), Ok("2026-11-23T08:00:00+01:00"));
        for text in ["yesterday", "", "-2h", "99999999999w"] {
            assert!(instant(text).is_err(), "{text}");
        }
    }

    #[test]
    fn live_incidents_are_filtered_as_lists_are() {
        let incident = Incident {
            status: "fixing".into(),
            severity: "SEV1".into(),
            service_ids: vec!["SER-00001".into(), "SER-00002".into()],
            integration: Some("local".into()),
            ..Incident::default()
        };
        let some = |values: &[&str]| values.iter().map(|value| (*value).to_owned()).collect::<Vec<_>>();
        let all = Filters::default();
        let cases = [
            (all.clone(), true),
            (Filters { open: true, ..all.clone() }, true),
            (Filters { status: some(&["resolved"]), ..all.clone() }, false),
            (Filters { status: some(&["resolved"]), open: true, ..all.clone() }, true),
            (Filters { severity: some(&["sev0", "sev1"]), ..all.clone() }, true),
            (Filters { severity: some(&["SEV0"]), ..all.clone() }, false),
            (Filters { service: some(&["SER-00002"]), ..all.clone() }, true),
            (Filters { service: some(&["SER-00003"]), ..all.clone() }, false),
            (Filters { integration: some(&["local"]), dedup_key: some(&["k"]), ..all.clone() }, false),
            (Filters { assigned_to: some(&["ops"]), ..all.clone() }, false),
            (all.with_service_ids(|_| "SER-00009".into()), true),
            (Filters { service: some(&["web"]), ..all }.with_service_ids(|_| "SER-00001".into()), true),
        ];
        for (filters, expected) in cases {
            assert_eq!(filters.match_live(&incident), expected, "{filters:?}");
        }
    }

    #[test]
    fn open_is_short_for_four_statuses() {
        let filters = Filters { open: true, severity: vec!["SEV0".into()], ..Filters::default() };
        let expected = [
            ("status", "new"),
            ("status", "investigating"),
            ("status", "fixing"),
            ("status", "monitoring"),
            ("severity", "SEV0"),
        ];
        assert_eq!(filters.parameters(), expected);
    }
}
