//! A thread's share of the features: their bins, their histograms, and the search for splits among them.
//!
//! A shard owns all that it writes, and what it is asked and answers goes over channels.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender};

use crate::bins::{Binned, Cuts};
use crate::histogram::{Histogram, Packed, Sums, WIDE, empty, fill, take};
use crate::split::{Candidate, Leaf, Rules, best};

/// What all shards read.
pub(crate) struct Table {
    pub(crate) cuts: Vec<Cuts>,
    pub(crate) binned: Binned,
    pub(crate) monotone: Vec<i8>,
}

impl Table {
    pub(crate) fn constraint(&self, feature: usize) -> i8 {
        self.monotone.get(feature).copied().unwrap_or(0)
    }
}

/// A leaf to look at: its number, and what is known of it if it may be split.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Open {
    pub(crate) number: usize,
    pub(crate) leaf: Option<Leaf>,
}

/// What a shard is asked.
#[derive(Clone)]
pub(crate) enum Job {
    /// A new tree, of these features only.
    Tree { drawn: Arc<Vec<bool>> },
    /// The best splits of a leaf whose rows these are, and of what its parent leaves to its sibling.
    Look {
        rows: Arc<Vec<u32>>,
        sums: Arc<Vec<Sums>>,
        /// The one whose rows these are.
        summed: Open,
        /// The sibling, and the number under which the parent's histograms lie.
        rest: Option<(Open, usize)>,
        rules: Rules,
    },
}

/// The best splits of the leaf that was summed and of the rest.
pub(crate) type Reply = [Option<Candidate>; 2];

/// One thread's features.
pub(crate) struct Shard<'a> {
    table: &'a Table,
    own: Vec<usize>,
    drawn: Vec<usize>,
    packed: Vec<Packed>,
    /// By leaf.
    histograms: Vec<Option<Vec<Box<Histogram>>>>,
    spare: Vec<Vec<Box<Histogram>>>,
}

impl<'a> Shard<'a> {
    pub(crate) fn new(table: &'a Table, own: Vec<usize>) -> Self {
        Self {
            table,
            own,
            drawn: Vec::new(),
            packed: Vec::new(),
            histograms: Vec::new(),
            spare: Vec::new(),
        }
    }

    /// Answers until nobody asks.
    pub(crate) fn serve(mut self, jobs: &Receiver<Job>, replies: &Sender<Reply>) {
        while let Ok(job) = jobs.recv() {
            // The job is dropped before the answer is sent: the asker wants its lists back.
            let reply = self.work(job);
            if replies.send(reply).is_err() {
                return;
            }
        }
    }

    pub(crate) fn work(&mut self, job: Job) -> Reply {
        match job {
            Job::Tree { drawn } => {
                self.start_tree(&drawn);
                [None, None]
            }
            Job::Look {
                rows,
                sums,
                summed,
                rest,
                rules,
            } => self.look((&rows, &sums), summed, rest, &rules),
        }
    }

    fn start_tree(&mut self, drawn: &[bool]) {
        self.spare.extend(self.histograms.drain(..).flatten());
        let is_drawn = |feature: &usize| drawn.get(*feature).copied().unwrap_or(false);
        let drawn: Vec<usize> = self.own.iter().copied().filter(is_drawn).collect();
        if drawn == self.drawn {
            return;
        }
        self.packed = drawn
            .chunks(WIDE)
            .map(|features| {
                let columns: Vec<&[u8]> = features
                    .iter()
                    .map(|feature| self.table.binned.column(*feature))
                    .collect();
                Packed::of(features, &self.table.cuts, &columns)
            })
            .collect();
        if self.spare.iter().any(|spare| spare.len() != self.packed.len()) {
            self.spare.clear();
        }
        self.drawn = drawn;
    }

    fn look(
        &mut self,
        (rows, sums): (&[u32], &[Sums]),
        summed: Open,
        rest: Option<(Open, usize)>,
        rules: &Rules,
    ) -> Reply {
        let mut filled = self
            .spare
            .pop()
            .unwrap_or_else(|| self.packed.iter().map(|_| empty()).collect());
        for (histogram, packed) in filled.iter_mut().zip(&self.packed) {
            fill(histogram, packed, rows, sums);
        }
        let mut reply = [self.best(&filled, summed.leaf.as_ref(), rules), None];
        if let Some((open, parent)) = rest
            && let Some(mut left) = self.histograms.get_mut(parent).and_then(Option::take)
        {
            for ((histogram, filled), packed) in left.iter_mut().zip(&filled).zip(&self.packed) {
                take(histogram, filled, packed);
            }
            reply[1] = self.best(&left, open.leaf.as_ref(), rules);
            self.keep(open, left);
        }
        self.keep(summed, filled);
        reply
    }

    /// Keeps histograms for when the leaf is split; if it cannot be, they are spare.
    fn keep(&mut self, open: Open, histograms: Vec<Box<Histogram>>) {
        if open.leaf.is_none() {
            self.spare.push(histograms);
            return;
        }
        if self.histograms.len() <= open.number {
            self.histograms.resize_with(open.number + 1, || None);
        }
        if let Some(place) = self.histograms.get_mut(open.number) {
            *place = Some(histograms);
        }
    }

    fn best(&self, histograms: &[Box<Histogram>], leaf: Option<&Leaf>, rules: &Rules) -> Option<Candidate> {
        let leaf = leaf?;
        let mut found: Option<Candidate> = None;
        for (histogram, packed) in histograms.iter().zip(&self.packed) {
            for (bins, (feature, _)) in histogram.iter().zip(&packed.features) {
                let constraint = self.table.constraint(*feature);
                let cuts = self.table.cuts.get(*feature)?;
                let Some(candidate) = best(leaf, bins, (*feature, cuts), constraint, rules) else {
                    continue;
                };
                if candidate.beats(found.as_ref()) {
                    found = Some(candidate);
                }
            }
        }
        found
    }
}

/// All shards: one is worked by the thread that asks, the others by threads of their own.
pub(crate) struct Crew<'a> {
    own: Shard<'a>,
    others: Vec<(Sender<Job>, Receiver<Reply>)>,
}

impl<'a> Crew<'a> {
    pub(crate) fn new(own: Shard<'a>, others: Vec<(Sender<Job>, Receiver<Reply>)>) -> Self {
        Self { own, others }
    }

    /// Has all shards do a job. `None` if a thread has ended early.
    pub(crate) fn ask(&mut self, job: Job) -> Option<Reply> {
        for (jobs, _) in &self.others {
            jobs.send(job.clone()).ok()?;
        }
        let mut best = self.own.work(job);
        for (_, replies) in &self.others {
            for (best, found) in best.iter_mut().zip(replies.recv().ok()?) {
                if let Some(found) = found
                    && found.beats(best.as_ref())
                {
                    *best = Some(found);
                }
            }
        }
        Some(best)
    }
}
