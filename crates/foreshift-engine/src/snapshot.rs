//! Snapshots: all state of an engine, in three sections that each stand alone, so that state can be
//! split by key: one entry for each target, one for each route, one that is shared.

use std::collections::VecDeque;

use foreshift_domain::{RouteName, TargetName};
use serde::{Deserialize, Serialize};

use crate::engine::{Engine, Routes, Shared, Targets};
use crate::explain::Spent;
use crate::tick::feature_set;

/// Version of the format. Grows with every change of the state's shape; older ones are refused, and the
/// journal or Kafka is read again from where the operator says.
const FORMAT: u32 = 10;

/// All state of an engine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    format: u32,
    shared: Vec<u8>,
    targets: Vec<(TargetName, Vec<u8>)>,
    routes: Vec<(RouteName, Vec<u8>)>,
}

/// Why a snapshot could not be written or restored.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// Written by another version of Foreshift.
    #[error("the snapshot has format {found}, this build reads format {FORMAT}")]
    Format {
        /// The snapshot's format.
        found: u32,
    },
    /// The bytes are not a snapshot.
    #[error("the snapshot's {section} cannot be read or written: {source}")]
    Codec {
        /// Which part.
        section: String,
        /// What went wrong.
        source: postcard::Error,
    },
}

impl Engine {
    /// The engine's state. Outputs that were not polled are no part of it: poll them first.
    ///
    /// # Errors
    /// When the state cannot be encoded.
    pub fn snapshot(&self) -> Result<Snapshot, SnapshotError> {
        let targets = self
            .targets
            .iter()
            .map(|(name, target)| Ok((name.clone(), encode(target, name.as_str())?)));
        let routes = self
            .routes
            .iter()
            .map(|(name, route)| Ok((name.clone(), encode(route, name.as_str())?)));
        Ok(Snapshot {
            format: FORMAT,
            shared: encode(&self.shared, "shared section")?,
            targets: targets.collect::<Result<_, SnapshotError>>()?,
            routes: routes.collect::<Result<_, SnapshotError>>()?,
        })
    }

    /// An engine with the state of a snapshot, in a new epoch. Its weights are published again under that
    /// epoch. The first clock input ends all that has expired meanwhile. A model of older features goes on with those;
    /// one whose features this build does not have is refused by an [`Alert`](crate::Alert), as in [`Engine::new`].
    ///
    /// # Errors
    /// When the snapshot is of another format or damaged.
    pub fn restore(snapshot: &Snapshot, epoch: u64) -> Result<Self, SnapshotError> {
        if snapshot.format != FORMAT {
            return Err(SnapshotError::Format {
                found: snapshot.format,
            });
        }
        let shared: Shared = decode(&snapshot.shared, "shared section")?;
        let mut targets = Targets::default();
        for (name, bytes) in &snapshot.targets {
            targets.insert(name.clone(), decode(bytes, name.as_str())?);
        }
        let mut routes = Routes::default();
        for (name, bytes) in &snapshot.routes {
            routes.insert(name.clone(), decode(bytes, name.as_str())?);
        }
        let mut engine = Self {
            epoch,
            features: feature_set(&shared.fallback),
            shared,
            targets,
            routes,
            outputs: VecDeque::new(),
            gives_rows: false,
            gives_samples: false,
            gives_explanations: false,
            model_copy: None,
            told: Spent::default(),
        };
        engine.check_model();
        engine.republish();
        Ok(engine)
    }
}

impl Snapshot {
    /// The snapshot as bytes.
    ///
    /// # Errors
    /// When it cannot be encoded.
    pub fn to_bytes(&self) -> Result<Vec<u8>, SnapshotError> {
        encode(self, "frame")
    }

    /// The snapshot of these bytes.
    ///
    /// # Errors
    /// When they are no snapshot.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SnapshotError> {
        decode(bytes, "frame")
    }
}

fn encode<T: Serialize>(value: &T, section: &str) -> Result<Vec<u8>, SnapshotError> {
    postcard::to_stdvec(value).map_err(|source| SnapshotError::Codec {
        section: section.to_owned(),
        source,
    })
}

fn decode<'a, T: Deserialize<'a>>(bytes: &'a [u8], section: &str) -> Result<T, SnapshotError> {
    postcard::from_bytes(bytes).map_err(|source| SnapshotError::Codec {
        section: section.to_owned(),
        source,
    })
}
