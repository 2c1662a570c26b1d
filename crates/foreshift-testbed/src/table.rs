//! Figures as tables of Markdown.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::lane::Setup;
use crate::outcome::Outcome;
use crate::scenario::Class;
use crate::stages::Quantiles;

/// The lanes of one run.
pub(crate) fn of_run(scenario: &str, seed: u64, signs: f64, outcomes: &[Outcome]) -> String {
    let mut text = format!("{scenario}, seed {seed}, signs {signs}\n");
    for outcome in outcomes {
        let _ = write_lane(&mut text, outcome);
    }
    text
}

fn write_lane(text: &mut String, outcome: &Outcome) -> std::fmt::Result {
    write!(
        text,
        "  {:17} {:5} failed {:5} slow of {}, peak load {:.2}",
        outcome.setup.name(),
        outcome.failed,
        outcome.slow,
        outcome.requests,
        outcome.peak_load
    )?;
    if let Some(lead_s) = outcome.lead_s {
        write!(text, ", shift {lead_s:+.0} s before the failure")?;
    }
    if outcome.needless_shifts > 0 {
        write!(text, ", {} needless shifts", outcome.needless_shifts)?;
    }
    writeln!(text)
}

/// Medians and ranges of failed requests over seeds, by scenario and setup, and the sums by class.
pub(crate) fn summary(outcomes: &[Outcome]) -> String {
    let setups: Vec<Setup> = {
        let mut setups: Vec<_> = outcomes.iter().map(|outcome| outcome.setup).collect();
        setups.sort_unstable();
        setups.dedup();
        setups
    };
    let mut text = String::from("| scenario |");
    for setup in &setups {
        let _ = write!(text, " {} |", setup.name());
    }
    let _ = write!(
        text,
        " shift before failure | needless | load given | peak load |\n|---|{}---|---|---|---|\n",
        "---|".repeat(setups.len())
    );
    let mut scenarios: Vec<(Class, &str)> = outcomes
        .iter()
        .map(|outcome| (outcome.class, outcome.scenario.as_str()))
        .collect();
    scenarios.sort_unstable();
    scenarios.dedup();
    for (_, scenario) in &scenarios {
        let _ = write_row(&mut text, scenario, &setups, outcomes);
    }
    for (class, played) in groups(&scenarios, &setups, outcomes) {
        for (setups, scenarios) in played {
            let sums = sums(&scenarios, &setups, outcomes);
            let _ = write_sums(&mut text, class, &sums);
        }
    }
    let _ = write_slow(&mut text, &setups, outcomes);
    let _ = write_stages(&mut text, outcomes);
    text
}

fn write_row(text: &mut String, scenario: &str, setups: &[Setup], outcomes: &[Outcome]) -> std::fmt::Result {
    write!(text, "| {scenario} |")?;
    for setup in setups {
        let failed: Vec<_> = of(outcomes, scenario, *setup)
            .map(|outcome| outcome.failed as f64)
            .collect();
        let cell = if failed.is_empty() {
            String::new()
        } else {
            spread(failed)
        };
        write!(text, " {cell} |")?;
    }
    let foreshift = || {
        let all = outcomes
            .iter()
            .filter(move |outcome| outcome.scenario == scenario);
        all.filter(|outcome| outcome.setup.predicts())
    };
    let leads: Vec<f64> = foreshift()
        .filter_map(|outcome| outcome.lead_s)
        .map(f64::round)
        .collect();
    let needless: usize = foreshift().map(|outcome| outcome.needless_shifts).sum();
    let given = foreshift().map(|outcome| outcome.given_load).fold(0.0, f64::max);
    let peak = foreshift().map(|outcome| outcome.peak_load).fold(0.0, f64::max);
    let lead = if leads.is_empty() {
        "none".to_owned()
    } else {
        format!("{} s", spread(leads))
    };
    writeln!(text, " {lead} | {needless} | {given:.2} | {peak:.2} |")
}

fn of<'a>(outcomes: &'a [Outcome], scenario: &'a str, setup: Setup) -> impl Iterator<Item = &'a Outcome> {
    outcomes
        .iter()
        .filter(move |outcome| outcome.scenario == scenario && outcome.setup == setup)
}

/// `median (least to most)`.
fn spread(mut values: Vec<f64>) -> String {
    values.sort_by(f64::total_cmp);
    match values.as_slice() {
        [] => "none".to_owned(),
        [one] => format!("{one}"),
        [least, .., most] => format!("{} ({least} to {most})", median(&values)),
    }
}

/// Of sorted values.
fn median(values: &[f64]) -> f64 {
    let half = values.len() / 2;
    let at = |index: usize| values.get(index).copied().unwrap_or(f64::NAN);
    if values.len() % 2 == 1 {
        at(half)
    } else {
        f64::midpoint(at(half.wrapping_sub(1)), at(half))
    }
}

type Sums = BTreeMap<Setup, f64>;

/// The scenarios of each class by the setups they were played against: only those of the same setups are summed.
type Groups<'a> = BTreeMap<Class, BTreeMap<Vec<Setup>, Vec<&'a str>>>;

fn groups<'a>(scenarios: &[(Class, &'a str)], setups: &[Setup], outcomes: &[Outcome]) -> Groups<'a> {
    let mut groups = Groups::new();
    for (class, scenario) in scenarios {
        let is_played = |setup: &Setup| of(outcomes, scenario, *setup).next().is_some();
        let played = setups.iter().copied().filter(is_played).collect();
        let group = groups.entry(*class).or_default().entry(played).or_default();
        group.push(*scenario);
    }
    groups
}

/// Medians of failed requests, summed over scenarios.
fn sums(scenarios: &[&str], setups: &[Setup], outcomes: &[Outcome]) -> Sums {
    let mut sums = Sums::new();
    for scenario in scenarios {
        for setup in setups {
            let mut failed: Vec<f64> = of(outcomes, scenario, *setup)
                .map(|outcome| outcome.failed as f64)
                .collect();
            failed.sort_by(f64::total_cmp);
            *sums.entry(*setup).or_default() += median(&failed);
        }
    }
    sums
}

fn write_sums(text: &mut String, class: Class, sums: &Sums) -> std::fmt::Result {
    write!(text, "\n{class:?}: failed requests, medians summed:")?;
    for (setup, sum) in sums {
        write!(text, " {} {sum},", setup.name())?;
    }
    let ours = sums.iter().find(|(setup, _)| setup.predicts());
    let without = sums.iter().filter(|(setup, _)| !setup.has_foreshift());
    let peers = without.map(|(_, sum)| *sum).reduce(f64::min);
    if let (Some((setup, ours)), Some(peers)) = (ours, peers) {
        write!(
            text,
            " so {} has {:.2} times those of the best without Foreshift",
            setup.name(),
            ours / peers.max(1.0)
        )?;
    }
    if let (Some((_, ours)), Some(reactive)) = (ours, sums.get(&Setup::Reactive)) {
        write!(
            text,
            ", and {:.2} times those of reactive Foreshift",
            ours / reactive.max(1.0)
        )?;
    }
    writeln!(text, ".")
}

fn write_slow(text: &mut String, setups: &[Setup], outcomes: &[Outcome]) -> std::fmt::Result {
    write!(text, "\nGood answers that were slow, all runs:")?;
    for setup in setups {
        let theirs = outcomes.iter().filter(|outcome| outcome.setup == *setup);
        let slow: usize = theirs.map(|outcome| outcome.slow).sum();
        write!(text, " {} {slow},", setup.name())?;
    }
    writeln!(text)
}

/// The median over all lanes of each lane's median and 99th percentile.
fn write_stages(text: &mut String, outcomes: &[Outcome]) -> std::fmt::Result {
    let mut write = |what: &str, of: &dyn Fn(&Outcome) -> Option<Quantiles>| {
        let all: Vec<Quantiles> = outcomes.iter().filter_map(of).collect();
        let middle = |part: fn(&Quantiles) -> f64| {
            let mut parts: Vec<f64> = all.iter().map(part).collect();
            parts.sort_by(f64::total_cmp);
            median(&parts)
        };
        if all.is_empty() {
            return Ok(());
        }
        let (p50, p99) = (middle(|one| one.p50), middle(|one| one.p99));
        writeln!(
            text,
            "{what}: {p50:.0} ms, 99th percentile {p99:.0} ms, median of {} lanes",
            all.len()
        )
    };
    write("From the end of a request to the engine", &|one| {
        one.stages.to_engine_ms
    })?;
    write(
        "From a change of weights to the gateway's acknowledgement",
        &|one| one.stages.to_gateway_ms,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stages::Stages;

    fn outcome(scenario: &str, setup: Setup, failed: usize) -> Outcome {
        Outcome {
            scenario: scenario.to_owned(),
            class: Class::Precursor,
            seed: 1,
            setup,
            requests: 100,
            failed,
            slow: 0,
            lead_s: None,
            left_on_target: None,
            needless_shifts: 0,
            peak_load: 0.5,
            given_load: 0.4,
            stages: Stages::default(),
        }
    }

    #[test]
    fn scenarios_of_other_setups_have_empty_cells_and_sums_of_their_own() {
        let outcomes = [
            outcome("leak", Setup::Envoy, 40),
            outcome("leak", Setup::Predictive, 10),
            outcome("queue", Setup::Envoy, 60),
            outcome("queue", Setup::Predictive, 15),
            outcome("router", Setup::Litellm, 8),
            outcome("router", Setup::LitellmForeshift, 2),
        ];
        let text = summary(&outcomes);
        assert!(text.contains("| leak | 40 | 10 |  |  |"), "{text}");
        assert!(text.contains("| router |  |  | 8 | 2 |"), "{text}");
        assert!(
            text.contains("envoy 100, predictive 25, so predictive has 0.25 times"),
            "{text}"
        );
        assert!(
            text.contains("litellm 8, litellm-foreshift 2, so litellm-foreshift has 0.25 times"),
            "{text}"
        );
        assert!(!text.contains("NaN"), "{text}");
    }
}
