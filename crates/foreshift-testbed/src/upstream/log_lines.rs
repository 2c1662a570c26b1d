//! Log lines as real systems write them.

use crate::scenario::Topic;

/// OTLP's numbers for levels of severity.
pub(super) const INFO: i32 = 9;
pub(super) const WARN: i32 = 13;
pub(super) const ERROR: i32 = 17;

/// A line of a good day.
pub(super) fn ordinary() -> (i32, String) {
    let number = fastrand::u32(..1_000_000);
    match fastrand::u8(..6) {
        0 => (
            INFO,
            format!("checkpoint complete: wrote {} buffers", number % 900),
        ),
        1 => (INFO, format!("GET /v1/items/{number} 200 in {} ms", number % 40)),
        2 => (
            INFO,
            format!("scheduled task cleanup removed {} rows", number % 500),
        ),
        3 => (
            WARN,
            format!("slow query: {} ms: SELECT * FROM orders", 300 + number % 400),
        ),
        4 => (
            INFO,
            format!("connection accepted from 10.1.{}.{}", number % 16, number % 250),
        ),
        _ => (INFO, format!("config reloaded, generation {}", number % 300)),
    }
}

/// A worried line.
pub(super) fn worried(topic: Topic) -> (i32, String) {
    let number = fastrand::u32(..1_000_000);
    let second = fastrand::bool();
    match (topic, second) {
        (Topic::Memory, false) => (
            WARN,
            format!("GC overhead limit exceeded, heap at {} %", 70 + number % 25),
        ),
        (Topic::Memory, true) => (
            ERROR,
            format!("fatal error: runtime: out of memory, request {number:x}"),
        ),
        (Topic::Pool, false) => (
            WARN,
            format!(
                "timeout waiting for connection from pool, {} waiters",
                1 + number % 9
            ),
        ),
        (Topic::Pool, true) => (ERROR, "FATAL: sorry, too many clients already".to_owned()),
        (Topic::Slow, false) => (
            WARN,
            format!("context deadline exceeded while calling pricing, span {number:x}"),
        ),
        (Topic::Slow, true) => (
            WARN,
            format!("request queue above high watermark: {} waiting", 8 + number % 60),
        ),
        (Topic::Storage, false) => (
            ERROR,
            format!("write /var/lib/data/{number}.log: no space left on device"),
        ),
        (Topic::Storage, true) => (
            WARN,
            format!("replica is {} ms behind the leader", 1_000 + number % 4_000),
        ),
        (Topic::Quota, false) => (
            WARN,
            format!(
                "429 Too Many Requests from provider, retry after {} s",
                1 + number % 20
            ),
        ),
        (Topic::Quota, true) => (
            WARN,
            format!("RESOURCE_EXHAUSTED: quota exceeded for tenant {}", number % 40),
        ),
    }
}
