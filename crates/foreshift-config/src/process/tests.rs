//! What `foreshift.yaml` and the environment mean and what they may not say.

use foreshift_domain::Duration;
use foreshift_domain::log::ErrorClass;

use super::*;
use crate::error::ConfigError;
use crate::origin::HIDDEN;

const SMALL: &str = "kafka:\n  brokers: [localhost:9092]\n";

fn with_env(text: &str, env: &[(&str, &str)]) -> Result<Loaded<ProcessConfig>, ConfigErrors> {
    let env = env
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    parse_process(text, "p.yaml", Path::new("/etc/foreshift"), env)
}

fn kafka(value: &ProcessConfig) -> &KafkaConfig {
    value.kafka.as_ref().expect("the section")
}

fn load(text: &str) -> Loaded<ProcessConfig> {
    with_env(text, &[]).unwrap_or_else(|errors| panic!("{errors}"))
}

#[track_caller]
fn refused(text: &str, env: &[(&str, &str)], path: &str, why: &str) -> ConfigError {
    let errors = with_env(text, env).expect_err("must be refused");
    let [error] = errors.errors() else {
        panic!("expected one error: {errors}")
    };
    assert_eq!(error.path, path, "{error}");
    assert!(error.message.contains(why), "{error}");
    error.clone()
}

#[test]
fn a_small_file_has_every_default_and_listens_on_loopback_only() {
    let Loaded { value, warnings, .. } = load(SMALL);
    assert_eq!(
        (kafka(&value).consume, kafka(&value).start_at),
        (Consume::Group, StartAt::Earliest)
    );
    let topics: Vec<_> = kafka(&value)
        .topics
        .iter()
        .map(|topic| (topic.name.as_str(), topic.format))
        .collect();
    assert_eq!(
        topics,
        [
            ("otlp_metrics", TopicFormat::Auto),
            ("otlp_logs", TopicFormat::Auto)
        ]
    );
    assert_eq!(kafka(&value).output, OutputTopics::default());
    assert_eq!(
        (value.time.clock, value.time.lateness),
        (Clock::Wall, Duration::from_secs(5))
    );
    assert!(value.listen.grpc.address.ip().is_loopback() && value.listen.operator.address.ip().is_loopback());
    assert!(value.storage.journal.enabled && warnings.is_empty());
    assert_eq!(value.shutdown_deadline, Duration::from_secs(20));
}

#[test]
fn the_annotated_example_loads_without_a_warning() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/examples/foreshift.yaml");
    let Loaded { value, warnings, .. } =
        load_process(&path, std::iter::empty()).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(warnings, Vec::<String>::new());
    assert_eq!(
        kafka(&value).properties.iter().collect::<Vec<_>>(),
        [("fetch.queue.backoff.ms", "5".to_owned())]
    );
    assert!(value.fallback_path.exists(), "{:?}", value.fallback_path);
}

#[test]
fn the_annotated_example_names_every_key_and_writes_the_defaults_as_they_are() {
    let text = include_str!("../../../../docs/examples/foreshift.yaml");
    let schema = process_schema();
    let sections = schema["$defs"]
        .as_object()
        .expect("definitions")
        .values()
        .chain([&schema]);
    for key in sections
        .filter_map(|section| section["properties"].as_object())
        .flat_map(|keys| keys.keys())
    {
        assert!(text.contains(&format!("{key}:")), "`{key}` is not in the example");
    }
    let (example, small) = (load(text).value, load(SMALL).value);
    assert_eq!(
        (&example.time, &example.listen, &example.storage),
        (&small.time, &small.listen, &small.storage)
    );
    assert_eq!(example.shutdown_deadline, small.shutdown_deadline);
}

#[test]
fn relative_paths_start_at_the_directory_of_the_file() {
    let value = load(&format!("{SMALL}storage: {{dir: /var/lib/foreshift}}\n")).value;
    assert_eq!(value.fallback_path, Path::new("/etc/foreshift/fallback.yaml"));
    assert_eq!(value.storage.dir, Path::new("/var/lib/foreshift"));
}

#[test]
fn the_environment_overrides_the_file_with_the_types_of_the_schema() {
    let env = [
        ("FORESHIFT__KAFKA__BROKERS", "a:1, b:2"),
        (
            "FORESHIFT__KAFKA__TOPICS",
            "[{name: t, format: otlp_json, kind: logs}]",
        ),
        ("FORESHIFT__KAFKA__DEAD_LETTER", "null"),
        ("FORESHIFT__KAFKA__PROPERTIES__SASL_PASSWORD", "007"),
        ("FORESHIFT__KAFKA__PROPERTIES__fetch.wait.max.ms", "50"),
        ("FORESHIFT__STORAGE__JOURNAL__ENABLED", "false"),
        ("FORESHIFT__TIME__LATENESS", "2s"),
        ("FORESHIFT__LISTEN__HTTP__ADDRESS", "127.0.0.1:9999"),
        ("FORESHIFT_LOG", "ignored"),
        ("PATH", "ignored"),
    ];
    let Loaded { value, origins, .. } = with_env(SMALL, &env).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(kafka(&value).brokers, ["a:1", "b:2"]);
    assert_eq!(kafka(&value).topics.len(), 1);
    assert_eq!(kafka(&value).topics[0].kind, Some(SignalKind::Logs));
    assert_eq!(kafka(&value).dead_letter, None);
    let properties: Vec<_> = kafka(&value).properties.iter().collect();
    assert_eq!(
        properties,
        [
            ("fetch.wait.max.ms", "50".to_owned()),
            ("sasl.password", "007".to_owned())
        ]
    );
    assert!(!value.storage.journal.enabled);
    assert_eq!(value.time.lateness, Duration::from_secs(2));
    let from = |path: &str| {
        let origin = origins
            .iter()
            .find(|origin| origin.path == path)
            .unwrap_or_else(|| panic!("no {path}"));
        origin.from.to_string()
    };
    assert_eq!(from("kafka.brokers"), "environment FORESHIFT__KAFKA__BROKERS");
    assert_eq!(
        from("kafka.topics[t].format"),
        "environment FORESHIFT__KAFKA__TOPICS"
    );
    assert_eq!(from("kafka.group_id"), "default");
}

#[test]
fn the_environment_alone_may_give_what_the_file_lacks() {
    let value = with_env("", &[("FORESHIFT__KAFKA__BROKERS", "k:9092")])
        .expect("valid")
        .value;
    assert_eq!(kafka(&value).brokers, ["k:9092"]);
}

#[test]
fn unknown_variables_are_refused_with_the_nearest_known_one() {
    let error = refused(
        SMALL,
        &[("FORESHIFT__KAFKA__BROKER", "a:1")],
        "kafka",
        "unknown key `broker`",
    );
    assert!(error.hint.contains("did you mean `brokers`?"), "{error}");
    assert!(
        error
            .to_string()
            .starts_with("environment variable FORESHIFT__KAFKA__BROKER: "),
        "{error}"
    );
    refused(SMALL, &[("FORESHIFT__NOTHING", "1")], "", "unknown key `nothing`");
    refused(
        SMALL,
        &[("FORESHIFT__KAFKA__BROKERS__X", "1")],
        "kafka.brokers",
        "unknown key `x`",
    );
    refused(SMALL, &[("FORESHIFT__", "1")], "", "unknown key ``");
}

#[test]
fn variables_of_a_wrong_type_are_refused_by_their_name() {
    refused(
        SMALL,
        &[("FORESHIFT__STORAGE__JOURNAL__ENABLED", "yes")],
        "storage.journal.enabled",
        "boolean",
    );
    refused(
        SMALL,
        &[("FORESHIFT__TIME__LATENESS", "5")],
        "time.lateness",
        "a span of time",
    );
    refused(
        SMALL,
        &[("FORESHIFT__TIME__CLOCK", "walls")],
        "time.clock",
        "`walls`",
    );
    refused(SMALL, &[("FORESHIFT__KAFKA__TOPICS", "[{")], "kafka.topics", "");
    let errors = with_env(
        SMALL,
        &[
            ("FORESHIFT__KAFKA__TOPICS", "[{nam: x}, {name: y}]"),
            ("FORESHIFT__A", ""),
        ],
    );
    let errors = errors.expect_err("must be refused");
    assert_eq!(errors.errors().len(), 3, "{errors}");
    assert!(
        errors.errors().iter().all(|error| error.line().is_none()),
        "{errors}"
    );
}

#[test]
fn unknown_keys_missing_brokers_and_wrong_names_are_refused() {
    let error = refused(
        "kafka: {brokers: [a:1], grup_id: x}\n",
        &[],
        "kafka.grup_id",
        "unknown key",
    );
    assert!(error.hint.contains("group_id"), "{error}");
    refused("time: {}\n", &[], "", "neither `kafka` nor `receive` is there");
    refused(
        "kafka:\nreceive: null\n",
        &[],
        "",
        "neither `kafka` nor `receive` is there",
    );
    refused("kafka: {}\n", &[], "kafka.brokers", "`brokers` is missing");
    refused("kafka: {brokers: []}\n", &[], "kafka.brokers", "at least 1");
    refused(
        "kafka: {brokers: [kafka]}\n",
        &[],
        "kafka.brokers[0]",
        "such as kafka-1.internal:9092",
    );
    refused(
        "kafka: {brokers: [a:1], topics: [{name: a b}]}\n",
        &[],
        "kafka.topics[a b].name",
        "name of a topic",
    );
    refused(
        &format!("{SMALL}listen: {{grpc: {{address: nowhere}}}}\n"),
        &[],
        "listen.grpc.address",
        "an address",
    );
    refused(
        &format!("{SMALL}listen: {{grpc: {{}}}}\n"),
        &[],
        "listen.grpc",
        "`address` is missing",
    );
}

#[test]
fn topics_are_read_once_and_never_written_back() {
    let kafka = |rest: &str| format!("kafka:\n  brokers: [a:1]\n  {rest}\n");
    refused(
        &kafka("topics: [{name: t}, {name: t}]"),
        &[],
        "kafka.topics[t].name",
        "there twice",
    );
    refused(
        &kafka("dead_letter: otlp_logs"),
        &[],
        "kafka.dead_letter",
        "already",
    );
    refused(
        &kafka("output: {weights: w, audit: w}"),
        &[],
        "kafka.output.audit",
        "already",
    );
}

#[test]
fn otlp_topics_say_what_they_hold_and_others_do_not() {
    let topic = |rest: &str| format!("kafka: {{brokers: [a:1], topics: [{{{rest}}}]}}\n");
    refused(
        &topic("name: t, format: otlp_proto"),
        &[],
        "kafka.topics[t]",
        "`kind` is missing",
    );
    refused(
        &topic("name: t, format: envoy_json, kind: logs"),
        &[],
        "kafka.topics[t].kind",
        "OTLP and for native log lines only",
    );
    let logs = load(&topic("name: t, format: native_json, kind: logs")).value;
    assert_eq!(kafka(&logs).topics[0].kind, Some(SignalKind::Logs));
    let value = load(&topic("name: otlp_spans, format: otlp_proto")).value;
    assert_eq!(kafka(&value).topics[0].kind_or_usual(), Some(SignalKind::Traces));
}

#[test]
fn what_is_foreshifts_own_is_not_a_property() {
    for name in [
        "group.id",
        "enable.auto.commit",
        "bootstrap.servers",
        "group.protocol",
    ] {
        let text = format!("kafka: {{brokers: [a:1], properties: {{{name}: x}}}}\n");
        refused(&text, &[], &format!("kafka.properties.{name}"), "Foreshift's own");
    }
}

#[test]
fn static_membership_needs_a_group() {
    let text = "kafka: {brokers: [a:1], consume: assign, group_instance_id: x}\n";
    refused(text, &[], "kafka.group_instance_id", "no meaning");
}

#[test]
fn operator_commands_from_elsewhere_need_credentials() {
    let listen = |rest: &str| format!("{SMALL}listen: {{operator: {{address: '0.0.0.0:7401'}}{rest}}}\n");
    refused(&listen(""), &[], "listen.operator.address", "need credentials");
    // A certificate of our own says who we are, not who they are.
    let tls = ", tls: {cert_file: c, key_file: k}";
    refused(&listen(tls), &[], "listen.operator.address", "need credentials");
    let asked = ", tls: {cert_file: c, key_file: k, client_ca_file: a}";
    let local = format!("{SMALL}listen: {{tls: {{cert_file: c, key_file: k, client_ca_file: a}}}}\n");
    refused(&local, &[], "listen.tls.client_ca_file", "nobody is named");
    let value = load(&listen(&format!("{asked}, peers_file: p"))).value;
    assert_eq!(
        value.listen.tls.expect("tls").cert_file,
        Path::new("/etc/foreshift/c")
    );
    let warnings = load(&listen(", peers_file: p")).warnings;
    assert!(warnings[0].contains("in the clear"), "{warnings:?}");
}

#[test]
fn listeners_do_not_share_an_address_and_warn_when_open() {
    let text = format!("{SMALL}listen: {{operator: {{address: 'localhost:7400'}}}}\n");
    refused(&text, &[], "listen.operator.address", "taken by listen.grpc");
    let open = load(&format!(
        "{SMALL}listen: {{grpc: {{address: '[::]:7400'}}, http: null}}\n"
    ));
    assert!(open.warnings[0].contains("readable by anyone") && open.value.listen.http.is_none());
    assert!(
        with_env(
            &format!(
                "{SMALL}listen: {{grpc: {{address: 'localhost:0'}}, operator: {{address: 'localhost:0'}}}}\n"
            ),
            &[]
        )
        .is_ok()
    );
}

#[test]
fn telemetry_may_come_from_gateways_alone() {
    let Loaded { value, warnings, .. } = load("receive: {address: '127.0.0.1:7403'}\n");
    assert_eq!((value.kafka, warnings.len()), (None, 0));
    let receive = value.receive.expect("the section");
    assert_eq!(receive.address.port(), 7403);
    let env = [("FORESHIFT__RECEIVE__ADDRESS", "127.0.0.1:7403")];
    assert_eq!(with_env("", &env).expect("valid").value.receive, Some(receive));
    assert_eq!(load(SMALL).value.receive, None);
}

#[test]
fn an_address_for_telemetry_is_its_own_and_warns_when_open() {
    let text = "receive: {address: '127.0.0.1:7400'}\n";
    refused(text, &[], "receive.address", "taken by listen.grpc");
    let open = load("receive: {address: '0.0.0.0:7403'}\n");
    assert!(
        open.warnings[0].contains("believed from anyone"),
        "{:?}",
        open.warnings
    );
}

#[test]
fn the_address_of_haproxys_agent_is_its_own_and_warns_when_open() {
    let text = format!("{SMALL}haproxy: {{address: '127.0.0.1:7402'}}\n");
    refused(&text, &[], "haproxy.address", "taken by listen.http");
    let open = load(&format!("{SMALL}haproxy: {{address: '0.0.0.0:7404'}}\n"));
    assert!(
        open.warnings[0].contains("readable by anyone"),
        "{:?}",
        open.warnings
    );
    assert_eq!(load(SMALL).value.haproxy, None);
}

#[test]
fn spans_of_nothing_are_refused() {
    for (text, path) in [
        ("time: {max_future: 0s}", "time.max_future"),
        ("time: {idle_timeout: 0s}", "time.idle_timeout"),
        ("storage: {snapshot_interval: 0s}", "storage.snapshot_interval"),
        ("storage: {journal: {retention: 0s}}", "storage.journal.retention"),
        ("shutdown_deadline: 0s", "shutdown_deadline"),
    ] {
        refused(&format!("{SMALL}{text}\n"), &[], path, "longer than nothing");
    }
    refused(
        &format!("{SMALL}xds: {{ttl: 999ms}}\n"),
        &[],
        "xds.ttl",
        "too short",
    );
    assert!(with_env(&format!("{SMALL}xds: {{ttl: 1s}}\n"), &[]).is_ok());
    assert!(with_env(&format!("{SMALL}time: {{lateness: 0s}}\n"), &[]).is_ok());
}

#[test]
fn classes_of_templates_are_given_by_id_or_text_and_samples_only_when_asked_for() {
    let logs = load(&format!(
        "{SMALL}logs:\n  classes: {{'0123456789abcdef': overload, 'no answer from <ip>': none}}\n  samples: {{per_template: 2}}\n"
    ));
    let logs = logs.value.logs;
    assert_eq!(logs.classes["no answer from <ip>"], ErrorClass::None);
    assert_eq!(logs.classes["0123456789abcdef"], ErrorClass::Overload);
    let samples = logs.samples.expect("asked for");
    assert_eq!((samples.per_template, samples.ttl), (2, Duration::DAY));
    assert_eq!(load(SMALL).value.logs, LogsConfig::default());
    assert_eq!(LogsConfig::default().samples, None);
    refused(
        &format!("{SMALL}logs: {{classes: {{x: purple}}}}\n"),
        &[],
        "logs.classes.x",
        "purple",
    );
    refused(
        &format!("{SMALL}logs: {{samples: {{per_template: 99}}}}\n"),
        &[],
        "logs.samples.per_template",
        "",
    );
    refused(
        &format!("{SMALL}logs: {{samples: {{per_template: 1, ttl: 0s}}}}\n"),
        &[],
        "logs.samples.ttl",
        "longer",
    );
}

#[test]
fn secrets_are_in_no_printed_form() {
    let text = "kafka:\n  brokers: [a:1]\n  properties: {sasl.password: hunter2, ssl.key.pem: hunter2, sasl.username: me}\n";
    let loaded = load(text);
    let printed = format!(
        "{:?} {}",
        loaded.value,
        serde_json::to_string(&loaded.origins).expect("prints")
    );
    assert!(
        !printed.contains("hunter2") && printed.contains(HIDDEN) && printed.contains("me"),
        "{printed}"
    );
    assert!(
        kafka(&loaded.value)
            .properties
            .iter()
            .any(|(_, value)| value == "hunter2")
    );
}

#[test]
fn the_effective_configuration_printed_and_read_back_is_the_same() {
    let first = load(include_str!("../../../../docs/examples/foreshift.yaml")).value;
    let printed = serde_json::to_string(&first).expect("prints");
    assert_eq!(load(&printed).value, first);
}
