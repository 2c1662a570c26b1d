//! Envoy's admin endpoint, asked over plain HTTP.

use std::time::Duration;

use http_body_util::{BodyExt, Empty, LengthLimitError, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::HOST;
use hyper::{Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::dump::Dump;

/// The longest dump that is read, in bytes: tens of thousands of routes and endpoints.
const MAX_DUMP_BYTES: usize = 256 << 20;
/// How long an answer may take; Envoy writes a large dump on its main thread in some seconds.
const PATIENCE: Duration = Duration::from_secs(30);
/// What holds all that is looked at; without endpoints Envoy leaves out where they are.
const PATH: &str = "/config_dump?include_eds";

/// Why Envoy's configuration is not known.
#[derive(Debug, thiserror::Error)]
pub(super) enum AdminError {
    /// Not an address that can be asked.
    #[error("`{url}` is no address of an admin endpoint; write it as http://127.0.0.1:9901")]
    Address { url: String },
    /// Nobody listens there.
    #[error(
        "nobody answers at {address}: {source}; is Envoy's `admin.address` this one, and reachable from here?"
    )]
    Unreachable { address: String, source: std::io::Error },
    /// The answer broke off, or is no HTTP.
    #[error("{address} does not answer as an admin endpoint does: {source}")]
    Broken { address: String, source: hyper::Error },
    /// Not in time.
    #[error("{address} did not answer within {PATIENCE:?}")]
    Late { address: String },
    /// Another status than 200.
    #[error(
        "{address}{PATH} answers with status {status}; is this Envoy's admin endpoint, or one of its listeners?"
    )]
    Status { address: String, status: StatusCode },
    /// Longer than is read.
    #[error("the configuration at {address} is longer than {MAX_DUMP_BYTES} bytes")]
    TooLong { address: String },
    /// No dump of Envoy.
    #[error("what {address}{PATH} answers is no configuration of an Envoy: {source}")]
    NotEnvoy {
        address: String,
        source: serde_json::Error,
    },
}

/// Reads the configuration that an Envoy has now.
pub(super) async fn config_dump(url: &str) -> Result<Dump, AdminError> {
    let wrong = || AdminError::Address { url: url.to_owned() };
    let uri: Uri = url.trim_end_matches('/').parse().map_err(|_| wrong())?;
    let host = uri.host().ok_or_else(wrong)?;
    let is_plain = uri.scheme_str().is_none_or(|scheme| scheme == "http");
    if !is_plain || !matches!(uri.path(), "" | "/") {
        return Err(wrong());
    }
    let address = format!("{host}:{}", uri.port_u16().unwrap_or(80));
    match tokio::time::timeout(PATIENCE, ask(&address)).await {
        Ok(dump) => dump,
        Err(_) => Err(AdminError::Late { address }),
    }
}

async fn ask(address: &str) -> Result<Dump, AdminError> {
    let own = || address.to_owned();
    let broken = |source| AdminError::Broken {
        address: own(),
        source,
    };
    let stream = TcpStream::connect(address)
        .await
        .map_err(|source| AdminError::Unreachable {
            address: own(),
            source,
        })?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
    // Ends with the connection, which ends with the sender.
    tokio::spawn(connection);
    let mut request = Request::new(Empty::<Bytes>::new());
    *request.uri_mut() = Uri::from_static(PATH);
    if let Ok(host) = address.parse() {
        request.headers_mut().insert(HOST, host);
    }
    let response = sender.send_request(request).await.map_err(broken)?;
    if response.status() != StatusCode::OK {
        return Err(AdminError::Status {
            address: own(),
            status: response.status(),
        });
    }
    let body = Limited::new(response.into_body(), MAX_DUMP_BYTES).collect().await;
    let bytes = match body {
        Ok(body) => body.to_bytes(),
        Err(error) => {
            return Err(match error.downcast::<hyper::Error>() {
                Ok(source) => broken(*source),
                Err(other) => {
                    debug_assert!(other.is::<LengthLimitError>());
                    AdminError::TooLong { address: own() }
                }
            });
        }
    };
    serde_json::from_slice(&bytes).map_err(|source| AdminError::NotEnvoy {
        address: own(),
        source,
    })
}
