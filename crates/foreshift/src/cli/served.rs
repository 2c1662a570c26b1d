//! The client commands against a server with a true engine behind it.

use std::sync::Arc;

use clap::Parser;
use foreshift_domain::fallback::Fallback;
use foreshift_domain::input::Input;
use foreshift_domain::published::Published;
use foreshift_domain::signal::{Observation, Outcome, OutcomeKind, Signal};
use foreshift_domain::{Duration, Timestamp};
use foreshift_engine::{Engine, Output, fresh_model};
use foreshift_serve::client::{Client, ClientConfig};
use foreshift_serve::{CommandRequest, Credentials, Limits, ServeChannels, ServeConfig};
use tokio::sync::{broadcast, mpsc, watch};

use super::output::{Format, OutputArgs};
use super::{Cli, Command, operate, status, watch as follow};

const FALLBACK: &str = "\
routes:
  - name: chat
    targets:
      - {name: openai, role: primary, baseline: 70%}
      - {name: mistral, role: primary, baseline: 30%}
";

/// A server whose commands an engine carries out; its address, and what it publishes.
struct Served {
    address: String,
    published: watch::Receiver<Arc<Published>>,
    _runtime: tokio::runtime::Runtime,
}

fn serve() -> Served {
    serve_after(|_| {})
}

/// With an engine to which this has happened.
fn serve_after(happened: impl FnOnce(&mut Engine)) -> Served {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let read = |text: &str| -> Arc<Fallback> {
        Arc::new(foreshift_config::parse_fallback(text, "f").unwrap().value)
    };
    let nothing = read("discover: true\n");
    let mut engine = Engine::new(7, Arc::clone(&nothing), fresh_model(&nothing));
    engine.handle(&Input::Clock(Timestamp::from_secs(1_000)));
    engine.handle(&Input::Fallback(read(FALLBACK)));
    happened(&mut engine);
    let (publish, published) = watch::channel(Arc::new(engine.publish()));
    let (changed, changes) = broadcast::channel(16);
    let (commands, mut asked) = mpsc::channel::<CommandRequest>(4);
    let (applied, _) = mpsc::channel(4);
    let (_, ready) = watch::channel(true);
    let channels = ServeChannels {
        published: published.clone(),
        changes,
        eds: watch::channel(Arc::from([])).1,
        commands,
        applied,
        ready,
        counters: Arc::default(),
    };
    let any = "127.0.0.1:0".parse().unwrap();
    let config = ServeConfig {
        listen: any,
        operator_listen: Some(any),
        credentials: Credentials::none(),
        limits: Limits::default(),
        xds: crate::serving::xds(&foreshift_config::XdsConfig::default()),
    };
    let serving = runtime
        .block_on(foreshift_serve::serve(config, channels, std::future::pending()))
        .unwrap();
    let address = format!("http://{}", serving.addresses.operator);
    runtime.spawn(async move {
        while let Some(request) = asked.recv().await {
            engine.handle(&Input::Command(request.command));
            let mut result = None;
            while let Some(output) = engine.poll_output() {
                match output {
                    Output::Command(_, carried_out) => result = Some(carried_out),
                    Output::Weights(weights) => drop(changed.send(weights)),
                    _ => {}
                }
            }
            publish.send_replace(Arc::new(engine.publish()));
            request.reply.send(result.unwrap()).unwrap();
        }
    });
    Served {
        address,
        published,
        _runtime: runtime,
    }
}

impl Served {
    fn parse(&self, line: &str) -> Command {
        let words = line.split(' ').chain(["--server", &self.address]);
        Cli::try_parse_from(std::iter::once("foreshift").chain(words))
            .unwrap()
            .command
    }

    fn now(&self) -> Arc<Published> {
        Arc::clone(&self.published.borrow())
    }

    fn weight_bp(&self, target: &str) -> u32 {
        let chat = &self.now().routes["chat"];
        chat.targets
            .iter()
            .find(|one| one.target.as_str() == target)
            .unwrap()
            .weight_bp
    }
}

#[test]
fn a_pin_is_carried_out_repeated_harmlessly_and_ended() {
    let served = serve();
    let pin = || match served.parse("pin chat openai=20% mistral=80% --for 30m --reason test --request-id r1")
    {
        Command::Pin(args) => args.order().and_then(operate::run),
        _ => unreachable!(),
    };
    pin().unwrap();
    assert_eq!(served.weight_bp("mistral"), 8_000);
    let over = served.now().overrides["chat"].pin.clone().unwrap();
    let expected = Timestamp::from_secs(1_000) + Duration::from_secs(1_800);
    assert_eq!((over.reason.as_str(), over.expires_at), ("test", expected));
    let decisions = served.now().decisions;
    pin().unwrap();
    assert_eq!(
        served.now().decisions,
        decisions,
        "the same request id is carried out once"
    );
    match served.parse("unpin chat --reason test -o json") {
        Command::Unpin(args) => args.order().and_then(operate::run).unwrap(),
        _ => unreachable!(),
    };
    assert!(served.now().overrides.is_empty());
}

#[test]
fn an_order_that_is_refused_says_why_and_changes_nothing() {
    let served = serve();
    let before = served.now();
    let order = match served.parse("freeze chat --for 30m --reason test --expect-version 7.999") {
        Command::Freeze(args) => args.order().unwrap(),
        _ => unreachable!(),
    };
    let error = format!("{:#}", operate::run(order).unwrap_err());
    assert!(
        error.contains("nothing changed") && error.contains("not 7.999"),
        "{error}"
    );
    assert_eq!(
        (&served.now().routes, served.now().decisions),
        (&before.routes, before.decisions)
    );
}

#[test]
fn status_reads_a_server_and_names_the_routes_it_knows_when_asked_for_another() {
    let served = serve();
    let run = |line: &str| match served.parse(line) {
        Command::Status(args) => status::run(&args),
        _ => unreachable!(),
    };
    run("status").unwrap();
    run("status chat -o json").unwrap();
    assert!(
        run("status caht")
            .unwrap_err()
            .to_string()
            .contains("known are chat")
    );
}

#[test]
fn a_watch_begins_with_every_route_and_prints_a_version_once() {
    let served = serve();
    let watch = |line: &str| match served.parse(line) {
        Command::Watch(args) => args,
        _ => unreachable!(),
    };
    let runtime = super::connect::runtime().unwrap();
    let (args, mut seen) = (
        watch("watch -o json"),
        follow::Seen::new(OutputArgs { output: Format::Json }),
    );
    let news = runtime.block_on(async {
        let client = foreshift_serve::client::Client::connect(args.settings().unwrap())
            .await
            .unwrap();
        client
            .watch_weights(&[])
            .await
            .unwrap()
            .next()
            .await
            .unwrap()
            .unwrap()
    });
    assert!(seen.take(news.clone()).unwrap() == 1 && seen.take(news).unwrap() == 0);
}

#[test]
fn every_target_is_explained_to_whoever_asks_however_small_its_risk() {
    const TARGETS: usize = 300;
    let signal = |time: Timestamp, number: usize| {
        Input::Signal(Signal {
            time,
            target: format!("t{number:03}").into(),
            route: None,
            gateway: None,
            endpoint: None,
            observation: Observation::Outcome(Outcome {
                kind: OutcomeKind::Success,
                latency: Some(Duration::from_millis(10 + number as i64)),
                ttfb: None,
                count: 1,
            }),
        })
    };
    let served = serve_after(|engine| {
        let discover = "discover: true\ntiming: {tick: 1s, bucket: 1s}\n";
        let fallback: Arc<Fallback> =
            Arc::new(foreshift_config::parse_fallback(discover, "f").unwrap().value);
        engine.handle(&Input::Fallback(fallback));
        engine.give_explanations(true);
        for second in 1_000..1_010 {
            let time = Timestamp::from_secs(second);
            (0..TARGETS).for_each(|number| engine.handle(&signal(time, number)));
            let watermark = foreshift_domain::Watermark {
                time,
                idle_partitions: 0,
            };
            engine.handle(&Input::Watermark(watermark));
        }
    });
    let published = served.now();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let config = ClientConfig {
        server: served.address.clone(),
        ..ClientConfig::default()
    };
    let client = runtime.block_on(Client::connect(config)).unwrap();
    let mut explained = 0;
    for (name, state) in published
        .targets
        .iter()
        .filter(|(_, state)| state.prediction.is_some())
    {
        let answer = runtime.block_on(client.prediction(name)).unwrap();
        assert_eq!(Some(&answer.prediction), state.prediction.as_ref());
        assert_eq!(answer.explanations.len(), answer.prediction.risks.len(), "{name}");
        for (one, risk) in answer.explanations.iter().zip(&answer.prediction.risks) {
            let sum = one.base + one.contributions.iter().map(|term| term.logit).sum::<f64>();
            assert!((sum - one.logit).abs() < 1e-6, "{one:?}");
            assert!((one.probability - risk.probability).abs() < 1e-9);
        }
        explained += 1;
    }
    assert_eq!(explained, TARGETS);
}
