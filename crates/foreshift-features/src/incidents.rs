//! The history of a target's incidents.

use foreshift_domain::{Duration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::decay::{DecayedCounts, HALF_LIVES};
use crate::recurrence::{DayProfile, Onsets};

/// The share of a new gap in the running mean of gaps: about the last seven count.
const LEAST_GAP_SHARE: f64 = 0.15;

/// Incidents of one target.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Incidents {
    pub(crate) onsets: Onsets,
    pub(crate) by_day: DayProfile,
    counts: DecayedCounts,
    current: Option<Timestamp>,
    newest_onset: Option<Timestamp>,
    recovered: Option<Timestamp>,
    gaps: u32,
    gap_log2_mean: f64,
}

impl Incidents {
    pub(crate) fn began(&mut self, at: Timestamp) {
        if self.current.is_some() {
            return;
        }
        self.current = Some(at);
        self.counts.add(at);
        self.onsets.add(at);
        self.by_day.add(at);
        if let Some(before) = self.newest_onset.filter(|before| *before < at) {
            self.gap(at.since(before));
        }
        self.newest_onset = self.newest_onset.max(Some(at));
    }

    pub(crate) fn ended(&mut self, at: Timestamp) {
        if let Some(began) = self.current.take() {
            self.recovered = self.recovered.max(Some(at.max(began)));
        }
    }

    fn gap(&mut self, gap: Duration) {
        let log2 = libm::log2(gap.as_secs_f64().max(1.0));
        self.gaps = self.gaps.saturating_add(1);
        let share = (1.0 / f64::from(self.gaps)).max(LEAST_GAP_SHARE);
        self.gap_log2_mean += share * (log2 - self.gap_log2_mean);
    }

    pub(crate) const fn current(&self) -> Option<Timestamp> {
        self.current
    }

    pub(crate) const fn recovered(&self) -> Option<Timestamp> {
        self.recovered
    }

    pub(crate) fn counts_at(&self, tick: Timestamp) -> [f64; HALF_LIVES.len()] {
        self.counts.at_time(tick)
    }

    /// log2 of the time since the newest onset against the usual gap between onsets; `None` before three onsets.
    pub(crate) fn phase(&self, tick: Timestamp) -> Option<f64> {
        let since_s = tick.since(self.newest_onset?).as_secs_f64().max(1.0);
        (self.gaps >= 2).then(|| libm::log2(since_s) - self.gap_log2_mean)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hours(n: i64) -> Timestamp {
        Timestamp::from_secs(1_700_000_000) + Duration::HOUR * n
    }

    fn with_onsets(onsets: impl Iterator<Item = i64>) -> Incidents {
        let mut incidents = Incidents::default();
        for hour in onsets {
            incidents.began(hours(hour));
            incidents.ended(hours(hour) + Duration::from_secs(600));
        }
        incidents
    }

    #[test]
    fn the_phase_is_zero_when_the_usual_gap_has_passed() {
        let regular = with_onsets((0..20).map(|n| 10 * n));
        let phase = |hour| regular.phase(hours(hour)).unwrap_or(f64::NAN);
        assert!(phase(200).abs() < 1e-9 && (phase(210) - 1.0).abs() < 1e-9);
        assert_eq!(with_onsets(0..2).phase(hours(3)), None);
    }

    #[test]
    fn a_second_beginning_within_an_incident_and_an_end_without_one_change_nothing() {
        let mut incidents = with_onsets(0..3);
        incidents.began(hours(10));
        let before = incidents.clone();
        incidents.began(hours(11));
        assert_eq!(incidents, before);
        incidents.ended(hours(12));
        let before = incidents.clone();
        incidents.ended(hours(13));
        assert_eq!(incidents, before);
    }

    #[test]
    fn an_end_before_its_beginning_is_taken_for_the_beginning() {
        let mut incidents = Incidents::default();
        incidents.began(hours(5));
        incidents.ended(hours(4));
        assert_eq!(incidents.recovered(), Some(hours(5)));
    }
}
