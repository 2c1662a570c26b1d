//! The steps of retraining, on one journal.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use foreshift_domain::fallback::{Fallback, Timing};
use foreshift_domain::prediction::Comparison;
use foreshift_domain::{Duration, Timestamp, rfc3339};
use foreshift_predict::Model;
use foreshift_registry::ModelName;
use polars::prelude::ChunkCompareEq;

use super::outcome::{HeldOut, OfModel};
use crate::evaluate::figures::{Judge, Method};
use crate::evaluate::{GroundArgs, Judged};
use crate::replay::driver::Nothing;
use crate::rows;
use crate::train::grow::{Part, Reads, beside, grow};
use crate::train::in_parts::{FIRST_PART, part_of};
use crate::train::passage::Passage;

/// Resamples of the intervals of figures.
const RESAMPLES: usize = 100;

/// What of a journal does what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Times {
    /// Teaching begins.
    pub(super) since: Timestamp,
    /// The first trees have been grown; from here on the mixture learns from what they say.
    pub(super) first_cut: Timestamp,
    /// Teaching ends.
    pub(super) cut: Timestamp,
    /// Judging begins, the longest horizon and the guard later: no label that taught looks in here.
    pub(super) judged: Timestamp,
    /// The newest record.
    pub(super) end: Timestamp,
}

impl Times {
    pub(super) fn new(since: Timestamp, end: Timestamp, judge: f64, timing: &Timing) -> Self {
        let cut = part_of(since, end, 1.0 - judge);
        let longest = timing.horizons.last().copied().unwrap_or_default();
        Self {
            since,
            first_cut: part_of(since, cut, FIRST_PART),
            cut,
            judged: cut + longest + timing.guard,
            end,
        }
    }

    pub(super) fn words(&self) -> String {
        format!("{} to {}", rfc3339::format(self.since), rfc3339::format(self.end))
    }
}

/// A journal to learn from.
pub(super) struct Course<'a> {
    pub(super) journal: &'a Path,
    pub(super) rows: &'a PathBuf,
    pub(super) fallback: &'a Arc<Fallback>,
    pub(super) times: Times,
}

/// What was learned, and where the journal stands.
pub(super) struct Taught {
    pub(super) model: Model,
    /// What served, as it had learned by then.
    champion: Model,
    /// At the end of what taught.
    pub(super) passage: Passage,
}

impl Course<'_> {
    /// For each horizon, the incidents before the first cut, which must teach the first trees, and those that are judged.
    pub(super) fn incidents(&self) -> anyhow::Result<Vec<(usize, usize)>> {
        let columns = ["time", "horizon_s", "label", "incident_id"];
        let (about, frame) = rows::read_frame(self.rows, Some(&columns))?;
        let mut counts = Vec::new();
        for horizon_s in &about.horizons_s {
            let of_horizon = frame.filter(&frame.column("horizon_s")?.f64()?.equal(*horizon_s))?;
            let (mut taught, mut judged) = (BTreeSet::new(), BTreeSet::new());
            let times = of_horizon.column("time")?.datetime()?.physical().iter();
            let labels = of_horizon.column("label")?.i32()?.iter();
            let incidents = of_horizon.column("incident_id")?.str()?.iter();
            for ((time, label), incident) in times.zip(labels).zip(incidents) {
                let (Some(time), Some(1), Some(incident)) = (time, label, incident) else {
                    continue;
                };
                let at = Timestamp::from_micros(time);
                if at + Duration::from_secs_f64(*horizon_s) <= self.times.first_cut {
                    taught.insert(incident);
                } else if at >= self.times.judged {
                    judged.insert(incident);
                }
            }
            counts.push((taught.len(), judged.len()));
        }
        Ok(counts)
    }

    fn part(&self, until: Timestamp) -> Part<'_> {
        Part {
            rows: std::slice::from_ref(self.rows),
            until,
            without: &[],
            views: &[Reads::AllBut(&[])],
        }
    }

    /// Trees on the first part; then the model learns in the shadow of what served up to the cut; at last trees on all of
    /// that, which keep the mixture and its calibration.
    pub(super) fn teach(&self, parent: &Model) -> anyhow::Result<Taught> {
        let Times {
            since,
            first_cut,
            cut,
            ..
        } = self.times;
        let begun = beside(parent.clone(), grow(&self.part(first_cut), parent)?, first_cut)?;
        let mut passage = Passage::served(self.journal, self.fallback)?;
        passage.until(since, &mut Nothing)?;
        passage.challenge(&begun.named("retrained@1"))?;
        passage.until(cut, &mut Nothing)?;
        let learned = passage.model()?.clone();
        let model = beside(learned, grow(&self.part(cut), parent)?, cut)?.released("retrained@2");
        Ok(Taught {
            model,
            champion: passage.engine().model().clone(),
            passage,
        })
    }

    /// Both models on the rows that taught nothing, as each would have gone on from the cut.
    pub(super) fn held_out(&self, champion: &ModelName, taught: &Taught) -> anyhow::Result<Vec<HeldOut>> {
        let grounds = GroundArgs {
            rows: self.rows.clone(),
            horizon: None,
            from: rfc3339::format(self.times.cut),
            budget: 1.0,
            resamples: RESAMPLES,
            seed: 1,
            held_out: false,
            faults: None,
        };
        let mut judged = grounds.read()?;
        judged.keep_since(self.times.cut, self.times.judged);
        judged.say_of(champion.to_string(), taught.champion.clone(), true)?;
        judged.say_of("retrained".to_owned(), taught.model.clone(), true)?;
        Ok(figures(&judged))
    }

    /// The model in the shadow of what served, over the part that taught nothing.
    pub(super) fn gate(&self, mut passage: Passage, model: &Model) -> anyhow::Result<Comparison> {
        passage.until(self.times.judged, &mut Nothing)?;
        passage.challenge(model)?;
        passage.until(Timestamp::MAX, &mut Nothing)?;
        passage.comparison()
    }
}

/// Of horizons that have both kinds of rows.
fn figures(judged: &Judged) -> Vec<HeldOut> {
    let of = |(index, judge): (usize, Judge<'_>)| {
        let ground = judge.ground();
        if ground.positives == 0 || ground.positives == ground.rows {
            return None;
        }
        let mut models = judged.said.iter().map(|(name, said)| {
            let said = said.get(index).cloned().unwrap_or_default();
            OfModel::new(&judge.figures(&Method::of_probabilities(name.clone(), said)))
        });
        Some(HeldOut {
            horizon_s: ground.horizon_s,
            rows: ground.rows,
            positives: ground.positives,
            base_rate: ground.base_rate,
            champion: models.next()?,
            challenger: models.next()?,
        })
    };
    judged.judges().enumerate().filter_map(of).collect()
}
