//! Names of versions.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The longest name of a scale in bytes: it is a directory's name.
const MAX_SCALE_BYTES: usize = 64;

/// A version of a model: a time scale or kind (`live`, `probe`, `logs`) and a number from 1. Written `live@2`; `live/2`,
/// which is its directory, is read too. Versions of one scale are ordered by number.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ModelName {
    scale: String,
    version: u32,
}

/// The text is no name of a version.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} names no version of a model: expected a scale of lower-case letters, digits, `-` or `_`, an `@` and a number from 1, such as live@2"
)]
pub struct NoModelName {
    /// As given.
    pub text: String,
}

impl ModelName {
    /// The version of this scale and number.
    ///
    /// # Errors
    /// When the scale could not be a directory's name here, or the number is 0.
    pub fn new(scale: &str, version: u32) -> Result<Self, NoModelName> {
        let letters = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte);
        let sound = !scale.is_empty() && scale.len() <= MAX_SCALE_BYTES && scale.bytes().all(letters);
        if sound && version > 0 {
            return Ok(Self {
                scale: scale.to_owned(),
                version,
            });
        }
        Err(NoModelName {
            text: format!("{scale}@{version}"),
        })
    }

    /// The scale.
    #[must_use]
    pub fn scale(&self) -> &str {
        &self.scale
    }

    /// The number.
    #[must_use]
    pub fn version(&self) -> u32 {
        self.version
    }

    /// Where it lies below the registry.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        PathBuf::from(&self.scale).join(self.version.to_string())
    }
}

impl fmt::Display for ModelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.scale, self.version)
    }
}

impl FromStr for ModelName {
    type Err = NoModelName;

    fn from_str(text: &str) -> Result<Self, NoModelName> {
        let refused = || NoModelName {
            text: text.to_owned(),
        };
        let (scale, version) = text
            .split_once('@')
            .or_else(|| text.split_once('/'))
            .ok_or_else(refused)?;
        let canonical = version.bytes().all(|byte| byte.is_ascii_digit()) && !version.starts_with('0');
        let number = version.parse().ok().filter(|_| canonical);
        Self::new(scale, number.ok_or_else(refused)?).map_err(|_| refused())
    }
}

impl Serialize for ModelName {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ModelName {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_name_one_version_and_nothing_leads_out_of_the_registry() {
        let name: ModelName = "live@12".parse().unwrap();
        assert_eq!("live/12".parse(), Ok(name.clone()));
        assert_eq!(name.to_string(), "live@12");
        assert_eq!(name.path(), PathBuf::from("live/12"));
        for text in [
            "", "live", "live@", "live@0", "live@-1", "live@01", "live@+1", "@1", "../x@1", "Live@1",
            "a/b/1", "a/../1",
        ] {
            assert!(text.parse::<ModelName>().is_err(), "{text:?}");
        }
        assert!("live@2".parse::<ModelName>().unwrap() < "live@10".parse().unwrap());
    }
}
