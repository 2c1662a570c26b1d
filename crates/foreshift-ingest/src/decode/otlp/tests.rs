use foreshift_domain::Duration;
use foreshift_domain::log::ErrorClass;
use foreshift_domain::signal::{LatencyBin, Observation, Outcome, OutcomeKind, OutcomeWindow, Signal};

use super::super::tests::decoder;
use super::*;
use crate::decoded::{CumulativePoint, Decoded};

fn metrics(metric: &str) -> Parts {
    let text = format!(
        r#"{{"resourceMetrics":[{{"resource":{{"attributes":[{{"key":"service.name","value":{{"stringValue":"gw"}}}}]}},
        "scopeMetrics":[{{"scope":{{"name":"s"}},"metrics":[{metric}]}}]}}]}}"#
    );
    let parts = metrics_json(text.as_bytes());
    let request: ExportMetricsServiceRequest = serde_json::from_str(&text).expect("OTLP JSON");
    assert_eq!(
        metrics_proto(&request.encode_to_vec()),
        parts,
        "protobuf and JSON say the same"
    );
    parts
}

fn histogram(temporality: u8, points: &str) -> String {
    format!(
        r#"{{"name":"http.client.request.duration","unit":"s",
        "histogram":{{"aggregationTemporality":{temporality},"dataPoints":[{points}]}}}}"#
    )
}

fn point(status: u16, start: u64, time: u64, buckets: &str) -> String {
    format!(
        r#"{{"attributes":[{{"key":"server.address","value":{{"stringValue":"api.example"}}}},
        {{"key":"server.port","value":{{"intValue":"443"}}}},
        {{"key":"http.response.status_code","value":{{"intValue":"{status}"}}}}],
        "startTimeUnixNano":"{start}000000000","timeUnixNano":"{time}000000000","count":"6","sum":1.0,
        "bucketCounts":[{buckets}],"explicitBounds":[0.1,0.5],"max":0.9}}"#
    )
}

fn window(parts: &Parts) -> (&Signal, &OutcomeWindow) {
    match parts.good.as_slice() {
        [Decoded::Signal { signal, .. }] => match &signal.observation {
            Observation::Window(window) => (signal, window),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?} {:?}", parts.bad),
    }
}

#[test]
fn a_delta_histogram_is_a_window_of_requests() {
    let parts = metrics(&histogram(
        1,
        &point(503, 1_700_000_000, 1_700_000_010, r#""1","2","3""#),
    ));
    let (signal, window) = window(&parts);
    assert_eq!(signal.target.as_str(), "api.example:443");
    assert_eq!(signal.gateway.as_ref().map(|name| name.as_str()), Some("gw"));
    assert_eq!(window.length, Duration::from_secs(10));
    assert_eq!(window.counts.of(OutcomeKind::Overload), 6);
    let bin = |ms, count| LatencyBin {
        upper: Duration::from_millis(ms),
        count,
    };
    assert_eq!(window.latency, vec![bin(100, 1), bin(500, 2), bin(900, 3)]);
}

#[test]
fn further_names_of_the_target_are_tried_in_order() {
    let parts = metrics(&histogram(1, &point(200, 1, 2, r#""1","2","3""#)));
    let Some(Decoded::Signal { aliases, .. }) = parts.good.first() else {
        panic!("a signal")
    };
    assert_eq!(
        aliases.iter().map(|name| name.as_str()).collect::<Vec<_>>(),
        vec!["api.example", "gw"]
    );
}

#[test]
fn cumulative_points_of_one_stream_share_its_hash_whatever_the_order_of_attributes() {
    let one = metrics(&histogram(2, &point(200, 1, 2, r#""1","2","3""#)));
    let other = metrics(&histogram(2, &point(200, 1, 3, r#""1","2","9""#)));
    let failed = metrics(&histogram(2, &point(500, 1, 3, r#""1","2","9""#)));
    let stream = |parts: &Parts| match parts.good.as_slice() {
        [Decoded::Cumulative(point)] => {
            let CumulativePoint { stream, .. } = point.as_ref();
            *stream
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(stream(&one), stream(&other));
    assert_ne!(stream(&one), stream(&failed));
}

#[test]
fn an_exponential_histogram_has_the_bounds_of_its_scale() {
    let parts = metrics(
        r#"{"name":"http.server.request.duration","unit":"s","exponentialHistogram":{"aggregationTemporality":1,
        "dataPoints":[{"timeUnixNano":"1700000000000000000","count":"10","scale":0,"zeroCount":"1",
        "positive":{"offset":-2,"bucketCounts":["4","0","5"]}}]}}"#,
    );
    let (signal, window) = window(&parts);
    assert_eq!(signal.target.as_str(), "gw", "a server speaks of itself");
    let bin = |ms, count| LatencyBin {
        upper: Duration::from_millis(ms),
        count,
    };
    assert_eq!(window.latency, vec![bin(0, 1), bin(500, 4), bin(2_000, 5)]);
    assert_eq!(window.counts.total(), 10);
}

#[test]
fn counters_count_by_class_and_latencies_of_envoy_do_not_count_again() {
    let parts = metrics(
        r#"{"name":"envoy_cluster_upstream_rq_xx","sum":{"aggregationTemporality":1,"isMonotonic":true,"dataPoints":[
        {"attributes":[{"key":"envoy_cluster_name","value":{"stringValue":"eu"}},
        {"key":"envoy_response_code_class","value":{"stringValue":"5"}}],
        "timeUnixNano":"1700000000000000000","asDouble":7.0}]}}"#,
    );
    let (signal, window) = window(&parts);
    assert_eq!((signal.target.as_str(), window.counts.failures()), ("eu", 7));
    let parts = metrics(
        r#"{"name":"envoy_cluster_upstream_rq_time","histogram":{"aggregationTemporality":1,"dataPoints":[
        {"attributes":[{"key":"envoy_cluster_name","value":{"stringValue":"eu"}}],
        "timeUnixNano":"1700000000000000000","count":"3","bucketCounts":["3","0"],"explicitBounds":[250]}]}}"#,
    );
    let (_, window) = super::tests::window(&parts);
    assert_eq!(window.counts.total(), 0);
    assert_eq!(
        window.latency,
        vec![LatencyBin {
            upper: Duration::from_millis(250),
            count: 3
        }]
    );
}

#[test]
fn levels_pass_under_their_names_and_states_apart() {
    let parts = metrics(
        r#"{"name":"http.server.active_requests","sum":{"aggregationTemporality":2,"isMonotonic":false,"dataPoints":[
        {"timeUnixNano":"1700000000000000000","asInt":"12"}]}},
        {"name":"db.client.connection.count","gauge":{"dataPoints":[
        {"attributes":[{"key":"db.client.connection.state","value":{"stringValue":"used"}}],
        "timeUnixNano":"1700000000000000000","asDouble":3.5}]}}"#,
    );
    let levels: Vec<(String, f64)> = super::super::tests::signals(&parts)
        .into_iter()
        .filter_map(|signal| match &signal.observation {
            Observation::Gauge(gauge) => Some((gauge.name.as_str().to_owned(), gauge.value)),
            _ => None,
        })
        .collect();
    assert_eq!(
        levels,
        vec![
            ("in_flight".to_owned(), 12.0),
            ("db.client.connection.count.used".to_owned(), 3.5)
        ]
    );
}

#[test]
fn a_level_knows_its_limit_where_the_point_tells_it() {
    let parts = metrics(
        r#"{"name":"pool_used","gauge":{"dataPoints":[{"attributes":[{"key":"foreshift.limit","value":{"intValue":"20"}}],
        "timeUnixNano":"1700000000000000000","asInt":"12"}]}}"#,
    );
    let limits: Vec<_> = super::super::tests::signals(&parts)
        .into_iter()
        .filter_map(|signal| match &signal.observation {
            Observation::Gauge(gauge) => Some((gauge.value, gauge.limit)),
            _ => None,
        })
        .collect();
    assert_eq!(limits, vec![(12.0, Some(20.0))]);
}

#[test]
fn points_that_cannot_be_are_refused_one_by_one() {
    let good = point(200, 1, 2, r#""1","2","3""#);
    let short = point(200, 1, 2, r#""1","2""#);
    let timeless = point(200, 0, 0, r#""1","2","3""#);
    let parts = metrics(&histogram(1, &[short.as_str(), &timeless, &good].join(",")));
    assert_eq!((parts.good.len(), parts.bad.len()), (1, 2));
    let parts = metrics(&histogram(0, &good));
    assert_eq!(
        (parts.good.len(), parts.bad.len()),
        (0, 1),
        "neither delta nor cumulative"
    );
    let wild = r#"{"name":"http.server.request.duration","exponentialHistogram":{"aggregationTemporality":1,"dataPoints":[
        {"timeUnixNano":"1","count":"1","scale":2000000000,"positive":{"offset":2147483647,"bucketCounts":["1"]}}]}}"#;
    assert_eq!(metrics(wild).bad.len(), 1);
}

#[test]
fn metrics_about_something_else_are_ignored() {
    let parts = metrics(
        r#"{"name":"process.cpu.time","sum":{"aggregationTemporality":2,"isMonotonic":true,
        "dataPoints":[{"timeUnixNano":"1","asDouble":1.0}]}}"#,
    );
    assert_eq!((parts.good.len(), parts.bad.len(), parts.ignored), (0, 0, 1));
}

#[test]
fn log_records_are_read_by_their_fields_and_their_text() {
    let text = r#"{"resourceLogs":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"db"}}]},
        "scopeLogs":[{"logRecords":[
        {"timeUnixNano":"1700000000000000000","severityNumber":17,"body":{"stringValue":"too many clients already"}},
        {"observedTimeUnixNano":"1700000000000000000","body":{"kvlistValue":{"values":[
            {"key":"msg","value":{"stringValue":"no such host"}}]}}},
        {"timeUnixNano":"1700000000000000000","attributes":[{"key":"error.type","value":{"stringValue":"insufficient_quota"}}]},
        {"body":{"stringValue":"without a time"}}]}]}]}"#;
    let parts = logs_json(text.as_bytes(), &decoder());
    let classes: Vec<ErrorClass> = parts
        .good
        .iter()
        .filter_map(|decoded| match decoded {
            Decoded::Log { event, .. } if event.target.as_str() == "db" => Some(event.class),
            _ => None,
        })
        .collect();
    assert_eq!(
        classes,
        vec![
            ErrorClass::PoolExhausted,
            ErrorClass::Dns,
            ErrorClass::QuotaBilling
        ]
    );
    assert_eq!(
        parts.bad,
        vec![super::super::DecodeError::Missing {
            field: "time_unix_nano"
        }]
    );
    let request: ExportLogsServiceRequest = serde_json::from_str(text).expect("OTLP JSON");
    assert_eq!(logs_proto(&request.encode_to_vec(), &decoder()), parts);
}

#[test]
fn an_access_log_of_envoy_over_otlp_is_an_outcome() {
    let text = r#"{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"timeUnixNano":"1700000000500000000","attributes":[
        {"key":"upstream_cluster","value":{"stringValue":"eu"}},{"key":"response_code","value":{"intValue":"503"}},
        {"key":"response_flags","value":{"stringValue":"UF"}}]}]}]}]}"#;
    let parts = logs_json(text.as_bytes(), &decoder());
    let found = super::super::tests::signals(&parts);
    let [
        Signal {
            time,
            observation: Observation::Outcome(Outcome { kind, .. }),
            ..
        },
    ] = found.as_slice()
    else {
        panic!("{parts:?}")
    };
    assert_eq!(
        (*kind, time.as_millis()),
        (OutcomeKind::ConnectFailure, 1_700_000_000_500)
    );
}

fn span(kind: i32, status: u8, attributes: &str) -> String {
    format!(
        r#"{{"kind":{kind},"startTimeUnixNano":"1700000000000000000","endTimeUnixNano":"1700000000250000000",
        "status":{{"code":{status}}},"attributes":[{attributes}]}}"#
    )
}

#[test]
fn spans_between_services_are_requests_and_others_are_not() {
    let attribute =
        |key: &str, value: &str| format!(r#"{{"key":"{key}","value":{{"stringValue":"{value}"}}}}"#);
    let peer = attribute("peer.service", "eu");
    let failed = format!("{peer},{}", attribute("error.type", "timeout"));
    let spans = [
        span(3, 0, &peer),
        span(3, 2, &peer),
        span(3, 2, &failed),
        span(1, 2, &peer),
        span(3, 0, ""),
    ]
    .join(",");
    let text = format!(r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{spans}]}}]}}]}}"#);
    let parts = spans_json(text.as_bytes());
    let kinds: Vec<(OutcomeKind, Option<Duration>)> = super::super::tests::signals(&parts)
        .into_iter()
        .filter_map(|signal| match &signal.observation {
            Observation::Outcome(outcome) => Some((outcome.kind, outcome.latency)),
            _ => None,
        })
        .collect();
    let latency = Some(Duration::from_millis(250));
    assert_eq!(
        kinds,
        vec![
            (OutcomeKind::Success, latency),
            (OutcomeKind::ServerError, latency),
            (OutcomeKind::Timeout, latency)
        ]
    );
    assert_eq!((parts.ignored, parts.bad.len()), (2, 0));
}

#[test]
fn a_span_of_a_streamed_answer_says_when_it_began() {
    let first = |seconds: &str| {
        let chunk = format!(
            r#"{{"key":"foreshift.target","value":{{"stringValue":"openai"}}}},
            {{"key":"gen_ai.response.time_to_first_chunk","value":{{"doubleValue":{seconds}}}}}"#
        );
        let spans = span(3, 0, &chunk);
        let text = format!(r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{spans}]}}]}}]}}"#);
        let parts = spans_json(text.as_bytes());
        let Observation::Outcome(outcome) = &super::super::tests::signals(&parts)[0].observation else {
            panic!("an outcome")
        };
        outcome.ttfb
    };
    assert_eq!(first("0.125"), Some(Duration::from_millis(125)));
    assert_eq!((first("-1.0"), first("1e300")), (None, None));
}

#[test]
fn requests_one_a_line_are_read_and_a_broken_line_costs_itself() {
    let one = r#"{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"queue","gauge":{"dataPoints":[
        {"attributes":[{"key":"service.name","value":{"stringValue":"a"}}],"timeUnixNano":"5000","asDouble":1}]}}]}]}]}"#
        .replace('\n', " ");
    let parts = metrics_json(format!("{one}\n{{broken\n{one}\n").as_bytes());
    assert_eq!((parts.good.len(), parts.bad.len()), (2, 1));
}
