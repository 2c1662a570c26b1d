use std::sync::atomic::AtomicUsize;

use super::*;
use crate::source::{Item, Run};

/// Gives one numbered batch at each poll, so many of them, then ends.
struct Numbers {
    next: i64,
    most: i64,
    polls: Arc<AtomicUsize>,
    held_back: Arc<Mutex<Vec<PartitionKey>>>,
}

fn key() -> PartitionKey {
    PartitionKey {
        topic: "t".into(),
        partition: 0,
    }
}

impl Source for Numbers {
    fn poll(&mut self, _max: usize, _timeout: Duration) -> Result<Batch, SourceError> {
        self.polls.fetch_add(1, Ordering::Relaxed);
        let offset = self.next;
        self.next += 1;
        let clock = foreshift_domain::Input::Clock(foreshift_domain::Timestamp::from_secs(offset));
        let items = vec![Item {
            offset,
            decoded: crate::decoded::Decoded::Ordered(clock),
        }];
        let run = Run {
            partition: key(),
            next_offset: self.next,
            items,
            refused: Vec::new(),
            caught_up: false,
        };
        Ok(Batch {
            runs: vec![run],
            finished: self.next >= self.most,
        })
    }

    fn positions(&self) -> Positions {
        Positions::from([(key(), self.next)])
    }

    fn seek(&mut self, _to: &Positions) -> Result<(), SourceError> {
        Ok(())
    }

    fn hold_back(&mut self, partitions: &[PartitionKey]) {
        *self.held_back.lock().expect("not poisoned") = partitions.to_vec();
    }

    fn partitions(&self) -> Vec<PartitionKey> {
        vec![key()]
    }
}

fn numbers(most: i64) -> (Box<Numbers>, Arc<AtomicUsize>, Arc<Mutex<Vec<PartitionKey>>>) {
    let polls = Arc::new(AtomicUsize::new(0));
    let held_back = Arc::new(Mutex::new(Vec::new()));
    let source = Numbers {
        next: 0,
        most,
        polls: Arc::clone(&polls),
        held_back: Arc::clone(&held_back),
    };
    (Box::new(source), polls, held_back)
}

#[test]
fn all_batches_come_in_order_and_then_it_is_over() {
    let (source, _, _) = numbers(100);
    let feed = Feed::start("numbers", source).expect("a thread");
    for expected in 1..=100 {
        let batch = feed
            .next(Duration::from_secs(10))
            .expect("no error")
            .expect("a batch");
        assert_eq!(
            positions_after(&batch).values().copied().collect::<Vec<_>>(),
            vec![expected]
        );
    }
    assert!(feed.next(Duration::from_secs(10)).expect("no error").is_none());
}

#[test]
fn a_source_that_nobody_takes_from_is_not_polled_without_bound() {
    let (source, polls, _) = numbers(i64::MAX);
    let feed = Feed::start("numbers", source).expect("a thread");
    while polls.load(Ordering::Relaxed) <= MAX_WAITING {
        std::thread::yield_now();
    }
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(
        polls.load(Ordering::Relaxed),
        MAX_WAITING + 1,
        "those that wait, and one that finds no room"
    );
    let source = feed.stop(Duration::from_secs(10)).expect("stopped");
    assert!(source.positions().len() == 1);
}

#[test]
fn partitions_to_hold_back_reach_the_source() {
    let (source, _, held_back) = numbers(i64::MAX);
    let feed = Feed::start("numbers", source).expect("a thread");
    feed.hold_back(vec![key()]);
    while held_back.lock().expect("not poisoned").is_empty() {
        feed.next(Duration::from_secs(10)).expect("no error");
    }
    assert!(feed.stop(Duration::from_secs(10)).is_some());
}
