//! `foreshift collect`, as a process.

use std::fs::File;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::eventually;
use crate::foreshift::http_get;
use crate::places::{binary, free_ports, kept_logs};

const START: Duration = Duration::from_secs(60);

/// A collector that writes to a broker. Dropping it kills it.
pub struct Collector {
    child: Child,
    receive: u16,
    http: u16,
    _dir: TempDir,
}

impl Collector {
    /// Starts one that writes to these topics: access logs, metrics, logs, traces. `name` is where its log is kept.
    pub fn start(name: &str, brokers: &str, [access_logs, metrics, logs, traces]: [&str; 4]) -> Self {
        let dir = TempDir::with_prefix("foreshift-test-").expect("a directory can be made");
        let [receive, http] = free_ports();
        let config = format!(
            "receive: {{address: '127.0.0.1:{receive}'}}\n\
             kafka: {{brokers: ['{brokers}']}}\n\
             collect: {{access_logs: {access_logs}, metrics: {metrics}, logs: {logs}, traces: {traces}}}\n\
             listen: {{http: {{address: '127.0.0.1:{http}'}}}}\nshutdown_deadline: 5s\n"
        );
        let path = dir.path().join("foreshift.yaml");
        std::fs::write(&path, config).expect("a file");
        let log = File::create(kept_logs("collect").join(format!("{name}.log"))).expect("a log");
        let child = Command::new(binary("foreshift"))
            .args(["collect", "--config"])
            .arg(&path)
            .env_remove("RUST_LOG")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("the binary starts");
        let collector = Self {
            child,
            receive,
            http,
            _dir: dir,
        };
        eventually("the collector listens", START, || http_get(http, "/readyz"));
        collector
    }

    /// The port that takes telemetry.
    pub fn receive_port(&self) -> u16 {
        self.receive
    }

    /// A metric, with its labels as they are written; 0 when it is not there.
    pub fn metric(&self, name: &str) -> f64 {
        let (_, body) = http_get(self.http, "/metrics").unwrap_or_default();
        let mut values = body
            .lines()
            .filter_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok());
        values.next().unwrap_or_default()
    }

    /// SIGTERM, and the exit status; fails when it does not end within the time.
    pub fn terminate(&mut self, within: Duration) -> ExitStatus {
        let told = Command::new("kill")
            .args(["-TERM", &self.child.id().to_string()])
            .status();
        assert!(told.expect("kill is there").success());
        eventually("the collector ends", within, || {
            self.child.try_wait().expect("a child")
        })
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        // Nothing is to be kept, so it need not end in good order.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
