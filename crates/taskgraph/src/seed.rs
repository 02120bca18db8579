//! Seeds of the parts of a run, all from the one the user gives.

/// A seed for `purpose` ("prior", "observation", ...): different purposes share no randomness,
/// though the user gave one number.
#[must_use]
pub fn derive_seed(seed: u64, purpose: &str) -> u64 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&seed.to_le_bytes()).update(purpose.as_bytes());
    let bytes = hasher.finalize();
    let (first, _) = bytes.as_bytes().split_first_chunk().expect("a hash has 32 bytes");
    u64::from_le_bytes(*first)
}

#[cfg(test)]
mod tests {
    use super::derive_seed;

    #[test]
    fn purposes_and_seeds_are_told_apart() {
        let seeds = [derive_seed(1, "a"), derive_seed(1, "b"), derive_seed(2, "a")];
        assert!(seeds[0] != seeds[1] && seeds[0] != seeds[2] && seeds[1] != seeds[2]);
        assert_eq!(seeds[0], derive_seed(1, "a"));
    }
}
