//! What closed buckets add up to, in four windows that fade by elapsed time.

use foreshift_domain::fallback::Timing;
use foreshift_domain::signal::OutcomeKind;
use foreshift_domain::{Duration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::bucket::Bucket;
use crate::decay::kept;
use crate::histogram::DecayedHistogram;
use crate::lines::{LOG_GROUPS, Lines};
use crate::mix::TemplateMix;

/// Positions of the four windows in `timing.windows`.
pub(crate) const FAST: usize = 0;
pub(crate) const MID: usize = 1;
pub(crate) const SLOW: usize = 2;
pub(crate) const LONG: usize = 3;
/// How many there are.
pub(crate) const WINDOWS: usize = 4;

/// Buckets of latency that must have been seen before a level is called unusual.
const MIN_LATENCY_BUCKETS: f64 = 6.0;

/// A bucket counts at most this many standard deviations from the mean, so that one stall does not hide the next.
const CLIP_SD: f64 = 4.0;

/// Fewer faded requests than this in the long window are as good as none.
const MIN_EVIDENCE: f64 = 0.05;

/// A sum that is kept in each window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub(crate) enum Sum {
    /// Requests that say anything about the target.
    Evidence,
    Failures,
    /// Timeouts, connections refused or broken.
    Unreachable,
    /// Refused for rate, quota or load.
    Limited,
    /// Truncated answers and clients that went away.
    CutShort,
    Requests,
    LogFailure,
    LogEarly,
    /// Log templates that this target did not have in the long window before.
    LogNew,
    LatencySamples,
    LatencyLog2,
    TtfbSamples,
    TtfbLog2,
    LogLines,
    /// Squares of the lines of each bucket.
    LogLinesSquared,
    // In the order of `LogGroup`.
    LogConnectivity,
    LogSaturation,
    LogLimits,
    LogConfiguration,
    LogInstances,
}

const SUMS: usize = 20;

/// The closed part of a target's telemetry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Windows {
    /// End of the newest folded bucket.
    at: Timestamp,
    sums: [[f64; SUMS]; 4],
    latency_mid: DecayedHistogram,
    latency_long: DecayedHistogram,
    level: LatencyLevel,
    known_templates: TemplateMemory,
    /// `None` until the first log line.
    mix: Option<Box<TemplateMix>>,
}

/// Mean and spread of log latency, bucket by bucket, over the long window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct LatencyLevel {
    weight: f64,
    mean: f64,
    variance: f64,
}

/// Templates seen in this long window and the one before: two Bloom filters that take turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct TemplateMemory {
    began: Timestamp,
    now: [u64; 8],
    before: [u64; 8],
}

impl Default for Windows {
    fn default() -> Self {
        Self {
            at: Timestamp::MIN,
            sums: [[0.0; SUMS]; 4],
            latency_mid: DecayedHistogram::default(),
            latency_long: DecayedHistogram::default(),
            level: LatencyLevel::default(),
            known_templates: TemplateMemory {
                began: Timestamp::MIN,
                now: [0; 8],
                before: [0; 8],
            },
            mix: None,
        }
    }
}

impl Windows {
    /// Folds a bucket. Called in ascending order of their ends.
    pub(crate) fn fold(&mut self, timing: &Timing, bucket: &Bucket) {
        let elapsed = self.elapsed(bucket.end);
        let kept = timing.windows.map(|window| kept(elapsed, window));
        let new_templates = match &bucket.lines {
            Some(lines) => self.known_templates.learn(timing, bucket.start, lines),
            None => 0.0,
        };
        let added = sums_of(bucket, new_templates);
        for (window, kept) in self.sums.iter_mut().zip(kept) {
            for (sum, added) in window.iter_mut().zip(added) {
                *sum = *sum * kept + added;
            }
        }
        self.latency_mid.fold(kept[MID], &bucket.latency);
        self.latency_long.fold(kept[LONG], &bucket.latency);
        self.level.weight *= kept[LONG];
        if bucket.latency.samples() > 0 {
            self.level
                .learn(mean_log2(&added, Sum::LatencyLog2, Sum::LatencySamples));
        }
        let lines = bucket.lines.as_deref();
        if lines.is_some() || self.mix.is_some() {
            let mix = self.mix.get_or_insert_default();
            mix.fold(kept[SLOW], kept[LONG], lines.map(|lines| &lines.mix));
        }
        self.at = bucket.end;
    }

    /// The four windows as seen from `tick`.
    pub(crate) fn view(&self, timing: &Timing, tick: Timestamp, first_seen: Timestamp) -> View<'_> {
        let elapsed = self.elapsed(tick);
        let known_for = tick.since(first_seen).max(timing.bucket);
        View {
            windows: self,
            kept: timing.windows.map(|window| kept(elapsed, window)),
            spans_s: timing.windows.map(|window| {
                let share = 1.0 - kept(known_for, window);
                (window.as_secs_f64() * share).max(f64::MIN_POSITIVE)
            }),
        }
    }

    fn elapsed(&self, until: Timestamp) -> Duration {
        if self.at == Timestamp::MIN {
            Duration::ZERO
        } else {
            until.since(self.at)
        }
    }
}

/// [`Windows`] as seen from a prediction tick.
pub(crate) struct View<'a> {
    windows: &'a Windows,
    kept: [f64; 4],
    /// Seconds that each window weighs, less what lies before the target was known.
    spans_s: [f64; 4],
}

impl View<'_> {
    /// The faded sum in a window.
    pub(crate) fn sum(&self, window: usize, sum: Sum) -> f64 {
        let sums = self.windows.sums.get(window);
        let value = sums.and_then(|sums| sums.get(sum as usize));
        value.copied().unwrap_or(0.0) * self.kept.get(window).copied().unwrap_or(0.0)
    }

    /// The faded sum in a window, per second of the window.
    pub(crate) fn rate(&self, window: usize, sum: Sum) -> f64 {
        self.sum(window, sum) / self.spans_s.get(window).copied().unwrap_or(f64::MIN_POSITIVE)
    }

    /// `part / whole` in a window, drawn towards the long window when little is known; NaN when the long window knows nothing.
    pub(crate) fn share(&self, window: usize, part: Sum, whole: Sum) -> f64 {
        /// Requests that the long window weighs against the short one.
        const PRIOR_REQUESTS: f64 = 10.0;
        let (long_part, long_whole) = (self.sum(LONG, part), self.sum(LONG, whole));
        if long_whole < MIN_EVIDENCE {
            return f64::NAN;
        }
        let prior = long_part / (long_whole + 0.5);
        if window == LONG {
            return prior;
        }
        (self.sum(window, part) + PRIOR_REQUESTS * prior) / (self.sum(window, whole) + PRIOR_REQUESTS)
    }

    /// log2 of a share in `window` against the long window.
    pub(crate) fn share_trend(&self, window: usize, part: Sum, whole: Sum) -> f64 {
        /// Shares below this are the same for failover.
        const NEGLIGIBLE_SHARE: f64 = 0.002;
        let (now, long) = (self.share(window, part, whole), self.share(LONG, part, whole));
        libm::log2((now + NEGLIGIBLE_SHARE) / (long + NEGLIGIBLE_SHARE))
    }

    /// log2 of the rate in `window` against that in `against`; half an event in `window` is drawn into both.
    pub(crate) fn rate_trend(&self, window: usize, against: usize, sum: Sum) -> f64 {
        let half = 0.5 / self.spans_s.get(window).copied().unwrap_or(1.0);
        libm::log2((self.rate(window, sum) + half) / (self.rate(against, sum) + half))
    }

    /// Mean log2 of a span in `window`; NaN when nothing was measured. Numerator and denominator fade alike, so
    /// through silence this is the newest known mean.
    pub(crate) fn mean_log2(&self, window: usize, log2: Sum, samples: Sum) -> f64 {
        self.windows
            .sums
            .get(window)
            .map_or(f64::NAN, |sums| mean_log2(sums, log2, samples))
    }

    /// Quantile of latency in the mid or the long window, in us; `None` below `min_samples`.
    pub(crate) fn latency_us(&self, window: usize, q: f64, min_samples: f64) -> Option<f64> {
        let histogram = match window {
            MID => &self.windows.latency_mid,
            _ => &self.windows.latency_long,
        };
        let enough = histogram.samples(self.kept.get(window).copied()?) >= min_samples;
        if enough { histogram.quantile_us(q) } else { None }
    }

    /// How many standard deviations the fast mean of log latency is off its long mean; NaN before enough is known.
    pub(crate) fn latency_z(&self) -> f64 {
        /// A spread below a tenth of an octave is that of the measurement.
        const LEAST_SD: f64 = 0.1;
        let level = &self.windows.level;
        if level.weight * self.kept[LONG] < MIN_LATENCY_BUCKETS {
            return f64::NAN;
        }
        let now = self.mean_log2(FAST, Sum::LatencyLog2, Sum::LatencySamples);
        (now - level.mean) / level.variance.sqrt().max(LEAST_SD)
    }

    /// Whether any log line was ever folded.
    pub(crate) fn has_logs(&self) -> bool {
        self.windows.mix.is_some()
    }

    /// log2 of what came for each request in `window` against the longest window; without requests, of its rate.
    pub(crate) fn trend_per_request(&self, window: usize, sum: Sum) -> f64 {
        let requests = match self.has_requests() {
            true => self.rate_trend(window, LONG, Sum::Requests),
            false => 0.0,
        };
        self.rate_trend(window, LONG, sum) - requests
    }

    /// Variance over mean of the log lines of a bucket, in `window`; NaN when there were too few to tell.
    pub(crate) fn log_dispersion(&self, timing: &Timing, window: usize) -> f64 {
        const FEW_LINES: f64 = 2.0;
        let lines = self.sum(window, Sum::LogLines);
        if lines < FEW_LINES {
            return f64::NAN;
        }
        // Buckets without a line are not folded, and count.
        let buckets = self.spans_s.get(window).copied().unwrap_or_default() / timing.bucket.as_secs_f64();
        self.sum(window, Sum::LogLinesSquared) / lines - lines / buckets.max(1.0)
    }

    /// How far the mix of templates of the third window is from the one before it, 0 to 1; NaN when unknown.
    pub(crate) fn log_mix_distance(&self) -> f64 {
        let [kept_slow, kept_long] = [self.kept[SLOW], self.kept[LONG]];
        let mix = self.windows.mix.as_deref();
        mix.map_or(f64::NAN, |mix| mix.distance(kept_slow, kept_long))
    }

    /// Whether any request is known in the long window.
    pub(crate) fn has_requests(&self) -> bool {
        self.sum(LONG, Sum::Requests) >= MIN_EVIDENCE
    }
}

impl LatencyLevel {
    /// Takes in the mean log2 latency of a bucket, clipped to what is usual.
    fn learn(&mut self, mean: f64) {
        let enough = self.weight >= MIN_LATENCY_BUCKETS;
        let reach = CLIP_SD * self.variance.sqrt().max(0.25);
        let off = mean - self.mean;
        let off = if enough { off.clamp(-reach, reach) } else { off };
        self.weight += 1.0;
        let share = 1.0 / self.weight;
        if self.weight <= 1.0 {
            (self.mean, self.variance) = (mean, 0.0);
        } else {
            self.mean += share * off;
            self.variance = (1.0 - share) * (self.variance + share * off * off);
        }
    }
}

impl TemplateMemory {
    /// How many templates of a bucket that begins at `start` were not known before it.
    fn learn(&mut self, timing: &Timing, start: Timestamp, lines: &Lines) -> f64 {
        if lines.templates.is_empty() {
            return 0.0;
        }
        let age = start.since(self.began);
        if self.began == Timestamp::MIN {
            self.began = start;
        } else if age >= timing.windows[LONG] {
            let skipped = age >= timing.windows[LONG] * 2;
            self.before = if skipped { [0; 8] } else { self.now };
            self.now = [0; 8];
            self.began = start;
        }
        let mut new = 0.0;
        for template in &lines.templates {
            let known = self.known(*template);
            new += if known { 0.0 } else { 1.0 };
            for (word, bit) in places(*template) {
                if let Some(word) = self.now.get_mut(word) {
                    *word |= bit;
                }
            }
        }
        new
    }

    fn known(&self, template: u64) -> bool {
        let has = |words: &[u64; 8]| {
            let mut places = places(template).into_iter();
            places.all(|(word, bit)| words.get(word).is_some_and(|word| word & bit != 0))
        };
        has(&self.now) || has(&self.before)
    }
}

/// The two bits of a template among 512. Ids are hashes already, but a sender's own ids may be small numbers.
fn places(template: u64) -> [(usize, u64); 2] {
    let mixed = (template ^ (template >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    [mixed >> 40, mixed >> 52].map(|bits| ((bits >> 6 & 7) as usize, 1 << (bits & 63)))
}

fn mean_log2(sums: &[f64; SUMS], log2: Sum, samples: Sum) -> f64 {
    let at = |sum: Sum| sums.get(sum as usize).copied().unwrap_or(0.0);
    if at(samples) > 0.0 {
        at(log2) / at(samples)
    } else {
        f64::NAN
    }
}

fn sums_of(bucket: &Bucket, new_templates: f64) -> [f64; SUMS] {
    use OutcomeKind as K;
    let counts = &bucket.counts;
    let of = |kinds: &[K]| kinds.iter().map(|kind| counts.of(*kind) as f64).sum::<f64>();
    let lines = |of: fn(&Lines) -> u64| bucket.lines.as_deref().map_or(0, of) as f64;
    let groups = bucket
        .lines
        .as_deref()
        .map_or([0; LOG_GROUPS], |lines| lines.groups);
    let [connectivity, saturation, limits, configuration, instances] = groups.map(|lines| lines as f64);
    // In the order of `Sum`.
    [
        counts.evidence() as f64,
        counts.failures() as f64,
        of(&[K::Timeout, K::ConnectFailure, K::Reset]),
        of(&[K::RateLimited, K::Overload]),
        of(&[K::Truncated, K::ClientAbort]),
        counts.total() as f64,
        lines(|lines| lines.failure),
        lines(|lines| lines.early),
        new_templates,
        bucket.latency.samples() as f64,
        bucket.latency.log2_sum() as f64 / 256.0,
        bucket.ttfb_samples as f64,
        bucket.ttfb_log2_sum as f64 / 256.0,
        lines(|lines| lines.all),
        lines(|lines| lines.all) * lines(|lines| lines.all),
        connectivity,
        saturation,
        limits,
        configuration,
        instances,
    ]
}
