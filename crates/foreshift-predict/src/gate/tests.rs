use super::*;
use crate::test_stream::Stream;

const STREAMS: u64 = 400;
const BLOCKS: usize = 500;

/// A gate over an hour's horizon; its period is a day.
fn gate() -> Gate {
    Gate::new(Duration::HOUR, Duration::ZERO)
}

/// After how many blocks the loss test rejects, if within `BLOCKS`; looked at after each. Blocks are drawn by `gain`.
fn rejected_after(seed: u64, gain: impl Fn(&mut Stream) -> f64) -> Option<usize> {
    let mut draws = Stream::new(seed);
    let mut gate = gate();
    (0..BLOCKS).find(|_| {
        gate.close(Block {
            gain: gain(&mut draws),
        });
        gate.loss.rejects(ALPHA)
    })
}

fn share_rejected(gain: impl Fn(&mut Stream) -> f64 + Copy) -> f64 {
    let rejected = (0..STREAMS)
        .filter(|seed| rejected_after(*seed, gain).is_some())
        .count();
    rejected as f64 / STREAMS as f64
}

/// Mostly small, now and then large: how log-loss is.
fn heavy(draws: &mut Stream) -> f64 {
    let size = if draws.uniform() < 0.1 { 8.0 } else { 1.0 };
    size * draws.normal()
}

#[test]
fn without_a_difference_no_more_streams_than_alpha_reject_though_looked_at_after_every_block() {
    for (name, share) in [
        ("normal", share_rejected(Stream::normal)),
        ("heavy tails", share_rejected(heavy)),
        ("a worse one", share_rejected(|draws| draws.normal() - 0.2)),
        (
            "many small gains, rare disasters",
            share_rejected(|draws| {
                if draws.uniform() < 0.05 {
                    -1.9
                } else {
                    0.1 + 0.05 * draws.normal()
                }
            }),
        ),
    ] {
        assert!(share <= ALPHA, "{name}: {share}");
    }
}

#[test]
fn a_true_gain_is_found_soon() {
    let found: Vec<_> = (0..STREAMS)
        .map(|seed| rejected_after(seed, |draws| 0.5 + heavy(draws) / 3.0))
        .collect();
    let within = |blocks| {
        found
            .iter()
            .filter(|after| after.is_some_and(|after| after < blocks))
            .count()
    };
    assert!(
        within(250) as f64 >= 0.9 * STREAMS as f64,
        "{} of {STREAMS} within 250",
        within(250)
    );
}

/// After how many incidents the recall test rejects, if within a thousand; looked at after each.
fn no_worse_after(seed: u64, champion: f64, challenger: f64, together: f64) -> Option<usize> {
    let mut draws = Stream::new(seed);
    let mut gate = gate();
    for budget in &mut gate.budgets {
        for _ in 0..2_000 {
            budget.alarms(0.001);
        }
    }
    (0..1_000).find(|_| {
        let (one, other) = (draws.uniform(), draws.uniform());
        let other = if draws.uniform() < together { one } else { other };
        let run = |foretold: bool| {
            let at = Timestamp::from_secs(90_000);
            foretold.then_some(AlarmRun { first: at, last: at })
        };
        let target = TargetAlarms {
            runs: [run(one < champion), run(other < challenger)],
        };
        gate.incident(&target, Timestamp::from_secs(91_000));
        gate.recall.rejects(ALPHA)
    })
}

#[test]
fn a_challenger_whose_recall_is_worse_by_the_margin_passes_in_at_most_alpha_of_the_streams() {
    for together in [0.0, 0.9] {
        let passed = (0..STREAMS)
            .filter(|seed| no_worse_after(*seed, 0.8, 0.7, together).is_some())
            .count();
        assert!(passed as f64 <= ALPHA * STREAMS as f64, "{passed} of {STREAMS}");
    }
}

#[test]
fn a_challenger_of_equal_or_better_recall_passes_within_a_few_dozen_incidents() {
    let passed = |champion, challenger, together, within: usize| {
        let all = (0..STREAMS).filter_map(|seed| no_worse_after(seed, champion, challenger, together));
        all.filter(|after| *after < within).count() as f64 / STREAMS as f64
    };
    assert!(passed(0.8, 0.8, 1.0, 45) >= 0.9, "the same incidents");
    assert!(passed(0.6, 0.8, 0.5, 120) >= 0.9, "more incidents");
}

fn at(hours: i64) -> Timestamp {
    Timestamp::from_secs(3_600 * hours)
}

/// Rows of `targets` targets over days; the challenger is surer of what comes than the champion.
fn play(gate: &mut Gate, days: i64, targets: u32, gain: f64, seed: u64) {
    let mut draws = Stream::new(seed);
    for hour in 0..24 * days {
        gate.advance(at(hour));
        for target in 0..targets {
            let truth = if draws.uniform() < 0.1 { 0.6 } else { 0.02 };
            let positive = draws.uniform() < truth;
            let blur = |share: f64| truth * (1.0 - share) + 0.08 * share;
            let said = Pair {
                champion: blur(0.5),
                challenger: blur(0.5 - gain),
            };
            gate.matured(target, said, positive, 1.0);
        }
    }
}

#[test]
fn rows_of_one_group_and_period_are_one_block() {
    let mut gate = gate();
    play(&mut gate, 5, 3, 0.3, 1);
    assert_eq!(gate.comparison().blocks, 3 * 4, "the running day is open");
}

#[test]
fn a_sharper_challenger_is_told_from_a_duller_one_by_days_of_rows() {
    let (mut sharper, mut duller) = (gate(), gate());
    play(&mut sharper, 60, 10, 0.4, 1);
    play(&mut duller, 60, 10, -0.4, 1);
    assert!(sharper.loss.rejects(ALPHA), "{}", sharper.comparison());
    assert!(duller.comparison().loss_e_value <= 1.0, "{}", duller.comparison());
}

#[test]
fn without_incidents_nothing_passes_however_low_the_loss() {
    let mut gate = gate();
    play(&mut gate, 60, 10, 0.4, 1);
    let comparison = gate.comparison();
    assert!(comparison.loss_e_value > 20.0 && !comparison.passed);
}

#[test]
fn probabilities_that_are_none_and_groups_beyond_the_bound_do_no_harm() {
    let mut gate = gate();
    gate.advance(at(0));
    let said = |champion| Pair {
        champion,
        challenger: 0.5,
    };
    gate.matured(0, said(f64::NAN), true, 1.0);
    gate.matured(0, said(2.0), true, 1.0);
    gate.matured(0, said(0.5), true, -1.0);
    assert!(gate.blocks.is_empty());
    for group in 0..2 * MAX_GROUPS as u32 {
        gate.matured(group, said(0.0), true, 1.0);
    }
    assert_eq!(gate.blocks.len(), MAX_GROUPS + 1);
    gate.advance(at(48));
    assert!(gate.comparison().champion_log_loss.unwrap().is_finite());
}

#[test]
fn an_incident_is_foretold_by_an_alarm_within_the_horizon_and_before_the_guard() {
    let mut gate = Gate::new(Duration::HOUR, Duration::from_secs(60));
    for budget in &mut gate.budgets {
        for look in 0..5_000 {
            budget.alarms(if look % 100 == 0 { 0.5 } else { 0.001 });
        }
    }
    let foretold = |gate: &mut Gate, alarm: Timestamp| {
        let mut target = TargetAlarms::default();
        let said = Pair {
            champion: 0.001,
            challenger: 0.9,
        };
        gate.look(&mut target, alarm, said);
        let before = gate.comparison().foretold_by_challenger;
        gate.incident(&target, at(10));
        gate.comparison().foretold_by_challenger > before
    };
    assert!(foretold(&mut gate, at(10) - Duration::from_secs(61)));
    assert!(foretold(&mut gate, at(9)));
    assert!(
        !foretold(&mut gate, at(10) - Duration::from_secs(30)),
        "within the guard"
    );
    assert!(!foretold(&mut gate, at(8)), "too early");
    assert_eq!(gate.comparison().foretold_by_champion, 0);
}

#[test]
fn a_gate_survives_a_snapshot_and_goes_on_as_if_nothing_had_been() {
    let mut gate = gate();
    play(&mut gate, 20, 4, 0.2, 3);
    let text = serde_json::to_string(&gate).unwrap();
    let mut restored: Gate = serde_json::from_str(&text).unwrap();
    assert_eq!(restored, gate);
    play(&mut gate, 20, 4, 0.2, 4);
    play(&mut restored, 20, 4, 0.2, 4);
    assert_eq!(restored, gate);
}
