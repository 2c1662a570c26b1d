//! A thin client of these services, in the domain's words: for the command line and for tests.

use std::collections::VecDeque;
use std::time::Duration;

use foreshift_domain::command::{Action, CommandDone, CommandRefused};
use foreshift_domain::prediction::{Explanation, Prediction};
use foreshift_domain::published::{LogSummary, Published};
use foreshift_domain::weights::{RouteWeights, Version};
use foreshift_domain::{Applied, RouteName, TargetName, Timestamp};
use foreshift_proto::command::OperatorCall;
use foreshift_proto::v1::operator_service_client::OperatorServiceClient;
use foreshift_proto::v1::prediction_service_client::PredictionServiceClient;
use foreshift_proto::v1::route_weight_service_client::RouteWeightServiceClient;
use foreshift_proto::v1::status_service_client::StatusServiceClient;
use foreshift_proto::{StatusMerge, WireError, v1};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Request, Status, Streaming};

use crate::operator::REFUSED_METADATA;

/// The largest message taken from a server, in bytes: 500 routes with many targets each.
const MAX_ANSWER_BYTES: usize = 64 << 20;

/// A silent server is asked for a sign of life this often, streams included.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(20);

/// Without an answer to that for this long, the connection is given up.
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);

/// The newest prediction of a target, and what is known beside it.
#[derive(Clone, Debug, PartialEq)]
pub struct Explained {
    /// The prediction.
    pub prediction: Prediction,
    /// Why, for each horizon; empty where no explanation was made.
    pub explanations: Vec<Explanation>,
    /// What log lines said of late; `None` when none came.
    pub logs: Option<LogSummary>,
}

/// Whom to call, and as whom.
#[derive(Clone, Default)]
pub struct ClientConfig {
    /// Such as `http://127.0.0.1:7701` or `https://foreshift.example:7701`.
    pub server: String,
    /// Bearer token.
    pub token: Option<String>,
    /// PEM of the authority that signed the server's certificate; `None` where the address is `http`.
    pub server_ca: Option<String>,
    /// PEM of a client certificate and of its key.
    pub identity: Option<(String, String)>,
    /// The longest that connecting, or a call that is no stream, may take; zero is ten seconds.
    pub timeout: Duration,
}

/// A call did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The address, token or certificate cannot be used.
    #[error("the client is configured wrongly: {problem}")]
    Config {
        /// What is wrong.
        problem: String,
    },
    /// The server cannot be reached.
    #[error("cannot connect to {server}")]
    Connect {
        /// The address.
        server: String,
        /// Why.
        #[source]
        source: tonic::transport::Error,
    },
    /// The command was refused.
    #[error("{refused}")]
    Refused {
        /// Why.
        refused: CommandRefused,
    },
    /// The call failed.
    #[error("{} ({:?})", status.message(), status.code())]
    Call {
        /// As answered.
        status: Box<Status>,
    },
    /// The answer does not keep the domain's promises.
    #[error("the server's answer is wrong: {source}")]
    Answer {
        /// What is wrong.
        #[from]
        source: WireError,
    },
}

impl From<Status> for ClientError {
    fn from(status: Status) -> Self {
        let refused = status
            .metadata()
            .get_bin(REFUSED_METADATA)
            .and_then(|value| value.to_bytes().ok())
            .and_then(|json| serde_json::from_slice(&json).ok());
        match refused {
            Some(refused) => Self::Refused { refused },
            None => Self::Call {
                status: Box::new(status),
            },
        }
    }
}

/// What an operator asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct Ask {
    /// What to do.
    pub action: Action,
    /// Why.
    pub reason: String,
    /// Chosen by the caller; the same id is carried out once. [`new_request_id`] makes one.
    pub request_id: String,
    /// When it ends by itself.
    pub expiry: Option<Expiry>,
    /// Refuse unless the route is still at this version.
    pub expected_version: Option<Version>,
    /// For whom; `None` is oneself.
    pub on_behalf_of: Option<String>,
}

/// When a command ends by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// At this time.
    At(Timestamp),
    /// This long after it was accepted, by the server's clock.
    In(foreshift_domain::Duration),
}

/// What a watcher of weights is told.
#[derive(Clone, Debug, PartialEq)]
pub enum WeightNews {
    /// All routes at the beginning; what is not named does not exist.
    Snapshot(Vec<RouteWeights>),
    /// A route changed.
    Changed(RouteWeights),
    /// A route is gone.
    Removed(RouteName),
}

/// A client that is connected.
#[derive(Clone)]
pub struct Client {
    channel: InterceptedService<Channel, Token>,
    timeout: Duration,
}

#[derive(Clone)]
struct Token(Option<MetadataValue<Ascii>>);

impl Interceptor for Token {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(value) = &self.0 {
            request.metadata_mut().insert("authorization", value.clone());
        }
        Ok(request)
    }
}

impl Client {
    /// Connects.
    ///
    /// # Errors
    /// When the configuration cannot be used, or the server cannot be reached.
    pub async fn connect(config: ClientConfig) -> Result<Self, ClientError> {
        let refused = |problem: String| ClientError::Config { problem };
        let timeout = if config.timeout.is_zero() {
            Duration::from_secs(10)
        } else {
            config.timeout
        };
        let token = config
            .token
            .map(|token| format!("Bearer {token}").parse::<MetadataValue<Ascii>>())
            .transpose()
            .map_err(|_| refused("the token holds characters that no header may hold".to_owned()))?
            .map(|mut value| {
                value.set_sensitive(true);
                value
            });
        let mut endpoint = Endpoint::from_shared(config.server.clone())
            .map_err(|error| refused(format!("{:?} is no address: {error}", config.server)))?
            .connect_timeout(timeout)
            .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
            .keep_alive_timeout(KEEPALIVE_TIMEOUT);
        if config.server.starts_with("https:") {
            let mut tls = ClientTlsConfig::new();
            if let Some(authority) = config.server_ca {
                tls = tls.ca_certificate(Certificate::from_pem(authority));
            }
            if let Some((certificate, key)) = config.identity {
                tls = tls.identity(Identity::from_pem(certificate, key));
            }
            endpoint = endpoint
                .tls_config(tls)
                .map_err(|error| refused(format!("tls cannot be set up: {error}")))?;
        }
        let channel = endpoint.connect().await.map_err(|source| ClientError::Connect {
            server: config.server,
            source,
        })?;
        Ok(Self {
            channel: InterceptedService::new(channel, Token(token)),
            timeout,
        })
    }

    /// The whole published state.
    ///
    /// # Errors
    /// When the call fails or its answer is wrong.
    pub async fn status(&self) -> Result<Published, ClientError> {
        let mut parts = StatusServiceClient::new(self.channel.clone())
            .max_decoding_message_size(MAX_ANSWER_BYTES)
            .get_status(self.timed(v1::GetStatusRequest {}))
            .await?
            .into_inner();
        let mut merge = StatusMerge::default();
        while let Some(part) = parts.message().await? {
            merge.add(part)?;
        }
        Ok(merge.finish()?)
    }

    /// The weights of these routes, or of all when none is named.
    ///
    /// # Errors
    /// When the call fails or its answer is wrong.
    pub async fn weights(&self, routes: &[RouteName]) -> Result<Vec<RouteWeights>, ClientError> {
        let mut client = self.weight_client();
        let mut asked = v1::GetRouteWeightsRequest {
            routes: texts(routes),
            ..v1::GetRouteWeightsRequest::default()
        };
        let mut all = Vec::new();
        loop {
            let page = client
                .get_route_weights(self.timed(asked.clone()))
                .await?
                .into_inner();
            for weights in page.routes {
                all.push(weights.try_into()?);
            }
            if page.next_page_token.is_empty() {
                return Ok(all);
            }
            asked.page_token = page.next_page_token;
        }
    }

    /// Watches these routes, or all when none is named.
    ///
    /// # Errors
    /// When the call fails.
    pub async fn watch_weights(&self, routes: &[RouteName]) -> Result<WeightStream, ClientError> {
        let asked = v1::WatchRouteWeightsRequest {
            routes: texts(routes),
        };
        let stream = self
            .weight_client()
            .watch_route_weights(asked)
            .await?
            .into_inner();
        Ok(WeightStream {
            stream,
            snapshot: Some(Vec::new()),
            ready: VecDeque::new(),
        })
    }

    /// Says what a gateway applied; all of `applied` must be of one gateway. Returns how many were taken.
    ///
    /// # Errors
    /// When the call fails.
    pub async fn report_applied(&self, applied: &[Applied]) -> Result<u32, ClientError> {
        let gateway = applied.first().map(|said| said.gateway.as_str().to_owned());
        let asked = v1::ReportAppliedRequest {
            gateway: gateway.unwrap_or_default(),
            reports: applied.iter().map(Into::into).collect(),
        };
        let answer = self.weight_client().report_applied(self.timed(asked)).await?;
        Ok(answer.into_inner().accepted)
    }

    /// The newest prediction of a target, and why.
    ///
    /// # Errors
    /// When there is none, the call fails, or its answer is wrong.
    pub async fn prediction(&self, target: &TargetName) -> Result<Explained, ClientError> {
        let asked = v1::GetPredictionRequest {
            target: target.as_str().to_owned(),
            prediction_id: String::new(),
        };
        let answer = PredictionServiceClient::new(self.channel.clone())
            .get_prediction(self.timed(asked))
            .await?
            .into_inner();
        let prediction = answer
            .prediction
            .ok_or(WireError::Missing { field: "prediction" })?;
        let explanations = answer
            .explanations
            .into_iter()
            .map(Explanation::try_from)
            .collect::<Result<_, _>>()?;
        Ok(Explained {
            prediction: prediction.try_into()?,
            explanations,
            logs: answer.logs.map(LogSummary::try_from).transpose()?,
        })
    }

    /// Gives a command.
    ///
    /// # Errors
    /// [`ClientError::Refused`] when it was refused, else when the call fails.
    pub async fn operate(&self, ask: Ask) -> Result<CommandDone, ClientError> {
        let header = v1::CommandHeader {
            reason: ask.reason,
            expires_at_unix_us: match ask.expiry {
                Some(Expiry::At(at)) => Some(at.as_micros()),
                _ => None,
            },
            expires_in_us: match ask.expiry {
                Some(Expiry::In(span)) => Some(span.as_micros()),
                _ => None,
            },
            request_id: ask.request_id,
            expected_version: ask.expected_version.map(Into::into),
            on_behalf_of: ask.on_behalf_of.unwrap_or_default(),
        };
        let mut client = OperatorServiceClient::new(self.channel.clone());
        let answer = match OperatorCall::new(header, &ask.action) {
            OperatorCall::Pin(asked) => client.pin(self.timed(asked)).await,
            OperatorCall::Unpin(asked) => client.unpin(self.timed(asked)).await,
            OperatorCall::Freeze(asked) => client.freeze(self.timed(asked)).await,
            OperatorCall::Unfreeze(asked) => client.unfreeze(self.timed(asked)).await,
            OperatorCall::SetMode(asked) => client.set_mode(self.timed(asked)).await,
            OperatorCall::ConfirmBaseline(asked) => client.confirm_baseline(self.timed(asked)).await,
            OperatorCall::MarkIncident(asked) => client.mark_incident(self.timed(asked)).await,
            OperatorCall::GiveVerdict(asked) => client.give_verdict(self.timed(asked)).await,
        }?
        .into_inner();
        Ok(CommandDone {
            version: answer.version.map(Into::into),
            repeated: answer.already_done,
        })
    }

    fn weight_client(&self) -> RouteWeightServiceClient<InterceptedService<Channel, Token>> {
        RouteWeightServiceClient::new(self.channel.clone()).max_decoding_message_size(MAX_ANSWER_BYTES)
    }

    /// A call with a deadline, which is told to the server too.
    fn timed<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.set_timeout(self.timeout);
        request
    }
}

/// News of weights, in order.
pub struct WeightStream {
    stream: Streaming<v1::WatchRouteWeightsResponse>,
    /// The parts of the snapshot so far; `None` once it is complete.
    snapshot: Option<Vec<RouteWeights>>,
    ready: VecDeque<WeightNews>,
}

impl WeightStream {
    /// The next news; `None` when the server ended the stream: then connect again.
    ///
    /// # Errors
    /// When the call fails or a message is wrong.
    pub async fn next(&mut self) -> Result<Option<WeightNews>, ClientError> {
        loop {
            if let Some(news) = self.ready.pop_front() {
                return Ok(Some(news));
            }
            let Some(message) = self.stream.message().await? else {
                return Ok(None);
            };
            self.take(message)?;
        }
    }

    fn take(&mut self, message: v1::WatchRouteWeightsResponse) -> Result<(), ClientError> {
        let routes = message
            .routes
            .into_iter()
            .map(RouteWeights::try_from)
            .collect::<Result<Vec<_>, _>>()?;
        if message.snapshot {
            let mut snapshot = self.snapshot.take().unwrap_or_default();
            snapshot.extend(routes);
            if message.snapshot_complete {
                self.ready.push_back(WeightNews::Snapshot(snapshot));
            } else {
                self.snapshot = Some(snapshot);
            }
            return Ok(());
        }
        let removed = message.removed_routes.into_iter().map(RouteName::from);
        self.ready.extend(removed.map(WeightNews::Removed));
        self.ready.extend(routes.into_iter().map(WeightNews::Changed));
        Ok(())
    }
}

fn texts(routes: &[RouteName]) -> Vec<String> {
    routes.iter().map(|route| route.as_str().to_owned()).collect()
}

/// An id for a command that no other command has: 128 bits from the seeds of the standard library's hasher.
pub fn new_request_id() -> String {
    use std::hash::{BuildHasher, RandomState};
    let half = || RandomState::new().hash_one(std::process::id());
    format!("{:016x}{:016x}", half(), half())
}
