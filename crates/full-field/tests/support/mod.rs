//! The LSST-Y10 prior as draws, and maps of the survey that has gone wrong.

use lognormal_sim::{Cosmology, Randomness, Simulator, Survey};

/// Mean, standard deviation and edges of each parameter.
const PRIOR: [(f64, f64, f64, f64); 6] = [
    (0.2664, 0.2, 0.0, f64::INFINITY),
    (0.0492, 0.006, f64::NEG_INFINITY, f64::INFINITY),
    (0.831, 0.14, f64::NEG_INFINITY, f64::INFINITY),
    (0.6727, 0.063, f64::NEG_INFINITY, f64::INFINITY),
    (0.9645, 0.08, f64::NEG_INFINITY, f64::INFINITY),
    (-1.0, 0.9, -2.0, -0.3),
];

/// Draws of the prior.
pub fn prior(seed: u64, count: usize) -> Vec<[f64; 6]> {
    let mut randomness = Randomness::new(seed, 0);
    (0..count)
        .map(|_| {
            PRIOR.map(|(mean, sd, low, high)| {
                loop {
                    let value = mean + sd * randomness.normal();
                    if value > low && value < high {
                        break value;
                    }
                }
            })
        })
        .collect()
}

/// The survey with `npix` pixels on a side.
pub fn survey(npix: usize) -> Survey {
    Survey::preset("lsst_y10").expect("a preset").with_npix(npix)
}

/// A simulator of it.
pub fn simulator(npix: usize) -> Simulator {
    Simulator::new(survey(npix)).expect("a survey")
}

/// A noisy map at the fiducial parameters.
pub fn right_map(simulator: &Simulator, index: u64) -> Vec<f64> {
    simulator.simulate(&Cosmology::FIDUCIAL, 77, index, true).expect("a map")
}

/// Right maps that are tried for false alarms: 40, and all 200 where slow tests are asked for.
pub fn right_maps() -> usize {
    if std::env::var_os("FULLFIELD_SLOW").is_some() { 200 } else { 40 }
}

/// Right maps at parameters of the prior, with their parameters' number.
pub fn maps_of_prior(simulator: &Simulator, count: usize) -> Vec<(usize, Vec<f64>)> {
    let draws = prior(99, count).into_iter().enumerate();
    draws
        .filter_map(|(k, theta)| {
            let cosmology = Cosmology::from_parameters(&theta).ok()?;
            Some((k, simulator.simulate(&cosmology, 123, k as u64, true).ok()?))
        })
        .collect()
}

/// The maps with all pixels times a factor.
pub fn scaled(map: &[f64], factor: f64) -> Vec<f64> {
    map.iter().map(|x| x * factor).collect()
}

/// The maps with bin `order[k]` in place of bin `k`.
pub fn reordered(map: &[f64], order: &[usize]) -> Vec<f64> {
    let bins: Vec<&[f64]> = map.chunks_exact(map.len() / order.len()).collect();
    order.iter().flat_map(|&bin| bins[bin].to_vec()).collect()
}
