//! Which crate may depend on which, and which heavy dependency stands behind which crate.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, MetadataCommand};

/// Allowed arrows between the project's crates, from user to used. What is not here is refused.
const ARROWS: &[(&str, &[&str])] = &[
    ("foreshift-domain", &[]),
    ("foreshift-features", &["foreshift-domain"]),
    ("foreshift-predict", &["foreshift-domain"]),
    ("foreshift-policy", &["foreshift-domain"]),
    ("foreshift-logs", &["foreshift-domain"]),
    (
        "foreshift-engine",
        &[
            "foreshift-domain",
            "foreshift-features",
            "foreshift-predict",
            "foreshift-policy",
        ],
    ),
    ("foreshift-boost", &["foreshift-predict"]),
    (
        "foreshift-registry",
        &["foreshift-domain", "foreshift-engine", "foreshift-predict"],
    ),
    ("foreshift-config", &["foreshift-domain", "foreshift-features"]),
    ("foreshift-proto", &["foreshift-domain"]),
    (
        "foreshift-ingest",
        &["foreshift-domain", "foreshift-logs", "foreshift-proto"],
    ),
    ("foreshift-xds", &["foreshift-domain"]),
    (
        "foreshift-serve",
        &["foreshift-domain", "foreshift-proto", "foreshift-xds"],
    ),
    ("foreshift-client", &["foreshift-proto"]),
    ("foreshift-sim", &["foreshift-domain"]),
    (
        "foreshift",
        &[
            "foreshift-config",
            "foreshift-domain",
            "foreshift-engine",
            "foreshift-features",
            "foreshift-ingest",
            "foreshift-logs",
            "foreshift-policy",
            "foreshift-predict",
            "foreshift-proto",
            "foreshift-registry",
            "foreshift-serve",
            "foreshift-sim",
        ],
    ),
    (
        "foreshift-lab",
        &[
            "foreshift-boost",
            "foreshift-config",
            "foreshift-domain",
            "foreshift-engine",
            "foreshift-features",
            "foreshift-ingest",
            "foreshift-logs",
            "foreshift-predict",
            "foreshift-registry",
            "foreshift-sim",
        ],
    ),
    ("foreshift-testbed", &["foreshift-domain", "foreshift-ingest"]),
];

/// Crates below the shell line, and all that they may use from outside.
const PURE: &[&str] = &[
    "foreshift-domain",
    "foreshift-features",
    "foreshift-predict",
    "foreshift-policy",
    "foreshift-logs",
    "foreshift-engine",
];
const PURE_MAY_USE: &[&str] = &[
    "aho-corasick",
    "indexmap",
    "libm",
    "postcard",
    "rustc-hash",
    "serde",
    "serde_json",
    "sha2",
    "thiserror",
];

/// Heavy dependencies, and the crates behind which each one stands.
const HEAVY: &[(&str, &[&str])] = &[
    ("rdkafka", &["foreshift-ingest", "foreshift", "foreshift-testbed"]),
    (
        "envoy-types",
        &["foreshift-xds", "foreshift-serve", "foreshift-ingest"],
    ),
    ("parquet", &["foreshift-ingest"]),
    (
        "tonic",
        &[
            "foreshift-client",
            "foreshift-ingest",
            "foreshift-proto",
            "foreshift-serve",
            "foreshift-testbed",
            "foreshift",
        ],
    ),
    ("polars", &["foreshift-lab"]),
    ("linfa", &["foreshift-lab"]),
    ("linfa-bayes", &["foreshift-lab"]),
    ("linfa-ftrl", &["foreshift-lab"]),
    ("linfa-logistic", &["foreshift-lab"]),
    ("smartcore", &["foreshift-lab"]),
];

fn direct_dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let metadata = MetadataCommand::new()
        .no_deps()
        .exec()
        .expect("cargo metadata answers");
    let packages = metadata
        .packages
        .into_iter()
        .filter(|package| package.name.as_str() != "foreshift-tests");
    packages
        .map(|package| {
            let used = package
                .dependencies
                .iter()
                .filter(|used| used.kind == DependencyKind::Normal);
            (
                package.name.to_string(),
                used.map(|used| used.name.clone()).collect(),
            )
        })
        .collect()
}

#[test]
fn crates_depend_on_each_other_only_along_allowed_arrows() {
    let allowed: BTreeMap<_, _> = ARROWS.iter().copied().collect();
    for (user, used) in direct_dependencies() {
        let may = allowed
            .get(user.as_str())
            .unwrap_or_else(|| panic!("{user} is not in the table of arrows"));
        for name in used.iter().filter(|name| name.starts_with("foreshift")) {
            assert!(
                may.contains(&name.as_str()),
                "{user} uses {name}, which the table of arrows does not allow"
            );
        }
    }
}

#[test]
fn crates_below_the_shell_line_use_nothing_that_could_reach_outside() {
    let used = direct_dependencies();
    for name in PURE {
        for outside in used[*name].iter().filter(|used| !used.starts_with("foreshift")) {
            assert!(
                PURE_MAY_USE.contains(&outside.as_str()),
                "{name} is pure and uses {outside}"
            );
        }
    }
}

#[test]
fn every_heavy_dependency_stands_behind_its_crates() {
    for (user, used) in direct_dependencies() {
        for (heavy, behind) in HEAVY {
            assert!(
                !used.contains(*heavy) || behind.contains(&user.as_str()),
                "{user} uses {heavy}"
            );
        }
    }
}

#[test]
fn every_pure_crate_is_held_by_the_lints_of_the_shell_line() {
    let root = MetadataCommand::new()
        .no_deps()
        .exec()
        .expect("cargo metadata answers")
        .workspace_root;
    let lints = std::fs::read_to_string(root.join("clippy-pure.toml")).expect("the lints are there");
    for refused in [
        "std::time::SystemTime",
        "std::fs::File",
        "std::collections::HashMap",
        "f64::exp",
        "f64::ln",
    ] {
        assert!(lints.contains(refused), "{refused} is not refused");
    }
    for name in PURE {
        let path = root.join("crates").join(name).join("clippy.toml");
        assert_eq!(
            std::fs::read_to_string(path).expect("the crate has lints"),
            lints,
            "{name}"
        );
    }
}

#[test]
fn the_online_binary_links_no_offline_library() {
    let metadata = MetadataCommand::new().exec().expect("cargo metadata answers");
    let resolve = metadata.resolve.expect("dependencies are resolved");
    let id = metadata
        .packages
        .iter()
        .find(|package| package.name.as_str() == "foreshift")
        .map(|package| &package.id);
    let mut waiting = vec![id.expect("the online binary exists").clone()];
    let mut seen = BTreeSet::new();
    while let Some(id) = waiting.pop() {
        let node = resolve
            .nodes
            .iter()
            .find(|node| node.id == id)
            .expect("every package is resolved");
        for dep in &node.deps {
            let linked = dep
                .dep_kinds
                .iter()
                .any(|kind| kind.kind == DependencyKind::Normal);
            if linked && seen.insert(dep.pkg.clone()) {
                waiting.push(dep.pkg.clone());
            }
        }
    }
    let names: BTreeSet<_> = metadata
        .packages
        .iter()
        .filter(|p| seen.contains(&p.id))
        .map(|p| p.name.as_str())
        .collect();
    for offline in ["polars", "linfa", "linfa-bayes", "linfa-ftrl", "smartcore"] {
        assert!(!names.contains(offline), "the online binary links {offline}");
    }
    assert!(
        names.contains("rdkafka"),
        "the walk over dependencies found nothing"
    );
}
