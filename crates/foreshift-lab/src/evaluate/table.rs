//! Figures as tables for a terminal.

use std::fmt::Write;

use super::Horizon;
use super::bootstrap::{BlockKind, Estimate};
use super::figures::Figures;

/// One horizon: how rows are ranked, and what alarms come to.
pub(crate) fn of(horizon: &Horizon) -> String {
    let ground = &horizon.ground;
    let blocks = match ground.blocks {
        BlockKind::TargetDays => "target-days",
        BlockKind::Incidents => "stretches up to an incident",
    };
    let events = horizon.methods.first().map(|figures| &figures.events);
    let (days, incidents) = events.map_or((0.0, 0), |events| (events.target_days, events.incidents));
    let mut text = format!(
        "Horizon {} s: {} rows of {} targets, {} positive ({:.3} %), {} unknown and left out; {incidents} incidents in \
         {days:.1} target-days.\nIntervals: 95 %, over {} {blocks}.\n",
        ground.horizon_s,
        grouped(ground.rows),
        grouped(ground.targets),
        grouped(ground.positives),
        100.0 * ground.base_rate,
        grouped(ground.unknown),
        grouped(ground.block_count)
    );
    for warning in &horizon.warnings {
        text += &format!("Careful: {warning}.\n");
    }
    text += &rows(horizon);
    text += &alarms(horizon);
    text.push('\n');
    text
}

fn rows(horizon: &Horizon) -> String {
    let header = [
        "method",
        "average precision",
        "AUC",
        "log-loss",
        "Brier skill",
        "expected/observed",
        "ECE",
    ];
    let line = |figures: &Figures| {
        vec![
            figures.method.clone(),
            with_interval(&figures.average_precision, 3),
            with_interval(&figures.auc, 3),
            with_interval(&figures.log_loss, 4),
            with_interval(&figures.brier_skill, 3),
            with_interval(&figures.expected_over_observed, 2),
            number(figures.calibration_error, 4),
        ]
    };
    aligned(&header, horizon.methods.iter().map(line).collect())
}

fn alarms(horizon: &Horizon) -> String {
    let budget = horizon
        .methods
        .first()
        .map_or(1.0, |figures| figures.events.budget);
    let recall = format!("recall at {budget} false alarm/target-day");
    let marked = horizon
        .methods
        .iter()
        .any(|figures| figures.events.with_signs.is_some());
    let mut header = vec![
        "method",
        &recall,
        "precision",
        "lead median",
        "lead p10",
        "own alarm: false/day, recall",
    ];
    if marked {
        header.extend(["with signs", "abrupt"]);
    }
    let line = |figures: &Figures| {
        let events = &figures.events;
        let own = figures.own_alarm.map_or_else(
            || "-".to_owned(),
            |(rate, recall)| format!("{}, {}", number(rate, 2), number(recall, 2)),
        );
        let mut cells = vec![
            figures.method.clone(),
            with_interval(&events.recall, 2),
            with_interval(&events.precision, 2),
            seconds(events.lead_median_s.value),
            seconds(events.lead_p10_s),
            own,
        ];
        if marked {
            let groups = [&events.with_signs, &events.abrupt].into_iter();
            cells.extend(groups.map(|group| {
                group.as_ref().map_or_else(
                    || "-".to_owned(),
                    |group| format!("{} of {}", with_interval(&group.recall, 2), group.incidents),
                )
            }));
        }
        cells
    };
    aligned(&header, horizon.methods.iter().map(line).collect())
}

/// A number with its interval; `-` is none.
pub(crate) fn with_interval(estimate: &Estimate, digits: usize) -> String {
    if !estimate.value.is_finite() {
        return "-".to_owned();
    }
    format!(
        "{} [{}, {}]",
        number(estimate.value, digits),
        number(estimate.low, digits),
        number(estimate.high, digits)
    )
}

/// A number; `-` is none.
pub(crate) fn number(value: f64, digits: usize) -> String {
    if !value.is_finite() {
        return "-".to_owned();
    }
    let text = format!("{value:.digits$}");
    // Nothing is nothing, from whichever side it was come to.
    let is_zero = !text.contains(|letter: char| ('1'..='9').contains(&letter));
    text.strip_prefix('-')
        .filter(|_| is_zero)
        .map_or(text.clone(), str::to_owned)
}

/// A count with commas between thousands.
pub(crate) fn grouped(count: usize) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A span in the unit that suits it.
pub(crate) fn seconds(value: f64) -> String {
    match value {
        _ if !value.is_finite() => "-".to_owned(),
        _ if value < 600.0 => format!("{value:.0} s"),
        _ if value < 7_200.0 => format!("{:.0} min", value / 60.0),
        _ => format!("{:.1} h", value / 3_600.0),
    }
}

/// Columns as wide as what is in them; the first to the left, the others to the right.
pub(crate) fn aligned(header: &[&str], lines: Vec<Vec<String>>) -> String {
    let header: Vec<String> = header.iter().map(|cell| (*cell).to_owned()).collect();
    let all = || std::iter::once(&header).chain(&lines);
    let width = |column: usize| {
        let cells = all().filter_map(|line| line.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..header.len()).map(width).collect();
    let mut text = String::new();
    for line in all() {
        for (at, (cell, width)) in line.iter().zip(&widths).enumerate() {
            let _ = match at {
                0 => write!(text, "  {cell:width$}"),
                _ => write!(text, "   {cell:>width$}"),
            };
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!(
            (grouped(999), grouped(1_234_567)),
            ("999".to_owned(), "1,234,567".to_owned())
        );
    }

    #[test]
    fn columns_line_up_and_what_is_missing_is_a_dash() {
        let lines = vec![
            vec!["a method".to_owned(), number(0.5, 2)],
            vec!["b".to_owned(), number(f64::NAN, 2)],
        ];
        assert_eq!(
            aligned(&["method", "recall"], lines),
            "  method     recall\n  a method     0.50\n  b               -\n"
        );
        assert_eq!(
            (seconds(59.6), seconds(5_400.0)),
            ("60 s".to_owned(), "90 min".to_owned())
        );
    }
}
