//! Walk-forward splits by time and incident: what came before teaches, what came after judges.
//!
//! A cut lies between two parts. Rows whose label could only be known after it do not teach, nor do rows less than
//! the gap before it: with a gap of at least the horizon, no incident that is judged can be seen in what teaches.
//! An incident belongs to the part in which its last row lies; its rows in an earlier part are left out.

use std::collections::BTreeMap;

use anyhow::ensure;
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

/// Divides rows into `folds` parts to be judged, each after all that its model learns from. The first `1 / (folds + 1)`
/// of the incidents (of the moments, where there are fewer incidents than that) only teach. Rows may be in any order.
///
/// # Errors
/// When there are no rows, fewer moments than folds, or `gap` is shorter than `horizon`.
#[allow(dead_code, reason = "models are trained by it")]
pub(crate) fn walk_forward(
    stamps: &[Stamp],
    folds: usize,
    horizon: Duration,
    gap: Duration,
) -> anyhow::Result<Vec<Fold>> {
    ensure!(!stamps.is_empty(), "there are no rows to split");
    ensure!(
        gap >= horizon,
        "a gap of {gap} is shorter than the horizon of {horizon}: labels would be seen early"
    );
    let last_rows = last_rows(stamps);
    let cuts = cuts(stamps, &last_rows, folds)?;
    let ends = cuts.iter().skip(1).copied().chain([Timestamp::MAX]);
    let fold = |(from, until): (&Timestamp, Timestamp)| Fold {
        from: *from,
        train: positions(stamps, |stamp| teaches(stamp, *from, gap, &last_rows)),
        test: positions(stamps, |stamp| {
            let decisive = decisive(stamp, &last_rows);
            stamp.at >= *from && stamp.at < until && decisive < until
        }),
    };
    Ok(cuts.iter().zip(ends).map(fold).collect())
}

/// One cut: rows from `from` on are judged, what was known before teaches.
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

/// Where the parts to be judged begin.
#[allow(dead_code, reason = "models are trained by it")]
fn cuts(
    stamps: &[Stamp],
    last_rows: &BTreeMap<u32, Timestamp>,
    folds: usize,
) -> anyhow::Result<Vec<Timestamp>> {
    let mut moments: Vec<Timestamp> = last_rows.values().copied().collect();
    if moments.len() <= folds {
        moments = stamps.iter().map(|stamp| stamp.at).collect();
    }
    moments.sort_unstable();
    let at = |part: usize| moments.get(part * moments.len() / (folds + 1)).copied();
    let mut cuts: Vec<Timestamp> = (1..=folds).filter_map(at).collect();
    cuts.dedup();
    let first = stamps.iter().map(|stamp| stamp.at).min();
    ensure!(
        cuts.len() == folds && cuts.first().copied() != first,
        "{folds} folds need more moments than there are between the first row and the last"
    );
    Ok(cuts)
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

    #[test]
    fn no_incident_is_in_two_folds_nor_in_what_its_judge_learned_from() {
        let rows = rows();
        let folds = walk_forward(&rows, 4, HORIZON, HORIZON).unwrap();
        let incidents = |positions: &[usize]| -> BTreeSet<u32> {
            positions.iter().filter_map(|at| rows[*at].incident).collect()
        };
        let mut judged = BTreeSet::new();
        for fold in &folds {
            let test = incidents(&fold.test);
            assert!(test.len() >= 8);
            assert!(test.is_disjoint(&incidents(&fold.train)));
            assert!(test.is_disjoint(&judged), "{judged:?}");
            judged.extend(test);
        }
        assert_eq!(folds.len(), 4);
    }

    #[test]
    fn the_gap_is_respected_and_every_label_that_teaches_was_known() {
        let rows = rows();
        for gap in [HORIZON, Duration::from_secs(200)] {
            for fold in walk_forward(&rows, 3, HORIZON, gap).unwrap() {
                assert!(!fold.train.is_empty());
                for at in &fold.train {
                    assert!(rows[*at].at + gap <= fold.from);
                    assert!(rows[*at].known_at.unwrap() <= fold.from);
                }
                assert!(fold.test.iter().all(|at| rows[*at].at >= fold.from));
            }
        }
        let short = Duration::from_secs(59);
        let error = walk_forward(&rows, 3, HORIZON, short).unwrap_err();
        assert_eq!(
            error.to_string(),
            "a gap of 59s is shorter than the horizon of 1m: labels would be seen early"
        );
    }

    #[test]
    fn what_cannot_be_split_is_refused() {
        let refused = |stamps: &[Stamp]| walk_forward(stamps, 3, HORIZON, HORIZON).unwrap_err().to_string();
        assert_eq!(refused(&[]), "there are no rows to split");
        assert!(refused(&[rows()[5]; 9]).starts_with("3 folds need more moments"));
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
