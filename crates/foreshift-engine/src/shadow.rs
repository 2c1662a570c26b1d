//! Models at work: the champion, and the challenger in its shadow.
//!
//! The challenger observes, predicts and learns as the champion does, on the same rows, and proposes nothing. What both
//! say is compared by the gate of `foreshift-predict`.
//!
//! When another model becomes champion, what is known of targets stays: telemetry, incidents, when each target failed
//! and was seen, and how often the fleet fails. The challenger itself goes on as champion with all that it learned in the
//! shadow, biases and waiting rows too. A model that was not in the shadow begins with the bias of no target, and rows
//! that wait for their label are given up, since they hold what the model before said and where it placed them.

use foreshift_domain::decision::Cause;
use foreshift_domain::fallback::Fallback;
use foreshift_domain::published::{ChallengerState, ModelsState, ServedModel};
use foreshift_domain::{Digest, Duration, ModelUpdate, RouteName, Timestamp};
use foreshift_predict::gate::{Gate, Pair, TargetAlarms};
use foreshift_predict::{Example, Model, ModelError, TargetModel};
use serde::{Deserialize, Serialize};

use crate::engine::Engine;
use crate::output::{Alert, MAX_HORIZONS, ModelChange, ModelPlace, Output};
use crate::target::Target;
use crate::tick::{FeatureRow, check_model, fresh_model};

/// Where a model came from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Source {
    /// Of the JSON that was handed in; zeros for a model that the engine was built with.
    pub(crate) digest: Digest,
    pub(crate) simulated: bool,
}

/// A challenger.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Shadow {
    pub(crate) model: Model,
    pub(crate) gate: Gate,
    source: Source,
    since: Timestamp,
}

/// What the challenger keeps of a target.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct TargetShadow {
    pub(crate) learned: TargetModel,
    pub(crate) alarms: TargetAlarms,
}

/// The challenger's side of a row that waits for its label.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Rival {
    pub(crate) example: Example,
    /// What both said, one for each horizon.
    said: [(f32, f32); MAX_HORIZONS],
}

impl Rival {
    /// What both said of a horizon.
    pub(crate) fn said(&self, head: usize) -> Option<Pair> {
        let (champion, challenger) = *self.said.get(head)?;
        Some(Pair {
            champion: f64::from(champion),
            challenger: f64::from(challenger),
        })
    }
}

fn gate(fallback: &Fallback) -> Gate {
    let longest = fallback.timing.horizons.last().copied().unwrap_or(Duration::HOUR);
    Gate::new(longest, fallback.timing.guard)
}

fn read(update: &ModelUpdate, fallback: &Fallback) -> Result<Model, ModelError> {
    let model = Model::from_json(&update.model_json)?;
    check_model(&model, fallback)?;
    Ok(model)
}

impl Engine {
    /// Digest of the champion as it was handed in; zeros for a model that the engine was built with.
    pub fn model_digest(&self) -> Digest {
        self.shared.source.digest
    }

    /// The models at work.
    pub fn models(&self) -> ModelsState {
        let served = |model: &Model, source: Source| ServedModel {
            version: model.version(),
            digest: source.digest,
            simulated: source.simulated,
        };
        ModelsState {
            champion: served(&self.shared.model, self.shared.source),
            challenger: self.shared.shadow.as_ref().map(|shadow| ChallengerState {
                model: served(&shadow.model, shadow.source),
                since: shadow.since,
                comparison: shadow.gate.comparison(),
            }),
        }
    }

    /// Puts a fresh model in the place of one that does not fit, and lets go of a challenger that does not.
    pub(crate) fn check_model(&mut self) {
        let fallback = std::sync::Arc::clone(&self.shared.fallback);
        if let Err(reason) = check_model(&self.shared.model, &fallback) {
            self.refused(&self.shared.model.version().name, &reason);
            (self.shared.model, self.shared.source) = (fresh_model(&fallback), Source::default());
            self.shared.shift = None;
        }
        if let Some(shadow) = &self.shared.shadow
            && let Err(reason) = check_model(&shadow.model, &fallback)
        {
            self.refused(&shadow.model.version().name, &reason);
            self.shared.shadow = None;
        }
    }

    /// The horizons changed: what was compared so far was about others.
    pub(crate) fn restart_comparison(&mut self) {
        let gate = gate(&self.shared.fallback);
        if let Some(shadow) = &mut self.shared.shadow {
            (shadow.gate, shadow.since) = (gate, self.shared.watermark);
            for target in self.targets.values_mut() {
                target.shadow.alarms = TargetAlarms::default();
            }
        }
    }

    pub(crate) fn on_model(&mut self, update: &ModelUpdate) {
        let source = Source {
            digest: Digest::of(update.model_json.as_bytes()),
            simulated: update.simulated,
        };
        if source.digest == self.shared.source.digest {
            self.shared.source = source;
            self.model_copy = None;
            return;
        }
        let from = self.shared.model.version().name;
        let was_shadow = self
            .shared
            .shadow
            .take_if(|shadow| shadow.source.digest == source.digest);
        let warm = was_shadow.is_some();
        match was_shadow {
            Some(shadow) => self.shared.model = self.take_over(shadow),
            None => match read(update, &self.shared.fallback) {
                Ok(model) => self.begin_with(model),
                Err(reason) => return self.refused(&update.name, &reason),
            },
        }
        self.shared.source = source;
        self.model_copy = None;
        self.shared.drift.forget();
        self.shared.shift = None;
        self.shared.counters.model_changes += 1;
        let to = Some(update.name.clone());
        self.changed(ModelPlace::Champion, Some(from), to, warm, &update.why);
        let routes: Vec<RouteName> = self.routes.keys().cloned().collect();
        for route in &routes {
            self.plan_route(route, Cause::Model, None);
        }
    }

    /// The challenger becomes champion as it is.
    fn take_over(&mut self, shadow: Shadow) -> Model {
        for target in self.targets.values_mut() {
            target.learned = std::mem::take(&mut target.shadow).learned;
            target.pending.take_over();
        }
        shadow.model
    }

    /// A model that was not here before becomes champion. A challenger is compared with the new one from now on.
    fn begin_with(&mut self, model: Model) {
        self.shared.model = model.with_record_of(&self.shared.model);
        for target in self.targets.values_mut() {
            target.learned = target.learned.record();
            target.pending.clear();
        }
        self.restart_comparison();
    }

    pub(crate) fn on_challenger(&mut self, update: Option<&ModelUpdate>) {
        let from = self
            .shared
            .shadow
            .as_ref()
            .map(|shadow| shadow.model.version().name);
        let Some(update) = update else {
            if self.shared.shadow.take().is_some() {
                self.forget_shadows();
                self.changed(ModelPlace::Challenger, from, None, false, "");
            }
            return;
        };
        let digest = Digest::of(update.model_json.as_bytes());
        if self
            .shared
            .shadow
            .as_ref()
            .is_some_and(|shadow| shadow.source.digest == digest)
        {
            return;
        }
        let model = match read(update, &self.shared.fallback) {
            Ok(model) => model.with_record_of(&self.shared.model),
            Err(reason) => return self.refused(&update.name, &reason),
        };
        self.forget_shadows();
        self.shared.shadow = Some(Shadow {
            model,
            gate: gate(&self.shared.fallback),
            source: Source {
                digest,
                simulated: update.simulated,
            },
            since: self.shared.watermark,
        });
        let to = Some(update.name.clone());
        self.changed(ModelPlace::Challenger, from, to, false, &update.why);
    }

    /// Every target begins the shadow with what is known of it, and no row waits for a challenger that is gone.
    fn forget_shadows(&mut self) {
        for target in self.targets.values_mut() {
            target.shadow = TargetShadow {
                learned: target.learned.record(),
                alarms: TargetAlarms::default(),
            };
            target.pending.forget_rivals();
        }
    }

    fn changed(
        &mut self,
        place: ModelPlace,
        from: Option<String>,
        to: Option<String>,
        warm: bool,
        why: &str,
    ) {
        self.outputs.push_back(Output::Model(ModelChange {
            time: self.shared.now,
            place,
            from,
            to,
            warm,
            why: why.to_owned(),
        }));
    }

    fn refused(&mut self, name: &str, reason: &ModelError) {
        self.alert(Alert::ModelRefused {
            name: name.to_owned(),
            reason: reason.to_string(),
        });
    }

    /// The challenger predicts a target beside the champion, which said `champion`. Returns its side of the row, where
    /// one is kept.
    pub(crate) fn rival(
        &mut self,
        index: usize,
        tick: Timestamp,
        row: &FeatureRow,
        champion: Option<[f64; MAX_HORIZONS]>,
        at_risk: bool,
        kept: bool,
    ) -> Option<Rival> {
        let shadow = self.shared.shadow.as_mut()?;
        let (_, target) = self.targets.get_index_mut(index)?;
        shadow.model.observe(&mut target.shadow.learned, tick, at_risk);
        if !at_risk {
            return None;
        }
        let heads = self.shared.fallback.timing.horizons.len().min(MAX_HORIZONS);
        let champion = champion?;
        let mut said = [0.0; MAX_HORIZONS];
        // A challenger that fails says even odds: that costs it, as failing would cost whoever served with it.
        let predicted = shadow
            .model
            .predict(&target.shadow.learned, tick, row, said.get_mut(..heads)?);
        if predicted.is_err() {
            said = [0.5; MAX_HORIZONS];
        }
        let longest = heads.checked_sub(1)?;
        let pair = Pair {
            champion: *champion.get(longest)?,
            challenger: *said.get(longest)?,
        };
        shadow.gate.look(&mut target.shadow.alarms, tick, pair);
        kept.then(|| {
            let mut both = [(0.0, 0.0); MAX_HORIZONS];
            for ((both, champion), challenger) in both.iter_mut().zip(champion).zip(said) {
                *both = (champion as f32, challenger as f32);
            }
            Rival {
                example: shadow.model.encode(&target.shadow.learned, tick, row),
                said: both,
            }
        })
    }
}

impl Target {
    /// What its rows are one piece of evidence with: its failure domain, else itself.
    pub(crate) fn evidence_group(&self) -> u32 {
        const ALONE: u32 = 1 << 31;
        self.domain_group.unwrap_or(ALONE | self.seed as u32)
    }
}
