//! What faults and decoys do to a target at a moment.

use foreshift_domain::{Timestamp, signal::EventKind};

use crate::faults::FaultKind;
use crate::logs::Topic;
use crate::rng::{Draws, Purpose, Stream};

/// Signs flicker in blocks of this length: nothing goes wrong smoothly.
const FLICKER_US: i64 = 8_000_000;

/// How much is added to a target's good day, sign by sign.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Signs {
    /// Excess of the service time, as a share of it.
    pub(crate) service: f64,
    /// Share of requests that take several times as long.
    pub(crate) slow: f64,
    /// Share of requests answered with a 5xx.
    pub(crate) error: f64,
    /// Share of requests that hang in a worker until the gateway gives up.
    pub(crate) hang: f64,
    /// Share of requests whose connection breaks.
    pub(crate) reset: f64,
    /// Share of requests whose answer ends early.
    pub(crate) truncated: f64,
    /// Share of requests that get no connection.
    pub(crate) connect_failure: f64,
    /// Share of requests answered with 429.
    pub(crate) rate_limited: f64,
    /// Memory in use, as a share of the limit.
    pub(crate) memory: f64,
    /// Connections in use, as a share of the limit.
    pub(crate) pool: f64,
    /// Quota used up, as a share of what would be left.
    pub(crate) quota: f64,
    /// Worried log lines a second.
    pub(crate) log_per_s: f64,
    /// Short standstills a second.
    pub(crate) stall_per_s: f64,
    /// Share of requests that never reach the target.
    pub(crate) lost: f64,
}

/// How many kinds of signs there are.
const SIGNS: usize = 14;

impl Signs {
    pub(crate) const fn to_array(self) -> [f64; SIGNS] {
        [
            self.service,
            self.slow,
            self.error,
            self.hang,
            self.reset,
            self.truncated,
            self.connect_failure,
            self.rate_limited,
            self.memory,
            self.pool,
            self.quota,
            self.log_per_s,
            self.stall_per_s,
            self.lost,
        ]
    }

    const fn from_array(signs: [f64; SIGNS]) -> Self {
        let [
            service,
            slow,
            error,
            hang,
            reset,
            truncated,
            connect_failure,
            rate_limited,
            memory,
            pool,
            quota,
            log_per_s,
            stall_per_s,
            lost,
        ] = signs;
        Self {
            service,
            slow,
            error,
            hang,
            reset,
            truncated,
            connect_failure,
            rate_limited,
            memory,
            pool,
            quota,
            log_per_s,
            stall_per_s,
            lost,
        }
    }

    /// How many signs are not zero.
    #[cfg(test)]
    pub(crate) fn shown(self) -> usize {
        self.to_array().into_iter().filter(|sign| *sign > 0.0).count()
    }

    /// Levels that add up over time and do not flicker: memory, pool and quota.
    const fn accumulates(index: usize) -> bool {
        matches!(index, 8..=10)
    }

    fn add_scaled(&mut self, other: &Self, scale: impl Fn(usize) -> f64) {
        let mut sum = self.to_array();
        for (index, (mine, theirs)) in sum.iter_mut().zip(other.to_array()).enumerate() {
            if theirs != 0.0 {
                *mine += theirs * scale(index);
            }
        }
        *self = Self::from_array(sum);
    }

    /// Every sign times a factor of its own from [low, high); one in `1 / missing` is left out, unless fewer
    /// than three would stay.
    pub(crate) fn varied(self, draws: &mut Draws, low: f64, high: f64, missing: f64) -> Self {
        let mut signs = self.to_array();
        let mut left = signs.iter().filter(|sign| **sign > 0.0).count();
        for sign in signs.iter_mut().filter(|sign| **sign > 0.0) {
            let (factor, absent) = (draws.range(low, high), draws.unit() < missing && left > 3);
            left -= usize::from(absent);
            *sign *= if absent { 0.0 } else { factor };
        }
        Self::from_array(signs)
    }
}

/// How signs go over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// From nothing at the start to full at the onset.
    Ramp,
    /// Rises, stays, falls back.
    Hump,
    /// Full from start to end.
    Plateau,
}

/// A fault or a decoy at one target.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Episode {
    /// Position of the target among all targets of the recording.
    pub(crate) target: usize,
    pub(crate) start: Timestamp,
    /// When the signs give way to `failure`; a decoy's is its end.
    pub(crate) onset: Timestamp,
    pub(crate) end: Timestamp,
    /// `None` is a decoy.
    pub(crate) fault: Option<FaultKind>,
    pub(crate) shape: Shape,
    /// Curvature of a ramp: above 1 starts slowly.
    pub(crate) bend: f64,
    pub(crate) signs: Signs,
    pub(crate) failure: Signs,
    pub(crate) topic: Topic,
    /// Announced at its start.
    pub(crate) event: Option<EventKind>,
    /// Names its flicker.
    pub(crate) tag: u64,
}

impl Episode {
    pub(crate) const fn is_fault(&self) -> bool {
        self.fault.is_some()
    }

    /// Whether the process dies at the onset, with all it is working on.
    pub(crate) const fn kills(&self) -> bool {
        self.failure.connect_failure >= 0.5
    }

    /// Share of full strength at `now`, before the onset.
    fn level(&self, now: Timestamp) -> f64 {
        let whole = self.onset.since(self.start).as_secs_f64();
        let part = (now.since(self.start).as_secs_f64() / whole.max(1e-9)).clamp(0.0, 1.0);
        match self.shape {
            Shape::Ramp => libm::pow(part, self.bend),
            Shape::Hump => (part * 3.0).min((1.0 - part) * 3.0).min(1.0),
            Shape::Plateau => 1.0,
        }
    }

    fn add_to(&self, now: Timestamp, seed: u64, effects: &mut Effects) {
        if now < self.start || now >= self.end {
            return;
        }
        if now >= self.onset {
            effects.failing = true;
            effects.signs.add_scaled(&self.failure, |_| 1.0);
            effects.failure_topic = Some(self.topic);
            return;
        }
        let level = self.level(now);
        let flicker = Stream::of(seed, Purpose::Flicker, self.tag);
        let block = now.as_micros().div_euclid(FLICKER_US) as u64;
        effects.signs.add_scaled(&self.signs, |index| {
            if Signs::accumulates(index) {
                level
            } else {
                level * flicker.child(block).range(index as u64, 0.2, 1.8)
            }
        });
        if self.signs.log_per_s > 0.0 {
            effects.topic = Some(self.topic);
        }
    }
}

/// All effects on one target at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Effects {
    pub(crate) signs: Signs,
    pub(crate) failing: bool,
    pub(crate) topic: Option<Topic>,
    pub(crate) failure_topic: Option<Topic>,
}

/// The episodes of one target, in order of their start, with those under way at hand.
#[derive(Clone, Debug)]
pub(crate) struct Schedule<'a> {
    episodes: Vec<&'a Episode>,
    next: usize,
    active: Vec<&'a Episode>,
}

impl<'a> Schedule<'a> {
    pub(crate) fn of(episodes: &'a [Episode], target: usize) -> Self {
        let mut mine: Vec<_> = episodes
            .iter()
            .filter(|episode| episode.target == target)
            .collect();
        mine.sort_by_key(|episode| (episode.start, episode.tag));
        Self {
            episodes: mine,
            next: 0,
            active: Vec::new(),
        }
    }

    /// Moves to `now`, which never goes back; gives the episodes that begin.
    pub(crate) fn advance(&mut self, now: Timestamp) -> Vec<&'a Episode> {
        let mut begun = Vec::new();
        while let Some(episode) = self
            .episodes
            .get(self.next)
            .filter(|episode| episode.start <= now)
        {
            begun.push(*episode);
            self.next += 1;
        }
        self.active.extend(&begun);
        self.active.retain(|episode| now < episode.end);
        begun
    }

    /// Whether a process that dies at its onset did so in (before, now].
    pub(crate) fn killed_within(&self, before: Timestamp, now: Timestamp) -> bool {
        self.active
            .iter()
            .any(|episode| episode.kills() && episode.onset > before && episode.onset <= now)
    }

    pub(crate) fn effects(&self, now: Timestamp, seed: u64) -> Effects {
        let mut effects = Effects::default();
        for episode in &self.active {
            episode.add_to(now, seed, &mut effects);
        }
        effects
    }
}

/// More traffic on a route for a while.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Spike {
    /// Position of the route.
    pub(crate) route: usize,
    pub(crate) start: Timestamp,
    pub(crate) end: Timestamp,
    /// Times the usual rate at its height.
    pub(crate) factor: f64,
}

impl Spike {
    /// Times the usual rate at `now`: up within a fifth, down within a fifth.
    pub(crate) fn factor_at(&self, now: Timestamp) -> f64 {
        let whole = self.end.since(self.start).as_secs_f64().max(1e-9);
        let part = now.since(self.start).as_secs_f64() / whole;
        if !(0.0..1.0).contains(&part) {
            return 1.0;
        }
        1.0 + (self.factor - 1.0) * (part * 5.0).min((1.0 - part) * 5.0).min(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varied_signs_keep_at_least_three() {
        let mut draws = Draws::new(Stream::new(1));
        for _ in 0..200 {
            let signs = FaultKind::MemoryLeak.signs().varied(&mut draws, 0.5, 1.5, 0.9);
            assert!(signs.shown() >= 3);
        }
    }

    #[test]
    fn signs_survive_their_array() {
        let signs = FaultKind::AnnouncedErrors.signs();
        assert_eq!(Signs::from_array(signs.to_array()), signs);
    }
}
