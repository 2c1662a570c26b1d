//! A line of a known template costs no allocation.

use foreshift_logs::miner::{Miner, Settings};

const LINES: [&str; 4] = [
    "connect to 10.0.0.1:8080 failed after 30ms",
    "session opened for user root by (uid=0)",
    "block blk_-42 of /data/7/x from jo@example.org at 2026-01-02T03:04:05Z",
    "{\"level\":\"warn\",\"msg\":\"slow\",\"id\":\"0673dd71-34c5-4fbb-86c4-40623fbe45b4\"}",
];

#[test]
fn a_known_line_costs_no_allocation() {
    let mut miner = Miner::new(Settings::default());
    for line in LINES {
        miner.read(line.as_bytes());
    }
    let counted = allocation_counter::measure(|| {
        for line in LINES {
            assert!(!miner.read(line.as_bytes()).is_new);
            assert!(miner.find(line.as_bytes()).is_some());
        }
    });
    assert_eq!(counted.count_total, 0);
}
