use std::collections::BTreeMap;

use foreshift_domain::RouteName;
use foreshift_domain::weights::{RouteWeights, Version};
use foreshift_serve::ServeConfig;
use foreshift_serve::client::{ClientError, WeightNews, WeightStream};
use tokio::time::timeout;
use tonic::Code;

use crate::harness::{FEED, STUCK, open, start, weights, world};

async fn next(stream: &mut WeightStream) -> WeightNews {
    timeout(STUCK, stream.next())
        .await
        .expect("not stuck")
        .expect("no error")
        .expect("not over")
}

async fn changed(stream: &mut WeightStream) -> RouteWeights {
    match next(stream).await {
        WeightNews::Changed(weights) => weights,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_watcher_gets_the_snapshot_and_then_every_version_in_order() {
    let running = start(open(), world()).await;
    let mut stream = running
        .client(None)
        .await
        .watch_weights(&[])
        .await
        .expect("it watches");
    let WeightNews::Snapshot(snapshot) = next(&mut stream).await else {
        panic!("the snapshot comes first");
    };
    let expected: Vec<_> = world()
        .routes
        .values()
        .map(|weights| weights.as_ref().clone())
        .collect();
    assert_eq!(snapshot, expected);
    for sequence in 3..103 {
        let route = if sequence % 3 == 0 { "api" } else { "front/a" };
        let published = weights(route, sequence, u32::try_from(sequence).expect("small"));
        running.publish(published.clone());
        assert_eq!(changed(&mut stream).await, published);
    }
}

#[tokio::test]
async fn versions_published_in_one_go_all_arrive() {
    let running = start(open(), world()).await;
    let mut stream = running
        .client(None)
        .await
        .watch_weights(&[])
        .await
        .expect("it watches");
    next(&mut stream).await;
    // Fewer than the feed holds, published without giving the server a chance to run.
    let last = 2 + FEED as u64 / 2;
    (3..=last).for_each(|sequence| running.publish(weights("api", sequence, 5_000)));
    for sequence in 3..=last {
        assert_eq!(changed(&mut stream).await.version, Version { epoch: 3, sequence });
    }
}

#[tokio::test]
async fn a_slow_watcher_gets_the_latest_and_versions_still_increase() {
    let running = start(open(), world()).await;
    let mut stream = running
        .client(None)
        .await
        .watch_weights(&[])
        .await
        .expect("it watches");
    next(&mut stream).await;
    // Far more than the feed, the windows of HTTP/2 and the sockets hold, while nobody reads.
    const LAST: u64 = 40_000;
    for sequence in 3..=LAST {
        running.publish(weights("api", sequence, 5_000));
        if sequence % 100 == 0 {
            tokio::task::yield_now().await;
        }
    }
    let mut seen: BTreeMap<RouteName, Vec<Version>> = BTreeMap::new();
    loop {
        let weights = changed(&mut stream).await;
        let is_last = weights.version.sequence == LAST;
        seen.entry(weights.route).or_default().push(weights.version);
        if is_last {
            break;
        }
    }
    for versions in seen.values() {
        assert!(versions.windows(2).all(|pair| pair[0] < pair[1]));
        assert!(
            versions.len() < LAST as usize / 2,
            "{} were kept for it",
            versions.len()
        );
    }
}

#[tokio::test]
async fn a_watcher_of_some_routes_hears_of_those_alone_and_of_their_end() {
    let running = start(open(), world()).await;
    let routes = [RouteName::from("api")];
    let mut stream = running
        .client(None)
        .await
        .watch_weights(&routes)
        .await
        .expect("it watches");
    let WeightNews::Snapshot(snapshot) = next(&mut stream).await else {
        panic!("the snapshot comes first");
    };
    assert_eq!(snapshot.len(), 1);
    running.publish(weights("front/a", 3, 1));
    running.publish(weights("api", 4, 1));
    assert_eq!(changed(&mut stream).await.version.sequence, 4);
    running.outside.published.send_modify(|published| {
        let mut next = published.as_ref().clone();
        next.routes.clear();
        *published = std::sync::Arc::new(next);
    });
    assert_eq!(next(&mut stream).await, WeightNews::Removed("api".into()));
}

#[tokio::test]
async fn without_a_feed_the_state_alone_is_followed() {
    let mut running = start(open(), world()).await;
    let mut stream = running
        .client(None)
        .await
        .watch_weights(&[])
        .await
        .expect("it watches");
    next(&mut stream).await;
    // Replaces the only sender: the feed is closed.
    running.outside.changes = tokio::sync::broadcast::channel(1).0;
    running.publish(weights("api", 7, 1));
    assert_eq!(changed(&mut stream).await.version.sequence, 7);
}

#[tokio::test]
async fn a_stream_ends_with_its_age_and_with_the_server() {
    let mut config = open();
    config.limits.max_connection_age = std::time::Duration::from_millis(200);
    let running = start(config, world()).await;
    let mut stream = running
        .client(None)
        .await
        .watch_weights(&[])
        .await
        .expect("it watches");
    next(&mut stream).await;
    let ended = timeout(STUCK, stream.next()).await.expect("not stuck");
    assert_eq!(ended.expect("it ends well"), None);

    let running = start(open(), world()).await;
    let mut stream = running
        .client(None)
        .await
        .watch_weights(&[])
        .await
        .expect("it watches");
    next(&mut stream).await;
    running.stop.send(()).expect("it runs");
    match timeout(STUCK, stream.next()).await.expect("not stuck") {
        Err(ClientError::Call { status }) => assert_eq!(status.code(), Code::Unavailable),
        other => panic!("{other:?}"),
    }
    let stopped = timeout(STUCK, running.serving.task).await.expect("not stuck");
    assert!(stopped.expect("no panic").is_ok());
}

#[tokio::test]
async fn streams_are_bounded_over_all_connections() {
    let mut config: ServeConfig = open();
    config.limits.max_streams = 1;
    let running = start(config, world()).await;
    let first = running.client(None).await;
    let mut stream = first.watch_weights(&[]).await.expect("there is room for one");
    next(&mut stream).await;
    let second = running.client(None).await;
    match second.watch_weights(&[]).await {
        Err(ClientError::Call { status }) => assert_eq!(status.code(), Code::ResourceExhausted),
        other => panic!("{:?}", other.err()),
    }
    drop(stream);
    drop(first);
    // The room is free again once the server has seen the end of the first.
    let again = timeout(STUCK, async {
        while second.watch_weights(&[]).await.is_err() {
            tokio::task::yield_now().await;
        }
    });
    again.await.expect("not stuck");
}
