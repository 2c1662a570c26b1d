//! Shares the text of names that come again and again, in bounded memory.

use std::borrow::Borrow;
use std::hash::Hash;

use foreshift_domain::{EndpointName, GatewayName, RouteName, TargetName};
use foreshift_proto::Names;
use rustc_hash::FxHashSet;

use crate::decoded::Decoded;

/// Names kept of one kind. Past it all are forgotten and met again: a runaway label costs time, not memory.
pub(crate) const MAX_INTERNED: usize = 1 << 16;

#[derive(Debug)]
pub(crate) struct Interner<T> {
    known: FxHashSet<T>,
}

impl<T> Default for Interner<T> {
    fn default() -> Self {
        Self {
            known: FxHashSet::default(),
        }
    }
}

impl<T: Clone + Eq + Hash + Borrow<str>> Interner<T> {
    /// The name of this text.
    pub(crate) fn get(&mut self, text: &str) -> T
    where
        T: for<'a> From<&'a str>,
    {
        match self.known.get(text) {
            Some(known) => known.clone(),
            None => self.keep(T::from(text)),
        }
    }

    /// Puts the name that is known in the place of an equal one.
    fn share(&mut self, name: &mut T) {
        match self.known.get::<str>((*name).borrow()) {
            Some(known) => name.clone_from(known),
            None => *name = self.keep(name.clone()),
        }
    }

    fn keep(&mut self, name: T) -> T {
        if self.known.len() >= MAX_INTERNED {
            self.known.clear();
        }
        self.known.insert(name.clone());
        name
    }
}

/// The names of the signals of one batch. Not of all batches: another thread lets go of the names of a batch, and two
/// threads that count the holders of one name at the same time wait for each other.
#[derive(Debug, Default)]
pub(crate) struct SignalNames {
    targets: Interner<TargetName>,
    routes: Interner<RouteName>,
    gateways: Interner<GatewayName>,
    endpoints: Interner<EndpointName>,
}

impl SignalNames {
    /// Makes a signal share the names of those before it: they are freed once for the batch, not once for a signal.
    pub(crate) fn share(&mut self, decoded: &mut Decoded) {
        let Decoded::Signal { signal, .. } = decoded else {
            return;
        };
        self.targets.share(&mut signal.target);
        if let Some(route) = &mut signal.route {
            self.routes.share(route);
        }
        if let Some(gateway) = &mut signal.gateway {
            self.gateways.share(gateway);
        }
        if let Some(endpoint) = &mut signal.endpoint {
            self.endpoints.share(endpoint);
        }
    }
}

impl Names for SignalNames {
    fn target(&mut self, text: &str) -> TargetName {
        self.targets.get(text)
    }

    fn route(&mut self, text: &str) -> RouteName {
        self.routes.get(text)
    }

    fn gateway(&mut self, text: &str) -> GatewayName {
        self.gateways.get(text)
    }

    fn endpoint(&mut self, text: &str) -> EndpointName {
        self.endpoints.get(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_million_names_are_met_in_bounded_memory() {
        let mut names = Interner::<TargetName>::default();
        for number in 0..1_000_000 {
            let text = format!("t{number}");
            assert_eq!(names.get(&text).as_str(), text);
        }
        assert!(names.known.len() <= MAX_INTERNED);
    }

    #[test]
    fn equal_names_are_one_name_after_sharing_and_others_stay() {
        let mut names = Interner::<TargetName>::default();
        let [mut one, mut two, mut other] = ["a", "a", "b"].map(TargetName::from);
        for name in [&mut one, &mut two, &mut other] {
            names.share(name);
        }
        assert_eq!(one.as_str().as_ptr(), two.as_str().as_ptr());
        assert_eq!([one.as_str(), two.as_str(), other.as_str()], ["a", "a", "b"]);
    }
}
