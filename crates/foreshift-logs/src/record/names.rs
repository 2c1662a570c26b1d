//! The names that loggers give to fields, and words for levels and statuses.

use crate::line::Severity;

/// What a field is. Of several for one purpose the lower rank counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    Message(u8),
    Error(u8),
    Severity,
    HttpStatus,
    GrpcStatus,
    Flags,
    ErrorType,
    ErrorCode,
}

/// What a field of that name is; the name in lower case, `outer.inner` where it lies in another.
pub(super) fn known(name: &str) -> Option<Known> {
    Some(match name {
        "message" => Known::Message(0),
        "msg" => Known::Message(1),
        "event" | "short_message" | "@m" | "textpayload" => Known::Message(2),
        "log" | "body" | "@mt" | "text" | "desc" | "description" | "detail" => Known::Message(3),
        "error.message" | "err.message" | "exception.message" | "thrown.message" | "error_message"
        | "errormessage" | "exception_message" | "error.msg" => Known::Error(0),
        "error" | "err" | "exception" | "exc_info" | "@x" | "cause" | "reason" | "error.error" => {
            Known::Error(1)
        }
        "error.stack_trace"
        | "error.stack"
        | "err.stack"
        | "exception.stacktrace"
        | "stack_trace"
        | "stacktrace"
        | "stack"
        | "thrown.extendedstacktrace"
        | "error.cause" => Known::Error(2),
        "level" | "lvl" | "severity" | "levelname" | "log.level" | "loglevel" | "log_level"
        | "severity_text" | "severitytext" | "@l" | "@level" | "priority" => Known::Severity,
        "status"
        | "status_code"
        | "statuscode"
        | "http.response.status_code"
        | "http.status_code"
        | "http_status"
        | "http.status"
        | "response_code"
        | "responsecode"
        | "response.status"
        | "response.status_code"
        | "response.statuscode"
        | "res.statuscode"
        | "res.status"
        | "httprequest.status"
        | "error.status"
        | "error.status_code"
        | "error.statuscode"
        | "err.status"
        | "err.statuscode"
        | "err.status_code" => Known::HttpStatus,
        "grpc.code"
        | "grpc_code"
        | "grpc_status"
        | "grpc.status"
        | "grpc.status_code"
        | "grpc_status_code"
        | "rpc.grpc.status_code" => Known::GrpcStatus,
        "response_flags" | "responseflags" => Known::Flags,
        "error.type" | "err.type" | "exception.type" | "exception.class" | "error_type" | "errortype"
        | "error.name" | "err.name" | "thrown.name" | "exception_class" | "exc_type" => Known::ErrorType,
        "error.code" | "err.code" | "error_code" | "errorcode" | "code" | "errno" | "exception.code" => {
            Known::ErrorCode
        }
        _ => return None,
    })
}

/// What lies in a field of that name; `None` when nothing known does.
pub(super) fn container(name: &str) -> Option<Container> {
    match name {
        "fields" | "attributes" | "attrs" | "jsonpayload" | "context" | "ctx" | "extra" | "body"
        | "detail" => Some(Container::Transparent),
        "error" | "err" | "exception" | "thrown" | "log" | "http" | "http.response" | "response" | "res"
        | "httprequest" | "grpc" | "rpc" | "rpc.grpc" => Some(Container::Named),
        _ => None,
    }
}

/// How the fields in a field are called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Container {
    /// As if they lay outside.
    Transparent,
    /// With its name before theirs.
    Named,
}

/// A level, in words or as pino and bunyan count them.
pub(super) fn severity(text: &str) -> Option<Severity> {
    match text.trim().parse::<u32>() {
        Ok(10..=20) => Some(Severity::Debug),
        Ok(21..=30) => Some(Severity::Info),
        Ok(31..=40) => Some(Severity::Warn),
        Ok(41..=50) => Some(Severity::Error),
        Ok(51..=60) => Some(Severity::Fatal),
        Ok(_) => None,
        Err(_) => Severity::parse(text),
    }
}

/// A gRPC status, by number or by name in any spelling.
pub(super) fn grpc_status(text: &str) -> Option<u16> {
    const NAMES: [&str; 17] = [
        "ok",
        "cancelled",
        "unknown",
        "invalidargument",
        "deadlineexceeded",
        "notfound",
        "alreadyexists",
        "permissiondenied",
        "resourceexhausted",
        "failedprecondition",
        "aborted",
        "outofrange",
        "unimplemented",
        "internal",
        "unavailable",
        "dataloss",
        "unauthenticated",
    ];
    let text = text.trim();
    if let Ok(number) = text.parse::<u16>() {
        return Some(number).filter(|number| usize::from(*number) < NAMES.len());
    }
    let same = |name: &str| {
        let letters = text.bytes().filter(|byte| *byte != b'_');
        letters.map(|byte| byte.to_ascii_lowercase()).eq(name.bytes())
    };
    let place = NAMES.iter().position(|name| same(name))?;
    u16::try_from(place).ok()
}
