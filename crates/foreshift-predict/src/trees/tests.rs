use proptest::prelude::*;

use super::*;
use crate::test_stream::Stream;

/// A made-up tree of `leaves` leaves: splits are hung at leaves by chance, so shapes vary from even to a chain.
pub(super) fn random_tree(stream: &mut Stream, features: usize, leaves: usize) -> Tree {
    let mut tree = Tree::default();
    let mut leaf = |stream: &mut Stream| {
        tree.leaves.push(Leaf {
            value: stream.uniform() - 0.5,
            cover: 1.0 + (stream.uniform() * 50.0).floor(),
        });
        Child::Leaf(u16::try_from(tree.leaves.len() - 1).unwrap())
    };
    let first = leaf(stream);
    for number in 0..leaves - 1 {
        // The new split takes the place of a leaf, which becomes its left or right child.
        let at = (stream.uniform() * (number + 1) as f64) as u16;
        let (own, new) = (Child::Leaf(at), leaf(stream));
        let split = Child::Split(u16::try_from(number).unwrap());
        for parent in &mut tree.splits {
            for child in [&mut parent.left, &mut parent.right] {
                if *child == own {
                    *child = split;
                }
            }
        }
        let swapped = stream.uniform() < 0.5;
        tree.splits.push(Split {
            feature: (stream.uniform() * features as f64) as u16,
            threshold: (stream.uniform() * 8.0).floor() / 8.0,
            missing_left: stream.uniform() < 0.5,
            left: if swapped { new } else { own },
            right: if swapped { own } else { new },
        });
    }
    assert_eq!(first, Child::Leaf(0));
    tree
}

fn random_trees(seed: u64, features: usize, count: usize, link: Link) -> (Vec<Tree>, Trees) {
    let mut stream = Stream::new(seed);
    let trees: Vec<Tree> = (0..count)
        .map(|_| {
            let leaves = 1 + (stream.uniform() * 12.0) as usize;
            random_tree(&mut stream, features, leaves)
        })
        .collect();
    let made = Trees::new(features, stream.uniform() - 0.5, link, &trees).unwrap();
    (trees, made)
}

/// Values on the thresholds and between them, some missing.
fn random_row(stream: &mut Stream, features: usize) -> Vec<f64> {
    let mut value = || {
        if stream.uniform() < 0.2 {
            f64::NAN
        } else {
            (stream.uniform() * 16.0).floor() / 16.0
        }
    };
    (0..features).map(|_| value()).collect()
}

/// What is meant by a tree, written down plainly.
fn end_of(tree: &Tree, row: &[f64]) -> usize {
    let mut at = tree.root();
    loop {
        match at {
            Child::Leaf(number) => return usize::from(number),
            Child::Split(number) => {
                let split = tree.splits[usize::from(number)];
                let value = row[usize::from(split.feature)];
                let left = if value.is_nan() {
                    split.missing_left
                } else {
                    value <= split.threshold
                };
                at = if left { split.left } else { split.right };
            }
        }
    }
}

/// What a tree says on average if only the features of `known` (a bit each) are known.
fn mean_knowing(tree: &Tree, at: Child, row: &[f64], known: u32) -> (f64, f64) {
    match at {
        Child::Leaf(number) => {
            let leaf = tree.leaves[usize::from(number)];
            (leaf.value, leaf.cover)
        }
        Child::Split(number) => {
            let split = tree.splits[usize::from(number)];
            let (left, left_cover) = mean_knowing(tree, split.left, row, known);
            let (right, right_cover) = mean_knowing(tree, split.right, row, known);
            let cover = left_cover + right_cover;
            let value = row[usize::from(split.feature)];
            let mean = if known >> split.feature & 1 == 0 {
                (left * left_cover + right * right_cover) / cover
            } else if value <= split.threshold || value.is_nan() && split.missing_left {
                left
            } else {
                right
            };
            (mean, cover)
        }
    }
}

/// Shapley values by their definition: over all subsets of features.
fn shapley(trees: &[Tree], row: &[f64]) -> Vec<f64> {
    let features = row.len();
    let factorial = |n: usize| (1..=n).map(|i| i as f64).product::<f64>();
    let says = |known| {
        trees
            .iter()
            .map(|tree| mean_knowing(tree, tree.root(), row, known).0)
            .sum::<f64>()
    };
    let of = |feature: usize| {
        (0..1_u32 << features)
            .filter(|known| known >> feature & 1 == 0)
            .map(|known| {
                let size = known.count_ones() as usize;
                let weight = factorial(size) * factorial(features - size - 1) / factorial(features);
                weight * (says(known | 1 << feature) - says(known))
            })
            .sum::<f64>()
    };
    (0..features).map(of).collect()
}

proptest! {
    #[test]
    fn walking_in_step_ends_where_walking_plainly_does(seed in 0..u64::MAX, count in 0_usize..20) {
        let (plain, trees) = random_trees(seed, 5, count, Link::Logit);
        let mut stream = Stream::new(seed ^ 1);
        let rows: Vec<Vec<f64>> = (0..75).map(|_| random_row(&mut stream, 5)).collect();
        for row in &rows {
            let ends: Vec<usize> = plain.iter().map(|tree| end_of(tree, row)).collect();
            let says = |(tree, end): (&Tree, &usize)| tree.leaves[*end].value;
            let sum = plain.iter().zip(&ends).map(says).fold(trees.base(), |a, b| a + b);
            prop_assert_eq!(trees.logit(row), sum);
            let mut visited = Vec::new();
            trees.leaves(row, |tree, leaf| {
                assert_eq!(tree, visited.len());
                visited.push(leaf);
            });
            prop_assert_eq!(visited, ends);
        }
        let mut batch = vec![0.0; rows.len()];
        trees.logits(&rows.concat(), &mut batch);
        let single: Vec<f64> = rows.iter().map(|row| trees.logit(row)).collect();
        prop_assert_eq!(batch, single);
        let leaves: Vec<usize> = plain.iter().map(|tree| tree.leaves.len()).collect();
        prop_assert_eq!(trees.leaf_counts(), leaves);
    }

    #[test]
    fn contributions_are_shapley_values(seed in 0..u64::MAX, count in 1_usize..4) {
        let (plain, trees) = random_trees(seed, 6, count, Link::Logit);
        let row = random_row(&mut Stream::new(seed ^ 2), 6);
        let mut out = vec![0.0; 6];
        trees.contributions(&row, &mut out);
        for (ours, theirs) in out.iter().zip(shapley(&plain, &row)) {
            prop_assert!((ours - theirs).abs() < 1e-12, "{ours} {theirs}");
        }
    }

    #[test]
    fn contributions_and_the_expected_logit_sum_to_the_logit(seed in 0..u64::MAX, forest: bool) {
        let link = if forest { Link::Probability { floor: 1e-4 } } else { Link::Logit };
        let (_, trees) = random_trees(seed, 9, 40, link);
        let row = random_row(&mut Stream::new(seed ^ 3), 9);
        let mut out = vec![f64::NAN; 9];
        let expected = trees.contributions(&row, &mut out);
        let sum = expected + out.iter().sum::<f64>();
        prop_assert!((sum - trees.logit(&row)).abs() < 1e-9);
        prop_assert_eq!(expected, trees.expected_logit());
    }

    #[test]
    fn trees_come_back_from_json_bit_for_bit(seed in 0..u64::MAX) {
        let (_, trees) = random_trees(seed, 5, 11, Link::Logit);
        let trees = trees.with_zero_as_missing(vec![3, 1]).unwrap();
        let json = serde_json::to_string(&trees).unwrap();
        let back: Trees = serde_json::from_str(&json).unwrap();
        prop_assert_eq!(&back, &trees);
        prop_assert_eq!(serde_json::to_string(&back).unwrap(), json);
    }
}

/// Two leaves, told apart by the first feature at 0.
fn stump() -> Tree {
    let split = Split {
        feature: 0,
        threshold: 0.0,
        missing_left: true,
        left: Child::Leaf(0),
        right: Child::Leaf(1),
    };
    let leaf = |value| Leaf { value, cover: 1.0 };
    Tree {
        splits: vec![split],
        leaves: vec![leaf(-1.0), leaf(1.0)],
    }
}

#[test]
fn what_is_no_tree_is_refused() {
    let refused = |change: &dyn Fn(&mut Tree)| {
        let mut tree = stump();
        change(&mut tree);
        match Trees::new(2, 0.0, Link::Logit, &[stump(), tree]) {
            Err(TreesError::Broken { tree: 1, reason }) => reason,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(
        refused(&|tree| tree.splits[0].right = Child::Leaf(2)),
        "a child is out of range"
    );
    assert_eq!(
        refused(&|tree| tree.splits[0].right = Child::Split(0)),
        "a child has two parents"
    );
    assert_eq!(
        refused(&|tree| tree.splits[0].right = Child::Leaf(0)),
        "a child has two parents"
    );
    assert_eq!(
        refused(&|tree| tree.splits[0].feature = 2),
        "a feature is out of range"
    );
    assert_eq!(
        refused(&|tree| tree.splits[0].threshold = f64::NAN),
        "a threshold is not finite"
    );
    assert_eq!(
        refused(&|tree| tree.leaves[1].value = f64::INFINITY),
        "a leaf is not finite"
    );
    assert_eq!(
        refused(&|tree| tree.leaves[1].cover = 0.0),
        "a cover is not positive"
    );
    assert_eq!(
        refused(&|tree| tree.splits.clear()),
        "the splits do not match the leaves"
    );
    assert_eq!(
        refused(&|tree| tree.leaves.clear()),
        "the splits do not match the leaves"
    );
    assert_eq!(
        refused(&|tree| {
            let circle = |child| Split {
                left: child,
                ..tree.splits[0]
            };
            let (second, third) = (circle(Child::Split(2)), circle(Child::Split(1)));
            tree.splits.extend([
                Split {
                    right: Child::Leaf(2),
                    ..second
                },
                Split {
                    right: Child::Leaf(3),
                    ..third
                },
            ]);
            let leaf = tree.leaves[0];
            tree.leaves.extend([leaf, leaf]);
        }),
        "a part hangs nowhere"
    );
    assert_eq!(refused(&|tree| *tree = random_chain(MAX_DEPTH + 1)), "too deep");
    assert_eq!(
        refused(&|tree| *tree = random_tree(&mut Stream::new(1), 2, MAX_LEAVES + 1)),
        "too many leaves"
    );
    assert!(Trees::new(1, 0.0, Link::Logit, &[random_chain(MAX_DEPTH)]).is_ok());
}

/// A tree whose deepest leaf is `depth` splits down.
fn random_chain(depth: usize) -> Tree {
    let number = |number: usize| u16::try_from(number).unwrap();
    let mut tree = stump();
    tree.splits = (0..depth)
        .map(|split| Split {
            left: Child::Leaf(number(split)),
            right: if split + 1 < depth {
                Child::Split(number(split + 1))
            } else {
                Child::Leaf(number(depth))
            },
            ..tree.splits[0]
        })
        .collect();
    tree.leaves = vec![tree.leaves[0]; depth + 1];
    tree
}

#[test]
fn an_ensemble_past_its_bounds_is_refused() {
    let refused = |features, trees: &[Tree]| {
        Trees::new(features, 0.0, Link::Logit, trees)
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        refused(MAX_FEATURES + 1, &[]),
        "features are past the bound of 4096"
    );
    let constant = Tree {
        splits: vec![],
        leaves: vec![stump().leaves[0]],
    };
    assert_eq!(
        refused(1, &vec![constant; MAX_TREES + 1]),
        "trees are past the bound of 10000"
    );
    let large = random_tree(&mut Stream::new(1), 1, MAX_LEAVES);
    let count = MAX_ALL_LEAVES / MAX_LEAVES + 1;
    assert_eq!(
        refused(1, &vec![large; count]),
        "leaves are past the bound of 1048576"
    );
    let link = Link::Probability { floor: 0.0 };
    assert!(Trees::new(1, 0.0, link, &[]).is_err());
    assert!(Trees::new(1, f64::NAN, Link::Logit, &[]).is_err());
    assert!(serde_json::from_str::<Trees>(r#"{"features":1,"base":0.0,"link":"logit","trees":[{"splits":[[0,0.5,1,-1,-2]],"leaves":[[1.0,1.0]]}]}"#).is_err());
}

#[test]
fn without_trees_every_row_gets_the_base() {
    let trees = Trees::new(3, -2.5, Link::Logit, &[]).unwrap();
    assert_eq!(trees.logit(&[1.0, 2.0, 3.0]), -2.5);
    assert_eq!(trees.expected_logit(), -2.5);
    assert!(trees.is_empty());
}

#[test]
fn what_a_row_lacks_is_missing() {
    let trees = Trees::new(1, 0.0, Link::Logit, &[stump()]).unwrap();
    assert_eq!(trees.logit(&[]), trees.logit(&[f64::NAN]));
    assert_eq!(trees.logit(&[]), -1.0);
}

#[test]
fn a_zero_is_missing_where_it_is_said_to_be() {
    let mut tree = stump();
    tree.splits[0].missing_left = false;
    let trees = Trees::new(2, 0.0, Link::Logit, &[tree]).unwrap();
    assert_eq!(trees.logit(&[0.0, 0.0]), -1.0);
    assert_eq!(
        trees
            .clone()
            .with_zero_as_missing(vec![1])
            .unwrap()
            .logit(&[0.0, 0.0]),
        -1.0
    );
    assert_eq!(
        trees
            .clone()
            .with_zero_as_missing(vec![0])
            .unwrap()
            .logit(&[0.0, 0.0]),
        1.0
    );
    assert!(trees.with_zero_as_missing(vec![2]).is_err());
}

#[test]
fn a_forest_without_positives_here_is_no_proof() {
    let constant = |value| Tree {
        splits: vec![],
        leaves: vec![Leaf { value, cover: 1.0 }],
    };
    let says = |value| {
        let link = Link::Probability { floor: 0.01 };
        Trees::new(1, 0.0, link, &[constant(value)])
            .unwrap()
            .probability(&[])
    };
    assert!((says(0.0) - 0.01).abs() < 1e-12);
    assert!((says(1.0) - 0.99).abs() < 1e-12);
    assert!((says(0.3) - 0.3).abs() < 1e-12);
}
