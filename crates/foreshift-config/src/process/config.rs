//! The process configuration. The doc comments are what the JSON schema says to people.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use foreshift_domain::Duration;
use foreshift_domain::log::ErrorClass;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::origin::{HIDDEN, Origin};
use crate::text::{Address, Span, address, duration};

/// Process configuration of Foreshift: telemetry, listeners, storage. At least one of `kafka` and `receive` is needed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "foreshift.yaml")]
pub struct ProcessConfig {
    /// Kafka, where telemetry comes from and results go.
    #[serde(default)]
    pub kafka: Option<KafkaConfig>,
    /// Where gateways and collectors send telemetry to: Envoy's access log service over gRPC, and OTLP over gRPC and HTTP. `listen.tls` and `listen.peers_file` hold here too; without a file whoever reaches this address is believed.
    #[serde(default)]
    pub receive: Option<Listener>,
    /// Where `foreshift collect` writes what `receive` takes.
    #[serde(default)]
    pub collect: CollectConfig,
    /// How event time moves.
    #[serde(default)]
    pub time: TimeConfig,
    /// Where clients, operators and monitors connect.
    #[serde(default)]
    pub listen: ListenConfig,
    /// What Envoy is given over xDS, on the listeners of `listen`.
    #[serde(default)]
    pub xds: XdsConfig,
    /// Where HAProxy asks for weights with its `agent-check`. Whoever reaches this address reads the weights.
    #[serde(default)]
    pub haproxy: Option<Listener>,
    /// How log lines are read.
    #[serde(default)]
    pub logs: LogsConfig,
    /// What is kept on disk.
    #[serde(default)]
    pub storage: StorageConfig,
    /// The fallback configuration.
    #[serde(default = "crate::defaults::fallback_path")]
    pub fallback_path: PathBuf,
    /// The directory of a model, which then stays; without one, `models_path`, else the model that is built in.
    #[serde(default)]
    pub model_path: Option<PathBuf>,
    /// The directory of a registry of models, such as `models`: its champion serves, a promotion there swaps it, and its challenger is scored in the shadow. A drift alarm rolls back there. Without one, the model that is built in.
    #[serde(default)]
    pub models_path: Option<PathBuf>,
    /// How long a shutdown may take before it is cut short.
    #[serde(default = "crate::defaults::shutdown_deadline", with = "duration")]
    #[schemars(with = "Span")]
    pub shutdown_deadline: Duration,
}

/// Kafka.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct KafkaConfig {
    /// Brokers to start from, such as `kafka-1:9092`. At least one.
    #[schemars(schema_with = "brokers")]
    pub brokers: Vec<String>,
    /// How this process names itself to the brokers.
    #[schemars(extend("x-grammar" = "name"))]
    pub client_id: String,
    /// As a member of a consumer group, or by taking all partitions.
    pub consume: Consume,
    /// The consumer group.
    #[schemars(extend("x-grammar" = "name"))]
    pub group_id: String,
    /// Static membership: a name that this replica keeps over restarts, so that they do not rebalance the group.
    #[schemars(extend("x-grammar" = "name"))]
    pub group_instance_id: Option<String>,
    /// Where to begin on partitions of which no snapshot holds an offset.
    pub start_at: StartAt,
    /// What to read.
    #[schemars(length(min = 1, max = 1000))]
    pub topics: Vec<TopicConfig>,
    /// Where records go that cannot be decoded; `null` only counts them.
    #[schemars(extend("x-grammar" = "topic"))]
    pub dead_letter: Option<String>,
    /// Where results go; none by default.
    pub output: OutputTopics,
    /// Further properties of librdkafka, such as `fetch.queue.backoff.ms`, passed on as they are.
    pub properties: Properties,
}

fn brokers(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "array", "minItems": 1, "items": { "type": "string", "x-grammar": "broker" } })
}

/// How partitions come to this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Consume {
    /// The group's coordinator assigns them.
    Group,
    /// This process takes all partitions of all topics.
    Assign,
}

/// Where to begin without an offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StartAt {
    /// With the oldest record that the broker still has.
    Earliest,
    /// With what comes next.
    Latest,
}

/// A topic to read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TopicConfig {
    /// The topic's name.
    #[schemars(extend("x-grammar" = "topic"))]
    pub name: String,
    /// How its records are encoded.
    #[serde(default = "crate::defaults::topic_format")]
    pub format: TopicFormat,
    /// What its OTLP records are; required for `otlp_proto` and `otlp_json`, and not for the names that the OpenTelemetry collector uses.
    #[serde(default)]
    pub kind: Option<SignalKind>,
}

/// The encoding of a topic's records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TopicFormat {
    /// Seen from each record.
    Auto,
    /// OTLP, protobuf.
    OtlpProto,
    /// OTLP, JSON.
    OtlpJson,
    /// Envoy access logs, JSON.
    EnvoyJson,
    /// Messages of Envoy's gRPC access log, as `foreshift collect` writes them.
    EnvoyAls,
    /// Native signals, protobuf.
    NativeProto,
    /// Native signals, JSON.
    NativeJson,
}

/// What OTLP records are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SignalKind {
    /// Metrics.
    Metrics,
    /// Logs.
    Logs,
    /// Spans.
    Traces,
}

/// Topics that results are written to; `null` does not write them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct OutputTopics {
    /// The weights of each route, keyed by route; made to be compacted.
    #[schemars(extend("x-grammar" = "topic"))]
    pub weights: Option<String>,
    /// Every prediction.
    #[schemars(extend("x-grammar" = "topic"))]
    pub predictions: Option<String>,
    /// Decisions and operator commands.
    #[schemars(extend("x-grammar" = "topic"))]
    pub audit: Option<String>,
}

/// Topics of `foreshift collect`, one for each kind of telemetry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CollectConfig {
    /// Envoy's access logs; to be read as `envoy_als`.
    #[schemars(extend("x-grammar" = "topic"))]
    pub access_logs: String,
    /// OTLP metrics; to be read as `otlp_proto`, as are logs and traces.
    #[schemars(extend("x-grammar" = "topic"))]
    pub metrics: String,
    /// OTLP logs.
    #[schemars(extend("x-grammar" = "topic"))]
    pub logs: String,
    /// OTLP spans.
    #[schemars(extend("x-grammar" = "topic"))]
    pub traces: String,
}

/// Properties of librdkafka. Printing them hides passwords and keys.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Properties(BTreeMap<String, Property>);

/// The value of a property as it is written.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
enum Property {
    /// A switch.
    Switch(bool),
    /// A number.
    Number(i64),
    /// Anything else.
    Text(String),
}

impl Properties {
    /// Names and values as librdkafka takes them.
    pub fn iter(&self) -> impl Iterator<Item = (&str, String)> {
        self.0.iter().map(|(name, value)| {
            let value = match value {
                Property::Switch(value) => value.to_string(),
                Property::Number(value) => value.to_string(),
                Property::Text(value) => value.clone(),
            };
            (name.as_str(), value)
        })
    }

    /// The names of the properties.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

impl fmt::Debug for Properties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.iter().map(|(name, value)| {
            let value = if is_secret(name) { HIDDEN.to_owned() } else { value };
            (name.to_owned(), value)
        });
        f.debug_map().entries(shown).finish()
    }
}

/// Whether a property of librdkafka holds a password, a private key or a token.
fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let named = [
        "password",
        "secret",
        "token",
        "key.pem",
        "ssl_key",
        "oauthbearer.config",
        "assertion",
    ];
    named.into_iter().any(|word| name.contains(word))
}

/// Replaces the value of a secret by [`HIDDEN`].
pub(super) fn hide_secrets(origin: &mut Origin) {
    if let Some(name) = origin.path.strip_prefix("kafka.properties.")
        && is_secret(name)
    {
        origin.value = HIDDEN.into();
    }
}

/// Event time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TimeConfig {
    /// What drives expiry and staleness.
    pub clock: Clock,
    /// How late a signal may come and still count in its bucket.
    #[serde(with = "duration")]
    #[schemars(with = "Span")]
    pub lateness: Duration,
    /// Signals further ahead of the clock than this go to the dead-letter topic.
    #[serde(with = "duration")]
    #[schemars(with = "Span")]
    pub max_future: Duration,
    /// A partition that is silent for this long does not hold back the watermark.
    #[serde(with = "duration")]
    #[schemars(with = "Span")]
    pub idle_timeout: Duration,
}

/// What drives expiry and staleness.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Clock {
    /// The machine's clock: for live telemetry.
    Wall,
    /// Event time, the watermark plus the lateness: for recorded telemetry.
    Event,
}

/// Listeners, and whom they trust.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ListenConfig {
    /// Weights, predictions and the reports of gateways, over gRPC.
    pub grpc: Listener,
    /// The same and operator commands, over gRPC. On another address than loopback it needs `peers_file`.
    pub operator: Listener,
    /// Metrics and health over HTTP; `null` switches it off.
    pub http: Option<Listener>,
    /// Who may call the gRPC listeners and `receive`, a peer a line: `TOKEN NAME ROLES [SCOPE]` or `cert:SHA256 NAME ROLES [SCOPE]`. Without the file whoever reaches a listener may use it.
    pub peers_file: Option<PathBuf>,
    /// Encryption of the gRPC listeners and of `receive`; none without it.
    pub tls: Option<Tls>,
}

/// What Envoy is given over xDS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct XdsConfig {
    /// Name of the runtime layer of weights, and the first part of its keys: a weighted cluster reads `LAYER.ROUTE.TARGET` when its `runtime_key_prefix` is `LAYER.ROUTE`.
    #[schemars(extend("x-grammar" = "name"))]
    pub layer: String,
    /// An Envoy that hears nothing for so long is back at its configured weights. At least 1s.
    #[serde(with = "duration")]
    #[schemars(with = "Span")]
    pub ttl: Duration,
    /// Who is given which routes; all are given all without groups. A gateway is in the first group that has it, and is given nothing when none has.
    #[schemars(length(max = 64))]
    pub groups: Vec<XdsGroup>,
}

/// Envoys that are given the same routes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct XdsGroup {
    /// Its name, for people.
    #[schemars(extend("x-grammar" = "name"))]
    pub name: String,
    /// Who is in it, by Envoy's `node.id` or `node.cluster`; a `*` at the end stands for anything.
    #[schemars(schema_with = "patterns")]
    pub nodes: Vec<String>,
    /// The routes that they are given; a `*` at the end stands for anything.
    #[schemars(schema_with = "patterns")]
    pub routes: Vec<String>,
}

fn patterns(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "array", "minItems": 1, "maxItems": 1000, "items": { "type": "string", "x-grammar": "pattern" } })
}

/// A listener.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Listener {
    /// The address, such as `127.0.0.1:7400`.
    #[serde(with = "address")]
    #[schemars(with = "Address")]
    pub address: SocketAddr,
}

/// Certificates, each a PEM file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// The certificate of this process, with its chain.
    pub cert_file: PathBuf,
    /// Its private key.
    pub key_file: PathBuf,
    /// The authority of client certificates. With it, clients may show one that `peers_file` names.
    #[serde(default)]
    pub client_ca_file: Option<PathBuf>,
}

/// How log lines are read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LogsConfig {
    /// The class of templates that are taken for another one: by their id, as `foreshift explain` shows it, or by their text.
    #[schemars(schema_with = "classes")]
    pub classes: BTreeMap<String, ErrorClass>,
    /// A word that begins with one of these is masked behind it: `tenant-` makes `tenant-acme` `tenant-<masked>`. Reading gets slower with each.
    #[schemars(length(max = 16))]
    pub masks: Vec<String>,
    /// Whole lines of each template, scrubbed, for `foreshift explain` to show; none by default. They are held in memory only.
    pub samples: Option<SamplesConfig>,
    /// Templates held; when there are more, one that was not seen for long is forgotten.
    #[schemars(range(min = 100, max = 32_768))]
    pub max_templates: u32,
}

/// Whole lines of templates.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SamplesConfig {
    /// Lines of each template.
    #[schemars(range(min = 1, max = 10))]
    pub per_template: u8,
    /// How long a line is held.
    #[serde(default = "crate::defaults::sample_ttl", with = "duration")]
    #[schemars(with = "Span")]
    pub ttl: Duration,
}

fn classes(_: &mut SchemaGenerator) -> Schema {
    let names = ErrorClass::ALL.map(ErrorClass::as_str).to_vec();
    json_schema!({ "type": "object", "additionalProperties": { "type": "string", "enum": names } })
}

/// What is kept on disk.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct StorageConfig {
    /// The directory of snapshots, command log, epoch and journal. One process alone uses it.
    pub dir: PathBuf,
    /// Time between snapshots.
    #[serde(with = "duration")]
    #[schemars(with = "Span")]
    pub snapshot_interval: Duration,
    /// The journal of inputs.
    pub journal: JournalConfig,
}

/// The journal of inputs, from which every decision can be replayed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct JournalConfig {
    /// Whether inputs are recorded.
    pub enabled: bool,
    /// Segments older than this are deleted.
    #[serde(with = "duration")]
    #[schemars(with = "Span")]
    pub retention: Duration,
}

impl ProcessConfig {
    /// Makes relative paths start at a directory.
    pub(super) fn resolve_paths(&mut self, directory: &Path) {
        let mut paths = vec![&mut self.fallback_path, &mut self.storage.dir];
        paths.extend(
            [&mut self.model_path, &mut self.models_path]
                .into_iter()
                .flatten(),
        );
        let listen = &mut self.listen;
        paths.extend(&mut listen.peers_file);
        if let Some(tls) = &mut listen.tls {
            paths.extend([&mut tls.cert_file, &mut tls.key_file]);
            paths.extend(&mut tls.client_ca_file);
        }
        for path in paths {
            *path = directory.join(&*path);
        }
    }
}
