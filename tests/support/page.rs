//! A page of the documentation, followed as a reader would: its files written, its commands run in their order.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use tempfile::TempDir;

use crate::places::{binary, free_ports, kept_logs, workspace};

/// The ports of Foreshift that all pages name: gRPC, operator, HTTP, receivers, HAProxy.
const FORESHIFT_PORTS: [&str; 5] = ["7400", "7401", "7402", "7403", "7404"];

/// A page, with ports of its own for this test.
pub struct Page {
    path: PathBuf,
    /// What the page says, and what stands for it here.
    ports: Vec<(&'static str, u16)>,
}

impl Page {
    /// A page by its path in the repository. Foreshift's own ports are replaced by free ones.
    pub fn read(path: &str) -> Self {
        let ours = free_ports::<{ FORESHIFT_PORTS.len() }>();
        Self {
            path: workspace().join(path),
            ports: FORESHIFT_PORTS.into_iter().zip(ours).collect(),
        }
    }

    /// Replaces another port that page or files name by this one.
    pub fn with_port(mut self, documented: &'static str, ours: u16) -> Self {
        self.ports.push((documented, ours));
        self
    }

    /// The port that stands here for a documented one.
    pub fn port(&self, documented: &str) -> u16 {
        let found = self.ports.iter().find(|(name, _)| *name == documented);
        found.expect("the port is replaced").1
    }

    /// A file that the reader is to write: the fenced block under a line that names it in backticks, or the file
    /// of this name beside the page.
    pub fn file(&self, name: &str) -> String {
        let named = format!("`{name}`");
        let mut blocks = blocks(&self.text()).into_iter();
        if let Some(block) = blocks.find(|block| block.language != "sh" && block.above.contains(&named)) {
            return block.body;
        }
        let beside = std::fs::read_to_string(self.path.with_file_name(name));
        self.here(&beside.unwrap_or_else(|_| panic!("{} has no file {name}", self.path.display())))
    }

    /// Every command of the page's `sh` blocks in order, comments left out and continued lines joined.
    pub fn commands(&self) -> Vec<String> {
        let blocks = blocks(&self.text());
        let scripts = blocks.iter().filter(|block| block.language == "sh");
        scripts.flat_map(|block| commands(&block.body)).collect()
    }

    /// Begins to follow the page in a directory of its own, with these files of it. `name` is where logs are kept.
    pub fn follow(&self, name: &str, files: &[&str]) -> Reader {
        let dir = TempDir::with_prefix("foreshift-page-").expect("a directory can be made");
        for name in files {
            std::fs::write(dir.path().join(name), self.file(name)).expect("a file");
        }
        let address = |port: &str| format!("127.0.0.1:{}", self.port(port));
        let env = [
            ("FORESHIFT__LISTEN__GRPC__ADDRESS", address("7400")),
            ("FORESHIFT__LISTEN__OPERATOR__ADDRESS", address("7401")),
            ("FORESHIFT__LISTEN__HTTP__ADDRESS", address("7402")),
            ("FORESHIFT_SERVER", format!("http://{}", address("7401"))),
        ];
        let bin = binary("foreshift");
        let bin = bin.parent().expect("a binary lies in a directory");
        let path = std::env::var("PATH").unwrap_or_default();
        let log = kept_logs("pages").join(format!("{name}.log"));
        std::fs::write(&log, "").expect("a log");
        Reader {
            path: format!("{}:{path}:/usr/sbin", bin.display()),
            log,
            env: env
                .map(|(name, value)| (name.to_owned(), value))
                .into_iter()
                .collect(),
            waiting: self.commands().into(),
            running: Vec::new(),
            dir,
        }
    }

    fn text(&self) -> String {
        let text = std::fs::read_to_string(&self.path);
        self.here(&text.unwrap_or_else(|error| panic!("{}: {error}", self.path.display())))
    }

    /// The text with this test's ports.
    fn here(&self, text: &str) -> String {
        let mut here = String::new();
        let mut rest = text;
        while let Some(start) = rest.find(|letter: char| letter.is_ascii_digit()) {
            let digits = rest.get(start..).unwrap_or_default();
            let end = digits.find(|letter: char| !letter.is_ascii_digit());
            let (number, after) = digits.split_at(end.unwrap_or(digits.len()));
            here.push_str(rest.get(..start).unwrap_or_default());
            match self.ports.iter().find(|(documented, _)| *documented == number) {
                Some((_, ours)) => here.push_str(&ours.to_string()),
                None => here.push_str(number),
            }
            rest = after;
        }
        here + rest
    }
}

/// Who follows a page. Dropping it kills what was started.
pub struct Reader {
    dir: TempDir,
    path: String,
    env: Vec<(String, String)>,
    log: PathBuf,
    waiting: VecDeque<String>,
    running: Vec<(String, Child)>,
}

impl Reader {
    /// The directory in which commands run.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Looks for programs in this directory first.
    pub fn find_programs_in(&mut self, dir: &Path) {
        self.path = format!("{}:{}", dir.display(), self.path);
    }

    /// Sets a variable for the commands that follow.
    pub fn set(&mut self, name: &str, value: &str) {
        self.env.push((name.to_owned(), value.to_owned()));
    }

    /// Runs the page's next command, which begins so; fails unless it succeeds. Returns what it printed.
    pub fn run(&mut self, begins: &str) -> String {
        let command = self.next(begins);
        let output = self.output(&command);
        assert!(
            output.status.success(),
            "{command}: {}\n{}{}",
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Starts the page's next command, which begins so and goes on running. Its log is kept.
    pub fn start(&mut self, begins: &str) {
        let command = self.next(begins);
        let mut shell = self.shell(&format!("exec {command}"), self.log(), self.log());
        // A group of its own: what the command starts ends with it.
        let child = shell.process_group(0).spawn();
        self.running.push((command, child.expect("a shell starts")));
    }

    /// Kills the started command that begins so.
    pub fn kill(&mut self, begins: &str) {
        let mut running = self.running.iter();
        let at = running.position(|(command, _)| command.starts_with(begins));
        let (_, child) = self.running.remove(at.expect("it was started"));
        end(child);
    }

    /// Sends a signal, such as `STOP`, to the started command that begins so and to all that it started.
    pub fn signal(&self, begins: &str, signal: &str) {
        let mut running = self.running.iter();
        let found = running.find(|(command, _)| command.starts_with(begins));
        let (_, child) = found.expect("it was started");
        let group = format!("-{}", child.id());
        let sent = Command::new("kill").args(["-s", signal, "--", &group]).status();
        assert!(sent.expect("kill is there").success());
    }

    /// What the started commands have said so far.
    pub fn said(&self) -> String {
        std::fs::read_to_string(&self.log).expect("a log")
    }

    /// Runs a command that is not the page's own, such as one that looks whether the page's did what it says.
    pub fn output(&self, command: &str) -> Output {
        let mut shell = self.shell(command, Stdio::piped(), Stdio::piped());
        shell.output().expect("a shell starts")
    }

    /// Fails when the page has commands that were not run.
    pub fn finish(self) {
        assert!(self.waiting.is_empty(), "not run: {:#?}", self.waiting);
    }

    fn next(&mut self, begins: &str) -> String {
        let command = self
            .waiting
            .pop_front()
            .unwrap_or_else(|| panic!("the page has no command after its last, wanted {begins:?}"));
        assert!(
            command.starts_with(begins),
            "the page's next command is {command:?}, wanted {begins:?}"
        );
        let _ = writeln!(self.log_file(), "$ {command}");
        command
    }

    fn shell(&self, script: &str, out: Stdio, err: Stdio) -> Command {
        let mut shell = Command::new("bash");
        // What cargo tells a test of its package would make a page's cargo build all anew.
        let cargos = std::env::vars_os().map(|(name, _)| name);
        for name in cargos.filter(|name| is_of_a_package(&name.to_string_lossy())) {
            shell.env_remove(name);
        }
        shell
            .args(["-c", script])
            .current_dir(self.dir.path())
            .env_remove("RUST_LOG")
            .env("PATH", &self.path)
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err);
        shell
    }

    fn log(&self) -> Stdio {
        self.log_file().into()
    }

    fn log_file(&self) -> File {
        let file = OpenOptions::new().create(true).append(true).open(&self.log);
        file.expect("a log")
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.running.drain(..).for_each(|(_, child)| end(child));
    }
}

/// Kills it and all that it started. Nothing is to be kept, so it need not end in good order.
fn end(mut child: Child) {
    let group = format!("-{}", child.id());
    let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
    let _ = child.kill();
    let _ = child.wait();
}

fn is_of_a_package(name: &str) -> bool {
    name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")
}

/// A fenced block, and the nearest line above it that says something.
struct Block {
    above: String,
    language: String,
    body: String,
}

fn blocks(text: &str) -> Vec<Block> {
    let mut found = Vec::new();
    let mut above = String::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(language) = line.strip_prefix("```") {
            let body = lines.by_ref().take_while(|line| *line != "```");
            found.push(Block {
                above: std::mem::take(&mut above),
                language: language.to_owned(),
                body: body.map(|line| format!("{line}\n")).collect(),
            });
        } else if !line.trim().is_empty() {
            line.clone_into(&mut above);
        }
    }
    found
}

fn commands(script: &str) -> Vec<String> {
    let joined = script.replace("\\\n", "");
    let lines = joined.lines().map(str::trim);
    lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(str::to_owned)
        .collect()
}
