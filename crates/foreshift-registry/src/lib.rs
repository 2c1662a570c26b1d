//! The registry of models: versions with manifest and card, aliases champion and challenger, promotion and rollback.
//!
//! Both binaries use it: the offline one writes versions and moves aliases, the online one follows them.
