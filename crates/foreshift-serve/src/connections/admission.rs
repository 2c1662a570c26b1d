//! How fast connections may come: from one peer, and from all together.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Instant;

/// Peers that are remembered. One is forgotten a second after its last connection, so there are about as many as
/// connect in a second; more than this are not let in.
const MAX_PEERS: usize = 4_096;

/// Lets in so many a second, and as many at once after a second of rest.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    tokens: f64,
    filled_at: Instant,
}

impl Bucket {
    fn full(per_s: u32, now: Instant) -> Self {
        Self {
            tokens: f64::from(per_s),
            filled_at: now,
        }
    }

    fn fill(&mut self, per_s: u32, now: Instant) {
        let come = now.duration_since(self.filled_at).as_secs_f64() * f64::from(per_s);
        self.tokens = (self.tokens + come).min(f64::from(per_s));
        self.filled_at = now;
    }
}

/// Who may connect now.
#[derive(Debug)]
pub(super) struct Admission {
    per_s: u32,
    per_peer_per_s: u32,
    all: Bucket,
    peers: BTreeMap<IpAddr, Bucket>,
}

impl Admission {
    pub(super) fn new(per_s: u32, per_peer_per_s: u32, now: Instant) -> Self {
        Self {
            per_s,
            per_peer_per_s,
            all: Bucket::full(per_s, now),
            peers: BTreeMap::new(),
        }
    }

    /// Counts a connection where it may come in. One that its peer has too many of takes nothing from the others.
    pub(super) fn admits(&mut self, peer: IpAddr, now: Instant) -> bool {
        let peer = network(peer);
        let per_peer_per_s = self.per_peer_per_s;
        if self.peers.len() >= MAX_PEERS && !self.peers.contains_key(&peer) {
            self.peers.retain(|_, bucket| {
                bucket.fill(per_peer_per_s, now);
                bucket.tokens < f64::from(per_peer_per_s)
            });
        }
        let known = self.peers.get(&peer).copied();
        let mut own = known.unwrap_or_else(|| Bucket::full(per_peer_per_s, now));
        own.fill(per_peer_per_s, now);
        self.all.fill(self.per_s, now);
        let has_room = known.is_some() || self.peers.len() < MAX_PEERS;
        if !has_room || own.tokens < 1.0 || self.all.tokens < 1.0 {
            return false;
        }
        own.tokens -= 1.0;
        self.all.tokens -= 1.0;
        self.peers.insert(peer, own);
        true
    }
}

/// Who counts as one peer: whoever has an address of version 6 has as many as fit into 64 bits.
fn network(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
        canonical => canonical,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn peer(number: u32) -> IpAddr {
        IpAddr::from(number.to_be_bytes())
    }

    #[test]
    fn a_peer_that_floods_is_held_and_takes_nothing_from_others() {
        let start = Instant::now();
        let mut admission = Admission::new(20, 5, start);
        let admitted = (0..1_000).filter(|_| admission.admits(peer(1), start)).count();
        assert_eq!(admitted, 5);
        let others = (2..100)
            .filter(|other| admission.admits(peer(*other), start))
            .count();
        assert_eq!(others, 15, "what all together may is left");
        let later = start + Duration::from_secs(1);
        assert_eq!((0..1_000).filter(|_| admission.admits(peer(1), later)).count(), 5);
    }

    #[test]
    fn peers_are_remembered_up_to_a_bound_and_forgotten_after_a_second() {
        let start = Instant::now();
        let bound = u32::try_from(MAX_PEERS).unwrap();
        let mut admission = Admission::new(1_000_000, 5, start);
        assert!((0..bound).all(|other| admission.admits(peer(other), start)));
        assert!(!admission.admits(peer(bound), start), "there is no room");
        assert!(admission.admits(peer(0), start), "but for those known");
        let later = start + Duration::from_secs(1);
        assert!(admission.admits(peer(bound), later));
        assert_eq!(admission.peers.len(), 1);
    }

    #[test]
    fn addresses_of_one_network_of_version_6_are_one_peer() {
        let start = Instant::now();
        let mut admission = Admission::new(100, 5, start);
        let address = |host: u16| IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, host]);
        assert_eq!(
            (0..50)
                .filter(|host| admission.admits(address(*host), start))
                .count(),
            5
        );
        assert!(admission.admits(IpAddr::from([0x2001, 0xdb8, 0, 1, 0, 0, 0, 1]), start));
    }
}
