//! XGBoost's JSON model (`Booster.save_model("model.json")`) of `binary:logistic`.

use serde::Deserialize;

use super::import::{ImportError, Imported, unsupported};
use super::tree::{MAX_DEPTH, MAX_FEATURES, MAX_LEAVES};
use super::{Child, Leaf, Split, Tree, TreesError};

#[derive(Deserialize)]
struct Model {
    learner: Learner,
}

#[derive(Deserialize)]
struct Learner {
    #[serde(default)]
    feature_names: Vec<String>,
    gradient_booster: Booster,
    learner_model_param: LearnerParam,
    objective: Named,
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

#[derive(Deserialize)]
struct LearnerParam {
    base_score: BaseScore,
    num_class: String,
    num_feature: String,
    #[serde(default)]
    num_target: Option<String>,
}

/// A number as text; since 3.0 a list of one, as text or as JSON.
#[derive(Deserialize)]
#[serde(untagged)]
enum BaseScore {
    Text(String),
    Number(f64),
    List(Vec<f64>),
}

#[derive(Deserialize)]
struct Booster {
    name: String,
    #[serde(default)]
    model: Option<BoosterModel>,
    /// DART has its trees a level further down, beside what each of them counts.
    #[serde(default)]
    gbtree: Option<Inner>,
    #[serde(default)]
    weight_drop: Vec<f64>,
}

#[derive(Deserialize)]
struct Inner {
    model: BoosterModel,
}

#[derive(Deserialize)]
struct BoosterModel {
    trees: Vec<Written>,
}

/// A tree as XGBoost writes it: places by number, the first being the root.
#[derive(Deserialize)]
struct Written {
    left_children: Vec<i32>,
    right_children: Vec<i32>,
    split_indices: Vec<u32>,
    /// A split's threshold; a leaf's value.
    split_conditions: Vec<f64>,
    default_left: Vec<u8>,
    sum_hessian: Vec<f64>,
    #[serde(default)]
    split_type: Vec<u8>,
}

/// Reads a model that XGBoost wrote: gbtree or DART, for `binary:logistic`.
///
/// # Errors
/// Another objective or booster, several classes or targets, categorical splits; or a text that is not such a
/// model.
pub fn read(text: &str) -> Result<Imported, ImportError> {
    let model: Model = serde_json::from_str(text).map_err(|error| ImportError::Json {
        reason: error.to_string(),
    })?;
    let Learner {
        feature_names,
        gradient_booster: booster,
        learner_model_param: param,
        objective,
    } = model.learner;
    if objective.name != "binary:logistic" {
        return unsupported(
            format!("objective {:?}", objective.name),
            "only binary:logistic is",
        );
    }
    let targets = param.num_target.as_deref().unwrap_or("1");
    if !matches!(param.num_class.as_str(), "0" | "1") || targets != "1" {
        return unsupported("more than one target", "only two classes are");
    }
    let bad = |what| ImportError::Header { what };
    let base = base_logit(&param.base_score).ok_or(bad("base_score"))?;
    let features = names(feature_names, &param.num_feature)?;
    let (written, weights) = match (booster.name.as_str(), booster.model, booster.gbtree) {
        ("gbtree", Some(model), _) => (model.trees, Vec::new()),
        ("dart", _, Some(inner)) if booster.weight_drop.len() == inner.model.trees.len() => {
            (inner.model.trees, booster.weight_drop)
        }
        ("gbtree" | "dart", ..) => return Err(bad("gradient_booster")),
        (other, ..) => return unsupported(format!("booster {other:?}"), "only gbtree and dart are"),
    };
    let mut trees = Vec::with_capacity(written.len());
    let weights = weights.into_iter().chain(std::iter::repeat(1.0));
    for ((number, written), weight) in written.iter().enumerate().zip(weights) {
        trees.push(tree(number, written, weight)?);
    }
    Imported::new(features, base, Vec::new(), &trees)
}

/// The names of the features; where the model has none, those that XGBoost shows.
fn names(names: Vec<String>, count: &str) -> Result<Vec<String>, ImportError> {
    let bad = || ImportError::Header { what: "num_feature" };
    let count: usize = count.parse().map_err(|_| bad())?;
    if count > MAX_FEATURES {
        let (what, bound) = ("features", MAX_FEATURES);
        return Err(TreesError::TooMany { what, bound }.into());
    }
    if names.is_empty() {
        return Ok((0..count).map(|number| format!("f{number}")).collect());
    }
    if names.len() == count {
        Ok(names)
    } else {
        Err(bad())
    }
}

/// The base is written as a probability.
fn base_logit(written: &BaseScore) -> Option<f64> {
    let probability = match written {
        BaseScore::Text(text) => text.trim_matches(['[', ']']).parse().ok()?,
        BaseScore::Number(number) => *number,
        BaseScore::List(list) => match list.as_slice() {
            [number] => *number,
            _ => return None,
        },
    };
    let is_one = probability > 0.0 && probability < 1.0;
    is_one.then(|| libm::log(probability / (1.0 - probability)))
}

fn tree(number: usize, written: &Written, weight: f64) -> Result<Tree, ImportError> {
    if written.split_type.iter().any(|kind| *kind != 0) {
        return unsupported("a categorical split", "only numerical ones are");
    }
    let mut reader = Reader {
        written,
        weight,
        tree: Tree::default(),
    };
    reader
        .place(0, 0)
        .map_err(|what| ImportError::Tree { tree: number, what })?;
    Ok(reader.tree)
}

/// Numbers splits and leaves anew, each for itself, in the order of a walk from the root.
struct Reader<'a> {
    written: &'a Written,
    weight: f64,
    tree: Tree,
}

impl Reader<'_> {
    fn place(&mut self, at: i32, depth: usize) -> Result<Child, &'static str> {
        // Bounds on both, since what is written may lead in circles.
        if depth > MAX_DEPTH || self.tree.leaves.len() > MAX_LEAVES {
            return Err("the shape, past its bounds,");
        }
        let index = usize::try_from(at).map_err(|_| "a child")?;
        let left = *self.written.left_children.get(index).ok_or("left_children")?;
        let right = *self.written.right_children.get(index).ok_or("right_children")?;
        let condition = *self
            .written
            .split_conditions
            .get(index)
            .ok_or("split_conditions")?;
        if left < 0 {
            let cover = *self.written.sum_hessian.get(index).ok_or("sum_hessian")?;
            self.tree.leaves.push(Leaf {
                value: condition * self.weight,
                cover: cover.max(1e-9),
            });
            return numbered(self.tree.leaves.len()).map(Child::Leaf);
        }
        let feature = *self.written.split_indices.get(index).ok_or("split_indices")?;
        let default_left = *self.written.default_left.get(index).ok_or("default_left")?;
        let own = self.tree.splits.len();
        self.tree.splits.push(Split {
            feature: u16::try_from(feature).map_err(|_| "split_indices")?,
            threshold: at_most(condition as f32),
            missing_left: default_left != 0,
            left: Child::Leaf(0),
            right: Child::Leaf(0),
        });
        let left = self.place(left, depth + 1)?;
        let right = self.place(right, depth + 1)?;
        if let Some(split) = self.tree.splits.get_mut(own) {
            (split.left, split.right) = (left, right);
        }
        numbered(own + 1).map(Child::Split)
    }
}

/// The number of what was added last.
fn numbered(count: usize) -> Result<u16, &'static str> {
    u16::try_from(count - 1).map_err(|_| "the number of leaves")
}

/// XGBoost rounds a value to single precision and goes left if it is below `threshold`. The greatest double
/// that still does: half way to the single below, if a value in the middle rounds down. Below the lowest single
/// there is none.
fn at_most(threshold: f32) -> f64 {
    let below = threshold.next_down();
    let middle = f64::from(below) / 2.0 + f64::from(threshold) / 2.0;
    let rounds_down = below.to_bits() & 1 == 0;
    let greatest = if rounds_down { middle } else { middle.next_down() };
    greatest.clamp(-f64::MAX, f64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_threshold_parts_doubles_as_it_parts_the_singles_they_round_to() {
        let thresholds = [
            0.0,
            -0.0,
            1.0,
            -1.0,
            0.1,
            1e-40,
            -1e-40,
            16_777_217.0,
            f32::MIN_POSITIVE,
            f32::MAX,
        ];
        for threshold in
            thresholds
                .into_iter()
                .chain([f32::from_bits(1), f32::from_bits(3), f32::from_bits(2)])
        {
            let cut = at_most(threshold);
            assert!((cut as f32) < threshold, "{threshold:e}");
            assert!(cut.next_up() as f32 >= threshold, "{threshold:e}");
        }
    }
}
