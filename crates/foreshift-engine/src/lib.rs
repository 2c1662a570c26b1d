//! The deterministic fold over the journal.
