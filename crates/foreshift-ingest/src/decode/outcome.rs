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
