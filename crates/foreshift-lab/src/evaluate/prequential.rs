//! A model run over rows as it would have been run then: it says what it thinks of a row before it learns from it, and
//! learns from it when its label became known, not before.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::Arc;

use anyhow::{Context, ensure};
use foreshift_domain::Timestamp;
use foreshift_predict::{Example, Model, TargetModel};

use super::panel::Panel;
use super::worked::Worked;

/// A row of some panel.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Moment {
    at: Timestamp,
    target: u32,
    panel: usize,
    row: usize,
}

/// A row that waits for its label.
struct Waiting {
    head: usize,
    target: u32,
    example: Arc<Example>,
    positive: bool,
    weight: f64,
}

/// Everything that a run of a model keeps.
struct Prequential<'a> {
    model: Model,
    learns: bool,
    panels: &'a [Panel],
    states: Vec<(TargetModel, Option<Timestamp>)>,
    /// By when the label is known, then in order of rows.
    queue: BinaryHeap<Reverse<(Timestamp, usize)>>,
    waiting: Vec<Option<Waiting>>,
    /// Onsets that have not been reached, the next one last.
    onsets: Vec<(Timestamp, u32)>,
    /// Sums by panel and feature.
    explained: Vec<BTreeMap<String, f64>>,
}

/// Rows of a panel that are explained: an explanation costs a hundred predictions.
const EXPLAINED: usize = 500;

/// What a run of a model gives.
pub(crate) struct Told {
    /// Probabilities by panel and row.
    pub(crate) said: Vec<Vec<f64>>,
    /// By panel: each feature's mean contribution to the log-odds, regardless of sign, over a sample of rows; from high
    /// to low.
    pub(crate) contributions: Vec<Vec<(String, f64)>>,
    /// What a row took, learning included.
    pub(crate) row_us: f64,
}

/// Runs a model over the panels of all its horizons, which share targets and features; gives its probabilities by
/// panel and row. When it `learns`, it does from every row whose label is known.
///
/// # Errors
/// When a panel has a horizon that the model does not look ahead, or the model fails on a row.
pub(crate) fn run(
    model: Model,
    learns: bool,
    panels: &[Panel],
    mut progress: impl FnMut(u64),
) -> anyhow::Result<Told> {
    let heads = heads(&model, panels)?;
    let mut moments = Vec::new();
    for (panel, rows) in panels.iter().enumerate() {
        moments.extend(rows.rows.iter().enumerate().map(|(row, said)| Moment {
            at: said.at,
            target: said.target,
            panel,
            row,
        }));
    }
    moments.sort_unstable();
    let (mut run, worked) = (Prequential::new(model, learns, panels), Worked::default());
    let mut said: Vec<Vec<f64>> = panels
        .iter()
        .map(|panel| vec![f64::NAN; panel.rows.len()])
        .collect();
    let mut row = Vec::new();
    let mut out = vec![0.0; run.model.horizons().len()];
    for together in moments.chunk_by(|a, b| (a.at, a.target) == (b.at, b.target)) {
        let Some(first) = together.first() else { continue };
        let place = panels
            .get(first.panel)
            .and_then(|panel| panel.rows.get(first.row));
        let (features, place) = panels
            .get(first.panel)
            .zip(place)
            .map(|(panel, row)| (&panel.features, row.place))
            .context("a row that is not there")?;
        features.fill(place, &mut row);
        run.advance(first.at);
        run.see(first, &row, &mut out)?;
        let example = run.example(first, &row);
        for moment in together {
            let head = heads.get(moment.panel).copied().unwrap_or_default();
            let slot = said
                .get_mut(moment.panel)
                .and_then(|said| said.get_mut(moment.row));
            if let (Some(slot), Some(probability)) = (slot, out.get(head)) {
                *slot = *probability;
            }
            run.wait(moment, head, &example);
            run.explain(moment, head, &row);
        }
        progress(together.len() as u64);
    }
    Ok(Told {
        row_us: worked.us() / moments.len().max(1) as f64,
        said,
        contributions: run.contributions(),
    })
}

/// The head of each panel.
fn heads(model: &Model, panels: &[Panel]) -> anyhow::Result<Vec<usize>> {
    let names: Vec<String> = model.horizons().iter().map(ToString::to_string).collect();
    let head = |panel: &Panel| {
        let position = model
            .horizons()
            .iter()
            .position(|horizon| *horizon == panel.horizon);
        position.with_context(|| {
            format!(
                "the rows look {} ahead, the model {}",
                panel.horizon,
                names.join(", ")
            )
        })
    };
    let heads = panels.iter().map(head).collect::<anyhow::Result<Vec<usize>>>()?;
    for panel in panels {
        let known = &panel.features.names;
        for (place, input) in model.inputs().iter().enumerate() {
            ensure!(
                known.get(place).is_some_and(|name| *name == input.name),
                "the model reads {:?} as feature {place}, the rows have {:?} there",
                input.name,
                known.get(place).map_or("none", String::as_str)
            );
        }
    }
    Ok(heads)
}

impl<'a> Prequential<'a> {
    fn new(model: Model, learns: bool, panels: &'a [Panel]) -> Self {
        let targets = panels
            .iter()
            .map(|panel| panel.targets.len())
            .max()
            .unwrap_or_default();
        let incidents = panels
            .first()
            .map(|panel| panel.incidents.as_slice())
            .unwrap_or_default();
        let mut onsets: Vec<(Timestamp, u32)> = incidents
            .iter()
            .map(|incident| (incident.onset, incident.target))
            .collect();
        onsets.sort_unstable_by_key(|onset| Reverse(*onset));
        Self {
            model,
            learns,
            panels,
            states: vec![Default::default(); targets],
            queue: BinaryHeap::new(),
            waiting: Vec::new(),
            onsets,
            explained: vec![BTreeMap::new(); panels.len()],
        }
    }

    fn explain(&mut self, moment: &Moment, head: usize, row: &[f64]) {
        let rows = self.panels.get(moment.panel).map_or(0, |panel| panel.rows.len());
        let (Some((state, _)), Some(sums)) = (
            self.states.get(moment.target as usize),
            self.explained.get_mut(moment.panel),
        ) else {
            return;
        };
        if moment.row.is_multiple_of(rows.div_ceil(EXPLAINED).max(1)) {
            for one in self.model.explain(head, state, moment.at, row).contributions {
                *sums.entry(one.feature).or_default() += one.logit.abs() / EXPLAINED as f64;
            }
        }
    }

    fn contributions(&self) -> Vec<Vec<(String, f64)>> {
        let sorted = |sums: &BTreeMap<String, f64>| {
            let mut all: Vec<(String, f64)> = sums.clone().into_iter().collect();
            all.sort_by(|a, b| b.1.total_cmp(&a.1));
            all
        };
        self.explained.iter().map(sorted).collect()
    }

    /// All that became known up to now: incidents, labels.
    fn advance(&mut self, now: Timestamp) {
        while let Some((at, target)) = self.onsets.pop_if(|(onset, _)| *onset <= now) {
            if let Some((state, seen)) = self.states.get_mut(target as usize) {
                // The time up to the onset could have held it.
                let until = seen.map_or(at, |seen| at.max(seen));
                self.model.observe(state, until, seen.is_some());
                self.model.incident_began(state, at);
                *seen = Some(until);
            }
        }
        while let Some(Reverse((known_at, number))) = self.queue.peek().copied() {
            if known_at > now {
                return;
            }
            self.queue.pop();
            let waiting = self.waiting.get_mut(number).and_then(Option::take);
            if let Some(waiting) = waiting
                && let Some((state, _)) = self.states.get_mut(waiting.target as usize)
            {
                let Waiting {
                    head,
                    example,
                    positive,
                    weight,
                    ..
                } = waiting;
                self.model.learn(head, state, &example, positive, weight);
            }
        }
    }

    fn see(&mut self, moment: &Moment, row: &[f64], out: &mut [f64]) -> anyhow::Result<()> {
        let panel = self.panels.get(moment.panel);
        let (state, seen) = self
            .states
            .get_mut(moment.target as usize)
            .context("a target that is not there")?;
        let looked_at = |seen: Timestamp| panel.is_some_and(|panel| !panel.breaks_between(seen, moment.at));
        let at_risk = seen.is_some_and(looked_at);
        self.model.observe(state, moment.at, at_risk);
        *seen = Some(moment.at);
        self.model
            .predict(state, moment.at, row, out)
            .with_context(|| format!("at {:?}", moment.at))
    }

    fn example(&self, moment: &Moment, row: &[f64]) -> Option<Arc<Example>> {
        let state = self.states.get(moment.target as usize).filter(|_| self.learns);
        state.map(|(state, _)| Arc::new(self.model.encode(state, moment.at, row)))
    }

    fn wait(&mut self, moment: &Moment, head: usize, example: &Option<Arc<Example>>) {
        let row = self
            .panels
            .get(moment.panel)
            .and_then(|panel| panel.rows.get(moment.row));
        let Some((row, example)) = row.zip(example.as_ref()) else {
            return;
        };
        let (Some(positive), Some(known_at)) = (row.label, row.known_at) else {
            return;
        };
        self.queue.push(Reverse((known_at, self.waiting.len())));
        self.waiting.push(Some(Waiting {
            head,
            target: moment.target,
            example: Arc::clone(example),
            positive,
            weight: row.weight,
        }));
    }
}

#[cfg(test)]
mod tests {
    use foreshift_domain::{Digest, Duration};
    use foreshift_predict::{ALL_HEADS, InputSpec};

    use super::super::measures::{Ranked, Said};
    use super::super::panel::tests::Made;
    use super::*;

    fn model(horizon: Duration) -> Model {
        let input = InputSpec {
            name: "sign".to_owned(),
            edges: vec![0.0, 0.5, 1.0],
            heads: ALL_HEADS,
            missing_tells: true,
            rarity: false,
        };
        Model::fresh("fresh@1", Digest::of(b"sign"), vec![input], &[horizon])
    }

    fn auc(panel: &Panel, said: &[f64], from: i64) -> f64 {
        let rows = panel.rows.iter().zip(said);
        let rows: Vec<Said> = rows
            .filter(|(row, _)| row.at >= Timestamp::from_secs(from))
            .filter_map(|(row, probability)| {
                Some(Said {
                    ranking: *probability,
                    probability: *probability,
                    positive: row.label?,
                    weight: 1.0,
                    block: 0,
                })
            })
            .collect();
        Ranked::new(&rows).ranking(None).auc
    }

    fn made() -> Panel {
        let mut draws = fastrand::Rng::with_seed(2);
        let mut onsets = || {
            let mut at = 0;
            std::iter::from_fn(|| {
                at += draws.i64(25..400);
                (at < 4_000).then_some(at)
            })
            .collect::<Vec<i64>>()
        };
        Made {
            ticks: 4_000,
            tick_s: 60,
            horizon_ticks: 10,
            cooldown: 5,
            onsets: (0..6).map(|_| onsets()).collect(),
        }
        .panel()
    }

    #[test]
    fn a_sign_is_learned_once_labels_are_known() {
        let panel = made();
        let panels = [panel];
        let said = run(model(panels[0].horizon), true, &panels, |_| {}).unwrap().said;
        assert!(auc(&panels[0], &said[0], 1_000 * 60) > 0.99);
        // The first label is known after the horizon: until then nothing is.
        let early = panels[0]
            .rows
            .iter()
            .zip(&said[0])
            .take_while(|(row, _)| row.at < Timestamp::from_secs(590));
        let early: Vec<f64> = early.map(|(_, probability)| *probability).collect();
        assert!(
            early.windows(2).all(|pair| (pair[0] - pair[1]).abs() < 0.002),
            "{early:?}"
        );
        let frozen = run(model(panels[0].horizon), false, &panels, |_| {})
            .unwrap()
            .said;
        assert!(auc(&panels[0], &frozen[0], 1_000 * 60) < 0.7);
    }

    #[test]
    fn labels_that_never_become_known_teach_nothing_though_they_are_in_the_rows() {
        let mut panel = made();
        for row in &mut panel.rows {
            row.known_at = Some(Timestamp::MAX);
        }
        let panels = [panel];
        let blind = run(model(panels[0].horizon), true, &panels, |_| {}).unwrap().said;
        let frozen = run(model(panels[0].horizon), false, &panels, |_| {})
            .unwrap()
            .said;
        assert_eq!(blind, frozen);
    }

    #[test]
    fn a_label_turned_around_after_the_fact_changes_nothing_that_was_said_before() {
        let panel = made();
        let cut = Timestamp::from_secs(2_000 * 60);
        let mut other = panel.clone();
        for row in &mut other.rows {
            if row.known_at.is_some_and(|known| known > cut) {
                row.label = row.label.map(|label| !label);
            }
        }
        let (panels, others) = ([panel], [other]);
        let said = run(model(panels[0].horizon), true, &panels, |_| {}).unwrap().said;
        let turned = run(model(panels[0].horizon), true, &others, |_| {}).unwrap().said;
        let rows = panels[0].rows.iter().zip(said[0].iter().zip(&turned[0]));
        let (before, after): (Vec<_>, Vec<_>) = rows.partition(|(row, _)| row.at <= cut);
        assert!(before.iter().all(|(_, (a, b))| a == b));
        assert!(after.iter().any(|(_, (a, b))| a != b));
    }

    #[test]
    fn rows_of_another_horizon_or_other_features_are_refused() {
        let panels = [made()];
        let error = run(model(Duration::HOUR), true, &panels, |_| {}).err().unwrap();
        assert_eq!(error.to_string(), "the rows look 10m ahead, the model 1h");
        let mut renamed = panels;
        renamed[0].features = Arc::new(super::super::panel::Features {
            names: vec!["other".to_owned()],
            columns: vec![Vec::new()],
        });
        let error = run(model(renamed[0].horizon), true, &renamed, |_| {})
            .err()
            .unwrap();
        assert_eq!(
            error.to_string(),
            "the model reads \"sign\" as feature 0, the rows have \"other\" there"
        );
    }
}
