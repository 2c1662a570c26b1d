//! The order of arrival cannot change a prediction.

use foreshift_domain::Duration;
use foreshift_domain::log::{ErrorClass, LogEvent};
use foreshift_domain::signal::{
    EventKind, Health, LatencyBin, Observation, OutcomeCounts, OutcomeKind, OutcomeWindow, Signal,
};
use foreshift_features::{Folded, TargetFeatures};
use proptest::prelude::*;

use crate::world::*;

#[derive(Clone, Debug)]
enum Arrival {
    Signal(Signal),
    Log(LogEvent),
}

impl Arrival {
    fn ms(&self) -> i64 {
        let time = match self {
            Self::Signal(signal) => signal.time,
            Self::Log(event) => event.time,
        };
        time.as_millis() - START_S * 1_000
    }
}

fn window(ms: i64, good: u64, bad: u64) -> Signal {
    let mut counts = OutcomeCounts::default();
    counts.add(OutcomeKind::Success, good);
    counts.add(OutcomeKind::Timeout, bad);
    let bin = |upper_ms, count| LatencyBin {
        upper: Duration::from_millis(upper_ms),
        count,
    };
    let window = OutcomeWindow {
        length: Duration::from_secs(1),
        counts,
        latency: vec![bin(10, good), bin(3_000, bad)],
    };
    signal(at_ms(ms), Observation::Window(Box::new(window)))
}

fn arrival() -> impl Strategy<Value = Arrival> {
    // Coarse times, so that ties are common.
    let ms = (0i64..240).prop_map(|tick| tick * 125);
    let kind = (0usize..OutcomeKind::ALL.len()).prop_map(|index| OutcomeKind::ALL[index]);
    let state = prop_oneof![Just(Health::Up), Just(Health::Degraded), Just(Health::Down)];
    let event = prop_oneof![
        Just(EventKind::Deploy),
        Just(EventKind::MaintenanceStart),
        Just(EventKind::MaintenanceEnd)
    ];
    let class = (0usize..ErrorClass::ALL.len()).prop_map(|index| ErrorClass::ALL[index]);
    prop_oneof![
        6 => (ms.clone(), kind, 0i64..5_000).prop_map(|(ms, kind, latency)| Arrival::Signal(outcome(ms, kind, latency))),
        1 => (ms.clone(), 0u64..5, 0u64..5).prop_map(|(ms, good, bad)| Arrival::Signal(window(ms, good, bad))),
        2 => (ms.clone(), state).prop_map(|(ms, state)| Arrival::Signal(health(ms, state))),
        2 => (ms.clone(), 0u8..20, 0u8..9, any::<bool>()).prop_map(|(ms, name, value, limited)| {
            Arrival::Signal(gauge(ms, &format!("g{name}"), f64::from(value), limited.then_some(10.0)))
        }),
        1 => (ms.clone(), event).prop_map(|(ms, event)| Arrival::Signal(signal(at_ms(ms), Observation::Event(event)))),
        2 => (ms, 0u64..80, class).prop_map(|(ms, template, class)| Arrival::Log(log(ms, template, class))),
    ]
}

const LATENESS_MS: i64 = 2_000;

/// Feeds in this order with a watermark that follows behind; returns the rows of all ticks and the state at the end.
#[allow(clippy::expect_used)] // a test
fn fold(arrivals: &[Arrival]) -> (Vec<u64>, Vec<u8>) {
    let timing = live();
    let mut target: Option<TargetFeatures> = None;
    let (mut newest, mut closed, mut bits) = (0, 0, Vec::new());
    for arrival in arrivals {
        let target = target.get_or_insert_with(|| TargetFeatures::new(at_ms(arrival.ms())));
        let folded = match arrival {
            Arrival::Signal(signal) => target.observe(&timing, signal),
            Arrival::Log(event) => target.observe_log(&timing, event),
        };
        assert_eq!(folded, Folded::Open, "nothing is late within the lateness");
        newest = newest.max(arrival.ms());
        while closed + 1_000 <= newest - LATENESS_MS {
            closed += 1_000;
            tick(target, closed, &mut bits);
        }
    }
    let mut target = target.unwrap_or_else(|| TargetFeatures::new(at_ms(0)));
    while closed < 40_000 {
        closed += 1_000;
        tick(&mut target, closed, &mut bits);
    }
    let state = postcard::to_stdvec(&target).expect("state serializes");
    (bits, state)
}

fn tick(target: &mut TargetFeatures, ms: i64, bits: &mut Vec<u64>) {
    let timing = live();
    close(target, &timing, ms);
    // An incident, so that recurrence and counts take part.
    match ms {
        7_000 | 19_000 => target.incident_began(at_ms(ms)),
        9_000 | 22_000 => target.incident_ended(at_ms(ms)),
        _ => {}
    }
    bits.extend(row(target, &timing, ms).iter().map(|value| value.to_bits()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn order_within_the_lateness_changes_no_byte(
        list in proptest::collection::vec((arrival(), 0..LATENESS_MS), 1..300)
    ) {
        // Both orders keep every arrival within the lateness of the newest one before it.
        let mut sorted: Vec<_> = list.clone();
        sorted.sort_by_key(|(arrival, _)| arrival.ms());
        let mut delayed = list;
        delayed.sort_by_key(|(arrival, delay)| arrival.ms() + delay);
        let strip = |list: Vec<(Arrival, i64)>| list.into_iter().map(|(arrival, _)| arrival).collect::<Vec<_>>();
        let (rows, state) = fold(&strip(sorted));
        let (other_rows, other_state) = fold(&strip(delayed));
        prop_assert_eq!(rows, other_rows);
        prop_assert_eq!(state, other_state);
    }

    #[test]
    fn a_snapshot_continues_like_the_original(list in proptest::collection::vec(arrival(), 1..200), cut in 0usize..200) {
        let timing = live();
        let mut sorted = list;
        sorted.sort_by_key(Arrival::ms);
        let mut original = TargetFeatures::new(at_ms(sorted[0].ms()));
        let mut restored: Option<TargetFeatures> = None;
        for (index, arrival) in sorted.iter().enumerate() {
            if index == cut.min(sorted.len() - 1) {
                let bytes = postcard::to_stdvec(&original).unwrap();
                restored = Some(postcard::from_bytes(&bytes).unwrap());
            }
            for target in [Some(&mut original), restored.as_mut()].into_iter().flatten() {
                match arrival {
                    Arrival::Signal(signal) => target.observe(&timing, signal),
                    Arrival::Log(event) => target.observe_log(&timing, event),
                };
                close(target, &timing, arrival.ms() - LATENESS_MS);
            }
        }
        prop_assert_eq!(Some(&original), restored.as_ref());
    }
}

#[test]
fn closing_in_one_step_or_in_many_is_the_same() {
    let timing = live();
    let fill = |target: &mut TargetFeatures| {
        for n in 0..400 {
            target.observe(
                &timing,
                &outcome(n * 97, OutcomeKind::ALL[(n % 11) as usize], n % 300),
            );
        }
    };
    let (mut once, mut often) = (target(), target());
    fill(&mut once);
    fill(&mut often);
    close(&mut once, &timing, 60_000);
    for ms in 0..=60_000 {
        close(&mut often, &timing, ms);
    }
    assert_eq!(once, often);
    assert_eq!(
        row(&once, &timing, 61_000).len(),
        row(&often, &timing, 61_000).len()
    );
}
