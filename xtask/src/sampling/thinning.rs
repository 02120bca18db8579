//! Fewer draws, spread over all of them.

/// `count` evenly spaced of the draws `[draw][parameter]` of `dim` parameters.
#[must_use]
pub fn thinned(samples: &[f64], dim: usize, count: usize) -> Vec<f64> {
    let available = samples.len() / dim;
    (0..count)
        .flat_map(|k| {
            let draw = k * available / count;
            samples[draw * dim..(draw + 1) * dim].iter().copied()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thinning_keeps_whole_draws_and_spreads_them() {
        for dim in [1, 6] {
            let samples: Vec<f64> = (0..10 * dim).map(|i| (i / dim) as f64).collect();
            let few = thinned(&samples, dim, 4);
            let draws: Vec<f64> = few.iter().step_by(dim).copied().collect();
            assert_eq!(draws, [0.0, 2.0, 5.0, 7.0]);
            assert_eq!(few.len(), 4 * dim);
            assert_eq!(thinned(&samples, dim, 10), samples);
        }
    }
}
