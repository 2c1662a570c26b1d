use super::*;
use crate::classify::Classifier;
use crate::{MAX_LINE_BYTES, Severity};

fn class_of(line: &LogLine<'_>) -> ErrorClass {
    let classifier = Classifier::shipped().expect("the model is whole");
    classifier.class(line).class
}

fn class_of_text(message: &str) -> ErrorClass {
    class_of(&LogLine {
        message,
        ..LogLine::default()
    })
}

#[test]
fn a_429_for_exhausted_credit_is_billing_and_a_plain_one_is_a_rate_limit() {
    let message = "You exceeded your current quota, please check your plan and billing details.";
    let quota = LogLine {
        message,
        http_status: Some(429),
        ..LogLine::default()
    };
    assert_eq!(class_of(&quota), ErrorClass::QuotaBilling);
    let rate = LogLine {
        message: "slow down",
        ..quota
    };
    assert_eq!(class_of(&rate), ErrorClass::RateLimit);
    let code = LogLine {
        message: "",
        provider_code: Some("insufficient_quota"),
        ..quota
    };
    assert_eq!(class_of(&code), ErrorClass::QuotaBilling);
}

#[test]
fn a_400_for_exhausted_credit_is_billing() {
    let line = LogLine {
        message: "Your credit balance is too low to access the Anthropic API.",
        http_status: Some(400),
        provider_error: Some("invalid_request_error"),
        ..LogLine::default()
    };
    assert_eq!(class_of(&line), ErrorClass::QuotaBilling);
}

#[test]
fn a_prompt_quoted_in_a_refusal_is_no_failure_of_the_provider() {
    let line = LogLine {
        message: "invalid prompt: explain what 'connection refused' means",
        http_status: Some(400),
        ..LogLine::default()
    };
    assert_eq!(class_of(&line), ErrorClass::BadRequest);
}

#[test]
fn words_in_a_line_about_a_good_answer_say_nothing() {
    let line = LogLine {
        message: "GET /docs/connection-refused timed out 0.2s",
        http_status: Some(200),
        ..LogLine::default()
    };
    assert_eq!(class_of(&line), ErrorClass::None);
}

#[test]
fn a_grpc_failure_within_an_http_200_counts() {
    let line = LogLine {
        http_status: Some(200),
        grpc_status: Some(14),
        ..LogLine::default()
    };
    assert_eq!(class_of(&line), ErrorClass::ConnFail);
}

#[test]
fn flags_of_envoy_tell_apart_what_a_503_does_not() {
    for (flags, class) in [
        ("UF", ErrorClass::ConnFail),
        ("UC", ErrorClass::ConnReset),
        ("UT", ErrorClass::Timeout),
        ("UO", ErrorClass::Overload),
        ("UF,URX", ErrorClass::ConnFail),
        ("DF", ErrorClass::Dns),
    ] {
        let line = LogLine {
            http_status: Some(503),
            response_flags: Some(flags),
            ..LogLine::default()
        };
        assert_eq!(class_of(&line), class, "{flags}");
    }
}

#[test]
fn flags_about_the_client_leave_it_to_the_status() {
    let line = LogLine {
        http_status: Some(0),
        response_flags: Some("DC"),
        ..LogLine::default()
    };
    assert_eq!(class_of(&line), ErrorClass::ConnFail);
}

#[test]
fn exceptions_are_known_with_their_namespace_and_in_any_case() {
    for word in [
        "openai.RateLimitError",
        "com.amazonaws.bedrock#ThrottlingException",
        "rate_limit_error",
    ] {
        let line = LogLine {
            provider_error: Some(word),
            ..LogLine::default()
        };
        assert_eq!(class_of(&line), ErrorClass::RateLimit, "{word}");
    }
}

#[test]
fn phrases_of_real_systems_have_their_class() {
    for (text, class) in [
        (
            "dial tcp 10.0.0.1:5432: connect: connection refused",
            ErrorClass::ConnFail,
        ),
        (
            "dial tcp: lookup db on 10.96.0.10:53: no such host",
            ErrorClass::Dns,
        ),
        (
            "Readiness probe failed: Get \"http://10.1.2.3/\": connection refused",
            ErrorClass::InstanceDown,
        ),
        (
            "FATAL:  sorry, too many clients already",
            ErrorClass::PoolExhausted,
        ),
        (
            "upstream prematurely closed connection while reading response header",
            ErrorClass::ConnReset,
        ),
        (
            "upstream timed out (110: Connection timed out) while connecting to upstream",
            ErrorClass::Timeout,
        ),
        (
            "no live upstreams while connecting to upstream",
            ErrorClass::Overload,
        ),
        ("java.lang.OutOfMemoryError: Java heap space", ErrorClass::Oom),
        ("write /var/lib/x: no space left on device", ErrorClass::DiskFd),
        (
            "READONLY You can't write against a read only replica.",
            ErrorClass::StoreRole,
        ),
        (
            "x509: certificate has expired or is not yet valid",
            ErrorClass::Tls,
        ),
        ("context deadline exceeded", ErrorClass::Timeout),
        (
            "This model's maximum context length is 8192 tokens",
            ErrorClass::BadRequest,
        ),
        (
            "upstream connect error or disconnect/reset before headers. reset reason: connection failure",
            ErrorClass::ConnFail,
        ),
        (
            "upstream connect error or disconnect/reset before headers. reset reason: connection termination",
            ErrorClass::ConnReset,
        ),
        ("nginx: [emerg] unknown directive \"foo\"", ErrorClass::Config),
        ("listening on 0.0.0.0:8080", ErrorClass::None),
        ("", ErrorClass::None),
    ] {
        assert_eq!(class_of_text(text), class, "{text}");
    }
}

#[test]
fn a_line_for_developers_has_no_class() {
    let line = LogLine {
        message: "retrying: connection refused",
        severity: Some(Severity::Debug),
        ..LogLine::default()
    };
    assert_eq!(class_of(&line), ErrorClass::None);
}

#[test]
fn a_phrase_behind_the_bound_is_not_read() {
    let message = format!("{}connection refused", " ".repeat(MAX_LINE_BYTES));
    assert_eq!(class_of_text(&message), ErrorClass::None);
}

proptest::proptest! {
    #[test]
    fn any_line_is_read(message in "\\PC{0,300}", http in proptest::option::of(0u16..), grpc in proptest::option::of(0u16..)) {
        let line = LogLine { message: &message, http_status: http, grpc_status: grpc, ..LogLine::default() };
        proptest::prop_assert_eq!(class_of(&line), class_of(&line));
    }
}
