//! `foreshift-lab train --input`: a model from one recording, with trees beside it.
//!
//! What was grown on rows knows too much of them, so time is cut in two. Trees are grown on the first part; then the
//! whole goes through the engine once, and on the second part the mixture, its calibration and the weights of leaves
//! are learned from predictions as good as those to come. That part's figures stand beside the model. At last the trees
//! are grown again, on all of it: they keep the mixture and its calibration, and their leaves are learned anew by
//! whoever uses them.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration as Wait;

use anyhow::{Context, ensure};
use clap::Args;
use foreshift_domain::fallback::{Fallback, Mode};
use foreshift_domain::{Duration, Timestamp};
use foreshift_predict::Model;
use foreshift_registry::{InputFile, Manifest, ModelName, Release, write_version};
use serde_json::{Map, json};

use super::evaluation::{Evaluation, Figures, Watcher};
use super::grow::{Part, Pattern, Reads, beside, grow};
use super::passage::Passage;
use super::{Scale, recorded};
use crate::replay::driver;

/// The share of the time that trees are grown on at first.
pub(crate) const FIRST_PART: f64 = 0.75;

/// What trees of recorded outages read: probes say little but when something failed. More about the same made them worse.
/// Chosen on outages before 2024 by what was said of 2024.
const HISTORY: [&str; 26] = [
    "incidents_30m",
    "incidents_2h",
    "incidents_8h",
    "incidents_1d",
    "incidents_7d",
    "incidents_40d",
    "since_recovery",
    "known_for",
    "recurs_daily_near",
    "recurs_daily_far",
    "recurs_daily_near_28d",
    "recurs_daily_far_28d",
    "hour_of_day",
    "day_of_week",
    "route_in_incident",
    "route_hours_near",
    "route_hours_far",
    "route_onsets_1h",
    "route_onsets_6h",
    "route_onsets_1d",
    "route_onsets_7d",
    "domain_in_incident",
    "domain_onsets_1h",
    "domain_onsets_6h",
    "domain_onsets_1d",
    "domain_onsets_7d",
];

/// Arguments of learning from one recording.
#[derive(Args)]
pub(super) struct Told {
    /// The fallback configuration of --input; for a journal the one it recorded, unless named.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Learn from this recording instead of fleets: a signal CSV or a journal in which nothing was steered. Trees are
    /// grown on the rows of --rows, which are extracted from it. `foreshift-lab retrain` learns from what was steered.
    #[arg(long, value_name = "PATH", requires = "rows", conflicts_with = "recordings")]
    pub(super) input: Option<PathBuf>,
    /// Learn from what of --input came before this time, such as 2025-01-01T00:00:00Z.
    #[arg(long, value_name = "TIME", value_parser = time, requires = "input")]
    until: Option<Timestamp>,
    /// Learn nothing from the routes of this name or, with `*` at its end, of this beginning.
    #[arg(long, value_name = "ROUTES", requires = "input")]
    without: Vec<Pattern>,
}

/// A time, or the beginning of a day.
pub(crate) fn time(text: &str) -> Result<Timestamp, String> {
    let day = format!("{text}T00:00:00Z");
    let parsed = foreshift_ingest::time_text::parse(text.as_bytes());
    parsed
        .or_else(|| foreshift_ingest::time_text::parse(day.as_bytes()))
        .ok_or_else(|| format!("{text:?} is no time such as 2025-01-01 or 2025-01-01T00:00:00Z"))
}

pub(super) fn run(args: &super::Args) -> anyhow::Result<()> {
    let told = &args.told;
    let rows = &args.rows;
    let input = told.input.as_ref().filter(|_| !rows.is_empty()).context(
        "learning from a recording takes --input, and the rows that `foreshift-lab extract` made of it in --rows",
    )?;
    let fallback = Arc::new(fallback(input, told.config.as_deref())?);
    let (first, end) = span(input, told.until)?;
    let cut = part_of(first, end, FIRST_PART);
    let (begin, pace) = begin(args.from.as_deref(), &fallback)?;
    let parent = args.from.as_ref().and_then(|_| begin.version().name.parse().ok());
    let part = |until| Part {
        rows,
        until,
        without: &told.without,
        views: match args.scale {
            Scale::Probe => &[Reads::Only(&HISTORY), Reads::AllBut(&[])],
            Scale::Live => &[Reads::AllBut(&[])],
        },
    };
    let model = beside(begin.clone(), grow(&part(cut), &begin)?, cut)?;

    let mut watcher = Watcher::new(&fallback).from(cut);
    let mut passage = Passage::serving(input, &fallback, model, end, &told.without)?;
    passage.until(Timestamp::MAX, &mut watcher)?;
    let mut figures = Figures::default();
    watcher.finish(&mut figures);
    let evaluation = figures.evaluate(&fallback.timing.horizons);
    eprintln!("the last quarter, trees of the rest: {evaluation}");

    let learned = passage.model()?.clone();
    let rows_learned = learned.version().rows_learned;
    let name = super::released_name(args)?;
    let model = beside(learned, grow(&part(end), &begin)?, end)?
        .released(&name.to_string())
        .at_pace(1.0 / pace);
    let made = Made {
        input,
        told,
        cut,
        end,
        rows_learned,
        parent,
        windows_s: fallback.timing.windows.map(|window| window.as_secs_f64() * pace),
        of_outages: args.scale == Scale::Probe,
    };
    let manifest = made.manifest(name, &model)?;
    let files = Release {
        model: model.to_json()?.into_bytes(),
        metrics: serde_json::to_string_pretty(&evaluation)?,
        card: made.card(&manifest, &model, &evaluation),
        manifest,
    };
    Ok(write_version(&args.out, files, true)?)
}

/// The configuration of a recording that the model learns from, with weights left alone.
fn fallback(input: &Path, config: Option<&Path>) -> anyhow::Result<Fallback> {
    let mut fallback = match config {
        Some(config) => foreshift_config::load_fallback(config)?.value,
        None => driver::recorded_fallback(input)?.as_ref().clone(),
    };
    fallback.learning.online = true;
    if config.is_none() {
        let routes = fallback.routes.iter_mut();
        routes.for_each(|route| route.settings.mode = Mode::Off);
    }
    Ok(fallback)
}

/// What to begin with, at the pace of the configuration, and how many times as fast as the model that is.
fn begin(from: Option<&Path>, fallback: &Fallback) -> anyhow::Result<(Model, f64)> {
    let Some(path) = from else {
        return Ok((foreshift_engine::fresh_model(fallback), 1.0));
    };
    let file =
        crate::evaluate::model_file(path).with_context(|| format!("{} is no model", path.display()))?;
    recorded::fitted(crate::evaluate::read_model(&file)?, fallback)
}

/// The moment at which a share of the time has passed.
pub(crate) fn part_of(from: Timestamp, to: Timestamp, share: f64) -> Timestamp {
    from + Duration::from_secs_f64(share * to.since(from).as_secs_f64())
}

/// From the first record to where learning ends.
pub(crate) fn span(input: &Path, until: Option<Timestamp>) -> anyhow::Result<(Timestamp, Timestamp)> {
    let mut source = driver::open(input)?;
    let first = loop {
        let batch = source.poll(driver::BATCH_ITEMS, Wait::ZERO)?;
        let items = batch.runs.iter().flat_map(|run| &run.items);
        if let Some(first) = items.filter_map(|item| driver::time_of(&item.decoded)).next() {
            break first;
        }
        ensure!(!batch.finished, "{} is empty", input.display());
    };
    let end = match until {
        Some(until) => until,
        None => driver::newest(input)?,
    };
    ensure!(first < end, "nothing came before --until");
    Ok((first, end))
}

/// How a model was made.
struct Made<'a> {
    input: &'a Path,
    told: &'a Told,
    cut: Timestamp,
    end: Timestamp,
    rows_learned: u64,
    parent: Option<ModelName>,
    windows_s: [f64; 4],
    of_outages: bool,
}

impl Made<'_> {
    fn manifest(&self, name: ModelName, model: &Model) -> anyhow::Result<Manifest> {
        let trained_on = if self.of_outages {
            "recorded outages"
        } else {
            "one recording"
        };
        let created_by = format!("foreshift-lab train --scale {}", name.scale());
        Ok(Manifest {
            parent: self.parent.clone(),
            simulated: false,
            inputs: vec![InputFile::of(self.input)?],
            seed: Some(super::grow::SEED),
            git_revision: crate::models::git_revision(),
            windows_s: Some(self.windows_s),
            training: self.facts(),
            ..Manifest::of(name, model, &created_by, trained_on)
        })
    }

    fn facts(&self) -> Map<String, serde_json::Value> {
        let without: Vec<String> = self.told.without.iter().map(Pattern::to_string).collect();
        let facts = json!({
            "until_s": self.end.as_secs_f64(),
            "first_part_until_s": self.cut.as_secs_f64(),
            "without": without,
            "rows_learned": self.rows_learned,
        });
        facts.as_object().cloned().unwrap_or_default()
    }

    fn card(&self, manifest: &Manifest, model: &Model, evaluation: &Evaluation) -> String {
        let horizons: Vec<String> = model.horizons().iter().map(Duration::to_string).collect();
        let (what, sees) = if self.of_outages {
            (
                "recorded outages** of public endpoints",
                "Probes every few minutes see no short outages, and latency hardly warns there: what it knows is recurrence, times\n\
                 of day and what fails together. Made by `make train-champion`.\n",
            )
        } else {
            ("one recording**", "")
        };
        let plain = match model.plain_params() {
            Some(_) => ", a share of it over plain features,",
            None => "",
        };
        format!(
            "# {}\n\n\
            An online logistic model (FTRL-proximal){plain} with a hazard prior and, beside it, boosted trees, combined in log-odds.\n\
            For horizons of {}. It goes on learning from what it sees.\n\n\
            **Trained on {what}, none of whose rows are in this file but as counts and\n\
            weights; `manifest.json` has the digest of the data, the end of the time it learned from, and the routes that were left\n\
            out. Nothing in it belongs to a single target, so it works on targets it has never seen.\n\n\
            The last quarter of that time, said by trees that were grown on the rest while the linear model learned on:\n\n{}\n{sees}",
            manifest.name,
            horizons.join(" and "),
            evaluation.table()
        )
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use foreshift_features::FEATURES;

    use super::HISTORY;

    #[test]
    fn what_trees_of_outages_read_exists_and_has_every_count_for_trees() {
        let names: BTreeSet<_> = HISTORY.into_iter().collect();
        assert_eq!(names.len(), HISTORY.len());
        let all: BTreeSet<_> = FEATURES.iter().map(|spec| spec.name).collect();
        assert!(names.is_subset(&all), "{:?}", names.difference(&all));
        for spec in FEATURES.iter().skip(foreshift_features::FOR_TREES) {
            assert!(names.contains(spec.name), "{}", spec.name);
        }
    }
}
