//! Gradient-boosted trees: the offline trainer. What it learns is scored by `foreshift_predict::trees`.
//!
//! It is a crate of its own, above the shell line, since it may use threads and the online binary never trains.
