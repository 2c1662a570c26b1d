//! What a client is told at its start.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity};

/// A silent server is asked for a sign of life this often.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(20);
/// Without an answer to that for this long, the connection is given up.
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);

/// Tells the time. Weights are valid until a time by Foreshift's clock: it and this one should agree to a second or so.
pub type Clock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// Whom to ask, and for which routes.
#[derive(Clone)]
pub struct Config {
    /// `listen.grpc` of Foreshift, such as `http://127.0.0.1:7400` or `https://foreshift.example:7400`.
    pub server: String,
    /// How this client is named in `foreshift status`; empty for the name that its credentials have.
    pub gateway: String,
    /// Bearer token, where Foreshift has a `peers_file`.
    pub token: Option<String>,
    /// PEM of the authority that signed the server's certificate; `None` where the address is `http`.
    pub server_ca: Option<String>,
    /// PEM of a client certificate and of its key.
    pub identity: Option<(String, String)>,
    /// The longest that connecting or a report may take.
    pub timeout: Duration,
    /// How long to wait before connecting again.
    pub backoff: Backoff,
    /// Tells the time.
    pub clock: Clock,
    pub(crate) routes: Vec<(String, Vec<(String, u32)>)>,
}

/// The wait before connecting again doubles from `first` to `most`, and begins anew after a connection that served. A random
/// part of up to half is left out, so that clients do not come all at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The first wait.
    pub first: Duration,
    /// The longest wait.
    pub most: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            first: Duration::from_millis(200),
            most: Duration::from_secs(10),
        }
    }
}

impl Config {
    /// A client of this server, without credentials.
    pub fn new(server: impl Into<String>) -> Self {
        Self {
            server: server.into(),
            gateway: String::new(),
            token: None,
            server_ca: None,
            identity: None,
            timeout: Duration::from_secs(5),
            backoff: Backoff::default(),
            clock: Arc::new(SystemTime::now),
            routes: Vec::new(),
        }
    }

    /// Adds a route with its targets and their shares, in any unit: what holds when Foreshift's weights do not.
    #[must_use]
    pub fn route<T: Into<String>>(
        mut self,
        name: impl Into<String>,
        baseline: impl IntoIterator<Item = (T, u32)>,
    ) -> Self {
        let baseline = baseline.into_iter();
        let targets = baseline.map(|(target, share)| (target.into(), share)).collect();
        self.routes.push((name.into(), targets));
        self
    }

    pub(crate) fn endpoint(&self) -> Result<Endpoint, ConfigError> {
        let endpoint = Endpoint::from_shared(self.server.clone())
            .map_err(|source| ConfigError::Server {
                server: self.server.clone(),
                source,
            })?
            .connect_timeout(self.timeout)
            .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
            .keep_alive_timeout(KEEPALIVE_TIMEOUT)
            .keep_alive_while_idle(true);
        if !self.server.starts_with("https:") {
            return Ok(endpoint);
        }
        let mut tls = ClientTlsConfig::new();
        if let Some(authority) = &self.server_ca {
            tls = tls.ca_certificate(Certificate::from_pem(authority));
        }
        if let Some((certificate, key)) = &self.identity {
            tls = tls.identity(Identity::from_pem(certificate, key));
        }
        endpoint
            .tls_config(tls)
            .map_err(|source| ConfigError::Tls { source })
    }

    pub(crate) fn authorization(&self) -> Result<Option<MetadataValue<Ascii>>, ConfigError> {
        let Some(token) = &self.token else { return Ok(None) };
        let mut value: MetadataValue<Ascii> = format!("Bearer {token}")
            .parse()
            .map_err(|_| ConfigError::Token)?;
        value.set_sensitive(true);
        Ok(Some(value))
    }
}

/// A configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The address is none.
    #[error("{server:?} is no address of a server")]
    Server {
        /// What was given.
        server: String,
        /// Why.
        #[source]
        source: tonic::transport::Error,
    },
    /// Certificates cannot be used.
    #[error("tls cannot be set up")]
    Tls {
        /// Why.
        #[source]
        source: tonic::transport::Error,
    },
    /// The token holds characters that no header may hold.
    #[error("the token holds characters that no header may hold")]
    Token,
    /// There is nothing to watch.
    #[error("there is no route")]
    NoRoute,
    /// A route is there twice.
    #[error("the route {route:?} is there twice")]
    RouteTwice {
        /// Its name.
        route: String,
    },
    /// A target is there twice in a route.
    #[error("the target {target:?} of route {route:?} is there twice")]
    TargetTwice {
        /// The route.
        route: String,
        /// The target.
        target: String,
    },
    /// The shares of a route are all 0, or their sum is too great.
    #[error("the shares of route {route:?} must sum to 1 at least and 4,294,967,295 at most")]
    Shares {
        /// The route.
        route: String,
    },
    /// Watching needs a runtime.
    #[error("a client starts inside of a tokio runtime only")]
    NoRuntime,
}
