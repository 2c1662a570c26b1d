//! What the demo shows, as text. Nothing here asks or prints: the same values give the same text.

mod summary;

use foreshift_domain::fallback::Role;
use foreshift_domain::signal::Health;
use foreshift_domain::{Duration, RouteName, TargetName, Timestamp};

use super::moments::{Moment, Share, Timed};
use crate::cli::render::{Ink, Paint, age, clean, health_word, percent, percent_bp, reason_word, risk_ink};

pub(super) use summary::summary;

/// Length of a small bar, in characters.
const BAR: usize = 10;

/// What is known of a run at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct View {
    /// Recorded time that the engine has reached.
    pub(super) reached: Duration,
    /// Recorded time in all.
    pub(super) length: Duration,
    /// Signals and log lines that the engine was given.
    pub(super) handled: u64,
    /// Every target, by route.
    pub(super) targets: Vec<TargetView>,
}

/// What is known of a target.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct TargetView {
    pub(super) route: RouteName,
    pub(super) target: TargetName,
    pub(super) role: Role,
    /// Probability of an incident within the horizon that the route looks at.
    pub(super) risk: Option<f64>,
    pub(super) weight_bp: u32,
    pub(super) baseline_bp: u32,
    pub(super) health: Option<Health>,
    pub(super) in_incident: bool,
}

/// What is said before the first moment.
pub(super) fn heading(scenario: &str, seed: u64, length: Duration, speed: f64, paint: Paint) -> Vec<String> {
    vec![
        paint.bold(&format!(
            "A simulated recording (foreshift-sim, scenario {scenario}, seed {seed}): {} at {speed:.1} times its speed.",
            age(length)
        )),
        "It goes through Kafka (librdkafka's mock cluster, in this process) to the engine and server of `foreshift run`;"
            .to_owned(),
        "what you see comes from that server's gRPC API. The recording was made with weights at rest and does not react;"
            .to_owned(),
        "what the weights would have done is computed at the end, in the same seeded world run again under them."
            .to_owned(),
        String::new(),
    ]
}

/// One line for each target.
pub(super) fn target_lines(view: &View, paint: Paint) -> Vec<String> {
    let width = view
        .targets
        .iter()
        .map(|target| clean(target.target.as_str()).chars().count())
        .max()
        .unwrap_or(0);
    view.targets
        .iter()
        .map(|target| target_line(target, width, paint))
        .collect()
}

fn target_line(view: &TargetView, width: usize, paint: Paint) -> String {
    let name = format!("{:width$}", clean(view.target.as_str()));
    let (word, ink) = match (view.in_incident, view.health) {
        (true, Some(Health::Up) | None) => ("in an incident", Ink::Bad),
        (_, health) => health_word(health),
    };
    let risk = view.risk.unwrap_or(0.0);
    let chance = view.risk.map_or_else(|| "-".to_owned(), percent);
    let moved = if view.weight_bp == view.baseline_bp {
        Ink::Plain
    } else {
        Ink::Bold
    };
    format!(
        "{name}  risk {} {}  weight {} {}  {}",
        paint.ink(risk_ink(risk), &bar(risk)),
        paint.ink(risk_ink(risk), &format!("{chance:>5}")),
        bar(f64::from(view.weight_bp) / 1e4),
        paint.ink(moved, &format!("{:>6}", percent_bp(view.weight_bp))),
        paint.ink(ink, word),
    )
}

/// A bar for a share of 0 to 1; not empty unless the share is next to nothing.
fn bar(share: f64) -> String {
    let full = if share.is_finite() {
        (share.clamp(0.0, 1.0) * BAR as f64).round() as usize
    } else {
        0
    };
    let full = full.max(usize::from(share >= 0.01)).min(BAR);
    let filled = "█".repeat(full);
    let empty = "░".repeat(BAR - full);
    filled + &empty
}

/// How far the run has come, beside its bar.
pub(super) fn progress(view: &View) -> String {
    format!(
        "{} of {} recorded, {} signals and log lines",
        age(view.reached),
        age(view.length),
        view.handled
    )
}

/// All targets on one line, for where nothing can be redrawn.
pub(super) fn status_line(view: &View) -> String {
    let one = |target: &TargetView| {
        let chance = target.risk.map_or_else(|| "-".to_owned(), percent);
        format!(
            "{} {} (risk {chance})",
            clean(target.target.as_str()),
            percent_bp(target.weight_bp)
        )
    };
    let targets: Vec<String> = view.targets.iter().map(one).collect();
    format!("{}            {}", clock(view.reached), targets.join("  "))
}

/// One line for a moment, beginning with its recorded time.
pub(super) fn moment(timed: &Timed, start: Timestamp, paint: Paint) -> String {
    let (word, ink, text) = in_words(&timed.moment);
    format!(
        "{}  {} {text}",
        clock(timed.at.since(start)),
        paint.ink(ink, &format!("{word:<10}"))
    )
}

fn in_words(moment: &Moment) -> (&'static str, Ink, String) {
    match moment {
        Moment::Prediction {
            target,
            probability,
            horizon,
            because,
        } => {
            let why = if because.is_empty() {
                String::new()
            } else {
                format!(" (because: {})", because.join(", "))
            };
            let text = format!(
                "{} fails within {horizon} with {}{why}",
                clean(target.as_str()),
                percent(*probability)
            );
            ("prediction", Ink::Warn, text)
        }
        Moment::Withdrawn {
            target,
            probability,
            horizon,
        } => {
            let text = format!(
                "{} is back at {} within {horizon}",
                clean(target.as_str()),
                percent(*probability)
            );
            ("withdrawn", Ink::Plain, text)
        }
        Moment::Shift {
            route,
            away,
            shares: moved,
            reason,
        } => {
            let word = if *away { "shift" } else { "restore" };
            let text = format!(
                "{}: {} ({})",
                clean(route.as_str()),
                shares(moved),
                reason_word(*reason).0
            );
            (word, Ink::Bold, text)
        }
        Moment::Shifted {
            route,
            away,
            shares: moved,
            took,
        } => {
            let word = if *away { "shifted" } else { "restored" };
            (
                word,
                Ink::Bold,
                format!("{}: {} in {}", clean(route.as_str()), shares(moved), age(*took)),
            )
        }
        Moment::Failure { target, in_incident } => {
            let what = if *in_incident {
                "is in an incident"
            } else {
                "is down"
            };
            ("failure", Ink::Bad, format!("{} {what}", clean(target.as_str())))
        }
        Moment::Recovered { target } => (
            "recovered",
            Ink::Good,
            format!("{} is well again", clean(target.as_str())),
        ),
    }
}

fn shares(shares: &[Share]) -> String {
    let one = |share: &Share| {
        format!(
            "{} {} -> {}",
            clean(share.target.as_str()),
            percent_bp(share.from_bp),
            percent_bp(share.to_bp)
        )
    };
    shares.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// Recorded time since the start, as minutes and seconds.
fn clock(since: Duration) -> String {
    let tenths = since.as_micros().max(0) / 100_000;
    format!("{:>2}:{:02}.{}", tenths / 600, tenths / 10 % 60, tenths % 10)
}

#[cfg(test)]
mod tests {
    use foreshift_domain::decision::Reason;

    use super::*;

    fn view() -> View {
        let target = |name: &str, risk, weight_bp, baseline_bp, health, in_incident| TargetView {
            route: "checkout".into(),
            target: name.into(),
            role: Role::Primary,
            risk,
            weight_bp,
            baseline_bp,
            health,
            in_incident,
        };
        View {
            reached: Duration::from_secs(192),
            length: Duration::from_secs(480),
            handled: 38_123,
            targets: vec![
                target("eu-west", Some(0.634), 500, 10_000, Some(Health::Degraded), false),
                target("eu", None, 9_500, 0, Some(Health::Up), true),
            ],
        }
    }

    #[test]
    fn a_frame_shows_risk_weight_and_health_of_every_target_in_columns() {
        let lines = target_lines(&view(), Paint::new(false));
        assert_eq!(
            lines,
            [
                "eu-west  risk ██████░░░░   63%  weight █░░░░░░░░░     5%  degraded",
                "eu       risk ░░░░░░░░░░     -  weight ██████████    95%  in an incident",
            ]
        );
        assert_eq!(
            progress(&view()),
            "3m 12s of 8m recorded, 38123 signals and log lines"
        );
    }

    #[test]
    fn without_colours_no_control_code_is_written() {
        let mut lines = target_lines(&view(), Paint::new(false));
        lines.extend(heading(
            "demo",
            7,
            Duration::from_secs(480),
            13.3,
            Paint::new(false),
        ));
        lines.push(status_line(&view()));
        assert!(
            lines.iter().all(|line| !line.chars().any(char::is_control)),
            "{lines:?}"
        );
        assert!(
            target_lines(&view(), Paint::new(true))
                .iter()
                .any(|line| line.contains('\u{1b}'))
        );
    }

    #[test]
    fn bars_stay_within_their_length_whatever_the_number() {
        for share in [-1.0, 0.0, 0.011, 0.5, 1.0, 7.0, f64::NAN, f64::INFINITY] {
            assert_eq!(bar(share).chars().count(), BAR, "{share}");
        }
        assert_eq!(
            (bar(0.011), bar(0.0)),
            ("█░░░░░░░░░".to_owned(), "░░░░░░░░░░".to_owned())
        );
    }

    #[test]
    fn moments_are_named_with_their_recorded_time() {
        let start = Timestamp::from_secs(1_000);
        let line = |after_ms: i64, moment_: Moment| {
            let at = start + Duration::from_millis(after_ms);
            moment(&Timed { at, moment: moment_ }, start, Paint::new(false))
        };
        let prediction = Moment::Prediction {
            target: "eu-west".into(),
            probability: 0.634,
            horizon: Duration::from_secs(120),
            because: vec!["a gauge grows".to_owned(), "early signs".to_owned()],
        };
        assert_eq!(
            line(252_000, prediction),
            " 4:12.0  prediction eu-west fails within 2m with 63% (because: a gauge grows, early signs)"
        );
        let share = Share {
            target: "eu-west".into(),
            from_bp: 10_000,
            to_bp: 500,
        };
        let shifted = Moment::Shifted {
            route: "checkout".into(),
            away: true,
            shares: vec![share.clone()],
            took: Duration::from_secs(19),
        };
        assert_eq!(
            line(271_900, shifted),
            " 4:31.9  shifted    checkout: eu-west 100% -> 5% in 19s"
        );
        let restore = Moment::Shift {
            route: "checkout".into(),
            away: false,
            shares: vec![share],
            reason: Reason::Restore,
        };
        assert_eq!(
            line(0, restore),
            " 0:00.0  restore    checkout: eu-west 100% -> 5% (going back)"
        );
        let failure = Moment::Failure {
            target: "a\u{7}b".into(),
            in_incident: true,
        };
        assert_eq!(line(1, failure), " 0:00.0  failure    a?b is in an incident");
    }
}
