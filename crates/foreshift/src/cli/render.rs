//! From values to text. Nothing here asks, reads a clock or prints: the same values give the same text.

mod decision;
mod explanation;
mod findings;
mod logs;
mod paint;
mod plan;
mod receipt;
mod status;
mod table;
#[cfg(test)]
mod tests;
mod weights;
mod words;

pub(crate) use decision::decision;
pub(crate) use explanation::explanation;
pub(crate) use findings::{Finding, Level, findings};
pub(crate) use logs::logs;
pub(crate) use paint::{Ink, Paint};
pub(crate) use plan::{PlanView, plan};
pub(crate) use receipt::{Receipt, undo};
pub(crate) use status::{StatusView, status};
pub(crate) use weights::{changed_line, removed_line, route_in_words};
pub(crate) use words::{
    age, clean, health_word, mode_word, percent, percent_bp, quoted, reason_word, risk_ink,
};

/// What is printed fits a terminal of this many columns, unless names alone are longer.
pub(crate) const MAX_COLUMNS: usize = 100;
