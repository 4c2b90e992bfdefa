//! What happened lately, in numbers and plots; behind each plot is a table that says the same.

use minijinja::{Value, context};
use serde::Serialize;

use super::super::Handler;
use super::super::query::Query;
use super::Visit;
use super::plot::{self, Column, Plot, Reach};
use super::template::value;
use super::time::{day, duration, time_of_day};
use crate::clock::rfc3339;
use crate::error::Error;
use crate::model::{Buckets, NoisyKey, Overview, Owing, Severity, Took};
use crate::registry::Scope;
use crate::reply::Page;

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

/// Incidents that one overview looks at: some hundred megabytes of the file, for about a second. Of a span that has
/// more, the newest are counted.
const MOST_LOOKED_AT: usize = 1_000_000;

/// Incidents from before the span that are searched for those that were open in it: for some hundredths of a second.
const MOST_BEFORE: usize = 50_000;

/// A notification that is due for longer is in trouble: the first attempt has failed, and the next ones.
const LATE_MS: i64 = 60_000;

/// What `span` may be.
struct Choice {
    name: &'static str,
    words: &'static str,
    /// What one column stands for, in words.
    bucket: &'static str,
    width_ms: i64,
    count: usize,
    /// The axis is marked where the time is a multiple of this.
    mark_ms: i64,
}

const CHOICES: [Choice; 4] = [
    Choice {
        name: "24h",
        words: "last 24 hours",
        bucket: "hour",
        width_ms: HOUR,
        count: 24,
        mark_ms: 6 * HOUR,
    },
    Choice {
        name: "7d",
        words: "last 7 days",
        bucket: "6 hours",
        width_ms: 6 * HOUR,
        count: 28,
        mark_ms: DAY,
    },
    Choice { name: "30d", words: "last 30 days", bucket: "day", width_ms: DAY, count: 30, mark_ms: 5 * DAY },
    Choice { name: "90d", words: "last 90 days", bucket: "day", width_ms: DAY, count: 90, mark_ms: 15 * DAY },
];

/// The one that is shown unless another is asked for.
const DEFAULT: usize = 1;

impl Choice {
    /// When a column begins.
    fn words_of(&self, at_ms: i64) -> String {
        match self.width_ms {
            DAY => day(at_ms),
            _ => format!("{} {}", day(at_ms), time_of_day(at_ms)),
        }
    }

    fn mark(&self, at_ms: i64) -> Option<String> {
        let text = if self.mark_ms < DAY { time_of_day(at_ms) } else { day(at_ms)[5..].to_owned() };
        (at_ms.rem_euclid(self.mark_ms) == 0).then_some(text)
    }
}

#[derive(Serialize)]
struct Tab {
    name: &'static str,
    words: &'static str,
    on: bool,
}

/// A part of the span, as a row of the table.
#[derive(Serialize)]
struct BucketRow {
    time: String,
    /// The incidents that were recorded in it.
    href: String,
    created: [i64; Severity::ALL.len()],
    total: i64,
    open: i64,
    /// It was not looked at.
    unknown: bool,
    /// What the axis says there.
    mark: Option<String>,
}

/// How long incidents of a severity took, as a row of the table.
#[derive(Serialize)]
struct TookRow {
    severity: Severity,
    count: usize,
    median: Option<String>,
    p90: Option<String>,
}

impl TookRow {
    fn all(took: &[Took]) -> Vec<Self> {
        let row = |(severity, took): (Severity, &Took)| {
            let words = |seconds: i64| (took.count > 0).then(|| duration(seconds.saturating_mul(1000)));
            Self { severity, count: took.count, median: words(took.median_s), p90: words(took.p90_s) }
        };
        Severity::ALL.into_iter().zip(took).map(row).collect()
    }
}

/// A channel by which people are not told.
#[derive(Serialize)]
struct Trouble {
    channel: String,
    /// What it owes, if any of that is late.
    owed: Option<i64>,
    /// For how long the first of that has been due.
    late: String,
    given_up: i64,
}

impl Trouble {
    fn of(owing: Owing, now_ms: i64) -> Option<Self> {
        let late_ms = owing.oldest_due_at.map_or(0, |due_at| now_ms - due_at);
        let owed = (late_ms >= LATE_MS).then_some(owing.owed);
        let Owing { channel, given_up, .. } = owing;
        (owed.is_some() || given_up > 0).then(|| Self { channel, owed, late: duration(late_ms), given_up })
    }
}

#[derive(Serialize)]
struct KeyRow {
    dedup_key: String,
    integration: Option<String>,
    title: String,
    incidents: i64,
    occurrences: i64,
    href: String,
    /// Its length beside the noisiest, of 100.
    bar: i64,
}

impl KeyRow {
    fn all(keys: Vec<NoisyKey>) -> Vec<Self> {
        let most = keys.first().map_or(0, |key| key.occurrences);
        let row = |key: NoisyKey| {
            let integration = key.integration.iter().map(|name| ("integration", name.as_str()));
            let filters = [("status", "all"), ("dedup_key", key.dedup_key.as_str())];
            let href = list(filters.into_iter().chain(integration));
            let NoisyKey { dedup_key, integration, title, incidents, occurrences } = key;
            let bar = plot::share(occurrences, most);
            Self { dedup_key, integration, title, incidents, occurrences, href, bar }
        };
        keys.into_iter().map(row).collect()
    }
}

impl Handler {
    /// `GET /overview`
    pub(super) async fn overview_page(&self, visit: &Visit<'_>) -> Result<Page, Error> {
        visit.check(Scope::IncidentsRead)?;
        let asked = Query::of(visit.head).last("span").unwrap_or_default();
        let choice = CHOICES.iter().find(|one| one.name == asked).unwrap_or(&CHOICES[DEFAULT]);
        let buckets = Buckets::up_to(self.now_ms(), choice.width_ms, choice.count);
        let overview = self.store.overview(buckets, MOST_LOOKED_AT, MOST_BEFORE).await?;
        let names = visit.live.config.channels.iter().map(|channel| channel.name.clone()).collect();
        let owing = self.store.owed_by(names, self.now_ms()).await?;
        let troubles = owing.into_iter().filter_map(|owing| Trouble::of(owing, self.now_ms())).collect();
        let content = content(choice, overview, troubles);
        self.framed(visit, "overview.html", "Overview", content).await
    }
}

/// What the page says of it.
fn content(choice: &Choice, overview: Overview, troubles: Vec<Trouble>) -> Value {
    let rows = rows(choice, &overview);
    let total: i64 = overview.created.iter().flatten().sum();
    let most_open = rows.iter().filter(|row| !row.unknown).map(|row| row.open).max().unwrap_or(0);
    let tabs =
        CHOICES.each_ref().map(|one| Tab { name: one.name, words: one.words, on: one.name == choice.name });
    context! {
        tabs => value(tabs),
        troubles => value(troubles),
        words => choice.words,
        bucket => choice.bucket,
        cut_at => overview.cut_at.map(|at| format!("{} {}", day(at), time_of_day(at))),
        looked_at => overview.looked_at,
        searched_before => overview.searched_before,
        severities => Severity::ALL.map(Severity::as_str),
        total,
        created => (total > 0).then(|| value(plot::columns(created(&rows)))),
        busiest => value(rows.iter().rev().max_by_key(|row| row.total)),
        most_open,
        now_open => rows.last().map(|row| row.open),
        open => (most_open > 0).then(|| value(plot::line(open(&rows)))),
        acknowledge => value(TookRow::all(&overview.acknowledge)),
        acknowledge_plot => reaches(&overview.acknowledge).map(value),
        resolve => value(TookRow::all(&overview.resolve)),
        resolve_plot => reaches(&overview.resolve).map(value),
        keys_were_forgotten => overview.keys_were_forgotten,
        rows => value(rows),
        keys => value(KeyRow::all(overview.noisiest)),
    }
}

fn list<'a>(filters: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    format!("/?{}", form_urlencoded::Serializer::new(String::new()).extend_pairs(filters).finish())
}

fn rows(choice: &Choice, overview: &Overview) -> Vec<BucketRow> {
    let Overview { buckets, created, open, .. } = overview;
    let row = |(index, (created, open)): (usize, (&[i64; 5], &i64))| {
        let start = buckets.start(index);
        let (after, before) = (rfc3339(start), rfc3339(buckets.start(index + 1) - 1));
        let filters = [("status", "all"), ("created_after", &after), ("created_before", &before)];
        BucketRow {
            time: choice.words_of(start),
            href: list(filters),
            created: *created,
            total: created.iter().sum(),
            open: *open,
            unknown: overview.cut_at.is_some_and(|cut_at| buckets.start(index + 1) <= cut_at),
            mark: choice.mark(start),
        }
    };
    created.iter().zip(open).enumerate().map(row).collect()
}

/// How many were recorded, the worst at the bottom, where they are best compared.
fn created(rows: &[BucketRow]) -> Vec<Column> {
    let column = |row: &BucketRow| {
        let parts: Vec<_> = Severity::ALL.map(Severity::as_str).into_iter().zip(row.created).collect();
        let each =
            parts.iter().filter(|(_, count)| *count > 0).map(|(name, count)| format!(", {name} {count}"));
        let label = match row.unknown {
            true => format!("{}: not counted", row.time),
            false => format!("{}: {}{}", row.time, row.total, each.collect::<String>()),
        };
        let mark = row.mark.clone();
        Column { label, mark, parts: if row.unknown { Vec::new() } else { parts } }
    };
    rows.iter().map(column).collect()
}

fn open(rows: &[BucketRow]) -> Vec<Column> {
    let column = |row: &BucketRow| {
        let (label, parts) = match row.unknown {
            true => (format!("{}: not counted", row.time), Vec::new()),
            false => (format!("{}: {} open at its end", row.time, row.open), vec![("", row.open)]),
        };
        Column { label, mark: row.mark.clone(), parts }
    };
    rows.iter().map(column).collect()
}

/// `None`: there is nothing to draw.
fn reaches(took: &[Took]) -> Option<Plot> {
    let reach = |(severity, took): (Severity, &Took)| {
        let Took { count, median_s, p90_s } = *took;
        let label = match count {
            0 => format!("{severity}: none"),
            count => {
                let [median, p90] = [median_s, p90_s].map(|seconds| duration(seconds.saturating_mul(1000)));
                format!("{severity}: median {median}, 90 % within {p90}, of {count}")
            }
        };
        Reach { name: severity.as_str(), label, seconds: (count > 0).then_some((median_s, p90_s)) }
    };
    let any = took.iter().any(|took| took.count > 0);
    any.then(|| plot::reaches(Severity::ALL.into_iter().zip(took).map(reach).collect()))
}

#[cfg(test)]
mod tests {
    use super::super::frame::Frame;
    use super::super::template;
    use super::*;

    fn page(overview: Overview) -> String {
        let page =
            template::page("overview.html", &Frame::sample(), content(&CHOICES[0], overview, Vec::new()))
                .unwrap();
        String::from_utf8(page.body.to_vec()).unwrap()
    }

    #[test]
    fn what_was_not_counted_is_told() {
        // 2026-11-23T08:00:00.123Z.
        let now = 1_795_420_800_123;
        let buckets = Buckets::up_to(now, HOUR, 24);
        let mut all = Overview {
            buckets,
            created: vec![[0, 0, 3, 0, 0]; 24],
            open: vec![2; 24],
            acknowledge: [Took::default(); 5],
            resolve: [Took::default(); 5],
            noisiest: Vec::new(),
            keys_were_forgotten: false,
            looked_at: MOST_LOOKED_AT,
            cut_at: None,
            searched_before: None,
        };
        let (cut, searched) = ("more than can be counted", "Of what was recorded before, only");
        let whole = page(all.clone());
        assert!(
            !whole.contains(cut) && !whole.contains(searched) && !whole.contains("not counted"),
            "{whole}"
        );
        let short = page(Overview { cut_at: Some(now - 2 * HOUR - 60_000), ..all.clone() });
        let sentence = "only the newest 1000000 were, those since 2026-11-23 05:59.";
        assert!(short.contains(cut) && short.contains(sentence), "{short}");
        // Neither plot nor table says of the others that there were none.
        assert!(short.contains("2026-11-23 04:00: not counted"), "{short}");
        assert_eq!(short.matches("<td>–</td>").count(), 20 * 7, "{short}");
        all.searched_before = Some(MOST_BEFORE);
        assert!(page(all.clone()).contains("only the newest 50000 incidents were searched"));
        all.open = vec![0; 24];
        assert!(page(all).contains(searched), "where nothing was found, more may have been there too");
    }
}
