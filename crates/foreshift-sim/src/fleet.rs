//! Many targets over hours, with incidents of all kinds: what models are trained and judged on.

use foreshift_domain::Duration;
use foreshift_domain::fallback::{Criticality, Role};

use crate::faults::{DecoyKind, FaultKind};
use crate::plan::{FaultAt, Plan};
use crate::recording::{Recording, RouteSpec, TargetSpec, WORKER_MARGIN};
use crate::rng::{Draws, Purpose, Stream};

/// Nothing happens in the first minutes: detectors and models learn what is usual.
const QUIET_S: f64 = 900.0;
/// Mean time between the end of a fault and the next precursor of the same target.
const BETWEEN_FAULTS_S: f64 = 4_200.0;
/// Least time between two faults of one target, and between two faults of one route.
const APART_S: f64 = 900.0;
/// Mean time between two decoys of a target, and between two spikes of a route.
const BETWEEN_DECOYS_S: f64 = 1_500.0;
const BETWEEN_SPIKES_S: f64 = 3_000.0;
/// Decoys keep this distance from faults of the route, so that truth stays clear.
const CLEAR_S: f64 = 240.0;
/// Share of faults that have a precursor.
const PRECURSOR_SHARE: f64 = 0.7;
/// Parts of the time of a fleet that drifts, each with kinds of faults of its own.
const PHASES: usize = 3;

/// A fleet to simulate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FleetSpec {
    /// Its seed.
    pub seed: u64,
    /// How long, in hours.
    pub hours: u32,
    /// How many targets, at least 2; they are spread over routes of two to four.
    pub targets: usize,
}

/// Intervals on one route in seconds, so that faults and decoys do not run into each other.
#[derive(Default)]
struct Taken(Vec<(f64, f64)>);

impl Taken {
    fn free(&self, from: f64, to: f64) -> bool {
        self.0.iter().all(|(start, end)| to < *start || from > *end)
    }
}

impl FleetSpec {
    /// The recording: about one fault per target in one to two hours, two to three decoys an hour. Its
    /// signals are made while they are read, about 100,000 for each target and hour.
    pub fn recording(&self) -> Recording {
        self.recorded(false)
    }

    /// The same fleet, but other kinds of faults befall it as time goes on: each third of the time has two of the
    /// kinds with a precursor, and thirds blend into each other. What warned in the morning is a false alarm by the
    /// evening.
    pub fn drifting(&self) -> Recording {
        self.recorded(true)
    }

    fn recorded(&self, drifts: bool) -> Recording {
        let mut draws = Draws::new(Stream::of(self.seed, Purpose::Plan, 1));
        let routes = routes(self.targets.max(2), &mut draws);
        let length_s = f64::from(self.hours) * 3_600.0;
        let length = Duration::from_secs(i64::from(self.hours) * 3_600);
        let mut plan = Plan::new("fleet".to_owned(), self.seed, length, routes.clone());
        let mut first = 0;
        for (index, route) in routes.iter().enumerate() {
            let mut taken = Taken::default();
            for (offset, target) in route.targets.iter().enumerate() {
                if target.baseline_bp > 0 {
                    let length = Length { s: length_s, drifts };
                    place_faults(&mut plan, first + offset, target, length, &mut taken);
                }
            }
            let mut slow = Taken::default();
            for offset in 0..route.targets.len() {
                place_decoys(&mut plan, first + offset, length_s, &taken, &mut slow);
            }
            // Slower targets under more traffic would be a true overload, which no truth tells of.
            taken.0.append(&mut slow.0);
            place_spikes(&mut plan, index, length_s, &taken);
            first += route.targets.len();
        }
        plan.finish()
    }
}

fn exponential(draws: &mut Draws, mean: f64) -> f64 {
    -libm::log(1.0 - draws.unit()) * mean
}

/// How long a fleet runs, and whether the kinds of its faults change on the way.
#[derive(Clone, Copy)]
struct Length {
    s: f64,
    drifts: bool,
}

fn place_faults(plan: &mut Plan, target: usize, spec: &TargetSpec, length: Length, taken: &mut Taken) {
    let length_s = length.s;
    let mut at = QUIET_S + exponential(&mut plan.draws, BETWEEN_FAULTS_S / 2.0);
    while at < length_s {
        let common = if length.drifts {
            kinds_at(at / length_s, &mut plan.draws)
        } else {
            &FaultKind::WITH_PRECURSOR
        };
        let kind = draw_kind(&mut plan.draws, common, spec.quota.is_some());
        let precursor_s = at;
        let lead_s = if kind.has_precursor() {
            plan.draws.range(180.0, 660.0)
        } else {
            0.0
        };
        let onset_s = at + lead_s;
        let end_s = onset_s + plan.draws.range(60.0, 300.0);
        if end_s + 60.0 > length_s {
            return;
        }
        if taken.free(precursor_s - APART_S, end_s + APART_S) {
            plan.fault(
                FaultAt {
                    target,
                    kind,
                    precursor_s,
                    onset_s,
                    end_s,
                },
                0.95,
                1.75,
                0.08,
            );
            taken.0.push((precursor_s, end_s));
            at = end_s + APART_S + exponential(&mut plan.draws, BETWEEN_FAULTS_S - APART_S);
        } else {
            at += plan.draws.range(120.0, 900.0);
        }
    }
}

/// The kinds with a precursor at this share of the time of a fleet that drifts.
fn kinds_at(share: f64, draws: &mut Draws) -> &'static [FaultKind] {
    let all = &FaultKind::WITH_PRECURSOR;
    let blended = share * PHASES as f64 + draws.range(-0.5, 0.5);
    let phase = (blended.max(0.0) as usize).min(PHASES - 1);
    all.chunks(all.len() / PHASES).nth(phase).unwrap_or(all)
}

fn draw_kind(draws: &mut Draws, with_precursor: &[FaultKind], quota: bool) -> FaultKind {
    let kinds: &[FaultKind] = if draws.unit() < PRECURSOR_SHARE {
        with_precursor
    } else {
        &FaultKind::ABRUPT
    };
    match draws.pick(kinds).copied().unwrap_or(FaultKind::Crash) {
        FaultKind::QuotaExhaustion if !quota => FaultKind::DependencySlowdown,
        kind => kind,
    }
}

fn place_decoys(plan: &mut Plan, target: usize, length_s: f64, taken: &Taken, slow: &mut Taken) {
    let mut at = QUIET_S / 3.0 + exponential(&mut plan.draws, BETWEEN_DECOYS_S);
    while at < length_s {
        let kind = plan
            .draws
            .pick(&DecoyKind::ALL)
            .copied()
            .unwrap_or(DecoyKind::LatencyBlip);
        let (shortest, longest) = kind.length_s();
        let end = at + plan.draws.range(shortest, longest);
        if kind != DecoyKind::TrafficSpike && taken.free(at - CLEAR_S, end + CLEAR_S) {
            plan.decoy(target, kind, at, end);
            if matches!(kind, DecoyKind::LatencyBlip | DecoyKind::DeployBump) {
                slow.0.push((at, end));
            }
        }
        at = end + 120.0 + exponential(&mut plan.draws, BETWEEN_DECOYS_S - 120.0);
    }
}

fn place_spikes(plan: &mut Plan, route: usize, length_s: f64, taken: &Taken) {
    let mut at = exponential(&mut plan.draws, BETWEEN_SPIKES_S);
    while at < length_s {
        let (shortest, longest) = DecoyKind::TrafficSpike.length_s();
        let (factor, end) = (
            plan.draws.range(1.15, 1.4),
            at + plan.draws.range(shortest, longest),
        );
        if taken.free(at - CLEAR_S, end + CLEAR_S) {
            plan.spike(route, factor, at, end);
        }
        at = end + exponential(&mut plan.draws, BETWEEN_SPIKES_S);
    }
}

/// Routes of two to four targets until there are enough; a lone last one joins the route before.
fn routes(targets: usize, draws: &mut Draws) -> Vec<RouteSpec> {
    let mut routes = Vec::new();
    let mut left = targets;
    while left > 0 {
        let wanted = 2 + (draws.unit() * 3.0) as usize;
        let size = if left <= wanted + 1 { left.min(5) } else { wanted };
        routes.push(route(routes.len(), size, draws));
        left -= size;
    }
    routes
}

fn route(index: usize, size: usize, draws: &mut Draws) -> RouteSpec {
    // Every third route goes to providers with a quota, which answer more slowly.
    let provider = index % 3 == 2;
    let idle_secondary = size == 2 && index.is_multiple_of(2);
    let busy = if idle_secondary { 1 } else { size };
    let service_ms = if provider {
        draws.range(250.0, 450.0)
    } else {
        draws.range(30.0, 110.0)
    };
    let rate_rps = draws.range(16.0, 36.0) * busy as f64;
    let slo_ms = (service_ms * 11.0 / 50.0).ceil() * 50.0;
    let mut targets: Vec<_> = (0..size)
        .map(|position| {
            let role = if idle_secondary && position > 0 {
                Role::Secondary
            } else {
                Role::Primary
            };
            let baseline_bp = if position < busy { 10_000 / busy as u32 } else { 0 };
            let share_rps = rate_rps / busy as f64;
            let name = format!("svc-{index:02}-{}", char::from(b'a' + position as u8));
            fleet_target(name, role, baseline_bp, share_rps, service_ms, provider, draws)
        })
        .collect();
    if let Some(first) = targets.first_mut() {
        first.baseline_bp += 10_000 % busy as u32;
    }
    RouteSpec {
        name: format!("route-{index:02}").into(),
        criticality: if index.is_multiple_of(4) {
            Criticality::Critical
        } else {
            Criticality::Normal
        },
        rate_rps,
        timeout: Duration::from_millis((slo_ms * 2.5) as i64),
        retries: 1,
        slo_error_ratio: 0.05,
        slo_latency_p99: Duration::from_millis(slo_ms as i64),
        targets,
    }
}

fn fleet_target(
    name: String,
    role: Role,
    baseline_bp: u32,
    share_rps: f64,
    service_ms: f64,
    provider: bool,
    draws: &mut Draws,
) -> TargetSpec {
    let wanted = share_rps / draws.range(0.42, 0.56);
    let workers = (wanted * service_ms / 1e3 * WORKER_MARGIN).ceil().max(3.0);
    let capacity_rps = workers * 1e3 / (service_ms * WORKER_MARGIN);
    TargetSpec {
        failure_domain: format!("zone-{name}").into(),
        name: name.into(),
        role,
        baseline_bp,
        capacity_rps,
        service_ms,
        queue_bound: (capacity_rps * 1.2).ceil() as u32,
        error_ratio: draws.range(0.0003, 0.002),
        slow_ratio: draws.range(0.005, 0.014),
        memory_limit_mib: (draws.range(1.0, 8.0) * 1_024.0).round(),
        memory_level: draws.range(0.35, 0.58),
        pool_limit: (capacity_rps * service_ms / 1e3 * 2.5 + 24.0).round(),
        quota: provider.then(|| (share_rps * draws.range(2_400.0, 3_600.0)).round()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fleet_that_drifts_begins_with_other_kinds_of_faults_than_it_ends_with() {
        let fleet = FleetSpec {
            seed: 3,
            hours: 12,
            targets: 24,
        };
        let recording = fleet.drifting();
        let count = |kind: FaultKind, share: std::ops::Range<f64>| {
            let span = recording.length.as_secs_f64();
            let began = |at: foreshift_domain::Timestamp| at.since(recording.start).as_secs_f64() / span;
            let mut faults = recording.faults.iter();
            let within =
                |fault: &&crate::faults::Fault| fault.kind == kind && share.contains(&began(fault.onset));
            faults.by_ref().filter(within).count()
        };
        assert!(count(FaultKind::MemoryLeak, 0.0..0.3) > 5);
        assert_eq!(count(FaultKind::MemoryLeak, 0.6..1.0), 0);
        assert_eq!(count(FaultKind::AnnouncedErrors, 0.0..0.4), 0);
        assert!(count(FaultKind::AnnouncedErrors, 0.7..1.0) > 5);
        // Abrupt ones come all the time.
        assert!(count(FaultKind::Crash, 0.0..0.5) > 0 && count(FaultKind::Crash, 0.5..1.0) > 0);
    }
}
