//! Which templates a target writes, now and usually: lines by template, hashed into a few slots.

use serde::{Deserialize, Serialize};

/// Slots of a mix. A service writes some tens of templates most of the time; that two share a slot hides a change
/// between those two only.
pub(crate) const MIX_SLOTS: usize = 32;

/// Fewer faded lines than this tell no mix.
const FEW_LINES: f64 = 3.0;

/// Lines that the mix before weighs against the recent one: few lines are no change by themselves.
const PRIOR_LINES: f64 = 10.0;

/// The slot of a template. Ids are hashes already, but a sender's own ids may be small numbers.
pub(crate) const fn slot_of(template: u64) -> usize {
    (template.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 59) as usize
}

/// Lines by slot, in two windows that fade.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct TemplateMix {
    recent: [f32; MIX_SLOTS],
    long: [f32; MIX_SLOTS],
}

impl TemplateMix {
    /// Takes in the lines of a bucket, after what is there has faded to these shares.
    pub(crate) fn fold(&mut self, kept_recent: f64, kept_long: f64, lines: Option<&[u32; MIX_SLOTS]>) {
        for (window, kept) in [(&mut self.recent, kept_recent), (&mut self.long, kept_long)] {
            window.iter_mut().for_each(|slot| *slot *= kept as f32);
            for (slot, lines) in window.iter_mut().zip(lines.into_iter().flatten()) {
                *slot += *lines as f32;
            }
        }
    }

    /// Hellinger distance of the recent mix to the one before it, 0 to 1, once the windows have faded on to these
    /// shares; NaN when there were too few lines of either to tell.
    pub(crate) fn distance(&self, kept_recent: f64, kept_long: f64) -> f64 {
        // A line fades faster in the recent window: what the long one has more of is what was before.
        let both = || {
            self.recent.iter().zip(&self.long).map(|(recent, long)| {
                let recent = f64::from(*recent) * kept_recent;
                (recent, (f64::from(*long) * kept_long - recent).max(0.0))
            })
        };
        let (recent, before) = both().fold((0.0, 0.0), |sum, lines| (sum.0 + lines.0, sum.1 + lines.1));
        if recent < FEW_LINES || before < FEW_LINES {
            return f64::NAN;
        }
        let shares = both().map(|(now, usual)| {
            let usual = usual / before;
            let now = (now + PRIOR_LINES * usual) / (recent + PRIOR_LINES);
            (now * usual).sqrt()
        });
        (1.0 - shares.sum::<f64>()).max(0.0).sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(of: &[(u64, u32)]) -> [u32; MIX_SLOTS] {
        let mut lines = [0; MIX_SLOTS];
        for (template, count) in of {
            lines[slot_of(*template)] += count;
        }
        lines
    }

    /// A long time of two templates, then one bucket.
    fn after(bucket: &[(u64, u32)]) -> f64 {
        let mut mix = TemplateMix::default();
        for _ in 0..500 {
            mix.fold(0.95, 0.999, Some(&lines(&[(1, 1), (2, 1)])));
        }
        mix.fold(0.95, 0.999, Some(&lines(bucket)));
        mix.distance(1.0, 1.0)
    }

    #[test]
    fn the_usual_mix_has_no_distance_at_any_rate_and_another_one_has() {
        assert!(after(&[(1, 1), (2, 1)]) < 1e-3);
        assert!(after(&[(1, 50), (2, 50)]) < 1e-3, "more of the same is no change");
        let (some, all) = (after(&[(3, 10)]), after(&[(3, 10_000)]));
        assert!(some > 0.2 && all > some && all <= 1.0, "{some} {all}");
    }

    #[test]
    fn too_few_lines_tell_nothing() {
        let mut mix = TemplateMix::default();
        assert!(mix.distance(1.0, 1.0).is_nan());
        mix.fold(1.0, 1.0, Some(&lines(&[(1, 20)])));
        assert!(mix.distance(1.0, 1.0).is_nan(), "there was nothing before");
        mix.fold(0.5, 1.0, Some(&lines(&[(1, 2)])));
        assert!(mix.distance(1.0, 1.0) < 1e-6);
        assert!(mix.distance(0.1, 1.0).is_nan(), "it has faded");
    }

    #[test]
    fn small_ids_spread_over_the_slots() {
        let mut slots: Vec<usize> = (1..=20).map(slot_of).collect();
        slots.sort_unstable();
        slots.dedup();
        assert!(slots.len() >= 14, "{slots:?}");
    }
}
