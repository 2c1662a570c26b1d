//! Commands of operators: requests to commands, and actions to requests for clients.

use foreshift_domain::command::{Action, Command};
use foreshift_domain::names::MAX_NAME_BYTES;
use foreshift_domain::prediction::PredictionId;
use foreshift_domain::{TargetName, Timestamp};

use crate::enums;
use crate::error::WireError;
use crate::field::{self, MAX_SHARES};
use crate::v1;

/// The longest reason, in bytes: it is for people.
pub const MAX_REASON_BYTES: usize = 1_024;
/// The longest request id, in bytes: a UUID has 36.
pub const MAX_REQUEST_ID_BYTES: usize = 128;

/// Who asked and when: what a request cannot say of itself.
#[derive(Clone, Copy, Debug)]
pub struct Acceptance<'a> {
    /// The authenticated peer.
    pub actor: &'a str,
    /// The moment of acceptance.
    pub at: Timestamp,
}

/// A request of the operator service.
pub trait OperatorRequest {
    /// Its header and what it asks for.
    ///
    /// # Errors
    /// When a field does not keep the domain's promises.
    fn into_parts(self) -> Result<(Option<v1::CommandHeader>, Action), WireError>;
}

/// The command that a request asks for.
///
/// # Errors
/// When a field does not keep the domain's promises. Whether the command makes sense is the engine's to say.
pub fn command(request: impl OperatorRequest, accepted: Acceptance<'_>) -> Result<Command, WireError> {
    let (header, action) = request.into_parts()?;
    let header = header.ok_or(WireError::Missing { field: "header" })?;
    required("header.reason", &header.reason, MAX_REASON_BYTES)?;
    required("header.request_id", &header.request_id, MAX_REQUEST_ID_BYTES)?;
    Ok(Command {
        expires_at: expiry(&header, accepted.at)?,
        on_behalf_of: field::optional_name("header.on_behalf_of", header.on_behalf_of)?,
        request_id: header.request_id,
        actor: accepted.actor.to_owned(),
        reason: header.reason,
        issued_at: accepted.at,
        expected_version: header.expected_version.map(Into::into),
        action,
    })
}

fn required(field: &'static str, text: &str, max: usize) -> Result<(), WireError> {
    field::at_most(field, text, max)?;
    if text.trim().is_empty() {
        return Err(WireError::Missing { field });
    }
    Ok(())
}

fn expiry(header: &v1::CommandHeader, now: Timestamp) -> Result<Option<Timestamp>, WireError> {
    match (header.expires_at_unix_us, header.expires_in_us) {
        (None, None) => Ok(None),
        (Some(at), None) => Ok(Some(field::time(at))),
        (None, Some(span)) => Ok(Some(now + field::positive_span("header.expires_in_us", span)?)),
        (Some(_), Some(_)) => Err(WireError::OutOfRange {
            field: "header.expires_in_us",
            expected: "absent where expires_at_unix_us is given",
        }),
    }
}

fn shares(field: &'static str, wire: Vec<v1::TargetShare>) -> Result<Vec<(TargetName, u32)>, WireError> {
    field::at_most_entries(field, wire.len(), MAX_SHARES)?;
    wire.into_iter()
        .map(|share| {
            Ok((
                field::name(field, share.target)?,
                field::share(field, share.weight_bp)?,
            ))
        })
        .collect()
}

fn prediction_id(text: &str) -> Result<PredictionId, WireError> {
    // A name, `@`, and at most 20 digits with a sign.
    required("prediction_id", text, MAX_NAME_BYTES + 22)?;
    text.parse().map_err(|_| WireError::OutOfRange {
        field: "prediction_id",
        expected: "target@unix_ms",
    })
}

impl OperatorRequest for v1::PinRequest {
    fn into_parts(self) -> Result<(Option<v1::CommandHeader>, Action), WireError> {
        let action = Action::Pin {
            route: field::name("route", self.route)?,
            weights: shares("weights", self.weights)?,
        };
        Ok((self.header, action))
    }
}

impl OperatorRequest for v1::UnpinRequest {
    fn into_parts(self) -> Result<(Option<v1::CommandHeader>, Action), WireError> {
        let route = field::name("route", self.route)?;
        Ok((self.header, Action::Unpin { route }))
    }
}

impl OperatorRequest for v1::FreezeRequest {
    fn into_parts(self) -> Result<(Option<v1::CommandHeader>, Action), WireError> {
        let route = field::optional_name("route", self.route)?;
        Ok((self.header, Action::Freeze { route }))
    }
}

impl OperatorRequest for v1::UnfreezeRequest {
    fn into_parts(self) -> Result<(Option<v1::CommandHeader>, Action), WireError> {
        let route = field::optional_name("route", self.route)?;
        Ok((self.header, Action::Unfreeze { route }))
    }
}

impl OperatorRequest for v1::SetModeRequest {
    fn into_parts(self) -> Result<(Option<v1::CommandHeader>, Action), WireError> {
        let action = Action::SetMode {
            route: field::optional_name("route", self.route)?,
            mode: enums::mode("mode", self.mode)?,
        };
        Ok((self.header, action))
    }
}

impl OperatorRequest for v1::ConfirmBaselineRequest {
    fn into_parts(self) -> Result<(Option<v1::CommandHeader>, Action), WireError> {
        let action = Action::ConfirmBaseline {
            route: field::name("route", self.route)?,
            baseline: shares("baseline", self.baseline)?,
        };
        Ok((self.header, action))
    }
}

impl OperatorRequest for v1::MarkIncidentRequest {
    fn into_parts(self) -> Result<(Option<v1::CommandHeader>, Action), WireError> {
        let action = Action::MarkIncident {
            target: field::name("target", self.target)?,
            start: field::time(self.start_unix_us),
            end: self.end_unix_us.map(field::time),
        };
        Ok((self.header, action))
    }
}

impl OperatorRequest for v1::GiveVerdictRequest {
    fn into_parts(self) -> Result<(Option<v1::CommandHeader>, Action), WireError> {
        let action = Action::Verdict {
            prediction: prediction_id(&self.prediction_id)?,
            verdict: enums::verdict("verdict", self.verdict)?,
        };
        Ok((self.header, action))
    }
}

/// The call that asks for an action.
#[derive(Clone, Debug, PartialEq)]
pub enum OperatorCall {
    /// `Pin`.
    Pin(v1::PinRequest),
    /// `Unpin`.
    Unpin(v1::UnpinRequest),
    /// `Freeze`.
    Freeze(v1::FreezeRequest),
    /// `Unfreeze`.
    Unfreeze(v1::UnfreezeRequest),
    /// `SetMode`.
    SetMode(v1::SetModeRequest),
    /// `ConfirmBaseline`.
    ConfirmBaseline(v1::ConfirmBaselineRequest),
    /// `MarkIncident`.
    MarkIncident(v1::MarkIncidentRequest),
    /// `GiveVerdict`.
    GiveVerdict(v1::GiveVerdictRequest),
}

impl OperatorCall {
    /// The call that asks for `action`.
    pub fn new(header: v1::CommandHeader, action: &Action) -> Self {
        let header = Some(header);
        let optional = |route: &Option<foreshift_domain::RouteName>| {
            route
                .as_ref()
                .map_or_else(String::new, |route| route.as_str().to_owned())
        };
        match action {
            Action::Pin { route, weights } => Self::Pin(v1::PinRequest {
                header,
                route: route.as_str().to_owned(),
                weights: shares_to_wire(weights),
            }),
            Action::Unpin { route } => Self::Unpin(v1::UnpinRequest {
                header,
                route: route.as_str().to_owned(),
            }),
            Action::Freeze { route } => Self::Freeze(v1::FreezeRequest {
                header,
                route: optional(route),
            }),
            Action::Unfreeze { route } => Self::Unfreeze(v1::UnfreezeRequest {
                header,
                route: optional(route),
            }),
            Action::SetMode { route, mode } => Self::SetMode(v1::SetModeRequest {
                header,
                route: optional(route),
                mode: v1::Mode::from(*mode).into(),
            }),
            Action::ConfirmBaseline { route, baseline } => {
                Self::ConfirmBaseline(v1::ConfirmBaselineRequest {
                    header,
                    route: route.as_str().to_owned(),
                    baseline: shares_to_wire(baseline),
                })
            }
            Action::MarkIncident { target, start, end } => Self::MarkIncident(v1::MarkIncidentRequest {
                header,
                target: target.as_str().to_owned(),
                start_unix_us: start.as_micros(),
                end_unix_us: end.map(Timestamp::as_micros),
            }),
            Action::Verdict { prediction, verdict } => Self::GiveVerdict(v1::GiveVerdictRequest {
                header,
                prediction_id: prediction.to_string(),
                verdict: v1::Verdict::from(*verdict).into(),
            }),
        }
    }
}

fn shares_to_wire(shares: &[(TargetName, u32)]) -> Vec<v1::TargetShare> {
    shares
        .iter()
        .map(|(target, weight_bp)| v1::TargetShare {
            target: target.as_str().to_owned(),
            weight_bp: *weight_bp,
        })
        .collect()
}
