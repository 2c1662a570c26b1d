use foreshift_domain::Digest;
use foreshift_serve::client::{Client, ClientConfig, ClientError};
use foreshift_serve::{CredentialFiles, Credentials, CredentialsError, ServeConfig, TlsFiles};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tempfile::TempDir;
use tonic::Code;

use crate::harness::{OPERATOR, Running, STUCK, open, start, told, world};

struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("well formed");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        Self {
            issuer: CertifiedIssuer::self_signed(params, key).expect("signed"),
        }
    }

    /// DER, PEM of the certificate and PEM of the key.
    fn issue(&self, name: &str) -> (Vec<u8>, String, String) {
        let key = KeyPair::generate().expect("a key");
        let certificate = CertificateParams::new(vec![name.to_owned()])
            .and_then(|params| params.signed_by(&key, &self.issuer))
            .expect("signed");
        (certificate.der().to_vec(), certificate.pem(), key.serialize_pem())
    }
}

fn write(folder: &TempDir, name: &str, text: &str) -> std::path::PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, text).expect("it writes");
    path
}

/// A server with TLS that knows one token and one client certificate.
async fn server(authority: &Authority, known_der: &[u8]) -> Running {
    let folder = TempDir::new().expect("a folder");
    let (_, certificate, key) = authority.issue("localhost");
    let peers = format!(
        "{OPERATOR} ada operator\ncert:{} edge-1 gateway\n",
        Digest::of(known_der)
    );
    let files = CredentialFiles {
        peers: Some(write(&folder, "peers", &peers)),
        tls: Some(TlsFiles {
            certificate: write(&folder, "server.pem", &certificate),
            key: write(&folder, "server.key", &key),
            client_ca: Some(write(&folder, "ca.pem", &authority.issuer.pem())),
        }),
    };
    let config = ServeConfig {
        credentials: Credentials::load(&files).expect("well formed"),
        ..open()
    };
    start(config, world()).await
}

fn config(running: &Running, authority: &Authority) -> ClientConfig {
    ClientConfig {
        server: format!("https://localhost:{}", running.serving.addresses.listen.port()),
        server_ca: Some(authority.issuer.pem()),
        timeout: STUCK,
        ..ClientConfig::default()
    }
}

fn code(result: Result<u32, ClientError>) -> Option<Code> {
    match result {
        Err(ClientError::Call { status }) => Some(status.code()),
        _ => None,
    }
}

#[tokio::test]
async fn a_client_certificate_is_a_credential_and_an_unlisted_one_is_none() {
    let authority = Authority::new();
    let (der, certificate, key) = authority.issue("edge-1");
    let running = server(&authority, &der).await;
    let known = Client::connect(ClientConfig {
        identity: Some((certificate, key)),
        ..config(&running, &authority)
    })
    .await
    .expect("it connects");
    assert_eq!(known.weights(&[]).await.expect("known").len(), 2);

    let (_, certificate, key) = authority.issue("edge-1");
    let unlisted = Client::connect(ClientConfig {
        identity: Some((certificate, key)),
        ..config(&running, &authority)
    })
    .await
    .expect("it connects");
    assert_eq!(
        code(unlisted.report_applied(&[]).await),
        Some(Code::Unauthenticated)
    );
}

#[tokio::test]
async fn a_certificate_of_another_authority_does_not_get_through_the_handshake() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let (der, certificate, key) = theirs.issue("edge-1");
    // Even one that is listed: the authority comes first.
    let running = server(&ours, &der).await;
    let refused = match Client::connect(ClientConfig {
        identity: Some((certificate, key)),
        ..config(&running, &ours)
    })
    .await
    {
        // The server's refusal may come after the client's handshake is done.
        Ok(client) => client.weights(&[]).await.is_err(),
        Err(_) => true,
    };
    assert!(refused);
}

#[tokio::test]
async fn a_token_over_tls_needs_no_certificate() {
    let authority = Authority::new();
    let running = server(&authority, b"nobody").await;
    let stranger = Client::connect(config(&running, &authority))
        .await
        .expect("it connects");
    assert_eq!(
        code(stranger.report_applied(&[]).await),
        Some(Code::Unauthenticated)
    );
    let ada = Client::connect(ClientConfig {
        token: Some(OPERATOR.to_owned()),
        ..config(&running, &authority)
    })
    .await
    .expect("it connects");
    assert_eq!(ada.status().await.expect("known"), told(world()));
}

#[test]
fn client_certificates_without_names_are_refused() {
    let files = CredentialFiles {
        peers: None,
        tls: Some(TlsFiles {
            certificate: "server.pem".into(),
            key: "server.key".into(),
            client_ca: Some("ca.pem".into()),
        }),
    };
    assert!(matches!(
        Credentials::load(&files),
        Err(CredentialsError::NobodyNamed)
    ));
}
