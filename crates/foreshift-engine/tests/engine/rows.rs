use foreshift_engine::Output;

use crate::world::*;

fn rows(outputs: &[Output]) -> usize {
    outputs
        .iter()
        .filter(|output| matches!(output, Output::Row(_)))
        .count()
}

fn samples(outputs: &[Output]) -> usize {
    outputs
        .iter()
        .filter(|output| matches!(output, Output::Served(_)))
        .count()
}

#[test]
fn rows_and_samples_are_given_only_to_those_who_ask_and_change_nothing_else() {
    let inputs = steady(0, 100);
    let (mut plain, mut asked) = (engine(YAML), engine(YAML));
    asked.give_rows(true);
    asked.give_samples(true);
    let quiet = feed(&mut plain, &inputs);
    let told = feed(&mut asked, &inputs);
    assert_eq!((rows(&quiet), samples(&quiet)), (0, 0));
    assert_eq!(rows(&told) as u64, asked.counters().predictions);
    let rest: Vec<_> = told
        .into_iter()
        .filter(|output| !matches!(output, Output::Row(_) | Output::Served(_)))
        .collect();
    assert!(quiet == rest);
    assert_eq!(plain.snapshot().unwrap(), asked.snapshot().unwrap());
}

#[test]
fn one_prediction_in_a_hundred_is_sampled_and_fewer_of_a_large_fleet() {
    let mut small = engine(YAML);
    small.give_samples(true);
    let outputs = feed(&mut small, &steady(0, 3_000));
    let share = samples(&outputs) as f64 / small.counters().predictions as f64;
    assert!((0.005..0.02).contains(&share), "{share}");

    let mut large = engine("timing: {bucket: 1s, tick: 5s}\ndiscover: true\n");
    large.give_samples(true);
    let mut given = 0;
    for second in 0..50 {
        for target in 0..2_000 {
            let name = format!("t{target}");
            let signal = outcome(
                f64::from(second * 5),
                &name,
                foreshift_domain::signal::OutcomeKind::Success,
            );
            feed(&mut large, &[signal]);
        }
        given += samples(&feed(&mut large, &[watermark(f64::from(second * 5 + 5))]));
    }
    let per_tick = given as f64 / large.counters().ticks as f64;
    assert!(
        (2.0..6.0).contains(&per_tick),
        "{per_tick} a tick, of {} predictions",
        large.counters().predictions
    );
}
