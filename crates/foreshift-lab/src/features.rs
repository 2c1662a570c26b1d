//! `foreshift-lab features`: what a model can read, and what an expression may use.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context;
use clap::Args as ClapArgs;
use foreshift_engine::feature_set;
use foreshift_features::expression::FUNCTIONS;
use foreshift_features::{FEATURES, FeatureSet, Reading};
use serde::Serialize;

use crate::format::Format;

/// Arguments of `foreshift-lab features`.
#[derive(ClapArgs)]
pub(crate) struct Args {
    /// Also list what this fallback configuration declares.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// How to print.
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    output: Format,
}

/// What is printed of all of them.
#[derive(Serialize)]
struct Listing<'a> {
    /// SHA-256 over all of them, as models and rows carry it.
    schema: String,
    features: Vec<Feature<'a>>,
    functions: &'static [(&'static str, usize)],
    gauge_readings: Vec<&'static str>,
}

#[derive(Serialize)]
struct Feature<'a> {
    name: &'a str,
    unit: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    window: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    range: Option<(f64, f64)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expression: Option<&'a str>,
    knots: &'a [f64],
    why: &'a str,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let set = match &args.config {
        Some(path) => feature_set(
            &foreshift_config::load_fallback(path)
                .with_context(|| format!("{} cannot be used", path.display()))?
                .value,
        ),
        None => FeatureSet::default(),
    };
    let listing = listing(&set);
    let mut out = std::io::stdout().lock();
    match args.output {
        Format::Json => {
            serde_json::to_writer_pretty(&mut out, &listing)?;
            writeln!(out)?;
        }
        Format::Text => text(&listing, &mut out)?,
    }
    Ok(())
}

fn listing(set: &FeatureSet) -> Listing<'_> {
    let features = set.all().enumerate().map(|(place, feature)| {
        let spec = FEATURES.get(place);
        Feature {
            name: feature.name,
            unit: feature.unit,
            window: spec.map(|spec| spec.window),
            range: spec.map(|spec| spec.range),
            expression: feature.expression,
            knots: feature.edges,
            why: feature.why,
        }
    });
    Listing {
        schema: set.digest(0..set.count()).to_string(),
        features: features.collect(),
        functions: FUNCTIONS,
        gauge_readings: Reading::NAMES.iter().map(|(name, _)| *name).collect(),
    }
}

fn text(listing: &Listing<'_>, out: &mut impl Write) -> std::io::Result<()> {
    for feature in &listing.features {
        let about = match (feature.expression, feature.window) {
            (Some(expression), _) => format!("= {expression}"),
            (None, window) => format!("window: {}", window.unwrap_or("none")),
        };
        writeln!(out, "{}  [{}]  {about}", feature.name, feature.unit)?;
        writeln!(out, "    {}", feature.why)?;
    }
    writeln!(
        out,
        "\nIn expressions: numbers, + - * / < <= > >=, the features above, gauge('NAME', READING), and"
    )?;
    for (name, arguments) in listing.functions {
        let of = ["a", "b", "c"].get(..*arguments).unwrap_or_default().join(", ");
        write!(out, "  {name}({of})")?;
    }
    writeln!(
        out,
        "\nReadings of a gauge: {}",
        listing.gauge_readings.join(", ")
    )?;
    writeln!(out, "schema {}", listing.schema)
}
