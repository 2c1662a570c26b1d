use std::collections::BTreeMap;
use std::sync::Arc;

use foreshift_domain::published::{Published, Why};
use foreshift_proto::v1;
use foreshift_proto::v1::prediction_service_client::PredictionServiceClient;
use foreshift_serve::MAX_EXPLAINING;
use foreshift_serve::client::{ClientError, Explained};
use tokio::time::timeout;
use tonic::Code;
use tonic::transport::Channel;

use crate::harness::{Running, STUCK, open, start, target, world};

async fn client(running: &Running) -> PredictionServiceClient<Channel> {
    PredictionServiceClient::connect(format!("http://{}", running.serving.addresses.listen))
        .await
        .expect("it connects")
}

fn many() -> Published {
    Published {
        targets: (0..1_203)
            .map(|number| target(&format!("t{number:04}"), 60))
            .collect(),
        ..world()
    }
}

#[tokio::test]
async fn a_prediction_comes_with_its_contributions() {
    let running = start(open(), world()).await;
    let Explained {
        prediction,
        explanations,
        logs,
    } = running
        .client(None)
        .await
        .prediction(&"eu".into())
        .await
        .expect("there is one");
    let published = world();
    let state = published.targets.get("eu").expect("known");
    assert_eq!(Some(prediction), state.prediction.clone());
    assert_eq!(explanations, state.why.ask());
    assert!(state.explanations.is_empty(), "though it does not alarm");
    assert_eq!(logs.as_ref(), published.logs.get("eu").map(AsRef::as_ref));
    assert!(logs.is_some_and(|logs| !logs.templates.is_empty()));
}

#[tokio::test]
async fn no_more_explanations_than_the_bound_are_worked_out_at_a_time_and_the_others_wait() {
    use std::sync::atomic::{AtomicUsize, Ordering};

    let (entered, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (name, state) = target("slow", 60);
    let mut state = state.as_ref().clone();
    let at_work = (Arc::clone(&entered), Arc::clone(&most));
    state.why = Why::new(move || {
        let (entered, most) = &at_work;
        most.fetch_max(entered.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        std::thread::sleep(std::time::Duration::from_millis(20));
        entered.fetch_sub(1, Ordering::SeqCst);
        Vec::new()
    });
    let mut published = world();
    published.targets.insert(name, Arc::new(state));
    let running = start(open(), published).await;
    let client = running.client(None).await;
    let asking = (0..12).map(|_| {
        let client = client.clone();
        tokio::spawn(async move { client.prediction(&"slow".into()).await })
    });
    for asked in asking.collect::<Vec<_>>() {
        asked.await.expect("a task").expect("answered in its turn");
    }
    assert!(most.load(Ordering::SeqCst) <= MAX_EXPLAINING);
}

#[tokio::test]
async fn a_prediction_that_is_not_there_is_not_found() {
    let running = start(open(), world()).await;
    let mut client = client(&running).await;
    for (target, id) in [("mars", ""), ("", "eu@1"), ("", "mars@90000")] {
        let asked = v1::GetPredictionRequest {
            target: target.to_owned(),
            prediction_id: id.to_owned(),
        };
        let status = client.get_prediction(asked).await.expect_err("there is none");
        assert_eq!(status.code(), Code::NotFound, "{target} {id}");
    }
    let by_id = v1::GetPredictionRequest {
        target: String::new(),
        prediction_id: "eu@90000".to_owned(),
    };
    assert!(client.get_prediction(by_id).await.is_ok());
    let nonsense = v1::GetPredictionRequest {
        target: String::new(),
        prediction_id: "eu".to_owned(),
    };
    let status = client.get_prediction(nonsense).await.expect_err("no id");
    assert_eq!(status.code(), Code::InvalidArgument);
    let missing = running.client(None).await.prediction(&"mars".into()).await;
    assert!(matches!(missing, Err(ClientError::Call { .. })));
}

#[tokio::test]
async fn pages_hold_every_prediction_once() {
    let running = start(open(), many()).await;
    let mut client = client(&running).await;
    let mut names = Vec::new();
    let mut asked = v1::ListPredictionsRequest {
        page_size: 500,
        ..v1::ListPredictionsRequest::default()
    };
    loop {
        let page = client
            .list_predictions(asked.clone())
            .await
            .expect("a page")
            .into_inner();
        assert!(page.predictions.len() <= 500);
        names.extend(page.predictions.into_iter().map(|prediction| prediction.target));
        if page.next_page_token.is_empty() {
            break;
        }
        asked.page_token = page.next_page_token;
    }
    let expected: Vec<_> = many().targets.keys().map(ToString::to_string).collect();
    assert_eq!(names, expected);
}

#[tokio::test]
async fn a_watcher_gets_all_predictions_and_then_new_ones() {
    let running = start(open(), many()).await;
    let asked = v1::WatchPredictionsRequest { targets: Vec::new() };
    let mut stream = client(&running)
        .await
        .watch_predictions(asked)
        .await
        .expect("it watches")
        .into_inner();
    let mut seen = 0;
    while seen < 1_203 {
        let part = timeout(STUCK, stream.message())
            .await
            .expect("not stuck")
            .expect("no error");
        let part = part.expect("not over").predictions;
        assert!(part.len() <= 500);
        seen += part.len();
    }
    running.outside.published.send_modify(|published| {
        let mut next = published.as_ref().clone();
        next.targets.extend(BTreeMap::from([target("t0007", 120)]));
        *published = Arc::new(next);
    });
    let part = timeout(STUCK, stream.message())
        .await
        .expect("not stuck")
        .expect("no error");
    let new: Vec<_> = part
        .expect("not over")
        .predictions
        .into_iter()
        .map(|new| new.id)
        .collect();
    assert_eq!(new, ["t0007@120000"]);
}
