//! Inputs far from anything a flow was made for.

mod support;

use burn::tensor::Tensor;
use flows::{Base, Score};
use support::{families, flow, numbers, tensor};

fn finite(tensor: Tensor<2>) -> bool {
    numbers(tensor).iter().all(|x| x.is_finite())
}

#[test]
fn densities_and_scores_a_million_units_away() {
    for (name, config) in families(3, 2) {
        let flow = flow(&config);
        for size in [1e2, 1e4, 1e6] {
            let x = tensor(&[size, -size, size, size, 0.0, -size, 0.3, size, 0.1], 3);
            let context = tensor(&[0.1, 0.2, -0.3, 0.1, 0.0, 1.0], 2);
            for of in [Score::Target, Score::Context] {
                let (log_prob, score) = flow.log_prob_and_score(x.clone(), context.clone(), of);
                let log_prob = numbers(log_prob);
                match config.base {
                    Base::Normal => {
                        assert!(
                            log_prob.iter().all(|p| p.is_finite() && *p < -0.1 * size),
                            "{name} at {size}: {log_prob:?}"
                        );
                    }
                    // outside of its box
                    Base::Uniform => {
                        assert!(log_prob.iter().all(|p| *p == f64::NEG_INFINITY), "{name}");
                    }
                }
                assert!(finite(score), "{name} at {size}, {of:?}");
            }
        }
    }
}

#[test]
fn contexts_a_million_units_away() {
    for (name, config) in families(3, 2) {
        let flow = flow(&config);
        let x = tensor(&[0.1, -0.5, 0.3, 0.8, 0.0, -0.2], 3);
        let context = tensor(&[1e6, -1e6, 0.0, 1e6], 2);
        let (log_prob, score) = flow.log_prob_and_score(x, context.clone(), Score::Target);
        assert!(finite(log_prob) && finite(score), "{name}");
        let mut rng = rand::SeedableRng::seed_from_u64(1);
        let rng: &mut rand_chacha::ChaCha8Rng = &mut rng;
        assert!(finite(flow.sample(context, rng).unwrap()), "{name}");
    }
}

/// Rows of a batch do not touch each other: a bad one leaves the others as they are.
#[test]
fn a_bad_row_stays_alone() {
    for (name, config) in families(3, 2) {
        let flow = flow(&config);
        let context = tensor(&[0.1, 0.2, -0.3, 0.1], 2);
        let good = [0.1, -0.5, 0.3];
        for bad in [f64::NAN, 1e30] {
            let mut x = good.to_vec();
            x.extend([bad; 3]);
            let together = numbers(flow.log_prob(tensor(&x, 3), context.clone()));
            x[3..].copy_from_slice(&[0.0; 3]);
            let apart = numbers(flow.log_prob(tensor(&x, 3), context.clone()));
            assert_eq!(together[0], apart[0], "{name}");
            assert!(!(together[1].is_finite() && bad.is_nan()), "{name}: a density of NaN");
        }
    }
}

/// The density is continuous where a spline or ramp ends and a straight line goes on.
#[test]
fn the_ends_of_the_interval_join() {
    for (name, config) in families(1, 1) {
        let (flow, Some(bound)) = (flow(&config), config.bijector.bound()) else { continue };
        if config.base == Base::Uniform {
            continue;
        }
        for end in [-bound, bound] {
            let at = |x: f64| numbers(flow.log_prob(tensor(&[x], 1), tensor(&[0.4], 1)))[0];
            let (inside, outside) = (at(end * (1.0 - 1e-5)), at(end * (1.0 + 1e-5)));
            assert!((inside - outside).abs() < 2e-2, "{name} at {end}: {inside} {outside}");
        }
    }
}
