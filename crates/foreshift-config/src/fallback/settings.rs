//! The settings of a route or of a rule of `discover`.

use foreshift_domain::Duration;
use foreshift_domain::fallback::{
    AutoAfter, Criticality, Limits, Mode, RiskTrigger, RouteSettings, Slo, Timing, Triggers,
};

use super::file::{LimitsFile, RouteFile, RuleFile, SloFile, TriggersFile};
use crate::report::Report;
use crate::text::Span;
use crate::tree::At;

/// The settings as written, wherever they stand.
pub(super) struct Written<'a> {
    criticality: Criticality,
    mode: Mode,
    slo: &'a SloFile,
    triggers: &'a TriggersFile,
    limits: &'a LimitsFile,
}

impl<'a> Written<'a> {
    pub(super) fn of_route(route: &'a RouteFile) -> Self {
        Self {
            criticality: route.criticality,
            mode: route.mode,
            slo: &route.slo,
            triggers: &route.triggers,
            limits: &route.limits,
        }
    }

    pub(super) fn of_rule(rule: &'a RuleFile) -> Self {
        Self {
            criticality: rule.criticality,
            mode: rule.mode,
            slo: &rule.slo,
            triggers: &rule.triggers,
            limits: &rule.limits,
        }
    }
}

pub(super) fn settings(
    written: &Written<'_>,
    timing: &Timing,
    at: &At,
    report: &mut Report<'_>,
) -> RouteSettings {
    RouteSettings {
        criticality: written.criticality,
        mode: written.mode,
        slo: slo(written.slo, timing, &at.key("slo"), report),
        triggers: triggers(written.triggers, timing, &at.key("triggers"), report),
        limits: limits(written, timing, &at.key("limits"), report),
    }
}

fn slo(file: &SloFile, timing: &Timing, at: &At, report: &mut Report<'_>) -> Slo {
    window(file.window, timing, at, report);
    Slo {
        error_ratio: file.error_ratio,
        latency_p99: latency(file.latency_p99.on(), at, report),
        window: file.window.0,
        min_requests: file.min_requests,
    }
}

fn triggers(file: &TriggersFile, timing: &Timing, at: &At, report: &mut Report<'_>) -> Triggers {
    window(file.window, timing, at, report);
    Triggers {
        risk: risk(file, timing, &at.key("risk"), report),
        consecutive_errors: file.consecutive_errors,
        error_ratio: file.error_ratio,
        latency_p99: latency(file.latency_p99.on(), at, report),
        window: file.window.0,
        min_requests: file.min_requests,
        recover_after: file.recover_after.0,
    }
}

fn risk(file: &TriggersFile, timing: &Timing, at: &At, report: &mut Report<'_>) -> Option<RiskTrigger> {
    let risk = file.risk.on()?;
    let listed = timing
        .horizons
        .iter()
        .map(Duration::to_string)
        .collect::<Vec<_>>()
        .join(", ");
    report.require(
        timing.horizons.contains(&risk.horizon.0),
        &at.key("horizon"),
        format!("{} is not one of timing.horizons ({listed})", risk.horizon.0),
        "name one of them, here or once in `defaults: triggers: risk: horizon:`",
    );
    report.require(
        risk.exit < risk.enter,
        &at.key("exit"),
        format!("exit ({}) must be below enter ({})", risk.exit, risk.enter),
        "an alarm that ends where it begins would flap",
    );
    report.require(
        risk.enter <= risk.full,
        &at.key("full"),
        format!("full ({}) must be at least enter ({})", risk.full, risk.enter),
        "from `full` on the target goes down to its floor",
    );
    Some(RiskTrigger {
        horizon: risk.horizon.0,
        enter: risk.enter,
        exit: risk.exit,
        full: risk.full,
        budget_per_day: risk.budget_per_day.on().copied(),
    })
}

fn limits(written: &Written<'_>, timing: &Timing, at: &At, report: &mut Report<'_>) -> Limits {
    let file = written.limits;
    report.require(
        file.held_out_bp == 0 || written.criticality != Criticality::Critical,
        &at.key("held_out_bp"),
        format!(
            "must be 0 on a critical route, is {}: an alarm that is held out is not acted on",
            file.held_out_bp
        ),
        "remove it here, or write `limits: {held_out_bp: 0}` where it comes from `defaults`",
    );
    report.require(
        file.max_hard_down_step_bp_per_s >= file.max_step_bp_per_s,
        &at.key("max_hard_down_step_bp_per_s"),
        format!(
            "the step for a hard-down ({}) must be at least max_step_bp_per_s ({})",
            file.max_hard_down_step_bp_per_s, file.max_step_bp_per_s
        ),
        "a target that is down must be left no slower than one that may fail",
    );
    report.require(
        file.valid_for.0 >= timing.tick,
        &at.key("valid_for"),
        format!(
            "must be at least timing.tick ({}), is {}",
            timing.tick, file.valid_for.0
        ),
        "a plan is renewed at each tick; one that expires before lets weights swing",
    );
    report.require(
        file.decay.0.is_positive(),
        &at.key("decay"),
        "must be longer than nothing",
        "write a span such as 60s",
    );
    Limits {
        floor_bp: file.floor_bp,
        max_predictive_shift_bp: file.max_predictive_shift_bp,
        max_step_bp_per_s: file.max_step_bp_per_s,
        max_hard_down_step_bp_per_s: file.max_hard_down_step_bp_per_s,
        min_dwell: file.min_dwell.0,
        max_flips_per_hour: file.max_flips_per_hour,
        headroom: file.headroom,
        valid_for: file.valid_for.0,
        decay: file.decay.0,
        held_out_bp: file.held_out_bp,
        auto_after: file.auto_after.on().map(|after| AutoAfter {
            alarms: after.alarms,
            precision: after.precision,
        }),
    }
}

fn window(window: Span, timing: &Timing, at: &At, report: &mut Report<'_>) {
    report.require(
        window.0 >= timing.bucket && window.0.is_positive(),
        &at.key("window"),
        format!(
            "must be at least timing.bucket ({}), is {}",
            timing.bucket, window.0
        ),
        "what is counted is counted in buckets",
    );
}

fn latency(bound: Option<&Span>, at: &At, report: &mut Report<'_>) -> Option<Duration> {
    let bound = bound?;
    report.require(
        bound.0.is_positive(),
        &at.key("latency_p99"),
        "must be longer than nothing",
        "write a span such as 800ms, or `off`",
    );
    Some(bound.0)
}
