//! `fallback.yaml`: from the text to the domain's [`Fallback`], complete and checked.

mod convert;
pub(crate) mod file;
mod settings;
mod targets;
mod timing;

use std::path::Path;

use foreshift_domain::fallback::Fallback;
use schemars::generate::SchemaSettings;
use serde_json::{Number, Value};

use self::file::FallbackFile;
use crate::error::ConfigErrors;
use crate::origin::origins;
use crate::report::Report;
use crate::text::parse_share;
use crate::tree::{Kind, Tree};
use crate::{Loaded, check, read, shaped};

/// Reads a `fallback.yaml`.
///
/// # Errors
/// The file cannot be read, is not YAML, or says something it may not; every mistake is listed.
pub fn load_fallback(path: &Path) -> Result<Loaded<Fallback>, ConfigErrors> {
    let file = path.display().to_string();
    parse_fallback(&read(path, &file)?, &file)
}

/// Reads the text of a `fallback.yaml`; `file` names it in errors and origins.
///
/// # Errors
/// The text is not YAML, or says something it may not; every mistake is listed.
pub fn parse_fallback(text: &str, file: &str) -> Result<Loaded<Fallback>, ConfigErrors> {
    let mut tree = Tree::parse(text, file)?;
    let errors = check::against_schema(&fallback_schema(), &mut tree, file);
    if !errors.is_empty() {
        return Err(ConfigErrors::new(errors));
    }
    desugar(&mut tree);
    let mut written: FallbackFile = shaped(&tree, file)?;
    let mut report = Report::new(file, &tree);
    let value = convert::fallback(&mut written, text, &mut report);
    let Report { errors, warnings, .. } = report;
    if !errors.is_empty() {
        return Err(ConfigErrors::new(errors));
    }
    let origins = origins(&crate::as_json(&written, file)?, &tree, file);
    Ok(Loaded {
        value,
        origins,
        warnings,
    })
}

/// The JSON schema (draft 2020-12) of `fallback.yaml`, for editors.
pub fn fallback_schema() -> Value {
    SchemaSettings::draft2020_12()
        .into_generator()
        .into_root_schema_for::<FallbackFile>()
        .to_value()
}

/// Refuses what only a replay may do.
///
/// # Errors
/// The configuration confirms discovered baselines by itself; the text says how to mend it.
pub fn refuse_for_live(fallback: &Fallback) -> Result<(), String> {
    match &fallback.discover {
        Some(discover) if discover.confirm_baselines => Err(
            "discover.confirm_baselines is for replay only: discovered baselines are guesses until a person confirms \
             them; remove it here and use `foreshift baseline confirm` per route"
                .to_owned(),
        ),
        _ => Ok(()),
    }
}

/// Brings the short forms to the long ones: `discover: true`, `baseline: 70%`, `defaults`.
fn desugar(tree: &mut Tree) {
    match tree.get("discover").map(|discover| &discover.kind) {
        Some(Kind::Bool(false)) => drop(tree.remove("discover")),
        Some(Kind::Bool(true) | Kind::Null) => {
            if let Some(discover) = tree.get_mut("discover") {
                discover.kind = Kind::Map(Vec::new());
            }
        }
        _ => {}
    }
    let defaults = tree.remove("defaults");
    for route in tree.get_mut("routes").map(Tree::elements_mut).unwrap_or_default() {
        if let Some(defaults) = &defaults {
            route.fill_from(defaults);
        }
        for target in route
            .get_mut("targets")
            .map(Tree::elements_mut)
            .unwrap_or_default()
        {
            baseline_to_bp(target);
        }
    }
    let rules = tree
        .get_mut("discover")
        .and_then(|discover| discover.get_mut("rules"));
    if let (Some(rules), Some(defaults)) = (rules, &defaults) {
        rules
            .elements_mut()
            .iter_mut()
            .for_each(|rule| rule.fill_from(defaults));
    }
}

/// Where both forms stand, both stay, and the conversion refuses them.
fn baseline_to_bp(target: &mut Tree) {
    let share = target
        .get("baseline")
        .and_then(Tree::text)
        .and_then(|text| parse_share(text).ok());
    let Some(bp) = share.filter(|_| target.get("baseline_bp").is_none()) else {
        return;
    };
    if let Some(mut value) = target.remove("baseline") {
        value.kind = Kind::Number(Number::from(bp));
        target.set(&["baseline_bp".to_owned()], value);
    }
}

#[cfg(test)]
mod tests;
