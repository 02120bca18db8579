//! Targets with known moments, and the Monte-Carlo error of a mean by batch means.
#![allow(dead_code)] // each test file uses its own selection

use std::convert::Infallible;

use hmc::{Chain, LogDensity, Phase, Settings};

/// A normal with the given mean and precision matrix (row-major), `None` for the identity.
#[derive(Clone, Debug)]
pub struct Normal {
    pub mean: Vec<f64>,
    pub precision: Option<Vec<f64>>,
}

impl Normal {
    pub fn standard(dim: usize) -> Self {
        Self { mean: vec![0.0; dim], precision: None }
    }

    /// Independent coordinates with these standard deviations.
    pub fn independent(mean: Vec<f64>, sd: &[f64]) -> Self {
        let n = sd.len();
        let mut precision = vec![0.0; n * n];
        for (i, s) in sd.iter().enumerate() {
            precision[i * n + i] = 1.0 / (s * s);
        }
        Self { mean, precision: Some(precision) }
    }

    /// Stationary first-order autoregression: unit variances, correlation `r^|i-j|`.
    pub fn autoregressive(dim: usize, r: f64) -> Self {
        let mut precision = vec![0.0; dim * dim];
        for i in 0..dim {
            let inner = i > 0 && i + 1 < dim;
            precision[i * dim + i] = if inner { 1.0 + r * r } else { 1.0 } / (1.0 - r * r);
            if i > 0 {
                precision[i * dim + i - 1] = -r / (1.0 - r * r);
                precision[(i - 1) * dim + i] = -r / (1.0 - r * r);
            }
        }
        Self { mean: vec![0.0; dim], precision: Some(precision) }
    }
}

impl LogDensity for Normal {
    type Error = Infallible;

    fn dim(&self) -> usize {
        self.mean.len()
    }

    fn log_density_and_gradient(&mut self, q: &[f64], g: &mut [f64]) -> Result<f64, Infallible> {
        let n = q.len();
        let d: Vec<f64> = q.iter().zip(&self.mean).map(|(q, m)| q - m).collect();
        for i in 0..n {
            g[i] = match &self.precision {
                None => -d[i],
                Some(p) => -p[i * n..][..n].iter().zip(&d).map(|(p, d)| p * d).sum::<f64>(),
            };
        }
        Ok(0.5 * g.iter().zip(&d).map(|(g, d)| g * d).sum::<f64>())
    }
}

/// Neal's funnel, softened: `v ~ N(0, sd_v^2)`, the others `N(0, exp(v))`.
#[derive(Clone, Debug)]
pub struct Funnel {
    pub dim: usize,
    pub sd_v: f64,
}

impl LogDensity for Funnel {
    type Error = Infallible;

    fn dim(&self) -> usize {
        self.dim
    }

    fn log_density_and_gradient(&mut self, q: &[f64], g: &mut [f64]) -> Result<f64, Infallible> {
        let v = q[0];
        let precision = (-v).exp();
        let squares: f64 = q[1..].iter().map(|x| x * x).sum();
        let n = (self.dim - 1) as f64;
        g[0] = -v / self.sd_v.powi(2) - 0.5 * n + 0.5 * squares * precision;
        for (g, x) in g[1..].iter_mut().zip(&q[1..]) {
            *g = -x * precision;
        }
        Ok(-0.5 * (v / self.sd_v).powi(2) - 0.5 * n * v - 0.5 * squares * precision)
    }
}

/// Positions of the sampling phase, `[draw][coordinate]`.
pub fn sample<D: LogDensity>(
    density: D,
    start: Vec<f64>,
    settings: Settings,
    draws: usize,
    (seed, index): (u64, u64),
) -> (Vec<Vec<f64>>, Chain<D>) {
    let mut chain = Chain::new(density, start, settings, seed, index).unwrap();
    let mut positions = Vec::with_capacity(draws);
    while positions.len() < draws {
        if chain.advance().unwrap().phase == Phase::Sampling {
            positions.push(chain.state().position().to_vec());
        }
    }
    (positions, chain)
}

/// Mean and its standard error, from the means of 30 batches.
pub fn mean_and_error(values: impl IntoIterator<Item = f64>) -> (f64, f64) {
    const BATCHES: usize = 30;
    let values: Vec<f64> = values.into_iter().collect();
    let size = values.len() / BATCHES;
    let means: Vec<f64> = values
        .chunks_exact(size)
        .take(BATCHES)
        .map(|b| b.iter().sum::<f64>() / size as f64)
        .collect();
    let n = means.len() as f64;
    let mean = means.iter().sum::<f64>() / n;
    let variance = means.iter().map(|m| (m - mean).powi(2)).sum::<f64>() / (n - 1.0);
    (mean, (variance / n).sqrt())
}

/// Asserts that the mean of `values` is `expected` within `sigmas` standard errors.
pub fn assert_mean(what: &str, values: impl IntoIterator<Item = f64>, expected: f64, sigmas: f64) {
    let (mean, error) = mean_and_error(values);
    assert!(
        (mean - expected).abs() < sigmas * error,
        "{what}: {mean:.4} +- {error:.4}, expected {expected}"
    );
}
