use foreshift_domain::{Duration, Timestamp};

use super::*;
use crate::aliases::MAX_HISTORY;

fn by(reason: &str) -> By<'_> {
    By {
        who: "ana",
        reason,
        at: Timestamp::from_secs(1_700_000_000),
    }
}

fn model(name: &ModelName) -> Model {
    Model::fresh(
        &name.to_string(),
        Digest::of(b"features"),
        Vec::new(),
        &[Duration::HOUR],
    )
}

fn release(name: ModelName) -> Result<Release, RegistryError> {
    let model = model(&name);
    Ok(Release {
        manifest: Manifest::of(name, &model, "a test", "nothing"),
        model: model.to_json().unwrap().into_bytes(),
        metrics: "{}".to_owned(),
        card: "# A card\n".to_owned(),
    })
}

/// A registry with versions 1 to 3 of `live`, the first one champion.
fn three() -> (tempfile::TempDir, Registry, [ModelName; 3]) {
    let dir = tempfile::tempdir().unwrap();
    let registry = Registry::create(&dir.path().join("models")).unwrap();
    let names = [(); 3].map(|()| registry.add("live", release).unwrap());
    registry
        .promote(&names[0], None, &by("the first"), false, None)
        .unwrap();
    (dir, registry, names)
}

#[test]
fn a_version_reads_back_as_it_was_written_and_the_next_one_has_the_next_number() {
    let (_dir, registry, names) = three();
    assert_eq!(names.each_ref().map(ModelName::version), [1, 2, 3]);
    let (manifest, read) = registry.load(&names[1]).unwrap();
    assert_eq!(read, model(&names[1]));
    assert_eq!((manifest.features, manifest.horizons_s), (0, vec![3_600.0]));
    assert_eq!(registry.versions().unwrap(), names);
    assert_eq!(registry.card(&names[0]).unwrap(), "# A card\n");
}

#[test]
fn a_version_that_is_there_is_not_written_over() {
    let (_dir, registry, names) = three();
    let again = write_version(
        &registry.dir(&names[0]),
        release(names[0].clone()).unwrap(),
        false,
    );
    assert!(matches!(again, Err(RegistryError::Exists { .. })), "{again:?}");
}

#[test]
fn what_cannot_be_made_leaves_nothing_behind() {
    let (_dir, registry, names) = three();
    let failed = registry.add("live", |_| Err(RegistryError::Unsaid { limit: 0 }));
    assert!(failed.is_err());
    assert_eq!(registry.versions().unwrap(), names);
}

#[test]
fn a_model_file_that_was_changed_or_cut_short_is_refused_by_name() {
    let (_dir, registry, names) = three();
    let path = registry.dir(&names[1]).join("model.json");
    let whole = fs::read(&path).unwrap();
    for broken in [&whole[..whole.len() / 2], &[whole.as_slice(), b" "].concat()] {
        fs::write(&path, broken).unwrap();
        let refused = registry.load(&names[1]);
        assert!(
            matches!(refused, Err(RegistryError::Digest { .. })),
            "{refused:?}"
        );
        assert!(registry.promote(&names[1], None, &by("x"), true, None).is_err());
    }
    fs::remove_file(&path).unwrap();
    let refused = registry.load(&names[1]).unwrap_err().to_string();
    assert!(refused.contains("live/2/model.json"), "{refused}");
}

#[test]
fn broken_manifests_and_aliases_say_where_and_never_panic() {
    let (_dir, registry, names) = three();
    let manifest = registry.dir(&names[0]).join("manifest.json");
    let sound = fs::read_to_string(&manifest).unwrap();
    for broken in [
        "",
        "{}",
        "[1]",
        &sound.replace("\"format\": 1", "\"format\": 99"),
        &sound.replace("model.json", "../../model.json"),
        &sound.replace("live@1", "live@3"),
        &sound.replacen('{', "{\"surprise\": 1,", 1),
    ] {
        fs::write(&manifest, broken).unwrap();
        let refused = registry.manifest(&names[0]).unwrap_err().to_string();
        assert!(refused.contains("live/1/manifest.json"), "{refused}");
    }
    fs::write(
        registry.root().join("registry.json"),
        "{\"champion\": {\"live\": \"../1\"}}",
    )
    .unwrap();
    let refused = registry.aliases().unwrap_err().to_string();
    assert!(refused.contains("registry.json"), "{refused}");
    let unknown = registry
        .manifest(&"live@9".parse().unwrap())
        .unwrap_err()
        .to_string();
    assert!(
        unknown.contains("live@9") && unknown.contains("models list"),
        "{unknown}"
    );
}

#[test]
fn a_rollback_walks_back_through_promotions_and_no_further() {
    let (_dir, registry, names) = three();
    let champion = || registry.aliases().unwrap().champion.get("live").cloned();
    registry
        .promote(&names[1], None, &by("better"), false, None)
        .unwrap();
    registry
        .promote(&names[2], None, &by("better still"), true, None)
        .unwrap();
    registry.roll_back("live", Some(&names[2]), &by("worse")).unwrap();
    assert_eq!(champion(), Some(names[1].clone()));
    registry.roll_back("live", None, &by("worse too")).unwrap();
    assert_eq!(champion(), Some(names[0].clone()));
    let refused = registry.roll_back("live", None, &by("again"));
    assert!(
        matches!(refused, Err(RegistryError::NothingBefore { .. })),
        "{refused:?}"
    );
    let history = registry.aliases().unwrap().history;
    assert_eq!(history.len(), 5);
    assert!(history[2].forced && history[2].reason == "better still" && history[2].who == "ana");
    assert_eq!(history[3].at, "2023-11-14T22:13:20Z");
}

#[test]
fn a_promotion_or_rollback_against_another_champion_than_serves_is_refused() {
    let (_dir, registry, names) = three();
    let refused = registry.promote(&names[2], Some(&names[1]), &by("x"), false, None);
    assert!(
        matches!(refused, Err(RegistryError::MovedOn { .. })),
        "{refused:?}"
    );
    let refused = registry.roll_back("live", Some(&names[1]), &by("x"));
    assert!(
        matches!(refused, Err(RegistryError::MovedOn { .. })),
        "{refused:?}"
    );
}

#[test]
fn a_challenger_that_is_promoted_is_no_challenger_any_more() {
    let (_dir, registry, names) = three();
    registry.challenge(&names[1], &by("try it")).unwrap();
    assert!(registry.challenge(&names[1], &by("again")).is_err());
    assert!(registry.challenge(&names[0], &by("the champion")).is_err());
    assert_eq!(registry.aliases().unwrap().of(&names[1]), ["challenger"]);
    registry
        .promote(&names[1], None, &by("it won"), false, None)
        .unwrap();
    assert_eq!(registry.aliases().unwrap().of(&names[1]), ["champion"]);
    assert!(registry.withdraw("live", &by("none is left")).is_err());
}

#[test]
fn nobody_changes_an_alias_without_a_name_and_a_reason() {
    let (_dir, registry, names) = three();
    let long = "x".repeat(5_000);
    for reason in ["", "  ", &long] {
        let refused = registry.promote(&names[1], None, &by(reason), true, None);
        assert!(
            matches!(refused, Err(RegistryError::Unsaid { .. })),
            "{refused:?}"
        );
    }
}

#[test]
fn the_history_keeps_the_newest_changes_alone() {
    let (_dir, registry, names) = three();
    let mut aliases = registry.aliases().unwrap();
    for turn in 0..MAX_HISTORY + 10 {
        let name = names[1 + turn % 2].clone();
        aliases.promote(name, &by("to and fro"), false, None).unwrap();
    }
    assert_eq!(aliases.history.len(), MAX_HISTORY);
    assert!(aliases.before("live").is_some());
}

#[test]
fn concurrent_writers_lose_no_change_and_no_version() {
    let (_dir, registry, _) = three();
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let registry = &registry;
            scope.spawn(move || {
                let reason = format!("writer {writer}");
                for _ in 0..5 {
                    let name = registry.add("probe", release).unwrap();
                    registry.promote(&name, None, &by(&reason), false, None).unwrap();
                }
            });
        }
    });
    let probes = registry
        .versions()
        .unwrap()
        .into_iter()
        .filter(|name| name.scale() == "probe");
    assert_eq!(probes.count(), 20);
    let aliases = registry.aliases().unwrap();
    assert_eq!(
        aliases
            .history
            .iter()
            .filter(|change| change.scale == "probe")
            .count(),
        20
    );
    assert_eq!(
        aliases.champion["probe"],
        *aliases.history.last().unwrap().to.as_ref().unwrap()
    );
}

#[test]
fn the_shipped_registry_is_sound() {
    let registry = Registry::open(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models")).unwrap();
    let aliases = registry.aliases().unwrap();
    for name in registry.versions().unwrap() {
        let manifest = registry.manifest(&name).unwrap();
        read_version(&registry.dir(&name), &manifest).unwrap();
        assert!(!registry.card(&name).unwrap().is_empty() && !registry.metrics(&name).unwrap().is_null());
        if manifest.file == "model.json" {
            assert_eq!(registry.load(&name).unwrap().1.version().name, name.to_string());
        }
    }
    for name in aliases.champion.values().chain(aliases.challenger.values()) {
        registry.manifest(name).unwrap();
    }
}
