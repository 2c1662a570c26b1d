//! Panels from files: rows as `extract` writes them, and what is known of the faults behind their incidents.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, ensure};
use foreshift_domain::{Duration, Timestamp};
use foreshift_ingest::time_text;
use serde::Deserialize;

use super::panel::{Features, Incident, Panel, Row};
use crate::rows::Rows;

/// An incident belongs to a fault when it begins no later than this after the fault is over: windows lag behind.
const LAG: Duration = Duration::from_secs(60);

/// Numbers for names, in order of appearance.
#[derive(Default)]
struct Numbers {
    by_name: BTreeMap<String, u32>,
    names: Vec<String>,
}

impl Numbers {
    fn of(&mut self, name: &str) -> u32 {
        if let Some(number) = self.by_name.get(name) {
            return *number;
        }
        let number = self.names.len() as u32;
        self.by_name.insert(name.to_owned(), number);
        self.names.push(name.to_owned());
        number
    }
}

#[derive(Default)]
struct Named {
    targets: Numbers,
    routes: Numbers,
    incidents: Numbers,
    found: Vec<Incident>,
}

/// The rows of a file, a panel for each horizon; targets and incidents have the same numbers in all.
pub(crate) fn panels(path: &Path) -> anyhow::Result<Vec<Panel>> {
    let mut named = Named::default();
    let mut panels = Vec::new();
    let mut horizons = 1;
    while panels.len() < horizons {
        let rows = Rows::read(path, panels.len())?;
        horizons = rows.about.horizons_s.len();
        let horizon_s = rows
            .about
            .horizons_s
            .get(panels.len())
            .copied()
            .unwrap_or_default();
        let horizon = Duration::from_secs_f64(horizon_s);
        panels.push(named.panel(horizon, rows)?);
    }
    for panel in &mut panels {
        panel.targets.clone_from(&named.targets.names);
        panel.routes.clone_from(&named.routes.names);
        panel.incidents.clone_from(&named.found);
    }
    let rows: usize = panels.iter().map(|panel| panel.rows.len()).sum();
    ensure!(rows > 0, "{} holds no rows", path.display());
    Ok(panels)
}

impl Named {
    fn panel(&mut self, horizon: Duration, table: Rows) -> anyhow::Result<Panel> {
        let mut rows = Vec::with_capacity(table.len());
        for place in 0..table.len() {
            let row = self
                .row(&table, place)
                .context("the columns of the rows are not alike")?;
            rows.push(row);
        }
        let panel = Panel {
            horizon,
            rows,
            features: Arc::new(Features {
                names: (table.about.set()?.all())
                    .map(|feature| feature.name.to_owned())
                    .collect(),
                columns: table.features,
            }),
            ..Panel::default()
        };
        Ok(panel.ordered())
    }

    fn row(&mut self, table: &Rows, place: usize) -> Option<Row> {
        let target = self.targets.of(table.target.get(place)?);
        let (label, known_at) = (*table.label.get(place)?, *table.known_at.get(place)?);
        let incident = table.incident.get(place)?.as_deref().map(|name| {
            let number = self.incidents.of(name);
            if self.found.len() == number as usize {
                self.found.push(Incident {
                    name: name.to_owned(),
                    target,
                    onset: Timestamp::MAX,
                    abrupt: None,
                });
            }
            number
        });
        // A positive label is known as soon as its incident is.
        if let (Some(true), Some(known), Some(incident)) = (label, known_at, incident)
            && let Some(incident) = self.found.get_mut(incident as usize)
        {
            incident.onset = incident.onset.min(known);
        }
        Some(Row {
            at: *table.time.get(place)?,
            route: self.routes.of(table.route.get(place)?),
            target,
            label,
            known_at,
            incident,
            weight: *table.weight.get(place)?,
            treated: *table.treated.get(place)?,
            propensity: *table.propensity.get(place)?,
            held_out: *table.held_out.get(place)?,
            place,
            lasts_s: 0.0,
        })
    }
}

/// One fault, as a recording or a simulator tells it.
#[derive(Debug, Deserialize)]
struct Fault {
    target: String,
    onset: String,
    end: String,
    abrupt: bool,
}

/// Notes on incidents whether the fault behind them showed signs: `target,onset,end,abrupt` as CSV.
pub(crate) fn mark_abrupt(panels: &mut [Panel], path: &Path) -> anyhow::Result<()> {
    let mut reader =
        csv::Reader::from_path(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut faults: BTreeMap<String, Vec<(Timestamp, Timestamp, bool)>> = BTreeMap::new();
    for (line, fault) in (2..).zip(reader.deserialize()) {
        let fault: Fault = fault.with_context(|| format!("{}", path.display()))?;
        let time = |text: &str| {
            time_text::parse(text.as_bytes())
                .with_context(|| format!("{} line {line}: {text:?} is no time", path.display()))
        };
        let span = (time(&fault.onset)?, time(&fault.end)?, fault.abrupt);
        faults.entry(fault.target).or_default().push(span);
    }
    for panel in panels {
        for incident in &mut panel.incidents {
            let target = panel.targets.get(incident.target as usize);
            let known = target.and_then(|target| faults.get(target));
            let behind = known
                .into_iter()
                .flatten()
                .find(|(onset, end, _)| incident.onset >= *onset - LAG && incident.onset <= *end + LAG);
            incident.abrupt = behind.map(|(.., abrupt)| *abrupt);
        }
    }
    Ok(())
}
