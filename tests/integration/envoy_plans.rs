//! Whatever is planned, a real Envoy takes it: no refusal, and its runtime holds what was published.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use foreshift_domain::fallback::{Mode, Role};
use foreshift_domain::weights::{FULL_BP, RouteWeights, TargetWeight, Version};
use foreshift_domain::{Timestamp, decision::Reason, prediction::ModelVersion};
use foreshift_tests::{Envoy, Relay, Seed, WeightServer, eventually};

const PATIENCE: Duration = Duration::from_secs(30);
/// Random steps are taken for so long over either variant of xDS, and at least so many: each break is among them.
const TIME: Duration = Duration::from_secs(12);
const MIN_STEPS: u64 = 30;
const MAX_ROUTES: u64 = 40;
const MAX_TARGETS: u64 = 6;
/// What names may hold besides letters: dots are what Envoy parts keys by, the rest is what people write.
const ODD: &[&str] = &[
    ".",
    "/",
    "-",
    "_",
    " ",
    "|",
    ":",
    "%",
    "\"",
    "'",
    "\\",
    "{",
    "}",
    "[",
    "]",
    "$",
    "#",
    "@",
    "=",
    "&",
    "?",
    ",",
    "ü",
    "漢",
    "🦀",
    "..",
    "outbound|443||",
    "null",
    "true",
    "1",
];

/// What was published last, by route.
type Plans = BTreeMap<String, RouteWeights>;

fn name(seed: &mut Seed) -> String {
    let mut name = String::from("n");
    for _ in 0..=seed.below(6) {
        match seed.below(2) {
            0 => name.push(char::from(b'a' + (seed.below(26)) as u8)),
            _ => name.push_str(ODD[seed.below(ODD.len() as u64) as usize]),
        }
    }
    // A name does not end with a space.
    name + "z"
}

fn plan(seed: &mut Seed, route: &str, sequence: u64) -> RouteWeights {
    let count = 1 + seed.below(MAX_TARGETS) as usize;
    let mut weights = vec![0; count];
    match seed.below(3) {
        // All on one: the others are at nothing.
        0 => weights[seed.below(count as u64) as usize] = FULL_BP,
        _ => {
            let mut rest = FULL_BP;
            for weight in &mut weights[1..] {
                *weight = seed.below(u64::from(rest) + 1) as u32;
                rest -= *weight;
            }
            weights[0] = rest;
        }
    }
    let modes = [
        Mode::Off,
        Mode::Shadow,
        Mode::Recommend,
        Mode::Auto,
        Mode::Auto,
        Mode::Auto,
    ];
    let at_rest = seed.below(3) == 0;
    let targets = weights
        .into_iter()
        .enumerate()
        .map(|(index, weight_bp)| TargetWeight {
            target: format!("{index}{}", name(seed)).into(),
            role: Role::Primary,
            baseline_bp: if at_rest {
                weight_bp
            } else {
                FULL_BP / count as u32
            },
            weight_bp,
            planned_bp: weight_bp,
            health: None,
            risks: Vec::new(),
        });
    RouteWeights {
        route: route.into(),
        targets: targets.collect(),
        version: Version { epoch: 1, sequence },
        mode: modes[seed.below(modes.len() as u64) as usize],
        reason: Reason::PredictedRisk,
        decision: sequence,
        model: ModelVersion::default(),
        decided_at: Timestamp::from_secs(1_000),
        // Some hold no more.
        valid_until: Timestamp::from_secs(if seed.below(8) == 0 { 900 } else { 1_000_000 }),
        baseline_confirmed: true,
        propensity: 1.0,
    }
}

/// What Envoy's runtime is to hold, said once more in other words.
fn expected(plans: &Plans) -> BTreeMap<String, String> {
    let mut keys = BTreeMap::new();
    for weights in plans.values() {
        let is_fixed = weights
            .targets
            .iter()
            .any(|target| target.weight_bp != target.baseline_bp);
        if weights.valid_until > Timestamp::from_secs(1_000) && (is_fixed || weights.mode == Mode::Auto) {
            for target in &weights.targets {
                keys.insert(
                    format!("foreshift.{}.{}", weights.route, target.target),
                    target.weight_bp.to_string(),
                );
            }
        }
    }
    keys
}

fn runtime(envoy: &Envoy) -> BTreeMap<String, String> {
    let json: serde_json::Value =
        serde_json::from_str(&envoy.admin("GET", "/runtime?format=json")).expect("Envoy writes JSON");
    let entries = json["entries"].as_object().expect("entries");
    let value = |entry: &serde_json::Value| entry["final_value"].as_str().unwrap_or_default().to_owned();
    entries
        .iter()
        .map(|(key, entry)| (key.clone(), value(entry)))
        .collect()
}

/// One change of the plans.
fn change(seed: &mut Seed, plans: &mut Plans, sequence: &mut u64) {
    for _ in 0..=seed.below(5) {
        *sequence += 1;
        let known = plans.keys().nth(seed.below(MAX_ROUTES) as usize).cloned();
        match known {
            Some(route) if seed.below(4) == 0 => drop(plans.remove(&route)),
            Some(route) => drop(plans.insert(route.clone(), plan(seed, &route, *sequence))),
            None => {
                let route = name(seed);
                plans.insert(route.clone(), plan(seed, &route, *sequence));
            }
        }
    }
}

/// Random plans, breaks and restarts for a while; Envoy refuses nothing, and has after each what is published.
fn takes_every_plan(api_type: &str) {
    let test = format!("envoy-plans-{}", api_type.to_lowercase());
    let mut seed = Seed::of(&test, 20);
    let mut server = WeightServer::start(Timestamp::from_secs(1_000));
    let relay = Relay::to(server.port());
    let mut envoy = Envoy::between(&test, relay.port(), server.port(), api_type);
    let (mut plans, mut sequence, mut steps) = (Plans::new(), 0, 0_u64);
    let until = Instant::now() + TIME;
    while Instant::now() < until || steps < MIN_STEPS {
        change(&mut seed, &mut plans, &mut sequence);
        // Each kind of break early, and now and then after.
        match steps % 40 {
            5 => relay.cut(),
            15 => server.restart(),
            25 => envoy.restart(),
            _ => {}
        }
        server.publish(plans.values().cloned());
        steps += 1;
        let wanted = expected(&plans);
        let what = format!("step {steps}: Envoy has {wanted:?}");
        eventually(&what, PATIENCE, || (runtime(&envoy) == wanted).then_some(()));
    }
    println!("{test}: {steps} steps, {} routes at last", plans.len());
    assert_eq!(server.counter("xds_refused_total"), 0.0);
    let stats = envoy.admin("GET", "/stats?filter=runtime|rtds");
    let of_errors = |line: &&str| line.contains("update_rejected: ") || line.contains("load_error: ");
    assert!(
        stats.lines().filter(of_errors).all(|line| line.ends_with(": 0")),
        "{stats}"
    );
}

#[test]
fn envoy_takes_every_plan_over_delta_xds() {
    takes_every_plan("DELTA_GRPC");
}

#[test]
fn envoy_takes_every_plan_over_state_of_the_world_xds() {
    takes_every_plan("GRPC");
}
