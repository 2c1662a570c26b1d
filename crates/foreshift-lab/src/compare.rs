//! `foreshift-lab compare`: several models and predictions on the same rows, and how sure their differences are.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args as ClapArgs;
use serde::Serialize;

use crate::evaluate::bootstrap::Estimate;
use crate::evaluate::figures::{Figures, Resampled};
use crate::evaluate::{GroundArgs, Horizon, table};
use crate::format::Format;

/// Arguments of `foreshift-lab compare`.
#[derive(ClapArgs)]
pub(crate) struct Args {
    /// Versions of models/ (or their model.json), `fresh` for one that has learned nothing, `linfa-ftrl`, and files of
    /// predictions (CSV, Parquet). All others are compared with the first.
    #[arg(required = true, num_args = 2.., value_name = "PATH")]
    subjects: Vec<PathBuf>,
    #[command(flatten)]
    grounds: GroundArgs,
    /// Models do not learn on.
    #[arg(long)]
    frozen: bool,
    /// How to print the figures.
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    output: Format,
}

/// How one method differs from the first, on the same draws of blocks.
#[derive(Debug, Serialize)]
struct Difference {
    method: String,
    against: String,
    horizon_s: f64,
    average_precision: Estimate,
    log_loss: Estimate,
    brier_skill: Estimate,
    recall: Estimate,
}

impl Difference {
    fn new(horizon_s: f64, of: &Figures, against: &Figures) -> Self {
        let between = |value: fn(&Figures) -> f64, resampled: fn(&Resampled) -> &Vec<f64>| {
            let pairs = resampled(&of.resampled).iter().zip(resampled(&against.resampled));
            Estimate::new(value(of) - value(against), pairs.map(|(a, b)| a - b))
        };
        Self {
            method: of.method.clone(),
            against: against.method.clone(),
            horizon_s,
            average_precision: between(
                |figures| figures.average_precision.value,
                |resampled| &resampled.average_precision,
            ),
            log_loss: between(|figures| figures.log_loss.value, |resampled| &resampled.log_loss),
            brier_skill: between(
                |figures| figures.brier_skill.value,
                |resampled| &resampled.brier_skill,
            ),
            recall: between(
                |figures| figures.events.recall.value,
                |resampled| &resampled.recall,
            ),
        }
    }
}

#[derive(Serialize)]
struct Comparison {
    horizons: Vec<Horizon>,
    differences: Vec<Difference>,
    /// Of what was run here: what a row took in microseconds of one processor, learning included.
    row_us: BTreeMap<String, f64>,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let mut judged = args.grounds.read()?;
    for subject in &args.subjects {
        judged.say(subject, !args.frozen)?;
    }
    let horizons = judged.horizons()?;
    let differences: Vec<Difference> = horizons.iter().flat_map(differences).collect();
    if args.output == Format::Json {
        let comparison = Comparison {
            horizons,
            differences,
            row_us: judged.row_us,
        };
        println!("{}", serde_json::to_string_pretty(&comparison)?);
        return Ok(());
    }
    for horizon in &horizons {
        print!("{}", table::of(horizon));
        println!(
            "{}",
            text(
                differences
                    .iter()
                    .filter(|one| one.horizon_s == horizon.ground.horizon_s)
            )
        );
    }
    Ok(())
}

/// Of everything else from what was named first.
fn differences(horizon: &Horizon) -> Vec<Difference> {
    let Some((first, others)) = horizon.methods.split_first() else {
        return Vec::new();
    };
    let difference = |other| Difference::new(horizon.ground.horizon_s, other, first);
    others.iter().map(difference).collect()
}

fn text<'a>(differences: impl Iterator<Item = &'a Difference>) -> String {
    let mut against = "the first".to_owned();
    let mut lines = Vec::new();
    for one in differences {
        against.clone_from(&one.against);
        lines.push(vec![
            one.method.clone(),
            table::with_interval(&one.average_precision, 3),
            table::with_interval(&one.log_loss, 4),
            table::with_interval(&one.brier_skill, 3),
            table::with_interval(&one.recall, 2),
        ]);
    }
    let header = [
        &format!("less {against}"),
        "average precision",
        "log-loss",
        "Brier skill",
        "recall at the budget",
    ];
    table::aligned(&header, lines)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::figures::{Judge, Method, Settings};
    use crate::evaluate::panel::tests::Made;
    use crate::splits;

    #[test]
    fn a_method_does_not_differ_from_itself_and_noise_is_worse_for_sure() {
        let made = Made {
            ticks: 2_000,
            tick_s: 60,
            horizon_ticks: 10,
            cooldown: 5,
            onsets: (0..10)
                .map(|target| (1..9).map(|at| 17 * target + 200 * at).collect())
                .collect(),
        };
        let panel = made.panel();
        let fold = splits::at(
            &panel.stamps(),
            foreshift_domain::Timestamp::from_secs(30_000),
            panel.horizon,
        );
        let settings = Settings {
            budget: 1.0,
            resamples: 50,
            seed: 4,
            by_propensity: false,
        };
        let judge = Judge::new(&panel, &fold, settings);
        let sign = panel.feature("sign");
        let good: Vec<f64> = sign.iter().map(|sign| 0.05 + 0.5 * sign).collect();
        let mut draws = fastrand::Rng::with_seed(8);
        let noisy = good
            .iter()
            .map(|said| if draws.f64() < 0.5 { *said } else { 0.1 })
            .collect();
        let good = judge.figures(&Method::of_probabilities("good".to_owned(), good));
        let noisy = judge.figures(&Method::of_probabilities("noisy".to_owned(), noisy));
        let same = Difference::new(600.0, &good, &good).average_precision;
        assert_eq!((same.value, same.low, same.high), (0.0, 0.0, 0.0));
        let worse = Difference::new(600.0, &noisy, &good);
        assert!(
            worse.average_precision.high < 0.0 && worse.log_loss.low > 0.0,
            "{worse:?}"
        );
    }
}
