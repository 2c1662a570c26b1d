use super::*;

fn text(line: &str) -> String {
    Record::read(line).text.into_owned()
}

#[test]
fn loggers_of_all_kinds_are_read_by_their_names() {
    let texts = [
        // zap
        (
            r#"{"level":"error","ts":1.5,"logger":"db","caller":"a.go:1","msg":"query failed","error":"dial tcp 10.0.0.1:5432: connect: connection refused","stacktrace":"main.x\n\ta.go"}"#,
            "query failed: dial tcp 10.0.0.1:5432: connect: connection refused",
        ),
        // logrus, and logfmt of it
        (
            r#"{"error":"EOF","level":"error","msg":"read failed","time":"2026-01-01T00:00:00Z"}"#,
            "read failed: EOF",
        ),
        (
            r#"time="2026-01-01T00:00:00Z" level=error msg="read \"a\" failed" error=EOF id=7"#,
            "read \"a\" failed: EOF",
        ),
        // slog
        (
            r#"time=2026-01-01T00:00:00.000Z level=ERROR msg="no answer" err="context deadline exceeded""#,
            "no answer: context deadline exceeded",
        ),
        // log4j
        (
            r#"{"level":"ERROR","loggerName":"a.B","message":"no connection","thrown":{"name":"java.net.ConnectException","message":"Connection refused","extendedStackTrace":"x"}}"#,
            "no connection: Connection refused",
        ),
        // pino
        (
            r#"{"level":50,"time":1,"pid":1,"hostname":"h","err":{"type":"Error","message":"connect ECONNREFUSED","stack":"Error: x\n at y","code":"ECONNREFUSED"},"msg":"request errored"}"#,
            "request errored: connect ECONNREFUSED",
        ),
        // structlog
        (
            r#"{"event":"no reply","level":"warning","exception":"Traceback (most recent call last):\n  File \"a\", line 1\nTimeoutError: timed out"}"#,
            "no reply: TimeoutError: timed out",
        ),
        // tracing
        (
            r#"{"timestamp":"x","level":"WARN","fields":{"message":"retrying","error":"broken pipe"},"target":"a::b"}"#,
            "retrying: broken pipe",
        ),
        // ECS, nested and with dots
        (
            r#"{"@timestamp":"x","log.level":"ERROR","message":"failed","error":{"type":"IOException","message":"disk full"}}"#,
            "failed: disk full",
        ),
        (
            r#"{"message":"failed","error.message":"disk full","log":{"level":"error"}}"#,
            "failed: disk full",
        ),
        // OpenTelemetry
        (
            r#"{"body":"failed","severity_text":"ERROR","attributes":{"exception.message":"disk full"}}"#,
            "failed: disk full",
        ),
        // Docker around zap
        (
            r#"{"log":"{\"level\":\"error\",\"msg\":\"failed\",\"error\":\"disk full\"}\n","stream":"stderr","time":"x"}"#,
            "failed: disk full",
        ),
        // The body of a provider's error
        (
            r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#,
            "Overloaded",
        ),
    ];
    for (line, expected) in texts {
        assert_eq!(text(line), expected, "{line}");
        assert!(
            Record::read(line).severity.is_some() || !line.contains("evel"),
            "{line}"
        );
    }
}

#[test]
fn statuses_and_codes_are_found_in_fields() {
    let read = Record::read(
        r#"{"msg":"x","http":{"response":{"status_code":503}},"grpc":{"code":"Unavailable"},"response_flags":"UF"}"#,
    );
    assert_eq!((read.http_status, read.grpc_status), (Some(503), Some(14)));
    assert_eq!(read.response_flags.as_deref(), Some("UF"));
    let read = Record::read(r#"{"error":{"type":"overloaded_error","code":"x y","message":"z"}}"#);
    assert_eq!(read.provider_error.as_deref(), Some("overloaded_error"));
    assert_eq!(read.provider_code, None, "a text is no code");
    assert_eq!(
        Record::read("level=info msg=done status=404").http_status,
        Some(404)
    );
}

#[test]
fn levels_of_plain_lines_are_read_where_loggers_put_them() {
    for (line, severity) in [
        (
            "2026-01-01 00:00:00,123 ERROR [main] a.B: x",
            Some(Severity::Error),
        ),
        ("2026/01/01 00:00:00 [warn] 7#7: x", Some(Severity::Warn)),
        ("[2026-01-01T00:00:00Z DEBUG a::b] x", Some(Severity::Debug)),
        ("there was an error", None),
    ] {
        assert_eq!(Record::read(line).severity, severity, "{line}");
    }
}

#[test]
fn of_several_lines_the_first_and_the_innermost_cause_are_kept() {
    let texts = [
        (
            "2026 ERROR request failed\njava.lang.RuntimeException: a\n\tat x.Y(Z.java:1)\nCaused by: java.io.IOException: b\n\tat q\nCaused by: java.net.ConnectException: Connection refused\n\t... 7 more",
            "2026 ERROR request failed: java.net.ConnectException: Connection refused",
        ),
        (
            "ERROR:root:call failed\nTraceback (most recent call last):\n  File \"a.py\", line 1, in x\n    y()\nopenai.RateLimitError: Error code: 429",
            "ERROR:root:call failed: openai.RateLimitError: Error code: 429",
        ),
        (
            "Traceback (most recent call last):\n  File \"a.py\", line 1\nTimeoutError: timed out\n\nThe above exception was the direct cause of the following exception:\n\nTraceback (most recent call last):\n  File \"b\"\napp.Failed: no answer",
            "TimeoutError: timed out",
        ),
        (
            "panic: nil map\n\ngoroutine 1 [running]:\nmain.main()\n\t/a.go:3",
            "panic: nil map",
        ),
        ("goroutine 1 [running]:\nmain.main()\npanic: late", "panic: late"),
        (
            "Error: request failed\n    at x (a.js:1:2)\n  [cause]: Error: connect ECONNREFUSED 127.0.0.1:80\n      at y {",
            "Error: request failed: Error: connect ECONNREFUSED 127.0.0.1:80",
        ),
        (
            "/app/index.js:3\n    throw new Error('x')\n    ^\n\nError: no such host\n    at z",
            "Error: no such host",
        ),
        (
            "thread 'main' panicked at src/main.rs:2:5:\nout of range\nnote: run with `RUST_BACKTRACE=1`",
            "thread 'main' panicked at src/main.rs:2:5:: out of range",
        ),
        (
            "Error: cannot start\n\nCaused by:\n    0: cannot bind\n    1: address in use",
            "Error: cannot start: address in use",
        ),
        (
            "Unhandled exception. A: b\n ---> System.Net.Sockets.SocketException (111): Connection refused\n   at c",
            "Unhandled exception. A: b: System.Net.Sockets.SocketException (111): Connection refused",
        ),
    ];
    for (record, expected) in texts {
        assert_eq!(text(record), expected);
    }
}

#[test]
fn a_line_that_was_cut_off_says_what_came_before() {
    let read = Record::read(r#"{"level":"error","msg":"no answer","stack":"a\n  at b"#);
    assert_eq!((&*read.text, read.severity), ("no answer", Some(Severity::Error)));
}

#[test]
fn a_record_is_bounded_in_bytes_and_depth() {
    assert!(text(&"é".repeat(MAX_RECORD_BYTES)).len() <= MAX_TEXT_BYTES);
    let long = format!("failed\n{}Caused by: x\n", "  at y\n".repeat(20_000));
    assert_eq!(text(&long), "failed: x");
    let deep = format!("{}1{}", "{\"error\":".repeat(500), "}".repeat(500));
    assert!(text(&deep).len() <= MAX_TEXT_BYTES);
    let nested = (0..9).fold("{\"msg\":\"x\"}".to_owned(), |inner, _| {
        format!("{{\"msg\":{}}}", serde_json::Value::from(inner))
    });
    assert!(text(&nested).contains("msg"), "not opened without end");
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { failure_persistence: None, ..Default::default() })]

    #[test]
    fn any_text_is_read(text in "(\\PC|[\\n\"'{}=: ]){0,300}") {
        let read = Record::read(&text);
        proptest::prop_assert!(read.text.len() <= MAX_TEXT_BYTES);
        proptest::prop_assert!(read.text.is_empty() || !text.trim().is_empty());
    }
}
