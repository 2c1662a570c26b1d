use foreshift_domain::fallback::OutcomeSource;
use foreshift_domain::signal::{Observation, OutcomeCounts, OutcomeKind, OutcomeWindow, Signal};
use foreshift_domain::{Duration, Input};
use proptest::prelude::*;

use super::*;
use crate::decoded::CumulativePoint;
use crate::mapping::tests::fallback;
use crate::sequencer::ClockMode;
use crate::source::{Item, Run};

const T0: i64 = 1_700_000_000;

fn settings(clock: ClockMode) -> Settings {
    Settings {
        clock,
        bucket: Duration::from_secs(10),
        lateness: Duration::from_secs(5),
        max_future: Duration::from_secs(60),
        idle_timeout: Duration::from_secs(30),
    }
}

fn signal(second: i64, observation: Observation) -> Signal {
    Signal {
        time: Timestamp::from_secs(T0 + second),
        target: "a".into(),
        route: None,
        gateway: None,
        endpoint: None,
        observation,
    }
}

/// A counter that has counted `total` requests at this second.
fn cumulative(second: i64, total: u64) -> Decoded {
    let mut counts = OutcomeCounts::default();
    counts.add(OutcomeKind::Success, total);
    let window = OutcomeWindow {
        length: Duration::ZERO,
        counts,
        latency: Vec::new(),
    };
    Decoded::Cumulative(Box::new(CumulativePoint {
        stream: 1,
        start: Timestamp::from_secs(T0),
        signal: signal(second, Observation::Window(Box::new(window))),
        aliases: Vec::new(),
    }))
}

fn batch(partition: i32, from: i64, items: Vec<Decoded>) -> Batch {
    let items: Vec<Item> = (from..)
        .zip(items)
        .map(|(offset, decoded)| Item { offset, decoded })
        .collect();
    let run = Run {
        partition: PartitionKey {
            topic: "t".into(),
            partition,
        },
        next_offset: from + i64::try_from(items.len()).expect("small"),
        items,
        refused: Vec::new(),
        caught_up: false,
    };
    Batch {
        runs: vec![run],
        finished: false,
    }
}

/// Batches of one counter and one plain signal a second, over two partitions.
fn batches() -> Vec<Batch> {
    let health = Observation::Health(foreshift_domain::signal::Health::Up);
    let plain = |second| Decoded::Signal {
        signal: signal(second, health.clone()),
        aliases: Vec::new(),
        source: OutcomeSource::Native,
    };
    (0..100)
        .map(|second| match second % 2 {
            0 => batch(
                0,
                second,
                vec![cumulative(second, second.unsigned_abs() * 7), plain(second)],
            ),
            _ => batch(1, second, vec![plain(second)]),
        })
        .collect()
}

fn run(clock: ClockMode, restarts: &[usize]) -> (Vec<Input>, IntakeState) {
    let fallback = fallback(vec![], true);
    let mut intake = Intake::new(settings(clock), &fallback);
    let mut inputs = Vec::new();
    for (number, batch) in batches().into_iter().enumerate() {
        let now = Timestamp::from_secs(T0 + i64::try_from(number).expect("small"));
        if restarts.contains(&number) {
            let bytes = postcard::to_stdvec(&intake.state()).expect("stored");
            intake = Intake::restore(postcard::from_bytes(&bytes).expect("restored"), &fallback, now);
        }
        let mut out = Outbox::default();
        intake.accept(batch, now, &mut out);
        inputs.extend(out.ordered.into_iter().map(|sequenced| sequenced.input));
    }
    let mut out = Outbox::default();
    intake.accept(
        Batch {
            runs: Vec::new(),
            finished: true,
        },
        Timestamp::from_secs(T0 + 100),
        &mut out,
    );
    inputs.extend(out.ordered.into_iter().map(|sequenced| sequenced.input));
    (inputs, intake.state())
}

#[test]
fn the_first_point_of_a_counter_is_no_signal_and_the_others_are_what_they_added() {
    let (inputs, _) = run(ClockMode::Event, &[]);
    let windows: Vec<u64> = inputs
        .iter()
        .filter_map(|input| match input {
            Input::Signal(Signal {
                observation: Observation::Window(window),
                ..
            }) => Some(window.counts.total()),
            _ => None,
        })
        .collect();
    assert_eq!(windows, vec![14; 49]);
}

#[test]
fn positions_are_those_after_the_last_batch() {
    let (_, state) = run(ClockMode::Wall, &[]);
    let next: Vec<i64> = state.positions.iter().map(|(_, next)| *next).collect();
    assert_eq!(next, vec![100, 100]);
}

#[test]
fn inputs_of_a_journal_pass_as_they_are() {
    let mut intake = Intake::new(settings(ClockMode::Event), &fallback(vec![], false));
    let input = Input::Clock(Timestamp::from_secs(5));
    let mut out = Outbox::default();
    intake.accept(
        batch(0, 0, vec![Decoded::Ordered(input.clone())]),
        Timestamp::from_secs(0),
        &mut out,
    );
    assert_eq!(
        out.ordered.first().map(|sequenced| &sequenced.input),
        Some(&input)
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn restarts_from_snapshots_change_nothing(restarts in prop::collection::vec(0usize..100, 0..6), wall: bool) {
        let clock = if wall { ClockMode::Wall } else { ClockMode::Event };
        prop_assert_eq!(run(clock, &restarts).0, run(clock, &[]).0);
    }
}
