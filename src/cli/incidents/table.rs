//! The table of incidents: which columns there is room for, and how wide each one is. Pure: it prints nothing.

use super::data::{Incident, time};
use crate::cli::cells::{clean, fit, pad, width};
use crate::cli::text::in_severity_colour;
use crate::model::Severity;

/// A column; the title comes behind them all and has what is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Column {
    Number,
    Severity,
    Status,
    Event,
    Service,
    Count,
    Time,
}

use Column::{Count, Event, Number, Service, Status, Time};

impl Column {
    const ALL: [Self; 7] = [Number, Self::Severity, Status, Event, Service, Count, Time];

    /// Its head in a list or in a live view, and the least it is wide: what can be foreseen, so that live lines and
    /// one call after the other look alike.
    const fn head(self, live: bool) -> (&'static str, usize) {
        match self {
            Number => ("NUMBER", if live { 12 } else { 6 }),
            Self::Severity => ("SEV", 4),
            Status => ("STATUS", 13),
            Event => ("EVENT", 14),
            Service => ("SERVICE", if live { 9 } else { 7 }),
            Count => (" COUNT", 6),
            Time => (if live { "TIME" } else { "LAST SEEN" }, 20),
        }
    }
}

/// The title is worth this much of a window, if it is that long: other columns give way.
const TITLE: usize = 24;
/// Less than this of a title says nothing.
const LEAST_TITLE: usize = 8;
/// Statuses can be told apart by this much of them.
const SHORT_STATUS: usize = 8;
/// Ids of services are this short, as a rule.
const MOST_SERVICE: usize = 16;

/// A line to be.
#[derive(Debug)]
pub struct Row {
    cells: [String; 7],
    title: String,
    severity: Option<Severity>,
}

impl Row {
    /// A line for an incident: of a list, or what has just happened to it.
    pub fn new(incident: &Incident, event: Option<&str>) -> Self {
        let mut service = incident.service_ids.first().cloned().unwrap_or_else(|| "-".into());
        if incident.service_ids.len() > 1 {
            service += &format!(" +{}", incident.service_ids.len() - 1);
        }
        let last = match event {
            Some(_) => (&incident.last_seen_at).max(&incident.updated_at),
            None => &incident.last_seen_at,
        };
        let cells = [
            incident.incident_number.clone(),
            incident.severity.clone(),
            incident.status.clone(),
            event.unwrap_or_default().to_owned(),
            service,
            incident.occurrences.to_string(),
            time(last),
        ];
        Self {
            cells: cells.map(|cell| clean(&cell)),
            title: incident.title.clone(),
            severity: Severity::parse(&incident.severity),
        }
    }
}

/// How wide each column has to be for some rows.
#[derive(Debug)]
pub struct Widths {
    columns: Vec<(Column, usize)>,
    title: usize,
    live: bool,
}

impl Widths {
    /// For `rows`, and for what is yet to come in a live view.
    pub fn of(rows: &[Row], live: bool) -> Self {
        let widest = |column: Column| rows.iter().map(|row| width(&row.cells[column as usize])).max();
        let columns = Column::ALL.into_iter().filter(|column| live || *column != Event);
        let columns = columns.map(|column| (column, column.head(live).1.max(widest(column).unwrap_or(0))));
        let titles = rows.iter().map(|row| width(&clean(&row.title))).max().unwrap_or(0);
        Self { columns: columns.collect(), title: if live { TITLE } else { titles.clamp(5, TITLE) }, live }
    }

    /// The layout for a window of so many cells; without a window (a pipe) all of everything.
    pub fn layout(&self, window: Option<usize>) -> Layout {
        let mut layout = Layout { columns: self.columns.clone(), gap: 2, title: None, live: self.live };
        let Some(window) = window else { return layout };
        layout.narrow(Service, MOST_SERVICE);
        for column in [Time, Count, Service] {
            if layout.room(window) < self.title {
                layout.columns.retain(|(shown, _)| *shown != column);
            }
        }
        if layout.room(window) < self.title {
            layout.gap = 1;
            layout.narrow(Status, SHORT_STATUS);
        }
        // What happened says more than how it is now.
        for column in [Status, Event] {
            if layout.room(window) < self.title.min(LEAST_TITLE) {
                layout.columns.retain(|(shown, _)| *shown != column);
            }
        }
        layout.title = Some(layout.room(window));
        layout
    }
}

/// What a table looks like in a window.
#[derive(Debug)]
pub struct Layout {
    columns: Vec<(Column, usize)>,
    gap: usize,
    /// `None`: as long as it is, and no other cell is cut either.
    title: Option<usize>,
    live: bool,
}

impl Layout {
    fn narrow(&mut self, column: Column, most: usize) {
        for (_, width) in self.columns.iter_mut().filter(|(shown, _)| *shown == column) {
            *width = (*width).min(most);
        }
    }

    /// What the columns leave to the title.
    fn room(&self, window: usize) -> usize {
        window.saturating_sub(self.columns.iter().map(|(_, width)| width + self.gap).sum())
    }

    /// The line above all others.
    pub fn head(&self) -> String {
        self.line_of(|column| column.head(self.live).0.to_owned(), |head| head, "TITLE")
    }

    /// The line of `row`.
    pub fn line(&self, row: &Row, colours: bool) -> String {
        let colour = |cell: String| in_severity_colour(&cell, row.severity, colours);
        self.line_of(|column| row.cells[column as usize].clone(), colour, &row.title)
    }

    fn line_of(
        &self,
        cell: impl Fn(Column) -> String,
        colour: impl Fn(String) -> String,
        title: &str,
    ) -> String {
        let mut line = String::new();
        for (column, width) in &self.columns {
            let cell = cell(*column);
            let cell = if self.title.is_some() { fit(&cell, *width) } else { cell };
            let cell = pad(&cell, *width, *column == Count);
            line += &if *column == Column::Severity { colour(cell) } else { cell };
            line += &" ".repeat(self.gap);
        }
        line += &self.title.map_or_else(|| clean(title), |most| fit(title, most));
        line.trim_end().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn incident(title: &str, status: &str) -> Incident {
        Incident {
            incident_number: "INC-2026-001".into(),
            title: title.into(),
            severity: "SEV1".into(),
            status: status.into(),
            service_ids: vec!["SER-00001".into()],
            occurrences: 43,
            last_seen_at: "2026-11-23T08:00:00.123Z".into(),
            updated_at: "2026-11-23T09:00:00.123Z".into(),
            ..Incident::default()
        }
    }

    const TITLES: [&str; 5] = [
        "Database connection pool exhaustion on the primary",
        "数据库连接池耗尽：所有连接都在使用中，请尽快检查主库",
        "🔥🔥🔥 everything is burning 🔥🔥🔥 👩‍🚒 on its way",
        "שלום עולם \u{202e}evil\u{202c} מסד הנתונים אינו זמין",
        "\x1b]0;owned\x07\x1b[2J\r\nz\u{301}\u{301}\u{301}algo control characters",
    ];

    fn drawn(live: bool, window: Option<usize>) -> Vec<String> {
        let event = live.then_some("status_changed");
        let rows: Vec<_> =
            TITLES.iter().map(|title| Row::new(&incident(title, "investigating"), event)).collect();
        let layout = Widths::of(&rows, live).layout(window);
        let lines = rows.iter().map(|row| layout.line(row, false));
        std::iter::once(layout.head()).chain(lines).collect()
    }

    #[test]
    fn no_line_is_wider_than_its_window_and_none_commands_the_terminal() {
        for window in 20..200 {
            for live in [false, true] {
                for line in drawn(live, Some(window)) {
                    assert!(width(&line) <= window, "{window}: {line}");
                    assert!(!line.chars().any(|c| c.is_control() || c == '\u{202e}'), "{line:?}");
                }
            }
        }
    }

    #[test]
    fn columns_give_way_to_the_title() {
        let heads = |live, window| drawn(live, Some(window)).remove(0);
        assert_eq!(heads(false, 40), "NUMBER       SEV  STATUS   TITLE");
        assert_eq!(heads(false, 80), "NUMBER        SEV   STATUS         SERVICE     COUNT  TITLE");
        let all = "NUMBER        SEV   STATUS         SERVICE     COUNT  LAST SEEN             TITLE";
        assert_eq!((heads(false, 160).as_str(), heads(false, 100).as_str()), (all, all));
        assert_eq!(heads(true, 80), "NUMBER        SEV   STATUS         EVENT           TITLE");
        assert_eq!(drawn(false, Some(40))[1], "INC-2026-001 SEV1 investi… Database con…");
        assert_eq!(drawn(false, Some(40))[2], "INC-2026-001 SEV1 investi… 数据库连接池…");
        assert_eq!(drawn(false, Some(30))[1], "INC-2026-001 SEV1 Database co…");
        let short = [Row::new(&incident("Down", "new"), None)];
        assert_eq!(
            Widths::of(&short, false).layout(Some(81)).head(),
            all,
            "a short title leaves room for everything"
        );
    }

    #[test]
    fn a_pipe_gets_all_of_everything() {
        let lines = drawn(false, None);
        let start = "INC-2026-001  SEV1  investigating  SER-00001      43  2026-11-23 08:00:00Z  ";
        assert_eq!(lines[1], format!("{start}{}", TITLES[0]));
        assert_eq!(lines[2], format!("{start}{}", TITLES[1]));
        assert!(lines.iter().skip(1).all(|line| line.starts_with(start)), "{lines:?}");
    }

    #[test]
    fn live_lines_name_the_event_and_its_time_and_severities_have_colours() {
        let mut two = incident("Down", "fixing");
        two.service_ids.push("SER-00002".into());
        let row = Row::new(&two, Some("status_changed"));
        let layout = Widths::of(&[], true).layout(Some(160));
        assert_eq!(
            layout.line(&row, true),
            "INC-2026-001  \x1b[31mSEV1\x1b[0m  fixing         status_changed  SER-0000…      43  \
             2026-11-23 09:00:00Z  Down"
        );
        // What happened is the last to give way.
        let narrow = |window| Widths::of(&[], true).layout(Some(window)).line(&row, false);
        assert_eq!(narrow(60), "INC-2026-001 SEV1 fixing   status_changed Down");
        assert_eq!(narrow(44), "INC-2026-001 SEV1 status_changed Down");
    }
}
