//! `firebell incidents list`: what is on fire, in a table.

use clap::Args;

use super::data::Page;
use super::table::{Row, Widths};
use crate::cli::client::{Client, read};
use crate::cli::filters::{Filters, ONLY_IN_LISTS};
use crate::cli::trouble::Trouble;
use crate::cli::{Outcome, text};

/// The most that the API puts into one page.
const PAGE: usize = 100;

/// Which incidents, and in which order.
#[derive(Debug, Default, PartialEq, Args)]
pub struct List {
    /// The order; -last_seen_at leaves out what is closed [default: -created_at]
    #[arg(
        long,
        allow_hyphen_values = true,
        value_parser = ["-created_at", "created_at", "severity", "-last_seen_at"],
    )]
    pub sort: Option<String>,
    /// How many at most, up to 10000 [default: 20]
    #[arg(long, short = 'n', value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub limit: Option<u16>,
    /// Go on with what happens, live, until Ctrl-C; not by text or time, and by aliases of services only where the
    /// configuration is at hand
    #[arg(long, short, conflicts_with_all = ONLY_IN_LISTS)]
    pub watch: bool,
    #[command(flatten)]
    pub filters: Filters,
}

/// Lists once.
pub fn run(client: &Client, list: &List, json: bool) -> Outcome {
    let page = fetch(client, list)?;
    if json {
        text::say(&serde_json::to_string(&page)?);
        return Ok(());
    }
    if page.items.is_empty() {
        let any = !list.filters.parameters().is_empty();
        text::say(if any {
            "no incidents match"
        } else {
            "no incidents yet; `firebell send` makes one to try it"
        });
        return Ok(());
    }
    let rows = rows(&page, None)?;
    let layout = Widths::of(&rows, false).layout(text::width());
    text::say(&layout.head());
    for row in &rows {
        text::say(&layout.line(row, text::colours()));
    }
    if page.has_more {
        let least = if page.total_exact { "" } else { "at least " };
        text::complain(&format!("{} of {least}{} shown; --limit shows more", rows.len(), page.total));
    }
    Ok(())
}

/// The rows of a page, for a list or for a live view.
pub fn rows(page: &Page, event: Option<&str>) -> Result<Vec<Row>, Trouble> {
    page.items.iter().map(|item| Ok(Row::new(&read(item)?, event))).collect()
}

/// As many pages as it takes, as one.
pub fn fetch(client: &Client, list: &List) -> Result<Page, Trouble> {
    let limit = usize::from(list.limit.unwrap_or(20));
    let mut items = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(list.filters.parameters());
        query.extend_pairs(list.sort.iter().map(|sort| ("sort", sort)));
        query.extend_pairs(cursor.iter().map(|cursor| ("cursor", cursor)));
        query.append_pair("limit", &(limit - items.len()).min(PAGE).to_string());
        let mut page: Page = client.get(&format!("/api/v1/incidents?{}", query.finish()))?.read()?;
        items.append(&mut page.items);
        // A page may be short, or even empty, where a filter finds little.
        cursor = page.next_cursor.clone().filter(|_| page.has_more && items.len() < limit);
        if cursor.is_none() {
            return Ok(Page { items, ..page });
        }
    }
}
