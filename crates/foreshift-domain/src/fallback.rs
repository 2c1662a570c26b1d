//! The fallback configuration as the engine uses it: complete, checked, with every default filled in.
//! `foreshift-config` reads it from YAML; the engine receives it as an input, so that replay sees every change.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::hash::Digest;
use crate::names::{FailureDomain, GaugeName, RouteName, TargetName};
use crate::time::Duration;

/// Critical systems, primaries and secondaries, rules and limits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fallback {
    /// SHA-256 of the file this came from; names the configuration in decisions.
    pub digest: Digest,
    /// Time scales of windows, ticks and predictions.
    pub timing: Timing,
    /// How the online model learns.
    pub learning: Learning,
    /// Features that are worked out from others, in the order of the file.
    #[serde(default)]
    pub features: Vec<DeclaredFeature>,
    /// Limits over all routes.
    pub fleet: FleetLimits,
    /// What to do with routes and targets that are not configured; `None` ignores them, and counts.
    pub discover: Option<Discover>,
    /// The configured routes, in the order of the file.
    pub routes: Vec<RouteConfig>,
    /// The configured targets, in the order of the file; every target of a route is here.
    pub targets: Vec<TargetConfig>,
    /// Clusters of Envoy that are told their endpoints, in the order of the file.
    #[serde(default)]
    pub eds: Vec<EdsCluster>,
}

/// Time scales.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Timing {
    /// Length of a bucket of event time.
    pub bucket: Duration,
    /// Time between prediction ticks, a multiple of `bucket`; ticks fall on multiples of it since the epoch.
    pub tick: Duration,
    /// How far ahead predictions look, ascending, one to four of them.
    pub horizons: Vec<Duration>,
    /// Time needed to act: incidents that begin within it are not predicted but seen.
    pub guard: Duration,
    /// Four window lengths of features, ascending.
    pub windows: [Duration; 4],
    /// After the end of an incident, for this long, ticks are neither learned from nor scored.
    pub cooldown: Duration,
    /// Telemetry older than this is stale: weights hold, then decay.
    pub staleness: Duration,
    /// A target silent for this long is forgotten. At least `staleness`.
    pub forget_after: Duration,
}

/// How the online model learns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Learning {
    /// Whether the model learns online.
    pub online: bool,
    /// How many rows of a target are kept for one length of a horizon, above zero; further ones are thinned by
    /// hash and weighted back, so that rows which wait for their label stay few.
    pub rows_per_horizon: f64,
    /// What is made of rows whose outcome our own action hid.
    #[serde(default)]
    pub hidden: HiddenRows,
}

/// What is made of a row whose outcome our own action hid. It is never a negative, and calibration never sees it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HiddenRows {
    /// Learned as positive and as negative, each with the probability that the model gave it.
    #[default]
    Both,
    /// Left out.
    Leave,
}

/// A feature that is declared in the configuration: an expression over features and gauges.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeclaredFeature {
    /// Its name, which no other feature has.
    pub name: String,
    /// How it is worked out.
    pub expression: String,
    /// What a 1 means.
    pub unit: String,
    /// Why it should tell something about the next incident.
    pub why: String,
    /// Ascending points of its scale, between which the online model interpolates; none takes a scale that suits
    /// most values around 0.
    pub knots: Vec<f64>,
}

/// Limits over all routes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FleetLimits {
    /// At most this many routes may begin a predictive shift within `blast_window`.
    pub max_routes_shifted: u32,
    /// Window of `max_routes_shifted`.
    pub blast_window: Duration,
    /// When more than this share of the targets alarm on predictions together, predictive shifts freeze.
    pub alarm_freeze_share: f64,
    /// Below this many targets `alarm_freeze_share` does not apply.
    pub alarm_freeze_min_targets: u32,
    /// The most targets followed; further ones are counted and refused.
    pub max_targets: u32,
    /// The most routes followed; further ones are counted and refused.
    pub max_routes: u32,
}

/// What to do with routes and targets that appear in signals but not in the configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Discover {
    /// Take the discovered, uniform baseline as confirmed. Only replay accepts it; live serving refuses it.
    pub confirm_baselines: bool,
    /// Where the failure domain of a discovered target comes from.
    pub failure_domain: DomainSource,
    /// Settings by name of route, the first match wins; what matches none is followed and predicted, with mode off.
    pub rules: Vec<DiscoverRule>,
}

/// Where the failure domain of a discovered target comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DomainSource {
    /// It has none.
    None,
    /// The registrable part of its endpoint's host name (its last two labels).
    Endpoint,
}

/// Settings of discovered routes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DiscoverRule {
    /// A route's name; a `*` at its end stands for anything.
    pub pattern: String,
    /// Settings of such routes; without confirmation the mode is at most shadow.
    pub settings: RouteSettings,
}

/// A route as configured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RouteConfig {
    /// Its name.
    pub name: RouteName,
    /// Its targets, primaries and secondaries in the order in which they are used.
    pub targets: Vec<RouteTarget>,
    /// The rest.
    pub settings: RouteSettings,
}

/// A target of a route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteTarget {
    /// Its name.
    pub target: TargetName,
    /// Primary or secondary.
    pub role: Role,
    /// Its share at rest in basis points; over a route they sum to 10,000.
    pub baseline_bp: u32,
}

/// What a target is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Serves at rest.
    Primary,
    /// Takes over.
    Secondary,
}

/// What a route allows and wants.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RouteSettings {
    /// How much its failure matters.
    pub criticality: Criticality,
    /// What may be done without asking.
    pub mode: Mode,
    /// What counts as an incident.
    pub slo: Slo,
    /// When to act.
    pub triggers: Triggers,
    /// How far to act.
    pub limits: Limits,
}

/// How much a route's failure matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Criticality {
    /// Nobody waits for it.
    Low,
    /// Users notice.
    Normal,
    /// The business stops.
    Critical,
}

/// What may be done without asking. Only a person raises it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Predict only.
    Off,
    /// Plan, record, publish the baseline.
    Shadow,
    /// As shadow, and ask people to apply it.
    Recommend,
    /// Publish the plan.
    Auto,
}

/// What counts as an incident of a target on a route.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Slo {
    /// An incident: at least this share of requests fails, in (0, 1].
    pub error_ratio: f64,
    /// An incident: the 99th percentile of latency is above this.
    pub latency_p99: Option<Duration>,
    /// Over how long both are looked at.
    pub window: Duration,
    /// With fewer requests in the window neither is judged.
    pub min_requests: u32,
}

/// When to act.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Triggers {
    /// On a prediction; `None` acts on reactive rules alone.
    pub risk: Option<RiskTrigger>,
    /// Hard-down after this many errors since the newest success, 0 to switch off.
    pub consecutive_errors: u32,
    /// Down when at least this share of requests fails, in (0, 1].
    pub error_ratio: f64,
    /// Degraded when the 99th percentile of latency is above this.
    pub latency_p99: Option<Duration>,
    /// Window of the two above.
    pub window: Duration,
    /// With fewer requests in the window the two above are not judged.
    pub min_requests: u32,
    /// A target that was down counts as up again after it has been well for this long.
    pub recover_after: Duration,
}

/// When and how strongly to act on a prediction. Probabilities, `exit < enter <= full`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RiskTrigger {
    /// Which horizon to look at; one of `timing.horizons`.
    pub horizon: Duration,
    /// An alarm begins at this probability.
    pub enter: f64,
    /// An alarm ends below this probability.
    pub exit: f64,
    /// From this probability on the target goes down to the floor; between `exit` and here the share falls linearly.
    pub full: f64,
    /// False alarms a day that each target may have. Where it is set, an alarm begins at whatever probability keeps them
    /// at this, `enter` at first; `exit` and `full` keep their distance from it in log-odds.
    pub budget_per_day: Option<f64>,
}

/// How far to act.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Limits {
    /// On a prediction alone a target keeps at least this share of its baseline, in basis points of the baseline.
    pub floor_bp: u32,
    /// On predictions alone at most this much of the route moves away from baseline, in basis points of the route.
    pub max_predictive_shift_bp: u32,
    /// A weight changes at most this fast, in basis points a second.
    pub max_step_bp_per_s: u32,
    /// The same, when a target is hard-down.
    pub max_hard_down_step_bp_per_s: u32,
    /// After a change of direction, the next one waits this long; a hard-down does not wait.
    pub min_dwell: Duration,
    /// Past this many changes of direction an hour the route freezes.
    pub max_flips_per_hour: u32,
    /// No target is given more than this times its capacity, in (0, 1].
    pub headroom: f64,
    /// A plan that is not renewed is valid for this long.
    pub valid_for: Duration,
    /// With no valid plan or stale telemetry, weights walk back to baseline within this time after the hold.
    pub decay: Duration,
    /// Of so many in 10,000 alarm episodes nothing is done on the prediction, so that what comes of it is seen; 0
    /// acts on all. Never above 0 on a critical route.
    #[serde(default)]
    pub held_out_bp: u32,
    /// What the route must have seen before predictions move its traffic in mode auto; `None`: nothing. Reactive rules
    /// act from the start, and a person who sets the mode by a command takes it upon himself.
    #[serde(default)]
    pub auto_after: Option<AutoAfter>,
}

/// What a route must have seen before predictions move its traffic in mode auto.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct AutoAfter {
    /// So many alarms whose outcome is known, on the route itself, while predictions moved nothing.
    pub alarms: u32,
    /// At least this share of them was followed by an incident within the horizon, 0 to 1. `None`: half of what the
    /// threshold in force promises.
    pub precision: Option<f64>,
}

/// A target as configured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TargetConfig {
    /// Its name.
    pub name: TargetName,
    /// What it can serve; `None` is learned from what it served within the SLO. A secondary must declare it.
    pub capacity: Option<Capacity>,
    /// What it fails together with.
    pub failure_domain: Option<FailureDomain>,
    /// What must be in sync before it may receive shifted traffic.
    pub sync: Option<SyncRequirement>,
    /// Which telemetry it is known by.
    pub telemetry: TelemetryMapping,
}

/// What a target can serve.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Capacity {
    /// The amount, above zero.
    pub amount: f64,
    /// Of what.
    pub unit: CapacityUnit,
}

/// The unit of a capacity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CapacityUnit {
    /// Requests a second.
    RequestsPerSecond,
    /// Requests at the same time; needs the gauge `in_flight`.
    ConcurrentRequests,
    /// Tokens a minute; needs the gauge `tokens_per_minute`.
    TokensPerMinute,
}

/// What must be in sync before a target may receive shifted traffic.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SyncRequirement {
    /// The gauge of the lag.
    pub gauge: GaugeName,
    /// The largest lag at which the target may receive shifted traffic, in the gauge's unit.
    pub max: f64,
    /// A lag seen longer ago than this is unknown.
    pub max_age: Duration,
}

/// A cluster of Envoy whose endpoints are the targets of one route: they go to it with their weights (EDS).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EdsCluster {
    /// Its name, or its `service_name`.
    pub name: String,
    /// The route, which has no other cluster.
    pub route: RouteName,
    /// Whether secondaries are of a lower priority: they serve when no primary can, whatever their weights.
    pub strict_priorities: bool,
    /// The targets of the route, in the order of the file.
    pub targets: Vec<EdsTarget>,
}

/// A target whose endpoints a cluster has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EdsTarget {
    /// Its name.
    pub target: TargetName,
    /// Primary or secondary.
    pub role: Role,
    /// Its share at rest in basis points; over a cluster they sum to 10,000.
    pub baseline_bp: u32,
    /// Its endpoints, at least one; no two targets share one.
    pub endpoints: Vec<SocketAddr>,
}

/// How telemetry names the target.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TelemetryMapping {
    /// Names by which telemetry knows the target, besides its own: Envoy clusters, OTLP service or peer names.
    pub names: Vec<String>,
    /// The one source whose request outcomes count; those of others are counted as duplicates and dropped.
    pub outcomes_from: Option<OutcomeSource>,
}

/// A kind of telemetry that carries request outcomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutcomeSource {
    /// The native signals.
    Native,
    /// Envoy access logs.
    EnvoyAccessLog,
    /// OTLP metrics.
    OtlpMetrics,
    /// OTLP spans.
    OtlpSpans,
    /// Envoy's load reports. They know neither latency nor a 429 from a success, and whoever sends them usually sends
    /// access logs too: their outcomes count only where they are asked for.
    EnvoyLoadReport,
}

impl Fallback {
    /// The configured route of that name.
    pub fn route(&self, name: &RouteName) -> Option<&RouteConfig> {
        self.routes.iter().find(|route| &route.name == name)
    }

    /// The configured target of that name.
    pub fn target(&self, name: &TargetName) -> Option<&TargetConfig> {
        self.targets.iter().find(|target| &target.name == name)
    }
}

impl DiscoverRule {
    /// Whether the rule is for this route.
    pub fn matches(&self, route: &RouteName) -> bool {
        match self.pattern.strip_suffix('*') {
            Some(prefix) => route.as_str().starts_with(prefix),
            None => route.as_str() == self.pattern,
        }
    }
}
