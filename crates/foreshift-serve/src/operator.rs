//! `OperatorService`: authenticated, authorized, queued, answered.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use foreshift_domain::Timestamp;
use foreshift_domain::command::{self, CommandDone, CommandRefused, CommandResult};
use foreshift_proto::command::{Acceptance, OperatorRequest, command};
use foreshift_proto::v1;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::oneshot;
use tokio::time::timeout;
use tonic::metadata::MetadataValue;
use tonic::{Code, Request, Response, Status};

use crate::access::{self, Action, Resource};
use crate::peer::authorize;
use crate::shared::{CommandRequest, Shared};

/// Carries the refusal as JSON beside the status, so that a client need not read its message.
pub(crate) const REFUSED_METADATA: &str = "foreshift-refused-bin";

/// Commands of people.
pub(crate) struct Operator(pub(crate) Arc<Shared>);

impl Operator {
    async fn run<R: OperatorRequest>(
        &self,
        request: Request<R>,
    ) -> Result<Response<v1::CommandResponse>, Status> {
        // The role first: who may not command is not told what is wrong with the command.
        let principal = authorize(&request, Action::Operate, Resource::Unnamed)?;
        let accepted = Acceptance {
            actor: &principal.name,
            at: self.now(),
        };
        let asked = command(request.into_inner(), accepted)
            .map_err(|error| Status::invalid_argument(error.to_string()))?;
        access::authorize(&principal, Action::Operate, resource(&asked.action))?;
        let result = self.carry_out(asked).await?;
        match result.verdict {
            Ok(CommandDone { version, repeated }) => Ok(Response::new(v1::CommandResponse {
                request_id: result.request_id,
                version: version.map(Into::into),
                already_done: repeated,
            })),
            Err(refused) => Err(refusal(&refused)),
        }
    }

    async fn carry_out(&self, command: command::Command) -> Result<CommandResult, Status> {
        let (reply, result) = oneshot::channel();
        self.0
            .channels
            .commands
            .try_send(CommandRequest { command, reply })
            .map_err(|error| match error {
                TrySendError::Full(_) => Status::resource_exhausted(
                    "the queue of commands is full: ask again with the same request id",
                ),
                TrySendError::Closed(_) => {
                    Status::unavailable("the server stops: ask again with the same request id")
                }
            })?;
        match timeout(self.0.limits.request_timeout, result).await {
            Ok(Ok(result)) => Ok(result),
            Ok(Err(_)) => Err(Status::unavailable(
                "the command was not answered: ask again with the same request id",
            )),
            Err(_) => Err(Status::deadline_exceeded(
                "the command may still be carried out: ask again with the same request id",
            )),
        }
    }

    /// The engine's clock, since it is the one that judges expiries; before its first tick, the wall clock.
    fn now(&self) -> Timestamp {
        let now = self.0.published().now;
        if now > Timestamp::default() {
            return now;
        }
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_micros(i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX))
    }
}

/// What a command touches.
fn resource(action: &command::Action) -> Resource<'_> {
    use command::Action as Do;
    match action {
        Do::Pin { route, .. } | Do::Unpin { route } | Do::ConfirmBaseline { route, .. } => {
            Resource::Route(route.as_str())
        }
        Do::Freeze { route } | Do::Unfreeze { route } | Do::SetMode { route, .. } => route
            .as_ref()
            .map_or(Resource::Fleet, |route| Resource::Route(route.as_str())),
        Do::MarkIncident { target, .. } => Resource::Target(target.as_str()),
        Do::Verdict { prediction, .. } => Resource::Target(prediction.target.as_str()),
    }
}

/// The status that says why a command was refused.
fn refusal(refused: &CommandRefused) -> Status {
    let code = match refused {
        CommandRefused::UnknownRoute { .. }
        | CommandRefused::UnknownTarget { .. }
        | CommandRefused::UnknownPrediction { .. } => Code::NotFound,
        CommandRefused::VersionConflict { .. } => Code::Aborted,
        CommandRefused::BaselineUnconfirmed { .. } | CommandRefused::NothingToEnd { .. } => {
            Code::FailedPrecondition
        }
        // Not carried out, and the same request may well succeed later.
        CommandRefused::NotKept => Code::Unavailable,
        CommandRefused::WrongSum { .. }
        | CommandRefused::BadExpiry
        | CommandRefused::NoReason
        | CommandRefused::BadInterval => Code::InvalidArgument,
    };
    let mut status = Status::new(code, refused.to_string());
    if let Ok(json) = serde_json::to_vec(refused) {
        status
            .metadata_mut()
            .insert_bin(REFUSED_METADATA, MetadataValue::from_bytes(&json));
    }
    status
}

/// Every call runs the same way: only the request differs.
macro_rules! calls {
    ($($call:ident: $request:ident),+ $(,)?) => {
        #[tonic::async_trait]
        impl v1::operator_service_server::OperatorService for Operator {
            $(async fn $call(
                &self,
                request: Request<v1::$request>,
            ) -> Result<Response<v1::CommandResponse>, Status> {
                self.run(request).await
            })+
        }
    };
}

calls! {
    pin: PinRequest,
    unpin: UnpinRequest,
    freeze: FreezeRequest,
    unfreeze: UnfreezeRequest,
    set_mode: SetModeRequest,
    confirm_baseline: ConfirmBaselineRequest,
    mark_incident: MarkIncidentRequest,
    give_verdict: GiveVerdictRequest,
}
