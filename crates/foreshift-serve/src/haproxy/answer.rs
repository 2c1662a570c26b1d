//! What HAProxy is told.
//!
//! Only ever a percentage. The words that HAProxy understands besides would do harm: `up` passes for a health check that
//! succeeded, and what `down`, `drain` or `maint` did, only the agent can take back, should it still be there.

use foreshift_domain::Timestamp;
use foreshift_domain::published::Published;
use foreshift_domain::weights::RouteWeights;

/// The weight that HAProxy's configuration gives.
const CONFIGURED: u64 = 100;

/// Of nothing there is no multiple: a target without a share at rest has one percent of the route in HAProxy's
/// configuration.
const WITHOUT_BASELINE_BP: u32 = 100;

/// An answer to one question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// The weight of the target, in percent of the configured one.
    Weight(u64),
    /// The weights hold no more: what is configured does.
    Lapsed(u64),
    /// There is no such route or target: what is configured holds.
    Unknown,
}

impl Answer {
    /// The answer to `ROUTE/TARGET`, by what holds now.
    pub(super) fn to(question: &str, published: &Published, now: Timestamp) -> Self {
        let Some((route, at)) = find(question, published) else {
            return Self::Unknown;
        };
        let Some(target) = route.targets.get(at) else {
            return Self::Unknown;
        };
        if now < route.valid_until {
            Self::Weight(percent(target.weight_bp, target.baseline_bp))
        } else {
            Self::Lapsed(percent(target.baseline_bp, target.baseline_bp))
        }
    }

    /// As HAProxy reads it. The word after the percentage is no word of HAProxy's: it shows it on its statistics page.
    pub(super) fn line(self) -> String {
        match self {
            Self::Weight(percent) | Self::Lapsed(percent) => format!("{percent}%\n"),
            Self::Unknown => format!("{CONFIGURED}% unknown-to-foreshift\n"),
        }
    }
}

/// Names may hold slashes themselves.
fn find<'a>(question: &str, published: &'a Published) -> Option<(&'a RouteWeights, usize)> {
    question.match_indices('/').find_map(|(at, slash)| {
        let (route, target) = (question.get(..at)?, question.get(at + slash.len()..)?);
        let route = published.routes.get(route)?;
        let mut targets = route.targets.iter();
        let at = targets.position(|known| known.target.as_str() == target)?;
        Some((route.as_ref(), at))
    })
}

/// The weight in percent of the one at rest. It is rounded up, so that HAProxy, which rounds down, keeps the share of a
/// target at its floor.
fn percent(weight_bp: u32, baseline_bp: u32) -> u64 {
    let at_rest = match baseline_bp {
        0 => WITHOUT_BASELINE_BP,
        baseline_bp => baseline_bp,
    };
    (u64::from(weight_bp) * CONFIGURED).div_ceil(u64::from(at_rest))
}

#[cfg(test)]
mod tests;
