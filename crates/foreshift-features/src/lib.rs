//! Windows and features: signals to a vector of numbers for each target and prediction tick.
