//! Small tables: columns as wide as what they hold, the whole no wider than a terminal.

use super::MAX_COLUMNS;
use super::paint::{Ink, Paint};
use super::words::clean;

/// Between two columns.
const GAP: &str = "  ";

/// A column is not made narrower than this to make room for others.
const MIN_SHRUNK: usize = 8;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Align {
    Left,
    Right,
}

/// One cell.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cell {
    text: String,
    ink: Ink,
}

impl Cell {
    pub(crate) fn new(text: impl AsRef<str>) -> Self {
        Self {
            text: clean(text.as_ref()),
            ink: Ink::Plain,
        }
    }

    pub(crate) fn ink(mut self, ink: Ink) -> Self {
        self.ink = ink;
        self
    }
}

impl<T: AsRef<str>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::new(text)
    }
}

/// A table with a head.
pub(crate) struct Table {
    head: Vec<(&'static str, Align)>,
    rows: Vec<Vec<Cell>>,
    indent: usize,
}

impl Table {
    pub(crate) fn new(indent: usize, head: &[(&'static str, Align)]) -> Self {
        Self {
            head: head.to_vec(),
            rows: Vec::new(),
            indent,
        }
    }

    pub(crate) fn row<const N: usize>(&mut self, cells: [Cell; N]) {
        self.rows.push(cells.into());
    }

    pub(crate) fn render(&self, paint: Paint) -> String {
        let widths = self.widths();
        let mut text = String::new();
        let head: Vec<Cell> = self
            .head
            .iter()
            .map(|(name, _)| Cell::new(name).ink(Ink::Dim))
            .collect();
        for row in std::iter::once(&head).chain(&self.rows) {
            let mut line = " ".repeat(self.indent);
            for (at, ((cell, width), (_, align))) in row.iter().zip(&widths).zip(&self.head).enumerate() {
                if at > 0 {
                    line.push_str(GAP);
                }
                let shown = shorten(&cell.text, *width);
                let blanks = " ".repeat(width.saturating_sub(shown.chars().count()));
                let painted = paint.ink(cell.ink, &shown);
                match align {
                    Align::Left => line.extend([painted.as_str(), &blanks]),
                    Align::Right => line.extend([blanks.as_str(), &painted]),
                }
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }

    /// The widths of the columns: as wide as needed, and where that is too much, the widest give way.
    fn widths(&self) -> Vec<usize> {
        let mut widths: Vec<usize> = self.head.iter().map(|(name, _)| name.len()).collect();
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.text.chars().count());
            }
        }
        let room = MAX_COLUMNS.saturating_sub(self.indent + GAP.len() * widths.len().saturating_sub(1));
        let mut over = widths.iter().sum::<usize>().saturating_sub(room);
        while over > 0 {
            let Some(widest) = widths.iter_mut().max().filter(|widest| **widest > MIN_SHRUNK) else {
                break;
            };
            *widest -= 1;
            over -= 1;
        }
        widths
    }
}

/// The text, or its beginning and an ellipsis.
pub(crate) fn shorten(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(most.saturating_sub(1)).collect();
    short.push('…');
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_whatever_the_colours() {
        let mut table = Table::new(1, &[("NAME", Align::Left), ("SHARE", Align::Right)]);
        table.row(["openai".into(), Cell::new("7%").ink(Ink::Bad)]);
        assert_eq!(
            table.render(Paint::new(false)),
            " NAME    SHARE\n openai     7%\n"
        );
        assert!(
            table
                .render(Paint::new(true))
                .contains("   \u{1b}[31m7%\u{1b}[0m\n")
        );
    }

    #[test]
    fn a_long_name_is_cut_and_the_line_still_fits() {
        let mut table = Table::new(2, &[("NAME", Align::Left), ("WHY", Align::Left)]);
        table.row(["n".repeat(300).into(), "short".into()]);
        let text = table.render(Paint::new(false));
        assert!(
            text.lines().all(|line| line.chars().count() <= MAX_COLUMNS),
            "{text}"
        );
        assert!(text.contains("…  short"), "{text}");
    }

    #[test]
    fn a_name_cannot_steer_the_terminal() {
        let mut table = Table::new(0, &[("NAME", Align::Left)]);
        table.row(["evil\u{1b}[2Jname\n".into()]);
        assert_eq!(table.render(Paint::new(false)), "NAME\nevil?[2Jname?\n");
    }
}
