//! Numbers as shapes. A plot is made of rectangles, lines and short texts, all at whole numbers in a fixed frame that
//! pages scale to their width; how they look is the style sheet's, and every text is escaped by the template.

use serde::Serialize;

/// The frame's width. Narrow, so that its texts can be read where it is drawn on a telephone.
const WIDTH: i64 = 400;

/// Where columns and lines begin: left of it is the scale.
const LEFT: i64 = 36;

/// Where they end.
const RIGHT: i64 = 396;

/// The room above the scale's end: small parts are drawn larger than they are, and may reach into it.
const TOP: i64 = 14;

/// What everything stands on.
const BASE: i64 = 134;

/// The least that a part is high, so that one grave incident is seen among a thousand others.
const LEAST: i64 = 2;

/// Half of what a text on the time's axis may take.
const HALF_TEXT: i64 = 18;

/// Where the plot of durations begins and ends.
const SPANS: (i64, i64) = (50, 384);

/// From one row of it to the next.
const ROW: i64 = 24;

/// What its axis is marked with, in seconds.
const MARKS: [(i64, &str); 6] =
    [(1, "1 s"), (60, "1 min"), (3600, "1 h"), (86_400, "1 d"), (2_592_000, "30 d"), (31_536_000, "1 y")];

/// A text.
#[derive(Debug, Serialize)]
struct Text {
    x: i64,
    y: i64,
    anchor: &'static str,
    text: String,
}

/// A line of the scale.
#[derive(Debug, Serialize)]
struct Line {
    x1: i64,
    y1: i64,
    x2: i64,
    y2: i64,
}

#[derive(Debug, Serialize)]
struct Rect {
    class: &'static str,
    x: i64,
    y: i64,
    width: i64,
    height: i64,
}

/// What belongs together: it has one text.
#[derive(Debug, Serialize)]
struct Group {
    label: String,
    rects: Vec<Rect>,
}

/// A plot, ready for the template.
#[derive(Debug, Default, Serialize)]
pub struct Plot {
    width: i64,
    height: i64,
    lines: Vec<Line>,
    texts: Vec<Text>,
    groups: Vec<Group>,
    /// The corners of a line.
    curve: String,
    /// Those of the area below it.
    area: String,
}

/// One of several columns side by side.
pub struct Column {
    /// What it says.
    pub label: String,
    /// What is written below it.
    pub mark: Option<String>,
    /// From the bottom up: a class of the style sheet, and how much.
    pub parts: Vec<(&'static str, i64)>,
}

impl Column {
    fn total(&self) -> i64 {
        self.parts.iter().map(|(_, value)| value).sum()
    }
}

/// How far something reaches: from its median to what nine of ten stay below, in seconds.
pub struct Reach {
    /// A class of the style sheet, and the row's name.
    pub name: &'static str,
    /// What it says.
    pub label: String,
    /// Both; `None`: there is nothing to draw.
    pub seconds: Option<(i64, i64)>,
}

/// Columns of parts.
pub fn columns(columns: Vec<Column>) -> Plot {
    let top = round_up(columns.iter().map(Column::total).max().unwrap_or(0));
    let mut plot = frame(top);
    let places = places(columns.len());
    for ((x, step), column) in places.zip(columns) {
        plot.mark_time(x, column.mark);
        let (mut y, mut rects) = (BASE, vec![full(x, step)]);
        for (class, value) in column.parts {
            if value > 0 {
                let height = (value * (BASE - TOP) / top).max(LEAST);
                y -= height;
                rects.push(Rect { class, x, y, width: (step - gap(step)).max(1), height });
            }
        }
        plot.groups.push(Group { label: column.label, rects });
    }
    plot
}

/// A line through the tops of columns; it has a gap where one has no parts.
pub fn line(columns: Vec<Column>) -> Plot {
    let top = round_up(columns.iter().map(Column::total).max().unwrap_or(0));
    let mut plot = frame(top);
    let places = places(columns.len());
    let mut corners: Vec<(i64, i64)> = Vec::new();
    for ((x, step), column) in places.zip(columns) {
        if !column.parts.is_empty() {
            let y = BASE - column.total().max(0) * (BASE - TOP) / top;
            corners.extend([(x, y), (x + step, y)]);
        }
        plot.mark_time(x, column.mark);
        plot.groups.push(Group { label: column.label, rects: vec![full(x, step)] });
    }
    if let (Some((first, _)), Some((last, _))) = (corners.first(), corners.last()) {
        plot.area = format!("{first},{BASE} {} {last},{BASE}", points(&corners));
        plot.curve = points(&corners);
    }
    plot
}

/// Rows of how long something took. The axis is logarithmic: seconds and weeks are both to be seen.
pub fn reaches(rows: Vec<Reach>) -> Plot {
    let longest = rows.iter().filter_map(|row| row.seconds).map(|(_, p90)| p90).max().unwrap_or(1);
    let last = MARKS.iter().position(|(seconds, _)| *seconds >= longest).unwrap_or(MARKS.len() - 1).max(2);
    let end = logarithm(longest.max(MARKS[last].0));
    let (left, right) = SPANS;
    let x_of = |seconds: i64| left + logarithm(seconds) * (right - left) / end.max(1);
    let bottom = ROW * rows.len() as i64;
    let mut plot = Plot { width: WIDTH, height: bottom + 22, ..Plot::default() };
    for (seconds, text) in &MARKS[..=last] {
        let x = x_of(*seconds);
        plot.lines.push(Line { x1: x, y1: 0, x2: x, y2: bottom });
        plot.texts.push(Text { x, y: bottom + 16, anchor: "middle", text: (*text).into() });
    }
    for (index, row) in (0..).zip(rows) {
        let middle = index * ROW + ROW / 2;
        plot.texts.push(Text { x: left - 8, y: middle + 4, anchor: "end", text: row.name.into() });
        let mut rects =
            vec![Rect { class: "hit", x: left, y: middle - ROW / 2, width: right - left, height: ROW }];
        if let Some((median, p90)) = row.seconds {
            let (from, to) = (x_of(median), x_of(p90));
            rects.push(Rect {
                class: row.name,
                x: from,
                y: middle - 2,
                width: (to - from).max(1),
                height: 4,
            });
            rects.push(Rect { class: row.name, x: from - 3, y: middle - 8, width: 6, height: 16 });
            rects.push(Rect { class: row.name, x: to - 1, y: middle - 6, width: 2, height: 12 });
        }
        plot.groups.push(Group { label: row.label, rects });
    }
    plot
}

/// A bar of `value` out of `most` beside a text that says so.
pub fn share(value: i64, most: i64) -> i64 {
    (value.max(0) * 100 / most.max(1)).clamp(1, 100)
}

impl Plot {
    /// Writes below the axis, unless that would leave the frame.
    fn mark_time(&mut self, x: i64, mark: Option<String>) {
        let Some(text) = mark.filter(|_| x - HALF_TEXT >= 0 && x + HALF_TEXT <= WIDTH) else { return };
        self.lines.push(Line { x1: x, y1: BASE, x2: x, y2: BASE + 4 });
        self.texts.push(Text { x, y: BASE + 17, anchor: "middle", text });
    }
}

/// An empty plot with a scale from 0 to `top`.
fn frame(top: i64) -> Plot {
    let mut plot = Plot { width: WIDTH, height: BASE + 24, ..Plot::default() };
    let middle = (top % 2 == 0).then_some(top / 2);
    for value in [Some(0), middle, Some(top)].into_iter().flatten() {
        let y = BASE - value * (BASE - TOP) / top;
        plot.lines.push(Line { x1: LEFT, y1: y, x2: RIGHT, y2: y });
        plot.texts.push(Text { x: LEFT - 5, y: y + 4, anchor: "end", text: short(value) });
    }
    plot
}

/// All of a column's height, so that it need not be hit exactly.
const fn full(x: i64, step: i64) -> Rect {
    Rect { class: "hit", x, y: 0, width: step, height: BASE }
}

/// Where each column begins, and how much room it has: all of it is used, if in unequal parts.
fn places(columns: usize) -> impl Iterator<Item = (i64, i64)> {
    let count = columns as i64;
    let start = move |index: i64| LEFT + index * (RIGHT - LEFT) / count.max(1);
    (0..count).map(move |index| (start(index), (start(index + 1) - start(index)).max(1)))
}

const fn gap(step: i64) -> i64 {
    if step < 8 { 1 } else { 2 }
}

fn points(corners: &[(i64, i64)]) -> String {
    corners.iter().map(|(x, y)| format!("{x},{y}")).collect::<Vec<_>>().join(" ")
}

/// The next of 1, 2, 4, 5, 8, 10, 20, 40…; at least 2, so that a scale has a middle.
fn round_up(value: i64) -> i64 {
    let mut power = 1;
    loop {
        for factor in [1, 2, 4, 5, 8] {
            if factor * power >= value.clamp(2, i64::MAX / 100) {
                return factor * power;
            }
        }
        power *= 10;
    }
}

/// A number of the scale in few characters: those are round.
fn short(value: i64) -> String {
    match value {
        1_000_000.. if value % 1_000_000 == 0 => format!("{}M", value / 1_000_000),
        10_000.. if value % 1000 == 0 => format!("{}k", value / 1000),
        _ => value.to_string(),
    }
}

/// 16 times the logarithm to base 2, in whole numbers; straight between two powers.
fn logarithm(value: i64) -> i64 {
    let value = value.clamp(1, i64::MAX >> 4);
    let power = value.ilog2();
    i64::from(power) * 16 + ((value * 16) >> power) - 16
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(parts: &[i64]) -> Column {
        let parts = parts.iter().map(|value| ("SEV0", *value)).collect();
        Column { label: String::new(), mark: None, parts }
    }

    fn heights(group: &Group) -> Vec<i64> {
        group.rects[1..].iter().map(|rect| rect.height).collect()
    }

    #[test]
    fn heights_are_in_proportion_and_parts_stand_on_each_other() {
        let plot = columns(vec![column(&[50, 25]), column(&[]), column(&[100])]);
        assert_eq!(plot.groups.iter().map(heights).collect::<Vec<_>>(), [vec![60, 30], vec![], vec![120]]);
        let tops: Vec<_> = plot.groups[0].rects[1..].iter().map(|rect| rect.y).collect();
        assert_eq!(tops, [BASE - 60, BASE - 90]);
    }

    #[test]
    fn one_among_a_million_is_seen_and_stays_in_the_frame() {
        let plot = columns(vec![column(&[1, 1, 1, 1, 999_996])]);
        assert_eq!(heights(&plot.groups[0]), [2, 2, 2, 2, 119]);
        assert!(plot.groups[0].rects.iter().all(|rect| rect.y >= 0 && rect.x + rect.width <= WIDTH));
    }

    #[test]
    fn nothing_is_divided_by_zero() {
        for empty in [vec![], vec![column(&[])], vec![column(&[0]), column(&[0])]] {
            let again =
                empty.iter().map(|column| Column { parts: column.parts.clone(), ..self::column(&[]) });
            let again = line(again.collect());
            assert!(columns(empty).groups.iter().all(|group| group.rects.len() == 1));
            assert!(!again.curve.contains('-'));
        }
        reaches(Vec::new());
        let none = Reach { name: "SEV0", label: String::new(), seconds: None };
        let least = Reach { name: "SEV1", label: String::new(), seconds: Some((0, 0)) };
        let most = Reach { name: "SEV2", label: String::new(), seconds: Some((i64::MAX, i64::MAX)) };
        let plot = reaches(vec![none, least, most]);
        assert!(plot.groups.iter().flat_map(|group| &group.rects).all(|rect| rect.x + rect.width <= WIDTH));
        assert_eq!((share(0, 0), share(5, 10), share(9, 1)), (1, 50, 100));
    }

    #[test]
    fn a_line_has_a_gap_where_nothing_is_known() {
        let plot = line(vec![column(&[]), column(&[1]), column(&[2])]);
        assert_eq!(plot.curve, "156,74 276,74 276,14 396,14");
        assert_eq!(plot.area, format!("156,134 {} 396,134", plot.curve));
    }

    #[test]
    fn marks_do_not_overlap_or_leave_the_frame() {
        let marked =
            (0..90).map(|at| Column { mark: (at % 15 == 0).then(|| "11-23".into()), ..column(&[1]) });
        let plot = columns(marked.collect());
        let marks: Vec<_> =
            plot.texts.iter().filter(|text| text.anchor == "middle").map(|text| text.x).collect();
        assert_eq!(marks.len(), 6);
        assert!(marks.windows(2).all(|two| two[1] - two[0] >= 2 * HALF_TEXT));
        assert!(marks.iter().all(|x| *x >= HALF_TEXT && *x <= WIDTH - HALF_TEXT));
    }

    #[test]
    fn scales_end_at_round_numbers() {
        for (value, expected) in
            [(0, 2), (1, 2), (3, 4), (5, 5), (6, 8), (9, 10), (11, 20), (51, 80), (1001, 2000)]
        {
            assert_eq!(round_up(value), expected, "{value}");
        }
        assert!(round_up(i64::MAX) > 0);
        let shown = [5, 2500, 10_000, 25_000, 500_000, 2_000_000].map(short);
        assert_eq!(shown, ["5", "2500", "10k", "25k", "500k", "2M"]);
        assert_eq!([1, 2, 3, 4, 1024].map(logarithm), [0, 16, 24, 32, 160]);
        assert!(logarithm(i64::MAX) > logarithm(u32::MAX.into()));
    }
}
