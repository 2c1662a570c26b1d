//! Words and numbers as people read them.

use foreshift_domain::decision::{Cause, Reason};
use foreshift_domain::fallback::{Mode, Role};
use foreshift_domain::signal::Health;
use foreshift_domain::{Duration, Timestamp};
use foreshift_proto::rfc3339;

use super::paint::Ink;

/// Replaces what could steer a terminal: names come from telemetry.
pub(crate) fn clean(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '?' } else { c })
        .collect()
}

/// The text as one word of a shell.
pub(crate) fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", clean(text).replace('\'', r"'\''"))
}

/// A time to the second; `-` where there is none.
pub(crate) fn clock(time: Timestamp) -> String {
    if time == Timestamp::MIN || time == Timestamp::MAX {
        return "-".to_owned();
    }
    rfc3339::format(time.floor_to(Duration::from_secs(1)))
}

/// An age or a span in at most two units: `850ms`, `42s`, `3m 20s`, `2h 5m`, `4d 3h`.
pub(crate) fn age(span: Duration) -> String {
    let millis = span.as_micros().max(0) / 1_000;
    let (seconds, minutes, hours) = (millis / 1_000, millis / 60_000, millis / 3_600_000);
    let two = |whole: i64, unit: &str, rest: i64, smaller: &str| match rest {
        0 => format!("{whole}{unit}"),
        rest => format!("{whole}{unit} {rest}{smaller}"),
    };
    match () {
        () if seconds < 1 => format!("{millis}ms"),
        () if minutes < 1 => format!("{seconds}s"),
        () if hours < 1 => two(minutes, "m", seconds % 60, "s"),
        () if hours < 24 => two(hours, "h", minutes % 60, "m"),
        () => two(hours / 24, "d", hours % 24, "h"),
    }
}

/// Basis points as percent with as many decimals as needed.
pub(crate) fn percent_bp(bp: u32) -> String {
    match (bp / 100, bp % 100) {
        (whole, 0) => format!("{whole}%"),
        (whole, part) if part % 10 == 0 => format!("{whole}.{}%", part / 10),
        (whole, part) => format!("{whole}.{part:02}%"),
    }
}

/// A probability as percent, finer where it is small.
pub(crate) fn percent(probability: f64) -> String {
    let percent = probability * 100.0;
    match () {
        () if !percent.is_finite() => "?".to_owned(),
        () if percent >= 9.95 => format!("{percent:.0}%"),
        () if percent >= 0.095 => format!("{percent:.1}%"),
        () if percent > 0.0 => "<0.1%".to_owned(),
        () => "0%".to_owned(),
    }
}

/// How a probability is coloured. The alarm thresholds are each route's own: this is for the eye alone.
pub(crate) fn risk_ink(probability: f64) -> Ink {
    match () {
        () if probability >= 0.5 => Ink::Bad,
        () if probability >= 0.2 => Ink::Warn,
        () => Ink::Plain,
    }
}

/// Requests a second, rounded to what matters.
pub(crate) fn rate(rps: f64) -> String {
    if rps >= 10.0 || rps == 0.0 {
        format!("{rps:.0}/s")
    } else {
        format!("{rps:.1}/s")
    }
}

pub(crate) fn mode_word(mode: Mode) -> &'static str {
    match mode {
        Mode::Off => "off",
        Mode::Shadow => "shadow",
        Mode::Recommend => "recommend",
        Mode::Auto => "auto",
    }
}

/// What a mode does, for people.
pub(crate) fn mode_meaning(mode: Mode) -> &'static str {
    match mode {
        Mode::Off => "predicts only, gateways use the baseline",
        Mode::Shadow => "plans and records, gateways use the baseline",
        Mode::Recommend => "plans and asks people, gateways use the baseline",
        Mode::Auto => "acts: gateways are given the plan",
    }
}

pub(crate) fn role_word(role: Role) -> &'static str {
    match role {
        Role::Primary => "primary",
        Role::Secondary => "secondary",
    }
}

pub(crate) fn health_word(health: Option<Health>) -> (&'static str, Ink) {
    match health {
        Some(Health::Up) => ("up", Ink::Good),
        Some(Health::Degraded) => ("degraded", Ink::Warn),
        Some(Health::Down) => ("down", Ink::Bad),
        None => ("unknown", Ink::Dim),
    }
}

/// A reason in a few words.
pub(crate) fn reason_word(reason: Reason) -> (&'static str, Ink) {
    match reason {
        Reason::Baseline => ("at rest", Ink::Plain),
        Reason::PredictedRisk => ("predicted risk", Ink::Warn),
        Reason::Degraded => ("target degraded", Ink::Warn),
        Reason::HardDown => ("target down", Ink::Bad),
        Reason::Restore => ("going back", Ink::Plain),
        Reason::Pinned => ("pinned", Ink::Bold),
        Reason::Frozen => ("frozen", Ink::Bold),
        Reason::StaleHold => ("stale, holding", Ink::Warn),
        Reason::StaleDecay => ("stale, going back", Ink::Warn),
        Reason::NoTarget => ("no target is well", Ink::Bad),
        Reason::HeldOut => ("alarm held out", Ink::Warn),
    }
}

/// A reason as a sentence.
pub(crate) fn reason_sentence(reason: Reason) -> &'static str {
    match reason {
        Reason::Baseline => "Nothing calls for a shift: the plan is the baseline.",
        Reason::PredictedRisk => {
            "A target is predicted to fail: the plan moves part of its traffic away in time."
        }
        Reason::Degraded => "A target is degraded: the plan moves part of its traffic away.",
        Reason::HardDown => "A target is down: the plan takes its traffic away.",
        Reason::Restore => {
            "What called for the shift is over: weights go back to the baseline, step by step."
        }
        Reason::Pinned => "A person fixed the weights.",
        Reason::Frozen => "The route is frozen, by a person or because it changed direction too often.",
        Reason::StaleHold => "Telemetry is stale: weights are held, since silence is not failure.",
        Reason::StaleDecay => "Telemetry has been stale for long: weights go back to the baseline.",
        Reason::NoTarget => "All targets are down: there is nowhere to go. A person is needed.",
        Reason::HeldOut => {
            "A target is predicted to fail, and that alarm is held out: nothing is done, so that what comes of it is seen."
        }
    }
}

pub(crate) fn cause_word(cause: Cause) -> &'static str {
    match cause {
        Cause::Start => "the route became known, or the engine started",
        Cause::Tick => "a prediction tick",
        Cause::Health => "a target's health changed",
        Cause::Command => "an operator's command",
        Cause::Expiry => "something expired",
        Cause::Step => "the next step towards an earlier plan",
        Cause::Config => "the fallback configuration changed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_as_long_as_they_say_something() {
        assert_eq!(
            [percent_bp(6_500), percent_bp(1_250), percent_bp(5)],
            ["65%", "12.5%", "0.05%"]
        );
        assert_eq!(
            [percent(0.62), percent(0.0123), percent(0.00001), percent(0.0)],
            ["62%", "1.2%", "<0.1%", "0%"]
        );
        assert_eq!(percent(f64::NAN), "?");
        assert_eq!(age(Duration::from_micros(850_000)), "850ms");
        assert_eq!(
            [age(Duration::from_secs(200)), age(Duration::from_secs(7_500))],
            ["3m 20s", "2h 5m"]
        );
        assert_eq!(age(Duration::from_secs(-5)), "0ms");
    }

    #[test]
    fn a_quoted_word_is_one_word_of_a_shell() {
        assert_eq!(quoted("chat"), "chat");
        assert_eq!(quoted("it's two"), r"'it'\''s two'");
        assert_eq!(quoted("$(rm)"), "'$(rm)'");
        assert_eq!(quoted(""), "''");
    }
}
