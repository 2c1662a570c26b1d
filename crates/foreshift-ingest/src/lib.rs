//! Kafka, decoders, sequencer, journal and file sources.
