//! What reaches the engine's thread from outside: commands, reports of gateways, a new fallback configuration.

use std::sync::Arc;

use foreshift_domain::Applied;
use foreshift_domain::fallback::Fallback;
use foreshift_serve::CommandRequest;
use tokio::sync::mpsc;

use super::models::Registered;

/// Commands that wait. People are slow; a caller past this is told to come again.
const MAX_COMMANDS: usize = 64;
/// Reports that wait; one a gateway and route. What does not fit is dropped by the sender, and comes again.
pub(crate) const MAX_REPORTS: usize = 4_096;
/// A file changes rarely, and only the newest matters.
const MAX_FALLBACKS: usize = 4;
/// A registry changes by hand, and only the newest state matters; each may hold models of some megabytes.
const MAX_MODELS: usize = 2;

/// The engine's side.
pub(crate) struct Inbox {
    pub(crate) commands: mpsc::Receiver<CommandRequest>,
    pub(crate) applied: mpsc::Receiver<Applied>,
    pub(crate) fallback: mpsc::Receiver<Arc<Fallback>>,
    pub(crate) models: mpsc::Receiver<Registered>,
}

/// The others' side.
#[derive(Clone)]
pub(crate) struct Senders {
    pub(crate) commands: mpsc::Sender<CommandRequest>,
    pub(crate) applied: mpsc::Sender<Applied>,
    pub(crate) fallback: mpsc::Sender<Arc<Fallback>>,
    pub(crate) models: mpsc::Sender<Registered>,
}

impl Inbox {
    pub(crate) fn new() -> (Self, Senders) {
        let (commands, command_inbox) = mpsc::channel(MAX_COMMANDS);
        let (applied, applied_inbox) = mpsc::channel(MAX_REPORTS);
        let (fallback, fallback_inbox) = mpsc::channel(MAX_FALLBACKS);
        let (models, models_inbox) = mpsc::channel(MAX_MODELS);
        let inbox = Self {
            commands: command_inbox,
            applied: applied_inbox,
            fallback: fallback_inbox,
            models: models_inbox,
        };
        (
            inbox,
            Senders {
                commands,
                applied,
                fallback,
                models,
            },
        )
    }
}
