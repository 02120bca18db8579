//! `spectra`: C_ell of all pairs of bins, lognormal shifts, and their derivatives.

use std::fmt::Write;
use std::path::PathBuf;

use anyhow::{Result, ensure};
use autodiff::{Dual, Real};
use clap::Args;
use lognormal_sim::{Cosmology, PARAMETERS, ShiftTable, Survey, Theory};

use crate::arrays::{Chosen, Named, write_npz};
use crate::cli::{Parameters, SurveyArguments};
use crate::files::{require_output, write_text};

/// Arguments of `spectra`.
#[derive(Args)]
#[command(after_help = "Examples:\n  \
    cargo xtask spectra --params fiducial --ell 10,100,1000 --out cl.npz\n  \
    cargo xtask spectra --params 0.3,0.05,0.8,0.7,0.96,-0.9 --ell-file ell.npy --out cl.csv\n\n\
    The .npz holds ell [n], pairs [p,2], cl [p,n], dcl [6,p,n], shifts [bin], dshifts [6,bin].")]
#[group(id = "multipoles", required = true, multiple = false, args = ["ell", "ell_file"])]
pub struct Arguments {
    /// omega_c,omega_b,sigma_8,h_0,n_s,w_0, or 'fiducial'
    #[arg(long, allow_hyphen_values = true)]
    params: Parameters,
    /// Multipoles
    #[arg(long, value_delimiter = ',')]
    ell: Vec<f64>,
    /// Multipoles from a file (.npy, or .npz with an array named ell)
    #[arg(long, value_name = "FILE")]
    ell_file: Option<Chosen>,
    #[command(flatten)]
    survey: SurveyArguments,
    /// Pixels along a side of the map, to which the lognormal shifts refer [default: the survey's]
    #[arg(long)]
    npix: Option<usize>,
    /// Output: .npz, or .csv for the spectra as a table
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// Spectra and shifts with derivatives with respect to the parameters.
struct Spectra {
    ell: Vec<f64>,
    pairs: Vec<(usize, usize)>,
    /// `[pair][ell]`
    cl: Vec<Vec<Dual<6>>>,
    /// `[bin]`
    shifts: Vec<Dual<6>>,
}

/// Runs the command.
///
/// # Errors
/// If an argument makes no sense or the output cannot be written.
pub fn run(arguments: &Arguments) -> Result<()> {
    let survey = arguments.survey.load()?.with_npix(arguments.npix)?;
    let cosmology = Cosmology::from_parameters(&arguments.params.0)?;
    let ell = match &arguments.ell_file {
        None => arguments.ell.clone(),
        Some(chosen) => chosen.read_finite(&["ell"])?.data,
    };
    ensure!(!ell.is_empty(), "no multipole was given");
    let table = arguments.ell_file.iter().map(|chosen| chosen.file().to_path_buf());
    let inputs: Vec<PathBuf> = survey.files().iter().cloned().chain(table).collect();
    require_output(&arguments.out, &["npz", "csv"], &inputs)?;
    let spectra = compute(survey.survey(), survey.shift_table(), &cosmology, ell)?;
    if arguments.out.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("csv")) {
        write_text(&arguments.out, &spectra.csv()?)
    } else {
        spectra.write(&arguments.out)
    }
}

fn compute(
    survey: &Survey,
    table: Option<&ShiftTable>,
    cosmology: &Cosmology,
    ell: Vec<f64>,
) -> Result<Spectra> {
    let largest = ell.iter().copied().fold(1.0, f64::max);
    let theory = Theory::new(&survey.sources()?, survey.pixel_arcmin(), largest, survey.prefactor)?;
    let cosmology = cosmology.with_derivatives();
    let cl = theory.spectra(&cosmology, &ell)?;
    let shifts = match table {
        Some(table) => table.shifts(survey.shifts, &cosmology)?,
        None => theory.predict(&cosmology)?.shifts,
    };
    Ok(Spectra { ell, pairs: theory.pairs(), cl, shifts })
}

impl Spectra {
    fn write(&self, path: &std::path::Path) -> Result<()> {
        let (pairs, multipoles, bins) = (self.pairs.len(), self.ell.len(), self.shifts.len());
        let flat: Vec<Dual<6>> = self.cl.concat();
        let derivatives = |values: &[Dual<6>]| -> Vec<f64> {
            (0..6).flat_map(|i| values.iter().map(move |value| value.gradient[i])).collect()
        };
        let values =
            |values: &[Dual<6>]| -> Vec<f64> { values.iter().map(|x| x.value()).collect() };
        let indices: Vec<i64> =
            self.pairs.iter().flat_map(|&(i, j)| [i as i64, j as i64]).collect();
        write_npz(
            path,
            [
                Named::f64("ell", &[multipoles], &self.ell),
                Named::i64("pairs", &[pairs, 2], &indices),
                Named::f64("cl", &[pairs, multipoles], &values(&flat)),
                Named::f64("dcl", &[6, pairs, multipoles], &derivatives(&flat)),
                Named::f64("shifts", &[bins], &values(&self.shifts)),
                Named::f64("dshifts", &[6, bins], &derivatives(&self.shifts)),
            ],
        )
    }

    /// One line per pair and multipole.
    fn csv(&self) -> Result<String> {
        let mut text = String::from("bin_i,bin_j,ell,cl");
        for name in PARAMETERS {
            write!(text, ",dcl_d{name}")?;
        }
        text.push('\n');
        for ((i, j), spectrum) in self.pairs.iter().zip(&self.cl) {
            for (ell, cl) in self.ell.iter().zip(spectrum) {
                write!(text, "{i},{j},{ell},{:e}", cl.value())?;
                for derivative in cl.gradient {
                    write!(text, ",{derivative:e}")?;
                }
                text.push('\n');
            }
        }
        Ok(text)
    }
}
