//! Reactive rules, the plan and the safety envelope.
