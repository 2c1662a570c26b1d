//! Envoy's load reports: what happened to the requests of each cluster over an interval.
//!
//! They know no latency, and count what is no 5xx as a success. A report has no time of its own: it is as old as its
//! coming.

use envoy_types::pb::envoy::config::endpoint::v3::{ClusterStats, UpstreamLocalityStats};
use foreshift_domain::fallback::OutcomeSource;
use foreshift_domain::signal::{Gauge, Observation, OutcomeCounts, OutcomeKind, OutcomeWindow, Signal};
use foreshift_domain::{Duration, GatewayName, Timestamp};

use super::{DecodeError, MAX_PARTS, Parts};
use crate::decoded::Decoded;

/// The gauge of requests that are being served.
const IN_FLIGHT: &str = "in_flight";
/// The longest interval of a report; what says more is a clock that jumped.
const MAX_INTERVAL_S: i64 = 3_600;

/// Decodes the clusters of one report that came at `time`. `gateway` is the id of the stream's node.
pub fn clusters(clusters: &[ClusterStats], gateway: Option<&GatewayName>, time: Timestamp) -> Parts {
    let mut parts = Parts::default();
    for cluster in clusters {
        if parts.good.len() + 2 > MAX_PARTS {
            parts.bad.push(DecodeError::TooMany { most: MAX_PARTS });
            break;
        }
        if let Err(error) = decode_cluster(cluster, gateway, time, &mut parts) {
            parts.bad.push(error);
        }
    }
    parts
}

fn decode_cluster(
    cluster: &ClusterStats,
    gateway: Option<&GatewayName>,
    time: Timestamp,
    parts: &mut Parts,
) -> Result<(), DecodeError> {
    if cluster.cluster_name.is_empty() {
        return Err(DecodeError::Missing {
            field: "cluster_name",
        });
    }
    let told = cluster.load_report_interval.as_ref();
    let told = told.ok_or(DecodeError::Missing {
        field: "load_report_interval",
    })?;
    let is_interval =
        (0..=MAX_INTERVAL_S).contains(&told.seconds) && (0..1_000_000_000).contains(&told.nanos);
    let length = Duration::from_micros(match is_interval {
        true => told.seconds * 1_000_000 + i64::from(told.nanos) / 1_000,
        false => 0,
    });
    if !length.is_positive() {
        return Err(DecodeError::BadField {
            field: "load_report_interval".into(),
            expected: "a span of at most an hour",
        });
    }
    let sum = |of: fn(&UpstreamLocalityStats) -> u64| {
        let stats = cluster.upstream_locality_stats.iter();
        stats.map(of).fold(0_u64, u64::saturating_add)
    };
    let mut counts = OutcomeCounts::default();
    counts.add(OutcomeKind::Success, sum(|of| of.total_successful_requests));
    counts.add(OutcomeKind::ServerError, sum(|of| of.total_error_requests));
    let in_flight = Gauge {
        name: IN_FLIGHT.into(),
        value: sum(|of| of.total_requests_in_progress) as f64,
        limit: None,
    };
    let window = OutcomeWindow {
        length,
        counts,
        latency: Vec::new(),
    };
    for observation in [
        Observation::Window(Box::new(window)),
        Observation::Gauge(in_flight),
    ] {
        parts.good.push(Decoded::Signal {
            signal: Signal {
                time,
                target: cluster.cluster_name.as_str().into(),
                route: None,
                gateway: gateway.cloned(),
                endpoint: None,
                observation,
            },
            aliases: Vec::new(),
            source: OutcomeSource::EnvoyLoadReport,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use envoy_types::pb::google::protobuf;

    use super::*;

    fn cluster(name: &str, seconds: i64) -> ClusterStats {
        let locality = |successes, errors, in_progress| UpstreamLocalityStats {
            total_successful_requests: successes,
            total_error_requests: errors,
            total_requests_in_progress: in_progress,
            ..UpstreamLocalityStats::default()
        };
        ClusterStats {
            cluster_name: name.into(),
            upstream_locality_stats: vec![locality(10, 1, 2), locality(20, 2, 3)],
            load_report_interval: Some(protobuf::Duration { seconds, nanos: 0 }),
            ..ClusterStats::default()
        }
    }

    #[test]
    fn a_report_is_a_window_over_all_localities_and_a_level_of_what_is_in_flight() {
        let time = Timestamp::from_secs(100);
        let parts = clusters(&[cluster("eu", 5)], Some(&"gw-1".into()), time);
        let observations: Vec<_> = parts
            .good
            .into_iter()
            .map(|decoded| match decoded {
                Decoded::Signal { signal, .. } => {
                    assert_eq!((signal.time, signal.target.as_str()), (time, "eu"));
                    signal.observation
                }
                other => panic!("{other:?}"),
            })
            .collect();
        let [Observation::Window(window), Observation::Gauge(gauge)] = observations.as_slice() else {
            panic!("{observations:?}")
        };
        assert_eq!(window.length, Duration::from_secs(5));
        assert_eq!(
            (window.counts.of(OutcomeKind::Success), window.counts.failures()),
            (30, 3)
        );
        assert_eq!((gauge.name.as_str(), gauge.value), ("in_flight", 5.0));
    }

    #[test]
    fn a_cluster_without_a_name_or_an_interval_costs_itself_alone() {
        let mut endless = cluster("eu", 1);
        endless.load_report_interval = None;
        let all = [
            cluster("", 1),
            endless,
            cluster("eu", 0),
            cluster("eu", i64::MAX),
            cluster("eu", 1),
        ];
        let parts = clusters(&all, None, Timestamp::from_secs(1));
        assert_eq!((parts.good.len(), parts.bad.len()), (2, 4));
    }
}
