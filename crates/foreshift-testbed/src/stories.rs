//! Stories made up by chance, to record: other numbers than those of the scenario files, and harmless oddities.

use fastrand::Rng;

use crate::scenario::{Class, Fault, FaultKind, Gateway, Scenario, Surge, Target, Tokens, Traffic};

/// Seconds of the story.
const LENGTH_S: f64 = 500.0;
const WITH_SIGNS: [FaultKind; 5] = [
    FaultKind::Leak,
    FaultKind::PoolExhaustion,
    FaultKind::QueueBuildup,
    FaultKind::DependencySlowdown,
    FaultKind::AnnouncedErrors,
];
const ABRUPT: [FaultKind; 2] = [FaultKind::Crash, FaultKind::Flapping];
const HARMLESS: [FaultKind; 2] = [FaultKind::LatencyBlip, FaultKind::MemoryHump];

/// The story of a seed, so many times as fast as it happens in production.
pub(crate) fn story(seed: u64, pace: f64) -> Scenario {
    let mut random = Rng::with_seed(seed);
    let tokens = (random.f64() < 0.2).then(|| Tokens {
        count: random.u32(8..24),
        gap_ms: between(&mut random, 8.0, 18.0),
    });
    let count = random.usize(2..4);
    let rate_rps = if tokens.is_some() {
        between(&mut random, 40.0, 70.0)
    } else {
        between(&mut random, 60.0, 110.0) * count as f64
    };
    let targets = targets(&mut random, count, rate_rps, pace, tokens.is_some());
    let faults = faults(&mut random, &targets, tokens.is_some());
    let surges = if random.f64() < 0.25 {
        vec![surge(&mut random)]
    } else {
        Vec::new()
    };
    Scenario {
        name: format!("story-{seed}"),
        about: "Made up by chance.".to_owned(),
        class: Class::Precursor,
        gateway: Gateway::Envoy,
        pace,
        length_s: LENGTH_S,
        traffic: Traffic {
            rate_rps,
            timeout_ms: if tokens.is_some() { 2_500 } else { 800 },
            slow_ms: if tokens.is_some() { 900 } else { 300 },
            tokens,
            surges,
        },
        targets,
        faults,
    }
}

fn between(random: &mut Rng, low: f64, high: f64) -> f64 {
    low + (high - low) * random.f64()
}

fn targets(random: &mut Rng, count: usize, rate_rps: f64, pace: f64, tokens: bool) -> Vec<Target> {
    let spare = random.f64() < 0.25;
    let share = |index: usize| match (spare, index) {
        (true, 0) => 100,
        (true, _) => 0,
        (false, 0) => 100 - (count as u32 - 1) * (100 / count as u32),
        (false, _) => 100 / count as u32,
    };
    let quota = (random.f64() < 0.3).then(|| rate_rps * LENGTH_S / pace * 4.0);
    let target = |index: usize| Target {
        name: format!("target-{index}"),
        baseline_pct: share(index),
        capacity_rps: (rate_rps * f64::from(share(index).max(40)) / 100.0 * between(random, 1.7, 3.0))
            .round(),
        service_ms: if tokens {
            between(random, 20.0, 60.0)
        } else {
            between(random, 8.0, 35.0)
        },
        quota,
    };
    (0..count).map(target).collect()
}

fn faults(random: &mut Rng, targets: &[Target], tokens: bool) -> Vec<Fault> {
    let mut faults = Vec::new();
    for target in targets {
        for kind in HARMLESS {
            if random.f64() < 0.3 {
                faults.push(harmless(random, target, kind));
            }
        }
    }
    // What acts last in the list is what a target shows: what truly goes wrong comes last.
    let serving: Vec<_> = targets.iter().filter(|target| target.baseline_pct > 0).collect();
    let victim = serving.get(random.usize(..serving.len().max(1)));
    let draw = random.f64();
    if let Some(target) = victim.filter(|_| draw > 0.15) {
        faults.push(fault(random, target, draw < 0.30, tokens));
    }
    faults
}

fn fault(random: &mut Rng, target: &Target, abrupt: bool, tokens: bool) -> Fault {
    let kind = match (abrupt, random.f64()) {
        (true, _) => ABRUPT[random.usize(..ABRUPT.len())],
        (false, draw) if tokens && draw < 0.6 => FaultKind::StreamDecay,
        (false, draw) if target.quota.is_some() && draw < 0.5 => FaultKind::QuotaExhaustion,
        (false, _) => WITH_SIGNS[random.usize(..WITH_SIGNS.len())],
    };
    let fails_at_s = between(random, 240.0, 390.0);
    let ramp_s = if abrupt { 0.0 } else { between(random, 70.0, 180.0) };
    Fault {
        target: target.name.clone(),
        kind,
        signs_at_s: fails_at_s - ramp_s,
        fails_at_s,
        ends_at_s: fails_at_s + between(random, 40.0, 80.0),
        strength: between(random, 0.6, 1.4),
    }
}

fn harmless(random: &mut Rng, target: &Target, kind: FaultKind) -> Fault {
    let signs_at_s = between(random, 60.0, 330.0);
    let ends_at_s = signs_at_s + between(random, 30.0, 130.0);
    Fault {
        target: target.name.clone(),
        kind,
        signs_at_s,
        fails_at_s: ends_at_s,
        ends_at_s: ends_at_s + 0.5,
        strength: between(random, 0.5, 1.2),
    }
}

fn surge(random: &mut Rng) -> Surge {
    let from_s = between(random, 60.0, 350.0);
    Surge {
        from_s,
        to_s: from_s + between(random, 40.0, 140.0),
        factor: between(random, 1.1, 1.5),
    }
}
