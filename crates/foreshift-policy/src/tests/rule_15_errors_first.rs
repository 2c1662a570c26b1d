use foreshift_domain::Duration;
use foreshift_domain::signal::{Health, OutcomeKind};
use proptest::prelude::*;

use super::world::*;
use crate::*;

fn judged(evidence: &Evidence) -> HealthView {
    judge(
        &mut ReactiveState::default(),
        evidence,
        &triggers(),
        Duration::HOUR,
        START,
    )
}

fn evidence(successes: u64, failures: u64, latency_ms: i64) -> Evidence {
    let mut evidence = Evidence {
        latency_p99: Some(Duration::from_millis(latency_ms)),
        latency_samples: successes + failures,
        last_seen: START,
        last_success: (successes > 0).then_some(START),
        ..Evidence::default()
    };
    evidence.counts.add(OutcomeKind::Success, successes);
    evidence.counts.add(OutcomeKind::Overload, failures);
    evidence
}

proptest! {
    #![proptest_config(cases(128))]

    #[test]
    fn where_requests_fail_latency_changes_nothing(
        failures in 10_u64..1_000, part in 0.0_f64..1.0, one_ms in 0_i64..100_000, other_ms in 0_i64..100_000,
    ) {
        // At most as many successes as failures: the error ratio is at its trigger or above.
        let successes = (failures as f64 * part) as u64;
        let (one, other) = (judged(&evidence(successes, failures, one_ms)), judged(&evidence(successes, failures, other_ms)));
        prop_assert_eq!(one, other);
        prop_assert_eq!(one.health, Some(Health::Down));
    }

    #[test]
    fn a_slow_target_that_begins_to_fail_fast_does_not_look_better(failures in 10_u64..1_000, ms in 0_i64..10) {
        let mut state = ReactiveState::default();
        let slow = judge(&mut state, &evidence(100, 0, 2_000), &triggers(), Duration::HOUR, START);
        let failing = judge(&mut state, &evidence(0, failures, ms), &triggers(), Duration::HOUR, START + Duration::from_secs(60));
        prop_assert_eq!(slow.health, Some(Health::Degraded));
        prop_assert_eq!(failing.health, Some(Health::Down));
    }
}

#[test]
fn a_slow_target_is_degraded_and_too_few_failures_hide_their_latency() {
    assert_eq!(judged(&evidence(10, 0, 501)).health, Some(Health::Degraded));
    assert_eq!(judged(&evidence(10, 0, 500)).health, Some(Health::Up));
    assert_eq!(
        judged(&evidence(1, 4, 1)).health,
        None,
        "thin and failing says nothing good"
    );
}
