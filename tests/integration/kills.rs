//! Kill -9 at any moment: nothing is lost, nothing counts twice, what was acknowledged holds.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use foreshift_domain::command::Action;
use foreshift_domain::fallback::Mode;
use foreshift_domain::published::Published;
use foreshift_domain::signal::{Observation, OutcomeCounts, OutcomeKind, Signal};
use foreshift_domain::weights::{RouteWeights, Version};
use foreshift_domain::{RouteName, TargetName, Timestamp};
use foreshift_serve::client::{Ask, ClientError, Expiry};
use foreshift_tests::{Foreshift, Kafka, Seed, Settings, Watcher, batch_bytes, binary, eventually, success};

const ROUTES: usize = 5;
const TARGETS_PER_ROUTE: usize = 4;
/// Kills that one storage directory lives through.
const KILLS_PER_RUN: u64 = 10;
/// Time for anything on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

fn route(at: usize) -> RouteName {
    format!("route-{at}").as_str().into()
}

fn target(route: usize, at: usize) -> TargetName {
    format!("target-{route}-{at}").as_str().into()
}

fn fallback() -> String {
    let mut text = "defaults:\n  mode: auto\n  limits: {auto_after: off}\n  triggers: {min_requests: 5, window: 5s}\nroutes:\n".to_owned();
    for r in 0..ROUTES {
        text.push_str(&format!("  - name: {}\n    targets:\n", route(r)));
        for t in 0..TARGETS_PER_ROUTE {
            text.push_str(&format!(
                "      - {{name: {}, role: primary, baseline: 25%}}\n",
                target(r, t)
            ));
        }
    }
    text
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    Timestamp::from_micros(i64::try_from(since.as_micros()).expect("a time"))
}

/// Requests that went to each target.
type Sent = BTreeMap<TargetName, OutcomeCounts>;

/// Produces until it is told to stop; every target gets its share of requests, and bad phases.
struct Producer {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Sent>,
}

impl Producer {
    fn start(topic: &str, mut seed: Seed) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (theirs, topic) = (Arc::clone(&stop), topic.to_owned());
        let thread = std::thread::spawn(move || {
            let producer = Kafka::shared().producer();
            let mut sent = Sent::new();
            let mut bad = (0, 0);
            while !theirs.load(Ordering::Relaxed) {
                if seed.below(100) == 0 {
                    bad = (
                        seed.below(ROUTES as u64) as usize,
                        seed.below(TARGETS_PER_ROUTE as u64) as usize,
                    );
                }
                for partition in 0..2 {
                    let signals = one_round(partition, bad, &mut seed, &mut sent);
                    producer
                        .send(&topic, partition as i32, &batch_bytes(&signals))
                        .expect("produced");
                }
                std::thread::sleep(Duration::from_millis(5));
            }
            producer.flush(PATIENCE).expect("delivered");
            sent
        });
        Self { stop, thread }
    }

    fn finish(self) -> Sent {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("the producer ends well")
    }
}

/// Requests to the targets of a partition, about now.
fn one_round(partition: usize, bad: (usize, usize), seed: &mut Seed, sent: &mut Sent) -> Vec<Signal> {
    let mut signals = Vec::new();
    for r in 0..ROUTES {
        for t in (0..TARGETS_PER_ROUTE).filter(|t| t % 2 == partition) {
            let mut signal = success(&target(r, t), now());
            if let Observation::Outcome(outcome) = &mut signal.observation {
                outcome.count = 1 + seed.below(3) as u32;
                if (r, t) == bad && seed.below(10) < 8 {
                    outcome.kind = OutcomeKind::ServerError;
                }
                let counts = sent.entry(signal.target.clone()).or_default();
                counts.add(outcome.kind, u64::from(outcome.count));
            }
            signals.push(signal);
        }
    }
    signals
}

/// What acknowledged commands have put in force on a route: reasons, weights, mode.
#[derive(Clone, Debug, Default, PartialEq)]
struct InForce {
    pin: Option<(String, Vec<(TargetName, u32)>)>,
    freeze: Option<String>,
    mode: Option<Mode>,
}

type Commands = BTreeMap<RouteName, InForce>;

/// A command by the dice, and what holds once it is acknowledged.
fn command(seed: &mut Seed, number: u64, holds: &Commands) -> (Ask, Commands) {
    let route = route(seed.below(ROUTES as u64) as usize);
    let reason = format!("command {number}");
    let mut after = holds.clone();
    let on = after.entry(route.clone()).or_default();
    let action = match seed.below(5) {
        0 if on.pin.is_some() => {
            on.pin = None;
            Action::Unpin { route }
        }
        1 if on.freeze.is_some() => {
            on.freeze = None;
            Action::Unfreeze { route: Some(route) }
        }
        0..=2 => {
            let r: usize = route
                .as_str()
                .trim_start_matches("route-")
                .parse()
                .expect("a number");
            let share = 1_000 * seed.below(10) as u32;
            let weights = vec![
                (target(r, 0), share),
                (target(r, 1), 10_000 - share),
                (target(r, 2), 0),
                (target(r, 3), 0),
            ];
            on.pin = Some((reason.clone(), weights.clone()));
            Action::Pin { route, weights }
        }
        3 => {
            on.freeze = Some(reason.clone());
            Action::Freeze { route: Some(route) }
        }
        _ => {
            let mode = [Mode::Shadow, Mode::Recommend, Mode::Auto][seed.below(3) as usize];
            on.mode = Some(mode);
            Action::SetMode {
                route: Some(route),
                mode,
            }
        }
    };
    let lasts = matches!(action, Action::Pin { .. } | Action::Freeze { .. });
    let ask = Ask {
        action,
        reason,
        request_id: format!("request-{number}"),
        expiry: lasts.then_some(Expiry::In(foreshift_domain::Duration::HOUR)),
        expected_version: None,
        on_behalf_of: None,
    };
    (ask, after)
}

fn in_force(published: &Published) -> Commands {
    let reason = |held: &foreshift_domain::published::Override| held.reason.clone();
    let each = published.overrides.iter().map(|(route, held)| {
        let weights = || {
            let targets = published
                .routes
                .get(route)
                .map(|weights| weights.targets.as_slice())
                .unwrap_or_default();
            targets
                .iter()
                .map(|target| (target.target.clone(), target.weight_bp))
                .collect()
        };
        let pin = held.pin.as_ref().map(|pin| (reason(pin), weights()));
        let freeze = held.freeze.as_ref().map(reason);
        (
            route.clone(),
            InForce {
                pin,
                freeze,
                mode: held.mode,
            },
        )
    });
    each.filter(|(_, held)| *held != InForce::default()).collect()
}

/// One storage directory, its process, and what must hold of it.
struct Run {
    foreshift: Foreshift,
    holds: Commands,
    commands: u64,
    seed: Seed,
}

impl Run {
    /// Lets it run for a moment by the dice, kills it, starts it again and looks whether all that was
    /// acknowledged holds.
    fn kill_once(&mut self) {
        match self.seed.below(5) {
            0 => self.kill_within_a_start(),
            1 => self.ingest_for_up_to(1_500),
            2 | 3 => {
                self.ingest_for_up_to(700);
                self.give_command();
            }
            _ => {
                self.ingest_for_up_to(700);
                self.kill_within_a_command();
            }
        }
        self.foreshift.kill();
        self.foreshift.start_again();
        self.check_commands();
    }

    /// Waits until records are read, and then for a moment by the dice.
    fn ingest_for_up_to(&mut self, most_ms: u64) {
        eventually("Kafka is read", PATIENCE, || {
            (self.foreshift.metric("foreshift_ingest_connected") > 0.0).then_some(())
        });
        std::thread::sleep(Duration::from_millis(self.seed.below(most_ms)));
    }

    fn check_commands(&self) {
        let published = self.foreshift.status().expect("a ready process answers");
        let holds: Commands = self
            .holds
            .iter()
            .filter(|(_, held)| **held != InForce::default())
            .map(|(r, h)| (r.clone(), h.clone()))
            .collect();
        assert_eq!(
            in_force(&published),
            holds,
            "what was acknowledged, after a restart:\n{}",
            self.foreshift.log()
        );
    }

    fn give_command(&mut self) {
        let (ask, after) = command(&mut self.seed, self.commands, &self.holds);
        self.commands += 1;
        self.foreshift
            .operate(ask.clone())
            .unwrap_or_else(|error| panic!("{ask:?} is refused: {error}"));
        self.holds = after;
    }

    fn kill_within_a_start(&mut self) {
        self.foreshift.kill();
        self.foreshift.spawn();
        std::thread::sleep(Duration::from_millis(self.seed.below(250)));
    }

    /// The answer may be lost: the command, given again under its id, is carried out once.
    fn kill_within_a_command(&mut self) {
        let (ask, after) = command(&mut self.seed, self.commands, &self.holds);
        self.commands += 1;
        self.foreshift
            .begin_to_operate(ask.clone())
            .expect("a ready process answers");
        std::thread::sleep(Duration::from_micros(self.seed.below(30_000)));
        self.foreshift.kill();
        self.foreshift.start_again();
        match self.foreshift.operate(ask.clone()) {
            Ok(_) => self.holds = after,
            Err(ClientError::Refused { refused }) => panic!("{ask:?} is refused: {refused}"),
            Err(error) => panic!("{ask:?}: {error}"),
        }
    }
}

/// Waits until all that was sent is counted, and looks that it is counted once.
fn check_counts(foreshift: &Foreshift, sent: &Sent, what: &str) {
    let total = |counts: &Sent| counts.values().map(OutcomeCounts::total).sum::<u64>();
    let counted = |published: &Published| -> Sent {
        published
            .targets
            .iter()
            .map(|(target, state)| (target.clone(), state.outcomes))
            .collect()
    };
    eventually("all that was sent is counted", PATIENCE, || {
        (total(&counted(&foreshift.status()?)) >= total(sent)).then_some(())
    });
    std::thread::sleep(Duration::from_millis(500));
    let published = foreshift.status().expect("a ready process answers");
    let late: u64 = published.targets.values().map(|target| target.late_signals).sum();
    assert_eq!(late, 0, "{what}: nothing came late");
    assert_eq!(&counted(&published), sent, "{what}: requests by target and kind");
}

/// Versions of every route only grow, whatever happened between; a version says one thing.
fn check_versions(seen: &[RouteWeights]) {
    let mut newest: BTreeMap<&RouteName, &RouteWeights> = BTreeMap::new();
    for weights in seen {
        if let Some(before) = newest.insert(&weights.route, weights) {
            let again = weights.version == before.version && weights == before;
            assert!(
                again || weights.version > before.version,
                "{} goes from {} back to {}",
                weights.route,
                before.version,
                weights.version
            );
        }
    }
    let epochs = seen.iter().map(|weights| weights.version.epoch).max();
    println!(
        "a client saw {} versions up to {:?}",
        seen.len(),
        epochs.map(|epoch| Version { epoch, sequence: 0 })
    );
}

/// The journal that all those processes wrote together holds every signal once.
fn check_journal(foreshift: &Foreshift, what: &str) {
    let fallback = foreshift.dir().join("fallback.yaml");
    let mut command = Command::new(binary("foreshift-lab"));
    command.args(["replay", "-o", "json", "--config"]).arg(fallback);
    let output = command
        .arg("--input")
        .arg(foreshift.dir().join("state/journal"))
        .output()
        .expect("it starts");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let summary: serde_json::Value = serde_json::from_slice(&output.stdout).expect("json");
    let published = foreshift.status().expect("a ready process answers");
    let signals: u64 = published.targets.values().map(|target| target.signals).sum();
    assert_eq!(
        summary["signals"].as_u64(),
        Some(signals),
        "{what}: signals in the journal"
    );
}

fn run(number: u64, kills: u64, mut seed: Seed) {
    let kafka = Kafka::shared();
    let topic = kafka.topic("kills", 2);
    let settings = Settings {
        brokers: kafka.brokers(),
        topics: vec![(topic.clone(), "native_proto")],
        dead_letter: None,
        time: "{clock: wall, lateness: 5s}".to_owned(),
        snapshot_interval: "300ms",
        fallback: fallback(),
        more: "",
    };
    let what = format!("run {number}");
    let foreshift = Foreshift::start(&format!("kills-{number}"), &settings);
    let watcher = Watcher::start(foreshift.server());
    let producer = Producer::start(&topic, seed.part());
    let mut run = Run {
        foreshift,
        holds: Commands::new(),
        commands: 0,
        seed,
    };
    for _ in 0..kills {
        run.kill_once();
    }
    let sent = producer.finish();
    check_counts(&run.foreshift, &sent, &what);
    run.foreshift.kill();
    run.foreshift.start_again();
    run.check_commands();
    check_counts(&run.foreshift, &sent, &format!("{what}, after one more kill"));
    let status = run.foreshift.terminate(PATIENCE);
    assert!(status.success(), "{status}: {}", run.foreshift.log());
    run.foreshift.start_again();
    check_counts(&run.foreshift, &sent, &format!("{what}, after an orderly stop"));
    check_journal(&run.foreshift, &what);
    check_versions(&watcher.seen());
    assert!(
        u64::from(watcher.snapshots()) > kills / 2,
        "the client was there all the time"
    );
}

#[test]
fn a_kill_at_any_moment_loses_and_doubles_nothing() {
    let asked = std::env::var("FORESHIFT_KILL_SCHEDULES")
        .ok()
        .and_then(|text| text.parse().ok());
    let kills: u64 = asked.unwrap_or(50);
    let mut seed = Seed::of("kills", 20_260_101);
    for number in 0..kills.div_ceil(KILLS_PER_RUN) {
        let of_run = seed.part();
        println!("run {number}: {of_run:?}");
        run(number, KILLS_PER_RUN.min(kills - number * KILLS_PER_RUN), of_run);
    }
}
