//! The studies.
fn main() {}
