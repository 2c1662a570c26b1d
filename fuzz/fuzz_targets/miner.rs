//! Any bytes, line by line: no panic, bounded templates, and a line read again is a hit.

#![no_main]

use foreshift_logs::miner::{Miner, Settings};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let settings = Settings {
        max_templates: 32,
        max_fingerprints: 32,
        ..Settings::default()
    };
    let mut miner = Miner::new(settings);
    for line in bytes.split(|byte| *byte == b'\n') {
        let template = miner.read(line).template;
        let again = miner.read(line);
        assert_eq!((again.template, again.is_new), (template, false));
        assert_eq!(miner.current(template), template);
        assert!(miner.templates().count() <= 32);
    }
});
