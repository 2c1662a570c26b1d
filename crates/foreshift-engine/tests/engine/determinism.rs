use foreshift_domain::log::ErrorClass;
use foreshift_domain::signal::{Health, OutcomeKind};
use foreshift_domain::{Digest, Input};
use proptest::prelude::*;

use crate::world::*;

/// What a run decided and learned, as bytes.
fn trace(yaml: &str, inputs: &[Input]) -> (Vec<Digest>, Vec<u8>) {
    let mut engine = engine(yaml);
    let outputs = feed(&mut engine, inputs);
    let decided = decisions(&outputs)
        .iter()
        .map(|decision| decision.digest().unwrap())
        .collect();
    (decided, engine.snapshot().unwrap().to_bytes().unwrap())
}

fn eventful() -> Vec<Input> {
    let mut inputs = steady(0, 30);
    inputs.push(health(30.0, "alpha", Health::Down));
    inputs.extend(steady(30, 70));
    inputs.push(health(70.0, "alpha", Health::Up));
    inputs.extend((0..8).map(|i| outcome(70.0 + f64::from(i) / 10.0, "west", OutcomeKind::Timeout)));
    inputs.extend(steady(71, 130));
    // A line every half second: of every class, of old and new templates, one and several at once.
    let lines = (0..260_u32).map(|half| {
        let class = ErrorClass::ALL[(half * 7 % 19) as usize];
        let at = f64::from(half) / 2.0 + 0.1;
        (
            at,
            log(at, "alpha", u64::from(half * half % 23), class, 1 + half % 3),
        )
    });
    for (at, line) in lines {
        let place = inputs
            .iter()
            .position(|input| matches!(input, Input::Watermark(w) if w.time > crate::world::at(at)));
        inputs.insert(place.unwrap_or(inputs.len()), line);
    }
    inputs
}

fn telemetry(input: &Input) -> bool {
    matches!(input, Input::Signal(_) | Input::Log(_))
}

#[test]
fn the_same_inputs_give_the_same_bytes() {
    assert_eq!(trace(YAML, &eventful()), trace(YAML, &eventful()));
}

#[test]
fn how_far_a_watermark_jumps_changes_nothing() {
    let inputs = eventful();
    // The same signals, with the watermark and the clock told once at the end only: no reactive rule may be
    // involved, since those act on the clock, so modes are off and predictions are compared.
    let quiet = YAML.replace("mode: auto", "mode: off");
    let signals: Vec<_> = inputs.iter().filter(|input| telemetry(input)).cloned().collect();
    let mut often = vec![clock(0.0)];
    often.extend(
        inputs
            .iter()
            .filter(|input| !matches!(input, Input::Clock(_)))
            .cloned(),
    );
    let mut once = vec![clock(0.0)];
    once.extend(signals);
    once.push(watermark(130.0));
    let predicted = |inputs: &[Input]| {
        let mut engine = engine(&quiet);
        let outputs = feed(&mut engine, inputs);
        let ticks: Vec<_> = outputs
            .into_iter()
            .filter(|o| matches!(o, foreshift_engine::Output::Predictions(_)))
            .collect();
        (
            format!("{ticks:?}"),
            engine.counters().incidents,
            engine.counters().positives,
        )
    };
    assert_eq!(predicted(&often), predicted(&once));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn order_inside_the_lateness_cannot_change_a_prediction(seed in any::<u64>()) {
        let quiet = YAML.replace("mode: auto", "mode: off");
        let signals: Vec<_> = eventful().into_iter().filter(telemetry).collect();
        let shuffled = shuffle_within(&signals, 40, seed);
        let predicted = |signals: &[Input]| {
            let mut engine = engine(&quiet);
            let mut inputs = vec![clock(0.0)];
            inputs.extend_from_slice(signals);
            inputs.push(watermark(130.0));
            let outputs = feed(&mut engine, &inputs);
            outputs.into_iter().filter(|o| matches!(o, foreshift_engine::Output::Predictions(_))).map(|o| format!("{o:?}")).collect::<Vec<_>>()
        };
        prop_assert_eq!(predicted(&signals), predicted(&shuffled));
    }
}

/// Moves each input by at most `reach` places.
fn shuffle_within(inputs: &[Input], reach: u64, seed: u64) -> Vec<Input> {
    let mut state = seed | 1;
    let mut keyed: Vec<(u64, &Input)> = Vec::new();
    for (place, input) in inputs.iter().enumerate() {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        keyed.push((place as u64 + (state >> 33) % reach, input));
    }
    keyed.sort_by_key(|(place, _)| *place);
    keyed.into_iter().map(|(_, input)| input.clone()).collect()
}
