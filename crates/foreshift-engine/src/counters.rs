//! What the engine counts. Part of its state, so that counts survive a restart and are exact.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

macro_rules! counters {
    ($($(#[$doc:meta])* $field:ident),* $(,)?) => {
        /// What the engine counts, since the beginning of its journal.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
        pub struct Counters {
            $($(#[$doc])* pub $field: u64,)*
        }

        impl Counters {
            /// By name, for metrics.
            pub fn by_name(&self) -> BTreeMap<String, u64> {
                BTreeMap::from([$((stringify!($field).to_owned(), self.$field)),*])
            }
        }
    };
}

counters! {
    /// Signals handed in.
    signals,
    /// Signals whose bucket was closed already; counted, not folded.
    late_signals,
    /// Signals with a number that is not finite; not folded.
    invalid_signals,
    /// Log events handed in.
    log_events,
    /// Signals and log events about targets that are neither configured nor discovered.
    unmapped,
    /// Signals and log events about targets refused for want of room.
    refused_targets,
    /// Prediction ticks run.
    ticks,
    /// Prediction ticks left out because nothing was known of any target.
    idle_ticks,
    /// Predictions made: targets times ticks.
    predictions,
    /// Predictions that were not finite.
    failed_predictions,
    /// Alarms that began.
    alarms,
    /// Alarms held out from action.
    held_out,
    /// Rows learned as positive.
    positives,
    /// Rows learned as negative.
    negatives,
    /// Rows whose label stayed unknown.
    unknowns,
    /// Models that became champion.
    model_changes,
    /// Times that the model's log-loss rose on a route beyond what chance allows.
    drifts,
    /// Alarms within a budget that turned out to be false.
    false_alarms,
    /// Alarms that a decision may rest on of which trees are told as one term, since too many came at once.
    brief_grounds,
    /// Incidents that began.
    incidents,
    /// Plans evaluated.
    plans,
    /// Plans that changed something.
    decisions,
    /// Commands carried out.
    commands,
    /// Commands refused.
    commands_refused,
}
