//! `fallback.yaml` as it is written. The doc comments are what the JSON schema says to people.

use foreshift_domain::fallback::{
    CapacityUnit, Criticality, DomainSource, HiddenRows, Mode, OutcomeSource, Role,
};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::text::{CapacityText, EndpointText, Share, Span};

/// Fallback configuration of Foreshift: routes, their targets, when and how far to act.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(title = "fallback.yaml")]
pub(crate) struct FallbackFile {
    /// Time scales of windows, ticks and predictions.
    pub(crate) timing: TimingFile,
    /// How the online model learns.
    pub(crate) learning: LearningFile,
    /// Features that are worked out from others, for models that are trained or begin fresh with them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) features: Vec<FeatureFile>,
    /// Limits over all routes.
    pub(crate) fleet: FleetFile,
    /// Follow routes and targets that appear in signals but not here: `true`, or a section. Without it they are ignored and counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) discover: Option<DiscoverSetting>,
    /// Settings that every route and every rule of `discover` starts from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) defaults: Option<SettingsFile>,
    /// The routes.
    pub(crate) routes: Vec<RouteFile>,
}

/// Time scales.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct TimingFile {
    /// Length of a bucket of event time.
    pub(crate) bucket: Span,
    /// Time between prediction ticks, a multiple of `bucket`.
    pub(crate) tick: Span,
    /// How far ahead predictions look: one to four spans, ascending.
    #[schemars(length(min = 1, max = 4))]
    pub(crate) horizons: Vec<Span>,
    /// Time needed to act: what begins within it is not predicted but seen. Below every horizon.
    pub(crate) guard: Span,
    /// Four lengths of windows of features, ascending, multiples of `bucket`.
    pub(crate) windows: [Span; 4],
    /// After an incident, for this long, ticks are neither learned from nor scored.
    pub(crate) cooldown: Span,
    /// Telemetry older than this is stale: weights hold, then decay.
    pub(crate) staleness: Span,
    /// A target silent for this long is forgotten. At least `staleness`.
    pub(crate) forget_after: Span,
}

/// How the online model learns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct LearningFile {
    /// Whether the model learns online.
    pub(crate) online: bool,
    /// How many rows of a target are kept for one length of a horizon, above 0; further ones are thinned and weighted back.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub(crate) rows_per_horizon: f64,
    /// What is made of rows whose outcome our own action hid.
    #[schemars(schema_with = "hidden_words")]
    pub(crate) hidden: HiddenRows,
}

/// A declared feature.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FeatureFile {
    /// Its name: lower-case letters, digits and `_`; no other feature has it.
    pub(crate) name: String,
    /// How it is worked out, such as `failure_trend * max(latency_z, 0)` or `gauge('queue', mean_fast)`. It may read the features of `foreshift-lab features` and those declared before it.
    pub(crate) expression: String,
    /// What a 1 means.
    #[serde(default)]
    pub(crate) unit: String,
    /// Why it should tell something about the next incident.
    #[serde(default)]
    pub(crate) why: String,
    /// Points of its scale, ascending, between which the online model interpolates. Without any: from -100 to 100, fine around 0.
    #[serde(default)]
    pub(crate) knots: Vec<f64>,
}

/// Limits over all routes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct FleetFile {
    /// At most this many routes may begin a predictive shift within `blast_window`.
    pub(crate) max_routes_shifted: u32,
    /// Window of `max_routes_shifted`.
    pub(crate) blast_window: Span,
    /// When more than this share of the targets alarm on predictions together, predictive shifts freeze. Above 0 and at most 1.
    #[schemars(range(max = 1.0), extend("exclusiveMinimum" = 0))]
    pub(crate) alarm_freeze_share: f64,
    /// Below this many targets `alarm_freeze_share` does not apply.
    #[schemars(range(min = 1))]
    pub(crate) alarm_freeze_min_targets: u32,
    /// The most targets followed; further ones are counted and refused.
    #[schemars(range(min = 1, max = 10_000_000))]
    pub(crate) max_targets: u32,
    /// The most routes followed; further ones are counted and refused.
    #[schemars(range(min = 1, max = 10_000_000))]
    pub(crate) max_routes: u32,
}

/// `discover: true`, or the section.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum DiscoverSetting {
    /// On or off.
    Switch(bool),
    /// On, with settings.
    Section(DiscoverFile),
}

/// What to do with routes and targets that appear in signals but not in the file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct DiscoverFile {
    /// Take the discovered, uniform baselines as confirmed. Only replay accepts it; live serving refuses it.
    pub(crate) confirm_baselines: bool,
    /// Where the failure domain of a discovered target comes from.
    #[schemars(schema_with = "domain_source_words")]
    pub(crate) failure_domain: DomainSource,
    /// Settings by name of route; the first match wins. What matches none is predicted, with mode `off`.
    pub(crate) rules: Vec<RuleFile>,
}

/// Settings of discovered routes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RuleFile {
    /// A route's name; a `*` at its end stands for anything.
    #[schemars(extend("x-grammar" = "pattern"))]
    pub(crate) pattern: String,
    /// How much the routes' failure matters.
    #[serde(default = "crate::defaults::criticality")]
    #[schemars(schema_with = "criticality_words")]
    pub(crate) criticality: Criticality,
    /// What may be done without asking.
    #[serde(default = "crate::defaults::mode")]
    #[schemars(schema_with = "mode_words")]
    pub(crate) mode: Mode,
    /// What counts as an incident.
    #[serde(default)]
    pub(crate) slo: SloFile,
    /// When to act.
    #[serde(default)]
    pub(crate) triggers: TriggersFile,
    /// How far to act.
    #[serde(default)]
    pub(crate) limits: LimitsFile,
}

/// A route.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RouteFile {
    /// The route's name, unique in the file.
    #[schemars(extend("x-grammar" = "name"))]
    pub(crate) name: String,
    /// How much its failure matters.
    #[serde(default = "crate::defaults::criticality")]
    #[schemars(schema_with = "criticality_words")]
    pub(crate) criticality: Criticality,
    /// What may be done without asking.
    #[serde(default = "crate::defaults::mode")]
    #[schemars(schema_with = "mode_words")]
    pub(crate) mode: Mode,
    /// What counts as an incident.
    #[serde(default)]
    pub(crate) slo: SloFile,
    /// When to act.
    #[serde(default)]
    pub(crate) triggers: TriggersFile,
    /// How far to act.
    #[serde(default)]
    pub(crate) limits: LimitsFile,
    /// The Envoy cluster whose endpoints the route's targets are, where it is one cluster: weights go to it with its endpoints.
    #[serde(default)]
    pub(crate) eds: Option<EdsFile>,
    /// Its targets, primaries and secondaries, in the order in which they are used.
    #[schemars(length(min = 1, max = 1000))]
    pub(crate) targets: Vec<TargetFile>,
}

/// An Envoy cluster that takes its endpoints from Foreshift (EDS).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EdsFile {
    /// Its name, or its `service_name`. It belongs to one route.
    #[schemars(extend("x-grammar" = "name"))]
    pub(crate) cluster: String,
    /// Whether secondaries are of a lower priority: they serve when no primary can, whatever the weights say.
    #[serde(default)]
    pub(crate) strict_priorities: bool,
}

/// The settings that `defaults` may hold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct SettingsFile {
    /// How much a route's failure matters.
    #[schemars(schema_with = "criticality_words")]
    pub(crate) criticality: Criticality,
    /// What may be done without asking.
    #[schemars(schema_with = "mode_words")]
    pub(crate) mode: Mode,
    /// What counts as an incident.
    pub(crate) slo: SloFile,
    /// When to act.
    pub(crate) triggers: TriggersFile,
    /// How far to act.
    pub(crate) limits: LimitsFile,
}

/// A target of a route. What concerns the target itself (capacity, failure domain, sync, telemetry) may be
/// written on any one of the routes that share it; where several write it, they must agree.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TargetFile {
    /// The target's name, the same on every route that shares it.
    #[schemars(extend("x-grammar" = "name"))]
    pub(crate) name: String,
    /// `primary` serves at rest, `secondary` takes over.
    #[schemars(schema_with = "role_words")]
    pub(crate) role: Role,
    /// Its share at rest, such as `70%`. Over a route the shares sum to 100%. A secondary has none if nothing is written, a lone primary all that is left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) baseline: Option<Share>,
    /// The same in basis points, 0 to 10,000; instead of `baseline`.
    #[serde(default)]
    #[schemars(range(max = 10_000))]
    pub(crate) baseline_bp: Option<u32>,
    /// Its endpoints, each an IP address with a port; needed where the route has `eds`. Telemetry knows the target by them too.
    #[serde(default)]
    #[schemars(length(max = 1000))]
    pub(crate) endpoints: Vec<EndpointText>,
    /// What it can serve, such as `500 rps`, `64 concurrent` or `200000 tpm`. A secondary must declare it; of others it is learned.
    #[serde(default)]
    pub(crate) capacity: Option<CapacitySetting>,
    /// What it fails together with: a host, zone, region or provider.
    #[serde(default)]
    #[schemars(extend("x-grammar" = "name"))]
    pub(crate) failure_domain: Option<String>,
    /// What must be in sync before it may receive shifted traffic.
    #[serde(default)]
    pub(crate) sync: Option<SyncFile>,
    /// How telemetry names it.
    #[serde(default)]
    pub(crate) telemetry: Option<TelemetryFile>,
}

/// A capacity, in one text or in parts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum CapacitySetting {
    /// Such as `500 rps`.
    Text(CapacityText),
    /// An amount and its unit.
    Parts(CapacityFile),
}

/// A capacity in parts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CapacityFile {
    /// The amount, above zero.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub(crate) amount: f64,
    /// Of what.
    #[schemars(schema_with = "unit_words")]
    pub(crate) unit: CapacityUnit,
}

/// What must be in sync before a target may receive shifted traffic.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SyncFile {
    /// The gauge of the lag.
    #[schemars(extend("x-grammar" = "name"))]
    pub(crate) gauge: String,
    /// The largest lag at which it may receive shifted traffic, in the gauge's unit.
    pub(crate) max: f64,
    /// A lag seen longer ago than this is unknown.
    #[serde(default = "crate::defaults::sync_max_age")]
    pub(crate) max_age: Span,
}

/// How telemetry names a target.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct TelemetryFile {
    /// Names besides its own: Envoy clusters, OTLP service or peer names. Each belongs to one target.
    #[schemars(schema_with = "names")]
    pub(crate) names: Vec<String>,
    /// The one source whose request outcomes count, so that nothing counts twice.
    #[schemars(schema_with = "outcome_source_words")]
    pub(crate) outcomes_from: Option<OutcomeSource>,
}

/// What counts as an incident.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct SloFile {
    /// An incident: at least this share of requests fails. Above 0 and at most 1.
    #[schemars(range(max = 1.0), extend("exclusiveMinimum" = 0))]
    pub(crate) error_ratio: f64,
    /// An incident: the 99th percentile of latency is above this; `off` does not look at latency.
    pub(crate) latency_p99: OffOr<Span>,
    /// Over how long both are looked at. At least a bucket.
    pub(crate) window: Span,
    /// With fewer requests in the window neither is judged.
    #[schemars(range(min = 1))]
    pub(crate) min_requests: u32,
}

/// When to act.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct TriggersFile {
    /// On a prediction; `off` acts on the reactive rules alone.
    pub(crate) risk: OffOr<RiskFile>,
    /// Hard-down after this many errors since the newest success; 0 switches the rule off.
    pub(crate) consecutive_errors: u32,
    /// Down when at least this share of requests fails. Above 0 and at most 1.
    #[schemars(range(max = 1.0), extend("exclusiveMinimum" = 0))]
    pub(crate) error_ratio: f64,
    /// Degraded when the 99th percentile of latency is above this; `off` does not look at latency.
    pub(crate) latency_p99: OffOr<Span>,
    /// Window of the two above. At least a bucket.
    pub(crate) window: Span,
    /// With fewer requests in the window the two above are not judged.
    #[schemars(range(min = 1))]
    pub(crate) min_requests: u32,
    /// A target that was down counts as up again after it has been well for this long.
    pub(crate) recover_after: Span,
}

/// When and how strongly to act on a prediction: `exit` < `enter` <= `full`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RiskFile {
    /// Which horizon to look at, one of `timing.horizons`.
    pub(crate) horizon: Span,
    /// An alarm begins at this probability.
    #[schemars(range(max = 1.0), extend("exclusiveMinimum" = 0))]
    pub(crate) enter: f64,
    /// An alarm ends below this probability.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub(crate) exit: f64,
    /// From this probability on the target goes down to the floor.
    #[schemars(range(max = 1.0), extend("exclusiveMinimum" = 0))]
    pub(crate) full: f64,
    /// False alarms a day that each target may have, above 0: an alarm then begins at whatever probability keeps them
    /// at this, beginning with `enter`, and `exit` and `full` keep their distance from it in log-odds. `off` holds to
    /// the probabilities above.
    pub(crate) budget_per_day: OffOr<f64>,
}

/// How far to act.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct LimitsFile {
    /// On a prediction alone a target keeps at least this share of its baseline, in basis points of the baseline, 1 to 10,000.
    #[schemars(range(min = 1, max = 10_000))]
    pub(crate) floor_bp: u32,
    /// On predictions alone at most this much of the route moves away from baseline, in basis points of the route.
    #[schemars(range(max = 10_000))]
    pub(crate) max_predictive_shift_bp: u32,
    /// A weight changes at most this fast, in basis points a second.
    #[schemars(range(min = 1))]
    pub(crate) max_step_bp_per_s: u32,
    /// The same, when a target is hard-down; at least `max_step_bp_per_s`.
    #[schemars(range(min = 1))]
    pub(crate) max_hard_down_step_bp_per_s: u32,
    /// After a change of direction, the next one waits this long; a hard-down does not wait.
    pub(crate) min_dwell: Span,
    /// Past this many changes of direction an hour the route freezes.
    #[schemars(range(min = 1))]
    pub(crate) max_flips_per_hour: u32,
    /// No target is given more than this times its capacity. Above 0 and at most 1.
    #[schemars(range(max = 1.0), extend("exclusiveMinimum" = 0))]
    pub(crate) headroom: f64,
    /// A plan that is not renewed is valid for this long. At least a tick.
    pub(crate) valid_for: Span,
    /// With no valid plan or with stale telemetry, weights walk back to baseline within this time after the hold.
    pub(crate) decay: Span,
    /// Of so many in 10,000 alarm episodes nothing is done on the prediction, so that what comes of it is seen and learned from; reactive rules still act. 0 acts on all. At most 5,000, and 0 on critical routes.
    #[schemars(range(max = 5_000))]
    pub(crate) held_out_bp: u32,
    /// In mode auto, predictions move the traffic of the route only after it has seen so many alarms come true or not; reactive rules act from the start. `off` acts on predictions at once, as `foreshift mode ROUTE auto` does.
    pub(crate) auto_after: OffOr<AutoAfterFile>,
}

/// What a route must have seen before predictions move its traffic.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct AutoAfterFile {
    /// So many alarms of the route whose outcome is known.
    #[schemars(range(min = 1))]
    pub(crate) alarms: u32,
    /// At least this share of them was followed by an incident within the horizon. By default half of what the threshold in force promises: `triggers.risk.enter`, or the one that keeps `budget_per_day`.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub(crate) precision: Option<f64>,
}

/// `off`, or a value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum OffOr<T> {
    /// Switched off.
    Off(Off),
    /// On, with this value.
    On(T),
}

/// The word `off`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Off {
    /// Switched off.
    Off,
}

impl<T> OffOr<T> {
    pub(crate) const OFF: Self = Self::Off(Off::Off);

    pub(crate) fn on(&self) -> Option<&T> {
        match self {
            Self::Off(_) => None,
            Self::On(value) => Some(value),
        }
    }
}

/// A schema that allows the words of an enum of the domain.
fn words<T: Serialize>(about: &str, all: &[(T, &str)]) -> Schema {
    let branches: Vec<_> = all
        .iter()
        .map(|(word, meaning)| serde_json::json!({ "type": "string", "const": word, "description": meaning }))
        .collect();
    json_schema!({ "description": about, "oneOf": branches })
}

fn names(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "array", "items": { "type": "string", "x-grammar": "name" } })
}

fn criticality_words(_: &mut SchemaGenerator) -> Schema {
    words(
        "How much a route's failure matters.",
        &[
            (Criticality::Low, "Nobody waits for it."),
            (Criticality::Normal, "Users notice."),
            (Criticality::Critical, "The business stops."),
        ],
    )
}

fn hidden_words(_: &mut SchemaGenerator) -> Schema {
    words(
        "What is made of rows whose outcome our own action hid. They are never plain negatives.",
        &[
            (
                HiddenRows::Both,
                "Learned as positive and as negative, each with the probability that the model gave it.",
            ),
            (HiddenRows::Leave, "Left out."),
        ],
    )
}

fn mode_words(_: &mut SchemaGenerator) -> Schema {
    words(
        "What may be done without asking.",
        &[
            (Mode::Off, "Predict only."),
            (Mode::Shadow, "Plan, record, publish the baseline."),
            (Mode::Recommend, "As shadow, and ask people to apply it."),
            (Mode::Auto, "Publish the plan."),
        ],
    )
}

fn role_words(_: &mut SchemaGenerator) -> Schema {
    words(
        "What a target is for.",
        &[
            (Role::Primary, "Serves at rest."),
            (Role::Secondary, "Takes over."),
        ],
    )
}

fn unit_words(_: &mut SchemaGenerator) -> Schema {
    words(
        "The unit of a capacity.",
        &[
            (CapacityUnit::RequestsPerSecond, "Requests a second (`rps`)."),
            (
                CapacityUnit::ConcurrentRequests,
                "Requests at the same time (`concurrent`); needs the gauge `in_flight`.",
            ),
            (
                CapacityUnit::TokensPerMinute,
                "Tokens a minute (`tpm`); needs the gauge `tokens_per_minute`.",
            ),
        ],
    )
}

fn domain_source_words(_: &mut SchemaGenerator) -> Schema {
    words(
        "Where the failure domain of a discovered target comes from.",
        &[
            (DomainSource::None, "It has none."),
            (
                DomainSource::Endpoint,
                "The last two labels of its endpoint's host name.",
            ),
        ],
    )
}

fn outcome_source_words(_: &mut SchemaGenerator) -> Schema {
    words(
        "A kind of telemetry that carries request outcomes.",
        &[
            (OutcomeSource::Native, "The native signals."),
            (OutcomeSource::EnvoyAccessLog, "Envoy access logs."),
            (OutcomeSource::OtlpMetrics, "OTLP metrics."),
            (OutcomeSource::OtlpSpans, "OTLP spans."),
            (
                OutcomeSource::EnvoyLoadReport,
                "Envoy's load reports; their outcomes count only where they are named here.",
            ),
        ],
    )
}
