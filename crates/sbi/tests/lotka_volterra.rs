//! The Lotka-Volterra tasks against the published reference posteriors.

use std::time::Instant;

use ndarray::Array2;
use sbi::tasks;

const CASES: usize = 6;

/// Name in tests/reference/lotka_volterra_observations.json, mean and standard deviation of the
/// published reference posterior (alpha, beta, gamma, delta), and its file.
#[rustfmt::skip]
const PUBLISHED: [(&str, [f64; 4], [f64; 4], &str); CASES] = [
    ("latent_0", [0.3584, 0.0304, 0.5700, 0.0358], [0.0095, 0.0020, 0.0175, 0.0023],
        "reference_sample_seed0.npy"),
    ("latent_1", [1.5950, 0.0475, 0.7118, 0.0805], [0.0319, 0.0028, 0.0145, 0.0056],
        "reference_sample_seed1.npy"),
    ("latent_2", [1.3252, 0.1369, 0.3978, 0.0260], [0.0907, 0.0121, 0.0278, 0.0023],
        "reference_sample_seed2.npy"),
    ("fixed_z_0", [0.6109, 0.0296, 1.6120, 0.0168], [0.0088, 0.0019, 0.0247, 0.0008],
        "reference_sample_without_latent_variables_seed0.npy"),
    ("fixed_z_1", [0.8395, 0.0492, 0.6274, 0.0582], [0.0160, 0.0027, 0.0099, 0.0023],
        "reference_sample_without_latent_variables_seed1.npy"),
    ("fixed_z_2", [1.4189, 0.0213, 0.5145, 0.1601], [0.0103, 0.0010, 0.0046, 0.0035],
        "reference_sample_without_latent_variables_seed2.npy"),
];

/// The published observation of a case: counts of prey, then of predators.
fn observation(case: &str) -> Vec<f64> {
    let text = include_str!("../../../tests/reference/lotka_volterra_observations.json");
    let all: serde_json::Value = serde_json::from_str(text).unwrap();
    let counts: Vec<[f64; 2]> = serde_json::from_value(all[case]["y"].clone()).unwrap();
    (0..2).flat_map(|population| counts.iter().map(move |count| count[population])).collect()
}

fn posterior(case: &str, draws: usize) -> Array2<f64> {
    let name = if case.starts_with("latent") { "latent" } else { "fixed" };
    let task = tasks::find(&format!("lotka-volterra-{name}")).unwrap();
    task.reference_posterior(&observation(case), draws, 1).unwrap()
}

fn moments(draws: &Array2<f64>) -> [(f64, f64); 4] {
    std::array::from_fn(|i| {
        let values = draws.column(i);
        let mean = values.mean().unwrap();
        (mean, values.std(1.0))
    })
}

#[test]
fn experiment() {
    for (case, means, sds, _) in PUBLISHED {
        let start = Instant::now();
        let draws = posterior(case, 10_000);
        let found = moments(&draws);
        println!("{case} {:?}", start.elapsed());
        for i in 0..4 {
            println!(
                "  {:.5} {:.5}  shift {:.3} sd, ratio {:.3}",
                found[i].0,
                found[i].1,
                (found[i].0 - means[i]) / sds[i],
                found[i].1 / sds[i]
            );
        }
    }
}
