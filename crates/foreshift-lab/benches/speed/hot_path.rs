//! The parts of the way of one signal and of one prediction tick, each alone, on one core.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context;
use foreshift_domain::fallback::{Fallback, Timing};
use foreshift_domain::signal::Signal;
use foreshift_domain::{Duration, Input, Timestamp, Watermark};
use foreshift_engine::{Engine, fresh_model};
use foreshift_features::anomaly::{Detector, Params};
use foreshift_features::{FEATURES, Surroundings, TargetFeatures};
use foreshift_predict::trees::{Child, Leaf, Link, Split, Tree, Trees};
use foreshift_predict::{EnsembleParams, Model, TargetModel};

use crate::fleet::{self, SIGNALS_A_SECOND, TARGETS, Traffic};
use crate::{median, row};

/// Seconds of traffic: enough that every series has a past.
const SECONDS: u64 = 1_500;
const ROUNDS: usize = 15;
/// Seconds of a whole fleet's traffic.
const ENGINE_SECONDS: usize = 60;
/// As much as an ensemble of a horizon has.
const TREES: usize = 200;
const LEAVES: usize = 15;
/// Signals a second are so many for each target; fewer are made here, since each target is alone.
const SIGNALS: u64 = SIGNALS_A_SECOND / TARGETS as u64;

const SIGNAL_US: f64 = 2.0;
const TICK_US: f64 = 20.0;
const UPDATE_NS: f64 = 400.0;
const TREES_US: f64 = 2.0;

type Row = [f64; FEATURES.len()];

pub(crate) fn measure() -> anyhow::Result<()> {
    println!("\n(d) The hot path by its parts, one core, median of {ROUNDS}");
    let fallback = fleet::fallback()?;
    let (features, rows, last) = a_signal(&fallback);
    let model = ensemble(&fallback, &rows)?;
    println!(
        "  {} features; {TREES} trees of {LEAVES} leaves for each of {} horizons, the leaves of {} are read",
        FEATURES.len(),
        model.horizons().len(),
        EnsembleParams::default().read_trees
    );
    a_tick(&fallback.timing, features, model.clone(), last);
    an_engine_tick(&fallback, model.clone());
    an_update(model, &rows, last);
    trees(&rows)?;
    a_point();
    Ok(())
}

/// Every signal of one target into its features; gives them, the rows of all ticks and the last tick.
fn a_signal(fallback: &Fallback) -> (TargetFeatures, Vec<Row>, Timestamp) {
    let timing = &fallback.timing;
    let mut signals: Vec<Signal> = Traffic::new()
        .take(usize::try_from(SECONDS * SIGNALS).unwrap_or(0))
        .collect();
    let start = signals.first().map_or(Timestamp::MIN, |signal| signal.time);
    for (place, signal) in signals.iter_mut().enumerate() {
        let micros = place as i64 * 1_000_000 / SIGNALS.cast_signed();
        signal.time = start + Duration::from_micros(micros);
    }
    let mut features = TargetFeatures::new(start);
    let (mut rows, mut took, mut last) = (Vec::new(), Vec::new(), start);
    for second in signals.chunk_by(|a, b| a.time.floor_to(timing.tick) == b.time.floor_to(timing.tick)) {
        let began = Instant::now();
        for signal in second {
            black_box(features.observe(timing, signal));
        }
        took.push(began.elapsed().as_secs_f64() * 1e6 / second.len() as f64);
        last = last + timing.tick;
        features.close_until(timing, last, &mut |_| {});
        rows.push(filled(&features, timing, last));
    }
    let seen = median(took);
    row(
        "a signal into the features of its target",
        &format!("{:.0} ns", 1e3 * seen),
        "at most 2 us",
        Some(seen <= SIGNAL_US),
    );
    (features, rows, last)
}

fn filled(features: &TargetFeatures, timing: &Timing, tick: Timestamp) -> Row {
    let around = Surroundings {
        weight_share: Some(1.0),
        ..Surroundings::default()
    };
    let mut row = [f64::NAN; FEATURES.len()];
    features.fill(timing, tick, &around, &mut row);
    row
}

/// What each tick of a target costs: its bucket is closed, its row filled, all experts asked.
fn a_tick(timing: &Timing, mut features: TargetFeatures, mut model: Model, last: Timestamp) {
    let mut target = TargetModel::default();
    let mut out = vec![0.0; model.horizons().len()];
    let (mut closing, mut filling, mut asking) = (Vec::new(), Vec::new(), Vec::new());
    let signals: Vec<Signal> = Traffic::new().take(16).collect();
    for tick in 0..2_000 {
        let at = last + timing.tick * (tick + 1);
        for signal in &signals {
            let mut signal = signal.clone();
            signal.time = at - Duration::from_micros(1);
            features.observe(timing, &signal);
        }
        let began = Instant::now();
        features.close_until(timing, at, &mut |_| {});
        let closed = began.elapsed();
        let row = filled(black_box(&features), timing, at);
        let full = began.elapsed();
        model.observe(&mut target, at, true);
        let _ = black_box(model.predict(&target, at, black_box(&row), &mut out));
        let asked = began.elapsed();
        closing.push(closed.as_secs_f64() * 1e6);
        filling.push((full - closed).as_secs_f64() * 1e6);
        asking.push((asked - full).as_secs_f64() * 1e6);
    }
    let [close, fill, ask] = [closing, filling, asking].map(mean);
    for (what, us) in [
        ("  a bucket is closed", close),
        ("  its row is filled", fill),
        ("  all experts are asked, all horizons", ask),
    ] {
        row(what, &format!("{us:.2} us"), "", None);
    }
    let all = close + fill + ask;
    row(
        "a target's tick: features and the whole ensemble",
        &format!("{all:.2} us"),
        "at most 20 us",
        Some(all <= TICK_US),
    );
}

/// A tick of the whole engine, for each target: with peers, incidents, labels that mature, and a plan of every route.
fn an_engine_tick(fallback: &Arc<Fallback>, model: Model) {
    let mut engine = Engine::new(1, Arc::clone(fallback), model);
    let mut traffic = Traffic::new();
    let mut took = Vec::new();
    for _ in 0..ENGINE_SECONDS {
        let mut newest = Timestamp::MIN;
        for signal in traffic.by_ref().take(SIGNALS_A_SECOND as usize) {
            newest = signal.time;
            engine.handle(&Input::Signal(signal));
        }
        let time = newest.floor_to(fallback.timing.tick);
        let began = Instant::now();
        engine.handle(&Input::Watermark(Watermark {
            time,
            idle_partitions: 0,
        }));
        took.push(began.elapsed().as_secs_f64() * 1e6 / TARGETS as f64);
        while let Some(output) = engine.poll_output() {
            black_box(&output);
        }
    }
    let seen = median(took);
    row(
        "a tick of the engine, labels and plans too, for each target",
        &format!("{seen:.2} us"),
        "",
        None,
    );
}

/// The mean without the slowest twentieth, in which something else had the core: not every bucket costs the same.
fn mean(mut seen: Vec<f64>) -> f64 {
    seen.sort_by(f64::total_cmp);
    seen.truncate(seen.len() * 19 / 20);
    seen.iter().sum::<f64>() / seen.len().max(1) as f64
}

/// One row that has matured is learned, for one horizon.
fn an_update(mut model: Model, rows: &[Row], last: Timestamp) {
    let mut target = TargetModel::default();
    let linear = Model::fresh(
        "linear@1",
        model.schema(),
        model.inputs().to_vec(),
        model.horizons(),
    );
    let rows = rows.get(rows.len().saturating_sub(200)..).unwrap_or_default();
    let mut time = |model: &mut Model| {
        let examples: Vec<_> = rows.iter().map(|row| model.encode(&target, last, row)).collect();
        let mut seen = Vec::new();
        for round in 0..ROUNDS {
            let began = Instant::now();
            for (place, example) in examples.iter().enumerate() {
                model.learn(0, &mut target, example, (place + round).is_multiple_of(40), 1.0);
            }
            seen.push(began.elapsed().as_secs_f64() * 1e9 / examples.len() as f64);
        }
        median(seen)
    };
    let mut plain = linear;
    let alone = time(&mut plain);
    let beside = time(&mut model);
    row(
        "the linear model learns a row, one horizon",
        &format!("{alone:.0} ns"),
        "at most 400 ns",
        Some(alone <= UPDATE_NS),
    );
    row(
        "the whole ensemble learns a row, one horizon",
        &format!("{beside:.0} ns"),
        "",
        None,
    );
}

fn trees(rows: &[Row]) -> anyhow::Result<()> {
    let trees = grown(rows, 1)?;
    let rows = rows.get(rows.len().saturating_sub(200)..).unwrap_or_default();
    let mut seen = Vec::new();
    for _ in 0..ROUNDS {
        let began = Instant::now();
        for row in rows {
            black_box(trees.logit(black_box(row)));
        }
        seen.push(began.elapsed().as_secs_f64() * 1e6 / rows.len() as f64);
    }
    let seen = median(seen);
    row(
        &format!("{TREES} trees of {LEAVES} leaves, a row"),
        &format!("{seen:.2} us"),
        "at most 2 us",
        Some(seen <= TREES_US),
    );
    Ok(())
}

/// A point of a series into its detector.
fn a_point() {
    let mut detector = Detector::new(Params::default());
    let mut random = Random(7);
    let points: Vec<f64> = (0..20_000).map(|_| random.share() + random.share()).collect();
    let mut seen = Vec::new();
    for (round, points) in points.chunks(1_000).enumerate() {
        let began = Instant::now();
        for (place, point) in points.iter().enumerate() {
            let at = Timestamp::from_secs(5 * (1_000 * round + place) as i64);
            black_box(detector.observe(at, *point));
        }
        seen.push(began.elapsed().as_secs_f64() * 1e9 / points.len() as f64);
    }
    row(
        "a point into an anomaly detector",
        &format!("{:.0} ns", median(seen)),
        "",
        None,
    );
}

/// The shipped kind of model: a linear one, trees beside it for each horizon, the hazard prior, the anomaly expert.
fn ensemble(fallback: &Fallback, rows: &[Row]) -> anyhow::Result<Model> {
    let linear = fresh_model(fallback);
    let heads = 0..linear.horizons().len() as u64;
    let trees = heads
        .map(|head| grown(rows, head))
        .collect::<anyhow::Result<_>>()?;
    Ok(linear.with_trees(trees, EnsembleParams::default())?)
}

/// Trees whose splits lie where rows lie. What they say does not matter here.
fn grown(rows: &[Row], seed: u64) -> anyhow::Result<Trees> {
    let mut random = Random(seed + 1);
    let rows = rows.get(rows.len() / 2..).unwrap_or_default();
    let trees: Vec<Tree> = (0..TREES)
        .map(|_| tree(rows, &mut random).context("no feature is known"))
        .collect::<anyhow::Result<_>>()?;
    Ok(Trees::new(FEATURES.len(), -4.0, Link::Logit, &trees)?)
}

/// Any leaf is split next, at a value that some row has.
fn tree(rows: &[Row], random: &mut Random) -> Option<Tree> {
    let mut splits: Vec<Split> = Vec::new();
    // Where each leaf hangs: a split and its side; none for the root.
    let mut leaves: Vec<Option<(usize, bool)>> = vec![None];
    while leaves.len() < LEAVES {
        let (feature, threshold) = (0..1_000).find_map(|_| {
            let feature = random.below(FEATURES.len());
            let value = *rows.get(random.below(rows.len()))?.get(feature)?;
            value.is_finite().then_some((feature, value))
        })?;
        let (leaf, place) = (random.below(leaves.len()), splits.len());
        let hung = leaves.get_mut(leaf)?.replace((place, true));
        let right = leaves.len();
        leaves.push(Some((place, false)));
        if let Some((above, is_left)) = hung {
            let above = splits.get_mut(above)?;
            let side = if is_left {
                &mut above.left
            } else {
                &mut above.right
            };
            *side = Child::Split(place as u16);
        }
        splits.push(Split {
            feature: feature as u16,
            threshold,
            missing_left: place.is_multiple_of(2),
            left: Child::Leaf(leaf as u16),
            right: Child::Leaf(right as u16),
        });
    }
    let leaves = leaves.iter().map(|_| Leaf {
        value: 0.02 * (random.share() - 0.5),
        cover: 10.0,
    });
    Some(Tree {
        splits,
        leaves: leaves.collect(),
    })
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn share(&mut self) -> f64 {
        (self.draw() >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn below(&mut self, end: usize) -> usize {
        (self.draw() % end.max(1) as u64) as usize
    }
}
