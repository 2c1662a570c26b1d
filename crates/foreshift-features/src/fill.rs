//! From the closed state of a target to a row of features.

use foreshift_domain::fallback::Timing;
use foreshift_domain::signal::{Health, OutcomeKind};
use foreshift_domain::{Duration, Timestamp};

use crate::HALF_LIVES;
use crate::catalogue::{Column, FEATURES};
use crate::group::{PeerView, SPANS};
use crate::lines::LOG_GROUPS;
use crate::rarity::Series;
use crate::target::TargetFeatures;
use crate::windows::{FAST, LONG, MID, SLOW, Sum, View};

/// What a target cannot know by itself. The default knows nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Surroundings<'a> {
    /// Its weight over its baseline; `None` when it has no weight or no baseline.
    pub weight_share: Option<f64>,
    /// Time since we last changed its weight.
    pub since_shift: Option<Duration>,
    /// The other targets of its route.
    pub route_peers: Option<PeerView<'a>>,
    /// The other targets of its failure domain.
    pub domain_peers: Option<PeerView<'a>>,
    /// All targets outside its route.
    pub fleet_peers: Option<PeerView<'a>>,
}

struct Row<'a>(&'a mut [f64]);

impl Row<'_> {
    /// Writes a value, clamped to the range of its feature. NaN stays NaN.
    fn set(&mut self, column: Column, value: f64) {
        if let (Some(slot), Some(spec)) = (self.0.get_mut(column as usize), FEATURES.get(column as usize)) {
            *slot = value.clamp(spec.range.0, spec.range.1);
        }
    }

    fn set_some(&mut self, column: Column, value: Option<f64>) {
        self.set(column, value.unwrap_or(f64::NAN));
    }
}

impl TargetFeatures {
    /// Writes the features of `tick` into `row`, in the order of [`FEATURES`]; NaN for missing. Reads closed
    /// buckets only: close until `tick` first. What a shorter row has no room for is left out.
    pub fn fill(&self, timing: &Timing, tick: Timestamp, around: &Surroundings<'_>, row: &mut [f64]) {
        row.fill(f64::NAN);
        let mut row = Row(row);
        if self.closed.last_seen.is_some() {
            let view = self.closed.windows.view(timing, tick, self.first_seen());
            outcomes(&view, &mut row);
            latency(&view, &mut row);
            logs(timing, &view, &mut row);
            self.gauges(timing, tick, &mut row);
            self.telemetry(timing, tick, &mut row);
            self.rarities(timing, tick, &mut row);
            self.history(tick, &mut row);
            self.recurrence(timing, tick, &mut row);
        }
        clock(tick, &mut row);
        peers(timing, tick, around, &mut row);
        row.set_some(Column::WeightShare, around.weight_share);
        row.set_some(Column::SinceShift, around.since_shift.map(log2_seconds));
    }

    fn gauges(&self, timing: &Timing, tick: Timestamp, row: &mut Row<'_>) {
        let worst = self.closed.gauges.worst(timing, tick);
        row.set(Column::GaugeFullness, worst.fullness);
        row.set(Column::GaugeSurge, worst.surge);
        row.set(Column::GaugeSlope, worst.slope);
        let to_limit = Some(worst.windows_to_limit).filter(|windows| !windows.is_nan());
        row.set_some(
            Column::GaugeTimeToLimit,
            to_limit.map(|windows| libm::log2(windows.max(1e-3))),
        );
    }

    fn telemetry(&self, timing: &Timing, tick: Timestamp, row: &mut Row<'_>) {
        let closed = &self.closed;
        let age = closed.last_seen.map(|at| tick.since(at).as_secs_f64().max(0.0));
        let staleness_s = timing.staleness.as_secs_f64().max(f64::MIN_POSITIVE);
        row.set_some(Column::TelemetryAge, age.map(|age| age / staleness_s));
        let state = closed.health.map(|(_, health)| match health {
            Health::Up => 0.0,
            Health::Degraded => 1.0,
            Health::Down => 2.0,
        });
        row.set_some(Column::HealthState, state);
        row.set_some(
            Column::LastFailure,
            closed.failed.map(|(_, kind)| failure_class(kind)),
        );
        let recent = |at: Timestamp| tick.since(at) <= timing.windows[SLOW];
        let planned = match (closed.maintenance, closed.changed) {
            (Some((_, true)), _) => 2.0,
            (_, Some(at)) if recent(at) => 1.0,
            _ => 0.0,
        };
        row.set(Column::PlannedWork, planned);
    }

    fn rarities(&self, timing: &Timing, tick: Timestamp, row: &mut Row<'_>) {
        let series = [
            (Column::FailureRarity, Series::Failures),
            (Column::LatencyRarity, Series::Latency),
        ];
        for (column, series) in series {
            row.set(column, self.closed.rarities.read(timing, tick, series));
        }
    }

    fn history(&self, tick: Timestamp, row: &mut Row<'_>) {
        const COUNTS: [Column; HALF_LIVES.len()] = [
            Column::Incidents30m,
            Column::Incidents2h,
            Column::Incidents8h,
            Column::Incidents1d,
            Column::Incidents7d,
            Column::Incidents40d,
        ];
        let own = self.incidents();
        for (column, count) in COUNTS.into_iter().zip(own.counts_at(tick)) {
            row.set(column, log2_count(count));
        }
        let since = |at: Option<Timestamp>| at.map(|at| log2_seconds(tick.since(at)));
        row.set_some(Column::SinceRecovery, since(own.recovered()));
        row.set_some(Column::KnownFor, since(Some(self.first_seen())));
        row.set_some(Column::GapPhase, own.phase(tick));
    }

    fn recurrence(&self, timing: &Timing, tick: Timestamp, row: &mut Row<'_>) {
        let own = self.incidents();
        let ahead = nearest_and_farthest(timing);
        let [near, far] = ahead.map(|ahead| own.onsets.recurrence(tick, ahead, self.first_seen()));
        row.set(Column::DayNear, near.day_7d);
        row.set(Column::DayFar, far.day_7d);
        row.set(Column::MonthNear, near.day_28d);
        row.set(Column::MonthFar, far.day_28d);
        row.set(Column::HalfDayNear, near.half_day);
        row.set(Column::HalfDayFar, far.half_day);
        row.set(Column::Hourly, near.hour);
        row.set(Column::RunNear, near.run);
        row.set(Column::RunFar, far.run);
        let [near, far] = ahead.map(|ahead| own.by_day.around(tick, ahead));
        row.set(Column::TimeOfDayNear, near);
        row.set(Column::TimeOfDayFar, far);
    }
}

/// The nearest and the farthest horizon.
pub(crate) fn nearest_and_farthest(timing: &Timing) -> [Duration; 2] {
    [timing.horizons.first(), timing.horizons.last()].map(|horizon| horizon.copied().unwrap_or(timing.tick))
}

/// Kinds of failure that come from the same faults.
const fn failure_class(kind: OutcomeKind) -> f64 {
    match kind {
        OutcomeKind::RateLimited | OutcomeKind::Overload => 1.0,
        OutcomeKind::ServerError => 2.0,
        OutcomeKind::Truncated => 3.0,
        _ => 0.0,
    }
}

fn outcomes(view: &View<'_>, row: &mut Row<'_>) {
    use Sum::{CutShort, Evidence, Failures, Limited, Requests, Unreachable};
    if !view.has_requests() {
        return;
    }
    row.set(Column::FailureRatioFast, view.share(FAST, Failures, Evidence));
    row.set(Column::FailureRatioMid, view.share(MID, Failures, Evidence));
    row.set(Column::FailureRatioLong, view.share(LONG, Failures, Evidence));
    row.set(Column::FailureTrend, view.share_trend(FAST, Failures, Evidence));
    row.set(Column::UnreachableRatio, view.share(MID, Unreachable, Evidence));
    row.set(
        Column::UnreachableTrend,
        view.share_trend(MID, Unreachable, Evidence),
    );
    row.set(Column::LimitedRatio, view.share(MID, Limited, Evidence));
    row.set(Column::LimitedTrend, view.share_trend(MID, Limited, Evidence));
    row.set(Column::CutShortRatio, view.share(MID, CutShort, Requests));
    row.set(Column::RequestRateShift, view.rate_trend(FAST, SLOW, Requests));
    row.set(Column::RequestRateDrift, view.rate_trend(MID, LONG, Requests));
}

fn latency(view: &View<'_>, row: &mut Row<'_>) {
    /// Fewer than this tell no median and no tail.
    const FEW: f64 = 3.0;
    const SOME: f64 = 20.0;
    let log2 = |value: Option<f64>| value.map(|us| libm::log2(us.max(1.0)));
    let ratio = |a: Option<f64>, b: Option<f64>| Some(a? - b?);
    let [mid_50, long_50] = [MID, LONG].map(|window| log2(view.latency_us(window, 0.5, FEW)));
    let [mid_99, long_99] = [MID, LONG].map(|window| log2(view.latency_us(window, 0.99, SOME)));
    row.set_some(Column::LatencyP50Shift, ratio(mid_50, long_50));
    row.set_some(Column::LatencyP99Shift, ratio(mid_99, long_99));
    let (tail, long_tail) = (ratio(mid_99, mid_50), ratio(long_99, long_50));
    row.set_some(Column::LatencyTail, tail);
    row.set_some(Column::LatencyTailShift, ratio(tail, long_tail));
    row.set(Column::LatencyZ, view.latency_z());
    let ttfb = |window| view.mean_log2(window, Sum::TtfbLog2, Sum::TtfbSamples);
    row.set(Column::TtfbShift, ttfb(MID) - ttfb(LONG));
}

/// A target that never logged has no log features; one that fell silent has zeros.
fn logs(timing: &Timing, view: &View<'_>, row: &mut Row<'_>) {
    if !view.has_logs() {
        return;
    }
    // Per so many requests; where there are fewer in the window, or none are known, per window.
    let rate = |window: usize, per: f64, sum| {
        let window_s = timing.windows.get(window).map_or(0.0, |span| span.as_secs_f64());
        let lines = view.rate(window, sum) * window_s;
        if view.has_requests() {
            let requests = view.rate(window, Sum::Requests) * window_s;
            log2_1p(per * lines / requests.max(per))
        } else {
            log2_1p(lines)
        }
    };
    row.set(Column::LogFailureRate, rate(MID, 100.0, Sum::LogFailure));
    row.set(Column::LogEarlyRate, rate(MID, 100.0, Sum::LogEarly));
    row.set(
        Column::LogFailureTrend,
        view.rate_trend(MID, LONG, Sum::LogFailure),
    );
    row.set(Column::LogEarlyTrend, view.rate_trend(MID, LONG, Sum::LogEarly));
    row.set(Column::LogNewTemplates, log2_1p(view.sum(MID, Sum::LogNew)));
    for (level, trend, sum) in LOG_GROUP_COLUMNS {
        row.set(level, rate(SLOW, 1_000.0, sum));
        row.set(trend, view.trend_per_request(SLOW, sum));
    }
    row.set(
        Column::LogVolumeShift,
        view.trend_per_request(SLOW, Sum::LogLines),
    );
    row.set(Column::LogNewShare, view.share(SLOW, Sum::LogNew, Sum::LogLines));
    row.set(Column::LogMixShift, view.log_mix_distance());
    // `max` would turn the NaN of too few lines into a number.
    let dispersion = view.log_dispersion(timing, MID);
    row.set(Column::LogBurst, libm::log2(dispersion.clamp(0.125, f64::MAX)));
}

/// Rate, trend and sum of each group of classes.
const LOG_GROUP_COLUMNS: [(Column, Column, Sum); LOG_GROUPS] = [
    (
        Column::LogConnectivityRate,
        Column::LogConnectivityTrend,
        Sum::LogConnectivity,
    ),
    (
        Column::LogSaturationRate,
        Column::LogSaturationTrend,
        Sum::LogSaturation,
    ),
    (Column::LogLimitsRate, Column::LogLimitsTrend, Sum::LogLimits),
    (
        Column::LogConfigurationRate,
        Column::LogConfigurationTrend,
        Sum::LogConfiguration,
    ),
    (
        Column::LogInstancesRate,
        Column::LogInstancesTrend,
        Sum::LogInstances,
    ),
];

fn clock(tick: Timestamp, row: &mut Row<'_>) {
    let micros = tick.as_micros();
    let (day, hour) = (Duration::DAY.as_micros(), Duration::HOUR.as_micros());
    row.set(Column::HourOfDay, micros.rem_euclid(day) as f64 / hour as f64);
    // The first of January 1970 was a Thursday.
    row.set(
        Column::DayOfWeek,
        (micros.div_euclid(day) + 3).rem_euclid(7) as f64,
    );
}

fn peers(timing: &Timing, tick: Timestamp, around: &Surroundings<'_>, row: &mut Row<'_>) {
    if let Some(route) = &around.route_peers {
        row.set_some(Column::Route8h, incidents(route, EIGHT_HOURS));
        row.set_some(Column::Route7d, incidents(route, SEVEN_DAYS));
        row.set_some(Column::Route40d, incidents(route, FORTY_DAYS));
        row.set_some(Column::RouteInIncident, in_incident(route));
        row.set_some(Column::RouteSinceIncident, route.since_onset.map(log2_seconds));
        row.set_some(Column::RouteTelemetryAge, route.since_seen.map(log2_seconds));
        let [near, far] = route.habits(timing, tick);
        row.set(Column::RouteHoursNear, near.within);
        row.set(Column::RouteHoursFar, far.within);
        row.set(Column::RouteTimeOfDayNear, near.around);
        row.set(Column::RouteTimeOfDayFar, far.around);
        row.set(Column::RouteDayNear, near.days[1]);
        row.set(Column::RouteDayFar, far.days[1]);
        onsets(route, tick, ROUTE_ONSETS, row);
    }
    if let Some(domain) = &around.domain_peers {
        row.set_some(Column::Domain8h, incidents(domain, EIGHT_HOURS));
        row.set_some(Column::Domain7d, incidents(domain, SEVEN_DAYS));
        row.set_some(Column::Domain40d, incidents(domain, FORTY_DAYS));
        row.set_some(Column::DomainInIncident, in_incident(domain));
        row.set_some(Column::DomainSinceIncident, domain.since_onset.map(log2_seconds));
        let [near, far] = domain.habits(timing, tick);
        row.set(Column::DomainDayNear, near.days[0]);
        row.set(Column::DomainDayFar, far.days[0]);
        onsets(domain, tick, DOMAIN_ONSETS, row);
    }
    row.set_some(
        Column::FleetInIncident,
        around.fleet_peers.as_ref().and_then(in_incident),
    );
}

const ROUTE_ONSETS: [Column; SPANS.len()] = [
    Column::RouteOnsets1h,
    Column::RouteOnsets6h,
    Column::RouteOnsets1d,
    Column::RouteOnsets7d,
];
const DOMAIN_ONSETS: [Column; SPANS.len()] = [
    Column::DomainOnsets1h,
    Column::DomainOnsets6h,
    Column::DomainOnsets1d,
    Column::DomainOnsets7d,
];

fn onsets(group: &PeerView<'_>, tick: Timestamp, columns: [Column; SPANS.len()], row: &mut Row<'_>) {
    for (column, count) in columns.into_iter().zip(group.onsets(tick)) {
        row.set(column, log2_count(count as f64));
    }
}

/// Places among [`HALF_LIVES`].
const EIGHT_HOURS: usize = 2;
const SEVEN_DAYS: usize = 4;
const FORTY_DAYS: usize = 5;

/// Incidents per peer with one of [`HALF_LIVES`]; nothing when there is no peer.
fn incidents(peers: &PeerView<'_>, half_life: usize) -> Option<f64> {
    let count = *peers.counts.get(half_life)?;
    (peers.peers > 0).then(|| log2_count(count / f64::from(peers.peers)))
}

fn in_incident(peers: &PeerView<'_>) -> Option<f64> {
    (peers.peers > 0).then(|| f64::from(peers.in_incident) / f64::from(peers.peers))
}

fn log2_seconds(span: Duration) -> f64 {
    log2_1p(span.as_secs_f64().max(0.0))
}

fn log2_1p(value: f64) -> f64 {
    libm::log2(1.0 + value)
}

/// Small counts that have faded must still be told from none: a scale spreads them.
fn log2_count(count: f64) -> f64 {
    log2_1p(16.0 * count)
}
