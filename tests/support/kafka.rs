//! A real Apache Kafka, as `tests/kafka` starts it.

use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use foreshift_ingest::source::mock::PlainProducer;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Headers, Message};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use tempfile::TempDir;

use crate::places::{free_ports, kept_logs, workspace};

/// How long a start may take, on a machine that builds something else meanwhile.
const START: Duration = Duration::from_secs(120);

/// Starts the broker and stops it when standard input ends, which it does however this process ends; then keeps
/// the log. The pid of `start.sh` is the broker.
const KEEPER: &str = r#"
"$1" "$2" "$3" "$4" </dev/null &
broker=$!
read -r _
kill "$broker" 2>/dev/null
wait "$broker"
cp "$2/server.log" "$5/server.log"
rm -rf "$2"
"#;

/// A running broker. Dropping it stops it and keeps its log.
pub struct Kafka {
    keeper: Child,
    port: u16,
    // The keeper removes it, once the broker has ended.
    _dir: std::path::PathBuf,
}

/// A record of a dead-letter topic.
#[derive(Clone, Debug)]
pub struct DeadLetter {
    /// Its headers, in order.
    pub headers: Vec<(String, String)>,
    /// Its payload.
    pub payload: Vec<u8>,
}

impl DeadLetter {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }
}

impl Kafka {
    /// The broker that tests share; topics keep them apart.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Kafka> = OnceLock::new();
        SHARED.get_or_init(|| Self::start("shared-kafka"))
    }

    /// A broker of one's own; `name` is where its log is kept.
    pub fn start(name: &str) -> Self {
        let [port, controller] = free_ports();
        let dir = TempDir::with_prefix("foreshift-kafka-")
            .expect("a directory can be made")
            .keep();
        let logs = kept_logs(name);
        let keeper = Command::new("bash")
            .args(["-c", KEEPER, "keeper"])
            .arg(workspace().join("tests/kafka/start.sh"))
            .arg(&dir)
            .args([port.to_string(), controller.to_string()])
            .arg(&logs)
            .stdin(Stdio::piped())
            .spawn()
            .expect("bash is there");
        let kafka = Self {
            keeper,
            port,
            _dir: dir.clone(),
        };
        let consumer: BaseConsumer = kafka.client().create().expect("the properties are right");
        let until = Instant::now() + START;
        while consumer
            .fetch_metadata(None, Duration::from_secs(1))
            .map_or(true, |told| told.brokers().is_empty())
        {
            let log = std::fs::read_to_string(dir.join("server.log")).unwrap_or_default();
            let tail: Vec<&str> = log.lines().rev().take(5).collect();
            assert!(
                Instant::now() < until && dir.exists(),
                "Kafka does not answer; has tests/kafka/setup.sh been run (`make test` does)? Its log ends: {tail:#?}"
            );
        }
        println!(
            "Kafka at {}; its log will be {}",
            kafka.brokers(),
            logs.join("server.log").display()
        );
        kafka
    }

    /// Its address.
    pub fn brokers(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", self.brokers())
            .set("group.id", "tests")
            .set("log_level", "0");
        config
    }

    /// Makes a topic whose name begins like this and that no other test has.
    pub fn topic(&self, name: &str, partitions: i32) -> String {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "{name}-{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        let admin: AdminClient<DefaultClientContext> =
            self.client().create().expect("the properties are right");
        let topic = NewTopic::new(&name, partitions, TopicReplication::Fixed(1));
        let made = runtime().block_on(admin.create_topics([&topic], &AdminOptions::new()));
        made.expect("the broker answers")
            .pop()
            .expect("one topic")
            .expect("the topic is made");
        name
    }

    /// A producer.
    pub fn producer(&self) -> PlainProducer {
        PlainProducer::connect(&self.brokers()).expect("the properties are right")
    }

    /// How many records a partition holds.
    pub fn records(&self, topic: &str, partition: i32) -> i64 {
        let consumer: BaseConsumer = self.client().create().expect("the properties are right");
        let (low, high) = consumer
            .fetch_watermarks(topic, partition, Duration::from_secs(10))
            .expect("it answers");
        high - low
    }

    /// All records that partition 0 of a topic holds by now.
    pub fn dead_letters(&self, topic: &str) -> Vec<DeadLetter> {
        let consumer: BaseConsumer = self.client().create().expect("the properties are right");
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, 0, Offset::Beginning)
            .expect("an offset");
        consumer.assign(&list).expect("a partition");
        let all = usize::try_from(self.records(topic, 0)).expect("a count");
        let mut letters = Vec::new();
        while letters.len() < all {
            let Some(record) = consumer.poll(Duration::from_secs(10)) else {
                break;
            };
            let record = record.expect("a record");
            let text = |bytes: Option<&[u8]>| String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned();
            let headers = record.headers().map(|headers| {
                headers
                    .iter()
                    .map(|header| (header.key.to_owned(), text(header.value)))
                    .collect()
            });
            letters.push(DeadLetter {
                headers: headers.unwrap_or_default(),
                payload: record.payload().unwrap_or_default().to_vec(),
            });
        }
        letters
    }
}

impl Drop for Kafka {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
}
