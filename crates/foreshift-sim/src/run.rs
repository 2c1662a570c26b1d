//! A run: one recording under one policy, as an iterator over what gateways report.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use foreshift_domain::signal::{Health, Observation, Outcome as Ended, OutcomeKind, Signal};
use foreshift_domain::{Duration, GatewayName, Timestamp};

use crate::arrivals::Arrivals;
use crate::effects::{Effects, Schedule};
use crate::emission::Emission;
use crate::gauges::GaugeNoise;
use crate::outcome::{Outcome, Tally};
use crate::policy::{Policy, Router, WeightChange, by_position};
use crate::recording::{Recording, RouteSpec, TargetSpec};
use crate::rng::{Purpose, Stream};
use crate::server::Server;

mod attempt;
mod target;
mod worried;

use attempt::Ending;

/// Effects, gauges, probes and log lines move in steps of this length; requests do not.
const STEP: Duration = Duration::from_millis(100);
/// A target reports its gauges this often.
const GAUGE_EVERY_STEPS: u64 = 10;
/// A gateway probes each target this often, also those without traffic.
const PROBE_EVERY_STEPS: u64 = 50;
/// Probes that succeed in a row until a target is up again; all targets begin so.
const PROBES_UP: i32 = 2;
/// At most this share of the requests under way may be retries, but always three: Envoy's retry budget.
const RETRY_SHARE: f64 = 0.2;
const RETRIES_ALWAYS: usize = 3;

/// A run of a recording: an iterator over what gateways report, in the order of time.
#[derive(Clone, Debug)]
pub struct Run<'a> {
    recording: &'a Recording,
    router: Router,
    routes: Vec<RouteState<'a>>,
    targets: Vec<TargetState<'a>>,
    agenda: BinaryHeap<Reverse<(Timestamp, u64, Task)>>,
    flights: Vec<Option<Flight>>,
    unused: Vec<usize>,
    tickets: u64,
    steps: u64,
    now: Timestamp,
    drained: bool,
    fresh: Vec<Emission>,
    ready: VecDeque<Emission>,
    tally: Tally,
    gateways: [GatewayName; 2],
}

#[derive(Clone, Debug)]
struct RouteState<'a> {
    spec: &'a RouteSpec,
    arrivals: Arrivals<'a>,
    requests: Stream,
    /// Position of its first target among all targets.
    first_target: usize,
    under_way: usize,
    retrying: usize,
}

#[derive(Clone, Debug)]
struct TargetState<'a> {
    spec: &'a TargetSpec,
    route: usize,
    schedule: Schedule<'a>,
    effects: Effects,
    server: Server,
    gauges: GaugeNoise,
    log_lines: Stream,
    stalls: Stream,
    probes: Stream,
    in_flight: usize,
    /// Probes in a row: negative failed, positive succeeded.
    probed: i32,
    health: Health,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Task {
    /// The next request of a route comes.
    Arrive { route: usize, number: u64 },
    /// An attempt ends, unless its ticket is no longer the flight's.
    End { flight: usize, ticket: u64 },
    /// A failed request is sent again.
    Retry { request: Request },
}

/// A request of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Request {
    route: usize,
    number: u64,
    attempt: u32,
    arrived: Timestamp,
}

/// An attempt under way.
#[derive(Clone, Copy, Debug)]
struct Flight {
    request: Request,
    target: usize,
    sent: Timestamp,
    kind: OutcomeKind,
    ttfb: Option<Duration>,
    ticket: u64,
}

impl<'a> Run<'a> {
    pub(crate) fn new(recording: &'a Recording, policy: Policy) -> Self {
        let tally = Tally::new(recording, policy.as_str());
        let mut run = Self {
            recording,
            router: Router::new(recording, policy),
            routes: route_states(recording),
            targets: target_states(recording),
            agenda: BinaryHeap::new(),
            flights: Vec::new(),
            unused: Vec::new(),
            tickets: 0,
            steps: 0,
            now: recording.start,
            drained: false,
            fresh: Vec::new(),
            ready: VecDeque::new(),
            tally,
            gateways: ["edge-1".into(), "edge-2".into()],
        };
        for route in 0..run.routes.len() {
            run.schedule_arrival(route);
        }
        run
    }

    /// Event time up to which everything has happened.
    pub const fn now(&self) -> Timestamp {
        self.now
    }

    /// Weights in force on a route, in basis points or, under the breaker, in proportion; empty when unknown.
    pub fn weights(&self, route: &foreshift_domain::RouteName) -> &[u32] {
        let index = self.recording.routes.iter().position(|spec| &spec.name == route);
        index.map_or(&[], |index| self.router.weights(index))
    }

    /// Sets a route's weights from now on, whatever its `time` says: for a driver that decides while the run
    /// goes on. Unknown routes and targets are ignored.
    pub fn set_weights(&mut self, change: &WeightChange) {
        if let Some((route, weights)) = by_position(&self.recording.routes, change) {
            self.router.set(route, weights);
        }
    }

    /// What the run came to so far; complete once the iterator has ended.
    pub fn outcome(&self) -> Outcome {
        self.tally.outcome()
    }

    /// Runs to the end and gives what it came to.
    pub fn finish(mut self) -> Outcome {
        while !self.drained {
            self.step();
            self.ready.clear();
        }
        self.outcome()
    }

    /// Moves on by one step of 100 ms. Gives `false` once the last request is over. What was reported waits to
    /// be read by the iterator.
    pub fn step(&mut self) -> bool {
        if self.drained {
            return false;
        }
        let until = self.now + STEP;
        self.router.advance(self.now, &self.recording.routes);
        let open = self.now < self.recording.end();
        for target in 0..self.targets.len() {
            self.step_target(target, open);
        }
        while self.agenda.peek().is_some_and(|Reverse((at, _, _))| *at < until) {
            if let Some(Reverse((at, _, task))) = self.agenda.pop() {
                self.carry_out(at, task);
            }
        }
        self.fresh.sort_by_key(Emission::time);
        self.ready.extend(self.fresh.drain(..));
        self.now = until;
        self.steps += 1;
        self.drained = !open && self.agenda.is_empty();
        true
    }

    fn step_target(&mut self, index: usize, open: bool) {
        let (now, steps, seed) = (self.now, self.steps, self.recording.seed);
        let Some(target) = self.targets.get_mut(index) else {
            return;
        };
        let begun = target.schedule.advance(now);
        target.effects = target.effects_at(now, seed);
        let killed = target.schedule.killed_within(now - STEP, now);
        target.stall_by_chance(now, steps);
        if !open {
            return;
        }
        self.fresh.extend(begun.iter().filter_map(|episode| {
            let event = Observation::Event(episode.event?);
            Some(target.signal(now, event))
        }));
        // Targets report apart from each other, as real ones do.
        if (steps + index as u64 * 3).is_multiple_of(GAUGE_EVERY_STEPS) {
            let gauges = target.read_gauges(now);
            self.fresh.extend(gauges.into_iter().map(Emission::Signal));
        }
        if (steps + index as u64 * 7).is_multiple_of(PROBE_EVERY_STEPS) {
            let health = target.probe(now, steps);
            self.fresh.push(target.signal(now, Observation::Health(health)));
        }
        target.write_logs(now, steps, &mut self.fresh);
        if killed {
            self.kill(index);
        }
    }

    /// Everything under way at a target breaks at once.
    fn kill(&mut self, index: usize) {
        if let Some(target) = self.targets.get_mut(index) {
            target.server.clear();
        }
        for slot in 0..self.flights.len() {
            self.tickets += 1;
            let Some(Some(flight)) = self
                .flights
                .get_mut(slot)
                .filter(|flight| flight.as_ref().is_some_and(|flight| flight.target == index))
            else {
                continue;
            };
            flight.kind = OutcomeKind::Reset;
            flight.ttfb = None;
            flight.ticket = self.tickets;
            let at = self.now + Duration::from_micros(flight.request.number.rem_euclid(5_000) as i64);
            let task = Task::End {
                flight: slot,
                ticket: self.tickets,
            };
            self.agenda.push(Reverse((at, self.tickets, task)));
        }
    }

    fn carry_out(&mut self, at: Timestamp, task: Task) {
        match task {
            Task::Arrive { route, number } => {
                self.schedule_arrival(route);
                if let Some(state) = self.routes.get_mut(route) {
                    state.under_way += 1;
                }
                self.send(
                    at,
                    Request {
                        route,
                        number,
                        attempt: 0,
                        arrived: at,
                    },
                );
            }
            Task::Retry { request } => self.send(at, request),
            Task::End { flight, ticket } => self.end(at, flight, ticket),
        }
    }

    fn schedule_arrival(&mut self, route: usize) {
        let Some((at, number)) = self.routes.get_mut(route).and_then(|state| state.arrivals.next()) else {
            return;
        };
        self.tickets += 1;
        self.agenda
            .push(Reverse((at, self.tickets, Task::Arrive { route, number })));
    }

    fn send(&mut self, now: Timestamp, request: Request) {
        let Some(route) = self.routes.get(request.route) else {
            return;
        };
        let draws = route
            .requests
            .child(request.number * 8 + u64::from(request.attempt));
        let Some(position) = self.router.pick(request.route, draws.unit(0)) else {
            self.tally.settled(request.route, true, false);
            return;
        };
        let index = route.first_target + position;
        let timeout = route.spec.timeout;
        let Some(target) = self.targets.get_mut(index) else {
            return;
        };
        self.tally
            .attempt(now, index, target.effects.failing, target.spec.capacity_rps);
        let Ending { kind, at, ttfb } = attempt::ending(
            target.spec,
            &target.effects.signs,
            &mut target.server,
            now,
            timeout,
            draws,
        );
        target.in_flight += 1;
        self.tickets += 1;
        let ticket = self.tickets;
        let flight = Flight {
            request,
            target: index,
            sent: now,
            kind,
            ttfb,
            ticket,
        };
        let slot = self.unused.pop().unwrap_or(self.flights.len());
        if let Some(place) = self.flights.get_mut(slot) {
            *place = Some(flight);
        } else {
            self.flights.push(Some(flight));
        }
        self.agenda
            .push(Reverse((at, ticket, Task::End { flight: slot, ticket })));
    }

    fn end(&mut self, now: Timestamp, slot: usize, ticket: u64) {
        let Some(place) = self.flights.get_mut(slot) else {
            return;
        };
        let Some(flight) = place.take_if(|flight| flight.ticket == ticket) else {
            return;
        };
        self.unused.push(slot);
        if let Some(target) = self.targets.get_mut(flight.target) {
            target.in_flight -= 1;
            let ended = Observation::Outcome(Ended {
                kind: flight.kind,
                latency: Some(now.since(flight.sent)),
                ttfb: flight.ttfb,
                count: 1,
            });
            let gateway = self.gateways.get((flight.request.number % 2) as usize).cloned();
            let route = self.routes.get(target.route).map(|route| route.spec.name.clone());
            let name = target.spec.name.clone();
            self.fresh.push(Emission::Signal(Signal {
                time: now,
                target: name,
                route,
                gateway,
                endpoint: None,
                observation: ended,
            }));
        }
        if flight.kind.is_failure() {
            self.tally.attempt_failed(flight.target);
        }
        let position = self
            .routes
            .get(flight.request.route)
            .map_or(0, |route| flight.target - route.first_target);
        self.router.observe(
            now,
            flight.request.route,
            position,
            flight.kind,
            &self.recording.routes,
        );
        self.settle_or_retry(now, &flight);
    }

    fn settle_or_retry(&mut self, now: Timestamp, flight: &Flight) {
        let request = flight.request;
        let Some(route) = self.routes.get_mut(request.route) else {
            return;
        };
        route.retrying -= usize::from(request.attempt > 0);
        let budget = RETRIES_ALWAYS.max((route.under_way as f64 * RETRY_SHARE) as usize);
        if attempt::may_retry(flight.kind) && request.attempt < route.spec.retries && route.retrying < budget
        {
            route.retrying += 1;
            self.tickets += 1;
            let draws = route
                .requests
                .child(request.number * 8 + u64::from(request.attempt));
            let pause = Duration::from_micros(draws.range(4, 5_000.0, 50_000.0) as i64);
            let request = Request {
                attempt: request.attempt + 1,
                ..request
            };
            self.agenda
                .push(Reverse((now + pause, self.tickets, Task::Retry { request })));
            return;
        }
        route.under_way -= 1;
        let failed = flight.kind.is_failure();
        let slow = !failed && now.since(request.arrived) > route.spec.slo_latency_p99;
        self.tally.settled(request.route, failed, slow);
    }
}

impl Iterator for Run<'_> {
    type Item = Emission;

    fn next(&mut self) -> Option<Emission> {
        while self.ready.is_empty() && self.step() {}
        self.ready.pop_front()
    }
}

fn route_states(recording: &Recording) -> Vec<RouteState<'_>> {
    let mut first_target = 0;
    let mut states = Vec::with_capacity(recording.routes.len());
    for (index, spec) in recording.routes.iter().enumerate() {
        states.push(RouteState {
            spec,
            arrivals: Arrivals::new(recording, index, spec),
            requests: Stream::of(recording.seed, Purpose::Request, index as u64),
            first_target,
            under_way: 0,
            retrying: 0,
        });
        first_target += spec.targets.len();
    }
    states
}

fn target_states(recording: &Recording) -> Vec<TargetState<'_>> {
    let routes = recording.routes.iter().enumerate();
    let specs = routes.flat_map(|(route, spec)| spec.targets.iter().map(move |target| (route, target)));
    specs
        .enumerate()
        .map(|(index, (route, spec))| {
            let owner = index as u64;
            TargetState {
                spec,
                route,
                schedule: Schedule::of(&recording.episodes, index),
                effects: Effects::default(),
                server: Server::new(spec.workers(), spec.queue_bound),
                gauges: GaugeNoise::new(recording.seed, owner),
                log_lines: Stream::of(recording.seed, Purpose::LogLine, owner),
                stalls: Stream::of(recording.seed, Purpose::Stall, owner),
                probes: Stream::of(recording.seed, Purpose::Probe, owner),
                in_flight: 0,
                probed: PROBES_UP,
                health: Health::Up,
            }
        })
        .collect()
}

#[cfg(test)]
mod tests;
