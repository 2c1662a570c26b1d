//! Splits by time and incident: what came before teaches, what came after judges.
//!
//! A cut lies between two parts. Rows whose label could only be known after it do not teach, nor do rows less than
//! the gap before it: with a gap of at least the horizon, no incident that is judged can be seen in what teaches.
//! An incident belongs to the part in which its last row lies; its rows in an earlier part are left out.

use std::collections::BTreeMap;

use foreshift_domain::{Duration, Timestamp};

/// What a split needs to know of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// The moment of the row.
    pub(crate) at: Timestamp,
    /// When its label was known; `None` never.
    pub(crate) known_at: Option<Timestamp>,
    /// The incident that the row is about, by any number of its own.
    pub(crate) incident: Option<u32>,
}

/// What one model learns from and is judged on, as positions of rows, ascending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fold {
    /// Where the part that is judged begins.
    pub(crate) from: Timestamp,
    /// Rows to learn from: their labels were known before `from`.
    pub(crate) train: Vec<usize>,
    /// Rows to be judged on.
    pub(crate) test: Vec<usize>,
}

/// Rows from `from` on are judged; what was known before teaches, but for the `gap` right before it, which is at least
/// the horizon. Rows may be in any order.
pub(crate) fn at(stamps: &[Stamp], from: Timestamp, gap: Duration) -> Fold {
    let last_rows = last_rows(stamps);
    Fold {
        from,
        train: positions(stamps, |stamp| teaches(stamp, from, gap, &last_rows)),
        test: positions(stamps, |stamp| stamp.at >= from),
    }
}

fn positions(stamps: &[Stamp], keeps: impl Fn(&Stamp) -> bool) -> Vec<usize> {
    let numbered = stamps.iter().enumerate();
    numbered
        .filter(|(_, stamp)| keeps(stamp))
        .map(|(index, _)| index)
        .collect()
}

fn teaches(stamp: &Stamp, from: Timestamp, gap: Duration, last_rows: &BTreeMap<u32, Timestamp>) -> bool {
    let known = stamp.known_at.is_some_and(|known| known <= from);
    known && stamp.at <= from - gap && decisive(stamp, last_rows) < from
}

/// The moment that says to which part a row belongs.
fn decisive(stamp: &Stamp, last_rows: &BTreeMap<u32, Timestamp>) -> Timestamp {
    let last = stamp.incident.and_then(|incident| last_rows.get(&incident));
    last.copied().unwrap_or(stamp.at)
}

/// The last row of each incident.
fn last_rows(stamps: &[Stamp]) -> BTreeMap<u32, Timestamp> {
    let mut last = BTreeMap::new();
    for stamp in stamps {
        if let Some(incident) = stamp.incident {
            let slot = last.entry(incident).or_insert(stamp.at);
            *slot = stamp.at.max(*slot);
        }
    }
    last
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const HORIZON: Duration = Duration::from_secs(60);

    /// A row a second; an incident every 97 s, seen by the minute before it.
    fn rows() -> Vec<Stamp> {
        let row = |second: i64| {
            let onset = (second / 97 + 1) * 97;
            let at = Timestamp::from_secs(second);
            let positive = onset - second <= 60;
            let known = if positive { onset } else { second + 60 };
            Stamp {
                at,
                known_at: (second % 11 != 0).then(|| Timestamp::from_secs(known)),
                incident: positive.then_some((onset / 97) as u32),
            }
        };
        (0..5_000).map(row).collect()
    }

    /// Cuts wherever an incident may be: before it, in the midst of its rows, after it.
    fn cuts(gap: Duration) -> impl Iterator<Item = Fold> {
        (1_000..1_100).map(move |second| at(&rows(), Timestamp::from_secs(second), gap))
    }

    #[test]
    fn no_incident_that_is_judged_is_in_what_its_judge_learned_from() {
        let rows = rows();
        let incidents = |positions: &[usize]| -> BTreeSet<u32> {
            positions.iter().filter_map(|at| rows[*at].incident).collect()
        };
        for fold in cuts(HORIZON) {
            let (train, test) = (incidents(&fold.train), incidents(&fold.test));
            assert!(train.len() >= 8 && test.len() >= 8);
            assert!(test.is_disjoint(&train));
        }
    }

    #[test]
    fn the_gap_is_respected_and_every_label_that_teaches_was_known() {
        let rows = rows();
        for gap in [HORIZON, Duration::from_secs(200)] {
            for fold in cuts(gap) {
                assert!(!fold.train.is_empty());
                for at in &fold.train {
                    assert!(rows[*at].at + gap <= fold.from);
                    assert!(rows[*at].known_at.unwrap() <= fold.from);
                }
                assert!(fold.test.iter().all(|at| rows[*at].at >= fold.from));
            }
        }
    }

    #[test]
    fn a_single_cut_leaves_the_gap_out() {
        let rows = rows();
        let fold = at(&rows, Timestamp::from_secs(1_000), HORIZON);
        assert_eq!(fold.test.first(), Some(&1_000));
        assert!(
            fold.train
                .iter()
                .all(|at| rows[*at].at <= Timestamp::from_secs(940))
        );
    }
}
