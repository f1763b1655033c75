//! Sori tests.
