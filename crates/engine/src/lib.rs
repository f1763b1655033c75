//! Sori engine.
