//! What a new fallback configuration would change now.

use std::collections::BTreeSet;

use foreshift_domain::Duration;
use foreshift_domain::fallback::{Fallback, RouteConfig};
use foreshift_domain::published::Published;
use foreshift_domain::{RouteName, TargetName};
use serde_json::{Value, json};

use super::paint::{Ink, Paint};
use super::words::{age, clean, mode_word, percent_bp};
use crate::cli::plan::{SettingChange, Trial};

/// The most settings, routes and targets that are listed one by one.
const MAX_LISTED: usize = 40;

/// A snapshot older than this says little about now.
const OLD: Duration = Duration::from_secs(300);

/// What is compared.
pub(crate) struct PlanView<'a> {
    pub(crate) new: &'a Fallback,
    pub(crate) old: &'a Fallback,
    /// What would change in the newest snapshot; `None` without one.
    pub(crate) trial: Option<&'a Trial>,
    /// Settings that differ; `None` where the old file is not at hand.
    pub(crate) settings: Option<&'a [SettingChange]>,
    /// Of the new file.
    pub(crate) warnings: &'a [String],
    /// Why a running process would refuse the new file.
    pub(crate) refused: Option<&'a str>,
}

/// What differs on one route.
struct RouteChange<'a> {
    route: &'a RouteName,
    lines: Vec<String>,
}

impl PlanView<'_> {
    /// For programs.
    pub(crate) fn answer(&self) -> Value {
        let routes = self
            .route_changes()
            .into_iter()
            .map(|change| json!({ "route": change.route, "changes": change.lines }));
        let (added, removed) = self.targets();
        json!({
            "digest": self.new.digest,
            "refused": self.refused,
            "warnings": self.warnings,
            "routes": routes.collect::<Vec<_>>(),
            "targets_added": added,
            "targets_removed": removed,
            "settings": self.settings,
            "trial": self.trial,
        })
    }

    fn targets(&self) -> (Vec<&TargetName>, Vec<&TargetName>) {
        let missing = |of: &Fallback, name: &TargetName| of.target(name).is_none();
        let added = self
            .new
            .targets
            .iter()
            .map(|one| &one.name)
            .filter(|name| missing(self.old, name));
        let removed = self
            .old
            .targets
            .iter()
            .map(|one| &one.name)
            .filter(|name| missing(self.new, name));
        (added.collect(), removed.collect())
    }

    fn route_changes(&self) -> Vec<RouteChange<'_>> {
        let configured = self
            .old
            .routes
            .iter()
            .chain(&self.new.routes)
            .map(|route| &route.name);
        let names: BTreeSet<&RouteName> = configured.collect();
        let changes = names.into_iter().map(|route| RouteChange {
            route,
            lines: self.lines_of(route),
        });
        changes.filter(|change| !change.lines.is_empty()).collect()
    }

    fn lines_of(&self, name: &RouteName) -> Vec<String> {
        let mut lines = match (self.old.route(name), self.new.route(name)) {
            (None, None) => Vec::new(),
            (Some(_), None) => vec!["is removed: gateways go back to the baseline of their own".to_owned()],
            (None, Some(new)) => {
                let mode = mode_word(new.settings.mode);
                vec![format!("is added, in mode {mode}: {}", baseline(new))]
            }
            (Some(old), Some(new)) => configured(old, new),
        };
        lines.extend(
            self.trial
                .into_iter()
                .flat_map(|trial| weights(&trial.before, &trial.after, name)),
        );
        lines
    }
}

fn baseline(route: &RouteConfig) -> String {
    let shares = route.targets.iter();
    shares
        .map(|one| format!("{} {}", clean(one.target.as_str()), percent_bp(one.baseline_bp)))
        .collect::<Vec<_>>()
        .join(", ")
}

/// Mode, targets and baseline, as they are configured.
fn configured(old: &RouteConfig, new: &RouteConfig) -> Vec<String> {
    let mut lines = Vec::new();
    if old.settings.mode != new.settings.mode {
        lines.push(format!(
            "mode {} → {}",
            mode_word(old.settings.mode),
            mode_word(new.settings.mode)
        ));
    }
    let was = |name: &TargetName| {
        old.targets
            .iter()
            .find(|one| one.target == *name)
            .map(|one| one.baseline_bp)
    };
    for target in &new.targets {
        let name = clean(target.target.as_str());
        let share = percent_bp(target.baseline_bp);
        match was(&target.target) {
            None => lines.push(format!("target {name} is added, baseline {share}")),
            Some(before) if before != target.baseline_bp => {
                lines.push(format!("baseline of {name} {} → {share}", percent_bp(before)));
            }
            Some(_) => {}
        }
    }
    let gone = old
        .targets
        .iter()
        .filter(|one| new.targets.iter().all(|other| other.target != one.target));
    lines.extend(gone.map(|one| format!("target {} is removed", clean(one.target.as_str()))));
    lines
}

/// What gateways would be told at once, and what the plan would be.
fn weights(before: &Published, after: &Published, route: &RouteName) -> Vec<String> {
    let (Some(old), Some(new)) = (before.routes.get(route), after.routes.get(route)) else {
        return Vec::new();
    };
    let mut lines = Vec::new();
    for target in &new.targets {
        let Some(was) = old.targets.iter().find(|one| one.target == target.target) else {
            continue;
        };
        let name = clean(target.target.as_str());
        let pairs = [
            ("now", was.weight_bp, target.weight_bp),
            ("planned", was.planned_bp, target.planned_bp),
        ];
        for (what, was, is) in pairs {
            if was != is {
                lines.push(format!(
                    "weight of {name}, {what}: {} → {}",
                    percent_bp(was),
                    percent_bp(is)
                ));
            }
        }
    }
    lines
}

/// The changes as text.
pub(crate) fn plan(view: &PlanView<'_>, paint: Paint) -> String {
    let mut text = String::new();
    let mut line = |line: &str| {
        text.push_str(line);
        text.push('\n');
    };
    match view.trial {
        Some(trial) => {
            let age_of = Duration::from_micros(trial.age_us);
            let ink = if age_of > OLD { Ink::Warn } else { Ink::Plain };
            let since = match trial.commands_since {
                0 => String::new(),
                count => format!(", with {count} operator commands since"),
            };
            line(&paint.ink(
                ink,
                &format!("compared with the newest snapshot, {} old{since}", age(age_of)),
            ));
        }
        None => line("there is no snapshot: only the files are compared, weights are not known"),
    }
    if let Some(refused) = view.refused {
        line(&paint.ink(Ink::Bad, &format!("a running process would refuse it: {refused}")));
    }
    view.warnings
        .iter()
        .for_each(|warning| line(&paint.ink(Ink::Warn, &format!("warning: {}", clean(warning)))));
    for alert in view.trial.into_iter().flat_map(|trial| &trial.alerts) {
        line(&paint.ink(Ink::Warn, &format!("it would say: {}", clean(alert))));
    }

    let routes = view.route_changes();
    for change in routes.iter().take(MAX_LISTED) {
        line(&paint.bold(&clean(change.route.as_str())));
        change
            .lines
            .iter()
            .for_each(|change| line(&format!("  {change}")));
    }
    more(routes.len(), "routes", &mut line);
    let (added, removed) = view.targets();
    for (what, targets) in [("targets added", added), ("targets removed", removed)] {
        if !targets.is_empty() {
            let names: Vec<String> = targets
                .iter()
                .take(MAX_LISTED)
                .map(|name| clean(name.as_str()))
                .collect();
            line(&format!("{what}: {}", names.join(", ")));
            more(targets.len(), "targets", &mut line);
        }
    }
    match view.settings {
        Some([]) => line("no setting differs"),
        Some(settings) => {
            line(&paint.bold("settings"));
            settings
                .iter()
                .take(MAX_LISTED)
                .for_each(|change| line(&format!("  {}", setting(change))));
            more(settings.len(), "settings", &mut line);
        }
        None => line("single settings are not compared: the file that is in force is not at hand"),
    }
    line("nothing was changed");
    text
}

fn more(count: usize, what: &str, line: &mut impl FnMut(&str)) {
    if count > MAX_LISTED {
        line(&format!(
            "  and {} more {what}; -o json has all",
            count - MAX_LISTED
        ));
    }
}

fn setting(change: &SettingChange) -> String {
    let shown = |value: &Option<Value>| {
        value
            .as_ref()
            .map_or("not there".to_owned(), |value| match value {
                Value::String(text) => clean(text),
                other => clean(&other.to_string()),
            })
    };
    format!(
        "{}: {} → {}",
        clean(&change.path),
        shown(&change.before),
        shown(&change.after)
    )
}
