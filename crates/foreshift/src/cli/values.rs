//! Values as people write them on a command line.

use std::str::FromStr;

use foreshift_domain::fallback::Mode;
use foreshift_domain::weights::{FULL_BP, Version};
use foreshift_domain::{Duration, TargetName, Timestamp};
use foreshift_proto::rfc3339;

/// The longest span that is accepted: an override of ten years is a mistake, or a configuration.
const MAX_SPAN_DAYS: i64 = 3_650;

/// Reads `30m`, `1h30m`, `90s`, `7d`.
pub(crate) fn span(text: &str) -> Result<Duration, String> {
    let wrong = || format!("expected a span of time such as 30s, 20m, 1h30m or 7d, found `{text}`");
    let mut rest = text.trim();
    let mut micros: i64 = 0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
        let (number, tail) = rest.split_at(digits);
        let letters = tail.find(|c: char| !c.is_ascii_lowercase()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(letters);
        let unit_us: i64 = match unit {
            "ms" => 1_000,
            "s" => 1_000_000,
            "m" => 60_000_000,
            "h" => 3_600_000_000,
            "d" => 86_400_000_000,
            _ => return Err(wrong()),
        };
        let part = number
            .parse::<i64>()
            .ok()
            .and_then(|number| number.checked_mul(unit_us));
        micros = part.and_then(|part| micros.checked_add(part)).ok_or_else(wrong)?;
        rest = tail;
    }
    if micros <= 0 {
        return Err(wrong());
    }
    if micros > Duration::DAY.as_micros() * MAX_SPAN_DAYS {
        return Err(format!("{text} is longer than {MAX_SPAN_DAYS} days"));
    }
    Ok(Duration::from_micros(micros))
}

/// Reads a target and its share: `openai=70%`, `openai=33.34%` or `openai=7000bp`.
pub(crate) fn share(text: &str) -> Result<(TargetName, u32), String> {
    let wrong = || format!("expected TARGET=70% or TARGET=7000bp, found `{text}`");
    let (target, amount) = text.rsplit_once('=').ok_or_else(wrong)?;
    if target.is_empty() {
        return Err(wrong());
    }
    let bp = match (amount.strip_suffix('%'), amount.strip_suffix("bp")) {
        (Some(percent), _) => hundredths(percent),
        (_, Some(bp)) => bp.parse().ok(),
        (None, None) => return Err(format!("{text}: write a unit, {amount}% or {amount}bp")),
    };
    match bp {
        Some(bp) if bp <= FULL_BP => Ok((target.into(), bp)),
        Some(_) => Err(format!("{text}: a share is at most 100%")),
        None => Err(wrong()),
    }
}

/// Percent with at most two decimals as basis points.
fn hundredths(percent: &str) -> Option<u32> {
    let (whole, part) = percent.split_once('.').unwrap_or((percent, "0"));
    let digits = |text: &str, most: usize| {
        (1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    if !digits(whole, 3) || !digits(part, 2) {
        return None;
    }
    Some(whole.parse::<u32>().ok()? * 100 + format!("{part:0<2}").parse::<u32>().ok()?)
}

/// Whether shares make a whole, with no target twice.
pub(crate) fn whole(shares: &[(TargetName, u32)]) -> Result<(), String> {
    let sum: u64 = shares.iter().map(|(_, bp)| u64::from(*bp)).sum();
    for (at, (target, _)) in shares.iter().enumerate() {
        if shares.iter().take(at).any(|(other, _)| other == target) {
            return Err(format!("{target} is there twice"));
        }
    }
    if sum == u64::from(FULL_BP) {
        return Ok(());
    }
    let sum = sum as f64 / 100.0;
    Err(format!(
        "the shares sum to {sum}%, not to 100%; targets that are left out get 0%"
    ))
}

/// Reads a version: `7.41`.
pub(crate) fn version(text: &str) -> Result<Version, String> {
    let wrong = || format!("expected a version such as 7.41, found `{text}`");
    let (epoch, sequence) = text.split_once('.').ok_or_else(wrong)?;
    Ok(Version {
        epoch: epoch.parse().map_err(|_| wrong())?,
        sequence: sequence.parse().map_err(|_| wrong())?,
    })
}

/// Reads a mode.
pub(crate) fn mode(text: &str) -> Result<Mode, String> {
    match text {
        "off" => Ok(Mode::Off),
        "shadow" => Ok(Mode::Shadow),
        "recommend" => Ok(Mode::Recommend),
        "auto" => Ok(Mode::Auto),
        _ => Err(format!("expected off, shadow, recommend or auto, found `{text}`")),
    }
}

/// A moment: a time, or a span before now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    At(Timestamp),
    Ago(Duration),
}

impl FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(at) = rfc3339::parse(text) {
            return Ok(Self::At(at));
        }
        span(text).map(Self::Ago).map_err(|_| {
            format!(
                "expected a time such as 2026-03-01T12:00:00Z, or how long ago, such as 20m; found `{text}`"
            )
        })
    }
}

impl Moment {
    pub(crate) fn before(self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(at) => at,
            Self::Ago(span) => now - span,
        }
    }
}

/// The machine's clock.
pub(crate) fn wall_clock() -> Timestamp {
    let since = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_units_and_add_up() {
        assert_eq!(span("30m"), Ok(Duration::from_secs(1_800)));
        assert_eq!(span("1h30m"), Ok(Duration::from_secs(5_400)));
        for wrong in ["", "30", "m", "-5m", "0s", "1w", "99999999999999d", "4000d"] {
            assert!(span(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn shares_are_percent_or_basis_points_and_never_bare_numbers() {
        assert_eq!(share("openai=70%"), Ok(("openai".into(), 7_000)));
        assert_eq!(share("a=b=33.34%"), Ok(("a=b".into(), 3_334)));
        assert_eq!(share("openai=25bp"), Ok(("openai".into(), 25)));
        for wrong in [
            "openai",
            "openai=",
            "=70%",
            "openai=70",
            "openai=101%",
            "openai=1.234%",
            "openai=-1%",
        ] {
            assert!(share(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn shares_must_make_a_whole_and_name_a_target_once() {
        assert!(whole(&[("a".into(), 7_000), ("b".into(), 3_000)]).is_ok());
        assert!(whole(&[("a".into(), 7_000)]).unwrap_err().contains("70%"));
        assert!(
            whole(&[("a".into(), 5_000), ("a".into(), 5_000)])
                .unwrap_err()
                .contains("twice")
        );
    }

    #[test]
    fn versions_and_moments_parse_back() {
        assert_eq!(
            version("7.41"),
            Ok(Version {
                epoch: 7,
                sequence: 41
            })
        );
        assert!(version("7").is_err() && version("7.x").is_err());
        let now = Timestamp::from_secs(1_000);
        assert_eq!(
            "10m".parse::<Moment>().unwrap().before(now),
            Timestamp::from_secs(400)
        );
        let at = "1970-01-01T00:00:07Z".parse::<Moment>().unwrap();
        assert_eq!(at.before(now), Timestamp::from_secs(7));
    }
}
