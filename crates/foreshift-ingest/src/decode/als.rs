//! Envoy's gRPC access log: the entries of one message of `StreamAccessLogs`.
//!
//! As with the JSON access log one entry is one outcome, at the end of the request, and the rules that tell failures
//! of the upstream from those of the client and of Envoy itself are the same. What is read here and not there is the
//! time from the last byte sent to the upstream to the first that came back.
//!
//! Entries of requests that go on are ignored: the entry at the end says the same and more. So are those of the
//! router's upstream log, of which there is one an attempt: beside the entry of the request they would count it twice.

use envoy_types::pb::envoy::config::core::v3::socket_address::PortSpecifier;
use envoy_types::pb::envoy::config::core::v3::{Address, Node, address};
use envoy_types::pb::envoy::data::accesslog::v3::{
    AccessLogCommon, AccessLogType, HttpAccessLogEntry, HttpResponseProperties, ResponseFlags,
};
use envoy_types::pb::envoy::service::accesslog::v3::StreamAccessLogsMessage;
use envoy_types::pb::envoy::service::accesslog::v3::stream_access_logs_message::{
    HttpAccessLogEntries, Identifier, LogEntries,
};
use envoy_types::pb::google::protobuf;
use foreshift_domain::names::MAX_NAME_BYTES;
use foreshift_domain::signal::{Observation, Outcome, OutcomeKind, Signal};
use foreshift_domain::{Duration, EndpointName, GatewayName, Timestamp};

use prost::Message;

use super::envoy::request_end;
use super::native::proto_error;
use super::outcome::from_envoy;
use super::{DecodeError, MAX_PARTS, Parts};

/// The longest that a request may have taken; what says more is a clock that jumped.
const MAX_SPAN_S: i64 = 365 * 86_400;
/// The header or trailer that says how a gRPC call ended.
const GRPC_STATUS: &str = "grpc-status";

/// Decodes a message that was recorded: one that names its gateway.
pub fn record(bytes: &[u8]) -> Parts {
    match StreamAccessLogsMessage::decode(bytes) {
        Ok(message) => {
            let gateway = message.identifier.as_ref().and_then(gateway_of);
            entries(message.log_entries, gateway.as_ref())
        }
        Err(error) => Parts::refused(proto_error("Envoy's gRPC access log", &error)),
    }
}

/// A message as a record, of which [`record`] reads all that there was to read. Whoever asked for what is not in it.
pub fn to_record(mut logs: HttpAccessLogEntries, gateway: Option<&GatewayName>) -> Vec<u8> {
    logs.log_entry.iter_mut().for_each(leave_out_who);
    let node = gateway.map(|name| Node {
        id: name.as_str().to_owned(),
        ..Node::default()
    });
    let message = StreamAccessLogsMessage {
        identifier: Some(Identifier {
            node,
            ..Identifier::default()
        }),
        log_entries: Some(LogEntries::HttpLogs(logs)),
    };
    message.encode_to_vec()
}

/// Leaves out what is nobody's business here and takes the most room: the client, its request, and what operators add.
fn leave_out_who(entry: &mut HttpAccessLogEntry) {
    entry.request = None;
    if let Some(response) = &mut entry.response {
        response.response_headers.retain(|name, _| name == GRPC_STATUS);
        response.response_trailers.retain(|name, _| name == GRPC_STATUS);
    }
    if let Some(common) = &mut entry.common_properties {
        common.downstream_remote_address = None;
        common.downstream_local_address = None;
        common.downstream_direct_remote_address = None;
        common.upstream_local_address = None;
        common.tls_properties = None;
        common.metadata = None;
        common.filter_state_objects.clear();
        common.custom_tags.clear();
        common.stream_id.clear();
    }
}

/// The node's id, where it has a usable one.
pub fn gateway_of(identifier: &Identifier) -> Option<GatewayName> {
    gateway_id(identifier.node.as_ref()?)
}

/// A node's id, where it is a usable one.
pub fn gateway_id(node: &Node) -> Option<GatewayName> {
    let id = node.id.as_str();
    (!id.is_empty() && id.len() <= MAX_NAME_BYTES).then(|| id.into())
}

/// Decodes the entries of one message. `gateway` is the id of the stream's node.
pub fn entries(entries: Option<LogEntries>, gateway: Option<&GatewayName>) -> Parts {
    match entries {
        Some(LogEntries::HttpLogs(logs)) => http_entries(&logs.log_entry, gateway),
        // A connection says nothing of how requests ended.
        Some(LogEntries::TcpLogs(logs)) => Parts {
            ignored: logs.log_entry.len() as u64,
            ..Parts::default()
        },
        None => Parts::default(),
    }
}

/// Decodes the HTTP entries of one message. `gateway` is the id of the stream's node.
pub fn http_entries(entries: &[HttpAccessLogEntry], gateway: Option<&GatewayName>) -> Parts {
    let mut parts = Parts::default();
    for entry in entries {
        if parts.good.len() >= MAX_PARTS {
            parts.bad.push(DecodeError::TooMany { most: MAX_PARTS });
            return parts;
        }
        decode_entry(entry, gateway, &mut parts);
    }
    parts
}

fn decode_entry(entry: &HttpAccessLogEntry, gateway: Option<&GatewayName>, parts: &mut Parts) {
    let Some(common) = &entry.common_properties else {
        return parts.bad.push(DecodeError::Missing {
            field: "common_properties",
        });
    };
    // Without a cluster Envoy answered by itself: no route, a redirect.
    if !is_end(common) || common.upstream_cluster.is_empty() {
        parts.ignored += 1;
        return;
    }
    let Some(start) = common.start_time.as_ref() else {
        return parts.bad.push(DecodeError::Missing { field: "start_time" });
    };
    let Some(start) = moment(start) else {
        return parts.bad.push(DecodeError::BadField {
            field: "start_time".into(),
            expected: "a time",
        });
    };
    let latency = latency(common);
    let outcome = Outcome {
        kind: outcome_of(common, entry.response.as_ref()),
        latency,
        ttfb: ttfb(common),
        count: 1,
    };
    let signal = Signal {
        // The entry is written at the end, and says how it ended: long requests would else look late.
        time: start + latency.unwrap_or(Duration::ZERO),
        target: common.upstream_cluster.as_str().into(),
        route: (!common.route_name.is_empty()).then(|| common.route_name.as_str().into()),
        gateway: gateway.cloned(),
        endpoint: common.upstream_remote_address.as_ref().and_then(endpoint),
        observation: Observation::Outcome(outcome),
    };
    // 0 is "not told": Envoys before 1.25, or no attempt at all.
    request_end(
        signal,
        Some(f64::from(common.upstream_request_attempt_count)),
        parts,
    );
}

/// Whether the entry is the one at the end of its request. Envoys that do not tell the type write no other, but for
/// those that had a flag for it.
#[expect(deprecated, reason = "the flag is all that Envoys before the type have")]
fn is_end(common: &AccessLogCommon) -> bool {
    let end = [AccessLogType::NotSet, AccessLogType::DownstreamEnd];
    !common.intermediate_log_entry && end.iter().any(|kind| *kind as i32 == common.access_log_type)
}

fn outcome_of(common: &AccessLogCommon, response: Option<&HttpResponseProperties>) -> OutcomeKind {
    let code = response
        .and_then(|response| response.response_code.as_ref())
        .map_or(0, |code| u16::try_from(code.value).unwrap_or(u16::MAX));
    let details = response.map_or("", |response| response.response_code_details.as_str());
    // There only where the operator has Envoy log this trailer.
    let grpc = response.and_then(|response| {
        let status = response
            .response_trailers
            .get(GRPC_STATUS)
            .or_else(|| response.response_headers.get(GRPC_STATUS))?;
        status.trim().parse().ok()
    });
    let flags = common.response_flags.as_ref();
    from_envoy(code, flags.into_iter().flat_map(short_names), details, grpc)
}

/// The flags that are set, by the names that the text formats of access logs give them.
fn short_names(flags: &ResponseFlags) -> impl Iterator<Item = &'static str> {
    let table = [
        (flags.failed_local_healthcheck, "LH"),
        (flags.no_healthy_upstream, "UH"),
        (flags.upstream_request_timeout, "UT"),
        (flags.local_reset, "LR"),
        (flags.upstream_remote_reset, "UR"),
        (flags.upstream_connection_failure, "UF"),
        (flags.upstream_connection_termination, "UC"),
        (flags.upstream_overflow, "UO"),
        (flags.no_route_found, "NR"),
        (flags.delay_injected, "DI"),
        (flags.fault_injected, "FI"),
        (flags.rate_limited, "RL"),
        (flags.unauthorized_details.is_some(), "UAEX"),
        (flags.rate_limit_service_error, "RLSE"),
        (flags.downstream_connection_termination, "DC"),
        (flags.upstream_retry_limit_exceeded, "URX"),
        (flags.stream_idle_timeout, "SI"),
        (flags.invalid_envoy_request_headers, "IH"),
        (flags.downstream_protocol_error, "DPE"),
        (flags.upstream_max_stream_duration_reached, "UMSDR"),
        (flags.response_from_cache_filter, "RFCF"),
        (flags.no_filter_config_found, "NFCF"),
        (flags.duration_timeout, "DT"),
        (flags.upstream_protocol_error, "UPE"),
        (flags.no_cluster_found, "NC"),
        (flags.overload_manager, "OM"),
        (flags.dns_resolution_failure, "DF"),
        (flags.downstream_remote_reset, "DR"),
    ];
    table
        .into_iter()
        .filter_map(|(is_set, name)| is_set.then_some(name))
}

/// From the start of the request to its last byte.
fn latency(common: &AccessLogCommon) -> Option<Duration> {
    let told = common.duration.as_ref().and_then(span);
    told.or_else(|| common.time_to_last_downstream_tx_byte.as_ref().and_then(span))
}

/// From the last byte sent to the upstream to the first that came back; `None` when it answered before all was sent.
fn ttfb(common: &AccessLogCommon) -> Option<Duration> {
    let sent = span(common.time_to_last_upstream_tx_byte.as_ref()?)?;
    let answered = span(common.time_to_first_upstream_rx_byte.as_ref()?)?;
    let waited = answered.as_micros().checked_sub(sent.as_micros())?;
    (waited >= 0).then(|| Duration::from_micros(waited))
}

/// A span that a request may have taken.
fn span(of: &protobuf::Duration) -> Option<Duration> {
    let is_span = (0..=MAX_SPAN_S).contains(&of.seconds) && (0..1_000_000_000).contains(&of.nanos);
    is_span.then(|| Duration::from_micros(of.seconds * 1_000_000 + i64::from(of.nanos) / 1_000))
}

fn moment(of: &protobuf::Timestamp) -> Option<Timestamp> {
    let whole = of.seconds.checked_mul(1_000_000)?;
    let micros = whole.checked_add(i64::from(of.nanos) / 1_000)?;
    (0..1_000_000_000)
        .contains(&of.nanos)
        .then(|| Timestamp::from_micros(micros))
}

/// `address:port`, as Envoy writes it in text; the path of a pipe.
fn endpoint(of: &Address) -> Option<EndpointName> {
    let text = match of.address.as_ref()? {
        address::Address::SocketAddress(socket) => {
            let host = socket.address.as_str();
            match socket.port_specifier.as_ref() {
                Some(PortSpecifier::PortValue(port)) if host.contains(':') => format!("[{host}]:{port}"),
                Some(PortSpecifier::PortValue(port)) => format!("{host}:{port}"),
                _ => host.to_owned(),
            }
        }
        address::Address::Pipe(pipe) => pipe.path.clone(),
        address::Address::EnvoyInternalAddress(_) => return None,
    };
    (!text.is_empty()).then(|| text.as_str().into())
}

#[cfg(test)]
mod tests;
