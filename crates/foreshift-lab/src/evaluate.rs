//! `foreshift-lab evaluate`: how good predictions are, beside what a user could do instead.

pub(crate) mod bootstrap;
pub(crate) mod events;
pub(crate) mod figures;
pub(crate) mod isotonic;
pub(crate) mod measures;
pub(crate) mod panel;
pub(crate) mod prequential;
