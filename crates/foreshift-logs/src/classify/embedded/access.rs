//! Access logs of Envoy, nginx and their like, and of HAProxy.

use foreshift_domain::log::ErrorClass;

use crate::structured::{self, Finding};

/// How a proxy says that a request ended: Envoy's flags, HAProxy's states.
pub(super) fn ended(text: &str) -> Option<Finding> {
    envoy_flags(text).or_else(|| haproxy(text))
}

/// The status behind a request line; good answers are a finding too.
pub(super) fn status(text: &str) -> Option<Finding> {
    let (status, _) = after_request_line(text)?;
    structured::http_status(status)
}

/// Flags after the status of Envoy's default format, or as a named field.
fn envoy_flags(text: &str) -> Option<Finding> {
    let named = ["response_flags", "RESPONSE_FLAGS", "responseFlags"]
        .iter()
        .find_map(|key| {
            let (_, rest) = text.split_once(key)?;
            let rest = rest.trim_start_matches(['"', ':', '=', ' ', '\\', '%']);
            rest.split(|c: char| !(c.is_ascii_uppercase() || c == ',')).next()
        });
    let flags = named.or_else(|| after_request_line(text)?.1.split_whitespace().next())?;
    structured::response_flags(flags)
}

/// Status and rest of the line behind a quoted request: `"GET / HTTP/1.1" 503 UF ...`.
fn after_request_line(text: &str) -> Option<(u16, &str)> {
    let (_, rest) = text.split_once(" HTTP/")?;
    let (_, rest) = rest.split_once('"')?;
    let rest = rest.strip_prefix(' ')?;
    let (status, rest) = rest.split_once(' ').unwrap_or((rest, ""));
    let status = (status.len() == 3).then(|| status.parse().ok())??;
    Some((status, rest))
}

/// HAProxy's termination state, behind its timers: `be/srv 0/0/1/-1/3001 504 194 - - sH-- ...`.
fn haproxy(text: &str) -> Option<Finding> {
    let mut words = text.split_whitespace();
    let server = {
        let mut server = "";
        loop {
            let word = words.next()?;
            if is_timers(word) {
                break server;
            }
            server = word;
        }
    };
    if !server.contains('/') {
        return None;
    }
    let status = words.clone().next().and_then(|word| word.parse().ok());
    let state = words.take(5).find(|word| is_state(word))?;
    let bytes = state.as_bytes();
    match (bytes.first()?, bytes.get(1)?) {
        (b'S', b'C') if server.ends_with("<NOSRV>") => structured::exact(ErrorClass::Overload),
        (b'S', b'C') => structured::exact(ErrorClass::ConnFail),
        (b'S' | b's', b'Q') => structured::exact(ErrorClass::Overload),
        (b's', _) => structured::exact(ErrorClass::Timeout),
        (b'S', _) => structured::exact(ErrorClass::ConnReset),
        (b'D', _) => structured::exact(ErrorClass::InstanceDown),
        (b'R', _) => structured::exact(ErrorClass::PoolExhausted),
        // The client went away or was too slow.
        (b'C' | b'c', _) => structured::exact(ErrorClass::None),
        _ => status.and_then(structured::http_status),
    }
}

/// Three or five numbers with slashes between, -1 for what was not reached.
fn is_timers(word: &str) -> bool {
    let parts = word.split('/').count();
    (parts == 3 || parts == 5) && word.split('/').all(|part| part.parse::<i64>().is_ok())
}

fn is_state(word: &str) -> bool {
    let bytes = word.as_bytes();
    (bytes.len() == 2 || bytes.len() == 4)
        && bytes.first().is_some_and(|byte| b"CSPLRIDUKcs-".contains(byte))
        && bytes.get(1).is_some_and(|byte| b"RQCHDLT-".contains(byte))
        && bytes
            .iter()
            .skip(2)
            .all(|byte| byte.is_ascii_uppercase() || *byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(text: &str) -> Option<ErrorClass> {
        ended(text).or_else(|| status(text)).map(|finding| finding.class)
    }

    #[test]
    fn flags_of_envoy_are_read_in_its_access_log() {
        for (text, expected) in [
            (
                "[2024-05-01T10:00:00Z] \"GET / HTTP/1.1\" 503 UF,URX 0 91 3 - \"-\"",
                ErrorClass::ConnFail,
            ),
            (
                "[x] \"POST /g.S/M HTTP/2\" 200 UH 0 0 0 - \"-\"",
                ErrorClass::Overload,
            ),
            (
                "{\"response_code\":503,\"response_flags\":\"UC\"}",
                ErrorClass::ConnReset,
            ),
            ("[x] \"GET / HTTP/1.1\" 200 - 0 12 3 3 \"-\"", ErrorClass::None),
            (
                "10.0.0.1 - - [x] \"GET /a HTTP/1.1\" 502 157 \"-\" \"curl\"",
                ErrorClass::Upstream5xx,
            ),
            (
                "10.0.0.1 - - [x] \"GET /a HTTP/1.1\" 499 0 \"-\" \"curl\"",
                ErrorClass::None,
            ),
        ] {
            assert_eq!(class(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn states_of_haproxy_say_who_ended_a_session() {
        let line = |server: &str, status: u16, state: &str| {
            format!(
                "10.0.1.2:33317 [06/Feb/2024:12:14:14.655] http-in {server} 10/0/30/-1/109 {status} 2750 - - {state} 1/1/1/1/0 0/0 \"GET / HTTP/1.1\""
            )
        };
        for (server, status, state, expected) in [
            ("static/srv1", 503, "SC--", ErrorClass::ConnFail),
            ("static/<NOSRV>", 503, "SC--", ErrorClass::Overload),
            ("static/srv1", 504, "sH--", ErrorClass::Timeout),
            ("static/srv1", 502, "SH--", ErrorClass::ConnReset),
            ("static/srv1", 503, "sQ--", ErrorClass::Overload),
            ("static/srv1", 200, "CD--", ErrorClass::None),
            ("static/srv1", 200, "----", ErrorClass::None),
            ("static/srv1", 500, "----", ErrorClass::Upstream5xx),
        ] {
            assert_eq!(
                class(&line(server, status, state)),
                Some(expected),
                "{state} {status}"
            );
        }
        assert_eq!(class("ratio 1/2/3 of SC parts"), None);
    }
}
