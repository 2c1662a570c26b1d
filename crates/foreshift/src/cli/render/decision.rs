//! One decision with its inputs, its result and the rules that bound it.

use foreshift_domain::decision::Decision;
use foreshift_domain::hash::Digest;
use foreshift_domain::weights::FULL_BP;
use foreshift_policy::rule;

use super::explanation;
use super::paint::{Ink, Paint};
use super::table::{Align, Cell, Table};
use super::words::{
    age, cause_word, clean, clock, health_word, mode_word, percent, percent_bp, reason_sentence, risk_ink,
};

/// A decision in words.
pub(crate) fn decision(decision: &Decision, paint: Paint) -> String {
    let title = format!(
        "decision {} on {}",
        decision.sequence,
        clean(decision.route.as_str())
    );
    let mut text = format!(
        "{}  version {}, {}, mode {}\n{}\nMade because of: {}.\n",
        paint.bold(&title),
        decision.version,
        clock(decision.time),
        mode_word(decision.mode),
        reason_sentence(decision.reason),
        cause_word(decision.cause),
    );
    text.push_str(&targets(decision, paint));
    for target in &decision.targets {
        let Some(grounds) = &target.grounds else { continue };
        let title = format!(
            "\n{} alarms, as predicted at {}: ",
            clean(target.target.as_str()),
            clock(grounds.tick)
        );
        text.push_str(&title);
        text.push_str(&explanation::horizon(&grounds.explanation, true, paint));
    }
    text.push_str(&rules(decision, paint));
    let mut facts = vec![
        ("model", clean(&decision.model.to_string())),
        ("fallback", short(&decision.fallback)),
        ("valid until", clock(decision.valid_until)),
        ("decision before", short(&decision.previous)),
    ];
    if decision.propensity < 1.0 {
        facts.push((
            "propensity",
            format!(
                "{:.3} (alarms of this route may be held out)",
                decision.propensity
            ),
        ));
    }
    facts.extend(decision.request_id.as_deref().map(|id| ("request id", clean(id))));
    facts.extend(
        decision
            .digest()
            .ok()
            .map(|digest| ("sha-256 of this", short(&digest))),
    );
    for (name, fact) in facts {
        text.push_str(&format!("  {name:<16}  {fact}\n"));
    }
    text
}

fn short(digest: &Digest) -> String {
    digest.to_string().chars().take(16).collect()
}

fn targets(decision: &Decision, paint: Paint) -> String {
    let (left, right) = (Align::Left, Align::Right);
    let head = [
        ("TARGET", left),
        ("HEALTH", left),
        ("RISK", right),
        ("HEARD", right),
        ("BASELINE", right),
        ("PROPOSED", right),
        ("PLANNED", right),
        ("PUBLISHED", right),
    ];
    let mut table = Table::new(2, &head);
    for target in &decision.targets {
        let (health, ink) = health_word(target.health);
        let risk = target.risk.map_or(Cell::new("-"), |risk| {
            let alarm = match (target.alarm, target.held_out) {
                (true, true) => " alarm, held out",
                (true, false) => " alarm",
                (false, _) => "",
            };
            Cell::new(format!("{}{alarm}", percent(risk))).ink(risk_ink(risk))
        });
        table.row([
            target.target.as_str().into(),
            Cell::new(health).ink(ink),
            risk,
            target.telemetry_age.map_or("never".to_owned(), age).into(),
            percent_bp(target.baseline_bp).into(),
            percent_bp(target.proposed_bp).into(),
            percent_bp(target.planned_bp).into(),
            percent_bp(target.weight_bp).into(),
        ]);
    }
    table.render(paint)
}

fn rules(decision: &Decision, paint: Paint) -> String {
    if decision.clauses.is_empty() {
        return "No rule of the envelope held anything back.\n".to_owned();
    }
    let mut text = String::from("Rules of the envelope that bound it:\n");
    for clause in &decision.clauses {
        let on = clause
            .target
            .as_ref()
            .map_or(String::new(), |target| format!(" on {}", clean(target.as_str())));
        let held = match clause.held_back_bp {
            0 => String::new(),
            bp => format!(", {} held back", percent_bp(bp.min(FULL_BP))),
        };
        let name = paint.ink(Ink::Bold, &format!("{} {}", clause.rule, clean(&clause.name)));
        text.push_str(&format!("  rule {name}{on}{held}\n"));
        if let Some(rule) = rule(clause.rule) {
            text.push_str(&paint.dim(&format!("       {}\n", rule.text)));
        }
    }
    text
}
