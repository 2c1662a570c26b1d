//! The built `foreshift`, as a process.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use foreshift_domain::command::CommandDone;
use foreshift_domain::published::Published;
use foreshift_serve::client::{Ask, Client, ClientConfig, ClientError};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::eventually;
use crate::places::{binary, free_ports, kept_logs};

/// How long a start may take, on a machine that builds something else meanwhile.
const START: Duration = Duration::from_secs(60);

/// What a test says of the process; the rest is the same for all.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Address of the broker; empty for telemetry without Kafka, over gRPC.
    pub brokers: String,
    /// Topics and their formats.
    pub topics: Vec<(String, &'static str)>,
    /// Topic for dead letters.
    pub dead_letter: Option<String>,
    /// The section `time`, on one line.
    pub time: String,
    /// How often a snapshot is taken.
    pub snapshot_interval: &'static str,
    /// The whole `fallback.yaml`.
    pub fallback: String,
    /// Further sections of `foreshift.yaml`.
    pub more: &'static str,
}

impl Settings {
    fn process_yaml(&self, [grpc, operator, http, receive]: [u16; 4]) -> String {
        format!(
            "{}time: {}\n\
             listen:\n  grpc: {{address: \"127.0.0.1:{grpc}\"}}\n  operator: {{address: \"127.0.0.1:{operator}\"}}\n  \
             http: {{address: \"127.0.0.1:{http}\"}}\n\
             storage: {{dir: state, snapshot_interval: {}}}\n{}",
            self.telemetry(receive),
            self.time,
            self.snapshot_interval,
            self.more,
        )
    }

    fn telemetry(&self, receive: u16) -> String {
        if self.brokers.is_empty() {
            return format!("receive: {{address: \"127.0.0.1:{receive}\"}}\n");
        }
        let topics = self
            .topics
            .iter()
            .map(|(name, format)| format!("{{name: {name}, format: {format}}}"));
        let topics = topics.collect::<Vec<_>>().join(", ");
        let dead_letter = self.dead_letter.as_deref().unwrap_or("null");
        format!(
            "kafka:\n  brokers: [\"{}\"]\n  consume: assign\n  topics: [{topics}]\n  dead_letter: {dead_letter}\n",
            self.brokers
        )
    }
}

/// `foreshift run`, with a directory and ports that outlive restarts. Dropping it kills it and keeps its log.
pub struct Foreshift {
    name: String,
    dir: TempDir,
    child: Option<Child>,
    grpc: u16,
    operator: u16,
    http: u16,
    receive: u16,
    runtime: Runtime,
}

impl Foreshift {
    /// Starts it and waits until it is ready. `name` is where its log is kept.
    pub fn start(name: &str, settings: &Settings) -> Self {
        let dir = TempDir::with_prefix("foreshift-test-").expect("a directory can be made");
        let ports @ [grpc, operator, http, receive] = free_ports();
        std::fs::write(dir.path().join("foreshift.yaml"), settings.process_yaml(ports)).expect("a file");
        std::fs::write(dir.path().join("fallback.yaml"), &settings.fallback).expect("a file");
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build();
        let runtime = runtime.expect("a runtime");
        let mut foreshift = Self {
            name: name.to_owned(),
            dir,
            child: None,
            grpc,
            operator,
            http,
            receive,
            runtime,
        };
        foreshift.start_again();
        foreshift
    }

    /// Its directory.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The listener of gateways.
    pub fn server(&self) -> String {
        format!("http://127.0.0.1:{}", self.grpc)
    }

    /// The port of the listener of gateways.
    pub fn grpc_port(&self) -> u16 {
        self.grpc
    }

    /// The port that takes telemetry over gRPC, without Kafka.
    pub fn receive_port(&self) -> u16 {
        self.receive
    }

    /// The number of the process; it runs.
    pub fn process(&self) -> u32 {
        self.child.as_ref().expect("it runs").id()
    }

    /// Starts the process on what the one before left, and waits until it is ready.
    pub fn start_again(&mut self) {
        self.spawn();
        let until = Instant::now() + START;
        while self.get("/readyz").is_none_or(|(status, _)| status != 200) {
            let ended = self
                .child
                .as_mut()
                .and_then(|child| child.try_wait().expect("a child"));
            assert!(
                ended.is_none() && Instant::now() < until,
                "foreshift is not ready ({ended:?}):\n{}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Starts the process without waiting for anything.
    pub fn spawn(&mut self) {
        assert!(self.child.is_none(), "it runs already");
        let log = || -> File {
            OpenOptions::new()
                .create(true)
                .append(true)
                .open(self.log_path())
                .expect("a log")
        };
        let child = Command::new(binary("foreshift"))
            .args(["run", "--config"])
            .arg(self.dir.path().join("foreshift.yaml"))
            .env_remove("RUST_LOG")
            .stdin(Stdio::null())
            .stdout(log())
            .stderr(log())
            .spawn();
        self.child = Some(child.expect("the binary starts"));
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("it can be killed");
            child.wait().expect("it ends");
        }
    }

    /// SIGTERM, and the exit status; fails when it does not end within the time.
    pub fn terminate(&mut self, within: Duration) -> ExitStatus {
        let mut child = self.child.take().expect("it runs");
        let told = Command::new("kill")
            .args(["-TERM", &child.id().to_string()])
            .status();
        assert!(told.expect("kill is there").success());
        eventually("the process ends", within, || child.try_wait().expect("a child"))
    }

    /// Resident memory in bytes.
    pub fn resident_bytes(&self) -> u64 {
        let pid = self.child.as_ref().expect("it runs").id();
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the process is there");
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .expect("memory is told");
        let kib: u64 = line
            .trim()
            .trim_end_matches(" kB")
            .trim()
            .parse()
            .expect("a number");
        kib << 10
    }

    fn log_path(&self) -> PathBuf {
        self.dir.path().join("foreshift.log")
    }

    /// What it has logged, over all starts.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    /// An HTTP answer: status and body; `None` while nobody listens.
    pub fn get(&self, path: &str) -> Option<(u16, String)> {
        http_get(self.http, path)
    }

    /// A metric that has no labels; 0 when it is not there.
    pub fn metric(&self, name: &str) -> f64 {
        let (_, body) = self.get("/metrics").unwrap_or_default();
        let mut values = body
            .lines()
            .filter_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok());
        values.next().unwrap_or_default()
    }

    /// A client of the operators' listener.
    pub fn client(&self) -> Result<Client, ClientError> {
        let server = format!("http://127.0.0.1:{}", self.operator);
        let config = ClientConfig {
            server,
            timeout: Duration::from_secs(20),
            ..ClientConfig::default()
        };
        self.runtime.block_on(Client::connect(config))
    }

    /// The published state; `None` while it cannot be read.
    pub fn status(&self) -> Option<Published> {
        let client = self.client().ok()?;
        self.runtime.block_on(client.status()).ok()
    }

    /// Gives a command.
    ///
    /// # Errors
    /// When it was refused or not acknowledged.
    pub fn operate(&self, ask: Ask) -> Result<CommandDone, ClientError> {
        let client = self.client()?;
        self.runtime.block_on(client.operate(ask))
    }

    /// Begins to give a command, without waiting for what becomes of it.
    ///
    /// # Errors
    /// When nobody listens.
    pub fn begin_to_operate(&self, ask: Ask) -> Result<(), ClientError> {
        let client = self.client()?;
        self.runtime
            .spawn(async move { client.operate(ask).await.is_ok() });
        Ok(())
    }

    /// The command line, against this process.
    pub fn cli(&self, args: &[&str]) -> Output {
        let command = Command::new(binary("foreshift"))
            .args(args)
            .env("FORESHIFT_SERVER", format!("http://127.0.0.1:{}", self.operator))
            .env_remove("RUST_LOG")
            .current_dir(self.dir.path())
            .stdin(Stdio::null())
            .output();
        command.expect("the binary starts")
    }
}

impl Drop for Foreshift {
    fn drop(&mut self) {
        self.kill();
        let kept = kept_logs("foreshift").join(format!("{}.log", self.name));
        let _ = std::fs::copy(self.log_path(), kept);
    }
}

/// An HTTP answer: status and body; `None` while nobody listens.
pub(crate) fn http_get(port: u16, path: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"
    )
    .ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
}
