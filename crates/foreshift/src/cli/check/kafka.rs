//! Brokers and topics: do they answer, and can their newest records be decoded?

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use foreshift_config::{KafkaConfig, ProcessConfig, TopicConfig};
use foreshift_domain::fallback::Fallback;
use foreshift_ingest::decode::envoy::EnvoyKeys;
use foreshift_ingest::decode::{BadRecord, Decoder, Format};
use foreshift_ingest::source::{
    KafkaSettings, KafkaSource, Membership, Positions, Source, SourceError, StartAt, TopicSettings,
};

use super::mapping::Sampled;
use super::places::full;
use crate::cli::render::Finding;
use crate::cli::values::wall_clock;
use crate::run::format_of;

/// How many of the newest records of a topic are read, over all its partitions.
const SAMPLE_RECORDS: i64 = 2_000;

/// How many items a poll gives back at most.
const POLL_ITEMS: usize = 4_096;

/// How long a poll waits.
const POLL_TIMEOUT: Duration = Duration::from_millis(250);

/// How many records that cannot be decoded are shown.
const MAX_EXAMPLES: usize = 3;

/// How long closing a consumer may take.
const CLOSE_DEADLINE: Duration = Duration::from_secs(5);

pub(super) fn check(
    process: &ProcessConfig,
    fallback: Option<&Fallback>,
    sample: foreshift_domain::Duration,
    findings: &mut Vec<Finding>,
) {
    let Some(kafka) = &process.kafka else {
        return findings.push(Finding::ok("kafka", "none: telemetry is sent to receive.address"));
    };
    let decoder = match Decoder::new(EnvoyKeys::default()) {
        Ok(decoder) => decoder,
        Err(error) => return findings.push(Finding::fail("decoder", full(&error), "please report this")),
    };
    let reader = Reader {
        kafka,
        decoder,
        sample: Duration::from_secs_f64(sample.as_secs_f64()),
    };
    let mut sampled = fallback.map(|fallback| Sampled::new(process, fallback));
    let mut answered = false;
    for topic in &kafka.topics {
        match reader.read(topic, sampled.as_mut()) {
            Ok(found) => {
                if !answered {
                    findings.push(Finding::ok(
                        "kafka",
                        format!("{} answer", kafka.brokers.join(", ")),
                    ));
                }
                answered = true;
                found.tell(topic, findings);
            }
            Err(error @ SourceError::NoTopic { .. }) => {
                answered = true;
                let hint = format!(
                    "create it, or correct kafka.topics; what writes to it? (format {:?})",
                    topic.format
                );
                findings.push(Finding::fail(format!("topic {}", topic.name), full(&error), hint));
            }
            Err(error) if answered => {
                let hint = "is this user allowed to read it? see kafka.properties";
                findings.push(Finding::fail(format!("topic {}", topic.name), full(&error), hint));
            }
            Err(error) => {
                let hint = "are kafka.brokers right and reachable from here? TLS and SASL are set in kafka.properties";
                let message = format!("{} do not answer: {}", kafka.brokers.join(", "), full(&error));
                return findings.push(Finding::fail("kafka", message, hint));
            }
        }
    }
    reader.written_topics(findings);
    if let (Some(sampled), Some(fallback)) = (sampled, fallback) {
        sampled.tell(fallback, findings);
    }
}

/// Reads the newest records of topics.
struct Reader<'a> {
    kafka: &'a KafkaConfig,
    decoder: Decoder,
    sample: Duration,
}

/// What a topic holds.
#[derive(Default)]
struct Found {
    partitions: usize,
    records: u64,
    items: u64,
    ignored: u64,
    undecodable: u64,
    examples: Vec<BadRecord>,
}

impl Reader<'_> {
    fn settings(&self, name: &str, format: Format) -> KafkaSettings {
        let properties = self
            .kafka
            .properties
            .iter()
            .map(|(name, value)| (name.to_owned(), value));
        let mut properties: BTreeMap<String, String> = properties.collect();
        properties.insert("client.id".to_owned(), format!("{}-check", self.kafka.client_id));
        KafkaSettings {
            brokers: self.kafka.brokers.join(","),
            topics: vec![TopicSettings {
                name: name.to_owned(),
                format,
            }],
            // Never a member of the group: a check must not move a partition away from who reads it.
            membership: Membership::Assign,
            start: StartAt::Newest,
            allow_gaps: true,
            properties,
        }
    }

    fn read(&self, topic: &TopicConfig, sampled: Option<&mut Sampled>) -> Result<Found, SourceError> {
        let settings = self.settings(&topic.name, format_of(topic));
        let mut source = KafkaSource::open(settings, self.decoder.clone(), &Positions::new())?;
        let read = self.read_newest(&mut source, sampled);
        source.close(CLOSE_DEADLINE);
        read
    }

    /// Reads what is there up to the ends as they were, as long as the sample lasts.
    fn read_newest(
        &self,
        source: &mut KafkaSource,
        mut sampled: Option<&mut Sampled>,
    ) -> Result<Found, SourceError> {
        let ends = source.positions();
        let each = (SAMPLE_RECORDS / i64::try_from(ends.len().max(1)).unwrap_or(i64::MAX)).max(1);
        let begin = ends
            .iter()
            .map(|(key, end)| (key.clone(), end.saturating_sub(each).max(0)));
        source.seek(&begin.collect())?;
        let mut found = Found {
            partitions: ends.len(),
            ..Found::default()
        };
        let until = Instant::now() + self.sample;
        let is_short = |now: &Positions| {
            ends.iter()
                .any(|(key, end)| now.get(key).is_some_and(|at| at < end))
        };
        while is_short(&source.positions()) && Instant::now() < until {
            let batch = source.poll(POLL_ITEMS, POLL_TIMEOUT)?;
            for bad in batch.runs.iter().flat_map(|run| &run.refused) {
                found.undecodable += 1;
                if found.examples.len() < MAX_EXAMPLES {
                    found.examples.push(bad.clone());
                }
            }
            if let Some(sampled) = &mut sampled {
                sampled.take(batch, wall_clock());
            }
        }
        let counters = source.counters();
        (found.records, found.items, found.ignored) = (counters.records, counters.items, counters.ignored);
        Ok(found)
    }

    /// Topics that are written: a producer may be allowed to create them, so a missing one is no failure.
    fn written_topics(&self, findings: &mut Vec<Finding>) {
        let output = &self.kafka.output;
        let written = [
            &self.kafka.dead_letter,
            &output.weights,
            &output.predictions,
            &output.audit,
        ];
        for name in written.into_iter().flatten() {
            let opened = KafkaSource::open(
                self.settings(name, Format::Auto),
                self.decoder.clone(),
                &Positions::new(),
            );
            let about = format!("topic {name}");
            findings.push(match opened {
                Ok(source) => {
                    source.close(CLOSE_DEADLINE);
                    Finding::ok(about, "is there to be written")
                }
                Err(error) => Finding::warn(
                    about,
                    full(&error),
                    "create it, unless the brokers create topics by themselves",
                ),
            });
        }
    }
}

impl Found {
    fn tell(&self, topic: &TopicConfig, findings: &mut Vec<Finding>) {
        let about = format!("topic {}", topic.name);
        let partitions = format!("{} partitions", self.partitions);
        if self.records == 0 {
            let hint = "is anything written to it? a collector may not be running yet";
            return findings.push(Finding::warn(about, format!("{partitions}, no records"), hint));
        }
        let mut told = format!(
            "{partitions}, {} records read, {} items decoded",
            self.records, self.items
        );
        if self.ignored > 0 {
            told.push_str(&format!(", {} say nothing that is asked for", self.ignored));
        }
        if self.undecodable == 0 && self.items == 0 {
            let hint = "does it hold another kind of telemetry? see kafka.topics[].format and kind";
            return findings.push(Finding::warn(about, told, hint));
        }
        if self.undecodable == 0 {
            return findings.push(Finding::ok(about, told));
        }
        told.push_str(&format!(", {} cannot be decoded", self.undecodable));
        for bad in &self.examples {
            told.push_str(&format!("\noffset {}: {}", bad.offset, bad.why));
        }
        let hint = "correct kafka.topics[].format or kind, or what writes there; such records go to the dead-letter topic";
        // Some bad records are everyday; nothing but bad ones is a wrong setting.
        findings.push(if self.items == 0 {
            Finding::fail(about, told, hint)
        } else {
            Finding::warn(about, told, hint)
        });
    }
}

#[cfg(test)]
mod tests {
    use foreshift_ingest::source::mock::MockKafka;

    use foreshift_config::{SignalKind, TopicFormat};

    use super::*;
    use crate::cli::render::Level;

    fn process(brokers: &str) -> ProcessConfig {
        let text = format!(
            "kafka:\n  brokers: [\"{brokers}\"]\n  dead_letter: null\n  topics:\n    \
             - {{name: signals, format: native_json}}\n    - {{name: missing, format: native_json}}\n"
        );
        foreshift_config::parse_process(&text, "f", std::path::Path::new(""), std::iter::empty())
            .unwrap()
            .value
    }

    fn fallback() -> Fallback {
        let text = "routes:\n  - name: chat\n    targets: [{name: openai, role: primary, baseline: 50%}, {name: mistral, role: primary, baseline: 50%}]\n";
        foreshift_config::parse_fallback(text, "f").unwrap().value
    }

    #[test]
    fn topics_records_and_names_are_checked_on_a_broker() {
        let kafka = MockKafka::start(&[("signals", 1)]).unwrap();
        let producer = kafka.producer().unwrap();
        let now = wall_clock().as_secs_f64();
        for target in ["openai", "somebody-else"] {
            let record = format!(r#"{{"time":{now},"target":"{target}","health":"up"}}"#);
            producer.send("signals", 0, record.as_bytes()).unwrap();
        }
        producer.send("signals", 0, b"no json").unwrap();
        producer.flush(Duration::from_secs(10)).unwrap();
        let mut findings = Vec::new();
        let sample = foreshift_domain::Duration::from_secs(10);
        check(
            &process(&kafka.brokers()),
            Some(&fallback()),
            sample,
            &mut findings,
        );
        let has = |level: Level, about: &str, word: &str| {
            let is =
                |one: &Finding| one.level == level && one.about.contains(about) && one.message.contains(word);
            assert!(findings.iter().any(is), "{about} {word}: {findings:#?}");
        };
        has(Level::Warn, "topic signals", "1 cannot be decoded");
        has(Level::Fail, "topic missing", "does not exist");
        has(Level::Warn, "mapping", "somebody-else");
        has(Level::Warn, "target mistral", "nothing");
    }

    #[test]
    fn formats_of_the_configuration_are_those_of_the_decoder() {
        let topic = |name: &str, format, kind| TopicConfig {
            name: name.into(),
            format,
            kind,
        };
        assert_eq!(
            format_of(&topic("otlp_logs", TopicFormat::OtlpJson, None)),
            Format::OtlpLogsJson
        );
        assert_eq!(
            format_of(&topic("x", TopicFormat::OtlpProto, Some(SignalKind::Traces))),
            Format::OtlpSpansProto
        );
        assert_eq!(format_of(&topic("x", TopicFormat::Auto, None)), Format::Auto);
    }
}
