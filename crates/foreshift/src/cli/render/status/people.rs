//! What people did, what gateways did, and what somebody should look at.

use foreshift_domain::Timestamp;
use foreshift_domain::decision::Reason;
use foreshift_domain::published::{AppliedVersion, Override};
use foreshift_domain::weights::RouteWeights;

use super::StatusView;
use crate::cli::render::paint::Ink;
use crate::cli::render::table::{Align, Cell, Table};
use crate::cli::render::words::{age, clean, mode_word};

/// The most gateways listed; those that are not in step come first.
const MAX_GATEWAYS: usize = 15;

/// The most names in one note.
const MAX_NAMES: usize = 5;

/// Counters that say that something is wrong, and what it means.
const TELLING: [(&str, &str); 6] = [
    (
        "unmapped",
        "signals named no known target: `foreshift check` shows the names",
    ),
    (
        "late_signals",
        "signals came after their bucket was closed: is time.lateness too short?",
    ),
    ("invalid_signals", "signals held numbers that are not finite"),
    (
        "refused_targets",
        "signals were about targets beyond fleet.max_targets: is a label running away?",
    ),
    (
        "failed_predictions",
        "predictions were no numbers: the reactive rules alone proposed there",
    ),
    ("commands_refused", "commands were refused"),
];

/// Overrides in force: who, why, until when.
pub(super) fn overrides(view: &StatusView<'_>) -> Option<String> {
    let published = view.published;
    let left = Align::Left;
    let mut table = Table::new(
        0,
        &[
            ("OVERRIDE", left),
            ("ROUTE", left),
            ("WHO", left),
            ("ENDS IN", left),
            ("WHY", left),
        ],
    );
    let mut rows = 0;
    let mut row = |what: &str, route: &str, over: &Override| {
        let ends = age(over.expires_at.since(published.now));
        table.row([
            Cell::new(what).ink(Ink::Bold),
            route.into(),
            over.actor.as_str().into(),
            ends.into(),
            over.reason.as_str().into(),
        ]);
        rows += 1;
    };
    if let Some(freeze) = &published.fleet_freeze {
        row("frozen", "all routes", freeze);
    }
    for (route, over) in &published.overrides {
        if let Some(pin) = &over.pin {
            row("pinned", route.as_str(), pin);
        }
        if let Some(freeze) = &over.freeze {
            row("frozen", route.as_str(), freeze);
        }
    }
    for (route, over) in &published.overrides {
        if let Some(mode) = over.mode {
            let what = format!("mode {}", mode_word(mode));
            let ends = "until set again";
            table.row([
                Cell::new(what).ink(Ink::Bold),
                route.as_str().into(),
                "-".into(),
                ends.into(),
                "-".into(),
            ]);
            rows += 1;
        }
    }
    (rows > 0).then(|| table.render(view.paint))
}

/// Intended against applied.
pub(super) fn gateways(view: &StatusView<'_>, routes: &[&RouteWeights]) -> Option<String> {
    let mut said: Vec<(&str, &RouteWeights, &AppliedVersion)> = Vec::new();
    for weights in routes {
        let applied = view.published.applied.get(&weights.route).into_iter().flatten();
        said.extend(applied.map(|(gateway, applied)| (gateway.as_str(), *weights, applied)));
    }
    if said.is_empty() {
        return Some(view.paint.dim("no gateway has said yet what it applied\n"));
    }
    let is_in_step = |weights: &RouteWeights, applied: &AppliedVersion| {
        applied.error.is_none() && applied.version >= weights.version
    };
    let total = said.len();
    let in_step = said
        .iter()
        .filter(|(_, weights, applied)| is_in_step(weights, applied))
        .count();
    said.sort_by_key(|(gateway, weights, applied)| {
        (is_in_step(weights, applied), *gateway, weights.route.clone())
    });
    let left = Align::Left;
    let head = [
        ("GATEWAY", left),
        ("ROUTE", left),
        ("INTENDED", left),
        ("APPLIED", left),
        ("SAID", left),
        ("", left),
    ];
    let mut table = Table::new(0, &head);
    let most = if view.all { usize::MAX } else { MAX_GATEWAYS };
    for (gateway, weights, applied) in said.iter().take(most) {
        let note = match &applied.error {
            Some(error) => Cell::new(format!("refused: {error}")).ink(Ink::Bad),
            None if applied.version >= weights.version => Cell::new("in step").ink(Ink::Good),
            None => Cell::new("behind").ink(Ink::Warn),
        };
        let said = format!("{} ago", age(view.published.now.since(applied.time)));
        table.row([
            (*gateway).into(),
            weights.route.as_str().into(),
            weights.version.to_string().into(),
            applied.version.to_string().into(),
            said.into(),
            note,
        ]);
    }
    let mut text = table.render(view.paint);
    if total > most {
        text.push_str(&format!(
            "and {} more; {in_step} of {total} are in step\n",
            total - most
        ));
    }
    Some(text)
}

/// What somebody should look at.
pub(super) fn notes(view: &StatusView<'_>) -> Option<String> {
    let published = view.published;
    let mut notes = Vec::new();
    let routes = |reason: Reason| {
        let names = published
            .routes
            .values()
            .filter(|weights| weights.reason == reason);
        names.map(|weights| weights.route.as_str()).collect::<Vec<_>>()
    };
    let mut about = |ink: Ink, what: &str, names: Vec<&str>| {
        if !names.is_empty() {
            notes.push(view.paint.ink(ink, &format!("{what}: {}", some_of(&names))));
        }
    };
    about(Ink::Bad, "no target is well on", routes(Reason::NoTarget));
    let stale = [routes(Reason::StaleHold), routes(Reason::StaleDecay)].concat();
    about(Ink::Warn, "telemetry is stale on", stale);
    let ill = published
        .targets
        .iter()
        .filter(|(_, state)| state.incident_since.is_some());
    about(
        Ink::Bad,
        "in an incident",
        ill.map(|(name, _)| name.as_str()).collect(),
    );
    let silent = published
        .targets
        .iter()
        .filter(|(_, state)| state.last_seen == Timestamp::MIN);
    about(
        Ink::Warn,
        "never heard of",
        silent.map(|(name, _)| name.as_str()).collect(),
    );
    let refused = published
        .applied
        .values()
        .flatten()
        .filter(|(_, applied)| applied.error.is_some());
    let mut refused: Vec<&str> = refused.map(|(gateway, _)| gateway.as_str()).collect();
    refused.dedup();
    about(Ink::Bad, "gateways that refuse their weights", refused);
    for (counter, meaning) in TELLING {
        if let Some(count) = published.counters.get(counter).filter(|count| **count > 0) {
            notes.push(format!("{count} {meaning}"));
        }
    }
    let lines: String = notes.iter().map(|note| format!("  {note}\n")).collect();
    (!notes.is_empty()).then(|| format!("{}\n{lines}", view.paint.bold("LOOK AT")))
}

fn some_of(names: &[&str]) -> String {
    let shown: Vec<String> = names.iter().take(MAX_NAMES).map(|name| clean(name)).collect();
    match names.len().checked_sub(MAX_NAMES) {
        Some(more) if more > 0 => format!("{} and {more} more", shown.join(", ")),
        _ => shown.join(", "),
    }
}
