//! One look at one route: facts in, weights out.

use foreshift_domain::decision::{Clause, Reason};
use foreshift_domain::fallback::{Mode, RouteConfig};
use foreshift_domain::signal::Health;
use foreshift_domain::{Duration, TargetName, Timestamp};
use serde::{Deserialize, Serialize};

use crate::envelope::{self, Bounded, Hold};
use crate::fleet::FleetView;
use crate::proposal::{self, Proposal};
use crate::reactive::HealthView;
use crate::rounding::normalize;
use crate::state::{RouteState, TargetState, WHOLE_BP, baseline};

/// What is known of a target of the route at this moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TargetFacts {
    /// Its health on this route.
    pub health: HealthView,
    /// Probability at the route's risk horizon, as of `predicted_at`; `None` before the first tick.
    pub risk: Option<f64>,
    /// Age of its newest telemetry; `None` when there never was any.
    pub telemetry_age: Option<Duration>,
    /// Whether that telemetry is stale. A secondary that is idle by design is not stale for want of traffic
    /// as far as receiving a shift goes.
    pub stale: bool,
    /// What it can serve, in the unit of `demand`; `None` when neither declared nor learnt.
    pub capacity: Option<f64>,
    /// What it carries for other routes, in the same unit.
    pub load_elsewhere: f64,
    /// Whether it may receive shifted traffic.
    pub sync: Sync,
    /// Index of its failure domain.
    pub domain: Option<u32>,
}

/// Whether a target is in sync.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sync {
    /// It declares no requirement.
    #[default]
    NotRequired,
    /// Its lag is known and within the limit.
    Ok,
    /// Its lag is over the limit.
    Over,
    /// Its lag is unknown, or was seen too long ago.
    Unknown,
}

/// Everything one plan looks at besides the route's state.
#[derive(Clone, Copy, Debug)]
pub struct PlanInput<'a> {
    /// The time of the plan; never before that of the plan before it.
    pub now: Timestamp,
    /// The route as configured.
    pub route: &'a RouteConfig,
    /// The mode in force, which a person may have set apart from the configuration.
    pub mode: Mode,
    /// Facts on its targets, in the order of the configuration. Those left out are unknown.
    pub targets: &'a [TargetFacts],
    /// The route's load in the unit of the capacities; `None` when its signals carry no counts.
    pub demand: Option<f64>,
    /// Weights that a person fixed, in basis points, in the order of the configuration.
    pub pin: Option<&'a [u32]>,
    /// Whether a person froze the route.
    pub frozen: bool,
    /// Whether the model's predictions may be used at all (rule 10).
    pub predictions_usable: bool,
    /// Whether predictions have earned it to move this route's traffic (rule 3).
    pub proven: bool,
    /// The prediction tick that the risks are of; `None` takes them as of `now`. Plans between two ticks pass the
    /// same tick again, so that a prediction which is not renewed expires.
    pub predicted_at: Option<Timestamp>,
    /// What holds over all routes.
    pub fleet: FleetView,
}

/// Something a person should know that bound nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Note {
    /// The route's signals carry no counts, so its shift is not held to capacities (rule 2 is off).
    CapacityOff,
    /// The target at this index was last seen down and has been silent since: it stays where it is.
    StaleDown {
        /// Index of the target.
        target: usize,
    },
    /// Too many changes of direction: no target changes direction until then, but for hard-downs that drain.
    FlipsFrozen {
        /// When one more change of direction is allowed.
        until: Timestamp,
    },
    /// A risk was no probability, so no prediction of this plan was used.
    RiskUnusable,
}

/// The outcome of one look. Vectors are in the order of the configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// What to publish, in basis points: the plan in mode auto or under a pin, else the baseline.
    pub weights: Vec<u32>,
    /// What mode auto would publish, in basis points.
    pub planned: Vec<u32>,
    /// Where the plan is heading once the rate bound allows, in basis points.
    pub goal: Vec<u32>,
    /// What prediction and reactive rules ask for before the envelope, in basis points.
    pub proposed: Vec<u32>,
    /// Share of its own baseline that each target keeps after the envelope, in basis points of the baseline.
    pub keeps: Vec<u32>,
    /// Why.
    pub reason: Reason,
    /// The rules that bound, ascending.
    pub clauses: Vec<Clause>,
    /// What else to know.
    pub notes: Vec<Note>,
    /// Which targets alarm on predictions.
    pub alarms: Vec<bool>,
    /// Which of those alarms are held out from action.
    pub held_out: Vec<bool>,
    /// Probability with which each alarm is treated as it is, 1 where nothing was drawn.
    pub propensities: Vec<f64>,
    /// Whether this plan begins a shift on predictions, in mode auto: to be recorded in [`FleetState`].
    ///
    /// [`FleetState`]: crate::FleetState
    pub begins_predictive_shift: bool,
    /// When to look again at the latest, even if nothing is seen: a step, the end of a dwell, a decay, the
    /// renewal of the plan. `None` for a route without targets.
    pub next_look: Option<Timestamp>,
    /// When the plan lapses. Renewed when the weights change, and when half of the time has passed.
    pub valid_until: Timestamp,
}

/// The plan's working view: input made total, so that nothing below can be out of range.
pub(crate) struct Scene<'a> {
    pub(crate) input: &'a PlanInput<'a>,
    pub(crate) baseline: Vec<u32>,
    pub(crate) facts: Vec<TargetFacts>,
    /// Share of a target's baseline that it keeps on predictions, in basis points of it; at least one.
    pub(crate) floor: u32,
    /// Whether predictions may be used: the model works and every risk is a probability.
    pub(crate) usable: bool,
}

impl<'a> Scene<'a> {
    fn new(input: &'a PlanInput<'a>) -> Self {
        let baseline = baseline(input.route);
        let mut facts = input.targets.to_vec();
        facts.resize(baseline.len(), TargetFacts::default());
        let sound = |risk: f64| (0.0..=1.0).contains(&risk);
        Self {
            floor: input.route.settings.limits.floor_bp.clamp(1, WHOLE_BP),
            usable: input.predictions_usable && facts.iter().filter_map(|facts| facts.risk).all(sound),
            input,
            baseline,
            facts,
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.input.now
    }

    pub(crate) fn name(&self, target: usize) -> Option<&TargetName> {
        self.input.route.targets.get(target).map(|target| &target.target)
    }
}

/// Plans a route: proposal, envelope, mode. Total: whatever the input, the weights sum to 10,000.
pub fn plan(state: &mut RouteState, input: &PlanInput<'_>) -> Plan {
    let scene = Scene::new(input);
    if state.targets.len() != scene.baseline.len() {
        // The caller skipped `reshape`: nothing that is remembered can be told to belong to a target.
        *state = RouteState::new(input.route, input.now);
    }
    let before = state.planned();
    let lapsed = envelope::start_over(state, &scene);
    let proposal = proposal::propose(state, &scene);
    let bounded = envelope::bound(state, &scene, &proposal, &before, lapsed);
    let published = match (input.pin.is_some(), input.mode) {
        (true, _) | (_, Mode::Auto) => bounded.planned.clone(),
        _ => scene.baseline.clone(),
    };
    let renew_after = Duration::from_micros(input.route.settings.limits.valid_for.as_micros() / 2);
    let due = state.valid_until - renew_after;
    if bounded.changed || input.now >= due {
        state.valid_until = input.now + input.route.settings.limits.valid_for;
    }
    let renewal = (state.valid_until - renew_after).max(input.now + Duration::from_micros(1));
    let looks = scene.facts.iter().filter_map(|facts| facts.health.next_look);
    let next_look = bounded
        .looks
        .iter()
        .copied()
        .chain(looks)
        .filter(|at| *at > input.now)
        .chain([renewal])
        .min();
    Plan {
        weights: published,
        reason: reason(&scene, &proposal, &bounded),
        goal: bounded.goal,
        proposed: proposal.weights,
        keeps: bounded.keeps,
        clauses: bounded.clauses,
        notes: bounded.notes,
        alarms: state.alarms(),
        held_out: state.targets.iter().map(TargetState::held_out).collect(),
        propensities: state.targets.iter().map(TargetState::propensity).collect(),
        begins_predictive_shift: bounded.begins_shift,
        next_look: next_look.filter(|_| !scene.baseline.is_empty()),
        valid_until: state.valid_until,
        planned: bounded.planned,
    }
}

/// One word for why the plan is what it is: the strongest cause that touches a target which carries traffic.
fn reason(scene: &Scene<'_>, proposal: &Proposal, bounded: &Bounded) -> Reason {
    match bounded.hold {
        Some(Hold::Pin) => return Reason::Pinned,
        Some(Hold::Person | Hold::Flips) => return Reason::Frozen,
        None => {}
    }
    if bounded.no_target {
        return Reason::NoTarget;
    }
    let carries = |at: usize| {
        let weight = |weights: &[u32]| weights.get(at).is_some_and(|weight| *weight > 0);
        weight(&scene.baseline) || weight(&bounded.planned)
    };
    let any = |test: &dyn Fn(&TargetFacts) -> bool| {
        scene
            .facts
            .iter()
            .enumerate()
            .any(|(at, facts)| carries(at) && test(facts))
    };
    let held_short = |stale: bool| {
        let kept = bounded.keeps.iter().zip(&scene.facts).enumerate();
        kept.filter(|(at, _)| carries(*at))
            .any(|(_, (keep, facts))| facts.stale == stale && *keep < WHOLE_BP)
    };
    let alarms_bind = proposal.predictive.iter().any(|keep| *keep < WHOLE_BP);
    if any(&|facts| !facts.stale && facts.health.is_down()) {
        Reason::HardDown
    } else if any(&|facts| !facts.stale && facts.health.health == Some(Health::Degraded)) {
        Reason::Degraded
    } else if alarms_bind && held_short(false) {
        Reason::PredictedRisk
    } else if proposal.withheld.iter().any(|keep| *keep < WHOLE_BP) {
        Reason::HeldOut
    } else if bounded.decaying {
        Reason::StaleDecay
    } else if held_short(true) {
        Reason::StaleHold
    } else if bounded.planned != scene.baseline || held_short(false) {
        Reason::Restore
    } else {
        Reason::Baseline
    }
}

/// The weights of a pin, made total: missing targets get zero, and the sum is mended in proportion.
pub(crate) fn pinned(pin: &[u32], targets: usize) -> Vec<u32> {
    let mut weights = pin.to_vec();
    weights.resize(targets, 0);
    normalize(&weights)
}
