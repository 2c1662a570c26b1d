//! What the integration tests share: starting real components and waiting for them.
