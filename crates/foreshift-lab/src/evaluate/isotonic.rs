//! Isotonic regression (pool adjacent violators, Ayer et al. 1955): from any ranking to probabilities that rise with it.

/// A ranking's steps of probability.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Isotonic {
    /// Lowest ranking of each step, ascending.
    from: Vec<f64>,
    probabilities: Vec<f64>,
    base_rate: f64,
}

#[derive(Clone, Copy)]
struct Pool {
    from: f64,
    weight: f64,
    positive: f64,
}

impl Pool {
    fn rate(&self) -> f64 {
        self.positive / self.weight
    }
}

/// Neighbours whose rates do not rise become one.
fn pooled(pools: impl Iterator<Item = Pool>) -> Vec<Pool> {
    let mut kept: Vec<Pool> = Vec::new();
    for mut pool in pools {
        while let Some(before) = kept.pop_if(|before| before.rate() >= pool.rate()) {
            pool = Pool {
                from: before.from,
                weight: before.weight + pool.weight,
                positive: before.positive + pool.positive,
            };
        }
        kept.push(pool);
    }
    kept
}

impl Isotonic {
    /// From rows of (ranking, positive, weight). Each step is drawn to the base rate by as much as one row, so that none
    /// says 0 or 1; without a positive row all are nearly 0.
    pub(crate) fn fit(rows: &[(f64, bool, f64)]) -> Self {
        let mut sorted: Vec<&(f64, bool, f64)> = rows.iter().filter(|row| !row.0.is_nan()).collect();
        sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
        let weight: f64 = sorted.iter().map(|row| row.2).sum();
        let positive: f64 = sorted.iter().filter(|row| row.1).map(|row| row.2).sum();
        let one = weight / sorted.len().max(1) as f64;
        let base_rate = (positive + one / 2.0) / (weight + one);
        let tied = sorted.chunk_by(|a, b| a.0.total_cmp(&b.0).is_eq());
        let pools = pooled(tied.map(|tied| Pool {
            from: tied.first().map_or(f64::NAN, |row| row.0),
            weight: tied.iter().map(|row| row.2).sum(),
            positive: tied.iter().filter(|row| row.1).map(|row| row.2).sum(),
        }));
        // Small steps are drawn further than large ones, which can turn two around: pooled once more.
        let drawn = pooled(pools.iter().map(|pool| Pool {
            from: pool.from,
            weight: pool.weight + one,
            positive: pool.positive + one * base_rate,
        }));
        Self {
            from: drawn.iter().map(|pool| pool.from).collect(),
            probabilities: drawn.iter().map(Pool::rate).collect(),
            base_rate: if base_rate.is_finite() { base_rate } else { 0.5 },
        }
    }

    /// The probability of a ranking; the base rate where there is none.
    pub(crate) fn probability(&self, ranking: f64) -> f64 {
        if ranking.is_nan() {
            return self.base_rate;
        }
        let steps = self.from.partition_point(|from| *from <= ranking);
        let step = self.probabilities.get(steps.saturating_sub(1));
        step.copied().unwrap_or(self.base_rate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_rise_and_have_the_rate_of_their_rows() {
        let mut draws = fastrand::Rng::with_seed(1);
        let rows: Vec<_> = (0..40_000)
            .map(|_| {
                let truth = draws.f64() * 0.3;
                ((truth * 100.0).exp2(), draws.f64() < truth, 0.5)
            })
            .collect();
        let fit = Isotonic::fit(&rows);
        assert!(fit.probabilities.is_sorted());
        for truth in [0.05, 0.15, 0.25] {
            let said = fit.probability((truth * 100.0_f64).exp2());
            assert!((said - truth).abs() < 0.03, "{truth}: {said}");
        }
        assert!((fit.probability(f64::NAN) - 0.15).abs() < 0.01);
    }

    #[test]
    fn nothing_is_certain_and_nothing_learned_is_even_odds() {
        let fit = Isotonic::fit(&[(1.0, false, 1.0), (2.0, true, 1.0)]);
        assert!(fit.probability(0.0) > 0.1 && fit.probability(9.0) < 0.9);
        assert_eq!(Isotonic::fit(&[]).probability(1.0), 0.5);
        let none = Isotonic::fit(&[(1.0, false, 1.0); 99]);
        assert!(none.probability(1.0) > 0.0 && none.probability(1.0) < 0.01);
    }
}
