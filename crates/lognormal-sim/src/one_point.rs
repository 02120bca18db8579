//! One-point statistics of maps.

/// Mean, variance and skewness of the pixels of one map.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OnePoint {
    /// Mean of the pixels.
    pub mean: f64,
    /// Mean squared deviation from the mean.
    pub variance: f64,
    /// Mean cubed deviation over the 3/2 power of the variance; NaN for a constant map.
    pub skewness: f64,
}

impl OnePoint {
    /// Statistics of the pixels of a map; all NaN for none.
    #[must_use]
    pub fn of(map: &[f64]) -> Self {
        let pixels = map.len() as f64;
        let mean = map.iter().sum::<f64>() / pixels;
        let moment = |power| map.iter().map(|x| (x - mean).powi(power)).sum::<f64>() / pixels;
        let variance = moment(2);
        Self { mean, variance, skewness: moment(3) / variance.powf(1.5) }
    }
}

#[cfg(test)]
mod tests {
    use super::OnePoint;

    /// A fraction p of ones among zeros: mean p, variance p(1-p), skewness (1-2p)/√(p(1-p)).
    #[test]
    fn bernoulli() {
        let map: Vec<f64> = (0..1000).map(|i| f64::from(i % 10 == 0)).collect();
        let found = OnePoint::of(&map);
        assert!((found.mean - 0.1).abs() < 1e-14);
        assert!((found.variance - 0.09).abs() < 1e-14);
        assert!((found.skewness - 0.8 / 0.3).abs() < 1e-12);
        assert!(OnePoint::of(&[1.0, 1.0]).skewness.is_nan());
    }
}
