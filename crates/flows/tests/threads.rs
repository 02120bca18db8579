//! Several trainings at once, each in a pool of one thread of its own.

mod support;

use burn::module::Module;
use burn::optim::{AdamConfig, GradientsParams};
use flows::{Score, Weight, named_weights};
use support::{families, flow, tensor, wave};

/// The weights after a few steps that depend on `seed`.
fn trained(config: &flows::FlowConfig, seed: usize) -> Vec<Weight> {
    let mut flow = flow(config).train();
    let mut optimizer = AdamConfig::new().init();
    for step in 0..12 {
        let phase = (seed * 100 + step) as f64;
        let (x, context) =
            (tensor(&wave(96, phase, 1.5), 3), tensor(&wave(64, phase + 0.2, 1.0), 2));
        let (log_prob, score) = flow.log_prob_and_score(x, context, Score::Target);
        let loss = score.square().sum_dim(1).mean() * 1e-3 - log_prob.mean();
        let gradients = GradientsParams::from_grads(loss.backward(), &flow);
        flow = optimizer.step(1e-3, flow, gradients);
    }
    named_weights(&flow).unwrap()
}

fn alone<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap().install(work)
}

#[test]
fn trainings_side_by_side_are_the_trainings_alone() {
    for (name, config) in families(3, 2) {
        let config = &config;
        let expected: Vec<_> = (0..4).map(|seed| alone(|| trained(config, seed))).collect();
        let found: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> =
                (0..4).map(|seed| scope.spawn(move || alone(|| trained(config, seed)))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(found == expected, "{name}: results depend on what else is running");
        assert!(found[0] != found[1], "{name}: the seeds do not matter");
    }
}

#[test]
fn the_number_of_threads_does_not_matter() {
    for (name, config) in families(3, 2) {
        let one = alone(|| trained(&config, 5));
        let pool = rayon::ThreadPoolBuilder::new().num_threads(4).build().unwrap();
        assert!(pool.install(|| trained(&config, 5)) == one, "{name}");
    }
}
