//! A table whose last column has what the others leave. Pure: it prints nothing.

use super::cells::{clean, fit, pad, width};

/// What a table looks like.
pub struct Columns<const N: usize> {
    /// The heads.
    pub heads: [&'static str; N],
    /// Columns of numbers.
    pub numbers: &'static [usize],
    /// Columns that give way in a narrow window, one after the other.
    pub give_way: &'static [usize],
    /// How many cells the last column is worth.
    pub last: usize,
}

impl<const N: usize> Columns<N> {
    /// The lines of the table in a window; without one (a pipe) nothing is cut.
    pub fn lines(&self, rows: impl Iterator<Item = [String; N]>, window: Option<usize>) -> Vec<String> {
        let rows: Vec<_> = std::iter::once(self.heads.map(str::to_owned))
            .chain(rows.map(|row| row.map(|cell| clean(&cell))))
            .collect();
        let last = N - 1;
        let widest = |column: usize| rows.iter().map(|row| width(&row[column])).max().unwrap_or(0);
        let mut columns: Vec<_> = (0..last).map(|column| (column, widest(column))).collect();
        let taken = |columns: &[(usize, usize)]| columns.iter().map(|(_, width)| width + 2).sum::<usize>();
        let mut give_way = self.give_way.iter();
        while let Some(column) = window
            .filter(|window| window.saturating_sub(taken(&columns)) < self.last.min(widest(last)))
            .and_then(|_| give_way.next())
        {
            columns.retain(|(shown, _)| shown != column);
        }
        let room = window.map(|window| window.saturating_sub(taken(&columns)));
        let line = |row: &[String; N]| {
            let cells = columns
                .iter()
                .map(|(column, width)| pad(&row[*column], *width, self.numbers.contains(column)) + "  ");
            let end = room.map_or_else(|| row[last].clone(), |room| fit(&row[last], room));
            (cells.collect::<String>() + &end).trim_end().to_owned()
        };
        rows.iter().map(line).collect()
    }
}
