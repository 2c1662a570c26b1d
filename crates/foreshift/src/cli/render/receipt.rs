//! What came of an order, and how to undo it.

use foreshift_domain::command::{Action, CommandDone};
use foreshift_domain::decision::Reason;
use foreshift_domain::fallback::Mode;
use foreshift_domain::published::{Override, Published, RouteOverride};
use foreshift_domain::weights::RouteWeights;
use foreshift_domain::{Duration, RouteName, TargetName};

use super::paint::{Ink, Paint};
use super::words::{age, clean, clock, mode_meaning, mode_word, percent_bp, quoted};

/// The most commands shown to undo an order on all routes.
const MAX_UNDO: usize = 10;

/// A carried-out order.
pub(crate) struct Receipt<'a> {
    pub(crate) action: &'a Action,
    pub(crate) request_id: &'a str,
    pub(crate) done: &'a CommandDone,
    /// What was published before, where it may be read.
    pub(crate) before: Option<&'a Published>,
    /// What is published now, where it may be read.
    pub(crate) after: Option<&'a Published>,
    /// Flags that reach the same server.
    pub(crate) flags: &'a str,
}

impl Receipt<'_> {
    pub(crate) fn render(&self, paint: Paint) -> String {
        let mut lines = vec![format!("{} {}", paint.ink(Ink::Good, "done:"), self.what())];
        if self.done.repeated {
            lines.push(
                "      it had been carried out before under this request id; nothing changed now".to_owned(),
            );
        }
        lines.extend(self.weights_line());
        if let Some(version) = self.done.version {
            lines.push(format!("  version     {version}"));
        }
        lines.push(format!("  request id  {}", clean(self.request_id)));
        for (at, command) in undo(self).iter().enumerate() {
            let label = if at == 0 {
                "  undo        "
            } else {
                "              "
            };
            lines.push(format!("{label}{}", paint.bold(command)));
        }
        lines.join("\n")
    }

    fn what(&self) -> String {
        let route = |route: &RouteName| format!("route {}", clean(route.as_str()));
        let routes = |name: &Option<RouteName>| name.as_ref().map_or("all routes".to_owned(), route);
        match self.action {
            Action::Pin { route: name, .. } => {
                format!(
                    "{} is pinned{}",
                    route(name),
                    self.until(|over| over.pin.as_ref())
                )
            }
            Action::Unpin { route: name } => format!("{} is planned again", route(name)),
            Action::Freeze { route: name } => {
                format!(
                    "{} frozen{}",
                    are(&routes(name), name),
                    self.until(|over| over.freeze.as_ref())
                )
            }
            Action::Unfreeze { route: name } => format!("{} no longer frozen", are(&routes(name), name)),
            Action::SetMode { route: name, mode } => {
                let meaning = mode_meaning(*mode);
                format!(
                    "{} in mode {}: {meaning}",
                    are(&routes(name), name),
                    mode_word(*mode)
                )
            }
            Action::ConfirmBaseline { route: name, .. } => {
                format!(
                    "the baseline of {} is confirmed; it may leave shadow now",
                    route(name)
                )
            }
            Action::MarkIncident { target, start, end } => {
                let end = end.map_or("now and on".to_owned(), clock);
                format!(
                    "{} was in an incident from {} to {end}",
                    clean(target.as_str()),
                    clock(*start)
                )
            }
            Action::Verdict { prediction, .. } => {
                format!("the verdict on {} is recorded", clean(&prediction.to_string()))
            }
        }
    }

    /// Until when the override lasts that was ordered.
    fn until(&self, of_route: impl Fn(&RouteOverride) -> Option<&Override>) -> String {
        let Some(after) = self.after else {
            return String::new();
        };
        let over = match self.action.route() {
            Some(route) => after.overrides.get(route).and_then(of_route),
            None => after.fleet_freeze.as_ref(),
        };
        over.map_or(String::new(), |over| {
            format!(
                " until {} ({})",
                clock(over.expires_at),
                age(over.expires_at.since(after.now))
            )
        })
    }

    fn weights_line(&self) -> Option<String> {
        let route = self.action.route()?;
        let now = self.after?.routes.get(route)?;
        let before = self.before.and_then(|before| before.routes.get(route));
        let line = match before.filter(|before| before.targets != now.targets) {
            Some(before) => format!("  weights     {}  →  {}", shares_now(before), shares_now(now)),
            None => format!("  weights     {}", shares_now(now)),
        };
        let waits = now.reason != Reason::Pinned && matches!(self.action, Action::Pin { .. });
        Some(if waits {
            format!("{line}  (not shown yet)")
        } else {
            line
        })
    }
}

fn are(subject: &str, route: &Option<RouteName>) -> String {
    format!("{subject} {}", if route.is_some() { "is" } else { "are" })
}

fn shares_now(weights: &RouteWeights) -> String {
    let targets = weights
        .targets
        .iter()
        .map(|target| (&target.target, target.weight_bp));
    targets
        .map(|(name, bp)| format!("{} {}", clean(name.as_str()), percent_bp(bp)))
        .collect::<Vec<_>>()
        .join(", ")
}

/// Shares as `pin` and `baseline confirm` take them.
fn shares<'a>(of: impl IntoIterator<Item = (&'a TargetName, u32)>) -> String {
    let words = of.into_iter().filter(|(_, bp)| *bp > 0);
    words
        .map(|(target, bp)| quoted(&format!("{target}={}", percent_bp(bp))))
        .collect::<Vec<_>>()
        .join(" ")
}

/// A command as it is typed, with a reason to fill in and the flags that reach the same server.
pub(crate) fn command_line(order: &str, flags: &str) -> String {
    format!("foreshift {order} --reason '...'{flags}")
}

/// The commands that undo an order: empty where there is nothing to undo, or no way to.
pub(crate) fn undo(receipt: &Receipt<'_>) -> Vec<String> {
    let flags = receipt.flags;
    let command = |order: String| command_line(&order, flags);
    let word = |route: &RouteName| quoted(route.as_str());
    let over_before = |route: &RouteName| receipt.before.and_then(|before| before.overrides.get(route));
    match receipt.action {
        Action::Pin { route, .. } => vec![command(format!("unpin {}", word(route)))],
        Action::Unpin { route } => {
            let pin = over_before(route).and_then(|over| over.pin.as_ref());
            let weights = receipt.before.and_then(|before| before.routes.get(route));
            let (Some(pin), Some(weights), Some(before)) = (pin, weights, receipt.before) else {
                return Vec::new();
            };
            let shares = shares(
                weights
                    .targets
                    .iter()
                    .map(|target| (&target.target, target.weight_bp)),
            );
            vec![command(format!(
                "pin {} {shares} --for {}",
                word(route),
                left(pin, before)
            ))]
        }
        Action::Freeze { route: Some(route) } => vec![command(format!("unfreeze {}", word(route)))],
        Action::Freeze { route: None } => vec![command("unfreeze".to_owned())],
        Action::Unfreeze { route } => {
            let Some(before) = receipt.before else {
                return Vec::new();
            };
            let (over, word) = match route {
                Some(route) => (
                    over_before(route).and_then(|over| over.freeze.as_ref()),
                    format!(" {}", word(route)),
                ),
                None => (before.fleet_freeze.as_ref(), String::new()),
            };
            over.map(|over| command(format!("freeze{word} --for {}", left(over, before))))
                .into_iter()
                .collect()
        }
        Action::SetMode { route, mode } => modes_before(receipt, route.as_ref(), *mode)
            .into_iter()
            .take(MAX_UNDO)
            .map(|(route, mode)| command(format!("mode {} {}", word(route), mode_word(mode))))
            .collect(),
        Action::ConfirmBaseline { route, .. } => vec![command(format!("mode {} shadow", word(route)))],
        Action::MarkIncident { .. } | Action::Verdict { .. } => Vec::new(),
    }
}

fn modes_before<'a>(
    receipt: &Receipt<'a>,
    only: Option<&RouteName>,
    new: Mode,
) -> Vec<(&'a RouteName, Mode)> {
    let routes = receipt.before.into_iter().flat_map(|before| &before.routes);
    let meant = routes.filter(|(name, weights)| only.is_none_or(|only| only == *name) && weights.mode != new);
    meant.map(|(name, weights)| (name, weights.mode)).collect()
}

/// What was left of an override, in whole minutes, at least one.
fn left(over: &Override, at: &Published) -> String {
    let minutes = over.expires_at.since(at.now).as_micros() / Duration::from_secs(60).as_micros();
    format!("{}m", minutes.max(1))
}
