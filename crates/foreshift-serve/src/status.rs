//! `StatusService`.

use std::pin::Pin;
use std::sync::Arc;

use foreshift_proto::{status_parts, v1};
use futures_util::{Stream, stream};
use tonic::{Request, Response, Status};

use crate::access::{Action, Resource};
use crate::peer::authorize;
use crate::shared::Shared;

/// The whole published state.
pub(crate) struct StatusReader(pub(crate) Arc<Shared>);

#[tonic::async_trait]
impl v1::status_service_server::StatusService for StatusReader {
    type GetStatusStream = Pin<Box<dyn Stream<Item = Result<v1::GetStatusResponse, Status>> + Send>>;

    async fn get_status(
        &self,
        request: Request<v1::GetStatusRequest>,
    ) -> Result<Response<Self::GetStatusStream>, Status> {
        authorize(&request, Action::ReadStatus, Resource::Fleet)?;
        // A reader that stops reading keeps one state alive: that counts as a stream.
        let permit = self.0.stream_permit()?;
        let parts = status_parts(self.0.published()).map(move |part| {
            let _held = &permit;
            Ok(part)
        });
        Ok(Response::new(Box::pin(stream::iter(parts))))
    }
}
