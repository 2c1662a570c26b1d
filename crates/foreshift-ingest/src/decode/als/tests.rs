use std::collections::HashMap;

use envoy_types::pb::envoy::config::core::v3::{Pipe, SocketAddress};
use envoy_types::pb::envoy::data::accesslog::v3::HttpRequestProperties;
use envoy_types::pb::google::protobuf::UInt32Value;
use foreshift_domain::fallback::OutcomeSource;
use proptest::prelude::*;
use prost::Message;

use super::*;
use crate::decode::envoy::RETRIES_GAUGE;
use crate::decoded::Decoded;

fn millis(millis: i64) -> Option<protobuf::Duration> {
    Some(protobuf::Duration {
        seconds: millis / 1_000,
        nanos: i32::try_from(millis % 1_000 * 1_000_000).expect("below a second"),
    })
}

fn entry(code: u32, flags: ResponseFlags) -> HttpAccessLogEntry {
    HttpAccessLogEntry {
        common_properties: Some(AccessLogCommon {
            start_time: Some(protobuf::Timestamp {
                seconds: 1_740_830_400,
                nanos: 250_000_000,
            }),
            duration: millis(1_500),
            time_to_last_upstream_tx_byte: millis(10),
            time_to_first_upstream_rx_byte: millis(50),
            upstream_cluster: "eu".into(),
            route_name: "r1".into(),
            upstream_remote_address: Some(socket("10.0.0.7", 443)),
            response_flags: Some(flags),
            access_log_type: AccessLogType::DownstreamEnd as i32,
            ..AccessLogCommon::default()
        }),
        response: Some(HttpResponseProperties {
            response_code: (code > 0).then_some(UInt32Value { value: code }),
            ..HttpResponseProperties::default()
        }),
        ..HttpAccessLogEntry::default()
    }
}

fn socket(host: &str, port: u32) -> Address {
    Address {
        address: Some(address::Address::SocketAddress(SocketAddress {
            address: host.into(),
            port_specifier: Some(PortSpecifier::PortValue(port)),
            ..SocketAddress::default()
        })),
    }
}

/// An entry with its common part changed.
fn with(change: impl FnOnce(&mut AccessLogCommon)) -> HttpAccessLogEntry {
    let mut entry = entry(200, ResponseFlags::default());
    change(entry.common_properties.as_mut().expect("a common part"));
    entry
}

fn read(entry: HttpAccessLogEntry) -> Parts {
    http_entries(&[entry], Some(&"gw-1".into()))
}

#[track_caller]
fn only(entry: HttpAccessLogEntry) -> (Signal, Outcome) {
    let parts = read(entry);
    match parts.good.as_slice() {
        [
            Decoded::Signal {
                signal,
                source: OutcomeSource::EnvoyAccessLog,
                ..
            },
        ] => match &signal.observation {
            Observation::Outcome(outcome) => (signal.clone(), *outcome),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?} {:?}", parts.bad),
    }
}

#[track_caller]
fn kind(code: u32, flags: ResponseFlags) -> OutcomeKind {
    only(entry(code, flags)).1.kind
}

macro_rules! flags {
    ($($name:ident),*) => { ResponseFlags { $($name: true,)* ..ResponseFlags::default() } };
}

#[test]
fn an_entry_is_read_with_all_it_says_at_the_end_of_its_request() {
    let (signal, outcome) = only(entry(200, ResponseFlags::default()));
    assert_eq!(signal.time, Timestamp::from_millis(1_740_830_401_750));
    assert_eq!(signal.target.as_str(), "eu");
    assert_eq!(signal.route.as_ref().map(|name| name.as_str()), Some("r1"));
    assert_eq!(signal.gateway.as_ref().map(|name| name.as_str()), Some("gw-1"));
    let endpoint = signal.endpoint.as_ref().map(|name| name.as_str());
    assert_eq!(endpoint, Some("10.0.0.7:443"));
    let expected = Outcome {
        kind: OutcomeKind::Success,
        latency: Some(Duration::from_millis(1_500)),
        ttfb: Some(Duration::from_millis(40)),
        count: 1,
    };
    assert_eq!(outcome, expected);
}

#[test]
fn latency_is_the_last_byte_sent_where_no_duration_is_told_and_never_nonsense() {
    let latency = |duration, last_byte| {
        let entry = with(|common| {
            common.duration = duration;
            common.time_to_last_downstream_tx_byte = last_byte;
        });
        only(entry).1.latency
    };
    assert_eq!(latency(None, millis(70)), Some(Duration::from_millis(70)));
    assert_eq!(latency(millis(80), millis(70)), Some(Duration::from_millis(80)));
    assert_eq!(latency(None, None), None);
    assert_eq!(latency(millis(-5_000), None), None);
    let endless = protobuf::Duration {
        seconds: i64::MAX,
        nanos: i32::MAX,
    };
    assert_eq!(latency(Some(endless), None), None);
}

#[test]
fn an_answer_that_began_before_all_was_sent_has_no_time_to_its_first_byte() {
    let ttfb = |sent, answered| {
        let entry = with(|common| {
            common.time_to_last_upstream_tx_byte = sent;
            common.time_to_first_upstream_rx_byte = answered;
        });
        only(entry).1.ttfb
    };
    assert_eq!(ttfb(millis(10), millis(10)), Some(Duration::ZERO));
    assert_eq!(ttfb(millis(60), millis(50)), None);
    assert_eq!(ttfb(None, millis(50)), None);
    assert_eq!(ttfb(millis(60), None), None);
}

#[test]
fn failures_of_the_upstream_are_told_apart() {
    assert_eq!(
        kind(503, flags!(upstream_connection_failure)),
        OutcomeKind::ConnectFailure
    );
    assert_eq!(
        kind(503, flags!(no_healthy_upstream)),
        OutcomeKind::ConnectFailure
    );
    assert_eq!(
        kind(503, flags!(dns_resolution_failure)),
        OutcomeKind::ConnectFailure
    );
    assert_eq!(
        kind(503, flags!(upstream_connection_termination)),
        OutcomeKind::Reset
    );
    assert_eq!(kind(503, flags!(upstream_remote_reset)), OutcomeKind::Reset);
    assert_eq!(kind(502, flags!(upstream_protocol_error)), OutcomeKind::Reset);
    assert_eq!(kind(504, flags!(upstream_request_timeout)), OutcomeKind::Timeout);
    assert_eq!(kind(503, flags!(upstream_overflow)), OutcomeKind::Overload);
    assert_eq!(kind(500, flags!()), OutcomeKind::ServerError);
    assert_eq!(kind(429, flags!()), OutcomeKind::RateLimited);
    // Retries used up: the status is that of the last attempt.
    assert_eq!(
        kind(500, flags!(upstream_retry_limit_exceeded)),
        OutcomeKind::ServerError
    );
}

#[test]
fn clients_that_leave_say_nothing_against_the_upstream() {
    assert_eq!(
        kind(0, flags!(downstream_connection_termination)),
        OutcomeKind::ClientAbort
    );
    assert_eq!(
        kind(200, flags!(downstream_remote_reset)),
        OutcomeKind::ClientAbort
    );
    assert_eq!(kind(0, flags!()), OutcomeKind::ClientAbort);
    // Who leaves after a time-out left because of it.
    let late = flags!(upstream_request_timeout, downstream_connection_termination);
    assert_eq!(kind(504, late), OutcomeKind::Timeout);
}

#[test]
fn an_answer_that_began_well_and_broke_off_is_truncated() {
    for flags in [
        flags!(upstream_remote_reset),
        flags!(upstream_connection_termination),
        flags!(upstream_protocol_error),
        flags!(upstream_max_stream_duration_reached),
    ] {
        assert_eq!(kind(200, flags), OutcomeKind::Truncated);
    }
}

#[test]
fn answers_of_envoy_itself_are_local() {
    for flags in [
        flags!(rate_limited),
        flags!(no_route_found),
        flags!(no_cluster_found),
        flags!(fault_injected),
        flags!(overload_manager),
        flags!(failed_local_healthcheck),
        ResponseFlags {
            unauthorized_details: Some(Default::default()),
            ..ResponseFlags::default()
        },
    ] {
        assert_eq!(kind(503, flags), OutcomeKind::Local);
    }
    let mut denied = entry(403, ResponseFlags::default());
    let response = denied.response.as_mut().expect("a response");
    response.response_code_details = "rbac_access_denied_matched_policy[none]".into();
    assert_eq!(only(denied).1.kind, OutcomeKind::Local);
}

/// Flags of the protocol, numbered from 1 without a gap; one of them is a message.
const ALL_FLAGS: u32 = 28;
const UNAUTHORIZED: u32 = 13;

#[test]
fn every_flag_of_the_protocol_has_a_short_name() {
    // On the wire, where all of them can be set without naming them.
    let mut wire = Vec::new();
    for field in 1..=ALL_FLAGS {
        let (wire_type, value) = if field == UNAUTHORIZED { (2, 0) } else { (0, 1) };
        prost::encoding::encode_varint(u64::from(field << 3 | wire_type), &mut wire);
        wire.push(value);
    }
    let all = ResponseFlags::decode(wire.as_slice()).expect("flags");
    assert_eq!(short_names(&all).count(), ALL_FLAGS as usize);
    assert_eq!(all.encoded_len(), wire.len());
    assert_eq!(short_names(&ResponseFlags::default()).count(), 0);
    let both = flags!(upstream_remote_reset, downstream_remote_reset);
    assert_eq!(short_names(&both).collect::<Vec<_>>(), ["UR", "DR"]);
}

#[test]
fn a_failed_call_of_grpc_is_found_where_its_trailer_is_logged() {
    let mut call = entry(200, ResponseFlags::default());
    let response = call.response.as_mut().expect("a response");
    response.response_trailers = HashMap::from([("grpc-status".into(), "14".into())]);
    assert_eq!(only(call).1.kind, OutcomeKind::Overload);
}

#[test]
fn retries_are_a_level_beside_the_outcome() {
    let parts = read(with(|common| common.upstream_request_attempt_count = 3));
    let retries = parts.good.iter().find_map(|decoded| match decoded {
        Decoded::Signal { signal, .. } => match &signal.observation {
            Observation::Gauge(gauge) => Some(gauge.clone()),
            _ => None,
        },
        _ => None,
    });
    let retries = retries.expect("a level");
    assert_eq!((retries.name.as_str(), retries.value), (RETRIES_GAUGE, 2.0));
    assert_eq!(parts.good.len(), 2);
}

#[test]
#[expect(deprecated, reason = "the flag is all that Envoys before the type have")]
fn entries_that_are_not_the_end_of_a_request_are_ignored() {
    for kind in [
        AccessLogType::DownstreamStart,
        AccessLogType::DownstreamPeriodic,
        AccessLogType::UpstreamPoolReady,
        AccessLogType::UpstreamPeriodic,
        AccessLogType::UpstreamEnd,
        AccessLogType::TcpPeriodic,
    ] {
        let parts = read(with(|common| common.access_log_type = kind as i32));
        assert_eq!((parts.good.len(), parts.ignored), (0, 1), "{kind:?}");
    }
    let parts = read(with(|common| common.intermediate_log_entry = true));
    assert_eq!((parts.good.len(), parts.ignored), (0, 1));
    let old = with(|common| common.access_log_type = AccessLogType::NotSet as i32);
    assert_eq!(read(old).good.len(), 1);
}

#[test]
fn without_a_cluster_envoy_answered_by_itself_and_without_a_time_nothing_is_known() {
    let parts = read(with(|common| common.upstream_cluster.clear()));
    assert_eq!((parts.good.len(), parts.bad.len(), parts.ignored), (0, 0, 1));
    let parts = read(with(|common| common.start_time = None));
    assert_eq!((parts.good.len(), parts.bad.len()), (0, 1));
    let never = protobuf::Timestamp {
        seconds: i64::MAX,
        nanos: -1,
    };
    let parts = read(with(|common| common.start_time = Some(never)));
    assert_eq!((parts.good.len(), parts.bad.len()), (0, 1));
    let parts = http_entries(&[HttpAccessLogEntry::default()], None);
    assert_eq!((parts.good.len(), parts.bad.len()), (0, 1));
}

#[test]
fn endpoints_are_written_as_envoy_writes_them() {
    let written = |of: &Address| endpoint(of).map(|name| name.as_str().to_owned());
    assert_eq!(written(&socket("::1", 80)).as_deref(), Some("[::1]:80"));
    let pipe = address::Address::Pipe(Pipe {
        path: "/run/up.sock".into(),
        ..Pipe::default()
    });
    let pipe = Address { address: Some(pipe) };
    assert_eq!(written(&pipe).as_deref(), Some("/run/up.sock"));
    assert_eq!(written(&Address::default()), None);
}

proptest! {
    #[test]
    fn times_of_any_value_are_read_or_refused(start: (i64, i32), spans in proptest::array::uniform4(any::<(i64, i32)>())) {
        let [duration, last, sent, answered] =
            spans.map(|(seconds, nanos)| Some(protobuf::Duration { seconds, nanos }));
        let entry = with(|common| {
            common.start_time = Some(protobuf::Timestamp { seconds: start.0, nanos: start.1 });
            common.duration = duration;
            common.time_to_last_downstream_tx_byte = last;
            common.time_to_last_upstream_tx_byte = sent;
            common.time_to_first_upstream_rx_byte = answered;
        });
        let parts = read(entry);
        prop_assert_eq!(parts.good.len() + parts.bad.len(), 1);
    }

    #[test]
    fn entries_of_any_bytes_are_read_or_refused(bytes: Vec<u8>) {
        if let Ok(entry) = HttpAccessLogEntry::decode(bytes.as_slice()) {
            prop_assert!(read(entry).good.len() <= 2);
        }
    }
}

#[test]
fn a_time_at_the_end_of_all_time_does_not_run_over() {
    let entry = with(|common| {
        common.start_time = Some(protobuf::Timestamp {
            seconds: i64::MAX / 1_000_000,
            nanos: 0,
        });
    });
    assert_eq!(read(entry).good.len(), 1);
}

#[test]
fn a_message_that_was_recorded_says_the_same_and_nothing_of_who_asked() {
    let mut entry = entry(200, flags!(upstream_remote_reset));
    let secret = "someone's-secret".to_owned();
    entry.request = Some(HttpRequestProperties {
        path: secret.clone(),
        authority: secret.clone(),
        ..HttpRequestProperties::default()
    });
    let common = entry.common_properties.as_mut().expect("a common part");
    common.upstream_request_attempt_count = 3;
    common.downstream_remote_address = Some(socket(&secret, 1));
    common.custom_tags = HashMap::from([("user".into(), secret.clone())]);
    let response = entry.response.as_mut().expect("a response");
    response.response_headers = HashMap::from([("set-cookie".into(), secret.clone())]);
    response.response_trailers = HashMap::from([("grpc-status".into(), "14".into())]);
    let gateway = GatewayName::from("gw-1");
    let direct = http_entries(std::slice::from_ref(&entry), Some(&gateway));
    assert!(direct.bad.is_empty() && direct.good.len() == 2, "{direct:?}");
    let logs = HttpAccessLogEntries {
        log_entry: vec![entry],
    };
    let bytes = to_record(logs, Some(&gateway));
    assert_eq!(record(&bytes), direct);
    let text = String::from_utf8_lossy(&bytes);
    assert!(!text.contains(&secret), "{text}");
    assert!(
        record(b"\x0a\xff").bad.len() == 1,
        "what is no message is refused"
    );
}
