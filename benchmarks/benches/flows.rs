//! Conditional flows of six features given six: steps of training as the library takes them,
//! sampling, densities; on one core.

use std::hint::black_box;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use burn::tensor::{Device, Tensor, TensorData};
use criterion::{Criterion, criterion_group, criterion_main};
use flows::training::{Objective, TrainingSettings, train};
use flows::{Activation, Flow, FlowConfig, Score, Standardiser, Tape, Var};
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

/// `-mean ln q` over one batch, with the miss of the score added where there is a target for it.
struct Batch {
    x: Tensor<2>,
    context: Tensor<2>,
    score: Option<Tensor<2>>,
}

impl Objective for Batch {
    type Model = Flow;

    fn rows(&self) -> usize {
        BATCH
    }

    fn contains_derivatives(&self) -> bool {
        self.score.is_some()
    }

    fn loss(
        &self,
        flow: &Flow,
        _: &[usize],
        tape: &Tape,
        _: &mut ChaCha8Rng,
    ) -> flows::Result<Var> {
        let (x, context) = (self.x.clone(), self.context.clone());
        let Some(target) = &self.score else {
            return Ok(-flow.log_density(&tape.input(x), &tape.input(context)).mean());
        };
        let (log_prob, score) = flow.log_prob_and_score(x, context, Score::Target);
        let miss = (score - target.clone()).square().sum_dim(1).mean();
        Ok(Var::constant((miss * SCORE_WEIGHT - log_prob.mean()).reshape([1, 1])))
    }
}

/// Time of some work within a pool of one thread.
fn on_one_thread(work: impl FnOnce() + Send) -> Duration {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("pool");
    pool.install(|| {
        let start = Instant::now();
        work();
        start.elapsed()
    })
}

fn training(c: &mut Criterion) {
    for (name, config) in families() {
        for with_score in [false, true] {
            let batch = Batch {
                x: numbers(BATCH, FEATURES, 0.0),
                context: numbers(BATCH, CONTEXT, 1.0),
                score: with_score.then(|| numbers(BATCH, FEATURES, 2.0)),
            };
            let flow = init(&config);
            let title = if with_score { "step with score" } else { "step" };
            c.bench_function(&format!("{name}, {title}"), |b| {
                b.iter_custom(|steps| {
                    let settings = TrainingSettings {
                        batch: BATCH,
                        validation: 0.0,
                        evaluate_every: Some(usize::MAX),
                        max_steps: steps as usize,
                        learning_rate: 1e-4,
                        ..TrainingSettings::default()
                    };
                    let go = &mut |_: &_| ControlFlow::Continue(());
                    on_one_thread(|| {
                        train(&batch, flow.clone(), &settings, None, go).expect("training");
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
                on_one_thread(|| {
                    for _ in 0..iterations {
                        black_box(flow.sample(context.clone(), &mut rng).expect("draws"));
                    }
                })
            });
        });
        group.bench_function("10 000 densities", |b| {
            b.iter_custom(|iterations| {
                on_one_thread(|| {
                    for _ in 0..iterations {
                        black_box(flow.log_prob(x.clone(), context.clone()));
                    }
                })
            });
        });
        group.finish();
    }
}

criterion_group!(benches, training, evaluation);
criterion_main!(benches);
