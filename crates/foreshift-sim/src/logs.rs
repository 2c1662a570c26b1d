//! Log lines as real systems write them.

use foreshift_domain::{TargetName, Timestamp};
use serde::{Deserialize, Serialize};

use crate::emission::{LogLine, Severity};

/// What log lines are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Topic {
    Memory,
    Pool,
    Slow,
    Quota,
    Storage,
    Deploy,
    Gone,
}

/// Ordinary lines of a good day.
pub(crate) fn ordinary(time: Timestamp, target: &TargetName, bits: u64) -> LogLine {
    let number = bits >> 40;
    let (severity, message) = match bits % 8 {
        0 => (
            Severity::Info,
            format!("compacted segment {number:06} in {} ms", 20 + number % 180),
        ),
        1 => (
            Severity::Info,
            format!("cache refresh done entries={} evictions=0", number % 9_000),
        ),
        2 => (
            Severity::Info,
            format!("scheduled job session-cleanup removed {} rows", number % 500),
        ),
        3 => (
            Severity::Warn,
            format!("slow query: {} ms for SELECT items", 300 + number % 400),
        ),
        4 => (
            Severity::Info,
            format!("config reload finished, generation {}", number % 300),
        ),
        5 => (
            Severity::Warn,
            format!("client request header x-tenant missing, request {number:x}"),
        ),
        6 => (
            Severity::Info,
            format!("accepted connection from 10.0.{}.{}", number % 16, number % 250),
        ),
        _ => (
            Severity::Warn,
            format!("retrying idempotent call, attempt 2, trace {number:x}"),
        ),
    };
    LogLine {
        time,
        target: target.clone(),
        severity,
        message,
        status: None,
    }
}

/// A worried line on a topic. Those before a failure and those about nothing read alike.
pub(crate) fn worried(time: Timestamp, target: &TargetName, topic: Topic, bits: u64) -> LogLine {
    let number = bits >> 40;
    let (severity, status, message) = match (topic, bits % 4) {
        (Topic::Memory, 0) => (
            Severity::Warn,
            None,
            format!("old generation at {} % after full collection", 71 + number % 12),
        ),
        (Topic::Memory, 1) => (
            Severity::Warn,
            None,
            format!(
                "GC overhead limit exceeded in worker {}, task dropped",
                number % 16
            ),
        ),
        (Topic::Memory, 2) => (
            Severity::Error,
            Some(500),
            format!("java.lang.OutOfMemoryError: Java heap space (request {number:x})"),
        ),
        (Topic::Memory, _) => (
            Severity::Warn,
            None,
            format!(
                "cannot allocate memory for buffer of {} bytes, will retry",
                4_096 * (1 + number % 64)
            ),
        ),
        (Topic::Pool, 0) => (
            Severity::Warn,
            None,
            format!(
                "HikariPool-1 - Connection is not available, request timed out after {} ms",
                1_000 + number % 40
            ),
        ),
        (Topic::Pool, 1) => (
            Severity::Error,
            Some(500),
            "FATAL: remaining connection slots are reserved for non-replication superuser connections"
                .to_owned(),
        ),
        (Topic::Pool, 2) => (
            Severity::Warn,
            None,
            format!(
                "connection pool is full, discarding connection: db-{}",
                number % 4
            ),
        ),
        (Topic::Pool, _) => (
            Severity::Warn,
            None,
            format!(
                "timeout waiting for connection from pool, waiters={}",
                1 + number % 9
            ),
        ),
        (Topic::Slow, 0) => (
            Severity::Warn,
            None,
            format!(
                "task queue above watermark: {} waiting, backpressure engaged",
                8 + number % 60
            ),
        ),
        (Topic::Slow, 1) => (
            Severity::Warn,
            Some(504),
            format!(
                "upstream request timeout after {} ms calling inventory",
                1_000 + number % 900
            ),
        ),
        (Topic::Slow, 2) => (
            Severity::Warn,
            None,
            "java.util.concurrent.RejectedExecutionException: executor saturated".to_owned(),
        ),
        (Topic::Slow, _) => (
            Severity::Warn,
            None,
            format!("context deadline exceeded while calling pricing (span {number:x})"),
        ),
        (Topic::Quota, 0) => (
            Severity::Warn,
            Some(429),
            format!(
                "rate limit reached for requests, please retry after {} s",
                1 + number % 20
            ),
        ),
        (Topic::Quota, 1) => (
            Severity::Warn,
            None,
            format!(
                "provider usage at {} % of the window, throttled",
                70 + number % 25
            ),
        ),
        (Topic::Quota, 2) => (
            Severity::Warn,
            Some(429),
            "429 Too Many Requests from provider, backing off".to_owned(),
        ),
        (Topic::Quota, _) => (
            Severity::Warn,
            None,
            format!("RESOURCE_EXHAUSTED: tokens per minute, tenant {}", number % 40),
        ),
        (Topic::Storage, 0) => (
            Severity::Warn,
            None,
            format!(
                "[ReplicaManager broker=2] Shrinking ISR from 1,2,3 to 2,{}",
                1 + number % 3
            ),
        ),
        (Topic::Storage, 1) => (
            Severity::Error,
            Some(500),
            format!("write /var/lib/store/seg-{number:06}.tmp: no space left on device"),
        ),
        (Topic::Storage, 2) => (
            Severity::Warn,
            None,
            format!(
                "replication lag {} ms above limit on replica-{}",
                900 + number % 3_000,
                number % 3
            ),
        ),
        (Topic::Storage, _) => (
            Severity::Warn,
            None,
            format!("accept4: too many open files (fd {})", 1_000 + number % 48),
        ),
        (Topic::Deploy, 0 | 1) => (
            Severity::Info,
            None,
            format!("starting version 2.{}.0", number % 40),
        ),
        (Topic::Deploy, 2) => (
            Severity::Warn,
            None,
            "readiness probe failed: warming up, 1 of 3".to_owned(),
        ),
        (Topic::Deploy, _) => (
            Severity::Warn,
            Some(502),
            format!("connection closed while draining old instance {number:x}"),
        ),
        (Topic::Gone, _) => return failing(time, target, topic, bits),
    };
    LogLine {
        time,
        target: target.clone(),
        severity,
        message,
        status,
    }
}

/// A line written while requests fail.
pub(crate) fn failing(time: Timestamp, target: &TargetName, topic: Topic, bits: u64) -> LogLine {
    let number = bits >> 40;
    let (status, message) = match (topic, bits % 3) {
        (Topic::Memory, 0) => (
            None,
            format!("memory cgroup out of memory: Killed process {number} (java)"),
        ),
        (Topic::Memory, 1) => (
            None,
            "Back-off restarting failed container app in pod (OOMKilled)".to_owned(),
        ),
        (Topic::Pool, 0 | 1) => (Some(500), "FATAL: sorry, too many clients already".to_owned()),
        (Topic::Slow, 0 | 1) => (
            Some(504),
            format!("upstream request timeout after 2000 ms (span {number:x})"),
        ),
        (Topic::Quota, 0 | 1) => (
            Some(429),
            "insufficient_quota: You exceeded your current quota, please check your plan and billing details"
                .to_owned(),
        ),
        (Topic::Storage, 0 | 1) => (
            Some(500),
            format!("ClusterDown: no leader for shard {}, write refused", number % 32),
        ),
        (Topic::Gone, 0) => (
            Some(503),
            "upstream connect error or disconnect/reset before headers. reset reason: connection failure"
                .to_owned(),
        ),
        (Topic::Gone, 1) => (
            None,
            format!(
                "dial tcp 10.0.3.{}:8443: connect: connection refused",
                number % 250
            ),
        ),
        _ => (Some(500), format!("request {number:x} failed: internal error")),
    };
    LogLine {
        time,
        target: target.clone(),
        severity: Severity::Error,
        message,
        status,
    }
}

/// What a worried line of a good day is about.
pub(crate) fn stray(bits: u64) -> Topic {
    match (bits >> 8) % 5 {
        0 => Topic::Memory,
        1 => Topic::Pool,
        2 => Topic::Slow,
        3 => Topic::Quota,
        _ => Topic::Storage,
    }
}
