//! The table of phrases, as real systems print them. The more specific stand first: when a line holds several,
//! the one highest in the table decides ("probe failed ... connection refused" is an instance that is down).

use ErrorClass::{
    Auth, BadRequest, Config, ConnFail, ConnReset, DiskFd, Dns, InstanceDown, None as Harmless, NotFound,
    Oom, Overload, PoolExhausted, QuotaBilling, RateLimit, StoreRole, Timeout, Tls, Upstream5xx,
};
use foreshift_domain::log::ErrorClass;

/// (phrase, class), matched in any case, anywhere in the line.
pub const PHRASES: &[(&str, ErrorClass)] = &[
    // Lines that say that nothing is wrong, with the words of what was.
    ("0 errors", Harmless),
    ("no errors", Harmless),
    ("connection restored", Harmless),
    ("successfully reconnected", Harmless),
    // Billing looks like rate limiting, and is not over in a minute.
    ("insufficient_quota", QuotaBilling),
    ("exceeded your current quota", QuotaBilling),
    ("credit balance is too low", QuotaBilling),
    ("billing hard limit", QuotaBilling),
    ("check your plan and billing", QuotaBilling),
    ("billing details", QuotaBilling),
    ("budget has been exceeded", QuotaBilling),
    ("exceededbudget", QuotaBilling),
    ("quota exceeded for quota metric", QuotaBilling),
    ("payment required", QuotaBilling),
    ("account is not active", QuotaBilling),
    // What is wrong with the request stays the request's fault, whatever else the line says.
    ("context_length_exceeded", BadRequest),
    ("maximum context length", BadRequest),
    ("prompt is too long", BadRequest),
    ("content_filter", BadRequest),
    ("content management policy", BadRequest),
    ("request entity too large", BadRequest),
    ("client intended to send too large body", BadRequest),
    // Memory.
    ("oomkilled", Oom),
    ("out of memory", Oom),
    ("outofmemoryerror", Oom),
    ("oom-kill", Oom),
    ("cannot allocate memory", Oom),
    ("memory cgroup out of memory", Oom),
    ("oom command not allowed", Oom),
    ("gc overhead limit exceeded", Oom),
    ("javascript heap out of memory", Oom),
    // Disk and descriptors.
    ("no space left on device", DiskFd),
    ("disk quota exceeded", DiskFd),
    ("too many open files", DiskFd),
    ("disk full", DiskFd),
    ("read-only file system", DiskFd),
    ("flood stage disk watermark", DiskFd),
    ("input/output error", DiskFd),
    ("log directory failure", DiskFd),
    // Pools.
    ("too many clients already", PoolExhausted),
    ("remaining connection slots are reserved", PoolExhausted),
    (
        "connection is not available, request timed out after",
        PoolExhausted,
    ),
    ("queuepool limit of size", PoolExhausted),
    ("connection pool exhausted", PoolExhausted),
    ("connection pool is full", PoolExhausted),
    ("pool timeout", PoolExhausted),
    ("timeout waiting for connection from pool", PoolExhausted),
    ("timeout waiting for idle object", PoolExhausted),
    ("rejectedexecutionexception", PoolExhausted),
    ("too many connections", PoolExhausted),
    ("max number of clients reached", PoolExhausted),
    ("worker_connections are not enough", PoolExhausted),
    ("server reached pm.max_children", PoolExhausted),
    ("maxrequestworkers", PoolExhausted),
    // Stores that lost a leader or a quorum.
    ("notleaderorfollower", StoreRole),
    ("not_leader_or_follower", StoreRole),
    ("notleaderforpartition", StoreRole),
    ("leader not available", StoreRole),
    ("not enough replicas", StoreRole),
    ("notenoughreplicas", StoreRole),
    ("coordinator not available", StoreRole),
    ("you can't write against a read only replica", StoreRole),
    ("clusterdown", StoreRole),
    ("masterdown link with master is down", StoreRole),
    ("no primary found in replica set", StoreRole),
    ("not master and slaveok=false", StoreRole),
    ("notprimaryoronlysecondary", StoreRole),
    ("the database system is in recovery mode", StoreRole),
    ("the database system is starting up", StoreRole),
    ("cannot execute insert in a read-only transaction", StoreRole),
    ("lost leadership", StoreRole),
    ("no leader", StoreRole),
    ("replication lag", StoreRole),
    ("isr shrink", StoreRole),
    ("shrinking isr", StoreRole),
    // Instances.
    ("crashloopbackoff", InstanceDown),
    ("back-off restarting failed container", InstanceDown),
    ("liveness probe failed", InstanceDown),
    ("readiness probe failed", InstanceDown),
    ("startup probe failed", InstanceDown),
    ("segmentation fault", InstanceDown),
    ("core dumped", InstanceDown),
    ("exited on signal", InstanceDown),
    ("panic: runtime error", InstanceDown),
    ("panicked at", InstanceDown),
    ("received sigterm", InstanceDown),
    ("node is not ready", InstanceDown),
    ("evicted", InstanceDown),
    ("health check failed", InstanceDown),
    ("is down, reason", InstanceDown),
    (
        "terminating connection due to administrator command",
        InstanceDown,
    ),
    ("the database system is shutting down", InstanceDown),
    // Names.
    ("no such host", Dns),
    ("name or service not known", Dns),
    ("temporary failure in name resolution", Dns),
    ("could not resolve host", Dns),
    ("could not be resolved", Dns),
    ("host not found in upstream", Dns),
    ("getaddrinfo", Dns),
    ("nxdomain", Dns),
    ("servfail", Dns),
    ("unknownhostexception", Dns),
    ("dns resolution failure", Dns),
    ("dns_resolution_failure", Dns),
    ("name resolution failed", Dns),
    // Handshakes.
    ("certificate has expired", Tls),
    ("certificate verify failed", Tls),
    ("x509:", Tls),
    ("tls handshake", Tls),
    ("ssl handshake", Tls),
    ("sslhandshakeexception", Tls),
    ("ssl_do_handshake() failed", Tls),
    ("handshake failure", Tls),
    ("tls_error", Tls),
    ("tls error", Tls),
    ("pkix path building failed", Tls),
    ("wrong version number", Tls),
    // Load.
    ("overloaded_error", Overload),
    ("is currently overloaded", Overload),
    ("model is overloaded", Overload),
    ("server is overloaded", Overload),
    ("no healthy upstream", Overload),
    ("no live upstreams", Overload),
    ("has no server available", Overload),
    ("no deployments available", Overload),
    ("circuit breaker is open", Overload),
    ("circuit breaker open", Overload),
    ("circuitbreaker", Overload),
    ("upstream_max_stream_duration", Timeout),
    ("reset reason: overflow", Overload),
    ("service unavailable", Overload),
    ("server is busy", Overload),
    ("load shedding", Overload),
    ("at capacity", Overload),
    ("backpressure", Overload),
    ("es_rejected_execution", Overload),
    ("circuit_breaking_exception", Overload),
    // Rates.
    ("rate limit", RateLimit),
    ("rate_limit", RateLimit),
    ("ratelimit", RateLimit),
    ("too many requests", RateLimit),
    ("throttlingexception", RateLimit),
    ("throttled", RateLimit),
    ("request limit exceeded", RateLimit),
    ("resource_exhausted", RateLimit),
    // Connections that could not be made.
    (
        "upstream connect error or disconnect/reset before headers. reset reason: connection termination",
        ConnReset,
    ),
    (
        "upstream connect error or disconnect/reset before headers. reset reason: remote reset",
        ConnReset,
    ),
    (
        "upstream connect error or disconnect/reset before headers. reset reason: connection timeout",
        Timeout,
    ),
    ("connection refused", ConnFail),
    ("econnrefused", ConnFail),
    ("no route to host", ConnFail),
    ("network is unreachable", ConnFail),
    ("host is unreachable", ConnFail),
    ("ehostunreach", ConnFail),
    ("failed to connect", ConnFail),
    ("could not connect", ConnFail),
    ("cannot connect", ConnFail),
    ("unable to connect", ConnFail),
    ("connect failed", ConnFail),
    ("connection failure", ConnFail),
    ("error while attempting to connect", ConnFail),
    ("upstream connect error", ConnFail),
    ("dial tcp", ConnFail),
    ("connectexception", ConnFail),
    // No answer in time.
    ("connection timed out", Timeout),
    ("timed out", Timeout),
    ("deadline exceeded", Timeout),
    ("deadline_exceeded", Timeout),
    ("upstream request timeout", Timeout),
    ("gateway timeout", Timeout),
    ("gateway time-out", Timeout),
    ("read timeout", Timeout),
    ("connect timeout", Timeout),
    ("request timeout", Timeout),
    ("i/o timeout", Timeout),
    ("timeout awaiting", Timeout),
    ("timeout exceeded", Timeout),
    ("timeoutexception", Timeout),
    ("timeouterror", Timeout),
    ("etimedout", Timeout),
    ("lock wait timeout", Timeout),
    ("canceling statement due to statement timeout", Timeout),
    // Connections that broke.
    ("connection reset", ConnReset),
    ("econnreset", ConnReset),
    ("broken pipe", ConnReset),
    ("epipe", ConnReset),
    ("connection aborted", ConnReset),
    ("prematurely closed connection", ConnReset),
    ("closed prematurely", ConnReset),
    ("server closed the connection unexpectedly", ConnReset),
    ("connection was closed", ConnReset),
    ("connection closed", ConnReset),
    ("connection terminated", ConnReset),
    ("connection lost", ConnReset),
    ("lost connection", ConnReset),
    ("goaway", ConnReset),
    ("remote reset", ConnReset),
    ("stream reset", ConnReset),
    ("socket hang up", ConnReset),
    ("unexpected eof", ConnReset),
    ("unexpected end of stream", ConnReset),
    ("incomplete chunked read", ConnReset),
    // Credentials.
    ("invalid api key", Auth),
    ("incorrect api key", Auth),
    ("invalid_api_key", Auth),
    ("invalid x-api-key", Auth),
    ("password authentication failed", Auth),
    ("authentication failed", Auth),
    ("authentication failure", Auth),
    ("access denied", Auth),
    ("permission denied", Auth),
    ("unauthorized", Auth),
    ("noauth authentication required", Auth),
    ("wrongpass", Auth),
    // Configuration.
    ("invalid configuration", Config),
    ("configuration error", Config),
    ("config rejected", Config),
    ("rejected: error adding/updating", Config),
    ("configuration file test failed", Config),
    ("unknown directive", Config),
    ("[emerg]", Config),
    ("failed to load config", Config),
    ("missing required environment variable", Config),
    // What is not there.
    ("no route matched", NotFound),
    ("route not found", NotFound),
    ("deploymentnotfound", NotFound),
    ("model_not_found", NotFound),
    ("does not exist", NotFound),
    ("no such file or directory", NotFound),
    ("404 not found", NotFound),
    // The rest of 5xx, last: a proxy prints it beside the cause.
    ("internal server error", Upstream5xx),
    ("bad gateway", Upstream5xx),
    (
        "the server had an error while processing your request",
        Upstream5xx,
    ),
    ("upstream sent invalid header", Upstream5xx),
    ("unhandled exception", Upstream5xx),
    // The request.
    ("invalid_request_error", BadRequest),
    ("bad request", BadRequest),
    ("malformed request", BadRequest),
    ("unprocessable entity", BadRequest),
    ("validation error", BadRequest),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_phrase_stands_twice() {
        for (at, (phrase, _)) in PHRASES.iter().enumerate() {
            let again = PHRASES.iter().skip(at + 1).any(|(other, _)| other == phrase);
            assert!(!again, "{phrase:?} stands twice");
        }
    }

    #[test]
    fn phrases_are_lower_case_and_not_too_short_to_mean_something() {
        for (phrase, _) in PHRASES {
            assert_eq!(*phrase, phrase.to_ascii_lowercase());
            assert!(phrase.len() >= 5, "{phrase:?} is too short");
        }
    }

    #[test]
    fn every_class_but_one_of_status_has_a_phrase() {
        for class in ErrorClass::ALL {
            assert!(
                PHRASES.iter().any(|(_, theirs)| *theirs == class),
                "no phrase for {class:?}"
            );
        }
    }
}
