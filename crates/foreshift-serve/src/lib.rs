//! gRPC services over the published state.
