//! Residual networks.

use burn::module::Module;
use burn::tensor::activation::relu;
use burn::tensor::module::max_pool2d;
use burn::tensor::ops::MaxPoolOptions;
use burn::tensor::{Device, Tensor};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::band_powers::BandPowers;
use super::convolution::{Convolution, ConvolutionConfig};
use super::{Normalisation, Perceptron, PerceptronConfig};
use crate::error::{Error, Result};
use crate::shape::MapShape;

/// Settings of a residual network, `[map, bin, y, x] -> [map, output]`.
///
/// A stem (convolution, pooling), stages of basic blocks, the mean over all pixels, one linear
/// layer. Auto and cross spectra of the map may stand beside the means. A block is
/// `relu(x + f(x))`, `f` two 3 x 3 convolutions; the first block of each stage but the first halves
/// the image. Maps may have any size: windows reach over the edges, where there are zeros, and an
/// image of one pixel stays one.
///
/// *When to use.* Images that know more than their spectra do: [`ResNetConfig::narrow`] for small
/// maps and quick studies, [`ResNetConfig::resnet18`] and [`ResNetConfig::resnet34`] for many large
/// ones.
/// *When not.* Summaries, whose numbers have no neighbours: [`PerceptronConfig`]. Power on large
/// scales from a narrow network, which is slow to learn it: give it [`ResNetConfig::spectra`].
///
/// # References
/// K. He, X. Zhang, S. Ren and J. Sun 2016, CVPR, arXiv:1512.03385, section 3 and table 1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResNetConfig {
    /// What the map meets first.
    pub stem: Stem,
    /// Blocks of equal width.
    pub stages: Vec<Stage>,
    /// What follows each convolution.
    #[serde(default)]
    pub normalisation: Normalisation,
    /// Spectra of the map beside what the convolutions find; none if left out, as in the networks
    /// of the literature.
    #[serde(default)]
    pub spectra: Option<SpectraConfig>,
}

/// Spectra of the map, and what follows them and the means of the last channels together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpectraConfig {
    /// Multipole bins of equal width up to the Nyquist frequency of the pixels.
    pub bins: usize,
    /// Width of each hidden layer.
    pub hidden: Vec<usize>,
}

/// A convolution of the map, and pooling.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stem {
    /// Channels that it makes.
    pub width: usize,
    /// Side of its window in pixels, odd.
    pub kernel: usize,
    /// Pixels from one window to the next.
    pub stride: usize,
    /// Whether the largest of each 3 x 3 pixels follows, at every second pixel.
    pub pool: bool,
}

/// Blocks of equal width.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stage {
    /// Number of blocks.
    pub blocks: usize,
    /// Channels.
    pub width: usize,
}

impl ResNetConfig {
    fn standard(blocks: [usize; 4]) -> Self {
        let widths = [64, 128, 256, 512];
        let stages = blocks.into_iter().zip(widths);
        Self {
            stem: Stem { width: 64, kernel: 7, stride: 2, pool: true },
            stages: stages.map(|(blocks, width)| Stage { blocks, width }).collect(),
            normalisation: Normalisation::Batch,
            spectra: None,
        }
    }

    /// ResNet-18: stages of 2, 2, 2, 2 blocks, 64 to 512 channels.
    #[must_use]
    pub fn resnet18() -> Self {
        Self::standard([2, 2, 2, 2])
    }

    /// ResNet-34: stages of 3, 4, 6, 3 blocks, 64 to 512 channels.
    #[must_use]
    pub fn resnet34() -> Self {
        Self::standard([3, 4, 6, 3])
    }

    /// Three stages of one block each, `width` to four times `width` channels, after a 3 x 3 window
    /// at every pixel: for small maps and quick studies.
    #[must_use]
    pub fn narrow(width: usize) -> Self {
        Self {
            stem: Stem { width, kernel: 3, stride: 1, pool: false },
            stages: [1, 2, 4].map(|times| Stage { blocks: 1, width: times * width }).to_vec(),
            normalisation: Normalisation::Batch,
            spectra: None,
        }
    }

    /// Checks every field.
    ///
    /// # Errors
    /// [`Error::Setting`] with the first field out of its domain.
    pub fn validate(&self) -> Result<()> {
        let Stem { width, kernel, stride, .. } = self.stem;
        Error::count("stem.width", width)?;
        Error::count("stem.stride", stride)?;
        if kernel % 2 == 0 {
            let value = kernel.to_string();
            return Err(Error::Setting { setting: "stem.kernel", value, expected: "odd" });
        }
        Error::count("stages", self.stages.len())?;
        for stage in &self.stages {
            Error::count("stage.blocks", stage.blocks)?;
            Error::count("stage.width", stage.width)?;
        }
        let Some(spectra) = &self.spectra else { return Ok(()) };
        Error::count("spectra.bins", spectra.bins)?;
        spectra.hidden.iter().try_for_each(|width| Error::count("spectra.hidden", *width))
    }

    /// Numbers that the last, linear layer sees.
    #[must_use]
    pub fn last_width(&self) -> usize {
        let hidden = self.spectra.as_ref().and_then(|spectra| spectra.hidden.last().copied());
        let channels = self.stages.last().map_or(0, |stage| stage.width);
        hidden.unwrap_or(channels)
    }

    /// # Errors
    /// If maps of this shape have no mode in a multipole bin.
    pub(super) fn init(
        &self,
        shape: MapShape,
        outputs: usize,
        rng: &mut ChaCha8Rng,
        device: &Device,
    ) -> Result<ResNet> {
        let normalisation = self.normalisation;
        let mut convolution = |inputs, outputs, kernel, stride, gain| {
            ConvolutionConfig { inputs, outputs, kernel, stride, normalisation, gain }
                .init(&mut *rng, device)
        };
        let Stem { width, kernel, stride, pool } = self.stem;
        let stem = convolution(shape.bins, width, kernel, stride, 1.0);
        // without normalisation a new block is close to the identity
        let last = if normalisation == Normalisation::Batch { 1.0 } else { 0.1 };
        let mut blocks = Vec::new();
        let mut inputs = width;
        for (index, stage) in self.stages.iter().enumerate() {
            for block in 0..stage.blocks {
                let stride = if index > 0 && block == 0 { 2 } else { 1 };
                let changed = stride != 1 || inputs != stage.width;
                blocks.push(Block {
                    first: convolution(inputs, stage.width, 3, stride, 1.0),
                    second: convolution(stage.width, stage.width, 3, 1, last),
                    shortcut: changed.then(|| convolution(inputs, stage.width, 1, stride, 1.0)),
                });
                inputs = stage.width;
            }
        }
        let (powers, hidden) = match &self.spectra {
            Some(SpectraConfig { bins, hidden }) => {
                inputs += BandPowers::len(shape.bins, *bins);
                (Some(BandPowers::new(shape, *bins, normalisation, device)?), hidden.clone())
            }
            None => (None, Vec::new()),
        };
        let head = PerceptronConfig::new(hidden).init(inputs, outputs, rng, device);
        Ok(ResNet { stem, blocks, powers, head, pool })
    }
}

/// A residual network `[batch, bin, y, x] -> [batch, output]`.
#[derive(Module, Debug)]
pub struct ResNet {
    stem: Convolution,
    blocks: Vec<Block>,
    powers: Option<BandPowers>,
    head: Perceptron,
    #[module(skip)]
    pool: bool,
}

/// `relu(x + f(x))`.
#[derive(Module, Debug)]
struct Block {
    first: Convolution,
    second: Convolution,
    shortcut: Option<Convolution>,
}

impl Block {
    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let inner = self.second.forward(relu(self.first.forward(x.clone())));
        let outer = match &self.shortcut {
            Some(shortcut) => shortcut.forward(x),
            None => x,
        };
        relu(inner + outer)
    }
}

impl ResNet {
    pub(super) fn forward(&self, maps: Tensor<4>) -> Tensor<2> {
        let powers = self.powers.as_ref().map(|powers| powers.forward(&maps));
        let mut x = relu(self.stem.forward(maps));
        if self.pool {
            let mut options = MaxPoolOptions::new([3, 3]);
            options.stride = [2, 2];
            options.padding = [(1, 1); 2];
            x = max_pool2d(x, options);
        }
        for block in &self.blocks {
            x = block.forward(x);
        }
        let [rows, channels, height, width] = x.dims();
        let means = x.reshape([rows, channels, height * width]).mean_dim(2);
        let means = means.reshape([rows, channels]);
        self.head.forward(match powers {
            Some(powers) => Tensor::cat(vec![means, powers], 1),
            None => means,
        })
    }
}
