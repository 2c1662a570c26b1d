//! `foreshift watch`: weights as they change.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

use foreshift_domain::RouteName;
use foreshift_domain::weights::RouteWeights;
use foreshift_serve::client::{Client, ClientConfig, ClientError, WeightNews};
use serde_json::json;

use super::connect::{ConnectArgs, runtime};
use super::output::{OutputArgs, emit, emit_json, paint};
use super::render;

/// Between two attempts to connect: this long at first, then twice as long each time, up to the second one.
const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(15);

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only these routes
    routes: Vec<String>,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    connect: ConnectArgs,
}

/// Runs until it is interrupted, or until the server says that it may not.
pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    runtime()?.block_on(async {
        tokio::select! {
            ended = follow(args) => ended,
            _ = tokio::signal::ctrl_c() => Ok(()),
        }
    })?;
    Ok(ExitCode::SUCCESS)
}

impl Args {
    pub(super) fn settings(&self) -> anyhow::Result<ClientConfig> {
        self.connect.settings()
    }
}

async fn follow(args: &Args) -> anyhow::Result<()> {
    let settings = args.settings()?;
    let mut seen = Seen::new(args.output);
    let mut wait = FIRST_WAIT;
    loop {
        let before = seen.known.len();
        let ended = match Client::connect(settings.clone()).await {
            Ok(client) => watch_once(&client, &args.routes, &mut seen, &mut wait).await?,
            Err(error) => Some(error),
        };
        let why = match ended {
            Some(error) if is_final(&error) => return Err(error.into()),
            Some(error) => error.to_string(),
            None => "the server ended the stream".to_owned(),
        };
        // Servers end streams of a certain age: that is told only when the next one does not come at once.
        if wait > FIRST_WAIT || before == 0 {
            eprintln!("foreshift: {why}; trying again in {wait:?}");
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(LONGEST_WAIT);
    }
}

/// Whether trying again cannot help.
fn is_final(error: &ClientError) -> bool {
    match error {
        ClientError::Config { .. } | ClientError::Refused { .. } => true,
        // Unauthenticated (16), permission denied (7), invalid argument (3), unimplemented (12).
        ClientError::Call { status } => matches!(status.code() as i32, 3 | 7 | 12 | 16),
        ClientError::Connect { .. } | ClientError::Answer { .. } => false,
    }
}

async fn watch_once(
    client: &Client,
    routes: &[String],
    seen: &mut Seen,
    wait: &mut Duration,
) -> anyhow::Result<Option<ClientError>> {
    let routes: Vec<RouteName> = routes.iter().map(|route| route.as_str().into()).collect();
    let mut stream = match client.watch_weights(&routes).await {
        Ok(stream) => stream,
        Err(error) => return Ok(Some(error)),
    };
    loop {
        match stream.next().await {
            Ok(Some(news)) => {
                *wait = FIRST_WAIT;
                seen.take(news)?;
            }
            Ok(None) => return Ok(None),
            Err(error) => return Ok(Some(error)),
        }
    }
}

/// What was printed: a new connection begins with a snapshot, of which only what differs is news.
pub(super) struct Seen {
    known: BTreeMap<RouteName, RouteWeights>,
    output: OutputArgs,
}

impl Seen {
    pub(super) fn new(output: OutputArgs) -> Self {
        Self {
            known: BTreeMap::new(),
            output,
        }
    }

    /// Prints what is new; says how many lines that were.
    pub(super) fn take(&mut self, news: WeightNews) -> anyhow::Result<usize> {
        match news {
            WeightNews::Snapshot(routes) => {
                let is_gone = |name: &&RouteName| !routes.iter().any(|weights| weights.route == **name);
                let gone: Vec<RouteName> = self.known.keys().filter(is_gone).cloned().collect();
                let mut lines = 0;
                for route in &gone {
                    lines += self.remove(route)?;
                }
                for weights in routes {
                    lines += self.change(weights)?;
                }
                Ok(lines)
            }
            WeightNews::Changed(weights) => self.change(weights),
            WeightNews::Removed(route) => self.remove(&route),
        }
    }

    fn change(&mut self, weights: RouteWeights) -> anyhow::Result<usize> {
        let before = self.known.get(&weights.route);
        if before.is_some_and(|before| before.version == weights.version) {
            return Ok(0);
        }
        if self.output.is_json() {
            emit_json(&weights, false)?;
        } else {
            emit(&render::changed_line(&weights, before, paint()))?;
        }
        self.known.insert(weights.route.clone(), weights);
        Ok(1)
    }

    fn remove(&mut self, route: &RouteName) -> anyhow::Result<usize> {
        if self.known.remove(route).is_none() {
            return Ok(0);
        }
        if self.output.is_json() {
            emit_json(&json!({ "removed": route }), false)?;
        } else {
            emit(&render::removed_line(route, paint()))?;
        }
        Ok(1)
    }
}
