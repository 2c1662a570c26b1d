//! What was found, part by part: what is in place, and what is still to be done.

use super::found::{Found, LAYER, RECEIVE_CLUSTER, WEIGHTS_CLUSTER};
use super::patch::{BOOTSTRAP_FILE, ROUTES_FILE};
use crate::cli::render::Finding;

pub(super) fn findings(found: &Found) -> Vec<Finding> {
    let mut findings = Vec::new();
    bootstrap(found, &mut findings);
    for listener in &found.listeners {
        let about = format!("listener {}", listener.listener);
        findings.push(present(
            about,
            listener.has_access_log,
            "sends its access log to Foreshift",
            "does not send its access log to Foreshift yet",
            ROUTES_FILE,
        ));
    }
    routes(found, &mut findings);
    for (name, target) in &found.targets {
        if !target.has_outlier_detection {
            findings.push(Finding::warn(
                format!("cluster {name}"),
                "has no outlier_detection",
                "give it one, such as {consecutive_5xx: 5}: Foreshift works before it, not instead of it",
            ));
        }
    }
    findings
}

fn bootstrap(found: &Found, findings: &mut Vec<Finding>) {
    let wiring = &found.wiring;
    findings.push(match &wiring.node_id {
        Some(id) => Finding::ok("node", format!("this gateway is {id}")),
        None => Finding::warn(
            "node",
            "this Envoy has no id",
            format!("choose one in {BOOTSTRAP_FILE}: without it Envoy takes no weights"),
        ),
    });
    let layer = wiring.has_layer && wiring.has_admin_layer;
    for (about, is_there) in [
        (format!("runtime layer {LAYER}"), layer),
        (format!("cluster {WEIGHTS_CLUSTER}"), wiring.has_weights_cluster),
        (format!("cluster {RECEIVE_CLUSTER}"), wiring.has_receive_cluster),
    ] {
        findings.push(present(
            about,
            is_there,
            "is there",
            "is not there yet",
            BOOTSTRAP_FILE,
        ));
    }
}

fn routes(found: &Found, findings: &mut Vec<Finding>) {
    for route in &found.routes {
        let about = format!("route {}", route.name);
        let targets: Vec<_> = route
            .targets
            .iter()
            .map(|(name, share_bp)| format!("{name} {}%", f64::from(*share_bp) / 100.0))
            .collect();
        let targets = targets.join(", ");
        if !route.is_steerable() {
            findings.push(Finding::ok(
                about,
                format!("{targets}: watch only, it has one target"),
            ));
            continue;
        }
        let prefix = route.prefix();
        let is_wired = |prefix_of: &Option<String>| prefix_of.as_ref() == Some(&prefix);
        findings.push(present(
            about,
            route.places.iter().all(|place| is_wired(&place.prefix)),
            &format!("{targets}: reads its weights from {prefix}"),
            &format!("{targets}: does not read weights from {prefix} yet"),
            ROUTES_FILE,
        ));
    }
    for left in &found.left_out {
        findings.push(Finding::warn(
            format!("virtual host {}", left.place.virtual_host),
            format!("{} is left out: {}", left.place.matches, left.why),
            "name its clusters in the route to have it watched or steered",
        ));
    }
}

fn present(about: String, is_there: bool, there: &str, missing: &str, file: &str) -> Finding {
    match is_there {
        true => Finding::ok(about, there),
        false => Finding::warn(about, missing, format!("add what {file} has for it")),
    }
}
