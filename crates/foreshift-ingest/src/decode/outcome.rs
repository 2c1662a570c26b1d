//! How a request ended, from the words of others.

use foreshift_domain::signal::OutcomeKind;

/// From a gRPC status code.
pub const fn from_grpc_status(status: u16) -> OutcomeKind {
    match status {
        0 => OutcomeKind::Success,
        1 => OutcomeKind::ClientAbort,
        4 => OutcomeKind::Timeout,
        8 | 14 => OutcomeKind::Overload,
        2 | 13 | 15 => OutcomeKind::ServerError,
        _ => OutcomeKind::ClientError,
    }
}

/// From one entry of an Envoy access log: the status that the client was sent (0: none), the short names of the
/// response flags, the response code details, and the gRPC status where the log has it.
pub fn from_envoy<'a>(
    code: u16,
    flags: impl IntoIterator<Item = &'a str>,
    details: &str,
    grpc: Option<u16>,
) -> OutcomeKind {
    let by_flag = flags
        .into_iter()
        .filter_map(from_flag)
        .min_by_key(|kind| precedence(*kind));
    let kind = by_flag.or_else(|| from_details(details));
    match kind {
        // The answer began well and ended early.
        Some(kind) if broke_off(kind) && (200..400).contains(&code) => OutcomeKind::Truncated,
        Some(kind) => kind,
        None => match (grpc, code) {
            (Some(status), _) if status != 0 => from_grpc_status(status),
            // Nobody was answered, and nothing is said against the upstream: the client went away.
            (_, 0) => OutcomeKind::ClientAbort,
            _ => OutcomeKind::from_http_status(code),
        },
    }
}

const fn broke_off(kind: OutcomeKind) -> bool {
    matches!(kind, OutcomeKind::Reset | OutcomeKind::Timeout)
}

/// With several flags the client's comes last: a client that leaves after a time-out left because of it.
const fn precedence(kind: OutcomeKind) -> u8 {
    match kind {
        OutcomeKind::Local => 1,
        OutcomeKind::ClientAbort => 2,
        _ => 0,
    }
}

/// What a flag says by itself; `URX` (retries used up) leaves it to the others and to the status.
fn from_flag(flag: &str) -> Option<OutcomeKind> {
    Some(match flag {
        "UF" | "UH" | "DF" => OutcomeKind::ConnectFailure,
        "UC" | "UR" | "LR" | "UPE" => OutcomeKind::Reset,
        "UT" | "SI" | "UMSDR" => OutcomeKind::Timeout,
        "UO" => OutcomeKind::Overload,
        "DC" | "DR" | "DT" => OutcomeKind::ClientAbort,
        "NR" | "NC" | "NFCF" | "RL" | "RLSE" | "UAEX" | "FI" | "DI" | "DO" | "UDO" | "OM" | "LH" | "RFCF"
        | "DPE" | "IH" => OutcomeKind::Local,
        _ => return None,
    })
}

/// What the details say where flags are silent. `via_upstream` is the upstream's own answer.
fn from_details(details: &str) -> Option<OutcomeKind> {
    let starts = |words: &[&str]| words.iter().any(|word| details.starts_with(word));
    match () {
        () if starts(&[
            "upstream_response_timeout",
            "upstream_per_try",
            "upstream_max_stream",
            "response_timeout",
        ]) =>
        {
            Some(OutcomeKind::Timeout)
        }
        () if details.contains("connection_failure") || starts(&["no_healthy_upstream"]) => {
            Some(OutcomeKind::ConnectFailure)
        }
        () if details.contains("overflow") => Some(OutcomeKind::Overload),
        () if starts(&["upstream_reset", "upstream_remote_reset"]) => Some(OutcomeKind::Reset),
        () if starts(&["downstream_", "http2.remote_reset", "http1.client"]) => {
            Some(OutcomeKind::ClientAbort)
        }
        () if starts(&[
            "direct_response",
            "route_not_found",
            "cluster_not_found",
            "ext_authz",
            "rbac_",
            "jwt_authn",
            "rate_limited",
            "local_rate_limited",
            "filter_chain_not_found",
            "overload",
            "admin_filter_response",
            "cors",
            "fault_filter",
            "maintenance_mode",
            "missing_host",
            "path_normalization",
        ]) =>
        {
            Some(OutcomeKind::Local)
        }
        () => None,
    }
}

/// From OpenTelemetry's `error.type`: a status, a word, or the name of an exception.
pub fn from_error_type(word: &str) -> OutcomeKind {
    if let Ok(status) = word.parse::<u16>() {
        return OutcomeKind::from_http_status(status);
    }
    let word = word.to_ascii_lowercase();
    let has = |part: &str| word.contains(part);
    match () {
        () if has("timeout") || has("deadline") || has("timedout") => OutcomeKind::Timeout,
        () if has("cancel") => OutcomeKind::ClientAbort,
        () if has("ratelimit") || has("rate_limit") || has("throttl") || has("quota") => {
            OutcomeKind::RateLimited
        }
        () if has("overload") || has("unavailable") || has("exhausted") => OutcomeKind::Overload,
        () if has("reset") || has("eof") || has("brokenpipe") || has("closed") => OutcomeKind::Reset,
        () if has("connect")
            || has("econnrefused")
            || has("dns")
            || has("unknownhost")
            || has("name_resolution") =>
        {
            OutcomeKind::ConnectFailure
        }
        () => OutcomeKind::ServerError,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_types_of_common_clients_are_told_apart() {
        for (word, kind) in [
            ("503", OutcomeKind::Overload),
            ("java.net.SocketTimeoutException", OutcomeKind::Timeout),
            ("java.net.ConnectException", OutcomeKind::ConnectFailure),
            ("ECONNRESET", OutcomeKind::Reset),
            ("context canceled", OutcomeKind::ClientAbort),
            ("openai.RateLimitError", OutcomeKind::RateLimited),
            ("_OTHER", OutcomeKind::ServerError),
        ] {
            assert_eq!(from_error_type(word), kind, "{word}");
        }
    }

    #[test]
    fn grpc_codes_blame_who_is_at_fault() {
        assert_eq!(from_grpc_status(5), OutcomeKind::ClientError);
        assert_eq!(from_grpc_status(14), OutcomeKind::Overload);
        assert_eq!(from_grpc_status(999), OutcomeKind::ClientError);
    }
}
