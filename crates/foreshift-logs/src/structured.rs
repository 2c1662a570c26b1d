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

impl Finding {
    /// Whether it only blames the request, as providers do for many reasons: a status says more.
    pub(crate) fn blames_request(self) -> bool {
        self.refinable && self.class == ErrorClass::BadRequest
    }
}

pub(crate) const fn exact(class: ErrorClass) -> Option<Finding> {
    Some(Finding {
        class,
        refinable: false,
    })
}

pub(crate) const fn rough(class: ErrorClass) -> Option<Finding> {
    Some(Finding {
        class,
        refinable: true,
    })
}

/// Looks at the fields from the most to the least exact: the provider's own code, Envoy's flags, gRPC, and last
/// HTTP, behind what the text itself gives away: a 200 may carry all the others.
pub(crate) fn find(line: &LogLine<'_>, inside: Option<Finding>) -> Option<Finding> {
    let words = [line.provider_code, line.provider_error];
    words
        .into_iter()
        .flatten()
        .find_map(provider_error)
        .or_else(|| line.response_flags.and_then(response_flags))
        .or_else(|| line.grpc_status.and_then(grpc_status))
        .or(inside.filter(|inside| line.http_status.is_none() || !inside.blames_request()))
        .or_else(|| line.http_status.and_then(http_status))
}

/// Error types and codes of OpenAI, Anthropic, Gemini (google.rpc.Code), Bedrock, Azure, and of databases.
pub(crate) fn provider_error(word: &str) -> Option<Finding> {
    // Exceptions arrive with their namespace: `openai.RateLimitError`, `com.amazonaws#ThrottlingException`.
    let word = word.rsplit(['.', '#', ':']).next().unwrap_or(word).trim();
    let of = |table: &'static [(ErrorClass, &[&str])]| {
        let known = |names: &[&str]| names.iter().any(|name| name.eq_ignore_ascii_case(word));
        table
            .iter()
            .find(|(_, names)| known(names))
            .map(|(class, _)| *class)
    };
    of(&EXACT).and_then(exact).or_else(|| of(&ROUGH).and_then(rough))
}

/// Words with one meaning.
const EXACT: [(ErrorClass, &[&str]); 11] = [
    (
        ErrorClass::QuotaBilling,
        &[
            "insufficient_quota",
            "InsufficientQuota",
            "billing_hard_limit_reached",
            "billing_not_active",
            "billing_error",
            "quota_exceeded",
            "QuotaExceeded",
            "QuotaExceededException",
            "ServiceQuotaExceededException",
            "access_terminated",
            "BudgetExceededError",
            "budget_exceeded",
            "ExceededBudget",
            "BILLING_DISABLED",
            "account_deactivated",
        ],
    ),
    (
        ErrorClass::RateLimit,
        &[
            "rate_limit_exceeded",
            "rateLimitExceeded",
            "userRateLimitExceeded",
            "RATE_LIMIT_EXCEEDED",
            "RequestLimitExceeded",
            "ThrottlingQuotaExceededException",
            "ProvisionedThroughputExceededException",
            "tokens_usage_based",
            "SlowDown",
            "RequestThrottled",
            "ThrottledException",
            "RequestThrottledException",
        ],
    ),
    (
        ErrorClass::Overload,
        &[
            "overloaded_error",
            "engine_overloaded",
            "OverloadedError",
            "server_overloaded",
            "ModelNotReadyException",
            "CallNotPermittedException",
            "BrokenCircuitException",
            "CircuitBreakerOpenException",
            "circuit_breaking_exception",
            "es_rejected_execution_exception",
        ],
    ),
    (
        ErrorClass::Timeout,
        &[
            "timeout_error",
            "APITimeoutError",
            "ModelTimeoutException",
            "ETIMEDOUT",
        ],
    ),
    (
        ErrorClass::ConnFail,
        &["ECONNREFUSED", "EHOSTUNREACH", "ENETUNREACH"],
    ),
    (ErrorClass::ConnReset, &["ECONNRESET", "EPIPE"]),
    (ErrorClass::Dns, &["ENOTFOUND", "EAI_AGAIN"]),
    (ErrorClass::Upstream5xx, &["ModelErrorException"]),
    (
        ErrorClass::Auth,
        &[
            "invalid_api_key",
            "API_KEY_INVALID",
            "authentication_error",
            "AuthenticationError",
            "permission_error",
            "AccessDeniedException",
            "UNAUTHENTICATED",
            "PERMISSION_DENIED",
            "UnrecognizedClientException",
            "InvalidSignatureException",
            "SignatureDoesNotMatch",
            "InvalidAccessKeyId",
            "InvalidClientTokenId",
            "ExpiredTokenException",
            "ExpiredToken",
            "MissingAuthenticationToken",
            "invalid_grant",
            "PermissionDeniedError",
        ],
    ),
    (
        ErrorClass::BadRequest,
        &[
            "context_length_exceeded",
            "ContextWindowExceededError",
            "content_filter",
            "ContentPolicyViolationError",
            "content_policy_violation",
            "ResponsibleAIPolicyViolation",
            "request_too_large",
            "string_above_max_length",
            "UnsupportedParamsError",
            "UnprocessableEntityError",
            "RequestValidationError",
            "invalid_function_parameters",
        ],
    ),
    (
        ErrorClass::NotFound,
        &[
            "model_not_found",
            "DeploymentNotFound",
            "not_found_error",
            "NotFoundError",
            "ResourceNotFoundException",
            "NoSuchKey",
            "NoSuchBucket",
        ],
    ),
];

/// Words that stand for several causes, or for whatever a library wraps: the text may name a more exact one.
/// OpenAI's 429 carries exhausted credit in the text, Anthropic's exhausted credit is a 400.
const ROUGH: [(ErrorClass, &[&str]); 6] = [
    (
        ErrorClass::RateLimit,
        &[
            "rate_limit_error",
            "RateLimitError",
            "RateLimitReached",
            "TooManyRequests",
            "too_many_requests",
            "TooManyRequestsException",
            "TooManyRequestsError",
            "RESOURCE_EXHAUSTED",
            "ResourceExhausted",
            "ThrottlingException",
            "ThrottlingError",
            "Throttling",
        ],
    ),
    (
        ErrorClass::Overload,
        &[
            "UNAVAILABLE",
            "service_unavailable",
            "ServiceUnavailable",
            "ServiceUnavailableException",
            "ServiceUnavailableError",
        ],
    ),
    (
        ErrorClass::Timeout,
        &[
            "DEADLINE_EXCEEDED",
            "DeadlineExceeded",
            "TimeoutError",
            "RequestTimeout",
            "RequestTimeoutException",
            "GatewayTimeout",
        ],
    ),
    (ErrorClass::ConnFail, &["APIConnectionError"]),
    (
        ErrorClass::Upstream5xx,
        &[
            "api_error",
            "server_error",
            "InternalServerError",
            "InternalServerException",
            "InternalFailure",
            "InternalError",
            "INTERNAL",
            "internal_server_error",
        ],
    ),
    (
        ErrorClass::BadRequest,
        &[
            "invalid_request_error",
            "INVALID_ARGUMENT",
            "ValidationException",
            "BadRequestError",
            "InvalidRequestError",
        ],
    ),
];

/// Envoy's response flags; the first that says something. Flags of clients and of injected faults say nothing.
pub(crate) fn response_flags(flags: &str) -> Option<Finding> {
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

pub(crate) fn grpc_status(status: u16) -> Option<Finding> {
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
pub(crate) fn http_status(status: u16) -> Option<Finding> {
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
/// corrected to exhausted credit or a refused key: a prompt quoted in an error body may contain any words.
pub(crate) fn refines(found: ErrorClass, phrase: ErrorClass) -> bool {
    use ErrorClass as Class;
    match found {
        Class::BadRequest => matches!(phrase, Class::QuotaBilling | Class::Auth),
        Class::RateLimit => matches!(
            phrase,
            Class::QuotaBilling | Class::Overload | Class::Oom | Class::PoolExhausted | Class::BadRequest
        ),
        Class::Auth => matches!(phrase, Class::QuotaBilling | Class::RateLimit),
        _ => !matches!(
            phrase,
            Class::None | Class::Upstream5xx | Class::BadRequest | Class::NotFound
        ),
    }
}

#[cfg(test)]
mod tests;
