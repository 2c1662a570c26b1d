//! Routes: the overview, and what moves on each, why, and at what cost.

use foreshift_domain::decision::Reason;
use foreshift_domain::fallback::{CapacityUnit, Mode};
use foreshift_domain::prediction::Risk;
use foreshift_domain::weights::{FULL_BP, RouteWeights, TargetWeight};

use super::{StatusView, heard};
use crate::cli::render::paint::Ink;
use crate::cli::render::table::{Align, Cell, Table};
use crate::cli::render::words::{
    clean, health_word, mode_word, percent, percent_bp, rate, reason_sentence, reason_word, risk_ink,
    role_word,
};

/// The most targets shown of one route; those whose share moves, or at the highest risk, come first.
const MAX_TARGETS: usize = 12;

/// How much of the route is away from its baseline.
pub(super) fn moved_bp(weights: &RouteWeights) -> u32 {
    weights
        .targets
        .iter()
        .map(|target| target.weight_bp.saturating_sub(target.baseline_bp))
        .sum()
}

/// How much of the route would move if the plan were applied.
pub(super) fn would_move_bp(weights: &RouteWeights) -> u32 {
    weights
        .targets
        .iter()
        .map(|target| target.planned_bp.saturating_sub(target.weight_bp))
        .sum()
}

fn worst(target: &TargetWeight) -> Option<&Risk> {
    target
        .risks
        .iter()
        .max_by(|a, b| a.probability.total_cmp(&b.probability))
}

/// One line for each route.
pub(super) fn overview(view: &StatusView<'_>, routes: &[&RouteWeights], most: usize) -> String {
    if routes.is_empty() {
        return "no routes\n".to_owned();
    }
    let (left, right) = (Align::Left, Align::Right);
    let mut table = Table::new(
        0,
        &[
            ("ROUTE", left),
            ("MODE", left),
            ("VERSION", left),
            ("MOVED", right),
            ("WOULD MOVE", right),
            ("TOP RISK", left),
            ("WHY", left),
        ],
    );
    for weights in routes.iter().take(most) {
        let (moved, would) = (moved_bp(weights), would_move_bp(weights));
        let share = |bp: u32, ink: Ink| match bp {
            0 => Cell::new("-").ink(Ink::Dim),
            bp => Cell::new(percent_bp(bp)).ink(ink),
        };
        let top = weights
            .targets
            .iter()
            .filter_map(|target| Some((target, worst(target)?)));
        let top = top.max_by(|a, b| a.1.probability.total_cmp(&b.1.probability));
        let risk = top.map_or(Cell::new("-").ink(Ink::Dim), |(target, risk)| {
            let text = format!(
                "{} in {}: {}",
                percent(risk.probability),
                risk.horizon,
                target.target
            );
            Cell::new(text).ink(risk_ink(risk.probability))
        });
        let (why, ink) = reason_word(weights.reason);
        let mode = match weights.mode {
            Mode::Auto => Cell::new("auto").ink(Ink::Bold),
            mode => mode_word(mode).into(),
        };
        table.row([
            weights.route.as_str().into(),
            mode,
            weights.version.to_string().into(),
            share(moved, Ink::Warn),
            share(would, Ink::Warn),
            risk,
            Cell::new(why).ink(ink),
        ]);
    }
    let mut text = table.render(view.paint);
    if routes.len() > most {
        let more = format!("and {} more routes; --all shows them\n", routes.len() - most);
        text.push_str(&view.paint.dim(&more));
    }
    text
}

/// What moves on a route; `None` when it is at rest and its plan too, unless it was asked for by name.
pub(super) fn detail(view: &StatusView<'_>, weights: &RouteWeights) -> Option<String> {
    let is_calm = moved_bp(weights) == 0
        && would_move_bp(weights) == 0
        && !matches!(weights.reason, Reason::NoTarget | Reason::HeldOut);
    if is_calm && view.only.is_empty() && !view.all {
        return None;
    }
    let title = format!("{} ({})", clean(weights.route.as_str()), mode_word(weights.mode));
    let mut text = format!(
        "{}  {}\n",
        view.paint.bold(&title),
        reason_sentence(weights.reason)
    );
    if !weights.baseline_confirmed {
        text.push_str(
            "  its baseline was discovered: it stays in shadow until `foreshift baseline confirm`\n",
        );
    }
    if weights.propensity < 1.0 {
        text.push_str(&format!(
            "  some alarms of this route are held out: it is as it is with probability {:.3}\n",
            weights.propensity
        ));
    }
    text.push_str(&targets(view, weights));
    for line in cost(view, weights) {
        text.push_str(&format!("  {line}\n"));
    }
    Some(text)
}

fn targets(view: &StatusView<'_>, weights: &RouteWeights) -> String {
    let (left, right) = (Align::Left, Align::Right);
    let head = [
        ("TARGET", left),
        ("ROLE", left),
        ("HEALTH", left),
        ("RISK", left),
        ("BASELINE", right),
        ("NOW", right),
        ("PLANNED", right),
        ("RATE", right),
        ("HEARD", right),
    ];
    let mut table = Table::new(2, &head);
    let mut shown: Vec<&TargetWeight> = weights.targets.iter().collect();
    let most = if view.all { usize::MAX } else { MAX_TARGETS };
    if shown.len() > most {
        shown.sort_by(|a, b| {
            let key = |target: &TargetWeight| {
                let moves = target.weight_bp.abs_diff(target.baseline_bp)
                    + target.planned_bp.abs_diff(target.weight_bp);
                (moves, worst(target).map_or(0.0, |risk| risk.probability))
            };
            let ((a, a_risk), (b, b_risk)) = (key(a), key(b));
            b.cmp(&a).then(b_risk.total_cmp(&a_risk))
        });
    }
    for target in shown.iter().take(most) {
        let state = view.published.targets.get(&target.target);
        let (health, ink) = health_word(target.health);
        let risk = worst(target).map_or(Cell::new("-"), |risk| {
            Cell::new(format!("{} in {}", percent(risk.probability), risk.horizon))
                .ink(risk_ink(risk.probability))
        });
        let share = |bp: u32, than: u32| {
            Cell::new(percent_bp(bp)).ink(if bp == than { Ink::Plain } else { Ink::Warn })
        };
        let rps = state.and_then(|state| state.rate_rps);
        table.row([
            target.target.as_str().into(),
            role_word(target.role).into(),
            Cell::new(health).ink(ink),
            risk,
            percent_bp(target.baseline_bp).into(),
            share(target.weight_bp, target.baseline_bp),
            share(target.planned_bp, target.weight_bp),
            rps.map_or("-".to_owned(), rate).into(),
            state
                .map_or("never".to_owned(), |state| heard(view.published, state))
                .into(),
        ]);
    }
    let mut text = table.render(view.paint);
    if shown.len() > most {
        text.push_str(&format!(
            "  and {} more targets; --all shows them\n",
            shown.len() - most
        ));
    }
    text
}

/// What the shift costs: what moves, to whom, and how much room there is.
fn cost(view: &StatusView<'_>, weights: &RouteWeights) -> Vec<String> {
    let (acts, would) = (moved_bp(weights), would_move_bp(weights));
    let (bp, verb) = if would > 0 {
        (would, "would move")
    } else {
        (acts, "is moved away from the baseline")
    };
    if bp == 0 {
        return Vec::new();
    }
    let rates = weights
        .targets
        .iter()
        .filter_map(|target| view.published.targets.get(&target.target)?.rate_rps);
    let rates: Vec<f64> = rates.collect();
    let total_rps = (!rates.is_empty()).then(|| rates.iter().sum::<f64>());
    let of = |bp: u32| total_rps.map(|total| total * f64::from(bp) / f64::from(FULL_BP));
    let about = of(bp).map_or(String::new(), |rps| format!(", about {}", rate(rps)));
    let mut lines = vec![format!("cost: {} of the route {verb}{about}", percent_bp(bp))];
    for target in &weights.targets {
        let (from, to) = if would > 0 {
            (target.weight_bp, target.planned_bp)
        } else {
            (target.baseline_bp, target.weight_bp)
        };
        if to > from {
            lines.push(format!(
                "      {}",
                room(view, target, to - from, of(to - from), would > 0)
            ));
        }
    }
    lines
}

/// How much a receiving target takes, and how much it can take.
fn room(
    view: &StatusView<'_>,
    target: &TargetWeight,
    bp: u32,
    added_rps: Option<f64>,
    is_to_come: bool,
) -> String {
    let name = clean(target.target.as_str());
    let verb = if is_to_come { "would take" } else { "takes" };
    let takes = format!("{name} {verb} {} more", percent_bp(bp));
    let Some(fallback) = view.fallback else {
        return format!("{takes}; with --fallback FILE its room is shown");
    };
    let Some(capacity) = fallback.target(&target.target).and_then(|config| config.capacity) else {
        return format!("{takes}; it declares no capacity, so its room is learned from what it served");
    };
    let headroom = fallback
        .routes
        .iter()
        .find(|route| route.targets.iter().any(|of| of.target == target.target));
    let headroom = headroom.map_or(1.0, |route| route.settings.limits.headroom);
    let limit = capacity.amount * headroom;
    let rps = view
        .published
        .targets
        .get(&target.target)
        .and_then(|state| state.rate_rps);
    match (capacity.unit, rps, added_rps) {
        (CapacityUnit::RequestsPerSecond, Some(now), Some(added)) => {
            let after = if is_to_come { now + added } else { now };
            let used = percent(after / limit.max(f64::MIN_POSITIVE));
            format!(
                "{takes}: {} of the {} it may be given ({used})",
                rate(after),
                rate(limit)
            )
        }
        (CapacityUnit::RequestsPerSecond, ..) => {
            format!(
                "{takes}; it may be given {}, signals carry no counts",
                rate(limit)
            )
        }
        (CapacityUnit::ConcurrentRequests, ..) => {
            format!("{takes}; it may be given {limit:.0} requests at once")
        }
        (CapacityUnit::TokensPerMinute, ..) => format!("{takes}; it may be given {limit:.0} tokens a minute"),
    }
}
