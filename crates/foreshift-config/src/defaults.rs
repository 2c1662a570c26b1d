//! Every default of both files, in this one place. `config show --origin` marks what came from here.
//!
//! The defaults are for live serving: decisions within seconds, nothing moved until a person says so.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use foreshift_domain::Duration;
use foreshift_domain::fallback::{Criticality, DomainSource, HiddenRows, Mode};

use crate::fallback::file::{
    AutoAfterFile, DiscoverFile, FleetFile, LearningFile, LimitsFile, OffOr, RiskFile, SettingsFile, SloFile,
    TimingFile, TriggersFile,
};
use crate::process::{
    Clock, CollectConfig, Consume, JournalConfig, KafkaConfig, ListenConfig, Listener, LogsConfig,
    OutputTopics, Properties, SignalKind, StartAt, StorageConfig, TimeConfig, TopicConfig, TopicFormat,
    XdsConfig,
};
use crate::text::Span;

const fn secs(secs: i64) -> Span {
    Span(Duration::from_secs(secs))
}

const MINUTE: i64 = 60;
const HOUR: i64 = 3_600;

impl Default for TimingFile {
    fn default() -> Self {
        Self {
            bucket: secs(1),
            tick: secs(1),
            horizons: vec![secs(30), secs(2 * MINUTE), secs(10 * MINUTE)],
            guard: secs(5),
            windows: [secs(5), secs(30), secs(5 * MINUTE), secs(HOUR)],
            cooldown: secs(MINUTE),
            staleness: secs(30),
            forget_after: secs(24 * HOUR),
        }
    }
}

impl Default for LearningFile {
    fn default() -> Self {
        Self {
            online: true,
            rows_per_horizon: 30.0,
            hidden: HiddenRows::default(),
        }
    }
}

impl Default for FleetFile {
    fn default() -> Self {
        Self {
            max_routes_shifted: 3,
            blast_window: secs(MINUTE),
            alarm_freeze_share: 0.5,
            alarm_freeze_min_targets: 5,
            max_targets: 100_000,
            max_routes: 10_000,
        }
    }
}

impl Default for SettingsFile {
    fn default() -> Self {
        Self {
            criticality: criticality(),
            mode: mode(),
            slo: SloFile::default(),
            triggers: TriggersFile::default(),
            limits: LimitsFile::default(),
        }
    }
}

/// Criticality of a route that says nothing.
pub(crate) const fn criticality() -> Criticality {
    Criticality::Normal
}

/// Mode of a route that says nothing: only a person raises it.
pub(crate) const fn mode() -> Mode {
    Mode::Shadow
}

impl Default for DiscoverFile {
    fn default() -> Self {
        Self {
            confirm_baselines: false,
            failure_domain: DomainSource::None,
            rules: Vec::new(),
        }
    }
}

/// Age from which a lag of sync is unknown.
pub(crate) const fn sync_max_age() -> Span {
    secs(MINUTE)
}

impl Default for SloFile {
    fn default() -> Self {
        Self {
            error_ratio: 0.1,
            latency_p99: OffOr::OFF,
            window: secs(30),
            min_requests: 10,
        }
    }
}

impl Default for TriggersFile {
    fn default() -> Self {
        Self {
            risk: OffOr::On(RiskFile::default()),
            consecutive_errors: 5,
            error_ratio: 0.5,
            latency_p99: OffOr::OFF,
            window: secs(10),
            min_requests: 10,
            recover_after: secs(30),
        }
    }
}

impl Default for RiskFile {
    fn default() -> Self {
        Self {
            horizon: secs(2 * MINUTE),
            enter: 0.3,
            exit: 0.15,
            full: 0.6,
            budget_per_day: OffOr::OFF,
        }
    }
}

impl Default for LimitsFile {
    fn default() -> Self {
        Self {
            floor_bp: 500,
            max_predictive_shift_bp: 5_000,
            max_step_bp_per_s: 500,
            max_hard_down_step_bp_per_s: 10_000,
            min_dwell: secs(120),
            max_flips_per_hour: 6,
            headroom: 0.8,
            valid_for: secs(MINUTE),
            decay: secs(MINUTE),
            held_out_bp: 0,
            auto_after: OffOr::On(AutoAfterFile::default()),
        }
    }
}

impl Default for AutoAfterFile {
    fn default() -> Self {
        Self {
            // With fewer, two lucky ones would look like a rule.
            alarms: 5,
            precision: None,
        }
    }
}

impl Default for KafkaConfig {
    fn default() -> Self {
        let topic = |name: &str, kind| TopicConfig {
            name: name.to_owned(),
            format: topic_format(),
            kind,
        };
        Self {
            // There is no default: the schema requires one.
            brokers: Vec::new(),
            client_id: "foreshift".to_owned(),
            consume: Consume::Group,
            group_id: "foreshift".to_owned(),
            group_instance_id: None,
            start_at: StartAt::Earliest,
            topics: vec![
                topic("otlp_metrics", Some(SignalKind::Metrics)),
                topic("otlp_logs", Some(SignalKind::Logs)),
            ],
            dead_letter: Some("foreshift.dead_letter".to_owned()),
            output: OutputTopics::default(),
            properties: Properties::default(),
        }
    }
}

/// Format of a topic that says nothing.
pub(crate) const fn topic_format() -> TopicFormat {
    TopicFormat::Auto
}

impl Default for TimeConfig {
    fn default() -> Self {
        Self {
            clock: Clock::Wall,
            lateness: secs(5).0,
            max_future: secs(MINUTE).0,
            idle_timeout: secs(30).0,
        }
    }
}

/// Loopback only: nothing is reachable from elsewhere until a person says so.
const fn loopback(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

impl Default for XdsConfig {
    fn default() -> Self {
        Self {
            layer: "foreshift".to_owned(),
            ttl: Duration::from_secs(30),
            groups: Vec::new(),
        }
    }
}

impl Default for CollectConfig {
    fn default() -> Self {
        let name = |name: &str| name.to_owned();
        Self {
            access_logs: name("envoy_als"),
            // As the OpenTelemetry collector names its topics.
            metrics: name("otlp_metrics"),
            logs: name("otlp_logs"),
            traces: name("otlp_spans"),
        }
    }
}

impl Default for ListenConfig {
    fn default() -> Self {
        let listener = |port| Listener {
            address: loopback(port),
        };
        Self {
            grpc: listener(7400),
            operator: listener(7401),
            http: Some(listener(7402)),
            peers_file: None,
            tls: None,
        }
    }
}

impl Default for LogsConfig {
    fn default() -> Self {
        Self {
            classes: std::collections::BTreeMap::new(),
            masks: Vec::new(),
            samples: None,
            max_templates: 16_384,
        }
    }
}

/// A day: long enough to look at last night.
pub(crate) const fn sample_ttl() -> Duration {
    secs(24 * HOUR).0
}

impl Default for StorageConfig {
    fn default() -> Self {
        Self {
            dir: PathBuf::from("state"),
            snapshot_interval: secs(30).0,
            journal: JournalConfig::default(),
        }
    }
}

impl Default for JournalConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            retention: secs(7 * 24 * HOUR).0,
        }
    }
}

/// The fallback configuration lies beside the process file.
pub(crate) fn fallback_path() -> PathBuf {
    PathBuf::from("fallback.yaml")
}

/// Time for a last snapshot, to leave the group and to close streams.
pub(crate) const fn shutdown_deadline() -> Duration {
    secs(20).0
}
