//! The best split of a leaf by one feature.

use crate::bins::Cuts;
use crate::histogram::{Scale, Sums};
use crate::params::Params;

/// A leaf that may be split.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Leaf {
    pub(crate) sums: Sums,
    /// Between which its word must lie, by monotone constraints further up.
    pub(crate) bounds: (f64, f64),
}

/// A way to split a leaf.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Candidate {
    /// How much less the loss is, in log-odds squared times weight; above 0.
    pub(crate) gain: f64,
    pub(crate) feature: usize,
    /// The last bin on the left.
    pub(crate) bin: u8,
    pub(crate) missing_left: bool,
    /// What goes left.
    pub(crate) left: Sums,
}

impl Candidate {
    /// Whether this is to be preferred; at equal gain the feature that comes first.
    pub(crate) fn beats(&self, other: Option<&Self>) -> bool {
        other.is_none_or(|other| {
            self.gain > other.gain || self.gain == other.gain && self.feature < other.feature
        })
    }
}

/// What a split must keep to, in the integers' steps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Rules {
    scale: Scale,
    lambda: f64,
    min_curvature: f64,
    min_rows: i64,
    min_gain: f64,
    max_step: f64,
}

impl Rules {
    pub(crate) fn new(params: &Params, scale: Scale) -> Self {
        Self {
            scale,
            lambda: params.lambda / scale.curvature,
            // Not 0: a leaf without curvature has no best value.
            min_curvature: (params.min_child_weight / scale.curvature).max(1.0),
            min_rows: i64::try_from(params.min_rows).unwrap_or(i64::MAX),
            min_gain: params.min_gain,
            max_step: params.max_step.unwrap_or(f64::INFINITY),
        }
    }

    /// What a leaf of these sums says, before the learning rate.
    pub(crate) fn value(&self, sums: Sums, bounds: (f64, f64)) -> f64 {
        let steps = -sums.slope() / (sums.curvature() + self.lambda);
        let value = steps * (self.scale.slope / self.scale.curvature);
        let value = if value.is_finite() { value } else { 0.0 };
        value
            .clamp(-self.max_step, self.max_step)
            .clamp(bounds.0, bounds.1)
    }

    fn is_free(&self, leaf: &Leaf) -> bool {
        self.max_step == f64::INFINITY && leaf.bounds == (f64::NEG_INFINITY, f64::INFINITY)
    }

    pub(crate) fn may_split(&self, sums: Sums) -> bool {
        sums.count() / 2 >= self.min_rows && sums.curvature() >= 2.0 * self.min_curvature
    }
}

/// The best split of `leaf` by one feature, whose sums by bin are `bins`.
pub(crate) fn best(
    leaf: &Leaf,
    bins: &[Sums; 256],
    (feature, cuts): (usize, &Cuts),
    constraint: i8,
    rules: &Rules,
) -> Option<Candidate> {
    let missing = cuts
        .missing_bin()
        .map_or(Sums::default(), |bin| bins[usize::from(bin)]);
    let values = bins.get(..cuts.bins())?;
    let inner = values.get(..values.len() - 1)?;
    let free = constraint == 0 && rules.is_free(leaf);
    let search = |start: Sums, bins: &[Sums]| {
        if free {
            search(leaf.sums, start, bins, rules, Free::new(leaf, rules))
        } else {
            search(leaf.sums, start, bins, rules, Bound::new(leaf, constraint, rules))
        }
    };
    // Missing right: then the last bin may end the left side. Missing left: then it may not.
    let found = if missing.count() == 0 {
        search(Sums::default(), inner).map(|found| (found, None))
    } else {
        let right = search(Sums::default(), values).map(|found| (found, Some(false)));
        let left = search(missing, inner).map(|found| (found, Some(true)));
        match (right, left) {
            (Some(right), Some(left)) if left.0.gain > right.0.gain => Some(left),
            (right, left) => right.or(left),
        }
    };
    let (found, missing_left) = found?;
    let gain = found.gain * (rules.scale.slope * rules.scale.slope / rules.scale.curvature);
    (gain > rules.min_gain).then(|| Candidate {
        gain,
        feature,
        bin: found.bin,
        // Where none was missing, a missing value goes with the many.
        missing_left: missing_left.unwrap_or(2 * found.left.count() >= leaf.sums.count()),
        left: found.left,
    })
}

#[derive(Clone, Copy, Debug)]
struct Found {
    gain: f64,
    bin: u8,
    left: Sums,
}

/// What two sides gain over their leaf.
trait Gain {
    fn of(&self, left: Sums, right: Sums) -> f64;
}

/// Every side says what is best for it.
struct Free {
    lambda: f64,
    /// What the leaf gains unsplit.
    whole: f64,
}

impl Free {
    fn new(leaf: &Leaf, rules: &Rules) -> Self {
        let lambda = rules.lambda;
        Self {
            lambda,
            whole: square_over(leaf.sums, lambda),
        }
    }
}

#[inline(always)]
fn square_over(sums: Sums, lambda: f64) -> f64 {
    sums.slope() * sums.slope() / (sums.curvature() + lambda)
}

impl Gain for Free {
    #[inline(always)]
    fn of(&self, left: Sums, right: Sums) -> f64 {
        square_over(left, self.lambda) + square_over(right, self.lambda) - self.whole
    }
}

/// What a side says is bounded, and the sides may have to be in order.
struct Bound<'a> {
    rules: &'a Rules,
    bounds: (f64, f64),
    constraint: i8,
    whole: f64,
}

impl<'a> Bound<'a> {
    fn new(leaf: &Leaf, constraint: i8, rules: &'a Rules) -> Self {
        let mut bound = Self {
            rules,
            bounds: leaf.bounds,
            constraint,
            whole: 0.0,
        };
        bound.whole = bound.gain(leaf.sums, rules.value(leaf.sums, leaf.bounds));
        bound
    }

    /// The gain of saying `value`, in the integers' steps: what the best value reaches is `square_over`.
    fn gain(&self, sums: Sums, value: f64) -> f64 {
        let value = value * (self.rules.scale.curvature / self.rules.scale.slope);
        -value * (2.0 * sums.slope() + (sums.curvature() + self.rules.lambda) * value)
    }
}

impl Gain for Bound<'_> {
    fn of(&self, left: Sums, right: Sums) -> f64 {
        let says = [left, right].map(|sums| self.rules.value(sums, self.bounds));
        if f64::from(self.constraint) * (says[1] - says[0]) < 0.0 {
            return f64::NEG_INFINITY;
        }
        self.gain(left, says[0]) + self.gain(right, says[1]) - self.whole
    }
}

/// The best end of the left side among `bins`, if it begins with `start`.
#[inline(always)]
fn search(whole: Sums, start: Sums, bins: &[Sums], rules: &Rules, gain: impl Gain) -> Option<Found> {
    let mut best: Option<Found> = None;
    let mut most = 0.0;
    let mut left = start;
    for (bin, sums) in bins.iter().enumerate() {
        if sums.count() == 0 {
            continue;
        }
        left.add(*sums);
        let right = whole.less(left);
        if left.count() < rules.min_rows || left.curvature() < rules.min_curvature {
            continue;
        }
        if right.count() < rules.min_rows || right.curvature() < rules.min_curvature {
            break;
        }
        let gain = gain.of(left, right);
        if gain > most {
            most = gain;
            let bin = u8::try_from(bin).unwrap_or(u8::MAX);
            best = Some(Found { gain, bin, left });
        }
    }
    best
}
