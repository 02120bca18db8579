//! The law of total variance: signal and noise of scores, with jackknife errors.

use serde::{Deserialize, Serialize};

use full_field::{DIM, Matrix, cholesky, inverse};

/// A number with its Monte-Carlo standard error.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Measured {
    /// The number.
    pub value: f64,
    /// Its error.
    pub error: f64,
}

/// A map: the score under test, and two estimates of its mean given the map with independent
/// errors. Maps without the score count for the signal alone.
pub struct Sample {
    /// The score.
    pub score: Option<[f64; DIM]>,
    /// The estimates.
    pub reference: [[f64; DIM]; 2],
}

/// What a map contributes to means over maps.
struct Contribution {
    signal: Matrix,
    noise: Option<Noise>,
}

/// The same, where there is a score.
struct Noise {
    covariance: Matrix,
    /// Score times reference.
    cross: [f64; DIM],
    /// Score minus reference.
    difference: [f64; DIM],
}

/// Signal and noise of one estimator.
pub struct Split {
    maps: Vec<Contribution>,
}

impl Split {
    /// Of these maps; none if their signal is not positive definite.
    #[must_use]
    pub fn new(samples: &[Sample]) -> Option<Self> {
        let maps = samples.iter().map(Contribution::new).collect();
        let split = Self { maps };
        cholesky(&split.signal()).map(|_| split)
    }

    /// Covariance of the marginal score, whose mean is zero.
    #[must_use]
    pub fn signal(&self) -> Matrix {
        self.mean_signal(None)
    }

    /// Covariance of the noise.
    #[must_use]
    pub fn noise(&self) -> Matrix {
        self.mean_noise(None)
    }

    /// Standard deviation of the marginal score of a parameter.
    #[must_use]
    pub fn signal_sd(&self, k: usize) -> Measured {
        self.jackknife(|without| root(self.mean_signal(without)[k][k]))
    }

    /// Standard deviation of the noise of a parameter.
    #[must_use]
    pub fn noise_sd(&self, k: usize) -> Measured {
        self.jackknife(|without| root(self.mean_noise(without)[k][k]))
    }

    /// Their ratio.
    #[must_use]
    pub fn relative_sd(&self, k: usize) -> Measured {
        self.jackknife(|without| {
            root(self.mean_noise(without)[k][k] / self.mean_signal(without)[k][k])
        })
    }

    /// `tr(F^-1 V) / 6` with the covariances `F` of the signal and `V` of the noise.
    #[must_use]
    pub fn per_information(&self) -> Measured {
        self.jackknife(|without| {
            let noise = self.mean_noise(without);
            inverse(&self.mean_signal(without)).map_or(f64::NAN, |inverse| {
                let products = (0..DIM * DIM).map(|k| {
                    let (i, j) = (k / DIM, k % DIM);
                    inverse[i][j] * noise[j][i]
                });
                products.sum::<f64>() / DIM as f64
            })
        })
    }

    /// Slope of the regression of the score on its mean given the map.
    #[must_use]
    pub fn slope(&self, k: usize) -> Measured {
        self.jackknife(|without| {
            let cross = self.mean(without, |noise| noise.cross[k]);
            // The signal of the same maps, so that their scatter cancels.
            let signal = self.mean_where_scored(without, |map| map.signal[k][k]);
            cross / signal
        })
    }

    /// Largest mean of score minus reference, in standard errors.
    #[must_use]
    pub fn largest_deviation(&self) -> f64 {
        (0..DIM)
            .map(|k| {
                let mean = self.jackknife(|without| self.mean(without, |n| n.difference[k]));
                // Without noise there is nothing to judge.
                if mean.error > 0.0 { (mean.value / mean.error).abs() } else { 0.0 }
            })
            .fold(0.0, f64::max)
    }

    fn mean_signal(&self, without: Option<usize>) -> Matrix {
        element_wise(|i, j| average(self.kept(without).map(|map| map.signal[i][j])))
    }

    fn mean_noise(&self, without: Option<usize>) -> Matrix {
        element_wise(|i, j| self.mean(without, |noise| noise.covariance[i][j]))
    }

    fn mean(&self, without: Option<usize>, of: impl Fn(&Noise) -> f64) -> f64 {
        average(self.kept(without).filter_map(|map| map.noise.as_ref().map(&of)))
    }

    fn mean_where_scored(&self, without: Option<usize>, of: impl Fn(&Contribution) -> f64) -> f64 {
        average(self.kept(without).filter(|map| map.noise.is_some()).map(of))
    }

    fn kept(&self, without: Option<usize>) -> impl Iterator<Item = &Contribution> {
        self.maps.iter().enumerate().filter(move |(k, _)| Some(*k) != without).map(|(_, map)| map)
    }

    /// A statistic with its error, from its values without one map at a time.
    fn jackknife(&self, statistic: impl Fn(Option<usize>) -> f64) -> Measured {
        let count = self.maps.len() as f64;
        let values: Vec<f64> = (0..self.maps.len()).map(|k| statistic(Some(k))).collect();
        let mean = values.iter().sum::<f64>() / count;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        Measured { value: statistic(None), error: ((count - 1.0) / count * squares).sqrt() }
    }
}

impl Contribution {
    fn new(sample: &Sample) -> Self {
        let [first, second] = &sample.reference;
        let symmetric =
            |a: &[f64; DIM], b: &[f64; DIM]| element_wise(|i, j| 0.5 * (a[i] * b[j] + a[j] * b[i]));
        let noise = sample.score.map(|score| {
            let error = |reference: &[f64; DIM]| std::array::from_fn(|k| score[k] - reference[k]);
            let mean: [f64; DIM] = std::array::from_fn(|k| 0.5 * (first[k] + second[k]));
            Noise {
                covariance: symmetric(&error(first), &error(second)),
                cross: std::array::from_fn(|k| score[k] * mean[k]),
                difference: error(&mean),
            }
        });
        Self { signal: symmetric(first, second), noise }
    }
}

fn element_wise(of: impl Fn(usize, usize) -> f64) -> Matrix {
    std::array::from_fn(|i| std::array::from_fn(|j| of(i, j)))
}

fn average(values: impl Iterator<Item = f64>) -> f64 {
    let (count, sum) = values.fold((0.0, 0.0), |(count, sum), value| (count + 1.0, sum + value));
    sum / count
}

/// A variance estimate of nothing but noise may be negative: its root counts as zero.
fn root(variance: f64) -> f64 {
    variance.max(0.0).sqrt()
}

#[cfg(test)]
mod tests {
    use lognormal_sim::Randomness;

    use super::*;

    /// Standard deviations of marginal score, noise, and errors of the references.
    const SIGNAL: [f64; DIM] = [100.0, 50.0, 30.0, 5.0, 2.0, 1.0];
    const NOISE: [f64; DIM] = [200.0, 25.0, 90.0, 5.0, 1.0, 0.0];
    const REFERENCE: f64 = 0.7;

    /// Linear normal scores: marginal scores with a correlation of 0.9 between the first two.
    fn samples(count: u64) -> Vec<Sample> {
        (0..count)
            .map(|index| {
                let mut randomness = Randomness::new(5, index);
                let mut normals = || -> [f64; DIM] { std::array::from_fn(|_| randomness.normal()) };
                let mut unit = normals();
                unit[1] = 0.9 * unit[0] + (1.0_f64 - 0.81).sqrt() * unit[1];
                let marginal: [f64; DIM] = std::array::from_fn(|k| SIGNAL[k] * unit[k]);
                let mut noisy = |sd: &dyn Fn(usize) -> f64| -> [f64; DIM] {
                    let normals = normals();
                    std::array::from_fn(|k| marginal[k] + sd(k) * normals[k])
                };
                let reference = [0, 1].map(|_| noisy(&|k| REFERENCE * SIGNAL[k]));
                let score = noisy(&|k| NOISE[k]);
                Sample { score: (index % 3 > 0).then_some(score), reference }
            })
            .collect()
    }

    fn close(measured: Measured, expected: f64) {
        let Measured { value, error } = measured;
        assert!((value - expected).abs() < 4.0 * error + 1e-12, "{value} +- {error}, {expected}");
    }

    #[test]
    fn a_linear_normal_model_is_split_as_it_was_made() {
        let split = Split::new(&samples(3000)).expect("a positive signal");
        for k in 0..DIM {
            close(split.signal_sd(k), SIGNAL[k]);
            if NOISE[k] > 0.0 {
                close(split.noise_sd(k), NOISE[k]);
                close(split.relative_sd(k), NOISE[k] / SIGNAL[k]);
            }
            close(split.slope(k), 1.0);
            assert!(split.signal_sd(k).error < 0.05 * SIGNAL[k]);
        }
        assert!(split.noise()[5][5].abs() < 0.1);
        assert!(split.largest_deviation() < 4.0);
        // tr(F^-1 V): the correlation of the signal divides by 1 - 0.81 for the first two.
        let expected = (0..DIM)
            .map(|k| (NOISE[k] / SIGNAL[k]).powi(2) / if k < 2 { 0.19 } else { 1.0 })
            .sum::<f64>()
            / DIM as f64;
        close(split.per_information(), expected);
    }

    #[test]
    fn a_bias_is_seen_and_a_signal_that_is_not_positive_refused() {
        let mut biased = samples(600);
        for sample in &mut biased {
            if let Some(score) = &mut sample.score {
                score[4] *= 2.0;
                score[3] += 4.0;
            }
        }
        let split = Split::new(&biased).expect("a positive signal");
        assert!((split.slope(4).value - 1.0) / split.slope(4).error > 4.0);
        assert!(split.largest_deviation() > 6.0);
        assert!(Split::new(&samples(3)).is_none());
    }
}
