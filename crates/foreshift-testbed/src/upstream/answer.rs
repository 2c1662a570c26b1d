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
use hyper::{Method, Request, Response, StatusCode, header};

use super::Upstream;
use crate::scenario::Tokens;

/// The header that says which target answered.
pub(crate) const TARGET_HEADER: &str = "x-target";

/// Where OpenAI's interface has chat completions.
const CHAT: &str = "/v1/chat/completions";

/// How tokens are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Plain,
    /// OpenAI's chat completions: server-sent events.
    Chat,
}

impl Form {
    pub(super) fn asked_for<B>(request: &Request<B>) -> Self {
        if request.method() == Method::POST && request.uri().path() == CHAT {
            Self::Chat
        } else {
            Self::Plain
        }
    }

    fn token(self, is_last: bool) -> Bytes {
        if self == Self::Plain {
            return Bytes::from_static(b"token ");
        }
        let finish = if is_last { "\"stop\"" } else { "null" };
        let end = if is_last { "data: [DONE]\n\n" } else { "" };
        format!(
            "data: {{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"demo\",\
             \"choices\":[{{\"index\":0,\"delta\":{{\"role\":\"assistant\",\"content\":\"token \"}},\
             \"finish_reason\":{finish}}}]}}\n\n{end}"
        )
        .into()
    }
}

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
pub(super) fn stream(upstream: Arc<Upstream>, tokens: Tokens, form: Form) -> Response<Answer> {
    let cut_at =
        (fastrand::f64() < upstream.effects().truncated).then(|| fastrand::u32(1..tokens.count.max(2)));
    let frames = stream::iter(0..tokens.count).then({
        let upstream = Arc::clone(&upstream);
        move |index| {
            let written = form.token(index + 1 == tokens.count);
            token(
                Arc::clone(&upstream),
                tokens.gap_ms,
                (cut_at != Some(index)).then_some(written),
            )
        }
    });
    let frames: Pin<Box<dyn futures_util::Stream<Item = _> + Send>> = Box::pin(frames);
    let mut response = response(
        &upstream.spec().name,
        StatusCode::OK,
        StreamBody::new(frames).boxed_unsync(),
    );
    if form == Form::Chat {
        let events = header::HeaderValue::from_static("text/event-stream");
        response.headers_mut().insert(header::CONTENT_TYPE, events);
    }
    response
}

/// What is written when it is due; `None` cuts the stream.
async fn token(upstream: Arc<Upstream>, gap_ms: f64, written: Option<Bytes>) -> Result<Frame<Bytes>, Broken> {
    tokio::time::sleep(Duration::from_secs_f64(gap_ms / 1e3 * upstream.effects().gap)).await;
    written.map(Frame::data).ok_or(Broken)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::scenario::Scenario;

    fn upstream(story_s: f64) -> Arc<Upstream> {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/llm-router.yaml");
        let scenario = Arc::new(Scenario::load(&path).expect("a scenario"));
        let began = Instant::now() - scenario.real(story_s);
        Arc::new(Upstream::new(scenario, 0, 0, 1, began))
    }

    fn asked_for(method: Method, path: &str) -> Form {
        let request = Request::builder().method(method).uri(path).body(());
        Form::asked_for(&request.expect("a request"))
    }

    #[tokio::test]
    async fn a_chat_is_answered_by_chunks_of_which_the_last_says_stop_and_then_done() {
        let tokens = Tokens {
            count: 3,
            gap_ms: 0.0,
        };
        let answer = stream(upstream(0.0), tokens, asked_for(Method::POST, CHAT));
        assert_eq!(answer.headers()[header::CONTENT_TYPE], "text/event-stream");
        let body = answer
            .into_body()
            .collect()
            .await
            .expect("a whole body")
            .to_bytes();
        let text = String::from_utf8(body.to_vec()).expect("text");
        let events: Vec<_> = text
            .split_terminator("\n\n")
            .map(|event| event.strip_prefix("data: ").expect("an event"))
            .collect();
        let (done, chunks) = events.split_last().expect("events");
        assert_eq!(*done, "[DONE]");
        let ends: Vec<serde_json::Value> = chunks
            .iter()
            .map(|chunk| serde_json::from_str::<serde_json::Value>(chunk).expect("JSON"))
            .map(|chunk| chunk["choices"][0]["finish_reason"].clone())
            .collect();
        assert_eq!(
            ends,
            [serde_json::Value::Null, serde_json::Value::Null, "stop".into()]
        );
    }

    #[tokio::test]
    async fn a_chat_that_the_script_cuts_breaks() {
        let tokens = Tokens {
            count: 3,
            gap_ms: 0.0,
        };
        let failing = upstream(280.0);
        let mut cut = 0;
        for _ in 0..64 {
            let answer = stream(Arc::clone(&failing), tokens, Form::Chat);
            cut += usize::from(answer.into_body().collect().await.is_err());
        }
        assert!(cut > 0, "half of them are cut");
    }

    #[tokio::test]
    async fn other_requests_get_tokens_as_they_are() {
        for form in [asked_for(Method::GET, CHAT), asked_for(Method::POST, "/")] {
            let answer = stream(
                upstream(0.0),
                Tokens {
                    count: 2,
                    gap_ms: 0.0,
                },
                form,
            );
            let body = answer
                .into_body()
                .collect()
                .await
                .expect("a whole body")
                .to_bytes();
            assert_eq!(body, "token token ");
        }
    }
}
