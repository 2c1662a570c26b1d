//! Mutations of a corpus, on stable; fuzz/ has the same for cargo-fuzz. A failure prints its seed.

use foreshift_logs::miner::{Miner, Settings};

const CORPUS: &[&str] = &[
    "session opened for user root by (uid=0)",
    "10.0.0.1:80 - - [18/Oct/2015:12:00:00 +0000] \"GET /a?b=c HTTP/1.1\" 200 12 \"-\" \"curl/7.1\"",
    "{\"t\":\"2026-01-02T03:04:05.123+02:00\",\"msg\":\"fe80::1%eth0 refused\",\"n\":[1,2,3]}",
    "ready=true,policy=3,ws=WorkSource{10057},tag=\"View Lock\",vis=0xff",
    "Sat Jun 18 02:08:10 2005 blk_-42 1234 bytes (1.2 KB) sent, lifetime <1 sec",
    "open C:\\Windows\\x.log hdfs://h:9000/p jo@example.org a@55ede994 00:11:22:33:44:55",
    "node-1 0x1fff <ok> node-2 0x1ffe <ok> () [] {} an14 an15 an16 1.5e-7 99% -- ... ====",
    "\u{e4}\u{f6}\u{fc} \u{65e5}\u{672c} caf\u{e9} 12\u{b5}s",
];
const ROUNDS: u64 = 40_000;
const LINES_PER_MINER: u64 = 2_000;

struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % bound.max(1)
    }

    fn line(&mut self) -> Vec<u8> {
        let mut line = CORPUS[self.below(CORPUS.len())].as_bytes().to_vec();
        for _ in 0..self.below(6) {
            let at = self.below(line.len());
            match self.below(6) {
                0 => line.insert(at, self.below(256) as u8),
                1 => drop(line.remove(at)),
                2 => line.truncate(at + 1),
                3 => line[at] = b" :=/.-<>()\"'@%0aZ\\"[self.below(18)],
                4 => {
                    let other = CORPUS[self.below(CORPUS.len())].as_bytes();
                    line.extend_from_slice(&other[self.below(other.len())..]);
                }
                _ => {
                    let end = at + self.below(line.len() - at);
                    let part = line[at..=end.min(line.len() - 1)].to_vec();
                    line.splice(at..at, part.repeat(1 + self.below(40)));
                }
            }
            if line.is_empty() {
                line.push(b'x');
            }
        }
        line
    }
}

/// Names the seed when the miner itself panics.
struct Named(u64);

impl Drop for Named {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let seed = self.0;
            std::io::Write::write_fmt(&mut std::io::stderr(), format_args!("seed {seed}\n")).ok();
        }
    }
}

#[test]
fn any_bytes_are_read_without_panic_within_the_bounds_and_alike() {
    let settings = Settings {
        max_templates: 200,
        max_template_bytes: 1 << 20,
        max_old_ids: 4,
        max_fingerprints: 256,
        masks: vec!["tenant-".into()],
    };
    for start in (1..=ROUNDS).step_by(LINES_PER_MINER as usize) {
        let mut miner = Miner::new(settings.clone());
        for seed in start..start + LINES_PER_MINER {
            let line = Chance(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15)).line();
            let _named = Named(seed);
            let mined = miner.read(&line);
            let again = miner.read(&line);
            assert_eq!(mined.template, again.template, "seed {seed}");
            assert!(!again.is_new, "seed {seed}");
            assert_eq!(
                miner.find(&line),
                Some(mined.template).filter(|id| *id != 0),
                "seed {seed}"
            );
            let current = miner.current(mined.template);
            assert_eq!(miner.current(current), current, "seed {seed}");
        }
        assert!(miner.templates().count() <= 200);
        let restored = Miner::restore(settings.clone(), miner.snapshot());
        assert_eq!(
            restored.templates().count(),
            miner.templates().count(),
            "from seed {start}"
        );
    }
}

proptest::proptest! {
    #[test]
    fn numbers_never_matter(text in "[a-z]{1,12}( [a-z]{1,12}){0,6}", a in 0u64.., b in 0u64..) {
        let mut miner = crate::miner();
        let first = miner.read(format!("{text} {a} y").as_bytes()).template;
        proptest::prop_assert_eq!(first, miner.read(format!("{text} {b} y").as_bytes()).template);
    }

    #[test]
    fn a_line_read_again_is_a_hit(lines in proptest::collection::vec("\\PC{0,80}", 1..30)) {
        let mut miner = crate::miner();
        for line in &lines {
            let template = miner.read(line.as_bytes()).template;
            let again = miner.read(line.as_bytes());
            proptest::prop_assert_eq!((again.template, again.is_new), (template, false));
        }
    }
}
