use super::*;
use proptest::prelude::*;

fn at(days: f64) -> Timestamp {
    Timestamp::from_secs(1_700_006_400) + Duration::from_secs_f64(days * 86_400.0)
}

fn params() -> HazardParams {
    HazardParams::default()
}

fn probability(logit: f64) -> f64 {
    crate::probability_of(logit)
}

#[test]
fn a_target_without_a_record_has_the_rate_of_the_fleet() {
    let (mut fleet, mut target) = (FleetHazard::default(), TargetHazard::default());
    target.observe(&mut fleet, at(0.0), true, &params());
    let rate = target.rates_per_day(&fleet, at(0.0), &params()).now();
    assert!((rate - params().fleet_rate_per_day).abs() < 1e-12);
    assert!(
        (target.logit(&fleet, at(0.0), Duration::HOUR, &params()) - fleet.logit(Duration::HOUR, &params()))
            .abs()
            < 1e-9
    );
}

#[test]
fn one_incident_raises_the_rate_and_quiet_time_lowers_it() {
    let (mut fleet, mut target) = (FleetHazard::default(), TargetHazard::default());
    target.observe(&mut fleet, at(0.0), true, &params());
    let rate = |target: &TargetHazard, fleet: &FleetHazard, day| {
        target.rates_per_day(fleet, at(day), &params()).now()
    };
    let before = rate(&target, &fleet, 10.0);
    target.incident_began(&mut fleet, at(10.0), &params());
    let just_after = rate(&target, &fleet, 10.0);
    let days_after = rate(&target, &fleet, 12.0);
    let long_after = rate(&target, &fleet, 200.0);
    assert!(just_after > 10.0 * before, "{just_after} {before}");
    assert!(days_after < just_after / 2.0 && days_after > before);
    assert!(long_after < before);
}

#[test]
fn a_steady_rate_is_found() {
    let (mut fleet, mut target) = (FleetHazard::default(), TargetHazard::default());
    for i in 0..400 {
        target.incident_began(&mut fleet, at(f64::from(i) * 0.3), &params());
    }
    let rate = target.rates_per_day(&fleet, at(400.0 * 0.3), &params()).now();
    assert!((rate * 0.3 - 1.0).abs() < 0.3, "{rate}");
}

#[test]
fn a_target_without_a_record_learns_the_rate_of_its_fleet_from_the_others() {
    let mut fleet = FleetHazard::default();
    let mut others = vec![TargetHazard::default(); 20];
    for day in 0..200 {
        for (i, target) in others.iter_mut().enumerate() {
            if (day + i) % 2 == 0 {
                target.incident_began(&mut fleet, at(day as f64), &params());
            } else {
                target.observe(&mut fleet, at(day as f64), true, &params());
            }
        }
    }
    let rate = TargetHazard::default()
        .rates_per_day(&fleet, at(200.0), &params())
        .now();
    assert!((rate - 0.5).abs() < 0.1, "{rate}");
}

#[test]
fn incidents_at_one_hour_of_the_day_raise_that_hour() {
    let (mut fleet, mut target) = (FleetHazard::default(), TargetHazard::default());
    for day in 0..60 {
        target.incident_began(&mut fleet, at(f64::from(day) + 3.5 / 24.0), &params());
    }
    let logit = |hour: f64| target.logit(&fleet, at(60.0 + hour / 24.0), Duration::HOUR, &params());
    assert!(logit(3.0) > logit(15.0) + 2.0, "{} {}", logit(3.0), logit(15.0));
    assert!(logit(2.5) > logit(15.0) && logit(2.5) < logit(3.0));
}

#[test]
fn time_not_at_risk_does_not_count_as_quiet() {
    let observe = |at_risk: bool| {
        let (mut fleet, mut target) = (FleetHazard::default(), TargetHazard::default());
        target.incident_began(&mut fleet, at(0.0), &params());
        target.observe(&mut fleet, at(20.0), at_risk, &params());
        target.rates_per_day(&fleet, at(20.0), &params()).now()
    };
    assert!(observe(false) > 1.1 * observe(true));
}

#[test]
fn a_longer_look_ahead_is_never_less_likely_at_an_even_week() {
    let (mut fleet, mut target) = (FleetHazard::default(), TargetHazard::default());
    target.observe(&mut fleet, at(0.0), true, &params());
    let at_span = |secs| probability(target.logit(&fleet, at(0.1), Duration::from_secs(secs), &params()));
    assert!(at_span(30) < at_span(120) && at_span(120) < at_span(600));
}

#[test]
fn a_burst_says_more_of_the_next_hour_than_of_the_hours_after_it() {
    let (mut fleet, mut target) = (FleetHazard::default(), TargetHazard::default());
    target.incident_began(&mut fleet, at(0.0), &params());
    let rates = target.rates_per_day(&fleet, at(0.0), &params());
    let hour = rates.expected(Duration::HOUR, &params());
    let day = rates.expected(Duration::DAY, &params());
    assert!(hour < rates.now() / 24.0 && day < 16.0 * hour, "{hour} {day}");
    let moment = rates.expected(Duration::from_secs(1), &params());
    assert!((moment * 86_400.0 / rates.now() - 1.0).abs() < 1e-3);
}

proptest! {
    #[test]
    fn the_record_stays_sound_whatever_the_times(
        steps in prop::collection::vec((any::<i64>(), 0..3u8), 0..80),
        tick in any::<i64>(),
        span in any::<i64>(),
    ) {
        let (mut fleet, mut target) = (FleetHazard::default(), TargetHazard::default());
        for (micros, kind) in steps {
            let at = Timestamp::from_micros(micros);
            match kind {
                0 => target.incident_began(&mut fleet, at, &params()),
                kind => target.observe(&mut fleet, at, kind == 1, &params()),
            }
        }
        let logit = target.logit(&fleet, Timestamp::from_micros(tick), Duration::from_micros(span), &params());
        prop_assert!((LOGIT.0..=LOGIT.1).contains(&logit), "{}", logit);
        prop_assert!(fleet.is_sound());
    }
}
