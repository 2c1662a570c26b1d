//! Random routes, and random histories of what is known of them.

use foreshift_domain::fallback::*;
use foreshift_domain::signal::Health;
use foreshift_domain::{Duration, Timestamp};
use proptest::prelude::*;

use crate::*;

pub(super) const START: Timestamp = Timestamp::from_secs(1_700_000_000);

/// So many random cases. A failure prints its smallest input, which is all that is needed to repeat it.
pub(super) fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// Something that becomes known of a target.
#[derive(Clone, Copy, Debug)]
pub(super) enum Change {
    Up,
    Unknown,
    Degraded,
    SoftDown,
    HardDown,
    Trial,
    Risk(Option<f64>),
    Stale(bool),
    Capacity(Option<f64>),
    Elsewhere(f64),
    Sync(Sync),
}

/// Something that changes for the whole route.
#[derive(Clone, Debug)]
pub(super) enum RouteChange {
    Demand(Option<f64>),
    Mode(Mode),
    Pin(Option<Vec<u32>>),
    Frozen(bool),
    Usable(bool),
    FleetFrozen(bool),
    MayBegin(bool),
    NoTick,
}

/// One look at the route, after a wait and some changes.
#[derive(Clone, Debug)]
pub(super) struct Moment {
    pub(super) wait: Duration,
    pub(super) changes: Vec<(usize, Change)>,
    pub(super) route: Option<RouteChange>,
}

/// All that a plan is given, owned.
#[derive(Clone, Debug)]
pub(super) struct Given {
    pub(super) now: Timestamp,
    pub(super) mode: Mode,
    pub(super) facts: Vec<TargetFacts>,
    pub(super) demand: Option<f64>,
    pub(super) pin: Option<Vec<u32>>,
    pub(super) frozen: bool,
    pub(super) usable: bool,
    pub(super) predicted_at: Timestamp,
    pub(super) fleet: FleetView,
}

/// One plan with what led to it.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) given: Given,
    pub(super) before: RouteState,
    pub(super) plan: Plan,
    pub(super) after: RouteState,
}

impl Given {
    pub(super) fn new(route: &RouteConfig) -> Self {
        Self {
            now: START,
            mode: Mode::Auto,
            facts: vec![up(); route.targets.len()],
            demand: None,
            pin: None,
            frozen: false,
            usable: true,
            predicted_at: START,
            fleet: FleetView::FREE,
        }
    }

    pub(super) fn plan(&self, route: &RouteConfig, state: &mut RouteState) -> Plan {
        let input = PlanInput {
            now: self.now,
            route,
            mode: self.mode,
            targets: &self.facts,
            demand: self.demand,
            pin: self.pin.as_deref(),
            frozen: self.frozen,
            proven: true,
            predictions_usable: self.usable,
            predicted_at: Some(self.predicted_at),
            fleet: self.fleet,
        };
        plan(state, &input)
    }

    pub(super) fn apply(&mut self, moment: &Moment) {
        self.now = self.now + moment.wait;
        let ticks = !matches!(moment.route, Some(RouteChange::NoTick));
        if ticks {
            self.predicted_at = self.now;
        }
        for (target, change) in &moment.changes {
            let now = self.now;
            let at = target % self.facts.len();
            if let Some(facts) = self.facts.get_mut(at) {
                change.apply(facts, now);
            }
        }
        match moment.route.clone() {
            Some(RouteChange::Demand(demand)) => self.demand = demand,
            Some(RouteChange::Mode(mode)) => self.mode = mode,
            Some(RouteChange::Pin(pin)) => self.pin = pin,
            Some(RouteChange::Frozen(frozen)) => self.frozen = frozen,
            Some(RouteChange::Usable(usable)) => self.usable = usable,
            Some(RouteChange::FleetFrozen(frozen)) => self.fleet.predictive_frozen = frozen,
            Some(RouteChange::MayBegin(may)) => self.fleet.may_begin_shift = may,
            Some(RouteChange::NoTick) | None => {}
        }
    }

    /// Looks again whenever the plan says so, for so long; calls `check` after each look.
    pub(super) fn drive(
        &mut self,
        route: &RouteConfig,
        state: &mut RouteState,
        span: Duration,
        mut check: impl FnMut(&Plan),
    ) -> Plan {
        let end = self.now + span;
        let mut looks = 0;
        let mut latest = self.plan(route, state);
        check(&latest);
        while let Some(next) = latest.next_look.filter(|next| *next <= end) {
            assert!(next > self.now, "the next look is later than this one");
            looks += 1;
            assert!(looks < 50_000, "the plan asks to be looked at without end");
            self.now = next;
            latest = self.plan(route, state);
            check(&latest);
        }
        self.now = end;
        latest
    }
}

impl Change {
    fn apply(self, facts: &mut TargetFacts, now: Timestamp) {
        let view = |health, hard, trial| HealthView {
            health,
            hard,
            trial,
            since: now,
            next_look: None,
        };
        match self {
            Self::Up => facts.health = view(Some(Health::Up), false, false),
            Self::Unknown => facts.health = view(None, false, false),
            Self::Degraded => facts.health = view(Some(Health::Degraded), false, false),
            Self::SoftDown => facts.health = view(Some(Health::Down), false, false),
            Self::HardDown => facts.health = view(Some(Health::Down), true, false),
            Self::Trial => facts.health = view(Some(Health::Down), true, true),
            Self::Risk(risk) => facts.risk = risk,
            Self::Stale(stale) => facts.stale = stale,
            Self::Capacity(capacity) => facts.capacity = capacity,
            Self::Elsewhere(load) => facts.load_elsewhere = load,
            Self::Sync(sync) => facts.sync = sync,
        }
    }
}

pub(super) fn up() -> TargetFacts {
    TargetFacts {
        health: HealthView {
            health: Some(Health::Up),
            ..HealthView::default()
        },
        ..TargetFacts::default()
    }
}

pub(super) fn hard_down() -> TargetFacts {
    TargetFacts {
        health: HealthView {
            health: Some(Health::Down),
            hard: true,
            ..HealthView::default()
        },
        ..TargetFacts::default()
    }
}

pub(super) fn limits() -> Limits {
    Limits {
        floor_bp: 500,
        max_predictive_shift_bp: 5_000,
        max_step_bp_per_s: 500,
        max_hard_down_step_bp_per_s: 5_000,
        min_dwell: Duration::from_secs(60),
        max_flips_per_hour: 6,
        headroom: 0.8,
        valid_for: Duration::from_secs(300),
        decay: Duration::from_secs(300),
        held_out_bp: 0,
        auto_after: None,
    }
}

pub(super) fn triggers() -> Triggers {
    Triggers {
        risk: Some(RiskTrigger {
            horizon: Duration::from_secs(120),
            enter: 0.3,
            exit: 0.2,
            full: 0.8,
            budget_per_day: None,
        }),
        consecutive_errors: 5,
        error_ratio: 0.5,
        latency_p99: Some(Duration::from_millis(500)),
        window: Duration::from_secs(60),
        min_requests: 10,
        recover_after: Duration::from_secs(30),
    }
}

/// A route of so many primaries with equal baselines, and so many idle secondaries.
pub(super) fn route(primaries: usize, secondaries: usize) -> RouteConfig {
    let shares = normalize(&vec![1; primaries]);
    let target = |at: usize| RouteTarget {
        target: format!("t{at}").as_str().into(),
        role: if at < primaries {
            Role::Primary
        } else {
            Role::Secondary
        },
        baseline_bp: shares.get(at).copied().unwrap_or(0),
    };
    RouteConfig {
        name: "checkout".into(),
        targets: (0..primaries + secondaries).map(target).collect(),
        settings: RouteSettings {
            criticality: Criticality::Normal,
            mode: Mode::Auto,
            slo: Slo {
                error_ratio: 0.05,
                latency_p99: None,
                window: Duration::from_secs(60),
                min_requests: 10,
            },
            triggers: triggers(),
            limits: limits(),
        },
    }
}

/// What a history may hold, besides risks and time.
#[derive(Clone, Copy)]
pub(super) struct Allow {
    pub(super) health: bool,
    pub(super) stale: bool,
    pub(super) rooms: bool,
    pub(super) model_failure: bool,
    pub(super) fleet: bool,
    pub(super) people: bool,
}

impl Allow {
    pub(super) const ALL: Self = Self {
        health: true,
        stale: true,
        rooms: true,
        model_failure: true,
        fleet: true,
        people: true,
    };
    pub(super) const RISKS: Self = Self {
        health: false,
        stale: false,
        rooms: false,
        model_failure: false,
        fleet: false,
        people: false,
    };
    /// Everything but people, whose word breaks other rules by right.
    pub(super) const NOBODY: Self = Self {
        people: false,
        ..Self::ALL
    };
}

/// A route of 2, 3 or 34 targets, some secondary, with any limits that validation could let through.
pub(super) fn any_route() -> impl Strategy<Value = RouteConfig> {
    let shape = prop_oneof![
        Just((2_usize, 0_usize)),
        Just((1, 1)),
        Just((3, 0)),
        Just((2, 1)),
        Just((34, 0)),
        Just((30, 4))
    ];
    let steps = (1_u32..10_000, 1_u32..10_000, 1_u32..5_000, 100_u32..10_000);
    let times = (0_i64..600, 10_i64..900, 1_i64..900, 1_u32..12);
    let rest = (0.3_f64..1.0, any::<bool>(), any::<bool>());
    (shape, steps, times, rest).prop_map(
        |((primaries, secondaries), steps, times, (headroom, skewed, small))| {
            let mut route = route(primaries, secondaries);
            let (step, fast, floor_bp, max_predictive_shift_bp) = steps;
            let (dwell, valid_for, decay, max_flips_per_hour) = times;
            route.settings.limits = Limits {
                floor_bp,
                max_predictive_shift_bp,
                max_step_bp_per_s: step.min(fast),
                max_hard_down_step_bp_per_s: step.max(fast),
                min_dwell: Duration::from_secs(dwell),
                max_flips_per_hour,
                headroom,
                valid_for: Duration::from_secs(valid_for),
                decay: Duration::from_secs(decay),
                held_out_bp: if small { 2_500 } else { 0 },
                auto_after: None,
            };
            if skewed {
                skew(&mut route);
            }
            if let (true, Some(risk)) = (small, &mut route.settings.triggers.risk) {
                (risk.enter, risk.exit, risk.full) = (0.02, 0.01, 0.2);
            }
            route
        },
    )
}

/// Unequal baselines, part of them with the last target too.
fn skew(route: &mut RouteConfig) {
    let wants: Vec<u64> = (0..route.targets.len() as u64).map(|at| 1 + at * at).collect();
    for (target, share) in route.targets.iter_mut().zip(share_out(10_000, &wants)) {
        target.baseline_bp = share;
    }
}

pub(super) fn history(allow: Allow) -> impl Strategy<Value = Vec<Moment>> {
    prop::collection::vec(moment(allow), 1..40)
}

fn moment(allow: Allow) -> impl Strategy<Value = Moment> {
    let wait = prop_oneof![
        3 => (0_i64..2_000_000).prop_map(Duration::from_micros),
        3 => (1_i64..60).prop_map(Duration::from_secs),
        1 => (60_i64..900).prop_map(Duration::from_secs),
        1 => (900_i64..9_000).prop_map(Duration::from_secs),
    ];
    let changes = prop::collection::vec((0_usize..34, change(allow)), 0..6);
    (wait, changes, prop::option::weighted(0.4, route_change(allow)))
        .prop_map(|(wait, changes, route)| Moment { wait, changes, route })
}

fn change(allow: Allow) -> impl Strategy<Value = Change> {
    let when = |allowed: bool| u32::from(allowed) * 3;
    prop_oneof![
        6 => prop::option::weighted(0.9, prop_oneof![0.0_f64..1.0, 0.0_f64..0.3]).prop_map(Change::Risk),
        when(allow.health) => prop_oneof![
            3 => Just(Change::Up),
            1 => Just(Change::Unknown),
            1 => Just(Change::Degraded),
            1 => Just(Change::SoftDown),
            2 => Just(Change::HardDown),
            1 => Just(Change::Trial),
        ],
        when(allow.stale) => any::<bool>().prop_map(Change::Stale),
        when(allow.rooms) => prop_oneof![
            prop::option::of(0.0_f64..300.0).prop_map(Change::Capacity),
            (0.0_f64..50.0).prop_map(Change::Elsewhere),
            prop_oneof![Just(Sync::Ok), Just(Sync::Over), Just(Sync::Unknown), Just(Sync::NotRequired)].prop_map(Change::Sync),
        ],
        u32::from(allow.model_failure) => prop_oneof![Just(f64::NAN), Just(1.5), Just(-0.1), Just(f64::INFINITY)]
            .prop_map(|risk| Change::Risk(Some(risk))),
    ]
}

fn route_change(allow: Allow) -> impl Strategy<Value = RouteChange> {
    let when = |allowed: bool| u32::from(allowed) * 2;
    let mode = prop_oneof![
        Just(Mode::Off),
        Just(Mode::Shadow),
        Just(Mode::Recommend),
        Just(Mode::Auto)
    ];
    let pin = prop::option::of(prop::collection::vec(0_u32..10_000, 0..40));
    prop_oneof![
        1 => Just(RouteChange::NoTick),
        when(allow.rooms) => prop::option::of(0.0_f64..300.0).prop_map(RouteChange::Demand),
        when(allow.people) => prop_oneof![
            mode.prop_map(RouteChange::Mode),
            pin.prop_map(RouteChange::Pin),
            any::<bool>().prop_map(RouteChange::Frozen),
        ],
        when(allow.model_failure) => any::<bool>().prop_map(RouteChange::Usable),
        when(allow.fleet) => prop_oneof![
            any::<bool>().prop_map(RouteChange::FleetFrozen),
            any::<bool>().prop_map(RouteChange::MayBegin),
        ],
    ]
}

/// Runs a history from rest.
pub(super) fn run(route: &RouteConfig, history: &[Moment]) -> Vec<Seen> {
    let mut state = RouteState::new(route, START);
    let mut given = Given::new(route);
    let look = |moment: &Moment| {
        given.apply(moment);
        let before = state.clone();
        let plan = given.plan(route, &mut state);
        Seen {
            given: given.clone(),
            before,
            plan,
            after: state.clone(),
        }
    };
    history.iter().map(look).collect()
}

impl Seen {
    /// Whether the plan before had lapsed, so that gateways were at their baseline.
    pub(super) fn lapsed(&self) -> bool {
        self.given.now > self.before.valid_until()
    }

    /// What the planned weights moved from: those of the plan before, or the baseline that was published.
    pub(super) fn from(&self, route: &RouteConfig) -> Vec<u32> {
        let switched = self.given.mode == Mode::Auto && self.before.mode != Mode::Auto;
        if switched {
            RouteState::new(route, START).planned()
        } else {
            self.before.planned()
        }
    }

    pub(super) fn impaired(&self, at: usize) -> bool {
        matches!(
            self.given.facts[at].health.health,
            Some(Health::Down | Health::Degraded)
        )
    }

    pub(super) fn hard(&self, at: usize) -> bool {
        self.given.facts[at].health.is_down() && self.given.facts[at].health.hard
    }
}

/// How far the targets that `of` picks are below their baseline, together.
pub(super) fn below_baseline(route: &RouteConfig, weights: &[u32], of: impl Fn(usize) -> bool) -> u32 {
    let pairs = route.targets.iter().zip(weights).enumerate();
    pairs
        .filter(|(at, _)| of(*at))
        .map(|(_, (target, weight))| target.baseline_bp.saturating_sub(*weight))
        .sum()
}
