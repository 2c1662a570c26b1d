use super::*;

fn verdict(line: &LogLine<'_>) -> Verdict {
    Classifier::shipped()
        .expect("the built-in model is read")
        .class(line)
}

fn class(message: &str, http_status: Option<u16>) -> ErrorClass {
    verdict(&LogLine {
        message,
        http_status,
        ..LogLine::default()
    })
    .class
}

#[test]
fn a_429_of_openai_is_a_rate_or_a_bill_by_its_code() {
    let quota = r#"Error code: 429 - {'error': {'message': 'You exceeded your current quota, please check your plan and billing details.', 'type': 'insufficient_quota', 'param': None, 'code': 'insufficient_quota'}}"#;
    assert_eq!(class(quota, None), ErrorClass::QuotaBilling);
    assert_eq!(class(quota, Some(429)), ErrorClass::QuotaBilling);
    let rate = r#"Error code: 429 - {'error': {'message': 'Rate limit reached for gpt-4o', 'type': 'tokens', 'code': 'rate_limit_exceeded'}}"#;
    assert_eq!(class(rate, None), ErrorClass::RateLimit);
    let overloaded = "That model is currently overloaded with other requests.";
    assert_eq!(class(overloaded, Some(429)), ErrorClass::Overload);
}

#[test]
fn a_bill_of_anthropic_is_a_400_of_an_invalid_request() {
    let body = r#"{"type":"error","error":{"type":"invalid_request_error","message":"Your credit balance is too low to access the Anthropic API."}}"#;
    assert_eq!(class(body, None), ErrorClass::QuotaBilling);
    assert_eq!(class(body, Some(400)), ErrorClass::QuotaBilling);
    let long = r#"{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 212212 tokens > 200000 maximum"}}"#;
    assert_eq!(class(long, Some(400)), ErrorClass::BadRequest);
}

#[test]
fn no_deployment_left_at_litellm_is_overload_though_it_says_429() {
    let line = "litellm.types.router.RouterRateLimitError: No deployments available for selected model, Try again in 5 seconds.";
    assert_eq!(class(line, None), ErrorClass::Overload);
    assert_eq!(class(line, Some(429)), ErrorClass::Overload);
}

#[test]
fn a_200_with_a_flag_of_envoy_or_an_error_in_its_stream_is_no_good_answer() {
    let flag = "[2024-05-01T10:03:05.123Z] \"POST /g.S/M HTTP/2\" 200 UH no_healthy_upstream - \"-\" 12 0 0";
    assert_eq!(class(flag, None), ErrorClass::Overload);
    assert_eq!(class(flag, Some(200)), ErrorClass::Overload);
    let stream =
        r#"event: error data: {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#;
    assert_eq!(class(stream, Some(200)), ErrorClass::Overload);
}

#[test]
fn a_wrong_key_of_gemini_is_no_bad_request_though_it_says_400() {
    let body = r#"{"error":{"code":400,"message":"API key not valid. Please pass a valid API key.","status":"INVALID_ARGUMENT","details":[{"reason":"API_KEY_INVALID"}]}}"#;
    assert_eq!(class(body, None), ErrorClass::Auth);
    assert_eq!(class(body, Some(400)), ErrorClass::Auth);
}

#[test]
fn a_status_beside_an_unspecific_error_type_says_more() {
    let body =
        r#"{"error":{"message":"No assistant found with id 'asst_1'.","type":"invalid_request_error"}}"#;
    assert_eq!(class(body, Some(404)), ErrorClass::NotFound);
    assert_eq!(class(body, None), ErrorClass::BadRequest);
}

#[test]
fn what_is_over_or_was_only_set_says_nothing() {
    for line in [
        "retry succeeded after 2 attempts (503 Service Unavailable)",
        "sync finished: 1200 read, 0 failed, 3 skipped",
        "reconnected to redis after connection reset by peer",
        "request timeout set to 30s",
        "HikariPool-1 - Start completed.",
        "Server app/web1 is UP, reason: Layer7 check passed, code: 200",
        "circuit breaker closed",
    ] {
        assert_eq!(class(line, None), ErrorClass::None, "{line}");
    }
}

#[test]
fn numbers_hosts_and_ids_do_not_change_a_verdict() {
    let said = |host: &str, id: &str, number: u32| {
        let message = format!("frobnicate {id} on {host}: peer vanished while reading, retry {number} of 9");
        verdict(&LogLine {
            message: &message,
            ..LogLine::default()
        })
    };
    assert_eq!(
        said("10.0.0.1:80", "4f9a11aa", 1),
        said("192.168.44.2:8443", "77bb0c1d", 8)
    );
}

#[test]
fn a_text_without_evidence_is_declined_or_harmless_and_says_by_what() {
    let blank = verdict(&LogLine::default());
    assert_eq!((blank.class, blank.by), (ErrorClass::None, Source::Structured));
    let strange = verdict(&LogLine {
        message: "qwxz vbnk plmj",
        ..LogLine::default()
    });
    assert!(matches!(strange.by, Source::Model | Source::Rejected));
    assert!((0.0..=1.0).contains(&strange.confidence));
}

proptest::proptest! {
    #[test]
    fn any_line_has_a_verdict(message in "\\PC{0,300}", status in proptest::option::of(0u16..)) {
        let verdict = verdict(&LogLine { message: &message, http_status: status, ..LogLine::default() });
        proptest::prop_assert!((0.0..=1.0).contains(&verdict.confidence));
    }
}

#[test]
fn a_probe_that_was_refused_is_an_instance_down_and_a_restart_for_memory_is_memory() {
    let probe =
        "Readiness probe failed: Get \"http://10.1.2.3/\": dial tcp 10.1.2.3:80: connect: connection refused";
    assert_eq!(class(probe, None), ErrorClass::InstanceDown);
    let restart = "Back-off restarting failed container app in pod shop-1 (OOMKilled)";
    assert_eq!(class(restart, None), ErrorClass::Oom);
}
