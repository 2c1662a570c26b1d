use foreshift_domain::command::{Action, CommandRefused, CommandResult};
use foreshift_domain::decision::Reason;
use foreshift_domain::fallback::Mode;
use foreshift_domain::weights::Version;
use foreshift_domain::{Input, signal::Health};
use foreshift_engine::{Engine, Output};

use crate::world::*;

fn result(engine: &mut Engine, input: Input) -> CommandResult {
    let outputs = feed(engine, &[input]);
    let results = outputs.into_iter().filter_map(|output| match output {
        Output::Command(_, result) => Some(result),
        _ => None,
    });
    results.last().unwrap()
}

fn pin(route: &str, weights: &[(&str, u32)]) -> Action {
    let weights = weights
        .iter()
        .map(|(target, bp)| ((*target).into(), *bp))
        .collect();
    Action::Pin {
        route: route.into(),
        weights,
    }
}

#[test]
fn a_pin_wins_at_once_and_ends_by_itself() {
    let mut engine = engine(YAML);
    feed(&mut engine, &steady(0, 10));
    let done = result(&mut engine, command(10.0, "1", pin("pay", &[("west", 10_000)])));
    assert!(done.verdict.is_ok());
    assert_eq!(weight_bp(&engine, "pay", "west"), 10_000);
    feed(&mut engine, &steady(10, 69));
    assert_eq!(weight_bp(&engine, "pay", "west"), 10_000);
    feed(&mut engine, &steady(69, 120));
    assert_eq!(weight_bp(&engine, "pay", "west"), 5_000);
    assert!(engine.publish().overrides.is_empty());
}

#[test]
fn a_command_repeated_under_its_id_is_carried_out_once() {
    let mut engine = engine(YAML);
    feed(&mut engine, &steady(0, 5));
    result(&mut engine, command(5.0, "same", pin("pay", &[("west", 10_000)])));
    result(
        &mut engine,
        command(6.0, "other", Action::Unpin { route: "pay".into() }),
    );
    let again = result(&mut engine, command(7.0, "same", pin("pay", &[("west", 10_000)])));
    assert!(again.verdict.unwrap().repeated);
    assert!(engine.publish().overrides.is_empty());
}

#[test]
fn commands_that_cannot_be_carried_out_say_why_and_change_nothing() {
    let mut engine = engine(YAML);
    feed(&mut engine, &steady(0, 5));
    let before = engine.publish().routes;
    let refused = |engine: &mut Engine, id: &str, action: Action| {
        result(engine, command(5.0, id, action)).verdict.unwrap_err()
    };
    assert!(matches!(
        refused(&mut engine, "1", pin("no", &[("west", 10_000)])),
        CommandRefused::UnknownRoute { .. }
    ));
    assert!(matches!(
        refused(&mut engine, "2", pin("pay", &[("west", 9_999)])),
        CommandRefused::WrongSum { sum_bp: 9_999 }
    ));
    assert!(matches!(
        refused(&mut engine, "3", pin("pay", &[("no", 10_000)])),
        CommandRefused::UnknownTarget { .. }
    ));
    let nothing = refused(&mut engine, "4", Action::Unpin { route: "pay".into() });
    assert!(matches!(nothing, CommandRefused::NothingToEnd { .. }));
    let mut stale = command(5.0, "5", pin("pay", &[("west", 10_000)]));
    if let Input::Command(command) = &mut stale {
        command.expected_version = Some(Version {
            epoch: 1,
            sequence: 999,
        });
    }
    assert!(matches!(
        result(&mut engine, stale).verdict,
        Err(CommandRefused::VersionConflict { .. })
    ));
    let mut late = command(5.0, "6", pin("pay", &[("west", 10_000)]));
    if let Input::Command(command) = &mut late {
        command.expires_at = Some(at(4.0));
    }
    assert!(matches!(
        result(&mut engine, late).verdict,
        Err(CommandRefused::BadExpiry)
    ));
    assert_eq!(engine.publish().routes, before);
    assert_eq!(engine.counters().commands_refused, 6);
}

#[test]
fn a_freeze_of_all_holds_weights_while_a_target_fails() {
    let mut engine = engine(YAML);
    feed(&mut engine, &steady(0, 10));
    result(&mut engine, command(10.0, "1", Action::Freeze { route: None }));
    feed(&mut engine, &[health(10.5, "east", Health::Down)]);
    feed(&mut engine, &steady(11, 20));
    assert_eq!(weight_bp(&engine, "pay", "east"), 5_000);
    assert_eq!(engine.publish().routes.get("pay").unwrap().reason, Reason::Frozen);
    result(&mut engine, command(20.0, "2", Action::Unfreeze { route: None }));
    feed(&mut engine, &steady(20, 25));
    assert_eq!(weight_bp(&engine, "pay", "east"), 0);
}

#[test]
fn a_mode_set_by_a_person_holds_over_the_configured_one() {
    let mut engine = engine(YAML);
    feed(&mut engine, &steady(0, 10));
    result(
        &mut engine,
        command(
            10.0,
            "1",
            Action::SetMode {
                route: Some("pay".into()),
                mode: Mode::Shadow,
            },
        ),
    );
    feed(&mut engine, &[health(10.5, "east", Health::Down)]);
    feed(&mut engine, &steady(11, 20));
    assert_eq!(weight_bp(&engine, "pay", "east"), 5_000);
}

#[test]
fn a_discovered_route_stays_in_shadow_until_its_baseline_is_confirmed() {
    let yaml =
        "timing: {bucket: 1s, tick: 5s, staleness: 30s}\ndiscover:\n  rules: [{pattern: '*', mode: auto}]\n";
    let mut engine = engine(yaml);
    let seen = |engine: &mut Engine, from: u32, to: u32| {
        feed(engine, &steady(from, to));
    };
    seen(&mut engine, 0, 10);
    let published = engine.publish();
    assert_eq!(published.routes.get("default").unwrap().mode, Mode::Shadow);
    let raise = Action::SetMode {
        route: Some("default".into()),
        mode: Mode::Auto,
    };
    let refused = result(&mut engine, command(10.0, "1", raise))
        .verdict
        .unwrap_err();
    assert!(matches!(refused, CommandRefused::BaselineUnconfirmed { .. }));
    let baseline = ["alpha", "beta", "east", "west"]
        .map(|name| (name.into(), 2_500))
        .to_vec();
    let confirm = Action::ConfirmBaseline {
        route: "default".into(),
        baseline,
    };
    assert!(result(&mut engine, command(10.0, "2", confirm)).verdict.is_ok());
    assert_eq!(engine.publish().routes.get("default").unwrap().mode, Mode::Auto);
}
