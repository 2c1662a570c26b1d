//! Golden screens.

use std::collections::BTreeMap;
use std::sync::Arc;

use foreshift_domain::command::{Action, CommandDone};
use foreshift_domain::decision::{Cause, Clause, Decision, DecisionTarget, Reason};
use foreshift_domain::fallback::{Mode, Role};
use foreshift_domain::hash::Digest;
use foreshift_domain::prediction::{Contribution, Explanation, Grounds, ModelVersion, Risk};
use foreshift_domain::published::{AppliedVersion, Override, Published, RouteOverride, TargetState, Why};
use foreshift_domain::signal::{Health, OutcomeCounts};
use foreshift_domain::weights::{RouteWeights, TargetWeight, Version};
use foreshift_domain::{Duration, Timestamp};

use super::*;

const NOW: Timestamp = Timestamp::from_secs(1_000_000);

fn seconds_ago(seconds: i64) -> Timestamp {
    NOW - Duration::from_secs(seconds)
}

fn target(name: &str, shares: [u32; 3], risk: f64) -> TargetWeight {
    let [baseline_bp, weight_bp, planned_bp] = shares;
    TargetWeight {
        target: name.into(),
        role: if baseline_bp > 0 {
            Role::Primary
        } else {
            Role::Secondary
        },
        baseline_bp,
        weight_bp,
        planned_bp,
        health: Some(Health::Up),
        risks: vec![Risk {
            horizon: Duration::from_secs(120),
            probability: risk,
        }],
    }
}

fn weights(route: &str, mode: Mode, reason: Reason, targets: Vec<TargetWeight>) -> RouteWeights {
    RouteWeights {
        route: route.into(),
        version: Version {
            epoch: 7,
            sequence: 41,
        },
        mode,
        targets,
        reason,
        decision: 41,
        model: ModelVersion {
            name: "live@1".into(),
            rows_learned: 12,
        },
        decided_at: seconds_ago(5),
        valid_until: NOW + Duration::from_secs(60),
        baseline_confirmed: true,
        propensity: 1.0,
    }
}

fn state(rate_rps: f64, seen: i64) -> Arc<TargetState> {
    Arc::new(TargetState {
        health: Some(Health::Up),
        last_seen: seconds_ago(seen),
        outcomes: OutcomeCounts::default(),
        signals: 10,
        late_signals: 0,
        log_lines: 0,
        rate_rps: Some(rate_rps),
        incidents: 0,
        incident_since: None,
        prediction: None,
        explanations: Vec::new(),
        why: Why::default(),
    })
}

/// A route in shadow on which a shift is wanted, one in auto at rest.
fn published() -> Published {
    let chat = vec![
        target("openai", [10_000, 10_000, 6_500], 0.62),
        target("mistral", [0, 0, 3_500], 0.01),
    ];
    let search = vec![
        target("eu", [5_000, 5_000, 5_000], 0.02),
        target("us", [5_000, 5_000, 5_000], 0.0),
    ];
    let routes = [
        weights("chat", Mode::Shadow, Reason::PredictedRisk, chat),
        weights("search", Mode::Auto, Reason::Baseline, search),
    ];
    Published {
        epoch: 7,
        now: NOW,
        watermark: seconds_ago(5),
        routes: routes
            .into_iter()
            .map(|weights| (weights.route.clone(), Arc::new(weights)))
            .collect(),
        targets: BTreeMap::from([
            ("openai".into(), state(120.0, 1)),
            ("mistral".into(), state(0.0, 42)),
            ("eu".into(), state(9.0, 2)),
            ("us".into(), state(9.0, 2)),
        ]),
        decisions: 41,
        ..Published::default()
    }
}

fn screen(
    published: &Published,
    fallback: Option<&foreshift_domain::fallback::Fallback>,
    paint: Paint,
) -> String {
    let flags = " --server http://f:1";
    status(&StatusView {
        published,
        wall: NOW,
        fallback,
        only: &[],
        all: false,
        flags,
        paint,
    })
}

#[test]
fn the_first_screen_says_what_would_move_why_at_what_cost_and_how_to_stop_it() {
    let expected = "\
foreshift  epoch 7  clock 1970-01-12T13:46:40Z  decisions 41  model live@1+12

DATA     events are in up to 5s behind the clock; silent for longest: mistral (42s)
TARGETS  4 known: 4 up

ROUTE   MODE    VERSION  MOVED  WOULD MOVE  TOP RISK           WHY
chat    shadow  7.41         -         35%  62% in 2m: openai  predicted risk
search  auto    7.41         -           -  2.0% in 2m: eu     at rest

chat (shadow)  A target is predicted to fail: the plan moves part of its traffic away in time.
  TARGET   ROLE       HEALTH  RISK        BASELINE   NOW  PLANNED   RATE  HEARD
  openai   primary    up      62% in 2m       100%  100%      65%  120/s     1s
  mistral  secondary  up      1.0% in 2m        0%    0%      35%    0/s    42s
  cost: 35% of the route would move, about 42/s
        mistral would take 35% more; with --fallback FILE its room is shown

no gateway has said yet what it applied

HOW TO STOP IT
  hold all weights as they are    foreshift freeze --for 30m --reason '...' --server http://f:1
  stop acting, go on predicting   foreshift mode --all shadow --reason '...' --server http://f:1
  one route alone                 foreshift freeze chat --for 30m --reason '...' --server http://f:1
                                  foreshift mode chat shadow --reason '...' --server http://f:1
";
    let text = screen(&published(), None, Paint::new(false));
    assert_eq!(text, expected, "\n{text}");
    assert!(text.lines().all(|line| line.chars().count() <= MAX_COLUMNS));
}

#[test]
fn colours_change_no_words() {
    let coloured = screen(&published(), None, Paint::new(true));
    assert!(coloured.contains("\u{1b}[31m62% in 2m\u{1b}[0m"));
    let mut plain = String::new();
    for (at, part) in coloured.split('\u{1b}').enumerate() {
        plain.push_str(if at == 0 {
            part
        } else {
            part.split_once('m').unwrap().1
        });
    }
    assert_eq!(plain, screen(&published(), None, Paint::new(false)));
}

#[test]
fn with_the_fallback_configuration_the_room_of_the_receiver_is_shown() {
    let text = "\
routes:
  - name: chat
    targets:
      - {name: openai, role: primary, baseline: 100%}
      - {name: mistral, role: secondary, baseline: 0%, capacity: 100 rps}
";
    let fallback = foreshift_config::parse_fallback(text, "f").unwrap().value;
    let text = screen(&published(), Some(&fallback), Paint::new(false));
    assert!(
        text.contains("mistral would take 35% more: 42/s of the 80/s it may be given (52%)"),
        "{text}"
    );
}

#[test]
fn overrides_gateways_and_what_needs_a_look_are_shown() {
    let mut published = published();
    let over = |what: &str| Override {
        actor: "ana".into(),
        reason: what.into(),
        since: seconds_ago(60),
        expires_at: NOW + Duration::from_secs(1_500),
    };
    published.fleet_freeze = Some(over("INC-17"));
    let pinned = RouteOverride {
        pin: Some(over("quota")),
        freeze: None,
        mode: Some(Mode::Auto),
    };
    published.overrides.insert("chat".into(), pinned);
    let said = |sequence: u64, error: Option<&str>| AppliedVersion {
        version: Version { epoch: 7, sequence },
        time: seconds_ago(3),
        error: error.map(str::to_owned),
    };
    let gateways = [
        ("edge-1", said(41, None)),
        ("edge-2", said(40, None)),
        ("edge-3", said(41, Some("no such cluster"))),
    ];
    let gateways = gateways
        .into_iter()
        .map(|(name, said)| (name.into(), said))
        .collect();
    published.applied.insert("chat".into(), gateways);
    published.counters.insert("unmapped".into(), 17);
    let text = screen(&published, None, Paint::new(false));
    for line in [
        "frozen     all routes  ana  25m              INC-17",
        "pinned     chat        ana  25m              quota",
        "mode auto  chat        -    until set again  -",
        "edge-2   chat   7.41      7.40     3s ago  behind",
        "edge-3   chat   7.41      7.41     3s ago  refused: no such cluster",
        "edge-1   chat   7.41      7.41     3s ago  in step",
        "gateways that refuse their weights: edge-3",
        "17 signals named no known target",
        "end the freeze of all routes    foreshift unfreeze --reason '...'",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
}

#[test]
fn a_watch_line_marks_what_changed() {
    let before = weights(
        "chat",
        Mode::Auto,
        Reason::Baseline,
        vec![target("a", [10_000, 10_000, 10_000], 0.0)],
    );
    let now = weights(
        "chat",
        Mode::Auto,
        Reason::HardDown,
        vec![target("a", [10_000, 2_550, 2_550], 0.0)],
    );
    assert_eq!(
        changed_line(&now, Some(&before), Paint::new(false)),
        "1970-01-12T13:46:35Z  chat  7.41  auto  a=25.5%  target down"
    );
    assert!(changed_line(&now, Some(&before), Paint::new(true)).contains("\u{1b}[1ma=25.5%\u{1b}[0m"));
}

#[test]
fn a_receipt_names_the_exact_command_that_undoes_it() {
    let before = published();
    let mut after = published();
    let pinned = vec![
        target("openai", [10_000, 4_000, 4_000], 0.62),
        target("mistral", [0, 6_000, 6_000], 0.01),
    ];
    after.routes.insert(
        "chat".into(),
        Arc::new(weights("chat", Mode::Shadow, Reason::Pinned, pinned)),
    );
    let over = Override {
        actor: "ana".into(),
        reason: "x".into(),
        since: NOW,
        expires_at: NOW + Duration::HOUR,
    };
    after.overrides.insert(
        "chat".into(),
        RouteOverride {
            pin: Some(over),
            freeze: None,
            mode: None,
        },
    );
    let pin = Action::Pin {
        route: "chat".into(),
        weights: vec![],
    };
    let done = CommandDone {
        version: Some(Version {
            epoch: 7,
            sequence: 42,
        }),
        repeated: false,
    };
    let receipt = |action, before, after| Receipt {
        action,
        request_id: "r1",
        done: &done,
        before: Some(before),
        after: Some(after),
        flags: "",
    };
    assert_eq!(
        receipt(&pin, &before, &after).render(Paint::new(false)),
        "done: route chat is pinned until 1970-01-12T14:46:40Z (1h)\n  \
         weights     openai 100%, mistral 0%  →  openai 40%, mistral 60%\n  version     7.42\n  request id  r1\n  \
         undo        foreshift unpin chat --reason '...'"
    );
    let unpin = Action::Unpin { route: "chat".into() };
    assert_eq!(
        undo(&receipt(&unpin, &after, &before)),
        ["foreshift pin chat openai=40% mistral=60% --for 60m --reason '...'"]
    );
    let mode = Action::SetMode {
        route: None,
        mode: Mode::Shadow,
    };
    assert_eq!(
        undo(&receipt(&mode, &before, &after)),
        ["foreshift mode search auto --reason '...'"]
    );
}

#[test]
fn a_decision_names_the_rules_that_bound_it() {
    let one = Decision {
        sequence: 41,
        version: Version {
            epoch: 7,
            sequence: 41,
        },
        time: NOW,
        route: "chat".into(),
        mode: Mode::Auto,
        cause: Cause::Tick,
        reason: Reason::PredictedRisk,
        targets: vec![DecisionTarget {
            grounds: Some(Arc::new(Grounds {
                tick: NOW,
                explanation: Explanation {
                    horizon: Duration::from_secs(120),
                    probability: 0.55,
                    logit: 0.2,
                    base: -1.3,
                    contributions: vec![Contribution {
                        feature: "failure_trend".to_owned(),
                        value: Some(2.0),
                        logit: 1.5,
                    }],
                    simulated: false,
                    thresholds: Vec::new(),
                },
            })),
            target: "openai".into(),
            health: Some(Health::Up),
            risk: Some(0.62),
            alarm: true,
            held_out: false,
            telemetry_age: Some(Duration::from_secs(1)),
            baseline_bp: 10_000,
            proposed_bp: 500,
            planned_bp: 6_500,
            weight_bp: 6_500,
        }],
        clauses: vec![Clause {
            rule: 2,
            name: "capacity".into(),
            target: Some("mistral".into()),
            held_back_bp: 6_000,
        }],
        propensity: 1.0,
        model: ModelVersion::default(),
        fallback: Digest::default(),
        valid_until: NOW,
        request_id: None,
        previous: Digest::default(),
    };
    let text = decision(&one, Paint::new(false));
    assert!(
        text.contains("rule 2 capacity on mistral, 60% held back\n       No target is given more"),
        "{text}"
    );
    assert!(text.contains("openai alarms, as predicted at "), "{text}");
    assert!(text.contains("why 55% within 2m"), "{text}");
    assert!(
        text.contains("openai  up      62% alarm     1s      100%        5%      65%        65%"),
        "{text}"
    );
}

#[test]
fn a_route_is_told_in_words() {
    let published = published();
    let text = route_in_words(&published, &published.routes["chat"], "", Paint::new(false));
    assert!(text.contains("chat is in mode shadow"), "{text}");
    assert!(
        text.contains("openai is up, fails within 2m with 62%; has 100%, the plan is 65%"),
        "{text}"
    );
}
