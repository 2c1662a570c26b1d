//! Child processes: started with their output in a file, ended with the value.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use tokio::process::{Child, Command};

/// How long a process may take to be ready.
const START: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(50);

/// A process that is killed when this is dropped.
pub(crate) struct Process {
    name: String,
    child: Child,
    log: std::path::PathBuf,
}

impl Process {
    pub(crate) fn start(name: &str, command: &mut Command, log: &Path) -> anyhow::Result<Self> {
        let output = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
        let program = command.as_std().get_program().to_owned();
        let child = command
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {name}: {}", program.display()))?;
        Ok(Self {
            name: name.to_owned(),
            child,
            log: log.to_owned(),
        })
    }

    /// Waits until `GET path` answers 200.
    pub(crate) async fn ready(&mut self, port: u16, path: &str) -> anyhow::Result<()> {
        let until = tokio::time::Instant::now() + START;
        while !answers(port, path).await {
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended ({status}):\n{}", self.name, self.tail());
            }
            if tokio::time::Instant::now() > until {
                bail!("{} is not ready:\n{}", self.name, self.tail());
            }
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }

    /// Asks it to end in good order, and kills it when it does not.
    pub(crate) async fn end(mut self) {
        const GRACE: Duration = Duration::from_secs(10);
        if let Some(id) = self.child.id() {
            let _ = Command::new("kill")
                .args(["-TERM", &id.to_string()])
                .status()
                .await;
        }
        if tokio::time::timeout(GRACE, self.child.wait()).await.is_err() {
            let _ = self.child.kill().await;
        }
    }

    /// The last lines that it wrote.
    fn tail(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<_> = text.lines().collect();
        lines[lines.len().saturating_sub(12)..].join("\n")
    }
}

/// Whether `GET path` answers 200.
async fn answers(port: u16, path: &str) -> bool {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let ask = async {
        let mut stream = tokio::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: testbed\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut head = [0; 12];
        stream.read_exact(&mut head).await?;
        std::io::Result::Ok(head.ends_with(b" 200"))
    };
    matches!(
        tokio::time::timeout(Duration::from_secs(1), ask).await,
        Ok(Ok(true))
    )
}

/// Where ports are taken from: below those that the system gives to outgoing connections.
const FIRST_PORT: u16 = 20_000;
const PORTS: u16 = 12_000;

/// Ports that nobody listens on, none of them given out before by this process.
pub(crate) fn free_ports<const N: usize>() -> anyhow::Result<[u16; N]> {
    static GIVEN: AtomicU16 = AtomicU16::new(0);
    // Processes side by side begin at different places.
    let begin = (std::process::id() % 60) as u16 * (PORTS / 60);
    let mut ports = [0; N];
    for port in &mut ports {
        *port = loop {
            let given = GIVEN.fetch_add(1, Ordering::Relaxed);
            ensure!(given < u16::MAX / 2, "all ports were given out");
            let candidate = FIRST_PORT + (begin + given) % PORTS;
            if TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, candidate))).is_ok() {
                break candidate;
            }
        };
    }
    Ok(ports)
}
