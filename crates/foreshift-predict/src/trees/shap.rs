//! Why the trees said what they said: exact Shapley values (TreeSHAP, Lundberg 2018, path-dependent).
//!
//! What a feature adds is its fair share of the way from the mean to what the row got, where "not knowing" a
//! feature means following both sides of its splits in proportion to what was learned from.

use super::flat::Flat;
use super::{Link, Trees};

/// A feature on the way to a leaf.
#[derive(Clone, Copy, Debug)]
struct Step {
    feature: u16,
    /// The share of what was learned from that goes this way.
    share: f64,
    /// 1 if the row goes this way, else 0.
    taken: f64,
}

/// The features on the way to a place, each once, and the weights of their subsets by size.
#[derive(Clone, Debug, Default)]
struct Way {
    steps: Vec<Step>,
    /// One longer than `steps`: by how many of them are known.
    weights: Vec<f64>,
}

impl Way {
    fn copy(&mut self, other: &Self) {
        self.steps.clone_from(&other.steps);
        self.weights.clone_from(&other.weights);
    }

    fn extend(&mut self, step: Step) {
        self.steps.push(step);
        self.weights.push(0.0);
        let length = self.weights.len() as f64;
        let mut before = 0.0;
        for (size, weight) in self.weights.iter_mut().enumerate() {
            let own = *weight;
            let size = size as f64;
            *weight = step.share * own * (length - 1.0 - size) / length + step.taken * before * size / length;
            before = own;
        }
    }

    /// Takes a step out again, as if its feature had not been met: it is met again further down.
    fn remove(&mut self, feature: u16) -> Option<Step> {
        let index = self.steps.iter().position(|step| step.feature == feature)?;
        let step = self.steps.remove(index);
        let length = self.weights.len() as f64;
        let mut next = self.weights.pop().unwrap_or(0.0);
        for (size, weight) in self.weights.iter_mut().enumerate().rev() {
            let size = size as f64;
            if step.taken == 0.0 {
                *weight = *weight * length / (step.share * (length - 1.0 - size));
            } else {
                let own = *weight;
                *weight = next * length / ((size + 1.0) * step.taken);
                next = own - *weight * step.share * (length - 1.0 - size) / length;
            }
        }
        Some(step)
    }

    /// The sum of the weights that [`Way::remove`] would leave.
    fn sum_without(&self, step: &Step) -> f64 {
        let length = self.weights.len() as f64;
        let mut weights = self.weights.iter().enumerate().rev();
        let mut next = weights.next().map_or(0.0, |(_, last)| *last);
        let mut sum = 0.0;
        for (size, weight) in weights {
            let size = size as f64;
            if step.taken == 0.0 {
                sum += weight / (step.share * (length - 1.0 - size));
            } else {
                let left = next / ((size + 1.0) * step.taken);
                sum += left;
                next = weight - left * step.share * (length - 1.0 - size);
            }
        }
        sum * length
    }
}

/// One walk over all ends of a tree.
struct Explainer<'a, V, L> {
    flat: &'a Flat,
    value: V,
    /// What a leaf says, by its number in the tree and what it said when it was trained.
    leaf: L,
    out: &'a mut [f64],
    /// The mean of what the leaves say.
    mean: f64,
}

impl<V: Fn(u16) -> f64, L: Fn(u16, f64) -> f64> Explainer<'_, V, L> {
    /// Gives each feature what it adds at the leaves beneath `at`. `way` leads there; `ways` is room for the
    /// ways beneath it, one for each level.
    fn descend(&mut self, at: u32, way: &Way, ways: &mut [Way]) {
        let place = self.flat.place(at);
        if !place.is_split() {
            let says = (self.leaf)(place.number, place.value);
            self.mean += says * way.steps.iter().map(|step| step.share).product::<f64>();
            for step in &way.steps {
                let added = way.sum_without(step) * (step.taken - step.share) * says;
                if let Some(out) = self.out.get_mut(usize::from(step.feature)) {
                    *out += added;
                }
            }
            return;
        }
        let Some((own, deeper)) = ways.split_first_mut() else {
            return;
        };
        let feature = place.number;
        let next = place.next((self.value)(feature));
        let cover = self.flat.cover(at);
        let (left, right) = place.children();
        for child in [left, right] {
            own.copy(way);
            let met = own.remove(feature);
            own.extend(Step {
                feature,
                share: met.map_or(1.0, |met| met.share) * self.flat.cover(child) / cover,
                taken: met.map_or(1.0, |met| met.taken) * f64::from(u8::from(child == next)),
            });
            self.descend(child, own, deeper);
        }
    }
}

impl Flat {
    fn depth(&self, root: u32) -> usize {
        let mut open = vec![(root, 0)];
        let mut deepest = 0;
        while let Some((at, depth)) = open.pop() {
            deepest = deepest.max(depth);
            let place = self.place(at);
            if place.is_split() {
                let (left, right) = place.children();
                open.extend([(left, depth + 1), (right, depth + 1)]);
            }
        }
        deepest
    }
}

impl Trees {
    /// What each feature adds to the log-odds of a row, into `out`, and the expected log-odds: together they
    /// are what [`Trees::logit`] says, within 1e-9. Costs about a hundred times as much. `out` has room for
    /// [`Trees::features`] values; all of it is overwritten.
    ///
    /// If the trees sum to a probability, the Shapley values of the probability are stretched by one factor, the
    /// change in log-odds for the change in probability, so that they add up in log-odds too.
    pub fn contributions(&self, row: &[f64], out: &mut [f64]) -> f64 {
        out.fill(0.0);
        self.shapley_of(row, out, self.len(), |_, _, value| value);
        let expected = self.link.logit(self.expected_sum);
        if let Link::Probability { .. } = self.link {
            let moved = out.iter().sum::<f64>();
            let stretch = if moved == 0.0 {
                0.0
            } else {
                (self.logit(row) - expected) / moved
            };
            for added in out {
                *added *= stretch;
            }
        }
        expected
    }

    /// Adds to `out` what each feature adds to the sum of the first `trees` trees, if each leaf said what `leaf` makes
    /// of the tree's number, its own and its value. Returns the mean of that sum.
    pub(crate) fn shapley_of(
        &self,
        row: &[f64],
        out: &mut [f64],
        trees: usize,
        leaf: impl Fn(usize, usize, f64) -> f64,
    ) -> f64 {
        let roots = || self.flat.roots().take(trees);
        let depth = roots().map(|root| self.flat.depth(root)).max().unwrap_or(0);
        let mut ways = vec![Way::default(); depth];
        let start = Way {
            steps: Vec::new(),
            weights: vec![1.0],
        };
        let mut mean = 0.0;
        for (tree, root) in roots().enumerate() {
            let mut explainer = Explainer {
                flat: &self.flat,
                value: |feature| self.read_zeros(row, feature),
                leaf: |number, value| leaf(tree, usize::from(number), value),
                out: &mut *out,
                mean: 0.0,
            };
            explainer.descend(root, &start, &mut ways);
            mean += explainer.mean;
        }
        mean
    }

    /// The log-odds that are expected of a row of which nothing is known: the base of every explanation.
    #[must_use]
    pub fn expected_logit(&self) -> f64 {
        self.link.logit(self.expected_sum)
    }
}
