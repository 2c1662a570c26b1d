//! A server with the other ends of all its channels in the test's hands.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use foreshift_domain::decision::Reason;
use foreshift_domain::fallback::{EdsCluster, Mode, Role};
use foreshift_domain::log::ErrorClass;
use foreshift_domain::prediction::{
    AlarmThreshold, Contribution, Explanation, ModelVersion, Prediction, PredictionId, Risk,
};
use foreshift_domain::published::{ClassLines, LogSummary, Published, TargetState, TemplateLines, Why};
use foreshift_domain::signal::{Health, OutcomeCounts, OutcomeKind};
use foreshift_domain::weights::{RouteWeights, TargetWeight, Version};
use foreshift_domain::{Applied, TargetName, Timestamp};
use foreshift_serve::client::{Client, ClientConfig};
use foreshift_serve::{
    CommandRequest, Credentials, LayerSettings, Limits, ServeChannels, ServeConfig, ServeCounters,
    ServeError, Serving, XdsSettings, serve,
};
use tokio::sync::{broadcast, mpsc, oneshot, watch};

/// Room in the feed of changes: small, so that tests can overflow it.
pub(crate) const FEED: usize = 64;

/// Nothing in these tests takes long; what does is stuck.
pub(crate) const STUCK: Duration = Duration::from_secs(60);

pub(crate) const READER: &str = "reader-token-0123456789";
pub(crate) const GATEWAY: &str = "gateway-token-0123456789";
pub(crate) const OPERATOR: &str = "operator-token-0123456789";
pub(crate) const SCOPED: &str = "scoped-token-0123456789";

/// The outer ends of a server's channels.
pub(crate) struct Outside {
    pub(crate) published: watch::Sender<Arc<Published>>,
    pub(crate) changes: broadcast::Sender<Arc<RouteWeights>>,
    pub(crate) commands: mpsc::Receiver<CommandRequest>,
    pub(crate) applied: mpsc::Receiver<Applied>,
    pub(crate) ready: watch::Sender<bool>,
    pub(crate) eds: watch::Sender<Arc<[EdsCluster]>>,
    pub(crate) counters: Arc<ServeCounters>,
}

pub(crate) struct Running {
    pub(crate) outside: Outside,
    pub(crate) serving: Serving,
    pub(crate) stop: oneshot::Sender<()>,
}

pub(crate) fn channels(published: Published, queue: usize) -> (ServeChannels, Outside) {
    let (published, published_receiver) = watch::channel(Arc::new(published));
    let (changes, changes_receiver) = broadcast::channel(FEED);
    let (commands, commands_receiver) = mpsc::channel(queue);
    let (applied, applied_receiver) = mpsc::channel(queue);
    let (ready, ready_receiver) = watch::channel(false);
    let (eds, eds_receiver) = watch::channel(Arc::from([]));
    let counters = Arc::<ServeCounters>::default();
    let inside = ServeChannels {
        published: published_receiver,
        changes: changes_receiver,
        commands,
        applied,
        ready: ready_receiver,
        eds: eds_receiver,
        counters: Arc::clone(&counters),
    };
    let outside = Outside {
        published,
        changes,
        commands: commands_receiver,
        applied: applied_receiver,
        ready,
        eds,
        counters,
    };
    (inside, outside)
}

pub(crate) fn loopback() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

/// Everyone on one loopback listener, no credentials.
pub(crate) fn open() -> ServeConfig {
    ServeConfig {
        listen: loopback(),
        operator_listen: None,
        credentials: Credentials::none(),
        limits: Limits {
            request_timeout: STUCK,
            shutdown_grace: Duration::from_millis(500),
            ..Limits::default()
        },
        xds: XdsSettings {
            layer: LayerSettings {
                name: "foreshift".to_owned(),
                ttl: foreshift_domain::Duration::from_secs(30),
            },
            groups: Vec::new(),
        },
    }
}

/// The same, for commands that nobody will answer.
pub(crate) fn impatient(mut config: ServeConfig) -> ServeConfig {
    config.limits.request_timeout = Duration::from_millis(200);
    config
}

/// One peer of each role.
pub(crate) fn guarded() -> ServeConfig {
    let peers = format!(
        "{READER} rita reader\n{GATEWAY} edge-1 gateway\n{OPERATOR} ada operator\n\
         {SCOPED} sam operator front/*\n"
    );
    ServeConfig {
        credentials: Credentials::from_peers(&peers).expect("well formed"),
        ..open()
    }
}

pub(crate) async fn start(config: ServeConfig, published: Published) -> Running {
    start_with(config, published, 1).await.expect("it starts")
}

pub(crate) async fn start_with(
    config: ServeConfig,
    published: Published,
    queue: usize,
) -> Result<Running, ServeError> {
    let (inside, outside) = channels(published, queue);
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = serve(config, inside, async { drop(stopped.await) }).await?;
    Ok(Running {
        outside,
        serving,
        stop,
    })
}

impl Running {
    pub(crate) async fn client(&self, token: Option<&str>) -> Client {
        connect(self.serving.addresses.operator, token).await
    }

    /// Publishes as the main loop does: every version through the feed, then the state.
    pub(crate) fn publish(&self, weights: RouteWeights) {
        let weights = Arc::new(weights);
        let _ = self.outside.changes.send(Arc::clone(&weights));
        self.outside.published.send_modify(|published| {
            let mut next = published.as_ref().clone();
            next.routes.insert(weights.route.clone(), weights);
            *published = Arc::new(next);
        });
    }
}

pub(crate) async fn connect(address: SocketAddr, token: Option<&str>) -> Client {
    Client::connect(ClientConfig {
        server: format!("http://{address}"),
        token: token.map(str::to_owned),
        timeout: STUCK,
        ..ClientConfig::default()
    })
    .await
    .expect("it connects")
}

/// Two targets, of which the first has `first_bp`.
pub(crate) fn weights(route: &str, sequence: u64, first_bp: u32) -> RouteWeights {
    let target = |name: &str, role, weight_bp| TargetWeight {
        target: name.into(),
        role,
        baseline_bp: if role == Role::Primary { 10_000 } else { 0 },
        weight_bp,
        planned_bp: weight_bp,
        health: Some(Health::Up),
        risks: vec![risk(0.25)],
    };
    RouteWeights {
        route: route.into(),
        version: Version { epoch: 3, sequence },
        mode: Mode::Auto,
        targets: vec![
            target("eu", Role::Primary, first_bp),
            target("us", Role::Secondary, 10_000 - first_bp),
        ],
        reason: Reason::PredictedRisk,
        decision: sequence,
        model: ModelVersion {
            name: "ftrl@1".to_owned(),
            rows_learned: 5,
        },
        decided_at: Timestamp::from_secs(100),
        valid_until: Timestamp::from_secs(200),
        baseline_confirmed: true,
        propensity: 1.0,
    }
}

fn risk(probability: f64) -> Risk {
    Risk {
        horizon: foreshift_domain::Duration::from_secs(120),
        probability,
    }
}

pub(crate) fn target(name: &str, tick: i64) -> (TargetName, Arc<TargetState>) {
    let mut outcomes = OutcomeCounts::default();
    outcomes.add(OutcomeKind::Success, 41);
    let explained = Explanation {
        horizon: foreshift_domain::Duration::from_secs(120),
        probability: 0.25,
        logit: -1.1,
        base: -2.1,
        simulated: true,
        contributions: vec![Contribution {
            feature: "error_ratio_30s".to_owned(),
            value: Some(0.2),
            logit: 1.0,
        }],
        thresholds: vec![AlarmThreshold {
            route: "api".into(),
            probability: 0.3,
            budget_per_day: Some(1.0),
        }],
    };
    let state = TargetState {
        health: Some(Health::Up),
        last_seen: Timestamp::from_secs(95),
        outcomes,
        signals: 42,
        late_signals: 1,
        log_lines: 2,
        rate_rps: Some(12.5),
        incidents: 1,
        incident_since: None,
        prediction: Some(Prediction {
            id: PredictionId {
                target: name.into(),
                tick: Timestamp::from_secs(tick),
            },
            risks: vec![risk(0.25)],
            model: ModelVersion::default(),
            in_incident: false,
        }),
        explanations: Vec::new(),
        why: Why::new(move || vec![explained.clone()]),
    };
    (name.into(), Arc::new(state))
}

/// Two routes and two targets.
pub(crate) fn world() -> Published {
    let routes = [weights("api", 1, 10_000), weights("front/a", 2, 9_000)];
    Published {
        epoch: 3,
        now: Timestamp::from_secs(100),
        watermark: Timestamp::from_secs(98),
        routes: routes
            .into_iter()
            .map(|weights| (weights.route.clone(), Arc::new(weights)))
            .collect(),
        targets: BTreeMap::from([target("eu", 90), target("us", 90)]),
        counters: BTreeMap::from([("signals".to_owned(), 84)]),
        decisions: 2,
        logs: Arc::new(BTreeMap::from([("eu".into(), Arc::new(log_summary()))])),
        ..Published::default()
    }
}

/// What a status tells of it: log lines are told with a target's prediction.
pub(crate) fn told(world: Published) -> Published {
    Published {
        logs: Arc::default(),
        ..world
    }
}

fn log_summary() -> LogSummary {
    LogSummary {
        since: Some(Timestamp::from_secs(40)),
        classes: vec![ClassLines::new(ErrorClass::Timeout, 7, 9)],
        templates: vec![TemplateLines {
            id: "00000000000000ab".to_owned(),
            class: ErrorClass::Timeout,
            lines: 7,
            text: None,
            samples: Vec::new(),
        }],
    }
}
