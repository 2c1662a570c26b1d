//! Checks of single fields, shared by all conversions.

use foreshift_domain::names::MAX_NAME_BYTES;
use foreshift_domain::{Duration, Timestamp};

use crate::error::WireError;

/// The most names a request may list: more is a mistake, leave the list empty for all.
pub const MAX_LISTED_NAMES: usize = 1_000;

/// The most shares in one command, and targets in one route: beyond any route that people write down.
pub const MAX_SHARES: usize = 1_000;

/// A name that must be there.
pub(crate) fn name<T: From<String>>(field: &'static str, text: String) -> Result<T, WireError> {
    optional_name(field, text)?.ok_or(WireError::Missing { field })
}

/// A name that may be left out.
pub(crate) fn optional_name<T: From<String>>(
    field: &'static str,
    text: String,
) -> Result<Option<T>, WireError> {
    Ok(optional_text(field, &text)?.is_some().then(|| text.into()))
}

/// The text of a name that may be left out.
pub(crate) fn optional_text<'a>(field: &'static str, text: &'a str) -> Result<Option<&'a str>, WireError> {
    at_most(field, text, MAX_NAME_BYTES)?;
    Ok((!text.is_empty()).then_some(text))
}

/// A text of bounded length.
pub(crate) fn at_most(field: &'static str, text: &str, max: usize) -> Result<(), WireError> {
    if text.len() > max {
        return Err(WireError::TooLong {
            field,
            bytes: text.len(),
            max,
        });
    }
    Ok(())
}

/// A list of bounded length.
pub(crate) fn at_most_entries(field: &'static str, count: usize, max: usize) -> Result<(), WireError> {
    if count > max {
        return Err(WireError::TooMany { field, count, max });
    }
    Ok(())
}

/// The text, cut at a character boundary to at most `max` bytes.
pub(crate) fn cut(mut text: String, max: usize) -> String {
    if text.len() > max {
        let end = (0..=max)
            .rev()
            .find(|end| text.is_char_boundary(*end))
            .unwrap_or(0);
        text.truncate(end);
    }
    text
}

/// A number that is neither NaN nor infinite.
pub(crate) fn finite(field: &'static str, value: f64) -> Result<f64, WireError> {
    if value.is_finite() {
        Ok(value)
    } else {
        Err(WireError::NotFinite { field })
    }
}

/// A probability.
pub(crate) fn probability(field: &'static str, value: f64) -> Result<f64, WireError> {
    if (0.0..=1.0).contains(&finite(field, value)?) {
        Ok(value)
    } else {
        Err(WireError::OutOfRange {
            field,
            expected: "from 0 to 1",
        })
    }
}

/// A span of at least zero microseconds.
pub(crate) fn span(field: &'static str, micros: i64) -> Result<Duration, WireError> {
    if micros < 0 {
        return Err(WireError::OutOfRange {
            field,
            expected: "at least 0",
        });
    }
    Ok(Duration::from_micros(micros))
}

/// A span of more than zero microseconds.
pub(crate) fn positive_span(field: &'static str, micros: i64) -> Result<Duration, WireError> {
    if micros <= 0 {
        return Err(WireError::OutOfRange {
            field,
            expected: "above 0",
        });
    }
    Ok(Duration::from_micros(micros))
}

/// How many requests or lines something stands for: at least 1, and 1 when not said.
pub(crate) fn count(field: &'static str, count: Option<u32>) -> Result<u32, WireError> {
    match count {
        Some(0) => Err(WireError::OutOfRange {
            field,
            expected: "at least 1",
        }),
        Some(count) => Ok(count),
        None => Ok(1),
    }
}

/// A share in basis points.
pub(crate) fn share(field: &'static str, bp: u32) -> Result<u32, WireError> {
    if bp > foreshift_domain::weights::FULL_BP {
        return Err(WireError::OutOfRange {
            field,
            expected: "from 0 to 10000 basis points",
        });
    }
    Ok(bp)
}

/// A point in time; every number of microseconds is one.
pub(crate) const fn time(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros)
}
