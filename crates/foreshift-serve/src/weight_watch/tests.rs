use foreshift_domain::Timestamp;
use foreshift_domain::decision::Reason;
use foreshift_domain::fallback::{Mode, Role};
use foreshift_domain::prediction::ModelVersion;
use foreshift_domain::weights::TargetWeight;
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

fn weights(route: &str, sequence: u64) -> Arc<RouteWeights> {
    Arc::new(RouteWeights {
        route: route.into(),
        version: Version { epoch: 1, sequence },
        mode: Mode::Auto,
        targets: vec![TargetWeight {
            target: "only".into(),
            role: Role::Primary,
            baseline_bp: 10_000,
            weight_bp: 10_000,
            planned_bp: 10_000,
            health: None,
            risks: Vec::new(),
        }],
        reason: Reason::Baseline,
        decision: sequence,
        model: ModelVersion::default(),
        decided_at: Timestamp::default(),
        valid_until: Timestamp::default(),
        baseline_confirmed: true,
        propensity: 1.0,
    })
}

fn state(routes: &[(&str, u64)]) -> Arc<Published> {
    Arc::new(Published {
        routes: routes
            .iter()
            .map(|(route, sequence)| ((*route).into(), weights(route, *sequence)))
            .collect(),
        ..Published::default()
    })
}

/// Everything pending, as `route.sequence`, with `-route` for what is gone.
fn told(watch: &mut WeightWatch) -> Vec<String> {
    let mut told = Vec::new();
    while let Some(message) = watch.next() {
        told.extend(message.removed_routes.iter().map(|route| format!("-{route}")));
        told.extend(message.routes.iter().map(|weights| {
            let sequence = weights.version.map_or(0, |version| version.sequence);
            format!("{}.{sequence}", weights.route)
        }));
    }
    told
}

#[test]
fn an_empty_snapshot_is_still_said_to_be_complete() {
    let mut watch = WeightWatch::new(None, state(&[]));
    let first = watch.next().expect("a snapshot");
    assert!(first.snapshot && first.snapshot_complete && first.routes.is_empty());
    assert!(watch.next().is_none());
}

#[test]
fn a_large_snapshot_comes_in_parts_and_ends_once() {
    let names: Vec<String> = (0..MAX_PART_ENTRIES * 2 + 1)
        .map(|number| format!("r{number}"))
        .collect();
    let routes: Vec<_> = names.iter().map(|name| (name.as_str(), 1)).collect();
    let mut watch = WeightWatch::new(None, state(&routes));
    let parts: Vec<_> = std::iter::from_fn(|| watch.next()).collect();
    let complete: Vec<_> = parts.iter().map(|part| part.snapshot_complete).collect();
    assert_eq!(complete, [false, false, true]);
    assert!(parts.iter().all(|part| part.snapshot));
    assert_eq!(
        parts.iter().map(|part| part.routes.len()).sum::<usize>(),
        routes.len()
    );
}

#[test]
fn only_what_is_new_is_told() {
    let mut watch = WeightWatch::new(None, state(&[("a", 1), ("b", 2)]));
    told(&mut watch);
    watch.change(&weights("a", 1));
    watch.change(&weights("a", 3));
    watch.catch_up(state(&[("a", 3), ("b", 4)]));
    assert_eq!(told(&mut watch), ["a.3", "b.4"]);
}

#[test]
fn a_route_that_is_not_asked_for_is_not_told() {
    let mut watch = WeightWatch::new(Some(BTreeSet::from(["b".into()])), state(&[("a", 1)]));
    watch.change(&weights("a", 2));
    watch.catch_up(state(&[("b", 3)]));
    watch.catch_up(state(&[]));
    assert_eq!(told(&mut watch), ["b.3", "-b"]);
}

#[test]
fn a_route_that_the_feed_brought_ahead_of_its_state_is_not_taken_for_gone() {
    let mut watch = WeightWatch::new(None, state(&[("a", 1)]));
    told(&mut watch);
    watch.change(&weights("new", 2));
    watch.catch_up(state(&[("a", 1)]));
    watch.catch_up(state(&[("a", 1), ("new", 2)]));
    assert_eq!(told(&mut watch), ["new.2"]);
    watch.catch_up(state(&[("new", 2)]));
    assert_eq!(told(&mut watch), ["-a"]);
}

proptest! {
    #[test]
    fn versions_strictly_increase_and_the_last_state_is_known(
        steps in vec((0..3_usize, any::<bool>(), 0..4_u64), 0..60),
    ) {
        const NAMES: [&str; 3] = ["a", "b", "c"];
        let mut latest = [0_u64; 3];
        let mut watch = WeightWatch::new(None, state(&[("a", 0), ("b", 0), ("c", 0)]));
        let mut heard: BTreeMap<String, Vec<u64>> = BTreeMap::new();
        let mut sequence = 0;
        let mut steps = steps;
        steps.push((0, true, 0));
        for (which, by_state, read) in steps {
            sequence += 1;
            latest[which] = sequence;
            watch.change(&weights(NAMES[which], sequence));
            if by_state {
                let now: Vec<_> = NAMES.into_iter().zip(latest).collect();
                watch.catch_up(state(&now));
            }
            for message in (0..read).map_while(|_| watch.next()) {
                for weights in message.routes {
                    let sequence = weights.version.map_or(0, |version| version.sequence);
                    heard.entry(weights.route).or_default().push(sequence);
                }
            }
        }
        for text in told(&mut watch) {
            let (route, sequence) = text.split_once('.').expect("nothing was removed");
            heard.entry(route.to_owned()).or_default().push(sequence.parse().expect("a number"));
        }
        for (name, latest) in NAMES.into_iter().zip(latest) {
            let heard = heard.get(name).cloned().unwrap_or_default();
            prop_assert!(heard.windows(2).all(|pair| pair[0] < pair[1]), "{heard:?}");
            prop_assert_eq!(heard.last(), Some(&latest));
        }
    }
}
