//! A real LiteLLM router follows weights as its page says, and is back at its own choice when Foreshift is gone.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use foreshift_tests::{Page, Reader, ask, eventually, workspace};

/// Far longer than LiteLLM takes to load, on a machine that builds something else meanwhile.
const PATIENCE: Duration = Duration::from_secs(120);
/// So many answers in a row come from one of two by chance once in 2^30.
const ANSWERS: u64 = 30;

/// A provider with OpenAI's interface, for as long as the test runs.
#[derive(Default)]
struct Provider {
    asked: AtomicU64,
    fails: AtomicBool,
}

impl Provider {
    fn start(name: &'static str) -> (Arc<Self>, u16) {
        let provider = Arc::new(Self::default());
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let theirs = Arc::clone(&provider);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let provider = Arc::clone(&theirs);
                std::thread::spawn(move || provider.serve(name, &stream));
            }
        });
        (provider, port)
    }

    fn asked(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }

    fn serve(&self, name: &str, mut stream: &TcpStream) -> Option<()> {
        let mut reader = BufReader::new(stream);
        loop {
            let (mut length, mut line) = (0, String::new());
            while line != "\r\n" {
                line.clear();
                if reader.read_line(&mut line).ok()? == 0 {
                    return None;
                }
                if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().ok()?;
                }
            }
            reader.read_exact(&mut vec![0; length]).ok()?;
            self.asked.fetch_add(1, Ordering::Relaxed);
            let (status, body) = if self.fails.load(Ordering::Relaxed) {
                (
                    "500 Internal Server Error",
                    r#"{"error":{"message":"no"}}"#.to_owned(),
                )
            } else {
                let body = format!(
                    r#"{{"id":"1","object":"chat.completion","created":1,"model":"demo","choices":[{{"index":0,
                    "message":{{"role":"assistant","content":"{name}"}},"finish_reason":"stop"}}],
                    "usage":{{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}}}"#
                );
                ("200 OK", body)
            };
            let head = format!(
                "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
                body.len()
            );
            stream.write_all((head + &body).as_bytes()).ok()?;
        }
    }
}

/// The virtual environment with LiteLLM and the client.
fn environment() -> PathBuf {
    let setup = Command::new(workspace().join("tests/litellm/setup.sh")).output();
    let setup = setup.expect("bash is there");
    assert!(
        setup.status.success(),
        "{}",
        String::from_utf8_lossy(&setup.stderr)
    );
    String::from_utf8(setup.stdout).expect("a path").trim().into()
}

struct Followed {
    reader: Reader,
    east: Arc<Provider>,
    west: Arc<Provider>,
    http: u16,
}

impl Followed {
    fn page(name: &str) -> Self {
        let (east, east_port) = Provider::start("east");
        let (west, west_port) = Provider::start("west");
        let page = Page::read("docs/gateways/litellm.md")
            .with_port("8081", east_port)
            .with_port("8082", west_port);
        let mut reader = page.follow(name, &["foreshift.yaml", "fallback.yaml", "router.py"]);
        reader.find_programs_in(&environment().join("bin"));
        reader.set("LITELLM_LOCAL_MODEL_COST_MAP", "True");
        // A checkout of which the build may write into.
        let copied = reader.output(&format!(
            "mkdir -p checkout/clients && cp -r {}/clients/python checkout/clients/",
            workspace().display()
        ));
        assert!(copied.status.success(), "{copied:?}");
        let checkout = reader.dir().join("checkout").display().to_string();
        reader.set("FORESHIFT", &checkout);
        Self {
            reader,
            east,
            west,
            http: page.port("7402"),
        }
    }

    /// Runs the page up to its first `foreshift status`, with both up.
    fn shadow(&mut self) {
        self.reader.run("python -m pip install");
        self.reader.start("foreshift run");
        self.reader.start("python router.py");
        eventually("Foreshift is up", PATIENCE, || {
            let status = self.reader.output("foreshift status").status;
            status.success().then_some(())
        });
        self.both_answer("in shadow the router's own strategy chooses");
        self.reader.run("foreshift status");
    }

    fn both_answer(&self, what: &str) {
        let (east, west) = (self.east.asked(), self.west.asked());
        eventually(what, PATIENCE, || {
            (self.east.asked() > east && self.west.asked() > west).then_some(())
        });
    }

    fn west_alone_answers(&self, what: &str) {
        let mut before = (self.east.asked(), self.west.asked());
        eventually(what, PATIENCE, || {
            if self.east.asked() > before.0 {
                before = (self.east.asked(), self.west.asked());
            }
            (self.west.asked() >= before.1 + ANSWERS).then_some(())
        });
    }

    /// Calls of a target that ended so, as Foreshift heard.
    fn heard(&self, target: &str, outcome: &str) -> u64 {
        let (_, body) = ask(self.http, "GET", "/metrics").unwrap_or_default();
        let name = format!("foreshift_target_requests_total{{target=\"{target}\",outcome=\"{outcome}\"}} ");
        let mut values = body
            .lines()
            .filter_map(|line| line.strip_prefix(&name)?.parse().ok());
        values.next().unwrap_or_default()
    }
}

#[test]
fn the_page_of_litellm_does_what_it_says() {
    let mut followed = Followed::page("litellm");
    followed.shadow();
    eventually("calls are heard of", PATIENCE, || {
        let heard = ["east", "west"].map(|target| followed.heard(target, "success"));
        (heard[0] > 0 && heard[1] > 0).then_some(())
    });
    followed.reader.run("foreshift pin");
    followed.west_alone_answers("the router follows a pin");
    let status = followed.reader.run("foreshift status");
    assert!(
        status.contains("litellm-1"),
        "what was applied is known: {status}"
    );
    followed.reader.run("foreshift unpin");
    followed.both_answer("without it the router's own strategy chooses");
    followed.east.fails.store(true, Ordering::Relaxed);
    eventually("failures are heard of", PATIENCE, || {
        (followed.heard("east", "server_error") > 0).then_some(())
    });
    followed.east.fails.store(false, Ordering::Relaxed);
    followed.reader.run("foreshift mode chat auto");
    followed.reader.run("foreshift mode chat shadow");
    // Every call is told once: never more than the providers were asked.
    let heard: u64 = ["success", "server_error"]
        .map(|outcome| followed.heard("west", outcome))
        .iter()
        .sum();
    assert!(heard <= followed.west.asked(), "{heard}");
    followed.reader.finish();
}

#[test]
fn a_router_chooses_itself_when_foreshift_is_gone_and_its_weights_have_lapsed() {
    let mut followed = Followed::page("litellm-alone");
    let fallback = followed.reader.dir().join("fallback.yaml");
    let text = std::fs::read_to_string(&fallback).expect("the file");
    let short = format!("defaults: {{limits: {{valid_for: 3s}}}}\n{text}");
    std::fs::write(&fallback, short).expect("the file");
    followed.shadow();
    let pin = "foreshift pin chat east=0% west=100% --for 1h --reason test";
    assert!(followed.reader.output(pin).status.success());
    followed.west_alone_answers("the router follows a pin, which is renewed");
    followed.reader.kill("foreshift run");
    followed.both_answer("the router's own strategy chooses");
}

#[test]
fn the_tests_of_the_python_client_pass() {
    let python = environment().join("bin/python");
    let tests = Command::new(python)
        .args(["-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"])
        .current_dir(workspace().join("clients/python"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .expect("Python starts");
    assert!(
        tests.status.success(),
        "{}",
        String::from_utf8_lossy(&tests.stdout)
    );
}
