//! Whether what a model reads still looks like what it learned from: the population stability index of each input.
//!
//! The histogram of each input over the rows that a model had learned from when it was loaded is in the model: its
//! bins lie around the knots, shared by nearness. Beside it the rows of about the last day are counted in the same
//! bins. PSI is the symmetrised divergence of both: below 0.1 they are alike, from 0.25 on they are not. A shift alone
//! costs nothing: only log-loss says that a model has become worse. It says where to look when it has.

use foreshift_domain::{Duration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::encode::{Example, Owner};
use crate::model::Model;

/// Rows fade with this half-life.
const HALF_LIFE: Duration = Duration::DAY;
/// They are not faded more often than so.
const FADES_EVERY: Duration = Duration::from_secs(600);
/// Fewer rows than this tell nothing: bins of chance would look like a shift.
const MIN_ROWS: f64 = 1_000.0;
/// The same of what was learned, where rows weigh as much less as they overlap.
const MIN_LEARNED: f64 = 100.0;
/// No bin is thought to hold less than this share of rows: the logarithm of none says nothing.
const LEAST_SHARE: f64 = 1e-3;

/// Counts of rows by bin: those the model had learned from, and those of late.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct InputShift {
    trained: Vec<f64>,
    recent: Vec<f64>,
    faded_at: Timestamp,
}

impl InputShift {
    /// Compares with what `model` has learned from up to now.
    #[must_use]
    pub fn new(model: &Model, at: Timestamp) -> Self {
        Self {
            trained: model.seen.clone(),
            recent: vec![0.0; model.seen.len()],
            faded_at: at,
        }
    }

    /// Counts a row that the model has read. Rows of another model are left out.
    pub fn add(&mut self, model: &Model, example: &Example, at: Timestamp) {
        if model.seen.len() != self.recent.len() || example.placed.len() != model.layout().inputs() {
            return;
        }
        let elapsed = at.since(self.faded_at);
        if elapsed >= FADES_EVERY {
            let kept = libm::exp2(-elapsed.as_secs_f64() / HALF_LIFE.as_secs_f64());
            self.recent.iter_mut().for_each(|rows| *rows *= kept);
            self.faded_at = at;
        }
        let mut touch = |slot: usize, share: f64| {
            if let Some(rows) = self.recent.get_mut(slot) {
                *rows += share;
            }
        };
        touch(0, 1.0);
        model.layout().visit(&example.placed, touch);
    }

    /// The PSI of each input, the largest first, ties in their order. Empty before there are enough rows on both sides;
    /// an input that either side never had is left out.
    #[must_use]
    pub fn of_inputs(&self, model: &Model) -> Vec<(String, f64)> {
        let rows = |counts: &[f64]| counts.first().copied().unwrap_or(0.0);
        let enough = rows(&self.trained) >= MIN_LEARNED && rows(&self.recent) >= MIN_ROWS;
        if !enough || model.seen.len() != self.recent.len() {
            return Vec::new();
        }
        let owners = model.layout().owners().filter_map(|(owner, run)| match owner {
            Owner::Input(input) => Some((model.inputs().get(input)?, run)),
            Owner::Cross(..) => None,
        });
        let mut all: Vec<(String, f64)> = owners
            .filter_map(|(input, run)| {
                let (trained, recent) = (self.trained.get(run.clone())?, self.recent.get(run)?);
                Some((input.name.clone(), psi(trained, recent)?))
            })
            .collect();
        all.sort_by(|a, b| b.1.total_cmp(&a.1));
        all
    }
}

/// `None` where either side has no rows.
fn psi(before: &[f64], now: &[f64]) -> Option<f64> {
    let (all_before, all_now) = (before.iter().sum::<f64>(), now.iter().sum::<f64>());
    if all_before <= 0.0 || all_now <= 0.0 {
        return None;
    }
    let share = |count: &f64, all: f64| (count / all).max(LEAST_SHARE);
    let bins = before.iter().zip(now).map(|(before, now)| {
        let (before, now) = (share(before, all_before), share(now, all_now));
        (now - before) * libm::log(now / before)
    });
    Some(bins.sum())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::TargetModel;
    use crate::test_stream::Stream;
    use crate::{ALL_HEADS, InputSpec};
    use foreshift_domain::Digest;

    fn at(second: usize) -> Timestamp {
        Timestamp::from_secs(1_700_000_000 + second as i64)
    }

    fn inputs() -> Vec<InputSpec> {
        ["steady", "moves"]
            .map(|name| InputSpec {
                name: name.to_owned(),
                edges: vec![-2.0, -1.0, 0.0, 1.0, 2.0],
                heads: ALL_HEADS,
                missing_tells: true,
                rarity: false,
            })
            .to_vec()
    }

    /// A model that has learned two inputs around 0.
    fn model() -> Model {
        let mut model = Model::fresh(
            "test@1",
            Digest::of(b"shift"),
            inputs(),
            &[Duration::from_secs(30)],
        );
        let (mut stream, mut target) = (Stream::new(1), TargetModel::default());
        for second in 0..5_000 {
            let row = [stream.normal(), stream.normal()];
            let example = model.encode(&target, at(second), &row);
            model.learn(0, &mut target, &example, second % 50 == 0, 1.0);
        }
        model
    }

    /// What is said after so many rows whose second input lies around `mean`.
    fn shifted(
        model: &Model,
        shift: &mut InputShift,
        rows: usize,
        from: usize,
        mean: f64,
    ) -> Vec<(String, f64)> {
        let (mut stream, target) = (Stream::new(2), TargetModel::default());
        for second in from..from + rows {
            let row = [stream.normal(), mean + stream.normal()];
            shift.add(model, &model.encode(&target, at(second), &row), at(second));
        }
        shift.of_inputs(model)
    }

    #[test]
    fn rows_like_those_learned_have_not_shifted_and_others_have_by_name() {
        let model = model();
        let mut shift = InputShift::new(&model, at(0));
        let same = shifted(&model, &mut shift.clone(), 5_000, 0, 0.0);
        assert!(
            same.len() == 2 && same.iter().all(|(_, psi)| *psi < 0.02),
            "{same:?}"
        );
        let moved = shifted(&model, &mut shift, 5_000, 0, 1.5);
        assert_eq!(moved[0].0, "moves");
        assert!(moved[0].1 > 0.25 && moved[1].1 < 0.02, "{moved:?}");
    }

    #[test]
    fn few_rows_tell_nothing_and_neither_does_a_model_that_learned_none() {
        let model = model();
        let mut shift = InputShift::new(&model, at(0));
        assert!(shifted(&model, &mut shift, 900, 0, 5.0).is_empty());
        let fresh = Model::fresh(
            "fresh@1",
            Digest::of(b"shift"),
            inputs(),
            &[Duration::from_secs(30)],
        );
        assert!(shifted(&fresh, &mut InputShift::new(&fresh, at(0)), 5_000, 0, 5.0).is_empty());
    }

    #[test]
    fn what_was_days_ago_is_forgotten() {
        let model = model();
        let mut shift = InputShift::new(&model, at(0));
        shifted(&model, &mut shift, 5_000, 0, 1.5);
        let later = shifted(&model, &mut shift, 5_000, 20 * 86_400, 0.0);
        assert!(later.iter().all(|(_, psi)| *psi < 0.02), "{later:?}");
    }

    #[test]
    fn what_the_model_learns_meanwhile_moves_no_reference() {
        let (mut model, mut target) = (model(), TargetModel::default());
        let mut shift = InputShift::new(&model, at(0));
        for second in 0..20_000 {
            let example = model.encode(&target, at(second), &[0.0, 2.0]);
            model.learn(0, &mut target, &example, false, 1.0);
            shift.add(&model, &example, at(second));
        }
        assert!(shift.of_inputs(&model)[0].1 > 1.0);
    }
}
