//! The files that Foreshift reads, with what a person has to think about as comments.

use std::net::IpAddr;

use super::found::{Found, FoundRoute, LAYER};

/// Where Foreshift gives weights, as `listen.grpc` has it by default.
pub(super) const WEIGHTS_PORT: u16 = 7400;
/// Where Foreshift takes access logs.
pub(super) const RECEIVE_PORT: u16 = 7403;

/// `foreshift.yaml`.
pub(super) fn process(address: IpAddr) -> String {
    let mut text =
        String::from("# Foreshift without Kafka: Envoy sends its access logs here, and gets weights.\n");
    text.push_str(&format!(
        "receive: {{address: '{}'}}\n",
        on(address, RECEIVE_PORT)
    ));
    text.push_str(&format!(
        "xds: {{layer: {LAYER}, ttl: 30s}}  # an Envoy that hears nothing for so long is back at its own weights\n"
    ));
    if !address.is_loopback() {
        text.push_str(&format!(
            "listen:\n  grpc: {{address: '{}'}}  # whoever reaches it may read weights: see peers_file and tls\n",
            on(address, WEIGHTS_PORT)
        ));
    }
    text
}

/// An address with a port, as it is written in configurations.
pub(super) fn on(address: IpAddr, port: u16) -> String {
    std::net::SocketAddr::new(address, port).to_string()
}

/// `fallback.yaml`.
pub(super) fn fallback(found: &Found) -> String {
    let mut text = String::from(
        "# Routes of an Envoy, as `foreshift init` found them. Targets are named as Envoy's clusters are: weights reach\n\
         # Envoy by these names. Baselines are Envoy's own weights: where everything returns to.\n\
         #\n\
         # Think about:\n\
         #   mode             shadow plans and moves nothing. Raise it with `foreshift mode ROUTE auto` when it looks right\n\
         #   role             a target that only stands in for others is `secondary`; it must declare its capacity\n\
         #   capacity         what a target can serve, such as `500 rps`: never is it given more than 80% of it. Without it,\n\
         #                    it is learnt as the most that the target served well\n\
         #   failure_domain   what fails together with it: a zone, a region, a provider\n\
         # Check it with `foreshift config validate --fallback fallback.yaml`.\n\
         defaults: {mode: shadow}\n\
         routes:\n",
    );
    let mut told = std::collections::BTreeSet::new();
    let (steered, watched): (Vec<_>, Vec<_>) = found.routes.iter().partition(|route| route.is_steerable());
    for route in steered {
        text.push_str(&route_text(found, route, &mut told));
    }
    if !watched.is_empty() {
        text.push_str(
            "\n  # Watch only: with one target there is nowhere to go. Add a second cluster to steer them.\n",
        );
    }
    for route in watched {
        text.push_str(&route_text(found, route, &mut told));
    }
    for left in &found.left_out {
        let place = &left.place;
        text.push_str(&format!(
            "\n  # Left out: virtual host {}, {}: {}.\n",
            one_line(&place.virtual_host),
            one_line(&place.matches),
            one_line(&left.why)
        ));
    }
    text
}

fn route_text<'a>(
    found: &Found,
    route: &'a FoundRoute,
    told: &mut std::collections::BTreeSet<&'a str>,
) -> String {
    let mut text = format!("  - name: {}\n    targets:\n", quoted(&route.name));
    for (name, share_bp) in &route.targets {
        text.push_str(&format!("      - name: {}\n", quoted(name)));
        text.push_str("        role: primary\n");
        text.push_str(&match share_bp % 100 {
            0 => format!("        baseline: {}%\n", share_bp / 100),
            _ => format!("        baseline_bp: {share_bp}\n"),
        });
        // What concerns the target itself is written where it comes first.
        if !told.insert(name) {
            continue;
        }
        text.push_str("        # capacity: 500 rps\n");
        let target = found.targets.get(name);
        text.push_str(&match target.and_then(|target| target.failure_domain.as_ref()) {
            Some(domain) => format!("        failure_domain: {}\n", quoted(domain)),
            None => "        # failure_domain: eu-central-1\n".to_owned(),
        });
        let names = target.and_then(|target| target.logged_as.as_ref());
        let names = names.map_or(String::new(), |name| format!("names: [{}], ", quoted(name)));
        text.push_str(&format!(
            "        telemetry: {{{names}outcomes_from: envoy_access_log}}\n"
        ));
    }
    text
}

/// A name as YAML takes it: as it is where nothing in it means anything, else in quotes.
pub(super) fn quoted(name: &str) -> String {
    let is_plain = name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || "-_./".contains(letter));
    // Words that YAML reads as something else.
    let is_word = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"]
        .iter()
        .any(|word| name.eq_ignore_ascii_case(word));
    match is_plain && !is_word {
        true => name.to_owned(),
        // JSON's quotes are YAML's.
        false => serde_json::Value::from(name).to_string(),
    }
}

/// Text of others inside a comment.
pub(super) fn one_line(text: &str) -> String {
    text.chars()
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .collect()
}
