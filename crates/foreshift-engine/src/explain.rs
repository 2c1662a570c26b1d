//! Why the model says what it says: recorded for alarms, decisions and a sample, worked out for whoever asks.
//!
//! To explain a prediction costs a hundred times what it costs to make it. So the engine works out explanations only for
//! what it records, at prediction ticks, and for each no more than [`MAX_FULL`] in full of what decisions rest on, and as
//! many of alarms and samples; past that, trees are told as one term. What is asked for is worked out by who asks, on a thread of his own, from a copy of what the prediction was made
//! from, so that it is that of the prediction which is shown.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use foreshift_domain::prediction::{AlarmThreshold, Explanation, Grounds, PredictionId, Served};
use foreshift_domain::published::Why;
use foreshift_domain::{Duration, RouteName, TargetName, Timestamp};
use foreshift_predict::{Asked, Detail, Model};
use serde::{Deserialize, Serialize};

use crate::alarms::Began;
use crate::engine::Engine;
use crate::output::Output;
use crate::target::Target;

/// Explanations of one horizon worked out in full for each prediction tick: at a millisecond each, for a model of
/// hundreds of trees, twice as many are an eighth of what a tick may take.
const MAX_FULL: u32 = 32;

/// Contributions that are kept with a decision: those that people read. The sum of the others is one more.
const MAX_GROUNDS: usize = 16;

/// What the newest prediction of a target was made from.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Basis {
    asked: Arc<Asked>,
    /// Only where explanations are asked for.
    copy: Option<Arc<ModelCopy>>,
}

/// The model as it was at a prediction.
#[derive(Debug, PartialEq)]
pub(crate) struct ModelCopy {
    model: Model,
    simulated: bool,
}

/// How many explanations were worked out in full since the last tick began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Spent(u32);

impl Spent {
    fn next(&mut self) -> Detail {
        if self.0 >= MAX_FULL {
            return Detail::Brief;
        }
        self.0 += 1;
        Detail::Full
    }
}

impl Engine {
    /// Says whether the predictions of [`Engine::publish`] can be explained when asked. It takes a copy of the model at
    /// each tick before which it learned. It is off at first, and after a restart.
    pub fn give_explanations(&mut self, give: bool) {
        self.gives_explanations = give;
    }

    /// A copy of the model that learns no more, for the predictions that come.
    pub(crate) fn copy_model(&mut self) {
        let model = &self.shared.model;
        self.model_copy = match self.model_copy.take() {
            _ if !self.gives_explanations => None,
            Some(copy) if copy.model.version() == model.version() => Some(copy),
            _ => Some(Arc::new(ModelCopy {
                model: model.clone(),
                simulated: self.shared.source.simulated,
            })),
        };
    }

    pub(crate) fn basis(&self, target: &Target, tick: Timestamp, row: &[f64]) -> Basis {
        Basis {
            asked: Arc::new(self.shared.model.asked(&target.learned, tick, row)),
            copy: self.model_copy.clone(),
        }
    }

    /// From which probability on a prediction of the target is an alarm, at one horizon.
    fn thresholds(&self, routes: &[RouteName], head: usize) -> Vec<AlarmThreshold> {
        let thresholds = routes.iter().filter_map(|name| {
            let route = self.routes.get(name)?;
            let (trigger, _) = self.trigger(route).filter(|(_, looks_at)| *looks_at == head)?;
            Some(AlarmThreshold {
                route: name.clone(),
                probability: route.alarms_from()?,
                budget_per_day: trigger.budget_per_day,
            })
        });
        thresholds.collect()
    }

    /// Explains what was asked since the model last learned.
    fn explained(&self, name: &TargetName, asked: &Asked, head: usize, detail: Detail) -> Explanation {
        let routes = self.targets.get(name).map(|target| target.routes.as_slice());
        Explanation {
            simulated: self.shared.source.simulated,
            thresholds: self.thresholds(routes.unwrap_or_default(), head),
            ..self.shared.model.explain_asked(head, asked, detail)
        }
    }

    /// Records what a prediction was made from, and why: at some horizons.
    fn record(&mut self, name: &TargetName, basis: &Basis, heads: Range<usize>, alarms: Vec<RouteName>) {
        let asked = &basis.asked;
        let explanations = heads.map(|head| {
            let detail = self.told.next();
            let mut explanation = self.explained(name, asked, head, detail);
            explanation
                .contributions
                .retain(|contribution| contribution.logit != 0.0);
            explanation
        });
        let features = asked.row().iter();
        let served = Served {
            id: PredictionId {
                target: name.clone(),
                tick: asked.tick(),
            },
            explanations: explanations.collect(),
            features: features
                .map(|value| value.is_finite().then_some(*value))
                .collect(),
            alarms,
        };
        self.outputs.push_back(Output::Served(Box::new(served)));
    }

    /// Records one prediction of the sample.
    pub(crate) fn record_sample(&mut self, name: &TargetName, basis: &Basis) {
        let heads = 0..self.shared.fallback.timing.horizons.len();
        self.record(name, basis, heads, Vec::new());
    }

    /// Records the alarms that began: once for all routes of a target that look at the same horizon.
    pub(crate) fn record_alarms(&mut self, mut began: Vec<Began>) {
        began.sort_by(|a, b| (&a.target, a.head).cmp(&(&b.target, b.head)));
        for same in began.chunk_by(|a, b| (&a.target, a.head) == (&b.target, b.head)) {
            let Some(Began {
                target: name, head, ..
            }) = same.first()
            else {
                continue;
            };
            if let Some(basis) = self.targets.get(name).and_then(|target| target.basis.clone()) {
                let routes = same.iter().map(|one| one.route.clone()).collect();
                self.record(name, &basis, *head..head + 1, routes);
            }
        }
    }

    /// What the alarms of a route rest on is known before anything is decided on them: the newest prediction, or an
    /// earlier one that still stands, of which it is known already.
    pub(crate) fn ground_alarms(&mut self, route: &RouteName, alarms: &[bool]) {
        let due = self.routes.get(route).and_then(|route| {
            let (_, head) = self.trigger(route)?;
            let alarming = route
                .config
                .targets
                .iter()
                .zip(alarms)
                .filter(|(_, alarm)| **alarm);
            let names = alarming.map(|(configured, _)| configured.target.clone());
            Some((head, names.collect::<Vec<_>>()))
        });
        let Some((head, names)) = due else { return };
        for name in names {
            self.ground(&name, head);
        }
    }

    /// An alarm that begins or goes on between two ticks, when an incident ended, is grounded then.
    pub(crate) fn ground_refreshed(&mut self, name: &TargetName) {
        let Some(target) = self.targets.get(name) else {
            return;
        };
        let mut heads = BTreeSet::new();
        for route in target.routes.iter().filter_map(|route| self.routes.get(route)) {
            let Some((trigger, head)) = self.trigger(route) else {
                continue;
            };
            let newest = target
                .prediction
                .and_then(|last| last.probabilities?.get(head).copied());
            if newest.is_some_and(|newest| route.counted(newest) >= trigger.exit) {
                heads.insert(head);
            }
        }
        for head in heads {
            self.ground(name, head);
        }
    }

    /// Keeps why the newest prediction said what it said, unless an earlier one stands of which that is known.
    fn ground(&mut self, name: &TargetName, head: usize) {
        let asked = self.targets.get(name).and_then(|target| {
            let horizon = self.shared.fallback.timing.horizons.get(head)?;
            let known = target.grounds_at(*horizon).map(|grounds| grounds.tick);
            let due = known.is_none() || known != target.prediction?.stands_since(head);
            Some(Arc::clone(&target.basis.as_ref().filter(|_| due)?.asked))
        });
        let Some(asked) = asked else { return };
        let detail = self.shared.grounded.next();
        self.shared.counters.brief_grounds += u64::from(detail == Detail::Brief);
        let explanation = self.explained(name, &asked, head, detail);
        let Some(target) = self.targets.get_mut(name) else {
            return;
        };
        target.grounds.retain(|known| {
            let horizon = known.explanation.horizon;
            horizon != explanation.horizon && asked.tick().since(known.tick) <= horizon
        });
        target.grounds.push(Arc::new(Grounds {
            tick: asked.tick(),
            explanation: explanation.at_most(MAX_GROUNDS + 1),
        }));
    }

    /// Explains the newest prediction of a target when it is asked.
    pub(crate) fn why(&self, target: &Target) -> Why {
        let Some(Basis {
            asked,
            copy: Some(copy),
        }) = target.basis.clone()
        else {
            return Why::default();
        };
        let heads = 0..copy.model.horizons().len();
        let thresholds: Vec<_> = heads.map(|head| self.thresholds(&target.routes, head)).collect();
        Why::new(move || {
            let heads = thresholds.iter().enumerate();
            let explanations = heads.map(|(head, thresholds)| Explanation {
                simulated: copy.simulated,
                thresholds: thresholds.clone(),
                ..copy.model.explain_asked(head, &asked, Detail::Full)
            });
            explanations.collect()
        })
    }
}

impl Target {
    /// What its alarm at a horizon rests on.
    pub(crate) fn grounds_at(&self, horizon: Duration) -> Option<&Arc<Grounds>> {
        let mut all = self.grounds.iter();
        all.find(|grounds| grounds.explanation.horizon == horizon)
    }
}
