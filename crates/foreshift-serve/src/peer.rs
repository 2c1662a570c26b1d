//! From a call to its principal.

use std::sync::Arc;

use tonic::{Request, Status};

use crate::access::{self, Action, Principal, Resource};
use crate::credentials::Credentials;

/// The scheme of bearer tokens, with the blank after it.
const BEARER: &str = "Bearer ";

/// Finds out who is calling on one listener.
pub(crate) struct Authenticator {
    credentials: Credentials,
    /// Who everyone is, where no credentials are configured.
    uncredentialed: Arc<Principal>,
}

impl Authenticator {
    pub(crate) fn new(credentials: Credentials, uncredentialed: Principal) -> Self {
        Self {
            credentials,
            uncredentialed: Arc::new(uncredentialed),
        }
    }

    /// Puts the principal into the call. A wrong token is refused here, whatever is asked for.
    pub(crate) fn authenticate(&self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let principal = self.principal(&request)?;
        request.extensions_mut().insert(principal);
        Ok(request)
    }

    /// The same, for services of others that do not authorize by themselves.
    pub(crate) fn authenticate_for(
        &self,
        request: Request<()>,
        action: Action,
    ) -> Result<Request<()>, Status> {
        let request = self.authenticate(request)?;
        authorize(&request, action, Resource::Unnamed)?;
        Ok(request)
    }

    fn principal(&self, request: &Request<()>) -> Result<Arc<Principal>, Status> {
        if !self.credentials.are_configured() {
            return Ok(Arc::clone(&self.uncredentialed));
        }
        if let Some(value) = request.metadata().get("authorization") {
            return value
                .to_str()
                .ok()
                .and_then(|value| value.strip_prefix(BEARER))
                .and_then(|token| self.credentials.by_token(token.trim().as_bytes()))
                .cloned()
                .ok_or_else(|| Status::unauthenticated("this token is not known"));
        }
        let certificates = request.peer_certs();
        let Some(certificate) = certificates.as_ref().and_then(|chain| chain.first()) else {
            return Ok(Arc::new(Principal::nobody()));
        };
        self.credentials
            .by_certificate(certificate)
            .cloned()
            .ok_or_else(|| Status::unauthenticated("this client certificate is not known"))
    }
}

/// Passes the call's principal to [`access::authorize`], and returns it.
pub(crate) fn authorize<T>(
    request: &Request<T>,
    action: Action,
    resource: Resource<'_>,
) -> Result<Arc<Principal>, Status> {
    let principal = request
        .extensions()
        .get::<Arc<Principal>>()
        .ok_or_else(|| Status::internal("the call was not authenticated"))?;
    access::authorize(principal, action, resource)?;
    Ok(Arc::clone(principal))
}
