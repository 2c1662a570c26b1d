mod event;
mod wall;

use foreshift_domain::signal::{Health, Observation, Signal};

use super::*;

pub(super) const T0: i64 = 1_700_000_000;

pub(super) fn at(secs: i64) -> Timestamp {
    Timestamp::from_secs(T0 + secs)
}

pub(super) fn settings(clock: ClockMode) -> Settings {
    Settings {
        clock,
        bucket: Duration::from_secs(10),
        lateness: Duration::from_secs(5),
        max_future: Duration::from_secs(60),
        idle_timeout: Duration::from_secs(30),
    }
}

pub(super) fn signal(secs: i64, target: &str) -> Event {
    signal_at(at(secs), target)
}

pub(super) fn signal_at(time: Timestamp, target: &str) -> Event {
    Event::Signal(Signal {
        time,
        target: target.into(),
        route: None,
        gateway: None,
        endpoint: None,
        observation: Observation::Health(Health::Up),
    })
}

/// A sequencer with partitions 0 to `partitions`, known at wall time 0.
pub(super) fn sequencer(clock: ClockMode, partitions: i32) -> Sequencer {
    let mut sequencer = Sequencer::new(settings(clock));
    for partition in 0..partitions {
        sequencer.partition(
            &PartitionKey {
                topic: "t".into(),
                partition,
            },
            at(0),
        );
    }
    sequencer
}

pub(super) fn watermarks(out: &Outbox) -> Vec<i64> {
    let of = |sequenced: &Sequenced| match sequenced.input {
        Input::Watermark(watermark) => Some(watermark.time.since(at(0)).as_micros() / 1_000_000),
        _ => None,
    };
    out.ordered.iter().filter_map(of).collect()
}

/// Seconds and names of the signals that came out.
pub(super) fn signals(out: &Outbox) -> Vec<(i64, String)> {
    let of = |sequenced: &Sequenced| match &sequenced.input {
        Input::Signal(signal) => Some((
            signal.time.since(at(0)).as_micros() / 1_000_000,
            signal.target.as_str().to_owned(),
        )),
        _ => None,
    };
    out.ordered.iter().filter_map(of).collect()
}

pub(super) fn inputs(out: &Outbox) -> Vec<Input> {
    out.ordered
        .iter()
        .map(|sequenced| sequenced.input.clone())
        .collect()
}

#[test]
fn times_outside_of_two_centuries_are_refused_in_both_modes() {
    for clock in [ClockMode::Wall, ClockMode::Event] {
        let mut sequencer = sequencer(clock, 1);
        let mut out = Outbox::default();
        for time in [Timestamp::MIN, Timestamp::from_secs(0), LATEST, Timestamp::MAX] {
            sequencer.push(PartitionId(0), 7, signal_at(time, "a"), at(0), &mut out);
        }
        assert!(out.ordered.is_empty());
        assert!(
            out.refused
                .iter()
                .all(|refused| refused.why == Refusal::OutOfRange)
        );
        assert_eq!((out.refused.len(), sequencer.counters().refused), (4, 4));
    }
}

#[test]
fn the_whole_state_survives_being_stored() {
    for clock in [ClockMode::Wall, ClockMode::Event] {
        let mut before = sequencer(clock, 2);
        let mut out = Outbox::default();
        for second in 0..100 {
            let partition = PartitionId(u32::try_from(second % 2).expect("small"));
            before.push(partition, second, signal(second, "a"), at(second), &mut out);
        }
        before.advance(at(100), &mut out);
        let bytes = postcard::to_stdvec(&before).expect("stored");
        let mut after: Sequencer = postcard::from_bytes(&bytes).expect("restored");
        assert_eq!(before, after);
        let (mut left, mut right) = (Outbox::default(), Outbox::default());
        before.finish(&mut left);
        after.finish(&mut right);
        assert_eq!(left, right);
    }
}
