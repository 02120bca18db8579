//! ResNet-18 of 16 maps of 5 x 64 x 64: forward and backward, whole and layer by layer, on one core;
//! the whole on two as well.

use std::hint::black_box;
use std::time::{Duration, Instant};

use burn::module::Module;
use burn::tensor::activation::relu;
use burn::tensor::module::{conv2d, max_pool2d};
use burn::tensor::ops::{ConvOptions, MaxPoolOptions};
use burn::tensor::{Device, Tensor, TensorData};
use compression::{BatchNorm, MapShape, NetworkConfig, ResNetConfig};
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, criterion_group, criterion_main};

const BATCH: usize = 16;

fn numbers(dims: [usize; 4]) -> Tensor<4> {
    let count = dims.iter().product::<usize>();
    let values: Vec<f32> = (0..count).map(|i| (1.7 * i as f32).sin()).collect();
    Tensor::from_data(TensorData::new(values, dims), &Device::flex())
}

fn tracked(dims: [usize; 4]) -> Tensor<4> {
    numbers(dims).autodiff().require_grad()
}

/// Times a function within a pool of one thread.
fn measure<T>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: impl Into<String>,
    work: impl Fn() -> T + Sync,
) {
    measure_on(1, group, name, work);
}

/// Times a function within a pool of threads.
fn measure_on<T>(
    threads: usize,
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: impl Into<String>,
    work: impl Fn() -> T + Sync,
) {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("pool");
    group.bench_function(name.into(), |bench| {
        bench.iter_custom(|iterations| {
            pool.install(|| {
                let start = Instant::now();
                for _ in 0..iterations {
                    black_box(work());
                }
                start.elapsed()
            })
        });
    });
}

/// Burn's convolutions: inputs, outputs, side of the image, kernel, stride.
const CONVOLUTIONS: [(&str, [usize; 5]); 7] = [
    ("stem 7x7 5->64 at 64", [5, 64, 64, 7, 2]),
    ("3x3 64->64 at 16", [64, 64, 16, 3, 1]),
    ("3x3 64->128 at 16, halved", [64, 128, 16, 3, 2]),
    ("3x3 128->128 at 8", [128, 128, 8, 3, 1]),
    ("3x3 256->256 at 4", [256, 256, 4, 3, 1]),
    ("3x3 512->512 at 2", [512, 512, 2, 3, 1]),
    ("1x1 64->128 at 16, halved", [64, 128, 16, 1, 2]),
];

fn layers(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("layer");
    group.sample_size(10).warm_up_time(Duration::from_millis(300));
    group.measurement_time(Duration::from_millis(800));
    for (name, [inputs, outputs, side, kernel, stride]) in CONVOLUTIONS {
        let x = tracked([BATCH, inputs, side, side]);
        let weight = tracked([outputs, inputs, kernel, kernel]);
        let options = || ConvOptions::new([stride; 2], [kernel / 2; 2], [1, 1], 1);
        let (plain, plain_weight) = (x.clone().inner(), weight.clone().inner());
        measure(&mut group, format!("{name}, forward"), || {
            conv2d(plain.clone(), plain_weight.clone(), None, options())
        });
        measure(&mut group, format!("{name}, both"), || {
            conv2d(x.clone(), weight.clone(), None, options()).sum().backward();
        });
    }
    let norm = BatchNorm::new(64, 1.0, &Device::flex()).train();
    let x = tracked([BATCH, 64, 32, 32]);
    measure(&mut group, "batch normalisation 64 at 32, both", || {
        norm.forward(x.clone()).sum().backward();
    });
    measure(&mut group, "relu 64 at 32, both", || {
        relu(x.clone()).sum().backward();
    });
    measure(&mut group, "pool 64 at 32, both", || {
        let mut options = MaxPoolOptions::new([3, 3]);
        options.stride = [2, 2];
        options.padding = [(1, 1); 2];
        max_pool2d(x.clone(), options).sum().backward();
    });
    group.finish();
}

fn networks(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("network");
    group.sample_size(10).measurement_time(Duration::from_secs(4));
    let shape = MapShape::square(5, 64);
    let maps = numbers([BATCH, 5, 64, 64]);
    for (name, config) in
        [("resnet18", ResNetConfig::resnet18()), ("narrow 16", ResNetConfig::narrow(16))]
    {
        let network = NetworkConfig::from(config).init(shape, 6, 1, &Device::flex());
        let network = network.expect("network");
        measure(&mut group, format!("{name}, forward"), || network.forward(maps.clone()));
        let network = network.train();
        let maps = maps.clone().autodiff();
        for (threads, cores) in [(1, ""), (2, " on two cores")] {
            measure_on(threads, &mut group, format!("{name}, both{cores}"), || {
                network.forward(maps.clone()).sum().backward();
            });
        }
    }
    group.finish();
}

criterion_group!(benches, networks, layers);
criterion_main!(benches);
