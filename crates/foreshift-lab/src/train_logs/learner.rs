//! Learning the linear model: multinomial logistic regression by AdaGrad.

use foreshift_domain::log::ErrorClass;
use foreshift_logs::classify::{Buckets, CLASSES, Model};

/// How often all lines are gone through.
const EPOCHS: usize = 20;
const RATE: f32 = 0.2;
/// Pull of each touched weight towards zero, so that no rare word is certain.
const DECAY: f32 = 2e-4;
/// A bucket of fewer lines says nothing about other systems.
const MIN_LINES: u32 = 2;

type Weights = [f32; CLASSES];

/// Learns from these lines; the same lines and seed give the same model.
pub(super) fn learn(lines: &[(&Buckets, ErrorClass)], seed: u64, name: &str, reject_below: f32) -> Model {
    let mut lines_of = vec![0u32; 1 << 16];
    for (bucket, _) in lines.iter().flat_map(|(buckets, _)| buckets.iter()) {
        if let Some(count) = lines_of.get_mut(usize::from(bucket)) {
            *count += 1;
        }
    }
    let known: Vec<Vec<(u16, f32)>> = lines
        .iter()
        .map(|(buckets, _)| {
            let kept = |bucket: u16| {
                lines_of
                    .get(usize::from(bucket))
                    .is_some_and(|count| *count >= MIN_LINES)
            };
            buckets.iter().filter(|(bucket, _)| kept(*bucket)).collect()
        })
        .collect();
    let mut learner = Learner::default();
    let mut order: Vec<usize> = (0..lines.len()).collect();
    let mut random = fastrand::Rng::with_seed(seed);
    for _ in 0..EPOCHS {
        random.shuffle(&mut order);
        for at in &order {
            if let (Some(values), Some((_, class))) = (known.get(*at), lines.get(*at)) {
                learner.step(values, *class);
            }
        }
    }
    let rows: Vec<(u16, Weights)> = (0u16..=u16::MAX)
        .zip(&learner.weights)
        .filter(|(_, weights)| weights.iter().any(|weight| *weight != 0.0))
        .map(|(bucket, weights)| (bucket, *weights))
        .collect();
    Model::rounded(name, reject_below, learner.bias, &rows)
}

struct Learner {
    weights: Vec<Weights>,
    squares: Vec<Weights>,
    bias: Weights,
    bias_squares: Weights,
}

impl Default for Learner {
    fn default() -> Self {
        Self {
            weights: vec![[0.0; CLASSES]; 1 << 16],
            squares: vec![[0.0; CLASSES]; 1 << 16],
            bias: [0.0; CLASSES],
            bias_squares: [0.0; CLASSES],
        }
    }
}

impl Learner {
    fn step(&mut self, values: &[(u16, f32)], class: ErrorClass) {
        let mut errors = self.probabilities(values);
        for (error, of) in errors.iter_mut().zip(ErrorClass::ALL) {
            *error -= f32::from(u8::from(of == class));
        }
        descend(&mut self.bias, &mut self.bias_squares, &errors, 1.0);
        for (bucket, value) in values {
            let at = usize::from(*bucket);
            if let (Some(weights), Some(squares)) = (self.weights.get_mut(at), self.squares.get_mut(at)) {
                descend(weights, squares, &errors, *value);
            }
        }
    }

    fn probabilities(&self, values: &[(u16, f32)]) -> Weights {
        let mut sums = self.bias;
        for (bucket, value) in values {
            if let Some(weights) = self.weights.get(usize::from(*bucket)) {
                for (sum, weight) in sums.iter_mut().zip(weights) {
                    *sum += weight * value;
                }
            }
        }
        let most = sums.iter().copied().fold(f32::MIN, f32::max);
        let parts = sums.map(|sum| (sum - most).exp());
        let total: f32 = parts.iter().sum();
        parts.map(|part| part / total)
    }
}

fn descend(weights: &mut Weights, squares: &mut Weights, errors: &Weights, value: f32) {
    for ((weight, square), error) in weights.iter_mut().zip(squares).zip(errors) {
        let gradient = error * value + DECAY * *weight;
        *square += gradient * gradient;
        *weight -= RATE * gradient / (square.sqrt() + 1e-6);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use foreshift_logs::classify::buckets;

    #[test]
    fn what_is_learned_is_said_again_and_the_same_seed_learns_the_same() {
        let texts = [
            ("the pump is leaking water", ErrorClass::Oom),
            ("a pump is leaking oil", ErrorClass::Oom),
            ("the lamp shines bright", ErrorClass::None),
            ("a lamp shines dim", ErrorClass::None),
        ];
        let read: Vec<_> = texts
            .iter()
            .map(|(text, class)| (buckets(text), *class))
            .collect();
        let lines: Vec<_> = read.iter().map(|(buckets, class)| (buckets, *class)).collect();
        let model = learn(&lines, 1, "test@1", 0.0);
        assert_eq!(model.best("this pump is leaking", None).0, ErrorClass::Oom);
        assert_eq!(model.best("one lamp shines", None).0, ErrorClass::None);
        assert_eq!(model, learn(&lines, 1, "test@1", 0.0));
        assert_ne!(model, learn(&lines, 2, "test@1", 0.0));
    }
}
