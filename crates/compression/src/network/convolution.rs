//! A convolution with what follows it.

use burn::module::{Module, Param};
use burn::tensor::module::conv2d;
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Device, Tensor, TensorData};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use super::{BatchNorm, Normalisation};

/// A convolution with zeros beyond the edges, then normalisation or a bias.
#[derive(Module, Debug)]
pub struct Convolution {
    weight: Param<Tensor<4>>,
    bias: Option<Param<Tensor<1>>>,
    norm: Option<BatchNorm>,
    #[module(skip)]
    stride: usize,
    #[module(skip)]
    padding: usize,
}

/// Settings of a convolution.
pub struct ConvolutionConfig {
    pub inputs: usize,
    pub outputs: usize,
    pub kernel: usize,
    pub stride: usize,
    pub normalisation: Normalisation,
    /// Factor on the initial result.
    pub gain: f64,
}

impl ConvolutionConfig {
    /// Weights normal with the variance `2 / (outputs kernel^2)` (K. He et al. 2015,
    /// arXiv:1502.01852, backward form).
    pub fn init(&self, rng: &mut ChaCha8Rng, device: &Device) -> Convolution {
        let Self { inputs, outputs, kernel, stride, normalisation, gain } = *self;
        let normalised = normalisation == Normalisation::Batch;
        let own = if normalised { 1.0 } else { gain };
        let sd = own * (2.0 / (outputs * kernel * kernel) as f64).sqrt();
        let weight: Vec<f32> = (0..outputs * inputs * kernel * kernel)
            .map(|_| {
                let normal: f64 = StandardNormal.sample(&mut *rng);
                (sd * normal) as f32
            })
            .collect();
        let data = TensorData::new(weight, [outputs, inputs, kernel, kernel]);
        let bias = || Param::from_tensor(Tensor::zeros([outputs], device));
        Convolution {
            weight: Param::from_data(data, device),
            bias: (!normalised).then(bias),
            norm: normalised.then(|| BatchNorm::new(outputs, gain, device)),
            stride,
            padding: kernel / 2,
        }
    }
}

impl Convolution {
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let options = ConvOptions::new([self.stride; 2], [self.padding; 2], [1, 1], 1);
        let y = conv2d(x, self.weight.val(), self.bias.as_ref().map(Param::val), options);
        match &self.norm {
            Some(norm) => norm.forward(y),
            None => y,
        }
    }
}
