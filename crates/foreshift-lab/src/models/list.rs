//! `models list`.

use foreshift_registry::Registry;
use serde_json::json;

use super::words;

pub(super) fn run(registry: &Registry, as_json: bool) -> anyhow::Result<()> {
    let aliases = registry.aliases()?;
    let now = words::now();
    let (mut rows, mut listed, mut broken) = (Vec::new(), Vec::new(), Vec::new());
    for name in registry.versions()? {
        let held = aliases.of(&name);
        let manifest = match registry.manifest(&name) {
            Ok(manifest) => manifest,
            Err(error) => {
                broken.push(format!("{name}: {error}"));
                continue;
            }
        };
        let metrics = registry.metrics(&name)?;
        listed.push(json!({"name": name, "aliases": held, "manifest": manifest, "metrics": metrics}));
        rows.push([
            name.scale().to_owned(),
            name.to_string(),
            if held.is_empty() {
                "-".to_owned()
            } else {
                held.join(", ")
            },
            format!(
                "{}{}",
                manifest.trained_on,
                if manifest.simulated { " (simulated)" } else { "" }
            ),
            if manifest.horizons_s.is_empty() {
                "-".to_owned()
            } else {
                words::horizons(&manifest.horizons_s)
            },
            words::key_metrics(&metrics),
            words::age(manifest.created_at.as_deref(), now),
        ]);
    }
    if as_json {
        println!(
            "{}",
            serde_json::to_string_pretty(&json!({"versions": listed, "broken": broken}))?
        );
    } else {
        let head = [
            "SCALE",
            "VERSION",
            "ALIASES",
            "TRAINED ON",
            "HORIZONS",
            "METRICS",
            "AGE",
        ];
        print!("{}", words::table(head, &rows));
        broken.iter().for_each(|broken| eprintln!("broken: {broken}"));
    }
    Ok(())
}
