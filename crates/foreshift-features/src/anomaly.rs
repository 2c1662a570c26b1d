//! A streaming detector of anomalies in one series: what its own past would hardly ever show by chance.
//!
//! Several views look at the series at once: jumps, shifts of level over two time scales, values outside
//! the range so far, the spread, and what the time of day does not explain. Each is measured against its own
//! history: how many times would chance have brought something so extreme in all that is remembered? The
//! rarest view speaks, and an episode raises one alarm.
//!
//! A reading uses only the points up to its own. Nothing is known of the series beforehand: neither its
//! length nor its range nor its unit. Scaling or shifting a series changes no reading.

mod daily;
mod mean;
mod tail;

use foreshift_domain::Timestamp;
use serde::{Deserialize, Serialize};

use daily::Daily;
use mean::{Mean, SteadyMean};
pub use tail::MOST_KEPT;
use tail::{MIN_KEPT, Tail};

/// Tails are not told apart below this: no history says more.
pub const MIN_TAIL: f64 = 1e-12;
/// The same in decades.
pub(crate) const MAX_DECADES: f64 = 12.0;
/// Values are held within plus and minus this, so that a remembered one fits into single precision.
const MAX_VALUE: f64 = 1e30;
/// Time scales of the means, in points, from a few to some days of five-minute values.
const SCALES: [f64; 4] = [4.0, 16.0, 64.0, 1024.0];
/// Points before a view is asked at all.
const MIN_WARM: u32 = 16;
/// After an alarm the next one has to be ten times rarer, which fades over so many points.
const WARY_POINTS: f64 = 200.0;

/// How a series is watched. Times are counted in points, so the defaults serve any sampling interval.
/// Numbers below the ranges named are taken as the least of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// An alarm is what chance would bring at most so many times in all that is remembered. On white noise 0.4
    /// raises about one alarm in 10,000 points, 0.01 none in 200,000.
    pub expected: f64,
    /// Points of a block: extremes within one are one event. At least 1.
    pub block_points: u32,
    /// Blocks that are remembered, at least as many as are kept.
    pub memory_blocks: u32,
    /// Largest block maxima kept of each side of each view, 16 to [`MOST_KEPT`]: eight bytes each, twelve times.
    pub kept_blocks: u32,
    /// Points after an alarm in which there is no other.
    pub quiet_points: u32,
}

impl Default for Params {
    fn default() -> Self {
        Self {
            expected: 0.4,
            block_points: 12,
            memory_blocks: 1000,
            kept_blocks: MOST_KEPT,
            quiet_points: 100,
        }
    }
}

/// What a reading is due to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Component {
    /// The value jumped, or its mean moved away from where it was.
    Level,
    /// The value is outside the range seen so far.
    Novelty,
    /// The series became much more or much less restless.
    Variance,
    /// The value is unusual for this time of the day.
    Seasonality,
}

/// What the detector says of one point.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    /// The share of the remembered blocks that would be at least so extreme: 1 for ordinary, down to [`MIN_TAIL`].
    pub tail: f64,
    /// How anomalous the point is, from 0 to 1: above a half where an alarm is raised, below elsewhere.
    pub strength: f64,
    /// Whether an anomaly begins here. Once an episode.
    pub alarm: bool,
    /// The view that finds the point rarest; says nothing while the tail is 1.
    pub component: Component,
}

/// One quantity of the series, and how rare each of its two sides is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct View {
    component: Component,
    up: Tail,
    down: Tail,
    /// Points before its means say something.
    warm: u32,
}

impl View {
    fn new(component: Component, warm: f64) -> Self {
        Self {
            component,
            up: Tail::default(),
            down: Tail::default(),
            warm: (warm as u32).max(MIN_WARM),
        }
    }

    /// The share of blocks that reach so far out on either side.
    fn observe(&mut self, quantity: f64, points: u32, params: &Params) -> f64 {
        if points < self.warm || !quantity.is_finite() {
            return 1.0;
        }
        // As it is remembered: what was seen exactly so before is not above it.
        let quantity = f64::from(quantity as f32);
        let memory = params.memory_blocks;
        let share = self
            .up
            .share(quantity, memory)
            .min(self.down.share(-quantity, memory));
        self.up.learn(quantity, params);
        self.down.learn(-quantity, params);
        share
    }
}

/// Watches one series. Its memory is bounded by 12 tails of [`Params::kept_blocks`] values each: 6 KB at the most.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Detector {
    params: Params,
    /// Points taken, and since the last alarm.
    points: u32,
    since_alarm: u32,
    brief: Mean,
    medium: Mean,
    /// Over the short, the medium and the long scale.
    steady: [SteadyMean; 3],
    overall: SteadyMean,
    spread: Mean,
    overall_spread: Mean,
    daily: Daily,
    remainder: Mean,
    views: [View; 6],
}

impl Detector {
    /// A detector that has seen nothing.
    #[must_use]
    pub fn new(mut params: Params) -> Self {
        params.block_points = params.block_points.max(1);
        params.kept_blocks = params.kept_blocks.clamp(MIN_KEPT, MOST_KEPT);
        params.memory_blocks = params.memory_blocks.max(params.kept_blocks);
        let [brief, short, medium, long] = SCALES;
        let memory = f64::from(params.memory_blocks) * f64::from(params.block_points);
        Self {
            params,
            points: 0,
            since_alarm: u32::MAX,
            brief: Mean::over(brief),
            medium: Mean::over(medium),
            steady: [short, medium, long].map(SteadyMean::over),
            overall: SteadyMean::over(memory),
            spread: Mean::over(medium),
            overall_spread: Mean::over(memory),
            daily: Daily::new(),
            remainder: Mean::over(short),
            views: [
                View::new(Component::Level, short),
                View::new(Component::Level, medium),
                View::new(Component::Level, long),
                View::new(Component::Novelty, 0.0),
                View::new(Component::Variance, medium),
                View::new(Component::Seasonality, short),
            ],
        }
    }

    /// Takes the next point of the series. A value that is no finite number is missing: never an anomaly, and
    /// nothing is learned from it.
    pub fn observe(&mut self, at: Timestamp, value: f64) -> Reading {
        let mut reading = Reading {
            tail: 1.0,
            strength: 0.0,
            alarm: false,
            component: Component::Level,
        };
        if !value.is_finite() {
            return reading;
        }
        self.points = self.points.saturating_add(1);
        self.since_alarm = self.since_alarm.saturating_add(1);
        let quantities = self.quantities(at, value.clamp(-MAX_VALUE, MAX_VALUE));
        for (view, quantity) in self.views.iter_mut().zip(quantities) {
            let share = view.observe(quantity, self.points, &self.params).max(MIN_TAIL);
            if share < reading.tail {
                reading.tail = share;
                reading.component = view.component;
            }
        }
        let expected = reading.tail * self.blocks();
        reading.alarm = expected <= self.bar();
        if reading.alarm {
            self.since_alarm = 0;
        }
        reading.strength = if reading.alarm {
            0.5 + 0.5 * decades(expected) / MAX_DECADES
        } else {
            0.5 * decades(reading.tail) / MAX_DECADES
        };
        reading
    }

    /// Whether it has seen enough for something to be rare.
    #[must_use]
    pub fn is_warm(&self) -> bool {
        self.views.iter().any(|view| view.up.knows())
    }

    /// Blocks of history that a view could have been extreme in.
    fn blocks(&self) -> f64 {
        let blocks = f64::from(self.points) / f64::from(self.params.block_points);
        blocks.max(1.0).min(f64::from(self.params.memory_blocks))
    }

    /// How rare an alarm has to be now.
    fn bar(&self) -> f64 {
        if self.since_alarm <= self.params.quiet_points {
            return 0.0;
        }
        let wary = libm::exp(-f64::from(self.since_alarm) / WARY_POINTS);
        self.params.expected * libm::pow(10.0, -wary)
    }

    /// What the views look at, in their order.
    fn quantities(&mut self, at: Timestamp, value: f64) -> [f64; 6] {
        if self.points == 1 {
            self.steady.iter_mut().for_each(|mean| mean.value = value);
            self.overall.value = value;
        }
        let [short, medium, long] = self.steady.each_ref().map(|mean| mean.value);
        let (overall, overall_spread) = (self.overall.value, self.overall_spread.value);
        let remainder = self.daily.remainder(at, value, &self.overall);
        self.remainder.add(remainder.unwrap_or(0.0));
        self.brief.add(value);
        self.medium.add(value);
        self.steady.iter_mut().for_each(|mean| mean.add(value));
        self.overall.add(value);
        self.spread.add((value - short).abs());
        self.overall_spread.add((value - short).abs());
        let seasonal = remainder.is_some() && self.daily.helps();
        [
            value - short,
            self.brief.value - medium,
            self.medium.value - long,
            value - overall,
            self.spread.value - overall_spread,
            if seasonal { self.remainder.value } else { f64::NAN },
        ]
    }
}

/// How many decades a share lies below 1, from 0 to [`MAX_DECADES`].
pub(crate) fn decades(share: f64) -> f64 {
    (-libm::log10(share)).clamp(0.0, MAX_DECADES)
}

#[cfg(test)]
mod tests;
