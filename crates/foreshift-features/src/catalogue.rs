//! The features: names, units, ranges, bin edges, and why each is there.

use foreshift_domain::Digest;

/// One feature. Its position in [`FEATURES`] is its position in a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FeatureSpec {
    /// Stable name.
    pub name: &'static str,
    /// What a 1 means.
    pub unit: &'static str,
    /// What it looks back on: windows of `timing.windows`, a half-life, or only the newest word.
    pub window: &'static str,
    /// The least and the largest value that [`crate::TargetFeatures::fill`] writes; others are clamped.
    pub range: (f64, f64),
    /// Why it tells something about the next incident.
    pub why: &'static str,
    /// Ascending points of the scale that suit every target: edges of bins, or knots to interpolate between.
    pub edges: &'static [f64],
    /// Which horizon it was computed for; `None` for all.
    pub reach: Option<Reach>,
}

/// The horizon for which a feature that looks ahead was computed. A model for one horizon gains nothing from
/// what was computed for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// The first of `timing.horizons`.
    Near,
    /// The last of `timing.horizons`.
    Far,
}

impl FeatureSpec {
    /// Whether it says how rare something is, in decades.
    pub fn is_rarity(&self) -> bool {
        self.unit == DECADES_UNIT
    }

    /// Bins, the one of NaN included.
    pub const fn bins(&self) -> usize {
        self.edges.len() + 2
    }

    /// Whether it is for the horizon at `index` of `horizons`: one that lies between takes both ends'.
    pub const fn is_for(&self, index: usize, horizons: usize) -> bool {
        match self.reach {
            None => true,
            Some(Reach::Near) => index == 0 || index + 1 < horizons,
            Some(Reach::Far) => index > 0,
        }
    }

    /// The bin of a value: values below the first edge are bin 0; NaN has a bin of its own after the last.
    pub fn bin(&self, value: f64) -> usize {
        if value.is_nan() {
            self.edges.len() + 1
        } else {
            self.edges.partition_point(|edge| *edge <= value)
        }
    }
}

/// The features of the first edition. A missing value of theirs tells something; one of those appended since adds
/// nothing, so that they change no prediction where nobody reports what they are computed from.
pub const FIRST_EDITION: usize = 68;

/// Features from here on are for trees: plain counts, to be cut anywhere. What fades says the same to a sum, which would
/// pay for hearing it twice.
pub const FOR_TREES: usize = 90;

/// Pairs of features that say more together than each alone: requests that take longer, and what else is odd at that
/// time. Latency rises for many harmless reasons, and a sum of signs cannot tell those apart.
pub const CROSSES: [(&str, &str); 12] = [
    ("latency_p50_shift", "log_saturation_rate"),
    ("latency_p50_shift", "gauge_time_to_limit"),
    ("latency_p50_shift", "latency_tail"),
    ("latency_p50_shift", "since_recovery"),
    ("latency_p50_shift", "failure_ratio_mid"),
    ("latency_p50_shift", "ttfb_shift"),
    ("latency_p50_shift", "failure_rarity"),
    ("latency_p50_shift", "log_connectivity_trend"),
    ("latency_p50_shift", "log_mix_shift"),
    ("latency_p50_shift", "latency_rarity"),
    ("latency_p50_shift", "limited_ratio"),
    ("latency_p50_shift", "route_since_incident"),
];

/// SHA-256 over names, units and edges of the first `features`, in their order. A model that was trained under
/// another digest of as many does not fit. Features are only ever appended, so that older models go on.
pub fn schema_digest(features: usize) -> Digest {
    let mut schema = Schema::default();
    for spec in FEATURES.iter().take(features) {
        schema.add(spec.name, spec.unit, spec.edges, None);
    }
    schema.digest()
}

/// What features mean, as bytes to take a digest of.
#[derive(Default)]
pub(crate) struct Schema(Vec<u8>);

impl Schema {
    pub(crate) fn add(&mut self, name: &str, unit: &str, edges: &[f64], expression: Option<&str>) {
        for text in [Some(name), Some(unit), expression].into_iter().flatten() {
            self.0.extend_from_slice(text.as_bytes());
            self.0.push(0);
        }
        self.0.extend_from_slice(&(edges.len() as u64).to_le_bytes());
        for edge in edges {
            self.0.extend_from_slice(&edge.to_bits().to_le_bytes());
        }
    }

    pub(crate) fn digest(&self) -> Digest {
        Digest::of(&self.0)
    }
}

macro_rules! reach {
    () => {
        None
    };
    ($reach:ident) => {
        Some(Reach::$reach)
    };
}

macro_rules! catalogue {
    ($($column:ident $name:literal $unit:literal $window:literal ($low:expr, $high:expr) $edges:ident $($reach:ident)? $why:literal;)*) => {
        /// Positions in a row.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(usize)]
        #[allow(missing_docs)] // each is described in FEATURES
        pub enum Column { $($column),* }

        /// All features, in the order of a row.
        pub const FEATURES: &[FeatureSpec] = &[$(FeatureSpec {
            name: $name, unit: $unit, window: $window, range: ($low, $high), why: $why, edges: $edges,
            reach: reach!($($reach)?),
        }),*];
    };
}

const SHARE: &[f64] = &[
    0.0, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0,
];
const SHIFT: &[f64] = &[
    -3.0, -1.5, -0.75, -0.4, -0.2, -0.1, 0.0, 0.1, 0.2, 0.4, 0.75, 1.5, 3.0,
];
const TAIL: &[f64] = &[0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0];
const DEVIATIONS: &[f64] = &[-3.0, -2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0];
const FULLNESS: &[f64] = &[0.0, 0.1, 0.25, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 1.0];
const SLOPE: &[f64] = &[
    -0.1, -0.02, -0.005, 0.0, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5,
];
const AHEAD: &[f64] = &[-2.0, -1.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0];
const COUNT: &[f64] = &[
    0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0, 5.5, 6.0, 6.5, 7.0, 7.5, 8.0, 8.5, 9.0,
];
const RATE: &[f64] = &[0.0, 0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0];
const TIME: &[f64] = &[
    0.0, 2.0, 4.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0, 12.0, 13.0, 14.0, 15.0, 16.0, 17.0, 18.0, 19.0, 20.0,
    21.0, 22.0, 23.0, 24.0, 25.0, 26.0, 27.0,
];
const AGE: &[f64] = &[
    0.0, 0.005, 0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.7, 1.0,
];
const RHYTHM: &[f64] = &[
    -8.0, -7.0, -6.0, -5.5, -5.0, -4.5, -4.0, -3.5, -3.0, -2.5, -2.0, -1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5,
    2.0, 2.5, 3.0, 3.5, 4.0, 5.0, 6.0,
];
// Squares of the twelfths: most shares are small.
const CHANCE: &[f64] = &[
    0.0, 0.007, 0.028, 0.0625, 0.111, 0.174, 0.25, 0.34, 0.444, 0.5625, 0.694, 0.84, 1.0,
];
const HABIT: &[f64] = &[-3.0, -2.25, -1.5, -0.75, 0.0, 0.75, 1.5, 2.25, 3.0];
const HOURS: &[f64] = &[
    0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0, 12.0, 13.0, 14.0, 15.0, 16.0, 17.0, 18.0,
    19.0, 20.0, 21.0, 22.0, 23.0,
];
const DAYS: &[f64] = &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
const WEIGHT: &[f64] = &[0.0, 0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0];
const STATE: &[f64] = &[0.0, 1.0, 2.0];
const DISTANCE: &[f64] = &[0.0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0];
const DISPERSION: &[f64] = &[-3.0, -2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0];
const DECADES: &[f64] = &[0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 12.0];
/// The unit of rarities.
const DECADES_UNIT: &str = "decades";
const KIND: &[f64] = &[0.0, 1.0, 2.0, 3.0];

catalogue! {
    FailureRatioFast "failure_ratio_fast" "share" "first" (0.0, 1.0) SHARE
        "Share of requests that failed in the first window, drawn to the long-run share when few were seen. Many incidents creep in below any alarm threshold.";
    FailureRatioMid "failure_ratio_mid" "share" "second" (0.0, 1.0) SHARE
        "The same over the second window: less noise, a little later.";
    FailureRatioLong "failure_ratio_long" "share" "fourth" (0.0, 1.0) SHARE
        "The share of failures this target lives with. Targets that always fail a little fail more often.";
    FailureTrend "failure_trend" "octaves" "first over fourth" (-9.0, 9.0) SHIFT
        "First window against the longest: how many times more failures than usual for this very target.";
    UnreachableRatio "unreachable_ratio" "share" "second" (0.0, 1.0) SHARE
        "Timeouts, refused and broken connections in the second window: saturation and networks fail like this before anything answers 5xx.";
    UnreachableTrend "unreachable_trend" "octaves" "first over fourth" (-9.0, 9.0) SHIFT
        "Those against the long-run share of the target.";
    LimitedRatio "limited_ratio" "share" "second" (0.0, 1.0) SHARE
        "Refused for rate, quota or load in the second window: the target itself says that it is near its limit.";
    LimitedTrend "limited_trend" "octaves" "first over fourth" (-9.0, 9.0) SHIFT
        "Those against the long-run share: some targets refuse a little every day.";
    CutShortRatio "cut_short_ratio" "share" "second" (0.0, 1.0) SHARE
        "Truncated answers and clients that went away in the second window: people give up before machines time out.";
    RequestRateShift "request_rate_shift" "octaves" "first over third" (-8.0, 8.0) SHIFT
        "Requests a second, first window against third: surges overload, and a sudden quiet means that something upstream broke.";
    RequestRateDrift "request_rate_drift" "octaves" "second over fourth" (-8.0, 8.0) SHIFT
        "The same, second window against the longest: load that builds up.";
    LatencyP50Shift "latency_p50_shift" "octaves" "second over fourth" (-8.0, 8.0) SHIFT
        "Median latency, second window against the longest: queues build up before they overflow.";
    LatencyP99Shift "latency_p99_shift" "octaves" "second over fourth" (-8.0, 8.0) SHIFT
        "99th percentile, second window against the longest: the tail moves first.";
    LatencyTail "latency_tail" "octaves" "second" (0.0, 12.0) TAIL
        "99th percentile over median in the second window: one sick instance among many shows here alone.";
    LatencyTailShift "latency_tail_shift" "octaves" "second over fourth" (-8.0, 8.0) SHIFT
        "That ratio against its long-run value.";
    LatencyZ "latency_z" "standard deviations" "first over fourth" (-20.0, 20.0) DEVIATIONS
        "Mean log latency of the first window against this target's own clipped mean and spread: unusual for a steady target is usual for a jittery one.";
    TtfbShift "ttfb_shift" "octaves" "second over fourth" (-8.0, 8.0) SHIFT
        "Time to the first byte or token, second window against the longest: admission queues show here before total latency.";
    GaugeFullness "gauge_fullness" "share of limit" "newest" (-1.0, 10.0) FULLNESS
        "The fullest gauge that has a limit: pools, queues, disks and quotas fail when full.";
    GaugeSurge "gauge_surge" "octaves" "newest over fourth" (-4.0, 12.0) SHIFT
        "The gauge farthest above its own long-run mean, for those that declare no limit.";
    GaugeSlope "gauge_slope" "share of limit per second window" "first to third" (-10.0, 10.0) SLOPE
        "The fastest rise of a gauge: leaks are straight lines long before they are full.";
    GaugeTimeToLimit "gauge_time_to_limit" "octaves of second windows" "first to third" (-6.0, 20.0) AHEAD
        "When the first gauge reaches its limit if it goes on like this.";
    LogFailureRate "log_failure_rate" "log2(1 + lines per 100 requests or per second window)" "second" (0.0, 24.0) RATE
        "Log lines that say requests fail, in the second window: seen by the target before its gateway notices.";
    LogFailureTrend "log_failure_trend" "octaves" "second over fourth" (-12.0, 12.0) SHIFT
        "Those lines, second window against the longest: noisy services log errors all day.";
    LogEarlyRate "log_early_rate" "log2(1 + lines per 100 requests or per second window)" "second" (0.0, 24.0) RATE
        "Log lines of early signs: pools, memory, disks, certificates, configuration, store roles. They come before requests fail.";
    LogEarlyTrend "log_early_trend" "octaves" "second over fourth" (-12.0, 12.0) SHIFT
        "Early signs, second window against the longest.";
    LogNewTemplates "log_new_templates" "log2(1 + templates)" "second" (0.0, 12.0) RATE
        "Kinds of log line that this target had not written in the long window before: what is about to break says something new.";
    TelemetryAge "telemetry_age" "share of staleness" "newest" (0.0, 10.0) AGE
        "Age of the newest telemetry: what is known ages, and senders that report on change fall silent while all is well.";
    LastFailure "last_failure" "0 unreachable, 1 refused, 2 failed, 3 cut short" "newest" (0.0, 3.0) KIND
        "How a request failed last, however long ago: faults of networks, of load and of programs come back each in its own rhythm.";
    HealthState "health_state" "0 up, 1 degraded, 2 down" "newest" (0.0, 2.0) STATE
        "The newest reported state: degraded is half-way.";
    Incidents30m "incidents_30m" "log2(1 + 16 incidents)" "half-life 30 minutes" (0.0, 16.0) COUNT
        "Own incidents, fading with a half-life of 30 minutes: what just failed fails again.";
    Incidents2h "incidents_2h" "log2(1 + 16 incidents)" "half-life 2 hours" (0.0, 16.0) COUNT
        "The same with 2 hours.";
    Incidents8h "incidents_8h" "log2(1 + 16 incidents)" "half-life 8 hours" (0.0, 16.0) COUNT
        "The same with 8 hours: a bad working day.";
    Incidents1d "incidents_1d" "log2(1 + 16 incidents)" "half-life a day" (0.0, 16.0) COUNT
        "The same with a day.";
    SinceRecovery "since_recovery" "log2(1 + seconds)" "newest" (0.0, 30.0) TIME
        "Time since the newest recovery: fresh recoveries often do not hold.";
    KnownFor "known_for" "log2(1 + seconds)" "all" (0.0, 30.0) TIME
        "How long the target is known: the young are changed more, and their counts above mean less.";
    GapPhase "gap_phase" "octaves" "all" (-12.0, 12.0) RHYTHM
        "Time since the newest incident against the usual gap of this target: periodic faults are due when it nears 0.";
    DayNear "recurs_daily_near" "share of days" "half-life 7 days" (0.0, 1.0) CHANCE Near
        "Days on which an incident began at this time of day, within the nearest horizon, the last ones first (half-life 7 days): cron jobs, backups, restarts.";
    DayFar "recurs_daily_far" "share of days" "half-life 7 days" (0.0, 1.0) CHANCE Far
        "The same within the farthest horizon.";
    MonthNear "recurs_daily_near_28d" "share of days" "half-life 28 days" (0.0, 1.0) CHANCE Near
        "The same within the nearest horizon, with a half-life of 28 days.";
    MonthFar "recurs_daily_far_28d" "share of days" "half-life 28 days" (0.0, 1.0) CHANCE Far
        "The same within the farthest horizon, with a half-life of 28 days.";
    HalfDayNear "recurs_half_daily_near" "share of half days" "half-life 7 days" (0.0, 1.0) CHANCE Near
        "Half days in which an incident began at this time of them, within the nearest horizon (half-life 7 days): what runs several times a day.";
    HalfDayFar "recurs_half_daily_far" "share of half days" "half-life 7 days" (0.0, 1.0) CHANCE Far
        "The same within the farthest horizon.";
    RunNear "recurs_run_near" "share of stretches" "half-life 6 horizons" (0.0, 1.0) CHANCE Near
        "Of the stretches behind us that are as long as the nearest horizon, those in which an incident began (half-life 6 stretches).";
    RunFar "recurs_run_far" "share of stretches" "half-life 6 horizons" (0.0, 1.0) CHANCE Far
        "The same for the farthest horizon.";
    Hourly "recurs_hourly" "share of hours" "half-life a day" (0.0, 1.0) CHANCE Near
        "Hours in which an incident began at these minutes of them, within the nearest horizon (half-life a day): jobs that run every hour.";
    TimeOfDayNear "time_of_day_near" "octaves" "half-life 28 days" (-5.0, 5.0) HABIT Near
        "Own incidents around this time of day and the nearest horizon, with soft edges, against the mean of the day: habits are not exact.";
    TimeOfDayFar "time_of_day_far" "octaves" "half-life 28 days" (-5.0, 5.0) HABIT Far
        "The same for the farthest horizon.";
    HourOfDay "hour_of_day" "hours, UTC" "the tick" (0.0, 24.0) HOURS
        "Load and people follow the clock; what an hour means is learned.";
    DayOfWeek "day_of_week" "days from Monday" "the tick" (0.0, 6.0) DAYS
        "Releases and people follow the week.";
    Route8h "route_incidents_8h" "log2(1 + 16 incidents per peer)" "half-life 8 hours" (0.0, 16.0) COUNT
        "Incidents of the other targets of the route, per target, half-life 8 hours: bursts hit a whole route, by a shared cause or by load that was moved.";
    RouteInIncident "route_in_incident" "share of peers" "newest" (0.0, 1.0) SHARE
        "Other targets of the route that are in an incident now.";
    RouteSinceIncident "route_since_incident" "log2(1 + seconds)" "newest" (0.0, 30.0) TIME
        "Time since another target of the route failed.";
    RouteTelemetryAge "route_telemetry_age" "log2(1 + seconds)" "newest" (0.0, 30.0) TIME
        "Age of the newest telemetry of the whole route: tells a quiet target from a silent observer.";
    RouteHoursNear "route_hours_near" "octaves" "half-life 28 days" (-5.0, 5.0) HABIT Near
        "Incidents of the whole route in the coming quarter hours of the day, within the nearest horizon, against its mean: a young target inherits the habits of its route.";
    RouteHoursFar "route_hours_far" "octaves" "half-life 28 days" (-5.0, 5.0) HABIT Far
        "The same for the farthest horizon.";
    RouteTimeOfDayNear "route_time_of_day_near" "octaves" "half-life 28 days" (-5.0, 5.0) HABIT Near
        "The same with soft edges, nearest horizon.";
    RouteTimeOfDayFar "route_time_of_day_far" "octaves" "half-life 28 days" (-5.0, 5.0) HABIT Far
        "The same with soft edges, farthest horizon.";
    RouteDayNear "route_recurs_daily_near" "share of days" "half-life 28 days" (0.0, 1.0) CHANCE Near
        "Days on which any target of the route failed at this time of day, within the nearest horizon (half-life 28 days): shared jobs, the observer's own.";
    RouteDayFar "route_recurs_daily_far" "share of days" "half-life 28 days" (0.0, 1.0) CHANCE Far
        "The same within the farthest horizon.";
    Domain8h "domain_incidents_8h" "log2(1 + 16 incidents per peer)" "half-life 8 hours" (0.0, 16.0) COUNT
        "Incidents of the other targets of the failure domain, per target, half-life 8 hours: they share a host, a zone or a provider.";
    DomainInIncident "domain_in_incident" "share of peers" "newest" (0.0, 1.0) SHARE
        "Other targets of the failure domain that are in an incident now.";
    DomainSinceIncident "domain_since_incident" "log2(1 + seconds)" "newest" (0.0, 30.0) TIME
        "Time since another target of the failure domain failed.";
    DomainDayNear "domain_recurs_daily_near" "share of days" "half-life 14 days" (0.0, 1.0) CHANCE Near
        "Days on which anything in the failure domain failed at this time of day, within the nearest horizon (half-life 14 days): nightly work of a host or provider.";
    DomainDayFar "domain_recurs_daily_far" "share of days" "half-life 14 days" (0.0, 1.0) CHANCE Far
        "The same within the farthest horizon.";
    FleetInIncident "fleet_in_incident" "share of targets" "newest" (0.0, 1.0) SHARE
        "Targets outside the route that are in an incident now.";
    WeightShare "weight_share" "share of baseline" "newest" (0.0, 100.0) WEIGHT
        "How much of its usual traffic we give it: a drained target shows fewer failures, a target that took over more.";
    SinceShift "since_shift" "log2(1 + seconds)" "newest" (0.0, 30.0) TIME
        "Time since we last changed its weight: our own doing explains what follows.";
    PlannedWork "planned_work" "0 none, 1 recent change, 2 maintenance" "third" (0.0, 2.0) STATE
        "A deploy, scaling or change of configuration within the third window, or maintenance under way: changes cause most incidents.";
    LogConnectivityRate "log_connectivity_rate" "log2(1 + lines per 1,000 requests or per third window)" "third" (0.0, 24.0) RATE
        "Log lines of connections refused, broken, timed out or not resolved, in the third window: what the target calls fails before the target does.";
    LogConnectivityTrend "log_connectivity_trend" "octaves" "third over fourth" (-12.0, 12.0) SHIFT
        "Those for each request, third window against the longest.";
    LogSaturationRate "log_saturation_rate" "log2(1 + lines per 1,000 requests or per third window)" "third" (0.0, 24.0) RATE
        "Log lines of pools, memory, disks and workers that are used up, in the third window: slow leaks write a line now and then for minutes.";
    LogSaturationTrend "log_saturation_trend" "octaves" "third over fourth" (-12.0, 12.0) SHIFT
        "Those for each request, third window against the longest: a few more than never is much.";
    LogLimitsRate "log_limits_rate" "log2(1 + lines per 1,000 requests or per third window)" "third" (0.0, 24.0) RATE
        "Log lines of rate and quota, in the third window: a provider warns before it refuses everything.";
    LogLimitsTrend "log_limits_trend" "octaves" "third over fourth" (-12.0, 12.0) SHIFT
        "Those for each request, third window against the longest: some clients run into limits all day.";
    LogConfigurationRate "log_configuration_rate" "log2(1 + lines per 1,000 requests or per third window)" "third" (0.0, 24.0) RATE
        "Log lines of configuration and certificates, in the third window: they fail at the next reload or handshake, not at once.";
    LogConfigurationTrend "log_configuration_trend" "octaves" "third over fourth" (-12.0, 12.0) SHIFT
        "Those for each request, third window against the longest.";
    LogInstancesRate "log_instances_rate" "log2(1 + lines per 1,000 requests or per third window)" "third" (0.0, 24.0) RATE
        "Log lines of instances that stop and of stores that lose replicas or their leader, in the third window: the rest carries the load until the next one goes.";
    LogInstancesTrend "log_instances_trend" "octaves" "third over fourth" (-12.0, 12.0) SHIFT
        "Those for each request, third window against the longest.";
    LogVolumeShift "log_volume_shift" "octaves" "third over fourth" (-12.0, 12.0) SHIFT
        "All log lines for each request, third window against the longest: below 0 a target falls silent while traffic goes on, above it has much to say.";
    LogNewShare "log_new_share" "share" "third" (0.0, 1.0) SHARE
        "New kinds of log line among the lines of the third window, drawn to the long-run share when few were seen: talkative targets write new ones every day.";
    LogMixShift "log_mix_shift" "Hellinger distance" "third against before" (0.0, 1.0) DISTANCE
        "How far the mix of log templates of the third window is from the one before it, whatever the lines say: a target whose errors no rule knows writes otherwise, too, when it fails.";
    LogBurst "log_burst" "octaves of variance over mean" "second" (-3.0, 20.0) DISPERSION
        "How unevenly log lines fall into the buckets of the second window: 0 is by chance, retries and crash loops write in bursts.";
    Incidents7d "incidents_7d" "log2(1 + 16 incidents)" "half-life 7 days" (0.0, 16.0) COUNT
        "Own incidents, fading with a half-life of 7 days: a bad week.";
    Incidents40d "incidents_40d" "log2(1 + 16 incidents)" "half-life 40 days" (0.0, 16.0) COUNT
        "The same with 40 days: some targets fail every month of their lives.";
    Route7d "route_incidents_7d" "log2(1 + 16 incidents per peer)" "half-life 7 days" (0.0, 16.0) COUNT
        "Incidents of the other targets of the route, per target, half-life 7 days: how often its kind fails.";
    Route40d "route_incidents_40d" "log2(1 + 16 incidents per peer)" "half-life 40 days" (0.0, 16.0) COUNT
        "The same with 40 days: what a young target is likely to be like.";
    Domain7d "domain_incidents_7d" "log2(1 + 16 incidents per peer)" "half-life 7 days" (0.0, 16.0) COUNT
        "Incidents of the other targets of the failure domain, per target, half-life 7 days: a host or provider in a bad week.";
    Domain40d "domain_incidents_40d" "log2(1 + 16 incidents per peer)" "half-life 40 days" (0.0, 16.0) COUNT
        "The same with 40 days: some hosts and providers are never sound.";
    FailureRarity "failure_rarity" "decades" "first, half-life second" (0.0, 12.0) DECADES
        "How rarely the share of failures of a first window was so unusual in this target's own past, by level, spread, range or time of day: 3 is once in a thousand. Fades with a half-life of the second window, so that a short oddity is not over at once.";
    LatencyRarity "latency_rarity" "decades" "first, half-life second" (0.0, 12.0) DECADES
        "The same of the mean log latency: a steady target that begins to sway, and a jittery one that does not.";
    RouteOnsets1h "route_onsets_1h" "log2(1 + 16 incidents)" "an hour" (0.0, 12.0) COUNT
        "Incidents that began on the route within an hour, this target's among them: a burst under way.";
    RouteOnsets6h "route_onsets_6h" "log2(1 + 16 incidents)" "6 hours" (0.0, 12.0) COUNT
        "The same within 6 hours.";
    RouteOnsets1d "route_onsets_1d" "log2(1 + 16 incidents)" "a day" (0.0, 12.0) COUNT
        "The same within a day.";
    RouteOnsets7d "route_onsets_7d" "log2(1 + 16 incidents)" "7 days" (0.0, 12.0) COUNT
        "The same within 7 days: a route that is sound, or one that never is.";
    DomainOnsets1h "domain_onsets_1h" "log2(1 + 16 incidents)" "an hour" (0.0, 12.0) COUNT
        "Incidents that began in the failure domain within an hour, this target's among them: what they share is going.";
    DomainOnsets6h "domain_onsets_6h" "log2(1 + 16 incidents)" "6 hours" (0.0, 12.0) COUNT
        "The same within 6 hours.";
    DomainOnsets1d "domain_onsets_1d" "log2(1 + 16 incidents)" "a day" (0.0, 12.0) COUNT
        "The same within a day.";
    DomainOnsets7d "domain_onsets_7d" "log2(1 + 16 incidents)" "7 days" (0.0, 12.0) COUNT
        "The same within 7 days: a host or provider that is sound, or one that never is.";
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_unique_and_edges_ascend_within_the_range() {
        let names: BTreeSet<_> = FEATURES.iter().map(|spec| spec.name).collect();
        assert_eq!(names.len(), FEATURES.len());
        for spec in FEATURES {
            assert!(spec.edges.is_sorted_by(|a, b| a < b), "{}", spec.name);
            assert!(spec.edges.iter().all(|edge| edge.is_finite()), "{}", spec.name);
            assert!(
                spec.range.0 < spec.range.1 && spec.why.ends_with('.'),
                "{}",
                spec.name
            );
        }
    }

    #[test]
    fn crosses_are_of_two_features_that_exist_each_pair_once() {
        let exists = |name: &str| FEATURES.iter().any(|spec| spec.name == name);
        let pairs: BTreeSet<_> = CROSSES.iter().map(|(a, b)| (a.min(b), a.max(b))).collect();
        assert_eq!(pairs.len(), CROSSES.len());
        assert!(CROSSES.iter().all(|(a, b)| a != b && exists(a) && exists(b)));
    }

    #[test]
    fn every_horizon_has_its_features_and_the_ends_not_those_of_each_other() {
        let of = |index, horizons| {
            FEATURES
                .iter()
                .filter(|spec| spec.is_for(index, horizons))
                .count()
        };
        let near = FEATURES
            .iter()
            .filter(|spec| spec.reach == Some(Reach::Near))
            .count();
        let far = FEATURES
            .iter()
            .filter(|spec| spec.reach == Some(Reach::Far))
            .count();
        assert!(near > 0 && far > 0);
        assert_eq!((of(0, 1), of(0, 3)), (FEATURES.len() - far, FEATURES.len() - far));
        assert_eq!((of(1, 3), of(2, 3)), (FEATURES.len(), FEATURES.len() - near));
    }

    #[test]
    fn every_value_has_a_bin_and_nan_has_its_own() {
        for spec in FEATURES {
            assert_eq!(spec.bin(f64::NAN), spec.bins() - 1);
            assert_eq!(spec.bin(f64::INFINITY), spec.bins() - 2);
            assert_eq!(spec.bin(f64::NEG_INFINITY), 0);
            for (index, edge) in spec.edges.iter().enumerate() {
                assert_eq!(spec.bin(*edge), index + 1, "an edge belongs to the bin above it");
            }
        }
    }

    /// Whoever changes names, units or edges makes every trained model useless. Append instead, and add a line here.
    #[test]
    fn the_schema_digests_are_stable() {
        let digests = [
            (
                68,
                "f6c804242744a2e251298a8eff8769c13b50bbdc88dc927f34017dcd8e262810",
            ),
            (
                82,
                "df627f96ea07029745457ada4a40a8c5348af4b6e7a168fcf3c68a2841ae6785",
            ),
            (
                88,
                "b4fa04e607521a3e4218950240b746246c338e00dc16dcd3766a8f1582ef1d8b",
            ),
            (
                90,
                "7c87e2ff257b971eb6d4b98094022a27a8145ea7d71970131031f8530d310d81",
            ),
            (
                98,
                "41279573a35f9abf1d0657264639412a7999e1280782dc054660bd6f5a2e3022",
            ),
        ];
        assert_eq!(digests[digests.len() - 1].0, FEATURES.len());
        for (features, digest) in digests {
            assert_eq!(schema_digest(features).to_string(), digest);
        }
    }

    #[test]
    fn the_table_in_the_docs_is_that_of_the_code() {
        let mut table = String::from(
            "# Features\n\nWindows are those of `timing.windows`; a window `over` another is their ratio.\n\n\
             | feature | unit | window | range | why |\n|---|---|---|---|---|\n",
        );
        for spec in FEATURES {
            let (low, high) = spec.range;
            table += &format!(
                "| `{}` | {} | {} | {low} to {high} | {} |\n",
                spec.name, spec.unit, spec.window, spec.why
            );
        }
        let kept = include_str!("../FEATURES.md");
        assert!(table == kept, "FEATURES.md is out of date; it must be:\n{table}");
    }
}
