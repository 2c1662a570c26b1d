//! What was said before incidents, one small plot for each, and how targets fared.

use std::collections::BTreeMap;

use super::charts::percent;
use super::svg::{Axis, Plot, escaped};
use crate::evaluate::events::Events;
use crate::evaluate::panel::Panel;
use crate::evaluate::table::{self, seconds};

/// Incidents that are shown: enough to see a pattern, few enough to look at each.
const SHOWN: usize = 12;
/// Horizons before the onset that are shown.
const HORIZONS: f64 = 3.0;
/// Points of one plot.
const POINTS: usize = 240;
/// Targets in the table.
const TARGETS: usize = 40;
/// Probabilities below this are drawn at the bottom.
const LEAST: f64 = 1e-5;

/// The rows of one panel that are judged, and what the subject said of all.
pub(super) struct Subject<'a> {
    pub(super) panel: &'a Panel,
    pub(super) judged: &'a [usize],
    pub(super) said: &'a [f64],
    pub(super) events: &'a Events,
}

impl Subject<'_> {
    /// The lead of each incident that judged rows are about, in order of their onsets; `None` was missed.
    fn leads(&self) -> Vec<(u32, Option<f64>)> {
        let mut leads: BTreeMap<u32, Option<f64>> = BTreeMap::new();
        for at in self.judged {
            let Some(row) = self.panel.rows.get(*at) else {
                continue;
            };
            let (Some(true), Some(number)) = (row.label, row.incident) else {
                continue;
            };
            let lead = leads.entry(number).or_default();
            let said = self.said.get(*at).copied().unwrap_or(f64::NAN);
            if let (None, Some(incident)) = (&lead, self.panel.incidents.get(number as usize))
                && self.events.threshold.is_some_and(|threshold| said >= threshold)
            {
                *lead = Some(incident.onset.since(row.at).as_secs_f64());
            }
        }
        let mut leads: Vec<(u32, Option<f64>)> = leads.into_iter().collect();
        leads.sort_by_key(|(number, _)| {
            self.panel
                .incidents
                .get(*number as usize)
                .map(|incident| incident.onset)
        });
        leads
    }

    /// Small plots of incidents, spread evenly over all.
    pub(super) fn timelines(&self) -> String {
        let leads = self.leads();
        let shown = leads.len().min(SHOWN);
        let plots = (0..shown).filter_map(|place| {
            let (number, lead) = leads.get(place * leads.len() / shown.max(1))?;
            self.timeline(*number, *lead)
        });
        let plots: Vec<String> = plots.collect();
        format!("<div class=\"multiples\">{}</div>", plots.concat())
    }

    fn timeline(&self, number: u32, lead: Option<f64>) -> Option<String> {
        let incident = self.panel.incidents.get(number as usize)?;
        let horizon_s = self.panel.horizon.as_secs_f64();
        let span = HORIZONS * horizon_s;
        let rows = self.panel.rows.iter().zip(self.said);
        let points: Vec<(f64, f64)> = rows
            .filter(|(row, _)| row.target == incident.target && row.at < incident.onset)
            .map(|(row, said)| (-incident.onset.since(row.at).as_secs_f64(), *said))
            .filter(|(at, said)| *at >= -span && said.is_finite())
            .collect();
        let every = points.len().div_ceil(POINTS).max(1);
        let points: Vec<(f64, f64)> = points.into_iter().step_by(every).collect();
        let x = Axis::linear(-span, 0.0, "", |at| {
            if at == 0.0 {
                "0".to_owned()
            } else {
                format!("-{}", seconds(-at))
            }
        });
        let y = Axis::log(LEAST, 1.0, "", percent);
        let mut plot = Plot::new(x.without_label(), y, 340.0, 170.0);
        plot.band("horizon", -horizon_s, 0.0);
        if let Some(threshold) = self.events.threshold {
            plot.rule("chance", (-span, threshold), (0.0, threshold));
        }
        plot.line("ours", &points);
        if let Some(lead) = lead {
            let said = points
                .iter()
                .find(|(at, _)| *at >= -lead)
                .map_or(1.0, |point| point.1);
            plot.dot("ours", -lead, said, 4.0, "foreseen");
        }
        let outcome = lead.map_or_else(
            || "missed".to_owned(),
            |lead| format!("foreseen {} before", seconds(lead)),
        );
        let signs = match incident.abrupt {
            Some(true) => ", abrupt",
            Some(false) => ", with signs",
            None => "",
        };
        let target = self.panel.target(incident.target);
        Some(plot.figure(&format!("{target}: {outcome}{signs}"), ""))
    }

    /// A row for each target, those with most incidents first.
    pub(super) fn targets(&self) -> String {
        #[derive(Default)]
        struct Target {
            rows: usize,
            expected: f64,
            observed: f64,
            incidents: usize,
            foreseen: usize,
            leads: Vec<f64>,
        }
        let mut targets: BTreeMap<u32, Target> = BTreeMap::new();
        for at in self.judged {
            let (Some(row), Some(said)) = (self.panel.rows.get(*at), self.said.get(*at)) else {
                continue;
            };
            let target = targets.entry(row.target).or_default();
            target.rows += 1;
            target.expected += row.weight * said;
            target.observed += row.weight * f64::from(u8::from(row.label == Some(true)));
        }
        for (number, lead) in self.leads() {
            let incident = self.panel.incidents.get(number as usize);
            if let Some(target) = incident.and_then(|incident| targets.get_mut(&incident.target)) {
                target.incidents += 1;
                target.foreseen += usize::from(lead.is_some());
                target.leads.extend(lead);
            }
        }
        let mut rows: Vec<(u32, Target)> = targets.into_iter().collect();
        rows.sort_by(|a, b| b.1.incidents.cmp(&a.1.incidents).then(a.0.cmp(&b.0)));
        let left_out = rows.len().saturating_sub(TARGETS);
        let mut text = "<table><thead><tr><th>target</th><th>rows</th><th>incidents</th><th>foreseen</th>\
                        <th>median lead</th><th>expected/observed</th></tr></thead><tbody>"
            .to_owned();
        for (number, mut target) in rows.into_iter().take(TARGETS) {
            target.leads.sort_by(f64::total_cmp);
            text += &format!(
                "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
                escaped(self.panel.target(number)),
                table::grouped(target.rows),
                target.incidents,
                target.foreseen,
                seconds(crate::evaluate::bootstrap::quantile(&target.leads, 0.5)),
                table::number(target.expected / target.observed, 2)
            );
        }
        text += "</tbody></table>";
        if left_out > 0 {
            text += &format!("<p class=\"note\">{left_out} further targets are left out.</p>");
        }
        text
    }
}
