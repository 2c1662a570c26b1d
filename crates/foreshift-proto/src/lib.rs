//! Wire types, and total conversions to the domain.
