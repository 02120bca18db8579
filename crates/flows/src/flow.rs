//! The conditional density: layers, base, units.

use autodiff::tensor::{Tape, Var};
use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use rand::{Rng, RngExt};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use crate::autoregressive::Autoregressive;
use crate::config::{Base, FlowConfig, Structure};
use crate::coupling::Coupling;
use crate::error::{Error, Result};
use crate::permutation::Order;
use crate::standardiser::Standardiser;
use crate::transform::Transform;

/// Rows whose numbers are on the device at a time, in the functions that take numbers.
const CHUNK: usize = 16_384;
/// Rows that a processor evaluates at a time, so that they stay in its cache.
const CACHED_ROWS: usize = 256;

/// What a score is the gradient with respect to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Score {
    /// The features: `d ln q(x | c) / dx`.
    Target,
    /// The context: `d ln q(x | c) / dc`.
    Context,
}

/// A conditional density `q(x | c)` of features `x` given a context `c`.
///
/// `x` goes through the layers to `z`, whose base density and the Jacobian determinants give that
/// of `x`. Functions on tensors work in standard units (see [`Flow::encode_target`] and
/// [`Flow::encode_context`]) so that nothing is lost to single precision, but densities and scores
/// are those of the features in their own units. Functions on slices of `f64` do the conversion.
#[derive(Module, Debug)]
pub struct Flow {
    layers: Vec<Layer>,
    #[module(skip)]
    orders: Vec<Order>,
    #[module(skip)]
    config: FlowConfig,
    #[module(skip)]
    target: Standardiser,
    #[module(skip)]
    context: Standardiser,
}

#[derive(Module, Debug)]
enum Layer {
    Coupling(Coupling),
    Autoregressive(Autoregressive),
}

impl Transform for Layer {
    fn forward_and_log_det(&self, x: &Var, context: &Var) -> (Var, Var) {
        match self {
            Self::Coupling(layer) => layer.forward_and_log_det(x, context),
            Self::Autoregressive(layer) => layer.forward_and_log_det(x, context),
        }
    }

    fn inverse_and_log_det(&self, z: &Var, context: &Var) -> Result<(Var, Var)> {
        match self {
            Self::Coupling(layer) => layer.inverse_and_log_det(z, context),
            Self::Autoregressive(layer) => layer.inverse_and_log_det(z, context),
        }
    }
}

/// All layers, from data to the base.
impl Transform for Flow {
    fn forward_and_log_det(&self, x: &Var, context: &Var) -> (Var, Var) {
        let mut layers = self.layers.iter();
        let first = layers.next().expect("a flow has layers");
        let (mut x, mut log_det) = first.forward_and_log_det(x, context);
        for (layer, order) in layers.zip(&self.orders) {
            let (next, change) = layer.forward_and_log_det(&order.forward(&x), context);
            x = next;
            log_det = log_det + change;
        }
        (x, log_det)
    }

    fn inverse_and_log_det(&self, z: &Var, context: &Var) -> Result<(Var, Var)> {
        let mut layers = self.layers.iter().rev();
        let last = layers.next().expect("a flow has layers");
        let (mut z, mut log_det) = last.inverse_and_log_det(z, context)?;
        for (layer, order) in layers.zip(self.orders.iter().rev()) {
            let (next, change) = layer.inverse_and_log_det(&order.inverse(&z), context)?;
            z = next;
            log_det = log_det + change;
        }
        Ok((z, log_det))
    }
}

impl Flow {
    pub(crate) fn new(
        config: FlowConfig,
        target: Standardiser,
        context: Standardiser,
        rng: &mut ChaCha8Rng,
        device: &Device,
    ) -> Result<Self> {
        config.validate()?;
        let widths = [
            ("target standardiser", &target, config.features),
            ("context standardiser", &context, config.context),
        ];
        for (what, standardiser, expected) in widths {
            if standardiser.features() != expected {
                let found = standardiser.features().to_string();
                return Err(Error::Shape { what, expected, found });
            }
        }
        let layers = (0..config.layers)
            .map(|_| match config.structure {
                Structure::Coupling => Layer::Coupling(Coupling::new(&config, rng, device)),
                Structure::Autoregressive => {
                    Layer::Autoregressive(Autoregressive::new(&config, rng, device))
                }
            })
            .collect();
        let orders = (1..config.layers)
            .map(|layer| Order::new(config.permutation, config.features, layer, device))
            .collect();
        Ok(Self { layers, orders, config, target, context })
    }

    /// Its settings.
    #[must_use]
    pub fn config(&self) -> &FlowConfig {
        &self.config
    }

    /// Units of the features.
    #[must_use]
    pub fn target(&self) -> &Standardiser {
        &self.target
    }

    /// Units of the context.
    #[must_use]
    pub fn context(&self) -> &Standardiser {
        &self.context
    }

    /// The device that its weights are on, without differentiation.
    #[must_use]
    pub fn device(&self) -> Device {
        let devices = self.devices();
        devices.into_iter().next().expect("a flow has weights").without_autodiff()
    }

    /// Rows of features in standard units, `[rows, features]`, on the flow's device.
    ///
    /// # Errors
    /// If a row is incomplete or a number is not finite.
    pub fn encode_target(&self, rows: &[f64]) -> Result<Tensor<2>> {
        Ok(self.upload(self.target.encode("features", rows)?, self.config.features))
    }

    /// Rows of context in standard units, `[rows, context]`, on the flow's device.
    ///
    /// # Errors
    /// If a row is incomplete or a number is not finite.
    pub fn encode_context(&self, rows: &[f64]) -> Result<Tensor<2>> {
        Ok(self.upload(self.context.encode("context", rows)?, self.config.context))
    }

    /// Features `[rows, features]` in their own units.
    ///
    /// # Errors
    /// If the device fails.
    pub fn decode_target(&self, x: Tensor<2>) -> Result<Vec<f64>> {
        Ok(self.target.decode(&download(x)?))
    }

    fn upload(&self, values: Vec<f32>, columns: usize) -> Tensor<2> {
        let rows = values.len().checked_div(columns).unwrap_or(0);
        Tensor::from_data(TensorData::new(values, [rows, columns]), &self.device())
    }

    /// The context of an unconditional density for `rows` rows: `[rows, 0]`.
    #[must_use]
    pub fn no_context(&self, rows: usize) -> Tensor<2> {
        Tensor::zeros([rows, 0], &self.device())
    }

    /// `ln q(x | c)`, `[rows, 1]`, as a variable.
    #[must_use]
    pub fn log_density(&self, x: &Var, context: &Var) -> Var {
        let (z, log_det) = self.forward_and_log_det(x, context);
        let features = self.config.features as f64;
        let base = match self.config.base {
            Base::Normal => {
                let constant = 0.5 * features * (2.0 * std::f64::consts::PI).ln();
                z.square().sum(1) * -0.5 - constant as f32
            }
            Base::Uniform => {
                let bound = self.bound();
                let plain = z.detach().into_value();
                // not `> bound`: NaN is outside too
                let outside = plain.abs().lower_equal_elem(bound).all_dim(1).bool_not();
                let level = plain_zeros(&z).mask_fill(outside, f32::NEG_INFINITY);
                Var::constant(level - (features * (2.0 * bound).ln()) as f32)
            }
        };
        base + log_det - self.target.log_volume() as f32
    }

    fn bound(&self) -> f64 {
        self.config.bijector.bound().expect("a uniform base has a bijector with a bound")
    }

    /// Parts of so many rows, if they are better evaluated in parts.
    fn parts(&self, rows: usize) -> Option<Vec<(usize, usize)>> {
        let device = self.devices().into_iter().next()?;
        let apart = rows > 2 * CACHED_ROWS && !device.is_autodiff() && device == Device::flex();
        let part = |start: usize| (start, CACHED_ROWS.min(rows - start));
        apart.then(|| (0..rows).step_by(CACHED_ROWS).map(part).collect())
    }

    /// `ln q(x | c)` `[rows, 1]` of features and context in standard units.
    #[must_use]
    pub fn log_prob(&self, x: Tensor<2>, context: Tensor<2>) -> Tensor<2> {
        let whole =
            |x, context| self.log_density(&Var::constant(x), &Var::constant(context)).into_value();
        let Some(parts) = self.parts(x.dims()[0]) else { return whole(x, context) };
        let part =
            |(start, length)| whole(part_of(&x, start, length), part_of(&context, start, length));
        Tensor::cat(parts.into_iter().map(part).collect(), 0)
    }

    /// `ln q(x | c)` `[rows, 1]` and its score `[rows, features or context]`, in the units of the
    /// data, of features and context in standard units. The score is a function of the weights like
    /// any other: a loss that contains it can be differentiated.
    #[must_use]
    pub fn log_prob_and_score(
        &self,
        x: Tensor<2>,
        context: Tensor<2>,
        of: Score,
    ) -> (Tensor<2>, Tensor<2>) {
        if let Some(parts) = self.parts(x.dims()[0]) {
            let part = |(start, length)| {
                let (x, context) = (part_of(&x, start, length), part_of(&context, start, length));
                self.log_prob_and_score(x, context, of)
            };
            let (log_probs, scores) = parts.into_iter().map(part).unzip();
            return (Tensor::cat(log_probs, 0), Tensor::cat(scores, 0));
        }
        let tape = Tape::new();
        let (x, context, standardiser) = match of {
            Score::Target => (tape.input(x), Var::constant(context), &self.target),
            Score::Context => (Var::constant(x), tape.input(context), &self.context),
        };
        let log_prob = self.log_density(&x, &context);
        let input = if of == Score::Target { &x } else { &context };
        let score = tape.gradient(&log_prob, &[input]).remove(0);
        let per_unit: Vec<f32> = standardiser.scale().iter().map(|s| (1.0 / s) as f32).collect();
        let columns = per_unit.len();
        let per_unit =
            Tensor::<2>::from_data(TensorData::new(per_unit, [1, columns]), &self.device());
        (log_prob.into_value(), score * per_unit)
    }

    /// One draw per row of `context`, in standard units; `rng` decides over the draws.
    ///
    /// # Errors
    /// If a layer cannot be inverted.
    pub fn sample(&self, context: Tensor<2>, rng: &mut impl Rng) -> Result<Tensor<2>> {
        let rows = context.dims()[0];
        let count = rows * self.config.features;
        let z: Vec<f32> = match self.config.base {
            Base::Normal => (0..count).map(|_| StandardNormal.sample(&mut *rng)).collect(),
            Base::Uniform => {
                let bound = self.bound() as f32;
                (0..count).map(|_| rng.random_range(-bound..=bound)).collect()
            }
        };
        let z = self.upload(z, self.config.features);
        let whole = |z, context| {
            let (x, _) = self.inverse_and_log_det(&Var::constant(z), &Var::constant(context))?;
            Ok(x.into_value())
        };
        let Some(parts) = self.parts(z.dims()[0]) else { return whole(z, context) };
        let part =
            |(start, length)| whole(part_of(&z, start, length), part_of(&context, start, length));
        Ok(Tensor::cat(parts.into_iter().map(part).collect::<Result<_>>()?, 0))
    }

    /// `ln q(x | c)` of each row of `x` `[rows][features]`, given as many rows of context, or one
    /// row for all; both in their own units.
    ///
    /// # Errors
    /// If the rows do not fit, a number is not finite, or the device fails.
    pub fn log_prob_of(&self, x: &[f64], context: &[f64]) -> Result<Vec<f64>> {
        let count = x.len() / self.config.features;
        let x = self.encode_target(x)?;
        let context = self.context_for(context, count)?;
        let mut found = Vec::with_capacity(count);
        for start in (0..count).step_by(CHUNK) {
            let part = |tensor| part_of(tensor, start, CHUNK.min(count - start));
            let values = download(self.log_prob(part(&x), part(&context)))?;
            found.extend(values.into_iter().map(f64::from));
        }
        Ok(found)
    }

    /// `count` draws `[count][features]` given one row of context, both in their own units.
    ///
    /// # Errors
    /// If the context does not fit or is not finite, a layer cannot be inverted, or the device
    /// fails.
    pub fn samples(&self, context: &[f64], count: usize, rng: &mut impl Rng) -> Result<Vec<f64>> {
        let mut found = Vec::with_capacity(count * self.config.features);
        for start in (0..count).step_by(CHUNK) {
            let context = self.context_for(context, CHUNK.min(count - start))?;
            found.extend(self.decode_target(self.sample(context, rng)?)?);
        }
        Ok(found)
    }

    /// Context in standard units for `rows` rows, from as many or from one.
    fn context_for(&self, context: &[f64], rows: usize) -> Result<Tensor<2>> {
        if self.config.context == 0 {
            return Ok(self.no_context(rows));
        }
        let encoded = self.encode_context(context)?;
        match encoded.dims()[0] {
            found if found == rows => Ok(encoded),
            1 => Ok(encoded.repeat_dim(0, rows)),
            found => Err(Error::Shape {
                what: "context",
                expected: rows,
                found: format!("{found} rows"),
            }),
        }
    }
}

/// `length` rows from `start` on.
fn part_of(tensor: &Tensor<2>, start: usize, length: usize) -> Tensor<2> {
    match tensor.dims() {
        [_, 0] => Tensor::zeros([length, 0], (&tensor.device(), tensor.dtype())),
        _ => tensor.clone().narrow(0, start, length),
    }
}

fn plain_zeros(z: &Var) -> Tensor<2> {
    z.detach().into_value().sum_dim(1).zeros_like()
}

fn download(tensor: Tensor<2>) -> Result<Vec<f32>> {
    tensor.try_into_vec_as::<f32>().map_err(|error| Error::Device { reason: format!("{error:?}") })
}
