//! OTLP over HTTP: protobuf and JSON, plain or packed with gzip, at `/v1/metrics`, `/v1/logs` and `/v1/traces`.
//!
//! A sender that finds no room is told when to come again (`Retry-After`); by OTLP's rules it does after 429 and 503, and
//! after no other status that is given here.

use std::io::Read;
use std::net::IpAddr;
use std::sync::Arc;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::Request;
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use axum::http::{Response, StatusCode};
use axum::routing::{MethodRouter, post};
use flate2::read::MultiGzDecoder;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;
use serde::Serialize;
use tokio::time::timeout;
use tonic::transport::server::{TcpConnectInfo, TlsConnectInfo};
use tonic::{Code, Status};

use super::super::admission::Places;
use super::super::{EXPORT_TIMEOUT, MAX_EXPORT_BYTES};
use super::{Exports, Kind};
use crate::source::push::PushError;

/// Seconds after which a sender without room shall come again: the buffer holds some.
const COME_AGAIN_S: HeaderValue = HeaderValue::from_static("1");

/// How exports over HTTP are answered.
#[derive(Clone)]
pub(in super::super) struct Answers {
    pub(in super::super) exports: Arc<Exports>,
    pub(in super::super) places: Places,
}

/// The encoding of a request, and so of its answer.
#[derive(Clone, Copy)]
enum Encoding {
    Protobuf,
    Json,
}

/// Why an export is not taken.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error("{}", .0.message())]
    NotAdmitted(Status),
    #[error("the export took too long")]
    TooSlow,
    #[error("an export may have {MAX_EXPORT_BYTES} bytes, unpacked")]
    TooLong,
    #[error("send application/x-protobuf or application/json, plain or with gzip")]
    Unknown,
    #[error("the body cannot be read: {0}")]
    Malformed(String),
    #[error(transparent)]
    Push(#[from] PushError),
}

impl Refused {
    fn status(&self) -> StatusCode {
        match self {
            Self::NotAdmitted(status) => match status.code() {
                Code::Unauthenticated => StatusCode::UNAUTHORIZED,
                Code::Unavailable => StatusCode::TOO_MANY_REQUESTS,
                _ => StatusCode::FORBIDDEN,
            },
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::TooLong | Self::Push(PushError::TooLarge { .. }) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Unknown => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Malformed(_) => StatusCode::BAD_REQUEST,
            Self::Push(PushError::Full | PushError::Closed) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

/// `google.rpc.Status`, as OTLP wants errors told.
#[derive(Clone, PartialEq, Message, Serialize)]
struct Told {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
}

impl Answers {
    /// Paths and what answers them.
    pub(in super::super) fn routes(&self) -> [(&'static str, MethodRouter); 3] {
        [
            self.route::<ExportMetricsServiceRequest>(),
            self.route::<ExportLogsServiceRequest>(),
            self.route::<ExportTraceServiceRequest>(),
        ]
    }

    fn route<K: Kind>(&self) -> (&'static str, MethodRouter) {
        let answers = self.clone();
        let handle = move |request: Request| {
            let answers = answers.clone();
            async move { answers.answer::<K>(request).await }
        };
        (K::PATH, post(handle))
    }

    async fn answer<K: Kind>(&self, request: Request) -> Response<Body> {
        let encoding = Encoding::of(request.headers());
        // Judged before a byte of the body is read.
        let taken = match (
            self.places.take(request.headers(), request.extensions()),
            encoding,
        ) {
            (Err(status), _) => Err(Refused::NotAdmitted(status)),
            (_, None) => Err(Refused::Unknown),
            (Ok(_place), Some(encoding)) => {
                let taken = timeout(EXPORT_TIMEOUT, self.take::<K>(request, encoding));
                taken.await.unwrap_or(Err(Refused::TooSlow))
            }
        };
        let encoding = encoding.unwrap_or(Encoding::Json);
        match taken {
            Ok(response) => encoding.response(StatusCode::OK, &response),
            Err(refused) => {
                let status = refused.status();
                let told = Told {
                    code: i32::from(status.as_u16()),
                    message: refused.to_string(),
                };
                let mut response = encoding.response(status, &told);
                if matches!(
                    status,
                    StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
                ) {
                    response.headers_mut().insert(RETRY_AFTER, COME_AGAIN_S);
                }
                response
            }
        }
    }

    async fn take<K: Kind>(&self, request: Request, encoding: Encoding) -> Result<K::Response, Refused> {
        let is_packed = match request.headers().get(CONTENT_ENCODING).map(HeaderValue::as_bytes) {
            None | Some(b"identity") => false,
            Some(b"gzip") => true,
            Some(_) => return Err(Refused::Unknown),
        };
        let sender = sender(&request);
        let body = to_bytes(request.into_body(), MAX_EXPORT_BYTES).await;
        let mut body = body.map_err(|error| match is_too_long(&error) {
            true => Refused::TooLong,
            false => Refused::Malformed(error.to_string()),
        })?;
        if is_packed {
            body = unpacked(&body)?;
        }
        let malformed = |why: &dyn std::fmt::Display| Refused::Malformed(why.to_string());
        let export: K = match encoding {
            Encoding::Protobuf => K::decode(body).map_err(|error| malformed(&error))?,
            Encoding::Json => serde_json::from_slice(&body).map_err(|error| {
                // Its words may quote the body: only where it is wrong is told.
                malformed(&format_args!(
                    "wrong at line {} column {}",
                    error.line(),
                    error.column()
                ))
            })?,
        };
        Ok(self.exports.take(export, sender).await?)
    }
}

impl Encoding {
    fn of(headers: &HeaderMap) -> Option<Self> {
        let kind = headers.get(CONTENT_TYPE)?.to_str().ok()?;
        match kind.split(';').next().unwrap_or_default().trim() {
            "application/x-protobuf" => Some(Self::Protobuf),
            "application/json" => Some(Self::Json),
            _ => None,
        }
    }

    fn response<T: Message + Serialize>(self, status: StatusCode, told: &T) -> Response<Body> {
        let (kind, body) = match self {
            Self::Protobuf => ("application/x-protobuf", told.encode_to_vec()),
            Self::Json => ("application/json", serde_json::to_vec(told).unwrap_or_default()),
        };
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = status;
        let kind = HeaderValue::from_static(kind);
        response.headers_mut().insert(CONTENT_TYPE, kind);
        response
    }
}

fn sender(request: &Request) -> Option<IpAddr> {
    let known = request.extensions();
    let packed = known
        .get::<TlsConnectInfo<TcpConnectInfo>>()
        .map(TlsConnectInfo::get_ref);
    let info = known.get::<TcpConnectInfo>().or(packed)?;
    info.remote_addr().map(|address| address.ip())
}

fn is_too_long(error: &axum::Error) -> bool {
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        if inner.to_string() == "length limit exceeded" {
            return true;
        }
        cause = inner.source();
    }
    false
}

/// Unpacks a body, up to what an export may have: a small one may unpack to anything.
fn unpacked(body: &Bytes) -> Result<Bytes, Refused> {
    let mut bytes = Vec::new();
    let most = MAX_EXPORT_BYTES as u64;
    let read = MultiGzDecoder::new(&**body)
        .take(most + 1)
        .read_to_end(&mut bytes);
    match read {
        Ok(_) if bytes.len() as u64 > most => Err(Refused::TooLong),
        Ok(_) => Ok(bytes.into()),
        Err(error) => Err(Refused::Malformed(error.to_string())),
    }
}
