//! Cumulative points to what happened since the point before.
//!
//! OTLP senders may count since their start. A point is compared with the last one of its stream. Counting began
//! anew (a reset) when the start moved, or when any count fell: then the point itself is what happened since. The
//! first point of a stream only sets the mark: how much of it we saw before, nobody can tell.

use std::collections::BTreeMap;

use foreshift_domain::signal::{LatencyBin, Observation, OutcomeCounts, OutcomeWindow, Signal};
use foreshift_domain::{TargetName, Timestamp};
use serde::{Deserialize, Serialize};

use crate::decoded::CumulativePoint;

/// The most streams followed, about 300 bytes each without a histogram, 5 kB with the longest. A label
/// without bound makes a stream for every value; past this number the longest unseen streams are forgotten.
pub const MAX_STREAMS: usize = 16_384;
/// So many are forgotten at once, so that the search for them is rare.
const FORGOTTEN_AT_ONCE: usize = MAX_STREAMS / 8;

/// Follows cumulative streams.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Deltas {
    streams: BTreeMap<u128, Stream>,
    points: u64,
    counters: DeltaCounters,
}

/// Counters since the start, restored with the state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeltaCounters {
    /// Streams seen for the first time.
    pub started: u64,
    /// Streams that counted anew.
    pub resets: u64,
    /// Points not newer than the one before, dropped.
    pub stale: u64,
    /// Streams forgotten because there were too many.
    pub evicted: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Stream {
    start: Timestamp,
    time: Timestamp,
    counts: OutcomeCounts,
    latency: Vec<LatencyBin>,
    /// Number of the last point, to find the longest unseen.
    seen: u64,
}

impl Deltas {
    /// Counters since the start.
    pub const fn counters(&self) -> DeltaCounters {
        self.counters
    }

    /// Streams followed now.
    pub fn streams(&self) -> usize {
        self.streams.len()
    }

    /// The signal of what happened since the last point of the stream; `None` when that is unknown.
    pub fn step(&mut self, point: CumulativePoint) -> Option<(Signal, Vec<TargetName>)> {
        let CumulativePoint {
            stream,
            start,
            mut signal,
            aliases,
        } = point;
        let Observation::Window(total) = &signal.observation else {
            return Some((signal, aliases));
        };
        self.points += 1;
        let next = Stream {
            start,
            time: signal.time,
            counts: total.counts,
            latency: total.latency.clone(),
            seen: self.points,
        };
        let Some(last) = self.streams.get_mut(&stream) else {
            self.begin(stream, next);
            return None;
        };
        if next.time <= last.time {
            self.counters.stale += 1;
            return None;
        }
        let fell = next
            .counts
            .0
            .iter()
            .zip(last.counts.0)
            .any(|(next, last)| *next < last);
        let window = if next.start > last.start || fell {
            self.counters.resets += 1;
            since_reset(&next, last)
        } else {
            difference(&next, last)
        };
        *last = next;
        signal.observation = Observation::Window(Box::new(window));
        Some((signal, aliases))
    }

    fn begin(&mut self, stream: u128, first: Stream) {
        if self.streams.len() >= MAX_STREAMS {
            self.forget();
        }
        self.counters.started += 1;
        self.streams.insert(stream, first);
    }

    fn forget(&mut self) {
        let mut seen: Vec<u64> = self.streams.values().map(|stream| stream.seen).collect();
        let (_, limit, _) = seen.select_nth_unstable(FORGOTTEN_AT_ONCE);
        let limit = *limit;
        let before = self.streams.len();
        self.streams.retain(|_, stream| stream.seen >= limit);
        self.counters.evicted += (before - self.streams.len()) as u64;
    }
}

fn since_reset(next: &Stream, last: &Stream) -> OutcomeWindow {
    // A start that is missing (0) or before the last point says nothing about the length.
    let since = next.start.max(last.time);
    OutcomeWindow {
        length: next.time.since(since),
        counts: next.counts,
        latency: next.latency.clone(),
    }
}

fn difference(next: &Stream, last: &Stream) -> OutcomeWindow {
    let mut counts = next.counts;
    for (mine, before) in counts.0.iter_mut().zip(last.counts.0) {
        *mine = mine.saturating_sub(before);
    }
    OutcomeWindow {
        length: next.time.since(last.time),
        counts,
        latency: bins(&next.latency, &last.latency),
    }
}

/// Bins are matched by their upper bound: exponential histograms grow new ones, or merge them (a new scale), in
/// which case the histogram of this one interval is left out.
fn bins(next: &[LatencyBin], last: &[LatencyBin]) -> Vec<LatencyBin> {
    let mut rest = last.iter().filter(|bin| bin.count > 0).peekable();
    let mut out = Vec::with_capacity(next.len());
    for bin in next {
        let before = rest
            .next_if(|last| last.upper == bin.upper)
            .map_or(0, |last| last.count);
        let Some(count) = bin.count.checked_sub(before) else {
            return Vec::new();
        };
        if count > 0 {
            out.push(LatencyBin {
                upper: bin.upper,
                count,
            });
        }
    }
    if rest.peek().is_some() { Vec::new() } else { out }
}

#[cfg(test)]
mod tests {
    use super::*;
    use foreshift_domain::Duration;
    use foreshift_domain::signal::OutcomeKind;

    fn point(stream: u128, start: i64, time: i64, good: u64, bad: u64) -> CumulativePoint {
        let mut counts = OutcomeCounts::default();
        counts.add(OutcomeKind::Success, good);
        counts.add(OutcomeKind::ServerError, bad);
        let latency = vec![LatencyBin {
            upper: Duration::from_millis(10),
            count: good + bad,
        }];
        let window = OutcomeWindow {
            length: Duration::ZERO,
            counts,
            latency,
        };
        CumulativePoint {
            stream,
            start: Timestamp::from_secs(start),
            signal: Signal {
                time: Timestamp::from_secs(time),
                target: "a".into(),
                route: None,
                gateway: None,
                endpoint: None,
                observation: Observation::Window(Box::new(window)),
            },
            aliases: Vec::new(),
        }
    }

    fn step(deltas: &mut Deltas, point: CumulativePoint) -> Option<OutcomeWindow> {
        match deltas.step(point)?.0.observation {
            Observation::Window(window) => Some(*window),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_first_point_only_sets_the_mark() {
        let mut deltas = Deltas::default();
        assert_eq!(step(&mut deltas, point(1, 0, 10, 100, 0)), None);
        let window = step(&mut deltas, point(1, 0, 20, 130, 2)).expect("a window");
        assert_eq!(window.length, Duration::from_secs(10));
        assert_eq!(
            (window.counts.of(OutcomeKind::Success), window.counts.failures()),
            (30, 2)
        );
        assert_eq!(
            window.latency,
            vec![LatencyBin {
                upper: Duration::from_millis(10),
                count: 32
            }]
        );
    }

    #[test]
    fn a_new_start_is_a_reset_even_when_counts_rose() {
        let mut deltas = Deltas::default();
        step(&mut deltas, point(1, 0, 10, 100, 0));
        let window = step(&mut deltas, point(1, 15, 20, 130, 0)).expect("a window");
        assert_eq!(
            (window.counts.total(), window.length),
            (130, Duration::from_secs(5))
        );
        assert_eq!(deltas.counters().resets, 1);
    }

    #[test]
    fn a_fall_is_a_reset_even_without_a_new_start() {
        let mut deltas = Deltas::default();
        step(&mut deltas, point(1, 0, 10, 100, 5));
        let window = step(&mut deltas, point(1, 0, 20, 200, 4)).expect("a window");
        assert_eq!(
            (window.counts.total(), window.length),
            (204, Duration::from_secs(10))
        );
    }

    #[test]
    fn points_out_of_order_or_repeated_count_nothing_twice() {
        let mut deltas = Deltas::default();
        step(&mut deltas, point(1, 0, 10, 100, 0));
        step(&mut deltas, point(1, 0, 20, 150, 0));
        assert_eq!(step(&mut deltas, point(1, 0, 20, 150, 0)), None);
        assert_eq!(step(&mut deltas, point(1, 0, 15, 120, 0)), None);
        assert_eq!(deltas.counters().stale, 2);
        let window = step(&mut deltas, point(1, 0, 30, 151, 0)).expect("a window");
        assert_eq!(window.counts.total(), 1);
    }

    #[test]
    fn a_histogram_whose_bounds_changed_is_left_out_and_the_counts_stay() {
        let mut deltas = Deltas::default();
        step(&mut deltas, point(1, 0, 10, 100, 0));
        let mut next = point(1, 0, 20, 110, 0);
        if let Observation::Window(window) = &mut next.signal.observation {
            window.latency = vec![LatencyBin {
                upper: Duration::from_millis(99),
                count: 110,
            }];
        }
        let window = step(&mut deltas, next).expect("a window");
        assert_eq!((window.counts.total(), window.latency.len()), (10, 0));
    }

    #[test]
    fn streams_past_the_bound_push_out_the_longest_unseen() {
        let mut deltas = Deltas::default();
        let most = MAX_STREAMS as u128;
        for stream in 0..most {
            step(&mut deltas, point(stream, 0, 10, 1, 0));
        }
        step(&mut deltas, point(0, 0, 20, 2, 0));
        step(&mut deltas, point(most, 0, 20, 2, 0));
        assert!(deltas.streams() <= MAX_STREAMS);
        assert_eq!(deltas.counters().evicted, FORGOTTEN_AT_ONCE as u64);
        assert!(
            step(&mut deltas, point(0, 0, 30, 3, 0)).is_some(),
            "seen lately, kept"
        );
        assert!(
            step(&mut deltas, point(1, 0, 30, 3, 0)).is_none(),
            "unseen longest, forgotten"
        );
    }
}
