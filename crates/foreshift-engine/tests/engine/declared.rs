//! Features that the configuration declares.

use foreshift_domain::Input;
use foreshift_domain::signal::{Gauge, Observation};
use foreshift_engine::{Engine, Output, Row, fresh_model};

use crate::world::{YAML, clock, fallback, feed, signal, watermark};

fn declaring(features: &str) -> String {
    format!("{YAML}\nfeatures:\n{features}")
}

const CROWDED: &str = "  - {name: crowded, expression: \"gauge('queue', mean_long) * 10\"}\n  - {name: crowded_twice, expression: crowded * 2}\n";

/// A minute in which a queue stands at 4.
fn queueing() -> Vec<Input> {
    let mut inputs = Vec::new();
    for second in 0..60 {
        let queue = Observation::Gauge(Gauge {
            name: "queue".into(),
            value: 4.0,
            limit: None,
        });
        inputs.push(signal(f64::from(second), "alpha", queue));
        inputs.push(clock(f64::from(second) + 0.9));
        inputs.push(watermark(f64::from(second) + 0.9));
    }
    inputs
}

fn rows(engine: &mut Engine, inputs: &[Input]) -> Vec<Row> {
    engine.give_rows(true);
    let outputs = feed(engine, inputs).into_iter();
    outputs
        .filter_map(|output| match output {
            Output::Row(row) => Some(*row),
            _ => None,
        })
        .collect()
}

#[test]
fn a_declared_feature_stands_in_the_row_and_a_fresh_model_reads_it() {
    let fallback = fallback(&declaring(CROWDED));
    let model = fresh_model(&fallback);
    let names: Vec<_> = model.inputs().iter().map(|input| input.name.clone()).collect();
    let mut engine = Engine::new(1, fallback, model);
    let rows = rows(&mut engine, &queueing());
    let last = rows.last().expect("rows");
    assert_eq!(last.features.len(), names.len());
    assert_eq!(names[names.len() - 2..], ["crowded", "crowded_twice"]);
    assert_eq!(last.features[names.len() - 2..], [40.0, 80.0]);
}

#[test]
fn a_model_goes_on_when_a_feature_it_does_not_read_is_declared_and_not_when_its_own_changes() {
    let mut engine = crate::world::engine(YAML);
    let alerts = |engine: &mut Engine, yaml: &str| {
        let changed = feed(engine, &[Input::Fallback(fallback(yaml))]);
        let alerts = changed
            .into_iter()
            .filter(|output| matches!(output, Output::Alert(_)));
        alerts.count()
    };
    assert_eq!(alerts(&mut engine, &declaring(CROWDED)), 0, "one more feature");
    let mut engine = crate::world::engine(&declaring(CROWDED));
    let other = CROWDED.replace("* 10", "* 20");
    assert_eq!(alerts(&mut engine, &declaring(&other)), 1, "another meaning");
    let inputs = engine.model().inputs();
    assert_eq!(
        inputs[inputs.len() - 1].name,
        "crowded_twice",
        "a fresh model took its place"
    );
}
