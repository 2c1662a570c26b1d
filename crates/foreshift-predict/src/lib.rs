//! Online models: a vector to a calibrated probability, with contributions.
