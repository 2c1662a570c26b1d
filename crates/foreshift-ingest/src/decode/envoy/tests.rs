use super::*;

fn read(entry: &str) -> Parts {
    access_log(entry.as_bytes(), &EnvoyKeys::default())
}

fn only(parts: &Parts) -> &Signal {
    match parts.good.as_slice() {
        [
            Decoded::Signal {
                signal,
                source: OutcomeSource::EnvoyAccessLog,
                ..
            },
        ] => signal,
        other => panic!("{other:?} {:?}", parts.bad),
    }
}

#[test]
fn an_entry_of_envoy_gateway_is_read_with_all_it_says() {
    let parts = read(
        r#"{"start_time":"2025-03-01T12:00:00.250Z","method":"GET","x-envoy-origin-path":"/","response_code":200,
        "response_flags":"-","response_code_details":"via_upstream","duration":1500,
        "x-envoy-upstream-service-time":"40","upstream_host":"10.0.0.7:443","upstream_cluster":"eu",
        "route_name":"r1","upstream_transport_failure_reason":null}"#,
    );
    let signal = only(&parts);
    assert_eq!(signal.time, Timestamp::from_millis(1_740_830_401_750), "its end");
    assert_eq!(signal.target.as_str(), "eu");
    assert_eq!(
        signal.endpoint.as_ref().map(|name| name.as_str()),
        Some("10.0.0.7:443")
    );
    assert_eq!(signal.route.as_ref().map(|name| name.as_str()), Some("r1"));
    let outcome = Outcome {
        kind: OutcomeKind::Success,
        latency: Some(Duration::from_millis(1_500)),
        ttfb: Some(Duration::from_millis(40)),
        count: 1,
    };
    assert_eq!(signal.observation, Observation::Outcome(outcome));
}

#[test]
fn flags_and_details_tell_who_failed() {
    for (code, flags, details, kind) in [
        (503, "UF", "", OutcomeKind::ConnectFailure),
        (503, "UF,URX", "", OutcomeKind::ConnectFailure),
        (503, "URX,UF", "", OutcomeKind::ConnectFailure),
        (503, "URX", "via_upstream", OutcomeKind::Overload),
        (500, "URX", "via_upstream", OutcomeKind::ServerError),
        (
            503,
            "UC",
            "upstream_reset_before_response_started{connection_termination}",
            OutcomeKind::Reset,
        ),
        (504, "UT", "response_timeout", OutcomeKind::Timeout),
        (
            503,
            "UO",
            "upstream_reset_before_response_started{overflow}",
            OutcomeKind::Overload,
        ),
        (503, "UH", "no_healthy_upstream", OutcomeKind::ConnectFailure),
        (0, "DC", "downstream_remote_disconnect", OutcomeKind::ClientAbort),
        (
            200,
            "DC",
            "downstream_remote_disconnect",
            OutcomeKind::ClientAbort,
        ),
        (504, "UT,DC", "", OutcomeKind::Timeout),
        (404, "NR", "route_not_found", OutcomeKind::Local),
        (429, "RL", "rate_limited", OutcomeKind::Local),
        (403, "UAEX", "ext_authz_denied", OutcomeKind::Local),
        (503, "FI", "fault_filter_abort", OutcomeKind::Local),
        (429, "-", "via_upstream", OutcomeKind::RateLimited),
        (
            403,
            "-",
            "rbac_access_denied_matched_policy[none]",
            OutcomeKind::Local,
        ),
        (200, "UC", "via_upstream", OutcomeKind::Truncated),
        (200, "UT", "via_upstream", OutcomeKind::Truncated),
        (0, "-", "", OutcomeKind::ClientAbort),
        (200, "", "via_upstream", OutcomeKind::Success),
        (529, "", "via_upstream", OutcomeKind::Overload),
    ] {
        assert_eq!(
            outcome(code, flags, details, None),
            kind,
            "{code} {flags} {details}"
        );
    }
}

#[test]
fn a_failed_call_of_grpc_hides_behind_a_200_and_is_found() {
    assert_eq!(outcome(200, "-", "via_upstream", Some(14)), OutcomeKind::Overload);
    assert_eq!(outcome(200, "UH", "", Some(14)), OutcomeKind::ConnectFailure);
    assert_eq!(outcome(200, "-", "via_upstream", Some(0)), OutcomeKind::Success);
}

#[test]
fn retries_are_a_level_beside_the_outcome() {
    let parts = read(
        r#"{"start_time":1740830400,"upstream_cluster":"eu","response_code":"200","upstream_request_attempt_count":3}"#,
    );
    let gauge = |decoded: &Decoded| match decoded {
        Decoded::Signal {
            signal:
                Signal {
                    observation: Observation::Gauge(gauge),
                    ..
                },
            ..
        } => Some(gauge.clone()),
        _ => None,
    };
    let retries = Gauge {
        name: RETRIES_GAUGE.into(),
        value: 2.0,
        limit: None,
    };
    assert_eq!(
        parts.good.iter().filter_map(gauge).collect::<Vec<_>>(),
        vec![retries]
    );
    assert_eq!(parts.good.len(), 2);
}

#[test]
fn an_answer_of_envoy_itself_without_a_cluster_is_ignored() {
    let parts = read(
        r#"{"start_time":"2025-03-01T12:00:00Z","upstream_cluster":"-","response_code":404,"response_flags":"NR"}"#,
    );
    assert_eq!((parts.good.len(), parts.bad.len(), parts.ignored), (0, 0, 1));
}

#[test]
fn operators_choose_their_keys() {
    let keys: EnvoyKeys =
        serde_json::from_str(r#"{"upstream_cluster":["svc"],"response_code":["rc"],"start_time":["ts"]}"#)
            .expect("keys");
    let parts = access_log(br#"{"ts":1740830400.5,"svc":"eu","rc":504}"#, &keys);
    assert_eq!(only(&parts).time, Timestamp::from_millis(1_740_830_400_500));
    assert!(serde_json::from_str::<EnvoyKeys>(r#"{"upstream_clustr":["svc"]}"#).is_err());
}

#[test]
fn what_lacks_a_status_or_a_time_is_refused_and_the_lines_around_it_are_read() {
    let parts = read(
        "{\"start_time\":1740830400,\"upstream_cluster\":\"eu\",\"response_code\":200}\n{\"upstream_cluster\":\"eu\"}\n\
         {\"upstream_cluster\":\"eu\",\"response_code\":200,\"start_time\":\"soon\"}\n{\"start_ti\n\
         {\"start_time\":1740830401,\"upstream_cluster\":\"eu\",\"response_code\":200,\"duration\":1e300}\n",
    );
    assert_eq!((parts.good.len(), parts.bad.len()), (2, 3));
}
