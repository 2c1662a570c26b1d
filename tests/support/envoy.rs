//! A real Envoy in front of two targets that say who they are.

use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::eventually;
use crate::foreshift::Foreshift;
use crate::places::{free_ports, kept_logs, workspace};

const START: Duration = Duration::from_secs(60);
/// An answer that takes longer is none.
const ANSWER: Duration = Duration::from_secs(5);

/// Envoy with a documented configuration, ports apart. Dropping it kills it.
pub struct Envoy {
    name: String,
    child: Child,
    admin: u16,
    ingress: u16,
}

impl Envoy {
    /// Starts one that this Foreshift steers, and that sends it its access logs. `api_type` is `DELTA_GRPC` or `GRPC`;
    /// `name` is where its log is kept.
    pub fn start(name: &str, foreshift: &Foreshift, api_type: &str) -> Self {
        Self::start_with(name, foreshift, api_type, "")
    }

    /// The same, with further sections of its configuration.
    pub fn start_with(name: &str, foreshift: &Foreshift, api_type: &str, more: &str) -> Self {
        let ports = steered_by(foreshift.grpc_port(), foreshift.receive_port());
        Self::configured(name, "envoy.yaml", api_type, &ports, more)
    }

    /// The same, taking weights from one port and sending access logs to another, whoever is there.
    pub fn between(name: &str, weights: u16, access_logs: u16, api_type: &str) -> Self {
        Self::documented(name, "envoy.yaml", api_type, &steered_by(weights, access_logs))
    }

    /// One with a configuration of docs/gateways, where these ports stand for documented ones.
    pub fn documented(name: &str, file: &str, api_type: &str, ports: &[(&str, u16)]) -> Self {
        Self::configured(name, file, api_type, ports, "")
    }

    fn configured(name: &str, file: &str, api_type: &str, ports: &[(&str, u16)], more: &str) -> Self {
        let [admin, ingress] = free_ports();
        let documented = std::fs::read_to_string(workspace().join("docs/gateways").join(file));
        let documented = documented.expect("documented");
        let mut config = documented.replace("api_type: DELTA_GRPC", &format!("api_type: {api_type}"));
        for (documented, ours) in [("9901", admin), ("10000", ingress)].iter().chain(ports) {
            let (documented, ours) = (
                format!("port_value: {documented}}}"),
                format!("port_value: {ours}}}"),
            );
            assert!(
                config.contains(&documented),
                "the documented configuration has {documented}"
            );
            config = config.replace(&documented, &ours);
        }
        Self::with_config(name, &(config + more), [admin, ingress])
    }

    /// Starts one with a configuration of one's own, which has the admin endpoint and a listener at these ports.
    pub fn with_config(name: &str, config: &str, [admin, ingress]: [u16; 2]) -> Self {
        std::fs::write(kept_logs(name).join("envoy.yaml"), config).expect("a file");
        let envoy = Self {
            name: name.to_owned(),
            child: spawn(name),
            admin,
            ingress,
        };
        eventually("Envoy serves", START, || envoy.get("/"));
        envoy
    }

    /// The port of its admin endpoint.
    pub fn admin_port(&self) -> u16 {
        self.admin
    }

    /// Status and body of an answer.
    pub fn get(&self, path: &str) -> Option<(u16, String)> {
        ask(self.ingress, "GET", path)
    }

    /// Sends a request, and goes away before it is answered.
    pub fn leave(&self, path: &str) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.ingress)).expect("Envoy listens");
        write!(stream, "GET {path} HTTP/1.1\r\nhost: test\r\n\r\n").expect("it can be sent");
        // Long enough for the request to be on its way to its target.
        std::thread::sleep(Duration::from_millis(300));
    }

    /// Kills it and starts it again.
    pub fn restart(&mut self) {
        self.kill();
        self.child = spawn(&self.name);
        eventually("Envoy serves", START, || self.answer());
    }

    fn kill(&mut self) {
        // Nothing is to be kept, so it need not end in good order.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Who answers a request.
    pub fn answer(&self) -> Option<String> {
        let (status, body) = self.get("/")?;
        (status == 200).then_some(body)
    }

    /// Whether each of so many requests in a row is answered by this target.
    pub fn all_go_to(&self, target: &str, requests: usize) -> bool {
        (0..requests).all(|_| self.answer().as_deref() == Some(target))
    }

    /// Whether both targets answer, and nobody fails, among so many requests.
    pub fn both_answer(&self, requests: usize) -> bool {
        let answers: Option<Vec<String>> = (0..requests).map(|_| self.answer()).collect();
        answers.is_some_and(|answers| {
            ["east", "west"]
                .iter()
                .all(|target| answers.iter().any(|answer| answer == target))
        })
    }

    /// Asks the admin endpoint.
    pub fn admin(&self, method: &str, path: &str) -> String {
        let (status, body) = ask(self.admin, method, path).expect("the admin endpoint answers");
        assert_eq!(status, 200, "{path}: {body}");
        body
    }
}

impl Drop for Envoy {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Ports that stand for documented ones: two targets, and where Foreshift is.
fn steered_by(weights: u16, access_logs: u16) -> [(&'static str, u16); 4] {
    [
        ("8081", target("east")),
        ("8082", target("west")),
        ("7400", weights),
        ("7403", access_logs),
    ]
}

/// The real Envoy, set up when it is not there.
pub fn envoy_binary() -> PathBuf {
    let output = Command::new(workspace().join("tests/envoy/setup.sh"))
        .output()
        .expect("bash is there");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("a path").trim().into()
}

/// Starts the binary on the configuration that lies where its log is kept.
fn spawn(name: &str) -> Child {
    let logs = kept_logs(name);
    Command::new(envoy_binary())
        .arg("-c")
        .arg(logs.join("envoy.yaml"))
        .args([
            "--concurrency",
            "1",
            "--use-dynamic-base-id",
            "--log-level",
            "warning",
            "--log-path",
        ])
        .arg(logs.join("envoy.log"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("Envoy starts")
}

/// One request on a connection of its own.
pub fn ask(port: u16, method: &str, path: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(ANSWER)).ok()?;
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nhost: test\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    )
    .ok()?;
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let status = line.split(' ').nth(1)?.parse().ok()?;
    let mut length = None;
    let mut is_chunked = false;
    loop {
        line.clear();
        reader.read_line(&mut line).ok()?;
        if line.trim().is_empty() {
            break;
        }
        line.make_ascii_lowercase();
        is_chunked |= line.starts_with("transfer-encoding: chunked");
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().ok();
        }
    }
    let mut body = String::new();
    match length {
        Some(length) => {
            let mut bytes = vec![0; length];
            std::io::Read::read_exact(&mut reader, &mut bytes).ok()?;
            body = String::from_utf8(bytes).ok()?;
        }
        None => drop(std::io::Read::read_to_string(&mut reader, &mut body).ok()?),
    }
    if is_chunked {
        body = unchunked(&body)?;
    }
    Some((status, body))
}

/// The chunks of a body, put together.
fn unchunked(mut rest: &str) -> Option<String> {
    let mut body = String::new();
    loop {
        let (size, chunks) = rest.split_once("\r\n")?;
        let size = usize::from_str_radix(size.trim(), 16).ok()?;
        if size == 0 {
            return Some(body);
        }
        body.push_str(chunks.get(..size)?);
        rest = chunks.get(size..)?.strip_prefix("\r\n")?;
    }
}

/// A target that takes requests and answers none, for as long as the test runs.
pub fn silent_target() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("bound").port();
    std::thread::spawn(move || {
        let kept: Vec<_> = listener.incoming().collect();
        drop(kept);
    });
    port
}

/// A target that answers each request with its name, for as long as the test runs; where it listens.
pub fn target(name: &'static str) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("bound").port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || serve(name, &stream));
        }
    });
    port
}

fn serve(name: &str, mut stream: &TcpStream) {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    while reader.read_line(&mut line).is_ok_and(|read| read > 0) {
        if line.trim().is_empty() {
            let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{name}", name.len());
            if stream.write_all(answer.as_bytes()).is_err() {
                break;
            }
        }
        line.clear();
    }
    let _ = stream.shutdown(Shutdown::Both);
}
