//! Whom a client command calls, and as whom.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Args;
use foreshift_serve::client::{Client, ClientConfig};

use super::render::quoted;

/// The operator listener as `foreshift run` opens it when nothing else is configured.
const DEFAULT_SERVER: &str = "http://127.0.0.1:7401";

#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Connection")]
pub(crate) struct ConnectArgs {
    /// The operator listener of a running Foreshift
    #[arg(long, value_name = "URL", env = "FORESHIFT_SERVER", default_value = DEFAULT_SERVER)]
    server: String,
    /// A file with a bearer token on its first line
    #[arg(long, value_name = "FILE", env = "FORESHIFT_TOKEN_FILE")]
    token_file: Option<PathBuf>,
    /// The authority (PEM) that signed the server's certificate
    #[arg(long, value_name = "FILE", env = "FORESHIFT_CA")]
    ca: Option<PathBuf>,
    /// A client certificate (PEM)
    #[arg(long, value_name = "FILE", env = "FORESHIFT_CERT", requires = "key")]
    cert: Option<PathBuf>,
    /// The certificate's private key (PEM)
    #[arg(long, value_name = "FILE", env = "FORESHIFT_KEY", requires = "cert")]
    key: Option<PathBuf>,
    /// The longest a call may take, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
    timeout: u64,
}

impl ConnectArgs {
    pub(crate) fn settings(&self) -> anyhow::Result<ClientConfig> {
        let server = if self.server.contains("://") {
            self.server.clone()
        } else {
            format!("http://{}", self.server)
        };
        if server.starts_with("http:") && (self.ca.is_some() || self.cert.is_some()) {
            bail!("{server} is not encrypted: certificates need an https address");
        }
        let identity = match (&self.cert, &self.key) {
            (Some(cert), Some(key)) => Some((read(cert)?, read(key)?)),
            _ => None,
        };
        Ok(ClientConfig {
            server,
            token: self.token_file.as_deref().map(token).transpose()?,
            server_ca: self.ca.as_deref().map(read).transpose()?,
            identity,
            timeout: std::time::Duration::from_secs(self.timeout),
        })
    }

    /// The same, at this listener unless another one was named.
    pub(crate) fn or_at(&self, listener: SocketAddr, is_encrypted: bool) -> Self {
        let mut here = self.clone();
        if self.server == DEFAULT_SERVER {
            let scheme = if is_encrypted { "https" } else { "http" };
            let mut address = listener;
            if address.ip().is_unspecified() {
                address.set_ip(Ipv4Addr::LOCALHOST.into());
            }
            here.server = format!("{scheme}://{address}");
        }
        here
    }

    pub(crate) async fn connect(&self) -> anyhow::Result<Client> {
        let settings = self.settings()?;
        let server = settings.server.clone();
        Client::connect(settings).await.with_context(|| {
            format!("is `foreshift run` there? {server} is asked; --server or FORESHIFT_SERVER names another")
        })
    }

    /// The flags that make a suggested command reach the same server: what differs from the defaults.
    pub(crate) fn flags(&self) -> String {
        let mut flags = String::new();
        let mut add = |name: &str, value: &str| {
            flags.push_str(&format!(" --{name} {}", quoted(value)));
        };
        if self.server != DEFAULT_SERVER {
            add("server", &self.server);
        }
        let files = [
            ("token-file", &self.token_file),
            ("ca", &self.ca),
            ("cert", &self.cert),
            ("key", &self.key),
        ];
        for (name, file) in files {
            if let Some(file) = file {
                add(name, &file.display().to_string());
            }
        }
        flags
    }
}

/// Client commands wait for one answer at a time: one thread is enough.
pub(crate) fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.context("cannot start the async runtime")
}

fn read(path: &Path) -> anyhow::Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

fn token(path: &Path) -> anyhow::Result<String> {
    let text = read(path)?;
    let line = text
        .lines()
        .map(str::trim)
        .find(|line| !line.is_empty() && !line.starts_with('#'));
    // A line of the server's own file may be given: the token is its first word.
    let word = line.and_then(|line| line.split_whitespace().next());
    word.map(str::to_owned)
        .with_context(|| format!("{} holds no token", path.display()))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Only {
        #[command(flatten)]
        connect: ConnectArgs,
    }

    fn parse(line: &[&str]) -> ConnectArgs {
        Only::parse_from(std::iter::once(&"x").chain(line)).connect
    }

    #[test]
    fn suggested_commands_reach_the_same_server() {
        let args = parse(&["--server", "https://f:1", "--token-file", "my token"]);
        assert_eq!(args.flags(), " --server https://f:1 --token-file 'my token'");
    }

    #[test]
    fn a_token_is_the_first_word_of_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        fs::write(&path, "# mine\n\n  abcdef \n").unwrap();
        assert_eq!(token(&path).unwrap(), "abcdef");
        fs::write(&path, "\n").unwrap();
        assert!(token(&path).is_err());
    }

    #[test]
    fn an_address_without_a_scheme_is_plain_and_takes_no_certificates() {
        assert_eq!(
            parse(&["--server", "h:1"]).settings().unwrap().server,
            "http://h:1"
        );
        assert!(
            parse(&["--server", "http://h:1", "--ca", "x"])
                .settings()
                .is_err()
        );
    }
}
