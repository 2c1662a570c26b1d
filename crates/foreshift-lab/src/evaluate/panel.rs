//! The rows of one horizon, as everything that measures reads them.

use std::collections::BTreeMap;
use std::sync::Arc;

use foreshift_domain::{Duration, Timestamp};

use crate::splits::Stamp;

/// A gap of more than so many usual ones between two rows of a target is time that nobody looked at: incidents,
/// cool-downs, silence.
const USUAL_GAPS: i64 = 3;

/// The rows of one horizon, in order of time, then target.
#[derive(Clone, Debug, Default)]
pub(crate) struct Panel {
    pub(crate) horizon: Duration,
    /// Names by number.
    pub(crate) targets: Vec<String>,
    pub(crate) routes: Vec<String>,
    /// By number; at least one row is about each.
    pub(crate) incidents: Vec<Incident>,
    pub(crate) rows: Vec<Row>,
    pub(crate) features: Arc<Features>,
    /// The usual time between two rows of a target.
    pub(crate) step: Duration,
}

/// One row.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Row {
    pub(crate) at: Timestamp,
    pub(crate) route: u32,
    pub(crate) target: u32,
    /// Whether an incident began within the horizon; `None` is unknown.
    pub(crate) label: Option<bool>,
    pub(crate) known_at: Option<Timestamp>,
    pub(crate) incident: Option<u32>,
    pub(crate) weight: f64,
    /// Whether our own action was in force.
    pub(crate) treated: bool,
    /// Probability of what was done at that time.
    pub(crate) propensity: f64,
    /// Whether the row's alarm was left without action on purpose.
    pub(crate) held_out: bool,
    /// Where its features are.
    pub(crate) place: usize,
    /// How much time it stands for, in seconds: until the target's next row.
    pub(crate) lasts_s: f64,
}

/// An incident that rows are about.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Incident {
    pub(crate) name: String,
    pub(crate) target: u32,
    /// When it was seen to begin.
    pub(crate) onset: Timestamp,
    /// Whether it had no signs before it, where anybody knows.
    pub(crate) abrupt: Option<bool>,
}

/// Features, column by column.
#[derive(Clone, Debug, Default)]
pub(crate) struct Features {
    pub(crate) names: Vec<String>,
    pub(crate) columns: Vec<Vec<f64>>,
}

impl Features {
    /// One feature of all rows.
    pub(crate) fn column(&self, name: &str) -> Option<&[f64]> {
        let index = self.names.iter().position(|known| known == name)?;
        self.columns.get(index).map(Vec::as_slice)
    }

    /// All features of one row, in order.
    pub(crate) fn fill(&self, place: usize, row: &mut Vec<f64>) {
        row.clear();
        let values = self.columns.iter();
        row.extend(values.map(|column| column.get(place).copied().unwrap_or(f64::NAN)));
    }
}

impl Panel {
    /// Puts rows in order, and works out what follows from all of them.
    pub(crate) fn ordered(mut self) -> Self {
        self.rows.sort_by_key(|row| (row.at, row.target));
        let gaps = self.gaps();
        let mut known: Vec<Duration> = gaps.iter().flatten().copied().collect();
        let middle = known.len() / 2;
        self.step = match middle < known.len() {
            true => *known.select_nth_unstable(middle).1,
            false => self.horizon,
        };
        let longest = self.step * USUAL_GAPS;
        for (row, gap) in self.rows.iter_mut().zip(gaps) {
            row.lasts_s = gap
                .filter(|gap| *gap <= longest)
                .unwrap_or(self.step)
                .as_secs_f64();
        }
        self
    }

    /// Time from each row to the next one of its target.
    fn gaps(&self) -> Vec<Option<Duration>> {
        let mut newest: BTreeMap<u32, usize> = BTreeMap::new();
        let mut gaps = vec![None; self.rows.len()];
        for (index, row) in self.rows.iter().enumerate() {
            if let Some(before) = newest.insert(row.target, index)
                && let (Some(slot), Some(earlier)) = (gaps.get_mut(before), self.rows.get(before))
            {
                *slot = Some(row.at.since(earlier.at));
            }
        }
        gaps
    }

    /// Whether two neighbouring rows of a target have time between them that nobody looked at.
    pub(crate) fn breaks_between(&self, earlier: Timestamp, later: Timestamp) -> bool {
        later.since(earlier) > self.step * USUAL_GAPS
    }

    /// What a split needs to know.
    pub(crate) fn stamps(&self) -> Vec<Stamp> {
        let stamp = |row: &Row| Stamp {
            at: row.at,
            known_at: row.label.and(row.known_at),
            incident: row.incident,
        };
        self.rows.iter().map(stamp).collect()
    }

    /// A feature by row; NaN where there is none.
    pub(crate) fn feature(&self, name: &str) -> Vec<f64> {
        let column = self.features.column(name).unwrap_or_default();
        let value = |row: &Row| column.get(row.place).copied().unwrap_or(f64::NAN);
        self.rows.iter().map(value).collect()
    }

    /// The name of a target.
    pub(crate) fn target(&self, target: u32) -> &str {
        self.targets.get(target as usize).map_or("", String::as_str)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Rows of a few targets, one a tick, with incidents at the given ticks of each; rows of an incident itself and
    /// of `cooldown` ticks after it are left out. A feature `sign` is 1 in the ticks before an incident that `warns`.
    pub(crate) struct Made {
        pub(crate) ticks: i64,
        pub(crate) tick_s: i64,
        pub(crate) horizon_ticks: i64,
        pub(crate) cooldown: i64,
        pub(crate) onsets: Vec<Vec<i64>>,
    }

    impl Made {
        pub(crate) fn panel(&self) -> Panel {
            let tick = Duration::from_secs(self.tick_s);
            let mut panel = Panel {
                horizon: tick * self.horizon_ticks,
                targets: (0..self.onsets.len()).map(|at| format!("t{at}")).collect(),
                routes: vec!["r".to_owned()],
                ..Panel::default()
            };
            let mut sign = Vec::new();
            for (target, onsets) in (0..).zip(&self.onsets) {
                let first = panel.incidents.len() as u32;
                panel.incidents.extend(onsets.iter().map(|onset| Incident {
                    name: format!("t{target}@{onset}"),
                    target,
                    onset: Timestamp::default() + tick * *onset,
                    abrupt: None,
                }));
                for now in 0..self.ticks {
                    let next = onsets.partition_point(|onset| *onset <= now);
                    let cooling = next > 0 && now - onsets[next - 1] <= self.cooldown;
                    if cooling {
                        continue;
                    }
                    let positive = onsets
                        .get(next)
                        .is_some_and(|onset| onset - now <= self.horizon_ticks);
                    let known = if positive {
                        onsets[next]
                    } else {
                        now + self.horizon_ticks
                    };
                    panel.rows.push(Row {
                        at: Timestamp::default() + tick * now,
                        route: 0,
                        target,
                        label: (known < self.ticks).then_some(positive),
                        known_at: (known < self.ticks).then_some(Timestamp::default() + tick * known),
                        incident: positive.then_some(first + next as u32),
                        weight: 1.0 / self.horizon_ticks as f64,
                        treated: false,
                        propensity: 1.0,
                        held_out: false,
                        place: sign.len(),
                        lasts_s: 0.0,
                    });
                    sign.push(f64::from(u8::from(positive)));
                }
            }
            panel.features = Arc::new(Features {
                names: vec!["sign".to_owned()],
                columns: vec![sign],
            });
            panel.ordered()
        }
    }

    #[test]
    fn a_row_stands_for_the_time_to_the_next_but_not_for_an_incident() {
        let made = Made {
            ticks: 100,
            tick_s: 2,
            horizon_ticks: 5,
            cooldown: 10,
            onsets: vec![vec![50], vec![]],
        };
        let panel = made.panel();
        assert_eq!(panel.step, Duration::from_secs(2));
        assert!(panel.rows.is_sorted_by_key(|row| (row.at, row.target)));
        let of = |target| panel.rows.iter().filter(move |row| row.target == target);
        assert_eq!(of(0).map(|row| row.lasts_s).sum::<f64>(), 2.0 * 89.0);
        assert_eq!(of(1).map(|row| row.lasts_s).sum::<f64>(), 200.0);
    }
}
