//! A streaming detector of anomalies in one series: how rarely its own past showed something so unusual.
//!
//! Several components look at the series at once; each turns what it sees into a tail probability against its
//! own history, and the rarest one is reported. An episode raises one alarm.
//!
//! A reading uses only the points up to its own. Nothing is known of the series beforehand: neither its
//! length nor its range nor its unit.

mod level;
mod tail;

use foreshift_domain::Timestamp;
use serde::{Deserialize, Serialize};

use level::Level;

/// Tails are not told apart below this: no history says more.
pub const MIN_TAIL: f64 = 1e-12;

/// How a series is watched. The defaults serve every series; times are counted in points.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// Points that are remembered: the window that rarity is measured against.
    pub memory_points: f64,
    /// A reading whose tail is at most this raises the alarm.
    pub alarm_tail: f64,
    /// Points after an alarm in which only something clearly rarer raises another.
    pub quiet_points: f64,
}

impl Default for Params {
    fn default() -> Self {
        Self {
            memory_points: 10_000.0,
            alarm_tail: 1e-4,
            quiet_points: 100.0,
        }
    }
}

/// What a reading is due to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Component {
    /// The value, or its mean over a while, is far from where it was.
    Level,
}

/// What the detector says of one point.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    /// How often the past of the series was at least so unusual: from 1 (ordinary) down to [`MIN_TAIL`].
    pub tail: f64,
    /// How anomalous the point is, from 0 to 1, one point an episode: what repeats an episode is 0.
    pub strength: f64,
    /// Whether an anomaly begins here. Once an episode.
    pub alarm: bool,
    /// What said so.
    pub component: Component,
}

/// Watches one series.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Detector {
    params: Params,
    levels: [Level; 3],
    since_alarm: f64,
    alarmed: f64,
}

impl Detector {
    /// A detector that has seen nothing.
    #[must_use]
    pub fn new(params: Params) -> Self {
        Self {
            params,
            levels: [Level::new(1.0), Level::new(8.0), Level::new(64.0)],
            since_alarm: f64::INFINITY,
            alarmed: 0.0,
        }
    }

    /// Takes the next point of the series; a value that is no finite number is missing, and is never an anomaly.
    pub fn observe(&mut self, _at: Timestamp, value: f64) -> Reading {
        self.since_alarm += 1.0;
        let memory = self.params.memory_points;
        let mut tail = 1.0_f64;
        if value.is_finite() {
            for level in &mut self.levels {
                tail = tail.min(level.observe(value, memory));
            }
        }
        let tail = tail.max(MIN_TAIL);
        let surprise = -libm::log10(tail);
        if self.since_alarm > self.params.quiet_points {
            self.alarmed = 0.0;
        }
        let fresh = surprise > self.alarmed + 1.0 && tail <= self.params.alarm_tail;
        if fresh {
            self.alarmed = surprise;
            self.since_alarm = 0.0;
        }
        Reading {
            tail,
            strength: if fresh { surprise / 12.0 } else { 0.0 },
            alarm: fresh,
            component: Component::Level,
        }
    }
}
