//! Overrides: what people fixed, each with an expiry. They win at once and end by themselves.

use foreshift_domain::fallback::Mode;
use foreshift_domain::published::{Override, RouteOverride};
use foreshift_domain::{RouteName, TargetName, Timestamp};
use serde::{Deserialize, Serialize};

use crate::engine::Engine;

/// The overrides of one route.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Overrides {
    pub(crate) pin: Option<Pin>,
    pub(crate) freeze: Option<Override>,
    pub(crate) mode: Option<Mode>,
}

/// Weights fixed by a person.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Pin {
    pub(crate) weights: Vec<(TargetName, u32)>,
    pub(crate) by: Override,
}

impl Overrides {
    /// Ends what has expired; says whether anything did.
    pub(crate) fn expire(&mut self, now: Timestamp) -> bool {
        let before = (self.pin.is_some(), self.freeze.is_some());
        self.pin = self.pin.take().filter(|pin| pin.by.expires_at > now);
        self.freeze = self.freeze.take().filter(|freeze| freeze.expires_at > now);
        before != (self.pin.is_some(), self.freeze.is_some())
    }

    /// When the next one ends.
    pub(crate) fn next_expiry(&self) -> Option<Timestamp> {
        let pin = self.pin.as_ref().map(|pin| pin.by.expires_at);
        let freeze = self.freeze.as_ref().map(|freeze| freeze.expires_at);
        [pin, freeze].into_iter().flatten().min()
    }

    /// As others may see it; `None` when there is none.
    pub(crate) fn published(&self) -> Option<RouteOverride> {
        let any = self.pin.is_some() || self.freeze.is_some() || self.mode.is_some();
        any.then(|| RouteOverride {
            pin: self.pin.as_ref().map(|pin| pin.by.clone()),
            freeze: self.freeze.clone(),
            mode: self.mode,
        })
    }
}

impl Engine {
    /// Ends overrides that have expired; says whether the route's any did.
    pub(crate) fn expire_overrides(&mut self, route: &RouteName) -> bool {
        let now = self.shared.now;
        let fleet = self
            .shared
            .fleet_freeze
            .as_ref()
            .is_some_and(|freeze| freeze.expires_at <= now);
        if fleet {
            self.shared.fleet_freeze = None;
        }
        self.routes
            .get_mut(route)
            .is_some_and(|route| route.overrides.expire(now))
            || fleet
    }
}
