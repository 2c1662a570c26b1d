//! The files: can they be read, and do they mean something that can be run?

use std::path::Path;
use std::sync::Arc;

use foreshift_config::{ConfigErrors, Loaded, ProcessConfig};
use foreshift_domain::fallback::{Fallback, Mode, Role};
use foreshift_engine::{Alert, Engine, Output};
use foreshift_predict::Model;

use crate::cli::render::Finding;
use crate::run::{in_registry, registry_of};

/// Both files, where they can be used.
pub(super) fn check(config: &Path, findings: &mut Vec<Finding>) -> (Option<ProcessConfig>, Option<Fallback>) {
    let loaded = foreshift_config::load_process(config, std::env::vars());
    let Some(process) = told(config, loaded, findings) else {
        return (None, None);
    };
    let path = process.fallback_path.as_path();
    let fallback = told(path, foreshift_config::load_fallback(path), findings);
    if let Some(fallback) = &fallback {
        if let Err(why) = foreshift_config::refuse_for_live(fallback) {
            findings.push(Finding::fail(
                path.display().to_string(),
                why,
                "remove discover.confirm_baselines",
            ));
        }
        routes(fallback, findings);
        match registry_of(&process) {
            Some(root) => registry(root, fallback, findings),
            None => model(process.model_path.as_deref(), fallback, findings),
        }
    }
    (Some(process), fallback)
}

fn told<T>(path: &Path, loaded: Result<Loaded<T>, ConfigErrors>, findings: &mut Vec<Finding>) -> Option<T> {
    let about = path.display().to_string();
    match loaded {
        Ok(loaded) => {
            findings.push(Finding::ok(&about, "is valid"));
            findings.extend(
                loaded
                    .warnings
                    .iter()
                    .map(|warning| Finding::warn(&about, warning, "")),
            );
            Some(loaded.value)
        }
        Err(errors) => {
            let found = errors.errors().iter().map(|error| {
                let line = error.line().map_or(String::new(), |line| format!(":{line}"));
                let at = if error.path.is_empty() {
                    String::new()
                } else {
                    format!("{}: ", error.path)
                };
                Finding::fail(
                    format!("{about}{line}"),
                    format!("{at}{}", error.message),
                    &error.hint,
                )
            });
            findings.extend(found);
            None
        }
    }
}

/// Whether there is somewhere to go, and how much room there is.
fn routes(fallback: &Fallback, findings: &mut Vec<Finding>) {
    let discovers = fallback.discover.is_some();
    if fallback.routes.is_empty() {
        let message = "no route is configured, all are discovered: they never leave shadow by themselves";
        let hint = "`foreshift baseline confirm` each, or configure routes";
        findings.push(Finding::warn("routes", message, hint));
    }
    let mut declared = 0_usize;
    for route in &fallback.routes {
        let about = format!("route {}", route.name);
        if route.targets.len() < 2 && !discovers {
            let message = "has one target: there is nowhere to move traffic to";
            findings.push(Finding::warn(&about, message, "add a secondary with a capacity"));
        }
        for target in route
            .targets
            .iter()
            .filter(|target| target.role == Role::Secondary)
        {
            let config = fallback.target(&target.target);
            if config.is_some_and(|config| config.capacity.is_some()) {
                declared += 1;
                continue;
            }
            let message = format!(
                "secondary {} declares no capacity: a shift could drown it",
                target.target
            );
            findings.push(Finding::fail(
                &about,
                message,
                "set targets[].capacity, such as `500 rps`",
            ));
        }
        if route.settings.mode == Mode::Auto {
            findings.push(Finding::ok(&about, "mode auto: it acts by itself"));
        }
    }
    if declared > 0 {
        findings.push(Finding::ok(
            "capacities",
            format!("{declared} secondaries declare theirs"),
        ));
    }
}

/// Whether a champion of the registry can serve this configuration.
fn registry(root: &Path, fallback: &Fallback, findings: &mut Vec<Finding>) {
    let about = format!("models {}", root.display());
    findings.push(match in_registry(root, fallback) {
        Ok(chosen) => Finding::ok(about, format!("{} is the champion", chosen.model.version().name)),
        Err(error) => Finding::fail(
            about,
            format!("no champion can serve: {error:#}"),
            "`foreshift-lab models list` shows what there is, `models promote` names another",
        ),
    });
}

/// Whether the model reads the features and looks at the horizons of this configuration.
fn model(dir: Option<&Path>, fallback: &Fallback, findings: &mut Vec<Finding>) {
    let Some(dir) = dir else {
        findings.push(match foreshift_registry::shipped(fallback) {
            Some(chosen) => Finding::ok("model", format!("the built-in one, {}", chosen.model.version())),
            None => Finding::warn(
                "model",
                "no built-in one looks at these horizons: predictions begin with recurrence alone, and learn",
                "use the default timing.horizons, or name a model that fits in model_path",
            ),
        });
        return;
    };
    let about = format!("model {}", dir.display());
    let hint = "the reactive rules alone would act; name a model of this build in model_path";
    let read = std::fs::read_to_string(dir.join("model.json")).map_err(|error| error.to_string());
    let loaded = read.and_then(|text| Model::from_json(&text).map_err(|error| error.to_string()));
    let model = match loaded {
        Ok(model) => model,
        Err(why) => return findings.push(Finding::fail(about, format!("cannot be used: {why}"), hint)),
    };
    let version = model.version();
    // The engine itself says whether it would take the model.
    let mut engine = Engine::new(0, Arc::new(fallback.clone()), model);
    while let Some(output) = engine.poll_output() {
        if let Output::Alert(Alert::ModelRefused { reason, .. }) = output {
            return findings.push(Finding::fail(about, format!("would be refused: {reason}"), hint));
        }
    }
    findings.push(Finding::ok(about, version.to_string()));
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::cli::render::Level;

    #[test]
    fn every_mistake_of_a_file_is_a_finding_of_its_own() {
        let dir = tempfile::tempdir().unwrap();
        let config = dir.path().join("foreshift.yaml");
        fs::write(
            &config,
            "kafka:\n  brokers: [k:9092]\n  broker: x\ntime: {clocks: wall}\n",
        )
        .unwrap();
        let mut findings = Vec::new();
        let (process, fallback) = check(&config, &mut findings);
        assert!(process.is_none() && fallback.is_none());
        assert_eq!(
            findings
                .iter()
                .filter(|finding| finding.level == Level::Fail)
                .count(),
            2,
            "{findings:?}"
        );
        assert!(
            findings.iter().all(|finding| !finding.hint.is_empty()),
            "{findings:?}"
        );
    }

    #[test]
    fn what_only_a_replay_may_do_fails_the_check() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("foreshift.yaml"), "kafka: {brokers: [k:9092]}\n").unwrap();
        fs::write(
            dir.path().join("fallback.yaml"),
            "discover: {confirm_baselines: true}\n",
        )
        .unwrap();
        let mut findings = Vec::new();
        check(&dir.path().join("foreshift.yaml"), &mut findings);
        assert!(
            findings
                .iter()
                .any(|finding| finding.level == Level::Fail && finding.hint.contains("confirm"))
        );
    }
}
