//! `foreshift-lab backtest`: what the policy would have been worth, through the engine that serves, in mode auto.
//!
//! A simulated world answers to the weights that it is given. A recorded one does not: there, a request that is sent to a
//! target is taken to fail as often as those did that the target was really sent then.

mod recorded;
mod simulated;
mod steered;

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, ensure};
use clap::Args as ClapArgs;
use foreshift_domain::Duration;
use foreshift_domain::fallback::{Fallback, Mode, RouteSettings};
use foreshift_predict::Model;
use foreshift_sim::FleetSpec;
use serde::Serialize;

use crate::evaluate::table::{aligned, number, seconds};
use crate::evaluate::{model_file, read_model};
use crate::format::Format;
use crate::replay::driver;

/// Arguments of `foreshift-lab backtest`.
#[derive(ClapArgs)]
pub(crate) struct Args {
    /// A journal: its configuration, unless another is named.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["input", "fleet_seed"])]
    journal: Option<PathBuf>,
    /// A signal CSV.
    #[arg(long, value_name = "CSV", requires = "config", required_unless_present_any = ["journal", "fleet_seed"])]
    input: Option<PathBuf>,
    /// The fallback configuration.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// A simulated fleet that answers to its weights: the seed of the first one, further ones count up.
    #[arg(long, value_name = "SEED", conflicts_with_all = ["input", "config"])]
    fleet_seed: Option<u64>,
    /// How many fleets.
    #[arg(long, default_value_t = 1, requires = "fleet_seed")]
    fleets: u64,
    /// Hours of each fleet.
    #[arg(long, default_value_t = 2, requires = "fleet_seed")]
    hours: u32,
    /// Targets of each fleet.
    #[arg(long, default_value_t = 12, requires = "fleet_seed")]
    targets: usize,
    /// Begin with this model: a version of models/, or its model.json. By default a fresh one, which learns as it goes.
    #[arg(long, value_name = "DIR")]
    model: Option<PathBuf>,
    /// How long after a decision its weights are in force, over recorded traffic.
    #[arg(long, value_name = "SPAN", default_value = "1s", value_parser = foreshift_config::parse_duration)]
    lag: Duration,
    /// How much later than a younger row a row may stand in a CSV and still count.
    #[arg(long, value_name = "SPAN", default_value = "5m", value_parser = foreshift_config::parse_duration)]
    lateness: Duration,
    /// How to print what came of it.
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    output: Format,
}

/// Everything that is printed.
#[derive(Debug, Serialize)]
struct Backtest {
    /// What requests are: `requests`, or `seconds` of a route's traffic where none were counted.
    unit: &'static str,
    /// What has to be believed for the figures to hold.
    assumption: &'static str,
    policies: Vec<Worth>,
}

/// What one policy came to.
#[derive(Clone, Debug, Default, Serialize)]
struct Worth {
    policy: &'static str,
    requests: f64,
    lost: f64,
    /// Sent to where nobody knows how requests would have ended; not among the lost.
    not_known: f64,
    /// Times that a target was given less than it has at rest.
    shifts: usize,
    /// Of those, without an incident of the target then or within the longest horizon.
    needless: usize,
    /// Changes of direction of a target's weight.
    flips: usize,
    /// How evenly traffic was spread, against the baseline: effective targets, mean over time.
    effective_share: f64,
    /// The highest load of a target without a fault of its own, over its capacity; in simulated worlds.
    peak_load: Option<f64>,
    /// Of faults with signs before them, those whose target was relieved before requests failed; and the median lead.
    relieved_in_time: Option<(usize, usize)>,
    lead_median_s: Option<f64>,
}

/// Who decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Decider {
    /// The reactive rules alone.
    Reactive,
    /// Predictions too.
    Predictive,
}

impl Decider {
    const BOTH: [Self; 2] = [Self::Reactive, Self::Predictive];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Reactive => "reactive rules alone",
            Self::Predictive => "with predictions",
        }
    }

    /// The configuration with every route in mode auto.
    fn configured(self, mut fallback: Fallback) -> Arc<Fallback> {
        let set = |settings: &mut RouteSettings| {
            settings.mode = Mode::Auto;
            if self == Self::Reactive {
                settings.triggers.risk = None;
            }
        };
        fallback
            .routes
            .iter_mut()
            .for_each(|route| set(&mut route.settings));
        let discovered = fallback
            .discover
            .iter_mut()
            .flat_map(|discover| &mut discover.rules);
        discovered.for_each(|rule| set(&mut rule.settings));
        Arc::new(fallback)
    }
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let model = args
        .model
        .as_ref()
        .map(|path| read_model(&model_file(path).context("--model names neither a folder nor a JSON file")?))
        .transpose()?;
    let backtest = match args.fleet_seed {
        Some(seed) => of_fleets(args, seed, model.as_ref())?,
        None => of_recording(args, model)?,
    };
    match args.output {
        Format::Json => println!("{}", serde_json::to_string_pretty(&backtest)?),
        Format::Text => print!("{}", text(&backtest)),
    }
    Ok(())
}

fn of_recording(args: &Args, model: Option<Model>) -> anyhow::Result<Backtest> {
    let path = args
        .journal
        .as_ref()
        .or(args.input.as_ref())
        .context("nothing to backtest on")?;
    let fallback = match &args.config {
        Some(config) => foreshift_config::load_fallback(config)?.value,
        None => driver::recorded_fallback(path)?.as_ref().clone(),
    };
    let ledger = recorded::Ledger::read(path, &fallback)?;
    let mut policies = Vec::new();
    for decider in Decider::BOTH {
        let fallback = decider.configured(fallback.clone());
        let model = model
            .clone()
            .unwrap_or_else(|| foreshift_engine::fresh_model(&fallback));
        let steered = recorded::steer(path, &fallback, model, args.lateness)?;
        if policies.is_empty() {
            policies.push(ledger.worth("weights at rest", &steered.at_rest(), args.lag));
        }
        policies.push(ledger.worth(decider.as_str(), &steered, args.lag));
    }
    Ok(Backtest {
        unit: ledger.unit(),
        assumption: "a request sent to a target fails as often as the recorded ones did there at that time; what more or \
                     less load would have changed is not seen",
        policies,
    })
}

fn of_fleets(args: &Args, seed: u64, model: Option<&Model>) -> anyhow::Result<Backtest> {
    ensure!(args.fleets > 0, "--fleets must be at least 1");
    let specs = (seed..seed + args.fleets).map(|seed| FleetSpec {
        seed,
        hours: args.hours,
        targets: args.targets,
    });
    let mut all: Vec<Vec<simulated::Played>> = Vec::new();
    for spec in specs {
        all.push(simulated::play(spec, model)?);
    }
    Ok(Backtest {
        unit: "requests",
        assumption: "simulated worlds, which answer to the weights that they are given",
        policies: simulated::sum(&all),
    })
}

fn text(backtest: &Backtest) -> String {
    let optional = |value: Option<f64>, digits| value.map_or("-".to_owned(), |value| number(value, digits));
    let line = |worth: &Worth| {
        vec![
            worth.policy.to_owned(),
            number(worth.requests, 0),
            format!(
                "{} ({:.4} %)",
                number(worth.lost, 0),
                100.0 * worth.lost / worth.requests
            ),
            number(worth.not_known, 0),
            worth.shifts.to_string(),
            worth.needless.to_string(),
            worth.flips.to_string(),
            number(worth.effective_share, 3),
            optional(worth.peak_load, 2),
            worth
                .relieved_in_time
                .map_or("-".to_owned(), |(relieved, faults)| {
                    format!("{relieved} of {faults}")
                }),
            worth.lead_median_s.map_or("-".to_owned(), seconds),
        ]
    };
    let header = [
        "policy",
        backtest.unit,
        "lost",
        "not known",
        "shifts",
        "needless",
        "flips",
        "effective targets",
        "peak load",
        "relieved in time",
        "median lead",
    ];
    format!(
        "{}Assumed: {}.\n",
        aligned(&header, backtest.policies.iter().map(line).collect()),
        backtest.assumption
    )
}
