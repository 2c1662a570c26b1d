//! What people said becomes labels, however late they said it.

use foreshift_domain::command::{Action, Verdict};
use foreshift_domain::prediction::PredictionId;
use foreshift_domain::signal::Health;

use super::labels;
use super::world::*;

fn verdict(second: i64, target: &str, tick: i64, verdict: Verdict) -> foreshift_domain::Input {
    let prediction = PredictionId {
        target: target.into(),
        tick: at_second(tick),
    };
    let id = format!("{target}-{tick}-{verdict:?}");
    command(second, &id, Action::Verdict { prediction, verdict })
}

#[test]
fn a_missed_incident_is_a_positive_although_nothing_was_seen() {
    let dir = tempfile::tempdir().unwrap();
    let mut inputs = steady(0, 500);
    inputs.push(verdict(500, "beta", 100, Verdict::Missed));
    inputs.push(verdict(500, "beta", 200, Verdict::FalseAlarm));
    record(dir.path(), &inputs);
    for rows in extract(dir.path(), &[]) {
        let labels = labels(&rows);
        assert_eq!(labels[&("beta", 100)], Some(true));
        assert_eq!(labels[&("beta", 105)], Some(false));
        assert_eq!(labels[&("beta", 200)], Some(false));
        assert_eq!(labels[&("alpha", 100)], Some(false));
        let at = rows.label.iter().position(|label| *label == Some(true)).unwrap();
        assert_eq!(rows.known_at[at].map(second), Some(500), "known when it was said");
        assert_eq!(
            rows.incident[at],
            Some(format!("beta@{}", at_second(100).as_millis()))
        );
    }
}

#[test]
fn rows_of_an_incident_that_was_expected_are_left_out() {
    let dir = tempfile::tempdir().unwrap();
    let mut inputs = steady(0, 300);
    inputs.push(health(300, "alpha", Health::Down));
    inputs.extend(steady(300, 310));
    inputs.push(health(310, "alpha", Health::Up));
    inputs.extend(steady(310, 500));
    inputs.push(verdict(500, "alpha", 295, Verdict::Expected));
    record(dir.path(), &inputs);
    for rows in extract(dir.path(), &[]) {
        let labels = labels(&rows);
        assert!(rows.label.iter().all(|label| *label != Some(true)));
        assert!(!labels.contains_key(&("alpha", 295)) && !labels.contains_key(&("alpha", 280)));
        assert_eq!(labels[&("alpha", 150)], Some(false));
        assert_eq!(labels[&("beta", 295)], Some(false));
    }
}

#[test]
fn an_incident_marked_days_later_is_one_to_the_rows_before_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut inputs = steady(0, 600);
    let mark = Action::MarkIncident {
        target: "beta".into(),
        start: at_second(201),
        end: Some(at_second(211)),
    };
    inputs.push(command(600, "mark", mark));
    record(dir.path(), &inputs);
    let [near, far] = extract(dir.path(), &[]);
    for (rows, horizon) in [(&near, 30), (&far, 120)] {
        let labels = labels(rows);
        for tick in (5..300).step_by(5) {
            let ahead = tick < 201 && 201 <= tick + horizon;
            match labels.get(&("beta", tick)) {
                // In the incident, and for the cool-down of 10 s after it.
                None => assert!((201..221).contains(&tick), "{tick}"),
                Some(label) => assert_eq!(*label, Some(ahead), "{tick}"),
            }
        }
        let at = rows.label.iter().position(|label| *label == Some(true)).unwrap();
        assert_eq!(rows.known_at[at].map(second), Some(600));
    }
}
