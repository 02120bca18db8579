//! What every family can learn in a few hundred steps.

mod support;

use burn::module::Module;
use burn::optim::{AdamConfig, GradientsParams};
use burn::tensor::{Device, Tensor, TensorData};
use flows::{Activation, Bijector, Flow, FlowConfig, Score, Standardiser};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use support::numbers;

const SD: f64 = 0.5;

/// Two equal normals in the plane at `± (1, 0.7) (1 + c / 2)`, given c.
fn centre(context: f64) -> [f64; 2] {
    [1.0 + 0.5 * context, 0.7 * (1.0 + 0.5 * context)]
}

/// `ln p(x | c)` and its gradient.
fn truth(x: &[f64], context: f64) -> (f64, [f64; 2]) {
    let centre = centre(context);
    let exponents = [1.0, -1.0].map(|side| {
        let square: f64 = (0..2).map(|i| (x[i] - side * centre[i]).powi(2)).sum();
        -0.5 * square / (SD * SD)
    });
    let largest = exponents[0].max(exponents[1]);
    let parts = exponents.map(|e| (e - largest).exp());
    let sum = parts[0] + parts[1];
    let log_prob = largest + sum.ln() - (4.0 * std::f64::consts::PI * SD * SD).ln();
    let side = (parts[0] - parts[1]) / sum;
    (log_prob, [0, 1].map(|i| (side * centre[i] - x[i]) / (SD * SD)))
}

struct Batch {
    x: Tensor<2>,
    context: Tensor<2>,
    score: Tensor<2>,
    log_prob: f64,
}

fn batch(rows: usize, rng: &mut ChaCha8Rng) -> Batch {
    let (mut x, mut contexts, mut scores, mut log_prob) = (vec![], vec![], vec![], 0.0);
    for _ in 0..rows {
        let context: f64 = rng.random_range(-1.0..1.0);
        let side = if rng.random_bool(0.5) { 1.0 } else { -1.0 };
        let row = centre(context).map(|centre| {
            let normal: f64 = StandardNormal.sample(&mut *rng);
            side * centre + SD * normal
        });
        let (value, score) = truth(&row, context);
        x.extend(row);
        scores.extend(score);
        contexts.push(context);
        log_prob += value / rows as f64;
    }
    let tensor = |values: Vec<f64>, columns: usize| {
        let values: Vec<f32> = values.into_iter().map(|v| v as f32).collect();
        Tensor::from_data(TensorData::new(values, [rows, columns]), &Device::flex())
    };
    Batch { x: tensor(x, 2), context: tensor(contexts, 1), score: tensor(scores, 2), log_prob }
}

fn small(config: FlowConfig, layers: usize) -> FlowConfig {
    FlowConfig { layers, hidden: vec![32, 32], activation: Activation::Silu, ..config }
}

fn train(config: &FlowConfig, steps: usize, loss: impl Fn(&Flow, Batch) -> Tensor<1>) -> Flow {
    let (target, context) = (Standardiser::identity(2), Standardiser::identity(1));
    let mut flow = config.init(target, context, 3, &Device::flex()).unwrap().train();
    let mut optimizer = AdamConfig::new().init();
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    for step in 0..steps {
        let loss = loss(&flow, batch(256, &mut rng));
        let gradients = GradientsParams::from_grads(loss.backward(), &flow);
        let rate = 1e-2 * (1.0 - step as f64 / steps as f64) + 1e-4;
        flow = optimizer.step(rate, flow, gradients);
    }
    flow.valid()
}

/// Kullback-Leibler divergence from the truth, in nat.
fn divergence(flow: &Flow) -> f64 {
    let rows = 8192;
    let Batch { x, context, log_prob, .. } = batch(rows, &mut ChaCha8Rng::seed_from_u64(99));
    log_prob - numbers(flow.log_prob(x, context)).iter().sum::<f64>() / rows as f64
}

#[test]
fn two_modes_by_every_family() {
    let smooth = Bijector::Smooth { components: 8, bound: 8.0 };
    let families = [
        ("affine", small(FlowConfig::affine(2, 1), 6)),
        ("spline", small(FlowConfig::spline(2, 1), 3)),
        ("maf", small(FlowConfig::maf(2, 1), 5)),
        ("autoregressive spline", small(FlowConfig::autoregressive_spline(2, 1), 2)),
        ("smooth", small(FlowConfig { bijector: smooth, ..FlowConfig::smooth(2, 1) }, 3)),
    ];
    for (name, config) in families {
        let flow =
            train(&config, 400, |flow, batch| flow.log_prob(batch.x, batch.context).mean().neg());
        let divergence = divergence(&flow);
        assert!(divergence < 0.05, "{name}: {divergence} nat from the truth");
        assert!(divergence > -0.02, "{name}: {divergence} nat, better than the truth");
    }
}

#[test]
fn smooth_flows_learn_from_scores_alone() {
    let smooth = Bijector::Smooth { components: 8, bound: 8.0 };
    let config = small(FlowConfig { bijector: smooth, ..FlowConfig::smooth(2, 1) }, 3);
    let miss = |flow: &Flow, batch: Batch| {
        let (_, score) = flow.log_prob_and_score(batch.x, batch.context, Score::Target);
        (score - batch.score).square().sum_dim(1).mean()
    };
    let flow = train(&config, 700, miss);
    let batch = batch(4096, &mut ChaCha8Rng::seed_from_u64(98));
    let size = batch.score.clone().square().sum_dim(1).mean().into_scalar::<f32>();
    let left = miss(&flow, batch).into_scalar::<f32>();
    assert!(left < 0.06 * size, "scores of mean square {size} are missed by {left}");
    let divergence = divergence(&flow);
    assert!(divergence < 0.05, "{divergence} nat from the truth");
}
