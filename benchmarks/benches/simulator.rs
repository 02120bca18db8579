//! The simulator at the size of the published benchmark, 256 x 256 x 5, on one core unless said.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use lognormal_sim::{
    Cosmology, LatentDensity, LatentGradient, Randomness, Simulator, Survey, WhitenedDensity,
};

fn simulator(c: &mut Criterion) {
    let simulator = Simulator::new(Survey::preset("lsst_y10").expect("preset")).expect("survey");
    let cosmology = Cosmology::FIDUCIAL;
    let theory = simulator.theory();
    c.bench_function("spectra and shifts", |b| {
        b.iter(|| theory.predict(black_box(&cosmology)).expect("theory"));
    });
    c.bench_function("spectra and shifts with 6-parameter Jacobian", |b| {
        b.iter(|| theory.predict(&black_box(cosmology).with_derivatives()).expect("theory"));
    });
    c.bench_function("noisy map at a new cosmology, f32", |b| {
        b.iter(|| simulator.simulate::<f32>(black_box(&cosmology), 1, 0, true).expect("map"));
    });

    let map: Vec<f64> = simulator.simulate(&cosmology, 1, 0, true).expect("map");
    let latents: Vec<f64> = Randomness::new(2, 0).normals(simulator.map_len());
    let density = LatentDensity::new(&simulator, map.clone()).expect("density");
    let mut point = LatentGradient::default();
    c.bench_function("joint density, value and gradient", |b| {
        b.iter(|| {
            density.evaluate_into(black_box(&cosmology), &latents, &mut point).expect("gradient");
        });
    });
    let mut whitened = WhitenedDensity::new(&simulator, map).expect("density");
    let mut gradient = vec![0.0; latents.len()];
    c.bench_function("whitened density, value and gradient", |b| {
        b.iter(|| {
            whitened.evaluate(black_box(&cosmology), &latents, &mut gradient).expect("gradient")
        });
    });

    for threads in [1, 2] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("pool");
        c.bench_function(&format!("batch of 16 maps, {threads} thread(s)"), |b| {
            b.iter(|| {
                pool.install(|| {
                    simulator.simulate_batch::<f32>(black_box(&[cosmology; 16]), 1, 0, true)
                })
            });
        });
    }
}

criterion_group!(benches, simulator);
criterion_main!(benches);
