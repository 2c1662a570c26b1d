use foreshift_logs::miner::{Miner, Settings};

use crate::miner;

/// A line of words that no other has.
fn junk(number: u64) -> String {
    let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let words = (0..3 + number % 5).map(|_| {
        state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(7);
        (0..9)
            .map(|at| char::from(b'g' + (state >> (20 + 4 * at) & 15) as u8))
            .collect::<String>()
    });
    words.collect::<Vec<_>>().join(" ")
}

#[test]
fn templates_are_never_more_than_the_settings_say() {
    let settings = Settings {
        max_templates: 100,
        ..Settings::default()
    };
    let mut miner = Miner::new(settings);
    for number in 0..5_000 {
        let mined = miner.read(junk(number).as_bytes());
        assert!(miner.template(mined.template).is_some());
        assert!(miner.templates().count() <= 100);
    }
}

#[test]
fn bytes_are_never_much_more_than_the_settings_say() {
    let settings = Settings {
        max_template_bytes: 64 << 10,
        ..Settings::default()
    };
    let mut miner = Miner::new(settings);
    let mut most = 0;
    for number in 0..2_000 {
        miner.read(junk(number).repeat(10).as_bytes());
        most = most.max(
            miner
                .templates()
                .map(|template| template.text().len())
                .sum::<usize>(),
        );
    }
    assert!(most <= 64 << 10, "{most} bytes of text");
    assert!(miner.templates().count() > 1);
}

#[test]
fn a_template_in_use_is_not_forgotten_for_one_that_is_not() {
    let settings = Settings {
        max_templates: 50,
        max_fingerprints: 16,
        ..Settings::default()
    };
    let mut miner = Miner::new(settings);
    let hot = miner.read(b"heart beats as ever").template;
    for number in 0..2_000 {
        miner.read(junk(number).as_bytes());
        assert!(!miner.read(b"heart beats as ever").is_new, "after {number}");
    }
    assert_eq!(miner.read(b"heart beats as ever").template, hot);
}

#[test]
fn settings_of_nothing_still_give_ids() {
    let settings = Settings {
        max_templates: 0,
        max_template_bytes: 0,
        max_old_ids: 0,
        max_fingerprints: 0,
        masks: Vec::new(),
    };
    let mut miner = Miner::new(settings);
    assert_ne!(miner.read(b"one").template, 0);
    assert_ne!(miner.read(b"two").template, miner.read(b"three here").template);
    assert!(miner.templates().count() <= 1);
}

#[test]
fn a_forgotten_fingerprint_changes_no_template() {
    let lines: Vec<String> = (0..200)
        .map(|number| format!("{} took {number} ms", junk(number % 40)))
        .collect();
    let small = Settings {
        max_fingerprints: 4,
        ..Settings::default()
    };
    let (mut small, mut large) = (Miner::new(small), miner());
    for line in &lines {
        assert_eq!(small.read(line.as_bytes()), large.read(line.as_bytes()));
    }
}

#[test]
fn only_the_newest_of_the_replaced_ids_are_answered_to() {
    let settings = Settings {
        max_old_ids: 2,
        ..Settings::default()
    };
    let mut miner = Miner::new(settings);
    let ids: Vec<u64> = ["cold", "dark", "wet", "far", "old", "sad"]
        .iter()
        .map(|word| {
            miner
                .read(format!("the door was {word} then").as_bytes())
                .template
        })
        .collect();
    assert_eq!(miner.templates().count(), 1);
    let known = ids.iter().filter(|id| miner.template(**id).is_some());
    // The newest two of the five that were replaced, and the one that replaced them.
    assert_eq!(known.count(), 3);
}
