//! What rows are extracted from: a signal CSV, journals, simulated fleets.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use foreshift_domain::fallback::{Fallback, Mode};
use foreshift_domain::{Duration, Timestamp};
use foreshift_engine::Engine;
use foreshift_sim::FleetSpec;

use super::hindsight::Hindsight;
use crate::replay::driver::{self, Given, Replay, Sink};
use crate::train::recorded::{is_called_journal, journals};
use crate::train::simulated::Fleet;

/// One recording with its configuration.
pub(super) struct World {
    name: String,
    /// Goes before the names of targets and routes, so that those of several worlds do not mix.
    prefix: String,
    kind: Kind,
}

enum Kind {
    Recorded {
        path: PathBuf,
        fallback: Arc<Fallback>,
        /// Whether the configuration was named, and is not the recorded one.
        given: bool,
    },
    Fleet {
        spec: FleetSpec,
        drifts: bool,
    },
}

/// The recordings at a path.
pub(super) fn recorded(input: &Path, config: Option<&Path>) -> anyhow::Result<Vec<World>> {
    let named = config.map(foreshift_config::load_fallback).transpose()?;
    let named = named.map(|loaded| {
        loaded
            .warnings
            .iter()
            .for_each(|warning| eprintln!("warning: {warning}"));
        loaded.value
    });
    let world = |path: &Path, prefix: String| -> anyhow::Result<World> {
        let fallback = match &named {
            Some(fallback) => Arc::new(watching(fallback.clone())),
            None => driver::recorded_fallback(path)?,
        };
        Ok(World {
            name: path.display().to_string(),
            prefix,
            kind: Kind::Recorded {
                path: path.to_owned(),
                fallback,
                given: named.is_some(),
            },
        })
    };
    if !input.is_dir() || driver::holds_segments(input)? {
        return Ok(vec![world(input, String::new())?]);
    }
    let found = journals(input)?;
    found
        .iter()
        .map(|path| world(path, prefix(input, path)))
        .collect()
}

/// What goes before the names of routes and targets of a journal below a folder.
pub(crate) fn prefix(folder: &Path, journal: &Path) -> String {
    let within = journal
        .parent()
        .filter(|_| is_called_journal(journal))
        .unwrap_or(journal);
    let name = within.strip_prefix(folder).unwrap_or(within);
    format!("{}/", name.display())
}

fn simulated(spec: FleetSpec, drifts: bool) -> anyhow::Result<Fleet> {
    let recording = if drifts { spec.drifting() } else { spec.recording() };
    Fleet::recorded(recording, false)
}

/// Weights are left alone and nothing is learned: a recorded world does not answer to what another configuration
/// would have done.
fn watching(mut fallback: Fallback) -> Fallback {
    fallback.learning.online = false;
    let routes = fallback.routes.iter_mut().map(|route| &mut route.settings);
    let discovered = fallback
        .discover
        .iter_mut()
        .flat_map(|discover| &mut discover.rules);
    let settings = routes.chain(discovered.map(|rule| &mut rule.settings));
    settings.for_each(|settings| settings.mode = Mode::Off);
    fallback
}

impl World {
    pub(super) fn fleet(spec: FleetSpec, drifts: bool) -> Self {
        Self {
            name: format!("fleet {}", spec.seed),
            prefix: format!("fleet-{}/", spec.seed),
            kind: Kind::Fleet { spec, drifts },
        }
    }

    /// What it is called in messages.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// What goes before its names.
    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The configuration its features are computed with.
    pub(super) fn fallback(&self) -> anyhow::Result<Arc<Fallback>> {
        match &self.kind {
            Kind::Recorded { fallback, .. } => Ok(Arc::clone(fallback)),
            Kind::Fleet { spec, drifts } => Ok(simulated(*spec, *drifts)?.fallback),
        }
    }

    /// The newest time in it.
    pub(super) fn newest(&self) -> anyhow::Result<Timestamp> {
        match &self.kind {
            Kind::Recorded { path, .. } => driver::newest(path),
            Kind::Fleet { spec, drifts } => Ok(simulated(*spec, *drifts)?.recording.end()),
        }
    }

    /// What people said of it afterwards.
    pub(super) fn hindsight(&self) -> anyhow::Result<Hindsight> {
        match &self.kind {
            Kind::Recorded {
                path,
                fallback,
                given,
            } => Hindsight::read(path, &fallback.timing, *given).with_context(|| self.name.clone()),
            Kind::Fleet { .. } => Ok(Hindsight::default()),
        }
    }

    /// Runs the whole of it through an engine that gives its rows.
    pub(super) fn play(&self, sink: &mut dyn Sink, lateness: Duration) -> anyhow::Result<()> {
        let (path, fallback, given) = match &self.kind {
            Kind::Recorded {
                path,
                fallback,
                given,
            } => (path, fallback, *given),
            Kind::Fleet { spec, drifts } => return simulated(*spec, *drifts)?.play_rows(sink),
        };
        let mut source = driver::open(path)?;
        let mut engine = Engine::new(1, Arc::clone(fallback), foreshift_engine::fresh_model(fallback));
        engine.give_rows(true);
        let given = Given {
            fallback: given,
            model: given,
        };
        let mut replay = Replay::new(engine, fallback, lateness, Duration::DAY * 365, given);
        replay.run(source.as_mut(), sink)
    }
}
