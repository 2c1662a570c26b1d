//! `foreshift-lab log-lead`: how much earlier logs let faults be predicted than metrics alone.
//!
//! Models that read different features learn on the same simulated fleets. Each has its threshold from validation
//! fleets, at the same budget of false alarms, and is then looked at on held-out fleets: for each fault, how long before
//! requests begin to fail did it alarm. No model learns on validation or held-out fleets.

mod alarms;
mod report;
mod timeline;

use std::sync::Mutex;

use anyhow::Context;
use clap::Args as ClapArgs;
use foreshift_predict::Model;
use foreshift_sim::FleetSpec;

use crate::format::Format;
use crate::train::simulated::Fleet;
use alarms::Judged;
use report::{Case, Report};
use timeline::{Quiet, Timelines};

/// Arguments of `foreshift-lab log-lead`.
#[derive(ClapArgs)]
pub(crate) struct Args {
    /// Seed of the first fleet; further ones count up: those to learn from, then validation, then held out.
    #[arg(long, default_value_t = 300)]
    seed: u64,
    /// How many fleets to learn from.
    #[arg(long, default_value_t = 6)]
    fleets: u64,
    /// How many fleets to choose thresholds on.
    #[arg(long, default_value_t = 3)]
    validation: u64,
    /// How many fleets to look at in the end.
    #[arg(long, default_value_t = 9)]
    held_out: u64,
    /// Hours of each fleet.
    #[arg(long, default_value_t = 6)]
    hours: u32,
    /// Targets of each fleet.
    #[arg(long, default_value_t = 24)]
    targets: usize,
    /// False alarms allowed for each target and quiet day.
    #[arg(long, default_value_t = 2.0)]
    budget: f64,
    /// Also leave out each group of log features by itself. Takes four and a half times as long.
    #[arg(long)]
    ablate: bool,
    /// How to print the results.
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    output: Format,
}

/// What a model may read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Variant {
    name: &'static str,
    /// Features that begin so are withheld, in learning and after.
    withheld: &'static [&'static str],
}

const METRICS: Variant = Variant {
    name: "metrics alone",
    withheld: &["log_"],
};
const LOGS: Variant = Variant {
    name: "metrics and logs",
    withheld: &[],
};

/// All log features but one group.
const ABLATIONS: [Variant; 7] = [
    Variant {
        name: "without all but failure and early signs",
        withheld: &[
            "log_connectivity_",
            "log_saturation_",
            "log_limits_",
            "log_configuration_",
            "log_instances_",
            "log_volume_",
            "log_new_share",
            "log_mix_",
            "log_burst",
        ],
    },
    Variant {
        name: "without failure and early signs, second window",
        withheld: &["log_failure_", "log_early_"],
    },
    Variant {
        name: "without groups of classes, third window",
        withheld: &[
            "log_connectivity_",
            "log_saturation_",
            "log_limits_",
            "log_configuration_",
            "log_instances_",
        ],
    },
    Variant {
        name: "without volume",
        withheld: &["log_volume_"],
    },
    Variant {
        name: "without new templates",
        withheld: &["log_new_"],
    },
    Variant {
        name: "without the mix of templates",
        withheld: &["log_mix_"],
    },
    Variant {
        name: "without bursts",
        withheld: &["log_burst"],
    },
];

impl Variant {
    fn reads(self, feature: &str) -> bool {
        !self.withheld.iter().any(|start| feature.starts_with(start))
    }
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    anyhow::ensure!(
        args.fleets > 0 && args.validation > 0 && args.held_out > 0,
        "--fleets, --validation and --held-out must be at least 1"
    );
    let mut variants = vec![METRICS, LOGS];
    if args.ablate {
        variants.extend(ABLATIONS);
    }
    let mut cases = Vec::new();
    for seed in args.held_out_seeds() {
        cases.extend(Case::of_fleet(seed, &args.fleet(seed, false)?.recording));
    }
    let judged = all(args, &variants, &cases)?;
    let names: Vec<&str> = variants.iter().map(|variant| variant.name).collect();
    let horizons = args.fleet(args.seed, false)?.fallback.timing.horizons.clone();
    let report = Report::new(args.budget, &horizons, &cases, &names, &judged);
    match args.output {
        Format::Text => print!("{report}"),
        Format::Json => println!("{}", serde_json::to_string_pretty(&report)?),
    }
    Ok(())
}

/// Every variant, as many at once as there are cores.
fn all(args: &Args, variants: &[Variant], cases: &[Case]) -> anyhow::Result<Vec<Vec<Judged>>> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let next = Mutex::new(variants.iter().enumerate());
    let done = Mutex::new(Vec::new());
    let work = || -> anyhow::Result<()> {
        loop {
            let taken = next.lock().ok().and_then(|mut next| next.next());
            let Some((index, variant)) = taken else {
                return Ok(());
            };
            let judged = one(args, *variant, cases).context(variant.name)?;
            if let Ok(mut done) = done.lock() {
                done.push((index, judged));
            }
        }
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..cores.min(variants.len()))
            .map(|_| scope.spawn(work))
            .collect();
        workers
            .into_iter()
            .try_for_each(|worker| worker.join().unwrap_or_else(|_| anyhow::bail!("a worker died")))
    })?;
    let mut done = done.into_inner().unwrap_or_default();
    done.sort_by_key(|(index, _)| *index);
    Ok(done.into_iter().map(|(_, judged)| judged).collect())
}

/// One variant: learns, chooses its thresholds, and is judged on the held-out fleets, by horizon.
fn one(args: &Args, variant: Variant, cases: &[Case]) -> anyhow::Result<Vec<Judged>> {
    let mut model: Option<Model> = None;
    for seed in args.seed..args.seed + args.fleets {
        let fleet = args.fleet(seed, true)?;
        let begun = match model.take() {
            Some(model) => model,
            None => fleet.fresh_model(|feature| variant.reads(feature)),
        };
        model = Some(fleet.play(begun, &mut timeline::Unheard)?);
        eprintln!("{}: learned from fleet {seed}", variant.name);
    }
    let model = model.context("no fleet to learn from")?.released("log-lead");
    let (mut validation, mut held_out) = (Vec::new(), Vec::new());
    let validation_seeds = args.seed + args.fleets..args.seed + args.fleets + args.validation;
    for (seeds, into) in [
        (validation_seeds, &mut validation),
        (args.held_out_seeds(), &mut held_out),
    ] {
        for seed in seeds {
            let fleet = args.fleet(seed, false)?;
            let mut timelines = Timelines::new(&fleet);
            fleet.play(model.clone(), &mut timelines)?;
            into.push((seed, timelines, Quiet::of(&fleet.recording)));
            eprintln!("{}: played fleet {seed}", variant.name);
        }
    }
    let judge = |head| Judged::new(head, args.budget, &validation, &held_out, cases);
    Ok((0..model.horizons().len()).map(judge).collect())
}

impl Args {
    fn held_out_seeds(&self) -> std::ops::Range<u64> {
        let first = self.seed + self.fleets + self.validation;
        first..first + self.held_out
    }

    fn fleet(&self, seed: u64, learns: bool) -> anyhow::Result<Fleet> {
        let spec = FleetSpec {
            seed,
            hours: self.hours,
            targets: self.targets,
        };
        Fleet::of(spec, learns)
    }
}
