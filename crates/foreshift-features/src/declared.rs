//! The features of an installation: those of the catalogue, then those that its configuration declares.

use foreshift_domain::fallback::{DeclaredFeature, Timing};
use foreshift_domain::{Digest, Timestamp};

use crate::catalogue::{FEATURES, Schema};
use crate::expression::{Expression, ExpressionError};
use crate::{Surroundings, TargetFeatures};

/// The most declared features: each is worked out for every target and tick.
pub const MAX_DECLARED: usize = 32;
/// The most knots of a declared feature.
const MAX_KNOTS: usize = 64;
/// The scale of those that declare none: fine around 0, coarse far away.
const KNOTS: &[f64] = &[
    -100.0, -30.0, -10.0, -3.0, -1.0, -0.3, -0.1, 0.0, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0,
];

/// Why a feature cannot be declared.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum DeclareError {
    /// One too many.
    #[error("there are more than {MAX_DECLARED} declared features")]
    TooMany,
    /// Names stand in expressions, models and columns of files.
    #[error("`{0}` is no name of a feature: lower-case letters, digits and `_`, a letter first, at most 64")]
    Name(String),
    /// Names are unique.
    #[error("there is a feature `{0}` already")]
    Taken(String),
    /// The expression cannot be read.
    #[error("the expression of `{name}`: {source}")]
    Expression {
        /// The feature.
        name: String,
        /// What is wrong, and where.
        source: ExpressionError,
    },
    /// Knots must be finite and ascend.
    #[error("the knots of `{0}` must be finite and ascend, at most {MAX_KNOTS} of them")]
    Knots(String),
}

/// The features of an installation, in the order of a row.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FeatureSet {
    declared: Vec<(DeclaredFeature, Expression)>,
}

/// One feature of a set.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Described<'a> {
    /// Its name.
    pub name: &'a str,
    /// What a 1 means.
    pub unit: &'a str,
    /// Why it should tell something.
    pub why: &'a str,
    /// Its knots.
    pub edges: &'a [f64],
    /// How it is worked out, for declared ones.
    pub expression: Option<&'a str>,
}

impl FeatureSet {
    /// The catalogue and these. An expression may read what stands before it.
    ///
    /// # Errors
    /// The place of the first that cannot be declared, and why.
    pub fn of(declared: &[DeclaredFeature]) -> Result<Self, (usize, DeclareError)> {
        let mut set = Self::default();
        for (place, feature) in declared.iter().enumerate() {
            set.declare(feature).map_err(|error| (place, error))?;
        }
        Ok(set)
    }

    fn declare(&mut self, feature: &DeclaredFeature) -> Result<(), DeclareError> {
        let name = &feature.name;
        if self.declared.len() >= MAX_DECLARED {
            return Err(DeclareError::TooMany);
        }
        if !is_name(name) {
            return Err(DeclareError::Name(name.clone()));
        }
        if self.place(name).is_some() {
            return Err(DeclareError::Taken(name.clone()));
        }
        let ascending = feature.knots.is_sorted_by(|a, b| a < b);
        if !ascending || feature.knots.len() > MAX_KNOTS || feature.knots.iter().any(|knot| !knot.is_finite())
        {
            return Err(DeclareError::Knots(name.clone()));
        }
        let expression =
            Expression::parse(&feature.expression, &|name| self.place(name)).map_err(|source| {
                DeclareError::Expression {
                    name: name.clone(),
                    source,
                }
            })?;
        self.declared.push((feature.clone(), expression));
        Ok(())
    }

    /// How many features a row has.
    #[must_use]
    pub fn count(&self) -> usize {
        FEATURES.len() + self.declared.len()
    }

    /// The features, in the order of a row.
    pub fn all(&self) -> impl Iterator<Item = Described<'_>> {
        let catalogue = FEATURES.iter().map(|spec| Described {
            name: spec.name,
            unit: spec.unit,
            why: spec.why,
            edges: spec.edges,
            expression: None,
        });
        let declared = self.declared.iter().map(|(feature, _)| Described {
            name: &feature.name,
            unit: &feature.unit,
            why: &feature.why,
            edges: if feature.knots.is_empty() {
                KNOTS
            } else {
                &feature.knots
            },
            expression: Some(&feature.expression),
        });
        catalogue.chain(declared)
    }

    /// The place of a feature in a row.
    #[must_use]
    pub fn place(&self, name: &str) -> Option<usize> {
        self.all().position(|feature| feature.name == name)
    }

    /// SHA-256 over what the features at these places mean, in this order: equal for equal names, units, knots and
    /// expressions. For the first ones of the catalogue it is [`crate::schema_digest`] of as many.
    #[must_use]
    pub fn digest(&self, places: impl IntoIterator<Item = usize>) -> Digest {
        let all: Vec<_> = self.all().collect();
        let mut schema = Schema::default();
        for feature in places.into_iter().filter_map(|place| all.get(place)) {
            schema.add(feature.name, feature.unit, feature.edges, feature.expression);
        }
        schema.digest()
    }

    /// Writes the features of `tick` into `row`, as [`TargetFeatures::fill`] does, and the declared ones behind them.
    pub fn fill(
        &self,
        target: &TargetFeatures,
        timing: &Timing,
        tick: Timestamp,
        around: &Surroundings<'_>,
        row: &mut [f64],
    ) {
        target.fill(timing, tick, around, row);
        for (place, (_, expression)) in self.declared.iter().enumerate() {
            let value = expression.value(row, &|name, reading| {
                target.gauge_reading(timing, tick, name, reading)
            });
            if let Some(slot) = row.get_mut(FEATURES.len() + place) {
                *slot = value;
            }
        }
    }
}

fn is_name(name: &str) -> bool {
    let first = name.bytes().next().is_some_and(|c| c.is_ascii_lowercase());
    first
        && name.len() <= 64
        && name
            .bytes()
            .all(|c| matches!(c, b'a'..=b'z' | b'0'..=b'9' | b'_'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::schema_digest;
    use crate::target::test_timing;

    fn feature(name: &str, expression: &str) -> DeclaredFeature {
        DeclaredFeature {
            name: name.to_owned(),
            expression: expression.to_owned(),
            unit: String::new(),
            why: String::new(),
            knots: Vec::new(),
        }
    }

    #[test]
    fn declared_features_stand_behind_the_catalogue_and_may_read_what_is_before_them() {
        let set = FeatureSet::of(&[
            feature("hours_left", "24 - hour_of_day"),
            feature("days_left", "hours_left / 24"),
        ])
        .expect("two sound features");
        let target = TargetFeatures::new(Timestamp::from_secs(0));
        let mut row = vec![0.0; set.count()];
        let six = Timestamp::from_secs(6 * 3_600);
        set.fill(&target, &test_timing(), six, &Surroundings::default(), &mut row);
        assert_eq!(row[FEATURES.len()..], [18.0, 0.75]);
        assert_eq!(set.place("days_left"), Some(FEATURES.len() + 1));
    }

    #[test]
    fn what_cannot_be_declared_is_refused_with_its_place() {
        let sound = feature("a", "1");
        let refused = |second: DeclaredFeature| FeatureSet::of(&[sound.clone(), second]).unwrap_err();
        assert_eq!(refused(sound.clone()), (1, DeclareError::Taken("a".into())));
        assert_eq!(
            refused(feature("latency_z", "1")),
            (1, DeclareError::Taken("latency_z".into()))
        );
        assert_eq!(refused(feature("Ö", "1")), (1, DeclareError::Name("Ö".into())));
        let itself = refused(feature("b", "b + 1"));
        assert!(
            matches!(&itself, (1, DeclareError::Expression { source, .. }) if source.at == 1),
            "{itself:?}"
        );
        let mut knots = feature("b", "1");
        knots.knots = vec![1.0, 1.0];
        assert_eq!(refused(knots), (1, DeclareError::Knots("b".into())));
        let many: Vec<_> = (0..=MAX_DECLARED)
            .map(|n| feature(&format!("f{n}"), "1"))
            .collect();
        assert_eq!(
            FeatureSet::of(&many).unwrap_err(),
            (MAX_DECLARED, DeclareError::TooMany)
        );
    }

    #[test]
    fn the_digest_of_a_prefix_is_that_of_the_catalogue_and_of_a_declared_one_its_meaning() {
        let of = |expression: &str| FeatureSet::of(&[feature("a", expression)]).expect("sound");
        let (one, two) = (of("latency_z"), of("latency_z * 2"));
        assert_eq!(one.digest(0..68), schema_digest(68));
        assert_eq!(one.digest(0..FEATURES.len()), schema_digest(FEATURES.len()));
        assert_ne!(one.digest(0..one.count()), two.digest(0..two.count()));
    }
}
