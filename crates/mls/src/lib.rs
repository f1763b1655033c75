//! Sori mls.
