//! A prediction tick: labels mature, features are computed, the model predicts, every route is planned.

use foreshift_domain::decision::Cause;
use foreshift_domain::fallback::Fallback;
use foreshift_domain::signal::Health;
use foreshift_domain::{RouteName, TargetName, Timestamp};
use foreshift_features::{
    CROSSES, FEATURES, FIRST_EDITION, FOR_TREES, FeatureSet, FeatureSpec, MAX_DECLARED, Surroundings,
};
use foreshift_policy::FleetTarget;
use foreshift_predict::{ALL_HEADS, InputSpec, Model, ModelError};

use crate::engine::Engine;
use crate::explain::Spent;
use crate::groups::GroupIndex;
use crate::output::{Alert, MAX_HORIZONS, Output, PredictionTick, TargetPrediction};
use crate::pending::{Learned, Pending, Row, thinning_hash};
use crate::routes::Route;
use crate::target::{LastPrediction, Target};

/// A feature vector: the catalogue, then what the configuration declares.
pub(crate) struct FeatureRow {
    values: [f64; FEATURES.len() + MAX_DECLARED],
    count: usize,
}

impl std::ops::Deref for FeatureRow {
    type Target = [f64];

    fn deref(&self) -> &[f64] {
        self.values.get(..self.count).unwrap_or_default()
    }
}

/// The features of a configuration. One that declares what this build cannot work out never passed its check; of a
/// journal of another build, the catalogue remains.
pub fn feature_set(fallback: &Fallback) -> FeatureSet {
    FeatureSet::of(&fallback.features).unwrap_or_default()
}

/// A fresh model for this configuration: it knows the hazard prior and nothing else, and learns from there.
pub fn fresh_model(fallback: &Fallback) -> Model {
    let horizons = &fallback.timing.horizons;
    let set = feature_set(fallback);
    let schema = set.digest(0..set.count());
    let inputs = inputs(&set, horizons.len());
    let place = |name: &str| inputs.iter().position(|input| input.name == name);
    let crosses = CROSSES
        .iter()
        .filter_map(|(a, b)| Some((place(a)? as u16, place(b)? as u16)));
    let crosses: Vec<_> = crosses.collect();
    let uncrossed = Model::fresh("fresh@1", schema, inputs, horizons);
    // Refused where horizons and declared features are so many that weights are past their bound.
    let crossed = uncrossed.clone().with_crosses(&crosses).unwrap_or(uncrossed);
    // A slope needs fewer incidents than knots do: what knots leave to trees has one too.
    let reads = |input: &InputSpec| if input.heads == 0 { ALL_HEADS } else { input.heads };
    crossed.with_plain(reads)
}

/// Whether the model reads features of this build, and looks ahead as far as the configuration says. It may be older
/// than the newest features.
///
/// # Errors
/// When it reads others or looks elsewhere; the message names both.
pub fn check_model(model: &Model, fallback: &Fallback) -> Result<(), ModelError> {
    let horizons = &fallback.timing.horizons;
    let set = feature_set(fallback);
    let schema = set.digest(0..model.inputs().len());
    model.check_against(&inputs(&set, horizons.len()), schema, horizons)
}

fn inputs(set: &FeatureSet, heads: usize) -> Vec<InputSpec> {
    let readers = |spec: &FeatureSpec| {
        (0..heads)
            .filter(|head| spec.is_for(*head, heads))
            .fold(0, |bits, head| bits | 1 << head)
    };
    let inputs = set.all().enumerate().map(|(at, feature)| InputSpec {
        name: feature.name.to_owned(),
        edges: feature.edges.to_vec(),
        heads: match FEATURES.get(at) {
            Some(_) if at >= FOR_TREES => 0,
            Some(spec) => readers(spec),
            None => ALL_HEADS,
        },
        missing_tells: at < FIRST_EDITION,
        rarity: FEATURES.get(at).is_some_and(FeatureSpec::is_rarity),
    });
    inputs.collect()
}

impl Engine {
    pub(crate) fn run_tick(&mut self, tick: Timestamp) {
        self.shared.counters.ticks += 1;
        (self.shared.grounded, self.told) = (Spent::default(), Spent::default());
        if let Some(shadow) = &mut self.shared.shadow {
            shadow.gate.advance(tick);
        }
        self.mature_labels(tick);
        self.say_drift();
        self.shared.groups.prepare(&self.shared.fallback.timing, tick);
        let forget_after = self.shared.fallback.timing.forget_after;
        let mut predictions = Vec::with_capacity(self.targets.len());
        self.copy_model();
        for index in 0..self.targets.len() {
            let Some((name, target)) = self.targets.get_index(index) else {
                continue;
            };
            let seen = target.features.last_seen();
            if seen == Timestamp::MIN || tick.since(seen) > forget_after {
                self.forget(index);
                continue;
            }
            let route = target
                .routes
                .first()
                .cloned()
                .unwrap_or_else(|| RouteName::from(""));
            let name = name.clone();
            let probabilities = self.predict_target(index, tick);
            predictions.push(TargetPrediction {
                target: name,
                route,
                probabilities,
            });
        }
        let began = self.follow_alarms(tick);
        if self.gives_samples {
            self.record_alarms(began);
        }
        self.outputs.push_back(Output::Predictions(PredictionTick {
            time: tick,
            targets: predictions,
        }));
        self.count_alarms();
        let routes: Vec<RouteName> = self.routes.keys().cloned().collect();
        for route in &routes {
            self.plan_route(route, Cause::Tick, None);
        }
    }

    /// A target that has been silent for too long is no peer of the others any more. What it was stays known.
    fn forget(&mut self, index: usize) {
        let Some((_, target)) = self.targets.get_index_mut(index) else {
            return;
        };
        if std::mem::replace(&mut target.heard, false) {
            let in_incident = target.incidents.since().is_some();
            self.shared
                .groups
                .left(target.route_group, target.domain_group, in_incident);
            target.prediction = None;
            target.basis = None;
            target.grounds.clear();
        }
    }

    /// Rows whose horizon has passed without an incident are learned as negative.
    fn mature_labels(&mut self, tick: Timestamp) {
        if !self.shared.fallback.learning.online {
            return;
        }
        for target in self.targets.values_mut() {
            let seen = target.seen();
            let mut learner = self.shared.learner();
            let learned = Learned {
                group: target.evidence_group(),
                champion: &mut target.learned,
                challenger: &mut target.shadow.learned,
            };
            target.pending.settle(tick, None, seen, learned, &mut learner);
        }
    }

    fn say_drift(&mut self) {
        let found = self.shared.drift.take();
        if found.is_empty() {
            return;
        }
        let shifted = self.shifted();
        for drift in found {
            let Some(route) = self.shared.groups.route_of(drift.group).cloned() else {
                continue;
            };
            self.shared.counters.drifts += 1;
            let millinats = |nats: f64| (1e3 * nats).round() as i64;
            self.alert(Alert::Drift {
                route,
                horizon: drift.horizon,
                before_millinats: millinats(drift.before),
                now_millinats: millinats(drift.now),
                shifted: shifted.clone(),
            });
        }
    }

    /// The features that have shifted most, in words; empty where none has.
    fn shifted(&self) -> String {
        /// From here on a feature is unlike what was learned from, by the usual reading of PSI.
        const SHIFTED: f64 = 0.25;
        const NAMED: usize = 3;
        let all = self.input_shift();
        let most = all.iter().take(NAMED).filter(|(_, psi)| *psi >= SHIFTED);
        let named: Vec<String> = most.map(|(name, psi)| format!("{name} (PSI {psi:.2})")).collect();
        if named.is_empty() {
            return String::new();
        }
        format!("; unlike what it learned from: {}", named.join(", "))
    }

    /// Predicts one target; keeps a row for learning where it is due.
    fn predict_target(&mut self, index: usize, tick: Timestamp) -> Option<[f64; MAX_HORIZONS]> {
        let (_, target) = self.targets.get_index_mut(index)?;
        let at_risk = !target.incidents.masks(tick, self.shared.fallback.timing.cooldown);
        self.shared.model.observe(&mut target.learned, tick, at_risk);
        let (name, target) = self.targets.get_index(index)?;
        let row = self.feature_row(target, tick);
        let given = self.gives_rows.then(|| self.row_of(target, tick, at_risk, &row));
        let basis = self.basis(target, tick, &row);
        let sampled = (self.gives_samples && self.samples(target, tick)).then(|| name.clone());
        let probabilities = self.probabilities(target, tick, &row);
        let timing = &self.shared.fallback.timing;
        let learning = &self.shared.fallback.learning;
        let mut kept = None;
        if learning.online && at_risk {
            let open = Pending::keeps(timing, learning, thinning_hash(target.seed, tick));
            if open != 0 {
                kept = Some((open, self.shared.model.encode(&target.learned, tick, &row)));
            }
        }
        if let Some((_, example)) = &kept {
            self.shared.count_read(example, tick);
        }
        let rival = self.rival(index, tick, &row, probabilities, at_risk, kept.is_some());
        if let Some(name) = sampled {
            self.record_sample(&name, &basis);
        }
        if let Some(given) = given {
            self.outputs.push_back(Output::Row(Box::new(given)));
        }
        self.shared.counters.predictions += 1;
        if probabilities.is_none() {
            self.shared.counters.failed_predictions += 1;
        }
        let (_, target) = self.targets.get_index_mut(index)?;
        let in_incident = target.incidents.since().is_some();
        let horizons = &self.shared.fallback.timing.horizons;
        let last = LastPrediction::after(target.prediction, tick, probabilities, horizons);
        target.prediction = Some(LastPrediction { in_incident, ..last });
        target.basis = Some(basis);
        if let Some((open, example)) = kept {
            let share = target.weight_share.unwrap_or(1.0);
            let evidence = target.evidence();
            target.pending.push(Row {
                tick,
                example,
                rival,
                open,
                least_share: share,
                evidence,
                propensity: 1.0,
                predicted: probabilities.map_or([f32::NAN; MAX_HORIZONS], |all| all.map(|one| one as f32)),
            });
        }
        probabilities
    }

    fn probabilities(
        &self,
        target: &Target,
        tick: Timestamp,
        row: &FeatureRow,
    ) -> Option<[f64; MAX_HORIZONS]> {
        let mut out = [0.0; MAX_HORIZONS];
        let heads = self.shared.fallback.timing.horizons.len().min(MAX_HORIZONS);
        let usable = self
            .shared
            .model
            .predict(&target.learned, tick, row, out.get_mut(..heads)?)
            .is_ok();
        usable.then_some(out)
    }

    /// A target's risk changed for a reason that cannot wait for the next tick: its incident ended.
    pub(crate) fn refresh_risk(&mut self, name: &TargetName, at: Timestamp) {
        self.copy_model();
        let Some(target) = self.targets.get(name) else {
            return;
        };
        if target.prediction.is_none() {
            return;
        }
        let row = self.feature_row(target, at);
        let probabilities = self.probabilities(target, at, &row);
        let basis = self.basis(target, at, &row);
        if let Some(target) = self.targets.get_mut(name) {
            let in_incident = target.incidents.since().is_some();
            // What was predicted has come: nothing of it stands any more.
            let horizons = &self.shared.fallback.timing.horizons;
            let last = LastPrediction::after(None, at, probabilities, horizons);
            target.prediction = Some(LastPrediction { in_incident, ..last });
            target.basis = Some(basis);
            target.grounds.clear();
        }
        self.ground_refreshed(name);
    }

    pub(crate) fn feature_row(&self, target: &Target, tick: Timestamp) -> FeatureRow {
        let mut row = FeatureRow {
            values: [f64::NAN; FEATURES.len() + MAX_DECLARED],
            count: self.features.count(),
        };
        let groups = &self.shared.groups;
        let peers = |group: GroupIndex| {
            groups
                .get(group)
                .map(|group| group.view(tick, &target.config.name, &target.features))
        };
        let around = Surroundings {
            weight_share: target.weight_share,
            since_shift: target.shifted_at.map(|at| tick.since(at)),
            route_peers: peers(target.route_group),
            domain_peers: target.domain_group.and_then(peers),
            fleet_peers: groups
                .get(target.route_group)
                .map(|route| groups.fleet.view_without(tick, route)),
        };
        self.features.fill(
            &target.features,
            &self.shared.fallback.timing,
            tick,
            &around,
            row.values.get_mut(..row.count).unwrap_or_default(),
        );
        row
    }

    /// Counts how many targets alarm together (rule 11), before any route is planned on the new predictions.
    fn count_alarms(&mut self) {
        let mut fleet: Vec<FleetTarget> = Vec::with_capacity(self.targets.len());
        for target in self.targets.values() {
            fleet.push(FleetTarget {
                alarm: false,
                well: true,
                domain: target.domain_group,
            });
        }
        let mut members: Vec<Vec<usize>> = Vec::with_capacity(self.routes.len());
        for route in self.routes.values() {
            members.push(self.alarms_of(route, &mut fleet));
        }
        self.shared.alarms = foreshift_policy::count_alarms(&fleet, members.iter().map(Vec::as_slice));
    }

    /// Marks the targets of a route that alarm or are not well; returns their places.
    fn alarms_of(&self, route: &Route, fleet: &mut [FleetTarget]) -> Vec<usize> {
        let Some((trigger, head)) = self.trigger(route) else {
            return Vec::new();
        };
        let before = route.state.alarms();
        let mut places = Vec::with_capacity(route.config.targets.len());
        for (at, configured) in route.config.targets.iter().enumerate() {
            let Some(place) = self.targets.get_index_of(&configured.target) else {
                continue;
            };
            let Some((_, target)) = self.targets.get_index(place) else {
                continue;
            };
            let Some(seen) = fleet.get_mut(place) else {
                continue;
            };
            let last = target.prediction;
            let last = last.and_then(|last| last.risk(head, self.shared.now, trigger.horizon));
            let risk = route.counted(last.unwrap_or(0.0));
            let alarming = before.get(at).copied().unwrap_or_default();
            seen.alarm |= risk >= trigger.enter || (alarming && risk >= trigger.exit);
            seen.well &= route
                .views
                .get(at)
                .is_none_or(|view| matches!(view.health, None | Some(Health::Up)));
            places.push(place);
        }
        places
    }
}
