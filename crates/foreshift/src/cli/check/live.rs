//! The loop of a Foreshift that runs: requests are heard of, for each target; weights are asked for and acknowledged,
//! by each gateway.

use foreshift_config::ProcessConfig;
use foreshift_domain::fallback::{Fallback, Mode, TargetConfig};
use foreshift_domain::published::Published;
use foreshift_domain::weights::RouteWeights;
use foreshift_domain::{Duration, Timestamp};

use super::places::http_get;
use crate::cli::connect::{ConnectArgs, runtime};
use crate::cli::render::{Finding, age, mode_word};

/// What was heard of.
const HEARD: &str = "loop, heard";
/// What was acknowledged.
const TOLD: &str = "loop, told";

pub(super) fn check(
    process: &ProcessConfig,
    fallback: &Fallback,
    is_running: bool,
    connect: &ConnectArgs,
    findings: &mut Vec<Finding>,
) -> anyhow::Result<()> {
    if !is_running {
        let hint = "start it with `foreshift run`, send requests through the gateway, and check again";
        findings.push(Finding::warn(
            "loop",
            "no Foreshift runs on this storage: from request to weight nothing can be checked",
            hint,
        ));
        return Ok(());
    }
    let connect = connect.or_at(process.listen.operator.address, process.listen.tls.is_some());
    let asked = runtime()?.block_on(async { anyhow::Ok(connect.connect().await?.status().await?) });
    let published = match asked {
        Ok(published) => published,
        Err(error) => {
            findings.push(Finding::fail(
                "loop",
                format!("the running Foreshift does not say how it is: {error:#}"),
                "name it with --server, and yourself with --token-file or --cert, as for `foreshift status`",
            ));
            return Ok(());
        }
    };
    let metrics = process.listen.http.as_ref();
    let metrics = metrics.and_then(|http| http_get(http.address, "/metrics").ok());
    let seen = Metrics(metrics.as_deref());
    telemetry(process, &published, &seen, findings);
    for target in &fallback.targets {
        heard(target, fallback, &published, findings);
    }
    xds(&seen, findings);
    for route in &fallback.routes {
        match published.routes.get(&route.name) {
            Some(weights) => told(weights, &published, findings),
            None => findings.push(Finding::warn(
                TOLD,
                format!("route {}: the running Foreshift does not know it", route.name),
                "it runs on another fallback configuration; has it said in its log why this one was refused?",
            )),
        }
    }
    Ok(())
}

/// The metrics of the running process, where they can be read.
struct Metrics<'a>(Option<&'a str>);

impl Metrics<'_> {
    /// The sum of a metric over its labels, where one of them is as asked; `None` when metrics cannot be read.
    fn sum(&self, name: &str, label: &str) -> Option<f64> {
        let lines = self.0?.lines().filter_map(|line| line.strip_prefix(name));
        let values = lines.filter_map(|rest| {
            let (labels, value) = rest.rsplit_once(' ')?;
            let is_it = labels.is_empty() || labels.starts_with('{');
            (is_it && labels.contains(label)).then(|| value.parse::<f64>().ok())?
        });
        Some(values.sum())
    }
}

/// What came in at all, and what of it was lost.
fn telemetry(
    process: &ProcessConfig,
    published: &Published,
    seen: &Metrics<'_>,
    findings: &mut Vec<Finding>,
) {
    if process.receive.is_some() {
        let taken = |label| seen.sum("foreshift_ingest_received_items_total", label);
        match (taken("\"als\""), taken("")) {
            (Some(0.0), Some(0.0)) => findings.push(Finding::warn(
                HEARD,
                "nothing was sent to `receive`",
                "does the gateway's access log go to this address? `foreshift init --envoy` says what is missing",
            )),
            (Some(als), Some(all)) => findings.push(Finding::ok(
                HEARD,
                format!("{all} items were sent here, {als} of them from access logs"),
            )),
            _ => {}
        }
        let dropped = seen
            .sum("foreshift_ingest_received_dropped_total", "")
            .unwrap_or_default();
        if dropped > 0.0 {
            let message = format!("{dropped} items were dropped because the buffer was full");
            findings.push(Finding::warn(
                HEARD,
                message,
                "predictions miss them: is this machine too busy?",
            ));
        }
    }
    let unmapped = seen
        .sum("foreshift_ingest_unmapped_total", "")
        .unwrap_or_default();
    if unmapped > 0.0 {
        findings.push(Finding::warn(
            HEARD,
            format!("{unmapped} items name no target of fallback.yaml"),
            "write the names that telemetry gives to targets into their telemetry.names, or set `discover`",
        ));
    }
    if published.watermark == Timestamp::MIN {
        findings.push(Finding::warn(
            HEARD,
            "no bucket of event time is closed yet",
            "telemetry has to come for longer than time.lateness; look again in some seconds",
        ));
    }
}

fn heard(target: &TargetConfig, fallback: &Fallback, published: &Published, findings: &mut Vec<Finding>) {
    let name = &target.name;
    let state = published.targets.get(name);
    let Some(state) = state.filter(|state| state.last_seen > Timestamp::MIN) else {
        findings.push(Finding::warn(
            HEARD,
            format!("target {name}: nothing was heard of it yet"),
            "send a request that reaches it; in telemetry it must bear this name, or one of its telemetry.names",
        ));
        return;
    };
    let silent = published.telemetry_age(state);
    let requests = state.outcomes.total();
    let told = format!(
        "target {name}: {requests} requests, last heard of {} ago",
        age(silent)
    );
    findings.push(if silent > fallback.timing.staleness {
        let hint = "stale: its weights hold, then walk back to baseline; is there traffic, and is it still reported?";
        Finding::warn(HEARD, told, hint)
    } else if requests == 0 {
        Finding::warn(HEARD, told, "report how requests end: access logs, request metrics or spans")
    } else {
        Finding::ok(HEARD, told)
    });
}

/// Whether Envoys ask for weights at all.
fn xds(seen: &Metrics<'_>, findings: &mut Vec<Finding>) {
    let count = |name: &str| seen.sum(&format!("foreshift_xds_{name}_total"), "");
    let (Some(streams), Some(accepted), Some(refused)) =
        (count("streams"), count("accepted"), count("refused"))
    else {
        findings.push(Finding::warn(
            TOLD,
            "whether Envoys ask for weights cannot be seen",
            "let listen.http have an address",
        ));
        return;
    };
    findings.push(if streams == 0.0 {
        Finding::warn(
            TOLD,
            "no Envoy has asked for weights",
            "has it the runtime layer and the cluster to this address? `foreshift init --envoy` says what is missing. \
             Gateways that read the native stream need none",
        )
    } else if accepted == 0.0 {
        let message = format!("Envoys opened {streams} streams and accepted nothing, {refused} answers refused");
        Finding::warn(TOLD, message, "is `xds.layer` the name of the layer in Envoy's rtds_layer?")
    } else {
        Finding::ok(TOLD, format!("Envoys ask for weights: {accepted} answers accepted, {refused} refused"))
    });
}

/// What gateways have applied of a route.
fn told(weights: &RouteWeights, published: &Published, findings: &mut Vec<Finding>) {
    let about = |text: String| format!("route {}: {text}", weights.route);
    let is_told = weights.mode == Mode::Auto
        || weights
            .targets
            .iter()
            .any(|target| target.weight_bp != target.baseline_bp);
    let gateways = published.applied.get(&weights.route);
    let gateways = gateways.filter(|gateways| !gateways.is_empty());
    let Some(gateways) = gateways else {
        findings.push(match is_told {
            false => Finding::ok(
                TOLD,
                about(format!(
                    "mode {}: gateways keep their own weights, so there is nothing to acknowledge",
                    mode_word(weights.mode)
                )),
            ),
            true => Finding::warn(
                TOLD,
                about("no gateway has said that it applied its weights".to_owned()),
                "for Envoy: is runtime_key_prefix LAYER.ROUTE, and does it ask for weights (above)?",
            ),
        });
        return;
    };
    for (gateway, applied) in gateways {
        let ago = age(published.now.since(applied.time).max(Duration::ZERO));
        findings.push(match &applied.error {
            Some(why) => Finding::fail(
                TOLD,
                about(format!(
                    "{gateway} refused version {} {ago} ago: {why}",
                    applied.version
                )),
                "it goes on with the weights before; mend what it names",
            ),
            None if applied.version == weights.version => Finding::ok(
                TOLD,
                about(format!(
                    "{gateway} applied version {}, said {ago} ago",
                    applied.version
                )),
            ),
            None if !is_told => Finding::ok(
                TOLD,
                about(format!(
                    "{gateway} is back at its own weights; it last applied version {}",
                    applied.version
                )),
            ),
            None => Finding::warn(
                TOLD,
                about(format!(
                    "{gateway} has version {}, said {ago} ago; {} is intended",
                    applied.version, weights.version
                )),
                "it follows within a second as a rule: is it still connected?",
            ),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_summed_over_their_labels_and_not_over_longer_names() {
        let text = "# HELP a_total x\na_total{of=\"als\"} 2\na_total{of=\"otlp\"} 3\na_total_more 9\nb 1\n";
        let metrics = Metrics(Some(text));
        assert_eq!(metrics.sum("a_total", ""), Some(5.0));
        assert_eq!(metrics.sum("a_total", "\"als\""), Some(2.0));
        assert_eq!(metrics.sum("b", ""), Some(1.0));
        assert_eq!(metrics.sum("c", ""), Some(0.0));
        assert_eq!(Metrics(None).sum("b", ""), None);
    }
}
