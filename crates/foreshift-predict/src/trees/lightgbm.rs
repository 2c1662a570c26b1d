//! LightGBM's text model (`Booster.save_model`) of a binary objective.

use std::collections::BTreeMap;
use std::str::FromStr;

use super::import::{ImportError, Imported, unsupported};
use super::{Child, Leaf, Split, Tree};

/// Bits of a split's decision type.
const CATEGORICAL: u8 = 1;
const DEFAULT_LEFT: u8 = 2;
const MISSING_SHIFT: u8 = 2;

/// Which values a split takes for missing. It is the same for all splits of a feature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Missing {
    /// None: NaN is read as 0.
    None,
    /// NaN and 0.
    Zero,
    /// NaN.
    Nan,
}

/// Reads a model that LightGBM wrote: gradient boosting, DART or a random forest of it, for `binary`.
///
/// # Errors
/// Another objective, several classes, categorical splits, linear leaves; or a text that is not such a model.
pub fn read(text: &str) -> Result<Imported, ImportError> {
    let text = text.split("\nend of trees").next().unwrap_or_default();
    let mut blocks = text.split("\nTree=");
    let header = Fields::of(blocks.next().unwrap_or_default());
    let bad = |what| ImportError::Header { what };
    let sigmoid = sigmoid(&header)?;
    let names = header.get("feature_names").ok_or(bad("feature_names"))?;
    let features: Vec<String> = names.split_whitespace().map(str::to_owned).collect();
    let last: usize = header.one("max_feature_idx").ok_or(bad("max_feature_idx"))?;
    if last.checked_add(1) != Some(features.len()) {
        return Err(bad("max_feature_idx"));
    }

    let mut missing = BTreeMap::new();
    let mut trees = Vec::new();
    for (number, block) in blocks.enumerate() {
        trees.push(tree(number, &Fields::of(block), &mut missing)?);
    }
    // A random forest's word is the mean of its trees'.
    let is_mean = header.has("average_output");
    let factor = if is_mean {
        sigmoid / trees.len().max(1) as f64
    } else {
        sigmoid
    };
    for leaf in trees.iter_mut().flat_map(|tree| &mut tree.leaves) {
        leaf.value *= factor;
    }
    let zeros = missing.iter().filter(|(_, missing)| **missing == Missing::Zero);
    Imported::new(
        features,
        0.0,
        zeros.map(|(feature, _)| *feature).collect(),
        &trees,
    )
}

/// The factor of the log-odds, if the model is one for two classes.
fn sigmoid(header: &Fields<'_>) -> Result<f64, ImportError> {
    let objective = header
        .get("objective")
        .ok_or(ImportError::Header { what: "objective" })?;
    let mut words = objective.split_whitespace();
    if words.next() != Some("binary") {
        return unsupported(format!("objective {objective:?}"), "only binary is");
    }
    for count in ["num_class", "num_tree_per_iteration"] {
        if header.one::<usize>(count) != Some(1) {
            return unsupported(format!("{count} other than 1"), "only two classes are");
        }
    }
    let given = words.find_map(|word| word.strip_prefix("sigmoid:"));
    let sigmoid = given.map_or(Some(1.0), |given| given.parse().ok());
    sigmoid.ok_or(ImportError::Header { what: "sigmoid" })
}

fn tree(
    number: usize,
    fields: &Fields<'_>,
    missing: &mut BTreeMap<u16, Missing>,
) -> Result<Tree, ImportError> {
    let bad = |what| ImportError::Tree { tree: number, what };
    if fields.one::<u8>("is_linear").unwrap_or(0) != 0 {
        return unsupported("a linear tree", "only constant leaves are");
    }
    let count: usize = fields.one("num_leaves").ok_or(bad("num_leaves"))?;
    let values: Vec<f64> = fields.list("leaf_value", count).ok_or(bad("leaf_value"))?;
    let covers = if count == 1 {
        vec![1.0]
    } else {
        fields.list("leaf_count", count).ok_or(bad("leaf_count"))?
    };
    let splits = count.checked_sub(1).ok_or(bad("num_leaves"))?;
    let features: Vec<u16> = fields.list("split_feature", splits).ok_or(bad("split_feature"))?;
    let thresholds: Vec<f64> = fields.list("threshold", splits).ok_or(bad("threshold"))?;
    let decisions: Vec<u8> = fields.list("decision_type", splits).ok_or(bad("decision_type"))?;
    let lefts: Vec<i32> = fields.list("left_child", splits).ok_or(bad("left_child"))?;
    let rights: Vec<i32> = fields.list("right_child", splits).ok_or(bad("right_child"))?;

    let mut tree = Tree::default();
    let numbers = features.into_iter().zip(thresholds).zip(decisions);
    for (((feature, threshold), decision), (left, right)) in numbers.zip(lefts.into_iter().zip(rights)) {
        let of_feature = missing_of(decision).ok_or(bad("decision_type"))?;
        if decision & CATEGORICAL != 0 {
            return unsupported("a categorical split", "only numerical ones are");
        }
        if *missing.entry(feature).or_insert(of_feature) != of_feature {
            return unsupported(
                "a feature with two kinds of missing values",
                "only one for each is",
            );
        }
        tree.splits.push(Split {
            feature,
            // LightGBM writes `inf` where a split tells missing values from all others.
            threshold: if threshold == f64::INFINITY {
                f64::MAX
            } else {
                threshold
            },
            missing_left: match of_feature {
                Missing::None => 0.0 <= threshold,
                Missing::Zero | Missing::Nan => decision & DEFAULT_LEFT != 0,
            },
            left: Child::from(left),
            right: Child::from(right),
        });
    }
    // A leaf that no row ended in still needs a cover, however small.
    let leaf = |(value, cover): (f64, f64)| Leaf {
        value,
        cover: cover.max(1e-9),
    };
    tree.leaves = values.into_iter().zip(covers).map(leaf).collect();
    Ok(tree)
}

fn missing_of(decision: u8) -> Option<Missing> {
    match decision >> MISSING_SHIFT {
        0 => Some(Missing::None),
        1 => Some(Missing::Zero),
        2 => Some(Missing::Nan),
        _ => None,
    }
}

/// Lines of `key=value`.
struct Fields<'a>(BTreeMap<&'a str, &'a str>);

impl<'a> Fields<'a> {
    fn of(block: &'a str) -> Self {
        let line = |line: &'a str| {
            let line = line.trim_end();
            line.split_once('=').unwrap_or((line, ""))
        };
        Self(block.lines().map(line).collect())
    }

    fn has(&self, key: &str) -> bool {
        self.0.contains_key(key)
    }

    fn get(&self, key: &str) -> Option<&'a str> {
        self.0.get(key).copied()
    }

    fn one<T: FromStr>(&self, key: &str) -> Option<T> {
        self.get(key)?.trim().parse().ok()
    }

    /// Exactly `count` values, separated by spaces. None need no line.
    fn list<T: FromStr>(&self, key: &str, count: usize) -> Option<Vec<T>> {
        let written = self.get(key).unwrap_or_default();
        let values: Option<Vec<T>> = written
            .split_ascii_whitespace()
            .map(|value| value.parse().ok())
            .collect();
        values.filter(|values| values.len() == count)
    }
}
