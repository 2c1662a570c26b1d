//! Where things are: the workspace, the built binaries, logs that are kept, ports.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU16, Ordering};

/// Ports that tests take, below those that the system gives to outgoing connections: a process that is killed and
/// started again must find its ports free.
const PORTS: std::ops::Range<u16> = 18_000..31_000;

/// The root of the workspace.
pub fn workspace() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().expect("tests lie in the workspace").to_owned()
}

/// The directory of this build: that of the test executable, one up.
fn build_dir() -> PathBuf {
    let test = std::env::current_exe().expect("a test knows its executable");
    test.ancestors()
        .nth(2)
        .expect("it lies in target/PROFILE/deps")
        .to_owned()
}

/// A binary of the workspace. Cargo does not build those of other packages for a test.
pub fn binary(name: &str) -> PathBuf {
    let path = build_dir().join(name);
    assert!(
        path.is_file(),
        "{} is missing: run `cargo build --workspace --bins` first",
        path.display()
    );
    path
}

/// Where logs of brokers and processes are kept after a test.
pub fn kept_logs(of: &str) -> PathBuf {
    let dir = build_dir().join("integration-logs").join(of);
    std::fs::create_dir_all(&dir).expect("the build directory can be written");
    dir
}

/// Loopback ports that nobody listens on, none of them given out twice by this process.
pub fn free_ports<const N: usize>() -> [u16; N] {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let span = PORTS.end - PORTS.start;
    let first = (std::process::id() % u32::from(span)) as u16;
    std::array::from_fn(|_| {
        for _ in 0..span {
            let step = NEXT.fetch_add(1, Ordering::Relaxed);
            let port = PORTS.start + (first.wrapping_mul(7) % span + step) % span;
            if TcpListener::bind(("127.0.0.1", port)).is_ok() {
                return port;
            }
        }
        panic!("no free port in {PORTS:?}");
    })
}
