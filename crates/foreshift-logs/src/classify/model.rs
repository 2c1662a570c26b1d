//! The linear model over hashed n-grams: what it holds, how it is stored, and what it says.

use std::sync::Arc;

use foreshift_domain::log::ErrorClass;
use serde::{Deserialize, Serialize};

use super::features::{self, Buckets};

/// How many classes the model tells apart, `none` among them.
pub const CLASSES: usize = ErrorClass::ALL.len();

/// Version of the file's layout and of the features; another one is refused.
const LAYOUT: u32 = 1;

/// Weights of the classes in the order of [`ErrorClass::ALL`], for text that no rule knows. Buckets that say nothing
/// are left out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Model {
    layout: u32,
    /// The model's name and version: `logs@1`.
    pub name: String,
    /// Below this confidence the model does not answer; from 0 to 1.
    pub reject_below: f32,
    bias: [f32; CLASSES],
    /// What one step of a stored weight is worth.
    step: [f32; CLASSES],
    /// (bucket, weights in steps), by bucket.
    rows: Arc<[(u16, [i8; CLASSES])]>,
}

/// A stored model cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ModelInvalid {
    /// The bytes are not a model.
    #[error("the bytes are no model of log classes")]
    Bytes(#[from] postcard::Error),
    /// The model is of another build.
    #[error("the model's layout is {0}, this build reads {LAYOUT}")]
    Layout(u32),
    /// Numbers are not finite, or rows are not in order.
    #[error("the model's numbers are not finite or its rows not in order")]
    Numbers,
}

impl Model {
    /// A model of full-precision weights, rounded to 255 steps for each class. `rows` are (bucket, weights) in order
    /// of their buckets; rows that round to nothing are left out.
    pub fn rounded(
        name: &str,
        reject_below: f32,
        bias: [f32; CLASSES],
        rows: &[(u16, [f32; CLASSES])],
    ) -> Self {
        let mut most = [0f32; CLASSES];
        for (_, weights) in rows {
            for (most, weight) in most.iter_mut().zip(weights) {
                *most = most.max(weight.abs());
            }
        }
        let step = most.map(|most| if most > 0.0 { most / 127.0 } else { 1.0 });
        let round = |weights: &[f32; CLASSES]| {
            let mut rounded = [0i8; CLASSES];
            for ((rounded, weight), step) in rounded.iter_mut().zip(weights).zip(step) {
                *rounded = (weight / step).round() as i8;
            }
            rounded
        };
        let rows = rows
            .iter()
            .map(|(bucket, weights)| (*bucket, round(weights)))
            .filter(|(_, weights)| weights.iter().any(|weight| *weight != 0))
            .collect();
        Self {
            layout: LAYOUT,
            name: name.to_owned(),
            reject_below,
            bias,
            step,
            rows,
        }
    }

    /// Reads a stored model.
    ///
    /// # Errors
    /// When the bytes are no model, or one of another build, or its numbers cannot be used.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ModelInvalid> {
        let (layout, _): (u32, _) = postcard::take_from_bytes(bytes)?;
        if layout != LAYOUT {
            return Err(ModelInvalid::Layout(layout));
        }
        let model: Self = postcard::from_bytes(bytes)?;
        let numbers = model.bias.iter().chain(&model.step).chain([&model.reject_below]);
        let finite = numbers.into_iter().all(|number| number.is_finite());
        if !finite || !model.rows.is_sorted_by(|left, right| left.0 < right.0) {
            return Err(ModelInvalid::Numbers);
        }
        Ok(model)
    }

    /// The bytes to store.
    ///
    /// # Errors
    /// When the encoder fails, which it does for no model.
    pub fn to_bytes(&self) -> Result<Vec<u8>, ModelInvalid> {
        Ok(postcard::to_stdvec(self)?)
    }

    /// How many buckets have weights.
    pub fn rows(&self) -> usize {
        self.rows.len()
    }

    /// The likeliest class of a text and its probability; a hint raises the log-odds of its class.
    pub fn best(&self, text: &str, hint: Option<(ErrorClass, f32)>) -> (ErrorClass, f32) {
        let mut sums = self.sums(&features::of(text));
        if let Some((class, log_odds)) = hint
            && let Some(sum) = sums.get_mut(class as usize)
        {
            *sum += log_odds;
        }
        let most = sums.iter().copied().fold(f32::MIN, f32::max);
        let total: f64 = sums.iter().map(|sum| libm::exp(f64::from(sum - most))).sum();
        let best = ErrorClass::ALL
            .into_iter()
            .zip(sums)
            .find(|(_, sum)| *sum >= most);
        best.map_or((ErrorClass::None, 0.0), |(class, _)| {
            (class, (1.0 / total) as f32)
        })
    }

    fn sums(&self, buckets: &Buckets) -> [f32; CLASSES] {
        let mut steps = [0f32; CLASSES];
        for (bucket, value) in buckets.iter() {
            let Ok(at) = self.rows.binary_search_by_key(&bucket, |row| row.0) else {
                continue;
            };
            let Some((_, weights)) = self.rows.get(at) else {
                continue;
            };
            for (sum, weight) in steps.iter_mut().zip(weights) {
                *sum += value * f32::from(*weight);
            }
        }
        let mut sums = self.bias;
        for ((sum, steps), step) in sums.iter_mut().zip(steps).zip(self.step) {
            *sum += steps * step;
        }
        sums
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn knows(word: &str, class: ErrorClass) -> Model {
        let mut weights = [0.0; CLASSES];
        weights[class as usize] = 4.0;
        let mut rows: Vec<_> = features::of(word)
            .iter()
            .map(|(bucket, _)| (bucket, weights))
            .collect();
        rows.sort_by_key(|row| row.0);
        Model::rounded("test@1", 0.5, [0.0; CLASSES], &rows)
    }

    #[test]
    fn a_stored_model_is_the_same_model() {
        let model = knows("refused", ErrorClass::ConnFail);
        let stored = model.to_bytes().expect("it encodes");
        assert_eq!(Model::from_bytes(&stored).expect("it decodes"), model);
    }

    #[test]
    fn words_with_weight_decide_and_unknown_words_leave_all_classes_alike() {
        let model = knows("refused", ErrorClass::ConnFail);
        let (class, confidence) = model.best("refused", None);
        assert_eq!(class, ErrorClass::ConnFail);
        assert!(confidence > 0.5);
        let (_, confidence) = model.best("xyzzy", None);
        assert!((confidence - 1.0 / CLASSES as f32).abs() < 1e-3);
    }

    #[test]
    fn broken_bytes_are_refused() {
        let stored = knows("refused", ErrorClass::ConnFail)
            .to_bytes()
            .expect("it encodes");
        assert!(Model::from_bytes(&stored[..stored.len() - 1]).is_err());
        assert!(Model::from_bytes(b"").is_err());
        let mut other = stored.clone();
        other[0] = 99;
        assert!(matches!(Model::from_bytes(&other), Err(ModelInvalid::Layout(99))));
    }

    #[test]
    fn rows_out_of_order_are_refused() {
        let weights = [1.0; CLASSES];
        let model = Model::rounded("test@1", 0.5, [0.0; CLASSES], &[(7, weights), (3, weights)]);
        let stored = model.to_bytes().expect("it encodes");
        assert!(matches!(Model::from_bytes(&stored), Err(ModelInvalid::Numbers)));
    }
}
