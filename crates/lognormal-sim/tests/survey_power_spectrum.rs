//! The power-spectrum likelihood against dense algebra, differences and Gaussian maps.

mod gaussian_maps;

use std::f64::consts::PI;
use std::sync::{Arc, LazyLock};

use autodiff::GradientCheck;
use gaussian_maps::{cholesky, draw, multipoles};
use lognormal_sim::{
    BandPowers, Cosmology, CovarianceChoice, EllInterpolation, PowerSpectrumLikelihood,
    SourcesConfig, Survey, Theory,
};

const N: usize = 32;
const SIDE: f64 = 10.0;
const BINS: usize = 3;

static SURVEY: LazyLock<Survey> = LazyLock::new(|| {
    let mut survey = Survey::preset("lsst_y10").unwrap().with_npix(N);
    if let SourcesConfig::Smail { bins, .. } = &mut survey.sources {
        *bins = BINS;
    }
    survey
});

static THEORY: LazyLock<Arc<Theory>> = LazyLock::new(|| {
    let largest = multipoles(N, SIDE).into_iter().fold(0.0, f64::max);
    let sources = SURVEY.sources().unwrap();
    Arc::new(Theory::new(&sources, SURVEY.pixel_arcmin(), largest, SURVEY.prefactor).unwrap())
});

/// Spectra with shape noise, `[pair][mode]`, at the modes of the full plane.
static SPECTRA: LazyLock<Vec<Vec<f64>>> = LazyLock::new(|| {
    let noise = SURVEY.noise_variance(&SURVEY.sources().unwrap());
    let pixel_area = (SIDE.to_radians() / N as f64).powi(2);
    let mut spectra = THEORY.spectra(&Cosmology::FIDUCIAL, &multipoles(N, SIDE)).unwrap();
    for (bin, pair) in [0, 3, 5].into_iter().enumerate() {
        spectra[pair].iter_mut().for_each(|power| *power += noise[bin] * pixel_area);
    }
    spectra
});

fn pair(i: usize, j: usize) -> usize {
    [[0, 1, 2], [1, 3, 4], [2, 4, 5]][i][j]
}

fn observation(seed: u64) -> Vec<f64> {
    draw(N, SIDE, BINS, seed, |mode| {
        (0..BINS * BINS).map(|k| SPECTRA[pair(k / BINS, k % BINS)][mode]).collect()
    })
}

fn likelihood(map: &[f64], covariance: CovarianceChoice) -> PowerSpectrumLikelihood {
    let edges = BandPowers::default_edges(N, SIDE);
    PowerSpectrumLikelihood::new(THEORY.clone(), &SURVEY, map, &edges, covariance).unwrap()
}

const OTHER: [f64; 6] = [0.31, 0.045, 0.77, 0.71, 0.98, -0.85];

fn other() -> Cosmology {
    Cosmology::from_parameters(&OTHER).unwrap()
}

/// ln N(x; mean, covariance) by a dense factorisation.
fn dense_log_normal(residual: &[f64], covariance: &[f64]) -> f64 {
    let n = residual.len();
    let lower = cholesky(covariance, n);
    let (mut white, mut total) = (vec![0.0; n], -0.5 * n as f64 * (2.0 * PI).ln());
    for i in 0..n {
        let dot: f64 = (0..i).map(|k| lower[i * n + k] * white[k]).sum();
        white[i] = (residual[i] - dot) / lower[i * n + i];
        total -= 0.5 * white[i] * white[i] + lower[i * n + i].ln();
    }
    total
}

/// The tomographic algebra gives the density of the full covariance between pairs.
#[test]
fn agrees_with_the_dense_gaussian_density() {
    let map = observation(1);
    for choice in [CovarianceChoice::Varying, CovarianceChoice::Fixed(Cosmology::FIDUCIAL)] {
        let likelihood = likelihood(&map, choice);
        let (measured, expected) = (likelihood.measured(), likelihood.expected(&other()).unwrap());
        let at = match choice {
            CovarianceChoice::Varying => expected.clone(),
            CovarianceChoice::Fixed(cosmology) => likelihood.expected(&cosmology).unwrap(),
        };
        let band_of = |spectra: &[Vec<f64>], band: usize| -> Vec<f64> {
            spectra.iter().map(|powers| powers[band]).collect()
        };
        let dense: f64 = (0..likelihood.bands().len())
            .map(|band| {
                let residual: Vec<f64> = band_of(&measured, band)
                    .iter()
                    .zip(band_of(&expected, band))
                    .map(|(m, e)| m - e)
                    .collect();
                dense_log_normal(&residual, &likelihood.covariance(band, &band_of(&at, band)))
            })
            .sum();
        let found = likelihood.log_likelihood(&other()).unwrap();
        assert!((found - dense).abs() < 1e-8 * dense.abs(), "{found} {dense}");
    }
}

/// The expected band powers are the spectra at every mode, averaged, with the shape noise: those
/// interpolated to the modes exactly, those integrated at each mode within the interpolation.
#[test]
fn expectation_is_the_mean_of_the_spectra_over_the_modes() {
    let likelihood = likelihood(&observation(2), CovarianceChoice::Varying);
    let expected = likelihood.expected(&Cosmology::FIDUCIAL).unwrap();
    let ell = multipoles(N, SIDE);
    let nodes = THEORY.predict(&Cosmology::FIDUCIAL).unwrap().spectra;
    let interpolation = EllInterpolation::new(&THEORY, &ell).unwrap();
    for (p, expected) in expected.iter().enumerate() {
        let noise = [(0, 0), (3, 1), (5, 2)].iter().find(|(pair, _)| *pair == p);
        let noise = noise.map_or(0.0, |&(_, bin)| likelihood.noise()[bin]);
        let interpolated = interpolation.apply(&nodes[p]);
        for (found, band) in expected.iter().zip(likelihood.bands()) {
            let inside = (0..N * N).filter(|&m| (band.ell_min..band.ell_max).contains(&ell[m]));
            let mean = inside.clone().map(|mode| interpolated[mode]).sum::<f64>() / band.modes;
            assert!((found / (mean + noise) - 1.0).abs() < 1e-12, "{p} {band:?}: {found}");
            let direct = inside.map(|mode| SPECTRA[p][mode]).sum::<f64>() / band.modes;
            assert!((found / direct - 1.0).abs() < 1e-3, "{p} {band:?}: {found} {direct}");
        }
    }
}

#[test]
fn gradients_agree_with_central_differences() {
    let map = observation(3);
    for choice in [CovarianceChoice::Varying, CovarianceChoice::Fixed(Cosmology::FIDUCIAL)] {
        let likelihood = likelihood(&map, choice);
        let exact = likelihood.log_likelihood(&other().with_derivatives()).unwrap();
        let value = likelihood.log_likelihood(&other()).unwrap();
        assert!((exact.value / value - 1.0).abs() < 1e-12);
        let function = |parameters: &[f64]| {
            let cosmology = Cosmology::from_parameters(parameters.try_into().unwrap()).unwrap();
            likelihood.log_likelihood(&cosmology).unwrap()
        };
        let steps = vec![1e-2, 1e-3, 1e-4, 1e-5];
        let check = GradientCheck { steps, ..GradientCheck::default() };
        check.run(function, &OTHER, &exact.gradient).assert_passes();
    }
}

/// With the covariance fixed at the truth the score has mean zero over Gaussian maps, and scatters
/// by the derivatives of the mean seen through the covariance.
#[test]
fn score_has_mean_zero_at_the_truth() {
    let draws = 200;
    let mut sums = [[0.0; 2]; 6];
    for seed in 0..draws {
        let map = observation(1000 + seed);
        let likelihood = likelihood(&map, CovarianceChoice::Fixed(Cosmology::FIDUCIAL));
        let truth = Cosmology::FIDUCIAL.with_derivatives();
        let score = likelihood.log_likelihood(&truth).unwrap().gradient;
        for (sum, score) in sums.iter_mut().zip(score) {
            sum[0] += score;
            sum[1] += score * score;
        }
    }
    for [sum, squares] in sums {
        let (mean, square) = (sum / draws as f64, squares / draws as f64);
        let error = (square / draws as f64).sqrt();
        assert!(mean.abs() < 4.0 * error, "mean score {mean} +- {error}");
    }
}

/// chi-squared at the truth has the mean and scatter of its degrees of freedom.
#[test]
fn chi_squared_counts_the_band_powers() {
    let draws = 200;
    let bands = BandPowers::new(N, SIDE, &BandPowers::default_edges(N, SIDE)).unwrap();
    let freedom = (bands.bands().len() * 6) as f64;
    let mut values = Vec::new();
    for seed in 0..draws {
        let map = observation(5000 + seed);
        let likelihood = likelihood(&map, CovarianceChoice::Fixed(Cosmology::FIDUCIAL));
        let expected = likelihood.expected(&Cosmology::FIDUCIAL).unwrap();
        let best: f64 = (0..bands.bands().len())
            .map(|band| {
                let powers: Vec<f64> = expected.iter().map(|e| e[band]).collect();
                dense_log_normal(&[0.0; 6], &likelihood.covariance(band, &powers))
            })
            .sum();
        values.push(2.0 * (best - likelihood.log_likelihood(&Cosmology::FIDUCIAL).unwrap()));
    }
    let mean = values.iter().sum::<f64>() / draws as f64;
    let scatter = (values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / draws as f64).sqrt();
    // The spectra vary a little within a band, which the band covariance ignores.
    let error = scatter / (draws as f64).sqrt();
    assert!((mean - freedom).abs() < 4.0 * error + 0.03 * freedom, "{mean} +- {error}, {freedom}");
}

#[test]
fn set_ups_that_do_not_fit_are_refused() {
    let map = observation(4);
    let edges = BandPowers::default_edges(N, SIDE);
    let refused = |survey: &Survey, map: &[f64], edges: &[f64]| {
        let choice = CovarianceChoice::Varying;
        let result = PowerSpectrumLikelihood::new(THEORY.clone(), survey, map, edges, choice);
        let error = result.err().unwrap();
        assert!(!error.is_recoverable(), "{error}");
        error.to_string()
    };
    assert!(refused(&SURVEY, &map[1..], &edges).contains("map has shape"));
    let five_bins = Survey::preset("lsst_y10").unwrap().with_npix(N);
    assert!(refused(&five_bins, &map, &edges).contains("theory has shape 3 bins"));
    assert!(refused(&SURVEY, &map, &[1.0, 2.0]).contains("holds no Fourier mode"));
    let impossible = Cosmology { sigma_8: -1.0, ..Cosmology::FIDUCIAL };
    let likelihood = likelihood(&map, CovarianceChoice::Varying);
    assert!(likelihood.log_likelihood(&impossible).unwrap_err().is_recoverable());
}
