//! `models show`.

use foreshift_registry::{Change, Manifest, ModelName, Registry, read_version};
use serde_json::{Value, json};

use super::words;

pub(super) fn run(registry: &Registry, name: &ModelName, as_json: bool) -> anyhow::Result<()> {
    let manifest = registry.manifest(name)?;
    read_version(&registry.dir(name), &manifest)?;
    let aliases = registry.aliases()?;
    let metrics = registry.metrics(name)?;
    let card = registry.card(name)?;
    let history: Vec<&Change> = aliases
        .history
        .iter()
        .filter(|change| [&change.from, &change.to].contains(&&Some(name.clone())))
        .collect();
    if as_json {
        let all = json!({
            "manifest": manifest, "aliases": aliases.of(name), "metrics": metrics, "card": card, "history": history,
        });
        println!("{}", serde_json::to_string_pretty(&all)?);
        return Ok(());
    }
    print!("{}", summary(&manifest, &aliases.of(name), &metrics));
    for change in history {
        println!("  {}", told(change));
    }
    println!("\n{card}");
    Ok(())
}

fn summary(manifest: &Manifest, held: &[&str], metrics: &Value) -> String {
    let digest = manifest.sha256.to_string();
    let mut text = format!("{}", manifest.name);
    if !held.is_empty() {
        text += &format!(" ({})", held.join(", "));
    }
    text += &format!(
        "\n  trained on   {}{}\n  made by      {}",
        manifest.trained_on,
        if manifest.simulated { " (simulated)" } else { "" },
        manifest.created_by
    );
    if let Some(parent) = &manifest.parent {
        text += &format!(", from {parent}");
    }
    if let Some(revision) = &manifest.git_revision {
        text += &format!(", at {revision}");
    }
    if let Some(at) = &manifest.created_at {
        text += &format!(", {at}");
    }
    text += &format!(
        "\n  file         {}, {} bytes, sha256 {digest}",
        manifest.file, manifest.bytes
    );
    if !manifest.horizons_s.is_empty() {
        text += &format!("\n  looks ahead  {}", words::horizons(&manifest.horizons_s));
    }
    if let Some(schema) = &manifest.feature_schema {
        text += &format!("\n  features     {}, schema {schema}", manifest.features);
    }
    for input in &manifest.inputs {
        let digest = input.sha256.map_or_else(
            || "no digest was kept".to_owned(),
            |digest| format!("sha256 {digest}"),
        );
        text += &format!("\n  input        {}, {digest}", input.name);
    }
    text + &format!("\n  metrics      {}\n", words::key_metrics(metrics))
}

/// A change of the registry in a line.
pub(super) fn told(change: &Change) -> String {
    let name = |name: &Option<ModelName>| {
        name.as_ref()
            .map_or_else(|| "none".to_owned(), ToString::to_string)
    };
    let kind = serde_json::to_value(change.kind).unwrap_or_default();
    format!(
        "{}  {}{} of {}: {} to {}, by {}: {}",
        change.at,
        kind.as_str().unwrap_or_default(),
        if change.forced { " (forced)" } else { "" },
        change.scale,
        name(&change.from),
        name(&change.to),
        change.who,
        change.reason
    )
}
