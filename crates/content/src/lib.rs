//! Sori content.
