//! Sori client.
