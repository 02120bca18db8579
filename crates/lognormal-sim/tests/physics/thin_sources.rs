//! Thin and awkward n(z): planes, single galaxies, histograms and narrow bins against CCL, closed
//! forms and themselves on finer tables.

use autodiff::GradientCheck;
use lognormal_sim::{
    Cosmology, MatterPower, PowerBasis, Prefactor, RedshiftDistribution, Smail, Sources, Theory,
    hubble_rate, transverse_distance,
};
use serde::Deserialize;

use crate::{assert_within, worst};

const ELL: [f64; 6] = [10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0];

#[derive(Deserialize)]
struct Reference {
    ell: Vec<f64>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    /// First, last and number of evenly spaced redshifts.
    z: (f64, f64, usize),
    n: Vec<Sparse>,
    /// C_ell `[pair][ell]`.
    cl: Vec<Vec<f64>>,
}

/// The values of n that are not zero.
#[derive(Deserialize)]
struct Sparse {
    points: Vec<usize>,
    values: Vec<f64>,
}

fn theory(sources: &Sources) -> Theory {
    Theory::new(sources, 2.34, 7000.0, Prefactor::Convergence).unwrap()
}

fn spectra(sources: &Sources) -> Vec<f64> {
    theory(sources).spectra(&Cosmology::FIDUCIAL, &ELL).unwrap().concat()
}

fn tabulated(z: &[f64], n: &[Vec<f64>]) -> Sources {
    Sources::from_tables(z, n, &vec![1.0; n.len()]).unwrap()
}

fn grid(first: f64, last: f64, points: usize) -> Vec<f64> {
    (0..points).map(|i| first + (last - first) * i as f64 / (points - 1) as f64).collect()
}

/// A plane: the one point nearest to each of `redshifts` that is not zero.
fn planes(z: &[f64], redshifts: &[f64]) -> Vec<Vec<f64>> {
    let step = z[1] - z[0];
    let plane = |at: &f64| -> Vec<f64> {
        z.iter().map(|z| f64::from((z - at).abs() < 0.5 * step)).collect()
    };
    redshifts.iter().map(plane).collect()
}

/// Planes, single galaxies, histograms, Gaussians down to a width of 0.0003, a top hat, sources
/// from redshift 0, from 3 and with zeros to 20, and planes in several bins.
#[test]
fn spectra_of_any_table_agree_with_ccl() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/reference/ccl_source_planes.json");
    let reference: Reference =
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    assert_eq!(reference.ell, ELL);
    for Case { name, z: (first, last, points), n, cl } in &reference.cases {
        let tables: Vec<Vec<f64>> = n
            .iter()
            .map(|sparse| {
                let mut n = vec![0.0; *points];
                for (&i, &value) in sparse.points.iter().zip(&sparse.values) {
                    n[i] = value;
                }
                n
            })
            .collect();
        let found = spectra(&tabulated(&grid(*first, *last, *points), &tables));
        assert_within(name, worst(&found, &cl.concat()), 1e-3);
    }
}

/// Sources all at z_s: q = (3/2) Omega_m H_0^2 (1 + z) chi (1 - chi / chi_s), integrated in z by
/// Simpson's rule up to z_s.
#[test]
fn a_plane_has_the_kernel_of_closed_form() {
    let c = Cosmology::FIDUCIAL;
    let matter = MatterPower::new(&PowerBasis::new(), &c);
    let plane = 0.8;
    let chi_s = transverse_distance(&c, plane);
    let strength = 1.5 * c.omega_m() / 2997.92458f64.powi(2);
    let count = 4000;
    let expected: Vec<f64> = ELL
        .iter()
        .map(|&ell| {
            // z = plane u^3 brings the nodes to low redshift.
            let integrand = |u: f64| {
                let z = plane * u.powi(3);
                let chi = transverse_distance(&c, z);
                let q = strength * (1.0 + z) * chi * (1.0 - chi / chi_s);
                let power = matter.nonlinear((ell + 0.5) / chi, z).unwrap();
                let dchi = 299_792.458 / hubble_rate(&c, 1.0 / (1.0 + z)) * 3.0 * plane * u * u;
                q * q * power / chi.powi(2) * dchi
            };
            let weight = |i: usize| if i % 2 == 1 { 4.0 } else { 2.0 };
            // Both ends vanish.
            let sum: f64 = (1..count).map(|i| weight(i) * integrand(i as f64 / count as f64)).sum();
            (ell * (ell + 1.0)).powi(2) / (ell + 0.5).powi(4) * sum / (3.0 * count as f64)
        })
        .collect();
    for half_width in [1e-3, 1e-5, 1e-8, 1e-11] {
        let z = [0.0, plane - half_width, plane, plane + half_width, 20.0];
        let found = spectra(&tabulated(&z, &[vec![0.0, 0.0, 1.0, 0.0, 0.0]]));
        assert_within(&format!("plane of {half_width:e}"), worst(&found, &expected), 3e-4);
    }
}

/// The same piecewise linear n(z) with more points: the same spectra and shifts.
#[test]
fn a_table_with_more_points_on_the_same_lines_is_the_same() {
    let z = [0.0, 0.1, 0.7, 0.71, 0.72, 1.3, 2.0, 3.0];
    let n = [0.3, 0.0, 0.2, 1.0, 0.1, 0.4, 0.0, 0.0];
    let coarse = theory(&tabulated(&z, &[n.to_vec()])).predict(&Cosmology::FIDUCIAL).unwrap();
    for cuts in [2, 7, 100] {
        let between = |values: &[f64]| -> Vec<f64> {
            let piece = |w: &[f64]| -> Vec<f64> {
                let (a, b) = (w[0], w[1]);
                (0..cuts).map(move |i| a + (b - a) * f64::from(i) / f64::from(cuts)).collect()
            };
            let inner: Vec<Vec<f64>> = values.windows(2).map(piece).collect();
            [inner.concat(), vec![values[values.len() - 1]]].concat()
        };
        let fine =
            theory(&tabulated(&between(&z), &[between(&n)])).predict(&Cosmology::FIDUCIAL).unwrap();
        let difference =
            worst(&fine.spectra[0], &coarse.spectra[0]).max(worst(&fine.shifts, &coarse.shifts));
        assert_within(&format!("{cuts} pieces of each"), difference, 1e-6);
    }
}

/// Zeros at the end of a table say nothing: neither the spectra nor the range depend on them.
#[test]
fn zeros_at_the_end_of_a_table_change_nothing() {
    let (z, n) = ([0.2, 0.5, 1.0], [0.0, 1.0, 0.0]);
    let short = RedshiftDistribution::from_table(&z, &n).unwrap();
    let long = RedshiftDistribution::from_table(
        &[&z[..], &[1.5, 20.0, 890.0, 2000.0]].concat(),
        &[&n[..], &[0.0; 4]].concat(),
    )
    .unwrap();
    assert_eq!(long.z_max(), 1.0);
    assert_eq!(long, short);
}

/// Bins whose photo-z error is the smallest allowed: those of the table of the same n(z), and a
/// bin of width 0.001 close to a plane.
#[test]
fn narrow_photometric_bins_are_those_of_a_fine_table() {
    let smail = Smail { a: 2.0, b: 0.68, z0: 0.11, z_max: 10.0 };
    let z: Vec<f64> = grid(0.0, 1.0, 100_001).iter().map(|u| 10.0 * u.powi(2)).collect();
    for edges in [vec![0.4, 0.8], vec![1.0, 1.001], vec![0.5, 0.501, 0.502], vec![0.02, 0.3, 5.0]] {
        let bins = edges.len() - 1;
        let sources = Sources::smail(smail, bins, Some(&edges), 0.001, 10.0).unwrap();
        let tables: Vec<Vec<f64>> =
            sources.bins.iter().map(|bin| z.iter().map(|&z| bin.density(z)).collect()).collect();
        let difference = worst(&spectra(&sources), &spectra(&tabulated(&z, &tables)));
        assert_within(&format!("{edges:?}"), difference, 1e-3);
    }
}

/// Any accepted Smail distribution, however steep, is normalised: the bin of all galaxies with
/// hardly any photo-z error is its parent.
#[test]
fn the_steepest_parents_are_normalised() {
    for (a, b, z0) in [(2.0, 10.0, 1.0), (10.0, 10.0, 0.001), (0.0, 0.1, 0.001), (10.0, 10.0, 9.0)]
    {
        let smail = Smail { a, b, z0, z_max: 10.0 };
        let sources = Sources::smail(smail, 1, None, 0.001, 10.0).unwrap();
        let bin = &sources.bins[0];
        // In z = 10 u^3, evenly: a trapezium rule with a great many points.
        let count = 400_000;
        let sum: f64 = (1..=count)
            .map(|i| (f64::from(i) / f64::from(count), f64::from(count)))
            .map(|(u, count)| bin.density(10.0 * u.powi(3)) * 30.0 * u * u / count)
            .sum();
        assert_within(&format!("a {a}, b {b}, z0 {z0}"), (sum - 1.0).abs(), 1e-4);
    }
}

#[test]
fn spectra_of_planes_are_smooth_in_every_parameter() {
    let z = grid(0.0, 3.0, 3001);
    let theory = theory(&tabulated(&z, &planes(&z, &[0.5, 1.5])));
    let total = |prediction: lognormal_sim::Prediction<f64>| -> f64 {
        prediction.spectra.iter().map(|spectrum| spectrum[40].ln()).sum::<f64>()
            + prediction.shifts.iter().map(|shift| shift.ln()).sum::<f64>()
    };
    let at = Cosmology::FIDUCIAL.parameters();
    let exact = theory.predict(&Cosmology::FIDUCIAL.with_derivatives()).unwrap();
    let gradient: [f64; 6] = std::array::from_fn(|p| {
        let numbers = exact.spectra.iter().map(|spectrum| spectrum[40]).chain(exact.shifts.clone());
        numbers.map(|x| x.gradient[p] / x.value).sum()
    });
    let function = |p: &[f64]| {
        let cosmology = Cosmology::from_parameters(p.try_into().unwrap()).unwrap();
        total(theory.predict(&cosmology).unwrap())
    };
    GradientCheck::default().run(function, &at, &gradient).assert_passes();
}
