use super::*;
use crate::extract::tests::world::{fallback, first_inputs, steady};
use foreshift_ingest::journal::{Recorder, Retention};

/// Records steady traffic as `foreshift run` does, samples included as `change` leaves them. Long enough that one
/// prediction in a hundred is some.
fn journal(dir: &Path, first_seq: u64, mut change: impl FnMut(&mut Served)) -> u64 {
    let (fallback, mut samples) = (fallback(), 0);
    let mut engine = Engine::new(3, Arc::clone(&fallback), foreshift_engine::fresh_model(&fallback));
    engine.give_samples(true);
    let mut recorder = Recorder::open(dir, first_seq, Retention::default()).unwrap();
    for input in first_inputs(&fallback).iter().chain(&steady(0, 4_000)) {
        recorder.record(input, None).unwrap();
        engine.handle(input);
        while let Some(output) = engine.poll_output() {
            if let Output::Served(mut served) = output {
                change(&mut served);
                recorder.record_served(&served).unwrap();
                samples += 1;
            }
        }
    }
    recorder.seal().unwrap();
    samples
}

#[test]
fn what_was_served_comes_out_again() {
    let dir = tempfile::tempdir().unwrap();
    let samples = journal(dir.path(), 1, |_| {});
    let checked = check(dir.path(), None).unwrap();
    assert!(samples >= 5, "{samples} samples");
    assert_eq!((checked.samples, checked.missing), (samples, 0));
    assert!(checked.skewed.is_empty(), "{checked:?}");
}

#[test]
fn a_planted_skew_is_named_with_its_feature_and_first_place() {
    let dir = tempfile::tempdir().unwrap();
    let place = FEATURES
        .iter()
        .position(|spec| spec.name == "latency_p99_shift")
        .unwrap();
    let (mut seen, mut first) = (0, None);
    let samples = journal(dir.path(), 1, |served| {
        seen += 1;
        if seen > 2 {
            let value = served.features[place].unwrap_or_default();
            served.features[place] = Some(value.next_up());
            first.get_or_insert(served.id.to_string());
        }
    });
    let checked = check(dir.path(), None).unwrap();
    assert_eq!(checked.skewed.keys().collect::<Vec<_>>(), ["latency_p99_shift"]);
    let skewed = &checked.skewed["latency_p99_shift"];
    assert_eq!(
        (skewed.samples, Some(&skewed.first)),
        (samples - 2, first.as_ref())
    );
    let args = Args {
        journal: dir.path().to_owned(),
        after: None,
        output: Format::Text,
    };
    assert!(run(&args).is_err());
}

#[test]
fn a_prediction_that_is_not_made_again_is_missing() {
    let dir = tempfile::tempdir().unwrap();
    let mut seen = 0;
    journal(dir.path(), 1, |served| {
        seen += 1;
        if seen == 2 {
            served.id.target = "nobody".into();
        }
    });
    let checked = check(dir.path(), None).unwrap();
    assert_eq!(checked.missing, 1);
    assert!(checked.first_missing.unwrap().starts_with("nobody@"));
}

#[test]
fn a_journal_whose_beginning_is_lost_is_checked_only_after_a_while() {
    let dir = tempfile::tempdir().unwrap();
    let samples = journal(dir.path(), 1_000, |_| {});
    assert!(
        check(dir.path(), None)
            .unwrap_err()
            .to_string()
            .contains("--after")
    );
    let checked = check(dir.path(), Some(Duration::from_secs(1_500))).unwrap();
    assert!(checked.samples > 0 && checked.samples < samples);
}
