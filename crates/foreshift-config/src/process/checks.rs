//! What no schema can say about the process configuration.

use std::collections::{BTreeMap, BTreeSet};

use foreshift_domain::Duration;

use super::config::{
    CollectConfig, Consume, KafkaConfig, Listener, ProcessConfig, SignalKind, TopicConfig, TopicFormat,
};
use crate::report::Report;
use crate::tree::At;

/// Properties of librdkafka that are Foreshift's own, and what to set instead.
const RESERVED: [(&str, &str); 12] = [
    ("bootstrap.servers", "set kafka.brokers"),
    ("metadata.broker.list", "set kafka.brokers"),
    ("client.id", "set kafka.client_id"),
    ("group.id", "set kafka.group_id"),
    ("group.instance.id", "set kafka.group_instance_id"),
    ("group.protocol", "the classic protocol is the one in use"),
    (
        "partition.assignment.strategy",
        "cooperative-sticky is the one in use",
    ),
    ("auto.offset.reset", "set kafka.start_at"),
    (
        "enable.auto.commit",
        "offsets live in snapshots, never in the group",
    ),
    (
        "auto.commit.enable",
        "offsets live in snapshots, never in the group",
    ),
    (
        "enable.auto.offset.store",
        "offsets live in snapshots, never in the group",
    ),
    ("enable.partition.eof", "Foreshift sets it"),
];

/// Topics that the OpenTelemetry collector's Kafka exporter writes by default, and what they hold.
const COLLECTOR_TOPICS: [(&str, SignalKind); 3] = [
    ("otlp_metrics", SignalKind::Metrics),
    ("otlp_logs", SignalKind::Logs),
    ("otlp_spans", SignalKind::Traces),
];

/// A third of it is as late as a renewal may come on a machine that is busy.
const MIN_XDS_TTL: Duration = Duration::from_secs(1);

pub(super) fn process(config: &ProcessConfig, report: &mut Report<'_>) {
    let root = At::default();
    report.require(
        config.kafka.is_some() || config.receive.is_some(),
        &root,
        "neither `kafka` nor `receive` is there: no telemetry would come in",
        "write `kafka: {brokers: [kafka-1:9092]}`, or `receive: {address: '127.0.0.1:7403'}` for gateways to send to, \
         or both",
    );
    if let Some(config) = &config.kafka {
        kafka(config, &root.key("kafka"), report);
    }
    let time = root.key("time");
    positive(config.time.max_future, &time.key("max_future"), report);
    positive(config.time.idle_timeout, &time.key("idle_timeout"), report);
    report.require(
        config.xds.ttl >= MIN_XDS_TTL,
        &root.key("xds").key("ttl"),
        "is too short: it is renewed three times in its life, and a renewal that comes late would let weights flap",
        "write 1s or more, such as 30s",
    );
    if let Some(samples) = &config.logs.samples {
        let at = root.key("logs").key("samples");
        positive(samples.ttl, &at.key("ttl"), report);
    }
    let storage = root.key("storage");
    positive(
        config.storage.snapshot_interval,
        &storage.key("snapshot_interval"),
        report,
    );
    positive(
        config.storage.journal.retention,
        &storage.key("journal").key("retention"),
        report,
    );
    positive(config.shutdown_deadline, &root.key("shutdown_deadline"), report);
    report.require(
        !config.storage.dir.as_os_str().is_empty(),
        &storage.key("dir"),
        "may not be empty",
        "name a directory that this process alone uses",
    );
    collect(&config.collect, &root.key("collect"), report);
    listeners(config, &root, report);
}

fn collect(collect: &CollectConfig, at: &At, report: &mut Report<'_>) {
    let mut seen = BTreeSet::new();
    for (topic, key) in [
        (&collect.access_logs, "access_logs"),
        (&collect.metrics, "metrics"),
        (&collect.logs, "logs"),
        (&collect.traces, "traces"),
    ] {
        report.require(
            seen.insert(topic),
            &at.key(key),
            format!("the topic `{topic}` is written for another kind already"),
            "records do not say what they are: give each kind a topic of its own",
        );
    }
}

fn kafka(kafka: &KafkaConfig, at: &At, report: &mut Report<'_>) {
    report.require(
        !kafka.brokers.is_empty(),
        &at.key("brokers"),
        "`brokers` is missing",
        "write `brokers: [kafka-1:9092]`, or set FORESHIFT__KAFKA__BROKERS",
    );
    report.require(
        kafka.consume == Consume::Group || kafka.group_instance_id.is_none(),
        &at.key("group_instance_id"),
        "has no meaning with `consume: assign`",
        "remove it, or use `consume: group`",
    );
    for name in kafka.properties.names() {
        if let Some((_, instead)) = RESERVED.iter().find(|(reserved, _)| *reserved == name) {
            report.error(
                &at.key("properties").key(name),
                format!("`{name}` is Foreshift's own"),
                *instead,
            );
        }
    }
    let mut read = BTreeMap::new();
    for (i, topic) in kafka.topics.iter().enumerate() {
        let at = at.key("topics").index(i);
        if read.insert(topic.name.as_str(), i).is_some() {
            let message = format!("the topic `{}` is there twice", topic.name);
            report.error(&at.key("name"), message, "a topic is read once");
        }
        kind_of(topic, &at, report);
    }
    let output = at.key("output");
    let written = [
        (&kafka.dead_letter, at.key("dead_letter")),
        (&kafka.output.weights, output.key("weights")),
        (&kafka.output.predictions, output.key("predictions")),
        (&kafka.output.audit, output.key("audit")),
    ];
    let mut seen = read;
    for (topic, at) in &written {
        let Some(topic) = topic else { continue };
        if seen.insert(topic, usize::MAX).is_some() {
            let message = format!("the topic `{topic}` is read, or written for another purpose, already");
            report.error(
                at,
                message,
                "what Foreshift writes needs topics of their own: it would read its own output",
            );
        }
    }
}

fn kind_of(topic: &TopicConfig, at: &At, report: &mut Report<'_>) {
    match (topic.format, topic.kind) {
        (TopicFormat::OtlpProto | TopicFormat::OtlpJson, None) => report.require(
            topic.kind_or_usual().is_some(),
            at,
            format!(
                "`kind` is missing: OTLP records do not say what they are, and `{}` is no usual name",
                topic.name
            ),
            "write `kind: metrics`, `kind: logs` or `kind: traces`",
        ),
        (TopicFormat::NativeProto | TopicFormat::NativeJson, Some(SignalKind::Logs)) => {}
        (
            TopicFormat::EnvoyJson
            | TopicFormat::EnvoyAls
            | TopicFormat::NativeProto
            | TopicFormat::NativeJson,
            Some(_),
        ) => report.error(
            &at.key("kind"),
            "`kind` has a meaning for OTLP and for native log lines only",
            "remove it, or correct `format`",
        ),
        _ => {}
    }
}

impl TopicConfig {
    /// What the topic's OTLP records are: as configured, or as the OpenTelemetry collector names its topics.
    pub fn kind_or_usual(&self) -> Option<SignalKind> {
        let usual = || COLLECTOR_TOPICS.into_iter().find(|(name, _)| *name == self.name);
        self.kind.or_else(|| usual().map(|(_, kind)| kind))
    }
}

fn listeners(config: &ProcessConfig, root: &At, report: &mut Report<'_>) {
    let (listen, at) = (&config.listen, &root.key("listen"));
    let operator = at.key("operator");
    report.require(
        listen.operator.address.ip().is_loopback() || listen.peers_file.is_some(),
        &operator.key("address"),
        format!(
            "operator commands on {} need credentials",
            listen.operator.address
        ),
        "set listen.peers_file, or listen on 127.0.0.1",
    );
    if !listen.grpc.address.ip().is_loopback() && listen.peers_file.is_none() {
        report.warn(
            &at.key("grpc").key("address"),
            "weights are readable by anyone who reaches this address",
        );
    }
    let reachable = [&listen.grpc, &listen.operator]
        .iter()
        .any(|listener| !listener.address.ip().is_loopback());
    if reachable && listen.peers_file.is_some() && listen.tls.is_none() {
        report.warn(
            &at.key("peers_file"),
            "tokens cross the network in the clear: set listen.tls, or encrypt in front of it",
        );
    }
    let names_nobody = listen
        .tls
        .as_ref()
        .is_some_and(|tls| tls.client_ca_file.is_some());
    report.require(
        !names_nobody || listen.peers_file.is_some(),
        &at.key("tls").key("client_ca_file"),
        "client certificates are asked for, but nobody is named",
        "set listen.peers_file with lines `cert:SHA256 NAME ROLES`",
    );
    if let Some(receive) = &config.receive
        && !receive.address.ip().is_loopback()
        && listen.peers_file.is_none()
    {
        report.warn(
            &root.key("receive").key("address"),
            "telemetry is believed from anyone who reaches this address",
        );
    }
    if let Some(haproxy) = &config.haproxy
        && !haproxy.address.ip().is_loopback()
    {
        report.warn(
            &root.key("haproxy").key("address"),
            "weights are readable by anyone who reaches this address",
        );
    }
    addresses(config, root, report);
}

/// Each listener has an address of its own.
fn addresses<'a>(config: &'a ProcessConfig, root: &At, report: &mut Report<'_>) {
    let listen = &config.listen;
    let at = |name| root.key("listen").key(name);
    let optional =
        |listener: &'a Option<Listener>, at, name| listener.as_ref().map(|known| (known, at, name));
    let listeners = [
        Some((&listen.grpc, at("grpc"), "listen.grpc")),
        Some((&listen.operator, at("operator"), "listen.operator")),
        optional(&listen.http, at("http"), "listen.http"),
        optional(&config.receive, root.key("receive"), "receive"),
        optional(&config.haproxy, root.key("haproxy"), "haproxy"),
    ];
    let mut taken = Vec::new();
    for (Listener { address }, at, name) in listeners.into_iter().flatten() {
        // Port 0 lets the system choose, each time another one.
        if let Some((_, other)) = taken
            .iter()
            .find(|(known, _)| *known == address && address.port() != 0)
        {
            let message = format!("{address} is taken by {other}");
            report.error(&at.key("address"), message, "give each listener its own port");
        }
        taken.push((address, name));
    }
}

fn positive(span: Duration, at: &At, report: &mut Report<'_>) {
    report.require(
        span.is_positive(),
        at,
        "must be longer than nothing",
        "write a span such as 30s",
    );
}
