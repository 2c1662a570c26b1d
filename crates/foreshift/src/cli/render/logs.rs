//! What log lines said about a target of late.

use foreshift_domain::log::{ErrorClass, Meaning};
use foreshift_domain::published::LogSummary;

use super::paint::{Ink, Paint};
use super::table::{Align, Cell, Table};
use super::words::{clean, clock};

/// Instead of a text that may not be seen yet.
const PRIVATE: &str = "private until seen more often";

/// Classes with their pages, then templates with most lines.
pub(crate) fn logs(summary: &LogSummary, paint: Paint) -> String {
    let since = summary.since.map(|since| format!(" since {}", clock(since)));
    let mut text = format!(
        "{}\n",
        paint.bold(&format!("log lines{}", since.unwrap_or_default()))
    );
    let mut classes = Table::new(
        2,
        &[
            ("CLASS", Align::Left),
            ("LINES", Align::Right),
            ("READ", Align::Left),
        ],
    );
    for one in &summary.classes {
        let page = match one.class {
            ErrorClass::None => "",
            _ => one.runbook.as_str(),
        };
        classes.row([class(one.class), one.lines.to_string().into(), page.into()]);
    }
    text.push_str(&classes.render(paint));
    if summary.templates.is_empty() {
        return text;
    }
    let mut templates = Table::new(
        2,
        &[
            ("TEMPLATE", Align::Left),
            ("CLASS", Align::Left),
            ("LINES", Align::Right),
            ("TEXT", Align::Left),
        ],
    );
    for one in &summary.templates {
        let shown = one.text.as_deref().unwrap_or(PRIVATE);
        templates.row([
            one.id.as_str().into(),
            class(one.class),
            one.lines.to_string().into(),
            shown.into(),
        ]);
    }
    text.push('\n');
    text.push_str(&templates.render(paint));
    let samples = || {
        summary
            .templates
            .iter()
            .flat_map(|one| one.samples.iter().map(move |sample| (&one.id, sample)))
    };
    if samples().next().is_some() {
        text.push_str("\n  samples\n");
        samples().for_each(|(id, sample)| text.push_str(&format!("  {}  {}\n", clean(id), clean(sample))));
    }
    text
}

fn class(class: ErrorClass) -> Cell {
    let ink = match class.meaning() {
        Meaning::Failure => Ink::Bad,
        _ => Ink::Plain,
    };
    Cell::new(class.as_str()).ink(ink)
}

#[cfg(test)]
mod tests {
    use foreshift_domain::published::{ClassLines, TemplateLines};

    use super::*;

    #[test]
    fn a_private_template_shows_its_id_and_a_class_where_to_read_on() {
        let template = |id: &str, text: Option<&str>| TemplateLines {
            id: id.to_owned(),
            class: ErrorClass::Timeout,
            lines: 7,
            text: text.map(str::to_owned),
            samples: Vec::new(),
        };
        let summary = LogSummary {
            since: None,
            classes: vec![
                ClassLines::new(ErrorClass::Timeout, 12, 99),
                ClassLines::new(ErrorClass::None, 1, 1),
            ],
            templates: vec![
                template("00000000000000ab", Some("no answer after <duration>")),
                template("00000000000000cd", None),
            ],
        };
        let text = logs(&summary, Paint::new(false));
        assert!(
            text.contains("timeout     12  docs/runbooks/timeout.md\n"),
            "{text}"
        );
        assert!(!text.contains("runbooks/none"), "{text}");
        assert!(
            text.contains("00000000000000ab  timeout      7  no answer after <duration>"),
            "{text}"
        );
        assert!(
            text.contains("00000000000000cd  timeout      7  private until seen more often"),
            "{text}"
        );
    }
}
