//! Giving an order to a running Foreshift, and saying what came of it.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use foreshift_domain::command::CommandDone;
use foreshift_domain::published::Published;
use foreshift_serve::client::{Ask, Client, ClientError, new_request_id};
use serde_json::json;

use super::connect::runtime;
use super::orders::Order;
use super::render::{self, Receipt};

/// How often, and how far apart, the state is asked for until it shows what was ordered. An order is acknowledged
/// when it is durable and carried out; what readers see follows within a publication.
const LOOKS: u32 = 20;
const BETWEEN_LOOKS: Duration = Duration::from_millis(100);

pub(crate) fn run(order: Order) -> anyhow::Result<ExitCode> {
    runtime()?.block_on(give(&order))?;
    Ok(ExitCode::SUCCESS)
}

async fn give(order: &Order) -> anyhow::Result<()> {
    let client = order.with.connect.connect().await?;
    // Only to say what changed: who may order but not read still gets the order carried out.
    let before = client.status().await.ok();
    let request_id = order.with.request_id.clone().unwrap_or_else(new_request_id);
    let ask = Ask {
        action: order.action.clone(),
        reason: order.with.reason.clone(),
        request_id: request_id.clone(),
        expiry: order.expiry,
        expected_version: order.with.expect_version,
        on_behalf_of: order.with.on_behalf_of.clone(),
    };
    let done = client
        .operate(ask)
        .await
        .map_err(|error| explained(error, &request_id))?;
    let after = look_until_shown(&client, order, &done).await;
    let flags = order.with.connect.flags();
    let receipt = Receipt {
        action: &order.action,
        request_id: &request_id,
        done: &done,
        before: before.as_ref(),
        after: after.as_ref(),
        flags: &flags,
    };
    let answer = json!({
        "request_id": request_id,
        "version": done.version,
        "repeated": done.repeated,
        "action": order.action,
        "undo": render::undo(&receipt),
        "weights": order.action.route().and_then(|route| after.as_ref()?.routes.get(route)),
    });
    order.with.output.print(&answer, |paint| receipt.render(paint))
}

/// An order whose answer is lost may have been carried out: then it must be repeated under its own id.
fn explained(error: ClientError, request_id: &str) -> anyhow::Error {
    let lost = matches!(error, ClientError::Call { .. } | ClientError::Answer { .. });
    let error = anyhow::Error::new(error);
    if lost {
        let hint =
            format!("not acknowledged; to try again without doing it twice: --request-id {request_id}");
        return error.context(hint);
    }
    error.context("the order was refused, nothing changed")
}

async fn look_until_shown(client: &Client, order: &Order, done: &CommandDone) -> Option<Published> {
    let mut newest = None;
    for _ in 0..LOOKS {
        let published = client.status().await.context("cannot look").ok()?;
        let route = order.action.route().and_then(|route| published.routes.get(route));
        let shown = match (route, done.version) {
            (Some(weights), Some(version)) => weights.version >= version,
            _ => true,
        };
        newest = Some(published);
        if shown {
            break;
        }
        tokio::time::sleep(BETWEEN_LOOKS).await;
    }
    newest
}
