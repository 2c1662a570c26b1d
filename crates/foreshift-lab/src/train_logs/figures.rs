//! How well classes are told apart.

use foreshift_domain::log::ErrorClass;
use foreshift_logs::classify::CLASSES;
use serde::Serialize;

/// What became of each line.
#[derive(Clone, Debug, Default)]
pub(super) struct Confusion {
    /// Lines by true class, then by found class.
    cells: [[usize; CLASSES]; CLASSES],
    /// Lines that were declined, by true class.
    declined: [usize; CLASSES],
}

/// Figures of one way of telling classes apart.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Figures {
    pub(super) lines: usize,
    /// Share of the lines that were not declined.
    pub(super) coverage: f64,
    /// Share of the lines not declined that were right.
    pub(super) accuracy: f64,
    /// Mean over the classes of the harmonic mean of precision and recall, over the lines not declined.
    pub(super) macro_f1: f64,
    /// The same over all lines, where a declined line counts as one missed.
    pub(super) macro_f1_all: f64,
}

impl Confusion {
    /// Counts a line; `found` is `None` where it was declined.
    pub(super) fn count(&mut self, class: ErrorClass, found: Option<ErrorClass>) {
        let cell = match found {
            Some(found) => self
                .cells
                .get_mut(class as usize)
                .and_then(|row| row.get_mut(found as usize)),
            None => self.declined.get_mut(class as usize),
        };
        if let Some(cell) = cell {
            *cell += 1;
        }
    }

    fn answered(&self) -> usize {
        self.cells.iter().flatten().sum()
    }

    fn cell(&self, class: ErrorClass, found: ErrorClass) -> usize {
        self.cells
            .get(class as usize)
            .and_then(|row| row.get(found as usize))
            .copied()
            .unwrap_or(0)
    }

    fn declined(&self, class: ErrorClass) -> usize {
        self.declined.get(class as usize).copied().unwrap_or(0)
    }

    /// (precision, recall, F1) of a class.
    fn of(&self, class: ErrorClass, missed: usize) -> Option<(f64, f64, f64)> {
        let right = self.cell(class, class);
        let there = ErrorClass::ALL
            .into_iter()
            .map(|found| self.cell(class, found))
            .sum::<usize>()
            + missed;
        let said: usize = ErrorClass::ALL
            .into_iter()
            .map(|truth| self.cell(truth, class))
            .sum();
        let share = |of: usize| right as f64 / of.max(1) as f64;
        let f1 = 2.0 * right as f64 / (there + said).max(1) as f64;
        (there > 0).then(|| (share(said), share(there), f1))
    }

    pub(super) fn figures(&self) -> Figures {
        let answered = self.answered();
        let lines = answered + self.declined.iter().sum::<usize>();
        let right: usize = ErrorClass::ALL
            .into_iter()
            .map(|class| self.cell(class, class))
            .sum();
        let mean = |missed: &dyn Fn(ErrorClass) -> usize| {
            let of = |class| self.of(class, missed(class)).map(|(_, _, f1)| f1);
            let f1s: Vec<f64> = ErrorClass::ALL.into_iter().filter_map(of).collect();
            f1s.iter().sum::<f64>() / f1s.len().max(1) as f64
        };
        Figures {
            lines,
            coverage: answered as f64 / lines.max(1) as f64,
            accuracy: right as f64 / answered.max(1) as f64,
            macro_f1: mean(&|_| 0),
            macro_f1_all: mean(&|class| self.declined(class)),
        }
    }

    /// Precision, recall and F1 of each class, and what it was taken for, as a table of Markdown.
    pub(super) fn table(&self) -> String {
        let mut text = "| class | lines | declined | precision | recall | F1 | taken for |\n|---|---|---|---|---|---|---|\n".to_owned();
        for class in ErrorClass::ALL {
            let Some((precision, recall, f1)) = self.of(class, 0) else {
                continue;
            };
            let lines: usize = ErrorClass::ALL
                .into_iter()
                .map(|found| self.cell(class, found))
                .sum();
            let mut taken: Vec<_> = ErrorClass::ALL
                .into_iter()
                .filter(|found| *found != class)
                .map(|found| (self.cell(class, found), found.as_str()))
                .filter(|(count, _)| *count > 0)
                .collect();
            taken.sort_by(|left, right| right.cmp(left));
            let taken: Vec<String> = taken
                .iter()
                .map(|(count, name)| format!("{name} {count}"))
                .collect();
            let declined = self.declined(class);
            text += &format!(
                "| {} | {} | {declined} | {precision:.2} | {recall:.2} | {f1:.2} | {} |\n",
                class.as_str(),
                lines + declined,
                taken.join(", ")
            );
        }
        text
    }

    /// The whole matrix as Markdown: a row is a true class, a column a found one.
    pub(super) fn matrix(&self) -> String {
        let short = |class: ErrorClass| class.as_str().replace('_', " ");
        let header: Vec<String> = ErrorClass::ALL.into_iter().map(short).collect();
        let mut text = format!(
            "| | {} | declined |\n|---|{}\n",
            header.join(" | "),
            "---|".repeat(CLASSES + 1)
        );
        for class in ErrorClass::ALL {
            let cell = |found| match self.cell(class, found) {
                0 => String::new(),
                count => count.to_string(),
            };
            let cells: Vec<String> = ErrorClass::ALL.into_iter().map(cell).collect();
            text += &format!(
                "| **{}** | {} | {} |\n",
                short(class),
                cells.join(" | "),
                self.declined(class)
            );
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_declined_line_lowers_coverage_and_only_the_figure_over_all_lines() {
        let mut confusion = Confusion::default();
        confusion.count(ErrorClass::Oom, Some(ErrorClass::Oom));
        confusion.count(ErrorClass::Oom, None);
        confusion.count(ErrorClass::Dns, Some(ErrorClass::Dns));
        let figures = confusion.figures();
        assert!((figures.coverage - 2.0 / 3.0).abs() < 1e-12);
        assert_eq!(figures.accuracy, 1.0);
        assert_eq!(figures.macro_f1, 1.0);
        assert!((figures.macro_f1_all - (2.0 / 3.0 + 1.0) / 2.0).abs() < 1e-12);
    }

    #[test]
    fn a_class_taken_for_another_lowers_both() {
        let mut confusion = Confusion::default();
        confusion.count(ErrorClass::Oom, Some(ErrorClass::Dns));
        confusion.count(ErrorClass::Dns, Some(ErrorClass::Dns));
        let figures = confusion.figures();
        assert_eq!(figures.accuracy, 0.5);
        assert!((figures.macro_f1 - (0.0 + 2.0 / 3.0) / 2.0).abs() < 1e-12);
        assert!(
            confusion
                .table()
                .contains("| oom | 1 | 0 | 0.00 | 0.00 | 0.00 | dns 1 |")
        );
    }
}
