//! How far log-odds are from labels.

use foreshift_predict::probability_of;

/// The weighted mean log-loss of log-odds; NaN without weight.
#[must_use]
pub fn log_loss(logits: &[f64], labels: &[f64], weights: impl Iterator<Item = f64>) -> f64 {
    let (mut loss, mut total) = (0.0, 0.0);
    for ((logit, label), weight) in logits.iter().zip(labels).zip(weights) {
        // -ln p of what happened, written so that it cannot overflow.
        let against = if *label > 0.5 { -logit } else { *logit };
        loss += weight * (against.max(0.0) + libm::log1p(libm::exp(-against.abs())));
        total += weight;
    }
    loss / total
}

/// The weighted average precision: the mean, over the positives, of the precision among all rows at least as
/// high. Rows of equal log-odds count together. NaN without positives.
#[must_use]
pub fn average_precision(logits: &[f64], labels: &[f64], weights: impl Iterator<Item = f64>) -> f64 {
    let mut rows: Vec<(f64, bool, f64)> = logits
        .iter()
        .zip(labels)
        .zip(weights)
        .map(|((logit, label), weight)| (*logit, *label > 0.5, weight))
        .collect();
    rows.sort_by(|a, b| b.0.total_cmp(&a.0));
    let (mut hits, mut all, mut sum) = (0.0, 0.0, 0.0);
    for equal in rows.chunk_by(|a, b| a.0 == b.0) {
        let new: f64 = equal.iter().filter(|row| row.1).map(|row| row.2).sum();
        hits += new;
        all += equal.iter().map(|row| row.2).sum::<f64>();
        if new > 0.0 {
            sum += new * hits / all;
        }
    }
    sum / hits
}

/// The slope and the curvature of a row's loss by its log-odds.
pub(crate) fn gradient(logit: f64, label: f64, weight: f64) -> (f64, f64) {
    let probability = probability_of(logit);
    (
        weight * (probability - label),
        weight * probability * (1.0 - probability),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_are_as_by_hand() {
        let ones = || std::iter::repeat(1.0);
        let loss = log_loss(&[0.0, 0.0], &[1.0, 0.0], ones());
        assert!((loss - std::f64::consts::LN_2).abs() < 1e-12);
        assert!((log_loss(&[800.0], &[0.0], ones()) - 800.0).abs() < 1e-9);
        let precision = average_precision(&[3.0, 2.0, 1.0, 0.0], &[1.0, 0.0, 1.0, 0.0], ones());
        assert!((precision - (1.0 + 2.0 / 3.0) / 2.0).abs() < 1e-12);
        assert!((average_precision(&[1.0; 4], &[1.0, 0.0, 0.0, 0.0], ones()) - 0.25).abs() < 1e-12);
        assert!(average_precision(&[1.0], &[0.0], ones()).is_nan());
    }
}
