//! The process of the clients: this binary again, told by its arguments what to be.

use std::process::Stdio;
use std::time::Duration;

use anyhow::Context;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

/// Nothing here takes longer; what does is stuck.
const STUCK: Duration = Duration::from_secs(120);

/// Ends with this value.
pub(crate) struct Peer {
    _process: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Peer {
    pub(crate) fn start(arguments: &[&str]) -> anyhow::Result<Self> {
        let mut process = Command::new(std::env::current_exe()?)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let stdout = process.stdout.take().context("its output")?;
        Ok(Self {
            _process: process,
            lines: BufReader::new(stdout).lines(),
        })
    }

    /// The numbers of its next line.
    pub(crate) async fn numbers(&mut self) -> anyhow::Result<Vec<u64>> {
        let line = timeout(STUCK, self.lines.next_line()).await??;
        let line = line.context("the clients ended early")?;
        line.split(' ')
            .map(|number| number.parse().with_context(|| line.clone()))
            .collect()
    }
}
