use foreshift_domain::command::{Action, CommandDone, CommandRefused, CommandResult};
use foreshift_domain::fallback::Mode;
use foreshift_domain::weights::Version;
use foreshift_domain::{Duration, Timestamp};
use foreshift_serve::client::{Ask, ClientError, Expiry, new_request_id};
use tonic::Code;

use crate::harness::{impatient, open, start, world};

fn pin() -> Ask {
    Ask {
        action: Action::Pin {
            route: "api".into(),
            weights: vec![("eu".into(), 4_000), ("us".into(), 6_000)],
        },
        reason: "planned work".to_owned(),
        request_id: new_request_id(),
        expiry: Some(Expiry::In(Duration::from_secs(600))),
        expected_version: Some(Version {
            epoch: 3,
            sequence: 1,
        }),
        on_behalf_of: None,
    }
}

fn status_code(error: ClientError) -> (Code, String) {
    match error {
        ClientError::Call { status } => (status.code(), status.message().to_owned()),
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_command_reaches_the_queue_and_its_answer_the_client() {
    let mut running = start(open(), world()).await;
    let client = running.client(None).await;
    let call = tokio::spawn(async move { client.operate(pin()).await });
    let request = running.outside.commands.recv().await.expect("queued");
    assert_eq!(request.command.action, pin().action);
    assert_eq!(request.command.actor, "local");
    assert_eq!(request.command.expires_at, Some(Timestamp::from_secs(700)));
    assert_eq!(
        request.command.expected_version,
        Some(Version {
            epoch: 3,
            sequence: 1
        })
    );
    let done = CommandDone {
        version: Some(Version {
            epoch: 3,
            sequence: 9,
        }),
        repeated: true,
    };
    let result = CommandResult {
        request_id: request.command.request_id,
        verdict: Ok(done.clone()),
    };
    request.reply.send(result).expect("somebody waits");
    assert_eq!(call.await.expect("it ends").expect("done"), done);
}

#[tokio::test]
async fn a_refusal_comes_back_word_by_word() {
    let mut running = start(open(), world()).await;
    let client = running.client(None).await;
    let refusals = [
        CommandRefused::UnknownRoute { route: "é".into() },
        CommandRefused::VersionConflict {
            expected: Version {
                epoch: 3,
                sequence: 1,
            },
            actual: Version {
                epoch: 3,
                sequence: 2,
            },
        },
        CommandRefused::NothingToEnd {
            what: "pin".to_owned(),
        },
        CommandRefused::BadExpiry,
        CommandRefused::NotKept,
    ];
    for refusal in refusals {
        let caller = client.clone();
        let call = tokio::spawn(async move { caller.operate(pin()).await });
        let request = running.outside.commands.recv().await.expect("queued");
        let result = CommandResult {
            request_id: request.command.request_id,
            verdict: Err(refusal.clone()),
        };
        request.reply.send(result).expect("somebody waits");
        match call.await.expect("it ends") {
            Err(ClientError::Refused { refused }) => assert_eq!(refused, refusal),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_full_queue_is_said_at_once_and_never_waited_for() {
    let running = start(impatient(open()), world()).await;
    let client = running.client(None).await;
    // The queue has room for one, and nobody empties it.
    let first = status_code(client.operate(pin()).await.expect_err("nobody answers"));
    assert_eq!(first.0, Code::DeadlineExceeded);
    let second = status_code(client.operate(pin()).await.expect_err("it is full"));
    assert_eq!(second.0, Code::ResourceExhausted);
    assert!(second.1.contains("queue of commands is full"));
}

#[tokio::test]
async fn a_command_that_nobody_answers_is_not_said_to_have_failed() {
    let mut running = start(open(), world()).await;
    let client = running.client(None).await;
    let caller = client.clone();
    let call = tokio::spawn(async move { caller.operate(pin()).await });
    drop(running.outside.commands.recv().await.expect("queued").reply);
    let dropped = status_code(call.await.expect("it ends").expect_err("no answer"));
    assert_eq!(dropped.0, Code::Unavailable);
    drop(running.outside.commands);
    let closed = status_code(client.operate(pin()).await.expect_err("no queue"));
    assert_eq!(closed.0, Code::Unavailable);
}

#[tokio::test]
async fn a_command_without_a_reason_is_refused_before_the_queue() {
    let mut running = start(open(), world()).await;
    let client = running.client(None).await;
    let silent = Ask {
        reason: String::new(),
        ..pin()
    };
    let (code, message) = status_code(client.operate(silent).await.expect_err("refused"));
    assert_eq!(
        (code, message.as_str()),
        (Code::InvalidArgument, "header.reason is missing")
    );
    assert!(running.outside.commands.try_recv().is_err());
}

#[tokio::test]
async fn every_action_has_its_call() {
    let mut running = start(open(), world()).await;
    let client = running.client(None).await;
    let actions = [
        Action::Unpin { route: "api".into() },
        Action::Freeze { route: None },
        Action::Unfreeze {
            route: Some("api".into()),
        },
        Action::SetMode {
            route: None,
            mode: Mode::Recommend,
        },
        Action::ConfirmBaseline {
            route: "api".into(),
            baseline: vec![("eu".into(), 10_000)],
        },
        Action::MarkIncident {
            target: "eu".into(),
            start: Timestamp::from_secs(1),
            end: None,
        },
        Action::Verdict {
            prediction: "eu@90000".parse().expect("an id"),
            verdict: foreshift_domain::command::Verdict::FalseAlarm,
        },
    ];
    for action in actions {
        let ask = Ask {
            action: action.clone(),
            ..pin()
        };
        let caller = client.clone();
        let call = tokio::spawn(async move { caller.operate(ask).await });
        let request = running.outside.commands.recv().await.expect("queued");
        assert_eq!(request.command.action, action);
        let result = CommandResult {
            request_id: request.command.request_id,
            verdict: Ok(CommandDone {
                version: None,
                repeated: false,
            }),
        };
        request.reply.send(result).expect("somebody waits");
        assert!(call.await.expect("it ends").is_ok());
    }
}
