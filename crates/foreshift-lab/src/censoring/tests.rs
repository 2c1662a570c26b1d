use foreshift_engine::Label;

use super::play::{Event, Outcome, Played};
use super::*;

const SPEC: ReactingSpec = ReactingSpec {
    seed: 4_000,
    hours: 24,
    routes: 6,
    induced_share: 1.0,
};

fn outcomes(played: &Played) -> impl Iterator<Item = (f64, Outcome)> {
    played.events.iter().filter_map(|event| match event {
        Event::Row(row) => Some((row.predicted, row.outcome?)),
        Event::Began { .. } => None,
    })
}
