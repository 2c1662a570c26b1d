//! `models diff`: what is other in another version.

use std::collections::{BTreeMap, BTreeSet};

use foreshift_predict::{Model, Params, PlainParams};
use foreshift_registry::{ModelName, Registry};
use serde::Serialize;
use serde_json::Value;

use super::words;

/// The most weights shown, those that changed most.
const MAX_WEIGHTS: usize = 20;

/// What differs between two versions.
#[derive(Serialize)]
struct Difference {
    from: ModelName,
    to: ModelName,
    /// Fields of the manifest, parameters and metrics, by path: before and after, null where there is none.
    manifest: BTreeMap<String, [Value; 2]>,
    parameters: BTreeMap<String, [Value; 2]>,
    metrics: BTreeMap<String, [Value; 2]>,
    features_gone: Vec<String>,
    features_new: Vec<String>,
    /// Those that changed most.
    weights: Vec<WeightChange>,
}

/// What a model was tuned to.
#[derive(Serialize)]
struct Parameters<'a> {
    #[serde(flatten)]
    all: &'a Params,
    plain: Option<&'a PlainParams>,
}

impl<'a> Parameters<'a> {
    fn of(model: &'a Model) -> Self {
        Self {
            all: model.params(),
            plain: model.plain_params(),
        }
    }
}

#[derive(Serialize)]
struct WeightChange {
    weight: String,
    horizon_s: f64,
    before: f64,
    after: f64,
}

pub(super) fn run(
    registry: &Registry,
    from: &ModelName,
    to: &ModelName,
    as_json: bool,
) -> anyhow::Result<()> {
    let manifests = [registry.manifest(from)?, registry.manifest(to)?];
    let metrics = [registry.metrics(from)?, registry.metrics(to)?];
    let [before, after] = manifests.each_ref().map(serde_json::to_value);
    let mut difference = Difference {
        from: from.clone(),
        to: to.clone(),
        manifest: changed(&before?, &after?),
        parameters: BTreeMap::new(),
        metrics: changed(&metrics[0], &metrics[1]),
        features_gone: Vec::new(),
        features_new: Vec::new(),
        weights: Vec::new(),
    };
    if manifests.iter().all(|manifest| manifest.feature_schema.is_some()) {
        let (before, after) = (registry.load(from)?.1, registry.load(to)?.1);
        of_models(&before, &after, &mut difference)?;
    }
    if as_json {
        println!("{}", serde_json::to_string_pretty(&difference)?);
    } else {
        print!("{}", told(&difference));
    }
    Ok(())
}

fn of_models(before: &Model, after: &Model, difference: &mut Difference) -> anyhow::Result<()> {
    let parameters = |model| serde_json::to_value(Parameters::of(model));
    difference.parameters = changed(&parameters(before)?, &parameters(after)?);
    let names = |model: &Model| -> BTreeSet<String> {
        model.inputs().iter().map(|input| input.name.clone()).collect()
    };
    let (old, new) = (names(before), names(after));
    difference.features_gone = old.difference(&new).cloned().collect();
    difference.features_new = new.difference(&old).cloned().collect();
    let weights = |model: &Model| -> BTreeMap<(String, i64), f64> {
        let all = model.named_weights();
        all.map(|weight| ((weight.name, weight.horizon.as_micros()), weight.weight))
            .collect()
    };
    let (old, new) = (weights(before), weights(after));
    let keys: BTreeSet<_> = old.keys().chain(new.keys()).collect();
    let of = |all: &BTreeMap<(String, i64), f64>, key| all.get(key).copied().unwrap_or(0.0);
    let mut changes: Vec<WeightChange> = keys
        .into_iter()
        .map(|key| WeightChange {
            weight: key.0.clone(),
            horizon_s: key.1 as f64 / 1e6,
            before: of(&old, key),
            after: of(&new, key),
        })
        .filter(|change| change.before != change.after)
        .collect();
    let size = |change: &WeightChange| (change.after - change.before).abs();
    changes.sort_by(|a, b| size(b).total_cmp(&size(a)));
    changes.truncate(MAX_WEIGHTS);
    difference.weights = changes;
    Ok(())
}

fn changed(before: &Value, after: &Value) -> BTreeMap<String, [Value; 2]> {
    let by_path = |value: &Value| words::leaves(value).into_iter().collect::<BTreeMap<_, _>>();
    let (before, after) = (by_path(before), by_path(after));
    let paths: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    let of = |all: &BTreeMap<String, Value>, path| all.get(path).cloned().unwrap_or_default();
    let pairs = paths
        .into_iter()
        .map(|path| (path.clone(), [of(&before, path), of(&after, path)]));
    pairs.filter(|(_, [before, after])| before != after).collect()
}

fn told(difference: &Difference) -> String {
    let mut text = format!("{} to {}\n", difference.from, difference.to);
    let parts = [
        ("manifest", &difference.manifest),
        ("parameters", &difference.parameters),
        ("metrics", &difference.metrics),
    ];
    for (title, changes) in parts {
        if changes.is_empty() {
            continue;
        }
        let shown = |value: &Value| match value {
            Value::Null => "-".to_owned(),
            Value::String(text) => text.clone(),
            Value::Number(number) => number.as_f64().map_or_else(|| number.to_string(), short),
            other => other.to_string(),
        };
        let rows: Vec<_> = changes
            .iter()
            .map(|(path, [before, after])| [path.clone(), shown(before), shown(after)])
            .collect();
        text += &format!("\n{}", words::table([title, "BEFORE", "AFTER"], &rows));
    }
    for (title, features) in [
        ("gone", &difference.features_gone),
        ("new", &difference.features_new),
    ] {
        if !features.is_empty() {
            text += &format!("\nfeatures {title}: {}\n", features.join(", "));
        }
    }
    if !difference.weights.is_empty() {
        let rows: Vec<_> = difference
            .weights
            .iter()
            .map(|change| {
                let horizon = words::horizons(&[change.horizon_s]);
                [
                    change.weight.clone(),
                    horizon,
                    short(change.before),
                    short(change.after),
                ]
            })
            .collect();
        text += &format!(
            "\n{}",
            words::table(["largest weight changes", "HORIZON", "BEFORE", "AFTER"], &rows)
        );
    }
    text
}

/// A number as short as it can be told apart.
fn short(number: f64) -> String {
    if number.fract() == 0.0 && number.abs() < 1e15 {
        return format!("{number}");
    }
    format!("{number:.4}")
}

#[cfg(test)]
mod tests {
    use foreshift_domain::{Digest, Duration};

    use super::*;

    #[test]
    fn parameters_tell_what_a_plain_regression_was_tuned_to_and_that_there_is_none() {
        let without = Model::fresh(
            "some",
            Digest::of(b"schema"),
            Vec::new(),
            &[Duration::from_secs(60)],
        );
        let with = without.clone().with_plain(|input| input.heads);
        let [before, after] =
            [&without, &with].map(|model| serde_json::to_value(Parameters::of(model)).unwrap());
        let changes = changed(&before, &after);
        let paths: Vec<&str> = changes.keys().map(String::as_str).collect();
        assert!(paths.contains(&"plain.share"), "{paths:?}");
        assert!(paths.iter().all(|path| path.starts_with("plain.")), "{paths:?}");
        assert!(
            changes
                .values()
                .all(|[before, after]| before.is_null() && after.is_number())
        );
    }
}
