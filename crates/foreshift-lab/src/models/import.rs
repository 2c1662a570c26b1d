//! `models import`: a model from elsewhere becomes a version.

mod trees;

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use clap::Args as ClapArgs;
use foreshift_domain::{Timestamp, rfc3339};
use foreshift_predict::Model;
use foreshift_registry::{InputFile, Manifest, ModelName, Registry, Release};
use serde_json::Value;

use super::words;
use trees::HeadFile;

/// Arguments of `models import`.
#[derive(ClapArgs)]
pub(super) struct ImportArgs {
    /// The model: JSON as `foreshift-lab replay --save-model` and `train` write it.
    #[arg(required_unless_present = "heads", conflicts_with = "heads")]
    file: Option<PathBuf>,
    /// Trees of LightGBM (text, `Booster.save_model`) or XGBoost (JSON) for one horizon, such as `2m=model.txt`; may be
    /// repeated. They stand beside the linear model of the champion, and take the place of its own trees.
    #[arg(long = "head", value_name = "SPAN=FILE")]
    heads: Vec<HeadFile>,
    /// The version beside whose linear model the trees stand; the champion of the scale unless named.
    #[arg(long, value_name = "VERSION", requires = "heads")]
    beside: Option<ModelName>,
    /// When the newest row that the trees were grown on ends: of what was before they know too much, and stay silent.
    #[arg(long, value_name = "TIME", requires = "heads", value_parser = crate::train::in_parts::time)]
    grown_until: Option<Timestamp>,
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

/// A model, and what there is to say about it.
struct Imported {
    model: Model,
    parent: Option<ModelName>,
    /// Whether what it was made from learned from simulation.
    simulated: bool,
    /// The windows of features it was made with.
    windows_s: Option<[f64; 4]>,
    /// For people, as a sentence.
    what: String,
}

pub(super) fn run(registry: &Registry, args: &ImportArgs) -> anyhow::Result<()> {
    let imported = match &args.file {
        Some(file) => own(registry, file)?,
        None => trees::beside(registry, args)?,
    };
    let learned_from = args.input.iter().chain(args.heads.iter().map(HeadFile::path));
    let inputs = learned_from
        .map(|path| InputFile::of(path))
        .collect::<Result<Vec<_>, _>>()?;
    let metrics = args
        .metrics
        .as_ref()
        .map_or_else(|| Ok("null".to_owned()), |path| read(path))?;
    ensure!(
        serde_json::from_str::<Value>(&metrics).is_ok(),
        "the metrics are no JSON"
    );
    let card = args.card.as_ref().map(|path| read(path)).transpose()?;
    let name = registry.add(&args.scale, |name| -> anyhow::Result<Release> {
        let model = imported.model.named(&name.to_string());
        let manifest = Manifest {
            parent: imported.parent,
            simulated: args.simulated || imported.simulated,
            inputs,
            seed: args.seed,
            git_revision: super::git_revision(),
            windows_s: imported.windows_s,
            created_at: Some(rfc3339::format(words::now())),
            ..Manifest::of(
                name.clone(),
                &model,
                "foreshift-lab models import",
                &args.trained_on,
            )
        };
        let plain = || {
            format!(
                "# {name}\n\n{} Learned from: {}\n",
                imported.what, args.trained_on
            )
        };
        Ok(Release {
            manifest,
            model: model.to_json()?.into_bytes(),
            metrics,
            card: card.unwrap_or_else(plain),
        })
    })?;
    println!("{name}");
    Ok(())
}

/// A model in Foreshift's own JSON.
fn own(registry: &Registry, file: &Path) -> anyhow::Result<Imported> {
    let model = Model::from_json(&read(file)?)
        .with_context(|| format!("{} is no model of this build", file.display()))?;
    let parent: Option<ModelName> = model.version().name.parse().ok();
    Ok(Imported {
        parent: parent.filter(|parent| registry.dir(parent).is_dir()),
        model,
        simulated: false,
        windows_s: None,
        what: "Imported.".to_owned(),
    })
}

fn read(path: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}
