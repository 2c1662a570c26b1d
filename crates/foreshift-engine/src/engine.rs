//! The engine's state and its one mutator.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use foreshift_domain::fallback::Fallback;
use foreshift_domain::input::Input;
use foreshift_domain::published::{AppliedVersion, Override};
use foreshift_domain::{Applied, Digest, GatewayName, ModelHealth, RouteName, TargetName, Timestamp};
use foreshift_features::FeatureSet;
use foreshift_policy::{AlarmCount, FleetState};
use foreshift_predict::{Example, InputShift, Model};
use indexmap::IndexMap;
use rustc_hash::FxBuildHasher;
use serde::{Deserialize, Serialize};

use crate::commands::RecentRequests;
use crate::counters::Counters;
use crate::drift::DriftWatch;
use crate::explain::{ModelCopy, Spent};
use crate::groups::Groups;
use crate::labels::FloorRecord;
use crate::output::{Alert, Output};
use crate::pending::Learner;
use crate::routes::Route;
use crate::shadow::{Shadow, Source};
use crate::target::Target;
use crate::tick::feature_set;

/// The most gateways remembered for each route; a further one takes the place of the one unheard for longest.
const MAX_GATEWAYS: usize = 1_000;

pub(crate) type Targets = IndexMap<TargetName, Target, FxBuildHasher>;
pub(crate) type Routes = IndexMap<RouteName, Route, FxBuildHasher>;

/// The deterministic fold over the journal. See the crate's documentation for its contract.
pub struct Engine {
    pub(crate) epoch: u64,
    pub(crate) shared: Shared,
    pub(crate) targets: Targets,
    pub(crate) routes: Routes,
    pub(crate) outputs: VecDeque<Output>,
    /// No part of the state: what is asked for changes nothing that happens.
    pub(crate) gives_rows: bool,
    /// Follows from the fallback configuration.
    pub(crate) features: FeatureSet,
    pub(crate) gives_samples: bool,
    pub(crate) gives_explanations: bool,
    /// The model as it was at the newest prediction; only where explanations are asked for.
    pub(crate) model_copy: Option<Arc<ModelCopy>>,
    /// Of what is recorded since the last tick began.
    pub(crate) told: Spent,
}

/// State that belongs to no single target or route.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Shared {
    pub(crate) fallback: Arc<Fallback>,
    pub(crate) model: Model,
    /// Where the model came from.
    pub(crate) source: Source,
    /// The challenger, where there is one.
    pub(crate) shadow: Option<Shadow>,
    /// Why predictions may not be used; empty when they may.
    pub(crate) model_fault: String,
    pub(crate) now: Timestamp,
    pub(crate) watermark: Timestamp,
    pub(crate) next_tick: Option<Timestamp>,
    /// Ends of open buckets.
    pub(crate) due: BTreeSet<(Timestamp, TargetName)>,
    /// When a route wants to be looked at again.
    pub(crate) looks: BTreeSet<(Timestamp, RouteName)>,
    pub(crate) groups: Groups,
    pub(crate) fleet: FleetState,
    /// How many targets alarm, as of the last tick.
    pub(crate) alarms: AlarmCount,
    pub(crate) fleet_freeze: Option<Override>,
    pub(crate) applied: BTreeMap<RouteName, BTreeMap<GatewayName, AppliedVersion>>,
    pub(crate) requests: RecentRequests,
    /// Sequence number of the newest decision.
    pub(crate) decisions: u64,
    /// Digest of the newest decision.
    pub(crate) previous: Digest,
    /// What relieved targets showed.
    pub(crate) floor: FloorRecord,
    pub(crate) counters: Counters,
    pub(crate) drift: DriftWatch,
    /// Of what alarms rest on, since the last tick began.
    pub(crate) grounded: Spent,
    /// What the model reads against what it learned from; from the first row on that it keeps.
    pub(crate) shift: Option<InputShift>,
}

impl Shared {
    /// Counts what the model has read of a row.
    pub(crate) fn count_read(&mut self, example: &Example, tick: Timestamp) {
        let model = &self.model;
        let shift = self.shift.get_or_insert_with(|| InputShift::new(model, tick));
        shift.add(model, example, tick);
    }

    /// What labels are learned with.
    pub(crate) fn learner(&mut self) -> Learner<'_> {
        Learner {
            timing: &self.fallback.timing,
            learning: &self.fallback.learning,
            model: &mut self.model,
            floor: &mut self.floor,
            shadow: self.shadow.as_mut(),
            counters: &mut self.counters,
            drift: &mut self.drift,
        }
    }
}

impl Engine {
    /// A new engine of this epoch. The configured routes begin at their baseline.
    ///
    /// A model whose features or horizons are not those of this build and configuration is refused by
    /// an [`Alert`], and a fresh one, which knows only the hazard prior, takes its place.
    pub fn new(epoch: u64, fallback: Arc<Fallback>, model: Model) -> Self {
        let mut engine = Self {
            epoch,
            shared: Shared {
                model,
                source: Source::default(),
                shadow: None,
                fallback: Arc::clone(&fallback),
                model_fault: String::new(),
                now: Timestamp::MIN,
                watermark: Timestamp::MIN,
                next_tick: None,
                due: BTreeSet::new(),
                looks: BTreeSet::new(),
                groups: Groups::default(),
                fleet: FleetState::default(),
                alarms: AlarmCount::default(),
                fleet_freeze: None,
                applied: BTreeMap::new(),
                requests: RecentRequests::default(),
                decisions: 0,
                previous: Digest::default(),
                floor: FloorRecord::default(),
                counters: Counters::default(),
                drift: DriftWatch::default(),
                grounded: Spent::default(),
                shift: None,
            },
            targets: Targets::default(),
            routes: Routes::default(),
            outputs: VecDeque::new(),
            gives_rows: false,
            features: feature_set(&fallback),
            gives_samples: false,
            gives_explanations: false,
            model_copy: None,
            told: Spent::default(),
        };
        engine.check_model();
        engine.adopt_configured(&fallback);
        engine
    }

    /// Takes one input. Whatever it makes due happens now, in order of time.
    pub fn handle(&mut self, input: &Input) {
        match input {
            Input::Signal(signal) => self.on_signal(signal),
            Input::Log(event) => self.on_log(event),
            Input::Clock(now) => self.advance_clock(*now),
            Input::Watermark(watermark) => self.advance_watermark(watermark.time),
            Input::Command(command) => self.on_command(command),
            Input::Fallback(fallback) => self.on_fallback(fallback),
            Input::Model(update) => self.on_model(update),
            Input::ModelHealth(health) => self.on_model_health(health),
            Input::Applied(applied) => self.on_applied(applied),
            Input::Challenger(update) => self.on_challenger(update.as_deref()),
        }
    }

    /// The next thing the engine has to say, oldest first.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// The epoch that versions carry.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The engine's clock; `Timestamp::MIN` before the first input that has a time.
    pub fn now(&self) -> Timestamp {
        self.shared.now
    }

    /// Event time up to which buckets are closed; `Timestamp::MIN` before the first watermark.
    pub fn watermark(&self) -> Timestamp {
        self.shared.watermark
    }

    /// What has been counted.
    pub fn counters(&self) -> Counters {
        self.shared.counters
    }

    /// The model as it has learned up to now.
    pub fn model(&self) -> &Model {
        &self.shared.model
    }

    /// The model in its shadow, where there is one.
    pub fn challenger(&self) -> Option<&Model> {
        self.shared.shadow.as_ref().map(|shadow| &shadow.model)
    }

    /// How far each feature is from what the model learned from, the farthest first: the population stability index
    /// over rows of about the last day. Empty before enough was seen, and for a model that had learned nothing.
    pub fn input_shift(&self) -> Vec<(String, f64)> {
        let shift = self.shared.shift.as_ref();
        shift.map_or_else(Vec::new, |shift| shift.of_inputs(&self.shared.model))
    }

    /// The fallback configuration in force.
    pub fn fallback(&self) -> &Arc<Fallback> {
        &self.shared.fallback
    }

    pub(crate) fn alert(&mut self, alert: Alert) {
        self.outputs.push_back(Output::Alert(alert));
    }

    fn on_model_health(&mut self, health: &ModelHealth) {
        let fault = if health.usable {
            String::new()
        } else {
            health.reason.clone()
        };
        if fault != self.shared.model_fault {
            self.shared.model_fault.clone_from(&fault);
            if !health.usable {
                self.alert(Alert::PredictionsUnusable { reason: fault });
            }
        }
    }

    fn on_applied(&mut self, applied: &Applied) {
        if !self.routes.contains_key(&applied.route) {
            return;
        }
        let gateways = self.shared.applied.entry(applied.route.clone()).or_default();
        if gateways.len() >= MAX_GATEWAYS && !gateways.contains_key(&applied.gateway) {
            let unheard = gateways.iter().min_by_key(|(_, known)| known.time);
            if let Some(gateway) = unheard.map(|(gateway, _)| gateway.clone()) {
                gateways.remove(&gateway);
            }
        }
        gateways.insert(
            applied.gateway.clone(),
            AppliedVersion {
                version: applied.version,
                time: applied.time,
                error: applied.error.clone(),
            },
        );
    }
}
