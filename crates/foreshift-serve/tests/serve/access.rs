use std::net::SocketAddr;

use foreshift_domain::command::{Action, CommandDone, CommandResult};
use foreshift_domain::weights::Version;
use foreshift_domain::{Applied, Timestamp};
use foreshift_serve::client::{Ask, Client, ClientError, new_request_id};
use foreshift_serve::{ServeConfig, ServeError};
use tonic::Code;

use crate::harness::{
    GATEWAY, OPERATOR, READER, SCOPED, connect, guarded, impatient, loopback, open, start, start_with, told,
    world,
};

fn code(error: &ClientError) -> Option<Code> {
    match error {
        ClientError::Call { status } => Some(status.code()),
        _ => None,
    }
}

fn unpin(route: &str) -> Ask {
    Ask {
        action: Action::Unpin { route: route.into() },
        reason: "all is well".to_owned(),
        request_id: new_request_id(),
        expiry: None,
        expected_version: None,
        on_behalf_of: Some("grace".to_owned()),
    }
}

fn freeze_all() -> Ask {
    Ask {
        action: Action::Freeze { route: None },
        ..unpin("api")
    }
}

async fn denied(client: &Client, ask: Ask) -> Option<Code> {
    code(&client.operate(ask).await.expect_err("it must be denied"))
}

fn applied(gateway: &str) -> Applied {
    Applied {
        time: Timestamp::default(),
        gateway: gateway.into(),
        route: "api".into(),
        version: Version {
            epoch: 3,
            sequence: 1,
        },
        error: None,
    }
}

#[tokio::test]
async fn without_a_token_nothing_is_read() {
    let running = start(guarded(), world()).await;
    let client = running.client(None).await;
    let read = client.weights(&[]).await.expect_err("denied");
    assert_eq!(code(&read), Some(Code::Unauthenticated));
    let status = client.status().await.expect_err("denied");
    assert_eq!(code(&status), Some(Code::Unauthenticated));
    let watch = client.watch_weights(&[]).await.err().expect("denied");
    assert_eq!(code(&watch), Some(Code::Unauthenticated));
    let prediction = client.prediction(&"eu".into()).await.expect_err("denied");
    assert_eq!(code(&prediction), Some(Code::Unauthenticated));
    assert_eq!(denied(&client, unpin("api")).await, Some(Code::Unauthenticated));
}

#[tokio::test]
async fn a_wrong_token_is_refused() {
    let running = start(guarded(), world()).await;
    let client = running.client(Some("operator-token-012345678X")).await;
    let read = client.weights(&[]).await.expect_err("denied");
    assert_eq!(code(&read), Some(Code::Unauthenticated));
    assert!(read.to_string().contains("token is not known"));
}

#[tokio::test]
async fn a_role_does_what_it_is_for_and_nothing_else() {
    let mut running = start(guarded(), world()).await;
    for token in [READER, GATEWAY, OPERATOR] {
        let client = running.client(Some(token)).await;
        assert_eq!(client.weights(&[]).await.expect("all may read").len(), 2);
        assert_eq!(client.status().await.expect("all may read"), told(world()));
    }
    for token in [READER, GATEWAY] {
        let client = running.client(Some(token)).await;
        assert_eq!(denied(&client, unpin("api")).await, Some(Code::PermissionDenied));
    }
    for token in [READER, OPERATOR] {
        let client = running.client(Some(token)).await;
        let report = client
            .report_applied(&[applied("edge-1")])
            .await
            .expect_err("denied");
        assert_eq!(code(&report), Some(Code::PermissionDenied));
    }
    assert!(running.outside.commands.try_recv().is_err(), "nothing was queued");
    assert!(running.outside.applied.try_recv().is_err(), "nothing was queued");
}

#[tokio::test]
async fn a_gateway_reports_for_itself_alone() {
    let mut running = start(guarded(), world()).await;
    let client = running.client(Some(GATEWAY)).await;
    let other = client
        .report_applied(&[applied("edge-2")])
        .await
        .expect_err("denied");
    assert_eq!(code(&other), Some(Code::PermissionDenied));
    assert_eq!(
        client
            .report_applied(&[applied("edge-1")])
            .await
            .expect("its own"),
        1
    );
    let said = running.outside.applied.recv().await.expect("queued");
    assert_eq!(
        (said.gateway, said.time),
        ("edge-1".into(), Timestamp::from_secs(100))
    );
}

#[tokio::test]
async fn a_scoped_operator_stays_in_its_scope() {
    let running = start(impatient(guarded()), world()).await;
    let client = running.client(Some(SCOPED)).await;
    assert_eq!(denied(&client, unpin("api")).await, Some(Code::PermissionDenied));
    assert_eq!(denied(&client, freeze_all()).await, Some(Code::PermissionDenied));
    // In its scope the command is queued, and only nobody answers it.
    assert_eq!(
        denied(&client, unpin("front/a")).await,
        Some(Code::DeadlineExceeded)
    );
}

#[tokio::test]
async fn the_actor_is_the_authenticated_peer_whatever_the_request_says() {
    let mut running = start(guarded(), world()).await;
    let client = running.client(Some(OPERATOR)).await;
    let call = tokio::spawn(async move { client.operate(unpin("api")).await });
    let request = running.outside.commands.recv().await.expect("queued");
    assert_eq!(request.command.actor, "ada");
    assert_eq!(request.command.on_behalf_of.as_deref(), Some("grace"));
    assert_eq!(request.command.issued_at, Timestamp::from_secs(100));
    let done = CommandDone {
        version: None,
        repeated: false,
    };
    let result = CommandResult {
        request_id: request.command.request_id,
        verdict: Ok(done.clone()),
    };
    request.reply.send(result).expect("somebody waits");
    assert_eq!(call.await.expect("it ends").expect("done"), done);
}

#[tokio::test]
async fn operator_calls_without_credentials_stay_on_loopback() {
    let everywhere = SocketAddr::from(([0, 0, 0, 0], 0));
    let exposed = [
        ServeConfig {
            listen: everywhere,
            ..open()
        },
        ServeConfig {
            operator_listen: Some(everywhere),
            ..open()
        },
    ];
    for config in exposed {
        let refused = start_with(config, world(), 1)
            .await
            .err()
            .expect("it must not start");
        assert!(matches!(refused, ServeError::OperatorExposed { .. }));
        assert!(refused.to_string().contains("credentials"));
    }
    let apart = ServeConfig {
        operator_listen: Some(loopback()),
        ..impatient(open())
    };
    let running = start_with(apart, world(), 1).await.expect("apart is fine");
    let addresses = running.serving.addresses;
    assert_ne!(addresses.listen, addresses.operator);
    let reader = connect(addresses.listen, None).await;
    assert_eq!(reader.weights(&[]).await.expect("open to read").len(), 2);
    assert_eq!(denied(&reader, unpin("api")).await, Some(Code::Unimplemented));
    let operator = connect(addresses.operator, None).await;
    assert_eq!(
        denied(&operator, unpin("api")).await,
        Some(Code::DeadlineExceeded)
    );
}
