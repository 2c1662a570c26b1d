use foreshift_logs::miner::{Miner, Settings, Snapshot};

use crate::miner;

/// Lines of a small system, in an order that the seed gives.
fn lines(seed: u64) -> Vec<String> {
    let users = ["ann", "bob", "cyd", "dan", "eve"];
    let mut lines = Vec::new();
    for (at, user) in users.iter().enumerate() {
        lines.push(format!("session opened for user {user} by (uid={at})"));
        lines.push(format!(
            "Failed password for {user} from 10.0.0.{at} port 22{at} ssh2"
        ));
        lines.push(format!("worker {at} took 1.{at} s of 0x{at}f"));
        lines.push("shutting down".to_owned());
        lines.push(format!("copied /tmp/{user}/{at} to 10.1.0.{at}:80{at}"));
    }
    let mut state = seed | 1;
    for at in (1..lines.len()).rev() {
        state = state
            .wrapping_mul(0x5851_f42d_4c95_7f2d)
            .wrapping_add(0x1405_7b7e_f767_814f);
        lines.swap(at, (state >> 33) as usize % (at + 1));
    }
    lines
}

fn mined(lines: &[String]) -> (Miner, Vec<u64>) {
    let mut miner = miner();
    let ids = lines
        .iter()
        .map(|line| miner.read(line.as_bytes()).template)
        .collect();
    (miner, ids)
}

fn sorted(miner: &Miner) -> Vec<(u64, String)> {
    let mut all: Vec<_> = miner
        .templates()
        .map(|template| (template.id(), template.text().to_owned()))
        .collect();
    all.sort();
    all
}

#[test]
fn shards_that_read_in_another_order_end_with_the_same_ids() {
    let (first, _) = mined(&lines(1));
    for seed in 2..50 {
        let (other, _) = mined(&lines(seed));
        assert_eq!(sorted(&first), sorted(&other), "seed {seed}");
    }
}

#[test]
fn the_id_is_fixed_because_it_is_stored() {
    let mut miner = miner();
    assert_eq!(miner.read(b"retry 7 of 9").template, 10_124_643_185_340_803_048);
}

#[test]
fn every_id_ever_given_leads_to_a_template_and_no_further() {
    for seed in 1..50 {
        let (miner, ids) = mined(&lines(seed));
        for id in ids {
            let current = miner.current(id);
            assert_eq!(miner.current(current), current, "seed {seed}");
            assert_eq!(
                miner.template(id).map(|template| template.id()),
                Some(current),
                "seed {seed}"
            );
        }
    }
}

#[test]
fn an_unknown_id_leads_nowhere() {
    assert_eq!(miner().current(7), 7);
    assert!(miner().template(7).is_none());
    assert!(miner().template(0).is_none());
}

#[test]
fn a_restart_keeps_ids_counts_and_forwarding() {
    let lines = lines(3);
    let (before, ids) = mined(&lines);
    let stored = serde_json::to_vec(&before.snapshot()).expect("a snapshot is serialised");
    let snapshot: Snapshot = serde_json::from_slice(&stored).expect("and read");
    let mut after = Miner::restore(Settings::default(), snapshot);
    assert_eq!(sorted(&before), sorted(&after));
    for (line, id) in lines.iter().zip(ids) {
        let current = before.current(id);
        assert_eq!(after.current(id), current);
        assert_eq!(after.find(line.as_bytes()), Some(current));
        let read = after.read(line.as_bytes());
        assert_eq!((read.template, read.is_new), (current, false), "{line}");
    }
    let count = |miner: &Miner| miner.templates().map(|template| template.lines()).sum::<u64>();
    assert_eq!(count(&after), 2 * count(&before));
}

#[test]
fn a_broken_snapshot_is_left_out() {
    let (miner, _) = mined(&lines(3));
    let stored = serde_json::to_string(&miner.snapshot()).expect("a snapshot is serialised");
    let broken: Snapshot = serde_json::from_str(&stored.replace("shutting", "shut")).expect("and read");
    let restored = Miner::restore(Settings::default(), broken);
    assert_eq!(restored.templates().count(), miner.templates().count() - 1);
}

#[test]
fn looking_for_a_template_changes_nothing() {
    let lines = lines(5);
    let (miner, _) = mined(&lines);
    let before = miner.snapshot();
    for line in lines
        .iter()
        .map(String::as_str)
        .chain(["never seen before", "worker x took y"])
    {
        let _ = miner.find(line.as_bytes());
    }
    assert_eq!(miner.find(b"never seen before"), None);
    assert_eq!(miner.snapshot(), before);
}
