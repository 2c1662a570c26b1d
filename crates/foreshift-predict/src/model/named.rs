//! The weights of a model by name, for people who compare two of them.

use foreshift_domain::Duration;

use super::{BIAS, HAZARD_KNOT_COUNT, HAZARD_KNOTS, HAZARD_SLOPE, LOWEST_HAZARD_KNOT, Model};

/// A weight of a model.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedWeight {
    /// The feature and the knot it belongs to, such as `error_ratio_30s at 0.1`, or a term of the model itself.
    pub name: String,
    /// The horizon it is for.
    pub horizon: Duration,
    /// In log-odds.
    pub weight: f64,
}

impl Model {
    /// All weights but those of crosses, by name.
    pub fn named_weights(&self) -> impl Iterator<Item = NamedWeight> + '_ {
        let mut names = vec![
            (BIAS, "bias".to_owned()),
            (HAZARD_SLOPE, "hazard slope".to_owned()),
        ];
        for (at, knot) in (0..HAZARD_KNOT_COUNT).enumerate() {
            names.push((
                HAZARD_KNOTS + at,
                format!("hazard at {}", LOWEST_HAZARD_KNOT + knot),
            ));
        }
        let mut slot = super::reserved_slots();
        for input in &self.inputs {
            let knots = input.edges.len().max(1);
            names.extend((0..knots).map(|knot| match input.edges.get(knot) {
                Some(edge) => (slot + knot, format!("{} at {edge}", input.name)),
                None => (slot + knot, format!("{} present", input.name)),
            }));
            names.push((slot + knots, format!("{} missing", input.name)));
            slot += knots + 1;
        }
        let horizons = || self.horizons.iter().enumerate();
        let over_knots = names.into_iter().flat_map(move |(slot, name)| {
            horizons().map(move |(head, horizon)| NamedWeight {
                name: name.clone(),
                horizon: *horizon,
                weight: self.weight(slot, head),
            })
        });
        let plain = self.plain.iter().flat_map(move |plain| {
            horizons().flat_map(move |(head, horizon)| {
                let named = plain.named(&self.inputs, head);
                named.map(move |(name, weight)| NamedWeight {
                    name,
                    horizon: *horizon,
                    weight,
                })
            })
        });
        over_knots.chain(plain)
    }
}
