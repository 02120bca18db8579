//! Batch normalisation.

use burn::module::{Module, Param, RunningState};
use burn::tensor::module::{batch_norm, batch_norm_train};
use burn::tensor::{Device, Tensor};

const EPSILON: f64 = 1e-5;
const MOMENTUM: f64 = 0.1;

/// `gamma (x - mean) / sqrt(variance + 1e-5) + beta` for each channel.
///
/// In training, mean and variance are those of the batch, and the running statistics move by a
/// tenth towards them; the running variance is the unbiased one. In evaluation the running
/// statistics are used, so that a row does not depend on the others.
///
/// # References
/// S. Ioffe and C. Szegedy 2015, arXiv:1502.03167.
#[derive(Module, Debug)]
pub struct BatchNorm {
    gamma: Param<Tensor<1>>,
    beta: Param<Tensor<1>>,
    running_mean: RunningState<Tensor<1>>,
    running_variance: RunningState<Tensor<1>>,
}

impl BatchNorm {
    /// For `channels` channels, with the scale `gamma` for all of them.
    #[must_use]
    pub fn new(channels: usize, gamma: f64, device: &Device) -> Self {
        let plain = device.clone().without_autodiff();
        Self {
            gamma: Param::from_tensor(Tensor::full([channels], gamma, device)),
            beta: Param::from_tensor(Tensor::zeros([channels], device)),
            running_mean: RunningState::new(Tensor::zeros([channels], &plain)),
            running_variance: RunningState::new(Tensor::ones([channels], &plain)),
        }
    }

    /// Normalises `[batch, channel, ...]`.
    #[must_use]
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        let (gamma, beta) = (self.gamma.val(), self.beta.val());
        if !x.device().is_autodiff() {
            let (mean, variance) = self.statistics();
            return batch_norm(x, gamma, beta, mean, variance, EPSILON);
        }
        let dims = x.dims();
        let count = (dims.iter().product::<usize>() / dims[1]) as f64;
        let unbiased = count / (count - 1.0).max(1.0);
        let result = batch_norm_train(x, gamma, beta, EPSILON);
        step(&self.running_mean, result.mean.inner());
        step(&self.running_variance, result.variance.inner() * unbiased);
        result.output
    }

    /// The running mean and variance `[channel]`.
    #[must_use]
    pub fn statistics(&self) -> (Tensor<1>, Tensor<1>) {
        let plain = |tensor: Tensor<1>| {
            if tensor.is_autodiff() { tensor.inner() } else { tensor }
        };
        (plain(self.running_mean.value_sync()), plain(self.running_variance.value_sync()))
    }
}

/// Moves a running value towards that of a batch.
fn step(running: &RunningState<Tensor<1>>, batch: Tensor<1>) {
    let before = running.value_sync();
    let tracked = before.is_autodiff();
    let before = if tracked { before.inner() } else { before };
    let after = before * (1.0 - MOMENTUM) + batch * MOMENTUM;
    running.update(if tracked { after.autodiff() } else { after });
    // an update is pending until it is asked for, and a stored module holds no pending ones
    let _ = running.value_sync();
}

/// True for the path of a running statistic.
pub(super) fn is_statistic(path: &str) -> bool {
    path.ends_with("running_mean") || path.ends_with("running_variance")
}
