//! Values as people read them.

use std::time::SystemTime;

use foreshift_domain::{Duration, Timestamp, rfc3339};
use serde_json::Value;

/// The wall clock, in whole seconds.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp::from_secs(i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}

/// How long ago an RFC 3339 time was, in days or hours; `-` where it is not known.
pub(super) fn age(at: Option<&str>, now: Timestamp) -> String {
    let Some(age) = at.and_then(rfc3339::parse).map(|at| now.since(at)) else {
        return "-".to_owned();
    };
    let hours = age.as_micros() / Duration::HOUR.as_micros();
    match hours {
        48.. => format!("{} d", hours / 24),
        1.. => format!("{hours} h"),
        _ => "new".to_owned(),
    }
}

/// Horizons as people write them.
pub(super) fn horizons(seconds: &[f64]) -> String {
    let texts: Vec<String> = seconds
        .iter()
        .map(|s| Duration::from_secs_f64(*s).to_string())
        .collect();
    texts.join(", ")
}

/// All leaves of a JSON value that are numbers, texts or truths, by path.
pub(super) fn leaves(value: &Value) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    collect("", value, &mut found);
    found
}

fn collect(path: &str, value: &Value, found: &mut Vec<(String, Value)>) {
    let below = |name: &str| {
        if path.is_empty() {
            name.to_owned()
        } else {
            format!("{path}.{name}")
        }
    };
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                collect(&below(name), value, found);
            }
        }
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                collect(&below(&at.to_string()), item, found);
            }
        }
        Value::Null => {}
        leaf => found.push((path.to_owned(), leaf.clone())),
    }
}

/// Figures that tell versions apart at a glance: the range of each over all horizons and sets.
pub(super) fn key_metrics(metrics: &Value) -> String {
    const KEYS: [(&str, &str); 5] = [
        ("average_precision", "AP"),
        ("auc", "AUC"),
        ("log_loss", "log-loss"),
        ("brier_skill", "Brier skill"),
        ("macro_f1", "macro F1"),
    ];
    let leaves = leaves(metrics);
    let shown = KEYS.iter().filter_map(|(key, label)| {
        let values = leaves
            .iter()
            .filter(|(path, _)| path.rsplit('.').next() == Some(key));
        let numbers: Vec<f64> = values.filter_map(|(_, value)| value.as_f64()).collect();
        let low = numbers.iter().copied().reduce(f64::min)?;
        let high = numbers.iter().copied().reduce(f64::max)?;
        Some(if low == high {
            format!("{label} {low:.3}")
        } else {
            format!("{label} {low:.3} to {high:.3}")
        })
    });
    let shown: Vec<String> = shown.collect();
    if shown.is_empty() {
        "-".to_owned()
    } else {
        shown.join(", ")
    }
}

/// Rows under a head, columns as wide as they need to be.
pub(super) fn table<const N: usize>(head: [&str; N], rows: &[[String; N]]) -> String {
    let mut widths = head.map(|cell| cell.chars().count());
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: Vec<&str>| {
        let padded: Vec<String> = cells
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        padded.join("  ").trim_end().to_owned() + "\n"
    };
    let mut text = line(head.to_vec());
    for row in rows {
        text += &line(row.iter().map(String::as_str).collect());
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn key_metrics_are_ranges_over_all_horizons_and_sets() {
        let metrics =
            json!({"fleet": {"horizons": [{"auc": 0.9}, {"auc": 0.8}]}, "recordings": {"auc": null}});
        assert_eq!(key_metrics(&metrics), "AUC 0.800 to 0.900");
        assert_eq!(key_metrics(&Value::Null), "-");
    }

    #[test]
    fn ages_are_days_then_hours() {
        let now = rfc3339::parse("2026-01-10T00:00:00Z").unwrap();
        assert_eq!(age(Some("2026-01-01T00:00:00Z"), now), "9 d");
        assert_eq!(age(Some("2026-01-09T00:00:00Z"), now), "24 h");
        assert_eq!(age(None, now), "-");
    }
}
