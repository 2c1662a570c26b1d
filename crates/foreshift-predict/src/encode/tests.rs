use super::*;
use proptest::prelude::*;

fn touched(edges: &[f64], value: f64) -> Vec<(usize, f64)> {
    let touched = Scale::new(edges).place(value).touched();
    touched.into_iter().filter(|(_, share)| *share > 0.0).collect()
}

#[test]
fn a_value_between_knots_is_shared_by_both() {
    assert_eq!(touched(&[0.0, 4.0, 8.0], 5.0), [(1, 0.75), (2, 0.25)]);
    assert_eq!(touched(&[0.0, 4.0, 8.0], 4.0), [(1, 1.0)]);
}

#[test]
fn values_beyond_the_knots_count_as_the_last_ones() {
    assert_eq!(touched(&[0.0, 4.0, 8.0], -1e300), [(0, 1.0)]);
    assert_eq!(touched(&[0.0, 4.0, 8.0], 1e300), [(2, 1.0)]);
    assert_eq!(touched(&[3.0], 1e300), [(0, 1.0)]);
}

#[test]
fn missing_and_infinite_share_a_slot_that_no_value_touches() {
    for missing in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert_eq!(touched(&[0.0, 4.0], missing), [(2, 1.0)]);
        assert_eq!(touched(&[], missing), [(1, 1.0)]);
    }
    assert_eq!(touched(&[], 7.0), [(0, 1.0)]);
}

#[test]
fn a_missing_value_that_tells_nothing_touches_nothing() {
    let input = |missing_tells| InputSpec {
        name: "a".into(),
        edges: vec![0.0, 1.0],
        heads: ALL_HEADS,
        missing_tells,
        rarity: false,
    };
    let touched = |missing_tells, value| {
        let layout = Layout::new(0, &[input(missing_tells)], &[]);
        let mut slots = Vec::new();
        layout.visit(&layout.place(&[value]), |slot, _| slots.push(slot));
        slots
    };
    assert_eq!(touched(true, f64::NAN), [2]);
    assert!(touched(false, f64::NAN).is_empty());
    assert_eq!((touched(false, 0.5), touched(false, 1.0)), (vec![0, 1], vec![1]));
}

#[test]
fn a_waiting_row_of_thirty_features_and_three_horizons_fits_in_200_bytes() {
    let example = Example {
        placed: vec![Position::default(); 30].into(),
        said: vec![Said::default(); 3].into(),
        beside: None,
    };
    assert!(example.bytes() <= 200, "{}", example.bytes());
}

proptest! {
    #[test]
    fn what_is_gathered_for_a_head_and_what_the_first_leaves_are_what_visits_of_their_inputs_touch(
        heads in prop::collection::vec(0_u8..8, 4),
        missing_tells in prop::collection::vec(any::<bool>(), 4),
        row in prop::collection::vec(prop_oneof![Just(f64::NAN), -1.0..4.0], 4),
        head in 0_usize..3,
    ) {
        let inputs: Vec<InputSpec> = heads
            .into_iter()
            .zip(missing_tells)
            .map(|(heads, missing_tells)| InputSpec {
                name: String::new(),
                edges: vec![0.0, 1.0, 3.0],
                heads,
                missing_tells,
                rarity: false,
            })
            .collect();
        let layout = Layout::new(5, &inputs, &[(0, 1), (2, 3)]);
        let placed = layout.place(&row);
        let mut visited = Vec::new();
        let read = |heads: u8| heads & (1 << head) != 0;
        layout.visit_read(read, &placed, |slot, share| visited.push((slot, share)));
        let mut touched = Touched::default();
        layout.gather(head, &placed, &mut touched);
        let touched: Vec<_> = touched.all().iter().map(|touch| (touch.slot, touch.input)).collect();
        prop_assert_eq!(touched, visited);
        let (mut left, mut visited) = (Vec::new(), Vec::new());
        layout.visit_left(&placed, |slot, share| left.push((slot, share)));
        layout.visit_read(is_left, &placed, |slot, share| visited.push((slot, share)));
        prop_assert_eq!(left, visited);
    }

    #[test]
    fn the_touched_slots_of_an_input_are_its_own_and_sum_to_one(
        edges in prop::collection::btree_set(-1000i32..1000, 0..12),
        value in prop::num::f64::ANY,
    ) {
        let edges: Vec<f64> = edges.into_iter().map(f64::from).collect();
        let touched = touched(&edges, value);
        let slots = Scale::new(&edges).slots();
        prop_assert!(touched.iter().all(|(slot, _)| *slot < slots));
        prop_assert_eq!(touched.iter().map(|(_, share)| share).sum::<f64>(), 1.0);
    }

    #[test]
    fn no_position_reaches_into_the_slots_of_another_input(knot in any::<u16>(), beyond in any::<u16>()) {
        let inputs = [
            InputSpec { name: "a".into(), edges: vec![0.0, 1.0], heads: crate::ALL_HEADS, missing_tells: true, rarity: false },
            InputSpec { name: "b".into(), edges: vec![0.0], heads: crate::ALL_HEADS, missing_tells: true, rarity: false },
        ];
        let layout = Layout::new(3, &inputs, &[(0, 1)]);
        let mut slots = Vec::new();
        layout.visit(&[Position { knot, beyond }, Position { knot, beyond }], |slot, _| slots.push(slot));
        let inside = |run: std::ops::Range<usize>| slots.iter().filter(|slot| run.contains(slot)).count();
        prop_assert!((1..=2).contains(&inside(3..6)) && inside(6..8) == 1 && inside(8..14) <= 2);
        prop_assert!(slots.iter().all(|slot| (3..layout.slots()).contains(slot)));
    }
}

#[test]
fn a_position_stands_for_its_value_between_the_knots() {
    let input = |edges: &[f64], missing_tells| InputSpec {
        name: String::new(),
        edges: edges.to_vec(),
        heads: ALL_HEADS,
        missing_tells,
        rarity: false,
    };
    let three: &[f64] = &[-2.0, 0.0, 4.0];
    let layout = Layout::new(
        7,
        &[
            input(three, true),
            input(three, false),
            input(&[1.0], true),
            input(&[], true),
        ],
        &[(0, 1)],
    );
    let seen = |value| layout.seen(&layout.place(&[value; 4])).collect::<Vec<_>>();
    for (value, within) in [(-1.5, -1.5), (0.0, 0.0), (3.0, 3.0), (-9.0, -2.0), (9.0, 4.0)] {
        let within = Seen::Value(within);
        assert_eq!(seen(value), [within, within, Seen::Nothing, Seen::Nothing]);
    }
    assert_eq!(
        seen(f64::NAN),
        [Seen::Missing, Seen::Nothing, Seen::Nothing, Seen::Nothing]
    );
}
