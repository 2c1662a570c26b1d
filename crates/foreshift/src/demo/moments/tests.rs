use foreshift_domain::fallback::{Mode, Role};
use foreshift_domain::prediction::{ModelVersion, Prediction, PredictionId, Risk};
use foreshift_domain::published::Why;
use foreshift_domain::signal::OutcomeCounts;
use foreshift_domain::weights::{TargetWeight, Version};

use super::*;

const FALLBACK: &str = "\
routes:
  - name: chat
    triggers: {risk: {horizon: 2m, enter: 0.5, exit: 0.3, full: 0.8}}
    targets:
      - {name: a, role: primary, baseline: 100%}
      - {name: b, role: secondary, capacity: 10 rps}
";

fn story() -> Story {
    Story::new(Arc::new(
        foreshift_config::parse_fallback(FALLBACK, "f").unwrap().value,
    ))
}

fn weights(sequence: u64, at_s: i64, a_bp: u32, reason: Reason) -> RouteWeights {
    let target = |name: &str, baseline_bp, weight_bp| TargetWeight {
        target: name.into(),
        role: Role::Primary,
        baseline_bp,
        weight_bp,
        planned_bp: weight_bp,
        health: Some(Health::Up),
        risks: Vec::new(),
    };
    RouteWeights {
        route: "chat".into(),
        version: Version { epoch: 1, sequence },
        mode: Mode::Auto,
        targets: vec![target("a", 10_000, a_bp), target("b", 0, 10_000 - a_bp)],
        reason,
        decision: sequence,
        model: ModelVersion::default(),
        decided_at: Timestamp::from_secs(at_s),
        valid_until: Timestamp::from_secs(at_s + 60),
        baseline_confirmed: true,
        propensity: 1.0,
    }
}

fn state(tick_s: i64, probability: f64, incident_since: Option<i64>) -> Published {
    let incident_since = incident_since.map(Timestamp::from_secs);
    let risk = Risk {
        horizon: Duration::from_secs(120),
        probability,
    };
    let target = TargetState {
        health: Some(Health::Up),
        last_seen: Timestamp::from_secs(tick_s),
        outcomes: OutcomeCounts::default(),
        signals: 1,
        late_signals: 0,
        log_lines: 0,
        rate_rps: None,
        incidents: 0,
        incident_since,
        prediction: Some(Prediction {
            id: PredictionId {
                target: "a".into(),
                tick: Timestamp::from_secs(tick_s),
            },
            risks: vec![risk],
            model: ModelVersion::default(),
            in_incident: incident_since.is_some(),
        }),
        explanations: Vec::new(),
        why: Why::default(),
    };
    Published {
        now: Timestamp::from_secs(tick_s),
        targets: BTreeMap::from([("a".into(), Arc::new(target))]),
        ..Published::default()
    }
}

fn told(moments: &[Timed]) -> Vec<(i64, &'static str)> {
    let word = |moment: &Moment| match moment {
        Moment::Prediction { .. } => "prediction",
        Moment::Withdrawn { .. } => "withdrawn",
        Moment::Shift { away: true, .. } => "shift",
        Moment::Shift { .. } => "restore",
        Moment::Shifted { away: true, .. } => "shifted",
        Moment::Shifted { .. } => "restored",
        Moment::Failure { .. } => "failure",
        Moment::Recovered { .. } => "recovered",
    };
    moments
        .iter()
        .map(|timed| (timed.at.as_millis() / 1_000, word(&timed.moment)))
        .collect()
}

#[test]
fn an_alarm_is_told_once_and_again_only_after_it_ended() {
    let (mut story, mut moments) = (story(), Vec::new());
    for (tick, probability) in [(1, 0.1), (2, 0.6), (3, 0.7), (4, 0.4), (5, 0.2), (6, 0.55)] {
        story.state(&state(tick, probability, None), &mut moments);
    }
    assert_eq!(
        told(&moments),
        [(2, "prediction"), (5, "withdrawn"), (6, "prediction")]
    );
    let withdrawn: Vec<_> = story.alarms().iter().map(|alarm| alarm.withdrawn).collect();
    assert_eq!(withdrawn, [Some(Timestamp::from_secs(5)), None]);
}

#[test]
fn a_failure_ends_the_alarm_that_foretold_it_and_is_told_at_its_beginning() {
    let (mut story, mut moments) = (story(), Vec::new());
    story.state(&state(2, 0.6, None), &mut moments);
    story.state(&state(9, 0.9, Some(7)), &mut moments);
    story.state(&state(10, 0.9, Some(7)), &mut moments);
    story.state(&state(20, 0.1, None), &mut moments);
    assert_eq!(
        told(&moments),
        [(2, "prediction"), (7, "failure"), (20, "recovered")]
    );
}

#[test]
fn steps_in_one_direction_are_one_movement() {
    let (mut story, mut moments) = (story(), Vec::new());
    story.weights(weights(1, 0, 10_000, Reason::Baseline), &mut moments);
    for (sequence, at, bp) in [(2, 10, 9_500), (3, 11, 9_000), (4, 12, 8_500)] {
        story.weights(weights(sequence, at, bp, Reason::PredictedRisk), &mut moments);
    }
    story.state(&state(20, 0.1, None), &mut moments);
    story.weights(weights(5, 30, 9_000, Reason::Restore), &mut moments);
    story.weights(weights(6, 31, 10_000, Reason::Restore), &mut moments);
    story.finish(&mut moments);
    assert_eq!(
        told(&moments),
        [(10, "shift"), (12, "shifted"), (30, "restore"), (31, "restored")]
    );
    let Moment::Shifted { shares, took, .. } = &moments[1].moment else {
        panic!()
    };
    assert_eq!(
        (shares[0].from_bp, shares[0].to_bp, *took),
        (10_000, 8_500, Duration::from_secs(2))
    );
    assert_eq!(story.changes().len(), 5);
}

#[test]
fn a_movement_of_one_step_is_told_once() {
    let (mut story, mut moments) = (story(), Vec::new());
    story.weights(weights(1, 0, 10_000, Reason::Baseline), &mut moments);
    story.weights(weights(2, 10, 0, Reason::HardDown), &mut moments);
    story.finish(&mut moments);
    assert_eq!(told(&moments), [(10, "shift")]);
}

#[test]
fn weights_that_were_only_renewed_or_repeated_are_no_change() {
    let (mut story, mut moments) = (story(), Vec::new());
    story.weights(weights(1, 0, 10_000, Reason::Baseline), &mut moments);
    story.weights(weights(2, 30, 10_000, Reason::Baseline), &mut moments);
    story.weights(weights(3, 40, 9_000, Reason::PredictedRisk), &mut moments);
    story.weights(weights(2, 30, 10_000, Reason::Baseline), &mut moments);
    assert_eq!((story.changes().len(), moments.len()), (1, 1));
}

#[test]
fn a_target_that_is_down_is_told_before_the_shift_and_once() {
    let (mut story, mut moments) = (story(), Vec::new());
    story.weights(weights(1, 0, 10_000, Reason::Baseline), &mut moments);
    let mut down = weights(2, 10, 0, Reason::HardDown);
    down.targets[0].health = Some(Health::Down);
    story.weights(down, &mut moments);
    // The status is older than the news: it takes nothing back.
    story.state(&state(9, 0.1, None), &mut moments);
    story.state(&state(12, 0.1, Some(10)), &mut moments);
    assert_eq!(told(&moments), [(10, "failure"), (10, "shift")]);
    story.weights(weights(3, 20, 0, Reason::HardDown), &mut moments);
    story.state(&state(21, 0.1, None), &mut moments);
    assert_eq!(told(&moments)[2..], [(21, "recovered")]);
}
