//! The fleet that is measured: its configuration, its model and its traffic, the same on every run.

use std::fmt::Write;
use std::sync::Arc;

use anyhow::{Context, bail};
use foreshift_domain::fallback::Fallback;
use foreshift_domain::signal::{Observation, Outcome, OutcomeKind, Signal};
use foreshift_domain::{Duration, EndpointName, GatewayName, RouteName, TargetName, Timestamp};
use foreshift_predict::Model;

/// Targets in all.
pub(crate) const TARGETS: usize = 200;
/// Routes in all, of equally many targets.
pub(crate) const ROUTES: usize = 50;
/// Signals in a second of event time: 100 requests a second to each target.
pub(crate) const SIGNALS_A_SECOND: u64 = 20_000;
/// Share of requests that fail while nothing is broken.
pub(crate) const FAILING_SHARE: f64 = 0.005;
/// One target breaks for so long ...
pub(crate) const BREAK_S: u64 = 10;
/// ... in so much time, another one each time.
pub(crate) const BREAK_EVERY_S: u64 = 40;

const ON_A_ROUTE: usize = TARGETS / ROUTES;
const GATEWAYS: usize = 8;
const SECOND_US: u64 = 1_000_000;
/// A Monday noon.
const START: Timestamp = Timestamp::from_secs(1_772_452_800);
const MODEL: &str = include_str!("../../../../models/live/3/model.json");

const HEAD: &str = "
timing:
  bucket: 1s
  tick: 1s
  horizons: [30s, 2m, 10m]
defaults:
  mode: auto
  limits: {auto_after: off}
routes:
";

fn route_name(route: usize) -> String {
    format!("route-{route:02}")
}

fn target_name(target: usize) -> String {
    format!("pool-{target:03}.eu-west-1")
}

/// The configuration.
pub(crate) fn fallback() -> anyhow::Result<Arc<Fallback>> {
    let mut text = HEAD.to_owned();
    for route in 0..ROUTES {
        writeln!(text, "  - name: {}\n    targets:", route_name(route))?;
        for target in route * ON_A_ROUTE..(route + 1) * ON_A_ROUTE {
            let (name, baseline_bp) = (target_name(target), 10_000 / ON_A_ROUTE);
            writeln!(
                text,
                "      - name: {name}\n        role: primary\n        baseline_bp: {baseline_bp}"
            )?;
            writeln!(
                text,
                "        capacity: 400 rps\n        failure_domain: zone-{}",
                target % 7
            )?;
        }
    }
    let loaded = foreshift_config::parse_fallback(&text, "fallback.yaml")
        .map_err(|errors| anyhow::anyhow!("{errors}"))?;
    Ok(Arc::new(loaded.value))
}

/// The shipped model, which must be one for this build: a fresh one would be faster and tell nothing.
pub(crate) fn model(fallback: &Fallback) -> anyhow::Result<Model> {
    let model = Model::from_json(MODEL).context("models/live/3 cannot be read")?;
    if let Err(error) = foreshift_engine::check_model(&model, fallback) {
        bail!("models/live/3 does not fit this build: {error}");
    }
    Ok(model)
}

/// Request by request, in order of time.
pub(crate) struct Traffic {
    targets: Vec<(TargetName, RouteName, EndpointName)>,
    gateways: Vec<GatewayName>,
    made: u64,
    random: u64,
}

impl Traffic {
    pub(crate) fn new() -> Self {
        let targets = (0..TARGETS).map(|target| {
            let endpoint = format!("10.0.{}.{}:8443", target / 100, target % 100);
            let route = route_name(target / ON_A_ROUTE);
            (
                TargetName::from(target_name(target)),
                RouteName::from(route),
                EndpointName::from(endpoint),
            )
        });
        let gateways = (0..GATEWAYS).map(|gateway| GatewayName::from(format!("edge-{gateway}")));
        Self {
            targets: targets.collect(),
            gateways: gateways.collect(),
            made: 0,
            random: 0x5eed,
        }
    }

    /// SplitMix64: any will do, as long as it is the same every time.
    fn draw(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.random ^ (self.random >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn share(&mut self) -> f64 {
        (self.draw() >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn is_broken(target: usize, second: u64) -> bool {
        let turn = usize::try_from(second / BREAK_EVERY_S).unwrap_or(0);
        second % BREAK_EVERY_S >= BREAK_EVERY_S - BREAK_S && target == turn * 37 % TARGETS
    }

    fn kind(&mut self, broken: bool) -> OutcomeKind {
        let failing = if broken { 0.6 } else { FAILING_SHARE };
        match self.share() {
            share if share < failing => OutcomeKind::ServerError,
            share if share < failing + 0.01 => OutcomeKind::ClientError,
            _ => OutcomeKind::Success,
        }
    }
}

impl Iterator for Traffic {
    type Item = Signal;

    fn next(&mut self) -> Option<Signal> {
        let time_us = self.made * SECOND_US / SIGNALS_A_SECOND;
        self.made += 1;
        let place = usize::try_from(self.draw() % TARGETS as u64).ok()?;
        let kind = self.kind(Self::is_broken(place, time_us / SECOND_US));
        let latency_us = 4_000.0 * (1.0 + 8.0 * self.share().powi(6));
        let gateway = usize::try_from(self.draw() % GATEWAYS as u64).ok()?;
        let (target, route, endpoint) = self.targets.get(place)?.clone();
        Some(Signal {
            time: START + Duration::from_micros(time_us.cast_signed()),
            target,
            route: Some(route),
            gateway: self.gateways.get(gateway).cloned(),
            endpoint: Some(endpoint),
            observation: Observation::Outcome(Outcome {
                kind,
                latency: Some(Duration::from_micros(latency_us as i64)),
                ttfb: Some(Duration::from_micros((latency_us * 0.6) as i64)),
                count: 1,
            }),
        })
    }
}
