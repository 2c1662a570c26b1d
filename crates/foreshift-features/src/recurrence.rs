//! Whether incidents come back at the same time: of the day, of half a day, of the hour, or one after the other.

use foreshift_domain::{Duration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::decay::halved;

/// The most beginnings of incidents kept, of a target or of a group: five days of what fails hourly, years of
/// what seldom does. Twice or half as many predict no better.
pub const MAX_ONSETS: usize = 128;

const DAY_S: f64 = 86_400.0;
const HOUR_S: f64 = 3_600.0;

/// A time of day is not known to the second: look at least a quarter of an hour ahead.
const LEAST_REACH_S: f64 = 900.0;

/// Beginnings of incidents, ascending, in whole seconds; the newest [`MAX_ONSETS`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Onsets(Vec<i64>);

/// How often an onset came in the coming stretch of a cycle: the share of cycles, the newest counting most.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Recurrence {
    /// At this time of day; half-lives 7 and 28 days.
    pub(crate) day_7d: f64,
    pub(crate) day_28d: f64,
    /// At this time of half a day; half-life 7 days.
    pub(crate) half_day: f64,
    /// At these minutes of the hour; half-life a day.
    pub(crate) hour: f64,
    /// In the stretches as long as this one that lie right behind; half-life 6 of them.
    pub(crate) run: f64,
}

impl Onsets {
    pub(crate) fn add(&mut self, at: Timestamp) {
        let second = at.as_micros().div_euclid(1_000_000);
        let place = self.0.partition_point(|known| *known <= second);
        self.0.insert(place, second);
        if self.0.len() > MAX_ONSETS {
            self.0.remove(0);
        }
    }

    /// Recurrence in (tick, tick + ahead] of what was watched since `since`.
    pub(crate) fn recurrence(&self, tick: Timestamp, ahead: Duration, since: Timestamp) -> Recurrence {
        if self.0.is_empty() {
            return Recurrence::default();
        }
        let ahead_s = ahead.as_secs_f64().max(1.0);
        let reach_s = ahead_s.max(LEAST_REACH_S);
        let mut day = Cycle::new(DAY_S, reach_s, [CYCLES_7, CYCLES_28]);
        let mut half_day = Cycle::new(DAY_S / 2.0, reach_s, [CYCLES_14]);
        let mut hour = Cycle::new(HOUR_S, ahead_s.min(HOUR_S), [CYCLES_24]);
        let mut run = Cycle::new(ahead_s, ahead_s, [CYCLES_6]);
        for ago_s in self.ago_s(tick) {
            let more = [
                day.onset(ago_s),
                half_day.onset(ago_s),
                hour.onset(ago_s),
                run.onset(ago_s),
            ];
            if more == [false; 4] {
                break;
            }
        }
        let watched_s = tick.since(since).as_secs_f64().max(0.0);
        let [day_7d, day_28d] = day.shares(watched_s);
        let ([half_day], [hour], [run]) = (
            half_day.shares(watched_s),
            hour.shares(watched_s),
            run.shares(watched_s),
        );
        Recurrence {
            day_7d,
            day_28d,
            half_day,
            hour,
            run,
        }
    }

    /// The share of days alone; half-lives 14 and 28 days.
    pub(crate) fn days(&self, tick: Timestamp, ahead: Duration, since: Timestamp) -> [f64; 2] {
        let reach_s = ahead.as_secs_f64().max(LEAST_REACH_S);
        let mut day = Cycle::new(DAY_S, reach_s, [CYCLES_14, CYCLES_28]);
        for ago_s in self.ago_s(tick) {
            if !day.onset(ago_s) {
                break;
            }
        }
        day.shares(tick.since(since).as_secs_f64().max(0.0))
    }

    /// How many there were within each of these spans before the tick.
    pub(crate) fn within<const N: usize>(&self, tick: Timestamp, spans: [Duration; N]) -> [usize; N] {
        let until = self.until(tick);
        spans.map(|span| until.saturating_sub(self.until(tick - span)))
    }

    /// How many there were until then.
    fn until(&self, time: Timestamp) -> usize {
        let second = time.as_micros().div_euclid(1_000_000);
        self.0.partition_point(|onset| *onset <= second)
    }

    /// How long ago each was, newest first; what lies ahead of the tick is left out.
    fn ago_s(&self, tick: Timestamp) -> impl Iterator<Item = f64> {
        let tick_s = tick.as_secs_f64();
        let ago = self.0.iter().rev().map(move |onset| tick_s - *onset as f64);
        ago.skip_while(|ago_s| *ago_s < 0.0)
    }
}

/// How fast cycles are forgotten.
#[derive(Clone, Copy)]
struct Memory {
    /// Half-life in cycles.
    half_life: f64,
    /// What one cycle leaves: 2^(-1 / half-life). Written out, since it is needed for every row.
    kept: f64,
}

const CYCLES_6: Memory = Memory {
    half_life: 6.0,
    kept: 0.890_898_718_140_339_3,
};
const CYCLES_7: Memory = Memory {
    half_life: 7.0,
    kept: 0.905_723_664_263_906_7,
};
const CYCLES_14: Memory = Memory {
    half_life: 14.0,
    kept: 0.951_695_153_010_619_6,
};
const CYCLES_24: Memory = Memory {
    half_life: 24.0,
    kept: 0.971_531_941_153_606_1,
};
const CYCLES_28: Memory = Memory {
    half_life: 28.0,
    kept: 0.975_548_642_052_573_3,
};

/// What is older than this many half-lives of the longest memory weighs less than 1 in 250: not looked at.
const HALF_LIVES_KEPT: f64 = 8.0;

/// Counts the cycles of a period that held an onset in the stretch that now lies ahead.
struct Cycle<const N: usize> {
    period_s: f64,
    per_period: f64,
    reach_s: f64,
    memories: [Memory; N],
    most: i64,
    newest: i64,
    weights: [f64; N],
    sums: [f64; N],
}

impl<const N: usize> Cycle<N> {
    fn new(period_s: f64, reach_s: f64, memories: [Memory; N]) -> Self {
        let longest = memories
            .iter()
            .fold(0.0, |most: f64, memory| most.max(memory.half_life));
        Self {
            period_s,
            per_period: 1.0 / period_s,
            reach_s,
            memories,
            most: (HALF_LIVES_KEPT * longest) as i64,
            newest: 1,
            weights: [1.0; N],
            sums: [0.0; N],
        }
    }

    /// An onset `ago_s` ago, newest first: does it fall, whole cycles later, within the reach of the tick? False
    /// when it is too old to count, as all after it are.
    fn onset(&mut self, ago_s: f64) -> bool {
        let cycles = (ago_s * self.per_period) as i64 + 1;
        if cycles > self.most {
            return false;
        }
        let hit = cycles as f64 * self.period_s - ago_s <= self.reach_s;
        if hit && (cycles > self.newest || self.sums == [0.0; N]) {
            for (weight, memory) in self.weights.iter_mut().zip(self.memories) {
                // Cycles ascend, so over all onsets these are at most `most` products.
                for _ in self.newest..cycles {
                    *weight *= memory.kept;
                }
            }
            self.newest = cycles;
            for (sum, weight) in self.sums.iter_mut().zip(self.weights) {
                *sum += weight;
            }
        }
        true
    }

    /// Of the cycles watched, the weighed share that held one; one empty cycle is added, so that the young claim little.
    fn shares(&self, watched_s: f64) -> [f64; N] {
        let cycles = watched_s * self.per_period;
        let mut shares = self.sums;
        for (share, memory) in shares.iter_mut().zip(self.memories) {
            if *share > 0.0 {
                let watched = (1.0 - libm::exp2(-cycles / memory.half_life)) / (1.0 - memory.kept);
                *share = (*share / (watched + 1.0)).min(1.0);
            }
        }
        shares
    }
}

/// Quarter hours of a day.
const QUARTERS: usize = 96;
const QUARTER_S: i64 = 900;

/// Onsets by time of day, UTC, fading with a half-life of 28 days.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "SparseProfile", into = "SparseProfile")]
pub(crate) struct DayProfile {
    at: Timestamp,
    /// Empty before the first onset: most targets never have one.
    quarters: Vec<f64>,
    sum: f64,
}

#[derive(Serialize, Deserialize)]
struct SparseProfile {
    at: Timestamp,
    quarters: Vec<(u8, f64)>,
    sum: f64,
}

impl DayProfile {
    const HALF_LIFE: Duration = Duration::from_secs(28 * 86_400);

    pub(crate) fn add(&mut self, at: Timestamp) {
        if self.quarters.is_empty() {
            self.quarters = vec![0.0; QUARTERS];
            self.at = at;
        }
        let kept = halved(at.since(self.at), Self::HALF_LIFE);
        let weight = halved(self.at.since(at), Self::HALF_LIFE);
        if kept < 1.0 {
            for quarter in &mut self.quarters {
                *quarter *= kept;
            }
        }
        self.sum = self.sum * kept + weight;
        self.at = self.at.max(at);
        if let Some(quarter) = self.quarters.get_mut(quarter_of(at)) {
            *quarter += weight;
        }
    }

    /// log2 of how much more than the mean the quarters of (tick, tick + ahead] hold; 0 when nothing is known.
    pub(crate) fn within(&self, tick: Timestamp, ahead: Duration) -> f64 {
        if self.quarters.is_empty() {
            return 0.0;
        }
        let count = (ahead.as_micros() / (QUARTER_S * 1_000_000)).clamp(1, QUARTERS as i64) as usize;
        let kept = halved(tick.since(self.at), Self::HALF_LIFE);
        let coming = self.quarters.iter().cycle().skip(quarter_of(tick)).take(count);
        let hours = count as f64 / 4.0;
        let seen = coming.sum::<f64>() * kept;
        libm::log2((seen / hours + 0.5) / ((self.sum * kept + 12.0) / 24.0))
    }

    /// The same with soft edges: habits are not exact. Times of day count fully within (tick, tick + ahead] and
    /// fade over an hour and three quarters to either side.
    pub(crate) fn around(&self, tick: Timestamp, ahead: Duration) -> f64 {
        const DAY_US: i64 = Duration::DAY.as_micros();
        const FLANK_S: f64 = 6_300.0;
        // Area of both flanks, (1 - x^2)^2 each.
        const FLANKS_S: f64 = FLANK_S * 16.0 / 15.0;
        if self.quarters.is_empty() {
            return 0.0;
        }
        let half_s = ahead.as_secs_f64().max(0.0) / 2.0;
        let middle_s = (tick + Duration::from_secs_f64(half_s))
            .as_micros()
            .rem_euclid(DAY_US) as f64
            / 1e6;
        let mut seen = 0.0;
        for (index, quarter) in self.quarters.iter().enumerate() {
            let off_s = ((index as f64 + 0.5) * QUARTER_S as f64 - middle_s).abs();
            let off_s = off_s.min(DAY_S - off_s);
            let beyond = ((off_s - half_s).max(0.0) / FLANK_S).min(1.0);
            let weight = 1.0 - beyond * beyond;
            seen += quarter * weight * weight;
        }
        let kept = halved(tick.since(self.at), Self::HALF_LIFE);
        let part = ((2.0 * half_s + FLANKS_S) / DAY_S).min(1.0);
        libm::log2((1.0 + kept * seen) / (1.0 + kept * self.sum * part))
    }
}

impl From<DayProfile> for SparseProfile {
    fn from(profile: DayProfile) -> Self {
        let quarters = profile.quarters.into_iter().zip(0u8..);
        Self {
            at: profile.at,
            quarters: quarters
                .filter(|(count, _)| *count > 0.0)
                .map(|(count, index)| (index, count))
                .collect(),
            sum: profile.sum,
        }
    }
}

impl From<SparseProfile> for DayProfile {
    fn from(sparse: SparseProfile) -> Self {
        let mut quarters = Vec::new();
        if !sparse.quarters.is_empty() {
            quarters = vec![0.0; QUARTERS];
        }
        for (index, count) in sparse.quarters {
            if let Some(quarter) = quarters.get_mut(usize::from(index)) {
                *quarter = count;
            }
        }
        Self {
            at: sparse.at,
            quarters,
            sum: sparse.sum,
        }
    }
}

fn quarter_of(at: Timestamp) -> usize {
    let second = at.as_micros().div_euclid(1_000_000);
    (second.div_euclid(QUARTER_S)).rem_euclid(QUARTERS as i64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_secs(1_700_006_400); // midnight

    #[test]
    fn a_plain_count_is_of_what_began_within_its_span_and_not_ahead() {
        let mut onsets = Onsets::default();
        for hour in [1, 5, 6, 9] {
            onsets.add(START + Duration::HOUR * hour);
        }
        let count = |at_hour: i64, hours: i64| {
            let spans = [Duration::HOUR * hours];
            onsets.within(START + Duration::HOUR * at_hour, spans)[0]
        };
        assert_eq!((count(6, 1), count(6, 2), count(6, 6)), (1, 2, 3));
        assert_eq!((count(8, 1), count(100, 200)), (0, 4));
        assert_eq!(Onsets::default().within(START, [Duration::DAY]), [0]);
    }

    fn hours(n: i64) -> Timestamp {
        START + Duration::HOUR * n
    }

    #[test]
    fn what_a_cycle_leaves_is_that_of_its_half_life() {
        for memory in [CYCLES_6, CYCLES_7, CYCLES_14, CYCLES_24, CYCLES_28] {
            assert!(
                (libm::exp2(-1.0 / memory.half_life) - memory.kept).abs() < 1e-15,
                "{}",
                memory.half_life
            );
        }
    }

    fn onsets(at: impl Iterator<Item = i64>) -> (Onsets, DayProfile) {
        let (mut onsets, mut profile) = (Onsets::default(), DayProfile::default());
        for hour in at {
            onsets.add(hours(hour));
            profile.add(hours(hour));
        }
        (onsets, profile)
    }

    #[test]
    fn a_nightly_incident_is_expected_at_its_hour_and_at_no_other() {
        let (nightly, profile) = onsets((0..40).map(|day| 24 * day + 3));
        let (due, not_due) = (
            hours(40 * 24 + 2) + Duration::from_secs(1_800),
            hours(40 * 24 + 12),
        );
        let at = |tick| nightly.recurrence(tick, Duration::HOUR, START);
        assert!(at(due).day_7d > 0.85 && at(due).day_28d > 0.85, "{:?}", at(due));
        assert!(at(not_due).day_7d < 0.01 && at(not_due).day_28d < 0.01);
        let [fortnight, month] = nightly.days(due, Duration::HOUR, START);
        assert!(fortnight > 0.85 && month == at(due).day_28d);
        assert!(profile.around(due, Duration::HOUR) > 2.5 && profile.around(not_due, Duration::HOUR) < -0.5);
        assert!(profile.within(due, Duration::HOUR) > 2.5 && profile.within(not_due, Duration::HOUR) < 0.0);
    }

    #[test]
    fn a_habit_that_is_not_exact_still_counts_with_soft_edges() {
        let (_, profile) = onsets((0..30).map(|day| 24 * day + 3));
        let just_after = hours(30 * 24 + 3) + Duration::from_secs(1_200);
        assert!(profile.around(just_after, Duration::HOUR) > 2.0);
        assert!(profile.within(just_after, Duration::HOUR) < 0.0);
        let midnight = onsets((0..30).map(|day| 24 * day)).1;
        let evening = hours(30 * 24 + 23) + Duration::from_secs(1_800);
        assert!(
            midnight.around(evening, Duration::HOUR) > 2.0,
            "a day is a circle"
        );
    }

    #[test]
    fn what_fails_at_the_same_minute_of_every_hour_is_due_then_and_not_before() {
        let (hourly, _) = onsets(0..50);
        let ahead = Duration::from_secs(120);
        let at = |minutes: i64| {
            hourly
                .recurrence(hours(50) - Duration::from_secs(60 * minutes), ahead, START)
                .hour
        };
        assert!(at(1) > 0.8 && at(30) < 0.01, "{} {}", at(1), at(30));
    }

    #[test]
    fn twice_a_day_shows_in_the_half_day() {
        let (twice, _) = onsets((0..60).map(|n| 12 * n + 5));
        let due = twice.recurrence(hours(60 * 12 + 4) + Duration::from_secs(1), Duration::HOUR, START);
        assert!(due.half_day > 0.85, "{due:?}");
    }

    #[test]
    fn an_hourly_incident_shows_in_the_run_and_onsets_are_bounded() {
        let (hourly, profile) = onsets(0..400);
        let now = hourly.recurrence(hours(400) - Duration::from_secs(1), Duration::HOUR, START);
        assert!(now.run > 0.85, "{now:?}");
        assert_eq!(hourly.0.len(), MAX_ONSETS);
        assert!(
            profile.around(hours(400), Duration::HOUR).abs() < 0.5,
            "every hour is like any other"
        );
    }

    #[test]
    fn one_incident_of_a_young_target_claims_little() {
        let (once, _) = onsets(std::iter::once(3));
        let due = once.recurrence(hours(24 + 2) + Duration::from_secs(1_800), Duration::HOUR, START);
        assert!(due.day_7d > 0.3 && due.day_7d < 0.6, "{due:?}");
    }
}
