//! Measures over alarms and incidents: what a person on call would see. Nothing is point-adjusted.
//!
//! A row above a threshold raises an alarm; rows that follow within a horizon of the one before are the same alarm. It
//! stands for [`STANDS`] horizons at most: an alarm that never ends is not one alarm, but many, most of them false.
//! An alarm is true when an incident began within the horizon of one of its rows, false when it is known that none did.
//! An incident is foreseen when one of its rows is above the threshold; the lead is from the first of those to the onset.

use std::collections::BTreeMap;

use foreshift_domain::{Duration, Timestamp};
use serde::Serialize;

use super::bootstrap::{Blocks, Counts, Estimate, quantile};
use super::panel::{Incident, Panel};

/// Thresholds are tried at ranks that grow by this factor.
const RANK_STEP: f64 = 1.07;
/// Thresholds are tried until so many times the budget is spent: the curve goes a little further than the point.
const CURVE_BUDGETS: f64 = 20.0;
/// An alarm that has stood for so many horizons is over, and what follows is a new one...
const STANDS: i64 = 5;
/// ...or for an hour, where the horizon is not longer: nobody waits that long for what was to come in minutes.
const STANDS_LONGEST: Duration = Duration::HOUR;
const DAY_S: f64 = 86_400.0;
/// Points of the curve of recall against lead.
const LEAD_POINTS: usize = 60;

/// What alarms came to at one threshold.
#[derive(Clone, Debug)]
struct At {
    threshold: f64,
    /// By block.
    false_alarms: BTreeMap<u32, f64>,
    true_alarms: BTreeMap<u32, f64>,
    /// By incident that can be seen from rows: seconds, `None` is missed.
    leads_s: Vec<Option<f64>>,
}

/// An alarm that stands.
#[derive(Clone, Copy)]
struct Alarm {
    target: u32,
    raised: Timestamp,
    newest: Timestamp,
    /// Of its first row.
    block: u32,
    came_true: bool,
}

/// The rows that are judged, for alarms of any threshold.
pub(crate) struct Watch<'a> {
    panel: &'a Panel,
    /// Positions of judged rows, by target, then time.
    order: Vec<usize>,
    blocks: &'a Blocks,
    /// Incidents that some judged row is about, with their blocks.
    incidents: Vec<(u32, u32)>,
    /// Days of all targets that were looked at, by block.
    days: Vec<f64>,
}

/// Alarms at a budget.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Events {
    /// False alarms allowed for each target and day.
    pub(crate) budget: f64,
    pub(crate) target_days: f64,
    /// The lowest threshold at which the budget holds; `None` when none does.
    pub(crate) threshold: Option<f64>,
    pub(crate) false_alarms_per_target_day: f64,
    pub(crate) incidents: usize,
    pub(crate) recall: Estimate,
    /// Of incidents that had signs before them, where the recording says so.
    pub(crate) with_signs: Option<Group>,
    /// Of those that had none: foreseeing one is chance.
    pub(crate) abrupt: Option<Group>,
    /// True alarms of all that are true or false.
    pub(crate) precision: Estimate,
    /// Of foreseen incidents, in seconds.
    pub(crate) lead_median_s: Estimate,
    pub(crate) lead_p10_s: f64,
    /// False alarms a target-day against recall, over thresholds.
    pub(crate) budget_curve: Vec<(f64, f64)>,
    /// Seconds against the share of incidents that were foreseen at least so long before.
    pub(crate) lead_curve: Vec<(f64, f64)>,
}

/// Recall over some of the incidents.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Group {
    pub(crate) incidents: usize,
    pub(crate) recall: Estimate,
    /// Of those foreseen, in seconds.
    pub(crate) lead_median_s: f64,
}

impl<'a> Watch<'a> {
    /// `judged` are positions of rows with known labels.
    pub(crate) fn new(panel: &'a Panel, judged: &[usize], blocks: &'a Blocks) -> Self {
        let mut order = judged.to_vec();
        order.sort_by_key(|at| panel.rows.get(*at).map(|row| (row.target, row.at)));
        let mut incidents = BTreeMap::new();
        let mut days = vec![0.0; blocks.count];
        for at in &order {
            let (Some(row), Some(block)) = (panel.rows.get(*at), blocks.of_row.get(*at)) else {
                continue;
            };
            if let (Some(true), Some(incident)) = (row.label, row.incident) {
                incidents.entry(incident).or_insert(*block);
            }
            if let Some(slot) = days.get_mut(*block as usize) {
                *slot += row.lasts_s / DAY_S;
            }
        }
        Self {
            panel,
            order,
            blocks,
            incidents: incidents.into_iter().collect(),
            days,
        }
    }

    /// What a ranking (by row, NaN where nothing was said) comes to at a budget of false alarms; and its recall by
    /// resample.
    pub(crate) fn events(&self, ranking: &[f64], budget: f64, resamples: &[Counts]) -> (Events, Vec<f64>) {
        let tried = self.tries(ranking, budget);
        let chosen = self.within(&tried, budget, None);
        let resampled: Vec<(&Counts, Option<&At>)> = resamples
            .iter()
            .map(|counts| (counts, self.within(&tried, budget, Some(counts))))
            .collect();
        let over = |figure: &dyn Fn(Option<&At>, Option<&Counts>) -> f64| {
            let values = resampled.iter().map(|(counts, at)| figure(*at, Some(counts)));
            Estimate::new(figure(chosen, None), values)
        };
        let group = |belongs: &dyn Fn(&Incident) -> bool| {
            let count = self.members(belongs).count();
            (count > 0).then(|| Group {
                incidents: count,
                recall: over(&|at, counts| self.recall(at, counts, belongs)),
                lead_median_s: self.lead(chosen, None, 0.5, belongs),
            })
        };
        let recalls = resampled
            .iter()
            .map(|(counts, at)| self.recall(*at, Some(counts), &|_| true));
        let recalls = recalls.collect();
        let events = Events {
            budget,
            target_days: self.days.iter().sum(),
            threshold: chosen.map(|at| at.threshold),
            false_alarms_per_target_day: chosen.map_or(0.0, |at| self.false_rate(at, None)),
            incidents: self.incidents.len(),
            recall: over(&|at, counts| self.recall(at, counts, &|_| true)),
            with_signs: group(&|incident| incident.abrupt == Some(false)),
            abrupt: group(&|incident| incident.abrupt == Some(true)),
            precision: over(&|at, counts| precision(at, counts)),
            lead_median_s: over(&|at, counts| self.lead(at, counts, 0.5, &|_| true)),
            lead_p10_s: self.lead(chosen, None, 0.1, &|_| true),
            budget_curve: tried
                .iter()
                .map(|at| (self.false_rate(at, None), self.recall(Some(at), None, &|_| true)))
                .collect(),
            lead_curve: self.lead_curve(chosen),
        };
        (events, recalls)
    }

    /// What comes of one threshold that was set beforehand: false alarms a target-day, and recall.
    pub(crate) fn at_threshold(&self, ranking: &[f64], threshold: f64) -> (f64, f64) {
        let above = self.above(ranking, threshold);
        let at = self.alarms(threshold, &above);
        (
            self.false_rate(&at, None),
            self.recall(Some(&at), None, &|_| true),
        )
    }

    /// Places (in order) of the rows at or above a threshold.
    fn above(&self, ranking: &[f64], threshold: f64) -> Vec<usize> {
        let places = self.order.iter().enumerate();
        places
            .filter(|(_, row)| ranking.get(**row).is_some_and(|value| *value >= threshold))
            .map(|(place, _)| place)
            .collect()
    }

    /// Alarms at thresholds from the top, until far more than the budget is spent.
    fn tries(&self, ranking: &[f64], budget: f64) -> Vec<At> {
        let value = |row: &usize| ranking.get(*row).copied().unwrap_or(f64::NAN);
        let places = self.order.iter().enumerate();
        let mut ranked: Vec<(f64, usize)> = places
            .map(|(place, row)| (value(row), place))
            .filter(|(value, _)| !value.is_nan())
            .collect();
        ranked.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let mut tried: Vec<At> = Vec::new();
        let mut rank = 1.0;
        while let Some((threshold, _)) = ranked.get(rank as usize - 1) {
            let end = ranked.partition_point(|(value, _)| value.total_cmp(threshold).is_ge());
            let mut places: Vec<usize> = ranked.iter().take(end).map(|(_, place)| *place).collect();
            places.sort_unstable();
            let at = self.alarms(*threshold, &places);
            let spent = self.false_rate(&at, None);
            tried.push(at);
            if spent > budget * CURVE_BUDGETS {
                break;
            }
            rank = (rank * RANK_STEP).max(end as f64 + 1.0).floor();
        }
        tried
    }

    /// Alarms over rows above a threshold, given by their places in order.
    fn alarms(&self, threshold: f64, places: &[usize]) -> At {
        let mut at = At {
            threshold,
            false_alarms: BTreeMap::new(),
            true_alarms: BTreeMap::new(),
            leads_s: vec![None; self.incidents.len()],
        };
        let horizon = self.panel.horizon;
        let stands = (horizon * STANDS).min(STANDS_LONGEST.max(horizon));
        let mut standing: Option<Alarm> = None;
        for place in places {
            let Some(index) = self.order.get(*place) else {
                continue;
            };
            let (Some(row), Some(block)) = (self.panel.rows.get(*index), self.blocks.of_row.get(*index))
            else {
                continue;
            };
            let positive = row.label == Some(true);
            match &mut standing {
                Some(alarm)
                    if alarm.target == row.target
                        && row.at.since(alarm.newest) < horizon
                        && row.at.since(alarm.raised) < stands =>
                {
                    alarm.newest = row.at;
                    alarm.came_true |= positive;
                }
                _ => {
                    at.close(standing.take());
                    standing = Some(Alarm {
                        target: row.target,
                        raised: row.at,
                        newest: row.at,
                        block: *block,
                        came_true: positive,
                    });
                }
            }
            if let (true, Some(incident)) = (positive, row.incident) {
                self.foresee(&mut at, incident, row.at);
            }
        }
        at.close(standing);
        at
    }

    fn foresee(&self, at: &mut At, incident: u32, now: Timestamp) {
        let position = self
            .incidents
            .binary_search_by_key(&incident, |(number, _)| *number);
        let slot = position.ok().and_then(|position| at.leads_s.get_mut(position));
        let onset = self
            .panel
            .incidents
            .get(incident as usize)
            .map(|incident| incident.onset);
        if let (Some(slot), Some(onset)) = (slot, onset) {
            slot.get_or_insert(onset.since(now).as_secs_f64());
        }
    }

    fn false_rate(&self, at: &At, counts: Option<&Counts>) -> f64 {
        total(&at.false_alarms, counts) / self.days(counts)
    }

    fn days(&self, counts: Option<&Counts>) -> f64 {
        let days = self.days.iter().zip(0..);
        let drawn = days.map(|(days, block)| days * counts.map_or(1.0, |counts| counts.of(block)));
        drawn.sum::<f64>().max(f64::MIN_POSITIVE)
    }

    /// The lowest threshold at which the budget holds.
    fn within<'t>(&self, tried: &'t [At], budget: f64, counts: Option<&Counts>) -> Option<&'t At> {
        let allowed = budget * self.days(counts);
        let mut holding = tried
            .iter()
            .filter(|at| total(&at.false_alarms, counts) <= allowed);
        holding.next_back()
    }

    fn members(&self, belongs: impl Fn(&Incident) -> bool) -> impl Iterator<Item = (usize, u32)> {
        let numbered = self.incidents.iter().enumerate();
        numbered.filter_map(move |(position, (incident, block))| {
            let belongs = self.panel.incidents.get(*incident as usize).is_some_and(&belongs);
            belongs.then_some((position, *block))
        })
    }

    fn recall(&self, at: Option<&At>, counts: Option<&Counts>, belongs: &dyn Fn(&Incident) -> bool) -> f64 {
        let (mut seen, mut all) = (0.0, 0.0);
        for (position, block) in self.members(belongs) {
            let times = counts.map_or(1.0, |counts| counts.of(block));
            let lead = at.and_then(|at| at.leads_s.get(position).copied().flatten());
            all += times;
            seen += if lead.is_some() { times } else { 0.0 };
        }
        seen / all
    }

    /// A quantile of leads, of foreseen incidents.
    fn lead(
        &self,
        at: Option<&At>,
        counts: Option<&Counts>,
        share: f64,
        belongs: &dyn Fn(&Incident) -> bool,
    ) -> f64 {
        let Some(at) = at else { return f64::NAN };
        let mut leads = Vec::new();
        for (position, block) in self.members(belongs) {
            let times = counts.map_or(1.0, |counts| counts.of(block));
            if let Some(lead) = at.leads_s.get(position).copied().flatten() {
                leads.extend(std::iter::repeat_n(lead, times as usize));
            }
        }
        leads.sort_by(f64::total_cmp);
        quantile(&leads, share)
    }

    fn lead_curve(&self, at: Option<&At>) -> Vec<(f64, f64)> {
        let horizon_s = self.panel.horizon.as_secs_f64();
        let leads = at.map(|at| at.leads_s.as_slice()).unwrap_or_default();
        let share = |least: f64| {
            let so_early = leads.iter().flatten().filter(|lead| **lead >= least).count();
            so_early as f64 / self.incidents.len().max(1) as f64
        };
        (0..=LEAD_POINTS)
            .map(|point| horizon_s * point as f64 / LEAD_POINTS as f64)
            .map(|least| (least, share(least)))
            .collect()
    }
}

impl At {
    fn close(&mut self, alarm: Option<Alarm>) {
        if let Some(alarm) = alarm {
            let into = match alarm.came_true {
                true => &mut self.true_alarms,
                false => &mut self.false_alarms,
            };
            *into.entry(alarm.block).or_default() += 1.0;
        }
    }
}

fn total(by_block: &BTreeMap<u32, f64>, counts: Option<&Counts>) -> f64 {
    let drawn = by_block
        .iter()
        .map(|(block, alarms)| alarms * counts.map_or(1.0, |counts| counts.of(*block)));
    drawn.sum()
}

fn precision(at: Option<&At>, counts: Option<&Counts>) -> f64 {
    at.map_or(f64::NAN, |at| {
        let came_true = total(&at.true_alarms, counts);
        came_true / (came_true + total(&at.false_alarms, counts))
    })
}

#[cfg(test)]
mod tests {
    use super::super::panel::tests::Made;
    use super::*;

    /// 10 targets over 2 days, a row a minute, horizon 10 min; eight incidents.
    fn made() -> Panel {
        let mut onsets = vec![Vec::new(); 10];
        for (target, onsets) in onsets.iter_mut().enumerate().take(8) {
            onsets.push(500 + 100 * target as i64);
        }
        let made = Made {
            ticks: 2_880,
            tick_s: 60,
            horizon_ticks: 10,
            cooldown: 20,
            onsets,
        };
        made.panel()
    }

    fn watched(panel: &Panel, ranking: &[f64], budget: f64) -> Events {
        let judged: Vec<usize> = (0..panel.rows.len())
            .filter(|at| panel.rows[*at].label.is_some())
            .collect();
        let blocks = Blocks::of(panel);
        let draws = Counts::draw(blocks.count, 50, 1);
        Watch::new(panel, &judged, &blocks)
            .events(ranking, budget, &draws)
            .0
    }

    #[test]
    fn the_oracle_foresees_every_incident_a_horizon_before_and_never_errs() {
        let panel = made();
        let events = watched(&panel, &panel.feature("sign"), 1.0);
        assert_eq!((events.incidents, events.recall.value), (8, 1.0));
        assert_eq!((events.recall.low, events.precision.value), (1.0, 1.0));
        assert_eq!((events.lead_median_s.value, events.lead_p10_s), (600.0, 600.0));
        assert_eq!(events.false_alarms_per_target_day, 0.0);
        assert!((events.target_days - 20.0).abs() < 0.3);
    }

    #[test]
    fn an_alarm_that_never_ends_is_many_false_ones() {
        let panel = made();
        let events = watched(&panel, &vec![1.0; panel.rows.len()], 1.0);
        assert_eq!((events.threshold, events.recall.value), (None, 0.0));
        let (rate, recall) = events.budget_curve[0];
        assert!(
            rate > 27.0 && recall == 1.0,
            "{rate}: there are 28.8 stands of 50 min in a day"
        );
    }

    #[test]
    fn false_alarms_within_a_horizon_are_one_and_the_budget_holds() {
        let panel = made();
        let mut ranking = panel.feature("sign");
        // Half of the incidents are not seen; false alarms of 5 rows each, twice a day on one target.
        for (row, value) in panel.rows.iter().zip(&mut ranking) {
            let minute = row.at.as_micros() / 60_000_000;
            if row.target % 2 == 0 {
                *value = 0.0;
            }
            if row.target == 9 && minute % 720 < 5 {
                *value = 2.0;
            }
        }
        let events = watched(&panel, &ranking, 1.0);
        assert_eq!(events.recall.value, 0.5);
        assert!(
            (events.false_alarms_per_target_day - 0.2).abs() < 0.01,
            "{events:?}"
        );
        assert_eq!(events.precision.value, 0.5);
        let strict = watched(&panel, &ranking, 0.1);
        assert_eq!((strict.recall.value, strict.threshold), (0.0, None));
    }

    #[test]
    fn abrupt_incidents_are_reported_apart() {
        let mut panel = made();
        for (at, incident) in panel.incidents.iter_mut().enumerate() {
            incident.abrupt = Some(at % 4 == 0);
        }
        let mut ranking = panel.feature("sign");
        for (row, value) in panel.rows.iter().zip(&mut ranking) {
            if row.incident.is_some_and(|incident| incident % 4 == 0) {
                *value = 0.0;
            }
        }
        let events = watched(&panel, &ranking, 1.0);
        let (with_signs, abrupt) = (events.with_signs.unwrap(), events.abrupt.unwrap());
        assert_eq!((with_signs.incidents, with_signs.recall.value), (6, 1.0));
        assert_eq!((abrupt.incidents, abrupt.recall.value), (2, 0.0));
        assert_eq!(events.recall.value, 0.75);
    }

    #[test]
    fn recall_falls_with_the_lead_that_is_asked_for() {
        let panel = made();
        let mut ranking = panel.feature("sign");
        // Seen only within the last four minutes.
        for (row, value) in panel.rows.iter().zip(&mut ranking) {
            if let Some(incident) = row.incident {
                let left = panel.incidents[incident as usize].onset.since(row.at);
                *value = f64::from(u8::from(left.as_secs_f64() <= 240.0));
            }
        }
        let events = watched(&panel, &ranking, 1.0);
        assert_eq!(events.lead_median_s.value, 240.0);
        let at = |s: f64| {
            events
                .lead_curve
                .iter()
                .find(|point| point.0 >= s)
                .map(|point| point.1)
        };
        assert_eq!((at(0.0), at(240.0), at(250.0)), (Some(1.0), Some(1.0), Some(0.0)));
    }
}
