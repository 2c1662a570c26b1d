//! Why something on the wire is refused.

/// A message that does not keep the domain's promises.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// A field that must be there is absent or empty.
    #[error("{field} is missing")]
    Missing {
        /// The field, as a path from its message.
        field: &'static str,
    },
    /// A text is too long.
    #[error("{field} is {bytes} bytes long, at most {max} are accepted")]
    TooLong {
        /// The field, as a path from its message.
        field: &'static str,
        /// Its length in bytes.
        bytes: usize,
        /// The longest accepted, in bytes.
        max: usize,
    },
    /// A list is too long.
    #[error("{field} has {count} entries, at most {max} are accepted")]
    TooMany {
        /// The field, as a path from its message.
        field: &'static str,
        /// How many there are.
        count: usize,
        /// The most accepted.
        max: usize,
    },
    /// A word or number of an enumeration that is not known here.
    #[error("{field} is {value}, which is not known")]
    Unknown {
        /// The field, as a path from its message.
        field: &'static str,
        /// As sent.
        value: String,
    },
    /// NaN or an infinity.
    #[error("{field} is not a finite number")]
    NotFinite {
        /// The field, as a path from its message.
        field: &'static str,
    },
    /// A number or text outside of what it may be.
    #[error("{field} must be {expected}")]
    OutOfRange {
        /// The field, as a path from its message.
        field: &'static str,
        /// What it may be.
        expected: &'static str,
    },
}
