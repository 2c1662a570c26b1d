//! Ten thousand watch streams, and how long a change takes to reach them.

use anyhow::Context;
use foreshift_domain::weights::FULL_BP;
use foreshift_proto::v1::WatchRouteWeightsRequest;
use foreshift_proto::v1::route_weight_service_client::RouteWeightServiceClient;
use tokio::sync::mpsc;
use tonic::transport::Endpoint;

use crate::peer::Peer;
use crate::world::{World, now, weights};
use crate::{ms, quantile, row};

pub(crate) const CLIENT: &str = "--watch";

const CONNECTIONS: usize = 100;
const STREAMS_PER_CONNECTION: usize = 100;
const STREAMS: usize = CONNECTIONS * STREAMS_PER_CONNECTION;
const ROUTES: usize = 50;
const TARGETS_PER_ROUTE: usize = 4;
const CHANGES: u64 = 100;
const ASKED_US: u64 = 1_000_000;
const ASKED_BYTES: u64 = 400 << 20;

pub(crate) async fn measure() -> anyhow::Result<()> {
    let targets = |route: usize| -> Vec<String> {
        let names = (0..TARGETS_PER_ROUTE).map(|target| format!("target-{route}-{target}"));
        names.collect()
    };
    let routes = (0..ROUTES).map(|route| weights(&format!("route-{route}"), &targets(route), 1, FULL_BP));
    let world = World::start(routes.collect()).await?;
    let before = memory("VmRSS")?;
    let mut clients = Peer::start(&[CLIENT, &world.url()])?;
    clients
        .numbers()
        .await
        .context("all streams have their snapshot")?;
    let idle = memory("VmRSS")?;
    let (mut slowest, mut all) = (Vec::new(), Vec::new());
    for change in 0..CHANGES {
        let route = change as usize % ROUTES;
        let first_bp = FULL_BP - 1 - change as u32;
        world.publish(weights(
            &format!("route-{route}"),
            &targets(route),
            2 + change,
            first_bp,
        ));
        let mut waits = clients.numbers().await?;
        waits.sort_unstable();
        slowest.push(waits.last().copied().unwrap_or_default());
        all.append(&mut waits);
    }
    slowest.sort_unstable();
    all.sort_unstable();
    println!(
        "  {STREAMS} WatchRouteWeights streams on {CONNECTIONS} connections; {ROUTES} routes of {TARGETS_PER_ROUTE} \
         targets; {CHANGES} changes"
    );
    let p99 = quantile(&slowest, 0.99);
    row(
        "a change reaches a stream: p50, p99, ms",
        &format!("{}, {}", ms(quantile(&all, 0.5)), ms(quantile(&all, 0.99))),
        "",
        None,
    );
    row(
        "a change reaches the last of all streams: p50, p99, ms",
        &format!("{}, {}", ms(quantile(&slowest, 0.5)), ms(p99)),
        "p99 <= 1000 ms",
        Some(p99 <= ASKED_US),
    );
    let peak = memory("VmHWM")?;
    let mib = |bytes: u64| format!("{}", bytes >> 20);
    row(
        "memory of the server without streams, with them, at most, MiB",
        &format!("{}, {}, {}", mib(before), mib(idle), mib(peak)),
        "<= 400 MiB",
        Some(peak <= ASKED_BYTES),
    );
    Ok(())
}

/// A figure of this process, in bytes.
fn memory(name: &str) -> anyhow::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let kib = line.context("memory is told")?.trim().trim_end_matches(" kB");
    Ok(kib.trim().parse::<u64>()? << 10)
}

/// The process of the clients. Its first line says that all streams have their snapshot; then a line for each change
/// that has reached all, with the wait of each stream in microseconds.
pub(crate) async fn client(server: &str) -> anyhow::Result<()> {
    let (sender, mut waits) = mpsc::channel::<Option<u64>>(STREAMS);
    for _ in 0..CONNECTIONS {
        let channel = Endpoint::from_shared(server.to_owned())?.connect().await?;
        for _ in 0..STREAMS_PER_CONNECTION {
            let mut client = RouteWeightServiceClient::new(channel.clone());
            let sender = sender.clone();
            tokio::spawn(async move {
                let stream = client
                    .watch_route_weights(WatchRouteWeightsRequest::default())
                    .await;
                let mut stream = stream?.into_inner();
                while let Some(message) = stream.message().await? {
                    if message.snapshot_complete {
                        let _ = sender.send(None).await;
                    }
                    if message.snapshot {
                        continue;
                    }
                    for route in message.routes {
                        let wait_us = now().as_micros() - route.decided_at_unix_us;
                        let _ = sender
                            .send(Some(u64::try_from(wait_us).unwrap_or_default()))
                            .await;
                    }
                }
                Ok::<_, tonic::Status>(())
            });
        }
    }
    drop(sender);
    let mut waiting = 0;
    let mut line = Vec::with_capacity(STREAMS);
    while let Some(wait) = waits.recv().await {
        match wait {
            None => waiting += 1,
            Some(wait) => line.push(wait.to_string()),
        }
        if waiting == STREAMS {
            println!("0");
            waiting = 0;
        }
        if line.len() == STREAMS {
            println!("{}", line.join(" "));
            line.clear();
        }
    }
    anyhow::bail!("the server ended the streams")
}
