//! Log lines to templates and error classes.
