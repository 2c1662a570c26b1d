//! A client against a true server on a loopback address.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail by panicking, as tests do"
)]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use foreshift_client::{Backoff, Client, Config, Picker};
use foreshift_domain::decision::Reason;
use foreshift_domain::fallback::{Mode, Role};
use foreshift_domain::prediction::ModelVersion;
use foreshift_domain::published::Published;
use foreshift_domain::weights::{RouteWeights, TargetWeight, Version};
use foreshift_domain::{Applied, Timestamp};
use foreshift_serve::{
    Credentials, LayerSettings, Limits, ServeChannels, ServeConfig, Serving, XdsSettings, serve,
};
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::time::{sleep, timeout};

/// Nothing in these tests takes long; what does is stuck.
const STUCK: Duration = Duration::from_secs(60);
const OWN: [(&str, u32); 2] = [("eu", 1), ("us", 1)];

struct Server {
    published: watch::Sender<Arc<Published>>,
    changes: broadcast::Sender<Arc<RouteWeights>>,
    applied: mpsc::Receiver<Applied>,
    serving: Serving,
    stop: oneshot::Sender<()>,
}

impl Server {
    async fn start(listen: SocketAddr, routes: &[RouteWeights]) -> Self {
        let known = routes
            .iter()
            .map(|weights| (weights.route.clone(), Arc::new(weights.clone())));
        let published = Published {
            routes: known.collect(),
            ..Published::default()
        };
        let (published, published_receiver) = watch::channel(Arc::new(published));
        let (changes, changes_receiver) = broadcast::channel(64);
        let (commands, _) = mpsc::channel(1);
        let (reports, applied) = mpsc::channel(64);
        let (_, ready) = watch::channel(true);
        let channels = ServeChannels {
            published: published_receiver,
            changes: changes_receiver,
            commands,
            applied: reports,
            ready,
            eds: watch::channel(Arc::from([])).1,
            counters: Arc::default(),
        };
        let config = ServeConfig {
            listen,
            operator_listen: None,
            credentials: Credentials::none(),
            limits: Limits {
                shutdown_grace: Duration::from_millis(100),
                ..Limits::default()
            },
            xds: XdsSettings {
                layer: LayerSettings {
                    name: "foreshift".to_owned(),
                    ttl: foreshift_domain::Duration::from_secs(30),
                },
                groups: Vec::new(),
            },
        };
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = serve(config, channels, async { drop(stopped.await) }).await;
        Self {
            published,
            changes,
            applied,
            serving: serving.expect("it starts"),
            stop,
        }
    }

    async fn usual() -> Self {
        Self::start(SocketAddr::from(([127, 0, 0, 1], 0)), &[weights(1, 9_000)]).await
    }

    fn publish(&self, weights: RouteWeights) {
        let weights = Arc::new(weights);
        let _ = self.changes.send(Arc::clone(&weights));
        self.published.send_modify(|published| {
            let mut next = published.as_ref().clone();
            next.routes.insert(weights.route.clone(), weights);
            *published = Arc::new(next);
        });
    }

    async fn said(&mut self) -> Applied {
        let said = timeout(STUCK, self.applied.recv()).await;
        said.expect("a report comes").expect("the server lives")
    }

    async fn end(self) -> SocketAddr {
        let _ = self.stop.send(());
        let ended = timeout(STUCK, self.serving.task).await;
        ended.expect("it ends").expect("it ran").expect("it served");
        self.serving.addresses.listen
    }
}

/// `eu` has this share; valid until second 1,000.
fn weights(sequence: u64, eu_bp: u32) -> RouteWeights {
    let target = |name: &str, weight_bp| TargetWeight {
        target: name.into(),
        role: Role::Primary,
        baseline_bp: 5_000,
        weight_bp,
        planned_bp: weight_bp,
        health: None,
        risks: Vec::new(),
    };
    RouteWeights {
        route: "api".into(),
        version: Version { epoch: 1, sequence },
        mode: Mode::Auto,
        targets: vec![target("eu", eu_bp), target("us", 10_000 - eu_bp)],
        reason: Reason::PredictedRisk,
        decision: sequence,
        model: ModelVersion::default(),
        decided_at: Timestamp::from_secs(900),
        valid_until: Timestamp::from_secs(1_000),
        baseline_confirmed: true,
        propensity: 1.0,
    }
}

/// A client of the server whose clock stands at second 950 until the test moves it.
fn client(server: &Server) -> (Client, Picker, Arc<AtomicI64>) {
    let now = Arc::new(AtomicI64::new(950));
    let theirs = Arc::clone(&now);
    let mut config = Config::new(format!("http://{}", server.serving.addresses.listen)).route("api", OWN);
    config.gateway = "edge-1".to_owned();
    config.backoff = Backoff {
        first: Duration::from_millis(10),
        most: Duration::from_millis(50),
    };
    config.clock = Arc::new(move || -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(theirs.load(Ordering::Relaxed).unsigned_abs())
    });
    let client = Client::start(config).expect("it starts");
    let picker = client.picker("api").expect("the route");
    (client, picker, now)
}

async fn shares(picker: &Picker, expected: [(&str, u32); 2]) {
    let reached = async {
        while picker.shares() != expected {
            sleep(Duration::from_millis(2)).await;
        }
    };
    let in_time = timeout(STUCK, reached).await;
    assert!(in_time.is_ok(), "{:?} and not {expected:?}", picker.shares());
}

#[tokio::test]
async fn a_picker_follows_weights_and_says_which_it_applied() {
    let mut server = Server::usual().await;
    let (client, picker, _) = client(&server);
    assert!(client.picker("web").is_none());
    shares(&picker, [("eu", 9_000), ("us", 1_000)]).await;
    server.publish(weights(2, 0));
    shares(&picker, [("eu", 0), ("us", 10_000)]).await;
    assert!((0..1_000).all(|_| picker.pick() == "us"));
    let said = loop {
        let said = server.said().await;
        if said.version.sequence == 2 {
            break said;
        }
    };
    assert_eq!(
        (said.gateway.as_str(), said.route.as_str(), said.error),
        ("edge-1", "api", None)
    );
    assert_eq!(client.problem(), None);
}

#[tokio::test]
async fn before_the_first_message_and_after_the_last_ones_own_shares_hold() {
    let server = Server::usual().await;
    let (_client, picker, now) = client(&server);
    assert_eq!(
        picker.shares(),
        OWN,
        "nothing was heard yet: the task did not run"
    );
    shares(&picker, [("eu", 9_000), ("us", 1_000)]).await;
    let address = server.end().await;
    assert!(
        picker.is_steered(),
        "{address} is gone, its weights are valid still"
    );
    now.store(1_000, Ordering::Relaxed);
    assert_eq!(picker.shares(), OWN);
    assert!(!picker.is_steered());
}

#[tokio::test]
async fn it_connects_again_and_takes_what_holds_then() {
    let server = Server::usual().await;
    let (client, picker, _) = client(&server);
    shares(&picker, [("eu", 9_000), ("us", 1_000)]).await;
    let address = server.end().await;
    let heard_of = async {
        while client.problem().is_none() {
            sleep(Duration::from_millis(2)).await;
        }
    };
    timeout(STUCK, heard_of).await.expect("that it is gone is told");
    // A server that lost its state counts from the beginning.
    let _again = Server::start(address, &[weights(0, 2_500)]).await;
    shares(&picker, [("eu", 2_500), ("us", 7_500)]).await;
    assert_eq!(client.problem(), None);
}

#[tokio::test]
async fn a_route_that_is_gone_is_left_to_ones_own_shares() {
    let server = Server::usual().await;
    let (_client, picker, _) = client(&server);
    shares(&picker, [("eu", 9_000), ("us", 1_000)]).await;
    server
        .published
        .send_modify(|published| *published = Arc::new(Published::default()));
    shares(&picker, OWN).await;
}

#[tokio::test]
async fn a_route_that_is_gone_when_it_connects_again_is_left_to_ones_own_shares() {
    let server = Server::usual().await;
    let (_client, picker, _) = client(&server);
    shares(&picker, [("eu", 9_000), ("us", 1_000)]).await;
    let address = server.end().await;
    let _again = Server::start(address, &[]).await;
    shares(&picker, OWN).await;
}

#[tokio::test]
async fn weights_that_cannot_be_applied_are_refused_by_name() {
    let mut server = Server::usual().await;
    let (_client, picker, _) = client(&server);
    shares(&picker, [("eu", 9_000), ("us", 1_000)]).await;
    let mut foreign = weights(2, 4_000);
    if let Some(target) = foreign.targets.last_mut() {
        target.target = "mars".into();
    }
    server.publish(foreign);
    let why = loop {
        if let Some(why) = server.said().await.error {
            break why;
        }
    };
    assert!(why.contains("\"mars\" is not known"), "{why}");
    assert_eq!(picker.shares(), [("eu", 9_000), ("us", 1_000)]);
}

#[tokio::test]
async fn a_picker_goes_on_without_its_client_and_the_last_one_ends_the_watch() {
    let server = Server::usual().await;
    let (client, picker, _) = client(&server);
    drop(client);
    shares(&picker, [("eu", 9_000), ("us", 1_000)]).await;
    assert!(server.changes.receiver_count() > 0);
    let others = server.changes.receiver_count();
    drop(picker);
    let ended = async {
        while server.changes.receiver_count() >= others {
            sleep(Duration::from_millis(2)).await;
        }
    };
    timeout(STUCK, ended).await.expect("the stream ends");
}

#[test]
fn what_cannot_work_is_refused_at_once() {
    let refused = |config: Config| Client::start(config).err().map(|error| error.to_string());
    let usual = || Config::new("http://127.0.0.1:1").route("api", OWN);
    assert!(refused(usual()).is_some_and(|why| why.contains("tokio runtime")));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let _inside = runtime.enter();
    assert!(refused(Config::new("no address").route("api", OWN)).is_some());
    assert!(refused(Config::new("http://127.0.0.1:1")).is_some_and(|why| why == "there is no route"));
    assert!(refused(usual().route("api", OWN)).is_some_and(|why| why.contains("twice")));
    let mut with_token = usual();
    with_token.token = Some("a\nb".to_owned());
    assert!(refused(with_token).is_some_and(|why| why.contains("token")));
    assert!(Client::start(usual()).is_ok());
}
