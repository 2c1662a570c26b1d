//! Who may do what. Every call passes [`authorize`], those that only read too.

use std::fmt;

use tonic::Status;

/// Who is calling, as authenticated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// The name that is recorded as the actor.
    pub name: String,
    /// What it is here for.
    pub roles: Vec<Role>,
    /// Routes and targets it may command, `*` at the end of a pattern stands for anything; `None` is all.
    pub scope: Option<Vec<String>>,
    /// Whether a credential says so. Without credentials in the configuration, nobody is authenticated.
    pub authenticated: bool,
}

impl Principal {
    /// A peer that gave no credential though some are configured: it may ask for the server's health.
    pub fn nobody() -> Self {
        Self::unauthenticated("nobody", &[])
    }

    /// A peer of a listener without operator calls, where no credentials are configured.
    pub fn anonymous() -> Self {
        Self::unauthenticated("anonymous", &[Role::Gateway])
    }

    /// A peer of a loopback listener with operator calls, where no credentials are configured.
    pub fn local() -> Self {
        Self::unauthenticated("local", &[Role::Gateway, Role::Operator])
    }

    fn unauthenticated(name: &str, roles: &[Role]) -> Self {
        Self {
            name: name.to_owned(),
            roles: roles.to_vec(),
            scope: None,
            authenticated: false,
        }
    }

    fn is(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }

    fn has_in_scope(&self, name: &str) -> bool {
        self.scope.as_ref().is_none_or(|patterns| {
            patterns.iter().any(|pattern| match pattern.strip_suffix('*') {
                Some(prefix) => name.starts_with(prefix),
                None => name == pattern,
            })
        })
    }
}

/// What a principal is here for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Reads.
    Reader,
    /// Reads, sends telemetry, and reports what it applied.
    Gateway,
    /// Reads, and commands.
    Operator,
}

impl Role {
    /// The role of that name.
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "reader" => Self::Reader,
            "gateway" => Self::Gateway,
            "operator" => Self::Operator,
            _ => return None,
        })
    }
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Ask whether the server serves.
    CheckHealth,
    /// Ask which services there are.
    Reflect,
    /// Read weights.
    ReadWeights,
    /// Read predictions.
    ReadPredictions,
    /// Read the whole status.
    ReadStatus,
    /// Say what a gateway applied.
    ReportApplied,
    /// Send telemetry, which is then believed.
    SendTelemetry,
    /// Give a command.
    Operate,
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CheckHealth => "check health",
            Self::Reflect => "list services",
            Self::ReadWeights => "read weights",
            Self::ReadPredictions => "read predictions",
            Self::ReadStatus => "read the status",
            Self::ReportApplied => "report what was applied",
            Self::SendTelemetry => "send telemetry",
            Self::Operate => "give commands",
        })
    }
}

/// On what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource<'a> {
    /// Nothing in particular: asks about the role alone.
    Unnamed,
    /// All routes together.
    Fleet,
    /// One route.
    Route(&'a str),
    /// One target.
    Target(&'a str),
    /// One gateway.
    Gateway(&'a str),
}

/// Why not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// No credential.
    #[error("credentials are needed to {action}")]
    Unauthenticated {
        /// What was asked for.
        action: Action,
    },
    /// The principal is not here for that.
    #[error("{principal} may not {action}")]
    Role {
        /// Who asked.
        principal: String,
        /// What was asked for.
        action: Action,
    },
    /// The principal may do it, but not there.
    #[error("{principal} may not {action} on {resource:?}")]
    Scope {
        /// Who asked.
        principal: String,
        /// What was asked for.
        action: Action,
        /// On what.
        resource: String,
    },
}

impl From<Denied> for Status {
    fn from(denied: Denied) -> Self {
        let message = denied.to_string();
        match denied {
            Denied::Unauthenticated { .. } => Self::unauthenticated(message),
            Denied::Role { .. } | Denied::Scope { .. } => Self::permission_denied(message),
        }
    }
}

/// Whether `principal` may do `action` on `resource`. The one place that says so.
///
/// # Errors
/// When it may not, and why.
pub fn authorize(principal: &Principal, action: Action, resource: Resource<'_>) -> Result<(), Denied> {
    let allowed = match action {
        Action::CheckHealth => true,
        Action::Reflect | Action::ReadWeights | Action::ReadPredictions | Action::ReadStatus => {
            !principal.roles.is_empty()
        }
        Action::ReportApplied | Action::SendTelemetry => principal.is(Role::Gateway),
        Action::Operate => principal.is(Role::Operator),
    };
    if !allowed {
        return Err(if principal.roles.is_empty() {
            Denied::Unauthenticated { action }
        } else {
            Denied::Role {
                principal: principal.name.clone(),
                action,
            }
        });
    }
    match outside_of_scope(principal, action, resource) {
        Some(resource) => Err(Denied::Scope {
            principal: principal.name.clone(),
            action,
            resource: resource.to_owned(),
        }),
        None => Ok(()),
    }
}

/// The resource, where it is not the principal's to touch. Reading is not scoped: weights are no secret to peers.
fn outside_of_scope<'a>(principal: &Principal, action: Action, resource: Resource<'a>) -> Option<&'a str> {
    match (action, resource) {
        (Action::Operate, Resource::Route(name) | Resource::Target(name)) => {
            (!principal.has_in_scope(name)).then_some(name)
        }
        (Action::Operate, Resource::Fleet) => principal.scope.is_some().then_some("all routes"),
        // A gateway speaks for itself alone.
        (Action::ReportApplied, Resource::Gateway(name)) => {
            (principal.authenticated && principal.name != name).then_some(name)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const READS: [Action; 4] = [
        Action::Reflect,
        Action::ReadWeights,
        Action::ReadPredictions,
        Action::ReadStatus,
    ];

    fn known(roles: &[Role], scope: Option<&[&str]>) -> Principal {
        Principal {
            name: "edge-1".to_owned(),
            roles: roles.to_vec(),
            scope: scope.map(|patterns| patterns.iter().map(|pattern| (*pattern).to_owned()).collect()),
            authenticated: true,
        }
    }

    #[test]
    fn nobody_may_ask_for_health_alone() {
        let nobody = Principal::nobody();
        assert_eq!(authorize(&nobody, Action::CheckHealth, Resource::Unnamed), Ok(()));
        for action in READS.into_iter().chain([Action::ReportApplied, Action::Operate]) {
            assert_eq!(
                authorize(&nobody, action, Resource::Unnamed),
                Err(Denied::Unauthenticated { action })
            );
        }
    }

    #[test]
    fn every_role_reads_and_only_its_own_role_acts() {
        for role in [Role::Reader, Role::Gateway, Role::Operator] {
            let principal = known(&[role], None);
            assert!(
                READS
                    .into_iter()
                    .all(|action| { authorize(&principal, action, Resource::Fleet).is_ok() })
            );
            let may = |action| authorize(&principal, action, Resource::Unnamed).is_ok();
            assert_eq!(may(Action::ReportApplied), role == Role::Gateway);
            assert_eq!(may(Action::Operate), role == Role::Operator);
        }
    }

    #[test]
    fn a_scope_bounds_commands_and_never_reaches_the_fleet() {
        let scoped = known(&[Role::Operator], Some(&["frontends/*", "api"]));
        let may = |resource| authorize(&scoped, Action::Operate, resource).is_ok();
        assert!(may(Resource::Route("frontends/a")) && may(Resource::Route("api")));
        assert!(!may(Resource::Route("api2")) && !may(Resource::Target("eu")));
        assert!(!may(Resource::Fleet));
        assert!(authorize(&known(&[Role::Operator], None), Action::Operate, Resource::Fleet).is_ok());
    }

    #[test]
    fn a_gateway_speaks_for_itself_alone() {
        let gateway = known(&[Role::Gateway], None);
        let report = |name| authorize(&gateway, Action::ReportApplied, Resource::Gateway(name));
        assert_eq!(report("edge-1"), Ok(()));
        assert!(matches!(report("edge-2"), Err(Denied::Scope { .. })));
        let anyone = Principal::anonymous();
        assert!(authorize(&anyone, Action::ReportApplied, Resource::Gateway("edge-2")).is_ok());
    }
}
