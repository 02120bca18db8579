//! What would make the power spectra of a map fit: other units, another order of bins, other noise.

use super::finding::Cause;
use crate::ensemble::Ensemble;
use crate::error::Result;

/// Most bins of which every order is tried; of more, every exchange of two and the reversal.
const EVERY_ORDER: usize = 6;
/// Variances of the noise that are tried, in units of the survey's, from 1/10 to 10 in steps of
/// one per cent.
const NOISE_STEPS: i32 = 230;
/// Factors this near to one explain nothing.
const LEAST_CHANGE: f64 = 0.02;

/// All changes after which the band powers `[pair][band]` lie among simulated ones, the best first.
pub fn find(ensemble: &Ensemble, powers: &[Vec<f64>]) -> Result<Vec<Cause>> {
    let mut found = vec![scale(ensemble, powers)?];
    found.extend(order(ensemble, powers)?);
    found.extend(noise(ensemble, powers)?);
    found.retain(|(distance, cause)| {
        // More noise than the survey's scatters more, by its variance.
        let scatter = if let Cause::Noise { factor } = cause { factor.max(1.0) } else { 1.0 };
        *distance <= scatter * ensemble.spectra.largest()
    });
    found.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    if found.is_empty() && is_misaligned(ensemble, powers)? {
        found.push((0.0, Cause::Misaligned));
    }
    Ok(found.into_iter().map(|(_, cause)| cause).collect())
}

/// The factor of least distance: the square of the distance is a parabola of its logarithm.
fn scale(ensemble: &Ensemble, powers: &[Vec<f64>]) -> Result<(f64, Cause)> {
    let square = |ln: f64| -> Result<f64> { Ok(distance_scaled(ensemble, powers, ln)?.powi(2)) };
    let mut ln = 0.0;
    let mut error = 1.0;
    // Once more around the vertex, where rounding errors are smaller.
    for _ in 0..2 {
        let (below, here, above) = (square(ln - 1.0)?, square(ln)?, square(ln + 1.0)?);
        let curvature = 0.5 * (above + below) - here;
        ln -= 0.25 * (above - below) / curvature;
        error = curvature.sqrt().recip();
    }
    let cause = Cause::Scale { factor: (-ln).exp(), error };
    Ok((distance_scaled(ensemble, powers, ln)?, cause))
}

fn distance_scaled(ensemble: &Ensemble, powers: &[Vec<f64>], ln: f64) -> Result<f64> {
    // The logarithm may be large: the features are shifted, not the powers scaled.
    let mut features = ensemble.summariser.spectra(powers);
    let autos = ensemble.summariser.auto_spectra(powers).len();
    features[..autos].iter_mut().for_each(|feature| *feature += 2.0 * ln);
    ensemble.spectra.distance(&features)
}

/// The order of bins of least distance, if it is another.
fn order(ensemble: &Ensemble, powers: &[Vec<f64>]) -> Result<Option<(f64, Cause)>> {
    let bins = ensemble.summariser.bins();
    let mut best: Option<(f64, Vec<usize>)> = None;
    for order in orders(bins) {
        let powers = ensemble.summariser.reordered(powers, &order);
        let distance = ensemble.spectra.distance(&ensemble.summariser.spectra(&powers))?;
        if best.as_ref().is_none_or(|(least, _)| distance < *least) {
            best = Some((distance, order));
        }
    }
    let Some((distance, order)) = best else { return Ok(None) };
    // `order[k]` is the bin of the map that should be number k; told is the number of each bin.
    let mut numbers = vec![0; bins];
    for (number, &bin) in order.iter().enumerate() {
        numbers[bin] = number;
    }
    Ok(Some((distance, Cause::Order { order: numbers })))
}

/// Orders of `bins` other than the given one.
fn orders(bins: usize) -> Vec<Vec<usize>> {
    let given: Vec<usize> = (0..bins).collect();
    let mut orders = Vec::new();
    if bins <= EVERY_ORDER {
        permute(&mut given.clone(), 0, &mut orders);
        orders.retain(|order| *order != given);
        return orders;
    }
    for i in 0..bins {
        for j in i + 1..bins {
            let mut order = given.clone();
            order.swap(i, j);
            orders.push(order);
        }
    }
    orders.push(given.into_iter().rev().collect());
    orders
}

/// Collects all orders that differ from `from` on.
fn permute(order: &mut Vec<usize>, from: usize, orders: &mut Vec<Vec<usize>>) {
    if from + 1 >= order.len() {
        orders.push(order.clone());
        return;
    }
    for k in from..order.len() {
        order.swap(from, k);
        permute(order, from + 1, orders);
        order.swap(from, k);
    }
}

/// The variance of the noise of least distance, if it is another.
fn noise(ensemble: &Ensemble, powers: &[Vec<f64>]) -> Result<Option<(f64, Cause)>> {
    let mut best: Option<(f64, f64)> = None;
    for step in -NOISE_STEPS..=NOISE_STEPS {
        let factor = 10_f64.powf(f64::from(step) / f64::from(NOISE_STEPS));
        let Some(powers) = ensemble.summariser.with_noise_of(powers, factor) else { continue };
        let distance = ensemble.spectra.distance(&ensemble.summariser.spectra(&powers))?;
        if best.is_none_or(|(least, _)| distance < least) {
            best = Some((distance, factor));
        }
    }
    let best = best.filter(|(_, factor)| factor.ln().abs() > LEAST_CHANGE);
    Ok(best.map(|(distance, factor)| (distance, Cause::Noise { factor })))
}

/// Whether each bin fits by itself.
fn is_misaligned(ensemble: &Ensemble, powers: &[Vec<f64>]) -> Result<bool> {
    let autos = ensemble.summariser.auto_spectra(powers);
    let fits = ensemble.auto_spectra.distance(&autos)? <= ensemble.auto_spectra.largest();
    Ok(fits && ensemble.summariser.has_pairs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_other_order_is_tried_once() {
        for (bins, count) in [(1, 0), (2, 1), (3, 5), (5, 119), (8, 28 + 1)] {
            let mut orders = orders(bins);
            orders.sort();
            orders.dedup();
            assert_eq!(orders.len(), count, "{bins} bins");
            assert!(orders.iter().all(|order| order.len() == bins && !order.is_sorted()));
        }
    }
}
