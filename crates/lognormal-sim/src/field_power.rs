//! Second-order statistics of the Gaussian fields, and gradients through them.

use std::sync::Arc;

use autodiff::{Dual, Real};

use crate::convergence::LocalTransform;
use crate::cosmology::Cosmology;
use crate::error::{Error, Result};
use crate::lognormal_transform::{EvenWork, LognormalTransform};
use crate::modes::Modes;
use crate::simulator::Simulator;
use crate::small_matrix::pairs;
use crate::survey::FieldKind;

/// Second-order statistics of the Gaussian fields at one cosmology.
#[derive(Clone, Debug, Default)]
pub struct FieldPower {
    /// Power of the Gaussian fields `[pair][class of modes]`: `C_ell` per pixel area.
    pub gaussian: Vec<Vec<f64>>,
    /// Lognormal shifts `lambda` per bin (1 for Gaussian fields, where they have no meaning).
    pub shifts: Vec<f64>,
    /// Variance of the Gaussian field per bin.
    pub variance: Vec<f64>,
}

impl FieldPower {
    /// Of lognormal fields with given power `[pair][class]` of the convergence (`C_ell` per pixel
    /// area, zero for the zero mode) and shifts `[bin]`.
    ///
    /// # Errors
    /// [`Error::Shape`] when the arrays do not fit; [`Error::LognormalCorrelation`] for a
    /// correlation that no lognormal field with these shifts can have.
    pub fn lognormal(modes: &Arc<Modes>, power: Vec<Vec<f64>>, shifts: Vec<f64>) -> Result<Self> {
        let bins = shifts.len();
        check_shape("convergence power [pair][class]", modes, &power, bins)?;
        let transform = LognormalTransform::new(modes.clone(), bins);
        let mut correlations = power;
        let mut field = Self { shifts, ..Self::default() };
        transform.gaussian_power(
            &mut correlations,
            &field.shifts,
            &mut field.gaussian,
            &mut transform.work(),
        )?;
        field.measure_variance(modes);
        Ok(field)
    }

    /// The local transform of a bin, with the theoretical variance.
    pub(crate) fn local_transform(&self, kind: FieldKind, bin: usize) -> LocalTransform {
        LocalTransform { kind, shift: self.shifts[bin], variance: self.variance[bin] }
    }

    /// Variance of each Gaussian field: its power averaged over all modes.
    fn measure_variance(&mut self, modes: &Modes) {
        let pixels = (modes.npix() * modes.npix()) as f64;
        self.variance.clear();
        for ((i, j), power) in pairs(self.shifts.len()).into_iter().zip(&self.gaussian) {
            if i == j {
                let sum: f64 = power.iter().zip(modes.multiplicity()).map(|(p, m)| p * m).sum();
                self.variance.push(sum / pixels);
            }
        }
    }
}

/// Power `[pair][class]` must have one row for each pair of `bins` and a number for each class.
pub(crate) fn check_shape(
    what: &str,
    modes: &Modes,
    power: &[Vec<f64>],
    bins: usize,
) -> Result<()> {
    let count = bins * (bins + 1) / 2;
    if bins > 0 && power.len() == count && power.iter().all(|p| p.len() == modes.len()) {
        return Ok(());
    }
    Err(Error::Shape {
        what: what.into(),
        expected: format!("{count} pairs of {}", modes.len()),
        found: format!("{} pairs of {:?}", power.len(), power.first().map(Vec::len)),
    })
}

/// The steps from the parameters to a [`FieldPower`], in numbers that may carry derivatives; used
/// again for the next cosmology.
pub(crate) struct PowerSteps<R> {
    /// Spectra on the nodes of the theory, `[pair][node]`.
    spectra: Vec<Vec<R>>,
    shifts: Vec<R>,
    /// `1 + xi/(lambda_i lambda_j)` per pair and class of separations; lognormal fields only.
    correlations: Vec<Vec<f64>>,
    even: EvenWork,
}

impl Simulator {
    /// Work space of [`Simulator::update_power`].
    pub(crate) fn power_steps<R>(&self) -> PowerSteps<R> {
        PowerSteps {
            spectra: Vec::new(),
            shifts: Vec::new(),
            correlations: Vec::new(),
            even: self.transform().work(),
        }
    }

    /// Power of the Gaussian fields, shifts and variances at a cosmology.
    ///
    /// # Errors
    /// Parameters outside the model's domain, or spectra no lognormal field can have.
    pub fn field_power(&self, cosmology: &Cosmology) -> Result<FieldPower> {
        let mut power = FieldPower::default();
        self.update_power(cosmology, &mut power, &mut self.power_steps())?;
        Ok(power)
    }

    /// Replaces the power by that at a cosmology, and the steps by those that led there.
    pub(crate) fn update_power<R: Real>(
        &self,
        cosmology: &Cosmology<R>,
        power: &mut FieldPower,
        steps: &mut PowerSteps<R>,
    ) -> Result<()> {
        let prediction = self.theory().predict(cosmology)?;
        steps.spectra = prediction.spectra;
        steps.shifts = match (self.shift_table(), self.survey().field) {
            (_, FieldKind::Gaussian) => vec![R::from(1.0); self.bins()],
            (Some(table), _) => table.shifts(self.survey().shifts, cosmology)?,
            (None, _) => prediction.shifts,
        };
        power.shifts.clear();
        power.shifts.extend(steps.shifts.iter().map(|shift| shift.value()));
        let convergence = match self.survey().field {
            FieldKind::Gaussian => &mut power.gaussian,
            FieldKind::Lognormal => &mut steps.correlations,
        };
        convergence.resize_with(steps.spectra.len(), Vec::new);
        let per_pixel = self.modes_per_steradian();
        for (row, nodes) in convergence.iter_mut().zip(&steps.spectra) {
            let nodes: Vec<f64> = nodes.iter().map(|node| node.value()).collect();
            row.clear();
            row.push(0.0);
            row.extend(self.interpolation().values(&nodes).map(|c| c * per_pixel));
        }
        if self.survey().field == FieldKind::Lognormal {
            self.transform().gaussian_power(
                &mut steps.correlations,
                &power.shifts,
                &mut power.gaussian,
                &mut steps.even,
            )?;
        }
        power.measure_variance(self.modes());
        Ok(())
    }

    /// Gradient in the six parameters for cotangents of a [`FieldPower`] and the steps that led to
    /// it. Overwrites the cotangents.
    pub(crate) fn pull_back_power(
        &self,
        power: &FieldPower,
        steps: &mut PowerSteps<Dual<6>>,
        gaussian_bar: &mut [Vec<f64>],
        variance_bar: &[f64],
        shifts_bar: &mut [f64],
    ) -> [f64; 6] {
        let pixels = (self.survey().npix * self.survey().npix) as f64;
        for (pair, (i, j)) in pairs(self.bins()).into_iter().enumerate() {
            if i == j {
                let share = variance_bar[i] / pixels;
                for (bar, m) in gaussian_bar[pair].iter_mut().zip(self.modes().multiplicity()) {
                    *bar += share * m;
                }
            }
        }
        if self.survey().field == FieldKind::Lognormal {
            self.transform().pullback(
                &steps.correlations,
                &power.shifts,
                gaussian_bar,
                shifts_bar,
                &mut steps.even,
            );
        }
        let per_pixel = self.modes_per_steradian();
        let mut gradient = [0.0; 6];
        let mut add = |bar: f64, dual: &Dual<6>| {
            for (g, d) in gradient.iter_mut().zip(dual.gradient) {
                *g += bar * d;
            }
        };
        for (bar, nodes) in gaussian_bar.iter().zip(&steps.spectra) {
            for (bar, node) in self.interpolation().adjoint(&bar[1..]).iter().zip(nodes) {
                add(bar * per_pixel, node);
            }
        }
        for (bar, shift) in shifts_bar.iter().zip(&steps.shifts) {
            add(*bar, shift);
        }
        gradient
    }

    /// `(npix / map size)^2`: turns `C_ell` into power per mode of the unnormalised pixel grid.
    fn modes_per_steradian(&self) -> f64 {
        (self.survey().npix as f64 / self.survey().map_size_deg.to_radians()).powi(2)
    }
}
