//! The hazard prior: how likely an incident is from the record of incidents alone.
//!
//! A target's rate is a cascade of gamma-Poisson estimates: the fleet's mean rate is the prior of the
//! target's rate over months, that one the prior of its rate over days, and that one the prior of its rate
//! over hours. So a target without a record looks like the fleet, one with a long record looks like itself,
//! and one that has just failed looks like one that fails now. Hour of day and day of week then scale the
//! rate, the target's own profile shrunk to the fleet's.

use foreshift_domain::{Duration, Timestamp};
use serde::{Deserialize, Serialize};

/// Stages of the cascade.
pub const STAGES: usize = 3;
const HOURS: usize = 24;
const DAYS: usize = 7;
const LN_2: f64 = std::f64::consts::LN_2;
/// The prior's logit is held within these: from one in three million to near certainty.
const LOGIT: (f64, f64) = (-15.0, 5.0);
/// The week can raise or lower a rate by no more than this factor.
const MAX_WEEK_FACTOR: f64 = 20.0;

/// How the record is read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HazardParams {
    /// Half-lives of the record, in days, from long to short.
    pub half_life_days: [f64; STAGES],
    /// How many incidents' worth of belief each stage puts in the one before it.
    pub shape: [f64; STAGES],
    /// Incidents a day of a target before anything is known of the fleet.
    pub fleet_rate_per_day: f64,
    /// Target-days of belief in that rate.
    pub fleet_days: f64,
    /// Half-life of the profiles over the week, in days.
    pub profile_half_life_days: f64,
    /// How many incidents' worth of belief a target's profile puts in the fleet's.
    pub profile_shape: f64,
    /// How many incidents' worth of belief the fleet's profile puts in an even week.
    pub fleet_profile_shape: f64,
}

impl Default for HazardParams {
    fn default() -> Self {
        Self {
            half_life_days: [25.0, 2.0, 0.04],
            shape: [0.4, 1.5, 1.0],
            fleet_rate_per_day: 0.05,
            fleet_days: 25.0,
            profile_half_life_days: 120.0,
            profile_shape: 2.0,
            fleet_profile_shape: 20.0,
        }
    }
}

impl HazardParams {
    /// The same, believing beforehand what `fleet` has shown, for as long as `days` target-days do not say otherwise.
    pub(crate) fn believing(self, fleet: &FleetHazard, days: f64) -> Self {
        Self {
            fleet_rate_per_day: fleet.rate_per_day(&self),
            fleet_days: days,
            ..self
        }
    }

    pub(crate) fn at_pace(self, pace: f64) -> Self {
        Self {
            half_life_days: self.half_life_days.map(|days| days / pace),
            fleet_rate_per_day: self.fleet_rate_per_day * pace,
            fleet_days: self.fleet_days / pace,
            ..self
        }
    }

    /// Whether every parameter is finite and positive.
    #[must_use]
    pub fn are_sound(&self) -> bool {
        let single = [
            self.fleet_rate_per_day,
            self.fleet_days,
            self.profile_half_life_days,
            self.profile_shape,
            self.fleet_profile_shape,
        ];
        let all = self.half_life_days.iter().chain(&self.shape).chain(&single);
        all.copied()
            .all(|value| value.is_finite() && (1e-6..=1e6).contains(&value))
    }
}

fn days(span: Duration) -> f64 {
    (span.as_secs_f64() / 86_400.0).max(0.0)
}

fn decay(days: f64, half_life_days: f64) -> f64 {
    if days == 0.0 {
        1.0
    } else {
        libm::exp(-LN_2 * days / half_life_days)
    }
}

/// Incidents by hour of day and day of week (UTC), decayed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Profile {
    hours: [f32; HOURS],
    week_days: [f32; DAYS],
    total: f32,
    at: Timestamp,
}

/// Which hour of day and day of week a moment is in.
fn cell(at: Timestamp) -> (usize, usize) {
    let hours = at.as_micros().div_euclid(Duration::HOUR.as_micros());
    let hour = hours.rem_euclid(HOURS as i64) as usize;
    let week_day = hours.div_euclid(HOURS as i64).rem_euclid(DAYS as i64) as usize;
    (hour, week_day)
}

impl Profile {
    fn add(&mut self, at: Timestamp, half_life_days: f64) {
        let kept = decay(days(at.since(self.at)), half_life_days) as f32;
        let cells = self.hours.iter_mut().chain(&mut self.week_days);
        cells
            .chain(std::iter::once(&mut self.total))
            .for_each(|count| *count *= kept);
        self.at = self.at.max(at);
        let (hour, week_day) = cell(at);
        if let (Some(by_hour), Some(by_day)) = (self.hours.get_mut(hour), self.week_days.get_mut(week_day)) {
            *by_hour += 1.0;
            *by_day += 1.0;
            self.total += 1.0;
        }
    }

    /// How much more often incidents begin in this hour and on this week day than on average, given what
    /// is believed beforehand.
    fn factors(
        &self,
        (hour, week_day): (usize, usize),
        kept: f64,
        shape: f64,
        prior: (f64, f64),
    ) -> (f64, f64) {
        let factor = |counts: &[f32], cell: usize, prior: f64| {
            let count = counts.get(cell).map_or(0.0, |count| kept * f64::from(*count));
            let expected = kept * f64::from(self.total) / counts.len() as f64;
            (count + shape * prior) / (expected + shape)
        };
        (
            factor(&self.hours, hour, prior.0),
            factor(&self.week_days, week_day, prior.1),
        )
    }
}

/// The record of all targets.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FleetHazard {
    incidents: f64,
    target_days: f64,
    at: Timestamp,
    profile: Profile,
}

/// The record of one target.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TargetHazard {
    incidents: [f64; STAGES],
    days: [f64; STAGES],
    /// Up to when it has been observed; `None` before the first time.
    at: Option<Timestamp>,
    profile: Profile,
}

/// Incidents a day by each stage of the cascade.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StageRates {
    /// Of a target of which nothing is known.
    pub fleet: f64,
    /// From the longest memory to the shortest; the last is the rate now.
    pub stages: [f64; STAGES],
}

impl StageRates {
    /// The rate now.
    #[must_use]
    pub fn now(&self) -> f64 {
        self.stages.last().copied().unwrap_or(self.fleet)
    }

    /// Incidents expected within `span`. What a stage adds to the one before it wanes with that stage's
    /// half-life: a burst of the last hour says little about the hours to come.
    fn expected(&self, span: Duration, params: &HazardParams) -> f64 {
        let span = days(span);
        let mut before = self.fleet;
        let mut expected = self.fleet * span;
        for (rate, half_life_days) in self.stages.iter().zip(&params.half_life_days) {
            expected += (rate - before) * half_life_days / LN_2 * (1.0 - decay(span, *half_life_days));
            before = *rate;
        }
        expected
    }
}

impl FleetHazard {
    pub(crate) fn at_pace(self, pace: f64) -> Self {
        Self {
            target_days: self.target_days / pace,
            ..self
        }
    }

    /// Decays the record to `at` when that is later.
    fn roll(&mut self, at: Timestamp, params: &HazardParams) {
        if at <= self.at {
            return;
        }
        let [half_life_days, ..] = params.half_life_days;
        let kept = decay(days(at.since(self.at)), half_life_days);
        self.incidents *= kept;
        self.target_days *= kept;
        self.at = at;
    }

    /// Incidents a day of a target of which nothing is known.
    fn rate_per_day(&self, params: &HazardParams) -> f64 {
        let believed = params.fleet_rate_per_day * params.fleet_days;
        (self.incidents + believed) / (self.target_days + params.fleet_days)
    }

    /// Log-odds that a target of which nothing is known has an incident within `span`, at no time in particular.
    #[must_use]
    pub fn logit(&self, span: Duration, params: &HazardParams) -> f64 {
        logit_of_expected(self.rate_per_day(params) * days(span))
    }

    /// Whether the record holds only numbers.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        let sums = [self.incidents, self.target_days];
        sums.iter().all(|sum| sum.is_finite() && *sum >= 0.0) && self.profile.is_sound()
    }
}

impl Profile {
    fn is_sound(&self) -> bool {
        let counts = self
            .hours
            .iter()
            .chain(&self.week_days)
            .chain(std::iter::once(&self.total));
        counts.copied().all(|count| count.is_finite() && count >= 0.0)
    }
}

impl TargetHazard {
    /// Notes that the target was seen up to `until`; the time since the last call counts towards its rate
    /// when an incident could have begun in it (`at_risk`). Going back in time changes nothing.
    pub fn observe(
        &mut self,
        fleet: &mut FleetHazard,
        until: Timestamp,
        at_risk: bool,
        params: &HazardParams,
    ) {
        let Some(before) = self.at else {
            self.at = Some(until);
            fleet.roll(until, params);
            return;
        };
        if until <= before {
            return;
        }
        let passed = days(until.since(before));
        let stages = self
            .incidents
            .iter_mut()
            .zip(&mut self.days)
            .zip(&params.half_life_days);
        for ((incidents, at_risk_days), half_life_days) in stages {
            let kept = decay(passed, *half_life_days);
            *incidents *= kept;
            *at_risk_days *= kept;
            if at_risk {
                *at_risk_days += half_life_days / LN_2 * (1.0 - kept);
            }
        }
        self.at = Some(until);
        fleet.roll(until, params);
        if at_risk {
            fleet.target_days += passed;
        }
    }

    /// Notes that an incident began.
    pub fn incident_began(&mut self, fleet: &mut FleetHazard, at: Timestamp, params: &HazardParams) {
        self.observe(fleet, at, true, params);
        self.incidents.iter_mut().for_each(|incidents| *incidents += 1.0);
        fleet.incidents += 1.0;
        self.profile.add(at, params.profile_half_life_days);
        fleet.profile.add(at, params.profile_half_life_days);
    }

    /// Incidents a day, by the cascade, as of `tick`. Time not observed yet counts as time without incident.
    #[must_use]
    pub fn rates_per_day(&self, fleet: &FleetHazard, tick: Timestamp, params: &HazardParams) -> StageRates {
        let passed = self.at.map_or(0.0, |at| days(tick.since(at)));
        let mut prior = fleet.rate_per_day(params);
        let mut rates = StageRates {
            fleet: prior,
            stages: [prior; STAGES],
        };
        let record = self.incidents.iter().zip(&self.days);
        let read = params.half_life_days.iter().zip(&params.shape);
        for (rate, ((incidents, at_risk_days), (half_life_days, shape))) in
            rates.stages.iter_mut().zip(record.zip(read))
        {
            let kept = decay(passed, *half_life_days);
            let exposure = at_risk_days * kept + half_life_days / LN_2 * (1.0 - kept);
            prior = (incidents * kept + shape) / (exposure + shape / prior.max(1e-9));
            *rate = prior;
        }
        rates
    }

    /// Log-odds that at least one incident begins in (tick, tick + span].
    #[must_use]
    pub fn logit(&self, fleet: &FleetHazard, tick: Timestamp, span: Duration, params: &HazardParams) -> f64 {
        let rates = self.rates_per_day(fleet, tick, params);
        self.logit_at_rates(&rates, fleet, tick, span, params)
    }

    /// As [`TargetHazard::logit`], at rates that are known already.
    pub(crate) fn logit_at_rates(
        &self,
        rates: &StageRates,
        fleet: &FleetHazard,
        tick: Timestamp,
        span: Duration,
        params: &HazardParams,
    ) -> f64 {
        logit_of_expected(rates.expected(span, params) * self.week_factor(fleet, tick, span, params))
    }

    /// Mean factor of the hours that (tick, tick + span] covers, at most the next week of them.
    fn week_factor(
        &self,
        fleet: &FleetHazard,
        tick: Timestamp,
        span: Duration,
        params: &HazardParams,
    ) -> f64 {
        let half_life = params.profile_half_life_days;
        let own_kept = decay(days(tick.since(self.profile.at)), half_life);
        let fleet_kept = decay(days(tick.since(fleet.profile.at)), half_life);
        let end = tick + span.min(Duration::DAY * DAYS as i64);
        let (mut from, mut sum, mut covered) = (tick, 0.0, 0.0);
        while from < end {
            let to = (from.floor_to(Duration::HOUR) + Duration::HOUR).min(end);
            let here = cell(from);
            let of_fleet = fleet
                .profile
                .factors(here, fleet_kept, params.fleet_profile_shape, (1.0, 1.0));
            let (hour, week_day) = self
                .profile
                .factors(here, own_kept, params.profile_shape, of_fleet);
            let share = to.since(from).as_secs_f64();
            sum += share * hour * week_day;
            covered += share;
            from = to;
        }
        if covered > 0.0 {
            (sum / covered).clamp(1.0 / MAX_WEEK_FACTOR, MAX_WEEK_FACTOR)
        } else {
            1.0
        }
    }
}

/// Log-odds of at least one when this many are expected.
fn logit_of_expected(expected: f64) -> f64 {
    libm::log(libm::expm1(expected.clamp(1e-9, 50.0))).clamp(LOGIT.0, LOGIT.1)
}

#[cfg(test)]
mod tests;
