//! The summary, for people.

use foreshift_domain::Duration;

use super::super::stage::LATENESS;
use super::super::summary::{FaultSummary, PolicySummary, Summary};
use super::clock;
use crate::cli::render::{Ink, Paint, clean, percent_bp};

/// What the run came to.
pub(crate) fn summary(summary: &Summary, paint: Paint) -> String {
    let mut lines = vec![String::new()];
    let minutes = clock(Duration::from_secs_f64(summary.recorded_s));
    lines.push(paint.bold(&format!(
        "Summary of a simulated recording ({}, scenario {}, seed {}, {} long)",
        summary.simulated_by,
        summary.scenario,
        summary.seed,
        minutes.trim()
    )));
    lines.push(String::new());
    for fault in &summary.faults {
        lines.extend(fault_lines(fault, paint));
    }
    lines.push(match summary.shifts_without_fault {
        0 => "No traffic was moved from a target without a fault.".to_owned(),
        1 => "Once traffic was moved from a target without a fault.".to_owned(),
        times => format!("{times} times traffic was moved from a target without a fault."),
    });
    lines.push(String::new());
    lines.extend(table(summary, paint));
    lines.push(String::new());
    lines.push(saved(
        summary.saved_against_staying_put,
        summary.staying_put.failed,
        "staying put",
        paint,
    ));
    lines.push(saved(
        summary.saved_against_breaker,
        summary.reactive_breaker.failed,
        "a reactive breaker",
        paint,
    ));
    lines.push(String::new());
    lines.extend(notes(summary, paint));
    lines.join("\n")
}

fn fault_lines(fault: &FaultSummary, paint: Paint) -> [String; 3] {
    let at = |seconds: f64| clock(Duration::from_secs_f64(seconds)).trim().to_owned();
    let signs = if fault.has_precursor {
        "with signs before it"
    } else {
        "without a sign before it"
    };
    let kind = fault.kind.replace('_', " ");
    let head = format!(
        "{kind} on {}, {signs}: requests fail from {} on",
        clean(&fault.target),
        at(fault.onset_s)
    );
    let foretold = match fault.predicted_s {
        Some(seconds) => format!(
            "predicted at {}, {:.1} s before",
            at(seconds),
            fault.onset_s - seconds
        ),
        None => "not predicted".to_owned(),
    };
    let foretold = format!(
        "  {foretold}{}",
        before(fault.withdrawn_alarms, "alarm", "withdrawn")
    );
    let (ink, shift) = match (fault.first_shift_s, fault.lead_time_s) {
        (Some(shift), Some(lead)) if lead > 0.0 => {
            let left = percent_bp(fault.weight_at_onset_bp);
            let rest = percent_bp(fault.baseline_bp);
            let text = format!(
                "shift from {} on: lead time {lead:.1} s, {left} of the traffic left on it instead of {rest}",
                at(shift)
            );
            (Ink::Good, text)
        }
        (Some(shift), Some(lead)) => {
            let ink = if fault.has_precursor { Ink::Bad } else { Ink::Plain };
            (
                ink,
                format!(
                    "first shift at {}: reactive, {:.1} s after the failure",
                    at(shift),
                    -lead
                ),
            )
        }
        _ => (Ink::Bad, "no shift at all".to_owned()),
    };
    let shift = format!(
        "{shift}{}",
        before(fault.shifts_taken_back, "shift", "taken back")
    );
    let late = fault.has_precursor && fault.lead_time_s.is_none_or(|lead| lead <= 0.0);
    let shift = if late {
        format!("NOT in time: {shift}")
    } else {
        shift
    };
    [
        paint.bold(&head),
        foretold,
        format!("  {}", paint.ink(ink, &shift)),
    ]
}

/// What was given up before the onset.
fn before(times: u32, what: &str, how: &str) -> String {
    match times {
        0 => String::new(),
        1 => format!("; an earlier {what} had been {how}"),
        times => format!("; {times} earlier {what}s had been {how}"),
    }
}

fn table(summary: &Summary, paint: Paint) -> Vec<String> {
    let row = |name: &str, cells: [String; 4]| {
        let [requests, stay, breaker, foreshift] = cells;
        format!("{name:<24}{requests:>10}{stay:>14}{breaker:>18}{foreshift:>12}")
    };
    let head = ["requests", "staying put", "reactive breaker", "foreshift"].map(str::to_owned);
    let mut lines = vec![paint.dim(&row("", head))];
    let all = [
        &summary.staying_put,
        &summary.reactive_breaker,
        &summary.foreshift,
    ];
    let counts = |what: fn(&PolicySummary) -> u64| {
        let [stay, breaker, foreshift] = all.map(|policy| what(policy).to_string());
        [String::new(), stay, breaker, foreshift]
    };
    for route in &summary.routes {
        let numbers = [
            route.requests,
            route.failed_staying_put,
            route.failed_reactive_breaker,
            route.failed_foreshift,
        ];
        lines.push(row(
            &format!("failed on {}", clean(&route.route)),
            numbers.map(|number| number.to_string()),
        ));
    }
    let mut failed = counts(|policy| policy.failed);
    if let Some(requests) = failed.first_mut() {
        *requests = summary.requests.to_string();
    }
    lines.push(paint.bold(&row("failed in all", failed)));
    lines.push(row("slower than the SLO", counts(|policy| policy.slow)));
    let [stay, breaker, foreshift] = all.map(|policy| format!("{:.0}%", policy.peak_survivor_load * 100.0));
    lines.push(row(
        "peak load of survivors",
        [String::new(), stay, breaker, foreshift],
    ));
    lines
}

fn saved(saved: i64, of: u64, against: &str, paint: Paint) -> String {
    let share = if of == 0 {
        String::new()
    } else {
        format!(" ({:+.1}%)", saved as f64 / of as f64 * 100.0)
    };
    let ink = if saved < 0 { Ink::Bad } else { Ink::Good };
    let text = match saved {
        0 => format!("As many requests failed as with {against}."),
        1.. => format!("{saved} failed requests saved against {against}{share}."),
        _ => format!(
            "WORSE than {against}: {} more requests failed{share}.",
            saved.unsigned_abs()
        ),
    };
    paint.ink(ink, &text)
}

fn notes(summary: &Summary, paint: Paint) -> Vec<String> {
    let lost = summary.produced.saturating_sub(summary.handled);
    let delivery = match lost {
        0 => format!(
            "All {} signals and log lines produced reached the engine.",
            summary.produced
        ),
        lost => paint.ink(
            Ink::Bad,
            &format!(
                "{lost} of {} signals and log lines did NOT reach the engine.",
                summary.produced
            ),
        ),
    };
    vec![
        delivery,
        format!(
            "Model {}. Each column is the same seeded world run again under those weights, load included;",
            clean(&summary.model)
        ),
        format!(
            "weights count from {LATENESS} after their decision. The breaker is made after Envoy's outlier detection, and"
        ),
        "sees all requests in one place. `foreshift demo -o json` prints these numbers.".to_owned(),
    ]
}

#[cfg(test)]
mod tests {
    use super::super::super::summary::RouteSummary;
    use super::*;

    fn policy(failed: u64) -> PolicySummary {
        PolicySummary {
            failed,
            slow: 3,
            peak_survivor_load: 0.562,
        }
    }

    fn sample(lead_time_s: Option<f64>, saved_against_breaker: i64) -> Summary {
        let fault = FaultSummary {
            target: "eu-west".into(),
            kind: "memory_leak",
            has_precursor: true,
            onset_s: 290.0,
            predicted_s: lead_time_s.filter(|lead| *lead > 0.0).map(|lead| 289.0 - lead),
            withdrawn_alarms: 1,
            shifts_taken_back: 2,
            first_shift_s: lead_time_s.map(|lead| 290.0 - lead),
            lead_time_s,
            baseline_bp: 10_000,
            weight_at_onset_bp: 500,
        };
        Summary {
            simulated_by: "foreshift-sim",
            scenario: "demo".into(),
            seed: 7,
            recorded_s: 480.0,
            model: "live@1+0".into(),
            produced: 100,
            handled: 100,
            faults: vec![fault],
            shifts_without_fault: 0,
            requests: 900,
            staying_put: policy(200),
            reactive_breaker: policy(40),
            foreshift: policy(10),
            saved_against_staying_put: 190,
            saved_against_breaker,
            routes: vec![RouteSummary {
                route: "checkout".into(),
                requests: 900,
                failed_staying_put: 200,
                failed_reactive_breaker: 40,
                failed_foreshift: 10,
            }],
        }
    }

    fn text(sample: &Summary) -> String {
        summary(sample, Paint::new(false))
    }

    #[test]
    fn a_shift_in_time_is_told_with_its_lead_time() {
        let text = text(&sample(Some(41.5), 30));
        assert!(
            text.contains("memory leak on eu-west, with signs before it: requests fail from 4:50.0 on"),
            "{text}"
        );
        assert!(
            text.contains("predicted at 4:07.5, 42.5 s before; an earlier alarm had been withdrawn"),
            "{text}"
        );
        assert!(
            text.contains(
                "shift from 4:08.5 on: lead time 41.5 s, 5% of the traffic left on it instead of 100%"
            ),
            "{text}"
        );
        assert!(
            text.contains("190 failed requests saved against staying put (+95.0%)."),
            "{text}"
        );
        assert!(text.contains("simulated") && !text.contains("NOT"), "{text}");
    }

    #[test]
    fn a_shift_that_came_too_late_for_a_fault_with_signs_is_told_plainly() {
        assert!(
            text(&sample(Some(-2.0), 30))
                .contains("NOT in time: first shift at 4:52.0: reactive, 2.0 s after")
        );
        assert!(
            text(&sample(None, 30))
                .contains("NOT in time: no shift at all; 2 earlier shifts had been taken back")
        );
    }

    #[test]
    fn a_result_that_is_worse_is_told_as_worse() {
        let told = text(&sample(Some(1.0), -12));
        assert!(
            told.contains("WORSE than a reactive breaker: 12 more requests failed (-30.0%)."),
            "{told}"
        );
        assert!(text(&sample(Some(1.0), 0)).contains("As many requests failed as with a reactive breaker."));
    }

    #[test]
    fn records_that_were_lost_are_told() {
        let told = text(&Summary {
            handled: 98,
            ..sample(Some(1.0), 1)
        });
        assert!(
            told.contains("2 of 100 signals and log lines did NOT reach the engine."),
            "{told}"
        );
    }

    #[test]
    fn columns_line_up() {
        let summary = sample(Some(1.0), 1);
        let lines = table(&summary, Paint::new(false));
        let widths: Vec<usize> = lines.iter().map(|line| line.chars().count()).collect();
        assert!(widths.iter().all(|width| *width == 78), "{lines:?}");
    }
}
