//! Measures over rows: ranking, loss, calibration. Weighted rows count by their weight; ties share their rank.

use serde::Serialize;

use super::bootstrap::Counts;

/// Bins of the expected calibration error, of equal weight.
const ECE_BINS: usize = 15;
/// Bins of risk are so wide in log-odds: the odds double.
const RISK_BIN_LOGIT: f64 = std::f64::consts::LN_2;
/// A bin of risk says something from so many positive rows on.
const ENOUGH_POSITIVES: usize = 50;
/// Of the bins that say something, those of highest risk are held to account.
const RISK_BINS_JUDGED: usize = 5;
/// Probabilities nearer to 0 or 1 than this are charged as this, so that one row cannot outweigh all others.
const NEAREST: f64 = 1e-9;

/// One row with a known label, and what a method said of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Said {
    /// Higher is riskier.
    pub(crate) ranking: f64,
    /// Calibrated, in [0, 1].
    pub(crate) probability: f64,
    pub(crate) positive: bool,
    pub(crate) weight: f64,
    /// What it is drawn with when intervals are made.
    pub(crate) block: u32,
}

/// Average precision and area under the ROC curve.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Ranking {
    pub(crate) average_precision: f64,
    pub(crate) auc: f64,
}

/// Rows from high to low ranking, made once for all resamples.
pub(crate) struct Ranked {
    rows: Vec<Place>,
}

#[derive(Clone, Copy)]
struct Place {
    weight: f64,
    block: u32,
    positive: bool,
    /// Whether the next row has another ranking.
    ends_tie: bool,
}

impl Ranked {
    pub(crate) fn new(said: &[Said]) -> Self {
        let mut order: Vec<&Said> = said.iter().collect();
        order.sort_by(|a, b| b.ranking.total_cmp(&a.ranking));
        let next = order.iter().skip(1).map(Some).chain([None]);
        let place = |(row, next): (&&Said, Option<&&Said>)| Place {
            weight: row.weight,
            block: row.block,
            positive: row.positive,
            ends_tie: next.is_none_or(|next| next.ranking.total_cmp(&row.ranking).is_ne()),
        };
        Self {
            rows: order.iter().zip(next).map(place).collect(),
        }
    }

    /// Of all rows, or of a resample of their blocks. NaN when a class is absent.
    pub(crate) fn ranking(&self, counts: Option<&Counts>) -> Ranking {
        let (mut hits, mut misses, mut area, mut precision) = (0.0, 0.0, 0.0, 0.0);
        let (mut tied_hits, mut tied_misses) = (0.0, 0.0);
        for row in &self.rows {
            let weight = counts.map_or(row.weight, |counts| row.weight * counts.of(row.block));
            if row.positive {
                tied_hits += weight;
            } else {
                tied_misses += weight;
            }
            if row.ends_tie {
                area += tied_misses * (hits + tied_hits / 2.0);
                hits += tied_hits;
                misses += tied_misses;
                if tied_hits > 0.0 {
                    precision += tied_hits * hits / (hits + misses);
                }
                (tied_hits, tied_misses) = (0.0, 0.0);
            }
        }
        Ranking {
            average_precision: precision / hits,
            auc: area / (hits * misses),
        }
    }

    /// Points of the precision-recall curve from high to low ranking: (recall, precision), at most about `most`.
    pub(crate) fn precision_recall(&self, most: usize) -> Vec<(f64, f64)> {
        let all: f64 = self
            .rows
            .iter()
            .filter(|row| row.positive)
            .map(|row| row.weight)
            .sum();
        let (mut hits, mut seen, mut drawn) = (0.0, 0.0, 0.0);
        let mut points = Vec::new();
        for row in &self.rows {
            seen += row.weight;
            hits += if row.positive { row.weight } else { 0.0 };
            let recall = hits / all;
            if row.ends_tie && (points.is_empty() || recall - drawn >= 1.0 / most as f64) {
                points.push((recall, hits / seen));
                drawn = recall;
            }
        }
        points
    }
}

/// Sums of losses, by which means are made.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Sums {
    pub(crate) weight: f64,
    pub(crate) observed: f64,
    pub(crate) expected: f64,
    loss: f64,
    squared: f64,
}

impl Sums {
    pub(crate) fn add(&mut self, row: &Said) {
        let label = f64::from(u8::from(row.positive));
        let of_truth = if row.positive {
            row.probability
        } else {
            1.0 - row.probability
        };
        self.weight += row.weight;
        self.observed += row.weight * label;
        self.expected += row.weight * row.probability;
        self.loss -= row.weight * of_truth.max(NEAREST).ln();
        self.squared += row.weight * (row.probability - label).powi(2);
    }

    pub(crate) fn add_times(&mut self, other: &Self, times: f64) {
        self.weight += times * other.weight;
        self.observed += times * other.observed;
        self.expected += times * other.expected;
        self.loss += times * other.loss;
        self.squared += times * other.squared;
    }

    pub(crate) fn of(said: &[Said]) -> Self {
        let mut sums = Self::default();
        said.iter().for_each(|row| sums.add(row));
        sums
    }

    pub(crate) fn base_rate(&self) -> f64 {
        self.observed / self.weight
    }

    /// Mean log-loss in nats.
    pub(crate) fn log_loss(&self) -> f64 {
        self.loss / self.weight
    }

    /// Mean squared error.
    pub(crate) fn brier(&self) -> f64 {
        self.squared / self.weight
    }

    /// Share of the squared error of always saying the base rate that is saved; negative is worse than that.
    pub(crate) fn brier_skill(&self) -> f64 {
        let rate = self.base_rate();
        1.0 - self.brier() / (rate * (1.0 - rate))
    }

    pub(crate) fn expected_over_observed(&self) -> f64 {
        self.expected / self.observed
    }
}

/// Rows of like probability.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct RiskBin {
    /// Bounds of the probability.
    pub(crate) from: f64,
    pub(crate) to: f64,
    pub(crate) rows: usize,
    pub(crate) positives: usize,
    /// Mean probability and share of positives, both weighted.
    pub(crate) expected: f64,
    pub(crate) observed: f64,
    pub(crate) expected_over_observed: f64,
}

fn bin(from: f64, to: f64, rows: &[&Said]) -> RiskBin {
    let mut sums = Sums::default();
    rows.iter().for_each(|row| sums.add(row));
    RiskBin {
        from,
        to,
        rows: rows.len(),
        positives: rows.iter().filter(|row| row.positive).count(),
        expected: sums.expected / sums.weight,
        observed: sums.base_rate(),
        expected_over_observed: sums.expected_over_observed(),
    }
}

/// Bins of which each has twice the odds of the one before; those without rows are left out. From low to high.
pub(crate) fn risk_bins(said: &[Said]) -> Vec<RiskBin> {
    let step = |row: &Said| {
        let probability = row.probability.clamp(NEAREST, 1.0 - NEAREST);
        ((probability / (1.0 - probability)).ln() / RISK_BIN_LOGIT).floor() as i32
    };
    let mut rows: Vec<(i32, &Said)> = said.iter().map(|row| (step(row), row)).collect();
    rows.sort_by_key(|(step, _)| *step);
    let edge = |step: i32| 1.0 / (1.0 + (-RISK_BIN_LOGIT * f64::from(step)).exp());
    let same = rows.chunk_by(|a, b| a.0 == b.0);
    same.filter_map(|rows| {
        let step = rows.first()?.0;
        let members: Vec<&Said> = rows.iter().map(|(_, row)| *row).collect();
        Some(bin(edge(step), edge(step + 1), &members))
    })
    .collect()
}

/// The bins of highest risk that hold enough positives to say something, from high to low.
pub(crate) fn judged_bins(bins: &[RiskBin]) -> Vec<RiskBin> {
    let telling = bins.iter().rev().filter(|bin| bin.positives >= ENOUGH_POSITIVES);
    telling.take(RISK_BINS_JUDGED).copied().collect()
}

/// Expected calibration error: the mean distance of what was said from what came, over bins of equal weight.
pub(crate) fn calibration_error(said: &[Said]) -> f64 {
    let mut rows: Vec<&Said> = said.iter().collect();
    rows.sort_by(|a, b| a.probability.total_cmp(&b.probability));
    let total: f64 = rows.iter().map(|row| row.weight).sum();
    let (mut sums, mut error, mut passed, mut filled) = (Sums::default(), 0.0, 0.0, 1.0);
    for row in rows {
        sums.add(row);
        passed += row.weight;
        if passed >= total * filled / ECE_BINS as f64 {
            error += (sums.expected - sums.observed).abs();
            sums = Sums::default();
            filled += 1.0;
        }
    }
    (error + (sums.expected - sums.observed).abs()) / total
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(probability: f64, positive: bool, weight: f64) -> Said {
        Said {
            ranking: probability,
            probability,
            positive,
            weight,
            block: 0,
        }
    }

    /// Rows whose labels are drawn with the probability that is said, times `bias` in odds.
    fn planted(rows: usize, bias: f64) -> Vec<Said> {
        let mut draws = fastrand::Rng::with_seed(9);
        let mut draw = || {
            let said = (0.3 * draws.f64().powi(3)).max(1e-3);
            let odds = bias * said / (1.0 - said);
            row(said, draws.f64() < odds / (1.0 + odds), 1.0)
        };
        (0..rows).map(|_| draw()).collect()
    }

    #[test]
    fn average_precision_and_auc_of_a_known_ranking_come_out() {
        let said = [(0.9, true), (0.8, false), (0.7, true), (0.1, false)];
        let rows: Vec<Said> = said
            .map(|(probability, positive)| row(probability, positive, 1.0))
            .to_vec();
        let ranking = Ranked::new(&rows).ranking(None);
        assert!((ranking.average_precision - (1.0 + 2.0 / 3.0) / 2.0).abs() < 1e-12);
        assert!((ranking.auc - 0.75).abs() < 1e-12);
    }

    #[test]
    fn ranking_agrees_with_the_one_that_runs_online() {
        let rows = planted(5_000, 1.0);
        let mut pairs: Vec<(f64, bool)> = rows.iter().map(|row| (row.ranking, row.positive)).collect();
        let online = foreshift_predict::metrics::rank(&mut pairs).unwrap();
        let ranking = Ranked::new(&rows).ranking(None);
        assert!((ranking.auc - online.auc).abs() < 1e-12);
        assert!((ranking.average_precision - online.average_precision).abs() < 1e-12);
    }

    #[test]
    fn a_row_of_weight_two_counts_as_two_rows() {
        let mut twice = planted(400, 1.0);
        let once: Vec<Said> = twice
            .iter()
            .enumerate()
            .map(|(at, row)| Said {
                weight: if at < 100 { 2.0 } else { 1.0 },
                ..*row
            })
            .collect();
        twice.extend_from_within(..100);
        let (a, b) = (
            Ranked::new(&once).ranking(None),
            Ranked::new(&twice).ranking(None),
        );
        assert!((a.average_precision - b.average_precision).abs() < 1e-12);
        assert!((Sums::of(&once).log_loss() - Sums::of(&twice).log_loss()).abs() < 1e-12);
        assert!((calibration_error(&once) - calibration_error(&twice)).abs() < 2e-3);
    }

    #[test]
    fn a_planted_calibration_is_found_in_every_judged_bin() {
        let honest = planted(200_000, 1.0);
        assert!(calibration_error(&honest) < 0.004);
        let ratio = Sums::of(&honest).expected_over_observed();
        assert!((ratio - 1.0).abs() < 0.02, "{ratio}");
        let judged = judged_bins(&risk_bins(&honest));
        assert_eq!(judged.len(), 5);
        for bin in judged {
            assert!((bin.expected_over_observed - 1.0).abs() < 0.15, "{bin:?}");
        }
        // What comes half as often as is said shows in each.
        let boastful = planted(200_000, 0.5);
        assert!(calibration_error(&boastful) > 0.02);
        let judged = judged_bins(&risk_bins(&boastful));
        assert!(
            judged.iter().all(|bin| bin.expected_over_observed > 1.25),
            "{judged:?}"
        );
    }

    #[test]
    fn saying_the_base_rate_has_no_skill_and_the_truth_has_all() {
        let flat: Vec<Said> = (0..100).map(|at| row(0.1, at % 10 == 0, 0.5)).collect();
        assert!(Sums::of(&flat).brier_skill().abs() < 1e-12);
        let truth: Vec<Said> = (0..100)
            .map(|at| row(f64::from(u8::from(at % 10 == 0)), at % 10 == 0, 0.5))
            .collect();
        assert_eq!(Sums::of(&truth).brier_skill(), 1.0);
        assert_eq!(Ranked::new(&truth).ranking(None).average_precision, 1.0);
    }

    #[test]
    fn a_class_that_is_absent_makes_no_figure() {
        assert!(
            Ranked::new(&[row(0.5, false, 1.0)])
                .ranking(None)
                .average_precision
                .is_nan()
        );
        assert!(risk_bins(&[]).is_empty());
    }
}
