//! Figures as tables of Markdown.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::lane::Setup;
use crate::outcome::Outcome;
use crate::scenario::Class;

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
        " shift before failure | needless | peak load |\n|---|{}---|---|---|\n",
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
    for (class, sums) in sums(&scenarios, &setups, outcomes) {
        let _ = write_sums(&mut text, class, &sums);
    }
    text
}

fn write_row(text: &mut String, scenario: &str, setups: &[Setup], outcomes: &[Outcome]) -> std::fmt::Result {
    write!(text, "| {scenario} |")?;
    for setup in setups {
        let failed = of(outcomes, scenario, *setup).map(|outcome| outcome.failed as f64);
        write!(text, " {} |", spread(failed.collect()))?;
    }
    let foreshift = || of(outcomes, scenario, Setup::Predictive);
    let leads: Vec<f64> = foreshift()
        .filter_map(|outcome| outcome.lead_s)
        .map(f64::round)
        .collect();
    let needless: usize = foreshift().map(|outcome| outcome.needless_shifts).sum();
    let peak = foreshift().map(|outcome| outcome.peak_load).fold(0.0, f64::max);
    let lead = if leads.is_empty() {
        "none".to_owned()
    } else {
        format!("{} s", spread(leads))
    };
    writeln!(text, " {lead} | {needless} | {peak:.2} |")
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

/// Medians of failed requests, summed over the scenarios of a class.
fn sums(scenarios: &[(Class, &str)], setups: &[Setup], outcomes: &[Outcome]) -> BTreeMap<Class, Sums> {
    let mut all: BTreeMap<Class, Sums> = BTreeMap::new();
    for (class, scenario) in scenarios {
        for setup in setups {
            let mut failed: Vec<f64> = of(outcomes, scenario, *setup)
                .map(|outcome| outcome.failed as f64)
                .collect();
            failed.sort_by(f64::total_cmp);
            *all.entry(*class).or_default().entry(*setup).or_default() += median(&failed);
        }
    }
    all
}

fn write_sums(text: &mut String, class: Class, sums: &Sums) -> std::fmt::Result {
    write!(text, "\n{class:?}: failed requests, medians summed:")?;
    for (setup, sum) in sums {
        write!(text, " {} {sum},", setup.name())?;
    }
    let ours = sums.get(&Setup::Predictive).copied();
    let without = |setup: &Setup| *setup != Setup::Predictive && !setup.has_foreshift();
    let best = |of: &dyn Fn(&Setup) -> bool| {
        sums.iter()
            .filter(|(setup, _)| of(setup))
            .map(|(_, sum)| *sum)
            .reduce(f64::min)
    };
    if let (Some(ours), Some(peers)) = (ours, best(&without)) {
        write!(
            text,
            " so predictive has {:.2} times those of the best without Foreshift",
            ours / peers.max(1.0)
        )?;
    }
    if let (Some(ours), Some(reactive)) = (ours, sums.get(&Setup::Reactive)) {
        write!(
            text,
            ", and {:.2} times those of reactive Foreshift",
            ours / reactive.max(1.0)
        )?;
    }
    writeln!(text, ".")
}
