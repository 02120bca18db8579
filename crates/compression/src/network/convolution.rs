//! A convolution with what follows it.

use burn::module::{Module, Param};
use burn::tensor::module::conv2d;
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Device, Slice, Tensor, TensorData};
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

/// Pixels of an image up to which all images are convolved as one product of matrices.
const FEW_PIXELS: usize = 16;

impl Convolution {
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let bias = self.bias.as_ref().map(Param::val);
        let [_, _, height, width] = x.dims();
        let pixels = self.windows(height) * self.windows(width);
        let near = x.device().without_autodiff() == Device::flex();
        let y = if near && (self.padding == 0 || pixels <= FEW_PIXELS) {
            let y = self.as_product(x);
            match bias {
                Some(bias) => y + bias.reshape([1, -1, 1, 1]),
                None => y,
            }
        } else {
            let options = ConvOptions::new([self.stride; 2], [self.padding; 2], [1, 1], 1);
            conv2d(x, self.weight.val(), bias, options)
        };
        match &self.norm {
            Some(norm) => norm.forward(y),
            None => y,
        }
    }

    /// Number of windows along a side.
    fn windows(&self, side: usize) -> usize {
        (side - 1) / self.stride + 1
    }

    /// The convolution as a product of the weights with the pixels under the windows of all images.
    /// On the processor burn convolves image by image, which for images of a few pixels reads all
    /// weights for each of them: here they are read once.
    fn as_product(&self, x: Tensor<4>) -> Tensor<4> {
        let weight = self.weight.val();
        let [outputs, inputs, kernel, _] = weight.dims();
        let [batch, _, height, width] = x.dims();
        let (rows, columns) = (self.windows(height), self.windows(width));
        let x = x.swap_dims(0, 1);
        let pad = self.padding;
        let x = if pad > 0 { x.pad((pad, pad, pad, pad), 0.0) } else { x };
        let every = |start: usize, count: usize| {
            let end = start + (count - 1) * self.stride + 1;
            Slice::new(start as isize, Some(end as isize), self.stride as isize)
        };
        let places = (0..kernel * kernel).map(|place| {
            let (y, x_place) = (place / kernel, place % kernel);
            let under = [Slice::full(), Slice::full(), every(y, rows), every(x_place, columns)];
            x.clone().slice(under)
        });
        let windows: Tensor<5> = Tensor::stack(places.collect(), 1);
        let windows = windows.reshape([inputs * kernel * kernel, batch * rows * columns]);
        let product = weight.reshape([outputs, inputs * kernel * kernel]).matmul(windows);
        product.reshape([outputs, batch, rows, columns]).swap_dims(0, 1)
    }
}
