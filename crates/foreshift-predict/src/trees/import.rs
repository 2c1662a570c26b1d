//! Trees that another library trained.

use super::{Link, Tree, Trees, TreesError};

/// Why a model of another library is refused.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ImportError {
    /// Something that this reader has no equal of.
    #[error("{what} is not supported: {instead}")]
    Unsupported {
        /// What the model has.
        what: String,
        /// What is supported.
        instead: &'static str,
    },
    /// The text is not the model's format.
    #[error("tree {tree}: {what} is missing or malformed")]
    Tree {
        /// The tree's number, from 0.
        tree: usize,
        /// Which field.
        what: &'static str,
    },
    /// The text is not the model's format.
    #[error("{what} is missing or malformed")]
    Header {
        /// Which field.
        what: &'static str,
    },
    /// The text is not the JSON of a model.
    #[error("not a model in JSON: {reason}")]
    Json {
        /// What the reader of JSON says.
        reason: String,
    },
    /// The trees read do not pass their check.
    #[error(transparent)]
    Trees(#[from] TreesError),
    /// The model asks for a feature that there is not.
    #[error("the model reads feature {name:?}, which is not in the catalogue")]
    NoSuchFeature {
        /// Its name in the model.
        name: String,
    },
}

/// Trees as they were imported, with the names of the features in the order of their own training.
#[derive(Clone, Debug, PartialEq)]
pub struct Imported {
    /// They read a row in the order of `features`.
    pub trees: Trees,
    /// One name for each value of a row.
    pub features: Vec<String>,
}

impl Imported {
    /// The same trees, reading a row whose values have these names, in this order. A feature that no split asks
    /// for need not be there.
    ///
    /// # Errors
    /// [`ImportError::NoSuchFeature`] for the first feature that is read and has no such name.
    pub fn map_features(&self, names: &[&str]) -> Result<Trees, ImportError> {
        let place = |feature: u16| -> Result<u16, ImportError> {
            let name = self.features.get(usize::from(feature)).map_or("", String::as_str);
            let index = names.iter().position(|known| *known == name);
            let index = index.and_then(|index| u16::try_from(index).ok());
            index.ok_or_else(|| ImportError::NoSuchFeature {
                name: name.to_owned(),
            })
        };
        let mut trees = self.trees.trees();
        for split in trees.iter_mut().flat_map(|tree| &mut tree.splits) {
            split.feature = place(split.feature)?;
        }
        let zeros = self
            .trees
            .zero_is_missing
            .iter()
            .filter_map(|feature| place(*feature).ok());
        let mapped = Trees::new(names.len(), self.trees.base(), self.trees.link(), &trees)?;
        Ok(mapped.with_zero_as_missing(zeros.collect())?)
    }

    pub(super) fn new(
        features: Vec<String>,
        base: f64,
        zeros: Vec<u16>,
        trees: &[Tree],
    ) -> Result<Self, ImportError> {
        let trees = Trees::new(features.len(), base, Link::Logit, trees)?.with_zero_as_missing(zeros)?;
        Ok(Self { trees, features })
    }
}

pub(super) fn unsupported<T>(what: impl Into<String>, instead: &'static str) -> Result<T, ImportError> {
    let what = what.into();
    Err(ImportError::Unsupported { what, instead })
}
