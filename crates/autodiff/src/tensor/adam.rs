//! A step of Adam, and of a mean of weights, each in one pass over the numbers.

use burn::tensor::{DType, Device, Tensor};

/// The moments of the gradient of a tensor of weights, flat: mean and mean square.
pub type AdamMoments = (Tensor<1>, Tensor<1>);

/// The numbers of one step of Adam: with the gradient `g`, multiplied by `gradient_scale`,
///
/// `m <- b_1 m + (1 - b_1) g`, `v <- b_2 v + (1 - b_2) g²`,
/// `w <- w - rate m / (correction sqrt(v) + epsilon)`.
///
/// In the processor's memory it is one loop instead of a dozen operations on tensors, in the memory
/// of weights and moments where nothing else holds them.
///
/// # References
/// D. P. Kingma and J. Ba, "Adam: a method for stochastic optimization", ICLR 2015,
/// arXiv:1412.6980, algorithm 1, with the corrections of the moments in `rate` and `correction`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamStep {
    /// Learning rate over `1 - b_1^t` at step `t = 1, 2, ...`.
    pub rate: f32,
    /// `1 / sqrt(1 - b_2^t)`.
    pub correction: f32,
    /// `b_1`, usually 0.9.
    pub decay_mean: f32,
    /// `b_2`, usually 0.999.
    pub decay_square: f32,
    /// What keeps the step finite where gradients vanish, usually 1e-8.
    pub epsilon: f32,
    /// Factor on the gradient: less than one where its norm is limited.
    pub gradient_scale: f32,
}

impl AdamStep {
    /// The usual decays, at step `t`, counted from 1.
    #[must_use]
    pub fn new(learning_rate: f64, t: usize) -> Self {
        let (mean, square) = (0.9_f64, 0.999_f64);
        let t = t as f64;
        Self {
            rate: (learning_rate / (1.0 - mean.powf(t))) as f32,
            correction: (1.0 - square.powf(t)).sqrt().recip() as f32,
            decay_mean: mean as f32,
            decay_square: square as f32,
            epsilon: 1e-8,
            gradient_scale: 1.0,
        }
    }

    /// The weights after the step, without differentiation, and the new moments; `None` for moments
    /// is zero.
    ///
    /// # Panics
    /// If the numbers of entries differ.
    #[must_use]
    pub fn apply<const D: usize>(
        &self,
        weights: Tensor<D>,
        gradient: Tensor<D>,
        moments: Option<AdamMoments>,
    ) -> (Tensor<D>, AdamMoments) {
        let (weights, gradient) = (weights.inner(), gradient.inner());
        let count = weights.dims().iter().product::<usize>();
        let (mean, square) = moments.unwrap_or_else(|| {
            let zero = Tensor::zeros([count], (&weights.device(), weights.dtype()));
            (zero.clone(), zero)
        });
        if weights.dtype() == DType::F32 && weights.device() == Device::flex() {
            return self.one_pass(weights, gradient, (mean, square));
        }
        let dims = weights.dims();
        let gradient = gradient.reshape([count]) * self.gradient_scale;
        let fresh = gradient.clone().square() * (1.0 - self.decay_square);
        let mean = mean * self.decay_mean + gradient * (1.0 - self.decay_mean);
        let square = square * self.decay_square + fresh;
        let size = square.clone().sqrt() * self.correction + self.epsilon;
        let step = (mean.clone() * self.rate / size).reshape(dims);
        (weights - step, (mean, square))
    }

    fn one_pass<const D: usize>(
        &self,
        weights: Tensor<D>,
        gradient: Tensor<D>,
        (mean, square): AdamMoments,
    ) -> (Tensor<D>, AdamMoments) {
        let gradient = gradient.into_data();
        let gradient = gradient.as_slice::<f32>().expect("single precision");
        let mut all = (weights.into_data(), mean.into_data(), square.into_data());
        let w = all.0.as_mut_slice::<f32>().expect("single precision");
        let m = all.1.as_mut_slice::<f32>().expect("single precision");
        let v = all.2.as_mut_slice::<f32>().expect("single precision");
        let counts = [w.len(), m.len(), v.len()];
        assert!(counts == [gradient.len(); 3], "{counts:?} numbers, {} gradients", gradient.len());
        let (fresh_mean, fresh_square) = (1.0 - self.decay_mean, 1.0 - self.decay_square);
        for (((w, m), v), g) in w.iter_mut().zip(m).zip(v).zip(gradient) {
            let g = g * self.gradient_scale;
            *m = *m * self.decay_mean + g * fresh_mean;
            *v = *v * self.decay_square + g * g * fresh_square;
            *w -= *m * self.rate / (v.sqrt() * self.correction + self.epsilon);
        }
        let device = Device::flex();
        let moments = (Tensor::from_data(all.1, &device), Tensor::from_data(all.2, &device));
        (Tensor::from_data(all.0, &device), moments)
    }
}

/// `mean + share (weights - mean)`, a step of an exponentially weighted mean of weights; in the
/// processor's memory one loop, in the memory of the mean where nothing else holds it.
///
/// # Panics
/// If the numbers of entries differ.
#[must_use]
pub fn mean_step<const D: usize>(mean: Tensor<1>, weights: Tensor<D>, share: f64) -> Tensor<1> {
    let weights = weights.inner();
    let is_near = |dtype, device| dtype == DType::F32 && device == Device::flex();
    if !is_near(weights.dtype(), weights.device()) || !is_near(mean.dtype(), mean.device()) {
        let weights = weights.reshape(mean.dims());
        return mean * (1.0 - share) + weights * share;
    }
    let (mut mean, weights) = (mean.into_data(), weights.into_data());
    let weights = weights.as_slice::<f32>().expect("single precision");
    let means = mean.as_mut_slice::<f32>().expect("single precision");
    assert!(means.len() == weights.len(), "{} means, {} weights", means.len(), weights.len());
    for (mean, weight) in means.iter_mut().zip(weights) {
        *mean += share as f32 * (weight - *mean);
    }
    Tensor::from_data(mean, &Device::flex())
}
