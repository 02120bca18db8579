//! A binary classifier: two hidden ReLU layers, one logistic output, trained with Adam.
//!
//! Follows scikit-learn's `MLPClassifier` with its default settings, so that accuracies can be
//! compared with published ones: Glorot uniform starting weights and biases, minibatches of 200 in
//! a new order every epoch, L2 penalty on the weights divided by the size of the minibatch, and a
//! stop when the mean loss of an epoch has not improved by `tolerance` for more than ten epochs.
//!
//! # References
//! D. P. Kingma and J. Ba, "Adam: a method for stochastic optimization", ICLR 2015,
//! arXiv:1412.6980. X. Glorot and Y. Bengio, "Understanding the difficulty of training deep
//! feedforward neural networks", AISTATS 2010.

use rand::{Rng, RngExt};

use crate::float::Float;
use crate::matrix_product::{LANES, add_product, add_transposed_product};

const BATCH: usize = 200;
const L2_PENALTY: f64 = 1e-4;
const LEARNING_RATE: f64 = 1e-3;
const BETA_1: f64 = 0.9;
const BETA_2: f64 = 0.999;
const EPSILON: f64 = 1e-8;
const PATIENCE: usize = 10;

/// Sizes of the network. Hidden layers are padded to `width` units; the additional ones have zero
/// weights, hence zero activations and gradients, and stay so.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub inputs: usize,
    pub hidden: usize,
    width: usize,
}

/// One contiguous vector of weights and biases, seen as its parts.
struct Parts<S> {
    /// `[input, unit]`
    weights_1: S,
    bias_1: S,
    /// `[unit of layer 1, unit of layer 2]`
    weights_2: S,
    bias_2: S,
    /// `[unit of layer 2]`
    weights_3: S,
    bias_3: S,
}

impl Shape {
    pub fn new(inputs: usize, hidden: usize) -> Self {
        Self { inputs, hidden, width: hidden.next_multiple_of(LANES) }
    }

    fn part_lengths(self) -> [usize; 6] {
        let w = self.width;
        [self.inputs * w, w, self.hidden * w, w, w, 1]
    }

    fn parameters(self) -> usize {
        self.part_lengths().iter().sum()
    }

    fn parts<T>(self, values: &[T]) -> Parts<&[T]> {
        let mut rest = values;
        let [weights_1, bias_1, weights_2, bias_2, weights_3, bias_3] =
            self.part_lengths().map(|n| rest.split_off(..n).unwrap_or_default());
        Parts { weights_1, bias_1, weights_2, bias_2, weights_3, bias_3 }
    }

    fn parts_mut<T>(self, values: &mut [T]) -> Parts<&mut [T]> {
        let mut rest = values;
        let [weights_1, bias_1, weights_2, bias_2, weights_3, bias_3] =
            self.part_lengths().map(|n| rest.split_off_mut(..n).unwrap_or_default());
        Parts { weights_1, bias_1, weights_2, bias_2, weights_3, bias_3 }
    }
}

/// The classifier.
#[derive(Clone, Debug)]
pub(crate) struct Classifier<T> {
    shape: Shape,
    values: Vec<T>,
}

/// Activations and errors of one minibatch.
struct Workspace<T> {
    rows: Vec<T>,
    labels: Vec<T>,
    active_1: Vec<T>,
    active_2: Vec<T>,
    logits: Vec<T>,
    error_1: Vec<T>,
    error_2: Vec<T>,
    transposed: Vec<T>,
}

impl<T: Float> Workspace<T> {
    fn new() -> Self {
        Self {
            rows: Vec::new(),
            labels: Vec::new(),
            active_1: Vec::new(),
            active_2: Vec::new(),
            logits: Vec::new(),
            error_1: Vec::new(),
            error_2: Vec::new(),
            transposed: Vec::new(),
        }
    }
}

impl<T: Float> Classifier<T> {
    /// Weights and biases filled by `draw(bound)`, in the order: weights of a layer row by row,
    /// then its biases; `bound` = sqrt(6 / (inputs + outputs)) of the layer.
    pub fn new(shape: Shape, mut draw: impl FnMut(f64) -> f64) -> Self {
        let Shape { inputs, hidden, width } = shape;
        let mut values = vec![T::default(); shape.parameters()];
        let parts = shape.parts_mut(&mut values);
        let layers = [
            (parts.weights_1, parts.bias_1, inputs, hidden, width),
            (parts.weights_2, parts.bias_2, hidden, hidden, width),
            (parts.weights_3, parts.bias_3, hidden, 1, 1),
        ];
        for (weights, bias, fan_in, fan_out, stride) in layers {
            let bound = (6.0 / (fan_in + fan_out) as f64).sqrt();
            for row in weights.chunks_exact_mut(stride).take(fan_in) {
                row[..fan_out].fill_with(|| T::from_f64(draw(bound)));
            }
            bias[..fan_out].fill_with(|| T::from_f64(draw(bound)));
        }
        Self { shape, values }
    }

    /// Glorot's uniform distribution.
    pub fn random(shape: Shape, rng: &mut impl Rng) -> Self {
        Self::new(shape, |bound| rng.random_range(-bound..bound))
    }

    /// True for each of `rows` `[row, input]` that is assigned to class 1.
    pub fn predict(&self, rows: &[T]) -> Vec<bool> {
        let mut work = Workspace::new();
        let mut classes = Vec::with_capacity(rows.len() / self.shape.inputs);
        for batch in rows.chunks(BATCH * self.shape.inputs) {
            work.rows.clear();
            work.rows.extend_from_slice(batch);
            self.forward(&mut work);
            classes.extend(work.logits.iter().map(|z| *z > T::default()));
        }
        classes
    }

    /// Fills the activations and the logit of every row.
    fn forward(&self, work: &mut Workspace<T>) {
        let Shape { inputs, hidden, width } = self.shape;
        let p = self.shape.parts(&self.values);
        layer(&work.rows, inputs, inputs, p.weights_1, p.bias_1, &mut work.active_1);
        layer(&work.active_1, width, hidden, p.weights_2, p.bias_2, &mut work.active_2);
        work.logits.clear();
        work.logits.extend(
            work.active_2.chunks_exact(width).map(|row| p.bias_3[0] + dot(row, p.weights_3)),
        );
    }

    /// The penalised mean logistic loss of the minibatch in `work`, and its gradient.
    fn loss_and_gradient(&self, work: &mut Workspace<T>, gradient: &mut [T]) -> f64 {
        let Shape { inputs, hidden, width } = self.shape;
        let count = work.rows.len() / inputs;
        let scale = (count as f64).recip();
        self.forward(work);
        let p = self.shape.parts(&self.values);
        let weights = [p.weights_1, p.weights_2, p.weights_3];
        let squares: f64 = weights.iter().map(|w| dot(w, w).to_f64()).sum();
        let mut loss = 0.5 * L2_PENALTY * squares;

        // Each part of the gradient starts with the derivative of the penalty.
        gradient.fill(T::default());
        let g = self.shape.parts_mut(gradient);
        let penalty = T::from_f64(L2_PENALTY * scale);
        let weight_gradients = [&mut *g.weights_1, &mut *g.weights_2, &mut *g.weights_3];
        for (g, w) in weight_gradients.into_iter().zip(weights) {
            for (g, w) in g.iter_mut().zip(w) {
                *g = penalty * *w;
            }
        }

        // Output layer: error = (sigmoid(logit) - label) / count.
        work.error_2.clear();
        let rows = work.active_2.chunks_exact(width);
        for ((logit, label), active) in work.logits.iter().zip(&work.labels).zip(rows) {
            let (z, y) = (logit.to_f64(), label.to_f64());
            let decay = (-z.abs()).exp();
            loss += z.max(0.0) + decay.ln_1p() - y * z;
            let sigmoid = if z >= 0.0 { 1.0 } else { decay } / (1.0 + decay);
            let error = T::from_f64((sigmoid - y) * scale);
            g.bias_3[0] += error;
            for (g, a) in g.weights_3.iter_mut().zip(active) {
                *g = error.multiply_add(*a, *g);
            }
            work.error_2.extend(active.iter().zip(p.weights_3).map(|(a, w)| error * *w * step(*a)));
        }

        // Second hidden layer.
        add_transposed_product(&work.active_1, width, &work.error_2, g.weights_2, width);
        add_rows(&work.error_2, g.bias_2);

        // First hidden layer.
        transpose(p.weights_2, hidden, width, &mut work.transposed);
        work.error_1.clear();
        work.error_1.resize(count * width, T::default());
        add_product(&work.error_2, width, hidden, &work.transposed, &mut work.error_1, width);
        for (e, a) in work.error_1.iter_mut().zip(&work.active_1) {
            *e = *e * step(*a);
        }
        add_transposed_product(&work.rows, inputs, &work.error_1, g.weights_1, width);
        add_rows(&work.error_1, g.bias_1);
        loss * scale
    }

    /// Trains on `rows` `[row, input]` with `labels` 0 or 1, `shuffle` giving the order of the
    /// rows in each epoch. Returns the loss of every epoch; the last is not finite if the training
    /// diverged.
    pub fn train(
        &mut self,
        rows: &[T],
        labels: &[T],
        tolerance: f64,
        max_epochs: usize,
        mut shuffle: impl FnMut(&mut [usize]),
    ) -> Vec<f64> {
        let inputs = self.shape.inputs;
        let mut order: Vec<usize> = (0..labels.len()).collect();
        let mut work = Workspace::new();
        let mut gradient = vec![T::default(); self.values.len()];
        let mut adam = Adam::new(self.values.len());
        let mut losses = Vec::new();
        let (mut best, mut epochs_without_progress) = (f64::INFINITY, 0);
        while losses.len() < max_epochs && epochs_without_progress <= PATIENCE {
            shuffle(&mut order);
            let mut total = 0.0;
            for batch in order.chunks(BATCH) {
                work.rows.clear();
                work.labels.clear();
                for &i in batch {
                    work.rows.extend_from_slice(&rows[i * inputs..(i + 1) * inputs]);
                    work.labels.push(labels[i]);
                }
                total += self.loss_and_gradient(&mut work, &mut gradient) * batch.len() as f64;
                adam.step(&mut self.values, &gradient);
            }
            let loss = total / labels.len() as f64;
            losses.push(loss);
            if !loss.is_finite() {
                break;
            }
            epochs_without_progress =
                if loss > best - tolerance { epochs_without_progress + 1 } else { 0 };
            best = best.min(loss);
        }
        losses
    }
}

/// Adam's running moments of the gradient.
struct Adam<T> {
    steps: i32,
    first: Vec<T>,
    second: Vec<T>,
}

impl<T: Float> Adam<T> {
    fn new(parameters: usize) -> Self {
        Self {
            steps: 0,
            first: vec![T::default(); parameters],
            second: vec![T::default(); parameters],
        }
    }

    fn step(&mut self, values: &mut [T], gradient: &[T]) {
        self.steps = self.steps.saturating_add(1);
        let rate = LEARNING_RATE * (1.0 - BETA_2.powi(self.steps)).sqrt()
            / (1.0 - BETA_1.powi(self.steps));
        let [rate, beta_1, rest_1, beta_2, rest_2, epsilon] =
            [rate, BETA_1, 1.0 - BETA_1, BETA_2, 1.0 - BETA_2, EPSILON].map(T::from_f64);
        let moments = self.first.iter_mut().zip(&mut self.second);
        for ((value, g), (m, v)) in values.iter_mut().zip(gradient).zip(moments) {
            *m = beta_1 * *m + rest_1 * *g;
            *v = beta_2 * *v + rest_2 * *g * *g;
            *value = *value - rate * *m / (v.sqrt() + epsilon);
        }
    }
}

/// max(0, input weights + bias) of every row of `input`, `columns` long, starting every `stride`.
fn layer<T: Float>(
    input: &[T],
    stride: usize,
    columns: usize,
    weights: &[T],
    bias: &[T],
    output: &mut Vec<T>,
) {
    output.clear();
    for _ in 0..input.len() / stride {
        output.extend_from_slice(bias);
    }
    add_product(input, stride, columns, weights, output, bias.len());
    for a in output {
        *a = a.max(T::default());
    }
}

/// Derivative of the activation: one where the unit is active, else zero.
#[inline]
fn step<T: Float>(active: T) -> T {
    T::from_f64(if active > T::default() { 1.0 } else { 0.0 })
}

/// Stores the transpose of the first `size` columns of `matrix` `[size, width]`, padded alike.
fn transpose<T: Float>(matrix: &[T], size: usize, width: usize, output: &mut Vec<T>) {
    output.clear();
    output.resize(size * width, T::default());
    for (i, row) in matrix.chunks_exact(width).enumerate() {
        for (j, value) in row[..size].iter().enumerate() {
            output[j * width + i] = *value;
        }
    }
}

/// Adds all rows of `matrix` to `sum`.
fn add_rows<T: Float>(matrix: &[T], sum: &mut [T]) {
    for row in matrix.chunks_exact(sum.len()) {
        for (s, m) in sum.iter_mut().zip(row) {
            *s += *m;
        }
    }
}

fn dot<T: Float>(x: &[T], y: &[T]) -> T {
    let mut sums = [T::default(); LANES];
    let mut tail = T::default();
    let (x, y) = (x.chunks_exact(LANES), y.chunks_exact(LANES));
    for (x, y) in x.remainder().iter().zip(y.remainder()) {
        tail = x.multiply_add(*y, tail);
    }
    for (x, y) in x.zip(y) {
        for ((s, x), y) in sums.iter_mut().zip(x).zip(y) {
            *s = x.multiply_add(*y, *s);
        }
    }
    sums.iter().fold(tail, |total, s| total + *s)
}

#[cfg(test)]
mod tests;
