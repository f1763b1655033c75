//! Sori store.
