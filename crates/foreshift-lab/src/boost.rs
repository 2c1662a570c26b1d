//! `foreshift-lab boost`: trains our boosted trees on rows of one horizon, and a random forest and a logistic
//! regression beside them, and says how well each predicts the rows that come last.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, ensure};
use clap::Args as ClapArgs;
use foreshift_boost::{Columns, Params, average_precision, log_loss, train};
use foreshift_domain::Duration;
use foreshift_features::FEATURES;
use foreshift_predict::trees::Trees;
use indicatif::{ProgressBar, ProgressStyle};

use crate::challengers::LOGISTIC_PENALTY;
use crate::rows::{About, Rows, read_frame};
use crate::{forest, logistic};

/// Features named by what they gained.
const SHOWN: usize = 10;

/// Arguments of `foreshift-lab boost`.
#[derive(ClapArgs)]
pub(crate) struct Args {
    /// Rows of foreshift-lab extract.
    #[arg(long, value_name = "PARQUET")]
    rows: PathBuf,
    /// Which horizon to learn; the shortest if not said.
    #[arg(long, value_name = "SECONDS")]
    horizon_s: Option<f64>,
    /// Parameters of the training as a JSON object; what it does not say is as by default.
    #[arg(long, value_name = "JSON")]
    params: Option<PathBuf>,
    /// Share of the rows, the last by time, that is predicted and not learned from.
    #[arg(long, default_value_t = 0.3)]
    held_out: f64,
    /// Leave out the forest and the logistic regression.
    #[arg(long)]
    alone: bool,
    /// Write the trees as JSON.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Rows of one side of the split, by column.
struct Side {
    columns: Vec<Vec<f64>>,
    labels: Vec<f64>,
    weights: Vec<f64>,
}

impl Side {
    /// The rows that `chosen` picks by index, of those whose label is known.
    fn of(rows: &Rows, chosen: impl Fn(usize) -> bool) -> Self {
        let known = rows.label.iter().enumerate();
        let picked: Vec<(usize, bool)> = known
            .filter_map(|(index, label)| label.map(|label| (index, label)))
            .filter(|(index, _)| chosen(*index))
            .collect();
        let pick = |column: &Vec<f64>| {
            let values = picked.iter();
            let values = values.map(|(index, _)| column.get(*index).copied().unwrap_or(f64::NAN));
            // An infinite value is no measurement.
            values
                .map(|value| if value.is_finite() { value } else { f64::NAN })
                .collect()
        };
        Self {
            columns: rows.features.iter().map(pick).collect(),
            labels: picked
                .iter()
                .map(|(_, label)| f64::from(u8::from(*label)))
                .collect(),
            weights: pick(&rows.weight),
        }
    }

    fn rows(&self) -> anyhow::Result<foreshift_boost::Rows<'_>> {
        let columns = self.columns.iter().map(Vec::as_slice).collect();
        Ok(foreshift_boost::Rows {
            columns: Columns::from_slices(columns)?,
            labels: &self.labels,
            weights: Some(&self.weights),
            offsets: None,
        })
    }

    fn logits(&self, logit: impl Fn(&[f64]) -> f64) -> Vec<f64> {
        let mut row = vec![f64::NAN; self.columns.len()];
        (0..self.labels.len())
            .map(|index| {
                for (place, column) in row.iter_mut().zip(&self.columns) {
                    *place = column.get(index).copied().unwrap_or(f64::NAN);
                }
                logit(&row)
            })
            .collect()
    }

    fn print(&self, name: &str, logits: &[f64]) {
        let weights = || self.weights.iter().copied();
        let precision = average_precision(logits, &self.labels, weights());
        let loss = log_loss(logits, &self.labels, weights());
        println!("{name:<22}{precision:>10.4}{loss:>10.5}");
    }
}

/// Runs the command.
///
/// # Errors
/// When the rows or parameters cannot be used, or the trees cannot be written.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    ensure!(
        args.held_out > 0.0 && args.held_out < 1.0,
        "--held-out must lie between 0 and 1"
    );
    let params: Params = match &args.params {
        Some(path) => {
            let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
            serde_json::from_str(&text).with_context(|| format!("{} holds no parameters", path.display()))?
        }
        None => Params::default(),
    };
    let (about, _) = read_frame(&args.rows, Some(&["time"]))?;
    let (head, horizon_s) = horizon(&about, args.horizon_s)?;
    let (learned, asked) = split(&Rows::read(&args.rows, head)?, horizon_s, args.held_out);
    println!(
        "horizon {horizon_s} s: {} rows to learn from, {} to predict",
        learned.labels.len(),
        asked.labels.len()
    );

    let bar = ProgressBar::new(params.trees as u64);
    let style = ProgressStyle::with_template("{bar:40} {pos} of {len} trees, {eta} left");
    let bar = style.map_or(bar.clone(), |style| bar.with_style(style));
    let trained = train(&learned.rows()?, None, &params, |_| bar.inc(1))?;
    bar.finish_and_clear();
    println!("{:<22}{:>10}{:>10}", "on the last rows", "AP", "log-loss");
    asked.print("boosted trees", &asked.logits(|row| trained.trees.logit(row)));
    if !args.alone {
        let forest = with_spinner("a random forest", || {
            let params = forest::Params::default();
            forest::fit(&learned.columns, &learned.labels, &learned.weights, &params)
        })?;
        asked.print("random forest", &asked.logits(|row| forest.logit(row)));
        let linear = with_spinner("a logistic regression", || {
            logistic::fit(
                &learned.columns,
                &learned.labels,
                &learned.weights,
                LOGISTIC_PENALTY,
            )
        })?;
        asked.print("logistic regression", &asked.logits(|row| linear.logit(row)));
    }
    print_gains(&trained.importance);
    args.output
        .as_ref()
        .map_or(Ok(()), |path| write(path, &trained.trees))
}

fn horizon(about: &About, wanted: Option<f64>) -> anyhow::Result<(usize, f64)> {
    let mut horizons = about.horizons_s.iter().copied().enumerate();
    let found = horizons.find(|(_, horizon_s)| wanted.is_none_or(|wanted| wanted == *horizon_s));
    found.with_context(|| format!("the rows are of the horizons {:?} s", about.horizons_s))
}

/// The rows up to a point in time, and those after it. What looks over that point is on neither side.
fn split(rows: &Rows, horizon_s: f64, held_out: f64) -> (Side, Side) {
    let mut times = rows.time.clone();
    times.sort_unstable();
    let cut = times
        .get((times.len() as f64 * (1.0 - held_out)) as usize)
        .copied()
        .unwrap_or_default();
    let gap = Duration::from_secs_f64(horizon_s);
    let time = |index: usize| rows.time.get(index).copied().unwrap_or_default();
    let learned = Side::of(rows, |index| time(index) + gap < cut);
    (learned, Side::of(rows, |index| time(index) >= cut))
}

fn with_spinner<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let spinner = ProgressBar::new_spinner().with_message(format!("fitting {what}"));
    spinner.enable_steady_tick(std::time::Duration::from_millis(200));
    let made = work();
    spinner.finish_and_clear();
    made
}

fn print_gains(importance: &[f64]) {
    let total = importance.iter().sum::<f64>().max(f64::MIN_POSITIVE);
    let mut gains: Vec<(&str, f64)> = FEATURES
        .iter()
        .map(|spec| spec.name)
        .zip(importance.iter().copied())
        .collect();
    gains.sort_by(|a, b| b.1.total_cmp(&a.1));
    println!("share of the gain");
    for (name, gain) in gains.iter().take(SHOWN) {
        println!("{name:<32}{:>7.1} %", 100.0 * gain / total);
    }
}

fn write(path: &PathBuf, trees: &Trees) -> anyhow::Result<()> {
    let json = serde_json::to_string(trees)?;
    fs::write(path, json).with_context(|| format!("cannot write {}", path.display()))
}
