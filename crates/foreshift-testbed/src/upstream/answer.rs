//! Answers: whole ones, and streams of tokens that may be slow or cut.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use hyper::{Response, StatusCode};

use super::Upstream;
use crate::scenario::Tokens;

/// The header that says which target answered.
pub(crate) const TARGET_HEADER: &str = "x-target";

/// The connection breaks.
#[derive(Debug)]
pub(super) struct Broken;

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the script breaks this connection")
    }
}

impl std::error::Error for Broken {}

pub(super) type Answer = UnsyncBoxBody<Bytes, Broken>;

fn response(target: &str, status: StatusCode, body: Answer) -> Response<Answer> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    if let Ok(name) = target.parse() {
        response.headers_mut().insert(TARGET_HEADER, name);
    }
    response
}

pub(super) fn plain(target: &str, status: StatusCode) -> Response<Answer> {
    let body = Full::new(Bytes::from_static(b"done\n")).map_err(|never: Infallible| match never {});
    response(target, status, body.boxed_unsync())
}

/// A stream of tokens, at the pace that the script allows when each is due.
pub(super) fn stream(upstream: Arc<Upstream>, tokens: Tokens) -> Response<Answer> {
    let cut_at =
        (fastrand::f64() < upstream.effects().truncated).then(|| fastrand::u32(1..tokens.count.max(2)));
    let frames = stream::iter(0..tokens.count).then({
        let upstream = Arc::clone(&upstream);
        move |index| token(Arc::clone(&upstream), tokens.gap_ms, cut_at == Some(index))
    });
    let frames: Pin<Box<dyn futures_util::Stream<Item = _> + Send>> = Box::pin(frames);
    response(
        &upstream.spec().name,
        StatusCode::OK,
        StreamBody::new(frames).boxed_unsync(),
    )
}

async fn token(upstream: Arc<Upstream>, gap_ms: f64, cut: bool) -> Result<Frame<Bytes>, Broken> {
    tokio::time::sleep(Duration::from_secs_f64(gap_ms / 1e3 * upstream.effects().gap)).await;
    if cut {
        return Err(Broken);
    }
    Ok(Frame::data(Bytes::from_static(b"token ")))
}
