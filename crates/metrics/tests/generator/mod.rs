//! The generator of `reference/generator.py`.

/// Uniform numbers of a linear congruential generator.
pub fn uniforms(seed: u64, count: usize) -> Vec<f64> {
    let mut state = seed;
    let mut uniform = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1_u64 << 53) as f64
    };
    (0..count).map(|_| uniform()).collect()
}

/// Normal numbers by the Box-Muller transform, one from each pair of uniform ones.
#[allow(dead_code, reason = "not every test needs them")]
pub fn normals(seed: u64, count: usize) -> Vec<f64> {
    uniforms(seed, 2 * count)
        .chunks_exact(2)
        .map(|u| (-2.0 * (1.0 - u[0]).ln()).sqrt() * (2.0 * std::f64::consts::PI * u[1]).cos())
        .collect()
}
