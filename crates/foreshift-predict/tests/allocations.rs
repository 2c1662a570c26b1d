//! Asking trees costs no allocation.

use foreshift_predict::trees::{Child, Leaf, Link, Split, Tree, Trees};

#[test]
fn asking_trees_costs_no_allocation() {
    let split = Split {
        feature: 0,
        threshold: 0.5,
        missing_left: true,
        left: Child::Leaf(0),
        right: Child::Leaf(1),
    };
    let leaf = |value| Leaf { value, cover: 1.0 };
    let tree = Tree {
        splits: vec![split],
        leaves: vec![leaf(-1.0), leaf(1.0)],
    };
    let trees = Trees::new(2, 0.0, Link::Logit, &vec![tree; 21]).unwrap();
    let mut logits = [0.0; 3];
    let mut right = 0;
    let counted = allocation_counter::measure(|| {
        trees.logits(&[0.0, 0.0, 1.0, 0.0, f64::NAN, 0.0], &mut logits);
        trees.leaves(&[1.0, 0.0], |_, leaf| right += leaf);
        assert_eq!(trees.logit(&[1.0, 0.0]), 21.0);
    });
    assert_eq!(counted.count_total, 0);
    assert_eq!(logits, [-21.0, 21.0, -21.0]);
    assert_eq!(right, 21);
}
