//! `GetRouteWeights` beside a call that does nothing, on the same machine at the same time.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use foreshift_domain::weights::FULL_BP;
use foreshift_proto::v1::GetRouteWeightsRequest;
use foreshift_proto::v1::route_weight_service_client::RouteWeightServiceClient;
use foreshift_serve::{Limits, accepted};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tonic::body::Body;
use tonic::codegen::{BoxFuture, Service, http};
use tonic::server::{Grpc, NamedService, UnaryService};
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;

use crate::peer::Peer;
use crate::row;
use crate::world::{World, weights};

pub(crate) const CLIENT: &str = "--unary";

const ROUTES: usize = 50;
const TARGETS_PER_ROUTE: usize = 4;
const CONNECTIONS: usize = 4;
const CALLERS_PER_CONNECTION: usize = 16;
const ROUNDS: usize = 41;
/// Short, so that what else the machine does falls on both.
const ROUND: Duration = Duration::from_millis(200);
const ASKED: f64 = 0.8;

pub(crate) async fn measure() -> anyhow::Result<()> {
    let targets: Vec<_> = (0..TARGETS_PER_ROUTE)
        .map(|target| format!("target-{target}"))
        .collect();
    let routes = (0..ROUTES).map(|route| weights(&format!("route-{route}"), &targets, 1, FULL_BP));
    let world = World::start(routes.collect()).await?;
    let nothing = serve_nothing().await?;
    let mut clients = Peer::start(&[CLIENT, &world.url(), &nothing])?;
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let [weights, nothing] = clients.numbers().await?.try_into().ok().context("two rates")?;
        rounds.push((weights as f64 / nothing as f64, weights, nothing));
    }
    rounds.sort_by(|one, other| one.0.total_cmp(&other.0));
    let (ratio, weights, nothing) = rounds.get(ROUNDS / 2).copied().context("rounds")?;
    println!(
        "  GetRouteWeights of one of {ROUTES} routes with {TARGETS_PER_ROUTE} targets; {CONNECTIONS} connections of \
         {CALLERS_PER_CONNECTION} callers; {ROUNDS} rounds in turns"
    );
    row(
        "calls a second: GetRouteWeights, an empty call",
        &format!("{weights}, {nothing}"),
        "",
        None,
    );
    row(
        "ratio, the median of the rounds",
        &format!("{ratio:.2}"),
        ">= 0.8",
        Some(ratio >= ASKED),
    );
    Ok(())
}

/// A server of the empty call, with the same bounds where they cost time.
async fn serve_nothing() -> anyhow::Result<String> {
    let limits = Limits::default();
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?;
    let server = Server::builder()
        .accept_http1(false)
        .concurrency_limit_per_connection(limits.max_calls_per_connection as usize)
        .max_concurrent_streams(limits.max_calls_per_connection)
        .initial_stream_window_size(limits.stream_window_bytes)
        .initial_connection_window_size(limits.connection_window_bytes)
        .timeout(limits.request_timeout)
        .add_service(Nothing);
    let (open, closed) = watch::channel(false);
    tokio::spawn(async move {
        let _open = open;
        server
            .serve_with_incoming(accepted(listener, limits, closed))
            .await
    });
    Ok(format!("http://{address}"))
}

/// The service of the empty call.
#[derive(Clone)]
struct Nothing;

impl NamedService for Nothing {
    const NAME: &'static str = "bench.Nothing";
}

impl UnaryService<()> for Nothing {
    type Response = ();
    type Future = Ready<Result<Response<()>, Status>>;

    fn call(&mut self, _: Request<()>) -> Self::Future {
        ready(Ok(Response::new(())))
    }
}

impl Service<http::Request<Body>> for Nothing {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(async move {
            Ok(Grpc::new(ProstCodec::<(), ()>::default())
                .unary(Nothing, request)
                .await)
        })
    }
}

/// The process of the clients: for each round a line with the calls a second of either.
pub(crate) async fn client(weights: &str, nothing: &str) -> anyhow::Result<()> {
    let (weights, nothing) = (connections(weights).await?, connections(nothing).await?);
    for _ in 0..ROUNDS {
        let rates = [
            rate(&weights, ask_for_weights).await?,
            rate(&nothing, ask_for_nothing).await?,
        ];
        println!("{} {}", rates[0], rates[1]);
    }
    Ok(())
}

async fn connections(server: &str) -> anyhow::Result<Vec<Channel>> {
    let mut channels = Vec::new();
    for _ in 0..CONNECTIONS {
        channels.push(
            Endpoint::from_shared(server.to_owned())?
                .tcp_nodelay(true)
                .connect()
                .await?,
        );
    }
    Ok(channels)
}

/// Calls a second of all callers together.
async fn rate<F>(
    channels: &[Channel],
    ask: impl Fn(Channel) -> F + Copy + Send + 'static,
) -> anyhow::Result<u64>
where
    F: Future<Output = Result<(), Status>> + Send,
{
    let mut callers = JoinSet::new();
    let started = Instant::now();
    for channel in channels
        .iter()
        .flat_map(|channel| vec![channel.clone(); CALLERS_PER_CONNECTION])
    {
        callers.spawn(async move {
            let mut calls = 0_u64;
            while started.elapsed() < ROUND {
                ask(channel.clone()).await?;
                calls += 1;
            }
            Ok::<_, Status>(calls)
        });
    }
    let mut calls = 0;
    while let Some(caller) = callers.join_next().await {
        calls += caller??;
    }
    Ok((calls as f64 / started.elapsed().as_secs_f64()) as u64)
}

async fn ask_for_weights(channel: Channel) -> Result<(), Status> {
    let request = GetRouteWeightsRequest {
        routes: vec!["route-7".to_owned()],
        ..GetRouteWeightsRequest::default()
    };
    RouteWeightServiceClient::new(channel)
        .get_route_weights(request)
        .await
        .map(drop)
}

async fn ask_for_nothing(channel: Channel) -> Result<(), Status> {
    let mut client = tonic::client::Grpc::new(channel);
    client
        .ready()
        .await
        .map_err(|error| Status::unavailable(error.to_string()))?;
    let path = http::uri::PathAndQuery::from_static("/bench.Nothing/Call");
    client
        .unary(Request::new(()), path, ProstCodec::<(), ()>::default())
        .await
        .map(drop)
}
