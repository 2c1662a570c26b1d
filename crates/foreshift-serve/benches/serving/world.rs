//! A server with the engine's ends of its channels in the bench's hands.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use foreshift_domain::decision::Reason;
use foreshift_domain::fallback::{Mode, Role};
use foreshift_domain::prediction::ModelVersion;
use foreshift_domain::published::Published;
use foreshift_domain::weights::{FULL_BP, RouteWeights, TargetWeight, Version};
use foreshift_domain::{Applied, Duration, Timestamp};
use foreshift_serve::{
    CommandRequest, Credentials, LayerSettings, Limits, ServeChannels, ServeConfig, Serving, XdsSettings,
    serve,
};
use tokio::sync::{broadcast, mpsc, watch};

/// A server and the other ends of its channels.
pub(crate) struct World {
    pub(crate) serving: Serving,
    pub(crate) applied: mpsc::Receiver<Applied>,
    published: watch::Sender<Arc<Published>>,
    changes: broadcast::Sender<Arc<RouteWeights>>,
    _commands: mpsc::Receiver<CommandRequest>,
    _ready: watch::Sender<bool>,
}

impl World {
    /// A server on a free port of loopback that has published these.
    pub(crate) async fn start(routes: Vec<RouteWeights>) -> anyhow::Result<Self> {
        let published = Published {
            epoch: 1,
            now: now(),
            routes: routes
                .into_iter()
                .map(|weights| (weights.route.clone(), Arc::new(weights)))
                .collect(),
            ..Published::default()
        };
        let (published, published_receiver) = watch::channel(Arc::new(published));
        // As in `foreshift run`.
        let (changes, changes_receiver) = broadcast::channel(16_384);
        let (commands, commands_receiver) = mpsc::channel(1);
        let (applied, applied_receiver) = mpsc::channel(4_096);
        let (ready, ready_receiver) = watch::channel(true);
        let channels = ServeChannels {
            published: published_receiver,
            changes: changes_receiver,
            eds: watch::channel(Arc::from([])).1,
            commands,
            applied,
            ready: ready_receiver,
            counters: Arc::default(),
        };
        let config = ServeConfig {
            listen: ([127, 0, 0, 1], 0).into(),
            operator_listen: None,
            credentials: Credentials::none(),
            limits: Limits::default(),
            xds: XdsSettings {
                layer: LayerSettings {
                    name: "foreshift".to_owned(),
                    ttl: Duration::from_secs(30),
                },
                groups: Vec::new(),
            },
        };
        Ok(Self {
            serving: serve(config, channels, std::future::pending()).await?,
            applied: applied_receiver,
            published,
            changes,
            _commands: commands_receiver,
            _ready: ready,
        })
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.serving.addresses.listen)
    }

    /// Publishes as the main loop does: the version through the feed, then the state.
    pub(crate) fn publish(&self, weights: RouteWeights) {
        let weights = Arc::new(weights);
        let _ = self.changes.send(Arc::clone(&weights));
        self.published.send_modify(|published| {
            let mut next = published.as_ref().clone();
            next.now = weights.decided_at;
            next.routes.insert(weights.route.clone(), weights);
            *published = Arc::new(next);
        });
    }
}

/// Weights decided now, of which the first target has `first_bp` and the others share the rest.
pub(crate) fn weights(route: &str, targets: &[String], sequence: u64, first_bp: u32) -> RouteWeights {
    let others = u32::try_from(targets.len())
        .unwrap_or(u32::MAX)
        .saturating_sub(1)
        .max(1);
    let (each, over) = ((FULL_BP - first_bp) / others, (FULL_BP - first_bp) % others);
    let weight = |index: usize| match index {
        0 => first_bp,
        1 => each + over,
        _ => each,
    };
    let targets = targets.iter().enumerate().map(|(index, target)| TargetWeight {
        target: target.as_str().into(),
        role: Role::Primary,
        baseline_bp: 0,
        weight_bp: weight(index),
        planned_bp: weight(index),
        health: None,
        risks: Vec::new(),
    });
    let decided_at = now();
    RouteWeights {
        route: route.into(),
        version: Version { epoch: 1, sequence },
        mode: Mode::Auto,
        targets: targets.collect(),
        reason: Reason::PredictedRisk,
        decision: sequence,
        model: ModelVersion::default(),
        decided_at,
        valid_until: decided_at + Duration::from_secs(3_600),
        baseline_confirmed: true,
        propensity: 1.0,
    }
}

/// The machine's clock, which both processes read.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}
