use std::sync::LazyLock;

use foreshift_domain::Timestamp;
use foreshift_engine::{Label, inverse_propensity};

use super::play::{Outcome, Seen};
use super::*;

/// A fleet in which load brings about most of what shows before it comes.
const SPEC: ReactingSpec = ReactingSpec {
    seed: 4_000,
    hours: 24,
    routes: 6,
    induced_share: 0.8,
};
/// Half of the alarms, so that some days of a small fleet have enough of them.
const HELD_OUT_BP: u32 = 5_000;

/// A model that has seen one fleet, and a fleet on which it acted.
static ACTED_ON: LazyLock<(Model, Played)> = LazyLock::new(|| {
    let fresh = play::fresh_model(&SPEC).unwrap();
    let first = play::untouched(&SPEC, &fresh).unwrap();
    let model = learn::train(&fresh, &[&first], Way::Bound, 1).unwrap();
    let next = ReactingSpec { seed: 4_001, ..SPEC };
    let played = play::acted_on(&next, &model, HELD_OUT_BP).unwrap();
    (model, played)
});

fn rows(played: &Played) -> impl Iterator<Item = (&Seen, Outcome)> {
    played.events.iter().filter_map(|event| match event {
        Event::Row(row) => Some((row, row.outcome?)),
        Event::Began { .. } => None,
    })
}

/// One row for each alarm: the first of each target at or above the threshold after a horizon without.
fn alarms(played: &Played, threshold: f64) -> Vec<(&Seen, Outcome)> {
    let mut newest = vec![Timestamp::MIN; played.targets];
    let mut first = Vec::new();
    for (row, outcome) in rows(played).filter(|(row, _)| row.predicted >= threshold) {
        if row.tick.since(newest[row.target]) > played.horizon {
            first.push((row, outcome));
        }
        newest[row.target] = row.tick;
    }
    first
}

/// Of alarms that stand for so many, those that came true.
fn precision(alarms: impl Iterator<Item = (bool, f64)>) -> f64 {
    let (mut came, mut all) = (0.0, 0.0);
    for (true_alarm, stands_for) in alarms {
        came += f64::from(u8::from(true_alarm)) * stands_for;
        all += stands_for;
    }
    came / all
}

#[test]
fn precision_by_inverse_propensity_is_that_of_an_untouched_fleet_and_the_naive_one_is_not() {
    let (model, first) = &*ACTED_ON;
    let (mut truth, mut all) = (Vec::new(), Vec::new());
    let note = |played: &Played, into: &mut Vec<(bool, Outcome)>| {
        let alarms = alarms(played, 0.25).into_iter();
        into.extend(alarms.map(|(_, outcome)| (outcome.label == Label::Positive, outcome)));
    };
    note(first, &mut all);
    for seed in 4_001..4_004 {
        let spec = ReactingSpec { seed, ..SPEC };
        note(&play::untouched(&spec, model).unwrap(), &mut truth);
        if seed > 4_001 {
            note(&play::acted_on(&spec, model, HELD_OUT_BP).unwrap(), &mut all);
        }
    }
    let evenly = |alarms: &[(bool, Outcome)]| precision(alarms.iter().map(|(came, _)| (*came, 1.0)));
    let held_out = all.iter().filter(|(_, outcome)| outcome.held_out);
    let weighted = precision(held_out.map(|(came, outcome)| (*came, inverse_propensity(outcome.propensity))));
    let (truth, naive) = (evenly(&truth), evenly(&all));
    assert!((weighted - truth).abs() < 0.05, "{weighted:.3} for {truth:.3}");
    assert!(truth - naive > 0.05, "{naive:.3} for {truth:.3}");
}

#[test]
fn what_is_hidden_is_never_a_negative_but_for_the_naive_way() {
    let (_, played) = &*ACTED_ON;
    let averted = learn::Averted {
        by_likes: 0.2,
        by_all: 0.1,
    };
    let (mut hidden, mut held_out) = (0, 0);
    for (_, outcome) in rows(played) {
        held_out += usize::from(outcome.held_out);
        if !outcome.hidden {
            continue;
        }
        hidden += 1;
        assert_eq!(outcome.label, Label::Unknown);
        for way in Way::ALL {
            let target = way.target(&outcome, averted);
            if way == Way::Naive {
                assert_eq!(target, Some((0.0, 1.0)));
            } else if let Some((positive, _)) = target {
                assert!(positive > 0.0, "{way:?}");
            }
        }
    }
    assert!(hidden > 100 && held_out > 50, "{hidden} {held_out}");
}

#[test]
fn a_replay_of_a_fleet_holds_out_the_same_alarms() {
    let short = ReactingSpec {
        hours: 12,
        routes: 3,
        ..SPEC
    };
    let (model, _) = &*ACTED_ON;
    let draws = || {
        let played = play::acted_on(&short, model, HELD_OUT_BP).unwrap();
        let drawn: Vec<_> = rows(&played)
            .map(|(row, outcome)| (row.target, row.tick, outcome))
            .collect();
        drawn
    };
    let (first, again) = (draws(), draws());
    assert!(first.iter().any(|(_, _, outcome)| outcome.held_out));
    assert_eq!(first, again);
}

const PREDICTED: f64 = 0.5;

/// A row of a relieved target: of those whose first feature is 1 everything that is predicted shows, of the others nothing.
fn relieved(number: usize) -> Seen {
    let own = number.is_multiple_of(2);
    let shows = own && (number / 2).is_multiple_of(2);
    Seen {
        target: (number / 4) % 4,
        tick: Timestamp::from_secs(number as i64),
        features: Box::new([f32::from(u8::from(own)), 0.0]),
        at_risk: true,
        predicted: PREDICTED,
        outcome: Some(Outcome {
            label: if shows { Label::Positive } else { Label::Unknown },
            treated: true,
            hidden: !shows,
            silent: false,
            held_out: false,
            propensity: 0.9,
            ahead: false,
            predicted: PREDICTED,
        }),
    }
}

/// A row of an alarm that was held out: one of four comes true.
fn spared(number: usize) -> Seen {
    let row = relieved(number);
    let came = number.is_multiple_of(4);
    Seen {
        outcome: Some(Outcome {
            label: if came { Label::Positive } else { Label::Negative },
            treated: false,
            hidden: false,
            silent: false,
            held_out: true,
            propensity: 0.1,
            ahead: false,
            predicted: PREDICTED,
        }),
        ..row
    }
}

fn averted(rows: impl Iterator<Item = Seen>, row: &Seen) -> learn::Averted {
    let (_, played) = &*ACTED_ON;
    let fleet = Played {
        events: rows.map(Event::Row).collect(),
        ..*played
    };
    let floor = floor::Floor::of(&[&fleet], 2, &[], 1).unwrap();
    floor.averted(row, &row.outcome.unwrap())
}

#[test]
fn what_was_averted_follows_what_floor_traffic_shows_of_rows_alike() {
    let of = |row: &Seen| averted((0..8_000).map(relieved), row);
    let (own, induced) = (of(&relieved(2)), of(&relieved(1)));
    assert!(own.by_likes < 0.05, "{own:?}");
    assert!((induced.by_likes - PREDICTED).abs() < 0.05, "{induced:?}");
    assert!((own.by_all - 1.0 / 3.0).abs() < 0.02, "{own:?}");
    let mut silent = relieved(2);
    silent.outcome.as_mut().unwrap().silent = true;
    assert_eq!(of(&silent).by_likes, PREDICTED, "silence says nothing");
}

#[test]
fn alarms_that_were_held_out_tell_what_comes_of_them_and_of_rows_ahead_of_them() {
    let rows = |held_out_ahead: bool| {
        let spared = (0..8_000).map(spared).map(move |mut row| {
            row.outcome.as_mut().unwrap().ahead = held_out_ahead;
            row
        });
        (0..8_000).map(relieved).chain(spared)
    };
    let under = relieved(1);
    let mut ahead = relieved(1);
    ahead.outcome.as_mut().unwrap().ahead = true;
    for (held_out_ahead, told, other) in [(false, &under, &ahead), (true, &ahead, &under)] {
        let (told, other) = (
            averted(rows(held_out_ahead), told),
            averted(rows(held_out_ahead), other),
        );
        assert!((told.by_likes - PREDICTED / 2.0).abs() < 0.05, "{told:?}");
        assert!((other.by_likes - PREDICTED).abs() < 0.05, "{other:?}");
    }
}
