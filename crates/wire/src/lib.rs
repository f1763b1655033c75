//! Sori wire.
