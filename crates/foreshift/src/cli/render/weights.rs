//! Weights: a line for each change, and a route in words.

use foreshift_domain::RouteName;
use foreshift_domain::published::Published;
use foreshift_domain::weights::RouteWeights;

use super::paint::{Ink, Paint};
use super::receipt::command_line;
use super::words::{
    age, clean, clock, health_word, mode_meaning, mode_word, percent, percent_bp, quoted, reason_sentence,
    reason_word,
};

/// One line: time, route, version, mode, weights, reason. What differs from `before` stands out.
pub(crate) fn changed_line(now: &RouteWeights, before: Option<&RouteWeights>, paint: Paint) -> String {
    let shares = now.targets.iter().map(|target| {
        let was = before.and_then(|before| before.targets.iter().find(|one| one.target == target.target));
        let text = format!(
            "{}={}",
            clean(target.target.as_str()),
            percent_bp(target.weight_bp)
        );
        match was {
            Some(was) if was.weight_bp != target.weight_bp => paint.bold(&text),
            _ => text,
        }
    });
    let shares = shares.collect::<Vec<_>>().join(" ");
    let (reason, ink) = reason_word(now.reason);
    let plan = if now
        .targets
        .iter()
        .any(|target| target.planned_bp != target.weight_bp)
    {
        let planned = now.targets.iter().map(|target| {
            format!(
                "{}={}",
                clean(target.target.as_str()),
                percent_bp(target.planned_bp)
            )
        });
        paint.dim(&format!("  (planned {})", planned.collect::<Vec<_>>().join(" ")))
    } else {
        String::new()
    };
    let (time, route, version) = (clock(now.decided_at), clean(now.route.as_str()), now.version);
    format!(
        "{time}  {route}  {version}  {}  {shares}  {}{plan}",
        mode_word(now.mode),
        paint.ink(ink, reason)
    )
}

/// A route is gone.
pub(crate) fn removed_line(route: &RouteName, paint: Paint) -> String {
    format!("{}  {}", clean(route.as_str()), paint.ink(Ink::Warn, "is gone"))
}

/// A route's newest state in words.
pub(crate) fn route_in_words(
    published: &Published,
    weights: &RouteWeights,
    flags: &str,
    paint: Paint,
) -> String {
    let route = clean(weights.route.as_str());
    let mut lines = vec![
        format!(
            "{} is in mode {}: {}.",
            paint.bold(&route),
            mode_word(weights.mode),
            mode_meaning(weights.mode)
        ),
        reason_sentence(weights.reason).to_owned(),
    ];
    for target in &weights.targets {
        lines.push(format!("  {}", target_in_words(published, target, paint)));
    }
    if let Some(over) = published.overrides.get(&weights.route) {
        for (what, over) in [("pinned", &over.pin), ("frozen", &over.freeze)] {
            let Some(over) = over else { continue };
            let left = age(over.expires_at.since(published.now));
            lines.push(format!(
                "It was {what} by {}, for another {left}: {}",
                clean(&over.actor),
                clean(&over.reason)
            ));
        }
    }
    let confirmed = if weights.baseline_confirmed {
        ""
    } else {
        ", and its baseline waits to be confirmed"
    };
    let valid = weights.valid_until.since(published.now);
    lines.push(format!(
        "Version {} was decided at {} (decision {}, model {}){confirmed}.",
        weights.version,
        clock(weights.decided_at),
        weights.decision,
        clean(&weights.model.to_string()),
    ));
    lines.push(format!(
        "Gateways that hear nothing more go back to the baseline in {}.",
        age(valid)
    ));
    lines.push(format!(
        "  its rules and inputs   foreshift explain --decision {} --storage DIR",
        weights.decision
    ));
    let hold = command_line(
        &format!("freeze {} --for 30m", quoted(weights.route.as_str())),
        flags,
    );
    lines.push(format!("  hold it as it is       {hold}"));
    lines.join("\n")
}

fn target_in_words(
    published: &Published,
    target: &foreshift_domain::weights::TargetWeight,
    paint: Paint,
) -> String {
    let name = paint.bold(&clean(target.target.as_str()));
    let (health, ink) = health_word(target.health);
    let health = paint.ink(ink, health);
    let mut words = format!("{name} is {health}");
    let worst = target
        .risks
        .iter()
        .max_by(|a, b| a.probability.total_cmp(&b.probability));
    if let Some(risk) = worst {
        words.push_str(&format!(
            ", fails within {} with {}",
            risk.horizon,
            percent(risk.probability)
        ));
    }
    if let Some(since) = published
        .targets
        .get(&target.target)
        .and_then(|state| state.incident_since)
    {
        words.push_str(&format!(
            ", in an incident for {}",
            age(published.now.since(since))
        ));
    }
    words.push_str(&format!("; has {}", percent_bp(target.weight_bp)));
    if target.weight_bp != target.baseline_bp {
        words.push_str(&format!(" instead of {} at rest", percent_bp(target.baseline_bp)));
    }
    if target.planned_bp != target.weight_bp {
        words.push_str(&format!(", the plan is {}", percent_bp(target.planned_bp)));
    }
    words
}
