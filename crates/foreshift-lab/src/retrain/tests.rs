use std::path::Path;

use clap::Parser;
use foreshift_domain::signal::{Gauge, Health, Observation, Signal};
use foreshift_domain::{Input, ModelUpdate, Timestamp, Watermark};
use foreshift_ingest::journal::{Recorder, Retention};
use serde_json::Value;

use super::*;

const YAML: &str = "
timing: {bucket: 10s, tick: 10s, horizons: [30s], guard: 0s, windows: [10s, 30s, 5m, 1h], cooldown: 10s, staleness: 60s}
learning: {online: true, rows_per_horizon: 3}
defaults: {triggers: {risk: {horizon: 30s}}}
routes:
  - name: llm
    targets:
";
const TARGETS: i64 = 12;
const START: i64 = 1_700_000_000;

fn fallback() -> Fallback {
    let share = |target| {
        if target == 0 {
            10_000 - 800 * (TARGETS - 1)
        } else {
            800
        }
    };
    let target = |target| {
        format!(
            "      - {{name: t{target}, role: primary, baseline_bp: {}, capacity: 10 rps}}\n",
            share(target)
        )
    };
    let targets: String = (0..TARGETS).map(target).collect();
    let parsed = foreshift_config::parse_fallback(&format!("{YAML}{targets}"), "test.yaml");
    parsed.map_err(|errors| errors.to_string()).unwrap().value
}

/// A model that knows how often targets fail, and reads nothing.
fn blind(fallback: &Fallback) -> Model {
    let fresh = foreshift_engine::fresh_model(fallback);
    let mut inputs = fresh.inputs().to_vec();
    inputs.iter_mut().for_each(|input| input.heads = 0);
    Model::fresh("near@1", fresh.schema(), inputs, fresh.horizons())
}

/// A journal in which a queue fills up before each incident, and at times for nothing; served by a model that does not
/// look at it. The champion of the registry is a fresh one that can.
fn world(dir: &Path, hours: i64) -> Registry {
    let fallback = fallback();
    let champion = foreshift_engine::fresh_model(&fallback).named("near@1");
    let registry = Registry::create(&dir.join("models")).unwrap();
    let add = |name: ModelName| -> anyhow::Result<Release> {
        Ok(Release {
            manifest: Manifest::of(name, &champion, "a test", "nothing"),
            model: champion.to_json()?.into_bytes(),
            metrics: "null".to_owned(),
            card: String::new(),
        })
    };
    let name = registry.add("near", add).unwrap();
    let by = By {
        who: "ana",
        reason: "the first",
        at: now(),
    };
    registry.promote(&name, None, &by, false, None).unwrap();

    let mut recorder = Recorder::open(&dir.join("journal"), 1, Retention::default()).unwrap();
    let served = blind(&fallback);
    let update = ModelUpdate {
        name: served.version().name,
        model_json: served.to_json().unwrap(),
        ..ModelUpdate::default()
    };
    let mut record = |input: Input| recorder.record(&input, None).unwrap();
    record(Input::Fallback(fallback.into()));
    record(Input::Model(update.into()));
    for step in 0..hours * 360 {
        let time = Timestamp::from_secs(START + 10 * step);
        for target in 0..TARGETS {
            let signal = |observation| {
                Input::Signal(Signal {
                    time,
                    target: format!("t{target}").as_str().into(),
                    route: None,
                    gateway: None,
                    endpoint: None,
                    observation,
                })
            };
            // An incident of 20 s every 40 minutes or so, three steps after the queue has begun to fill.
            let place = (step + 37 * target + (step / 240) * (target % 5)) % 240;
            let health = if (200..202).contains(&place) {
                Health::Down
            } else {
                Health::Up
            };
            let fills = (197..200).contains(&place) || (100..103).contains(&place) && target % 3 == 0;
            record(signal(Observation::Health(health)));
            record(signal(Observation::Gauge(Gauge {
                name: "queue".into(),
                value: if fills { 90.0 } else { 20.0 } + ((step * 7 + target) % 5) as f64,
                limit: Some(100.0),
            })));
        }
        record(Input::Watermark(Watermark {
            time: time + Duration::from_secs(10),
            idle_partitions: 0,
        }));
        record(Input::Clock(time + Duration::from_secs(10)));
    }
    recorder.seal().unwrap();
    registry
}

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    args: Args,
}

fn asked(dir: &Path, args: &[&str]) -> anyhow::Result<Value> {
    let [journal, models] = ["journal", "models"].map(|name| dir.join(name).display().to_string());
    let fixed = [
        "retrain",
        "--journal",
        &journal,
        "--models",
        &models,
        "--actor",
        "ana",
    ];
    let cli = Cli::try_parse_from([&fixed, args].concat())?;
    let report = retrain(&cli.args)?;
    println!("{report}");
    Ok(serde_json::to_value(&report)?)
}

#[test]
fn what_a_blind_champion_missed_is_learned_and_promoted_once_the_gate_has_passed() {
    let dir = tempfile::tempdir().unwrap();
    let registry = world(dir.path(), 60);
    let report = asked(dir.path(), &[]).unwrap();
    assert_eq!(report["outcome"], "promoted", "{report:#}");
    let held_out = &report["held_out"][0];
    let precision = |model: &str| held_out[model]["average_precision"].as_f64().unwrap();
    assert!(
        precision("challenger") > 0.5 && precision("champion") < 0.2,
        "{held_out:#}"
    );

    let name: ModelName = "near@2".parse().unwrap();
    let aliases = registry.aliases().unwrap();
    assert_eq!(aliases.champion.get("near"), Some(&name));
    let manifest = registry.manifest(&name).unwrap();
    assert_eq!(manifest.parent, Some("near@1".parse().unwrap()));
    assert!(!manifest.simulated);
    assert!(registry.card(&name).unwrap().contains("average precision"));
    let (_, model) = registry.load(&name).unwrap();
    assert!(model.trees().next().is_some());
}

#[test]
fn a_model_that_has_not_proved_itself_yet_stays_challenger() {
    let dir = tempfile::tempdir().unwrap();
    let registry = world(dir.path(), 12);
    let dry = asked(dir.path(), &["--dry-run"]).unwrap();
    assert_eq!(dry["outcome"], "dry_run");
    assert_eq!(registry.versions().unwrap().len(), 1);

    let report = asked(dir.path(), &[]).unwrap();
    assert_eq!(report["outcome"], "challenger", "{report:#}");
    assert_eq!(
        report["gate"], dry["gate"],
        "the same journal gives the same evidence"
    );
    assert_eq!(report["version"], "near@2");
    let aliases = registry.aliases().unwrap();
    assert_eq!(aliases.champion["near"].to_string(), "near@1");
    assert_eq!(aliases.challenger["near"].to_string(), "near@2");
}

#[test]
fn too_few_incidents_are_a_message_and_no_model() {
    let dir = tempfile::tempdir().unwrap();
    let registry = world(dir.path(), 1);
    let report = asked(dir.path(), &["--judge", "0.8"]).unwrap();
    assert_eq!(
        (&report["outcome"], &report["needed"]),
        (&"too_few_incidents".into(), &MIN_INCIDENTS.into())
    );
    assert_eq!(report["version"], Value::Null);
    assert_eq!(registry.versions().unwrap().len(), 1);
}

#[test]
fn a_configuration_that_no_champion_fits_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let registry = world(dir.path(), 1);
    std::fs::remove_dir_all(registry.root()).unwrap();
    Registry::create(registry.root()).unwrap();
    let error = asked(dir.path(), &[]).unwrap_err().to_string();
    assert!(error.contains("no champion fits"), "{error}");
}

#[test]
fn what_teaches_ends_a_longest_horizon_before_what_is_judged() {
    let timing = fallback().timing;
    let times = Times::new(Timestamp::from_secs(0), Timestamp::from_secs(1_000), 0.3, &timing);
    assert_eq!(times.cut, Timestamp::from_secs(700));
    assert_eq!(times.first_cut, Timestamp::from_secs(525));
    assert_eq!(times.judged, Timestamp::from_secs(730));
}
