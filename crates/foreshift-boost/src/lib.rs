//! Gradient-boosted trees: the offline trainer. What it learns is read by `foreshift_predict::trees`.
//!
//! [`train`] minimises the weighted logistic loss by histograms, as LightGBM does: values are put into at most
//! 255 bins, and each tree grows at the leaf where a split helps most. Gradients are summed as integers, so
//! that no order of summation can change a sum: the same rows, parameters and seed give the same trees on any
//! number of threads.
//!
//! It is a crate of its own, above the shell line, since it may use threads and the online binary never trains.
//! It does not know what a feature means, and reads no clock, file or environment.

mod bins;
mod chance;
mod grow;
mod histogram;
mod loss;
mod params;
mod partition;
mod rows;
mod shard;
mod split;
mod train;

#[cfg(test)]
mod tests;

pub use loss::{average_precision, log_loss};
pub use params::{Metric, Params};
pub use rows::{Columns, Rows};
pub use train::{BoostError, MAX_ROWS, Round, Trained, train};
