//! Configuration files: parsing, defaults, checks, schema.
