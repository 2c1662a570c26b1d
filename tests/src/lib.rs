//! Integration tests of Foreshift.
