//! One file for each rule of the envelope: the rule holds over whole random histories of facts.

mod world;

mod rule_01_sum;
mod rule_02_capacity;
mod rule_03_predictive_bound;
mod rule_04_rate;
mod rule_05_hysteresis;
mod rule_06_expiry;
mod rule_07_version;
mod rule_08_override;
mod rule_09_stale;
mod rule_10_model_failure;
mod rule_11_correlated_alarms;
mod rule_12_determinism;
mod rule_13_validity;
mod rule_14_reasons;
mod rule_15_errors_first;
mod rule_16_sync;
mod rule_17_held_out;
