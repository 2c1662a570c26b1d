//! What log lines said about a target, both ways.

use foreshift_domain::log::ErrorClass;
use foreshift_domain::published::{ClassLines, LogSummary, TemplateLines};

use crate::error::WireError;
use crate::field;
use crate::v1;

/// The most classes and templates of one summary: there are 19 of the first, and 20 of the second are sent.
const MAX_LISTED: usize = 256;
/// The longest text or sample, in bytes.
const MAX_TEXT_BYTES: usize = 16 << 10;

impl From<&LogSummary> for v1::LogSummary {
    fn from(summary: &LogSummary) -> Self {
        Self {
            since_unix_us: summary.since.map(|since| since.as_micros()),
            classes: summary
                .classes
                .iter()
                .map(|one| v1::ClassLines {
                    class: one.class.as_str().to_owned(),
                    lines: one.lines,
                    total: one.total,
                })
                .collect(),
            templates: summary
                .templates
                .iter()
                .map(|one| v1::TemplateLines {
                    id: one.id.clone(),
                    class: one.class.as_str().to_owned(),
                    lines: one.lines,
                    text: one.text.clone(),
                    samples: one.samples.clone(),
                })
                .collect(),
        }
    }
}

impl TryFrom<v1::LogSummary> for LogSummary {
    type Error = WireError;

    fn try_from(wire: v1::LogSummary) -> Result<Self, WireError> {
        field::at_most_entries("logs.classes", wire.classes.len(), MAX_LISTED)?;
        field::at_most_entries("logs.templates", wire.templates.len(), MAX_LISTED)?;
        // A class newer than this build has no name here, and no page to look at.
        let classes = wire.classes.into_iter().filter_map(|one| {
            let class = ErrorClass::parse(&one.class)?;
            Some(ClassLines::new(class, one.lines, one.total))
        });
        Ok(Self {
            since: wire.since_unix_us.map(field::time),
            classes: classes.collect(),
            templates: wire
                .templates
                .into_iter()
                .map(|one| {
                    field::at_most_entries("logs.samples", one.samples.len(), MAX_LISTED)?;
                    let cut = |text| field::cut(text, MAX_TEXT_BYTES);
                    Ok(TemplateLines {
                        id: field::name("logs.template.id", one.id)?,
                        class: ErrorClass::parse(&one.class).unwrap_or(ErrorClass::None),
                        lines: one.lines,
                        text: one.text.map(cut),
                        samples: one.samples.into_iter().map(cut).collect(),
                    })
                })
                .collect::<Result<_, WireError>>()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use foreshift_domain::Timestamp;

    use super::*;

    fn summary() -> LogSummary {
        LogSummary {
            since: Some(Timestamp::from_secs(7)),
            classes: vec![ClassLines::new(ErrorClass::Dns, 3, 9)],
            templates: vec![TemplateLines {
                id: "00000000000000ab".to_owned(),
                class: ErrorClass::Dns,
                lines: 3,
                text: Some("no such host".to_owned()),
                samples: vec!["no such host".to_owned()],
            }],
        }
    }

    #[test]
    fn a_summary_survives_the_wire() {
        let wire = v1::LogSummary::from(&summary());
        assert_eq!(LogSummary::try_from(wire), Ok(summary()));
        let empty = LogSummary::default();
        assert_eq!(LogSummary::try_from(v1::LogSummary::from(&empty)), Ok(empty));
    }

    #[test]
    fn a_class_newer_than_this_build_is_left_out_and_a_summary_without_bounds_refused() {
        let mut wire = v1::LogSummary::from(&summary());
        wire.classes[0].class = "gremlins".to_owned();
        wire.templates[0].class = "gremlins".to_owned();
        let read = LogSummary::try_from(wire.clone()).unwrap();
        assert!(read.classes.is_empty());
        assert_eq!(read.templates[0].class, ErrorClass::None);
        wire.templates = vec![wire.templates[0].clone(); MAX_LISTED + 1];
        assert!(LogSummary::try_from(wire).is_err());
    }
}
