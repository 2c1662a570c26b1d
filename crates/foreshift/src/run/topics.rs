//! Results to Kafka, for those topics that the configuration names. JSON, as `-o json` prints it.

use foreshift_config::{OutputTopics, ProcessConfig};
use foreshift_domain::prediction::PredictionId;
use foreshift_engine::{Output, PredictionTick};
use foreshift_ingest::DeliveryCounters;
use foreshift_ingest::results::Results;
use serde::Serialize;
use serde_json::json;

/// How long a stop waits for what is queued.
const FLUSH: std::time::Duration = std::time::Duration::from_secs(2);

/// Writes to the topics that are named.
pub(crate) struct Topics {
    results: Results,
    names: OutputTopics,
}

impl Topics {
    /// `None` without Kafka, or when no topic is named.
    pub(crate) fn connect(config: &ProcessConfig) -> anyhow::Result<Option<Self>> {
        let Some(kafka) = &config.kafka else {
            return Ok(None);
        };
        let names = kafka.output.clone();
        if names == OutputTopics::default() {
            return Ok(None);
        }
        let properties = super::telemetry::properties(kafka);
        let results = Results::connect(&kafka.brokers.join(","), &properties)?;
        Ok(Some(Self { results, names }))
    }

    /// Writes an output where it belongs.
    pub(crate) fn take(&self, output: &Output) {
        match output {
            Output::Weights(weights) => {
                self.send(&self.names.weights, weights.route.as_str(), weights.as_ref())
            }
            Output::Decision(decision, _) => {
                self.send(&self.names.audit, decision.route.as_str(), decision.as_ref())
            }
            Output::Command(command, result) => {
                let audited = json!({"command": command.as_ref(), "result": result});
                self.send(&self.names.audit, &command.request_id, &audited);
            }
            Output::Model(change) => {
                let key = change.to.as_deref().unwrap_or_default();
                self.send(&self.names.audit, key, &json!({"model": change}));
            }
            Output::Predictions(tick) => self.predictions(tick),
            Output::Incident(_) | Output::Alert(_) | Output::Row(_) | Output::Served(_) => {}
        }
    }

    fn predictions(&self, tick: &PredictionTick) {
        if self.names.predictions.is_none() {
            return;
        }
        for target in &tick.targets {
            let id = PredictionId {
                target: target.target.clone(),
                tick: tick.time,
            };
            let row = json!({"id": id, "route": target.route, "probabilities": target.probabilities});
            self.send(&self.names.predictions, target.target.as_str(), &row);
        }
    }

    fn send<T: Serialize>(&self, topic: &Option<String>, key: &str, value: &T) {
        if let (Some(topic), Ok(payload)) = (topic, serde_json::to_vec(value)) {
            self.results.send(topic, key, &payload);
        }
    }

    /// Waits a little for what is queued.
    pub(crate) fn flush(&self) {
        if !self.results.flush(FLUSH) {
            tracing::warn!("some results were not delivered to kafka before the stop");
        }
    }

    pub(crate) fn counters(&self) -> DeliveryCounters {
        self.results.counters()
    }
}
