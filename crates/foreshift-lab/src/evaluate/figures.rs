//! All measures of one method on the rows of one horizon.

use serde::Serialize;

use super::bootstrap::{BlockKind, Blocks, Counts, Estimate};
use super::events::{Events, Watch};
use super::isotonic::Isotonic;
use super::measures::{Ranked, RiskBin, Said, Sums, calibration_error, judged_bins, risk_bins};
use super::panel::{Panel, Row};
use crate::splits::Fold;

/// Rows of a small propensity are not counted more often than this.
const MOST_TIMES: f64 = 20.0;
/// Points of a precision-recall curve.
const CURVE_POINTS: usize = 200;
/// Bins of the distribution of probabilities, in log-odds from [`HISTOGRAM_FROM`], each [`HISTOGRAM_STEP`] wide.
const HISTOGRAM_BINS: usize = 44;
const HISTOGRAM_FROM: f64 = -14.0;
const HISTOGRAM_STEP: f64 = 0.5;

/// How to measure.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    /// False alarms allowed for each target and day.
    pub(crate) budget: f64,
    pub(crate) resamples: usize,
    pub(crate) seed: u64,
    /// Leave out rows in which our own action was in force, and weigh the rest by inverse propensity.
    pub(crate) by_propensity: bool,
}

/// What a method says of every row of a panel.
#[derive(Clone, Debug)]
pub(crate) struct Method {
    pub(crate) name: String,
    /// Higher is riskier; NaN where nothing is said.
    pub(crate) ranking: Vec<f64>,
    pub(crate) probability: Vec<f64>,
    /// Whether it alarms by itself, at a ranking of 1.
    pub(crate) alarms: bool,
}

impl Method {
    /// One that gives probabilities.
    pub(crate) fn of_probabilities(name: String, probability: Vec<f64>) -> Self {
        Self {
            name,
            ranking: probability.clone(),
            probability,
            alarms: false,
        }
    }

    /// One that ranks; its probabilities are fitted on rows that teach.
    pub(crate) fn of_ranking(
        name: String,
        ranking: Vec<f64>,
        alarms: bool,
        panel: &Panel,
        teach: &[usize],
    ) -> Self {
        let row = |at: &usize| {
            let row = panel.rows.get(*at)?;
            Some((*ranking.get(*at)?, row.label?, row.weight))
        };
        let rows: Vec<(f64, bool, f64)> = teach.iter().filter_map(row).collect();
        let fit = Isotonic::fit(&rows);
        Self {
            name,
            probability: ranking.iter().map(|value| fit.probability(*value)).collect(),
            ranking,
            alarms,
        }
    }
}

/// All measures of a method.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Figures {
    pub(crate) method: String,
    pub(crate) average_precision: Estimate,
    pub(crate) auc: Estimate,
    /// Mean, in nats.
    pub(crate) log_loss: Estimate,
    pub(crate) brier: f64,
    pub(crate) brier_skill: Estimate,
    pub(crate) expected_over_observed: Estimate,
    pub(crate) calibration_error: f64,
    /// Of highest risk, with at least 50 positives each.
    pub(crate) judged_bins: Vec<RiskBin>,
    pub(crate) events: Events,
    /// What its own alarm comes to: false alarms a target-day, and recall.
    pub(crate) own_alarm: Option<(f64, f64)>,
    pub(crate) risk_bins: Vec<RiskBin>,
    /// Recall against precision.
    pub(crate) precision_recall: Vec<(f64, f64)>,
    /// Log-odds at the middle of a bin, share of negatives in it, share of positives.
    pub(crate) distribution: Vec<(f64, f64, f64)>,
    /// By resample, for differences to others.
    #[serde(skip)]
    pub(crate) resampled: Resampled,
}

/// Figures of each resample, in the order of the draws.
#[derive(Clone, Debug, Default)]
pub(crate) struct Resampled {
    pub(crate) average_precision: Vec<f64>,
    pub(crate) log_loss: Vec<f64>,
    pub(crate) brier_skill: Vec<f64>,
    pub(crate) recall: Vec<f64>,
}

/// The rows of one horizon that are judged.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Ground {
    pub(crate) horizon_s: f64,
    /// Rows with known labels, of which so many are positive.
    pub(crate) rows: usize,
    pub(crate) positives: usize,
    /// Left out: their labels are unknown.
    pub(crate) unknown: usize,
    /// Left out or not: our own action was in force.
    pub(crate) treated: usize,
    /// Rows that taught what had to be fitted.
    pub(crate) taught: usize,
    pub(crate) base_rate: f64,
    pub(crate) targets: usize,
    /// From when on rows are judged: seconds since 1970.
    pub(crate) from_s: f64,
    /// What is drawn together for intervals, and how many of them there are.
    pub(crate) blocks: BlockKind,
    pub(crate) block_count: usize,
}

/// Measures methods on one panel: the same rows, blocks and draws for all.
pub(crate) struct Judge<'a> {
    pub(crate) panel: &'a Panel,
    pub(crate) judged: Vec<usize>,
    pub(crate) teach: Vec<usize>,
    from_s: f64,
    weights: Vec<f64>,
    blocks: Blocks,
    draws: Vec<Counts>,
    settings: Settings,
}

impl<'a> Judge<'a> {
    pub(crate) fn new(panel: &'a Panel, fold: &Fold, settings: Settings) -> Self {
        let counts = |at: &usize| {
            let row = panel.rows.get(*at);
            row.is_some_and(|row| row.label.is_some() && weight(row, settings) > 0.0)
        };
        let blocks = Blocks::of(panel);
        Self {
            panel,
            judged: fold.test.iter().copied().filter(counts).collect(),
            teach: fold.train.iter().copied().filter(counts).collect(),
            from_s: fold.from.as_secs_f64(),
            weights: panel.rows.iter().map(|row| weight(row, settings)).collect(),
            draws: Counts::draw(blocks.count, settings.resamples, settings.seed),
            blocks,
            settings,
        }
    }

    /// What the figures rest on.
    pub(crate) fn ground(&self) -> Ground {
        let judged = || self.judged.iter().filter_map(|at| self.panel.rows.get(*at));
        let later = || {
            self.panel
                .rows
                .iter()
                .filter(|row| row.at.as_secs_f64() >= self.from_s)
        };
        let targets: std::collections::BTreeSet<u32> = judged().map(|row| row.target).collect();
        let said: Vec<Said> = self.said(|_| (0.0, 0.0));
        Ground {
            horizon_s: self.panel.horizon.as_secs_f64(),
            rows: self.judged.len(),
            positives: judged().filter(|row| row.label == Some(true)).count(),
            unknown: later().filter(|row| row.label.is_none()).count(),
            treated: later().filter(|row| row.treated).count(),
            taught: self.teach.len(),
            base_rate: Sums::of(&said).base_rate(),
            targets: targets.len(),
            from_s: self.from_s,
            blocks: self.blocks.kind,
            block_count: self.blocks.count,
        }
    }

    /// Judged rows with what is said of them: ranking and probability.
    fn said(&self, of: impl Fn(usize) -> (f64, f64)) -> Vec<Said> {
        let said = |at: &usize| {
            let (ranking, probability) = of(*at);
            Some(Said {
                ranking: if ranking.is_nan() {
                    f64::NEG_INFINITY
                } else {
                    ranking
                },
                probability,
                positive: self.panel.rows.get(*at)?.label?,
                weight: *self.weights.get(*at)?,
                block: *self.blocks.of_row.get(*at)?,
            })
        };
        self.judged.iter().filter_map(said).collect()
    }

    /// All measures of a method.
    pub(crate) fn figures(&self, method: &Method) -> Figures {
        let of = |values: &[f64], at: usize| values.get(at).copied().unwrap_or(f64::NAN);
        let said = self.said(|at| (of(&method.ranking, at), of(&method.probability, at)));
        let ranked = Ranked::new(&said);
        let rankings: Vec<_> = self
            .draws
            .iter()
            .map(|counts| ranked.ranking(Some(counts)))
            .collect();
        let sums = self.resampled_sums(&said);
        let (ranking, all) = (ranked.ranking(None), Sums::of(&said));
        let over = |figure: &dyn Fn(&Sums) -> f64| Estimate::new(figure(&all), sums.iter().map(figure));
        let watch = Watch::new(self.panel, &self.judged, &self.blocks);
        let (events, recall) = watch.events(&method.ranking, self.settings.budget, &self.draws);
        let risk_bins = risk_bins(&said);
        Figures {
            method: method.name.clone(),
            average_precision: Estimate::new(
                ranking.average_precision,
                rankings.iter().map(|ranking| ranking.average_precision),
            ),
            auc: Estimate::new(ranking.auc, rankings.iter().map(|ranking| ranking.auc)),
            log_loss: over(&Sums::log_loss),
            brier: all.brier(),
            brier_skill: over(&Sums::brier_skill),
            expected_over_observed: over(&Sums::expected_over_observed),
            calibration_error: calibration_error(&said),
            judged_bins: judged_bins(&risk_bins),
            own_alarm: method.alarms.then(|| watch.at_threshold(&method.ranking, 1.0)),
            events,
            risk_bins,
            precision_recall: ranked.precision_recall(CURVE_POINTS),
            distribution: distribution(&said),
            resampled: Resampled {
                average_precision: rankings.iter().map(|ranking| ranking.average_precision).collect(),
                log_loss: sums.iter().map(Sums::log_loss).collect(),
                brier_skill: sums.iter().map(Sums::brier_skill).collect(),
                recall,
            },
        }
    }

    fn resampled_sums(&self, said: &[Said]) -> Vec<Sums> {
        let mut by_block = vec![Sums::default(); self.blocks.count];
        for row in said {
            if let Some(sums) = by_block.get_mut(row.block as usize) {
                sums.add(row);
            }
        }
        let resample = |counts: &Counts| {
            let mut all = Sums::default();
            for (sums, block) in by_block.iter().zip(0..) {
                all.add_times(sums, counts.of(block));
            }
            all
        };
        self.draws.iter().map(resample).collect()
    }
}

/// How much a row counts.
fn weight(row: &Row, settings: Settings) -> f64 {
    if !settings.by_propensity {
        return row.weight;
    }
    if row.treated {
        return 0.0;
    }
    row.weight * (1.0 / row.propensity).clamp(1.0, MOST_TIMES)
}

fn distribution(said: &[Said]) -> Vec<(f64, f64, f64)> {
    let mut bins = vec![[0.0; 2]; HISTOGRAM_BINS];
    let mut totals = [0.0; 2];
    for row in said {
        let logit = (row.probability / (1.0 - row.probability)).ln();
        let bin = ((logit - HISTOGRAM_FROM) / HISTOGRAM_STEP).clamp(0.0, HISTOGRAM_BINS as f64 - 1.0);
        let class = usize::from(row.positive);
        if let Some(slot) = bins.get_mut(bin as usize).and_then(|bin| bin.get_mut(class)) {
            *slot += row.weight;
        }
        if let Some(total) = totals.get_mut(class) {
            *total += row.weight;
        }
    }
    let [negatives, positives] = totals.map(|total: f64| total.max(f64::MIN_POSITIVE));
    let middle = |bin: usize| HISTOGRAM_FROM + HISTOGRAM_STEP * (bin as f64 + 0.5);
    let numbered = bins.into_iter().enumerate();
    numbered
        .map(|(bin, [negative, positive])| (middle(bin), negative / negatives, positive / positives))
        .collect()
}

#[cfg(test)]
mod tests {
    use foreshift_domain::Timestamp;

    use super::super::panel::tests::Made;
    use super::*;
    use crate::baselines;
    use crate::splits;

    const SETTINGS: Settings = Settings {
        budget: 1.0,
        resamples: 40,
        seed: 1,
        by_propensity: false,
    };

    /// 20 targets over 2 days; each has an incident every few hours.
    fn made() -> Panel {
        let mut draws = fastrand::Rng::with_seed(12);
        let onsets = (0..20).map(|_| {
            let mut onsets = Vec::new();
            let mut at = draws.i64(60..500);
            while at < 2_880 {
                onsets.push(at);
                at += draws.i64(60..600);
            }
            onsets
        });
        Made {
            ticks: 2_880,
            tick_s: 60,
            horizon_ticks: 10,
            cooldown: 10,
            onsets: onsets.collect(),
        }
        .panel()
    }

    fn half(panel: &Panel) -> Fold {
        splits::at(&panel.stamps(), Timestamp::from_secs(1_440 * 60), panel.horizon)
    }

    #[test]
    fn the_oracle_is_perfect_and_random_is_at_the_base_rate() {
        let panel = made();
        let judge = Judge::new(&panel, &half(&panel), SETTINGS);
        let figures = |name: &str| {
            let baseline = baselines::ALL
                .iter()
                .find(|baseline| baseline.name == name)
                .unwrap();
            let ranking = (baseline.rank)(&panel);
            judge.figures(&Method::of_ranking(
                name.to_owned(),
                ranking,
                false,
                &panel,
                &judge.teach,
            ))
        };
        let oracle = figures("oracle");
        assert_eq!((oracle.average_precision.value, oracle.auc.value), (1.0, 1.0));
        assert_eq!(oracle.events.recall.value, 1.0);
        assert!(oracle.brier_skill.value > 0.99 && oracle.log_loss.value < 0.01);
        let random = figures("random");
        let base_rate = judge.ground().base_rate;
        assert!(
            (random.average_precision.value / base_rate - 1.0).abs() < 0.25,
            "{base_rate}"
        );
        assert!((random.auc.value - 0.5).abs() < 0.03, "{:?}", random.auc);
        assert!(random.average_precision.low <= base_rate && base_rate <= random.average_precision.high);
        assert!(random.brier_skill.value.abs() < 0.02);
        assert!(random.events.recall.value < 0.2);
    }

    #[test]
    fn unknown_rows_are_left_out_and_treated_ones_when_asked() {
        let mut panel = made();
        let all = Judge::new(&panel, &half(&panel), SETTINGS).ground();
        let later = panel
            .rows
            .iter_mut()
            .filter(|row| row.at >= Timestamp::from_secs(1_440 * 60));
        for (at, row) in later.enumerate() {
            match at % 10 {
                0 => row.label = None,
                1 => row.treated = true,
                2 => row.propensity = 0.05,
                _ => {}
            }
        }
        let judge = Judge::new(&panel, &half(&panel), SETTINGS);
        let known = judge.ground();
        assert!(known.rows < all.rows * 91 / 100 && known.rows > all.rows * 88 / 100);
        assert!(known.unknown > all.unknown && known.treated * 10 > all.rows * 9 / 10);
        let by_propensity = Settings {
            by_propensity: true,
            ..SETTINGS
        };
        let judge = Judge::new(&panel, &half(&panel), by_propensity);
        assert!(judge.ground().rows < all.rows * 81 / 100);
        let heaviest = judge
            .judged
            .iter()
            .map(|at| judge.weights[*at] / panel.rows[*at].weight);
        assert!((heaviest.fold(0.0, f64::max) - 20.0).abs() < 1e-9);
    }

    #[test]
    fn the_same_seed_gives_the_same_figures_to_the_last_digit() {
        let panel = made();
        let text = || {
            let judge = Judge::new(&panel, &half(&panel), SETTINGS);
            let ranking = (baselines::ALL[1].rank)(&panel);
            let method = Method::of_ranking("recurrence".to_owned(), ranking, false, &panel, &judge.teach);
            serde_json::to_string(&judge.figures(&method)).unwrap()
        };
        assert_eq!(text(), text());
    }
}
