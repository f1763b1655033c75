//! Sori.
fn main() {}
