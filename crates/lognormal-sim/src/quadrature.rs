//! Fixed quadrature and interpolation weights: everything that does not depend on cosmology.

use std::f64::consts::PI;

/// Nodes (ascending) and weights of the `count`-point Gauss-Legendre rule on `[low, high]`.
pub(crate) fn gauss_legendre(count: usize, low: f64, high: f64) -> Vec<(f64, f64)> {
    let n = count as f64;
    (0..count)
        .map(|i| {
            let mut x = -(PI * (i as f64 + 0.75) / (n + 0.5)).cos();
            let mut slope = 1.0;
            for _ in 0..100 {
                let (mut previous, mut value) = (1.0, x);
                for k in 2..=count {
                    let k = k as f64;
                    let next = ((2.0 * k - 1.0) * x * value - (k - 1.0) * previous) / k;
                    (previous, value) = (value, next);
                }
                slope = n * (x * value - previous) / (x * x - 1.0);
                let step = value / slope;
                x -= step;
                if step.abs() < 1e-15 {
                    break;
                }
            }
            let weight = 2.0 / ((1.0 - x * x) * slope * slope);
            (low + 0.5 * (high - low) * (x + 1.0), 0.5 * (high - low) * weight)
        })
        .collect()
}

/// Gauss-Legendre nodes and weights after a change of variable that spreads the nodes more evenly
/// over `[low, high]`: fewer are wasted at the ends when the integrand is only smooth near the real
/// axis (the sausage map of order nine of Hale & Trefethen 2008).
pub(crate) fn even_gauss_legendre(count: usize, low: f64, high: f64) -> Vec<(f64, f64)> {
    /// Taylor coefficients of the arcsine at odd powers, times 40320.
    const COEFFICIENTS: [f64; 5] = [40320.0, 6720.0, 3024.0, 1800.0, 1225.0];
    let total: f64 = COEFFICIENTS.iter().sum();
    gauss_legendre(count, -1.0, 1.0)
        .into_iter()
        .map(|(x, weight)| {
            let (mut position, mut slope, mut power) = (0.0, 0.0, 1.0);
            for (order, coefficient) in COEFFICIENTS.iter().enumerate() {
                position += coefficient * power * x;
                slope += coefficient * power * (2 * order + 1) as f64;
                power *= x * x;
            }
            let half = 0.5 * (high - low);
            (low + half * (1.0 + position / total), half * weight * slope / total)
        })
        .collect()
}

/// Weights of Lagrange interpolation from `nodes` to `x`.
pub(crate) fn lagrange(nodes: &[f64], x: f64) -> Vec<f64> {
    nodes
        .iter()
        .enumerate()
        .map(|(i, &node)| {
            nodes
                .iter()
                .enumerate()
                .filter(|&(j, _)| j != i)
                .map(|(_, &other)| (x - other) / (node - other))
                .product()
        })
        .collect()
}

/// First of the `width` nodes nearest around `x` among ascending `nodes`.
pub(crate) fn stencil_start(nodes: &[f64], x: f64, width: usize) -> usize {
    let above = nodes.partition_point(|&node| node <= x);
    above.saturating_sub(width / 2).min(nodes.len() - width)
}

/// Weights w_j with sum_j w_j f(x_j) = integral of f(x) g(x) dx over the range of the ascending
/// nodes, exact where f is piecewise cubic (product integration): all that oscillates goes into g.
pub(crate) fn product_weights(nodes: &[f64], g: impl Fn(f64) -> f64) -> Vec<f64> {
    const WIDTH: usize = 4;
    let rule = gauss_legendre(48, 0.0, 1.0);
    let mut weights = vec![0.0; nodes.len()];
    for pair in nodes.windows(2) {
        let start = stencil_start(nodes, 0.5 * (pair[0] + pair[1]), WIDTH);
        let stencil = &nodes[start..start + WIDTH];
        let width = pair[1] - pair[0];
        for &(position, weight) in &rule {
            let x = pair[0] + width * position;
            let factor = width * weight * g(x);
            for (offset, cardinal) in lagrange(stencil, x).into_iter().enumerate() {
                weights[start + offset] += factor * cardinal;
            }
        }
    }
    weights
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gauss_legendre_is_exact_for_polynomials_of_degree_2n_minus_1() {
        for count in 1..40 {
            let degree = 2 * count - 1;
            let found: f64 = gauss_legendre(count, 0.0, 1.0)
                .iter()
                .map(|(x, w)| w * x.powi(degree as i32))
                .sum();
            assert!((found * (degree as f64 + 1.0) - 1.0).abs() < 1e-12, "{count}: {found}");
        }
    }

    #[test]
    fn the_evened_rule_integrates_a_peaked_function_better_than_the_plain_one() {
        let error = |rule: Vec<(f64, f64)>| {
            let found: f64 = rule.iter().map(|(x, w)| w / (1.0 + 100.0 * x * x)).sum();
            (found / (0.2 * 10f64.atan()) - 1.0).abs()
        };
        let plain = error(gauss_legendre(40, -1.0, 1.0));
        let even = error(even_gauss_legendre(40, -1.0, 1.0));
        assert!(even < 1e-4 && even < 0.2 * plain, "{even:e} {plain:e}");
    }

    #[test]
    fn product_weights_integrate_an_oscillating_factor() {
        let nodes: Vec<f64> = (0..30).map(|i| f64::from(i) * 0.1).collect();
        let weights = product_weights(&nodes, |x| (60.0 * x).cos());
        let found: f64 = weights.iter().zip(&nodes).map(|(w, x)| w * (-x).exp()).sum();
        let primitive =
            |x: f64| (-x).exp() * (60.0 * (60.0 * x).sin() - (60.0 * x).cos()) / (1.0 + 3600.0);
        let exact = primitive(nodes[29]) - primitive(0.0);
        assert!((found - exact).abs() < 1e-7, "{found} {exact}");
    }
}
