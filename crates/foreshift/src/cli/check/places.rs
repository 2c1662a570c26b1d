//! Places: listeners, credentials, storage.

use std::fs::{self, File, TryLockError};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use foreshift_config::ProcessConfig;
use foreshift_engine::{Engine, Snapshot};

use crate::cli::render::{Finding, age};
use crate::cli::values::wall_clock;
use crate::storage::CheckpointStore;

/// How long a listener that is taken is asked who it is.
const ASK_TIMEOUT: Duration = Duration::from_secs(2);

/// The longest answer that is read, in bytes: metrics of a large fleet.
const MAX_ANSWER_BYTES: u64 = 64 << 20;

/// Looks at all places; gives back whether a process uses the storage.
pub(super) fn check(process: &ProcessConfig, findings: &mut Vec<Finding>) -> bool {
    credentials(process, findings);
    let is_running = storage(&process.storage.dir, findings);
    let listen = &process.listen;
    let mut listeners = vec![
        ("listen.grpc", listen.grpc.address),
        ("listen.operator", listen.operator.address),
    ];
    listeners.extend(listen.http.as_ref().map(|http| ("listen.http", http.address)));
    let receive = process.receive.as_ref();
    listeners.extend(receive.map(|receive| ("receive", receive.address)));
    let haproxy = process.haproxy.as_ref();
    listeners.extend(haproxy.map(|haproxy| ("haproxy", haproxy.address)));
    findings.extend(
        listeners
            .into_iter()
            .map(|(name, address)| listener(name, address, is_running)),
    );
    is_running
}

fn credentials(process: &ProcessConfig, findings: &mut Vec<Finding>) {
    findings.push(match crate::serving::credentials(&process.listen) {
        Ok(credentials) if credentials.are_configured() => Finding::ok("credentials", "peers are named"),
        Ok(_) => Finding::ok(
            "credentials",
            "none: whoever reaches a listener may use it (loopback only by default)",
        ),
        Err(error) => Finding::fail(
            "credentials",
            full(&error),
            "see listen.peers_file and listen.tls",
        ),
    });
}

/// An error with its causes.
pub(super) fn full(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let more = inner.to_string();
        if !text.contains(&more) {
            text.push_str(&format!(": {more}"));
        }
        cause = inner.source();
    }
    text
}

/// Whether the address is free, or taken by a running Foreshift.
fn listener(name: &str, address: SocketAddr, is_running: bool) -> Finding {
    match TcpListener::bind(address) {
        Ok(_) => Finding::ok(name, format!("{address} is free")),
        Err(error) if error.kind() == ErrorKind::AddrInUse => match (is_running, greets(name, address)) {
            (true, true) => Finding::ok(
                name,
                format!("{address} is served, and the storage is in use: it runs"),
            ),
            (true, false) => Finding::warn(
                name,
                format!("{address} is taken and does not answer, though a process uses the storage"),
                "is it starting or stopping? look at its log",
            ),
            (false, _) => Finding::fail(
                name,
                format!("{address} is taken by another process"),
                format!("choose another {name}.address, or stop what listens there"),
            ),
        },
        Err(error) => Finding::fail(
            name,
            format!("cannot listen on {address}: {error}"),
            format!("{name}.address must be an address of this machine that this user may use"),
        ),
    }
}

/// Whether something answers there: HTTP on `/livez`, gRPC by accepting a connection.
fn greets(name: &str, address: SocketAddr) -> bool {
    match name {
        "listen.http" => http_get(address, "/livez").is_ok_and(|answer| answer.starts_with("HTTP/1.1 200")),
        // With TLS and credentials more cannot be asked from here.
        _ => TcpStream::connect_timeout(&address, ASK_TIMEOUT).is_ok(),
    }
}

/// What our own HTTP listener answers, with its head.
pub(super) fn http_get(address: SocketAddr, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, ASK_TIMEOUT)?;
    stream.set_read_timeout(Some(ASK_TIMEOUT))?;
    stream.set_write_timeout(Some(ASK_TIMEOUT))?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    )?;
    let mut answer = String::new();
    stream.take(MAX_ANSWER_BYTES).read_to_string(&mut answer)?;
    Ok(answer)
}

/// Looks at the storage; gives back whether a process uses it.
fn storage(dir: &Path, findings: &mut Vec<Finding>) -> bool {
    let about = format!("storage {}", dir.display());
    if !dir.is_dir() {
        findings.push(match writable(existing_above(dir)) {
            Ok(()) => Finding::ok(about, "does not exist yet and can be created"),
            Err(error) => {
                let hint = "create it and give it to the user that runs foreshift, or set storage.dir";
                Finding::fail(
                    about,
                    format!("does not exist and cannot be created: {error}"),
                    hint,
                )
            }
        });
        return false;
    }
    if let Err(error) = writable(dir) {
        let hint = "give it to the user that runs foreshift, or set storage.dir";
        findings.push(Finding::fail(&about, format!("cannot be written: {error}"), hint));
        return false;
    }
    let lock = File::open(dir.join("lock"));
    let is_running = lock.is_ok_and(|lock| matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock)));
    let state = if is_running {
        "is in use by a running process"
    } else {
        "can be written"
    };
    findings.push(Finding::ok(&about, state));
    findings.push(snapshot(dir, &about));
    is_running
}

fn snapshot(dir: &Path, about: &str) -> Finding {
    let hint = "a start would go on from the one before, or without; move it away to choose";
    match CheckpointStore::new(dir).newest() {
        Ok(None) => Finding::ok(about, "holds no snapshot: a start begins without history"),
        Ok(Some(checkpoint)) => {
            let engine =
                Snapshot::from_bytes(&checkpoint.engine).and_then(|snapshot| Engine::restore(&snapshot, 0));
            match engine {
                Ok(engine) => {
                    let old = age(wall_clock().since(engine.now()));
                    Finding::ok(about, format!("the newest snapshot is whole, and of {old} ago"))
                }
                Err(error) => Finding::fail(about, full(&error), hint),
            }
        }
        Err(error) => Finding::fail(about, full(&error), hint),
    }
}

/// The nearest directory above that exists.
fn existing_above(dir: &Path) -> &Path {
    let above = dir.ancestors().skip(1).find(|above| above.is_dir());
    above.unwrap_or(Path::new("."))
}

/// Whether a file can be created there; it is removed at once.
fn writable(dir: &Path) -> std::io::Result<()> {
    let probe: PathBuf = dir.join(format!(".foreshift-check-{}", std::process::id()));
    let mut file = File::create_new(&probe)?;
    let written = file.write_all(b"check").and_then(|()| file.sync_all());
    fs::remove_file(&probe)?;
    written
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::render::Level;
    use crate::storage::Storage;

    #[test]
    fn a_taken_listener_fails_unless_a_running_process_holds_the_storage() {
        let other = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = other.local_addr().unwrap();
        assert_eq!(listener("listen.grpc", address, false).level, Level::Fail);
        assert_eq!(listener("listen.grpc", address, true).level, Level::Ok);
        drop(other);
        assert_eq!(listener("listen.grpc", address, false).level, Level::Ok);
    }

    #[test]
    fn a_storage_in_use_is_seen_and_left_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let missing = dir.path().join("a/b");
        let mut findings = Vec::new();
        assert!(!storage(&missing, &mut findings));
        assert!(!missing.exists() && findings.iter().all(|finding| finding.level == Level::Ok));
        let held = Storage::open(dir.path()).unwrap();
        assert!(storage(dir.path(), &mut findings));
        drop(held);
        assert!(!storage(dir.path(), &mut findings));
        assert_eq!(
            fs::read_dir(dir.path()).unwrap().count(),
            1,
            "nothing but the lock file is left"
        );
    }
}
