//! `models import`: a model from elsewhere becomes a version.

use std::path::PathBuf;

use anyhow::{Context, ensure};
use clap::Args as ClapArgs;
use foreshift_domain::rfc3339;
use foreshift_predict::Model;
use foreshift_registry::{InputFile, Manifest, ModelName, Registry, Release};
use serde_json::Value;

use super::words;

/// Arguments of `models import`.
#[derive(ClapArgs)]
pub(super) struct ImportArgs {
    /// The model: JSON as `foreshift-lab replay --save-model` and `train` write it.
    file: PathBuf,
    /// The scale it becomes a version of.
    #[arg(long, default_value = "live")]
    scale: String,
    /// What it learned from, in a sentence.
    #[arg(long)]
    trained_on: String,
    /// It learned from simulation; every explanation will say so.
    #[arg(long)]
    simulated: bool,
    /// A file that it learned from; its digest goes into the manifest.
    #[arg(long, value_name = "FILE")]
    input: Vec<PathBuf>,
    /// The seed of its making.
    #[arg(long)]
    seed: Option<u64>,
    /// How it did on what was held out, as JSON.
    #[arg(long, value_name = "JSON")]
    metrics: Option<PathBuf>,
    /// What people should know before they trust it, as Markdown.
    #[arg(long, value_name = "MD")]
    card: Option<PathBuf>,
}

pub(super) fn run(registry: &Registry, args: &ImportArgs) -> anyhow::Result<()> {
    let text = read(&args.file)?;
    let model = Model::from_json(&text)
        .with_context(|| format!("{} is no model of this build", args.file.display()))?;
    let parent: Option<ModelName> = model.version().name.parse().ok();
    let parent = parent.filter(|parent| registry.dir(parent).is_dir());
    let inputs = args
        .input
        .iter()
        .map(|path| InputFile::of(path))
        .collect::<Result<Vec<_>, _>>()?;
    let metrics = args
        .metrics
        .as_ref()
        .map_or_else(|| Ok("null".to_owned()), read)?;
    ensure!(
        serde_json::from_str::<Value>(&metrics).is_ok(),
        "the metrics are no JSON"
    );
    let card = args.card.as_ref().map(read).transpose()?;
    let name = registry.add(&args.scale, |name| -> anyhow::Result<Release> {
        let model = model.named(&name.to_string());
        let manifest = Manifest {
            parent,
            simulated: args.simulated,
            inputs,
            seed: args.seed,
            git_revision: super::git_revision(),
            created_at: Some(rfc3339::format(words::now())),
            ..Manifest::of(
                name.clone(),
                &model,
                "foreshift-lab models import",
                &args.trained_on,
            )
        };
        Ok(Release {
            manifest,
            model: model.to_json()?.into_bytes(),
            metrics,
            card: card
                .unwrap_or_else(|| format!("# {name}\n\nImported. Learned from: {}\n", args.trained_on)),
        })
    })?;
    println!("{name}");
    Ok(())
}

fn read(path: &PathBuf) -> anyhow::Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}
