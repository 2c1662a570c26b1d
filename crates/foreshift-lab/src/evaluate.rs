//! `foreshift-lab evaluate`: how good predictions are, beside what a user could do instead. docs/evaluation.md defines
//! every measure.

pub(crate) mod bootstrap;
pub(crate) mod events;
pub(crate) mod figures;
pub(crate) mod isotonic;
mod linfa;
pub(crate) mod load;
pub(crate) mod measures;
pub(crate) mod panel;
pub(crate) mod predictions;
pub(crate) mod prequential;
pub(crate) mod table;
pub(crate) mod worked;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use clap::Args as ClapArgs;
use foreshift_domain::{Duration, Timestamp};
use foreshift_ingest::time_text;
use foreshift_predict::Model;
use foreshift_sim::FleetSpec;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use crate::baselines;
use crate::format::Format;
use crate::splits;
use crate::train::simulated::Fleet;
use figures::{Figures, Ground, Judge, Method, Settings};
use panel::Panel;

/// Arguments of `foreshift-lab evaluate`.
#[derive(ClapArgs)]
pub(crate) struct Args {
    #[command(flatten)]
    subject: SubjectArgs,
    /// How to print the figures.
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    output: Format,
}

/// What is measured.
#[derive(ClapArgs)]
pub(crate) struct SubjectArgs {
    #[command(flatten)]
    pub(crate) grounds: GroundArgs,
    /// A model to run over the rows: a version of models/, its model.json, or `fresh` for one that has learned nothing.
    /// It says what it thinks of a row before it
    /// learns from it, and learns when the label became known.
    #[arg(long, value_name = "DIR")]
    pub(crate) model: Option<PathBuf>,
    /// The model does not learn on.
    #[arg(long, requires = "model")]
    pub(crate) frozen: bool,
    /// Predictions made elsewhere: `time,target,horizon_s,probability` as CSV or Parquet. May be repeated.
    #[arg(long, value_name = "FILE")]
    pub(crate) predictions: Vec<PathBuf>,
}

/// Which rows are measured, and how.
#[derive(ClapArgs)]
pub(crate) struct GroundArgs {
    /// Rows, as `foreshift-lab extract` writes them.
    #[arg(long, value_name = "PARQUET")]
    pub(crate) rows: PathBuf,
    /// Only rows that look this far ahead.
    #[arg(long, value_name = "SPAN", value_parser = foreshift_config::parse_duration)]
    pub(crate) horizon: Option<Duration>,
    /// Judge rows from here on: a time, a day, or a share of the time that the rows span. What was before teaches what has
    /// to be fitted, and models that learn as they go.
    #[arg(long, value_name = "WHEN", default_value = "0.3")]
    pub(crate) from: String,
    /// False alarms allowed for each target and day.
    #[arg(long, value_name = "N", default_value_t = 1.0)]
    pub(crate) budget: f64,
    /// Resamples of the intervals.
    #[arg(long, value_name = "N", default_value_t = 200)]
    pub(crate) resamples: usize,
    /// Seed of the intervals.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
    /// Leave out rows in which our own action was in force, and weigh the others by the inverse of their propensity:
    /// what was held out from action speaks for what was not.
    #[arg(long)]
    pub(crate) held_out: bool,
    /// What is known of the faults behind incidents: `target,onset,end,abrupt` as CSV. Abrupt ones are reported apart.
    #[arg(long, value_name = "CSV")]
    pub(crate) faults: Option<PathBuf>,
}

/// Everything about one horizon.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Horizon {
    pub(crate) ground: Ground,
    /// The methods that were asked for, then baselines.
    pub(crate) methods: Vec<Figures>,
    /// Why a figure is not what it seems to be.
    pub(crate) warnings: Vec<String>,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let judged = Judged::new(&args.subject)?;
    let horizons = judged.horizons()?;
    match args.output {
        Format::Json => println!("{}", serde_json::to_string_pretty(&horizons)?),
        Format::Text => horizons
            .iter()
            .for_each(|horizon| print!("{}", table::of(horizon))),
    }
    Ok(())
}

/// Names linfa's FTRL among models and files of predictions.
const LINFA: &str = "linfa-ftrl";

/// Rows, and what was said of them.
pub(crate) struct Judged {
    pub(crate) panels: Vec<Panel>,
    pub(crate) folds: Vec<splits::Fold>,
    pub(crate) settings: Settings,
    /// By method, then panel and row: those that were asked for.
    pub(crate) said: Vec<(String, Vec<Vec<f64>>)>,
    /// What a row took of those that were run here, in microseconds, learning included.
    pub(crate) row_us: BTreeMap<String, f64>,
    /// Of the first method, where it is a model: by panel, features by their mean contribution.
    pub(crate) contributions: Vec<Vec<(String, f64)>>,
}

impl Judged {
    pub(crate) fn new(args: &SubjectArgs) -> anyhow::Result<Self> {
        let mut judged = args.grounds.read()?;
        if let Some(path) = &args.model {
            judged.say(path, !args.frozen)?;
        }
        for path in &args.predictions {
            judged.say(path, true)?;
        }
        Ok(judged)
    }

    /// Takes what a model or a file of predictions says; `learns` holds for models.
    pub(crate) fn say(&mut self, path: &Path, learns: bool) -> anyhow::Result<()> {
        if path == Path::new(LINFA) {
            let bar = self.row_progress("rows through linfa's FTRL");
            let (said, row_us) = linfa::run(&self.panels, |rows| bar.inc(rows))?;
            bar.finish_and_clear();
            self.row_us.insert(LINFA.to_owned(), row_us);
            self.said.push((LINFA.to_owned(), said));
            return Ok(());
        }
        let said = match self.model(path)? {
            Some(model) => {
                let name = model.version().name;
                return self.say_of(self.unique(name, path), model, learns);
            }
            None => self.read_predictions(path)?,
        };
        self.said.push((self.unique(file_name(path), path), said));
        Ok(())
    }

    fn unique(&self, name: String, path: &Path) -> String {
        match self.said.iter().any(|(taken, _)| *taken == name) {
            true => format!("{name} ({})", path.display()),
            false => name,
        }
    }

    /// Takes what a model says.
    pub(crate) fn say_of(&mut self, name: String, model: Model, learns: bool) -> anyhow::Result<()> {
        let told = self.run_model(model, learns)?;
        if self.said.is_empty() {
            self.contributions = told.contributions;
        }
        self.row_us.insert(name.clone(), told.row_us);
        self.said.push((name, told.said));
        Ok(())
    }

    /// Forgets rows before this time, and judges those from `from` on.
    pub(crate) fn keep_since(&mut self, time: Timestamp, from: Timestamp) {
        for panel in &mut self.panels {
            panel.rows.retain(|row| row.at >= time);
        }
        self.judge_from(from);
    }

    fn judge_from(&mut self, from: Timestamp) {
        let fold = |panel: &Panel| splits::at(&panel.stamps(), from, panel.horizon);
        self.folds = self.panels.iter().map(fold).collect();
    }

    /// The model that a path names, if it names one; `fresh` is one that has learned nothing.
    fn model(&self, path: &Path) -> anyhow::Result<Option<Model>> {
        if path == Path::new("fresh") {
            let horizons: Vec<Duration> = self.panels.iter().map(|panel| panel.horizon).collect();
            return Ok(Some(fresh_model(horizons)?));
        }
        model_file(path).map(|file| read_model(&file)).transpose()
    }

    fn run_model(&self, model: Model, learns: bool) -> anyhow::Result<prequential::Told> {
        let bar = self.row_progress("rows through the model");
        let told = prequential::run(model, learns, &self.panels, |rows| bar.inc(rows));
        bar.finish_and_clear();
        told
    }

    fn row_progress(&self, what: &'static str) -> ProgressBar {
        let rows: usize = self.panels.iter().map(|panel| panel.rows.len()).sum();
        progress(rows, what)
    }

    fn read_predictions(&self, path: &Path) -> anyhow::Result<Vec<Vec<f64>>> {
        let judges: Vec<Judge<'_>> = self.judges().collect();
        let judged: Vec<&[usize]> = judges.iter().map(|judge| judge.judged.as_slice()).collect();
        predictions::read(path, &self.panels, &judged)
    }

    pub(crate) fn judges(&self) -> impl Iterator<Item = Judge<'_>> {
        let pairs = self.panels.iter().zip(&self.folds);
        pairs.map(|(panel, fold)| Judge::new(panel, fold, self.settings))
    }

    /// All figures, by horizon.
    pub(crate) fn horizons(&self) -> anyhow::Result<Vec<Horizon>> {
        let steps = self.panels.len() * (self.said.len() + baselines::ALL.len());
        let bar = progress(steps, "methods");
        let mut horizons = Vec::new();
        for (index, judge) in self.judges().enumerate() {
            let ground = judge.ground();
            if ground.positives == 0 || ground.positives == ground.rows {
                let none = if ground.positives == 0 {
                    "positive"
                } else {
                    "negative"
                };
                eprintln!(
                    "horizon {}: no judged row is {none}, there is nothing to measure",
                    judge.panel.horizon
                );
                continue;
            }
            let mut methods = Vec::new();
            for (name, said) in &self.said {
                let said = said.get(index).cloned().unwrap_or_default();
                methods.push(judge.figures(&Method::of_probabilities(name.clone(), said)));
                bar.inc(1);
            }
            for baseline in baselines::ALL {
                methods.push(judge.figures(&of_baseline(&baseline, &judge)));
                bar.inc(1);
            }
            horizons.push(Horizon {
                warnings: warnings(&judge),
                ground,
                methods,
            });
        }
        bar.finish_and_clear();
        ensure!(
            !horizons.is_empty(),
            "no horizon has both positive and negative judged rows"
        );
        Ok(horizons)
    }
}

/// A model that has learned nothing. Any configuration will do, since only its horizons count.
fn fresh_model(horizons: Vec<Duration>) -> anyhow::Result<Model> {
    let any = FleetSpec {
        seed: 0,
        hours: 1,
        targets: 2,
    };
    let mut fallback = Fleet::of(any, true)?.fallback.as_ref().clone();
    fallback.timing.horizons = horizons;
    Ok(foreshift_engine::fresh_model(&fallback))
}

fn of_baseline(baseline: &baselines::Baseline, judge: &Judge<'_>) -> Method {
    let (panel, ranking) = (judge.panel, (baseline.rank)(judge.panel));
    Method::of_ranking(
        baseline.name.to_owned(),
        ranking,
        baseline.alarms,
        panel,
        &judge.teach,
    )
}

fn warnings(judge: &Judge<'_>) -> Vec<String> {
    let mut warnings = Vec::new();
    let weights = judge
        .judged
        .iter()
        .filter_map(|at| judge.panel.rows.get(*at))
        .map(|row| row.weight);
    let (least, most) = weights.fold((f64::INFINITY, 0.0_f64), |(least, most), weight| {
        (least.min(weight), most.max(weight))
    });
    if most > least * 1.01 {
        warnings.push(
            "rows were thinned at random, so alarms are missed and not counted: extract without --negatives to judge them"
                .to_owned(),
        );
    }
    let taught = judge.teach.iter().filter_map(|at| judge.panel.rows.get(*at));
    if taught.filter(|row| row.label == Some(true)).count() == 0 {
        warnings
            .push("no positive row teaches: baselines have no fair probabilities, only rankings".to_owned());
    }
    warnings
}

impl GroundArgs {
    pub(crate) fn read(&self) -> anyhow::Result<Judged> {
        ensure!(
            self.budget > 0.0 && self.budget.is_finite(),
            "--budget must be above 0, not {}",
            self.budget
        );
        let bar = ProgressBar::new_spinner().with_message("reading rows");
        bar.enable_steady_tick(std::time::Duration::from_millis(200));
        let mut panels = load::panels(&self.rows)?;
        if let Some(horizon) = self.horizon {
            panels.retain(|panel| panel.horizon == horizon);
            ensure!(!panels.is_empty(), "no rows look {horizon} ahead");
        }
        if let Some(faults) = &self.faults {
            load::mark_abrupt(&mut panels, faults)?;
        }
        bar.finish_and_clear();
        let from = self.judged_from(&panels)?;
        let folds = panels
            .iter()
            .map(|panel| splits::at(&panel.stamps(), from, panel.horizon))
            .collect();
        Ok(Judged {
            panels,
            folds,
            settings: Settings {
                budget: self.budget,
                resamples: self.resamples,
                seed: self.seed,
                by_propensity: self.held_out,
            },
            said: Vec::new(),
            row_us: BTreeMap::new(),
            contributions: Vec::new(),
        })
    }

    fn judged_from(&self, panels: &[Panel]) -> anyhow::Result<Timestamp> {
        let times = || {
            panels
                .iter()
                .flat_map(|panel| panel.rows.iter().map(|row| row.at))
        };
        let (Some(first), Some(last)) = (times().min(), times().max()) else {
            bail!("there are no rows");
        };
        if let Ok(share) = self.from.parse::<f64>()
            && (0.0..1.0).contains(&share)
        {
            let span = last.since(first).as_secs_f64();
            return Ok(first + Duration::from_secs_f64(span * share));
        }
        let midnight = format!("{}T00:00:00Z", self.from);
        let from = time_text::parse(self.from.as_bytes())
            .or_else(|| time_text::parse(midnight.as_bytes()))
            .with_context(|| format!("--from {:?} is neither a time nor a share from 0 to 1", self.from))?;
        ensure!(
            from <= last,
            "--from {:?} is after the last row, which is at {last:?}",
            self.from
        );
        Ok(from)
    }
}

/// The model.json of what a path names, if that is a model.
pub(crate) fn model_file(path: &Path) -> Option<PathBuf> {
    if path.is_dir() {
        return Some(path.join("model.json"));
    }
    path.extension()
        .is_some_and(|extension| extension == "json")
        .then(|| path.to_owned())
}

pub(crate) fn read_model(file: &Path) -> anyhow::Result<Model> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    Model::from_json(&text).with_context(|| format!("{} is no model of this build", file.display()))
}

fn file_name(path: &Path) -> String {
    let stem = path.file_stem().and_then(|stem| stem.to_str());
    stem.unwrap_or("predictions").to_owned()
}

pub(crate) fn progress(steps: usize, what: &'static str) -> ProgressBar {
    let bar = ProgressBar::new(steps as u64).with_message(what);
    let style = ProgressStyle::with_template("{bar:40} {percent:>3} % of {msg}, {eta} left");
    style.map_or(bar.clone(), |style| bar.with_style(style))
}
