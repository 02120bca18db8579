//! The survey: geometry of the map, sources, noise, and the choices of the field model.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::nz_file::{Tables, read_tables};
use crate::redshift::{Smail, Sources};
use crate::{Error, Result};

/// The presets: name and TOML text.
const PRESETS: [(&str, &str); 2] = [
    ("lsst_y10", include_str!("../surveys/lsst_y10.toml")),
    ("lsst_y10_as_published", include_str!("../surveys/lsst_y10_as_published.toml")),
];

/// A survey and the choices of its field model.
///
/// Plain configuration: taken from a preset or read from TOML ([`Survey::from_file`]), checked by
/// [`Survey::validate`], and handed to whatever simulates or analyses.
///
/// # Presets
/// Both are 256 x 256 pixels over 10 x 10 degrees with lognormal fields, 27 galaxies per square
/// arcminute in five LSST-Y10-like bins of equal number, and an ellipticity dispersion of 0.26.
///
/// | | `lsst_y10` | `lsst_y10_as_published` |
/// |---|---|---|
/// | purpose | new studies | latents, maps and posteriors of the published benchmark of full-field inference (arXiv:2409.17975) |
/// | [`Survey::mixing`] | Cholesky | symmetric root |
/// | [`Survey::field_variance`] | theory | measured on each map |
/// | [`Survey::shifts`] | theory | looked up in the published table with its swapped axes |
/// | [`Survey::prefactor`] | convergence | shear |
/// | bin edges, densities | exact | those of the published code, off by less than 1e-4 |
///
/// The second needs that table at run time:
/// [`Simulator::with_shift_table`](crate::Simulator::with_shift_table).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Survey {
    /// Name, for reports.
    pub name: String,
    /// Pixels on a side: even, at least 8.
    pub npix: usize,
    /// Side of the square map in degrees, at most 60 (the sky is treated as flat).
    pub map_size_deg: f64,
    /// Dispersion of one component of the intrinsic ellipticity of a galaxy.
    pub sigma_e: f64,
    /// The source galaxies.
    pub sources: SourcesConfig,
    /// Distribution of the convergence.
    #[serde(default)]
    pub field: FieldKind,
    /// Square root of the tomographic covariance of each Fourier mode.
    #[serde(default)]
    pub mixing: Mixing,
    /// Variance subtracted in the lognormal transform.
    #[serde(default)]
    pub field_variance: FieldVariance,
    /// Where the lognormal shifts come from.
    #[serde(default)]
    pub shifts: ShiftConfig,
    /// Which spectra the maps have at low multipoles: those of convergence or of shear.
    #[serde(default)]
    pub prefactor: Prefactor,
}

/// The source galaxies of a survey.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum SourcesConfig {
    /// Smail distribution in photometric bins; see [`Sources::smail`].
    Smail {
        /// Power of the rise at low redshift.
        a: f64,
        /// Power in the exponential.
        b: f64,
        /// Scale redshift.
        z0: f64,
        /// Largest redshift.
        #[serde(default = "default_z_max")]
        z_max: f64,
        /// Number of tomographic bins.
        bins: usize,
        /// Photometric bin edges; equal galaxy numbers where absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        edges: Option<Vec<f64>>,
        /// Photo-z error at z = 0; it grows as 1+z.
        photo_z_scatter: f64,
        /// Galaxies per square arcminute in all bins together, between z = 0 and `z_max`.
        gals_per_arcmin2: f64,
    },
    /// Tabulated n(z), written out; see [`Sources::from_tables`].
    Table {
        /// Redshifts.
        z: Vec<f64>,
        /// n at these redshifts for each bin.
        n: Vec<Vec<f64>>,
        /// Galaxies per square arcminute of each bin.
        gals_per_arcmin2: Vec<f64>,
    },
    /// Tabulated n(z) in a file: an `.npy` or a text of shape `[1 + bins, points]` or its
    /// transpose, the redshifts first, or an `.npz` with `z` and `n`.
    ///
    /// Of a survey read from TOML nothing remains of it: [`Survey::from_toml`] and
    /// [`Survey::from_file`] put the content in its place, as a [`SourcesConfig::Table`]. Made in
    /// code it is read when sources are asked for, and refuses to be serialised: what is
    /// written always holds the numbers, not the name of a file that may change.
    #[serde(skip_serializing)]
    File {
        /// The file; [`Survey::from_file`] takes it relative to the folder of the TOML file.
        path: PathBuf,
        /// Galaxies per square arcminute of each bin.
        gals_per_arcmin2: Vec<f64>,
    },
}

/// Distribution of the convergence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FieldKind {
    /// κ = λ (exp(g - var/2) - 1) of a Gaussian field g.
    #[default]
    Lognormal,
    /// A Gaussian field with the same spectra.
    Gaussian,
}

/// Square root L, L Lᵀ = C, of the tomographic covariance C of a Fourier mode.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mixing {
    /// Lower triangular: cheap, with derivatives that never degenerate.
    #[default]
    Cholesky,
    /// Symmetric: that of the published code, so that its latents give its maps.
    SymmetricRoot,
}

/// Variance of the Gaussian field subtracted in the lognormal transform.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FieldVariance {
    /// The variance that the spectra imply.
    #[default]
    Theory,
    /// The variance measured on each map: that of the published code.
    Measured,
}

/// Where the lognormal shifts come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ShiftConfig {
    /// Computed from the cosmology.
    #[default]
    Theory,
    /// Interpolated in a table given at run time.
    Table,
    /// Looked up in a table given at run time as the published code does, swapped axes included.
    AsPublished,
}

/// Factor between the Limber integral over the lensing kernels and C_ell on the full sky, with
/// (ell + 1/2)^2 of the Limber approximation for the Laplacian in the denominator.
///
/// They differ by 2/(l(l+1)): 1 - 2/(l(l+1)) is shear over convergence, -1.8 % at ell = 10, -0.15 %
/// at 36, -0.02 % at 100. No spectrum is defined below ell = 1, except zero at ell = 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Prefactor {
    /// Of convergence: [l(l+1)]^2 / (l+1/2)^4.
    #[default]
    Convergence,
    /// Of the E mode of shear: (l+2)!/(l-2)! / (l+1/2)^4, zero at ell = 1. That of the published
    /// code.
    Shear,
}

impl Prefactor {
    /// The factor at a multipole of at least 1, or 0.
    pub(crate) fn at(self, ell: f64) -> f64 {
        let numerator = match self {
            Self::Convergence => (ell * (ell + 1.0)).powi(2),
            Self::Shear => (ell - 1.0) * ell * (ell + 1.0) * (ell + 2.0),
        };
        numerator / (ell + 0.5).powi(4)
    }
}

fn default_z_max() -> f64 {
    10.0
}

impl Survey {
    /// The names of the presets.
    #[must_use]
    pub fn preset_names() -> Vec<&'static str> {
        PRESETS.iter().map(|(name, _)| *name).collect()
    }

    /// A preset by name: `lsst_y10`, or `lsst_y10_as_published` with the choices of the published
    /// benchmark; [compared here](Survey#presets).
    ///
    /// # Errors
    /// [`Error::Config`] when there is no preset of that name.
    pub fn preset(name: &str) -> Result<Self> {
        match PRESETS.iter().find(|(preset, _)| *preset == name) {
            Some((_, text)) => Self::from_toml(text),
            None => {
                let expected = format!("one of {}", Self::preset_names().join(", "));
                Err(Error::config("survey", name, expected))
            }
        }
    }

    /// Reads and validates a TOML text and the table of n(z) named in it.
    ///
    /// # Errors
    /// [`Error::Toml`] for text that is not TOML or has unknown, missing or wrongly typed fields;
    /// [`Error::Io`] and [`Error::Array`] for a table that cannot be read or is no n(z); otherwise
    /// as [`Survey::validate`].
    pub fn from_toml(text: &str) -> Result<Self> {
        Self::parse(text, Path::new(""))
    }

    /// Reads and validates a TOML file and the table of n(z) named in it, which is found relative
    /// to its folder.
    ///
    /// # Errors
    /// [`Error::Io`] when the file cannot be read, otherwise as [`Survey::from_toml`].
    pub fn from_file(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| Error::Io { path: path.to_owned(), source })?;
        Self::parse(&text, path.parent().unwrap_or(Path::new("")))
    }

    /// A TOML text with its table of n(z), found relative to `folder`.
    fn parse(text: &str, folder: &Path) -> Result<Self> {
        let mut survey: Self = toml::from_str(text)?;
        survey.validate()?;
        if let SourcesConfig::File { path, gals_per_arcmin2 } = survey.sources {
            let Tables { z, n } = read_tables(&folder.join(path), &gals_per_arcmin2)?;
            survey.sources = SourcesConfig::Table { z, n, gals_per_arcmin2 };
        }
        Ok(survey)
    }

    /// Checks the geometry and the noise. The sources are checked by [`Survey::sources`].
    ///
    /// # Errors
    /// [`Error::Config`] with the field, its value and what is allowed.
    pub fn validate(&self) -> Result<()> {
        if self.npix < 8 || !self.npix.is_multiple_of(2) || self.npix > 16_384 {
            return Err(Error::config("npix", self.npix, "an even number from 8 to 16384"));
        }
        if !(self.map_size_deg > 0.0 && self.map_size_deg <= 60.0) {
            let expected = "a side of more than 0 and at most 60 degrees (flat sky)";
            return Err(Error::config("map_size_deg", self.map_size_deg, expected));
        }
        if !(self.sigma_e > 0.0 && self.sigma_e <= 10.0) {
            let expected = "an ellipticity dispersion of more than 0 and at most 10";
            return Err(Error::config("sigma_e", self.sigma_e, expected));
        }
        Ok(())
    }

    /// The same area with another number of pixels on a side.
    #[must_use]
    pub fn with_npix(self, npix: usize) -> Self {
        Self { npix, ..self }
    }

    /// Side of a pixel in arcminutes.
    #[must_use]
    pub fn pixel_arcmin(&self) -> f64 {
        self.map_size_deg * 60.0 / self.npix as f64
    }

    /// The source distributions, normalised, with their densities.
    ///
    /// # Errors
    /// As [`Sources::smail`], [`Sources::from_tables`]; for a file also [`Error::Io`],
    /// and [`Error::Array`].
    pub fn sources(&self) -> Result<Sources> {
        match &self.sources {
            &SourcesConfig::Smail {
                a,
                b,
                z0,
                z_max,
                bins,
                ref edges,
                photo_z_scatter,
                gals_per_arcmin2,
            } => {
                let smail = Smail { a, b, z0, z_max };
                Sources::smail(smail, bins, edges.as_deref(), photo_z_scatter, gals_per_arcmin2)
            }
            SourcesConfig::Table { z, n, gals_per_arcmin2 } => {
                Sources::from_tables(z, n, gals_per_arcmin2)
            }
            SourcesConfig::File { path, gals_per_arcmin2 } => {
                let Tables { z, n } = read_tables(path, gals_per_arcmin2)?;
                Sources::from_tables(&z, &n, gals_per_arcmin2)
            }
        }
    }

    /// Shape-noise variance of the convergence in a pixel, for each bin:
    /// σ_e² / (galaxies per pixel).
    #[must_use]
    pub fn noise_variance(&self, sources: &Sources) -> Vec<f64> {
        let pixel_area = self.pixel_arcmin().powi(2);
        let variance = |gals: &f64| self.sigma_e.powi(2) / (gals * pixel_area);
        sources.gals_per_arcmin2.iter().map(variance).collect()
    }
}
