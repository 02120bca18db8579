//! Conditional flows of six features given six: training steps, sampling, densities; on one core.

use std::hint::black_box;
use std::time::{Duration, Instant};

use burn::module::Module;
use burn::optim::{AdamConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Tensor, TensorData};
use criterion::{Criterion, criterion_group, criterion_main};
use flows::{Activation, Flow, FlowConfig, Score, Standardiser};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

const FEATURES: usize = 6;
const CONTEXT: usize = 6;
const BATCH: usize = 128;
const ROWS: usize = 10_000;
const SCORE_WEIGHT: f64 = 1e-3;

/// Each family with four layers of two hidden layers of 128, silu.
fn families() -> [(&'static str, FlowConfig); 4] {
    let same = |config: FlowConfig| FlowConfig {
        layers: 4,
        hidden: vec![128, 128],
        activation: Activation::Silu,
        ..config
    };
    [
        ("affine", same(FlowConfig::affine(FEATURES, CONTEXT))),
        ("spline", same(FlowConfig::spline(FEATURES, CONTEXT))),
        ("maf", same(FlowConfig::maf(FEATURES, CONTEXT))),
        ("smooth", same(FlowConfig::smooth(FEATURES, CONTEXT))),
    ]
}

fn init(config: &FlowConfig) -> Flow {
    let unit = Standardiser::identity;
    config.init(unit(FEATURES), unit(CONTEXT), 1, &Device::flex()).expect("flow")
}

fn numbers(rows: usize, columns: usize, phase: f32) -> Tensor<2> {
    let values: Vec<f32> = (0..rows * columns).map(|i| (1.7 * i as f32 + phase).sin()).collect();
    Tensor::from_data(TensorData::new(values, [rows, columns]), &Device::flex())
}

/// One step of Adam on `-mean ln q`, with the miss of the score added if there is a target for it.
fn step(flow: Flow, optimizer: &mut ModuleOptimizer, batch: &Batch, with_score: bool) -> Flow {
    let (x, context) = (batch.x.clone(), batch.context.clone());
    let loss = if with_score {
        let (log_prob, score) = flow.log_prob_and_score(x, context, Score::Target);
        let miss = (score - batch.score.clone()).square().sum_dim(1).mean();
        miss * SCORE_WEIGHT - log_prob.mean()
    } else {
        flow.log_prob(x, context).mean().neg()
    };
    let gradients = GradientsParams::from_grads(loss.backward(), &flow);
    optimizer.step(1e-4, flow, gradients)
}

struct Batch {
    x: Tensor<2>,
    context: Tensor<2>,
    score: Tensor<2>,
}

/// Mean time of a call within a pool of one thread.
fn time(iterations: u64, mut work: impl FnMut() + Send) -> Duration {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("pool");
    pool.install(|| {
        let start = Instant::now();
        for _ in 0..iterations {
            work();
        }
        start.elapsed()
    })
}

fn training(c: &mut Criterion) {
    let batch = Batch {
        x: numbers(BATCH, FEATURES, 0.0),
        context: numbers(BATCH, CONTEXT, 1.0),
        score: numbers(BATCH, FEATURES, 2.0),
    };
    for (name, config) in families() {
        for with_score in [false, true] {
            let mut optimizer = AdamConfig::new().init();
            let mut flow = Some(init(&config).train());
            let title = if with_score { "step with score" } else { "step" };
            c.bench_function(&format!("{name}, {title}"), |b| {
                b.iter_custom(|iterations| {
                    time(iterations, || {
                        let before = flow.take().expect("a flow");
                        flow = Some(step(before, &mut optimizer, &batch, with_score));
                    })
                });
            });
        }
    }
}

fn evaluation(c: &mut Criterion) {
    let (x, context) = (numbers(ROWS, FEATURES, 0.0), numbers(ROWS, CONTEXT, 1.0));
    for (name, config) in families() {
        let flow = init(&config);
        let mut group = c.benchmark_group(name);
        group.sample_size(10);
        group.bench_function("10 000 draws", |b| {
            let mut rng = ChaCha8Rng::seed_from_u64(1);
            b.iter_custom(|iterations| {
                time(iterations, || {
                    black_box(flow.sample(context.clone(), &mut rng).expect("draws"));
                })
            });
        });
        group.bench_function("10 000 densities", |b| {
            b.iter_custom(|iterations| {
                time(iterations, || {
                    black_box(flow.log_prob(x.clone(), context.clone()));
                })
            });
        });
        group.finish();
    }
}

criterion_group!(benches, training, evaluation);
criterion_main!(benches);
