//! Criterion benchmarks live in `benches/`; measured results in `results/`.
