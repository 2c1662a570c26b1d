//! Who is known, and by what: bearer tokens and client certificates.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use foreshift_domain::Digest;
use tonic::transport::{Certificate, Identity, ServerTlsConfig};

use crate::access::{Principal, Role};

/// A shorter token can be guessed.
const MIN_TOKEN_BYTES: usize = 16;

/// The most peers of one file: beyond that, tokens are made by a machine that should be a certificate authority.
const MAX_PEERS: usize = 10_000;

/// A line of the peers' file with this in front names a client certificate by its SHA-256.
const CERTIFICATE_PREFIX: &str = "cert:";

/// Files that credentials are read from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CredentialFiles {
    /// Peers, one a line: `TOKEN NAME ROLES [SCOPE]` or `cert:SHA256 NAME ROLES [SCOPE]`. Roles and scope are lists
    /// with commas; roles are `reader`, `gateway` and `operator`; the scope bounds an operator's commands to routes
    /// and targets of these names, where a `*` at the end stands for anything. `#` begins a comment line.
    pub peers: Option<PathBuf>,
    /// The server's certificate; `None` serves without TLS.
    pub tls: Option<TlsFiles>,
}

/// Files of TLS, all PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The server's certificate chain.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// The authority of client certificates; `None` asks for none.
    pub client_ca: Option<PathBuf>,
}

/// Who is known, and by what.
#[derive(Clone, Default)]
pub struct Credentials {
    peers: Option<Vec<Known>>,
    tls: Option<Tls>,
}

#[derive(Clone)]
struct Known {
    secret: Secret,
    principal: Arc<Principal>,
}

/// What a peer shows, as SHA-256 in hexadecimal digits: the secret itself is not kept.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Secret {
    Token(String),
    Certificate(String),
}

#[derive(Clone)]
struct Tls {
    certificate: String,
    key: String,
    client_ca: Option<String>,
}

/// Credentials cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// A file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A line of the peers' file is wrong. The line itself is not shown: it may hold a secret.
    #[error("line {line} of the peers' file: {problem}")]
    Peer {
        /// Number of the line, from 1.
        line: usize,
        /// What is wrong.
        problem: &'static str,
    },
    /// Client certificates are asked for, but none is named.
    #[error("client_ca needs a peers' file that names the certificates by cert:SHA256")]
    NobodyNamed,
}

impl std::fmt::Debug for Credentials {
    /// Names alone: no digest of a secret in a log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = self.peers.iter().flatten().map(|known| &known.principal.name);
        f.debug_struct("Credentials")
            .field("peers", &names.collect::<Vec<_>>())
            .field("tls", &self.tls.is_some())
            .finish()
    }
}

impl Credentials {
    /// None: whoever reaches a listener may use it.
    pub fn none() -> Self {
        Self::default()
    }

    /// Reads the files.
    ///
    /// # Errors
    /// When a file cannot be read, or a line of the peers' file is wrong.
    pub fn load(files: &CredentialFiles) -> Result<Self, CredentialsError> {
        let peers = match &files.peers {
            Some(path) => Some(parse_peers(&read(path)?)?),
            None => None,
        };
        let tls = match &files.tls {
            Some(tls) if tls.client_ca.is_some() && peers.is_none() => {
                return Err(CredentialsError::NobodyNamed);
            }
            Some(tls) => Some(Tls {
                certificate: read(&tls.certificate)?,
                key: read(&tls.key)?,
                client_ca: tls.client_ca.as_ref().map(read).transpose()?,
            }),
            None => None,
        };
        Ok(Self { peers, tls })
    }

    /// Credentials of the text of a peers' file, without TLS.
    ///
    /// # Errors
    /// When a line is wrong.
    pub fn from_peers(text: &str) -> Result<Self, CredentialsError> {
        Ok(Self {
            peers: Some(parse_peers(text)?),
            tls: None,
        })
    }

    /// Whether peers must show who they are.
    pub fn are_configured(&self) -> bool {
        self.peers.is_some()
    }

    /// Whether the server speaks TLS.
    pub fn have_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// The peer with that token.
    pub(crate) fn by_token(&self, token: &[u8]) -> Option<&Arc<Principal>> {
        self.find(&Secret::Token(Digest::of(token).to_string()))
    }

    /// The peer with that certificate, given as DER. That its authority is ours was checked in the handshake.
    pub(crate) fn by_certificate(&self, der: &[u8]) -> Option<&Arc<Principal>> {
        self.find(&Secret::Certificate(Digest::of(der).to_string()))
    }

    /// Looks at every peer, whichever it is: the time taken says nothing about what was found.
    fn find(&self, shown: &Secret) -> Option<&Arc<Principal>> {
        self.peers.iter().flatten().fold(None, |found, known| {
            if alike(&known.secret, shown) {
                Some(&known.principal)
            } else {
                found
            }
        })
    }

    /// TLS for a server with these credentials, where they have it.
    pub fn tls_config(&self, handshake_timeout: std::time::Duration) -> Option<ServerTlsConfig> {
        let tls = self.tls.as_ref()?;
        let config = ServerTlsConfig::new()
            .identity(Identity::from_pem(&tls.certificate, &tls.key))
            .timeout(handshake_timeout);
        Some(match &tls.client_ca {
            // Optional in the handshake, since a token may be shown instead; who shows neither is nobody.
            Some(authority) => config
                .client_ca_root(Certificate::from_pem(authority))
                .client_auth_optional(true),
            None => config,
        })
    }
}

/// Compares in constant time.
fn alike(known: &Secret, shown: &Secret) -> bool {
    let (known, shown) = match (known, shown) {
        (Secret::Token(known), Secret::Token(shown))
        | (Secret::Certificate(known), Secret::Certificate(shown)) => (known, shown),
        _ => return false,
    };
    known
        .bytes()
        .zip(shown.bytes())
        .fold(0, |difference, (a, b)| difference | (a ^ b))
        == 0
}

fn read(path: &PathBuf) -> Result<String, CredentialsError> {
    std::fs::read_to_string(path).map_err(|source| CredentialsError::Read {
        path: path.clone(),
        source,
    })
}

fn parse_peers(text: &str) -> Result<Vec<Known>, CredentialsError> {
    let mut peers = Vec::new();
    let mut secrets = BTreeSet::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let refused = |problem| CredentialsError::Peer {
            line: index + 1,
            problem,
        };
        let known = parse_peer(line).map_err(refused)?;
        if !secrets.insert(known.secret.clone()) {
            return Err(refused("this secret was given before"));
        }
        if peers.len() == MAX_PEERS {
            return Err(refused("there are too many peers"));
        }
        peers.push(known);
    }
    Ok(peers)
}

fn parse_peer(line: &str) -> Result<Known, &'static str> {
    let mut words = line.split_whitespace();
    let (Some(secret), Some(name), Some(roles)) = (words.next(), words.next(), words.next()) else {
        return Err("expected TOKEN NAME ROLES [SCOPE]");
    };
    let scope = words.next();
    if words.next().is_some() {
        return Err("expected TOKEN NAME ROLES [SCOPE], and nothing after it");
    }
    let secret = match secret.strip_prefix(CERTIFICATE_PREFIX) {
        Some(digest) => Secret::Certificate(parse_digest(digest)?.to_string()),
        None if secret.len() < MIN_TOKEN_BYTES => return Err("a token needs at least 16 bytes"),
        None => Secret::Token(Digest::of(secret.as_bytes()).to_string()),
    };
    let roles = roles
        .split(',')
        .map(|role| Role::parse(role).ok_or("roles are reader, gateway and operator"))
        .collect::<Result<_, _>>()?;
    Ok(Known {
        secret,
        principal: Arc::new(Principal {
            name: name.to_owned(),
            roles,
            scope: scope.map(|scope| scope.split(',').map(str::to_owned).collect()),
            authenticated: true,
        }),
    })
}

/// SHA-256 as 64 hexadecimal digits, with or without colons, as certificate tools print it.
fn parse_digest(text: &str) -> Result<Digest, &'static str> {
    let digits: String = text
        .chars()
        .filter(|digit| *digit != ':')
        .collect::<String>()
        .to_ascii_lowercase();
    serde_json::from_value(serde_json::Value::String(digits))
        .map_err(|_| "a certificate is named by its SHA-256, 64 hexadecimal digits")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "0123456789abcdef";

    #[test]
    fn a_token_names_its_peer_and_no_other_token_does() {
        let credentials = Credentials::from_peers(&format!(
            "# who\n\n{TOKEN} ada operator,reader frontends/*,api\nfedcba9876543210 edge-1 gateway\n"
        ))
        .expect("well formed");
        let ada = credentials.by_token(TOKEN.as_bytes()).expect("known");
        assert_eq!((ada.name.as_str(), ada.roles.len()), ("ada", 2));
        assert_eq!(
            ada.scope.as_deref(),
            Some(["frontends/*".to_owned(), "api".to_owned()].as_slice())
        );
        assert!(credentials.by_token(b"0123456789abcdeF").is_none());
        assert!(credentials.by_token(b"").is_none());
        // The digest of a token is no credential, neither as a token nor as a certificate.
        assert!(credentials.by_certificate(TOKEN.as_bytes()).is_none());
    }

    #[test]
    fn a_certificate_is_named_by_its_digest() {
        let digest = Digest::of(b"der").to_string().to_ascii_uppercase();
        let credentials =
            Credentials::from_peers(&format!("cert:{digest} edge-1 gateway")).expect("well formed");
        assert!(credentials.by_certificate(b"der").is_some());
        assert!(credentials.by_token(b"der").is_none());
    }

    #[test]
    fn a_wrong_line_is_named_and_never_shown() {
        for (text, problem) in [
            ("short ada operator", "at least 16 bytes"),
            ("0123456789abcdef ada", "expected TOKEN"),
            ("0123456789abcdef ada root", "roles are"),
            ("0123456789abcdef ada reader api x", "nothing after"),
            ("cert:12 ada reader", "64 hexadecimal digits"),
            (
                "0123456789abcdef a reader\n0123456789abcdef b reader",
                "given before",
            ),
        ] {
            let error = Credentials::from_peers(text).expect_err(text).to_string();
            assert!(error.contains(problem), "{error}");
            assert!(!error.contains(TOKEN), "{error}");
        }
    }

    #[test]
    fn more_peers_than_the_bound_are_refused() {
        let line = |number: usize| format!("{number:032} peer{number} reader\n");
        let most: String = (0..MAX_PEERS).map(line).collect();
        assert!(Credentials::from_peers(&most).is_ok());
        assert!(Credentials::from_peers(&(most + &line(MAX_PEERS))).is_err());
    }

    #[test]
    fn what_is_printed_holds_no_digest() {
        let credentials = Credentials::from_peers(&format!("{TOKEN} ada operator")).expect("well formed");
        let printed = format!("{credentials:?}");
        assert!(printed.contains("ada") && !printed.contains(&Digest::of(TOKEN.as_bytes()).to_string()));
    }
}
