//! Why a target is at risk, as the model says it.

use foreshift_domain::prediction::{AlarmThreshold, Contribution, Explanation, Prediction};

use super::paint::{Ink, Paint};
use super::receipt::command_line;
use super::table::{Align, Cell, Table};
use super::words::{clean, clock, percent, quoted, risk_ink};

/// The most contributions shown one by one.
const MAX_CONTRIBUTIONS: usize = 12;

/// A bar of full length, in characters.
const BAR: usize = 20;

/// Probabilities, and the contributions for each horizon that was asked for.
pub(crate) fn explanation(
    prediction: &Prediction,
    explanations: &[&Explanation],
    all: bool,
    flags: &str,
    paint: Paint,
) -> String {
    let target = clean(prediction.id.target.as_str());
    let mut text = format!("{} at {}\n", paint.bold(&target), clock(prediction.id.tick));
    for risk in &prediction.risks {
        let chance = paint.ink(
            risk_ink(risk.probability),
            &format!("{:>6}", percent(risk.probability)),
        );
        text.push_str(&format!("{chance}  an incident begins within {}\n", risk.horizon));
    }
    if prediction.in_incident {
        text.push_str("It is in an incident now: these are chances of the next one, and are not scored.\n");
    }
    text.push_str(&format!(
        "model {}, prediction {}\n",
        clean(&prediction.model.to_string()),
        clean(&prediction.id.to_string())
    ));
    if explanations.iter().any(|one| one.simulated) {
        text.push_str(
            "This model was trained on simulation, and goes on learning from what it sees here: trust it after it has been right in shadow.\n",
        );
    }
    if explanations.is_empty() {
        text.push_str(
            "\nThere is no explanation before the next prediction: the process has just started.\n",
        );
    }
    for one in explanations {
        text.push('\n');
        text.push_str(&horizon(one, all, paint));
    }
    let id = quoted(&prediction.id.to_string());
    let verdict = command_line(
        &format!("verdict {id} confirmed|false-alarm|expected|reviewed"),
        flags,
    );
    text.push_str(&format!("\nWas it right? {verdict}\n"));
    text
}

pub(super) fn horizon(explained: &Explanation, all: bool, paint: Paint) -> String {
    let chance = percent(explained.probability);
    let title = format!("why {chance} within {}", explained.horizon);
    let mut table = Table::new(
        2,
        &[
            ("WHAT", Align::Left),
            ("VALUE", Align::Right),
            ("LOG-ODDS", Align::Right),
            ("", Align::Left),
        ],
    );
    let most = if all { usize::MAX } else { MAX_CONTRIBUTIONS };
    let largest = explained
        .contributions
        .iter()
        .map(|one| one.logit.abs())
        .fold(0.0, f64::max);
    table.row([
        "base".into(),
        "".into(),
        signed(explained.base).into(),
        "before any feature is looked at".into(),
    ]);
    for one in explained.contributions.iter().take(most) {
        let ink = if one.logit > 0.0 { Ink::Bad } else { Ink::Good };
        let bar = Cell::new(bar(one.logit, largest)).ink(ink);
        table.row([
            one.feature.as_str().into(),
            value(one).into(),
            signed(one.logit).into(),
            bar,
        ]);
    }
    let rest = explained.contributions.get(most..).unwrap_or_default();
    if !rest.is_empty() {
        let sum: f64 = rest.iter().map(|one| one.logit).sum();
        table.row([
            format!("{} more", rest.len()).into(),
            "".into(),
            signed(sum).into(),
            "".into(),
        ]);
    }
    let total = format!("= {chance}");
    table.row([
        Cell::new("sum").ink(Ink::Bold),
        "".into(),
        Cell::new(signed(explained.logit)).ink(Ink::Bold),
        total.into(),
    ]);
    format!(
        "{}\n{}{}",
        paint.bold(&title),
        thresholds(explained),
        table.render(paint)
    )
}

/// From when on it is an alarm, a line for each route.
fn thresholds(explained: &Explanation) -> String {
    let line = |threshold: &AlarmThreshold| {
        let why = match threshold.budget_per_day {
            Some(budget) => format!("which keeps false alarms at {budget} a day and target"),
            None => "as triggers.risk.enter says".to_owned(),
        };
        let is = if explained.probability >= threshold.probability {
            "an alarm"
        } else {
            "no alarm"
        };
        format!(
            "  {is} on route {}: those begin at {}, {why}\n",
            clean(threshold.route.as_str()),
            percent(threshold.probability),
        )
    };
    explained.thresholds.iter().map(line).collect()
}

/// `+` raises the risk, `-` lowers it, as long as it weighs.
fn bar(logit: f64, largest: f64) -> String {
    if largest <= 0.0 || !logit.is_finite() {
        return String::new();
    }
    let length = (logit.abs() / largest * BAR as f64).ceil() as usize;
    let sign = if logit > 0.0 { '+' } else { '-' };
    std::iter::repeat_n(sign, length.min(BAR)).collect()
}

fn value(one: &Contribution) -> String {
    match one.value {
        None => String::new(),
        Some(value) if !value.is_finite() => "missing".to_owned(),
        Some(value) if value != 0.0 && !(0.001..1e6).contains(&value.abs()) => format!("{value:.2e}"),
        Some(value) => {
            let text = format!("{value:.3}");
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        }
    }
}

fn signed(logit: f64) -> String {
    format!("{logit:+.2}")
}

#[cfg(test)]
mod tests {
    use foreshift_domain::prediction::{ModelVersion, PredictionId, Risk};
    use foreshift_domain::{Duration, Timestamp};

    use super::*;

    fn contribution(feature: &str, value: Option<f64>, logit: f64) -> Contribution {
        Contribution {
            feature: feature.to_owned(),
            value,
            logit,
        }
    }

    #[test]
    fn contributions_are_signed_bars_and_the_rest_is_summed() {
        let horizon = Duration::from_secs(120);
        let mut contributions = vec![
            contribution("error_ratio_30s", Some(0.12), 2.0),
            contribution("latency_slope", Some(f64::NAN), -1.0),
            contribution("hazard_prior", None, 0.5),
        ];
        contributions.extend((0..12).map(|i| contribution(&format!("f{i}"), Some(1.0), 0.01)));
        let explained = Explanation {
            horizon,
            probability: 0.62,
            logit: 0.49,
            base: -1.13,
            contributions,
            simulated: true,
            thresholds: vec![AlarmThreshold {
                route: "chat".into(),
                probability: 0.4,
                budget_per_day: Some(1.0),
            }],
        };
        let prediction = Prediction {
            id: PredictionId {
                target: "openai".into(),
                tick: Timestamp::from_secs(60),
            },
            risks: vec![Risk {
                horizon,
                probability: 0.62,
            }],
            model: ModelVersion {
                name: "m@1".into(),
                rows_learned: 7,
            },
            in_incident: false,
        };
        let text = explanation(&prediction, &[&explained], false, "", Paint::new(false));
        assert!(text.contains("   62%  an incident begins within 2m"), "{text}");
        assert!(
            text.contains("error_ratio_30s     0.12     +2.00  ++++++++++++++++++++\n"),
            "{text}"
        );
        assert!(
            text.contains("latency_slope    missing     -1.00  ----------\n"),
            "{text}"
        );
        assert!(text.contains("3 more                       +0.03"), "{text}");
        assert!(
            text.contains("sum                          +0.49  = 62%"),
            "{text}"
        );
        assert!(text.contains("trained on simulation"), "{text}");
        assert!(
            text.contains(
                "an alarm on route chat: those begin at 40%, which keeps false alarms at 1 a day and target"
            ),
            "{text}"
        );
        assert!(
            text.contains("foreshift verdict openai@60000 confirmed"),
            "{text}"
        );
    }

    #[test]
    fn values_keep_what_matters() {
        let shown = |number: f64| value(&contribution("x", Some(number), 0.0));
        assert_eq!(
            [shown(0.12), shown(3.0), shown(0.0), shown(2.5e9)],
            ["0.12", "3", "0", "2.50e9"]
        );
    }
}
