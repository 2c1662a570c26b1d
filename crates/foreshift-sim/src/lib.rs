//! A seeded world of targets, faults and gateways.
