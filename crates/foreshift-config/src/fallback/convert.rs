//! From the file's shape to the domain's, with the checks that look at several values together.

use std::collections::BTreeMap;

use foreshift_domain::fallback::{
    DeclaredFeature, Discover, DiscoverRule, EdsCluster, EdsTarget, Fallback, FleetLimits, Learning, Mode,
    Role, RouteConfig, RouteTarget,
};
use foreshift_domain::{Digest, RouteName, TargetName};
use foreshift_features::{DeclareError, FeatureSet};

use super::file::{DiscoverSetting, FallbackFile, RouteFile};
use super::settings::{self, Written};
use super::targets::Targets;
use super::timing;
use crate::report::Report;
use crate::tree::At;

/// All of a route, in basis points.
const WHOLE_BP: u32 = 10_000;

/// Converts and checks; baselines that follow from others are filled into `written` too, so that origins show them.
/// What comes back is only to be used when `report` has no errors.
pub(super) fn fallback(written: &mut FallbackFile, text: &str, report: &mut Report<'_>) -> Fallback {
    let root = At::default();
    let timing = timing::timing(&written.timing, &root.key("timing"), report);
    let mut targets = Targets::default();
    let mut seen = BTreeMap::new();
    let mut routes = Vec::with_capacity(written.routes.len());
    for (i, route) in written.routes.iter_mut().enumerate() {
        let at = root.key("routes").index(i);
        if seen.insert(route.name.clone(), i).is_some() {
            report.error(
                &at.key("name"),
                format!("the route `{}` is there twice", route.name),
                "give one of the two another name, or merge them",
            );
        }
        routes.push(self::route(route, &timing, &at, &mut targets, report));
    }
    check_keys(&routes, report);
    let eds = eds(written, &routes, &targets, report);
    let targets = targets.finish(report);
    let fleet = fleet(written, routes.len(), targets.len(), report);
    let discover = discover(written, &timing, report);
    if routes.is_empty() && discover.is_none() {
        report.error(
            &root,
            "there is nothing to follow: no routes, and no `discover`",
            "list routes, or set `discover: true`",
        );
    }
    Fallback {
        digest: Digest::of(text.as_bytes()),
        timing,
        learning: Learning {
            online: written.learning.online,
            rows_per_horizon: written.learning.rows_per_horizon,
        },
        features: features(written, report),
        fleet,
        discover,
        routes,
        targets,
        eds,
    }
}

fn features(written: &FallbackFile, report: &mut Report<'_>) -> Vec<DeclaredFeature> {
    let declared: Vec<_> = (written.features.iter())
        .map(|feature| DeclaredFeature {
            name: feature.name.clone(),
            expression: feature.expression.clone(),
            unit: feature.unit.clone(),
            why: feature.why.clone(),
            knots: feature.knots.clone(),
        })
        .collect();
    if let Err((place, error)) = FeatureSet::of(&declared) {
        let at = At::default().key("features").index(place);
        let (key, hint) = match &error {
            DeclareError::TooMany => (at, "keep those that a model gains from"),
            DeclareError::Name(_) | DeclareError::Taken(_) => (at.key("name"), "give it another name"),
            DeclareError::Expression { .. } => (
                at.key("expression"),
                "`foreshift-lab features` lists features, functions and what a gauge tells",
            ),
            DeclareError::Knots(_) => (at.key("knots"), "such as `knots: [0, 0.5, 1, 2, 5]`"),
        };
        report.error(&key, error.to_string(), hint);
    }
    declared
}

/// Gateways know a weight by `<route>.<target>`, and names may hold dots.
fn check_keys(routes: &[RouteConfig], report: &mut Report<'_>) {
    let mut owners = BTreeMap::new();
    for (i, route) in routes.iter().enumerate() {
        for (j, target) in route.targets.iter().enumerate() {
            let key = format!("{}.{}", route.name, target.target);
            if let Some(owner) = owners.insert(key.clone(), &route.name)
                && *owner != route.name
            {
                report.error(
                    &At::default()
                        .key("routes")
                        .index(i)
                        .key("targets")
                        .index(j)
                        .key("name"),
                    format!(
                        "its key at gateways would be `{key}`, as that of a target of the route `{owner}`"
                    ),
                    "give the route or the target another name",
                );
            }
        }
    }
}

/// Clusters that are told their endpoints. Targets are shared by routes, so this looks at all routes first.
fn eds(
    written: &FallbackFile,
    routes: &[RouteConfig],
    targets: &Targets,
    report: &mut Report<'_>,
) -> Vec<EdsCluster> {
    let mut clusters: Vec<EdsCluster> = Vec::new();
    for (i, (file, route)) in written.routes.iter().zip(routes).enumerate() {
        let Some(eds) = &file.eds else { continue };
        let at = At::default().key("routes").index(i);
        if let Some(other) = clusters.iter().find(|other| other.name == eds.cluster) {
            report.error(
                &at.key("eds").key("cluster"),
                format!(
                    "the cluster `{}` belongs to the route `{}` already",
                    eds.cluster, other.route
                ),
                "endpoints have one weight: give each route a cluster of its own",
            );
        }
        let with_endpoints = |(j, target): (usize, &RouteTarget)| {
            let endpoints = targets.endpoints(target.target.as_str());
            report.require(
                !endpoints.is_empty(),
                &at.key("targets").index(j),
                format!("the route has `eds`, but `{}` has no endpoints", target.target),
                "list them, such as `endpoints: [10.0.0.7:8080]`",
            );
            EdsTarget {
                target: target.target.clone(),
                role: target.role,
                baseline_bp: target.baseline_bp,
                endpoints,
            }
        };
        clusters.push(EdsCluster {
            name: eds.cluster.clone(),
            route: route.name.clone(),
            strict_priorities: eds.strict_priorities,
            targets: route.targets.iter().enumerate().map(with_endpoints).collect(),
        });
    }
    clusters
}

fn route(
    route: &mut RouteFile,
    timing: &foreshift_domain::fallback::Timing,
    at: &At,
    targets: &mut Targets,
    report: &mut Report<'_>,
) -> RouteConfig {
    let settings = settings::settings(&Written::of_route(route), timing, at, report);
    let baselines = baselines(route, at, report);
    let mut list = Vec::with_capacity(route.targets.len());
    for (i, target) in route.targets.iter_mut().enumerate() {
        let at = at.key("targets").index(i);
        let baseline_bp = baselines.get(i).copied().unwrap_or(0);
        target.baseline_bp = Some(baseline_bp);
        let name = TargetName::from(target.name.as_str());
        if list.iter().any(|known: &RouteTarget| known.target == name) {
            report.error(
                &at.key("name"),
                format!("the target `{name}` is there twice on this route"),
                "a route lists each target once",
            );
            continue;
        }
        targets.add(target, &at, report);
        list.push(RouteTarget {
            target: name,
            role: target.role,
            baseline_bp,
        });
    }
    if !list.iter().any(|target| target.role == Role::Primary) {
        report.error(
            &at.key("targets"),
            "the route has no primary",
            "give at least one target the role `primary`",
        );
    }
    if settings.mode == Mode::Auto && list.len() == 1 {
        report.warn(
            at,
            "mode is `auto`, but with one target there is nowhere to move traffic to",
        );
    }
    RouteConfig {
        name: RouteName::from(route.name.as_str()),
        targets: list,
        settings,
    }
}

/// The baselines of a route in basis points, in the order of its targets.
fn baselines(route: &RouteFile, at: &At, report: &mut Report<'_>) -> Vec<u32> {
    let at = at.key("targets");
    let before = report.errors.len();
    let known: u32 = route
        .targets
        .iter()
        .filter_map(|target| target.baseline_bp)
        .fold(0, u32::saturating_add);
    let silent =
        |target: &&super::file::TargetFile| target.role == Role::Primary && target.baseline_bp.is_none();
    let silent_primaries = route.targets.iter().filter(silent).count();
    let primaries = route
        .targets
        .iter()
        .filter(|target| target.role == Role::Primary)
        .count();
    let mut baselines = Vec::with_capacity(route.targets.len());
    for (i, target) in route.targets.iter().enumerate() {
        let at = at.index(i);
        if target.baseline.is_some() {
            report.error(
                &at.key("baseline"),
                "both `baseline` and `baseline_bp` are given",
                "keep one of the two",
            );
        }
        if silent(&target) && primaries > 1 {
            report.error(
                &at,
                "a primary among several needs a `baseline`",
                "write its share at rest, such as `baseline: 50%`",
            );
        }
        if target.role == Role::Primary && target.baseline_bp == Some(0) {
            report.warn(
                &at.key("baseline_bp"),
                "a primary with no baseline never serves at rest: is it a secondary?",
            );
        }
        let rest = if silent(&target) && silent_primaries == 1 {
            WHOLE_BP.saturating_sub(known)
        } else {
            0
        };
        baselines.push(target.baseline_bp.unwrap_or(rest));
    }
    let sum = baselines.iter().fold(0_u32, |sum, bp| sum.saturating_add(*bp));
    if sum != WHOLE_BP && report.errors.len() == before {
        report.error(
            &at,
            format!(
                "the baselines sum to {}.{:02}% ({sum} basis points), not to 100%",
                sum / 100,
                sum % 100
            ),
            "change the shares so that they sum to exactly 100% (10000 basis points)",
        );
    }
    baselines
}

fn fleet(written: &FallbackFile, routes: usize, targets: usize, report: &mut Report<'_>) -> FleetLimits {
    let file = &written.fleet;
    let at = At::default().key("fleet");
    report.require(
        file.blast_window.0.is_positive(),
        &at.key("blast_window"),
        "must be longer than nothing",
        "write a span such as 60s",
    );
    report.require(
        routes <= file.max_routes as usize,
        &at.key("max_routes"),
        format!(
            "{routes} routes are configured, more than fleet.max_routes ({})",
            file.max_routes
        ),
        "raise fleet.max_routes, or list fewer routes",
    );
    report.require(
        targets <= file.max_targets as usize,
        &at.key("max_targets"),
        format!(
            "{targets} targets are configured, more than fleet.max_targets ({})",
            file.max_targets
        ),
        "raise fleet.max_targets, or list fewer targets",
    );
    FleetLimits {
        max_routes_shifted: file.max_routes_shifted,
        blast_window: file.blast_window.0,
        alarm_freeze_share: file.alarm_freeze_share,
        alarm_freeze_min_targets: file.alarm_freeze_min_targets,
        max_targets: file.max_targets,
        max_routes: file.max_routes,
    }
}

fn discover(
    written: &FallbackFile,
    timing: &foreshift_domain::fallback::Timing,
    report: &mut Report<'_>,
) -> Option<Discover> {
    let Some(DiscoverSetting::Section(file)) = &written.discover else {
        return None;
    };
    let at = At::default().key("discover");
    if file.confirm_baselines {
        report.warn(
            &at.key("confirm_baselines"),
            "only replay accepts this; `foreshift run` refuses the file",
        );
    }
    let mut rules: Vec<DiscoverRule> = Vec::with_capacity(file.rules.len());
    for (i, rule) in file.rules.iter().enumerate() {
        let at = at.key("rules").index(i);
        let settings = settings::settings(&Written::of_rule(rule), timing, &at, report);
        if let Some(earlier) = rules
            .iter()
            .find(|earlier| covers(&earlier.pattern, &rule.pattern))
        {
            let message = format!(
                "never matches: `{}` above takes all of it (the first match wins)",
                earlier.pattern
            );
            report.warn(&at.key("pattern"), message);
        }
        if !file.confirm_baselines && settings.mode > Mode::Shadow {
            report.warn(
                &at.key("mode"),
                "a discovered route stays in shadow until a person confirms its baseline",
            );
        }
        rules.push(DiscoverRule {
            pattern: rule.pattern.clone(),
            settings,
        });
    }
    Some(Discover {
        confirm_baselines: file.confirm_baselines,
        failure_domain: file.failure_domain,
        rules,
    })
}

/// Whether everything that `later` matches is matched by `earlier` too.
fn covers(earlier: &str, later: &str) -> bool {
    match earlier.strip_suffix('*') {
        Some(prefix) => later.strip_suffix('*').unwrap_or(later).starts_with(prefix),
        None => earlier == later,
    }
}
