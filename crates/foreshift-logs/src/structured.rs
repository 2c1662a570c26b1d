//! Structured fields to classes: exact tables, no text.

use foreshift_domain::log::ErrorClass;

use crate::line::LogLine;

/// What the structured fields say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) class: ErrorClass,
    /// Whether the text may name a more exact class: statuses are shared by unlike failures.
    pub(crate) refinable: bool,
}

const fn exact(class: ErrorClass) -> Option<Finding> {
    Some(Finding {
        class,
        refinable: false,
    })
}

const fn rough(class: ErrorClass) -> Option<Finding> {
    Some(Finding {
        class,
        refinable: true,
    })
}

/// Looks at the fields from the most to the least exact: the provider's own code, Envoy's flags, gRPC, HTTP.
pub(crate) fn find(line: &LogLine<'_>) -> Option<Finding> {
    let words = [line.provider_code, line.provider_error];
    words
        .into_iter()
        .flatten()
        .find_map(provider_error)
        .or_else(|| line.response_flags.and_then(response_flags))
        .or_else(|| line.grpc_status.and_then(grpc_status))
        .or_else(|| line.http_status.and_then(http_status))
}

/// Error types and codes of OpenAI, Anthropic, Gemini (google.rpc.Code), Bedrock, Azure, and of databases.
fn provider_error(word: &str) -> Option<Finding> {
    // Exceptions arrive with their namespace: `openai.RateLimitError`, `com.amazonaws#ThrottlingException`.
    let word = word.rsplit(['.', '#', ':']).next().unwrap_or(word).trim();
    let known = PROVIDER_ERRORS
        .iter()
        .find(|(name, _, _)| name.eq_ignore_ascii_case(word));
    known.map(|(_, class, refinable)| Finding {
        class: *class,
        refinable: *refinable,
    })
}

/// (word, class, whether the text may refine it).
const PROVIDER_ERRORS: [(&str, ErrorClass, bool); 64] = [
    ("insufficient_quota", ErrorClass::QuotaBilling, false),
    ("billing_hard_limit_reached", ErrorClass::QuotaBilling, false),
    ("billing_not_active", ErrorClass::QuotaBilling, false),
    ("billing_error", ErrorClass::QuotaBilling, false),
    ("quota_exceeded", ErrorClass::QuotaBilling, false),
    ("QuotaExceeded", ErrorClass::QuotaBilling, false),
    ("ServiceQuotaExceededException", ErrorClass::QuotaBilling, false),
    ("access_terminated", ErrorClass::QuotaBilling, false),
    ("rate_limit_exceeded", ErrorClass::RateLimit, false),
    // Anthropic and OpenAI use these for several causes; OpenAI's 429 carries exhausted credit in the text.
    ("rate_limit_error", ErrorClass::RateLimit, true),
    ("RateLimitError", ErrorClass::RateLimit, true),
    ("RateLimitReached", ErrorClass::RateLimit, true),
    ("TooManyRequests", ErrorClass::RateLimit, true),
    ("too_many_requests", ErrorClass::RateLimit, true),
    ("TooManyRequestsException", ErrorClass::RateLimit, true),
    ("RESOURCE_EXHAUSTED", ErrorClass::RateLimit, true),
    ("ThrottlingException", ErrorClass::RateLimit, true),
    ("Throttling", ErrorClass::RateLimit, true),
    ("RequestLimitExceeded", ErrorClass::RateLimit, false),
    (
        "ProvisionedThroughputExceededException",
        ErrorClass::RateLimit,
        false,
    ),
    ("tokens_usage_based", ErrorClass::RateLimit, false),
    ("overloaded_error", ErrorClass::Overload, false),
    ("engine_overloaded", ErrorClass::Overload, false),
    ("OverloadedError", ErrorClass::Overload, false),
    ("server_overloaded", ErrorClass::Overload, false),
    ("UNAVAILABLE", ErrorClass::Overload, true),
    ("service_unavailable", ErrorClass::Overload, true),
    ("ServiceUnavailable", ErrorClass::Overload, true),
    ("ServiceUnavailableException", ErrorClass::Overload, true),
    ("ServiceUnavailableError", ErrorClass::Overload, true),
    ("ModelNotReadyException", ErrorClass::Overload, false),
    ("DEADLINE_EXCEEDED", ErrorClass::Timeout, false),
    ("timeout_error", ErrorClass::Timeout, false),
    ("APITimeoutError", ErrorClass::Timeout, false),
    ("ModelTimeoutException", ErrorClass::Timeout, false),
    ("TimeoutError", ErrorClass::Timeout, false),
    ("ETIMEDOUT", ErrorClass::Timeout, false),
    ("ECONNREFUSED", ErrorClass::ConnFail, false),
    ("EHOSTUNREACH", ErrorClass::ConnFail, false),
    ("ENETUNREACH", ErrorClass::ConnFail, false),
    ("APIConnectionError", ErrorClass::ConnFail, true),
    ("ECONNRESET", ErrorClass::ConnReset, false),
    ("EPIPE", ErrorClass::ConnReset, false),
    ("ENOTFOUND", ErrorClass::Dns, false),
    ("EAI_AGAIN", ErrorClass::Dns, false),
    ("api_error", ErrorClass::Upstream5xx, true),
    ("server_error", ErrorClass::Upstream5xx, true),
    ("InternalServerError", ErrorClass::Upstream5xx, true),
    ("InternalServerException", ErrorClass::Upstream5xx, true),
    ("ModelErrorException", ErrorClass::Upstream5xx, false),
    ("INTERNAL", ErrorClass::Upstream5xx, true),
    ("invalid_api_key", ErrorClass::Auth, false),
    ("authentication_error", ErrorClass::Auth, false),
    ("permission_error", ErrorClass::Auth, false),
    ("AccessDeniedException", ErrorClass::Auth, false),
    ("UNAUTHENTICATED", ErrorClass::Auth, false),
    ("PERMISSION_DENIED", ErrorClass::Auth, false),
    ("context_length_exceeded", ErrorClass::BadRequest, false),
    ("content_filter", ErrorClass::BadRequest, false),
    // Anthropic's exhausted credit is a 400 of this type; only the text tells.
    ("invalid_request_error", ErrorClass::BadRequest, true),
    ("INVALID_ARGUMENT", ErrorClass::BadRequest, true),
    ("ValidationException", ErrorClass::BadRequest, true),
    ("model_not_found", ErrorClass::NotFound, false),
    ("DeploymentNotFound", ErrorClass::NotFound, false),
];

/// Envoy's response flags; the first that says something. Flags of clients and of injected faults say nothing.
fn response_flags(flags: &str) -> Option<Finding> {
    flags.split([',', ' ']).find_map(|flag| match flag {
        "UF" => rough(ErrorClass::ConnFail),
        "UC" | "UR" | "LR" | "UPE" => exact(ErrorClass::ConnReset),
        "UT" | "SI" | "UMSDR" => exact(ErrorClass::Timeout),
        "UH" | "UO" | "OM" | "DO" | "UDO" => exact(ErrorClass::Overload),
        "URX" => rough(ErrorClass::Overload),
        "DF" => exact(ErrorClass::Dns),
        "RL" => exact(ErrorClass::RateLimit),
        "NR" | "NC" => exact(ErrorClass::NotFound),
        "UAEX" => exact(ErrorClass::Auth),
        "DPE" => exact(ErrorClass::BadRequest),
        "LH" => exact(ErrorClass::InstanceDown),
        _ => None,
    })
}

fn grpc_status(status: u16) -> Option<Finding> {
    match status {
        3 | 9 | 11 => exact(ErrorClass::BadRequest),
        4 => exact(ErrorClass::Timeout),
        5 => exact(ErrorClass::NotFound),
        7 | 16 => exact(ErrorClass::Auth),
        8 => rough(ErrorClass::RateLimit),
        14 => rough(ErrorClass::ConnFail),
        2 | 13 | 15 => rough(ErrorClass::Upstream5xx),
        _ => None,
    }
}

/// A good answer is a finding too: words in a line about it (a path, a counter of earlier failures) say nothing.
fn http_status(status: u16) -> Option<Finding> {
    match status {
        0 => rough(ErrorClass::ConnFail),
        100..=399 => exact(ErrorClass::None),
        401 | 403 => rough(ErrorClass::Auth),
        402 => exact(ErrorClass::QuotaBilling),
        404 | 410 => exact(ErrorClass::NotFound),
        408 | 504 => rough(ErrorClass::Timeout),
        429 => rough(ErrorClass::RateLimit),
        // The client went away.
        499 => exact(ErrorClass::None),
        400..=498 => rough(ErrorClass::BadRequest),
        503 => rough(ErrorClass::Overload),
        529 => exact(ErrorClass::Overload),
        500..=599 => rough(ErrorClass::Upstream5xx),
        _ => None,
    }
}

/// Whether a phrase's class may replace a rough finding. A status that blames the request is only ever
/// corrected to exhausted credit: a prompt quoted in an error body may contain any words.
pub(crate) fn refines(found: ErrorClass, phrase: ErrorClass) -> bool {
    match found {
        ErrorClass::BadRequest | ErrorClass::RateLimit | ErrorClass::Auth => {
            phrase == ErrorClass::QuotaBilling
        }
        _ => !matches!(phrase, ErrorClass::None | ErrorClass::Upstream5xx),
    }
}
