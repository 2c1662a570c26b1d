use foreshift_domain::signal::OutcomeKind;

use super::*;

const STALENESS: Duration = Duration::from_secs(300);

fn triggers() -> Triggers {
    Triggers {
        risk: None,
        consecutive_errors: 5,
        error_ratio: 0.5,
        latency_p99: Some(Duration::from_millis(500)),
        window: Duration::from_secs(60),
        min_requests: 10,
        recover_after: Duration::from_secs(30),
    }
}

fn at(secs: i64) -> Timestamp {
    Timestamp::from_secs(1_000_000 + secs)
}

/// Requests within the window as of `secs`, the newest of them just now.
fn traffic(successes: u64, failures: u64, secs: i64) -> Evidence {
    let mut evidence = Evidence {
        last_seen: at(secs),
        last_success: (successes > 0).then(|| at(secs)),
        ..Evidence::default()
    };
    evidence.counts.add(OutcomeKind::Success, successes);
    evidence.counts.add(OutcomeKind::ServerError, failures);
    evidence
}

fn report(health: Health, secs: i64) -> Evidence {
    Evidence {
        reported: Some(health),
        last_seen: at(secs),
        ..Evidence::default()
    }
}

fn look(state: &mut ReactiveState, evidence: &Evidence, secs: i64) -> (Option<Health>, bool) {
    let view = judge(state, evidence, &triggers(), STALENESS, at(secs));
    (view.health, view.hard)
}

#[test]
fn nothing_known_is_not_up_and_not_down() {
    assert_eq!(
        look(&mut ReactiveState::default(), &Evidence::default(), 0),
        (None, false)
    );
}

#[test]
fn half_of_the_least_number_of_requests_is_enough_and_one_less_request_is_not() {
    assert_eq!(
        look(&mut ReactiveState::default(), &traffic(5, 5, 0), 0),
        (Some(Health::Down), false)
    );
    assert_eq!(
        look(&mut ReactiveState::default(), &traffic(4, 5, 0), 0),
        (None, false)
    );
    assert_eq!(
        look(&mut ReactiveState::default(), &traffic(6, 5, 0), 0),
        (Some(Health::Up), false)
    );
}

#[test]
fn no_success_at_all_among_enough_requests_is_hard() {
    assert_eq!(
        look(&mut ReactiveState::default(), &traffic(0, 10, 0), 0),
        (Some(Health::Down), true)
    );
    assert_eq!(
        look(&mut ReactiveState::default(), &traffic(0, 9, 0), 0),
        (None, false)
    );
}

#[test]
fn errors_in_a_row_are_hard_with_far_fewer_requests() {
    let mut evidence = traffic(0, 5, 0);
    evidence.consecutive_errors = 5;
    assert_eq!(
        look(&mut ReactiveState::default(), &evidence, 0),
        (Some(Health::Down), true)
    );
}

#[test]
fn a_report_is_believed_at_once_when_worse_and_after_a_while_when_better() {
    let mut state = ReactiveState::default();
    assert_eq!(
        look(&mut state, &report(Health::Up, 0), 0),
        (Some(Health::Up), false)
    );
    assert_eq!(
        look(&mut state, &report(Health::Down, 1), 1),
        (Some(Health::Down), true)
    );
    let view = judge(
        &mut state,
        &report(Health::Up, 10),
        &triggers(),
        STALENESS,
        at(10),
    );
    assert_eq!((view.health, view.next_look), (Some(Health::Down), Some(at(40))));
    assert_eq!(
        look(&mut state, &report(Health::Up, 10), 39).0,
        Some(Health::Down)
    );
    assert_eq!(
        look(&mut state, &report(Health::Up, 10), 40),
        (Some(Health::Up), false)
    );
}

#[test]
fn wellness_that_is_interrupted_starts_over() {
    let mut state = ReactiveState::default();
    look(&mut state, &report(Health::Down, 0), 0);
    look(&mut state, &report(Health::Up, 10), 10);
    look(&mut state, &report(Health::Down, 30), 30);
    look(&mut state, &report(Health::Up, 35), 35);
    assert_eq!(
        look(&mut state, &report(Health::Up, 35), 50).0,
        Some(Health::Down)
    );
    assert_eq!(look(&mut state, &report(Health::Up, 35), 65).0, Some(Health::Up));
}

#[test]
fn by_traffic_a_target_recovers_with_a_success_long_enough_after_the_first() {
    let mut state = ReactiveState::default();
    look(&mut state, &traffic(2, 20, 0), 0);
    assert_eq!(look(&mut state, &traffic(1, 0, 70), 70).0, Some(Health::Down));
    let mut silent = traffic(0, 0, 70);
    silent.last_success = Some(at(70));
    assert_eq!(
        look(&mut state, &silent, 110).0,
        Some(Health::Down),
        "one success is thin"
    );
    assert_eq!(look(&mut state, &traffic(1, 0, 111), 111).0, Some(Health::Up));
}

#[test]
fn a_target_drained_on_its_traffic_is_tried_again_and_one_reported_down_is_not() {
    let mut state = ReactiveState::default();
    let mut evidence = traffic(0, 5, 0);
    evidence.consecutive_errors = 5;
    let view = judge(&mut state, &evidence, &triggers(), STALENESS, at(0));
    assert_eq!((view.trial, view.next_look), (false, Some(at(30))));
    evidence.counts = OutcomeCounts::default();
    assert!(judge(&mut state, &evidence, &triggers(), STALENESS, at(30)).trial);
    let mut told = ReactiveState::default();
    judge(&mut told, &report(Health::Down, 0), &triggers(), STALENESS, at(0));
    assert!(
        !judge(
            &mut told,
            &report(Health::Down, 0),
            &triggers(),
            STALENESS,
            at(90)
        )
        .trial
    );
}

#[test]
fn a_probe_that_says_up_outlives_errors_that_nothing_repeats() {
    let mut state = ReactiveState::default();
    let mut evidence = traffic(0, 5, 0);
    evidence.consecutive_errors = 5;
    evidence.reported = Some(Health::Up);
    assert_eq!(look(&mut state, &evidence, 0), (Some(Health::Down), true));
    evidence.counts = OutcomeCounts::default();
    evidence.last_seen = at(90);
    assert_eq!(look(&mut state, &evidence, 90).0, Some(Health::Down));
    assert_eq!(look(&mut state, &evidence, 120).0, Some(Health::Up));
}

#[test]
fn requests_that_say_nothing_of_the_target_do_not_count() {
    let mut evidence = traffic(0, 0, 0);
    evidence.counts.add(OutcomeKind::ClientAbort, 100);
    evidence.counts.add(OutcomeKind::Local, 100);
    assert_eq!(look(&mut ReactiveState::default(), &evidence, 0), (None, false));
}

#[test]
fn a_target_is_judged_alike_whatever_becomes_of_others() {
    // The whole input is one target's evidence: this holds by the signature, and the judgement by its own count.
    let mut few = ReactiveState::default();
    let mut many = ReactiveState::default();
    assert_eq!(
        look(&mut few, &traffic(0, 10, 0), 0),
        look(&mut many, &traffic(0, 100_000, 0), 0)
    );
}
