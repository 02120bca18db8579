//! Theory of tomographic convergence: angular power spectra and lognormal shifts.

use autodiff::Real;

use crate::halofit::Halofit;
use crate::limber::{LineOfSight, Sight, pairs};
use crate::power::{MatterPower, PowerBasis};
use crate::shift::{DiscFilter, lognormal_shift};
use crate::{Cosmology, Error, Prefactor, Result, Sources};

/// Smallest multipole + 1/2 of the nodes: ell = 1, the dipole.
const NU_MIN: f64 = 1.5;
/// Nodes are uniform in t, with this step, where ln(nu / `NODE_CENTRE`) = `NODE_SPREAD` sinh t:
/// closest together where baryon oscillations show in the spectra.
const NODE_STEP: f64 = 0.072;
const NODE_CENTRE: f64 = 200.0;
const NODE_SPREAD: f64 = 1.5;
/// The disc filter of the shifts is integrated over nu theta from the first to the second.
const FILTER_RANGE: (f64, f64) = (1e-3, 40.0);

/// Everything about the spectra and shifts of a survey that does not depend on cosmology.
#[derive(Clone, Debug)]
pub struct Theory {
    basis: PowerBasis,
    line_of_sight: LineOfSight,
    /// Nodes nu = ell + 1/2, ascending.
    nodes: Vec<f64>,
    disc: DiscFilter,
    bins: usize,
    pixel_arcmin: f64,
    prefactor: Prefactor,
}

/// Spectra and shifts of one cosmology.
#[derive(Clone, Debug)]
pub struct Prediction<R> {
    /// Limber integral Int dchi q_i q_j P / chi^2 at each node, `[pair][node]`: what
    /// [`EllInterpolation`](crate::EllInterpolation) takes.
    pub spectra: Vec<Vec<R>>,
    /// Lognormal shift of each bin.
    pub shifts: Vec<R>,
}

impl Theory {
    /// Prepares the theory of `sources` on maps with pixels of `pixel_arcmin`, whose modes reach
    /// up to `ell_max`, with spectra of convergence or of shear as `prefactor` says.
    ///
    /// # Errors
    /// [`Error::Config`] if there is no source bin, or the pixel, `ell_max` or the redshift range
    /// of the sources cannot be used.
    pub fn new(
        sources: &Sources,
        pixel_arcmin: f64,
        ell_max: f64,
        prefactor: Prefactor,
    ) -> Result<Self> {
        if sources.bins.is_empty() {
            return Err(Error::config("sources", "no bin", "at least one source bin"));
        }
        if !(pixel_arcmin > 1e-3 && pixel_arcmin < 1e4) {
            let expected = "a pixel size between 0.001 and 10000 arcmin";
            return Err(Error::config("pixel_arcmin", pixel_arcmin, expected));
        }
        if !(2.0..1e8).contains(&ell_max) {
            return Err(Error::config("ell_max", ell_max, "a multipole between 2 and 1e8"));
        }
        let z_max = sources.bins.iter().map(crate::RedshiftDistribution::z_max).fold(0.0, f64::max);
        if !(z_max > 0.0 && z_max < 900.0) {
            return Err(Error::config("z_max", z_max, "sources between redshift 0 and 900"));
        }
        let theta = (pixel_arcmin / 60.0).to_radians() / std::f64::consts::PI.sqrt();
        let position = |nu: f64| ((nu / NODE_CENTRE).ln() / NODE_SPREAD).asinh();
        let low = position(NU_MIN.min(FILTER_RANGE.0 / theta));
        let high = position((ell_max + 0.5).max(FILTER_RANGE.1 / theta));
        let cells = ((high - low) / NODE_STEP).ceil();
        let nodes: Vec<f64> = (0..=cells as usize)
            .map(|j| low + (high - low) * j as f64 / cells)
            .map(|t| NODE_CENTRE * (NODE_SPREAD * t.sinh()).exp())
            .collect();
        Ok(Self {
            basis: PowerBasis::new(),
            line_of_sight: LineOfSight::new(&sources.bins)?,
            disc: DiscFilter::new(theta, &nodes),
            nodes,
            bins: sources.bins.len(),
            pixel_arcmin,
            prefactor,
        })
    }

    /// Spectra on the nodes and lognormal shifts, from one table of P(nu / chi, z).
    ///
    /// # Errors
    /// [`Error::Parameter`] outside the domain of [`Cosmology::validate`], [`Error::NotFinite`]
    /// where the theory overflows.
    pub fn predict<R: Real>(&self, c: &Cosmology<R>) -> Result<Prediction<R>> {
        let table = self.tabulate(c, &self.nodes)?;
        let spectra = table.sight.project(&table.nonlinear);
        let cumulants =
            self.disc.cumulants(&table.sight, &table.nonlinear, &table.linear, &table.second_order);
        let shifts: Vec<R> = cumulants.iter().map(|&[k2, k3]| lognormal_shift(k2, k3)).collect();
        check_finite("angular power spectrum", spectra.iter().flatten())?;
        check_finite("lognormal shift", &shifts)?;
        Ok(Prediction { spectra, shifts })
    }

    /// Angular power spectra at multipoles `ell` by direct Limber integration: `[pair][ell]`.
    ///
    /// # Errors
    /// As [`Theory::predict`]; [`Error::Config`] for a multipole below 1 other than 0.
    pub fn spectra<R: Real>(&self, c: &Cosmology<R>, ell: &[f64]) -> Result<Vec<Vec<R>>> {
        check_multipoles(ell)?;
        let nu: Vec<f64> = ell.iter().map(|ell| ell + 0.5).collect();
        let table = self.tabulate(c, &nu)?;
        let mut spectra = table.sight.project(&table.nonlinear);
        for spectrum in &mut spectra {
            for (value, &ell) in spectrum.iter_mut().zip(ell) {
                *value *= self.prefactor.at(ell);
            }
        }
        check_finite("angular power spectrum", spectra.iter().flatten())?;
        Ok(spectra)
    }

    /// Variance and third cumulant of the convergence of each bin, smoothed over the pixel, that
    /// fix the shifts.
    ///
    /// # Errors
    /// As [`Theory::predict`].
    pub fn cumulants<R: Real>(&self, c: &Cosmology<R>) -> Result<Vec<[R; 2]>> {
        let table = self.tabulate(c, &self.nodes)?;
        Ok(self.disc.cumulants(&table.sight, &table.nonlinear, &table.linear, &table.second_order))
    }

    /// The nodes: ell + 1/2, ascending.
    #[must_use]
    pub fn nodes(&self) -> &[f64] {
        &self.nodes
    }

    /// Number of source bins.
    #[must_use]
    pub fn bins(&self) -> usize {
        self.bins
    }

    /// Pairs of bins in the order of the spectra: (0,0), (0,1), ..., (1,1), ...
    #[must_use]
    pub fn pairs(&self) -> Vec<(usize, usize)> {
        pairs(self.bins)
    }

    /// Pixel size that the shifts refer to, in arcmin.
    #[must_use]
    pub fn pixel_arcmin(&self) -> f64 {
        self.pixel_arcmin
    }

    /// Factor between the Limber integral and C_ell.
    #[must_use]
    pub fn prefactor(&self) -> Prefactor {
        self.prefactor
    }

    fn tabulate<R: Real>(&self, c: &Cosmology<R>, nu: &[f64]) -> Result<PowerTable<R>> {
        c.value().validate()?;
        let sight = self.line_of_sight.trace(c);
        let matter = MatterPower::new(&self.basis, c);
        let mut table = PowerTable {
            nonlinear: Vec::with_capacity(sight.planes.len()),
            linear: Vec::with_capacity(sight.planes.len()),
            second_order: Vec::with_capacity(sight.planes.len()),
            sight,
        };
        let log_nu: Vec<f64> = nu.iter().map(|nu| nu.ln()).collect();
        let mut log_radius = 0.0;
        for plane in &table.sight.planes {
            let a = 1.0 / (1.0 + plane.z);
            let growth = matter.growth().factor(a);
            let growth_squared = growth * growth;
            let scale = matter.nonlinear_scale_near(plane.z, log_radius)?;
            log_radius = -scale.wavenumber.value().ln();
            let halofit = Halofit::new(c, a, &scale);
            let log_inverse_distance = plane.inverse_distance.ln();
            let (linear, nonlinear) = nu
                .iter()
                .zip(&log_nu)
                .map(|(&nu, &log_nu)| {
                    let (k, log_k) = (plane.inverse_distance * nu, log_inverse_distance + log_nu);
                    let linear = matter.linear_today(k, log_k) * growth_squared;
                    (linear, halofit.power(k, log_k, linear))
                })
                .unzip();
            table.linear.push(linear);
            table.nonlinear.push(nonlinear);
            table.second_order.push(matter.growth().second_order_ratio(a));
        }
        Ok(table)
    }
}

/// Matter power P(nu_j / S(chi_i), z_i) along the line of sight.
struct PowerTable<R> {
    sight: Sight<R>,
    /// `[plane][nu]`, (Mpc/h)^3.
    nonlinear: Vec<Vec<R>>,
    linear: Vec<Vec<R>>,
    /// D_2 / D_1^2, `[plane]`.
    second_order: Vec<R>,
}

pub(crate) fn check_multipoles(ell: &[f64]) -> Result<()> {
    match ell.iter().find(|&&ell| !(ell == 0.0 || (1.0..1e9).contains(&ell))) {
        Some(ell) => Err(Error::config("ell", ell, "0 or a multipole of at least 1")),
        None => Ok(()),
    }
}

fn check_finite<'a, R: Real>(what: &str, values: impl IntoIterator<Item = &'a R>) -> Result<()> {
    if values.into_iter().all(|value| value.is_finite()) {
        Ok(())
    } else {
        Err(Error::NotFinite { what: what.to_owned() })
    }
}
