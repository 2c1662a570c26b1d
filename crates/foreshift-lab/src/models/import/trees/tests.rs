use clap::Parser;
use foreshift_domain::Digest;
use foreshift_predict::{ALL_HEADS, InputSpec, TargetModel};
use foreshift_registry::{By, Manifest, ModelName, Release};

use super::super::run;
use super::*;
use crate::models::now;

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    args: ImportArgs,
}

/// Models of both libraries, with features `feature_0` and so on.
fn file(name: &str) -> String {
    format!(
        "{}/../foreshift-predict/tests/imports/{name}",
        env!("CARGO_MANIFEST_DIR")
    )
}

/// A linear model of 30 s and 2 min that reads these features after another one.
fn linear(features: usize) -> Model {
    let names = std::iter::once("other".to_owned()).chain((0..features).map(|at| format!("feature_{at}")));
    let input = |name| InputSpec {
        name,
        edges: vec![0.0, 1.0],
        heads: ALL_HEADS,
        missing_tells: true,
        rarity: false,
    };
    let horizons = [30, 120].map(Duration::from_secs);
    Model::fresh(
        "live@1",
        Digest::of(b"test"),
        names.map(input).collect(),
        &horizons,
    )
}

/// A registry with that model as champion.
fn registry(features: usize) -> (tempfile::TempDir, Registry) {
    let dir = tempfile::tempdir().unwrap();
    let registry = Registry::create(dir.path()).unwrap();
    let add = |name: ModelName| -> anyhow::Result<Release> {
        let model = linear(features);
        Ok(Release {
            manifest: Manifest {
                simulated: true,
                ..Manifest::of(name, &model, "a test", "nothing")
            },
            model: model.to_json()?.into_bytes(),
            metrics: "null".to_owned(),
            card: String::new(),
        })
    };
    let name = registry.add("live", add).unwrap();
    let by = By {
        who: "ana",
        reason: "the first",
        at: now(),
    };
    registry.promote(&name, None, &by, false, None).unwrap();
    (dir, registry)
}

fn import(registry: &Registry, args: &[&str]) -> anyhow::Result<()> {
    let cli = Cli::try_parse_from([&["import", "--trained-on", "a test"], args].concat())?;
    run(registry, &cli.args)
}

fn refusal(registry: &Registry, args: &[&str]) -> String {
    format!("{:#}", import(registry, args).unwrap_err())
}

#[test]
fn trees_of_both_libraries_stand_beside_the_champion_and_say_what_they_said_there() {
    let (_dir, registry) = registry(12);
    let light = format!("30s={}", file("lightgbm.txt"));
    let extreme = format!("2m={}", file("xgboost.json"));
    let until = "2025-01-01";
    import(
        &registry,
        &["--head", &light, "--head", &extreme, "--grown-until", until],
    )
    .unwrap();
    let name: ModelName = "live@2".parse().unwrap();
    let (manifest, model) = registry.load(&name).unwrap();
    assert_eq!(manifest.parent, Some("live@1".parse().unwrap()));
    assert!(manifest.simulated, "its linear model learned from simulation");
    assert_eq!(manifest.inputs.len(), 2);

    let rows = std::fs::read_to_string(file("rows.csv")).unwrap();
    let row: Vec<f64> = rows
        .lines()
        .next()
        .unwrap()
        .split(',')
        .map(|value| value.parse().unwrap())
        .collect();
    let shifted: Vec<f64> = [f64::NAN]
        .into_iter()
        .chain(row)
        .chain([f64::NAN; 12])
        .take(13)
        .collect();
    for (trees, said) in model.trees().zip(["lightgbm.csv", "xgboost.csv"]) {
        let said = std::fs::read_to_string(file(said)).unwrap();
        let expected: f64 = said
            .lines()
            .next()
            .unwrap()
            .split(',')
            .next()
            .unwrap()
            .parse()
            .unwrap();
        assert!((trees.probability(&shifted) - expected).abs() < 1e-6);
    }
    // Before the trees' time the linear model stands alone, afterwards it does not.
    let said = |at| {
        let mut out = [0.0; 2];
        let target = TargetModel::default();
        model
            .predict(&target, Timestamp::from_secs(at), &shifted, &mut out)
            .unwrap();
        out
    };
    assert_ne!(said(1_700_000_000), said(1_800_000_000));
}

#[test]
fn horizons_that_nothing_is_named_for_keep_their_trees_as_they_are() {
    let (_dir, registry) = registry(12);
    let light = file("lightgbm.txt");
    let both = [format!("30s={light}"), format!("2m={light}")];
    import(&registry, &["--head", &both[0], "--head", &both[1]]).unwrap();
    let other = format!("2m={}", file("xgboost.json"));
    import(&registry, &["--beside", "live@2", "--head", &other]).unwrap();
    let load = |name: &str| registry.load(&name.parse().unwrap()).unwrap().1;
    let (before, after) = (load("live@2"), load("live@3"));
    let same: Vec<bool> = before.trees().zip(after.trees()).map(|(a, b)| a == b).collect();
    assert_eq!(same, [true, false]);
}

#[test]
fn what_does_not_fit_is_refused_by_name() {
    let (dir, small) = registry(1);
    let light = format!("30s={}", file("lightgbm.txt"));
    let said = refusal(&small, &["--head", &light, "--head", &light.replace("30s", "2m")]);
    assert!(
        said.contains("lightgbm.txt") && said.contains("reads feature \"feature_"),
        "{said}"
    );

    let (_dir, registry) = registry(12);
    let said = refusal(&registry, &["--head", &light]);
    assert!(said.contains("no trees of its own for 2m"), "{said}");
    let said = refusal(&registry, &["--head", &light.replace("30s", "10m")]);
    assert!(said.contains("does not look 10m ahead, but 30s, 2m"), "{said}");
    let said = refusal(&registry, &["--head", &light, "--head", &light]);
    assert!(said.contains("30s is named twice"), "{said}");
    let text = dir.path().join("notes.txt");
    std::fs::write(&text, "notes").unwrap();
    let said = refusal(&registry, &["--head", &format!("30s={}", text.display())]);
    assert!(said.contains("neither a text model of LightGBM"), "{said}");
    assert!(import(&registry, &["--head", "model.txt"]).is_err());
    assert_eq!(registry.versions().unwrap().len(), 1, "nothing was left behind");
}
