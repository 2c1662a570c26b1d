//! A network between two processes that can be broken: connections cut, or black-holed with nobody told.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};

/// Bytes carried at a time.
const CHUNK: usize = 16 << 10;

/// Carries TCP connections from its own port to another, for as long as the test runs.
pub struct Relay {
    port: u16,
    network: Arc<Network>,
}

#[derive(Default)]
struct Network {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    is_partitioned: bool,
    open: Vec<TcpStream>,
}

impl Relay {
    /// Carries to a port of loopback.
    pub fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let network = Arc::new(Network::default());
        let relay = Self {
            port: listener.local_addr().expect("bound").port(),
            network: Arc::clone(&network),
        };
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let network = Arc::clone(&network);
                std::thread::spawn(move || network.carry(stream, port));
            }
        });
        relay
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// From now on nothing comes through: no byte, no end, no refusal.
    pub fn partition(&self) {
        self.set_partitioned(true);
    }

    /// What was on its way comes through, late, and all after it.
    pub fn heal(&self) {
        self.set_partitioned(false);
    }

    /// Ends all connections, as a proxy that restarts does.
    pub fn cut(&self) {
        let mut state = self.network.state.lock().expect("no test panics with it");
        for stream in state.open.drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    fn set_partitioned(&self, is_partitioned: bool) {
        let mut state = self.network.state.lock().expect("no test panics with it");
        state.is_partitioned = is_partitioned;
        self.network.changed.notify_all();
    }
}

impl Network {
    fn carry(self: Arc<Self>, from: TcpStream, port: u16) {
        self.pass();
        let Ok(to) = TcpStream::connect(("127.0.0.1", port)) else {
            return;
        };
        let (Ok(from_too), Ok(to_too)) = (from.try_clone(), to.try_clone()) else {
            return;
        };
        {
            let mut state = self.state.lock().expect("no test panics with it");
            state
                .open
                .extend([from.try_clone(), to.try_clone()].into_iter().flatten());
        }
        let back = Arc::clone(&self);
        std::thread::spawn(move || back.copy(to_too, from_too));
        self.copy(from, to);
    }

    fn copy(&self, mut from: TcpStream, mut to: TcpStream) {
        let mut bytes = [0; CHUNK];
        loop {
            let read = from.read(&mut bytes).unwrap_or(0);
            self.pass();
            if read == 0 || to.write_all(bytes.get(..read).unwrap_or_default()).is_err() {
                break;
            }
        }
        let _ = from.shutdown(Shutdown::Both);
        let _ = to.shutdown(Shutdown::Both);
    }

    /// Waits for the end of a partition.
    fn pass(&self) {
        let state = self.state.lock().expect("no test panics with it");
        let healed = self.changed.wait_while(state, |state| state.is_partitioned);
        drop(healed.expect("no test panics with it"));
    }
}
