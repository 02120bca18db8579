//! How much narrower than for a normal distribution the smoothing of a density has to be.
//!
//! The usual rules choose the width of a kernel from the spread of the samples, as if they were
//! normal. Samples with several modes, or along a thin curved region, would be blurred into each
//! other. Least-squares cross-validation (Rudemo 1982; Bowman 1984) finds the width that suits
//! them: it minimises an unbiased estimate of `integral of p^2 - 2 p p_true`, which is the squared
//! error up to a constant. The estimate is noisy for few samples and narrow kernels, so that its
//! width is taken only where it is less than half the usual one and better by several standard
//! errors; otherwise the usual one stays exactly as it is.

/// Widths tried, in units of the usual one.
const FACTORS: [f64; 8] = [0.45, 0.32, 0.22, 0.16, 0.11, 0.08, 0.055, 0.04];
/// The least gain of the criterion for which the width is changed: a fraction of it, and standard
/// errors.
const GAIN: (f64, f64) = (0.01, 4.0);

/// Counts on a grid, smoothed.
pub struct Smoothed {
    /// Kernel estimate: counts convolved with a kernel whose weights sum to 1.
    pub counts: Vec<f64>,
    /// The part of each cell that the bounds allow, convolved with the same kernel.
    pub support: Vec<f64>,
    /// Weight of a sample in its own cell.
    pub centre: f64,
    /// Sum of the squared weights of the kernel.
    pub power: f64,
}

/// The factor of the usual width that suits the samples, 1 for any that are about normal.
///
/// `counts` are independent samples on a grid, `allowed` the part of each cell within the bounds;
/// `smooth` smooths both with so much of the usual width, or gives nothing if the grid is too
/// coarse for it.
pub fn narrowing(counts: &[f64], allowed: &[f64], smooth: impl Fn(f64) -> Option<Smoothed>) -> f64 {
    let criterion = |factor| Some(cross_validation(counts, allowed, &smooth(factor)?));
    let Some((usual, _)) = criterion(1.0) else { return 1.0 };
    let gains = FACTORS.iter().map_while(|&factor| {
        let (value, error) = criterion(factor)?;
        Some((factor, usual - value - GAIN.1 * error))
    });
    match gains.max_by(|a, b| a.1.total_cmp(&b.1)) {
        Some((factor, gain)) if gain > GAIN.0 * usual.abs() => factor,
        _ => 1.0,
    }
}

/// Estimate of `integral of p^2 - 2 p p_true`, times the size of a cell, each sample left out of
/// the density at its own place; with its standard error, that of the number of close pairs.
fn cross_validation(counts: &[f64], allowed: &[f64], smoothed: &Smoothed) -> (f64, f64) {
    let n: f64 = counts.iter().sum();
    let (mut square, mut product) = (0.0, 0.0);
    let cells = smoothed.counts.iter().zip(&smoothed.support).zip(counts.iter().zip(allowed));
    for ((p, support), (count, allowed)) in cells {
        if *support > 0.05 {
            square += allowed * (p / support).powi(2);
            product += count * (p - smoothed.centre) / support;
        }
    }
    let square = square / (n * n);
    let error = 2.0 * (2.0 * square * smoothed.power).sqrt() / n;
    (square - 2.0 * product / (n * (n - 1.0)), error)
}
