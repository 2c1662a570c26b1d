//! Carrying out operators' commands. A command wins at once; one with a known request id is not repeated.

use std::collections::VecDeque;
use std::sync::Arc;

use foreshift_domain::command::{Action, Command, CommandDone, CommandRefused, CommandResult};
use foreshift_domain::decision::Cause;
use foreshift_domain::fallback::Mode;
use foreshift_domain::published::Override;
use foreshift_domain::weights::{FULL_BP, Version};
use foreshift_domain::{RouteName, TargetName};
use serde::{Deserialize, Serialize};

use crate::engine::Engine;
use crate::output::Output;
use crate::overrides::Pin;
use crate::routes::Route;

/// How many requests are remembered, so that a caller that repeats one after a lost answer does no harm.
const MAX_REQUESTS: usize = 4_096;

/// Requests that were carried out, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct RecentRequests(VecDeque<(String, Option<Version>)>);

impl RecentRequests {
    fn find(&self, request_id: &str) -> Option<Option<Version>> {
        self.0
            .iter()
            .rev()
            .find(|(id, _)| id == request_id)
            .map(|(_, version)| *version)
    }

    fn remember(&mut self, request_id: &str, version: Option<Version>) {
        if self.0.len() >= MAX_REQUESTS {
            self.0.pop_front();
        }
        self.0.push_back((request_id.to_owned(), version));
    }
}

impl Engine {
    pub(crate) fn on_command(&mut self, command: &Command) {
        self.advance_clock(command.issued_at);
        let verdict = match self.shared.requests.find(&command.request_id) {
            Some(version) => Ok(CommandDone {
                version,
                repeated: true,
            }),
            None => self.carry_out(command),
        };
        match &verdict {
            Ok(done) if !done.repeated => {
                self.shared.counters.commands += 1;
                self.shared.requests.remember(&command.request_id, done.version);
            }
            Ok(_) => {}
            Err(_) => self.shared.counters.commands_refused += 1,
        }
        let result = CommandResult {
            request_id: command.request_id.clone(),
            verdict,
        };
        self.outputs
            .push_back(Output::Command(Arc::new(command.clone()), result));
    }

    fn carry_out(&mut self, command: &Command) -> Result<CommandDone, CommandRefused> {
        if command.reason.trim().is_empty() {
            return Err(CommandRefused::NoReason);
        }
        self.check_version(command)?;
        match &command.action {
            Action::Pin { route, weights } => self.pin(command, route, weights)?,
            Action::Unpin { route } => {
                let pin = self.known(route)?.overrides.pin.take();
                pin.ok_or(CommandRefused::NothingToEnd { what: "pin".into() })?;
            }
            Action::Freeze { route } => self.freeze(command, route.as_ref())?,
            Action::Unfreeze { route } => self.unfreeze(route.as_ref())?,
            Action::SetMode { route, mode } => self.set_mode(route.as_ref(), *mode)?,
            Action::ConfirmBaseline { route, baseline } => self.confirm_baseline(route, baseline)?,
            Action::MarkIncident { target, start, end } => {
                if end.is_some_and(|end| end <= *start) {
                    return Err(CommandRefused::BadInterval);
                }
                self.known_target(target)?;
                self.mark_incident(target, *start, *end);
            }
            Action::Verdict { prediction, .. } => {
                self.known_target(&prediction.target)?;
                if prediction.tick > self.shared.now {
                    return Err(CommandRefused::UnknownPrediction {
                        prediction: prediction.clone(),
                    });
                }
            }
        }
        for route in self.routes_of(&command.action) {
            self.plan_route(&route, Cause::Command, Some(&command.request_id));
        }
        let version = command.action.route().and_then(|route| self.version_of(route));
        Ok(CommandDone {
            version,
            repeated: false,
        })
    }

    /// Routes whose weights an action may change at once.
    fn routes_of(&self, action: &Action) -> Vec<RouteName> {
        match action {
            Action::MarkIncident { .. } | Action::Verdict { .. } => Vec::new(),
            other => match other.route() {
                Some(route) => vec![route.clone()],
                None => self.routes.keys().cloned().collect(),
            },
        }
    }

    fn check_version(&self, command: &Command) -> Result<(), CommandRefused> {
        let (Some(expected), Some(route)) = (command.expected_version, command.action.route()) else {
            return Ok(());
        };
        let actual = self.version_of(route).unwrap_or_default();
        if actual == expected {
            Ok(())
        } else {
            Err(CommandRefused::VersionConflict { expected, actual })
        }
    }

    fn pin(
        &mut self,
        command: &Command,
        route: &RouteName,
        weights: &[(TargetName, u32)],
    ) -> Result<(), CommandRefused> {
        let by = self.override_by(command)?;
        let known = self.known(route)?;
        check_weights(route, known, weights)?;
        known.overrides.pin = Some(Pin {
            weights: weights.to_vec(),
            by,
        });
        Ok(())
    }

    fn freeze(&mut self, command: &Command, route: Option<&RouteName>) -> Result<(), CommandRefused> {
        let by = self.override_by(command)?;
        match route {
            Some(route) => self.known(route)?.overrides.freeze = Some(by),
            None => {
                let expires_at = by.expires_at;
                self.shared.fleet_freeze = Some(by);
                let looks = self.routes.keys().map(|route| (expires_at, route.clone()));
                self.shared.looks.extend(looks);
            }
        }
        Ok(())
    }

    fn unfreeze(&mut self, route: Option<&RouteName>) -> Result<(), CommandRefused> {
        let nothing = || CommandRefused::NothingToEnd {
            what: "freeze".into(),
        };
        match route {
            Some(route) => {
                let known = self.known(route)?;
                known.overrides.freeze.take().ok_or_else(nothing)?;
            }
            None => {
                self.shared.fleet_freeze.take().ok_or_else(nothing)?;
            }
        }
        Ok(())
    }

    fn set_mode(&mut self, route: Option<&RouteName>, mode: Mode) -> Result<(), CommandRefused> {
        match route {
            Some(route) => {
                let known = self.known(route)?;
                if !known.confirmed && mode > Mode::Shadow {
                    return Err(CommandRefused::BaselineUnconfirmed { route: route.clone() });
                }
                known.overrides.mode = Some(mode);
            }
            None => {
                let confirmed = self
                    .routes
                    .values_mut()
                    .filter(|known| known.confirmed || mode <= Mode::Shadow);
                confirmed.for_each(|known| known.overrides.mode = Some(mode));
            }
        }
        Ok(())
    }

    fn confirm_baseline(
        &mut self,
        route: &RouteName,
        baseline: &[(TargetName, u32)],
    ) -> Result<(), CommandRefused> {
        let now = self.shared.now;
        let known = self.known(route)?;
        check_weights(route, known, baseline)?;
        let mut config = known.config.clone();
        for target in &mut config.targets {
            target.baseline_bp = baseline
                .iter()
                .find(|(name, _)| *name == target.target)
                .map_or(0, |(_, bp)| *bp);
        }
        known.confirmed = true;
        known.reshape(config, now);
        Ok(())
    }

    fn override_by(&self, command: &Command) -> Result<Override, CommandRefused> {
        let expires_at = command
            .expires_at
            .filter(|at| *at > command.issued_at && *at > self.shared.now);
        Ok(Override {
            actor: command.actor.clone(),
            reason: command.reason.clone(),
            since: command.issued_at,
            expires_at: expires_at.ok_or(CommandRefused::BadExpiry)?,
        })
    }

    fn known(&mut self, route: &RouteName) -> Result<&mut Route, CommandRefused> {
        self.routes
            .get_mut(route)
            .ok_or_else(|| CommandRefused::UnknownRoute { route: route.clone() })
    }

    fn known_target(&self, target: &TargetName) -> Result<(), CommandRefused> {
        let refused = || CommandRefused::UnknownTarget {
            target: target.clone(),
            route: None,
        };
        self.targets
            .contains_key(target)
            .then_some(())
            .ok_or_else(refused)
    }

    fn version_of(&self, route: &RouteName) -> Option<Version> {
        self.routes
            .get(route)?
            .published
            .as_ref()
            .map(|weights| weights.version)
    }
}

fn check_weights(
    name: &RouteName,
    route: &Route,
    weights: &[(TargetName, u32)],
) -> Result<(), CommandRefused> {
    let sum_bp = weights.iter().map(|(_, bp)| u64::from(*bp)).sum();
    if sum_bp != u64::from(FULL_BP) {
        return Err(CommandRefused::WrongSum { sum_bp });
    }
    let stranger = weights
        .iter()
        .find(|(name, _)| !route.config.targets.iter().any(|target| target.target == *name));
    match stranger {
        Some((target, _)) => Err(CommandRefused::UnknownTarget {
            target: target.clone(),
            route: Some(name.clone()),
        }),
        None => Ok(()),
    }
}
